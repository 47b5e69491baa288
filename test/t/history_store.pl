# What the store writes is what the node answered; and a reading that cannot be
# stored keeps nobody else's out.
use strict;
use warnings;

use Cwd qw(abs_path);
use File::Basename;
use PostgreSQL::Test::Utils;
use Test::More;
use TribePower;

my $hub = new_hub('hub', 'tribe_power.enabled' => 'off', 'tribe_power.sample_window' => '100ms');
my $poller = $hub->config_data('--pkglibdir') . '/tribe_power_poller';

# raw_data is what the poller prints by hand, number for number: machines as they
# are, and one with every odd string and number.
my $fixtures = abs_path(dirname(__FILE__) . '/../unit/fixtures');
my %answers = map { $_ => slurp_file("$fixtures/$_.txt") } qw(bluefin redfin greenfin sasass);
$answers{odd} = <<"ODD";
tribe_power_probe 1
system Linux "6.1\\0" \xc3\xbc
boot 3e40f5a2-6ef1-4bb4-a5a0-000000000001
zone intel-rapl:0 18446744073709551615 package-0
clock 0 0.1 0.30000000000000004
energy 0 intel-rapl:0 18446744073709551614
clock 1 1.1 123456789012.345678
energy 1 intel-rapl:0 9223372036854775807
temperature coretemp 55123 "Core \\ \xe2\x82\xac" 0
meminfo MemTotal 16777217
end
ODD
my $key = new_key('hub');
foreach my $name (sort keys %answers)
{
	my $file = $hub->basedir . "/$name.txt";
	append_to_file($file, $answers{$name});
	my $at = start_sshd($name, config => "ForceCommand cat >/dev/null; cat $file");
	add_node($hub, $name, $at);
	is($hub->safe_psql('postgres', "SELECT node_name FROM tribe_power_collect('{$name}') WHERE status IN ('ok', 'partial')"), $name, "$name is read");
	my ($printed, $err) = run_command([ $poller, 'probe', '-i', $key, '-H', $at->{host_key}, '-p', $at->{port}, $at->{address} ]);
	is($hub->safe_psql('postgres', "SELECT raw_data = (\$json\$$printed\$json\$::jsonb), raw_data::text = (\$json\$$printed\$json\$::jsonb)::text, raw_data ? 'boot_id' OR raw_data ->> 'system' = 'macos' FROM tribe_power_metrics WHERE node_name = '$name'"),
		't|t|t', "$name: raw_data is what the poller shows") or diag($printed, $err);
}
is($hub->safe_psql('postgres', q{SELECT raw_data #>> '{rapl,0,energy_uj}', raw_data #>> '{clock,1,after}', raw_data ->> 'system_text' FROM tribe_power_metrics WHERE node_name = 'odd'}),
	'[18446744073709551614, 9223372036854775807]|123456789012.346|Linux "6.1\0" ??', 'odd: not a digit is lost');

# A key of the user's own that a reading does not meet: that one is left out, its
# node's status goes on, and the others of its round are stored.
my ($ada, $bob) = map { start_sshd($_, answer => 100) } qw(ada bob);
add_node($hub, 'ada', $ada);
add_node($hub, 'bob', $bob);
my $collect = q{SELECT string_agg(status, ' ') FROM tribe_power_collect('{ada,bob}')};
is($hub->safe_psql('postgres', $collect), 'ok ok', 'two nodes are read');
$hub->safe_psql('postgres', q{
	SELECT format('CREATE UNIQUE INDEX ON %s (node_name) WHERE node_name = ''ada''', m.tableoid::regclass) FROM tribe_power_metrics m WHERE node_name = 'ada' \gexec
	UPDATE tribe_power_node_status SET last_attempt = '2025-01-01'});
is($hub->safe_psql('postgres', $collect), 'ok ok', 'and again, one of them past its key');
is($hub->safe_psql('postgres', q{SELECT node_name, count(*) FROM tribe_power_metrics WHERE node_name IN ('ada', 'bob') GROUP BY 1 ORDER BY 1}), "ada|1\nbob|2", 'that one is left out, the other stored');
is($hub->safe_psql('postgres', q{SELECT count(*) FROM tribe_power_node_status WHERE last_attempt > now() - interval '1 hour' AND last_outcome = 'read' AND node_name IN ('ada', 'bob')}), '2', 'the status of both goes on');

# Any other error is one.
$hub->safe_psql('postgres', q{ALTER TABLE tribe_power_metrics ADD CONSTRAINT none CHECK (node_name <> 'bob') NOT VALID});
my ($rc, $out, $err) = $hub->psql('postgres', $collect);
like($err, qr/violates check constraint "none"/, 'another constraint is not got round');
is($hub->safe_psql('postgres', q{SELECT count(*) FROM tribe_power_metrics WHERE node_name IN ('ada', 'bob')}), '3', 'and nothing of that round is stored');

$hub->stop;
done_testing();
