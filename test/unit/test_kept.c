/*
 * test_kept.c: a kept session's next poll, made ready ahead: a shell that waits
 * for the script, and whatever else a node may do meanwhile.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "poll_fixture.h"

static struct keys keys;
static time_t later;			/* seconds by which the clock is set forward */

/* Stands in for the C library's, so that hours can pass. */
int
clock_gettime(clockid_t clock, struct timespec *now)
{
	int			status = (int) syscall(SYS_clock_gettime, clock, now);

	now->tv_sec += later;
	return status;
}

static char runs[128];			/* a line for each command that a node started */

static int
group_setup(void **state)
{
	keys_create(&keys);
	snprintf(runs, sizeof(runs), "%s/runs", keys.directory);
	return 0;
}

static int
group_teardown(void **state)
{
	keys_remove(&keys);
	return 0;
}

/* An sshd whose forced command is this shell script, behind a note in runs. */
static void
start_node(struct sshd *sshd, const char *script)
{
	char		path[128];
	char		text[1024];
	char		command[256];

	snprintf(path, sizeof(path), "%s/command", keys.directory);
	snprintf(text, sizeof(text), "echo x >> %s\n%s\n", runs, script);
	write_file(path, text, 0644);
	write_file(runs, "", 0644);
	snprintf(command, sizeof(command), "exec /bin/sh %s", path);
	sshd_start(sshd, &keys, "", command);
}

static int
count_runs(void)
{
	char	   *text = read_file(runs);
	int			count = 0;

	for (const char *c = text; *c != '\0'; c++)
		count += *c == '\n';
	free(text);
	return count;
}

static struct kept_result *
poll_keeping(struct poller *poller, struct job *job)
{
	job->keep_session = true;
	return poll_one(poller, job);
}

static void
assert_read(const struct kept_result *result)
{
	if (result->outcome != OUTCOME_READ)
		fail_msg("%s: %s", outcome_name(result->outcome), result->error);
	assert_int_equal(result->ends, 1);
}

static bool
was_told(const struct kept_result *result, enum session_state state)
{
	return (result->told & 1u << state) != 0;
}

static void
tick(struct timer *timer)
{
}

/* Turns the loop until so many commands were started, and a moment more so that
 * the poller has heard of it. */
static void
await_runs(struct poller *poller, int count)
{
	struct timer timer = {.expired = tick};

	for (int more = 10; more > 0; more -= count_runs() >= count)
	{
		assert_true(loop_set_timer(poller->loop, &timer, loop_now() + 20000));
		assert_true(loop_turn(poller->loop));
	}
	loop_clear_timer(poller->loop, &timer);
	assert_int_equal(count_runs(), count);
}

/* The shell is there before the poll, so the poll is the script and its answer. */
static void
shell_is_started_ahead(void **state)
{
	struct poller *poller = poller_create(8, 8);
	struct sshd sshd;
	struct job	job;
	uint32_t	first;

	start_node(&sshd, "exec /bin/sh -s");
	job = loopback_job(&keys, sshd.port);
	assert_read(poll_keeping(poller, &job));
	first = poller->results[0].bytes_received;
	for (int i = 2; i < 5; i++)
	{
		await_runs(poller, i);
		assert_read(poll_keeping(poller, &job));
		assert_true(poller->results[0].has_report);
		assert_true(poller->results[0].report.clock[1].known);
		assert_true(poller->results[0].bytes_received < first / 2);
		assert_false(was_told(&poller->results[0], SESSION_OPEN));
		assert_false(was_told(&poller->results[0], SESSION_EXEC));
		assert_true(was_told(&poller->results[0], SESSION_WRITE));
	}
	/* at once again, while the shell is being started */
	for (int i = 0; i < 3; i++)
		assert_read(poll_keeping(poller, &job));
	sshd_stop(&sshd);
	poller_free(poller);
}

/* It would answer at once, minutes before it is asked. */
static void
command_of_the_node_is_not_started_ahead(void **state)
{
	struct poller *poller = poller_create(8, 8);
	struct sshd sshd;
	struct job	job;

	start_node(&sshd, "printf 'tribe_power_probe 1\\nend\\n'");
	job = loopback_job(&keys, sshd.port);
	assert_read(poll_keeping(poller, &job));
	for (int i = 1; i < 4; i++)
	{
		await_runs(poller, i);
		assert_read(poll_keeping(poller, &job));
		assert_false(was_told(&poller->results[0], SESSION_OPEN));
		assert_true(was_told(&poller->results[0], SESSION_EXEC));
	}
	sshd_stop(&sshd);
	poller_free(poller);
}

/* Should a node answer otherwise than before, it is no reading. */
static void
report_without_the_number_is_refused(void **state)
{
	struct poller *poller = poller_create(8, 8);
	struct sshd sshd;
	struct job	job;
	char		script[512];

	snprintf(script, sizeof(script),
			 "[ $(wc -l < %s) -eq 2 ] || exec /bin/sh -s\n"
			 "read -r line; printf 'tribe_power_probe 1\\nend\\n'; cat > /dev/null", runs);
	start_node(&sshd, script);
	job = loopback_job(&keys, sshd.port);
	assert_read(poll_keeping(poller, &job));
	await_runs(poller, 2);
	assert_int_equal(poll_keeping(poller, &job)->outcome, OUTCOME_REPORT_GARBLED);
	assert_non_null(strstr(poller->results[0].error, "was not made for this poll"));
	sshd_stop(&sshd);
	poller_free(poller);
}

/* What a login shell says is no part of the report, whenever it says it. */
static void
noise_before_the_poll_is_dropped(void **state)
{
	struct poller *poller = poller_create(8, 8);
	struct sshd sshd;
	struct job	job;

	start_node(&sshd, "echo welcome; echo warning >&2; exec /bin/sh -s");
	job = loopback_job(&keys, sshd.port);
	for (int i = 2; i < 5; i++)
	{
		assert_read(poll_keeping(poller, &job));
		await_runs(poller, i);
		assert_int_equal(pool_kept(poller->pool), 1);
	}
	assert_false(was_told(&poller->results[0], SESSION_EXEC));
	sshd_stop(&sshd);
	poller_free(poller);
}

/* More than a poll may receive ends the connection, not the poller's memory. */
static void
endless_noise_ends_the_connection(void **state)
{
	struct poller *poller = poller_create(8, 8);
	struct sshd sshd;
	struct job	job;
	char		script[512];

	snprintf(script, sizeof(script),
			 "[ $(wc -l < %s) -eq 2 ] || exec /bin/sh -s\nexec yes", runs);
	start_node(&sshd, script);
	job = loopback_job(&keys, sshd.port);
	assert_read(poll_keeping(poller, &job));
	while (pool_kept(poller->pool) > 0)
		assert_true(loop_turn(poller->loop));
	assert_read(poll_keeping(poller, &job));
	sshd_stop(&sshd);
	poller_free(poller);
}

/* A node may end what idles; the next poll logs in anew. */
static void
waiting_shell_that_ends_is_replaced(void **state)
{
	struct poller *poller = poller_create(8, 8);
	struct sshd sshd;
	struct job	job;
	uint32_t	first;

	start_node(&sshd, "exec /bin/sh -s");
	job = loopback_job(&keys, sshd.port);
	assert_read(poll_keeping(poller, &job));
	first = poller->results[0].bytes_received;
	await_runs(poller, 2);
	assert_true(sshd_signal_sessions(&sshd, SIGTERM) > 0);
	assert_read(poll_keeping(poller, &job));
	assert_true(poller->results[0].bytes_received > first / 2);
	sshd_stop(&sshd);
	poller_free(poller);
}

/* Neither the connection nor the shell behind it says a word any more. */
static void
stalled_shell_is_replaced_within_the_poll(void **state)
{
	struct poller *poller = poller_create(8, 8);
	struct sshd sshd;
	struct job	job;
	uint32_t	first;

	start_node(&sshd, "exec /bin/sh -s");
	job = loopback_job(&keys, sshd.port);
	assert_read(poll_keeping(poller, &job));
	first = poller->results[0].bytes_received;
	await_runs(poller, 2);
	assert_true(sshd_signal_sessions(&sshd, SIGSTOP) > 0);
	job.connect_timeout_ms = 2000;
	assert_read(poll_keeping(poller, &job));
	assert_true(poller->results[0].bytes_received > first / 2);
	assert_true(sshd_signal_sessions(&sshd, SIGCONT) > 0);
	sshd_stop(&sshd);
	poller_free(poller);
}

/* A report that takes longer than the first answer may is waited for. */
static void
slow_report_keeps_its_connection(void **state)
{
	struct poller *poller = poller_create(8, 8);
	struct sshd sshd;
	struct job	job;
	uint32_t	first;

	start_node(&sshd, "exec /bin/sh -s");
	job = loopback_job(&keys, sshd.port);
	assert_read(poll_keeping(poller, &job));
	first = poller->results[0].bytes_received;
	await_runs(poller, 2);
	job.connect_timeout_ms = 1500;
	job.sample_window_ms = 2500;
	assert_read(poll_keeping(poller, &job));
	assert_true(poller->results[0].bytes_received < first / 2);
	sshd_stop(&sshd);
	poller_free(poller);
}

static void
silence(int fd, void *arg)
{
	pause();
}

/* While others are under way, readings go first; but not for ever. */
static void
pool_that_is_never_idle_prepares_too(void **state)
{
	struct poller *poller = poller_create(8, 8);
	struct sshd sshd;
	struct peer peer;
	struct job	job;
	struct job	other;

	peer_start(&peer, silence, NULL);
	other = loopback_job(&keys, peer.port);
	other.id = 1;
	poller_submit(poller, &other);
	start_node(&sshd, "exec /bin/sh -s");
	job = loopback_job(&keys, sshd.port);
	job.keep_session = true;
	poller_submit(poller, &job);
	poller_run(poller, 1);
	assert_read(&poller->results[0]);
	assert_int_equal(count_runs(), 1);
	await_runs(poller, 2);
	poller_submit(poller, &job);
	poller_run(poller, 1);
	assert_read(&poller->results[0]);
	assert_false(was_told(&poller->results[0], SESSION_EXEC));
	peer_stop(&peer);
	sshd_stop(&sshd);
	poller_free(poller);
}

/* A shell that waits ends with its connection. */
static void
nothing_is_left_on_the_node(void **state)
{
	struct poller *poller = poller_create(8, 8);
	struct sshd sshd;
	struct job	job;
	struct timespec moment = {0, 2000000};

	start_node(&sshd, "exec /bin/sh -s");
	job = loopback_job(&keys, sshd.port);
	assert_read(poll_keeping(poller, &job));
	await_runs(poller, 2);
	assert_true(sshd_sessions(&sshd) > 0);
	poller_free(poller);
	while (sshd_sessions(&sshd) > 0)
		nanosleep(&moment, NULL);
	sshd_stop(&sshd);
}

/* What nobody asks for any more does not idle on its node for ever. */
static void
session_that_nobody_uses_is_ended(void **state)
{
	struct poller *poller = poller_create(8, 8);
	struct sshd sshd;
	struct job	job;

	start_node(&sshd, "exec /bin/sh -s");
	job = loopback_job(&keys, sshd.port);
	assert_read(poll_keeping(poller, &job));
	await_runs(poller, 2);
	later = 3500;
	assert_read(poll_keeping(poller, &job));
	await_runs(poller, 3);
	later = 7000;
	await_runs(poller, 3);
	assert_int_equal(pool_kept(poller->pool), 1);
	later = 7200;
	await_runs(poller, 3);
	assert_int_equal(pool_kept(poller->pool), 0);
	later = 0;
	sshd_stop(&sshd);
	poller_free(poller);
}

/* The last test: the limit cannot be raised again. */
static void
kept_sessions_leave_descriptors_to_others(void **state)
{
	struct rlimit limit;
	struct poller *poller;
	struct sshd sshd;
	char		names[5][16];

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	limit.rlim_cur = limit.rlim_max = 8 + 64 + 2;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	poller = poller_create(8, 8);
	start_node(&sshd, "exec /bin/sh -s");
	for (int i = 0; i < 5; i++)
	{
		struct job	job = loopback_job(&keys, sshd.port);

		snprintf(names[i], sizeof(names[i]), "node%d", i);
		job.node_name = names[i];
		assert_read(poll_keeping(poller, &job));
	}
	assert_int_equal(pool_kept(poller->pool), 2);
	sshd_stop(&sshd);
	poller_free(poller);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(shell_is_started_ahead),
		cmocka_unit_test(command_of_the_node_is_not_started_ahead),
		cmocka_unit_test(report_without_the_number_is_refused),
		cmocka_unit_test(noise_before_the_poll_is_dropped),
		cmocka_unit_test(endless_noise_ends_the_connection),
		cmocka_unit_test(waiting_shell_that_ends_is_replaced),
		cmocka_unit_test(stalled_shell_is_replaced_within_the_poll),
		cmocka_unit_test(slow_report_keeps_its_connection),
		cmocka_unit_test(pool_that_is_never_idle_prepares_too),
		cmocka_unit_test(nothing_is_left_on_the_node),
		cmocka_unit_test(session_that_nobody_uses_is_ended),
		cmocka_unit_test(kept_sessions_leave_descriptors_to_others),
	};

	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
