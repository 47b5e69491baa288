/*
 * test_tamper.c: a real session, watched and tampered with on its way: cut, stalled,
 * slowed to a drip, a bit flipped.  And what we say before we know to whom.
 *
 * Some offsets by default; TAMPER_EVERY=1 takes every byte that the server sends
 * (bench/endure offsets).
 */
#define _GNU_SOURCE				/* memmem */
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
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "poll_fixture.h"

#define CANNED "printf 'tribe_power_probe 1\\nend\\n'"

static struct keys keys;
static struct sshd canned;
static struct poller *poller;
static bool every;				/* every offset, not only some */

enum tampering
{
	WATCH,
	CUT,
	FLIP,
	STALL,
	DRIP,
};

/* Shared between the proxies. */
struct tamperer
{
	uint16_t	port;			/* of the real sshd */
	enum tampering how;
	int			next;			/* which connection this is */
	int			count;
	long		total;			/* bytes of the server's in a session */
	size_t		said_length;	/* what the client said, while watched */
	uint8_t		said[64 * 1024];
};

static struct tamperer *tamperer;

static int
group_setup(void **state)
{
	every = getenv("TAMPER_EVERY") != NULL;
	keys_create(&keys);
	sshd_start(&canned, &keys, "", CANNED);
	poller = poller_create(64, 0);
	tamperer = mmap(NULL, sizeof(*tamperer), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	return 0;
}

static int
group_teardown(void **state)
{
	munmap(tamperer, sizeof(*tamperer));
	poller_free(poller);
	sshd_stop(&canned);
	keys_remove(&keys);
	return 0;
}

/* --- the proxy ------------------------------------------------------------------ */

static void
keep_said(const void *bytes, size_t length)
{
	if (length > sizeof(tamperer->said) - tamperer->said_length)
		length = sizeof(tamperer->said) - tamperer->said_length;
	memcpy(tamperer->said + tamperer->said_length, bytes, length);
	tamperer->said_length += length;
}

/* From now on a byte at a time: one a second, or a twentieth of it when in a hurry. */
static void
drip(int client, const char *bytes, size_t length)
{
	struct timespec moment = {every ? 1 : 0, every ? 0 : 50000000};

	for (size_t i = 0; i < length; i++)
	{
		nanosleep(&moment, NULL);
		send_all(client, bytes + i, 1);
	}
}

/* What the server said goes on to the client, but for what happens at the offset. */
static void
pass_on(int client, char *bytes, ssize_t count, long *left, bool *done, int number)
{
	if (tamperer->how == WATCH || (!*done && *left >= count))
	{
		*left -= count;
		send_all(client, bytes, count);
		return;
	}
	if (*done)
		*left = 0;
	switch (tamperer->how)
	{
		case FLIP:
			if (!*done)
				bytes[*left] ^= 1 << (number % 8);
			send_all(client, bytes, count);
			break;
		case DRIP:
			send_all(client, bytes, *left);
			drip(client, bytes + *left, count - *left);
			break;
		default:
			send_all(client, bytes, *left);
			if (tamperer->how == CUT)
				_exit(0);
			break;
	}
	*done = true;
}

static void
serve_tampered(int client, void *arg)
{
	int			server = connect_to_loopback(tamperer->port);
	int			number = __atomic_fetch_add(&tamperer->next, 1, __ATOMIC_SEQ_CST);
	long		left = tamperer->count > 0 ? tamperer->total * (number % tamperer->count) / tamperer->count : 0;
	struct pollfd both[2] = {{client, POLLIN, 0}, {server, POLLIN, 0}};
	bool		done = false;

	for (;;)
	{
		char		bytes[4096];
		ssize_t		count;

		poll(both, 2, -1);
		if ((both[0].revents & (POLLIN | POLLHUP | POLLERR)) != 0)
		{
			count = recv(client, bytes, sizeof(bytes), 0);
			if (count <= 0)
				_exit(0);
			if (tamperer->how == WATCH)
				keep_said(bytes, count);
			if (!(done && tamperer->how == STALL))
				send_all(server, bytes, count);
		}
		if ((both[1].revents & (POLLIN | POLLHUP | POLLERR)) == 0)
			continue;
		count = recv(server, bytes, sizeof(bytes), 0);
		if (count <= 0)
			_exit(0);
		pass_on(client, bytes, count, &left, &done, number);
	}
}

/* How many bytes a good session takes from the server: the fewest of some, as a
 * server that finds no time sends the same in more packets. */
static long
bytes_of_session(void)
{
	long		fewest = 0;

	for (int i = 0; i < 5; i++)
	{
		struct job	job = loopback_job(&keys, canned.port);
		struct kept_result *result = poll_one(poller, &job);

		assert_int_equal(result->outcome, OUTCOME_READ);
		if (fewest == 0 || result->bytes_received < fewest)
			fewest = result->bytes_received;
	}
	return fewest;
}

/* Gives how many sessions to poll, for each offset one: some, or all there are. */
static int
tamperer_start(struct peer *peer, enum tampering how, int some)
{
	memset(tamperer, 0, sizeof(*tamperer));
	tamperer->total = bytes_of_session();
	tamperer->port = canned.port;
	tamperer->how = how;
	tamperer->count = every ? (int) tamperer->total : some;
	peer_start(peer, serve_tampered, NULL);
	return tamperer->count;
}

/*
 * How many sessions may be read though something was done to them: one session's
 * length differs a little from another's, so the last offsets may lie behind all that
 * matters; and the padding of packets that are not encrypted yet is nobody's.
 */
static int
most_read(int count)
{
	return 12 + (every ? 60 : 0);
}

/* Polls through the proxy, so many at once; each result goes to judge. */
static void
poll_all(struct peer *peer, int count, uint32_t timeout, int at_once,
		 void (*judge) (const struct kept_result *result, void *arg), void *arg)
{
	for (int first = 0; first < count; first += at_once)
	{
		int			now = count - first < at_once ? count - first : at_once;

		for (int i = 0; i < now; i++)
		{
			struct job	job = loopback_job(&keys, peer->port);

			job.id = i;
			if (timeout > 0)
				job.connect_timeout_ms = job.node_timeout_ms = timeout;
			poller_submit(poller, &job);
		}
		poller_run(poller, 0);
		for (int i = 0; i < now; i++)
		{
			assert_int_equal(poller->results[i].ends, 1);
			judge(&poller->results[i], arg);
		}
	}
}

/* What the sessions came to. */
struct tally
{
	int			read;
	unsigned	states;			/* in which they ended, as bits */
};

/* --- cut, stalled, dripping ------------------------------------------------------- */

static void
judge_cut(const struct kept_result *result, void *arg)
{
	struct tally *tally = arg;

	tally->states |= 1u << result->state;
	if (result->outcome == OUTCOME_READ)
		tally->read++;
	else if (result->outcome != OUTCOME_CLOSED && result->outcome != OUTCOME_REPORT_INCOMPLETE)
		fail_msg("%s: %s", outcome_name(result->outcome), result->error);
	else
		assert_true(result->error[0] != '\0' && outcome_remedy(result->outcome)[0] != '\0');
}

static void
session_cut_anywhere_ends_with_a_reason(void **state)
{
	struct peer peer;
	int			descriptors = open_descriptors();
	struct tally tally = {0};
	int			count = tamperer_start(&peer, CUT, 120);

	poll_all(&peer, count, 0, 20, judge_cut, &tally);
	print_message("# %d offsets, %d read\n", count, tally.read);
	assert_true(tally.read <= most_read(count));
	/* all the way, not only in the handshake */
	assert_true((tally.states & (1u << SESSION_HANDSHAKE)) != 0);
	assert_true((tally.states & (1u << SESSION_AUTH)) != 0);
	assert_true((tally.states & (1u << SESSION_READ | 1u << SESSION_CLOSE)) != 0);
	assert_int_equal(open_descriptors(), descriptors);
	peer_stop(&peer);
}

static void
judge_slow(const struct kept_result *result, void *arg)
{
	struct tally *tally = arg;

	tally->states |= 1u << result->state;
	if (result->outcome == OUTCOME_READ)
		tally->read++;
	else if (result->outcome != OUTCOME_HANDSHAKE_TIMEOUT &&
			 result->outcome != OUTCOME_LOGIN_TIMEOUT && result->outcome != OUTCOME_READ_TIMEOUT)
		fail_msg("%s: %s", outcome_name(result->outcome), result->error);
	else
		assert_true(strstr(result->error, "within") != NULL &&
					outcome_remedy(result->outcome)[0] != '\0');
}

static void
session_stalled_anywhere_ends_in_time(void **state)
{
	struct peer peer;
	int			descriptors = open_descriptors();
	struct tally tally = {0};
	int			count = tamperer_start(&peer, STALL, 40);

	poll_all(&peer, count, 8000, 64, judge_slow, &tally);
	print_message("# %d offsets, %d read\n", count, tally.read);
	assert_true(tally.read <= most_read(count));
	assert_true((tally.states & (1u << SESSION_HANDSHAKE)) != 0);
	assert_true((tally.states & (1u << SESSION_AUTH)) != 0);
	assert_int_equal(open_descriptors(), descriptors);
	peer_stop(&peer);
}

/* One byte a second is an answer each second, and yet none in time. */
static void
session_that_drips_ends_in_time(void **state)
{
	struct peer peer;
	int			descriptors = open_descriptors();
	struct tally tally = {0};
	int			count = tamperer_start(&peer, DRIP, 20);

	/* as many as there are offsets in a login would take an hour */
	if (every)
		tamperer->count = count = 128;
	poll_all(&peer, count, 3000, 64, judge_slow, &tally);
	print_message("# %d offsets, %d read\n", count, tally.read);
	/* a drip that begins near the end may still be through in time */
	assert_true(tally.read <= count / 4);
	assert_int_equal(open_descriptors(), descriptors);
	peer_stop(&peer);
}

/* --- a bit ------------------------------------------------------------------------- */

/*
 * A flipped bit is found out by the exchange hash or by the packet's MAC.  The
 * library may abort() over one, which is why the poller is a process of its
 * own; here each poll has one too.
 */
static void
flipped_bit_is_never_a_reading(void **state)
{
	enum
	{
		AT_ONCE = 16
	};
	struct peer peer;
	int			running = 0;
	int			aborted = 0;
	int			read = 0;
	int			count = tamperer_start(&peer, FLIP, 160);

	for (int i = 0; i < count || running > 0; i++)
	{
		int			status;

		if (i < count)
		{
			if (fork() == 0)
			{
				struct poller *own = poller_create(1, 0);
				struct job	job = loopback_job(&keys, peer.port);

				int			outcome;

				fclose(stderr);
				job.node_timeout_ms = 5000;
				outcome = poll_one(own, &job)->outcome;
				/* so that valgrind can tell what is left */
				poller_free(own);
				_exit(outcome);
			}
			if (++running < AT_ONCE)
				continue;
		}
		assert_true(wait(&status) > 0);
		running--;
		if (WIFSIGNALED(status))
		{
			assert_int_equal(WTERMSIG(status), SIGABRT);
			aborted++;
		}
		else
		{
			read += WEXITSTATUS(status) == OUTCOME_READ;
			assert_int_not_equal(WEXITSTATUS(status), OUTCOME_INTERNAL);
		}
	}
	print_message("# %d offsets, %d read, %d aborted\n", count, read, aborted);
	assert_true(read <= most_read(count));
	assert_true(aborted < count / 2);
	peer_stop(&peer);
}

/* --- what we say before we know to whom ------------------------------------------------ */

/* Where the client's message that ends the plain part (SSH_MSG_NEWKEYS) ends. */
static size_t
end_of_plain_part(void)
{
	const uint8_t *said = tamperer->said;
	size_t		length = tamperer->said_length;
	const uint8_t *newline = memchr(said, '\n', length);
	size_t		at;

	assert_non_null(newline);
	at = newline + 1 - said;
	assert_memory_equal(said, "SSH-2.0-", 8);
	while (at + 6 <= length)
	{
		size_t		size = (size_t) said[at] << 24 | (size_t) said[at + 1] << 16 |
			(size_t) said[at + 2] << 8 | said[at + 3];
		int			message = said[at + 5];

		/* KEXINIT, the two of the key exchange, NEWKEYS */
		assert_true(message == 20 || message == 30 || message == 21);
		at += 4 + size;
		if (message == 21)
			return at;
	}
	return at;
}

/* Length, padding, message and name, and the MAC. */
#define SERVICE_REQUEST (32 + 32)

static void
assert_unsaid(const char *what)
{
	assert_true(what[0] == '\0' ||
				memmem(tamperer->said, tamperer->said_length, what, strlen(what)) == NULL);
}

static void
nothing_of_us_is_said_before_the_host_key_is_checked(void **state)
{
	struct peer peer;
	struct job	job;
	char		machine[256];
	char		stranger[512];
	char		revoked[1100];
	const char *pins[3] = {stranger, "", revoked};
	static const enum outcome outcomes[] = {
		OUTCOME_HOST_KEY_CHANGED, OUTCOME_HOST_KEY_UNKNOWN, OUTCOME_HOST_KEY_REVOKED
	};
	char		path[160];
	char	   *text;

	snprintf(path, sizeof(path), "%s/id_stranger.pub", keys.directory);
	text = read_file(path);
	snprintf(stranger, sizeof(stranger), "%.*s", (int) strcspn(text, "\n"), text);
	free(text);
	snprintf(revoked, sizeof(revoked), "%s\n@revoked %s", keys.host_ed25519, keys.host_ed25519);
	gethostname(machine, sizeof(machine));
	tamperer_start(&peer, WATCH, 0);
	tamperer->count = 0;

	/* with a short and a long name to log in with */
	for (int i = 0; i < 6; i++)
	{
		tamperer->said_length = 0;
		job = loopback_job(&keys, peer.port);
		job.node_name = "our-name-for-it";
		job.user = i % 2 == 0 ? "u" : "somebody-of-ours-with-a-name-of-more-than-sixty-four-characters-in-it";
		job.host_key = pins[i / 2];
		assert_int_equal(poll_one(poller, &job)->outcome, outcomes[i / 2]);
		/*
		 * libssh2 ends a key exchange by asking for the service "ssh-userauth",
		 * which everybody asks for: one packet, the shortest that there is.
		 */
		assert_true(tamperer->said_length <= end_of_plain_part() + SERVICE_REQUEST);
		assert_unsaid(job.user + 1);
		assert_unsaid(job.node_name);
		assert_unsaid(keys.user);
		if (strlen(machine) > 4)
			assert_unsaid(machine);	/* shorter ones may come up by chance */
		assert_unsaid("tribe");
	}

	/* only behind that comes the name, where nobody on the way can read it */
	tamperer->said_length = 0;
	job = loopback_job(&keys, peer.port);
	assert_int_equal(poll_one(poller, &job)->outcome, OUTCOME_READ);
	assert_true(tamperer->said_length > end_of_plain_part() + SERVICE_REQUEST);
	assert_unsaid(keys.user);
	peer_stop(&peer);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(session_cut_anywhere_ends_with_a_reason),
		cmocka_unit_test(session_stalled_anywhere_ends_in_time),
		cmocka_unit_test(session_that_drips_ends_in_time),
		cmocka_unit_test(flipped_bit_is_never_a_reading),
		cmocka_unit_test(nothing_of_us_is_said_before_the_host_key_is_checked),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
