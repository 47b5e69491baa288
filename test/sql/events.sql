\set ECHO none
\getenv root PG_ABS_SRCDIR
\set helper :root '/pgtap.psql'
\i :helper

-- Alerts: when each is raised and cleared, what keeps it from flapping, and that
-- no trouble of theirs gets out.
SELECT plan(61);
LOAD 'tribe_power';

INSERT INTO tribe_power_nodes (node_name, address, budget_peak_watts, max_temp_celsius) VALUES ('n', 'n', 100, 80), ('m', 'm', NULL, NULL);
INSERT INTO tribe_power_node_status (node_name, last_attempt, last_outcome) VALUES ('n', now(), 'never'), ('m', now(), 'never');

-- A reading or, with watts and celsius NULL, a failed poll; and the events since.
CREATE SEQUENCE tap.clock;
CREATE FUNCTION tap.poll(node text, watts real, celsius real DEFAULT 50) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    before timestamptz := clock_timestamp();
BEGIN
    UPDATE tribe_power_node_status SET
        last_outcome = CASE WHEN watts IS NULL AND celsius IS NULL THEN 'refused' ELSE 'read' END,
        last_error = CASE WHEN watts IS NULL AND celsius IS NULL THEN 'connection refused' END,
        failures = CASE WHEN watts IS NULL AND celsius IS NULL THEN failures + 1 ELSE 0 END,
        last_reading = CASE WHEN watts IS NULL AND celsius IS NULL THEN last_reading
                       ELSE '2025-01-01'::timestamptz + nextval('tap.clock') * interval '5 min' END,
        total_power_watts = CASE WHEN watts IS NULL AND celsius IS NULL THEN total_power_watts ELSE watts END,
        gpu_temp_celsius = CASE WHEN watts IS NULL AND celsius IS NULL THEN gpu_temp_celsius ELSE celsius END
    WHERE node_name = node;
    PERFORM tribe_power_evaluate(ARRAY[node]);
    RETURN (SELECT string_agg(concat_ws(' ', e.kind, e.phase), ', ' ORDER BY e.kind)
            FROM tribe_power_events e WHERE e.node_name = node AND e."timestamp" >= before);
END
$$;
CREATE FUNCTION tap.down(node text) RETURNS text LANGUAGE sql AS 'SELECT tap.poll(node, NULL, NULL)';

-- lost and back
SELECT is(tap.down('n'), NULL, 'one failed poll is nothing');
SELECT is(tap.down('n'), NULL, 'nor are two');
SELECT is(tap.down('n'), 'node_lost raised', 'three in a row are');
SELECT is(tap.down('n'), NULL, 'once');
SELECT results_eq($$SELECT kind, value, limit_value, message FROM tribe_power_alerts$$,
                  $$VALUES ('node_lost'::text, 3::float8, 3::float8, 'node "n" is lost: 3 polls failed in a row (connection refused)'::text)$$, 'which stands there');
SELECT is(tap.poll('n', 50), 'node_lost cleared', 'the first success brings it back');
SELECT is_empty('SELECT * FROM tribe_power_alerts', 'nothing is wrong any more');
SELECT is(tap.down('n'), NULL, 'and it counts anew');
SELECT is(tap.poll('n', 50), NULL, 'in between nothing happens');

-- over the peak: at once, and over again only when it had been well below
SELECT is(tap.poll('n', 100), NULL, 'at the limit is not over it');
SELECT is(tap.poll('n', 100.5), 'over_peak raised', 'over it is');
SELECT results_eq($$SELECT value, limit_value, message FROM tribe_power_events WHERE kind = 'over_peak'$$,
                  $$VALUES (100.5::float8, 100::float8, 'node "n" is over its peak budget: 100.5 W, the limit is 100 W'::text)$$, 'with what was seen');
SELECT is(tap.poll('n', 120), NULL, 'higher is nothing new');
SELECT is(tap.poll('n', 99), NULL, 'a little below clears nothing');
SELECT is(tap.poll('n', 101), NULL, 'so that a little above raises nothing');
SELECT is(tap.poll('n', 95), NULL, '95 % once clears nothing');
SELECT is(tribe_power_evaluate('{n}'), 0, 'and the same reading counts once');
SELECT is(tap.poll('n', 96), NULL, 'nor if the next is above');
SELECT is(tap.poll('n', 95), NULL, 'but twice');
SELECT is(tap.poll('n', 10), 'over_peak cleared', 'does');
SELECT is(tap.poll('n', 10), NULL, 'once');
SELECT is(tap.poll('n', 101), 'over_peak raised', 'again');
SELECT is(tap.poll('n', NULL), NULL, 'power that is not known tells nothing');
SELECT is(tap.poll('n', 90), NULL, 'below');
SELECT is(tap.down('n'), NULL, 'a failed poll is no reading');
SELECT is(tap.poll('n', 90), 'over_peak cleared', 'below again');
SELECT is(tap.poll('n', 101), 'over_peak raised', 'and again');
SELECT is(tap.poll('n', 90), NULL, 'below');
SELECT is(tap.poll('n', NULL), NULL, 'not known');
SELECT is(tap.poll('n', 90), 'over_peak cleared', 'what is not known between two that are low counts for neither side');
-- an old reading is compared with nothing new
SELECT is(tap.poll('n', 60), NULL, 'a reading');
SELECT is(tap.down('n'), NULL, 'none');
UPDATE tribe_power_nodes SET budget_peak_watts = 50;
SELECT is(tap.down('n'), NULL, 'an old reading raises nothing under a new limit');
SELECT is(tap.poll('n', 60), 'over_peak raised', 'a new one does');
UPDATE tribe_power_nodes SET budget_peak_watts = NULL;
SELECT is(tap.poll('n', 60), 'over_peak cleared', 'no limit, no alert');

-- too hot, beside it; and a node without limits
UPDATE tribe_power_nodes SET budget_peak_watts = 50 WHERE node_name = 'n';
SELECT is(tap.poll('n', 60, 80.5), 'over_peak raised, over_temperature raised', 'too hot as well');
SELECT is(tap.poll('n', 10, 76.5), NULL, 'cooler, not cool');
SELECT is(tap.poll('n', 10, 76), 'over_peak cleared', 'each ends by itself');
SELECT is(tap.poll('n', 10, 70), 'over_temperature cleared', 'cool');
SELECT is(tap.poll('m', 1e9, 1e4), NULL, 'without limits there are none');
SELECT is((SELECT count(*) FROM tribe_power_events GROUP BY phase ORDER BY phase LIMIT 1), (SELECT count(*) FROM tribe_power_events GROUP BY phase ORDER BY phase DESC LIMIT 1), 'all that was raised was cleared');

-- the month
INSERT INTO tribe_power_daily (node_name, date, energy_kwh, sample_count, coverage, covered_seconds, day_seconds)
SELECT n, date_trunc('month', now() AT TIME ZONE tribe_power_timezone())::date + d, 10, 1, 1, 86400, 86400
FROM unnest('{n,m}'::text[]) n, unnest('{-1,0,1}'::integer[]) d;
UPDATE tribe_power_nodes SET budget_month_kwh = 20;
SELECT is(tribe_power_evaluate_months(), 0, 'at the limit of the month is not over it');
UPDATE tribe_power_nodes SET budget_month_kwh = 19.5 WHERE node_name = 'm';
SELECT is(tribe_power_evaluate_months(), 1, 'over it is');
SELECT results_eq($$SELECT node_name, kind, value, limit_value FROM tribe_power_alerts$$, $$VALUES ('m'::text, 'over_month'::text, 20::float8, 19.5::float8)$$, 'of this month only');
SELECT is(tribe_power_evaluate_months(), 0, 'once');
SELECT is(tap.poll('m', 1), NULL, 'a poll does not touch it');
UPDATE tribe_power_daily SET energy_kwh = 1;    -- as in a new month
SELECT is(tribe_power_evaluate_months(), 1, 'a new month clears it');
SELECT results_eq($$SELECT phase FROM tribe_power_events WHERE kind = 'over_month' ORDER BY "timestamp"$$, $$VALUES ('raised'::text), ('cleared')$$, 'both are events');

-- a node that is not watched any more
SELECT is((SELECT count(tap.down('n')) FROM generate_series(1, 3)), 1::bigint, 'lost');
UPDATE tribe_power_nodes SET enabled = false WHERE node_name = 'n';
SELECT is(tap.down('n'), NULL, 'a poll by hand of a paused node is nobody''s alert');
SELECT is(tribe_power_evaluate_months(), 1, 'upkeep clears what was raised');
SELECT is((SELECT message FROM tribe_power_events ORDER BY "timestamp" DESC LIMIT 1), 'node "n" is no longer watched', 'and says so');
UPDATE tribe_power_nodes SET enabled = true WHERE node_name = 'n';

-- Trouble of alerts is theirs alone.
CREATE FUNCTION tap.trouble() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RAISE EXCEPTION 'no room'; END$$;
CREATE TRIGGER trouble BEFORE INSERT ON tribe_power_events FOR EACH ROW EXECUTE FUNCTION tap.trouble();
SELECT is(tap.down('n'), NULL, 'an event that cannot be written raises nothing');
SELECT is_empty('SELECT * FROM tribe_power_alerts', 'is not half done');
DROP TRIGGER trouble ON tribe_power_events;
SELECT is(tap.down('n'), 'node_lost raised', 'and is found the next time');
UPDATE tribe_power_node_status SET failures = 3, last_outcome = 'refused', last_error = repeat('\é', 2000) WHERE node_name = 'm';
SELECT is(tribe_power_evaluate('{m}'), 1, 'the longest error, in a message that is cut');
-- names at their longest, in a payload that has a limit of its own
INSERT INTO tribe_power_nodes (node_name, address, budget_peak_watts) VALUES (repeat('"', 255), 'x', 1);
INSERT INTO tribe_power_node_status (node_name, last_reading, last_outcome, total_power_watts) VALUES (repeat('"', 255), now(), 'read', 2);
SELECT is(tribe_power_evaluate(ARRAY[repeat('"', 255)]), 1, 'the longest name');
SELECT is((SELECT length(message) FROM tribe_power_events ORDER BY "timestamp" DESC LIMIT 1) <= 500, true, 'in a message that is bounded');

-- Retention.
UPDATE tribe_power_events SET "timestamp" = "timestamp" - interval '40 days' WHERE node_name = 'm';
SELECT cmp_ok(tribe_power_evaluate_months(), '=', 0, 'by default all events are kept');
SELECT is((SELECT count(*) FROM tribe_power_events WHERE node_name = 'm'), 3::bigint, 'also old ones');
SET tribe_power.event_retention = '30d';
SELECT tribe_power_evaluate_months() \g /dev/null
SELECT is((SELECT count(*) FROM tribe_power_events WHERE node_name = 'm'), 0::bigint, 'or for a time');

SELECT * FROM finish();
ROLLBACK;
