/* Memory that no allocator owns: the frame buffer /dev/fb0, and physical memory /dev/mem. */
#include "tap.h"
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#define RW (PROT_READ | PROT_WRITE)

/* linux/fb.h, as far as it is looked at here. */
#define FBIOGET_VSCREENINFO 0x4600
#define FBIOPUT_VSCREENINFO 0x4601
#define FBIOGET_FSCREENINFO 0x4602

struct var_info {
	uint32_t xres, yres, xres_virtual, yres_virtual, xoffset, yoffset, bits, rest[33];
};

struct fix_info {
	char id[16];
	uint64_t start;
	uint32_t len, kind[3];
	uint16_t steps[3];
	uint32_t line;
	uint64_t rest[3];
};
_Static_assert(sizeof(struct var_info) == 160 && sizeof(struct fix_info) == 80, "linux/fb.h");

static struct var_info var;
static struct fix_info fix;

static int fb_open(void)
{
	int fd = open("/dev/fb0", O_RDWR);

	if (fd < 0)
		tap_skip("no frame buffer");
	CHECK_EQ(ioctl(fd, FBIOGET_VSCREENINFO, &var), 0);
	CHECK_EQ(ioctl(fd, FBIOGET_FSCREENINFO, &fix), 0);
	return fd;
}

TEST(fb_tells_what_it_is)
{
	int fd = fb_open();

	CHECK(var.xres >= 640 && var.yres >= 480);
	CHECK_EQ(var.bits, 32);
	CHECK_EQ(fix.line, var.xres * 4);
	CHECK_EQ(fix.len, fix.line * var.yres);
	CHECK_EQ(fix.start % PAGE, 0);
	CHECK_EQ(ioctl(fd, FBIOPUT_VSCREENINFO, &var), 0);
	var.bits = 8;
	CHECK_ERR(ioctl(fd, FBIOPUT_VSCREENINFO, &var), EINVAL);
	CHECK_ERR(ioctl(fd, FBIOGET_VSCREENINFO, (void *)16), EFAULT);
	CHECK_ERR(ioctl(fd, 0x46ff, &var), ENOTTY);
}

TEST(fb_read_write_and_map_agree)
{
	uint32_t line[64], got[64];
	int fd = fb_open();
	uint32_t *m = mmap(NULL, fix.len, RW, MAP_SHARED, fd, 0);

	CHECK(m != MAP_FAILED);
	for (unsigned i = 0; i < 64; i++)
		line[i] = i * 0x010305;
	CHECK_EQ(pwrite(fd, line, sizeof(line), 5 * fix.line), sizeof(line));
	CHECK(!memcmp(m + 5 * fix.line / 4, line, sizeof(line)));
	m[7] = 0xabcdef;
	CHECK_EQ(pread(fd, got, 8, 24), 8);
	CHECK_EQ(got[1], 0xabcdef);
	/* The end. */
	CHECK_EQ(pread(fd, got, 256, fix.len - 8), 8);
	CHECK_EQ(pread(fd, got, 256, fix.len), 0);
	CHECK_EQ(pwrite(fd, got, 256, fix.len - 8), 8);
	CHECK_ERR(pwrite(fd, got, 256, fix.len), ENOSPC);
	CHECK_ERR(pwrite(fd, got, 256, fix.len + 1), EFBIG);
	CHECK_ERR(pread(fd, (void *)16, 256, 0), EFAULT);
}

TEST(fb_maps_are_limited)
{
	int fd = fb_open();
	char *p;

	CHECK_ERR((long)mmap(NULL, fix.len + PAGE, RW, MAP_SHARED, fd, 0), EINVAL);
	CHECK_ERR((long)mmap(NULL, PAGE, RW, MAP_SHARED, fd, (fix.len + PAGE) & -PAGE), EINVAL);
	CHECK_ERR((long)mmap(NULL, PAGE, RW, MAP_PRIVATE, fd, 0), EINVAL);
	CHECK_ERR((long)mmap(NULL, PAGE, RW | PROT_EXEC, MAP_SHARED, fd, 0), EACCES);
	p = mmap(NULL, 2 * PAGE, PROT_READ, MAP_SHARED, fd, 0);
	CHECK(p != MAP_FAILED);
	CHECK_EQ(mprotect(p, PAGE, RW), 0);
	CHECK_ERR(mprotect(p, PAGE, PROT_READ | PROT_EXEC), EACCES);
	CHECK_EQ(munmap(p, PAGE), 0);
	(void)*(volatile char *)(p + PAGE);
}

/* The mapping keeps the device open, a child shares it, and the pixels are where the BAR is. */
static int draw(void *arg)
{
	*(volatile uint32_t *)arg = 0x123456;
	return 0;
}

TEST(fb_is_the_physical_range)
{
	int fd = fb_open(), mem = open("/dev/mem", O_RDWR);
	uint32_t *m = mmap(NULL, fix.len, RW, MAP_SHARED, fd, 0), *phys, got;
	long rss_before, rss;

	CHECK(m != MAP_FAILED && mem >= 0);
	phys = mmap(NULL, 2 * PAGE, RW, MAP_SHARED, mem, (off_t)fix.start + 3 * PAGE);
	CHECK(phys != MAP_FAILED);
	close(fd);
	m[3 * PAGE / 4 + 9] = 0xfedcba;
	CHECK_EQ(phys[9], 0xfedcba);
	phys[10] = 0x55aa55;
	CHECK_EQ(m[3 * PAGE / 4 + 10], 0x55aa55);
	CHECK_EQ(tap_child(draw, &phys[11]), 0);
	CHECK_EQ(m[3 * PAGE / 4 + 11], 0x123456);
	CHECK_EQ(pread(mem, &got, 4, (off_t)fix.start + 3 * PAGE + 44), 4);
	CHECK_EQ(got, 0x123456);
	got = 0x999999;
	CHECK_EQ(pwrite(mem, &got, 4, (off_t)fix.start + 4), 4);
	CHECK_EQ(m[1], 0x999999);
	/* Nothing of it counts as this process's memory. */
	FILE *f = fopen("/proc/self/statm", "r");
	CHECK(f && fscanf(f, "%*d %ld", &rss_before) == 1);
	fclose(f);
	for (size_t i = 0; i < fix.len / PAGE; i++)
		m[i * PAGE / 4] = 1;
	f = fopen("/proc/self/statm", "r");
	CHECK(f && fscanf(f, "%*d %ld", &rss) == 1);
	fclose(f);
	CHECK(rss < rss_before + 16);
}

/* Physical memory. */

TEST(mem_refuses_ram)
{
	char buf[8];
	int fd = open("/dev/mem", O_RDWR);

	if (fd < 0 || access("/dev/fb0", F_OK))
		tap_skip("another kernel's rule");
	/* A PC has memory at 1 MiB (where this kernel is), 4 MiB and 16 MiB - 4 KiB. */
	for (unsigned i = 0; i < 3; i++) {
		static const off_t ram[] = {1 << 20, 4 << 20, (16 << 20) - 4096};

		CHECK_ERR(pread(fd, buf, 8, ram[i]), EPERM);
		CHECK_ERR(pwrite(fd, buf, 8, ram[i]), EPERM);
		CHECK_ERR((long)mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, ram[i]), EPERM);
	}
	CHECK_ERR((long)mmap(NULL, 256 * PAGE, PROT_READ, MAP_SHARED, fd, 0xf0000), EPERM);
	CHECK_ERR((long)mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, (off_t)1 << 52), EINVAL);
	CHECK_ERR((long)mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, fd, 0xf0000), EINVAL);
	CHECK_ERR(pread(fd, buf, 8, (off_t)1 << 52), EFAULT);
	CHECK_ERR(lseek(fd, 0, SEEK_END), EINVAL);
}

TEST(mem_shows_the_firmware)
{
	int fd = open("/dev/mem", O_RDONLY);
	unsigned char buf[16], *rom;

	if (fd < 0 || access("/dev/fb0", F_OK))
		tap_skip("another machine");
	/* The date of the BIOS, "MM/DD/YY", stands at its place since 1981. */
	CHECK_EQ(pread(fd, buf, 16, 0xffff0), 16);
	CHECK(buf[7] == '/' && buf[10] == '/');
	rom = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0xff000);
	CHECK(rom != MAP_FAILED);
	CHECK(!memcmp(rom + 0xff0, buf, 16));
	CHECK_ERR(mprotect(rom, PAGE, RW), EACCES);
	CHECK_ERR((long)mmap(NULL, PAGE, RW, MAP_SHARED, fd, 0xff000), EACCES);
}

/* The last one: what a person (or tests/boot) sees while somebody keeps the device open. */
TEST(fb_shows_a_picture)
{
	int fd = fb_open();
	uint32_t *m = mmap(NULL, fix.len, RW, MAP_SHARED, fd, 0);

	CHECK(m != MAP_FAILED);
	for (uint32_t y = 0; y < var.yres; y++)
		for (uint32_t x = 0; x < var.xres; x++)
			m[y * var.xres + x] =
				(x & 0xff) << 16 | (y & 0xff) << 8 | ((x >> 8) * 16 + (y >> 8));
}
