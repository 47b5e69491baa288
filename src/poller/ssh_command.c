/*
 * ssh_command.c: the states of a session from the login on: channel, command,
 * script, report (ssh.h).
 */
#define _GNU_SOURCE				/* memmem */
#include "ssh_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "probe_script.h"
#include "../common/text.h"

#define COMMAND "exec /bin/sh -s"
#define WINDOW_BYTES (64 * 1024)
#define PACKET_BYTES (32 * 1024)
#define FIRST_OUTPUT (8 * 1024)

/* --- the channel and the command --------------------------------------------- */

int
session_call_open(struct session *session)
{
	struct transport *transport = &session->transport;

	transport->channel = libssh2_channel_open_ex(transport->ssh, "session", strlen("session"),
												 WINDOW_BYTES, PACKET_BYTES, NULL, 0);
	return transport->channel != NULL ? 0 : libssh2_session_last_errno(transport->ssh);
}

enum progress
session_step_open(struct session *session)
{
	struct transport *transport = &session->transport;
	int			code;

	/* on a kept connection the channel of the last job goes first */
	if (transport->channel != NULL)
	{
		if (libssh2_channel_free(transport->channel) == LIBSSH2_ERROR_EAGAIN)
			return WAIT;
		transport->channel = NULL;
	}
	code = session_call_open(session);
	if (code != 0)
		return session_wait_or_fail(session, code);
	session->unfinished = false;
	session_enter(session, SESSION_EXEC);
	return GO_ON;
}

int
session_call_exec(struct session *session)
{
	return libssh2_channel_process_startup(session->transport.channel, "exec", strlen("exec"),
										   COMMAND, strlen(COMMAND));
}

enum progress
session_step_exec(struct session *session)
{
	int			code = session_call_exec(session);

	if (code != 0)
		return session_wait_or_fail(session, code);
	session->unfinished = false;
	session->answer_due = INT64_MAX;
	if (session->kept)
	{
		session->waiting = true;
		session->state = SESSION_DONE;
	}
	else
		session_begin_writing(session);
	return GO_ON;
}

/*
 * The script shows the number before its report, which proves that the report
 * was made by the script and for this job.
 */
void
session_begin_writing(struct session *session)
{
	session->asked = ++session->engine->asked;
	session->parameters_length =
		snprintf(session->parameters, sizeof(session->parameters),
				 "TRIBE_POWER_WINDOW=%u.%03u\nTRIBE_POWER_ASKED=%llu\n",
				 session->job->sample_window_ms / 1000, session->job->sample_window_ms % 1000,
				 (unsigned long long) session->asked);
	session->written = 0;
	session_enter(session, SESSION_WRITE);
}

/* Writes what is left of the parameters and the script, then the end. */
ssize_t
session_call_write(struct session *session)
{
	LIBSSH2_CHANNEL *channel = session->transport.channel;
	size_t		script = session->written - session->parameters_length;

	if (session->written < session->parameters_length)
		return libssh2_channel_write(channel, session->parameters + session->written,
									 session->parameters_length - session->written);
	if (script < probe_script_length && session->script != SCRIPT_IGNORED)
		return libssh2_channel_write(channel, probe_script + script,
									 probe_script_length - script);
	return libssh2_channel_send_eof(channel);
}

enum progress
session_step_write(struct session *session)
{
	ssize_t		count = session_call_write(session);

	session->unfinished = count == LIBSSH2_ERROR_EAGAIN;
	if (session->unfinished)
		return WAIT;

	/* a forced command need not listen; what it has to say comes next */
	if (count == LIBSSH2_ERROR_CHANNEL_CLOSED || count == LIBSSH2_ERROR_CHANNEL_EOF_SENT)
		count = 0;
	else if (count < 0)
		return session_wait_or_fail(session, (int) count);
	if (count > 0)
	{
		session->written += count;
		return GO_ON;
	}
	session_enter(session, SESSION_READ);
	return GO_ON;
}

/* --- the report -------------------------------------------------------------- */

static bool
make_room(struct session *session)
{
	size_t		capacity = session->output_capacity;
	char	   *output;

	if (session->output_length < capacity)
		return true;
	/* one byte more than a report may have, so that too many are noticed */
	capacity = capacity == 0 ? FIRST_OUTPUT : capacity * 2;
	if (capacity > REPORT_MAX_TEXT + 1)
		capacity = REPORT_MAX_TEXT + 1;
	output = realloc(session->output, capacity);
	if (output == NULL)
		return false;
	session->output = output;
	session->output_capacity = capacity;
	return true;
}

/* Keeps the first line of stderr that is not blank. */
static void
keep_complaint(struct session *session, const char *text, size_t length)
{
	for (size_t i = 0; i < length && !session->complaint_whole; i++)
	{
		if (text[i] == '\n' || session->complaint_length == sizeof(session->complaint))
			session->complaint_whole = session->complaint_length > 0;
		else if (text[i] != '\r')
			session->complaint[session->complaint_length++] = text[i];
	}
}

/* Reads all that is there of one stream; how much, or an error. */
static ssize_t
read_stream(struct session *session, int stream)
{
	ssize_t		total = 0;
	char		scratch[4096];

	for (;;)
	{
		char	   *target = scratch;
		size_t		room = sizeof(scratch);
		ssize_t		count;

		if (stream == 0)
		{
			if (!make_room(session))
				return LIBSSH2_ERROR_ALLOC;
			target = session->output + session->output_length;
			room = session->output_capacity - session->output_length;
		}
		count = libssh2_channel_read_ex(session->transport.channel, stream, target, room);
		if (count == LIBSSH2_ERROR_EAGAIN || count == 0)
			return total;
		if (count < 0)
			return count;
		total += count;
		if (stream != 0)
			keep_complaint(session, scratch, count);
		else
		{
			session->output_length += count;
			if (session->output_length > REPORT_MAX_TEXT)
				return LIBSSH2_ERROR_OUT_OF_BOUNDARY;
		}
	}
}

enum progress
session_step_read(struct session *session)
{
	struct transport *transport = &session->transport;

	/*
	 * Reading one stream may take data of the other off the socket, and then
	 * no event will tell of it: so both are read until a whole pass has had
	 * nothing, neither from the socket nor for us.
	 */
	for (;;)
	{
		uint64_t	before = transport->received;
		ssize_t		count = read_stream(session, 0);
		ssize_t		complaints = 0;

		if (count >= 0)
			complaints = read_stream(session, SSH_EXTENDED_DATA_STDERR);
		if (count == LIBSSH2_ERROR_OUT_OF_BOUNDARY)
		{
			session_fault(session, OUTCOME_REPORT_OVERSIZED,
						  "the report of %s is longer than %d bytes",
						  session->job->node_name, REPORT_MAX_TEXT);
			return FAILED;
		}
		if (count < 0 || complaints < 0)
			return session_wait_or_fail(session, (int) (count < 0 ? count : complaints));
		if (count == 0 && complaints == 0 && transport->received == before)
			break;
	}
	if (session->output_length > 0 && session->answer_due != INT64_MAX)
	{
		session->answer_due = session->state_due = INT64_MAX;
		session_arm_timer(session);
	}
	if (!libssh2_channel_eof(transport->channel))
	{
		session->unfinished = true;
		return WAIT;
	}
	session->unfinished = false;
	session_enter(session, SESSION_CLOSE);
	return GO_ON;
}

/* Whether the line before the report is the number that this job was told. */
static bool
shows_number(const struct session *session)
{
	char		line[64];
	int			length = snprintf(line, sizeof(line), "\nasked %llu\ntribe_power_probe ",
								  (unsigned long long) session->asked);

	return session->output != NULL &&
		memmem(session->output, session->output_length, line, length) != NULL;
}

/* The exit status comes between the end of output and the channel's end. */
enum progress
session_step_close(struct session *session)
{
	struct transport *transport = &session->transport;
	int			code = libssh2_channel_wait_closed(transport->channel);
	char	   *signal = NULL;
	size_t		length = 0;
	int			status;
	char		text[64];
	char		fault[512];

	if (code != 0)
		return session_wait_or_fail(session, code);
	session->unfinished = false;

	/* a killed command has an exit status too: zero */
	libssh2_channel_get_exit_signal(transport->channel, &signal, &length,
									NULL, NULL, NULL, NULL);
	if (signal != NULL)
	{
		text_clean(text, sizeof(text), signal, length);
		libssh2_free(transport->ssh, signal);
		session->outcome = OUTCOME_PROBE_FAILED;
		snprintf(fault, sizeof(fault), "the probe was ended by signal %s", text);
		session_describe_incomplete(session, fault);
		return FAILED;
	}
	status = libssh2_channel_get_exit_status(transport->channel);
	if (status != 0)
	{
		session->outcome = OUTCOME_PROBE_FAILED;
		snprintf(fault, sizeof(fault), "the probe ended with status %d", status);
		session_describe_incomplete(session, fault);
		return FAILED;
	}
	session->outcome = report_parse(session->output != NULL ? session->output : "",
									session->output_length, &session->engine->result.report,
									fault, sizeof(fault));
	if (session->outcome == OUTCOME_READ && session->waiting && !shows_number(session))
	{
		session->outcome = OUTCOME_REPORT_GARBLED;
		snprintf(fault, sizeof(fault), "the report was not made for this poll");
	}
	if (session->outcome != OUTCOME_READ)
	{
		session_describe_incomplete(session, fault);
		return FAILED;
	}
	session->script = shows_number(session) ? SCRIPT_RUN : SCRIPT_IGNORED;
	return FINISHED;
}
