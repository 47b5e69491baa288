-- 1,000 nodes: :days days of daily totals, and of hourly totals the last :hour_days.
\set ON_ERROR_STOP 1
SET client_min_messages = warning;
INSERT INTO tribe_power_nodes (node_name, address) SELECT 'node' || to_char(i, 'FM0000'), '127.0.0.1' FROM generate_series(1, 1000) i;
INSERT INTO tribe_power_daily (node_name, date, avg_cpu_power, max_cpu_power, avg_total_power, max_total_power, energy_kwh,
	sample_count, coverage, covered_seconds, day_seconds, avg_cpu_temp)
SELECT node_name, d, w * .8, w, w, w * 1.7, w * share * .024, 288 * share, share, 86400 * share, 86400, 40 + w / 10
FROM tribe_power_nodes, generate_series(current_date - :days, current_date - 1, interval '1 day') d,
	LATERAL (SELECT 40 + hashtext(node_name) % 30 + 12 * sin(extract(epoch FROM d) / 86400 / 7) + hashtext(node_name || d) % 9 AS w,
	                CASE WHEN hashtext(d || node_name) % 50 = 0 THEN .6 ELSE 1 END AS share) l
WHERE hashtext(node_name || 'x' || d) % 200 <> 0;
INSERT INTO tribe_power_hourly (node_name, hour, avg_cpu_power, avg_total_power, max_total_power, energy_kwh, covered_seconds, sample_count)
SELECT node_name, h, w * .8, w, w * 1.3, w * .001, 3600, 12
FROM tribe_power_nodes, generate_series(date_trunc('hour', now()) - :hour_days * interval '1 day', date_trunc('hour', now()) - interval '1 hour', interval '1 hour') h,
	LATERAL (SELECT 40 + length(node_name) + 20 * sin(extract(hour FROM h) / 4) + extract(isodow FROM h) AS w) l;
INSERT INTO tribe_power_node_status (node_name, last_attempt, last_success, last_outcome, last_reading, total_power_watts)
SELECT node_name, now(), now(), 'read', now(), 50 FROM tribe_power_nodes;
ANALYZE tribe_power_daily, tribe_power_hourly;
