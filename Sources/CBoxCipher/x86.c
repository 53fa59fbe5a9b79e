// The widths of x86-64: SSE2, which every such processor has, AVX2 and AVX-512.
#if defined(__x86_64__)

#include "kernel.h"
#include "poly1305.h"

#include <immintrin.h>

#define LANES 4
#define TARGET
#define NAME(x) sse2_##x
#include "salsa20_lanes.h"
#undef LANES
#undef TARGET
#undef NAME

// Libsodium's Poly1305 is made for SSE2 already.
const box_cipher_kernel box_cipher_sse2 = {"sse2", 4, sse2_combine, sse2_blocks, NULL};

#define LANES 8
#define LANES64 4
#define TARGET __attribute__((target("avx2")))
#define NAME(x) avx2_##x
#include "poly1305_lanes.h"
#include "salsa20_lanes.h"
#undef LANES
#undef LANES64
#undef TARGET
#undef NAME

const box_cipher_kernel box_cipher_avx2 = {"avx2", 8, avx2_combine, avx2_blocks, avx2_tag};

#define LANES 16
#define LANES64 8
#define TARGET __attribute__((target("avx512f,avx512vl,avx512bw")))
#define NAME(x) avx512_##x
#include "poly1305_lanes.h"
#include "salsa20_lanes.h"
#undef LANES
#undef LANES64
#undef TARGET
#undef NAME

#include "poly1305_ifma.h"

const box_cipher_kernel box_cipher_avx512 = {"avx512f", 16, avx512_combine, avx512_blocks, avx512_tag};
const box_cipher_kernel box_cipher_avx512_ifma = {"avx512", 16, avx512_combine, avx512_blocks, ifma_tag};

#endif
