// The floor that Stave is measured against: a hash index in memory over a mapped, preallocated log,
// with XXH3 over each record, keys only in the log. No durability, no recovery, no concurrency, no
// deletion record, fixed capacity: what this design costs at least.
#pragma once
#include <stddef.h>
#include <stdint.h>

typedef struct cfloor cfloor;

cfloor *cfloor_open(const char *path, uint64_t bytes, uint64_t expected_keys);
void cfloor_close(cfloor *);
void cfloor_set(cfloor *, const void *key, size_t key_length, const void *value, size_t length);
/// The value's place, or NULL. The checksum is verified.
const void *cfloor_get(cfloor *, const void *key, size_t key_length, size_t *length);
/// Asks for what `cfloor_get` of these keys will need: `count` keys (at most 64) of `key_length`
/// bytes.
void cfloor_prefetch(cfloor *, const void *keys, size_t key_length, int count);
typedef void cfloor_visit(void *context, const void *key, size_t key_length, const void *value,
                          size_t length);
/// Visits every live record in the order of the log, with its checksum verified.
void cfloor_scan(cfloor *, cfloor_visit *, void *context);
int cfloor_delete(cfloor *, const void *key, size_t key_length);
/// Copies a key's value into `buffer`; returns its length, or -1 where the key is absent.
typedef ptrdiff_t cfloor_copy(void *context, const void *key, size_t key_length, void *buffer,
                              size_t capacity);
/// Calls `copy` for `count` keys, one behind the other in memory; returns how many got a value of
/// `length` bytes (at most 1 MiB) that begins as it must, with the key's last 16.
size_t cfloor_copy_all(cfloor_copy *copy, void *context, const void *keys, size_t key_length,
                       size_t count, size_t length);
uint64_t cfloor_thread_nanoseconds(void);
uint64_t cfloor_process_nanoseconds(void);
uint64_t cfloor_wall_nanoseconds(void);
/// Anonymous memory of this process that is resident, in bytes.
uint64_t cfloor_anonymous_bytes(void);
