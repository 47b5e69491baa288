-- Takes over the tables of an earlier collector.  Their columns are known by
-- name; types may be any that can be read as a number, a time or JSON.

-- Text to number, time or JSON; NULL for what is none, so that one bad row does
-- not keep the rest out.
CREATE FUNCTION tribe_power_import_number(value text) RETURNS double precision
    LANGUAGE plpgsql IMMUTABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    number double precision;
BEGIN
    number := value::double precision;
    -- what a column of type real can hold
    RETURN CASE WHEN abs(number) < 1e-30 THEN 0 WHEN abs(number) < 1e30 THEN number END;
EXCEPTION WHEN data_exception THEN
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION tribe_power_import_number(text) IS
'Used by tribe_power_import(): the number that a text says; NULL if it says none that is finite and below 1e30.';

-- Seconds since 1970 or, where they would be past the year 5138, milliseconds.
CREATE FUNCTION tribe_power_import_epoch(value double precision) RETURNS timestamptz
    LANGUAGE sql IMMUTABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
    SELECT CASE WHEN abs(value) < 1e11 THEN to_timestamp(value)
                WHEN abs(value) < 1e14 THEN to_timestamp(value / 1000) END
$$;
COMMENT ON FUNCTION tribe_power_import_epoch(double precision) IS
'Used by tribe_power_import(): the time of so many seconds, or milliseconds, since 1970; NULL for what is neither.';

CREATE FUNCTION tribe_power_import_time(value text) RETURNS timestamptz
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    IF value ~ '^\s*\d{9,13}(\.\d*)?\s*$' THEN
        RETURN @extschema@.tribe_power_import_epoch(value::double precision);
    END IF;
    RETURN value::timestamptz;
EXCEPTION WHEN data_exception THEN
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION tribe_power_import_time(text) IS
'Used by tribe_power_import(): the time that a text says, ISO 8601 or seconds since 1970; NULL if it says none.';

CREATE FUNCTION tribe_power_import_json(value text) RETURNS jsonb
    LANGUAGE plpgsql IMMUTABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    RETURN value::jsonb;
EXCEPTION WHEN data_exception THEN
    RETURN to_jsonb(value);
END
$$;
COMMENT ON FUNCTION tribe_power_import_json(text) IS
'Used by tribe_power_import(): the JSON that a text holds; else the text as a JSON string.';

-- An expression of SQL for a column of an old table; NULL of the type if it has none.
CREATE FUNCTION tribe_power_import_column(old regclass, name text, wanted text) RETURNS text
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
    SELECT coalesce(
        (SELECT CASE
                    WHEN wanted = 'number' AND a.atttypid IN ('int2'::regtype, 'int4'::regtype, 'int8'::regtype)
                        THEN format('o.%I::double precision', name)
                    -- neither NaN nor infinite, nor more than a column of type real can hold
                    WHEN wanted = 'number' AND a.atttypid IN ('numeric'::regtype, 'real'::regtype, 'double precision'::regtype, 'money'::regtype)
                        THEN format('CASE WHEN abs(o.%1$I%2$s) < 1e-30 THEN 0 WHEN abs(o.%1$I%2$s) < 1e30 THEN o.%1$I%2$s::double precision END', name,
                                    CASE WHEN a.atttypid = 'money'::regtype THEN '::numeric' END)
                    WHEN wanted = 'number' THEN format('@extschema@.tribe_power_import_number(o.%I::text)', name)
                    WHEN wanted = 'json' AND a.atttypid = 'jsonb'::regtype THEN format('o.%I', name)
                    WHEN wanted = 'json' THEN format('@extschema@.tribe_power_import_json(o.%I::text)', name)
                    WHEN wanted = 'timestamptz' AND a.atttypid IN ('int8'::regtype, 'int4'::regtype, 'float8'::regtype, 'numeric'::regtype)
                        THEN format('@extschema@.tribe_power_import_epoch(o.%I::double precision)', name)
                    WHEN wanted = 'timestamptz' AND a.atttypid NOT IN ('timestamptz'::regtype, 'timestamp'::regtype, 'date'::regtype)
                        THEN format('@extschema@.tribe_power_import_time(o.%I::text)', name)
                    WHEN wanted = 'date' AND a.atttypid NOT IN ('timestamptz'::regtype, 'timestamp'::regtype, 'date'::regtype)
                        THEN format('@extschema@.tribe_power_import_time(o.%I::text)::date', name)
                    WHEN wanted = 'text' AND a.atttypid = 'inet'::regtype THEN format('host(o.%I)', name)
                    ELSE format('o.%I::%s', name, wanted)
                END
         FROM pg_attribute a
         WHERE a.attrelid = old AND a.attname = name AND a.attnum > 0 AND NOT a.attisdropped),
        CASE wanted WHEN 'number' THEN 'NULL::double precision' WHEN 'json' THEN 'NULL::jsonb'
                    ELSE 'NULL::' || wanted END)
$$;
COMMENT ON FUNCTION tribe_power_import_column(regclass, text, text) IS
'Used by tribe_power_import(): how to read a column of an old table.';

CREATE FUNCTION tribe_power_import_check(old regclass, columns text[]) RETURNS void
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    missing text;
BEGIN
    SELECT c INTO missing FROM unnest(columns) c
    WHERE NOT EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = old AND a.attname = c AND a.attnum > 0 AND NOT a.attisdropped)
    LIMIT 1;
    IF missing IS NOT NULL THEN
        RAISE EXCEPTION 'table % has no column "%"', old, missing
            USING ERRCODE = 'undefined_column',
                  HINT = 'tribe_power_import(metrics, daily) takes the tables of the earlier collector, in this order.';
    END IF;
END
$$;
COMMENT ON FUNCTION tribe_power_import_check(regclass, text[]) IS
'Used by tribe_power_import(): raises undefined_column if a table lacks one of these.';

CREATE FUNCTION tribe_power_import(
    metrics regclass DEFAULT NULL,
    daily regclass DEFAULT NULL,
    OUT source regclass,
    OUT rows_found bigint,
    OUT rows_imported bigint,
    OUT rows_there_already bigint,
    OUT rows_unusable bigint)
    RETURNS SETOF record
    LANGUAGE plpgsql VOLATILE
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    zone CONSTANT text := @extschema@.tribe_power_timezone();
    session_zone CONSTANT text := current_setting('TimeZone');
    at timestamptz;
    usable bigint;
BEGIN
    -- a timestamp without a zone is of the zone that days are counted in
    PERFORM set_config('TimeZone', zone, true);
    IF metrics IN ('@extschema@.tribe_power_metrics'::regclass, '@extschema@.tribe_power_daily'::regclass)
        OR daily IN ('@extschema@.tribe_power_metrics'::regclass, '@extschema@.tribe_power_daily'::regclass) THEN
        RAISE EXCEPTION 'a table cannot be imported into itself' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    PERFORM @extschema@.tribe_power_import_check(t.old, t.columns)
    FROM (VALUES (metrics, ARRAY['node_name', 'timestamp']), (daily, ARRAY['node_name', 'date'])) t (old, columns)
    WHERE t.old IS NOT NULL;

    IF metrics IS NOT NULL THEN
        EXECUTE format('CREATE TEMP TABLE tribe_power_importing ON COMMIT DROP AS '
            'SELECT %s AS node_name, %s AS at, %s AS node_ip, %s AS cpu_power, %s AS cpu_temp, %s AS cpu_use, '
            '%s AS gpu_power, %s AS gpu_temp, %s AS gpu_use, %s AS memory_used, %s AS memory_total, %s AS total, %s AS raw FROM %s o',
            @extschema@.tribe_power_import_column(metrics, 'node_name', 'text'),
            @extschema@.tribe_power_import_column(metrics, 'timestamp', 'timestamptz'),
            @extschema@.tribe_power_import_column(metrics, 'node_ip', 'text'),
            @extschema@.tribe_power_import_column(metrics, 'cpu_power_watts', 'number'),
            @extschema@.tribe_power_import_column(metrics, 'cpu_temp_celsius', 'number'),
            @extschema@.tribe_power_import_column(metrics, 'cpu_utilization', 'number'),
            @extschema@.tribe_power_import_column(metrics, 'gpu_power_watts', 'number'),
            @extschema@.tribe_power_import_column(metrics, 'gpu_temp_celsius', 'number'),
            @extschema@.tribe_power_import_column(metrics, 'gpu_utilization', 'number'),
            @extschema@.tribe_power_import_column(metrics, 'memory_used_gb', 'number'),
            @extschema@.tribe_power_import_column(metrics, 'memory_total_gb', 'number'),
            @extschema@.tribe_power_import_column(metrics, 'total_power_watts', 'number'),
            @extschema@.tribe_power_import_column(metrics, 'raw_data', 'json'),
            metrics);
        GET DIAGNOSTICS rows_found = ROW_COUNT;
        SELECT count(*) INTO usable FROM pg_temp.tribe_power_importing i
        WHERE i.node_name IS NOT NULL AND isfinite(i.at);
        -- a place for each, so that none goes by the default partition
        FOR at IN
            SELECT min(i.at) FROM pg_temp.tribe_power_importing i
            WHERE i.node_name IS NOT NULL AND isfinite(i.at) AND i.at < now() + interval '1 day'
            GROUP BY date_trunc('day', i.at) ORDER BY 1
        LOOP
            PERFORM @extschema@.tribe_power_make_partition(at)
            WHERE NOT @extschema@.tribe_power_has_partition(at);
        END LOOP;
        -- What it read was power over a second, so that stands in for the time
        -- since the reading before, if no more than two and a half intervals of five
        -- minutes; what nobody believes has no energy.
        INSERT INTO @extschema@.tribe_power_metrics (
            node_name, node_ip, "timestamp", cpu_power_watts, cpu_temp_celsius, cpu_utilization,
            gpu_power_watts, gpu_temp_celsius, gpu_utilization, memory_used_gb, memory_total_gb,
            total_power_watts, raw_data, interval_seconds, energy_joules, energy_quality)
        SELECT d.node_name, d.node_ip, d.at, d.cpu_power, d.cpu_temp, d.cpu_use,
               d.gpu_power, d.gpu_temp, d.gpu_use, d.memory_used, d.memory_total, d.total, d.raw,
               CASE WHEN d.gap <= 750 THEN d.gap END,
               CASE WHEN d.believed THEN d.total * d.gap END,
               CASE WHEN d.believed THEN 'window' END
        FROM (SELECT i.*, g.gap,
                     coalesce(g.gap <= 750 AND i.total >= 0 AND i.total <= coalesce(n.max_watts, 10000), false) AS believed
              FROM (SELECT u.*, extract(epoch FROM u.at - lag(u.at) OVER (PARTITION BY u.node_name ORDER BY u.at))::double precision AS since
                    FROM (SELECT DISTINCT ON (r.node_name, r.at) r.* FROM pg_temp.tribe_power_importing r
                          WHERE r.node_name IS NOT NULL AND isfinite(r.at)
                          ORDER BY r.node_name, r.at) u) i
              CROSS JOIN LATERAL (SELECT i.since AS gap) g
              LEFT JOIN @extschema@.tribe_power_nodes n ON n.node_name = i.node_name) d
        ORDER BY d.at, d.node_name
        ON CONFLICT DO NOTHING;
        GET DIAGNOSTICS rows_imported = ROW_COUNT;
        source := metrics;
        rows_unusable := rows_found - usable;
        rows_there_already := usable - rows_imported;
        DROP TABLE pg_temp.tribe_power_importing;
        RETURN NEXT;
    END IF;

    IF daily IS NOT NULL THEN
        EXECUTE format('CREATE TEMP TABLE tribe_power_importing ON COMMIT DROP AS '
            'SELECT %s AS node_name, %s AS date, %s AS avg_cpu, %s AS max_cpu, %s AS avg_gpu, %s AS max_gpu, '
            '%s AS avg_total, %s AS max_total, %s AS kwh, %s AS samples FROM %s o',
            @extschema@.tribe_power_import_column(daily, 'node_name', 'text'),
            @extschema@.tribe_power_import_column(daily, 'date', 'date'),
            @extschema@.tribe_power_import_column(daily, 'avg_cpu_power', 'number'),
            @extschema@.tribe_power_import_column(daily, 'max_cpu_power', 'number'),
            @extschema@.tribe_power_import_column(daily, 'avg_gpu_power', 'number'),
            @extschema@.tribe_power_import_column(daily, 'max_gpu_power', 'number'),
            @extschema@.tribe_power_import_column(daily, 'avg_total_power', 'number'),
            @extschema@.tribe_power_import_column(daily, 'max_total_power', 'number'),
            @extschema@.tribe_power_import_column(daily, 'energy_kwh', 'number'),
            @extschema@.tribe_power_import_column(daily, 'sample_count', 'number'),
            daily);
        GET DIAGNOSTICS rows_found = ROW_COUNT;
        SELECT count(*) INTO usable FROM pg_temp.tribe_power_importing i
        WHERE i.node_name IS NOT NULL AND isfinite(i.date);
        -- Its energy was the mean power times 24 h, whatever was covered.
        INSERT INTO @extschema@.tribe_power_daily (
            node_name, date, avg_cpu_power, max_cpu_power, avg_gpu_power, max_gpu_power,
            avg_total_power, max_total_power, energy_kwh, energy_kwh_estimated, sample_count,
            coverage, covered_seconds, day_seconds)
        SELECT DISTINCT ON (i.node_name, i.date)
               i.node_name, i.date, i.avg_cpu, i.max_cpu, i.avg_gpu, i.max_gpu, i.avg_total, i.max_total,
               i.kwh, CASE WHEN c.covered >= 0.5 * l.length THEN i.kwh END,
               s.samples, c.covered / l.length, c.covered, l.length
        FROM pg_temp.tribe_power_importing i
        CROSS JOIN LATERAL (SELECT extract(epoch FROM @extschema@.tribe_power_day_start(i.date + 1)
                                           - @extschema@.tribe_power_day_start(i.date))::double precision AS length) l
        CROSS JOIN LATERAL (SELECT greatest(0, least(coalesce(i.samples, 0), 1e9))::integer AS samples) s
        CROSS JOIN LATERAL (SELECT least(s.samples * 300.0, l.length)::double precision AS covered) c
        WHERE i.node_name IS NOT NULL AND isfinite(i.date)
        ORDER BY i.node_name, i.date
        ON CONFLICT (node_name, date) DO NOTHING;
        GET DIAGNOSTICS rows_imported = ROW_COUNT;
        source := daily;
        rows_unusable := rows_found - usable;
        rows_there_already := usable - rows_imported;
        DROP TABLE pg_temp.tribe_power_importing;
        RETURN NEXT;
    END IF;
    PERFORM set_config('TimeZone', session_zone, true);
END
$$;
COMMENT ON FUNCTION tribe_power_import(regclass, regclass) IS
'Takes over the readings and daily totals of an earlier collector (NULL: not that table), whose columns may be of any numeric, text, timestamp or JSON type (times also as seconds or milliseconds since 1970); a timestamp without zone is taken as tribe_power_timezone()''s. Rows already there are left alone, so it may be repeated; the old tables are only read. One row a table: found, imported, there already (or twice), unusable (no name or time). Runs with the caller''s rights: it reads whatever is named. Raises undefined_column if a key column is missing.';
