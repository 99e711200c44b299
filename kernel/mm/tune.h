/*
 * What an administrator may set: the files of /proc/sys/vm. Each is one word, read without a lock;
 * a reader sees the old value or the new one.
 */
#ifndef MM_TUNE_H
#define MM_TUNE_H

#include "lib/base.h"

enum mm_overcommit { OVERCOMMIT_GUESS, OVERCOMMIT_ALWAYS, OVERCOMMIT_NEVER };

struct mm_tune {
	unsigned overcommit_memory;	 /* enum mm_overcommit */
	unsigned overcommit_ratio;	 /* percent of memory, with OVERCOMMIT_NEVER */
	unsigned dirty_ratio;		 /* percent of memory: then writers wait */
	unsigned dirty_background_ratio; /* percent of memory: then the flusher starts */
	/*
	 * A dirty page waits no longer for the flusher, which tries again after as long what
	 * failed. 0: it has no clock, and works when it is asked to, or when there is too much.
	 */
	unsigned dirty_writeback_centisecs;
	unsigned max_map_count; /* vmaps of one context */
};
extern struct mm_tune mm_tune;

#endif
