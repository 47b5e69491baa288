#!/usr/bin/perl
# pages.pl [PAGE...]: does what README.md, SECURITY.md and doc/*.md say, on a machine of its own
# (test/box): Debian's PostgreSQL, five nodes of the federation behind real sshds, of
# which bluefin, redfin and greenfin are as their owners found them.  TAP on stdout.
#
# How a page says what to run:
#
#   ```sql     goes to psql, as the database's superuser
#   ```sh      goes to /bin/sh -e, as root at the hub, in the checkout
#   ```conf    lines of postgresql.conf: written, then the server is restarted
#   ```text, or any other word: shown, not run
#   a block that is indented by four spaces is SQL if it begins with an SQL word in
#              capitals, lines of postgresql.conf if it begins with "name = value", and
#              shell otherwise
#   <!-- not run: REASON -->    before a block (an empty line between them is allowed)
#              keeps it from being run.  The reasons that count are listed below.
#   <!-- server: NAME -->       before a block: it is for another server of that name
#              (made when first named, with the extension, wal_level logical and
#              passwords waived; its address is NAME, its database power)
#   <!-- database: empty -->    before a block: it is for a database without the
#              extension; "earlier collector": with the tables of one that tribe_power
#              replaces.  Blocks of a page with the same word share that database.
#   <!-- node: NAME -->         before a block of shell: it is run by root on that node
#
# Blocks run in their order; each must end with status 0.  doc/install.md begins with
# an empty cluster and nothing installed.  All other pages begin with a database
# "power" of their own: the federation registered, its host keys pinned, read twice;
# tribe_power and pg_cron preloaded.  Settings and databases of a page end with it; what
# it does to nodes stays.
#
# Where a reader fills something in, so does this test: "SHA256:…" beside a node's name
# becomes that node's fingerprint, "AAAA…" the hub's public key, and \watch asks once.
#
# Beside this: links to files lead somewhere, doc/settings.md has every setting with
# its default, and the way to the first reading takes six commands at most.
use strict;
use warnings;
use utf8;

use File::Basename;
use Test::More;

binmode $_, ':encoding(UTF-8)' foreach *STDOUT, *STDERR, Test::More->builder->output,
  Test::More->builder->failure_output, Test::More->builder->todo_output;

my @reasons = (
	qr/^on a Mac$/,
	qr/^on another system than Debian$/,
	qr/^needs (udev|Citus|TimescaleDB|Grafana|Prometheus|the network|another PostgreSQL|hours|minutes)$/,
	qr/^installs Debian packages$/,
	qr/^changes the checkout$/,
	qr/^does not end by itself$/,
	qr/^run by (\.\/check|\.\/demo|the benchmarks|another test: \S+)$/,
	qr/^a form, not a command$/,
	qr/^asks at a terminal$/,
);
my $seconds = 60;
my %server;

my @pages = @ARGV ? @ARGV : ('doc/install.md', sort(grep { $_ ne 'doc/install.md' } glob('doc/*.md examples/*/README.md')), 'README.md', 'SECURITY.md');

# --- reading a page -----------------------------------------------------------------

sub slurp
{
	my ($file) = @_;
	local $/;
	open(my $in, '<:encoding(UTF-8)', $file) or die "$file: $!\n";
	return scalar <$in>;
}

# Its blocks: {line, language, text, marks}.
sub blocks
{
	my ($page) = @_;
	my @lines = split /\n/, slurp($page), -1;
	my (@blocks, %marks);
	my $after_blank = 1;

	for (my $i = 0; $i < @lines; $i++)
	{
		my $line = $lines[$i];

		if ($line =~ /^(\s*)```+\s*(\S*)/)
		{
			my ($indent, $language) = ($1, $2 || 'text');
			my @text;
			my $start = $i + 2;
			while (++$i < @lines && $lines[$i] !~ /^\s*```+\s*$/)
			{
				push @text, $lines[$i] =~ s/^$indent//r;
			}
			push @blocks, { page => $page, line => $start, language => $language, text => join("\n", @text), marks => {%marks} };
			%marks = ();
		}
		elsif ($after_blank && $line =~ /^ {4}\S/)
		{
			my @text;
			my $start = $i + 1;
			while ($i < @lines && $lines[$i] =~ /^( {4}|\s*$)/)
			{
				push @text, $lines[$i++] =~ s/^ {4}//r;
			}
			$i--;
			pop @text while $text[-1] eq '';
			my $text = join("\n", @text);
			my $language = $text =~ /^(--[^\n]*\n)*[A-Z]{3,}\s/ ? 'sql' : $text =~ /^[a-z_.]+ = / ? 'conf' : 'sh';
			push @blocks, { page => $page, line => $start, language => $language, text => $text, marks => {%marks} };
			%marks = ();
		}
		elsif ($line =~ /^\s*<!-- (not run|server|database|node|count): (.*?) -->\s*$/)
		{
			$marks{$1} = $2;
		}
		elsif ($line =~ /\S/)
		{
			%marks = ();
		}
		$after_blank = $lines[$i] !~ /\S/;
	}
	return @blocks;
}

# --- running ------------------------------------------------------------------------

# Runs a command with a text as its input; (status, output of both kinds).
sub run_with
{
	my ($input, @command) = @_;
	open(my $in, '>:encoding(UTF-8)', '/tmp/input') or die;
	print $in $input;
	close $in;
	chmod 0644, '/tmp/input';
	my $pid = fork();
	if ($pid == 0)
	{
		open(STDIN, '<', '/tmp/input') or die;
		open(STDOUT, '>', '/tmp/output') or die;
		open(STDERR, '>&', \*STDOUT) or die;
		exec 'timeout', $seconds, @command or die "$command[0]: $!\n";
	}
	waitpid($pid, 0);
	my $status = $?;
	return ($status, slurp('/tmp/output'));
}

sub must
{
	my ($status, $output) = run_with('', @_);
	BAIL_OUT("@_:\n$output") if $status != 0;
	return $output;
}

# By its socket: Debian's psql asks for a cluster by its port, and servers share one.
sub psql { return ('sudo', '-u', 'postgres', 'psql', '-h', '/var/run/postgresql', '-X', '-q', '-v', 'ON_ERROR_STOP=1'); }

sub sql
{
	my ($text, @where) = @_;
	my ($status, $output) = run_with($text, psql(), '-At', @where);
	BAIL_OUT("$text:\n$output") if $status != 0;
	return $output;
}

# What a reader would look up and put in.
sub fill_in
{
	my ($text) = @_;

	if ($text =~ /SHA256:…/)
	{
		my ($node) = $text =~ /\b(bluefin|redfin|greenfin|sasass2?)\b/;
		my (undef, $printed) = run_with('', 'ssh', $node, 'ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub 2>/dev/null || ssh-keygen -lf /run/fleet/host_key.pub');
		my ($fingerprint) = $printed =~ /(SHA256:\S+)/;
		BAIL_OUT("no fingerprint of $node: $printed") unless $fingerprint;
		$text =~ s/SHA256:…/$fingerprint/g;
	}
	if ($text =~ /AAAA…/)
	{
		my $key = (split / /, slurp('/var/lib/postgresql/.ssh/id_ed25519.pub'))[1];
		$text =~ s/AAAA…/$key/g;
	}
	$text =~ s/^(.*?);?\s*\\watch.*$/$1;/mg;
	return $text;
}

my $restarted;    # a page has changed the configuration

sub run_block
{
	my ($block, @where) = @_;
	my $text = fill_in($block->{text});
	my $name = $block->{marks}{server};
	local @ENV{qw(PGHOST PGDATABASE)} = @ENV{qw(PGHOST PGDATABASE)};
	my @as = psql();

	if (my $kind = $block->{marks}{database})
	{
		$ENV{PGDATABASE} = database($kind);
		@where = ('-d', $ENV{PGDATABASE});
	}
	if ($name)
	{
		server($name);
		@ENV{qw(PGHOST PGDATABASE)} = ("/run/postgresql/$name", 'power');
		@where = ('-h', "/run/postgresql/$name", '-d', 'power');
	}
	if ($block->{language} eq 'sql')
	{
		return run_with($text, @as, @where);
	}
	if ($block->{language} eq 'sh')
	{
		return run_with($text, 'ssh', "root\@$block->{marks}{node}", '/bin/sh -e') if $block->{marks}{node};
		return run_with($text, '/bin/sh', '-e');
	}
	my $cluster = $name || 'main';
	open(my $conf, '>>', "/etc/postgresql/15/$cluster/conf.d/page.conf") or die "$cluster: $!";
	print $conf $text, "\n";
	close $conf;
	$restarted = 1 unless $name;
	return run_with('', 'pg_ctlcluster', '15', $cluster, 'restart', '-m', 'fast');
}

my %database;     # of this page: what for => its name

sub database
{
	my ($kind) = @_;
	return $database{$kind} if $database{$kind};
	my $name = $kind =~ s/\W/_/gr;
	sql("DROP DATABASE IF EXISTS $name WITH (FORCE);", '-d', 'postgres');
	sql("CREATE DATABASE $name;", '-d', 'postgres');
	if ($kind eq 'earlier collector')
	{
		sql(<<'END', '-d', $name);
CREATE TABLE tribe_power_metrics (
    node_name varchar(50), node_ip varchar(45), "timestamp" timestamp, cpu_power_watts numeric(8, 2),
    cpu_temp_celsius numeric(5, 2), cpu_utilization numeric(5, 2), gpu_power_watts numeric(8, 2),
    gpu_temp_celsius numeric(5, 2), gpu_utilization numeric(5, 2), memory_used_gb numeric(8, 2),
    memory_total_gb numeric(8, 2), total_power_watts numeric(8, 2), raw_data jsonb);
CREATE TABLE tribe_power_daily (
    node_name varchar(50), date date, avg_cpu_power numeric, max_cpu_power numeric, avg_gpu_power numeric,
    max_gpu_power numeric, avg_total_power numeric, max_total_power numeric, energy_kwh numeric,
    sample_count integer, UNIQUE (node_name, date));
INSERT INTO tribe_power_metrics (node_name, "timestamp", cpu_power_watts, total_power_watts)
SELECT 'bluefin', '2025-12-13 10:00'::timestamp + i * interval '5 min', 45, 45 FROM generate_series(0, 20) i;
INSERT INTO tribe_power_daily VALUES ('bluefin', '2025-12-13', 45, 45, NULL, NULL, 45, 45, 1.08, 21);
END
	}
	elsif ($kind ne 'empty')
	{
		BAIL_OUT("no such kind of database: $kind");
	}
	return $database{$kind} = $name;
}

# Another server, at an address of its own with everybody's usual port.
sub server
{
	my ($name) = @_;
	return if $server{$name}++;
	my $address = '127.0.1.' . (1 + keys %server);
	mkdir "/run/postgresql/$name";
	must('chown', 'postgres:', "/run/postgresql/$name");
	must('sh', '-c', "echo $address $name >> /etc/hosts");
	must('pg_createcluster', '15', $name, '-p', '5432', '--socketdir', "/run/postgresql/$name",
		'--', '-A', 'trust');
	open(my $conf, '>', "/etc/postgresql/15/$name/conf.d/docs.conf") or die;
	print $conf "listen_addresses = '$address'\nwal_level = logical\nshared_buffers = 16MB\nshared_preload_libraries = 'tribe_power'\n"
	  . "tribe_power.database = 'power'\ntribe_power.enabled = off\n";
	close $conf;
	must('sh', '-c', "echo 'host all all all trust' >> /etc/postgresql/15/$name/pg_hba.conf");
	must('pg_ctlcluster', '15', $name, 'start');
	sql('CREATE DATABASE power;', '-h', "/run/postgresql/$name");
	sql('CREATE EXTENSION tribe_power;', '-h', "/run/postgresql/$name", '-d', 'power');
	return;
}

sub run_page
{
	my ($page, @where) = @_;

	foreach my $block (blocks($page))
	{
		my $title = "$page:$block->{line} ($block->{language})";
		my $not = $block->{marks}{'not run'};

		next unless $block->{language} =~ /^(sql|sh|conf)$/;
		if (defined $not)
		{
			ok(scalar(grep { $not =~ $_ } @reasons), "$title: a reason not to run it: $not")
			  or diag("known reasons are listed in test/docs/pages.pl");
			next;
		}
		my ($status, $output) = run_block($block, @where);
		ok($status == 0, $title)
		  or diag($status == 124 << 8 ? "did not end in $seconds s\n" : '', "ran:\n$block->{text}\nsaid:\n$output");
		note($output);
	}
	return;
}

# --- the pages ------------------------------------------------------------------------

# What is on the hub after doc/install.md; nodes of made-up hardware take its key.
sub settle
{
	if (!-e '/etc/postgresql/15/main')
	{
		must('make', '-s', 'install');
		must('pg_createcluster', '15', 'main');
		must('sudo', '-u', 'postgres', 'ssh-keygen', '-q', '-t', 'ed25519', '-N', '', '-f', '/var/lib/postgresql/.ssh/id_ed25519');
	}
	# what the page has set
	unlink '/var/lib/postgresql/15/main/postgresql.auto.conf';
	open(my $conf, '>', '/etc/postgresql/15/main/conf.d/docs.conf') or die;
	print $conf <<'END';
shared_preload_libraries = 'tribe_power, pg_cron'
tribe_power.database = 'power'
cron.database_name = 'power'
cron.use_background_workers = on
END
	close $conf;
	# as a person who has an account there would have it
	must('sh', '-c', q{echo 'docs root postgres
docs postgres postgres' > /etc/postgresql/15/main/pg_ident.conf
sed -i 's/^local  *all  *postgres  *peer/local all postgres peer map=docs/' /etc/postgresql/15/main/pg_hba.conf});
	@ENV{qw(PGHOST PGUSER PGDATABASE)} = ('/var/run/postgresql', 'postgres', 'power');
	must('pg_ctlcluster', '15', 'main', 'restart', '-m', 'fast') if -e '/var/lib/postgresql/15/main/postmaster.pid';
	must('pg_ctlcluster', '15', 'main', 'start') unless -e '/var/lib/postgresql/15/main/postmaster.pid';
	foreach my $node (qw(sasass sasass2))
	{
		must('sh', '-c', "cat /var/lib/postgresql/.ssh/id_ed25519.pub > /proc/\$(cat /run/fleet/$node/init)/root/run/node/authorized_keys");
	}
	return;
}

sub begin_page
{
	%database = ();
	sql('DROP DATABASE IF EXISTS power WITH (FORCE);', '-d', 'postgres');
	sql('CREATE DATABASE power;', '-d', 'postgres');
	sql('CREATE EXTENSION tribe_power; CREATE EXTENSION pg_cron;', '-d', 'power');
	must(psql(), '-d', 'power', '-f', 'examples/federation.sql');
	sql("UPDATE tribe_power_nodes SET ssh_user = DEFAULT WHERE node_type <> 'macos'; SELECT tribe_power_trust_host_key(node_name, (tribe_power_scan_host_key(node_name)).fingerprint) FROM tribe_power_nodes;", '-d', 'power');
	prepare_nodes();
	sql('SELECT tribe_power_collect(); SELECT pg_sleep(0.2); SELECT tribe_power_collect();', '-d', 'power');
	return;
}

my $prepared;

sub prepare_nodes
{
	return if $prepared++;
	foreach my $node (qw(bluefin redfin greenfin))
	{
		must('sh', '-c', qq{psql -XAtc "SELECT tribe_power_node_setup('$node')" | ssh root\@$node sh});
	}
	return;
}

sub end_page
{
	# a database that subscribes cannot be dropped
	foreach my $name ('power', values %database)
	{
		foreach my $subscription (split /\n/, sql("SELECT subname FROM pg_subscription WHERE subdbid = (SELECT oid FROM pg_database WHERE datname = current_database())", '-d', $name))
		{
			sql("ALTER SUBSCRIPTION $subscription DISABLE; ALTER SUBSCRIPTION $subscription SET (slot_name = NONE); DROP SUBSCRIPTION $subscription;", '-d', $name);
		}
	}
	must('pg_dropcluster', '--stop', '15', $_) foreach keys %server;
	%server = ();
	sql('ALTER SYSTEM RESET ALL;', '-d', 'postgres');
	sql('SELECT pg_reload_conf();', '-d', 'postgres');
	if ($restarted)
	{
		unlink '/etc/postgresql/15/main/conf.d/page.conf';
		must('pg_ctlcluster', '15', 'main', 'restart', '-m', 'fast');
		$restarted = 0;
	}
	return;
}

# --- other promises -------------------------------------------------------------------

sub check_links
{
	my ($page) = @_;
	my @broken;
	my $text = slurp($page);

	$text =~ s/^```.*?^```//msg;
	while ($text =~ /\]\(([^)\s]+)\)/g)
	{
		my $link = $1;
		next if $link =~ /^(https?:|mailto:)/;
		my ($file, $anchor) = split /#/, $link, 2;
		my $path = $file eq '' ? $page : dirname($page) . "/$file";
		push(@broken, $link), next unless -e $path;
		next unless defined $anchor && $path =~ /\.md$/;
		my @anchors = map { my $h = lc $_; $h =~ s/`//g; $h =~ s/[^\w\s-]//g; $h =~ s/\s/-/g; $h } slurp($path) =~ /^#+ (.*)$/mg;
		push @broken, $link unless grep { $_ eq $anchor } @anchors;
	}
	is(join(' ', @broken), '', "$page: links lead somewhere");
	return;
}

# '5min' in seconds is 300.
sub in_unit
{
	my ($value, $unit) = @_;
	my %seconds = (ms => 0.001, s => 1, min => 60, h => 3600, d => 86400);
	my %kilobytes = (kB => 1, MB => 1024, GB => 1024 * 1024);
	my ($number, $of) = $value =~ /^(-?\d+)(ms|s|min|h|d|kB|MB|GB)$/ or return $value;

	foreach my $scale (\%seconds, \%kilobytes)
	{
		return $number * $scale->{$of} / $scale->{$unit} if $scale->{$of} && $scale->{$unit};
	}
	return $value;
}

sub check_settings
{
	my %written;
	foreach my $line (split /\n/, slurp('doc/settings.md'))
	{
		$written{$1} = [ $3, $2 ? 'superuser' : 'sighup' ]
		  if $line =~ /^\| `tribe_power\.(\w+)`( \*)? \| (?:`([^`]*)`|empty) \|/;
	}
	my $true = sql(q{LOAD 'tribe_power'; SELECT substr(name, 13), boot_val, context, unit FROM pg_settings WHERE name LIKE 'tribe\_power.%' ORDER BY 1}, '-d', 'postgres');
	my %seen;
	foreach (split /\n/, $true)
	{
		my ($name, $default, $context, $unit) = split /\|/;
		my $row = $written{$name};
		$seen{$name} = 1;
		ok(defined $row, "doc/settings.md has $name") or next;
		my $same = in_unit(defined $row->[0] ? $row->[0] : '', $unit);
		is($same, $default, "doc/settings.md: the default of $name");
		is($row->[1], $context, "doc/settings.md: who may set $name");
	}
	is(join(' ', grep { !$seen{$_} } sort keys %written), '', 'doc/settings.md names no other setting');
	return;
}

# Commands that a person types: each statement, and each line of shell.
sub commands_of
{
	my ($block) = @_;
	my $text = $block->{text};
	if ($block->{language} eq 'sql')
	{
		$text =~ s/--.*$//mg;
		return scalar(() = $text =~ /;\s*$/mg);
	}
	$text =~ s/\\\n/ /g;
	return scalar(grep { /\S/ && !/^\s*#/ } split /\n/, $text);
}

sub first_reading
{
	my ($name) = @_;
	my @blocks = grep { $_->{marks}{count} } blocks('doc/install.md');
	my $count = 0;
	$count += commands_of($_) foreach @blocks;
	cmp_ok($count, '>=', 4, "doc/install.md: the way to the first reading is marked");
	cmp_ok($count, '<=', 6, "doc/install.md: $count commands to the first reading");
	like(sql(q{SELECT total_power_watts FROM tribe_power_metrics ORDER BY "timestamp" LIMIT 1}, '-d', 'postgres'),
		qr/^6[0-9]\./, 'and there it is: redfin draws 65.8 W');
	return;
}

foreach my $page (@pages)
{
	if ($page eq 'doc/install.md')
	{
		must('pg_createcluster', '15', 'main', '--start');
		run_page($page);
		first_reading();
		settle();
		check_settings();
		next;
	}
	settle() unless $ENV{PGDATABASE};
	begin_page();
	run_page($page, '-d', 'power');
	end_page();
}
check_links($_) foreach @pages;
done_testing();
