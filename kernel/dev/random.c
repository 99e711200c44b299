/*
 * Random numbers. A ChaCha20 key stream with fast key erasure: each refill makes a buffer of key
 * stream, the first 32 bytes of which are the next key; what is given out is erased from the
 * buffer. So nothing that was given out can be computed from what is in memory.
 *
 * Seeds: the processor's generator where there is one, the time-stamp counter, the time of day, and
 * what drivers mix in. The generator is reseeded now and then from the processor. One spinlock
 * (91, interrupts off) guards everything; a refill serves some thirty execs.
 *
 * Source: RFC 8439 for ChaCha20; D. J. Bernstein, "Fast-key-erasure random-number generators".
 */
#include "dev/random.h"

#include "cpu.h"
#include "fs/devfs/devfs.h"
#include "fs/file.h"
#include "fs/inode.h"
#include "klog.h"
#include "lib/assert.h"
#include "lib/string.h"
#include "sched/clock.h"
#include "sched/sched.h"
#include "sync/spinlock.h"

#define KEY_WORDS     8
#define BLOCK_BYTES   64
#define BUFFER_BLOCKS 8
#define RESEED_EVERY  64 /* refills */

#define MEM_MAJOR     1
#define RANDOM_MINOR  8
#define URANDOM_MINOR 9

static struct spinlock lock = SPINLOCK_INIT(RANK_DEVICE, "random");
static uint32_t key[KEY_WORDS];
static uint8_t buffer[BLOCK_BYTES * BUFFER_BLOCKS];
static unsigned left; /* bytes at the end of the buffer that were not given out */
static unsigned refills;

static uint32_t rotl(uint32_t v, unsigned n)
{
	return v << n | v >> (32 - n);
}

static void quarter_round(uint32_t *s, unsigned a, unsigned b, unsigned c, unsigned d)
{
	s[a] += s[b];
	s[d] = rotl(s[d] ^ s[a], 16);
	s[c] += s[d];
	s[b] = rotl(s[b] ^ s[c], 12);
	s[a] += s[b];
	s[d] = rotl(s[d] ^ s[a], 8);
	s[c] += s[d];
	s[b] = rotl(s[b] ^ s[c], 7);
}

void chacha20_block(const uint32_t k[8], uint32_t counter, const uint32_t nonce[3], uint8_t out[64])
{
	uint32_t in[16] = {0x61707865, 0x3320646e, 0x79622d32, 0x6b206574, k[0], k[1], k[2], k[3],
		k[4], k[5], k[6], k[7], counter, nonce[0], nonce[1], nonce[2]};
	uint32_t s[16];

	memcpy(s, in, sizeof(s));
	for (unsigned i = 0; i < 10; i++) {
		quarter_round(s, 0, 4, 8, 12);
		quarter_round(s, 1, 5, 9, 13);
		quarter_round(s, 2, 6, 10, 14);
		quarter_round(s, 3, 7, 11, 15);
		quarter_round(s, 0, 5, 10, 15);
		quarter_round(s, 1, 6, 11, 12);
		quarter_round(s, 2, 7, 8, 13);
		quarter_round(s, 3, 4, 9, 14);
	}
	for (unsigned i = 0; i < 16; i++) {
		s[i] += in[i];
		memcpy(out + i * 4, &s[i], 4);
	}
}

/* New buffer and new key. => lock held */
static void refill(void)
{
	static const uint32_t nonce[3];

	for (unsigned i = 0; i < BUFFER_BLOCKS; i++)
		chacha20_block(key, i, nonce, buffer + i * BLOCK_BYTES);
	memcpy(key, buffer, sizeof(key));
	memset(buffer, 0, sizeof(key));
	left = sizeof(buffer) - sizeof(key);
}

/* XOR bytes into the key, 32 at a time, and make a new key from that. => lock held */
static void mix_locked(const void *data, size_t n)
{
	const uint8_t *p = data;

	while (n) {
		uint8_t *k = (uint8_t *)key;
		size_t now = MIN(n, sizeof(key));

		for (size_t i = 0; i < now; i++)
			k[i] ^= p[i];
		refill();
		p += now;
		n -= now;
	}
}

static void reseed_locked(void)
{
	uint64_t seed[4] = {0};

	for (unsigned i = 0; i < 2; i++)
		if (!cpu_random(&seed[i]))
			seed[i] = 0;
	seed[2] = arch_clock_ns();
	seed[3] = (uintptr_t)this_cpu() ^ refills;
	mix_locked(seed, sizeof(seed));
}

void random_mix(const void *buf, size_t n)
{
	irqflags_t flags = spin_lock_irqsave(&lock);

	mix_locked(buf, n);
	spin_unlock_irqrestore(&lock, flags);
}

void random_get(void *buf, size_t n)
{
	uint8_t *out = buf;

	while (n) {
		irqflags_t flags = spin_lock_irqsave(&lock);
		size_t now;

		if (!left) {
			if (++refills % RESEED_EVERY == 0)
				reseed_locked();
			else
				refill();
		}
		now = MIN(n, (size_t)left);
		memcpy(out, buffer + sizeof(buffer) - left, now);
		memset(buffer + sizeof(buffer) - left, 0, now);
		left -= (unsigned)now;
		spin_unlock_irqrestore(&lock, flags);
		out += now;
		n -= now;
	}
}

uint64_t random_u64(void)
{
	uint64_t v;

	random_get(&v, sizeof(v));
	return v;
}

void random_init(void)
{
	irqflags_t flags = spin_lock_irqsave(&lock);
	uint64_t word = clock_realtime_ns();
	bool strong = cpu_random(&word);

	mix_locked(&word, sizeof(word));
	for (unsigned i = 0; i < 4; i++)
		reseed_locked();
	spin_unlock_irqrestore(&lock, flags);
	if (!strong)
		klog_info("random: the processor has no generator, seeded from timing");
}

static ssize_t random_file_read(struct file *f, struct uio *u, uint64_t *pos)
{
	uint8_t chunk[256];
	ssize_t moved = 0;

	(void)f;
	(void)pos;
	while (u->left) {
		size_t n = MIN((size_t)u->left, sizeof(chunk)), missed;

		random_get(chunk, n);
		missed = uio_copy_to(u, chunk, n);
		moved += (ssize_t)(n - missed);
		if (missed) {
			moved = moved ? moved : -EFAULT;
			break;
		}
		cond_resched();
	}
	memset(chunk, 0, sizeof(chunk));
	return moved;
}

static ssize_t random_file_write(struct file *f, struct uio *u, uint64_t *pos)
{
	uint8_t chunk[256];
	ssize_t moved = 0;

	(void)f;
	(void)pos;
	while (u->left) {
		size_t n = MIN((size_t)u->left, sizeof(chunk));
		size_t missed = uio_copy_from(u, chunk, n);

		random_mix(chunk, n - missed);
		moved += (ssize_t)(n - missed);
		if (missed)
			return moved ? moved : -EFAULT;
		cond_resched();
	}
	return moved;
}

static const struct file_ops random_file_ops = {
	.read = random_file_read,
	.write = random_file_write,
};

void random_init_devices(void)
{
	int err = devfs_register(
		"random", S_IFCHR | 0666, MKDEV(MEM_MAJOR, RANDOM_MINOR), &random_file_ops, NULL);

	if (!err)
		err = devfs_register("urandom", S_IFCHR | 0666, MKDEV(MEM_MAJOR, URANDOM_MINOR),
			&random_file_ops, NULL);
	if (err)
		klog_err("random: no device nodes: error %d", -err);
}
