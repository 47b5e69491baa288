# Alerts from end to end: a node's watts pass its peak, its server goes away and
# comes back; each time there is a row, a line in the log and a NOTIFY that say the
# same.  Maintenance that skips polls; and trouble with alerts costs no reading.
# fleet: energy-alerts=bluefin
use strict;
use warnings;

use File::Basename;
use Fleet;
use JSON::PP;
use PostgreSQL::Test::Utils;
use Test::More;
use TribePower;

my $hub = fleet_hub('hub',
	'tribe_power.enabled' => 'on',
	'tribe_power.interval' => '1s',
	'tribe_power.sample_window' => '200ms',
	'tribe_power.upkeep_interval' => '1s');

# Who listens, as doc/alerts.md has it.
my ($heard, $error) = ('', '');
my $listener = IPC::Run::start([ 'sh', dirname(__FILE__) . '/../../examples/alerts/listen.sh', '-d', $hub->connstr('postgres') ],
	'<', \undef, '>', \$heard, '2>', \$error, IPC::Run::timeout(10 * $PostgreSQL::Test::Utils::timeout_default));
ok($hub->poll_query_until('postgres', "SELECT count(*) = 1 FROM pg_stat_activity WHERE query = 'SELECT;'"), 'somebody listens');

# The events that were heard of so far.
sub heard
{
	$listener->pump_nb;
	return map { decode_json($_) } $heard =~ /^(.*)\n/mg;
}

# Awaits an event of a node, and compares what was heard of it, what stands there
# and what the log says; gives the row.
sub awaits_event
{
	my ($node, $kind, $phase) = @_;
	my @found;

	await(sub { @found = grep { $_->{node_name} eq $node && $_->{kind} eq $kind && $_->{phase} eq $phase } heard(); @found },
		"$kind $phase of $node");
	is(scalar(@found), 1, "$node: $kind $phase, once") or return {};
	my $rows = decode_json($hub->safe_psql('postgres',
		qq{SELECT coalesce(json_agg(json_build_object('node_name', node_name, 'timestamp', "timestamp", 'kind', kind, 'phase', phase, 'value', value, 'limit', limit_value, 'message', message)), '[]') FROM tribe_power_events WHERE node_name = '$node' AND kind = '$kind' AND phase = '$phase'}));
	is_deeply($rows, \@found, 'the row says what was heard');
	my $message = $found[0]{message};
	like(log_since($hub, 0), qr/LOG:  \Q$message\E\n(?!.*(CONTEXT|STATEMENT))/, "and so does the log: $message");
	return $found[0];
}

my $down = start_sshd('down', answer => 100);
fleet_nodes($hub, 'energy-alerts');
add_node($hub, 'down', $down, identity_file => new_key('hub'), ssh_user => (getpwuid($<))[0]);
ok($hub->poll_query_until('postgres', "SELECT count(*) = 2 FROM tribe_power_latest WHERE last_outcome = 'read' AND total_power_watts > 0"), 'two nodes are read');
my $watts = $hub->safe_psql('postgres', "SELECT total_power_watts FROM tribe_power_latest WHERE node_name = 'energy-alerts'");
my $limit = int($watts) + 50;
$hub->safe_psql('postgres', "UPDATE tribe_power_nodes SET budget_peak_watts = $limit WHERE node_name = 'energy-alerts'");
is(scalar(heard()), 0, 'nothing is wrong');

# over the peak, and below it
my ($package) = map { /^(.*)$/ } { truth('energy-alerts') }->{'truth.cpu_power_watts'};
tell_node('energy-alerts', 'set', 'package_watts=' . ($package + 100));
my $event = awaits_event('energy-alerts', 'over_peak', 'raised');
cmp_ok($event->{value}, '>', $limit, 'its value is above the limit');
is($event->{limit}, $limit, 'which it names');
is($hub->safe_psql('postgres', 'SELECT node_name, kind, limit_value FROM tribe_power_alerts'), "energy-alerts|over_peak|$limit", 'it stands among the alerts');
is($hub->safe_psql('postgres', "SELECT state FROM tribe_power_fleet WHERE node_name = 'energy-alerts'"), 'over', 'and the fleet shows it');
tell_node('energy-alerts', 'set', "package_watts=$package");
awaits_event('energy-alerts', 'over_peak', 'cleared');
cmp_ok($hub->safe_psql('postgres', "SELECT count(*) FROM tribe_power_metrics WHERE node_name = 'energy-alerts' AND total_power_watts <= 0.95 * $limit AND \"timestamp\" > (SELECT max(\"timestamp\") FROM tribe_power_metrics WHERE node_name = 'energy-alerts' AND total_power_watts > $limit)"),
	'>=', 2, 'after two readings that are low');
is($hub->safe_psql('postgres', 'SELECT count(*) FROM tribe_power_alerts'), '0', 'nothing is wrong any more');

# lost, and back
stop_sshd($down);
$event = awaits_event('down', 'node_lost', 'raised');
is($event->{value}, 3, 'after three failed polls');
like($event->{message}, qr/refused/, 'and says why');
TribePower::run_sshd($down);
awaits_event('down', 'node_lost', 'cleared');

# tribe_power_collect() looks for alerts as the worker does.
$hub->safe_psql('postgres', 'ALTER SYSTEM SET tribe_power.enabled = off');
$hub->reload;
ok(await(sub { !children(worker_pid($hub)) }, 'the end of the round'), 'the worker rests');
$hub->safe_psql('postgres', "DELETE FROM tribe_power_events; UPDATE tribe_power_nodes SET budget_peak_watts = 1 WHERE node_name = 'down'");
$heard = '';
$hub->safe_psql('postgres', "SELECT * FROM tribe_power_collect('{down}')");
$event = awaits_event('down', 'over_peak', 'raised');

# Without NOTIFY there are the row and the log.
$hub->safe_psql('postgres', 'ALTER SYSTEM SET tribe_power.notify = off');
$hub->reload;
ok($hub->poll_query_until('postgres', "SELECT NOT current_setting('tribe_power.notify')::boolean"), 'not by NOTIFY');
$hub->safe_psql('postgres', "UPDATE tribe_power_nodes SET budget_peak_watts = NULL WHERE node_name = 'down'; SELECT * FROM tribe_power_collect('{down}')");
is($hub->safe_psql('postgres', q{SELECT message FROM tribe_power_events WHERE phase = 'cleared'}), 'node "down" has no such limit any more', 'a row');
# what was sent before this is here before this is
$hub->safe_psql('postgres', q{NOTIFY tribe_power, '{"phase": "mine"}'});
ok(await(sub { grep { $_->{phase} eq 'mine' } heard() }, 'a notification'), 'a notification of another');
is(scalar(grep { $_->{phase} eq 'cleared' } heard()), 0, 'but none of ours');

# A maintenance window that skips polls, of one node.
$hub->safe_psql('postgres', 'ALTER SYSTEM RESET ALL');
$hub->safe_psql('postgres', q{INSERT INTO tribe_power_maintenance (window_name, node_name, during, skip_polls) VALUES ('w', 'down', tstzrange(now() - interval '1 hour', NULL), true)});
$hub->reload;
my $count = q{(SELECT count(*) FROM tribe_power_metrics WHERE node_name = '%s')};
sub readings_of { return $hub->safe_psql('postgres', sprintf('SELECT ' . $count, $_[0])); }
sub await_more
{
	my ($node, $more) = @_;
	my $before = readings_of($node);
	return $hub->poll_query_until('postgres', sprintf("SELECT $count >= %d", $node, $before + $more));
}
ok(await_more('energy-alerts', 2), 'one node is polled');
my $before = readings_of('down');
ok(await_more('energy-alerts', 3), 'and again');
is(readings_of('down'), $before, 'the one in maintenance is not');
$hub->safe_psql('postgres', 'DELETE FROM tribe_power_maintenance');
ok(await_more('down', 1), 'until that is over');

# Somebody holds what alerts are written to: readings go on.
my $log = log_size($hub);
my $holder = $hub->background_psql('postgres', on_error_stop => 1);
$holder->query_safe('BEGIN; LOCK tribe_power_alerts IN ACCESS EXCLUSIVE MODE');
ok(await_more('energy-alerts', 3), 'readings are stored while alerts are locked');
ok(await(sub { log_since($hub, $log) =~ /alerts could not be looked for: .*lock timeout/ }, 'the log'), 'the log tells it');
$holder->query_safe('COMMIT');
is(() = log_since($hub, $log) =~ /alerts could not be looked for/g, 1, 'once');

# Somebody's trigger fails, or would at the end of the transaction.
$hub->safe_psql('postgres', <<"SQL");
CREATE FUNCTION trouble() RETURNS trigger LANGUAGE plpgsql AS \$\$BEGIN RAISE EXCEPTION 'no room for events'; END\$\$;
CREATE CONSTRAINT TRIGGER trouble AFTER INSERT ON tribe_power_events DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION trouble();
UPDATE tribe_power_nodes SET budget_peak_watts = 1;
SQL
ok(await(sub { log_since($hub, $log) =~ /alerts could not be looked for: .*trigger/ }, 'the trouble'), 'an event that cannot be committed');
ok(await_more($_, 2), "costs $_ no reading") foreach qw(energy-alerts down);
is($hub->safe_psql('postgres', 'SELECT count(*) FROM tribe_power_alerts'), '0', 'it is not there');
$hub->safe_psql('postgres', 'DROP TRIGGER trouble ON tribe_power_events');
ok($hub->poll_query_until('postgres', "SELECT count(*) = 2 FROM tribe_power_alerts WHERE kind = 'over_peak'"), 'and is found as soon as it can be');

# The month: upkeep looks.
$hub->safe_psql('postgres', "UPDATE tribe_power_nodes SET budget_month_kwh = 1e-6 WHERE node_name = 'energy-alerts'");
ok($hub->poll_query_until('postgres', "SELECT count(*) = 1 FROM tribe_power_events WHERE node_name = 'energy-alerts' AND kind = 'over_month' AND phase = 'raised'"), 'energy of the month');
$hub->safe_psql('postgres', 'ALTER SYSTEM SET tribe_power.budget_month_kwh = 1e-6');
$hub->reload;
ok($hub->poll_query_until('postgres', "SELECT count(*) = 1 FROM tribe_power_events WHERE node_name = '' AND kind = 'over_month' AND message LIKE 'the fleet used %'"), 'of the fleet');

$hub->stop;
# it ends when the server does
$listener->finish;
done_testing();
