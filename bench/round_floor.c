/*
 * round_floor.c: the public-key operations without which there is no login,
 * and nothing else: what no SSH client can be faster than.
 *
 * A key for the exchange (X25519), the shared secret, the check of the host's
 * signature and our own signature (ed25519), by the same libcrypto that the
 * poller uses.  Keys that a client could have at hand are made beforehand.
 */
#include "round.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include <openssl/evp.h>

#define REPEATS 400

static EVP_PKEY *
new_key(int type)
{
	EVP_PKEY   *key = NULL;
	EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_id(type, NULL);

	if (context == NULL || EVP_PKEY_keygen_init(context) <= 0 ||
		EVP_PKEY_keygen(context, &key) <= 0)
		die("cannot make a key");
	EVP_PKEY_CTX_free(context);
	return key;
}

static void
derive(EVP_PKEY *own, EVP_PKEY *other)
{
	unsigned char secret[32];
	size_t		length = sizeof(secret);
	EVP_PKEY_CTX *context = EVP_PKEY_CTX_new(own, NULL);

	if (context == NULL || EVP_PKEY_derive_init(context) <= 0 ||
		EVP_PKEY_derive_set_peer(context, other) <= 0 ||
		EVP_PKEY_derive(context, secret, &length) <= 0)
		die("cannot derive a secret");
	EVP_PKEY_CTX_free(context);
}

static void
sign(EVP_PKEY *key, const unsigned char *text, size_t length, unsigned char *signature)
{
	size_t		size = 64;
	EVP_MD_CTX *context = EVP_MD_CTX_new();

	if (context == NULL || EVP_DigestSignInit(context, NULL, NULL, NULL, key) <= 0 ||
		EVP_DigestSign(context, signature, &size, text, length) <= 0)
		die("cannot sign");
	EVP_MD_CTX_free(context);
}

static void
verify(EVP_PKEY *key, const unsigned char *text, size_t length, const unsigned char *signature)
{
	EVP_MD_CTX *context = EVP_MD_CTX_new();

	if (context == NULL || EVP_DigestVerifyInit(context, NULL, NULL, NULL, key) <= 0 ||
		EVP_DigestVerify(context, signature, 64, text, length) != 1)
		die("a signature is wrong");
	EVP_MD_CTX_free(context);
}

static double
spent(void)
{
	struct timespec now;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return now.tv_sec + now.tv_nsec / 1e9;
}

void
run_floor(void)
{
	EVP_PKEY   *server = new_key(EVP_PKEY_X25519);
	EVP_PKEY   *identity = new_key(EVP_PKEY_ED25519);
	unsigned char hash[32];
	unsigned char request[160];
	unsigned char signature[64];
	double		start = 0;

	memset(hash, 1, sizeof(hash));
	memset(request, 2, sizeof(request));
	sign(identity, hash, sizeof(hash), signature);
	/* the first turns warm caches and load algorithms */
	for (int i = -20; i < REPEATS; i++)
	{
		unsigned char own[64];
		EVP_PKEY   *key;

		if (i == 0)
			start = spent();
		key = new_key(EVP_PKEY_X25519);
		derive(key, server);
		verify(identity, hash, sizeof(hash), signature);
		sign(identity, request, sizeof(request), own);
		EVP_PKEY_free(key);
	}
	printf("wall=0 cpu=%.9f\n", (spent() - start) / REPEATS);
	EVP_PKEY_free(server);
	EVP_PKEY_free(identity);
}
