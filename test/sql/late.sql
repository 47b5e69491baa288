\set ECHO none
\getenv root PG_ABS_SRCDIR
\set helper :root '/pgtap.psql'
\i :helper

-- Readings that come late, to days older than yesterday; and what energy() makes of
-- steps that are cut, of nodes that come and go.  Days are counted in Europe/Berlin.
SELECT plan(37);
SET TimeZone = 'Europe/Berlin';
LOAD 'tribe_power';
INSERT INTO tribe_power_nodes (node_name, address) VALUES ('a', 'a');

CREATE PROCEDURE tap.reading(node text, at timestamptz, seconds float8, watts float8)
    LANGUAGE sql AS $$
    INSERT INTO tribe_power_metrics (node_name, "timestamp", cpu_power_watts, total_power_watts,
                                     interval_seconds, energy_joules, energy_quality)
    VALUES (node, at, watts, watts, seconds, watts * seconds, 'counter')
$$;
-- Upkeep's look at what came late, as if everything had changed: counts of inserts
-- are not to be had within a transaction.
CREATE FUNCTION tap.late() RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    added integer;
    all_added bigint := 0;
BEGIN
    DELETE FROM tribe_power_looked_at;
    FOR i IN 1 .. 1000 LOOP
        added := tribe_power_add_up_late();
        EXIT WHEN added IS NULL;
        all_added := all_added + added;
    END LOOP;
    RETURN CASE WHEN added IS NULL THEN all_added END;
END
$$;
CREATE FUNCTION tap.kwh(node text, day date) RETURNS numeric LANGUAGE sql AS
$$SELECT round(energy_kwh::numeric, 6) FROM tribe_power_daily WHERE node_name = node AND date = day$$;

-- Three nodes' days of two months ago.
SELECT date_trunc('month', now() - interval '2 months')::date + 9 AS d \gset
CALL tap.reading('a', :'d'::date + time '12:00', 3600, 1000);
CALL tap.reading('b', :'d'::date + time '12:00', 3600, 1000);
CALL tap.reading('a', :'d'::date + 5 + time '12:00', 3600, 1000);
SELECT tribe_power_make_partitions() \g /dev/null
SELECT is(tap.late(), 3::bigint, 'two days, and not those between them');
SELECT is(tap.late(), 0::bigint, 'looked at again: all is in the totals');
SELECT is(tribe_power_add_up_late(), NULL, 'nothing has changed: there is nothing to look at');
SELECT results_eq($$SELECT count(*) > 0, count(next_day) FROM tribe_power_looked_at$$, $$VALUES (true, 0::bigint)$$, 'what was looked at was so to its end');

-- Late ones of a node that has a total already, of one that has none, over midnight.
CALL tap.reading('a', :'d'::date + time '13:00', 3600, 500);
CALL tap.reading('c', :'d'::date + 2 + time '00:30', 3600, 800);
SELECT is(tap.late(), 2 + 2::bigint, 'their days, and what they reach back to');
SELECT is(tap.kwh('a', :'d'), 1.5, 'a node''s total is made good');
SELECT is(tap.kwh('b', :'d'), 1.0, 'its neighbour''s is as it was');
SELECT is(tap.kwh('c', :'d'::date + 1), 0.4, 'half an hour before midnight');
SELECT is(tap.kwh('c', :'d'::date + 2), 0.4, 'and half an hour after it');
SELECT is((SELECT round(sum(energy_kwh)::numeric, 6) FROM tribe_power_hourly WHERE node_name IN ('a', 'c')), 3.3, 'hours as well');

-- A total that knows more than the readings do is left alone, and an older one than
-- is kept is not made again.
UPDATE tribe_power_daily SET sample_count = 288, energy_kwh = 24 WHERE node_name = 'b';
SELECT is(tap.late(), 0::bigint, 'a total of more readings than there are is left alone');
DELETE FROM tribe_power_daily;
SET tribe_power.daily_retention = '30d';
SELECT is(tap.late(), 0::bigint, 'totals past daily_retention are not made again');
RESET tribe_power.daily_retention;
SELECT is(tap.late(), 5::bigint, 'else they are, even if all were gone');

-- A node that slept for days has its energy in each of them, though it came today.
SELECT (now())::date AS today \gset
CALL tap.reading('sleeper', :'today'::date - 4 + time '20:00', 3600, 10);
CALL tap.reading('sleeper', :'today'::date - interval '1 minute', extract(epoch FROM :'today'::date - interval '1 minute' - (:'today'::date - 4 + time '20:00')::timestamptz)::float8, 10);
SELECT results_eq(format('SELECT due FROM tribe_power_days_due() due WHERE due > %L::date + 5', :'d'), format('SELECT %L::date + i FROM generate_series(-4, 0) i', :'today'), 'the days that it slept through are due');
SELECT tribe_power_refresh(d) FROM tribe_power_days_due() d \g /dev/null
SELECT is(round(sum(energy_kwh)::numeric, 5), round(10 * extract(epoch FROM :'today'::date - interval '1 minute' - (:'today'::date - 4 + time '19:00')::timestamptz) / 3.6e6, 5),
          'all of it is added up') FROM tribe_power_daily WHERE node_name = 'sleeper';
SELECT results_eq('SELECT tribe_power_days_due()', format('SELECT %L::date + i FROM unnest(ARRAY[-2, -1, 0]) i', :'today'), 'then they are no longer');

-- A stray day of long ago (the hub's clock was wrong) keeps nothing from its turn.
INSERT INTO tribe_power_daily (node_name, date, sample_count, coverage, covered_seconds, day_seconds) VALUES ('a', '1970-01-01', 1, 0, 0, 86400);
DELETE FROM tribe_power_daily WHERE date > '1970-01-01';
SELECT results_eq('SELECT tribe_power_days_due()', format('SELECT ''1970-01-01''::date UNION SELECT %L::date + i FROM generate_series(-4, 0) i ORDER BY 1', :'today'),
                  'twenty thousand days without readings are not due');

-- Energy: hours and days count whole, and so does their time.
DELETE FROM tribe_power_daily;
INSERT INTO tribe_power_daily (node_name, date, energy_kwh, sample_count, coverage, covered_seconds, day_seconds)
SELECT 'x', d, 1.2, 144, 0.5, 43200, 86400 FROM generate_series('2024-01-01'::date, '2024-01-31', '1 day') d;
SELECT results_eq($$SELECT period, round(energy_kwh::numeric, 6), round(coverage::numeric, 6), round(energy_kwh_estimated::numeric, 6) FROM tribe_power_energy('2024-01-09 12:00', '2024-01-11 06:00', 'day')$$,
                  $$VALUES ('2024-01-10'::timestamptz, 1.2, 0.5, 2.4), ('2024-01-11', 1.2, 0.5, 2.4)$$, 'a day that begins before the end is a whole day');
SELECT results_eq($$SELECT period, round(energy_kwh::numeric, 6), round(coverage::numeric, 6) FROM tribe_power_energy('2024-01-10 12:00', '2024-01-16 12:00', 'week')$$,
                  $$VALUES ('2024-01-08'::timestamptz, 4.8, 0.5), ('2024-01-15', 2.4, 0.5)$$, 'weeks that are cut at both ends have the coverage of what is left of them');
SELECT results_eq($$SELECT period, round(energy_kwh::numeric, 6), round(coverage::numeric, 6) FROM tribe_power_energy('2024-01-20', '2024-02-10', 'month')$$,
                  $$VALUES ('2024-01-01'::timestamptz, 14.4, 0.5)$$, 'so has a month');
SELECT is_empty($$SELECT * FROM tribe_power_energy('2024-01-10', '2024-01-10', 'day')$$, 'no time, no energy');
SELECT is_empty($$SELECT * FROM tribe_power_energy('2024-01-11', '2024-01-10', 'day')$$, 'nor backwards');
INSERT INTO tribe_power_hourly (node_name, hour, energy_kwh, covered_seconds, sample_count)
SELECT 'x', h, 0.05, 1800, 6 FROM generate_series('2024-01-10'::timestamptz, '2024-01-10 05:00', '1 hour') h;
SELECT results_eq($$SELECT period, round(coverage::numeric, 6), round(avg_watts::numeric, 6) FROM tribe_power_energy('2024-01-10 01:30', '2024-01-10 03:15', 'hour')$$,
                  $$VALUES ('2024-01-10 02:00'::timestamptz, 0.5, 100.0), ('2024-01-10 03:00', 0.5, 100)$$, 'the hour that begins before the end as well');

-- Months with a change of clocks.
DELETE FROM tribe_power_daily;
INSERT INTO tribe_power_daily (node_name, date, energy_kwh, sample_count, coverage, covered_seconds, day_seconds)
SELECT 'x', d, s / 3600, 1, 1, s, s FROM generate_series('2024-01-01'::date, '2024-12-31', '1 day') d,
    LATERAL (SELECT CASE d::date WHEN '2024-03-31' THEN 82800 WHEN '2024-10-27' THEN 90000 ELSE 86400 END::float8 AS s) l;
SELECT results_eq($$SELECT period, round(energy_kwh::numeric, 6), round(coverage::numeric, 9), round(avg_watts::numeric, 6) FROM tribe_power_energy('2024-03-01', '2024-04-01', 'month')$$,
                  $$VALUES ('2024-03-01'::timestamptz, 743.0, 1.0, 1000.0)$$, 'the month of 743 hours');
SELECT results_eq($$SELECT period, round(energy_kwh::numeric, 6), round(coverage::numeric, 9) FROM tribe_power_energy('2024-10-01', '2024-11-01', 'month')$$,
                  $$VALUES ('2024-10-01'::timestamptz, 745.0, 1.0)$$, 'the month of 745');
SELECT results_eq($$SELECT period, round(energy_kwh::numeric, 6), round(coverage::numeric, 9) FROM tribe_power_energy('2024-10-21', '2024-11-04', 'week')$$,
                  $$VALUES ('2024-10-21'::timestamptz, 169.0, 1.0), ('2024-10-28', 168, 1)$$, 'the week of 169');
SELECT results_eq($$SELECT step, round(sum(energy_kwh)::numeric, 6), round(min(coverage)::numeric, 9) FROM unnest(ARRAY['day', 'month', 'quarter', 'week', 'year']) step, tribe_power_energy('2024-01-01', '2025-01-01', step) GROUP BY 1 ORDER BY 1$$,
                  $$VALUES ('day', 8784.0, 1.0), ('month', 8784, 1), ('quarter', 8784, 1), ('week', 8784, 1), ('year', 8784, 1)$$, 'a year in any step');

-- Nodes that come and go within a step: coverage is of the whole step for each node
-- that was read in it, the measured figure stands alone.
DELETE FROM tribe_power_daily;
INSERT INTO tribe_power_daily (node_name, date, energy_kwh, sample_count, coverage, covered_seconds, day_seconds)
SELECT n, d, 2.4, 288, 1, 86400, 86400 FROM generate_series('2024-06-01'::date, '2024-06-30', '1 day') d, unnest(ARRAY['stays', 'goes', 'comes']) n
WHERE n = 'stays' OR (n = 'goes') = (d < '2024-06-07');
SELECT results_eq($$SELECT node_name, round(energy_kwh::numeric, 6), round(coverage::numeric, 6), round(energy_kwh_estimated::numeric, 6), round(avg_watts::numeric, 6) FROM tribe_power_energy('2024-06-01', '2024-07-01', 'month')$$,
                  $$VALUES ('comes', 57.6, 0.8, 72.0, 100.0), ('goes', 14.4, 0.2, NULL, 100), ('stays', 72, 1, 72, 100)$$, 'by node');
SELECT results_eq($$SELECT nodes, round(energy_kwh::numeric, 6), round(coverage::numeric, 6), round(energy_kwh_estimated::numeric, 6), round(avg_watts::numeric, 6) FROM tribe_power_energy('2024-06-01', '2024-07-01', 'month', false)$$,
                  $$VALUES (3, 144.0, round(2.0 / 3, 6), 216.0, 300.0)$$, 'of the fleet: as if all three had run all the time');
INSERT INTO tribe_power_daily (node_name, date, energy_kwh, sample_count, coverage, covered_seconds, day_seconds)
VALUES ('blind', '2024-06-01', NULL, 288, 0, 0, 86400);
SELECT results_eq($$SELECT nodes, round(energy_kwh::numeric, 6), round(coverage::numeric, 6), round(avg_watts::numeric, 6) FROM tribe_power_energy('2024-06-01', '2024-07-01', 'month', false)$$,
                  $$VALUES (4, 144.0, 0.5, 300.0)$$, 'one without a power source lowers the coverage and adds no watt');
SELECT is(avg_watts, NULL, 'nor has any by itself') FROM tribe_power_energy('2024-06-01', '2024-07-01', 'month') WHERE node_name = 'blind';
DELETE FROM tribe_power_daily WHERE node_name = 'blind';
SELECT is((SELECT sum(energy_kwh) FROM tribe_power_energy('2024-06-01', '2024-07-01', 'day', false)), 144::float8, 'by day: two nodes each');
SELECT is((SELECT min(coverage) FROM tribe_power_energy('2024-06-01', '2024-07-01', 'day', false)), 1::float8, 'all of it covered');

-- Retention: nothing goes that is not in the totals.
DELETE FROM tribe_power_metrics;
DELETE FROM tribe_power_daily;
CALL tap.reading('a', :'d'::date + time '12:00', 3600, 1000);
SET tribe_power.retention = '2d';
ALTER TABLE tribe_power_daily ADD CONSTRAINT none CHECK (date < '2000-01-01');
SELECT refused('SELECT tribe_power_drop_partition()', '23514', '%violates check constraint "none"%', '%', 'a day that cannot be added up');
SELECT is((SELECT count(*) FROM tribe_power_metrics), 1::bigint, 'keeps its readings');
ALTER TABLE tribe_power_daily DROP CONSTRAINT none;
SELECT matches(tribe_power_drop_partition(), '^tribe_power_metrics_\d+_\d+$', 'once it can, they go');
SELECT is(tap.kwh('a', :'d'), 1.0, 'and are in the total');

SELECT * FROM finish();
ROLLBACK;
