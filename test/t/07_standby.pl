# A standby does not poll; it starts when it is promoted.
use strict;
use warnings;

use PostgreSQL::Test::Utils;
use Test::More;
use TribePower;

my $primary = new_hub('primary', allows_streaming => 1, 'tribe_power.interval' => '1s');
my $node = start_sshd('node', answer => 100);
add_node($primary, 'node', $node);
ok($primary->poll_query_until('postgres', 'SELECT count(*) > 0 FROM tribe_power_metrics'), 'the primary polls');

$primary->backup('copy');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'copy', has_streaming => 1);
$standby->start;
my $count = $primary->safe_psql('postgres', 'SELECT count(*) FROM tribe_power_metrics');
ok($standby->poll_query_until('postgres', "SELECT count(*) > $count FROM tribe_power_metrics"), 'readings reach the standby');
is(worker_pid($standby), '', 'which has no worker');
my ($rc, $out, $err) = $standby->psql('postgres', 'SELECT * FROM tribe_power_collect()');
like($err, qr/cannot execute tribe_power_collect\(\) in a read-only transaction|during recovery/, 'nor collects by hand');
is($standby->safe_psql('postgres', 'SELECT last_outcome FROM tribe_power_latest'), 'read', 'but shows what there is');

# Promoted after the primary is gone, it goes on where that ended.
$primary->stop;
my $logins = () = slurp_file($node->{log}) =~ /Accepted publickey/g;
$count = $standby->safe_psql('postgres', 'SELECT count(*) FROM tribe_power_metrics');
is(() = slurp_file($node->{log}) =~ /Accepted publickey/g, $logins, 'nobody polls');
$standby->promote;
ok($standby->poll_query_until('postgres', "SELECT count(*) > $count + 1 FROM tribe_power_metrics"), 'after its promotion it polls');
isnt(worker_pid($standby), '', 'by a worker of its own');
is($standby->safe_psql('postgres', 'SELECT abs(sum(energy_joules) - 100 * sum(interval_seconds)) < 20 FROM tribe_power_metrics WHERE energy_quality = \'counter\''),
	't', 'and no energy is lost in between');
$standby->stop;
done_testing();
