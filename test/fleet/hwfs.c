/*
 * hwfs.c: the hardware of a fake machine, as a FUSE file system.
 *
 *   hwfs DEFINITION MOUNTPOINT SOCKET   mounts it (as root) and goes to the
 *                                       background
 *   hwfs --ask SOCKET COMMAND...        gives it a command, prints the answer
 *
 * A definition (nodes/README) names variables, counters and files.  What a file
 * says is computed when it is read from its start, like sysfs does it: a
 * counter shows what has flowed up to that very moment, so that a reading can
 * be compared with the truth.  Commands change the machine while it runs.
 * Everything it serves is made up; it touches nothing of the real machine.
 */
#define _GNU_SOURCE
#define FUSE_USE_VERSION 31
#define _FILE_OFFSET_BITS 64
#include <errno.h>
#include <fcntl.h>
#include <fuse.h>
#include <libgen.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "machine.h"

struct open_file
{
	struct entry *entry;
	char	   *content;
	size_t		length;
};

/* Over the machine. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

/* --- the file system ------------------------------------------------------------ */

static int
hw_getattr(const char *path, struct stat *st, struct fuse_file_info *fi)
{
	struct entry *e;
	int			result = 0;

	memset(st, 0, sizeof(*st));
	pthread_mutex_lock(&lock);
	e = machine_find(path + 1);
	if (path[1] == '\0')
	{
		st->st_mode = S_IFDIR | 0755;
		st->st_nlink = 2;
	}
	else if (e == NULL || machine_hides(e->path))
		result = -ENOENT;
	else
	{
		st->st_mode = e->mode;
		st->st_nlink = S_ISDIR(e->mode) ? 2 : 1;
		st->st_size = S_ISREG(e->mode) ? 4096 : S_ISLNK(e->mode) ? strlen(e->text) : 0;
		st->st_mtime = time(NULL) - (time_t) machine_age(e);
	}
	pthread_mutex_unlock(&lock);
	return result;
}

static int
hw_readlink(const char *path, char *buffer, size_t size)
{
	struct entry *e;

	pthread_mutex_lock(&lock);
	e = machine_find(path + 1);
	if (e && S_ISLNK(e->mode))
		snprintf(buffer, size, "%s", e->text);
	pthread_mutex_unlock(&lock);
	return e && S_ISLNK(e->mode) ? 0 : -EINVAL;
}

static int
hw_readdir(const char *path, void *buffer, fuse_fill_dir_t fill, off_t offset,
		   struct fuse_file_info *fi, enum fuse_readdir_flags flags)
{
	const char *dir = path + 1;
	size_t		n = strlen(dir);

	fill(buffer, ".", NULL, 0, 0);
	fill(buffer, "..", NULL, 0, 0);
	pthread_mutex_lock(&lock);
	for (int i = 0; i < n_entries; i++)
	{
		const char *rest = entries[i].path;

		if (n > 0)
		{
			if (strncmp(rest, dir, n) != 0 || rest[n] != '/')
				continue;
			rest += n + 1;
		}
		if (strchr(rest, '/') == NULL && !machine_hides(entries[i].path))
			fill(buffer, rest, NULL, 0, 0);
	}
	pthread_mutex_unlock(&lock);
	return 0;
}

static int
hw_open(const char *path, struct fuse_file_info *fi)
{
	struct open_file *file;
	struct entry *e;
	int			fault = ENOENT;

	if ((fi->flags & O_ACCMODE) != O_RDONLY)
		return -EACCES;
	pthread_mutex_lock(&lock);
	e = machine_find(path + 1);
	if (e && S_ISREG(e->mode) && !machine_hides(e->path))
		fault = e->fault == EACCES ? EACCES : 0;
	pthread_mutex_unlock(&lock);
	if (fault)
		return -fault;

	if ((file = calloc(1, sizeof(*file))) == NULL)
		return -ENOMEM;
	file->entry = e;
	fi->fh = (uintptr_t) file;
	fi->direct_io = 1;
	return 0;
}

static int
hw_read(const char *path, char *buffer, size_t size, off_t offset,
		struct fuse_file_info *fi)
{
	struct open_file *file = (struct open_file *) (uintptr_t) fi->fh;
	int			fault;
	double		delay;
	int			n = 0;

	pthread_mutex_lock(&lock);
	fault = file->entry->fault;
	delay = offset == 0 ? file->entry->delay : 0;
	pthread_mutex_unlock(&lock);

	if (delay > 0)
		usleep((useconds_t) (delay * 1e6));
	if (fault)
		return -fault;

	pthread_mutex_lock(&lock);
	if (offset == 0 || file->content == NULL)
	{
		free(file->content);
		file->content = machine_content(file->entry, &file->length);
	}
	if ((size_t) offset < file->length)
	{
		n = file->length - offset < size ? file->length - offset : size;
		memcpy(buffer, file->content + offset, n);
	}
	pthread_mutex_unlock(&lock);
	return n;
}

static int
hw_release(const char *path, struct fuse_file_info *fi)
{
	struct open_file *file = (struct open_file *) (uintptr_t) fi->fh;

	free(file->content);
	free(file);
	return 0;
}

static void *
hw_init(struct fuse_conn_info *connection, struct fuse_config *config)
{
	/* what a command changes is to be seen at once */
	config->attr_timeout = 0;
	config->entry_timeout = 0;
	config->negative_timeout = 0;
	config->hard_remove = 1;
	return NULL;
}

static const struct fuse_operations operations = {
	.getattr = hw_getattr,
	.readlink = hw_readlink,
	.readdir = hw_readdir,
	.open = hw_open,
	.read = hw_read,
	.release = hw_release,
	.init = hw_init,
};

/* --- commands ---------------------------------------------------------------------- */

static void *
serve_commands(void *argument)
{
	int			listener = (int) (intptr_t) argument;

	for (;;)
	{
		int			fd = accept(listener, NULL, NULL);
		FILE	   *peer = fd >= 0 ? fdopen(fd, "r+") : NULL;
		char	   *line = NULL;
		size_t		size = 0;
		ssize_t		n;

		if (peer == NULL)
			continue;
		if ((n = getline(&line, &size, peer)) > 0)
		{
			bool		done;

			line[strcspn(line, "\n")] = '\0';
			pthread_mutex_lock(&lock);
			done = machine_command(line, peer);
			pthread_mutex_unlock(&lock);
			fprintf(peer, done ? "done\n" : "not understood: %s\n", line);
		}
		free(line);
		fclose(peer);
	}
	return NULL;
}

/* A socket's path must be short: go where it is. */
static struct sockaddr_un
socket_address(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	char	   *dir = strdup(path);
	char	   *base = strdup(path);

	if (chdir(dirname(dir)) != 0)
		die(path, NULL);
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", basename(base));
	free(dir);
	free(base);
	return address;
}

static int
ask(int argc, char **argv)
{
	struct sockaddr_un address = socket_address(argv[2]);
	int			fd = socket(AF_UNIX, SOCK_STREAM, 0);
	FILE	   *peer;
	char		line[4096];

	if (fd < 0 || connect(fd, (struct sockaddr *) &address, sizeof(address)) != 0 ||
		(peer = fdopen(fd, "r+")) == NULL)
		die(argv[2], NULL);
	for (int i = 3; i < argc; i++)
		fprintf(peer, "%s%s", argv[i], i + 1 < argc ? " " : "\n");
	fflush(peer);
	while (fgets(line, sizeof(line), peer))
	{
		if (strcmp(line, "done\n") == 0)
			return 0;
		fputs(line, strncmp(line, "not understood", 14) == 0 ? stderr : stdout);
	}
	return 1;
}

/* --- start -------------------------------------------------------------------------- */

/* A root without /dev/fuse (a plain chroot) gets a device node of its own. */
static int
open_fuse(const char *beside)
{
	int			fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	char		path[PATH_MAX];

	if (fd < 0)
	{
		snprintf(path, sizeof(path), "%s.fuse", beside);
		unlink(path);
		if (mknod(path, S_IFCHR | 0600, makedev(10, 229)) == 0)
			fd = open(path, O_RDWR | O_CLOEXEC);
		unlink(path);
	}
	if (fd < 0)
		die("/dev/fuse", NULL);
	return fd;
}

int
main(int argc, char **argv)
{
	struct fuse_args args = FUSE_ARGS_INIT(0, NULL);
	struct sockaddr_un address;
	struct fuse *fuse;
	pthread_t	thread;
	char		options[128],
				device[32];
	int			fd,
				listener;

	if (argc >= 4 && strcmp(argv[1], "--ask") == 0)
		return ask(argc, argv);
	if (argc != 4)
	{
		fprintf(stderr, "usage: %s DEFINITION MOUNTPOINT SOCKET\n"
				"       %s --ask SOCKET COMMAND...\n", argv[0], argv[0]);
		return 2;
	}
	machine_read(argv[1]);

	/* mounted by ourselves: needs neither fusermount nor /etc/mtab */
	fd = open_fuse(argv[3]);
	snprintf(options, sizeof(options),
			 "fd=%d,rootmode=40000,user_id=0,group_id=0,allow_other,default_permissions", fd);
	if (mount("hwfs", argv[2], "fuse", MS_NOSUID | MS_NODEV, options) != 0)
		die(argv[2], NULL);
	snprintf(device, sizeof(device), "/dev/fd/%d", fd);
	fuse_opt_add_arg(&args, "hwfs");
	fuse = fuse_new(&args, &operations, sizeof(operations), NULL);
	if (fuse == NULL || fuse_mount(fuse, device) != 0)
		die("fuse", "cannot start");

	listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	address = socket_address(argv[3]);
	unlink(address.sun_path);
	if (listener < 0 || bind(listener, (struct sockaddr *) &address, sizeof(address)) != 0 ||
		chmod(address.sun_path, 0666) != 0 || listen(listener, 16) != 0)
		die(argv[3], NULL);

	/* the mount is there: whoever waits for us may go on */
	signal(SIGPIPE, SIG_IGN);
	switch (fork())
	{
		case -1:
			die("fork", NULL);
			break;
		case 0:
			break;
		default:
			_exit(0);
	}
	if (pthread_create(&thread, NULL, serve_commands, (void *) (intptr_t) listener) != 0)
		die("thread", NULL);
	fuse_loop_mt(fuse, 0);
	return 0;
}
