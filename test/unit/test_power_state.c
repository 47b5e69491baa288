/*
 * test_power_state.c: names, the summary for people, and what is remembered of
 * a reading, as bytes.
 */
#include "power_rig.h"

static struct rig rig;

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
		cmocka_unit_test(test_summaries),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_state_bytes),
		cmocka_unit_test(test_state_garbage),
	};

	return cmocka_run_group_tests_name("power: state and summary", tests, NULL, NULL);
}
