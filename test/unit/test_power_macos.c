/*
 * test_power_macos.c: a Mac's power by powermetrics: sums, age, plausibility.
 */
#include "power_rig.h"

static struct rig rig;

static void
mac(double uptime, double cpu, double gpu, double combined, double age)
{
	rig_at(&rig, "9D2E", uptime);
	rig.report.system = SYSTEM_MACOS;
	rig.report.cpu[0].known = rig.report.cpu[1].known = false;
	rig.report.cpu_utilization_percent = 18;
	rig.report.temperature_count = 0;
	rig.report.sections[SECTION_POWERMETRICS] = (struct section_status) {true, REASON_NONE, ""};
	rig.report.powermetrics_cpu_watts = cpu;
	rig.report.powermetrics_gpu_watts = gpu;
	rig.report.powermetrics_combined_watts = combined;
	rig.report.powermetrics_age_seconds = age;
}

static void
test_mac(void **state)
{
	rig_init(&rig, NODE_MACOS);
	mac(1000, 0.954, 0.046, 1.2, 30);
	rig.report.powermetrics_dram_watts = 0.3;
	rig_read(&rig);
	assert_near(rig.reading.cpu_power_watts, 0.954, 0);
	assert_near(rig.reading.gpu_power_watts, 0.046, 0);
	assert_near(rig.reading.dram_power_watts, 0.3, 0);
	assert_near(rig.reading.total_power_watts, 1.2, 0);
	assert_near(rig.reading.cpu_utilization, 18, 0);
	/* on a Mac the CPU's temperature needs other software, and that is said */
	assert_int_equal(rig.reading.problem_count, 1);
	assert_int_equal(rig_problem(&rig, SECTION_CPU_TEMPERATURE), REASON_ABSENT);
	assert_string_equal(rig.summary, "1.2W (GPU: 0.0W)");
	mac(1300, 2, 1, 3.2, 10);
	rig_read(&rig);
	assert_near(rig.reading.energy_joules, 300 * 2.2, 1e-6);
	assert_int_equal(rig.reading.energy_quality, ENERGY_SAMPLED);
	mac(2200, 2, 1, 3.2, 10);
	rig_read(&rig);
	assert_near(rig.reading.total_power_watts, 3.2, 0);
	assert_unknown(rig.reading.energy_joules);
	/* no combined figure: the sum */
	mac(2500, 2, 1, NAN, 10);
	rig_read(&rig);
	assert_near(rig.reading.total_power_watts, 3, 0);
	assert_near(rig.reading.energy_joules, 300 * 3.1, 1e-6);
	/* an Intel Mac: no GPU line, the package is the whole */
	mac(2800, 2.48, NAN, 2.48, 10);
	rig_read(&rig);
	assert_near(rig.reading.total_power_watts, 2.48, 0);
	assert_unknown(rig.reading.gpu_power_watts);
	assert_int_equal(rig.reading.problem_count, 1);
	/* but without a combined figure half is no whole */
	mac(3100, 2.48, NAN, NAN, 10);
	rig_read(&rig);
	assert_unknown(rig.reading.total_power_watts);
	assert_int_equal(rig_problem(&rig, SECTION_POWERMETRICS), REASON_INCOMPLETE);
	mac(3400, 2.48, 1, 3, 10);
	rig_read(&rig);
	assert_unknown(rig.reading.energy_joules);
}

/* A number that the helper left long ago is no reading. */
static void
test_mac_stale(void **state)
{
	static const struct
	{
		double		poll;
		double		helper;
		double		age;
		bool		stale;
	}			cases[] = {
		{300, NAN, 599, false},
		{300, NAN, 601, true},
		{300, 60, 599, false},
		{300, 60, 601, true},
		{10, NAN, 599, false},	/* the older helper writes every 5 minutes */
		{10, 60, 119, false},
		{10, 60, 121, true},
		{10, 1e9, 601, true},	/* whatever it says of itself */
		{10, -5, 601, true},
		{900, NAN, 1799, false},
		{300, NAN, -200, false},
		{300, NAN, -301, true}, /* from the future */
		{300, NAN, NAN, true},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		rig_init(&rig, NODE_MACOS);
		rig.context.poll_interval = cases[i].poll;
		mac(1000, 1, 1, 2, cases[i].age);
		rig.report.powermetrics_interval_seconds = cases[i].helper;
		rig_read(&rig);
		if (isnan(rig.reading.total_power_watts) != cases[i].stale)
			fail_msg("case %zu", i);
		assert_int_equal(rig_problem(&rig, SECTION_POWERMETRICS),
						 cases[i].stale ? REASON_STALE : REASON_NONE);
	}
	assert_unknown(rig.reading.cpu_power_watts);
	assert_string_equal(rig.summary, "N/A (powermetrics: stale)");
}

static void
test_mac_without_helper(void **state)
{
	for (int i = 0; i < 3; i++)
	{
		rig_init(&rig, i == 0 ? NODE_AUTO : NODE_MACOS);
		mac(1000, NAN, NAN, NAN, NAN);
		rig.report.sections[SECTION_POWERMETRICS].reason = i < 2 ? REASON_ABSENT : REASON_NONE;
		rig.report.sections[SECTION_POWERMETRICS].present = i < 2;
		rig_read(&rig);
		assert_string_equal(rig.summary, "N/A (needs powermetrics setup)");
		assert_int_equal(rig_problem(&rig, SECTION_POWERMETRICS), REASON_ABSENT);
		assert_unknown(rig.reading.energy_joules);
	}
	mac(1300, NAN, NAN, NAN, NAN);
	rig.report.sections[SECTION_POWERMETRICS].reason = REASON_DENIED;
	rig_read(&rig);
	assert_string_equal(rig.summary, "N/A (powermetrics: denied)");
}

static void
test_mac_implausible(void **state)
{
	/* milliwatts taken for watts would look like this */
	rig_init(&rig, NODE_MACOS);
	mac(1000, 9540, 46, NAN, 10);
	rig_read(&rig);
	assert_unknown(rig.reading.cpu_power_watts);
	assert_unknown(rig.reading.total_power_watts);
	assert_int_equal(rig_problem(&rig, SECTION_POWERMETRICS), REASON_IMPLAUSIBLE);
	mac(1300, 5, -1, 6, 10);
	rig_read(&rig);
	assert_unknown(rig.reading.gpu_power_watts);
	assert_int_equal(rig_problem(&rig, SECTION_POWERMETRICS), REASON_IMPLAUSIBLE);
	/* together above the ceiling */
	rig_init(&rig, NODE_MACOS);
	rig.context.max_watts = 75;
	mac(1000, 60, 60, NAN, 10);
	rig_read(&rig);
	assert_unknown(rig.reading.total_power_watts);
	assert_int_equal(rig_problem(&rig, SECTION_POWERMETRICS), REASON_IMPLAUSIBLE);
}

/* The Mac's GPU is within the combined figure; temperature and use are macmon's. */
static void
test_mac_gpu(void **state)
{
	struct gpu *gpu;

	rig_init(&rig, NODE_AUTO);
	mac(1000, 3, 2, 5.5, 0);
	gpu = rig_gpu(&rig, GPU_APPLE, "apple", 2);
	gpu->integrated = true;
	gpu->temperature_celsius = 37;
	gpu->utilization_percent = 12;
	rig_read(&rig);
	assert_near(rig.reading.total_power_watts, 5.5, 0);
	assert_near(rig.reading.gpu_power_watts, 2, 0);
	assert_near(rig.reading.gpu_temp_celsius, 37, 0);
	assert_near(rig.reading.gpu_utilization, 12, 0);
	assert_int_equal(rig.reading.problem_count, 0);
	assert_int_equal(rig.state.gpu_count, 0);
}

/* A node that is not what the registry says has no total. */
static void
test_other_system_than_promised(void **state)
{
	rig_init(&rig, NODE_LINUX_INTEL);
	mac(1000, 3, 2, 5.5, 0);
	rig_read(&rig);
	assert_unknown(rig.reading.total_power_watts);
	assert_int_equal(rig_problem(&rig, SECTION_RAPL), REASON_ABSENT);
	rig_init(&rig, NODE_MACOS);
	rig_at(&rig, "b", 1000);
	rig_package(&rig, 5000000000, 40);
	rig_read(&rig);
	assert_unknown(rig.reading.total_power_watts);
	assert_int_equal(rig_problem(&rig, SECTION_POWERMETRICS), REASON_ABSENT);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_mac),
		cmocka_unit_test(test_mac_stale),
		cmocka_unit_test(test_mac_without_helper),
		cmocka_unit_test(test_mac_implausible),
		cmocka_unit_test(test_mac_gpu),
		cmocka_unit_test(test_other_system_than_promised),
	};

	return cmocka_run_group_tests_name("power of Macs", tests, NULL, NULL);
}
