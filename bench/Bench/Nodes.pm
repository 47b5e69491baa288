# Bench::Nodes: nodes to poll: real sshds on loopback, with keys and
# configurations of their own, in a folder in /tmp that goes with them.
#
# Needs no root, and touches no sshd but its own, which listen on 127.64.0.0/16.
package Bench::Nodes;
use strict;
use warnings;

use Exporter 'import';
use File::Temp qw(tempdir);
use IO::Socket::INET;
use POSIX qw(:sys_wait_h);
use Time::HiRes qw(sleep);

our @EXPORT = qw($tmp $user $host_key address start_sshds stop_sshds write_ssh_config
	make_keys read_file write_file progress);

our $user = getpwuid($>);
our $tmp = tempdir('tribe_power_bench.XXXXXX', TMPDIR => 1, CLEANUP => 1);
our $host_key;    # "type key", the same for all nodes

my $main_pid = $$;
my @sshds;

$SIG{INT} = $SIG{TERM} = $SIG{HUP} = sub { exit 1 };
END
{
	if (defined $main_pid && $$ == $main_pid)
	{
		my $status = $?;
		stop_sshds();
		$? = $status;
	}
}

sub progress { print STDERR @_, "\n" }

sub write_file
{
	my ($path, $text) = @_;
	open my $file, '>', $path or die "$path: $!\n";
	print $file $text;
	close $file or die "$path: $!\n";
}

sub read_file
{
	my ($path) = @_;
	local $/;
	open my $file, '<', $path or die "$path: $!\n";
	my $text = <$file>;
	close $file;
	return defined $text ? $text : '';
}

# Node i is an address of its own.  An sshd takes 16 addresses, so there is one
# for each 16 nodes.
sub address { my ($i) = @_; return sprintf '127.64.%d.%d', int($i / 200), $i % 200 + 1 }

sub free_port
{
	my $socket = IO::Socket::INET->new(Listen => 1, LocalAddr => '0.0.0.0', Proto => 'tcp')
		or die "no free port: $!\n";
	return $socket->sockport;
}

# The client's key and the nodes'.
sub make_keys
{
	foreach my $name (qw(host id))
	{
		system('ssh-keygen', '-q', '-t', 'ed25519', '-N', '', '-C', $name, '-f', "$tmp/$name") == 0
			or exit 1;
	}
	($host_key) = read_file("$tmp/host.pub") =~ /^(\S+ \S+)/;
}

# The user's login shell on the nodes becomes another program, if libnss_wrapper is
# installed.
sub nodes_shell
{
	my ($shell) = @_;
	return () unless -x $shell && glob '/usr/lib/*/libnss_wrapper.so';
	my $passwd = join '', map {
		my @entry = getpwnam $_;
		@entry ? join(':', $_, 'x', @entry[2, 3], '', $entry[7], $_ eq $user ? $shell : $entry[8]) . "\n" : ()
	} 'sshd', $user;
	write_file("$tmp/passwd", $passwd);
	return ('env', 'LD_PRELOAD=libnss_wrapper.so', "NSS_WRAPPER_PASSWD=$tmp/passwd",
		'NSS_WRAPPER_GROUP=/etc/group');
}

# Starts the sshds of so many nodes and gives their port.  keys: the file that
# stands for authorized_keys.  shell: the login shell, instead of the user's.
sub start_sshds
{
	my ($name, $count, $algorithms, $keys, $shell) = @_;
	my @shell = defined $shell ? nodes_shell($shell) : ();
	my $port = free_port();
	my $sshd = (grep { -x } '/usr/sbin/sshd', '/usr/local/sbin/sshd')[0]
		or die "no sshd: run bench/setup\n";

	mkdir '/run/sshd', 0755 if $> == 0;    # sshd empties its privileges there
	for (my $first = 0; $first < $count; $first += 16)
	{
		my $last = $first + 15 < $count ? $first + 15 : $count - 1;
		my $config = "$tmp/sshd.$name.$first";

		write_file($config, <<"END" . join('', map { "ListenAddress " . address($_) . "\n" } $first .. $last));
Port $port
HostKey $tmp/host
AuthorizedKeysFile $keys
PidFile none
StrictModes no
SetEnv HOME=$tmp
UsePAM no
UseDNS no
PrintMotd no
PrintLastLog no
PermitRootLogin prohibit-password
MaxStartups 10000
LogLevel ERROR
$algorithms
END
		my $pid = fork // die "fork: $!\n";
		if ($pid == 0)
		{
			exec 'setpriv', '--pdeathsig', 'TERM', @shell, $sshd, '-D', '-r', '-f', $config, '-E', "$config.log"
				or POSIX::_exit(99);
		}
		push @sshds, $pid;
		for (my $tries = 0;; $tries++)
		{
			last if IO::Socket::INET->new(PeerAddr => address($last), PeerPort => $port);
			die 'sshd did not start: ' . read_file("$config.log")
				if $tries > 500 || waitpid($pid, WNOHANG) == $pid;
			sleep 0.01;
		}
	}
	return $port;
}

sub stop_sshds
{
	kill 'TERM', @sshds;
	waitpid $_, 0 foreach @sshds;
	@sshds = ();
}

sub write_ssh_config
{
	my ($path, $port, $algorithms) = @_;

	write_file("$path.known", "[127.64.*]:$port " . read_file("$tmp/host.pub"));
	write_file($path, <<"END");
User $user
Port $port
IdentityFile $tmp/id
IdentitiesOnly yes
IdentityAgent none
UserKnownHostsFile $path.known
GlobalKnownHostsFile /dev/null
StrictHostKeyChecking yes
UpdateHostKeys no
PreferredAuthentications publickey
GSSAPIAuthentication no
BatchMode yes
LogLevel ERROR
$algorithms
END
	return $path;
}

1;
