/*
 * hostkey.c: matching, pins, and the verdict on a host's key (hostkey.h).  Pure
 * functions of text and bytes.
 *
 * Known hosts are matched here and not by libssh2, whose matching knows neither
 * @revoked nor wildcards, gives up a file for one bad line, and takes a plain
 * entry for any port.
 */
#include "hostkey.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "key.h"

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

void
hostkey_name(const char *host, uint16_t port, char name[HOSTKEY_NAME_SIZE])
{
	if (port == 22)
		snprintf(name, HOSTKEY_NAME_SIZE, "%s", host);
	else
		snprintf(name, HOSTKEY_NAME_SIZE, "[%s]:%u", host, port);
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
	char		name[HOSTKEY_NAME_SIZE];

	hostkey_name(host, port, name);
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

/* The host part of a line, to be looked at before its key is decoded. */
static bool
line_means(const char *line, const char *end, const char *name)
{
	for (;;)
	{
		const char *word;

		while (line < end && (*line == ' ' || *line == '\t' || *line == '\r'))
			line++;
		word = line;
		while (line < end && *line != ' ' && *line != '\t' && *line != '\r')
			line++;
		if (word == line || *word == '#')
			return false;
		if (*word != '@')
			return hosts_match_name(word, line - word, name);
	}
}

bool
hostkey_select(const char *text, size_t length, const char *host, uint16_t port,
			   char pins[PINS_SIZE])
{
	const char *end = text + length;
	char		name[HOSTKEY_NAME_SIZE];
	size_t		used = 0;

	pins[0] = '\0';
	hostkey_name(host, port, name);
	while (text < end)
	{
		const char *newline = memchr(text, '\n', end - text);
		const char *stop = newline != NULL ? newline : end;
		size_t		left = stop - text;
		struct hostkey_line line;

		if (line_means(text, stop, name) && hostkey_next_line(&text, &left, true, &line) &&
			(line.kind == HOSTKEY_LINE_KEY || line.kind == HOSTKEY_LINE_REVOKED) &&
			!add_pin(pins, &used, &line))
		{
			pins[0] = '\0';
			return false;
		}
		text = stop + 1;
	}
	return true;
}

enum outcome
hostkey_pins_of_text(const char *text, char pins[PINS_SIZE], char *error, size_t error_size)
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
