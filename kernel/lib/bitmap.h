/*
 * Bitmaps in arrays of 64-bit words, bit i in word i / 64. Pure, no locks, not atomic. Because the
 * machine is little-endian the same functions read ext2's byte bitmaps when those are 8-byte
 * aligned and padded to a whole word.
 */
#ifndef LIB_BITMAP_H
#define LIB_BITMAP_H

#include "lib/base.h"

#define BITMAP_WORDS(nbits) DIV_ROUND_UP(nbits, 64)

static inline bool bitmap_test(const uint64_t *map, size_t i)
{
	return map[i / 64] >> (i % 64) & 1;
}

static inline void bitmap_set(uint64_t *map, size_t i)
{
	map[i / 64] |= 1ull << (i % 64);
}

static inline void bitmap_clear(uint64_t *map, size_t i)
{
	map[i / 64] &= ~(1ull << (i % 64));
}

/*
 * Bits of a word, in parallel sums (no popcount instruction is assumed). The empty asm keeps the
 * compiler from seeing what this is: it would call a function of its run-time library.
 */
static inline size_t bitmap_word_count(uint64_t w)
{
	w -= w >> 1 & 0x5555555555555555ull;
	__asm__("" : "+r"(w));
	w = (w & 0x3333333333333333ull) + (w >> 2 & 0x3333333333333333ull);
	w = (w + (w >> 4)) & 0x0f0f0f0f0f0f0f0full;
	return w * 0x0101010101010101ull >> 56;
}

/* The first set (clear) bit at or after `from`, or nbits when there is none. */
size_t bitmap_find_set(const uint64_t *map, size_t nbits, size_t from);
size_t bitmap_find_clear(const uint64_t *map, size_t nbits, size_t from);
/* The first run of n clear bits at or after `from`, or nbits. n > 0. */
size_t bitmap_find_clear_run(const uint64_t *map, size_t nbits, size_t from, size_t n);
void bitmap_set_range(uint64_t *map, size_t from, size_t n);
void bitmap_clear_range(uint64_t *map, size_t from, size_t n);
/* Number of set bits among the first nbits. */
size_t bitmap_count(const uint64_t *map, size_t nbits);

#define bitmap_for_each_set(i, map, nbits)                           \
	for (size_t i = bitmap_find_set(map, nbits, 0); i < (nbits); \
		i = bitmap_find_set(map, nbits, i + 1))

#endif
