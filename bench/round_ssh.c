/*
 * round_ssh.c: the other ways: OpenSSH's client, one process a command, or a
 * program that starts them.
 *
 * Clients are started directly, without a shell between, so that nothing but
 * their own cost is counted.
 */
#define _GNU_SOURCE
#include "round.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

#define MAX_ARGUMENTS 64

/* One ssh to be run: its host and what it is to run there. */
struct task
{
	char	   *host;
	char	   *remote;
	pid_t		pid;			/* 0: not running */
};

/* --- starting ---------------------------------------------------------------- */

static pid_t
spawn(char **argv, const char *input, const char *output)
{
	posix_spawn_file_actions_t actions;
	pid_t		pid;
	int			error;

	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, 0, input, O_RDONLY, 0);
	posix_spawn_file_actions_addopen(&actions, 1, output, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	error = posix_spawnp(&pid, argv[0], &actions, NULL, argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	if (error != 0)
		die("%s: %s", argv[0], strerror(error));
	return pid;
}

/* The command, the host, and what is to run there. */
static pid_t
spawn_ssh(const struct options *options, const struct task *task, const char *output)
{
	char	   *argv[MAX_ARGUMENTS + 3];
	int			count = 0;

	for (char **word = options->command; *word != NULL; word++)
	{
		if (count == MAX_ARGUMENTS)
			die("too many words");
		argv[count++] = *word;
	}
	argv[count++] = task->host;
	if (task->remote != NULL)
		argv[count++] = task->remote;
	argv[count] = NULL;
	return spawn(argv, options->input, output);
}

/* --- many at a time ---------------------------------------------------------- */

static struct task *
read_tasks(const struct options *options, int *count)
{
	FILE	   *stream = fopen(options->jobs, "r");
	struct task *tasks = NULL;
	char	   *line = NULL;
	size_t		size = 0;
	ssize_t		length;

	if (stream == NULL)
		die("%s: %s", options->jobs, strerror(errno));
	*count = 0;
	while ((length = getline(&line, &size, stream)) > 0)
	{
		struct task *task;

		tasks = realloc(tasks, (*count + 1) * sizeof(*tasks));
		if (tasks == NULL)
			die("out of memory");
		task = &tasks[(*count)++];
		task->pid = 0;
		task->host = strdup(line);
		if (task->host == NULL)
			die("out of memory");
		task->host[strcspn(task->host, "\n")] = '\0';
		task->remote = strchr(task->host, '\t');
		if (task->remote != NULL)
			*task->remote++ = '\0';
	}
	free(line);
	fclose(stream);
	return tasks;
}

/* Runs them all, so many at a time.  255 is ssh's own failure; any other status
 * is the remote command's, and the caller looks at what it printed. */
static void
run_tasks(const struct options *options, struct task *tasks, int count)
{
	int			started = 0;
	int			running = 0;

	while (started < count || running > 0)
	{
		int			status;
		pid_t		pid;
		int			i;

		while (started < count && running < options->parallel)
		{
			char		output[512];

			snprintf(output, sizeof(output), "%s/%d", options->output, started);
			tasks[started].pid = spawn_ssh(options, &tasks[started], output);
			started++;
			running++;
		}
		pid = waitpid(-1, &status, 0);
		for (i = 0; i < started && tasks[i].pid != pid; i++)
			;
		if (i == started)
			die("a process ended that should have stayed");
		if (!WIFEXITED(status) || WEXITSTATUS(status) == 255)
			die("%s to %s failed (status %d)", options->command[0], tasks[i].host, status);
		tasks[i].pid = 0;
		running--;
	}
}

void
run_each(const struct options *options)
{
	int			count;
	struct task *tasks = read_tasks(options, &count);

	for (int round = 0; round < options->rounds; round++)
	{
		double		wall = wall_now();
		double		cpu = cpu_spent();

		run_tasks(options, tasks, count);
		printf("wall=%.6f cpu=%.6f\n", wall_now() - wall, cpu_spent() - cpu);
	}
}

void
run_whole(const struct options *options)
{
	for (int round = 0; round < options->rounds; round++)
	{
		double		wall = wall_now();
		double		cpu = cpu_spent();
		pid_t		pid = spawn(options->command, options->input, options->output);
		int			status;

		if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
			die("%s failed", options->command[0]);
		printf("wall=%.6f cpu=%.6f\n", wall_now() - wall, cpu_spent() - cpu);
	}
}

/* --- connections kept by ControlMaster ---------------------------------------- */

/* Whether the master for this host takes clients. */
static bool
listens(const char *folder, const char *host)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int			fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool		ok;

	if (snprintf(address.sun_path, sizeof(address.sun_path), "%s/%s", folder, host) >=
		sizeof(address.sun_path))
		die("%s is too long a name for a folder of sockets", folder);
	ok = fd >= 0 && connect(fd, (struct sockaddr *) &address, sizeof(address)) == 0;
	close(fd);
	return ok;
}

/* Masters would outlive us, so they are ended however we end. */
static pid_t *masters;
static int	master_count;

static void
end_masters(void)
{
	for (int i = 0; i < master_count; i++)
		kill(masters[i], SIGTERM);
	master_count = 0;
}

static void
end_by_signal(int number)
{
	end_masters();
	_exit(128 + number);
}

/* Masters stay in the foreground, as our children, so that their CPU can be
 * read; their sockets stand in the folder of the output, by the host's name. */
static void
start_masters(const struct options *options)
{
	const struct timespec moment = {0, 5 * 1000 * 1000};
	struct options master = *options;
	char	   *command[MAX_ARGUMENTS + 4];
	int			words = 0;

	while (options->command[words] != NULL && words < MAX_ARGUMENTS)
	{
		command[words] = options->command[words];
		words++;
	}
	command[words++] = "-M";
	command[words++] = "-N";
	command[words] = NULL;
	master.command = command;
	master.input = "/dev/null";
	atexit(end_masters);
	signal(SIGINT, end_by_signal);
	signal(SIGTERM, end_by_signal);
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	for (int first = 0; first < options->host_count; first += options->parallel)
	{
		int			end = first + options->parallel;

		if (end > options->host_count)
			end = options->host_count;
		for (int i = first; i < end; i++)
		{
			struct task task = {options->hosts[i], NULL, 0};

			masters[i] = spawn_ssh(&master, &task, "/dev/null");
			master_count = i + 1;
		}
		for (int i = first; i < end; i++)
		{
			while (!listens(options->output, options->hosts[i]))
			{
				if (waitpid(masters[i], NULL, WNOHANG) != 0)
					die("the master for %s did not come up", options->hosts[i]);
				nanosleep(&moment, NULL);
			}
		}
	}
}

static double
masters_cpu(void)
{
	double		spent = 0;

	for (int i = 0; i < master_count; i++)
		spent += cpu_of(masters[i]);
	return spent;
}

void
run_masters(const struct options *options)
{
	int			count;
	struct task *tasks = read_tasks(options, &count);
	long		memory = 0;

	masters = calloc(options->host_count + 1, sizeof(*masters));
	if (masters == NULL)
		die("out of memory");
	start_masters(options);
	wait_until_idle(masters, options->host_count);
	for (int i = 0; i < options->host_count; i++)
		memory += memory_of(masters[i], "smaps_rollup", "Pss:");
	for (int round = 0; round < options->rounds; round++)
	{
		double		cpu = cpu_spent() + masters_cpu();
		double		wall = wall_now();

		run_tasks(options, tasks, count);
		wall = wall_now() - wall;
		cpu = cpu_spent() - cpu;
		wait_until_idle(masters, options->host_count);
		cpu += masters_cpu();
		printf("wall=%.6f cpu=%.6f memory=%ld\n", wall, cpu, memory);
	}
	end_masters();
	for (int i = 0; i < options->host_count; i++)
		waitpid(masters[i], NULL, 0);
}
