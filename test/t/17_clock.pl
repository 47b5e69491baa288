# Somebody sets the server's clock, an hour and a day ahead and back, and by less than
# an interval; then it stands still.  The worker goes on in aligned slots, no reading
# is lost, energy and intervals go by the nodes' uptime, and no deadline comes early.
use strict;
use warnings;

use Cwd qw(abs_path);
use File::Basename;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);
use Steady;
use TribePower;

my $interval = 2;
my $hub = steady_hub('hub',
	'tribe_power.interval' => "${interval}s",
	'tribe_power.connect_timeout' => '5s',
	'tribe_power.node_timeout' => '8s',
	'tribe_power.round_timeout' => '1min');
my $sql = sub { return $hub->safe_psql('postgres', $_[0]) };

# --- a clock that the test sets ------------------------------------------------------

# The server's alone: neither its poller nor the nodes inherit it.
my $folder = PostgreSQL::Test::Utils::tempdir();
system_or_bail('gcc', '-O1', '-shared', '-fPIC', '-o', "$folder/clock.so", abs_path(dirname(__FILE__)) . '/clock.c');

# In seconds from the true one; stopped: where it stands still, in seconds since 1970.
sub set_clock
{
	my ($ahead, $stopped) = @_;
	open(my $file, -e "$folder/clock" ? '+<' : '>', "$folder/clock") or BAIL_OUT("clock: $!");
	syswrite($file, pack('qq', $ahead * 1e6, ($stopped || 0) * 1e6)) == 16 or BAIL_OUT("clock: $!");
	close $file;
	return;
}

sub uptime { return (split / /, slurp_file('/proc/uptime'))[0]; }

# The server's, in seconds since 1970.
sub clock { return $sql->('SELECT extract(epoch FROM clock_timestamp())'); }

set_clock(0);
$hub->stop;
{
	local $ENV{LD_PRELOAD} = "$folder/clock.so";
	local $ENV{TEST_CLOCK} = "$folder/clock";
	$hub->start;
}
set_clock(86400);
cmp_ok(abs(clock() - time - 86400), '<', 60, 'the clock of the server can be set');
set_clock(0);
cmp_ok(abs(clock() - time), '<', 60, 'and back');

# How each poll ended, however fast status rows change.
$sql->(<<'SQL');
CREATE TABLE outcome (node_name text, outcome text, elapsed_ms integer);
CREATE FUNCTION note_outcome() RETURNS trigger LANGUAGE plpgsql AS
'BEGIN INSERT INTO public.outcome SELECT NEW.node_name, NEW.last_outcome, NEW.elapsed_ms; RETURN NEW; END';
CREATE TRIGGER note_outcome AFTER UPDATE ON tribe_power_node_status FOR EACH ROW EXECUTE FUNCTION note_outcome();
SQL

# Always under way: a deadline that went by the wall clock would end it early.  Each
# failure would have it asked less often.
add_node($hub, 'hanging', start_sshd('hanging', answer => 'hang'));
$sql->(<<'SQL');
CREATE FUNCTION forget_failures() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.failures := 0; RETURN NEW; END';
CREATE TRIGGER forget_failures BEFORE UPDATE ON tribe_power_node_status FOR EACH ROW EXECUTE FUNCTION forget_failures();
SQL
my $uptime_of = q{(raw_data #>> '{clock,1,after}')::float8};
my $steady_nodes = q{node_name IN ('ada', 'bob')};

# --- set, and look -------------------------------------------------------------------

sub try_clock
{
	my ($what, $ahead) = @_;
	remember($hub);
	my $then = uptime();
	my $since = time + $ahead;
	set_clock($ahead);
	# a report that was finished after that has been received after that
	my $set = uptime() + 0.02;
	my $new = "$steady_nodes AND $uptime_of > $set";

	ok($hub->poll_query_until('postgres', "SELECT count(*) = 2 FROM (SELECT FROM tribe_power_metrics WHERE $new GROUP BY node_name HAVING count(*) >= 3) n"), "$what: the worker polls on")
	  or diag($sql->('SELECT node_name, last_attempt, next_attempt, last_outcome FROM tribe_power_node_status'));
	my $until = time + $ahead;
	my $rounds = (uptime() - $then) / $interval;

	# the hub's clock at each reading, to be as it says now
	is($sql->("SELECT count(*) FROM tribe_power_metrics WHERE $new AND extract(epoch FROM \"timestamp\") NOT BETWEEN $since AND $until"), '0', "$what: readings are of the time that the clock says");
	is($sql->("SELECT count(*) FROM tribe_power_metrics WHERE $new AND abs(extract(epoch FROM \"timestamp\") - $ahead - $uptime_of - (SELECT avg(extract(epoch FROM \"timestamp\") - $ahead - $uptime_of) FROM tribe_power_metrics WHERE $new)) > 2"), '0', "$what: and as far apart as they were taken");

	# but for the first, which is made up for at once, in the first half of their slot, as
	# the old clock's would not be
	cmp_ok($sql->("SELECT min(mod(extract(epoch FROM \"timestamp\"), $interval)) FROM (SELECT \"timestamp\", row_number() OVER (PARTITION BY node_name ORDER BY $uptime_of) AS n FROM tribe_power_metrics WHERE $new) m WHERE n > 1"), '<', $interval / 2, "$what: in slots of that clock");
	cmp_ok($sql->("SELECT max(n) FROM (SELECT count(*) AS n FROM tribe_power_metrics WHERE $steady_nodes AND $uptime_of > $then GROUP BY node_name) c"), '<=', $rounds + 2, "$what: slots that were missed are left out");

	# energy is that of the time that went by on the node: 100 and 200 W
	is($sql->("SELECT count(*) FROM tribe_power_metrics WHERE $new AND (energy_joules IS NULL OR energy_quality <> 'counter' OR interval_seconds > 60 OR abs(energy_joules / interval_seconds - CASE node_name WHEN 'ada' THEN 100 ELSE 200 END) > 5 AND interval_seconds > 1)"), '0', "$what: with the energy of their intervals, no more")
	  or diag($sql->("SELECT node_name, \"timestamp\", interval_seconds, energy_joules, energy_quality FROM tribe_power_metrics WHERE $new"));
	steady($hub, $what, since => '-infinity');
	return;
}

steady($hub, 'a clock of the test\'s', restarted => 1);

# Half an interval more, so that the slots of the old clock are none of the new one.
my $odd = $interval / 2;
try_clock('clock set an hour ahead', 3600 + $odd);
try_clock('clock set back by an hour', 0);
try_clock('clock set a day ahead', 86400 + $odd);
try_clock('clock set back by a day', 0);
try_clock('clock set back by half an interval', -$odd);
try_clock('clock set ahead by half an interval', 0);
try_clock('clock set back by a day, before all readings', -86400 - $odd);
set_clock(0);

# A round is under way, its poll of the hanging node in the middle.
ok($hub->poll_query_until('postgres', q{SELECT count(*) >= 3 FROM outcome WHERE node_name = 'hanging'}), 'the node that hangs was tried all the while');
is($sql->(q{SELECT string_agg(DISTINCT outcome, ', ') FROM outcome WHERE node_name = 'hanging'}), 'read_timeout', 'and had its time, as by the node\'s timeout alone');
is($sql->(q{SELECT count(*) FROM outcome WHERE node_name = 'hanging' AND elapsed_ms NOT BETWEEN 7000 AND 60000}), '0', 'all of it');
is($sql->("SELECT string_agg(DISTINCT outcome, ', ') FROM outcome WHERE $steady_nodes"), 'read', 'the others were read each time');

# By hand: its deadlines are a backend's own.
my $session = background($hub, q{SELECT error FROM tribe_power_collect('{hanging}')});
ok(await(sub { children($session->{pid}) }, 'its poller'), 'a collect() is under way');
set_clock(86400);
my $begun = time;
my ($rc, $out, $err) = $session->{finish}->();
like($out, qr/within 8/, 'and ends by the node\'s timeout') or diag($err);
cmp_ok(time - $begun, '>', 4, 'not at once');
set_clock(0);

# Days and hours that were had twice, or not at all, add up: none has more than it has
# seconds, and all energy of the readings is in the days.
$sql->(q{SELECT tribe_power_aggregate((min("timestamp") AT TIME ZONE tribe_power_timezone())::date, (max("timestamp") AT TIME ZONE tribe_power_timezone())::date) FROM tribe_power_metrics});
is($sql->('SELECT count(*) FROM tribe_power_daily WHERE coverage NOT BETWEEN 0 AND 1 OR covered_seconds > day_seconds OR energy_kwh < 0'), '0', 'no day has more seconds than it has');
cmp_ok($sql->('SELECT count(DISTINCT date) FROM tribe_power_daily'), '>=', 3, 'three days were seen');

# --- a clock that stands still -------------------------------------------------------

# Every reading now has the time of the one before: the key of some is taken.  What
# cannot be stored is not counted, and what comes next carries its energy.
$sql->('ALTER SYSTEM SET tribe_power.enabled = off');
$hub->reload;
my $worker = worker_pid($hub);
ok(await(sub { !children($worker) }, 'the end of the rounds'), 'no poll is under way');
my $counted = sub {
	return $sql->(q{SELECT string_agg(node_name || ': ' || total, ', ' ORDER BY node_name) FROM (SELECT node_name, round((s.energy_joules - sum(m.energy_joules))::numeric, 3) AS total FROM tribe_power_node_status s JOIN tribe_power_metrics m USING (node_name) WHERE node_name IN ('ada', 'bob') GROUP BY node_name, s.energy_joules) t});
};
is($counted->(), 'ada: 0.000, bob: 0.000', 'the status has counted what the readings have');
my $stored = $sql->("SELECT count(*) FROM tribe_power_metrics WHERE node_name = 'ada'");
my $stands = int(clock()) + 1;
set_clock(0, $stands);
my @told;
foreach (1 .. 4)
{
	push @told, $sql->(q{SELECT status || '|' || coalesce(error, '') FROM tribe_power_collect('{ada}')});
	sleep 0.2;
}
my $now_stored = $sql->("SELECT count(*) FROM tribe_power_metrics WHERE node_name = 'ada'");
cmp_ok($now_stored - $stored, '<', 4, 'of readings at one moment not all can be stored');
is(scalar(grep { $_ eq 'ok|' } @told), $now_stored - $stored, 'those that were say so');
like(join("\n", @told), qr/^ok\|reading not stored: /m, 'those that were not as well') or diag(join "\n", @told);
is($counted->(), 'ada: 0.000, bob: 0.000', 'and were not counted');
is($sql->(q{SELECT count(*) FROM tribe_power_node_status s WHERE node_name = 'ada' AND NOT EXISTS (SELECT FROM tribe_power_metrics m WHERE m.node_name = s.node_name AND m."timestamp" = s.last_reading)}), '0', 'the newest reading of the status is one that is there');
set_clock(0);
$sql->('ALTER SYSTEM RESET tribe_power.enabled');
$hub->reload;
try_clock('clock that stood still', 0);
is($counted->(), 'ada: 0.000, bob: 0.000', 'the status and the readings still agree');

$hub->stop;
unlike(log_since($hub, 0), qr/PANIC|was terminated by signal/, 'nothing ended');
done_testing();
