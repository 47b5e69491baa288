# Two sites, each polling its own nodes, publish to a centre, as doc/scale-out.md
# has it.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TribePower;

my %nodes = (north => [ 'ada', 'bob' ], south => ['cay']);
my %site;
my $watts = 100;

foreach my $name (sort keys %nodes)
{
	$site{$name} = new_hub($name, allows_streaming => 'logical');
	add_node($site{$name}, $_, start_sshd($_, answer => $watts++)) foreach @{ $nodes{$name} };
	$site{$name}->safe_psql('postgres', <<'END');
CREATE PUBLICATION tribe_power_readings FOR TABLE tribe_power_metrics
    WITH (publish = 'insert', publish_via_partition_root = true);
CREATE PUBLICATION tribe_power_registry FOR TABLE tribe_power_nodes, tribe_power_node_status
    WITH (publish = 'insert, update');
END
}

# The centre polls nobody and adds up what it gets.
my $centre = new_hub('centre', 'tribe_power.enabled' => 'off', 'tribe_power.upkeep_interval' => '1s');
foreach my $name (sort keys %site)
{
	my $from = $site{$name}->connstr('postgres');
	$centre->safe_psql('postgres',
		"CREATE SUBSCRIPTION $name CONNECTION \$\$$from\$\$ PUBLICATION tribe_power_readings, tribe_power_registry");
}
ok($centre->poll_query_until('postgres', q{SELECT count(*) = 3 FROM (SELECT node_name FROM tribe_power_metrics GROUP BY 1 HAVING count(*) >= 3) n}),
	'readings of three nodes at the centre');
ok($centre->poll_query_until('postgres', q{SELECT count(*) = 3 AND min(total_power_watts) > 99 FROM tribe_power_latest WHERE last_outcome = 'read'}),
	'and how their polls go');
ok($centre->poll_query_until('postgres', q{SELECT count(DISTINCT node_name) = 3 AND min(energy_kwh) > 0 FROM tribe_power_daily}),
	'which adds them up');
ok($centre->poll_query_until('postgres', q{SELECT count(*) = 0 FROM tribe_power_metrics_default}),
	'and keeps them in partitions');
is($centre->safe_psql('postgres', q{SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'tribe_power worker'}), '1', 'by its own worker');

# What a site forgets, the centre keeps.
$site{north}->safe_psql('postgres', <<'END');
INSERT INTO tribe_power_metrics (node_name, "timestamp", total_power_watts, interval_seconds, energy_joules, energy_quality, raw_data)
SELECT 'ada', '2024-03-01'::timestamptz + g * interval '1 hour', 100, 3600, 360000, 'counter', '{}' FROM generate_series(1, 100) g;
SELECT tribe_power_make_partitions();
END
ok($centre->poll_query_until('postgres', q{SELECT count(*) = 100 FROM tribe_power_metrics WHERE "timestamp" < '2025-01-01'}), 'old readings arrive');
$site{north}->safe_psql('postgres', q{SET tribe_power.raw_data_retention = '30d'; SELECT tribe_power_drop_raw_data()});
is($site{north}->safe_psql('postgres', q{SET tribe_power.retention = '30d'; SELECT tribe_power_drop_partition()}), 'tribe_power_metrics_2024_03', 'a site drops them');
my $newest = $site{north}->safe_psql('postgres', q{SELECT max("timestamp") FROM tribe_power_metrics});
ok($centre->poll_query_until('postgres', qq{SELECT max("timestamp") >= '$newest' FROM tribe_power_metrics WHERE node_name IN ('ada', 'bob')}), 'what came after that arrives');
is($centre->safe_psql('postgres', q{SELECT count(*) || ' ' || count(raw_data) FROM tribe_power_metrics WHERE "timestamp" < '2025-01-01'}), '100 100', 'the centre still has them');

# While the centre is away nothing is lost.
$centre->stop;
my $count = $site{south}->safe_psql('postgres', 'SELECT count(*) FROM tribe_power_metrics');
ok($site{south}->poll_query_until('postgres', "SELECT count(*) >= $count + 2 FROM tribe_power_metrics"), 'a site polls on without the centre');
$site{south}->safe_psql('postgres', 'ALTER SYSTEM SET tribe_power.enabled = off');
$site{south}->reload;
$centre->start;
ok($centre->poll_query_until('postgres', "SELECT count(*) > $count FROM tribe_power_metrics WHERE node_name = 'cay'"), 'which catches up');
$site{south}->wait_for_catchup('south', 'replay', $site{south}->lsn('insert'));
is($centre->safe_psql('postgres', q{SELECT count(*) FROM tribe_power_metrics WHERE node_name = 'cay'}),
	$site{south}->safe_psql('postgres', 'SELECT count(*) FROM tribe_power_metrics'), 'without a gap');

# A site whose readings lag for longer than a day: its days are added up anew, though
# the centre has totals of them already.
my $day = q{(now() AT TIME ZONE tribe_power_timezone())::date - 50};
my $reading = qq{INSERT INTO tribe_power_metrics (node_name, "timestamp", total_power_watts, interval_seconds, energy_joules, energy_quality)
	SELECT 'NODE', tribe_power_day_start($day) + interval '12 hours', 1000, 3600, 3600000, 'counter'};
$centre->safe_psql('postgres', 'ALTER SUBSCRIPTION south DISABLE');
$site{south}->safe_psql('postgres', $reading =~ s/NODE/cay/r);
$site{north}->safe_psql('postgres', $reading =~ s/NODE/ada/r);
my $totals = "SELECT coalesce(string_agg(node_name || ' ' || energy_kwh, ', ' ORDER BY node_name), '') FROM tribe_power_daily WHERE date = $day";
ok($centre->poll_query_until('postgres', $totals, 'ada 1'), 'the centre has a total of a day');
ok($centre->poll_query_until('postgres', 'SELECT count(*) = 0 FROM tribe_power_looked_at WHERE next_day IS NOT NULL'), 'and is done with it');
$centre->safe_psql('postgres', 'ALTER SUBSCRIPTION south ENABLE');
ok($centre->poll_query_until('postgres', $totals, 'ada 1, cay 1'), 'which the readings of a site that lagged complete');

$centre->stop;
$_->stop foreach values %site;
done_testing();
