\set ECHO none
\getenv root PG_ABS_SRCDIR
\set helper :root '/pgtap.psql'
\i :helper

-- Who may do what: the owner, an operator whom the owner granted it, a member of
-- pg_monitor, and anybody.
SELECT plan(65);

CREATE ROLE tribe_operator;
CREATE ROLE tribe_monitor;
CREATE ROLE tribe_nobody;
GRANT pg_monitor TO tribe_monitor;
GRANT SELECT, INSERT, UPDATE, DELETE ON tribe_power_nodes TO tribe_operator;
GRANT EXECUTE ON FUNCTION tribe_power_collect(text[]), tribe_power_aggregate(date) TO tribe_operator;

-- what each may read
SELECT is(has_table_privilege(r, t::regclass, 'SELECT'), may, format('%s %s read %s', r, CASE WHEN may THEN 'may' ELSE 'may not' END, t))
FROM unnest(ARRAY['tribe_monitor', 'tribe_nobody']) r,
     unnest(ARRAY['tribe_power_metrics', 'tribe_power_daily', 'tribe_power_node_status', 'tribe_power_latest', 'tribe_power_nodes']) t,
     LATERAL (SELECT r = 'tribe_monitor' AND t <> 'tribe_power_nodes' AS may) m;

-- and write
SELECT is(has_table_privilege(r, t::regclass, 'INSERT, UPDATE, DELETE, TRUNCATE'), false, format('%s may not write %s', r, t))
FROM unnest(ARRAY['tribe_monitor', 'tribe_nobody']) r,
     unnest(ARRAY['tribe_power_metrics', 'tribe_power_daily', 'tribe_power_node_status', 'tribe_power_nodes']) t;

-- and call: what reads or writes is granted; what only knows is harmless
SELECT is(has_function_privilege(r, f::regprocedure, 'EXECUTE'), may, format('%s %s call %s', r, CASE WHEN may THEN 'may' ELSE 'may not' END, f))
FROM unnest(ARRAY['tribe_operator', 'tribe_monitor', 'tribe_nobody']) r,
     (VALUES ('tribe_power_collect(text[])', true), ('tribe_power_probe(text)', false),
             ('tribe_power_aggregate(date)', true), ('tribe_power_aggregate(date,date)', false)) v (f, granted),
     LATERAL (SELECT granted AND r = 'tribe_operator' AS may) m;
SELECT is(has_function_privilege('tribe_nobody', f::regprocedure, 'EXECUTE'), true, format('anybody may call %s', f))
FROM unnest(ARRAY['tribe_power_version()', 'tribe_power_timezone()', 'tribe_power_remedy(text,text)', 'tribe_power_check(text,text)', 'tribe_power_fingerprint(text)']) f;

-- Nothing else of the extension is PUBLIC's.
SELECT is_empty($$
    SELECT p.oid::regprocedure FROM pg_proc p
    JOIN pg_depend d ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e'
    JOIN pg_extension e ON e.oid = d.refobjid AND e.extname = 'tribe_power'
    WHERE has_function_privilege('tribe_nobody', p.oid, 'EXECUTE')
      AND p.proname NOT IN ('tribe_power_version', 'tribe_power_schema', 'tribe_power_sql_version', 'tribe_power_timezone', 'tribe_power_day_start', 'tribe_power_step_bounds', 'tribe_power_remedy', 'tribe_power_check', 'tribe_power_fingerprint')$$,
    'no other function is anybody''s');
SELECT is_empty($$
    SELECT p.oid::regprocedure FROM pg_proc p
    JOIN pg_depend d ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e'
    JOIN pg_extension e ON e.oid = d.refobjid AND e.extname = 'tribe_power'
    WHERE p.prosecdef AND NOT EXISTS (SELECT FROM unnest(p.proconfig) c WHERE c = 'search_path=pg_catalog, pg_temp')$$,
    'what runs as the owner has a search_path of its own');

-- The same, tried out.
SET ROLE tribe_operator;
SELECT lives_ok($$INSERT INTO tribe_power_nodes (node_name, address, enabled) VALUES ('o', 'o', false)$$, 'an operator registers');
SELECT is_empty($$SELECT * FROM tribe_power_collect()$$, 'and polls');
SELECT lives_ok($$SELECT tribe_power_aggregate('2025-01-01')$$, 'and aggregates');
SELECT refused($$SELECT * FROM tribe_power_probe('o')$$, '42501', 'permission denied%', '%', 'but does not probe');
SELECT refused($$SELECT * FROM tribe_power_metrics$$, '42501', 'permission denied%', '%', 'nor read what was not granted');
SELECT refused($$INSERT INTO tribe_power_metrics (node_name, "timestamp") VALUES ('o', now())$$,
               '42501', 'permission denied%', '%', 'nor make readings up');
RESET ROLE;

SET ROLE tribe_monitor;
SELECT lives_ok($$SELECT * FROM tribe_power_latest$$, 'a monitor reads the view');
SELECT lives_ok($$SELECT * FROM tribe_power_metrics, tribe_power_daily, tribe_power_node_status$$, 'and the tables');
SELECT refused($$SELECT host_key FROM tribe_power_nodes$$, '42501', 'permission denied%', '%', 'not the registry');
SELECT refused($$SELECT tribe_power_aggregate('2025-01-01')$$, '42501', 'permission denied%', '%', 'does not aggregate');
SELECT refused($$SELECT * FROM tribe_power_collect('{o}')$$, '42501', 'permission denied%', '%', 'does not poll');
RESET ROLE;

SET ROLE tribe_nobody;
SELECT refused($$SELECT * FROM tribe_power_latest$$, '42501', 'permission denied%', '%', 'anybody reads no power');
SELECT refused($$SELECT * FROM tribe_power_collect()$$, '42501', 'permission denied%', '%', 'and polls nothing');
SELECT is(tribe_power_remedy('rapl', 'denied') LIKE '%tribe_power_node_setup%', true, 'but may ask what helps');
RESET ROLE;

-- Who may not poll by a setting: what the poller may read is the superuser's.
LOAD 'tribe_power';
SET ROLE tribe_operator;
SELECT refused(format('SET tribe_power.%s = %L', s, v), '42501', 'permission denied to set parameter %', '%', 'an operator does not set ' || s)
FROM (VALUES ('identity_file', '/etc/passwd'), ('known_hosts_file', '/tmp/mine'), ('host_key_policy', 'accept-new'),
             ('ssh_user', 'root'), ('max_connections', '10000'), ('node_timeout', '10min'), ('round_timeout', '1h')) v (s, v);
SELECT refused(format('SET tribe_power.%s = %L', s, v), '55P02', '%cannot be changed now', '%', 'a session does not set ' || s)
FROM (VALUES ('database', 'x'), ('enabled', 'off'), ('interval', '1s'), ('timezone', 'UTC'), ('nice', '0'), ('poller_memory', '64GB'), ('keep_sessions', 'on')) v (s, v);
RESET ROLE;

SELECT * FROM finish();
ROLLBACK;
