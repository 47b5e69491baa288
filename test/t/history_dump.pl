# What pg_dump takes out, pg_restore puts back: every row of every partition, the
# registry, the totals, grants; and the restored extension works on.  A standby
# serves reads.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TribePower;

my $hub = new_hub('old', 'tribe_power.upkeep_interval' => '0', 'tribe_power.enabled' => 'off',
	'tribe_power.timezone' => 'Europe/Berlin', allows_streaming => 1);
$hub->safe_psql('postgres', <<'END');
CREATE ROLE reader;
CREATE ROLE clerk;
GRANT SELECT ON tribe_power_metrics, tribe_power_nodes TO reader;
GRANT INSERT, UPDATE ON tribe_power_nodes TO clerk;
INSERT INTO tribe_power_nodes (node_name, address, tags) VALUES ('a', '192.0.2.1', '{x}'), ('b', '192.0.2.2', '{}');
INSERT INTO tribe_power_metrics (node_name, "timestamp", total_power_watts, interval_seconds, energy_joules, energy_quality, raw_data, problems)
SELECT n, t, 100, 3600, 360000, 'counter', '{"counters": [1, 2]}', '{"rapl": "denied"}'
FROM unnest(ARRAY['a', 'b']) n, generate_series(now() - interval '70 days', now(), interval '1 hour') t;
SELECT * FROM tribe_power_upkeep();
INSERT INTO tribe_power_metrics (node_name, "timestamp", total_power_watts) VALUES ('future', now() + interval '5 years', 1);
INSERT INTO tribe_power_node_status (node_name, last_reading, counters, total_power_watts) VALUES ('a', now(), '\x0102', 100);
END
cmp_ok($hub->safe_psql('postgres', 'SELECT count(*) FROM tribe_power_partitions()'), '>=', 4, 'several partitions');

my $state = q{
	SELECT 'metrics', tableoid::regclass::text, count(*), md5(string_agg(m::text, ',' ORDER BY m."timestamp", m.node_name)) FROM tribe_power_metrics m GROUP BY 2
	UNION ALL SELECT 'nodes', NULL, count(*), md5(string_agg(n::text, ',' ORDER BY n::text)) FROM tribe_power_nodes n
	UNION ALL SELECT 'status', NULL, count(*), md5(string_agg(n::text, ',' ORDER BY n::text)) FROM tribe_power_node_status n
	UNION ALL SELECT 'daily', NULL, count(*), md5(string_agg(n::text, ',' ORDER BY n::text)) FROM tribe_power_daily n
	UNION ALL SELECT 'hourly', NULL, count(*), md5(string_agg(n::text, ',' ORDER BY n::text)) FROM tribe_power_hourly n
	UNION ALL SELECT 'key', conrelid::regclass::text, 1, pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid::regclass::text LIKE 'tribe_power_metrics%'
	UNION ALL SELECT 'index', indexrelid::regclass::text, 1, pg_get_indexdef(indexrelid) FROM pg_index WHERE indrelid::regclass::text LIKE 'tribe_power_metrics%'
	UNION ALL SELECT 'bound', partition::text, 1, range_start || ' ' || range_end FROM tribe_power_partitions()
	UNION ALL SELECT 'grant', c.oid::regclass::text, 1, relacl::text FROM pg_class c WHERE relname LIKE 'tribe_power%' AND relkind IN ('r', 'p') AND relacl IS NOT NULL
	ORDER BY 1, 2, 3, 4};
my $before = $hub->safe_psql('postgres', $state);

# Into a new cluster, in one transaction: nothing may fail.
my $folder = PostgreSQL::Test::Utils::tempdir();
$hub->command_ok([ 'pg_dump', '-Fc', '-f', "$folder/dump", $hub->connstr('postgres') ], 'pg_dump');
my $new = new_hub('new', extension => 0, 'tribe_power.upkeep_interval' => '0', 'tribe_power.enabled' => 'off',
	'tribe_power.timezone' => 'Europe/Berlin');
$new->safe_psql('postgres', 'CREATE ROLE reader; CREATE ROLE clerk');
$new->command_ok([ 'pg_restore', '-1', '-d', $new->connstr('postgres'), "$folder/dump" ], 'pg_restore in one transaction');
is($new->safe_psql('postgres', $state), $before, 'every row, key, bound and grant is as it was');

# As plain SQL, while a worker serves the database that it goes to.
my $third = new_hub('third', extension => 0, 'tribe_power.upkeep_interval' => '1s', 'tribe_power.timezone' => 'Europe/Berlin',
	'tribe_power.enabled' => 'off');
$third->safe_psql('postgres', 'CREATE ROLE reader; CREATE ROLE clerk');
$hub->command_ok([ 'pg_dump', '-f', "$folder/dump.sql", $hub->connstr('postgres') ], 'pg_dump as plain SQL');
$third->command_ok([ 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-f', "$folder/dump.sql", $third->connstr('postgres') ],
	'restored beside a worker at work');
is($third->safe_psql('postgres', q{SELECT count(*) FROM tribe_power_metrics}), $hub->safe_psql('postgres', q{SELECT count(*) FROM tribe_power_metrics}),
	'with every row');

# By several processes, with what the owner has added to the tables.
$hub->safe_psql('postgres', 'CREATE DATABASE mine');
$hub->command_ok([ 'pg_restore', '-1', '-d', $hub->connstr('mine'), "$folder/dump" ], 'a copy beside the original');
$hub->safe_psql('mine', <<'END');
SELECT format('CREATE INDEX %I ON %s (node_name, "timestamp") WHERE total_power_watts > 0', 'mine_' || row_number() OVER (), partition) FROM tribe_power_partitions() WHERE NOT is_default \gexec
GRANT SELECT ON tribe_power_daily TO clerk;
REVOKE SELECT ON tribe_power_hourly FROM pg_monitor;
END
my $with_mine = $hub->safe_psql('mine', $state);
isnt($with_mine, $before, 'an index and grants of the owner');
$hub->command_ok([ 'pg_dump', '-Fd', '-j', '2', '-f', "$folder/jobs", $hub->connstr('mine') ], 'pg_dump by two processes');
$new->safe_psql('postgres', 'CREATE DATABASE mine');
$new->command_ok([ 'pg_restore', '-e', '-j', '3', '-d', $new->connstr('mine'), "$folder/jobs" ], 'pg_restore by three');
is($new->safe_psql('mine', $state), $with_mine, 'every row, key, index, bound and grant');
my $next = $new->safe_psql('mine', q{SELECT tribe_power_make_partition(now() + interval '3 months')});
like($new->safe_psql('mine', qq{SELECT string_agg(pg_get_indexdef(indexrelid), E'\n') FROM pg_index WHERE indrelid = '$next'::regclass}),
	qr/INDEX \S+ ON \S+ USING btree \(node_name, "timestamp"\) WHERE \(total_power_watts > /, 'the next partition gets the owner\'s index too');

# The extension is in a schema of its own, with a name that needs quotes.
$hub->safe_psql('postgres', 'CREATE DATABASE elsewhere');
$hub->safe_psql('elsewhere', <<'END');
CREATE SCHEMA "Strom & Wärme";
CREATE EXTENSION tribe_power SCHEMA "Strom & Wärme";
ALTER DATABASE elsewhere SET search_path = "Strom & Wärme";
END
$hub->safe_psql('elsewhere', <<'END');
INSERT INTO tribe_power_nodes (node_name, address, enabled) VALUES ('a', '192.0.2.1', false);
INSERT INTO tribe_power_metrics (node_name, "timestamp", total_power_watts, interval_seconds, energy_joules, energy_quality)
SELECT 'a', t, 100, 3600, 360000, 'counter' FROM generate_series(now() - interval '70 days', now(), interval '1 hour') t;
SELECT * FROM tribe_power_upkeep();
GRANT SELECT ON tribe_power_metrics TO reader;
END
my $elsewhere = $hub->safe_psql('elsewhere', $state);
$hub->command_ok([ 'pg_dump', '-Fc', '-f', "$folder/elsewhere", $hub->connstr('elsewhere') ], 'pg_dump of another schema');
$new->safe_psql('postgres', 'CREATE DATABASE elsewhere');
$new->safe_psql('postgres', 'ALTER DATABASE elsewhere SET search_path = "Strom & Wärme"');
$new->command_ok([ 'pg_restore', '-1', '-d', $new->connstr('elsewhere'), "$folder/elsewhere" ], 'pg_restore of it');
is($new->safe_psql('elsewhere', $state), $elsewhere, 'with everything in it');
is($new->safe_psql('elsewhere', q{SELECT count(*) FROM tribe_power_upkeep() WHERE done = 0 OR task = 'node-days added up'}),
	$new->safe_psql('elsewhere', 'SELECT count(*) FROM tribe_power_upkeep()'), 'where upkeep finds everything in its place');

# Rows only, into an installation that is there already; by way of the parent, for its
# partitions are others.
my $by_rows = q{SELECT count(*), md5(string_agg(m::text, ',' ORDER BY m."timestamp", m.node_name)), (SELECT md5(string_agg(d::text, ',' ORDER BY d::text)) FROM tribe_power_daily d),
	(SELECT md5(string_agg(h::text, ',' ORDER BY h::text)) FROM tribe_power_hourly h), (SELECT md5(string_agg(n::text, ',' ORDER BY n::text)) FROM tribe_power_nodes n) FROM tribe_power_metrics m};
$hub->command_ok([ 'pg_dump', '-Fc', '--data-only', '--load-via-partition-root', '-f', "$folder/rows", $hub->connstr('postgres') ], 'pg_dump of the rows only');
$new->safe_psql('postgres', 'CREATE DATABASE installed');
$new->safe_psql('installed', 'CREATE EXTENSION tribe_power');
$new->command_ok([ 'pg_restore', '-1', '--data-only', '-d', $new->connstr('installed'), "$folder/rows" ], 'into an installation');
$new->safe_psql('installed', 'SELECT * FROM tribe_power_make_partitions()');
is($new->safe_psql('installed', $by_rows), $hub->safe_psql('postgres', $by_rows), 'brings every row');
is($new->safe_psql('installed', 'SELECT count(*) FROM tribe_power_metrics_default'), '1', 'to its partition, but for the one of the future');

# The restored one works on.
is($new->safe_psql('postgres', q{SELECT count(*) FROM tribe_power_upkeep() WHERE done = 0 OR task = 'node-days added up'}),
	$new->safe_psql('postgres', 'SELECT count(*) FROM tribe_power_upkeep()'),
	'upkeep finds everything in its place');
is($new->safe_psql('postgres', q{SELECT tribe_power_make_partition(now() + interval '3 months') IS NOT NULL}), 't', 'makes partitions');
is($new->safe_psql('postgres', q{SET tribe_power.retention = '40d'; SELECT tribe_power_drop_partition() IS NOT NULL}), 't', 'and drops them');
is($new->safe_psql('postgres', q{SELECT count(*) FROM tribe_power_latest}), '2', 'the view is there');
is($new->safe_psql('postgres', q{SET ROLE reader; SELECT count(*) > 100 FROM tribe_power_metrics}), 't', 'who could read can read, partitions made since too');

# Dropped, it takes its partitions along.
$new->safe_psql('postgres', 'DROP EXTENSION tribe_power');
is($new->safe_psql('postgres', q{SELECT count(*) FROM pg_class WHERE relname LIKE 'tribe_power%'}), '0', 'DROP EXTENSION leaves nothing behind');

# A standby.
$hub->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($hub, 'base', has_streaming => 1);
$standby->start;
$hub->wait_for_catchup($standby);
is($standby->safe_psql('postgres', $state), $before, 'a standby shows the same');
is($standby->safe_psql('postgres', q{SELECT count(*) > 0 FROM tribe_power_energy(now() - interval '60 days', now(), 'month')}), 't', 'and answers questions');
is($standby->safe_psql('postgres', q{SELECT count(*) FROM tribe_power_partitions() WHERE is_default}), '1', 'also about partitions');

$_->stop foreach ($standby, $hub, $new, $third);
done_testing();
