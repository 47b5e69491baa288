# What others may have set or planted in the database: the worker polls on, or says
# clearly why it does not, and nothing of theirs runs with rights that they lack.
use strict;
use warnings;

use PostgreSQL::Test::Utils;
use Test::More;
use Steady;
use TribePower;

my $hub = steady_hub('hub');
my $sql = sub { return $hub->safe_psql('postgres', $_[0]) };

# Ends the worker, so that the next one starts in what was set meanwhile.
sub restart_worker
{
	my $old = worker_pid($hub);
	answered_sigterm($hub, 'waiting');
	return $hub->poll_query_until('postgres', "SELECT count(*) OPERATOR(pg_catalog.=) 1 FROM pg_catalog.pg_stat_activity WHERE pid OPERATOR(pg_catalog.<>) $old AND backend_type OPERATOR(pg_catalog.=) 'tribe_power worker'::pg_catalog.text");
}

# Settings of the database and of the role that the worker runs as.
my @set = (
	q{default_transaction_read_only = on}, q{default_transaction_isolation = 'serializable'},
	q{default_transaction_deferrable = on}, q{statement_timeout = '1ms'}, q{lock_timeout = '1ms'},
	q{idle_in_transaction_session_timeout = '1ms'}, q{idle_session_timeout = '1ms'},
	q{search_path = trap, public}, q{row_security = on}, q{session_replication_role = 'origin'},
	q{enable_indexscan = off}, q{DateStyle = 'SQL, DMY'}, q{IntervalStyle = 'iso_8601'}, q{TimeZone = 'Asia/Kathmandu'},
	q{bytea_output = 'escape'}, q{extra_float_digits = -15}, q{standard_conforming_strings = off},
	q{default_tablespace = 'pg_default'}, q{check_function_bodies = off}, q{quote_all_identifiers = on});
push @set, q{transaction_timeout = '1ms'} if $sql->(q{SELECT count(*) FROM pg_settings WHERE name = 'transaction_timeout'});
$sql->('CREATE SCHEMA trap');
# the test's own sessions are kept out of it
$ENV{PGOPTIONS} = '-c statement_timeout=0 -c lock_timeout=0 -c default_transaction_read_only=off -c idle_session_timeout=0 -c idle_in_transaction_session_timeout=0 -c datestyle=ISO -c extra_float_digits=1 -c search_path=public -c timezone=UTC';
$ENV{PGOPTIONS} .= ' -c transaction_timeout=0' if $set[-1] =~ /^transaction_timeout/;
foreach my $set (@set)
{
	$sql->("ALTER DATABASE postgres SET $set");
	$sql->("ALTER ROLE CURRENT_USER IN DATABASE postgres SET $set");
}
ok(restart_worker(), 'a worker starts among hostile defaults');
steady($hub, 'hostile settings of database and role');

# The same for the whole server, by a reload.  With such a transaction_timeout no psql
# can log in: it comes after these, and shows by what processes there are.
$sql->("ALTER SYSTEM SET $_") foreach grep { !/^(session_replication_role|transaction_timeout)/ } @set;
$sql->('SELECT pg_reload_conf()');
steady($hub, 'hostile settings of the server');
$sql->("ALTER SYSTEM RESET " . (split / /)[0]) foreach @set;
$sql->('ALTER DATABASE postgres RESET ALL; ALTER ROLE CURRENT_USER IN DATABASE postgres RESET ALL; SELECT pg_reload_conf()');
delete $ENV{PGOPTIONS};
if ($set[-1] =~ /^transaction_timeout/)
{
	my $old = worker_pid($hub);
	my ($postmaster) = slurp_file($hub->data_dir . '/postmaster.pid') =~ /^(\d+)/;

	$hub->append_conf('postgresql.conf', "transaction_timeout = '1ms'\n");
	$hub->reload;
	kill 'TERM', $old;
	ok(await(sub { grep { $_ != $old && children($_) } children($postmaster) }, 'a worker with a poller'),
		'a worker starts where no transaction may last');
	$hub->append_conf('postgresql.conf', "transaction_timeout = 0\n");
	$hub->reload;
	steady($hub, 'a transaction_timeout for the whole server');
}

# Functions and operators that would be found first, in public and in a schema of
# somebody's own, if any of ours trusted search_path.
$sql->(<<'SQL');
CREATE ROLE mallory;
GRANT CREATE ON SCHEMA public TO mallory;
ALTER SCHEMA trap OWNER TO mallory;
CREATE TABLE public.sprung (what text, by_whom text);
GRANT INSERT ON public.sprung TO PUBLIC;
SET ROLE mallory;
DO $$
DECLARE
	s text;
BEGIN
	FOREACH s IN ARRAY ARRAY['public', 'trap'] LOOP
		EXECUTE format('CREATE FUNCTION %I.sprung(what text) RETURNS void LANGUAGE sql AS ''INSERT INTO public.sprung VALUES (what, current_user)''', s);
		EXECUTE format('CREATE FUNCTION %I.unnest(text[]) RETURNS SETOF text LANGUAGE plpgsql AS ''BEGIN PERFORM %I.sprung(''''unnest''''); RETURN QUERY SELECT * FROM pg_catalog.unnest($1); END''', s, s);
		EXECUTE format('CREATE FUNCTION %I.now() RETURNS timestamptz LANGUAGE plpgsql AS ''BEGIN PERFORM %I.sprung(''''now''''); RETURN pg_catalog.now(); END''', s, s);
		EXECUTE format('CREATE FUNCTION %I.coalesce_sum(float8) RETURNS float8 LANGUAGE sql AS ''SELECT $1''', s);
		EXECUTE format('CREATE FUNCTION %I.same(text, text) RETURNS boolean LANGUAGE plpgsql AS ''BEGIN PERFORM %I.sprung(''''=''''); RETURN $1 OPERATOR(pg_catalog.=) $2; END''', s, s);
		EXECUTE format('CREATE OPERATOR %I.= (LEFTARG = text, RIGHTARG = text, PROCEDURE = %I.same)', s, s);
		EXECUTE format('CREATE FUNCTION %I.less(timestamptz, timestamptz) RETURNS boolean LANGUAGE plpgsql AS ''BEGIN PERFORM %I.sprung(''''<''''); RETURN $1 OPERATOR(pg_catalog.<) $2; END''', s, s);
		EXECUTE format('CREATE OPERATOR %I.< (LEFTARG = timestamptz, RIGHTARG = timestamptz, PROCEDURE = %I.less)', s, s);
		EXECUTE format('CREATE FUNCTION %I.minus(timestamptz, timestamptz) RETURNS interval LANGUAGE plpgsql AS ''BEGIN PERFORM %I.sprung(''''-''''); RETURN $1 OPERATOR(pg_catalog.-) $2; END''', s, s);
		EXECUTE format('CREATE OPERATOR %I.- (LEFTARG = timestamptz, RIGHTARG = timestamptz, PROCEDURE = %I.minus)', s, s);
		EXECUTE format('CREATE FUNCTION %I.format(text, VARIADIC text[]) RETURNS text LANGUAGE plpgsql AS ''BEGIN PERFORM %I.sprung(''''format''''); RETURN pg_catalog.format($1, VARIADIC $2); END''', s, s);
		EXECUTE format('CREATE DOMAIN %I.text AS pg_catalog.text', s);
	END LOOP;
END
$$;
RESET ROLE;
TRUNCATE public.sprung;
ALTER DATABASE postgres SET search_path = trap, public, pg_catalog;
ALTER SYSTEM SET tribe_power.upkeep_interval = '1s';
SELECT pg_reload_conf();
SQL
$ENV{PGOPTIONS} = '-c search_path=public';
ok(restart_worker(), 'a worker starts among traps');
# every function of ours that runs SQL, as superuser, from that path
$sql->(<<'SQL');
SET search_path = trap, public, pg_catalog;
SELECT count(*) FROM public.tribe_power_collect();
SELECT public.tribe_power_aggregate(CURRENT_DATE), public.tribe_power_aggregate(CURRENT_DATE, CURRENT_DATE);
SELECT count(*) FROM public.tribe_power_upkeep();
SELECT count(*) FROM public.tribe_power_doctor('ada');
SELECT count(*) FROM public.tribe_power_scan_host_key('ada');
SELECT count(*) FROM public.tribe_power_energy(pg_catalog.now() OPERATOR(pg_catalog.-) '1 hour'::pg_catalog.interval, pg_catalog.now(), 'hour', true);
SELECT count(*) FROM public.tribe_power_latest;
SELECT count(*) FROM public.tribe_power_fleet;
SELECT count(*) FROM public.tribe_power_monthly;
UPDATE public.tribe_power_nodes SET tags = '{y}' WHERE node_name OPERATOR(pg_catalog.=) 'ada';
SQL
ok($hub->poll_query_until('postgres', 'SELECT count(*) OPERATOR(pg_catalog.>) 0 FROM public.tribe_power_hourly'), 'upkeep ran among traps');
is($sql->('SELECT DISTINCT what, by_whom FROM public.sprung'), '', 'no trap was sprung');
$sql->('ALTER DATABASE postgres RESET search_path; ALTER SYSTEM RESET tribe_power.upkeep_interval; SELECT pg_reload_conf(); DROP OWNED BY mallory CASCADE');
delete $ENV{PGOPTIONS};
steady($hub, 'planted functions and operators');

# Somebody who may only connect cannot take the worker's lock.
my $start = log_size($hub);
my $session = background($hub, 'SELECT pg_advisory_lock(8390047057426642802), pg_advisory_lock(1953655138, 1699772274), pg_sleep(60)');
ok(restart_worker(), 'advisory locks keep no worker out');
$sql->("SELECT pg_terminate_backend($session->{pid})");
$session->{finish}->();

# Rights taken away from an owner who is no superuser: the worker is refused, says
# so once, keeps what it has read, and goes on once they are back.
$sql->(<<'SQL');
CREATE ROLE keeper SUPERUSER;
UPDATE pg_extension SET extowner = 'keeper'::regrole WHERE extname = 'tribe_power';
ALTER ROLE keeper NOSUPERUSER;
SQL
$start = log_size($hub);
ok(await(sub { log_since($hub, $start) =~ /permission denied for table tribe_power_/ }, 'a refusal'), 'without rights the worker is refused');
$sql->('GRANT ALL ON ALL TABLES IN SCHEMA public TO keeper; GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO keeper; GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA public TO keeper');
ok(await(sub { log_since($hub, $start) =~ /can use the database again/ }, 'the end of the trouble'), 'and goes on once it has them');
my $times = () = log_since($hub, $start) =~ /permission denied for table/g;
cmp_ok($times, '<=', 4, "said $times times, not at each try");
steady($hub, 'revoked rights');
$sql->("UPDATE pg_extension SET extowner = (SELECT relowner FROM pg_class WHERE oid = 'tribe_power_nodes'::regclass) WHERE extname = 'tribe_power'; DROP OWNED BY keeper");

# A renamed schema: its functions name the old one.
$start = log_size($hub);
$sql->('ALTER SCHEMA public RENAME TO "Öffentlich"');
ok(await(sub { log_since($hub, $start) =~ /worker waits: the extension's schema "public" has been renamed to "Öffentlich"\n.*HINT:  Rename it back/ }, 'the log'), 'a renamed schema: the worker waits, and says so');
my ($rc, $out, $err) = $hub->psql('postgres', 'SELECT * FROM "Öffentlich".tribe_power_collect()');
like($err, qr/ERROR:  the schema of extension "tribe_power" has been renamed.*HINT:  Run ALTER SCHEMA "Öffentlich" RENAME TO public/s, 'nor does collect() poll');
$sql->('ALTER SCHEMA "Öffentlich" RENAME TO public');
steady($hub, 'renamed schema');
($rc, $out, $err) = $hub->psql('postgres', 'CREATE SCHEMA another; ALTER EXTENSION tribe_power SET SCHEMA another');
like($err, qr/does not support SET SCHEMA/, 'ALTER EXTENSION SET SCHEMA is refused');

$hub->stop;
unlike(log_since($hub, 0), qr/PANIC|was terminated by signal/, 'nothing ended');
done_testing();
