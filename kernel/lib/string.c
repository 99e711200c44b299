/*
 * The memory and string functions that the compiler and the kernel call. Pure, no locks.
 *
 * Words move by `rep movsq` and `rep stosq`: one instruction a word on an emulator, the fast path
 * of the microcode on hardware. What is left at the end is done by one overlapping word, so that
 * no loop runs byte by byte. Every load of a move happens before the first store that could hit it.
 *
 * On the host the C library's own functions are used; only str_copy is ours there.
 */
#include "lib/string.h"

#ifndef QUIRE_HOST

/* Unaligned words that may alias anything. */
typedef uint64_t __attribute__((may_alias, aligned(1))) word8;
typedef uint32_t __attribute__((may_alias, aligned(1))) word4;
typedef uint16_t __attribute__((may_alias, aligned(1))) word2;

/* n < 8: two overlapping words, all loads before the stores. */
static inline void copy_short(char *dst, const char *src, size_t n)
{
	if (n >= 4) {
		uint32_t head = *(const word4 *)src, tail = *(const word4 *)(src + n - 4);

		*(word4 *)dst = head;
		*(word4 *)(dst + n - 4) = tail;
	} else if (n >= 2) {
		uint16_t head = *(const word2 *)src, tail = *(const word2 *)(src + n - 2);

		*(word2 *)dst = head;
		*(word2 *)(dst + n - 2) = tail;
	} else if (n) {
		*dst = *src;
	}
}

/* n >= 8, dst not inside [src + 1, src + n). */
static inline void copy_up(char *dst, const char *src, size_t n)
{
	uint64_t tail = *(const word8 *)(src + n - 8);
	char *last = dst + n - 8;
	size_t words = n / 8;

	__asm__ volatile("rep movsq" : "+D"(dst), "+S"(src), "+c"(words) : : "memory");
	*(word8 *)last = tail;
}

/* n >= 8, from the end to the start. */
static inline void copy_down(char *dst, const char *src, size_t n)
{
	uint64_t head = *(const word8 *)src;
	size_t i;

	for (i = n; i >= 8; i -= 8)
		*(volatile word8 *)(dst + i - 8) = *(const volatile word8 *)(src + i - 8);
	*(word8 *)dst = head;
}

void *memcpy(void *restrict dst, const void *restrict src, size_t n)
{
	if (n >= 8)
		copy_up(dst, src, n);
	else
		copy_short(dst, src, n);
	return dst;
}

void *memmove(void *dst, const void *src, size_t n)
{
	if (n < 8)
		copy_short(dst, src, n);
	else if ((uintptr_t)dst - (uintptr_t)src >= n)
		copy_up(dst, src, n);
	else
		copy_down(dst, src, n);
	return dst;
}

void *memset(void *dst, int c, size_t n)
{
	uint64_t pattern = (uint8_t)c * 0x0101010101010101ull;
	char *d = dst;

	if (n >= 8) {
		size_t words = n / 8;
		char *last = d + n - 8;

		__asm__ volatile("rep stosq" : "+D"(d), "+c"(words) : "a"(pattern) : "memory");
		*(word8 *)last = pattern;
	} else if (n >= 4) {
		*(word4 *)d = (uint32_t)pattern;
		*(word4 *)(d + n - 4) = (uint32_t)pattern;
	} else if (n >= 2) {
		*(word2 *)d = (uint16_t)pattern;
		*(word2 *)(d + n - 2) = (uint16_t)pattern;
	} else if (n) {
		*d = (char)c;
	}
	return dst;
}

int memcmp(const void *a, const void *b, size_t n)
{
	const unsigned char *x = a, *y = b;
	size_t i = 0;

	while (i + 8 <= n && *(const word8 *)(x + i) == *(const word8 *)(y + i))
		i += 8;
	for (; i < n; i++)
		if (x[i] != y[i])
			return x[i] - y[i];
	return 0;
}

void *memchr(const void *s, int c, size_t n)
{
	const unsigned char *p = s;

	for (size_t i = 0; i < n; i++)
		if (p[i] == (unsigned char)c)
			return (void *)(p + i);
	return NULL;
}

/* Written with an index so that the compiler does not turn the loop into a call of itself. */
size_t strlen(const char *s)
{
	const volatile char *p = s;
	size_t n = 0;

	while (p[n])
		n++;
	return n;
}

size_t strnlen(const char *s, size_t max)
{
	size_t n = 0;

	while (n < max && s[n])
		n++;
	return n;
}

int strcmp(const char *a, const char *b)
{
	while (*a && *a == *b)
		a++, b++;
	return (unsigned char)*a - (unsigned char)*b;
}

int strncmp(const char *a, const char *b, size_t n)
{
	for (; n; n--, a++, b++)
		if (*a != *b || !*a)
			return (unsigned char)*a - (unsigned char)*b;
	return 0;
}

char *strchr(const char *s, int c)
{
	for (;; s++) {
		if (*s == (char)c)
			return (char *)s;
		if (!*s)
			return NULL;
	}
}

char *strrchr(const char *s, int c)
{
	const char *last = NULL;

	for (;; s++) {
		if (*s == (char)c)
			last = s;
		if (!*s)
			return (char *)last;
	}
}

#endif

size_t str_copy(char *dst, const char *src, size_t size)
{
	size_t len = strlen(src);

	if (size) {
		size_t n = len < size ? len : size - 1;

		memcpy(dst, src, n);
		dst[n] = '\0';
	}
	return len;
}
