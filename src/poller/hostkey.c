/*
 * hostkey.c: known_hosts, pins, and the verdict on a host's key (hostkey.h).
 *
 * The file is read and matched here and not by libssh2, whose matching knows
 * neither @revoked nor wildcards, gives up a file for one bad line, and takes a
 * plain entry for any port.
 */
#include "hostkey.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "../common/text.h"
#include "key.h"

#define KNOWN_HOSTS_MAX_FILE (16 * 1024 * 1024)
#define RING_SIZE 4

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
};

/* --- matching ---------------------------------------------------------------- */

/* Wildcards without recursion: no pattern makes it slow. */
static bool
glob_match(const char *pattern, size_t length, const char *name)
{
	const char *end = pattern + length;
	const char *star = NULL;
	const char *resume = NULL;

	while (*name != '\0')
	{
		if (pattern < end && *pattern == '*')
		{
			star = ++pattern;
			resume = name;
		}
		else if (pattern < end &&
				 (*pattern == '?' || tolower((unsigned char) *pattern) == *name))
		{
			pattern++;
			name++;
		}
		else if (star != NULL)
		{
			pattern = star;
			name = ++resume;
		}
		else
			return false;
	}
	while (pattern < end && *pattern == '*')
		pattern++;
	return pattern == end;
}

/* |1|salt|hash: the HMAC of the name. */
static bool
hashed_match(const char *hosts, size_t length, const char *name)
{
	const char *salt_text = hosts + 3;
	const char *bar = memchr(salt_text, '|', length - 3);
	uint8_t		salt[64];
	uint8_t		hash[64];
	uint8_t		expected[EVP_MAX_MD_SIZE];
	size_t		salt_length;
	size_t		hash_length;
	unsigned	expected_length;

	if (bar == NULL ||
		!base64_decode(salt_text, bar - salt_text, salt, sizeof(salt), &salt_length) ||
		!base64_decode(bar + 1, hosts + length - bar - 1, hash, sizeof(hash), &hash_length))
		return false;
	if (HMAC(EVP_sha1(), salt, (int) salt_length, (const uint8_t *) name, strlen(name),
			 expected, &expected_length) == NULL)
		return false;
	return hash_length == expected_length && memcmp(hash, expected, hash_length) == 0;
}

static void
name_of_host(const char *host, uint16_t port, char *name, size_t size)
{
	if (port == 22)
		snprintf(name, size, "%s", host);
	else
		snprintf(name, size, "[%s]:%u", host, port);
	for (char *c = name; *c != '\0'; c++)
		*c = (char) tolower((unsigned char) *c);
}

static bool
hosts_match_name(const char *hosts, size_t length, const char *name)
{
	const char *end = hosts + length;
	bool		matched = false;

	if (length > 3 && memcmp(hosts, "|1|", 3) == 0)
		return hashed_match(hosts, length, name);
	while (hosts < end)
	{
		const char *comma = memchr(hosts, ',', end - hosts);
		const char *stop = comma != NULL ? comma : end;
		bool		negated = hosts < stop && *hosts == '!';

		if (negated)
			hosts++;
		if (stop > hosts && glob_match(hosts, stop - hosts, name))
		{
			/* an exception counts wherever it stands */
			if (negated)
				return false;
			matched = true;
		}
		hosts = stop + 1;
	}
	return matched;
}

bool
hostkey_hosts_match(const char *hosts, size_t length, const char *host, uint16_t port)
{
	char		name[WIRE_MAX_NAME + 16];

	name_of_host(host, port, name, sizeof(name));
	return hosts_match_name(hosts, length, name);
}

/* --- picking out ------------------------------------------------------------- */

/* Adds a line's key to the pins; false if it does not fit. */
static bool
add_pin(char pins[PINS_SIZE], size_t *used, const struct hostkey_line *line)
{
	char		key[4 * ((HOSTKEY_MAX_BLOB + 2) / 3) + 1];
	int			written;

	base64_encode(line->blob, line->blob_length, key, sizeof(key));
	written = snprintf(pins + *used, PINS_SIZE - *used, "%s%s %s\n",
					   line->kind == HOSTKEY_LINE_REVOKED ? "@revoked " : "",
					   hostkey_type_name(line->type), key);
	if (written >= (int) (PINS_SIZE - *used))
		return false;
	*used += written;
	return true;
}

bool
hostkey_select(const char *text, size_t length, const char *host, uint16_t port,
			   char pins[PINS_SIZE])
{
	struct hostkey_line line;
	char		name[WIRE_MAX_NAME + 16];
	size_t		used = 0;

	pins[0] = '\0';
	name_of_host(host, port, name, sizeof(name));
	while (hostkey_next_line(&text, &length, true, &line))
		if ((line.kind == HOSTKEY_LINE_KEY || line.kind == HOSTKEY_LINE_REVOKED) &&
			hosts_match_name(line.hosts, line.hosts_length, name) &&
			!add_pin(pins, &used, &line))
		{
			pins[0] = '\0';
			return false;
		}
	return true;
}

/* The pins that came with a job, in the same short form. */
static enum outcome
pins_of_registry(const char *text, char pins[PINS_SIZE], char *error, size_t error_size)
{
	struct hostkey_line line;
	size_t		length = strlen(text);
	size_t		used = 0;
	char		fault[192];

	pins[0] = '\0';
	if (!hostkey_text_valid(text, fault, sizeof(fault)))
	{
		snprintf(error, error_size, "the host key in the registry cannot be read: %s", fault);
		return OUTCOME_HOST_KEY_FILE;
	}
	while (hostkey_next_line(&text, &length, false, &line))
		if ((line.kind == HOSTKEY_LINE_KEY || line.kind == HOSTKEY_LINE_REVOKED) &&
			!add_pin(pins, &used, &line))
		{
			snprintf(error, error_size, "the host key in the registry is too long");
			return OUTCOME_HOST_KEY_FILE;
		}
	return OUTCOME_READ;
}

/* --- files ------------------------------------------------------------------- */

static void
known_hosts_free(struct known_hosts *file)
{
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
	int			fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	int			saved;

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
		return pins_of_registry(job->host_key, pins, error, error_size);
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
	if (!hostkey_select(file->text, file->length, job->address, job->port, pins))
	{
		snprintf(error, error_size, "known_hosts file %s has too many keys for %s",
				 job->known_hosts_file, job->address);
		return OUTCOME_HOST_KEY_FILE;
	}
	return OUTCOME_READ;
}

/* --- verdict ----------------------------------------------------------------- */

static void
prefer_type(char preference[PREFERENCE_SIZE], enum hostkey_type type)
{
	/* an RSA key signs under three names, the newer ones first */
	static const char *const names[HOSTKEY_TYPE_COUNT] = {
		[HOSTKEY_RSA] = "rsa-sha2-512,rsa-sha2-256,ssh-rsa",
	};
	size_t		used = strlen(preference);

	snprintf(preference + used, PREFERENCE_SIZE - used, "%s%s", used > 0 ? "," : "",
			 names[type] != NULL ? names[type] : hostkey_type_name(type));
}

void
hostkey_preference(const char *pins, char preference[PREFERENCE_SIZE])
{
	struct hostkey_line line;
	size_t		length = strlen(pins);
	bool		pinned[HOSTKEY_TYPE_COUNT] = {false};

	while (hostkey_next_line(&pins, &length, false, &line))
		if (line.kind == HOSTKEY_LINE_KEY)
			pinned[line.type] = true;

	preference[0] = '\0';
	for (int pass = 1; pass >= 0; pass--)
		for (int type = 0; type < HOSTKEY_TYPE_COUNT; type++)
			if (pinned[type] == (pass == 1))
				prefer_type(preference, type);
}

enum outcome
hostkey_check(const char *pins, const uint8_t *blob, size_t length,
			  enum host_key_policy policy, const char *name, char *error, size_t error_size)
{
	struct hostkey_line line;
	size_t		pins_length = strlen(pins);
	enum hostkey_type type;
	bool		known = false;
	bool		pinned = false;
	bool		revoked = false;
	enum hostkey_type expected_type = HOSTKEY_TYPE_COUNT;
	char		expected[FINGERPRINT_SIZE] = "";
	char		shown[FINGERPRINT_SIZE];

	error[0] = '\0';
	if (!hostkey_blob_type(blob, length, &type))
	{
		snprintf(error, error_size, "host key of %s is damaged or of an unknown type", name);
		return OUTCOME_HANDSHAKE_FAILED;
	}
	while (hostkey_next_line(&pins, &pins_length, false, &line))
	{
		bool		same = line.blob_length == length && memcmp(line.blob, blob, length) == 0;

		if (line.kind == HOSTKEY_LINE_REVOKED)
			revoked = revoked || same;
		if (line.kind != HOSTKEY_LINE_KEY)
			continue;
		known = known || same;
		pinned = true;
		/* what to show as expected: a key of the same type if there is one */
		if (expected_type == HOSTKEY_TYPE_COUNT || (expected_type != type && line.type == type))
		{
			expected_type = line.type;
			key_fingerprint(line.blob, line.blob_length, expected);
		}
	}

	key_fingerprint(blob, length, shown);
	if (revoked)
	{
		snprintf(error, error_size, "host key of %s is revoked: %s (%s)", name, shown,
				 hostkey_type_name(type));
		return OUTCOME_HOST_KEY_REVOKED;
	}
	if (known)
		return OUTCOME_READ;
	if (pinned)
	{
		if (expected_type == type)
			snprintf(error, error_size, "host key of %s changed: expected %s, got %s (%s)",
					 name, expected, shown, hostkey_type_name(type));
		else
			snprintf(error, error_size, "host key of %s changed: expected %s (%s), got %s (%s)",
					 name, expected, hostkey_type_name(expected_type), shown,
					 hostkey_type_name(type));
		return OUTCOME_HOST_KEY_CHANGED;
	}
	if (policy == HOST_KEY_ACCEPT_NEW)
		return OUTCOME_READ;
	snprintf(error, error_size, "host key of %s is not known: it shows %s (%s)", name, shown,
			 hostkey_type_name(type));
	return OUTCOME_HOST_KEY_UNKNOWN;
}

bool
hostkey_line(const uint8_t *blob, size_t length, char *line, size_t size)
{
	enum hostkey_type type;
	size_t		used;

	if (!hostkey_blob_type(blob, length, &type))
		return false;
	used = snprintf(line, size, "%s ", hostkey_type_name(type));
	return used < size && base64_encode(blob, length, line + used, size - used) > 0;
}
