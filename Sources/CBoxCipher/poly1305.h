// Poly1305 (RFC 8439, 2.5) in 44-bit limbs, one block at a time: for short messages, and for the start and the
// end of what the vectors do.
#ifndef COMPANIONWAY_BOX_CIPHER_POLY1305_H
#define COMPANIONWAY_BOX_CIPHER_POLY1305_H

#include "kernel.h"

/// A number modulo 2^130 - 5 in limbs of 44, 44 and 42 bits, the lowest first; a limb may be a little longer.
typedef struct {
    uint64_t limb[3];
} poly_number;

enum { POLY_BLOCK = 16 };
static const uint64_t poly_mask_44 = 0xfffffffffff, poly_mask_42 = 0x3ffffffffff;

static inline uint64_t poly_load(const uint8_t *bytes) {
    uint64_t value;
    memcpy(&value, bytes, sizeof value);
    return value;
}

/// The multiplier: the key's first half, with the bits cleared that the definition clears.
static inline poly_number poly_multiplier(const uint8_t *key) {
    uint64_t low = poly_load(key) & 0x0ffffffc0fffffff, high = poly_load(key + 8) & 0x0ffffffc0ffffffc;
    return (poly_number){{low & poly_mask_44, (low >> 44 | high << 20) & poly_mask_44, high >> 24}};
}

static inline poly_number poly_product(poly_number a, poly_number b) {
    typedef unsigned __int128 wide;
    // 2^132 is 4 * 5 modulo 2^130 - 5.
    uint64_t b1 = b.limb[1] * 20, b2 = b.limb[2] * 20;
    wide d0 = (wide)a.limb[0] * b.limb[0] + (wide)a.limb[1] * b2 + (wide)a.limb[2] * b1;
    wide d1 = (wide)a.limb[0] * b.limb[1] + (wide)a.limb[1] * b.limb[0] + (wide)a.limb[2] * b2;
    wide d2 = (wide)a.limb[0] * b.limb[2] + (wide)a.limb[1] * b.limb[1] + (wide)a.limb[2] * b.limb[0];
    poly_number h;
    d1 += (uint64_t)(d0 >> 44);
    h.limb[0] = (uint64_t)d0 & poly_mask_44;
    d2 += (uint64_t)(d1 >> 44);
    h.limb[1] = (uint64_t)d1 & poly_mask_44;
    h.limb[2] = (uint64_t)d2 & poly_mask_42;
    h.limb[0] += (uint64_t)(d2 >> 42) * 5;
    h.limb[1] += h.limb[0] >> 44;
    h.limb[0] &= poly_mask_44;
    return h;
}

static inline poly_number poly_sum(poly_number h, uint64_t low, uint64_t high, uint64_t top) {
    h.limb[0] += low & poly_mask_44;
    h.limb[1] += (low >> 44 | high << 20) & poly_mask_44;
    h.limb[2] += high >> 24 | top << 40;
    return h;
}

/// Takes in the rest of a message and writes the tag.
static inline void poly_finish(uint8_t *tag, poly_number h, poly_number r, const uint8_t *message, size_t length,
                               const uint8_t *key) {
    for (; length >= POLY_BLOCK; message += POLY_BLOCK, length -= POLY_BLOCK) {
        h = poly_product(poly_sum(h, poly_load(message), poly_load(message + 8), 1), r);
    }
    if (length > 0) {
        // The last bytes with a one behind them; put together in registers, so that nothing is left in memory.
        uint64_t last[2] = {0, 0};
        for (size_t i = 0; i < length; i++) last[i / 8] |= (uint64_t)message[i] << 8 * (i % 8);
        last[length / 8] |= (uint64_t)1 << 8 * (length % 8);
        h = poly_product(poly_sum(h, last[0], last[1], 0), r);
    }
    // Every limb in its bounds; what stands above 2^130 comes back as five times as much, twice at most.
    uint64_t carry = 0;
    for (int round = 0; round < 2; round++) {
        h.limb[0] += carry * 5;
        h.limb[1] += h.limb[0] >> 44;
        h.limb[0] &= poly_mask_44;
        h.limb[2] += h.limb[1] >> 44;
        h.limb[1] &= poly_mask_44;
        carry = h.limb[2] >> 42;
        h.limb[2] &= poly_mask_42;
    }
    h.limb[0] += carry * 5;
    h.limb[1] += h.limb[0] >> 44;
    h.limb[0] &= poly_mask_44;
    // h - p = h + 5 - 2^130; it is taken, by mask and not by branch, where it is not negative.
    uint64_t g0 = h.limb[0] + 5, g1 = h.limb[1] + (g0 >> 44), g2 = h.limb[2] + (g1 >> 44);
    uint64_t take = (uint64_t)0 - (g2 >> 42);
    uint64_t h0 = (h.limb[0] & ~take) | (g0 & poly_mask_44 & take);
    uint64_t h1 = (h.limb[1] & ~take) | (g1 & poly_mask_44 & take);
    uint64_t h2 = (h.limb[2] & ~take) | (g2 & poly_mask_42 & take);
    // The key's second half is added modulo 2^128.
    uint64_t low = h0 | h1 << 44, high = h1 >> 20 | h2 << 24;
    uint64_t sum = low + poly_load(key + 16);
    high += poly_load(key + 24) + (sum < low);
    for (int i = 0; i < 8; i++) {
        tag[i] = (uint8_t)(sum >> 8 * i);
        tag[8 + i] = (uint8_t)(high >> 8 * i);
    }
}

#endif
