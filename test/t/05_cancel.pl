# tribe_power_collect() is cancelled, terminated or timed out in every phase of a
# session: the answer comes at once, and no poller is left.
use strict;
use warnings;

use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);
use TribePower;

# All timeouts are long: whatever comes within seconds is not theirs.
my $hub = new_hub('hub',
	'tribe_power.enabled' => 'off',
	'tribe_power.connect_timeout' => '2min',
	'tribe_power.node_timeout' => '5min',
	'tribe_power.round_timeout' => '10min');
my $sshd = start_sshd('sshd', answer => 100);
my $hanging = start_sshd('hanging', answer => 'hang');

# Sessions that stop at some point, and how to tell that they have come there.
my @phases = (
	[ 'connecting', full_listener(), undef ],
	[ 'before the banner', silent_listener(), undef ],
	[ 'in the probe', $hanging, sub { (() = slurp_file($hanging->{log}) =~ /Starting session/g) } ]);
# in the banner, the key exchange, the login, the channel
foreach my $bytes (1, 30, 60, 800, 1200, 1500, 1800, 2100, 2300, 2500)
{
	my $at = stalling_proxy($sshd, $bytes);
	push @phases, [ "after $bytes bytes", $at, sub { -e $at->{frozen} ? scalar(() = slurp_file($at->{frozen}) =~ /\n/g) : 0 } ];
}

my @ways = (
	[ 'cancel', sub { $hub->safe_psql('postgres', "SELECT pg_cancel_backend($_[0])") }, qr/57014.*canceling statement due to user request/ ],
	[ 'terminate', sub { $hub->safe_psql('postgres', "SELECT pg_terminate_backend($_[0])") }, qr/57P01|terminating connection due to administrator command/ ]);

my $number = 0;
my $longest = 0;
foreach my $phase (@phases)
{
	my ($where, $at, $reached) = @$phase;
	my $name = 'node' . $number++;

	add_node($hub, $name, $at);
	foreach my $way (@ways)
	{
		my ($what, $do, $error) = @$way;
		my $before = $reached ? $reached->() : 0;
		my $session = background($hub, "SELECT * FROM tribe_power_collect('{$name}')");
		my $poller = poller_of($session->{pid});

		if ($reached)
		{
			await(sub { $reached->() > $before }, $where);
		}
		else
		{
			# connected, or trying: the kernel knows
			await(sub { connecting($at) }, $where);
		}
		my $begun = time;
		$do->($session->{pid});
		my ($status, $out, $err) = $session->{finish}->();
		my $took = time - $begun;
		$longest = $took if $took > $longest;
		like($err, $error, "$where: $what is answered");
		ok(await(sub { !kill 0, $poller }, 'the end of the poller'), "$where: $what leaves no poller");
	}
}
cmp_ok($longest, '<', 3, 'each at once, not after a timeout (minutes)');
note("the longest took $longest s");

# Whether a connection to the address is under way or there.
sub connecting
{
	my ($at) = @_;
	my $hex = sprintf('%08X:%04X', unpack('V', Socket::inet_aton($at->{address})), $at->{port});
	my $count = () = slurp_file('/proc/net/tcp') =~ /^\s*\d+: [0-9A-F]{8}:[0-9A-F]{4} $hex 0[12] /mg;
	return $count > ($at->{fillers} || 0);
}

# statement_timeout, and an error in a transaction around it.
my ($rc, $out, $err) = $hub->psql('postgres', "SET statement_timeout = '500ms'; SELECT * FROM tribe_power_collect('{node1}')");
like($err, qr/canceling statement due to statement timeout/, 'a statement timeout is kept');
is($hub->safe_psql('postgres', 'SELECT count(*) FROM tribe_power_metrics'), '0', 'nothing of all this was stored');
is($hub->safe_psql('postgres', 'SELECT count(*) FROM pg_locks WHERE relation::regclass::text LIKE \'tribe_power%\''), '0', 'nor is anything locked');

# No row is locked while nodes are waited for.
my $session = background($hub, "SELECT * FROM tribe_power_collect('{node2}')");
my $poller = poller_of($session->{pid});
is($hub->safe_psql('postgres', "SET lock_timeout = '2s'; UPDATE tribe_power_node_status SET failures = failures; UPDATE tribe_power_nodes SET tags = '{x}'; SELECT 'free'"),
	'free', 'others may write meanwhile');

# A savepoint survives a cancel, and the session polls again.
$hub->safe_psql('postgres', "SELECT pg_cancel_backend($session->{pid})");
$session->{finish}->();
add_node($hub, 'good', $sshd);
is($hub->safe_psql('postgres', <<'SQL'), 'ok', 'a session whose poll was cancelled polls again');
SET statement_timeout = '300ms';
DO $$
BEGIN
	PERFORM * FROM tribe_power_collect('{node1}');
EXCEPTION WHEN query_canceled THEN
	NULL;
END
$$;
SET statement_timeout = 0;
SELECT status FROM tribe_power_collect('{good}');
SQL

# While such a session lives on, its poller does not.
$session = background($hub, <<'SQL');
DO $$
BEGIN
	PERFORM * FROM tribe_power_collect('{node1}');
EXCEPTION WHEN query_canceled THEN
	NULL;
END
$$;
SELECT pg_sleep(600)
SQL
$poller = poller_of($session->{pid});
$hub->safe_psql('postgres', "SELECT pg_cancel_backend($session->{pid})");
ok($hub->poll_query_until('postgres', "SELECT wait_event = 'PgSleep' FROM pg_stat_activity WHERE pid = $session->{pid}"), 'a session catches the cancel and goes on');
ok(!kill(0, $poller), 'its poller is ended and reaped');
$hub->safe_psql('postgres', "SELECT pg_terminate_backend($session->{pid})");
$session->{finish}->();

# The round's own time.
is($hub->safe_psql('postgres', q{SET tribe_power.round_timeout = '1s'; SELECT node_name, status, error, remedy <> '' FROM tribe_power_collect('{node1,good}') ORDER BY 1}),
	"good|ok||\nnode1|round_timeout|not polled within the round's 1 s|t", 'a round ends at its timeout, with what it has');

# A fast stop with a poll by hand under way.
$session = background($hub, "SELECT * FROM tribe_power_collect('{node2}')");
$poller = poller_of($session->{pid});
my $begun = time;
$hub->stop('fast');
cmp_ok(time - $begun, '<', 5, 'a fast stop does not wait for a poll by hand');
ok(await(sub { !kill 0, $poller }, 'the end of the poller'), 'and leaves no poller');
$session->{finish}->();

done_testing();
