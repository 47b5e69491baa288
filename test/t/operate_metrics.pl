# tribe_power_openmetrics() by a strict parser that is not ours (Python's
# prometheus_client); energy as a counter that retention does not turn back; and
# the queries of examples/prometheus as a role that may only monitor.
use strict;
use warnings;

use CPAN::Meta::YAML;
use JSON::PP;
use PostgreSQL::Test::Utils;
use Test::More;
use TribePower;

my $hub = new_hub('hub', 'tribe_power.enabled' => 'off', 'tribe_power.interval' => '5min');
my $odd = qq{odd "name" \\ with\\n all};
$hub->safe_psql('postgres', 'CREATE ROLE watcher; GRANT pg_monitor TO watcher');
add_node($hub, 'node', start_sshd('node', answer => 100), budget_peak_watts => 90);
add_node($hub, 'down', unused_port());
$hub->safe_psql('postgres', sprintf('INSERT INTO tribe_power_nodes (node_name, address, port, host_key) SELECT $odd$%s$odd$, address, port, host_key FROM tribe_power_nodes WHERE node_name = \'node\'', $odd));

my $parser = <<'PYTHON';
import json, sys
if sys.argv[1] == 'openmetrics':
    from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse
else:
    from prometheus_client.parser import text_string_to_metric_families as parse
print(json.dumps([[f.name, f.type, f.unit, [[s.name, s.labels, s.value] for s in f.samples]]
                  for f in parse(sys.stdin.read())]))
PYTHON

# name of a sample => [ [ labels, value ]... ], with the families beside it; undef
# if the parser does not take the text.
sub parsed
{
	my ($format, $text) = @_;
	my ($out, $err);

	IPC::Run::run([ '/usr/bin/python3', '-c', $parser, $format ], '<', \$text, '>', \$out, '2>', \$err) or return (undef, $err);
	my %samples;
	my $families = decode_json($out);
	push @{ $samples{ $_->[0] } }, [ $_->[1], $_->[2] ] foreach map { @{ $_->[3] } } @$families;
	return (\%samples, { map { $_->[0] => "$_->[1] $_->[2]" } @$families });
}

# As psql prints it, which ends the last line.
sub metrics
{
	my ($format) = @_;
	my ($out, $err);
	IPC::Run::run([ 'psql', '-XAtq', '-d', $hub->connstr('postgres'), '-c', 'SET ROLE watcher', '-c', "SELECT tribe_power_openmetrics('$format')" ],
		'<', \undef, '>', \$out, '2>', \$err) or BAIL_OUT($err);
	return $out;
}
sub value
{
	my ($samples, $name, $node) = @_;
	my @found = grep { $_->[0]{node} eq $node } @{ $samples->{$name} // [] };
	return @found == 1 ? $found[0][1] : undef;
}
sub sql { return $hub->safe_psql('postgres', @_); }

# before anything is known
my ($samples, $families) = parsed('openmetrics', metrics('openmetrics'));
ok($samples, 'the text without readings is well-formed') or diag($families);
is(value($samples, 'tribe_power_up', 'node'), 0, 'a node that was never read is not up');
is($samples->{tribe_power_energy_joules_total}, undef, 'and has no energy, not none');

sql('SELECT * FROM tribe_power_collect()') foreach 1 .. 3;
my $text = metrics('openmetrics');
($samples, $families) = parsed('openmetrics', $text);
ok($samples, 'the text is well-formed') or diag($families);
is($families->{tribe_power_energy_joules}, 'counter joules', 'energy is a counter, in joules');
is($families->{tribe_power_total_power_watts}, 'gauge watts', 'power is a gauge, in watts');
is(value($samples, 'tribe_power_up', $_), 1, "$_ is up") foreach 'node', $odd;
is(value($samples, 'tribe_power_up', 'down'), 0, 'down is not');
is(value($samples, 'tribe_power_failures', 'down'), 3, 'three times in a row');
cmp_ok(abs(value($samples, 'tribe_power_total_power_watts', $odd) - 100), '<', 5, 'watts are those of the node');
is(value($samples, 'tribe_power_total_power_watts', 'down'), undef, 'that is down has none');
is_deeply([ grep { $_->[0]{node} eq 'node' } @{ $samples->{tribe_power_budget_watts} } ], [ [ { node => 'node', budget => 'peak' }, 90 ] ], 'a budget');
is_deeply([ sort map { "$_->[0]{node} $_->[0]{kind}" } @{ $samples->{tribe_power_alert} } ], [ 'down node_lost', 'node over_peak' ], 'alerts');
cmp_ok(abs(value($samples, 'tribe_power_energy_joules_total', 'node') - sql("SELECT sum(energy_joules) FROM tribe_power_metrics WHERE node_name = 'node'")), '<', 1e-6, 'energy is that of all readings');
cmp_ok(abs(value($samples, 'tribe_power_energy_known_seconds_total', 'node') - sql("SELECT sum(interval_seconds) FROM tribe_power_metrics WHERE node_name = 'node' AND energy_joules IS NOT NULL")), '<', 1e-6, 'and of their time');

# The parser is strict: this is no test that cannot fail.
foreach my $broken ([ 's/# EOF\n//', 'no end' ], [ 's/_joules_total\{/_joules{/', 'a counter without its suffix' ],
	[ 's/# TYPE tribe_power_up gauge\n//; $_ .= "x 1\n"', 'something after the end' ], [ 's/\\\\"name/"name/', 'a quote that is not escaped' ],
	[ 's/(# UNIT tribe_power_total_power_watts) watts/$1 joules/', 'another unit' ])
{
	local $_ = $text;
	eval $broken->[0];
	isnt($_, $text, 'broken on purpose');
	is((parsed('openmetrics', $_))[0], undef, "$broken->[1] is refused");
}

# The older format.
my ($older) = parsed('prometheus', metrics('prometheus'));
is_deeply($older->{tribe_power_energy_joules_total}, $samples->{tribe_power_energy_joules_total}, 'the older format says the same');
like(metrics('prometheus'), qr/^# TYPE tribe_power_energy_joules_total counter$/m, 'under the counter\'s whole name');
unlike(metrics('prometheus'), qr/# (UNIT|EOF)/, 'without what it does not know');

# What retention deletes, energy keeps; it goes on from there.
my $before = value($samples, 'tribe_power_energy_joules_total', 'node');
sql('DELETE FROM tribe_power_metrics; DELETE FROM tribe_power_daily; DELETE FROM tribe_power_hourly');
($samples) = parsed('openmetrics', metrics('openmetrics'));
is(value($samples, 'tribe_power_energy_joules_total', 'node'), $before, 'energy does not go back with its readings');
sql('SELECT * FROM tribe_power_collect()');
($samples) = parsed('openmetrics', metrics('openmetrics'));
cmp_ok(value($samples, 'tribe_power_energy_joules_total', 'node'), '>', $before, 'and grows with the next');

# Queries for exporters.
my $folder = dirname_of('../../examples/prometheus');
sub dirname_of { require File::Basename; require Cwd; return Cwd::abs_path(File::Basename::dirname(__FILE__) . "/$_[0]"); }
sub rows
{
	my ($query) = @_;
	$query =~ s/;?\s*$//;
	return decode_json(sql("SET ROLE watcher; SELECT coalesce(json_agg(q), '[]') FROM ($query) q"));
}
my $exporter = CPAN::Meta::YAML->read("$folder/postgres_exporter.yml")->[0];
my %exported;
foreach my $name (sort keys %$exporter)
{
	my $rows = rows($exporter->{$name}{query});
	my %usage = map { my ($column) = keys %$_; $column => $_->{$column}{usage} } @{ $exporter->{$name}{metrics} };
	cmp_ok(scalar(@$rows), '>', 0, "postgres_exporter: $name has rows");
	is_deeply([ sort keys %{ $rows->[0] } ], [ sort keys %usage ], 'with the columns that it declares');
	is_deeply([ grep { my $row = $_; grep { !defined $row->{$_} } keys %$row } @$rows ], [], 'and no NULL');
	is_deeply([ grep { $usage{$_} !~ /^(LABEL|GAUGE|COUNTER)$/ } keys %usage ], [], 'each of a usage that there is');
	$exported{"${name}_$_"} = $rows foreach grep { $usage{$_} ne 'LABEL' } keys %usage;
}
my $collector = CPAN::Meta::YAML->read("$folder/sql_exporter.collector.yml")->[0];
is($collector->{collector_name}, 'tribe_power', 'sql_exporter: a collector');
foreach my $metric (@{ $collector->{metrics} })
{
	my $rows = rows($metric->{query});
	cmp_ok(scalar(@$rows), '>', 0, "sql_exporter: $metric->{metric_name} has rows");
	is_deeply([ sort keys %{ $rows->[0] } ], [ sort @{ $metric->{key_labels} }, @{ $metric->{values} } ], 'with the columns that it declares');
	is_deeply([ grep { my $row = $_; grep { !defined $row->{$_} } keys %$row } @$rows ], [], 'and no NULL');
	like("$metric->{type} $metric->{metric_name}", qr/^(counter .*_total|gauge .*(?<!_total))$/, 'of a type that fits its name');
	ok($exported{ $metric->{metric_name} }, 'and a name that both have');
}

# Old readings are no longer told; what only counts is.
sql("UPDATE tribe_power_node_status SET last_reading = last_reading - interval '1 day'");
($samples, $families) = parsed('openmetrics', metrics('openmetrics'));
ok($samples, 'with old readings') or diag($families);
is(value($samples, 'tribe_power_total_power_watts', 'node'), undef, 'no old watts');
is(value($samples, 'tribe_power_up', 'node'), 0, 'not up');
cmp_ok(value($samples, 'tribe_power_energy_joules_total', 'node'), '>', 0, 'but energy');

$hub->stop;
done_testing();
