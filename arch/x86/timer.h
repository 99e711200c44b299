/* The one-shot timer interrupt (portable side: sched/clock.h). */
#ifndef X86_TIMER_H
#define X86_TIMER_H

void arch_timer_init(void);

#endif
