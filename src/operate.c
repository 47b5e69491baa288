/*
 * operate.c: what operating takes beside SQL: starting the worker, looking at
 * key files on the server.  A private key is never opened.
 */
#include "postgres.h"

#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fmgr.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "storage/fd.h"
#include "utils/builtins.h"

#include "common/hostkey_text.h"
#include "compat.h"
#include "extension.h"
#include "settings.h"
#include "transaction.h"
#include "worker.h"

SQL_FUNCTION(tribe_power_start_worker);
SQL_FUNCTION(tribe_power_is_preloaded);
SQL_FUNCTION(tribe_power_key_file_state);
SQL_FUNCTION(tribe_power_key_file_remedy);
SQL_FUNCTION(tribe_power_public_key);

/* What a shell takes as it stands. */
#define PLAIN_IN_SHELL \
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789/._-+@:"

/* Longer than any public key's line. */
#define PUBLIC_KEY_SIZE 8192

Datum
tribe_power_start_worker(PG_FUNCTION_ARGS)
{
	ExtensionInfo extension;

	PreventCommandDuringRecovery("tribe_power_start_worker()");
	extension_require(&extension);
	if (!transaction_worker_lock())
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_IN_USE),
				 errmsg("a tribe_power worker serves this database already"),
				 errhint("SELECT * FROM pg_stat_activity WHERE backend_type = 'tribe_power worker' shows it.")));
	transaction_worker_unlock();
	PG_RETURN_INT32(worker_start(MyDatabaseId));
}

/* By the postmaster, so that this process inherited it. */
Datum
tribe_power_is_preloaded(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(worker_is_registered());
}

static char *
quote_for_shell(const char *text)
{
	StringInfoData quoted;

	initStringInfo(&quoted);
	appendStringInfoChar(&quoted, '\'');
	for (; *text != '\0'; text++)
	{
		if (*text == '\'')
			appendStringInfoString(&quoted, "'\\''");
		else
			appendStringInfoChar(&quoted, *text);
	}
	appendStringInfoChar(&quoted, '\'');
	return quoted.data;
}

/*
 * What is wrong with a private key file as far as can be told without opening
 * it, and the command that mends it: both NULL if nothing is.  The key itself is
 * never read by the server.
 */
static char *
key_file_state(const char *named, char **remedy)
{
	char	   *path = settings_expand_path(named);
	struct passwd *owner = getpwuid(geteuid());
	const char *login = owner != NULL ? owner->pw_name : "postgres";
	/* one word for the shell, whatever is in it */
	char	   *word = path[strspn(path, PLAIN_IN_SHELL)] == '\0' ? path : quote_for_shell(path);
	struct stat info;

	*remedy = NULL;
	if (path[0] == '\0')
	{
		*remedy = "ALTER SYSTEM RESET tribe_power.identity_file; SELECT pg_reload_conf();";
		return "no file is named";
	}
	if (stat(path, &info) != 0)
	{
		int			error = errno;

		*remedy = error == ENOENT
			? psprintf("sudo -u %s ssh-keygen -q -t ed25519 -N '' -f %s", login, word)
			: psprintf("sudo -u %s ls -l %s", login, word);
		return psprintf("%s: %s", path, strerror(error));
	}
	if (!S_ISREG(info.st_mode))
	{
		*remedy = psprintf("sudo ls -ld %s", word);
		return psprintf("%s is not a regular file", path);
	}
	if (info.st_uid != geteuid() && info.st_uid != 0)
	{
		*remedy = psprintf("sudo chown %s: %s && sudo chmod 600 %s", login, word, word);
		return psprintf("%s does not belong to the server's user", path);
	}
	if ((info.st_mode & 077) != 0)
	{
		*remedy = psprintf("sudo chmod 600 %s", word);
		return psprintf("%s can be read by others (mode %04o)", path,
						(unsigned int) (info.st_mode & 07777));
	}
	if (access(path, R_OK) != 0)
	{
		int			error = errno;

		*remedy = psprintf("sudo chown %s: %s", login, word);
		return psprintf("%s: %s", path, strerror(error));
	}
	return NULL;
}

static Datum
text_or_null(FunctionCallInfo fcinfo, const char *text)
{
	if (text == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(text));
}

Datum
tribe_power_key_file_state(PG_FUNCTION_ARGS)
{
	char	   *remedy;

	return text_or_null(fcinfo, key_file_state(text_to_cstring(PG_GETARG_TEXT_PP(0)), &remedy));
}

Datum
tribe_power_key_file_remedy(PG_FUNCTION_ARGS)
{
	char	   *remedy;

	(void) key_file_state(text_to_cstring(PG_GETARG_TEXT_PP(0)), &remedy);
	return text_or_null(fcinfo, remedy);
}

Datum
tribe_power_public_key(PG_FUNCTION_ARGS)
{
	char	   *path = psprintf("%s.pub", settings_expand_path(text_to_cstring(PG_GETARG_TEXT_PP(0))));
	FILE	   *file = AllocateFile(path, "r");
	char		line[PUBLIC_KEY_SIZE];
	char		error[256];
	char	   *end;

	if (file == NULL)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not open the public key \"%s\": %m", path),
				 errhint("As the server's user: ssh-keygen -y -f KEY > KEY.pub makes it from the private key; ssh-keygen -t ed25519 -N '' -f KEY makes both.")));
	if (fgets(line, sizeof(line), file) == NULL)
		line[0] = '\0';
	FreeFile(file);

	/* type and key; the comment stays here */
	end = strchr(line, ' ');
	end = end != NULL ? strpbrk(end + 1, " \t\r\n") : NULL;
	if (end != NULL)
		*end = '\0';
	if (!hostkey_text_valid(line, error, sizeof(error)))
		ereport(ERROR,
				(errcode(ERRCODE_DATA_EXCEPTION),
				 errmsg("\"%s\" holds no public key: %s", path, error),
				 errhint("As the server's user: ssh-keygen -y -f KEY > KEY.pub")));
	PG_RETURN_TEXT_P(cstring_to_text(line));
}
