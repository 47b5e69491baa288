/*
 * test_report_macos.c: a Mac's power by way of helpers' files and macmon, its
 * memory and utilisation; and the reader of their JSON.
 */
#include "reports.h"

#include "../../src/poller/report_internal.h"

static struct report report;

#define REASON(section) report.sections[section].reason
#define MAC "system Darwin 23.1.0\nnow 1702460000\n"

/* The older helper's file: powermetrics' milliwatts under names without a
 * unit.  Taken for watts it would be a thousand times too much. */
static void
test_older_helper_is_milliwatts(void **state)
{
	parse_fixture("sasass.txt", &report);
	assert_int_equal(REASON(SECTION_POWERMETRICS), REASON_NONE);
	assert_near(report.powermetrics_cpu_watts, 0.954, 1e-9);
	assert_near(report.powermetrics_gpu_watts, 0.046, 1e-9);
	assert_unknown(report.powermetrics_combined_watts);
	assert_near(report.powermetrics_age_seconds, 100, 0);
	assert_string_equal(report.powermetrics_source, "/tmp/powermetrics.json");
	assert_int_equal(report.gpu_count, 1);
	assert_true(report.gpus[0].integrated);
	assert_near(report.gpus[0].power_watts, 0.046, 1e-9);
}

/* Memory: the page size is in vm_stat's header, 16384 on Apple silicon. */
static void
test_memory(void **state)
{
	parse_fixture("sasass.txt", &report);
	assert_near(report.memory_total_bytes, 17179869184.0, 0);
	assert_near(report.memory_used_bytes, (300000.0 - 10000 + 120000 + 50000) * 16384, 0);

	parse_body(MAC "memsize 8589934592\n"
			   "vm_stat Mach Virtual Memory Statistics: (page size of 4096 bytes)\n"
			   "vm_stat Pages wired down: 100.\nvm_stat Pages purgeable: 10.\n"
			   "vm_stat Anonymous pages: 1000\nvm_stat Pages occupied by compressor: 5.\n", &report);
	assert_near(report.memory_used_bytes, (1000.0 - 10 + 100 + 5) * 4096, 0);

	/* one line is missing: nothing is made up */
	parse_body(MAC "memsize 8589934592\nvm_stat (page size of 4096 bytes)\nvm_stat Anonymous pages: 1000.\n", &report);
	assert_unknown(report.memory_used_bytes);
	parse_body(MAC "memsize lots\nvm_stat (page size of big bytes)\nvm_stat Anonymous pages: many\n"
			   "vm_stat Anonymous pages:\n", &report);
	assert_unknown(report.memory_total_bytes);
}

/* top's first block is the average since boot: the last one counts. */
static void
test_utilization(void **state)
{
	parse_fixture("sasass.txt", &report);
	assert_near(report.cpu_utilization_percent, 100 - 82.14, 1e-9);
	parse_body(MAC "top CPU usage: odd\ntop CPU usage: 1% user, 2% sys, x% idle\n"
			   "top CPU usage: -7% idle\ntop 101% idle\n", &report);
	assert_unknown(report.cpu_utilization_percent);
	assert_int_equal(REASON(SECTION_CPU_UTILIZATION), REASON_ABSENT);
	parse_body(MAC "top 50% idle\n", &report);
	assert_near(report.cpu_utilization_percent, 50, 0);
}

static void
test_our_helper(void **state)
{
	parse_body(MAC "powermetrics_file 1702459990 /var/db/tribe_power/powermetrics.json\n"
			   "powermetrics_json {\"cpu_power_watts\": 3.25, \"gpu_power_watts\": 0.5, "
			   "\"ane_power_watts\": 0, \"combined_power_watts\": 3.75, \"dram_power_watts\": 0.4, "
			   "\"sampled_at\": 1702459985, \"interval_seconds\": 60, \"model\": \"Mac14,2\"}\n", &report);
	assert_int_equal(REASON(SECTION_POWERMETRICS), REASON_NONE);
	assert_near(report.powermetrics_cpu_watts, 3.25, 0);
	assert_near(report.powermetrics_combined_watts, 3.75, 0);
	assert_near(report.powermetrics_dram_watts, 0.4, 0);
	assert_near(report.powermetrics_interval_seconds, 60, 0);
	/* the sample's own time counts, not when the file was written */
	assert_near(report.powermetrics_age_seconds, 15, 0);
}

/* A Mac's clock may be set: the older of the two times is believed. */
static void
test_age(void **state)
{
	parse_body(MAC "powermetrics_file 1702459000 /f\n"
			   "powermetrics_json {\"combined_power_watts\": 1, \"sampled_at\": 1802459000}\n", &report);
	assert_near(report.powermetrics_age_seconds, 1000, 0);
	parse_body(MAC "powermetrics_file - /f\n"
			   "powermetrics_json {\"combined_power_watts\": 1, \"sampled_at\": 1702459990}\n", &report);
	assert_near(report.powermetrics_age_seconds, 10, 0);
	parse_body(MAC "powermetrics_file - /f\npowermetrics_json {\"combined_power_watts\": 1}\n", &report);
	assert_unknown(report.powermetrics_age_seconds);
	parse_body("system Darwin 23\nnow later\npowermetrics_file 5 /f\npowermetrics_json {\"gpu_power_watts\": 1}\n", &report);
	assert_unknown(report.powermetrics_age_seconds);
}

/* Both files there: the fresher one is used. */
static void
test_fresher_file_wins(void **state)
{
	const char *ours = "powermetrics_file 1702459000 /ours\npowermetrics_json {\"cpu_power_watts\": 1, \"gpu_power_watts\": 1}\n";
	const char *older = "powermetrics_file 1702459900 /tmp/f\npowermetrics_json {\"cpu_power\": 2000, \"gpu_power\": 0}\n";
	char		body[512];

	snprintf(body, sizeof(body), MAC "%s%s", ours, older);
	parse_body(body, &report);
	assert_string_equal(report.powermetrics_source, "/tmp/f");
	assert_near(report.powermetrics_cpu_watts, 2, 1e-9);
	snprintf(body, sizeof(body), MAC "%s%s", older, ours);
	parse_body(body, &report);
	assert_string_equal(report.powermetrics_source, "/tmp/f");
}

static void
test_broken_files(void **state)
{
	static const char *const broken[] = {
		/* what the older helper writes on an Intel Mac */
		"{\"cpu_power\": , \"gpu_power\": , \"timestamp\": \"2025-12-13T00:00:00\"}",
		"", "{", "{}", "[1]", "\"x\"", "{\"cpu_power\": 95", "{\"cpu_power\": \"954\"}",
		"{\"cpu_power\": 954} x", "{\"cpu_power\" 954}", "{cpu_power: 954}", "{\"cpu_power\": nan}",
		"{\"cpu_power\": 0x10}", "{\"cpu_power\": 1e999}", "{\"cpu_power\": null}",
		"{\"a\": tru}", "{\"a\": \"\\x\"}", "{\"a\": \"\\u12g4\"}", "{\"a\": \"\\u12", "{\"a\": \"\\", "{\"a\": \"b",
		"{\"a\": [1, 2}", "{\"a\": [1 2]}", "{\"a\": 1,}", "{\"a\": 11111111111111111111111111111111111111111111}",
		"{\"cpu_power\": 954, \"gpu_power\": 1, \"a\":[[[[[[[[1]]]]]]]]}",	/* too deep */
		"{\"a\": {\"cpu_power\": 1}}",
	};
	char		body[512];

	for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++)
	{
		snprintf(body, sizeof(body), MAC "powermetrics_file 1702460000 /f\npowermetrics_json %s\n", broken[i]);
		parse_body(body, &report);
		if (REASON(SECTION_POWERMETRICS) != REASON_ERROR)
			fail_msg("taken: %s", broken[i]);
		assert_unknown(report.powermetrics_cpu_watts);
		assert_int_equal(report.gpu_count, 0);
	}

	parse_body(MAC "powermetrics_file 1702460000 /f\npowermetrics_json "
			   "{\"cpu_power\": 954, \"gpu_power\": 1, \"a\":[[[[[[[1]]]]]]], \"b\":[[[[[[[1]]]]]]]}\n", &report);
	assert_int_equal(REASON(SECTION_POWERMETRICS), REASON_NONE);
	parse_body(MAC "powermetrics_denied /tmp/powermetrics.json\n", &report);
	assert_int_equal(REASON(SECTION_POWERMETRICS), REASON_DENIED);
	parse_body(MAC, &report);
	assert_int_equal(REASON(SECTION_POWERMETRICS), REASON_ABSENT);
	/* one good source makes up for a broken one */
	parse_body(MAC "powermetrics_denied /var/db/x\npowermetrics_file 1702460000 /f\n"
			   "powermetrics_json {\"cpu_power\": 954, \"gpu_power\": 1}\n", &report);
	assert_int_equal(REASON(SECTION_POWERMETRICS), REASON_NONE);
}

/* macmon speaks watts under the very names that hold milliwatts elsewhere. */
static void
test_macmon(void **state)
{
	parse_body(MAC "expect powermetrics\npowermetrics_file 1702460000 /f\n"
			   "powermetrics_json {\"cpu_power\": 954, \"gpu_power\": 1}\n"
			   "macmon {\"timestamp\":\"2025-02-24T20:38:15.427569+00:00\",\"temp\":{\"cpu_temp_avg\":43.7,"
			   "\"gpu_temp_avg\":36.9},\"memory\":{\"ram_total\":25769803776,\"ram_usage\":20985479168},"
			   "\"ecpu_usage\":[1181,0.08],\"pcpu_usage\":[1974,0.015],\"gpu_usage\":[461,0.0215],"
			   "\"cpu_power\":0.2048,\"gpu_power\":0.0174,\"ane_power\":0.0,\"all_power\":0.2222,"
			   "\"sys_power\":5.8765,\"ram_power\":0.1163,\"gpu_ram_power\":0.0009}\n", &report);
	assert_string_equal(report.powermetrics_source, "macmon");
	assert_near(report.powermetrics_cpu_watts, 0.2048, 1e-9);
	assert_near(report.powermetrics_combined_watts, 0.2222, 1e-9);
	assert_near(report.powermetrics_age_seconds, 0, 0);
	assert_near(report.temperatures[0].value, 43.7, 1e-9);
	assert_string_equal(report.platform[0].source, "macmon");
	assert_near(report.platform[0].value, 5.8765, 1e-9);
	assert_int_equal(report.gpu_count, 1);
	assert_near(report.gpus[0].temperature_celsius, 36.9, 1e-9);
	assert_near(report.gpus[0].utilization_percent, 2.15, 1e-9);
	assert_near(report.gpus[0].power_watts, 0.0174, 1e-9);

	parse_body(MAC "expect powermetrics\nmacmon \n", &report);
	assert_int_equal(REASON(SECTION_POWERMETRICS), REASON_ERROR);
	parse_body(MAC "expect powermetrics\nmacmon {\"gpu_power\": 1}\n", &report);
	assert_int_equal(REASON(SECTION_POWERMETRICS), REASON_ERROR);
	parse_body(MAC "expect powermetrics\n", &report);
	assert_int_equal(REASON(SECTION_POWERMETRICS), REASON_TIMEOUT);
	parse_body(MAC "macmon {\"cpu_power\": 2}\n", &report);
	assert_near(report.powermetrics_cpu_watts, 2, 0);
	assert_int_equal(report.temperature_count, 0);
	assert_int_equal(report.platform_count, 0);
}

static void
test_no_room_for_the_gpu(void **state)
{
	char		body[8192] = MAC;

	for (int i = 0; i < REPORT_MAX_GPUS; i++)
		sprintf(body + strlen(body), "nvidia_gpu %d asleep\n", i);
	strcat(body, "macmon {\"cpu_power\": 2, \"gpu_power\": 1}\n");
	parse_body(body, &report);
	assert_int_equal(report.gpu_count, REPORT_MAX_GPUS);
	assert_near(report.powermetrics_gpu_watts, 1, 0);
}

static void
test_other_systems_have_no_powermetrics(void **state)
{
	parse_body("system Linux 6\n", &report);
	assert_false(report.sections[SECTION_POWERMETRICS].present);
}

/* --- the reader of JSON ----------------------------------------------------- */

static char seen[1024];

static void
collect(void *context, const char *path, double value, const char *text)
{
	size_t		length = strlen(seen);

	assert_ptr_equal(context, seen);
	if (text)
		snprintf(seen + length, sizeof(seen) - length, "%s='%s' ", path, text);
	else
		snprintf(seen + length, sizeof(seen) - length, "%s=%g ", path, value);
}

static void
test_json_members(void **state)
{
	seen[0] = '\0';
	assert_true(report_read_json(" { \"a\" : 1.5e1 , \"b\":{\"c\":[2,{\"d\":-3}],\"e\":\"x\\\"y\\u00e9\\n\"},"
								 "\"f\":true,\"g\":false,\"h\":null,\"i\":{},\"j\":[],\"k\":7\t\r\n}\n", collect, seen));
	assert_string_equal(seen, "a=15 b.c[0]=2 b.c[1].d=-3 b.e='x\"y?" "?' k=7 ");
}

/* A key too long for us is none of ours, and is not cut into one. */
static void
test_json_long_keys(void **state)
{
	char		text[1024];

	seen[0] = '\0';
	snprintf(text, sizeof(text), "{\"%0300d\": 1, \"a\": {\"%0200d\": {\"b\": 2}}, \"c\": \"%0300d\", \"d\": 4}", 0, 0, 0);
	assert_true(report_read_json(text, collect, seen));
	assert_non_null(strstr(seen, "d=4"));
	assert_null(strstr(seen, " b=2"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_older_helper_is_milliwatts),
		cmocka_unit_test(test_memory),
		cmocka_unit_test(test_utilization),
		cmocka_unit_test(test_our_helper),
		cmocka_unit_test(test_age),
		cmocka_unit_test(test_fresher_file_wins),
		cmocka_unit_test(test_broken_files),
		cmocka_unit_test(test_macmon),
		cmocka_unit_test(test_no_room_for_the_gpu),
		cmocka_unit_test(test_other_systems_have_no_powermetrics),
		cmocka_unit_test(test_json_members),
		cmocka_unit_test(test_json_long_keys),
	};

	return cmocka_run_group_tests_name("report of a Mac", tests, NULL, NULL);
}
