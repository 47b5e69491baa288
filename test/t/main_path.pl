# All that a user does from CREATE to DROP EXTENSION, once: every function that reaches
# C code, the worker's rounds with good and bad nodes, a poller and a worker that are
# ended.  Other tests look closer; this one is what "check valgrind" runs.
use strict;
use warnings;

use PostgreSQL::Test::Utils;
use Test::More;
use TribePower;

my $hub = new_hub('hub',
	extension => 0,
	'tribe_power.interval' => '3s',
	'tribe_power.enabled' => 'off',
	'tribe_power.node_timeout' => '60s',
	'tribe_power.poller_memory' => $ENV{TRIBE_POWER_VALGRIND} ? '65536MB' : '256MB',
	'tribe_power.upkeep_interval' => '1s');

sub sql { return $hub->safe_psql('postgres', $_[0]); }

sub refused
{
	my ($sql, $like, $what) = @_;
	my ($rc, $out, $err) = $hub->psql('postgres', $sql);
	return like($err, $like, $what);
}

# --- tables of an earlier collector, then ours -------------------------------------
sql(q{CREATE TABLE old (node_name text, "timestamp" timestamp, total_power_watts float8);
	INSERT INTO old SELECT 'ada', now() - interval '40 days' + i * interval '5 min', 100 FROM generate_series(1, 600) i});
sql('CREATE EXTENSION tribe_power');
add_node($hub, 'ada', start_sshd('ada', answer => 100));
my $bob = start_sshd('bob', answer => 200);
add_node($hub, 'bob', $bob, host_key => undef);
add_node($hub, $_, start_sshd($_, answer => $_)) foreach qw(cut garbled control oversized silent failed);
add_node($hub, 'down', unused_port());
add_node($hub, 'nameless', { address => 'no-such-host.invalid', port => 22 });
add_node($hub, 'banner', talker("HTTP/1.0 400 Bad\r\n"));
is(sql(q{SELECT rows_imported FROM tribe_power_import('old')}), '600', 'history imported');

# --- host keys, one poll by hand, the doctor ----------------------------------------
is(sql(q{SELECT tribe_power_fingerprint(host_key) LIKE 'SHA256:%', state FROM tribe_power_scan_host_key('bob')}), 't|not pinned', 'a key scanned');
sql(q{SELECT tribe_power_trust_host_key('bob', (tribe_power_scan_host_key('bob')).fingerprint)});
is(sql(q{SELECT string_agg(node_name, ' ' ORDER BY node_name) FROM tribe_power_collect() WHERE status = 'ok'}), 'ada bob', 'two nodes read')
  or diag(sql('SELECT node_name, status, error FROM tribe_power_collect()'));
like(sql(q{SELECT count(*) FROM tribe_power_doctor()}), qr/^\d+$/, 'the doctor looks at all');
like(sql(q{SELECT count(*) FROM tribe_power_examine('{ada,down}')}), qr/^\d+$/, 'and examines two');
refused(q{SELECT * FROM tribe_power_collect('{nobody}')}, qr/nobody/, 'no such node');
refused(q{INSERT INTO tribe_power_nodes (node_name, address, host_key) VALUES ('x', 'x', 'ssh-ed25519 AAAA')}, qr/host key|host_key/, 'a bad host key');
refused(q{SET tribe_power.ssh_user = 'a b'}, qr/invalid value/, 'a bad setting');

# --- rounds, settings changed under way, a poller and a worker that end ---------------
sub readings { return sql('SELECT count(*) FROM tribe_power_metrics'); }

sub goes_on
{
	my ($what) = @_;
	my $before = readings();
	return ok($hub->poll_query_until('postgres', "SELECT count(*) >= $before + 4 FROM tribe_power_metrics"), $what);
}
sql('ALTER SYSTEM SET tribe_power.enabled = on');
$hub->reload;
goes_on('the worker polls');
sql(q{ALTER SYSTEM SET tribe_power.timezone = 'Pacific/Apia'});
sql(q{ALTER SYSTEM SET tribe_power.max_connections = 2});
sql(q{ALTER SYSTEM SET tribe_power.jitter = '1s'});
$hub->reload;
goes_on('with other settings too');
kill 'KILL', poller_of(worker_pid($hub));
goes_on('without its first poller');
my $worker = worker_pid($hub);
kill 'TERM', $worker;
ok(await(sub { my $now = worker_pid($hub); $now && $now != $worker }, 'another worker'), 'a worker that was ended comes again');
goes_on('and polls');
is(sql(q{SELECT count(*) FROM tribe_power_node_status WHERE node_name IN ('cut', 'garbled', 'control', 'oversized', 'silent', 'failed', 'down', 'nameless', 'banner') AND last_error IS NOT NULL}),
	'9', 'nine nodes in trouble, each with a reason');

# --- totals, upkeep, reports ----------------------------------------------------------
like(sql(q{SELECT tribe_power_aggregate()}), qr/\d/, 'totals');
cmp_ok(sql(q{SELECT tribe_power_aggregate((now() - interval '41 days')::date, (now() - interval '37 days')::date)}), '>', 0, 'of the imported days');
cmp_ok(sql(q{SELECT sum(energy_kwh) FROM tribe_power_energy(now() - interval '42 days', now())}), '>', 4, 'energy over a span');
sql(q{SET tribe_power.retention = '10d'; SELECT * FROM tribe_power_upkeep()});
sql(q{SELECT tribe_power_make_partition(now() + interval '3 months')});
sql(q{SELECT tribe_power_drop_partition()});
foreach my $call ('tribe_power_report()', 'tribe_power_openmetrics()', q{tribe_power_spark('ada')}, q{tribe_power_node_setup('ada')})
{
	cmp_ok(length(sql("SELECT $call")), '>', 10, $call);
}
sql("SELECT * FROM $_") foreach qw(tribe_power_latest tribe_power_fleet tribe_power_monthly tribe_power_hourly tribe_power_partitions());

# --- a session ended in the middle, and the end -----------------------------------------
add_node($hub, 'hanging', start_sshd('hanging', answer => 'hang'));
my $session = background($hub, q{SELECT * FROM tribe_power_collect('{hanging}')});
poller_of($session->{pid});
sql("SELECT pg_cancel_backend($session->{pid})");
my ($status, $out, $err) = $session->{finish}->();
like($err, qr/57014/, 'a cancelled session');
is(sql(q{DROP EXTENSION tribe_power; SELECT count(*) FROM pg_class WHERE relname LIKE 'tribe_power%'}), '0', 'DROP EXTENSION leaves nothing');
$hub->stop;
unlike(slurp_file($hub->logfile), qr/PANIC|terminated by signal 11|was terminated by signal 6/, 'nothing crashed');
done_testing();
