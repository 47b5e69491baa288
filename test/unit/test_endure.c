/*
 * test_endure.c: thousands of polls through one pool: what it holds does not grow,
 * and no answer that came is missed.
 *
 * A few hundred polls by default.  ENDURE_POLLS says how many instead, and
 * ENDURE_LOAD how many processes are to keep the processors busy meanwhile; an
 * argument chooses one test by its name: see bench/endure.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <malloc.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "poll_fixture.h"

/* Both streams in turns and in pieces: what a lost edge needs. */
#define PIECES "printf 'tribe_power_probe 1\\n'; echo >&2 a; echo '# b'; echo >&2 c; " \
	"printf 'end\\n'; echo >&2 d"
#define AT_ONCE 40
#define SHORT_RUN 300

static struct keys keys;
static struct sshd pieces;
static struct peer silent;
static struct peer talker;
static struct peer flood;
static uint16_t nobody;			/* a port where nothing listens */
static char stranger[160];

static void
serve_nothing(int fd, void *arg)
{
	pause();
}

static void
serve_http(int fd, void *arg)
{
	(void) !send(fd, "HTTP/1.1 400 Bad Request\r\n\r\n", 28, MSG_NOSIGNAL);
}

static void
serve_endless_lines(int fd, void *arg)
{
	static char lines[65536];

	memset(lines, 'x', sizeof(lines));
	for (size_t i = 50; i < sizeof(lines); i += 50)
		lines[i] = '\n';
	while (send(fd, lines, sizeof(lines), MSG_NOSIGNAL) > 0)
		;
}

static int
group_setup(void **state)
{
	keys_create(&keys);
	snprintf(stranger, sizeof(stranger), "%s/id_stranger", keys.directory);
	sshd_start(&pieces, &keys, "MaxSessions 100\nMaxAuthTries 100\n", PIECES);
	peer_start(&silent, serve_nothing, NULL);
	peer_start(&talker, serve_http, NULL);
	peer_start(&flood, serve_endless_lines, NULL);
	close(listen_on_loopback(&nobody));
	return 0;
}

static int
group_teardown(void **state)
{
	peer_stop(&silent);
	peer_stop(&talker);
	peer_stop(&flood);
	sshd_stop(&pieces);
	keys_remove(&keys);
	return 0;
}

static int
setting(const char *name, int otherwise)
{
	const char *value = getenv(name);

	return value != NULL ? atoi(value) : otherwise;
}

static long
resident_kilobytes(void)
{
	FILE	   *file = fopen("/proc/self/statm", "r");
	long		size,
				resident = 0;

	if (fscanf(file, "%ld %ld", &size, &resident) != 2)
		abort();
	fclose(file);
	return resident * sysconf(_SC_PAGESIZE) / 1024;
}

/* --- one poll after another --------------------------------------------------- */

struct course
{
	struct poller *poller;
	long		polls;
	long		started;
	bool		faults;			/* three of eight polls fail on purpose */
	bool		changing;		/* names change, so that kept sessions make room */
	long		by_outcome[OUTCOME_COUNT];
	long		kept_used;		/* polls over a connection that was there already */
	enum outcome expected[AT_ONCE];
	char		names[AT_ONCE][16];
	long		wrong;
	char		first_wrong[WIRE_MAX_TEXT + 64];
};

static void
fail_on_purpose(struct course *course, struct job *job, long number)
{
	enum outcome *expected = &course->expected[job->id];

	switch (number % 8)
	{
		case 1:
			job->port = nobody;
			*expected = OUTCOME_REFUSED;
			break;
		case 3:
			job->identity_file = stranger;
			*expected = OUTCOME_LOGIN_REFUSED;
			break;
		case 5:
			if (number % 16 == 5)
			{
				job->port = talker.port;
				*expected = OUTCOME_HANDSHAKE_FAILED;
			}
			else
			{
				/* the longest of them: it has to wait */
				job->port = silent.port;
				job->connect_timeout_ms = 200;
				*expected = OUTCOME_HANDSHAKE_TIMEOUT;
			}
			break;
		case 7:
			if (number % 16 == 7)
			{
				job->port = flood.port;
				*expected = OUTCOME_HANDSHAKE_FAILED;
			}
			else
			{
				/* kex is through when this is found out */
				job->host_key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEpo2TR9SrwEhynFSEGRm0ZM3trfLHX+z3WN3jYSS48Y";
				*expected = OUTCOME_HOST_KEY_CHANGED;
			}
			break;
	}
}

static void
submit_next(struct course *course, int slot)
{
	long		number = course->started++;
	struct job	job = loopback_job(&keys, pieces.port);

	/* the time is for a machine that has other things to do */
	job.connect_timeout_ms = 120000;
	job.node_timeout_ms = 240000;
	job.id = slot;
	job.keep_session = number % 6 != 0;
	snprintf(course->names[slot], sizeof(course->names[slot]), "node%ld",
			 course->changing && number % 3 == 0 ? number : (long) slot);
	job.node_name = course->names[slot];
	course->expected[slot] = OUTCOME_READ;
	if (course->faults)
		fail_on_purpose(course, &job, number);
	poller_submit(course->poller, &job);
}

static void
note_end(struct course *course, int slot)
{
	struct kept_result *result = &course->poller->results[slot];

	course->by_outcome[result->outcome]++;
	if (result->outcome == OUTCOME_READ && result->bytes_received < 1000)
		course->kept_used++;
	if ((result->outcome != course->expected[slot] || result->ends != 1) && course->wrong++ == 0)
		snprintf(course->first_wrong, sizeof(course->first_wrong), "%s: %s",
				 outcome_name(result->outcome), result->error);
	result->ended = false;
}

/* Polls on until so many have ended; AT_ONCE are under way at any time but the end. */
static void
run_until(struct course *course, long polls)
{
	bool		under_way[AT_ONCE];
	int			count = 0;

	for (int slot = 0; slot < AT_ONCE; slot++)
	{
		under_way[slot] = course->started < polls;
		if (under_way[slot])
		{
			submit_next(course, slot);
			count++;
		}
	}
	while (count > 0)
	{
		for (int slot = 0; slot < AT_ONCE; slot++)
			if (under_way[slot] && course->poller->results[slot].ended)
			{
				note_end(course, slot);
				under_way[slot] = course->started < polls;
				if (under_way[slot])
					submit_next(course, slot);
				else
					count--;
			}
		if (count > 0 && !loop_turn(course->poller->loop))
			abort();
	}
}

static void
print_outcomes(const struct course *course)
{
	for (int i = 0; i < OUTCOME_COUNT; i++)
		if (course->by_outcome[i] > 0)
			print_message("# %ld %s\n", course->by_outcome[i], outcome_name(i));
	print_message("# %ld over kept connections\n", course->kept_used);
}

/* --- what must hold ------------------------------------------------------------- */

/* What a pool holds while it rests: its kept sessions are dropped for that. */
struct holding
{
	int			descriptors;
	long		resident;		/* kB */
	long		allocated;		/* bytes */
};

static struct holding
rest(struct course *course)
{
	struct holding now;

	/* settles channels that are still being opened ahead; then all are dropped
	 * with their sshd */
	sshd_signal_sessions(&pieces, SIGTERM);
	while (pool_kept(course->poller->pool) > 0)
		loop_turn(course->poller->loop);
	now.descriptors = open_descriptors();
	now.resident = resident_kilobytes();
	now.allocated = (long) mallinfo2().uordblks;
	return now;
}

static void
polls_leave_nothing_behind(void **state)
{
	struct course course = {.poller = poller_create(AT_ONCE, AT_ONCE / 2), .faults = true,
		.changing = true};
	long		polls = setting("ENDURE_POLLS", SHORT_RUN);
	long		first = polls >= 10000 ? 500 : polls / 3;
	struct holding before;
	struct holding after;

	run_until(&course, first);
	before = rest(&course);
	run_until(&course, polls);
	after = rest(&course);
	print_message("# after %ld polls: %d descriptors, %ld kB resident, %ld bytes allocated\n",
				  first, before.descriptors, before.resident, before.allocated);
	print_message("# after %ld polls: %d descriptors, %ld kB resident, %ld bytes allocated\n",
				  polls, after.descriptors, after.resident, after.allocated);
	print_outcomes(&course);
	if (course.wrong > 0)
		fail_msg("%ld polls ended otherwise, the first %s", course.wrong, course.first_wrong);
	assert_int_equal(after.descriptors, before.descriptors);
#ifndef __SANITIZE_ADDRESS__
	assert_int_equal(after.allocated, before.allocated);
	/* in a short run the heap is still finding its size */
	assert_true(polls < 10000 || after.resident - before.resident < 1024);
#endif
	poller_free(course.poller);
}

/*
 * Whatever ends by a deadline here had its answer long before: each node answers
 * at once, and the deadlines are minutes.
 */
static void
no_answer_is_missed(void **state)
{
	struct course course = {.poller = poller_create(AT_ONCE, AT_ONCE)};
	long		polls = setting("ENDURE_POLLS", SHORT_RUN);
	int			load = setting("ENDURE_LOAD", 0);
	pid_t		busy[64];

	if (load > 64)
		load = 64;
	for (int i = 0; i < load; i++)
		if ((busy[i] = fork()) == 0)
		{
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			for (;;)
				asm volatile ("" ::: "memory");
		}
	run_until(&course, polls);
	for (int i = 0; i < load; i++)
	{
		kill(busy[i], SIGKILL);
		waitpid(busy[i], NULL, 0);
	}
	print_outcomes(&course);
	if (course.wrong > 0)
		fail_msg("%ld polls were not read, the first %s", course.wrong, course.first_wrong);
	assert_int_equal(course.by_outcome[OUTCOME_READ], polls);
	assert_true(course.kept_used > polls / 4);
	poller_free(course.poller);
}

/*
 * The C library's caches of freed blocks count as allocated; without them what is
 * allocated can be told to the byte.
 */
static void
without_caches(char **argv)
{
	static const char name[] = "GLIBC_TUNABLES";

	if (getenv(name) == NULL && setenv(name, "glibc.malloc.tcache_count=0", 1) == 0)
		execv("/proc/self/exe", argv);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(polls_leave_nothing_behind),
		cmocka_unit_test(no_answer_is_missed),
	};

	without_caches(argv);
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
