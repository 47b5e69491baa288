# doc/reference.md is what the catalog says.
use strict;
use warnings;

use Cwd qw(abs_path);
use File::Basename;
use PostgreSQL::Test::Utils;
use Test::More;
use TribePower;

my $root = abs_path(dirname(__FILE__) . '/../..');
my $hub = new_hub('hub', 'tribe_power.enabled' => 'off');
my ($made, $err) = ('', '');

IPC::Run::run([ 'psql', '-XAtq', '-v', 'ON_ERROR_STOP=1', '-d', $hub->connstr('postgres'), '-f', "$root/test/reference.sql" ],
	'>', \$made, '2>', \$err) or BAIL_OUT($err);
is($err, '', 'the reference can be made');
# for "make reference"
open(my $out, '>', "$ENV{TESTDIR}/reference.md") or die $!;
print $out $made;
close $out;
ok(slurp_file("$root/doc/reference.md") eq $made, 'doc/reference.md is up to date')
  or diag('it is not: run "make reference" and commit doc/reference.md');
foreach my $thing (qw(tribe_power_collect tribe_power_doctor tribe_power_nodes tribe_power_latest tribe_power.interval))
{
	like($made, qr/^### \Q$thing\E$/m, "$thing is in it");
}
$hub->stop;
done_testing();
