#define _GNU_SOURCE 1
#include "include/clinux.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

// Notes are never freed, only used again, so that a handler may walk the list at any time. The note
// that a handler wants is not being changed: the thread that it interrupted is using that mapping.
struct note {
  _Atomic uintptr_t start; // 0: free
  uintptr_t end;
  char *path;
  struct note *next;
  struct note *next_free;
};

static _Atomic(struct note *) notes;
static struct note *free_notes;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

void *stave_note_mapping(const void *address, size_t length, const char *path) {
  char *copy = strdup(path);
  if (!copy) return NULL;
  pthread_mutex_lock(&lock);
  struct note *note = free_notes;
  if (note) {
    free_notes = note->next_free;
  } else if ((note = calloc(1, sizeof *note))) {
    note->next = atomic_load(&notes);
    atomic_store(&notes, note);
  }
  if (note) {
    note->end = (uintptr_t)address + length;
    note->path = copy;
    atomic_store(&note->start, (uintptr_t)address);
  } else {
    free(copy);
  }
  pthread_mutex_unlock(&lock);
  return note;
}

void stave_forget_mapping(void *which) {
  struct note *note = which;
  if (!note) return;
  pthread_mutex_lock(&lock);
  atomic_store(&note->start, 0);
  free(note->path);
  note->path = NULL;
  note->next_free = free_notes;
  free_notes = note;
  pthread_mutex_unlock(&lock);
}

static struct termios terminal;
static int has_terminal;

static void say(const char *text, size_t length) {
  while (length > 0) {
    ssize_t count = write(STDERR_FILENO, text, length);
    if (count <= 0) return;
    text += count;
    length -= (size_t)count;
  }
}

static void say_path(const char *path) {
  for (; *path; path++) {
    unsigned char byte = (unsigned char)*path;
    say(byte < 0x20 || byte == 0x7f ? "?" : path, 1);
  }
}

static void say_number(uintptr_t number) {
  char digits[24];
  size_t start = sizeof digits;
  do digits[--start] = (char)('0' + number % 10);
  while (number /= 10);
  say(digits + start, sizeof digits - start);
}

// Only what may be called in a handler: write, tcsetattr, signal, _exit.
static void on_bus_error(int number, siginfo_t *info, void *context) {
  (void)context;
  uintptr_t address = (uintptr_t)info->si_addr;
  for (struct note *note = atomic_load(&notes); note; note = note->next) {
    uintptr_t start = atomic_load(&note->start);
    if (start == 0 || address < start || address >= note->end) continue;
    if (has_terminal) (void)tcsetattr(STDIN_FILENO, TCSANOW, &terminal);
    static const char before[] = "stave: cannot read ", at[] = " at offset ",
                      after[] = ": it was cut, or the disk failed, while it was in use;"
                                " open the store again to see what is left\n";
    say(before, sizeof before - 1);
    say_path(note->path);
    say(at, sizeof at - 1);
    say_number(address - start);
    say(after, sizeof after - 1);
    _exit(74); // EX_IOERR
  }
  // None of ours: what would have happened without a handler.
  (void)signal(number, SIG_DFL);
}

void stave_exit_on_bus_error(void) {
  has_terminal = tcgetattr(STDIN_FILENO, &terminal) == 0;
  struct sigaction action;
  memset(&action, 0, sizeof action);
  action.sa_sigaction = on_bus_error;
  action.sa_flags = SA_SIGINFO;
  (void)sigaction(SIGBUS, &action, NULL);
}
