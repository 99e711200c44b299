/*
 * Names for objects: a tree by name under one spinlock. Each name holds a reference. And the areas
 * that show a whole object: made by one call and unmade by one, whatever edits came between.
 */
#include "mm/share.h"

#include "lib/rbtree.h"
#include "lib/string.h"
#include "mm/edit.h"
#include "mm/slab.h"
#include "sync/spinlock.h"

struct share {
	struct rb_node node;
	struct vm_object *object;
	char name[VM_OBJECT_NAME_MAX];
};

static struct rb_tree shares; /* (shares_lock) */
static struct spinlock shares_lock = SPINLOCK_INIT(RANK_FUTEX, "shares");

/* The name, or NULL and where it belongs. => shares_lock */
static struct share *share_find(const char *name, struct rb_node **parent, struct rb_node ***link)
{
	*parent = NULL;
	*link = &shares.root;
	while (**link) {
		struct share *sh = rb_entry(**link, struct share, node);
		int c = strcmp(name, sh->name);

		if (!c)
			return sh;
		*parent = &sh->node;
		*link = c < 0 ? &sh->node.left : &sh->node.right;
	}
	return NULL;
}

int vm_share_publish(struct vm_object *vo, const char *name)
{
	struct rb_node *parent, **link;
	struct share *sh;
	bool taken;

	if (strlen(name) >= VM_OBJECT_NAME_MAX)
		return -ENAMETOOLONG;
	sh = kzalloc(sizeof(*sh), 0);
	if (!sh)
		return -ENOMEM;
	sh->object = vm_object_get(vo);
	str_copy(sh->name, name, sizeof(sh->name));
	spin_lock(&shares_lock);
	taken = share_find(name, &parent, &link) != NULL;
	if (!taken)
		rb_insert(&shares, &sh->node, parent, link);
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
	struct rb_node *parent, **link;
	struct share *sh;

	spin_lock(&shares_lock);
	sh = share_find(name, &parent, &link);
	if (sh)
		vo = vm_object_get(sh->object);
	spin_unlock(&shares_lock);
	return vo;
}

int vm_share_withdraw(const char *name)
{
	struct rb_node *parent, **link;
	struct share *sh;

	spin_lock(&shares_lock);
	sh = share_find(name, &parent, &link);
	if (sh)
		rb_remove(&shares, &sh->node);
	spin_unlock(&shares_lock);
	if (!sh)
		return -ENOENT;
	vm_object_put(sh->object);
	kfree(sh);
	return 0;
}

int mm_map_shared_area(struct mm_context *ctx, struct vm_object *object, vaddr_t base,
	vm_flags_t flags, bool replace, vaddr_t *out)
{
	struct mm_map_request rq = {
		.kind = object->kind == VMO_FILE ? MM_AREA_FILE : MM_AREA_NORMAL,
		.vaddr = base,
		.len = READ_ONCE(object->vo_size),
		.vmflags = flags,
		.max_prot = flags & VM_WRITE ? VM_RIGHTS : VM_READ | VM_EXEC,
		.map_flags = MM_MAP_SHARED,
		.content = VMAP_MMAP,
		.object = object,
	};

	if (base)
		rq.map_flags |= replace ? MM_MAP_FIXED : MM_MAP_EXACT;
	return mm_map(ctx, &rq, out);
}

/*
 * Is vm a part of the area that began at base, at its old place? vo NULL: of any object of the
 * kind.
 */
static bool is_part(const struct vmap *vm, vaddr_t base, const struct vm_object *vo,
	const struct vm_object_ops *kind)
{
	if (!vm->object || vm->object->ops != kind || (vo && vm->object != vo))
		return false;
	return vm->vaddr - base == vm->offset;
}

/* The next such part from vm on, below end, or NULL. */
static struct vmap *find_part(struct vmap *vm, vaddr_t base, vaddr_t end,
	const struct vm_object *vo, const struct vm_object_ops *kind)
{
	while (vm && vm->vaddr < end && !is_part(vm, base, vo, kind))
		vm = vmap_next(vm);
	return vm && vm->vaddr < end ? vm : NULL;
}

int mm_unmap_shared_area(struct mm_context *ctx, vaddr_t base, const struct vm_object_ops *kind)
{
	struct vmap *first, *vm, *next;
	const struct vm_object *vo;
	struct vmap_edit e;
	vaddr_t end;
	int err = -EINVAL;

	if (base & PAGE_MASK || base >= USER_MAX)
		return -EINVAL;
	edit_begin(&e, ctx);
	/* Whichever part is left says how far the area went. */
	first = find_part(vmap_focus_after(ctx, base), base, USER_MAX, NULL, kind);
	if (!first)
		goto out;
	vo = first->object;
	end = base + ALIGN_UP(READ_ONCE(vo->vo_size), PAGE_SIZE);
	end = MAX(end, vmap_end(first));
	err = 0;
	for (vm = first; vm && !err; vm = find_part(vmap_next(vm), base, end, vo, kind))
		err = vm->vmflags & VM_SEALED ? -EPERM : 0;
	/* Whole vmaps without private pages: nothing is cut, and nothing needs memory. */
	for (vm = err ? NULL : first; vm; vm = next) {
		next = find_part(vmap_next(vm), base, end, vo, kind);
		edit_unmap(&e, vm->vaddr, vmap_end(vm));
	}
out:
	edit_end(&e);
	return err;
}
