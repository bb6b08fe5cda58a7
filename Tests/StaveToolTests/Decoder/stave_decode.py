#!/usr/bin/env python3
"""A second decoder of the format, written from docs/format.md alone.

    stave_decode.py DIR              MANIFEST, the keydir's checkpoint, every record and stretch of
                                     damage, a JSON object a line
    stave_decode.py DIR --compare    the same, compared with the lines of `stave inspect DIR --json` and
                                     `stave inspect DIR --from 0 --values full --json` on stdin;
                                     prints what differs, exit status 1 if anything does
"""
import json
import os
import struct
import sys
import time

M64 = (1 << 64) - 1
M32 = (1 << 32) - 1

# XXH3-64: the xxHash specification, section "XXH3".
P32 = (0x9E3779B1, 0x85EBCA77, 0xC2B2AE3D)
P64 = (0x9E3779B185EBCA87, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9, 0x85EBCA77C2B2AE63,
       0x27D4EB2F165667C5)
PRIME_MX1, PRIME_MX2 = 0x165667919E3779F9, 0x9FB21C651E98DF25
SECRET = bytes.fromhex(
    "b8fe6c3923a44bbe7c01812cf721ad1cded46de9839097db7240a4a4b7b3671fcb79e64eccc0e578825ad07dccff7221"
    "b8084674f743248ee03590e6813a264c3c2852bb91c300cb88d0658b1b532ea371644897a20df94e3819ef46a9deacd8"
    "a8fa763fe39c343ff9dcbbc7c70b4f1d8a51e04bcdb45931c89f7ec9d9787364eac5ac8334d3ebc3c581a0fffa1363eb"
    "170ddd51b7f0da49d316552629d4689e2b16be587d47a1fc8ff8b8d17ad031ce45cb3a8f95160428afd7fbcabb4b407e")


def u32(b, i):
    return int.from_bytes(b[i:i + 4], "little")


def u64(b, i):
    return int.from_bytes(b[i:i + 8], "little")


def fold(a, b):
    product = a * b
    return (product & M64) ^ (product >> 64)


def avalanche(h):
    h ^= h >> 37
    h = h * PRIME_MX1 & M64
    return h ^ (h >> 32)


def avalanche64(h):
    h = (h ^ (h >> 33)) * P64[1] & M64
    h = (h ^ (h >> 29)) * P64[2] & M64
    return h ^ (h >> 32)


def swap64(x):
    return int.from_bytes(x.to_bytes(8, "little"), "big")


def mix16(b, i, s, seed):
    return fold(u64(b, i) ^ (u64(SECRET, s) + seed & M64),
                u64(b, i + 8) ^ (u64(SECRET, s + 8) - seed & M64))


def xxh3(b, seed=0):
    n = len(b)
    if n == 0:
        return avalanche64(seed ^ u64(SECRET, 56) ^ u64(SECRET, 64))
    if n <= 3:
        word = b[0] << 16 | b[n >> 1] << 24 | b[n - 1] | n << 8
        return avalanche64(word ^ ((u32(SECRET, 0) ^ u32(SECRET, 4)) + seed & M64))
    if n <= 8:
        word = (u32(b, 0) << 32) + u32(b, n - 4)
        seed ^= int.from_bytes((seed & M32).to_bytes(4, "little"), "big") << 32
        h = word ^ ((u64(SECRET, 8) ^ u64(SECRET, 16)) - seed & M64)
        rotate = lambda x, k: (x << k | x >> (64 - k)) & M64
        h ^= rotate(h, 49) ^ rotate(h, 24)
        h = h * PRIME_MX2 & M64
        h ^= (h >> 35) + n
        h = h * PRIME_MX2 & M64
        return h ^ (h >> 28)
    if n <= 16:
        low = u64(b, 0) ^ ((u64(SECRET, 24) ^ u64(SECRET, 32)) + seed & M64)
        high = u64(b, n - 8) ^ ((u64(SECRET, 40) ^ u64(SECRET, 48)) - seed & M64)
        return avalanche((n + swap64(low) + high + fold(low, high)) & M64)
    if n <= 128:
        h = n * P64[0]
        for i in range((n - 1) // 32, -1, -1):
            h += mix16(b, 16 * i, 32 * i, seed) + mix16(b, n - 16 * (i + 1), 32 * i + 16, seed)
        return avalanche(h & M64)
    if n <= 240:
        h = n * P64[0]
        for i in range(8):
            h += mix16(b, 16 * i, 16 * i, seed)
        h = avalanche(h & M64)
        for i in range(8, n // 16):
            h += mix16(b, 16 * i, 16 * (i - 8) + 3, seed)
        return avalanche((h + mix16(b, n - 16, 136 - 17, seed)) & M64)
    return xxh3_long(b, b"".join(
        struct.pack("<QQ", u64(SECRET, i) + seed & M64, u64(SECRET, i + 8) - seed & M64)
        for i in range(0, len(SECRET), 16)))


def xxh3_long(b, SECRET):
    n = len(b)
    acc = [P32[2], P64[0], P64[1], P64[2], P64[3], P32[1], P64[4], P32[0]]

    def stripe(at, secret):
        data = struct.unpack_from("<8Q", b, at)
        keys = struct.unpack_from("<8Q", SECRET, secret)
        for i in range(8):
            key = data[i] ^ keys[i]
            acc[i ^ 1] += data[i]
            acc[i] = (acc[i] + (key & M32) * (key >> 32)) & M64

    stripes = (len(SECRET) - 64) // 8
    block = 64 * stripes
    blocks = (n - 1) // block
    for k in range(blocks):
        for s in range(stripes):
            stripe(k * block + 64 * s, 8 * s)
        keys = struct.unpack_from("<8Q", SECRET, len(SECRET) - 64)
        for i in range(8):
            a = acc[i] & M64
            acc[i] = ((a ^ (a >> 47) ^ keys[i]) * P32[0]) & M64
    for s in range((n - 1 - blocks * block) // 64):
        stripe(blocks * block + 64 * s, 8 * s)
    stripe(n - 64, len(SECRET) - 64 - 7)
    h = n * P64[0]
    for i in range(4):
        h += fold((acc[2 * i] & M64) ^ u64(SECRET, 11 + 16 * i),
                  (acc[2 * i + 1] & M64) ^ u64(SECRET, 11 + 16 * i + 8))
    return avalanche(h & M64)


def binding(identity, offset):
    return xxh3(struct.pack("<QQ", identity, offset))


# docs/format.md, "MANIFEST"
def manifest(folder):
    with open(os.path.join(folder, "MANIFEST"), "rb") as file:
        data = file.read()
    text, tail = data[:-26], data[-26:]
    if tail != b"checksum %016x\n" % xxh3(text):
        raise ValueError("MANIFEST checksum")
    segments, facts = [], {"type": "manifest"}
    version = int(text.split(b"\n")[0].split(b" ")[2])
    for line in text.decode("ascii").split("\n"):
        words = line.split(" ")
        if words[0] == "store":
            facts["store"] = words[1]
        elif words[0] in ("revision", "next-sequence", "next-segment", "complete-since"):
            facts[words[0].replace("-s", "S")] = int(words[1])
        elif words[0] == "history":
            facts["history"] = words[1]
        if words[0] != "segment":
            continue
        segment = {"number": int(words[1]), "identity": int(words[3], 16), "state": words[4],
                   "format": 1 if words[-2:] == ["format", "1"] else min(version, 2),
                   "durable": 80}
        if words[4] != "unsealed":
            segment["length"], segment["first"] = int(words[6]), int(words[8])
        elif version > 1:
            segment["durable"] = int(words[6])
        segments.append(segment)
    if version < 3:
        facts.update(completeSince=max(1, facts["nextSequence"]) - 1, history=facts["store"][16:])
    return {**facts, "segments": len(segments)}, segments


# "Keydir checkpoint"
def checkpoint(folder, facts, segments, newest):
    """Its facts, where it is there and checks out; and whether it names just the live records."""
    try:
        with open(os.path.join(folder, "keydir.checkpoint"), "rb") as file:
            data = file.read()
    except OSError:
        return None
    magic, version, flags, low, high, after, size, count, shards, zero = struct.unpack_from(
        "<8sIIQQQQIIQ", data)
    end = 64 + 64 * count + 24 * shards
    if (magic, version, flags, size) != (b"STAVEKEY", 2, 0, len(data)) or zero:
        raise ValueError("checkpoint header")
    if u64(data, end) != xxh3(data[:end]):
        raise ValueError("checkpoint checksum")
    known = [struct.unpack_from("<QQQQQQQII", data, 64 + 64 * i) for i in range(count)]
    at, keys, tables = (end + 8 + 63) // 64 * 64, 0, []
    for i in range(shards):
        buckets, used, live, _, checksum = struct.unpack_from("<IIIIQ", data, end - 24 * (shards - i))
        table = data[at:at + 64 * buckets]
        if xxh3(table) ^ binding(low, at) != checksum:
            raise ValueError("checkpoint table")
        words = struct.unpack("<%dQ" % (8 * buckets), table)
        if (sum(w > 0 for w in words), sum(w > 1 for w in words)) != (used, live):
            raise ValueError("checkpoint counts")
        tables.append(words)
        at, keys = at + 64 * buckets, keys + live
    listed = {s["number"]: s for s in segments}
    fits = "%016x%016x" % (high, low) == facts["store"]
    for number, identity, until, *_ in known:
        entry = listed.pop(number, {"identity": None})
        fits &= entry["identity"] == identity and entry["format"] > 1
        fits &= entry["state"] == "sealed" and entry["length"] == until
    fits &= all("length" not in s or s["first"] >= after or not s["first"] for s in listed.values())
    slots = {number: slot for number, *_, slot, _ in known}
    expected = 0
    for key, (sequence, file, offset, kind) in newest.items() if fits else ():
        if sequence >= after or kind != 1:
            continue
        expected += 1
        hashed = xxh3(key, low)
        tag, words = hashed >> 30 & 0xFFFFFF, tables[hashed >> 54]
        place = tag * (len(words) // 8) >> 24 << 3
        while words[place] not in (0, tag << 40 | slots[int(file[:10])] << 25 | offset // 8):
            place = (place + 1) % len(words)
        if not words[place]:
            raise ValueError("checkpoint does not name %r" % key)
    if fits and not expected <= keys <= expected + sum(n[0] >= after for n in newest.values()):
        raise ValueError("checkpoint has %d keys, not %d" % (keys, expected))
    return {"type": "checkpoint", "file": "keydir.checkpoint", "size": size, "keys": keys,
            "nextSequence": after, "fits": bool(fits)}


# "Record"
def header(data, at, identity, durable=0):
    """The record's fields where header and key check out, else None. Its value may be cut off with the
    file below `durable`."""
    if at % 8 or len(data) - at < 28 or at >= 256 << 20:
        return None
    h, v, sequence, when, vlen, klen, kind, flags = struct.unpack_from("<IIQIIHBB", data, at)
    if kind not in (1, 2) or not klen or vlen > 1 << 30 or (kind == 2 and vlen):
        return None
    length = (28 + klen + vlen + 7) // 8 * 8
    if at + length > max(len(data), durable) or at + 28 + klen > len(data):
        return None
    bound = binding(identity, at)
    if (xxh3(data[at + 4:at + 28 + klen]) ^ bound) & M32 != h:
        return None
    value = data[at + 28 + klen:at + 28 + klen + vlen]
    return {"valueLength": vlen, "offset": at, "length": length, "sequence": sequence, "time": when, "kind": kind,
            "flags": flags, "key": data[at + 28:at + 28 + klen], "value": value,
            "good": len(value) == vlen and (xxh3(value) ^ bound) & M32 == v}


# "Segment header"
def synced(data, segment):
    """Bytes that the synced marks cover; None where none checks out."""
    if len(data) < 80:
        return None
    version = u32(data, 8) if xxh3(data[:56]) == u64(data, 56) else segment["format"]
    words = struct.unpack_from("<QQ", data, 64)
    if version == 1:
        good = 80 <= words[0] <= 2 << 30 and words[1] == words[0] ^ binding(segment["identity"], words[0])
        return words[0] if good else None
    lengths = [(word & M32) * 8 for word in words
               if word >> 32 == binding(segment["identity"], word & M32) & M32
               and 80 <= (word & M32) * 8 <= 2 << 30]
    return max(lengths, default=None)


# "Torn tail and damage", rule 8
def batch(data, at, identity):
    """Where the batch ends that the record at `at` belongs to, or breaks off; whether it is whole; and
    whether a whole record stands behind bytes that break it off."""
    sequence = None
    while True:
        record = header(data, at, identity)
        if not record:
            return at, False, any(header(data, i, identity) for i in range(at + 8, len(data), 8))
        if sequence not in (None, record["sequence"]):
            return at, False, False
        until = at + record["length"]
        if not record["good"]:
            return at, False, bool(header(data, until, identity))
        at, sequence = until, record["sequence"] + 1
        if not record["flags"] & 1:
            return at, True, False


# "Torn tail and damage"
def walk(data, segment):
    identity = segment["identity"]
    sealed = segment["state"] == "sealed"
    mark = synced(data, segment)
    unmarked = not sealed and mark is None
    mark = segment["length"] if sealed else max(mark or 80, segment["durable"])
    if "length" in segment:
        data = data[:segment["length"]]
    at, end, batched = 80, len(data), 0
    while at < end or at < mark:
        record = header(data, at, identity) or header(data, at, identity, mark)
        above = not sealed and at >= mark
        if record and above and not record["good"] and unmarked:
            above = not header(data, at + record["length"], identity)
        half = False
        if record and not sealed and at >= max(mark, batched) and record["flags"] & 1 and record["good"]:
            until, whole, more = batch(data, at, identity)
            half = not whole and not (unmarked and more)
            batched = 0 if half else until
        if record and not half and not (above and not record["good"]):
            yield "record", record
            at += record["length"]
            continue
        following = None
        if not record:
            # Rule 6: the next record at the following multiples of 8.
            following = next((i for i in range(at + 8, end, 8) if header(data, i, identity)), None)
        until = end if following is None else following
        zeros = not any(data[at:])
        if following is None and sealed:
            until = mark
        elif following is not None and following > mark and at < mark and not unmarked:
            until = (mark + 7) // 8 * 8
        if sealed or at >= end or (following is not None and (not above or unmarked)) \
                or (not above and not zeros and until <= mark):
            until = max(until, mark) if at >= end else until
            yield "damage", (at, until)
            at = until
            continue
        if at < mark:
            yield "damage", (at, mark)
            at = mark
        last = len(data[at:].rstrip(b"\0"))
        tail = min((at + last + 7) // 8 * 8, end) if last else at
        if tail > at:
            yield "torn tail", (at, tail)
        if tail < end:
            yield "reserved", (tail, end)
        return


def name(number, suffix):
    return "%010d.%s" % (number, suffix)


def text(key, data):
    """As JSON of the inspector has it: a string where it is UTF-8, else hexadecimal digits."""
    try:
        return {key: data.decode("utf-8")}
    except UnicodeDecodeError:
        return {key + "Hex": data.hex()}


def decode(folder):
    lines, newest = [], {}
    facts, segments = manifest(folder)
    for segment in segments:
        file = name(segment["number"], "segment")
        with open(os.path.join(folder, file), "rb") as stream:
            data = stream.read()
        hint = {}
        if segment["state"] == "sealed":
            hint = hints(os.path.join(folder, name(segment["number"], "hint")), segment)
        damage = []
        for what, item in walk(data, segment):
            if what != "record":
                if what == "damage":
                    damage.append(item)
                lines.append({"type": what, "file": file, "offset": item[0],
                              "length": item[1] - item[0]})
                continue
            lines.append({"type": "record", "file": file, **item})
            place = (item["sequence"], file, item["offset"], item["kind"])
            newest[item["key"]] = max(newest.get(item["key"], place), place)
        # Rule 1: what is missing of a sealed segment is damage.
        if segment["state"] == "sealed" and len(data) < segment["length"]:
            damage.append((len(data), segment["length"]))
        # The hint file tells which keys lost their newest record.
        for key, (sequence, offset) in hint.items():
            if any(low <= offset < high for low, high in damage):
                newest[key] = max(newest.get(key, (0,)), (sequence, file, offset, 0))
    for line in lines:
        if line["type"] != "record":
            continue
        key, value, kind = line.pop("key"), line.pop("value"), line["kind"]
        sequence, file, offset, _ = newest[key]
        if (file, offset) != (line["file"], line["offset"]):
            line["state"] = "dead"
            line["supersededBy"] = "%d:%d" % (int(file[:10]), offset)
        else:
            line["state"] = "live" if kind == 1 else "tombstone"
        line["kind"] = "value" if kind == 1 else "tombstone"
        line["time"] = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(line["time"]))
        line["checksum"] = "ok" if line.pop("good") else "BAD"
        line["keyLength"] = len(key)
        line.update(text("key", key))
        if kind == 1:
            line.update(text("value", value))
    return [facts] + [c for c in [checkpoint(folder, facts, segments, newest)] if c] + lines


# "Hint file"
def hints(path, segment):
    """key -> (sequence, offset); empty where the file is missing or any check fails."""
    try:
        with open(path, "rb") as stream:
            data = stream.read()
    except OSError:
        return {}
    if len(data) < 72 or data[:8] != b"STAVEHNT":
        return {}
    version, flags, identity, length = struct.unpack_from("<IIQQ", data, 8)
    first, last, count = struct.unpack_from("<QQI", data, 32)
    checksum = xxh3(data[:-8]) ^ binding(identity, length)
    if (version, flags, identity, length) != (1, 0, segment["identity"], segment["length"]):
        return {}
    if u64(data, len(data) - 8) != checksum:
        return {}
    entries, at, previous = {}, 64, b""
    for index in range(count):
        if u32(data, len(data) - 8 - 4 * (count - index)) != at:
            raise ValueError("hint index")
        sequence, place, vlen, klen, kind, flags = struct.unpack_from("<QIIHBB", data, at)
        key = data[at + 20:at + 20 + klen]
        if not (first <= sequence <= last and previous < key and kind in (1, 2)):
            raise ValueError("hint entry")
        entries[key] = (sequence, place * 8)
        at, previous = at + 20 + klen, key
    return entries


def compare(ours, stream):
    kinds = {"manifest", "checkpoint", "record", "damage", "torn tail", "reserved"}
    theirs = [line for line in map(json.loads, stream) if line["type"] in kinds]
    for line in theirs:
        line.pop("text", None)
        line.pop("valueCut", None)
        if line["type"] == "record":
            line["checksum"] = line["checksum"][:3].strip()
    differences = 0
    for index in range(max(len(ours), len(theirs))):
        a = ours[index] if index < len(ours) else None
        b = theirs[index] if index < len(theirs) else None
        if a != b:
            differences += 1
            if differences <= 5:
                print("decoder:  ", a)
                print("inspector:", b)
    print("%d lines, %d differ" % (len(ours), differences))
    return 1 if differences or not ours else 0


if __name__ == "__main__":
    result = decode(sys.argv[1])
    if "--compare" in sys.argv:
        sys.exit(compare(result, sys.stdin))
    for item in result:
        print(json.dumps(item))
