/*
 * test_pool.c: many sessions at once, delays, bounds, and kept connections.
 */
#define _GNU_SOURCE				/* accept4 */
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
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "poll_fixture.h"

#define CANNED "printf 'tribe_power_probe 1\\nend\\n'"

static struct keys keys;
static struct sshd canned;

static int
group_setup(void **state)
{
	keys_create(&keys);
	sshd_start(&canned, &keys, "", CANNED);
	return 0;
}

static int
group_teardown(void **state)
{
	sshd_stop(&canned);
	keys_remove(&keys);
	return 0;
}

static void
silence(int fd, void *arg)
{
	pause();
}

static void
assert_read(const struct kept_result *result)
{
	if (result->outcome != OUTCOME_READ)
		fail_msg("%s: %s", outcome_name(result->outcome), result->error);
	assert_int_equal(result->ends, 1);
}

static void
many_nodes_are_polled_at_once(void **state)
{
	struct poller *poller = poller_create(20, 0);
	int			descriptors = open_descriptors();

	for (int i = 0; i < 40; i++)
	{
		struct job	job = loopback_job(&keys, canned.port);

		job.id = i;
		poller_submit(poller, &job);
	}
	assert_int_equal(pool_pending(poller->pool), 40);
	poller_run(poller, 0);
	for (int i = 0; i < 40; i++)
		assert_read(&poller->results[i]);
	assert_int_equal(open_descriptors(), descriptors);
	poller_free(poller);
}

/* Those that never answer have their minute; the others do not wait for it. */
static void
silent_node_delays_nobody(void **state)
{
	struct poller *poller = poller_create(8, 0);
	struct peer peer;
	struct job	job;

	peer_start(&peer, silence, NULL);
	job = loopback_job(&keys, peer.port);
	for (int i = 0; i < 4; i++)
	{
		job.id = i;
		poller_submit(poller, &job);
	}
	job = loopback_job(&keys, canned.port);
	for (int i = 4; i < 24; i++)
	{
		job.id = i;
		poller_submit(poller, &job);
	}
	poller_run(poller, 4);
	for (int i = 0; i < 4; i++)
		assert_false(poller->results[i].ended);
	for (int i = 4; i < 24; i++)
		assert_read(&poller->results[i]);
	peer_stop(&peer);
	poller_free(poller);
}

/* Serves nobody, but counts who is there at the same time. */
static void
connections_are_bounded(void **state)
{
	struct poller *poller = poller_create(3, 0);
	uint16_t	port;
	int			listener = listen_on_loopback(&port);
	int			accepted[10];
	int			count = 0;

	for (int i = 0; i < 10; i++)
	{
		struct job	job = loopback_job(&keys, port);

		job.id = i;
		poller_submit(poller, &job);
	}
	/* what connects does so at once, on loopback */
	for (int served = 0; served < 10;)
	{
		int			fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

		assert_true(fd >= 0);
		accepted[count++] = fd;
		served++;
		if (count == 3 || served == 10)
		{
			struct pollfd waiting = {.fd = listener, .events = POLLIN};

			/* nobody else knocks while three are under way */
			assert_int_equal(poll(&waiting, 1, 0), 0);
			while (count > 0)
				close(accepted[--count]);
			poller_run(poller, 10 - served);
		}
	}
	for (int i = 0; i < 10; i++)
		assert_int_equal(poller->results[i].outcome, OUTCOME_CLOSED);
	close(listener);
	poller_free(poller);
}

static void
delayed_job_waits_and_its_time_does_not_count(void **state)
{
	struct poller *poller = poller_create(8, 0);
	struct job	job = loopback_job(&keys, canned.port);
	int64_t		begin = loop_now();

	job.start_delay_ms = 300;
	poller_submit(poller, &job);
	job.id = 1;
	job.start_delay_ms = 0;
	poller_submit(poller, &job);
	poller_run(poller, 0);
	assert_true(loop_now() - begin >= 300000);
	assert_read(&poller->results[0]);
	assert_read(&poller->results[1]);
	poller_free(poller);
}

static void
jobs_that_fail_at_once_do_not_pile_up(void **state)
{
	struct poller *poller = poller_create(2, 0);

	for (int i = 0; i < MAX_RESULTS; i++)
	{
		struct job	job = loopback_job(&keys, canned.port);

		job.id = i;
		job.identity_file = "/nowhere";
		poller_submit(poller, &job);
		assert_int_equal(poller->results[i].outcome, OUTCOME_IDENTITY_FILE);
	}
	assert_int_equal(pool_pending(poller->pool), 0);
	poller_free(poller);
}

/* Each state has something of libssh2 under way that must be cleaned up. */
static void
pool_ends_in_any_state(void **state)
{
	for (int turns = 0; turns < 40; turns++)
	{
		struct poller *poller = poller_create(8, 8);
		struct job	job = loopback_job(&keys, canned.port);
		int			before = open_descriptors();

		job.keep_session = true;
		poller_submit(poller, &job);
		job.id = 1;
		job.start_delay_ms = 60000;
		poller_submit(poller, &job);
		for (int i = 0; i < turns && pool_pending(poller->pool) > 1; i++)
			loop_turn(poller->loop);
		pool_free(poller->pool);
		poller->pool = NULL;
		/* the resolver and the pool itself hold none */
		assert_true(open_descriptors() <= before);
		poller_free(poller);
	}
}

/* --- kept connections -------------------------------------------------------- */

static struct kept_result *
poll_keeping(struct poller *poller, struct job *job)
{
	job->keep_session = true;
	return poll_one(poller, job);
}

/* Turns the loop until the kept session has its channel, or is lost. */
static void
settle(struct poller *poller)
{
	struct job	other = loopback_job(&keys, canned.port);

	/* another whole poll takes longer than opening a channel */
	other.id = MAX_RESULTS - 1;
	other.node_name = "other";
	assert_read(poll_one(poller, &other));
}

static void
kept_connection_serves_again(void **state)
{
	struct poller *poller = poller_create(8, 8);
	struct sshd sshd;
	struct job	job;
	uint32_t	first;

	sshd_start(&sshd, &keys, "", CANNED);
	job = loopback_job(&keys, sshd.port);
	assert_read(poll_keeping(poller, &job));
	first = poller->results[0].bytes_received;
	for (int i = 0; i < 5; i++)
	{
		assert_int_equal(pool_kept(poller->pool), 1);
		settle(poller);
		assert_read(poll_keeping(poller, &job));
		/* no key exchange, no login */
		assert_true(poller->results[0].bytes_received < first / 2);
		assert_string_equal(poller->results[0].host_key, keys.host_ed25519);
		assert_string_equal(poller->results[0].peer_address, "127.0.0.1");
	}
	/* at once again: the channel ahead is still being opened */
	assert_read(poll_keeping(poller, &job));
	assert_read(poll_keeping(poller, &job));
	sshd_stop(&sshd);
	poller_free(poller);
}

/* The limits of a poll are not those of the pause between two. */
static void
kept_connection_outlives_the_time_of_a_poll(void **state)
{
	struct poller *poller = poller_create(8, 8);
	struct job	job = loopback_job(&keys, canned.port);
	uint32_t	first;

	job.connect_timeout_ms = 3000;
	assert_read(poll_keeping(poller, &job));
	first = poller->results[0].bytes_received;
	job.start_delay_ms = 3500;
	assert_read(poll_keeping(poller, &job));
	assert_true(poller->results[0].bytes_received < first / 2);
	poller_free(poller);
}

static void
dead_kept_connection_is_noticed(void **state)
{
	struct poller *poller = poller_create(8, 8);
	struct sshd sshd;
	struct job	job;

	sshd_start(&sshd, &keys, "", CANNED);
	job = loopback_job(&keys, sshd.port);
	assert_read(poll_keeping(poller, &job));
	settle(poller);
	assert_int_equal(pool_kept(poller->pool), 1);
	assert_true(sshd_signal_sessions(&sshd, SIGKILL) > 0);
	while (pool_kept(poller->pool) > 0)
		loop_turn(poller->loop);
	sshd_stop(&sshd);
	poller_free(poller);
}

/* The connection dies without a word; the same poll makes a new one. */
static void
stalled_kept_connection_is_replaced_within_the_poll(void **state)
{
	struct poller *poller = poller_create(8, 8);
	struct job	job = loopback_job(&keys, canned.port);
	uint32_t	first;

	assert_read(poll_keeping(poller, &job));
	first = poller->results[0].bytes_received;
	settle(poller);
	assert_true(sshd_signal_sessions(&canned, SIGSTOP) > 0);
	job.connect_timeout_ms = 3000;
	assert_read(poll_keeping(poller, &job));
	assert_true(poller->results[0].bytes_received > first / 2);
	assert_true(sshd_signal_sessions(&canned, SIGCONT) > 0);
	poller_free(poller);
}

static void
broken_kept_connection_is_replaced_within_the_poll(void **state)
{
	struct poller *poller = poller_create(8, 8);
	struct job	job = loopback_job(&keys, canned.port);
	struct timespec moment = {0, 2000000};

	assert_read(poll_keeping(poller, &job));
	settle(poller);
	/* gone before the loop turns again, so that only the poll can notice */
	assert_true(sshd_signal_sessions(&canned, SIGKILL) > 0);
	while (sshd_sessions(&canned) > 0)
		nanosleep(&moment, NULL);
	assert_int_equal(pool_kept(poller->pool), 1);
	assert_read(poll_keeping(poller, &job));
	poller_free(poller);
}

static void
kept_connection_is_not_used_for_another_login(void **state)
{
	struct poller *poller = poller_create(8, 8);
	struct job	job = loopback_job(&keys, canned.port);
	char		both[2048];

	assert_read(poll_keeping(poller, &job));
	settle(poller);

	/* another pin, even if it holds too: the key is checked anew */
	snprintf(both, sizeof(both), "%s\n%s", keys.host_ed25519, keys.host_ecdsa);
	job.host_key = both;
	assert_read(poll_keeping(poller, &job));
	assert_int_equal(pool_kept(poller->pool), 2);
	settle(poller);
	job.host_key = keys.host_ecdsa;
	assert_read(poll_keeping(poller, &job));
	assert_string_equal(poller->results[0].host_key, keys.host_ecdsa);
	settle(poller);
	job.identity_file = keys.identity_ecdsa;
	assert_read(poll_keeping(poller, &job));
	assert_int_equal(pool_kept(poller->pool), 4);

	/* a pin that the node's key does not have is found out */
	settle(poller);
	job.host_key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEpo2TR9SrwEhynFSEGRm0ZM3trfLHX+z3WN3jYSS48Y";
	assert_int_equal(poll_keeping(poller, &job)->outcome, OUTCOME_HOST_KEY_CHANGED);
	poller_free(poller);
}

static void
kept_connections_are_bounded(void **state)
{
	struct poller *poller = poller_create(8, 2);
	char		names[5][16];
	uint32_t	first = 0;

	for (int i = 0; i < 5; i++)
	{
		struct job	job = loopback_job(&keys, canned.port);

		snprintf(names[i], sizeof(names[i]), "node%d", i);
		job.id = i;
		job.node_name = names[i];
		assert_read(poll_keeping(poller, &job));
		first = poller->results[i].bytes_received;
		assert_int_equal(pool_kept(poller->pool), i == 0 ? 1 : 2);
	}
	/* the least recently used went first */
	settle(poller);
	for (int i = 4; i >= 3; i--)
	{
		struct job	job = loopback_job(&keys, canned.port);

		job.id = i;
		job.node_name = names[i];
		assert_read(poll_keeping(poller, &job));
		assert_true(poller->results[i].bytes_received < first / 2);
	}
	poller_free(poller);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(many_nodes_are_polled_at_once),
		cmocka_unit_test(silent_node_delays_nobody),
		cmocka_unit_test(connections_are_bounded),
		cmocka_unit_test(delayed_job_waits_and_its_time_does_not_count),
		cmocka_unit_test(jobs_that_fail_at_once_do_not_pile_up),
		cmocka_unit_test(pool_ends_in_any_state),
		cmocka_unit_test(kept_connection_serves_again),
		cmocka_unit_test(kept_connection_outlives_the_time_of_a_poll),
		cmocka_unit_test(dead_kept_connection_is_noticed),
		cmocka_unit_test(stalled_kept_connection_is_replaced_within_the_poll),
		cmocka_unit_test(broken_kept_connection_is_replaced_within_the_poll),
		cmocka_unit_test(kept_connection_is_not_used_for_another_login),
		cmocka_unit_test(kept_connections_are_bounded),
	};

	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
