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
 *
 * The kernel is asked as little as can be, since a reader of the real /sys does
 * not wait for another process either.  Under sys/ each look-up of a file that
 * changes makes an inode of its own: a snapshot, which the kernel may then cache
 * while a shell reads it byte by byte, and which two readers cannot mix up.
 */
#define _GNU_SOURCE
#define FUSE_USE_VERSION 31
#define _FILE_OFFSET_BITS 64
#include <errno.h>
#include <fcntl.h>
#include <fuse_lowlevel.h>
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

/* What a file said at one moment. */
struct snapshot
{
	struct entry *entry;
	char	   *content;
	size_t		length;
	uint64_t	lookups;		/* of which the kernel knows */
};

#define KEEP 3600.0				/* seconds; commands say what changed */

/* Inode numbers: 1 is the root, 2... the entries, all above are snapshots. */
#define FIRST_INODE 2

/* Over the machine. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static bool
is_snapshot(fuse_ino_t ino)
{
	return ino >= FIRST_INODE + (fuse_ino_t) MAX_ENTRIES;
}

static struct entry *
entry_of(fuse_ino_t ino)
{
	return is_snapshot(ino) ? ((struct snapshot *) ino)->entry : &entries[ino - FIRST_INODE];
}

static fuse_ino_t
inode_of(const struct entry *e)
{
	return FIRST_INODE + (e - entries);
}

/* sys/ is reached by its paths, while files bound over others have one inode. */
static bool
has_snapshots(const struct entry *e)
{
	return S_ISREG(e->mode) && strncmp(e->path, "sys/", 4) == 0 &&
		(strstr(e->text, "@{") || e->fault || e->delay > 0);
}

static bool
is_constant(const struct entry *e)
{
	return S_ISREG(e->mode) && strncmp(e->path, "sys/", 4) == 0 && !has_snapshots(e);
}

static struct snapshot *
take_snapshot(struct entry *e)
{
	struct snapshot *s = calloc(1, sizeof(*s));

	if (s == NULL)
		abort();
	s->entry = e;
	s->content = machine_content(e, &s->length);
	return s;
}

static void
fill_stat(fuse_ino_t ino, struct stat *st)
{
	struct entry *e = ino == FUSE_ROOT_ID ? NULL : entry_of(ino);

	memset(st, 0, sizeof(*st));
	st->st_ino = ino;
	st->st_mode = e ? e->mode : S_IFDIR | 0755;
	st->st_nlink = S_ISDIR(st->st_mode) ? 2 : 1;
	if (e == NULL)
		return;
	st->st_gid = e->group;
	if (S_ISLNK(e->mode) || is_constant(e))
		st->st_size = strlen(e->text);
	else if (is_snapshot(ino))
		st->st_size = ((struct snapshot *) ino)->length;
	else if (S_ISREG(e->mode))
		st->st_size = 4096;
	st->st_mtime = time(NULL) - (time_t) machine_age(e);
}

/* --- the file system -------------------------------------------------------------- */

static void
hw_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct fuse_entry_param p = {0};
	struct entry *e;
	char		path[PATH_MAX];

	pthread_mutex_lock(&lock);
	if (parent == FUSE_ROOT_ID)
		snprintf(path, sizeof(path), "%s", name);
	else
		snprintf(path, sizeof(path), "%s/%s", entry_of(parent)->path, name);
	e = machine_find(path);
	if (e && !machine_hides(e->path))
	{
		p.ino = inode_of(e);
		p.attr_timeout = is_constant(e) || !S_ISREG(e->mode) ? KEEP : 0;
		p.entry_timeout = KEEP;
		if (has_snapshots(e))
		{
			struct snapshot *s = take_snapshot(e);

			s->lookups = 1;
			p.ino = (fuse_ino_t) s;
			p.attr_timeout = KEEP;
			p.entry_timeout = 0;
		}
		fill_stat(p.ino, &p.attr);
	}
	pthread_mutex_unlock(&lock);
	if (p.ino)
		fuse_reply_entry(req, &p);
	else
		fuse_reply_err(req, ENOENT);
}

static void
hw_forget(fuse_req_t req, fuse_ino_t ino, uint64_t count)
{
	if (is_snapshot(ino))
	{
		struct snapshot *s = (struct snapshot *) ino;
		bool		gone;

		pthread_mutex_lock(&lock);
		s->lookups -= count;
		gone = s->lookups == 0;
		pthread_mutex_unlock(&lock);
		if (gone)
		{
			free(s->content);
			free(s);
		}
	}
	fuse_reply_none(req);
}

static void
hw_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct stat st;

	pthread_mutex_lock(&lock);
	fill_stat(ino, &st);
	pthread_mutex_unlock(&lock);
	fuse_reply_attr(req, &st, is_snapshot(ino) ? KEEP : 0);
}

/* chmod and chgrp by the machine's root, as sysfs takes them: until the reboot. */
static void
hw_setattr(fuse_req_t req, fuse_ino_t ino, struct stat *attr, int to_set,
		   struct fuse_file_info *fi)
{
	struct stat st;

	if (ino == FUSE_ROOT_ID || (to_set & ~(FUSE_SET_ATTR_MODE | FUSE_SET_ATTR_UID | FUSE_SET_ATTR_GID | FUSE_SET_ATTR_CTIME)) != 0 ||
		((to_set & FUSE_SET_ATTR_UID) != 0 && attr->st_uid != 0))
	{
		fuse_reply_err(req, EPERM);
		return;
	}
	pthread_mutex_lock(&lock);
	{
		struct entry *e = entry_of(ino);

		if (e->mode_at_boot == 0)
			e->mode_at_boot = e->mode;
		if ((to_set & FUSE_SET_ATTR_MODE) != 0)
			e->mode = (e->mode & S_IFMT) | (attr->st_mode & 07777);
		if ((to_set & FUSE_SET_ATTR_GID) != 0)
			e->group = attr->st_gid;
	}
	fill_stat(ino, &st);
	pthread_mutex_unlock(&lock);
	fuse_reply_attr(req, &st, is_snapshot(ino) ? KEEP : 0);
}

static void
hw_readlink(fuse_req_t req, fuse_ino_t ino)
{
	fuse_reply_readlink(req, entry_of(ino)->text);
}

static void
hw_readdir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset,
		   struct fuse_file_info *fi)
{
	const char *dir = ino == FUSE_ROOT_ID ? "" : entry_of(ino)->path;
	size_t		n = strlen(dir);
	char	   *buffer = malloc(size);
	size_t		used = 0;

	if (buffer == NULL)
		abort();
	pthread_mutex_lock(&lock);
	for (int i = offset; i < n_entries; i++)
	{
		const char *rest = entries[i].path;
		struct stat st = {.st_ino = FIRST_INODE + i, .st_mode = entries[i].mode};
		size_t		length;

		if (n > 0)
		{
			if (strncmp(rest, dir, n) != 0 || rest[n] != '/')
				continue;
			rest += n + 1;
		}
		if (strchr(rest, '/') || machine_hides(entries[i].path))
			continue;
		length = fuse_add_direntry(req, buffer + used, size - used, rest, &st, i + 1);
		if (length > size - used)
			break;
		used += length;
	}
	pthread_mutex_unlock(&lock);
	fuse_reply_buf(req, buffer, used);
	free(buffer);
}

static void
hw_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct entry *e = entry_of(ino);
	int			fault;

	pthread_mutex_lock(&lock);
	if (e->wakes)
		machine_woken();
	fault = (fi->flags & O_ACCMODE) != O_RDONLY ? EACCES :
		e->fault == EACCES ? EACCES : 0;
	if (fault == 0 && is_constant(e))
		fi->keep_cache = 1;
	else if (fault == 0 && !is_snapshot(ino))
	{
		/* bound over another file: made anew at each opening and rewinding */
		fi->direct_io = 1;
		fi->fh = (uintptr_t) take_snapshot(e);
	}
	pthread_mutex_unlock(&lock);
	if (fault)
		fuse_reply_err(req, fault);
	else
		fuse_reply_open(req, fi);
}

static void
hw_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset,
		struct fuse_file_info *fi)
{
	struct snapshot *opened = (struct snapshot *) (uintptr_t) fi->fh;
	struct entry *e = entry_of(ino);
	const char *content;
	size_t		length;
	double		delay;
	int			fault;

	pthread_mutex_lock(&lock);
	fault = e->fault;
	delay = offset == 0 ? e->delay : 0;
	pthread_mutex_unlock(&lock);
	if (delay > 0)
		usleep((useconds_t) (delay * 1e6));
	if (fault)
	{
		fuse_reply_err(req, fault);
		return;
	}

	pthread_mutex_lock(&lock);
	if (opened && offset == 0)
	{
		free(opened->content);
		opened->content = machine_content(e, &opened->length);
	}
	if (opened == NULL && is_snapshot(ino))
		opened = (struct snapshot *) ino;
	content = opened ? opened->content : e->text;
	length = opened ? opened->length : strlen(e->text);
	if ((size_t) offset < length)
		fuse_reply_buf(req, content + offset, length - offset < size ? length - offset : size);
	else
		fuse_reply_buf(req, NULL, 0);
	pthread_mutex_unlock(&lock);
}

static void
hw_release(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct snapshot *opened = (struct snapshot *) (uintptr_t) fi->fh;

	if (opened)
	{
		free(opened->content);
		free(opened);
	}
	fuse_reply_err(req, 0);
}

static const struct fuse_lowlevel_ops operations = {
	.lookup = hw_lookup,
	.forget = hw_forget,
	.getattr = hw_getattr,
	.setattr = hw_setattr,
	.readlink = hw_readlink,
	.readdir = hw_readdir,
	.open = hw_open,
	.read = hw_read,
	.release = hw_release,
};

/* --- commands ---------------------------------------------------------------------- */

/* The kernel may have kept what a command has changed. */
static void
forget_cached(struct fuse_session *session, struct entry *e)
{
	struct entry *parent;
	char		path[PATH_MAX];
	char	   *name;

	snprintf(path, sizeof(path), "%s", e->path);
	if ((name = strrchr(path, '/')) == NULL)
		return;
	*name++ = '\0';
	if ((parent = machine_find(path)) == NULL)
		return;
	fuse_lowlevel_notify_inval_inode(session, inode_of(e), 0, 0);
	fuse_lowlevel_notify_inval_entry(session, inode_of(parent), name, strlen(name));
}

struct server
{
	struct fuse_session *session;
	int			listener;
};

static void *
serve_commands(void *argument)
{
	struct server *server = argument;

	for (;;)
	{
		int			fd = accept(server->listener, NULL, NULL);
		FILE	   *peer = fd >= 0 ? fdopen(fd, "r+") : NULL;
		char	   *line = NULL;
		size_t		size = 0;
		ssize_t		n;

		if (peer == NULL)
			continue;
		if ((n = getline(&line, &size, peer)) > 0)
		{
			struct entry *changed = NULL;
			bool		done;

			line[strcspn(line, "\n")] = '\0';
			pthread_mutex_lock(&lock);
			done = machine_command(line, peer, &changed);
			pthread_mutex_unlock(&lock);
			if (changed)
				forget_cached(server->session, changed);
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
	struct server server;
	pthread_t	thread;
	char		options[128],
				device[32];
	int			fd;

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
	server.session = fuse_session_new(&args, &operations, sizeof(operations), NULL);
	if (server.session == NULL || fuse_session_mount(server.session, device) != 0)
		die("fuse", "cannot start");

	server.listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	address = socket_address(argv[3]);
	unlink(address.sun_path);
	if (server.listener < 0 ||
		bind(server.listener, (struct sockaddr *) &address, sizeof(address)) != 0 ||
		chmod(address.sun_path, 0666) != 0 || listen(server.listener, 16) != 0)
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
	if (pthread_create(&thread, NULL, serve_commands, &server) != 0)
		die("thread", NULL);
	fuse_session_loop_mt(server.session, 0);
	return 0;
}
