/* The settings' values at boot: Linux's. */
#include "mm/tune.h"

struct mm_tune mm_tune = {
	.overcommit_memory = OVERCOMMIT_GUESS,
	.overcommit_ratio = 50,
	.dirty_ratio = 20,
	.dirty_background_ratio = 10,
	.dirty_writeback_centisecs = 500,
	.max_map_count = 65530,
};
