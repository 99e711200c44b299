/*
 * A file object whose backing store is host memory. Fills and writes may be late (each waits its
 * own random time, so those of several threads end in any order), may be held at a gate, and may
 * fail.
 */
#ifndef PAGER_H
#define PAGER_H

#include "mm/object.h"

struct host_pager {
	uint8_t *store;
	uint64_t npages;
	struct vm_object *vo;
	unsigned delay_us;	      /* largest delay; 0: none */
	unsigned fail_fill_in;	      /* the n-th fill from now fails with -EIO; 0: none */
	unsigned fail_write_in;	      /* the same for writes */
	bool hold;		      /* (a) operations wait until it is false */
	uint64_t fills, writes;	      /* (a) operations */
	uint64_t pages_in, pages_out; /* (a) */
	uint64_t inside;	      /* (a) operations that have begun and not ended */
};

/* npages of content: byte k of page i is host_pager_byte(i, k). size: bytes of the file. */
void host_pager_init(struct host_pager *p, uint64_t npages, uint64_t size);
/* Discards the object's pages and drops it. */
void host_pager_destroy(struct host_pager *p);
uint8_t host_pager_byte(uint64_t page, uint64_t offset);

#endif
