/*
 * Users and groups from /etc/passwd and /etc/group. A line is split in place at its colons; the
 * structs point into a static buffer, as POSIX allows, or into the caller's for the _r functions.
 */
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LINE_SIZE   1024
#define MEMBERS_MAX 32

static FILE *passwd_file, *group_file;

/*
 * Splits the line at colons. => the number of fields; those that are missing are the empty string.
 */
static int split(char *line, char **fields, int max)
{
	int n = 0;

	line[strcspn(line, "\n")] = 0;
	for (int i = 0; i < max; i++)
		fields[i] = line + strlen(line);
	while (n < max) {
		fields[n++] = line;
		line = strchr(line, ':');
		if (!line)
			break;
		*line++ = 0;
	}
	return n;
}

static int parse_passwd(char *line, struct passwd *pw)
{
	char *f[7];

	if (split(line, f, 7) < 7)
		return -1;
	*pw = (struct passwd){.pw_name = f[0],
		.pw_passwd = f[1],
		.pw_uid = (uid_t)atoi(f[2]),
		.pw_gid = (gid_t)atoi(f[3]),
		.pw_comment = f[4],
		.pw_gecos = f[4],
		.pw_dir = f[5],
		.pw_shell = f[6]};
	return 0;
}

static int parse_group(char *line, struct group *gr, char **members)
{
	char *f[4], *rest;
	int n = 0;

	if (split(line, f, 4) < 3)
		return -1;
	for (char *m = strtok_r(f[3], ",", &rest); m && n < MEMBERS_MAX;
		m = strtok_r(NULL, ",", &rest))
		members[n++] = m;
	members[n] = NULL;
	*gr = (struct group){f[0], f[1], (gid_t)atoi(f[2]), members};
	return 0;
}

/* => 0 with the entry that has the name, or the id when name is NULL; -1 when there is none. */
static int find_passwd(const char *name, uid_t uid, struct passwd *pw, char *buf, size_t len)
{
	FILE *f = fopen("/etc/passwd", "re");
	int found = -1;

	if (!f)
		return -1;
	while (found < 0 && fgets(buf, (int)len, f))
		if (parse_passwd(buf, pw) == 0 &&
			(name ? !strcmp(pw->pw_name, name) : pw->pw_uid == uid))
			found = 0;
	fclose(f);
	return found;
}

static struct group *find_group(const char *name, gid_t gid)
{
	static char line[LINE_SIZE], *members[MEMBERS_MAX + 1];
	static struct group gr;
	struct group *found = NULL;
	FILE *f = fopen("/etc/group", "re");

	if (!f)
		return NULL;
	while (!found && fgets(line, sizeof(line), f))
		if (parse_group(line, &gr, members) == 0 &&
			(name ? !strcmp(gr.gr_name, name) : gr.gr_gid == gid))
			found = &gr;
	fclose(f);
	return found;
}

static struct passwd own_passwd;
static char own_line[LINE_SIZE];

struct passwd *getpwnam(const char *name)
{
	return find_passwd(name, 0, &own_passwd, own_line, sizeof(own_line)) < 0 ? NULL
										 : &own_passwd;
}

struct passwd *getpwuid(uid_t uid)
{
	return find_passwd(NULL, uid, &own_passwd, own_line, sizeof(own_line)) < 0 ? NULL
										   : &own_passwd;
}

int getpwnam_r(const char *name, struct passwd *pw, char *buf, size_t len, struct passwd **result)
{
	*result = find_passwd(name, 0, pw, buf, len) < 0 ? NULL : pw;
	return 0;
}

int getpwuid_r(uid_t uid, struct passwd *pw, char *buf, size_t len, struct passwd **result)
{
	*result = find_passwd(NULL, uid, pw, buf, len) < 0 ? NULL : pw;
	return 0;
}

struct group *getgrnam(const char *name)
{
	return find_group(name, 0);
}

struct group *getgrgid(gid_t gid)
{
	return find_group(NULL, gid);
}

void setpwent(void)
{
	if (passwd_file)
		rewind(passwd_file);
}

void endpwent(void)
{
	if (passwd_file)
		fclose(passwd_file);
	passwd_file = NULL;
}

struct passwd *getpwent(void)
{
	if (!passwd_file)
		passwd_file = fopen("/etc/passwd", "re");
	while (passwd_file && fgets(own_line, sizeof(own_line), passwd_file))
		if (parse_passwd(own_line, &own_passwd) == 0)
			return &own_passwd;
	return NULL;
}

void setgrent(void)
{
	if (group_file)
		rewind(group_file);
}

void endgrent(void)
{
	if (group_file)
		fclose(group_file);
	group_file = NULL;
}

struct group *getgrent(void)
{
	static char line[LINE_SIZE], *members[MEMBERS_MAX + 1];
	static struct group gr;

	if (!group_file)
		group_file = fopen("/etc/group", "re");
	while (group_file && fgets(line, sizeof(line), group_file))
		if (parse_group(line, &gr, members) == 0)
			return &gr;
	return NULL;
}

char *getlogin(void)
{
	struct passwd *pw = getpwuid(getuid());

	return pw ? pw->pw_name : NULL;
}
