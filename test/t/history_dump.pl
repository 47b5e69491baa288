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

# The restored one works on.
is($new->safe_psql('postgres', q{SELECT count(*) FROM tribe_power_upkeep() WHERE done = 0 OR task = 'node-days added up'}), '6',
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
