/*
 * poller_client.h: the owner's end of a poller: starts it, feeds it, watches
 * it and ends it.  Never blocks but in poller_client_wait(), on latch and
 * socket together.
 */
#ifndef TRIBE_POWER_POLLER_CLIENT_H
#define TRIBE_POWER_POLLER_CLIENT_H

#include "postgres.h"

#include "datatype/timestamp.h"
#include "lib/ilist.h"

#include "common/wire.h"

typedef struct PollerClient PollerClient;

/* With whom a job may share a poller: whoever is under way when that ends loses
 * the answer too. */
typedef enum PollerCompany
{
	COMPANY_ANY,
	COMPANY_FEW,				/* a few of the same kind at a time */
	COMPANY_NONE,				/* nobody */
} PollerCompany;

/* A job that the client watches over; embedded in the caller's own struct. */
typedef struct PollerJob
{
	struct job	job;			/* set by the caller; the strings must outlive it */
	PollerCompany company;		/* set by the caller */
	bool		poller_died;	/* its poller ended while it was under way */
	dlist_node	node;			/* the rest is the client's */
	struct Lane *lane;
	enum session_state state;
	TimestampTz started;		/* under way since, in ticks; 0: not as far as is known */
	bool		sent;			/* handed to the poller that runs now */
} PollerJob;

/*
 * Called once for each job.  payload is the result's frame (NULL where the
 * client made the result up); result points into it, both until the return.
 * May raise no error.
 */
typedef void (*PollerResultCallback) (void *arg, PollerJob *job,
									  const struct job_result *result,
									  const uint8_t *payload, size_t length);

/* The client lives in a memory context of its own below parent, and ends its
 * poller when that is reset, whatever the reason. */
extern PollerClient *poller_client_create(MemoryContext parent,
										  PollerResultCallback callback, void *arg);

/* Hands a job over; the poller is started at need. */
extern void poller_client_submit(PollerClient *client, PollerJob *job);

/*
 * Whether the poller of the common lane is to be kept for so long without work, in us:
 * not if the settings have changed since it was started, nor if it were then older than
 * an hour; with kept sessions it may be of any age.
 */
extern bool poller_client_lasts(const PollerClient *client, int64 idle);

/* Forgets the jobs under way without a result, and ends the poller. */
extern void poller_client_stop(PollerClient *client);

/*
 * Waits until the latch is set, something came from the poller, or timeout ms
 * have passed, and calls back for each result.  The caller resets the latch and
 * checks for interrupts.
 */
extern void poller_client_wait(PollerClient *client, long timeout);

/* Jobs without a result yet. */
extern int	poller_client_pending(const PollerClient *client);

/* Ends each job under way with this outcome. */
extern void poller_client_give_up(PollerClient *client, enum outcome outcome,
								  const char *error);

/* Ends one job under way with this outcome; what the poller may still say of it
 * is ignored. */
extern void poller_client_cancel(PollerClient *client, PollerJob *job,
								 enum outcome outcome, const char *error);

#endif
