// libedit's own interface (not its imitation of readline). Swift cannot call variadic functions, so
// each use of el_set, el_get and history has a wrapper here; none of them decides anything.
#pragma once
#include <histedit.h>
#include <langinfo.h>
#include <locale.h>
#include <stdio.h>
#include <string.h>

typedef unsigned char (*stave_key_function)(EditLine *, int);
/// el_rfunc_t with wchar_t spelled as what it is on Linux.
typedef int (*stave_read_function)(EditLine *, int *);

/// Modes and size come from `input`; `terminal` is only asked whether it is one, and nothing is
/// written to it.
static inline EditLine *stave_el_open(const char *program, FILE *sink, int input, int terminal) {
  return el_init_fd(program, stdin, sink, sink, input, terminal, terminal);
}
static inline char *stave_el_no_prompt(EditLine *e) {
  (void)e;
  return (char *)"";
}
static inline int stave_el_set_no_prompt(EditLine *e) {
  return el_set(e, EL_PROMPT, stave_el_no_prompt);
}
static inline int stave_el_set_editor(EditLine *e, const char *mode) {
  return el_set(e, EL_EDITOR, mode);
}
static inline int stave_el_set_number(EditLine *e, int operation, int value) {
  return el_set(e, operation, value);
}
static inline int stave_el_number(EditLine *e, int operation) {
  int value = -1;
  el_get(e, operation, &value);
  return value;
}
static inline int stave_el_is_vi(EditLine *e) {
  const char *mode = NULL;
  return el_get(e, EL_EDITOR, &mode) == 0 && mode && strcmp(mode, "vi") == 0;
}
static inline int stave_el_add_function(EditLine *e, const char *name, stave_key_function f) {
  return el_set(e, EL_ADDFN, name, name, f);
}
static inline int stave_el_bind(EditLine *e, const char *key, const char *function) {
  return el_set(e, EL_BIND, key, function, NULL);
}
/// The same for vi's command mode.
static inline int stave_el_bind_alternative(EditLine *e, const char *key, const char *function) {
  return el_set(e, EL_BIND, "-a", key, function, NULL);
}
/// While a line is edited, Ctrl-C, Ctrl-Z and Ctrl-\ arrive as bytes and not as signals. Between
/// two lines the terminal neither echoes nor edits.
static inline void stave_el_take_signal_keys(EditLine *e) {
  el_set(e, EL_SETTY, "-d", "-isig", NULL);
  el_set(e, EL_SETTY, "-x", "-echo", "-icanon", NULL);
}
/// What a beep and a cleared screen are in what libedit writes.
static inline void stave_el_mark_capabilities(EditLine *e) {
  el_set(e, EL_SETTC, "bl", "\a", NULL);
  el_set(e, EL_SETTC, "cl", "\f", NULL);
}
/// The size of the screen that libedit believes in until the next line begins. Replaces its picture
/// of the screen: nothing may be drawn before stave_el_refresh.
static inline void stave_el_set_size(EditLine *e, int columns, int rows) {
  char text[8];  // as many digits as libedit reads
  snprintf(text, sizeof text, "%d", columns);
  el_set(e, EL_SETTC, "co", text, NULL);
  snprintf(text, sizeof text, "%d", rows);
  el_set(e, EL_SETTC, "li", text, NULL);
}
static inline int stave_el_refresh(EditLine *e) { return el_set(e, EL_REFRESH); }
static inline int stave_el_set_data(EditLine *e, void *data) {
  return el_set(e, EL_CLIENTDATA, data);
}
static inline void *stave_el_data(EditLine *e) {
  void *data = NULL;
  el_get(e, EL_CLIENTDATA, &data);
  return data;
}
static inline int stave_el_set_history(EditLine *e, History *h) {
  return el_set(e, EL_HIST, history, h);
}
static inline int stave_el_set_reader(EditLine *e, stave_read_function f) {
  return el_set(e, EL_GETCFN, (el_rfunc_t)f);
}
static inline int stave_history_set_size(History *h, int size) {
  HistEvent event;
  return history(h, &event, H_SETSIZE, size);
}
static inline int stave_history_enter(History *h, const char *line) {
  HistEvent event;
  return history(h, &event, H_ENTER, line);
}

/// Takes the user's locale where it is UTF-8 and C.UTF-8 otherwise: without one, libedit drops
/// every character that is not ASCII. 1 where the result is UTF-8.
static inline int stave_use_utf8(void) {
  setlocale(LC_CTYPE, "");
  if (strcmp(nl_langinfo(CODESET), "UTF-8") != 0) setlocale(LC_CTYPE, "C.UTF-8");
  return strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
}

/// Columns a character takes on a terminal; -1 for one that cannot be printed.
extern int wcwidth(wchar_t);
static inline int stave_width(unsigned scalar) { return wcwidth((wchar_t)scalar); }
