"""Writes first inputs for every target, made from tests/fixtures: python3 fuzz/seed.py FOLDER"""

import gzip
import hashlib
import pathlib
import sys
import zlib

SIGNALS = ("-traces", "-metrics", "-logs")
# Long inputs slow a fuzzer down, and hold nothing that short ones do not.
BYTES_MAX = 6_000
PER_KIND = 8


def put(folder, target, selector, body):
    """One input: the first byte chooses signal, compression or kind."""
    data = bytes([selector]) + body
    (folder / target).mkdir(parents=True, exist_ok=True)
    (folder / target / hashlib.sha1(data).hexdigest()).write_bytes(data)


def bare(body):
    """Deflate without zlib's header."""
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(body) + packer.flush()


def recipe(body):
    """Two groups of entries whose bodies are slices of a request, then one damage: the lowest bit of byte 100."""
    out = bytearray([2])
    for group in range(2):
        out.append(group)
        for part in range(group + 1):
            length = min(len(body), 40 + part)
            out += bytes([part, length]) + body[:length]
    return bytes(out) + bytes([0, 100, 0, 2, 1])


def main(folder):
    """Small fixtures first, of each kind and signal so many."""
    fixtures = pathlib.Path(__file__).parent.parent / "tests/fixtures/otlp"
    counts = {}
    for file in sorted(fixtures.glob("*/*"), key=lambda file: (file.stat().st_size, str(file))):
        signal = next((place for place, word in enumerate(SIGNALS) if word in file.name), None)
        target = {".pb": "protobuf", ".json": "json"}.get(file.suffix)
        if signal is None or target is None or file.stat().st_size > BYTES_MAX:
            continue
        counts[target, signal] = counts.get((target, signal), 0) + 1
        if counts[target, signal] > PER_KIND:
            continue
        body = file.read_bytes()
        put(folder, target, signal, body)
        if target == "protobuf" and counts[target, signal] <= 3:
            for selector, packed in ((0, gzip.compress(body, mtime=0)), (1, zlib.compress(body)), (1, bare(body))):
                put(folder, "inflate", selector, packed)
            put(folder, "segment", 1, recipe(body))
    print(", ".join(f"{target}: {len(list((folder / target).iterdir()))}" for target in ("protobuf", "json", "inflate", "segment")))


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
