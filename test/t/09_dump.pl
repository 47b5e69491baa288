# A dump keeps the registry, the readings, the daily totals and where the counters
# were; it restores in one transaction, without an error.
use strict;
use warnings;

use PostgreSQL::Test::Utils;
use Test::More;
use TribePower;

my $hub = new_hub('hub', 'tribe_power.interval' => '1s');
my $node = start_sshd('node', answer => 100);
add_node($hub, 'node', $node, tags => '{a,b}');
add_node($hub, 'down', unused_port());
ok($hub->poll_query_until('postgres', 'SELECT count(*) > 2 FROM tribe_power_metrics'), 'readings');
$hub->safe_psql('postgres', 'ALTER SYSTEM SET tribe_power.enabled = off');
$hub->reload;
ok(await(sub { !children(worker_pid($hub)) }, 'the end of the round'), 'the worker rests');
$hub->safe_psql('postgres', 'SELECT tribe_power_aggregate((now() AT TIME ZONE tribe_power_timezone())::date)');

my @tables = qw(tribe_power_nodes tribe_power_metrics tribe_power_daily tribe_power_node_status);
sub content
{
	my ($database) = @_;
	return join "\n", map { $hub->safe_psql($database, "SELECT '$_', t.* FROM $_ t ORDER BY 1, 2, 3") } @tables;
}
my $before = content('postgres');
like($before, qr/^tribe_power_daily\|node\|/m, 'a daily total among them');

my $file = $hub->basedir . '/dump';
$hub->command_ok([ 'pg_dump', '-Fc', '-f', $file, '-d', $hub->connstr('postgres') ], 'pg_dump');
$hub->safe_psql('postgres', 'CREATE DATABASE copy');
$hub->command_ok([ 'pg_restore', '-1', '-e', '-d', $hub->connstr('copy'), $file ], 'pg_restore in one transaction');
is(content('copy'), $before, 'every row of every table is back');

$hub->command_ok([ 'pg_dump', '-f', "$file.sql", '-d', $hub->connstr('postgres') ], 'pg_dump as a script');
$hub->safe_psql('postgres', 'CREATE DATABASE script');
$hub->command_ok([ 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-f', "$file.sql", '-d', $hub->connstr('script') ], 'and psql');
is(content('script'), $before, 'the same');

# The copy goes on where the original was: energy from the dumped counters.
ok($hub->poll_query_until('copy', q{SELECT now() - max("timestamp") > '1.5 s' FROM tribe_power_metrics}), 'some time later');
$hub->safe_psql('copy', 'SELECT * FROM tribe_power_collect()');
is($hub->safe_psql('copy', q{SELECT energy_quality, rebooted, abs(energy_joules - 100 * interval_seconds) < 5, interval_seconds > 1 FROM tribe_power_metrics ORDER BY "timestamp" DESC LIMIT 1}),
	'counter|f|t|t', 'a poll of the copy counts the energy since the dump');

$hub->stop;
done_testing();
