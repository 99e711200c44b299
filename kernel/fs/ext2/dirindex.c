/*
 * The index of a directory in memory: hash of a name -> where its entry is. An ext2 directory is a
 * list, so that without it each look-up, and each creation (which must look first), would read the
 * whole directory. Built at the first look-up, kept while the inode is in memory.
 *
 * An open hash table with linear probing; a slot is 8 bytes. Removal leaves a mark, unless the next
 * slot is empty; marks vanish when the table is rebuilt. Guarded by the directory's lock.
 *
 * The hint says where the search for room for a new entry begins.
 */
#include "fs/ext2/ext2_priv.h"

#include "lib/assert.h"
#include "mm/slab.h"

struct slot {
	uint32_t hash;
	uint32_t pos; /* offset / 4 + 1 */
};
#define POS_EMPTY   0u
#define POS_REMOVED UINT32_MAX

struct ext2_dirindex {
	struct slot *slots;
	uint32_t mask;	/* number of slots - 1 */
	uint32_t used;	/* live entries */
	uint32_t marks; /* removed ones that are still in the way */
	uint64_t hint;
};

#define SLOTS_MIN 32u

static struct slot *slots_alloc(uint32_t n)
{
	return kzalloc((size_t)n * sizeof(struct slot), ALLOC_NORECLAIM);
}

struct ext2_dirindex *ext2_dirindex_create(void)
{
	struct ext2_dirindex *ix = kzalloc(sizeof(*ix), ALLOC_NORECLAIM);

	if (!ix)
		return NULL;
	ix->slots = slots_alloc(SLOTS_MIN);
	if (!ix->slots) {
		kfree(ix);
		return NULL;
	}
	ix->mask = SLOTS_MIN - 1;
	return ix;
}

void ext2_dirindex_destroy(struct ext2_dirindex *ix)
{
	if (!ix)
		return;
	kfree(ix->slots);
	kfree(ix);
}

/* FNV-1a, with a last step that spreads the high bits. */
uint32_t ext2_name_hash(const char *name, size_t len)
{
	uint32_t h = 2166136261u;

	for (size_t i = 0; i < len; i++)
		h = (h ^ (uint8_t)name[i]) * 16777619u;
	return h ^ h >> 15;
}

static void slot_enter(struct slot *slots, uint32_t mask, struct slot s)
{
	uint32_t i = s.hash & mask;

	while (slots[i].pos != POS_EMPTY)
		i = (i + 1) & mask;
	slots[i] = s;
}

/* Room for one more entry; marks are dropped on the way. */
static int make_room(struct ext2_dirindex *ix)
{
	uint32_t n = SLOTS_MIN;
	struct slot *slots;

	if ((uint64_t)(ix->used + ix->marks + 1) * 4 <= (uint64_t)(ix->mask + 1) * 3)
		return 0;
	while (n < (ix->used + 1) * 2)
		n *= 2;
	slots = slots_alloc(n);
	if (!slots)
		return -ENOMEM;
	for (uint32_t i = 0; i <= ix->mask; i++)
		if (ix->slots[i].pos != POS_EMPTY && ix->slots[i].pos != POS_REMOVED)
			slot_enter(slots, n - 1, ix->slots[i]);
	kfree(ix->slots);
	ix->slots = slots;
	ix->mask = n - 1;
	ix->marks = 0;
	return 0;
}

int ext2_dirindex_add(struct ext2_dirindex *ix, uint32_t hash, uint64_t off)
{
	int err = make_room(ix);

	if (err)
		return err;
	slot_enter(ix->slots, ix->mask, (struct slot){hash, (uint32_t)(off / 4) + 1});
	ix->used++;
	return 0;
}

void ext2_dirindex_remove(struct ext2_dirindex *ix, uint32_t hash, uint64_t off)
{
	uint32_t pos = (uint32_t)(off / 4) + 1, i = hash & ix->mask;

	while (ix->slots[i].pos != pos) {
		if (ix->slots[i].pos == POS_EMPTY)
			return;
		i = (i + 1) & ix->mask;
	}
	ix->used--;
	if (ix->slots[(i + 1) & ix->mask].pos != POS_EMPTY) {
		ix->slots[i].pos = POS_REMOVED;
		ix->marks++;
		return;
	}
	/* The end of a run: nobody probes past it, nor past the marks before it. */
	ix->slots[i].pos = POS_EMPTY;
	for (i = (i - 1) & ix->mask; ix->slots[i].pos == POS_REMOVED; i = (i - 1) & ix->mask) {
		ix->slots[i].pos = POS_EMPTY;
		ix->marks--;
	}
}

bool ext2_dirindex_next(
	const struct ext2_dirindex *ix, uint32_t hash, uint32_t *cursor, uint64_t *off)
{
	for (;; (*cursor)++) {
		const struct slot *s = &ix->slots[(hash + *cursor) & ix->mask];

		if (s->pos == POS_EMPTY)
			return false;
		if (s->pos == POS_REMOVED || s->hash != hash)
			continue;
		*off = (uint64_t)(s->pos - 1) * 4;
		(*cursor)++;
		return true;
	}
}

uint64_t ext2_dirindex_hint(const struct ext2_dirindex *ix)
{
	return ix->hint;
}

void ext2_dirindex_set_hint(struct ext2_dirindex *ix, uint64_t off)
{
	ix->hint = off;
}
