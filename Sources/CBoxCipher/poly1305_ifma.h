// Poly1305 with the 52-bit multiply-add of AVX-512 IFMA: eight blocks side by side in limbs of 44 bits, and two
// such sums in turns, because one alone would wait for its own result.


#define TARGET_IFMA __attribute__((target("avx512f,avx512vl,avx512bw,avx512ifma")))

typedef __m512i ifma_lanes;

TARGET_IFMA static inline __attribute__((always_inline)) void ifma_multiply(ifma_lanes h[3], const ifma_lanes r[3],
                                                                            const ifma_lanes s[3]) {
    const ifma_lanes zero = _mm512_setzero_si512(), m44 = _mm512_set1_epi64((long long)poly_mask_44),
                     m42 = _mm512_set1_epi64((long long)poly_mask_42);
#define LOW(sum, a, b) _mm512_madd52lo_epu64(sum, a, b)
#define HIGH(sum, a, b) _mm512_madd52hi_epu64(sum, a, b)
    ifma_lanes l0 = LOW(LOW(LOW(zero, h[2], s[1]), h[1], s[2]), h[0], r[0]);
    ifma_lanes g0 = HIGH(HIGH(HIGH(zero, h[2], s[1]), h[1], s[2]), h[0], r[0]);
    ifma_lanes l1 = LOW(LOW(LOW(zero, h[2], s[2]), h[0], r[1]), h[1], r[0]);
    ifma_lanes g1 = HIGH(HIGH(HIGH(zero, h[2], s[2]), h[0], r[1]), h[1], r[0]);
    ifma_lanes l2 = LOW(LOW(LOW(zero, h[2], r[0]), h[0], r[2]), h[1], r[1]);
    ifma_lanes g2 = HIGH(HIGH(HIGH(zero, h[2], r[0]), h[0], r[2]), h[1], r[1]);
    // A high half counts 2^52, eight bits above the next limb's start, and ten above that of the limb after 42.
    l1 = _mm512_add_epi64(l1, _mm512_add_epi64(_mm512_srli_epi64(l0, 44), _mm512_slli_epi64(g0, 8)));
    h[0] = _mm512_and_si512(l0, m44);
    l2 = _mm512_add_epi64(l2, _mm512_add_epi64(_mm512_srli_epi64(l1, 44), _mm512_slli_epi64(g1, 8)));
    h[1] = _mm512_and_si512(l1, m44);
    ifma_lanes top = _mm512_add_epi64(_mm512_srli_epi64(l2, 42), _mm512_slli_epi64(g2, 10));
    h[2] = _mm512_and_si512(l2, m42);
    h[0] = _mm512_add_epi64(h[0], _mm512_add_epi64(top, _mm512_slli_epi64(top, 2)));
    h[1] = _mm512_add_epi64(h[1], _mm512_srli_epi64(h[0], 44));
    h[0] = _mm512_and_si512(h[0], m44);
#undef LOW
#undef HIGH
}

/// Adds eight blocks, in the lanes' order 0, 4, 1, 5, 2, 6, 3, 7.
TARGET_IFMA static inline __attribute__((always_inline)) void ifma_add_blocks(ifma_lanes h[3],
                                                                              const uint8_t *message) {
    const ifma_lanes m44 = _mm512_set1_epi64((long long)poly_mask_44), top = _mm512_set1_epi64(1ll << 40);
    ifma_lanes a = _mm512_loadu_si512(message), b = _mm512_loadu_si512(message + 64);
    ifma_lanes low = _mm512_unpacklo_epi64(a, b), high = _mm512_unpackhi_epi64(a, b);
    h[0] = _mm512_add_epi64(h[0], _mm512_and_si512(low, m44));
    ifma_lanes middle = _mm512_or_si512(_mm512_srli_epi64(low, 44), _mm512_slli_epi64(high, 20));
    h[1] = _mm512_add_epi64(h[1], _mm512_and_si512(middle, m44));
    h[2] = _mm512_add_epi64(h[2], _mm512_or_si512(_mm512_srli_epi64(high, 24), top));
}

TARGET_IFMA static inline __attribute__((always_inline)) void ifma_scaled(ifma_lanes s[3], const ifma_lanes r[3]) {
    for (int i = 0; i < 3; i++) s[i] = _mm512_add_epi64(_mm512_slli_epi64(r[i], 4), _mm512_slli_epi64(r[i], 2));
}

TARGET_IFMA static void ifma_tag(uint8_t *tag, const uint8_t *message, size_t length, const uint8_t *key) {
    enum { LANES64 = 8, GROUP = LANES64 * POLY_BLOCK };
    static const int block_of_lane[LANES64] = {0, 4, 1, 5, 2, 6, 3, 7};
    poly_number r = poly_multiplier(key), h = {{0}};
    if (length >= 4 * GROUP) {
        poly_number power[LANES64];
        power[0] = r;
        for (int i = 1; i < LANES64; i++) power[i] = poly_product(power[(i - 1) / 2], power[i / 2]);
        uint64_t limbs[3][LANES64] __attribute__((aligned(64)));
        for (int lane = 0; lane < LANES64; lane++) {
            for (int i = 0; i < 3; i++) limbs[i][lane] = power[LANES64 - 1 - block_of_lane[lane]].limb[i];
        }
        // Powers 8…1, one a lane, for the last eight blocks; times the eighth, 16…9, for the eight before.
        ifma_lanes near[3], near20[3], far[3], far20[3], all[3], all20[3];
        for (int i = 0; i < 3; i++) {
            near[i] = far[i] = _mm512_load_si512(limbs[i]);
            all[i] = _mm512_set1_epi64((long long)power[LANES64 - 1].limb[i]);
        }
        ifma_scaled(all20, all);
        ifma_multiply(far, all, all20);
        ifma_multiply(all, all, all20);
        ifma_scaled(near20, near);
        ifma_scaled(far20, far);
        ifma_scaled(all20, all);

        ifma_lanes even[3], odd[3];
        for (int i = 0; i < 3; i++) even[i] = odd[i] = _mm512_setzero_si512();
        ifma_add_blocks(even, message);
        ifma_add_blocks(odd, message + GROUP);
        message += 2 * GROUP, length -= 2 * GROUP;
        for (; length >= 2 * GROUP; message += 2 * GROUP, length -= 2 * GROUP) {
            ifma_multiply(even, all, all20);
            ifma_multiply(odd, all, all20);
            ifma_add_blocks(even, message);
            ifma_add_blocks(odd, message + GROUP);
        }
        ifma_multiply(even, far, far20);
        ifma_multiply(odd, near, near20);
        uint64_t total[3];
        for (int i = 0; i < 3; i++) {
            total[i] = (uint64_t)_mm512_reduce_add_epi64(_mm512_add_epi64(even[i], odd[i]));
        }
        total[1] += total[0] >> 44, total[0] &= poly_mask_44;
        total[2] += total[1] >> 44, total[1] &= poly_mask_44;
        total[0] += (total[2] >> 42) * 5, total[2] &= poly_mask_42;
        h = (poly_number){{total[0], total[1], total[2]}};
        wipe(power, sizeof power);
        wipe(limbs, sizeof limbs);
    }
    poly_finish(tag, h, r, message, length, key);
}
