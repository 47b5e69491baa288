\set ECHO none
\getenv root PG_ABS_SRCDIR
\set helper :root '/pgtap.psql'
\i :helper

-- A node's power as a line of text.
SELECT plan(14);

INSERT INTO tribe_power_nodes (node_name, address) VALUES ('a', 'x'), ('never', 'x'), ('o''neill', 'x');
INSERT INTO tribe_power_metrics (node_name, "timestamp", total_power_watts, interval_seconds, energy_joules, energy_quality)
SELECT 'a', now() - (7 - i) * interval '1 hour', 100 + 100 * i, 3600, 1, 'counter' FROM generate_series(0, 7) i WHERE i NOT IN (3, 4);
INSERT INTO tribe_power_node_status (node_name, last_reading, total_power_watts, last_outcome) VALUES ('a', now(), 800, 'read');

SELECT is(tribe_power_spark('a', '8 hours', 8), '▁▂▃  ▆▇█  100.0 to 800.0 W, now 800.0 W', 'as high as its power, blank where that is not known');
SELECT is(tribe_power_spark('a', '8 hours', 16), '▁▁▂▂▃▃    ▆▆▇▇██  100.0 to 800.0 W, now 800.0 W', 'a reading fills its interval');
SELECT is(length(split_part(tribe_power_spark('a'), '  100', 1)), 48, '48 characters of a day');
SELECT is(left(tribe_power_spark('a'), 32), repeat(' ', 32), 'the first sixteen hours are blank');
SELECT is(tribe_power_spark('never', '1 hour', 6), '        no power known', 'a node without readings');
UPDATE tribe_power_node_status SET last_reading = '2025-06-10 12:00+02' WHERE node_name = 'a';
SELECT alike(tribe_power_spark('a'), '%, now 800.0 W at 10 Jun 12:00', 'an old reading says when');
UPDATE tribe_power_metrics SET total_power_watts = 50 WHERE node_name = 'a';
SELECT alike(tribe_power_spark('a', '2 hours', 4), '▄▄▄▄  50.0 to 50.0 W%', 'steady power is in the middle');
INSERT INTO tribe_power_hourly (node_name, hour, avg_total_power, max_total_power, covered_seconds, sample_count)
SELECT 'a', date_trunc('hour', now()) - i * interval '1 hour', 10, 30, 3600, 12 FROM generate_series(1, 96) i;
SELECT alike(tribe_power_spark('a', '4 days', 4), '▄▄▄▄  10.0 to 30.0 W%', 'hourly totals beyond two days');

SELECT refused($$SELECT tribe_power_spark('nobody')$$, '42704', '%"nobody" is not registered%', '%', 'a node that is not there');
SELECT refused($$SELECT tribe_power_spark(NULL)$$, '22023', '%', '%', 'no node');
SELECT refused($$SELECT tribe_power_spark('a', '-1 hour')$$, '22023', '%', '%', 'no time');
SELECT refused($$SELECT tribe_power_spark('a', '1 hour', 100000)$$, '22023', '%', '%', 'too wide');

CREATE ROLE tribe_monitor;
CREATE ROLE tribe_nobody;
GRANT pg_monitor TO tribe_monitor;
SET ROLE tribe_monitor;
SELECT lives_ok($$SELECT node_name, tribe_power_spark(node_name) FROM tribe_power_latest$$, 'a monitor draws all nodes');
RESET ROLE;
SET ROLE tribe_nobody;
SELECT refused($$SELECT tribe_power_spark('a')$$, '42501', 'permission denied%', '%', 'nobody else does');
RESET ROLE;

SELECT * FROM finish();
ROLLBACK;
