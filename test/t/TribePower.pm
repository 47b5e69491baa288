# TribePower.pm: what the cluster tests share: a server with the extension
# preloaded, nodes to poll (real sshds of the test's own user on loopback), nodes
# that misbehave, and ways to look at the worker and its poller.
#
# Everything is made below the test's own folder and ends with the test.
package TribePower;

use strict;
use warnings;

use Cwd qw(abs_path);
use Exporter 'import';
use File::Basename;
use File::Temp;
use IO::Socket::INET;
use POSIX qw(:sys_wait_h :signal_h);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Socket;
use Test::More;
use Time::HiRes qw(sleep time);

our @EXPORT = qw(
  new_hub add_node start_sshd stop_sshd silent_listener full_listener
  stalling_proxy talker unused_port new_key worker_pid children poller_of
  await background outcome postmaster_start log_since log_size
);

my $answer = abs_path(dirname(__FILE__)) . '/answer';
my $work;     # short: paths of sockets and keys
my %started;  # process => its kind, to end
my $owner = $$;

sub work
{
	$work ||= File::Temp::tempdir('tpXXXXXX', TMPDIR => 1, CLEANUP => 1);
	return $work;
}

END
{
	# forked children have their own idea of the end
	if ($$ == $owner)
	{
		local $?;
		kill 'KILL', keys %started;
		waitpid($_, 0) foreach keys %started;
	}
}

# --- the server ------------------------------------------------------------------

# A running server with the extension; settings as name => value.  A first
# argument of undef for "extension" leaves CREATE EXTENSION out.
sub new_hub
{
	my ($name, %settings) = @_;
	my $path = delete $settings{install_path};
	my $hub = PostgreSQL::Test::Cluster->new($name, $path ? (install_path => $path) : ());
	my $extension = exists $settings{extension} ? delete $settings{extension} : 1;
	my $start = exists $settings{start} ? delete $settings{start} : 1;
	my $preload = delete $settings{preload} || 'tribe_power';

	$hub->init(allows_streaming => delete $settings{allows_streaming});
	my %all = (
		'tribe_power.interval' => '2s',
		'tribe_power.jitter' => '0',
		'tribe_power.sample_window' => '200ms',
		'tribe_power.connect_timeout' => '20s',
		'tribe_power.node_timeout' => '30s',
		'tribe_power.identity_file' => new_key('hub'),
		'tribe_power.known_hosts_file' => '',
		'tribe_power.ssh_user' => (getpwuid($<))[0],
		%settings);
	$hub->append_conf('postgresql.conf', <<"END");
shared_preload_libraries = '$preload'
restart_after_crash = on
log_min_messages = log
log_statement = none
log_replication_commands = off
END
	$hub->append_conf('postgresql.conf',
		join('', map { "$_ = '$all{$_}'\n" } sort keys %all));
	if ($start)
	{
		$hub->start;
		$hub->safe_psql('postgres', 'CREATE EXTENSION tribe_power') if $extension;
	}
	return $hub;
}

# Registers what start_sshd and the like gave under a name; further columns too.
sub add_node
{
	my ($hub, $name, $at, %columns) = @_;
	my %row = (
		node_name => $name,
		address => $at->{address},
		port => $at->{port},
		host_key => $at->{host_key},
		%columns);
	my @names = grep { defined $row{$_} } sort keys %row;

	$hub->safe_psql('postgres',
		    'INSERT INTO tribe_power_nodes ('
		  . join(', ', @names)
		  . ') VALUES ('
		  . join(', ', map { "'$row{$_}'" } @names) . ')');
	return;
}

# "outcome|error" of the node's last poll.
sub outcome
{
	my ($hub, $name) = @_;
	return $hub->safe_psql('postgres',
		"SELECT last_outcome || '|' || coalesce(last_error, '') FROM tribe_power_node_status WHERE node_name = '$name'"
	);
}

sub postmaster_start
{
	my ($hub) = @_;
	return $hub->safe_psql('postgres', 'SELECT pg_postmaster_start_time()');
}

sub log_size
{
	my ($hub) = @_;
	return -s $hub->logfile;
}

sub log_since
{
	my ($hub, $from) = @_;
	return slurp_file($hub->logfile, $from);
}

# --- processes ---------------------------------------------------------------------

sub worker_pid
{
	my ($hub) = @_;
	return $hub->safe_psql('postgres',
		"SELECT pid FROM pg_stat_activity WHERE backend_type = 'tribe_power worker'"
	);
}

# Processes that a process has started, as they are now.
sub children
{
	my ($parent) = @_;
	my @found;

	return () unless $parent;
	foreach my $file (glob '/proc/[0-9]*/stat')
	{
		open(my $stat, '<', $file) or next;
		my $line = <$stat>;
		close $stat;
		next unless defined $line;
		next unless $line =~ /^(\d+) \((.*)\) (\S) (\d+) /s;
		push @found, $1 if $4 == $parent && $3 ne 'Z';
	}
	return @found;
}

# The poller of a worker or backend, once it has one.
sub poller_of
{
	my ($owner_pid) = @_;
	my @found;

	await(sub { @found = children($owner_pid); @found > 0 },
		"a poller of $owner_pid");
	return $found[0];
}

# True once the condition holds; false after the default timeout.
sub await
{
	my ($condition, $what) = @_;
	my $end = time + $PostgreSQL::Test::Utils::timeout_default;

	while (time < $end)
	{
		return 1 if $condition->();
		sleep 0.02;
	}
	diag("waited in vain for $what");
	return 0;
}

# A psql session that runs while the test goes on: start it with SQL, and its
# finish() gives exit status, output and errors.
sub background
{
	my ($hub, $sql) = @_;
	my ($in, $out, $err) = ('', '', '');
	my $harness = IPC::Run::start(
		[ 'psql', '-XAtq', '-v', 'VERBOSITY=verbose', '-d', $hub->connstr('postgres'), '-c', "SELECT pg_backend_pid()", '-c', $sql ],
		'<', \$in, '>', \$out, '2>', \$err,
		IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default));

	await(sub { $harness->pump_nb; $out =~ /^\d+\n/ }, 'a session');
	my ($pid) = $out =~ /^(\d+)\n/;
	return {
		pid => $pid,
		finish => sub {
			$harness->finish;
			$out =~ s/^\d+\n//;
			return ($harness->result(0), $out, $err);
		}
	};
}

# --- nodes ---------------------------------------------------------------------------

# A private key of our own; its path.
sub new_key
{
	my ($name, @options) = @_;
	my $path = work() . "/$name.key";

	@options = ('-N', '') unless @options;
	system_or_bail('ssh-keygen', '-q', '-t', 'ed25519', '-C', $name, '-f',
		$path, @options) unless -e $path;
	return $path;
}

sub public_key
{
	my ($path) = @_;
	my ($type, $blob) = split / /, slurp_file("$path.pub");
	return "$type $blob";
}

# An address of this test's own in 127/8, and a port that is free there.
my $address;
my $next_port = 2200;

sub unused_port
{
	$address ||= sprintf('127.%d.%d.%d', 100 + ($$ >> 14) % 100, ($$ >> 7) % 128, 1 + $$ % 128);
	while ($next_port < 9000)
	{
		my $port = $next_port++;
		my $socket = IO::Socket::INET->new(
			LocalAddr => $address, LocalPort => $port, Proto => 'tcp', ReuseAddr => 1, Listen => 1) or next;
		close $socket;
		return { address => $address, port => $port };
	}
	BAIL_OUT("no free port on $address");
}

# An sshd that logs the test's user in with the hub's key.  answer: watts, or a
# fault (see the file answer); config: further lines of sshd_config; at: address
# and port; prefix: what its command begins with.
sub start_sshd
{
	my ($name, %options) = @_;
	my $at = $options{at} || unused_port();
	my $folder = work() . "/$name";
	my $host_key = new_key("$name-host");

	mkdir $folder;
	$at->{log} = "$folder/log";
	$at->{config} = "$folder/config";
	$at->{host_key} = public_key($host_key);
	my $command = defined $options{answer} ? "ForceCommand /bin/sh $answer $options{answer}" : '';
	my $more = $options{config} || '';
	my $keys = "$folder/authorized_keys";
	append_to_file($keys, slurp_file(new_key('hub') . '.pub'));
	append_to_file($at->{config}, <<"END");
ListenAddress $at->{address}:$at->{port}
HostKey $host_key
AuthorizedKeysFile $keys
StrictModes no
UsePAM no
PidFile none
PasswordAuthentication no
KbdInteractiveAuthentication no
PrintMotd no
MaxStartups 500
LogLevel VERBOSE
$command
$more
END
	append_to_file($at->{config}, penalties($at->{config}, $more));
	$at->{name} = $name;
	$at->{prefix} = $options{prefix} || [];
	run_sshd($at);
	return $at;
}

# Since 9.8 sshd turns away for a while who broke off before, as these tests do.
my $penalties;

sub penalties
{
	my ($config, $more) = @_;

	$penalties //= system("/usr/sbin/sshd -t -f $config -o PerSourcePenalties=no 2>/dev/null") == 0
	  ? "PerSourcePenalties no\n" : '';
	return $more =~ /PerSourcePenalties/ ? '' : $penalties;
}

sub run_sshd
{
	my ($at) = @_;
	my $pid = fork();

	if ($pid == 0)
	{
		open(STDIN, '<', '/dev/null');
		open(STDOUT, '>', '/dev/null');
		open(STDERR, '>', '/dev/null');
		exec @{ $at->{prefix} }, '/usr/sbin/sshd', '-D', '-f', $at->{config}, '-E', $at->{log} or POSIX::_exit(127);
	}
	$started{$pid} = 'sshd';
	$at->{pid} = $pid;
	await(sub {
			return 1 if waitpid($pid, WNOHANG) == $pid;
			my $socket = IO::Socket::INET->new(PeerAddr => $at->{address}, PeerPort => $at->{port}, Proto => 'tcp') or return 0;
			return 1;
		}, "sshd $at->{name}");
	BAIL_OUT("sshd $at->{name} did not start:\n" . (-e $at->{log} ? slurp_file($at->{log}) : ''))
	  unless kill 0, $pid;
	return;
}

sub stop_sshd
{
	my ($at) = @_;

	delete $started{ $at->{pid} };
	kill 'TERM', $at->{pid};
	waitpid($at->{pid}, 0);
	return;
}

# Something that accepts connections (the kernel does, so many) and never speaks.
my @kept;

sub silent_listener
{
	my ($most) = @_;
	my $at = unused_port();
	my $socket = IO::Socket::INET->new(
		LocalAddr => $at->{address}, LocalPort => $at->{port}, Proto => 'tcp', ReuseAddr => 1, Listen => $most || 128)
	  or BAIL_OUT("no listener: $!");

	push @kept, $socket;
	$at->{host_key} = public_key(new_key('silent-host'));
	return $at;
}

# A port whose queue is full: packets to it are dropped, as a firewall would.
sub full_listener
{
	my $at = unused_port();
	my $socket = IO::Socket::INET->new(
		LocalAddr => $at->{address}, LocalPort => $at->{port}, Proto => 'tcp', ReuseAddr => 1, Listen => 0)
	  or BAIL_OUT("no listener: $!");

	push @kept, $socket;
	# fill the queue until connections hang
	foreach (1 .. 8)
	{
		my $filler = IO::Socket::INET->new(
			PeerAddr => $at->{address}, PeerPort => $at->{port}, Proto => 'tcp', Blocking => 0);
		push @kept, $filler if $filler;
	}
	$at->{fillers} = 8;
	$at->{host_key} = public_key(new_key('full-host'));
	return $at;
}

# Says one thing to whoever connects, and hangs up.
sub talker
{
	my ($text) = @_;
	my $at = unused_port();
	my $listener = IO::Socket::INET->new(
		LocalAddr => $at->{address}, LocalPort => $at->{port}, Proto => 'tcp', ReuseAddr => 1, Listen => 16)
	  or BAIL_OUT("no listener: $!");

	$at->{host_key} = public_key(new_key('talker-host'));
	my $pid = fork();
	if ($pid == 0)
	{
		while (my $client = $listener->accept)
		{
			syswrite($client, $text);
			close $client;
		}
		POSIX::_exit(0);
	}
	close $listener;
	$started{$pid} = 'talker';
	return $at;
}

# Passes so many bytes of what an sshd sends on to whoever connects, then
# nothing more in either direction.  The file {frozen} appears when it has come
# to that, and {connections} counts who came.
sub stalling_proxy
{
	my ($sshd, $bytes) = @_;
	my $at = unused_port();
	my $listener = IO::Socket::INET->new(
		LocalAddr => $at->{address}, LocalPort => $at->{port}, Proto => 'tcp', ReuseAddr => 1, Listen => 16)
	  or BAIL_OUT("no listener: $!");

	$at->{host_key} = $sshd->{host_key};
	$at->{frozen} = work() . "/frozen-$at->{port}";
	my $pid = fork();
	if ($pid == 0)
	{
		# some versions' test library has a handler, which would break accept off
		local $SIG{CHLD} = 'IGNORE';
		while (my $client = $listener->accept)
		{
			# one at a time is enough for these tests, but a closed one must not
			# keep the next from coming
			next if fork();
			pass_on($client, $sshd, $bytes, $at->{frozen});
			POSIX::_exit(0);
		}
		POSIX::_exit(0);
	}
	close $listener;
	$started{$pid} = 'proxy';
	return $at;
}

sub pass_on
{
	my ($client, $sshd, $bytes, $frozen) = @_;
	my $server = IO::Socket::INET->new(PeerAddr => $sshd->{address}, PeerPort => $sshd->{port}, Proto => 'tcp');
	my $passed = 0;

	while ($server)
	{
		my $set = '';
		vec($set, fileno($client), 1) = 1;
		vec($set, fileno($server), 1) = 1;
		last if $passed >= $bytes;
		select($set, undef, undef, undef);
		if (vec($set, fileno($client), 1))
		{
			return unless sysread($client, my $data, 65536);
			syswrite($server, $data);
		}
		if (vec($set, fileno($server), 1))
		{
			my $most = $bytes - $passed;
			return unless sysread($server, my $data, $most < 65536 ? $most : 65536);
			syswrite($client, $data);
			$passed += length $data;
		}
	}
	append_to_file($frozen, "$passed\n");
	# until the other side has had enough
	while (1)
	{
		my $set = '';
		vec($set, fileno($client), 1) = 1;
		select($set, undef, undef, undef);
		return unless sysread($client, my $data, 65536);
	}
}

1;
