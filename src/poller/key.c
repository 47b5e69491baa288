/*
 * key.c: key files and their keeping, and what signs with them (key.h).
 *
 * A file that others could read or replace is refused before anything is tried
 * with it, as ssh does.
 */
#include "key.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/bn.h>
#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/sha.h>

#include "../common/hostkey_text.h"

/* Keys that nobody uses just now and that are kept nevertheless. */
#define RING_SIZE 16

/* --- files ------------------------------------------------------------------- */

/* Opens path and looks at what it is; -1 with the error's text. */
static int
open_identity(const char *path, struct stat *status, char *error, size_t error_size)
{
	int			fd;

	if (path[0] == '\0')
	{
		snprintf(error, error_size, "no identity file is set");
		return -1;
	}
	/* non-blocking: a named pipe would be waited for */
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0)
	{
		snprintf(error, error_size, "cannot open identity file %s: %s", path, strerror(errno));
		return -1;
	}
	if (fstat(fd, status) != 0)
		snprintf(error, error_size, "cannot stat identity file %s: %s", path, strerror(errno));
	else if (!S_ISREG(status->st_mode))
		snprintf(error, error_size, "identity file %s is not a regular file", path);
	else if (status->st_uid != geteuid() && status->st_uid != 0)
		snprintf(error, error_size, "identity file %s belongs to user %lu, not to user %lu who would use it",
				 path, (unsigned long) status->st_uid, (unsigned long) geteuid());
	else if ((status->st_mode & 077) != 0)
		snprintf(error, error_size, "identity file %s has mode %04o, so others may read it: it must be 0600 or 0400",
				 path, (unsigned) (status->st_mode & 07777));
	else if (status->st_size > KEY_MAX_FILE)
		snprintf(error, error_size, "identity file %s is too large to be a key", path);
	else
		return fd;
	close(fd);
	return -1;
}

static bool
read_whole(int fd, char *text, size_t size, size_t *length)
{
	*length = 0;
	while (*length < size)
	{
		ssize_t		count = read(fd, text + *length, size - *length);

		if (count < 0 && errno == EINTR)
			continue;
		if (count < 0)
			return false;
		if (count == 0)
			break;
		*length += count;
	}
	return true;
}

static void
remember_file(struct identity *identity, const struct stat *status)
{
	identity->device = status->st_dev;
	identity->inode = status->st_ino;
	identity->size = status->st_size;
	identity->changed = (int64_t) status->st_mtim.tv_sec * 1000000000 + status->st_mtim.tv_nsec;
	identity->mode = status->st_mode;
	identity->owner = status->st_uid;
}

static bool
same_file(const struct identity *identity, const struct stat *status)
{
	struct identity now;

	remember_file(&now, status);
	return identity->device == now.device && identity->inode == now.inode &&
		identity->size == now.size && identity->changed == now.changed &&
		identity->mode == now.mode && identity->owner == now.owner;
}

/* --- the ring ---------------------------------------------------------------- */

static void
identity_free(struct identity *identity)
{
	key_clear(&identity->key);
	free(identity->path);
	free(identity);
}

void
key_release(struct identity *identity)
{
	/* the ring itself holds one reference */
	if (identity != NULL && --identity->references == 0)
		identity_free(identity);
}

/* Drops from the ring what stands at *place. */
static void
ring_drop(struct identity **place)
{
	struct identity *identity = *place;

	*place = identity->next;
	key_release(identity);
}

static enum outcome
load(int fd, const char *path, const struct stat *status, struct identity **identity,
	 char *error, size_t error_size)
{
	struct identity *loaded = calloc(1, sizeof(*loaded));
	char	   *text = malloc(KEY_MAX_FILE);
	size_t		length;
	enum outcome outcome = OUTCOME_INTERNAL;
	char		fault[256];

	if (loaded == NULL || text == NULL || (loaded->path = strdup(path)) == NULL)
		snprintf(error, error_size, "out of memory");
	else if (!read_whole(fd, text, KEY_MAX_FILE, &length))
	{
		outcome = OUTCOME_IDENTITY_FILE;
		snprintf(error, error_size, "cannot read identity file %s: %s", path, strerror(errno));
	}
	else
	{
		outcome = key_parse(text, length, &loaded->key, fault, sizeof(fault));
		if (outcome != OUTCOME_READ)
			snprintf(error, error_size, "identity file %s %s", path, fault);
	}
	if (text != NULL)
		OPENSSL_cleanse(text, KEY_MAX_FILE);
	free(text);

	if (outcome != OUTCOME_READ)
	{
		if (loaded != NULL)
			free(loaded->path);
		free(loaded);
		return outcome;
	}
	remember_file(loaded, status);
	key_fingerprint(loaded->key.blob, loaded->key.blob_length, loaded->fingerprint);
	loaded->references = 1;
	*identity = loaded;
	return OUTCOME_READ;
}

enum outcome
key_ring_get(struct key_ring *ring, const char *path, struct identity **identity,
			 char *error, size_t error_size)
{
	struct stat status;
	struct identity *found = ring->first;
	int			count = 0;
	int			fd;

	/* each job asks, so what it costs with the file unchanged counts: one system call */
	while (found != NULL && strcmp(found->path, path) != 0)
		found = found->next;
	if (found != NULL && stat(path, &status) == 0 && same_file(found, &status))
	{
		found->references++;
		*identity = found;
		return OUTCOME_READ;
	}
	found = NULL;
	fd = open_identity(path, &status, error, error_size);
	if (fd < 0)
		return OUTCOME_IDENTITY_FILE;
	for (struct identity **place = &ring->first; *place != NULL;)
	{
		if (strcmp((*place)->path, path) != 0)
		{
			/* the newest stand first */
			if (++count >= RING_SIZE)
				ring_drop(place);
			else
				place = &(*place)->next;
		}
		else if (same_file(*place, &status))
		{
			found = *place;
			break;
		}
		else
			ring_drop(place);
	}
	if (found == NULL)
	{
		enum outcome outcome = load(fd, path, &status, &found, error, error_size);

		if (outcome != OUTCOME_READ)
		{
			close(fd);
			return outcome;
		}
		found->next = ring->first;
		ring->first = found;
	}
	close(fd);
	found->references++;
	*identity = found;
	return OUTCOME_READ;
}

void
key_ring_clear(struct key_ring *ring)
{
	while (ring->first != NULL)
		ring_drop(&ring->first);
}

/* --- signing ----------------------------------------------------------------- */

static uint8_t *
put_mpint(uint8_t *target, const BIGNUM *number)
{
	int			length = BN_num_bytes(number);
	bool		zero = length > 0 && BN_is_bit_set(number, length * 8 - 1);
	int			total = length + zero;

	target[0] = target[1] = 0;
	target[2] = (uint8_t) (total >> 8);
	target[3] = (uint8_t) total;
	target[4] = 0;
	BN_bn2bin(number, target + 4 + zero);
	return target + 4 + total;
}

/* ECDSA signatures are DER to OpenSSL, and two numbers to SSH. */
static uint8_t *
ecdsa_to_ssh(const uint8_t *der, size_t length, size_t *ssh_length)
{
	ECDSA_SIG  *pair = d2i_ECDSA_SIG(NULL, &der, (long) length);
	uint8_t    *signature = NULL;

	if (pair != NULL && (signature = malloc(2 * (4 + 1 + 66))) != NULL)
	{
		uint8_t    *end = put_mpint(signature, ECDSA_SIG_get0_r(pair));

		end = put_mpint(end, ECDSA_SIG_get0_s(pair));
		*ssh_length = end - signature;
	}
	ECDSA_SIG_free(pair);
	return signature;
}

/* The hash that belongs to the algorithm; false if it is not one of this key. */
static bool
choose_digest(const struct private_key *key, const char *algorithm, size_t length,
			  const EVP_MD **digest)
{
	static const struct
	{
		enum key_type type;
		const char *name;
		const EVP_MD *(*digest) (void);
	}			choices[] = {
		{KEY_ED25519, "ssh-ed25519", NULL},
		{KEY_ECDSA, "ecdsa-sha2-nistp256", EVP_sha256},
		{KEY_ECDSA, "ecdsa-sha2-nistp384", EVP_sha384},
		{KEY_ECDSA, "ecdsa-sha2-nistp521", EVP_sha512},
		{KEY_RSA, "rsa-sha2-256", EVP_sha256},
		{KEY_RSA, "rsa-sha2-512", EVP_sha512},
		{KEY_RSA, "ssh-rsa", EVP_sha1},
	};

	for (size_t i = 0; i < sizeof(choices) / sizeof(choices[0]); i++)
		if (choices[i].type == key->type && strlen(choices[i].name) == length &&
			memcmp(choices[i].name, algorithm, length) == 0)
		{
			*digest = choices[i].digest != NULL ? choices[i].digest() : NULL;
			return true;
		}
	return false;
}

uint8_t *
key_sign(const struct private_key *key, const char *algorithm, size_t algorithm_length,
		 const uint8_t *data, size_t data_length, size_t *signature_length)
{
	EVP_MD_CTX *context;
	const EVP_MD *digest;
	uint8_t    *signature = NULL;
	size_t		length = 0;

	if (!choose_digest(key, algorithm, algorithm_length, &digest))
		return NULL;
	context = EVP_MD_CTX_new();
	if (context != NULL &&
		EVP_DigestSignInit(context, NULL, digest, NULL, key->pkey) == 1 &&
		EVP_DigestSign(context, NULL, &length, data, data_length) == 1 &&
		(signature = malloc(length)) != NULL &&
		EVP_DigestSign(context, signature, &length, data, data_length) != 1)
	{
		free(signature);
		signature = NULL;
	}
	EVP_MD_CTX_free(context);
	ERR_clear_error();

	if (signature != NULL && key->type == KEY_ECDSA)
	{
		uint8_t    *der = signature;

		signature = ecdsa_to_ssh(der, length, &length);
		free(der);
	}
	*signature_length = length;
	return signature;
}

void
key_fingerprint(const uint8_t *blob, size_t length, char fingerprint[FINGERPRINT_SIZE])
{
	uint8_t		hash[SHA256_DIGEST_LENGTH];
	size_t		end;

	SHA256(blob, length, hash);
	memcpy(fingerprint, "SHA256:", 7);
	end = 7 + base64_encode(hash, sizeof(hash), fingerprint + 7, FINGERPRINT_SIZE - 7);
	while (end > 0 && fingerprint[end - 1] == '=')
		fingerprint[--end] = '\0';
}
