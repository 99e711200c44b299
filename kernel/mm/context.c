/*
 * The life of an address space. Two counts:
 *
 *	refs    users (threads' process, a procfs reader): the last put unmaps everything
 *	holds   who needs the struct only: all users together are one; truncate is another, which
 *	        meets a context through an object's list of mappings
 *
 * A context that died is loaded on no CPU: its threads are gone and kernel threads run on the
 * kernel's own table. So its end needs no flush, allocates nothing and drops whole trees.
 */
#include "mm/context.h"

#include "lib/assert.h"
#include "lib/string.h"
#include "mm/amap.h"
#include "mm/cow.h"
#include "mm/edit.h"
#include "mm/oom.h"
#include "mm/slab.h"
#include "mm/vmap.h"

static struct slab_cache *context_cache;

static void context_ctor(void *obj)
{
	struct mm_context *ctx = obj;

	rw_init(&ctx->mm_lock, RANK_CONTEXT, "mm_context");
}

void mm_init(void)
{
	context_cache =
		slab_cache_create("mm_context", sizeof(struct mm_context), 16, context_ctor);
	vm_object_init();
	vmap_init();
	amap_init();
	cow_init();
	mm_oom_init();
}

struct mm_context *mm_create_context(void)
{
	struct mm_context *ctx = slab_alloc(context_cache, 0);

	if (!ctx)
		return ERR_PTR(-ENOMEM);
	if (pmap_create(&ctx->pmap) != 0) {
		slab_free(context_cache, ctx);
		return ERR_PTR(-ENOMEM);
	}
	ctx->refs = 1;
	ctx->holds = 1;
	vmap_tree_init(ctx);
	ctx->nvmaps = 0;
	ctx->total_pages = ctx->locked_pages = ctx->data_pages = ctx->stack_pages = 0;
	ctx->peak_pages = ctx->peak_rss = 0;
	ctx->pins = 0;
	ctx->dying = ctx->gone = false;
	ctx->mmap_top = MM_MMAP_TOP;
	ctx->brk_start = ctx->brk = 0;
	ctx->stack_top = 0;
	ctx->limit_as = ctx->limit_data = ctx->limit_stack = ctx->limit_memlock = UINT64_MAX;
	ctx->def_flags = 0;
	ctx->code_start = ctx->code_end = ctx->data_start = ctx->data_end = 0;
	ctx->arg_start = ctx->arg_end = ctx->env_start = ctx->env_end = 0;
	ctx->auxv_len = 0;
	ctx->exe = NULL;
	return ctx;
}

struct mm_context *mm_get_context(struct mm_context *ctx)
{
	__atomic_fetch_add(&ctx->refs, 1, __ATOMIC_RELAXED);
	return ctx;
}

void mm_hold_context(struct mm_context *ctx)
{
	__atomic_fetch_add(&ctx->holds, 1, __ATOMIC_RELAXED);
}

void mm_drop_context(struct mm_context *ctx)
{
	if (__atomic_sub_fetch(&ctx->holds, 1, __ATOMIC_ACQ_REL) == 0)
		slab_free(context_cache, ctx);
}

/*
 * Take all vmaps out of tree and objects; they and their upper layers wait in e for the end of the
 * edit. No translation can be used any more, or there is none.
 */
static void unlink_all(struct vmap_edit *e)
{
	struct mm_context *ctx = e->ctx;
	struct vmap *vm, *next;

	for (vm = vmap_first(ctx); vm; vm = next) {
		next = vmap_next(vm);
		vmap_detach(vm);
		if (vm->amap)
			amap_put(vm->amap, &e->dead_amaps);
		vm->amap = NULL;
		vm->next = NULL;
		*e->dead_tail = vm;
		e->dead_tail = &vm->next;
	}
	vmap_tree_init(ctx);
	ctx->nvmaps = 0;
	ctx->total_pages = ctx->locked_pages = ctx->data_pages = ctx->stack_pages = 0;
}

void mm_clear_context(struct mm_context *ctx)
{
	struct vmap_edit e;
	struct tlb_batch tb;

	edit_begin(&e, ctx);
	tlb_batch_init(&tb, &ctx->pmap);
	pmap_remove(&ctx->pmap, USER_MIN, USER_MAX, &tb);
	tlb_batch_finish(&tb);
	unlink_all(&e);
	tlb_batch_init(&tb, &ctx->pmap);
	pmap_remove_all(&ctx->pmap, &tb);
	tlb_batch_finish(&tb);
	ctx->brk = ctx->brk_start;
	edit_end(&e);
}

void mm_put_context(struct mm_context *ctx)
{
	struct vmap_edit e;

	if (__atomic_sub_fetch(&ctx->refs, 1, __ATOMIC_ACQ_REL) != 0)
		return;
	mm_oom_note_leaving();
	edit_begin(&e, ctx);
	unlink_all(&e);
	pmap_destroy(&ctx->pmap);
	edit_end(&e);
	__atomic_store_n(&ctx->gone, true, __ATOMIC_RELAXED);
	mm_oom_note_gone();
	mm_drop_context(ctx);
}

struct rss_walk {
	struct mm_context *ctx;
	struct mm_rss *rss;
	struct vmap *vm; /* of the last translation */
};

static void rss_of_translation(void *cookie, vaddr_t va, struct pmap_entry entry)
{
	struct rss_walk *walk = cookie;
	const struct vm_object *vo;

	if (!page_is_ram(entry.pfn) || page_type(page_from_pfn(entry.pfn)) != PG_OBJECT)
		return;
	if (!walk->vm || !vmap_holds(walk->vm, va))
		walk->vm = vmap_find(walk->ctx, va);
	vo = walk->vm ? walk->vm->object : NULL;
	if (!vo)
		return;
	if (vo->kind == VMO_FILE)
		walk->rss->file++;
	else
		walk->rss->shmem++;
}

void mm_context_rss(struct mm_context *ctx, struct mm_rss *rss)
{
	struct rss_walk walk = {.ctx = ctx, .rss = rss};
	struct vmap *vm;
	uint64_t all;

	memset(rss, 0, sizeof(*rss));
	rw_read_lock(&ctx->mm_lock);
	for (vm = vmap_first(ctx); vm; vm = vmap_next(vm)) {
		struct amap *am = LOAD_ACQUIRE(vm->amap);

		if (!am)
			continue;
		rw_read_lock(&am->lock);
		rss->anon += amap_resident(am, vm->amap_off, vm->amap_off + vm->npages - 1);
		rw_read_unlock(&am->lock);
	}
	pmap_walk(&ctx->pmap, rss_of_translation, &walk);
	all = rss->anon + rss->file + rss->shmem;
	if (all > READ_ONCE(ctx->peak_rss))
		WRITE_ONCE(ctx->peak_rss, all);
	rw_read_unlock(&ctx->mm_lock);
}
