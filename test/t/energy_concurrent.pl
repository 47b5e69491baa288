# Three pollers at once, the worker and two sessions in a loop: every joule of the
# counters is counted once.
# fleet: energy-shared=bluefin
use strict;
use warnings;

use Fleet;
use PostgreSQL::Test::Utils;
use Test::More;
use TribePower;

my $hub = fleet_hub('hub', 'tribe_power.interval' => '1s', 'tribe_power.sample_window' => '200ms');
fleet_nodes($hub, 'energy-shared');
# Long enough in storing for another to come in between, if it could.
$hub->safe_psql('postgres', <<'END');
CREATE FUNCTION dawdle() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(0.1); RETURN NEW; END $$;
CREATE TRIGGER dawdle BEFORE INSERT ON tribe_power_metrics FOR EACH ROW EXECUTE FUNCTION dawdle();
END
$hub->safe_psql('postgres', 'ALTER SYSTEM SET tribe_power.enabled = on');
$hub->reload;

my $polls = 15;
my @sessions = map {
	my ($in, $out, $err) = ("SELECT status FROM tribe_power_collect('{energy-shared}');\n" x $polls, '', '');
	{
		run => IPC::Run::start([ 'psql', '-XAtq', '-v', 'ON_ERROR_STOP=1', '-d', $hub->connstr('postgres') ],
			'<', \$in, '>', \$out, '2>', \$err, IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default)),
		out => \$out,
		err => \$err
	}
} 1, 2;
foreach my $session (@sessions)
{
	ok($session->{run}->finish, 'a session that polls again and again');
	is(${ $session->{err} }, '', 'without an error');
	is(${ $session->{out} }, "ok\n" x $polls, 'and always with an answer');
}
my $worker = worker_pid($hub);
$hub->safe_psql('postgres', 'ALTER SYSTEM SET tribe_power.enabled = off');
$hub->reload;
ok(await(sub { !children($worker) }, 'the end of the rounds'), 'the worker has ended its rounds');

# In the order of the node's own time.
my @readings = sort { clock_of($a) <=> clock_of($b) } readings($hub, 'energy-shared');
cmp_ok(scalar(@readings), '>', 2 * $polls, 'readings of all three');

sub counted
{
	my ($reading) = @_;
	my $sum = 0;
	foreach my $zone (@{ $reading->{raw_data}{rapl} })
	{
		$sum += $zone->{energy_uj}[1] if $zone->{path} !~ /mmio/ && $zone->{name} =~ /^(package-0|dram)$/;
	}
	return $sum / 1e6;
}

# The first has no reading before it: its energy is its window's.
my @begin = grep { ($_->{energy_quality} // '') eq 'window' } @readings;
is(scalar(@begin), 1, 'one reading begins');
my $first = $begin[0];
my @counted = grep { defined $_->{energy_joules} && $_ != $first } @readings;
my $energy = 0;
$energy += $_->{energy_joules} foreach @counted;
my $advance = counted($counted[-1]) - counted($first);
cmp_ok(abs($energy - $advance), '<=', 0.001 * $advance, sprintf('the sum of all energy, %.6g J, is what the counters advanced, %.6g J', $energy, $advance));
my @truth = ({ truth('energy-shared') }, { truth('energy-shared') });
my $true = joules_at(clock_of($counted[-1]), @truth) - joules_at(clock_of($first), @truth);
cmp_ok(abs($energy - $true), '<=', 0.005 * $true, sprintf('and what flowed, %.6g J', $true));
my $seconds = 0;
$seconds += $_->{interval_seconds} foreach @counted;
my $passed = clock_of($counted[-1]) - clock_of($first);
cmp_ok(abs($seconds - $passed), '<=', 0.001 * $passed, 'over intervals that neither overlap nor leave anything out');

$hub->stop;
done_testing();
