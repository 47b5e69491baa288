-- Daily totals.  A reading covers the interval that ends at its timestamp; one
-- that reaches over midnight counts for both days in proportion.

CREATE TABLE tribe_power_daily (
    node_name text NOT NULL,
    date date NOT NULL,
    avg_cpu_power double precision,
    max_cpu_power double precision,
    avg_gpu_power double precision,
    max_gpu_power double precision,
    avg_total_power double precision,
    max_total_power double precision,
    energy_kwh double precision,
    sample_count integer NOT NULL,
    coverage double precision NOT NULL,
    covered_seconds double precision NOT NULL,
    day_seconds double precision NOT NULL,
    energy_kwh_estimated double precision,
    energy_kwh_counter double precision,
    reboots integer NOT NULL DEFAULT 0,
    avg_cpu_utilization double precision,
    avg_gpu_utilization double precision,
    avg_cpu_temp double precision,
    avg_gpu_temp double precision,
    CONSTRAINT tribe_power_daily_pkey PRIMARY KEY (node_name, date)
);

COMMENT ON TABLE tribe_power_daily IS
'One row a node and day, written by tribe_power_aggregate(). The day is [00:00, 24:00) in tribe_power_timezone(): 23 or 25 h when clocks change.';
COMMENT ON COLUMN tribe_power_daily.node_name IS 'The node, as registered.';
COMMENT ON COLUMN tribe_power_daily.date IS 'The day, in tribe_power_timezone().';
COMMENT ON COLUMN tribe_power_daily.avg_cpu_power IS 'W, weighted by the time that each reading covers.';
COMMENT ON COLUMN tribe_power_daily.max_cpu_power IS 'W, the highest reading.';
COMMENT ON COLUMN tribe_power_daily.avg_gpu_power IS 'W, weighted by the time that each reading covers.';
COMMENT ON COLUMN tribe_power_daily.max_gpu_power IS 'W, the highest reading.';
COMMENT ON COLUMN tribe_power_daily.avg_total_power IS 'W, weighted by the time that each reading covers.';
COMMENT ON COLUMN tribe_power_daily.max_total_power IS 'W, the highest reading.';
COMMENT ON COLUMN tribe_power_daily.energy_kwh IS 'Energy that was measured, kWh: that of the covered part of the day only. NULL: none was.';
COMMENT ON COLUMN tribe_power_daily.sample_count IS 'Readings of that day.';
COMMENT ON COLUMN tribe_power_daily.coverage IS 'Share of the day, 0 to 1, whose energy is known.';
COMMENT ON COLUMN tribe_power_daily.covered_seconds IS 'The part of the day whose energy is known, s.';
COMMENT ON COLUMN tribe_power_daily.day_seconds IS 'Length of the day, s: 82800, 86400 or 90000 where summer time is kept.';
COMMENT ON COLUMN tribe_power_daily.energy_kwh_estimated IS 'energy_kwh / coverage, kWh: what the whole day would come to. NULL below a coverage of 0.5.';
COMMENT ON COLUMN tribe_power_daily.energy_kwh_counter IS 'The part of energy_kwh that is exact, from energy counters, kWh.';
COMMENT ON COLUMN tribe_power_daily.reboots IS 'Restarts of the node that readings of that day showed.';
COMMENT ON COLUMN tribe_power_daily.avg_cpu_utilization IS '%, weighted by the time that each reading covers.';
COMMENT ON COLUMN tribe_power_daily.avg_gpu_utilization IS '%, weighted by the time that each reading covers.';
COMMENT ON COLUMN tribe_power_daily.avg_cpu_temp IS '°C, weighted by the time that each reading covers.';
COMMENT ON COLUMN tribe_power_daily.avg_gpu_temp IS '°C, weighted by the time that each reading covers.';

SELECT pg_catalog.pg_extension_config_dump('tribe_power_daily', '');

CREATE FUNCTION tribe_power_aggregate(
    day date DEFAULT ((pg_catalog.now() AT TIME ZONE tribe_power_timezone())::date - 1))
    RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    zone CONSTANT text := @extschema@.tribe_power_timezone();
    day_start CONSTANT timestamptz := day::timestamp AT TIME ZONE zone;
    day_end CONSTANT timestamptz := (day + 1)::timestamp AT TIME ZONE zone;
    day_length double precision;
    written integer;
BEGIN
    IF day IS NULL OR NOT isfinite(day) THEN
        RAISE EXCEPTION 'day must be a finite date'
            USING ERRCODE = 'invalid_parameter_value',
                  HINT = 'tribe_power_aggregate() without a day takes yesterday.';
    END IF;
    day_length := extract(epoch FROM day_end - day_start);

    INSERT INTO @extschema@.tribe_power_daily AS d (
        node_name, date, avg_cpu_power, max_cpu_power, avg_gpu_power, max_gpu_power,
        avg_total_power, max_total_power, energy_kwh, sample_count,
        coverage, covered_seconds, day_seconds, energy_kwh_estimated, energy_kwh_counter,
        reboots, avg_cpu_utilization, avg_gpu_utilization, avg_cpu_temp, avg_gpu_temp)
    WITH reading AS (
        SELECT m.*
        FROM @extschema@.tribe_power_metrics m
        WHERE m."timestamp" >= day_start AND m."timestamp" < day_end
        UNION ALL
        -- the reading after midnight whose interval began before it
        SELECT next.*
        FROM @extschema@.tribe_power_nodes n
        CROSS JOIN LATERAL (
            SELECT m.*
            FROM @extschema@.tribe_power_metrics m
            WHERE m.node_name = n.node_name AND m."timestamp" >= day_end
              AND m.energy_joules IS NOT NULL
            ORDER BY m."timestamp"
            LIMIT 1) next
    ), share AS (
        SELECT r.*,
               r."timestamp" >= day_start AND r."timestamp" < day_end AS in_day,
               -- seconds of the reading's interval that lie in the day
               greatest(0, extract(epoch FROM
                   least(r."timestamp", day_end)
                   - greatest(r."timestamp" - make_interval(secs => r.interval_seconds), day_start)
                   ))::double precision AS seconds
        FROM reading r
    ), part AS (
        SELECT s.*,
               CASE WHEN s.energy_joules IS NOT NULL THEN s.seconds END AS known_seconds,
               s.energy_joules * s.seconds / nullif(s.interval_seconds, 0) AS joules
        FROM share s
    ), total AS (
        SELECT p.node_name,
               sum(p.cpu_power_watts * p.seconds)
                   / nullif(sum(p.seconds) FILTER (WHERE p.cpu_power_watts IS NOT NULL), 0) AS avg_cpu,
               max(p.cpu_power_watts) FILTER (WHERE p.in_day) AS max_cpu,
               sum(p.gpu_power_watts * p.seconds)
                   / nullif(sum(p.seconds) FILTER (WHERE p.gpu_power_watts IS NOT NULL), 0) AS avg_gpu,
               max(p.gpu_power_watts) FILTER (WHERE p.in_day) AS max_gpu,
               sum(p.total_power_watts * p.seconds)
                   / nullif(sum(p.seconds) FILTER (WHERE p.total_power_watts IS NOT NULL), 0) AS avg_total,
               max(p.total_power_watts) FILTER (WHERE p.in_day) AS max_total,
               sum(p.joules) AS joules,
               sum(p.joules) FILTER (WHERE p.energy_quality = 'counter') AS counter_joules,
               count(*) FILTER (WHERE p.in_day)::integer AS samples,
               -- clocks of hub and node differ a little: never more than the day
               least(coalesce(sum(p.known_seconds), 0), day_length) AS covered,
               count(*) FILTER (WHERE p.in_day AND p.rebooted)::integer AS reboots,
               sum(p.cpu_utilization * p.seconds)
                   / nullif(sum(p.seconds) FILTER (WHERE p.cpu_utilization IS NOT NULL), 0) AS cpu_utilization,
               sum(p.gpu_utilization * p.seconds)
                   / nullif(sum(p.seconds) FILTER (WHERE p.gpu_utilization IS NOT NULL), 0) AS gpu_utilization,
               sum(p.cpu_temp_celsius * p.seconds)
                   / nullif(sum(p.seconds) FILTER (WHERE p.cpu_temp_celsius IS NOT NULL), 0) AS cpu_temp,
               sum(p.gpu_temp_celsius * p.seconds)
                   / nullif(sum(p.seconds) FILTER (WHERE p.gpu_temp_celsius IS NOT NULL), 0) AS gpu_temp
        FROM part p
        GROUP BY p.node_name
        HAVING bool_or(p.in_day) OR sum(p.seconds) > 0
    )
    SELECT t.node_name, day, t.avg_cpu, t.max_cpu, t.avg_gpu, t.max_gpu,
           t.avg_total, t.max_total, t.joules / 3.6e6, t.samples,
           t.covered / day_length, t.covered, day_length,
           CASE WHEN t.covered / day_length >= 0.5
                THEN t.joules / 3.6e6 * day_length / t.covered END,
           t.counter_joules / 3.6e6, t.reboots,
           t.cpu_utilization, t.gpu_utilization, t.cpu_temp, t.gpu_temp
    FROM total t
    ON CONFLICT (node_name, date) DO UPDATE SET
        avg_cpu_power = EXCLUDED.avg_cpu_power, max_cpu_power = EXCLUDED.max_cpu_power,
        avg_gpu_power = EXCLUDED.avg_gpu_power, max_gpu_power = EXCLUDED.max_gpu_power,
        avg_total_power = EXCLUDED.avg_total_power, max_total_power = EXCLUDED.max_total_power,
        energy_kwh = EXCLUDED.energy_kwh, sample_count = EXCLUDED.sample_count,
        coverage = EXCLUDED.coverage, covered_seconds = EXCLUDED.covered_seconds,
        day_seconds = EXCLUDED.day_seconds,
        energy_kwh_estimated = EXCLUDED.energy_kwh_estimated,
        energy_kwh_counter = EXCLUDED.energy_kwh_counter, reboots = EXCLUDED.reboots,
        avg_cpu_utilization = EXCLUDED.avg_cpu_utilization,
        avg_gpu_utilization = EXCLUDED.avg_gpu_utilization,
        avg_cpu_temp = EXCLUDED.avg_cpu_temp, avg_gpu_temp = EXCLUDED.avg_gpu_temp;
    GET DIAGNOSTICS written = ROW_COUNT;
    RETURN written;
END
$$;
COMMENT ON FUNCTION tribe_power_aggregate(date) IS
'Writes that day''s rows of tribe_power_daily, from the readings as they are now, and gives back their number; may be repeated. Default: yesterday in tribe_power_timezone(). Raises invalid_parameter_value for NULL or infinity.';

CREATE FUNCTION tribe_power_aggregate(from_day date, to_day date) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    written integer := 0;
    each date := from_day;
BEGIN
    IF from_day IS NULL OR to_day IS NULL OR NOT isfinite(from_day) OR NOT isfinite(to_day) THEN
        RAISE EXCEPTION 'both days must be finite dates'
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    WHILE each <= to_day LOOP
        written := written + @extschema@.tribe_power_aggregate(each);
        each := each + 1;
    END LOOP;
    RETURN written;
END
$$;
COMMENT ON FUNCTION tribe_power_aggregate(date, date) IS
'tribe_power_aggregate() for each day from the first to the last, both included; gives back the number of rows written.';

