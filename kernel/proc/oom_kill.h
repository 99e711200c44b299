/* The end of a process for want of memory. */
#ifndef PROC_OOM_KILL_H
#define PROC_OOM_KILL_H

/* Starts the thread that ends processes; before it memory that runs out is -ENOMEM. */
void oom_kill_init(void);

#endif
