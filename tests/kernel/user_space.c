/* See user_space.h. */
#include "user_space.h"
#include "fpu.h"
#include "lib/base.h"
#include "mm/context.h"
#include "mm/mmap.h"
#include "mm/pmap.h"
#include "sched/thread.h"

#define TEST_BASE 0x10000000ul

static void load(struct mm_context *ctx)
{
	struct thread *t = thread_current();
	irqflags_t flags = irq_save();

	t->ctx = ctx;
	t->pmap = ctx ? &ctx->pmap : NULL;
	pmap_load(t->pmap);
	irq_restore(flags);
}

bool user_space_enter(struct user_space *us, size_t npages)
{
	struct thread *t = thread_current();

	us->ctx = mm_create_context();
	if (IS_ERR(us->ctx))
		return false;
	t->arch.fpu = fpu_alloc();
	if (!t->arch.fpu || mmap_anonymous(us->ctx, TEST_BASE, npages * PAGE_SIZE,
				    VM_READ | VM_WRITE | VM_USER, MM_MAP_FIXED, &us->base)) {
		context_free(t);
		mm_put_context(us->ctx);
		return false;
	}
	load(us->ctx);
	return true;
}

void user_space_leave(struct user_space *us)
{
	load(NULL);
	context_free(thread_current());
	mm_put_context(us->ctx);
}
