-- Hourly totals by the arithmetic of the daily ones, and energy over any time.
-- Hours are counted from local midnight, so that a day's add up to the day: whole
-- hours of the local clock, but that on a day of 23.5 or 24.5 h (Lord Howe) those
-- after the change begin at half past, and the last is half an hour.

CREATE TABLE tribe_power_hourly (
    node_name text NOT NULL,
    hour timestamptz NOT NULL,
    avg_cpu_power real,
    max_cpu_power real,
    avg_gpu_power real,
    max_gpu_power real,
    avg_total_power real,
    max_total_power real,
    avg_cpu_utilization real,
    avg_gpu_utilization real,
    avg_cpu_temp real,
    avg_gpu_temp real,
    energy_kwh double precision,
    energy_kwh_counter double precision,
    covered_seconds double precision NOT NULL,
    sample_count integer NOT NULL,
    reboots integer NOT NULL DEFAULT 0,
    CONSTRAINT tribe_power_hourly_pkey PRIMARY KEY (hour, node_name)
);

COMMENT ON TABLE tribe_power_hourly IS
'One row a node and hour, written by tribe_power_aggregate_hours(); kept for tribe_power.hourly_retention.';
COMMENT ON COLUMN tribe_power_hourly.node_name IS 'The node, as registered.';
COMMENT ON COLUMN tribe_power_hourly.hour IS 'When the hour begins.';
COMMENT ON COLUMN tribe_power_hourly.avg_cpu_power IS 'W, weighted by the time that each reading covers.';
COMMENT ON COLUMN tribe_power_hourly.max_cpu_power IS 'W, the highest reading.';
COMMENT ON COLUMN tribe_power_hourly.avg_gpu_power IS 'W, weighted by the time that each reading covers.';
COMMENT ON COLUMN tribe_power_hourly.max_gpu_power IS 'W, the highest reading.';
COMMENT ON COLUMN tribe_power_hourly.avg_total_power IS 'W, weighted by the time that each reading covers.';
COMMENT ON COLUMN tribe_power_hourly.max_total_power IS 'W, the highest reading.';
COMMENT ON COLUMN tribe_power_hourly.avg_cpu_utilization IS '%, weighted by the time that each reading covers.';
COMMENT ON COLUMN tribe_power_hourly.avg_gpu_utilization IS '%, weighted by the time that each reading covers.';
COMMENT ON COLUMN tribe_power_hourly.avg_cpu_temp IS '°C, weighted by the time that each reading covers.';
COMMENT ON COLUMN tribe_power_hourly.avg_gpu_temp IS '°C, weighted by the time that each reading covers.';
COMMENT ON COLUMN tribe_power_hourly.energy_kwh IS 'Energy that was measured, kWh: that of the covered part of the hour only. NULL: none was.';
COMMENT ON COLUMN tribe_power_hourly.energy_kwh_counter IS 'The part of energy_kwh that is exact, from energy counters, kWh.';
COMMENT ON COLUMN tribe_power_hourly.covered_seconds IS 'The part of the hour whose energy is known, s.';
COMMENT ON COLUMN tribe_power_hourly.sample_count IS 'Readings of that hour.';
COMMENT ON COLUMN tribe_power_hourly.reboots IS 'Restarts of the node that readings of that hour showed.';

SELECT pg_catalog.pg_extension_config_dump('tribe_power_hourly', '');

CREATE FUNCTION tribe_power_aggregate_hours("from" timestamptz, "to" timestamptz) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    SET max_parallel_workers_per_gather = 0
    SET synchronize_seqscans = off
    AS $$
DECLARE
    zone CONSTANT text := @extschema@.tribe_power_timezone();
    day date;
    day_start timestamptz;
    day_end timestamptz;
    range_start timestamptz;
    range_end timestamptz;
    whole boolean;
    changed integer;
    all_changed integer := 0;
BEGIN
    IF "from" IS NULL OR "to" IS NULL OR NOT isfinite("from") OR NOT isfinite("to") OR "to" <= "from" THEN
        RAISE EXCEPTION 'from and to must be finite times in this order'
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    day := ("from" AT TIME ZONE zone)::date;
    day_start := @extschema@.tribe_power_day_start(day);
    WHILE day_start < "to" LOOP
        day_end := @extschema@.tribe_power_day_start(day + 1);
        range_start := day_start + floor(extract(epoch FROM greatest("from", day_start) - day_start) / 3600) * interval '1 hour';
        range_end := least(day_end, day_start + ceil(extract(epoch FROM least("to", day_end) - day_start) / 3600) * interval '1 hour');
        IF range_end > range_start THEN
            whole := @extschema@.tribe_power_is_whole(range_start, range_end);
            -- hours of a zone that was set before
            DELETE FROM @extschema@.tribe_power_hourly h
            WHERE whole AND h.hour >= range_start AND h.hour < range_end
              AND extract(epoch FROM h.hour - day_start)::integer % 3600 <> 0;

            INSERT INTO @extschema@.tribe_power_hourly AS h (
                node_name, hour, avg_cpu_power, max_cpu_power, avg_gpu_power, max_gpu_power,
                avg_total_power, max_total_power, avg_cpu_utilization, avg_gpu_utilization,
                avg_cpu_temp, avg_gpu_temp, energy_kwh, energy_kwh_counter, covered_seconds,
                sample_count, reboots)
            SELECT t.node_name, t.step_start, t.avg_cpu_power, t.max_cpu_power, t.avg_gpu_power, t.max_gpu_power,
                   t.avg_total_power, t.max_total_power, t.avg_cpu_utilization, t.avg_gpu_utilization,
                   t.avg_cpu_temp, t.avg_gpu_temp, t.joules / 3.6e6, t.counter_joules / 3.6e6, t.covered_seconds,
                   t.sample_count, t.reboots
            FROM @extschema@.tribe_power_totals(range_start, range_end, 3600) t
            ON CONFLICT (hour, node_name) DO UPDATE SET
                avg_cpu_power = EXCLUDED.avg_cpu_power, max_cpu_power = EXCLUDED.max_cpu_power,
                avg_gpu_power = EXCLUDED.avg_gpu_power, max_gpu_power = EXCLUDED.max_gpu_power,
                avg_total_power = EXCLUDED.avg_total_power, max_total_power = EXCLUDED.max_total_power,
                avg_cpu_utilization = EXCLUDED.avg_cpu_utilization,
                avg_gpu_utilization = EXCLUDED.avg_gpu_utilization,
                avg_cpu_temp = EXCLUDED.avg_cpu_temp, avg_gpu_temp = EXCLUDED.avg_gpu_temp,
                energy_kwh = EXCLUDED.energy_kwh, energy_kwh_counter = EXCLUDED.energy_kwh_counter,
                covered_seconds = EXCLUDED.covered_seconds, sample_count = EXCLUDED.sample_count,
                reboots = EXCLUDED.reboots
            -- an hour that stays as it is costs no write
            WHERE (whole OR EXCLUDED.sample_count >= h.sample_count)
              AND (EXCLUDED.sample_count, EXCLUDED.covered_seconds, EXCLUDED.energy_kwh,
                   EXCLUDED.max_total_power, EXCLUDED.avg_cpu_power, EXCLUDED.avg_gpu_power)
                  IS DISTINCT FROM
                  (h.sample_count, h.covered_seconds, h.energy_kwh,
                   h.max_total_power, h.avg_cpu_power, h.avg_gpu_power);
            GET DIAGNOSTICS changed = ROW_COUNT;
            all_changed := all_changed + changed;
        END IF;
        day := day + 1;
        day_start := day_end;
    END LOOP;
    RETURN all_changed;
END
$$;
COMMENT ON FUNCTION tribe_power_aggregate_hours(timestamptz, timestamptz) IS
'Writes the rows of tribe_power_hourly for each hour that has part in that time, from the readings as they are now, and gives back how many changed; may be repeated. Raises invalid_parameter_value unless both are finite and in order.';

CREATE FUNCTION tribe_power_refresh(day date) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    day_start CONSTANT timestamptz := @extschema@.tribe_power_day_start(day);
    day_end CONSTANT timestamptz := @extschema@.tribe_power_day_start(day + 1);
    written CONSTANT integer := @extschema@.tribe_power_aggregate(day);
    daily record;
    hourly record;
BEGIN
    IF now() >= day_start AND now() < day_end THEN
        PERFORM @extschema@.tribe_power_aggregate_hours(greatest(day_start, now() - interval '1 hour'), now());
    END IF;
    -- the other hours only where they no longer add up to the day
    SELECT coalesce(sum(d.sample_count), 0) AS samples, coalesce(sum(d.energy_kwh), 0) AS energy INTO daily
    FROM @extschema@.tribe_power_daily d WHERE d.date = day;
    SELECT coalesce(sum(h.sample_count), 0) AS samples, coalesce(sum(h.energy_kwh), 0) AS energy,
           coalesce(bool_or(extract(epoch FROM h.hour - day_start)::integer % 3600 <> 0), false) AS displaced INTO hourly
    FROM @extschema@.tribe_power_hourly h WHERE h.hour >= day_start AND h.hour < day_end;
    IF (hourly.samples <> daily.samples OR hourly.displaced OR abs(hourly.energy - daily.energy) > 1e-9 * (1 + daily.energy))
        AND day_start > @extschema@.tribe_power_keep_from('hourly_retention')
        AND day_end > day_start THEN
        PERFORM @extschema@.tribe_power_aggregate_hours(day_start, day_end);
    END IF;
    RETURN written;
END
$$;
COMMENT ON FUNCTION tribe_power_refresh(date) IS
'Brings daily and hourly totals of a day up to date; of the hours no more than is needed. What the worker does for yesterday and today; gives back the number of node-days.';

CREATE FUNCTION tribe_power_days_due() RETURNS SETOF date
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    zone CONSTANT text := @extschema@.tribe_power_timezone();
    yesterday CONSTANT date := (now() AT TIME ZONE zone)::date - 1;
    since CONSTANT timestamptz := @extschema@.tribe_power_day_start(yesterday);
BEGIN
    RETURN QUERY
    -- the day on which a server that was down ended
    SELECT max(d.date) FROM @extschema@.tribe_power_daily d WHERE d.date < yesterday HAVING max(d.date) IS NOT NULL
    UNION
    -- what a node that slept for days has brought along of the days before
    SELECT reached.date::date
    FROM @extschema@.tribe_power_metrics m
    CROSS JOIN LATERAL (SELECT m."timestamp" - least(m.interval_seconds, 8 * 86400) * interval '1 second' AS start) r
    CROSS JOIN LATERAL generate_series((r.start AT TIME ZONE zone)::date::timestamp, yesterday - interval '1 day',
                                       interval '1 day') reached (date)
    WHERE m."timestamp" >= since AND m.interval_seconds > 900 AND m.energy_joules IS NOT NULL
      AND isfinite(m."timestamp") AND r.start < since
      AND extract(epoch FROM @extschema@.tribe_power_day_start(reached.date::date + 1)
                             - greatest(r.start, @extschema@.tribe_power_day_start(reached.date::date)))
          > 1 + coalesce((SELECT d.covered_seconds FROM @extschema@.tribe_power_daily d
                          WHERE d.node_name = m.node_name AND d.date = reached.date::date), 0)
    UNION VALUES (yesterday), (yesterday + 1)
    ORDER BY 1;
END
$$;
COMMENT ON FUNCTION tribe_power_days_due() IS
'The days whose totals upkeep brings up to date each time, oldest first: yesterday and today; the newest before them that has any; and those that a reading since yesterday reaches back to. Of older days tribe_power_add_up_late() takes care.';

-- Before it is known how many there are, a step goes by a key that costs little:
-- an hour by its start, any other by the date that it begins with, at 00:00 UTC.
CREATE FUNCTION tribe_power_step_bounds(step text, key timestamptz, OUT start timestamptz, OUT stop timestamptz)
    LANGUAGE sql STABLE STRICT
    SET search_path = pg_catalog, pg_temp
    AS $$
    SELECT CASE WHEN step = 'hour' THEN key ELSE @extschema@.tribe_power_day_start(f.first) END,
           CASE step
               -- the last hour of a day may be half a one
               WHEN 'hour' THEN least(key + interval '1 hour', @extschema@.tribe_power_day_start(
                   (key AT TIME ZONE @extschema@.tribe_power_timezone())::date + 1))
               WHEN 'quarter' THEN @extschema@.tribe_power_day_start((f.first + interval '3 months')::date)
               ELSE @extschema@.tribe_power_day_start((f.first + ('1 ' || step)::interval)::date)
           END
    FROM (SELECT (key AT TIME ZONE 'UTC')::date AS first) f
$$;
COMMENT ON FUNCTION tribe_power_step_bounds(text, timestamptz) IS
'Used by tribe_power_energy() and tribe_power_cost(): where a step (hour, day, week, month, quarter, year of tribe_power_timezone()) begins and ends; key is the start of an hour, and of other steps 00:00 UTC of the first date. NULL gives NULL.';

-- Energy by step of the calendar in the zone that days are counted in.
CREATE FUNCTION tribe_power_energy(
    "from" timestamptz,
    "to" timestamptz,
    step text DEFAULT 'day',
    by_node boolean DEFAULT true)
    RETURNS TABLE (
        period timestamptz,
        node_name text,
        energy_kwh double precision,
        coverage double precision,
        energy_kwh_estimated double precision,
        energy_kwh_counter double precision,
        avg_watts double precision,
        nodes integer)
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
#variable_conflict use_column
DECLARE
    zone CONSTANT text := @extschema@.tribe_power_timezone();
    first_day date;
    end_day date;
    range_start timestamptz;
    until timestamptz;
BEGIN
    IF step IS NULL OR step NOT IN ('hour', 'day', 'week', 'month', 'quarter', 'year') THEN
        RAISE EXCEPTION 'invalid step: %', quote_nullable(step)
            USING ERRCODE = 'invalid_parameter_value',
                  HINT = 'Use hour, day, week, month, quarter or year.';
    END IF;
    IF "from" IS NULL OR "to" IS NULL OR NOT isfinite("from") OR NOT isfinite("to") THEN
        RAISE EXCEPTION 'from and to must be finite times'
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    first_day := ("from" AT TIME ZONE zone + interval '1 day' - interval '1 microsecond')::date;
    end_day := ("to" AT TIME ZONE zone + interval '1 day' - interval '1 microsecond')::date;
    -- hours and days count whole, so that is the time which they cover
    range_start := CASE WHEN step = 'hour' THEN "from" ELSE @extschema@.tribe_power_day_start(first_day) END;
    until := least(now(), CASE WHEN step <> 'hour' THEN @extschema@.tribe_power_day_start(end_day) END);
    RETURN QUERY
    WITH by_step AS (
        -- a row a node and step
        SELECT h.hour AS start, h.node_name, h.energy_kwh AS kwh, h.energy_kwh_counter AS counter,
               h.covered_seconds AS covered
        FROM @extschema@.tribe_power_hourly h
        WHERE step = 'hour' AND h.hour >= "from" AND h.hour < "to"
        UNION ALL
        SELECT d.date::timestamp AT TIME ZONE 'UTC', d.node_name, d.energy_kwh, d.energy_kwh_counter, d.covered_seconds
        FROM @extschema@.tribe_power_daily d
        WHERE step = 'day' AND d.date >= first_day AND d.date < end_day
        UNION ALL
        SELECT date_trunc(step, d.date::timestamp) AT TIME ZONE 'UTC', d.node_name, sum(d.energy_kwh),
               sum(d.energy_kwh_counter), sum(d.covered_seconds)
        FROM @extschema@.tribe_power_daily d
        WHERE step NOT IN ('hour', 'day') AND d.date >= first_day AND d.date < end_day
        GROUP BY 1, 2
    ), total AS (
        SELECT p.start, CASE WHEN by_node THEN p.node_name END AS name,
               sum(p.kwh) AS kwh, sum(p.counter) AS counter, sum(p.covered) AS covered,
               count(*)::integer AS nodes, count(*) FILTER (WHERE p.covered > 0)::integer AS known
        FROM by_step p
        GROUP BY 1, 2
    ), bounds AS (
        SELECT s.start AS key, b.start, least(b.stop, until) - greatest(b.start, range_start) AS length
        FROM (SELECT DISTINCT t.start FROM total t) s
        CROSS JOIN LATERAL @extschema@.tribe_power_step_bounds(step, s.start) b
    ), measured AS (
        -- of a step that is cut by from, to or now, the part that can be known
        SELECT b.start, t.name, t.kwh, t.counter, t.covered, t.nodes, t.known,
               extract(epoch FROM greatest(b.length, interval '0'))::double precision * t.nodes AS seconds
        FROM total t JOIN bounds b ON b.key = t.start
    )
    SELECT m.start, m.name, m.kwh, least(m.covered / nullif(m.seconds, 0), 1),
           CASE WHEN m.covered >= 0.5 * m.seconds AND m.covered > 0
                THEN m.kwh * greatest(m.seconds / m.covered, 1) END,
           m.counter, m.kwh * 3.6e6 / nullif(m.covered, 0) * m.known, m.nodes
    FROM measured m
    ORDER BY 1, 2;
END
$$;
COMMENT ON FUNCTION tribe_power_energy(timestamptz, timestamptz, text, boolean) IS
'Energy by step (hour, day, week, month, quarter, year of tribe_power_timezone()) and node, or with by_node false of the fleet (node_name NULL): period is the step''s start; energy_kwh what was measured; coverage the share of that time, up to now, whose energy is known, of the nodes that were read in it; energy_kwh_estimated energy_kwh / coverage, NULL below 0.5; energy_kwh_counter the exact part; avg_watts the mean over what was covered, for the fleet times the nodes of which anything was: those of which nothing is known add nothing. The hours or days that begin in [from, to) count. Reads totals only, never readings. Raises invalid_parameter_value.';
