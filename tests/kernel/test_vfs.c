/* Files, names and pipes in the running kernel: threads on all CPUs over one tmpfs. */
#include "team.h"
#include "abi/fcntl.h"
#include "fs/file.h"
#include "fs/mount.h"
#include "fs/namespace.h"
#include "fs/pipe.h"
#include "ktest.h"
#include "lib/fmt.h"
#include "lib/string.h"
#include "mm/buddy.h"
#include "mm/kva.h"
#include "mm/slab.h"

#define ROUNDS 400

/* Names relative to a tmpfs that is in no tree: the root of this fs_state. */
static struct fs_state *fs;

static bool make_fs(void)
{
	struct mount *m = mount_kernel("tmpfs", NULL);

	if (IS_ERR(m))
		return false;
	fs = kzalloc(sizeof(*fs), 0);
	if (!fs) {
		mount_put(m);
		return false;
	}
	fs->refs = 1;
	spin_init(&fs->lock, RANK_FILES, "fs_state");
	fs->root = fs->cwd = (struct path){.mnt = m, .dentry = m->root};
	path_get(&fs->root);
	path_get(&fs->cwd);
	mount_put(m);
	return true;
}

static uint64_t settle(void)
{
	dcache_shrink();
	return team_settled_frames();
}

/* Twice, so that the caches that stay have been made. INT64_MIN: something was wrong; else how many
 * more frames are free than before: 0. */
static int64_t with_fs(bool (*fn)(void))
{
	int64_t before = 0, after = 0;

	for (unsigned round = 0; round < 2; round++) {
		before = (int64_t)settle();
		if (!make_fs() || !fn())
			return INT64_MIN;
		fs_state_put(fs);
		after = (int64_t)settle();
	}
	return after - before;
}

static bool file_round_trip(void)
{
	struct file *f = path_open(fs, NULL, "/f", O_CREAT | O_RDWR, 0644);
	static char buf[3 * PAGE_SIZE], back[3 * PAGE_SIZE];
	bool ok;

	if (IS_ERR(f))
		return false;
	for (unsigned i = 0; i < sizeof(buf); i++)
		buf[i] = (char)(i * 31 + (i >> 8));
	ok = file_write_kernel(f, buf, sizeof(buf), 100) == (ssize_t)sizeof(buf) &&
	     file_read_kernel(f, back, sizeof(back), 100) == (ssize_t)sizeof(back) &&
	     !memcmp(buf, back, sizeof(buf)) && file_read_kernel(f, back, 100, 0) == 100 &&
	     back[0] == 0 && back[99] == 0 && !path_truncate(&f->path, 5000) &&
	     file_read_kernel(f, back, sizeof(back), 4096) == 904;
	file_put(f);
	return ok;
}

KTEST(tmpfs_file_keeps_what_is_written)
{
	int64_t gained = with_fs(file_round_trip);

	KTEST_ASSERT(gained != INT64_MIN);
	KTEST_ASSERT(gained == 0);
}

static void name_hammer(struct team *team, unsigned me)
{
	char a[32], b[32];

	fmt_snprintf(a, sizeof(a), "/d/own%u", me);
	for (unsigned i = 0; i < ROUNDS; i++) {
		struct file *f = path_open(fs, NULL, a, O_CREAT | O_EXCL | O_RDWR, 0600);
		struct path p;
		int err;

		TEAM_CHECK(team, !IS_ERR(f));
		if (IS_ERR(f))
			return;
		file_put(f);
		/* Names that all fight for: any outcome that the rules allow. */
		fmt_snprintf(b, sizeof(b), "/d/shared%u", i % 3);
		err = path_rename(fs, NULL, a, NULL, b, 0);
		TEAM_CHECK(team, err == 0);
		err = path_lookup(fs, NULL, b, LOOKUP_FOLLOW, &p);
		TEAM_CHECK(team, err == 0 || err == -ENOENT);
		if (!err)
			path_put(&p);
		err = path_unlink(fs, NULL, b);
		TEAM_CHECK(team, err == 0 || err == -ENOENT);
		err = path_mkdir(fs, NULL, "/d/dir", 0700);
		TEAM_CHECK(team, err == 0 || err == -EEXIST);
		err = path_rmdir(fs, NULL, "/d/dir");
		TEAM_CHECK(team, err == 0 || err == -ENOENT);
		if (i % 64 == me)
			dcache_shrink();
		cond_resched();
	}
}

static bool hammer_names(void)
{
	struct team team = {.fn = name_hammer, .size = 4};

	return !path_mkdir(fs, NULL, "/d", 0755) && team_run(&team);
}

KTEST(names_are_made_moved_and_removed_by_four_threads)
{
	int64_t gained = with_fs(hammer_names);

	KTEST_ASSERT(gained != INT64_MIN);
	KTEST_ASSERT(gained == 0);
}

static void append_hammer(struct team *team, unsigned me)
{
	struct file *f = path_open(fs, NULL, "/log", O_CREAT | O_WRONLY | O_APPEND, 0644);
	char line[64];

	TEAM_CHECK(team, !IS_ERR(f));
	if (IS_ERR(f))
		return;
	memset(line, 'a' + (int)me, sizeof(line));
	for (unsigned i = 0; i < ROUNDS; i++)
		TEAM_CHECK(team, file_write_kernel(f, line, sizeof(line), 0) == sizeof(line));
	file_put(f);
}

static bool append_lines(void)
{
	struct team team = {.fn = append_hammer, .size = 4};
	struct file *f;
	char line[64];
	bool ok;

	if (!team_run(&team))
		return false;
	f = path_open(fs, NULL, "/log", O_RDONLY, 0);
	if (IS_ERR(f))
		return false;
	ok = inode_size(f->inode) == 4 * ROUNDS * sizeof(line);
	for (unsigned i = 0; i < 4 * ROUNDS && ok; i++) {
		ok = file_read_kernel(f, line, sizeof(line), i * sizeof(line)) == sizeof(line);
		for (unsigned k = 1; k < sizeof(line); k++)
			ok &= line[k] == line[0];
	}
	file_put(f);
	return ok;
}

KTEST(appended_lines_stay_whole)
{
	int64_t gained = with_fs(append_lines);

	KTEST_ASSERT(gained != INT64_MIN);
	KTEST_ASSERT(gained == 0);
}

static struct file *ends[2];

/* Member 0 reads all, the others write numbered words. */
static void pipe_hammer(struct team *team, unsigned me)
{
	uint64_t word[8], last[4] = {0}, count = 0;
	struct uio u;

	if (me == 0) {
		ssize_t n;

		do {
			uio_init_kernel(&u, word, sizeof(word));
			n = file_read(ends[0], &u, NULL);
			TEAM_CHECK(team, n == 0 || n == sizeof(word));
			for (unsigned i = 1; n > 0 && i < 8; i++)
				TEAM_CHECK(team, word[i] == word[0]);
			if (n > 0) {
				unsigned from = word[0] >> 32 & 3;

				TEAM_CHECK(team, (word[0] & UINT32_MAX) == last[from]++);
				count++;
			}
		} while (n > 0 && count < 3 * 4 * ROUNDS);
		return;
	}
	for (uint64_t i = 0; i < 4 * ROUNDS; i++) {
		for (unsigned k = 0; k < 8; k++)
			word[k] = (uint64_t)me << 32 | i;
		uio_init_kernel(&u, word, sizeof(word));
		TEAM_CHECK(team, file_write(ends[1], &u, NULL) == sizeof(word));
	}
}

KTEST(pipe_carries_whole_words_of_three_writers)
{
	struct team team = {.fn = pipe_hammer, .size = 4};
	uint64_t before = team_settled_frames();

	for (unsigned round = 0; round < 2; round++) {
		before = team_settled_frames();
		KTEST_ASSERT(!pipe_create(0, &ends[0], &ends[1]));
		KTEST_ASSERT(team_run(&team));
		file_put(ends[0]);
		file_put(ends[1]);
	}
	KTEST_ASSERT(team_settled_frames() == before);
}
