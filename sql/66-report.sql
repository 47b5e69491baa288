-- The report page: its parts as JSON, and the page itself.  The parts are the
-- owner's; a monitor gets at them by tribe_power_report_data() alone, which
-- takes names and budgets from the registry and nothing else.

-- Power now, energy of today and of this month, nodes by state.
CREATE FUNCTION tribe_power_report_now() RETURNS json
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
    WITH node AS (
        SELECT s.total_power_watts, n.budget_peak_watts, coalesce(s.failures, 0) AS failures, s.last_reading,
               s.last_reading > now() - 2.5 * coalesce(n.poll_interval,
                   current_setting('tribe_power.interval', true)::interval, interval '5 minutes') AS fresh
        FROM @extschema@.tribe_power_nodes n
        LEFT JOIN @extschema@.tribe_power_node_status s ON s.node_name = n.node_name
        WHERE n.enabled
    ), today AS (
        SELECT date_trunc('day', now(), @extschema@.tribe_power_timezone()) AS day,
               date_trunc('month', now(), @extschema@.tribe_power_timezone()) AS month
    )
    SELECT json_build_object(
        'nodes', count(*),
        'fresh', count(*) FILTER (WHERE fresh),
        'known', count(*) FILTER (WHERE fresh AND total_power_watts IS NOT NULL),
        'failing', count(*) FILTER (WHERE failures > 0 OR NOT coalesce(fresh, false)),
        'watts', round((sum(total_power_watts) FILTER (WHERE fresh))::numeric, 1),
        'budget', CASE WHEN count(*) = count(budget_peak_watts) THEN sum(budget_peak_watts) END,
        'newest', extract(epoch FROM max(last_reading))::bigint,
        'today', (SELECT json_build_object('kwh', e.energy_kwh, 'coverage', e.coverage, 'nodes', e.nodes)
                  FROM today t, @extschema@.tribe_power_energy(t.day, now(), 'day', false) e),
        'month', (SELECT json_build_object('kwh', e.energy_kwh, 'coverage', e.coverage, 'nodes', e.nodes)
                  FROM today t, @extschema@.tribe_power_energy(t.month, now(), 'month', false) e))
    FROM node
$$;
COMMENT ON FUNCTION tribe_power_report_now() IS
'Used by tribe_power_report(): its tiles of now; W, kWh.';

-- The offsets of the zone that days are counted in, from where on they hold: the
-- page shows that zone's time wherever it is opened.
CREATE FUNCTION tribe_power_report_offsets("from" timestamptz, "to" timestamptz) RETURNS json
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
    WITH zone AS (SELECT @extschema@.tribe_power_timezone() AS name),
    day AS (
        SELECT d, extract(epoch FROM (d AT TIME ZONE name) - (d AT TIME ZONE 'UTC'))::integer AS away,
               extract(epoch FROM ((d + interval '24 hours') AT TIME ZONE name)
                                  - ((d + interval '24 hours') AT TIME ZONE 'UTC'))::integer AS away_after
        FROM zone, generate_series(date_trunc('hour', "from") - interval '24 hours', "to" + interval '48 hours', interval '24 hours') d
    ), change AS (
        SELECT (SELECT min(t) FROM generate_series(d, d + interval '24 hours', interval '15 minutes') t
                WHERE extract(epoch FROM (t AT TIME ZONE name) - (t AT TIME ZONE 'UTC'))::integer <> away) AS at,
               away_after AS away
        FROM day, zone WHERE away_after <> away
        UNION ALL
        (SELECT d, away FROM day ORDER BY d LIMIT 1)
    )
    SELECT json_agg(json_build_array(extract(epoch FROM at)::bigint, away) ORDER BY at) FROM change
$$;
COMMENT ON FUNCTION tribe_power_report_offsets(timestamptz, timestamptz) IS
'Used by tribe_power_report(): when the offset of tribe_power_timezone() from UTC changes in that time, and to how many seconds.';

-- Energy of the fleet by whole days, or months where there would be too many.
CREATE FUNCTION tribe_power_report_days("from" timestamptz, "to" timestamptz) RETURNS json
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
    WITH unit AS (
        SELECT CASE WHEN "to" - "from" <= interval '400 days' THEN 'day' ELSE 'month' END AS step,
               @extschema@.tribe_power_timezone() AS zone
    ), range AS (
        SELECT step, date_trunc(step, "from" AT TIME ZONE zone)::date AS first,
               (date_trunc(step, ("to" - interval '1 microsecond') AT TIME ZONE zone) + ('1 ' || step)::interval)::date AS stop
        FROM unit
    )
    SELECT json_build_object('step', r.step,
        'rows', (SELECT json_agg(json_build_object(
                            'at', extract(epoch FROM p.at)::bigint,
                            'kwh', round(e.energy_kwh::numeric, 7),
                            'coverage', round(e.coverage::numeric, 4),
                            'estimated', round(e.energy_kwh_estimated::numeric, 7),
                            'counter', round(e.energy_kwh_counter::numeric, 7),
                            'nodes', e.nodes) ORDER BY p.at)
                 FROM (SELECT @extschema@.tribe_power_day_start(d::date) AS at
                       FROM generate_series(r.first::timestamp, r.stop - interval '1 day', ('1 ' || r.step)::interval) d) p
                 LEFT JOIN @extschema@.tribe_power_energy(@extschema@.tribe_power_day_start(r.first),
                     @extschema@.tribe_power_day_start(r.stop), r.step, false) e ON e.period = p.at))
    FROM range r
$$;
COMMENT ON FUNCTION tribe_power_report_days(timestamptz, timestamptz) IS
'Used by tribe_power_report(): kWh of the fleet with coverage, for each whole day that has part in that time (beyond 400 days: month).';

-- Hour of the day by day of the week.  Each node counts by its own mean, so that
-- an hour in which one was not read isn't taken for one of little power.
CREATE FUNCTION tribe_power_report_week("from" timestamptz, "to" timestamptz) RETURNS json
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    most_rows CONSTANT integer := 350000;
    zone CONSTANT text := @extschema@.tribe_power_timezone();
    start timestamptz := date_trunc('hour', "from", zone);
    nodes integer;
    result json;
BEGIN
    SELECT count(DISTINCT d.node_name) INTO nodes FROM @extschema@.tribe_power_daily d
    WHERE d.date > ("to" AT TIME ZONE zone)::date - 2;
    start := greatest(start, "to" - greatest(most_rows / (168 * greatest(nodes, 1)), 1) * interval '7 days');
    WITH hour AS (
        SELECT h.node_name, extract(isodow FROM h.hour AT TIME ZONE zone)::integer - 1 AS day,
               extract(hour FROM h.hour AT TIME ZONE zone)::integer AS hour,
               h.energy_kwh, CASE WHEN h.energy_kwh IS NOT NULL THEN h.covered_seconds END AS covered
        FROM @extschema@.tribe_power_hourly h
        WHERE h.hour >= start AND h.hour < "to"
    ), mean AS (
        SELECT day, hour, sum(energy_kwh) * 3.6e6 / nullif(sum(covered), 0) AS watts, sum(covered) AS covered
        FROM hour GROUP BY node_name, day, hour
    )
    SELECT json_build_object('from', extract(epoch FROM start)::bigint,
        'cells', (SELECT json_agg(json_build_array(c.day, c.hour, round(c.watts::numeric, 1), c.nodes) ORDER BY c.day, c.hour)
                  FROM (SELECT day, hour, sum(watts) AS watts, count(watts) AS nodes FROM mean
                        WHERE watts IS NOT NULL GROUP BY day, hour) c))
    INTO result;
    RETURN result;
END
$$;
COMMENT ON FUNCTION tribe_power_report_week(timestamptz, timestamptz) IS
'Used by tribe_power_report(): [weekday from 0 = Monday, hour, W, nodes], the sum of the nodes'' mean powers at that hour of the week; from is later than asked for where there are too many hours.';

-- What each node suffers from now.
CREATE FUNCTION tribe_power_report_problems() RETURNS json
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
    WITH problem AS (
        SELECT n.node_name AS node, s.last_outcome AS what, s.last_error AS detail,
               extract(epoch FROM s.last_success)::bigint AS since, s.failures, NULL::text AS remedy, 1 AS rank
        FROM @extschema@.tribe_power_nodes n
        JOIN @extschema@.tribe_power_node_status s ON s.node_name = n.node_name
        WHERE n.enabled AND s.failures > 0
        UNION ALL
        SELECT n.node_name, p.key || ' ' || coalesce(p.value #>> '{}', ''), NULL, NULL, NULL,
               nullif(@extschema@.tribe_power_remedy(p.key, p.value #>> '{}'), ''), 2
        FROM @extschema@.tribe_power_nodes n
        JOIN @extschema@.tribe_power_node_status s ON s.node_name = n.node_name
        CROSS JOIN LATERAL jsonb_each(CASE WHEN jsonb_typeof(s.problems) = 'object' THEN s.problems END) p
        WHERE n.enabled
    )
    SELECT json_build_object('count', (SELECT count(*) FROM problem),
        'rows', (SELECT json_agg(json_build_object('node', node, 'what', what, 'detail', left(detail, 500),
                                                   'since', since, 'failures', failures, 'remedy', remedy) ORDER BY rank, node, what)
                 FROM (SELECT * FROM problem ORDER BY rank, node, what LIMIT 200) p))
$$;
COMMENT ON FUNCTION tribe_power_report_problems() IS
'Used by tribe_power_report(): the nodes whose last poll failed, and the problems of their newest readings with what to do; 200 at most, and how many there are.';
