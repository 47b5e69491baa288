# Bench::Ways: the ways to run one script on many nodes: ours, and the peers'.
#
# Each runs by the driver (bench/round.c), which says what the round cost, and
# each must have had an answer from every node: a round that failed is never
# counted as a fast one.
package Bench::Ways;
use strict;
use warnings;

use Exporter 'import';

use Bench::Nodes;

our @EXPORT = qw(@ways prepare_ways driver_rounds found);

my ($driver, $window, $parallel, @poller);

# Copies of the programs, which a build beside us does not touch, and what the
# nodes are sent.
sub prepare_ways
{
	my ($root, %options) = @_;

	($window, $parallel) = @options{qw(window parallel)};
	system('make', '-s', '-C', $root, 'tribe_power_poller') == 0 or exit 1;
	system('make', '-s', '-C', $root, '-f', 'bench/bench.mk') == 0 or exit 1;
	system('cp', "$root/tribe_power_poller", "$root/build/bench/round",
		"$root/build/bench/answer_shell", $tmp) == 0 or exit 1;
	$driver = "$tmp/round";
	@poller = ('--poller', "$tmp/tribe_power_poller", '--user', $user, '--identity', "$tmp/id",
		'--window', int($window * 1000 + 0.5), '--parallel', $parallel);

	my $script = `'$driver' script`;
	write_file("$tmp/probe.sh", $script);
	write_file("$tmp/probe.in", "TRIBE_POWER_WINDOW=$window\n$script");

	# Nodes are simulated on the client's own processors, so a node that does real
	# work would hide what the clients differ in.  Nodes that "answer at once" give
	# a report that the probe made on this machine, by a forced command.
	make_keys();
	system("sh < '$tmp/probe.in' > '$tmp/report'") == 0 or exit 1;
	write_file("$tmp/keys.probe", read_file("$tmp/id.pub"));
	write_file("$tmp/keys.at_once", qq(command="cat $tmp/report" ) . read_file("$tmp/id.pub"));
}

sub found
{
	my ($program) = @_;
	return grep { -x "$_/$program" } split /:/, $ENV{PATH};
}

# Gives a list of rounds: { wall, cpu, … }, seconds.
sub driver_rounds
{
	my (@arguments) = @_;
	my @rounds;

	# what nodes print there (a missing counter, say) is nobody's concern
	open my $stderr, '>&', \*STDERR or die "stderr: $!\n";
	open STDERR, '>', "$tmp/stderr" or die "$tmp/stderr: $!\n";
	my $ok = open my $pipe, '-|', $driver, @arguments;
	open STDERR, '>&', $stderr or die "stderr: $!\n";
	die "$driver: $!\n" unless $ok;
	while (my $line = <$pipe>)
	{
		push @rounds, { $line =~ /(\w+)=([\d.]+)/g };
	}
	close $pipe or die read_file("$tmp/stderr") . "a round failed: $arguments[0]\n";
	return @rounds;
}

# How many probes came to their end: the closing line, maybe behind "node: ".
sub check_ends
{
	my ($way, $expected, @files) = @_;
	my $ends = 0;

	foreach my $file (@files)
	{
		my @found = read_file($file) =~ /^(?:\S+: )?end\r?$/mg;
		$ends += @found;
	}
	die "$way: $ends reports instead of $expected\n" if $ends != $expected;
}

sub fresh_folder
{
	my ($path) = @_;
	if (-d $path)
	{
		unlink glob "$path/*";
	}
	else
	{
		mkdir $path, 0700 or die "$path: $!\n";
	}
	return $path;
}

# Our own.
sub poller
{
	my ($run, @arguments) = @_;
	return driver_rounds('poller', @poller, @arguments, '--hosts', "$tmp/hosts",
		'--port', $run->{port}, '--host-key', $host_key);
}

# One ssh a node, or a value, by the driver.
sub ssh_each
{
	my ($way, $at_once, $run, $remotes, $input, @command) = @_;
	my $jobs = '';

	foreach my $host (@{ $run->{hosts} })
	{
		$jobs .= "$host\t$_\n" foreach @$remotes;
	}
	write_file("$tmp/jobs", $jobs);
	my $out = fresh_folder("$tmp/out");
	my @rounds = driver_rounds(@$way, '--parallel', $at_once, '--input', $input,
		'--output', $out, '--jobs', "$tmp/jobs", '--hosts', "$tmp/hosts", @command);
	check_ends('ssh', scalar @{ $run->{hosts} }, glob "$out/*") if $input ne '/dev/null';
	return @rounds;
}

# A program that does the whole round by itself.
sub whole
{
	my ($run, $input, $collect, @command) = @_;
	my $out = "$tmp/whole";
	my @rounds = driver_rounds('whole', '--input', $input, '--output', $out, '--', @command);

	check_ends($command[0], scalar @{ $run->{hosts} }, $collect ? glob($collect) : $out);
	return @rounds;
}

my $shell = 'exec /bin/sh -s';
sub installed { return "TRIBE_POWER_WINDOW=$window exec /bin/sh $tmp/probe.sh" }

# What a Linux node with RAPL and nothing else is asked by the spec's way: the
# fewest logins of all the kinds of Linux node.
my @values = (
	'cat /sys/class/powercap/intel-rapl:0/energy_uj',
	'cat /sys/class/powercap/intel-rapl:0/energy_uj',
	'sensors -u coretemp-isa-0000 2>/dev/null | grep temp1_input',
	q(top -bn1 | grep 'Cpu(s)' | awk '{print 100 - $8}'),
	'free -g | grep Mem');

# base: what it is compared with.  once: one round, it is slow.  limit: measured
# on so many nodes and multiplied, since it costs the same for each.  most: not
# with more nodes than that.
our @ways = (
	{
		name => 'poller', title => 'tribe_power', base => 'poller',
		run => sub { poller($_[0]) }
	},
	{
		name => 'serial', title => 'one `ssh` a value, one after the other', base => 'poller',
		once => 1, limit => 20,
		run => sub { ssh_each(['each'], 1, $_[0], \@values, '/dev/null', 'ssh', '-F', $_[0]{config}) }
	},
	{
		name => 'ssh', title => 'one `ssh` a node', base => 'poller',
		run => sub {
			ssh_each(['each'], $parallel, $_[0], [$shell], "$tmp/probe.in", 'ssh', '-F', $_[0]{config});
		}
	},
	{
		name => 'pssh', title => 'pssh', base => 'poller', program => 'parallel-ssh',
		run => sub {
			my $out = fresh_folder("$tmp/out");
			whole($_[0], "$tmp/probe.in", "$out/*", 'parallel-ssh', '-h', "$tmp/hosts",
				'-p', $parallel, '-t', 0, '-I', '-o', $out, '-x', "-F $_[0]{config}", $shell);
		}
	},
	{
		name => 'clush', title => 'clush', base => 'poller', program => 'clush', most => 200,
		run => sub {
			whole($_[0], "$tmp/probe.in", undef, 'clush', '-q', '--hostfile', "$tmp/hosts",
				'-f', $parallel, '-o', "-F $_[0]{config}", $shell);
		}
	},
	{
		name => 'pdsh', title => 'pdsh', base => 'poller', program => 'pdsh',
		run => sub {
			local $ENV{PDSH_SSH_ARGS_APPEND} = "-F $_[0]{config}";
			whole($_[0], '/dev/null', undef, 'pdsh', '-R', 'ssh', '-w', "^$tmp/hosts",
				'-f', $parallel, installed());
		}
	},
	{
		name => 'ansible', title => '`ansible -m raw`', base => 'poller', program => 'ansible',
		once => 1, most => 200,
		run => sub {
			local $ENV{ANSIBLE_SSH_ARGS} = "-F $_[0]{config}";
			local $ENV{ANSIBLE_LOCAL_TEMP} = "$tmp/ansible";
			local $ENV{ANSIBLE_HOME} = "$tmp/ansible";
			local $ENV{ANSIBLE_NOCOLOR} = 1;
			whole($_[0], '/dev/null', undef, 'ansible', 'all', '-i', "$tmp/hosts",
				'-f', $parallel, '-m', 'raw', '-a', installed());
		}
	},
	{
		name => 'kept', title => 'tribe_power, sessions kept', base => 'kept',
		run => sub { poller($_[0], '--keep', '--rounds', 2) }
	},
	{
		name => 'masters', title => 'one `ssh` a node over warm ControlMasters', base => 'kept',
		most => 200,
		run => sub {
			ssh_each(['masters', '--rounds', 2], $parallel, $_[0], [$shell], "$tmp/probe.in",
				'ssh', '-F', $_[0]{config}, '-o', "ControlPath=$tmp/out/%h");
		}
	});

1;
