/*
 * test_servers.c: SSH servers that are not OpenSSH's, and accounts of all kinds on
 * one that is: login shells whose start files print, shells that only talk, none.
 *
 * All in a mount namespace of its own, where /etc/passwd gives this user another
 * home and shell.
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
#include <pwd.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "kexinit.h"
#include "poll_fixture.h"

static struct keys keys;
static struct sshd sshd;
static struct poller *poller;
static bool alone;				/* in namespaces of our own */
static char home[128];
static char passwd[128];
static const struct timespec moment = {0, 5000000};

static void
shell(const char *format,...)
{
	char		command[1024];
	va_list		arguments;

	va_start(arguments, format);
	vsnprintf(command, sizeof(command), format, arguments);
	va_end(arguments);
	if (system(command) != 0)
		fail_msg("%s", command);
}

/* The account, as /etc/passwd says it from now on. */
static void
set_login_shell(const char *login_shell)
{
	FILE	   *file = fopen(passwd, "w");	/* in place: it is mounted */

	assert_non_null(file);
	fprintf(file, "root:x:0:0:root:/root:/bin/sh\n%s:x:%u:%u::%s:%s\nsshd:x:64999:65534::/run/sshd:/usr/sbin/nologin\n",
			keys.user, geteuid(), getegid(), home, login_shell);
	fclose(file);
}

static void
start_file(const char *name, const char *text)
{
	char		path[256];

	snprintf(path, sizeof(path), "%s/%s", home, name);
	write_file(path, text, 0644);
}

static int
group_setup(void **state)
{
	keys_create(&keys);
	snprintf(home, sizeof(home), "%s/home", keys.directory);
	snprintf(passwd, sizeof(passwd), "%s/passwd", keys.directory);
	shell("mkdir -p %s/.ssh %s/.config/fish %s/bin && chmod -R go-w %s", home, home, home, home);
	shell("cat %s/id_ed25519.pub > %s/.ssh/authorized_keys", keys.directory, home);
	set_login_shell("/bin/sh");
	alone = own_namespaces(CLONE_NEWNS);
	if (alone)
		put_in_place(passwd, "/etc/passwd");
	sshd_start(&sshd, &keys, "", NULL);
	poller = poller_create(32, 8);
	return 0;
}

static int
group_teardown(void **state)
{
	poller_free(poller);
	sshd_stop(&sshd);
	keys_remove(&keys);
	return 0;
}

static void
need_namespaces(void)
{
	if (!alone)
	{
		print_message("# no namespaces here: skipped\n");
		skip();
	}
}

static bool
have(const char *program)
{
	char		command[128];

	snprintf(command, sizeof(command), "command -v %s >/dev/null", program);
	if (system(command) == 0)
		return true;
	print_message("# %s is not installed here\n", program);
	return false;
}

static void
assert_outcome(const struct kept_result *result, enum outcome outcome, const char *says)
{
	if (result->outcome != outcome || strstr(result->error, says) == NULL)
		fail_msg("%s: %s", outcome_name(result->outcome), result->error);
	assert_int_equal(result->ends, 1);
	/* and something can be done about it */
	assert_int_equal(outcome_remedy(outcome)[0] != '\0', outcome != OUTCOME_READ);
}

/* --- login shells ---------------------------------------------------------------- */

static void
every_login_shell_with_noise_is_read(void **state)
{
	static const char noise[] = "echo Welcome to this node; echo; echo out of paper >&2; "
		"touch \"$HOME/was-read\"\nprintf 'and no newline'\n";
	static const struct
	{
		const char *path;
		const char *start;		/* NULL: none that such a session reads */
	}			shells[] = {
		{"/bin/dash", NULL},
		{"/bin/bash", ".bashrc"},
		{"/usr/bin/zsh", ".zshenv"},
		{"/usr/bin/fish", ".config/fish/config.fish"},
		{"/usr/bin/tcsh", ".tcshrc"},
		{"busybox", NULL},
	};
	char		marker[160];

	need_namespaces();
	snprintf(marker, sizeof(marker), "%s/was-read", home);
	for (size_t i = 0; i < sizeof(shells) / sizeof(shells[0]); i++)
		/* with the shell's own start file, then with the server's for every shell */
		for (int by_server = 0; by_server < 2; by_server++)
		{
			const char *path = shells[i].path;
			char		ash[160];
			struct job	job = loopback_job(&keys, sshd.port);

			if (!have(path) || (!by_server && shells[i].start == NULL))
				continue;
			if (path[0] != '/')
			{
				snprintf(ash, sizeof(ash), "%s/bin/ash", home);
				shell("ln -sf \"$(command -v busybox)\" %s", ash);
				path = ash;
			}
			set_login_shell(path);
			if (by_server)
				start_file(".ssh/rc", noise);
			else if (strstr(path, "tcsh") != NULL)
				start_file(shells[i].start, "echo Welcome; echo; touch ~/was-read\n");
			else
				start_file(shells[i].start, noise);
			unlink(marker);
			assert_outcome(poll_one(poller, &job), OUTCOME_READ, "");
			if (access(marker, F_OK) != 0)
				fail_msg("%s has printed nothing", path);
			assert_int_equal(poller->results[0].report.system, SYSTEM_LINUX);
			shell("rm -f %s/.ssh/rc %s/%s", home, home, shells[i].start != NULL ? shells[i].start : "no");
		}
}

static void
account_without_a_usable_shell_says_so(void **state)
{
	static const struct
	{
		const char *path;
		enum outcome outcome;
		const char *says;
	}			cases[] = {
		{"/usr/sbin/nologin", OUTCOME_PROBE_FAILED, "This account is currently not available."},
		{"/bin/false", OUTCOME_PROBE_FAILED, "the probe ended with status 1"},
		{"/bin/true", OUTCOME_REPORT_INCOMPLETE, "no report from node"},
		{"/bin/rbash", OUTCOME_PROBE_FAILED, "restricted"},
		{"/no/such/shell", OUTCOME_LOGIN_REFUSED, "refused the login of"},
	};

	need_namespaces();
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		struct job	job = loopback_job(&keys, sshd.port);

		set_login_shell(cases[i].path);
		assert_outcome(poll_one(poller, &job), cases[i].outcome, cases[i].says);
	}
	set_login_shell("/bin/sh");
}

/* --- other servers ---------------------------------------------------------------- */

static pid_t
start_dropbear(uint16_t *port)
{
	pid_t		pid;
	char		key[160];
	char		at[32];

	close(listen_on_loopback(port));
	pid = fork();
	if (pid != 0)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	(void) !freopen("/dev/null", "w", stderr);
	snprintf(key, sizeof(key), "%s/dropbear", keys.directory);
	snprintf(at, sizeof(at), "127.0.0.1:%u", *port);
	execlp("dropbear", "dropbear", "-F", "-E", "-s", "-m", "-r", key, "-p", at,
		   "-P", "/dev/null", (char *) NULL);
	_exit(99);
}

static void
dropbear_is_read(void **state)
{
	uint16_t	port;
	struct job	job;
	char		host_key[2048];
	uint32_t	first;
	pid_t		pid;

	need_namespaces();
	if (!have("dropbear"))
		skip();
	shell("dropbearkey -t ed25519 -f %s/dropbear >/dev/null 2>&1", keys.directory);
	do
	{
		pid = start_dropbear(&port);
		job = loopback_job(&keys, port);
		job.kind = JOB_SCAN_HOST_KEY;
		job.host_key = "";
		while (poll_one(poller, &job)->outcome == OUTCOME_REFUSED &&
			   waitpid(pid, NULL, WNOHANG) == 0)
			nanosleep(&moment, NULL);
		/* somebody else may have taken the port meanwhile: then it has ended */
	} while (poller->results[0].outcome == OUTCOME_REFUSED);
	assert_int_equal(poller->results[0].outcome, OUTCOME_READ);
	snprintf(host_key, sizeof(host_key), "%s", poller->results[0].host_key);
	assert_non_null(strstr(host_key, "ssh-ed25519 "));

	job = loopback_job(&keys, port);
	job.host_key = host_key;
	job.keep_session = true;
	assert_outcome(poll_one(poller, &job), OUTCOME_READ, "");
	assert_int_equal(poller->results[0].report.system, SYSTEM_LINUX);
	first = poller->results[0].bytes_received;
	for (int i = 0; i < 3; i++)
		assert_outcome(poll_one(poller, &job), OUTCOME_READ, "");
	/* no key exchange any more */
	assert_true(poller->results[0].bytes_received < first);

	/* its words for what goes wrong */
	job.keep_session = false;
	job.host_key = keys.host_ed25519;
	assert_outcome(poll_one(poller, &job), OUTCOME_HOST_KEY_CHANGED, "changed: expected SHA256:");
	job.host_key = host_key;
	job.identity_file = keys.identity_ecdsa;
	assert_outcome(poll_one(poller, &job), OUTCOME_LOGIN_REFUSED, "refused the login of");
	kill(pid, SIGTERM);
	waitpid(pid, NULL, 0);
}

static void
serve_tinysshd(int fd, void *arg)
{
	dup2(fd, 0);
	dup2(fd, 1);
	(void) !freopen("/dev/null", "w", stderr);
	execlp("tinysshd", "tinysshd", (const char *) arg, (char *) NULL);
}

/*
 * It speaks no cipher but chacha20-poly1305, which libssh2 1.10 lacks and with
 * which 1.11 can be made to hang: so it is told what is missing.
 */
static void
tinysshd_is_told_what_it_lacks(void **state)
{
	char		directory[160];
	struct peer peer;
	struct job	job;

	if (!have("tinysshd"))
		skip();
	snprintf(directory, sizeof(directory), "%s/tinyssh", keys.directory);
	shell("tinysshd-makekey -q %s", directory);
	peer_start(&peer, serve_tinysshd, directory);
	job = loopback_job(&keys, peer.port);
	assert_outcome(poll_one(poller, &job), OUTCOME_HANDSHAKE_FAILED,
				   "of its ciphers (chacha20-poly1305@openssh.com) none is taken here "
				   "(aes128-ctr,aes256-ctr)");
	peer_stop(&peer);
}

/* A server whose administrator left too little of OpenSSH's methods. */
static void
narrow_server_is_told_what_it_lacks(void **state)
{
	static const struct
	{
		const char *configuration;
		const char *says;
	}			cases[] = {
		{"Ciphers aes256-gcm@openssh.com,chacha20-poly1305@openssh.com\n",
		"of its ciphers (aes256-gcm@openssh.com,chacha20-poly1305@openssh.com) none is taken"},
		{"KexAlgorithms diffie-hellman-group16-sha512\n",
		"of its key exchanges (diffie-hellman-group16-sha512"},
		{"MACs umac-128-etm@openssh.com\n", "of its MACs (umac-128-etm@openssh.com) none"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		struct sshd narrow;
		struct job	job;

		sshd_start(&narrow, &keys, cases[i].configuration, NULL);
		job = loopback_job(&keys, narrow.port);
		assert_outcome(poll_one(poller, &job), OUTCOME_HANDSHAKE_FAILED, cases[i].says);
		sshd_stop(&narrow);
	}
}

/* Cut anywhere, or with lengths that lie, it is read no further than it is there. */
static void
first_message_is_read_strictly(void **state)
{
	static const char *const ours[KEXINIT_LISTS] = {"a", "b", "c", "d,e", "f", "g"};
	static const char *const theirs[KEXINIT_LISTS] = {"x,a", "b", "c", "e", "f", "h\033"};
	uint8_t		bytes[256] = "hello\r\nSSH-2.0-x\r\n";
	size_t		length = strlen((char *) bytes) + 6 + 16;
	enum kexinit_list list;
	char		offered[8];

	bytes[length - 16 - 1] = 20;
	for (int i = 0; i < KEXINIT_LISTS; i++)
	{
		bytes[length + 3] = strlen(theirs[i]);
		memcpy(bytes + length + 4, theirs[i], strlen(theirs[i]));
		length += 4 + strlen(theirs[i]);
	}
	for (size_t cut = 0; cut <= length; cut++)
	{
		uint8_t    *exact = malloc(cut + 1);

		memcpy(exact, bytes, cut);
		exact = realloc(exact, cut > 0 ? cut : 1);
		assert_int_equal(kexinit_disagreement(exact, cut, ours, &list, offered, sizeof(offered)),
						 cut == length);
		free(exact);
	}
	assert_int_equal(list, KEXINIT_MAC);
	assert_string_equal(offered, "h\033");
	assert_true(kexinit_disagreement(bytes, length, ours, &list, offered, 2));
	assert_string_equal(offered, "h");
	memset(bytes + length - 6, 0xff, 4);
	assert_false(kexinit_disagreement(bytes, length, ours, &list, offered, sizeof(offered)));
}

/* --- a server with little room ------------------------------------------------------ */

/* A kept connection opens its next channel when the last one is closed, not before. */
static void
one_session_a_connection_is_enough(void **state)
{
	struct sshd small;
	struct job	job;

	sshd_start(&small, &keys, "MaxSessions 1\n", "printf 'tribe_power_probe 1\\nend\\n'");
	job = loopback_job(&keys, small.port);
	job.keep_session = true;
	for (int i = 0; i < 6; i++)
		assert_outcome(poll_one(poller, &job), OUTCOME_READ, "");
	sshd_stop(&small);
}

static void
those_turned_away_by_a_full_server_are_told_apart(void **state)
{
	struct sshd small;
	int			turned_away = 0;
	int			read = 0;

	sshd_start(&small, &keys, "MaxStartups 2\nLoginGraceTime 60\n",
			   "printf 'tribe_power_probe 1\\nend\\n'");
	for (int i = 0; i < 30; i++)
	{
		struct job	job = loopback_job(&keys, small.port);

		job.id = i;
		poller_submit(poller, &job);
	}
	poller_run(poller, 0);
	for (int i = 0; i < 30; i++)
	{
		const struct kept_result *result = &poller->results[i];

		if (result->outcome == OUTCOME_READ)
		{
			read++;
			continue;
		}
		/* the second is what sshd says since 9.8 */
		if (strstr(result->error, "turned the connection away: it said \"Exceeded MaxStartups\"") == NULL &&
			strstr(result->error, "turned the connection away: it said \"Not allowed at this time\"") == NULL)
			assert_outcome(result, OUTCOME_CLOSED, "closed the connection before an SSH banner");
		turned_away++;
	}
	assert_true(turned_away > 0);
	assert_true(read > 0);

	/* and none of them once there is room */
	for (int i = 0; i < 5; i++)
	{
		struct job	job = loopback_job(&keys, small.port);

		while (sshd_sessions(&small) > 0)
			nanosleep(&moment, NULL);
		assert_outcome(poll_one(poller, &job), OUTCOME_READ, "");
	}
	sshd_stop(&small);
}

/* --- nothing stays behind on the node ------------------------------------------------- */

/* A tool that hangs and cannot be told to end; the hub's patience is the shorter. */
static void
wedged_tool_ends_with_the_probe(void **state)
{
	struct sshd node;
	struct job	job;
	char		configuration[256];
	char		path[192];

	snprintf(path, sizeof(path), "%s/bin/nvidia-smi", home);
	write_file(path, "#!/bin/sh\ntrap '' HUP INT TERM PIPE\nsleep 300\n", 0755);
	snprintf(configuration, sizeof(configuration), "SetEnv PATH=%s/bin:/usr/bin:/bin\n", home);
	sshd_start(&node, &keys, configuration, NULL);
	job = loopback_job(&keys, node.port);
	/* its own limit for the tool is 5 s */
	job.node_timeout_ms = slowness() > 1 ? 4500 : 1500;
	assert_outcome(poll_one(poller, &job), OUTCOME_READ_TIMEOUT, "the probe on node did not end within ");
	/* orphans too: all that has the environment of this session */
	shell("for i in $(seq 600); do grep -lsz '^PATH=%s/bin' /proc/[0-9]*/environ >/dev/null || exit 0; "
		  "sleep 0.05; done; echo >&2 left running; exit 1", home);
	sshd_stop(&node);
	unlink(path);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_login_shell_with_noise_is_read),
		cmocka_unit_test(account_without_a_usable_shell_says_so),
		cmocka_unit_test(dropbear_is_read),
		cmocka_unit_test(tinysshd_is_told_what_it_lacks),
		cmocka_unit_test(narrow_server_is_told_what_it_lacks),
		cmocka_unit_test(first_message_is_read_strictly),
		cmocka_unit_test(one_session_a_connection_is_enough),
		cmocka_unit_test(those_turned_away_by_a_full_server_are_told_apart),
		cmocka_unit_test(wedged_tool_ends_with_the_probe),
	};

	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
