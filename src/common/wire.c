/*
 * wire.c: frames, numbers, strings and messages of the pipe between owner and
 * poller (wire.h).
 *
 * A header is 'T', 'P', the version, the type, and the payload's length in four
 * bytes.  Decoding is strict: a message has one form only, so a value out of
 * its range or a byte left over means that the other side is not ours.
 */
#include "wire.h"

#include <string.h>

#include "text.h"

#define MAGIC_0 'T'
#define MAGIC_1 'P'

/* --- writing ----------------------------------------------------------------- */

void
wire_writer_init(struct wire_writer *writer, void *data, size_t capacity)
{
	writer->data = data;
	writer->capacity = capacity;
	writer->length = 0;
	writer->failed = false;
}

static uint8_t *
writer_reserve(struct wire_writer *writer, size_t length)
{
	uint8_t    *place;

	if (writer->failed || writer->capacity - writer->length < length)
	{
		writer->failed = true;
		return NULL;
	}
	place = writer->data + writer->length;
	writer->length += length;
	return place;
}

static void
put_number(struct wire_writer *writer, uint64_t value, int bytes)
{
	uint8_t    *place = writer_reserve(writer, bytes);

	if (place != NULL)
		for (int i = 0; i < bytes; i++)
			place[i] = (uint8_t) (value >> (8 * i));
}

void
wire_put_u8(struct wire_writer *writer, uint8_t value)
{
	put_number(writer, value, 1);
}

void
wire_put_u16(struct wire_writer *writer, uint16_t value)
{
	put_number(writer, value, 2);
}

void
wire_put_u32(struct wire_writer *writer, uint32_t value)
{
	put_number(writer, value, 4);
}

void
wire_put_u64(struct wire_writer *writer, uint64_t value)
{
	put_number(writer, value, 8);
}

void
wire_put_double(struct wire_writer *writer, double value)
{
	uint64_t	bits;

	memcpy(&bits, &value, sizeof(bits));
	wire_put_u64(writer, bits);
}

void
wire_put_string(struct wire_writer *writer, const char *value, size_t max)
{
	size_t		length;
	uint8_t    *place;

	if (value == NULL || max > UINT16_MAX ||
		(length = strnlen(value, max + 1)) > max)
	{
		writer->failed = true;
		return;
	}
	wire_put_u16(writer, (uint16_t) length);
	place = writer_reserve(writer, length + 1);
	if (place != NULL)
	{
		memcpy(place, value, length);
		place[length] = '\0';
	}
}

void
wire_frame_begin(struct wire_writer *writer, enum wire_type type)
{
	wire_put_u8(writer, MAGIC_0);
	wire_put_u8(writer, MAGIC_1);
	wire_put_u8(writer, WIRE_VERSION);
	wire_put_u8(writer, (uint8_t) type);
	wire_put_u32(writer, 0);
}

/* The writer holds one frame and nothing before it. */
bool
wire_frame_end(struct wire_writer *writer)
{
	size_t		payload = writer->length - WIRE_HEADER_SIZE;

	if (writer->failed || writer->length < WIRE_HEADER_SIZE ||
		payload > WIRE_MAX_PAYLOAD)
	{
		writer->failed = true;
		return false;
	}
	for (int i = 0; i < 4; i++)
		writer->data[4 + i] = (uint8_t) (payload >> (8 * i));
	return true;
}

/* --- reading ----------------------------------------------------------------- */

void
wire_reader_init(struct wire_reader *reader, const void *data, size_t length)
{
	reader->data = data;
	reader->length = length;
	reader->position = 0;
	reader->failed = false;
}

static const uint8_t *
reader_take(struct wire_reader *reader, size_t length)
{
	const uint8_t *place;

	if (reader->failed || reader->length - reader->position < length)
	{
		reader->failed = true;
		return NULL;
	}
	place = reader->data + reader->position;
	reader->position += length;
	return place;
}

static uint64_t
get_number(struct wire_reader *reader, int bytes)
{
	const uint8_t *place = reader_take(reader, bytes);
	uint64_t	value = 0;

	if (place != NULL)
		for (int i = 0; i < bytes; i++)
			value |= (uint64_t) place[i] << (8 * i);
	return value;
}

uint8_t
wire_get_u8(struct wire_reader *reader)
{
	return (uint8_t) get_number(reader, 1);
}

uint16_t
wire_get_u16(struct wire_reader *reader)
{
	return (uint16_t) get_number(reader, 2);
}

uint32_t
wire_get_u32(struct wire_reader *reader)
{
	return (uint32_t) get_number(reader, 4);
}

uint64_t
wire_get_u64(struct wire_reader *reader)
{
	return get_number(reader, 8);
}

double
wire_get_double(struct wire_reader *reader)
{
	uint64_t	bits = wire_get_u64(reader);
	double		value;

	memcpy(&value, &bits, sizeof(value));
	return value;
}

bool
wire_get_bool(struct wire_reader *reader)
{
	uint8_t		value = wire_get_u8(reader);

	if (value > 1)
		reader->failed = true;
	return value == 1;
}

const char *
wire_get_string(struct wire_reader *reader, size_t max)
{
	size_t		length = wire_get_u16(reader);
	const uint8_t *place = reader_take(reader, length + 1);

	if (place == NULL || length > max || place[length] != '\0' ||
		memchr(place, '\0', length) != NULL)
	{
		reader->failed = true;
		return "";
	}
	return (const char *) place;
}

void
wire_get_chars(struct wire_reader *reader, char *target, size_t size)
{
	const char *value = wire_get_string(reader, size - 1);

	/* fails by itself where the string was longer */
	memcpy(target, value, strlen(value) + 1);
}

bool
wire_reader_done(const struct wire_reader *reader)
{
	return !reader->failed && reader->position == reader->length;
}

enum wire_progress
wire_frame_next(const uint8_t *data, size_t length, struct wire_frame *frame)
{
	static const uint8_t start[] = {MAGIC_0, MAGIC_1, WIRE_VERSION};
	size_t		payload = 0;

	/* as early as possible, so that a stranger is not waited for */
	for (size_t i = 0; i < sizeof(start) && i < length; i++)
		if (data[i] != start[i])
			return WIRE_BROKEN;
	if (length > 3 && (data[3] < WIRE_SETTINGS || data[3] > WIRE_RESULT))
		return WIRE_BROKEN;
	if (length < WIRE_HEADER_SIZE)
		return WIRE_MORE;

	for (int i = 0; i < 4; i++)
		payload |= (size_t) data[4 + i] << (8 * i);
	if (payload > WIRE_MAX_PAYLOAD)
		return WIRE_BROKEN;
	if (length - WIRE_HEADER_SIZE < payload)
		return WIRE_MORE;

	frame->type = (enum wire_type) data[3];
	frame->payload = data + WIRE_HEADER_SIZE;
	frame->payload_length = payload;
	frame->size = WIRE_HEADER_SIZE + payload;
	return WIRE_FRAME;
}

/* Starts decoding; a frame of another type fails at its first read. */
static void
frame_reader(struct wire_reader *reader, const struct wire_frame *frame,
			 enum wire_type type)
{
	wire_reader_init(reader, frame->payload, frame->payload_length);
	reader->failed = frame->type != type;
}

/* An enum's value, below count. */
static int
get_choice(struct wire_reader *reader, int count)
{
	uint8_t		value = wire_get_u8(reader);

	if (value >= count)
	{
		reader->failed = true;
		return 0;
	}
	return value;
}

/* A string that its receiver will show to people. */
static const char *
get_text(struct wire_reader *reader, size_t max)
{
	const char *text = wire_get_string(reader, max);

	if (!text_is_printable(text, strlen(text)))
	{
		reader->failed = true;
		return "";
	}
	return text;
}

/* --- messages ---------------------------------------------------------------- */

bool
wire_encode_settings(struct wire_writer *writer, const struct poller_settings *settings)
{
	wire_frame_begin(writer, WIRE_SETTINGS);
	wire_put_u32(writer, settings->max_connections);
	wire_put_u32(writer, settings->max_kept_sessions);
	wire_put_u64(writer, settings->memory_limit);
	wire_put_u32(writer, (uint32_t) settings->nice);
	return wire_frame_end(writer);
}

bool
wire_decode_settings(const struct wire_frame *frame, struct poller_settings *settings)
{
	struct wire_reader reader;

	frame_reader(&reader, frame, WIRE_SETTINGS);
	settings->max_connections = wire_get_u32(&reader);
	settings->max_kept_sessions = wire_get_u32(&reader);
	settings->memory_limit = wire_get_u64(&reader);
	settings->nice = (int32_t) wire_get_u32(&reader);
	return wire_reader_done(&reader) && settings->max_connections >= 1 &&
		settings->nice >= 0 && settings->nice <= 19;
}

bool
wire_encode_job(struct wire_writer *writer, const struct job *job)
{
	wire_frame_begin(writer, WIRE_JOB);
	wire_put_u64(writer, job->id);
	wire_put_u8(writer, (uint8_t) job->kind);
	wire_put_string(writer, job->node_name, WIRE_MAX_NAME);
	wire_put_string(writer, job->address, WIRE_MAX_NAME);
	wire_put_u16(writer, job->port);
	wire_put_string(writer, job->user, WIRE_MAX_NAME);
	wire_put_string(writer, job->identity_file, WIRE_MAX_PATH);
	wire_put_string(writer, job->known_hosts_file, WIRE_MAX_PATH);
	wire_put_string(writer, job->host_key, WIRE_MAX_HOST_KEY);
	wire_put_u8(writer, (uint8_t) job->host_key_policy);
	wire_put_u8(writer, job->keep_session);
	wire_put_u32(writer, job->start_delay_ms);
	wire_put_u32(writer, job->connect_timeout_ms);
	wire_put_u32(writer, job->node_timeout_ms);
	wire_put_u32(writer, job->sample_window_ms);
	return wire_frame_end(writer);
}

bool
wire_decode_job(const struct wire_frame *frame, struct job *job)
{
	struct wire_reader reader;

	frame_reader(&reader, frame, WIRE_JOB);
	job->id = wire_get_u64(&reader);
	job->kind = get_choice(&reader, JOB_SCAN_HOST_KEY + 1);
	job->node_name = wire_get_string(&reader, WIRE_MAX_NAME);
	job->address = wire_get_string(&reader, WIRE_MAX_NAME);
	job->port = wire_get_u16(&reader);
	job->user = wire_get_string(&reader, WIRE_MAX_NAME);
	job->identity_file = wire_get_string(&reader, WIRE_MAX_PATH);
	job->known_hosts_file = wire_get_string(&reader, WIRE_MAX_PATH);
	job->host_key = wire_get_string(&reader, WIRE_MAX_HOST_KEY);
	job->host_key_policy = get_choice(&reader, HOST_KEY_ACCEPT_NEW + 1);
	job->keep_session = wire_get_bool(&reader);
	job->start_delay_ms = wire_get_u32(&reader);
	job->connect_timeout_ms = wire_get_u32(&reader);
	job->node_timeout_ms = wire_get_u32(&reader);
	job->sample_window_ms = wire_get_u32(&reader);
	return wire_reader_done(&reader) && job->address[0] != '\0' && job->port != 0 &&
		job->connect_timeout_ms > 0 && job->node_timeout_ms > 0;
}

bool
wire_encode_ready(struct wire_writer *writer, const struct poller_ready *ready)
{
	wire_frame_begin(writer, WIRE_READY);
	wire_put_string(writer, ready->version, WIRE_MAX_NAME);
	wire_put_string(writer, ready->libssh2, WIRE_MAX_NAME);
	return wire_frame_end(writer);
}

bool
wire_decode_ready(const struct wire_frame *frame, struct poller_ready *ready)
{
	struct wire_reader reader;

	frame_reader(&reader, frame, WIRE_READY);
	ready->version = get_text(&reader, WIRE_MAX_NAME);
	ready->libssh2 = get_text(&reader, WIRE_MAX_NAME);
	return wire_reader_done(&reader);
}

bool
wire_encode_result(struct wire_writer *writer, const struct job_result *result)
{
	wire_frame_begin(writer, WIRE_RESULT);
	wire_put_u64(writer, result->id);
	wire_put_u8(writer, (uint8_t) result->outcome);
	wire_put_u8(writer, (uint8_t) result->state);
	wire_put_u32(writer, result->elapsed_ms);
	wire_put_u32(writer, result->bytes_received);
	wire_put_string(writer, result->error, WIRE_MAX_TEXT);
	wire_put_string(writer, result->peer_address, WIRE_MAX_NAME);
	wire_put_string(writer, result->host_key, WIRE_MAX_HOST_KEY);
	wire_put_u8(writer, result->has_report);
	if (result->has_report && !report_encode(&result->report, writer))
		writer->failed = true;
	return wire_frame_end(writer);
}

bool
wire_decode_result(const struct wire_frame *frame, struct job_result *result)
{
	struct wire_reader reader;

	frame_reader(&reader, frame, WIRE_RESULT);
	result->id = wire_get_u64(&reader);
	result->outcome = get_choice(&reader, OUTCOME_COUNT);
	result->state = get_choice(&reader, SESSION_STATE_COUNT);
	result->elapsed_ms = wire_get_u32(&reader);
	result->bytes_received = wire_get_u32(&reader);
	result->error = get_text(&reader, WIRE_MAX_TEXT);
	result->peer_address = get_text(&reader, WIRE_MAX_NAME);
	result->host_key = get_text(&reader, WIRE_MAX_HOST_KEY);
	result->has_report = wire_get_bool(&reader);
	if (reader.failed || (result->has_report && result->outcome != OUTCOME_READ))
		return false;
	if (result->has_report && !report_decode(&reader, &result->report))
		return false;
	return wire_reader_done(&reader);
}

const char *
session_state_name(enum session_state state)
{
	switch (state)
	{
		case SESSION_QUEUED:
			return "queued";
		case SESSION_RESOLVE:
			return "looking up the address";
		case SESSION_CONNECT:
			return "connecting";
		case SESSION_HANDSHAKE:
			return "exchanging keys";
		case SESSION_HOST_KEY:
			return "checking the host key";
		case SESSION_AUTH:
			return "logging in";
		case SESSION_OPEN:
			return "opening a channel";
		case SESSION_EXEC:
			return "starting the probe";
		case SESSION_WRITE:
			return "sending the probe";
		case SESSION_READ:
			return "reading the report";
		case SESSION_CLOSE:
			return "closing";
		case SESSION_DONE:
			return "done";
		case SESSION_STATE_COUNT:
			break;
	}
	return "in an unknown state";
}
