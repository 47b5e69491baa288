/*
 * test_report_json.c: raw_data is valid JSON whatever the strings hold, fits
 * its buffer at the worst, and leaves out what is not known.
 */
#include "reports.h"

#include "../../src/poller/report_internal.h"

static char json[REPORT_JSON_SIZE];
static struct report report;

struct lookup
{
	const char *path;
	double		value;
	char		text[256];
	int			found;
};

static void
look(void *context, const char *path, double value, const char *text)
{
	struct lookup *lookup = context;

	if (lookup->path == NULL || strcmp(path, lookup->path) != 0)
		return;
	lookup->found++;
	lookup->value = value;
	snprintf(lookup->text, sizeof(lookup->text), "%s", text ? text : "");
}

static struct lookup
member(const char *path)
{
	struct lookup lookup = {.path = path};

	assert_true(report_read_json(json, look, &lookup));
	return lookup;
}

static void
make(void)
{
	size_t		length = report_json(&report, json, sizeof(json));

	assert_true(length > 0);
	assert_int_equal(length, strlen(json));
	member(NULL);
}

static void
test_machines(void **state)
{
	parse_fixture("bluefin.txt", &report);
	make();
	assert_string_equal(member("system").text, "linux");
	assert_string_equal(member("rapl[3].name").text, "dram");
	assert_near(member("rapl[0].energy_uj[1]").value, 1042117000, 0);
	assert_near(member("rapl[0].range_uj").value, 262143328850.0, 0);
	assert_near(member("clock[1].after").value, 5001.01, 1e-9);
	assert_near(member("cpu_times[1].idle").value, 90748, 0);
	assert_string_equal(member("sections.rapl.status").text, "ok");
	assert_string_equal(member("sections.nvidia.status").text, "absent");
	assert_near(member("temperatures[1].celsius").value, 45, 1e-9);
	assert_int_equal(member("powermetrics.source").found, 0);
	assert_int_equal(member("cpu_utilization_percent").found, 0);

	parse_fixture("redfin.txt", &report);
	make();
	assert_string_equal(member("gpus[0].vendor").text, "nvidia");
	assert_near(member("gpus[0].power_watts").value, 10.8, 1e-9);
	assert_int_equal(member("gpus[0].reason").found, 0);

	parse_fixture("sasass.txt", &report);
	make();
	assert_string_equal(member("powermetrics.source").text, "/tmp/powermetrics.json");
	assert_near(member("powermetrics.cpu_power_watts").value, 0.954, 1e-9);
	assert_string_equal(member("gpus[0].vendor").text, "apple");
	assert_string_equal(member("system").text, "macos");
}

static void
test_names_of_all(void **state)
{
	parse_body("system FreeBSD 14\namdgpu a integrated\namdgpu a power1_average denied\n"
			   "intel_gpu b i915 /h\ngpu_energy 0 /h/energy1_input 5\ngpu_energy 1 /h/energy1_input 6\n"
			   "zone intel-rapl:0 0 package-0\nenergy 1 intel-rapl:0 denied\n", &report);
	make();
	assert_string_equal(member("system").text, "freebsd");
	assert_string_equal(member("gpus[0].vendor").text, "amd");
	assert_string_equal(member("gpus[0].reason").text, "denied");
	assert_string_equal(member("gpus[1].vendor").text, "intel");
	assert_near(member("gpus[1].energy_uj[1]").value, 6, 0);
	assert_int_equal(member("rapl[0].range_uj").found, 0);
	assert_string_equal(member("sections.rapl.detail").text, "intel-rapl:0");
	report.system = 77;
	report.gpus[0].vendor = 77;
	make();
	assert_string_equal(member("system").text, "unknown");
	assert_string_equal(member("gpus[0].vendor").text, "unknown");
}

static void
test_strings_are_escaped(void **state)
{
	report_init(&report);
	strcpy(report.system_text, "a\"b\\c\x01\x7f\xc3\xa9");
	make();
	assert_string_equal(member("system_text").text, "a\"b\\c?" "?" "?" "?");
	assert_null(strpbrk(json, "\x01\x7f\xc3"));
}

static void
test_infinity_is_left_out(void **state)
{
	report_init(&report);
	report.memory_used_bytes = INFINITY;
	make();
	assert_int_equal(member("memory_used_bytes").found, 0);
}

static void
fill_text(char *text, size_t size)
{
	memset(text, '"', size - 1);
	text[size - 1] = '\0';
}

/* The largest report there can be, of strings that all must be escaped. */
static void
test_worst_case_fits(void **state)
{
	size_t		length;

	report_init(&report);
	fill_text(report.system_text, sizeof(report.system_text));
	fill_text(report.boot_id, sizeof(report.boot_id));
	fill_text(report.powermetrics_source, sizeof(report.powermetrics_source));
	for (int end = 0; end < 2; end++)
	{
		report.clock[end] = (struct clock_mark) {true, -1.23456789012345e-300, -1.23456789012345e-300};
		report.cpu[end] = (struct cpu_times) {true, UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX,
		UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX};
	}
	for (int i = 0; i < SECTION_COUNT; i++)
	{
		report.sections[i].present = true;
		report.sections[i].reason = REASON_AMBIGUOUS_WRAP;
		fill_text(report.sections[i].detail, sizeof(report.sections[i].detail));
	}
	report.zone_count = REPORT_MAX_ZONES;
	for (int i = 0; i < REPORT_MAX_ZONES; i++)
	{
		fill_text(report.zones[i].path, sizeof(report.zones[i].path));
		fill_text(report.zones[i].name, sizeof(report.zones[i].name));
		report.zones[i].known[0] = report.zones[i].known[1] = true;
		report.zones[i].energy_uj[0] = report.zones[i].energy_uj[1] = report.zones[i].range_uj = UINT64_MAX;
	}
	report.gpu_count = REPORT_MAX_GPUS;
	for (int i = 0; i < REPORT_MAX_GPUS; i++)
	{
		struct gpu *gpu = &report.gpus[i];

		gpu->vendor = GPU_NVIDIA;
		gpu->index = UINT16_MAX;
		fill_text(gpu->id, sizeof(gpu->id));
		fill_text(gpu->bus_id, sizeof(gpu->bus_id));
		fill_text(gpu->name, sizeof(gpu->name));
		gpu->integrated = gpu->persistence_off = gpu->has_energy = true;
		gpu->reason = REASON_AMBIGUOUS_WRAP;
		gpu->power_watts = gpu->temperature_celsius = gpu->utilization_percent =
			gpu->memory_used_bytes = gpu->memory_total_bytes = -1.23456789012345e-300;
		gpu->energy_uj[0] = gpu->energy_uj[1] = UINT64_MAX;
	}
	report.temperature_count = report.platform_count = REPORT_MAX_SENSORS;
	for (int i = 0; i < REPORT_MAX_SENSORS; i++)
	{
		fill_text(report.temperatures[i].source, sizeof(report.temperatures[i].source));
		fill_text(report.temperatures[i].label, sizeof(report.temperatures[i].label));
		report.temperatures[i].value = -1.23456789012345e-300;
		report.platform[i] = report.temperatures[i];
	}
	report.cpu_utilization_percent = report.memory_used_bytes = report.memory_total_bytes =
		report.powermetrics_cpu_watts = report.powermetrics_gpu_watts =
		report.powermetrics_combined_watts = report.powermetrics_dram_watts =
		report.powermetrics_age_seconds = report.powermetrics_interval_seconds = -1.23456789012345e-300;
	report.unknown_lines = UINT32_MAX;
	make();

	/* in less room there is none, never a part */
	length = strlen(json);
	for (size_t size = 0; size <= length; size += size < 200 || size + 200 > length ? 1 : 97)
	{
		memset(json, 'x', sizeof(json));
		assert_int_equal(report_json(&report, json, size), 0);
		assert_true(size == 0 || json[0] == '\0');
		assert_true(json[size] == 'x');
	}
	assert_int_equal(report_json(&report, json, length + 1), length);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_machines),
		cmocka_unit_test(test_names_of_all),
		cmocka_unit_test(test_strings_are_escaped),
		cmocka_unit_test(test_infinity_is_left_out),
		cmocka_unit_test(test_worst_case_fits),
	};

	return cmocka_run_group_tests_name("report as JSON", tests, NULL, NULL);
}
