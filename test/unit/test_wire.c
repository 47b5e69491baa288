/*
 * test_wire.c: what one side encodes the other decodes, and nothing else.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "text.h"
#include "wire.h"

static uint8_t buffer[WIRE_MAX_FRAME];

static const struct job sample_job = {
	.id = UINT64_C(0x0123456789abcdef),
	.kind = JOB_SCAN_HOST_KEY,
	.node_name = "bluefin",
	.address = "fe80::1%eth0",
	.port = 2222,
	.user = "dereadi",
	.identity_file = "/etc/tribe_power/id_ed25519",
	.known_hosts_file = "",
	.host_key = "ssh-ed25519 AAAA\nssh-rsa BBBB",
	.host_key_policy = HOST_KEY_ACCEPT_NEW,
	.keep_session = true,
	.start_delay_ms = 1,
	.connect_timeout_ms = 5000,
	.node_timeout_ms = 15000,
	.sample_window_ms = 1000,
};

/* The frame that the writer holds. */
static struct wire_frame
whole_frame(const struct wire_writer *writer)
{
	struct wire_frame frame;

	assert_int_equal(wire_frame_next(writer->data, writer->length, &frame), WIRE_FRAME);
	assert_int_equal(frame.size, writer->length);
	return frame;
}

static void
numbers_and_strings_come_back(void **state)
{
	struct wire_writer writer;
	struct wire_reader reader;
	char		chars[4];

	wire_writer_init(&writer, buffer, sizeof(buffer));
	wire_put_u8(&writer, 0xfe);
	wire_put_u16(&writer, 0xfedc);
	wire_put_u32(&writer, 0xfedcba98);
	wire_put_u64(&writer, UINT64_C(0xfedcba9876543210));
	wire_put_double(&writer, -0.1);
	wire_put_u8(&writer, 1);
	wire_put_string(&writer, "", 0);
	wire_put_string(&writer, "abc", 3);
	wire_put_string(&writer, "xyz", 3);
	assert_false(writer.failed);
	/* the same bytes on every machine */
	assert_memory_equal(buffer, "\xfe\xdc\xfe\x98\xba\xdc\xfe\x10\x32", 9);

	wire_reader_init(&reader, buffer, writer.length);
	assert_int_equal(wire_get_u8(&reader), 0xfe);
	assert_int_equal(wire_get_u16(&reader), 0xfedc);
	assert_int_equal(wire_get_u32(&reader), 0xfedcba98);
	assert_true(wire_get_u64(&reader) == UINT64_C(0xfedcba9876543210));
	assert_true(wire_get_double(&reader) == -0.1);
	assert_true(wire_get_bool(&reader));
	assert_string_equal(wire_get_string(&reader, 0), "");
	assert_string_equal(wire_get_string(&reader, 3), "abc");
	assert_false(wire_reader_done(&reader));
	wire_get_chars(&reader, chars, sizeof(chars));
	assert_string_equal(chars, "xyz");
	assert_true(wire_reader_done(&reader));
	wire_get_u8(&reader);
	assert_true(reader.failed);
}

static void
strings_are_bounded_both_ways(void **state)
{
	struct wire_writer writer;
	struct wire_reader reader;
	char		chars[3];

	wire_writer_init(&writer, buffer, sizeof(buffer));
	wire_put_string(&writer, "abc", 2);
	assert_true(writer.failed);
	wire_writer_init(&writer, buffer, sizeof(buffer));
	wire_put_string(&writer, NULL, 2);
	assert_true(writer.failed);
	wire_writer_init(&writer, buffer, 5);
	wire_put_string(&writer, "abc", 3);
	assert_true(writer.failed);

	wire_writer_init(&writer, buffer, sizeof(buffer));
	wire_put_string(&writer, "abc", 3);
	wire_reader_init(&reader, buffer, writer.length);
	assert_string_equal(wire_get_string(&reader, 2), "");
	assert_true(reader.failed);
	wire_reader_init(&reader, buffer, writer.length);
	wire_get_chars(&reader, chars, sizeof(chars));
	assert_true(reader.failed);
	assert_string_equal(chars, "");

	/* an inner NUL, and a missing one at the end */
	wire_reader_init(&reader, "\3\0a\0c", 6);
	wire_get_string(&reader, 3);
	assert_true(reader.failed);
	wire_reader_init(&reader, "\3\0abcd", 6);
	wire_get_string(&reader, 3);
	assert_true(reader.failed);
	wire_reader_init(&reader, "\2", 1);
	wire_get_string(&reader, 3);
	assert_true(reader.failed);
	wire_reader_init(&reader, "\2", 1);
	wire_get_bool(&reader);
	assert_true(reader.failed);
}

static void
settings_come_back(void **state)
{
	struct poller_settings settings = {64, 7, UINT64_C(1) << 40, 15};
	struct poller_settings back;
	struct wire_writer writer;
	struct wire_frame frame;

	wire_writer_init(&writer, buffer, sizeof(buffer));
	assert_true(wire_encode_settings(&writer, &settings));
	frame = whole_frame(&writer);
	assert_int_equal(frame.type, WIRE_SETTINGS);
	assert_true(wire_decode_settings(&frame, &back));
	assert_int_equal(back.max_connections, 64);
	assert_int_equal(back.max_kept_sessions, 7);
	assert_true(back.memory_limit == UINT64_C(1) << 40);
	assert_int_equal(back.nice, 15);

	/* out of range */
	for (int i = 0; i < 3; i++)
	{
		struct poller_settings wrong = settings;

		if (i == 0)
			wrong.max_connections = 0;
		else
			wrong.nice = i == 1 ? -1 : 20;
		wire_writer_init(&writer, buffer, sizeof(buffer));
		assert_true(wire_encode_settings(&writer, &wrong));
		frame = whole_frame(&writer);
		assert_false(wire_decode_settings(&frame, &back));
	}
}

static void
job_comes_back(void **state)
{
	struct job	back;
	struct wire_writer writer;
	struct wire_frame frame;

	wire_writer_init(&writer, buffer, sizeof(buffer));
	assert_true(wire_encode_job(&writer, &sample_job));
	frame = whole_frame(&writer);
	assert_int_equal(frame.type, WIRE_JOB);
	assert_true(wire_decode_job(&frame, &back));
	assert_true(back.id == sample_job.id);
	assert_int_equal(back.kind, sample_job.kind);
	assert_string_equal(back.node_name, sample_job.node_name);
	assert_string_equal(back.address, sample_job.address);
	assert_int_equal(back.port, sample_job.port);
	assert_string_equal(back.user, sample_job.user);
	assert_string_equal(back.identity_file, sample_job.identity_file);
	assert_string_equal(back.known_hosts_file, "");
	assert_string_equal(back.host_key, sample_job.host_key);
	assert_int_equal(back.host_key_policy, sample_job.host_key_policy);
	assert_true(back.keep_session);
	assert_int_equal(back.start_delay_ms, 1);
	assert_int_equal(back.connect_timeout_ms, 5000);
	assert_int_equal(back.node_timeout_ms, 15000);
	assert_int_equal(back.sample_window_ms, 1000);
}

static void
job_that_cannot_be_polled_is_refused(void **state)
{
	for (int i = 0; i < 5; i++)
	{
		struct job	job = sample_job;
		struct job	back;
		struct wire_writer writer;
		struct wire_frame frame;

		if (i == 1)
			job.address = "";
		if (i == 2)
			job.port = 0;
		if (i == 3)
			job.connect_timeout_ms = 0;
		if (i == 4)
			job.node_timeout_ms = 0;
		wire_writer_init(&writer, buffer, sizeof(buffer));
		assert_true(wire_encode_job(&writer, &job));
		frame = whole_frame(&writer);
		assert_int_equal(wire_decode_job(&frame, &back), i == 0);
	}
}

static void
longest_job_fits(void **state)
{
	static char name[WIRE_MAX_NAME + 1],
				path[WIRE_MAX_PATH + 2],
				key[WIRE_MAX_HOST_KEY + 1];
	struct job	job = sample_job;
	struct job	back;
	struct wire_writer writer;
	struct wire_frame frame;

	memset(name, 'n', sizeof(name) - 1);
	memset(path, 'p', sizeof(path) - 2);
	memset(key, 'k', sizeof(key) - 1);
	job.node_name = job.address = job.user = name;
	job.identity_file = job.known_hosts_file = path;
	job.host_key = key;
	wire_writer_init(&writer, buffer, sizeof(buffer));
	assert_true(wire_encode_job(&writer, &job));
	frame = whole_frame(&writer);
	assert_true(wire_decode_job(&frame, &back));
	assert_int_equal(strlen(back.host_key), WIRE_MAX_HOST_KEY);

	path[WIRE_MAX_PATH] = 'p';
	wire_writer_init(&writer, buffer, sizeof(buffer));
	assert_false(wire_encode_job(&writer, &job));
}

/* Cut anywhere or with a byte too many, a message is no message. */
static void
message_of_another_length_is_refused(void **state)
{
	struct wire_writer writer;
	struct wire_frame frame;
	struct job	back;

	wire_writer_init(&writer, buffer, sizeof(buffer));
	assert_true(wire_encode_job(&writer, &sample_job));
	frame = whole_frame(&writer);
	for (size_t length = 0; length < writer.length; length++)
	{
		struct wire_frame cut;

		assert_int_equal(wire_frame_next(buffer, length, &cut), WIRE_MORE);
		if (length >= WIRE_HEADER_SIZE)
		{
			cut = frame;
			cut.payload_length = length - WIRE_HEADER_SIZE;
			assert_false(wire_decode_job(&cut, &back));
		}
	}
	frame.payload_length++;
	assert_false(wire_decode_job(&frame, &back));
}

static void
stranger_is_known_by_its_first_wrong_byte(void **state)
{
	struct wire_writer writer;
	struct wire_frame frame;

	wire_writer_init(&writer, buffer, sizeof(buffer));
	assert_true(wire_encode_job(&writer, &sample_job));
	for (size_t i = 0; i < 4; i++)
	{
		uint8_t		right = buffer[i];

		buffer[i] = 0xff;
		assert_int_equal(wire_frame_next(buffer, i, &frame), WIRE_MORE);
		assert_int_equal(wire_frame_next(buffer, i + 1, &frame), WIRE_BROKEN);
		assert_int_equal(wire_frame_next(buffer, writer.length, &frame), WIRE_BROKEN);
		buffer[i] = right;
	}
	/* a length that nobody would send */
	memcpy(buffer + 4, "\1\0\2\0", 4);
	assert_int_equal(wire_frame_next(buffer, writer.length, &frame), WIRE_BROKEN);
	memcpy(buffer + 4, "\0\0\2\0", 4);
	assert_int_equal(wire_frame_next(buffer, writer.length, &frame), WIRE_MORE);
}

static void
message_of_another_type_is_refused(void **state)
{
	struct poller_settings settings = {5, 0, 0, 0};
	struct poller_settings back;
	struct poller_ready ready;
	struct wire_writer writer;
	struct wire_frame frame;

	wire_writer_init(&writer, buffer, sizeof(buffer));
	assert_true(wire_encode_settings(&writer, &settings));
	frame = whole_frame(&writer);
	assert_true(wire_decode_settings(&frame, &back));
	assert_int_equal(back.max_connections, 5);
	assert_false(wire_decode_ready(&frame, &ready));
	frame.type = WIRE_RESULT;
	assert_false(wire_decode_settings(&frame, &back));
}

static void
ready_comes_back(void **state)
{
	struct poller_ready ready = {"1.0.0", "1.10.0"};
	struct poller_ready back;
	struct wire_writer writer;
	struct wire_frame frame;

	wire_writer_init(&writer, buffer, sizeof(buffer));
	assert_true(wire_encode_ready(&writer, &ready));
	frame = whole_frame(&writer);
	assert_true(wire_decode_ready(&frame, &back));
	assert_string_equal(back.version, "1.0.0");
	assert_string_equal(back.libssh2, "1.10.0");
}

static void
result_without_a_report_comes_back(void **state)
{
	static struct job_result result = {
		.id = 9, .outcome = OUTCOME_HOST_KEY_CHANGED, .state = SESSION_HOST_KEY,
		.elapsed_ms = 12, .bytes_received = 345, .error = "host key changed",
		.peer_address = "::1", .host_key = "ssh-ed25519 AAAA",
	};
	static struct job_result back;
	struct wire_writer writer;
	struct wire_frame frame;

	wire_writer_init(&writer, buffer, sizeof(buffer));
	assert_true(wire_encode_result(&writer, &result));
	frame = whole_frame(&writer);
	assert_true(wire_decode_result(&frame, &back));
	assert_true(back.id == 9);
	assert_int_equal(back.outcome, OUTCOME_HOST_KEY_CHANGED);
	assert_int_equal(back.state, SESSION_HOST_KEY);
	assert_int_equal(back.elapsed_ms, 12);
	assert_int_equal(back.bytes_received, 345);
	assert_string_equal(back.error, "host key changed");
	assert_string_equal(back.peer_address, "::1");
	assert_string_equal(back.host_key, "ssh-ed25519 AAAA");
	assert_false(back.has_report);
}

static void
result_with_the_largest_report_fits(void **state)
{
	static struct job_result result = {
		.outcome = OUTCOME_READ, .state = SESSION_DONE,
		.error = "", .peer_address = "", .host_key = "", .has_report = true,
	};
	static struct job_result back;
	static char key[WIRE_MAX_HOST_KEY + 1];
	static char error[WIRE_MAX_TEXT + 1];
	struct report *report = &result.report;
	struct wire_writer writer;
	struct wire_frame frame;

	memset(key, 'k', sizeof(key) - 1);
	memset(error, 'e', sizeof(error) - 1);
	result.host_key = key;
	result.error = error;
	report_init(report);
	memset(report->system_text, 's', REPORT_MAX_NAME);
	memset(report->boot_id, 'b', REPORT_MAX_NAME);
	for (int i = 0; i < SECTION_COUNT; i++)
		memset(report->sections[i].detail, 'd', REPORT_MAX_DETAIL);
	report->zone_count = REPORT_MAX_ZONES;
	for (int i = 0; i < REPORT_MAX_ZONES; i++)
	{
		memset(report->zones[i].path, 'p', REPORT_MAX_NAME);
		memset(report->zones[i].name, 'n', REPORT_MAX_NAME);
	}
	report->gpu_count = REPORT_MAX_GPUS;
	for (int i = 0; i < REPORT_MAX_GPUS; i++)
	{
		report->gpus[i].vendor = GPU_INTEL;
		memset(report->gpus[i].id, 'i', REPORT_MAX_NAME);
		memset(report->gpus[i].name, 'n', REPORT_MAX_NAME);
	}
	report->temperature_count = report->platform_count = REPORT_MAX_SENSORS;
	for (int i = 0; i < REPORT_MAX_SENSORS; i++)
	{
		memset(report->temperatures[i].source, 's', REPORT_MAX_NAME);
		memset(report->temperatures[i].label, 'l', REPORT_MAX_NAME);
		report->platform[i] = report->temperatures[i];
	}

	wire_writer_init(&writer, buffer, sizeof(buffer));
	assert_true(wire_encode_result(&writer, &result));
	frame = whole_frame(&writer);
	assert_true(wire_decode_result(&frame, &back));
	assert_true(back.has_report);
	assert_int_equal(back.report.zone_count, REPORT_MAX_ZONES);
	assert_int_equal(back.report.platform_count, REPORT_MAX_SENSORS);
}

/* A poller that was taken over must not write into its owner's log. */
static void
result_with_control_characters_is_refused(void **state)
{
	static const char *const bad[] = {"a\nb", "\x1b[31m", "\x80", "\xc2\x85", "\xff"};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
	{
		static struct job_result result;
		static struct job_result back;
		struct wire_writer writer;
		struct wire_frame frame;

		result.error = i == 0 ? bad[i] : "";
		result.peer_address = i == 1 ? bad[i] : "";
		result.host_key = i > 1 ? bad[i] : "";
		result.outcome = OUTCOME_CLOSED;
		wire_writer_init(&writer, buffer, sizeof(buffer));
		assert_true(wire_encode_result(&writer, &result));
		frame = whole_frame(&writer);
		assert_false(wire_decode_result(&frame, &back));
	}
}

static void
report_comes_only_with_success(void **state)
{
	static struct job_result result = {
		.outcome = OUTCOME_CLOSED,
		.error = "", .peer_address = "", .host_key = "", .has_report = true,
	};
	static struct job_result back;
	struct wire_writer writer;
	struct wire_frame frame;

	report_init(&result.report);
	wire_writer_init(&writer, buffer, sizeof(buffer));
	assert_true(wire_encode_result(&writer, &result));
	frame = whole_frame(&writer);
	assert_false(wire_decode_result(&frame, &back));
}

static void
text_is_cleaned_not_trusted(void **state)
{
	char		target[16];

	assert_true(text_is_printable("caf\xc3\xa9 \xf0\x9f\x94\x8c", 10));
	assert_false(text_is_printable("\xc0\xaf", 2));
	assert_false(text_is_printable("\xed\xa0\x80", 3));
	assert_false(text_is_printable("\xe2\x80\xae", 3));
	assert_false(text_is_printable("a\0b", 3));

	text_clean(target, sizeof(target), "a\x1b[1m\r\n\xc3", 8);
	assert_string_equal(target, "a?[1m???");
	/* never half a character */
	assert_int_equal(text_clean(target, 3, "a\xc3\xa9", 3), 1);
	assert_string_equal(target, "a");
	assert_int_equal(text_clean(target, 4, "a\xc3\xa9", 3), 3);
	assert_int_equal(text_clean(target, 1, "a", 1), 0);
	assert_int_equal(text_clean(target, 0, "a", 1), 0);
}

static void
every_state_has_a_name(void **state)
{
	for (int i = 0; i < SESSION_STATE_COUNT; i++)
		for (int j = 0; j < i; j++)
			assert_string_not_equal(session_state_name(i), session_state_name(j));
	assert_non_null(session_state_name(SESSION_STATE_COUNT));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_and_strings_come_back),
		cmocka_unit_test(strings_are_bounded_both_ways),
		cmocka_unit_test(settings_come_back),
		cmocka_unit_test(job_comes_back),
		cmocka_unit_test(job_that_cannot_be_polled_is_refused),
		cmocka_unit_test(longest_job_fits),
		cmocka_unit_test(message_of_another_length_is_refused),
		cmocka_unit_test(stranger_is_known_by_its_first_wrong_byte),
		cmocka_unit_test(message_of_another_type_is_refused),
		cmocka_unit_test(ready_comes_back),
		cmocka_unit_test(result_without_a_report_comes_back),
		cmocka_unit_test(result_with_the_largest_report_fits),
		cmocka_unit_test(result_with_control_characters_is_refused),
		cmocka_unit_test(report_comes_only_with_success),
		cmocka_unit_test(text_is_cleaned_not_trusted),
		cmocka_unit_test(every_state_has_a_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
