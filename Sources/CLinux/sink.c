// fopencookie(3) is behind _GNU_SOURCE.
#define _GNU_SOURCE 1
#include "include/clinux.h"

#include <stdio.h>

static ssize_t take(void *cookie, const char *bytes, size_t count) {
  struct stave_sink *sink = cookie;
  for (size_t i = 0; i < count; i++) {
    if (bytes[i] == '\a') sink->beeps++;
    if (bytes[i] == '\f') sink->clears++;
  }
  return (ssize_t)count;
}

FILE *stave_open_sink(struct stave_sink *sink) {
  cookie_io_functions_t functions = {.write = take};
  return fopencookie(sink, "w", functions);
}
