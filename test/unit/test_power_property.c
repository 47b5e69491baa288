/*
 * test_power_property.c: whatever the counters do, energy is never negative,
 * never beyond what the node can draw, and exact where it is said to be.
 */
#include "power_rig.h"

static struct rig rig;

static double
uniform(double from, double to)
{
	return from + (to - from) * (rand() / (RAND_MAX + 1.0));
}

/*
 * Any counter of any range, read at any times, under a load that changes: the
 * energy is never negative, never more than the ceiling allows, and where it is
 * said to be a counter's it is the truth to the microjoule.
 */
static void
test_property_counters(void **state)
{
	static const uint64_t ranges[] = {RANGE, AMD_RANGE, UINT64_C(65712999613), 0};
	int			exact = 0;
	int			stood_in = 0;

	srand(42);
	for (int node = 0; node < 400; node++)
	{
		uint64_t	range = ranges[node % 4];
		double		top = uniform(20, 400);
		double		interval = uniform(5, 600);
		double		uptime = uniform(10, 1e6);
		double		start = uniform(0, range ? range / 1e6 : 1e6);
		double		joules = 0; /* since the start: the truth */
		double		before = 0;

		rig_init(&rig, NODE_AUTO);
		rig.context.poll_interval = interval;
		for (int i = 0; i < 50; i++)
		{
			double		watts = top * uniform(0.7, 1);
			double		seconds = interval * uniform(0.2, 2);
			double		counter;

			/* a steady load, and the window within it */
			joules += watts * seconds;
			uptime += seconds;
			counter = (start + joules) * 1e6;
			rig_at(&rig, "b", uptime);
			rig_zone(&rig, "intel-rapl:0", "package-0", range,
					 range ? (uint64_t) fmod(counter, range) : (uint64_t) counter, watts);
			rig_read(&rig);
			assert_true(rig.newer);
			if (!isnan(rig.reading.energy_joules))
			{
				assert_true(rig.reading.energy_joules >= 0);
				assert_true(rig.reading.energy_joules <= 2000 * (rig.reading.interval_seconds + 0.05));
			}
			if (i > 0 && rig.reading.energy_quality == ENERGY_COUNTER)
			{
				assert_near(rig.reading.energy_joules, joules - before, 0.01);
				exact++;
			}
			else
				stood_in++;
			before = joules;
		}
	}
	assert_true(exact > 10000);
	assert_true(stood_in > 400);
}

/* Counters that jump at random: nothing is believed beyond the ceiling, and a
 * total is never smaller than its part. */
static void
test_property_nonsense(void **state)
{
	double		uptime = 100;

	srand(99);
	rig_init(&rig, NODE_AUTO);
	for (int i = 0; i < 20000; i++)
	{
		static const uint64_t ranges[] = {RANGE, AMD_RANGE, 0, 1, UINT64_MAX};
		const struct reading *r = &rig.reading;

		rig.context.max_watts = rand() % 2 ? NAN : uniform(1, 5000);
		uptime = rand() % 20 == 0 ? uniform(1, 1e6) : uptime + uniform(-1, 600);
		rig_at(&rig, rand() % 30 ? "b" : rand() % 2 ? "c" : "", uptime);
		for (int z = rand() % 4; z >= 0; z--)
		{
			static const char *const names[] = {"package-0", "package-1", "dram", "psys", "core"};
			struct rapl_zone *zone;
			char		path[32];

			sprintf(path, "%s:%d%s", rand() % 4 ? "intel-rapl" : "intel-rapl-mmio", z, rand() % 2 ? "" : ":0");
			zone = rig_zone(&rig, path, names[rand() % 5], ranges[rand() % 5], 0, 0);
			zone->known[0] = rand() % 5 != 0;
			zone->known[1] = rand() % 5 != 0;
			for (int end = 0; end < 2; end++)
				zone->energy_uj[end] = rand() % 3 ? (uint64_t) uniform(0, 3e11) : (uint64_t) rand() << 33 | rand();
		}
		rig_read(&rig);
		assert_false(r->energy_joules < 0 || isinf(r->energy_joules));
		assert_false(r->cpu_power_watts < 0 || r->dram_power_watts < 0 || r->platform_power_watts < 0);
		assert_false(r->total_power_watts > rig.context.max_watts);
		if (!isnan(r->total_power_watts))
		{
			assert_false(isnan(r->cpu_power_watts));
			assert_true(r->total_power_watts >= r->cpu_power_watts);
		}
		if (!isnan(r->energy_joules))
			assert_true(r->energy_joules <= 6 * 5000 * (r->interval_seconds + 0.05));
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_property_counters),
		cmocka_unit_test(test_property_nonsense),
	};

	return cmocka_run_group_tests_name("power: properties", tests, NULL, NULL);
}
