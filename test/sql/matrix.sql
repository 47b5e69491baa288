\set ECHO none
\getenv root PG_ABS_SRCDIR
\set helper :root '/pgtap.psql'
\i :helper

-- Every member of the extension x who: superuser, the extension's owner (no
-- superuser here), an operator whom the owner granted it, pg_monitor, and anybody.
--
-- A NEW OBJECT NEEDS ONE LINE IN THIS LIST, or the first test names it; nothing
-- else here, nor the expected output, has to change.
--   object  as regclass or regprocedure prints it
--   may     who may read or call it: 'owner' (and whom he grants it), 'monitor'
--           (pg_monitor too) or 'anybody'.  Writing is always the owner's.
--   try     a query that shows that who may call the function really can, with all
--           that it calls.  Needed unless only the owner may; left out (NULL) for
--           tables and views, which are read, and for what needs a node or a file.
CREATE TEMP TABLE expected (
    object text PRIMARY KEY,
    may text NOT NULL CHECK (may IN ('owner', 'monitor', 'anybody')),
    try text);
INSERT INTO expected (object, may, try) VALUES
-- tables and views
('tribe_power_nodes', 'owner', NULL),
('tribe_power_metrics', 'monitor', NULL),
('tribe_power_metrics_default', 'owner', NULL),
('tribe_power_node_status', 'monitor', NULL),
('tribe_power_hourly', 'monitor', NULL),
('tribe_power_looked_at', 'owner', NULL),
('tribe_power_daily', 'monitor', NULL),
('tribe_power_latest', 'monitor', NULL),
('tribe_power_gpus', 'monitor', NULL),
('tribe_power_fleet', 'monitor', NULL),
('tribe_power_fleet_total', 'monitor', NULL),
('tribe_power_monthly', 'monitor', NULL),
-- facts that tell nothing
('tribe_power_check(text,text)', 'anybody', $$SELECT tribe_power_check('address', 'x')$$),
('tribe_power_timezone()', 'anybody', $$SELECT tribe_power_timezone()$$),
('tribe_power_schema()', 'anybody', $$SELECT tribe_power_schema()$$),
('tribe_power_sql_version()', 'anybody', $$SELECT tribe_power_sql_version()$$),
('tribe_power_version()', 'anybody', $$SELECT tribe_power_version()$$),
('tribe_power_remedy(text,text)', 'anybody', $$SELECT tribe_power_remedy('rapl', 'denied')$$),
('tribe_power_fingerprint(text)', 'anybody', $$SELECT tribe_power_fingerprint('ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f')$$),
-- polling and host keys
('tribe_power_collect(text[])', 'owner', $$SELECT * FROM tribe_power_collect()$$),
('tribe_power_examine(text[])', 'owner', $$SELECT * FROM tribe_power_examine()$$),
('tribe_power_probe(text)', 'owner', NULL),
('tribe_power_scan(text)', 'owner', NULL),
('tribe_power_scan_host_key(text)', 'owner', NULL),
('tribe_power_trust_host_key(text,text)', 'owner', NULL),
-- history
('tribe_power_energy(timestamp with time zone,timestamp with time zone,text,boolean)', 'monitor', $$SELECT * FROM tribe_power_energy(now() - interval '1 day', now(), 'hour', true)$$),
('tribe_power_aggregate(date)', 'owner', $$SELECT tribe_power_aggregate('2025-01-01')$$),
('tribe_power_aggregate(date,date)', 'owner', $$SELECT tribe_power_aggregate('2025-01-01', '2025-01-02')$$),
('tribe_power_aggregate_hours(timestamp with time zone,timestamp with time zone)', 'owner', $$SELECT tribe_power_aggregate_hours('2025-01-01', '2025-01-02')$$),
('tribe_power_refresh(date)', 'owner', $$SELECT tribe_power_refresh('2025-01-01')$$),
('tribe_power_day_start(date)', 'anybody', $$SELECT tribe_power_day_start('2025-01-01')$$),
('tribe_power_add_up_late()', 'owner', $$SELECT tribe_power_add_up_late()$$),
('tribe_power_days_due()', 'owner', $$SELECT tribe_power_days_due()$$),
('tribe_power_totals(timestamp with time zone,timestamp with time zone,double precision)', 'owner', NULL),
('tribe_power_is_whole(timestamp with time zone,timestamp with time zone)', 'owner', NULL),
('tribe_power_import(regclass,regclass)', 'owner', NULL),
('tribe_power_import_number(text)', 'owner', NULL),
('tribe_power_import_json(text)', 'owner', NULL),
('tribe_power_import_epoch(double precision)', 'owner', NULL),
('tribe_power_import_time(text)', 'owner', NULL),
('tribe_power_import_column(regclass,text,text)', 'owner', NULL),
('tribe_power_import_check(regclass,text[])', 'owner', NULL),
-- partitions and upkeep
('tribe_power_partitions()', 'monitor', $$SELECT * FROM tribe_power_partitions()$$),
('tribe_power_keep_from(text)', 'monitor', $$SELECT tribe_power_keep_from('retention')$$),
('tribe_power_has_partition(timestamp with time zone)', 'owner', NULL),
('tribe_power_partition_width()', 'owner', NULL),
('tribe_power_partition_range(timestamp with time zone)', 'owner', NULL),
('tribe_power_make_partition(timestamp with time zone)', 'owner', $$SELECT tribe_power_make_partition(now() + interval '300 days')$$),
('tribe_power_make_partitions()', 'owner', $$SELECT tribe_power_make_partitions()$$),
('tribe_power_drop_partition()', 'owner', $$SELECT tribe_power_drop_partition()$$),
('tribe_power_drop_raw_data()', 'owner', $$SELECT tribe_power_drop_raw_data()$$),
('tribe_power_trim_totals()', 'owner', $$SELECT tribe_power_trim_totals()$$),
('tribe_power_upkeep()', 'owner', $$SELECT * FROM tribe_power_upkeep()$$),
-- alerts
('tribe_power_maintenance', 'monitor', NULL),
('tribe_power_events', 'monitor', NULL),
('tribe_power_alerts', 'monitor', NULL),
('tribe_power_maintenance_at(timestamp with time zone)', 'monitor', $$SELECT * FROM tribe_power_maintenance_at()$$),
('tribe_power_log(text,boolean)', 'owner', NULL),
('tribe_power_report_event(text,text,text,double precision,double precision,text)', 'owner', NULL),
('tribe_power_evaluate(text[])', 'owner', $$SELECT tribe_power_evaluate('{}')$$),
('tribe_power_evaluate_months()', 'owner', $$SELECT tribe_power_evaluate_months()$$),
-- cost and metrics
('tribe_power_tariffs', 'monitor', NULL),
('tribe_power_carbon', 'monitor', NULL),
('tribe_power_price(text,timestamp with time zone)', 'monitor', $$SELECT * FROM tribe_power_price()$$),
('tribe_power_check_tariffs()', 'owner', NULL),
('tribe_power_price_pieces(timestamp with time zone,timestamp with time zone)', 'owner', NULL),
('tribe_power_price_of_day(text,text,date)', 'owner', NULL),
('tribe_power_cost(timestamp with time zone,timestamp with time zone,text,boolean)', 'monitor', $$SELECT * FROM tribe_power_cost(now() - interval '1 day', now())$$),
('tribe_power_openmetrics(text)', 'monitor', $$SELECT tribe_power_openmetrics()$$),
-- operating
('tribe_power_doctor(text)', 'owner', $$SELECT * FROM tribe_power_doctor()$$),
('tribe_power_doctor_hub()', 'owner', $$SELECT * FROM tribe_power_doctor_hub()$$),
('tribe_power_doctor_nodes(text)', 'owner', $$SELECT * FROM tribe_power_doctor_nodes(NULL)$$),
('tribe_power_doctor_history()', 'owner', $$SELECT * FROM tribe_power_doctor_history()$$),
('tribe_power_rests(text,timestamp with time zone)', 'owner', $$SELECT tribe_power_rests('n', now())$$),
('tribe_power_step_bounds(text,timestamp with time zone)', 'anybody', $$SELECT * FROM tribe_power_step_bounds('day', '2025-01-01+00')$$),
('tribe_power_key_file_remedy(text)', 'owner', $$SELECT tribe_power_key_file_remedy('/nowhere')$$),
('tribe_power_schedule(boolean)', 'owner', NULL),
('tribe_power_unschedule()', 'owner', NULL),
('tribe_power_jobs(boolean)', 'owner', $$SELECT * FROM tribe_power_jobs(true)$$),
('tribe_power_cron_schedule(interval)', 'owner', $$SELECT tribe_power_cron_schedule('5min')$$),
('tribe_power_start_worker()', 'owner', NULL),
('tribe_power_is_preloaded()', 'monitor', $$SELECT tribe_power_is_preloaded()$$),
('tribe_power_is_served()', 'monitor', $$SELECT tribe_power_is_served()$$),
('tribe_power_key_file_state(text)', 'owner', $$SELECT tribe_power_key_file_state('/nowhere')$$),
('tribe_power_public_key(text)', 'owner', NULL),
('tribe_power_node_file(text)', 'owner', NULL),
-- the report: the page and its data are results
('tribe_power_report(timestamp with time zone,timestamp with time zone)', 'monitor', $$SELECT tribe_power_report()$$),
('tribe_power_report_data(timestamp with time zone,timestamp with time zone)', 'monitor', $$SELECT tribe_power_report_data()$$),
('tribe_power_spark(text,interval,integer)', 'monitor', $$SELECT tribe_power_spark(node_name) FROM tribe_power_latest$$),
('tribe_power_report_range(timestamp with time zone,timestamp with time zone)', 'owner', NULL),
('tribe_power_report_plan(timestamp with time zone,timestamp with time zone)', 'owner', NULL),
('tribe_power_report_cells(timestamp with time zone,timestamp with time zone,text,integer,integer)', 'owner', NULL),
('tribe_power_report_now()', 'owner', NULL),
('tribe_power_report_offsets(timestamp with time zone,timestamp with time zone)', 'owner', NULL),
('tribe_power_report_days(timestamp with time zone,timestamp with time zone)', 'owner', NULL),
('tribe_power_report_week(timestamp with time zone,timestamp with time zone)', 'owner', NULL),
('tribe_power_report_cost(timestamp with time zone,timestamp with time zone)', 'owner', NULL),
('tribe_power_report_events(timestamp with time zone,timestamp with time zone)', 'owner', NULL),
('tribe_power_report_problems()', 'owner', NULL),
('tribe_power_report_series(timestamp with time zone,timestamp with time zone,text,integer,integer)', 'owner', NULL),
('tribe_power_report_escape(text)', 'owner', NULL),
('tribe_power_report_file(text)', 'owner', NULL),
('tribe_power_node_setup(text,boolean)', 'owner', NULL);

-- An owner who was allowed to install it, and is no superuser any more.
DROP EXTENSION tribe_power;
CREATE ROLE matrix_owner SUPERUSER;
GRANT CREATE ON SCHEMA public TO matrix_owner;
SET ROLE matrix_owner;
CREATE EXTENSION tribe_power SCHEMA public;
RESET ROLE;
ALTER ROLE matrix_owner NOSUPERUSER;
CREATE ROLE matrix_operator;
CREATE ROLE matrix_monitor;
CREATE ROLE matrix_nobody;
GRANT pg_monitor TO matrix_monitor;

CREATE TEMP VIEW member AS
SELECT d.objid, d.classid, c.relkind, CASE d.classid
    WHEN 'pg_class'::regclass THEN d.objid::regclass::text
    WHEN 'pg_proc'::regclass THEN d.objid::regprocedure::text
    ELSE pg_describe_object(d.classid, d.objid, 0) END AS object
FROM pg_depend d JOIN pg_extension e ON e.oid = d.refobjid
LEFT JOIN pg_class c ON d.classid = 'pg_class'::regclass AND c.oid = d.objid
WHERE d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e' AND e.extname = 'tribe_power'
-- since 17 the row type of each relation, and the array of it, are members by themselves
AND NOT EXISTS (SELECT FROM pg_type t LEFT JOIN pg_type element ON element.oid = t.typelem
    WHERE d.classid = 'pg_type'::regclass AND t.oid = d.objid AND coalesce(element.typrelid, t.typrelid) <> 0);

SELECT plan(14);
SELECT is_empty($$SELECT object FROM member EXCEPT SELECT object FROM expected$$,
    'every member has a line in the list of test/sql/matrix.sql');
SELECT is_empty($$SELECT object FROM expected EXCEPT SELECT object FROM member$$,
    'and every line a member');
SELECT is_empty($$SELECT object FROM expected WHERE may <> 'owner' AND try IS NULL AND object LIKE '%(%'$$,
    'what others may call is tried out');
SELECT is_empty($$SELECT object, relowner::regrole FROM member JOIN pg_class ON pg_class.oid = objid AND classid = 'pg_class'::regclass WHERE relowner <> 'matrix_owner'::regrole
                  UNION ALL SELECT object, proowner::regrole FROM member JOIN pg_proc ON pg_proc.oid = objid AND classid = 'pg_proc'::regclass WHERE proowner <> 'matrix_owner'::regrole$$,
    'all of it belongs to the owner of the extension');

-- What the catalog says.  A right is read or call, or write, or to pass it on.
CREATE TEMP TABLE who (role name, rank integer);
INSERT INTO who VALUES (current_user, 0), ('matrix_owner', 1), ('matrix_monitor', 2), ('matrix_operator', 3), ('matrix_nobody', 3);
CREATE TEMP VIEW matrix AS
SELECT m.*, x.may, x.try, w.role, w.rank,
    w.rank < 2 OR x.may = 'anybody' OR x.may = 'monitor' AND w.role = 'matrix_monitor' AS should,
    CASE WHEN m.classid = 'pg_proc'::regclass THEN has_function_privilege(w.role, m.objid, 'EXECUTE')
         WHEN m.relkind = 'S' THEN has_sequence_privilege(w.role, m.objid, 'SELECT')
         WHEN m.relkind IS NOT NULL THEN has_any_column_privilege(w.role, m.objid, 'SELECT') END AS reads,
    CASE WHEN m.relkind = 'S' THEN has_sequence_privilege(w.role, m.objid, 'USAGE, UPDATE')
         WHEN m.relkind IS NOT NULL THEN has_any_column_privilege(w.role, m.objid, 'INSERT, UPDATE, REFERENCES')
             OR has_table_privilege(w.role, m.objid, 'DELETE, TRUNCATE, TRIGGER') END AS writes,
    CASE WHEN m.classid = 'pg_proc'::regclass THEN has_function_privilege(w.role, m.objid, 'EXECUTE WITH GRANT OPTION')
         WHEN m.relkind IS NOT NULL THEN has_table_privilege(w.role, m.objid, 'SELECT WITH GRANT OPTION') END AS passes_on
FROM member m JOIN expected x USING (object), who w;
SELECT is_empty($$SELECT role, object, reads, should FROM matrix WHERE reads <> should$$, 'each may read or call what he should, and nothing else');
SELECT is_empty($$SELECT role, object FROM matrix WHERE writes <> (rank < 2)$$, 'only the owner writes');
SELECT is_empty($$SELECT role, object FROM matrix WHERE passes_on <> (rank < 2)$$, 'and passes rights on');
SELECT ok(count(*) FILTER (WHERE reads) > 100 AND count(*) FILTER (WHERE NOT reads) > 100, 'of hundreds of rights') FROM matrix;

-- The same, tried out: 00000, or the error's state.
CREATE FUNCTION pg_temp.attempt(role name, sql text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    state text := '00000';
    message text := '';
BEGIN
    BEGIN
        PERFORM set_config('role', attempt.role, true);
        EXECUTE sql;
        -- nothing of it stays, nor its locks
        RAISE EXCEPTION USING ERRCODE = 'TP000';
    EXCEPTION WHEN OTHERS THEN
        IF SQLSTATE <> 'TP000' THEN
            GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT;
        END IF;
    END;
    RETURN state || CASE WHEN message <> '' THEN ' ' || message ELSE '' END;
END
$$;
CREATE TEMP TABLE tried AS
SELECT m.*, pg_temp.attempt(role, coalesce(try, 'SELECT * FROM ' || object || ' LIMIT 1')) AS state
FROM matrix m WHERE relkind IS NOT NULL OR try IS NOT NULL;
SELECT is_empty($$SELECT role, object, state FROM tried WHERE should AND state <> '00000'$$, 'who may, can');
SELECT is_empty($$SELECT role, object, state FROM tried WHERE NOT should AND state NOT LIKE '42501 permission denied%'$$, 'who may not, is refused');
SELECT is_empty($$SELECT role, object, state FROM (
        SELECT role, object, pg_temp.attempt(role, 'DELETE FROM ' || object) AS state FROM matrix WHERE rank >= 2 AND relkind IN ('r', 'p')
        UNION ALL SELECT role, object, pg_temp.attempt(role, 'INSERT INTO ' || object || ' DEFAULT VALUES') FROM matrix WHERE rank >= 2 AND relkind IN ('r', 'p')) t
    WHERE state NOT LIKE '42501 permission denied%'$$, 'nobody else writes');

-- What the owner grants, one thing at a time, is enough for it, and for no more.
CREATE FUNCTION pg_temp.granted(object text, relation boolean, try text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    state text;
    others bigint;
    thing text := CASE WHEN relation THEN 'TABLE ' ELSE 'FUNCTION ' END || object;
    verb text := CASE WHEN relation THEN 'SELECT' ELSE 'EXECUTE' END;
BEGIN
    PERFORM set_config('role', 'matrix_owner', true);
    EXECUTE format('GRANT %s ON %s TO matrix_operator', verb, thing);
    PERFORM set_config('role', 'none', true);
    state := CASE WHEN try IS NOT NULL THEN pg_temp.attempt('matrix_operator', try) ELSE '00000' END;
    SELECT count(*) INTO others FROM matrix m
    WHERE m.role = 'matrix_operator' AND m.object <> granted.object AND m.reads <> m.should
       OR m.role = 'matrix_operator' AND (m.writes OR m.passes_on);
    PERFORM set_config('role', 'matrix_owner', true);
    EXECUTE format('REVOKE %s ON %s FROM matrix_operator', verb, thing);
    PERFORM set_config('role', 'none', true);
    RETURN state || CASE WHEN others > 0 THEN ' and more' ELSE '' END;
END
$$;
CREATE TEMP TABLE grants AS
SELECT object, pg_temp.granted(object, relkind IS NOT NULL, coalesce(try, CASE WHEN relkind IS NOT NULL THEN 'SELECT * FROM ' || object || ' LIMIT 1' END)) AS state
FROM matrix WHERE role = 'matrix_operator' AND (relkind IS NOT NULL OR classid = 'pg_proc'::regclass);
-- a function that runs as its caller needs his rights to the tables too
SELECT is_empty($$SELECT * FROM grants WHERE state <> '00000' AND NOT (
        state LIKE '42501 permission denied for %' AND object IN (
            SELECT m.object FROM member m JOIN pg_proc p ON m.classid = 'pg_proc'::regclass AND p.oid = m.objid WHERE NOT p.prosecdef))$$, 'an operator can do what the owner granted, and no more');
SELECT is_empty($$SELECT object FROM matrix WHERE role = 'matrix_operator' AND reads <> should$$, 'and not once it is revoked');
SELECT cmp_ok((SELECT count(*) FROM grants), '=', (SELECT count(*) FROM member WHERE classid IN ('pg_class'::regclass, 'pg_proc'::regclass)), 'each object was granted');

SELECT * FROM finish();
ROLLBACK;
