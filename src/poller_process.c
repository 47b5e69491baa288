/*
 * poller_process.c: one poller as a child process.
 *
 * Waits for nothing but, for a fraction of a second, a child that is ending.
 * Raises no error: what goes wrong is in end_reason.
 */
#include "postgres.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "miscadmin.h"
#include "storage/fd.h"
#include "storage/ipc.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "common/version.h"
#include "poller_process.h"
#include "ticks.h"

/* not in glibc before 2.39 */
#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U
#endif

void
poller_process_init(PollerProcess *process, MemoryContext context)
{
	memset(process, 0, sizeof(*process));
	process->fd = -1;
	process->table_fd = -1;
	process->in = MemoryContextAlloc(context, WIRE_MAX_FRAME);
	process->out_capacity = WIRE_MAX_FRAME;
	process->out = MemoryContextAlloc(context, process->out_capacity);
}

/* --- start and end --------------------------------------------------------- */

/*
 * The table that the poller maps.  Sealed, so that it can be made neither smaller, which
 * would kill who has it mapped, nor larger, since its memory counts as nobody's.
 */
static int
make_table(uint32_t places)
{
	int			fd = memfd_create("tribe_power_under_way",
								  MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL);

	/* kernels before 6.3 do not know the last flag; some later ones insist on it */
	if (fd < 0 && errno == EINVAL)
		fd = memfd_create("tribe_power_under_way", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd >= 0 &&
		(ftruncate(fd, (off_t) places * sizeof(struct under_way)) != 0 ||
		 fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0))
	{
		int			saved = errno;

		close(fd);
		errno = saved;
		return -1;
	}
	return fd;
}

int
poller_process_under_way(const PollerProcess *process, int first,
						 struct under_way *entries, int count)
{
	ssize_t		size = -1;

	if (process->table_fd >= 0)
		size = pread(process->table_fd, entries, count * sizeof(*entries),
					 (off_t) first * sizeof(*entries));
	return size > 0 ? (int) (size / sizeof(*entries)) : 0;
}

/* Socket pair, table and child.  vfork semantics: cheap however large our shared
 * memory is.  The poller itself closes every descriptor but the first three,
 * before anything else. */
static bool
spawn(PollerProcess *process, uint32_t places)
{
	char		path[MAXPGPATH];
	char	   *argv[] = {"tribe_power_poller", NULL};
	char	   *envp[] = {"LC_ALL=C", "PATH=/usr/bin:/bin", NULL};
	int			pair[2];
	int			table;
	int			rc;
	pid_t		pid;
	sigset_t	none,
				all;
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;

	snprintf(path, sizeof(path), "%s/tribe_power_poller", pkglib_path);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
	{
		snprintf(process->end_reason, sizeof(process->end_reason),
				 "could not create a socket pair: %s", strerror(errno));
		return false;
	}
	table = make_table(places);
	if (table < 0)
	{
		snprintf(process->end_reason, sizeof(process->end_reason),
				 "could not create a file in memory: %s", strerror(errno));
		close(pair[0]);
		close(pair[1]);
		return false;
	}
	sigemptyset(&none);
	sigfillset(&all);
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, pair[1], 0);
	posix_spawn_file_actions_adddup2(&actions, table, 1);
	posix_spawnattr_init(&attributes);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP |
							 POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
	posix_spawnattr_setpgroup(&attributes, 0);
	posix_spawnattr_setsigmask(&attributes, &none);
	posix_spawnattr_setsigdefault(&attributes, &all);
	rc = posix_spawn(&pid, path, &actions, &attributes, argv, envp);
	posix_spawn_file_actions_destroy(&actions);
	posix_spawnattr_destroy(&attributes);
	close(pair[1]);
	if (rc != 0)
	{
		close(pair[0]);
		close(table);
		snprintf(process->end_reason, sizeof(process->end_reason),
				 "could not start the poller %s: %s", path, strerror(rc));
		return false;
	}
	(void) fcntl(pair[0], F_SETFL, O_NONBLOCK);
	process->pid = pid;
	process->fd = pair[0];
	process->table_fd = table;
	ReserveExternalFD();
	ReserveExternalFD();
	return true;
}

bool
poller_process_start(PollerProcess *process, const struct poller_settings *settings)
{
	struct wire_writer writer;

	process->end_reason[0] = '\0';
	process->ready = false;
	process->in_length = process->out_length = process->out_sent = 0;
	if (!spawn(process, settings->max_connections))
		return false;
	process->settings = *settings;
	process->started = process->heard = ticks_now();
	poller_process_reserve(process, &writer);
	wire_encode_settings(&writer, settings);
	poller_process_queued(process, &writer);
	return true;
}

/* Kills and reaps the child, and says how it ended unless that is known. */
static void
reap(PollerProcess *process, bool expected)
{
	int			status = 0;
	int			tries;
	pid_t		rc = waitpid(process->pid, &status, WNOHANG);

	/* at end-of-file it is about to become a zombie: give it a moment, so that
	 * the reason is its own and not our kill */
	for (tries = 0; rc == 0 && !expected && process->end_reason[0] == '\0' && tries < 20; tries++)
	{
		pg_usleep(1000);
		rc = waitpid(process->pid, &status, WNOHANG);
	}
	if (rc == 0)
	{
		kill(process->pid, SIGKILL);
		/* gone at once unless the kernel holds it; then init reaps it, as it does
		 * anyway where we end too: our own answer must not wait for a process
		 * of low priority to be given the time to end */
		for (tries = 0; rc == 0 && tries < 50 && !proc_exit_inprogress; tries++)
		{
			rc = waitpid(process->pid, &status, WNOHANG);
			if (rc == 0)
				pg_usleep(tries < 20 ? 200 : 1000);
		}
	}
	if (process->end_reason[0] != '\0')
		return;
	if (rc == process->pid && WIFSIGNALED(status))
		snprintf(process->end_reason, sizeof(process->end_reason),
				 "poller ended by signal %d", WTERMSIG(status));
	else if (rc == process->pid && WIFEXITED(status) && WEXITSTATUS(status) == POLLER_EXIT_MEMORY)
		strlcpy(process->end_reason, "poller ended because tribe_power.poller_memory was used up",
				sizeof(process->end_reason));
	else if (rc == process->pid && WIFEXITED(status))
		snprintf(process->end_reason, sizeof(process->end_reason),
				 "poller ended with exit status %d", WEXITSTATUS(status));
	else
		strlcpy(process->end_reason, "poller ended", sizeof(process->end_reason));
}

void
poller_process_end(PollerProcess *process, bool expected)
{
	if (process->fd >= 0)
	{
		close(process->fd);
		close(process->table_fd);
		process->fd = process->table_fd = -1;
		ReleaseExternalFD();
		ReleaseExternalFD();
	}
	if (process->pid > 0)
	{
		reap(process, expected);
		process->pid = 0;
	}
}

/* --- bytes ----------------------------------------------------------------- */

void
poller_process_reserve(PollerProcess *process, struct wire_writer *writer)
{
	if (process->out_sent > 0)
	{
		memmove(process->out, process->out + process->out_sent,
				process->out_length - process->out_sent);
		process->out_length -= process->out_sent;
		process->out_sent = 0;
	}
	if (process->out_capacity - process->out_length < WIRE_MAX_FRAME)
	{
		process->out_capacity *= 2;
		process->out = repalloc_huge(process->out, process->out_capacity);
	}
	wire_writer_init(writer, process->out + process->out_length,
					 process->out_capacity - process->out_length);
}

void
poller_process_queued(PollerProcess *process, const struct wire_writer *writer)
{
	process->out_length += writer->length;
}

bool
poller_process_unsent(const PollerProcess *process)
{
	return process->out_sent < process->out_length;
}

bool
poller_process_flush(PollerProcess *process)
{
	while (process->out_sent < process->out_length)
	{
		ssize_t		n = send(process->fd, process->out + process->out_sent,
							 process->out_length - process->out_sent, MSG_NOSIGNAL);

		if (n > 0)
			process->out_sent += n;
		else if (errno == EINTR)
			continue;
		else
			return errno == EAGAIN || errno == EWOULDBLOCK;
	}
	return true;
}

/* The first frame must say that the poller is of our release. */
static bool
check_ready(PollerProcess *process, const struct wire_frame *frame)
{
	struct poller_ready ready;

	if (frame->type == WIRE_READY && wire_decode_ready(frame, &ready) &&
		strcmp(ready.version, TRIBE_POWER_VERSION) == 0)
	{
		process->ready = true;
		return true;
	}
	strlcpy(process->end_reason,
			"poller is of another release than the library: install both anew and restart the server",
			sizeof(process->end_reason));
	return false;
}

/* All whole frames in the buffer; what is left over moves to its front. */
static bool
handle_frames(PollerProcess *process,
			  bool (*handle) (void *arg, const struct wire_frame *frame), void *arg)
{
	struct wire_frame frame;
	size_t		used = 0;

	for (;;)
	{
		enum wire_progress progress = wire_frame_next(process->in + used,
													  process->in_length - used, &frame);

		if (progress == WIRE_MORE)
			break;
		if (progress == WIRE_BROKEN ||
			!(process->ready ? handle(arg, &frame) : check_ready(process, &frame)))
		{
			if (process->end_reason[0] == '\0')
				strlcpy(process->end_reason, "poller broke the protocol and was ended",
						sizeof(process->end_reason));
			return false;
		}
		used += frame.size;
	}
	memmove(process->in, process->in + used, process->in_length - used);
	process->in_length -= used;
	return true;
}

bool
poller_process_read(PollerProcess *process,
					bool (*handle) (void *arg, const struct wire_frame *frame),
					void *arg)
{
	int			passes;

	/* bounded, so that a flood cannot keep us from our latch */
	for (passes = 0; passes < 64; passes++)
	{
		ssize_t		n = recv(process->fd, process->in + process->in_length,
							 WIRE_MAX_FRAME - process->in_length, 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN || errno == EWOULDBLOCK;
		if (n == 0)
			return false;
		process->in_length += n;
		process->heard = ticks_now();
		if (!handle_frames(process, handle, arg))
			return false;
	}
	return true;
}
