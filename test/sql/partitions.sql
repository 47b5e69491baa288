\set ECHO none
\getenv root PG_ABS_SRCDIR
\set helper :root '/pgtap.psql'
\i :helper

-- Where readings are kept: partitions by month of the zone that days are counted
-- in (the server of these tests: Europe/Berlin), made as needed.
SELECT plan(30);
SET TimeZone = 'UTC';
CREATE FUNCTION tap.place(node text) RETURNS SETOF text LANGUAGE sql AS
$$SELECT m.tableoid::regclass::text FROM tribe_power_metrics m WHERE m.node_name = node ORDER BY m."timestamp"$$;

SELECT is((SELECT relkind::text FROM pg_class WHERE oid = 'tribe_power_metrics'::regclass), 'p', 'the table of readings is partitioned');
SELECT results_eq('SELECT partition::text, is_default FROM tribe_power_partitions()',
                  $$VALUES ('tribe_power_metrics_default', true)$$, 'a new one has the default partition only');
SELECT is(tribe_power_make_partitions(), 0, 'without nodes none is made: a restore would meet it');

-- A row with no partition is taken all the same.
INSERT INTO tribe_power_metrics (node_name, "timestamp", total_power_watts)
VALUES ('a', '2025-06-30 21:59:59.999999+00', 1), ('a', '2025-06-30 22:00+00', 2), ('a', '2025-07-31 22:00+00', 3);
SELECT results_eq($$SELECT tap.place('a')$$, $$VALUES ('tribe_power_metrics_default'), ('tribe_power_metrics_default'), ('tribe_power_metrics_default')$$,
                  'a row without a partition goes to the default one');
SELECT is(tribe_power_make_partition('2025-07-10')::text, 'tribe_power_metrics_2025_07', 'one is made for a time');
SELECT is(tribe_power_make_partition('2025-07-01')::text, 'tribe_power_metrics_2025_07', 'and only once');
SELECT results_eq($$SELECT range_start, range_end FROM tribe_power_partitions() WHERE partition = 'tribe_power_metrics_2025_07'::regclass$$,
                  $$VALUES ('2025-06-30 22:00+00'::timestamptz, '2025-07-31 22:00+00'::timestamptz)$$, 'from local midnight to local midnight');
SELECT results_eq($$SELECT tap.place('a')$$, $$VALUES ('tribe_power_metrics_default'), ('tribe_power_metrics_2025_07'), ('tribe_power_metrics_default')$$,
                  'what belongs to it is moved there');

-- Upkeep empties the default partition, but for the future, and makes some ahead.
INSERT INTO tribe_power_metrics (node_name, "timestamp") VALUES ('b', '2999-01-01'), ('b', 'infinity'), ('b', '-infinity');
INSERT INTO tribe_power_nodes (node_name, address) VALUES ('a', 'a');
SELECT cmp_ok(tribe_power_make_partitions(), '=', 4, 'this month, the next and two of strays');
SELECT results_eq($$SELECT tap.place('a')$$, $$VALUES ('tribe_power_metrics_2025_06'), ('tribe_power_metrics_2025_07'), ('tribe_power_metrics_2025_08')$$,
                  'strays have come home');
SELECT results_eq($$SELECT tap.place('b')$$, $$VALUES ('tribe_power_metrics_default'), ('tribe_power_metrics_default'), ('tribe_power_metrics_default')$$,
                  'rows of no believable time stay where they are');
SELECT is(tribe_power_make_partitions(), 0, 'and stop nothing');
SELECT is((SELECT count(*) FROM tribe_power_partitions() WHERE now() + i >= range_start AND now() + i < range_end), 1::bigint, 'a place for now + ' || v)
FROM (VALUES ('0'), ('1 month')) x (v), LATERAL (SELECT v::interval AS i) y;
SELECT refused($$SELECT tribe_power_make_partition('infinity')$$, '22023', '%no partition%', '%', 'none for infinity');

-- Each keeps a node's readings unique, and none is a member, so that a dump has
-- them all.
SELECT refused($$INSERT INTO tribe_power_metrics (node_name, "timestamp") VALUES ('a', '2025-06-30 22:00+00')$$,
               '23505', '%tribe_power_metrics_2025_07_pkey%', '%', 'one row a node and time');
SELECT lives_ok($$INSERT INTO tribe_power_metrics (node_name, "timestamp") VALUES ('a', '2025-06-30 22:00+00') ON CONFLICT DO NOTHING$$,
                'ON CONFLICT DO NOTHING is possible');
SELECT is_empty($$SELECT p.partition FROM tribe_power_partitions() p JOIN pg_depend d ON d.objid = p.partition AND d.deptype = 'e' AND NOT p.is_default$$,
                'no partition is a member of the extension');
SELECT is_empty($$SELECT p.partition FROM tribe_power_partitions() p JOIN pg_class c ON c.oid = p.partition
                  WHERE c.relowner <> (SELECT extowner FROM pg_extension WHERE extname = 'tribe_power')$$,
                'each is its owner''s');

-- Reading a day, an hour, a node's 24 h looks at what holds them, by index.
CREATE FUNCTION tap.plan_of(sql text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE line text; whole text := '';
BEGIN
    FOR line IN EXECUTE 'EXPLAIN (COSTS OFF) ' || sql LOOP whole := whole || line || E'\n'; END LOOP;
    RETURN whole;
END
$$;
INSERT INTO tribe_power_metrics (node_name, "timestamp", total_power_watts)
SELECT 'n' || n, '2025-07-01'::timestamptz + g * interval '5 min', 1 FROM generate_series(1, 5) n, generate_series(1, 8000) g;
ANALYZE tribe_power_metrics;
SELECT matches(tap.plan_of($$SELECT * FROM tribe_power_metrics WHERE node_name = 'n1' AND "timestamp" >= '2025-07-10' AND "timestamp" < '2025-07-11'$$),
               'Index.*tribe_power_metrics_2025_07_pkey', '24 h of a node by index');
SELECT doesnt_match(tap.plan_of($$SELECT * FROM tribe_power_metrics WHERE node_name = 'n1' AND "timestamp" >= '2025-07-10' AND "timestamp" < '2025-07-11'$$),
               '2025_06|2025_08|default|Seq', 'and nothing else is read');
SELECT matches(tap.plan_of($$SELECT node_name, avg(total_power_watts) FROM tribe_power_metrics WHERE "timestamp" >= '2025-07-10' AND "timestamp" < '2025-07-11' GROUP BY 1$$),
               'tribe_power_metrics_2025_07_pkey', 'a day of the fleet by index');
SELECT doesnt_match(tap.plan_of($$SELECT * FROM tribe_power_latest$$), 'tribe_power_metrics', 'the newest readings need no history');

-- What distributed PostgreSQL asks of the tables that grow by polling: the node in
-- every key, no foreign key, no trigger, no sequence.  What the owner writes (the
-- registry, tariffs and the like) stays where it is.
CREATE TEMP VIEW history AS SELECT c.oid, c.relname FROM pg_class c
WHERE c.relname ~ '^tribe_power_' AND c.relname !~ '^tribe_power_(nodes|note|tariffs|carbon|maintenance|looked_at)' AND c.relkind IN ('r', 'p') AND c.relnamespace = 'public'::regnamespace;
SELECT is_empty($$SELECT i.indexrelid::regclass FROM history h JOIN pg_index i ON i.indrelid = h.oid AND i.indisunique
                  WHERE NOT EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = h.oid AND a.attname = 'node_name' AND a.attnum = ANY (i.indkey))$$,
                'node_name is in every key');
SELECT is_empty($$SELECT conname FROM pg_constraint c JOIN history h ON h.oid IN (c.conrelid, c.confrelid) WHERE contype IN ('f', 'x', 't')$$,
                'no foreign key, no exclusion');
SELECT is_empty($$SELECT tgname FROM pg_trigger t JOIN history h ON h.oid = t.tgrelid$$, 'no trigger');
SELECT is_empty($$SELECT h.relname FROM history h JOIN pg_depend d ON d.refobjid = h.oid JOIN pg_class s ON s.oid = d.objid AND s.relkind = 'S'$$, 'no sequence');

SELECT is_empty($$SELECT d.adrelid::regclass, pg_get_expr(d.adbin, d.adrelid) FROM history h JOIN pg_attrdef d ON d.adrelid = h.oid
                  JOIN pg_attribute a ON a.attrelid = d.adrelid AND a.attnum = d.adnum
                  WHERE a.attgenerated <> '' OR a.attidentity <> '' OR pg_get_expr(d.adbin, d.adrelid) !~ '^(-?\d+|true|false|''[^'']*''::[a-z\[\]]+)$'$$, 'defaults are constants');
SELECT is_empty($$SELECT p.oid::regprocedure, u.clause[1] FROM pg_proc p, regexp_matches(p.prosrc, 'DO UPDATE SET(.*?)(?:WHERE|RETURNING|;)', 'g') u (clause)
                  WHERE p.proname ~ '^tribe_power_' AND u.clause[1] ~ '\w\s*\(' AND u.clause[1] !~ '^[^(]*(greatest|least|coalesce)\s*\('$$,
                'DO UPDATE SET takes columns and constants');
SELECT is_empty($$SELECT h.relname FROM history h JOIN pg_class c ON c.oid = h.oid WHERE c.relrowsecurity OR c.relhasrules OR c.relispopulated = false$$, 'no rule, no row security');

SELECT * FROM finish();
ROLLBACK;
