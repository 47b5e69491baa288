/*
 * test_report.c: the frame of a report, the lines of every system, and a
 * report over the wire.
 */
#include "reports.h"

#include "wire.h"

static struct report report;
static char error[256];

static enum outcome
parse(const char *text)
{
	return report_parse(text, strlen(text), &report, error, sizeof(error));
}

#define UPTIME "clock 0 100.00 100.01\nclock 1 101.01 101.01\n"

static void
test_whole_report_is_read(void **state)
{
	assert_int_equal(parse(OPENING "system Linux 6.1.0-18-amd64\nboot 1f-2e\n" UPTIME
						   "stat 0 1 2 3 4 5 6 7 8\nstat 1 11 12 13 14 15 16 17 18\n" END),
					 OUTCOME_READ);
	assert_int_equal(report.system, SYSTEM_LINUX);
	assert_string_equal(report.system_text, "Linux 6.1.0-18-amd64");
	assert_string_equal(report.boot_id, "1f-2e");
	assert_near(report.clock[0].before, 100.00, 0);
	assert_near(report.clock[0].after, 100.01, 0);
	assert_near(report.clock[1].after, 101.01, 0);
	assert_true(report.cpu[0].known && report.cpu[1].known);
	assert_int_equal(report.cpu[0].user, 1);
	assert_int_equal(report.cpu[1].steal, 18);
	assert_int_equal(report.sections[SECTION_CLOCK].reason, REASON_NONE);
	assert_int_equal(report.sections[SECTION_CPU_UTILIZATION].reason, REASON_NONE);
	assert_int_equal(report.sections[SECTION_RAPL].reason, REASON_ABSENT);
	assert_int_equal(report.unknown_lines, 0);
}

/* MOTD and .bashrc print before our first line, and not always whole lines. */
static void
test_noise_before_the_opening_is_skipped(void **state)
{
	assert_int_equal(parse("Last login: never\x1b[0m\n\n" "welcome" "\n" OPENING "system Linux 1\n" END),
					 OUTCOME_READ);
	assert_int_equal(report.system, SYSTEM_LINUX);
	/* the noise mentions our line, but is not it */
	assert_int_equal(parse("x " OPENING OPENING "boot a\n" END), OUTCOME_READ);
	assert_string_equal(report.boot_id, "a");
}

static void
test_what_follows_the_end_is_ignored(void **state)
{
	assert_int_equal(parse(OPENING "boot a\n" END "logout\nboot b\n"), OUTCOME_READ);
	assert_string_equal(report.boot_id, "a");
}

/* A session cut at any byte gives no report: never a part of one. */
static void
test_cut_anywhere_is_incomplete(void **state)
{
	const char *text = "noise\n" OPENING "system Linux 1\n" UPTIME
	"zone intel-rapl:0 262143328850 package-0\nenergy 0 intel-rapl:0 12\n" END;

	for (size_t length = 0; length < strlen(text); length++)
	{
		assert_int_equal(report_parse(text, length, &report, error, sizeof(error)),
						 OUTCOME_REPORT_INCOMPLETE);
		assert_string_not_equal(error, "");
		assert_int_equal(report.zone_count, 0);
	}
	assert_int_equal(parse(text), OUTCOME_READ);
}

static void
test_other_opening_is_no_report(void **state)
{
	assert_int_equal(parse("tribe_power_probe 2\n" END), OUTCOME_REPORT_INCOMPLETE);
	assert_int_equal(parse(" tribe_power_probe 1\n" END), OUTCOME_REPORT_INCOMPLETE);
	assert_int_equal(parse(""), OUTCOME_REPORT_INCOMPLETE);
	assert_int_equal(parse("This account is currently not available.\n"), OUTCOME_REPORT_INCOMPLETE);
}

static void
test_garbled(void **state)
{
	static const char *const bodies[] = {
		"system Linux \x1b[31m\n",	/* control characters */
		"boot \r\n",
		"boot \x7f\n",
		"boot a\tb\n",
		OPENING,
		"system a\nsystem b\n",
		"boot a\nboot b\n",
		"clock 2 1 1\n",
		"clock\n",
		"clock 0 1 1\nclock 0 1 1\n",
		"stat 00 1\n",
		"stat\n",
		"stat 0 1 2 3 4\nstat 0 1 2 3 4\n",
		"expect bread\n",
		"done bread\n",
		"zone intel-rapl:0 12\n",
		"zone intel-rapl:0 12 package-0\nzone intel-rapl:0 12 package-0\n",
		"zone 0123456789012345678901234567890123456789012345678901234567890123 1 dram\n",
		"energy 0 intel-rapl:0 12\n",
		"energy 3 intel-rapl:0 12\n",
		"zone intel-rapl:0 12 package-0\nenergy 0 intel-rapl:0\n",
		"zone intel-rapl:0 12 package-0\nenergy 0 intel-rapl:0 1\nenergy 0 intel-rapl:0 1\n",
		"energy 0\n",
		"temperature coretemp\n",
		"meminfo\n",
		"battery BAT0\n",
		"ipmi_exit what\n",
		"ipmi_exit 256\n",
		"nvidia_exit -1\n",
		"nvidia_exit 1000\n",
		"nvidia_gpu 0000:01:00.0\n",
		"amdgpu 0000:01:00.0\n",
		"intel_gpu 0000:01:00.0\n",
		"intel_gpu a asleep\nintel_gpu a asleep\n",
		"gpu_energy 0 nothing 12\n",
		"gpu_energy 0 /sys/energy1_input\n",
		"gpu_energy 5 /sys/energy1_input 12\n",
		"macmon {\"cpu_power\": 1}\nmacmon {\"cpu_power\": 1}\n",
	};
	char		text[512];

	for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++)
	{
		snprintf(text, sizeof(text), OPENING "%s" END, bodies[i]);
		if (parse(text) != OUTCOME_REPORT_GARBLED)
			fail_msg("taken: %s", bodies[i]);
		assert_string_not_equal(error, "");
		assert_int_equal(report.system, SYSTEM_UNKNOWN);
		for (const char *c = error; *c; c++)
			assert_true(*c >= ' ' && *c <= '~');
	}
	/* a NUL inside */
	assert_int_equal(report_parse(OPENING "boot a\0b\n" END, sizeof(OPENING "boot a\0b\n" END) - 1,
								  &report, error, sizeof(error)), OUTCOME_REPORT_GARBLED);
}

/* Bytes beyond ASCII come in names and messages; they are shown as '?'. */
static void
test_other_bytes_become_question_marks(void **state)
{
	parse_body("system Linux \xc3\xa9\xff\n", &report);
	assert_string_equal(report.system_text, "Linux ???");
}

static void
test_lengths_are_bounded(void **state)
{
	static char text[REPORT_MAX_TEXT + 100];
	char	   *end = text + sprintf(text, OPENING);

	/* a line of 4096 is one, a longer one is not */
	memset(end, 'x', 4096);
	strcpy(end + 4096, "\n" END);
	assert_int_equal(parse(text), OUTCOME_READ);
	assert_int_equal(report.unknown_lines, 1);
	strcpy(end + 4096, "x\n" END);
	assert_int_equal(parse(text), OUTCOME_REPORT_GARBLED);

	/* 64 KiB is a report, one more byte is not */
	for (char *at = end; at < text + sizeof(text) - 1; at++)
		*at = (at - text) % 64 == 63 ? '\n' : 'x';
	strcpy(text + REPORT_MAX_TEXT - 5, "\n" END);
	assert_int_equal(strlen(text), REPORT_MAX_TEXT);
	assert_int_equal(parse(text), OUTCOME_READ);
	strcpy(text + REPORT_MAX_TEXT - 4, "\n" END);
	assert_int_equal(parse(text), OUTCOME_REPORT_OVERSIZED);

	/* names are cut to fit */
	parse_body("boot 0123456789012345678901234567890123456789012345678901234567890123456789\n", &report);
	assert_int_equal(strlen(report.boot_id), REPORT_MAX_NAME);
}

static void
test_unknown_lines_are_counted(void **state)
{
	parse_body("weather fine\n\n   \nmoon full\n", &report);
	assert_int_equal(report.unknown_lines, 2);
}

/* A file that says something odd costs its section, not the report. */
static void
test_odd_numbers_cost_their_section(void **state)
{
	static const char *const odd[] = {
		"nan", "inf", "0x10", "1e999", "12a", "-", "", "1 ", "11111111111111111111111111111111111111111"
	};
	char		body[256];

	for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++)
	{
		snprintf(body, sizeof(body), "clock 1 %s\n", odd[i]);
		parse_body(body, &report);
		assert_false(report.clock[1].known);
		assert_int_equal(report.sections[SECTION_CLOCK].reason, REASON_ERROR);
	}
	parse_body("stat 1 1 2 x 4\n", &report);
	assert_false(report.cpu[1].known);
	assert_int_equal(report.sections[SECTION_CPU_UTILIZATION].reason, REASON_ERROR);
	parse_body("stat 1 1 2 3\n", &report);
	assert_false(report.cpu[1].known);
	/* kernels of long ago have four fields */
	parse_body("stat 1 1 2 3 4\n", &report);
	assert_true(report.cpu[1].known);
	/* 2^64 and 2^64 + 4 are no numbers of 64 bits */
	parse_body("stat 1 18446744073709551616 2 3 4\n", &report);
	assert_false(report.cpu[1].known);
	parse_body("stat 1 18446744073709551620 2 3 4\n", &report);
	assert_false(report.cpu[1].known);
	parse_body("stat 1 18446744073709551615 2 3 4\n", &report);
	assert_true(report.cpu[1].user == UINT64_MAX);
}

static void
test_systems(void **state)
{
	parse_body("system Darwin 23.1.0\n", &report);
	assert_int_equal(report.system, SYSTEM_MACOS);
	parse_body("system FreeBSD 14.0-RELEASE\nboot 1702460000\nclock 0 5 5\nstat 0 1 2 3 4 0 5 0 0\n"
			   "memory_bytes 1024 4096\ncelsius sysctl 45.5\n", &report);
	assert_int_equal(report.system, SYSTEM_FREEBSD);
	assert_near(report.memory_used_bytes, 1024, 0);
	assert_near(report.temperatures[0].value, 45.5, 0);
	parse_body("memory_bytes x 4096\n", &report);
	assert_int_equal(report.sections[SECTION_MEMORY].reason, REASON_ERROR);
	parse_body("system Plan9\n", &report);
	assert_int_equal(report.system, SYSTEM_UNKNOWN);
}

/* --- over the wire ---------------------------------------------------------- */

static uint8_t bytes[WIRE_MAX_PAYLOAD];

static size_t
encode(const struct report *source)
{
	struct wire_writer writer;

	wire_writer_init(&writer, bytes, sizeof(bytes));
	return report_encode(source, &writer) ? writer.length : 0;
}

static bool
decode(size_t length, struct report *target)
{
	struct wire_reader reader;

	wire_reader_init(&reader, bytes, length);
	if (!report_decode(&reader, target))
	{
		assert_int_equal(target->zone_count, 0);	/* nothing half-read */
		return false;
	}
	return wire_reader_done(&reader);
}

static void
fill(struct report *full)
{
	parse_body("system Linux 6.1\nboot b\n" UPTIME
			   "stat 0 1 2 3 4 5 6 7 8\nstat 1 11 12 13 14 15 16 17 18\n"
			   "zone intel-rapl:0 262143328850 package-0\nzone intel-rapl:0:0 65712999613 dram\n"
			   "energy 0 intel-rapl:0 1\nenergy 1 intel-rapl:0 2\nenergy 1 intel-rapl:0:0 denied\n"
			   "nvidia 0, GPU-1, RTX, 00000000:01:00.0, Disabled, 10.5, 40, 3, 1, 2\nnvidia_exit 0\n"
			   "amdgpu 0000:03:00.0 integrated\namdgpu 0000:03:00.0 power1_input 7000000\n"
			   "intel_gpu 0000:04:00.0 i915 /h\ngpu_energy 0 /h/energy1_input 5\n"
			   "gpu_energy 1 /h/energy1_input 6\n"
			   "temperature coretemp 45000 Package id 0\npower_meter 200000000 power1_average\n"
			   "meminfo MemTotal 1000\nmeminfo MemAvailable 400\nodd line\n", full);
	full->powermetrics_cpu_watts = 1;
	full->powermetrics_interval_seconds = 60;
	strcpy(full->powermetrics_source, "macmon");
}

static bool
same(const struct report *a, const struct report *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

static void
test_wire_round_trip(void **state)
{
	static struct report full;
	static struct report back;
	size_t		length;

	fill(&full);
	length = encode(&full);
	assert_true(length > 0);
	assert_true(decode(length, &back));
	assert_true(same(&full, &back));

	report_init(&full);
	assert_true(decode(encode(&full), &back));
	assert_true(same(&full, &back));
}

static void
test_wire_too_small(void **state)
{
	static struct report full;
	struct wire_writer writer;
	size_t		length;

	fill(&full);
	length = encode(&full);
	for (size_t size = 0; size < length; size++)
	{
		wire_writer_init(&writer, bytes, size);
		assert_false(report_encode(&full, &writer));
	}
	full.zone_count = REPORT_MAX_ZONES + 1;
	assert_int_equal(encode(&full), 0);
	fill(&full);
	full.gpu_count = REPORT_MAX_GPUS + 1;
	assert_int_equal(encode(&full), 0);
	fill(&full);
	full.temperature_count = REPORT_MAX_SENSORS + 1;
	assert_int_equal(encode(&full), 0);
}

static bool
number_ok(double value)
{
	return !isinf(value);
}

static void
assert_printable(const char *text, size_t size)
{
	assert_true(strnlen(text, size) < size);
	for (; *text != '\0'; text++)
		assert_true(*text >= ' ' && *text <= '~');
}

/* Whatever comes, a decoded report stays within its bounds. */
static void
check_bounds(const struct report *got)
{
	assert_true((unsigned) got->system <= SYSTEM_FREEBSD);
	assert_printable(got->system_text, sizeof(got->system_text));
	assert_printable(got->boot_id, sizeof(got->boot_id));
	assert_true(got->zone_count <= REPORT_MAX_ZONES);
	assert_true(got->gpu_count <= REPORT_MAX_GPUS);
	assert_true(got->temperature_count <= REPORT_MAX_SENSORS);
	assert_true(got->platform_count <= REPORT_MAX_SENSORS);
	for (int i = 0; i < SECTION_COUNT; i++)
	{
		assert_true((unsigned) got->sections[i].reason < REASON_COUNT);
		assert_printable(got->sections[i].detail, sizeof(got->sections[i].detail));
	}
	for (int i = 0; i < got->zone_count; i++)
		assert_printable(got->zones[i].path, sizeof(got->zones[i].path));
	for (int i = 0; i < got->gpu_count; i++)
	{
		assert_true(got->gpus[i].vendor >= GPU_NVIDIA && got->gpus[i].vendor <= GPU_APPLE);
		assert_true((unsigned) got->gpus[i].reason < REASON_COUNT);
		assert_printable(got->gpus[i].name, sizeof(got->gpus[i].name));
		assert_true(number_ok(got->gpus[i].power_watts));
	}
	assert_true(number_ok(got->memory_used_bytes));
}

/* A poller that was taken over may send anything: every byte is tried with
 * other values, and the message is cut everywhere. */
static void
test_wire_hostile(void **state)
{
	static const uint8_t values[] = {0, 1, 2, 5, 0x1b, 0x7f, 0x80, 0xff};
	static struct report full;
	static struct report back;
	size_t		length;
	int			refused = 0;

	fill(&full);
	length = encode(&full);
	for (size_t cut = 0; cut < length; cut++)
		assert_false(decode(cut, &back));
	for (size_t at = 0; at < length; at++)
		for (size_t v = 0; v < sizeof(values); v++)
		{
			uint8_t		was = bytes[at];

			bytes[at] = values[v];
			if (decode(length, &back))
				check_bounds(&back);
			else
				refused++;
			bytes[at] = was;
		}
	assert_true(refused > 1000);
}

static void
test_wire_refuses_infinity_and_control(void **state)
{
	static struct report full;
	static struct report back;

	fill(&full);
	full.memory_used_bytes = INFINITY;
	assert_false(decode(encode(&full), &back));
	fill(&full);
	strcpy(full.gpus[0].name, "a\x1b[2J");
	assert_false(decode(encode(&full), &back));
	fill(&full);
	strcpy(full.boot_id, "\xe2\x80\xae");
	assert_false(decode(encode(&full), &back));
	fill(&full);
	full.gpus[0].vendor = 0;
	assert_false(decode(encode(&full), &back));
	fill(&full);
	full.sections[SECTION_RAPL].reason = REASON_COUNT;
	assert_false(decode(encode(&full), &back));
	fill(&full);
	full.system = SYSTEM_FREEBSD + 1;
	assert_false(decode(encode(&full), &back));
}

/* Random bytes and mutated reports never crash and never leave the bounds. */
static void
test_parser_takes_anything(void **state)
{
	static char text[8192];
	static const char seed[] = OPENING "system Linux 6\nboot b\n" UPTIME
	"zone intel-rapl:0 262 package-0\nenergy 0 intel-rapl:0 1\nenergy 1 intel-rapl:0 2\n"
	"stat 0 1 2 3 4 5 6 7 8\nnvidia 0, GPU-1, RTX, 00000000:01:00.0, Disabled, 10.5, 40, 3, 1, 2\n"
	"nvidia_exit 0\namdgpu s power1_input 7\nintel_gpu s xe /h\ngpu_energy 0 /h/energy2_input 5\n"
	"temperature k10temp 45000 Tctl\nmeminfo MemTotal 1\npower_meter 2 x\nbattery B Discharging 1 2 3\n"
	"ipmi Instantaneous power reading: 220 Watts\nipmi_exit 0\nnut 5\nnow 5\nmemsize 7\n"
	"top CPU usage: 1% user, 2% sys, 97% idle\nvm_stat x (page size of 4096 bytes)\n"
	"vm_stat Pages wired down: 12.\npowermetrics_file 4 /tmp/x\n"
	"powermetrics_json {\"cpu_power\": 954, \"x\": [1, {\"y\": \"z\\u0041\"}]}\nmacmon {\"cpu_power\": 0.5}\n" END;
	int			read = 0;

	srand(20251213);
	for (int round = 0; round < 40000; round++)
	{
		size_t		length = sizeof(seed) - 1;

		memcpy(text, seed, length);
		for (int change = rand() % 6; change >= 0; change--)
			switch (rand() % 4)
			{
				case 0:
					text[rand() % length] = rand();
					break;
				case 1:
					text[rand() % length] = " \n0129.-{}\",:[]"[rand() % 15];
					break;
				case 2:
					{
						size_t		at = rand() % length;
						size_t		gone = rand() % 20;

						gone = gone < length - at ? gone : length - at;
						memmove(text + at, text + at + gone, length - at - gone);
						length -= gone;
						break;
					}
				default:
					{
						size_t		from = rand() % length;
						size_t		size = rand() % 40;
						size_t		at = rand() % length;

						size = size < length - from ? size : length - from;
						memmove(text + at + size, text + at, length - at);
						memmove(text + at, text + from, size);
						length += size;
						break;
					}
			}
		if (report_parse(text, length, &report, error, sizeof(error)) == OUTCOME_READ)
		{
			read++;
			check_bounds(&report);
			assert_true(encode(&report) > 0);
		}
		else
			assert_printable(error, sizeof(error));
	}
	assert_true(read > 1000 && read < 39000);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_whole_report_is_read),
		cmocka_unit_test(test_noise_before_the_opening_is_skipped),
		cmocka_unit_test(test_what_follows_the_end_is_ignored),
		cmocka_unit_test(test_cut_anywhere_is_incomplete),
		cmocka_unit_test(test_other_opening_is_no_report),
		cmocka_unit_test(test_garbled),
		cmocka_unit_test(test_other_bytes_become_question_marks),
		cmocka_unit_test(test_lengths_are_bounded),
		cmocka_unit_test(test_unknown_lines_are_counted),
		cmocka_unit_test(test_odd_numbers_cost_their_section),
		cmocka_unit_test(test_systems),
		cmocka_unit_test(test_wire_round_trip),
		cmocka_unit_test(test_wire_too_small),
		cmocka_unit_test(test_wire_hostile),
		cmocka_unit_test(test_wire_refuses_infinity_and_control),
		cmocka_unit_test(test_parser_takes_anything),
	};

	return cmocka_run_group_tests_name("report", tests, NULL, NULL);
}
