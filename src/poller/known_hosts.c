/*
 * known_hosts.c: known_hosts files and their keeping (hostkey.h).
 *
 * A file is read when it has changed, and searched once for each host.
 */
#include "hostkey.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define KNOWN_HOSTS_MAX_FILE (16 * 1024 * 1024)
#define RING_SIZE 4

/* What was picked out is remembered: with thousands of nodes the file would
 * else be searched thousands of times in each round. */
#define MEMORY_BUCKETS 4096
#define MEMORY_MAX 65536

struct remembered
{
	struct remembered *next;
	const char *pins;			/* both stand behind the struct */
	char		name[];
};

struct known_hosts
{
	struct known_hosts *next;
	char	   *path;
	uint64_t	device,
				inode,
				size;
	int64_t		changed;		/* nanoseconds */
	char	   *text;
	size_t		length;
	int			broken_lines;
	int			first_broken;
	const char *broken_error;
	struct remembered *memory[MEMORY_BUCKETS];
	int			remembered_count;
};

static void
known_hosts_free(struct known_hosts *file)
{
	for (int i = 0; i < MEMORY_BUCKETS; i++)
		while (file->memory[i] != NULL)
		{
			struct remembered *entry = file->memory[i];

			file->memory[i] = entry->next;
			free(entry);
		}
	free(file->path);
	free(file->text);
	free(file);
}

void
known_hosts_ring_clear(struct known_hosts_ring *ring)
{
	while (ring->first != NULL)
	{
		struct known_hosts *file = ring->first;

		ring->first = file->next;
		known_hosts_free(file);
	}
}

static void
remember_file(struct known_hosts *file, const struct stat *status)
{
	file->device = status->st_dev;
	file->inode = status->st_ino;
	file->size = status->st_size;
	file->changed = (int64_t) status->st_mtim.tv_sec * 1000000000 + status->st_mtim.tv_nsec;
}

static bool
same_file(const struct known_hosts *file, const struct stat *status)
{
	struct known_hosts now;

	remember_file(&now, status);
	return file->device == now.device && file->inode == now.inode &&
		file->size == now.size && file->changed == now.changed;
}

static void
count_broken_lines(struct known_hosts *file)
{
	const char *text = file->text;
	size_t		length = file->length;
	struct hostkey_line line;

	for (int number = 1; hostkey_next_line(&text, &length, true, &line); number++)
		if (line.kind == HOSTKEY_LINE_BROKEN && file->broken_lines++ == 0)
		{
			file->first_broken = number;
			file->broken_error = line.error;
		}
}

/* Reads the file; false with errno. */
static bool
read_known_hosts(int fd, struct known_hosts *file)
{
	size_t		size = file->size;

	file->text = malloc(size + 1);
	if (file->text == NULL)
		return false;
	while (file->length < size)
	{
		ssize_t		count = read(fd, file->text + file->length, size - file->length);

		if (count < 0 && errno == EINTR)
			continue;
		if (count < 0)
			return false;
		if (count == 0)
			break;
		file->length += count;
	}
	count_broken_lines(file);
	return true;
}

/*
 * The file at path, from the ring if it has not changed.  NULL with errno; a
 * file that is not there gives ENOENT.
 */
static struct known_hosts *
known_hosts_get(struct known_hosts_ring *ring, const char *path)
{
	struct known_hosts *file;
	struct known_hosts **place = &ring->first;
	struct stat status = {0};
	int			count = 0;
	int			saved;
	int			fd;

	/* each job asks: unchanged, it costs one system call */
	for (file = ring->first; file != NULL && strcmp(file->path, path) != 0;)
		file = file->next;
	if (file != NULL && stat(path, &status) == 0 && same_file(file, &status))
		return file;
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0)
		return NULL;
	if (fstat(fd, &status) != 0 || !S_ISREG(status.st_mode) ||
		status.st_size > KNOWN_HOSTS_MAX_FILE)
	{
		close(fd);
		/* /dev/null says "none" to ssh, and to us */
		errno = S_ISCHR(status.st_mode) ? ENOENT : S_ISREG(status.st_mode) ? EFBIG : EINVAL;
		return NULL;
	}
	while ((file = *place) != NULL)
	{
		bool		same_path = strcmp(file->path, path) == 0;

		if (same_path && same_file(file, &status))
		{
			close(fd);
			return file;
		}
		if (same_path || ++count >= RING_SIZE)
		{
			*place = file->next;
			known_hosts_free(file);
		}
		else
			place = &file->next;
	}

	file = calloc(1, sizeof(*file));
	if (file == NULL || (file->path = strdup(path)) == NULL)
	{
		free(file);
		close(fd);
		errno = ENOMEM;
		return NULL;
	}
	remember_file(file, &status);
	if (!read_known_hosts(fd, file))
	{
		saved = errno;
		known_hosts_free(file);
		close(fd);
		errno = saved;
		return NULL;
	}
	close(fd);
	if (file->broken_lines > 0)
		fprintf(stderr, "tribe_power_poller: %s: %d line(s) skipped, the first is line %d: %s\n",
				path, file->broken_lines, file->first_broken, file->broken_error);
	file->next = ring->first;
	ring->first = file;
	return file;
}

static struct remembered **
bucket_of(struct known_hosts *file, const char *name)
{
	uint32_t	hash = 2166136261u;

	for (; *name != '\0'; name++)
		hash = (hash ^ (uint8_t) *name) * 16777619u;
	return &file->memory[hash % MEMORY_BUCKETS];
}

/* hostkey_select() in a file, at most once for each host. */
static bool
select_once(struct known_hosts *file, const char *host, uint16_t port, char pins[PINS_SIZE])
{
	char		name[HOSTKEY_NAME_SIZE];
	struct remembered **bucket;
	struct remembered *entry;
	size_t		name_size;
	size_t		pins_size;

	hostkey_name(host, port, name);
	bucket = bucket_of(file, name);
	for (entry = *bucket; entry != NULL; entry = entry->next)
		if (strcmp(entry->name, name) == 0)
		{
			memcpy(pins, entry->pins, strlen(entry->pins) + 1);
			return true;
		}
	if (!hostkey_select(file->text, file->length, host, port, pins))
		return false;

	name_size = strlen(name) + 1;
	pins_size = strlen(pins) + 1;
	if (file->remembered_count < MEMORY_MAX &&
		(entry = malloc(sizeof(*entry) + name_size + pins_size)) != NULL)
	{
		memcpy(entry->name, name, name_size);
		memcpy(entry->name + name_size, pins, pins_size);
		entry->pins = entry->name + name_size;
		entry->next = *bucket;
		*bucket = entry;
		file->remembered_count++;
	}
	return true;
}

static bool
is_blank(const char *text)
{
	return text[strspn(text, " \t\r\n")] == '\0';
}

enum outcome
hostkey_pins_of_job(struct known_hosts_ring *ring, const struct job *job,
					char pins[PINS_SIZE], char *error, size_t error_size)
{
	struct known_hosts *file;

	pins[0] = '\0';
	if (!is_blank(job->host_key))
		return hostkey_pins_of_text(job->host_key, pins, error, error_size);
	if (job->known_hosts_file[0] == '\0')
		return OUTCOME_READ;

	file = known_hosts_get(ring, job->known_hosts_file);
	if (file == NULL)
	{
		/* the file is made when the first key is trusted */
		if (errno == ENOENT)
			return OUTCOME_READ;
		snprintf(error, error_size, "cannot read known_hosts file %s: %s",
				 job->known_hosts_file, strerror(errno));
		return OUTCOME_HOST_KEY_FILE;
	}
	if (!select_once(file, job->address, job->port, pins))
	{
		snprintf(error, error_size, "known_hosts file %s has too many keys for %s",
				 job->known_hosts_file, job->address);
		return OUTCOME_HOST_KEY_FILE;
	}
	return OUTCOME_READ;
}
