\set ECHO none
\getenv root PG_ABS_SRCDIR
\set helper :root '/pgtap.psql'
\i :helper

-- Created, dropped and created elsewhere, in one session; and whatever stands in
-- the caller's search_path.
SELECT plan(23);

SELECT is(extversion, split_part(tribe_power_version(), '.', 1) || '.' || split_part(tribe_power_version(), '.', 2),
          'library and SQL are of one version')
FROM pg_extension WHERE extname = 'tribe_power';
SELECT is_empty('SELECT * FROM tribe_power_collect()', 'collect in the first schema');
SELECT lives_ok('DROP EXTENSION tribe_power', 'dropped');
SELECT is_empty($$SELECT relname FROM pg_class WHERE relname LIKE 'tribe_power%'
                  UNION ALL SELECT proname FROM pg_proc WHERE proname LIKE 'tribe_power%'$$, 'without a trace');
SELECT lives_ok('CREATE EXTENSION tribe_power SCHEMA public', 'created again');
SELECT is_empty('SELECT * FROM tribe_power_collect()', 'the same session polls the new one');
DROP EXTENSION tribe_power;

CREATE SCHEMA "Strom & Wärme";
SELECT lives_ok('CREATE EXTENSION tribe_power SCHEMA "Strom & Wärme"', 'in a schema whose name needs quotes');
INSERT INTO "Strom & Wärme".tribe_power_nodes (node_name, address, enabled) VALUES ('n', '127.0.0.1', false);
INSERT INTO "Strom & Wärme".tribe_power_metrics (node_name, "timestamp", total_power_watts, interval_seconds, energy_joules, energy_quality)
VALUES ('n', '2025-06-10 12:00+00', 1000, 3600, 3600000, 'counter');

-- A caller's schema full of traps, before pg_catalog.
CREATE SCHEMA trap;
CREATE FUNCTION trap.fail() RETURNS boolean LANGUAGE plpgsql AS $$BEGIN RAISE EXCEPTION 'trapped'; END$$;
CREATE FUNCTION trap.op(timestamptz, timestamptz) RETURNS boolean LANGUAGE sql AS 'SELECT trap.fail()';
CREATE FUNCTION trap.op(text, text) RETURNS boolean LANGUAGE sql AS 'SELECT trap.fail()';
CREATE FUNCTION trap.op(date, integer) RETURNS date LANGUAGE plpgsql AS $$BEGIN RAISE EXCEPTION 'trapped'; END$$;
CREATE FUNCTION trap.now() RETURNS timestamptz LANGUAGE plpgsql AS $$BEGIN RAISE EXCEPTION 'trapped'; END$$;
CREATE FUNCTION trap.sum_state(float8, float8) RETURNS float8 LANGUAGE plpgsql AS $$BEGIN RAISE EXCEPTION 'trapped'; END$$;
CREATE FUNCTION trap.extract(text, interval) RETURNS numeric LANGUAGE plpgsql AS $$BEGIN RAISE EXCEPTION 'trapped'; END$$;
CREATE FUNCTION trap.isfinite(date) RETURNS boolean LANGUAGE sql AS 'SELECT trap.fail()';
CREATE FUNCTION trap.unnest(text[]) RETURNS SETOF text LANGUAGE plpgsql AS $$BEGIN RAISE EXCEPTION 'trapped'; END$$;
CREATE OPERATOR trap.= (LEFTARG = text, RIGHTARG = text, FUNCTION = trap.op);
CREATE OPERATOR trap.>= (LEFTARG = timestamptz, RIGHTARG = timestamptz, FUNCTION = trap.op);
CREATE OPERATOR trap.< (LEFTARG = timestamptz, RIGHTARG = timestamptz, FUNCTION = trap.op);
CREATE OPERATOR trap.- (LEFTARG = date, RIGHTARG = integer, FUNCTION = trap.op);
CREATE OPERATOR trap.+ (LEFTARG = date, RIGHTARG = integer, FUNCTION = trap.op);
CREATE AGGREGATE trap.sum (float8) (SFUNC = trap.sum_state, STYPE = float8);
CREATE TABLE trap.tribe_power_metrics (node_name text, "timestamp" timestamptz);
CREATE TABLE trap.tribe_power_nodes (node_name text);
CREATE TEMP TABLE tribe_power_daily (node_name text, date date);

-- Runs sql with the traps before pg_catalog; gives the state it ended with.
CREATE FUNCTION tap.among_traps(sql text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    path text := current_setting('search_path');
    state text := '00000';
BEGIN
    PERFORM set_config('search_path', 'trap, pg_catalog', true);
    BEGIN
        EXECUTE sql;
    EXCEPTION WHEN OTHERS THEN
        state := SQLSTATE || ': ' || SQLERRM;
    END;
    PERFORM pg_catalog.set_config('search_path', path, true);
    RETURN state;
END
$$;
SELECT is(tap.among_traps(sql), 'P0001: trapped', 'a trap: ' || sql)
FROM unnest(ARRAY['SELECT now()', $$SELECT 'a'::text = 'a'::text$$, $$SELECT current_date - 1$$,
                  'SELECT sum(v) FROM (VALUES (1::float8), (2)) v (v)', $$SELECT unnest('{a}'::text[])$$]) sql;
SELECT is(tap.among_traps(format(sql, '"Strom & Wärme"')), state, 'no trap: ' || description)
FROM (VALUES ('SELECT %s.tribe_power_aggregate(''2025-06-10'')', '00000', 'aggregate a day'),
             ('SELECT %s.tribe_power_aggregate(''2025-06-10'', ''2025-06-11'')', '00000', 'aggregate a range'),
             ('SELECT %s.tribe_power_aggregate()', '00000', 'aggregate yesterday'),
             ('SELECT * FROM %s.tribe_power_collect()', '00000', 'collect all'),
             ('SELECT * FROM %s.tribe_power_collect(''{x}'')', '42704: node "x" is not registered', 'collect one'),
             ('SELECT * FROM %s.tribe_power_probe(''x'')', '42704: node "x" is not registered', 'probe'),
             ('INSERT INTO %s.tribe_power_nodes (node_name, address, poll_interval) VALUES (''m'', ''h'', ''10 s'')', '00000', 'register'),
             ('SELECT * FROM %s.tribe_power_latest', '00000', 'the view')) v (sql, state, description);

SELECT results_eq('SELECT node_name, energy_kwh FROM "Strom & Wärme".tribe_power_daily',
                  $$VALUES ('n'::text, 1::float8)$$, 'the row is in the extension''s table');
SELECT is((SELECT count(*) FROM pg_temp.tribe_power_daily), 0::bigint, 'and not in a temporary one of its name');
SELECT lives_ok('DROP EXTENSION tribe_power', 'dropped from there');

SELECT * FROM finish();
ROLLBACK;
