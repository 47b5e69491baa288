\set ECHO none
\getenv root PG_ABS_SRCDIR
\set helper :root '/pgtap.psql'
\i :helper

-- The newest reading of each node, and how its last poll went.
SELECT plan(8);

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

-- The fleet in one row: only readings of now count.
SELECT results_eq($$SELECT nodes, nodes_known, total_power_watts FROM tribe_power_fleet_total$$, $$VALUES (3, 0, NULL::float8)$$, 'old readings are not now');
UPDATE tribe_power_node_status SET last_reading = now() - interval '1 minute';
UPDATE tribe_power_nodes SET budget_peak_watts = 25;
SELECT results_eq($$SELECT nodes, nodes_known, total_power_watts, budget_peak_watts, nodes_over_peak FROM tribe_power_fleet_total$$,
                  $$VALUES (3, 1, 30::float8, 75::float8, 1)$$, 'the sum of what is known, beside the budgets');
INSERT INTO tribe_power_daily (node_name, date, energy_kwh, sample_count, coverage, covered_seconds, day_seconds)
VALUES ('read', '2025-01-31', 1, 1, 1, 86400, 86400), ('read', '2025-02-01', 2, 1, 0.5, 43200, 86400), ('read', '2025-02-02', 2, 1, 1, 86400, 86400);
SELECT results_eq($$SELECT month, energy_kwh, coverage, days FROM tribe_power_monthly ORDER BY month$$,
                  $$VALUES ('2025-01-01'::date, 1::float8, 1::float8, 1), ('2025-02-01', 4, 0.75, 2)$$, 'kWh by month');

SELECT * FROM finish();
ROLLBACK;
