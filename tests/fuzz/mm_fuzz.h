/*
 * The model fuzzer of the memory system: random operations on a few contexts, done by the kernel's
 * code and by plain arrays, compared after each step.
 *
 * A context's window is WINDOW pages astride a 512 GiB border. The model of a page is a cell of a
 * few sample bytes; who may see which cell is the whole semantics: a private page has its own cell
 * from its first write on, fork copies own cells, shared pages and unwritten private file pages
 * show the object's cell.
 */
#ifndef MM_FUZZ_H
#define MM_FUZZ_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host.h"
#include "mm/context.h"
#include "mm/object.h"
#include "mm/vmap.h"

#define CONTEXTS     4
#define OBJECTS	     4 /* the first half zero objects, the others files */
#define OBJECT_PAGES 96
#define WINDOW	     1600
#define WINDOW_BASE  (0x8000000000ul - 700 * PAGE_SIZE)
#define SAMPLES	     4 /* bytes compared a page */
#define PINS	     6
#define CPUS	     3

struct cell {
	uint8_t b[SAMPLES];
};

enum kind { NONE, ANON, SHARED, FILE_PRIVATE };

struct mpage {
	enum kind kind;
	vm_flags_t prot;
	bool own; /* private and written: the cell is its own */
	uint8_t object;
	uint16_t index;
	bool dontfork, wipe;
	uint32_t pin_id; /* the pin that names this page, 0: none */
	struct cell cell;
};

struct mcontext {
	struct mm_context *ctx; /* NULL: not there */
	struct mpage page[WINDOW];
};

struct mobject {
	struct vm_object *vo;
	bool file;
	uint64_t pages; /* size */
	struct cell cell[OBJECT_PAGES];
	uint8_t disk[OBJECT_PAGES][SAMPLES]; /* files: what the pager has */
	uint32_t pin_id[OBJECT_PAGES];
};

struct mpin {
	uint32_t id; /* 0: free */
	struct mm_context *ctx;
	struct page *page;
};

extern struct mcontext contexts[CONTEXTS];
extern struct mobject objects[OBJECTS];
extern struct mpin pins[PINS];
extern uint64_t fuzz_seed, fuzz_step;
extern bool fuzz_calm, fuzz_sparse, fuzz_verbose;

/* The stream of choices. */
void choices_from_seed(uint64_t seed);
void choices_from_data(const uint8_t *data, size_t n);
bool choices_left(void);
uint64_t choose(uint64_t n); /* 0 .. n - 1 */
bool chance(unsigned one_in);

/* mm_model.c */
void model_begin(void);
void model_end(void); /* everything gone: frames as before */
/* One access by the MMU, with faults, on the CPU; compares and updates the model. */
void model_access(unsigned c, unsigned page, vm_flags_t access, unsigned cpu);
/* Compare every page of every context that can be read. */
void model_check_all(void);
void model_verify(bool counts);
struct cell *model_cell(struct mpage *p);
void context_destroy(unsigned c);
void context_run_on(unsigned c, unsigned cpu);
void fuzz_fail(const char *fmt, ...) __printf(1, 2);
size_t sample_offset(unsigned i);

/* mm_others.c */
enum others { OTHERS_REST, OTHERS_WALK, OTHERS_STORE };
/* What the other CPUs do from now on, at each step of what this one does; returns what they did. */
enum others others_do(enum others what);
void others_begin(uint64_t seed);
/* The page is likely to be writable. */
void others_note(unsigned page);
unsigned others_recent(unsigned i);

/* mm_ops.c */
void fuzz_one_op(void);

#define must_be(cond, ...)                      \
	do {                                    \
		if (!(cond))                    \
			fuzz_fail(__VA_ARGS__); \
	} while (0)

#endif
