-- Readings that come late, to days older than yesterday: by logical replication
-- that lagged, by an import, from a backup.  No trigger tells of them (replication
-- fires none, and each would cost every reading), so upkeep looks where PostgreSQL
-- counts more inserts than at its last look, a day at a time.

CREATE TABLE tribe_power_looked_at (
    partition oid NOT NULL,
    inserted bigint NOT NULL,
    bytes bigint NOT NULL,
    looked timestamptz NOT NULL,
    next_day date,
    CONSTRAINT tribe_power_looked_at_pkey PRIMARY KEY (partition)
);
COMMENT ON TABLE tribe_power_looked_at IS
'Up to where the readings of each partition are known to be in the daily totals. Not dumped: what is not in it is looked at.';
COMMENT ON COLUMN tribe_power_looked_at.partition IS 'The partition of tribe_power_metrics.';
COMMENT ON COLUMN tribe_power_looked_at.inserted IS 'pg_stat_get_tuples_inserted() of it when that look began.';
COMMENT ON COLUMN tribe_power_looked_at.bytes IS 'Its size when that look began; the statistics are lost in a crash.';
COMMENT ON COLUMN tribe_power_looked_at.looked IS 'When that look began.';
COMMENT ON COLUMN tribe_power_looked_at.next_day IS 'The day to go on with; NULL: all of it was looked at.';

CREATE FUNCTION tribe_power_add_up_late() RETURNS integer
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    zone CONSTANT text := @extschema@.tribe_power_timezone();
    yesterday CONSTANT date := (now() AT TIME ZONE zone)::date - 1;
    until CONSTANT timestamptz := @extschema@.tribe_power_day_start(yesterday);
    old record;
    day date;
    first date;
    written integer := 0;
BEGIN
    -- The partition of now grows all the time, and is looked at four times a day.
    SELECT p.*, c.inserted, c.bytes AS size, l.next_day INTO old
    FROM @extschema@.tribe_power_partitions() p
    CROSS JOIN LATERAL (SELECT coalesce(pg_stat_get_tuples_inserted(p.partition), 0) AS inserted,
                               pg_relation_size(p.partition) AS bytes) c
    LEFT JOIN @extschema@.tribe_power_looked_at l ON l.partition = p.partition
    WHERE p.range_start < until
      AND (l.partition IS NULL OR l.next_day IS NOT NULL
           OR (l.inserted, l.bytes) <> (c.inserted, c.bytes)
              AND (p.range_end <= until OR l.looked NOT BETWEEN now() - interval '6 hours' AND now()))
    ORDER BY p.range_start DESC LIMIT 1;
    IF NOT FOUND THEN
        DELETE FROM @extschema@.tribe_power_looked_at l
        WHERE NOT EXISTS (SELECT FROM pg_class c WHERE c.oid = l.partition);
        RETURN NULL;
    END IF;
    IF old.next_day IS NULL THEN
        INSERT INTO @extschema@.tribe_power_looked_at AS l (partition, inserted, bytes, looked)
        VALUES (old.partition, old.inserted, old.size, now())
        ON CONFLICT (partition) DO UPDATE SET
            inserted = EXCLUDED.inserted, bytes = EXCLUDED.bytes, looked = EXCLUDED.looked;
    END IF;

    day := greatest(old.next_day, (old.range_start AT TIME ZONE zone)::date,
                    (@extschema@.tribe_power_keep_from('daily_retention') AT TIME ZONE zone)::date);
    IF day < yesterday THEN
        -- Days without a reading, as between the first ones ever and today, are skipped.
        EXECUTE format('SELECT (min(m."timestamp") AT TIME ZONE $1)::date FROM %s m '
                       'WHERE m."timestamp" >= $2 AND m."timestamp" < $3', old.partition)
        INTO day USING zone, @extschema@.tribe_power_day_start(day), until;
    END IF;
    IF day < yesterday THEN
        -- where readings of a node are more than its total knows of, from where they begin
        EXECUTE format('SELECT (min(r.first) AT TIME ZONE $1)::date FROM ('
                       'SELECT m.node_name, count(*) AS readings, '
                       '       min(m."timestamp" - greatest(least(m.interval_seconds, 8 * 86400), 0) * interval ''1 second'') AS first '
                       'FROM %s m WHERE m."timestamp" >= $2 AND m."timestamp" < $3 GROUP BY 1) r '
                       'LEFT JOIN @extschema@.tribe_power_daily d ON d.node_name = r.node_name AND d.date = $4 '
                       'WHERE r.readings > coalesce(d.sample_count, 0)', old.partition)
        INTO first USING zone, @extschema@.tribe_power_day_start(day), @extschema@.tribe_power_day_start(day + 1), day;
        WHILE first <= day LOOP
            written := written + @extschema@.tribe_power_refresh(first);
            first := first + 1;
        END LOOP;
        day := day + 1;
    END IF;
    UPDATE @extschema@.tribe_power_looked_at l
    SET next_day = CASE WHEN day < yesterday AND @extschema@.tribe_power_day_start(day) < old.range_end THEN day END
    WHERE l.partition = old.partition;
    RETURN written;
END
$$;
COMMENT ON FUNCTION tribe_power_add_up_late() IS
'Looks at one day older than yesterday of a partition that has got readings since the last look, and brings the totals up to date from where readings that they lack begin. Gives back the number of node-days written, NULL when there is nothing more to look at; the worker calls it until then.';
