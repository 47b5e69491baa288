/*
 * round_poller.c: our own way: the poller as a child, fed through its pipe as
 * PostgreSQL feeds it (src/poller_process.c), its answers decoded.
 *
 * Without keep: rounds of logins, as many as a poller lives for.  With keep: the
 * first round logs in and is not printed; each further one is a round over kept
 * sessions, with what the poller does behind it (the channel opened ahead).
 */
#define _GNU_SOURCE
#include "round.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../src/common/under_way.h"
#include "../src/common/wire.h"

/* The worker keeps a poller for an hour and polls every five minutes. */
#define ROUNDS_OF_A_POLLER 12

#define PATIENCE_MS (120 * 1000)

struct poller
{
	pid_t		pid;
	int			fd;
	uint8_t    *in;
	size_t		in_length;
	uint8_t    *out;
};

/* Socket pair, table and child, as the owner makes them. */
static void
start(struct poller *poller, const char *path, int places)
{
	char	   *argv[] = {"tribe_power_poller", NULL};
	char	   *envp[] = {"LC_ALL=C", "PATH=/usr/bin:/bin", NULL};
	int			pair[2];
	int			table;
	int			error;
	posix_spawn_file_actions_t actions;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
		die("socketpair: %s", strerror(errno));
	table = memfd_create("under_way", MFD_CLOEXEC);
	if (table < 0 || ftruncate(table, (off_t) places * sizeof(struct under_way)) != 0)
		die("memfd_create: %s", strerror(errno));
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, pair[1], 0);
	posix_spawn_file_actions_adddup2(&actions, table, 1);
	error = posix_spawn(&poller->pid, path, &actions, NULL, argv, envp);
	posix_spawn_file_actions_destroy(&actions);
	close(pair[1]);
	close(table);
	if (error != 0)
		die("%s: %s", path, strerror(error));
	poller->fd = pair[0];
	poller->in_length = 0;
	poller->in = malloc(WIRE_MAX_FRAME);
	poller->out = malloc(WIRE_MAX_FRAME);
	if (poller->in == NULL || poller->out == NULL)
		die("out of memory");
}

/* The poller always reads, so waiting for room cannot last. */
static void
put(struct poller *poller, const struct wire_writer *writer)
{
	size_t		sent = 0;

	if (writer->failed)
		die("a message did not fit");
	while (sent < writer->length)
	{
		ssize_t		count = send(poller->fd, writer->data + sent, writer->length - sent,
								 MSG_NOSIGNAL);

		if (count < 0 && errno != EINTR)
			die("the poller has gone");
		sent += count > 0 ? count : 0;
	}
}

/* Reads until a frame is there, which must be of this type. */
static void
get(struct poller *poller, enum wire_type type, struct wire_frame *frame)
{
	for (;;)
	{
		enum wire_progress progress = wire_frame_next(poller->in, poller->in_length, frame);
		ssize_t		count;

		if (progress == WIRE_BROKEN)
			die("the poller broke the protocol");
		if (progress == WIRE_FRAME)
		{
			if (frame->type != type)
				die("the poller sent a message that was not its turn");
			return;
		}
		count = recv(poller->fd, poller->in + poller->in_length,
					 WIRE_MAX_FRAME - poller->in_length, 0);
		if (count == 0 || (count < 0 && errno != EINTR))
			die("the poller has gone");
		poller->in_length += count > 0 ? count : 0;
	}
}

static void
drop(struct poller *poller, const struct wire_frame *frame)
{
	poller->in_length -= frame->size;
	memmove(poller->in, poller->in + frame->size, poller->in_length);
}

static void
greet(struct poller *poller, const struct options *options)
{
	struct poller_settings settings = {
		.max_connections = options->parallel,
		.max_kept_sessions = options->keep ? options->host_count : 0
	};
	struct poller_ready ready;
	struct wire_writer writer;
	struct wire_frame frame;

	wire_writer_init(&writer, poller->out, WIRE_MAX_FRAME);
	wire_encode_settings(&writer, &settings);
	put(poller, &writer);
	get(poller, WIRE_READY, &frame);
	if (!wire_decode_ready(&frame, &ready))
		die("the poller's greeting cannot be read");
	drop(poller, &frame);
}

/* One round of the first so many nodes; every one must answer. */
static void
poll_first(struct poller *poller, const struct options *options, int count)
{
	for (int i = 0; i < count; i++)
	{
		struct job	job = {
			.id = i,
			.kind = JOB_PROBE,
			.node_name = options->hosts[i],
			.address = options->hosts[i],
			.port = options->port,
			.user = options->user,
			.identity_file = options->identity,
			.known_hosts_file = "",
			.host_key = options->host_key,
			.host_key_policy = HOST_KEY_STRICT,
			.keep_session = options->keep,
			.connect_timeout_ms = PATIENCE_MS,
			.node_timeout_ms = PATIENCE_MS,
			.sample_window_ms = options->window_ms
		};
		struct wire_writer writer;

		wire_writer_init(&writer, poller->out, WIRE_MAX_FRAME);
		wire_encode_job(&writer, &job);
		put(poller, &writer);
	}
	for (int i = 0; i < count; i++)
	{
		static struct job_result result;
		struct wire_frame frame;

		get(poller, WIRE_RESULT, &frame);
		if (!wire_decode_result(&frame, &result))
			die("a result cannot be read");
		if (result.outcome != OUTCOME_READ)
			die("%s: %s", result.peer_address, result.error);
		drop(poller, &frame);
	}
}

static void
poll_all(struct poller *poller, const struct options *options)
{
	poll_first(poller, options, options->host_count);
}

static void
finish(struct poller *poller)
{
	int			status;

	close(poller->fd);
	if (waitpid(poller->pid, &status, 0) != poller->pid || status != 0)
		die("the poller did not end well (status %d)", status);
	free(poller->in);
	free(poller->out);
}

/* What starting the poller costs is spread over its rounds. */
static void
run_first(const struct options *options)
{
	for (int round = 0; round < options->rounds; round++)
	{
		struct poller poller;
		double		cpu = cpu_spent();
		double		wall = wall_now();

		start(&poller, options->poller, options->parallel);
		greet(&poller, options);
		for (int i = 0; i < ROUNDS_OF_A_POLLER; i++)
			poll_all(&poller, options);
		wall = wall_now() - wall;
		finish(&poller);
		printf("wall=%.6f cpu=%.6f\n", wall / ROUNDS_OF_A_POLLER,
			   (cpu_spent() - cpu) / ROUNDS_OF_A_POLLER);
	}
}

static void
run_kept(const struct options *options)
{
	struct poller poller;
	long		before;
	long		memory;

	start(&poller, options->poller, options->parallel);
	greet(&poller, options);
	/* the first one brings the libraries' own tables with it */
	poll_first(&poller, options, 1);
	wait_until_idle(&poller.pid, 1);
	before = memory_of(poller.pid, "status", "VmRSS:");
	poll_all(&poller, options);
	wait_until_idle(&poller.pid, 1);
	memory = memory_of(poller.pid, "status", "VmRSS:") - before;
	if (options->host_count > 1)
		memory = memory * options->host_count / (options->host_count - 1);
	for (int round = 0; round < options->rounds; round++)
	{
		double		cpu = cpu_spent() + cpu_of(poller.pid);
		double		wall = wall_now();

		poll_all(&poller, options);
		wall = wall_now() - wall;
		cpu = cpu_spent() - cpu;
		wait_until_idle(&poller.pid, 1);
		printf("wall=%.6f cpu=%.6f memory=%ld\n", wall, cpu + cpu_of(poller.pid), memory);
	}
	finish(&poller);
}

void
run_poller(const struct options *options)
{
	if (options->keep)
		run_kept(options);
	else
		run_first(options);
}
