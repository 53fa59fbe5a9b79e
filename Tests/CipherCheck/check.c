// Prints what a kernel makes of seeded input, or, built with -DLIBSODIUM, what libsodium makes of the same: so that
// two processors' bytes can be compared line by line. `.ci/neon` builds and runs both.
#include "box_cipher.h"

#include <stdio.h>
#include <string.h>

#if defined(LIBSODIUM)
#include <sodium.h>
#endif

enum { CASE_COUNT = 4000, MAXIMUM = 4200 };

/// SplitMix64.
static uint64_t seed = 20261127;
static uint64_t next(void) {
    uint64_t z = seed += 0x9e3779b97f4a7c15;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}

static void fill(uint8_t *bytes, size_t length) {
    for (size_t i = 0; i < length; i++) bytes[i] = (uint8_t)(next() >> 24);
}

static void print(const char *name, int number, size_t length, const uint8_t *bytes) {
    uint64_t hash = 0xcbf29ce484222325;
    for (size_t i = 0; i < length; i++) hash = (hash ^ bytes[i]) * 0x100000001b3;
    printf("%s %d %zu %016llx\n", name, number, length, (unsigned long long)hash);
}

int main(void) {
#if defined(LIBSODIUM)
    if (sodium_init() < 0) return 1;
#else
    const box_cipher_kernel *kernel;
    if (box_cipher_kernels(&kernel, 1) != 1) {
        fprintf(stderr, "this processor has no kernel\n");
        return 1;
    }
    fprintf(stderr, "%s\n", kernel->name);
#endif
    static uint8_t input[MAXIMUM], output[MAXIMUM], key[32], nonce[8];
    for (int number = 0; number < CASE_COUNT; number++) {
        fill(key, sizeof key);
        fill(nonce, sizeof nonce);
        size_t length = number < MAXIMUM / 2 ? (size_t)number * 2 + 1 : next() % MAXIMUM + 1;
        // A block number whose low word wraps within the message, now and then.
        uint64_t block = number % 3 == 0 ? 0xfffffff0 + next() % 16 : next() % 100;
        fill(input, length);
        size_t count = next() % BOX_CIPHER_LANE_COUNT + 1;
        uint32_t lanes[3 * BOX_CIPHER_LANE_COUNT];
        fill((uint8_t *)lanes, sizeof lanes);
#if defined(LIBSODIUM)
        if (crypto_stream_salsa20_xor_ic(output, input, length, nonce, block, key) != 0) return 1;
#else
        uint32_t state[16], words[8];
        memcpy(words, key, sizeof words);
        memcpy(state, "expa\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0nd 3", 24);
        memcpy(state + 6, nonce, sizeof nonce);
        memcpy(state + 1, words, 16);
        memcpy(state + 11, words + 4, 16);
        memcpy(state + 10, "2-by", 4);
        memcpy(state + 15, "te k", 4);
        state[8] = (uint32_t)block, state[9] = (uint32_t)(block >> 32);
        kernel->combine(state, output, input, length);
#endif
        print("combine", number, length, output);
#if defined(LIBSODIUM)
        for (size_t lane = 0; lane < count; lane++) {
            uint32_t row[4] = {lanes[lane], lanes[BOX_CIPHER_LANE_COUNT + lane],
                               lanes[2 * BOX_CIPHER_LANE_COUNT + lane], 0};
            uint8_t place[16];
            memcpy(place, row, sizeof place);
            if (crypto_core_salsa20(output + 64 * lane, place, key, NULL) != 0) return 1;
        }
#else
        kernel->blocks(state, lanes, output, count);
#endif
        print("blocks", number, 64 * count, output);
    }
    return 0;
}
