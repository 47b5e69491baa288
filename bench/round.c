/*
 * round.c: the driver's command line and clocks (round.h).
 */
#define _GNU_SOURCE
#include "round.h"

#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "../src/poller/probe_script.h"

void
die(const char *format,...)
{
	va_list		arguments;

	fprintf(stderr, "round: ");
	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fprintf(stderr, "\n");
	exit(1);
}

/* --- clocks ------------------------------------------------------------------ */

double
wall_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec + now.tv_nsec / 1e9;
}

static double
seconds(const struct rusage *usage)
{
	return usage->ru_utime.tv_sec + usage->ru_stime.tv_sec +
		(usage->ru_utime.tv_usec + usage->ru_stime.tv_usec) / 1e6;
}

double
cpu_spent(void)
{
	struct rusage self,
				children;

	getrusage(RUSAGE_SELF, &self);
	getrusage(RUSAGE_CHILDREN, &children);
	return seconds(&self) + seconds(&children);
}

double
cpu_of(pid_t pid)
{
	clockid_t	clock;
	struct timespec spent;

	if (clock_getcpuclockid(pid, &clock) != 0 || clock_gettime(clock, &spent) != 0)
		return 0;
	return spent.tv_sec + spent.tv_nsec / 1e9;
}

void
wait_until_idle(const pid_t *pids, int count)
{
	const struct timespec moment = {0, 20 * 1000 * 1000};
	double		last = -1;

	for (int quiet = 0; quiet < 5; quiet++)
	{
		double		spent = 0;

		for (int i = 0; i < count; i++)
			spent += cpu_of(pids[i]);
		if (spent != last)
			quiet = 0;
		last = spent;
		nanosleep(&moment, NULL);
	}
}

long
memory_of(pid_t pid, const char *file, const char *key)
{
	char		path[64];
	char		line[256];
	long		kib = 0;
	FILE	   *stream;

	snprintf(path, sizeof(path), "/proc/%d/%s", (int) pid, file);
	stream = fopen(path, "r");
	if (stream == NULL)
		return 0;
	while (fgets(line, sizeof(line), stream) != NULL)
		if (strncmp(line, key, strlen(key)) == 0)
			kib = atol(line + strlen(key));
	fclose(stream);
	return kib;
}

/* --- the command line -------------------------------------------------------- */

static char **
read_hosts(const char *path, int *count)
{
	FILE	   *stream = fopen(path, "r");
	char	  **hosts = calloc(1, sizeof(*hosts));
	char	   *line = NULL;
	size_t		size = 0;
	ssize_t		length;

	if (stream == NULL || hosts == NULL)
		die("%s: %s", path, strerror(errno));
	*count = 0;
	while ((length = getline(&line, &size, stream)) > 0)
	{
		if (line[length - 1] == '\n')
			line[length - 1] = '\0';
		hosts = realloc(hosts, (*count + 2) * sizeof(*hosts));
		if (hosts == NULL || (hosts[*count] = strdup(line)) == NULL)
			die("out of memory");
		hosts[++*count] = NULL;
	}
	free(line);
	fclose(stream);
	return hosts;
}

static int
positive(const char *text)
{
	int			number = atoi(text);

	if (number < 1)
		die("wrong number \"%s\"", text);
	return number;
}

static struct options
read_options(int argc, char **argv)
{
	static const struct option names[] = {
		{"hosts", required_argument, NULL, 'h'},
		{"port", required_argument, NULL, 'p'},
		{"user", required_argument, NULL, 'u'},
		{"identity", required_argument, NULL, 'i'},
		{"host-key", required_argument, NULL, 'k'},
		{"poller", required_argument, NULL, 'b'},
		{"input", required_argument, NULL, 'I'},
		{"output", required_argument, NULL, 'O'},
		{"jobs", required_argument, NULL, 'j'},
		{"window", required_argument, NULL, 'w'},
		{"parallel", required_argument, NULL, 'n'},
		{"rounds", required_argument, NULL, 'r'},
		{"keep", no_argument, NULL, 'K'},
		{NULL, 0, NULL, 0}
	};
	struct options options = {
		.input = "/dev/null", .window_ms = 100, .parallel = 50, .rounds = 1
	};
	int			option;

	while ((option = getopt_long(argc, argv, "+", names, NULL)) != -1)
		switch (option)
		{
			case 'h':
				options.hosts = read_hosts(optarg, &options.host_count);
				break;
			case 'p':
				options.port = positive(optarg);
				break;
			case 'u':
				options.user = optarg;
				break;
			case 'i':
				options.identity = optarg;
				break;
			case 'k':
				options.host_key = optarg;
				break;
			case 'b':
				options.poller = optarg;
				break;
			case 'I':
				options.input = optarg;
				break;
			case 'O':
				options.output = optarg;
				break;
			case 'j':
				options.jobs = optarg;
				break;
			case 'w':
				options.window_ms = positive(optarg);
				break;
			case 'n':
				options.parallel = positive(optarg);
				break;
			case 'r':
				options.rounds = positive(optarg);
				break;
			case 'K':
				options.keep = true;
				break;
			default:
				exit(2);
		}
	options.command = argv + optind;
	return options;
}

int
main(int argc, char **argv)
{
	struct options options;
	const char *way = argc > 1 ? argv[1] : "";

	if (argc > 1)
		options = read_options(argc - 1, argv + 1);
	if (strcmp(way, "poller") == 0)
		run_poller(&options);
	else if (strcmp(way, "each") == 0)
		run_each(&options);
	else if (strcmp(way, "masters") == 0)
		run_masters(&options);
	else if (strcmp(way, "whole") == 0)
		run_whole(&options);
	else if (strcmp(way, "floor") == 0)
		run_floor();
	else if (strcmp(way, "script") == 0)
		fwrite(probe_script, 1, probe_script_length, stdout);
	else
		die("called by bench/poll; ways: poller, each, masters, whole, floor, script");
	return 0;
}
