\set ECHO none
\getenv root PG_ABS_SRCDIR
\set helper :root '/pgtap.psql'
\i :helper

-- Maintenance windows: when they are open, and that no alert is raised in them.
-- The clock is that of Europe/Berlin.
SELECT plan(37);
SET TimeZone = 'Europe/Berlin';

CREATE FUNCTION tap.windows(at timestamptz) RETURNS text LANGUAGE sql AS
$$SELECT coalesce(string_agg(window_name, ', ' ORDER BY window_name), 'none') FROM tribe_power_maintenance_at(at)$$;

INSERT INTO tribe_power_maintenance (window_name, during) VALUES ('once', '[2025-06-10 10:00, 2025-06-10 12:00)');
INSERT INTO tribe_power_maintenance (window_name, from_time, to_time) VALUES ('daily', '03:00', '04:00');
INSERT INTO tribe_power_maintenance (window_name, from_time, to_time, weekdays) VALUES ('saturday night', '22:00', '06:00', '{6}');
INSERT INTO tribe_power_maintenance (window_name, from_time, to_time, during) VALUES ('a week', '12:00', '13:00', '[2025-07-01, 2025-07-08)');
SELECT is(tap.windows(at::timestamptz), expected, at || ': ' || expected)
FROM (VALUES ('2025-06-10 09:59:59', 'none'), ('2025-06-10 10:00', 'once'), ('2025-06-10 11:59:59', 'once'), ('2025-06-10 12:00', 'none'),
             ('2025-06-11 02:59:59', 'none'), ('2025-06-11 03:00', 'daily'), ('2025-06-11 04:00', 'none'),
             ('2025-06-14 21:59', 'none'), ('2025-06-14 22:00', 'saturday night'), ('2025-06-15 03:30', 'daily, saturday night'),
             ('2025-06-15 05:59:59', 'saturday night'), ('2025-06-15 06:00', 'none'), ('2025-06-15 22:00', 'none'), ('2025-06-14 05:00', 'none'),
             ('2025-06-30 12:30', 'none'), ('2025-07-01 12:30', 'a week'), ('2025-07-01 13:00', 'none'), ('2025-07-08 12:30', 'none'),
             -- the clock is set forward, and back
             ('2025-03-30 03:00', 'daily, saturday night'), ('2025-03-30 01:59:59', 'saturday night'), ('2025-10-26 03:30', 'daily, saturday night')) v (at, expected);

SELECT refused(format('INSERT INTO tribe_power_maintenance (window_name, during, weekdays, from_time, to_time) VALUES (%s)', row), '23514', '%', '%', 'refused: ' || row)
FROM (VALUES ($$'x', NULL, NULL, NULL, NULL$$), ($$'x', NULL, '{1}', NULL, NULL$$), ($$'x', NULL, '{8}', '10:00', '11:00'$$),
             ($$'x', NULL, NULL, '10:00', '10:00'$$), ($$'x', NULL, NULL, '10:00', NULL$$), ($$'x', 'empty', NULL, NULL, NULL$$),
             ($$'x', NULL, '{NULL}', '10:00', '11:00'$$)) v (row);

-- No alert is raised in a window; one that was is cleared.
DELETE FROM tribe_power_maintenance;
INSERT INTO tribe_power_nodes (node_name, address, budget_peak_watts, budget_month_kwh) VALUES ('n', 'n', 100, 1), ('m', 'm', 100, 1);
INSERT INTO tribe_power_node_status (node_name, last_outcome, failures, last_reading, total_power_watts)
VALUES ('n', 'read', 0, now(), 120), ('m', 'refused', 3, now(), 50);
INSERT INTO tribe_power_daily (node_name, date, energy_kwh, sample_count, coverage, covered_seconds, day_seconds)
SELECT n, (now() AT TIME ZONE 'Europe/Berlin')::date, 10, 1, 1, 86400, 86400 FROM unnest('{n,m}'::text[]) n;
INSERT INTO tribe_power_maintenance (window_name, node_name, during) VALUES ('n', 'n', tstzrange(now() - interval '1 hour', now() + interval '1 hour'));
SELECT is(tribe_power_evaluate('{n,m}'), 1, 'of one node');
SELECT is((SELECT string_agg(node_name || ' ' || kind, ', ') FROM tribe_power_alerts), 'm node_lost', 'which is the other');
SELECT is(tribe_power_evaluate_months(), 1, 'of the month as well');
UPDATE tribe_power_maintenance SET node_name = NULL;
DELETE FROM tribe_power_alerts;
SELECT is(tribe_power_evaluate('{n,m}'), 0, 'of all nodes');
UPDATE tribe_power_maintenance SET during = tstzrange(now() - interval '1 hour', now());
SELECT is(tribe_power_evaluate('{n,m}'), 2, 'what is wrong still when it ends is raised');
UPDATE tribe_power_maintenance SET during = tstzrange(now() - interval '1 hour', NULL);
UPDATE tribe_power_node_status SET failures = 0, last_outcome = 'read' WHERE node_name = 'm';
SELECT is(tribe_power_evaluate('{m}'), 1, 'what ends in a window is cleared');
SELECT is((SELECT string_agg(kind || ' ' || phase, ', ' ORDER BY "timestamp") FROM tribe_power_events WHERE node_name = 'm' AND kind = 'node_lost'),
          'node_lost raised, node_lost raised, node_lost cleared', 'and an event');
INSERT INTO tribe_power_maintenance (window_name, during, skip_polls) VALUES ('skipped', tstzrange(now(), NULL), true);
SELECT results_eq($$SELECT window_name, skip_polls FROM tribe_power_maintenance_at() ORDER BY 1$$, $$VALUES ('n'::text, false), ('skipped', true)$$, 'a window may skip polls');
SELECT is((SELECT sum(failures) FROM tribe_power_node_status), 0::bigint, 'and changes no status') ;

SELECT * FROM finish();
ROLLBACK;
