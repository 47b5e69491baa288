# Every setting, while nodes are polled: each value that it takes is taken by a
# reload, each that it does not take is refused, in SQL with a hint and in the file
# with a line in the log; and the worker goes on.
use strict;
use warnings;

use PostgreSQL::Test::Utils;
use Test::More;
use Steady;
use TribePower;

my $hub = steady_hub('hub');
my $worker = worker_pid($hub);
my $start = log_size($hub);

# What text settings take, and do not take.  A new one belongs here.
my %texts = (
	identity_file => [ [ '/nowhere/key', '~/key', '' ], [ 'key', './key', '/' . 'x' x 5000 ] ],
	known_hosts_file => [ [ '/nowhere/known_hosts', '~/known_hosts', '' ], [ 'known_hosts', '/' . 'x' x 5000 ] ],
	ssh_user => [ [ 'operator', 'x' x 64 ], [ '', 'two words', "tab\there", 'x' x 65 ] ],
	timezone => [ [ 'Europe/Berlin', 'UTC', '' ], [ 'Europe/Atlantis', '/etc/passwd', 'nonsense' ] ],
	database => [ [], [] ]);

# name => values that it takes, and that it does not
my %settings;
foreach my $row (split /\n/, $hub->safe_psql('postgres', q{SELECT name, vartype, coalesce(min_val, ''), coalesce(max_val, ''), coalesce(array_to_string(enumvals, ','), '') FROM pg_settings WHERE name LIKE 'tribe_power.%'}))
{
	my ($name, $type, $min, $max, $words) = split /\|/, $row, -1;
	my ($short) = $name =~ /^tribe_power\.(.*)/;

	$settings{$short} =
	    $type eq 'bool' ? [ [ 'on', 'off' ], [ 'perhaps', '2' ] ]
	  : $type eq 'integer' ? [ [ $min, $max ], [ $min - 1, $max + 1, 'many', '1 fortnight', '1e99', '' ] ]
	  : $type eq 'real' ? [ [ $min, $max ], [ $max * 2 + 1, 'many', 'nan' ] ]
	  : $type eq 'enum' ? [ [ split /,/, $words ], [ 'something', '' ] ]
	  : $texts{$short};
	ok($settings{$short}, "$name: this test knows what it takes");
}
cmp_ok(scalar(keys %settings), '>', 20, 'all settings');

foreach my $name (sort grep { $settings{$_} } keys %settings)
{
	my ($good, $bad) = @{ $settings{$name} };

	foreach my $value (@$good)
	{
		$hub->safe_psql('postgres', "ALTER SYSTEM SET tribe_power.$name = '$value'");
		$hub->safe_psql('postgres', 'SELECT pg_reload_conf()');
		ok($hub->poll_query_until('postgres', "SELECT setting = '$value' FROM pg_settings WHERE name = 'tribe_power.$name'"),
			"$name takes '" . substr($value, 0, 20) . "'");
	}
	$hub->safe_psql('postgres', "ALTER SYSTEM RESET tribe_power.$name");
	my @taken;
	foreach my $value (@$bad)
	{
		my ($rc, $out, $err) = $hub->psql('postgres', "ALTER SYSTEM SET tribe_power.$name = '$value'");
		push @taken, $value unless $err =~ /ERROR: .*(invalid value|outside the valid range|requires a|valid)/;
	}
	is(join(', ', @taken), '', "$name takes no other");
}
$hub->safe_psql('postgres', 'SELECT pg_reload_conf()');
is(worker_pid($hub), $worker, 'the worker took up each, and lives on');
steady($hub, 'every value of every setting');

# Written into the file by hand, where nothing refuses it.
my $lines = join('', map { my $name = $_; map { "tribe_power.$name = '$_'\n" } grep { length $_ < 100 } @{ $settings{$name}[1] } } sort keys %settings);
my $file = $hub->data_dir . '/postgresql.auto.conf';
my $before = slurp_file($file);
$start = log_size($hub);
foreach my $line (split /\n/, $lines)
{
	append_to_file($file, "$line\n");
	$hub->safe_psql('postgres', 'SELECT pg_reload_conf()');
	truncate $file, length $before;
}
append_to_file($file, $lines . "tribe_power.no_such_setting = 'x'\n");
$hub->safe_psql('postgres', 'SELECT pg_reload_conf()');
ok(await(sub { log_since($hub, $start) =~ /configuration file ".*" contains errors; unaffected changes were applied/ }, 'the log'),
	'bad values in the file are left out, and said');
steady($hub, 'every wrong value of every setting in the file');
truncate $file, length $before;
$hub->safe_psql('postgres', 'SELECT pg_reload_conf()');
is(worker_pid($hub), $worker, 'by the same worker');

# What a session sets is its own.
is($hub->safe_psql('postgres', q{SET tribe_power.node_timeout = '1s'; SET tribe_power.identity_file = '/nowhere'; SELECT status FROM tribe_power_collect('{ada}')}),
	'identity_file', 'a session sets its own');
steady($hub, 'settings of a session');

$hub->stop;
unlike(log_since($hub, 0), qr/PANIC|was terminated by signal/, 'nothing ended');
done_testing();
