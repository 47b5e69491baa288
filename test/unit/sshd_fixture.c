/*
 * sshd_fixture.c: starting and ending sshds and scripted peers.
 */
#define _GNU_SOURCE				/* unshare */
#include "sshd_fixture.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <pwd.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void
die(const char *what)
{
	fprintf(stderr, "fixture: %s: %s\n", what, strerror(errno));
	exit(99);
}

static void
run(const char *format,...)
{
	char		command[1024];
	va_list		arguments;

	va_start(arguments, format);
	vsnprintf(command, sizeof(command), format, arguments);
	va_end(arguments);
	if (system(command) != 0)
		die(command);
}

char *
read_file(const char *path)
{
	FILE	   *file = fopen(path, "r");
	char	   *text = calloc(1, 1024 * 1024);

	if (file == NULL || text == NULL)
		die(path);
	if (fread(text, 1, 1024 * 1024 - 1, file) == 0 && ferror(file))
		die(path);
	fclose(file);
	return text;
}

void
write_file(const char *path, const char *text, mode_t mode)
{
	FILE	   *file;

	unlink(path);
	file = fopen(path, "w");
	if (file == NULL || fputs(text, file) == EOF || fclose(file) != 0 || chmod(path, mode) != 0)
		die(path);
}

/* --- keys -------------------------------------------------------------------- */

/* "type key" of a .pub file */
static void
public_line(const char *directory, const char *name, char *line, size_t size)
{
	char		path[256];
	char	   *text;
	char	   *space;

	snprintf(path, sizeof(path), "%s/%s.pub", directory, name);
	text = read_file(path);
	space = strchr(text, ' ');
	space = space != NULL ? strchr(space + 1, ' ') : NULL;
	if (space != NULL)
		*space = '\0';
	snprintf(line, size, "%s", text);
	free(text);
}

void
keys_create(struct keys *keys)
{
	const struct passwd *entry = getpwuid(geteuid());
	static const char *const names[][2] = {
		{"host_ed25519", "ed25519"}, {"host_ecdsa", "ecdsa"}, {"id_ed25519", "ed25519"},
		{"id_stranger", "ed25519"}, {"id_ecdsa", "ecdsa"}, {"id_rsa", "rsa -b 2048"}
	};
	const char *patience = getenv("UNIT_PATIENCE");

	/* a test that waits in vain must fail, not hang; seconds, 0 for ever */
	alarm(patience != NULL ? atoi(patience) : 900);
	memset(keys, 0, sizeof(*keys));
	strcpy(keys->directory, "/tmp/tribe_power_keys.XXXXXX");
	if (entry == NULL || mkdtemp(keys->directory) == NULL)
		die("keys");
	snprintf(keys->user, sizeof(keys->user), "%s", entry->pw_name);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		run("ssh-keygen -q -t %s -N '' -C test -f %s/%s", names[i][1], keys->directory, names[i][0]);
	snprintf(keys->identity, sizeof(keys->identity), "%s/id_ed25519", keys->directory);
	snprintf(keys->identity_rsa, sizeof(keys->identity_rsa), "%s/id_rsa", keys->directory);
	snprintf(keys->identity_ecdsa, sizeof(keys->identity_ecdsa), "%s/id_ecdsa", keys->directory);
	public_line(keys->directory, "host_ed25519", keys->host_ed25519, sizeof(keys->host_ed25519));
	public_line(keys->directory, "host_ecdsa", keys->host_ecdsa, sizeof(keys->host_ecdsa));
}

void
keys_remove(struct keys *keys)
{
	run("rm -rf %s", keys->directory);
}

/* --- sockets ----------------------------------------------------------------- */

int
listen_on_loopback(uint16_t *port)
{
	struct sockaddr_in address = {.sin_family = AF_INET};
	socklen_t	length = sizeof(address);
	int			fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (fd < 0 || bind(fd, (struct sockaddr *) &address, sizeof(address)) != 0 ||
		listen(fd, 1024) != 0 ||
		getsockname(fd, (struct sockaddr *) &address, &length) != 0)
		die("listen");
	*port = ntohs(address.sin_port);
	return fd;
}

void
send_all(int fd, const void *data, size_t length)
{
	const char *bytes = data;

	while (length > 0)
	{
		ssize_t		count = send(fd, bytes, length, MSG_NOSIGNAL);

		if (count <= 0)
			_exit(0);
		bytes += count;
		length -= count;
	}
}

int
connect_to_loopback(uint16_t port)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
	int			fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (fd >= 0 && connect(fd, (struct sockaddr *) &address, sizeof(address)) != 0)
	{
		close(fd);
		return -1;
	}
	return fd;
}

/* --- sshd -------------------------------------------------------------------- */

static void
write_configuration(const struct sshd *sshd, const char *extra, const char *command)
{
	char		path[256];
	FILE	   *file;

	snprintf(path, sizeof(path), "%s/config", sshd->directory);
	file = fopen(path, "w");
	if (file == NULL)
		die(path);
	/* mostly the first value counts in sshd_config, so the extra lines go first;
	 * of MaxStartups it is the last */
	fprintf(file, "%s\nPort %u\nListenAddress 127.0.0.1\n"
			"HostKey %s/host_ed25519\nHostKey %s/host_ecdsa\n"
			"AuthorizedKeysFile %s/authorized_keys\nPidFile none\nStrictModes no\n"
			"UsePAM no\nPermitRootLogin yes\nLogLevel VERBOSE\n%s",
			extra, sshd->port, sshd->keys->directory, sshd->keys->directory, sshd->directory,
			strstr(extra, "MaxStartups") != NULL ? "" : "MaxStartups 10000\n");
	fclose(file);

	snprintf(path, sizeof(path), "%s/authorized_keys", sshd->directory);
	file = fopen(path, "w");
	if (file == NULL)
		die(path);
	for (int i = 0; i < 3; i++)
	{
		static const char *const names[] = {"id_ed25519", "id_ecdsa", "id_rsa"};
		char		line[1024];

		public_line(sshd->keys->directory, names[i], line, sizeof(line));
		if (command != NULL)
			fprintf(file, "restrict,command=\"%s\" %s\n", command, line);
		else
			fprintf(file, "%s\n", line);
	}
	fclose(file);
}

static bool
log_says(const char *path, const char *text)
{
	bool		says = false;
	char	   *log;

	if (access(path, R_OK) == 0)
	{
		log = read_file(path);
		says = strstr(log, text) != NULL;
		free(log);
	}
	return says;
}

/* Since 9.8 sshd turns away for a while who broke off before: tests do that a lot. */
static bool
knows_penalties(const char *config)
{
	static int	known = -1;
	pid_t		pid;
	int			status;

	if (known >= 0)
		return known == 1;
	pid = fork();
	if (pid < 0)
		die("fork");
	if (pid == 0)
	{
		dup2(open("/dev/null", O_WRONLY | O_CLOEXEC), STDERR_FILENO);
		execl("/usr/sbin/sshd", "/usr/sbin/sshd", "-t", "-f", config,
			  "-o", "PerSourcePenalties=no", (char *) NULL);
		_exit(99);
	}
	if (waitpid(pid, &status, 0) != pid)
		die("sshd -t");
	known = WIFEXITED(status) && WEXITSTATUS(status) == 0;
	return known == 1;
}

void
sshd_start(struct sshd *sshd, const struct keys *keys, const char *configuration,
		   const char *command)
{
	int			fd;
	char		config[128];
	char		log[128];
	const char *penalties = NULL;

	memset(sshd, 0, sizeof(*sshd));
	sshd->keys = keys;
	snprintf(sshd->directory, sizeof(sshd->directory), "%s/sshd.XXXXXX", keys->directory);
	if (mkdtemp(sshd->directory) == NULL)
		die("mkdtemp");
	if (geteuid() == 0)
		mkdir("/run/sshd", 0755);	/* where sshd empties its privileges */

	fd = listen_on_loopback(&sshd->port);
	close(fd);
	write_configuration(sshd, configuration, command);
	snprintf(config, sizeof(config), "%s/config", sshd->directory);
	snprintf(log, sizeof(log), "%s/log", sshd->directory);
	if (strstr(configuration, "PerSourcePenalties") == NULL && knows_penalties(config))
		penalties = "PerSourcePenalties=no";

	sshd->pid = fork();
	if (sshd->pid < 0)
		die("fork");
	if (sshd->pid == 0)
	{
		prctl(PR_SET_PDEATHSIG, SIGTERM);
		setpgid(0, 0);
		dup2(open("/dev/null", O_WRONLY | O_CLOEXEC), STDERR_FILENO);
		execl("/usr/sbin/sshd", "/usr/sbin/sshd", "-D", "-f", config, "-E", log,
			  penalties != NULL ? "-o" : NULL, penalties, (char *) NULL);
		_exit(99);
	}
	setpgid(sshd->pid, sshd->pid);
	/* a connection to try it would be one of its sessions */
	while (!log_says(log, "Server listening on 127.0.0.1"))
	{
		struct timespec moment = {0, 2000000};
		int			status;

		if (waitpid(sshd->pid, &status, WNOHANG) == sshd->pid)
		{
			fprintf(stderr, "%s", read_file(log));
			die("sshd did not start");
		}
		nanosleep(&moment, NULL);
	}
}

void
sshd_stop(struct sshd *sshd)
{
	kill(sshd->pid, SIGTERM);
	waitpid(sshd->pid, NULL, 0);
}

/* The parent of a process, 0 if it is gone. */
static pid_t
parent_of(pid_t pid)
{
	char		path[64];
	char		line[512];
	FILE	   *file;
	int			parent = 0;
	char	   *end;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int) pid);
	file = fopen(path, "r");
	if (file == NULL)
		return 0;
	if (fgets(line, sizeof(line), file) != NULL && (end = strrchr(line, ')')) != NULL &&
		sscanf(end, ") %*c %d", &parent) != 1)
		parent = 0;
	fclose(file);
	return parent;
}

/* Sends a signal (0: none) to each process below the listener; how many. */
static int
signal_below(const struct sshd *sshd, int signal)
{
	DIR		   *proc = opendir("/proc");
	struct dirent *entry;
	pid_t		found[1024];
	int			found_count = 0;
	int			count = 0;

	/* all are found before the first is signalled: orphans have another parent */
	while ((entry = readdir(proc)) != NULL && found_count < 1024)
	{
		pid_t		pid = atoi(entry->d_name);
		pid_t		ancestor = pid > 1 ? parent_of(pid) : 0;

		while (ancestor > 1 && ancestor != sshd->pid)
			ancestor = parent_of(ancestor);
		if (ancestor == sshd->pid)
			found[found_count++] = pid;
	}
	closedir(proc);
	for (int i = 0; i < found_count; i++)
		count += kill(found[i], signal) == 0;
	return count;
}

int
sshd_sessions(const struct sshd *sshd)
{
	return signal_below(sshd, 0);
}

int
sshd_signal_sessions(const struct sshd *sshd, int signal)
{
	return signal_below(sshd, signal);
}

/* --- namespaces --------------------------------------------------------------- */

static bool
write_proc(const char *path, const char *text)
{
	int			fd = open(path, O_WRONLY | O_CLOEXEC);
	bool		written = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t) strlen(text);

	close(fd);
	return written;
}

/* This user becomes itself there: sshd must not take it for root. */
static bool
map_user(uid_t uid, gid_t gid)
{
	char		users[64];
	char		groups[64];

	snprintf(users, sizeof(users), "%u %u 1\n", uid, uid);
	snprintf(groups, sizeof(groups), "%u %u 1\n", gid, gid);
	return write_proc("/proc/self/setgroups", "deny") &&
		write_proc("/proc/self/uid_map", users) && write_proc("/proc/self/gid_map", groups);
}

static bool
loopback_up(void)
{
	struct ifreq request = {.ifr_name = "lo"};
	int			fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	bool		up;

	request.ifr_flags = IFF_UP;
	up = fd >= 0 && ioctl(fd, SIOCSIFFLAGS, &request) == 0;
	close(fd);
	return up;
}

bool
own_namespaces(int flags)
{
	uid_t		uid = geteuid();
	gid_t		gid = getegid();

	if (uid != 0)
		flags |= CLONE_NEWUSER;
	if (unshare(flags) != 0 || (uid != 0 && !map_user(uid, gid)))
		return false;
	if ((flags & CLONE_NEWNS) != 0 && mount("none", "/", "none", MS_REC | MS_PRIVATE, NULL) != 0)
		return false;
	return (flags & CLONE_NEWNET) == 0 || loopback_up();
}

void
put_in_place(const char *source, const char *target)
{
	if (mount(source, target, "none", MS_BIND, NULL) != 0)
		die(target);
}

/* --- scripted peers ---------------------------------------------------------- */

void
peer_start(struct peer *peer, void (*serve) (int fd, void *arg), void *arg)
{
	int			listener = listen_on_loopback(&peer->port);

	peer->pid = fork();
	if (peer->pid < 0)
		die("fork");
	if (peer->pid == 0)
	{
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		setpgid(0, 0);
		signal(SIGCHLD, SIG_IGN);
		signal(SIGPIPE, SIG_IGN);
		for (;;)
		{
			int			fd = accept(listener, NULL, NULL);

			if (fd < 0)
				_exit(0);
			if (fork() == 0)
			{
				prctl(PR_SET_PDEATHSIG, SIGKILL);
				close(listener);
				serve(fd, arg);
				_exit(0);
			}
			close(fd);
		}
	}
	setpgid(peer->pid, peer->pid);
	close(listener);
}

void
peer_stop(struct peer *peer)
{
	kill(-peer->pid, SIGKILL);
	waitpid(peer->pid, NULL, 0);
}
