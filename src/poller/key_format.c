/*
 * key_format.c: the text of a private key file to a key that can sign (key.h).
 *
 * OpenSSH's own form is read here, since OpenSSL does not know it; PEM is left
 * to OpenSSL.  Each error is a predicate that fits behind the file's name.
 * Bytes that held a secret are wiped before their memory is given back.
 */
#define _GNU_SOURCE				/* memmem */
#include "key.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>

#include "../common/hostkey_text.h"

#define ENCRYPTED "is encrypted, and nobody is there to type its passphrase: use a key without one (ssh-keygen -p -N '' -f FILE removes it)"
#define DAMAGED "is damaged or cut short"
#define UNSUPPORTED "is not of a supported type: ssh-ed25519 is best, ecdsa and rsa work too (ssh-keygen -t ed25519)"

/* Bytes as SSH counts them. */
struct bytes
{
	const uint8_t *data;
	size_t		length;
};

/* --- what SSH's strings look like ------------------------------------------- */

static bool
take_u32(struct bytes *from, uint32_t *value)
{
	if (from->length < 4)
		return false;
	*value = (uint32_t) from->data[0] << 24 | (uint32_t) from->data[1] << 16 |
		(uint32_t) from->data[2] << 8 | from->data[3];
	from->data += 4;
	from->length -= 4;
	return true;
}

static bool
take_string(struct bytes *from, struct bytes *string)
{
	struct bytes rest = *from;
	uint32_t	length;

	if (!take_u32(&rest, &length) || length > rest.length)
		return false;
	string->data = rest.data;
	string->length = length;
	from->data = rest.data + length;
	from->length = rest.length - length;
	return true;
}

static bool
bytes_are(struct bytes bytes, const char *text)
{
	return bytes.length == strlen(text) && memcmp(bytes.data, text, bytes.length) == 0;
}

static uint8_t *
put_string(uint8_t *target, const void *data, size_t length)
{
	target[0] = (uint8_t) (length >> 24);
	target[1] = (uint8_t) (length >> 16);
	target[2] = (uint8_t) (length >> 8);
	target[3] = (uint8_t) length;
	memcpy(target + 4, data, length);
	return target + 4 + length;
}

/* --- the public half --------------------------------------------------------- */

/* A positive number, with the zero in front that keeps it positive. */
static uint8_t *
put_mpint(uint8_t *target, const BIGNUM *number)
{
	uint8_t		digits[2050];
	size_t		length = BN_num_bytes(number);

	digits[0] = 0;
	BN_bn2bin(number, digits + 1);
	if (length > 0 && (digits[1] & 0x80) == 0)
		return put_string(target, digits + 1, length);
	return put_string(target, digits, length + 1);
}

static bool
blob_of_ed25519(struct private_key *key)
{
	uint8_t		point[32];
	size_t		size = sizeof(point);
	uint8_t    *end;

	if (EVP_PKEY_get_raw_public_key(key->pkey, point, &size) != 1 || size != 32)
		return false;
	end = put_string(key->blob, "ssh-ed25519", 11);
	end = put_string(end, point, size);
	key->blob_length = end - key->blob;
	return true;
}

static bool
blob_of_ecdsa(struct private_key *key)
{
	char		group[32];
	uint8_t		point[133];
	size_t		size;
	uint8_t    *end;
	const char *curve;
	char		name[32];

	if (EVP_PKEY_get_utf8_string_param(key->pkey, OSSL_PKEY_PARAM_GROUP_NAME,
									   group, sizeof(group), NULL) != 1)
		return false;
	if (strcmp(group, "prime256v1") == 0 || strcmp(group, "P-256") == 0)
		curve = "nistp256";
	else if (strcmp(group, "secp384r1") == 0 || strcmp(group, "P-384") == 0)
		curve = "nistp384";
	else if (strcmp(group, "secp521r1") == 0 || strcmp(group, "P-521") == 0)
		curve = "nistp521";
	else
		return false;

	if (EVP_PKEY_set_utf8_string_param(key->pkey, OSSL_PKEY_PARAM_EC_POINT_CONVERSION_FORMAT,
									   "uncompressed") != 1 ||
		EVP_PKEY_get_octet_string_param(key->pkey, OSSL_PKEY_PARAM_PUB_KEY,
										point, sizeof(point), &size) != 1)
		return false;
	snprintf(name, sizeof(name), "ecdsa-sha2-%s", curve);
	end = put_string(key->blob, name, strlen(name));
	end = put_string(end, curve, strlen(curve));
	end = put_string(end, point, size);
	key->blob_length = end - key->blob;
	return true;
}

static bool
blob_of_rsa(struct private_key *key)
{
	BIGNUM	   *n = NULL;
	BIGNUM	   *e = NULL;
	uint8_t    *end;
	bool		made = false;

	if (EVP_PKEY_get_bn_param(key->pkey, OSSL_PKEY_PARAM_RSA_N, &n) == 1 &&
		EVP_PKEY_get_bn_param(key->pkey, OSSL_PKEY_PARAM_RSA_E, &e) == 1 &&
		BN_num_bytes(n) <= 2048 && BN_num_bytes(e) <= 8)
	{
		end = put_string(key->blob, "ssh-rsa", 7);
		end = put_mpint(end, e);
		end = put_mpint(end, n);
		key->blob_length = end - key->blob;
		made = true;
	}
	BN_free(n);
	BN_free(e);
	return made;
}

/* Finds out what kind of key pkey is; sets type and blob. */
static bool
describe(struct private_key *key, const char **error)
{
	enum hostkey_type type;
	bool		made = false;

	key->blob = malloc(HOSTKEY_MAX_BLOB);
	if (key->blob == NULL)
	{
		*error = "cannot be loaded: out of memory";
		return false;
	}
	*error = UNSUPPORTED;
	switch (EVP_PKEY_get_base_id(key->pkey))
	{
		case EVP_PKEY_ED25519:
			key->type = KEY_ED25519;
			made = blob_of_ed25519(key);
			break;
		case EVP_PKEY_EC:
			key->type = KEY_ECDSA;
			made = blob_of_ecdsa(key);
			break;
		case EVP_PKEY_RSA:
			key->type = KEY_RSA;
			made = blob_of_rsa(key);
			break;
	}
	/* as strict with our own key as with others' */
	return made && hostkey_blob_type(key->blob, key->blob_length, &type);
}

/* --- OpenSSH's own form ------------------------------------------------------ */

static BIGNUM *
number_of(struct bytes bytes)
{
	if (bytes.length == 0 || bytes.length > 2049 || (bytes.data[0] & 0x80) != 0)
		return NULL;
	return BN_bin2bn(bytes.data, (int) bytes.length, NULL);
}

static EVP_PKEY *
key_from_parameters(const char *algorithm, OSSL_PARAM_BLD *build)
{
	OSSL_PARAM *parameters = OSSL_PARAM_BLD_to_param(build);
	EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, algorithm, NULL);
	EVP_PKEY   *pkey = NULL;

	if (parameters != NULL && context != NULL && EVP_PKEY_fromdata_init(context) == 1 &&
		EVP_PKEY_fromdata(context, &pkey, EVP_PKEY_KEYPAIR, parameters) != 1)
		pkey = NULL;
	EVP_PKEY_CTX_free(context);

	/* the two halves must belong together */
	if (pkey != NULL)
	{
		context = EVP_PKEY_CTX_new_from_pkey(NULL, pkey, NULL);
		if (context == NULL || EVP_PKEY_pairwise_check(context) != 1)
		{
			EVP_PKEY_free(pkey);
			pkey = NULL;
		}
		EVP_PKEY_CTX_free(context);
	}
	OSSL_PARAM_free(parameters);
	return pkey;
}

static EVP_PKEY *
take_ecdsa(struct bytes *from)
{
	struct bytes curve;
	struct bytes point;
	struct bytes secret;
	BIGNUM	   *number = NULL;
	OSSL_PARAM_BLD *build = NULL;
	EVP_PKEY   *pkey = NULL;
	const char *group;

	if (!take_string(from, &curve) || !take_string(from, &point) || !take_string(from, &secret))
		return NULL;
	if (bytes_are(curve, "nistp256"))
		group = "P-256";
	else if (bytes_are(curve, "nistp384"))
		group = "P-384";
	else if (bytes_are(curve, "nistp521"))
		group = "P-521";
	else
		return NULL;

	number = number_of(secret);
	build = OSSL_PARAM_BLD_new();
	if (number != NULL && build != NULL &&
		OSSL_PARAM_BLD_push_utf8_string(build, OSSL_PKEY_PARAM_GROUP_NAME, group, 0) &&
		OSSL_PARAM_BLD_push_octet_string(build, OSSL_PKEY_PARAM_PUB_KEY, point.data, point.length) &&
		OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_PRIV_KEY, number))
		pkey = key_from_parameters("EC", build);
	OSSL_PARAM_BLD_free(build);
	BN_clear_free(number);
	return pkey;
}

static EVP_PKEY *
take_rsa(struct bytes *from)
{
	/* in the order of the file; the last two are computed */
	static const char *const names[8] = {
		OSSL_PKEY_PARAM_RSA_N, OSSL_PKEY_PARAM_RSA_E, OSSL_PKEY_PARAM_RSA_D,
		OSSL_PKEY_PARAM_RSA_COEFFICIENT1, OSSL_PKEY_PARAM_RSA_FACTOR1,
		OSSL_PKEY_PARAM_RSA_FACTOR2, OSSL_PKEY_PARAM_RSA_EXPONENT1,
		OSSL_PKEY_PARAM_RSA_EXPONENT2
	};
	BIGNUM	   *numbers[8] = {NULL};
	OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
	BN_CTX	   *context = BN_CTX_new();
	EVP_PKEY   *pkey = NULL;
	bool		good = build != NULL && context != NULL;

	for (int i = 0; good && i < 6; i++)
	{
		struct bytes number;

		good = take_string(from, &number) && (numbers[i] = number_of(number)) != NULL;
	}

	/* what speeds signing up: d modulo p - 1 and q - 1 */
	for (int i = 6; good && i < 8; i++)
	{
		BIGNUM	   *less = BN_dup(numbers[i - 2]);

		good = less != NULL && (numbers[i] = BN_new()) != NULL && BN_sub_word(less, 1) &&
			BN_mod(numbers[i], numbers[2], less, context);
		BN_clear_free(less);
	}
	for (int i = 0; good && i < 8; i++)
		good = OSSL_PARAM_BLD_push_BN(build, names[i], numbers[i]);
	if (good)
		pkey = key_from_parameters("RSA", build);

	for (int i = 0; i < 8; i++)
		BN_clear_free(numbers[i]);
	OSSL_PARAM_BLD_free(build);
	BN_CTX_free(context);
	return pkey;
}

static EVP_PKEY *
take_ed25519(struct bytes *from)
{
	struct bytes point;
	struct bytes secret;

	if (!take_string(from, &point) || !take_string(from, &secret) ||
		point.length != 32 || secret.length != 64)
		return NULL;
	return EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, secret.data, 32);
}

/* The decoded file; gives what is wrong with it, or NULL. */
static const char *
parse_openssh(struct bytes file, struct private_key *key)
{
	static const char magic[] = "openssh-key-v1";
	struct bytes cipher;
	struct bytes kdf;
	struct bytes kdf_options;
	struct bytes public;
	struct bytes private;
	struct bytes type;
	struct bytes comment;
	uint32_t	count;
	uint32_t	check[2];
	const char *error;

	if (file.length < sizeof(magic) || memcmp(file.data, magic, sizeof(magic)) != 0)
		return DAMAGED;
	file.data += sizeof(magic);
	file.length -= sizeof(magic);
	if (!take_string(&file, &cipher) || !take_string(&file, &kdf) ||
		!take_string(&file, &kdf_options) || !take_u32(&file, &count) || count != 1 ||
		!take_string(&file, &public) || !take_string(&file, &private) || file.length != 0)
		return DAMAGED;
	if (!bytes_are(cipher, "none") || !bytes_are(kdf, "none"))
		return ENCRYPTED;
	if (!take_u32(&private, &check[0]) || !take_u32(&private, &check[1]) ||
		check[0] != check[1] || !take_string(&private, &type))
		return DAMAGED;

	if (bytes_are(type, "ssh-ed25519"))
		key->pkey = take_ed25519(&private);
	else if (bytes_are(type, "ssh-rsa"))
		key->pkey = take_rsa(&private);
	else if (type.length > 11 && memcmp(type.data, "ecdsa-sha2-", 11) == 0)
		key->pkey = take_ecdsa(&private);
	else if (type.length > 3 && memcmp(type.data, "sk-", 3) == 0)
		return "is a security key, which needs somebody to touch it: use an ordinary key (ssh-keygen -t ed25519)";
	else
		return UNSUPPORTED;
	if (key->pkey == NULL || !take_string(&private, &comment))
		return DAMAGED;
	for (size_t i = 0; i < private.length; i++)
		if (private.data[i] != (uint8_t) (i + 1))
			return DAMAGED;

	if (!describe(key, &error))
		return error;
	if (public.length != key->blob_length ||
		memcmp(public.data, key->blob, public.length) != 0)
		return DAMAGED;
	return NULL;
}

/* --- armour ------------------------------------------------------------------ */

static const char openssh_begin[] = "-----BEGIN OPENSSH PRIVATE KEY-----";
static const char openssh_end[] = "-----END OPENSSH PRIVATE KEY-----";

/* Takes the armour off; gives what is wrong, or NULL. */
static const char *
parse_armoured(const char *begin, const char *text_end, struct private_key *key)
{
	const char *text = begin + strlen(openssh_begin);
	const char *end = memmem(text, text_end - text, openssh_end, strlen(openssh_end));
	size_t		size;
	char	   *digits;
	uint8_t    *data;
	size_t		count = 0;
	const char *error = DAMAGED;
	struct bytes file;

	if (end == NULL)
		return DAMAGED;
	size = end - text;
	digits = malloc(size + 1);
	data = malloc(size + 1);
	if (digits != NULL && data != NULL)
	{
		for (const char *c = text; c < end; c++)
			if (*c != '\n' && *c != '\r' && *c != ' ' && *c != '\t')
				digits[count++] = *c;
		if (base64_decode(digits, count, data, size, &file.length))
		{
			file.data = data;
			error = parse_openssh(file, key);
		}
	}
	if (digits != NULL)
		OPENSSL_cleanse(digits, size + 1);
	if (data != NULL)
		OPENSSL_cleanse(data, size + 1);
	free(digits);
	free(data);
	return error;
}

/* OpenSSL asks for a passphrase only where there is one. */
static int
refuse_passphrase(char *buffer, int size, int writing, void *asked)
{
	*(bool *) asked = true;
	return -1;
}

static const char *
parse_pem(const char *text, size_t length, struct private_key *key)
{
	BIO		   *bio = BIO_new_mem_buf(text, (int) length);
	bool		asked = false;
	const char *error;

	if (bio == NULL)
		return "cannot be loaded: out of memory";
	key->pkey = PEM_read_bio_PrivateKey(bio, NULL, refuse_passphrase, &asked);
	BIO_free(bio);
	ERR_clear_error();
	if (asked)
		return ENCRYPTED;
	if (key->pkey == NULL)
		return DAMAGED;
	return describe(key, &error) ? NULL : error;
}

static bool
holds(const char *text, size_t length, const char *part)
{
	return memmem(text, length, part, strlen(part)) != NULL;
}

enum outcome
key_parse(const char *text, size_t length, struct private_key *key,
		  char *error, size_t error_size)
{
	const char *begin = memmem(text, length, openssh_begin, strlen(openssh_begin));
	const char *fault;

	memset(key, 0, sizeof(*key));
	if (begin != NULL)
		fault = parse_armoured(begin, text + length, key);
	else if (holds(text, length, "PRIVATE KEY-----"))
		fault = parse_pem(text, length, key);
	else if (holds(text, length, "PuTTY-User-Key-File"))
		fault = "is in PuTTY's form: convert it (puttygen FILE -O private-openssh-new -o NEWFILE)";
	else if (holds(text, length, "ssh-") || holds(text, length, "PUBLIC KEY") ||
			 holds(text, length, "ecdsa-sha2-"))
		fault = "holds a public key: name the private one, which has no .pub at its end";
	else
		fault = "holds no private key";

	ERR_clear_error();
	if (fault == NULL)
		return OUTCOME_READ;
	key_clear(key);
	snprintf(error, error_size, "%s", fault);
	return OUTCOME_IDENTITY_FORMAT;
}

void
key_clear(struct private_key *key)
{
	EVP_PKEY_free(key->pkey);
	free(key->blob);
	memset(key, 0, sizeof(*key));
}
