# A day's worth of rounds at high speed: SOAK_POLLS (100,000) polls of SOAK_NODES
# (250) nodes every second over kept sessions, a fifth of the nodes flaky, some of
# no use at all, one sshd ended and started again all the time.  Run by
# "./check soak", which keeps what it prints in .check/reliability/soak.tsv.
#
# Each poll is counted as the store saw it (a trigger); each reading that a poll
# gave must be in the table once, and each node's energy must be what its counter
# advanced.
use strict;
use warnings;

use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);
use File::Basename;
use Cwd qw(abs_path);
use TribePower;

my $wanted = $ENV{SOAK_POLLS} || 100_000;
my $nodes = $ENV{SOAK_NODES} || 250;
my $answer = abs_path(dirname(__FILE__)) . '/answer_soak';
my @facts;

my $hub = new_hub('soak',
	'tribe_power.interval' => '1s',
	'tribe_power.keep_sessions' => 'on',
	'tribe_power.max_connections' => 400,
	'tribe_power.connect_timeout' => '10s',
	'tribe_power.node_timeout' => '10s',
	'tribe_power.upkeep_interval' => '60s',
	log_min_messages => 'warning',
	shared_buffers => '256MB');
$hub->safe_psql('postgres', <<'SQL');
CREATE TABLE outcome (outcome text, polls bigint);
CREATE FUNCTION count_outcomes() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO public.outcome SELECT last_outcome, count(*) FROM polled GROUP BY 1;
	RETURN NULL;
END
$$;
CREATE TRIGGER count_outcomes AFTER UPDATE ON tribe_power_node_status
	REFERENCING NEW TABLE AS polled EXECUTE FUNCTION count_outcomes();
SQL

# a healthy sshd, a flaky one, one that comes and goes; several nodes stand on each
sub node_sshd { return start_sshd($_[0], config => "ForceCommand /bin/sh $answer $_[1]\nMaxSessions 100"); }
my %on = (healthy => node_sshd('healthy', 0), flaky => node_sshd('flaky', 5), restless => node_sshd('restless', 0));
my @rows;
foreach my $n (1 .. $nodes)
{
	my $kind = $n % 5 == 0 ? 'flaky' : $n % 25 == 1 ? 'restless' : 'healthy';
	push @rows, "('$kind$n', '$on{$kind}{address}', $on{$kind}{port}, '$on{$kind}{host_key}')";
}
push @rows, "('refused', '127.0.0.1', 1, '$on{healthy}{host_key}')", "('changed', '$on{healthy}{address}', $on{healthy}{port}, '$on{flaky}{host_key}')";
my $silent = silent_listener();
push @rows, "('silent', '$silent->{address}', $silent->{port}, '$silent->{host_key}')";
$hub->safe_psql('postgres', 'INSERT INTO tribe_power_nodes (node_name, address, port, host_key) VALUES ' . join(', ', @rows));

sub polls { return $hub->safe_psql('postgres', 'SELECT coalesce(sum(polls), 0) FROM outcome'); }

sub used
{
	my ($pid) = @_;
	my ($rss) = slurp_file("/proc/$pid/status") =~ /^RssAnon:\s+(\d+)/m;
	# of the worker all but the database's own files, of which PostgreSQL keeps many
	# open; the poller lets nobody look, but the size of its table shows
	my @open = grep { $_ !~ m{/(base|global|pg_\w+)/} } map { readlink // '' } glob "/proc/$pid/fd/*";
	my ($table) = slurp_file("/proc/$pid/status") =~ /^FDSize:\s+(\d+)/m;
	my $stat = slurp_file("/proc/$pid/stat");
	my @field = split / /, substr($stat, rindex($stat, ')') + 2);
	return { rss => $rss, open => @open ? scalar @open : $table, cpu => ($field[11] + $field[12]) / POSIX::sysconf(POSIX::_SC_CLK_TCK()), at => time };
}

# past the start: sessions are open, caches filled
ok(await(sub { polls() >= $wanted / 10 }, 'the first tenth'), 'under way') or BAIL_OUT('too slow');
my $worker = worker_pid($hub);
my ($poller) = children($worker);
my %begin = (worker => used($worker), poller => used($poller));
my $first = polls();
my $restless = time;
while (polls() < $wanted)
{
	sleep 1;
	next if time - $restless < 20;
	stop_sshd($on{restless});
	TribePower::run_sshd($on{restless});
	$restless = time;
}
my %end = (worker => used($worker), poller => used($poller));
my $last = polls();
is(worker_pid($hub), $worker, 'one worker all the time');
ok(kill(0, $poller), 'and one poller');

# let what is under way end
$hub->safe_psql('postgres', 'ALTER SYSTEM SET tribe_power.enabled = off');
$hub->reload;
my $before = -1;
ok(await(sub { my $now = polls(); my $same = $now == $before; $before = $now; sleep 2; return $same }, 'the last round'), 'all rounds are over');

my %outcome = map { split /\|/ } split /\n/, $hub->safe_psql('postgres', 'SELECT outcome, sum(polls) FROM outcome GROUP BY 1 ORDER BY 2 DESC');
my $polls = polls();
my $stored = $hub->safe_psql('postgres', 'SELECT count(*) FROM tribe_power_metrics');
my $twice = $hub->safe_psql('postgres', q{SELECT count(*) - count(DISTINCT (node_name, raw_data #>> '{clock,1,after}', "timestamp")) FROM tribe_power_metrics});
my ($unbalanced, $which) = split /\|/, $hub->safe_psql('postgres', <<'SQL');
SELECT count(*), coalesce(string_agg(node_name || ' ' || counted || ' of ' || advance, ', '), '') FROM (
  SELECT node_name, sum(energy_joules) FILTER (WHERE n > 1) AS counted, count(*) AS readings,
         mod(((array_agg(energy ORDER BY uptime DESC, energy DESC) FILTER (WHERE energy_joules IS NOT NULL))[1]
              - (array_agg(energy ORDER BY uptime, energy))[1] + 262143.328850)::numeric, 262143.328850) AS advance
  FROM (SELECT *, row_number() OVER (PARTITION BY node_name ORDER BY uptime, "timestamp") AS n
        FROM (SELECT *, (raw_data #>> '{clock,1,after}')::float8 AS uptime,
                     (raw_data #>> '{rapl,0,energy_uj,1}')::float8 / 1e6 AS energy FROM tribe_power_metrics) r) o
  GROUP BY node_name) s
WHERE counted IS NULL OR abs(counted - advance::float8) > 0.01 * readings
SQL
cmp_ok($polls, '>=', $wanted, "$polls polls");
is($stored, $outcome{read}, 'each reading is stored, once');
is($twice, 0, 'none twice');
is($unbalanced, 0, 'the energy of every node is what its counter advanced') or diag($which);

my $seconds = $end{worker}{at} - $begin{worker}{at};
sub share { return sprintf('%.1f %%', 100 * ($end{$_[0]}{cpu} - $begin{$_[0]}{cpu}) / $seconds); }
sub grown { return sprintf('%+d kB (%d to %d)', $end{$_[0]}{rss} - $begin{$_[0]}{rss}, $begin{$_[0]}{rss}, $end{$_[0]}{rss}); }
push @facts, [ 'soak: polls', $polls ],
  [ 'soak: polls a second', sprintf('%.0f', ($last - $first) / $seconds) ],
  [ 'soak: outcomes', join(', ', map { "$_ $outcome{$_}" } sort { $outcome{$b} <=> $outcome{$a} } keys %outcome) ],
  [ 'soak: readings lost', $outcome{read} - $stored + $twice ],
  [ 'soak: readings stored twice', $twice ],
  [ 'soak: nodes whose energy is not their counter\'s', $unbalanced ],
  [ 'soak: memory of the worker', grown('worker') ],
  [ 'soak: memory of the poller', grown('poller') ],
  [ 'soak: open files but tables of the worker, descriptor table of the poller', "$begin{worker}{open} and $begin{poller}{open}, then $end{worker}{open} and $end{poller}{open}" ],
  [ 'soak: CPU of the worker, of one core', share('worker') ],
  [ 'soak: CPU of the poller, of one core', share('poller') ];
note("$_->[0]: $_->[1]") foreach @facts;
if ($ENV{TRIBE_POWER_FACTS})
{
	append_to_file("$ENV{TRIBE_POWER_FACTS}/soak.tsv", join('', map { "$_->[0]\t$_->[1]\t./check soak\n" } @facts));
}
cmp_ok($end{worker}{open} - $begin{worker}{open}, '<=', 2, 'no files pile up in the worker');
cmp_ok($end{poller}{open}, '<=', $begin{poller}{open}, 'nor in the poller');
cmp_ok($end{worker}{rss} - $begin{worker}{rss}, '<', 8192, 'no memory piles up in the worker');
cmp_ok($end{poller}{rss} - $begin{poller}{rss}, '<', 8192, 'nor in the poller');

$hub->stop;
unlike(log_since($hub, 0), qr/PANIC|was terminated by signal/, 'nothing ended');
done_testing();
