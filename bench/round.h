/*
 * round.h: what the files of the benchmark's driver share: options, clocks.
 *
 * The driver (build/bench/round) runs one round over many nodes in one way and
 * prints what it cost the client.  It links build/libtribe_power.a and knows no
 * PostgreSQL; bench/poll calls it, in turns with the other ways.
 */
#ifndef ROUND_H
#define ROUND_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct options
{
	char	  **hosts;			/* addresses, NULL-terminated */
	int			host_count;
	uint16_t	port;
	const char *user;
	const char *identity;
	const char *host_key;		/* "type key", the same for all nodes */
	const char *poller;			/* path of the program */
	const char *input;			/* what each ssh gets on its stdin */
	const char *output;			/* file or folder that takes what comes back */
	const char *jobs;			/* lines "host<TAB>remote command" */
	uint32_t	window_ms;
	int			parallel;
	int			rounds;			/* measured ones */
	bool		keep;			/* keep the sessions between rounds */
	char	  **command;		/* what stands behind the options */
};

/* The ways; each prints one line "wall=… cpu=…" a round, seconds, and maybe
 * more words of that kind.  They end the program when a node gives no answer:
 * a round that failed must not count as a fast one. */
void		run_poller(const struct options *options);
void		run_each(const struct options *options);
void		run_whole(const struct options *options);
void		run_masters(const struct options *options);
void		run_floor(void);

/* Seconds. */
double		wall_now(void);
/* user + system of this process and of all children that were waited for. */
double		cpu_spent(void);
/* The same of one running process; 0 when it is gone. */
double		cpu_of(pid_t pid);
/* Waits until the processes have used no CPU for a while. */
void		wait_until_idle(const pid_t *pids, int count);

/* KiB from a line of a file in /proc/PID, 0 if it cannot be read. */
long		memory_of(pid_t pid, const char *file, const char *key);

void		die(const char *format,...) __attribute__((noreturn, format(printf, 1, 2)));

#endif
