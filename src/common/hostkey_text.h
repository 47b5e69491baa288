/*
 * hostkey_text.h: host keys as text, in the form of known_hosts.
 *
 * Pure functions of their bytes, for the registry (is this a key at all?) and
 * for the poller (is it the key that the node showed?).  No cryptography: a
 * public key is compared, never used.
 */
#ifndef TRIBE_POWER_HOSTKEY_TEXT_H
#define TRIBE_POWER_HOSTKEY_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The longest public key that is read, as bytes: an RSA key of 16384 bits
 * fits. */
#define HOSTKEY_MAX_BLOB 2560

enum hostkey_type
{
	HOSTKEY_ED25519 = 0,
	HOSTKEY_ECDSA_256,
	HOSTKEY_ECDSA_384,
	HOSTKEY_ECDSA_521,
	HOSTKEY_RSA,
	HOSTKEY_TYPE_COUNT
};

/* "ssh-ed25519" and so on. */
const char *hostkey_type_name(enum hostkey_type type);

/* Which type a key blob is, with its inner structure checked. */
bool		hostkey_blob_type(const uint8_t *blob, size_t length, enum hostkey_type *type);

enum hostkey_line_kind
{
	HOSTKEY_LINE_EMPTY,			/* blank or a comment */
	HOSTKEY_LINE_KEY,
	HOSTKEY_LINE_REVOKED,		/* @revoked: this key is never to be accepted */
	HOSTKEY_LINE_AUTHORITY,		/* @cert-authority: not a key of a host */
	HOSTKEY_LINE_BROKEN,		/* error says why */
};

/* One line; hosts points into it. */
struct hostkey_line
{
	enum hostkey_line_kind kind;
	const char *hosts;			/* "" if the line has no host part */
	size_t		hosts_length;
	enum hostkey_type type;
	uint8_t		blob[HOSTKEY_MAX_BLOB];
	size_t		blob_length;
	const char *error;
};

/*
 * Takes the first line off *text.  False when nothing is left.  With
 * need_hosts each line must begin with a host part, as in a file; without, it
 * may.
 */
bool		hostkey_next_line(const char **text, size_t *length, bool need_hosts,
							  struct hostkey_line *line);

/*
 * Whether text pins a host: at least one key, and no line that is broken.
 * Else error says what is wrong, with the line's number.
 */
bool		hostkey_text_valid(const char *text, char *error, size_t size);

/* Base64 with padding, strictly; false for anything else or if it does not
 * fit. */
bool		base64_decode(const char *text, size_t text_length,
						  uint8_t *data, size_t size, size_t *length);

/* With its NUL: 4 * ((length + 2) / 3) + 1 bytes.  0 if it does not fit. */
size_t		base64_encode(const uint8_t *data, size_t length, char *text, size_t size);

#endif
