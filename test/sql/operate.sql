\set ECHO none
\getenv root PG_ABS_SRCDIR
\set helper :root '/pgtap.psql'
\i :helper

-- Operating: the doctor's findings without a node and with one that is not
-- there, schedules without pg_cron, private key files by their mode.
SELECT plan(42);

SELECT is(status, 'ok', 'doctor: versions agree') FROM tribe_power_doctor() WHERE "check" = 'versions';
SELECT is(status, 'fail', 'doctor: no worker serves the test database')
FROM tribe_power_doctor() WHERE "check" = 'worker';
SELECT matches(remedy, '^SELECT tribe_power_start_worker\(\);  -- .*ALTER SYSTEM SET shared_preload_libraries = ''tribe_power''', 'and says how to start one')
FROM tribe_power_doctor() WHERE "check" = 'worker';
SELECT is(status, 'warn', 'doctor: an empty registry') FROM tribe_power_doctor() WHERE "check" = 'registry';

INSERT INTO tribe_power_nodes (node_name, address, port, identity_file)
VALUES ('gone', '127.0.0.1', 1, '/nonexistent/the key');
SELECT is(array_agg("check" || ':' || status ORDER BY "check"),
          '{"daily totals:ok","host key:warn","last poll:warn",login:fail,partitions:ok,"private key:fail",versions:ok,worker:fail}'::text[],
          'doctor: each thing that is broken has its row')
FROM tribe_power_doctor();
SELECT is(count(*) FILTER (WHERE status <> 'ok' AND coalesce(remedy, '') = ''), 0::bigint,
          'doctor: whatever is not ok has a remedy')
FROM tribe_power_doctor();
SELECT is(array_agg(DISTINCT node_name), '{gone,NULL}'::text[], 'doctor(node) speaks of that node only')
FROM tribe_power_doctor('gone');
SELECT matches(detail, '^identity_file: .*/nonexistent/the key', 'doctor: the live poll says why')
FROM tribe_power_doctor('gone') WHERE "check" = 'login';
SELECT matches(remedy, 'ssh-keygen -q -t ed25519 -N '''' -f ''/nonexistent/the key''$', 'doctor: how to make a key, quoted for a shell')
FROM tribe_power_doctor() WHERE "check" = 'private key';

-- In a maintenance window nobody asks a node whose polls it skips, the doctor neither.
INSERT INTO tribe_power_node_status (node_name, last_attempt, last_outcome) VALUES ('gone', now() - interval '1 day', 'read');
INSERT INTO tribe_power_maintenance (window_name, node_name, during) VALUES ('rack', 'gone', tstzrange(now() - interval '1 hour', now() + interval '1 hour'));
SELECT is(status, 'fail', 'doctor: a window in which polls go on changes nothing') FROM tribe_power_doctor('gone') WHERE "check" = 'last poll';
UPDATE tribe_power_maintenance SET skip_polls = true;
SELECT is(concat_ws('|', status, detail, remedy), 'ok|in maintenance window "rack", not polled', 'doctor: a window without polls')
FROM tribe_power_doctor() WHERE "check" = 'last poll';
SELECT is_empty($$SELECT FROM tribe_power_doctor() WHERE "check" = 'login'$$, 'doctor: and logs in nowhere');
SELECT is(status, 'fail', 'doctor: but where that node is asked for') FROM tribe_power_doctor('gone') WHERE "check" = 'login';
UPDATE tribe_power_maintenance SET during = tstzrange(now() - interval '1 hour', now() - interval '1 minute');
SELECT is(concat_ws('|', status, detail), 'ok|maintenance window "rack" has just ended, the next poll is due', 'doctor: it has just ended')
FROM tribe_power_doctor('gone') WHERE "check" = 'last poll';
UPDATE tribe_power_maintenance SET during = tstzrange(now() - interval '2 hours', now() - interval '1 hour');
SELECT is(status, 'fail', 'doctor: it ended long ago') FROM tribe_power_doctor('gone') WHERE "check" = 'last poll';
UPDATE tribe_power_maintenance SET during = tstzrange(now() - interval '1 hour', now() + interval '1 hour'), node_name = 'another';
SELECT is(status, 'fail', 'doctor: a window of another node') FROM tribe_power_doctor('gone') WHERE "check" = 'last poll';
DELETE FROM tribe_power_maintenance;
DELETE FROM tribe_power_node_status;

SELECT throws_ok($$SELECT tribe_power_doctor('nobody')$$, '42704', 'node "nobody" is not registered');
SELECT is(count(*), 0::bigint, 'doctor: nothing was stored') FROM tribe_power_node_status;

-- What of it can be broken and mended here: readings without totals, stray rows, a
-- registry that is switched off, another version of the SQL objects.
INSERT INTO tribe_power_metrics (node_name, "timestamp", total_power_watts, interval_seconds, energy_joules)
SELECT 'gone', ((now() AT TIME ZONE tribe_power_timezone())::date - interval '12 h') AT TIME ZONE tribe_power_timezone(), 100, 300, 30000;
SELECT is(status, 'warn', 'doctor: yesterday is not in the totals') FROM tribe_power_doctor() WHERE "check" = 'daily totals';
DO $$ BEGIN EXECUTE (SELECT remedy FROM tribe_power_doctor() WHERE "check" = 'daily totals'); END $$;
SELECT is(status, 'ok', 'its remedy mends it') FROM tribe_power_doctor() WHERE "check" = 'daily totals';
INSERT INTO tribe_power_metrics (node_name, "timestamp") VALUES ('gone', now() + interval '30 years');
SELECT is(status || ': ' || detail, 'warn: 2 readings are in the default partition, 1 of them of the future', 'doctor: a reading of the future')
FROM tribe_power_doctor() WHERE "check" = 'partitions';
DO $$ BEGIN EXECUTE (SELECT remedy FROM tribe_power_doctor() WHERE "check" = 'partitions'); END $$;
SELECT is(status, 'ok', 'its remedy mends it') FROM tribe_power_doctor() WHERE "check" = 'partitions';
UPDATE tribe_power_nodes SET enabled = false;
SELECT is(status, 'warn', 'doctor: all nodes are disabled') FROM tribe_power_doctor() WHERE "check" = 'registry';
DO $$ BEGIN EXECUTE (SELECT remedy FROM tribe_power_doctor() WHERE "check" = 'registry'); END $$;
SELECT is_empty($$SELECT FROM tribe_power_doctor() WHERE "check" = 'registry'$$, 'its remedy mends it');
CREATE INDEX "by node" ON tribe_power_metrics (node_name);
ALTER TABLE tribe_power_metrics ADD CONSTRAINT readings_key UNIQUE ("timestamp", node_name);
SELECT is(status || ': ' || detail, 'warn: a dump cannot be restored while tribe_power_metrics itself has an index: public."by node", public.readings_key', 'doctor: indexes that a dump cannot hold')
FROM tribe_power_doctor() WHERE "check" = 'indexes';
DO $$ BEGIN EXECUTE (SELECT remedy FROM tribe_power_doctor() WHERE "check" = 'indexes'); END $$;
SELECT is_empty($$SELECT FROM tribe_power_doctor() WHERE "check" = 'indexes'$$, 'its remedy mends it');
SET track_counts = off;
SELECT is(status, 'warn', 'doctor: inserts are not counted') FROM tribe_power_doctor() WHERE "check" = 'track_counts';
SELECT matches(remedy, '^ALTER SYSTEM SET track_counts = on;', 'and how to mend that') FROM tribe_power_doctor() WHERE "check" = 'track_counts';
RESET track_counts;
SELECT is_empty($$SELECT FROM tribe_power_doctor() WHERE "check" = 'track_counts'$$, 'doctor: they are again');
UPDATE pg_extension SET extversion = '0.9' WHERE extname = 'tribe_power';
SELECT is(array_agg("check" || ' ' || status ORDER BY "check"), '{"login fail","versions fail"}'::text[], 'doctor: library and SQL of different versions, nothing is polled')
FROM tribe_power_doctor() WHERE "check" IN ('versions', 'login');
SELECT matches(remedy, '^ALTER EXTENSION tribe_power UPDATE TO ''1.0'';', 'and how to mend that') FROM tribe_power_doctor() WHERE "check" = 'versions';
UPDATE pg_extension SET extversion = '1.0' WHERE extname = 'tribe_power';

SELECT refused('SELECT tribe_power_schedule()', '55000', 'pg_cron is not installed%', '%CREATE EXTENSION pg_cron%',
               'schedule without pg_cron');
SELECT is(tribe_power_unschedule(), 0, 'unschedule without pg_cron');

SELECT matches(tribe_power_key_file_state('/etc/passwd'), 'can be read by others \(mode 0644\)', 'a key that others can read');
SELECT matches(tribe_power_key_file_state('/nonexistent'), 'No such file', 'a key that is not there');

-- The script for a node: one word for the shell whatever the name holds.
SELECT throws_ok($$SELECT tribe_power_node_setup('nobody')$$, '42704', 'node "nobody" is not registered');
SELECT refused($$SELECT tribe_power_node_setup('gone')$$, '58P01', 'could not open the public key "/nonexistent/the key.pub"%',
               '%ssh-keygen -y%', 'setup without a public key');
DO $$
BEGIN
    EXECUTE format('COPY (SELECT ''ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKqL1y+uZKfgd6tMZU8wHqOBrD8zDgNc9yHqSp1n4Xsr hub'') TO %L',
                   current_setting('data_directory') || '/hub.pub');
    EXECUTE format('COPY (SELECT ''no key'') TO %L', current_setting('data_directory') || '/none.pub');
    INSERT INTO tribe_power_nodes (node_name, address, identity_file)
    VALUES ('o''clock $(reboot)', '192.0.2.1', current_setting('data_directory') || '/hub'),
           ('none', '192.0.2.1', current_setting('data_directory') || '/none');
END
$$;
SELECT throws_ok($$SELECT tribe_power_node_setup('none')$$, '22000', NULL, 'setup with something else for a key');
SELECT matches(tribe_power_node_setup('o''clock $(reboot)'), $$node='o'\\''clock \$\(reboot\)'$$, 'a name is quoted for the shell');
SELECT matches(tribe_power_node_setup('o''clock $(reboot)'),
               $$public_key='ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKqL1y\+uZKfgd6tMZU8wHqOBrD8zDgNc9yHqSp1n4Xsr'$$,
               'the public key without its comment');
SELECT ok(tribe_power_node_setup('o''clock $(reboot)') !~ '@(NODE|LOGIN|PUBLIC_KEY|UNDO|FILE)', 'every placeholder is filled in');
SELECT matches(tribe_power_node_setup('o''clock $(reboot)', true), $$undo='yes'$$, 'undo');

SELECT * FROM finish();
