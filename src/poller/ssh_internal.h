/*
 * ssh_internal.h: what ssh.c (the states) and ssh_fault.c (the words for what
 * went wrong) share.
 */
#ifndef TRIBE_POWER_SSH_INTERNAL_H
#define TRIBE_POWER_SSH_INTERNAL_H

#include "ssh.h"

#define COMPLAINT_SIZE 160

/* What becomes of the script that is sent to a connection's commands.  A forced
 * command is the same for all of a connection's time, so one answer tells. */
enum script_use
{
	SCRIPT_UNTRIED,				/* no report yet */
	SCRIPT_RUN,					/* the report bore our number: the script made it */
	SCRIPT_IGNORED,				/* it did not: a command of the node's own made it */
};

struct session
{
	struct engine *engine;
	struct session_link link;
	struct job *job;			/* the last one, while the connection is kept */
	bool		driving;		/* inside session_drive() */
	enum session_state state;
	struct watch watch;
	struct timer timer;
	int64_t		started;		/* when the job began to connect */
	int64_t		node_due;		/* when it must have ended */
	int64_t		state_due;		/* when this state must have */
	int64_t		answer_due;		/* when a kept connection must have shown that
								 * it lives; INT64_MAX once it has */

	struct identity *identity;
	char	   *pins;
	struct lookup *lookup;
	const char *lookup_error;	/* NULL if it went well */
	bool		looked_up;
	struct addresses addresses;
	int			address;		/* which of them is being tried or in use */
	int64_t		address_due;	/* then the next one has its turn */
	char		peer[64];		/* the same as text */
	struct transport transport;
	void	   *reserve;		/* memory for the connection, until it is made */

	bool		unfinished;		/* the last call of libssh2 wants to be repeated */
	bool		key_shown;		/* the host has proved that it has its key */
	bool		reused;			/* the connection served an earlier job */
	bool		kept;			/* between jobs */
	bool		preparing;		/* the next job's channel is opened, or open */
	bool		waiting;		/* a shell waits in it for the script */
	enum script_use script;
	uint64_t	received_before;	/* on this connection, when the job began */

	uint64_t	asked;			/* this job's number, which its report shows */
	char		parameters[96]; /* the lines before the script */
	size_t		parameters_length;
	size_t		written;		/* of those lines and the script */
	char	   *output;			/* what the probe prints */
	size_t		output_length;
	size_t		output_capacity;
	char		complaint[COMPLAINT_SIZE];	/* the first line of stderr */
	size_t		complaint_length;
	bool		complaint_whole;

	bool		courtesy;		/* all went well: say goodbye at the end */
	enum outcome outcome;		/* once failed */
};

/* How far a step came. */
enum progress
{
	GO_ON,						/* another step may follow at once */
	WAIT,						/* for the socket, the look-up or the timer */
	FAILED,						/* outcome and error are set */
	FINISHED,					/* the job is done */
};

/* ssh.c */
void		session_enter(struct session *session, enum session_state state);
void		session_arm_timer(struct session *session);
void		session_drive(struct session *session);
bool		session_watch(struct session *session);
int64_t		session_due_in(uint32_t milliseconds);
enum progress session_wait_or_fail(struct session *session, int code);

/* ssh_connect.c */
enum progress session_step_resolve(struct session *session);
enum progress session_step_connect(struct session *session);
enum progress session_step_handshake(struct session *session);
enum progress session_step_host_key(struct session *session);
enum progress session_step_auth(struct session *session);
int			session_call_userauth(struct session *session);
void		session_forget_socket(struct session *session);

/* ssh_command.c */
enum progress session_step_open(struct session *session);
enum progress session_step_exec(struct session *session);
enum progress session_step_write(struct session *session);
enum progress session_step_read(struct session *session);
enum progress session_step_close(struct session *session);
void		session_begin_writing(struct session *session);
int			session_call_open(struct session *session);
int			session_call_exec(struct session *session);
ssize_t		session_call_write(struct session *session);

/* ssh_kept.c */
void		session_prepare(struct session *session);
void		session_drive_kept(struct session *session);

/* ssh_fault.c: what the last call of libssh2 says, as printable text */
void		session_last_error(struct session *session, char *text, size_t size);

/* Fills in outcome and engine->error for a state that took too long, or for a
 * call of libssh2 that failed with code. */
void		session_describe_timeout(struct session *session);
void		session_describe_failure(struct session *session, int code);
void		session_describe_connect_error(struct session *session, int error);
void		session_describe_incomplete(struct session *session, const char *fault);

/* outcome and a formatted error at once */
void		session_fault(struct session *session, enum outcome outcome, const char *format,...)
			__attribute__((format(printf, 3, 4)));

#endif
