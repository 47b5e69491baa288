/*
 * machine.c: see machine.h.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>

#include "expr.h"
#include "machine.h"

#define MAX_TRUTHS 64

/* What a column of tribe_power_metrics should hold. */
struct truth
{
	char		name[NAME_SIZE];
	char	   *expression;
};

struct entry entries[MAX_ENTRIES];
int			n_entries;
static struct truth truths[MAX_TRUTHS];
static int	n_truths;
static char boot_id[37];
static long long boot_epoch;	/* wall clock at boot */
static double stepped;			/* seconds that the wall clock was set forward */
static long woken;				/* how often a device was woken by a reader */

/* How far the machine's wall clock is from the real one. */
static double
clock_offset(void)
{
	return stepped + time_passed();
}

void
die(const char *what, const char *detail)
{
	fprintf(stderr, "hwfs: %s: %s\n", what, detail ? detail : strerror(errno));
	exit(1);
}

static void
boot(double uptime)
{
	unsigned char b[16];

	/* what chmod did to /sys is gone */
	for (int i = 0; i < n_entries; i++)
	{
		if (entries[i].mode_at_boot != 0)
			entries[i].mode = entries[i].mode_at_boot;
		entries[i].mode_at_boot = 0;
		entries[i].group = 0;
	}
	numbers_reboot(uptime);
	boot_epoch = time(NULL) + (time_t) (clock_offset() - uptime);

	if (getrandom(b, sizeof(b), 0) != sizeof(b))
		die("getrandom", NULL);
	b[6] = (b[6] & 0x0f) | 0x40;
	b[8] = (b[8] & 0x3f) | 0x80;
	for (int i = 0, at = 0; i < 16; i++)
		at += sprintf(boot_id + at, "%s%02x",
					  i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "", b[i]);
}

/* --- what a file says --------------------------------------------------------- */

/* Prints what stands between @{ and }. */
static void
print_field(FILE *out, const char *text, size_t length, double now)
{
	const char *colon = memchr(text, ':', length);
	char		format[16] = "%.0f";
	double		value;

	if (length == 7 && memcmp(text, "boot_id", 7) == 0)
	{
		fputs(boot_id, out);
		return;
	}
	if (length == 10 && memcmp(text, "boot_epoch", 10) == 0)
	{
		fprintf(out, "%lld", boot_epoch);
		return;
	}
	if (length == 12 && memcmp(text, "clock_offset", 12) == 0)
	{
		fprintf(out, "%.0f", clock_offset());
		return;
	}
	if (colon && (strncmp(text, "iso:", 4) == 0 || strncmp(text, "epoch:", 6) == 0))
	{
		struct timespec ts;
		time_t		then;

		if (!evaluate(colon + 1, text + length - colon - 1, now, &value))
			return;
		clock_gettime(CLOCK_REALTIME, &ts);
		then = ts.tv_sec + (time_t) (clock_offset() - value);
		if (*text == 'i')
		{
			char		iso[32];
			struct tm	tm;

			strftime(iso, sizeof(iso), "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&then, &tm));
			fputs(iso, out);
		}
		else
			fprintf(out, "%lld", (long long) then);
		return;
	}
	if (colon)
	{
		size_t		n = text + length - colon - 1;

		if (n < 2 || n >= sizeof(format) || colon[1] != '%' || colon[n] != 'f' ||
			strspn(colon + 2, ".0123456789") != n - 2)
		{
			fprintf(stderr, "bad format in \"%.*s\"\n", (int) length, text);
			return;
		}
		memcpy(format, colon + 1, n);
		format[n] = '\0';
		length = colon - text;
	}
	if (!evaluate(text, length, now, &value))
		return;
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	fprintf(out, format, value);
#pragma GCC diagnostic pop
}

char *
machine_content(const struct entry *entry, size_t *length)
{
	double		now = monotonic();
	char	   *content = NULL;
	FILE	   *out = open_memstream(&content, length);

	if (out == NULL)
		abort();
	for (const char *at = entry->text; *at;)
	{
		const char *field = strstr(at, "@{");
		const char *end = field ? strchr(field, '}') : NULL;

		if (end == NULL)
		{
			fputs(at, out);
			break;
		}
		fwrite(at, 1, field - at, out);
		print_field(out, field + 2, end - field - 2, now);
		at = end + 1;
	}
	fclose(out);
	return content;
}

double
machine_age(const struct entry *entry)
{
	double		age = 0;

	if (entry->age)
		evaluate(entry->age, strlen(entry->age), monotonic(), &age);
	/* by the machine's own clock */
	return age - clock_offset();
}

void
machine_woken(void)
{
	woken++;
}

struct entry *
machine_find(const char *path)
{
	for (int i = 0; i < n_entries; i++)
		if (strcmp(entries[i].path, path) == 0)
			return &entries[i];
	return NULL;
}

bool
machine_hides(const char *path)
{
	for (int i = 0; i < n_entries; i++)
	{
		size_t		n = strlen(entries[i].path);

		if (entries[i].hidden && strncmp(entries[i].path, path, n) == 0 &&
			(path[n] == '\0' || path[n] == '/'))
			return true;
	}
	return false;
}

/* --- the definition -------------------------------------------------------------- */

static char *
copy(const char *text)
{
	char	   *result = strdup(text);

	if (result == NULL)
		abort();
	return result;
}

/* Adds a path, with the directories that lead to it; a second time replaces. */
static struct entry *
add_entry(const char *path, mode_t mode, const char *text)
{
	struct entry *e;
	char	   *slash;
	char		parent[PATH_MAX];

	while (*path == '/')
		path++;
	snprintf(parent, sizeof(parent), "%s", path);
	if ((slash = strrchr(parent, '/')) != NULL)
	{
		*slash = '\0';
		if (machine_find(parent) == NULL)
			add_entry(parent, S_IFDIR | 0755, "");
	}
	if ((e = machine_find(path)) == NULL)
	{
		if (n_entries == MAX_ENTRIES)
			die("too many files", path);
		e = &entries[n_entries++];
		e->path = copy(path);
	}
	e->mode = mode;
	e->text = copy(text);
	return e;
}

static void
append(char **text, const char *more)
{
	char	   *longer;

	if (asprintf(&longer, "%s%s\n", *text, more) < 0)
		abort();
	free(*text);
	*text = longer;
}

/* One line; last is the file that "|" lines go on with. */
static bool
define(char *line, struct entry **last)
{
	char		a[PATH_MAX],
				b[NAME_SIZE];
	double		x,
				y,
				z = 1e6;
	unsigned	mode;
	int			n = 0;

	if (*line == '|')
	{
		if (*last)
			append(&(*last)->text, line[1] == ' ' ? line + 2 : line + 1);
		return *last != NULL;
	}
	*last = NULL;
	if (*line == '#' || *line == '\0' || strncmp(line, "is ", 3) == 0)
		return true;
	if (sscanf(line, "var %63s %lf", b, &x) == 2)
		variable_add(b, x);
	else if (sscanf(line, "counter %63s %4095s %lf %lf %lf", b, a, &x, &y, &z) >= 4)
		return counter_add(b, a, x, y, z);
	else if (sscanf(line, "dir %4095s", a) == 1)
		add_entry(a, S_IFDIR | 0755, "");
	else if (sscanf(line, "link %4095s %n", a, &n) == 1 && n > 0)
		add_entry(a, S_IFLNK | 0777, line + n);
	else if (sscanf(line, "file %4095s %o = %n", a, &mode, &n) == 2 && n > 0)
		append(&add_entry(a, S_IFREG | mode, "")->text, line + n);
	else if (sscanf(line, "file %4095s %o", a, &mode) == 2)
		*last = add_entry(a, S_IFREG | mode, "");
	else if (sscanf(line, "age %4095s %n", a, &n) == 1 && n > 0 && machine_find(a))
		machine_find(a)->age = copy(line + n);
	else if (sscanf(line, "without %4095s", a) == 1 && machine_find(a))
		machine_find(a)->hidden = true;
	else if (sscanf(line, "wakes %4095s", a) == 1 && machine_find(a))
		machine_find(a)->wakes = true;
	else if (strncmp(line, "unknown ", 8) == 0)
	{
		for (char *name = strtok(line + 8, " "); name; name = strtok(NULL, " "))
			for (int i = 0; i < n_truths; i++)
				if (strcmp(truths[i].name, name) == 0)
					truths[i] = truths[--n_truths];
	}
	else if (sscanf(line, "truth %63s %n", b, &n) == 1 && n > 0)
	{
		struct truth *t = NULL;

		for (int i = 0; i < n_truths; i++)
			if (strcmp(truths[i].name, b) == 0)
				t = &truths[i];
		if (t == NULL)
		{
			if (n_truths == MAX_TRUTHS)
				die("too many truths", b);
			t = &truths[n_truths++];
		}
		snprintf(t->name, sizeof(t->name), "%s", b);
		t->expression = copy(line + n);
	}
	else
		return false;
	return true;
}

void
machine_read(const char *file)
{
	FILE	   *in = fopen(file, "r");
	char	   *line = NULL;
	size_t		size = 0;
	ssize_t		n;
	struct entry *last = NULL;
	struct timespec ts;

	if (in == NULL)
		die(file, NULL);

	/* the real uptime, until told otherwise */
	clock_gettime(CLOCK_BOOTTIME, &ts);
	boot(ts.tv_sec + ts.tv_nsec / 1e9);

	while ((n = getline(&line, &size, in)) >= 0)
	{
		if (n > 0 && line[n - 1] == '\n')
			line[n - 1] = '\0';
		if (!define(line, &last))
			die("do not understand", line);
	}
	free(line);
	fclose(in);
}

/* --- commands ---------------------------------------------------------------------- */

static void
print_truth(FILE *out)
{
	double		now = monotonic();
	double		value;

	fprintf(out, "now=%.6f\nuptime=%.6f\nboot_id=%s\nwoken=%ld\n", now, uptime_at(now), boot_id, woken);
	for (int i = 0; i < variable_count(); i++)
	{
		char		joules[NAME_SIZE + 16];

		snprintf(joules, sizeof(joules), "joules(%s)", variable_name(i));
		evaluate(joules, strlen(joules), now, &value);
		fprintf(out, "%s=%.10g\n%s.joules=%.9f\n", variable_name(i),
				variable_value(i), variable_name(i), value);
	}
	for (int i = 0; i < n_truths; i++)
		if (evaluate(truths[i].expression, strlen(truths[i].expression), now, &value))
			fprintf(out, "truth.%s=%.12g\n", truths[i].name, value);
}

static const struct
{
	const char *name;
	int			code;
}			faults[] = {
	{"off", 0}, {"EACCES", EACCES}, {"ENODATA", ENODATA}, {"EIO", EIO},
	{"EINVAL", EINVAL}, {"ENODEV", ENODEV}, {"EAGAIN", EAGAIN},
};

static int
fault_code(const char *name)
{
	for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++)
		if (strcmp(faults[i].name, name) == 0)
			return faults[i].code;
	return -1;
}

bool
machine_command(char *line, FILE *out, struct entry **changed)
{
	char		a[PATH_MAX],
				b[64];
	double		x = 5;
	unsigned	mode;
	int			n = 0;
	struct entry *e = NULL;

	if (strcmp(line, "truth") == 0)
	{
		print_truth(out);
		return true;
	}
	if (strncmp(line, "reboot", 6) == 0)
	{
		sscanf(line, "reboot %lf", &x);
		boot(x);
		return true;
	}
	if (sscanf(line, "pass %lf", &x) == 1 && x >= 0)
	{
		time_pass(x);
		return true;
	}
	if (sscanf(line, "suspend %lf", &x) == 1 && x >= 0)
	{
		time_suspended(x);
		return true;
	}
	if (sscanf(line, "clock %lf", &x) == 1)
	{
		/* a kernel that is told another time counts its boot from there */
		stepped += x;
		boot_epoch += (long long) x;
		return true;
	}
	if (sscanf(line, "set %63[^=]=%lf", b, &x) == 2)
		return variable_set(b, x);
	if (sscanf(line, "wrap %63s %lf", b, &x) >= 1)
		return counter_wrap_in(b, x);
	if (sscanf(line, "jump %63s %lf", b, &x) == 2)
		return counter_jump(b, x);

	if (sscanf(line, "%*s %4095s", a) == 1)
		e = machine_find(a[0] == '/' ? a + 1 : a);
	if (sscanf(line, "put %4095s %n", a, &n) == 1 && n > 0)
	{
		if (e == NULL)
			e = add_entry(a, S_IFREG | 0444, "");
		e->text = copy("");
		append(&e->text, line + n);
		*changed = e;
		return true;
	}
	*changed = e;
	if (e == NULL)
		return false;
	if (sscanf(line, "fault %*s %63s", b) == 1)
	{
		e->fault = fault_code(b);
		return e->fault >= 0;
	}
	if (sscanf(line, "delay %*s %lf", &x) == 1)
		e->delay = x;
	else if (sscanf(line, "mode %*s %o", &mode) == 1)
		e->mode = (e->mode & S_IFMT) | (mode & 07777);
	else if (strncmp(line, "hide ", 5) == 0)
		e->hidden = true;
	else if (strncmp(line, "show ", 5) == 0)
		e->hidden = false;
	else
		return false;
	return true;
}
