// Which kernels this machine can run.
#include "kernel.h"

size_t box_cipher_kernels(const box_cipher_kernel **kernels, size_t capacity) {
    size_t count = 0;
#define OFFER(kernel)                                     \
    do {                                                  \
        if (count < capacity) kernels[count++] = &kernel; \
    } while (0)
#if defined(__x86_64__)
    // These ask the processor, and whether the operating system keeps the wide registers.
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bw")) {
        if (__builtin_cpu_supports("avx512ifma")) OFFER(box_cipher_avx512_ifma);
        OFFER(box_cipher_avx512);
    }
    if (__builtin_cpu_supports("avx2")) OFFER(box_cipher_avx2);
    OFFER(box_cipher_sse2);
#elif defined(__aarch64__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    OFFER(box_cipher_neon);
#else
    (void)kernels, (void)capacity;
#endif
    return count;
}

int box_cipher_is_optimized(void) {
#if defined(__OPTIMIZE__)
    return 1;
#else
    return 0;
#endif
}
