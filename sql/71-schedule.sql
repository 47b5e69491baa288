-- Schedules by pg_cron, where no worker polls.

CREATE FUNCTION tribe_power_cron_schedule(every interval) RETURNS text
    LANGUAGE plpgsql STABLE STRICT
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    seconds CONSTANT integer := extract(epoch FROM every)::integer;
    fits integer;
BEGIN
    -- seconds came with pg_cron 1.5
    IF seconds < 60 AND EXISTS (
        SELECT FROM pg_extension e
        WHERE e.extname = 'pg_cron' AND string_to_array(split_part(e.extversion, '-', 1), '.')::integer[] >= '{1,5}') THEN
        RETURN format('%s seconds', seconds);
    ELSIF seconds < 3600 THEN
        SELECT coalesce(max(m), 1) INTO fits
        FROM generate_series(1, 30) m WHERE 60 % m = 0 AND m * 60 <= seconds;
        RETURN CASE fits WHEN 1 THEN '* * * * *' ELSE format('*/%s * * * *', fits) END;
    ELSIF seconds < 86400 THEN
        SELECT max(h) INTO fits
        FROM generate_series(1, 12) h WHERE 24 % h = 0 AND h * 3600 <= seconds;
        RETURN CASE fits WHEN 1 THEN '0 * * * *' ELSE format('0 */%s * * *', fits) END;
    END IF;
    RETURN '0 0 * * *';
END
$$;
COMMENT ON FUNCTION tribe_power_cron_schedule(interval) IS
'The schedule by which pg_cron runs something at least every so often and evenly: cron counts minutes of the hour and hours of the day, so 7 minutes become 6, and 5 hours 4. Less than a minute takes pg_cron 1.5; before it, a minute is the least.';

CREATE FUNCTION tribe_power_jobs(
    collect boolean,
    OUT job_name text,
    OUT schedule text,
    OUT command text)
    RETURNS SETOF record
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
    -- totals every hour, for days end at different times: repeating it is cheap
    SELECT 'tribe_power_aggregate', '5 * * * *', 'SELECT @extschema@.tribe_power_aggregate()'
    UNION ALL
    -- what the worker would do beside polling
    SELECT 'tribe_power_upkeep', '*/15 * * * *', 'SELECT * FROM @extschema@.tribe_power_upkeep()' WHERE $1
    UNION ALL
    SELECT 'tribe_power_collect',
           @extschema@.tribe_power_cron_schedule(coalesce(current_setting('tribe_power.interval', true), '5min')::interval),
           'SELECT * FROM @extschema@.tribe_power_collect()' WHERE $1
    $$;
COMMENT ON FUNCTION tribe_power_jobs(boolean) IS
'The pg_cron jobs that tribe_power_schedule(collect) makes.';

CREATE FUNCTION tribe_power_schedule(
    collect boolean DEFAULT NULL,
    OUT job_name text,
    OUT schedule text,
    OUT command text)
    RETURNS SETOF record
    LANGUAGE plpgsql VOLATILE
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    library CONSTANT text := @extschema@.tribe_power_version();  -- loads the settings
    polls CONSTANT boolean := coalesce(collect, NOT @extschema@.tribe_power_is_served());
    seconds CONSTANT integer := extract(epoch FROM current_setting('tribe_power.interval')::interval);
    elsewhere CONSTANT text := current_setting('cron.database_name', true);
BEGIN
    IF to_regprocedure('cron.schedule(text, text, text)') IS NULL THEN
        RAISE EXCEPTION 'pg_cron is not installed in this database'
            USING ERRCODE = 'object_not_in_prerequisite_state',
                  DETAIL = CASE WHEN elsewhere IS NULL THEN 'The server has not loaded it.'
                                ELSE format('It works from database "%s".', elsewhere) END,
                  HINT = CASE
                      WHEN elsewhere IS NULL THEN
                          format('Install it (Debian: postgresql-%s-cron), add pg_cron to shared_preload_libraries, set cron.database_name = %L, restart, CREATE EXTENSION pg_cron; or have a worker: SELECT tribe_power_start_worker();',
                                 current_setting('server_version_num')::integer / 10000, current_database())
                      WHEN elsewhere = current_database() THEN 'CREATE EXTENSION pg_cron;'
                      ELSE (SELECT format('In database %s: ', elsewhere) || string_agg(
                                format('SELECT cron.schedule_in_database(%L, %L, %L, %L);',
                                       j.job_name, j.schedule, j.command, current_database()), ' ')
                            FROM @extschema@.tribe_power_jobs(polls) j) END;
    END IF;
    FOR job_name, schedule, command IN SELECT j.* FROM @extschema@.tribe_power_jobs(polls) j
    LOOP
        PERFORM cron.schedule(job_name, schedule, command);
        IF job_name = 'tribe_power_collect' AND schedule NOT LIKE '% seconds'
            AND (seconds % 60 <> 0 OR 3600 % seconds <> 0)
            AND (seconds % 3600 <> 0 OR 86400 % seconds <> 0) THEN
            RAISE NOTICE 'cron cannot do % evenly: tribe_power_collect() runs by "%"', current_setting('tribe_power.interval'), schedule;
        END IF;
        RETURN NEXT;
    END LOOP;
END
$$;
COMMENT ON FUNCTION tribe_power_schedule(boolean) IS
'Schedules, with pg_cron in this database, tribe_power_aggregate() every hour and, if collect is true, tribe_power_collect() every tribe_power.interval and tribe_power_upkeep() every 15 minutes; NULL: only if no worker serves this database. An interval that cron cannot do evenly becomes a shorter one, with a notice. May be repeated. Gives the jobs. Raises object_not_in_prerequisite_state where pg_cron is not installed; its hint says what to do, also where pg_cron works from another database.';

CREATE FUNCTION tribe_power_unschedule() RETURNS integer
    LANGUAGE plpgsql VOLATILE
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    job bigint;
    removed integer := 0;
BEGIN
    IF to_regclass('cron.job') IS NULL THEN
        RETURN 0;
    END IF;
    FOR job IN SELECT j.jobid FROM cron.job j
               WHERE j.jobname IN ('tribe_power_aggregate', 'tribe_power_upkeep', 'tribe_power_collect')
                 AND j.username = current_user
    LOOP
        PERFORM cron.unschedule(job);
        removed := removed + 1;
    END LOOP;
    RETURN removed;
END
$$;
COMMENT ON FUNCTION tribe_power_unschedule() IS
'Removes the pg_cron jobs that tribe_power_schedule() made as this user, and gives their number.';
