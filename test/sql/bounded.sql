\set ECHO none
\getenv root PG_ABS_SRCDIR
\set helper :root '/pgtap.psql'
\i :helper

-- What people ask, and what upkeep does again and again, reads what it is about and
-- not all of history: plans for the views and queries of doc/history.md, rows read
-- for what is inside functions.
SELECT plan(29);
SET TimeZone = 'Europe/Berlin';
LOAD 'tribe_power';
SET max_parallel_workers_per_gather = 0;  -- their reads are counted with them

-- Forty nodes; readings of some days of each month of half a year, totals of all days.
INSERT INTO tribe_power_nodes (node_name, address) SELECT 'n' || n, 'h' FROM generate_series(1, 40) n;
SELECT tribe_power_make_partition(m) FROM generate_series('2025-01-15'::timestamptz, '2025-06-15', '1 month') m \g /dev/null
INSERT INTO tribe_power_metrics (node_name, "timestamp", total_power_watts, interval_seconds, energy_joules, energy_quality)
SELECT 'n' || n, t, 100, 300, 30000, 'counter'
FROM generate_series('2025-01-10'::timestamptz, '2025-06-20', '1 month') m, generate_series(m + interval '5 minutes', m + interval '3 days', interval '5 minutes') t, generate_series(1, 40) n;
INSERT INTO tribe_power_daily (node_name, date, energy_kwh, sample_count, coverage, covered_seconds, day_seconds)
SELECT 'n' || n, d, 2.4, 288, 1, 86400, 86400 FROM generate_series('2025-01-01'::date, '2025-06-30', '1 day') d, generate_series(1, 40) n;
INSERT INTO tribe_power_hourly (node_name, hour, energy_kwh, covered_seconds, sample_count)
SELECT 'n' || n, h, 0.1, 3600, 12 FROM generate_series('2025-01-01'::timestamptz, '2025-06-30 23:00', '1 hour') h, generate_series(1, 40) n;
INSERT INTO tribe_power_node_status (node_name, last_reading, total_power_watts) SELECT node_name, now(), 100 FROM tribe_power_nodes;
ANALYZE tribe_power_nodes, tribe_power_node_status, tribe_power_metrics, tribe_power_daily, tribe_power_hourly;
SELECT set_config('test.readings', count(*)::text, true) FROM tribe_power_metrics \g /dev/null

CREATE FUNCTION tap.plan_of(sql text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    line text;
    whole text := '';
BEGIN
    FOR line IN EXECUTE 'EXPLAIN (COSTS OFF) ' || sql LOOP
        whole := whole || line || E'\n';
    END LOOP;
    RETURN whole;
END
$$;
-- Rows that a statement reads of the tables named like this, by scan or index.
CREATE FUNCTION tap.rows_read(sql text, tables text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    counted CONSTANT text := 'SELECT coalesce(sum(pg_stat_get_xact_tuples_returned(c.oid) + pg_stat_get_xact_tuples_fetched(c.oid)), 0)
        FROM pg_class c WHERE c.relkind = ''r'' AND c.relname ~ $1';
    before bigint;
    after bigint;
BEGIN
    EXECUTE counted INTO before USING tables;
    EXECUTE sql;
    EXECUTE counted INTO after USING tables;
    RETURN after - before;
END
$$;
SELECT cmp_ok(tap.rows_read('SELECT count(energy_joules) FROM tribe_power_metrics', '^tribe_power_metrics'), '>=', current_setting('test.readings')::bigint, 'reading all of history would be seen');
SELECT cmp_ok(tap.rows_read('SELECT sum(energy_kwh) FROM tribe_power_daily', '^tribe_power_daily'), '>=', 40 * 181::bigint, 'all totals as well');

-- The newest of each node, and the fleet now: the status, and no history.
SELECT doesnt_match(tap.plan_of(format('SELECT * FROM %I', v)), 'tribe_power_(metrics|daily|hourly)', v || ' needs no history')
FROM unnest(ARRAY['tribe_power_latest', 'tribe_power_fleet']) v;
SELECT matches(tap.plan_of($$SELECT * FROM tribe_power_latest WHERE node_name = 'n7'$$), 'Index.*tribe_power_node_status_pkey', 'one node''s newest by index')
FROM (SELECT set_config('enable_seqscan', 'off', true)) s;
RESET enable_seqscan;

-- 24 h of one node: one partition, by its key; also when the time is reckoned from now.
SELECT matches(tap.plan_of($$SELECT * FROM tribe_power_metrics WHERE node_name = 'n7' AND "timestamp" >= '2025-03-11' AND "timestamp" < '2025-03-12'$$),
               '^(Bitmap Heap|Index)[^\n]*tribe_power_metrics_2025_03', '24 h of a node by index');
SELECT doesnt_match(tap.plan_of($$SELECT * FROM tribe_power_metrics WHERE node_name = 'n7' AND "timestamp" >= '2025-03-11' AND "timestamp" < '2025-03-12'$$),
               '2025_0[12456]|default|Seq Scan', 'from no other partition');
SELECT is(tap.rows_read($$SELECT * FROM tribe_power_metrics WHERE node_name = 'n7' AND "timestamp" >= '2025-03-11' AND "timestamp" < '2025-03-12'$$, '^tribe_power_metrics'),
          288::bigint, 'not a row too many');
SELECT matches(tap.plan_of($$SELECT * FROM tribe_power_metrics WHERE node_name = 'n7' AND "timestamp" > now() - interval '24 hours'$$), 'Subplans Removed: [67]', 'older partitions are left out where time is reckoned from now');
SELECT is(tap.rows_read($$SELECT * FROM tribe_power_metrics WHERE node_name = 'n7' AND "timestamp" > now() - interval '24 hours'$$, '^tribe_power_metrics'), 0::bigint, 'and none of their rows read');
SELECT cmp_ok(tap.rows_read($$SELECT node_name, avg(total_power_watts) FROM tribe_power_metrics WHERE "timestamp" >= '2025-03-11' AND "timestamp" < '2025-03-12' GROUP BY 1$$, '^tribe_power_metrics'),
              '<=', 3 * 288 * 40::bigint, 'a day of the fleet: its partition at most');

-- kWh of a month by node.
SELECT matches(tap.plan_of($$SELECT * FROM tribe_power_monthly WHERE month = '2025-03-01'$$), 'tribe_power_daily_month_idx', 'a month by index');
SELECT is(tap.rows_read($$SELECT * FROM tribe_power_monthly WHERE month = '2025-03-01'$$, '^tribe_power_daily'), 31 * 40::bigint, 'its days');
SELECT is((SELECT count(*) FROM tribe_power_monthly WHERE month = '2025-03-01' AND days = 31), 40::bigint, 'all of them');
SELECT cmp_ok(tap.rows_read(format($$SELECT * FROM tribe_power_energy('2025-03-01', '2025-04-01', %L, %L)$$, step, by_node), '^tribe_power_(metrics|daily|hourly)'),
              '<=', 31 * 40::bigint, format('a month of energy by %s', step))
FROM (VALUES ('month', true), ('week', false), ('day', true)) v (step, by_node);
SELECT cmp_ok(tap.rows_read($$SELECT * FROM tribe_power_energy('2025-03-11', '2025-03-12', 'hour')$$, '^tribe_power_(metrics|daily|hourly)'),
              '<=', 24 * 40::bigint, 'a day of energy by hour');

-- Adding up a day: that day's readings, its totals, its hours.
SELECT cmp_ok(tap.rows_read($$SELECT tribe_power_aggregate('2025-03-11')$$, '^tribe_power_metrics'), '<=', 3 * 288 * 40::bigint, 'adding up a day reads its partition at most');
SELECT cmp_ok(tap.rows_read($$SELECT tribe_power_aggregate('2025-03-20')$$, '^tribe_power_metrics'), '<=', 40::bigint, 'of a day without readings none');
SELECT cmp_ok(tap.rows_read($$SELECT tribe_power_refresh('2025-03-11')$$, '^tribe_power_(daily|hourly)'), '<=', 4 * 25 * 40::bigint, 'bringing a day up to date reads its own totals');

-- Upkeep that finds nothing to do.
DELETE FROM tribe_power_looked_at;
DO $$ BEGIN FOR i IN 1 .. 1000 LOOP EXIT WHEN tribe_power_add_up_late() IS NULL; END LOOP; END $$;
SELECT is(tap.rows_read($$SELECT tribe_power_add_up_late()$$, '^tribe_power_metrics'), 0::bigint, 'looking for late readings where none came');
SELECT is(tap.rows_read($$SELECT tribe_power_make_partitions()$$, '^tribe_power_metrics_\d'), 0::bigint, 'looking for partitions to make');
SELECT is(tap.rows_read($$SELECT tribe_power_drop_partition()$$, '^tribe_power_(metrics|daily|hourly)'), 0::bigint, 'looking for partitions to drop');
SELECT is(tap.rows_read($$SELECT tribe_power_drop_raw_data()$$, '^tribe_power_metrics'), 0::bigint, 'looking for raw data to drop');
SELECT is(tap.rows_read($$SELECT tribe_power_trim_totals()$$, '^tribe_power_(daily|hourly)'), 0::bigint, 'looking for totals to delete');
SELECT cmp_ok(tap.rows_read($$SELECT tribe_power_days_due()$$, '^tribe_power_(metrics|daily)'), '<=', 40::bigint, 'looking for days due');
SELECT tribe_power_aggregate(now()::date) \g /dev/null
SELECT cmp_ok(tap.rows_read($$SELECT tribe_power_refresh(now()::date)$$, '^tribe_power_metrics'), '<=', 40::bigint, 'bringing an empty day up to date');

-- Looking late readings up reads a day at a time.
DELETE FROM tribe_power_looked_at;
SELECT cmp_ok(tap.rows_read($$SELECT tribe_power_add_up_late()$$, '^tribe_power_metrics'), '<=', 3 * 288 * 40 + 100::bigint, 'a look at a day reads its partition at most');

SELECT * FROM finish();
ROLLBACK;
