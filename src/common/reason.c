/*
 * reason.c: the names of what can go wrong, and the one place that says what
 * to do about it.  Names are stored in tables and never change; remedies may be
 * reworded at will, and are commands to paste wherever a command helps.
 */
#include "reason.h"

#include <stddef.h>

static const struct
{
	const char *name;
	const char *remedy;
}			outcomes[OUTCOME_COUNT] = {
	[OUTCOME_READ] = {"read", ""},
	[OUTCOME_RESOLVE] = {
		"resolve",
		"Check the node's address in tribe_power_nodes, and that this server can look it up: getent hosts ADDRESS"},
	[OUTCOME_REFUSED] = {
		"refused",
		"Start the node's SSH server (sudo systemctl enable --now ssh; on macOS: sudo systemsetup -setremotelogin on) and check the port in tribe_power_nodes."},
	[OUTCOME_UNREACHABLE] = {
		"unreachable",
		"Is the node switched on and on this network? Try: ping ADDRESS; ip route get ADDRESS"},
	[OUTCOME_CONNECT_TIMEOUT] = {
		"connect_timeout",
		"The node is off, asleep, or a firewall drops the packets. Try: nc -vz ADDRESS PORT; a slow line may need a longer tribe_power.connect_timeout."},
	[OUTCOME_HANDSHAKE_TIMEOUT] = {
		"handshake_timeout",
		"Something accepts the connection and does not speak SSH in time. Check the port in tribe_power_nodes and the node's load and sshd log (sudo journalctl -u ssh)."},
	[OUTCOME_HANDSHAKE_FAILED] = {
		"handshake_failed",
		"Check that the port is an SSH server's: ssh -v -p PORT USER@ADDRESS; the server must offer curve25519-sha256 or ecdh-sha2-nistp256, and aes128-ctr or aes256-ctr."},
	[OUTCOME_HOST_KEY_UNKNOWN] = {
		"host_key_unknown",
		"Compare the fingerprint with the node's own (on the node: ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub), then: SELECT tribe_power_trust_host_key('NODE', 'SHA256:...');"},
	[OUTCOME_HOST_KEY_CHANGED] = {
		"host_key_changed",
		"Reinstalled, or somebody in between? Compare fingerprints on the node itself (ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub); only then: SELECT tribe_power_trust_host_key('NODE', 'SHA256:...');"},
	[OUTCOME_HOST_KEY_REVOKED] = {
		"host_key_revoked",
		"This key is marked @revoked in the known hosts. Give the node a new host key (sudo rm /etc/ssh/ssh_host_*; sudo ssh-keygen -A; restart sshd) and trust that."},
	[OUTCOME_HOST_KEY_FILE] = {
		"host_key_file",
		"Make the file of tribe_power.known_hosts_file readable to the PostgreSQL server's user, or pin the key in tribe_power_nodes.host_key."},
	[OUTCOME_IDENTITY_FILE] = {
		"identity_file",
		"The private key must belong to the PostgreSQL server's user and nobody else may read it: sudo chown postgres FILE; sudo chmod 600 FILE"},
	[OUTCOME_IDENTITY_FORMAT] = {
		"identity_format",
		"Use an unencrypted ed25519 key of its own: sudo -u postgres ssh-keygen -t ed25519 -N '' -f FILE"},
	[OUTCOME_LOGIN_REFUSED] = {
		"login_refused",
		"psql -XAtc \"SELECT tribe_power_node_setup('NODE')\" | ssh root@ADDRESS sh  # puts the hub's key there; or ssh-copy-id -i FILE.pub -p PORT USER@ADDRESS. On the node, sudo journalctl -u ssh says why."},
	[OUTCOME_LOGIN_TIMEOUT] = {
		"login_timeout",
		"The node's login is slow: look at its load, and at UseDNS and PAM in its sshd. tribe_power.node_timeout gives it longer."},
	[OUTCOME_SHELL_REFUSED] = {
		"shell_refused",
		"The account must have a shell (sudo usermod -s /bin/sh USER), sessions must be allowed (MaxSessions), and a forced command must be the probe's."},
	[OUTCOME_READ_TIMEOUT] = {
		"read_timeout",
		"The probe did not end in time. Run it by hand (tribe_power_poller --help) to see which part is slow; tribe_power.node_timeout gives it longer."},
	[OUTCOME_CLOSED] = {
		"closed",
		"The node ended the connection. Its sshd log says why (sudo journalctl -u ssh): MaxStartups, a restart, out of memory?"},
	[OUTCOME_PROBE_FAILED] = {
		"probe_failed",
		"The login shell or /bin/sh failed on the node. Try: ssh -p PORT USER@ADDRESS 'exec /bin/sh -c \"echo ok\"'"},
	[OUTCOME_REPORT_INCOMPLETE] = {
		"report_incomplete",
		"The probe was cut short, or the login shell never ran it (nologin, a restricted shell, a forced command of another kind). Try: ssh -p PORT USER@ADDRESS 'exec /bin/sh -c \"echo ok\"'"},
	[OUTCOME_REPORT_GARBLED] = {
		"report_garbled",
		"What the node sent is not a report. Something prints into the session: look at the account's shell start files and the forced command in its authorized_keys."},
	[OUTCOME_REPORT_OVERSIZED] = {
		"report_oversized",
		"The node sent more than 64 KiB. Look at what its shell start files and tools print: ssh -p PORT USER@ADDRESS 'exec /bin/sh -c true' | wc -c"},
	[OUTCOME_ROUND_TIMEOUT] = {
		"round_timeout",
		"The round's time was up before this node's turn or answer: raise tribe_power.round_timeout or tribe_power.max_connections."},
	[OUTCOME_POLLER_ENDED] = {
		"poller_ended",
		"The node is asked again in the next round. If it happens again, look for tribe_power in the server's log."},
	[OUTCOME_SET_ASIDE] = {
		"set_aside",
		"This node ended the poller again and again and is left alone for an hour. See what runs on its port: ssh -v -p PORT USER@ADDRESS. To ask it now: SELECT * FROM tribe_power_collect('{NODE}'); if that shows poller_ended again, report it with the server's log."},
	[OUTCOME_INTERNAL] = {
		"internal",
		"This server ran short of memory or file descriptors. Look for tribe_power in its log; lower tribe_power.max_connections or raise tribe_power.poller_memory."},
};

static const char *const section_names[SECTION_COUNT] = {
	[SECTION_CLOCK] = "clock",
	[SECTION_RAPL] = "rapl",
	[SECTION_NVIDIA] = "nvidia",
	[SECTION_AMDGPU] = "amdgpu",
	[SECTION_INTEL_GPU] = "intel_gpu",
	[SECTION_CPU_TEMPERATURE] = "cpu_temperature",
	[SECTION_CPU_UTILIZATION] = "cpu_utilization",
	[SECTION_MEMORY] = "memory",
	[SECTION_POWERMETRICS] = "powermetrics",
	[SECTION_PLATFORM] = "platform",
};

static const char *const reason_names[REASON_COUNT] = {
	[REASON_NONE] = "none",
	[REASON_ABSENT] = "absent",
	[REASON_DENIED] = "denied",
	[REASON_ASLEEP] = "asleep",
	[REASON_STALE] = "stale",
	[REASON_TIMEOUT] = "timeout",
	[REASON_ERROR] = "error",
	[REASON_IMPLAUSIBLE] = "implausible",
	[REASON_AMBIGUOUS_WRAP] = "ambiguous_wrap",
	[REASON_INCOMPLETE] = "incomplete",
};

/*
 * What helps against a reason in general; a section with a better answer has
 * its own below.
 */
static const char *const general_remedies[REASON_COUNT] = {
	[REASON_NONE] = "",
	[REASON_ABSENT] = "The node has no such part. If that is right, set its node_type to 'auto'.",
	[REASON_DENIED] = "Let the login account read it: doc/nodes.md has the udev rule.",
	[REASON_ASLEEP] = "The part is powered down and draws next to nothing; it is not woken for a reading.",
	[REASON_STALE] = "The number is too old to be a reading. See whether what writes it still runs on the node.",
	[REASON_TIMEOUT] = "The source did not answer in time. Try it by hand on the node.",
	[REASON_ERROR] = "The source failed; its own words are in raw_data under sections. Try it by hand on the node.",
	[REASON_IMPLAUSIBLE] = "The raw value is kept in raw_data. If it is true after all, raise max_watts of the node in tribe_power_nodes.",
	[REASON_AMBIGUOUS_WRAP] = "The counter may have wrapped more than once between two readings. Poll more often: UPDATE tribe_power_nodes SET poll_interval = '1 minute' WHERE node_name = 'NODE';",
	[REASON_INCOMPLETE] = "Some of the parts gave no number; raw_data shows which.",
};

/* What prepares a node, from a shell at the hub. */
#define NODE_SETUP \
	"psql -XAtc \"SELECT tribe_power_node_setup('NODE')\" | ssh root@ADDRESS sh"

static const struct
{
	enum section section;
	enum problem_reason reason;
	const char *remedy;
}			remedies[] = {
	{SECTION_CLOCK, REASON_ABSENT, "The node has no /proc/uptime; is /proc mounted? Without its clock there is no power from counters."},
	{SECTION_CLOCK, REASON_ERROR, "The node's /proc/uptime makes no sense: cat /proc/uptime twice on the node, it must advance."},
	{SECTION_CLOCK, REASON_IMPLAUSIBLE, "The node was too busy to be timed within its short window. A longer tribe_power.sample_window helps; the next reading does not need it."},
	{SECTION_RAPL, REASON_DENIED, NODE_SETUP "  # opens the energy counters, which are root's, to the account's group"},
	{SECTION_RAPL, REASON_ABSENT, "On the node: sudo modprobe intel_rapl_msr (a line intel_rapl_msr in /etc/modules-load.d/rapl.conf keeps it). AMD needs Linux 5.11 or later. A virtual machine has no energy counters: set node_type to 'auto'."},
	{SECTION_RAPL, REASON_IMPLAUSIBLE, "The counter stood still or ran too fast to be true. Compare two readings on the node: sudo grep . /sys/class/powercap/intel-rapl:0/energy_uj; if they are true, raise max_watts."},
	{SECTION_RAPL, REASON_INCOMPLETE, "Not every CPU package could be read; all of them must be: ls -l /sys/class/powercap/*/energy_uj on the node."},
	{SECTION_NVIDIA, REASON_ABSENT, "Install the driver and nvidia-smi on the node (Debian: sudo apt install nvidia-driver nvidia-smi), or set its node_type to 'auto' or 'linux_intel'."},
	{SECTION_NVIDIA, REASON_DENIED, "Let the account use the GPU's device files: sudo usermod -aG video,render USER; ls -l /dev/nvidia*"},
	{SECTION_NVIDIA, REASON_TIMEOUT, "nvidia-smi hangs. On the node: sudo systemctl enable --now nvidia-persistenced; if it still hangs, the driver or the GPU needs a restart (sudo dmesg | grep -i xid)."},
	{SECTION_NVIDIA, REASON_ERROR, "Run nvidia-smi on the node. After a driver update a reboot helps (library mismatch); a lost GPU shows in: sudo dmesg | grep -i xid"},
	{SECTION_NVIDIA, REASON_INCOMPLETE, "At least one GPU gives no power: nvidia-smi --query-gpu=index,name,power.draw --format=csv on the node shows which."},
	{SECTION_AMDGPU, REASON_ABSENT, "The amdgpu driver shows no GPU: lsmod | grep amdgpu and lspci -k on the node. If there is none, set node_type to 'auto' or 'linux_intel'."},
	{SECTION_AMDGPU, REASON_INCOMPLETE, "The card offers neither power1_average nor power1_input: grep . /sys/class/drm/card*/device/hwmon/hwmon*/power1_* on the node; a newer kernel may know it."},
	{SECTION_INTEL_GPU, REASON_INCOMPLETE, "The card offers no energy counter: ls /sys/class/drm/card*/device/hwmon/hwmon*/energy1_input on the node; i915 needs Linux 6.2, xe needs 6.14."},
	{SECTION_INTEL_GPU, REASON_DENIED, "Let the account's group read the card's energy counter: sudo chgrp power /sys/class/drm/card*/device/hwmon/hwmon*/energy*_input; sudo chmod g+r the same files (in a udev rule, to keep it)."},
	{SECTION_CPU_TEMPERATURE, REASON_ABSENT, "Linux: sudo modprobe coretemp (AMD: k10temp). Apple silicon shows it only through other software: brew install macmon"},
	{SECTION_POWERMETRICS, REASON_ABSENT, "Needs powermetrics setup, once: psql -XAtc \"SELECT tribe_power_node_setup('NODE')\" | ssh USER@ADDRESS sudo sh (or on the Mac: brew install macmon)."},
	{SECTION_POWERMETRICS, REASON_STALE, "The powermetrics helper no longer writes. On the Mac: sudo launchctl kickstart -k system/org.tribe-power.powermetrics; its errors are in /var/log/tribe_power.log"},
	{SECTION_POWERMETRICS, REASON_ERROR, "The helper's file is no JSON with power in it (the older helper breaks on Intel Macs). Install ours: sudo sh examples/macos/install.sh"},
	{SECTION_POWERMETRICS, REASON_DENIED, "Make the helper's file readable, on the Mac: sudo chmod 644 /var/db/tribe_power/powermetrics.json"},
	{SECTION_POWERMETRICS, REASON_INCOMPLETE, "The helper's file lacks the GPU's or the CPU's power. Install ours: sudo sh examples/macos/install.sh"},
	{SECTION_MEMORY, REASON_ABSENT, "The node has no /proc/meminfo (or vm_stat); is /proc mounted?"},
	{SECTION_PLATFORM, REASON_DENIED, "Let a group read the BMC, on the node: echo 'KERNEL==\"ipmi*\", GROUP=\"power\", MODE=\"0660\"' | sudo tee /etc/udev/rules.d/71-ipmi.rules; sudo udevadm trigger"},
	{SECTION_PLATFORM, REASON_ERROR, "Try on the node: ipmitool dcmi power reading; upsc -l. Where the BMC offers no power, nothing is lost but this column."},
};

const char *
outcome_name(enum outcome outcome)
{
	if ((unsigned) outcome >= OUTCOME_COUNT)
		return "unknown";
	return outcomes[outcome].name;
}

const char *
outcome_remedy(enum outcome outcome)
{
	if ((unsigned) outcome >= OUTCOME_COUNT)
		return "";
	return outcomes[outcome].remedy;
}

const char *
section_name(enum section section)
{
	if ((unsigned) section >= SECTION_COUNT)
		return "unknown";
	return section_names[section];
}

const char *
problem_reason_name(enum problem_reason reason)
{
	if ((unsigned) reason >= REASON_COUNT)
		return "unknown";
	return reason_names[reason];
}

const char *
problem_remedy(enum section section, enum problem_reason reason)
{
	for (size_t i = 0; i < sizeof(remedies) / sizeof(remedies[0]); i++)
		if (remedies[i].section == section && remedies[i].reason == reason)
			return remedies[i].remedy;
	if ((unsigned) reason >= REASON_COUNT)
		return "";
	return general_remedies[reason];
}
