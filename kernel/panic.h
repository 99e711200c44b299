/*
 * The end: stop all CPUs, print the reason, the registers and a symbolised backtrace of every CPU,
 * then do what panic= says: exit (isa-debug-exit), reboot or halt.
 */
#ifndef PANIC_H
#define PANIC_H

#include "lib/base.h"

struct user_regs;

__noreturn __cold __printf(1, 2) void panic(const char *fmt, ...);
/* The same from a trap: regs are the ones to print. */
__noreturn __cold __printf(2, 3) void panic_regs(
	const struct user_regs *regs, const char *fmt, ...);
/* Stop with a line that tells a person what to do; no backtrace (missing init, bad initrd). */
__noreturn __cold __printf(1, 2) void die(const char *fmt, ...);
bool panic_in_progress(void);
/* Name and offset of the function that holds addr, or NULL. From the symbol table in the kernel
 * image. */
const char *symbol_lookup(uintptr_t addr, uintptr_t *offset);

#endif
