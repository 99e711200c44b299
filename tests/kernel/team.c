/* Teams of kernel threads: see team.h. */
#include "team.h"
#include "mm/buddy.h"
#include "mm/kva.h"
#include "mm/slab.h"

struct member {
	struct team *team;
	unsigned index;
};

static void member_main(void *arg)
{
	struct member m = *(struct member *)arg;
	struct team *team = m.team;
	irqflags_t flags;

	kfree(arg);
	team->fn(team, m.index);
	thread_begin_end();
	/* The team is on the starter's stack: he waits until the last one has left this lock. */
	flags = spin_lock_irqsave(&team->done.lock);
	if (--team->left == 0 && team->done.nwaiters)
		sched_wake(list_first_entry(&team->done.waiters, struct wait_entry, link)->thread);
	spin_unlock_irqrestore(&team->done.lock, flags);
}

static bool member_start(struct team *team, unsigned index)
{
	struct member *m = kmalloc(sizeof(*m), 0);
	struct thread *t;

	if (!m)
		return false;
	*m = (struct member){team, index};
	t = thread_alloc_kernel("team", member_main, m);
	if (IS_ERR(t)) {
		kfree(m);
		return false;
	}
	if (team->pin)
		t->affinity = (cpuset_t)1 << index % cpu_count();
	else if (team->affinity)
		t->affinity = team->affinity;
	thread_start(t);
	return true;
}

bool team_start(struct team *team)
{
	waitqueue_init(&team->done);
	team->left = team->size;
	team->failures = 0;
	for (unsigned i = 0; i < team->size; i++)
		if (!member_start(team, i))
			return false;
	return true;
}

void team_wait(struct team *team)
{
	irqflags_t flags;

	wait_event(&team->done, !READ_ONCE(team->left));
	flags = spin_lock_irqsave(&team->done.lock); /* the last one may still be in it */
	spin_unlock_irqrestore(&team->done.lock, flags);
}

bool team_run(struct team *team)
{
	if (!team_start(team))
		return false;
	team_wait(team);
	return team->failures == 0;
}

void team_drain(void)
{
	while (thread_wait_ended())
		;
	kva_drain();
	slab_reap();
	buddy_drain();
}

uint64_t team_settled_frames(void)
{
	struct slab_stat st;
	uint64_t frames;

	team_drain();
	frames = buddy_free_frames();
	for (unsigned i = 0; slab_stat_nth(i, &st); i++)
		frames += st.pages;
	return frames;
}
