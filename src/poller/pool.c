/*
 * pool.c: the queue, the sessions under way, and the kept ones (pool.h).
 */
#include "pool.h"

#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "ssh.h"

/* For the pipe, epoll, files and name look-ups. */
#define OTHER_DESCRIPTORS 64

/* With this many under way, one that finds no memory waits until one of them has
 * ended; with fewer the memory is not theirs. */
#define LEAST_ACTIVE 8

/* Bytes that a new session must leave to those under way and to their results. */
#define HEADROOM (2 * 1024 * 1024)

/* Sessions for which room is asked at a time, as long as there is plenty. */
#define AT_A_TIME 16

/* What a login takes beside libssh2's session, in bytes. */
#define LOGIN_SIZE (10 * 1024)

/* A job that waits: first for its delay, then for its turn. */
struct waiting
{
	struct pool *pool;
	struct job *job;
	struct timer delay;
	struct waiting *next,
			   *previous;
};

struct pool
{
	struct loop *loop;
	struct poller_settings settings;
	struct pool_events events;
	struct engine engine;

	struct waiting *delayed;	/* in no order: their timers know */
	struct waiting *queue;		/* the first in line */
	struct waiting **queue_end;
	size_t		waiting_count;

	struct session_link active; /* heads of rings */
	struct session_link kept;	/* the least recently used first */
	size_t		active_count;
	size_t		kept_count;
	uint32_t   *free_places;	/* max_connections less active_count of them */
	size_t		had_room;		/* so many were under way, with headroom left */
	bool		filling;
	bool		exhausted;		/* the caller has been told to end */
};

/* --- rings of sessions ------------------------------------------------------- */

static void
link_init(struct session_link *head)
{
	head->next = head->previous = head;
}

static void
link_remove(struct session_link *link)
{
	link->previous->next = link->next;
	link->next->previous = link->previous;
}

static void
link_append(struct session_link *head, struct session_link *link)
{
	link->previous = head->previous;
	link->next = head;
	head->previous->next = link;
	head->previous = link;
}

static void
drop_kept(struct pool *pool, struct session *session)
{
	link_remove(session_link(session));
	pool->kept_count--;
	session_free(session);
}

/* --- what sessions report ---------------------------------------------------- */

static void fill(struct pool *pool);
static void prepare_kept(struct pool *pool);

static void
job_state(struct engine *engine, struct session *session, uint64_t id,
		  enum session_state state)
{
	struct pool *pool = engine->owner;

	pool->events.state(pool->events.arg, session_link(session)->place, id, state);
}

static void
add_active(struct pool *pool, struct session *session)
{
	struct session_link *link = session_link(session);

	link_append(&pool->active, link);
	pool->active_count++;
	link->place = pool->free_places[pool->settings.max_connections - pool->active_count];
}

static void
remove_active(struct pool *pool, struct session *session)
{
	struct session_link *link = session_link(session);

	link_remove(link);
	pool->free_places[pool->settings.max_connections - pool->active_count] = link->place;
	pool->active_count--;
}

static void
job_ended(struct engine *engine, struct session *session, const struct job_result *result,
		  bool can_keep)
{
	struct pool *pool = engine->owner;

	pool->events.result(pool->events.arg, result);
	remove_active(pool, session);
	if (can_keep && pool->settings.max_kept_sessions > 0)
	{
		if (pool->kept_count >= pool->settings.max_kept_sessions)
			drop_kept(pool, session_of_link(pool->kept.next));
		link_append(&pool->kept, session_link(session));
		pool->kept_count++;
		session_keep(session);
	}
	else
		session_free(session);
	fill(pool);
	prepare_kept(pool);
}

static void
kept_lost(struct engine *engine, struct session *session)
{
	drop_kept(engine->owner, session);
}

/* --- jobs -------------------------------------------------------------------- */

static void
enqueue(struct pool *pool, struct waiting *waiting)
{
	waiting->next = NULL;
	*pool->queue_end = waiting;
	pool->queue_end = &waiting->next;
}

/* First in line again. */
static void
put_back(struct pool *pool, struct waiting *waiting)
{
	waiting->next = pool->queue;
	pool->queue = waiting;
	if (waiting->next == NULL)
		pool->queue_end = &waiting->next;
	pool->waiting_count++;
}

/* The result of a job for which there was no memory. */
static void
refuse(struct pool *pool, const struct job *job)
{
	struct job_result *result = &pool->engine.result;

	result->id = job->id;
	result->outcome = OUTCOME_INTERNAL;
	result->state = SESSION_QUEUED;
	result->elapsed_ms = 0;
	result->bytes_received = 0;
	result->error = "out of memory for a job";
	result->peer_address = "";
	result->host_key = "";
	result->has_report = false;
	pool->events.result(pool->events.arg, result);
}

static struct session *
find_kept(struct pool *pool, const struct job *job)
{
	for (struct session_link *link = pool->kept.next, *next; link != &pool->kept; link = next)
	{
		struct session *session = session_of_link(link);

		next = link->next;
		if (session_serves(session, job))
			return session;
	}
	return NULL;
}

static bool
has_room(size_t size)
{
	void	   *volatile room = malloc(size);	/* or the compiler would leave it out */

	free(room);
	return room != NULL;
}

/*
 * Asks the heap and not the kernel: what ended sessions gave back counts too.  That
 * costs two system calls, so not where as many have had room before.
 */
static bool
leaves_headroom(struct pool *pool)
{
	size_t		more = 0;

	if (pool->active_count >= LEAST_ACTIVE && pool->active_count < pool->had_room)
		return true;
	if (has_room(HEADROOM + AT_A_TIME * pool->engine.connection_size))
		more = AT_A_TIME;
	else if (has_room(HEADROOM))
		more = 1;
	pool->had_room = pool->active_count + more;
	return more > 0;
}

/* A new session, at the cost of kept ones where memory is short. */
static struct session *
create_session(struct pool *pool, struct job *job)
{
	struct session *session;

	for (;;)
	{
		session = leaves_headroom(pool) ? session_create(&pool->engine, job) : NULL;
		if (session != NULL || pool->kept_count == 0)
			return session;
		drop_kept(pool, session_of_link(pool->kept.next));
	}
}

/* Lets a job begin; it takes the job over.  False if it has to wait for memory. */
static bool
begin(struct pool *pool, struct job *job)
{
	struct session *session = find_kept(pool, job);
	bool		kept = session != NULL;

	if (kept)
	{
		link_remove(session_link(session));
		pool->kept_count--;
	}
	else
	{
		session = create_session(pool, job);
		if (session == NULL && pool->active_count >= LEAST_ACTIVE)
			return false;
		if (session == NULL && pool->events.exhausted != NULL)
		{
			pool->exhausted = true;
			pool->events.exhausted(pool->events.arg);
			return false;
		}
		if (session == NULL)
		{
			refuse(pool, job);
			free(job);
			return true;
		}
	}
	add_active(pool, session);
	if (kept)
		session_reuse(session, job);
	else
		session_start(session);
	return true;
}

/* Lets as many jobs begin as may. */
static void
fill(struct pool *pool)
{
	/* a job that ends at once calls this again, from within the loop below */
	if (pool->filling)
		return;
	pool->filling = true;
	while (pool->queue != NULL && pool->active_count < pool->settings.max_connections &&
		   !pool->exhausted)
	{
		struct waiting *waiting = pool->queue;

		pool->queue = waiting->next;
		if (pool->queue == NULL)
			pool->queue_end = &pool->queue;
		pool->waiting_count--;
		if (!begin(pool, waiting->job))
		{
			put_back(pool, waiting);
			break;
		}
		free(waiting);
	}
	pool->filling = false;
}

/*
 * Makes kept sessions ready for the next round, but only when nobody waits: what
 * has been asked goes first.  Those that are not ready are the last in the ring.
 */
static void
prepare_kept(struct pool *pool)
{
	struct session_link *link = pool->kept.previous;

	if (pool->active_count > 0 || pool->queue != NULL)
		return;
	while (link != &pool->kept && !session_prepared(session_of_link(link)))
	{
		struct session_link *previous = link->previous;

		/* it may turn out dead and be dropped */
		session_prepare(session_of_link(link));
		link = previous;
	}
}

static void
delay_over(struct timer *timer)
{
	struct waiting *waiting = timer->owner;
	struct pool *pool = waiting->pool;

	if (waiting->previous != NULL)
		waiting->previous->next = waiting->next;
	else
		pool->delayed = waiting->next;
	if (waiting->next != NULL)
		waiting->next->previous = waiting->previous;
	enqueue(pool, waiting);
	fill(pool);
}

void
pool_submit(struct pool *pool, const struct job *job)
{
	struct waiting *waiting = calloc(1, sizeof(*waiting));

	if (waiting == NULL || (waiting->job = job_copy(job)) == NULL)
	{
		free(waiting);
		refuse(pool, job);
		return;
	}
	waiting->pool = pool;
	waiting->delay.expired = delay_over;
	waiting->delay.owner = waiting;
	pool->waiting_count++;
	if (job->start_delay_ms > 0 &&
		loop_set_timer(pool->loop, &waiting->delay,
					   loop_now() + (int64_t) job->start_delay_ms * 1000))
	{
		waiting->next = pool->delayed;
		if (waiting->next != NULL)
			waiting->next->previous = waiting;
		pool->delayed = waiting;
		return;
	}
	enqueue(pool, waiting);
	fill(pool);
}

size_t
pool_pending(const struct pool *pool)
{
	return pool->waiting_count + pool->active_count;
}

size_t
pool_kept(const struct pool *pool)
{
	return pool->kept_count;
}

/* --- beginning and end ------------------------------------------------------- */

/* Kept connections must not take the descriptors of those that are asked. */
static void
leave_descriptors(struct poller_settings *settings)
{
	struct rlimit limit;
	rlim_t		others = (rlim_t) settings->max_connections + OTHER_DESCRIPTORS;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_max == RLIM_INFINITY)
		return;
	if (limit.rlim_max <= others)
		settings->max_kept_sessions = 0;
	else if (settings->max_kept_sessions > limit.rlim_max - others)
		settings->max_kept_sessions = (uint32_t) (limit.rlim_max - others);
}

struct pool *
pool_create(struct loop *loop, const struct poller_settings *settings,
			const struct pool_events *events)
{
	struct pool *pool = calloc(1, sizeof(*pool));

	if (pool == NULL)
		return NULL;
	/* a larger block would come from outside of the heap */
	mallopt(M_MMAP_THRESHOLD, 4 * HEADROOM);
	pool->loop = loop;
	pool->settings = *settings;
	leave_descriptors(&pool->settings);
	pool->events = *events;
	pool->free_places = malloc(settings->max_connections * sizeof(*pool->free_places));
	if (pool->free_places == NULL)
	{
		free(pool);
		return NULL;
	}
	for (uint32_t i = 0; i < settings->max_connections; i++)
		pool->free_places[i] = settings->max_connections - 1 - i;
	pool->queue_end = &pool->queue;
	link_init(&pool->active);
	link_init(&pool->kept);
	pool->engine.loop = loop;
	pool->engine.owner = pool;
	pool->engine.job_state = job_state;
	pool->engine.job_ended = job_ended;
	pool->engine.kept_lost = kept_lost;
	pool->engine.resolver = resolver_create(loop);
	/* OpenSSL sets itself up; all that libssh2 before 1.11 would add is to load engines
	 * that nobody here asks for */
	if (pool->engine.resolver == NULL || libssh2_init(LIBSSH2_INIT_NO_CRYPTO) != 0)
	{
		resolver_free(pool->engine.resolver);
		free(pool->free_places);
		free(pool);
		return NULL;
	}
	pool->engine.connection_size = transport_size() + LOGIN_SIZE;
	return pool;
}

static void
free_waiting(struct pool *pool, struct waiting *waiting)
{
	while (waiting != NULL)
	{
		struct waiting *next = waiting->next;

		loop_clear_timer(pool->loop, &waiting->delay);
		free(waiting->job);
		free(waiting);
		waiting = next;
	}
}

void
pool_free(struct pool *pool)
{
	if (pool == NULL)
		return;
	free_waiting(pool, pool->delayed);
	free_waiting(pool, pool->queue);
	while (pool->active.next != &pool->active)
	{
		struct session *session = session_of_link(pool->active.next);

		link_remove(session_link(session));
		session_free(session);
	}
	while (pool->kept.next != &pool->kept)
		drop_kept(pool, session_of_link(pool->kept.next));
	resolver_free(pool->engine.resolver);
	key_ring_clear(&pool->engine.keys);
	known_hosts_ring_clear(&pool->engine.known_hosts);
	libssh2_exit();
	free(pool->free_places);
	free(pool);
}
