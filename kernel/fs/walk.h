/* A path walk in progress. Inside fs: path_lookup and the operations on names are made of it. */
#ifndef FS_WALK_H
#define FS_WALK_H

#include "fs/dcache.h"
#include "fs/mount.h"
#include "fs/path.h"

enum walk_last { WALK_NAME, WALK_DOT, WALK_DOTDOT, WALK_ROOT };

struct walk {
	struct fs_state *fs;
	struct path cur;  /* in a read section: where the walk is; else equal to pin */
	struct path pin;  /* references held; NULL members: none */
	const char *rest; /* what is left of the name */
	char *buf;	  /* of PATH_BUF bytes once a link was met: rest lies in it */
	unsigned flags;	  /* LOOKUP_* */
	unsigned nlinks;
	bool parent; /* stop in front of the last component */
	/* The last component (parent walks). */
	enum walk_last last_type;
	const char *last;
	size_t last_len;
	uint32_t last_hash;
	bool trailing; /* slashes after it */
};

/*
 * Walk to the directory that holds the last component: w->pin is that directory, with references;
 * w->last names the component. On success the caller ends with walk_end.
 */
int __must_check walk_parent(
	struct walk *w, struct fs_state *fs, const struct path *at, const char *name);
/* The last component turned out to be a symbolic link: walk on to where it leads, again up to the
 * last component. link: a reference, consumed. On an error the walk has ended. */
int __must_check walk_follow_last(struct walk *w, struct dentry *link);
void walk_end(struct walk *w);

#endif
