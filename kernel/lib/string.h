/* The C string and memory functions that the kernel uses. Pure, no locks. */
#ifndef LIB_STRING_H
#define LIB_STRING_H

#ifdef QUIRE_HOST
#include <string.h>
#else
#include "lib/base.h"

void *memcpy(void *restrict dst, const void *restrict src, size_t n);
void *memmove(void *dst, const void *src, size_t n);
void *memset(void *dst, int c, size_t n);
int memcmp(const void *a, const void *b, size_t n);
void *memchr(const void *s, int c, size_t n);
size_t strlen(const char *s);
size_t strnlen(const char *s, size_t max);
int strcmp(const char *a, const char *b);
int strncmp(const char *a, const char *b, size_t n);
char *strchr(const char *s, int c);
char *strrchr(const char *s, int c);
#endif

#include <stddef.h>

/*
 * Copy at most size - 1 bytes and always end in NUL. Returns strlen(src): >= size means cut short.
 */
size_t str_copy(char *dst, const char *src, size_t size);

#endif
