\set ECHO none
\getenv root PG_ABS_SRCDIR
\set helper :root '/pgtap.psql'
\i :helper

-- What is refused, with the SQLSTATE that a program can act on.
SELECT plan(13);
INSERT INTO tribe_power_nodes (node_name, address, enabled) VALUES ('known', 'k', false);

SELECT refused($$SELECT * FROM tribe_power_collect('{known,Unknown}')$$, '42704', 'node "Unknown" is not registered', '%INSERT INTO tribe_power_nodes%',
               'collect names the node that is not registered');
SELECT refused($$SELECT * FROM tribe_power_collect('{KNOWN}')$$, '42704', 'node "KNOWN"%', '%', 'names are not folded');
SELECT refused($$SELECT * FROM tribe_power_collect(ARRAY['known', NULL])$$, '22004', '%null%', '%', 'a null name');
SELECT is_empty($$SELECT * FROM tribe_power_collect('{}')$$, 'no names, no rows');
SELECT is_empty($$SELECT * FROM tribe_power_collect()$$, 'a node that is not enabled is left alone');
SELECT refused($$SELECT * FROM tribe_power_probe('Unknown')$$, '42704', 'node "Unknown" is not registered', '%',
               'probe names the node that is not registered');
SELECT is_empty($$SELECT * FROM tribe_power_probe(NULL)$$, 'probe of nothing is nothing');
SELECT is_empty('TABLE tribe_power_metrics', 'nothing of this left a reading');

SELECT refused($$SELECT tribe_power_check('colour', 'red')$$, 'XX000', '%colour%', '%', 'a check of an unknown field');
SELECT is(tribe_power_check('port', NULL), NULL, 'a check of NULL is NULL');
SELECT is(tribe_power_remedy('rapl', 'nonsense'), NULL, 'no remedy for an unknown reason');
SELECT is(tribe_power_remedy('nonsense', 'denied'), NULL, 'nor in an unknown section');

SET TRANSACTION READ ONLY;
SELECT refused($$SELECT * FROM tribe_power_collect()$$, '25006', 'cannot execute tribe_power_collect() in a read-only transaction', '%',
               'collect writes, so it refuses a read-only transaction');

SELECT * FROM finish();
ROLLBACK;
