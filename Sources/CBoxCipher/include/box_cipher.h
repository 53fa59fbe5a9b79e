// XSalsa20-Poly1305 as box-stream needs it, at the width of the processor's vectors.
//
// Salsa20: D. J. Bernstein, "The Salsa20 family of stream ciphers". Poly1305: RFC 8439, 2.5.
#ifndef COMPANIONWAY_BOX_CIPHER_H
#define COMPANIONWAY_BOX_CIPHER_H

#include <stddef.h>
#include <stdint.h>

/// How many blocks stand side by side in a call of `blocks`, whatever a kernel's width.
#define BOX_CIPHER_LANE_COUNT 16

/// One build of the code. No branch and no address depends on a secret; scratch is wiped.
///
/// A `state` is the sixteen words that Salsa20 starts from, each in the processor's byte order: 0, 5, 10 and 15 are
/// constants; 1…4 and 11…14 the key; 6 and 7 the nonce's eight bytes; 8 and 9 the number of the block, low word
/// first. It lies in memory that its owner wipes, and no kernel makes a copy of it.
typedef struct {
    /// `sse2`, `avx2`, `avx512`, `avx512f` where IFMA is missing, or `neon`.
    const char *_Nonnull name;

    /// How many blocks it makes in the time of one.
    size_t width;

    /// Combines `length` bytes with the keystream from the state's block on; in place, or wholly apart.
    void (*_Nonnull combine)(const uint32_t *_Nonnull state, uint8_t *_Nonnull output,
                             const uint8_t *_Nonnull input, size_t length);

    /// Writes `count` blocks of at most 16, 64 bytes each, one behind the other.
    ///
    /// `lanes` has three rows of 16 words, which stand for words 6, 7 and 8 of each block's own; word 9 is zero.
    void (*_Nonnull blocks)(const uint32_t *_Nonnull state, const uint32_t *_Nonnull lanes,
                            uint8_t *_Nonnull output, size_t count);

    /// Writes the 16 bytes of Poly1305's tag under a key of 32; null where libsodium's is as fast.
    void (*_Nullable tag)(uint8_t *_Nonnull tag, const uint8_t *_Nonnull message, size_t length,
                          const uint8_t *_Nonnull key);
} box_cipher_kernel;

/// Writes the kernels that this processor and operating system can run, the widest first; says how many.
size_t box_cipher_kernels(const box_cipher_kernel *_Nullable *_Nonnull kernels, size_t capacity);

/// Whether the compiler optimised this: else every kernel is right, and slower than libsodium by far.
int box_cipher_is_optimized(void);

#endif
