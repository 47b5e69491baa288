# tribe_power_doctor() on a server of its own: each thing is broken in turn, is found,
# and where the remedy is SQL it is run as it stands and mends it.  Nothing is changed
# by looking.
use strict;
use warnings;

use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);
use TribePower;

my $hub = new_hub('hub',
	preload => 'pg_cron,tribe_power',
	'tribe_power.interval' => '1h',
	'tribe_power.host_key_policy' => 'accept-new',
	'tribe_power.node_timeout' => '2s',
	'tribe_power.connect_timeout' => '1s',
	'tribe_power.round_timeout' => '5s',
	'cron.database_name' => 'postgres',
	'cron.use_background_workers' => 'on');
my $node = start_sshd('node', answer => 100);
add_node($hub, 'node', $node);

# status|detail|remedy of a check
sub finding
{
	my ($check, $of) = @_;
	my $which = defined $of ? "'$of'" : '';
	my $row = $hub->safe_psql('postgres', qq{SELECT status, detail, remedy FROM tribe_power_doctor($which) WHERE "check" = '$check'});
	return split /\|/, $row, 3;
}

sub all_findings
{
	return $hub->safe_psql('postgres', q{SELECT string_agg("check" || coalesce(' of ' || node_name, '') || ': ' || status || ' (' || detail || ')', E'\n') FROM tribe_power_doctor() WHERE status <> 'ok'});
}

# Found as it should be; and what it says to paste mends it.
sub found_and_mended
{
	my ($check, $status, $detail, $what) = @_;
	my ($is, $says, $remedy) = finding($check);

	is($is, $status, "$what: found");
	like($says, $detail, "$what: said");
	$hub->psql('postgres', $remedy);
	ok(await(sub { (finding($check))[0] eq 'ok' }, "$check after: $remedy"), "$what: the remedy mends it") or diag($remedy);
	return;
}

sub set
{
	my ($name, $value) = @_;
	$hub->safe_psql('postgres', "ALTER SYSTEM SET $name = '$value'");
	$hub->reload;
	$hub->poll_query_until('postgres', "SELECT current_setting('$name') = '$value'");
	return;
}

await(sub { worker_pid($hub) ne '' }, 'the worker');
await(sub { outcome($hub, 'node') =~ /^read/ }, 'a reading');
is(all_findings(), '', 'all is well');
is((finding('login', 'node'))[0], 'ok', 'and of the node');
is((finding('sources', 'node'))[0], 'ok', 'whose sources are read');

# --- looking changes nothing ------------------------------------------------------------

sub tables
{
	return $hub->safe_psql('postgres', 'SELECT md5(string_agg(t, chr(10))) FROM (SELECT s::text FROM tribe_power_node_status s UNION ALL SELECT n::text FROM tribe_power_nodes n UNION ALL SELECT m::text FROM tribe_power_metrics m UNION ALL SELECT d::text FROM tribe_power_daily d ORDER BY 1) x (t)');
}
set('tribe_power.enabled', 'off');
$hub->safe_psql('postgres', 'UPDATE tribe_power_nodes SET host_key = NULL');
my $before = tables();
my ($status, $detail) = finding('host key');
is("$status $detail", 'warn not pinned in the registry', 'accept-new: a host key that nobody pinned');
is(tables(), $before, 'examining pins nothing, stores nothing, touches no status');
$hub->safe_psql('postgres', "UPDATE tribe_power_nodes SET host_key = '$node->{host_key}'");

# --- the worker ----------------------------------------------------------------------------

found_and_mended('worker', 'warn', qr/paused/, 'a worker that is paused');
$hub->safe_psql('postgres', 'CREATE DATABASE other');
set('tribe_power.database', 'other');
await(sub { $hub->safe_psql('postgres', 'SELECT NOT tribe_power_is_served()') eq 't' }, 'the worker to leave');
found_and_mended('worker', 'fail', qr/serves database "other", not this one/, 'a worker of another database');

# --- pg_cron ---------------------------------------------------------------------------------

my ($rc, $out, $err) = $hub->psql('postgres', 'CREATE EXTENSION pg_cron');
SKIP:
{
	skip 'no pg_cron here', 1 if $err =~ /not available/;
	is((finding('cron jobs'))[0], 'ok', 'cron: nothing is needed beside a worker');
	$hub->safe_psql('postgres', 'SELECT tribe_power_schedule(true)');
	found_and_mended('cron jobs', 'warn', qr/asked twice/, 'cron beside a worker');
	set('tribe_power.database', 'other');
	await(sub { $hub->safe_psql('postgres', 'SELECT NOT tribe_power_is_served()') eq 't' }, 'the worker to leave');
	found_and_mended('cron jobs', 'warn', qr/tribe_power_aggregate, tribe_power_upkeep, tribe_power_collect/, 'no job at all');
	is((finding('worker'))[1], 'none here; pg_cron polls', 'cron stands in for the worker');
	$hub->safe_psql('postgres', "SELECT cron.unschedule('tribe_power_upkeep')");
	found_and_mended('cron jobs', 'warn', qr/should: tribe_power_upkeep$/, 'a job is missing');
	$hub->safe_psql('postgres', q{SELECT cron.alter_job(jobid, active := false) FROM cron.job WHERE jobname = 'tribe_power_aggregate'});
	found_and_mended('cron jobs', 'warn', qr/should: tribe_power_aggregate$/, 'a job is switched off');
	set('tribe_power.interval', '30min');
	found_and_mended('cron jobs', 'warn', qr/should: tribe_power_collect$/, 'another interval than the job\'s');
	set('tribe_power.interval', '1h');
	$hub->safe_psql('postgres', 'SELECT tribe_power_schedule(true)');
	$hub->safe_psql('postgres', q{INSERT INTO cron.job_run_details (jobid, runid, status, return_message) SELECT jobid, 1000000, 'failed', 'ERROR: out of' || chr(10) || 'paper' FROM cron.job WHERE jobname = 'tribe_power_collect'});
	($status, $detail) = finding('cron jobs');
	is("$status $detail", 'fail the last run failed: tribe_power_collect: ERROR: out of paper', 'a job that fails');
	$hub->safe_psql('postgres', 'SELECT tribe_power_unschedule(); DELETE FROM cron.job_run_details');
	set('tribe_power.database', 'postgres');
	await(sub { $hub->safe_psql('postgres', 'SELECT tribe_power_is_served()') eq 't' }, 'the worker to come back');
}

# --- nodes ------------------------------------------------------------------------------------

# in this order: the worker never sees an interval so short that a round begins
set('tribe_power.enabled', 'off');
set('tribe_power.interval', '1s');
# one may still be under way
await(sub {
		$hub->safe_psql('postgres', "UPDATE tribe_power_node_status SET last_attempt = now() - interval '1 hour'");
		($status, $detail) = finding('last poll');
		return $status eq 'fail' && !children(worker_pid($hub));
	}, 'the last round');
like("$status $detail", qr/^fail the last poll ended 01:00:0\d ago, it should be every 00:00:01$/, 'a node that is not polled');
found_and_mended('last poll', 'fail', qr/ended/, 'not polled');
set('tribe_power.interval', '1h');

my $key = $hub->safe_psql('postgres', 'SHOW tribe_power.identity_file');
chmod 0644, $key;
($status, $detail, my $remedy) = finding('private key');
like("$status $detail", qr/^fail .*can be read by others \(mode 0644\)/, 'a key that others can read');
is($remedy, "sudo chmod 600 $key", 'with the command for it');
like((finding('login'))[1], qr/^identity_file/, 'and the login says so too');
$remedy =~ s/^sudo //;
system($remedy);
is((finding('private key'))[0], 'ok', 'which mends it');

rename $key, "$key.away";
($status, $detail, $remedy) = finding('private key');
like("$status $detail", qr/^fail .*No such file/, 'a key that is gone');
like($remedy, qr/^sudo -u \S+ ssh-keygen -q -t ed25519 -N '' -f \Q$key\E$/, 'with the command for it');
$remedy =~ s/^sudo -u \S+ //;
system("mv $key.pub $key.pub.away; $remedy");
is((finding('private key'))[0], 'ok', 'which makes one');
($status, $detail, $remedy) = finding('login');
like("$status $detail", qr/^fail login_refused/, 'that the node does not know');
like($remedy, qr/^psql -XAtc "SELECT tribe_power_node_setup\('node'\)" \| ssh root\@127\.\S+ sh/, 'and the command for that');
rename "$key.away", $key;
rename "$key.pub.away", "$key.pub";
is((finding('login'))[0], 'ok', 'the old one is taken');

$hub->safe_psql('postgres', "UPDATE tribe_power_nodes SET host_key = (SELECT 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKqL1y+uZKfgd6tMZU8wHqOBrD8zDgNc9yHqSp1n4Xsr')");
($status, $detail) = finding('host key');
is("$status $detail", 'fail host_key_changed', 'another host key than the pinned one');
$hub->safe_psql('postgres', "SELECT tribe_power_trust_host_key('node', (tribe_power_scan_host_key('node')).fingerprint)");
is((finding('host key'))[0], 'ok', 'once it is trusted');

# Nodes that never answer bound it, and are told from the others.
add_node($hub, 'silent', silent_listener());
add_node($hub, 'dropped', full_listener());
add_node($hub, 'down', unused_port(), host_key => undef);
my $began = time;
my $rows = $hub->safe_psql('postgres', q{SELECT string_agg(node_name || ' ' || detail, E'\n' ORDER BY node_name) FROM tribe_power_doctor() WHERE "check" = 'login'});
note($rows);
like($rows, qr/^down refused.*^node read\n.*^silent /ms, 'nodes that do not answer beside one that does');
is($hub->safe_psql('postgres', q{SELECT count(*) FROM tribe_power_doctor() WHERE "check" = 'login' AND status = 'fail' AND remedy IS NOT NULL}), '3', 'each with a remedy');
# the round's 5 s, and what a busy machine adds
cmp_ok(time - $began, '<', 2 * 5 + 30, 'and it ends');
$hub->safe_psql('postgres', "DELETE FROM tribe_power_nodes WHERE node_name <> 'node'");

# Somebody's lock is not waited for for ever.
my $locker = background($hub, 'BEGIN; LOCK TABLE tribe_power_nodes; SELECT pg_sleep(600)');
await(sub { $hub->safe_psql('postgres', "SELECT count(*) FROM pg_locks WHERE granted AND mode = 'AccessExclusiveLock' AND relation = 'tribe_power_nodes'::regclass") eq '1' }, 'a lock');
($rc, $out, $err) = $hub->psql('postgres', 'SELECT * FROM tribe_power_doctor()');
like($err, qr/lock timeout/, 'a table that is locked: an error, no waiting without end');
$hub->safe_psql('postgres', "SELECT pg_terminate_backend($locker->{pid})");
eval { $locker->{finish}->() };

$hub->stop;
done_testing();
