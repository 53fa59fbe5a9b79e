// Poly1305 at one width: LANES64 blocks side by side, in limbs of 26 bits, so that a product of two fits 64.
//
// Two sums in turns, because one alone would wait for its own result: a lane adds up every 2 * LANES64-th block,
// times the multiplier to that power; at the end each is brought to its own power. The including file defines
// LANES64 (4, 8), TARGET and NAME(x).

typedef uint64_t NAME(lanes) __attribute__((vector_size(8 * LANES64)));
typedef uint64_t NAME(loose_lanes) __attribute__((vector_size(8 * LANES64), aligned(1), may_alias));
#define LANESV NAME(lanes)
#define SPLAT(v) ((LANESV){} + (v))

/// The product of two factors of at most 32 bits. There is an instruction for it, said outright, because the
/// compiler sees how long a factor is only where it is made, and otherwise multiplies 64 bits by 64.
TARGET static inline __attribute__((always_inline)) LANESV NAME(times)(LANESV a, LANESV b) {
    LANESV product;
    __asm__("vpmuludq %2, %1, %0" : "=v"(product) : "v"(a), "v"(b));
    return product;
}
#define TIMES NAME(times)

TARGET static inline __attribute__((always_inline)) void NAME(multiply)(LANESV h[5], const LANESV r[5],
                                                                       const LANESV s[5]) {
    LANESV d[5];
    d[0] = TIMES(h[0], r[0]) + TIMES(h[1], s[4]) + TIMES(h[2], s[3]) + TIMES(h[3], s[2]) + TIMES(h[4], s[1]);
    d[1] = TIMES(h[0], r[1]) + TIMES(h[1], r[0]) + TIMES(h[2], s[4]) + TIMES(h[3], s[3]) + TIMES(h[4], s[2]);
    d[2] = TIMES(h[0], r[2]) + TIMES(h[1], r[1]) + TIMES(h[2], r[0]) + TIMES(h[3], s[4]) + TIMES(h[4], s[3]);
    d[3] = TIMES(h[0], r[3]) + TIMES(h[1], r[2]) + TIMES(h[2], r[1]) + TIMES(h[3], r[0]) + TIMES(h[4], s[4]);
    d[4] = TIMES(h[0], r[4]) + TIMES(h[1], r[3]) + TIMES(h[2], r[2]) + TIMES(h[3], r[1]) + TIMES(h[4], r[0]);
    // Two chains of carries side by side: 0, 1, 2, 3 and 3, 4, 0, 1.
    const uint64_t mask = 0x3ffffff;
    LANESV c;
    c = d[0] >> 26, d[0] &= mask, d[1] += c;
    c = d[3] >> 26, d[3] &= mask, d[4] += c;
    c = d[1] >> 26, d[1] &= mask, d[2] += c;
    c = d[4] >> 26, d[4] &= mask, d[0] += c + (c << 2);
    c = d[2] >> 26, d[2] &= mask, d[3] += c;
    c = d[0] >> 26, d[0] &= mask, d[1] += c;
    c = d[3] >> 26, d[3] &= mask, d[4] += c;
    for (int i = 0; i < 5; i++) h[i] = d[i];
}

/// Adds LANES64 blocks; which block a lane gets is said by `NAME(block_of_lane)`.
TARGET static inline __attribute__((always_inline)) void NAME(add_blocks)(LANESV h[5], const uint8_t *message) {
    LANESV a = ((const NAME(loose_lanes) *)message)[0], b = ((const NAME(loose_lanes) *)message)[1];
#if LANES64 == 8
    LANESV low = __builtin_shufflevector(a, b, 0, 8, 2, 10, 4, 12, 6, 14);
    LANESV high = __builtin_shufflevector(a, b, 1, 9, 3, 11, 5, 13, 7, 15);
#else
    LANESV low = __builtin_shufflevector(a, b, 0, 4, 2, 6), high = __builtin_shufflevector(a, b, 1, 5, 3, 7);
#endif
    const uint64_t mask = 0x3ffffff;
    h[0] += low & mask;
    h[1] += low >> 26 & mask;
    h[2] += (low >> 52 | high << 12) & mask;
    h[3] += high >> 14 & mask;
    h[4] += high >> 40 | 1 << 24;
}

TARGET static void NAME(tag)(uint8_t *tag, const uint8_t *message, size_t length, const uint8_t *key) {
    enum { GROUP = LANES64 * POLY_BLOCK };
#if LANES64 == 8
    static const int block_of_lane[LANES64] = {0, 4, 1, 5, 2, 6, 3, 7};
#else
    static const int block_of_lane[LANES64] = {0, 2, 1, 3};
#endif
    poly_number r = poly_multiplier(key), h = {{0}};
    if (length >= 4 * GROUP) {
        poly_number power[LANES64];
        power[0] = r;
        for (int i = 1; i < LANES64; i++) power[i] = poly_product(power[(i - 1) / 2], power[i / 2]);
        // Powers LANES64…1, one a lane, for the last blocks; times power LANES64, for as many before them.
        LANESV near[5], far[5], all[5], scaled[5];
        for (int lane = 0; lane < LANES64; lane++) {
            const uint64_t *limb = power[LANES64 - 1 - block_of_lane[lane]].limb;
            near[0][lane] = limb[0] & 0x3ffffff;
            near[1][lane] = (limb[0] >> 26 | limb[1] << 18) & 0x3ffffff;
            near[2][lane] = limb[1] >> 8 & 0x3ffffff;
            near[3][lane] = (limb[1] >> 34 | limb[2] << 10) & 0x3ffffff;
            near[4][lane] = limb[2] >> 16;
        }
        for (int i = 0; i < 5; i++) {
            far[i] = near[i];
            all[i] = SPLAT(near[i][0]);
            scaled[i] = all[i] * 5;
        }
        NAME(multiply)(far, all, scaled);
        NAME(multiply)(all, all, scaled);
        for (int i = 0; i < 5; i++) scaled[i] = all[i] * 5;

        LANESV even[5] = {{0}}, odd[5] = {{0}};
        NAME(add_blocks)(even, message);
        NAME(add_blocks)(odd, message + GROUP);
        message += 2 * GROUP, length -= 2 * GROUP;
        for (; length >= 2 * GROUP; message += 2 * GROUP, length -= 2 * GROUP) {
            NAME(multiply)(even, all, scaled);
            NAME(multiply)(odd, all, scaled);
            NAME(add_blocks)(even, message);
            NAME(add_blocks)(odd, message + GROUP);
        }
        for (int i = 0; i < 5; i++) scaled[i] = far[i] * 5;
        NAME(multiply)(even, far, scaled);
        for (int i = 0; i < 5; i++) scaled[i] = near[i] * 5;
        NAME(multiply)(odd, near, scaled);
        uint64_t total[5] = {0};
        for (int i = 0; i < 5; i++) {
            for (int lane = 0; lane < LANES64; lane++) total[i] += even[i][lane] + odd[i][lane];
        }
        for (int i = 0; i < 4; i++) total[i + 1] += total[i] >> 26, total[i] &= 0x3ffffff;
        // Sixteen sums of 26 bits: what stands above 2^130 is a few bits.
        total[0] += (total[4] >> 26) * 5, total[4] &= 0x3ffffff;
        h.limb[0] = total[0] + ((total[1] & 0x3ffff) << 26);
        h.limb[1] = total[1] >> 18 | total[2] << 8 | (total[3] & 0x3ff) << 34;
        h.limb[2] = total[3] >> 10 | total[4] << 16;
        wipe(power, sizeof power);
    }
    poly_finish(tag, h, r, message, length, key);
}

#undef LANESV
#undef SPLAT
#undef TIMES
