\set ECHO none
\getenv root PG_ABS_SRCDIR
\set helper :root '/pgtap.psql'
\i :helper

-- The report: its data, and that the page around them is safe.
SELECT plan(57);

CREATE FUNCTION tap.data(a timestamptz, b timestamptz) RETURNS jsonb LANGUAGE sql AS
$$SELECT tribe_power_report_data(a, b)::jsonb$$;
CREATE PROCEDURE tap.reading(node text, at timestamptz, seconds float8, watts real, quality text DEFAULT 'counter') LANGUAGE sql AS $$
    INSERT INTO tribe_power_metrics (node_name, "timestamp", cpu_power_watts, total_power_watts, interval_seconds, energy_joules, energy_quality)
    VALUES (node, at, watts, watts, seconds, CASE WHEN quality IS NOT NULL THEN watts * seconds END, quality)
$$;

-- Nothing there: a page all the same.
SELECT lives_ok($$SELECT tribe_power_report()$$, 'an empty database has a page');
SELECT is(tap.data(NULL, NULL) #> '{all,series}', 'null', 'without series');
SELECT is(tap.data(NULL, NULL) #>> '{now,nodes}', '0', 'without nodes');
SELECT is((tap.data(NULL, NULL) ->> 'to')::bigint - (tap.data(NULL, NULL) ->> 'from')::bigint BETWEEN 604800 AND 608400, true, 'of seven days');
SELECT ok(tribe_power_report() LIKE '<!DOCTYPE html>%</html>' || E'\n', 'one document');

-- Refused.
SELECT refused($$SELECT tribe_power_report('2025-02-01', '2025-01-01')$$, '22023', 'from must be before to', '%', 'from after to');
SELECT refused($$SELECT tribe_power_report('2025-02-01', '2025-02-01')$$, '22023', 'from must be before to', '%', 'no time at all');
SELECT refused($$SELECT tribe_power_report('-infinity', '2025-01-01')$$, '22023', '%finite%', '%default%', 'for ever');
SELECT refused($$SELECT tribe_power_report('2025-01-01', 'infinity')$$, '22023', '%finite%', '%', 'without end');
SELECT refused($$SELECT tribe_power_report(NULL, 'infinity')$$, '22023', '%finite%', '%', 'nor with a default');
SELECT refused($$SELECT tribe_power_report('1950-01-01', '2025-01-01')$$, '22023', '%20 years%', '%tribe_power_energy%', 'too long');

-- Readings, by step.  a: 100 W, then 300 W, then a hole of ten minutes, then 200 W.
INSERT INTO tribe_power_nodes (node_name, address, budget_peak_watts) VALUES ('a', '10.1.2.3', 250), ('b', '10.1.2.4', NULL);
CALL tap.reading('a', '2025-06-10 12:05+02', 300, 100);
CALL tap.reading('a', '2025-06-10 12:10+02', 300, 300);
CALL tap.reading('a', '2025-06-10 12:25+02', 300, 200);
CALL tap.reading('b', '2025-06-10 12:10+02', 600, 50);
CALL tap.reading('b', '2025-06-10 12:20+02', 600, 60);
CREATE TEMP TABLE seen AS SELECT tap.data('2025-06-10 12:00+02', '2025-06-10 12:30+02') AS d;
SELECT is(d ->> 'source', 'readings', 'few readings are read themselves') FROM seen;
SELECT is((d ->> 'step')::integer, 300, 'in steps of the interval of polls') FROM seen;
SELECT is(jsonb_array_length(d -> 'edges'), 7, 'six steps have seven edges') FROM seen;
SELECT is((d #>> '{edges,0}')::bigint, extract(epoch FROM '2025-06-10 12:00+02'::timestamptz)::bigint, 'from the start') FROM seen;
SELECT is(d #>> '{all,series,0,name}', 'a', 'the node of most energy comes first') FROM seen;
SELECT is(d #> '{all,series,0,watts}', '[100.0, 300.0, null, null, 200.0, null]', 'a hole is null') FROM seen;
SELECT is(d #> '{all,series,1,watts}', '[50.0, 50.0, 60.0, 60.0, null, null]', 'a reading counts for all of its interval') FROM seen;
SELECT is(d #> '{all,fleet,watts}', '[150.0, 350.0, 60.0, 60.0, 200.0, null]', 'the sum of what is known') FROM seen;
SELECT is(d #> '{all,fleet,known}', '[2, 2, 1, 1, 1, 0]', 'and of how many') FROM seen;
SELECT is(round((d #>> '{all,kwh}')::numeric, 6), round((600 * 300 + 1200 * 55) / 3.6e6, 6), 'energy is that of the readings') FROM seen;
SELECT is((d #>> '{all,covered}')::numeric, 2100::numeric, 'in so much time') FROM seen;
SELECT set_eq($$SELECT h ->> 0 AS node, (h ->> 1)::int AS start, (h ->> 2)::int AS stop FROM seen, jsonb_array_elements(d #> '{all,holes}') h$$,
              $$VALUES ('a', 2, 4), ('a', 5, 6), ('b', 4, 6)$$, 'the holes, each once') ;
SELECT is(d #>> '{all,nodes,0,budget}', '250', 'budgets') FROM seen;
SELECT ok(d::text NOT LIKE '%10.1.2.%', 'but no address') FROM seen;

-- A reading that reaches over the range's ends counts for what lies inside.
SELECT is(round((tap.data('2025-06-10 12:05+02', '2025-06-10 12:15+02') #>> '{all,kwh}')::numeric, 6),
          round((300 * 300 + 300 * 50 + 300 * 60) / 3.6e6, 6), 'energy inside the range only');
SELECT is(tap.data('2025-06-10 12:10+02', '2025-06-10 12:15+02') #> '{all,series,0,watts}', '[60.0]', 'a reading that ends later');

-- Coarser steps keep the extremes.
SELECT is(tap.data('2025-06-10+02', '2025-06-17+02') #>> '{all,series,0,high,48}', '300.0', 'the highest reading of a step');
SELECT is(tap.data('2025-06-10+02', '2025-06-17+02') #>> '{all,series,0,low,48}', '100.0', 'and the lowest');
SELECT cmp_ok(jsonb_array_length(tap.data('2025-06-10+02', '2025-06-17+02') -> 'edges'), '<=', 721, 'no more steps than a screen has room for');

-- A node of a lone sample without energy is a point, not a hole.
CALL tap.reading('a', '2025-06-11 12:02+02', 1, 80, NULL);
SELECT is(tap.data('2025-06-11 12:00+02', '2025-06-11 12:10+02') #> '{all,series,0,watts}', '[80.0, null]', 'a lone sample');
-- A short overlap does not make a step known.
CALL tap.reading('a', '2025-06-12 12:05:03+02', 300, 70);
SELECT is(tap.data('2025-06-12 12:00+02', '2025-06-12 12:10+02') #> '{all,series,0,watts}', '[70.0, null]', 'three seconds are no five minutes');

-- Totals: where readings are gone.
INSERT INTO tribe_power_hourly (node_name, hour, avg_total_power, max_total_power, energy_kwh, covered_seconds, sample_count)
SELECT 'a', t, 40 + extract(hour FROM t AT TIME ZONE 'Europe/Berlin'), 100, 0.05, 3600, 12
FROM generate_series('2025-03-29 00:00+01'::timestamptz, '2025-03-31 01:00+02', '1 hour') t;
SELECT is(tap.data('2025-03-29+01', '2025-03-31+02') ->> 'source', 'hours', 'hours where there are no readings');
SELECT is(jsonb_array_length(tap.data('2025-03-29+01', '2025-03-31+02') -> 'edges'), 48, 'a weekend of 47 hours');
SELECT is(tap.data('2025-03-29+01', '2025-03-31+02') #> '{offsets}' @> '[[1743116400, 3600], [1743296400, 7200]]', true, 'with the change of clocks');
SELECT is(tap.data('2025-03-29+01', '2025-03-31+02') #>> '{days,rows,1,at}', extract(epoch FROM '2025-03-30 00:00+01'::timestamptz)::bigint::text, 'its days');
SELECT is((SELECT count(*) FROM jsonb_array_elements(tap.data('2025-03-29+01', '2025-03-31+02') #> '{week,cells}')), 47::bigint, 'and its hours of the week');
SELECT is((SELECT c FROM jsonb_array_elements(tap.data('2025-03-29+01', '2025-03-31+02') #> '{week,cells}') c WHERE c ->> 0 = '6' AND c ->> 1 = '2'),
          NULL, 'without the one that was left out');

INSERT INTO tribe_power_daily (node_name, date, avg_total_power, max_total_power, energy_kwh, sample_count, coverage, covered_seconds, day_seconds)
SELECT 'a', d, 50, 90, 1.2, 288, 1, 86400, 86400 FROM generate_series('2024-01-01'::timestamp, '2024-12-31', '1 day') d;
CREATE TEMP TABLE year AS SELECT tap.data('2024-01-01+01', '2025-01-01+01') AS d;
SELECT is(d ->> 'source', 'days', 'days where that is all there is') FROM year;
SELECT is(jsonb_array_length(d -> 'edges'), 367, 'a leap year') FROM year;
SELECT is(d #>> '{edges,180}', extract(epoch FROM '2024-06-29 00:00+02'::timestamptz)::bigint::text, 'that begin at midnight') FROM year;
SELECT is(round((d #>> '{all,kwh}')::numeric, 3), 366 * 1.2, 'with their energy') FROM year;
SELECT is(jsonb_array_length(d #> '{days,rows}'), 366, 'a bar a day') FROM year;
SELECT is(tap.data('2023-01-01+01', '2025-01-01+01') #>> '{days,step}', 'month', 'or a month');

-- More nodes than colours: the rest together.
INSERT INTO tribe_power_hourly (node_name, hour, avg_total_power, max_total_power, energy_kwh, covered_seconds, sample_count)
SELECT 'n' || i, t, i, i, i / 1000.0, 3600, 12 FROM generate_series(1, 20) i, generate_series('2025-01-10 00:00+01'::timestamptz, '2025-01-10 23:00+01', '1 hour') t;
SELECT results_eq($$SELECT jsonb_array_length(d #> '{all,series}'), d #>> '{all,series,0,name}', d #>> '{all,fleet,others,5}', d #>> '{all,fleet,watts,5}', d #>> '{all,charted}'
                    FROM tap.data('2025-01-10+01', '2025-01-11+01') d$$,
                  $$VALUES (10, 'n20', '55.0', '210.0', '20')$$, 'ten by themselves and ten together');

-- Hostile names.
INSERT INTO tribe_power_nodes (node_name, address) VALUES ('</script><script>alert(1)</script>', 'x'), ('<!--', 'x'), ('@SCRIPT@', 'x');
-- the registry refuses such a name; a table that was imported may have it
CALL tap.reading(U&'a\202Eb\2028c', now() - interval '2 minutes', 300, 5);
INSERT INTO tribe_power_node_status (node_name, failures, last_attempt, last_outcome, last_error) VALUES ('<!--', 3, now(), 'closed', '</script>&');
SELECT is((length(p) - length(replace(p, '</script', ''))) / 8, 3, 'no name ends a script') FROM tribe_power_report() p;
SELECT ok(p NOT LIKE '%<!--%' AND p NOT LIKE '%alert(1)</%', 'nor opens anything') FROM tribe_power_report() p;
SELECT ok(p !~ U&'[\202A-\202E\2028\2029]', 'nor turns the text around') FROM tribe_power_report() p;
SELECT ok(p LIKE '%"name":"@SCRIPT@"%', 'nor is taken for a part of the page') FROM tribe_power_report() p;
SELECT set_has($$SELECT n ->> 'name' FROM jsonb_array_elements(substring(tribe_power_report() FROM '<script type="application/json" id="data">(.*?)</script>')::jsonb #> '{all,nodes}') n$$,
               $$SELECT node_name FROM tribe_power_nodes UNION ALL SELECT U&'a\202Eb\2028c'$$, 'all of them are there');
SELECT is(tribe_power_report_escape('["<a>&"]')::json ->> 0, '<a>&', 'escaped, it is the same JSON');

-- The policy names the sums of what is there.
SELECT ok(p LIKE '%content="default-src ''none''; script-src ''sha256-%', 'nothing is allowed but') FROM tribe_power_report() p;
SELECT set_eq($$SELECT (regexp_matches(p, '''sha256-([^'']*)''', 'g'))[1] FROM tribe_power_report() p$$,
              $$SELECT encode(sha256(convert_to((regexp_matches(p, format('<%s>(.*?)</%1$s>', t), 'g'))[1], 'UTF8')), 'base64')
                FROM tribe_power_report() p, unnest(ARRAY['script', 'style']) t$$,
              'these scripts and this style');
SELECT ok(p !~* 'https?://[^ "]*\.(js|css|png|woff)' AND p !~* '<(link|img|iframe|object)', 'nothing is loaded') FROM tribe_power_report() p;

-- Whom it is for.
CREATE ROLE tribe_monitor;
CREATE ROLE tribe_nobody;
GRANT pg_monitor TO tribe_monitor;
SET ROLE tribe_monitor;
SELECT lives_ok($$SELECT tribe_power_report('2025-06-10', '2025-06-11')$$, 'a monitor sees it');
SELECT refused($$SELECT * FROM tribe_power_report_cells(now(), now(), 'days', 1, 1)$$, '42501', 'permission denied%', '%', 'but not its parts');
RESET ROLE;
SET ROLE tribe_nobody;
SELECT refused($$SELECT tribe_power_report()$$, '42501', 'permission denied%', '%', 'nobody else does');
RESET ROLE;

SELECT * FROM finish();
ROLLBACK;
