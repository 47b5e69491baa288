#!/bin/sh
# tribe_power: prepares this machine to be polled, or undoes that.  Made by
# tribe_power_node_setup(); run it as root.  It may be run again.
#
# It makes the login account if there is none, lets the hub's key run the probe
# and nothing else, and opens RAPL to that account's group.
set -eu
umask 022
PATH=$PATH:/usr/sbin:/sbin:/usr/local/sbin

node=@NODE@
login=@LOGIN@
public_key=@PUBLIC_KEY@
undo=@UNDO@

probe_folder=/usr/local/lib/tribe_power
group=tribe_power
rule=/etc/udev/rules.d/70-tribe-power.rules

say() { printf 'tribe_power setup of %s: %s\n' "$node" "$*"; }
die() { printf 'tribe_power setup of %s: %s\n' "$node" "$*" >&2; exit 1; }

[ "$(id -u)" -eq 0 ] || die "run this as root"
system=$(uname -s)

home_of() {
	if [ "$system" = Darwin ]; then
		dscl . -read "/Users/$1" NFSHomeDirectory 2>/dev/null | sed 's/^NFSHomeDirectory: //'
	elif command -v getent >/dev/null 2>&1; then
		getent passwd "$1" | cut -d: -f6
	else
		sed -n "s/^$1:[^:]*:[^:]*:[^:]*:[^:]*:\([^:]*\):.*/\1/p" /etc/passwd
	fi
}

# Every line of authorized_keys but those with the hub's key, to stdout.
other_keys() {
	[ ! -f "$1" ] || grep -v -F "$(printf '%s' "$public_key" | cut -d' ' -f2)" "$1" || :
}

replace_keys() {
	keys=$1
	{ other_keys "$keys"; [ -z "$2" ] || printf '%s\n' "$2"; } > "$keys.tribe_power"
	chown "$login" "$keys.tribe_power"
	chmod 600 "$keys.tribe_power"
	mv "$keys.tribe_power" "$keys"
}

setup_account() {
	if id "$login" >/dev/null 2>&1; then
		say "account $login is there"
	elif [ "$system" = Linux ] && command -v useradd >/dev/null 2>&1; then
		useradd --system --create-home --home-dir "/var/lib/$login" --shell /bin/sh "$login"
		say "made account $login"
	elif [ "$system" = Linux ] && command -v adduser >/dev/null 2>&1; then
		adduser -D -h "/var/lib/$login" -s /bin/sh "$login"
		say "made account $login"
	else
		die "there is no account $login: make one that may log in over SSH, then run this again"
	fi
}

setup_login() {
	home=$(home_of "$login")
	[ -n "$home" ] && [ -d "$home" ] || die "account $login has no home directory"
	mkdir -p "$home/.ssh"
	chown "$login" "$home/.ssh"
	chmod 700 "$home/.ssh"
	replace_keys "$home/.ssh/authorized_keys" \
		"restrict,command=\"/bin/sh $probe_folder/probe.sh\" $public_key tribe_power hub"
	say "the hub's key may run $probe_folder/probe.sh and nothing else"
}

setup_probe() {
	mkdir -p "$probe_folder"
	cat > "$probe_folder/probe.sh.new" <<'TRIBE_POWER_END_OF_FILE'
@FILE probe.sh@
TRIBE_POWER_END_OF_FILE
	chown 0:0 "$probe_folder" "$probe_folder/probe.sh.new"
	chmod 755 "$probe_folder" "$probe_folder/probe.sh.new"
	mv "$probe_folder/probe.sh.new" "$probe_folder/probe.sh"
	say "installed the probe"
}

# Readable to one group, not to everybody: finely resolved power tells about
# what others compute.
setup_rapl() {
	[ -d /sys/class/powercap ] || { say "no RAPL here"; return 0; }
	getent group "$group" >/dev/null 2>&1 || groupadd --system "$group"
	usermod -a -G "$group" "$login"
	if [ -d /etc/udev/rules.d ]; then
		printf '%s\n' "SUBSYSTEM==\"powercap\", ACTION==\"add|change\", RUN+=\"/bin/sh -c 'chgrp $group /sys%p/energy_uj; chmod g+r /sys%p/energy_uj'\"" > "$rule"
		udevadm control --reload 2>/dev/null || :
	fi
	for file in /sys/class/powercap/*/energy_uj; do
		[ -e "$file" ] || continue
		chgrp "$group" "$file" && chmod g+r "$file" || say "cannot open $file"
	done
	say "RAPL is readable to group $group"
}

setup_nvidia() {
	command -v nvidia-smi >/dev/null 2>&1 || return 0
	if command -v systemctl >/dev/null 2>&1 &&
		systemctl enable --now nvidia-persistenced >/dev/null 2>&1; then
		say "nvidia-persistenced runs"
	elif nvidia-smi -pm 1 >/dev/null 2>&1; then
		say "NVIDIA persistence mode is on, until the next boot"
	else
		say "could not turn NVIDIA persistence mode on"
	fi
}

macos_helper() {
	folder=$(mktemp -d)
	cat > "$folder/install.sh" <<'TRIBE_POWER_END_OF_FILE'
@FILE install.sh@
TRIBE_POWER_END_OF_FILE
	cat > "$folder/powermetrics_cache.sh" <<'TRIBE_POWER_END_OF_FILE'
@FILE powermetrics_cache.sh@
TRIBE_POWER_END_OF_FILE
	cat > "$folder/org.tribe-power.powermetrics.plist" <<'TRIBE_POWER_END_OF_FILE'
@FILE org.tribe-power.powermetrics.plist@
TRIBE_POWER_END_OF_FILE
	sh "$folder/install.sh" "$@" </dev/null || say "the powermetrics helper: see above"
	rm -rf "$folder"
}

if [ "$undo" = yes ]; then
	if id "$login" >/dev/null 2>&1; then
		home=$(home_of "$login")
		[ ! -f "$home/.ssh/authorized_keys" ] || replace_keys "$home/.ssh/authorized_keys" ''
	fi
	rm -f "$rule" "$probe_folder/probe.sh"
	rmdir "$probe_folder" 2>/dev/null || :
	for file in /sys/class/powercap/*/energy_uj; do
		[ ! -e "$file" ] || { chmod 400 "$file" && chgrp 0 "$file"; } || :
	done
	[ "$system" != Darwin ] || macos_helper uninstall
	say "undone; account $login is left: userdel -r $login removes it"
	exit 0
fi

setup_account
setup_probe
setup_login
case $system in
	Linux) setup_rapl; setup_nvidia ;;
	Darwin) macos_helper ;;
esac
say "done; at the hub: SELECT * FROM tribe_power_doctor('$node');"
