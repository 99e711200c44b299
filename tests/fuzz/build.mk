# Model fuzzers: the real kernel/mm over the fakes of the host tests, compared with plain arrays.
# `make test-fuzz` runs 60 s over many seeds; `make fuzz SECONDS=3600` longer; `build/fuzz/fuzz_mm -s SEED -n 1` one seed.

FUZZ         := $(B)/fuzz
FUZZ_SECONDS ?= 60
FUZZ_MM_SRC  := $(sort $(wildcard tests/fuzz/mm_*.c))

$(FUZZ)/fuzz_mm: $(patsubst %.c,$(HOST)/asan/obj/%.o,$(FUZZ_MM_SRC)) $(HOST)/asan/libquire.a
	@mkdir -p $(@D)
	$(Q)$(HOST_CC) $(HOST_ASAN) -o $@ $^ $(HOST_LIBS)

# The same under libFuzzer, which chooses the operations by coverage.
$(FUZZ)/libfuzz_mm: $(FUZZ_MM_SRC) $(HOST_LIBSRC)
	@mkdir -p $(@D)
	$(Q)clang $(HOST_CFLAGS) -DMM_LIBFUZZER -fsanitize=fuzzer,address,undefined -fno-sanitize=alignment \
		-Wno-unknown-warning-option -o $@ $^ -lpthread

.PHONY: test-fuzz fuzz
test-fuzz: $(FUZZ)/fuzz_mm
	$(Q)$(FUZZ)/fuzz_mm -t $(FUZZ_SECONDS) && echo 'ok 1 - fuzz: memory model' || echo 'not ok 1 - fuzz: memory model'

fuzz: FUZZ_SECONDS = $(or $(SECONDS),3600)
fuzz: test-fuzz
