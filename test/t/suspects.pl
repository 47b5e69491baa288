# A node that ends the poller again and again is polled alone, then set aside and
# reported; the others are read in their slots all the while.
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
my $logins = logins();
my $count = $hub->safe_psql('postgres', q{SELECT count(*) FROM tribe_power_metrics WHERE node_name = 'quick1'});
due();
ok($hub->poll_query_until('postgres', "SELECT count(*) >= $count + 3 FROM tribe_power_metrics WHERE node_name = 'quick1'"), 'the others are read');
is(logins(), $logins, 'and it is left alone');
is($hub->safe_psql('postgres', q{SELECT count(*) FROM tribe_power_node_status WHERE node_name LIKE 'quick%' AND last_outcome = 'set_aside'}), '0', 'none of the others is set aside');
is(worker_pid($hub), $worker, 'by the same worker');
is(postmaster_start($hub), $born, 'the server has not restarted');
$hub->stop;
done_testing();
