# A node that ends the poller again and again is polled apart, then set aside and
# reported; the others are read in their slots all the while, also those that were
# under way with it, and beside one that hangs.
use strict;
use warnings;

use PostgreSQL::Test::Utils;
use Test::More;
use TribePower;

my $hub = new_hub('hub',
	'tribe_power.interval' => '5s',
	'tribe_power.connect_timeout' => '5s',
	'tribe_power.node_timeout' => '60s',
	'tribe_power.round_timeout' => '2min');
my $born = postmaster_start($hub);
my $start = log_size($hub);
add_node($hub, "quick$_", start_sshd("quick$_", answer => 100 + $_)) foreach (1 .. 3);
my $deadly = start_sshd('deadly', answer => 'hang');
add_node($hub, 'deadly', $deadly);
my $worker = worker_pid($hub);

sub logins { return scalar(() = slurp_file($deadly->{log}) =~ /Accepted publickey/g); }

sub readings { return $hub->safe_psql('postgres', 'SELECT count(*) FROM tribe_power_metrics'); }

# So that the next slot is its own whatever the failures before.
sub due { return $hub->safe_psql('postgres', "UPDATE tribe_power_node_status SET next_attempt = NULL WHERE node_name = 'deadly'"); }

my $seen = 0;
foreach my $death (1 .. 3)
{
	ok(await(sub { logins() > $seen }, 'a login'), "death $death: it is being polled");
	$seen = logins();
	# right behind a round of the others, which are not to be suspects too
	my $read = readings();
	$hub->poll_query_until('postgres', "SELECT count(*) >= $read + 3 FROM tribe_power_metrics");
	# another process for it alone, from the second time on; which is which shows in
	# nothing but its connection, so all go
	kill 'ABRT', children($worker);
	ok( $hub->poll_query_until('postgres', "SELECT last_outcome = 'poller_ended' AND failures = $death AND last_error LIKE 'poller ended by signal 6 while %' FROM tribe_power_node_status WHERE node_name = 'deadly'"),
		"death $death: the reason is told") or diag(outcome($hub, 'deadly'));
	my $count = readings();
	ok( $hub->poll_query_until('postgres', "SELECT count(DISTINCT node_name) = 3 FROM (SELECT node_name FROM tribe_power_metrics ORDER BY \"timestamp\" OFFSET $count) m"),
		"death $death: the others are read on");
	due();
}
ok($hub->poll_query_until('postgres', "SELECT last_outcome = 'set_aside' AND last_error <> '' FROM tribe_power_node_status WHERE node_name = 'deadly'"), 'then it is set aside')
  or diag(outcome($hub, 'deadly'));
like(outcome($hub, 'deadly'), qr/poller/, 'and its status says why: ' . outcome($hub, 'deadly'));
like(log_since($hub, $start), qr/LOG:  node "deadly" is lost: .*poller ended by signal 6/, 'and the log has told of it');
my @told = log_since($hub, $start) =~ /LOG:  node "deadly" is set aside until \d{4}-.*: the poller ended 3 times in a row while polling it\n.*DETAIL:  The last time: poller ended by signal 6 while .*\.\n.*HINT:  .*ssh -v -p \d+ .*tribe_power_collect\('\{deadly\}'\)/g;
is(scalar(@told), 1, 'and in a line of its own, until when and what to do');
my $logins = logins();
my $count = $hub->safe_psql('postgres', q{SELECT count(*) FROM tribe_power_metrics WHERE node_name = 'quick1'});
due();
ok($hub->poll_query_until('postgres', "SELECT count(*) >= $count + 3 FROM tribe_power_metrics WHERE node_name = 'quick1'"), 'the others are read');
is(logins(), $logins, 'and it is left alone');
is($hub->safe_psql('postgres', q{SELECT count(*) FROM tribe_power_node_status WHERE node_name LIKE 'quick%' AND last_outcome = 'set_aside'}), '0', 'none of the others is set aside');
is(worker_pid($hub), $worker, 'by the same worker');
is(postmaster_start($hub), $born, 'the server has not restarted');
unlike(log_since($hub, $start), qr/set aside(?s:.*)set aside until/, 'no second line of that');
$hub->stop;

# Ten under way at once, one of which hangs: neither the first end of their poller nor
# the second holds the innocent ones up until its deadline.
$hub = new_hub('ten',
	'tribe_power.interval' => '10s',
	'tribe_power.connect_timeout' => '30s',
	'tribe_power.sample_window' => '5s',
	'tribe_power.node_timeout' => '90s',
	'tribe_power.round_timeout' => '3min');
my %log;
foreach my $name ('deadly', 'hanging', map { "innocent$_" } 1 .. 8)
{
	my $sshd = start_sshd("ten-$name", answer => $name =~ /innocent/ ? 100 : 'hang');
	add_node($hub, $name, $sshd, enabled => 'false');
	$log{$name} = $sshd->{log};
}
$worker = worker_pid($hub);

my %logins = map { $_ => 0 } keys %log;

# The nodes with a login since this was last asked, once they are so many.
sub under_way
{
	my ($many) = @_;
	my %now;
	my @new;

	await(sub {
			%now = map { $_ => scalar(() = slurp_file($log{$_}) =~ /Accepted publickey/g) } keys %log;
			@new = sort grep { $now{$_} > $logins{$_} } keys %now;
			return @new >= $many;
		}, "$many logins");
	%logins = %now;
	return @new;
}

# So many of the innocent ones read, while what hangs still waits for its deadline.
sub innocents_are_read
{
	my ($many, $when) = @_;
	ok($hub->poll_query_until('postgres', "SELECT count(DISTINCT node_name) = $many FROM tribe_power_metrics"), "$when: $many innocent ones are read")
	  or diag($hub->safe_psql('postgres', 'SELECT node_name, last_outcome, last_error FROM tribe_power_node_status'));
	is($hub->safe_psql('postgres', q{SELECT string_agg(last_outcome, ',') FROM tribe_power_node_status WHERE node_name IN ('hanging', 'deadly')}),
		'poller_ended,poller_ended', "$when: before the deadline of the one that hangs");
	return;
}

$hub->safe_psql('postgres', 'UPDATE tribe_power_nodes SET enabled = true');
is(scalar(under_way(10)), 10, 'ten nodes are under way');
my @pollers = children($worker);
is(scalar(@pollers), 1, 'in one poller');
kill 'ABRT', @pollers;
ok($hub->poll_query_until('postgres', "SELECT count(*) = 10 FROM tribe_power_node_status WHERE last_outcome = 'poller_ended'"), 'first end: all lose their answers');

my @few = under_way(8);
is(scalar(@few), 8, 'then they are polled eight at a time');
@pollers = children($worker);
is(scalar(@pollers), 1, 'in one poller');
my $others = 8 - grep { /innocent/ } @few;
kill 'ABRT', @pollers;
innocents_are_read($others, 'second end, the same round') if $others > 0;
innocents_are_read(8, 'next round');
cmp_ok(scalar(children($worker)), '<=', 6, 'few pollers at a time');
is($hub->safe_psql('postgres', q{SELECT count(*) FROM tribe_power_node_status WHERE last_outcome = 'set_aside'}), '0', 'none is set aside');
is(worker_pid($hub), $worker, 'by the same worker');
$hub->stop;
done_testing();
