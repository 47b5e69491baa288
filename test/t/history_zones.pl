# Days and hours of every kind of zone: what is added up is what was used, no hour
# counts twice, and each day is as long as its date lasts.  What is wanted is counted
# minute by minute.
use strict;
use warnings;

use PostgreSQL::Test::Utils;
use Test::More;
use TribePower;

my $hub = new_hub('hub', 'tribe_power.upkeep_interval' => '0', 'tribe_power.enabled' => 'off');

# Around the days on which clocks change there; 100 W all the time.
my %around = (
	'Europe/Berlin' => [ '2025-03-30', '2025-10-26' ],
	'America/New_York' => [ '2025-03-09', '2025-11-02' ],
	'Asia/Kolkata' => ['2025-06-15'],
	'Asia/Kathmandu' => ['2025-06-15'],
	'Australia/Lord_Howe' => [ '2025-04-06', '2025-10-05' ],     # by half an hour
	'Africa/Cairo' => [ '2025-04-25', '2025-10-31' ],            # no midnight; midnight an hour later
	'Atlantic/Azores' => [ '2025-03-30', '2025-10-26' ],         # midnight, and midnight again
	'America/Havana' => [ '2025-03-09', '2025-11-02' ],
	'America/St_Johns' => [ '2025-03-09', '2025-11-02' ],
	'Pacific/Chatham' => [ '2025-04-06', '2025-09-28' ]);
my $before = 'UTC';

foreach my $zone (sort keys %around)
{
	$hub->safe_psql('postgres', "ALTER SYSTEM SET tribe_power.timezone = '$zone'");
	$hub->reload;
	ok($hub->poll_query_until('postgres', "SELECT tribe_power_timezone() = '$zone'"), "$zone: is set");
	foreach my $width ('day', 'month')
	{
		$hub->safe_psql('postgres', 'DROP EXTENSION tribe_power; CREATE EXTENSION tribe_power');
		foreach my $day (@{ $around{$zone} })
		{
			$hub->safe_psql('postgres', <<"SQL");
SET TimeZone = '$zone';
SET tribe_power.partition_width = '$width';
INSERT INTO tribe_power_nodes (node_name, address, enabled) VALUES ('n', 'n', false) ON CONFLICT DO NOTHING;
INSERT INTO tribe_power_metrics (node_name, "timestamp", total_power_watts, interval_seconds, energy_joules, energy_quality)
SELECT 'n', t, 100, 300, 30000, 'counter'
FROM generate_series(('$day'::date - 2)::timestamptz + interval '5 minutes', ('$day'::date + 3)::timestamptz, interval '5 minutes') t;
SELECT tribe_power_make_partitions();
SELECT tribe_power_aggregate('$day'::date - 2, '$day'::date + 2);
SELECT tribe_power_refresh(d::date) FROM generate_series('$day'::timestamp - interval '2 days', '$day'::timestamp + interval '2 days', interval '1 day') d;
SQL
		}
		my $is = "$zone, partitions by $width";
		is($hub->safe_psql('postgres', 'SELECT count(*) FROM tribe_power_metrics_default'), '0', "$is: a place for each reading");
		# the date of each minute, and how long it lasts
		my $wanted = $hub->safe_psql('postgres', join(' UNION ALL ', map { qq{
			SELECT m.date, count(*) * 60 AS seconds
			FROM (SELECT (t AT TIME ZONE '$zone')::date AS date
			      FROM generate_series('$_'::timestamptz - interval '4 days', '$_'::timestamptz + interval '5 days', interval '1 minute') t) m
			WHERE m.date BETWEEN '$_'::date - 2 AND '$_'::date + 2 GROUP BY 1} } @{ $around{$zone} }) . ' ORDER BY 1');
		is($hub->safe_psql('postgres', 'SELECT date, day_seconds FROM tribe_power_daily ORDER BY 1'), $wanted, "$is: each day is as long as its date lasts");
		is($hub->safe_psql('postgres', 'SELECT min(coverage), bool_and(abs(energy_kwh - 100 * day_seconds / 3.6e6) < 1e-9) FROM tribe_power_daily'), '1|t', "$is: all of it is covered, at 100 W");
		# all but the last, which ends at midnight
		is($hub->safe_psql('postgres', q{SELECT (SELECT count(*) FROM tribe_power_metrics) - sum(sample_count) FROM tribe_power_daily}), scalar(@{ $around{$zone} }), "$is: each reading is in one day");
		is($hub->safe_psql('postgres', q{SELECT count(*) FROM (SELECT hour, lead(hour) OVER (ORDER BY hour) - hour AS length, covered_seconds FROM tribe_power_hourly) h
			WHERE length < interval '1 hour' AND covered_seconds <> extract(epoch FROM length)}), '0', "$is: no hour reaches into the next");
		is($hub->safe_psql('postgres', q{SELECT abs(sum(h.energy_kwh) - (SELECT sum(energy_kwh) FROM tribe_power_daily)) < 1e-9 AND sum(h.covered_seconds) = (SELECT sum(day_seconds) FROM tribe_power_daily) FROM tribe_power_hourly h}), 't', "$is: hours add up to days");
		foreach my $step ('hour', 'day', 'week', 'month', 'year')
		{
			is($hub->safe_psql('postgres', join ' UNION ALL ', map { qq{
				SELECT abs(sum(e.energy_kwh) - (SELECT sum(d.energy_kwh) FROM tribe_power_daily d WHERE d.date BETWEEN '$_'::date - 2 AND '$_'::date + 2)) < 1e-9, round(min(e.coverage)::numeric, 9) = 1, round(max(e.energy_kwh_estimated / e.energy_kwh)::numeric, 9) = 1
				FROM tribe_power_energy(tribe_power_day_start('$_'::date - 2), tribe_power_day_start('$_'::date + 3), '$step') e} } @{ $around{$zone} }),
				join("\n", map { 't|t|t' } @{ $around{$zone} }), "$is: energy by $step");
		}
		# 0.4 EUR until noon, 0.2 EUR after it; an hour within which the clock changes (Chatham) has no price
		$hub->safe_psql('postgres', q{INSERT INTO tribe_power_tariffs (rate, price_per_kwh, currency, from_time, to_time) VALUES ('early', 0.4, 'EUR', '00:00', '12:00'), ('late', 0.2, 'EUR', '12:00', '24:00')});
		my $cost = $hub->safe_psql('postgres', join(' UNION ALL ', map { qq{
			SELECT round(sum(CASE WHEN (t AT TIME ZONE '$zone')::time < '12:00' THEN 0.4 ELSE 0.2 END) / 600, 6)
			FROM generate_series(tribe_power_day_start('$_'::date - 2), tribe_power_day_start('$_'::date + 3) - interval '1 minute', interval '1 minute') t} } @{ $around{$zone} }));
		foreach my $step ('hour', 'day', 'month')
		{
			is($hub->safe_psql('postgres', join(' UNION ALL ', map { qq{
				SELECT round(sum(coalesce(cost, energy_kwh * 0.4)), 6)
				FROM tribe_power_cost(tribe_power_day_start('$_'::date - 2), tribe_power_day_start('$_'::date + 3), '$step')} } @{ $around{$zone} })),
				$cost, "$is: cost by $step, as counted by the minute");
			is($hub->safe_psql('postgres', join(' UNION ALL ', map { qq{
				SELECT count(*) FROM (SELECT e.period, round(sum(e.energy_kwh)::numeric, 6), round(max(e.coverage)::numeric, 6) FROM tribe_power_energy(tribe_power_day_start('$_'::date - 2), tribe_power_day_start('$_'::date + 3), '$step') e GROUP BY 1
				EXCEPT SELECT c.period, round(sum(c.energy_kwh), 6), round(max(c.coverage)::numeric, 6) FROM tribe_power_cost(tribe_power_day_start('$_'::date - 2), tribe_power_day_start('$_'::date + 3), '$step') c GROUP BY 1) x} } @{ $around{$zone} })),
				join("\n", map { 0 } @{ $around{$zone} }), "$is: of the same energy, periods and coverage");
		}
		is($hub->safe_psql('postgres', join(' UNION ALL ', map { qq{
			SELECT count(*), round(sum((r ->> 'kwh')::numeric), 3) = (SELECT round(sum(energy_kwh)::numeric, 3) FROM tribe_power_daily WHERE date BETWEEN '$_'::date - 2 AND '$_'::date + 2)
			FROM json_array_elements(tribe_power_report_data(tribe_power_day_start('$_'::date - 2), tribe_power_day_start('$_'::date + 3)) #> '{days,rows}') r} } @{ $around{$zone} })),
			join("\n", map { '5|t' } @{ $around{$zone} }), "$is: the report has all days");
		# where only the days are left
		$hub->safe_psql('postgres', 'DELETE FROM tribe_power_hourly; UPDATE tribe_power_tariffs SET price_per_kwh = 0.4');
		is($hub->safe_psql('postgres', join(' UNION ALL ', map { qq{
			SELECT count(*), bool_and(c.cost = 0.4 * c.energy_kwh), bool_and(c.period = tribe_power_day_start((c.period AT TIME ZONE '$zone')::date)), round(sum(c.energy_kwh), 6) = (SELECT round(sum(d.energy_kwh)::numeric, 6) FROM tribe_power_daily d WHERE d.date BETWEEN '$_'::date - 2 AND '$_'::date + 2)
			FROM tribe_power_cost(tribe_power_day_start('$_'::date - 2), tribe_power_day_start('$_'::date + 3)) c} } @{ $around{$zone} })),
			join("\n", map { '5|t|t|t' } @{ $around{$zone} }), "$is: days without their hours have a price, too");
		$hub->safe_psql('postgres', 'SELECT tribe_power_refresh(d.date) FROM (SELECT date FROM tribe_power_daily ORDER BY 1) d');
	}
}

# The zone is changed: days are added up anew, and no hour of the old one remains.
$hub->safe_psql('postgres', q{ALTER SYSTEM SET tribe_power.timezone = 'Asia/Kolkata'});
$hub->reload;
ok($hub->poll_query_until('postgres', q{SELECT tribe_power_timezone() = 'Asia/Kolkata'}), 'another zone is set');
$hub->safe_psql('postgres', q{SELECT tribe_power_refresh(d.date) FROM (SELECT date FROM tribe_power_daily ORDER BY 1) d});
is($hub->safe_psql('postgres', q{SELECT DISTINCT to_char(hour AT TIME ZONE 'Asia/Kolkata', 'MI:SS') FROM tribe_power_hourly WHERE hour >= tribe_power_day_start((SELECT min(date) FROM tribe_power_daily)) AND hour < tribe_power_day_start((SELECT max(date) + 1 FROM tribe_power_daily WHERE date < '2025-06-01'))}), '00:00', 'its hours are whole');

$hub->stop;
done_testing();
