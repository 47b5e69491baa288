# tribe_power_doctor() on machines with something wrong: each source that cannot be
# read is named with its reason and a remedy, beside one where all is well.
# fleet: bluefin redfin denied mac-stale mac-broken nvidia-driver
use strict;
use warnings;

use Fleet;
use Test::More;
use TribePower;

my $hub = fleet_hub('hub', 'tribe_power.sample_window' => '200ms');
fleet_nodes($hub, qw(bluefin redfin denied mac-stale mac-broken nvidia-driver sasass2));
$hub->safe_psql('postgres', 'SELECT tribe_power_collect()');
my $before = $hub->safe_psql('postgres', 'SELECT md5(string_agg(s::text, chr(10) ORDER BY node_name)) FROM tribe_power_node_status s');
tell_node('redfin', 'put', 'nvidia/mode', 'hang');

my %found;
foreach (split /\n/, $hub->safe_psql('postgres', q{SELECT node_name, "check", status, detail, remedy FROM tribe_power_doctor() WHERE node_name IS NOT NULL}))
{
	my ($node, $check, $status, $detail, $remedy) = split /\|/, $_, 5;
	note($_);
	$found{"$node $check"} = { status => $status, detail => $detail, remedy => $remedy };
}
tell_node('redfin', 'put', 'nvidia/mode', 'ok');

foreach (['denied rapl', qr/^denied/, qr/tribe_power_node_setup\('denied'\).*ssh root\@127\./],
	['redfin nvidia', qr/^timeout/, qr/nvidia-persistenced/],
	['mac-stale powermetrics', qr/^stale/, qr/launchctl kickstart/],
	['mac-broken powermetrics', qr/^error/, qr/install\.sh/],
	['sasass2 powermetrics', qr/^absent/, qr/tribe_power_node_setup\('sasass2'\)/])
{
	my ($check, $detail, $remedy) = @$_;
	my $row = $found{$check};
	ok($row, "$check: found") or next;
	is($row->{status}, 'fail', "$check: its power is missing");
	like($row->{detail}, $detail, "$check: why");
	like($row->{remedy}, $remedy, "$check: what helps");
}
ok((grep { /^nvidia-driver nvidia$/ } keys %found), 'nvidia-driver nvidia: found');
is($found{'bluefin sources'}{status}, 'ok', 'bluefin: all is read');
is($found{'bluefin login'}{status}, 'ok', 'bluefin: login');
is($hub->safe_psql('postgres', 'SELECT md5(string_agg(s::text, chr(10) ORDER BY node_name)) FROM tribe_power_node_status s'), $before, 'and the examination left no trace');
$hub->stop;
done_testing();
