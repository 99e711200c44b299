/*
 * popen, pclose and system: a command run by the shell. They fork rather than vfork, since the
 * child closes descriptors and changes signals before it is replaced.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

struct stream {
	struct stream *next;
	FILE *file;
	pid_t pid;
};

static struct stream *streams;
static pthread_mutex_t streams_lock = PTHREAD_MUTEX_INITIALIZER;

static void run_shell(const char *command)
{
	execl("/bin/sh", "sh", "-c", command, (char *)NULL);
	_exit(127);
}

/* In the child: child_end becomes its standard input or output; streams of earlier popens are
 * closed (POSIX). */
static void popen_child(const char *command, int child_end, int target)
{
	for (struct stream *s = streams; s; s = s->next)
		close(fileno(s->file));
	if (child_end == target)
		fcntl(child_end, F_SETFD, 0);
	else
		dup2(child_end, target);
	run_shell(command);
}

FILE *popen(const char *command, const char *mode)
{
	int reading = mode[0] == 'r', err;
	struct stream *stream;
	int fds[2];

	if (mode[0] != 'r' && mode[0] != 'w') {
		errno = EINVAL;
		return NULL;
	}
	stream = malloc(sizeof(*stream));
	if (!stream)
		return NULL;
	if (pipe2(fds, O_CLOEXEC) < 0)
		goto free_stream;
	stream->file = fdopen(fds[!reading], reading ? "r" : "w");
	if (!stream->file)
		goto close_pipe;
	stream->pid = fork();
	if (stream->pid == 0)
		popen_child(command, fds[reading], reading);
	if (stream->pid < 0)
		goto close_file;
	close(fds[reading]);
	if (!strchr(mode, 'e'))
		fcntl(fds[!reading], F_SETFD, 0);
	pthread_mutex_lock(&streams_lock);
	stream->next = streams;
	streams = stream;
	pthread_mutex_unlock(&streams_lock);
	return stream->file;

close_file:
	err = errno;
	fclose(stream->file);
	close(fds[reading]);
	free(stream);
	errno = err;
	return NULL;
close_pipe:
	close(fds[0]);
	close(fds[1]);
free_stream:
	free(stream);
	return NULL;
}

/* => the status of the shell as waitpid gives it, -1 if the stream is not from popen. */
int pclose(FILE *file)
{
	struct stream **link, *stream;
	int status;
	pid_t pid;

	pthread_mutex_lock(&streams_lock);
	for (link = &streams; *link && (*link)->file != file;)
		link = &(*link)->next;
	stream = *link;
	if (stream)
		*link = stream->next;
	pthread_mutex_unlock(&streams_lock);
	if (!stream) {
		errno = EINVAL;
		return -1;
	}
	pid = stream->pid;
	fclose(file);
	free(stream);
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -1;
	return status;
}

/* SIGINT and SIGQUIT are for the command, and SIGCHLD must not take its status away. */
int system(const char *command)
{
	struct sigaction ignore = {.sa_handler = SIG_IGN}, old_int, old_quit;
	sigset_t mask, old_mask;
	int status = -1;
	pid_t pid;

	if (!command)
		return access("/bin/sh", X_OK) == 0;
	sigemptyset(&mask);
	sigaddset(&mask, SIGCHLD);
	sigprocmask(SIG_BLOCK, &mask, &old_mask);
	sigaction(SIGINT, &ignore, &old_int);
	sigaction(SIGQUIT, &ignore, &old_quit);
	pid = fork();
	if (pid == 0) {
		sigaction(SIGINT, &old_int, NULL);
		sigaction(SIGQUIT, &old_quit, NULL);
		sigprocmask(SIG_SETMASK, &old_mask, NULL);
		run_shell(command);
	}
	while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	sigaction(SIGINT, &old_int, NULL);
	sigaction(SIGQUIT, &old_quit, NULL);
	sigprocmask(SIG_SETMASK, &old_mask, NULL);
	return pid < 0 ? -1 : status;
}
