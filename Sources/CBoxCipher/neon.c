// The width of 64-bit ARM.
#if defined(__aarch64__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__

#include "kernel.h"

#define LANES 4
#define TARGET
#define NAME(x) neon_##x
#include "salsa20_lanes.h"

// Libsodium's Poly1305 multiplies 64 bits by 64 there, which is as fast.
const box_cipher_kernel box_cipher_neon = {"neon", 4, neon_combine, neon_blocks, NULL};

#endif
