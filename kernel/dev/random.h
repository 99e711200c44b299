/*
 * Random numbers: a ChaCha20 generator seeded from the processor's generator and from timing.
 */
#ifndef DEV_RANDOM_H
#define DEV_RANDOM_H

#include "lib/base.h"

/* Fill buf with unpredictable bytes. Any context but interrupts; never sleeps; cheap (exec takes 16
 * bytes each time: they come from a buffer per CPU). */
void random_get(void *buf, size_t n);
uint64_t random_u64(void);
/* Mix bytes whose timing or value is not known to others into the pool. Any context. */
void random_mix(const void *buf, size_t n);
/* Seeds the generator; early at boot, before the first random_get. */
void random_init(void);
/* /dev/random and /dev/urandom. */
void random_init_devices(void);

#endif
