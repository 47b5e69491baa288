# ALTER EXTENSION UPDATE from every released version gives what CREATE EXTENSION
# gives; and old SQL under the present library crashes nothing.  Released install
# scripts are in sql/released; one more, older than all, is made here, so that
# this is tried while there is none yet.
use strict;
use warnings;

use Cwd qw(abs_path);
use File::Basename;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Steady;
use TribePower;

my $tree = abs_path(dirname(__FILE__) . '/../..');

# An installation of the test's own, where more scripts can be put.
my $root = PostgreSQL::Test::Utils::tempdir();
my ($bin) = run_command([ 'sh', "$tree/test/private-postgres", $root ]);
my ($share) = run_command([ 'pg_config', '--sharedir' ]);
my $scripts = "$root$share/extension";
ok(-d $scripts, 'an installation of our own') or BAIL_OUT($bin);

my ($present) = slurp_file("$tree/tribe_power.control") =~ /^default_version = '(.*)'$/m;
my $script = slurp_file("$tree/tribe_power--$present.sql");
like(slurp_file("$tree/src/common/version.h"), qr/TRIBE_POWER_SQL_VERSION "\Q$present\E"/, 'library and control file are of one version');

# What was released is kept.
my %released = map { basename($_) =~ /^tribe_power--(.*)\.sql$/ ? ($1 => $_) : () } glob("$tree/sql/released/*.sql");
my %announced = slurp_file("$tree/CHANGELOG.md") =~ /^## \S+ \(SQL (\S+)\)(?:, (unreleased))?/mg;
ok(exists $announced{$present}, 'the present SQL version is in the changelog');
foreach my $version (sort keys %announced)
{
	is(exists $released{$version}, !$announced{$version}, $announced{$version} ? "SQL $version is not released" : "the script of SQL $version is in sql/released");
}
is(slurp_file($released{$present}), $script, 'a released script does not change') if $released{$present};

# --- a version older than all: less than now, and some of it otherwise -------------

sub part_of
{
	my ($pattern) = @_;
	my @found = $script =~ /($pattern)/msg;
	BAIL_OUT("the install script has no $pattern") unless @found;
	return join "\n", @found;
}
my $old = $script . <<'SQL';
DROP VIEW tribe_power_monthly;
ALTER TABLE tribe_power_daily DROP COLUMN avg_gpu_temp;
ALTER TABLE tribe_power_nodes DROP CONSTRAINT tribe_power_nodes_port_check;
ALTER TABLE tribe_power_node_status RESET (fillfactor);
ALTER FUNCTION tribe_power_refresh(date) RESET search_path;
GRANT EXECUTE ON FUNCTION tribe_power_refresh(date) TO PUBLIC;
COMMENT ON FUNCTION tribe_power_refresh(date) IS 'As it was.';
CREATE FUNCTION tribe_power_gone(integer) RETURNS integer LANGUAGE c AS 'MODULE_PATHNAME', 'tribe_power_version';
CREATE OR REPLACE FUNCTION tribe_power_energy_of(text) RETURNS double precision LANGUAGE sql AS 'SELECT 0::double precision';
SQL
my $update = "\\echo Use \"ALTER EXTENSION tribe_power UPDATE\" to load this file. \\quit\n"
  . part_of(qr/^CREATE VIEW tribe_power_monthly .*?;$/ms) . "\n"
  . part_of(qr/^COMMENT ON VIEW tribe_power_monthly .*?';$/ms) . "\n"
  . part_of(qr/^COMMENT ON COLUMN tribe_power_daily.avg_gpu_temp .*?';$/ms) . "\n"
  . part_of(qr/^COMMENT ON FUNCTION tribe_power_refresh\(date\) .*?';$/ms) . "\n" . <<'SQL';
ALTER TABLE tribe_power_nodes ADD CONSTRAINT tribe_power_nodes_port_check CHECK (tribe_power_check('port', port::text));
ALTER TABLE tribe_power_node_status SET (fillfactor = 45);
ALTER FUNCTION tribe_power_refresh(date) SET search_path = pg_catalog, pg_temp;
REVOKE EXECUTE ON FUNCTION tribe_power_refresh(date) FROM PUBLIC;
GRANT SELECT ON tribe_power_monthly TO pg_monitor;
DROP FUNCTION tribe_power_gone(integer), tribe_power_energy_of(text);
SQL
# a column comes before what is said of it
$update =~ s/^(COMMENT ON COLUMN)/ALTER TABLE tribe_power_daily ADD COLUMN avg_gpu_temp double precision;\n$1/m;
append_to_file("$scripts/tribe_power--0.0.sql", $old);
append_to_file("$scripts/tribe_power--0.0--$present.sql", $update);
my %from = (%released, '0.0' => undef);
delete $from{$present};
append_to_file("$scripts/tribe_power--$_.sql", slurp_file($from{$_})) foreach grep { $from{$_} } sort keys %from;

# --- the servers ---------------------------------------------------------------------

my $hub = new_hub('hub', extension => 0, install_path => dirname($bin), 'tribe_power.interval' => '1s');
my $born = postmaster_start($hub);
my $catalog = slurp_file("$tree/test/t/catalog.sql");
$hub->safe_psql('postgres', 'CREATE DATABASE fresh');
$hub->safe_psql('fresh', 'CREATE EXTENSION tribe_power');
my $fresh = $hub->safe_psql('fresh', $catalog);
cmp_ok(scalar(() = $fresh =~ /^/mg), '>', 500, 'the catalog says much of it');

# The comparison sees each of these.
foreach my $change (
	'ALTER FUNCTION tribe_power_refresh(date) COST 7',
	'ALTER FUNCTION tribe_power_refresh(date) SECURITY INVOKER',
	'ALTER FUNCTION tribe_power_refresh(date) RESET search_path',
	'ALTER FUNCTION tribe_power_totals(timestamptz, timestamptz, float8) VOLATILE',
	q{CREATE OR REPLACE FUNCTION tribe_power_partition_width() RETURNS text LANGUAGE sql AS 'SELECT NULL::text'},
	'GRANT EXECUTE ON FUNCTION tribe_power_refresh(date) TO pg_monitor',
	'GRANT SELECT (address) ON tribe_power_nodes TO PUBLIC',
	'REVOKE SELECT ON tribe_power_fleet FROM pg_monitor',
	'COMMENT ON COLUMN tribe_power_daily.coverage IS NULL',
	q{COMMENT ON TABLE tribe_power_daily IS 'other'},
	'ALTER TABLE tribe_power_daily ADD COLUMN more text',
	'ALTER TABLE tribe_power_daily ALTER coverage DROP NOT NULL',
	'ALTER TABLE tribe_power_daily ALTER coverage TYPE real',
	'ALTER TABLE tribe_power_daily ALTER reboots SET DEFAULT 1',
	'ALTER TABLE tribe_power_nodes DROP CONSTRAINT tribe_power_nodes_port_check',
	'ALTER TABLE tribe_power_node_status SET (fillfactor = 50)',
	'ALTER TABLE tribe_power_daily ENABLE ROW LEVEL SECURITY',
	'CREATE INDEX ON tribe_power_daily (date)',
	'ALTER TABLE tribe_power_metrics DETACH PARTITION tribe_power_metrics_default',
	'ALTER EXTENSION tribe_power DROP VIEW tribe_power_fleet',
	'ALTER VIEW tribe_power_fleet SET (security_barrier)',
	'CREATE OR REPLACE VIEW tribe_power_monthly AS SELECT NULL::text AS node_name, NULL::date AS month, NULL::float8 AS energy_kwh, NULL::float8 AS coverage, NULL::float8 AS energy_kwh_counter, NULL::float8 AS avg_total_power, NULL::float8 AS max_total_power, NULL::integer AS sample_count, NULL::integer AS days',
	q{UPDATE pg_extension SET extconfig = NULL, extcondition = NULL WHERE extname = 'tribe_power'},
	'CREATE TRIGGER t BEFORE INSERT ON tribe_power_daily FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()')
{
	isnt($hub->safe_psql('fresh', "BEGIN; $change; $catalog; ROLLBACK"), $fresh, "seen: $change");
}
is($hub->safe_psql('fresh', $catalog), $fresh, 'and nothing where nothing changed');

sub differences
{
	my ($have, $want) = @_;
	my %have = map { $_ => 1 } split /\n/, $have;
	my %want = map { $_ => 1 } split /\n/, $want;
	return join '', (map { "only updated: $_\n" } grep { !$want{$_} } sort keys %have), map { "only fresh: $_\n" } grep { !$have{$_} } sort keys %want;
}

# Calls each function of the old SQL, with nothing and with something for each
# argument.  What comes of it is its own affair, as long as the server lives.
my $calls = q{
	SELECT format('SELECT * FROM %s(%s)', p.oid::regproc, (SELECT string_agg(CASE WHEN given THEN CASE t::regtype::text
			WHEN 'text' THEN '''a''' WHEN 'date' THEN '''2025-06-10''' WHEN 'timestamp with time zone' THEN '''2025-06-10 12:00+00'''
			WHEN 'double precision' THEN '3600' WHEN 'integer' THEN '1' WHEN 'bigint' THEN '1' WHEN 'boolean' THEN 'true' WHEN 'text[]' THEN '''{a}'''
			WHEN 'regclass' THEN '''tribe_power_metrics''' WHEN 'text' THEN '''day''' WHEN 'interval' THEN '''1 hour''' WHEN 'jsonb' THEN '''{}''' WHEN 'numeric' THEN '1'
			ELSE 'NULL' END ELSE 'NULL' END || '::' || t::regtype, ', ' ORDER BY i) FROM unnest(p.proargtypes) WITH ORDINALITY a (t, i)))
	FROM pg_proc p JOIN pg_depend d ON d.objid = p.oid AND d.classid = 'pg_proc'::regclass AND d.deptype = 'e'
	JOIN pg_extension e ON e.oid = d.refobjid AND e.extname = 'tribe_power', (VALUES (true), (false)) v (given)
	WHERE p.prokind = 'f' AND p.prorettype <> 'trigger'::regtype ORDER BY 1};

foreach my $version (sort keys %from)
{
	my $database = 'old_' . $version =~ tr/./_/r;
	$hub->safe_psql('postgres', "CREATE DATABASE $database");
	$hub->safe_psql($database, "CREATE EXTENSION tribe_power VERSION '$version'");
	$hub->safe_psql($database, q{INSERT INTO tribe_power_nodes (node_name, address, enabled) VALUES ('a', '192.0.2.1', false)});
	isnt($hub->safe_psql($database, $catalog), $fresh, "$version: differs");

	my ($called, $refused) = (0, 0);
	foreach my $call (split /\n/, $hub->safe_psql($database, $calls))
	{
		my ($rc, $out, $err) = $hub->psql($database, "SET statement_timeout = '20s'; $call");
		$called++;
		$refused++ if $err =~ /differ in version/;
		fail("$version: $call: $err") if $rc == 2 || $err =~ /server closed the connection|XX000/;
	}
	cmp_ok($called, '>', 80, "$version: every function is called, with the library of $present");
	cmp_ok($refused, '>', 10, "$version: those that touch its tables refuse");
	is(postmaster_start($hub), $born, "$version: and the server lives");

	$hub->safe_psql($database, 'ALTER EXTENSION tribe_power UPDATE');
	is(differences($hub->safe_psql($database, $catalog), $fresh), '', "$version: updated, it is as a fresh one");
	is($hub->safe_psql($database, 'SELECT node_name, address FROM tribe_power_nodes'), 'a|192.0.2.1', "$version: with what was in it");
}

# An update that forgets something is found out.
append_to_file("$scripts/tribe_power--0.0--forgets.sql", $update =~ s/^GRANT SELECT ON tribe_power_monthly .*$//mr);
$hub->safe_psql('postgres', 'CREATE DATABASE forgetful');
$hub->safe_psql('forgetful', "CREATE EXTENSION tribe_power VERSION '0.0'; ALTER EXTENSION tribe_power UPDATE TO 'forgets'");
like(differences($hub->safe_psql('forgetful', $catalog), $fresh), qr/^only updated: granted\|view public.tribe_power_monthly\|by default\n.*\nonly fresh: grant\|view public.tribe_power_monthly\|pg_monitor SELECT/ms, 'an update that forgets a grant is found out');

# The worker leaves old SQL alone, says so once, and goes to work after the update.
my $start = log_size($hub);
my $node = start_sshd('node', answer => 100);
$hub->safe_psql('postgres', "CREATE EXTENSION tribe_power VERSION '0.0'");
add_node($hub, 'node', $node);
ok(await(sub { log_since($hub, $start) =~ /tribe_power worker waits: the library is for SQL version \Q$present\E, the database has 0\.0/ }, 'the log'), 'the worker waits');
$hub->safe_psql('postgres', 'ALTER EXTENSION tribe_power UPDATE');
ok($hub->poll_query_until('postgres', 'SELECT count(*) > 1 FROM tribe_power_metrics'), 'and goes to work after the update, by itself');
is(scalar(() = log_since($hub, $start) =~ /tribe_power worker waits: the library/g), 1, 'having said so once');
is(postmaster_start($hub), $born, 'in the same server');

# Updated under polling, with a round by hand on its way: to SQL of a later version,
# for which this library is too old, and back.  One update changes what both hold
# locked, the other only what they store into.
my %later = (
	later => [ qw(tribe_power_nodes tribe_power_metrics tribe_power_node_status) ],
	latest => [ qw(tribe_power_metrics tribe_power_node_status) ]);
foreach my $version (sort keys %later)
{
	append_to_file("$scripts/tribe_power--$present--$version.sql", join('', map { "ALTER TABLE $_ ADD COLUMN more text DEFAULT 'x';\n" } @{ $later{$version} }));
	append_to_file("$scripts/tribe_power--$version--$present.sql", join('', map { "ALTER TABLE $_ DROP COLUMN more;\n" } @{ $later{$version} }));
}
add_node($hub, 'ada', start_sshd('ada', answer => 100));
add_node($hub, 'bob', start_sshd('bob', answer => 200));
add_node($hub, 'hanging', start_sshd('hanging', answer => 'hang'), enabled => 'false');
$hub->safe_psql('postgres', q{ALTER SYSTEM SET tribe_power.node_timeout = '4s'; ALTER SYSTEM SET tribe_power.connect_timeout = '4s'});
$hub->reload;
steady($hub, 'before updates', restarted => 1, since => '-infinity');
$start = log_size($hub);
my $updates = 0;
foreach my $version ((sort keys %later) x 2)
{
	my $collect = background($hub, q{SELECT count(*) FROM tribe_power_collect('{ada,hanging}')});
	ok(await(sub { children($collect->{pid}) }, 'its poller'), "to $version: a collect() is under way");
	remember($hub);
	is($hub->safe_psql('postgres', "SET lock_timeout = '60s'; ALTER EXTENSION tribe_power UPDATE TO '$version'; SELECT extversion FROM pg_extension WHERE extname = 'tribe_power'"), $version, "to $version: updated meanwhile");
	$updates++;
	my ($rc, $out, $err) = $collect->{finish}->();
	# it was over first, or it stores nothing
	if ($version eq 'later') { is($out, "2\n", "to $version: collect() had its end first") or diag($err); }
	else { like($err, qr/differ in version.*\n.*the database has $version/, "to $version: collect() refuses to store"); }
	ok(await(sub { (() = log_since($hub, $start) =~ /waits: the library is for SQL version/g) == $updates }, 'the log'), "to $version: the worker waits");
	my $count = $hub->safe_psql('postgres', 'SELECT count(*) FROM tribe_power_metrics');
	sleep 2;
	is($hub->safe_psql('postgres', 'SELECT count(*) FROM tribe_power_metrics'), $count, "to $version: and stores nothing");
	$hub->safe_psql('postgres', "ALTER EXTENSION tribe_power UPDATE TO '$present'");
	steady($hub, "ALTER EXTENSION UPDATE to $version and back under polling");
}
is(scalar(() = log_since($hub, $start) =~ /waits: the library is for SQL version/g), $updates, 'said once each time');
is(postmaster_start($hub), $born, 'still the same server');

$hub->stop;
unlike(log_since($hub, 0), qr/PANIC|was terminated by signal/, 'without a crash');
done_testing();
