-- Whether all is well: each thing that polling needs, with what mends it.

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
    AS $$
DECLARE
    r record;
    found_worker boolean;
    period CONSTANT interval := current_setting('tribe_power.interval')::interval;
    jitter CONSTANT interval := current_setting('tribe_power.jitter')::interval;
    zone CONSTANT text := @extschema@.tribe_power_timezone();
    yesterday CONSTANT date := (now() AT TIME ZONE zone)::date - 1;
BEGIN
    IF node IS NOT NULL AND NOT EXISTS (
        SELECT FROM @extschema@.tribe_power_nodes n WHERE n.node_name = node) THEN
        RAISE EXCEPTION 'node "%" is not registered', node USING ERRCODE = 'undefined_object';
    END IF;

    -- the hub
    IF node IS NULL THEN
        "check" := 'versions';
        status := 'ok';
        detail := format('library %s, SQL %s', @extschema@.tribe_power_version(),
            (SELECT e.extversion FROM pg_extension e WHERE e.extname = 'tribe_power'));
        RETURN NEXT;

        "check" := 'worker';
        found_worker := @extschema@.tribe_power_is_served();
        IF found_worker THEN
            status := 'ok';
            detail := 'a worker serves this database';
            remedy := NULL;
        ELSIF @extschema@.tribe_power_is_preloaded() THEN
            status := 'fail';
            detail := format('the worker serves database "%s", not this one', current_setting('tribe_power.database'));
            remedy := format('ALTER SYSTEM SET tribe_power.database = %L; SELECT pg_reload_conf();', current_database());
        ELSE
            status := 'warn';
            detail := 'the library is not preloaded, and no worker was started';
            remedy := 'SELECT tribe_power_start_worker(); and for the next restart, in postgresql.conf: shared_preload_libraries = ''tribe_power''';
        END IF;
        RETURN NEXT;

        IF found_worker AND NOT current_setting('tribe_power.enabled')::boolean THEN
            "check" := 'worker';
            status := 'warn';
            detail := 'the worker is paused';
            remedy := 'ALTER SYSTEM SET tribe_power.enabled = on; SELECT pg_reload_conf();';
            RETURN NEXT;
        END IF;

        IF NOT EXISTS (SELECT FROM @extschema@.tribe_power_nodes n WHERE n.enabled) THEN
            "check" := 'registry';
            status := 'warn';
            detail := 'no node is enabled';
            remedy := 'INSERT INTO tribe_power_nodes (node_name, address) VALUES (''NAME'', ''ADDRESS'');';
            RETURN NEXT;
        END IF;
    END IF;

    -- the last polls
    FOR r IN
        SELECT n.node_name AS name, s.last_attempt,
               coalesce(n.poll_interval, period) AS every, coalesce(s.failures, 0) AS failures
        FROM @extschema@.tribe_power_nodes n
        LEFT JOIN @extschema@.tribe_power_node_status s ON s.node_name = n.node_name
        WHERE n.enabled AND (node IS NULL OR n.node_name = node)
        ORDER BY n.node_name
    LOOP
        "check" := 'last poll';
        node_name := r.name;
        remedy := NULL;
        IF r.last_attempt IS NULL THEN
            status := 'warn';
            detail := 'not polled yet';
            remedy := 'SELECT * FROM tribe_power_collect();';
        ELSIF now() - r.last_attempt
              > (2.5 * CASE WHEN r.failures < 3 THEN r.every
                            ELSE greatest(r.every, interval '1 hour') END) + jitter THEN
            status := 'fail';
            detail := format('the last poll ended %s ago, it should be every %s',
                             date_trunc('second', now() - r.last_attempt), r.every);
            remedy := 'See the check "worker", and the server''s log for tribe_power.';
        ELSE
            status := 'ok';
            detail := format('%s ago', date_trunc('second', now() - r.last_attempt));
        END IF;
        RETURN NEXT;
    END LOOP;

    -- keys
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
        remedy := CASE WHEN r.problem IS NOT NULL THEN
            format('As the server''s user: ssh-keygen -t ed25519 -N '''' -f %s, or chmod 600 it.', r.path) END;
        RETURN NEXT;
    END LOOP;
    FOR r IN
        SELECT n.node_name AS name FROM @extschema@.tribe_power_nodes n
        WHERE n.enabled AND n.host_key IS NULL AND (node IS NULL OR n.node_name = node)
        ORDER BY n.node_name
    LOOP
        "check" := 'host key';
        node_name := r.name;
        status := 'warn';
        detail := 'not pinned in the registry: tribe_power.known_hosts_file decides';
        remedy := format('SELECT * FROM tribe_power_scan_host_key(%L); then tribe_power_trust_host_key(%L, fingerprint)', r.name, r.name);
        RETURN NEXT;
    END LOOP;

    -- the nodes, live
    FOR r IN
        SELECT e.* FROM @extschema@.tribe_power_examine(
            CASE WHEN node IS NOT NULL THEN ARRAY[node] END) e
    LOOP
        "check" := r.section;
        node_name := r.node_name;
        status := CASE WHEN r.section = 'login' AND r.reason = 'read' THEN 'ok'
                       -- what the total does without
                       WHEN r.reason IN ('absent', 'asleep')
                            AND r.section IN ('cpu_temperature', 'platform') THEN 'warn'
                       ELSE 'fail' END;
        detail := concat_ws(': ', r.reason, r.detail);
        remedy := r.remedy;
        RETURN NEXT;
    END LOOP;

    IF node IS NULL THEN
        "check" := 'daily totals';
        node_name := NULL;
        IF EXISTS (
            SELECT m.node_name
            FROM @extschema@.tribe_power_metrics m
            WHERE m."timestamp" >= yesterday::timestamp AT TIME ZONE zone
              AND m."timestamp" < (yesterday + 1)::timestamp AT TIME ZONE zone
            EXCEPT
            SELECT d.node_name
            FROM @extschema@.tribe_power_daily d
            WHERE d.date = yesterday) THEN
            status := 'warn';
            detail := format('%s has readings that are not in tribe_power_daily', yesterday);
            remedy := 'SELECT tribe_power_aggregate(); and SELECT * FROM tribe_power_schedule(); to have it done.';
        ELSE
            status := 'ok';
            detail := format('up to date to %s', yesterday);
            remedy := NULL;
        END IF;
        RETURN NEXT;

        IF EXISTS (SELECT FROM @extschema@.tribe_power_metrics_default) THEN
            "check" := 'partitions';
            status := 'warn';
            detail := format('%s readings lie in the default partition',
                             (SELECT count(*) FROM @extschema@.tribe_power_metrics_default));
            remedy := 'SELECT * FROM tribe_power_upkeep(); rows of the future stay there: look at their timestamps.';
            RETURN NEXT;
        END IF;
    END IF;
END
$$;
COMMENT ON FUNCTION tribe_power_doctor(text) IS
'Checks the hub and all nodes, or one node: a row a check with status (ok, warn, fail), detail, and a remedy that can be pasted. Polls the nodes (at most tribe_power.round_timeout) and changes nothing. Raises undefined_object for a name that is not registered.';

