# What a node may answer wrongly: rejected with a reason, no row, nothing made up;
# and the others are read all the same.
use strict;
use warnings;

use PostgreSQL::Test::Utils;
use Test::More;
use TribePower;

my $hub = new_hub('hub',
	'tribe_power.enabled' => 'off',
	'tribe_power.connect_timeout' => '5s',
	'tribe_power.node_timeout' => '5s');

my %faults = (
	cut => 'report_incomplete',
	garbled => 'report_garbled',
	control => 'report_garbled',
	oversized => 'report_oversized',
	endless => 'report_oversized',
	silent => 'report_incomplete',
	failed => 'probe_failed',
	killed => 'probe_failed',
	hang => 'read_timeout');
add_node($hub, $_, start_sshd($_, answer => $_)) foreach sort keys %faults;
add_node($hub, 'noise', start_sshd('noise', config => 'ForceCommand /bin/echo This account is not available'));
$faults{noise} = 'report_incomplete';
add_node($hub, 'noshell', start_sshd('noshell', config => 'MaxSessions 0'));
$faults{noshell} = 'shell_refused';
add_node($hub, 'http', talker("HTTP/1.1 400 Bad Request\r\n\r\n"));
$faults{http} = 'handshake_failed';
add_node($hub, 'hangup', talker(''));
$faults{hangup} = 'closed';
add_node($hub, 'good', start_sshd('good', answer => 100));
# nothing faked: this machine, by the probe itself
add_node($hub, 'real', start_sshd('real'));

my $rows = $hub->safe_psql('postgres', q{SELECT node_name, status, coalesce(error <> '' AND remedy <> '', false), total_power_watts IS NULL, coalesce(error !~ '[^[:print:]]', true) FROM tribe_power_collect() ORDER BY node_name});
my %row = map { my ($name, $rest) = split /\|/, $_, 2; $name => $rest } split /\n/, $rows;
is($row{$_}, "$faults{$_}|t|t|t", "$_: $faults{$_}, with a printable reason and a remedy") foreach sort keys %faults;
is($row{good}, 'ok|f|f|t', 'a good one beside them is read');
like($row{real}, qr/^(ok|partial)\|/, 'and so is this machine, by the probe itself');
is($hub->safe_psql('postgres', q{SELECT string_agg(DISTINCT node_name, ',' ORDER BY node_name) FROM tribe_power_metrics}), 'good,real', 'only what was read has a row');
is($hub->safe_psql('postgres', q{SELECT count(*) FROM tribe_power_node_status WHERE counters IS NOT NULL OR last_success IS NOT NULL}), '2', 'or counters');
is($hub->safe_psql('postgres', q{SELECT cpu_utilization BETWEEN 0 AND 100, memory_used_gb > 0 AND memory_used_gb < memory_total_gb, energy_joules IS NULL OR energy_joules >= 0 FROM tribe_power_metrics WHERE node_name = 'real'}),
	't|t|t', 'with numbers that can be');

# An answer that was rejected changes nothing of what is known.
my $known = $hub->safe_psql('postgres', q{SELECT md5(counters::text) FROM tribe_power_node_status WHERE node_name = 'good'});
$hub->safe_psql('postgres', "UPDATE tribe_power_nodes SET port = (SELECT port FROM tribe_power_nodes WHERE node_name = 'cut'), host_key = (SELECT host_key FROM tribe_power_nodes WHERE node_name = 'cut') WHERE node_name = 'good'");
is($hub->safe_psql('postgres', q{SELECT status FROM tribe_power_collect('{good}')}), 'report_incomplete', 'the good one fails');
is($hub->safe_psql('postgres', q{SELECT md5(counters::text) = '} . $known . q{' AND failures = 1 AND last_success < last_attempt FROM tribe_power_node_status WHERE node_name = 'good'}),
	't', 'its counters stay');

# The probe function shows the same, and stores nothing.
my $count = $hub->safe_psql('postgres', 'SELECT count(*) FROM tribe_power_metrics');
is($hub->safe_psql('postgres', q{SELECT value FROM tribe_power_probe('garbled') WHERE section = 'session' AND item = 'outcome'}), 'report_garbled', 'probe() says it too');
is($hub->safe_psql('postgres', q{SELECT value FROM tribe_power_probe('real') WHERE section = 'session' AND item = 'outcome'}), 'read', 'and reads');
is($hub->safe_psql('postgres', 'SELECT count(*) FROM tribe_power_metrics'), $count, 'and stores nothing');

# Who has no right to the tables may still poll, if the owner lets him.
$hub->safe_psql('postgres', <<'SQL');
CREATE ROLE operator;
GRANT EXECUTE ON FUNCTION tribe_power_collect(text[]), tribe_power_probe(text), tribe_power_aggregate(date) TO operator;
SQL
like($hub->safe_psql('postgres', q{SET ROLE operator; SELECT status FROM tribe_power_collect('{real}')}), qr/^(ok|partial)$/, 'an operator polls');
is($hub->safe_psql('postgres', q{SET ROLE operator; SELECT count(*) > 5 FROM tribe_power_probe('real')}), 't', 'probes');
is($hub->safe_psql('postgres', q{SET ROLE operator; SELECT tribe_power_aggregate((now() AT TIME ZONE tribe_power_timezone())::date) > 0}), 't', 'and aggregates');

# Host keys: an unknown one is not pinned unless that is the policy.
$hub->safe_psql('postgres', q{UPDATE tribe_power_nodes SET host_key = NULL WHERE node_name = 'real'});
is($hub->safe_psql('postgres', q{SELECT status FROM tribe_power_collect('{real}')}), 'host_key_unknown', 'strict: an unknown host key is refused');
is($hub->safe_psql('postgres', q{SELECT host_key IS NULL FROM tribe_power_nodes WHERE node_name = 'real'}), 't', 'and not pinned');
like($hub->safe_psql('postgres', q{SET tribe_power.host_key_policy = 'accept-new'; SELECT status FROM tribe_power_collect('{real}')}), qr/^(ok|partial)$/, 'accept-new: it is taken');
is($hub->safe_psql('postgres', q{SELECT host_key LIKE 'ssh-ed25519 %' FROM tribe_power_nodes WHERE node_name = 'real'}), 't', 'and pinned');
$hub->safe_psql('postgres', q{UPDATE tribe_power_nodes SET host_key = (SELECT host_key FROM tribe_power_nodes WHERE node_name = 'cut') WHERE node_name = 'real'});
is($hub->safe_psql('postgres', q{SET tribe_power.host_key_policy = 'accept-new'; SELECT status FROM tribe_power_collect('{real}')}), 'host_key_changed', 'but a changed one never');

$hub->stop;
done_testing();
