/*
 * hostkey.h: which keys a host may show, and whether it showed one of them.
 *
 * Two steps.  First the lines that concern the host are picked out of its pins
 * or of known_hosts and become "its pins": a short text, one key a line, that
 * also says which key type to ask for.  Then, once the host has shown its key,
 * blobs are compared.  Nothing here trusts on its own account: a key that is
 * not listed is unknown, and one that differs is changed.
 */
#ifndef TRIBE_POWER_HOSTKEY_H
#define TRIBE_POWER_HOSTKEY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../common/hostkey_text.h"
#include "../common/reason.h"
#include "../common/wire.h"

/* The most that the pins of one host may take, with the NUL. */
#define PINS_SIZE (WIRE_MAX_HOST_KEY + 1)

/* The name under which a host is found: "redfin", or "[redfin]:2222". */
#define HOSTKEY_NAME_SIZE (WIRE_MAX_NAME + 16)
void		hostkey_name(const char *host, uint16_t port, char name[HOSTKEY_NAME_SIZE]);

/*
 * Whether the host part of a known_hosts line means this host: names and
 * addresses with the wildcards * and ?, ! before what is excepted, or one
 * hashed name.  Ports other than 22 need [host]:port, as ssh writes it.
 */
bool		hostkey_hosts_match(const char *hosts, size_t length, const char *host, uint16_t port);

/*
 * Picks the host's lines out of the text of a known_hosts file.  False if they
 * do not fit: then none of them may be used, as a revocation might be missing.
 */
bool		hostkey_select(const char *text, size_t length, const char *host, uint16_t port,
						   char pins[PINS_SIZE]);

/*
 * The pins of a text from the registry, whose host parts, if there are any, do
 * not matter.  OUTCOME_READ, or OUTCOME_HOST_KEY_FILE with the reason.
 */
enum outcome hostkey_pins_of_text(const char *text, char pins[PINS_SIZE],
								  char *error, size_t error_size);

/* A known_hosts file as it was when it was read. */
struct known_hosts;

/* Files lately read. */
struct known_hosts_ring
{
	struct known_hosts *first;
};

void		known_hosts_ring_clear(struct known_hosts_ring *ring);

/*
 * The pins that hold for a job: those given with it, or else the ones that its
 * known_hosts file has.  "" if there are none.  OUTCOME_READ, or
 * OUTCOME_HOST_KEY_FILE with the reason.
 */
enum outcome hostkey_pins_of_job(struct known_hosts_ring *ring, const struct job *job,
								 char pins[PINS_SIZE], char *error, size_t error_size);

/* The algorithms to offer, those that are pinned first: else a host with keys
 * of several types could show another one than the pinned. */
#define PREFERENCE_SIZE 256
void		hostkey_preference(const char *pins, char preference[PREFERENCE_SIZE]);

/*
 * The verdict on the key that was shown.  OUTCOME_READ if it is pinned, or if
 * nothing is pinned and policy takes new keys; else OUTCOME_HOST_KEY_UNKNOWN,
 * _CHANGED or _REVOKED with the fingerprints.  name is for the message.
 */
enum outcome hostkey_check(const char *pins, const uint8_t *blob, size_t length,
						   enum host_key_policy policy, const char *name,
						   char *error, size_t error_size);

/* The shown key as a line without host part; false if it is no key. */
bool		hostkey_line(const uint8_t *blob, size_t length, char *line, size_t size);

#endif
