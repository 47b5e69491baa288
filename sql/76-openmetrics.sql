-- The newest readings as text for Prometheus and its like.

CREATE FUNCTION tribe_power_openmetrics(format text DEFAULT 'openmetrics') RETURNS text
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    SET jit = off
    AS $$
DECLARE
    open CONSTANT boolean := format = 'openmetrics';
    every CONSTANT interval := coalesce(current_setting('tribe_power.interval', true)::interval, interval '5 minutes');
    written text;
BEGIN
    IF format IS NULL OR format NOT IN ('openmetrics', 'prometheus') THEN
        RAISE EXCEPTION 'invalid format: %', quote_nullable(format)
            USING ERRCODE = 'invalid_parameter_value',
                  HINT = 'Use openmetrics, or prometheus for the older text format.';
    END IF;
    WITH status AS MATERIALIZED (
        SELECT n.node_name, s.last_outcome, s.last_attempt, s.last_reading, s.failures, s.elapsed_ms,
               s.energy_joules, s.energy_seconds, s.problems,
               n.budget_idle_watts, n.budget_typical_watts, n.budget_peak_watts,
               'node="' || replace(replace(replace(n.node_name, '\', '\\'), '"', '\"'), E'\n', '\n') || '"' AS label,
               f.fresh,
               s.total_power_watts, s.cpu_power_watts, s.gpu_power_watts, s.dram_power_watts, s.platform_power_watts,
               s.cpu_temp_celsius, s.gpu_temp_celsius, s.cpu_utilization, s.gpu_utilization,
               s.memory_used_gb, s.memory_total_gb
        FROM @extschema@.tribe_power_nodes n
        LEFT JOIN @extschema@.tribe_power_node_status s ON s.node_name = n.node_name
        CROSS JOIN LATERAL (
            -- a gauge that is old is left out: nothing is said, rather than something of yesterday
            SELECT coalesce(s.last_reading > now() - 2.5 * coalesce(n.poll_interval, every), false)) f (fresh)
        WHERE n.enabled
    ), family (place, name, type, unit, help) AS (VALUES
        (1, 'tribe_power_build', 'info', '', 'The library''s release.'),
        (2, 'tribe_power_up', 'gauge', '', 'Whether the last poll of the node gave a report, and that is not older than two and a half intervals.'),
        (3, 'tribe_power_failures', 'gauge', '', 'Failed polls in a row.'),
        (4, 'tribe_power_poll_duration_seconds', 'gauge', 'seconds', 'How long the last poll took.'),
        (5, 'tribe_power_reading_timestamp_seconds', 'gauge', 'seconds', 'When the newest reading came, in seconds since 1970.'),
        (6, 'tribe_power_total_power_watts', 'gauge', 'watts', 'CPU packages, memory and discrete GPUs.'),
        (7, 'tribe_power_cpu_power_watts', 'gauge', 'watts', 'CPU packages.'),
        (8, 'tribe_power_gpu_power_watts', 'gauge', 'watts', 'GPUs.'),
        (9, 'tribe_power_dram_power_watts', 'gauge', 'watts', 'Memory.'),
        (10, 'tribe_power_platform_power_watts', 'gauge', 'watts', 'The whole machine; contains the others.'),
        (11, 'tribe_power_energy_joules', 'counter', 'joules', 'Energy that was measured since the node was registered.'),
        (12, 'tribe_power_energy_known_seconds', 'counter', 'seconds', 'Time whose energy is in tribe_power_energy_joules_total.'),
        (13, 'tribe_power_cpu_temperature_celsius', 'gauge', 'celsius', 'The hottest CPU package.'),
        (14, 'tribe_power_gpu_temperature_celsius', 'gauge', 'celsius', 'The hottest GPU.'),
        (15, 'tribe_power_cpu_utilization_ratio', 'gauge', 'ratio', 'CPU time not idle, 0 to 1.'),
        (16, 'tribe_power_gpu_utilization_ratio', 'gauge', 'ratio', 'Mean over the GPUs, 0 to 1.'),
        (17, 'tribe_power_memory_used_bytes', 'gauge', 'bytes', 'Memory in use.'),
        (18, 'tribe_power_memory_size_bytes', 'gauge', 'bytes', 'Memory.'),
        (19, 'tribe_power_budget_watts', 'gauge', 'watts', 'Power budget of the node, by kind.'),
        (20, 'tribe_power_problem', 'gauge', '', '1 for each problem of the newest reading.'),
        (21, 'tribe_power_alert', 'gauge', '', '1 for each alert that is raised; node is empty for the fleet.')
    ), sample (place, label, value) AS (
        SELECT 1, 'version="' || @extschema@.tribe_power_version() || '"', '1'
        UNION ALL
        SELECT v.place, s.label, v.value
        FROM status s
        CROSS JOIN LATERAL (VALUES
            (2, (s.fresh AND s.last_outcome = 'read')::integer::text),
            (3, s.failures::text),
            (4, (s.elapsed_ms / 1000.0::double precision)::text),
            (5, round(extract(epoch FROM s.last_reading), 3)::text),
            (6, CASE WHEN s.fresh THEN s.total_power_watts::text END),
            (7, CASE WHEN s.fresh THEN s.cpu_power_watts::text END),
            (8, CASE WHEN s.fresh THEN s.gpu_power_watts::text END),
            (9, CASE WHEN s.fresh THEN s.dram_power_watts::text END),
            (10, CASE WHEN s.fresh THEN s.platform_power_watts::text END),
            (11, CASE WHEN s.last_reading IS NOT NULL THEN s.energy_joules::text END),
            (12, CASE WHEN s.last_reading IS NOT NULL THEN s.energy_seconds::text END),
            (13, CASE WHEN s.fresh THEN s.cpu_temp_celsius::text END),
            (14, CASE WHEN s.fresh THEN s.gpu_temp_celsius::text END),
            (15, CASE WHEN s.fresh THEN (s.cpu_utilization / 100)::text END),
            (16, CASE WHEN s.fresh THEN (s.gpu_utilization / 100)::text END),
            (17, CASE WHEN s.fresh THEN round(s.memory_used_gb::numeric * 1073741824)::text END),
            (18, CASE WHEN s.fresh THEN round(s.memory_total_gb::numeric * 1073741824)::text END)) v (place, value)
        UNION ALL
        SELECT 19, s.label || ',budget="' || b.budget || '"', b.watts::text
        FROM status s
        CROSS JOIN LATERAL (VALUES ('idle', s.budget_idle_watts), ('typical', s.budget_typical_watts),
                                   ('peak', s.budget_peak_watts)) b (budget, watts)
        UNION ALL
        SELECT 20, s.label || ',section="' || p.key || '",reason="' || p.value || '"', '1'
        FROM status s CROSS JOIN LATERAL jsonb_each_text(s.problems) p
        WHERE s.fresh
        UNION ALL
        SELECT 21, coalesce(s.label, 'node=""') || ',kind="' || a.kind || '"', '1'
        FROM @extschema@.tribe_power_alerts a
        LEFT JOIN status s ON s.node_name = a.node_name
        WHERE s.label IS NOT NULL OR a.node_name = ''
    ), lines AS (
        SELECT f.place, string_agg(
                   f.name || CASE f.type WHEN 'counter' THEN '_total' WHEN 'info' THEN '_info' ELSE '' END
                   || '{' || s.label || '} ' || s.value, E'\n' ORDER BY s.label) AS lines
        FROM sample s JOIN family f ON f.place = s.place
        WHERE s.value IS NOT NULL
        GROUP BY f.place
    )
    SELECT string_agg(
        -- the older format knows neither units nor info, and counters by their whole name
        '# HELP ' || m.name || ' ' || f.help || E'\n'
        || '# TYPE ' || m.name || ' ' || CASE WHEN f.type = 'info' AND NOT open THEN 'gauge' ELSE f.type END || E'\n'
        || CASE WHEN open AND f.unit <> '' THEN '# UNIT ' || m.name || ' ' || f.unit || E'\n' ELSE '' END
        || l.lines || E'\n', '' ORDER BY f.place)
    INTO written
    FROM lines l
    JOIN family f ON f.place = l.place
    CROSS JOIN LATERAL (
        SELECT f.name || CASE WHEN open THEN '' WHEN f.type = 'counter' THEN '_total'
                              WHEN f.type = 'info' THEN '_info' ELSE '' END) m (name);
    -- the last line is ended by whoever prints it
    RETURN CASE WHEN open THEN written || '# EOF' ELSE rtrim(written, E'\n') END;
END
$$;
COMMENT ON FUNCTION tribe_power_openmetrics(text) IS
'The enabled nodes in the text format of OpenMetrics, or with format prometheus in the older one of Prometheus, which node_exporter''s textfile collector reads. Gauges of readings older than two and a half intervals are left out. Energy is a counter: it begins at 0 when the node is registered and never goes down, whatever retention deletes. Reads no history. Raises invalid_parameter_value for another format.';
