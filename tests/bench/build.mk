# The benchmark: never part of pass or fail.

BENCH_ROWS  := $(patsubst tests/bench/rows/%.c,%,$(wildcard tests/bench/rows/*.c))
BENCH_PROGS := $(addprefix $(B)/bench/tree/bench/,$(BENCH_ROWS))
BENCH_FLAGS := -static -O2 -Wall -Wextra -pthread

$(B)/bench/tree/bench/%: tests/bench/rows/%.c $(wildcard tests/bench/*.h tests/bench/rows/*.h)
	@mkdir -p $(@D)
	$(Q)musl-gcc $(BENCH_FLAGS) -o $@ $<

$(B)/bench/init: tests/bench/init.c tests/bench/bench.h
	@mkdir -p $(@D)
	$(Q)musl-gcc $(BENCH_FLAGS) -o $@ $<

# The tree of the disk: folders that the rows use, and a shell that both kernels run.
$(B)/bench/tree.done: $(BENCH_PROGS) $(B)/busybox
	$(Q)mkdir -p $(addprefix $(B)/bench/tree/,bin proc dev tmp work)
	$(Q)cp $(B)/busybox $(B)/bench/tree/bin/sh
	$(Q)touch $@

# Quire's initrd: init alone.
$(B)/bench/root.ext2: $(B)/bench/init
	$(Q)rm -rf $(B)/bench/root && mkdir -p $(B)/bench/root && cp $< $(B)/bench/root/init
	$(Q)rm -f $@ && truncate -s 1M $@ && mke2fs -q -F -t ext2 -b 1024 -d $(B)/bench/root $@

.PHONY: bench bench-files
bench-files: $(B)/bench/tree.done $(B)/bench/init $(B)/bench/root.ext2

# make bench ROW=fork TABLE=instructions PAIRS=3
bench:
	$(Q)tools/setup build image run test
	$(Q)$(MAKE) --no-print-directory DEBUG=0 $(B)/release/quire bench-files
	-$(Q)tests/bench/fetch-linux $(B)/bench/linux
	$(Q)tests/bench/run $(if $(ROW),--row $(ROW)) $(if $(TABLE),--table $(TABLE)) $(if $(PAIRS),--pairs $(PAIRS))
