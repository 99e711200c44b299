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

# Does the fuzzer find bugs? It is built with each of those in tests/fuzz/plants/. PLANT=word: only those whose name holds it.
PLANTS = $(sort $(wildcard tests/fuzz/plants/*$(PLANT)*.patch))

.PHONY: fuzz-plants
fuzz-plants: $(FUZZ)/fuzz_mm
	@mkdir -p $(FUZZ)/plants
	$(Q)CC='$(HOST_CC)' CFLAGS='$(HOST_CFLAGS) $(HOST_ASAN)' LINK='$(HOST_ASAN)' \
		OBJECTS='$(patsubst %.c,$(HOST)/asan/obj/%.o,$(FUZZ_MM_SRC)) $(HOST)/asan/libquire.a $(HOST_LIBS)' \
		tests/fuzz/plants/run $(FUZZ)/plants $(PLANTS)
