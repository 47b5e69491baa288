/*
 * test_power.c: time, totals, reasons, and what is remembered.  Counters and
 * wraps are in test_power_rapl.c, GPUs and Macs in test_power_gpu.c.
 */
#include "power_rig.h"

static struct rig rig;

/* --- time ------------------------------------------------------------------- */

static void
test_first_reading_is_its_window(void **state)
{
	rig_init(&rig, NODE_LINUX_INTEL);
	rig_at(&rig, "b", 1000);
	rig_package(&rig, 5000000000, 42);
	rig_read(&rig);
	assert_true(rig.newer);
	assert_false(rig.reading.rebooted);
	assert_near(rig.reading.cpu_power_watts, 42, 1e-6);
	assert_near(rig.reading.total_power_watts, 42, 1e-6);
	assert_near(rig.reading.interval_seconds, 1, 1e-9);
	assert_near(rig.reading.energy_joules, 42, 1e-6);
	assert_int_equal(rig.reading.energy_quality, ENERGY_WINDOW);
	assert_near(rig.reading.cpu_utilization, 50, 1e-9);
	assert_near(rig.reading.cpu_temp_celsius, 45, 0);
	assert_near(rig.reading.memory_used_gib, 1, 0);
	assert_near(rig.reading.memory_total_gib, 4, 0);
	assert_int_equal(rig.reading.problem_count, 0);
	assert_string_equal(rig.summary, "42.0W");
	assert_true(rig.state.known);
	assert_near(rig.state.uptime, 1000, 0);
}

/* Watts are a mean since the previous reading, not the window's moment. */
static void
test_next_reading_is_the_interval(void **state)
{
	rig_init(&rig, NODE_AUTO);
	rig_at(&rig, "b", 1000);
	rig_package(&rig, 5000000000, 42);
	rig_read(&rig);
	rig_at(&rig, "b", 1300);
	rig_package(&rig, 5000000000 + UINT64_C(20000) * 1000000, 150);
	rig.report.cpu[1].user += 300;
	rig.report.cpu[1].idle += 900;
	rig_read(&rig);
	assert_near(rig.reading.interval_seconds, 300, 1e-9);
	assert_near(rig.reading.energy_joules, 20000, 1e-6);
	assert_near(rig.reading.cpu_power_watts, 20000 / 300.0, 1e-6);
	assert_int_equal(rig.reading.energy_quality, ENERGY_COUNTER);
	assert_near(rig.reading.cpu_utilization, 25, 1e-9);
}

/* A reboot is never a wrap: no energy is invented over the hole. */
static void
test_reboot(void **state)
{
	rig_init(&rig, NODE_AUTO);
	rig_at(&rig, "b", 1000);
	rig_package(&rig, 200000000000, 42);
	rig_read(&rig);
	rig_at(&rig, "c", 1300);
	rig_package(&rig, 1000000000, 40);
	rig_read(&rig);
	assert_true(rig.reading.rebooted);
	assert_true(rig.newer);
	assert_near(rig.reading.interval_seconds, 1, 1e-9);
	assert_near(rig.reading.energy_joules, 40, 1e-6);
	assert_int_equal(rig.reading.energy_quality, ENERGY_WINDOW);

	/* without boot ids the uptime tells */
	rig_at(&rig, "", 2000);
	rig_package(&rig, 200000000000, 42);
	rig_read(&rig);
	rig_at(&rig, "", 50);
	rig_package(&rig, 1000000, 30);
	rig_read(&rig);
	assert_true(rig.reading.rebooted);
	assert_near(rig.reading.energy_joules, 30, 1e-6);
	rig_at(&rig, "", 350);
	rig_package(&rig, 9001000000, 30);
	rig_read(&rig);
	assert_false(rig.reading.rebooted);
	assert_near(rig.reading.energy_joules, 9000, 1e-6);
}

/* Two rounds at once: the older reading adds nothing and is not remembered. */
static void
test_older_reading_adds_no_energy(void **state)
{
	rig_init(&rig, NODE_AUTO);
	rig_at(&rig, "b", 1000);
	rig_package(&rig, 5000000000, 42);
	rig_read(&rig);
	for (int i = 0; i < 3; i++)
	{
		static const double uptimes[] = {999, 1000, 1000.02};

		rig_at(&rig, "b", uptimes[i]);
		rig_package(&rig, 4990000000, 42);
		rig_read(&rig);
		assert_false(rig.newer);
		assert_false(rig.reading.rebooted);
		assert_unknown(rig.reading.energy_joules);
		assert_int_equal(rig.reading.energy_quality, ENERGY_UNKNOWN);
		assert_near(rig.reading.cpu_power_watts, 42, 1e-6);
		assert_near(rig.state.uptime, 1000, 0);
		assert_int_equal(rig.state.zones[0].energy_uj, 5000000000);
	}
	/* without ids, a moment back is no reboot either */
	rig_init(&rig, NODE_AUTO);
	rig_at(&rig, "", 1000);
	rig_package(&rig, 5000000000, 42);
	rig_read(&rig);
	rig_at(&rig, "", 999.95);
	rig_package(&rig, 4999000000, 42);
	rig_read(&rig);
	assert_false(rig.newer);
}

/* Two collects in the same second: joules by the counter, watts by the window. */
static void
test_brief_interval(void **state)
{
	rig_init(&rig, NODE_AUTO);
	rig_at(&rig, "b", 1000);
	rig_package(&rig, 5000000000, 42);
	rig_read(&rig);
	rig_at(&rig, "b", 1000.2);
	rig_package(&rig, 5009000000, 44);
	rig_read(&rig);
	assert_true(rig.newer);
	assert_near(rig.reading.energy_joules, 9, 1e-6);
	assert_near(rig.reading.cpu_power_watts, 44, 1e-6);
	assert_int_equal(rig.reading.energy_quality, ENERGY_COUNTER);
	/* where the window is not known, the interval must do */
	rig_at(&rig, "b", 1000.7);
	rig_package(&rig, 5030000000, 44)->known[0] = false;
	rig_read(&rig);
	assert_near(rig.reading.cpu_power_watts, 42, 1e-6);
	assert_near(rig.reading.energy_joules, 21, 1e-6);
}

/* However often a node is read, each joule counts once. */
static void
test_sums_conserve(void **state)
{
	double		sum = 0;
	double		uptime = 1000;
	uint64_t	start = 5000000000;
	double		joules = 0;

	srand(7);
	rig_init(&rig, NODE_AUTO);
	for (int i = 0; i < 500; i++)
	{
		rig_at(&rig, "b", uptime);
		rig_package(&rig, start + (uint64_t) (joules * 1e6), 60);
		rig_read(&rig);
		if (i > 0 && rig.newer)
			sum += rig.reading.energy_joules;
		if (i == 499)
			break;
		switch (rand() % 3)
		{
			case 0:
				uptime += 0.01;
				joules += 0.6;
				break;
			case 1:
				uptime += 0.3;
				joules += 18;
				break;
			default:
				uptime += 300;
				joules += 300 * 60;
				break;
		}
	}
	/* the last ones may still wait for the next reading that is later */
	assert_near(sum, joules, 25);
}

static void
test_clock_unknown(void **state)
{
	rig_init(&rig, NODE_LINUX_INTEL);
	rig_at(&rig, "b", 1000);
	rig_package(&rig, 5000000000, 42);
	rig_read(&rig);
	/* nothing to divide by, nothing to remember */
	rig_at(&rig, "b", 1300);
	rig_package(&rig, 6000000000, 42);
	rig.report.clock[1].known = false;
	rig_read(&rig);
	assert_unknown(rig.reading.cpu_power_watts);
	assert_unknown(rig.reading.energy_joules);
	assert_unknown(rig.reading.total_power_watts);
	assert_int_equal(rig_problem(&rig, SECTION_CLOCK), REASON_ABSENT);
	assert_int_equal(rig_problem(&rig, SECTION_RAPL), REASON_NONE);
	assert_near(rig.state.uptime, 1000, 0);
	assert_string_equal(rig.summary, "N/A (clock: absent)");
	/* the joules are still there at the next reading */
	rig_at(&rig, "b", 1600);
	rig_package(&rig, 23000000000, 42);
	rig_read(&rig);
	assert_near(rig.reading.energy_joules, 18000, 1e-6);
}

/* A clock that makes no sense is none. */
static void
test_clock_insane(void **state)
{
	static const struct clock_mark insane[] = {
		{true, -5, 5}, {true, 10, 9}, {true, NAN, 5}, {true, 5, NAN}, {true, 1, 1e13}
	};

	for (size_t i = 0; i < sizeof(insane) / sizeof(insane[0]); i++)
	{
		rig_init(&rig, NODE_LINUX_INTEL);
		rig_at(&rig, "b", 1000);
		rig_package(&rig, 5000000000, 42);
		rig.report.clock[1] = insane[i];
		rig_read(&rig);
		assert_unknown(rig.reading.cpu_power_watts);
		assert_int_equal(rig_problem(&rig, SECTION_CLOCK), REASON_ERROR);
		assert_false(rig.state.known);
	}
}

/* On a busy node the window's length is in doubt: watts would be a guess. */
static void
test_window_in_doubt(void **state)
{
	rig_init(&rig, NODE_AUTO);
	rig_at(&rig, "b", 1000);
	rig_package(&rig, 5000000000, 42);
	rig.report.clock[0].after += 0.4;
	rig_read(&rig);
	assert_unknown(rig.reading.total_power_watts);
	assert_int_equal(rig_problem(&rig, SECTION_CLOCK), REASON_IMPLAUSIBLE);
	assert_true(rig.state.known);
	/* over the interval it does not matter */
	rig_at(&rig, "b", 1300);
	rig_package(&rig, 5000000000 + UINT64_C(12600000000), 42);
	rig.report.clock[0].after += 0.4;
	rig_read(&rig);
	assert_near(rig.reading.total_power_watts, 42, 1e-6);
	assert_int_equal(rig.reading.problem_count, 0);
	/* only one end, or both the same */
	rig_init(&rig, NODE_AUTO);
	rig_at(&rig, "b", 1000);
	rig_package(&rig, 5000000000, 42);
	rig.report.clock[0].known = false;
	rig_read(&rig);
	assert_int_equal(rig_problem(&rig, SECTION_CLOCK), REASON_INCOMPLETE);
	rig_init(&rig, NODE_AUTO);
	rig_at(&rig, "b", 1000);
	rig_package(&rig, 5000000000, 42);
	rig.report.clock[0] = rig.report.clock[1];
	rig_read(&rig);
	assert_int_equal(rig_problem(&rig, SECTION_CLOCK), REASON_IMPLAUSIBLE);
}

/* --- utilisation ------------------------------------------------------------ */

/* iowait may decrease; guest is inside user; no time is no utilisation. */
static void
test_utilization(void **state)
{
	rig_init(&rig, NODE_LINUX_INTEL);
	rig_at(&rig, "b", 1000);
	rig.report.cpu[0] = (struct cpu_times) {true, 100, 10, 50, 1000, 500, 5, 5, 5};
	rig.report.cpu[1] = (struct cpu_times) {true, 130, 10, 60, 1050, 400, 5, 15, 5};
	rig_read(&rig);
	assert_near(rig.reading.cpu_utilization, 50, 1e-9);

	rig_init(&rig, NODE_LINUX_INTEL);
	rig_at(&rig, "b", 1000);
	rig.report.cpu[1] = rig.report.cpu[0];
	rig_read(&rig);
	assert_unknown(rig.reading.cpu_utilization);
	assert_int_equal(rig_problem(&rig, SECTION_CPU_UTILIZATION), REASON_ERROR);

	rig_at(&rig, "b", 1300);
	rig.report.cpu[1].known = false;
	rig_read(&rig);
	assert_int_equal(rig_problem(&rig, SECTION_CPU_UTILIZATION), REASON_ABSENT);
	rig_at(&rig, "b", 1600);
	rig.report.cpu[1].known = false;
	rig.report.sections[SECTION_CPU_UTILIZATION].reason = REASON_ERROR;
	rig_read(&rig);
	assert_int_equal(rig_problem(&rig, SECTION_CPU_UTILIZATION), REASON_ERROR);
	/* the previous one had none: the window it is */
	rig_at(&rig, "b", 1900);
	rig_read(&rig);
	assert_near(rig.reading.cpu_utilization, 50, 1e-9);
	/* only the end is known, and the previous reading */
	rig_at(&rig, "b", 2200);
	rig.report.cpu[0].known = false;
	rig.report.cpu[1].idle += 300;
	rig.report.cpu[1].user += 100;
	rig_read(&rig);
	assert_near(rig.reading.cpu_utilization, 25, 1e-9);
	rig_init(&rig, NODE_AUTO);
	rig_at(&rig, "b", 2200);
	rig.report.cpu[0].known = false;
	rig_read(&rig);
	assert_unknown(rig.reading.cpu_utilization);
	/* a tool's own figure, if it can be one */
	rig_at(&rig, "b", 2500);
	rig.report.cpu[1].known = false;
	rig.report.cpu_utilization_percent = 17;
	rig_read(&rig);
	assert_near(rig.reading.cpu_utilization, 17, 0);
	rig.report.cpu_utilization_percent = 101;
	rig_read(&rig);
	assert_unknown(rig.reading.cpu_utilization);
}

/* --- memory ----------------------------------------------------------------- */

static void
test_memory(void **state)
{
	rig_init(&rig, NODE_LINUX_INTEL);
	rig_at(&rig, "b", 1000);
	rig.report.memory_used_bytes = 5e9;	/* more than there is */
	rig_read(&rig);
	assert_unknown(rig.reading.memory_used_gib);
	assert_near(rig.reading.memory_total_gib, 4, 0);
	assert_int_equal(rig_problem(&rig, SECTION_MEMORY), REASON_ERROR);
	rig.report.memory_used_bytes = -1;
	rig_read(&rig);
	assert_unknown(rig.reading.memory_used_gib);
	rig.report.memory_total_bytes = 1e19;
	rig_read(&rig);
	assert_unknown(rig.reading.memory_total_gib);
	rig.report.memory_total_bytes = NAN;
	rig_read(&rig);
	assert_int_equal(rig_problem(&rig, SECTION_MEMORY), REASON_ABSENT);
	rig.report.sections[SECTION_MEMORY].reason = REASON_DENIED;
	rig_read(&rig);
	assert_int_equal(rig_problem(&rig, SECTION_MEMORY), REASON_DENIED);
}

/* --- temperature ------------------------------------------------------------ */

static double
temperature(const char *const *sensors, const double *values)
{
	rig_init(&rig, NODE_LINUX_INTEL);
	rig_at(&rig, "b", 1000);
	rig.report.temperature_count = 0;
	for (int i = 0; sensors[2 * i] != NULL; i++)
	{
		struct sensor *sensor = &rig.report.temperatures[rig.report.temperature_count++];

		strcpy(sensor->source, sensors[2 * i]);
		strcpy(sensor->label, sensors[2 * i + 1]);
		sensor->value = values[i];
	}
	rig_read(&rig);
	return rig.reading.cpu_temp_celsius;
}

/* hwmon's order changes at every boot: only names count. */
static void
test_temperature_by_the_right_sensor(void **state)
{
	static const char *const two_sockets[] = {"acpitz", "", "coretemp", "Package id 0",
	"coretemp", "Core 3", "coretemp", "Physical id 1", NULL, NULL};
	static const char *const cores[] = {"thermal", "x86_pkg_temp", "coretemp", "Core 0", "coretemp", "Core 1", NULL, NULL};
	static const char *const ryzen[] = {"amdgpu", "junction", "k10temp", "Tctl", "k10temp", "Tdie", "k10temp", "Tccd1", NULL, NULL};
	static const char *const tctl[] = {"k10temp", "Tccd1", "zenpower", "Tctl", "nvme", "Composite", NULL, NULL};
	static const char *const old_amd[] = {"k10temp", "", "acpitz", "", NULL, NULL};
	static const char *const pi[] = {"acpitz", "", "cpu_thermal", "", NULL, NULL};
	static const char *const arm[] = {"thermal", "soc-thermal", "thermal", "cpu-thermal", NULL, NULL};
	static const char *const soc[] = {"thermal", "acpitz", "thermal", "soc_thermal", NULL, NULL};
	static const char *const mac[] = {"acpitz", "", "macmon", "cpu", NULL, NULL};
	static const char *const bsd[] = {"sysctl", "", NULL, NULL};
	static const char *const acpi[] = {"thermal", "acpitz", NULL, NULL};
	static const char *const other[] = {"nvme", "Composite", "thermal", "iwlwifi_1", NULL, NULL};
	static const double values[] = {50, 60, 70, 65};

	assert_near(temperature(two_sockets, values), 65, 0);
	assert_near(temperature(cores, values), 70, 0);
	assert_near(temperature(ryzen, values), 70, 0);
	assert_near(temperature(tctl, values), 60, 0);
	assert_near(temperature(old_amd, values), 50, 0);
	assert_near(temperature(pi, values), 60, 0);
	assert_near(temperature(arm, values), 60, 0);
	assert_near(temperature(soc, values), 60, 0);
	assert_near(temperature(mac, values), 60, 0);
	assert_near(temperature(bsd, values), 50, 0);
	assert_near(temperature(acpi, values), 50, 0);
	assert_unknown(temperature(other, values));
	assert_int_equal(rig_problem(&rig, SECTION_CPU_TEMPERATURE), REASON_ABSENT);
}

/* -44 and 8.3 occur on acpitz, a stray 120 and more on boards. */
static void
test_temperature_sentinels(void **state)
{
	static const char *const sensors[] = {"coretemp", "Package id 0", "acpitz", "", NULL, NULL};
	static const double odd[] = {-44, 127.5};
	static const double one[] = {-44, 27.8};

	assert_unknown(temperature(sensors, odd));
	assert_int_equal(rig_problem(&rig, SECTION_CPU_TEMPERATURE), REASON_IMPLAUSIBLE);
	assert_near(temperature(sensors, one), 27.8, 0);
	rig.report.temperature_count = 0;
	rig.report.sections[SECTION_CPU_TEMPERATURE].reason = REASON_DENIED;
	rig_read(&rig);
	assert_int_equal(rig_problem(&rig, SECTION_CPU_TEMPERATURE), REASON_DENIED);
}

/* --- what a type promises --------------------------------------------------- */

/* With auto, what a machine does not have is no problem. */
static void
test_virtual_machine(void **state)
{
	rig_init(&rig, NODE_AUTO);
	rig_at(&rig, "b", 1000);
	rig.report.temperature_count = 0;
	rig_read(&rig);
	assert_int_equal(rig.reading.problem_count, 0);
	assert_unknown(rig.reading.total_power_watts);
	assert_unknown(rig.reading.energy_joules);
	assert_near(rig.reading.cpu_utilization, 50, 1e-9);
	assert_string_equal(rig.summary, "N/A (no power source)");

	rig_init(&rig, NODE_LINUX_INTEL);
	rig_at(&rig, "b", 1000);
	rig.report.temperature_count = 0;
	rig_read(&rig);
	assert_int_equal(rig_problem(&rig, SECTION_RAPL), REASON_ABSENT);
	assert_int_equal(rig_problem(&rig, SECTION_CPU_TEMPERATURE), REASON_ABSENT);
	assert_string_equal(rig.summary, "N/A (rapl: absent)");
}

static void
test_freebsd(void **state)
{
	rig_init(&rig, NODE_AUTO);
	rig_at(&rig, "", 1000);
	rig.report.system = SYSTEM_FREEBSD;
	rig.report.temperature_count = 0;
	rig.report.clock[0].known = rig.report.clock[1].known = false;
	rig_read(&rig);
	assert_int_equal(rig.reading.problem_count, 0);
	assert_near(rig.reading.cpu_utilization, 50, 1e-9);
	assert_near(rig.reading.memory_used_gib, 1, 0);
}

/* The counters are there and closed: the CPU's power is unknown, not 0, and
 * the GPU's alone does not pass for the node's. */
static void
test_denied_makes_total_unknown(void **state)
{
	rig_init(&rig, NODE_AUTO);
	rig_at(&rig, "b", 1000);
	rig_package(&rig, 5, 0);
	rig.report.zones[0].known[0] = rig.report.zones[0].known[1] = false;
	rig.report.sections[SECTION_RAPL].reason = REASON_DENIED;
	rig_gpu(&rig, GPU_NVIDIA, "GPU-1", 30);
	rig_read(&rig);
	assert_unknown(rig.reading.cpu_power_watts);
	assert_near(rig.reading.gpu_power_watts, 30, 0);
	assert_unknown(rig.reading.total_power_watts);
	assert_unknown(rig.reading.energy_joules);
	assert_int_equal(rig_problem(&rig, SECTION_RAPL), REASON_DENIED);
	assert_string_equal(rig.summary, "N/A (rapl: denied)");
}

/* The spec's "or 0" turns a broken nvidia-smi into a saving. */
static void
test_expected_gpu_is_missing(void **state)
{
	static const enum node_type types[] = {NODE_LINUX_NVIDIA, NODE_LINUX_AMD};
	static const enum section sections[] = {SECTION_NVIDIA, SECTION_AMDGPU};

	for (int i = 0; i < 2; i++)
	{
		rig_init(&rig, types[i]);
		rig_at(&rig, "b", 1000);
		rig_package(&rig, 5000000000, 42);
		rig_read(&rig);
		assert_near(rig.reading.cpu_power_watts, 42, 1e-6);
		assert_unknown(rig.reading.total_power_watts);
		assert_int_equal(rig_problem(&rig, sections[i]), REASON_ABSENT);
		/* nor does a report that says nothing about it pass */
		rig.report.sections[sections[i]].reason = REASON_NONE;
		rig_read(&rig);
		assert_unknown(rig.reading.total_power_watts);
		assert_int_equal(rig_problem(&rig, sections[i]), REASON_ABSENT);
	}
	rig_init(&rig, NODE_AUTO);
	rig_at(&rig, "b", 1000);
	rig_package(&rig, 5000000000, 42);
	rig.report.sections[SECTION_NVIDIA].reason = REASON_TIMEOUT;
	rig_read(&rig);
	assert_unknown(rig.reading.total_power_watts);
	assert_int_equal(rig_problem(&rig, SECTION_NVIDIA), REASON_TIMEOUT);
}

static void
test_total_above_the_ceiling(void **state)
{
	static const enum gpu_vendor vendors[] = {GPU_NVIDIA, GPU_AMD, GPU_INTEL};
	static const enum section sections[] = {SECTION_NVIDIA, SECTION_AMDGPU, SECTION_INTEL_GPU};

	for (int i = 0; i < 3; i++)
	{
		rig_init(&rig, NODE_AUTO);
		rig.context.max_watts = 200;
		rig_at(&rig, "b", 1000);
		rig_package(&rig, 5000000000, 90);
		rig_gpu(&rig, vendors[i], "g", 150);
		if (vendors[i] == GPU_INTEL)
		{
			rig.report.gpus[0].has_energy = true;
			rig.report.gpus[0].energy_uj[1] = 150000000;
		}
		rig_read(&rig);
		assert_near(rig.reading.gpu_power_watts, 150, 1e-6);
		assert_unknown(rig.reading.total_power_watts);
		assert_int_equal(rig_problem(&rig, sections[i]), REASON_IMPLAUSIBLE);
	}
	rig_init(&rig, NODE_AUTO);
	rig.context.max_watts = 200;
	rig_at(&rig, "b", 1000);
	rig_package(&rig, 5000000000, 150);
	rig_gpu(&rig, GPU_NVIDIA, "g", 90);
	rig_read(&rig);
	assert_int_equal(rig_problem(&rig, SECTION_RAPL), REASON_IMPLAUSIBLE);
	rig.context.max_watts = 2500;
	rig_read(&rig);
	assert_near(rig.reading.total_power_watts, 240, 1e-6);
	assert_string_equal(rig.summary, "240.0W (GPU: 90.0W)");
}

/* --- whole machine ---------------------------------------------------------- */

static void
add_platform(const char *source, double watts)
{
	struct sensor *sensor = &rig.report.platform[rig.report.platform_count++];

	strcpy(sensor->source, source);
	sensor->value = watts;
	rig.report.sections[SECTION_PLATFORM].reason = REASON_NONE;
}

/* A column of its own: never added, best source first, sentinels not believed. */
static void
test_platform(void **state)
{
	rig_init(&rig, NODE_AUTO);
	rig_at(&rig, "b", 1000);
	rig_package(&rig, 5000000000, 42);
	rig_zone(&rig, "intel-rapl:1", "psys", RANGE, 9000000000, 70);
	rig_read(&rig);
	assert_near(rig.reading.platform_power_watts, 70, 1e-6);
	assert_near(rig.reading.cpu_power_watts, 42, 1e-6);
	assert_near(rig.reading.total_power_watts, 42, 1e-6);
	assert_near(rig.reading.energy_joules, 42, 1e-6);

	add_platform("nut", 300);
	rig_read(&rig);
	assert_near(rig.reading.platform_power_watts, 70, 1e-6);
	add_platform("battery", 12);
	add_platform("battery", 8);
	rig_read(&rig);
	assert_near(rig.reading.platform_power_watts, 20, 1e-6);
	add_platform("power_meter", 110);
	add_platform("power_meter", 112);
	add_platform("power_meter", 111);
	rig_read(&rig);
	assert_near(rig.reading.platform_power_watts, 112, 1e-6);
	add_platform("ipmi_dcmi", 0);
	add_platform("ipmi_dcmi", 65535);
	add_platform("guess", 1);
	rig_read(&rig);
	assert_near(rig.reading.platform_power_watts, 112, 1e-6);
	add_platform("ipmi_dcmi", 120);
	rig_read(&rig);
	assert_near(rig.reading.platform_power_watts, 120, 1e-6);

	rig_init(&rig, NODE_AUTO);
	rig_at(&rig, "b", 1000);
	add_platform("power_meter", 0);
	rig_read(&rig);
	assert_unknown(rig.reading.platform_power_watts);
	assert_int_equal(rig_problem(&rig, SECTION_PLATFORM), REASON_IMPLAUSIBLE);
	rig.report.platform_count = 0;
	rig.report.sections[SECTION_PLATFORM].reason = REASON_TIMEOUT;
	rig_read(&rig);
	assert_int_equal(rig_problem(&rig, SECTION_PLATFORM), REASON_TIMEOUT);
	/* a BMC that is root's is nobody's problem: no total needs it */
	rig.report.sections[SECTION_PLATFORM].reason = REASON_DENIED;
	rig_read(&rig);
	assert_int_equal(rig_problem(&rig, SECTION_PLATFORM), REASON_NONE);
	rig.context.max_watts = 100;
	add_platform("power_meter", 101);
	rig_read(&rig);
	assert_unknown(rig.reading.platform_power_watts);
	rig.report.sections[SECTION_PLATFORM].reason = REASON_NONE;
	rig.report.platform_count = 0;
	rig_read(&rig);
	assert_int_equal(rig.reading.problem_count, 0);
}

/* --- summary ---------------------------------------------------------------- */

static void
test_summaries(void **state)
{
	struct reading reading;
	char		text[64];

	memset(&reading, 0, sizeof(reading));
	reading.total_power_watts = 45.2;
	reading.gpu_power_watts = NAN;
	reading_summary(&reading, NODE_LINUX_INTEL, text, sizeof(text));
	assert_string_equal(text, "45.2W");
	reading.total_power_watts = 65.8;
	reading.gpu_power_watts = 10.8;
	reading_summary(&reading, NODE_LINUX_NVIDIA, text, sizeof(text));
	assert_string_equal(text, "65.8W (GPU: 10.8W)");

	reading.total_power_watts = NAN;
	reading.problem_count = 1;
	reading.problems[0] = (struct problem) {SECTION_POWERMETRICS, REASON_ABSENT};
	reading_summary(&reading, NODE_MACOS, text, sizeof(text));
	assert_string_equal(text, "N/A (needs powermetrics setup)");
	reading.problems[0].reason = REASON_STALE;
	reading_summary(&reading, NODE_MACOS, text, sizeof(text));
	assert_string_equal(text, "N/A (powermetrics: stale)");

	/* what takes the power away is named before what does not */
	reading.problem_count = 4;
	reading.problems[0] = (struct problem) {SECTION_CPU_TEMPERATURE, REASON_ABSENT};
	reading.problems[1] = (struct problem) {SECTION_NVIDIA, REASON_ASLEEP};
	reading.problems[2] = (struct problem) {SECTION_PLATFORM, REASON_ERROR};
	reading.problems[3] = (struct problem) {SECTION_RAPL, REASON_DENIED};
	reading_summary(&reading, NODE_AUTO, text, sizeof(text));
	assert_string_equal(text, "N/A (rapl: denied)");
	reading.problem_count = 3;
	reading_summary(&reading, NODE_AUTO, text, sizeof(text));
	assert_string_equal(text, "N/A (cpu_temperature: absent)");
	reading.problems[0].section = SECTION_CPU_UTILIZATION;
	reading_summary(&reading, NODE_AUTO, text, sizeof(text));
	assert_string_equal(text, "N/A (cpu_utilization: absent)");
	reading.problems[0].section = SECTION_MEMORY;
	reading_summary(&reading, NODE_AUTO, text, sizeof(text));
	assert_string_equal(text, "N/A (memory: absent)");
	reading.problem_count = 0;
	reading_summary(&reading, NODE_MACOS, text, sizeof(text));
	assert_string_equal(text, "N/A (needs powermetrics setup)");
	/* never beyond its buffer */
	memset(text, 'x', sizeof(text));
	reading_summary(&reading, NODE_AUTO, text, 5);
	assert_string_equal(text, "N/A ");
	assert_int_equal(text[5], 'x');
}

/* --- what is remembered ----------------------------------------------------- */

static void
test_names(void **state)
{
	enum node_type type;

	for (int i = 0; i < NODE_TYPE_COUNT; i++)
	{
		assert_true(node_type_parse(node_type_name(i), &type));
		assert_int_equal(type, i);
	}
	assert_false(node_type_parse("Auto", &type));
	assert_false(node_type_parse("", &type));
	assert_string_equal(node_type_name(NODE_TYPE_COUNT), "unknown");
	assert_string_equal(energy_quality_name(ENERGY_COUNTER), "counter");
	assert_string_equal(energy_quality_name(ENERGY_SAMPLED), "sampled");
	assert_string_equal(energy_quality_name(ENERGY_WINDOW), "window");
	assert_null(energy_quality_name(ENERGY_UNKNOWN));
}

static void
test_state_bytes(void **state)
{
	static uint8_t bytes[POWER_STATE_MAX_SIZE];
	static struct power_state full;
	static struct power_state back;
	size_t		length;

	full.known = true;
	full.uptime = 12345.67;
	memset(full.boot_id, 'b', REPORT_MAX_NAME);
	full.sampled_watts = 3;
	full.zone_count = REPORT_MAX_ZONES;
	for (int i = 0; i < REPORT_MAX_ZONES; i++)
	{
		memset(full.zones[i].path, 'p', REPORT_MAX_NAME);
		memset(full.zones[i].name, 'n', REPORT_MAX_NAME);
		full.zones[i].energy_uj = UINT64_MAX - i;
	}
	full.gpu_count = REPORT_MAX_GPUS;
	for (int i = 0; i < REPORT_MAX_GPUS; i++)
	{
		memset(full.gpus[i].id, 'g', REPORT_MAX_NAME);
		full.gpus[i].vendor = GPU_AMD;
	}
	length = power_state_encode(&full, bytes, sizeof(bytes));
	assert_true(length > 0);
	assert_true(power_state_decode(bytes, length, &back));
	assert_memory_equal(&full, &back, sizeof(full));

	for (size_t size = 0; size < length; size += 13)
	{
		static uint8_t small[POWER_STATE_MAX_SIZE];

		assert_int_equal(power_state_encode(&full, small, size), 0);
		assert_false(power_state_decode(bytes, size, &back));
		assert_false(back.known);
		assert_int_equal(back.zone_count, 0);
	}
	/* another version, or a byte too many */
	assert_false(power_state_decode(bytes, length + 1, &back));
	bytes[0]++;
	assert_false(power_state_decode(bytes, length, &back));
	bytes[0]--;
	/* no counter of a GPU of no vendor, no uptime out of this world */
	full.gpus[3].vendor = 9;
	length = power_state_encode(&full, bytes, sizeof(bytes));
	assert_false(power_state_decode(bytes, length, &back));
	full.gpus[3].vendor = 0;
	length = power_state_encode(&full, bytes, sizeof(bytes));
	assert_false(power_state_decode(bytes, length, &back));
	full.gpus[3].vendor = GPU_AMD;
	full.uptime = NAN;
	length = power_state_encode(&full, bytes, sizeof(bytes));
	assert_false(power_state_decode(bytes, length, &back));
	full.uptime = 1e13;
	length = power_state_encode(&full, bytes, sizeof(bytes));
	assert_false(power_state_decode(bytes, length, &back));
	full.uptime = 1;
	full.zone_count = REPORT_MAX_ZONES + 1;
	assert_int_equal(power_state_encode(&full, bytes, sizeof(bytes)), 0);
	full.zone_count = 1;
	full.gpu_count = REPORT_MAX_GPUS + 1;
	assert_int_equal(power_state_encode(&full, bytes, sizeof(bytes)), 0);
}

/* Stored bytes may be anything: they decode to something usable, or not at all. */
static void
test_state_garbage(void **state)
{
	static uint8_t bytes[POWER_STATE_MAX_SIZE];
	static uint8_t good[POWER_STATE_MAX_SIZE];
	static struct power_state back;
	size_t		length;

	rig_init(&rig, NODE_AUTO);
	rig_at(&rig, "b", 1000);
	rig_package(&rig, 5000000000, 42);
	rig_gpu(&rig, GPU_NVIDIA, "GPU-1", 30);
	rig_read(&rig);
	length = power_state_encode(&rig.state, good, sizeof(good));
	srand(1);
	for (int i = 0; i < 100000; i++)
	{
		memcpy(bytes, good, length);
		bytes[rand() % length] = rand();
		bytes[rand() % length] = rand();
		if (!power_state_decode(bytes, length, &back))
		{
			assert_false(back.known);
			continue;
		}
		assert_true(back.zone_count <= REPORT_MAX_ZONES && back.gpu_count <= REPORT_MAX_GPUS);
		rig.state = back;
		rig_at(&rig, "b", 1300);
		rig_package(&rig, 17600000000, 42);
		rig_gpu(&rig, GPU_NVIDIA, "GPU-1", 30);
		rig_read(&rig);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_first_reading_is_its_window),
		cmocka_unit_test(test_next_reading_is_the_interval),
		cmocka_unit_test(test_reboot),
		cmocka_unit_test(test_older_reading_adds_no_energy),
		cmocka_unit_test(test_brief_interval),
		cmocka_unit_test(test_sums_conserve),
		cmocka_unit_test(test_clock_unknown),
		cmocka_unit_test(test_clock_insane),
		cmocka_unit_test(test_window_in_doubt),
		cmocka_unit_test(test_utilization),
		cmocka_unit_test(test_memory),
		cmocka_unit_test(test_temperature_by_the_right_sensor),
		cmocka_unit_test(test_temperature_sentinels),
		cmocka_unit_test(test_virtual_machine),
		cmocka_unit_test(test_freebsd),
		cmocka_unit_test(test_denied_makes_total_unknown),
		cmocka_unit_test(test_expected_gpu_is_missing),
		cmocka_unit_test(test_total_above_the_ceiling),
		cmocka_unit_test(test_platform),
		cmocka_unit_test(test_summaries),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_state_bytes),
		cmocka_unit_test(test_state_garbage),
	};

	return cmocka_run_group_tests_name("power", tests, NULL, NULL);
}
