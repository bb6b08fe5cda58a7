#!/usr/bin/env python3
"""Lets a torture harness drive the program `stave`, whose path is in the environment variable
STAVE.

    stave.py write DIR     prints "ready" once the store is open, then reads lines "set K V",
                           "delete K", "compact", and answers each, in order, with "ok", which
                           means durable, or with "err REASON". At the end of the input the store
                           is closed.
    stave.py dump DIR      prints "K V" for every entry. Status 0 with nothing on stderr: all is
                           well; 1: something is damaged, and what is good was printed; 2:
                           nothing was.
    stave.py compact DIR   compacts the store offline.
    stave.py check DIR     status 0 only if the offline inspector finds nothing wrong.
    stave.py lazy DIR      as write, but "ok" means that the store took it: the line "sync" is
                           answered with "ok" once all before it is durable, and within a second
                           or so it is by itself.
    stave.py unsynced DIR  as lazy, but by itself nothing becomes durable.
    stave.py get DIR       reads keys, one a line, and prints "K V" for each that is there; status
                           as dump.
    stave.py count DIR     prints the number of keys; status 0 and nothing on stderr if all is well.
    stave.py repair DIR NEW
                           saves what can be read; status 0 only if nothing was lost.

K and V are percent-encoded: letters, digits and _-. stand for themselves, all else is %XX.

How the writer is made, and why:

1. The process that the harness started becomes the program itself, by exec; a child of it
   translates. So what the harness kills, limits or traces is the program and not an interpreter
   in front of it.
2. The program runs with --quiet, and an `echo ready` behind each command is the fence: it is
   printed once the commands before it are durable. A harness that counts lines on descriptor 1 of all
   processes as answers, except "ready", counts ours only. (A compaction's reply is one more line
   there.)
3. A command that fails reports "stdin:LINE:" on stderr before its fence, and --keep-going goes on.
4. Our descriptors have high numbers: who follows the calls of all processes in one table of
   descriptors must not see us close one that the program uses.
"""
import fcntl
import os
import re
import select
import signal
import subprocess
import sys
from urllib.parse import quote_from_bytes, unquote_to_bytes

STAVE = os.environ.get("STAVE", "stave")
SEGMENT_SIZE = os.environ.get("STAVE_SEGMENT_SIZE", "16K")
FENCE = b"echo ready\n"
DURABILITY = {"write": "always", "lazy": "interval", "unsynced": "os"}


def word(text):
    """Any bytes as a word of the shell."""
    return b'"' + b"".join(b"\\x%02x" % byte for byte in unquote_to_bytes(text)) + b'"'


def command(line):
    name, *words = line.decode().rstrip("\n").split(" ")
    return b" ".join([name.encode(), *map(word, words)])


def pipe():
    ends = os.pipe()
    high = [fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 500) for end in ends]
    for end in ends:
        os.close(end)
    return high


def write(what, directory):
    to_program, from_program, errors = pipe(), pipe(), pipe()
    if os.fork() == 0:
        for end in (to_program[0], from_program[1], errors[1]):
            os.close(end)
        Translator(to_program[1], from_program[0], errors[0]).run()
        os._exit(0)
    for target, end in enumerate((to_program[0], from_program[1], errors[1])):
        os.dup2(end, target)
    restore_signals()
    arguments = ["--create", "--durability", DURABILITY[what], "--keep-going", "--quiet"]
    os.execvp(STAVE, [STAVE, *arguments, "--segment-size", SEGMENT_SIZE, directory])


def restore_signals():
    """Python ignores these two, and who is executed would inherit that."""
    for number in (signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_DFL)


def say(descriptor, data):
    try:
        os.write(descriptor, data)
    except OSError:
        pass  # the reader has gone, or stderr is a file and files have a limit


class Translator:
    """Between the harness on 0, 1 and 2 and the program on three pipes."""

    def __init__(self, program, replies, errors):
        self.program, self.replies, self.errors = program, replies, errors
        os.set_blocking(program, False)
        os.set_blocking(errors, False)
        self.waiting = FENCE
        self.reply, self.report, self.lines = b"", b"", b""
        self.fences = 0
        # Reasons by line of the program's input. Line 1 is the fence of its start; command n, from
        # 1 on, is line 2n, with its fence behind it.
        self.reasons = {}

    def run(self):
        reading = [0, self.replies, self.errors]
        while self.replies in reading:
            writing = [self.program] if self.waiting else []
            readable, writable, _ = select.select(reading, writing, [])
            if writable:
                self.send()
            # Replies before errors: a command's error was written before its fence.
            for descriptor in (self.replies, self.errors, 0):
                if descriptor in readable and not self.receive(descriptor):
                    reading.remove(descriptor)
            if self.waiting is not None and not self.waiting and 0 not in reading:
                os.close(self.program)
                self.waiting = None
        while self.receive(self.errors):
            select.select([self.errors], [], [])

    def send(self):
        try:
            self.waiting = self.waiting[os.write(self.program, self.waiting):]
        except BrokenPipeError:
            self.waiting = b""

    def receive(self, descriptor):
        """Takes what there is; false at the end."""
        try:
            data = os.read(descriptor, 1 << 16)
        except BlockingIOError:
            return True
        if descriptor == 0:
            *whole, self.lines = (self.lines + data).split(b"\n")
            self.waiting += b"".join(command(line) + b"\n" + FENCE for line in whole)
        elif descriptor == self.errors:
            say(2, data)
            *whole, self.report = (self.report + data).split(b"\n")
            for line in whole:
                if match := re.match(rb"stdin:(\d+):(?:\d+:)? (.*)", line):
                    self.reasons[int(match[1])] = match[2]
        else:
            *whole, self.reply = (self.reply + data).split(b"\n")
            # The errors of these commands are there already.
            if whole:
                self.receive(self.errors)
            for _ in range(whole.count(b"ready")):
                self.answer()
        return bool(data)

    def answer(self):
        reason = self.reasons.pop(2 * self.fences, None)
        text = b"ready" if self.fences == 0 else b"ok" if reason is None else b"err " + reason
        self.fences += 1
        say(1, text + b"\n")


def dump(directory):
    program = subprocess.run(
        [STAVE, "--read-only", "--keep-going", "--format", "hex", directory],
        input=b"scan\n", capture_output=True)
    encode = lambda digits: quote_from_bytes(bytes.fromhex(digits.decode()), safe="")
    lines = program.stdout.split(b"\n")[:-1]
    for line in lines:
        key, _, value = line.partition(b" ")
        print(encode(key), encode(value))
    sys.stdout.flush()
    sys.stderr.buffer.write(program.stderr)
    if program.returncode < 0:
        return 128 - program.returncode
    if program.returncode == 0 and not program.stderr:
        return 0
    return 1 if lines else 2


def get(directory):
    keys = sys.stdin.buffer.read().split()
    script = b"".join(
        b"echo %d-\nget %s\n" % (index, word(key.decode())) for index, key in enumerate(keys))
    program = subprocess.run(
        [STAVE, "--read-only", "--keep-going", "--quiet", "--format", "hex", directory],
        input=script, capture_output=True)
    lines = program.stdout.split(b"\n")[:-1]
    for line, following in zip(lines, [*lines[1:], b"-"]):
        if line.endswith(b"-") and not following.endswith(b"-"):
            value = bytes.fromhex(following.decode())
            print(keys[int(line[:-1])].decode(), quote_from_bytes(value, safe=""))
    sys.stdout.flush()
    sys.stderr.buffer.write(program.stderr)
    return 128 - program.returncode if program.returncode < 0 else program.returncode


def main():
    what, directory, *more = sys.argv[1:]
    # A path is no option, whatever it begins with.
    directory = os.path.join(os.getcwd(), directory)
    if what in DURABILITY:
        write(what, directory)
    if what == "get":
        sys.exit(get(directory))
    if what == "dump":
        sys.exit(dump(directory))
    restore_signals()
    if what == "compact":
        os.execvp(STAVE, [STAVE, "--segment-size", SEGMENT_SIZE, directory, "compact"])
    if what == "check":
        os.execvp(STAVE, [STAVE, "inspect", "--verify", directory])
    if what == "count":
        os.execvp(STAVE, [STAVE, "--read-only", directory, "count"])
    if what == "repair":
        os.execvp(STAVE, [STAVE, "repair", directory, *more])
    sys.exit(64)


main()
