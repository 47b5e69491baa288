# tribe_power.poller_memory: a round that would take more is polled fewer nodes at a
# time, and a poller that cannot even have a few sessions in it is replaced in the same
# round; the nodes that were under way are told why.
use strict;
use warnings;

use PostgreSQL::Test::Utils;
use Test::More;
use TribePower;

my $hub = new_hub('hub',
	'tribe_power.enabled' => 'off',
	'tribe_power.interval' => '5s',
	'tribe_power.poller_memory' => '64MB',
	'tribe_power.max_connections' => '2000',
	'tribe_power.connect_timeout' => '12s',
	'tribe_power.node_timeout' => '12s',
	'tribe_power.round_timeout' => '3min');
my $born = postmaster_start($hub);

sub peak_kb
{
	my ($pid) = @_;
	open(my $status, '<', "/proc/$pid/status") or return 0;
	my ($peak) = join('', <$status>) =~ /^VmPeak:\s+(\d+) kB/m;
	return $peak || 0;
}

# More than fit, none of which ever speaks, and one behind them that answers.
my $many = 900;
my $silent = silent_listener(4096);
$hub->safe_psql('postgres', "INSERT INTO tribe_power_nodes (node_name, address, port, host_key) SELECT 'n' || g, '$silent->{address}', $silent->{port}, '$silent->{host_key}' FROM generate_series(1, $many) g");
add_node($hub, 'quick', start_sshd('quick', answer => 100));
my $session = background($hub, 'SELECT status, count(*) FROM tribe_power_collect() GROUP BY 1 ORDER BY 1');
my $poller = poller_of($session->{pid});
my $peak = 0;
await(sub { my $now = peak_kb($poller); $peak = $now if $now; return !$now || !kill 0, $poller }, 'the end of the round');
my ($status, $out, $err) = $session->{finish}->();
is($out, "handshake_timeout|$many\nok|1\n", 'each of the silent ones is tried, and the other read') or diag($err);
cmp_ok($peak, '<=', 64 * 1024, "within the poller's memory: $peak kB");
cmp_ok($peak, '>', 60 * 1024, 'all of which it had taken');
$hub->safe_psql('postgres', q{DELETE FROM tribe_power_nodes WHERE node_name LIKE 'n%'});

# A poller of which nothing is left for others, as if it had leaked: its limit falls
# to what it has.
add_node($hub, 'hanging', start_sshd('hanging', answer => 'hang'));
$hub->append_conf('postgresql.conf', "tribe_power.enabled = on\n");
$hub->reload;
my $worker = worker_pid($hub);
ok($hub->poll_query_until('postgres', q{SELECT count(*) > 1 FROM tribe_power_metrics WHERE node_name = 'quick'}), 'a round is under way');
$poller = poller_of($worker);
system_or_bail('prlimit', '--pid', $poller, '--as=1048576');
ok( $hub->poll_query_until('postgres', q{SELECT last_error LIKE 'poller ended because tribe_power.poller_memory was used up while %' FROM tribe_power_node_status WHERE node_name = 'hanging'}),
	'what was under way is told why') or diag(outcome($hub, 'hanging'));
my $count = $hub->safe_psql('postgres', q{SELECT count(*) FROM tribe_power_metrics WHERE node_name = 'quick'});
ok($hub->poll_query_until('postgres', qq{SELECT count(*) > $count + 1 FROM tribe_power_metrics WHERE node_name = 'quick'}), 'the other is read on');
is($hub->safe_psql('postgres', q{SELECT count(*) FROM (SELECT "timestamp" - lag("timestamp") OVER (ORDER BY "timestamp") AS gap FROM tribe_power_metrics WHERE node_name = 'quick' AND "timestamp" > (SELECT min("timestamp") + interval '5 s' FROM tribe_power_metrics)) g WHERE gap > interval '9 s'}),
	'0', 'in each round');
is(outcome($hub, 'quick'), 'read|', 'and has never failed');
ok(!grep { $_ == $poller } children($worker), 'by another poller') ;
is(worker_pid($hub), $worker, 'and the same worker');
is(postmaster_start($hub), $born, 'the server has not restarted');
$hub->stop;
done_testing();
