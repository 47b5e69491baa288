# A network that drops, refuses, is cut and comes back, is slow and loses packets:
# each node has the reason, its neighbours are read meanwhile, and the server does
# not notice.
use strict;
use warnings;

use Network;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);
use TribePower;

network_up();
my $hub = new_hub('hub',
	'tribe_power.enabled' => 'off',
	'tribe_power.interval' => '2s',
	'tribe_power.connect_timeout' => '2s',
	'tribe_power.node_timeout' => '5s');
my $born = postmaster_start($hub);
my $start = log_size($hub);

# Some nodes to a link: the first link stays as it is, 2 is cut at the hub's end, 3
# at the nodes', 4 is slow.
my %sshd;

sub node
{
	my ($name, $link, $number, %options) = @_;
	my $at = { address => link_address($link, $number), port => delete $options{port} || 2200 };

	$sshd{$name} = start_sshd($name, at => $at, prefix => [ in_nodes() ], answer => 100, %options);
	add_node($hub, $name, $sshd{$name});
	return;
}

# Polls those nodes: the name of each => what became of it.
sub collect
{
	my ($nodes, %settings) = @_;
	my $set = join('', map { "SET $_ = '$settings{$_}'; " } sort keys %settings);
	return rows($hub->safe_psql('postgres', $set . collect_of($nodes)));
}

sub collect_of
{
	my ($nodes) = @_;
	return "SELECT node_name, status, error, coalesce(remedy, '') <> '', elapsed_ms FROM tribe_power_collect('{$nodes}')";
}

sub rows
{
	my ($text) = @_;
	return map { my ($name, @rest) = split /\|/; $name => { status => $rest[0], error => $rest[1], remedy => $rest[2] eq 't', elapsed => $rest[3] } } split /\n/, $text;
}

sub reason_is
{
	my ($row, $status, $error, $what) = @_;

	ok($row->{status} =~ /^(?:$status)$/ && $row->{error} =~ $error && $row->{remedy}, "$what: $status, with the reason and a remedy")
	  or diag("$row->{status}: $row->{error}");
	return;
}

link_up(1, 6);
link_up($_, 1) foreach (2 .. 4);
node('good', 1, 1);
node('dropped', 1, 2);
node('reset', 1, 3);
node('rejected', 1, 4);
node('nobody', 1, 5);
node('cut', 1, 6, answer => 'hang');
node('unplugged_here', 2, 1);
node('unplugged_there', 3, 1);
node('slow', 4, 1, answer => undef);

my %row = collect('good,dropped,reset,rejected,unplugged_here,unplugged_there,slow');
like($row{$_}{status}, qr/^(ok|partial)$/, "$_ is read while all is well") or diag($row{$_}{error}) foreach sort keys %row;

# --- not reached -------------------------------------------------------------------

rule('output', "ip daddr $sshd{dropped}{address} tcp dport 2200 drop");
rule('output', "ip daddr $sshd{reset}{address} tcp dport 2200 reject with tcp reset");
rule('output', "ip daddr $sshd{rejected}{address} tcp dport 2200 reject with icmp type host-unreachable");
stop_sshd($sshd{nobody});
system_or_bail('ip', 'link', 'set', 'hub2', 'down');
at_nodes('ip', 'link', 'set', 'node3', 'down');
%row = collect('good,dropped,reset,rejected,nobody,unplugged_here,unplugged_there');
is($row{good}{status}, 'ok', 'a good one is read while the others are not reached');
cmp_ok($row{good}{elapsed}, '<', $row{dropped}{elapsed}, 'and not at their pace');
reason_is($row{dropped}, 'connect_timeout', qr/^no answer from \Q$sshd{dropped}{address}\E port 2200 within 2 s$/, 'packets dropped');
reason_is($row{reset}, 'refused', qr/^cannot connect to \Q$sshd{reset}{address}\E port 2200: Connection refused$/, 'rejected with a TCP reset');
reason_is($row{rejected}, 'unreachable', qr/^cannot connect to .*: No route to host$/, 'rejected as unreachable');
reason_is($row{nobody}, 'refused', qr/: Connection refused$/, 'nothing listens');
reason_is($row{unplugged_here}, 'unreachable', qr/^cannot connect to .*: Network is unreachable$/, 'link down at the hub');
reason_is($row{unplugged_there}, 'unreachable|connect_timeout', qr/^cannot connect to .*: No route to host$|^no answer from/, 'link down at the node');

no_rules();
system_or_bail('ip', 'link', 'set', 'hub2', 'up');
at_nodes('ip', 'link', 'set', 'node3', 'up');
%row = collect('good,dropped,reset,rejected,unplugged_here,unplugged_there');
is($row{$_}{status}, 'ok', "$_ is read at once when the network is back") or diag($row{$_}{error}) foreach sort keys %row;

# --- cut in the middle ---------------------------------------------------------------

sub sessions { return scalar(() = slurp_file($sshd{cut}{log}) =~ /Starting session/g); }

# Polls "cut" and "good" and does something once the probe of "cut" runs.
sub meanwhile
{
	my ($do, $timeout) = @_;
	my $before = sessions();
	my $session = background($hub, "SET tribe_power.node_timeout = '$timeout'; " . collect_of('cut,good'));

	ok(await(sub { sessions() > $before }, 'a session'), 'a probe is under way');
	$do->();
	my ($status, $out, $err) = $session->{finish}->();

	no_rules();
	return rows($out);
}

sub cut_off
{
	rule('output', "ip daddr $sshd{cut}{address} drop");
	rule('input', "ip saddr $sshd{cut}{address} drop");
	return;
}

%row = meanwhile(\&cut_off, '4s');
reason_is($row{cut}, 'read_timeout', qr/^the probe on cut did not end within 4 s \(0 bytes of its report came\)$/, 'cut in the middle');
is($row{good}{status}, 'ok', 'a good one beside it is read');

# Cut, and back before the time is up: TCP sends again what was lost.
my $log = $sshd{reset}{log};
my $before = () = slurp_file($log) =~ /Starting session/g;
my $session = background($hub, "SET tribe_power.node_timeout = '60s'; SET tribe_power.sample_window = '2s'; " . collect_of('reset'));
ok(await(sub { (() = slurp_file($log) =~ /Starting session/g) > $before }, 'a session'), 'a probe is under way');
rule('output', "ip daddr $sshd{reset}{address} drop");
rule('input', "ip saddr $sshd{reset}{address} drop");
sleep 1;
no_rules();
my ($status, $out, $err) = $session->{finish}->();
like($out, qr/^reset\|ok\|/m, 'cut for a second and back: read all the same') or diag($out, $err);

# The connection is refused in the middle, as by a router that has lost its tables.
%row = meanwhile(sub {
		rule('output', "ip daddr $sshd{cut}{address} reject with tcp reset");
		rule('input', "ip saddr $sshd{cut}{address} reject with tcp reset");
		# the node says something, and learns that nobody is there
		kill 'KILL', map { children($_) } map { children($_) } children($sshd{cut}{pid});
	}, '6s');
reason_is($row{cut}, 'closed|read_timeout', qr/10\.77\.1\.7|cut/, 'reset in the middle');
is($row{good}{status}, 'ok', 'a good one beside it is read');

# --- slow and lossy -------------------------------------------------------------------

my @tbf = ('root', 'tbf', 'rate', '48kbit', 'burst', '1540', 'latency', '2s');
system_or_bail('tc', 'qdisc', 'add', 'dev', 'hub4', @tbf);
at_nodes('tc', 'qdisc', 'add', 'dev', 'node4', @tbf);
%row = collect('good,slow', 'tribe_power.connect_timeout' => '30s', 'tribe_power.node_timeout' => '60s');
like($row{slow}{status}, qr/^(ok|partial)$/, 'a line of 48 kbit/s: read') or diag($row{slow}{error});
is($row{good}{status}, 'ok', 'and a good one beside it');
cmp_ok($row{good}{elapsed}, '<', $row{slow}{elapsed}, 'not at its pace');
$tbf[3] = '1kbit';
system_or_bail('tc', 'qdisc', 'replace', 'dev', 'hub4', @tbf);
at_nodes('tc', 'qdisc', 'replace', 'dev', 'node4', @tbf);
%row = collect('good,slow');
reason_is($row{slow}, 'connect_timeout|handshake_timeout|login_timeout|read_timeout', qr/within [25] s/, 'a line of 1 kbit/s');
is($row{good}{status}, 'ok', 'and a good one beside it is read');
system_or_bail('tc', 'qdisc', 'del', 'dev', 'hub4', 'root');
at_nodes('tc', 'qdisc', 'del', 'dev', 'node4', 'root');

rule('input', 'tcp sport 2200 numgen random mod 100 < 15 drop');
rule('output', 'tcp dport 2200 numgen random mod 100 < 15 drop');
my @lossy = qw(good dropped reset rejected unplugged_here unplugged_there);
%row = collect(join(',', @lossy), 'tribe_power.connect_timeout' => '60s', 'tribe_power.node_timeout' => '120s');
is(scalar(grep { $row{$_}{status} eq 'ok' } @lossy), scalar(@lossy), 'a loss of 15 packets in 100 each way: all are read')
  or diag(map { "$_: $row{$_}{status} $row{$_}{error}\n" } @lossy);
no_rules();

# --- the worker, with kept sessions -------------------------------------------------

# A firewall forgets the connection in the pause between two rounds: what is sent
# over it disappears.  New ones are let through.
$hub->safe_psql('postgres', "DELETE FROM tribe_power_nodes WHERE node_name NOT IN ('good', 'dropped')");
$hub->safe_psql('postgres', "ALTER SYSTEM SET $_") foreach ('tribe_power.keep_sessions = on', 'tribe_power.enabled = on', q{tribe_power.node_timeout = '6s'});
$hub->reload;

sub connections
{
	my ($hex) = map { sprintf('%08X:%04X', unpack('V', Socket::inet_aton($_->{address})), $_->{port}) } @_;
	return slurp_file('/proc/net/tcp') =~ /^\s*\d+: [0-9A-F]{8}:([0-9A-F]{4}) $hex 01 /mg;
}

sub readings
{
	my ($name) = @_;
	return $hub->safe_psql('postgres', "SELECT count(*) FROM tribe_power_metrics WHERE node_name = '$name'");
}

my $count = readings('dropped');
ok($hub->poll_query_until('postgres', "SELECT count(*) >= $count + 3 FROM tribe_power_metrics WHERE node_name = 'dropped'"), 'the worker polls over kept sessions');
my @ports = connections($sshd{dropped});
is(scalar @ports, 1, 'one is kept for a node');
my $logins_before = () = slurp_file($sshd{dropped}{log}) =~ /Accepted publickey/g;
my $forgotten = hex $ports[0];
rule('output', "ip daddr $sshd{dropped}{address} tcp sport $forgotten drop");
rule('input', "ip saddr $sshd{dropped}{address} tcp dport $forgotten drop");
$count = readings('dropped');
ok($hub->poll_query_until('postgres', "SELECT count(*) >= $count + 3 FROM tribe_power_metrics WHERE node_name = 'dropped'"), 'its connection is forgotten on the way: it is read on');
cmp_ok(scalar(() = slurp_file($sshd{dropped}{log}) =~ /Accepted publickey/g), '>', $logins_before, 'over a new one');
is($hub->safe_psql('postgres', "SELECT failures FROM tribe_power_node_status WHERE node_name = 'dropped'"), '0', 'without a failure');
unlike(log_since($hub, $start), qr/node "dropped": N\/A/, 'nor a word of one in the log');
is($hub->safe_psql('postgres', q{SELECT count(*) FROM (SELECT floor(extract(epoch FROM "timestamp") / 2) AS slot, lag(floor(extract(epoch FROM "timestamp") / 2)) OVER (ORDER BY "timestamp") AS before FROM tribe_power_metrics WHERE node_name = 'good' AND "timestamp" > now() - interval '10 s') s WHERE slot - before > 1}),
	'0', 'its neighbour is read in slot after slot meanwhile');

# All of it down, and back: failures are counted, the first success ends them.
no_rules();
rule('output', "ip daddr $sshd{dropped}{address} drop");
ok($hub->poll_query_until('postgres', "SELECT failures >= 1 FROM tribe_power_node_status WHERE node_name = 'dropped'"), 'cut off, it fails');
is($hub->safe_psql('postgres', "SELECT last_outcome IN ('connect_timeout', 'closed', 'read_timeout') AND last_error <> '' FROM tribe_power_node_status WHERE node_name = 'dropped'"), 't', 'with a reason')
  or diag(outcome($hub, 'dropped'));
ok($hub->poll_query_until('postgres', "SELECT failures > 3 AND next_attempt - last_attempt > interval '3 s' FROM tribe_power_node_status WHERE node_name = 'dropped'"), 'after three failures less often');
no_rules();
$hub->safe_psql('postgres', "UPDATE tribe_power_node_status SET next_attempt = NULL WHERE node_name = 'dropped'");
ok($hub->poll_query_until('postgres', "SELECT failures = 0 AND last_outcome = 'read' FROM tribe_power_node_status WHERE node_name = 'dropped'"), 'back again, the first success ends that');
$count = readings('dropped');
ok($hub->poll_query_until('postgres', "SELECT count(*) >= $count + 2 FROM tribe_power_metrics WHERE node_name = 'dropped'"), 'and it has its slots again');

is(postmaster_start($hub), $born, 'the server has not restarted');
unlike(log_since($hub, $start), qr/terminating any other active|was terminated by signal|PANIC|crash|reinitializing/, 'nor any process of it');
$hub->stop;
done_testing();
