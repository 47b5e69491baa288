#!/bin/sh
# tribe_power: prepares this machine to be polled, or undoes that.  Made by
# tribe_power_node_setup(); run it as root.  It may be run again.
#
# It makes the login account if there is none, lets the hub's key run the probe
# and nothing else, and opens RAPL to that account's group.  What it made stands in
# the file "made" beside the probe, for the undoing.
set -eu
umask 022
PATH=$PATH:/usr/sbin:/sbin:/usr/local/sbin

node=@NODE@
login=@LOGIN@
public_key=@PUBLIC_KEY@
undo=@UNDO@

probe_folder=/usr/local/lib/tribe_power
made=$probe_folder/made
group=tribe_power
rule=/etc/udev/rules.d/70-tribe-power.rules

say() { printf 'tribe_power setup of %s: %s\n' "$node" "$*"; }
die() { printf 'tribe_power setup of %s: %s\n' "$node" "$*" >&2; exit 1; }

[ "$(id -u)" -eq 0 ] || die "run this as root"
system=$(uname -s)

# Notes that we made a thing, or asks whether we did.
note() { we_made "$1" || printf '%s\n' "$1" >> "$made"; }
we_made() { [ -f "$made" ] && grep -q -x -F "$1" "$made"; }

home_of() {
	if [ "$system" = Darwin ]; then
		dscl . -read "/Users/$1" NFSHomeDirectory 2>/dev/null | sed 's/^NFSHomeDirectory: //'
	elif command -v getent >/dev/null 2>&1; then
		getent passwd "$1" | cut -d: -f6
	else
		sed -n "s/^$1:[^:]*:[^:]*:[^:]*:[^:]*:\([^:]*\):.*/\1/p" /etc/passwd
	fi
}

# In the account's own folder nothing is done as root: it may hold links.
as_login() {
	if [ "$system" = Darwin ]; then
		sudo -n -u "$login" /bin/sh -c "$@"
	else
		commands=$1
		shift
		su -s /bin/sh -c "$commands" "$login" "$@"
	fi
}

# Puts a line in authorized_keys in place of those with the hub's key; an empty
# one takes them out.  Prints what of it was made, or is gone.
replace_key() {
	as_login '
		umask 077
		cd "$1" || exit 1
		[ -d .ssh ] || { [ -n "$3" ] || exit 0; mkdir .ssh; echo folder; }
		[ -f .ssh/authorized_keys ] || { [ -n "$3" ] || exit 0; : > .ssh/authorized_keys; echo file; }
		rm -f .ssh/authorized_keys.new
		cp -p .ssh/authorized_keys .ssh/authorized_keys.new || exit 1
		{ grep -v -F "$2" .ssh/authorized_keys; [ -z "$3" ] || printf "%s\n" "$3"; } > .ssh/authorized_keys.new || exit 1
		chmod go-w .ssh .ssh/authorized_keys.new
		mv .ssh/authorized_keys.new .ssh/authorized_keys
		[ -s .ssh/authorized_keys ] || echo empty' \
		sh "$1" "$(printf '%s' "$public_key" | cut -d' ' -f2)" "$2"
}

setup_account() {
	if id "$login" >/dev/null 2>&1; then
		we_made account || say "account $login is there"
	elif [ "$system" = Linux ] && command -v useradd >/dev/null 2>&1; then
		useradd --system --create-home --shell /bin/sh --comment 'tribe_power hub' "$login"
		# no password, but not locked: some sshds keep locked accounts out
		usermod -p '*' "$login"
		note account
		say "made account $login"
	elif [ "$system" = Linux ] && command -v adduser >/dev/null 2>&1; then
		adduser -S -D -h "/home/$login" -s /bin/sh "$login"
		echo "$login:*" | chpasswd -e >/dev/null 2>&1 || :
		note account
		say "made account $login"
	else
		die "there is no account $login: make one that may log in over SSH, then run this again"
	fi
	case $( { getent passwd "$login" 2>/dev/null || grep "^$login:" /etc/passwd; } | cut -d: -f7) in
		*/nologin|*/false) die "account $login has no shell, which the hub's key needs: usermod -s /bin/sh $login" ;;
	esac
}

setup_login() {
	home=$(home_of "$login")
	[ -n "$home" ] && [ -d "$home" ] || die "account $login has no home directory"
	things=$(replace_key "$home" \
		"restrict,command=\"/bin/sh $probe_folder/probe.sh\" $public_key tribe_power hub") ||
		die "account $login cannot write its .ssh/authorized_keys"
	for thing in $things; do
		note "$thing"
	done
	! command -v restorecon >/dev/null 2>&1 || restorecon -R "$home/.ssh" || :
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
	if ! grep -q "^$group:" /etc/group && ! getent group "$group" >/dev/null 2>&1; then
		groupadd --system "$group" 2>/dev/null || addgroup -S "$group"
		note group
	fi
	usermod -a -G "$group" "$login" 2>/dev/null || addgroup "$login" "$group"
	if [ -d /etc/udev/rules.d ]; then
		printf '%s\n' "SUBSYSTEM==\"powercap\", ACTION==\"add|change\", RUN+=\"/bin/sh -c 'chgrp $group /sys%p/energy_uj; chmod g+r /sys%p/energy_uj'\"" > "$rule"
		udevadm control --reload 2>/dev/null || :
		lasts=
	else
		lasts=", until the next boot: there is no udev here"
	fi
	for file in /sys/class/powercap/*/energy_uj; do
		[ -e "$file" ] || continue
		chgrp "$group" "$file" && chmod g+r "$file" || say "cannot open $file"
	done
	say "RAPL is readable to group $group$lasts"
}

setup_nvidia() {
	command -v nvidia-smi >/dev/null 2>&1 || return 0
	if nvidia-smi --query-gpu=persistence_mode --format=csv,noheader 2>/dev/null | sort -u | grep -q -x Enabled &&
		! nvidia-smi --query-gpu=persistence_mode --format=csv,noheader | grep -q -v Enabled; then
		say "NVIDIA persistence mode is on"
	elif command -v systemctl >/dev/null 2>&1 &&
		systemctl -q is-enabled nvidia-persistenced >/dev/null 2>&1; then
		say "nvidia-persistenced is enabled"
	elif command -v systemctl >/dev/null 2>&1 &&
		systemctl enable --now nvidia-persistenced >/dev/null 2>&1; then
		note nvidia-persistenced
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

# The host key that the hub will be shown, by its fingerprint: over root's own
# login, so that it need not be taken on trust.
fingerprint() {
	for type in ed25519 ecdsa rsa; do
		for key in $(sshd -T 2>/dev/null | sed -n 's/^hostkey //p') "/etc/ssh/ssh_host_${type}_key"; do
			case $(ssh-keygen -lf "$key.pub" 2>/dev/null) in
				*" ($(echo $type | tr a-z A-Z))") ssh-keygen -lf "$key.pub" | cut -d' ' -f2; return ;;
			esac
		done
	done
}

undo_account() {
	home=$(home_of "$login")
	emptied=$([ ! -d "$home" ] || replace_key "$home" '')
	if we_made account; then
		# a kept session would hold it
		pkill -KILL -u "$login" 2>/dev/null || :
		{ userdel -r "$login" 2>/dev/null || deluser --remove-home "$login"; } >/dev/null
		say "removed account $login"
	else
		! we_made file || [ "$emptied" != empty ] || as_login 'rm "$1"' sh "$home/.ssh/authorized_keys"
		! we_made folder || as_login 'rmdir "$1" 2>/dev/null || :' sh "$home/.ssh"
		say "account $login was there before and stays"
	fi
}

if [ "$undo" = yes ]; then
	for file in /sys/class/powercap/*/energy_uj; do
		[ ! -e "$file" ] || { chmod 400 "$file" && chgrp 0 "$file"; } || :
	done
	[ ! -e "$rule" ] || { rm -f "$rule"; udevadm control --reload 2>/dev/null || :; }
	! id "$login" >/dev/null 2>&1 || undo_account
	if we_made group && grep -q "^$group:" /etc/group; then
		groupdel "$group" 2>/dev/null || delgroup "$group"
	fi
	! we_made nvidia-persistenced || systemctl disable --now nvidia-persistenced >/dev/null 2>&1 || :
	[ "$system" != Darwin ] || macos_helper uninstall
	rm -f "$probe_folder/probe.sh" "$made"
	rmdir "$probe_folder" 2>/dev/null || :
	say "undone"
	exit 0
fi

setup_probe
setup_account
setup_login
case $system in
	Linux) setup_rapl; setup_nvidia ;;
	Darwin) macos_helper ;;
esac
say "done.  Now, at the hub:"
name=$(printf '%s' "$node" | sed "s/'/''/g")
printf '    %s\n' "SELECT tribe_power_trust_host_key('$name', '$(fingerprint)');" \
	"SELECT node_name, summary, remedy FROM tribe_power_collect(ARRAY['$name']);"
