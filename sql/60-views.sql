-- Views for people.

CREATE VIEW tribe_power_latest AS
SELECT n.node_name,
       s.last_reading AS "timestamp",
       (round(s.total_power_watts::float8 * 10) / 10)::real AS total_power_watts,
       (round(s.cpu_power_watts::float8 * 10) / 10)::real AS cpu_power_watts,
       (round(s.gpu_power_watts::float8 * 10) / 10)::real AS gpu_power_watts,
       (round(s.dram_power_watts::float8 * 10) / 10)::real AS dram_power_watts,
       (round(s.platform_power_watts::float8 * 10) / 10)::real AS platform_power_watts,
       (round(s.cpu_temp_celsius::float8 * 10) / 10)::real AS cpu_temp_celsius,
       (round(s.gpu_temp_celsius::float8 * 10) / 10)::real AS gpu_temp_celsius,
       (round(s.cpu_utilization::float8 * 10) / 10)::real AS cpu_utilization,
       (round(s.gpu_utilization::float8 * 10) / 10)::real AS gpu_utilization,
       (round(s.memory_used_gb::float8 * 10) / 10)::real AS memory_used_gb,
       (round(s.memory_total_gb::float8 * 10) / 10)::real AS memory_total_gb,
       s.problems,
       coalesce(s.last_outcome, 'never') AS last_outcome,
       s.last_error,
       coalesce(s.failures, 0) AS failures,
       s.last_attempt
FROM tribe_power_nodes n
LEFT JOIN tribe_power_node_status s ON s.node_name = n.node_name;

COMMENT ON VIEW tribe_power_latest IS
'Each registered node with its newest reading, as worker or tribe_power_collect() stored it (NULL: none yet), and how its last poll went. Units as in tribe_power_metrics, to one decimal place.';

CREATE VIEW tribe_power_gpus AS
SELECT m.node_name,
       m."timestamp",
       (g ->> 'index')::integer AS gpu_index,
       g ->> 'vendor' AS vendor,
       g ->> 'id' AS gpu_id,
       g ->> 'name' AS gpu_name,
       CASE WHEN g ->> 'vendor' = 'apple' AND m.problems ->> 'powermetrics' IN ('stale', 'implausible')
            THEN NULL           -- its power came with what is not believed
            ELSE coalesce((g ->> 'power_watts')::double precision,
                          -- only counted: its mean over the short window
                          CASE WHEN (g -> 'energy_uj' ->> 1)::numeric >= (g -> 'energy_uj' ->> 0)::numeric
                               THEN ((g -> 'energy_uj' ->> 1)::numeric - (g -> 'energy_uj' ->> 0)::numeric)::double precision
                                    / 5e5 / nullif((m.raw_data #>> '{clock,1,before}')::double precision
                                                   + (m.raw_data #>> '{clock,1,after}')::double precision
                                                   - (m.raw_data #>> '{clock,0,before}')::double precision
                                                   - (m.raw_data #>> '{clock,0,after}')::double precision, 0)
                          END)
       END AS power_watts,
       (g ->> 'temperature_celsius')::double precision AS temp_celsius,
       (g ->> 'utilization_percent')::double precision AS utilization,
       (g ->> 'memory_used_bytes')::double precision / 1073741824 AS memory_used_gb,
       (g ->> 'memory_total_bytes')::double precision / 1073741824 AS memory_total_gb,
       coalesce((g ->> 'integrated')::boolean, false) AS integrated,
       coalesce(g ->> 'reason', CASE WHEN g ->> 'vendor' = 'apple' AND m.problems ->> 'powermetrics' IN ('stale', 'implausible')
                                      THEN m.problems ->> 'powermetrics' END) AS problem
FROM tribe_power_metrics m
CROSS JOIN LATERAL jsonb_array_elements(m.raw_data -> 'gpus') AS g;

COMMENT ON VIEW tribe_power_gpus IS
'One row for each GPU of each reading, as long as its raw_data is kept. Ask with node_name and timestamp, as for tribe_power_metrics.';
COMMENT ON COLUMN tribe_power_gpus.node_name IS 'The node, as registered.';
COMMENT ON COLUMN tribe_power_gpus."timestamp" IS 'That of the reading in tribe_power_metrics.';
COMMENT ON COLUMN tribe_power_gpus.gpu_name IS 'The product''s name, where the node says it.';
COMMENT ON COLUMN tribe_power_gpus.gpu_index IS 'The GPU''s number on its node, in the order of its vendor''s tool.';
COMMENT ON COLUMN tribe_power_gpus.vendor IS 'nvidia, amd or intel.';
COMMENT ON COLUMN tribe_power_gpus.gpu_id IS 'UUID (NVIDIA) or PCI address: stays when the order changes.';
COMMENT ON COLUMN tribe_power_gpus.power_watts IS 'W at the time of the reading; NULL: see problem. GPUs that only count energy (Intel) show their mean over the short window.';
COMMENT ON COLUMN tribe_power_gpus.temp_celsius IS '°C; NULL: not known.';
COMMENT ON COLUMN tribe_power_gpus.utilization IS '%; NULL: not known, as under MIG.';
COMMENT ON COLUMN tribe_power_gpus.memory_used_gb IS 'GiB; NULL: not known.';
COMMENT ON COLUMN tribe_power_gpus.memory_total_gb IS 'GiB; NULL: not known.';
COMMENT ON COLUMN tribe_power_gpus.integrated IS 'Part of the CPU package (an APU): its power is not added to the total.';
COMMENT ON COLUMN tribe_power_gpus.problem IS 'Why its power is not known (asleep, error, …); NULL: it is.';

-- What is called now: a reading no older than two and a half intervals.
CREATE VIEW tribe_power_fleet AS
SELECT f.node_name,
       round(f.watts::numeric, 1)::double precision AS watts,
       round((100 * f.watts / nullif(f.budget_peak_watts, 0))::numeric) AS budget_percent,
       CASE WHEN f.watts IS NULL THEN 'unknown'
            WHEN f.watts > f.budget_peak_watts THEN 'over'
            WHEN f.watts <= least(1.1 * f.budget_idle_watts, f.budget_typical_watts, f.budget_peak_watts)
                 AND f.budget_idle_watts IS NOT NULL THEN 'idle'
            WHEN f.watts <= coalesce(f.budget_typical_watts, f.budget_peak_watts) THEN 'typical'
            WHEN f.watts > f.budget_typical_watts THEN 'high'
       END AS state,
       f.age,
       CASE WHEN f.last_outcome IS NULL OR f.last_outcome = 'never' THEN 'not polled yet'
            WHEN f.last_outcome <> 'read' THEN coalesce(f.last_error, f.last_outcome)
            WHEN NOT f.fresh THEN 'no poll for ' || date_trunc('second', now() - f.last_attempt)
            ELSE (SELECT string_agg(p.key || ' ' || p.value, ', ' ORDER BY p.key)
                  FROM jsonb_each_text(f.problems) p)
       END AS problem
FROM (SELECT n.node_name, n.budget_idle_watts, n.budget_typical_watts, n.budget_peak_watts,
             s.fresh, s.last_attempt, s.last_outcome, s.last_error, s.problems,
             CASE WHEN s.fresh THEN s.total_power_watts END AS watts,
             date_trunc('second', now() - s.last_reading) AS age
      FROM tribe_power_nodes n
      LEFT JOIN LATERAL (
          SELECT t.*, t.last_reading > now() - 2.5 * coalesce(n.poll_interval,
                     current_setting('tribe_power.interval', true)::interval, interval '5 minutes') AS fresh
          FROM tribe_power_node_status t
          WHERE t.node_name = n.node_name) s ON true
      WHERE n.enabled) f
ORDER BY f.node_name;

COMMENT ON VIEW tribe_power_fleet IS
'The enabled nodes now, one row each: watts of a reading no older than two and a half intervals (else NULL), that as budget_percent of budget_peak_watts, the state by the budgets, the age of the newest reading, and the last problem.';
COMMENT ON COLUMN tribe_power_fleet.node_name IS 'The node, as registered.';
COMMENT ON COLUMN tribe_power_fleet.watts IS 'Total power, W; NULL: not known now, see problem.';
COMMENT ON COLUMN tribe_power_fleet.budget_percent IS 'watts in % of budget_peak_watts; NULL where either is.';
COMMENT ON COLUMN tribe_power_fleet.state IS
'idle: up to 110 % of budget_idle_watts; typical: up to budget_typical_watts (without one, up to the peak); high: up to budget_peak_watts; over: above it; unknown: watts is NULL. NULL: no budget says.';
COMMENT ON COLUMN tribe_power_fleet.age IS 'Time since the newest reading; NULL: there is none.';
COMMENT ON COLUMN tribe_power_fleet.problem IS 'Why the last poll failed, or what its reading lacks; NULL: all is well.';

CREATE VIEW tribe_power_fleet_total AS
SELECT count(*)::integer AS nodes,
       count(*) FILTER (WHERE f.fresh AND f.total_power_watts IS NOT NULL)::integer AS nodes_known,
       sum(f.total_power_watts) FILTER (WHERE f.fresh)::double precision AS total_power_watts,
       max(f.last_reading) AS newest_reading,
       sum(f.budget_idle_watts) AS budget_idle_watts,
       sum(f.budget_typical_watts) AS budget_typical_watts,
       sum(f.budget_peak_watts) AS budget_peak_watts,
       count(*) FILTER (WHERE f.fresh AND f.total_power_watts > f.budget_peak_watts)::integer AS nodes_over_peak
FROM (SELECT n.budget_idle_watts, n.budget_typical_watts, n.budget_peak_watts,
             s.last_reading, s.total_power_watts,
             s.last_reading > now() - 2.5 * coalesce(n.poll_interval,
                 current_setting('tribe_power.interval', true)::interval, interval '5 minutes') AS fresh
      FROM tribe_power_nodes n
      LEFT JOIN tribe_power_node_status s ON s.node_name = n.node_name
      WHERE n.enabled) f;

COMMENT ON VIEW tribe_power_fleet_total IS
'tribe_power_fleet in one row: total_power_watts is the sum over nodes_known of nodes; the budgets are of all of them. W.';

CREATE VIEW tribe_power_monthly AS
SELECT d.node_name,
       date_trunc('month', d.date::timestamp)::date AS month,
       sum(d.energy_kwh) AS energy_kwh,
       sum(d.covered_seconds) / sum(d.day_seconds) AS coverage,
       sum(d.energy_kwh_counter) AS energy_kwh_counter,
       sum(d.energy_kwh) * 3.6e6 / nullif(sum(d.covered_seconds), 0) AS avg_total_power,
       max(d.max_total_power) AS max_total_power,
       sum(d.sample_count)::integer AS sample_count,
       count(*)::integer AS days
FROM tribe_power_daily d
GROUP BY 1, 2;

COMMENT ON VIEW tribe_power_monthly IS
'tribe_power_daily by node and month: kWh, with the coverage of the days that have a row, W. tribe_power_energy() takes any time and step, and counts missing days as not covered.';
