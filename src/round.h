/*
 * round.h: one round over some nodes, as the worker, the SQL functions, the
 * registry's reader and the store share it.
 */
#ifndef TRIBE_POWER_ROUND_H
#define TRIBE_POWER_ROUND_H

#include "postgres.h"

#include "datatype/timestamp.h"

#include "common/power.h"
#include "poller_client.h"

/* One node of a round: what the registry says, then what became of it.  All
 * strings live in the round's memory context. */
typedef struct RoundNode
{
	PollerJob	job;			/* first: the client gives it back */
	struct Round *round;
	char	   *name;
	struct power_context context;	/* type, ceiling, interval */

	/* the result; answered is false until there is one */
	bool		answered;
	bool		stored;			/* the store is done with it */
	bool		left_out;		/* read, but not stored: STORE_LEFT_OUT */
	TimestampTz received;		/* by the wall clock: the time of the reading */
	TimestampTz arrived;		/* the same in ticks */
	enum outcome outcome;
	enum session_state state;
	int			elapsed_ms;
	char	   *error;			/* "" when all went well */
	char	   *peer_address;
	char	   *host_key;
	uint8_t    *payload;		/* the result's frame, with the report in it */
	size_t		payload_length;

	/* filled in by round_compute(), with the report read */
	struct reading reading;

	/* what the status row said before, filled in by the store */
	int			failures_before;
	bool		known_before;	/* there had been an attempt */
} RoundNode;

typedef struct Round
{
	MemoryContext context;
	TimestampTz slot;			/* its ideal time */
	TimestampTz started;		/* in ticks */
	bool		by_worker;		/* keeps the schedule; else called by hand */
	int			count;
	RoundNode  *nodes;
	int			answered;
	int			stored;
	int			read;			/* of the answered: with a report */
} Round;

/* The client's callback: keeps what a node answered in its RoundNode. arg is
 * not used. */
extern void round_take_result(void *arg, PollerJob *job, const struct job_result *result,
							  const uint8_t *payload, size_t length);

/* An answer that no poller gave. */
extern void round_fail(RoundNode *node, enum outcome outcome, const char *error);

/* Hands all nodes that have no answer yet to the client. */
extern void round_submit(Round *round, PollerClient *client);

/*
 * For a backend: polls all nodes of the round and returns when each has its
 * answer, at the latest after tribe_power.round_timeout.  Answers a cancel at
 * once; the poller ends with it.
 */
extern void round_poll(Round *round);

/* Ends a round: frees all of it. */
extern void round_free(Round *round);

#endif
