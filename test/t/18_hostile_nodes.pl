# Nodes in an enemy's hands, with a valid key and a well-formed session: they write
# their own row and nothing else, bounded and printable, delay nobody, fill neither
# log nor disk, and send the hub nowhere.
use strict;
use warnings;

use Cwd qw(abs_path);
use File::Basename;
use PostgreSQL::Test::Utils;
use Test::More;
use Steady;
use TribePower;

my $hub = steady_hub('hub');
my $answer = abs_path(dirname(__FILE__)) . '/answer_hostile';
my $sql = sub { return $hub->safe_psql('postgres', $_[0]) };
my @attacks = qw(sql json escape bidi utf8 long infinite nan comma negative huge other many stderr motd alternate);

add_node($hub, $_, start_sshd($_, config => "ForceCommand /bin/sh $answer $_ " . $hub->basedir . "/answered.$_")) foreach @attacks;
add_node($hub, 'bystander', { address => '127.0.0.1', port => 1, host_key => start_sshd('bystander', answer => 1)->{host_key} }, enabled => 'false');
my $registry = $sql->('SELECT md5(string_agg(n::text, \'\' ORDER BY node_name)) FROM tribe_power_nodes n');
my $start = log_size($hub);

ok($hub->poll_query_until('postgres', q{SELECT count(*) = 0 FROM tribe_power_nodes n LEFT JOIN tribe_power_node_status s USING (node_name) WHERE n.enabled AND (s.last_attempt IS NULL OR s.node_name IS NULL)}),
	'every one was asked');
ok($hub->poll_query_until('postgres', q{SELECT count(*) >= 12 FROM tribe_power_metrics WHERE node_name = 'sql'}), 'for a dozen rounds');

is($sql->(q{SELECT count(*) FROM tribe_power_metrics WHERE node_name = 'bystander'}), '0', 'none wrote a reading of another');
is($sql->('SELECT md5(string_agg(n::text, \'\' ORDER BY node_name)) FROM tribe_power_nodes n'), $registry, 'nor a word in the registry');
is($sql->(q{SELECT count(*) FROM tribe_power_metrics WHERE node_ip <> (SELECT address FROM tribe_power_nodes n WHERE n.node_name = tribe_power_metrics.node_name)}), '0', 'nor an address of its choice');

# Numbers are numbers, and can be.
is($sql->(q{SELECT string_agg(DISTINCT node_name, ', ') FROM tribe_power_metrics WHERE NOT coalesce(total_power_watts BETWEEN 0 AND 100000 AND energy_joules BETWEEN 0 AND 1e9, true) OR gpu_power_watts IN ('Infinity', 'NaN', '-Infinity') OR total_power_watts IN ('Infinity', 'NaN', '-Infinity') OR energy_joules IN ('Infinity', 'NaN', '-Infinity')}),
	'', 'no number that cannot be');
is($sql->(q{SELECT string_agg(DISTINCT node_name, ', ') FROM tribe_power_metrics WHERE node_name IN ('infinite', 'nan', 'comma', 'negative', 'huge') AND gpu_power_watts IS NOT NULL}),
	'', 'a number that is none is not known');

# Text is bounded, printable, and data.
my $text = q{[\x01-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]};
is($sql->("SELECT string_agg(DISTINCT node_name, ', ') FROM tribe_power_metrics WHERE raw_data::text ~ '$text' OR raw_data #>> '{gpus,0,name}' ~ '$text'"), '', 'no control character in raw_data, nor one that turns text round');
is($sql->("SELECT string_agg(DISTINCT node_name, ', ') FROM tribe_power_node_status WHERE last_error ~ '$text'"), '', 'nor in errors');
is($sql->(q{SELECT max(length(raw_data::text)) < 131072 AND max(length(last_error)) < 1024 FROM tribe_power_metrics, tribe_power_node_status}), 't', 'both bounded');
is($sql->(q{SELECT string_agg(DISTINCT node_name, ', ') FROM tribe_power_metrics WHERE jsonb_typeof(raw_data) <> 'object' OR raw_data ? 'cpu_power_watts'}), '', 'no JSON got out of its string');
my $log = log_since($hub, $start);
unlike($log, qr/[\x00-\x08\x0b-\x1f\x7f]|\xe2\x80[\x8b-\x8f\xa8-\xae]|\xe2\x81[\xa0-\xaf]/, 'nor in the log');

# A node that fails and recovers all the time has a few lines, then none.
ok($hub->poll_query_until('postgres', q{SELECT count(*) >= 12 FROM tribe_power_metrics WHERE node_name = 'alternate'}), 'one that fails and recovers, many times');
my $lines = () = log_since($hub, $start) =~ /LOG:  node "alternate": /g;
cmp_ok($lines, '<=', 7, "has $lines lines in the log");

# The others were read in time.
steady($hub, 'hostile nodes');
is($sql->(qq{SELECT count(*) FROM (SELECT "timestamp" - lag("timestamp") OVER (PARTITION BY node_name ORDER BY "timestamp") AS gap FROM tribe_power_metrics WHERE node_name IN ('ada', 'bob')) g WHERE gap > interval '15 s'}), '0', 'and nobody waited for them');

# No secret anywhere: the key's body, in tables, log and activity.
my ($body) = slurp_file(new_key('hub')) =~ /-----\n(.{40})/s;
$body =~ s/\s//g;
my $key = substr($body, 10, 24);
unlike(log_since($hub, 0), qr/\Q$key\E|PRIVATE KEY/, 'nothing of the private key in the log');
is($sql->("SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%' || '$key' || '%' AND pid <> pg_backend_pid()"), '0', 'nor in pg_stat_activity');
my ($dump, $err) = run_command([ 'pg_dump', '-d', $hub->connstr('postgres') ]);
like($dump, qr/COPY public.tribe_power_nodes/, 'nor, in a dump of everything,');
unlike($dump, qr/\Q$key\E|PRIVATE KEY/, 'in a table');
unlike($dump, qr/\x1b|\xe2\x80[\x8b-\x8f\xa8-\xae]|\xe2\x81[\xa0-\xaf]/, 'nor anything that would move a terminal');

$hub->stop;
unlike(log_since($hub, 0), qr/PANIC|was terminated by signal/, 'nothing ended');
done_testing();
