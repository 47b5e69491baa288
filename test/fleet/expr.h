/*
 * expr.h: the fake machine's numbers: variables that hold until they are set
 * anew, their exact integrals over time, and arithmetic over both.  Used by
 * hwfs.c alone; knows nothing of files.
 */
#ifndef FLEET_EXPR_H
#define FLEET_EXPR_H

#include <stdbool.h>
#include <stddef.h>

#define NAME_SIZE 64

/* A quantity, e.g. watts, and what has flowed so far. */
struct variable
{
	char		name[NAME_SIZE];
	double		value;
	double		since;			/* monotonic time up to which the sums go */
	double		total;			/* value x seconds since the machine was made */
	double		boot;			/* the same, since its last boot */
};

/* A register that counts a variable's integral and wraps at its range. */
struct counter
{
	char		name[NAME_SIZE];
	int			variable;
	double		range;			/* the value after which it starts at 0 */
	double		start;			/* what it showed at boot */
	double		scale;			/* counts per unit of the integral */
};

/* The machine's time: the real one, and what was skipped. */
double		monotonic(void);
/* As if so many seconds went by, with everything running on. */
void		time_pass(double seconds);
double		time_passed(void);
/* As if it had been suspended so long: uptime goes on, nothing flows. */
void		time_suspended(double seconds);
void		variable_add(const char *name, double value);
bool		variable_set(const char *name, double value);
bool		counter_add(const char *name, const char *variable, double range,
						double start, double scale);
/* Sets the range so that the counter wraps in so many seconds at today's rate;
 * it counts on without a jump. */
bool		counter_wrap_in(const char *name, double seconds);
/* Makes it show another value at once, which nothing has flowed for. */
bool		counter_jump(const char *name, double value);
/* Counters and integrals restart; uptime is what the machine then shows. */
void		numbers_reboot(double uptime);
double		uptime_at(double now);

int			variable_count(void);
const char *variable_name(int i);
double		variable_value(int i);

/*
 * Evaluates + - * / % ( ), numbers, variables, counters, uptime, awake (the same
 * without suspends), and joules(x) (since the beginning), integral(x) (since boot) of a variable and
 * range(x) of a counter, all at the instant now.  False, and the culprit on stderr, if it makes no sense.
 */
bool		evaluate(const char *text, size_t length, double now, double *result);

#endif
