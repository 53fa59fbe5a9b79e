// Salsa20 at one width: LANES blocks side by side, lane i of every vector belonging to block i.
//
// The including file defines LANES (4, 8, 16), TARGET (the function attribute that allows the width) and
// NAME(x). The compiler's vector types stand for the instructions, so that one text serves every processor.

typedef uint32_t NAME(words) __attribute__((vector_size(4 * LANES)));
typedef uint64_t NAME(pairs) __attribute__((vector_size(4 * LANES)));
typedef uint32_t NAME(loose) __attribute__((vector_size(4 * LANES), aligned(1), may_alias));
#define WORDS NAME(words)
#define PAIRS NAME(pairs)
#define LOOSE NAME(loose)

#if LANES == 16
#define LANE_NUMBERS {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}
#define LOW_WORDS(a, b) __builtin_shufflevector(a, b, 0, 16, 1, 17, 4, 20, 5, 21, 8, 24, 9, 25, 12, 28, 13, 29)
#define HIGH_WORDS(a, b) __builtin_shufflevector(a, b, 2, 18, 3, 19, 6, 22, 7, 23, 10, 26, 11, 27, 14, 30, 15, 31)
#define LOW_PAIRS(a, b) __builtin_shufflevector(a, b, 0, 8, 2, 10, 4, 12, 6, 14)
#define HIGH_PAIRS(a, b) __builtin_shufflevector(a, b, 1, 9, 3, 11, 5, 13, 7, 15)
#elif LANES == 8
#define LANE_NUMBERS {0, 1, 2, 3, 4, 5, 6, 7}
#define LOW_WORDS(a, b) __builtin_shufflevector(a, b, 0, 8, 1, 9, 4, 12, 5, 13)
#define HIGH_WORDS(a, b) __builtin_shufflevector(a, b, 2, 10, 3, 11, 6, 14, 7, 15)
#define LOW_PAIRS(a, b) __builtin_shufflevector(a, b, 0, 4, 2, 6)
#define HIGH_PAIRS(a, b) __builtin_shufflevector(a, b, 1, 5, 3, 7)
#else
#define LANE_NUMBERS {0, 1, 2, 3}
#define LOW_WORDS(a, b) __builtin_shufflevector(a, b, 0, 4, 1, 5)
#define HIGH_WORDS(a, b) __builtin_shufflevector(a, b, 2, 6, 3, 7)
#define LOW_PAIRS(a, b) __builtin_shufflevector(a, b, 0, 2)
#define HIGH_PAIRS(a, b) __builtin_shufflevector(a, b, 1, 3)
#endif

/// The twenty rounds, and the start added to their result.
TARGET static inline __attribute__((always_inline)) void NAME(permute)(WORDS x[16], const WORDS start[4],
                                                                      const uint32_t *word) {
    // Words 6…9 differ from lane to lane; the others are broadcast from memory, before and after.
    for (int i = 0; i < 16; i++) x[i] = i >= 6 && i <= 9 ? start[i - 6] : (WORDS){} + word[i];
    for (int i = 0; i < 10; i++) {
        QUARTER_ROUND(x[0], x[4], x[8], x[12]);
        QUARTER_ROUND(x[5], x[9], x[13], x[1]);
        QUARTER_ROUND(x[10], x[14], x[2], x[6]);
        QUARTER_ROUND(x[15], x[3], x[7], x[11]);
        QUARTER_ROUND(x[0], x[1], x[2], x[3]);
        QUARTER_ROUND(x[5], x[6], x[7], x[4]);
        QUARTER_ROUND(x[10], x[11], x[8], x[9]);
        QUARTER_ROUND(x[15], x[12], x[13], x[14]);
    }
    for (int i = 0; i < 16; i++) x[i] += i >= 6 && i <= 9 ? start[i - 6] : (WORDS){} + word[i];
}

/// Turns words side by side into blocks one behind the other: LANES blocks in sixteen vectors.
TARGET static inline __attribute__((always_inline)) void NAME(transpose)(WORDS x[16]) {
    // Four words of four blocks at a time, in each sixteen bytes of the vectors.
    for (int i = 0; i < 16; i += 4) {
        PAIRS ab = (PAIRS)LOW_WORDS(x[i], x[i + 1]), AB = (PAIRS)HIGH_WORDS(x[i], x[i + 1]);
        PAIRS cd = (PAIRS)LOW_WORDS(x[i + 2], x[i + 3]), CD = (PAIRS)HIGH_WORDS(x[i + 2], x[i + 3]);
        x[i] = (WORDS)LOW_PAIRS(ab, cd);
        x[i + 1] = (WORDS)HIGH_PAIRS(ab, cd);
        x[i + 2] = (WORDS)LOW_PAIRS(AB, CD);
        x[i + 3] = (WORDS)HIGH_PAIRS(AB, CD);
    }
    // Now sixteen bytes number L of x[4g + j] are a quarter, g, of block 4L + j.
    WORDS y[16];
    for (int j = 0; j < 4; j++) {
        PAIRS a = (PAIRS)x[j], b = (PAIRS)x[4 + j], c = (PAIRS)x[8 + j], d = (PAIRS)x[12 + j];
#if LANES == 16
        PAIRS ab = __builtin_shufflevector(a, b, 0, 1, 4, 5, 8, 9, 12, 13);
        PAIRS AB = __builtin_shufflevector(a, b, 2, 3, 6, 7, 10, 11, 14, 15);
        PAIRS cd = __builtin_shufflevector(c, d, 0, 1, 4, 5, 8, 9, 12, 13);
        PAIRS CD = __builtin_shufflevector(c, d, 2, 3, 6, 7, 10, 11, 14, 15);
        y[j] = (WORDS)__builtin_shufflevector(ab, cd, 0, 1, 4, 5, 8, 9, 12, 13);
        y[8 + j] = (WORDS)__builtin_shufflevector(ab, cd, 2, 3, 6, 7, 10, 11, 14, 15);
        y[4 + j] = (WORDS)__builtin_shufflevector(AB, CD, 0, 1, 4, 5, 8, 9, 12, 13);
        y[12 + j] = (WORDS)__builtin_shufflevector(AB, CD, 2, 3, 6, 7, 10, 11, 14, 15);
#elif LANES == 8
        y[2 * j] = (WORDS)__builtin_shufflevector(a, b, 0, 1, 4, 5);
        y[2 * j + 1] = (WORDS)__builtin_shufflevector(c, d, 0, 1, 4, 5);
        y[8 + 2 * j] = (WORDS)__builtin_shufflevector(a, b, 2, 3, 6, 7);
        y[8 + 2 * j + 1] = (WORDS)__builtin_shufflevector(c, d, 2, 3, 6, 7);
#else
        y[4 * j] = (WORDS)a;
        y[4 * j + 1] = (WORDS)b;
        y[4 * j + 2] = (WORDS)c;
        y[4 * j + 3] = (WORDS)d;
#endif
    }
    for (int i = 0; i < 16; i++) x[i] = y[i];
}

TARGET static void NAME(combine)(const uint32_t *state, uint8_t *output, const uint8_t *input,
                                 size_t length) {
    const WORDS lane = LANE_NUMBERS;
    uint64_t block = (uint64_t)state[9] << 32 | state[8];
    while (length > 0) {
        // A lane's number is carried into the high word where the low one wraps.
        WORDS low = (WORDS){} + (uint32_t)block + lane;
        WORDS high = (WORDS){} + (uint32_t)(block >> 32) - (WORDS)(low < lane);
        const WORDS start[4] = {(WORDS){} + state[6], (WORDS){} + state[7], low, high};
        WORDS x[16];
        NAME(permute)(x, start, state);
        NAME(transpose)(x);
        if (length >= sizeof x) {
            for (int i = 0; i < 16; i++) {
                ((LOOSE *)output)[i] = ((const LOOSE *)input)[i] ^ x[i];
            }
            output += sizeof x, input += sizeof x, length -= sizeof x, block += LANES;
            continue;
        }
        size_t whole = length / sizeof(WORDS);
        for (size_t i = 0; i < whole; i++) ((LOOSE *)output)[i] = ((const LOOSE *)input)[i] ^ x[i];
        const uint8_t *keystream = (const uint8_t *)x;
        for (size_t i = whole * sizeof(WORDS); i < length; i++) output[i] = input[i] ^ keystream[i];
        wipe(x, sizeof x);
        return;
    }
}

TARGET static void NAME(blocks)(const uint32_t *state, const uint32_t *lanes, uint8_t *output,
                                size_t count) {
    for (size_t done = 0; done < count; done += LANES) {
        const LOOSE *first = (const LOOSE *)(lanes + done);
        const WORDS start[4] = {first[0], first[BOX_CIPHER_LANE_COUNT / LANES],
                                first[2 * BOX_CIPHER_LANE_COUNT / LANES], (WORDS){}};
        WORDS x[16];
        NAME(permute)(x, start, state);
        NAME(transpose)(x);
        size_t vectors = (count - done < LANES ? count - done : LANES) * (64 / sizeof(WORDS));
        if (vectors == 16) {
            for (int i = 0; i < 16; i++) ((LOOSE *)output)[i] = x[i];
        } else {
            for (size_t i = 0; i < vectors; i++) ((LOOSE *)output)[i] = x[i];
            wipe(x, sizeof x);
        }
        output += sizeof x;
    }
}

#undef WORDS
#undef PAIRS
#undef LOOSE
#undef LANE_NUMBERS
#undef LOW_WORDS
#undef HIGH_WORDS
#undef LOW_PAIRS
#undef HIGH_PAIRS
