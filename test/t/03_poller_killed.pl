# The poller is killed in mid-round: the server notices nothing, the round goes on.
use strict;
use warnings;

use PostgreSQL::Test::Utils;
use Test::More;
use TribePower;

my $hub = new_hub('hub',
	'tribe_power.interval' => '2s',
	'tribe_power.connect_timeout' => '1s',
	'tribe_power.node_timeout' => '4s');
my $born = postmaster_start($hub);
my $start = log_size($hub);
my $worker = worker_pid($hub);

# Four nodes answer at once, one takes its time, so that a round is under way.
add_node($hub, "quick$_", start_sshd("quick$_", answer => 100 + $_)) foreach (1 .. 4);
my $hanging = start_sshd('hanging', answer => 'hang');
add_node($hub, 'hanging', $hanging);

sub logins
{
	return scalar(() = slurp_file($hanging->{log}) =~ /Accepted publickey/g);
}

# Failures make a node wait.
sub due_now
{
	$hub->safe_psql('postgres', 'UPDATE tribe_power_node_status SET next_attempt = NULL, failures = 0');
	return;
}

# SIGSTOP makes one that hangs, told by its silence
foreach my $signal (qw(KILL ABRT SEGV STOP))
{
	due_now();
	# wait until the last one of a round hangs, and no other poller is there: a
	# node that may have ended one before is first polled by itself
	my $logins = logins();
	my $poller;
	ok( await(sub {
				my $now = logins();
				return 0 if $now == $logins;
				$logins = $now;
				my @pollers = children($worker);
				return $poller = $pollers[0] if @pollers == 1;
				due_now();
				return 0;
			}, 'a login'),
		"$signal: a session is under way");
	my $readings = $hub->safe_psql('postgres', 'SELECT count(*) FROM tribe_power_metrics');
	kill $signal, $poller;
	ok(await(sub { !kill(0, $poller) || !grep { $_ == $poller } children($worker) }, 'the end of the poller'),
		"$signal: the poller is gone");
	ok( $hub->poll_query_until('postgres', "SELECT last_outcome = 'poller_ended' AND last_error <> '' FROM tribe_power_node_status WHERE node_name = 'hanging'"),
		"$signal: the node that was under way has the reason") or diag(outcome($hub, 'hanging'));
	ok( $hub->poll_query_until('postgres', "SELECT count(DISTINCT node_name) = 4 FROM (SELECT node_name FROM tribe_power_metrics ORDER BY \"timestamp\" OFFSET $readings) m"),
		"$signal: the others are read on");
	is(worker_pid($hub), $worker, "$signal: by the same worker");
	ok( $hub->poll_query_until('postgres', "SELECT last_outcome <> 'poller_ended' FROM tribe_power_node_status WHERE node_name = 'hanging'"),
		"$signal: the node is polled again, and no poller ends") or diag(outcome($hub, 'hanging'));
}
is(postmaster_start($hub), $born, 'the server has not restarted');
unlike(log_since($hub, $start), qr/terminating any other active|was terminated by signal|PANIC|crash|reinitializing/, 'nor any process of it');

# The same in a backend: the function answers, and the session lives on.
$hub->safe_psql('postgres', "ALTER SYSTEM SET $_") foreach ('tribe_power.enabled = off');
$hub->reload;
foreach my $signal (qw(KILL ABRT))
{
	my $logins = logins();
	my $session = background($hub, 'SELECT node_name, status FROM tribe_power_collect() ORDER BY node_name');
	my $poller = poller_of($session->{pid});
	await(sub { logins() > $logins }, 'a login');
	kill $signal, $poller;
	my ($status, $out, $err) = $session->{finish}->();
	is($status, 0, "collect, $signal: no error") or diag($err);
	like($out, qr/^hanging\|poller_ended$/m, "collect, $signal: the node that was under way has the reason");
	is((() = $out =~ /^quick\d\|(ok|partial|poller_ended)$/mg), 4, "collect, $signal: a row for each of the others");
}
is(postmaster_start($hub), $born, 'the server has not restarted');
unlike(log_since($hub, $start), qr/was terminated by signal|PANIC/, 'nor any process of it');

$hub->stop;
done_testing();
