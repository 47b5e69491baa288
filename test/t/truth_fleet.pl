# Every machine of the fleet, each column of its readings against the truth: the
# first reading, which has only its short window, and the next, two minutes of the
# node's time later.
# fleet: all
use strict;
use warnings;

use Fleet;
use PostgreSQL::Test::Utils;
use Test::More;
use TribePower;

# A few at a time: a node that gets no processor cannot read its counters at once.
my $hub = fleet_hub('hub',
	'tribe_power.sample_window' => '3s',
	'tribe_power.max_connections' => '12');
my %nodes = fleet_nodes($hub);
cmp_ok(scalar(keys %nodes), '>=', 40, 'machines of all kinds');

# Compares each node's latest reading.
sub compare
{
	my ($round, $collected, $before, $after, $clocks) = @_;

	foreach my $name (sort keys %nodes)
	{
		my $node = $nodes{$name};
		my @readings = readings($hub, $name);
		my $reading = $readings[-1];

		if (!is(scalar(@readings), $round, "$name: reading $round"))
		{
			diag("$collected->{$name}{status}: " . ($collected->{$name}{error} // ''));
			next;
		}
		my %true = %{ $after->{$name} };
		my $clock = clock_of($reading);
		if (defined $true{'truth.energy_joules'})
		{
			my $since = $round == 1 ? $clock - $reading->{interval_seconds} : $clocks->{$name};
			$true{'truth.energy_joules'} = joules_at($clock, $before->{$name}, $after->{$name})
			  - joules_at($since, $before->{$name}, $after->{$name});
		}
		is(deviations($reading, \%true), '', "$name: as true as can be");
		ok($clock > $before->{$name}{uptime} - 1 && $clock < $after->{$name}{uptime} + 1, "$name: read when it was asked");
		is_deeply($reading->{problems} // {}, $node->{problem}, "$name: its problems and no others")
		  or diag(explain($reading->{raw_data}{sections}));
		is($reading->{energy_quality}, defined $true{'truth.energy_joules'} ? $round == 1 ? 'window' : $node->{quality} : undef,
			"$name: energy by " . ($reading->{energy_quality} // 'nothing'));

		my $gpus = $hub->safe_psql('postgres',
			qq{SELECT count(*) || '|' || coalesce(sum(power_watts), 0) FROM tribe_power_gpus WHERE node_name = '$name' AND "timestamp" = '$reading->{timestamp}'});
		my ($count, $watts) = split /\|/, $gpus;
		is($count, $node->{gpus}, "$name: its GPUs");
		cmp_ok(abs($watts - $true{'truth.gpu_power_watts'}), '<=', 0.01 * $true{'truth.gpu_power_watts'}, "$name: and the power of each")
		  if defined $true{'truth.gpu_power_watts'} && $count > 0;

		is($hub->safe_psql('postgres',
				qq{SELECT count(*) FROM tribe_power_gpus WHERE node_name = '$name' AND "timestamp" = '$reading->{timestamp}' AND (power_watts IS NULL) = (problem IS NULL)}),
			'0', "$name: of which each has power or a problem");

		# nobody can read a Mac's temperature without further software: said, but
		# no fault of the reading
		my $whole = !%{ $node->{problem} } || $node->{type} eq 'macos' && join('', %{ $node->{problem} }) eq 'cpu_temperatureabsent';
		is($collected->{$name}{status}, $whole ? 'ok' : 'partial', "$name: " . ($whole ? 'all is well' : 'said to be partial'));
		if (%{ $node->{problem} })
		{
			isnt($collected->{$name}{remedy} // '', '', "$name: with something to do about it");
		}
		else
		{
			is($collected->{$name}{remedy}, undef, "$name: nothing to do");
		}
		ok((grep { $_->{source} eq $node->{platform} } @{ $reading->{raw_data}{platform} }), "$name: power of the machine by $node->{platform}")
		  if $node->{platform};
		$clocks->{$name} = $clock;
	}
	return;
}

my %clocks;
foreach my $round (1, 2)
{
	my %before = map { $_ => { truth($_) } } keys %nodes;
	my %collected = collect($hub);
	my %after = map { $_ => { truth($_) } } keys %nodes;

	compare($round, \%collected, \%before, \%after, \%clocks);
	tell_node($_, 'pass', 120) foreach keys %nodes;
}

foreach my $name (sort keys %nodes)
{
	my %truth = truth($name);
	is($truth{woken}, 0, "$name: nothing that sleeps was woken") if $name =~ /asleep|dozing/;
}
is($hub->safe_psql('postgres', q{SELECT string_agg(DISTINCT p.key || ' ' || p.value, ', ') FROM tribe_power_metrics, jsonb_each_text(problems) p WHERE coalesce(tribe_power_remedy(p.key, p.value), '') = ''}),
	'', 'no problem without a remedy');

$hub->stop;
done_testing();
