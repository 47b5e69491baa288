\set ECHO none
\getenv root PG_ABS_SRCDIR
\set helper :root '/pgtap.psql'
\i :helper

-- The text for Prometheus, line by line; test/t/operate_metrics.pl has it parsed.
SELECT plan(14);

CREATE FUNCTION tap.lines(pattern text, format text DEFAULT 'openmetrics') RETURNS text LANGUAGE sql AS
$$SELECT string_agg(l, E'\n' ORDER BY n) FROM regexp_split_to_table(tribe_power_openmetrics(format), E'\n') WITH ORDINALITY s (l, n) WHERE l ~ pattern$$;

SELECT is(tribe_power_openmetrics(), format(E'# HELP tribe_power_build The library''s release.\n# TYPE tribe_power_build info\ntribe_power_build_info{version="%s"} 1\n# EOF', tribe_power_version()),
          'without nodes the version; whoever prints it ends the last line');
SELECT is(tribe_power_openmetrics('prometheus'), format(E'# HELP tribe_power_build_info The library''s release.\n# TYPE tribe_power_build_info gauge\ntribe_power_build_info{version="%s"} 1', tribe_power_version()),
          'also in the older format');
SELECT refused($$SELECT tribe_power_openmetrics('json')$$, '22023', 'invalid format%', '%prometheus%', 'a format that is none');
SELECT refused($$SELECT tribe_power_openmetrics(NULL)$$, '22023', 'invalid format%', '%', 'nor is NULL');

INSERT INTO tribe_power_nodes (node_name, address, enabled) VALUES (E'a "b" \\c', 'x', true), ('paused', 'x', false), ('new', 'x', true);
INSERT INTO tribe_power_node_status (node_name, last_attempt, last_outcome, last_reading, elapsed_ms, total_power_watts, cpu_utilization,
                                     memory_total_gb, energy_joules, energy_seconds, problems)
SELECT node_name, now(), 'read', now(), 1234, 45.2, 12.5, 16, 1.5e10, 300, '{"rapl": "denied"}' FROM tribe_power_nodes WHERE node_name <> 'new';
SELECT is(tap.lines('^tribe_power_up'), E'tribe_power_up{node="a \\"b\\" \\\\c"} 1\ntribe_power_up{node="new"} 0', 'labels are escaped; a paused node is not there');
SELECT is(tap.lines('^tribe_power_total_power_watts'), E'tribe_power_total_power_watts{node="a \\"b\\" \\\\c"} 45.2', 'watts as they are stored');
SELECT is(tap.lines('^tribe_power_energy_joules'), E'tribe_power_energy_joules_total{node="a \\"b\\" \\\\c"} 15000000000', 'joules');
SELECT is(tap.lines('^tribe_power_(cpu_util|memory|poll)'), E'tribe_power_poll_duration_seconds{node="a \\"b\\" \\\\c"} 1.234\ntribe_power_cpu_utilization_ratio{node="a \\"b\\" \\\\c"} 0.125\ntribe_power_memory_size_bytes{node="a \\"b\\" \\\\c"} 17179869184', 'base units');
SELECT is(tap.lines('^tribe_power_problem'), E'tribe_power_problem{node="a \\"b\\" \\\\c",section="rapl",reason="denied"} 1', 'problems');
SELECT is(tap.lines('gpu'), NULL, 'what is not known has no line, nor its family');
SELECT is((SELECT count(*) FROM regexp_matches(tribe_power_openmetrics(), '# TYPE', 'g')), (SELECT count(*) FROM regexp_matches(tribe_power_openmetrics(), '# HELP', 'g')), 'each family has type and help');

UPDATE tribe_power_node_status SET last_reading = now() - interval '13 minutes' WHERE node_name LIKE 'a%';
SELECT is(tap.lines('^tribe_power_(up|total_power|cpu_util|energy_joules|problem).*a '), E'tribe_power_up{node="a \\"b\\" \\\\c"} 0\ntribe_power_energy_joules_total{node="a \\"b\\" \\\\c"} 15000000000', 'of an old reading only what is counted');

-- for thousands of nodes: no look at history
INSERT INTO tribe_power_nodes (node_name, address) SELECT 'n' || g, 'x' FROM generate_series(1, 2000) g;
INSERT INTO tribe_power_node_status (node_name, last_outcome, last_reading, total_power_watts) SELECT 'n' || g, 'read', now(), g FROM generate_series(1, 2000) g;
ALTER TABLE tribe_power_metrics RENAME TO nobody_reads_this;
ALTER TABLE tribe_power_daily RENAME TO nor_this;
ALTER TABLE tribe_power_hourly RENAME TO nor_that;
SELECT is((SELECT count(*) FROM regexp_matches(tribe_power_openmetrics(), '^tribe_power_total_power_watts\{', 'gn')), 2000::bigint, 'of all nodes, without history');
SELECT is((SELECT count(*) FROM tribe_power_fleet WHERE watts > 0), 2000::bigint, 'nor does the fleet need any');

SELECT * FROM finish();
ROLLBACK;
