/*
 * wire.h: what the owner (a PostgreSQL process) and the poller say to each
 * other over their socket pair.  How far each job is stands in a table beside it
 * (under_way.h).
 *
 * Both ends are ours and of one build, yet neither believes the other: the
 * poller handles what strange machines send, so its owner checks every length
 * as if the poller had been taken over.  A frame is an eight-byte header and a
 * bounded payload of fixed-width little-endian numbers and counted strings.
 * Nothing here allocates, and nothing here knows PostgreSQL.
 */
#ifndef TRIBE_POWER_WIRE_H
#define TRIBE_POWER_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "reason.h"
#include "report.h"

/* Raised whenever a message changes: both ends refuse any other number. */
#define WIRE_VERSION 1

/* The poller's exit status where its memory was not enough for a few sessions. */
#define POLLER_EXIT_MEMORY 3

#define WIRE_HEADER_SIZE 8
#define WIRE_MAX_PAYLOAD (128 * 1024)
#define WIRE_MAX_FRAME (WIRE_HEADER_SIZE + WIRE_MAX_PAYLOAD)

/* Longest strings that a job or a result may carry, without their NUL. */
#define WIRE_MAX_NAME 255
#define WIRE_MAX_PATH 1023
#define WIRE_MAX_HOST_KEY 16383
#define WIRE_MAX_TEXT 1023

enum wire_type
{
	WIRE_SETTINGS = 1,			/* owner to poller, first and once */
	WIRE_JOB = 2,				/* owner to poller */
	WIRE_READY = 3,				/* poller to owner, the answer to SETTINGS */
	WIRE_RESULT = 4,			/* poller to owner: a job ended */
};

/* Writes into the caller's buffer; once it is full, failed stays true. */
struct wire_writer
{
	uint8_t    *data;
	size_t		capacity;
	size_t		length;
	bool		failed;
};

/* Reads the caller's bytes; after the first fault, failed stays true and
 * every further read gives zero or "". */
struct wire_reader
{
	const uint8_t *data;
	size_t		length;
	size_t		position;
	bool		failed;
};

void		wire_writer_init(struct wire_writer *writer, void *data, size_t capacity);
void		wire_put_u8(struct wire_writer *writer, uint8_t value);
void		wire_put_u16(struct wire_writer *writer, uint16_t value);
void		wire_put_u32(struct wire_writer *writer, uint32_t value);
void		wire_put_u64(struct wire_writer *writer, uint64_t value);
void		wire_put_double(struct wire_writer *writer, double value);
/* Counted, NUL-terminated; fails if longer than max or NULL. */
void		wire_put_string(struct wire_writer *writer, const char *value, size_t max);

void		wire_reader_init(struct wire_reader *reader, const void *data, size_t length);
uint8_t		wire_get_u8(struct wire_reader *reader);
uint16_t	wire_get_u16(struct wire_reader *reader);
uint32_t	wire_get_u32(struct wire_reader *reader);
uint64_t	wire_get_u64(struct wire_reader *reader);
double		wire_get_double(struct wire_reader *reader);
/* Fails on any value but 0 and 1. */
bool		wire_get_bool(struct wire_reader *reader);
/* Points into the reader's bytes; fails on an inner NUL or a length over max. */
const char *wire_get_string(struct wire_reader *reader, size_t max);
/* Copies into a fixed array; fails where it does not fit with its NUL. */
void		wire_get_chars(struct wire_reader *reader, char *target, size_t size);
/* True when nothing failed and nothing is left over. */
bool		wire_reader_done(const struct wire_reader *reader);

/* A frame: begin, put the payload, end.  False if it did not fit. */
void		wire_frame_begin(struct wire_writer *writer, enum wire_type type);
bool		wire_frame_end(struct wire_writer *writer);

enum wire_progress
{
	WIRE_MORE,					/* not yet a whole frame */
	WIRE_FRAME,					/* one frame; size says how many bytes it took */
	WIRE_BROKEN,				/* not our protocol: end the other side */
};

struct wire_frame
{
	enum wire_type type;
	const uint8_t *payload;
	size_t		payload_length;
	size_t		size;			/* header and payload */
};

/* Looks at the first bytes received and says whether they hold a frame. */
enum wire_progress wire_frame_next(const uint8_t *data, size_t length,
								   struct wire_frame *frame);

/* How the poller is to run. */
struct poller_settings
{
	uint32_t	max_connections;	/* sessions under way at once, >= 1 */
	uint32_t	max_kept_sessions;	/* 0: none is kept between rounds */
	uint64_t	memory_limit;	/* bytes of address space (RLIMIT_AS); 0: none */
	int32_t		nice;			/* 0 to 19 */
};

enum job_kind
{
	JOB_PROBE = 0,				/* log in, run the probe, report */
	JOB_SCAN_HOST_KEY = 1,		/* only learn which host key the node shows */
};

enum host_key_policy
{
	HOST_KEY_STRICT = 0,		/* an unknown key is refused */
	HOST_KEY_ACCEPT_NEW = 1,	/* an unknown key is taken (and told to the
								 * owner); a changed one never */
};

/* One node to poll.  The strings belong to whoever filled it in. */
struct job
{
	uint64_t	id;				/* the owner's; given back with the result */
	enum job_kind kind;
	const char *node_name;		/* for messages only */
	const char *address;		/* a name or an IPv4 or IPv6 address */
	uint16_t	port;
	const char *user;
	const char *identity_file;	/* path of the private key */
	const char *known_hosts_file;	/* path, or "" for none */
	const char *host_key;		/* pins, known_hosts form, or "" for none; where
								 * there is one the file is not asked */
	enum host_key_policy host_key_policy;
	bool		keep_session;	/* leave it open for the next round */
	uint32_t	start_delay_ms; /* spread: wait this long before connecting */
	uint32_t	connect_timeout_ms; /* TCP, then again for the handshake */
	uint32_t	node_timeout_ms;	/* from connecting to the whole report */
	uint32_t	sample_window_ms;	/* between the probe's two readings */
};

/* Where a session stands; the names are in session_state_name(). */
enum session_state
{
	SESSION_QUEUED = 0,
	SESSION_RESOLVE,
	SESSION_CONNECT,
	SESSION_HANDSHAKE,
	SESSION_HOST_KEY,
	SESSION_AUTH,
	SESSION_OPEN,
	SESSION_EXEC,
	SESSION_WRITE,
	SESSION_READ,
	SESSION_CLOSE,
	SESSION_DONE,
	SESSION_STATE_COUNT
};

/* What became of a job. */
struct job_result
{
	uint64_t	id;
	enum outcome outcome;
	enum session_state state;	/* the last one it reached */
	uint32_t	elapsed_ms;		/* from connecting to the end, delay excluded */
	uint32_t	bytes_received;
	const char *error;			/* one printable line, "" when all went well */
	const char *peer_address;	/* numeric address connected to, or "" */
	const char *host_key;		/* the key that the node showed, one known_hosts
								 * line without host part, or "" */
	bool		has_report;		/* only with OUTCOME_READ */
	struct report report;
};

struct poller_ready
{
	const char *version;		/* TRIBE_POWER_VERSION of the poller */
	const char *libssh2;		/* libssh2's version, for doctor */
};

/* Each encode makes one whole frame and says whether it fitted; each decode
 * takes a frame's payload and says whether it was well-formed.  Decoded strings
 * point into the payload. */
bool		wire_encode_settings(struct wire_writer *writer, const struct poller_settings *settings);
bool		wire_decode_settings(const struct wire_frame *frame, struct poller_settings *settings);
bool		wire_encode_job(struct wire_writer *writer, const struct job *job);
bool		wire_decode_job(const struct wire_frame *frame, struct job *job);
bool		wire_encode_ready(struct wire_writer *writer, const struct poller_ready *ready);
bool		wire_decode_ready(const struct wire_frame *frame, struct poller_ready *ready);
bool		wire_encode_result(struct wire_writer *writer, const struct job_result *result);
bool		wire_decode_result(const struct wire_frame *frame, struct job_result *result);

/* "connecting", "reading" …: fits behind "while". */
const char *session_state_name(enum session_state state);

#endif
