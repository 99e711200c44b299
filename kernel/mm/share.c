/*
 * Names for objects: a short list under one spinlock. Each name holds a reference.
 */
#include "mm/share.h"

#include "lib/list.h"
#include "lib/string.h"
#include "mm/slab.h"
#include "sync/spinlock.h"

struct share {
	struct list link;
	struct vm_object *object;
	char name[VM_OBJECT_NAME_MAX];
};

static struct list shares = LIST_INIT(shares);
static struct spinlock shares_lock = SPINLOCK_INIT(RANK_FUTEX, "shares");

/* => shares_lock */
static struct share *share_find(const char *name)
{
	struct share *sh;

	list_for_each_entry (sh, &shares, link) {
		if (strcmp(sh->name, name) == 0)
			return sh;
	}
	return NULL;
}

/* The object of the shared area at base, referenced. */
static struct vm_object *object_at(struct mm_context *ctx, vaddr_t base)
{
	struct vm_object *vo = ERR_PTR(-EFAULT);
	struct vmap *vm;

	rw_read_lock(&ctx->mm_lock);
	vm = vmap_find(ctx, base);
	if (vm && !vmap_is_private(vm) && vm->object)
		vo = vm_object_get(vm->object);
	else if (vm)
		vo = ERR_PTR(-EINVAL);
	rw_read_unlock(&ctx->mm_lock);
	return vo;
}

int vm_share_publish(struct mm_context *ctx, vaddr_t base, const char *name)
{
	struct share *sh;
	struct vm_object *vo;
	bool taken;

	if (strlen(name) >= VM_OBJECT_NAME_MAX)
		return -ENAMETOOLONG;
	sh = kzalloc(sizeof(*sh), 0);
	if (!sh)
		return -ENOMEM;
	vo = object_at(ctx, base);
	if (IS_ERR(vo)) {
		kfree(sh);
		return PTR_ERR(vo);
	}
	sh->object = vo;
	str_copy(sh->name, name, sizeof(sh->name));
	spin_lock(&shares_lock);
	taken = share_find(name) != NULL;
	if (!taken)
		list_add_tail(&shares, &sh->link);
	spin_unlock(&shares_lock);
	if (!taken)
		return 0;
	vm_object_put(vo);
	kfree(sh);
	return -EEXIST;
}

struct vm_object *vm_share_open(const char *name)
{
	struct vm_object *vo = ERR_PTR(-ENOENT);
	struct share *sh;

	spin_lock(&shares_lock);
	sh = share_find(name);
	if (sh)
		vo = vm_object_get(sh->object);
	spin_unlock(&shares_lock);
	return vo;
}

int vm_share_withdraw(const char *name)
{
	struct share *sh;

	spin_lock(&shares_lock);
	sh = share_find(name);
	if (sh)
		list_remove(&sh->link);
	spin_unlock(&shares_lock);
	if (!sh)
		return -ENOENT;
	vm_object_put(sh->object);
	kfree(sh);
	return 0;
}

int mm_map_shared_area(struct mm_context *ctx, struct vm_object *object, vaddr_t base,
	vm_flags_t flags, vaddr_t *out)
{
	struct mm_map_request rq = {
		.kind = object->kind == VMO_FILE ? MM_AREA_FILE : MM_AREA_NORMAL,
		.vaddr = base,
		.len = READ_ONCE(object->vo_size),
		.vmflags = flags,
		.map_flags = MM_MAP_SHARED | (base ? MM_MAP_EXACT : 0),
		.content = VMAP_MMAP,
		.object = object,
	};

	return mm_map(ctx, &rq, out);
}
