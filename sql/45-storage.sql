-- Partitions of tribe_power_metrics: seen, and made where one is missing.

CREATE FUNCTION tribe_power_partitions(
    OUT partition regclass,
    OUT range_start timestamptz,
    OUT range_end timestamptz,
    OUT is_default boolean,
    OUT bytes bigint)
    RETURNS SETOF record
    LANGUAGE c STABLE SECURITY DEFINER PARALLEL UNSAFE
    SET search_path = pg_catalog, pg_temp
    AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION tribe_power_partitions() IS
'The partitions of tribe_power_metrics in the order of their time: [range_start, range_end), NULL for the default partition, and bytes on disk with indexes and TOAST.';

CREATE FUNCTION tribe_power_partition_width() RETURNS text
    LANGUAGE c STABLE PARALLEL SAFE
    AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION tribe_power_partition_width() IS
'tribe_power.partition_width: day, week or month.';

-- The range in which a partition for this time belongs: a day, week or month of
-- tribe_power_timezone(), cut to what its neighbours leave free, since the width
-- or the zone may have been another when those were made.
CREATE FUNCTION tribe_power_partition_range(
    "at" timestamptz, OUT range_start timestamptz, OUT range_end timestamptz)
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    zone CONSTANT text := @extschema@.tribe_power_timezone();
    width CONSTANT text := @extschema@.tribe_power_partition_width();
    start CONSTANT timestamp := date_trunc(width, at AT TIME ZONE zone);
BEGIN
    SELECT greatest(@extschema@.tribe_power_day_start(start::date), max(p.range_end) FILTER (WHERE p.range_end <= at)),
           least(@extschema@.tribe_power_day_start((start + ('1 ' || width)::interval)::date),
                 min(p.range_start) FILTER (WHERE p.range_start > at))
    INTO range_start, range_end
    FROM @extschema@.tribe_power_partitions() p;
END
$$;
COMMENT ON FUNCTION tribe_power_partition_range(timestamptz) IS
'Used by tribe_power_make_partition(): the range of the partition that a reading of this time belongs to, by tribe_power.partition_width.';

CREATE FUNCTION tribe_power_make_partition("at" timestamptz) RETURNS regclass
    LANGUAGE plpgsql VOLATILE STRICT SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    SET lock_timeout = '1s'
    SET client_min_messages = warning
    AS $$
DECLARE
    zone CONSTANT text := @extschema@.tribe_power_timezone();
    range_start timestamptz;
    range_end timestamptz;
    local_start timestamp;
    name text;
    own text;
    made regclass;
BEGIN
    IF NOT isfinite(at) THEN
        RAISE EXCEPTION 'there is no partition for %', at
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    BEGIN
        -- One at a time; conflicts with no reader or writer.
        LOCK TABLE ONLY @extschema@.tribe_power_metrics IN SHARE UPDATE EXCLUSIVE MODE;
        SELECT p.partition INTO made FROM @extschema@.tribe_power_partitions() p
        WHERE p.range_start <= at AND at < p.range_end;
        IF made IS NOT NULL THEN
            RETURN made;
        END IF;
        -- ATTACH takes this lock. Not waiting for it, we make nobody wait behind us.
        LOCK TABLE @extschema@.tribe_power_metrics_default IN ACCESS EXCLUSIVE MODE NOWAIT;
        SELECT r.range_start, r.range_end INTO range_start, range_end
        FROM @extschema@.tribe_power_partition_range(at) r;

        local_start := range_start AT TIME ZONE zone;
        name := 'tribe_power_metrics_' || to_char(local_start,
            CASE WHEN local_start = date_trunc('month', local_start)
                      AND @extschema@.tribe_power_partition_width() = 'month'
                 THEN 'YYYY_MM' ELSE 'YYYY_MM_DD' END);
        WHILE to_regclass(format('@extschema@.%I', name)) IS NOT NULL LOOP
            name := name || '_x';
        END LOOP;
        -- PARTITION OF would lock out everybody; LIKE and ATTACH do not.
        EXECUTE format('CREATE TABLE @extschema@.%I (LIKE @extschema@.tribe_power_metrics INCLUDING ALL EXCLUDING INDEXES)', name);
        EXECUTE format('WITH moved AS (DELETE FROM @extschema@.tribe_power_metrics_default d WHERE d."timestamp" >= $1 AND d."timestamp" < $2 RETURNING d.*) '
                       'INSERT INTO @extschema@.%I SELECT * FROM moved', name) USING range_start, range_end;
        EXECUTE format('ALTER TABLE @extschema@.%I ADD CONSTRAINT %I PRIMARY KEY ("timestamp", node_name)', name, name || '_pkey');
        EXECUTE format('CREATE INDEX %I ON @extschema@.%I ("timestamp") WHERE interval_seconds > 900', name || '_long_idx', name);
        -- the owner's own indexes, as on the newest there is
        FOR own IN
            SELECT format('CREATE %sINDEX ON @extschema@.%I USING %s', CASE WHEN i.indisunique THEN 'UNIQUE ' END, name,
                          substring(pg_get_indexdef(i.indexrelid) FROM ' USING (.*)$'))
            FROM pg_index i
            WHERE i.indrelid = (SELECT p.partition FROM @extschema@.tribe_power_partitions() p
                                WHERE NOT p.is_default ORDER BY p.range_start DESC LIMIT 1)
              AND i.indisvalid AND NOT i.indisprimary
              AND pg_get_indexdef(i.indexrelid) !~ '_long_idx ON '
              AND NOT EXISTS (SELECT FROM pg_inherits h WHERE h.inhrelid = i.indexrelid)
        LOOP
            EXECUTE own;
        END LOOP;
        EXECUTE format('ALTER TABLE @extschema@.tribe_power_metrics ATTACH PARTITION @extschema@.%I FOR VALUES FROM (%L) TO (%L)',
                       name, range_start, range_end);
        RETURN format('@extschema@.%I', name)::regclass;
    EXCEPTION WHEN lock_not_available THEN
        RETURN NULL;
    END;
END
$$;
COMMENT ON FUNCTION tribe_power_make_partition(timestamptz) IS
'The partition of tribe_power_metrics for readings of that time; makes it where there is none, as wide as tribe_power.partition_width says, with the indexes that the newest one has, and moves what of it was in the default partition. Waits for nobody and blocks nobody: NULL if somebody uses the default partition just now; try again later. Raises invalid_parameter_value for infinity.';

CREATE FUNCTION tribe_power_make_partitions() RETURNS integer
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    width CONSTANT text := @extschema@.tribe_power_partition_width();
    ahead CONSTANT timestamptz := now() + ('1 ' || width)::interval;
    missing timestamptz;
    made integer := 0;
BEGIN
    -- Restoring a dump: its partitions come by themselves, the registry last.
    IF NOT EXISTS (SELECT FROM @extschema@.tribe_power_nodes)
        AND NOT EXISTS (SELECT FROM @extschema@.tribe_power_metrics_default) THEN
        RETURN 0;
    END IF;
    LOOP
        SELECT w.at INTO missing
        FROM (VALUES (now()), (ahead),
                     ((SELECT min(d."timestamp") FROM @extschema@.tribe_power_metrics_default d
                       WHERE d."timestamp" > '-infinity' AND d."timestamp" <= ahead))) w (at)
        WHERE w.at IS NOT NULL
          AND NOT @extschema@.tribe_power_has_partition(w.at)
        LIMIT 1;
        EXIT WHEN missing IS NULL OR made >= 1000;
        EXIT WHEN @extschema@.tribe_power_make_partition(missing) IS NULL;
        made := made + 1;
    END LOOP;
    RETURN made;
END
$$;
COMMENT ON FUNCTION tribe_power_make_partitions() IS
'Makes the partitions of now and the next one, and those of rows in the default partition that are not of the future; gives back how many. The worker calls it. Does nothing while no node is registered and the default partition is empty.';

-- Retention.  Whole partitions go, and never before their days are in the
-- totals; what is in use just now stays until the next time.

CREATE FUNCTION tribe_power_drop_partition() RETURNS text
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    SET client_min_messages = warning
    AS $$
DECLARE
    zone CONSTANT text := @extschema@.tribe_power_timezone();
    old record;
    day date;
BEGIN
    SELECT p.*, c.relname INTO old
    FROM @extschema@.tribe_power_partitions() p JOIN pg_class c ON c.oid = p.partition
    WHERE p.range_end <= @extschema@.tribe_power_keep_from('retention')
    ORDER BY p.range_start LIMIT 1;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    -- From here on nobody adds a reading that the totals would not have seen.
    BEGIN
        EXECUTE format('LOCK TABLE %s IN SHARE MODE NOWAIT', old.partition);
    EXCEPTION WHEN lock_not_available THEN
        RETURN NULL;
    END;
    -- the first reading of a day reaches back to the day before
    day := (old.range_start AT TIME ZONE zone)::date - 1;
    WHILE @extschema@.tribe_power_day_start(day) < old.range_end LOOP
        PERFORM @extschema@.tribe_power_refresh(day);
        day := day + 1;
    END LOOP;
    FOR attempt IN 1 .. 5 LOOP
        BEGIN
            -- DROP takes these locks: waiting for them would stop all who come after
            LOCK TABLE ONLY @extschema@.tribe_power_metrics IN ACCESS EXCLUSIVE MODE NOWAIT;
            LOCK TABLE @extschema@.tribe_power_metrics_default IN ACCESS EXCLUSIVE MODE NOWAIT;
            EXECUTE format('LOCK TABLE %s IN ACCESS EXCLUSIVE MODE NOWAIT', old.partition);
            EXECUTE format('DROP TABLE %s', old.partition);
            RETURN old.relname;
        EXCEPTION WHEN lock_not_available THEN
            PERFORM pg_sleep(0.02);
        END;
    END LOOP;
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION tribe_power_drop_partition() IS
'Drops the oldest partition of readings if all of it is older than tribe_power.retention, after bringing the totals of its days up to date; gives its name, NULL if there is none or somebody uses it just now.';

CREATE FUNCTION tribe_power_drop_raw_data() RETURNS text
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    dropped CONSTANT text := 'raw_data was dropped';
    compacted CONSTANT text := 'raw_data was dropped, the table compacted';
    keep_from CONSTANT timestamptz := @extschema@.tribe_power_keep_from('raw_data_retention');
    old record;
    changed bigint;
BEGIN
    SELECT p.partition, c.relname, obj_description(p.partition, 'pg_class') AS state INTO old
    FROM @extschema@.tribe_power_partitions() p JOIN pg_class c ON c.oid = p.partition
    WHERE p.range_end <= keep_from
      AND obj_description(p.partition, 'pg_class') IS DISTINCT FROM compacted
    ORDER BY p.range_start LIMIT 1;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    IF old.state IS DISTINCT FROM dropped THEN
        EXECUTE format('UPDATE %s SET raw_data = NULL WHERE raw_data IS NOT NULL', old.partition);
        GET DIAGNOSTICS changed = ROW_COUNT;
        EXECUTE format('COMMENT ON TABLE %s IS %L', old.partition,
                       CASE WHEN changed > 0 THEN dropped ELSE compacted END);
        RETURN old.relname;
    END IF;
    -- in a transaction of its own, so that the old rows are dead by now
    EXECUTE format('LOCK TABLE %s IN ACCESS EXCLUSIVE MODE NOWAIT', old.partition);
    EXECUTE format('CLUSTER %s USING %I', old.partition,
                   (SELECT c.relname FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
                    WHERE i.indrelid = old.partition AND i.indisprimary));
    EXECUTE format('COMMENT ON TABLE %s IS %L', old.partition, compacted);
    RETURN old.relname;
EXCEPTION WHEN lock_not_available THEN
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION tribe_power_drop_raw_data() IS
'Takes raw_data out of the oldest partition that is older than tribe_power.raw_data_retention, at a second call gives its space back; notes that in the partition''s comment. Gives its name, NULL if there is none or somebody uses it just now.';

CREATE FUNCTION tribe_power_trim_totals() RETURNS bigint
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    zone CONSTANT text := @extschema@.tribe_power_timezone();
    hours_from CONSTANT timestamptz := @extschema@.tribe_power_keep_from('hourly_retention');
    days_from CONSTANT timestamptz := @extschema@.tribe_power_keep_from('daily_retention');
    hours bigint := 0;
    days bigint := 0;
BEGIN
    IF isfinite(hours_from) THEN
        DELETE FROM @extschema@.tribe_power_hourly h WHERE h.hour < hours_from;
        GET DIAGNOSTICS hours = ROW_COUNT;
    END IF;
    IF isfinite(days_from) THEN
        DELETE FROM @extschema@.tribe_power_daily d WHERE d.date < (days_from AT TIME ZONE zone)::date;
        GET DIAGNOSTICS days = ROW_COUNT;
    END IF;
    RETURN hours + days;
END
$$;
COMMENT ON FUNCTION tribe_power_trim_totals() IS
'Deletes hourly and daily totals older than tribe_power.hourly_retention and daily_retention; gives back how many.';

CREATE FUNCTION tribe_power_upkeep(OUT task text, OUT done bigint) RETURNS SETOF record
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    added integer;
BEGIN
    task := 'partitions made';
    done := @extschema@.tribe_power_make_partitions();
    RETURN NEXT;
    task := 'node-days added up';
    SELECT coalesce(sum(@extschema@.tribe_power_refresh(d)), 0) INTO done
    FROM @extschema@.tribe_power_days_due() d;
    RETURN NEXT;
    task := 'node-days added up late';
    done := 0;
    LOOP
        added := @extschema@.tribe_power_add_up_late();
        EXIT WHEN added IS NULL;
        done := done + added;
    END LOOP;
    RETURN NEXT;
    task := 'alerts changed';
    done := @extschema@.tribe_power_evaluate_months();
    RETURN NEXT;
    task := 'partitions without raw_data';
    done := 0;
    WHILE @extschema@.tribe_power_drop_raw_data() IS NOT NULL LOOP
        done := done + 1;
    END LOOP;
    RETURN NEXT;
    task := 'partitions dropped';
    done := 0;
    WHILE @extschema@.tribe_power_drop_partition() IS NOT NULL LOOP
        done := done + 1;
    END LOOP;
    RETURN NEXT;
    task := 'totals deleted';
    done := @extschema@.tribe_power_trim_totals();
    RETURN NEXT;
END
$$;
COMMENT ON FUNCTION tribe_power_upkeep() IS
'All that history needs done now and then, as the worker does it every tribe_power.upkeep_interval: partitions ahead, totals of today, yesterday and of days that late readings came for, alerts by the month, retention. Without the worker, call it every quarter of an hour, by pg_cron for instance.';
