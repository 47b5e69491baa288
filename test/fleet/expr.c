/*
 * expr.c: see expr.h.
 */
#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "expr.h"

#define MAX_VARIABLES 128
#define MAX_COUNTERS 64

static struct variable variables[MAX_VARIABLES];
static int	n_variables;
static struct counter counters[MAX_COUNTERS];
static int	n_counters;
static double booted;			/* monotonic time at which uptime was 0 */
static double passed;			/* seconds that were skipped */
static double asleep;			/* seconds suspended, since the boot */

double
monotonic(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9 + passed;
}

void
time_pass(double seconds)
{
	passed += seconds;
}

void
time_suspended(double seconds)
{
	booted -= seconds;
	asleep += seconds;
}

double
time_passed(void)
{
	return passed;
}

static int
find_variable(const char *name, size_t length)
{
	for (int i = 0; i < n_variables; i++)
		if (strlen(variables[i].name) == length &&
			memcmp(variables[i].name, name, length) == 0)
			return i;
	return -1;
}

static struct counter *
find_counter(const char *name, size_t length)
{
	for (int i = 0; i < n_counters; i++)
		if (strlen(counters[i].name) == length &&
			memcmp(counters[i].name, name, length) == 0)
			return &counters[i];
	return NULL;
}

/* Brings the sums up to now. */
static void
settle(struct variable *v, double now)
{
	if (now > v->since)
	{
		v->total += v->value * (now - v->since);
		v->boot += v->value * (now - v->since);
		v->since = now;
	}
}

void
variable_add(const char *name, double value)
{
	struct variable *v;
	int			i = find_variable(name, strlen(name));

	if (i < 0 && n_variables == MAX_VARIABLES)
		abort();
	v = &variables[i >= 0 ? i : n_variables++];
	memset(v, 0, sizeof(*v));
	snprintf(v->name, sizeof(v->name), "%s", name);
	v->value = value;
	v->since = monotonic();
}

bool
variable_set(const char *name, double value)
{
	int			i = find_variable(name, strlen(name));

	if (i < 0)
		return false;
	settle(&variables[i], monotonic());
	variables[i].value = value;
	return true;
}

bool
counter_add(const char *name, const char *variable, double range, double start,
			double scale)
{
	struct counter *c = find_counter(name, strlen(name));
	int			i = find_variable(variable, strlen(variable));

	if (i < 0 || !(range > 0))
		return false;
	if (c == NULL)
	{
		if (n_counters == MAX_COUNTERS)
			abort();
		c = &counters[n_counters++];
	}
	snprintf(c->name, sizeof(c->name), "%s", name);
	c->variable = i;
	c->range = range;
	c->start = start;
	c->scale = scale;
	return true;
}

static double
counter_value(const struct counter *c, double now)
{
	struct variable *v = &variables[c->variable];

	settle(v, now);
	/* what it showed at boot may have been moved below 0 by a jump */
	return floor(fmod(fmod(c->start + v->boot * c->scale, c->range) + c->range, c->range));
}

bool
counter_wrap_in(const char *name, double seconds)
{
	struct counter *c = find_counter(name, strlen(name));
	struct variable *v;
	double		shown;

	if (c == NULL)
		return false;
	v = &variables[c->variable];
	settle(v, monotonic());
	shown = fmod(c->start + v->boot * c->scale, c->range);
	c->start = shown - v->boot * c->scale;
	c->range = fmax(1, ceil(shown + v->value * c->scale * seconds));
	return true;
}

bool
counter_jump(const char *name, double value)
{
	struct counter *c = find_counter(name, strlen(name));
	struct variable *v;

	if (c == NULL || value < 0 || value >= c->range)
		return false;
	v = &variables[c->variable];
	settle(v, monotonic());
	c->start = value - v->boot * c->scale;
	return true;
}

void
numbers_reboot(double uptime)
{
	double		now = monotonic();

	for (int i = 0; i < n_variables; i++)
	{
		settle(&variables[i], now);
		variables[i].boot = 0;
	}
	for (int i = 0; i < n_counters; i++)
		counters[i].start = 0;
	booted = now - uptime;
	asleep = 0;
}

double
uptime_at(double now)
{
	return now - booted;
}

int
variable_count(void)
{
	return n_variables;
}

const char *
variable_name(int i)
{
	return variables[i].name;
}

double
variable_value(int i)
{
	return variables[i].value;
}

/* --- arithmetic: a descent through sum, product, factor -------------------- */

struct cursor
{
	const char *at;
	const char *end;
	double		now;
	bool		failed;
};

static double sum(struct cursor *c);

static char
peek(struct cursor *c)
{
	while (c->at < c->end && isspace((unsigned char) *c->at))
		c->at++;
	return c->at < c->end ? *c->at : '\0';
}

static bool
take(struct cursor *c, char wanted)
{
	if (peek(c) != wanted)
		return false;
	c->at++;
	return true;
}

static double
named(struct cursor *c)
{
	const char *name = c->at;
	size_t		length;
	struct counter *counter;
	int			i;

	while (c->at < c->end && (isalnum((unsigned char) *c->at) || *c->at == '_'))
		c->at++;
	length = c->at - name;

	if (take(c, '('))
	{
		bool		total = length == 6 && memcmp(name, "joules", 6) == 0;
		bool		boot = length == 8 && memcmp(name, "integral", 8) == 0;
		bool		range = length == 5 && memcmp(name, "range", 5) == 0;
		const char *inner;

		peek(c);
		inner = c->at;
		while (c->at < c->end && (isalnum((unsigned char) *c->at) || *c->at == '_'))
			c->at++;
		if (range && (counter = find_counter(inner, c->at - inner)) && take(c, ')'))
			return counter->range;
		i = find_variable(inner, c->at - inner);
		if ((!total && !boot) || i < 0 || !take(c, ')'))
		{
			c->failed = true;
			return 0;
		}
		settle(&variables[i], c->now);
		return total ? variables[i].total : variables[i].boot;
	}
	if (length == 6 && memcmp(name, "uptime", 6) == 0)
		return uptime_at(c->now);
	if (length == 5 && memcmp(name, "awake", 5) == 0)
		return uptime_at(c->now) - asleep;
	if ((i = find_variable(name, length)) >= 0)
		return variables[i].value;
	if ((counter = find_counter(name, length)) != NULL)
		return counter_value(counter, c->now);
	c->failed = true;
	return 0;
}

static double
factor(struct cursor *c)
{
	char		next = peek(c);
	double		value = 0;

	if (take(c, '-'))
		return -factor(c);
	if (take(c, '('))
	{
		value = sum(c);
		if (!take(c, ')'))
			c->failed = true;
	}
	else if (isdigit((unsigned char) next) || next == '.')
	{
		char	   *end;

		value = strtod(c->at, &end);
		c->at = end;
	}
	else if (isalpha((unsigned char) next) || next == '_')
		value = named(c);
	else
		c->failed = true;
	return value;
}

static double
product(struct cursor *c)
{
	double		value = factor(c);

	while (!c->failed)
	{
		if (take(c, '*'))
			value *= factor(c);
		else if (take(c, '/'))
			value /= factor(c);
		else if (take(c, '%'))
			value = fmod(value, factor(c));
		else
			break;
	}
	return value;
}

static double
sum(struct cursor *c)
{
	double		value = product(c);

	while (!c->failed)
	{
		if (take(c, '+'))
			value += product(c);
		else if (take(c, '-'))
			value -= product(c);
		else
			break;
	}
	return value;
}

bool
evaluate(const char *text, size_t length, double now, double *result)
{
	struct cursor c = {text, text + length, now, false};

	*result = sum(&c);
	if (c.failed || peek(&c) != '\0')
	{
		fprintf(stderr, "cannot evaluate \"%.*s\"\n", (int) length, text);
		return false;
	}
	return true;
}
