-- Whether all is well: each thing that polling needs, with what mends it.  Remedies in
-- SQL can be pasted as they are; what else there is to say stands behind "--".

CREATE FUNCTION tribe_power_sql_version() RETURNS text
    LANGUAGE c STABLE PARALLEL SAFE
    AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION tribe_power_sql_version() IS
'The version of the SQL objects that the library is made for. pg_extension has the one that is installed.';

CREATE FUNCTION tribe_power_key_file_remedy(path text) RETURNS text
    LANGUAGE c VOLATILE STRICT PARALLEL SAFE
    AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION tribe_power_key_file_remedy(text) IS
'The command that mends what tribe_power_key_file_state(path) finds, for a shell on the server; NULL: nothing is wrong.';

CREATE FUNCTION tribe_power_doctor_hub(
    OUT "check" text,
    OUT status text,
    OUT detail text,
    OUT remedy text)
    RETURNS SETOF record
    LANGUAGE plpgsql VOLATILE
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    library CONSTANT text := @extschema@.tribe_power_version();  -- loads the settings
    made_for CONSTANT text := @extschema@.tribe_power_sql_version();
    installed text;
    served CONSTANT boolean := @extschema@.tribe_power_is_served();
    has_cron CONSTANT boolean := CASE WHEN EXISTS (SELECT FROM pg_extension e WHERE e.extname = 'pg_cron')
        THEN has_schema_privilege('cron', 'USAGE') AND has_table_privilege('cron.job', 'SELECT') ELSE false END;
    polled_by_cron boolean := false;
    missing text;
    failed text;
BEGIN
    SELECT e.extversion INTO installed FROM pg_extension e WHERE e.extname = 'tribe_power';
    "check" := 'versions';
    status := CASE WHEN installed = made_for THEN 'ok' ELSE 'fail' END;
    detail := format('library %s for SQL %s, SQL %s', library, made_for, installed);
    remedy := CASE WHEN installed <> made_for THEN
        format('ALTER EXTENSION tribe_power UPDATE TO %L;  -- and restart the server if the library was replaced while it ran', made_for) END;
    RETURN NEXT;

    IF has_cron THEN
        polled_by_cron := EXISTS (SELECT FROM cron.job j WHERE j.active AND j.database = current_database()
                                                           AND j.command ~ 'tribe_power_collect\(');
    END IF;

    "check" := 'worker';
    remedy := NULL;
    IF pg_is_in_recovery() THEN
        status := 'ok';
        detail := 'a standby: the worker starts when it is promoted';
    ELSIF served AND NOT current_setting('tribe_power.enabled')::boolean THEN
        status := 'warn';
        detail := 'a worker serves this database, but is paused';
        remedy := 'ALTER SYSTEM SET tribe_power.enabled = on; SELECT pg_reload_conf();';
    ELSIF served THEN
        status := 'ok';
        detail := 'a worker serves this database';
    ELSIF polled_by_cron THEN
        status := 'ok';
        detail := 'none here; pg_cron polls';
    ELSIF NOT @extschema@.tribe_power_is_preloaded() THEN
        status := 'fail';
        detail := 'the library is not preloaded, and no worker was started';
        remedy := 'SELECT tribe_power_start_worker();  -- and for the next start of the server: ';
        -- a statement of its own: planning it looks at the setting
        IF pg_has_role('pg_read_all_settings', 'USAGE') THEN
            remedy := remedy || format('ALTER SYSTEM SET shared_preload_libraries = %s;',
                (SELECT string_agg(quote_literal(trim(BOTH ' "' FROM l)), ', ')
                 FROM unnest(string_to_array(current_setting('shared_preload_libraries'), ',') || ARRAY['tribe_power']) l));
        ELSE
            remedy := remedy || 'add tribe_power to shared_preload_libraries';
        END IF;
    ELSIF current_setting('tribe_power.database') <> current_database() THEN
        status := 'fail';
        detail := format('the worker serves database "%s", not this one', current_setting('tribe_power.database'));
        remedy := format('ALTER SYSTEM SET tribe_power.database = %L; SELECT pg_reload_conf();  -- or, beside it: SELECT tribe_power_start_worker();', current_database());
    ELSE
        status := 'fail';
        detail := 'the worker should run and does not; it starts again 10 s after a failure';
        remedy := 'SELECT tribe_power_start_worker();  -- the server''s log says why it ended: look for tribe_power';
    END IF;
    RETURN NEXT;

    IF NOT EXISTS (SELECT FROM @extschema@.tribe_power_nodes n WHERE n.enabled) THEN
        "check" := 'registry';
        status := 'warn';
        detail := 'no node is enabled';
        remedy := CASE WHEN EXISTS (SELECT FROM @extschema@.tribe_power_nodes)
            THEN 'UPDATE tribe_power_nodes SET enabled = true;'
            ELSE 'INSERT INTO tribe_power_nodes (node_name, address) VALUES (''NAME'', ''ADDRESS'');' END;
        RETURN NEXT;
    END IF;

    IF NOT has_cron THEN
        RETURN;
    END IF;
    "check" := 'cron jobs';
    IF served THEN
        status := CASE WHEN polled_by_cron THEN 'warn' ELSE 'ok' END;
        detail := CASE WHEN polled_by_cron THEN 'pg_cron polls beside the worker: every node is asked twice'
                       ELSE 'none needed, the worker polls' END;
        remedy := CASE WHEN polled_by_cron THEN 'SELECT tribe_power_unschedule();' END;
        RETURN NEXT;
        RETURN;
    END IF;
    SELECT string_agg(w.job_name, ', ') INTO missing
    FROM @extschema@.tribe_power_jobs(true) w
    WHERE NOT EXISTS (SELECT FROM cron.job j WHERE j.active AND j.database = current_database()
                                               AND j.jobname = w.job_name AND j.schedule = w.schedule);
    IF has_table_privilege('cron.job_run_details', 'SELECT') THEN
        SELECT format('%s: %s', j.jobname, l.return_message) INTO failed
        FROM cron.job j
        CROSS JOIN LATERAL (SELECT d.status AS ended, d.return_message FROM cron.job_run_details d
                            WHERE d.jobid = j.jobid AND d.status IN ('succeeded', 'failed')
                            ORDER BY d.runid DESC LIMIT 1) l
        WHERE j.active AND j.database = current_database()
          AND j.jobname IN (SELECT w.job_name FROM @extschema@.tribe_power_jobs(true) w)
          AND l.ended = 'failed'
        ORDER BY j.jobname LIMIT 1;
    END IF;
    IF missing IS NOT NULL THEN
        status := 'warn';
        detail := format('no worker polls, and pg_cron does not run as it should: %s', missing);
        -- a job that was switched off keeps its name
        remedy := 'SELECT tribe_power_unschedule(); SELECT * FROM tribe_power_schedule(collect => true);';
    ELSIF failed IS NOT NULL THEN
        status := 'fail';
        detail := format('the last run failed: %s', regexp_replace(failed, '\s+', ' ', 'g'));
        remedy := 'SELECT d.start_time, d.command, d.return_message FROM cron.job_run_details d WHERE d.status = ''failed'' ORDER BY d.runid DESC LIMIT 10;';
    ELSE
        status := 'ok';
        detail := 'all that is needed runs';
        remedy := NULL;
    END IF;
    RETURN NEXT;
END
$$;
COMMENT ON FUNCTION tribe_power_doctor_hub() IS
'The part of tribe_power_doctor() that looks at the server: versions, worker, registry, pg_cron''s jobs.';

CREATE FUNCTION tribe_power_rests(node text, "at" timestamptz) RETURNS text
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
    SELECT min(m.window_name) FROM @extschema@.tribe_power_maintenance_at("at") m
    WHERE m.skip_polls AND (m.node_name IS NULL OR m.node_name = node)
$$;
COMMENT ON FUNCTION tribe_power_rests(text, timestamptz) IS
'Used by tribe_power_doctor(): the name of a maintenance window with skip_polls that is open for that node at that time; NULL: none is.';

CREATE FUNCTION tribe_power_doctor_nodes(
    node text,
    OUT "check" text,
    OUT node_name text,
    OUT status text,
    OUT detail text,
    OUT remedy text)
    RETURNS SETOF record
    LANGUAGE plpgsql VOLATILE
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    library CONSTANT text := @extschema@.tribe_power_version();  -- loads the settings
    period CONSTANT interval := current_setting('tribe_power.interval')::interval;
    jitter CONSTANT interval := current_setting('tribe_power.jitter')::interval;
    -- what takes part in the total
    powers CONSTANT text[] := '{clock,rapl,nvidia,amdgpu,intel_gpu,powermetrics}';
    resting text[] := '{}';
    found jsonb;
    r record;
BEGIN
    FOR r IN
        SELECT n.node_name AS name, s.last_attempt, s.last_error, e.every, e.failures, a.allowed,
               w.resting, w.rested
        FROM @extschema@.tribe_power_nodes n
        LEFT JOIN @extschema@.tribe_power_node_status s ON s.node_name = n.node_name
        CROSS JOIN LATERAL (SELECT coalesce(n.poll_interval, period) AS every, coalesce(s.failures, 0) AS failures) e
        CROSS JOIN LATERAL (SELECT 2.5 * CASE WHEN e.failures < 3 THEN e.every
                                              ELSE greatest(e.every, interval '1 hour') END + jitter AS allowed) a
        CROSS JOIN LATERAL (SELECT @extschema@.tribe_power_rests(n.node_name, now()) AS resting,
                                   @extschema@.tribe_power_rests(n.node_name, now() - a.allowed) AS rested) w
        WHERE n.enabled AND (node IS NULL OR n.node_name = node)
        ORDER BY n.node_name
    LOOP
        "check" := 'last poll';
        node_name := r.name;
        remedy := NULL;
        IF r.resting IS NOT NULL THEN
            resting := resting || r.name;
            status := 'ok';
            detail := format('in maintenance window "%s", not polled', r.resting);
        ELSIF r.last_attempt IS NULL THEN
            status := 'warn';
            detail := 'not polled yet';
            remedy := format('SELECT * FROM tribe_power_collect(ARRAY[%L]);', r.name);
        ELSIF now() - r.last_attempt > r.allowed AND r.rested IS NOT NULL THEN
            status := 'ok';
            detail := format('maintenance window "%s" has just ended, the next poll is due', r.rested);
        ELSIF now() - r.last_attempt > r.allowed THEN
            status := 'fail';
            detail := format('the last poll ended %s ago, it should be every %s',
                             date_trunc('second', now() - r.last_attempt), r.every);
            remedy := 'SELECT * FROM tribe_power_collect();  -- see also the checks "worker" and "cron jobs", and the server''s log for tribe_power';
        ELSIF r.failures > 0 THEN
            status := 'warn';
            detail := format('%s ago, failed %s times in a row: %s',
                             date_trunc('second', now() - r.last_attempt), r.failures, r.last_error);
            remedy := format('SELECT * FROM tribe_power_doctor(%L);  -- "login" says how it is now', r.name);
        ELSE
            status := 'ok';
            detail := format('%s ago', date_trunc('second', now() - r.last_attempt));
        END IF;
        RETURN NEXT;
    END LOOP;

    FOR r IN
        SELECT k.path, @extschema@.tribe_power_key_file_state(k.path) AS problem
        FROM (SELECT DISTINCT coalesce(n.identity_file, current_setting('tribe_power.identity_file')) AS path
              FROM @extschema@.tribe_power_nodes n
              WHERE n.enabled AND (node IS NULL OR n.node_name = node)) k
        ORDER BY k.path
    LOOP
        "check" := 'private key';
        node_name := NULL;
        status := CASE WHEN r.problem IS NULL THEN 'ok' ELSE 'fail' END;
        detail := coalesce(r.problem, r.path);
        remedy := @extschema@.tribe_power_key_file_remedy(r.path);
        RETURN NEXT;
    END LOOP;

    -- live; what cannot be asked is a finding, not the end of the examination
    BEGIN
        SELECT coalesce(jsonb_agg(e), '[]') INTO found
        FROM @extschema@.tribe_power_examine(CASE
            WHEN node IS NOT NULL THEN ARRAY[node]
            WHEN resting <> '{}' THEN ARRAY(SELECT n.node_name FROM @extschema@.tribe_power_nodes n
                                            WHERE n.enabled AND n.node_name <> ALL (resting)) END) e;
    EXCEPTION
        WHEN object_not_in_prerequisite_state OR insufficient_resources OR system_error OR undefined_file THEN
            "check" := 'login';
            node_name := node;
            status := 'fail';
            detail := format('nodes cannot be polled: %s', SQLERRM);
            GET STACKED DIAGNOSTICS remedy = PG_EXCEPTION_HINT;
            RETURN NEXT;
            RETURN;
    END;
    FOR r IN
        SELECT n.node_name AS name, n.host_key, n.node_type, e.reason AS login, e.detail AS why, e.remedy AS mends
        FROM jsonb_to_recordset(found) e (node_name text, section text, reason text, detail text, remedy text)
        JOIN @extschema@.tribe_power_nodes n ON n.node_name = e.node_name
        WHERE e.section = 'login'
        ORDER BY n.node_name
    LOOP
        node_name := r.name;
        "check" := 'login';
        status := CASE WHEN r.login = 'read' THEN 'ok' ELSE 'fail' END;
        detail := concat_ws(': ', r.login, r.why);
        remedy := r.mends;
        RETURN NEXT;

        "check" := 'host key';
        remedy := NULL;
        IF r.host_key IS NOT NULL THEN
            status := CASE WHEN r.login LIKE 'host\_key\_%' THEN 'fail' ELSE 'ok' END;
            detail := CASE status WHEN 'ok' THEN 'pinned in the registry' ELSE r.login END;
        ELSIF r.login = 'read' AND current_setting('tribe_power.host_key_policy') = 'strict' THEN
            status := 'ok';
            detail := 'found in tribe_power.known_hosts_file';
        ELSE
            status := 'warn';
            detail := 'not pinned in the registry';
        END IF;
        IF status <> 'ok' THEN
            remedy := format('SELECT * FROM tribe_power_scan_host_key(%L);  -- compare, then: SELECT tribe_power_trust_host_key(%L, ''SHA256:...'');', r.name, r.name);
        END IF;
        RETURN NEXT;
    END LOOP;

    FOR r IN
        SELECT n.node_name AS name, n.node_type, p.section, p.reason, p.detail AS why, p.remedy AS mends
        FROM jsonb_to_recordset(found) l (node_name text, section text, reason text)
        JOIN @extschema@.tribe_power_nodes n ON n.node_name = l.node_name
        LEFT JOIN jsonb_to_recordset(found) p (node_name text, section text, reason text, detail text, remedy text)
            ON p.node_name = l.node_name AND p.section <> 'login'
        WHERE l.section = 'login' AND l.reason = 'read'
        ORDER BY n.node_name, p.section
    LOOP
        node_name := r.name;
        "check" := coalesce(r.section, 'sources');
        remedy := r.mends;
        IF r.section IS NULL THEN
            status := 'ok';
            detail := 'all that is there, or promised, was read';
        ELSIF r.reason = 'absent' AND r.section = 'cpu_temperature' AND r.node_type = 'macos' THEN
            -- no Mac of today shows it by itself
            status := 'ok';
            detail := 'absent: a Mac shows it to other software only';
        ELSE
            status := CASE WHEN r.section = ANY (powers) AND r.reason NOT IN ('asleep', 'ambiguous_wrap')
                           THEN 'fail' ELSE 'warn' END;
            detail := concat_ws(': ', r.reason, r.why);
        END IF;
        RETURN NEXT;
    END LOOP;
END
$$;
COMMENT ON FUNCTION tribe_power_doctor_nodes(text) IS
'The part of tribe_power_doctor() that looks at the enabled nodes, or at one: last poll, key file, and by a live poll login, host key and sources. A node in a maintenance window with skip_polls is polled only if it is named. Stores nothing; takes at most tribe_power.round_timeout.';

CREATE FUNCTION tribe_power_doctor_history(
    OUT "check" text,
    OUT status text,
    OUT detail text,
    OUT remedy text)
    RETURNS SETOF record
    LANGUAGE plpgsql VOLATILE
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    zone CONSTANT text := @extschema@.tribe_power_timezone();
    yesterday CONSTANT date := (now() AT TIME ZONE zone)::date - 1;
    day_start CONSTANT timestamptz := @extschema@.tribe_power_day_start(yesterday);
    day_end CONSTANT timestamptz := @extschema@.tribe_power_day_start(yesterday + 1);
    stray bigint;
    future bigint;
BEGIN
    "check" := 'daily totals';
    IF EXISTS (
        SELECT m.node_name
        FROM @extschema@.tribe_power_metrics m
        WHERE m."timestamp" >= day_start AND m."timestamp" < day_end
        EXCEPT
        SELECT d.node_name
        FROM @extschema@.tribe_power_daily d
        WHERE d.date = yesterday) THEN
        status := 'warn';
        detail := format('%s has readings that are not in tribe_power_daily', yesterday);
        remedy := 'SELECT tribe_power_aggregate();  -- a worker does it by itself, or: SELECT * FROM tribe_power_schedule();';
    ELSE
        status := 'ok';
        detail := format('up to date to %s', yesterday);
    END IF;
    RETURN NEXT;

    SELECT count(*), count(*) FILTER (WHERE d."timestamp" > now() + interval '1 day') INTO stray, future
    FROM @extschema@.tribe_power_metrics_default d;
    "check" := 'partitions';
    remedy := NULL;
    IF stray = 0 THEN
        status := 'ok';
        detail := 'no reading is in the default partition';
    ELSE
        status := 'warn';
        detail := format('%s readings are in the default partition, %s of them of the future', stray, future);
        remedy := CASE WHEN stray > future THEN 'SELECT * FROM tribe_power_upkeep();' END;
        IF future > 0 THEN
            remedy := concat_ws(' ', remedy, 'DELETE FROM tribe_power_metrics_default WHERE "timestamp" > now() + interval ''1 day'';  -- a clock was wrong: look at them first');
        END IF;
    END IF;
    RETURN NEXT;

    status := 'warn';
    SELECT string_agg(i.indexrelid::regclass::text, ', ' ORDER BY i.indexrelid::regclass::text),
           string_agg(CASE WHEN c.oid IS NULL THEN format('DROP INDEX %s;', i.indexrelid::regclass)
                           ELSE format('ALTER TABLE %s DROP CONSTRAINT %I;', i.indrelid::regclass, c.conname) END, ' ')
    INTO detail, remedy
    FROM pg_index i
    LEFT JOIN pg_constraint c ON c.conindid = i.indexrelid AND c.contype IN ('p', 'u', 'x')
    WHERE i.indrelid = '@extschema@.tribe_power_metrics'::regclass;
    IF detail IS NOT NULL THEN
        "check" := 'indexes';
        detail := format('a dump cannot be restored while tribe_power_metrics itself has an index: %s', detail);
        remedy := remedy || '  -- and index its partitions instead, see tribe_power_partitions()';
        RETURN NEXT;
    END IF;

    IF NOT current_setting('track_counts')::boolean THEN
        "check" := 'track_counts';
        detail := 'off: readings that come late to older days are not found, and no table is vacuumed by itself';
        remedy := 'ALTER SYSTEM SET track_counts = on; SELECT pg_reload_conf();';
        RETURN NEXT;
    END IF;
END
$$;
COMMENT ON FUNCTION tribe_power_doctor_history() IS
'The part of tribe_power_doctor() that looks at the tables: totals up to date, nothing in the default partition, no index on tribe_power_metrics itself, inserts counted.';

CREATE FUNCTION tribe_power_doctor(
    node text DEFAULT NULL,
    OUT "check" text,
    OUT node_name text,
    OUT status text,
    OUT detail text,
    OUT remedy text)
    RETURNS SETOF record
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    SET lock_timeout = '10s'
    AS $$
BEGIN
    IF node IS NOT NULL AND NOT EXISTS (
        SELECT FROM @extschema@.tribe_power_nodes n WHERE n.node_name = node) THEN
        RAISE EXCEPTION 'node "%" is not registered', node
            USING ERRCODE = 'undefined_object',
                  HINT = 'SELECT node_name FROM tribe_power_nodes; lists those that are.';
    END IF;
    IF node IS NULL THEN
        RETURN QUERY SELECT h."check", NULL::text, h.status, h.detail, h.remedy
                     FROM @extschema@.tribe_power_doctor_hub() h;
    END IF;
    RETURN QUERY SELECT n.* FROM @extschema@.tribe_power_doctor_nodes(node) n;
    IF node IS NULL THEN
        RETURN QUERY SELECT h."check", NULL::text, h.status, h.detail, h.remedy
                     FROM @extschema@.tribe_power_doctor_history() h;
    END IF;
END
$$;
COMMENT ON FUNCTION tribe_power_doctor(text) IS
'Checks the hub and all enabled nodes, or one node: a row a check with status (ok, warn, fail), detail, and a remedy that can be pasted; NULL where nothing is to be done. Polls the nodes (at most tribe_power.round_timeout, and 10 s for a lock) and changes nothing. Raises undefined_object for a name that is not registered.';
