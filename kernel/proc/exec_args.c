/*
 * Strings of a new program. They are copied once into kernel pages, because the old memory goes
 * away and because another thread may write to it meanwhile, and once from there to the new stack:
 *
 *	top	8 zero bytes
 *		strings: [prefix] arguments, environment, file name; each with its NUL
 *		platform name, 16 random bytes
 *	sp	argc, argv[], 0, envp[], 0, auxiliary vector
 */
#include "proc/exec_args.h"

#include "abi/auxv.h"
#include "dev/random.h"
#include "lib/assert.h"
#include "lib/string.h"
#include "mm/access.h"
#include "mm/buddy.h"
#include "mm/slab.h"
#include "usercopy.h"

#define PLATFORM     "x86_64"
#define PREFIX_SIZE  PAGE_SIZE
#define RANDOM_BYTES 16

_Static_assert(sizeof(struct exec_args) <= PAGE_SIZE, "one frame");

struct exec_args *exec_args_create(uint64_t stack_limit)
{
	struct exec_args *ea = kmalloc(sizeof(*ea), 0);

	if (!ea)
		return ERR_PTR(-ENOMEM);
	memset(ea, 0, offsetof(struct exec_args, pages));
	/* Linux: a quarter of the stack, at least 128 KiB. */
	ea->limit = MIN(MAX(stack_limit / 4, EXEC_STRING_MAX), EXEC_ARG_PAGES * PAGE_SIZE);
	return ea;
}

void exec_args_free(struct exec_args *ea)
{
	for (unsigned i = 0; i < ea->npages; i++)
		page_free(ea->pages[i], 0);
	kfree(ea->prefix);
	kfree(ea);
}

/* The rest of the last page, making one when it is full. NULL: *err says why. */
static char *args_room(struct exec_args *ea, size_t *room, int *err)
{
	uint64_t at = ea->used % PAGE_SIZE;

	if (ea->used >> PAGE_SHIFT == ea->npages) {
		struct page *pg;

		*err = -E2BIG;
		if (ea->npages == EXEC_ARG_PAGES)
			return NULL;
		pg = page_alloc(0, 0);
		*err = -ENOMEM;
		if (!pg)
			return NULL;
		ea->pages[ea->npages++] = pg;
	}
	*room = PAGE_SIZE - at;
	return (char *)page_virt(ea->pages[ea->used >> PAGE_SHIFT]) + at;
}

static int args_check(const struct exec_args *ea, uint64_t string_len)
{
	uint64_t pointers = (ea->nstrings + 1) * 8;

	return string_len > EXEC_STRING_MAX || ea->used + pointers > ea->limit ? -E2BIG : 0;
}

int exec_args_add(struct exec_args *ea, const char *s)
{
	size_t left = strlen(s) + 1, room;
	int err = args_check(ea, left);

	while (!err && left) {
		char *dst = args_room(ea, &room, &err);

		if (!dst)
			return err;
		room = MIN(room, left);
		memcpy(dst, s, room);
		ea->used += room;
		s += room;
		left -= room;
		err = args_check(ea, 0);
	}
	return err;
}

static int args_add_user_string(struct exec_args *ea, uaddr_t s)
{
	uint64_t len = 0;
	int err = 0;

	for (;;) {
		size_t room;
		char *dst = args_room(ea, &room, &err);
		ssize_t n;

		if (!dst)
			return err;
		n = strncpy_from_user(dst, s, room);
		if (n >= 0) {
			ea->used += (uint64_t)n + 1;
			return args_check(ea, len + (uint64_t)n + 1);
		}
		if (n != -ENAMETOOLONG)
			return (int)n;
		ea->used += room;
		s += room;
		len += room;
		err = args_check(ea, len);
		if (err)
			return err;
	}
}

int exec_args_add_user(struct exec_args *ea, uaddr_t vector)
{
	int n = 0;

	/* A NULL vector is an empty one, as on Linux. */
	for (; vector; vector += 8, n++, ea->nstrings++) {
		uaddr_t s;
		int err = copy_from_user(&s, vector, sizeof(s));

		if (err || !s)
			return err ? err : n;
		err = args_add_user_string(ea, s);
		if (err)
			return err;
	}
	return n;
}

int exec_args_add_kernel(struct exec_args *ea, const char *const *vector)
{
	int n = 0;

	for (; vector[n]; n++, ea->nstrings++) {
		int err = exec_args_add(ea, vector[n]);

		if (err)
			return err;
	}
	return n;
}

/* Length of the string that begins at byte `at`, with its NUL. */
static uint64_t args_string_len(const struct exec_args *ea, uint64_t at)
{
	uint64_t len = 0;

	for (;;) {
		const char *s = (const char *)page_virt(ea->pages[(at + len) >> PAGE_SHIFT]);
		uint64_t in = (at + len) % PAGE_SIZE;
		size_t n = strnlen(s + in, PAGE_SIZE - in);

		len += n;
		if (n < PAGE_SIZE - in)
			return len + 1;
	}
}

int exec_args_script(struct exec_args *ea, const char *interp, const char *arg, const char *script)
{
	const char *strings[3] = {interp, arg, script};
	uint64_t old_used = ea->prefix_used, first = 0, n = 0;
	char *fresh = kmalloc(PREFIX_SIZE, 0);

	if (!fresh)
		return -ENOMEM;
	for (unsigned i = 0; i < ARRAY_SIZE(strings); i++) {
		size_t len = strings[i] ? strlen(strings[i]) + 1 : 0;

		if (n + len > PREFIX_SIZE)
			goto out_too_big;
		if (len)
			memcpy(fresh + n, strings[i], len);
		n += len;
		ea->argc += len != 0;
	}
	/* The script's path takes the place of the first argument, which may be in the prefix. */
	if (ea->prefix) {
		first = strlen(ea->prefix) + 1;
		if (n + old_used - first > PREFIX_SIZE)
			goto out_too_big;
		memcpy(fresh + n, ea->prefix + first, old_used - first);
		n += old_used - first;
		ea->argc--;
	} else if (ea->argc > 2 + (arg != NULL)) {
		ea->skip = args_string_len(ea, 0);
		ea->argc--;
	}
	kfree(ea->prefix);
	ea->prefix = fresh;
	ea->prefix_used = n;
	return 0;

out_too_big:
	kfree(fresh);
	return -E2BIG;
}

/* Writes upwards into another address space through a buffer of a page. */
struct stack_writer {
	struct mm_context *ctx;
	uaddr_t at; /* where buf[0] goes */
	size_t fill;
	int err;
	uint8_t *buf;
};

static void writer_flush(struct stack_writer *w)
{
	if (!w->fill || w->err)
		return;
	if (mm_access(w->ctx, w->at, w->buf, w->fill, true, false) != (ssize_t)w->fill)
		w->err = -ENOMEM;
	w->at += w->fill;
	w->fill = 0;
}

static void writer_bytes(struct stack_writer *w, const void *p, size_t n)
{
	const uint8_t *s = p;

	while (n) {
		size_t now = MIN(n, PAGE_SIZE - w->fill);

		memcpy(w->buf + w->fill, s, now);
		w->fill += now;
		s += now;
		n -= now;
		if (w->fill == PAGE_SIZE)
			writer_flush(w);
	}
}

static void writer_u64(struct stack_writer *w, uint64_t v)
{
	writer_bytes(w, &v, sizeof(v));
}

static void writer_zeros(struct stack_writer *w, size_t n)
{
	static const uint8_t zeros[16];

	for (; n; n -= MIN(n, sizeof(zeros)))
		writer_bytes(w, zeros, MIN(n, sizeof(zeros)));
}

/* Pointers to n strings that begin at byte *at of the pages and will be at base + (at - skip). */
static void writer_pointers(
	struct stack_writer *w, const struct exec_args *ea, unsigned n, uint64_t *at, uaddr_t base)
{
	while (n--) {
		writer_u64(w, base + *at - ea->skip);
		*at += args_string_len(ea, *at);
	}
	writer_u64(w, 0);
}

/* Pointers to the strings of the prefix; how many. */
static unsigned writer_prefix(struct stack_writer *w, const struct exec_args *ea, uaddr_t base)
{
	unsigned n = 0;

	for (uint64_t i = 0; i < ea->prefix_used; i += strlen(ea->prefix + i) + 1, n++)
		writer_u64(w, base + i);
	return n;
}

uint64_t exec_args_size(const struct exec_args *ea, unsigned naux)
{
	uint64_t words = 1 + ea->argc + 1 + ea->envc + 1 + 2 * (uint64_t)naux;

	return ea->prefix_used + ea->used + words * 8 + sizeof(PLATFORM) + RANDOM_BYTES + 8 + 64;
}

static void args_patch_aux(
	uint64_t (*aux)[2], unsigned naux, uaddr_t random, uaddr_t platform, uaddr_t execfn)
{
	for (unsigned i = 0; i < naux; i++) {
		if (aux[i][0] == AT_RANDOM)
			aux[i][1] = random;
		else if (aux[i][0] == AT_PLATFORM)
			aux[i][1] = platform;
		else if (aux[i][0] == AT_EXECFN)
			aux[i][1] = execfn;
	}
}

int exec_args_write(struct exec_args *ea, struct mm_context *ctx, uaddr_t top, uint64_t (*aux)[2],
	unsigned naux, struct exec_stack_info *out)
{
	struct stack_writer w = {.ctx = ctx};
	uint64_t words = 1 + ea->argc + 1 + ea->envc + 1 + 2 * (uint64_t)naux;
	uint64_t in_pages = ea->used - ea->skip, at = ea->skip, env_at;
	uaddr_t strings = top - 8 - in_pages - ea->prefix_used;
	uaddr_t base = strings + ea->prefix_used; /* of the strings in the pages */
	uaddr_t platform = strings - sizeof(PLATFORM), random = platform - RANDOM_BYTES;
	uint8_t bytes[RANDOM_BYTES];
	unsigned nprefix;

	out->sp = ALIGN_DOWN(random - words * 8, 16);
	w.buf = kmalloc(PAGE_SIZE, 0);
	if (!w.buf)
		return -ENOMEM;
	w.at = out->sp;
	writer_u64(&w, ea->argc);
	nprefix = writer_prefix(&w, ea, strings);
	writer_pointers(&w, ea, ea->argc - nprefix, &at, base);
	env_at = at;
	writer_pointers(&w, ea, ea->envc, &at, base);
	args_patch_aux(aux, naux, random, platform, base + at - ea->skip);
	writer_bytes(&w, aux, naux * sizeof(*aux));
	writer_zeros(&w, random - (out->sp + words * 8));
	random_get(bytes, sizeof(bytes));
	writer_bytes(&w, bytes, sizeof(bytes));
	writer_bytes(&w, PLATFORM, sizeof(PLATFORM));
	writer_bytes(&w, ea->prefix, ea->prefix_used);
	for (uint64_t i = ea->skip; i < ea->used;) {
		uint64_t in = i % PAGE_SIZE, n = MIN(PAGE_SIZE - in, ea->used - i);

		writer_bytes(&w, (const char *)page_virt(ea->pages[i >> PAGE_SHIFT]) + in, n);
		i += n;
	}
	writer_zeros(&w, 8);
	writer_flush(&w);
	kfree(w.buf);
	out->arg_start = strings;
	out->arg_end = out->env_start = base + env_at - ea->skip;
	out->env_end = base + at - ea->skip;
	return w.err;
}
