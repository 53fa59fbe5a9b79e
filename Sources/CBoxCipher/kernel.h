// What every width shares.
#ifndef COMPANIONWAY_BOX_CIPHER_KERNEL_H
#define COMPANIONWAY_BOX_CIPHER_KERNEL_H

#include "box_cipher.h"

#include <string.h>

#define ROTATED(v, n) ((v) << (n) | (v) >> (32 - (n)))
#define QUARTER_ROUND(a, b, c, d)  \
    do {                           \
        b ^= ROTATED(a + d, 7);    \
        c ^= ROTATED(b + a, 9);    \
        d ^= ROTATED(c + b, 13);   \
        a ^= ROTATED(d + c, 18);   \
    } while (0)

/// Forgets secrets; the compiler cannot tell that nobody reads the memory again.
static inline void wipe(void *secret, size_t length) {
    memset(secret, 0, length);
    __asm__ volatile("" : : "r"(secret) : "memory");
}

#if defined(__x86_64__)
extern const box_cipher_kernel box_cipher_sse2, box_cipher_avx2, box_cipher_avx512, box_cipher_avx512_ifma;
#elif defined(__aarch64__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
extern const box_cipher_kernel box_cipher_neon;
#endif

#endif
