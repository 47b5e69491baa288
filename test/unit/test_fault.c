/*
 * test_fault.c: peers that lie, stall, flood and break off.  Whatever they do,
 * the poll ends in time with a reason, and nobody else's poll suffers.
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
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "poll_fixture.h"

#define CANNED "printf 'tribe_power_probe 1\\nend\\n'"
#define BANNER "SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n"

static struct keys keys;
static struct sshd canned;
static struct poller *poller;

static int
group_setup(void **state)
{
	keys_create(&keys);
	sshd_start(&canned, &keys, "", CANNED);
	poller = poller_create(64, 0);
	return 0;
}

static int
group_teardown(void **state)
{
	poller_free(poller);
	sshd_stop(&canned);
	keys_remove(&keys);
	return 0;
}

/* Takes what comes until the other side is gone. */
static void
listen_on(int fd)
{
	char		scratch[4096];

	while (recv(fd, scratch, sizeof(scratch), 0) > 0)
		;
}

/* --- peers of a few lines ---------------------------------------------------- */

static void
serve_nothing(int fd, void *arg)
{
	pause();
}

static void
serve_banner_only(int fd, void *arg)
{
	send_all(fd, BANNER, strlen(BANNER));
	listen_on(fd);
}

static void
serve_half_a_banner(int fd, void *arg)
{
	send_all(fd, "SSH-2.0-Op", 10);
	listen_on(fd);
}

static void
serve_http(int fd, void *arg)
{
	send_all(fd, "HTTP/1.1 400 \033[2JBad Request\r\n\r\n", 31);
}

static void
serve_close(int fd, void *arg)
{
	close(fd);
}

static void
serve_reset(int fd, void *arg)
{
	struct linger hard = {1, 0};

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
	close(fd);
}

static void
serve_endless_lines(int fd, void *arg)
{
	static char lines[65536];

	memset(lines, 'x', sizeof(lines));
	for (size_t i = 50; i < sizeof(lines); i += 50)
		lines[i] = '\n';
	for (;;)
		send_all(fd, lines, sizeof(lines));
}

static void
serve_endless_line(int fd, void *arg)
{
	static char line[65536];

	memset(line, 'x', sizeof(line));
	for (;;)
		send_all(fd, line, sizeof(line));
}

static void
serve_endless_after_banner(int fd, void *arg)
{
	send_all(fd, BANNER, strlen(BANNER));
	serve_endless_line(fd, arg);
}

static void
serve_zeroes_after_banner(int fd, void *arg)
{
	static char zeroes[65536];

	send_all(fd, BANNER, strlen(BANNER));
	for (;;)
		send_all(fd, zeroes, sizeof(zeroes));
}

/* Valid so far, but it would take minutes. */
static void
serve_drops(int fd, void *arg)
{
	struct timespec moment = {0, 50000000};

	for (size_t i = 0;; i++)
	{
		send_all(fd, &BANNER[i % strlen(BANNER)], 1);
		nanosleep(&moment, NULL);
	}
}

/* A key exchange that offers nothing that we take. */
static void
serve_old_methods(int fd, void *arg)
{
	static const char *const lists[] = {
		"diffie-hellman-group1-sha1", "ssh-dss", "3des-cbc", "3des-cbc", "hmac-md5",
		"hmac-md5", "none", "none", "", ""
	};
	uint8_t		packet[512] = {0};
	size_t		length = 6 + 16;

	packet[4] = 6;				/* padding */
	packet[5] = 20;				/* SSH_MSG_KEXINIT */
	for (int i = 0; i < 10; i++)
	{
		packet[length + 3] = (uint8_t) strlen(lists[i]);
		memcpy(packet + length + 4, lists[i], strlen(lists[i]));
		length += 4 + strlen(lists[i]);
	}
	length += 5;
	while ((length + packet[4]) % 8 != 0)
		packet[4]++;
	length += packet[4];
	packet[2] = (uint8_t) ((length - 4) >> 8);
	packet[3] = (uint8_t) (length - 4);
	send_all(fd, BANNER, strlen(BANNER));
	send_all(fd, packet, length);
	listen_on(fd);
}

static void
faulty_peers_end_in_time_with_a_reason(void **state)
{
	static const struct
	{
		void		(*serve) (int fd, void *arg);
		enum outcome outcome;
		enum outcome or_outcome;
		const char *says;
	}			cases[] = {
		{serve_nothing, OUTCOME_HANDSHAKE_TIMEOUT, 0, "no SSH banner from 127.0.0.1"},
		{serve_banner_only, OUTCOME_HANDSHAKE_TIMEOUT, 0, "key exchange with 127.0.0.1"},
		{serve_half_a_banner, OUTCOME_HANDSHAKE_TIMEOUT, 0, "only \"SSH-2.0-Op\""},
		{serve_http, OUTCOME_HANDSHAKE_FAILED, 0, "it said \"HTTP/1.1 400 ?[2JBad Request\""},
		{serve_close, OUTCOME_CLOSED, 0, "closed the connection before an SSH banner"},
		{serve_reset, OUTCOME_CLOSED, OUTCOME_REFUSED, "127.0.0.1 port"},
		{serve_endless_lines, OUTCOME_HANDSHAKE_FAILED, 0, "does not speak SSH: it said \"xxx"},
		{serve_endless_line, OUTCOME_HANDSHAKE_FAILED, 0, "does not speak SSH: it said \"xxx"},
		{serve_endless_after_banner, OUTCOME_HANDSHAKE_FAILED, OUTCOME_CLOSED, "127.0.0.1 port"},
		{serve_zeroes_after_banner, OUTCOME_HANDSHAKE_FAILED, OUTCOME_CLOSED, "127.0.0.1 port"},
		{serve_drops, OUTCOME_HANDSHAKE_TIMEOUT, OUTCOME_HANDSHAKE_FAILED, "127.0.0.1 port"},
		{serve_old_methods, OUTCOME_HANDSHAKE_FAILED, 0, "no key exchange with 127.0.0.1"},
	};
	enum
	{
		COUNT = sizeof(cases) / sizeof(cases[0])
	};
	struct peer peers[COUNT];
	struct job	job;
	int			descriptors = open_descriptors();

	for (int i = 0; i < COUNT; i++)
	{
		peer_start(&peers[i], cases[i].serve, NULL);
		job = loopback_job(&keys, peers[i].port);
		job.id = i;
		job.connect_timeout_ms = 3000;
		poller_submit(poller, &job);
	}
	poller_run(poller, 0);
	for (int i = 0; i < COUNT; i++)
	{
		const struct kept_result *result = &poller->results[i];

		if ((result->outcome != cases[i].outcome && (cases[i].or_outcome == 0 ||
													 result->outcome != cases[i].or_outcome)) ||
			strstr(result->error, cases[i].says) == NULL)
			fail_msg("peer %d: %s: %s", i, outcome_name(result->outcome), result->error);
		assert_int_equal(result->ends, 1);
		peer_stop(&peers[i]);
	}
	assert_int_equal(open_descriptors(), descriptors);
}

static void
faulty_peers_delay_nobody(void **state)
{
	static void (*const serve[]) (int fd, void *arg) = {
		serve_nothing, serve_banner_only, serve_drops, serve_endless_lines,
		serve_endless_after_banner
	};
	struct poller *own = poller_create(16, 0);
	struct peer peers[5];
	struct job	job;
	bool		waiting = true;

	for (int i = 0; i < 5; i++)
	{
		peer_start(&peers[i], serve[i], NULL);
		job = loopback_job(&keys, peers[i].port);
		job.id = i;
		poller_submit(own, &job);
	}
	for (int i = 5; i < 9; i++)
	{
		job = loopback_job(&keys, canned.port);
		job.id = i;
		poller_submit(own, &job);
	}
	while (waiting)
	{
		assert_true(loop_turn(own->loop));
		waiting = false;
		for (int i = 5; i < 9; i++)
			waiting |= !own->results[i].ended;
	}
	for (int i = 5; i < 9; i++)
		assert_int_equal(own->results[i].outcome, OUTCOME_READ);
	/* those that only stall have their minute still */
	assert_false(own->results[0].ended);
	assert_false(own->results[1].ended);
	poller_free(own);
	for (int i = 0; i < 5; i++)
		peer_stop(&peers[i]);
}

/* --- a server that is busy --------------------------------------------------- */

static void
refused_for_being_too_many_says_so(void **state)
{
	struct sshd sshd;
	struct job	job;
	int			idle;
	struct timespec moment = {0, 2000000};
	struct kept_result *result;

	sshd_start(&sshd, &keys, "MaxStartups 1\n", CANNED);
	idle = connect_to_loopback(sshd.port);
	assert_true(idle >= 0);
	while (sshd_sessions(&sshd) < 1)
		nanosleep(&moment, NULL);
	job = loopback_job(&keys, sshd.port);
	result = poll_one(poller, &job);
	if (result->outcome != OUTCOME_CLOSED || strstr(result->error, "turned the connection away") == NULL)
		fail_msg("%s: %s", outcome_name(result->outcome), result->error);
	close(idle);
	sshd_stop(&sshd);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(faulty_peers_end_in_time_with_a_reason),
		cmocka_unit_test(faulty_peers_delay_nobody),
		cmocka_unit_test(refused_for_being_too_many_says_so),
	};

	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
