\set ECHO none
\getenv root PG_ABS_SRCDIR
\set helper :root '/pgtap.psql'
\i :helper

-- Hourly totals, energy over any time, upkeep and retention.  Days are counted in
-- Europe/Berlin.
SELECT plan(49);
SET TimeZone = 'UTC';
LOAD 'tribe_power';
INSERT INTO tribe_power_nodes (node_name, address) VALUES ('a', 'a');

CREATE PROCEDURE tap.reading(node text, local_time text, seconds float8, watts float8, quality text DEFAULT 'counter')
    LANGUAGE sql AS $$
    INSERT INTO tribe_power_metrics (node_name, "timestamp", cpu_power_watts, total_power_watts,
                                     interval_seconds, energy_joules, energy_quality, raw_data)
    VALUES (node, local_time::timestamp AT TIME ZONE 'Europe/Berlin', watts, watts,
            seconds, watts * seconds, quality, '{"a": 1}')
$$;
CREATE FUNCTION tap.near(have float8, want float8, description text) RETURNS text LANGUAGE sql AS
$$SELECT CASE WHEN abs(have - want) <= 1e-6 * greatest(1, abs(want)) THEN tap.pass(description)
         ELSE tap.is(have, want, description) END$$;
CREATE FUNCTION tap.hour(node text, local_time text) RETURNS SETOF tribe_power_hourly LANGUAGE sql AS
$$SELECT * FROM tribe_power_hourly h WHERE h.node_name = node AND h.hour = local_time::timestamp AT TIME ZONE 'Europe/Berlin'$$;

-- An interval of two hours and a half over four hours of the clock.
CALL tap.reading('a', '2025-06-10 12:15', 2.5 * 3600, 100);
SELECT is(tribe_power_aggregate_hours('2025-06-10 09:00+02', '2025-06-10 13:00+02'), 4, 'four hours');
SELECT results_eq($$SELECT round(energy_kwh::numeric, 6), covered_seconds::integer, sample_count FROM tribe_power_hourly ORDER BY hour$$,
                  $$VALUES (0.025, 900, 0), (0.1, 3600, 0), (0.1, 3600, 0), (0.025, 900, 1)$$, 'each its share; the reading counts where it ends');
SELECT is(avg_total_power, 100::real, 'power is the mean over what is covered') FROM tap.hour('a', '2025-06-10 09:00');
SELECT is(max_total_power, NULL, 'no reading, no maximum') FROM tap.hour('a', '2025-06-10 09:00');
SELECT is(max_total_power, 100::real, 'a reading, its maximum') FROM tap.hour('a', '2025-06-10 12:00');
SELECT is(tribe_power_aggregate_hours('2025-06-10 09:00+02', '2025-06-10 13:00+02'), 0, 'repeated, nothing changes');
CALL tap.reading('b', '2025-06-10 10:30', 1800, 60, 'window');
SELECT is(tribe_power_aggregate_hours('2025-06-10 10:05+02', '2025-06-10 10:06+02'), 1, 'a late reading changes its hour');
SELECT tap.near(energy_kwh, 0.03, 'with its energy') FROM tap.hour('b', '2025-06-10 10:00');
SELECT is(energy_kwh_counter, NULL, 'none of it exact') FROM tap.hour('b', '2025-06-10 10:00');
SELECT refused($$SELECT tribe_power_aggregate_hours('2025-06-10', 'infinity')$$, '22023', '%finite%', '%', 'infinity is no end');
SELECT refused($$SELECT tribe_power_aggregate_hours('2025-06-10', '2025-06-09')$$, '22023', '%in this order%', '%', 'nor is what comes before');

-- Order of arrival does not matter: forwards, backwards, shuffled.
CREATE TEMP TABLE shuffled AS
SELECT '2025-07-01 00:00+02'::timestamptz + g * interval '307 s' AS at, 307 + (g % 7) AS seconds, 50 + g % 31 AS watts, md5(g::text) AS key
FROM generate_series(1, 400) g;
INSERT INTO tribe_power_metrics (node_name, "timestamp", total_power_watts, interval_seconds, energy_joules, energy_quality)
SELECT 'forwards', at, watts, seconds, watts * seconds, 'counter' FROM shuffled ORDER BY at;
INSERT INTO tribe_power_metrics (node_name, "timestamp", total_power_watts, interval_seconds, energy_joules, energy_quality)
SELECT 'backwards', at, watts, seconds, watts * seconds, 'counter' FROM shuffled ORDER BY at DESC;
INSERT INTO tribe_power_metrics (node_name, "timestamp", total_power_watts, interval_seconds, energy_joules, energy_quality)
SELECT 'shuffled', at, watts, seconds, watts * seconds, 'counter' FROM shuffled ORDER BY key;
SELECT is(tribe_power_refresh('2025-07-01') + tribe_power_refresh('2025-07-02'), 6, 'two days of three nodes');
SELECT is(count(DISTINCT round(energy_kwh::numeric, 9)), 2::bigint, 'rows in any order give the same') FROM tribe_power_daily WHERE date >= '2025-07-01';
SELECT tap.near((SELECT sum(d.energy_kwh) FROM tribe_power_daily d WHERE d.node_name = 'shuffled'),
                (SELECT sum(watts * seconds) / 3.6e6 FROM shuffled)
                - (SELECT sum(watts * (seconds - 307)) / 3.6e6 FROM shuffled WHERE at - seconds * interval '1 s' < '2025-07-01 00:00+02'),
                'and lose nothing over midnight');
SELECT tap.near((SELECT sum(h.energy_kwh) FROM tribe_power_hourly h WHERE h.node_name = 'shuffled'),
                (SELECT sum(d.energy_kwh) FROM tribe_power_daily d WHERE d.node_name = 'shuffled'), 'hours add up to days');

-- A gap over midnight that a counter bridges, however long it takes to come back.
CALL tap.reading('sleeper', '2025-08-01 20:00', 3600, 10);
CALL tap.reading('sleeper', '2025-08-04 20:00', 3 * 86400, 10);
SELECT is(tribe_power_aggregate('2025-08-01'), 1, 'the day on which it fell asleep');
SELECT tap.near(energy_kwh, 0.05, 'has the energy until midnight') FROM tribe_power_daily WHERE date = '2025-08-01';
SELECT is(tribe_power_aggregate('2025-08-02', '2025-08-04'), 3, 'the days after it');
SELECT tap.near(sum(energy_kwh), 0.01 + 0.72, 'have the rest') FROM tribe_power_daily WHERE node_name = 'sleeper';

-- Energy by any step.
INSERT INTO tribe_power_daily (node_name, date, energy_kwh, energy_kwh_counter, sample_count, coverage, covered_seconds, day_seconds)
SELECT n, d, 1.2, 0.6, 144, 0.5, 43200, 86400 FROM unnest(ARRAY['x', 'y']) n, generate_series('2024-01-01'::date, '2024-03-31', '1 day') d;
SELECT results_eq($$SELECT period, node_name, round(energy_kwh::numeric, 6), round(energy_kwh_counter::numeric, 6) FROM tribe_power_energy('2024-01-01 00:00+01', '2024-03-01 00:00+01', 'month')$$,
                  $$VALUES ('2023-12-31 23:00+00'::timestamptz, 'x', 37.2, 18.6), ('2023-12-31 23:00+00', 'y', 37.2, 18.6),
                           ('2024-01-31 23:00+00', 'x', 34.8, 17.4), ('2024-01-31 23:00+00', 'y', 34.8, 17.4)$$, 'by month and node');
SELECT results_eq($$SELECT node_name, round(energy_kwh::numeric, 6), nodes FROM tribe_power_energy('2024-01-01 00:00+01', '2024-03-01 00:00+01', 'month', false)$$,
                  $$VALUES (NULL::text, 74.4, 2), (NULL, 69.6, 2)$$, 'of the fleet');
SELECT is((SELECT count(*) FROM tribe_power_energy('2024-01-01 00:00+01', '2024-03-01 00:00+01', step, false)), rows::bigint, 'by ' || step)
FROM (VALUES ('day', 60), ('week', 9), ('quarter', 1), ('year', 1)) v (step, rows);
SELECT tap.near(coverage, 0.5, 'with its coverage') FROM tribe_power_energy('2024-01-01 00:00+01', '2024-02-01 00:00+01', 'month', false);
SELECT tap.near(energy_kwh_estimated, 148.8, 'and the estimate beside it') FROM tribe_power_energy('2024-01-01 00:00+01', '2024-02-01 00:00+01', 'month', false);
SELECT tap.near(avg_watts, 200, 'and the mean power of all') FROM tribe_power_energy('2024-01-01 00:00+01', '2024-02-01 00:00+01', 'month', false);
SELECT results_eq($$SELECT node_name, round(energy_kwh::numeric, 6), round(coverage::numeric, 6) FROM tribe_power_energy('2025-06-10 10:00+02', '2025-06-10 11:00+02', 'hour')$$,
                  $$VALUES ('a', 0.1, 1.0), ('b', 0.03, 0.5)$$, 'by the hour');
SELECT refused($$SELECT * FROM tribe_power_energy('2024-01-01', '2024-02-01', 'fortnight')$$, '22023', 'invalid step%', '%week%', 'a step that is none');
SELECT refused($$SELECT * FROM tribe_power_energy('2024-01-01', NULL, 'day')$$, '22023', '%finite%', '%', 'an end that is none');

-- Upkeep: yesterday and today, by themselves, and again when a reading comes late.
DELETE FROM tribe_power_metrics;
DELETE FROM tribe_power_daily;
DELETE FROM tribe_power_hourly;
CALL tap.reading('a', ((now() AT TIME ZONE 'Europe/Berlin')::date - interval '12 hours')::text, 3600, 100);
SELECT is((SELECT sum(done) FROM tribe_power_upkeep() WHERE task = 'node-days added up'), 1::numeric, 'yesterday is added up');
CALL tap.reading('b', ((now() AT TIME ZONE 'Europe/Berlin')::date - interval '11 hours')::text, 3600, 100);
SELECT is((SELECT sum(done) FROM tribe_power_upkeep() WHERE task = 'node-days added up'), 2::numeric, 'a late reading is taken in');
SELECT tap.near((SELECT sum(energy_kwh) FROM tribe_power_hourly), 0.2, 'by the hour as well');
SELECT is((SELECT count(*) FROM tribe_power_metrics_default), 0::bigint, 'the default partition is empty');
-- what was missed
CALL tap.reading('a', ((now() AT TIME ZONE 'Europe/Berlin')::date - interval '9 days 12 hours')::text, 3600, 100);
DELETE FROM tribe_power_daily;
DELETE FROM tribe_power_looked_at;
SELECT is((SELECT sum(done) FROM tribe_power_upkeep() WHERE task LIKE 'node-days added up%'), 3::numeric, 'what was missed is added up');
SELECT is((SELECT count(*) FROM tribe_power_days_due()), 3::bigint, 'the newest day before yesterday is, again and again: the server may have ended on it');
SELECT is((SELECT sum(done) FROM tribe_power_upkeep() WHERE task = 'node-days added up late'), 0::numeric, 'the others are not');

-- Retention.
DELETE FROM tribe_power_metrics;
DELETE FROM tribe_power_daily;
DELETE FROM tribe_power_hourly;
CALL tap.reading('a', '2025-05-15 12:00', 3600, 100);
CALL tap.reading('a', '2025-05-31 23:59', 3600, 100);
CALL tap.reading('a', '2025-06-01 00:59', 3600, 100);
SELECT tribe_power_make_partitions() \g /dev/null
SELECT is(tribe_power_drop_partition(), NULL, 'by default all is kept');
SELECT refused($$SET tribe_power.retention = '1d'$$, '22023', '%', '%2 days%', 'less than two days is refused');
SELECT set_config('tribe_power.retention', extract(day FROM now() - '2025-06-15'::timestamptz)::text || 'd', true) \g /dev/null
SELECT is(tribe_power_drop_partition(), 'tribe_power_metrics_2025_05', 'the oldest month is dropped');
SELECT is(tribe_power_drop_partition(), NULL, 'a month that is not over stays');
SELECT results_eq($$SELECT date, round(energy_kwh::numeric, 6) FROM tribe_power_daily ORDER BY date$$,
                  $$VALUES ('2025-05-15'::date, 0.1), ('2025-05-31', 0.101667)$$,
                  'after its days were added up, the reading past midnight included');
SELECT is(count(*), 4::bigint, 'and its hours') FROM tribe_power_hourly;
SELECT tribe_power_aggregate('2025-05-31') \g /dev/null
SELECT tap.near(energy_kwh, 0.1 + 0.1 / 60, 'what is left does not replace what was') FROM tribe_power_daily WHERE date = '2025-05-31';

SET tribe_power.raw_data_retention = '30d';
SELECT is(tribe_power_drop_raw_data(), 'tribe_power_metrics_2025_06', 'raw data goes earlier');
SELECT is((SELECT count(raw_data) || ' of ' || count(*) FROM tribe_power_metrics), '0 of 1', 'without the reading');
SELECT is(tribe_power_drop_raw_data(), 'tribe_power_metrics_2025_06', 'then its space');

SET tribe_power.hourly_retention = '30d';
SET tribe_power.daily_retention = '30d';
SELECT cmp_ok(tribe_power_trim_totals(), '>=', 4::bigint, 'totals have a time of their own');
SELECT * FROM finish();
ROLLBACK;
