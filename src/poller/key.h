/*
 * key.h: the private key that logs in, and its signature.
 *
 * The poller alone reads it.  A key is parsed once and kept until its file
 * changes: parsing it at every login would cost ten times the signature.
 */
#ifndef TRIBE_POWER_KEY_H
#define TRIBE_POWER_KEY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <openssl/evp.h>

#include "../common/reason.h"

#define KEY_MAX_FILE (64 * 1024)

enum key_type
{
	KEY_ED25519,
	KEY_ECDSA,					/* on any of the three NIST curves */
	KEY_RSA,
};

/* A private key and the public half as SSH writes it. */
struct private_key
{
	enum key_type type;
	EVP_PKEY   *pkey;
	uint8_t    *blob;
	size_t		blob_length;
};

/* A key file as it was when it was read. */
struct identity
{
	struct private_key key;
	char		fingerprint[64];	/* SHA256:… */
	/* the rest is for key.c */
	struct identity *next;
	int			references;
	char	   *path;
	uint64_t	device,
				inode,
				size;
	int64_t		changed;		/* nanoseconds */
	uint32_t	mode,
				owner;
};

/*
 * Parses the text of a private key file (key_format.c): OpenSSH's own form, or
 * PEM.  Gives OUTCOME_READ, or OUTCOME_IDENTITY_FORMAT with what is wrong and
 * how to put it right.
 */
enum outcome key_parse(const char *text, size_t length, struct private_key *key,
					   char *error, size_t error_size);
void		key_clear(struct private_key *key);

/* The keys that are in use or were lately. */
struct key_ring
{
	struct identity *first;
};

/*
 * The identity in path, from the ring if its file has not changed.  Gives
 * OUTCOME_READ, OUTCOME_IDENTITY_FILE or OUTCOME_IDENTITY_FORMAT.  What it
 * gives stays valid until it is released, also when the file changes.
 */
enum outcome key_ring_get(struct key_ring *ring, const char *path,
						  struct identity **identity, char *error, size_t error_size);
void		key_release(struct identity *identity);
void		key_ring_clear(struct key_ring *ring);

/*
 * The signature of data in the form that SSH puts behind the algorithm's name.
 * RSA keys sign with the hash that algorithm names (rsa-sha2-256, -512,
 * ssh-rsa).  The caller frees it; NULL when it cannot be made.
 */
uint8_t    *key_sign(const struct private_key *key, const char *algorithm,
					 size_t algorithm_length, const uint8_t *data, size_t data_length,
					 size_t *signature_length);

/* "SHA256:…" of a public key blob, as ssh-keygen -l prints it. */
#define FINGERPRINT_SIZE 64
void		key_fingerprint(const uint8_t *blob, size_t length, char fingerprint[FINGERPRINT_SIZE]);

#endif
