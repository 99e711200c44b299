/*
 * Debug builds: what the compiler calls when it meets undefined behaviour. Each report is a panic
 * with the place. Source: the interface of compiler-rt's UBSan runtime (type and location layouts).
 */
#ifdef QUIRE_DEBUG
#include "panic.h"

struct source_location {
	const char *file;
	uint32_t line, column;
};

/* Every report's data begins with its location, except where a handler says otherwise. */
#define UBSAN_HANDLER(name, what, ...)                                                   \
	void __ubsan_handle_##name(const struct source_location *loc, ##__VA_ARGS__);    \
	void __ubsan_handle_##name(const struct source_location *loc, ##__VA_ARGS__)     \
	{                                                                                \
		panic("undefined behaviour: " what " at %s:%u:%u", loc->file, loc->line, \
			loc->column);                                                    \
	}

UBSAN_HANDLER(add_overflow, "signed addition overflows")
UBSAN_HANDLER(sub_overflow, "signed subtraction overflows")
UBSAN_HANDLER(mul_overflow, "signed multiplication overflows")
UBSAN_HANDLER(negate_overflow, "negation overflows")
UBSAN_HANDLER(divrem_overflow, "division overflows or divides by zero")
UBSAN_HANDLER(shift_out_of_bounds, "shift out of bounds")
UBSAN_HANDLER(out_of_bounds, "array index out of bounds")
UBSAN_HANDLER(type_mismatch_v1, "null, misaligned or too small object")
UBSAN_HANDLER(pointer_overflow, "pointer arithmetic overflows")
UBSAN_HANDLER(load_invalid_value, "invalid value of bool or enum")
UBSAN_HANDLER(builtin_unreachable, "unreachable code reached")
UBSAN_HANDLER(missing_return, "function ends without a value")
UBSAN_HANDLER(vla_bound_not_positive, "size of array not positive")
UBSAN_HANDLER(invalid_builtin, "builtin called with an invalid value")
UBSAN_HANDLER(nonnull_arg, "null given where it must not be")
UBSAN_HANDLER(nonnull_return_v1, "null returned where it must not be")
#else
/* ISO C wants a declaration in each file. */
typedef int ubsan_is_off;
#endif
