/*
 * poller_process.h: one poller as a child process: start, bytes to and from
 * it, end.  Knows frames but no jobs.
 */
#ifndef TRIBE_POWER_POLLER_PROCESS_H
#define TRIBE_POWER_POLLER_PROCESS_H

#include "postgres.h"

#include "datatype/timestamp.h"

#include "common/under_way.h"
#include "common/wire.h"

typedef struct PollerProcess
{
	pid_t		pid;			/* 0: none runs */
	int			fd;				/* -1: none */
	int			table_fd;		/* the table of common/under_way.h; -1: none */
	struct poller_settings settings;	/* that it was started with … */
	TimestampTz started;		/* … and when, in ticks */
	bool		ready;			/* it has answered our settings */
	TimestampTz heard;			/* last time it said anything, in ticks */
	uint8_t    *out;			/* frames that the socket has not taken yet */
	size_t		out_length,
				out_sent,
				out_capacity;
	uint8_t    *in;
	size_t		in_length;
	char		end_reason[128];	/* why it ended, or could not start */
} PollerProcess;

/* Sets it up, buffers in context; nothing runs yet. */
extern void poller_process_init(PollerProcess *process, MemoryContext context);

/* Starts it and queues the settings; false with end_reason. */
extern bool poller_process_start(PollerProcess *process,
								 const struct poller_settings *settings);

/*
 * Reads entries of the table of what is under way, from place first on, also once the
 * poller is gone: how many, at most count; 0 at the end of the table.
 */
extern int	poller_process_under_way(const PollerProcess *process, int first,
									 struct under_way *entries, int count);

/* Ends it, whatever state it is in, within a fraction of a second.  expected:
 * we end it; else it is gone already and end_reason tells how. */
extern void poller_process_end(PollerProcess *process, bool expected);

/* Room for one more frame; poller_process_queued() then takes what was put. */
extern void poller_process_reserve(PollerProcess *process, struct wire_writer *writer);
extern void poller_process_queued(PollerProcess *process, const struct wire_writer *writer);

/* Frames wait for the socket to take them. */
extern bool poller_process_unsent(const PollerProcess *process);

/* Sends what the socket takes; false if the poller is gone. */
extern bool poller_process_flush(PollerProcess *process);

/* Takes what has come, frame by frame; false if the poller ended, spoke
 * another protocol or another version, or handle said false. */
extern bool poller_process_read(PollerProcess *process,
								bool (*handle) (void *arg, const struct wire_frame *frame),
								void *arg);

#endif
