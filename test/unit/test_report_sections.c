/*
 * test_report_sections.c: energy counters, sensors, memory, whole-machine
 * power and GPUs as the probe prints them; each test names its trap.
 */
#include "reports.h"

static struct report report;

#define REASON(section) report.sections[section].reason

static void
test_machines(void **state)
{
	parse_fixture("bluefin.txt", &report);
	assert_int_equal(report.zone_count, 6);
	assert_string_equal(report.zones[3].name, "dram");
	assert_int_equal(report.zones[3].energy_uj[1], 53535000);
	assert_int_equal(REASON(SECTION_RAPL), REASON_NONE);
	assert_near(report.memory_used_bytes, (32768000 - 24576000) * 1024.0, 0);
	assert_int_equal(report.temperature_count, 3);
	assert_string_equal(report.temperatures[1].label, "Package id 0");
	assert_near(report.temperatures[1].value, 45, 1e-9);

	parse_fixture("redfin.txt", &report);
	assert_int_equal(report.gpu_count, 1);
	assert_int_equal(REASON(SECTION_NVIDIA), REASON_NONE);
	assert_string_equal(report.gpus[0].name, "NVIDIA GeForce RTX 3080");
	assert_string_equal(report.gpus[0].bus_id, "0000:01:00.0");
	assert_near(report.gpus[0].power_watts, 10.8, 1e-9);
	assert_near(report.gpus[0].temperature_celsius, 41, 0);
	assert_near(report.gpus[0].utilization_percent, 3, 0);
	assert_near(report.gpus[0].memory_used_bytes, 512.0 * 1024 * 1024, 0);
	assert_false(report.gpus[0].persistence_off);

	parse_fixture("greenfin.txt", &report);
	assert_int_equal(report.gpu_count, 1);
	assert_near(report.gpus[0].power_watts, 7, 1e-9);
	assert_near(report.gpus[0].temperature_celsius, 44, 1e-9);
	assert_near(report.gpus[0].utilization_percent, 2, 0);
	assert_near(report.gpus[0].memory_total_bytes, 17163091968.0, 0);
	assert_false(report.gpus[0].integrated);
}

/* --- RAPL ------------------------------------------------------------------- */

static void
test_zone_without_range(void **state)
{
	parse_body("zone intel-rapl:0 - package-0\nzone intel-rapl:1 0 package-1\n"
			   "zone intel-rapl:2 max package-2\nzone intel-rapl:3 -5 package-3\n", &report);
	for (int i = 0; i < 4; i++)
		assert_int_equal(report.zones[i].range_uj, 0);
}

/* Since the PLATYPUS fixes energy_uj is root's: denied, and never 0 W. */
static void
test_denied_counter(void **state)
{
	parse_body("zone intel-rapl:0 262143328850 package-0\n"
			   "energy 0 intel-rapl:0 denied\nenergy 1 intel-rapl:0 denied\n", &report);
	assert_int_equal(REASON(SECTION_RAPL), REASON_DENIED);
	assert_string_equal(report.sections[SECTION_RAPL].detail, "intel-rapl:0");
	assert_false(report.zones[0].known[0] || report.zones[0].known[1]);
	parse_body("zone intel-rapl:0 262143328850 package-0\nenergy 1 intel-rapl:0 error\n", &report);
	assert_int_equal(REASON(SECTION_RAPL), REASON_ERROR);
}

static void
test_too_many_zones(void **state)
{
	char		body[16384] = "";

	for (int i = 0; i < REPORT_MAX_ZONES + 3; i++)
		sprintf(body + strlen(body), "zone intel-rapl:%d 1000 package-%d\n"
				"energy 0 intel-rapl:%d 5\n", i, i, i);
	parse_body(body, &report);
	assert_int_equal(report.zone_count, REPORT_MAX_ZONES);
	assert_int_equal(REASON(SECTION_RAPL), REASON_INCOMPLETE);
}

/* --- sensors, memory -------------------------------------------------------- */

static void
test_temperatures(void **state)
{
	parse_body("temperature acpitz -44000 \ntemperature coretemp what Package id 0\n", &report);
	assert_int_equal(report.temperature_count, 1);
	assert_near(report.temperatures[0].value, -44, 1e-9);
	assert_string_equal(report.temperatures[0].label, "");
	assert_int_equal(REASON(SECTION_CPU_TEMPERATURE), REASON_NONE);

	char		body[8192] = "";

	for (int i = 0; i < REPORT_MAX_SENSORS + 5; i++)
		sprintf(body + strlen(body), "temperature coretemp 45000 Core %d\n", i);
	parse_body(body, &report);
	assert_int_equal(report.temperature_count, REPORT_MAX_SENSORS);
}

static void
test_memory(void **state)
{
	/* kernels without MemAvailable */
	parse_body("meminfo MemTotal 1000\nmeminfo MemFree 100\nmeminfo Buffers 50\nmeminfo Cached 300\n"
			   "meminfo SReclaimable 40\nmeminfo Shmem 90\n", &report);
	assert_near(report.memory_used_bytes, (1000 - 100 - 50 - 300 - 40 + 90) * 1024.0, 0);
	/* old kernels lack some of these, too */
	parse_body("meminfo MemTotal 1000\nmeminfo MemFree 100\nmeminfo Huge 1\n", &report);
	assert_near(report.memory_used_bytes, 900 * 1024.0, 0);
	/* nothing is made up */
	parse_body("meminfo MemTotal 1000\n", &report);
	assert_unknown(report.memory_used_bytes);
	assert_near(report.memory_total_bytes, 1000 * 1024.0, 0);
	assert_int_equal(REASON(SECTION_MEMORY), REASON_ABSENT);
	parse_body("meminfo MemTotal kB\n", &report);
	assert_int_equal(REASON(SECTION_MEMORY), REASON_ERROR);
}

/* --- whole machine ---------------------------------------------------------- */

static void
test_platform_sources(void **state)
{
	parse_body("power_meter 212000000 power1_average\n"
			   "battery BAT0 Discharging 12500000 - -\n"
			   "battery BAT1 Discharging - 1500000 12000000\n"
			   "battery BAT2 Charging 30000000 - -\n"
			   "battery BAT3 Discharging - - -\n"
			   "battery BAT4 Discharging - 1500000 -\n"
			   "battery BAT5 Discharging -7000000 - -\n"
			   "expect platform\n"
			   "ipmi     Instantaneous power reading:                   220 Watts\n"
			   "ipmi     Minimum during sampling period:                 11 Watts\n"
			   "ipmi_exit 0\nnut 340.5\nnut none\ndone platform\n", &report);
	assert_int_equal(report.platform_count, 6);
	assert_int_equal(REASON(SECTION_PLATFORM), REASON_NONE);
	assert_string_equal(report.platform[0].source, "power_meter");
	assert_near(report.platform[0].value, 212, 1e-9);
	/* on mains, power_now is what goes into the battery */
	assert_near(report.platform[1].value, 12.5, 1e-9);
	assert_near(report.platform[2].value, 18, 1e-9);
	assert_near(report.platform[3].value, 7, 1e-9);
	assert_string_equal(report.platform[4].source, "ipmi_dcmi");
	assert_near(report.platform[4].value, 220, 0);
	assert_near(report.platform[5].value, 340.5, 0);
}

static void
test_platform_reasons(void **state)
{
	static const struct
	{
		const char *body;
		enum problem_reason reason;
	}			cases[] = {
		{"", REASON_ABSENT},
		{"power_meter denied power1_average\n", REASON_DENIED},
		{"power_meter error power1_average\n", REASON_ERROR},
		{"power_meter\n", REASON_ERROR},
		{"ipmi_exit denied\n", REASON_DENIED},
		{"expect platform\n", REASON_TIMEOUT},
		{"expect platform\nipmi_exit 137\ndone platform\n", REASON_TIMEOUT},
		{"expect platform\nipmi_exit 124\ndone platform\n", REASON_TIMEOUT},
		{"expect platform\nipmi_exit 142\ndone platform\n", REASON_TIMEOUT},
		{"expect platform\nipmi DCMI request failed because: Invalid command (c1)\nipmi_exit 1\ndone platform\n", REASON_ABSENT},
		{"ipmi Could not open device at /dev/ipmi0: No such file\nipmi_exit 1\n", REASON_ABSENT},
		{"ipmi Get Power Reading not supported\nipmi_exit 1\n", REASON_ABSENT},
		{"ipmi Could not open device: Permission denied\nipmi_exit 1\n", REASON_DENIED},
		{"ipmi Insufficient privilege level\nipmi_exit 1\n", REASON_DENIED},
		{"ipmi Unable to establish session\nipmi two\nipmi_exit 1\n", REASON_ERROR},
		{"ipmi Instantaneous power reading: none\nipmi_exit 0\n", REASON_ABSENT},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		parse_body(cases[i].body, &report);
		if (REASON(SECTION_PLATFORM) != cases[i].reason)
			fail_msg("%s: %s", cases[i].body, problem_reason_name(REASON(SECTION_PLATFORM)));
	}
}

/* --- NVIDIA ----------------------------------------------------------------- */

/* One unknown field is a word in place of a number, and costs only itself. */
static void
test_nvidia_absent_tokens(void **state)
{
	static const struct
	{
		const char *token;
		enum problem_reason reason;
	}			cases[] = {
		{"[N/A]", REASON_ABSENT},
		{"N/A", REASON_ABSENT},
		{"[Not Supported]", REASON_ABSENT},
		{"[Unknown Error]", REASON_ERROR},
		{"[Insufficient Permissions]", REASON_DENIED},
		{"[GPU is lost]", REASON_ERROR},
		{"[GPU requires reset]", REASON_ERROR},
		{"ERR!", REASON_ERROR},
		{"", REASON_ERROR},
	};
	char		body[512];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		const char *t = cases[i].token;

		snprintf(body, sizeof(body), "nvidia 0, GPU-1, T4, 00000000:01:00.0, Enabled, %s, %s, %s, %s, %s\n"
				 "nvidia_exit 0\n", t, t, t, t, t);
		parse_body(body, &report);
		assert_int_equal(report.gpu_count, 1);
		assert_int_equal(report.gpus[0].reason, cases[i].reason);
		assert_unknown(report.gpus[0].power_watts);
		assert_unknown(report.gpus[0].temperature_celsius);
		assert_unknown(report.gpus[0].utilization_percent);
		assert_unknown(report.gpus[0].memory_used_bytes);
		assert_unknown(report.gpus[0].memory_total_bytes);
	}
}

/* Under MIG utilisation is N/A while power works. */
static void
test_nvidia_mig(void **state)
{
	parse_body("nvidia 0, GPU-1, NVIDIA A100, 00000000:41:00.0, Enabled, 61.37, 33, [N/A], 5, 40960\n"
			   "nvidia_exit 0\n", &report);
	assert_near(report.gpus[0].power_watts, 61.37, 1e-9);
	assert_int_equal(report.gpus[0].reason, REASON_NONE);
	assert_unknown(report.gpus[0].utilization_percent);
}

static void
test_nvidia_sixteen(void **state)
{
	char		body[8192] = "expect nvidia\n";

	for (int i = 0; i < 16; i++)
		sprintf(body + strlen(body), "nvidia %d, GPU-%d, H100, 0000000%d:%02X:00.0, Enabled, %d.5, 40, 50, 1, 2\n",
				i, i, i % 2, i + 10, i);
	strcat(body, "nvidia_exit 0\n");
	parse_body(body, &report);
	assert_int_equal(report.gpu_count, 16);
	assert_near(report.gpus[15].power_watts, 15.5, 1e-9);
	assert_int_equal(report.gpus[15].index, 15);
	/* as sysfs writes it: a sleeping GPU is known only by that */
	assert_string_equal(report.gpus[4].bus_id, "0000:0e:00.0");
	assert_string_equal(report.gpus[1].bus_id, "0001:0b:00.0");

	body[0] = '\0';
	for (int i = 0; i < REPORT_MAX_GPUS + 2; i++)
		sprintf(body + strlen(body), "nvidia %d, GPU-%d, H100, 00000000:%02X:00.0, Enabled, 1, 40, 50, 1, 2\n",
				i, i, i);
	strcat(body, "nvidia_exit 0\nnvidia_gpu 0000:ff:00.0 asleep\namdgpu 0000:fe:00.0 asleep\n"
		   "intel_gpu 0000:fd:00.0 asleep\n");
	parse_body(body, &report);
	assert_int_equal(report.gpu_count, REPORT_MAX_GPUS);
	assert_int_equal(REASON(SECTION_NVIDIA), REASON_INCOMPLETE);
	assert_int_equal(REASON(SECTION_AMDGPU), REASON_INCOMPLETE);
	assert_int_equal(REASON(SECTION_INTEL_GPU), REASON_INCOMPLETE);
}

/* Without persistence mode the first sample shows the wake-up. */
static void
test_nvidia_later_sample_wins(void **state)
{
	parse_body("nvidia 0, GPU-1, T4, 00000000:01:00.0, Disabled, 38.2, 40, 0, 0, 15360\n"
			   "nvidia 0, GPU-1, T4, 00000000:01:00.0, Disabled, 20.0, 41, 1, 0, 15360\n"
			   "nvidia 0, GPU-1, T4, 00000000:01:00.0, Disabled, 9.1, 41, 0, 0, 15360\n"
			   "nvidia 0, GPU-1, T4, 00000000:01:00.0, Disabled, [N/A], 41, 0, 0, 15360\n"
			   "nvidia_exit 0\n", &report);
	assert_int_equal(report.gpu_count, 1);
	assert_true(report.gpus[0].persistence_off);
	assert_near(report.gpus[0].power_watts, 9.1, 1e-9);
	assert_int_equal(report.gpus[0].reason, REASON_NONE);
}

/* Error text is on stdout, with an exit status that says which. */
static void
test_nvidia_exits(void **state)
{
	static const struct
	{
		const char *body;
		enum problem_reason reason;
		const char *detail;
	}			cases[] = {
		{"", REASON_ABSENT, ""},
		{"expect nvidia\n", REASON_TIMEOUT, "nvidia-smi"},
		{"nvidia_exit 137\n", REASON_TIMEOUT, "nvidia-smi"},
		{"nvidia_exit 124\n", REASON_TIMEOUT, "nvidia-smi"},
		{"nvidia_exit 142\n", REASON_TIMEOUT, "nvidia-smi"},
		{"nvidia_exit 127\n", REASON_ERROR, "nvidia-smi not found"},
		{"nvidia_exit 126\n", REASON_DENIED, ""},
		{"nvidia No devices were found\nnvidia_exit 6\n", REASON_ABSENT, "No devices were found"},
		{"nvidia No devices were found\nnvidia_exit 0\n", REASON_ABSENT, "No devices were found"},
		{"nvidia NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver.\nnvidia more\nnvidia_exit 9\n",
		REASON_ERROR, "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver."},
		{"nvidia Failed to initialize NVML: Driver/library version mismatch\nnvidia_exit 18\n",
		REASON_ERROR, "Failed to initialize NVML: Driver/library version mismatch"},
		{"nvidia Failed to initialize NVML: Insufficient Permissions\nnvidia_exit 4\n",
		REASON_DENIED, "Failed to initialize NVML: Insufficient Permissions"},
		{"nvidia sh: nvidia-smi: Permission denied\nnvidia_exit 1\n", REASON_DENIED, "sh: nvidia-smi: Permission denied"},
		{"nvidia Unable to determine the device handle for GPU0000:01:00.0: GPU is lost.\nnvidia_exit 15\n",
		REASON_ERROR, "Unable to determine the device handle for GPU0000:01:00.0: GPU is lost."},
		/* one of two was lost: the other's line is there, and is not the sum */
		{"nvidia 0, GPU-1, T4, 00000000:01:00.0, Enabled, 10, 40, 0, 0, 15360\n"
			"nvidia Unable to determine the device handle for GPU1\nnvidia_exit 15\n",
		REASON_ERROR, "Unable to determine the device handle for GPU1"},
		/* one unknown field fails the whole query */
		{"nvidia Field \"power.draw\" is not a valid field to query.\nnvidia_exit 2\n", REASON_ERROR, "Field \"power.draw\" is not a valid field to query."},
		{"nvidia_exit 0\n", REASON_ERROR, ""},
		{"nvidia 70000, GPU-1, T4, b, Enabled, 10, 40, 0, 0, 1\nnvidia_exit 0\n", REASON_ERROR, "70000, GPU-1, T4, b, Enabled, 10, 40, 0, 0, 1"},
		{"nvidia 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10\nnvidia_exit 0\n", REASON_ERROR, "0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		parse_body(cases[i].body, &report);
		if (REASON(SECTION_NVIDIA) != cases[i].reason)
			fail_msg("%s: %s", cases[i].body, problem_reason_name(REASON(SECTION_NVIDIA)));
		assert_string_equal(report.sections[SECTION_NVIDIA].detail, cases[i].detail);
	}
}

/* A GPU that is runtime-suspended is shown, and was not woken. */
static void
test_sleeping_gpus(void **state)
{
	parse_body("nvidia_gpu 0000:01:00.0 asleep\namdgpu 0000:03:00.0 asleep\n"
			   "intel_gpu 0000:04:00.0 asleep\n", &report);
	assert_int_equal(report.gpu_count, 3);
	for (int i = 0; i < 3; i++)
	{
		assert_int_equal(report.gpus[i].reason, REASON_ASLEEP);
		assert_unknown(report.gpus[i].power_watts);
	}
	assert_string_equal(report.gpus[0].bus_id, "0000:01:00.0");
	assert_int_equal(REASON(SECTION_NVIDIA), REASON_NONE);
	assert_int_equal(REASON(SECTION_AMDGPU), REASON_NONE);
	assert_int_equal(REASON(SECTION_INTEL_GPU), REASON_NONE);
}

static void
test_gpus_without_a_source(void **state)
{
	parse_body("nvidia_gpu 0000:01:00.0 driver nouveau\namdgpu 0000:05:00.0 driver radeon\n", &report);
	assert_int_equal(report.gpu_count, 2);
	assert_int_equal(report.gpus[0].reason, REASON_ABSENT);
	assert_string_equal(report.gpus[0].name, "nouveau");
	assert_int_equal(report.gpus[1].reason, REASON_ABSENT);
}

/* An old card without UUID is known by its bus address. */
static void
test_nvidia_without_uuid(void **state)
{
	parse_body("nvidia 0, [N/A], GT 710, 00000000:0A:00.0, [N/A], [N/A], 40, [N/A], 1, 2\nnvidia_exit 0\n", &report);
	assert_string_equal(report.gpus[0].id, "00000000:0A:00.0");
	assert_string_equal(report.gpus[0].bus_id, "0000:0a:00.0");
}

/* --- AMD -------------------------------------------------------------------- */

/* Since Linux 6.6 most cards have only one of the two files. */
static void
test_amd_power_files(void **state)
{
	parse_body("amdgpu a power1_input 9000000\n", &report);
	assert_near(report.gpus[0].power_watts, 9, 1e-9);
	parse_body("amdgpu a power1_input 9000000\namdgpu a power1_average 8000000\n", &report);
	assert_near(report.gpus[0].power_watts, 8, 1e-9);
	/* a label without a value */
	parse_body("amdgpu a card hwmon3\namdgpu a power1_average error\n", &report);
	assert_unknown(report.gpus[0].power_watts);
	assert_int_equal(report.gpus[0].reason, REASON_ERROR);
	parse_body("amdgpu a power1_average error\namdgpu a power1_input 9000000\n", &report);
	assert_near(report.gpus[0].power_watts, 9, 1e-9);
	assert_int_equal(report.gpus[0].reason, REASON_NONE);
	parse_body("amdgpu a power1_average denied\n", &report);
	assert_int_equal(report.gpus[0].reason, REASON_DENIED);
	/* an old card with neither */
	parse_body("amdgpu a card hwmon3\n", &report);
	assert_int_equal(report.gpus[0].reason, REASON_ABSENT);
}

static void
test_amd_apu_and_card(void **state)
{
	parse_body("amdgpu 0000:03:00.0 power1_average 7000000\namdgpu 0000:03:00.0 name RX 7800\n"
			   "amdgpu 0000:0c:00.0 integrated\namdgpu 0000:0c:00.0 power1_input 30000000\n", &report);
	assert_int_equal(report.gpu_count, 2);
	assert_false(report.gpus[0].integrated);
	assert_string_equal(report.gpus[0].name, "RX 7800");
	assert_true(report.gpus[1].integrated);
	assert_int_equal(report.gpus[1].index, 1);
}

static void
test_amd_temperatures(void **state)
{
	parse_body("amdgpu a temperature 51000 junction\namdgpu a temperature 44000 edge\n"
			   "amdgpu a temperature 0 mem\n", &report);
	assert_near(report.gpus[0].temperature_celsius, 44, 1e-9);
	assert_int_equal(report.temperature_count, 2);
	/* a card that labels none; a junction is never taken for the edge */
	parse_body("amdgpu a temperature 39000 \namdgpu a temperature x edge\n", &report);
	assert_near(report.gpus[0].temperature_celsius, 39, 1e-9);
	parse_body("amdgpu a temperature 51000 junction\n", &report);
	assert_unknown(report.gpus[0].temperature_celsius);
}

/* --- Intel ------------------------------------------------------------------ */

static void
test_intel_counters(void **state)
{
	parse_body("intel_gpu 0000:03:00.0 i915 /sys/class/hwmon/hwmon5\n"
			   "gpu_energy 0 /sys/class/hwmon/hwmon5/energy1_input 100\n"
			   "gpu_energy 1 /sys/class/hwmon/hwmon5/energy1_input 5000100\n", &report);
	assert_true(report.gpus[0].has_energy);
	assert_int_equal(report.gpus[0].energy_uj[1] - report.gpus[0].energy_uj[0], 5000000);

	/* each card its own */
	parse_body("intel_gpu a i915 /h\nintel_gpu b i915 /g\n"
			   "gpu_energy 0 /g/energy1_input 1\ngpu_energy 1 /g/energy1_input 2\n"
			   "gpu_energy 0 /h/energy1_input 10\ngpu_energy 1 /h/energy1_input 20\n", &report);
	assert_int_equal(report.gpus[0].energy_uj[1], 20);
	assert_int_equal(report.gpus[1].energy_uj[1], 2);

	/* xe: energy1 is the card, where it counts */
	parse_body("intel_gpu a xe /h\ngpu_energy 0 /h/energy1_input 10\ngpu_energy 0 /h/energy2_input 1\n"
			   "gpu_energy 1 /h/energy1_input 20\ngpu_energy 1 /h/energy2_input 2\n", &report);
	assert_int_equal(report.gpus[0].energy_uj[1], 20);
	parse_body("intel_gpu a xe /h\ngpu_energy 0 /h/energy1_input 0\ngpu_energy 0 /h/energy2_input 1\n"
			   "gpu_energy 1 /h/energy1_input 0\ngpu_energy 1 /h/energy2_input 2\n", &report);
	assert_int_equal(report.gpus[0].energy_uj[1], 2);

	parse_body("intel_gpu a i915 /h\ngpu_energy 0 /h/energy1_input denied\n"
			   "gpu_energy 1 /h/energy1_input denied\n", &report);
	assert_false(report.gpus[0].has_energy);
	assert_int_equal(report.gpus[0].reason, REASON_DENIED);
	parse_body("intel_gpu a i915 /h\ngpu_energy 1 /h/energy1_input error\n"
			   "gpu_energy 1 /other/energy1_input 5\n", &report);
	assert_int_equal(report.gpus[0].reason, REASON_ERROR);
	parse_body("intel_gpu a i915 /h\n", &report);
	assert_int_equal(report.gpus[0].reason, REASON_ABSENT);
	parse_body("intel_gpu a i915 /h\ngpu_energy 0 /h/energy1_input 4\n", &report);
	assert_false(report.gpus[0].has_energy);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_machines),
		cmocka_unit_test(test_zone_without_range),
		cmocka_unit_test(test_denied_counter),
		cmocka_unit_test(test_too_many_zones),
		cmocka_unit_test(test_temperatures),
		cmocka_unit_test(test_memory),
		cmocka_unit_test(test_platform_sources),
		cmocka_unit_test(test_platform_reasons),
		cmocka_unit_test(test_nvidia_absent_tokens),
		cmocka_unit_test(test_nvidia_mig),
		cmocka_unit_test(test_nvidia_sixteen),
		cmocka_unit_test(test_nvidia_later_sample_wins),
		cmocka_unit_test(test_nvidia_exits),
		cmocka_unit_test(test_sleeping_gpus),
		cmocka_unit_test(test_gpus_without_a_source),
		cmocka_unit_test(test_nvidia_without_uuid),
		cmocka_unit_test(test_amd_power_files),
		cmocka_unit_test(test_amd_apu_and_card),
		cmocka_unit_test(test_amd_temperatures),
		cmocka_unit_test(test_intel_counters),
	};

	return cmocka_run_group_tests_name("report sections", tests, NULL, NULL);
}
