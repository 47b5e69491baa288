/*
 * test_power.c: a reading's place in time, its totals, and what the node's type
 * promises.
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
}

/* A source that failed leaves the total unknown, whatever the type. */
static void
test_failed_source(void **state)
{
	static const enum section sections[] = {SECTION_NVIDIA, SECTION_AMDGPU, SECTION_INTEL_GPU};

	for (int i = 0; i < 3; i++)
	{
		rig_init(&rig, NODE_AUTO);
		rig_at(&rig, "b", 1000);
		rig_package(&rig, 5000000000, 42);
		rig.report.sections[sections[i]].reason = REASON_TIMEOUT;
		rig_read(&rig);
		assert_unknown(rig.reading.total_power_watts);
		assert_int_equal(rig_problem(&rig, sections[i]), REASON_TIMEOUT);
	}
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
		cmocka_unit_test(test_virtual_machine),
		cmocka_unit_test(test_freebsd),
		cmocka_unit_test(test_denied_makes_total_unknown),
		cmocka_unit_test(test_expected_gpu_is_missing),
		cmocka_unit_test(test_failed_source),
		cmocka_unit_test(test_total_above_the_ceiling),
	};

	return cmocka_run_group_tests_name("power", tests, NULL, NULL);
}
