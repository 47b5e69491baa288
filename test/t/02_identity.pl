# A private key that cannot be used is said so, and nobody is bothered with it; a line
# of known_hosts that cannot be used is skipped, and the log says so.
use strict;
use warnings;

use PostgreSQL::Test::Utils;
use Test::More;
use TribePower;

my $hub = new_hub('hub', 'tribe_power.enabled' => 'off');
my $sshd = start_sshd('node', answer => 50);
my $good = new_key('hub');
my $folder = PostgreSQL::Test::Utils::tempdir_short();

sub with_key
{
	my ($name, $mode, $from) = @_;
	my $path = "$folder/$name";
	append_to_file($path, defined $from ? $from : slurp_file($good));
	chmod $mode, $path;
	return $path;
}

my $encrypted = new_key('encrypted', '-N', 'secret');
my @cases = (
	[ 'missing', "$folder/missing", 'identity_file', qr/No such file/ ],
	[ 'unreadable', with_key('unreadable', 0000), 'identity_file', qr/Permission denied/ ],
	[ 'group-readable', with_key('group', 0640), 'identity_file', qr/group|others|mode|0640/i ],
	[ 'world-readable', with_key('world', 0604), 'identity_file', qr/group|others|mode|0604/i ],
	[ 'a folder', $folder, 'identity_file', qr/./ ],
	[ 'encrypted', $encrypted, 'identity_format', qr/encrypted|passphrase/i ],
	[ 'empty', with_key('empty', 0600, ''), 'identity_format', qr/./ ],
	[ 'a public key', with_key('public', 0600, slurp_file("$good.pub")), 'identity_format', qr/./ ]);

my $before = -s $sshd->{log};
foreach my $case (@cases)
{
	my ($what, $path, $outcome, $error) = @$case;
	(my $name = $what) =~ s/\W/_/g;

	add_node($hub, $name, $sshd, identity_file => $path);
	my $row = $hub->safe_psql('postgres', "SELECT status, remedy <> '', error FROM tribe_power_collect('{$name}')");
	like($row, qr/^$outcome\|t\|/, "$what: $outcome, with a remedy");
	like($row, $error, "$what: and a reason");
	unlike($row, qr/BEGIN|b3BlbnNz/, "$what: and nothing of the key");
	like(outcome($hub, $name), qr/^$outcome\|./, "$what: kept in its status");
}
is(-s $sshd->{log}, $before, 'nobody connected to the node');
is($hub->safe_psql('postgres', 'SELECT count(*) FROM tribe_power_metrics'), '0', 'no reading');

# The worker does the same, by tribe_power.identity_file.
$hub->safe_psql('postgres', 'DELETE FROM tribe_power_nodes');
add_node($hub, 'node', $sshd);
$hub->safe_psql('postgres', "ALTER SYSTEM SET $_") foreach ("tribe_power.identity_file = '$folder/group'", 'tribe_power.enabled = on');
$hub->reload;
ok($hub->poll_query_until('postgres', "SELECT last_outcome = 'identity_file' FROM tribe_power_node_status WHERE node_name = 'node'"),
	'the worker says so too');
is(-s $sshd->{log}, $before, 'and bothers nobody');

# And takes the key up once it is right, at a later slot, without a restart.
chmod 0600, "$folder/group";
ok($hub->poll_query_until('postgres', "SELECT count(*) > 0 FROM tribe_power_metrics WHERE node_name = 'node'"),
	'it reads the node once the key is private');
ok(-s $sshd->{log} > $before, 'by a login');

# The pin is found behind lines that are none; the server's log tells of them.
my $known_hosts = "$folder/known_hosts";
append_to_file($known_hosts, "# ours\n$sshd->{address} no-such-type AAAA\n[unclosed ssh-ed25519 !!!!\n[$sshd->{address}]:$sshd->{port} $sshd->{host_key}\n");
add_node($hub, 'unpinned', $sshd, host_key => undef);
my $start = log_size($hub);
my $collect = "SET tribe_power.known_hosts_file = '$known_hosts'; SET tribe_power.identity_file = '$good'; SELECT status FROM tribe_power_collect('{unpinned}')";
is($hub->safe_psql('postgres', $collect), 'ok', 'a host key is found in a file with broken lines');
my @told = log_since($hub, $start) =~ /^tribe_power_poller: \Q$known_hosts\E: (.*)$/mg;
is(scalar(@told), 1, 'the log has a line about them') or diag(log_since($hub, $start));
like($told[0] || '', qr/^\d line\(s\) skipped, the first is line 2: ./, "how many, and where: $told[0]");
$hub->safe_psql('postgres', "UPDATE tribe_power_nodes SET host_key = '$sshd->{host_key}' WHERE node_name = 'unpinned'");
$start = log_size($hub);
is($hub->safe_psql('postgres', $collect), 'ok', 'with a pin in the registry');
unlike(log_since($hub, $start), qr/skipped/, 'the file is not even read');

$hub->stop;
done_testing();
