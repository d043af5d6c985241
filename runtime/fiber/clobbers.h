#pragma once

// What is not kept across a switch besides general registers, as a clobber list for the assembly
// that switches. ymm0 and zmm0 are clobbered with xmm0. A register that is missing here
// the compiler would keep in use across the switch, while other code runs.

#if defined(__x86_64__)

#if defined(__AVX512F__)
#define WEFT_AVX512_CLOBBERS                                                                    \
  , "xmm16", "xmm17", "xmm18", "xmm19", "xmm20", "xmm21", "xmm22", "xmm23", "xmm24", "xmm25",   \
      "xmm26", "xmm27", "xmm28", "xmm29", "xmm30", "xmm31", "k0", "k1", "k2", "k3", "k4", "k5", \
      "k6", "k7"
#else
#define WEFT_AVX512_CLOBBERS
#endif

// The x87 registers too: a `long double` lives there, and others expect to find all of them free.
#define WEFT_SWITCH_CLOBBERS                                                                        \
  "memory", "cc", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", \
      "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15", "st", "st(1)", "st(2)", "st(3)",      \
      "st(4)", "st(5)", "st(6)", "st(7)", "mm0", "mm1", "mm2", "mm3", "mm4", "mm5", "mm6",        \
      "mm7" WEFT_AVX512_CLOBBERS

#endif
