/*
 * The strings of a new program (arguments, environment, file name), kept until its stack is made.
 */
#ifndef PROC_EXEC_ARGS_H
#define PROC_EXEC_ARGS_H

#include "mm/types.h"

struct page;
struct mm_context;

#define EXEC_STRING_MAX (32 * PAGE_SIZE) /* MAX_ARG_STRLEN */
#define EXEC_ARG_PAGES	480

struct exec_args {
	uint64_t limit; /* bytes of strings and pointers */
	uint64_t used;	/* bytes of strings, NULs included */
	uint64_t skip;	/* leading bytes that a script's interpreter line replaced */
	uint64_t nstrings;
	unsigned argc, envc; /* set by the caller: what the add calls returned */
	unsigned npages;
	/* What a script puts in front, in order: the interpreter, its argument, the script. */
	char *prefix;
	uint64_t prefix_used;
	struct page *pages[EXEC_ARG_PAGES];
};

/* ERR_PTR(-ENOMEM). */
struct exec_args *exec_args_create(uint64_t stack_limit);
void exec_args_free(struct exec_args *ea);
/* Append. -E2BIG, -EFAULT, -ENOMEM; the vectors return the number of strings. */
int __must_check exec_args_add(struct exec_args *ea, const char *s);
int __must_check exec_args_add_user(struct exec_args *ea, uaddr_t vector);
int __must_check exec_args_add_kernel(struct exec_args *ea, const char *const *vector);
/* `#!`: put strings (NULL: none) in front in place of the first argument. -E2BIG, -ENOMEM. */
int __must_check exec_args_script(
	struct exec_args *ea, const char *interp, const char *arg, const char *script);

struct exec_stack_info {
	uaddr_t sp; /* where argc is */
	uaddr_t arg_start, arg_end, env_start, env_end;
};
/*
 * Write strings, pointers and the auxiliary vector (naux pairs; AT_RANDOM, AT_PLATFORM and
 * AT_EXECFN get their addresses here) below `top` of ctx. 0, -E2BIG, -ENOMEM.
 */
int __must_check exec_args_write(struct exec_args *ea, struct mm_context *ctx, uaddr_t top,
	uint64_t (*aux)[2], unsigned naux, struct exec_stack_info *out);
/* Bytes of stack that exec_args_write will take, at most. */
uint64_t exec_args_size(const struct exec_args *ea, unsigned naux);

#endif
