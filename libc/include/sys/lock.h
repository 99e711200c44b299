/*
 * The locks inside newlib (malloc, stdio, the environment, the time zone): recursive, on one futex
 * word. Zero is unlocked, so that static ones need no initialiser to run. See libc/lock.c.
 */
#ifndef __SYS_LOCK_H__
#define __SYS_LOCK_H__

#include <_ansi.h>

_BEGIN_STD_C

struct __libc_lock {
	int word;  /* 0 free, 1 held, 2 held and somebody may wait */
	int depth; /* how often the owner holds it; only the owner touches it */
	void *owner;
};

typedef struct __libc_lock _LOCK_T;
typedef struct __libc_lock _LOCK_RECURSIVE_T;

void __libc_lock_acquire(struct __libc_lock *lock);
int __libc_lock_try_acquire(struct __libc_lock *lock);
void __libc_lock_release(struct __libc_lock *lock);

/* clang-format off */
#define __LOCK_INIT(class, lock) class struct __libc_lock lock = { 0, 0, 0 };
#define __LOCK_INIT_RECURSIVE(class, lock) class struct __libc_lock lock = { 0, 0, 0 };
/* clang-format on */
#define __lock_init(lock)		   ((void)((lock) = (struct __libc_lock){0, 0, 0}))
#define __lock_init_recursive(lock)	   __lock_init(lock)
#define __lock_close(lock)		   ((void)0)
#define __lock_close_recursive(lock)	   ((void)0)
#define __lock_acquire(lock)		   __libc_lock_acquire(&(lock))
#define __lock_acquire_recursive(lock)	   __libc_lock_acquire(&(lock))
#define __lock_try_acquire(lock)	   __libc_lock_try_acquire(&(lock))
#define __lock_try_acquire_recursive(lock) __libc_lock_try_acquire(&(lock))
#define __lock_release(lock)		   __libc_lock_release(&(lock))
#define __lock_release_recursive(lock)	   __libc_lock_release(&(lock))

_END_STD_C

#endif
