// libxxhash as a header, so that short hashes are inlined into their caller (measured 14.5 ns a
// record against 18.3 through the shared library). The hints are set by hand, because Swift's
// importer of C looks like a compiler that does not inline. Call the three functions at the end.
#pragma once
#define XXH_INLINE_ALL
#define XXH_NO_INLINE_HINTS 0
#include <xxhash.h>
#include <stdint.h>
#include <string.h>

#if XXH_VERSION_NUMBER < 800
#error "XXH3 is stable since xxHash 0.8.0"
#endif

// A call that leaves the caller what it has in registers: a look-up, which makes one call, saves
// none before it.
#if defined __x86_64__ || defined __aarch64__
#define STAVE_CALL __attribute__((noinline, preserve_most))
#else
#define STAVE_CALL __attribute__((noinline))
#endif

#ifdef __x86_64__
// XXH3-64 of 33 to 240 bytes, the same number in the processor's vector unit.
//
// libxxhash computes it with scalar multiplications. A look-up waits for its record's bytes, and
// all of those wait with it; they fill the queue in front of the scalar units (88 places in a Zen
// 5), and the processor cannot go on to the next look-up. Here they are a quarter as many, and wait
// in front of the vector unit: two look-ups overlap, and a get takes 0.5 to 0.7 of the time.
// docs/decisions/0006-vector-checksums.md.

#define STAVE_AVX2 static inline __attribute__((target("avx2")))

typedef uint64_t stave_lanes __attribute__((vector_size(32)));

STAVE_AVX2 __attribute__((always_inline)) stave_lanes stave_load(const uint8_t *first,
    const uint8_t *second) {
  stave_lanes lanes;
  memcpy(&lanes, first, 16);
  memcpy((uint8_t *)&lanes + 16, second, 16);
  return lanes;
}

STAVE_AVX2 __attribute__((always_inline)) uint64_t stave_sum(stave_lanes lanes) {
  return (lanes[0] + lanes[1]) + (lanes[2] + lanes[3]);
}

/// XXH3_mix16B of four times 16 bytes: both halves of each, xor the secret's, are multiplied to 128
/// bits, whose halves are xored. Lanes: first 16 bytes of `a`, first of `b`, second of `a`, second
/// of `b`.
STAVE_AVX2 __attribute__((always_inline)) stave_lanes stave_mix(const uint8_t *a,
    stave_lanes secret_a,
                                                                const uint8_t *b,
                                                                    stave_lanes secret_b) {
  const stave_lanes low_half = {0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff};
  stave_lanes mixed_a = stave_load(a, a + 16) ^ secret_a, mixed_b = stave_load(b, b +
      16) ^ secret_b;
  stave_lanes x = __builtin_shufflevector(mixed_a, mixed_b, 0, 4, 2, 6);
  stave_lanes y = __builtin_shufflevector(mixed_a, mixed_b, 1, 5, 3, 7);
  // Long multiplication with digits of 32 bits.
  stave_lanes x0 = x & low_half, x1 = x >> 32, y0 = y & low_half, y1 = y >> 32;
  stave_lanes p00 = x0 * y0, p01 = x0 * y1, p10 = x1 * y0, p11 = x1 * y1;
  stave_lanes middle = (p00 >> 32) + (p01 & low_half) + p10;
  stave_lanes low = (p00 & low_half) | (middle << 32);
  stave_lanes high = p11 + (p01 >> 32) + (middle >> 32);
  return low ^ high;
}

/// 64 bytes one behind the other.
STAVE_AVX2 __attribute__((always_inline)) uint64_t stave_mix_64(const uint8_t *bytes,
    const uint8_t *secret) {
  stave_lanes secret_a = stave_load(secret, secret + 16), secret_b = stave_load(secret + 32,
      secret + 48);
  return stave_sum(stave_mix(bytes, secret_a, bytes + 32, secret_b));
}

/// What is summed up over 33 to 128 bytes: pairs of 16 from both ends inwards, two to four of them.
STAVE_AVX2 STAVE_CALL uint64_t stave_sum_33_to_128(const uint8_t *bytes, size_t count) {
  const uint8_t *end = bytes + count, *secret = XXH3_kSecret;
  stave_lanes sum =
      stave_mix(bytes, stave_load(secret, secret + 32), end - 32, stave_load(secret + 48,
          secret + 16));
  if (count > 64) {
    stave_lanes inner =
        stave_mix(bytes + 32, stave_load(secret + 64, secret + 96), end - 64, stave_load(secret +
            112, secret + 80));
    // Up to 96 bytes have no fourth pair.
    const stave_lanes third = {~0ull, 0, 0, ~0ull};
    if (count <= 96) inner &= third;
    sum += inner;
  }
  return stave_sum(sum);
}

/// 128 bytes; then the whole 16 behind them, with another stretch of the secret, and the last 16.
STAVE_AVX2 __attribute__((noinline)) uint64_t stave_hash_129_to_240(const uint8_t *bytes,
    size_t count) {
  const uint8_t *end = bytes + count, *rest = bytes + 128, *secret = XXH3_kSecret;
  uint64_t sum = stave_mix_64(bytes, secret) + stave_mix_64(bytes + 64, secret + 64);
  sum = XXH3_avalanche(count * XXH_PRIME64_1 + sum);
  secret += XXH3_MIDSIZE_STARTOFFSET;
  if (end - rest >= 64) {
    sum += stave_mix_64(rest, secret);
    rest += 64;
    secret += 64;
  }
  for (; end - rest >= 16; rest += 16, secret += 16) sum += XXH3_mix16B(rest, secret, 0);
  sum += XXH3_mix16B(end - 16, XXH3_kSecret + XXH3_SECRET_SIZE_MIN - XXH3_MIDSIZE_LASTOFFSET, 0);
  return XXH3_avalanche(sum);
}

/// libxxhash's own choice of AVX-512, AVX2 or SSE2 for more than 240 bytes, made at run time: three
/// to seven times as fast as what the header compiles to for every x86-64. Weak, because the
/// library can be built without it.
extern uint64_t XXH3_64bits_dispatch(const void *bytes, size_t count) __attribute__((weak));
#endif

static __attribute__((flatten, unused)) STAVE_CALL uint64_t stave_hash_any(const void *bytes,
    size_t count) {
#ifdef __x86_64__
  if (count > 128 && count <= 240 && __builtin_cpu_supports("avx2"))
    return stave_hash_129_to_240((const uint8_t *)bytes, count);
  if (count > 240 && XXH3_64bits_dispatch) return XXH3_64bits_dispatch(bytes, count);
#endif
  return XXH3_64bits(bytes, count);
}
/// XXH3-64 with seed 0.
static inline __attribute__((always_inline)) uint64_t stave_hash(const void *bytes, size_t count) {
#ifdef __x86_64__
  if (count - 33 <= 95 && __builtin_cpu_supports("avx2"))
    return XXH3_avalanche(count * XXH_PRIME64_1 + stave_sum_33_to_128((const uint8_t *)bytes,
        count));
#endif
  return stave_hash_any(bytes, count);
}
static __attribute__((flatten,
    unused)) STAVE_CALL uint64_t stave_hash_any_with_seed(const void *bytes, size_t count,
                                                                                    uint64_t seed) {
  return XXH3_64bits_withSeed(bytes, count, seed);
}
/// XXH3-64 with a seed.
static inline __attribute__((always_inline)) uint64_t stave_hash_with_seed(const void *bytes,
    size_t count,
                                                                           uint64_t seed) {
  if (count - 9 > 7) return stave_hash_any_with_seed(bytes, count, seed);
  return XXH3_len_9to16_64b((const uint8_t *)bytes, count, XXH3_kSecret, seed);
}

// The same of 9 to 16 bytes (XXH3_len_9to16_64b), with what it makes of the secret and the seed
// made before.
static inline uint64_t stave_low_secret(uint64_t seed) {
  return (XXH_readLE64(XXH3_kSecret + 24) ^ XXH_readLE64(XXH3_kSecret + 32)) + seed;
}
static inline uint64_t stave_high_secret(uint64_t seed) {
  return (XXH_readLE64(XXH3_kSecret + 40) ^ XXH_readLE64(XXH3_kSecret + 48)) - seed;
}
static inline __attribute__((flatten,
    always_inline)) uint64_t stave_hash_9_to_16(const void *bytes, size_t count,
                                                                                  uint64_t low,
                                                                                      uint64_t
                                                                                          high) {
  const uint8_t *start = (const uint8_t *)bytes;
  low ^= XXH_readLE64(start);
  high ^= XXH_readLE64(start + count - 8);
  return XXH3_avalanche(count + XXH_swap64(low) + high + XXH3_mul128_fold64(low, high));
}
/// XXH3-64 of two numbers, little-endian.
static inline __attribute__((flatten, always_inline)) uint64_t stave_hash_pair(uint64_t first,
                                                                               uint64_t second) {
  uint64_t pair[2];
  XXH_writeLE64(&pair[0], first);
  XXH_writeLE64(&pair[1], second);
  return XXH3_64bits(pair, sizeof pair);
}
