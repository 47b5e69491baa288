\set ECHO none
\getenv root PG_ABS_SRCDIR
\set helper :root '/pgtap.psql'
\i :helper

-- Daily totals.  The server of these tests counts days in Europe/Berlin, and the
-- session lives in another zone.
SELECT plan(33);
SELECT is(tribe_power_timezone(), 'Europe/Berlin', 'the zone that days are counted in');
SELECT isnt(current_setting('TimeZone'), 'Europe/Berlin', 'is not the session''s');

INSERT INTO tribe_power_nodes (node_name, address) VALUES ('a', 'a'), ('b', 'b'), ('c', 'c');

-- A reading that ends at this local time and covers so many seconds at so many watts.
CREATE PROCEDURE tap.reading(node text, local_time text, seconds float8, watts float8,
                            quality text DEFAULT 'counter', restarted boolean DEFAULT false)
    LANGUAGE sql AS $$
    INSERT INTO tribe_power_metrics (node_name, "timestamp", cpu_power_watts, total_power_watts,
                                     interval_seconds, energy_joules, energy_quality, rebooted)
    VALUES (node, local_time::timestamp AT TIME ZONE 'Europe/Berlin', watts, watts,
            seconds, CASE WHEN quality IS NOT NULL THEN watts * seconds END, quality, restarted)
$$;
CREATE FUNCTION tap.day(node text, day date) RETURNS SETOF tribe_power_daily LANGUAGE sql AS
$$SELECT * FROM tribe_power_daily d WHERE d.node_name = node AND d.date = day$$;
-- to so many digits
CREATE FUNCTION tap.near(have float8, want float8, description text) RETURNS text LANGUAGE sql AS
$$SELECT CASE WHEN abs(have - want) <= 1e-6 * greatest(1, abs(want)) THEN tap.pass(description)
         ELSE tap.is(have, want, description) END$$;

-- A whole day in four intervals of unequal power and length.
CALL tap.reading('a', '2025-06-10 03:00', 3 * 3600, 100);
CALL tap.reading('a', '2025-06-10 12:00', 9 * 3600, 200);
CALL tap.reading('a', '2025-06-10 18:00', 6 * 3600, 300);
CALL tap.reading('a', '2025-06-11 00:00', 6 * 3600, 400);
SELECT is(tribe_power_aggregate('2025-06-10'), 1, 'a row for the one node that was read');
SELECT tap.near(energy_kwh, 0.3 + 1.8 + 1.8 + 2.4, 'energy is the sum of the intervals''')
FROM tap.day('a', '2025-06-10');
SELECT tap.near(avg_total_power, 6300.0 / 24, 'the average is weighted by time')
FROM tap.day('a', '2025-06-10');
SELECT is(sample_count, 3, 'a reading at midnight belongs to the next day')
FROM tap.day('a', '2025-06-10');
SELECT is(max_total_power, 300::float8, 'and so does its maximum') FROM tap.day('a', '2025-06-10');
SELECT tap.near(coverage, 1, 'all of the day is covered') FROM tap.day('a', '2025-06-10');
SELECT tap.near(energy_kwh_estimated, energy_kwh, 'so the estimate is what was measured')
FROM tap.day('a', '2025-06-10');
SELECT is(avg_gpu_power, NULL, 'what was never read stays unknown') FROM tap.day('a', '2025-06-10');
SELECT is(day_seconds, 86400::float8, 'a common day') FROM tap.day('a', '2025-06-10');

-- Repeated, nothing changes; a late reading does.
CREATE TEMP TABLE before AS SELECT * FROM tribe_power_daily;
SELECT is(tribe_power_aggregate('2025-06-10'), 1, 'may be repeated');
SELECT results_eq('TABLE tribe_power_daily', 'TABLE before', 'with the same result');
CALL tap.reading('b', '2025-06-10 12:00', 3600, 50);
SELECT is(tribe_power_aggregate('2025-06-10'), 2, 'a late reading is taken in');
SELECT tap.near(energy_kwh, 0.05, 'with its energy') FROM tap.day('b', '2025-06-10');
SELECT tap.near(coverage, 1.0 / 24, 'and a coverage of an hour') FROM tap.day('b', '2025-06-10');
SELECT is(energy_kwh_estimated, NULL, 'too little to estimate a day from') FROM tap.day('b', '2025-06-10');

-- Over midnight, in proportion.
CALL tap.reading('c', '2025-06-12 00:15', 3600, 120);
SELECT is(tribe_power_aggregate('2025-06-11', '2025-06-12'), 3, 'a range of days');
SELECT tap.near(energy_kwh, 0.09, 'three quarters before midnight') FROM tap.day('c', '2025-06-11');
SELECT is(sample_count, 0, 'though no reading ended there') FROM tap.day('c', '2025-06-11');
SELECT tap.near(energy_kwh, 0.03, 'a quarter after it') FROM tap.day('c', '2025-06-12');

-- Coverage, estimate, the share of counters, restarts.
CALL tap.reading('c', '2025-06-20 06:00', 6 * 3600, 100);
CALL tap.reading('c', '2025-06-20 12:00', 6 * 3600, 100, 'window', true);
CALL tap.reading('c', '2025-06-20 18:00', 6 * 3600, 500, NULL, true);
SELECT tribe_power_aggregate('2025-06-20') \g /dev/null
SELECT tap.near(coverage, 0.5, 'what has no energy covers nothing') FROM tap.day('c', '2025-06-20');
SELECT tap.near(energy_kwh_estimated, 2.4, 'half a day is enough for an estimate') FROM tap.day('c', '2025-06-20');
SELECT tap.near(energy_kwh_counter, 0.6, 'the exact part of it') FROM tap.day('c', '2025-06-20');
SELECT is(reboots, 2, 'restarts') FROM tap.day('c', '2025-06-20');
SELECT is(max_total_power, 500::float8, 'a reading without energy still has its power')
FROM tap.day('c', '2025-06-20');

-- Days when clocks change.
CALL tap.reading('a', '2025-03-30 12:00', 11 * 3600, 1000);
CALL tap.reading('a', '2025-03-31 00:00', 12 * 3600, 1000);
CALL tap.reading('a', '2025-10-26 12:00', 13 * 3600, 1000);
CALL tap.reading('a', '2025-10-27 00:00', 12 * 3600, 1000);
SELECT tribe_power_aggregate('2025-03-30') + tribe_power_aggregate('2025-10-26') \g /dev/null
SELECT results_eq($$SELECT day_seconds, round(coverage::numeric, 9), round(energy_kwh::numeric, 9)
                    FROM tap.day('a', '2025-03-30')$$,
                  $$VALUES (82800::float8, 1.0, 23.0)$$, 'the day of 23 hours');
SELECT results_eq($$SELECT day_seconds, round(coverage::numeric, 9), round(energy_kwh::numeric, 9)
                    FROM tap.day('a', '2025-10-26')$$,
                  $$VALUES (90000::float8, 1.0, 25.0)$$, 'the day of 25 hours');

-- The day that is left out is yesterday.
CALL tap.reading('a', ((now() AT TIME ZONE 'Europe/Berlin')::date - interval '12 hours')::text, 60, 77);
SELECT tribe_power_aggregate() \g /dev/null
SELECT is(max_total_power, 77::float8, 'without a day: yesterday')
FROM tap.day('a', (now() AT TIME ZONE 'Europe/Berlin')::date - 1);

-- Refused.
SELECT refused($$SELECT tribe_power_aggregate(NULL)$$, '22023', '%finite date%', '%yesterday%', 'NULL is no day');
SELECT refused($$SELECT tribe_power_aggregate('infinity')$$, '22023', '%finite date%', '%yesterday%', 'nor is infinity');
SELECT refused($$SELECT tribe_power_aggregate('2025-01-01', NULL)$$, '22023', '%finite dates%', '%', 'nor in a range');

-- The table is one that others may write to as well.
SELECT lives_ok($$INSERT INTO tribe_power_daily (node_name, date, avg_total_power, energy_kwh, sample_count,
                                                 coverage, covered_seconds, day_seconds)
                  VALUES ('a', '2025-06-10', 1, 2, 3, 1, 86400, 86400)
                  ON CONFLICT (node_name, date) DO UPDATE SET energy_kwh = EXCLUDED.energy_kwh$$,
                'an upsert on (node_name, date)');

SELECT * FROM finish();
ROLLBACK;
