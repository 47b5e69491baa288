#!/bin/sh
# powermetrics_cache.sh [DIRECTORY]: leaves a Mac's power where others may read
# it.  powermetrics needs root, so launchd runs this (see install.sh) and the
# poller's login only reads the file.
#
# Writes DIRECTORY/powermetrics.json (default /var/db/tribe_power): watts, with
# the unit in each key, and the sample's own time.  The file is replaced whole
# or not at all: what powermetrics prints and we do not understand leaves the
# last good file, which then shows its age.
set -eu
LC_ALL=C
export LC_ALL
umask 022

directory=${1:-/var/db/tribe_power}
interval=60						# how often launchd runs us (StartInterval)
average=50000					# milliseconds that a sample is a mean over

# Milliwatts or watts, as each version prints them; "GPU Power" appears twice.
# Apple silicon: CPU, GPU, ANE, Combined Power; macOS 12: Package and DRAM Power
# and no Combined; Intel: one line with the package's power.
to_json='
function watts(line)
{
	sub(/^[^:]*:[ \t]*/, "", line)
	if (line !~ /^[0-9]+(\.[0-9]+)?[ \t]*m?W[ \t]*$/)
		return ""
	return line ~ /mW/ ? line / 1000 : line + 0
}
function keep(name, value)
{
	if (value != "" && !(name in found))
		found[name] = value
}
function show(name)
{
	if (name in found)
		json = json sprintf("\"%s_power_watts\": %.6g, ", name, found[name])
}
/^\*\*\* Sampled system activity/ { split("", found) }
/^CPU Power:/ { keep("cpu", watts($0)) }
/^GPU Power:/ { keep("gpu", watts($0)) }
/^ANE Power:/ { keep("ane", watts($0)) }
/^DRAM Power:/ { keep("dram", watts($0)) }
/^Combined Power/ { keep("combined", watts($0)) }
/^Package Power:/ { keep("package", watts($0)) }
/^Intel energy model derived package power/ { keep("intel", watts($0)) }
END {
	if ("intel" in found) {
		found["cpu"] = found["intel"]
		found["combined"] = found["intel"]
	} else if (!("cpu" in found) || !("gpu" in found))
		exit 1
	if (!("combined" in found) && ("package" in found))
		found["combined"] = found["package"]
	show("cpu"); show("gpu"); show("ane"); show("dram"); show("combined")
	printf "{%s\"sampled_at\": %d, \"interval_seconds\": %d}\n", json, now, interval
}'

text=$(powermetrics -i "$average" -n 1 --samplers cpu_power,gpu_power 2>&1) ||
	text=$(powermetrics -i "$average" -n 1 --samplers cpu_power 2>&1) || {
	echo "$(date '+%Y-%m-%d %H:%M:%S') powermetrics failed: $text" >&2
	exit 1
}
now=$(date +%s)
json=$(printf '%s\n' "$text" | awk -v now="$now" -v interval="$interval" "$to_json") || {
	echo "$(date '+%Y-%m-%d %H:%M:%S') no power in what powermetrics printed" >&2
	exit 1
}

new=$(mktemp "$directory/.powermetrics.XXXXXX")
trap 'rm -f "$new"' EXIT
printf '%s\n' "$json" > "$new"
chmod 644 "$new"
mv -f "$new" "$directory/powermetrics.json"
