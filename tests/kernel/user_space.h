/* An address space for a kernel thread, so that tests can touch user memory as system calls do. */
#ifndef TEST_USER_SPACE_H
#define TEST_USER_SPACE_H

#include "mm/types.h"

struct user_space {
	struct mm_context *ctx;
	vaddr_t base; /* npages of anonymous memory; the page behind them is not mapped */
};

/* The current thread gets the space and its FPU state; false: no memory. */
bool user_space_enter(struct user_space *us, size_t npages);
void user_space_leave(struct user_space *us);

#endif
