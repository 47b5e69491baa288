/*
 * hand.c: command line to jobs, results to JSON lines (hand.h).
 */
#include "hand.h"

#include <getopt.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <ares.h>
#include <libssh2.h>

#include "../common/version.h"
#include "confine.h"
#include "loop.h"
#include "pool.h"

static const char usage[] =
"tribe_power_poller reads power, temperature and load of machines over SSH.\n"
"PostgreSQL starts it by itself; by hand it shows what a node answers.\n"
"\n"
"Usage:\n"
"  tribe_power_poller probe [OPTION]... [USER@]HOST...\n"
"      logs in, runs the probe, prints one line of JSON for each host\n"
"  tribe_power_poller scan-host-key [OPTION]... HOST...\n"
"      prints each host's key without logging in\n"
"\n"
"Options:\n"
"  -i, --identity FILE       private key (default ~/.ssh/id_ed25519)\n"
"  -k, --known-hosts FILE    known host keys (default ~/.ssh/known_hosts)\n"
"  -H, --host-key TEXT       the host's public key; then no file is asked\n"
"  -a, --accept-new          take the key of a host that is not known yet\n"
"  -p, --port N              default 22\n"
"  -w, --window SECONDS      between the probe's two readings (default 1)\n"
"  -c, --connect-timeout SECONDS   default 5\n"
"  -t, --timeout SECONDS     for a whole node (default 15)\n"
"  -n, --connections N       hosts at a time (default 64)\n"
"  -v, --verbose             show each step on the standard error\n"
"  -h, --help\n"
"  -V, --version\n"
"\n"
"The exit status is 0 when every host answered, 1 when one did not, 2 for a\n"
"wrong command line.\n";

enum
{
	EXIT_USAGE = 2
};

struct hand
{
	struct job	job;			/* what is the same for all hosts */
	char	  **hosts;
	bool		verbose;
	bool		failed;
	uint32_t	connections;
	char		identity[1100];
	char		known_hosts[1100];
	char		json[REPORT_JSON_SIZE];
};

void
hand_user_init(struct hand_user *user)
{
	const struct passwd *entry = getpwuid(geteuid());
	const char *home = getenv("HOME");

	if (home == NULL && entry != NULL)
		home = entry->pw_dir;
	snprintf(user->home, sizeof(user->home), "%s", home != NULL ? home : "");
	snprintf(user->name, sizeof(user->name), "%s", entry != NULL ? entry->pw_name : "");
}

/* --- what comes back --------------------------------------------------------- */

static void
show_state(void *arg, uint32_t place, uint64_t id, enum session_state state)
{
	struct hand *hand = arg;

	if (hand->verbose)
		fprintf(stderr, "%s: %s\n", hand->hosts[id], session_state_name(state));
}

static void
show_result(void *arg, const struct job_result *result)
{
	struct hand *hand = arg;
	const char *host = hand->hosts[result->id];

	if (hand->verbose)
		fprintf(stderr, "%s: %s after %u ms, %u bytes from %s\n", host,
				outcome_name(result->outcome), result->elapsed_ms, result->bytes_received,
				result->peer_address);
	if (result->outcome != OUTCOME_READ)
	{
		const char *remedy = outcome_remedy(result->outcome);

		hand->failed = true;
		fprintf(stderr, "%s: %s\n", host, result->error);
		if (remedy[0] != '\0')
			fprintf(stderr, "%s: hint: %s\n", host, remedy);
	}
	else if (hand->job.kind == JOB_SCAN_HOST_KEY)
	{
		if (hand->job.port == 22)
			printf("%s %s\n", host, result->host_key);
		else
			printf("[%s]:%u %s\n", host, hand->job.port, result->host_key);
	}
	else if (report_json(&result->report, hand->json, sizeof(hand->json)) > 0)
		printf("%s\n", hand->json);
	else
	{
		hand->failed = true;
		fprintf(stderr, "%s: the report is too large to print\n", host);
	}
	fflush(stdout);
}

/* --- the command line -------------------------------------------------------- */

static int
wrong_usage(const char *format, const char *what)
{
	fprintf(stderr, "tribe_power_poller: ");
	fprintf(stderr, format, what);
	fprintf(stderr, "\ntribe_power_poller: try --help\n");
	return EXIT_USAGE;
}

static bool
parse_seconds(const char *text, uint32_t *milliseconds)
{
	char	   *end;
	double		seconds = strtod(text, &end);

	if (end == text || *end != '\0' || !(seconds >= 0) || seconds > 3600)
		return false;
	*milliseconds = (uint32_t) (seconds * 1000 + 0.5);
	return true;
}

static bool
parse_number(const char *text, unsigned long max, unsigned long *number)
{
	char	   *end;

	*number = strtoul(text, &end, 10);
	return end != text && *end == '\0' && text[0] != '-' && *number >= 1 && *number <= max;
}

/* Takes one option; false if its value is wrong. */
static bool
take_option(struct hand *hand, int option, const char *value)
{
	unsigned long number;

	switch (option)
	{
		case 'i':
			hand->job.identity_file = value;
			return true;
		case 'k':
			hand->job.known_hosts_file = value;
			return true;
		case 'H':
			hand->job.host_key = value;
			return true;
		case 'a':
			hand->job.host_key_policy = HOST_KEY_ACCEPT_NEW;
			return true;
		case 'p':
			if (!parse_number(value, 65535, &number))
				return false;
			hand->job.port = (uint16_t) number;
			return true;
		case 'w':
			return parse_seconds(value, &hand->job.sample_window_ms);
		case 'c':
			return parse_seconds(value, &hand->job.connect_timeout_ms) &&
				hand->job.connect_timeout_ms > 0;
		case 't':
			return parse_seconds(value, &hand->job.node_timeout_ms) &&
				hand->job.node_timeout_ms > 0;
		case 'n':
			if (!parse_number(value, 100000, &number))
				return false;
			hand->connections = (uint32_t) number;
			return true;
		case 'v':
			hand->verbose = true;
			return true;
	}
	return false;
}

/* Polls all hosts at once. */
static int
poll_hosts(struct hand *hand, int count, const struct hand_user *user)
{
	struct poller_settings settings = {.max_connections = hand->connections};
	struct pool_events events = {show_state, show_result, hand, NULL};
	struct loop *loop = loop_create();
	struct pool *pool = loop != NULL ? pool_create(loop, &settings, &events) : NULL;

	if (pool == NULL)
	{
		fprintf(stderr, "tribe_power_poller: out of memory or descriptors\n");
		loop_free(loop);
		return EXIT_FAILURE;
	}
	confine_by_settings(0, 0);
	for (int i = 0; i < count; i++)
	{
		struct job	job = hand->job;
		char		login[256];
		const char *at = strrchr(hand->hosts[i], '@');

		snprintf(login, sizeof(login), "%.*s", at != NULL ? (int) (at - hand->hosts[i]) : 255,
				 at != NULL ? hand->hosts[i] : user->name);
		job.id = i;
		job.user = login;
		job.address = at != NULL ? at + 1 : hand->hosts[i];
		job.node_name = job.address;
		pool_submit(pool, &job);
	}
	while (pool_pending(pool) > 0 && loop_turn(loop))
		;
	pool_free(pool);
	loop_free(loop);
	return hand->failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

int
hand_main(int argc, char **argv, const struct hand_user *user)
{
	static const struct option options[] = {
		{"identity", required_argument, NULL, 'i'},
		{"known-hosts", required_argument, NULL, 'k'},
		{"host-key", required_argument, NULL, 'H'},
		{"accept-new", no_argument, NULL, 'a'},
		{"port", required_argument, NULL, 'p'},
		{"window", required_argument, NULL, 'w'},
		{"connect-timeout", required_argument, NULL, 'c'},
		{"timeout", required_argument, NULL, 't'},
		{"connections", required_argument, NULL, 'n'},
		{"verbose", no_argument, NULL, 'v'},
		{"help", no_argument, NULL, 'h'},
		{"version", no_argument, NULL, 'V'},
		{NULL, 0, NULL, 0}
	};
	static struct hand hand;
	const char *command;
	int			option;

	if (argc < 2)
		return wrong_usage("%s", "no command");
	command = argv[1];
	if (strcmp(command, "--help") == 0 || strcmp(command, "-h") == 0 ||
		strcmp(command, "help") == 0)
	{
		fputs(usage, stdout);
		return EXIT_SUCCESS;
	}
	if (strcmp(command, "--version") == 0 || strcmp(command, "-V") == 0)
	{
		printf("tribe_power_poller %s (libssh2 %s, c-ares %s)\n", TRIBE_POWER_VERSION,
			   libssh2_version(0), ares_version(NULL));
		return EXIT_SUCCESS;
	}
	if (strcmp(command, "probe") != 0 && strcmp(command, "scan-host-key") != 0)
		return wrong_usage("unknown command \"%s\"", command);

	snprintf(hand.identity, sizeof(hand.identity), "%s/.ssh/id_ed25519", user->home);
	snprintf(hand.known_hosts, sizeof(hand.known_hosts), "%s/.ssh/known_hosts", user->home);
	hand.connections = 64;
	hand.job = (struct job) {
		.kind = strcmp(command, "probe") == 0 ? JOB_PROBE : JOB_SCAN_HOST_KEY,
		.port = 22,
		.identity_file = hand.identity,
		.known_hosts_file = hand.known_hosts,
		.host_key = "",
		.connect_timeout_ms = 5000,
		.node_timeout_ms = 15000,
		.sample_window_ms = 1000,
	};

	opterr = 0;
	while ((option = getopt_long(argc - 1, argv + 1, "i:k:H:ap:w:c:t:n:vh", options, NULL)) != -1)
	{
		if (option == 'h')
		{
			fputs(usage, stdout);
			return EXIT_SUCCESS;
		}
		if (option == '?')
			return wrong_usage("unknown or incomplete option \"%s\"", argv[optind]);
		if (!take_option(&hand, option, optarg))
			return wrong_usage("wrong value \"%s\"", optarg);
	}
	hand.hosts = argv + 1 + optind;
	if (argc - 1 - optind < 1)
		return wrong_usage("%s", "no host given");
	return poll_hosts(&hand, argc - 1 - optind, user);
}
