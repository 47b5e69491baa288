#!/bin/sh
# install.sh [uninstall]: lets tribe_power read this Mac's power.  Run once:
#
#     sudo sh install.sh
#
# Installs a launchd job that runs powermetrics as root every minute and leaves
# the result in /var/db/tribe_power, readable to all, writable to root only.
# Everything that root runs lies in folders that only root may write.
set -eu

label=org.tribe-power.powermetrics
home="/Library/Application Support/tribe_power"
job=/Library/LaunchDaemons/$label.plist
data=/var/db/tribe_power
here=$(cd "$(dirname "$0")" && pwd -P)

[ "$(uname -s)" = Darwin ] || { echo "install.sh: this is for macOS" >&2; exit 1; }
[ "$(id -u)" -eq 0 ] || { echo "install.sh: run it as root: sudo sh $0" >&2; exit 1; }

launchctl bootout "system/$label" 2> /dev/null || :
if [ "${1-}" = uninstall ]; then
	rm -f "$job" "$home/powermetrics_cache.sh" "$data/powermetrics.json"
	rmdir "$home" "$data" 2> /dev/null || :
	echo "Removed."
	exit 0
fi

install -d -o root -g wheel -m 755 "$home" "$data"
install -o root -g wheel -m 755 "$here/powermetrics_cache.sh" "$home/powermetrics_cache.sh"
install -o root -g wheel -m 644 "$here/$label.plist" "$job"
launchctl bootstrap system "$job"

echo "Installed; waiting for the first sample (a minute at most) ..."
tries=0
until [ -e "$data/powermetrics.json" ]; do
	tries=$((tries + 1))
	[ $tries -lt 75 ] || { echo "None came; see /var/log/tribe_power.log" >&2; exit 1; }
	sleep 1
done
cat "$data/powermetrics.json"
