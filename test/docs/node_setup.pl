#!/usr/bin/perl
# node_setup.pl: tribe_power_node_setup() from a bare node to its reading, on a machine
# of its own (test/box) with redfin beside it: what the hub's key may do there, that a
# second run changes nothing, that the undoing leaves nothing, and that an account
# which was there before keeps what it had.  TAP on stdout.
use strict;
use warnings;

use Test::More;

# Runs a command; (status, all output).
sub run_it
{
	my ($command) = @_;
	# through a file: whatever outlives the command must not be waited for
	my $status = system('timeout', '-k', '5', '120', 'sh', '-c', "( $command ) >/tmp/said 2>&1 </dev/null");
	open(my $said, '<', '/tmp/said') or die;
	local $/;
	return ($status >> 8, scalar <$said>);
}

sub must
{
	my ($command) = @_;
	my ($status, $output) = run_it($command);
	BAIL_OUT("$command: $output") if $status != 0;
	chomp $output;
	return $output;
}

# As root on the node.
sub node
{
	my ($command) = @_;
	$command =~ s/'/'\\''/g;
	return must("ssh redfin '$command'");
}

sub sql
{
	my ($text) = @_;
	$text =~ s/'/'\\''/g;
	return must("sudo -u postgres psql -XAtq -v ON_ERROR_STOP=1 -c '$text'");
}

# What the hub's key gets to do: an ssh with these options and words.
sub as_hub
{
	my ($login, $words, $options) = @_;
	return run_it("timeout -k 1 10 setpriv --reuid postgres --regid postgres --clear-groups env HOME=/var/lib/postgresql ssh -o BatchMode=yes -o StrictHostKeyChecking=no -o LogLevel=ERROR "
		  . ($options || '') . " $login\@192.168.132.223 $words");
}

# Every file that is not a log or a backup, with mode and owner, and content where it
# may differ.
sub tree
{
	return node(q{cd / && exec 2>&1
not='-name passwd- -o -name group- -o -name shadow- -o -name gshadow- -o -name .pwd.lock'
find etc home root var/spool \( $not \) -prune -o -printf '%p %y %m %U:%G %l\n'
find usr/local/lib usr/local/bin -maxdepth 3 -printf '%p %y %m %U:%G %l\n'
find var/lib -mindepth 1 -maxdepth 1 -name '*tribe*'
find etc home root \( $not \) -prune -o -type f -print0 | xargs -0 cksum
stat -L -c '%n %a %U %G' /sys/class/powercap/*/energy_uj});
}

sub setup
{
	my ($arguments) = @_;
	return run_it("sudo -u postgres psql -XAt -v ON_ERROR_STOP=1 -c \"SELECT tribe_power_node_setup($arguments)\" > /tmp/setup.sh && ssh root\@redfin sh < /tmp/setup.sh");
}

sub differences
{
	my ($one, $two) = @_;
	my %one = map { $_ => 1 } split /\n/, $one;
	my %two = map { $_ => 1 } split /\n/, $two;
	return join("\n", (map { "- $_" } grep { !$two{$_} } sort keys %one), (map { "+ $_" } grep { !$one{$_} } sort keys %two));
}

must('make -s install');
must('pg_createcluster 15 main --start');
must("sudo -u postgres ssh-keygen -q -t ed25519 -N '' -f ~postgres/.ssh/id_ed25519");
sql('CREATE EXTENSION tribe_power');
sql(q{INSERT INTO tribe_power_nodes (node_name, address, node_type) VALUES ('redfin', '192.168.132.223', 'linux_nvidia')});

# --- bare ----------------------------------------------------------------------------

my $bare = tree();
my ($status, $said) = as_hub('tribe_power', 'true');
isnt($status, 0, 'before: the hub cannot log in');

($status, $said) = setup(q{'redfin'});
is($status, 0, 'the script runs') or diag($said);
note($said);
my ($trust) = $said =~ /(SELECT tribe_power_trust_host_key\('redfin', 'SHA256:[^']+'\);)/;
ok($trust, 'and prints how to pin the host key') or BAIL_OUT($said);
sql($trust);
like(sql('SELECT status, summary FROM tribe_power_collect()'), qr/^ok\|6\d\.\dW \(GPU: /, 'a reading arrives, RAPL included');
is(sql(q{SELECT string_agg("check" || ' ' || detail, '; ') FROM tribe_power_doctor('redfin') WHERE status = 'fail'}), '', 'and the doctor finds nothing wrong');

# --- what the key may do -----------------------------------------------------------------

($status, $said) = as_hub('tribe_power', 'id');
like($said, qr/^tribe_power_probe 1$/m, 'the key runs the probe');
unlike($said, qr/uid=/, 'whatever command it asks for');
($status, $said) = as_hub('tribe_power', '', '-tt');
like($said, qr/PTY allocation request failed/, 'no terminal') or diag($said);
($status, $said) = run_it('timeout -k 1 10 sudo -u postgres sftp -o BatchMode=yes -o StrictHostKeyChecking=no tribe_power@192.168.132.223:/etc/passwd /tmp/stolen; ls /tmp/stolen');
isnt($status, 0, 'no sftp');
($status, $said) = as_hub('tribe_power', '', '-W 192.168.132.223:22');
unlike($said, qr/^SSH-/m, 'no forwarding from here') or diag($said);
like($said, qr/prohibited|refused|failed/, 'which sshd says') or diag($said);
($status, $said) = as_hub('tribe_power', '', '-N -o ExitOnForwardFailure=yes -R 7002:127.0.0.1:5432');
isnt($status, 0, 'nor from there');
unlike($said, qr/Timeout/, 'which is refused');
($status, $said) = as_hub('tribe_power', '', '-N -w 0:0 -o Tunnel=point-to-point -o ExitOnForwardFailure=yes');
isnt($status, 0, 'no tunnel');
is(node(q{su -s /bin/sh -c 'cat /sys/class/powercap/intel-rapl:0/energy_uj' nobody 2>&1 | grep -c 'Permission denied'}), '1', 'nobody else reads energy counters');
is(node('ls -ld /usr/local/lib/tribe_power /usr/local/lib/tribe_power/probe.sh | cut -d " " -f 1,3,4'), "drwxr-xr-x root root\n-rwxr-xr-x root root", 'the account cannot change the probe');

# --- a reboot: the rule does what udev runs it for ---------------------------------------

must('/run/fleet/hwfs --ask /run/fleet/redfin/control reboot');
like(sql('SELECT status, summary, total_power_watts FROM tribe_power_collect()'), qr/^partial\|.*\|$/, 'after a reboot counters are root\'s again');
my $remedy = sql(q{SELECT remedy FROM tribe_power_doctor('redfin') WHERE "check" = 'rapl'});
like($remedy, qr/^psql .* \| ssh root\@192\.168\.132\.223 sh  #/, 'and the doctor has the command for it');
my $rule = node('cat /etc/udev/rules.d/70-tribe-power.rules');
like($rule, qr/^SUBSYSTEM=="powercap", ACTION=="add\|change", RUN\+="[^"]+"$/, 'there is one udev rule');
my ($run) = $rule =~ /RUN\+="([^"]+)"/;
node(join('; ', map { $run =~ s#%p#/class/powercap/$_#gr } qw(intel-rapl:0 intel-rapl:0:0 intel-rapl:0:1 intel-rapl:0:2 intel-rapl:1 intel-rapl-mmio:0)));
like(sql('SELECT status, summary FROM tribe_power_collect()'), qr/^ok\|6\d/, 'until udev runs it for each zone');

# --- again ----------------------------------------------------------------------------------

my $once = tree();
($status, $said) = setup(q{'redfin'});
is($status, 0, 'it runs again') or diag($said);
is(differences($once, tree()), '', 'and changes nothing');

($status, $said) = setup(q{'redfin', true});
is($status, 0, 'undo runs') or diag($said);
is(differences($bare, tree()), '', 'and leaves nothing');
($status, $said) = setup(q{'redfin', true});
is($status, 0, 'undo where nothing is') or diag($said);
is(differences($bare, tree()), '', 'changes nothing');
($status, $said) = as_hub('tribe_power', 'true');
isnt($status, 0, 'the hub cannot log in any more');

# --- an account that was there ------------------------------------------------------------

sql(q{UPDATE tribe_power_nodes SET ssh_user = 'dereadi', node_name = 'the o''clock'});
my $public = must('cut -d " " -f 1,2 ~postgres/.ssh/id_ed25519.pub');
node(qq{useradd -m -s /bin/sh dereadi && usermod -p '*' dereadi && su -s /bin/sh -c 'umask 077; mkdir .ssh; cd .ssh; echo "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKqL1y+uZKfgd6tMZU8wHqOBrD8zDgNc9yHqSp1n4Xsr mine" > authorized_keys; ln -s /etc/motd authorized_keys.new' - dereadi; echo untouched > /etc/motd});
my $theirs = tree();
($status, $said) = setup(q{'the o''clock'});
is($status, 0, 'an account of before, a name with a quote') or diag($said);
like($said, qr/trust_host_key\('the o''clock', 'SHA256:/, 'which is quoted for SQL');
is(node('cat /etc/motd'), 'untouched', 'a link in its folder leads root nowhere');
is(node('grep -c mine ~dereadi/.ssh/authorized_keys; grep -c "^restrict,command=" ~dereadi/.ssh/authorized_keys'), "1\n1", 'its own key stays beside ours');
like(sql('SELECT status, summary FROM tribe_power_collect()'), qr/^ok\|6\d/, 'it is read');
($status, $said) = setup(q{'the o''clock', true});
is($status, 0, 'undo') or diag($said);
is(join(' ', grep { /\S/ && !/authorized_keys\.new/ } split /\n/, differences($theirs, tree())), '', 'leaves it as it was');

node('usermod -s /usr/sbin/nologin dereadi');
($status, $said) = setup(q{'the o''clock'});
isnt($status, 0, 'an account without a shell is refused');
like($said, qr/has no shell.*usermod -s/, 'with what to do');

done_testing();
