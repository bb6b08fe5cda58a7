#define _GNU_SOURCE 1
#include "include/cfloor.h"

#include <fcntl.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

struct cfloor {
  uint8_t *log;
  uint64_t end, size;
  uint64_t *slots;
  uint64_t mask;
  int fd;
};

struct head {
  uint32_t checksum, value_length;
  uint16_t key_length, kind;
};

cfloor *cfloor_open(const char *path, uint64_t bytes, uint64_t expected_keys) {
  cfloor *f = calloc(1, sizeof *f);
  f->fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  f->size = bytes;
  if (f->fd < 0 || fallocate(f->fd, 0, 0, (off_t)bytes)) abort();
  f->log = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, f->fd, 0);
  f->end = 64;
  uint64_t slots = 1024;
  while (slots * 6 / 10 < expected_keys) slots *= 2;
  f->mask = slots - 1;
  f->slots = mmap(NULL, slots * 8, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (f->log == MAP_FAILED || f->slots == MAP_FAILED) abort();
  madvise(f->slots, slots * 8, MADV_HUGEPAGE);
  return f;
}

void cfloor_close(cfloor *f) {
  munmap(f->log, f->size);
  munmap(f->slots, (f->mask + 1) * 8);
  close(f->fd);
  free(f);
}

static inline const struct head *record(cfloor *f, uint64_t slot) {
  return (const struct head *)(f->log + (slot & 0xffffffffffull) * 8);
}

static inline uint64_t *find(cfloor *f, uint64_t hash, const void *key, size_t key_length) {
  uint64_t tag = hash >> 40, at = hash & f->mask;
  for (;; at = (at + 1) & f->mask) {
    uint64_t slot = f->slots[at];
    if (!slot) return &f->slots[at];
    if (slot >> 40 != tag) continue;
    const struct head *h = record(f, slot);
    if (h->key_length == key_length && !memcmp(h + 1, key, key_length)) return &f->slots[at];
  }
}

static void append(cfloor *f, int kind, const void *key, size_t kl, const void *value, size_t vl,
                   uint64_t *slot, uint64_t hash) {
  struct head *h = (struct head *)(f->log + f->end);
  uint64_t at = f->end;
  f->end += (sizeof *h + kl + vl + 7) & ~7ull;
  if (f->end > f->size) abort();
  h->value_length = (uint32_t)vl;
  h->key_length = (uint16_t)kl;
  h->kind = (uint16_t)kind;
  memcpy(h + 1, key, kl);
  if (vl) memcpy((uint8_t *)(h + 1) + kl, value, vl);
  h->checksum = (uint32_t)XXH3_64bits((uint8_t *)h + 4, sizeof *h - 4 + kl + vl);
  *slot = (hash >> 40) << 40 | at / 8;
}

void cfloor_set(cfloor *f, const void *key, size_t kl, const void *value, size_t vl) {
  uint64_t hash = XXH3_64bits(key, kl);
  append(f, 1, key, kl, value, vl, find(f, hash, key, kl), hash);
}

const void *cfloor_get(cfloor *f, const void *key, size_t kl, size_t *length) {
  uint64_t *slot = find(f, XXH3_64bits(key, kl), key, kl);
  if (!*slot) return NULL;
  const struct head *h = record(f, *slot);
  if (h->kind != 1) return NULL;
  size_t n = sizeof *h - 4 + h->key_length + h->value_length;
  if (h->checksum != (uint32_t)XXH3_64bits((const uint8_t *)h + 4, n)) abort();
  *length = h->value_length;
  return (const uint8_t *)(h + 1) + h->key_length;
}

void cfloor_prefetch(cfloor *f, const void *keys, size_t kl, int count) {
  uint64_t hash[64];
  if (count > 64) abort();
  for (int i = 0; i < count; i++) {
    hash[i] = XXH3_64bits((const uint8_t *)keys + i * kl, kl);
    __builtin_prefetch(&f->slots[hash[i] & f->mask]);
  }
  for (int i = 0; i < count; i++) {
    uint64_t at = hash[i] & f->mask;
    while (f->slots[at] && f->slots[at] >> 40 != hash[i] >> 40) at = (at + 1) & f->mask;
    const char *h = (const char *)record(f, f->slots[at]);
    __builtin_prefetch(h);
    __builtin_prefetch(h + 64);
  }
}

void cfloor_scan(cfloor *f, cfloor_visit *visit, void *context) {
  for (uint64_t at = 64; at < f->end;) {
    const struct head *h = (const struct head *)(f->log + at);
    const uint8_t *key = (const uint8_t *)(h + 1);
    size_t n = sizeof *h - 4 + h->key_length + h->value_length;
    if (h->checksum != (uint32_t)XXH3_64bits((const uint8_t *)h + 4, n)) abort();
    uint64_t hash = XXH3_64bits(key, h->key_length);
    if (h->kind == 1 && (*find(f, hash, key, h->key_length) & 0xffffffffffull) == at / 8)
      visit(context, key, h->key_length, key + h->key_length, h->value_length);
    at += (sizeof *h + h->key_length + h->value_length + 7) & ~7ull;
  }
}

int cfloor_delete(cfloor *f, const void *key, size_t kl) {
  uint64_t hash = XXH3_64bits(key, kl), *slot = find(f, hash, key, kl);
  if (!*slot || record(f, *slot)->kind != 1) return 0;
  append(f, 2, key, kl, NULL, 0, slot, hash);
  return 1;
}

static uint64_t now(clockid_t clock) {
  struct timespec t;
  clock_gettime(clock, &t);
  return (uint64_t)t.tv_sec * 1000000000ull + (uint64_t)t.tv_nsec;
}

size_t cfloor_copy_all(cfloor_copy *copy, void *context, const void *keys, size_t key_length,
                       size_t count, size_t length) {
  static char buffer[1 << 20];
  size_t right = 0;
  for (size_t i = 0; i < count; i++) {
    const char *key = (const char *)keys + i * key_length;
    ptrdiff_t copied = copy(context, key, key_length, buffer, length);
    if (copied == (ptrdiff_t)length && !memcmp(buffer, key + key_length - 16, 16)) right++;
  }
  return right;
}

uint64_t cfloor_thread_nanoseconds(void) { return now(CLOCK_THREAD_CPUTIME_ID); }
uint64_t cfloor_process_nanoseconds(void) { return now(CLOCK_PROCESS_CPUTIME_ID); }
uint64_t cfloor_wall_nanoseconds(void) { return now(CLOCK_MONOTONIC); }

uint64_t cfloor_anonymous_bytes(void) {
  malloc_trim(0);
  FILE *f = fopen("/proc/self/status", "r");
  char line[256];
  unsigned long long kib = 0;
  while (f && fgets(line, sizeof line, f))
    if (sscanf(line, "RssAnon: %llu kB", &kib) == 1) break;
  if (f) fclose(f);
  return kib * 1024;
}
