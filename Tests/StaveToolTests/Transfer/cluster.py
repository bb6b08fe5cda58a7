"""The way to a Redis Cluster and back, on this machine.

    cluster.py STAVE FOLDER [KEYS]

Three servers on the loopback make a cluster. A store of KEYS keys of any bytes is exported to them, a
stream a node; each key is read back and compared; then a snapshot of each node is imported, and must be
the store again. The same with one server, from a snapshot file. In between `stave changes --follow` keeps the
servers in step with the store while it is written to and compacted. Exit status 0: all equal.
"""
import os
import random
import socket
import subprocess
import sys
import time

STAVE, FOLDER = sys.argv[1], sys.argv[2]
COUNT = int(sys.argv[3]) if len(sys.argv) > 3 else 200_000


def slot(key):
    """CRC-16/XMODEM of the key or its hash tag, bit by bit."""
    start = key.find(b"{")
    end = key.find(b"}", start + 1)
    if start >= 0 and end > start + 1:
        key = key[start + 1:end]
    crc = 0
    for byte in key:
        crc ^= byte << 8
        for _ in range(8):
            crc = (crc << 1 ^ 0x1021) & 0xFFFF if crc & 0x8000 else crc << 1
    return crc & 0x3FFF


class Client:
    """As much of a client as this needs."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=60)
        self.file = self.socket.makefile("rb")

    def send(self, *words):
        words = [w if isinstance(w, bytes) else str(w).encode() for w in words]
        parts = [b"*%d\r\n" % len(words)]
        for word in words:
            parts.append(b"$%d\r\n%s\r\n" % (len(word), word))
        self.socket.sendall(b"".join(parts))

    def receive(self):
        line = self.file.readline()
        kind, rest = line[:1], line[1:-2]
        if kind == b"-":
            raise RuntimeError(rest.decode())
        if kind == b"$":
            if int(rest) < 0:
                return None
            return self.file.read(int(rest) + 2)[:-2]
        if kind == b"*":
            return [self.receive() for _ in range(int(rest))]
        return int(rest) if kind == b":" else rest

    def call(self, *words):
        self.send(*words)
        return self.receive()


def free_ports(count):
    """Whose cluster bus, 10,000 above, is free as well."""
    ports = []
    while len(ports) < count:
        port = random.randrange(20_000, 50_000)
        try:
            for number in (port, port + 10_000):
                with socket.socket() as probe:
                    probe.bind(("127.0.0.1", number))
            ports.append(port)
        except OSError:
            pass
    return ports


def wait(what, ready):
    for _ in range(600):
        try:
            if ready():
                return
        except (OSError, RuntimeError):
            pass
        time.sleep(0.1)
    raise SystemExit("timed out: " + what)


class Server:
    def __init__(self, port, *options):
        self.port = port
        self.folder = os.path.join(FOLDER, str(port))
        os.makedirs(self.folder, exist_ok=True)
        self.process = subprocess.Popen(
            ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--dir", self.folder,
             "--save", "", "--appendonly", "no", *options], stdout=subprocess.DEVNULL)
        wait("server %d" % port, lambda: Client(port).call("PING") == b"PONG")

    def stop(self):
        self.process.terminate()
        self.process.wait()


def stave(*words, **options):
    return subprocess.run([STAVE, *words], check=True, stdout=subprocess.PIPE, **options).stdout


def make_store(path, rng):
    entries = {}
    while len(entries) < COUNT:
        key = rng.randbytes(rng.randrange(1, 30))
        if rng.random() < 0.1:
            key = b"{tag%d}" % rng.randrange(20) + key
        entries[key] = rng.randbytes(rng.choice([0, 5, 60, 100, 200]))
    lines = "".join(
        '{"keyHex":"%s","valueHex":"%s"}\n' % (k.hex(), v.hex()) for k, v in entries.items())
    stave("import", path, "--from", "jsonl", "--create", input=lines.encode())
    return entries


def check(entries, client_of):
    """Reads every key back; a MOVED would be an error."""
    items, wrong = list(entries.items()), None
    for start in range(0, len(items), 500):
        batch = items[start:start + 500]
        for key, _ in batch:
            client_of(key).send("GET", key)
        for key, value in batch:
            got = client_of(key).receive()
            if got != value:
                wrong = "key %r: %r, not %r" % (key, got, value)
    if wrong:
        raise SystemExit(wrong)


def pipe(port, data):
    out = subprocess.run(
        ["redis-cli", "-p", str(port), "--pipe"], input=data, stdout=subprocess.PIPE, check=True)
    if b"errors: 0" not in out.stdout:
        raise SystemExit("redis-cli --pipe: " + out.stdout.decode())


def follow(store, server, slots=None):
    """A follower that keeps `server` in step; ends with the pipe of `stave changes`."""
    words = [STAVE, "changes", store, "--follow", "--format", "resp"]
    if slots:
        words += ["--slots", slots]
    changes = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    client = subprocess.Popen(
        ["redis-cli", "-p", str(server.port), "--pipe"], stdin=changes.stdout,
        stdout=subprocess.PIPE)
    changes.stdout.close()
    return changes, client


def end_following(followers):
    for changes, client in followers:
        changes.terminate()
        if changes.wait() != 0:
            raise SystemExit("stave changes: status %d" % changes.returncode)
        out = client.communicate()[0]
        if b"errors: 0" not in out:
            raise SystemExit("redis-cli --pipe: " + out.decode())


def write_more(store, entries, rng):
    """A writer that sets, deletes and compacts for a while; `entries` then holds what there is."""
    writer = subprocess.Popen(
        [STAVE, "--segment-size", "1M", "--keep-deletions", "1h", store], stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL)
    keys = list(entries)
    for number in range(COUNT // 5):
        key = rng.choice(keys)
        word = b'"' + b"".join(b"\\x%02x" % byte for byte in key) + b'"'
        if rng.random() < 0.3:
            writer.stdin.write(b"delete " + word + b"\n")
            entries.pop(key, None)
        else:
            writer.stdin.write(b"set %s %d\n" % (word, number))
            entries[key] = b"%d" % number
        if number % (COUNT // 25) == 0:
            writer.stdin.write(b"compact\n" if number else b"sync\n")
    writer.stdin.close()
    if writer.wait() != 0:
        raise SystemExit("the writer: status %d" % writer.returncode)


def in_step(store, servers, entries, rng, slots, check_all):
    """Followers from the beginning, beside a writer, until all servers hold what the store does."""
    followers = [follow(store, server, part) for server, part in zip(servers, slots)]
    clients = [Client(server.port) for server in servers]
    write_more(store, entries, rng)
    last = time.time() + 600
    while True:
        try:
            if sum(client.call("DBSIZE") for client in clients) == len(entries):
                check_all()
                break
        except SystemExit:
            if time.time() > last:
                raise
        if time.time() > last:
            raise SystemExit("the servers do not come into step")
        time.sleep(0.2)
    end_following(followers)


def bring_back(servers, original, copy):
    """Snapshots of all nodes make the store again."""
    for server in servers:
        file = os.path.join(FOLDER, "back-%d.rdb" % server.port)
        subprocess.run(
            ["redis-cli", "-p", str(server.port), "--rdb", file], check=True,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        stave("import", copy, file, "--from", "rdb", "--create")
    stave("diff", original, copy)


def cluster(entries, store, rng):
    servers = [
        Server(port, "--cluster-enabled", "yes", "--cluster-port", str(port + 10_000))
        for port in free_ports(3)]
    try:
        clients = [Client(server.port) for server in servers]
        bounds = [0, 5461, 10923, 16384]
        for index, client in enumerate(clients):
            client.call("CLUSTER", "ADDSLOTSRANGE", bounds[index], bounds[index + 1] - 1)
            client.call("CLUSTER", "SET-CONFIG-EPOCH", index + 1)
        for server in servers[1:]:
            clients[0].call("CLUSTER", "MEET", "127.0.0.1", server.port)
        wait("the cluster", lambda: all(
            b"cluster_state:ok" in client.call("CLUSTER", "INFO") and
            client.call("CLUSTER", "NODES").count(b"connected") == 3 for client in clients))
        nodes = os.path.join(FOLDER, "nodes")
        with open(nodes, "wb") as file:
            file.write(clients[0].call("CLUSTER", "NODES"))
        print(stave("export", store, "--to", "resp", "--nodes", nodes, "--into", FOLDER).decode())
        for server in servers:
            with open(os.path.join(FOLDER, "127.0.0.1-%d.resp" % server.port), "rb") as file:
                pipe(server.port, file.read())
        owner = [sum(slot_number >= bound for bound in bounds[1:]) for slot_number in range(16384)]
        check(entries, lambda key: clients[owner[slot(key)]])
        if sum(client.call("DBSIZE") for client in clients) != len(entries):
            raise SystemExit("the cluster holds other keys as well")
        in_step(
            store, servers, entries, rng, ["0-5460", "5461-10922", "10923-16383"],
            lambda: check(entries, lambda key: clients[owner[slot(key)]]))
        bring_back(servers, store, os.path.join(FOLDER, "from-cluster"))
    finally:
        for server in servers:
            server.stop()


def single(entries, store, rng):
    port = free_ports(1)[0]
    folder = os.path.join(FOLDER, str(port))
    os.makedirs(folder)
    with open(os.path.join(folder, "dump.rdb"), "wb") as file:
        subprocess.run([STAVE, "export", store, "--to", "rdb"], check=True, stdout=file)
    subprocess.run(
        ["redis-check-rdb", os.path.join(folder, "dump.rdb")], check=True,
        stdout=subprocess.DEVNULL)
    server = Server(port)
    try:
        client = Client(port)
        check(entries, lambda key: client)
        bring_back([server], store, os.path.join(FOLDER, "from-rdb"))
        client.call("FLUSHALL")
        pipe(port, stave("export", store, "--to", "resp"))
        check(entries, lambda key: client)
        client.call("FLUSHALL")
        in_step(
            store, [server], entries, rng, [None],
            lambda: check(entries, lambda key: client))
        mark(store, server, client)
    finally:
        server.stop()


def mark(store, server, client):
    """The number under a key of the server is where a follower goes on."""
    def bring(*words):
        pipe(server.port, stave(
            "changes", store, "--format", "resp", "--mark", "stave:next", *words,
            stderr=subprocess.DEVNULL))
        return client.call("GET", "stave:next")
    first = bring("--since", "now")
    stave(store, "set", "one more", "value")
    second = bring("--since", first)
    if first == second or client.call("GET", "one more") != b"value":
        raise SystemExit("--mark: from %r to %r" % (first, second))


rng = random.Random(19)
store = os.path.join(FOLDER, "store")
entries = make_store(store, rng)
cluster(entries, store, rng)
single(entries, store, rng)
print("%d keys: there, and back again" % COUNT)
