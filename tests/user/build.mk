# System-call tests on newlib: each tests/user/*.c but the frame is a program in /tests of the test image.
#
#	make test-user          boots them with 1, 2 and 4 CPUs
#	make test-user-native   runs the same programs on this machine's Linux, which proves the tests

UT_BIN     := $(B)/tests/user
UT_SRC     := $(filter-out tests/user/tap.c tests/user/runner.c,$(wildcard tests/user/*.c))
UT_NAMES   := $(patsubst tests/user/%.c,%,$(UT_SRC))
UT_PROGS   := $(patsubst %,$(UT_BIN)/bin/%,$(UT_NAMES) runner)
# Programs on the Linux ABI itself: linked statically with the host's glibc and with musl.
UT_ABI     := $(patsubst tests/user/foreign/%.c,%,$(wildcard tests/user/foreign/abi_*.c))
UT_FOREIGN := $(foreach l,glibc musl,$(patsubst %,$(UT_BIN)/bin/%-$(l),hello $(UT_ABI)))
UT_FFLAGS  := -std=gnu17 -D_GNU_SOURCE -O2 -Wall -Wextra -Werror -Wno-format-truncation -Itests/user
UT_CFLAGS  := $(USER_CFLAGS) -Wno-format-truncation -Itests/user

$(UT_BIN)/obj/%.o: tests/user/%.c $(LIBC_READY)
	@mkdir -p $(@D)
	$(Q)$(QUIRE_CC) $(UT_CFLAGS) -MMD -MP -c $< -o $@

$(UT_BIN)/bin/runner: $(UT_BIN)/obj/runner.o
	@mkdir -p $(@D)
	$(Q)$(QUIRE_CC) $(USER_LDFLAGS) -s $^ -o $@

$(patsubst %,$(UT_BIN)/bin/%,$(UT_NAMES)): $(UT_BIN)/bin/%: $(UT_BIN)/obj/%.o $(UT_BIN)/obj/tap.o
	@mkdir -p $(@D)
	$(Q)$(QUIRE_CC) $(USER_LDFLAGS) -s $^ -o $@

$(UT_BIN)/bin/hello-glibc: tests/user/foreign/hello.c
	@mkdir -p $(@D)
	$(Q)$(HOSTCC) $(UT_FFLAGS) -static -pthread -s $< -o $@

$(UT_BIN)/bin/hello-musl: tests/user/foreign/hello.c
	@mkdir -p $(@D)
	$(Q)musl-gcc $(UT_FFLAGS) -static -pthread -s $< -o $@

$(UT_BIN)/bin/abi_%-glibc: tests/user/foreign/abi_%.c tests/user/tap.c tests/user/tap.h
	@mkdir -p $(@D)
	$(Q)$(HOSTCC) $(UT_FFLAGS) -static -pthread -s $< tests/user/tap.c -o $@

$(UT_BIN)/bin/abi_%-musl: tests/user/foreign/abi_%.c tests/user/tap.c tests/user/tap.h
	@mkdir -p $(@D)
	$(Q)musl-gcc $(UT_FFLAGS) -static -pthread -s $< tests/user/tap.c -o $@

# Those that are the newlib programs built once more.
$(foreach l,glibc musl,$(UT_BIN)/bin/abi_shm-$(l)): tests/user/shm.c
$(foreach l,glibc musl,$(UT_BIN)/bin/abi_memfd-$(l)): tests/user/memfd.c

# What initrd/build.mk puts into the test image beside the programs of the root image.
TEST_FILE_SOURCES := $(UT_PROGS) $(UT_FOREIGN)
TEST_FILES        := $(foreach p,$(TEST_FILE_SOURCES),tests/$(notdir $(p))=$(p))

.PHONY: test-user test-user-native
test-user:
	$(Q)tools/setup build image run test
	$(Q)$(MAKE) --no-print-directory all-variants test-images
	$(Q)tests/user/run $(TEST)

test-user-native: $(TEST_FILE_SOURCES)
	$(Q)$(UT_BIN)/bin/runner $(TEST)

-include $(patsubst tests/user/%.c,$(UT_BIN)/obj/%.d,$(wildcard tests/user/*.c))
