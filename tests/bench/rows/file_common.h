/* A file of FILE_PAGES pages, cached, each page marked with its number. */
#include "../bench.h"

#define FILE_PAGES 2048

static int file_fd;
static char *file_map;
static unsigned order[FILE_PAGES];

static inline void file_setup(void)
{
	static char page[PAGE];
	unsigned seed = 12345;

	file_fd = open("/tmp/bench.data", O_RDWR | O_CREAT | O_TRUNC, 0600);
	CHECK(file_fd >= 0);
	for (unsigned i = 0; i < FILE_PAGES; i++) {
		memset(page, (int)(i * 7 + 1), sizeof(page));
		CHECK(write(file_fd, page, PAGE) == (ssize_t)PAGE);
		order[i] = i;
	}
	for (unsigned i = FILE_PAGES - 1; i > 0; i--) {
		unsigned j, t;

		seed = seed * 1103515245u + 12345u;
		j = (seed >> 8) % (i + 1);
		t = order[i], order[i] = order[j], order[j] = t;
	}
}

static inline void file_open_map(int flags)
{
	file_map = mmap(NULL, FILE_PAGES * PAGE, PROT_READ | PROT_WRITE, flags, file_fd, 0);
	CHECK(file_map != MAP_FAILED);
	/* Both kernels may map neighbours of a page that is read; the row is about one fault a
	 * page. */
	madvise(file_map, FILE_PAGES * PAGE, MADV_RANDOM);
}

static inline void file_unmap(void)
{
	munmap(file_map, FILE_PAGES * PAGE);
}

static inline long file_read_pages(long n)
{
	for (long i = 0; i < n; i++) {
		unsigned char c =
			((volatile unsigned char *)file_map)[order[i % FILE_PAGES] * PAGE];

		CHECK(c == (unsigned char)(order[i % FILE_PAGES] * 7 + 1));
		bench_check += c;
	}
	return n;
}
