-- The earlier collector's tables bear the same names: said before anything else
-- fails over them, with the way out.
DO $$
DECLARE
    old text;
BEGIN
    SELECT string_agg(format('ALTER TABLE %s RENAME TO %I;', c.oid::regclass, c.relname || '_legacy'), ' ' ORDER BY c.relname)
    INTO old
    FROM pg_catalog.pg_class c
    WHERE c.relnamespace = '@extschema@'::regnamespace
      AND c.relname IN ('tribe_power_metrics', 'tribe_power_daily')
      AND c.relkind IN ('r', 'p', 'v', 'm', 'f');
    IF old IS NOT NULL THEN
        RAISE EXCEPTION 'tables of an earlier collector are in the way of extension tribe_power'
            USING ERRCODE = 'duplicate_table',
                  HINT = format('%s CREATE EXTENSION tribe_power; SELECT * FROM tribe_power_import(''tribe_power_metrics_legacy'', ''tribe_power_daily_legacy''); nothing of the old tables is changed.', old);
    END IF;
END
$$;
