/*
 * test_mutate.c: real sessions, mutated at random on their way: bytes replaced,
 * inserted, doubled, dropped, swapped, in either direction, up to four times a session.
 * None may outlast its deadline, end the poller but by the library's own abort(), or
 * give a reading that is not the true one.
 *
 * MUTATE_SESSIONS (128) sessions by MUTATE_SEED (1): the seed decides what is done and
 * where, while sshd's keys and packets differ each time (bench/endure mutations).
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "poll_fixture.h"

#define TRUTH \
	"printf 'tribe_power_probe 1\\nsystem Linux 6.1.0\\nboot 7c1ef0c6-0000-4000-8000-000000000000\\n" \
	"zone intel-rapl:0 262143328850 package-0\\n" \
	"energy 0 intel-rapl:0 1000000\\nclock 0 10.00 10.00\\n" \
	"energy 1 intel-rapl:0 101000000\\nclock 1 11.00 11.00\\nend\\n'"

/* How a child that polled says what came of it: its outcome behind these. */
#define POLLED 100
#define NOT_TRUE 99

/* Seconds: far beyond the node's timeout, so that only what hangs meets it. */
#define NODE_TIMEOUT_MS 2000
#define HANGS 40

#define MOST_FAULTS 4
#define MOST_BYTES 64			/* of one fault */

enum
{
	TO_CLIENT,
	TO_SERVER,
};

struct fault
{
	int			direction;
	long		at;				/* bytes of that direction before it */
	bool		done;
};

/* Shared with the proxies. */
struct mutator
{
	uint16_t	port;			/* of the real sshd */
	uint64_t	seed;
	long		total;			/* bytes of the server's in a good session */
	int			next;			/* which connection this is */
};

static struct keys keys;
static struct sshd sshd;
static struct mutator *mutator;
static struct report truth;

static int
group_setup(void **state)
{
	struct poller *poller = poller_create(1, 0);
	struct job	job;
	struct kept_result *result;

	keys_create(&keys);
	sshd_start(&sshd, &keys, "MaxStartups 500\n", TRUTH);
	job = loopback_job(&keys, sshd.port);
	result = poll_one(poller, &job);
	assert_int_equal(result->outcome, OUTCOME_READ);
	assert_true(result->has_report && result->report.zone_count == 1);
	truth = result->report;
	mutator = mmap(NULL, sizeof(*mutator), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	mutator->port = sshd.port;
	mutator->total = result->bytes_received;
	poller_free(poller);
	return 0;
}

static int
group_teardown(void **state)
{
	munmap(mutator, sizeof(*mutator));
	sshd_stop(&sshd);
	keys_remove(&keys);
	return 0;
}

/* --- chance --------------------------------------------------------------------- */

/* splitmix64: of a session's own, whatever the others do. */
static uint64_t
chance(uint64_t *state)
{
	uint64_t	z = *state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

static long
below(uint64_t *state, long bound)
{
	return (long) (chance(state) % (uint64_t) bound);
}

static void
fill(uint64_t *state, uint8_t *bytes, size_t length)
{
	/* what lengths and counts break on, now and then */
	int			byte = below(state, 4) == 0 ? (below(state, 2) == 0 ? 0xff : 0) : -1;

	for (size_t i = 0; i < length; i++)
		bytes[i] = byte < 0 ? (uint8_t) chance(state) : (uint8_t) byte;
}

/* --- the proxy ------------------------------------------------------------------ */

/* One fault in these bytes, from this one on; how many bytes there are then.  There is
 * room for MOST_BYTES more. */
static size_t
mutate(uint64_t *state, uint8_t *bytes, size_t count, size_t at)
{
	size_t		rest = count - at;
	size_t		length = 1 + below(state, MOST_BYTES);

	if (length > rest)
		length = rest;
	switch (below(state, 5))
	{
		case 0:					/* replaced */
			fill(state, bytes + at, length);
			return count;
		case 1:					/* inserted */
			memmove(bytes + at + length, bytes + at, rest);
			fill(state, bytes + at, length);
			return count + length;
		case 2:					/* doubled */
			memmove(bytes + at + length, bytes + at, rest);
			return count + length;
		case 3:					/* dropped */
			memmove(bytes + at, bytes + at + length, rest - length);
			return count - length;
		default:				/* swapped: two stretches of half that length */
			for (size_t i = 0; i < length / 2; i++)
			{
				uint8_t		kept = bytes[at + i];

				bytes[at + i] = bytes[at + length / 2 + i];
				bytes[at + length / 2 + i] = kept;
			}
			return count;
	}
}

static void
pass_on(int from, int to, int direction, long *passed, struct fault *faults, uint64_t *state)
{
	uint8_t		bytes[4096 + MOST_FAULTS * MOST_BYTES];
	ssize_t		received = recv(from, bytes, 4096, 0);
	size_t		count;

	if (received <= 0)
		_exit(0);
	count = received;
	for (int i = 0; i < MOST_FAULTS; i++)
	{
		struct fault *fault = &faults[i];
		long		at = fault->at - *passed;

		if (fault->done || fault->direction != direction || at < 0 || at >= (long) count)
			continue;
		fault->done = true;
		count = mutate(state, bytes, count, at);
	}
	*passed += received;
	send_all(to, bytes, count);
}

static void
serve_mutated(int client, void *arg)
{
	int			number = __atomic_fetch_add(&mutator->next, 1, __ATOMIC_SEQ_CST);
	uint64_t	state = mutator->seed << 32 | (uint32_t) number;
	int			server = connect_to_loopback(mutator->port);
	struct pollfd both[2] = {{server, POLLIN, 0}, {client, POLLIN, 0}};
	struct fault faults[MOST_FAULTS];
	long		passed[2] = {0, 0};
	int			count = 1 + (int) below(&state, MOST_FAULTS);
	long		first = below(&state, mutator->total);

	for (int i = 0; i < MOST_FAULTS; i++)
	{
		/* mostly what we are told; our own bytes are sshd's to judge */
		faults[i].direction = below(&state, 4) == 0 ? TO_SERVER : TO_CLIENT;
		/* near each other: of faults all over it the first would end most sessions */
		faults[i].at = first + below(&state, 2 * MOST_BYTES);
		faults[i].done = i >= count;
	}
	for (;;)
	{
		poll(both, 2, -1);
		if (both[TO_CLIENT].revents != 0)
			pass_on(server, client, TO_CLIENT, &passed[TO_CLIENT], faults, &state);
		if (both[TO_SERVER].revents != 0)
			pass_on(client, server, TO_SERVER, &passed[TO_SERVER], faults, &state);
	}
}

/* --- the sessions --------------------------------------------------------------- */

/* In a process of its own, as the poller is one: the library may abort() in it. */
static void
poll_in_child(uint16_t port)
{
	struct poller *poller;
	struct kept_result *result;
	struct job	job;
	int			status;

	fclose(stderr);
	alarm(HANGS * slowness());
	poller = poller_create(1, 0);
	job = loopback_job(&keys, port);
	job.connect_timeout_ms = job.node_timeout_ms = NODE_TIMEOUT_MS * slowness();
	result = poll_one(poller, &job);
	status = POLLED + result->outcome;
	if (result->outcome == OUTCOME_READ &&
		(!result->has_report || memcmp(&result->report, &truth, sizeof(truth)) != 0))
		status = NOT_TRUE;
	poller_free(poller);
	_exit(status);
}

static void
mutated_sessions_end_in_time_and_never_with_a_wrong_reading(void **state)
{
	enum
	{
		AT_ONCE = 32
	};
	const char *wanted = getenv("MUTATE_SESSIONS");
	const char *seed = getenv("MUTATE_SEED");
	int			sessions = wanted != NULL ? atoi(wanted) : 128;
	int			outcomes[POLLED] = {0};
	int			running = 0;
	int			aborted = 0;
	struct peer peer;
	struct rusage used;

	mutator->seed = seed != NULL ? strtoull(seed, NULL, 10) : 1;
	peer_start(&peer, serve_mutated, NULL);
	for (int i = 0; i < sessions || running > 0; i++)
	{
		int			status;

		if (i < sessions)
		{
			if (fork() == 0)
				poll_in_child(peer.port);
			if (++running < AT_ONCE)
				continue;
		}
		assert_true(wait(&status) > 0);
		running--;
		if (WIFSIGNALED(status))
		{
			/* SIGALRM: it hangs; others: memory was touched that is not its own */
			if (WTERMSIG(status) != SIGABRT)
				fail_msg("a session ended by signal %d", WTERMSIG(status));
			aborted++;
			continue;
		}
		if (WEXITSTATUS(status) < POLLED)
			fail_msg("a session ended with status %d%s", WEXITSTATUS(status),
					 WEXITSTATUS(status) == NOT_TRUE ? ": a reading that is not the true one" : "");
		outcomes[WEXITSTATUS(status) - POLLED]++;
	}
	peer_stop(&peer);

	getrusage(RUSAGE_CHILDREN, &used);
	print_message("# %d sessions by seed %llu: %d aborted, at most %ld MiB;", sessions,
				  (unsigned long long) mutator->seed, aborted, used.ru_maxrss / 1024);
	for (int i = 0; i < POLLED; i++)
		if (outcomes[i] > 0)
			print_message(" %s %d", outcome_name(i), outcomes[i]);
	print_message("\n");
	/* the library's own errors are answers; ours would be none */
	assert_int_equal(outcomes[OUTCOME_INTERNAL], 0);
	/* most sessions were hurt, and not all in the same place */
	assert_true(outcomes[OUTCOME_READ] < sessions / 2);
	assert_true(aborted < sessions / 2);
#ifndef __SANITIZE_ADDRESS__
	assert_true(used.ru_maxrss < 256 * 1024);
#endif
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(mutated_sessions_end_in_time_and_never_with_a_wrong_reading),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
