/*
 * Random numbers: a ChaCha20 generator seeded from the processor's generator and from timing.
 */
#ifndef DEV_RANDOM_H
#define DEV_RANDOM_H

#include "lib/base.h"

/* Fill buf with unpredictable bytes. Any context but interrupts; never sleeps; cheap (exec takes 16
 * bytes each time: a buffer serves many). */
void random_get(void *buf, size_t n);
uint64_t random_u64(void);
/* Mix bytes whose timing or value is not known to others into the pool. Any context. */
void random_mix(const void *buf, size_t n);
/* Seeds the generator; early at boot, before the first random_get. */
void random_init(void);
/* One block of the ChaCha20 key stream (RFC 8439, 2.3). */
void chacha20_block(
	const uint32_t key[8], uint32_t counter, const uint32_t nonce[3], uint8_t out[64]);
/* /dev/random and /dev/urandom. */
void random_init_devices(void);

#endif
