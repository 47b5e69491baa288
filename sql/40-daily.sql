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
    PRIMARY KEY (node_name, date)
);

-- a day, or a month, of all nodes
CREATE INDEX tribe_power_daily_date_idx ON tribe_power_daily (date);
CREATE INDEX tribe_power_daily_month_idx ON tribe_power_daily ((date_trunc('month', date::timestamp)::date));

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

-- Local midnight comes twice where clocks go back at it or within the hour after
-- (Havana, the Azores), and not at all where they go forward (Cairo).
CREATE FUNCTION tribe_power_day_start(day date) RETURNS timestamptz
    LANGUAGE sql STABLE STRICT PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
    AS $$
    SELECT CASE WHEN e.earlier < l.later AND (e.earlier AT TIME ZONE z.zone)::date = day
                THEN e.earlier ELSE l.later END
    FROM (SELECT @extschema@.tribe_power_timezone() AS zone) z
    CROSS JOIN LATERAL (SELECT day::timestamp AT TIME ZONE z.zone AS later) l
    -- by the clock as it was some hours before
    CROSS JOIN LATERAL (SELECT (day::timestamp - ((l.later - interval '3 hours') AT TIME ZONE z.zone
                                                  - (l.later - interval '3 hours') AT TIME ZONE 'UTC')) AT TIME ZONE 'UTC' AS earlier) e
$$;
COMMENT ON FUNCTION tribe_power_day_start(date) IS
'When a day of tribe_power_timezone() begins: the first moment of that date. NULL gives NULL.';

CREATE FUNCTION tribe_power_totals(
    range_start timestamptz,
    range_end timestamptz,
    step_seconds double precision,
    OUT node_name text,
    OUT step_start timestamptz,
    OUT step_length double precision,
    OUT avg_cpu_power double precision,
    OUT avg_gpu_power double precision,
    OUT avg_total_power double precision,
    OUT avg_cpu_utilization double precision,
    OUT avg_gpu_utilization double precision,
    OUT avg_cpu_temp double precision,
    OUT avg_gpu_temp double precision,
    OUT max_cpu_power double precision,
    OUT max_gpu_power double precision,
    OUT max_total_power double precision,
    OUT joules double precision,
    OUT counter_joules double precision,
    OUT sample_count integer,
    OUT covered_seconds double precision,
    OUT reboots integer)
    RETURNS SETOF record
    LANGUAGE c STABLE STRICT PARALLEL UNSAFE
    SET search_path = pg_catalog, pg_temp
    AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION tribe_power_totals(timestamptz, timestamptz, double precision) IS
'Totals from the readings as they are, by node and by steps of so many seconds from range_start on; W, J, s, %, °C; averages weighted by time. What tribe_power_daily and tribe_power_hourly are made from.';

-- False where readings of the day may be gone: its totals are then not to be
-- replaced by those of what is left.
CREATE FUNCTION tribe_power_has_partition("at" timestamptz) RETURNS boolean
    LANGUAGE c STABLE STRICT PARALLEL UNSAFE
    SET search_path = pg_catalog, pg_temp
    AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION tribe_power_has_partition(timestamptz) IS
'Whether tribe_power_metrics has a partition, other than the default one, for readings of that time.';

CREATE FUNCTION tribe_power_is_whole(range_start timestamptz, range_end timestamptz) RETURNS boolean
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
    SELECT range_start > @extschema@.tribe_power_keep_from('retention')
       AND @extschema@.tribe_power_has_partition(range_start)
       AND @extschema@.tribe_power_has_partition(range_end - interval '1 microsecond')
$$;
COMMENT ON FUNCTION tribe_power_is_whole(timestamptz, timestamptz) IS
'Used by tribe_power_aggregate(): whether no reading of that time can have been dropped by retention.';

CREATE FUNCTION tribe_power_aggregate(
    day date DEFAULT ((pg_catalog.now() AT TIME ZONE tribe_power_timezone())::date - 1))
    RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    SET max_parallel_workers_per_gather = 0
    SET synchronize_seqscans = off
    AS $$
DECLARE
    day_start timestamptz;
    day_end timestamptz;
    day_length double precision;
    whole boolean;
    written integer;
BEGIN
    IF day IS NULL OR NOT isfinite(day) THEN
        RAISE EXCEPTION 'day must be a finite date'
            USING ERRCODE = 'invalid_parameter_value',
                  HINT = 'tribe_power_aggregate() without a day takes yesterday.';
    END IF;
    day_start := @extschema@.tribe_power_day_start(day);
    day_end := @extschema@.tribe_power_day_start(day + 1);
    day_length := extract(epoch FROM day_end - day_start);
    -- a date that a zone left out on its way over the date line
    IF day_length <= 0 THEN
        RETURN 0;
    END IF;
    whole := @extschema@.tribe_power_is_whole(day_start, day_end);

    INSERT INTO @extschema@.tribe_power_daily AS d (
        node_name, date, avg_cpu_power, max_cpu_power, avg_gpu_power, max_gpu_power,
        avg_total_power, max_total_power, energy_kwh, sample_count,
        coverage, covered_seconds, day_seconds, energy_kwh_estimated, energy_kwh_counter,
        reboots, avg_cpu_utilization, avg_gpu_utilization, avg_cpu_temp, avg_gpu_temp)
    SELECT t.node_name, day, t.avg_cpu_power, t.max_cpu_power, t.avg_gpu_power, t.max_gpu_power,
           t.avg_total_power, t.max_total_power, t.joules / 3.6e6, t.sample_count,
           t.covered_seconds / day_length, t.covered_seconds, day_length,
           CASE WHEN t.covered_seconds / day_length >= 0.5
                THEN t.joules / 3.6e6 * day_length / t.covered_seconds END,
           t.counter_joules / 3.6e6,
           t.reboots, t.avg_cpu_utilization, t.avg_gpu_utilization, t.avg_cpu_temp, t.avg_gpu_temp
    FROM @extschema@.tribe_power_totals(day_start, day_end, day_length) t
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
        avg_cpu_temp = EXCLUDED.avg_cpu_temp, avg_gpu_temp = EXCLUDED.avg_gpu_temp
    WHERE whole OR EXCLUDED.sample_count >= d.sample_count;
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

