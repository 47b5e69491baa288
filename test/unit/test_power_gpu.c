/*
 * test_power_gpu.c: GPUs: sums, samples to energy, sleep, loss.
 */
#include "power_rig.h"

static struct rig rig;
static uint64_t package_uj;

/* A machine with a CPU at 40 W, exactly. */
static void
at(double uptime)
{
	rig_at(&rig, "b", uptime);
	package_uj = 1000000000 + (uint64_t) llround((uptime - 1000) * 40e6);
	rig_package(&rig, package_uj, 40);
}

/* --- several GPUs ----------------------------------------------------------- */

static void
test_sums(void **state)
{
	rig_init(&rig, NODE_LINUX_NVIDIA);
	at(1000);
	for (int i = 0; i < 3; i++)
	{
		char		id[8];
		struct gpu *gpu;

		sprintf(id, "GPU-%d", i);
		gpu = rig_gpu(&rig, GPU_NVIDIA, id, 10 * (i + 1));
		gpu->temperature_celsius = i == 1 ? 71 : 40;
		gpu->utilization_percent = i == 2 ? NAN : 10 * (i + 1);
	}
	rig_read(&rig);
	assert_near(rig.reading.gpu_power_watts, 60, 1e-6);
	assert_near(rig.reading.gpu_temp_celsius, 71, 0);
	assert_near(rig.reading.gpu_utilization, 15, 0);
	assert_near(rig.reading.total_power_watts, 100, 1e-6);
	assert_int_equal(rig.reading.problem_count, 0);
	assert_string_equal(rig.summary, "100.0W (GPU: 60.0W)");
}

/* One of them gives no number: the sum is unknown, not smaller. */
static void
test_one_unknown(void **state)
{
	rig_init(&rig, NODE_AUTO);
	at(1000);
	rig_gpu(&rig, GPU_NVIDIA, "GPU-0", 30);
	rig_gpu(&rig, GPU_NVIDIA, "GPU-1", NAN)->reason = REASON_ERROR;
	rig_read(&rig);
	assert_unknown(rig.reading.gpu_power_watts);
	assert_unknown(rig.reading.total_power_watts);
	assert_unknown(rig.reading.energy_joules);
	assert_near(rig.reading.cpu_power_watts, 40, 1e-6);
	assert_int_equal(rig_problem(&rig, SECTION_NVIDIA), REASON_INCOMPLETE);
	assert_string_equal(rig.summary, "N/A (nvidia: incomplete)");
	/* all of them, with one reason */
	rig.report.gpus[0].power_watts = NAN;
	rig.report.gpus[0].reason = REASON_ERROR;
	rig_read(&rig);
	assert_int_equal(rig_problem(&rig, SECTION_NVIDIA), REASON_ERROR);
	/* there, but it cannot say: that is no absence */
	rig.report.gpus[0].reason = rig.report.gpus[1].reason = REASON_ABSENT;
	rig_read(&rig);
	assert_int_equal(rig_problem(&rig, SECTION_NVIDIA), REASON_INCOMPLETE);
	assert_unknown(rig.reading.total_power_watts);
	rig.report.gpus[0].reason = rig.report.gpus[1].reason = REASON_NONE;
	rig_read(&rig);
	assert_int_equal(rig_problem(&rig, SECTION_NVIDIA), REASON_INCOMPLETE);
}

static void
test_implausible(void **state)
{
	static const double odd[] = {-1, 2500, 1e300};

	for (int i = 0; i < 3; i++)
	{
		rig_init(&rig, NODE_AUTO);
		at(1000);
		rig_gpu(&rig, GPU_NVIDIA, "GPU-0", odd[i]);
		rig.report.gpus[0].temperature_celsius = i == 0 ? 0 : 200;
		rig.report.gpus[0].utilization_percent = i == 0 ? -1 : 101;
		rig_read(&rig);
		assert_unknown(rig.reading.gpu_power_watts);
		assert_unknown(rig.reading.gpu_temp_celsius);
		assert_unknown(rig.reading.gpu_utilization);
		assert_unknown(rig.reading.total_power_watts);
		assert_int_equal(rig_problem(&rig, SECTION_NVIDIA), REASON_IMPLAUSIBLE);
	}
}

/* An APU's power includes the CPU: shown, not added. */
static void
test_integrated(void **state)
{
	rig_init(&rig, NODE_LINUX_AMD);
	at(1000);
	rig_gpu(&rig, GPU_AMD, "0000:0c:00.0", 25)->integrated = true;
	rig_read(&rig);
	assert_near(rig.reading.gpu_power_watts, 25, 0);
	assert_near(rig.reading.total_power_watts, 40, 1e-6);
	assert_near(rig.reading.energy_joules, 40, 1e-6);
	rig_gpu(&rig, GPU_AMD, "0000:03:00.0", 7);
	rig_read(&rig);
	assert_near(rig.reading.gpu_power_watts, 32, 0);
	assert_near(rig.reading.total_power_watts, 47, 1e-6);
	/* unknown, it leaves the total alone, for the CPU's counter has it */
	rig.report.gpus[0].power_watts = NAN;
	rig_read(&rig);
	assert_unknown(rig.reading.gpu_power_watts);
	assert_near(rig.reading.total_power_watts, 47, 1e-6);
	assert_int_equal(rig_problem(&rig, SECTION_AMDGPU), REASON_INCOMPLETE);
	/* and it is none of those that must come back */
	at(1300);
	rig_gpu(&rig, GPU_AMD, "0000:03:00.0", 7);
	rig_read(&rig);
	assert_near(rig.reading.total_power_watts, 47, 1e-6);
	assert_int_equal(rig.reading.problem_count, 0);
}

/* --- samples to energy ------------------------------------------------------ */

static void
test_trapezoid(void **state)
{
	rig_init(&rig, NODE_AUTO);
	at(1000);
	rig_gpu(&rig, GPU_NVIDIA, "GPU-0", 10);
	rig_read(&rig);
	assert_near(rig.reading.energy_joules, 50, 1e-6);
	assert_int_equal(rig.reading.energy_quality, ENERGY_WINDOW);
	at(1300);
	rig_gpu(&rig, GPU_NVIDIA, "GPU-0", 30);
	rig_read(&rig);
	assert_near(rig.reading.energy_joules, 300 * 40 + 300 * 20, 1e-3);
	assert_int_equal(rig.reading.energy_quality, ENERGY_SAMPLED);
	assert_near(rig.reading.gpu_power_watts, 30, 0);
}

/* Over a long gap samples tell nothing: a hole, never a partial sum. */
static void
test_gap(void **state)
{
	rig_init(&rig, NODE_AUTO);
	at(1000);
	rig_gpu(&rig, GPU_NVIDIA, "GPU-0", 10);
	rig_read(&rig);
	at(1750);
	rig_gpu(&rig, GPU_NVIDIA, "GPU-0", 10);
	rig_read(&rig);
	assert_near(rig.reading.energy_joules, 750 * 50, 1e-3);
	at(2501);
	rig_gpu(&rig, GPU_NVIDIA, "GPU-0", 10);
	rig_read(&rig);
	assert_near(rig.reading.total_power_watts, 50, 1e-6);
	assert_unknown(rig.reading.energy_joules);
	assert_int_equal(rig.reading.energy_quality, ENERGY_UNKNOWN);
	/* counters alone are exact over any gap that leaves wraps countable */
	rig_init(&rig, NODE_AUTO);
	at(1000);
	rig_read(&rig);
	at(1850);
	rig_read(&rig);
	assert_near(rig.reading.energy_joules, 850 * 40, 1e-3);
	assert_int_equal(rig.reading.energy_quality, ENERGY_COUNTER);
}

/* A GPU whose power was not known before has no energy over the interval. */
static void
test_new_gpu(void **state)
{
	rig_init(&rig, NODE_AUTO);
	at(1000);
	rig_read(&rig);
	at(1300);
	rig_gpu(&rig, GPU_NVIDIA, "GPU-0", 10);
	rig_read(&rig);
	assert_near(rig.reading.total_power_watts, 50, 1e-6);
	assert_unknown(rig.reading.energy_joules);
	at(1600);
	rig_gpu(&rig, GPU_NVIDIA, "GPU-0", 10);
	rig_read(&rig);
	assert_near(rig.reading.energy_joules, 300 * 50, 1e-3);
}

/* --- asleep, lost ----------------------------------------------------------- */

static void
test_asleep(void **state)
{
	rig_init(&rig, NODE_LINUX_NVIDIA);
	at(1000);
	strcpy(rig_gpu(&rig, GPU_NVIDIA, "GPU-0", 20)->bus_id, "0000:01:00.0");
	rig_read(&rig);
	/* asleep it is known by its address only, and is the same one */
	at(1300);
	strcpy(rig_gpu(&rig, GPU_NVIDIA, "0000:01:00.0", NAN)->bus_id, "0000:01:00.0");
	rig.report.gpus[0].reason = REASON_ASLEEP;
	rig.report.gpus[0].temperature_celsius = NAN;
	rig.report.gpus[0].utilization_percent = NAN;
	rig_read(&rig);
	assert_unknown(rig.reading.gpu_power_watts);
	assert_near(rig.reading.total_power_watts, 40, 1e-6);
	assert_int_equal(rig_problem(&rig, SECTION_NVIDIA), REASON_ASLEEP);
	assert_near(rig.reading.energy_joules, 300 * 40 + 300 * 10, 1e-3);
	assert_string_equal(rig.summary, "40.0W");
	at(1600);
	strcpy(rig_gpu(&rig, GPU_NVIDIA, "GPU-0", 20)->bus_id, "0000:01:00.0");
	rig_read(&rig);
	assert_near(rig.reading.energy_joules, 300 * 40 + 300 * 10, 1e-3);
	assert_int_equal(rig.reading.problem_count, 0);
	/* two, one of them asleep */
	strcpy(rig_gpu(&rig, GPU_NVIDIA, "0000:02:00.0", NAN)->bus_id, "0000:02:00.0");
	rig.report.gpus[1].reason = REASON_ASLEEP;
	rig_read(&rig);
	assert_near(rig.reading.gpu_power_watts, 20, 0);
	/* asleep from the start, or after an unknown: no energy is made up */
	rig_init(&rig, NODE_AUTO);
	at(1000);
	rig_gpu(&rig, GPU_NVIDIA, "a", NAN)->reason = REASON_ERROR;
	rig_read(&rig);
	at(1300);
	rig_gpu(&rig, GPU_NVIDIA, "a", NAN)->reason = REASON_ASLEEP;
	rig_read(&rig);
	assert_unknown(rig.reading.energy_joules);
	at(1600);
	rig_gpu(&rig, GPU_NVIDIA, "a", NAN)->reason = REASON_ASLEEP;
	rig_gpu(&rig, GPU_AMD, "b", NAN)->reason = REASON_ASLEEP;
	rig.report.sections[SECTION_NVIDIA].reason = REASON_ASLEEP;
	rig_read(&rig);
	assert_near(rig.reading.total_power_watts, 40, 1e-6);
}

/* Fallen off the bus, or handed to a virtual machine: it still draws power. */
static void
test_lost(void **state)
{
	rig_init(&rig, NODE_AUTO);
	at(1000);
	rig_gpu(&rig, GPU_NVIDIA, "GPU-0", 20);
	rig_gpu(&rig, GPU_NVIDIA, "GPU-1", 20);
	rig_read(&rig);
	for (int i = 1; i < 4; i++)
	{
		at(1000 + 300 * i);
		if (i < 3)
			rig_gpu(&rig, GPU_NVIDIA, "GPU-0", 20);
		rig_read(&rig);
		assert_unknown(rig.reading.total_power_watts);
		assert_unknown(rig.reading.gpu_power_watts);
		assert_int_equal(rig_problem(&rig, SECTION_NVIDIA), REASON_INCOMPLETE);
	}
	/* the tool's own reason is better */
	at(2200);
	rig.report.sections[SECTION_NVIDIA].reason = REASON_ERROR;
	rig_read(&rig);
	assert_int_equal(rig_problem(&rig, SECTION_NVIDIA), REASON_ERROR);
	/* back again */
	at(2500);
	rig_gpu(&rig, GPU_NVIDIA, "GPU-0", 20);
	rig_gpu(&rig, GPU_NVIDIA, "GPU-1", 20);
	rig_read(&rig);
	assert_near(rig.reading.total_power_watts, 80, 1e-6);
	assert_unknown(rig.reading.energy_joules);
	/* after a reboot it is another machine */
	rig_at(&rig, "c", 100);
	rig_package(&rig, 5000000000, 40);
	rig_read(&rig);
	assert_near(rig.reading.total_power_watts, 40, 1e-6);
	assert_int_equal(rig.reading.problem_count, 0);
}

static void
test_lost_are_bounded(void **state)
{
	rig_init(&rig, NODE_AUTO);
	for (int round = 0; round < 3; round++)
	{
		at(1000 + 300 * round);
		for (int i = 0; i < REPORT_MAX_GPUS; i++)
		{
			char		id[16];

			sprintf(id, "GPU-%d-%d", round, i);
			rig_gpu(&rig, GPU_NVIDIA, id, 1);
		}
		rig_read(&rig);
		assert_int_equal(rig.state.gpu_count, REPORT_MAX_GPUS);
	}
	assert_unknown(rig.reading.total_power_watts);
	/* one id in two vendors' hands is two GPUs */
	rig_init(&rig, NODE_AUTO);
	at(1000);
	rig_gpu(&rig, GPU_NVIDIA, "x", 5);
	rig_read(&rig);
	at(1300);
	rig_gpu(&rig, GPU_AMD, "x", 5);
	rig_read(&rig);
	assert_int_equal(rig_problem(&rig, SECTION_NVIDIA), REASON_INCOMPLETE);
	assert_int_equal(rig.state.gpu_count, 2);
}

/* --- Intel's counters ------------------------------------------------------- */

static struct gpu *
intel(uint64_t from, uint64_t to)
{
	struct gpu *gpu = rig_gpu(&rig, GPU_INTEL, "0000:03:00.0", NAN);

	gpu->has_energy = true;
	gpu->energy_uj[0] = from;
	gpu->energy_uj[1] = to;
	return gpu;
}

static void
test_intel(void **state)
{
	rig_init(&rig, NODE_AUTO);
	at(1000);
	intel(100000000, 115000000);
	rig_read(&rig);
	assert_near(rig.reading.gpu_power_watts, 15, 1e-6);
	assert_near(rig.reading.energy_joules, 55, 1e-6);
	at(1300);
	intel(6100000000, 6115000000);
	rig_read(&rig);
	assert_near(rig.reading.gpu_power_watts, 20, 1e-6);
	assert_near(rig.reading.total_power_watts, 60, 1e-6);
	assert_near(rig.reading.energy_joules, 300 * 60, 1e-3);
	assert_int_equal(rig.reading.energy_quality, ENERGY_COUNTER);
	/* shortly after: watts by the window, joules by the counter */
	at(1300.5);
	intel(6110000000, 6125000000);
	rig_read(&rig);
	assert_near(rig.reading.gpu_power_watts, 15, 1e-6);
	assert_near(rig.reading.energy_joules, 20 + 10, 1e-3);
	/* 64 bits do not wrap: a decrease is a reset */
	at(1600);
	intel(1000000, 16000000);
	rig_read(&rig);
	assert_near(rig.reading.gpu_power_watts, 15, 1e-6);
	assert_near(rig.reading.energy_joules, 299.5 * 55, 1e-2);
	assert_int_equal(rig.reading.energy_quality, ENERGY_WINDOW);
	/* and over a gap a hole */
	at(2500);
	intel(100, 15000100);
	rig_read(&rig);
	assert_unknown(rig.reading.energy_joules);
	/* a reset in the window leaves nothing */
	at(2800);
	intel(15000100, 0);
	rig_read(&rig);
	assert_unknown(rig.reading.gpu_power_watts);
	assert_int_equal(rig_problem(&rig, SECTION_INTEL_GPU), REASON_INCOMPLETE);
	/* a jump is not believed */
	at(3100);
	intel(0, 15000000);
	rig_read(&rig);
	at(3400);
	intel(UINT64_C(90000000000000), UINT64_C(90000015000000));
	rig_read(&rig);
	assert_int_equal(rig_problem(&rig, SECTION_INTEL_GPU), REASON_IMPLAUSIBLE);
	assert_unknown(rig.reading.total_power_watts);
	/* the same in a moment */
	at(3400.3);
	intel(100, UINT64_C(99990000015000000));
	rig_read(&rig);
	assert_unknown(rig.reading.total_power_watts);
	/* without a window, the interval */
	rig_init(&rig, NODE_AUTO);
	at(1000);
	intel(0, 15000000);
	rig_read(&rig);
	at(1000.5);
	intel(15000000, 0)->energy_uj[1] = 20000000;
	rig.report.clock[0].known = false;
	rig_read(&rig);
	assert_near(rig.reading.gpu_power_watts, 10, 1e-6);
	/* the counter is new */
	rig_init(&rig, NODE_AUTO);
	at(1000);
	rig_gpu(&rig, GPU_INTEL, "0000:03:00.0", NAN)->reason = REASON_DENIED;
	rig_read(&rig);
	assert_int_equal(rig_problem(&rig, SECTION_INTEL_GPU), REASON_DENIED);
	at(1300);
	intel(5, 15000005);
	rig_read(&rig);
	assert_near(rig.reading.energy_joules, 300 * 55, 1e-2);
	assert_int_equal(rig.reading.energy_quality, ENERGY_WINDOW);
}

/* --- property --------------------------------------------------------------- */

/* Constant powers, any schedule within the gap: sampled energy is exact too. */
static void
test_property_constant(void **state)
{
	srand(5);
	for (int node = 0; node < 100; node++)
	{
		double		uptime = 1000;
		double		first = uptime;
		double		sum = 0;
		double		gpu = rand() % 300;
		int			gpus = rand() % 5;

		rig_init(&rig, NODE_AUTO);
		for (int i = 0; i < 30; i++)
		{
			at(uptime);
			for (int g = 0; g < gpus; g++)
			{
				char		id[8];

				sprintf(id, "G%d", g);
				rig_gpu(&rig, GPU_AMD, id, gpu);
			}
			rig_read(&rig);
			assert_near(rig.reading.total_power_watts, 40 + gpus * gpu, 1e-3);
			if (i > 0)
				sum += rig.reading.energy_joules;
			uptime += 1 + rand() % 700;
			if (i == 29)
				assert_near(sum, (40 + gpus * gpu) * (rig.state.uptime - first), 0.1);
		}
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sums),
		cmocka_unit_test(test_one_unknown),
		cmocka_unit_test(test_implausible),
		cmocka_unit_test(test_integrated),
		cmocka_unit_test(test_trapezoid),
		cmocka_unit_test(test_gap),
		cmocka_unit_test(test_new_gpu),
		cmocka_unit_test(test_asleep),
		cmocka_unit_test(test_lost),
		cmocka_unit_test(test_lost_are_bounded),
		cmocka_unit_test(test_intel),
		cmocka_unit_test(test_property_constant),
	};

	return cmocka_run_group_tests_name("power of GPUs", tests, NULL, NULL);
}
