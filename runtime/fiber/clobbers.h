#pragma once

// What is not kept across a switch besides general registers, as a clobber list for the assembly
// that switches. ymm0 and zmm0 are clobbered with xmm0, z0 with v0. A register that is missing here
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
#define WEFT_SWITCH_CLOBBERS                                                                      \
  "memory", "cc", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", \
      "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15", "st", "st(1)", "st(2)", "st(3)",      \
      "st(4)", "st(5)", "st(6)", "st(7)", "mm0", "mm1", "mm2", "mm3", "mm4", "mm5", "mm6",        \
      "mm7" WEFT_AVX512_CLOBBERS

#elif defined(__aarch64__)

#if defined(__ARM_FEATURE_SVE)
#define WEFT_SVE_CLOBBERS                                                                          \
  , "p0", "p1", "p2", "p3", "p4", "p5", "p6", "p7", "p8", "p9", "p10", "p11", "p12", "p13", "p14", \
      "p15", "ffr"
#else
#define WEFT_SVE_CLOBBERS
#endif

// Of v8 to v15 a call preserves the lower halves; this switch preserves nothing.
#define WEFT_SWITCH_CLOBBERS                                                                       \
  "memory", "cc", "v0", "v1", "v2", "v3", "v4", "v5", "v6", "v7", "v8", "v9", "v10", "v11", "v12", \
      "v13", "v14", "v15", "v16", "v17", "v18", "v19", "v20", "v21", "v22", "v23", "v24", "v25",   \
      "v26", "v27", "v28", "v29", "v30", "v31" WEFT_SVE_CLOBBERS

#endif
