/*
 * test_hand.c: the poller run by hand: what it prints, and its exit status.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <fcntl.h>
#include <pwd.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "confine.h"
#include "hand.h"
#include "poll_fixture.h"

static struct keys keys;
static struct sshd canned;
static char port[8];
static char known_hosts[160];
static char *output;
static char *complaint;
static bool few_descriptors;

static int
group_setup(void **state)
{
	keys_create(&keys);
	sshd_start(&canned, &keys, "", "printf 'tribe_power_probe 1\\nend\\n'");
	snprintf(port, sizeof(port), "%u", canned.port);
	snprintf(known_hosts, sizeof(known_hosts), "%s/known_hosts", keys.directory);
	return 0;
}

static int
group_teardown(void **state)
{
	free(output);
	free(complaint);
	sshd_stop(&canned);
	keys_remove(&keys);
	return 0;
}

/* Runs the command line in a process of its own; its exit status. */
static int
run(const char *const *arguments)
{
	char		paths[2][160];
	int			status;
	pid_t		pid;

	for (int i = 0; i < 2; i++)
		snprintf(paths[i], sizeof(paths[i]), "%s/output%d", keys.directory, i + 1);
	fflush(NULL);
	pid = fork();
	if (pid == 0)
	{
		struct hand_user user;
		char	   *argv[32];
		int			argc = 0;

		for (int i = 0; i < 2; i++)
			dup2(open(paths[i], O_WRONLY | O_CREAT | O_TRUNC, 0600), i + 1);
		argv[argc++] = strdup("tribe_power_poller");
		while (arguments[argc - 1] != NULL)
		{
			argv[argc] = strdup(arguments[argc - 1]);
			argc++;
		}
		argv[argc] = NULL;
		hand_user_init(&user);
		confine_at_start();
		if (few_descriptors)
			setrlimit(RLIMIT_NOFILE, &(struct rlimit) {3, 3});
		/* to the end, as the program does: what counts coverage or leaks does it there */
		exit(hand_main(argc, argv, &user));
	}
	waitpid(pid, &status, 0);
	free(output);
	free(complaint);
	output = read_file(paths[0]);
	complaint = read_file(paths[1]);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

#define RUN(...) run((const char *const[]) {__VA_ARGS__, NULL})

static void
help_and_version(void **state)
{
	assert_int_equal(RUN("--help"), 0);
	assert_non_null(strstr(output, "probe [OPTION]"));
	assert_string_equal(complaint, "");
	assert_int_equal(RUN("probe", "--help"), 0);
	assert_non_null(strstr(output, "Usage:"));
	assert_int_equal(RUN("-h"), 0);
	assert_int_equal(RUN("help"), 0);
	assert_non_null(strstr(output, "Usage:"));
	assert_int_equal(RUN("--version"), 0);
	assert_memory_equal(output, "tribe_power_poller ", 19);
	assert_int_equal(RUN("-V"), 0);
	assert_non_null(strstr(output, "libssh2 "));
}

static void
wrong_command_lines_are_refused(void **state)
{
	assert_int_equal(run((const char *const[]) {NULL}), 2);
	assert_int_equal(RUN("nonsense"), 2);
	assert_int_equal(RUN("probe"), 2);
	assert_int_equal(RUN("probe", "--port", "0", "host"), 2);
	assert_int_equal(RUN("probe", "--port", "65536", "host"), 2);
	assert_int_equal(RUN("probe", "--window", "x", "host"), 2);
	assert_int_equal(RUN("probe", "--window", "nan", "host"), 2);
	assert_int_equal(RUN("probe", "--timeout", "0", "host"), 2);
	assert_int_equal(RUN("probe", "--nonsense", "host"), 2);
	assert_int_equal(RUN("probe", "host", "--port"), 2);
	assert_int_equal(RUN("probe", "-p", "-1", "host"), 2);
	assert_int_equal(RUN("probe", "-p", "22x", "host"), 2);
	assert_int_equal(RUN("probe", "-p", "", "host"), 2);
	assert_int_equal(RUN("probe", "-w", "-1", "host"), 2);
	assert_int_equal(RUN("probe", "-w", "1s", "host"), 2);
	assert_int_equal(RUN("probe", "-c", "0", "host"), 2);
	assert_int_equal(RUN("probe", "-t", "3601", "host"), 2);
	assert_int_equal(RUN("probe", "-n", "0", "host"), 2);
	assert_int_equal(RUN("probe", "-n", "100001", "host"), 2);
	assert_non_null(strstr(complaint, "wrong value \"100001\""));
	assert_int_equal(RUN("scan-host-key"), 2);
	assert_non_null(strstr(complaint, "no host given"));
	assert_non_null(strstr(complaint, "--help"));
	assert_string_equal(output, "");
}

static void
probe_prints_one_line_of_json_a_host(void **state)
{
	char		login[128];
	char	   *newline;

	snprintf(login, sizeof(login), "%s@127.0.0.1", keys.user);
	assert_int_equal(RUN("probe", "-i", keys.identity, "-H", keys.host_ed25519, "-p", port,
						 "-t", "60", "-c", "60", login, "127.0.0.1"), 0);
	assert_string_equal(complaint, "");
	assert_int_equal(output[0], '{');
	newline = strchr(output, '\n');
	assert_non_null(newline);
	assert_int_equal(newline[-1], '}');
	assert_int_equal(newline[1], '{');
	newline = strchr(newline + 1, '\n');
	assert_non_null(newline);
	assert_string_equal(newline, "\n");
}

static void
one_failure_is_told_and_the_others_are_read(void **state)
{
	assert_int_equal(RUN("probe", "-i", keys.identity, "-H", keys.host_ed25519, "-p", port,
						 "-t", "60", "-c", "60", "nobody-here@127.0.0.1", "127.0.0.1"), 1);
	assert_non_null(strstr(complaint, "nobody-here@127.0.0.1: "));
	assert_non_null(strstr(complaint, "hint: "));
	assert_int_equal(output[0], '{');
}

/* What scan-host-key prints is a known_hosts file. */
static void
scanned_key_makes_a_known_host(void **state)
{
	write_file(known_hosts, "", 0600);
	assert_int_equal(RUN("probe", "-i", keys.identity, "-k", known_hosts, "-p", port,
						 "-t", "60", "-c", "60", "127.0.0.1"), 1);
	assert_non_null(strstr(complaint, "is not known: it shows SHA256:"));
	assert_int_equal(RUN("scan-host-key", "-p", port, "-c", "60", "-t", "60", "127.0.0.1"), 0);
	assert_non_null(strstr(output, keys.host_ed25519));
	write_file(known_hosts, output, 0600);
	assert_int_equal(RUN("probe", "-i", keys.identity, "-k", known_hosts, "-p", port,
						 "-t", "60", "-c", "60", "127.0.0.1"), 0);
}

static void
verbose_shows_the_steps(void **state)
{
	assert_int_equal(RUN("probe", "-v", "-a", "-i", keys.identity, "-k", "/dev/null", "-p", port,
						 "-t", "60", "-c", "60", "127.0.0.1"), 0);
	assert_non_null(strstr(complaint, "127.0.0.1: connecting\n"));
	assert_non_null(strstr(complaint, "127.0.0.1: logging in\n"));
}

/* The key of another host, and no private key at all: each with its reason and remedy. */
static void
what_is_wrong_is_told_with_a_remedy(void **state)
{
	assert_int_equal(RUN("probe", "-v", "-n", "1", "-i", "/nonexistent/key", "-H", keys.host_ed25519,
						 "-p", port, "-w", "0.2", "127.0.0.1"), 1);
	assert_non_null(strstr(complaint, "/nonexistent/key"));
	assert_non_null(strstr(complaint, "127.0.0.1: hint: "));
	assert_non_null(strstr(complaint, "127.0.0.1: identity_file after "));
	assert_string_equal(output, "");
	assert_int_equal(RUN("probe", "-i", keys.identity, "-H", "ssh-ed25519 nonsense", "-p", port, "127.0.0.1"), 1);
	assert_non_null(strstr(complaint, "127.0.0.1: "));
	/* a port where nobody listens: reserved, and never given out */
	assert_int_equal(RUN("scan-host-key", "-p", "1", "127.0.0.1"), 1);
	assert_non_null(strstr(complaint, "hint: "));
	assert_string_equal(output, "");
}

static void
broken_lines_of_known_hosts_are_skipped_with_a_warning(void **state)
{
	char		text[1024];

	snprintf(text, sizeof(text), "127.0.0.1 nonsense\n[127.0.0.1]:%s %s\n", port, keys.host_ed25519);
	write_file(known_hosts, text, 0600);
	assert_int_equal(RUN("probe", "-i", keys.identity, "-k", known_hosts, "-p", port,
						 "-t", "60", "-c", "60", "127.0.0.1"), 0);
	assert_non_null(strstr(complaint, "/known_hosts: 1 line(s) skipped, the first is line 1: "));
	assert_int_equal(output[0], '{');
}

static void
without_descriptors_it_says_so(void **state)
{
	few_descriptors = true;
	assert_int_equal(RUN("probe", "127.0.0.1"), 1);
	few_descriptors = false;
	assert_non_null(strstr(complaint, "out of memory or descriptors"));
}

static void
home_is_the_environments_or_the_accounts(void **state)
{
	const char *home = getenv("HOME");
	char	   *kept = home != NULL ? strdup(home) : NULL;
	const struct passwd *entry = getpwuid(geteuid());
	struct hand_user user;

	setenv("HOME", "/somewhere", 1);
	hand_user_init(&user);
	assert_string_equal(user.home, "/somewhere");
	unsetenv("HOME");
	hand_user_init(&user);
	assert_string_equal(user.home, entry != NULL ? entry->pw_dir : "");
	assert_string_equal(user.name, entry != NULL ? entry->pw_name : "");
	if (kept != NULL)
		setenv("HOME", kept, 1);
	free(kept);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(help_and_version),
		cmocka_unit_test(wrong_command_lines_are_refused),
		cmocka_unit_test(probe_prints_one_line_of_json_a_host),
		cmocka_unit_test(one_failure_is_told_and_the_others_are_read),
		cmocka_unit_test(scanned_key_makes_a_known_host),
		cmocka_unit_test(verbose_shows_the_steps),
		cmocka_unit_test(what_is_wrong_is_told_with_a_remedy),
		cmocka_unit_test(broken_lines_of_known_hosts_are_skipped_with_a_warning),
		cmocka_unit_test(without_descriptors_it_says_so),
		cmocka_unit_test(home_is_the_environments_or_the_accounts),
	};

	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
