/*
 * The pthread objects. All zero is a valid, unlocked object of each kind, so that the static
 * initialisers are zeros. See libc/pthread/ for what the fields mean.
 */
#ifndef _SYS__PTHREADTYPES_H_
#define _SYS__PTHREADTYPES_H_

#include <sys/sched.h>

typedef struct __pthread *pthread_t;

typedef struct {
	void *stack;
	size_t stack_size;
	size_t guard_size;
	int detached;
} pthread_attr_t;

typedef struct {
	int word;
	int type;
	int owner;
	int depth;
	int shared;
} pthread_mutex_t;

typedef struct {
	int type;
	int shared;
} pthread_mutexattr_t;

typedef struct {
	unsigned int seq;
	int clock;
	int shared;
	int waiters;
} pthread_cond_t;

typedef struct {
	int clock;
	int shared;
} pthread_condattr_t;

typedef struct {
	int state;
} pthread_once_t;

typedef unsigned int pthread_key_t;

typedef struct {
	unsigned int limit;
	unsigned int count;
	unsigned int round;
	int lock;
	int shared;
	unsigned int leaving;
} pthread_barrier_t;

typedef struct {
	int shared;
} pthread_barrierattr_t;

typedef int pthread_spinlock_t;

typedef struct {
	int word;
	int waiters;
	int shared;
} pthread_rwlock_t;

typedef struct {
	int shared;
} pthread_rwlockattr_t;

#define PTHREAD_CREATE_JOINABLE	 0
#define PTHREAD_CREATE_DETACHED	 1
#define PTHREAD_PROCESS_PRIVATE	 0
#define PTHREAD_PROCESS_SHARED	 1
#define PTHREAD_MUTEX_NORMAL	 0
#define PTHREAD_MUTEX_RECURSIVE	 1
#define PTHREAD_MUTEX_ERRORCHECK 2
#define PTHREAD_MUTEX_DEFAULT	 PTHREAD_MUTEX_NORMAL

#endif
