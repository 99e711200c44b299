/*
 * fork beside stores. A thread stores to page A, then to page B. The child's memory is that of one
 * moment: it never has B's store without A's. Tried with real threads, and step by step: at the
 * k-th step of fork another CPU stores to A, at the j-th, not before, to B.
 */
#include "mt_env.h"

#include "mm/access.h"

#define PAIRS 8

struct pair {
	vaddr_t a, b;
};

static struct pair pairs[PAIRS];
static vaddr_t low, high;

/* Pairs in one leaf of the amap, in two, in two tables, in two vmaps, both ways round. */
static void make_pairs(void)
{
	vaddr_t va;

	low = env_map_at(0x40000000 - PG(300), PG(1100), RW);
	high = env_map_at(0x7f0000000000, PG(20), RW);
	pairs[0] = (struct pair){low + PG(40), low + PG(41)};
	pairs[1] = (struct pair){low + PG(43), low + PG(42)};
	pairs[2] = (struct pair){low + PG(50), low + PG(150)};
	pairs[3] = (struct pair){low + PG(151), low + PG(51)};
	pairs[4] = (struct pair){low + PG(60), low + PG(700)};
	pairs[5] = (struct pair){low + PG(701), low + PG(61)};
	pairs[6] = (struct pair){low + PG(70), high + PG(3)};
	pairs[7] = (struct pair){high + PG(4), low + PG(71)};
	for (va = low; va < low + PG(1100); va += PG(10))
		assert_int_equal(env_write(va + 5, 1), 0);
}

static void store_pair(unsigned i, uint8_t v)
{
	mt_must(mt_store(ctx, pairs[i].a, v) == 0);
	mt_must(mt_store(ctx, pairs[i].b, v) == 0);
}

/* Real threads */

static void write_in_order(void)
{
	env_load(ctx);
	for (unsigned n = 1; mt_running(); n++) {
		for (unsigned i = 0; i < PAIRS; i++)
			store_pair(i, n);
	}
	env_load(NULL);
}

static void check_child(struct mm_context *child)
{
	for (unsigned i = 0; i < PAIRS; i++) {
		int b = mt_load(child, pairs[i].b), a = mt_load(child, pairs[i].a);

		mt_must(a >= 0 && b >= 0);
		/* a is b's number or the next one. */
		mt_must((uint8_t)(a - b) <= 1);
	}
}

static void fork_and_look(void)
{
	for (unsigned n = 0; n < 150; n++) {
		struct mm_context *child = mm_fork_context(ctx);
		vm_flags_t rights = n & 1 ? VM_READ : RW;
		struct page *pg = NULL;

		mt_must(!IS_ERR(child));
		env_load(child);
		check_child(child);
		sched_yield();
		check_child(child);
		env_load(NULL);
		mm_put_context(child);
		/* Rights above the tables come back by restore, by push-down, not at all. */
		if (n % 8 == 3)
			mt_must(vm_protect(ctx, low + PG(200), PG(5), rights, false) == 0);
		if (n % 8 == 5 && mm_pin_page(ctx, pairs[n / 8 % PAIRS].a, VM_READ, &pg) == 0)
			mm_unpin_page(ctx, pg);
	}
	mt_end();
}

static void thread_roles(void *arg)
{
	(void)arg;
	if (cpu_id() == 1)
		fork_and_look();
	else
		write_in_order();
}

static void threads_store_in_order_beside_fork(void **state)
{
	(void)state;
	make_pairs();
	mt_run(2, thread_roles, NULL);
}

/* Two threads fork at once, and their children write all of it. */

static void fork_and_write(void *arg)
{
	(void)arg;
	for (unsigned n = 0; n < 40; n++) {
		struct mm_context *child = mm_fork_context(ctx);

		mt_must(!IS_ERR(child));
		env_load(child);
		for (unsigned i = 0; i < PAIRS; i++) {
			mt_must(mt_store(child, pairs[i].a, 100 + cpu_id()) == 0);
			mt_must(mt_load(child, pairs[i].b) == 7);
		}
		for (unsigned i = 0; i < PAIRS; i++)
			mt_must(mt_load(child, pairs[i].a) == (int)(100 + cpu_id()));
		env_load(NULL);
		mm_put_context(child);
	}
}

static void forks_from_two_threads(void **state)
{
	(void)state;
	make_pairs();
	for (unsigned i = 0; i < PAIRS; i++)
		store_pair(i, 7);
	mt_run(3, fork_and_write, NULL);
	for (unsigned i = 0; i < PAIRS; i++)
		assert_int_equal(env_read(pairs[i].a), 7);
}

/* Two generations write beside each other: the nodes between them are copied at the same time. */

static struct mm_context *relatives[3];

static void rewrite(void *arg)
{
	struct mm_context *self = relatives[cpu_id() - 1];

	(void)arg;
	env_load(self);
	for (unsigned i = 0; i < 1100; i += 3)
		mt_must(mt_store(self, low + PG(i), cpu_id()) == 0);
	for (unsigned i = 0; i < 1100; i++)
		mt_must(mt_load(self, low + PG(i)) == (i % 3 ? 0 : (int)cpu_id()));
	env_load(NULL);
}

static void parent_and_children_copy_the_same_nodes(void **state)
{
	(void)state;
	make_pairs();
	relatives[0] = ctx;
	for (unsigned n = 0; n < 12; n++) {
		for (unsigned i = 1; i < 3; i++)
			relatives[i] = mm_fork_context(relatives[n & 1 ? i - 1 : 0]);
		mt_run(3, rewrite, NULL);
		for (unsigned i = 1; i < 3; i++) {
			env_verify(relatives[i]);
			mm_put_context(relatives[i]);
		}
	}
}

/*
 * Step by step
 */

static struct steps {
	uint64_t now, at_a, at_b;
	const struct pair *pair;
	uint8_t value;
	bool blocked;  /* a store needs a fault, which waits for fork to end */
	unsigned done; /* stores made */
} steps;

static bool store_without_fault(vaddr_t va)
{
	if (softmmu_access(va, &steps.value, 1, VM_WRITE) == MMU_OK) {
		steps.done++;
		return true;
	}
	steps.blocked = true;
	return false;
}

static void second_writer(void)
{
	steps.now++;
	if (steps.blocked || steps.done == 2)
		return;
	host_enter_cpu(1);
	if (steps.done == 0 && steps.now >= steps.at_a && !store_without_fault(steps.pair->a))
		return;
	if (steps.done == 1 && steps.now >= steps.at_b)
		store_without_fault(steps.pair->b);
}

/* One fork with the stores at their steps; false: fork had fewer steps. */
static bool fork_with_stores(const struct pair *p, uint64_t at_a, uint64_t at_b, uint8_t value)
{
	struct mm_context *child;
	int a, b;

	host_enter_cpu(1);
	env_load(ctx);
	mt_must(mt_store(ctx, p->a, value - 1) == 0 && mt_store(ctx, p->b, value - 1) == 0);
	host_enter_cpu(0);
	steps = (struct steps){.at_a = at_a, .at_b = at_b, .pair = p, .value = value};
	host_set_step(second_writer);
	child = mm_fork_context(ctx);
	host_set_step(NULL);
	mt_must(!IS_ERR(child));
	a = env_read_in(child, p->a);
	b = env_read_in(child, p->b);
	if (b == value)
		mt_must(a == value);
	/* What was stored is there, and what was not is not. */
	mt_must((a == value) == (steps.done >= 1) && (b == value) == (steps.done == 2));
	mm_put_context(child);
	return steps.now >= at_a;
}

static void try_all_steps(const struct pair *p)
{
	static const uint64_t later[] = {0, 1, 2, 3, 5, 8, 13, 30, 80, 200};
	uint8_t value = 2;

	for (unsigned i = 0; i < ARRAY_SIZE(later); i++) {
		uint64_t k = 1;

		while (fork_with_stores(p, k, k + later[i], value)) {
			value = value == 254 ? 2 : value + 2;
			k += 1 + k / 40;
		}
		mt_must(k > (HOST_CHECKS ? 30 : 10)); /* the checks of ranks are steps, too */
	}
	host_enter_cpu(1);
	env_load(NULL);
	host_enter_cpu(0);
}

static void the_child_never_has_the_second_store_alone(void **state)
{
	(void)state;
	make_pairs();
	for (unsigned i = 0; i < PAIRS; i++)
		try_all_steps(&pairs[i]);
}

static void the_same_with_a_pinned_page(void **state)
{
	struct page *pg;

	(void)state;
	make_pairs();
	for (unsigned i = 0; i < PAIRS; i += 2) {
		assert_int_equal(mm_pin_page(ctx, pairs[i].a, VM_WRITE, &pg), 0);
		try_all_steps(&pairs[i]);
		mm_unpin_page(ctx, pg);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		env_test(threads_store_in_order_beside_fork),
		env_test(forks_from_two_threads),
		env_test(parent_and_children_copy_the_same_nodes),
		env_test(the_child_never_has_the_second_store_alone),
		env_test(the_same_with_a_pinned_page),
	};

	return cmocka_run_group_tests(tests, env_machine, NULL);
}
