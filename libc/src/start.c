/*
 * From the initial stack to main(): the environment and auxiliary vector, the first thread's TLS,
 * the constructors. Runs before there is a thread pointer, so nothing here may touch errno until
 * __tls_setup has returned.
 */
#include "thread.h"
#include "tls.h"
#include <stdlib.h>
#include <sys/auxv.h>
#include <unistd.h>

typedef void (*init_fn)(int, char **, char **);
typedef void (*fini_fn)(void);

extern init_fn __preinit_array_start[], __preinit_array_end[];
extern init_fn __init_array_start[], __init_array_end[];
extern fini_fn __fini_array_start[], __fini_array_end[];
extern int main(int argc, char **argv, char **envp);

void __libc_start(long *sp) __attribute__((__noreturn__));
void __stack_chk_fail(void) __attribute__((__noreturn__));

static const unsigned long *auxv;

/* => the value of one entry of the auxiliary vector, 0 if it is not there. */
unsigned long getauxval(unsigned long type)
{
	for (const unsigned long *p = auxv; p[0] != AT_NULL; p += 2)
		if (p[0] == type)
			return p[1];
	return 0;
}

static void run_fini_array(void)
{
	for (fini_fn *fn = __fini_array_end; fn > __fini_array_start;)
		(*--fn)();
}

void __libc_start(long *sp)
{
	int argc = (int)sp[0];
	char **argv = (char **)(sp + 1);
	char **envp = argv + argc + 1;
	char **end = envp;

	while (*end)
		end++;
	auxv = (const unsigned long *)(end + 1);
	environ = envp;
	__tls_setup();
	atexit(run_fini_array);
	for (init_fn *fn = __preinit_array_start; fn < __preinit_array_end; fn++)
		(*fn)(argc, argv, envp);
	for (init_fn *fn = __init_array_start; fn < __init_array_end; fn++)
		(*fn)(argc, argv, envp);
	exit(main(argc, argv, envp));
}

/* Called by code built with -fstack-protector whose canary was overwritten. */
void __stack_chk_fail(void)
{
	static const char msg[] = "stack smashing detected\n";

	(void)write(2, msg, sizeof(msg) - 1);
	abort();
}
