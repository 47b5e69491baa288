\set ECHO none
\getenv root PG_ABS_SRCDIR
\set helper :root '/pgtap.psql'
\i :helper

-- The newest reading of each node, and how its last poll went.
SELECT plan(5);

INSERT INTO tribe_power_nodes (node_name, address) VALUES ('read', 'r'), ('never', 'n'), ('down', 'd');
INSERT INTO tribe_power_node_status (node_name, last_attempt, last_success, last_outcome, last_error, failures,
                                     last_reading, total_power_watts, problems)
VALUES ('read', '2025-06-10 12:10+00', '2025-06-10 12:10+00', 'read', NULL, 0,
        '2025-06-10 12:10+00', 30, '{"rapl": "denied"}'),
       ('down', '2025-06-10 12:10+00', NULL, 'refused', 'connection refused', 4, NULL, NULL, NULL),
       ('gone', '2025-06-10 12:10+00', '2025-06-10 12:10+00', 'read', NULL, 0, '2025-06-10 12:10+00', 99, NULL);

SELECT set_eq('SELECT node_name FROM tribe_power_latest', ARRAY['read', 'never', 'down'],
              'registered nodes, each once');
SELECT results_eq($$SELECT "timestamp", total_power_watts, problems FROM tribe_power_latest WHERE node_name = 'read'$$,
                  $$VALUES ('2025-06-10 12:10+00'::timestamptz, 30::real, '{"rapl": "denied"}'::jsonb)$$,
                  'the newest reading');
SELECT results_eq($$SELECT last_outcome, failures FROM tribe_power_latest WHERE node_name = 'read'$$,
                  $$VALUES ('read'::text, 0)$$, 'its last poll went well');
SELECT results_eq($$SELECT "timestamp", last_outcome, last_error, failures FROM tribe_power_latest WHERE node_name = 'down'$$,
                  $$VALUES (NULL::timestamptz, 'refused'::text, 'connection refused'::text, 4)$$,
                  'a node that is down says why');
SELECT results_eq($$SELECT "timestamp", last_outcome, failures, last_attempt FROM tribe_power_latest WHERE node_name = 'never'$$,
                  $$VALUES (NULL::timestamptz, 'never'::text, 0, NULL::timestamptz)$$,
                  'a node that was never polled says so');

SELECT * FROM finish();
ROLLBACK;
