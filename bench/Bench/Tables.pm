# Bench::Tables: measured rounds as tables of ratios, and against what is wanted.
#
# results: number of nodes → way → { cpu (seconds a node), wall (seconds a
# round), memory (KiB a node) }; the way "floor" is bare cryptography.
package Bench::Tables;
use strict;
use warnings;

use Exporter 'import';

use Bench::Ways;

our @EXPORT = qw(show show_floor show_memory show_load show_targets);

my %title = map { $_->{name} => $_->{title} } @ways;

# What is to be reached with 50 nodes and with 200: [way, CPU, wall].
my @targets = (
	[serial => 50, 25], [ssh => 10, 1.5], [pssh => 15, 1.5], [clush => 15, 1.5],
	[pdsh => 15, 1.5], [masters => 25, 3.5]);
my @floor_targets = ([poller => 3.5], [kept => 0.8]);
my $memory_target = 70 * 1000 / 1024;    # KiB
my $load_target = 10;                    # per cent of a core

sub ratio { my ($x) = @_; return $x >= 10 ? sprintf('%.0f', $x) : sprintf('%.1f', $x) }

sub table
{
	my ($head, $sizes, $chosen, $cell) = @_;

	print "| $head |", (map { " $_ nodes: CPU | wall |" } @$sizes), "\n";
	print '|---|', ('--:|--:|' x @$sizes), "\n";
	foreach my $way (@$chosen)
	{
		print "| $way->{title} |",
			(map { ' ' . join(' | ', $cell->($way, $_)) . ' |' } @$sizes), "\n";
	}
	print "\n";
}

sub show
{
	my ($title, $results, @chosen) = @_;
	my $sizes = [sort { $a <=> $b } keys %$results];
	my @first = grep { $_->{base} eq 'poller' } @chosen;
	my @kept = grep { $_->{base} eq 'kept' } @chosen;
	my $against = sub {
		my ($way, $n) = @_;
		my $own = $results->{$n}{ $way->{name} } or return ('', '');
		my $base = $results->{$n}{ $way->{base} };
		return (ratio($own->{cpu} / $base->{cpu}) . ' ×', ratio($own->{wall} / $base->{wall}) . ' ×');
	};
	my $raw = sub {
		my ($way, $n) = @_;
		my $own = $results->{$n}{ $way->{name} } or return ('', '');
		return (sprintf('%.2f ms', $own->{cpu} * 1000), sprintf('%.2f s', $own->{wall}));
	};

	print "### $title\n\n";
	table('a login for every poll', $sizes, \@first, $against);
	table('connections kept from the round before', $sizes, \@kept, $against) if @kept;
	print "The figures of this run behind these ratios (CPU of the client a node, wall of the round):\n\n";
	table('', $sizes, \@chosen, $raw);
}

sub show_floor
{
	my ($results) = @_;
	my @sizes = sort { $a <=> $b } keys %$results;

	print "### Against bare cryptography\n\n";
	print "| |", (map { " $_ nodes |" } @sizes), "\n|---|", ('--:|' x @sizes), "\n";
	foreach my $name (qw(poller kept))
	{
		print "| $title{$name} |", (map {
				sprintf ' %.2f × |', $results->{$_}{$name}{cpu} / $results->{$_}{floor}{cpu} } @sizes), "\n";
	}
	print '| the four public-key operations |',
		(map { sprintf ' %.2f ms |', $results->{$_}{floor}{cpu} * 1000 } @sizes), "\n\n";
}

sub show_memory
{
	my ($results) = @_;
	my $n = (sort { $a <=> $b } keys %$results)[-1];

	print "Memory of a kept connection: ";
	print join('; ', map {
			my $size = $_;
			"$size of them: " . join(', ', map { sprintf '%s %.0f KiB', $title{$_}, $results->{$size}{$_}{memory} }
				grep { $results->{$size}{$_} } qw(kept masters)) }
			grep { $_ >= 200 || $_ == $n } sort { $a <=> $b } keys %$results), ".\n\n";
}

# Per cent of a core for so many nodes every five minutes.
sub load { my ($cpu) = @_; return $cpu * 10000 / 300 * 100 }

sub show_load
{
	my ($results) = @_;
	my $n = (sort { $a <=> $b } keys %$results)[-1];

	print "10,000 nodes every five minutes, by what a poll of $n cost: ", join(', ', map {
			sprintf '%.1f %% of one core (%s)', load($results->{$n}{$_}{cpu}), $title{$_} }
			qw(poller kept)), ".\n\n";
}

# Gives the number of those that were missed.
sub show_targets
{
	my ($results) = @_;
	my @sizes = sort { $a <=> $b } keys %$results;
	my $missed = 0;
	my @rows;
	my $row = sub {
		my ($what, $n, $reached, $bound, $most) = @_;
		my $good = $most ? $reached <= $bound : $reached >= $bound;
		$missed++ unless $good;
		push @rows, sprintf "| %s | %d | %s %.4g | %.2f | %s |\n", $what, $n, $most ? '≤' : '≥',
			$bound, $reached, $good ? 'yes' : '**no**';
	};

	foreach my $n (grep { $_ == 50 || $_ == 200 } @sizes)
	{
		my $of = $results->{$n};

		foreach my $target (@targets)
		{
			my ($name, $cpu, $wall) = @$target;
			my $base = $name eq 'masters' ? $of->{kept} : $of->{poller};
			next unless $of->{$name};
			$row->("$title{$name}: CPU", $n, $of->{$name}{cpu} / $base->{cpu}, $cpu);
			$row->("$title{$name}: wall", $n, $of->{$name}{wall} / $base->{wall}, $wall);
		}
		foreach my $target (@floor_targets)
		{
			my ($name, $bound) = @$target;
			$row->("$title{$name}: CPU ÷ cryptography", $n, $of->{$name}{cpu} / $of->{floor}{cpu},
				$bound, 1);
		}
	}
	if (@sizes && $sizes[-1] >= 200)
	{
		my $n = $sizes[-1];
		$row->("$title{kept}: KiB a session", $n, $results->{$n}{kept}{memory}, $memory_target, 1);
		$row->("$title{$_}: 10,000 nodes, % of a core", $n, load($results->{$n}{$_}{cpu}), $load_target, 1)
			foreach qw(poller kept);
	}
	print "### Targets\n\n| | nodes | target | reached | |\n|---|--:|--:|--:|---|\n", @rows, "\n" if @rows;
	return $missed;
}

1;
