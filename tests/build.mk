# The test levels. Each level is a target of its own; `make test` runs all of them.

-include tests/host/build.mk
-include tests/fuzz/build.mk
-include tests/fuzz/ext2.mk
-include tests/coverage/build.mk
-include tests/user/build.mk
-include tests/kernel/build.mk
-include tests/boot/build.mk
-include tests/bench/build.mk

TEST_LEVELS ?= check host fuzz kernel user boot

.PHONY: test test-check
test:
	$(Q)tools/setup build image iso run test check
	$(Q)tests/run $(TEST_LEVELS)

test-check:
	$(Q)if $(MAKE) --no-print-directory check; then echo 'ok 1 - check'; else echo 'not ok 1 - check'; fi
