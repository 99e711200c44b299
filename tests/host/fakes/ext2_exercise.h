/* Everything that a user may do to a mounted volume, whatever is on it. */
#ifndef EXT2_EXERCISE_H
#define EXT2_EXERCISE_H

#include "lib/base.h"

/* A small volume with files, holes, directories and links of every kind; unmounted again. */
void ext2_populate(const char *options, uint64_t size);
/* Walk, read, write, remove, make. Errors are fine; panics, hangs and sanitizer reports are not. */
void ext2_exercise(void);
/* Mount what is on env.disk, exercise it, unmount. Returns what mount answered. */
int ext2_try(void);

#endif
