#include "tracking/price_builtin.hpp"

// The assembler reads the file, so that the compiler need not see half a megabyte of literals. AIMETER_PRICE_FILE is
// the file's path in the source tree, which the build sets.
asm(".pushsection .rodata\n"
    ".balign 16\n"
    ".globl aimeter_price_file_begin\n"
    "aimeter_price_file_begin:\n"
    ".incbin \"" AIMETER_PRICE_FILE
    "\"\n"
    ".globl aimeter_price_file_end\n"
    "aimeter_price_file_end:\n"
    ".byte 0\n"
    ".popsection\n");

extern "C" {
extern const char aimeter_price_file_begin[];
extern const char aimeter_price_file_end[];
}

namespace tracking {

std::string_view builtin_price_file() {
    return {aimeter_price_file_begin, static_cast<std::size_t>(aimeter_price_file_end - aimeter_price_file_begin)};
}

}  // namespace tracking
