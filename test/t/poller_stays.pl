# Without kept sessions too, one poller serves round after round: it is not started for
# each.  It ends when settings of its own change, and when none needs it.
use strict;
use warnings;

use PostgreSQL::Test::Utils;
use Test::More;
use TribePower;

my $hub = new_hub('hub', 'tribe_power.interval' => '1s');
my $worker = worker_pid($hub);
my $node = start_sshd('node', answer => 100);

add_node($hub, 'node', $node);

sub logins { return scalar(() = slurp_file($node->{log}) =~ /Accepted publickey/g); }

# Waits for a login of each of so many rounds.
sub rounds
{
	my ($count) = @_;
	my $before = logins();
	return await(sub { logins() >= $before + $count }, "$count rounds");
}

sub set
{
	my (@settings) = @_;
	$hub->safe_psql('postgres', "ALTER SYSTEM SET $_") foreach @settings;
	$hub->reload;
	return;
}

# The poller once a round has come; it must be one.
sub poller
{
	my @pollers;
	rounds(1);
	await(sub { @pollers = children($worker) }, 'a poller');
	is(scalar(@pollers), 1, 'one poller');
	return $pollers[0];
}

my $poller = poller();
rounds(3);
is_deeply([children($worker)], [$poller], 'the same one, rounds later, though each was a login');

foreach my $setting ('nice = 7', 'max_connections = 9', "poller_memory = '128MB'", 'keep_sessions = on')
{
	set("tribe_power.$setting");
	ok(await(sub { !kill 0, $poller }, 'the end of the poller'), "$setting: it makes room");
	$poller = $setting =~ /keep/ ? undef : poller();
}
set('tribe_power.keep_sessions = off');
rounds(2);
$poller = poller();
rounds(1);
is_deeply([children($worker)], [$poller], 'what has not changed ends none');

set('tribe_power.enabled = off');
ok(await(sub { !children($worker) }, 'the end of the poller'), 'when nothing is to be polled, there is none');
set('tribe_power.enabled = on');
$poller = poller();

# the next round is beyond the hour that one lives; slots are aligned to the clock
my ($interval) = grep { $_ - time % $_ > 4500 } map { 3600 * $_ } 2, 3, 5, 7, 11, 13, 17;
set("tribe_power.interval = '${interval}s'");
ok(await(sub { !children($worker) }, 'the end of the poller'), 'nor when the next round is far');

is(worker_pid($hub), $worker, 'by one worker');
$hub->stop;
done_testing();
