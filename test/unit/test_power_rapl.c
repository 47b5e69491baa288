/*
 * test_power_rapl.c: energy counters: zones, wraps, resets, and what is not
 * believed.
 */
#include "power_rig.h"

static struct rig rig;

static void
at(double uptime)
{
	rig_at(&rig, "b", uptime);
}

/* Two readings of one package; between them joules, the windows at watts. */
static const struct reading *
pair(uint64_t range, uint64_t start, double seconds, double joules, double before, double after)
{
	uint64_t	end = start + (uint64_t) llround(joules * 1e6);

	rig_init(&rig, NODE_AUTO);
	at(1000);
	rig_zone(&rig, "intel-rapl:0", "package-0", range, start, before);
	rig_read(&rig);
	at(1000 + seconds);
	rig_zone(&rig, "intel-rapl:0", "package-0", range, range ? end % range : end, after);
	rig_read(&rig);
	return &rig.reading;
}

/* --- zones ------------------------------------------------------------------ */

/* Package includes core and uncore and not dram; psys includes all. */
static void
test_domains(void **state)
{
	rig_init(&rig, NODE_LINUX_INTEL);
	at(1000);
	rig_zone(&rig, "intel-rapl:0", "package-0", RANGE, 9000000000, 40);
	rig_zone(&rig, "intel-rapl:0:0", "core", RANGE, 9000000000, 30);
	rig_zone(&rig, "intel-rapl:0:1", "uncore", RANGE, 9000000000, 2);
	rig_zone(&rig, "intel-rapl:0:2", "dram", UINT64_C(65712999613), 9000000000, 3.5);
	rig_zone(&rig, "intel-rapl:1", "psys", RANGE, 9000000000, 70);
	rig_read(&rig);
	assert_near(rig.reading.cpu_power_watts, 40, 1e-6);
	assert_near(rig.reading.dram_power_watts, 3.5, 1e-6);
	assert_near(rig.reading.platform_power_watts, 70, 1e-6);
	assert_near(rig.reading.total_power_watts, 43.5, 1e-6);
	assert_near(rig.reading.energy_joules, 43.5, 1e-6);
}

/* Zones by name, never by index: package-15 exists, dies too, and psys can
 * stand where the second socket is expected. */
static void
test_packages_by_name(void **state)
{
	rig_init(&rig, NODE_LINUX_INTEL);
	at(1000);
	rig_zone(&rig, "intel-rapl:0", "psys", RANGE, 9000000000, 500);
	rig_zone(&rig, "intel-rapl:1", "package-15", RANGE, 9000000000, 40);
	rig_zone(&rig, "intel-rapl:2", "package-3-die-0", RANGE, 9000000000, 20);
	rig_zone(&rig, "intel-rapl:3", "package-3-die-1", RANGE, 9000000000, 10);
	rig_read(&rig);
	assert_near(rig.reading.cpu_power_watts, 70, 1e-6);
}

/* Four sockets have four zones called dram: all of them count. */
static void
test_four_drams(void **state)
{
	rig_init(&rig, NODE_LINUX_INTEL);
	at(1000);
	for (int i = 0; i < 4; i++)
	{
		char		path[32];
		char		name[32];

		sprintf(path, "intel-rapl:%d", i);
		sprintf(name, "package-%d", i);
		rig_zone(&rig, path, name, RANGE, 9000000000, 40);
		sprintf(path, "intel-rapl:%d:0", i);
		rig_zone(&rig, path, "dram", UINT64_C(65712999613), 9000000000, 5);
	}
	rig_read(&rig);
	assert_near(rig.reading.cpu_power_watts, 160, 1e-6);
	assert_near(rig.reading.dram_power_watts, 20, 1e-6);
	/* by mmio they all show again */
	for (int i = 0; i < 4; i++)
	{
		char		path[32];
		char		name[32];

		sprintf(path, "intel-rapl-mmio:%d", i);
		sprintf(name, "package-%d", i);
		rig_zone(&rig, path, name, RANGE, 9000000000, 40);
		sprintf(path, "intel-rapl-mmio:%d:0", i);
		rig_zone(&rig, path, "dram", UINT64_C(65712999613), 9000000000, 5);
	}
	rig_read(&rig);
	assert_near(rig.reading.cpu_power_watts, 160, 1e-6);
	assert_near(rig.reading.dram_power_watts, 20, 1e-6);
}

/* mmio repeats the package, whichever comes first; alone, it counts. */
static void
test_mmio(void **state)
{
	rig_init(&rig, NODE_LINUX_INTEL);
	at(1000);
	rig_zone(&rig, "intel-rapl-mmio:0", "package-0", RANGE, 9000000000, 41);
	rig_read(&rig);
	assert_near(rig.reading.cpu_power_watts, 41, 1e-6);
	rig_zone(&rig, "intel-rapl:0", "package-0", RANGE, 9000000000, 40);
	rig_read(&rig);
	assert_near(rig.reading.cpu_power_watts, 40, 1e-6);
	/* one zone's name twice in one interface is one zone */
	rig_zone(&rig, "intel-rapl:7", "package-0", RANGE, 9000000000, 39);
	rig_read(&rig);
	assert_near(rig.reading.cpu_power_watts, 40, 1e-6);
	/* a dram whose package is not shown */
	rig_zone(&rig, "intel-rapl:9:0", "dram", RANGE, 9000000000, 2);
	rig_zone(&rig, "dram", "dram", RANGE, 9000000000, 3);
	rig_read(&rig);
	assert_near(rig.reading.dram_power_watts, 5, 1e-6);
}

static void
test_one_package_denied(void **state)
{
	rig_init(&rig, NODE_AUTO);
	at(1000);
	rig_zone(&rig, "intel-rapl:0", "package-0", RANGE, 9000000000, 40);
	rig_zone(&rig, "intel-rapl:1", "package-1", RANGE, 9000000000, 40)->known[1] = false;
	rig.report.sections[SECTION_RAPL].reason = REASON_DENIED;
	rig_read(&rig);
	assert_unknown(rig.reading.cpu_power_watts);
	assert_unknown(rig.reading.total_power_watts);
	assert_int_equal(rig_problem(&rig, SECTION_RAPL), REASON_INCOMPLETE);
	/* a dram that cannot be read, too: the total would be too small */
	rig_init(&rig, NODE_AUTO);
	at(1000);
	rig_zone(&rig, "intel-rapl:0", "package-0", RANGE, 9000000000, 40);
	rig_zone(&rig, "intel-rapl:0:0", "dram", RANGE, 9000000000, 4)->known[1] = false;
	rig_read(&rig);
	assert_near(rig.reading.cpu_power_watts, 40, 1e-6);
	assert_unknown(rig.reading.dram_power_watts);
	assert_unknown(rig.reading.total_power_watts);
	assert_int_equal(rig_problem(&rig, SECTION_RAPL), REASON_INCOMPLETE);
	/* at the window's start only */
	rig_init(&rig, NODE_AUTO);
	at(1000);
	rig_package(&rig, 9000000000, 40)->known[0] = false;
	rig_read(&rig);
	assert_unknown(rig.reading.cpu_power_watts);
	assert_int_equal(rig_problem(&rig, SECTION_RAPL), REASON_ERROR);
	at(1300);
	rig_package(&rig, 21000000000, 40)->known[0] = false;
	rig_read(&rig);
	assert_near(rig.reading.cpu_power_watts, 40, 1e-6);
}

/* A package that was there goes in the same boot: not a smaller total. */
static void
test_package_goes_away(void **state)
{
	rig_init(&rig, NODE_AUTO);
	at(1000);
	rig_zone(&rig, "intel-rapl:0", "package-0", RANGE, 9000000000, 40);
	rig_zone(&rig, "intel-rapl:1", "package-1", RANGE, 9000000000, 40);
	rig_zone(&rig, "intel-rapl:2", "psys", RANGE, 9000000000, 90);
	rig_read(&rig);
	at(1300);
	rig_zone(&rig, "intel-rapl:0", "package-0", RANGE, 21000000000, 40);
	rig_read(&rig);
	assert_unknown(rig.reading.total_power_watts);
	assert_unknown(rig.reading.energy_joules);
	assert_int_equal(rig_problem(&rig, SECTION_RAPL), REASON_INCOMPLETE);
}

/* A zone that appears (a module was loaded) counts from its window. */
static void
test_package_appears(void **state)
{
	rig_init(&rig, NODE_AUTO);
	at(1000);
	rig_read(&rig);
	at(1300);
	rig_package(&rig, 9000000000, 40);
	rig_read(&rig);
	assert_near(rig.reading.total_power_watts, 40, 1e-6);
	assert_near(rig.reading.energy_joules, 12000, 1e-6);
	assert_int_equal(rig.reading.energy_quality, ENERGY_WINDOW);
	/* but not over a gap */
	rig_init(&rig, NODE_AUTO);
	at(1000);
	rig_read(&rig);
	at(1800);
	rig_package(&rig, 9000000000, 40);
	rig_read(&rig);
	assert_near(rig.reading.total_power_watts, 40, 1e-6);
	assert_unknown(rig.reading.energy_joules);
}

/* --- wraps ------------------------------------------------------------------ */

static void
test_single_wrap(void **state)
{
	/* 262 kJ: once in 44 minutes at 100 W */
	pair(RANGE, RANGE - 1000000000, 300, 30000, 100, 100);
	assert_near(rig.reading.energy_joules, 30000, 0.001);
	assert_near(rig.reading.cpu_power_watts, 100, 0.001);
	assert_int_equal(rig.reading.energy_quality, ENERGY_COUNTER);
	assert_int_equal(rig.reading.problem_count, 0);
}

/* A zone that passes its own range more than once between polls: with a
 * ceiling that keeps the candidates apart, the windows tell how often. */
static void
test_many_wraps(void **state)
{
	for (int i = 0; i < 2; i++)
	{
		uint64_t	start = i == 0 ? 100 : 60000000000;
		uint64_t	end = start + UINT64_C(84000000000);

		rig_init(&rig, NODE_AUTO);
		rig.context.max_watts = 400;
		at(1000);
		rig_zone(&rig, "intel-rapl:0", "package-0", AMD_RANGE, start, 280);
		rig_read(&rig);
		at(1300);
		rig_zone(&rig, "intel-rapl:0", "package-0", AMD_RANGE, end % AMD_RANGE, 281);
		rig_read(&rig);
		assert_near(rig.reading.energy_joules, 84000, 0.001);
		assert_near(rig.reading.cpu_power_watts, 280, 0.001);
		assert_int_equal(rig.reading.energy_quality, ENERGY_COUNTER);
	}
	/* polled every minute the same needs no ceiling */
	pair(AMD_RANGE, 60000000000, 60, 16800, 280, 280);
	assert_near(rig.reading.energy_joules, 16800, 0.001);
	assert_int_equal(rig.reading.energy_quality, ENERGY_COUNTER);
}

/* A 280 W EPYC wraps every 234 s: at five minutes the count is anyone's guess.
 * "Add the range once" would be a wrong number; the window stands in, said. */
static void
test_ambiguous_wrap(void **state)
{
	pair(AMD_RANGE, 100, 300, 84000, 280, 270);
	assert_int_equal(rig_problem(&rig, SECTION_RAPL), REASON_AMBIGUOUS_WRAP);
	assert_near(rig.reading.cpu_power_watts, 270, 1e-6);
	assert_near(rig.reading.total_power_watts, 270, 1e-6);
	assert_near(rig.reading.energy_joules, 81000, 1e-3);
	assert_near(rig.reading.interval_seconds, 300, 1e-9);
	assert_int_equal(rig.reading.energy_quality, ENERGY_WINDOW);
	/* over a gap there is a hole, not the window's power for hours */
	pair(AMD_RANGE, 100, 3600, 84000, 280, 270);
	assert_near(rig.reading.cpu_power_watts, 270, 1e-6);
	assert_unknown(rig.reading.energy_joules);
	assert_int_equal(rig.reading.energy_quality, ENERGY_UNKNOWN);
	/* the next reading is not poisoned */
	at(4630);
	rig_zone(&rig, "intel-rapl:0", "package-0", AMD_RANGE, (100 + UINT64_C(84000000000)) % AMD_RANGE + 8100000000, 270);
	rig_read(&rig);
	assert_near(rig.reading.energy_joules, 8100, 1e-3);
	assert_int_equal(rig.reading.energy_quality, ENERGY_COUNTER);
}

/* Between two candidates: neither is chosen. */
static void
test_wrap_in_the_middle(void **state)
{
	rig_init(&rig, NODE_AUTO);
	rig.context.max_watts = 400;
	at(1000);
	rig_zone(&rig, "intel-rapl:0", "package-0", AMD_RANGE, 100, 280);
	rig_read(&rig);
	at(1300);
	/* 171 W by the counter, or 389 W; the windows say 280 */
	rig_zone(&rig, "intel-rapl:0", "package-0", AMD_RANGE, 100 + UINT64_C(51300000000), 280);
	rig_read(&rig);
	assert_int_equal(rig_problem(&rig, SECTION_RAPL), REASON_AMBIGUOUS_WRAP);
	assert_int_equal(rig.reading.energy_quality, ENERGY_WINDOW);
}

/* Without any window the count is only told where one candidate can be. */
static void
test_wrap_without_windows(void **state)
{
	for (int close = 0; close < 2; close++)
	{
		uint64_t	range = close ? UINT64_C(100000000000) : RANGE;

		rig_init(&rig, NODE_AUTO);
		at(1000);
		rig_zone(&rig, "intel-rapl:0", "package-0", range, 5000000000, 40)->known[0] = false;
		rig_read(&rig);
		at(1300);
		rig_zone(&rig, "intel-rapl:0", "package-0", range, 17000000000, 40)->known[0] = false;
		rig_read(&rig);
		if (close)
		{
			assert_unknown(rig.reading.energy_joules);
			assert_unknown(rig.reading.cpu_power_watts);
			assert_int_equal(rig_problem(&rig, SECTION_RAPL), REASON_ERROR);
		}
		else
			assert_near(rig.reading.energy_joules, 12000, 1e-6);
	}
	/* only the previous window is known */
	rig_init(&rig, NODE_AUTO);
	at(1000);
	rig_package(&rig, RANGE - 1000000000, 40);
	rig_read(&rig);
	at(1300);
	rig_package(&rig, 11000000000, 40)->known[0] = false;
	rig_read(&rig);
	assert_near(rig.reading.energy_joules, 12000, 0.001);
	/* only the present one */
	rig_init(&rig, NODE_AUTO);
	at(1000);
	rig_package(&rig, RANGE - 1000000000, 40)->known[0] = false;
	rig_read(&rig);
	at(1300);
	rig_package(&rig, 11000000000, 40);
	rig_read(&rig);
	assert_near(rig.reading.energy_joules, 12000, 0.001);
}

/* A range that is missing or lies: no energy across a decrease. */
static void
test_bad_range(void **state)
{
	rig_init(&rig, NODE_AUTO);
	at(1000);
	rig_zone(&rig, "intel-rapl:0", "package-0", 0, 50000000000, 40);
	rig_read(&rig);
	at(1300);
	rig_zone(&rig, "intel-rapl:0", "package-0", 0, 62000000000, 40);
	rig_read(&rig);
	assert_near(rig.reading.energy_joules, 12000, 1e-6);
	assert_int_equal(rig.reading.energy_quality, ENERGY_COUNTER);
	at(1600);
	rig_zone(&rig, "intel-rapl:0", "package-0", 0, 1000000000, 41);
	rig_read(&rig);
	assert_int_equal(rig_problem(&rig, SECTION_RAPL), REASON_AMBIGUOUS_WRAP);
	assert_near(rig.reading.energy_joules, 12300, 1e-6);
	assert_int_equal(rig.reading.energy_quality, ENERGY_WINDOW);
	/* a night at 40 W, in which it went round four times unseen and came out higher */
	pair(0, 50000000000, 30000, 182000, 40, 40);
	assert_int_equal(rig_problem(&rig, SECTION_RAPL), REASON_AMBIGUOUS_WRAP);
	assert_true(isnan(rig.reading.energy_joules));
	/* a night of which all could be seen */
	pair(0, 50000000000, 3000, 110000, 40, 40);
	assert_near(rig.reading.energy_joules, 110000, 1e-6);
	/* a value beyond the range that is given */
	rig_init(&rig, NODE_AUTO);
	at(1000);
	rig_zone(&rig, "intel-rapl:0", "package-0", RANGE, RANGE + 1000000000, 40);
	rig_read(&rig);
	at(1300);
	rig_zone(&rig, "intel-rapl:0", "package-0", RANGE, 3000000000, 40);
	rig_read(&rig);
	assert_int_equal(rig_problem(&rig, SECTION_RAPL), REASON_AMBIGUOUS_WRAP);
}

static void
test_wrap_inside_the_window(void **state)
{
	rig_init(&rig, NODE_AUTO);
	at(1000);
	rig_package(&rig, 20000000, 40);
	assert_true(rig.report.zones[0].energy_uj[0] > rig.report.zones[0].energy_uj[1]);
	rig_read(&rig);
	assert_near(rig.reading.cpu_power_watts, 40, 1e-6);
}

/* --- resets and suspends ---------------------------------------------------- */

/* A counter that starts again without a reboot looks like a wrap; the power
 * that would follow from it gives it away. */
static void
test_reset_is_no_wrap(void **state)
{
	rig_init(&rig, NODE_AUTO);
	at(1000);
	rig_package(&rig, 200000000000, 10);
	rig_read(&rig);
	at(1300);
	rig_package(&rig, 500000000, 10);
	rig_read(&rig);
	/* as a wrap: 62.6 kJ in 300 s, 209 W on a machine at 10 */
	assert_int_equal(rig_problem(&rig, SECTION_RAPL), REASON_AMBIGUOUS_WRAP);
	assert_near(rig.reading.cpu_power_watts, 10, 1e-6);
	assert_near(rig.reading.energy_joules, 3000, 1e-6);
	/* beyond the ceiling even without windows */
	rig_init(&rig, NODE_AUTO);
	rig.context.max_watts = 150;
	at(1000);
	rig_package(&rig, 200000000000, 10)->known[0] = false;
	rig_read(&rig);
	at(1300);
	rig_package(&rig, 500000000, 10)->known[0] = false;
	rig_read(&rig);
	assert_unknown(rig.reading.energy_joules);
}

/* Uptime goes on while a machine is suspended, /proc/stat does not. */
static void
test_suspend(void **state)
{
	static const struct
	{
		int			awake;		/* of an hour */
		bool		slept;
	}			cases[] = {{3600, false}, {3400, false}, {2700, true}, {50, true}};

	for (int i = 0; i < 4; i++)
	{
		rig_init(&rig, NODE_AUTO);
		rig.context.poll_interval = 3600;
		rig.context.max_watts = 100;
		at(1000);
		rig_package(&rig, RANGE - 1000000000, 10);
		rig_read(&rig);
		at(4600);
		rig_package(&rig, 29000000000, 10);
		/* 100 jiffies a second by the window */
		rig.report.cpu[0].user += cases[i].awake * 100;
		rig.report.cpu[1].user += cases[i].awake * 100;
		rig_read(&rig);
		if (cases[i].slept)
			assert_int_equal(rig_problem(&rig, SECTION_RAPL), REASON_AMBIGUOUS_WRAP);
		else
			assert_near(rig.reading.energy_joules, 30000, 0.001);
	}
	/* counters that did not go back stand: a nap is time at little power */
	rig_init(&rig, NODE_AUTO);
	rig.context.poll_interval = 3600;
	rig.context.max_watts = 100;
	at(1000);
	rig_package(&rig, 5000000000, 10);
	rig_read(&rig);
	at(4600);
	rig_package(&rig, 5600000000, 10);
	rig.report.cpu[0].user += 5000;
	rig.report.cpu[1].user += 5000;
	rig_read(&rig);
	assert_near(rig.reading.energy_joules, 600, 1e-6);
	assert_near(rig.reading.cpu_power_watts, 600 / 3600.0, 1e-6);
}

/* Where /proc/stat tells nothing, nothing is concluded from it. */
static void
test_suspend_unknown(void **state)
{
	for (int i = 0; i < 6; i++)
	{
		rig_init(&rig, NODE_AUTO);
		at(1000);
		rig_package(&rig, RANGE - 1000000000, 40);
		rig.report.cpu[1].known = i != 0;
		rig_read(&rig);
		at(1300);
		rig_package(&rig, 11000000000, 40);
		rig.report.cpu[0].known = i != 1;
		rig.report.cpu[1].known = i != 2;
		if (i == 3)
			rig.report.cpu[0] = rig.report.cpu[1];
		if (i == 4)
			rig.report.cpu[0] = rig.report.cpu[1] = (struct cpu_times) {true, 1, 0, 0, 0, 0, 0, 0, 0};
		if (i == 4)
			rig.report.cpu[1].user = 101;
		if (i == 5)
			rig.report.clock[0].known = false;
		rig_read(&rig);
		assert_near(rig.reading.energy_joules, 12000, 0.001);
	}
}

/* --- plausibility ----------------------------------------------------------- */

static void
test_counter_stands_still(void **state)
{
	rig_init(&rig, NODE_AUTO);
	at(1000);
	rig_package(&rig, 5000000000, 0);
	rig_read(&rig);
	assert_unknown(rig.reading.cpu_power_watts);
	assert_int_equal(rig_problem(&rig, SECTION_RAPL), REASON_IMPLAUSIBLE);
	at(1300);
	rig_package(&rig, 5000000000, 0);
	rig_read(&rig);
	assert_unknown(rig.reading.cpu_power_watts);
	assert_unknown(rig.reading.energy_joules);
	assert_int_equal(rig_problem(&rig, SECTION_RAPL), REASON_IMPLAUSIBLE);
	/* client machines show a dram that never counts: there is none */
	rig_init(&rig, NODE_AUTO);
	at(1000);
	rig_package(&rig, 5000000000, 40);
	rig_zone(&rig, "intel-rapl:0:0", "dram", RANGE, 0, 0);
	rig_read(&rig);
	at(1300);
	rig_package(&rig, 17000000000, 40);
	rig_zone(&rig, "intel-rapl:0:0", "dram", RANGE, 0, 0);
	rig_read(&rig);
	assert_unknown(rig.reading.dram_power_watts);
	assert_near(rig.reading.total_power_watts, 40, 1e-6);
	assert_near(rig.reading.energy_joules, 12000, 1e-6);
	assert_int_equal(rig.reading.problem_count, 0);
}

static void
test_counter_runs_too_fast(void **state)
{
	/* 3 kW: no CPU */
	pair(RANGE, 5000000000, 30, 90000, 100, 100);
	assert_unknown(rig.reading.cpu_power_watts);
	assert_unknown(rig.reading.energy_joules);
	assert_int_equal(rig_problem(&rig, SECTION_RAPL), REASON_IMPLAUSIBLE);
	/* in a window */
	rig_init(&rig, NODE_AUTO);
	at(1000);
	rig_package(&rig, 50000000000, 2500);
	rig_read(&rig);
	assert_unknown(rig.reading.cpu_power_watts);
	assert_int_equal(rig_problem(&rig, SECTION_RAPL), REASON_IMPLAUSIBLE);
	rig.context.max_watts = 3000;
	rig_read(&rig);
	assert_near(rig.reading.cpu_power_watts, 2500, 1e-6);
	/* in no time at all */
	pair(RANGE, 5000000000, 0.3, 90000, 100, 100);
	assert_unknown(rig.reading.energy_joules);
	/* the node's own ceiling */
	rig_init(&rig, NODE_AUTO);
	rig.context.max_watts = 100;
	at(1000);
	rig_package(&rig, 50000000000, 120);
	rig_read(&rig);
	assert_unknown(rig.reading.cpu_power_watts);
}

/* psys wraps like the others, is on its own, and costs the CPU nothing. */
static void
test_psys_trouble(void **state)
{
	rig_init(&rig, NODE_AUTO);
	at(1000);
	rig_package(&rig, 5000000000, 40);
	rig_zone(&rig, "intel-rapl:1", "psys", RANGE, 5000000000, 0);
	rig_read(&rig);
	assert_unknown(rig.reading.platform_power_watts);
	assert_near(rig.reading.total_power_watts, 40, 1e-6);
	assert_int_equal(rig.reading.problem_count, 0);
}

static void
test_more_zones_than_are_remembered(void **state)
{
	char		path[32];
	char		name[32];

	rig_init(&rig, NODE_AUTO);
	at(1000);
	for (int i = 0; i < REPORT_MAX_ZONES; i++)
	{
		sprintf(path, "intel-rapl:%d", i);
		sprintf(name, "package-%d", i);
		rig_zone(&rig, path, name, RANGE, 9000000000, 1);
	}
	rig_read(&rig);
	assert_near(rig.reading.cpu_power_watts, REPORT_MAX_ZONES, 1e-6);
	assert_int_equal(rig.state.zone_count, REPORT_MAX_ZONES);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_domains),
		cmocka_unit_test(test_packages_by_name),
		cmocka_unit_test(test_four_drams),
		cmocka_unit_test(test_mmio),
		cmocka_unit_test(test_one_package_denied),
		cmocka_unit_test(test_package_goes_away),
		cmocka_unit_test(test_package_appears),
		cmocka_unit_test(test_single_wrap),
		cmocka_unit_test(test_many_wraps),
		cmocka_unit_test(test_ambiguous_wrap),
		cmocka_unit_test(test_wrap_in_the_middle),
		cmocka_unit_test(test_wrap_without_windows),
		cmocka_unit_test(test_bad_range),
		cmocka_unit_test(test_wrap_inside_the_window),
		cmocka_unit_test(test_reset_is_no_wrap),
		cmocka_unit_test(test_suspend),
		cmocka_unit_test(test_suspend_unknown),
		cmocka_unit_test(test_counter_stands_still),
		cmocka_unit_test(test_counter_runs_too_fast),
		cmocka_unit_test(test_psys_trouble),
		cmocka_unit_test(test_more_zones_than_are_remembered),
	};

	return cmocka_run_group_tests_name("power from counters", tests, NULL, NULL);
}
