# The worker polls at slots of the wall clock, and nodes in trouble delay nobody.
use strict;
use warnings;

use PostgreSQL::Test::Utils;
use Test::More;
use TribePower;

my $interval = 5;
my $hub = new_hub('hub',
	'tribe_power.interval' => "${interval}s",
	'tribe_power.sample_window' => '1s');

is($hub->safe_psql('postgres', "SELECT count(*), min(application_name), min(datname) FROM pg_stat_activity WHERE backend_type = 'tribe_power worker'"),
	'1|tribe_power worker|postgres', 'one worker, in its database, under its name');

# Three that answer, and one of each kind of trouble.
my @good = qw(ada bob cay);
my $watts = 100;
add_node($hub, $_, start_sshd($_, answer => $watts++)) foreach @good;
add_node($hub, 'down', { %{ unused_port() }, host_key => start_sshd('unused')->{host_key} });
add_node($hub, 'silent', silent_listener());
add_node($hub, 'dropped', full_listener());
add_node($hub, 'otherkey', start_sshd('otherkey', answer => 1), host_key => start_sshd('another')->{host_key});
add_node($hub, 'unpinned', start_sshd('unpinned', answer => 1), host_key => undef);
add_node($hub, 'stranger', start_sshd('stranger', answer => 1), ssh_user => 'nobody_such');
add_node($hub, 'resting', start_sshd('resting', answer => 1), enabled => 'false');
add_node($hub, 'nameless', { address => 'no-such-host.invalid', port => 22, host_key => start_sshd('nameless')->{host_key} });

my $good_names = join(', ', map { "'$_'" } @good);
ok( $hub->poll_query_until('postgres', "SELECT count(*) >= 9 FROM tribe_power_metrics WHERE node_name IN ($good_names)"),
	'three rounds of the nodes that answer');

# Each reading against the slot that it belongs to; the timeouts of the others are
# 20 s and more, so that a node that waited for one of them would show.
my $delay = "mod(extract(epoch FROM \"timestamp\")::numeric, $interval)";
is( $hub->safe_psql('postgres', "SELECT count(*) FROM (SELECT node_name, floor(extract(epoch FROM \"timestamp\") / $interval) FROM tribe_power_metrics WHERE node_name IN ($good_names) GROUP BY 1, 2 HAVING count(*) > 1) twice"),
	'0', 'one reading a node and slot');
is( $hub->safe_psql('postgres', "SELECT max(slots) - min(slots) <= 1 AND max(gap) = 1 FROM (SELECT node_name, count(*) OVER w AS slots, slot - lag(slot) OVER w AS gap FROM (SELECT node_name, floor(extract(epoch FROM \"timestamp\") / $interval) AS slot FROM tribe_power_metrics WHERE node_name IN ($good_names)) s WINDOW w AS (PARTITION BY node_name ORDER BY slot ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING)) g"),
	't', 'in slot after slot');
ok( $hub->safe_psql('postgres', "SELECT min(latest) < 2 FROM (SELECT max($delay) AS latest FROM tribe_power_metrics WHERE node_name IN ($good_names) GROUP BY floor(extract(epoch FROM \"timestamp\") / $interval)) s") eq 't',
	'a whole round within 2 s of its slot, of which 1 s is the window')
  or diag($hub->safe_psql('postgres', "SELECT node_name, $delay FROM tribe_power_metrics ORDER BY 1, 2"));
is( $hub->safe_psql('postgres', "SELECT min($delay) >= 1 FROM tribe_power_metrics WHERE node_name IN ($good_names)"),
	't', 'and none before its window is over');

is( $hub->safe_psql('postgres', "SELECT count(*) FROM tribe_power_metrics WHERE node_name NOT IN ($good_names)"),
	'0', 'no reading of a node that was not read');
is( $hub->safe_psql('postgres', "SELECT bool_and(abs(total_power_watts - 100 - strpos('abc', left(node_name, 1)) + 1) < 0.5) FROM tribe_power_metrics"),
	't', 'power from the counters of each');
is( $hub->safe_psql('postgres', "SELECT bool_and(energy_quality = 'counter' AND abs(energy_joules / interval_seconds - total_power_watts) < 0.1 AND abs(interval_seconds - $interval) < 1.5) FROM (SELECT *, row_number() OVER (PARTITION BY node_name ORDER BY \"timestamp\") AS n FROM tribe_power_metrics) m WHERE n > 1"),
	't', 'and energy over the time since the reading before');
is( $hub->safe_psql('postgres', "SELECT bool_and(memory_used_gb = 12 AND memory_total_gb = 16 AND abs(cpu_utilization - 25) < 5 AND node_ip LIKE '127.%' AND raw_data IS NOT NULL AND problems IS NULL OR n = 1) FROM (SELECT *, row_number() OVER (PARTITION BY node_name ORDER BY \"timestamp\") AS n FROM tribe_power_metrics) m"),
	't', 'and the rest of what it answered');

# What the registry knows of the others.
my %expected = (
	down => 'refused',
	silent => 'handshake_timeout',
	dropped => 'connect_timeout',
	otherkey => 'host_key_changed',
	unpinned => 'host_key_unknown',
	stranger => 'login_refused',
	nameless => 'resolve');
foreach my $name (sort keys %expected)
{
	ok( $hub->poll_query_until('postgres', "SELECT last_outcome = '$expected{$name}' AND last_error <> '' AND failures > 0 AND last_success IS NULL AND last_attempt IS NOT NULL FROM tribe_power_node_status WHERE node_name = '$name'"),
		"$name: $expected{$name}")
	  or diag(outcome($hub, $name));
}
is(outcome($hub, 'ada'), 'read|', 'a node that is well says so');
is($hub->safe_psql('postgres', "SELECT count(*) FROM tribe_power_node_status WHERE node_name = 'resting' AND last_attempt IS NOT NULL"),
	'0', 'a node that is not enabled is left alone');
my $log = log_since($hub, 0);
like($log, qr/LOG:  node "ada": 100\.\dW/, 'the log tells a node\'s first reading');
like($log, qr/LOG:  node "down": N\/A \(.*refused.*\)\n.*HINT:  Start the node's SSH server/, 'and what to do about one in trouble');
is(() = $log =~ /LOG:  node "down":/g, 1, 'once');
like($log, qr/LOG:  power collection: \d+ nodes, \d+ read, \d+ failed, \d+\.\d s/, 'and each round');

# By hand: the same, with the remedy.
$hub->safe_psql('postgres', 'ALTER SYSTEM SET tribe_power.enabled = off');
$hub->safe_psql('postgres', q{ALTER SYSTEM SET tribe_power.connect_timeout = '1s'});
$hub->reload;
is( $hub->safe_psql('postgres', q{SELECT string_agg(node_name || ' ' || status, ', ' ORDER BY node_name) FROM tribe_power_collect()}),
	'ada ok, bob ok, cay ok, down refused, dropped connect_timeout, nameless resolve, otherkey host_key_changed, silent handshake_timeout, stranger login_refused, unpinned host_key_unknown',
	'collect() finds the same');
is( $hub->safe_psql('postgres', q{SELECT count(*) FROM tribe_power_collect('{down,silent,otherkey,unpinned,stranger}') WHERE error <> '' AND remedy <> '' AND total_power_watts IS NULL AND summary LIKE 'N/A (%)' AND elapsed_ms >= 0}),
	'5', 'with an error and a remedy for each in trouble');
like($hub->safe_psql('postgres', q{SELECT summary FROM tribe_power_collect('{bob}') WHERE error IS NULL AND remedy IS NULL}),
	qr/^101\.\dW$/, 'and the power of one that is well');
is($hub->safe_psql('postgres', q{SELECT status FROM tribe_power_collect('{resting}')}), 'ok',
	'a node that is not enabled is polled when it is named');

$hub->stop;
done_testing();
