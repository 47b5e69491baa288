/*
 * pool.h: many sessions at once: jobs wait their turn, a bounded number is
 * under way, and connections are kept for the next round.
 */
#ifndef TRIBE_POWER_POOL_H
#define TRIBE_POWER_POOL_H

#include "../common/wire.h"
#include "loop.h"

struct pool;

struct pool_events
{
	/* a job entered a state, from SESSION_CONNECT on; place is below max_connections
	 * and no other job's that is under way */
	void		(*state) (void *arg, uint32_t place, uint64_t id, enum session_state state);
	/* a job ended; the result is valid during the call */
	void		(*result) (void *arg, const struct job_result *result);
	void	   *arg;

	/*
	 * There is not even memory for a handful of sessions: what runs it had better
	 * end.  NULL: each job that finds no memory fails by itself.
	 */
	void		(*exhausted) (void *arg);
};

/* NULL when out of memory or descriptors. */
struct pool *pool_create(struct loop *loop, const struct poller_settings *settings,
						 const struct pool_events *events);

/* Ends everything without a word. */
void		pool_free(struct pool *pool);

/*
 * Takes a job (copied).  It ends with a result, which may come before this returns,
 * unless exhausted() is called.  Where memory is short, fewer jobs than
 * max_connections are under way.
 */
void		pool_submit(struct pool *pool, const struct job *job);

/* Jobs that have not ended, and connections that are kept. */
size_t		pool_pending(const struct pool *pool);
size_t		pool_kept(const struct pool *pool);

#endif
