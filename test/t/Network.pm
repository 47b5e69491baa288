# Network.pm: a network for cluster tests that can be cut, slowed and made lossy:
# the test runs in a network namespace of its own, its nodes in another, with links
# between the two.
#
# Root is not needed where users may make namespaces.  It starts the test's program
# anew in there, so it is used before all else; where that cannot be had, the test
# says that it was skipped.
package Network;

use strict;
use warnings;

use Exporter 'import';
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep);

our @EXPORT = qw(network_up link_up link_address in_nodes at_nodes rule no_rules);

my $holder;    # keeps the nodes' namespace, until its input ends
my $input;

sub inside
{
	my @way = ('unshare', $< == 0 ? () : ('--map-current-user', '--keep-caps'), '--net');

	$ENV{PATH} .= ':/usr/sbin:/sbin';
	return if $ENV{TRIBE_POWER_NETWORK};
	if (system("@way sh -c 'ip link set lo up && nft list ruleset && ip link add hub0 type veth peer name node0' >/dev/null 2>&1") != 0)
	{
		plan(skip_all => 'needs network namespaces, ip and nft');
		exit 0;
	}
	$ENV{TRIBE_POWER_NETWORK} = 1;
	exec(@way, $^X, $0, @ARGV) or BAIL_OUT("unshare: $!");
}

sub import
{
	inside();
	goto &Exporter::import;
}

# The namespace of the nodes, and the chains for faults on the way there.
sub network_up
{
	my $here = readlink '/proc/self/ns/net';

	run_or_bail('ip', 'link', 'set', 'lo', 'up');
	$holder = open($input, '|-', 'unshare', '--net', 'cat') or BAIL_OUT("unshare: $!");
	sleep 0.01 while (readlink("/proc/$holder/ns/net") || $here) eq $here;
	at_nodes('ip', 'link', 'set', 'lo', 'up');
	run_or_bail('nft', 'add', 'table', 'inet', 'faults');
	run_or_bail('nft', 'add', 'chain', 'inet', 'faults', $_, "{ type filter hook $_ priority 0; }")
	  foreach ('output', 'input');
	return;
}

# A link of its own, number 1 to 254: the hub is 10.77.N.1, its nodes are 10.77.N.2
# and further.
sub link_up
{
	my ($number, $nodes) = @_;

	run_or_bail('ip', 'link', 'add', "hub$number", 'type', 'veth', 'peer', 'name', "node$number", 'netns', $holder);
	run_or_bail('ip', 'addr', 'add', "10.77.$number.1/24", 'dev', "hub$number");
	run_or_bail('ip', 'link', 'set', "hub$number", 'up');
	at_nodes('ip', 'addr', 'add', link_address($number, $_) . '/24', 'dev', "node$number") foreach (1 .. $nodes);
	at_nodes('ip', 'link', 'set', "node$number", 'up');
	return;
}

sub link_address
{
	my ($link, $node) = @_;
	return '10.77.' . $link . '.' . ($node + 1);
}

# What to put before a command that is to run among the nodes.
sub in_nodes
{
	return ('nsenter', "--net=/proc/$holder/ns/net", '--');
}

sub at_nodes
{
	return run_or_bail(in_nodes(), @_);
}

# A fault: a chain (output, input) and nft's words for it.
sub rule
{
	my ($chain, $words) = @_;
	return run_or_bail('nft', 'add', 'rule', 'inet', 'faults', $chain, split(/ /, $words));
}

sub no_rules
{
	return run_or_bail('nft', 'flush', 'table', 'inet', 'faults');
}

sub run_or_bail
{
	system_log(@_) == 0 or BAIL_OUT("@_");
	return;
}

1;
