#define _GNU_SOURCE 1
#include "include/clinux.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/membarrier.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

int stave_open(const char *path, int flags, mode_t mode) { return open(path, flags, mode); }

int stave_open_at(int directory, const char *name, int flags, mode_t mode) {
  return openat(directory, name, flags, mode);
}

int stave_fallocate(int fd, int64_t offset, int64_t length) {
  return fallocate(fd, 0, offset, length);
}

int stave_start_writeback(int fd, int64_t offset, int64_t length) {
  return sync_file_range(fd, offset, length, SYNC_FILE_RANGE_WRITE);
}

int stave_membarrier_register(void) {
  return (int)syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0);
}

int stave_membarrier(void) {
  return (int)syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0);
}

_Thread_local void *stave_thread_slot_value __attribute__((tls_model("initial-exec")));

static pthread_key_t exit_key;
static pthread_once_t exit_key_once = PTHREAD_ONCE_INIT;
static void (*exit_function)(void *);

static void run_exit_function(void *value) {
  stave_thread_slot_value = NULL;
  void (*function)(void *) = __atomic_load_n(&exit_function, __ATOMIC_ACQUIRE);
  if (function) function(value);
}

static void make_exit_key(void) { (void)pthread_key_create(&exit_key, run_exit_function); }

void stave_set_thread_slot(void *value, void (*on_exit)(void *)) {
  // Always the same function; other threads may be ending right now.
  __atomic_store_n(&exit_function, on_exit, __ATOMIC_RELEASE);
  (void)pthread_once(&exit_key_once, make_exit_key);
  stave_thread_slot_value = value;
  (void)pthread_setspecific(exit_key, value);
}

void stave_ignore_file_size_signal(void) { (void)signal(SIGXFSZ, SIG_IGN); }

char **stave_environment(void) { return environ; }

ssize_t stave_write_without_waiting(int fd, const void *bytes, size_t count) {
  struct iovec piece = {(void *)bytes, count};
  // Offset -1: where the descriptor stands, as for write(2).
  return pwritev2(fd, &piece, 1, -1, RWF_NOWAIT);
}
