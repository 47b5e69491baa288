/*
 * pipe.c: frames in and out on the socket pair (pipe.h).
 *
 * The owner may be slow, so nothing is ever waited for: what cannot be written
 * stays in a queue, which is bounded by the jobs that the owner has given.  An
 * owner that is gone, or that speaks something else, ends the poller at once.
 */
#include "pipe.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <libssh2.h>

#include "../common/under_way.h"
#include "../common/version.h"
#include "confine.h"
#include "loop.h"
#include "pool.h"

/* An emptied queue keeps no more memory than this. */
#define QUEUE_KEPT (64 * 1024)

struct pipe
{
	struct loop *loop;
	struct pool *pool;			/* once the settings have come */
	struct watch watch;
	int			fd;
	int			table_fd;
	struct under_way *table;	/* max_connections of them */
	bool		ended;
	int			status;

	uint8_t    *input;			/* WIRE_MAX_FRAME bytes */
	size_t		input_length;
	uint8_t    *frame;			/* the same, for encoding */
	uint8_t    *queue;			/* from queue_start to queue_end */
	size_t		queue_start,
				queue_end,
				queue_capacity;
};

static void
end(struct pipe *pipe, int status, const char *why)
{
	if (pipe->ended)
		return;
	if (why != NULL)
		fprintf(stderr, "tribe_power_poller: %s\n", why);
	pipe->ended = true;
	pipe->status = status;
}

/* --- out --------------------------------------------------------------------- */

static void
watch_pipe(struct pipe *pipe)
{
	uint32_t	events = EPOLLIN;

	if (pipe->queue_end > pipe->queue_start)
		events |= EPOLLOUT;
	if (!loop_watch(pipe->loop, &pipe->watch, pipe->fd, events))
		end(pipe, EXIT_FAILURE, "cannot watch the pipe");
}

static void
flush(struct pipe *pipe)
{
	while (!pipe->ended && pipe->queue_start < pipe->queue_end)
	{
		ssize_t		count = send(pipe->fd, pipe->queue + pipe->queue_start,
								 pipe->queue_end - pipe->queue_start, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (count < 0 && errno == EINTR)
			continue;
		if (count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
			break;
		if (count < 0)
		{
			end(pipe, EXIT_SUCCESS, NULL);
			return;
		}
		pipe->queue_start += count;
	}
	if (pipe->queue_start == pipe->queue_end)
	{
		pipe->queue_start = pipe->queue_end = 0;
		if (pipe->queue_capacity > QUEUE_KEPT)
		{
			free(pipe->queue);
			pipe->queue = NULL;
			pipe->queue_capacity = 0;
		}
	}
	watch_pipe(pipe);
}

/* Queues the frame that the writer holds. */
static void
put_frame(struct pipe *pipe, const struct wire_writer *writer)
{
	size_t		held = pipe->queue_end - pipe->queue_start;

	if (writer->failed)
	{
		end(pipe, EXIT_FAILURE, "a message did not fit into its frame");
		return;
	}
	if (pipe->queue_capacity - pipe->queue_end < writer->length)
	{
		size_t		capacity = pipe->queue_capacity > 0 ? pipe->queue_capacity : 4096;
		uint8_t    *queue;

		while (capacity < held + writer->length)
			capacity *= 2;
		queue = malloc(capacity);
		if (queue == NULL)
		{
			end(pipe, EXIT_FAILURE, "out of memory for results");
			return;
		}
		if (held > 0)
			memcpy(queue, pipe->queue + pipe->queue_start, held);
		free(pipe->queue);
		pipe->queue = queue;
		pipe->queue_capacity = capacity;
		pipe->queue_start = 0;
		pipe->queue_end = held;
	}
	memcpy(pipe->queue + pipe->queue_end, writer->data, writer->length);
	pipe->queue_end += writer->length;
}

/* In this order: whenever we are killed, what stands there is of one job. */
static void
note_state(void *arg, uint32_t place, uint64_t id, enum session_state state)
{
	struct pipe *pipe = arg;
	struct under_way *entry = &pipe->table[place];

	if (entry->id != id)
	{
		__atomic_store_n(&entry->id, 0, __ATOMIC_RELEASE);
		entry->began = loop_now();
	}
	entry->state = state;
	__atomic_store_n(&entry->id, id, __ATOMIC_RELEASE);
}

static void
put_result(void *arg, const struct job_result *result)
{
	struct pipe *pipe = arg;
	struct wire_writer writer;

	wire_writer_init(&writer, pipe->frame, WIRE_MAX_FRAME);
	wire_encode_result(&writer, result);
	put_frame(pipe, &writer);
}

static void
memory_exhausted(void *arg)
{
	struct pipe *pipe = arg;

	/* what is known already still counts */
	flush(pipe);
	end(pipe, POLLER_EXIT_MEMORY, "no memory left");
}

static bool
map_table(struct pipe *pipe, size_t places)
{
	size_t		size = places * sizeof(struct under_way);
	struct stat status;
	void	   *table;

	/* beyond its end a store would be the end of us */
	if (fstat(pipe->table_fd, &status) != 0 || (size_t) status.st_size < size)
		return false;
	table = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, pipe->table_fd, 0);
	if (table == MAP_FAILED)
		return false;
	pipe->table = table;
	return true;
}

/* --- in ---------------------------------------------------------------------- */

static void
take_settings(struct pipe *pipe, const struct wire_frame *frame)
{
	struct poller_settings settings;
	struct pool_events events = {note_state, put_result, pipe, memory_exhausted};
	struct poller_ready ready = {TRIBE_POWER_VERSION, libssh2_version(0)};
	struct wire_writer writer;

	if (pipe->pool != NULL || !wire_decode_settings(frame, &settings))
	{
		end(pipe, EXIT_FAILURE, "settings that cannot be read");
		return;
	}
	if (!map_table(pipe, settings.max_connections))
	{
		end(pipe, EXIT_FAILURE, "no table of what is under way");
		return;
	}
	pipe->pool = pool_create(pipe->loop, &settings, &events);
	if (pipe->pool == NULL)
	{
		end(pipe, EXIT_FAILURE, "out of memory");
		return;
	}
	confine_by_settings(settings.memory_limit, settings.nice);
	wire_writer_init(&writer, pipe->frame, WIRE_MAX_FRAME);
	wire_encode_ready(&writer, &ready);
	put_frame(pipe, &writer);
	flush(pipe);
}

static void
take_frame(struct pipe *pipe, const struct wire_frame *frame)
{
	struct job	job;

	if (frame->type == WIRE_SETTINGS)
		take_settings(pipe, frame);
	else if (frame->type == WIRE_JOB && pipe->pool != NULL && wire_decode_job(frame, &job))
		pool_submit(pipe->pool, &job);
	else
		end(pipe, EXIT_FAILURE, "a message that cannot be read");
}

static void
take_frames(struct pipe *pipe)
{
	size_t		taken = 0;

	while (!pipe->ended)
	{
		struct wire_frame frame;
		enum wire_progress progress = wire_frame_next(pipe->input + taken,
													  pipe->input_length - taken, &frame);

		if (progress == WIRE_MORE)
			break;
		if (progress == WIRE_BROKEN)
		{
			end(pipe, EXIT_FAILURE, "what came on the pipe is not its protocol");
			return;
		}
		take_frame(pipe, &frame);
		taken += frame.size;
	}
	memmove(pipe->input, pipe->input + taken, pipe->input_length - taken);
	pipe->input_length -= taken;
}

static void
pipe_ready(struct watch *watch, uint32_t events)
{
	struct pipe *pipe = watch->owner;
	ssize_t		count;

	if ((events & EPOLLOUT) != 0)
		flush(pipe);
	if (pipe->ended || (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) == 0)
		return;
	count = recv(pipe->fd, pipe->input + pipe->input_length,
				 WIRE_MAX_FRAME - pipe->input_length, MSG_DONTWAIT);
	if (count > 0)
	{
		pipe->input_length += count;
		take_frames(pipe);
	}
	else if (count == 0 || (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR))
		end(pipe, EXIT_SUCCESS, NULL);
}

int
pipe_serve(int fd, int table_fd)
{
	static struct pipe pipe;

	pipe.fd = fd;
	pipe.table_fd = table_fd;
	pipe.watch.fd = -1;
	pipe.watch.ready = pipe_ready;
	pipe.watch.owner = &pipe;
	pipe.loop = loop_create();
	pipe.input = malloc(WIRE_MAX_FRAME);
	pipe.frame = malloc(WIRE_MAX_FRAME);
	if (pipe.loop == NULL || pipe.input == NULL || pipe.frame == NULL)
		end(&pipe, EXIT_FAILURE, "out of memory");
	else
		watch_pipe(&pipe);
	while (!pipe.ended)
	{
		if (!loop_turn(pipe.loop))
			end(&pipe, EXIT_FAILURE, "cannot wait for events");
		/* once a turn: each message of its own would wake the owner */
		if (pipe.queue_end > pipe.queue_start)
			flush(&pipe);
	}

	pool_free(pipe.pool);
	loop_free(pipe.loop);
	free(pipe.input);
	free(pipe.frame);
	free(pipe.queue);
	return pipe.status;
}
