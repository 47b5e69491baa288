# The worker and several sessions poll the same nodes at once: each joule is counted
# once, and no reading is stored twice.
use strict;
use warnings;

use PostgreSQL::Test::Utils;
use Test::More;
use TribePower;

my $hub = new_hub('hub', 'tribe_power.interval' => '1s', 'tribe_power.sample_window' => '100ms');
add_node($hub, "node$_", start_sshd("node$_", answer => 100 * $_)) foreach (1 .. 3);
ok($hub->poll_query_until('postgres', 'SELECT count(DISTINCT node_name) = 3 FROM tribe_power_metrics'), 'the worker polls');

my $loop = 'DO $$ BEGIN FOR i IN 1 .. 12 LOOP PERFORM * FROM tribe_power_collect(); COMMIT; END LOOP; END $$';
my @sessions = map { background($hub, $loop) } (1 .. 3);
foreach my $session (@sessions)
{
	my ($status, $out, $err) = $session->{finish}->();
	is($err, '', 'a session collected, beside the others');
}
# the worker's last round too
$hub->safe_psql('postgres', 'ALTER SYSTEM SET tribe_power.enabled = off');
$hub->reload;
ok(await(sub { !children(worker_pid($hub)) }, 'the end of the round'), 'all rounds are over');

my $readings = $hub->safe_psql('postgres', 'SELECT count(*) FROM tribe_power_metrics');
cmp_ok($readings, '>=', 3 * 3 * 12, "$readings readings, none lost");
is($hub->safe_psql('postgres', 'SELECT count(*) FROM (SELECT FROM tribe_power_metrics GROUP BY node_name, "timestamp" HAVING count(*) > 1) d'),
	'0', 'no node has two at one time');

# What the counter advanced from the first reading to the last that carries
# energy (two within 50 ms share one figure, with the later reading), in order of
# the node's uptime, is what was counted: not more (twice), not less (lost).
is( $hub->safe_psql('postgres', <<'SQL'), "node1|t|t\nnode2|t|t\nnode3|t|t", 'the energies add up to what the counters say');
SELECT node_name,
       abs(sum(energy_joules) FILTER (WHERE n > 1)
           - ((array_agg(energy ORDER BY uptime DESC, energy DESC) FILTER (WHERE energy_joules IS NOT NULL))[1] - (array_agg(energy ORDER BY uptime, energy))[1])) < 0.01 * count(*),
       abs(sum(interval_seconds) FILTER (WHERE n > 1 AND energy_joules IS NOT NULL) - (max(uptime) - min(uptime))) < 0.1
FROM (SELECT *, row_number() OVER (PARTITION BY node_name ORDER BY uptime, "timestamp") AS n
      FROM (SELECT *, (raw_data #>> '{clock,1,after}')::float8 AS uptime,
                   (raw_data #>> '{rapl,0,energy_uj,1}')::float8 / 1e6 AS energy FROM tribe_power_metrics) r) o
GROUP BY node_name ORDER BY node_name
SQL

$hub->stop;
done_testing();
