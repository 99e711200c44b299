/* Where waiters for block requests sleep: shared by block.c and block_batch.c. */
#ifndef DEV_BLOCK_WAIT_H
#define DEV_BLOCK_WAIT_H

#include "sync/waitqueue.h"

/* A static queue for the flag or counter at key. Never freed, so that a waker may use it after the
 * waiter has gone. */
struct waitqueue *block_waitqueue(const void *key);

#endif
