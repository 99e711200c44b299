/*
 * Somebody who has the memory: frames are taken from the machine and given back when the test says
 * so.
 */
#ifndef HOARD_H
#define HOARD_H

#include "lib/list.h"
#include "mm/buddy.h"
#include "mm/slab.h"

static struct list hoard = LIST_INIT(hoard);

/* All frames that one attempt finds, whatever is locked. */
static void hoard_now(unsigned flags)
{
	struct page *pg;

	while ((pg = page_alloc(0, ALLOC_NORECLAIM | flags)) != NULL)
		list_add(&hoard, &pg->link);
}

/* All frames, those in the lists of other CPUs and in empty slabs too. */
static __maybe_unused void hoard_all(unsigned flags)
{
	uint64_t left;

	do {
		slab_reap();
		buddy_drain();
		left = buddy_free_frames();
		hoard_now(flags);
	} while (buddy_free_frames() < left);
}

/* How many were given back. */
static uint64_t hoard_give(uint64_t n)
{
	uint64_t done = 0;

	for (; done < n && !list_empty(&hoard); done++)
		page_free(list_entry(list_pop(&hoard), struct page, link), 0);
	return done;
}

static __maybe_unused void hoard_give_all(void)
{
	hoard_give(UINT64_MAX);
}

#endif
