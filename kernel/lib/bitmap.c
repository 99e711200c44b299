/* Searches and ranges over bitmaps, a word at a time. Pure, no locks. */
#include "lib/bitmap.h"

/* The first bit at or after `from` that is set in the map xor'ed with `flip`. */
static size_t find_bit(const uint64_t *map, size_t nbits, size_t from, uint64_t flip)
{
	size_t w = from / 64;
	uint64_t word;

	if (from >= nbits)
		return nbits;
	word = (map[w] ^ flip) & ~0ull << (from % 64);
	while (!word) {
		if (++w * 64 >= nbits)
			return nbits;
		word = map[w] ^ flip;
	}
	return MIN(w * 64 + (size_t)__builtin_ctzll(word), nbits);
}

size_t bitmap_find_set(const uint64_t *map, size_t nbits, size_t from)
{
	return find_bit(map, nbits, from, 0);
}

size_t bitmap_find_clear(const uint64_t *map, size_t nbits, size_t from)
{
	return find_bit(map, nbits, from, ~0ull);
}

size_t bitmap_find_clear_run(const uint64_t *map, size_t nbits, size_t from, size_t n)
{
	while (from < nbits) {
		size_t start = bitmap_find_clear(map, nbits, from);
		size_t end = bitmap_find_set(map, nbits, start);

		if (start < nbits && end - start >= n)
			return start;
		from = end;
	}
	return nbits;
}

/* Bits of the word at bit `i` that lie in [i, end). */
static uint64_t word_mask(size_t i, size_t end)
{
	uint64_t mask = ~0ull << (i % 64);
	size_t left = end - ALIGN_DOWN(i, 64);

	if (left < 64)
		mask &= ~(~0ull << left);
	return mask;
}

void bitmap_set_range(uint64_t *map, size_t from, size_t n)
{
	size_t end = from + n;

	for (size_t i = from; i < end; i = ALIGN_DOWN(i, 64) + 64)
		map[i / 64] |= word_mask(i, end);
}

void bitmap_clear_range(uint64_t *map, size_t from, size_t n)
{
	size_t end = from + n;

	for (size_t i = from; i < end; i = ALIGN_DOWN(i, 64) + 64)
		map[i / 64] &= ~word_mask(i, end);
}

size_t bitmap_count(const uint64_t *map, size_t nbits)
{
	size_t count = 0;

	for (size_t i = 0; i < nbits; i += 64)
		count += bitmap_word_count(map[i / 64] & word_mask(i, nbits));
	return count;
}
