#!/usr/bin/perl
# meta.pl [META.json]: checks it against the PGXN Meta Spec 1.0.0, strictly, and against
# the rest of the tree: version, files, prerequisites.  Says what is wrong.
use strict;
use warnings;

use JSON::PP;

my $file = shift || 'META.json';
my @wrong;
sub slurp { local (@ARGV, $/) = @_; return scalar <>; }
sub wrong { push @wrong, join('', @_); return; }

my $semver = qr/^(?:0|[1-9]\d*)\.(?:0|[1-9]\d*)\.(?:0|[1-9]\d*)(?:-?[a-zA-Z][-0-9A-Za-z]*)?$/;
my $term = qr/^[^\s\/\\\x00-\x1f]{2,}$/;
my %licenses = map { $_ => 1 } qw(agpl_3 apache_1_1 apache_2_0 artistic_1 artistic_2 bsd freebsd gfdl_1_2 gfdl_1_3 gpl_1 gpl_2 gpl_3 lgpl_2_1 lgpl_3_0 mit mozilla_1_0 mozilla_1_1 openssl perl_5 postgresql qpl_1_0 ssleay sun zlib open_source restricted unrestricted unknown);
my %keys = map { $_ => 1 } qw(abstract description generated_by license maintainer meta-spec name no_index prereqs provides release_status resources tags version);

my $meta = eval { JSON::PP->new->utf8->decode(slurp($file)) } or die "$file: $@";
foreach (sort keys %$meta) { wrong("unknown key $_") unless $keys{$_} || /^x_/i; }
foreach (qw(abstract maintainer license provides name version meta-spec)) { wrong("$_ is missing") unless defined $meta->{$_}; }
wrong("name: $meta->{name}") unless $meta->{name} =~ $term;
wrong("version is not semantic: $meta->{version}") unless $meta->{version} =~ $semver;
wrong("license: $_") foreach grep { !$licenses{$_} } ref $meta->{license} ? @{ $meta->{license} } : $meta->{license};
wrong("maintainer: $_") foreach grep { !/\S/ } ref $meta->{maintainer} ? @{ $meta->{maintainer} } : $meta->{maintainer};
wrong("meta-spec version: $meta->{'meta-spec'}{version}") unless $meta->{'meta-spec'}{version} =~ /^1\.0\.\d+$/;
wrong('tags must be a list') if exists $meta->{tags} && ref $meta->{tags} ne 'ARRAY';
wrong("tag: $_") foreach grep { !defined || $_ eq '' || length > 256 || m{[/\\\x00-\x1f]} } @{ $meta->{tags} || [] };
wrong("release_status: $meta->{release_status}") if defined $meta->{release_status} && $meta->{release_status} !~ /^(stable|testing|unstable)$/;
foreach my $phase (sort keys %{ $meta->{prereqs} || {} })
{
	wrong("prereqs: phase $phase") unless $phase =~ /^(configure|build|test|runtime|develop)$/;
	foreach my $relation (sort keys %{ $meta->{prereqs}{$phase} })
	{
		wrong("prereqs: $relation") unless $relation =~ /^(requires|recommends|suggests|conflicts)$/;
		my $needs = $meta->{prereqs}{$phase}{$relation};
		wrong("prereqs: $_ $needs->{$_}") foreach grep { $needs->{$_} !~ /^(?:(?:[<>=!]=?\s*)?[\d.]+(?:,\s*)?)+$/ } sort keys %$needs;
	}
}
wrong('provides nothing') unless %{ $meta->{provides} || {} };
foreach my $name (sort keys %{ $meta->{provides} || {} })
{
	my $part = $meta->{provides}{$name};
	wrong("provides $name: unknown key $_") foreach grep { !/^(file|version|abstract|docfile|x_.*)$/i } sort keys %$part;
	wrong("provides $name: no $_") foreach grep { !defined $part->{$_} } qw(file version);
	wrong("provides $name: version $part->{version}") unless $part->{version} =~ $semver;
	wrong("provides $name: $part->{docfile} is not there") if $part->{docfile} && !-e $part->{docfile};
	wrong("no $name.control") unless -e "$name.control";
}

# the rest of the tree
my ($release) = slurp('src/common/version.h') =~ /TRIBE_POWER_VERSION "(.*?)"/;
my ($sql) = slurp('src/common/version.h') =~ /TRIBE_POWER_SQL_VERSION "(.*?)"/;
wrong("version is $meta->{version}, src/common/version.h says $release") unless $meta->{version} eq $release;
wrong("provides $meta->{provides}{tribe_power}{file}, the SQL version is $sql") unless $meta->{provides}{tribe_power}{file} eq "tribe_power--$sql.sql";
wrong("tribe_power.control has another default_version than $sql") unless slurp('tribe_power.control') =~ /^default_version = '\Q$sql\E'$/m;
wrong("debian/changelog is not about $release") unless slurp('debian/changelog') =~ /\A\S+ \(\Q$release\E\)/;
wrong("CHANGELOG.md is not about $release") unless slurp('CHANGELOG.md') =~ /^## \Q$release\E/m;

print "$file: $_\n" foreach @wrong;
print "$file: valid\n" unless @wrong;
exit(@wrong ? 1 : 0);
