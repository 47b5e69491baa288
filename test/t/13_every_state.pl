# The worker is ended in every state of a round, and the server with it: what was
# committed stays, what was not is counted by the next reading.
use strict;
use warnings;

use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);
use Steady;
use TribePower;

my $hub = steady_hub('hub', 'tribe_power.upkeep_interval' => '1s');

# Sessions that are always under way: connecting, in the handshake, in the probe.
add_node($hub, 'connecting', full_listener());
add_node($hub, 'greeting', silent_listener());
add_node($hub, 'reading', start_sshd('reading', answer => 'hang'));

$hub->safe_psql('postgres', <<'SQL');
CREATE FUNCTION dawdle() RETURNS trigger LANGUAGE plpgsql AS
'BEGIN PERFORM pg_sleep(60); RETURN NULL; END';
SQL
my $lock = sub {
	my ($table, $mode) = @_;
	return sub { return background($hub, "BEGIN; LOCK TABLE $table IN $mode MODE; SELECT pg_sleep(60)"); };
};
my $waits = "wait_event_type = 'Lock' AND query LIKE 'tribe_power: %s%%'";

# state => what brings the worker there and keeps it, and how to tell
my %states = (
	waiting => [ sub { return }, "state = 'idle'" ],
	loading => [ $lock->('tribe_power_nodes', 'ACCESS EXCLUSIVE'), sprintf($waits, 'loading') ],
	storing => [ $lock->('tribe_power_metrics', 'SHARE'), sprintf($waits, 'storing') ],
	'adding up' => [ $lock->('tribe_power_hourly', 'SHARE'), sprintf($waits, 'adding up') ],
	'about to commit' => [ sub {
			$hub->safe_psql('postgres', 'CREATE TRIGGER dawdle AFTER UPDATE ON tribe_power_node_status EXECUTE FUNCTION dawdle()');
			return;
		}, "wait_event = 'PgSleep'" ]);

sub reach
{
	my ($state) = @_;
	my ($arrange, $condition) = @{ $states{$state} };

	remember($hub);
	my $session = $arrange->();
	ok(when_worker($hub, $condition), "the worker is $state");
	return $session;
}

sub leave
{
	my ($state, $session) = @_;

	reconnect($hub);
	if ($session)
	{
		$hub->psql('postgres', "SELECT pg_terminate_backend($session->{pid})");
		$session->{finish}->();
	}
	$hub->safe_psql('postgres', 'DROP TRIGGER IF EXISTS dawdle ON tribe_power_node_status');
	return;
}

# SIGKILL: PostgreSQL ends every process and recovers.
foreach my $state (sort keys %states)
{
	my $start = log_size($hub);
	my $session = reach($state);
	my $worker = worker_pid($hub);
	my @pollers = children($worker);

	kill 'KILL', $worker;
	ok(await(sub { log_since($hub, $start) =~ /database system is ready to accept connections/ }, 'recovery'), "killed while $state: the server recovers");
	leave($state, $session);
	steady($hub, "SIGKILL of the worker while $state");
	ok(!(grep { kill 0, $_ } @pollers), "killed while $state: no poller is left");
}

# SIGTERM: the worker alone, at once, whatever it waits for.
foreach my $state ('storing', 'about to commit')
{
	my $session = reach($state);
	my $took = answered_sigterm($hub, $state);
	cmp_ok($took, '<', 2, "ended while $state: at once");
	leave($state, $session);
	steady($hub, "SIGTERM to the worker while $state");
}

# The whole server, with a batch half stored, and three sessions under way.
my $session = reach('storing');
$hub->stop('immediate');
$session->{finish}->();
$hub->start;
steady($hub, 'immediate shutdown in the middle of a batch', restarted => 1);

$session = reach('about to commit');
my $worker = worker_pid($hub);
my @pollers = children($worker);
$hub->kill9;
ok(await(sub { !grep { kill 0, $_ } $worker, @pollers }, 'the end of the worker'), 'without a postmaster, worker and poller end');
$hub->start;
leave('about to commit');
steady($hub, 'SIGKILL of the postmaster just before a commit', restarted => 1);

# A fast shutdown, with sessions that are stuck at every point of the handshake.
my $sshd = start_sshd('stuck', answer => 100);
my @frozen;
foreach my $bytes (1, 40, 800, 1200, 1500, 1800, 2300)
{
	my $at = stalling_proxy($sshd, $bytes);
	push @frozen, $at->{frozen};
	add_node($hub, "stuck$bytes", $at);
}
ok(await(sub { !grep { !-e $_ } @frozen }, 'sessions that are stuck'), 'sessions are stuck at seven points of the handshake and login');
remember($hub);
my $begun = time;
$hub->stop('fast');
my $took = time - $begun;
cmp_ok($took, '<', 5, 'a fast shutdown waits for none of them (20 s and more)');
note_fact('shutdown', 'fast, ten sessions under way', sprintf('%.3f', $took));
$hub->start;
steady($hub, 'fast shutdown in the middle of handshakes', restarted => 1);
$hub->stop;
unlike(log_since($hub, 0), qr/PANIC|was terminated by signal (?!9)/, 'nothing else ended');

done_testing();
