# The worker is ended, killed, reconfigured: it comes back, and answers at once.
use strict;
use warnings;

use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);
use TribePower;

my $hub = new_hub('hub',
	'tribe_power.interval' => '2s',
	'tribe_power.connect_timeout' => '4s',
	'tribe_power.node_timeout' => '8s');
add_node($hub, 'node', start_sshd('node', answer => 100));
my $hanging = start_sshd('hanging', answer => 'hang');
add_node($hub, 'hanging', $hanging);

sub readings { return $hub->safe_psql('postgres', 'SELECT count(*) FROM tribe_power_metrics'); }

# Waits for a round with a session under way.
sub in_flight
{
	$hub->safe_psql('postgres', 'UPDATE tribe_power_node_status SET next_attempt = NULL, failures = 0');
	my $logins = () = slurp_file($hanging->{log}) =~ /Accepted publickey/g;
	return await(sub { (() = slurp_file($hanging->{log}) =~ /Accepted publickey/g) > $logins }, 'a login');
}

# SIGHUP, with a session in flight: a new interval, and on and off.
ok($hub->poll_query_until('postgres', 'SELECT count(*) > 0 FROM tribe_power_metrics'), 'the worker polls');
ok(in_flight(), 'a session is under way');
my $worker = worker_pid($hub);
$hub->safe_psql('postgres', "ALTER SYSTEM SET tribe_power.interval = '1s'");
$hub->reload;
my $count = readings();
ok($hub->poll_query_until('postgres', "SELECT count(*) >= 4 FROM tribe_power_metrics WHERE \"timestamp\" > (SELECT \"timestamp\" FROM tribe_power_metrics ORDER BY 1 OFFSET $count LIMIT 1)"),
	'it takes up another interval');
is($hub->safe_psql('postgres', 'SELECT min(floor(extract(epoch FROM "timestamp")) - floor(extract(epoch FROM before))) FROM (SELECT "timestamp", lag("timestamp") OVER (ORDER BY "timestamp") AS before FROM tribe_power_metrics) m'),
	'1', 'a second apart, while a session of an earlier round is still under way');
$hub->safe_psql('postgres', 'ALTER SYSTEM SET tribe_power.enabled = off');
$hub->reload;
# what is under way is still stored: wait until nothing is
ok(await(sub { !children($worker) }, 'the end of the rounds'), 'switched off, it ends its poller');
$count = readings();
sleep 3;
is(readings(), $count, 'and polls no more');
$hub->safe_psql('postgres', 'ALTER SYSTEM SET tribe_power.enabled = on');
$hub->reload;
ok($hub->poll_query_until('postgres', "SELECT count(*) > $count FROM tribe_power_metrics"), 'switched on, it polls');
$hub->safe_psql('postgres', q{UPDATE tribe_power_nodes SET poll_interval = '5 s' WHERE node_name = 'node'});
is(worker_pid($hub), $worker, 'all that by the same process');

# SIGTERM, with a session in flight.
ok(in_flight(), 'a session is under way');
my $poller = poller_of($worker);
my $begun = time;
$hub->safe_psql('postgres', "SELECT pg_terminate_backend($worker)");
ok(await(sub { !kill 0, $worker }, 'the end of the worker'), 'SIGTERM ends the worker');
cmp_ok(time - $begun, '<', 2, 'at once, not after the session (8 s)');
ok(await(sub { !kill 0, $poller }, 'the end of the poller'), 'and its poller');
ok($hub->poll_query_until('postgres', "SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'tribe_power worker'"),
	'another is started');
$count = readings();
ok($hub->poll_query_until('postgres', "SELECT count(*) > $count FROM tribe_power_metrics"), 'and polls');

# SIGKILL: PostgreSQL restarts everything after that, and the worker is there again.
ok(in_flight(), 'a session is under way');
$worker = worker_pid($hub);
$poller = poller_of($worker);
my $start = log_size($hub);
$count = readings();
kill 'KILL', $worker;
ok(await(sub { !kill 0, $poller }, 'the end of the poller'), 'SIGKILL of the worker ends its poller');
ok(await(sub { log_since($hub, $start) =~ /all server processes terminated; reinitializing/ }, 'a restart'), 'and restarts the server');
ok($hub->poll_query_until('postgres', "SELECT count(*) > $count FROM tribe_power_metrics"), 'which polls again, with all that was stored');
is($hub->safe_psql('postgres', 'SELECT count(*) FROM (SELECT sum(energy_joules) / sum(interval_seconds) AS w FROM tribe_power_metrics WHERE energy_quality = \'counter\') s WHERE w BETWEEN 99 AND 101'),
	'1', 'the energy of all that time is there, whoever polled');

# A fast stop with sessions in flight.
ok(in_flight(), 'a session is under way');
$poller = poller_of(worker_pid($hub));
$begun = time;
$hub->stop('fast');
cmp_ok(time - $begun, '<', 4, 'a fast stop does not wait for sessions (8 s)');
ok(!kill(0, $poller), 'and leaves no poller');
unlike(log_since($hub, 0), qr/PANIC|was terminated by signal (?!9)/, 'nothing else went wrong');

# An immediate one, which gives nobody time for a farewell.
$hub->start;
ok(in_flight(), 'a session is under way');
$poller = poller_of(worker_pid($hub));
$hub->stop('immediate');
ok(await(sub { !kill 0, $poller }, 'the end of the poller'), 'an immediate stop leaves no poller either');

done_testing();
