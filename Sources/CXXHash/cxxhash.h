// libxxhash as a header: the hash is inlined into its caller (measured 14.5 ns a record against 18.3 through
// the shared library). The hints are set by hand, because Swift's importer of C looks like a compiler that does
// not inline. Call the four functions at the end.
#pragma once
#define XXH_INLINE_ALL
#define XXH_NO_INLINE_HINTS 0
#include <xxhash.h>
#include <stdint.h>
#include <string.h>

#ifdef __SSE2__
// XXH3-64 of 17 to 128 bytes, the same number in the processor's vector unit.
//
// libxxhash computes it with scalar multiplications. A look-up waits for its record's bytes, and all of those
// wait with it; they fill the queue in front of the scalar units (88 places in a Zen 5), and the processor cannot
// go on to the next look-up. Here they wait in front of the vector unit, and two look-ups overlap: a get of 100
// bytes takes 0.66 of the time. Where nobody waits, as in a scan, the scalar code is faster by 4 ns; with more
// bytes than these nothing is gained. docs/decisions/0002-xxhash.md.

typedef uint64_t stave_lanes __attribute__((vector_size(16)));

static inline __attribute__((always_inline)) stave_lanes stave_load(const uint8_t *bytes) {
  stave_lanes lanes;
  memcpy(&lanes, bytes, sizeof lanes);
  return lanes;
}

/// XXH3_mix16B of the 16 bytes at `a`, in lane 0, and of those at `b`, in lane 1: both halves of each, xor the
/// secret's, are multiplied to 128 bits, whose halves are xored.
static inline __attribute__((always_inline)) stave_lanes stave_mix(const uint8_t *a, const uint8_t *secret_a,
                                                                   const uint8_t *b, const uint8_t *secret_b) {
  const stave_lanes low_half = {0xffffffff, 0xffffffff};
  stave_lanes mixed_a = stave_load(a) ^ stave_load(secret_a);
  stave_lanes mixed_b = stave_load(b) ^ stave_load(secret_b);
  stave_lanes x = __builtin_shufflevector(mixed_a, mixed_b, 0, 2);
  stave_lanes y = __builtin_shufflevector(mixed_a, mixed_b, 1, 3);
  // Long multiplication with digits of 32 bits.
  stave_lanes x0 = x & low_half, x1 = x >> 32, y0 = y & low_half, y1 = y >> 32;
  stave_lanes p00 = x0 * y0, p01 = x0 * y1, p10 = x1 * y0, p11 = x1 * y1;
  stave_lanes middle = (p00 >> 32) + (p01 & low_half) + p10;
  stave_lanes low = (p00 & low_half) | (middle << 32);
  stave_lanes high = p11 + (p01 >> 32) + (middle >> 32);
  return low ^ high;
}

/// From both ends inwards.
static inline uint64_t stave_hash_17_to_128(const uint8_t *bytes, size_t count) {
  const uint8_t *end = bytes + count, *secret = XXH3_kSecret;
  stave_lanes sum = stave_mix(bytes, secret, end - 16, secret + 16);
  if (count > 32) sum += stave_mix(bytes + 16, secret + 32, end - 32, secret + 48);
  if (count > 64) sum += stave_mix(bytes + 32, secret + 64, end - 48, secret + 80);
  if (count > 96) sum += stave_mix(bytes + 48, secret + 96, end - 64, secret + 112);
  return XXH3_avalanche(count * XXH_PRIME64_1 + sum[0] + sum[1]);
}

#endif

#ifdef __x86_64__
/// libxxhash's own choice of AVX-512, AVX2 or SSE2 for more than 240 bytes, made at run time: three to seven times
/// as fast as what the header compiles to for every x86-64. Weak, because the library can be built without it.
extern uint64_t XXH3_64bits_dispatch(const void *bytes, size_t count) __attribute__((weak));
#endif

/// XXH3-64 with seed 0. Like the others in one piece: called for every record, a call inside it would be felt.
static inline __attribute__((flatten)) uint64_t stave_hash(const void *bytes, size_t count) {
#ifdef __x86_64__
  if (count > 240 && XXH3_64bits_dispatch) return XXH3_64bits_dispatch(bytes, count);
#endif
  return XXH3_64bits(bytes, count);
}
/// The same of bytes that are still on their way from memory.
static inline __attribute__((flatten)) uint64_t stave_hash_awaited(const void *bytes, size_t count) {
#ifdef __SSE2__
  if (count > 16 && count <= 128) return stave_hash_17_to_128((const uint8_t *)bytes, count);
#endif
  return stave_hash(bytes, count);
}
static inline __attribute__((flatten)) uint64_t stave_hash_with_seed(const void *bytes, size_t count,
                                                                     uint64_t seed) {
  return XXH3_64bits_withSeed(bytes, count, seed);
}
/// XXH3-64 of two numbers, little-endian.
static inline __attribute__((flatten, always_inline)) uint64_t stave_hash_pair(uint64_t first,
                                                                               uint64_t second) {
  uint64_t pair[2];
  XXH_writeLE64(&pair[0], first);
  XXH_writeLE64(&pair[1], second);
  return XXH3_64bits(pair, sizeof pair);
}
