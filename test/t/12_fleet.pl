# The federation as test/fleet plays it: hardware whose true watts are known at
# every moment.  (truth_fleet.pl is about all other machines.)
use strict;
use warnings;

use PostgreSQL::Test::Utils;
use Test::More;
use TribePower;

my $fleet = $ENV{TRIBE_POWER_FLEET};
plan skip_all => 'the fleet needs root and /dev/fuse' unless $fleet;

my @rows = grep { $_->[0] =~ /^(bluefin|redfin|greenfin|sasass2?)$/ }
  map { [ split /\t/, $_, -1 ] } split /\n/, slurp_file("$fleet.list");
my $tell = $ENV{TRIBE_POWER_FLEET_TELL};

sub truth
{
	my ($node) = @_;
	my %truth;
	my ($out, $err) = run_command([ $tell, 'truth', $fleet, $node ]);
	foreach (split /\n/, $out) { $truth{$1} = $2 if /^truth\.(\w+)=(.*)$/; }
	return %truth;
}

my $hub = new_hub('hub',
	'tribe_power.enabled' => 'off',
	'tribe_power.sample_window' => '1s',
	'tribe_power.identity_file' => "$fleet/id_ed25519");
foreach my $row (@rows)
{
	my ($name, $address, $port, $user, $type, $key) = @$row;
	add_node($hub, $name, { address => $address, port => $port, host_key => $key }, ssh_user => $user, node_type => $type);
}
is(scalar(@rows), 5, 'the five of the federation');

# A first reading knows the short window only; a second one knows the time between.
my @nodes = map { $_->[0] } @rows;
$hub->safe_psql('postgres', 'SELECT * FROM tribe_power_collect()');
$hub->safe_psql('postgres', 'SELECT pg_sleep(3)');
my $table = $hub->safe_psql('postgres', 'SELECT node_name, status, summary, error FROM tribe_power_collect() ORDER BY 1');
note($table);

my $compared = 0;
foreach my $name (@nodes)
{
	my %truth = truth($name);
	ok(%truth, "$name: the truth is known") or next;
	foreach my $column (qw(cpu_power_watts gpu_power_watts dram_power_watts platform_power_watts
		total_power_watts cpu_temp_celsius gpu_temp_celsius cpu_utilization gpu_utilization
		memory_used_gb memory_total_gb))
	{
		next unless exists $truth{$column};
		my $got = $hub->safe_psql('postgres', "SELECT coalesce(cast($column AS text), 'NULL') FROM tribe_power_metrics WHERE node_name = '$name' ORDER BY \"timestamp\" DESC LIMIT 1");
		my $want = $truth{$column};
		my $ok = $got ne 'NULL' && abs($got - $want) <= ($column =~ /_watts$/ ? 0.02 * abs($want) : 0.05 * abs($want) + 1.5);
		ok($ok, "$name: $column is $want") or diag("read $got");
		$compared++;
	}
	# where the truth says nothing, nothing may be made up
	foreach my $column (qw(cpu_power_watts gpu_power_watts total_power_watts dram_power_watts platform_power_watts))
	{
		next if exists $truth{$column};
		is($hub->safe_psql('postgres', "SELECT $column FROM tribe_power_metrics WHERE node_name = '$name' ORDER BY \"timestamp\" DESC LIMIT 1"), '', "$name: no $column");
	}
}
cmp_ok($compared, '>=', 15, "$compared numbers compared");

# Power changes, and the energy of the time between follows.
my ($intel) = map { $_->[0] } grep { $_->[4] eq 'linux_intel' } @rows;
SKIP:
{
	skip 'no Intel node', 3 unless $intel;
	my $latest = "FROM tribe_power_metrics WHERE node_name = '$intel' ORDER BY \"timestamp\" DESC LIMIT 1";
	$hub->safe_psql('postgres', "SELECT * FROM tribe_power_collect('{$intel}')");
	my %before = truth($intel);
	run_command([ $tell, 'set', $fleet, $intel, 'package_watts=140' ]);
	$hub->safe_psql('postgres', 'SELECT pg_sleep(3)');
	$hub->safe_psql('postgres', "SELECT * FROM tribe_power_collect('{$intel}')");
	my %after = truth($intel);
	is($after{cpu_power_watts}, 140, "$intel draws more");
	my $got = $hub->safe_psql('postgres', "SELECT energy_joules $latest");
	my $want = $after{energy_joules} - $before{energy_joules};
	cmp_ok(abs($got - $want), '<=', 0.05 * $want, "and its energy since is the true one: $got J of $want J");
	is($hub->safe_psql('postgres', "SELECT energy_quality, abs(energy_joules - total_power_watts * interval_seconds) < 0.001 * energy_joules $latest"),
		'counter|t', 'by its counters');
}

# A reboot is no wrap.
SKIP:
{
	skip 'no Intel node', 1 unless $intel;
	run_command([ $tell, 'reboot', $fleet, $intel ]);
	$hub->safe_psql('postgres', "SELECT * FROM tribe_power_collect('{$intel}')");
	is($hub->safe_psql('postgres', "SELECT rebooted, coalesce(energy_joules, 0) >= 0, total_power_watts BETWEEN 1 AND 400 FROM tribe_power_metrics WHERE node_name = '$intel' ORDER BY \"timestamp\" DESC LIMIT 1"),
		't|t|t', 'a restart shows, and no energy is made up');
}

$hub->stop;
done_testing();
