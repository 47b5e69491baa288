# The extension and its database come and go under the worker.
use strict;
use warnings;

use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);
use TribePower;

my $hub = new_hub('hub',
	extension => 0,
	'tribe_power.interval' => '1s',
	'tribe_power.connect_timeout' => '5s',
	'tribe_power.node_timeout' => '6s');
my $born = postmaster_start($hub);
my $node = start_sshd('node', answer => 100);
my $hanging = start_sshd('hanging', answer => 'hang');
my $worker = worker_pid($hub);

ok(await(sub { log_since($hub, 0) =~ /tribe_power worker waits: extension "tribe_power" is not installed.*\n.*HINT:  Run CREATE EXTENSION/ }, 'the log'),
	'without the extension the worker waits, and says so');

sub logins { return scalar(() = slurp_file($hanging->{log}) =~ /Accepted publickey/g); }

# Created, dropped with a session in flight, created elsewhere: three times.
foreach my $schema ('public', 'elsewhere', '"Strom & Wärme"')
{
	my $before = logins();
	my $start = log_size($hub);

	$hub->safe_psql('postgres', "CREATE SCHEMA IF NOT EXISTS $schema; CREATE EXTENSION tribe_power SCHEMA $schema");
	$hub->safe_psql('postgres', "ALTER DATABASE postgres SET search_path = $schema");
	add_node($hub, 'node', $node);
	add_node($hub, 'hanging', $hanging);
	ok($hub->poll_query_until('postgres', 'SELECT count(*) > 1 FROM tribe_power_metrics'), "$schema: the worker polls");
	like(log_since($hub, $start), qr/tribe_power worker is at work/, "$schema: and says so");
	ok(await(sub { logins() > $before }, 'a login'), "$schema: a session is under way");

	my $begun = time;
	is($hub->safe_psql('postgres', q{SET lock_timeout = '10s'; DROP EXTENSION tribe_power; SELECT 'dropped'}),
		'dropped', "$schema: DROP EXTENSION meanwhile");
	cmp_ok(time - $begun, '<', 3, "$schema: which need not wait for the session (6 s)");
	ok(await(sub { log_since($hub, $start) =~ /tribe_power worker waits: extension/ }, 'the log'), "$schema: the worker waits again");
}
is(worker_pid($hub), $worker, 'the same worker all the time');
ok(await(sub { !children($worker) }, 'the end of the poller'), 'without a poller, once its sessions are over');

# The version of the SQL is another.
$hub->safe_psql('postgres', 'ALTER DATABASE postgres RESET search_path; CREATE EXTENSION tribe_power SCHEMA public');
add_node($hub, 'node', $node);
ok($hub->poll_query_until('postgres', 'SELECT count(*) > 0 FROM tribe_power_metrics'), 'the worker polls');
my $start = log_size($hub);
$hub->safe_psql('postgres', q{UPDATE pg_extension SET extversion = '0.9' WHERE extname = 'tribe_power'});
ok(await(sub { log_since($hub, $start) =~ /tribe_power worker waits: the library is for SQL version \S+, the database has 0\.9\n.*HINT:  Run ALTER EXTENSION/ }, 'the log'),
	'it does not touch SQL of another version');
my ($rc, $out, $err) = $hub->psql('postgres', 'SELECT * FROM tribe_power_collect()');
like($err, qr/differ in version.*0\.9/s, 'nor does collect()');
$hub->safe_psql('postgres', q{UPDATE pg_extension SET extversion = '1.0' WHERE extname = 'tribe_power'});
my $count = $hub->safe_psql('postgres', 'SELECT count(*) FROM tribe_power_metrics');
ok($hub->poll_query_until('postgres', "SELECT count(*) > $count FROM tribe_power_metrics"), 'once it fits, the worker goes on');

# A table is locked by somebody: the readings wait, none is lost.
my $session = background($hub, 'BEGIN; LOCK TABLE tribe_power_metrics; SELECT pg_sleep(6); COMMIT');
$session->{finish}->();
ok($hub->poll_query_until('postgres', q{SELECT count(*) > 0 FROM tribe_power_metrics WHERE "timestamp" > now() - interval '1 s'}),
	'a lock held for long does not end the worker');
is($hub->safe_psql('postgres', q{SELECT abs(sum(energy_joules) - 100 * sum(interval_seconds)) < 20 AND max(interval_seconds) < 15 FROM tribe_power_metrics WHERE energy_joules IS NOT NULL}),
	't', 'and no energy is lost by it');

# What others have put on the tables runs as the extension's owner, by whom ever the
# worker runs.
$hub->safe_psql('postgres', <<"SQL");
DROP EXTENSION tribe_power;
CREATE ROLE keeper SUPERUSER;
SET ROLE keeper;
CREATE EXTENSION tribe_power SCHEMA public;
CREATE TABLE who (name text, path text);
CREATE FUNCTION who() RETURNS trigger LANGUAGE plpgsql AS
'BEGIN INSERT INTO public.who VALUES (current_user, current_setting(''search_path'')); RETURN NEW; END';
CREATE TRIGGER who AFTER INSERT ON tribe_power_metrics FOR EACH ROW EXECUTE FUNCTION who();
SQL
add_node($hub, 'node', $node);
ok($hub->poll_query_until('postgres', 'SELECT count(*) > 0 FROM who'), 'a trigger on the readings');
is($hub->safe_psql('postgres', 'SELECT DISTINCT name, path FROM who'), 'keeper|pg_catalog, pg_temp', 'runs as the owner of the extension, in a path that nobody else can fill');
$hub->safe_psql('postgres', 'DROP TABLE who; DROP FUNCTION who CASCADE');

# Another database; then one that is not there.
$hub->safe_psql('postgres', 'CREATE DATABASE other');
$hub->safe_psql('other', 'CREATE EXTENSION tribe_power');
$hub->safe_psql('other', "INSERT INTO tribe_power_nodes (node_name, address, port, host_key) VALUES ('node', '$node->{address}', $node->{port}, '$node->{host_key}')");
$hub->safe_psql('postgres', q{ALTER SYSTEM SET tribe_power.database = 'other'});
$hub->reload;
ok($hub->poll_query_until('other', 'SELECT count(*) > 0 FROM tribe_power_metrics'), 'the worker moves to another database');
is($hub->safe_psql('postgres', q{SELECT datname FROM pg_stat_activity WHERE backend_type = 'tribe_power worker'}), 'other', 'and is in one only');

$start = log_size($hub);
$hub->safe_psql('postgres', 'DROP DATABASE other WITH (FORCE)');
ok(await(sub { log_since($hub, $start) =~ /FATAL:  database "other" does not exist/ }, 'the log'), 'its database may be dropped');
is($hub->safe_psql('postgres', 'SELECT 1'), '1', 'the server lives on');
$hub->safe_psql('postgres', 'CREATE DATABASE other');
$hub->safe_psql('other', 'CREATE EXTENSION tribe_power');
$hub->safe_psql('other', "INSERT INTO tribe_power_nodes (node_name, address, port, host_key) VALUES ('node', '$node->{address}', $node->{port}, '$node->{host_key}')");
ok($hub->poll_query_until('other', 'SELECT count(*) > 0 FROM tribe_power_metrics'), 'and made again');
is(postmaster_start($hub), $born, 'without a restart of the server');

$hub->stop;
unlike(log_since($hub, 0), qr/PANIC|was terminated by signal/, 'nor a crash');
done_testing();
