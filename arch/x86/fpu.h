/* The x87, SSE and AVX state of user threads: saved and loaded at every switch (eager). */
#ifndef X86_FPU_H
#define X86_FPU_H

#include "lib/base.h"
#include "mm/types.h"

void fpu_setup_cpu(void); /* each CPU: XCR0 and a clean state */
void fpu_init(void);	  /* once, after slab_init: the cache of save areas */

/* A 64-byte aligned save area in the state that a program starts with. NULL: no memory. */
void *fpu_alloc(void);
void fpu_free(void *area);
void fpu_save(void *area);
/* Without the shortcuts of XSAVEOPT: every byte of the area is written. */
void fpu_save_full(void *area);
void fpu_load(const void *area);
/* The same for a state that came from user space: false if the CPU refuses it. */
bool __must_check fpu_load_checked(const void *area);
/*
 * The same straight to and from user memory, fpu_size bytes at a 64-byte aligned address. Saving
 * sets the bits of x87 and SSE in the header whether or not they are as a program starts with them;
 * the rest of the header must be zero already. -EFAULT; loading also when the CPU refuses the
 * state, and then the registers hold parts of both. => may fault
 */
int __must_check fpu_save_user(uaddr_t at);
int __must_check fpu_load_user(uaddr_t at);
/* The state of a new program in the registers. */
void fpu_reset(void);

#endif
