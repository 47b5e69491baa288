#!/bin/sh
# probe.sh: the only thing that runs on a node.  Prints what the node's counters,
# sensors and tools say, raw, one fact a line, between an opening and a closing
# line; what it means is worked out at the hub (report.c, power.c).
#
# POSIX sh, run as "/bin/sh -s" with this text on stdin, or as an installed file.
# It writes nothing to disk, asks for no rights, starts few processes (the
# shell's own read instead of cat), and ends by itself: every tool has a limit,
# a watchdog ends the whole, and nothing is left running.

# A file's first line to $v.
get() {
	v=
	{ read -r v < "$1"; } 2>/dev/null
	[ -n "$v" ]
}

# Why get failed, to $v.
why() {
	if [ ! -e "$1" ]; then
		v=absent
	elif [ ! -r "$1" ]; then
		v=denied
	else
		v=error
	fi
}

add() {
	out="$out$*$nl"
}

has() {
	command -v "$1" >/dev/null 2>&1
}

# Runs a tool for at most so many seconds.
tool() {
	seconds=$1
	shift
	if [ "$limiter" = timeout ]; then
		timeout -s KILL "$seconds" "$@"
	elif [ "$limiter" = perl ]; then
		perl -e 'alarm shift; exec @ARGV or exit 127' "$seconds" "$@"
	else
		"$@"
	fi
}

# Prints a tool's text, every line behind a key and cut at the first byte that
# is not printable.  Only for jobs: they print at once, the rest at the end.
say() {
	said=$2
	lines=0
	while [ -n "$said" ] && [ $lines -lt 64 ]; do
		line=${said%%"$nl"*}
		case $said in
			*"$nl"*) said=${said#*"$nl"} ;;
			*) said= ;;
		esac
		line=${line%%[!\ -~]*}
		[ -z "$line" ] || printf '%s %.500s\n' "$1" "$line"
		lines=$((lines + 1))
	done
}

# --- Linux: the counters at one end of the window -----------------------------

# /proc/uptime counts in 10 ms, which is too coarse for a window of one second:
# so wait for its next tick and read the counters just behind it.
counters() {
	# shellcheck disable=SC2034
	for attempt in 1 2 3; do
		facts=
		spins=0
		read -r before rest < /proc/uptime
		last=$before
		while [ "$before" = "$last" ] && [ $spins -lt 5000 ]; do
			read -r before rest < /proc/uptime
			spins=$((spins + 1))
		done
		for zone in $zones; do
			get "/sys/class/powercap/$zone/energy_uj" || why "/sys/class/powercap/$zone/energy_uj"
			facts="${facts}energy $1 $zone $v$nl"
		done
		for file in $gpu_counters; do
			get "$file" || why "$file"
			facts="${facts}gpu_energy $1 $file $v$nl"
		done
		read -r after rest < /proc/uptime
		# on a busy node we may have been put aside meanwhile: once more
		[ "$after" != "$before" ] || break
	done
	out="$out${facts}clock $1 $before $after$nl"
	if read -r name user nice system idle iowait irq softirq steal rest < /proc/stat; then
		add "stat $1 $user $nice $system $idle $iowait $irq $softirq $steal"
	fi
}

find_zones() {
	for directory in /sys/class/powercap/*:*; do
		get "$directory/name" || continue
		name=$v
		[ -e "$directory/energy_uj" ] || continue
		get "$directory/max_energy_range_uj" || v=-
		zones="$zones ${directory##*/}"
		add "zone ${directory##*/} ${v%% *} $name"
	done
}

# --- Linux: GPUs --------------------------------------------------------------

# The PCI address and driver of a device directory, to $slot and $driver.
pci_device() {
	slot=
	driver=
	[ -r "$1/uevent" ] || return 0
	while IFS='=' read -r name v; do
		case $name in
			PCI_SLOT_NAME) slot=$v ;;
			DRIVER) driver=$v ;;
		esac
	done < "$1/uevent"
}

is_asleep() {
	get "$1/power/runtime_status" && [ "$v" = suspended ]
}

# $1 hwmon directory, $2 device directory of a card under amdgpu
amdgpu() {
	pci_device "$2"
	slot=${slot:-${1##*/}}
	case " $seen " in
		*" $slot "*) return 0 ;;
	esac
	seen="$seen $slot"
	if is_asleep "$2"; then
		add "amdgpu $slot asleep"
		return 0
	fi
	add "amdgpu $slot card ${1##*/}"
	for name in power1_average power1_input; do
		if get "$1/$name"; then
			add "amdgpu $slot $name $v"
		elif [ -e "$1/$name" ]; then
			why "$1/$name"
			add "amdgpu $slot $name $v"
		fi
	done
	for file in "$1"/in*_label; do
		get "$file" && [ "$v" = vddnb ] && add "amdgpu $slot integrated"
	done
	for file in "$1"/temp*_input; do
		[ -e "$file" ] || continue
		label=
		get "${file%_input}_label" && label=$v
		get "$file" && add "amdgpu $slot temperature $v $label"
	done
	for name in gpu_busy_percent mem_info_vram_used mem_info_vram_total; do
		get "$2/$name" && add "amdgpu $slot $name $v"
	done
	get "$2/product_name" && add "amdgpu $slot name $v"
}

# $1 hwmon directory, $2 device directory of a card under i915 or xe
intel_gpu() {
	pci_device "$2"
	slot=${slot:-${1##*/}}
	if is_asleep "$2"; then
		add "intel_gpu $slot asleep"
		return 0
	fi
	get "$1/name"
	add "intel_gpu $slot $v ${1}"
	for name in energy1_input energy2_input; do
		[ -e "$1/$name" ] && gpu_counters="$gpu_counters $1/$name"
	done
}

# Cards that hwmon did not show: their power is unknown, which must be said.
other_gpus() {
	for card in /sys/class/drm/card[0-9]*; do
		case ${card##*/} in
			*-*) continue ;;
		esac
		get "$card/device/vendor" || continue
		vendor=$v
		pci_device "$card/device"
		slot=${slot:-${card##*/}}
		case $vendor in
			0x1002)
				for hwmon in "$card"/device/hwmon/hwmon*; do
					get "$hwmon/name" && [ "$v" = amdgpu ] && amdgpu "$hwmon" "$card/device"
				done
				case " $seen " in
					*" $slot "*) continue ;;
				esac
				key=amdgpu
				;;
			0x10de)
				[ "$driver" != nvidia ] || continue
				key=nvidia_gpu
				;;
			*) continue ;;
		esac
		if is_asleep "$card/device"; then
			add "$key $slot asleep"
		else
			add "$key $slot driver ${driver:-none}"
		fi
	done
}

# NVIDIA: a GPU that is suspended would be woken by asking, so it is not asked.
find_nvidia() {
	nvidia_awake=
	nvidia_asleep=
	for device in /sys/bus/pci/drivers/nvidia/*:*:*.*; do
		[ -e "$device" ] || continue
		if is_asleep "$device"; then
			nvidia_asleep=yes
			add "nvidia_gpu ${device##*/} asleep"
		else
			nvidia_awake="$nvidia_awake${nvidia_awake:+,}${device##*/}"
		fi
	done
	[ -z "$nvidia_asleep" ] || [ -n "$nvidia_awake" ] || return 1
	if has nvidia-smi; then
		add expect nvidia
		return 0
	fi
	[ -z "$nvidia_awake" ] || add nvidia_exit 127
	return 1
}

nvidia_job() {
	set -- nvidia-smi
	[ -z "$nvidia_asleep" ] || set -- "$@" -i "$nvidia_awake"
	set -- "$@" --query-gpu=index,uuid,name,pci.bus_id,persistence_mode,power.draw,temperature.gpu,utilization.gpu,memory.used,memory.total --format=csv,noheader,nounits
	text=$(tool 5 "$@" 2>&1)
	status=$?
	say nvidia "$text"
	# Without persistence mode this was the wake-up: take a later sample too.
	case $text in
		*", Disabled, "*)
			[ "$limiter" != timeout ] || say nvidia "$(tool 2 "$@" -lms 500 2>/dev/null)"
			;;
	esac
	printf 'nvidia_exit %s\n' $status
}

# --- Linux: sensors -----------------------------------------------------------

hwmon_temperatures() {
	found=
	for file in "$1"/temp*_label; do
		get "$file" || continue
		label=$v
		case $label in
			Package* | Physical* | Tdie | Tctl)
				get "${file%_label}_input" && add "temperature $2 $v $label" && found=yes
				;;
		esac
	done
	[ -z "$found" ] || return 0
	for file in "$1"/temp*_input; do
		label=
		get "${file%_input}_label" && label=$v
		get "$file" && add "temperature $2 $v $label"
	done
}

hwmons() {
	for hwmon in /sys/class/hwmon/hwmon*; do
		get "$hwmon/name" || continue
		case $v in
			coretemp | k10temp | zenpower | cpu_thermal* | cpu-thermal* | acpitz)
				hwmon_temperatures "$hwmon" "$v"
				;;
			amdgpu) amdgpu "$hwmon" "$hwmon/device" ;;
			i915 | xe) intel_gpu "$hwmon" "$hwmon/device" ;;
			power_meter)
				for file in "$hwmon"/power*_average "$hwmon"/power*_input; do
					[ -e "$file" ] || continue
					get "$file" || why "$file"
					add "power_meter $v ${file##*/}"
				done
				;;
		esac
	done
}

thermal_zones() {
	for zone in /sys/class/thermal/thermal_zone*; do
		get "$zone/type" || continue
		label=$v
		case $label in
			[Cc][Pp][Uu]* | [Ss][Oo][Cc]* | x86_pkg_temp | acpitz*)
				get "$zone/temp" && add "temperature thermal $v $label"
				;;
		esac
	done
}

batteries() {
	for supply in /sys/class/power_supply/*; do
		get "$supply/type" && [ "$v" = Battery ] || continue
		get "$supply/scope" && [ "$v" = Device ] && continue
		get "$supply/status" || continue
		fact="battery ${supply##*/} ${v%% *}"
		for name in power_now current_now voltage_now; do
			get "$supply/$name" || v=-
			fact="$fact ${v%% *}"
		done
		add "$fact"
	done
}

memory() {
	[ -r /proc/meminfo ] || return 0
	while read -r name v rest; do
		case $name in
			MemTotal: | MemFree: | MemAvailable: | Buffers: | Cached: | SReclaimable: | Shmem:)
				add "meminfo ${name%:} $v"
				;;
		esac
		# the rest is only for kernels without MemAvailable
		case $name in
			MemAvailable: | SReclaimable:) break ;;
		esac
	done < /proc/meminfo
}

# Whole-machine power from tools: the BMC, and a UPS.
find_platform() {
	ask_ipmi=
	ask_nut=
	if has ipmitool; then
		ask_ipmi=yes
		for device in /dev/ipmi0 /dev/ipmi/0 /dev/ipmidev/0; do
			if [ -e "$device" ] && ! { [ -r "$device" ] && [ -w "$device" ]; }; then
				ask_ipmi=
				add ipmi_exit denied
			fi
		done
	fi
	has upsc && ask_nut=yes
	[ -n "$ask_ipmi$ask_nut" ] || return 1
	add expect platform
}

platform_job() {
	if [ -n "$ask_ipmi" ]; then
		text=$(tool 5 ipmitool dcmi power reading 2>&1)
		status=$?
		say ipmi "$text"
		printf 'ipmi_exit %s\n' $status
	fi
	if [ -n "$ask_nut" ]; then
		for ups in $(tool 3 upsc -l localhost 2>/dev/null); do
			text=$(tool 3 upsc "$ups@localhost" ups.realpower 2>/dev/null) || continue
			say "nut" "$text"
		done
	fi
	printf 'done platform\n'
}

linux() {
	get /proc/sys/kernel/random/boot_id && add "boot $v"
	find_zones
	hwmons
	other_gpus

	jobs=
	if find_nvidia; then
		gpu_running=yes
		(nvidia_job; kill -USR1 $$) &
		jobs="$jobs $!"
	fi
	if find_platform; then
		platform_running=yes
		(platform_job; kill -USR2 $$) &
		jobs="$jobs $!"
	fi

	if [ -r /proc/uptime ]; then
		counters 0
		sleep "$window" || sleep 1
		counters 1
	fi
	thermal_zones
	batteries
	memory
	wait_for_jobs
}

# A tool that is wedged in the kernel cannot even be killed: it is left to its
# fate after a while, and what it was to say is then missing from the report.
wait_for_jobs() {
	tries=0
	while [ -n "$gpu_running$platform_running" ] && [ $tries -lt 30 ]; do
		sleep 0.15 || sleep 1
		tries=$((tries + 1))
	done
	[ -z "$gpu_running$platform_running" ] || kill -9 $jobs
}

# --- macOS and FreeBSD --------------------------------------------------------

# Seconds since boot: these have no counters, so whole seconds will do.
boot_clock() {
	v=$(sysctl -n kern.boottime)
	booted=${v#*sec = }
	booted=${booted%%,*}
	case $booted in
		'' | *[!0-9]*) booted= ;;
	esac
}

mark() {
	now=$(date +%s)
	[ -z "$booted" ] || add "clock $1 $((now - booted)) $((now - booted))"
}

# A helper's file, on one line and without tabs; its age by the file's time.
helper_file() {
	[ -e "$1" ] || return 0
	if [ ! -r "$1" ] || [ ! -f "$1" ]; then
		add powermetrics_denied "$1"
		return 0
	fi
	v=$(stat -f %m "$1")
	case $v in
		'' | *[!0-9]*) v=$(stat -c %Y "$1") ;;
	esac
	text=
	lines=0
	set -f
	IFS=" $(printf '\t\r')"
	while { read -r line || [ -n "$line" ]; } && [ $lines -lt 100 ]; do
		set -- "$1" $line
		name=$1
		shift
		text="$text$* "
		set -- "$name"
		lines=$((lines + 1))
	done < "$1"
	IFS=" $(printf '\t')$nl"
	set +f
	text=${text%%[!\ -~]*}
	add "powermetrics_file ${v:--} $1"
	add "powermetrics_json $(printf '%.3000s' "$text")"
}

macmon_job() {
	text=$(tool 4 macmon pipe -s 1 -i 500 2>/dev/null) || text=$(tool 4 macmon pipe -s 1 2>/dev/null)
	text=${text%%"$nl"*}
	text=${text%%[!\ -~]*}
	printf 'macmon %.3000s\n' "$text"
}

darwin() {
	boot_clock
	v=$(sysctl -n kern.bootsessionuuid)
	add "boot ${v:-$booted}"
	add "memsize $(sysctl -n hw.memsize)"
	if has macmon; then
		add expect powermetrics
		gpu_running=yes
		(macmon_job; kill -USR1 $$) &
		jobs=$!
	fi
	mark 0
	# the first block of top is the average since boot, the second is now
	text=$(tool 6 top -l 2 -n 0 -s 1)
	while [ -n "$text" ]; do
		line=${text%%"$nl"*}
		case $text in
			*"$nl"*) text=${text#*"$nl"} ;;
			*) text= ;;
		esac
		case $line in
			"CPU usage:"*) add "top $line" ;;
		esac
	done
	mark 1
	add "now $now"
	text=$(tool 5 vm_stat)
	while [ -n "$text" ]; do
		line=${text%%"$nl"*}
		case $text in
			*"$nl"*) text=${text#*"$nl"} ;;
			*) text= ;;
		esac
		case $line in
			*"page size of"* | Anonymous* | *purgeable:* | *wired* | *"occupied by compressor"*)
				add "vm_stat $line"
				;;
		esac
	done
	helper_file /var/db/tribe_power/powermetrics.json
	helper_file /tmp/powermetrics.json
	wait_for_jobs
}

freebsd_stat() {
	# shellcheck disable=SC2046
	set -- "$1" $(sysctl -n kern.cp_time)
	add "stat $1 $2 $3 $4 $6 0 $5 0 0"
}

freebsd() {
	boot_clock
	add "boot $booted"
	mark 0
	freebsd_stat 0
	sleep "$window" || sleep 1
	mark 1
	freebsd_stat 1
	v=$(sysctl -n hw.physmem)
	page=$(sysctl -n hw.pagesize)
	free=$(sysctl -n vm.stats.vm.v_free_count)
	inactive=$(sysctl -n vm.stats.vm.v_inactive_count)
	case $v$page$free$inactive in
		'' | *[!0-9]*) ;;
		*) add "memory_bytes $((v - (free + inactive) * page)) $v" ;;
	esac
	v=$(sysctl -n dev.cpu.0.temperature)
	[ -z "$v" ] || add "celsius sysctl ${v%C}"
}

# ------------------------------------------------------------------------------

main() {
	PATH=$PATH:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/opt/homebrew/bin:/run/current-system/sw/bin:/usr/lib/wsl/lib
	LC_ALL=C
	export PATH LC_ALL
	nl='
'
	out=
	zones=
	gpu_counters=
	seen=
	jobs=
	gpu_running=
	platform_running=
	window=${TRIBE_POWER_WINDOW:-1}
	case $window in
		*[!0-9.]* | *.*.* | . | 0) window=1 ;;
	esac
	limit=12
	case ${window%%.*} in
		'' | 0) ;;
		[1-9] | [1-5][0-9]) limit=$((limit + ${window%%.*})) ;;
		*) window=1 ;;
	esac
	limiter=
	if has timeout; then
		limiter=timeout
	elif has perl; then
		limiter=perl
	fi

	# The watchdog: ends the whole when it takes too long.  It holds none of
	# our descriptors, or the session would wait for it.
	(
		trap 'kill $nap; exit 0' TERM
		sleep $limit &
		nap=$!
		wait $nap
		kill -9 -$$ || kill -9 $$
	) > /dev/null 2>&1 &
	watchdog=$!
	trap 'kill $watchdog; exit 1' HUP INT TERM PIPE
	trap 'gpu_running=' USR1
	trap 'platform_running=' USR2

	# what the login shell printed may lack its newline; the number proves that
	# this is the answer to what was asked
	printf '\n%s\ntribe_power_probe 1\n' "${TRIBE_POWER_ASKED:+asked $TRIBE_POWER_ASKED}"
	v=$(uname -sr)
	add "system $v"
	case $v in
		Linux*) linux ;;
		Darwin*) darwin ;;
		FreeBSD*) freebsd ;;
	esac
	kill $watchdog
	wait $watchdog
	printf '%send\n' "$out"
	exit 0
}

# Nothing runs before the last brace is read, so a script that was cut on its
# way does nothing; and nothing that runs may eat the script's own stdin.
{ main < /dev/null 2> /dev/null; }
