/*
 * test_probe.c: the probe in each shell, with tools that fail, and over a tree
 * of another machine's /sys (in a mount namespace, so only as root).
 */
#define _GNU_SOURCE
#include "reports.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "probe_script.h"

static char folder[] = "/tmp/test_probe.XXXXXX";
static char text[REPORT_MAX_TEXT + 1];
static char error[256];
static struct report report;

static const char *const shells[] = {
	"dash", "bash --posix", "bash", "busybox ash", "ARGV0=sh zsh",
};

static bool
have(const char *program)
{
	char		command[256];

	snprintf(command, sizeof(command), "command -v %s >/dev/null 2>&1", program);
	return system(command) == 0;
}

static void
put(const char *name, int mode, const char *content)
{
	char		path[512];
	FILE	   *file;

	snprintf(path, sizeof(path), "mkdir -p \"$(dirname %s/%s)\"", folder, name);
	assert_int_equal(system(path), 0);
	snprintf(path, sizeof(path), "%s/%s", folder, name);
	file = fopen(path, "w");
	assert_non_null(file);
	fputs(content, file);
	fclose(file);
	assert_int_equal(chmod(path, mode), 0);
}

static bool
exists(const char *name)
{
	char		path[512];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	return access(path, F_OK) == 0;
}

/* Runs a command line whose stdin is the script, as the hub sends it. */
static enum outcome
run_script(const char *script, size_t length, const char *command)
{
	char		line[1024];
	char		path[512];
	FILE	   *file;
	size_t		got;

	snprintf(path, sizeof(path), "%s/script", folder);
	file = fopen(path, "w");
	assert_non_null(file);
	assert_int_equal(fwrite(script, 1, length, file), length);
	fclose(file);
	/* through a pipe: no shell may seek in it */
	snprintf(line, sizeof(line), "cat %s | %s", path, command);
	file = popen(line, "r");
	assert_non_null(file);
	got = fread(text, 1, sizeof(text) - 1, file);
	text[got] = '\0';
	pclose(file);
	return report_parse(text, got, &report, error, sizeof(error));
}

static void
run(const char *command)
{
	static char script[65536];

	snprintf(script, sizeof(script), "TRIBE_POWER_WINDOW=0.2\n%s", probe_script);
	if (run_script(script, strlen(script), command) != OUTCOME_READ)
		fail_msg("%s: %s\n%s", command, error, text);
}

static int
set_up(void **state)
{
	if (mkdtemp(folder) == NULL)
		return -1;
	return 0;
}

static int
tear_down(void **state)
{
	char		command[128];

	snprintf(command, sizeof(command), "rm -rf %s", folder);
	return system(command);
}

/* --- shells ----------------------------------------------------------------- */

static void
test_every_shell(void **state)
{
	for (size_t i = 0; i < sizeof(shells) / sizeof(shells[0]); i++)
	{
		char		command[64];
		const char *program = strstr(shells[i], "zsh") ? "zsh" : shells[i];

		snprintf(command, sizeof(command), "%.*s", (int) strcspn(program, " "), program);
		if (!have(command))
			continue;
		/* zsh goes by the name it is called by */
		snprintf(command, sizeof(command), strstr(shells[i], "zsh") ? "env %s -c 'emulate sh; . /dev/stdin'" : "%s -s",
				 strstr(shells[i], "zsh") ? "zsh" : shells[i]);
		run(command);
		assert_int_equal(report.system, SYSTEM_LINUX);
		assert_true(report.clock[0].known && report.clock[1].known);
		assert_true(report.clock[1].before - report.clock[0].before >= 0.19);
		assert_true(report.cpu[0].known && report.cpu[1].known);
		assert_false(isnan(report.memory_used_bytes));
		assert_int_equal(report.unknown_lines, 0);
		assert_string_not_equal(report.boot_id, "");
	}
}

/* As an installed file, behind a forced command: stdin is nobody's. */
static void
test_installed_file(void **state)
{
	put("probe", 0755, probe_script);
	for (int i = 0; i < 2; i++)
	{
		char		command[256];

		snprintf(command, sizeof(command), "TRIBE_POWER_WINDOW='%s' sh %s/probe", i ? "1;exit 1" : "0.1", folder);
		assert_int_equal(run_script("exit 1\n", 7, command), OUTCOME_READ);
	}
}

/* A script that was cut on its way runs not at all. */
static void
test_cut_script(void **state)
{
	size_t		length = strlen(probe_script);

	for (size_t cut = 2; cut < length; cut += length / 40)
		assert_int_equal(run_script(probe_script, length - cut, "sh -s 2>/dev/null"),
						 OUTCOME_REPORT_INCOMPLETE);
}

/* --- tools that fail -------------------------------------------------------- */

static void
run_with_tools(void)
{
	char		command[256];

	snprintf(command, sizeof(command), "PATH=%s/bin:$PATH sh -s", folder);
	run(command);
}

/* A tool that cannot even be killed costs its section only. */
static void
test_wedged_tool(void **state)
{
	put("bin/timeout", 0755, "#!/bin/sh\nexec sleep 30\n");
	put("bin/nvidia-smi", 0755, "#!/bin/sh\n");
	put("bin/ipmitool", 0755, "#!/bin/sh\n");
	run_with_tools();
	assert_int_equal(report.sections[SECTION_NVIDIA].reason, REASON_TIMEOUT);
	assert_int_equal(report.sections[SECTION_PLATFORM].reason, REASON_TIMEOUT);
	assert_int_equal(report.sections[SECTION_MEMORY].reason, REASON_NONE);
	put("bin/timeout", 0755, "#!/bin/sh\nshift 3\nexec \"$@\"\n");
}

/* What a tool prints may hold anything: one line of it would cost the report. */
static void
test_tool_prints_rubbish(void **state)
{
	put("bin/nvidia-smi", 0755, "#!/bin/sh\nprintf '\\033[31mred\\nplain \\001 cut\\n\\n\\tx\\n%02000d\\n' 7; exit 9\n");
	put("bin/ipmitool", 0755, "#!/bin/sh\nprintf '    Instantaneous power reading:                   220 Watts\\r\\n'\n");
	put("bin/upsc", 0755, "#!/bin/sh\ncase $1 in -l) echo ups1; echo ups2;; ups1@localhost) echo 95;; *) exit 1;; esac\n");
	run_with_tools();
	assert_int_equal(report.sections[SECTION_NVIDIA].reason, REASON_ERROR);
	assert_string_equal(report.sections[SECTION_NVIDIA].detail, "plain ");
	assert_int_equal(report.platform_count, 2);
	assert_near(report.platform[0].value, 220, 0);
	assert_near(report.platform[1].value, 95, 0);
	put("bin/ipmitool", 0755, "#!/bin/sh\necho 'Could not open device at /dev/ipmi0'; exit 1\n");
	put("bin/upsc", 0755, "#!/bin/sh\nexit 1\n");
}

/* Without persistence mode the first sample is the wake-up: a later one wins. */
static void
test_persistence_off(void **state)
{
	put("bin/nvidia-smi", 0755, "#!/bin/sh\nline='0, GPU-1, T4, 00000000:01:00.0, Disabled,'\n"
		"case \"$*\" in\n*-lms*) echo \"$line 20.0, 40, 0, 0, 1\"; echo \"$line 9.5, 40, 0, 0, 1\" ;;\n"
		"*) echo \"$line 38.0, 40, 0, 0, 1\" ;;\nesac\n");
	run_with_tools();
	assert_int_equal(report.gpu_count, 1);
	assert_near(report.gpus[0].power_watts, 9.5, 0);
}

/* --- ends by itself --------------------------------------------------------- */

static pid_t
start_session(const char *path, int *out)
{
	int			pipes[2];
	char		file[512];
	pid_t		pid;

	snprintf(file, sizeof(file), "%s/probe", folder);
	assert_int_equal(pipe(pipes), 0);
	pid = fork();
	if (pid == 0)
	{
		setsid();
		dup2(pipes[1], 1);
		close(pipes[0]);
		close(pipes[1]);
		setenv("PATH", path, 1);
		execl("/bin/sh", "sh", file, (char *) NULL);
		_exit(127);
	}
	close(pipes[1]);
	*out = pipes[0];
	return pid;
}

static void
assert_group_ends(pid_t group)
{
	/* what is left is ours to wait for only as a group */
	for (int i = 0; i < 400; i++)
	{
		if (kill(-group, 0) != 0 && errno == ESRCH)
			return;
		usleep(50000);
	}
	kill(-group, SIGKILL);
	fail_msg("something is left running");
}

/* The hub goes away in the middle: nothing stays behind. */
static void
test_hub_goes_away(void **state)
{
	char		byte;
	int			out;
	pid_t		pid = start_session("/usr/bin:/bin", &out);

	assert_int_equal(read(out, &byte, 1), 1);
	close(out);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_group_ends(pid);
}

/* Anything that hangs in the script itself: the watchdog ends the whole. */
static void
test_watchdog(void **state)
{
	char		path[512];
	char		buffer[256];
	int			out;
	int			status;
	pid_t		pid;

	put("hang/uname", 0755, "#!/bin/sh\nexec sleep 100\n");
	put("hang/sleep", 0755, "#!/bin/sh\n[ $1 != 100 ] || exec /bin/sleep 100\nexec /bin/sleep 1\n");
	snprintf(path, sizeof(path), "%s/hang:/usr/bin:/bin", folder);
	pid = start_session(path, &out);
	while (read(out, buffer, sizeof(buffer)) > 0)
		;
	close(out);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	assert_group_ends(pid);
}

/* --- another machine's /sys ------------------------------------------------- */

static bool
have_namespace(void)
{
	return system("unshare -m true 2>/dev/null") == 0;
}

static void
run_in_tree(void)
{
	char		command[512];

	snprintf(command, sizeof(command),
			 "unshare -m sh -c 'mount --bind %s/class /sys/class && mount --bind %s/bus /sys/bus && "
			 "cd / && PATH=%s/bin:$PATH exec sh -s'", folder, folder, folder);
	run(command);
}

static const struct sensor *
temperature(const char *source, const char *label)
{
	for (int i = 0; i < report.temperature_count; i++)
		if (strcmp(report.temperatures[i].source, source) == 0 &&
			strcmp(report.temperatures[i].label, label) == 0)
			return &report.temperatures[i];
	return NULL;
}

static void
test_tree(void **state)
{
	if (!have_namespace())
		skip();
	put("class/powercap/intel-rapl/enabled", 0644, "1\n");
	put("class/powercap/intel-rapl:0/name", 0644, "package-0\n");
	put("class/powercap/intel-rapl:0/energy_uj", 0644, "123456\n");
	put("class/powercap/intel-rapl:0/max_energy_range_uj", 0644, "262143328850\n");
	put("class/powercap/intel-rapl:0:0/name", 0644, "dram\n");
	put("class/powercap/intel-rapl:0:0/energy_uj", 0644, "77\n");
	put("class/powercap/intel-rapl:1/name", 0644, "psys\n");
	put("class/powercap/dtpm:0/name", 0644, "dtpm\n");
	put("class/hwmon/hwmon0/name", 0644, "acpitz\n");
	put("class/hwmon/hwmon0/temp1_input", 0644, "8300\n");
	put("class/hwmon/hwmon1/name", 0644, "nvme\n");
	put("class/hwmon/hwmon1/temp1_input", 0644, "60000\n");
	put("class/hwmon/hwmon2/name", 0644, "coretemp\n");
	put("class/hwmon/hwmon2/temp1_label", 0644, "Package id 0\n");
	put("class/hwmon/hwmon2/temp1_input", 0644, "47000\n");
	put("class/hwmon/hwmon2/temp2_label", 0644, "Core 0\n");
	put("class/hwmon/hwmon2/temp2_input", 0644, "99000\n");
	/* a card with one power file, an APU, one that sleeps */
	put("class/hwmon/hwmon3/name", 0644, "amdgpu\n");
	put("class/hwmon/hwmon3/power1_input", 0644, "7000000\n");
	put("class/hwmon/hwmon3/power2_input", 0644, "9000000\n");
	put("class/hwmon/hwmon3/temp1_label", 0644, "edge\n");
	put("class/hwmon/hwmon3/temp1_input", 0644, "44000\n");
	put("class/hwmon/hwmon3/device/uevent", 0644, "DRIVER=amdgpu\nPCI_SLOT_NAME=0000:03:00.0\n");
	put("class/hwmon/hwmon3/device/gpu_busy_percent", 0644, "12\n");
	put("class/hwmon/hwmon4/name", 0644, "amdgpu\n");
	put("class/hwmon/hwmon4/power1_average", 0644, "25000000\n");
	put("class/hwmon/hwmon4/in1_label", 0644, "vddnb\n");
	put("class/hwmon/hwmon4/device/uevent", 0644, "PCI_SLOT_NAME=0000:0c:00.0\n");
	put("class/hwmon/hwmon5/name", 0644, "amdgpu\n");
	put("class/hwmon/hwmon5/power1_average", 0644, "3000000\n");
	put("class/hwmon/hwmon5/device/uevent", 0644, "PCI_SLOT_NAME=0000:05:00.0\n");
	put("class/hwmon/hwmon5/device/power/runtime_status", 0644, "suspended\n");
	put("class/hwmon/hwmon6/name", 0644, "i915\n");
	put("class/hwmon/hwmon6/energy1_input", 0644, "555\n");
	put("class/hwmon/hwmon6/device/uevent", 0644, "PCI_SLOT_NAME=0000:06:00.0\n");
	put("class/hwmon/hwmon7/name", 0644, "power_meter\n");
	put("class/hwmon/hwmon7/power1_average", 0644, "212000000\n");
	/* the same card by drm, one of nouveau's, one that only drm shows */
	put("class/drm/card0/device/vendor", 0644, "0x1002\n");
	put("class/drm/card0/device/uevent", 0644, "DRIVER=amdgpu\nPCI_SLOT_NAME=0000:03:00.0\n");
	put("class/drm/card0-HDMI-A-1/device/vendor", 0644, "0x1002\n");
	put("class/drm/card1/device/vendor", 0644, "0x10de\n");
	put("class/drm/card1/device/uevent", 0644, "DRIVER=nouveau\nPCI_SLOT_NAME=0000:07:00.0\n");
	put("class/drm/card2/device/vendor", 0644, "0x1002\n");
	put("class/drm/card2/device/uevent", 0644, "DRIVER=amdgpu\nPCI_SLOT_NAME=0000:08:00.0\n");
	put("class/drm/card2/device/hwmon/hwmon9/name", 0644, "amdgpu\n");
	put("class/drm/card2/device/hwmon/hwmon9/power1_average", 0644, "11000000\n");
	put("class/drm/card3/device/vendor", 0644, "0x1002\n");
	put("class/drm/card3/device/uevent", 0644, "DRIVER=radeon\nPCI_SLOT_NAME=0000:09:00.0\n");
	put("class/drm/card4/device/vendor", 0644, "0x8086\n");
	put("class/thermal/thermal_zone0/type", 0644, "iwlwifi_1\n");
	put("class/thermal/thermal_zone0/temp", 0644, "50000\n");
	put("class/thermal/thermal_zone1/type", 0644, "x86_pkg_temp\n");
	put("class/thermal/thermal_zone1/temp", 0644, "48000\n");
	put("class/power_supply/AC/type", 0644, "Mains\n");
	put("class/power_supply/BAT0/type", 0644, "Battery\n");
	put("class/power_supply/BAT0/status", 0644, "Discharging\n");
	put("class/power_supply/BAT0/power_now", 0644, "12500000\n");
	put("class/power_supply/mouse/type", 0644, "Battery\n");
	put("class/power_supply/mouse/scope", 0644, "Device\n");
	put("class/power_supply/mouse/status", 0644, "Discharging\n");
	put("class/power_supply/mouse/power_now", 0644, "1\n");
	/* two NVIDIA GPUs, one of them asleep: only the other may be asked */
	put("bus/pci/drivers/nvidia/0000:01:00.0/power/runtime_status", 0644, "active\n");
	put("bus/pci/drivers/nvidia/0000:02:00.0/power/runtime_status", 0644, "suspended\n");
	put("bin/nvidia-smi", 0755, "#!/bin/sh\ncase \"$*\" in\n*'-i 0000:01:00.0 '*)\n"
		"echo '0, GPU-1, T4, 00000000:01:00.0, Enabled, 21.5, 40, 3, 5, 15360' ;;\n"
		"*) : > ${0%/*}/woken ;;\nesac\n");
	run_in_tree();

	assert_int_equal(report.zone_count, 2);
	assert_string_equal(report.zones[0].path, "intel-rapl:0");
	assert_int_equal(report.zones[0].energy_uj[1], 123456);
	assert_int_equal(report.zones[0].range_uj, UINT64_C(262143328850));
	assert_int_equal(report.zones[1].range_uj, 0);
	assert_non_null(temperature("coretemp", "Package id 0"));
	assert_null(temperature("coretemp", "Core 0"));
	assert_non_null(temperature("acpitz", ""));
	assert_non_null(temperature("thermal", "x86_pkg_temp"));
	assert_null(temperature("thermal", "iwlwifi_1"));
	assert_int_equal(report.platform_count, 2);

	assert_false(exists("bin/woken"));
	assert_int_equal(report.gpu_count, 9);
	for (int i = 0; i < report.gpu_count; i++)
	{
		const struct gpu *gpu = &report.gpus[i];
		const char *id = gpu->bus_id;

		if (strcmp(id, "0000:01:00.0") == 0)
			assert_near(gpu->power_watts, 21.5, 0);
		else if (strcmp(id, "0000:02:00.0") == 0 || strcmp(id, "0000:05:00.0") == 0)
			assert_int_equal(gpu->reason, REASON_ASLEEP);
		else if (strcmp(id, "0000:03:00.0") == 0)
		{
			assert_near(gpu->power_watts, 7, 1e-9);
			assert_near(gpu->temperature_celsius, 44, 1e-9);
			assert_near(gpu->utilization_percent, 12, 0);
			assert_false(gpu->integrated);
		}
		else if (strcmp(id, "0000:0c:00.0") == 0)
			assert_true(gpu->integrated && gpu->power_watts == 25);
		else if (strcmp(id, "0000:06:00.0") == 0)
			assert_true(gpu->vendor == GPU_INTEL && gpu->has_energy && gpu->energy_uj[1] == 555);
		else if (strcmp(id, "0000:08:00.0") == 0)
			assert_near(gpu->power_watts, 11, 1e-9);
		else if (strcmp(id, "0000:07:00.0") == 0)
			assert_true(gpu->vendor == GPU_NVIDIA && gpu->reason == REASON_ABSENT);
		else
			assert_true(strcmp(id, "0000:09:00.0") == 0 && gpu->reason == REASON_ABSENT);
	}

	/* all asleep: nobody is asked at all */
	put("bus/pci/drivers/nvidia/0000:01:00.0/power/runtime_status", 0644, "suspended\n");
	put("bin/nvidia-smi", 0755, "#!/bin/sh\n: > ${0%/*}/woken\n");
	run_in_tree();
	assert_false(exists("bin/woken"));
	assert_int_equal(report.sections[SECTION_NVIDIA].reason, REASON_NONE);
}

/* Counters that are root's are denied, not 0. */
static void
test_denied(void **state)
{
	char		command[512];

	if (!have_namespace() || geteuid() != 0)
		skip();
	put("class/powercap/intel-rapl:0/energy_uj", 0400, "123456\n");
	snprintf(command, sizeof(command), "{ chmod -R go+rX %s; unshare -m sh -c 'chmod 400 %s/class/powercap/*/energy_uj; "
			 "mount --bind %s/class /sys/class && exec setpriv --reuid=nobody --regid=nogroup --clear-groups sh -s'; }",
			 folder, folder, folder);
	run(command);
	assert_int_equal(report.sections[SECTION_RAPL].reason, REASON_DENIED);
	assert_false(report.zones[0].known[0] || report.zones[0].known[1]);
}

/* --- other systems ---------------------------------------------------------- */

/* A Mac: helpers' files with tabs, CRs and many lines; macmon; 16 K pages. */
static void
test_mac(void **state)
{
	char		command[512];

	if (!have_namespace() || geteuid() != 0)
		skip();
	put("mac/uname", 0755, "#!/bin/sh\necho Darwin 23.1.0\n");
	put("mac/sysctl", 0755, "#!/bin/sh\ncase $2 in\nkern.bootsessionuuid) echo 9D2E-1 ;;\n"
		"kern.boottime) echo \"{ sec = $(($(date +%s) - 5000)), usec = 123456 } Wed Dec 13 09:33:20 2023\" ;;\n"
		"hw.memsize) echo 17179869184 ;;\nesac\n");
	put("mac/top", 0755, "#!/bin/sh\nprintf 'Processes: 400\\nCPU usage: 50.0%% user, 0%% sys, 50.0%% idle \\n\\n'\n"
		"printf 'CPU usage: 5.0%% user, 5.0%% sys, 90.0%% idle \\nPID\\n'\n");
	put("mac/vm_stat", 0755, "#!/bin/sh\nprintf 'Mach Virtual Memory Statistics: (page size of 16384 bytes)\\n"
		"Pages free:  5.\\nPages wired down:  100.\\nPages purgeable: 10.\\nAnonymous pages:   300.\\n"
		"Pages occupied by compressor:  50.\\n'\n");
	put("mac/stat", 0755, "#!/bin/sh\n[ \"$1 $2\" = '-f %m' ] && exec date -r \"$3\" +%s\n");
	put("mactmp/powermetrics.json", 0644, "{\r\n\t\"cpu_power\":\t954,\n\n  \"gpu_power\": 46,\r\n\t\"timestamp\": \"x\"\n}");
	snprintf(command, sizeof(command), "unshare -m sh -c 'mount --bind %s/mac /mnt && "
			 "mount --bind %s/mactmp /tmp && PATH=/mnt:$PATH exec sh -s'", folder, folder);
	run(command);
	assert_int_equal(report.system, SYSTEM_MACOS);
	assert_string_equal(report.boot_id, "9D2E-1");
	assert_true(report.clock[1].known && report.clock[1].after >= 5000 && report.clock[1].after < 6000);
	assert_near(report.cpu_utilization_percent, 10, 1e-9);
	assert_near(report.memory_used_bytes, 440 * 16384.0, 0);
	assert_near(report.powermetrics_cpu_watts, 0.954, 1e-9);
	assert_near(report.powermetrics_gpu_watts, 0.046, 1e-9);
	assert_true(report.powermetrics_age_seconds >= 0 && report.powermetrics_age_seconds < 600);

	/* a FIFO in its place must not hold us up */
	snprintf(command, sizeof(command), "cd %s/mactmp && rm powermetrics.json && mkfifo powermetrics.json", folder);
	assert_int_equal(system(command), 0);
	put("mac/macmon", 0755, "#!/bin/sh\necho '{\"cpu_power\": 0.25, \"gpu_power\": 0.5, \"all_power\": 0.8}'\necho more\n");
	snprintf(command, sizeof(command), "unshare -m sh -c 'mount --bind %s/mac /mnt && "
			 "mount --bind %s/mactmp /tmp && PATH=/mnt:$PATH exec sh -s'", folder, folder);
	run(command);
	assert_string_equal(report.powermetrics_source, "macmon");
	assert_near(report.powermetrics_combined_watts, 0.8, 0);
}

static void
test_freebsd(void **state)
{
	put("bsd/uname", 0755, "#!/bin/sh\necho FreeBSD 14.0-RELEASE\n");
	put("bsd/sysctl", 0755, "#!/bin/sh\ncase $2 in\nkern.boottime) echo '{ sec = 1702460000, usec = 1 } Wed' ;;\n"
		"kern.cp_time) echo 10 20 30 40 50 ;;\nhw.physmem) echo 8192000 ;;\nhw.pagesize) echo 4096 ;;\n"
		"vm.stats.vm.v_free_count) echo 500 ;;\nvm.stats.vm.v_inactive_count) echo 500 ;;\n"
		"dev.cpu.0.temperature) echo 45.5C ;;\nesac\n");
	char		command[256];

	snprintf(command, sizeof(command), "PATH=%s/bsd:$PATH sh -s", folder);
	run(command);
	assert_int_equal(report.system, SYSTEM_FREEBSD);
	assert_int_equal(report.cpu[1].irq, 40);
	assert_int_equal(report.cpu[1].idle, 50);
	assert_near(report.memory_used_bytes, 8192000 - 4096000.0, 0);
	assert_near(report.temperatures[0].value, 45.5, 0);

	/* nothing at all is no error either */
	put("bsd/sysctl", 0755, "#!/bin/sh\nexit 1\n");
	run(command);
	assert_false(report.clock[1].known);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_shell),
		cmocka_unit_test(test_installed_file),
		cmocka_unit_test(test_cut_script),
		cmocka_unit_test(test_wedged_tool),
		cmocka_unit_test(test_tool_prints_rubbish),
		cmocka_unit_test(test_persistence_off),
		cmocka_unit_test(test_hub_goes_away),
		cmocka_unit_test(test_watchdog),
		cmocka_unit_test(test_tree),
		cmocka_unit_test(test_denied),
		cmocka_unit_test(test_mac),
		cmocka_unit_test(test_freebsd),
	};

	return cmocka_run_group_tests_name("probe", tests, set_up, tear_down);
}
