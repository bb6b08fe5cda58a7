"""Writes a Bitcask directory as basho/bitcask's format has it, and prints what it holds.

    bitcask.py DIR SEED

Random sets, deletions by tombstones of all versions, files that are full, hint files for some, marks of
deleted files, and a torn tail. What must be read of it goes to stdout as JSON lines in hex digits.
"""
import json
import os
import random
import struct
import sys
import zlib

TOMBSTONE = b"bitcask_tombstone"


class Writer:
    def __init__(self, folder, rng):
        self.folder, self.rng, self.number = folder, rng, 0
        self.live = {}
        self.files = []
        self.begin()

    def begin(self):
        self.number += self.rng.randrange(1, 5)
        self.data, self.hint = b"", b""

    def put(self, key, value, time):
        rest = struct.pack(">IHI", time, len(key), len(value)) + key + value
        record = struct.pack(">I", zlib.crc32(rest)) + rest
        place = len(self.data) | (value.startswith(TOMBSTONE) << 63)
        self.hint += struct.pack(">IHIQ", time, len(key), len(record), place) + key
        self.data += record

    def set(self, key, value, time):
        self.put(key, value, time)
        self.live[key] = value

    def delete(self, key, time):
        value = self.rng.choice(
            [TOMBSTONE, TOMBSTONE + b"1" + struct.pack(">I", self.number),
             TOMBSTONE + b"2" + struct.pack(">I", self.number)])
        self.put(key, value, time)
        self.live.pop(key, None)

    def end(self, torn=b""):
        path = os.path.join(self.folder, "%d.bitcask." % self.number)
        with open(path + "data", "wb") as file:
            file.write(self.data + torn)
        if self.rng.random() < 0.5 and not torn:
            trailer = struct.pack(">IHIQ", 0, 0, zlib.crc32(self.hint), (1 << 63) - 1)
            with open(path + "hint", "wb") as file:
                file.write(self.hint + trailer)
        self.files.append(path + "data")


def main(folder, seed):
    rng = random.Random(seed)
    os.mkdir(folder)
    writer = Writer(folder, rng)
    # What a merge has left behind, to be removed later.
    stale = os.path.join(folder, "999999.bitcask.data")
    writer.put(b"stale", b"x", 2 ** 31)
    with open(stale, "wb") as file:
        file.write(writer.data)
    os.chmod(stale, 0o4600)
    writer.begin()
    time = 1_000_000
    for _ in range(3000):
        time += rng.randrange(2)
        key = rng.choice([b"k%d" % rng.randrange(300), rng.randbytes(rng.randrange(1, 40))])
        if rng.random() < 0.3:
            writer.delete(key, time)
        else:
            writer.set(key, rng.randbytes(rng.choice([0, 1, 30, 17, 22, 500])), time)
        if len(writer.data) > 60_000:
            writer.end()
            writer.begin()
    last = writer.data
    writer.put(b"torn", b"y" * 50, time)
    torn = writer.data[len(last):-rng.randrange(1, 60)]
    writer.data = last
    writer.end(torn)
    for key, value in sorted(writer.live.items()):
        print(json.dumps({"keyHex": key.hex(), "valueHex": value.hex()}))


main(sys.argv[1], int(sys.argv[2]))
