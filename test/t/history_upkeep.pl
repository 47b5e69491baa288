# The worker keeps history in order by itself, and waits for nobody over it.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TribePower;

my $hub = new_hub('hub', 'tribe_power.upkeep_interval' => '1s', 'tribe_power.timezone' => 'UTC');
add_node($hub, 'ada', start_sshd('ada', answer => 100));

# Partitions: of now and the next; readings go straight to theirs.
ok($hub->poll_query_until('postgres', q{SELECT count(*) >= 2 FROM tribe_power_metrics}), 'readings');
is($hub->safe_psql('postgres', q{SELECT count(*) FROM tribe_power_metrics_default}), '0', 'none in the default partition');
ok($hub->poll_query_until('postgres', q{SELECT count(*) = 1 FROM tribe_power_partitions() WHERE range_start > now()}), 'the next partition is made ahead');

# Totals: today's grow, yesterday's follow a late reading.
ok($hub->poll_query_until('postgres', q{SELECT coalesce(sum(sample_count), 0) >= 3 FROM tribe_power_daily WHERE date >= (now() AT TIME ZONE 'UTC')::date - 1}), 'today is added up');
ok($hub->poll_query_until('postgres', q{SELECT coalesce(sum(sample_count), 0) >= 3 FROM tribe_power_hourly}), 'by the hour as well');
$hub->safe_psql('postgres', q{INSERT INTO tribe_power_metrics (node_name, "timestamp", total_power_watts, interval_seconds, energy_joules, energy_quality)
	VALUES ('late', date_trunc('day', now(), 'UTC') - interval '2 hours', 1000, 3600, 3600000, 'counter')});
ok($hub->poll_query_until('postgres', q{SELECT count(*) = 1 FROM tribe_power_daily WHERE node_name = 'late' AND abs(energy_kwh - 1) < 1e-9}), 'a late reading of yesterday is taken in');
ok($hub->poll_query_until('postgres', q{SELECT abs(sum(energy_kwh) - 1) < 1e-9 FROM tribe_power_hourly WHERE node_name = 'late'}), 'by the hour as well');

# Somebody reads the default partition, for long: the worker polls on, and upkeep
# comes to it when it can.  Readers and writers never wait for it.
my $reader = $hub->background_psql('postgres');
$reader->query_safe('BEGIN; SELECT count(*) FROM tribe_power_metrics');
$hub->safe_psql('postgres', q{INSERT INTO tribe_power_metrics (node_name, "timestamp") VALUES ('stray', '2024-02-03')});
my $count = $hub->safe_psql('postgres', q{SELECT count(*) FROM tribe_power_metrics WHERE node_name = 'ada'});
ok($hub->poll_query_until('postgres', qq{SELECT count(*) >= $count + 3 FROM tribe_power_metrics WHERE node_name = 'ada'}), 'polls go on beside a long reader');
is($hub->safe_psql('postgres', q{SET statement_timeout = '20s'; SELECT tribe_power_make_partition('2024-02-03') IS NULL}), 't', 'a partition waits for nobody');
is($hub->safe_psql('postgres', q{SELECT count(*) FROM tribe_power_metrics_default}), '1', 'the stray row stays meanwhile');
$reader->query_safe('COMMIT');
ok($hub->poll_query_until('postgres', q{SELECT count(*) = 0 FROM tribe_power_metrics_default}), 'and is moved afterwards');
is($hub->safe_psql('postgres', q{SELECT tableoid::regclass FROM tribe_power_metrics WHERE node_name = 'stray'}), 'tribe_power_metrics_2024_02', 'to its partition');
$reader->quit;

# Readings that come late to days long ago: to a partition that is new, to one that
# was looked at, and just before a crash, which loses the count of inserts.
sub late
{
	my ($hour) = @_;
	$hub->safe_psql('postgres', qq{INSERT INTO tribe_power_metrics (node_name, "timestamp", total_power_watts, interval_seconds, energy_joules, energy_quality)
		VALUES ('late', date_trunc('day', now(), 'UTC') - interval '60 days' + interval '$hour hours', 1000, 3600, 3600000, 'counter')});
}
sub added_up
{
	my ($kwh, $what) = @_;
	ok($hub->poll_query_until('postgres', qq{SELECT count(*) = 2 FROM (SELECT sum(energy_kwh) AS kwh FROM tribe_power_daily WHERE node_name = 'late' AND date = (now() AT TIME ZONE 'UTC')::date - 60
		UNION ALL SELECT sum(energy_kwh) FROM tribe_power_hourly WHERE node_name = 'late' AND hour < now() - interval '10 days') t WHERE abs(kwh - $kwh) < 1e-9}), $what);
}
late(5);
added_up(1, 'a reading of two months ago is added up');
late(6);
added_up(2, 'another one of that day');
$hub->stop('immediate');
$hub->start;
added_up(2, 'both are still there after a crash');
late(7);
$hub->stop('immediate');
$hub->start;
added_up(3, 'one that came just before a crash as well');
$reader = $hub->background_psql('postgres');

# Retention, set in the running server: the month goes, its totals stay.
$hub->safe_psql('postgres', q{INSERT INTO tribe_power_metrics (node_name, "timestamp", total_power_watts, interval_seconds, energy_joules, energy_quality)
	VALUES ('ada', '2024-02-10 12:00+00', 1000, 3600, 3600000, 'counter')});
$reader->query_safe('BEGIN; SELECT count(*) FROM tribe_power_metrics');
$hub->safe_psql('postgres', q{ALTER SYSTEM SET tribe_power.retention = '100d'});
$hub->reload;
$count = $hub->safe_psql('postgres', q{SELECT count(*) FROM tribe_power_metrics WHERE node_name = 'ada'});
ok($hub->poll_query_until('postgres', qq{SELECT count(*) >= $count + 3 FROM tribe_power_metrics WHERE node_name = 'ada'}), 'a partition in use stays, and polls go on');
$reader->query_safe('COMMIT');
$reader->quit;
ok($hub->poll_query_until('postgres', q{SELECT count(*) = 0 FROM tribe_power_partitions() WHERE range_end < '2025-01-01'}), 'readings past retention are dropped');
is($hub->safe_psql('postgres', q{SELECT node_name, energy_kwh FROM tribe_power_daily WHERE date = '2024-02-10'}), 'ada|1', 'after they were added up');

# raw_data not kept at all.
$hub->safe_psql('postgres', q{ALTER SYSTEM SET tribe_power.raw_data_retention = 0});
$hub->reload;
$hub->safe_psql('postgres', q{SELECT count(*) FROM tribe_power_collect('{ada}')});
ok($hub->poll_query_until('postgres', q{SELECT raw_data IS NULL FROM tribe_power_metrics WHERE node_name = 'ada' ORDER BY "timestamp" DESC LIMIT 1}), 'raw_data is not stored');
is($hub->safe_psql('postgres', q{SELECT energy_quality FROM tribe_power_metrics WHERE node_name = 'ada' ORDER BY "timestamp" DESC LIMIT 1}), 'counter', 'and energy does not need it');

$hub->stop;
done_testing();
