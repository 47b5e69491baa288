/*
 * test_key.c: private keys of all forms, and signatures that verify.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <sys/stat.h>
#include <unistd.h>

#include "hostkey_text.h"
#include "key.h"

static char directory[] = "/tmp/tribe_power_key.XXXXXX";
static char error[512];

static void
shell(const char *format, const char *name)
{
	char		command[1024];
	char		arguments[900];

	snprintf(arguments, sizeof(arguments), format, name, name, name);
	snprintf(command, sizeof(command), "cd %s && { %s; } >/dev/null 2>&1", directory, arguments);
	if (system(command) != 0)
		fail_msg("%s", command);
}

static char *
read_key(const char *name, size_t *length)
{
	char		path[256];
	char	   *text = calloc(1, KEY_MAX_FILE);
	FILE	   *file;

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	file = fopen(path, "r");
	assert_non_null(file);
	*length = fread(text, 1, KEY_MAX_FILE, file);
	fclose(file);
	return text;
}

static enum outcome
parse(const char *name, struct private_key *key)
{
	size_t		length;
	char	   *text = read_key(name, &length);
	enum outcome outcome;

	error[0] = '\0';
	outcome = key_parse(text, length, key, error, sizeof(error));
	free(text);
	return outcome;
}

static int
setup(void **state)
{
	return mkdtemp(directory) == NULL;
}

static int
teardown(void **state)
{
	char		command[256];

	snprintf(command, sizeof(command), "rm -rf %s", directory);
	return system(command);
}

/* Each parsed key must be the one that its .pub file says. */
static void
assert_public_half(const char *name, const struct private_key *key)
{
	char		pub[64];
	size_t		length;
	char	   *text;
	const char *start;
	struct hostkey_line line;

	snprintf(pub, sizeof(pub), "%s.pub", name);
	text = read_key(pub, &length);
	start = text;
	assert_true(hostkey_next_line(&start, &length, false, &line));
	assert_int_equal(line.kind, HOSTKEY_LINE_KEY);
	assert_int_equal(key->blob_length, line.blob_length);
	assert_memory_equal(key->blob, line.blob, line.blob_length);
	free(text);
}

static void
all_forms_are_read(void **state)
{
	static const struct
	{
		const char *name;
		const char *make;
		enum key_type type;
	}			keys[] = {
		{"ed", "ssh-keygen -q -t ed25519 -N '' -f %s", KEY_ED25519},
		{"ec256", "ssh-keygen -q -t ecdsa -b 256 -N '' -f %s", KEY_ECDSA},
		{"ec384", "ssh-keygen -q -t ecdsa -b 384 -N '' -f %s", KEY_ECDSA},
		{"ec521", "ssh-keygen -q -t ecdsa -b 521 -N '' -f %s", KEY_ECDSA},
		{"rsa", "ssh-keygen -q -t rsa -b 2048 -N '' -f %s", KEY_RSA},
		{"ec256pem", "ssh-keygen -q -t ecdsa -b 256 -m PEM -N '' -f %s", KEY_ECDSA},
		{"ec521pkcs8", "ssh-keygen -q -t ecdsa -b 521 -m PKCS8 -N '' -f %s", KEY_ECDSA},
		{"rsapem", "ssh-keygen -q -t rsa -b 2048 -m PEM -N '' -f %s", KEY_RSA},
		{"rsapkcs8", "ssh-keygen -q -t rsa -b 2048 -m PKCS8 -N '' -f %s", KEY_RSA},
	};

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
	{
		struct private_key key;

		shell(keys[i].make, keys[i].name);
		if (parse(keys[i].name, &key) != OUTCOME_READ)
			fail_msg("%s %s", keys[i].name, error);
		assert_int_equal(key.type, keys[i].type);
		assert_public_half(keys[i].name, &key);
		key_clear(&key);
	}
}

static void
encrypted_key_is_refused_with_the_way_out(void **state)
{
	static const char *const make[] = {
		"ssh-keygen -q -t ed25519 -N secret -f %s",
		"ssh-keygen -q -t rsa -b 2048 -m PEM -N secret -f %s",
		"ssh-keygen -q -t ecdsa -m PKCS8 -N secret -f %s",
	};
	static const char *const names[] = {"enc1", "enc2", "enc3"};

	for (int i = 0; i < 3; i++)
	{
		struct private_key key;

		shell(make[i], names[i]);
		assert_int_equal(parse(names[i], &key), OUTCOME_IDENTITY_FORMAT);
		assert_non_null(strstr(error, "is encrypted"));
		assert_non_null(strstr(error, "ssh-keygen -p"));
		assert_null(key.pkey);
	}
}

static void
what_is_no_private_key_says_what_it_is(void **state)
{
	static const struct
	{
		const char *text;
		const char *says;
	}			cases[] = {
		{"", "no private key"},
		{"nonsense", "no private key"},
		{"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEpo x", "public key"},
		{"-----BEGIN PUBLIC KEY-----\n", "public key"},
		{"PuTTY-User-Key-File-3: ssh-ed25519\n", "puttygen"},
		{"-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n", "damaged"},
		{"-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n", "damaged"},
		{"-----BEGIN RSA PRIVATE KEY-----\nAAAA\n-----END RSA PRIVATE KEY-----\n", "damaged"},
		{"-----BEGIN DSA PRIVATE KEY-----\nAAAA\n-----END DSA PRIVATE KEY-----\n", "damaged"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		struct private_key key;

		assert_int_equal(key_parse(cases[i].text, strlen(cases[i].text), &key,
								   error, sizeof(error)), OUTCOME_IDENTITY_FORMAT);
		if (strstr(error, cases[i].says) == NULL)
			fail_msg("%s: %s", cases[i].text, error);
	}
}

/* No cut and no flipped bit may crash, hang or give another key. */
static void
damaged_key_is_refused(void **state)
{
	struct private_key key;
	struct private_key whole;
	size_t		length;
	char	   *text;

	shell("ssh-keygen -q -t ed25519 -N '' -f %s", "whole");
	assert_int_equal(parse("whole", &whole), OUTCOME_READ);
	text = read_key("whole", &length);
	for (size_t cut = 0; cut + 30 < length; cut++)
		assert_int_equal(key_parse(text, cut, &key, error, sizeof(error)),
						 OUTCOME_IDENTITY_FORMAT);
	for (size_t i = 0; i < length; i++)
	{
		char		right = text[i];

		text[i] = right == 'A' ? 'B' : 'A';
		if (key_parse(text, length, &key, error, sizeof(error)) == OUTCOME_READ)
		{
			/* the comment, or the repeated public half, may have changed */
			assert_int_equal(key.blob_length, whole.blob_length);
			assert_memory_equal(key.blob, whole.blob, whole.blob_length);
			key_clear(&key);
		}
		text[i] = right;
	}
	free(text);
	key_clear(&whole);
}

static void
signatures_verify(void **state)
{
	static const struct
	{
		const char *name;
		const char *algorithm;
		size_t		size;		/* 0: varies */
	}			cases[] = {
		{"ed", "ssh-ed25519", 64},
		{"ec256", "ecdsa-sha2-nistp256", 0},
		{"ec384", "ecdsa-sha2-nistp384", 0},
		{"ec521", "ecdsa-sha2-nistp521", 0},
		{"rsa", "rsa-sha2-256", 256},
		{"rsapem", "rsa-sha2-512", 256},
	};
	const uint8_t data[] = "what the server wants signed";

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		struct private_key key;
		size_t		length;
		uint8_t    *signature;

		assert_int_equal(parse(cases[i].name, &key), OUTCOME_READ);
		signature = key_sign(&key, cases[i].algorithm, strlen(cases[i].algorithm),
							 data, sizeof(data), &length);
		assert_non_null(signature);
		if (cases[i].size != 0)
			assert_int_equal(length, cases[i].size);
		if (key.type == KEY_ED25519)
		{
			EVP_MD_CTX *context = EVP_MD_CTX_new();

			assert_int_equal(EVP_DigestVerifyInit(context, NULL, NULL, NULL, key.pkey), 1);
			assert_int_equal(EVP_DigestVerify(context, signature, length, data, sizeof(data)), 1);
			EVP_MD_CTX_free(context);
		}
		free(signature);
		assert_null(key_sign(&key, "ssh-dss", 7, data, sizeof(data), &length));
		key_clear(&key);
	}
}

static void
path_of(const char *name, char path[256])
{
	snprintf(path, 256, "%s/%s", directory, name);
}

static void
file_that_others_may_read_is_refused(void **state)
{
	struct key_ring ring = {NULL};
	struct identity *identity;
	char		path[256];
	static const mode_t wrong[] = {0640, 0604, 0620, 0644, 0610, 0601};

	path_of("ed", path);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
	{
		char		mode[8];

		chmod(path, wrong[i]);
		assert_int_equal(key_ring_get(&ring, path, &identity, error, sizeof(error)),
						 OUTCOME_IDENTITY_FILE);
		snprintf(mode, sizeof(mode), "%04o", wrong[i]);
		assert_non_null(strstr(error, mode));
		assert_non_null(strstr(error, path));
	}
	chmod(path, 0400);
	assert_int_equal(key_ring_get(&ring, path, &identity, error, sizeof(error)), OUTCOME_READ);
	key_release(identity);
	chmod(path, 0600);

	/* also one that was good before */
	chmod(path, 0644);
	assert_int_equal(key_ring_get(&ring, path, &identity, error, sizeof(error)),
					 OUTCOME_IDENTITY_FILE);
	chmod(path, 0600);
	key_ring_clear(&ring);
}

static void
what_is_no_file_is_refused(void **state)
{
	struct key_ring ring = {NULL};
	struct identity *identity;
	char		path[256];

	assert_int_equal(key_ring_get(&ring, "", &identity, error, sizeof(error)),
					 OUTCOME_IDENTITY_FILE);
	assert_int_equal(key_ring_get(&ring, "/nowhere", &identity, error, sizeof(error)),
					 OUTCOME_IDENTITY_FILE);
	assert_non_null(strstr(error, "/nowhere"));
	assert_int_equal(key_ring_get(&ring, directory, &identity, error, sizeof(error)),
					 OUTCOME_IDENTITY_FILE);
	/* a named pipe must not be waited for */
	path_of("fifo", path);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(key_ring_get(&ring, path, &identity, error, sizeof(error)),
					 OUTCOME_IDENTITY_FILE);
	key_ring_clear(&ring);
}

static void
key_is_parsed_once_until_its_file_changes(void **state)
{
	struct key_ring ring = {NULL};
	struct identity *first;
	struct identity *second;
	char		path[256];

	path_of("turns", path);
	shell("cp -p ed %s", "turns");
	assert_int_equal(key_ring_get(&ring, path, &first, error, sizeof(error)), OUTCOME_READ);
	assert_int_equal(key_ring_get(&ring, path, &second, error, sizeof(error)), OUTCOME_READ);
	assert_ptr_equal(first, second);
	key_release(second);

	shell("cp -p ec256 new && mv new %s", "turns");
	assert_int_equal(key_ring_get(&ring, path, &second, error, sizeof(error)), OUTCOME_READ);
	assert_ptr_not_equal(first, second);
	/* whoever still uses the old one may go on */
	assert_int_equal(first->key.type, KEY_ED25519);
	assert_int_equal(second->key.type, KEY_ECDSA);
	assert_memory_equal(second->fingerprint, "SHA256:", 7);
	key_release(first);
	key_release(second);
	key_ring_clear(&ring);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_forms_are_read),
		cmocka_unit_test(encrypted_key_is_refused_with_the_way_out),
		cmocka_unit_test(what_is_no_private_key_says_what_it_is),
		cmocka_unit_test(damaged_key_is_refused),
		cmocka_unit_test(signatures_verify),
		cmocka_unit_test(file_that_others_may_read_is_refused),
		cmocka_unit_test(what_is_no_file_is_refused),
		cmocka_unit_test(key_is_parsed_once_until_its_file_changes),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
