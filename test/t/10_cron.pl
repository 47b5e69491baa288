# The real pg_cron runs collect and aggregate.
use strict;
use warnings;

use PostgreSQL::Test::Utils;
use Test::More;
use TribePower;

my $hub = new_hub('hub',
	preload => 'pg_cron,tribe_power',
	'tribe_power.enabled' => 'off',
	'cron.database_name' => 'postgres',
	'cron.use_background_workers' => 'on',
	'cron.timezone' => 'UTC');
my ($rc, $out, $err) = $hub->psql('postgres', 'CREATE EXTENSION pg_cron');
plan skip_all => 'no pg_cron here' if $err =~ /not available/;
is($err, '', 'both are installed');

# Seconds as a schedule came with 1.5; before it, a minute is the shortest.
my $every = $hub->safe_psql('postgres', q{SELECT CASE WHEN string_to_array(split_part(extversion, '-', 1), '.')::int[] >= '{1,5}' THEN '5 seconds' ELSE '* * * * *' END FROM pg_extension WHERE extname = 'pg_cron'});
add_node($hub, 'node', start_sshd('node', answer => 100));
add_node($hub, 'down', unused_port());
# something of yesterday, to be totalled
$hub->safe_psql('postgres', <<'SQL');
INSERT INTO tribe_power_metrics (node_name, "timestamp", total_power_watts, interval_seconds, energy_joules, energy_quality)
SELECT 'node', ((now() AT TIME ZONE tribe_power_timezone())::date - interval '12 h') AT TIME ZONE tribe_power_timezone(), 100, 3600, 360000, 'counter';
SQL
$hub->safe_psql('postgres', "SELECT cron.schedule('collect', '$every', 'SELECT tribe_power_collect()'), cron.schedule('aggregate', '$every', 'SELECT tribe_power_aggregate()')");

ok($hub->poll_query_until('postgres', q{SELECT count(*) > 0 FROM tribe_power_metrics WHERE "timestamp" > now() - interval '10 min' AND total_power_watts BETWEEN 99 AND 101}),
	"collect at '$every': a reading");
ok($hub->poll_query_until('postgres', 'SELECT count(*) > 0 FROM tribe_power_daily'), 'aggregate: a daily total');
is($hub->safe_psql('postgres', 'SELECT node_name, date = (now() AT TIME ZONE tribe_power_timezone())::date - 1, round(energy_kwh::numeric, 6) FROM tribe_power_daily'),
	'node|t|0.100000', 'of yesterday');
ok($hub->poll_query_until('postgres', q{SELECT count(DISTINCT jobname) = 2 FROM cron.job_run_details d JOIN cron.job USING (jobid) WHERE d.status = 'succeeded'}),
	'and pg_cron says that both went well')
  or diag($hub->safe_psql('postgres', 'SELECT command, status, return_message FROM cron.job_run_details'));
is($hub->safe_psql('postgres', q{SELECT count(*) FROM cron.job_run_details WHERE status = 'failed'}), '0', 'every time');
is(outcome($hub, 'down') =~ /^refused\|/, 1, 'a node that is down fails no job');
$hub->safe_psql('postgres', 'SELECT cron.unschedule(jobid) FROM cron.job');
$hub->stop;
done_testing();
