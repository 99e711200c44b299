/* execve(2): another program in this process. */
#ifndef PROC_EXEC_H
#define PROC_EXEC_H

#include "mm/types.h"

struct path;
struct file;
struct user_regs;

struct exec_request {
	const struct path *at; /* directory of a relative name, NULL: cwd */
	const char *name;
	struct file *file; /* execveat(AT_EMPTY_PATH): this one; a reference is not taken over */
	bool nofollow;
	const char *shown; /* the name that the program is told; NULL: name */
	bool unreachable;  /* shown leads through a descriptor that closes: no script runs */
	/* From user memory, arrays of pointers that end in 0; or from the kernel (init). */
	uaddr_t argv, envp;
	const char *const *kernel_argv, *const *kernel_envp;
};

/*
 * On success the registers of the current thread are those of the new program's start. -errno: the
 * old program is as it was (other threads too), but for -EINTR, which means that the process is
 * being killed. May sleep.
 */
int process_exec(const struct exec_request *rq);

/*
 * Random places of a new program: /proc/sys/kernel/randomize_va_space, 0 from the start with
 * `norandmaps`. Stack, areas and PIE; the heap too only with EXEC_RANDOMIZE_ALL.
 */
#define EXEC_RANDOMIZE_ALL 2
int exec_randomize(void);
void exec_set_randomize(int level);

#endif
