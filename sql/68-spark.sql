-- A node's power as a line of text, for terminals.

CREATE FUNCTION tribe_power_spark(node text, span interval DEFAULT '24 hours', width integer DEFAULT 48) RETURNS text
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    step double precision;
    stop timestamptz := now();
    start timestamptz;
    seconds double precision;
    reading record;
    cell record;
    line text := '';
    lowest double precision;
    highest double precision;
BEGIN
    seconds := extract(epoch FROM span);
    IF node IS NULL OR span IS NULL OR width IS NULL OR seconds < 60 OR seconds > 366 * 86400.0 OR width NOT BETWEEN 4 AND 400 THEN
        RAISE EXCEPTION 'a line is of a node''s last minute to year, 4 to 400 characters wide'
            USING ERRCODE = 'invalid_parameter_value',
                  HINT = 'SELECT tribe_power_spark(''redfin'', ''24 hours'')';
    END IF;
    SELECT l."timestamp", l.total_power_watts AS watts INTO reading
    FROM @extschema@.tribe_power_latest l WHERE l.node_name = node;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'node "%" is not registered', node
            USING ERRCODE = 'undefined_object',
                  HINT = 'SELECT node_name FROM tribe_power_latest;';
    END IF;
    -- what comes after a reading of now is no hole yet
    IF reading."timestamp" > stop - 2.5 * coalesce(current_setting('tribe_power.interval', true)::interval, interval '5 minutes') THEN
        stop := least(stop, reading."timestamp");
    END IF;
    start := stop - span;
    step := seconds / width;
    FOR cell IN
        WITH power AS (
            -- from readings up to two days, from hourly totals beyond
            SELECT m.total_power_watts AS watts, m.total_power_watts AS low, m.total_power_watts AS high, m."timestamp" AS until,
                   m."timestamp" - greatest(coalesce(m.interval_seconds, 0), 0) * interval '1 second' AS since
            FROM @extschema@.tribe_power_metrics m
            WHERE span <= interval '2 days' AND m.node_name = node AND m."timestamp" > start AND m."timestamp" <= stop
              AND m.total_power_watts IS NOT NULL
            UNION ALL
            SELECT h.avg_total_power, h.avg_total_power, h.max_total_power, h.hour + interval '1 hour', h.hour
            FROM @extschema@.tribe_power_hourly h
            WHERE span > interval '2 days' AND h.node_name = node AND h.hour >= start AND h.hour < stop
              AND h.avg_total_power IS NOT NULL
        ), part AS (
            SELECT b, p.watts, p.low, p.high,
                   extract(epoch FROM least(p.until, start + (b + 1) * step * interval '1 second')
                                      - greatest(p.since, start + b * step * interval '1 second'))::double precision AS share,
                   p.until - p.since < step / 2 * interval '1 second' AS point
            FROM power p, generate_series(0, width - 1) b
            WHERE p.until > start + b * step * interval '1 second'
              AND (p.since < start + (b + 1) * step * interval '1 second' AND p.since < p.until
                   OR p.until <= start + (b + 1) * step * interval '1 second')
        ), mean AS (
            -- known if half of it is
            SELECT b, CASE WHEN sum(greatest(share, 0)) >= least(step, extract(epoch FROM stop - start)::double precision - b * step) / 2 OR bool_or(point)
                           THEN sum(greatest(share, 1e-3) * watts) / sum(greatest(share, 1e-3)) END AS watts,
                   min(low) AS low, max(high) AS high
            FROM part GROUP BY b
        )
        SELECT g.b, m.watts, min(m.low) OVER () AS low, max(m.high) OVER () AS high,
               min(m.watts) OVER () AS bottom, max(m.watts) OVER () AS top
        FROM generate_series(0, width - 1) g (b) LEFT JOIN mean m ON m.b = g.b
        ORDER BY g.b
    LOOP
        lowest := cell.low;
        highest := cell.high;
        line := line || CASE WHEN cell.watts IS NULL THEN ' '
            WHEN getdatabaseencoding() = 'UTF8'
            THEN chr(9601 + CASE WHEN cell.top - cell.bottom > 0.05 THEN round(7 * (cell.watts - cell.bottom) / (cell.top - cell.bottom)) ELSE 3 END::integer)
            ELSE substr('_.,-=+*#', 1 + CASE WHEN cell.top - cell.bottom > 0.05 THEN round(7 * (cell.watts - cell.bottom) / (cell.top - cell.bottom)) ELSE 3 END::integer, 1) END;
    END LOOP;
    IF highest IS NULL AND reading.watts IS NULL THEN
        RETURN line || '  no power known';
    END IF;
    RETURN line || format('  %s to %s W, now %s',
        coalesce(round(lowest::numeric, 1)::text, '-'), coalesce(round(highest::numeric, 1)::text, '-'),
        CASE WHEN reading.watts IS NULL THEN '-'
             ELSE round(reading.watts::numeric, 1) || ' W'
                  || CASE WHEN reading."timestamp" < now() - interval '15 minutes'
                          THEN ' at ' || to_char(reading."timestamp" AT TIME ZONE @extschema@.tribe_power_timezone(), 'DD Mon HH24:MI') ELSE '' END END);
END
$$;
COMMENT ON FUNCTION tribe_power_spark(text, interval, integer) IS
'A node''s total power over the last span (1 minute to 366 days), as a line of so many characters (4 to 400), with the lowest and the highest reading and the newest, W; the line goes from its own lowest to its highest mean; a blank is time whose power is not known. Beyond two days it is made of hourly totals, lowest then being that of hourly means. For \watch. Raises undefined_object for a node that is not registered, invalid_parameter_value.';
