\set ECHO none
\getenv root PG_ABS_SRCDIR
\set helper :root '/pgtap.psql'
\i :helper

-- The fleet now: watts against the budgets, age, and what is wrong.
SELECT plan(29);
SET IntervalStyle = 'postgres';

INSERT INTO tribe_power_nodes (node_name, address) VALUES ('n', 'n');
INSERT INTO tribe_power_node_status (node_name, last_attempt, last_success, last_outcome, last_reading)
VALUES ('n', now(), now(), 'read', now());

SELECT is((SELECT node_name || ' ' || state FROM tribe_power_fleet), 'n unknown', 'watts that are not known are of no state');

-- each state and its bounds
CREATE FUNCTION tap.state(idle float8, typical float8, peak float8, watts real) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    UPDATE tribe_power_nodes SET budget_idle_watts = idle, budget_typical_watts = typical, budget_peak_watts = peak;
    UPDATE tribe_power_node_status SET total_power_watts = watts;
    RETURN (SELECT state FROM tribe_power_fleet);
END
$$;
SELECT is(tap.state(idle, typical, peak, watts), state, format('%s of %s: %s', watts, concat_ws('/', coalesce(idle::text, '-'), coalesce(typical::text, '-'), coalesce(peak::text, '-')), coalesce(state, 'NULL')))
FROM (VALUES (40, 80, 350, 0, 'idle'), (40, 80, 350, 44, 'idle'), (40, 80, 350, 44.1, 'typical'), (40, 80, 350, 80, 'typical'),
             (40, 80, 350, 80.1, 'high'), (40, 80, 350, 350, 'high'), (40, 80, 350, 350.04, 'over'),
             (40, 42, 350, 43, 'high'), (40, NULL, 350, 45, 'typical'), (NULL, NULL, 350, 1, 'typical'), (NULL, NULL, 350, 351, 'over'),
             (NULL, 80, NULL, 81, 'high'), (40, NULL, NULL, 44, 'idle'), (40, NULL, NULL, 45, NULL), (NULL, NULL, NULL, 45, NULL),
             (0, 0, 0, 0, 'idle'), (0, 0, 0, 1, 'over')) v (idle, typical, peak, watts, state);

SELECT is(tap.state(40, 80, 350, 87.54), 'high', 'a reading');
SELECT results_eq('SELECT watts, budget_percent, age, problem FROM tribe_power_fleet',
                  $$VALUES (87.5::float8, 25::numeric, '0'::interval, NULL::text)$$, 'to a tenth of a watt, beside its share of the peak');

-- stale by the node's own interval
UPDATE tribe_power_node_status SET last_reading = now() - interval '12 minutes';
SELECT is((SELECT state FROM tribe_power_fleet), 'high', 'two intervals old is now');
UPDATE tribe_power_nodes SET poll_interval = '1 minute';
SELECT results_eq('SELECT watts, budget_percent, state, age, problem FROM tribe_power_fleet',
                  $$VALUES (NULL::float8, NULL::numeric, 'unknown', interval '12 minutes', 'no poll for 00:00:00')$$, 'twelve are not');
UPDATE tribe_power_node_status SET last_attempt = now() - interval '12 minutes';
SELECT is((SELECT problem FROM tribe_power_fleet), 'no poll for 00:12:00', 'which is a problem');

-- problems
UPDATE tribe_power_node_status SET last_reading = now(), problems = '{"rapl": "denied", "gpu": "asleep"}';
SELECT is((SELECT problem FROM tribe_power_fleet), 'gpu asleep, rapl denied', 'what the reading lacks');
UPDATE tribe_power_node_status SET last_outcome = 'refused', last_error = 'connection refused';
SELECT is((SELECT problem FROM tribe_power_fleet), 'connection refused', 'why the last poll failed');
UPDATE tribe_power_node_status SET last_error = NULL;
SELECT is((SELECT problem FROM tribe_power_fleet), 'refused', 'in a word, where there are no more');
DELETE FROM tribe_power_node_status;
SELECT results_eq('SELECT watts, state, age, problem FROM tribe_power_fleet', $$VALUES (NULL::float8, 'unknown', NULL::interval, 'not polled yet')$$, 'a new node');
UPDATE tribe_power_nodes SET enabled = false;
SELECT is_empty('SELECT * FROM tribe_power_fleet', 'a node that is paused is not there');
SELECT results_eq('SELECT nodes, nodes_known FROM tribe_power_fleet_total', 'VALUES (0, 0)', 'nor counted');

SELECT * FROM finish();
ROLLBACK;
