/*
 * round.c: keeps the answers of a round until they are stored, and waits for
 * them in a backend.  No SQL, no arithmetic.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/latch.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "round.h"
#include "settings.h"
#include "ticks.h"

void
round_take_result(void *arg, PollerJob *job, const struct job_result *result,
				  const uint8_t *payload, size_t length)
{
	RoundNode  *node = (RoundNode *) job;
	Round	   *round = node->round;
	MemoryContext previous = MemoryContextSwitchTo(round->context);

	node->answered = true;
	node->received = GetCurrentTimestamp();
	node->arrived = ticks_now();
	node->outcome = result->outcome;
	node->state = result->state;
	node->elapsed_ms = Min(result->elapsed_ms, (uint32_t) PG_INT32_MAX);
	node->error = pstrdup(result->error);
	node->peer_address = pstrdup(result->peer_address);
	node->host_key = pstrdup(result->host_key);
	if (result->outcome == OUTCOME_READ && result->has_report)
	{
		node->payload = palloc(length);
		memcpy(node->payload, payload, length);
		node->payload_length = length;
		round->read++;
	}
	round->answered++;
	MemoryContextSwitchTo(previous);
}

void
round_fail(RoundNode *node, enum outcome outcome, const char *error)
{
	static struct job_result result;	/* holds a whole report: not for the stack */

	memset(&result, 0, sizeof(result));
	result.outcome = outcome;
	result.error = error;
	result.peer_address = "";
	result.host_key = "";
	round_take_result(NULL, &node->job, &result, NULL, 0);
}

void
round_submit(Round *round, PollerClient *client)
{
	int			i;

	for (i = 0; i < round->count; i++)
		if (!round->nodes[i].answered)
			poller_client_submit(client, &round->nodes[i].job);
}

void
round_poll(Round *round)
{
	PollerClient *client = poller_client_create(round->context, round_take_result, NULL);
	TimestampTz deadline = TimestampTzPlusMilliseconds(round->started, setting_round_timeout);

	round_submit(round, client);
	while (poller_client_pending(client) > 0)
	{
		long		left = TimestampDifferenceMilliseconds(ticks_now(), deadline);

		if (left <= 0)
		{
			char		error[128];

			snprintf(error, sizeof(error), "not polled within the round's %d s",
					 setting_round_timeout / 1000);
			poller_client_give_up(client, OUTCOME_ROUND_TIMEOUT, error);
			break;
		}
		poller_client_wait(client, left);
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
	}
	poller_client_stop(client);
}

void
round_free(Round *round)
{
	MemoryContextDelete(round->context);
}
