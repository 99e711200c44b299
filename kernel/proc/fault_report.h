/* What the log tells of a fault that ends a program: /proc/sys/debug/exception-trace. */
#ifndef PROC_FAULT_REPORT_H
#define PROC_FAULT_REPORT_H

#include "mm/types.h"

struct task;
struct user_regs;

/* 0: nothing is told (as at the start), 1: every fault that no handler takes. */
extern int fault_report_wanted;
/* The current task's fault at addr is about to become the signal. => nothing held; may sleep */
void fault_report(struct task *task, const struct user_regs *regs, int signo, uaddr_t addr);

#endif
