\set ECHO none
\getenv root PG_ABS_SRCDIR
\set helper :root '/pgtap.psql'
\i :helper

-- \d+, \df+ and \dx+ explain everything: units and what NULL means.
SELECT plan(6);

CREATE TEMP VIEW member AS
SELECT d.classid, d.objid
FROM pg_depend d JOIN pg_extension e ON e.oid = d.refobjid
WHERE d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e' AND e.extname = 'tribe_power';

SELECT cmp_ok((SELECT count(*) FROM member), '>=', 10::bigint, 'the extension has members');
SELECT is_empty($$SELECT c.oid::regclass FROM member m JOIN pg_class c ON m.classid = 'pg_class'::regclass AND c.oid = m.objid
                  WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND obj_description(c.oid, 'pg_class') IS NULL$$,
                'every table and view has a comment');
SELECT is_empty($$SELECT c.oid::regclass, a.attname FROM member m JOIN pg_class c ON m.classid = 'pg_class'::regclass AND c.oid = m.objid
                  JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
                  WHERE c.relkind IN ('r', 'p') AND col_description(c.oid, a.attnum) IS NULL$$,
                'every column of a table has one');
SELECT is_empty($$SELECT p.oid::regprocedure FROM member m JOIN pg_proc p ON m.classid = 'pg_proc'::regclass AND p.oid = m.objid
                  WHERE obj_description(p.oid, 'pg_proc') IS NULL$$,
                'every function has one');
SELECT isnt(obj_description(oid, 'pg_extension'), NULL, 'the extension has one') FROM pg_extension WHERE extname = 'tribe_power';

-- What holds rows is carried by pg_dump.
SELECT set_eq($$SELECT unnest(extconfig)::regclass::text FROM pg_extension WHERE extname = 'tribe_power'$$,
              $$SELECT c.oid::regclass::text FROM member m JOIN pg_class c ON m.classid = 'pg_class'::regclass AND c.oid = m.objid
                WHERE c.relkind IN ('r', 'p')
                  -- what it says is of this installation only
                  AND c.relname <> 'tribe_power_looked_at'$$,
              'every table is dumped with its rows');

SELECT * FROM finish();
ROLLBACK;
