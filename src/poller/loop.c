/*
 * loop.c: epoll and a heap of timers (loop.h).  Knows nothing of SSH.
 */
#include "loop.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#define BATCH 128

struct loop
{
	int			epoll_fd;
	struct epoll_event batch[BATCH];
	int			batch_size;
	struct timer **heap;		/* from 1; the earliest on top */
	size_t		timer_count;
	size_t		heap_capacity;
};

struct loop *
loop_create(void)
{
	struct loop *loop = calloc(1, sizeof(*loop));

	if (loop == NULL)
		return NULL;
	loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (loop->epoll_fd < 0)
	{
		free(loop);
		return NULL;
	}
	return loop;
}

void
loop_free(struct loop *loop)
{
	if (loop == NULL)
		return;
	close(loop->epoll_fd);
	free(loop->heap);
	free(loop);
}

int64_t
loop_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t) now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* --- descriptors ------------------------------------------------------------- */

bool
loop_watch(struct loop *loop, struct watch *watch, int fd, uint32_t events)
{
	struct epoll_event event = {.events = events, .data.ptr = watch};

	if (watch->fd == fd && watch->events == events)
		return true;
	if (epoll_ctl(loop->epoll_fd, watch->fd == fd ? EPOLL_CTL_MOD : EPOLL_CTL_ADD,
				  fd, &event) != 0)
		return false;
	watch->fd = fd;
	watch->events = events;
	return true;
}

void
loop_unwatch(struct loop *loop, struct watch *watch)
{
	if (watch->fd < 0)
		return;
	epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, watch->fd, NULL);
	watch->fd = -1;
	watch->events = 0;

	/* what this turn still had to say to it is taken back */
	for (int i = 0; i < loop->batch_size; i++)
		if (loop->batch[i].data.ptr == watch)
			loop->batch[i].data.ptr = NULL;
}

/* --- timers ------------------------------------------------------------------ */

static void
heap_put(struct loop *loop, size_t position, struct timer *timer)
{
	loop->heap[position] = timer;
	timer->position = position;
}

static void
heap_settle(struct loop *loop, size_t position)
{
	struct timer *timer = loop->heap[position];

	while (position > 1 && loop->heap[position / 2]->due > timer->due)
	{
		heap_put(loop, position, loop->heap[position / 2]);
		position /= 2;
	}
	for (;;)
	{
		size_t		child = position * 2;

		if (child > loop->timer_count)
			break;
		if (child < loop->timer_count && loop->heap[child + 1]->due < loop->heap[child]->due)
			child++;
		if (loop->heap[child]->due >= timer->due)
			break;
		heap_put(loop, position, loop->heap[child]);
		position = child;
	}
	heap_put(loop, position, timer);
}

bool
loop_set_timer(struct loop *loop, struct timer *timer, int64_t due)
{
	if (timer->position == 0)
	{
		if (loop->timer_count + 1 >= loop->heap_capacity)
		{
			size_t		capacity = loop->heap_capacity > 0 ? loop->heap_capacity * 2 : 64;
			struct timer **heap = realloc(loop->heap, capacity * sizeof(*heap));

			if (heap == NULL)
				return false;
			loop->heap = heap;
			loop->heap_capacity = capacity;
		}
		heap_put(loop, ++loop->timer_count, timer);
	}
	timer->due = due;
	heap_settle(loop, timer->position);
	return true;
}

void
loop_clear_timer(struct loop *loop, struct timer *timer)
{
	size_t		position = timer->position;
	struct timer *last;

	if (position == 0)
		return;
	timer->position = 0;
	last = loop->heap[loop->timer_count--];
	if (last != timer)
	{
		heap_put(loop, position, last);
		heap_settle(loop, position);
	}
}

/* --- the turn ---------------------------------------------------------------- */

static int
milliseconds_to_wait(const struct loop *loop)
{
	int64_t		wait;

	if (loop->timer_count == 0)
		return -1;
	wait = loop->heap[1]->due - loop_now();
	if (wait <= 0)
		return 0;
	/* rounded up, or the last fraction would be spent turning idly */
	wait = (wait + 999) / 1000;
	return wait > INT_MAX ? INT_MAX : (int) wait;
}

bool
loop_turn(struct loop *loop)
{
	int			count = epoll_wait(loop->epoll_fd, loop->batch, BATCH,
								   milliseconds_to_wait(loop));
	int64_t		now;

	if (count < 0)
	{
		if (errno != EINTR)
			return false;
		count = 0;
	}

	/* what has come is served before what has run out */
	loop->batch_size = count;
	for (int i = 0; i < loop->batch_size; i++)
	{
		struct watch *watch = loop->batch[i].data.ptr;

		if (watch != NULL)
			watch->ready(watch, loop->batch[i].events);
	}
	loop->batch_size = 0;

	now = loop_now();
	while (loop->timer_count > 0 && loop->heap[1]->due <= now)
	{
		struct timer *timer = loop->heap[1];

		loop_clear_timer(loop, timer);
		timer->expired(timer);
	}
	return true;
}
