\set ECHO none
\getenv root PG_ABS_SRCDIR
\set helper :root '/pgtap.psql'
\i :helper

-- Settings: a bad value is refused where it is set.
SELECT plan(31);
LOAD 'tribe_power';

SELECT results_eq(
    $$SELECT name, context, boot_val FROM pg_settings WHERE name LIKE 'tribe\_power.%' ORDER BY name COLLATE "C"$$,
    $$VALUES ('tribe_power.budget_month_kwh', 'sighup', '0'),
             ('tribe_power.connect_timeout', 'superuser', '5000'),
             ('tribe_power.daily_retention', 'superuser', '-1'),
             ('tribe_power.database', 'sighup', 'postgres'),
             ('tribe_power.enabled', 'sighup', 'on'),
             ('tribe_power.event_retention', 'superuser', '-1'),
             ('tribe_power.host_key_policy', 'superuser', 'strict'),
             ('tribe_power.hourly_retention', 'superuser', '-1'),
             ('tribe_power.identity_file', 'superuser', '~/.ssh/id_ed25519'),
             ('tribe_power.interval', 'sighup', '300'),
             ('tribe_power.jitter', 'sighup', '30'),
             ('tribe_power.keep_sessions', 'sighup', 'off'),
             ('tribe_power.known_hosts_file', 'superuser', '~/.ssh/known_hosts'),
             ('tribe_power.max_connections', 'superuser', '64'),
             ('tribe_power.nice', 'sighup', '15'),
             ('tribe_power.node_timeout', 'superuser', '15000'),
             ('tribe_power.notify', 'sighup', 'on'),
             ('tribe_power.partition_width', 'superuser', 'month'),
             ('tribe_power.poller_memory', 'sighup', '256'),
             ('tribe_power.raw_data_retention', 'superuser', '-1'),
             ('tribe_power.retention', 'superuser', '-1'),
             ('tribe_power.round_timeout', 'superuser', '120000'),
             ('tribe_power.sample_window', 'superuser', '1000'),
             ('tribe_power.ssh_user', 'superuser', 'tribe_power'),
             ('tribe_power.timezone', 'sighup', ''),
             ('tribe_power.upkeep_interval', 'sighup', '900')$$,
    'every setting, its context and its default');
SELECT is_empty($$SELECT name FROM pg_settings WHERE name LIKE 'tribe\_power.%' AND coalesce(short_desc, '') = ''$$,
                'every setting is explained');

SELECT refused(format('SET tribe_power.%s = %L', name, value), '22023', 'invalid value for parameter "tribe_power.' || name || '"%', hint,
               format('%s is not %L', name, left(value, 20)))
FROM (VALUES ('identity_file', 'id_ed25519', '%absolute path%'),
             ('identity_file', './id', '%absolute path%'),
             ('identity_file', '/' || repeat('x', 5000), '%'),
             ('known_hosts_file', 'known_hosts', '%absolute path%'),
             ('ssh_user', '', '%login name%'),
             ('ssh_user', 'a b', '%login name%'),
             ('ssh_user', repeat('u', 65), '%login name%'),
             ('host_key_policy', 'no', '%strict, accept-new%'),
             ('connect_timeout', 'soon', '%'),
             ('connect_timeout', '5 parsecs', '%Valid units%'),
             ('sample_window', '', '%')) v (name, value, hint);
SELECT refused(format('SET tribe_power.%s = %L', name, value), '22023', '%outside the valid range%', '%',
               format('%s = %s is out of range', name, value))
FROM (VALUES ('connect_timeout', '0'), ('connect_timeout', '11min'), ('node_timeout', '100ms'), ('node_timeout', '1h'),
             ('round_timeout', '0'), ('round_timeout', '2h'), ('sample_window', '50ms'), ('sample_window', '31s'),
             ('max_connections', '0'), ('max_connections', '10001')) v (name, value);
SELECT lives_ok(format('SET tribe_power.%s = %L', name, value), format('%s = %s', name, value))
FROM (VALUES ('identity_file', '/k'), ('identity_file', '~/k'), ('known_hosts_file', ''), ('ssh_user', 'dereadi'),
             ('host_key_policy', 'accept-new'), ('connect_timeout', '2s'), ('round_timeout', '1min')) v (name, value);
SELECT refused('SET tribe_power.no_such_setting = 1', '42602', '%no_such_setting%', '%', 'a mistyped name is refused');
SELECT * FROM finish();
ROLLBACK;

-- ALTER SYSTEM takes no transaction block.
CREATE SCHEMA tap;
CREATE EXTENSION pgtap SCHEMA tap;
CREATE EXTENSION tribe_power;
SET search_path = public, tap;
SELECT tribe_power_version() \g /dev/null
SELECT plan(11);
-- the words that a range is given in are the version's own
\set VERBOSITY sqlstate
ALTER SYSTEM SET tribe_power.interval = '0';
SELECT is(:'LAST_ERROR_SQLSTATE'::text, '22023', 'no interval: 0');
ALTER SYSTEM SET tribe_power.interval = '1.5s';
SELECT is(:'SQLSTATE'::text, '00000', 'a fraction of a second is rounded, as for all settings in seconds');
ALTER SYSTEM SET tribe_power.interval = '2 days';
SELECT is(:'LAST_ERROR_SQLSTATE'::text, '22023', 'no interval: 2 days');
ALTER SYSTEM SET tribe_power.interval = 'often';
SELECT is(:'LAST_ERROR_SQLSTATE'::text, '22023', 'no interval: often');
ALTER SYSTEM SET tribe_power.jitter = '2h';
SELECT is(:'LAST_ERROR_SQLSTATE'::text, '22023', 'no jitter: 2h');
ALTER SYSTEM SET tribe_power.nice = 20;
SELECT is(:'LAST_ERROR_SQLSTATE'::text, '22023', 'no niceness: 20');
ALTER SYSTEM SET tribe_power.poller_memory = '1MB';
SELECT is(:'LAST_ERROR_SQLSTATE'::text, '22023', 'too little memory');
\set VERBOSITY default
ALTER SYSTEM SET tribe_power.timezone = 'Europe/Atlantis';
SELECT is(:'LAST_ERROR_SQLSTATE'::text, '22023', 'no zone: Europe/Atlantis');

-- The zone that a day is counted in is read anew, and yesterday with it: these two
-- are 25 hours apart.
CREATE PROCEDURE wait_for_zone(zone text) LANGUAGE plpgsql AS $$
BEGIN
    FOR i IN 1 .. 1000 LOOP
        COMMIT;
        EXIT WHEN tribe_power_timezone() = zone;
        PERFORM pg_sleep(0.01);
    END LOOP;
END
$$;
INSERT INTO tribe_power_nodes (node_name, address) VALUES ('n', 'n');
INSERT INTO tribe_power_metrics (node_name, "timestamp", total_power_watts, interval_seconds, energy_joules)
SELECT 'n', now() - i * interval '1 hour', 1, 3600, 3600 FROM generate_series(0, 80) i;
ALTER SYSTEM SET tribe_power.timezone = 'Pacific/Kiritimati';
SELECT pg_reload_conf() \g /dev/null
CALL wait_for_zone('Pacific/Kiritimati');
SELECT is(tribe_power_timezone(), 'Pacific/Kiritimati', 'east of the date line');
SELECT tribe_power_aggregate() \g /dev/null
ALTER SYSTEM SET tribe_power.timezone = 'Pacific/Pago_Pago';
SELECT pg_reload_conf() \g /dev/null
CALL wait_for_zone('Pacific/Pago_Pago');
SELECT is(tribe_power_timezone(), 'Pacific/Pago_Pago', 'west of it');
SELECT tribe_power_aggregate() \g /dev/null
SELECT is((SELECT count(*) FROM tribe_power_daily), 2::bigint, 'yesterday is another day there');
SELECT * FROM finish();
ALTER SYSTEM RESET ALL;
SELECT pg_reload_conf() \g /dev/null
DROP PROCEDURE wait_for_zone;
DROP EXTENSION tribe_power;
DROP SCHEMA tap CASCADE;
