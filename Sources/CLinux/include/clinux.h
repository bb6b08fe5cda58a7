// What the kernel and libc offer and Swift's Glibc module does not show: variadic calls, calls
// behind _GNU_SOURCE, a thread-local variable, a prefetch and comparisons of eight words at once.
// Nothing here decides anything.
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

int stave_open(const char *path, int flags, mode_t mode);
int stave_open_at(int directory, const char *name, int flags, mode_t mode);
/// The directory above, only to be looked at and walked further: it may be one that this user may
/// not read (O_PATH).
int stave_open_above(int directory);
int stave_fallocate(int fd, int keeps_size, int64_t offset, int64_t length);
/// Not 0 where the file lies on a file system that writes changed pages to new places.
int stave_copies_on_write(int fd);
/// Starts writing a range of a file back, without waiting for it (sync_file_range(2)).
int stave_start_writeback(int fd, int64_t offset, int64_t length);

/// Which file `name` leads to in an open directory, or which one is open where it is "", and how
/// many names it has. Not stat(2): asking for a file's times makes its next change cost a journal
/// entry (Linux 6.13).
struct stave_identity {
  uint64_t device, inode;
  uint32_t links;
};
int stave_identify(int descriptor, const char *name, int follows_links,
    struct stave_identity *identity);

/// membarrier(2), private expedited: 0, or -1 where the kernel does not offer it.
int stave_membarrier_register(void);
int stave_membarrier(void);

/// One word per thread, which costs nothing to read; empty when the thread's value goes.
extern _Thread_local void *stave_thread_slot_value
    __attribute__((tls_model("initial-exec")));
static inline void *stave_thread_slot(void) { return stave_thread_slot_value; }
static inline void stave_set_thread_slot(void *value) { stave_thread_slot_value = value; }
/// Another, and what runs when the thread that set it ends. Always the same function.
void *stave_thread_value(void);
void stave_set_thread_value(void *value, void (*on_exit)(void *));

/// One bit for each lock that the thread holds; Stave's debug builds check their order with it.
extern _Thread_local uint64_t stave_held_locks_value __attribute__((tls_model("initial-exec")));

static inline uint64_t stave_held_locks(void) { return stave_held_locks_value; }
static inline void stave_set_held_locks(uint64_t locks) { stave_held_locks_value = locks; }

static inline void stave_prefetch(const void *address) { __builtin_prefetch(address, 0, 3); }

/// Which of the eight words at `bucket`, a cache line, have `tag` in their upper 24 bits: a bit
/// each. A reader that uses a word loads it again; here all are read at once, while others may
/// change them: x86 tears no aligned word and keeps loads in order, and the fence holds the
/// compiler to that.
__attribute__((no_sanitize("thread"), always_inline)) static inline uint32_t
stave_slots_with_tag(const void *bucket, uint32_t tag) {
#ifdef __SSE2__
  const __m128 *pairs = (const __m128 *)bucket;
  // The upper halves of four words.
  __m128i first = _mm_castps_si128(_mm_shuffle_ps(pairs[0], pairs[1], _MM_SHUFFLE(3, 1, 3, 1)));
  __m128i second = _mm_castps_si128(_mm_shuffle_ps(pairs[2], pairs[3], _MM_SHUFFLE(3, 1, 3, 1)));
  __atomic_thread_fence(__ATOMIC_ACQUIRE);
  __m128i wanted = _mm_set1_epi32((int)tag);
  first = _mm_cmpeq_epi32(_mm_srli_epi32(first, 8), wanted);
  second = _mm_cmpeq_epi32(_mm_srli_epi32(second, 8), wanted);
  __m128i all = _mm_packs_epi16(_mm_packs_epi32(first, second), _mm_setzero_si128());
  return (uint32_t)_mm_movemask_epi8(all);
#else
  const uint64_t *words = (const uint64_t *)bucket;
  uint32_t slots = 0;
  for (int i = 0; i < 8; i++)
    slots |= (uint32_t)(__atomic_load_n(words + i, __ATOMIC_ACQUIRE) >> 40 == tag) << i;
  return slots;
#endif
}

/// Is one of the eight lanes of 16 bits at `lanes`, aligned to 16 bytes, `value`? What is said of
/// the eight words above holds here, too.
__attribute__((no_sanitize("thread"))) static inline _Bool stave_has_lane(const void *lanes,
    uint16_t value) {
#ifdef __SSE2__
  __m128i all = _mm_load_si128((const __m128i *)lanes);
  __atomic_thread_fence(__ATOMIC_ACQUIRE);
  return _mm_movemask_epi8(_mm_cmpeq_epi16(all, _mm_set1_epi16((short)value))) != 0;
#else
  // A lane is zero where it is the same; borrows only reach lanes above one that is.
  const uint64_t *words = (const uint64_t *)lanes;
  const uint64_t ones = 0x0001000100010001ull;
  uint64_t first = __atomic_load_n(words, __ATOMIC_ACQUIRE) ^ value * ones;
  uint64_t second = __atomic_load_n(words + 1, __ATOMIC_ACQUIRE) ^ value * ones;
  return ((((first - ones) & ~first) | ((second - ones) & ~second)) & ones << 15) != 0;
#endif
}

/// memmem(3).
const void *stave_find(const void *bytes, size_t count, const void *text, size_t text_count);
/// The environment, as a list that ends with NULL.
char **stave_environment(void);
/// write(2) that takes what fits without waiting; -1 with EOPNOTSUPP where that is not to be had.
ssize_t stave_write_without_waiting(int fd, const void *bytes, size_t count);

/// Lets a pipe hold up to `bytes` where it may; nothing happens to a descriptor of another kind.
void stave_grow_pipe(int fd, int bytes);

/// SIGXFSZ ignored: a file-size limit is then an error of the call, not the end of the process.
void stave_ignore_file_size_signal(void);

/// Remembers which file is mapped where, for the message of `stave_exit_on_bus_error`. Returns what
/// `stave_forget_mapping` takes, before the mapping goes; NULL where there is no memory.
void *stave_note_mapping(const void *address, size_t length, const char *path);
void stave_forget_mapping(void *note);
/// From now on a mapped file that is cut, or cannot be read, ends the process with a message that
/// names it and status 74. For a program; a library leaves signals alone.
void stave_exit_on_bus_error(void);

/// A page of a mapped file that cannot be read raises SIGBUS: the file became shorter, or its disk
/// failed. After this call such a page is replaced by zeros instead, and remembered.
void stave_survive_lost_pages(void);
/// Where the first lost page of `length` mapped bytes at `start` begins; -1 where none was lost.
int64_t stave_first_lost_page(const void *start, int64_t length);
/// Forgets what was lost there, as another file may be mapped there next.
void stave_forget_lost_pages(const void *start, int64_t length);

/// A stream that keeps nothing of what is written to it but the number of beeps and form feeds; the
/// sink must live as long as the stream.
struct stave_sink {
  int beeps, clears;
};
FILE *stave_open_sink(struct stave_sink *sink);
