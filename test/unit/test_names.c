/*
 * test_names.c: names, with a name server of our own: what the system's
 * configuration says is obeyed, every address has its turn, and a server that does
 * not answer, or answers rubbish, delays nobody else.
 *
 * In a network and a mount namespace of its own, where port 53 is free and
 * /etc/resolv.conf and /etc/hosts are ours.
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
#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "poll_fixture.h"

#define CANNED "printf 'tribe_power_probe 1\\nend\\n'"
#define SERVER "127.0.0.53"
#define SILENT "127.0.0.54"		/* takes questions and says nothing */

static struct keys keys;
static struct sshd both;		/* on 127.0.0.1 and ::1 */
static struct sshd other;		/* on 127.0.0.1 only */
static struct poller *poller;
static bool alone;
static pid_t name_server;
static int	silent = -1;
static char resolv_conf[128];
static char hosts[128];

/* --- the name server ---------------------------------------------------------------- */

/* What it knows; any other name does not exist. */
static const struct
{
	const char *name;
	const char *ipv4[3];
	const char *ipv6[2];
	int			code;			/* of the answer; 2: the server failed */
}			zone[] = {
	{.name = "four.example", .ipv4 = {"127.0.0.1"}},
	{.name = "six.example", .ipv6 = {"::1"}},
	{.name = "both.example", .ipv4 = {"127.0.0.1"}, .ipv6 = {"::1"}},
	{.name = "moved.example", .ipv4 = {"127.0.0.9", "127.0.0.1"}},
	{.name = "gone.example", .ipv4 = {"127.0.0.9", "127.0.0.8"}},
	{.name = "empty.example"},
	{.name = "failing.example", .code = 2},
};

static uint8_t *
put_answer(uint8_t *at, int type, const void *address, int length)
{
	const uint8_t head[] = {0xc0, 12, 0, (uint8_t) type, 0, 1, 0, 0, 0, 0, 0, (uint8_t) length};

	memcpy(at, head, sizeof(head));
	memcpy(at + sizeof(head), address, length);
	return at + sizeof(head) + length;
}

/* Makes the answer out of the question; its length. */
static size_t
answer(uint8_t *message, size_t length)
{
	char		name[256] = "";
	size_t		at = 12;
	uint8_t    *end;
	int			type;
	int			count = 0;
	int			code = 3;

	while (at < length && message[at] != 0 && strlen(name) + message[at] + 2 < sizeof(name))
	{
		if (name[0] != '\0')
			strcat(name, ".");
		strncat(name, (char *) message + at + 1, message[at]);
		at += message[at] + 1;
	}
	type = message[at + 2];
	end = message + at + 5;
	if (strcmp(name, "rubbish.example") == 0)
	{
		memset(message + 3, 0xff, 60);
		return 63;
	}
	for (size_t i = 0; i < sizeof(zone) / sizeof(zone[0]); i++)
		if (strcasecmp(zone[i].name, name) == 0)
		{
			code = zone[i].code;
			for (int j = 0; type == 1 && j < 3 && zone[i].ipv4[j] != NULL; j++, count++)
			{
				struct in_addr address;

				inet_pton(AF_INET, zone[i].ipv4[j], &address);
				end = put_answer(end, 1, &address, 4);
			}
			for (int j = 0; type == 28 && j < 2 && zone[i].ipv6[j] != NULL; j++, count++)
			{
				struct in6_addr address;

				inet_pton(AF_INET6, zone[i].ipv6[j], &address);
				end = put_answer(end, 28, &address, 16);
			}
		}
	message[2] = 0x85;			/* an answer, ours to give */
	message[3] = 0x80 | code;
	message[6] = 0;
	message[7] = (uint8_t) count;
	memset(message + 8, 0, 4);
	return end - message;
}

static int
bound_socket(const char *address)
{
	struct sockaddr_in name = {.sin_family = AF_INET, .sin_port = htons(53)};
	int			fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	inet_pton(AF_INET, address, &name.sin_addr);
	assert_int_equal(bind(fd, (struct sockaddr *) &name, sizeof(name)), 0);
	return fd;
}

static void
start_name_server(void)
{
	int			fd = bound_socket(SERVER);

	name_server = fork();
	if (name_server == 0)
	{
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;)
		{
			uint8_t		message[1024] = {0};
			struct sockaddr_in who;
			socklen_t	who_length = sizeof(who);
			ssize_t		length = recvfrom(fd, message, 512, 0, (struct sockaddr *) &who, &who_length);

			if (length > 16)
				sendto(fd, message, answer(message, length), 0, (struct sockaddr *) &who, who_length);
		}
	}
	close(fd);
}

/* In place, since it is mounted; its time of change differs from the last one's. */
static void
set_file(const char *path, const char *text)
{
	static int	change;
	FILE	   *file = fopen(path, "w");
	struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, {.tv_sec = 1000000000 + ++change}};

	assert_non_null(file);
	fputs(text, file);
	fclose(file);
	utimensat(AT_FDCWD, path, times, 0);
}

static int
group_setup(void **state)
{
	keys_create(&keys);
	snprintf(resolv_conf, sizeof(resolv_conf), "%s/resolv.conf", keys.directory);
	snprintf(hosts, sizeof(hosts), "%s/hosts", keys.directory);
	set_file(resolv_conf, "nameserver " SERVER "\n");
	set_file(hosts, "127.0.0.1 localhost\n");
	alone = own_namespaces(CLONE_NEWNS | CLONE_NEWNET);
	if (!alone)
		return 0;
	put_in_place(resolv_conf, "/etc/resolv.conf");
	put_in_place(hosts, "/etc/hosts");
	start_name_server();
	silent = bound_socket(SILENT);
	sshd_start(&both, &keys, "ListenAddress ::1\n", CANNED);
	sshd_start(&other, &keys, "", CANNED);
	poller = poller_create(16, 0);
	return 0;
}

static int
group_teardown(void **state)
{
	if (alone)
	{
		poller_free(poller);
		sshd_stop(&both);
		sshd_stop(&other);
		close(silent);
		kill(name_server, SIGKILL);
		waitpid(name_server, NULL, 0);
	}
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

/* A poll of that name; the address that was reached must be this one. */
static void
assert_reaches(const struct sshd *sshd, const char *name, const char *address)
{
	struct job	job = loopback_job(&keys, sshd->port);
	struct kept_result *result;

	job.address = name;
	job.connect_timeout_ms = 20000;
	result = poll_one(poller, &job);
	if (result->outcome != OUTCOME_READ)
		fail_msg("%s: %s: %s", name, outcome_name(result->outcome), result->error);
	assert_string_equal(result->peer_address, address);
}

static void
assert_fails(const char *name, enum outcome outcome, const char *says)
{
	struct job	job = loopback_job(&keys, other.port);
	struct kept_result *result;

	job.address = name;
	job.connect_timeout_ms = 2000;
	result = poll_one(poller, &job);
	if (result->outcome != outcome || strstr(result->error, says) == NULL)
		fail_msg("%s: %s: %s", name, outcome_name(result->outcome), result->error);
	assert_true(outcome_remedy(outcome)[0] != '\0');
}

/* --- what must hold --------------------------------------------------------------- */

static void
both_kinds_of_address_are_reached(void **state)
{
	need_namespaces();
	assert_reaches(&both, "four.example", "127.0.0.1");
	assert_reaches(&both, "six.example", "::1");
	assert_reaches(&both, "FOUR.example", "127.0.0.1");
	/* numbers are no names */
	assert_reaches(&both, "127.0.0.1", "127.0.0.1");
	assert_reaches(&both, "::1", "::1");
}

static void
next_address_has_its_turn(void **state)
{
	need_namespaces();
	/* nothing listens on ::1, which comes first */
	assert_reaches(&other, "both.example", "127.0.0.1");
	assert_reaches(&other, "moved.example", "127.0.0.1");
	assert_fails("gone.example", OUTCOME_REFUSED, "cannot connect to 127.0.0.");
}

static void
name_that_has_no_address_says_so(void **state)
{
	need_namespaces();
	assert_fails("nobody.example", OUTCOME_RESOLVE, "cannot look up nobody.example: Domain name not found");
	assert_fails("empty.example", OUTCOME_RESOLVE, "cannot look up empty.example: ");
	assert_fails("failing.example", OUTCOME_RESOLVE, "cannot look up failing.example: ");
	assert_fails("rubbish.example", OUTCOME_RESOLVE, "rubbish.example");
	assert_fails("a name with blanks", OUTCOME_RESOLVE, "a name with blanks");
}

static void
hosts_file_comes_first(void **state)
{
	need_namespaces();
	set_file(hosts, "127.0.0.1 localhost four-by-hand\n::1 six-by-hand four.example\n");
	assert_reaches(&both, "four-by-hand", "127.0.0.1");
	assert_reaches(&both, "six-by-hand", "::1");
	assert_reaches(&both, "four.example", "::1");
	set_file(hosts, "127.0.0.1 localhost\n");
	assert_reaches(&both, "four.example", "127.0.0.1");
}

/* As soon as it changes, with the pool at work. */
static void
resolver_configuration_is_obeyed(void **state)
{
	need_namespaces();
	assert_fails("four", OUTCOME_RESOLVE, "cannot look up four");
	set_file(resolv_conf, "search nothing.test example\nnameserver " SERVER "\n");
	assert_reaches(&both, "four", "127.0.0.1");
	/* the first server is silent, the second one knows */
	set_file(resolv_conf, "nameserver " SILENT "\nnameserver " SERVER "\n");
	assert_reaches(&both, "four.example", "127.0.0.1");
	/* nothing listens at the first */
	set_file(resolv_conf, "nameserver 127.0.0.55\nnameserver " SERVER "\n");
	assert_reaches(&both, "four.example", "127.0.0.1");
	set_file(resolv_conf, "nameserver " SERVER "\n");
}

static void
silent_name_server_delays_nobody(void **state)
{
	need_namespaces();
	set_file(resolv_conf, "nameserver " SILENT "\n");
	for (int i = 0; i < 4; i++)
	{
		struct job	job = loopback_job(&keys, other.port);

		job.id = i;
		job.address = "four.example";
		job.connect_timeout_ms = 3000 * slowness();
		poller_submit(poller, &job);
	}
	for (int i = 4; i < 10; i++)
	{
		struct job	job = loopback_job(&keys, other.port);

		job.id = i;
		poller_submit(poller, &job);
	}
	poller_run(poller, 4);
	for (int i = 0; i < 4; i++)
		assert_false(poller->results[i].ended);
	for (int i = 4; i < 10; i++)
		assert_int_equal(poller->results[i].outcome, OUTCOME_READ);
	poller_run(poller, 0);
	for (int i = 0; i < 4; i++)
	{
		assert_int_equal(poller->results[i].outcome, OUTCOME_RESOLVE);
		/* the time that was set; when that is longer, c-ares gives up before */
		if (slowness() == 1)
			assert_string_equal(poller->results[i].error,
								"no answer about the name four.example within 3 s");
	}
	/* and is forgotten once another one is configured */
	set_file(resolv_conf, "nameserver " SERVER "\n");
	assert_reaches(&both, "four.example", "127.0.0.1");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_kinds_of_address_are_reached),
		cmocka_unit_test(next_address_has_its_turn),
		cmocka_unit_test(name_that_has_no_address_says_so),
		cmocka_unit_test(hosts_file_comes_first),
		cmocka_unit_test(resolver_configuration_is_obeyed),
		cmocka_unit_test(silent_name_server_delays_nobody),
	};

	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
