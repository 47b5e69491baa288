-- Nodes and steps put together, and the page around them.

CREATE FUNCTION tribe_power_report_series("from" timestamptz, "to" timestamptz, source text, step integer, steps integer)
    RETURNS json
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
#variable_conflict use_column
DECLARE
    most_series CONSTANT integer := 12;
    most_rows CONSTANT integer := 1000;
    result json;
BEGIN
    WITH cell AS MATERIALIZED (
        SELECT * FROM @extschema@.tribe_power_report_cells("from", "to", source, step, steps)
        WHERE bucket BETWEEN 0 AND steps - 1
    ), sum_of AS (
        SELECT node_name, sum(joules) AS joules, coalesce(sum(covered), 0) AS covered, max(high) AS peak,
               sum(joules) / nullif(sum(covered) FILTER (WHERE joules IS NOT NULL), 0) AS mean, count(watts) AS known,
               count(coalesce(watts, cpu, gpu, cpu_temp, gpu_temp)) AS shown
        FROM cell GROUP BY node_name
    ), node AS (
        SELECT coalesce(n.node_name, s.node_name) AS name, n.node_name IS NOT NULL AS registered, n.enabled,
               n.budget_idle_watts, n.budget_typical_watts, n.budget_peak_watts,
               u.last_reading, u.total_power_watts AS now, u.last_outcome, u.last_error, coalesce(u.failures, 0) AS failures, u.problems,
               u.last_reading > now() - 2.5 * coalesce(n.poll_interval,
                   current_setting('tribe_power.interval', true)::interval, interval '5 minutes') AS fresh,
               s.joules, s.covered, s.peak, s.mean, coalesce(s.known, 0) AS known, coalesce(s.shown, 0) AS shown,
               row_number() OVER (ORDER BY coalesce(s.known, 0) = 0, s.joules DESC NULLS LAST, s.shown DESC NULLS LAST,
                                           coalesce(n.node_name, s.node_name)) AS rank
        FROM @extschema@.tribe_power_nodes n
        FULL JOIN sum_of s ON s.node_name = n.node_name
        LEFT JOIN @extschema@.tribe_power_node_status u ON u.node_name = coalesce(n.node_name, s.node_name)
    ), size AS (
        SELECT count(*) FILTER (WHERE shown > 0) AS charted, count(*) FILTER (WHERE known > 0) AS known,
               CASE WHEN count(*) FILTER (WHERE shown > 0) <= most_series THEN most_series ELSE most_series - 2 END AS top
        FROM node
    ), top AS (
        SELECT n.* FROM node n, size z WHERE n.rank <= z.top AND n.shown > 0
    ), point AS (
        SELECT t.name, t.rank, c.*
        FROM top t CROSS JOIN generate_series(0, steps - 1) b
        LEFT JOIN cell c ON c.node_name = t.name AND c.bucket = b
        ORDER BY t.rank, b
    ), line AS (
        SELECT rank, json_strip_nulls(json_build_object('name', name,
            'watts', array_to_json(array_agg(round(watts::numeric, 1))),
            'low', CASE WHEN count(*) FILTER (WHERE high - low > 0.05) > 0 THEN array_to_json(array_agg(round(low::numeric, 1))) END,
            'high', CASE WHEN count(*) FILTER (WHERE high - low > 0.05) > 0 THEN array_to_json(array_agg(round(high::numeric, 1))) END,
            'cpu', CASE WHEN count(cpu) > 0 THEN array_to_json(array_agg(round(cpu::numeric, 1))) END,
            'gpu', CASE WHEN count(gpu) > 0 THEN array_to_json(array_agg(round(gpu::numeric, 1))) END,
            'dram', CASE WHEN count(dram) > 0 THEN array_to_json(array_agg(round(dram::numeric, 1))) END,
            'platform', CASE WHEN count(platform) > 0 THEN array_to_json(array_agg(round(platform::numeric, 1))) END,
            'cpuTemp', CASE WHEN count(cpu_temp) > 0 THEN array_to_json(array_agg(round(cpu_temp::numeric, 1))) END,
            'gpuTemp', CASE WHEN count(gpu_temp) > 0 THEN array_to_json(array_agg(round(gpu_temp::numeric, 1))) END)) AS line
        FROM point GROUP BY rank, name
    ), fleet_step AS (
        SELECT b, count(c.watts) AS known, sum(c.watts) AS watts, sum(c.cpu) AS cpu, sum(c.gpu) AS gpu,
               sum(c.dram) AS dram,
               -- of some nodes only it would be less than their parts
               CASE WHEN count(c.platform) = count(c.watts) THEN sum(c.platform) END AS platform,
               sum(c.watts) FILTER (WHERE c.node_name NOT IN (SELECT name FROM top)) AS others
        FROM generate_series(0, steps - 1) b
        LEFT JOIN cell c ON c.bucket = b
        GROUP BY b ORDER BY b
    ), spark AS (
        SELECT node_name, string_agg(CASE WHEN watts IS NULL THEN ' ' ELSE
                   substr('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+-',
                          1 + least(63, greatest(0, round(63 * watts / greatest(most, 1e-9))))::integer, 1) END, '' ORDER BY bin) AS line
        FROM (SELECT n.name AS node_name, g.bin, m.watts, max(m.watts) OVER (PARTITION BY n.name) AS most
              FROM (SELECT name FROM node WHERE known > 0 AND rank <= most_rows) n
              CROSS JOIN generate_series(0, least(48, steps) - 1) g (bin)
              LEFT JOIN (SELECT c.node_name, c.bucket * least(48, steps) / steps AS bin, avg(c.watts) AS watts
                         FROM cell c GROUP BY 1, 2) m ON m.node_name = n.name AND m.bin = g.bin) s
        GROUP BY node_name
    ), fleet AS MATERIALIZED (
        SELECT node_name, state FROM @extschema@.tribe_power_fleet
    ), listed AS (
        SELECT n.rank, json_strip_nulls(json_build_object('name', n.name,
            'state', CASE WHEN NOT n.registered THEN 'gone' WHEN NOT n.enabled THEN 'paused'
                          WHEN n.failures > 0 THEN 'failing' WHEN n.last_reading IS NULL THEN 'never'
                          WHEN NOT n.fresh THEN 'silent' WHEN f.state IN ('over', 'high') THEN f.state
                          WHEN n.problems IS NOT NULL THEN 'partial' ELSE 'ok' END,
            'load', f.state,
            'reason', left(CASE WHEN n.failures > 0 THEN coalesce(n.last_error, n.last_outcome)
                           ELSE (SELECT string_agg(p.key || ' ' || coalesce(p.value #>> '{}', ''), ', ' ORDER BY p.key)
                                 FROM jsonb_each(CASE WHEN jsonb_typeof(n.problems) = 'object' THEN n.problems END) p) END, 300),
            'now', CASE WHEN n.fresh THEN round(n.now::numeric, 1) END,
            'read', extract(epoch FROM n.last_reading)::bigint,
            'idle', n.budget_idle_watts, 'typical', n.budget_typical_watts, 'budget', n.budget_peak_watts,
            'kwh', round((n.joules / 3.6e6)::numeric, 7), 'covered', round(n.covered::numeric),
            'mean', round(n.mean::numeric, 1), 'peak', round(n.peak::numeric, 1), 'spark', s.line)) AS line
        FROM node n LEFT JOIN spark s ON s.node_name = n.name
        LEFT JOIN fleet f ON f.node_name = n.name
        WHERE n.rank <= most_rows OR (n.failures > 0 AND n.enabled)
        ORDER BY n.failures = 0, n.rank LIMIT most_rows + 200
    ), run AS (
        SELECT c.node_name, c.bucket, lag(c.bucket, 1, -1) OVER w AS before, lead(c.bucket) OVER w AS after
        FROM cell c JOIN node n ON n.name = c.node_name
        WHERE c.watts IS NOT NULL AND n.known < steps
        WINDOW w AS (PARTITION BY n.rank ORDER BY c.bucket)
    ), hole AS (
        SELECT node_name, before + 1 AS start, bucket AS stop FROM run WHERE bucket > before + 1
        UNION ALL
        SELECT node_name, bucket + 1, steps FROM run WHERE after IS NULL AND bucket < steps - 1
    )
    SELECT json_build_object(
        'nodeCount', (SELECT count(*) FROM node), 'charted', z.charted, 'withPower', z.known,
        'series', (SELECT json_agg(line ORDER BY rank) FROM line),
        'fleet', (SELECT json_strip_nulls(json_build_object(
            'known', array_to_json(array_agg(known)), 'watts', array_to_json(array_agg(round(watts::numeric, 1))),
            'cpu', CASE WHEN count(cpu) > 0 THEN array_to_json(array_agg(round(cpu::numeric, 1))) END,
            'gpu', CASE WHEN count(gpu) > 0 THEN array_to_json(array_agg(round(gpu::numeric, 1))) END,
            'dram', CASE WHEN count(dram) > 0 THEN array_to_json(array_agg(round(dram::numeric, 1))) END,
            'platform', CASE WHEN count(platform) > 0 THEN array_to_json(array_agg(round(platform::numeric, 1))) END,
            'others', CASE WHEN z.charted > z.top THEN array_to_json(array_agg(round(others::numeric, 1))) END))
            FROM fleet_step),
        'kwh', (SELECT sum(joules) / 3.6e6 FROM node), 'covered', (SELECT coalesce(sum(covered), 0) FROM node WHERE known > 0),
        'peak', (SELECT json_build_object('node', name, 'watts', round(peak::numeric, 1)) FROM node
                 WHERE peak IS NOT NULL ORDER BY peak DESC, name LIMIT 1),
        'nodes', (SELECT json_agg(line ORDER BY rank) FROM listed),
        'holeCount', (SELECT count(*) FROM hole),
        'holes', (SELECT json_agg(json_build_array(node_name, start, stop) ORDER BY stop - start DESC, node_name, start)
                  FROM (SELECT * FROM hole ORDER BY stop - start DESC, node_name, start LIMIT 200) h))
    INTO result
    FROM size z;
    RETURN result;
END
$$;
COMMENT ON FUNCTION tribe_power_report_series(timestamptz, timestamptz, text, integer, integer) IS
'Used by tribe_power_report(): the nodes with their power by step, W, the twelve of most energy by themselves; each node''s row; the holes, as [node, first step, step after].';

CREATE FUNCTION tribe_power_report_data("from" timestamptz DEFAULT NULL, "to" timestamptz DEFAULT NULL) RETURNS json
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    -- many groups, few rows: a compiler would take longer than it saves
    SET work_mem = '64MB'
    SET jit = off
    AS $$
DECLARE
    range record;
    plan record;
    zone CONSTANT text := @extschema@.tribe_power_timezone();
BEGIN
    range := @extschema@.tribe_power_report_range("from", "to");
    plan := @extschema@.tribe_power_report_plan(range."from", range."to");
    RETURN json_build_object(
        'version', @extschema@.tribe_power_version(),
        'made', extract(epoch FROM now())::bigint, 'zone', zone,
        'from', extract(epoch FROM plan."from")::bigint, 'to', extract(epoch FROM plan."to")::bigint,
        'source', plan.source, 'step', plan.step,
        'edges', (SELECT array_to_json(array_agg(extract(epoch FROM
                             CASE WHEN plan.step < 86400 OR plan.source = 'readings' THEN plan."from" + i * plan.step * interval '1 second'
                                  ELSE @extschema@.tribe_power_day_start((plan."from" AT TIME ZONE zone)::date + i * (plan.step / 86400)) END)::bigint ORDER BY i))
                  FROM generate_series(0, plan.steps) i),
        'offsets', @extschema@.tribe_power_report_offsets(least(plan."from", now()), greatest(plan."to", now())),
        'now', @extschema@.tribe_power_report_now(),
        'days', @extschema@.tribe_power_report_days(range."from", range."to"),
        'week', @extschema@.tribe_power_report_week(range."from", range."to"),
        'problems', @extschema@.tribe_power_report_problems(),
        'events', @extschema@.tribe_power_report_events(range."from", range."to"),
        'cost', @extschema@.tribe_power_report_cost(plan."from", plan."to"),
        'all', @extschema@.tribe_power_report_series(plan."from", plan."to", plan.source, plan.step, plan.steps));
END
$$;
COMMENT ON FUNCTION tribe_power_report_data(timestamptz, timestamptz) IS
'What tribe_power_report() shows, as JSON: W, kWh, °C, seconds since 1970; null: not known. Its keys may change with any release. Raises what tribe_power_report() does.';

-- Text that may stand in a script element of a page: no markup, and nothing that
-- turns the direction of what follows or can't be seen.
CREATE FUNCTION tribe_power_report_escape(data text) RETURNS text
    LANGUAGE plpgsql IMMUTABLE STRICT
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    code integer;
BEGIN
    data := replace(replace(replace(data, '<', '\u003c'), '>', '\u003e'), '&', '\u0026');
    IF getdatabaseencoding() = 'UTF8' THEN
        FOREACH code IN ARRAY ARRAY[1564, 8203, 8204, 8206, 8207, 8232, 8233, 8234, 8235, 8236, 8237, 8238,
                                    8288, 8294, 8295, 8296, 8297, 65279] LOOP
            data := replace(data, chr(code), '\u' || lpad(to_hex(code), 4, '0'));
        END LOOP;
    END IF;
    RETURN data;
END
$$;
COMMENT ON FUNCTION tribe_power_report_escape(text) IS
'Used by tribe_power_report(): JSON made fit for a script element of a page: markup, line separators and characters that turn the direction of text are written as \uXXXX, which they may be as they stand in JSON strings only.';

CREATE FUNCTION tribe_power_report("from" timestamptz DEFAULT NULL, "to" timestamptz DEFAULT NULL) RETURNS text
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    style CONSTANT text := @extschema@.tribe_power_report_file('uPlot.min.css')
                           || @extschema@.tribe_power_report_file('page.css');
    library CONSTANT text := E'/*\n' || @extschema@.tribe_power_report_file('uPlot.LICENSE') || E'\n*/\n'
                             || @extschema@.tribe_power_report_file('uPlot.iife.min.js');
    script CONSTANT text := @extschema@.tribe_power_report_file('base.js') || @extschema@.tribe_power_report_file('charts.js')
                            || @extschema@.tribe_power_report_file('tables.js') || @extschema@.tribe_power_report_file('page.js');
    page text := @extschema@.tribe_power_report_file('page.html');
BEGIN
    -- nothing runs and nothing styles but what these sums are of
    page := replace(page, '@POLICY@', format('script-src ''sha256-%s'' ''sha256-%s''; style-src ''sha256-%s''',
        encode(sha256(convert_to(library, 'UTF8')), 'base64'), encode(sha256(convert_to(script, 'UTF8')), 'base64'),
        encode(sha256(convert_to(style, 'UTF8')), 'base64')));
    page := replace(page, '@STYLE@', style);
    page := replace(page, '@LIBRARY@', library);
    page := replace(page, '@SCRIPT@', script);
    -- last, since it can say anything
    RETURN replace(page, '@DATA@',
        @extschema@.tribe_power_report_escape(@extschema@.tribe_power_report_data("from", "to")::text));
END
$$;
COMMENT ON FUNCTION tribe_power_report(timestamptz, timestamptz) IS
'A web page of its own, as text, on the power of the fleet in [from, to): psql -XAtc "SELECT tribe_power_report()" > power.html. It needs no network and holds no login and no key, and an address only where the error of a failed poll names one. NULL for to is now; for from, seven days before, or the first reading since. Up to 20 years. Raises invalid_parameter_value for infinite times, or from not before to.';
