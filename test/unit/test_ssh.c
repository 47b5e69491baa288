/*
 * test_ssh.c: one session against real sshds, from the login to the report.
 */
#define _GNU_SOURCE				/* CLONE_NEWNS */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "poll_fixture.h"
#include "transport.h"

static struct keys keys;
static struct sshd plain;		/* any command, as the shell would run it */
static struct poller *poller;

static int
group_setup(void **state)
{
	keys_create(&keys);
	sshd_start(&plain, &keys, "", NULL);
	poller = poller_create(16, 0);
	return 0;
}

static int
group_teardown(void **state)
{
	poller_free(poller);
	sshd_stop(&plain);
	keys_remove(&keys);
	return 0;
}

/* A poll of an sshd whose forced command is this. */
static struct kept_result *
poll_command(const char *command)
{
	struct sshd sshd;
	struct job	job;
	struct kept_result *result;

	sshd_start(&sshd, &keys, "", command);
	job = loopback_job(&keys, sshd.port);
	result = poll_one(poller, &job);
	sshd_stop(&sshd);
	return result;
}

static void
assert_outcome(const struct kept_result *result, enum outcome outcome)
{
	if (result->outcome != outcome)
		fail_msg("%s instead of %s: %s", outcome_name(result->outcome), outcome_name(outcome),
				 result->error);
	assert_int_equal(result->ends, 1);
	assert_int_equal(result->has_report, outcome == OUTCOME_READ);
	if (outcome == OUTCOME_READ)
		assert_string_equal(result->error, "");
	else
		assert_string_not_equal(result->error, "");
}

static void
probe_is_run_and_read(void **state)
{
	struct job	job = loopback_job(&keys, plain.port);
	struct kept_result *result = poll_one(poller, &job);

	assert_outcome(result, OUTCOME_READ);
	assert_int_equal(result->state, SESSION_DONE);
	assert_int_equal(result->deepest, SESSION_CLOSE);
	assert_string_equal(result->peer_address, "127.0.0.1");
	assert_string_equal(result->host_key, keys.host_ed25519);
	assert_true(result->bytes_received > 1000);
	assert_int_equal(result->report.system, SYSTEM_LINUX);
	assert_true(result->report.cpu[0].known && result->report.cpu[1].known);
}

static void
every_key_type_logs_in(void **state)
{
	const char *const files[] = {keys.identity, keys.identity_ecdsa, keys.identity_rsa};

	for (int i = 0; i < 3; i++)
	{
		struct job	job = loopback_job(&keys, plain.port);

		job.identity_file = files[i];
		assert_outcome(poll_one(poller, &job), OUTCOME_READ);
	}
}

static void
forced_command_need_not_read_its_input(void **state)
{
	struct kept_result *result = poll_command("printf 'tribe_power_probe 1\\nend\\n'");

	assert_outcome(result, OUTCOME_READ);
}

static void
noise_before_the_report_is_skipped(void **state)
{
	assert_outcome(poll_command("echo Welcome; echo; echo >&2 noise;"
								"printf 'tribe_power_probe 1\\nend\\n'"), OUTCOME_READ);
}

static void
window_reaches_the_probe(void **state)
{
	struct job	job = loopback_job(&keys, plain.port);
	struct kept_result *result;
	double		window;

	job.sample_window_ms = 250;
	result = poll_one(poller, &job);
	assert_outcome(result, OUTCOME_READ);
	window = result->report.clock[1].before - result->report.clock[0].before;
	assert_true(window >= 0.24);
}

static void
login_shell_does_not_matter(void **state)
{
	/* sshd runs forced commands by the login shell; ask for others within */
	static const char *const shells[] = {"dash", "bash", "busybox sh", "zsh", "fish", "tcsh"};

	for (size_t i = 0; i < sizeof(shells) / sizeof(shells[0]); i++)
	{
		char		command[256];

		snprintf(command, sizeof(command), "command -v %s >/dev/null", shells[i]);
		if (strchr(shells[i], ' ') == NULL && system(command) != 0)
			continue;
		snprintf(command, sizeof(command), "%s -c \\\"$SSH_ORIGINAL_COMMAND\\\"", shells[i]);
		assert_outcome(poll_command(command), OUTCOME_READ);
	}
}

static void
shell_that_only_talks_is_no_report(void **state)
{
	struct kept_result *result = poll_command("echo 'This account is not \033[31mavailable.'");

	assert_outcome(result, OUTCOME_REPORT_INCOMPLETE);
	assert_non_null(strstr(result->error, "This account is not ?[31mavailable."));
}

static void
failed_probe_says_its_complaint(void **state)
{
	struct kept_result *result =
	poll_command("printf 'tribe_power_probe 1\\nend\\n'; echo >&2; echo >&2 out of luck; echo >&2 more; exit 3");

	assert_outcome(result, OUTCOME_PROBE_FAILED);
	assert_non_null(strstr(result->error, "status 3"));
	assert_non_null(strstr(result->error, "\"out of luck\""));
}

static void
killed_probe_is_no_reading(void **state)
{
	struct kept_result *result =
	poll_command("printf 'tribe_power_probe 1\\nend\\n'; kill -KILL $$");

	assert_outcome(result, OUTCOME_PROBE_FAILED);
	assert_non_null(strstr(result->error, "signal KILL"));
}

static void
report_cut_short_is_no_reading(void **state)
{
	assert_outcome(poll_command("printf 'tribe_power_probe 1\\n'"), OUTCOME_REPORT_INCOMPLETE);
	assert_outcome(poll_command("true"), OUTCOME_REPORT_INCOMPLETE);
}

static void
endless_output_is_cut_off(void **state)
{
	struct kept_result *result = poll_command("exec yes");

	assert_outcome(result, OUTCOME_REPORT_OVERSIZED);
	assert_true(result->bytes_received <= TRANSPORT_JOB_BYTES + TRANSPORT_LOGIN_BYTES);
	assert_outcome(poll_command("exec yes >&2"), OUTCOME_REPORT_OVERSIZED);
}

static void
longest_report_is_read(void **state)
{
	/* opening 20 and end 4 bytes; comments that the parser counts */
	struct kept_result *result =
	poll_command("echo tribe_power_probe 1; yes xxxxxxx | head -8189; echo end");

	assert_outcome(result, OUTCOME_READ);
	assert_int_equal(result->report.unknown_lines, 8189);
	assert_outcome(poll_command("echo tribe_power_probe 1; yes xxxxxxx | head -8190; echo end"),
				   OUTCOME_REPORT_OVERSIZED);
}

static void
strange_key_is_refused(void **state)
{
	struct job	job = loopback_job(&keys, plain.port);
	char		identity[256];
	struct kept_result *result;

	snprintf(identity, sizeof(identity), "%s/id_stranger", keys.directory);
	job.identity_file = identity;
	result = poll_one(poller, &job);
	assert_outcome(result, OUTCOME_LOGIN_REFUSED);
	assert_int_equal(result->state, SESSION_AUTH);
	assert_non_null(strstr(result->error, "SHA256:"));
}

static void
unusable_identity_is_told_before_connecting(void **state)
{
	struct job	job = loopback_job(&keys, 1);
	struct kept_result *result;
	char		path[256];
	char	   *text = read_file(keys.identity);

	job.identity_file = "/nowhere/key";
	result = poll_one(poller, &job);
	assert_outcome(result, OUTCOME_IDENTITY_FILE);
	assert_int_equal(result->deepest, SESSION_QUEUED);
	assert_non_null(strstr(result->error, "/nowhere/key"));

	snprintf(path, sizeof(path), "%s/open", keys.directory);
	job.identity_file = path;
	write_file(path, text, 0640);
	result = poll_one(poller, &job);
	assert_outcome(result, OUTCOME_IDENTITY_FILE);
	assert_non_null(strstr(result->error, "0640"));
	free(text);
}

static void
refused_channel_and_command_are_told_apart_from_failures(void **state)
{
	struct sshd sshd;
	struct job	job;

	sshd_start(&sshd, &keys, "MaxSessions 0\n", NULL);
	job = loopback_job(&keys, sshd.port);
	assert_outcome(poll_one(poller, &job), OUTCOME_SHELL_REFUSED);
	sshd_stop(&sshd);
}

static void
host_key_is_scanned_without_a_login(void **state)
{
	struct job	job = loopback_job(&keys, plain.port);
	struct kept_result *result;

	job.kind = JOB_SCAN_HOST_KEY;
	job.host_key = "";
	job.user = "";
	job.identity_file = "/nowhere";
	result = poll_one(poller, &job);
	assert_int_equal(result->outcome, OUTCOME_READ);
	assert_false(result->has_report);
	assert_int_equal(result->deepest, SESSION_HOST_KEY);
	assert_string_equal(result->host_key, keys.host_ed25519);
}

static void
unknown_host_key_is_refused_or_taken(void **state)
{
	struct job	job = loopback_job(&keys, plain.port);
	struct kept_result *result;

	job.host_key = "";
	result = poll_one(poller, &job);
	assert_outcome(result, OUTCOME_HOST_KEY_UNKNOWN);
	assert_int_equal(result->deepest, SESSION_HOST_KEY);
	assert_string_equal(result->host_key, keys.host_ed25519);
	job.host_key_policy = HOST_KEY_ACCEPT_NEW;
	assert_outcome(poll_one(poller, &job), OUTCOME_READ);
}

static void
changed_host_key_is_never_taken(void **state)
{
	struct job	job = loopback_job(&keys, plain.port);
	char		path[256];
	char	   *other;
	struct kept_result *result;

	snprintf(path, sizeof(path), "%s/id_stranger.pub", keys.directory);
	other = read_file(path);
	job.host_key = other;
	job.host_key_policy = HOST_KEY_ACCEPT_NEW;
	result = poll_one(poller, &job);
	assert_outcome(result, OUTCOME_HOST_KEY_CHANGED);
	assert_int_equal(result->deepest, SESSION_HOST_KEY);
	free(other);
}

/* A host with several keys must show the one that is pinned. */
static void
pinned_type_is_asked_for(void **state)
{
	struct job	job = loopback_job(&keys, plain.port);
	struct kept_result *result;

	job.host_key = keys.host_ecdsa;
	result = poll_one(poller, &job);
	assert_outcome(result, OUTCOME_READ);
	assert_string_equal(result->host_key, keys.host_ecdsa);
}

static void
names_are_looked_up_and_every_address_tried(void **state)
{
	struct job	job = loopback_job(&keys, plain.port);
	struct kept_result *result;

	/* the fixture's sshd listens on IPv4 only, and localhost may be ::1 first */
	job.address = "localhost";
	result = poll_one(poller, &job);
	assert_outcome(result, OUTCOME_READ);
	assert_string_equal(result->peer_address, "127.0.0.1");

	job.address = "no-such-host.invalid";
	job.connect_timeout_ms = 3000;
	assert_outcome(poll_one(poller, &job), OUTCOME_RESOLVE);
}

/* Fills a listener's queue, so that the kernel drops whoever comes next. */
static int
black_hole(const char *address, uint16_t port, int fillers[4])
{
	struct sockaddr_in name = {.sin_family = AF_INET, .sin_port = htons(port)};
	int			listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	inet_pton(AF_INET, address, &name.sin_addr);
	assert_int_equal(bind(listener, (struct sockaddr *) &name, sizeof(name)), 0);
	assert_int_equal(listen(listener, 0), 0);
	for (int i = 0; i < 4; i++)
	{
		fillers[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		(void) !connect(fillers[i], (struct sockaddr *) &name, sizeof(name));
	}
	return listener;
}

/* Polls a name of which /etc/hosts, as this process sees it, has the lines. */
static int
poll_with_hosts(const char *hosts, const char *name, uint32_t connect_timeout)
{
	pid_t		pid = fork();
	int			status;

	if (pid == 0)
	{
		char		path[256];
		struct poller *own;
		struct job	job = loopback_job(&keys, plain.port);
		struct kept_result *result;

		snprintf(path, sizeof(path), "%s/hosts", keys.directory);
		write_file(path, hosts, 0644);
		if (!own_namespaces(CLONE_NEWNS))
			_exit(77);
		put_in_place(path, "/etc/hosts");
		own = poller_create(1, 0);
		job.address = name;
		job.connect_timeout_ms = connect_timeout;
		result = poll_one(own, &job);
		if (result->outcome == OUTCOME_READ && strcmp(result->peer_address, "127.0.0.1") != 0)
			_exit(78);
		_exit(result->outcome);
	}
	waitpid(pid, &status, 0);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == 77)
		skip();
	return WEXITSTATUS(status);
}

static void
address_that_is_silent_leaves_time_for_the_next(void **state)
{
	int			fillers[4];
	int			listener = black_hole("127.0.0.2", plain.port, fillers);

	/* first that it is one, then that the other is reached */
	assert_int_equal(poll_with_hosts("127.0.0.2 twin\n", "twin", 500), OUTCOME_CONNECT_TIMEOUT);
	assert_int_equal(poll_with_hosts("127.0.0.2 twin\n127.0.0.1 twin\n", "twin", 4000),
					 OUTCOME_READ);
	assert_int_equal(poll_with_hosts("::1 twin\n127.0.0.2 twin\n127.0.0.1 twin\n", "twin", 4000),
					 OUTCOME_READ);
	for (int i = 0; i < 4; i++)
		close(fillers[i]);
	close(listener);
}

static void
nothing_listens(void **state)
{
	struct job	job;
	uint16_t	port;
	int			fd = listen_on_loopback(&port);

	close(fd);
	job = loopback_job(&keys, port);
	assert_outcome(poll_one(poller, &job), OUTCOME_REFUSED);
}

/* Given up in the middle of its window, the probe ends by itself. */
static void
probe_that_takes_too_long_leaves_nothing_running(void **state)
{
	struct job	job = loopback_job(&keys, plain.port);
	struct kept_result *result;
	struct timespec moment = {0, 5000000};

	job.sample_window_ms = 2000 * slowness();
	job.node_timeout_ms = 1000 * slowness();
	result = poll_one(poller, &job);
	assert_outcome(result, OUTCOME_READ_TIMEOUT);
	assert_int_equal(result->state, SESSION_READ);
	while (sshd_sessions(&plain) > 0)
		nanosleep(&moment, NULL);
}

static void
sessions_leave_no_descriptor_behind(void **state)
{
	struct job	job = loopback_job(&keys, plain.port);
	int			before = open_descriptors();

	for (int i = 0; i < 20; i++)
		assert_outcome(poll_one(poller, &job), OUTCOME_READ);
	assert_int_equal(open_descriptors(), before);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(probe_is_run_and_read),
		cmocka_unit_test(every_key_type_logs_in),
		cmocka_unit_test(forced_command_need_not_read_its_input),
		cmocka_unit_test(noise_before_the_report_is_skipped),
		cmocka_unit_test(window_reaches_the_probe),
		cmocka_unit_test(login_shell_does_not_matter),
		cmocka_unit_test(shell_that_only_talks_is_no_report),
		cmocka_unit_test(failed_probe_says_its_complaint),
		cmocka_unit_test(killed_probe_is_no_reading),
		cmocka_unit_test(report_cut_short_is_no_reading),
		cmocka_unit_test(endless_output_is_cut_off),
		cmocka_unit_test(longest_report_is_read),
		cmocka_unit_test(strange_key_is_refused),
		cmocka_unit_test(unusable_identity_is_told_before_connecting),
		cmocka_unit_test(refused_channel_and_command_are_told_apart_from_failures),
		cmocka_unit_test(host_key_is_scanned_without_a_login),
		cmocka_unit_test(unknown_host_key_is_refused_or_taken),
		cmocka_unit_test(changed_host_key_is_never_taken),
		cmocka_unit_test(pinned_type_is_asked_for),
		cmocka_unit_test(names_are_looked_up_and_every_address_tried),
		cmocka_unit_test(address_that_is_silent_leaves_time_for_the_next),
		cmocka_unit_test(nothing_listens),
		cmocka_unit_test(probe_that_takes_too_long_leaves_nothing_running),
		cmocka_unit_test(sessions_leave_no_descriptor_behind),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
