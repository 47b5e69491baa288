/*
 * test_pipe.c: the poller program's side of the pipe, as its owner sees it.
 */
#define _GNU_SOURCE				/* memfd_create */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "confine.h"
#include "loop.h"
#include "pipe.h"
#include "poll_fixture.h"
#include "under_way.h"
#include "version.h"

/* Room in the table. */
#define PLACES 64

static struct keys keys;
static struct sshd canned;

static int
group_setup(void **state)
{
	signal(SIGPIPE, SIG_IGN);
	keys_create(&keys);
	sshd_start(&canned, &keys, "", "printf 'tribe_power_probe 1\\nend\\n'");
	return 0;
}

static int
group_teardown(void **state)
{
	sshd_stop(&canned);
	keys_remove(&keys);
	return 0;
}

/* A poller in a process of its own, and our end of its pipe. */
struct child
{
	pid_t		pid;
	int			fd;
	struct under_way *table;
	uint8_t		input[2 * WIRE_MAX_FRAME];
	size_t		length;
	size_t		taken;
};

static struct child child;

static void
start(bool limited)
{
	int			pair[2];
	int			table = memfd_create("under_way", 0);

	assert_int_equal(ftruncate(table, PLACES * sizeof(struct under_way)), 0);
	if (child.table != NULL)
		munmap(child.table, PLACES * sizeof(struct under_way));
	child.table = mmap(NULL, PLACES * sizeof(struct under_way), PROT_READ, MAP_SHARED, table, 0);
	assert_true(child.table != MAP_FAILED);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	child.fd = pair[0];
	child.length = child.taken = 0;
	child.pid = fork();
	if (child.pid == 0)
	{
		int			null = open("/dev/null", O_WRONLY);

		close(pair[0]);
		dup2(null, STDERR_FILENO);
		if (limited)
		{
			dup2(pair[1], STDIN_FILENO);
			dup2(table, STDOUT_FILENO);
			confine_at_start();
			confine_child();
			_exit(pipe_serve(STDIN_FILENO, STDOUT_FILENO));
		}
		_exit(pipe_serve(pair[1], table));
	}
	close(pair[1]);
	close(table);
}

static int
wait_for_exit(void)
{
	int			status;

	assert_int_equal(waitpid(child.pid, &status, 0), child.pid);
	close(child.fd);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void
send_bytes(const void *data, size_t length)
{
	const char *bytes = data;

	while (length > 0)
	{
		ssize_t		count = write(child.fd, bytes, length);

		assert_true(count > 0);
		bytes += count;
		length -= count;
	}
}

static void
send_settings(uint32_t connections, uint64_t memory)
{
	struct poller_settings settings = {connections, 4, memory, 1};
	uint8_t		frame[64];
	struct wire_writer writer;

	wire_writer_init(&writer, frame, sizeof(frame));
	assert_true(wire_encode_settings(&writer, &settings));
	send_bytes(frame, writer.length);
}

static void
send_job(const struct job *job)
{
	static uint8_t frame[WIRE_MAX_FRAME];
	struct wire_writer writer;

	wire_writer_init(&writer, frame, sizeof(frame));
	assert_true(wire_encode_job(&writer, job));
	send_bytes(frame, writer.length);
}

/* The next frame; false at the end of the pipe. */
static bool
next_frame(struct wire_frame *frame)
{
	for (;;)
	{
		enum wire_progress progress = wire_frame_next(child.input + child.taken,
													  child.length - child.taken, frame);
		ssize_t		count;

		assert_int_not_equal(progress, WIRE_BROKEN);
		if (progress == WIRE_FRAME)
		{
			child.taken += frame->size;
			return true;
		}
		memmove(child.input, child.input + child.taken, child.length - child.taken);
		child.length -= child.taken;
		child.taken = 0;
		count = read(child.fd, child.input + child.length, sizeof(child.input) - child.length);
		if (count <= 0)
			return false;
		child.length += count;
	}
}

static void
expect_ready(void)
{
	struct wire_frame frame;
	struct poller_ready ready;

	assert_true(next_frame(&frame));
	assert_true(wire_decode_ready(&frame, &ready));
	assert_string_equal(ready.version, TRIBE_POWER_VERSION);
	assert_true(ready.libssh2[0] == '1');
}

static void
jobs_become_results(void **state)
{
	struct wire_frame frame;

	start(true);
	send_settings(4, UINT64_C(1) << 30);
	expect_ready();
	for (int i = 1; i <= 8; i++)
	{
		struct job	job = loopback_job(&keys, canned.port);

		job.id = i;
		send_job(&job);
	}
	for (int results = 0; results < 8; results++)
	{
		static struct job_result result;

		assert_true(next_frame(&frame));
		assert_true(wire_decode_result(&frame, &result));
		if (result.outcome != OUTCOME_READ)
			fail_msg("%s", result.error);
		assert_true(result.has_report);
	}
	/* each place has one of the jobs, where that was at its end */
	for (int i = 0; i < 4; i++)
	{
		assert_true(child.table[i].id >= 1 && child.table[i].id <= 8);
		assert_int_equal(child.table[i].state, SESSION_CLOSE);
		for (int k = 0; k < i; k++)
			assert_int_not_equal(child.table[i].id, child.table[k].id);
	}
	assert_int_equal(child.table[4].id, 0);
	/* the owner goes, and so does the poller */
	shutdown(child.fd, SHUT_WR);
	assert_int_equal(wait_for_exit(), 0);
}

/* How many entries are of this state. */
static int
under_way(enum session_state state)
{
	int			count = 0;

	for (int i = 0; i < PLACES; i++)
		count += __atomic_load_n(&child.table[i].id, __ATOMIC_ACQUIRE) != 0 &&
			child.table[i].state == (uint32_t) state;
	return count;
}

static void
killed_poller_leaves_what_was_under_way(void **state)
{
	uint16_t	port;
	int			silent = listen_on_loopback(&port);
	int64_t		before = loop_now();
	int			status;

	start(true);
	send_settings(2, 0);
	expect_ready();
	for (int i = 1; i <= 3; i++)
	{
		struct job	job = loopback_job(&keys, port);

		job.id = i;
		job.connect_timeout_ms = job.node_timeout_ms = 600 * 1000;
		send_job(&job);
	}
	while (under_way(SESSION_HANDSHAKE) < 2)
		usleep(1000);
	kill(child.pid, SIGKILL);
	assert_int_equal(waitpid(child.pid, &status, 0), child.pid);
	assert_int_equal(under_way(SESSION_HANDSHAKE), 2);
	for (int i = 0; i < 2; i++)
	{
		assert_true(child.table[i].id == 1 || child.table[i].id == 2);
		assert_true(child.table[i].began >= before && child.table[i].began <= loop_now());
	}
	assert_int_equal(child.table[2].id, 0);
	close(child.fd);
	close(silent);
}

static void
table_that_is_too_small_is_refused(void **state)
{
	start(false);
	send_settings(PLACES + 1, 0);
	assert_int_equal(wait_for_exit(), 1);
}

static void
settings_in_pieces_are_understood(void **state)
{
	struct poller_settings settings = {1, 0, 0, 0};
	uint8_t		bytes[64];
	struct wire_writer writer;

	start(false);
	wire_writer_init(&writer, bytes, sizeof(bytes));
	assert_true(wire_encode_settings(&writer, &settings));
	for (size_t i = 0; i < writer.length; i++)
		send_bytes(bytes + i, 1);
	expect_ready();
	close(child.fd);
	child.fd = -1;
	assert_int_equal(wait_for_exit(), 0);
}

static void
stranger_ends_the_poller(void **state)
{
	struct wire_frame frame;
	struct job	job = loopback_job(&keys, canned.port);

	start(false);
	send_bytes("GET / HTTP/1.0\r\n", 16);
	assert_int_equal(wait_for_exit(), 1);

	/* a job before the settings, and settings twice */
	start(false);
	send_job(&job);
	assert_int_equal(wait_for_exit(), 1);
	start(false);
	send_settings(1, 0);
	expect_ready();
	send_settings(1, 0);
	assert_false(next_frame(&frame));
	assert_int_equal(wait_for_exit(), 1);
	/* what only the poller says */
	start(false);
	send_settings(1, 0);
	send_bytes("TP\1\3\0\0\0\0", 8);
	assert_int_equal(wait_for_exit(), 1);
}

/* An owner that does not read costs memory in proportion, and no deadlock. */
static void
slow_owner_gets_every_result(void **state)
{
	struct wire_frame frame;
	int			results = 0;
	int			size = 4096;

	start(true);
	setsockopt(child.fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	setsockopt(child.fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	send_settings(16, 0);
	/* none of these needs a network, and each has a long answer */
	for (int i = 0; i < 5000; i++)
	{
		static char path[1000];
		struct job	job = loopback_job(&keys, canned.port);

		memset(path, 'p', sizeof(path) - 1);
		path[0] = '/';
		job.id = i;
		job.identity_file = path;
		send_job(&job);
	}
	expect_ready();
	while (results < 5000 && next_frame(&frame))
	{
		static struct job_result result;

		assert_true(wire_decode_result(&frame, &result));
		assert_int_equal(result.outcome, OUTCOME_IDENTITY_FILE);
		assert_int_equal(result.id, results);
		results++;
	}
	assert_int_equal(results, 5000);
	/* none had begun to connect */
	assert_int_equal(child.table[0].id, 0);
	close(child.fd);
	child.fd = -1;
	assert_int_equal(wait_for_exit(), 0);
}

static void
owner_that_goes_ends_it_with_sessions_under_way(void **state)
{
	start(true);
	send_settings(50, 0);
	expect_ready();
	for (int i = 0; i < 10; i++)
	{
		struct job	job = loopback_job(&keys, canned.port);

		job.id = i;
		send_job(&job);
	}
	close(child.fd);
	child.fd = -1;
	assert_int_equal(wait_for_exit(), 0);
}

/* What was there when it was started is not there for it. */
static void
nothing_is_inherited(void **state)
{
	char		path[64];
	char		target[256];
	ssize_t		length;
	int			secret = open("/etc/passwd", O_RDONLY);

	assert_true(secret > 2);
	setenv("LD_SECRET", "x", 1);
	start(true);
	send_settings(1, 0);
	expect_ready();
	snprintf(path, sizeof(path), "/proc/%d/fd/%d", (int) child.pid, secret);
	length = readlink(path, target, sizeof(target) - 1);
	if (length > 0)
	{
		target[length] = '\0';
		assert_string_not_equal(target, "/etc/passwd");
	}
	close(secret);
	close(child.fd);
	child.fd = -1;
	assert_int_equal(wait_for_exit(), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(jobs_become_results),
		cmocka_unit_test(killed_poller_leaves_what_was_under_way),
		cmocka_unit_test(table_that_is_too_small_is_refused),
		cmocka_unit_test(settings_in_pieces_are_understood),
		cmocka_unit_test(stranger_ends_the_poller),
		cmocka_unit_test(slow_owner_gets_every_result),
		cmocka_unit_test(owner_that_goes_ends_it_with_sessions_under_way),
		cmocka_unit_test(nothing_is_inherited),
	};

	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
