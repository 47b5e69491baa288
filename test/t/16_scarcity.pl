# What the server may run out of: disk, connections, processes, the database itself.
# The worker waits, says so once, and what it has read meanwhile is not lost.
use strict;
use warnings;

use PostgreSQL::Test::Utils;
use Test::More;
use Steady;
use TribePower;

my $hub = steady_hub('hub', max_connections => 12, superuser_reserved_connections => 3, autovacuum => 'off');
my $sql = sub { return $hub->safe_psql('postgres', $_[0]) };

# A file system of 8 MiB that ./check has mounted fills up under the readings.
SKIP:
{
	my $small = $ENV{TRIBE_POWER_SMALL} or skip 'needs a small file system: root and namespaces', 1;
	mkdir "$small/space";
	$sql->("CREATE TABLESPACE small LOCATION '$small/space'");
	my $partition = $sql->(q{SELECT tableoid::regclass FROM tribe_power_metrics ORDER BY "timestamp" DESC LIMIT 1});
	$sql->("ALTER TABLE $partition SET TABLESPACE small");
	remember($hub);
	my $start = log_size($hub);
	open(my $filler, '>', "$small/filler");
	1 while syswrite($filler, "\0" x 4096);
	ok(await(sub { log_since($hub, $start) =~ /could not extend file .*No space left on device/ }, 'a full disk'), 'the disk is full');
	my $count = $sql->('SELECT count(*) FROM tribe_power_metrics');
	ok(await(sub { $sql->('SELECT max(now() - last_attempt) > interval \'4 s\' FROM tribe_power_node_status') eq 't' }, 'a while'), 'for a while');
	is($sql->('SELECT count(*) FROM tribe_power_metrics'), $count, 'no reading can be stored');
	my $times = () = log_since($hub, $start) =~ /No space left on device/g;
	cmp_ok($times, '<=', 2, 'said once, not at each try');
	my $since = $sql->('SELECT max("timestamp") FROM tribe_power_metrics');
	truncate $filler, 0;
	close $filler;
	steady($hub, 'full disk', since => $since);
	cmp_ok($sql->("SELECT min(\"timestamp\") - '$since' < interval '4 s' FROM tribe_power_metrics WHERE \"timestamp\" > '$since'"), 'eq', 't', 'what was read while it was full is stored');
	$sql->("ALTER TABLE $partition SET TABLESPACE pg_default; DROP TABLESPACE small");
}

# Every connection taken: the worker has a place of its own, also when it starts anew.
$sql->('CREATE ROLE crowd LOGIN');
my @crowd;
foreach (1 .. 20)
{
	local $ENV{PGUSER} = 'crowd';
	my ($in, $out, $err) = ('', '', '');
	push @crowd, { out => \$out, err => \$err, in => \$in, h => IPC::Run::start([ 'psql', '-XAtq', '-d', $hub->connstr('postgres'), '-c', 'SELECT pg_sleep(100)' ], '<', \$in, '>', \$out, '2>', \$err) };
}
ok(await(sub { $_->{h}->pump_nb foreach grep { $_->{h}->pumpable } @crowd; grep { ${ $_->{err} } =~ /remaining connection slots are reserved|too many clients/ } @crowd }, 'a full house'), 'no connection is left');
answered_sigterm($hub, 'waiting');
ok($hub->poll_query_until('postgres', q{SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'tribe_power worker'}), 'a worker starts all the same');
steady($hub, 'max_connections reached');
$sql->(q{SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'crowd'});
foreach (@crowd)
{
	$_->{h}->finish;
}

# The readings locked by somebody for a while.
foreach my $mode ('ACCESS EXCLUSIVE', 'SHARE')
{
	my $session = background($hub, "BEGIN; LOCK TABLE tribe_power_metrics IN $mode MODE; SELECT pg_sleep(5); COMMIT");
	$session->{finish}->();
	steady($hub, "readings locked in $mode mode");
}
my $session = background($hub, 'BEGIN; SELECT FROM tribe_power_node_status WHERE node_name = \'ada\' FOR UPDATE; SELECT pg_sleep(4); COMMIT');
ok($hub->poll_query_until('postgres', q{SELECT count(*) > 2 FROM tribe_power_metrics WHERE node_name = 'bob' AND "timestamp" > (SELECT max(xact_start) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(4)%' AND pid <> pg_backend_pid())}),
	'a locked node holds up no other');
$session->{finish}->();
steady($hub, 'status of a node locked');

# Its database goes away and comes back: one FATAL line, then a quiet wait.
$sql->(q{ALTER SYSTEM SET tribe_power.database = 'later'});
my $start = log_size($hub);
$hub->reload;
ok(await(sub { log_since($hub, $start) =~ /LOG:  tribe_power worker waits: database "later" does not exist\n.*HINT:  Create the database/ }, 'the log'), 'no such database: the worker says so');
is(worker_pid($hub) ne '', 1, 'and waits');
my $waiting = worker_pid($hub);
$sql->('CREATE DATABASE later ALLOW_CONNECTIONS false');
ok(await(sub { log_since($hub, $start) =~ /waits: database "later" does not accept connections/ }, 'the log'), 'one that takes no connections: it says that');
is(worker_pid($hub), $waiting, 'the same process all the time');
is(() = log_since($hub, $start) =~ /FATAL/g, 1, 'after one FATAL line');
$sql->('DROP DATABASE later');
ok(await(sub { (() = log_since($hub, $start) =~ /database "later" does not exist\n/g) >= 2 }, 'the log'), 'it keeps nobody from dropping it');
$sql->(q{ALTER SYSTEM RESET tribe_power.database});
$hub->reload;
steady($hub, 'database that is not there');
is(worker_pid($hub) ne $waiting, 1, 'a new process serves the old database');

# No room for a worker started by hand; one that was registered at the start has its place.
my $plain = new_hub('plain', preload => 'pg_stat_statements', max_worker_processes => 1);
my ($rc, $out, $err) = $plain->psql('postgres', 'SELECT tribe_power_start_worker()');
like($err, qr/no background worker slot is free.*HINT:  Raise max_worker_processes/s, 'no slot for a worker: said with the remedy');
$plain->stop;

$hub->stop;
unlike(log_since($hub, 0), qr/PANIC|was terminated by signal/, 'nothing ended');
done_testing();
