# Fleet.pm: the nodes of test/fleet for cluster tests: registers them, asks what
# is true of them, tells them to wrap, reboot or sleep, and compares readings with
# the truth.  A test that uses it names its nodes in a line "# fleet: NODE...",
# by which ./check starts them.
package Fleet;

use strict;
use warnings;

use Cwd qw(abs_path);
use Exporter 'import';
use File::Basename;
use JSON::PP;
use PostgreSQL::Test::Utils;
use Test::More;
use TribePower;

our @EXPORT = qw(fleet_hub fleet_nodes tell_node truth collect readings deviations joules_at clock_of);

my $folder = $ENV{TRIBE_POWER_FLEET};
my $tool = abs_path(dirname(__FILE__) . '/../fleet/fleet');

# What a reading may be off by, against its truth.
my %share = map { $_ => 0.01 } qw(cpu_power_watts gpu_power_watts dram_power_watts
  platform_power_watts total_power_watts energy_joules memory_used_gb memory_total_gb);
my %amount = (
	cpu_temp_celsius => 0.1,
	gpu_temp_celsius => 0.1,
	cpu_utilization => 2,
	gpu_utilization => 2);

sub fleet_hub
{
	my ($name, %settings) = @_;

	plan skip_all => 'needs the fleet: root, /dev/fuse and namespaces' unless $folder;
	return new_hub($name,
		'tribe_power.enabled' => 'off',
		'tribe_power.interval' => '5min',
		'tribe_power.identity_file' => "$folder/id_ed25519",
		'tribe_power.round_timeout' => '120s',
		%settings);
}

# Name => what the definition says of each node that answers; registered.
sub fleet_nodes
{
	my ($hub, @names) = @_;
	my %wanted = map { $_ => 1 } @names;
	my %nodes;

	foreach my $line (split /\n/, slurp_tool('list', $folder))
	{
		my ($name, $address, $port, $user, $type, $host_key, undef, undef, undef, undef, $machine) = split /\t/, $line;

		next if @names ? !$wanted{$name} : $machine eq 'none' || $machine eq 'real' || $name =~ /^energy-/;
		my $definition = slurp_file("$folder/$name/definition");
		my %is = (problem => {}, gpus => 0, quality => 'counter', type => $type);
		foreach (split /\n/, $definition)
		{
			$is{problem}{$1} = $2 if /^is problem (\S+) (\S+)/;
			$is{$1} = $2 if /^is (gpus|platform|quality|hostkey) (\S+)/;
		}
		next if $is{hostkey};
		$nodes{$name} = \%is;
		add_node($hub, $name, { address => $address, port => $port, host_key => $host_key },
			ssh_user => $user, node_type => $type);
	}
	foreach (@names)
	{
		BAIL_OUT("the fleet has no node $_") unless $nodes{$_};
	}
	return %nodes;
}

sub slurp_tool
{
	my ($out, $err);

	IPC::Run::run([ $tool, @_ ], '<', \undef, '>', \$out, '2>', \$err)
	  or BAIL_OUT("fleet @_: $err");
	return $out;
}

# Any command of the node's.
sub tell_node
{
	my ($node, @command) = @_;
	my ($out, $err);

	IPC::Run::run([ "$folder/hwfs", '--ask', "$folder/$node/control", @command ], '<', \undef, '>', \$out, '2>', \$err)
	  or BAIL_OUT("$node: @command: $err");
	return $out;
}

# NAME => VALUE, at this moment.
sub truth
{
	my ($node) = @_;
	return map { split /=/, $_, 2 } split /\n/, tell_node($node, 'truth');
}

# Reads nodes (all if none is named); name => {status, remedy, error}.
sub collect
{
	my ($hub, @names) = @_;
	my $which = @names ? "'{" . join(',', @names) . "}'" : '';
	my $rows = $hub->safe_psql('postgres', "SELECT coalesce(json_agg(c), '[]') FROM tribe_power_collect($which) c");
	return map { $_->{node_name} => $_ } @{ decode_json($rows) };
}

# A node's readings, oldest first.
sub readings
{
	my ($hub, $node) = @_;
	return @{ decode_json($hub->safe_psql('postgres',
		"SELECT coalesce(json_agg(m ORDER BY \"timestamp\"), '[]') FROM tribe_power_metrics m WHERE node_name = '$node'")) };
}

# The node's own clock when the counters were read, at the end of the window.
sub clock_of
{
	my ($reading) = @_;
	my $mark = $reading->{raw_data}{clock}[1];
	return ($mark->{before} + $mark->{after}) / 2;
}

# The joules that had flowed when the node's clock showed that: by two truths
# between which, and at least since then, the power was constant.
sub joules_at
{
	my ($clock, $one, $two) = @_;
	my $watts = ($two->{'truth.energy_joules'} - $one->{'truth.energy_joules'}) / ($two->{uptime} - $one->{uptime});
	return $two->{'truth.energy_joules'} - $watts * ($two->{uptime} - $clock);
}

# What of a reading is not true: text, "" if all is.  Truth is as truth() gives
# it; a column without one must be NULL.
sub deviations
{
	my ($reading, $truth) = @_;
	my @off;

	foreach my $column (sort keys %share, keys %amount)
	{
		my $true = $truth->{"truth.$column"};
		my $value = $reading->{$column};

		if (!defined $true || !defined $value)
		{
			push @off, sprintf('%s is %s, should be %s', $column, $value // 'NULL', $true // 'NULL')
			  if defined $true || defined $value;
			next;
		}
		my $allowed = $amount{$column} // abs($true) * $share{$column};
		push @off, "$column is $value, should be $true" if abs($value - $true) > $allowed;
	}
	return join('; ', @off);
}

1;
