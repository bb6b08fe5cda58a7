#define _GNU_SOURCE 1
#include "include/clinux.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/membarrier.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/vfs.h>
#include <unistd.h>

int stave_open(const char *path, int flags, mode_t mode) { return open(path, flags, mode); }

int stave_open_at(int directory, const char *name, int flags, mode_t mode) {
  return openat(directory, name, flags, mode);
}

int stave_open_above(int directory) {
  return openat(directory, "..", O_PATH | O_DIRECTORY | O_CLOEXEC);
}

int stave_fallocate(int fd, int keeps_size, int64_t offset, int64_t length) {
  return fallocate(fd, keeps_size ? FALLOC_FL_KEEP_SIZE : 0, offset, length);
}

int stave_copies_on_write(int fd) {
  struct statfs status;
  if (fstatfs(fd, &status) != 0) return 0;
  switch ((uint32_t)status.f_type) {
  case 0x9123683e: // btrfs
  case 0x2fc12fc1: // ZFS
  case 0xca451a4e: // bcachefs
  case 0x3434:     // NILFS
    return 1;
  default:
    return 0;
  }
}

int stave_start_writeback(int fd, int64_t offset, int64_t length) {
  return sync_file_range(fd, offset, length, SYNC_FILE_RANGE_WRITE);
}

int stave_identify(int descriptor, const char *name, int follows_links,
                   struct stave_identity *identity) {
  struct statx found;
  int flags = (*name ? 0 : AT_EMPTY_PATH) | (follows_links ? 0 : AT_SYMLINK_NOFOLLOW);
  if (statx(descriptor, name, flags, STATX_INO | STATX_NLINK, &found) != 0) return -1;
  identity->device = (uint64_t)found.stx_dev_major << 32 | found.stx_dev_minor;
  identity->inode = found.stx_ino;
  identity->links = found.stx_nlink;
  return 0;
}

int stave_membarrier_register(void) {
  return (int)syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0);
}

int stave_membarrier(void) {
  return (int)syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0);
}

_Thread_local void *stave_thread_slot_value __attribute__((tls_model("initial-exec")));

_Thread_local uint64_t stave_held_locks_value __attribute__((tls_model("initial-exec")));

static pthread_key_t exit_key;
static pthread_once_t exit_key_once = PTHREAD_ONCE_INIT;
static void (*exit_function)(void *);

static void run_exit_function(void *value) {
  stave_thread_slot_value = NULL;
  void (*function)(void *) = __atomic_load_n(&exit_function, __ATOMIC_ACQUIRE);
  if (function) function(value);
}

static void make_exit_key(void) { (void)pthread_key_create(&exit_key, run_exit_function); }

void *stave_thread_value(void) {
  (void)pthread_once(&exit_key_once, make_exit_key);
  return pthread_getspecific(exit_key);
}

void stave_set_thread_value(void *value, void (*on_exit)(void *)) {
  // Always the same function; other threads may be ending right now.
  __atomic_store_n(&exit_function, on_exit, __ATOMIC_RELEASE);
  (void)pthread_once(&exit_key_once, make_exit_key);
  (void)pthread_setspecific(exit_key, value);
}

void stave_ignore_file_size_signal(void) { (void)signal(SIGXFSZ, SIG_IGN); }

// Lost pages, as ranges: one that follows the range before makes it longer. Where the table is
// full, more pages are replaced all the same, but not remembered.
#define LOST_RANGES 256
static struct { uintptr_t start, end; } lost_ranges[LOST_RANGES];
static volatile int lost_count;
static uintptr_t page_size;

static void replace_lost_page(int number, siginfo_t *info, void *context) {
  (void)context;
  int saved = errno;
  uintptr_t size = page_size;
  uintptr_t page = (uintptr_t)info->si_addr & ~(size - 1);
  // Zeros for good. A page that is not a mapped file's, or that no memory is left for, ends the
  // process: the faulting instruction runs again under the default action.
  if (info->si_code != BUS_ADRERR ||
      mmap((void *)page, size, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) ==
          MAP_FAILED) {
    (void)signal(number, SIG_DFL);
  } else if (lost_count > 0 && lost_ranges[lost_count - 1].end == page) {
    lost_ranges[lost_count - 1].end = page + size;
  } else if (lost_count < LOST_RANGES) {
    lost_ranges[lost_count].start = page;
    lost_ranges[lost_count].end = page + size;
    lost_count += 1;
  }
  errno = saved;
}

void stave_survive_lost_pages(void) {
  page_size = (uintptr_t)sysconf(_SC_PAGESIZE);
  struct sigaction action = {0};
  action.sa_sigaction = replace_lost_page;
  action.sa_flags = SA_SIGINFO;
  (void)sigaction(SIGBUS, &action, NULL);
}

int64_t stave_first_lost_page(const void *start, int64_t length) {
  uintptr_t low = (uintptr_t)start, high = low + (uintptr_t)length, first = high;
  for (int index = 0; index < lost_count; index += 1) {
    uintptr_t page = lost_ranges[index].start < low ? low : lost_ranges[index].start;
    if (lost_ranges[index].end > page && page < first) first = page;
  }
  return first < high ? (int64_t)(first - low) : -1;
}

void stave_forget_lost_pages(const void *start, int64_t length) {
  if (lost_count == 0) return;
  uintptr_t low = (uintptr_t)start, high = low + (uintptr_t)length;
  int kept = 0;
  for (int index = 0; index < lost_count; index += 1) {
    if (lost_ranges[index].end > low && lost_ranges[index].start < high) continue;
    lost_ranges[kept++] = lost_ranges[index];
  }
  lost_count = kept;
}

const void *stave_find(const void *bytes, size_t count, const void *text, size_t text_count) {
  return memmem(bytes, count, text, text_count);
}

char **stave_environment(void) { return environ; }

ssize_t stave_write_without_waiting(int fd, const void *bytes, size_t count) {
  struct iovec piece = {(void *)bytes, count};
  // Offset -1: where the descriptor stands, as for write(2).
  return pwritev2(fd, &piece, 1, -1, RWF_NOWAIT);
}

void stave_grow_pipe(int fd, int bytes) {
  int now = fcntl(fd, F_GETPIPE_SZ);
  if (now >= 0 && now < bytes) (void)fcntl(fd, F_SETPIPE_SZ, bytes);
}
