# Energy is exact: over twenty readings with two wraps, a worker that is ended and
# a server that crashes; and over a reboot nothing is made up.
# fleet: energy-steady=bluefin energy-reboot=bluefin
use strict;
use warnings;

use Fleet;
use PostgreSQL::Test::Utils;
use Test::More;
use TribePower;

my $hub = fleet_hub('hub', 'tribe_power.interval' => '2s', 'tribe_power.sample_window' => '1s');
fleet_nodes($hub, 'energy-steady', 'energy-reboot');

# Waits until the node has so many readings.
sub await_readings
{
	my ($name, $count) = @_;

	$hub->poll_query_until('postgres', "SELECT count(*) >= $count FROM tribe_power_metrics WHERE node_name = '$name'")
	  or BAIL_OUT("$name is not read");
	return;
}

# No polls, and none under way.
sub halt
{
	my $worker = worker_pid($hub);

	$hub->safe_psql('postgres', 'ALTER SYSTEM SET tribe_power.enabled = off');
	$hub->reload;
	await(sub { !children($worker) }, 'the end of the rounds');
	return;
}

sub resume
{
	$hub->safe_psql('postgres', 'ALTER SYSTEM SET tribe_power.enabled = on');
	$hub->reload;
	return;
}

sub energy_of
{
	my $sum = 0;
	$sum += $_->{energy_joules} foreach @_;
	return $sum;
}

# What a counter showed at the end of each reading.
sub counts
{
	my ($zone, @readings) = @_;
	return map { (grep { $_->{name} eq $zone && $_->{path} !~ /mmio/ } @{ $_->{raw_data}{rapl} })[0]{energy_uj}[1] } @readings;
}

sub within
{
	my ($value, $true, $share, $what) = @_;
	return cmp_ok(abs($value - $true), '<=', $share * $true, sprintf('%s: %.6g of %.6g J', $what, $value, $true));
}

resume();
await_readings($_, 1) foreach qw(energy-steady energy-reboot);

tell_node('energy-steady', 'wrap', 'package_uj', 5);
await_readings($_, 7) foreach qw(energy-steady energy-reboot);

# The worker is ended, with a counter about to wrap while nobody looks.
tell_node('energy-steady', 'wrap', 'dram_uj', 1);
my $worker = worker_pid($hub);
$hub->safe_psql('postgres', "SELECT pg_terminate_backend($worker)");
ok(await(sub { my $pid = worker_pid($hub); $pid && $pid ne $worker }, 'another worker'), 'the worker was ended and is back');

# The other node restarts, while no poll is under way: that would be cut off with
# it.
halt();
my @before = readings($hub, 'energy-reboot');
my @truth_before = ({ truth('energy-reboot') }, { truth('energy-reboot') });
tell_node('energy-reboot', 'reboot', 3);
resume();

await_readings('energy-steady', 20);
halt();

my @steady = readings($hub, 'energy-steady');
my @truth = ({ truth('energy-steady') }, { truth('energy-steady') });
my $true = joules_at(clock_of($steady[-1]), @truth) - joules_at(clock_of($steady[0]), @truth);
my $energy = energy_of(@steady[ 1 .. $#steady ]);

cmp_ok(scalar(@steady), '>=', 20, 'twenty readings');
foreach my $zone (qw(package-0 dram))
{
	my @counts = counts($zone, @steady);
	is((grep { $counts[$_] < $counts[ $_ - 1 ] } 1 .. $#counts), 1, "in which the counter of $zone wrapped");
}
is(join(' ', map { $_->{energy_quality} } @steady[ 1 .. $#steady ]), join(' ', ('counter') x $#steady), 'all by the counters');
is((grep { $_->{problems} } @steady), 0, 'without a problem');
within($energy, $true, 0.001, 'their energy');

# The reboot: pieces before and after it; what flowed between the last reading
# before and the boot, and up to the first thereafter, is lost and not guessed.
my @boot = readings($hub, 'energy-reboot');
my @after = grep { clock_of($_) < clock_of($before[-1]) } @boot[ scalar(@before) .. $#boot ];
@before = grep { my $it = $_; !grep { $_ == $it } @after } @boot;
my @truth_after = ({ truth('energy-reboot') }, { truth('energy-reboot') });
my $before = joules_at(clock_of($before[-1]), @truth_before) - joules_at(clock_of($before[0]), @truth_before);
my $after = joules_at(clock_of($after[-1]), @truth_after) - joules_at(clock_of($after[0]), @truth_after);

is((grep { $_->{rebooted} } @boot), 1, 'one reading says that the node restarted');
ok($after[0]{rebooted}, 'the first one thereafter');
is($after[0]{energy_quality}, 'window', 'which has its window only');
cmp_ok($after[0]{interval_seconds}, '<', 1.5, 'short as that is');
within(energy_of(@before[ 1 .. $#before ]), $before, 0.001, 'energy up to the reboot');
within(energy_of(@after[ 1 .. $#after ]), $after, 0.001, 'and after it');
cmp_ok(energy_of(@boot[ 1 .. $#boot ]), '<', joules_at(clock_of($after[-1]), @truth_after) - joules_at(clock_of($before[0]), @truth_before),
	'altogether less than what flowed, since nobody saw all of it');

# In the day's total the hole shows, and only that of the node that restarted.
$hub->safe_psql('postgres', q{SELECT tribe_power_aggregate(d::date, d::date) FROM (SELECT min("timestamp") AT TIME ZONE tribe_power_timezone() AS d FROM tribe_power_metrics) m});
$hub->safe_psql('postgres', q{SELECT tribe_power_aggregate(d::date, d::date) FROM (SELECT max("timestamp") AT TIME ZONE tribe_power_timezone() AS d FROM tribe_power_metrics) m});
my %hole = map { split /\|/ } split /\n/, $hub->safe_psql('postgres', <<'END');
SELECT m.node_name, m.seconds - d.seconds
FROM (SELECT node_name, extract(epoch FROM max("timestamp") - min("timestamp")) + coalesce((array_agg(interval_seconds ORDER BY "timestamp"))[1], 0) AS seconds
      FROM tribe_power_metrics GROUP BY node_name) m
JOIN (SELECT node_name, sum(covered_seconds) AS seconds FROM tribe_power_daily GROUP BY node_name) d USING (node_name)
END
my $unseen = $hub->safe_psql('postgres', <<'END');
SELECT extract(epoch FROM m."timestamp" - max(b."timestamp")) - m.interval_seconds
FROM tribe_power_metrics m JOIN tribe_power_metrics b ON b.node_name = m.node_name AND b."timestamp" < m."timestamp"
WHERE m.rebooted GROUP BY m."timestamp", m.interval_seconds
END
cmp_ok(abs($hole{'energy-reboot'} - $unseen), '<', 0.25, "the hole shows in the coverage: $unseen s");
cmp_ok(abs($hole{'energy-steady'}), '<', 0.5, 'where there is none, none shows')
  or diag(explain(\%hole));
is($hub->safe_psql('postgres', 'SELECT node_name, sum(reboots) FROM tribe_power_daily GROUP BY node_name ORDER BY 1'),
	"energy-reboot|1\nenergy-steady|0", 'and the reboot is counted');
is($hub->safe_psql('postgres', 'SELECT bool_and(abs(d.e * 3.6e6 - m.e) < 1e-3 * m.e) FROM (SELECT node_name, sum(energy_kwh) AS e FROM tribe_power_daily GROUP BY 1) d JOIN (SELECT node_name, sum(energy_joules) AS e FROM tribe_power_metrics GROUP BY 1) m USING (node_name)'),
	't', 'the daily totals are the sums of the readings');

# A crash loses nothing: the counters are in the table.
my $stored = @steady;
$hub->stop('immediate');
$hub->start;
resume();
await_readings('energy-steady', $stored + 3);
$hub->stop('immediate');
$hub->start;
await_readings('energy-steady', $stored + 5);
halt();
@steady = readings($hub, 'energy-steady');
@truth = ({ truth('energy-steady') }, { truth('energy-steady') });
$true = joules_at(clock_of($steady[-1]), @truth) - joules_at(clock_of($steady[0]), @truth);
within(energy_of(@steady[ 1 .. $#steady ]), $true, 0.001, 'energy over two crashes of the server');
is((grep { $_->{energy_quality} ne 'counter' } @steady[ 1 .. $#steady ]), 0, 'still all by the counters');

$hub->stop;
done_testing();
