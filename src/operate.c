/*
 * operate.c: what operating takes beside SQL: starting the worker, looking at
 * key files on the server.  A private key is never opened.
 */
#include "postgres.h"

#include <sys/stat.h>
#include <unistd.h>

#include "fmgr.h"
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
SQL_FUNCTION(tribe_power_public_key);

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

/*
 * What is wrong with a private key file as far as can be told without opening
 * it: NULL if nothing.  The key itself is never read by the server.
 */
Datum
tribe_power_key_file_state(PG_FUNCTION_ARGS)
{
	char	   *path = settings_expand_path(text_to_cstring(PG_GETARG_TEXT_PP(0)));
	struct stat info;
	char	   *state;

	if (path[0] == '\0')
		state = pstrdup("no file is named");
	else if (stat(path, &info) != 0)
		state = psprintf("%s: %s", path, strerror(errno));
	else if (!S_ISREG(info.st_mode))
		state = psprintf("%s is not a regular file", path);
	else if (info.st_uid != geteuid() && info.st_uid != 0)
		state = psprintf("%s does not belong to the server's user", path);
	else if ((info.st_mode & 077) != 0)
		state = psprintf("%s can be read by others (mode %04o)", path,
						 (unsigned int) (info.st_mode & 07777));
	else if (access(path, R_OK) != 0)
		state = psprintf("%s: %s", path, strerror(errno));
	else
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(state));
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
