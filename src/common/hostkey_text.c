/*
 * hostkey_text.c: lines of known_hosts and the keys in them (hostkey_text.h).
 *
 * What it reads may be a file of any age and origin, so a broken line is told
 * apart from a missing one and harms no other line.
 */
#include "hostkey_text.h"

#include <stdio.h>
#include <string.h>

static const char *const type_names[HOSTKEY_TYPE_COUNT] = {
	[HOSTKEY_ED25519] = "ssh-ed25519",
	[HOSTKEY_ECDSA_256] = "ecdsa-sha2-nistp256",
	[HOSTKEY_ECDSA_384] = "ecdsa-sha2-nistp384",
	[HOSTKEY_ECDSA_521] = "ecdsa-sha2-nistp521",
	[HOSTKEY_RSA] = "ssh-rsa",
};

const char *
hostkey_type_name(enum hostkey_type type)
{
	return type_names[type];
}

static bool
type_from_name(const char *name, size_t length, enum hostkey_type *type)
{
	for (int i = 0; i < HOSTKEY_TYPE_COUNT; i++)
		if (strlen(type_names[i]) == length && memcmp(type_names[i], name, length) == 0)
		{
			*type = i;
			return true;
		}
	return false;
}

/* --- base64 ------------------------------------------------------------------ */

static const char alphabet[] =
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static int
digit_value(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	if (c == '+')
		return 62;
	if (c == '/')
		return 63;
	return -1;
}

bool
base64_decode(const char *text, size_t text_length, uint8_t *data, size_t size,
			  size_t *length)
{
	size_t		used = 0;

	if (text_length % 4 != 0)
		return false;
	for (size_t i = 0; i < text_length; i += 4)
	{
		bool		last = i + 4 == text_length;
		int			pad = 0;
		uint32_t	group = 0;

		if (last && text[i + 3] == '=')
			pad = text[i + 2] == '=' ? 2 : 1;
		for (int j = 0; j < 4; j++)
		{
			int			value = j >= 4 - pad ? 0 : digit_value(text[i + j]);

			if (value < 0)
				return false;
			group = group << 6 | (uint32_t) value;
		}
		/* the bits that padding cuts off are zero: one text for one key */
		if ((pad == 1 && (group & 0xff) != 0) || (pad == 2 && (group & 0xffff) != 0))
			return false;
		for (int j = 0; j < 3 - pad; j++)
		{
			if (used == size)
				return false;
			data[used++] = (uint8_t) (group >> (16 - 8 * j));
		}
	}
	*length = used;
	return true;
}

size_t
base64_encode(const uint8_t *data, size_t length, char *text, size_t size)
{
	size_t		used = 0;

	if (size < 4 * ((length + 2) / 3) + 1)
		return 0;
	for (size_t i = 0; i < length; i += 3)
	{
		size_t		left = length - i;
		uint32_t	group = (uint32_t) data[i] << 16;

		if (left > 1)
			group |= (uint32_t) data[i + 1] << 8;
		if (left > 2)
			group |= data[i + 2];
		text[used++] = alphabet[group >> 18 & 63];
		text[used++] = alphabet[group >> 12 & 63];
		text[used++] = left > 1 ? alphabet[group >> 6 & 63] : '=';
		text[used++] = left > 2 ? alphabet[group & 63] : '=';
	}
	text[used] = '\0';
	return used;
}

/* --- key blobs --------------------------------------------------------------- */

/* Takes one counted string off the blob. */
static bool
take_string(const uint8_t **blob, size_t *length, const uint8_t **string, size_t *size)
{
	const uint8_t *b = *blob;

	if (*length < 4)
		return false;
	*size = (size_t) b[0] << 24 | (size_t) b[1] << 16 | (size_t) b[2] << 8 | b[3];
	if (*size > *length - 4)
		return false;
	*string = b + 4;
	*blob += 4 + *size;
	*length -= 4 + *size;
	return true;
}

/* A positive number in its one right form. */
static bool
is_positive_mpint(const uint8_t *number, size_t size)
{
	if (size == 0 || (number[0] & 0x80) != 0)
		return false;
	return number[0] != 0 || (size > 1 && (number[1] & 0x80) != 0);
}

bool
hostkey_blob_type(const uint8_t *blob, size_t length, enum hostkey_type *type)
{
	static const char *const curves[] = {"nistp256", "nistp384", "nistp521"};
	static const size_t point_sizes[] = {65, 97, 133};
	const uint8_t *string;
	size_t		size;

	if (!take_string(&blob, &length, &string, &size) ||
		!type_from_name((const char *) string, size, type))
		return false;
	switch (*type)
	{
		case HOSTKEY_ED25519:
			return take_string(&blob, &length, &string, &size) &&
				size == 32 && length == 0;

		case HOSTKEY_ECDSA_256:
		case HOSTKEY_ECDSA_384:
		case HOSTKEY_ECDSA_521:
			{
				int			curve = *type - HOSTKEY_ECDSA_256;

				return take_string(&blob, &length, &string, &size) &&
					size == strlen(curves[curve]) &&
					memcmp(string, curves[curve], size) == 0 &&
					take_string(&blob, &length, &string, &size) &&
					size == point_sizes[curve] && string[0] == 4 && length == 0;
			}

		case HOSTKEY_RSA:
			/* exponent, then a modulus of 1024 to 16384 bits */
			return take_string(&blob, &length, &string, &size) &&
				is_positive_mpint(string, size) && size <= 9 &&
				take_string(&blob, &length, &string, &size) &&
				is_positive_mpint(string, size) &&
				size >= 128 && size <= 2049 && length == 0;

		case HOSTKEY_TYPE_COUNT:
			break;
	}
	return false;
}

/* --- lines ------------------------------------------------------------------- */

struct word
{
	const char *text;
	size_t		length;
};

static bool
is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

static struct word
next_word(const char **text, const char *end)
{
	struct word word;

	while (*text < end && is_space(**text))
		(*text)++;
	word.text = *text;
	while (*text < end && !is_space(**text))
		(*text)++;
	word.length = *text - word.text;
	return word;
}

static bool
word_is(struct word word, const char *text)
{
	return word.length == strlen(text) && memcmp(word.text, text, word.length) == 0;
}

/* The words of one line; gives the kind, and the error where it is broken. */
static enum hostkey_line_kind
parse_line(const char *text, const char *end, bool need_hosts, struct hostkey_line *line)
{
	enum hostkey_line_kind kind = HOSTKEY_LINE_KEY;
	enum hostkey_type blob_type;
	struct word word = next_word(&text, end);

	if (word.length == 0 || word.text[0] == '#')
		return HOSTKEY_LINE_EMPTY;
	if (word.text[0] == '@')
	{
		if (word_is(word, "@cert-authority"))
			return HOSTKEY_LINE_AUTHORITY;
		if (!word_is(word, "@revoked"))
		{
			line->error = "unknown marker";
			return HOSTKEY_LINE_BROKEN;
		}
		kind = HOSTKEY_LINE_REVOKED;
		word = next_word(&text, end);
	}

	/* in a file the first word is always the hosts, whatever it looks like */
	if (need_hosts || !type_from_name(word.text, word.length, &line->type))
	{
		line->hosts = word.text;
		line->hosts_length = word.length;
		word = next_word(&text, end);
	}
	if (word.length == 0)
	{
		line->error = "no key type";
		return HOSTKEY_LINE_BROKEN;
	}
	if (!type_from_name(word.text, word.length, &line->type))
	{
		line->error = "key type is not one of ssh-ed25519, ecdsa-sha2-nistp256, "
			"ecdsa-sha2-nistp384, ecdsa-sha2-nistp521, ssh-rsa";
		return HOSTKEY_LINE_BROKEN;
	}
	word = next_word(&text, end);
	if (word.length == 0)
	{
		line->error = "no key after the key type";
		return HOSTKEY_LINE_BROKEN;
	}
	if (!base64_decode(word.text, word.length, line->blob, sizeof(line->blob),
					   &line->blob_length))
	{
		line->error = "key is not valid base64";
		return HOSTKEY_LINE_BROKEN;
	}
	if (!hostkey_blob_type(line->blob, line->blob_length, &blob_type))
	{
		line->error = "key is damaged or cut short";
		return HOSTKEY_LINE_BROKEN;
	}
	if (blob_type != line->type)
	{
		line->error = "key is not of the type that stands before it";
		return HOSTKEY_LINE_BROKEN;
	}
	return kind;
}

bool
hostkey_next_line(const char **text, size_t *length, bool need_hosts,
				  struct hostkey_line *line)
{
	const char *start = *text;
	const char *newline;
	size_t		size;

	if (*length == 0)
		return false;
	newline = memchr(start, '\n', *length);
	size = newline != NULL ? (size_t) (newline - start) : *length;
	*text += newline != NULL ? size + 1 : size;
	*length -= newline != NULL ? size + 1 : size;

	line->hosts = "";
	line->hosts_length = 0;
	line->blob_length = 0;
	line->error = "";
	line->kind = parse_line(start, start + size, need_hosts, line);
	return true;
}

bool
hostkey_text_valid(const char *text, char *error, size_t size)
{
	struct hostkey_line line;
	size_t		length = strlen(text);
	int			number = 0;
	bool		found = false;

	while (hostkey_next_line(&text, &length, false, &line))
	{
		number++;
		switch (line.kind)
		{
			case HOSTKEY_LINE_KEY:
				found = true;
				break;
			case HOSTKEY_LINE_AUTHORITY:
				snprintf(error, size, "line %d: host certificates are not supported", number);
				return false;
			case HOSTKEY_LINE_BROKEN:
				snprintf(error, size, "line %d: %s", number, line.error);
				return false;
			case HOSTKEY_LINE_EMPTY:
			case HOSTKEY_LINE_REVOKED:
				break;
		}
	}
	if (!found)
		snprintf(error, size, "no host key in it");
	return found;
}
