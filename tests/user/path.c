/* Names: directories, links, rename, attributes. */
#include "tap.h"
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/time.h>

static int exists(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0;
}

TEST(mkdir_and_rmdir)
{
	struct stat st;

	CHECK_EQ(mkdir("d", 0755), 0);
	CHECK(stat("d", &st) == 0 && S_ISDIR(st.st_mode) && (st.st_mode & 0777) == 0755);
	CHECK_ERR(mkdir("d", 0755), EEXIST);
	CHECK_ERR(mkdir("nosuch/d", 0755), ENOENT);
	close(tap_file("file", 1));
	CHECK_ERR(mkdir("file/d", 0755), ENOTDIR);
	CHECK_EQ(mkdir("d/e/", 0755), 0);
	CHECK_ERR(rmdir("d"), ENOTEMPTY);
	CHECK_ERR(rmdir("file"), ENOTDIR);
	CHECK_ERR(rmdir("d/."), EINVAL);
	CHECK_EQ(rmdir("d/e"), 0);
	CHECK_EQ(rmdir("d"), 0);
	CHECK_ERR(rmdir("d"), ENOENT);
}

TEST(a_directory_counts_its_subdirectories_as_links)
{
	struct stat st;

	if (stat(".", &st) < 0 || st.st_nlink < 2)
		tap_skip("this file system does not count them");
	CHECK(mkdir("d", 0755) == 0 && mkdir("d/a", 0755) == 0 && mkdir("d/b", 0755) == 0);
	CHECK(stat("d", &st) == 0);
	CHECK_EQ(st.st_nlink, 4);
	CHECK(rmdir("d/a") == 0 && stat("d", &st) == 0);
	CHECK_EQ(st.st_nlink, 3);
}

TEST(readdir_gives_every_entry_once)
{
	char name[32], seen[200] = "";
	struct dirent *entry;
	int dots = 0;
	DIR *dir;

	for (int i = 0; i < 200; i++) {
		snprintf(name, sizeof(name), "file-with-a-long-name-%d", i);
		close(tap_file(name, 0));
	}
	dir = opendir(".");
	CHECK(dir);
	while ((entry = readdir(dir))) {
		int i = -1;

		if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
			dots++;
		else
			CHECK(sscanf(entry->d_name, "file-with-a-long-name-%d", &i) == 1 &&
				i >= 0 && i < 200 && !seen[i]++);
	}
	CHECK_EQ(dots, 2);
	for (int i = 0; i < 200; i++)
		CHECK(seen[i]);
	rewinddir(dir);
	CHECK(readdir(dir));
	closedir(dir);
}

TEST(getdents_checks_its_arguments)
{
	char buf[256];
	int fd = open(".", O_RDONLY), file = tap_file("file", 1);

	CHECK(getdents64(fd, buf, sizeof(buf)) > 0);
	CHECK_ERR(getdents64(file, buf, sizeof(buf)), ENOTDIR);
	CHECK_ERR(getdents64(-1, buf, sizeof(buf)), EBADF);
	CHECK(lseek(fd, 0, SEEK_SET) == 0);
	CHECK_ERR(getdents64(fd, buf, 1), EINVAL);
}

TEST(link_makes_a_second_name)
{
	close(tap_file("a", 5));
	CHECK_EQ(link("a", "b"), 0);
	CHECK_EQ(unlink("a"), 0);
	CHECK(exists("b"));
	CHECK_ERR(link("nosuch", "c"), ENOENT);
	CHECK_ERR(link("b", "b"), EEXIST);
	CHECK_ERR(link(".", "dir"), EPERM);
}

TEST(unlink_errors)
{
	CHECK_ERR(unlink("nosuch"), ENOENT);
	CHECK(mkdir("d", 0755) == 0);
	CHECK_ERR(unlink("d"), EISDIR);
	CHECK_EQ(unlinkat(AT_FDCWD, "d", AT_REMOVEDIR), 0);
}

TEST(symlinks_are_followed)
{
	char text[64];
	struct stat st;

	close(tap_file("file", 42));
	CHECK_EQ(symlink("file", "link"), 0);
	CHECK(stat("link", &st) == 0 && S_ISREG(st.st_mode) && st.st_size == 42);
	CHECK(lstat("link", &st) == 0 && S_ISLNK(st.st_mode) && st.st_size == 4);
	CHECK_EQ(readlink("link", text, sizeof(text)), 4);
	CHECK(!memcmp(text, "file", 4));
	CHECK_EQ(readlink("link", text, 2), 2);
	CHECK_ERR(readlink("file", text, sizeof(text)), EINVAL);
	CHECK_ERR(readlink("link", text, 0), EINVAL);
	CHECK_ERR(symlink("x", "link"), EEXIST);
	CHECK_ERR(open("link", O_RDONLY | O_NOFOLLOW), ELOOP);
	CHECK_EQ(unlink("link"), 0);
	CHECK(exists("file"));
}

TEST(symlink_loops_and_dangling_ones)
{
	CHECK(symlink("b", "a") == 0 && symlink("a", "b") == 0);
	CHECK_ERR(open("a", O_RDONLY), ELOOP);
	CHECK(symlink("nosuch", "dangling") == 0);
	CHECK_ERR(open("dangling", O_RDONLY), ENOENT);
	CHECK(open("dangling", O_CREAT | O_WRONLY, 0644) >= 0);
	CHECK(exists("nosuch"));
}

TEST(symlinks_to_directories_inside_a_path)
{
	CHECK(mkdir("d", 0755) == 0 && symlink("d", "l") == 0);
	close(tap_file("l/file", 1));
	CHECK(exists("d/file"));
	CHECK(exists("l/../d/./file"));
	/* A long text does not fit into the inode. */
	char text[200];

	memset(text, '/', sizeof(text));
	memcpy(text, "./d", 3);
	text[199] = 0;
	memcpy(text + 195, "file", 4);
	CHECK(symlink(text, "far") == 0);
	CHECK(open("far", O_RDONLY) >= 0);
}

TEST(rename_replaces_the_target)
{
	struct stat st;

	close(tap_file("a", 1));
	close(tap_file("b", 2));
	CHECK_EQ(rename("a", "b"), 0);
	CHECK(!exists("a"));
	CHECK(stat("b", &st) == 0 && st.st_size == 1);
	CHECK_ERR(rename("a", "c"), ENOENT);
	CHECK_EQ(rename("b", "b"), 0);
}

TEST(rename_of_directories)
{
	CHECK(mkdir("d", 0755) == 0 && mkdir("d/e", 0755) == 0 && mkdir("f", 0755) == 0);
	close(tap_file("d/e/file", 1));
	CHECK_ERR(rename("d", "d/e/x"), EINVAL);
	CHECK_EQ(rename("d/e", "f"), 0);
	CHECK(exists("f/file") && !exists("d/e"));
	CHECK_ERR(rename("d", "f"), ENOTEMPTY);
	close(tap_file("file", 1));
	CHECK_ERR(rename("file", "f"), EISDIR);
	CHECK_ERR(rename("f", "file"), ENOTDIR);
	CHECK_EQ(rename("f", "d/f"), 0);
	/* ".." of the moved one is its new parent. */
	CHECK(exists("d/f/../f/file"));
}

TEST(chdir_and_getcwd)
{
	char before[PATH_MAX], after[PATH_MAX], want[PATH_MAX];
	int fd;

	CHECK(mkdir("d", 0755) == 0);
	CHECK(getcwd(before, sizeof(before)));
	CHECK_EQ(chdir("d"), 0);
	CHECK(getcwd(after, sizeof(after)));
	snprintf(want, sizeof(want), "%s/d", before);
	CHECK(!strcmp(after, want));
	fd = open("..", O_RDONLY);
	CHECK_EQ(fchdir(fd), 0);
	CHECK(getcwd(after, sizeof(after)) && !strcmp(after, before));
	CHECK(!getcwd(after, 2) && errno == ERANGE);
	CHECK_ERR(chdir("nosuch"), ENOENT);
	close(tap_file("file", 1));
	CHECK_ERR(chdir("file"), ENOTDIR);
}

TEST(access_looks_for_the_file)
{
	close(tap_file("file", 1));
	CHECK_EQ(access("file", F_OK), 0);
	CHECK_EQ(access("file", R_OK | W_OK), 0);
	CHECK_ERR(access("file", X_OK), EACCES);
	CHECK_ERR(access("nosuch", F_OK), ENOENT);
	CHECK_ERR(access("file", 64), EINVAL);
}

TEST(chmod_and_chown)
{
	struct stat st;
	int fd = tap_file("file", 1);

	CHECK_EQ(chmod("file", 04711), 0);
	CHECK(stat("file", &st) == 0);
	CHECK_EQ(st.st_mode & 07777, 04711);
	CHECK_EQ(fchmod(fd, 0600), 0);
	CHECK_EQ(chown("file", 12, 34), 0);
	CHECK(fstat(fd, &st) == 0 && st.st_uid == 12 && st.st_gid == 34 &&
		(st.st_mode & 07777) == 0600);
	CHECK_EQ(chown("file", (uid_t)-1, 35), 0);
	CHECK(fstat(fd, &st) == 0 && st.st_uid == 12 && st.st_gid == 35);
	CHECK_ERR(chmod("nosuch", 0), ENOENT);
}

TEST(utimensat_sets_the_times)
{
	const struct timespec times[2] = {{1000, 0}, {2000, 0}};
	const struct timespec omit[2] = {{0, UTIME_OMIT}, {3000, 0}};
	struct stat st;

	close(tap_file("file", 1));
	CHECK_EQ(utimensat(AT_FDCWD, "file", times, 0), 0);
	CHECK(stat("file", &st) == 0 && st.st_atime == 1000 && st.st_mtime == 2000);
	CHECK_EQ(utimensat(AT_FDCWD, "file", omit, 0), 0);
	CHECK(stat("file", &st) == 0 && st.st_atime == 1000 && st.st_mtime == 3000);
	CHECK_ERR(utimensat(AT_FDCWD, "nosuch", times, 0), ENOENT);
}

TEST(writing_moves_the_modification_time)
{
	const struct timespec old[2] = {{1000, 0}, {1000, 0}};
	int fd = tap_file("file", 1);
	struct stat st;

	CHECK(futimens(fd, old) == 0);
	CHECK_EQ(write(fd, "x", 1), 1);
	CHECK(fstat(fd, &st) == 0);
	CHECK(st.st_mtime > 1000000);
}

TEST(statfs_knows_the_block_size)
{
	struct statfs st;

	CHECK_EQ(statfs(".", &st), 0);
	CHECK(st.f_bsize >= 512 && st.f_namelen >= 255);
	CHECK_ERR(statfs("nosuch", &st), ENOENT);
}

TEST(many_files_in_a_directory)
{
	char name[32];

	CHECK(mkdir("d", 0755) == 0);
	for (int i = 0; i < 300; i++) {
		snprintf(name, sizeof(name), "d/%d", i);
		close(tap_file(name, 0));
	}
	for (int i = 0; i < 300; i += 2) {
		snprintf(name, sizeof(name), "d/%d", i);
		CHECK_EQ(unlink(name), 0);
	}
	for (int i = 0; i < 300; i++) {
		snprintf(name, sizeof(name), "d/%d", i);
		CHECK_EQ(exists(name), i % 2);
	}
}

/* What was looked for or removed in a directory does not keep it once it is gone. */
TEST(removed_trees_give_their_inodes_back)
{
	static const char folder[] = "/removed-trees";
	char name[32];
	struct statfs before, after;

	/* On the root file system if that may be: memory file systems do not count inodes. */
	if (mkdir(folder, 0755) == 0)
		CHECK_EQ(chdir(folder), 0);
	CHECK_EQ(statfs(".", &before), 0);
	for (int i = 0; i < 64; i++) {
		CHECK_EQ(mkdir("d", 0755), 0);
		snprintf(name, sizeof(name), "d/f%d", i);
		close(open(name, O_CREAT | O_WRONLY, 0644));
		CHECK_EQ(unlink(name), 0);
		CHECK_ERR(access("d/never", F_OK), ENOENT);
		if (i % 2) {
			CHECK_EQ(rmdir("d"), 0);
		} else {
			CHECK_EQ(mkdir("e", 0755), 0);
			CHECK_EQ(rename("e", "d"), 0);
			CHECK_EQ(rmdir("d"), 0);
		}
	}
	CHECK_EQ(statfs(".", &after), 0);
	rmdir(folder);
	CHECK(after.f_ffree + 32 > before.f_ffree);
}
