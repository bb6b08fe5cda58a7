// Prints what the functions of cxxhash.h say of some bytes: the same on every processor.
#include "cxxhash.h"
#include <stdio.h>

int main(void) {
  static unsigned char bytes[4096];
  for (size_t index = 0; index < sizeof bytes; index++) bytes[index] = (index * 2654435761u) >> 11;
  const uint64_t seeds[] = {0, 1, 0x9e3779b97f4a7c15, ~0ull};
  for (size_t count = 0; count <= 700; count++) {
    printf("%zu %016llx", count, (unsigned long long)stave_hash(bytes + count % 9, count));
    for (size_t index = 0; index < 4; index++) {
      uint64_t seed = seeds[index];
      printf(" %016llx", (unsigned long long)stave_hash_with_seed(bytes, count, seed));
      if (count < 9 || count > 16) continue;
      uint64_t low = stave_low_secret(seed), high = stave_high_secret(seed);
      uint64_t nine = stave_hash_9_to_16(bytes, count, low, high);
      if (nine != stave_hash_with_seed(bytes, count, seed)) return printf("9 to 16 differ\n"), 1;
    }
    printf("\n");
  }
  printf("%016llx\n", (unsigned long long)stave_hash(bytes, sizeof bytes));
  printf("%016llx\n", (unsigned long long)stave_hash_pair(1, ~0ull));
  return 0;
}
