# `make coverage`: branch coverage of kernel/mm and arch/x86/pmap*.c, file by file, by the host tests and a bounded run of
# the fuzzer. The build has no assertions; tests/coverage/exclude lists what does not count, and why.

COV            := $(B)/coverage
COV_FUZZ_SEEDS ?= 60
COV_CFLAGS     := $(filter-out -O1,$(HOST_CFLAGS)) -O0 -DHOST_COVERAGE -Wno-unused
# Only what is measured is instrumented.
COV_MEASURED   := kernel/mm/%.c arch/x86/pmap%.c
COV_TESTS      := $(patsubst tests/host/%.c,$(COV)/%,$(HOST_TESTS))

$(COV)/obj/%.o: %.c tests/coverage/build.mk tests/host/build.mk
	@mkdir -p $(@D)
	@echo "  COVCC   $<"
	@rm -f $(@:.o=.gcda)
	$(Q)$(HOST_CC) $(COV_CFLAGS) $(if $(filter $(COV_MEASURED),$<),-DQUIRE_NO_ASSERT --coverage -fprofile-update=atomic) -MMD -MP -c -o $@ $<

$(COV)/libquire.a: $(patsubst %.c,$(COV)/obj/%.o,$(HOST_LIBSRC))
	@rm -f $@
	$(Q)ar rcs $@ $^

$(COV)/test_vfs $(COV)/test_mt_vfs: $(patsubst %.c,$(COV)/obj/%.o,$(HOST_VFSSRC))
$(COV)/test_%: $(COV)/obj/tests/host/test_%.o $(COV)/libquire.a
	$(Q)$(HOST_CC) --coverage -o $@ $(filter %.o,$^) $(filter %.a,$^) $(HOST_LIBS)
$(COV)/fuzz_mm: $(patsubst %.c,$(COV)/obj/%.o,$(FUZZ_MM_SRC)) $(COV)/libquire.a
	$(Q)$(HOST_CC) --coverage -o $@ $^ $(HOST_LIBS)

# LINES=1 shows each branch that was not taken; FILE=word only the files whose name holds the word.
coverage: $(COV_TESTS) $(COV)/fuzz_mm
	$(Q)tools/setup build test
	$(Q)find $(COV) -name '*.gcda' -delete
	$(Q)tests/host/run.sh $(COV_TESTS) | grep -v '^ok'
	$(Q)$(COV)/fuzz_mm -n $(COV_FUZZ_SEEDS)
	$(Q)tests/coverage/report $(if $(LINES),--lines) $(if $(FILE),--file $(FILE)) $(COV)/obj tests/coverage/exclude

-include $(shell find $(COV) -name '*.d' 2>/dev/null)
