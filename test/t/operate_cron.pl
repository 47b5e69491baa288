# tribe_power_schedule(): jobs that the real pg_cron takes, by what interval there is;
# what it says where pg_cron is elsewhere; the jobs go again.
use strict;
use warnings;

use PostgreSQL::Test::Utils;
use Test::More;
use TribePower;

my $hub = new_hub('hub',
	preload => 'pg_cron,tribe_power',
	'tribe_power.enabled' => 'off',
	'tribe_power.database' => 'elsewhere',
	'tribe_power.interval' => '5min',
	'cron.database_name' => 'postgres',
	'cron.use_background_workers' => 'on',
	'cron.timezone' => 'UTC');
my ($rc, $out, $err) = $hub->psql('postgres', 'SELECT tribe_power_schedule()');
like($err, qr/pg_cron is not installed.*works from database "postgres".*HINT:  CREATE EXTENSION pg_cron;/s, 'before pg_cron is installed here');
($rc, $out, $err) = $hub->psql('postgres', 'CREATE EXTENSION pg_cron');
plan skip_all => 'no pg_cron here' if $err =~ /not available/;

is($hub->safe_psql('postgres', 'SELECT job_name, schedule FROM tribe_power_schedule()'),
	"tribe_power_aggregate|5 * * * *\ntribe_power_upkeep|*/15 * * * *\ntribe_power_collect|*/5 * * * *",
	'no worker serves this database: cron polls as well');
is($hub->safe_psql('postgres', 'SELECT count(*) FROM tribe_power_schedule(true)'), '3', 'it may be repeated');
is($hub->safe_psql('postgres', q{SELECT jobname, schedule, database, active FROM cron.job ORDER BY 1}),
	"tribe_power_aggregate|5 * * * *|postgres|t\ntribe_power_collect|*/5 * * * *|postgres|t\ntribe_power_upkeep|*/15 * * * *|postgres|t",
	'and pg_cron has each once');

# What cron cannot do evenly becomes more often, never less.
my $seconds = $hub->safe_psql('postgres', q{SELECT CASE WHEN string_to_array(split_part(extversion, '-', 1), '.')::int[] >= '{1,5}' THEN '20 seconds' ELSE '* * * * *' END FROM pg_extension WHERE extname = 'pg_cron'});
foreach (['20s', $seconds, $seconds =~ /second/ ? 0 : 1], ['1min', '* * * * *', 0], ['90s', '* * * * *', 1],
	['7min', '*/6 * * * *', 1], ['30min', '*/30 * * * *', 0], ['1h', '0 * * * *', 0], ['90min', '0 * * * *', 1],
	['5h', '0 */4 * * *', 1], ['12h', '0 */12 * * *', 0], ['1d', '0 0 * * *', 0])
{
	my ($interval, $schedule, $notice) = @$_;
	$hub->safe_psql('postgres', "ALTER SYSTEM SET tribe_power.interval = '$interval'");
	$hub->reload;
	$hub->poll_query_until('postgres', "SELECT current_setting('tribe_power.interval')::interval = '$interval'");
	($rc, $out, $err) = $hub->psql('postgres', q{SELECT schedule FROM tribe_power_schedule(true) WHERE job_name = 'tribe_power_collect'});
	is($out, $schedule, "every $interval: $schedule");
	is($err =~ /cron cannot do/ ? 1 : 0, $notice, $notice ? 'with a notice' : 'evenly');
	is($hub->safe_psql('postgres', q{SELECT schedule FROM cron.job WHERE jobname = 'tribe_power_collect'}), $schedule, 'and pg_cron takes it');
}
is($hub->safe_psql('postgres', 'SELECT tribe_power_unschedule()'), '3', 'unschedule says how many');
is($hub->safe_psql('postgres', 'SELECT count(*) FROM cron.job'), '0', 'and they are gone');

# From another database: what to run where pg_cron is, and it runs.
$hub->safe_psql('postgres', 'CREATE DATABASE power');
$hub->safe_psql('power', 'CREATE EXTENSION tribe_power');
($rc, $out, $err) = $hub->psql('power', 'SELECT tribe_power_schedule(true)');
like($err, qr/DETAIL:  It works from database "postgres"/, 'pg_cron is elsewhere');
my ($remedy) = $err =~ /HINT:  In database postgres: (.*)/;
$hub->safe_psql('postgres', $remedy);
is($hub->safe_psql('postgres', q{SELECT jobname, database FROM cron.job ORDER BY 1}),
	"tribe_power_aggregate|power\ntribe_power_collect|power\ntribe_power_upkeep|power", 'the hint can be pasted there');

$hub->stop;
done_testing();
