/*
 * poll_fixture.h: jobs through a pool, their results kept for the test.
 */
#ifndef POLL_FIXTURE_H
#define POLL_FIXTURE_H

#include "loop.h"
#include "pool.h"
#include "sshd_fixture.h"

struct kept_result
{
	bool		ended;
	int			ends;			/* must become 1 and stay so */
	enum outcome outcome;
	enum session_state state;
	enum session_state deepest; /* of those that were told */
	uint32_t	told;			/* a bit for each of those */
	uint32_t	bytes_received;
	int64_t		order;			/* which end of all it was */
	char		error[WIRE_MAX_TEXT + 1];
	char		peer_address[WIRE_MAX_NAME + 1];
	char		host_key[2048];
	bool		has_report;
	struct report report;
};

#define MAX_RESULTS 256

struct poller
{
	struct loop *loop;
	struct pool *pool;
	int64_t		ends;
	struct kept_result results[MAX_RESULTS];	/* by the job's id */
};

/* max_kept 0: no session is kept */
struct poller *poller_create(uint32_t max_connections, uint32_t max_kept);
void		poller_free(struct poller *poller);

/* How many times the usual everything may take: valgrind is slow (UNIT_PATIENCE). */
uint32_t	slowness(void);

/* A job for loopback that ends well with the fixture's sshd. */
struct job	loopback_job(const struct keys *keys, uint16_t port);

void		poller_submit(struct poller *poller, const struct job *job);
/* Turns the loop until that many jobs are pending. */
void		poller_run(struct poller *poller, size_t pending);

/* One job from beginning to end. */
struct kept_result *poll_one(struct poller *poller, const struct job *job);

/* How many descriptors this process has open. */
int			open_descriptors(void);

#endif
