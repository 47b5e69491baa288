/*
 * loop.h: the one event loop of the poller: descriptors and timers.
 *
 * Single-threaded.  A watch and a timer live inside the object they wake, and
 * may be stopped at any moment, also from within another one's callback of the
 * same turn: a stopped watch is never called again, so its descriptor's number
 * may be used anew at once.
 */
#ifndef TRIBE_POWER_LOOP_H
#define TRIBE_POWER_LOOP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct loop;
struct watch;
struct timer;

typedef void (*watch_callback) (struct watch *watch, uint32_t events);
typedef void (*timer_callback) (struct timer *timer);

struct watch
{
	int			fd;				/* -1 while not watched */
	uint32_t	events;
	watch_callback ready;
	void	   *owner;
};

struct timer
{
	size_t		position;		/* in the heap, from 1; 0 while not set */
	int64_t		due;			/* microseconds, monotonic */
	timer_callback expired;
	void	   *owner;
};

/* NULL if the kernel gives no epoll descriptor. */
struct loop *loop_create(void);
void		loop_free(struct loop *loop);

/* Microseconds of the monotonic clock, now. */
int64_t		loop_now(void);

/* Level-triggered EPOLLIN, EPOLLOUT.  False when the kernel refuses. */
bool		loop_watch(struct loop *loop, struct watch *watch, int fd, uint32_t events);
void		loop_unwatch(struct loop *loop, struct watch *watch);

/* Sets, or moves if it was set.  False only when out of memory. */
bool		loop_set_timer(struct loop *loop, struct timer *timer, int64_t due);
void		loop_clear_timer(struct loop *loop, struct timer *timer);

/* Waits for what comes next and serves it.  False if epoll itself failed. */
bool		loop_turn(struct loop *loop);

#endif
