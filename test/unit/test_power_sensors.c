/*
 * test_power_sensors.c: utilisation, memory, the CPU's temperature and the
 * whole machine's power.
 */
#include "power_rig.h"

static struct rig rig;

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
	/* waiting is not working */
	rig.report.cpu[1].iowait = 600;
	rig_read(&rig);
	assert_near(rig.reading.cpu_utilization, 25, 1e-9);

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

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_utilization),
		cmocka_unit_test(test_memory),
		cmocka_unit_test(test_temperature_by_the_right_sensor),
		cmocka_unit_test(test_temperature_sentinels),
		cmocka_unit_test(test_platform),
	};

	return cmocka_run_group_tests_name("power: sensors", tests, NULL, NULL);
}
