-- A fleet like the demo's, eight days of it up to :now, without a node being polled:
-- what the page, the dashboards and the pictures are tried on.  Power follows the
-- hour and the day of the week, and a number that depends on nothing but node and
-- time; so two runs differ in nothing but the time.
--
--   psql -v now="'2026-03-04 12:00+01'" [-v hostile=1] -f fill.sql

\set ON_ERROR_STOP 1
\if :{?hostile}
\else
\set hostile 0
\endif
SET client_min_messages = warning;
SET timezone = 'Europe/Berlin';

CREATE TEMP TABLE shape (node text, idle float8, busy float8, gpu float8, type text, idle_budget float8, typical float8, peak float8);
INSERT INTO shape VALUES
	('bluefin', 34, 62, 0, 'linux_intel', 25, 45, 125),
	('redfin', 48, 96, 130, 'linux_nvidia', 40, 120, 350),
	('greenfin', 27, 44, 38, 'linux_amd', 20, 60, 180),
	('sasass', 5, 14, 6, 'macos', 5, 15, 60),
	('thirdfin', 30, 58, 0, 'linux_intel', 25, 45, 70);
\if :hostile
INSERT INTO shape VALUES
	('</script><script>window.owned = 1</script>', 12, 20, 0, 'auto', NULL, NULL, NULL),
	(U&'r\202Eesrever\2066 \200Bnode', 9, 16, 0, 'auto', NULL, NULL, NULL),
	('<img src=x onerror="window.owned = 1">&amp;''"', 7, 11, 0, 'auto', NULL, NULL, NULL);
\endif

INSERT INTO tribe_power_nodes (node_name, address, node_type, budget_idle_watts, budget_typical_watts, budget_peak_watts)
SELECT node, '127.0.0.1', type, idle_budget, typical, peak FROM shape
WHERE node !~ U&'\202E';        -- not taken by the registry, but a table that was imported may have it
INSERT INTO tribe_power_nodes (node_name, address, node_type) VALUES ('sasass2', '127.0.0.1', 'macos'), ('cellar', '127.0.0.1', 'auto');

-- [0, 1), of node, time and a third thing
CREATE FUNCTION pg_temp.chance(text, timestamptz, text) RETURNS float8 LANGUAGE sql IMMUTABLE AS
$$SELECT (('x' || substr(md5($1 || extract(epoch FROM $2) || $3), 1, 7))::bit(28)::integer)::float8 / 268435456$$;

SELECT tribe_power_make_partition(t) FROM generate_series(:now::timestamptz - interval '9 days', :now::timestamptz, interval '1 day') t \g /dev/null

INSERT INTO tribe_power_metrics (node_name, node_ip, "timestamp", cpu_power_watts, cpu_temp_celsius, cpu_utilization, gpu_power_watts,
	gpu_temp_celsius, gpu_utilization, memory_used_gb, memory_total_gb, total_power_watts, dram_power_watts, platform_power_watts,
	interval_seconds, energy_joules, energy_quality)
SELECT node, '127.0.0.1', t + chance * interval '3 seconds', cpu, 34 + cpu * .32 + 3 * chance, 100 * load, gpu, CASE WHEN gpu > 0 THEN 38 + gpu * .19 + 2 * chance END,
	CASE WHEN gpu > 0 THEN 100 * load * load END, 8 + 12 * load, 64, cpu + coalesce(gpu, 0) + coalesce(dram, 0), dram,
	CASE WHEN node = 'redfin' THEN 22 + 1.12 * (cpu + gpu + dram) END, 300, 300 * (cpu + coalesce(gpu, 0) + coalesce(dram, 0)),
	CASE WHEN gpu > 0 THEN 'sampled' ELSE 'counter' END
FROM (
	SELECT s.node, t, load, chance, s.idle + (s.busy - s.idle) * load AS cpu,
	       CASE WHEN s.gpu > 0 THEN s.gpu * .08 + s.gpu * load * load END AS gpu,
	       CASE WHEN s.type LIKE 'linux%' THEN 2.5 + 4 * load END AS dram
	FROM shape s, generate_series(date_bin('5 minutes', :now::timestamptz - interval '8 days', '2000-01-01'), :now::timestamptz - interval '30 seconds', interval '5 minutes') t,
	LATERAL (SELECT extract(hour FROM t) + extract(minute FROM t) / 60 AS hour, extract(isodow FROM t) > 5 AS weekend,
	                pg_temp.chance(s.node, t, '') AS chance) c,
	LATERAL (SELECT least(1, greatest(0, .04
	           + CASE WHEN weekend THEN .16 ELSE .62 END * exp(-(((hour - 14.2) / 3.9) ^ 2))
	           + CASE WHEN hour BETWEEN 1.5 AND 3 THEN .55 * pg_temp.chance(s.node, date_trunc('day', t), 'night') ELSE 0 END
	           + .18 * (pg_temp.chance(s.node, date_bin('35 minutes', t, '2000-01-01'), 'job') ^ 3)
	           + .07 * (chance - .5))) AS load) l
	-- holes: a hub that was down, a node that was, a node that came late
	WHERE NOT t BETWEEN :now::timestamptz - interval '5 days 3 hours' AND :now::timestamptz - interval '5 days 1 hour'
	  AND NOT (s.node = 'greenfin' AND t BETWEEN :now::timestamptz - interval '2 days 6 hours' AND :now::timestamptz - interval '1 day 16 hours')
	  AND NOT (s.node = 'thirdfin' AND t > :now::timestamptz - interval '7 hours')
) r;

INSERT INTO tribe_power_node_status (node_name, last_attempt, last_success, last_outcome, last_error, failures, last_reading,
	total_power_watts, cpu_power_watts, gpu_power_watts, dram_power_watts, cpu_temp_celsius, gpu_temp_celsius, elapsed_ms)
SELECT DISTINCT ON (node_name) node_name, :now, "timestamp", 'read', NULL, 0, "timestamp",
	total_power_watts, cpu_power_watts, gpu_power_watts, dram_power_watts, cpu_temp_celsius, gpu_temp_celsius, 412
FROM tribe_power_metrics ORDER BY node_name, "timestamp" DESC;
UPDATE tribe_power_node_status SET failures = 84, last_outcome = 'connect_timeout', last_error = 'no answer from the node within 5 s'
WHERE node_name = 'thirdfin';
INSERT INTO tribe_power_node_status (node_name, last_attempt, last_success, last_outcome, last_reading, problems)
VALUES ('sasass2', :now, :now, 'read', :now, '{"powermetrics": "absent", "cpu_temperature": "absent"}');

INSERT INTO tribe_power_tariffs (rate, price_per_kwh, currency, from_time, to_time)
VALUES ('day', 0.34, 'EUR', NULL, NULL), ('night', 0.24, 'EUR', '22:00', '06:00');
INSERT INTO tribe_power_carbon (gco2_per_kwh) VALUES (380);
INSERT INTO tribe_power_events (node_name, "timestamp", kind, phase, value, limit_value, message)
VALUES ('thirdfin', :now::timestamptz - interval '6 hours 44 minutes', 'node_lost', 'raised', 3, 3, 'node "thirdfin" was lost: connect_timeout: no answer from the node within 5 s'),
       ('greenfin', :now::timestamptz - interval '2 days 5 hours 45 minutes', 'node_lost', 'raised', 3, 3, 'node "greenfin" was lost: unreachable: no route to host'),
       ('greenfin', :now::timestamptz - interval '1 day 16 hours', 'node_lost', 'cleared', NULL, 3, 'node "greenfin" is back');

SELECT tribe_power_aggregate((t AT TIME ZONE 'Europe/Berlin')::date), tribe_power_aggregate_hours(t, t + interval '1 day')
FROM generate_series(date_trunc('day', :now::timestamptz - interval '8 days'), :now::timestamptz, interval '1 day') t \g /dev/null
