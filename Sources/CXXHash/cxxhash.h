// libxxhash as a header: the hash is inlined into its caller (measured 14.5 ns a record against 18.3 through
// the shared library). The hints are set by hand, because Swift's importer of C looks like a compiler that does
// not inline. Call the three functions below.
#pragma once
#define XXH_INLINE_ALL
#define XXH_NO_INLINE_HINTS 0
#include <xxhash.h>
#include <stdint.h>

/// Each in one piece: called for every record, a call inside it would be felt.
static inline __attribute__((flatten)) uint64_t stave_hash(const void *bytes, size_t count) {
  return XXH3_64bits(bytes, count);
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
