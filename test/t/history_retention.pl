# Retention never drops a reading that is not in the totals: neither one that comes
# while they are made, nor one of a day that cannot be added up, nor what somebody is
# writing or reading just now.
use strict;
use warnings;

use PostgreSQL::Test::Utils;
use Test::More;
use TribePower;

my $hub = new_hub('hub', 'tribe_power.upkeep_interval' => '0', 'tribe_power.enabled' => 'off',
	'tribe_power.timezone' => 'UTC', 'tribe_power.retention' => '50d');
$hub->safe_psql('postgres', <<'END');
CREATE EXTENSION dblink;
INSERT INTO tribe_power_nodes (node_name, address) VALUES ('a', 'a');
CREATE PROCEDURE reading(node text, hours integer) LANGUAGE sql AS $$
INSERT INTO tribe_power_metrics (node_name, "timestamp", total_power_watts, interval_seconds, energy_joules, energy_quality)
VALUES (node, date_trunc('day', now(), 'UTC') - interval '100 days' + hours * interval '1 hour', 1000, 3600, 3600000, 'counter')
$$;
CALL reading('a', 5);
SELECT tribe_power_make_partitions();
END
my $old = 'SELECT count(*) FROM tribe_power_partitions() WHERE range_end < now() - interval \'50 days\'';
my $drop = "SELECT coalesce(tribe_power_drop_partition(), 'none')";
is($hub->safe_psql('postgres', $old), '1', 'a partition past its time');

# Somebody has written to it and not yet committed; or reads it.
my $session = $hub->background_psql('postgres');
$session->query_safe(q{BEGIN; CALL reading('a', 6)});
is($hub->safe_psql('postgres', $drop), 'none', 'it stays while somebody writes to it');
$session->query_safe('COMMIT');
$session->query_safe('BEGIN; SELECT count(*) FROM tribe_power_metrics');
is($hub->safe_psql('postgres', $drop), 'none', 'and while somebody reads it');
is($hub->safe_psql('postgres', q{SET statement_timeout = '20s'; SELECT count(*) FROM tribe_power_metrics}), '2', 'which keeps no other from reading');
$session->query_safe('COMMIT');
$session->quit;

# A reading comes between adding up and dropping: as soon as the daily total is
# written, another session tries to store one.
my $connection = $hub->connstr('postgres');
$hub->safe_psql('postgres', <<"SQL");
CREATE TABLE outcome (stored boolean);
CREATE FUNCTION comes_between() RETURNS trigger LANGUAGE plpgsql AS \$\$
BEGIN
    IF NOT EXISTS (SELECT FROM public.outcome) THEN
        BEGIN
            PERFORM public.dblink_exec(\$c\$$connection\$c\$, \$s\$SET lock_timeout = '100ms'; SET search_path = public; CALL reading('late', 7)\$s\$);
            INSERT INTO public.outcome VALUES (true);
        EXCEPTION WHEN OTHERS THEN
            INSERT INTO public.outcome VALUES (false);
        END;
    END IF;
    RETURN NULL;
END
\$\$;
CREATE TRIGGER comes_between AFTER INSERT OR UPDATE ON tribe_power_daily FOR EACH STATEMENT EXECUTE FUNCTION comes_between();
SQL
like($hub->safe_psql('postgres', $drop), qr/^tribe_power_metrics_/, 'the partition is dropped');
is($hub->safe_psql('postgres', q{SELECT string_agg(stored::text, ' ') FROM outcome}), 'false', 'who wants to write meanwhile has to wait');
is($hub->safe_psql('postgres', q{SELECT node_name, energy_kwh FROM tribe_power_daily WHERE date = (now() AT TIME ZONE 'UTC')::date - 100 ORDER BY 1}), 'a|2', 'all that was in it is in the totals');

# When he may, the reading goes where there is room, and into the totals as well.
$hub->safe_psql('postgres', 'DROP TRIGGER comes_between ON tribe_power_daily');
$hub->safe_psql('postgres', q{CALL reading('late', 7)});
$hub->safe_psql('postgres', 'SELECT * FROM tribe_power_upkeep()');
is($hub->safe_psql('postgres', "$old UNION ALL SELECT count(*) FROM tribe_power_metrics"), "0\n0", 'a reading past its time does not stay for long');
is($hub->safe_psql('postgres', q{SELECT node_name, energy_kwh FROM tribe_power_daily WHERE date = (now() AT TIME ZONE 'UTC')::date - 100 ORDER BY 1}), "a|2\nlate|1",
	'but is added up, beside totals whose readings are gone');
$hub->safe_psql('postgres', q{CALL reading('a', 9)});
$hub->safe_psql('postgres', 'SELECT * FROM tribe_power_upkeep()');
is($hub->safe_psql('postgres', q{SELECT node_name, energy_kwh FROM tribe_power_daily WHERE date = (now() AT TIME ZONE 'UTC')::date - 100 ORDER BY 1}), "a|2\nlate|1",
	'a total is not replaced by that of a single late reading');

# A day that cannot be added up keeps its readings, whatever upkeep does.
$hub->safe_psql('postgres', q{CALL reading('b', 30); ALTER TABLE tribe_power_daily ADD CONSTRAINT broken CHECK (node_name <> 'b')});
my ($rc, $out, $err) = $hub->psql('postgres', 'SELECT * FROM tribe_power_upkeep()');
like($err, qr/violates check constraint "broken"/, 'a day that cannot be added up is an error');
is($hub->safe_psql('postgres', q{SELECT count(*) FROM tribe_power_metrics WHERE node_name = 'b'}), '1', 'and keeps its readings');
$hub->safe_psql('postgres', 'ALTER TABLE tribe_power_daily DROP CONSTRAINT broken; SELECT * FROM tribe_power_upkeep()');
is($hub->safe_psql('postgres', q{SELECT (SELECT count(*) FROM tribe_power_metrics WHERE node_name = 'b'), energy_kwh FROM tribe_power_daily WHERE node_name = 'b'}), '0|1', 'until it can');

$hub->stop;
done_testing();
