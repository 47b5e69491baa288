-- What the report page shows, as one JSON value: reckoned from readings where
-- there are few of them, else from hourly or daily totals, and cut to as many
-- steps as a screen has room for.  Only reads; so it works on a standby, too.

CREATE FUNCTION tribe_power_report_range(INOUT "from" timestamptz, INOUT "to" timestamptz)
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    first timestamptz;
BEGIN
    "to" := coalesce("to", now());
    IF "from" IS NULL AND isfinite("to") THEN
        "from" := "to" - interval '7 days';
        -- a week that is mostly empty, because all began yesterday, shows little
        SELECT min(m."timestamp") INTO first
        FROM @extschema@.tribe_power_metrics m WHERE m."timestamp" > "from" AND m."timestamp" < "to";
        IF first > "from" + interval '1 day'
           AND NOT EXISTS (SELECT FROM @extschema@.tribe_power_hourly h WHERE h.hour >= "from" AND h.hour < first - interval '1 hour') THEN
            "from" := least(first, "to" - interval '2 minutes');
        END IF;
    END IF;
    IF NOT isfinite("from") OR NOT isfinite("to") THEN
        RAISE EXCEPTION 'from and to must be finite times'
            USING ERRCODE = 'invalid_parameter_value',
                  HINT = 'NULL takes the default: the seven days up to now.';
    END IF;
    IF "to" <= "from" THEN
        RAISE EXCEPTION 'from must be before to'
            USING ERRCODE = 'invalid_parameter_value',
                  DETAIL = format('from is %s, to is %s.', "from", "to");
    END IF;
    IF "to" - "from" > interval '20 years 1 day' THEN
        RAISE EXCEPTION 'a report is of 20 years at most'
            USING ERRCODE = 'invalid_parameter_value',
                  HINT = 'tribe_power_energy(from, to, ''month'') takes any time.';
    END IF;
END
$$;
COMMENT ON FUNCTION tribe_power_report_range(timestamptz, timestamptz) IS
'Used by tribe_power_report(): its range with defaults filled in. Raises invalid_parameter_value for infinite times, from not before to, and more than 20 years.';

-- Where the numbers come from, and the steps: from is moved to the start of one.
CREATE FUNCTION tribe_power_report_plan(
    INOUT "from" timestamptz, INOUT "to" timestamptz,
    OUT source text, OUT step integer, OUT steps integer)
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
#variable_conflict use_variable
DECLARE
    most_rows CONSTANT integer := 200000;       -- read in about a second
    most_steps CONSTANT integer := 720;         -- two pixels each
    zone CONSTANT text := @extschema@.tribe_power_timezone();
    span CONSTANT double precision := extract(epoch FROM "to" - "from");
    interval_seconds double precision;
    readings integer;
    hours integer;
    first_reading timestamptz;
    first_hour timestamptz;
    first_day date;
    midnight timestamptz;
    read_to timestamptz;
BEGIN
    -- up to where all nodes that answer were read: what comes after is no hole
    SELECT min(s.last_reading) INTO read_to
    FROM @extschema@.tribe_power_nodes n
    JOIN @extschema@.tribe_power_node_status s ON s.node_name = n.node_name
    WHERE n.enabled AND s.failures = 0
      AND s.last_reading > now() - 2.5 * coalesce(n.poll_interval,
          current_setting('tribe_power.interval', true)::interval, interval '5 minutes');
    IF read_to > "from" AND read_to < "to" THEN
        "to" := read_to;
    END IF;
    SELECT count(*), min(t.at) INTO readings, first_reading
    FROM (SELECT m."timestamp" AS at FROM @extschema@.tribe_power_metrics m
          WHERE m."timestamp" > "from" AND m."timestamp" <= "to" LIMIT most_rows + 1) t;
    SELECT min(m."timestamp") INTO first_reading FROM @extschema@.tribe_power_metrics m
    WHERE m."timestamp" > "from" AND m."timestamp" <= "to";
    SELECT count(*) INTO hours
    FROM (SELECT FROM @extschema@.tribe_power_hourly h
          WHERE h.hour >= "from" AND h.hour < "to" LIMIT 3 * most_rows + 1) t;
    SELECT min(h.hour) INTO first_hour FROM @extschema@.tribe_power_hourly h WHERE h.hour >= "from" AND h.hour < "to";
    SELECT min(d.date) INTO first_day FROM @extschema@.tribe_power_daily d
    WHERE d.date > ("from" AT TIME ZONE zone)::date AND d.date <= ("to" AT TIME ZONE zone)::date;

    -- the finest that is not too much, and that retention has left whole
    source := CASE
        WHEN readings BETWEEN 1 AND most_rows
             AND (first_reading <= first_hour + interval '2 hours' OR first_hour IS NULL)
             AND ((first_reading AT TIME ZONE zone)::date <= first_day + 1 OR first_day IS NULL) THEN 'readings'
        WHEN hours BETWEEN 1 AND 3 * most_rows
             AND ((first_hour AT TIME ZONE zone)::date <= first_day + 1 OR first_day IS NULL) THEN 'hours'
        WHEN first_day IS NOT NULL THEN 'days'
        WHEN hours > 0 THEN 'hours'
        ELSE 'readings' END;

    SELECT min(extract(epoch FROM coalesce(n.poll_interval,
               current_setting('tribe_power.interval', true)::interval, interval '5 minutes')))
    INTO interval_seconds
    FROM @extschema@.tribe_power_nodes n WHERE n.enabled;
    SELECT min(s) INTO step
    FROM unnest(ARRAY[5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200]) s
    WHERE span / s <= most_steps AND source <> 'days'
      AND s >= CASE source WHEN 'hours' THEN 3600 ELSE coalesce(interval_seconds, 300) END;
    -- steps are of the local clock; whole days follow its changes
    step := coalesce(step, 86400 * greatest(ceil(span / 86400 / most_steps), 1));
    midnight := @extschema@.tribe_power_day_start(("from" AT TIME ZONE zone)::date);
    IF step < 86400 OR source = 'readings' THEN
        "from" := midnight + floor(extract(epoch FROM "from" - midnight) / step) * step * interval '1 second';
        steps := ceil(extract(epoch FROM "to" - "from") / step);
    ELSE
        "from" := midnight;
        steps := ceil(((("to" - interval '1 microsecond') AT TIME ZONE zone)::date
                       - (midnight AT TIME ZONE zone)::date + 1)::numeric / (step / 86400));
    END IF;
    -- totals are of whole hours and days
    IF source = 'hours' THEN
        "to" := least("from" + steps * step * interval '1 second', greatest("to", date_trunc('hour', "to", zone) + interval '1 hour'));
    ELSIF source = 'days' THEN
        "to" := @extschema@.tribe_power_day_start((("to" - interval '1 microsecond') AT TIME ZONE zone)::date + 1);
    END IF;
END
$$;
COMMENT ON FUNCTION tribe_power_report_plan(timestamptz, timestamptz) IS
'Used by tribe_power_report(): whether it shows readings, hours or days, and in how many steps of how many seconds; from and to are moved outwards to where these begin and end.';

-- A row a node and step that has something.  A step counts as known if half of it
-- is, or if a reading that covers next to no time lies in it.
CREATE FUNCTION tribe_power_report_cells(
    "from" timestamptz, "to" timestamptz, source text, step integer, steps integer)
    RETURNS TABLE (
        node_name text, bucket integer,
        watts double precision, low double precision, high double precision,
        cpu double precision, gpu double precision, dram double precision, platform double precision,
        cpu_temp double precision, gpu_temp double precision,
        joules double precision, covered double precision)
    LANGUAGE plpgsql STABLE ROWS 100000
    SET search_path = pg_catalog, pg_temp
    AS $$
#variable_conflict use_column
DECLARE
    zone CONSTANT text := @extschema@.tribe_power_timezone();
    origin CONSTANT double precision := extract(epoch FROM "from");
    first_day CONSTANT date := ("from" AT TIME ZONE zone)::date;
    last CONSTANT double precision := extract(epoch FROM least("to", now())) - origin;
BEGIN
    IF source = 'readings' THEN
        RETURN QUERY
        WITH reading AS (
            SELECT m.*, extract(epoch FROM m."timestamp")::double precision - origin AS stop,
                   greatest(coalesce(m.interval_seconds, 0), 0) AS length
            FROM @extschema@.tribe_power_metrics m
            WHERE m."timestamp" > "from" AND m."timestamp" <= "to" + interval '15 minutes'
            UNION ALL
            SELECT m.*, extract(epoch FROM m."timestamp")::double precision - origin, m.interval_seconds
            FROM @extschema@.tribe_power_metrics m
            WHERE m."timestamp" > "to" + interval '15 minutes' AND m."timestamp" <= "to" + interval '7 days'
              AND m.interval_seconds > 900
        ), part AS (
            SELECT r.*, b, b = ceil(r.stop / step)::integer - 1 AS own,
                   least(r.stop, (b + 1.0) * step, last) - greatest(r.stop - r.length, b * step::double precision, 0) AS share
            FROM reading r,
                 generate_series(greatest(least(floor((r.stop - r.length) / step), ceil(r.stop / step) - 1), 0)::integer,
                                 least(ceil(r.stop / step)::integer - 1, steps - 1)) b
        ), weighed AS (
            SELECT p.*, greatest(p.share, 1e-3) AS w,
                   p.own AND p.length < step / 2.0 AND p.stop <= last AS point
            FROM part p
            WHERE p.share > 0 OR (p.own AND p.stop <= last)
        ), cell AS (
            SELECT w.node_name, w.b,
                   sum(w.w * w.total_power_watts) / sum(w.w) FILTER (WHERE w.total_power_watts IS NOT NULL) AS watts,
                   min(w.total_power_watts) FILTER (WHERE w.own) AS low,
                   max(w.total_power_watts) FILTER (WHERE w.own) AS high,
                   sum(w.w) FILTER (WHERE w.total_power_watts IS NOT NULL) AS known,
                   bool_or(w.point) FILTER (WHERE w.total_power_watts IS NOT NULL) AS point,
                   sum(w.w * w.cpu_power_watts) / sum(w.w) FILTER (WHERE w.cpu_power_watts IS NOT NULL) AS cpu,
                   sum(w.w * w.gpu_power_watts) / sum(w.w) FILTER (WHERE w.gpu_power_watts IS NOT NULL) AS gpu,
                   sum(w.w * w.dram_power_watts) / sum(w.w) FILTER (WHERE w.dram_power_watts IS NOT NULL) AS dram,
                   sum(w.w * w.platform_power_watts) / sum(w.w) FILTER (WHERE w.platform_power_watts IS NOT NULL) AS platform,
                   sum(w.w * w.cpu_temp_celsius) / sum(w.w) FILTER (WHERE w.cpu_temp_celsius IS NOT NULL) AS cpu_temp,
                   sum(w.w * w.gpu_temp_celsius) / sum(w.w) FILTER (WHERE w.gpu_temp_celsius IS NOT NULL) AS gpu_temp,
                   sum(w.energy_joules * greatest(w.share, 0) / w.length) FILTER (WHERE w.length > 0) AS joules,
                   sum(greatest(w.share, 0)) FILTER (WHERE w.energy_joules IS NOT NULL AND w.length > 0) AS covered,
                   sum(w.w) AS any_known, bool_or(w.point) AS any_point,
                   least(step, last - w.b * step::double precision) AS length
            FROM weighed w
            GROUP BY w.node_name, w.b
        ), shown AS (
            SELECT c.*, c.known >= c.length / 2 OR c.point AS total_shown,
                   c.any_known >= c.length / 2 OR c.any_point AS shown
            FROM cell c
        )
        SELECT s.node_name, s.b,
               CASE WHEN s.total_shown THEN s.watts END,
               CASE WHEN s.total_shown THEN least(s.low, s.watts) END,
               CASE WHEN s.total_shown THEN greatest(s.high, s.watts) END,
               CASE WHEN s.shown THEN s.cpu END, CASE WHEN s.shown THEN s.gpu END,
               CASE WHEN s.shown THEN s.dram END, CASE WHEN s.shown THEN s.platform END,
               CASE WHEN s.shown THEN s.cpu_temp END, CASE WHEN s.shown THEN s.gpu_temp END,
               s.joules, s.covered
        FROM shown s;
    ELSIF source = 'days' AND step = 86400 THEN
        RETURN QUERY
        SELECT d.node_name, d.date - first_day, d.avg_total_power, d.avg_total_power, d.max_total_power,
               d.avg_cpu_power, d.avg_gpu_power, NULL::double precision, NULL::double precision,
               d.avg_cpu_temp, d.avg_gpu_temp, d.energy_kwh * 3.6e6, d.covered_seconds
        FROM @extschema@.tribe_power_daily d
        WHERE d.date >= first_day AND d.date < (("to" - interval '1 microsecond') AT TIME ZONE zone)::date + 1;
    ELSE
        RETURN QUERY
        WITH total AS (
            SELECT h.node_name,
                   CASE WHEN step < 86400 THEN floor((extract(epoch FROM h.hour)::double precision - origin) / step)::integer
                        ELSE ((h.hour AT TIME ZONE zone)::date - first_day) / (step / 86400) END AS b,
                   h.avg_total_power::double precision AS watts, h.max_total_power::double precision AS high,
                   h.avg_cpu_power::double precision AS cpu, h.avg_gpu_power::double precision AS gpu,
                   h.avg_cpu_temp::double precision AS cpu_temp, h.avg_gpu_temp::double precision AS gpu_temp,
                   h.energy_kwh, h.covered_seconds
            FROM @extschema@.tribe_power_hourly h
            WHERE source <> 'days' AND h.hour >= "from" AND h.hour < "to"
            UNION ALL
            SELECT d.node_name, (d.date - first_day) / (step / 86400), d.avg_total_power, d.max_total_power,
                   d.avg_cpu_power, d.avg_gpu_power, d.avg_cpu_temp, d.avg_gpu_temp, d.energy_kwh, d.covered_seconds
            FROM @extschema@.tribe_power_daily d
            WHERE source = 'days' AND d.date >= first_day
              AND d.date < (("to" - interval '1 microsecond') AT TIME ZONE zone)::date + 1
        ), weighed AS (
            SELECT t.*, greatest(t.covered_seconds, 1) AS w FROM total t
        )
        SELECT w.node_name, w.b,
               sum(w.w * w.watts) / sum(w.w) FILTER (WHERE w.watts IS NOT NULL),
               min(w.watts), max(w.high),
               sum(w.w * w.cpu) / sum(w.w) FILTER (WHERE w.cpu IS NOT NULL),
               sum(w.w * w.gpu) / sum(w.w) FILTER (WHERE w.gpu IS NOT NULL),
               NULL::double precision, NULL::double precision,
               sum(w.w * w.cpu_temp) / sum(w.w) FILTER (WHERE w.cpu_temp IS NOT NULL),
               sum(w.w * w.gpu_temp) / sum(w.w) FILTER (WHERE w.gpu_temp IS NOT NULL),
               sum(w.energy_kwh) * 3.6e6, sum(w.covered_seconds)
        FROM weighed w
        GROUP BY w.node_name, w.b;
    END IF;
END
$$;
COMMENT ON FUNCTION tribe_power_report_cells(timestamptz, timestamptz, text, integer, integer) IS
'Used by tribe_power_report(): by node and step (bucket, from 0) mean, lowest and highest total power and the parts, W; temperatures, °C; energy, J, and the time for which that is known, s. Of totals, low is the lowest hourly or daily mean; dram and platform are NULL. NULL: not known.';
