\set ECHO none
\getenv root PG_ABS_SRCDIR
\set helper :root '/pgtap.psql'
\i :helper

-- Taking over the tables of an earlier collector, whatever their types.
SELECT plan(56);
SET TimeZone = 'UTC';
DROP EXTENSION tribe_power;

CREATE TABLE tribe_power_metrics (
    id serial PRIMARY KEY, node_name varchar(50), node_ip inet, "timestamp" timestamp DEFAULT now(),
    cpu_power_watts numeric(10,2), cpu_temp_celsius numeric(5,1), cpu_utilization numeric(5,2),
    gpu_power_watts numeric(10,2), gpu_temp_celsius integer, gpu_utilization smallint,
    memory_used_gb double precision, memory_total_gb bigint, total_power_watts text, raw_data text);
CREATE TABLE tribe_power_daily (
    id serial PRIMARY KEY, node_name text, date date, avg_cpu_power numeric, max_cpu_power numeric, avg_gpu_power numeric,
    max_gpu_power numeric, avg_total_power numeric, max_total_power numeric, energy_kwh numeric, sample_count bigint,
    UNIQUE (node_name, date));
INSERT INTO tribe_power_metrics (node_name, node_ip, "timestamp", cpu_power_watts, gpu_temp_celsius, memory_total_gb, total_power_watts, raw_data)
VALUES ('a', '192.168.132.222', '2024-06-30 23:55', 45.25, 40, 64, '45.25', '{"cpu": 45.25}'),
       ('a', '192.168.132.222', '2024-07-01 00:00', 50, 41, 64, '50', '{"cpu": 50}'),
       ('a', NULL, '2024-07-01 00:05', 60, NULL, NULL, 'NaN', 'not json {'),
       ('a', NULL, '2024-07-01 09:00', NULL, NULL, NULL, 'n/a', NULL),
       ('a', NULL, '2024-07-01 09:05', 90000, NULL, NULL, '90000', NULL),
       ('b', NULL, '2024-07-01 00:00', 1, NULL, NULL, '1', '[]'),
       (NULL, NULL, '2024-07-01 00:00', 1, NULL, NULL, '1', '[]'),
       ('b', NULL, NULL, 1, NULL, NULL, '1', '[]');
INSERT INTO tribe_power_daily (node_name, date, avg_cpu_power, avg_total_power, max_total_power, energy_kwh, sample_count)
VALUES ('a', '2024-06-30', 45, 50, 60, 1.2, 288), ('a', '2024-07-01', 45, 50, 60, 1.2, 72), (NULL, '2024-07-01', 1, 1, 1, 1, 1);

SELECT refused('CREATE EXTENSION tribe_power SCHEMA public', '42P07', 'tables of an earlier collector are in the way%',
               '%ALTER TABLE %tribe_power_daily RENAME TO tribe_power_daily_legacy; ALTER TABLE %tribe_power_metrics RENAME TO tribe_power_metrics_legacy; CREATE EXTENSION tribe_power; SELECT * FROM tribe_power_import(''tribe_power_metrics_legacy'', ''tribe_power_daily_legacy'')%',
               'CREATE EXTENSION says what to do');
ALTER TABLE tribe_power_metrics RENAME TO tribe_power_metrics_legacy;
ALTER TABLE tribe_power_daily RENAME TO tribe_power_daily_legacy;
SELECT lives_ok('CREATE EXTENSION tribe_power SCHEMA public', 'which then works, though old sequences and keys keep their names');
CREATE TEMP TABLE before AS TABLE tribe_power_metrics_legacy;

SELECT results_eq($$SELECT source::text, rows_found, rows_imported, rows_there_already, rows_unusable
                    FROM tribe_power_import('tribe_power_metrics_legacy', 'tribe_power_daily_legacy')$$,
                  $$VALUES ('tribe_power_metrics_legacy', 8::bigint, 6::bigint, 0::bigint, 2::bigint), ('tribe_power_daily_legacy', 3, 2, 0, 1)$$,
                  'every row that can be is brought over');
SELECT results_eq($$SELECT rows_imported, rows_there_already FROM tribe_power_import('tribe_power_metrics_legacy', 'tribe_power_daily_legacy')$$,
                  $$VALUES (0::bigint, 6::bigint), (0, 2)$$, 'and only once');
SELECT results_eq('TABLE tribe_power_metrics_legacy', 'TABLE before', 'the old table stays as it is');
SELECT is((SELECT count(*) FROM tribe_power_metrics_default), 0::bigint, 'each row in a partition');
SELECT is("timestamp", '2024-06-30 21:55+00'::timestamptz, 'a time without zone is of the zone that days are counted in')
FROM tribe_power_metrics WHERE node_name = 'a' ORDER BY "timestamp" LIMIT 1;
SELECT results_eq($$SELECT node_ip, cpu_power_watts, gpu_temp_celsius, memory_total_gb, total_power_watts, raw_data
                    FROM tribe_power_metrics WHERE node_name = 'a' ORDER BY "timestamp" LIMIT 1$$,
                  $$VALUES ('192.168.132.222', 45.25::real, 40::real, 64::real, 45.25::real, '{"cpu": 45.25}'::jsonb)$$, 'every column');
SELECT results_eq($$SELECT total_power_watts, raw_data, energy_joules FROM tribe_power_metrics WHERE node_name = 'a' ORDER BY "timestamp" OFFSET 1$$,
                  $$VALUES (50::real, '{"cpu": 50}'::jsonb, 15000::float8), (NULL, '"not json {"', NULL), (NULL, NULL, NULL), (90000, NULL, NULL)$$,
                  'energy where the reading before is near, none where nobody believes it');
SELECT is(energy_quality, 'window', 'and it is called what it is') FROM tribe_power_metrics WHERE energy_joules = 15000;
SELECT results_eq($$SELECT node_name, date, avg_total_power, energy_kwh, energy_kwh_estimated, sample_count, coverage FROM tribe_power_daily ORDER BY date$$,
                  $$VALUES ('a', '2024-06-30'::date, 50::float8, 1.2::float8, 1.2::float8, 288, 1::float8), ('a', '2024-07-01', 50, 1.2, NULL, 72, 0.25)$$,
                  'daily totals, with the coverage that their samples tell of');
SELECT is(tribe_power_aggregate('2024-07-01'), 2, 'days can be added up from the readings');

-- Every type that such a column may have.
CREATE FUNCTION tap.import_as(type text, value text) RETURNS timestamptz LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('CREATE TABLE public.old (node_name text, "timestamp" %s)', type);
    EXECUTE format('INSERT INTO public.old VALUES (''t'', %s)', value);
    PERFORM tribe_power_import('public.old');
    DROP TABLE public.old;
    DELETE FROM tribe_power_metrics WHERE node_name = 't' RETURNING "timestamp" INTO STRICT value;
    RETURN value;
END
$$;
SELECT is(tap.import_as(type, value), '2024-03-05 06:07:08+00'::timestamptz, 'timestamp as ' || type)
FROM (VALUES ('timestamptz', $$'2024-03-05 06:07:08+00'$$), ('timestamp', $$'2024-03-05 07:07:08'$$),
             ('timestamp(0)', $$'2024-03-05 07:07:08'$$), ('text', $$'2024-03-05T06:07:08Z'$$),
             ('varchar(40)', $$'2024-03-05 07:07:08'$$), ('bigint', '1709618828'), ('numeric', '1709618828.0'), ('integer', '1709618828'),
             ('double precision', '1709618828'), ('int8', '1709618828000'), ('char(30)', $$'2024-03-05 06:07:08+00'$$), ('text', $$'1709618828'$$)) v (type, value);
CREATE FUNCTION tap.import_number(type text, value text) RETURNS real LANGUAGE plpgsql AS $$
DECLARE watts real;
BEGIN
    EXECUTE format('CREATE TABLE public.old (node_name text, "timestamp" timestamptz, total_power_watts %s)', type);
    EXECUTE format('INSERT INTO public.old VALUES (''t'', ''2024-03-05'', %L)', value);
    PERFORM tribe_power_import('public.old');
    DROP TABLE public.old;
    DELETE FROM tribe_power_metrics WHERE node_name = 't' RETURNING total_power_watts INTO STRICT watts;
    RETURN watts;
END
$$;
CREATE DOMAIN public.posint AS integer CHECK (value >= 0);
SELECT is(tap.import_number(type, '42'), 42::real, 'number as ' || type)
FROM unnest(ARRAY['numeric', 'numeric(6,2)', 'real', 'double precision', 'integer', 'smallint', 'bigint', 'text', 'money', 'json', 'varchar(10)', 'posint']) type;

-- What no column of ours can hold keeps nothing else out.
SELECT is(tap.import_number(type, value), want, format('%s as %s', value, type))
FROM (VALUES ('text', '1e300', NULL::real), ('numeric', '1e300', NULL), ('numeric', 'NaN', NULL), ('double precision', 'Infinity', NULL), ('double precision', '-1e200', NULL),
             ('numeric', '1e-300', 0), ('double precision', '1e-200', 0), ('text', '1e-200', 0), ('text', '', NULL), ('text', '-', NULL), ('bigint', '9223372036854775807', 9223372036854775807::real)) v (type, value, want);
CREATE TABLE old (node_name text, "timestamp" text, total_power_watts real, raw_data json);
INSERT INTO old VALUES ('u', '2024-03-05 06:00+00', 50, '{"a": 1}'), ('u', 'n/a', 50, NULL), ('u', '', 50, NULL), ('u', 'infinity', 50, NULL), ('u', '2024-13-05', 50, NULL), ('u', '2024-03-05 06:05+00', 50, '[]');
SELECT results_eq($$SELECT rows_found, rows_imported, rows_there_already, rows_unusable FROM tribe_power_import('old')$$, 'VALUES (6::bigint, 2::bigint, 0::bigint, 4::bigint)', 'a time that is none makes its row unusable, and no other');
SELECT results_eq($$SELECT rows_found, rows_imported, rows_there_already, rows_unusable FROM tribe_power_import('old')$$, 'VALUES (6::bigint, 0::bigint, 2::bigint, 4::bigint)', 'again, the same counts');
SELECT is(current_setting('TimeZone'), 'UTC', 'the session''s zone is as it was');
-- upkeep adds up what was brought over
DELETE FROM tribe_power_looked_at;
SELECT cmp_ok((SELECT sum(done) FROM tribe_power_upkeep() WHERE task LIKE 'node-days%'), '>=', 1::numeric, 'upkeep adds up what was brought over');
SELECT is((SELECT sample_count FROM tribe_power_daily WHERE node_name = 'u'), 2, 'by itself');
SELECT is((SELECT energy_kwh FROM tribe_power_daily WHERE node_name = 'a' AND date = '2024-06-30'), 1.2::float8, 'old totals stay as they are where there are no more readings than they say');

SELECT refused($$SELECT tribe_power_import('tribe_power_metrics_legacy', 'tribe_power_metrics_legacy')$$, '42703', '%no column "date"%', '%in this order%', 'a table of another kind');
SELECT refused($$SELECT tribe_power_import('tribe_power_metrics')$$, '22023', '%into itself%', '%', 'a table of our own');
SELECT is_empty('SELECT * FROM tribe_power_import(NULL, NULL)', 'nothing of nothing');

SELECT * FROM finish();
ROLLBACK;
