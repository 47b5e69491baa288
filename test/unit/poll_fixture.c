/*
 * poll_fixture.c: a loop and a pool to poll with.
 */
#include "poll_fixture.h"

#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void
keep_state(void *arg, uint32_t place, uint64_t id, enum session_state state)
{
	struct poller *poller = arg;

	poller->results[id].told |= 1u << state;
	if (state > poller->results[id].deepest)
		poller->results[id].deepest = state;
}

static void
keep_result(void *arg, const struct job_result *result)
{
	struct poller *poller = arg;
	struct kept_result *kept = &poller->results[result->id];

	kept->ended = true;
	kept->ends++;
	kept->outcome = result->outcome;
	kept->state = result->state;
	kept->bytes_received = result->bytes_received;
	kept->order = poller->ends++;
	snprintf(kept->error, sizeof(kept->error), "%s", result->error);
	snprintf(kept->peer_address, sizeof(kept->peer_address), "%s", result->peer_address);
	snprintf(kept->host_key, sizeof(kept->host_key), "%s", result->host_key);
	kept->has_report = result->has_report;
	if (result->has_report)
		kept->report = result->report;
}

struct poller *
poller_create(uint32_t max_connections, uint32_t max_kept)
{
	struct poller_settings settings = {
		.max_connections = max_connections,
		.max_kept_sessions = max_kept,
	};
	struct poller *poller = calloc(1, sizeof(*poller));
	struct pool_events events = {keep_state, keep_result, poller, NULL};

	signal(SIGPIPE, SIG_IGN);
	poller->loop = loop_create();
	poller->pool = pool_create(poller->loop, &settings, &events);
	if (poller->pool == NULL)
		abort();
	return poller;
}

void
poller_free(struct poller *poller)
{
	pool_free(poller->pool);
	loop_free(poller->loop);
	free(poller);
}

uint32_t
slowness(void)
{
	return getenv("UNIT_PATIENCE") != NULL ? 10 : 1;
}

struct job
loopback_job(const struct keys *keys, uint16_t port)
{
	return (struct job)
	{
		.kind = JOB_PROBE,
		.node_name = "node",
		.address = "127.0.0.1",
		.port = port,
		.user = keys->user,
		.identity_file = keys->identity,
		.known_hosts_file = "",
		.host_key = keys->host_ed25519,
		.host_key_policy = HOST_KEY_STRICT,
		.connect_timeout_ms = 60000 * slowness(),
		.node_timeout_ms = 60000 * slowness(),
		.sample_window_ms = 10,
	};
}

void
poller_submit(struct poller *poller, const struct job *job)
{
	memset(&poller->results[job->id], 0, sizeof(poller->results[job->id]));
	pool_submit(poller->pool, job);
}

void
poller_run(struct poller *poller, size_t pending)
{
	while (pool_pending(poller->pool) > pending)
		if (!loop_turn(poller->loop))
			abort();
}

struct kept_result *
poll_one(struct poller *poller, const struct job *job)
{
	poller_submit(poller, job);
	poller_run(poller, 0);
	return &poller->results[job->id];
}

int
open_descriptors(void)
{
	DIR		   *directory = opendir("/proc/self/fd");
	int			count = 0;

	while (readdir(directory) != NULL)
		count++;
	closedir(directory);
	return count;
}
