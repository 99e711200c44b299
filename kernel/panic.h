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
/* From an NMI that somebody outside sent because the machine hangs: shows all threads too. */
__noreturn __cold void panic_hang(const struct user_regs *regs);
/* Stop with a line that tells a person what to do; no backtrace (missing init, bad initrd). */
__noreturn __cold __printf(1, 2) void die(const char *fmt, ...);
bool panic_in_progress(void);
/* Does that CPU stand still since the panic? */
bool panic_is_parked(unsigned cpu);
/*
 * Called by arch when the NMI of cpu_stop_others() reaches this CPU: remember what it was doing
 * (regs) for the report, and stand still for ever.
 */
__noreturn void panic_park(const struct user_regs *regs);
/* Implemented by arch: return addresses from the innermost on, regs->pc first (regs NULL: of the
 * caller); returns how many. Follows only memory that is there. */
unsigned backtrace_collect(const struct user_regs *regs, uintptr_t *pc, unsigned max);
/* The same for a thread that is switched out. */
struct thread;
unsigned backtrace_collect_thread(const struct thread *t, uintptr_t *pc, unsigned max);
/* Implemented by arch: all registers on the log. */
void regs_print(const struct user_regs *regs);
/* Name and offset of the function that holds addr, or NULL. From the symbol table in the kernel
 * image. */
const char *symbol_lookup(uintptr_t addr, uintptr_t *offset);
/* The functions of the kernel by number, in the order of their addresses: how many, the one that
 * holds addr (-1: none), its name. */
unsigned symbol_count(void);
int symbol_number(uintptr_t addr);
const char *symbol_name(unsigned number);

#endif
