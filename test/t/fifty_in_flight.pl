# Fifty sessions under way, all in the same state, one state after another: a cancel
# of tribe_power_collect() and a SIGTERM to the worker are answered at once, and no
# poller is left.
#
# ANSWER_REPETITIONS repeats it for bench/answer, which prints how long the answers
# take.
use strict;
use warnings;

use List::Util qw(max);
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);
use TribePower;

my $many = 50;
my $repetitions = $ENV{ANSWER_REPETITIONS} || 1;

# All timeouts are long: whatever comes within seconds is not theirs.  The library is
# not preloaded, so that a worker can be started without the pause after one's end.
my $hub = new_hub('hub',
	'preload' => 'plpgsql',
	'tribe_power.enabled' => 'off',
	'tribe_power.connect_timeout' => '2min',
	'tribe_power.node_timeout' => '5min',
	'tribe_power.round_timeout' => '10min',
	'log_min_messages' => 'error',
	'log_line_prefix' => '%n %p ');
my $born = postmaster_start($hub);
my $sshd = start_sshd('sshd', answer => 100);

# How many connections to the address the kernel has in a state (01 established, 02
# waiting for an answer).
sub connections
{
	my ($at, $state) = @_;
	my $hex = sprintf('%08X:%04X', unpack('V', Socket::inet_aton($at->{address})), $at->{port});
	return scalar(() = slurp_file('/proc/net/tcp') =~ /^\s*\d+: [0-9A-F]{8}:[0-9A-F]{4} $hex $state /mg);
}

sub frozen
{
	my ($at) = @_;
	return -e $at->{frozen} ? scalar(() = slurp_file($at->{frozen}) =~ /\n/g) : 0;
}

# Peers that stop at some point; how many sessions are there.
my @phases;

sub phase
{
	my ($at, $reached) = @_;
	push @phases, { at => $at, reached => $reached };
	return;
}

my $full = full_listener();
my $waiting = connections($full, '02');
my $silent = stalling_proxy($sshd, 0);
phase($full, sub { connections($full, '02') - $waiting });
phase($silent, sub { frozen($silent) - $_[0] });
# The state that a session is in is what its error says when its time is up; so it is
# found out how many bytes of the server's make which.
my %found;
foreach my $bytes (45, map { 1000 + $_ * 50 } (0 .. 60))
{
	my $at = stalling_proxy($sshd, $bytes);
	add_node($hub, 'finding', $at);
	my $state = $hub->safe_psql('postgres', "SET tribe_power.connect_timeout = '1s'; SET tribe_power.node_timeout = '1s'; SELECT CASE WHEN status = 'read_timeout' THEN coalesce(substring(error FROM 'while .*'), 'while reading') ELSE status END FROM tribe_power_collect('{finding}')");
	$hub->safe_psql('postgres', "DELETE FROM tribe_power_nodes WHERE node_name = 'finding'");
	next if $state eq 'ok' || $found{$state}++;
	phase($at, sub { frozen($at) - $_[0] });
	$phases[-1]{label} = $state;
	last if $state eq 'while reading';
}
$phases[0]{label} = 'connecting';
$phases[1]{label} = 'no banner';
ok($found{$_}, "there is a peer for: $_") foreach ('handshake_timeout', 'login_timeout', 'while reading');
note('states: ', join(', ', map { $_->{label} } @phases));

# Waits until all sessions are there; those before do not count.
sub all_there
{
	my ($phase, $before) = @_;
	return ok(await(sub { $phase->{reached}->($before) >= $many }, $phase->{label}), "$phase->{label}: $many sessions are there");
}

# Whether the worker polls; told to it when it starts or reads its settings.
sub enable
{
	$hub->append_conf('postgresql.conf', "tribe_power.enabled = $_[0]");
	$hub->reload;
	return;
}

# Waits until no process of the server uses the processor, in nanoseconds of it.
sub at_rest
{
	my ($postmaster) = slurp_file($hub->data_dir . '/postmaster.pid') =~ /^(\d+)/;
	my $last = '';

	await(sub {
			my $now = join(' ', map { "$_ " . (split / /, eval { slurp_file("/proc/$_/schedstat") } || '')[0] } children($postmaster));
			my $same = $now eq $last;
			$last = $now;
			return $same;
		}, 'a server at rest');
	return;
}

sub gone
{
	my ($pid) = @_;
	sleep 0.001 while kill 0, $pid;
	return time;
}

my %took;
foreach my $phase (@phases)
{
	my $at = $phase->{at};
	my $label = $phase->{label};

	$hub->safe_psql('postgres', "DELETE FROM tribe_power_nodes; INSERT INTO tribe_power_nodes (node_name, address, port, host_key) SELECT 'n' || i, '$at->{address}', $at->{port}, '$at->{host_key}' FROM generate_series(1, $many) i");
	foreach (1 .. $repetitions)
	{
		# a poll by hand is cancelled: the server's log has the moment of the answer
		my $before = $at->{frozen} ? frozen($at) : 0;
		my $session = background($hub, 'SELECT * FROM tribe_power_collect()');
		my $poller = poller_of($session->{pid});
		all_there($phase, $before);
		my $from = log_size($hub);
		my $begun = time;
		kill 'INT', $session->{pid};
		my ($status, $out, $err) = $session->{finish}->();
		like($err, qr/canceling statement due to user request/, "$label: a cancel is answered");
		my ($answered) = log_since($hub, $from) =~ /^([0-9.]+) $session->{pid} ERROR:  (?:57014: )?canceling/m;
		# the log's clock counts whole milliseconds
		push @{ $took{$label}{cancel} }, max($answered - $begun, 0);
		ok(await(sub { !kill 0, $poller }, 'the end of the poller'), "$label: no poller is left");
		ok(await(sub { !$at->{frozen} || !established($at) }, 'the end of the sessions'), "$label: nor a session") if $at->{frozen};

		# what the machine takes to end any process of the server's just now
		my $idle = background($hub, 'SELECT pg_sleep(600)');
		$begun = time;
		kill 'TERM', $idle->{pid};
		push @{ $took{$label}{control} }, gone($idle->{pid}) - $begun;
		$idle->{finish}->();

		# the worker is told to end
		$before = $at->{frozen} ? frozen($at) : 0;
		enable('on');
		# the server starts those anew that were ended before; one of them polls
		$hub->safe_psql('postgres', 'SELECT tribe_power_start_worker()') unless worker_pid($hub);
		my $worker;
		await(sub { ($worker) = grep { children($_) } split /\n/, worker_pid($hub) }, 'a worker with a poller');
		$poller = poller_of($worker);
		all_there($phase, $before);
		# no other worker takes over; each process of the server reads its settings anew
		enable('off');
		at_rest();
		$begun = time;
		kill 'TERM', $worker;
		push @{ $took{$label}{'SIGTERM'} }, gone($worker) - $begun;
		ok(await(sub { !kill 0, $poller }, 'the end of the poller'), "$label: the worker ends, and its poller");
		ok(await(sub { !established($at) }, 'the end of the sessions'), "$label: and the sessions") if $at->{frozen};
	}
}

sub established { return connections($_[0], '01') > 0; }

my @all = map { @$_ } map { values %$_ } values %took;
cmp_ok(max(@all), '<', 20, 'each is answered long before a timeout (minutes)');
is(postmaster_start($hub), $born, 'the server has not restarted');
unlike(log_since($hub, 0), qr/was terminated by signal|PANIC/, 'nor any process of it');

# In milliseconds, beside an idle session that is told to end: half of them, nine in ten, the longest
foreach my $way ('cancel', 'SIGTERM', 'control')
{
	foreach my $label (map { $_->{label} } @phases)
	{
		my @sorted = sort { $a <=> $b } @{ $took{$label}{$way} };
		note(sprintf('%-8s %-36s %3d times: median %6.1f ms, nine in ten %6.1f, longest %6.1f', $way, $label,
			scalar @sorted, 1000 * $sorted[ $#sorted / 2 ], 1000 * $sorted[ 0.9 * $#sorted ], 1000 * $sorted[-1]));
	}
}
@all = map { my $way = $_; [ $way, sort { $a <=> $b } map { @{ $_->{$way} } } values %took ] } ('cancel', 'SIGTERM', 'control');
foreach (@all)
{
	my ($way, @sorted) = @$_;
	note(sprintf('all %-8s %3d times: median %.1f ms, nine in ten %.1f, longest %.1f; over 50 ms: %d', $way,
		scalar @sorted, 1000 * $sorted[ $#sorted / 2 ], 1000 * $sorted[ 0.9 * $#sorted ], 1000 * $sorted[-1],
		scalar(grep { $_ > 0.05 } @sorted)));
}

$hub->stop;
done_testing();
