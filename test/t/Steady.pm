# Steady.pm: what must hold after any fault: the server is up and has not been
# restarted, the worker polls, no committed reading is lost, and none was counted
# twice.  Two nodes answer all the time, ada with 100 W and bob with 200 W.
package Steady;

use strict;
use warnings;

use Exporter 'import';
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);
use TribePower;

our @EXPORT = qw(steady_hub remember steady answered_sigterm note_fact when_worker reconnect);

my %seen;    # hub => readings that were committed
my %born;

sub steady_hub
{
	my ($name, %settings) = @_;
	my $hub = new_hub($name,
		'tribe_power.interval' => '1s',
		'tribe_power.sample_window' => '100ms',
		log_min_messages => 'warning',	# LOG counts for more than ERROR
		%settings);

	add_node($hub, 'ada', start_sshd('ada', answer => 100));
	add_node($hub, 'bob', start_sshd('bob', answer => 200));
	$hub->poll_query_until('postgres', 'SELECT count(DISTINCT node_name) = 2 FROM tribe_power_metrics')
	  or BAIL_OUT('the worker does not poll');
	$born{$hub} = postmaster_start($hub);
	remember($hub);
	return $hub;
}

# The readings that are committed now must be there for ever.
sub remember
{
	my ($hub) = @_;
	$seen{$hub} ||= {};
	$seen{$hub}{$_} = 1 foreach split /\n/, $hub->safe_psql('postgres', 'SELECT node_name, "timestamp", energy_joules FROM tribe_power_metrics');
	return scalar keys %{ $seen{$hub} };
}

# Once the server takes connections again.
sub reconnect
{
	my ($hub) = @_;
	return $hub->poll_query_until('postgres', 'SELECT true');
}

# What the counters advanced from the first reading to the last that carries
# energy, in order of the node's uptime, is what was counted.
my $balance = <<'SQL';
SELECT coalesce(string_agg(node_name || ': ' || counted || ' J of ' || advance, ', '), '') FROM (
  SELECT node_name, sum(energy_joules) FILTER (WHERE n > 1) AS counted, count(*) AS readings,
         mod(((array_agg(energy ORDER BY uptime DESC, energy DESC) FILTER (WHERE energy_joules IS NOT NULL))[1]
              - (array_agg(energy ORDER BY uptime, energy))[1] + 262143.328850)::numeric, 262143.328850) AS advance
  FROM (SELECT *, row_number() OVER (PARTITION BY node_name ORDER BY uptime, "timestamp") AS n
        FROM (SELECT *, (raw_data #>> '{clock,1,after}')::float8 AS uptime,
                     (raw_data #>> '{rapl,0,energy_uj,1}')::float8 / 1e6 AS energy
              FROM tribe_power_metrics WHERE node_name IN ('ada', 'bob')) r) o
  GROUP BY node_name) s
WHERE counted IS NULL OR abs(counted - advance::float8) > 0.01 * readings
SQL

# restarted: the test itself stopped the server, which must be up again.
sub steady
{
	my ($hub, $what, %options) = @_;
	my $ok = 1;
	my $lost = 0;

	$ok &= ok(reconnect($hub), "$what: the server is up");
	$born{$hub} = postmaster_start($hub) if $options{restarted};
	$ok &= is(postmaster_start($hub), $born{$hub}, "$what: and was not restarted");
	my $now = $hub->safe_psql('postgres', 'SELECT max("timestamp") FROM tribe_power_metrics');
	$now = $options{since} if $options{since};
	$ok &= ok($hub->poll_query_until('postgres', "SELECT count(DISTINCT node_name) = 2 AND count(*) >= 4 FROM tribe_power_metrics WHERE \"timestamp\" > '$now' AND node_name IN ('ada', 'bob')"),
		"$what: the worker polls");
	my %now = map { $_ => 1 } split /\n/, $hub->safe_psql('postgres', 'SELECT node_name, "timestamp", energy_joules FROM tribe_power_metrics');
	$lost = grep { !$now{$_} } keys %{ $seen{$hub} };
	$ok &= is($lost, 0, "$what: no reading is lost");
	$ok &= is($hub->safe_psql('postgres', $balance), '', "$what: no joule is counted twice, none lost");
	note_fact('fault', $what, $ok ? 1 : 0, $lost);
	remember($hub);
	return $ok;
}

# Waits until the worker is at a point: a condition on its row of pg_stat_activity.
sub when_worker
{
	my ($hub, $condition) = @_;
	return $hub->poll_query_until('postgres', "SELECT count(*) > 0 FROM pg_stat_activity WHERE backend_type = 'tribe_power worker' AND $condition");
}

# Ends the worker by SIGTERM; the seconds that it took.
sub answered_sigterm
{
	my ($hub, $what) = @_;
	my $worker = worker_pid($hub);
	my $begun = time;

	kill 'TERM', $worker;
	while (kill(0, $worker) && time - $begun < 60)
	{
		sleep 0.002;
	}
	my $took = time - $begun;
	note_fact('sigterm', $what, sprintf('%.3f', $took));
	return $took;
}

# A line for doc/reliability.md, which ./check collects.
sub note_fact
{
	my $folder = $ENV{TRIBE_POWER_FACTS} or return;
	my ($test) = $0 =~ m{([^/]+)\.pl$};
	append_to_file("$folder/$test.tsv", join("\t", @_) . "\n");
	return;
}

1;
