/*
 * test_hostkey.c: known_hosts as ssh reads it, and the verdict on a key.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <unistd.h>

#include "hostkey.h"
#include "key.h"

/* Made by ssh-keygen; the fingerprints are ssh-keygen -l's. */
#define ED1 "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDu3qKT/zRA36zLKsv/Mj/yaQpdj5pIEhtGh68iAkvNp"
#define ED2 "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAFK8qPKGY4l4ubfb+9jhtLL2dRoSg9vXGIHjfBqug4v"
#define EC1 "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBJ/T7uM7adqJdO5P2w1oY8wYE/G5kTAER8ZerQp77GgjMpUs6kvUmetsxj7+5bRbUoLNQNKmH2C5ZXt0IKn33iY="
#define RSA1 "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQCruAc8X8acCAByKDC4u130lo1IBFsvZKRnv8AAVsnMsyVZohrw5ewWt0Al1/JwCsBOo4Nf64vAV7LxQ6CPI7OuvILBZ4bvSmX/FIw0a4uLaPYK6C8x9ENGNOlXNZ8tm0VhRazQ0zc4ovebVJ50spUrbqG5kBLOfioPqQKFw80h46Gs5dZnMt4xo2lskF5Q6rid8YWM0v5kx/aFI1W/gNKhJE62nZ3aS1tG8cU3sh2NDpDJNGzLPwYpTewTRs8spDFads3sootfoRkNBrx4NWvVdzEruOc9+6DXpt8edpplyWEencU8xiDQhmnDABZ5Gi/voUagrqUCZY8TIErW7xhJ"
#define ED1_PRINT "SHA256:chJnT/WGrOn4xkmbTgvOK43LXRVcN2f3gLMIvWnhXaI"
#define ED2_PRINT "SHA256:I8WJ/uUDZXzaetRDgE5Xbxd4KXoLIcSb23dBSX2JiiE"
#define EC1_PRINT "SHA256:LTeAIOFhsSSiO/r6pnJC1R5QVR7UTft79aD4XYyqDsE"
/* ssh-keygen -H of "redfin" and of "[redfin]:2222", key ED1 */
#define HASHED_REDFIN "|1|ZH8dtcbqlxgfC5g10wTEkV7hDp0=|lQ99GKcrpKVb3idHd7+pfpvqFmw="
#define HASHED_REDFIN_2222 "|1|+w3ojS0QVeyQydJ3YG3GzmrM2/I=|JyfTvOvHMojwIxUEsgg9g4HlJQs="

static char pins[PINS_SIZE];
static char error[512];

/* The blob of a "type key" line. */
static size_t
blob_of(const char *line, uint8_t *blob)
{
	const char *text = line;
	size_t		length = strlen(line);
	struct hostkey_line parsed;

	assert_true(hostkey_next_line(&text, &length, false, &parsed));
	assert_int_equal(parsed.kind, HOSTKEY_LINE_KEY);
	memcpy(blob, parsed.blob, parsed.blob_length);
	return parsed.blob_length;
}

static const char *
select_pins(const char *text, const char *host, uint16_t port)
{
	assert_true(hostkey_select(text, strlen(text), host, port, pins));
	return pins;
}

static enum outcome
check(const char *text, const char *shown, enum host_key_policy policy)
{
	uint8_t		blob[HOSTKEY_MAX_BLOB];
	size_t		length = blob_of(shown, blob);

	return hostkey_check(text, blob, length, policy, "redfin", error, sizeof(error));
}

static bool
matches(const char *hosts, const char *host, uint16_t port)
{
	return hostkey_hosts_match(hosts, strlen(hosts), host, port);
}

static void
names_and_addresses_match_as_in_ssh(void **state)
{
	assert_true(matches("redfin", "redfin", 22));
	assert_true(matches("bluefin,redfin,10.0.0.1", "redfin", 22));
	assert_true(matches("bluefin,10.0.0.1", "10.0.0.1", 22));
	assert_true(matches("RedFin", "rEDfin", 22));
	assert_false(matches("redfin", "redfin2", 22));
	assert_false(matches("redfin2", "redfin", 22));
	assert_false(matches("", "redfin", 22));
	assert_false(matches(",,", "redfin", 22));
	assert_true(matches("fe80::1%eth0", "fe80::1%eth0", 22));
}

/* libssh2 would take a plain entry for any port. */
static void
port_belongs_to_the_name(void **state)
{
	assert_true(matches("[redfin]:2222", "redfin", 2222));
	assert_false(matches("redfin", "redfin", 2222));
	assert_false(matches("[redfin]:2222", "redfin", 22));
	assert_false(matches("[redfin]:2222", "redfin", 2223));
	assert_true(matches("[*.example]:2222", "a.example", 2222));
}

static void
wildcards_and_exceptions(void **state)
{
	assert_true(matches("*", "redfin", 22));
	assert_true(matches("*fin", "redfin", 22));
	assert_true(matches("r*f?n", "redfin", 22));
	assert_true(matches("redfin*", "redfin", 22));
	assert_false(matches("*fin", "redfish", 22));
	assert_false(matches("?", "redfin", 22));
	assert_true(matches("*fin,!redfin", "bluefin", 22));
	assert_false(matches("*fin,!redfin", "redfin", 22));
	assert_false(matches("!redfin,*fin", "redfin", 22));
	assert_false(matches("!bluefin", "redfin", 22));
	/* a pattern that would take a naive matcher years */
	assert_false(matches("*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*b",
						 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", 22));
}

static void
hashed_names_match(void **state)
{
	assert_true(matches(HASHED_REDFIN, "redfin", 22));
	assert_true(matches(HASHED_REDFIN, "REDFIN", 22));
	assert_false(matches(HASHED_REDFIN, "bluefin", 22));
	assert_false(matches(HASHED_REDFIN, "redfin", 2222));
	assert_true(matches(HASHED_REDFIN_2222, "redfin", 2222));
	assert_false(matches("|1||", "redfin", 22));
	assert_false(matches("|1|", "redfin", 22));
	assert_false(matches("|1|YQ==", "redfin", 22));
	assert_false(matches("|1|YQ==|YQ==", "redfin", 22));
	assert_false(matches("|2|YQ==|YQ==", "redfin", 22));
}

static void
lines_of_the_host_are_picked_out(void **state)
{
	const char *text = "# comment\n"
		"\n"
		"bluefin " ED2 " someone@there\n"
		"\tredfin   " ED1 "  with comment\r\n"
		"redfin " EC1 "\n"
		"@revoked * " ED2 "\n"
		"@cert-authority * " EC1 "\n"
		"redfin " RSA1;

	assert_string_equal(select_pins(text, "redfin", 22),
						ED1 "\n" EC1 "\n@revoked " ED2 "\n" RSA1 "\n");
	assert_string_equal(select_pins(text, "bluefin", 22), ED2 "\n@revoked " ED2 "\n");
	assert_string_equal(select_pins("", "bluefin", 22), "");
}

static void
broken_line_harms_no_other(void **state)
{
	const char *text = "redfin ssh-ed25519 AAAA\n"
		"redfin\n"
		"redfin ssh-ed25519\n"
		"@nonsense redfin " ED2 "\n"
		"redfin ssh-dss AAAAB3NzaC1kc3M=\n"
		"redfin ssh-ed25519 !!!!\n"
		"redfin ssh-rsa AAAAC3NzaC1lZDI1NTE5AAAAIDu3qKT/zRA36zLKsv/Mj/yaQpdj5pIEhtGh68iAkvNp" "\n"
		"\x01\xff\x02 \x03\n"
		"redfin " ED1 "\n"
		"redfin ";

	assert_string_equal(select_pins(text, "redfin", 22), ED1 "\n");
}

static void
host_named_like_a_key_type_is_a_host(void **state)
{
	assert_string_equal(select_pins("ssh-ed25519 " ED1 "\n", "ssh-ed25519", 22), ED1 "\n");
	assert_string_equal(select_pins(ED1 "\n", "ssh-ed25519", 22), "");
}

/* If not all fit, a revocation could be among those that did not. */
static void
too_many_keys_are_not_cut_short(void **state)
{
	char	   *text = calloc(1, 300 * 128);

	for (int i = 0; i < 300; i++)
		strcat(text, "redfin " ED1 "\n");
	assert_false(hostkey_select(text, strlen(text), "redfin", 22, pins));
	assert_string_equal(pins, "");
	assert_true(hostkey_select(text, strlen(text), "bluefin", 22, pins));
	free(text);
}

static void
pinned_key_is_accepted(void **state)
{
	assert_int_equal(check(ED1 "\n", ED1, HOST_KEY_STRICT), OUTCOME_READ);
	assert_int_equal(check(EC1 "\n" ED2 "\n" ED1 "\n", ED1, HOST_KEY_STRICT), OUTCOME_READ);
	assert_int_equal(check(RSA1 "\n", RSA1, HOST_KEY_STRICT), OUTCOME_READ);
	assert_string_equal(error, "");
}

static void
unknown_key_depends_on_the_policy(void **state)
{
	assert_int_equal(check("", ED1, HOST_KEY_STRICT), OUTCOME_HOST_KEY_UNKNOWN);
	assert_string_equal(error, "host key of redfin is not known: it shows " ED1_PRINT " (ssh-ed25519)");
	assert_int_equal(check("", ED1, HOST_KEY_ACCEPT_NEW), OUTCOME_READ);
	/* a revoked one is no pin */
	assert_int_equal(check("@revoked " ED2 "\n", ED1, HOST_KEY_ACCEPT_NEW), OUTCOME_READ);
}

static void
changed_key_shows_both_fingerprints(void **state)
{
	assert_int_equal(check(ED1 "\n", ED2, HOST_KEY_ACCEPT_NEW), OUTCOME_HOST_KEY_CHANGED);
	assert_string_equal(error, "host key of redfin changed: expected " ED1_PRINT ", got " ED2_PRINT
						" (ssh-ed25519)");
	/* of several pins the one of the same type is the expected one */
	assert_int_equal(check(EC1 "\n" ED1 "\n", ED2, HOST_KEY_ACCEPT_NEW), OUTCOME_HOST_KEY_CHANGED);
	assert_non_null(strstr(error, "expected " ED1_PRINT ","));
}

/* Else a forged host would only need to show a key of a type not pinned. */
static void
key_of_another_type_is_a_changed_key(void **state)
{
	assert_int_equal(check(EC1 "\n", ED1, HOST_KEY_ACCEPT_NEW), OUTCOME_HOST_KEY_CHANGED);
	assert_string_equal(error, "host key of redfin changed: expected " EC1_PRINT
						" (ecdsa-sha2-nistp256), got " ED1_PRINT " (ssh-ed25519)");
}

static void
revoked_key_is_refused_even_if_pinned(void **state)
{
	assert_int_equal(check(ED1 "\n@revoked " ED1 "\n", ED1, HOST_KEY_ACCEPT_NEW),
					 OUTCOME_HOST_KEY_REVOKED);
	assert_int_equal(check("@revoked " ED1 "\n" ED1 "\n", ED1, HOST_KEY_STRICT),
					 OUTCOME_HOST_KEY_REVOKED);
}

static void
damaged_key_is_never_accepted(void **state)
{
	assert_int_equal(hostkey_check("", (const uint8_t *) "x", 1, HOST_KEY_ACCEPT_NEW, "redfin",
								   error, sizeof(error)), OUTCOME_HANDSHAKE_FAILED);
	assert_int_equal(hostkey_check("", NULL, 0, HOST_KEY_ACCEPT_NEW, "redfin",
								   error, sizeof(error)), OUTCOME_HANDSHAKE_FAILED);
}

static void
pinned_types_are_preferred(void **state)
{
	char		preference[PREFERENCE_SIZE];

	hostkey_preference("", preference);
	assert_string_equal(preference, "ssh-ed25519,ecdsa-sha2-nistp256,ecdsa-sha2-nistp384,"
						"ecdsa-sha2-nistp521,rsa-sha2-512,rsa-sha2-256,ssh-rsa");
	hostkey_preference(RSA1 "\n" EC1 "\n@revoked " ED1 "\n", preference);
	assert_string_equal(preference, "ecdsa-sha2-nistp256,rsa-sha2-512,rsa-sha2-256,ssh-rsa,"
						"ssh-ed25519,ecdsa-sha2-nistp384,ecdsa-sha2-nistp521");
}

static void
shown_key_becomes_a_line(void **state)
{
	uint8_t		blob[HOSTKEY_MAX_BLOB];
	size_t		length = blob_of(EC1, blob);
	char		line[1024];

	assert_true(hostkey_line(blob, length, line, sizeof(line)));
	assert_string_equal(line, EC1);
	assert_false(hostkey_line(blob, length, line, strlen(EC1)));
	assert_false(hostkey_line(blob, length - 1, line, sizeof(line)));
}

static void
registry_text_is_checked(void **state)
{
	assert_true(hostkey_text_valid(ED1, error, sizeof(error)));
	assert_true(hostkey_text_valid(ED1 " comment\n\n# more\nredfin,10.0.0.1 " RSA1 "\n",
								   error, sizeof(error)));
	assert_true(hostkey_text_valid("@revoked " ED2 "\n" ED1, error, sizeof(error)));

	assert_false(hostkey_text_valid("", error, sizeof(error)));
	assert_string_equal(error, "no host key in it");
	assert_false(hostkey_text_valid("# " ED1, error, sizeof(error)));
	assert_false(hostkey_text_valid("@revoked " ED2, error, sizeof(error)));
	assert_false(hostkey_text_valid(ED1 "\n\nssh-ed25519 AAAA", error, sizeof(error)));
	assert_string_equal(error, "line 3: key is damaged or cut short");
	assert_false(hostkey_text_valid("@cert-authority * " ED1, error, sizeof(error)));
	assert_false(hostkey_text_valid("redfin", error, sizeof(error)));
	assert_false(hostkey_text_valid("SHA256:abcdef", error, sizeof(error)));
}

static void
key_blobs_are_checked_inside(void **state)
{
	const char *const lines[] = {ED1, EC1, RSA1};

	for (int i = 0; i < 3; i++)
	{
		uint8_t		blob[HOSTKEY_MAX_BLOB];
		size_t		length = blob_of(lines[i], blob);
		enum hostkey_type type;

		assert_true(hostkey_blob_type(blob, length, &type));
		for (size_t cut = 0; cut < length; cut++)
			assert_false(hostkey_blob_type(blob, cut, &type));
		blob[length] = 0;
		assert_false(hostkey_blob_type(blob, length + 1, &type));
		/* lengths that point beyond the end */
		blob[0] = 0xff;
		assert_false(hostkey_blob_type(blob, length, &type));
	}
}

static void
base64_is_strict(void **state)
{
	uint8_t		data[8];
	size_t		length;
	char		text[16];

	assert_true(base64_decode("Zm9vYg==", 8, data, sizeof(data), &length));
	assert_int_equal(length, 4);
	assert_memory_equal(data, "foob", 4);
	assert_true(base64_decode("Zm9vYmE=", 8, data, sizeof(data), &length));
	assert_int_equal(length, 5);
	assert_true(base64_decode("", 0, data, sizeof(data), &length));
	assert_int_equal(length, 0);
	assert_false(base64_decode("Zm9v=", 5, data, sizeof(data), &length));
	assert_false(base64_decode("Zm9=Zm9v", 8, data, sizeof(data), &length));
	assert_false(base64_decode("Z===", 4, data, sizeof(data), &length));
	assert_false(base64_decode("Zm9-", 4, data, sizeof(data), &length));
	assert_false(base64_decode("Zh==", 4, data, sizeof(data), &length));
	assert_false(base64_decode("Zm9vYmFyZm9vYmFy", 16, data, sizeof(data), &length));

	assert_int_equal(base64_encode((const uint8_t *) "foob", 4, text, sizeof(text)), 8);
	assert_string_equal(text, "Zm9vYg==");
	assert_int_equal(base64_encode((const uint8_t *) "foob", 4, text, 8), 0);
}

static void
write_text(const char *path, const char *text)
{
	FILE	   *file = fopen(path, "w");

	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

static void
pins_come_from_registry_or_file(void **state)
{
	struct known_hosts_ring ring = {NULL};
	struct job	job = {.address = "redfin", .port = 22, .known_hosts_file = "", .host_key = ""};
	char		path[] = "/tmp/tribe_power_known_hosts.XXXXXX";
	char		other[64];

	close(mkstemp(path));
	snprintf(other, sizeof(other), "%s.new", path);

	/* neither */
	assert_int_equal(hostkey_pins_of_job(&ring, &job, pins, error, sizeof(error)), OUTCOME_READ);
	assert_string_equal(pins, "");

	job.known_hosts_file = path;
	write_text(path, "redfin " ED1 "\n");
	assert_int_equal(hostkey_pins_of_job(&ring, &job, pins, error, sizeof(error)), OUTCOME_READ);
	assert_string_equal(pins, ED1 "\n");

	/* what is remembered is of that host and that port */
	assert_int_equal(hostkey_pins_of_job(&ring, &job, pins, error, sizeof(error)), OUTCOME_READ);
	assert_string_equal(pins, ED1 "\n");
	job.port = 2222;
	assert_int_equal(hostkey_pins_of_job(&ring, &job, pins, error, sizeof(error)), OUTCOME_READ);
	assert_string_equal(pins, "");
	job.port = 22;
	job.address = "bluefin";
	assert_int_equal(hostkey_pins_of_job(&ring, &job, pins, error, sizeof(error)), OUTCOME_READ);
	assert_string_equal(pins, "");
	job.address = "redfin";

	/* the file counts as it is now, not as it was */
	write_text(other, "redfin " ED2 "\n");
	assert_int_equal(rename(other, path), 0);
	assert_int_equal(hostkey_pins_of_job(&ring, &job, pins, error, sizeof(error)), OUTCOME_READ);
	assert_string_equal(pins, ED2 "\n");

	/* a pin wins over the file, and blanks are no pin */
	job.host_key = EC1;
	assert_int_equal(hostkey_pins_of_job(&ring, &job, pins, error, sizeof(error)), OUTCOME_READ);
	assert_string_equal(pins, EC1 "\n");
	job.host_key = " \n";
	assert_int_equal(hostkey_pins_of_job(&ring, &job, pins, error, sizeof(error)), OUTCOME_READ);
	assert_string_equal(pins, ED2 "\n");
	job.host_key = "redfin nonsense";
	assert_int_equal(hostkey_pins_of_job(&ring, &job, pins, error, sizeof(error)),
					 OUTCOME_HOST_KEY_FILE);
	job.host_key = "";

	/* no file yet is no key yet; one that cannot be read is an error */
	unlink(path);
	assert_int_equal(hostkey_pins_of_job(&ring, &job, pins, error, sizeof(error)), OUTCOME_READ);
	assert_string_equal(pins, "");
	job.known_hosts_file = "/tmp";
	assert_int_equal(hostkey_pins_of_job(&ring, &job, pins, error, sizeof(error)),
					 OUTCOME_HOST_KEY_FILE);
	assert_non_null(strstr(error, "/tmp"));
	known_hosts_ring_clear(&ring);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_and_addresses_match_as_in_ssh),
		cmocka_unit_test(port_belongs_to_the_name),
		cmocka_unit_test(wildcards_and_exceptions),
		cmocka_unit_test(hashed_names_match),
		cmocka_unit_test(lines_of_the_host_are_picked_out),
		cmocka_unit_test(broken_line_harms_no_other),
		cmocka_unit_test(host_named_like_a_key_type_is_a_host),
		cmocka_unit_test(too_many_keys_are_not_cut_short),
		cmocka_unit_test(pinned_key_is_accepted),
		cmocka_unit_test(unknown_key_depends_on_the_policy),
		cmocka_unit_test(changed_key_shows_both_fingerprints),
		cmocka_unit_test(key_of_another_type_is_a_changed_key),
		cmocka_unit_test(revoked_key_is_refused_even_if_pinned),
		cmocka_unit_test(damaged_key_is_never_accepted),
		cmocka_unit_test(pinned_types_are_preferred),
		cmocka_unit_test(shown_key_becomes_a_line),
		cmocka_unit_test(registry_text_is_checked),
		cmocka_unit_test(key_blobs_are_checked_inside),
		cmocka_unit_test(base64_is_strict),
		cmocka_unit_test(pins_come_from_registry_or_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
