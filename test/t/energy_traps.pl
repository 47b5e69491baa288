# What makes other meters lie: a counter that wraps between polls, or more often
# than can be told, or goes back without a range; a machine that slept; a wall
# clock that was set; load that changes.  Hours of the node's time go by at once.
# fleet: energy-epyc=epyc energy-load=bluefin energy-sleeper=bluefin energy-mac=mac-helper energy-norange=range-missing energy-reset=bluefin
use strict;
use warnings;

use Fleet;
use List::Util qw(sum);
use PostgreSQL::Test::Utils;
use Test::More;
use TribePower;

my $hub = fleet_hub('hub', 'tribe_power.sample_window' => '2s');
my @names = map { "energy-$_" } qw(epyc load sleeper mac norange reset);
fleet_nodes($hub, @names);

my %last;      # each node's readings, oldest first

sub poll
{
	my %answers = collect($hub);
	is(join(' ', map { $answers{$_}{error} // () } @names), '', 'all are read');
	push @{ $last{$_} }, (readings($hub, $_))[-1] foreach @names;
	return;
}

# What flowed between the latest two readings of a node, if its power was constant.
sub flowed
{
	my ($name) = @_;
	my @truth = ({ truth($name) }, { truth($name) });
	return joules_at(clock_of($last{$name}[-1]), @truth) - joules_at(clock_of($last{$name}[-2]), @truth);
}

sub is_about
{
	my ($value, $true, $what, $share) = @_;
	$share ||= 0.01;
	return ok(defined $value && abs($value - $true) <= $share * abs($true), sprintf('%s: %s of %.6g', $what, $value // 'NULL', $true));
}

sub problems { return $last{ $_[0] }[-1]{problems} // {}; }

poll();

# Three polls more, 150 s apart: the EPYC's counter wraps every 234 s.
foreach (1 .. 3)
{
	tell_node($_, 'pass', 150) foreach @names;
	poll();
}
my @epyc = @{ $last{'energy-epyc'} };
my @truth = ({ truth('energy-epyc') }, { truth('energy-epyc') });
is_about(sum(map { $_->{energy_joules} } @epyc[ 1 .. $#epyc ]),
	joules_at(clock_of($epyc[-1]), @truth) - joules_at(clock_of($epyc[0]), @truth), 'energy over wraps between polls', 0.001);
is(join(' ', map { $_->{energy_quality} } @epyc[ 1 .. $#epyc ]), 'counter counter counter', 'by the counter');
cmp_ok(scalar(grep { $epyc[$_]{raw_data}{rapl}[0]{energy_uj}[1] < $epyc[ $_ - 1 ]{raw_data}{rapl}[0]{energy_uj}[1] } 1 .. $#epyc), '>=', 1, 'which did wrap');

# The time between polls is now such that it may have wrapped once or twice; one
# node carries more load from here on, another one is suspended, a Mac is told
# another time, two counters go back.
my %before = truth('energy-load');
my $true = joules_at(clock_of($last{'energy-load'}[-1]), { truth('energy-load') }, { truth('energy-load') });
tell_node($_, 'pass', 280) foreach grep { !/sleeper/ } @names;
tell_node('energy-load', 'set', 'package_watts=123.5');
tell_node('energy-load', 'pass', 100);
tell_node('energy-sleeper', 'suspend', 300);
tell_node('energy-mac', 'clock', 7200);
tell_node($_, 'jump', 'package_uj', 1000) foreach qw(energy-norange energy-reset);
poll();

is_deeply(problems('energy-epyc'), { rapl => 'ambiguous_wrap' }, 'one wrap or two: that is said');
is($last{'energy-epyc'}[-1]{energy_quality}, 'window', 'and the short window stands in');
is_about($last{'energy-epyc'}[-1]{energy_joules}, flowed('energy-epyc'), 'which is right while the power is constant');
is_about($last{'energy-epyc'}[-1]{cpu_power_watts}, 280, 'as is the power');

@truth = ({ truth('energy-load') }, { truth('energy-load') });
is_about($last{'energy-load'}[-1]{energy_joules}, joules_at(clock_of($last{'energy-load'}[-1]), @truth) - $true, 'energy of a load that changed', 0.001);
is($last{'energy-load'}[-1]{energy_quality}, 'counter', 'by the counter, which saw it');

my ($awake, $asleep) = @{ $last{'energy-sleeper'} }[ -2, -1 ];
my $seconds = clock_of($asleep) - clock_of($awake);
is_about($asleep->{energy_joules}, 45.2 * ($seconds - 300), 'energy of a machine that slept');
is_about($asleep->{interval_seconds}, $seconds, 'over all of that time');
is($asleep->{energy_quality}, 'counter', 'by the counter');

ok(!exists problems('energy-mac')->{powermetrics}, 'a wall clock set forward makes no cache stale');
is_about($last{'energy-mac'}[-1]{energy_joules}, flowed('energy-mac'), 'and no energy');

foreach my $name (qw(energy-norange energy-reset))
{
	is_deeply(problems($name), { rapl => 'ambiguous_wrap' }, "$name: went back, and that is no wrap");
	is($last{$name}[-1]{energy_quality}, 'window', "$name: so the short window stands in");
	is_about($last{$name}[-1]{energy_joules}, flowed($name), "$name: which is right while the power is constant");
}

# After a night nothing is known of the time between but what counters can say.
tell_node($_, 'pass', 30000) foreach @names;
tell_node('energy-mac', 'clock', -7200);
poll();
foreach my $name (qw(energy-epyc energy-mac))
{
	is($last{$name}[-1]{energy_joules}, undef, "$name: no energy is made up for a night");
	is($last{$name}[-1]{energy_quality}, undef, "$name: and none is said to be");
}
is_about($last{'energy-epyc'}[-1]{cpu_power_watts}, 280, 'its power of this moment is known all the same');
is_deeply(problems('energy-epyc'), { rapl => 'ambiguous_wrap' }, 'and why there is no more');
# 1.2 MJ, of a counter that wraps at 262 kJ and does not say so
is($last{'energy-norange'}[-1]{energy_joules}, undef, 'a counter without a range is not believed over such a time');

$hub->stop;
done_testing();
