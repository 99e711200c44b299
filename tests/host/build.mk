# Host tests: the real kernel/mm, kernel/lib and arch/x86/pmap*.c under ASan and UBSan over the fakes; the concurrent
# ones (test_mt_*.c) under TSan too. Hidden symbols: the kernel's munmap() must not become the C library's. `make test-host` runs all, `make test-host TEST=buddy` those whose name holds the word.

HOST        := $(B)/host
HOST_CC     ?= gcc
HOST_LIBSRC := $(sort $(wildcard kernel/mm/*.c kernel/lib/*.c kernel/sync/*.c kernel/fs/ext2/*.c \
	kernel/dev/tty_ldisc.c kernel/dev/block.c kernel/dev/block_batch.c kernel/dev/block_cache.c arch/x86/pmap*.c tests/host/fakes/*.c tests/contract/*.c))
# The VFS on tmpfs: whole objects in front of the library, whose ext2_env.c stands in for it in the tests of ext2.
HOST_VFSSRC := $(sort $(wildcard kernel/fs/*.c kernel/fs/tmpfs/*.c kernel/fs/devfs/*.c) kernel/dev/block_file.c)
HOST_TESTS  := $(sort $(wildcard tests/host/test_*.c))
HOST_MT     := $(filter tests/host/test_mt_%,$(HOST_TESTS))
HOST_CFLAGS := -std=gnu17 -O1 -g -fno-omit-frame-pointer -fno-strict-aliasing -fvisibility=hidden -DQUIRE_HOST -DQUIRE_DEBUG \
	-iquote kernel -iquote arch/x86 -iquote tests/host/fakes -iquote tests/contract -iquote tests $(WARNINGS) -Wno-missing-prototypes -Wno-clobbered
HOST_ASAN   := -fsanitize=address,undefined -fno-sanitize=alignment -fno-sanitize-recover=undefined
HOST_TSAN   := -fsanitize=thread -Wno-tsan
HOST_LIBS   := -lcmocka -lpthread

HOST_BIN      := $(patsubst tests/host/%.c,$(HOST)/asan/%,$(HOST_TESTS))
HOST_BIN_TSAN := $(patsubst tests/host/%.c,$(HOST)/tsan/%,$(HOST_MT))

$(HOST)/asan/obj/%.o: %.c tests/host/build.mk
	@mkdir -p $(@D)
	@echo "  HOSTCC  $<"
	$(Q)$(HOST_CC) $(HOST_CFLAGS) $(HOST_ASAN) -MMD -MP -c -o $@ $<

$(HOST)/tsan/obj/%.o: %.c tests/host/build.mk
	@mkdir -p $(@D)
	@echo "  HOSTCC  $< (tsan)"
	$(Q)$(HOST_CC) $(HOST_CFLAGS) $(HOST_TSAN) -MMD -MP -c -o $@ $<

$(HOST)/asan/libquire.a: $(patsubst %.c,$(HOST)/asan/obj/%.o,$(HOST_LIBSRC))
$(HOST)/tsan/libquire.a: $(patsubst %.c,$(HOST)/tsan/obj/%.o,$(HOST_LIBSRC))
$(HOST)/%/libquire.a:
	@rm -f $@
	$(Q)ar rcs $@ $^

$(HOST)/asan/test_vfs: $(patsubst %.c,$(HOST)/asan/obj/%.o,$(HOST_VFSSRC))
$(HOST)/tsan/test_mt_vfs: $(patsubst %.c,$(HOST)/tsan/obj/%.o,$(HOST_VFSSRC))
$(HOST)/asan/test_mt_vfs: $(patsubst %.c,$(HOST)/asan/obj/%.o,$(HOST_VFSSRC))
$(HOST)/asan/%: $(HOST)/asan/obj/tests/host/%.o $(HOST)/asan/libquire.a
	$(Q)$(HOST_CC) $(HOST_ASAN) -o $@ $(filter %.o,$^) $(filter %.a,$^) $(HOST_LIBS)
$(HOST)/tsan/%: $(HOST)/tsan/obj/tests/host/%.o $(HOST)/tsan/libquire.a
	$(Q)$(HOST_CC) $(HOST_TSAN) -o $@ $(filter %.o,$^) $(filter %.a,$^) $(HOST_LIBS)

# Those of the given programs that TEST asks for.
host_wanted = $(foreach b,$(1),$(if $(TEST),$(if $(findstring $(TEST),$(b)),$(b)),$(b)))

.PHONY: test-host test-jitter host
host: $(HOST_BIN) $(HOST_BIN_TSAN)
# The concurrent ones with bad luck: host_jitter in fakes/host.h. Whatever fails is a bug, of the kernel or of the test.
SEEDS ?= 1 2 3 4 5
HOST_BIN_MT   := $(filter $(HOST)/asan/test_mt_%,$(HOST_BIN))
HOST_JITTERED := $(HOST)/asan/test_pressure $(HOST_BIN_MT) $(HOST_BIN_TSAN)

test-host: host
	$(Q)tests/host/run.sh $(call host_wanted,$(HOST_BIN) $(HOST_BIN_TSAN))
	$(Q)HOST_JITTER=1 tests/host/run.sh $(call host_wanted,$(HOST_BIN_MT))

test-jitter: host
	$(Q)for s in $(SEEDS); do HOST_JITTER=$$s tests/host/run.sh $(call host_wanted,$(HOST_JITTERED)) || bad=1; done; [ -z "$$bad" ]

-include $(shell find $(HOST) -name '*.d' 2>/dev/null)
