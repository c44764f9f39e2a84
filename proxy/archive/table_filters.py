"""Tells which words cannot be in a table, by Bloom filters.

In: the rows of a table's file; the words of a query. Out: a small file of bits; "not in the table" or "perhaps". Never: a word that can be
read back, a word that is in the table and not in its filter.

Tables are sorted by person, so a word sought over half a year without a person may stand in any row group of any table. Most words stand in
the tables of a few days or of none, and a filter says so at the cost of one page read. The same holds for a person who is in the tables of
ten days of two hundred: opening each table costs more than reading it.

    person                       the hash, of rows of any kind; all else of submits only
    provider, verdict, reason    whole, and provider with reason          sender   4 and 6 digits in a row
    signature                    1 and 2 characters in a row              text     2 and 3 characters in a row, 6 of a code or a link

A run of ASCII letters and digits counts as one character of a text. What a campaign varies per person (a price, a code) then gives the same
text, which is read once; half of a remembered code is the same character, too.

A filter consists of blocks of 64 bytes; a word has its block, and three bits in it. A filter is as large as a table of half a million
different words needs, from 4 KiB to 1 MiB: beyond that it only says "perhaps" more often.
"""

import contextlib
import os
import re
import struct
from collections.abc import Iterable, Iterator
from pathlib import Path

from pyarrow import parquet
from xxhash import xxh3_64_intdigest

from proxy.archive.manifest import Manifest, TableFile, digest_of
from proxy.archive.query import Query
from proxy.runtime import atomic_files

SUFFIX = ".bloom"
_HEAD = struct.Struct(">8sHHI16s")  # magic, format, nothing, blocks, what the table's digest begins with
_MAGIC, _FORMAT = b"GATE106B", 1
BLOCK_BYTES = 64
BLOCKS_MAX, BLOCKS_LEAST = 1 << 14, 1 << 6
FILL_MAX = 0.4  # of the bits are set, if size allows: an absent word passes one time in fifteen, five in a row never
HELD_MAX = 300_000  # different words that are held before they become bits: some 30 MB
WORDS_MAX = 12  # of a question are looked for; the first that is missing decides
BATCH_ROWS = 65_536
COLUMNS = ("provider", "port", "outcome", "reason", "signature", "text")
_CODE = re.compile(r"[0-9A-Za-z]+")
_LONG = re.compile(r"[0-9A-Za-z]{6,}")
_ANY_CODE = "0"


def path_of(file: Path) -> Path:
    return file.with_suffix(SUFFIX)


# -- words


def _runs(text: str, size: int) -> Iterable[str]:
    return [text[at : at + size] for at in range(len(text) - size + 1)]


def _plain(text: str) -> str:
    return _CODE.sub(_ANY_CODE, text)


def _codes(text: str) -> Iterator[str]:
    for code in _LONG.findall(text):
        yield from _runs(code, 6)


def person_word(person: int) -> bytes:
    return b"w%d" % person


def query_words(question: Query) -> list[bytes]:
    """Words that stand in every table which has a submit that is asked for; none where a filter can say nothing."""
    found = list[str]()
    if question.provider:
        found.append(f"p{question.provider}" + (f"\0{question.reason}" if question.reason else ""))
    if question.reason:
        found.append(f"r{question.reason}")
    if question.verdict:
        found.append(f"o{question.verdict}")
    if question.sender:
        size = 6 if len(question.sender) >= 6 else 4
        found += [f"f{run}" for run in _runs(question.sender, size)]
    if question.signature:
        found += [f"s{run}" for run in _runs(question.signature, min(2, len(question.signature)))]
    plain = _plain(question.text)
    found += [f"t{run}" for run in (*_codes(question.text), *_runs(plain, 3 if len(plain) > 2 else 2))]
    every = max(1, -(-len(found) // WORDS_MAX))
    return [word.encode("utf-8", "surrogatepass") for word in dict.fromkeys(found[::every] + found[-1:])]


class _WordSet:
    """Of one table, as bits."""

    def __init__(self) -> None:
        self.bits = bytearray(BLOCKS_MAX * BLOCK_BYTES)
        self._texts = set[str]()
        self._others = set[str]()

    def add(self, columns: dict[str, list[str]], persons: Iterable[int]) -> None:
        """Different values of each column, of submits; ``pairs``: of provider and reason. ``persons``: of all rows."""
        for person in persons:
            self._set(person_word(person))
        others = self._others
        others.update([f"p{one}" for one in columns["provider"]], [f"p{one}" for one in columns["pairs"]])
        others.update([f"r{one}" for one in columns["reason"]], [f"o{one}" for one in columns["outcome"]])
        for port in columns["port"]:
            others.update([f"f{run}" for size in (4, 6) for run in _runs(port, size)])
        for name in columns["signature"]:
            others.update([f"s{run}" for size in (1, 2) for run in _runs(name, size)])
        texts = self._texts
        for text in columns["text"]:
            texts.update(_codes(text))
            if len(texts) > HELD_MAX:
                self.settle()
        for plain in {_plain(text) for text in columns["text"]}:
            texts.update(_runs(plain, 2), _runs(plain, 3))
            if len(texts) > HELD_MAX:
                self.settle()

    def settle(self) -> None:
        """Sets the bits of the collected words."""
        for values, prefix in ((self._texts, "t"), (self._others, "")):
            for word in values:
                self._set((prefix + word).encode("utf-8", "surrogatepass"))
            values.clear()

    def _set(self, word: bytes) -> None:
        block, places = _place(word)
        at = (block & BLOCKS_MAX - 1) * BLOCK_BYTES
        for place in places:
            self.bits[at + (place >> 3)] |= 1 << (place & 7)

    def folded(self) -> bytes:
        """As few blocks as may be: the upper half is laid over the lower as long as there is room."""
        self.settle()
        bits = int.from_bytes(self.bits, "little")
        blocks = BLOCKS_MAX
        while blocks > BLOCKS_LEAST:
            half = blocks // 2 * BLOCK_BYTES * 8
            over = (bits >> half) | (bits & ((1 << half) - 1))
            if over.bit_count() > FILL_MAX * half:
                break
            bits, blocks = over, blocks // 2
        return bits.to_bytes(blocks * BLOCK_BYTES, "little")


def _place(word: bytes) -> tuple[int, tuple[int, int, int]]:
    """A number that chooses the block, and three bits of it."""
    hashed = xxh3_64_intdigest(word)
    return hashed >> 32, (hashed & 511, hashed >> 9 & 511, hashed >> 18 & 511)


# -- made


def make(folder: Path, manifest: Manifest) -> int:
    """Filters of files that have none yet (an earlier gate made none); how many. The manifest is changed, not written. OSError."""
    made = 0
    for file in manifest.files():
        path = folder / file.name
        if file.name not in manifest.blooms or not path_of(path).is_file():
            atomic_files.write_file(path_of(path), pack(path, file))
            manifest.blooms[file.name] = digest_of(path_of(path))
            made += 1
    return made


def pack(path: Path, file: TableFile) -> bytes:
    """The filter of a file of a table. OSError."""
    words = _WordSet()
    for columns, persons in _batches(path):
        words.add(columns, persons)
    bits = words.folded()
    return _HEAD.pack(_MAGIC, _FORMAT, 0, len(bits) // BLOCK_BYTES, bytes.fromhex(file.digest)[:16]) + bits


def _batches(path: Path) -> Iterator[tuple[dict[str, list[str]], list[int]]]:
    with parquet.ParquetFile(path) as table:
        for batch in table.iter_batches(BATCH_ROWS, columns=["kind", "person", *COLUMNS], use_threads=False):
            submits = batch.filter([kind == "verdict" for kind in batch.column("kind").to_pylist()])
            columns = {name: submits.column(name).unique().to_pylist() for name in COLUMNS}
            pairs = zip(submits.column("provider").to_pylist(), submits.column("reason").to_pylist(), strict=True)
            keys = [f"{provider}\0{reason}" for provider, reason in set(pairs) if reason]
            yield columns | {"pairs": keys}, batch.column("person").unique().to_pylist()


def remove_tables(folder: Path, files: Iterable[TableFile]) -> None:
    """Removes files that the manifest does not name any more, and their filters. OSError."""
    for file in files:
        atomic_files.remove_file(folder / file.name)
        atomic_files.remove_file(path_of(folder / file.name))


# -- asked


def may_contain(path: Path, file: TableFile, words: Iterable[bytes]) -> bool:
    """Whether a file of a table may hold all words; True where its filter is not there, or is not its own. OSError only where the disk
    fails."""
    with contextlib.suppress(FileNotFoundError):
        opened = os.open(path_of(path), os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.posix_fadvise(opened, 0, 0, os.POSIX_FADV_RANDOM)
            blocks = _blocks(os.pread(opened, _HEAD.size, 0), file, os.fstat(opened).st_size)
            return not blocks or all(_has(opened, blocks, word) for word in words)
        finally:
            os.close(opened)
    return True


def _blocks(head: bytes, file: TableFile, octets: int) -> int:
    """How many blocks a filter has; 0 where it cannot be used."""
    if len(head) < _HEAD.size:
        return 0
    magic, form, _, blocks, digest = _HEAD.unpack(head)
    fits = octets == _HEAD.size + blocks * BLOCK_BYTES and digest == bytes.fromhex(file.digest)[:16]
    return blocks if (magic, form) == (_MAGIC, _FORMAT) and fits else 0


def _has(opened: int, blocks: int, word: bytes) -> bool:
    number, places = _place(word)
    block = os.pread(opened, BLOCK_BYTES, _HEAD.size + (number & blocks - 1) * BLOCK_BYTES)
    return all(block[place >> 3] >> (place & 7) & 1 for place in places)


def altered(folder: Path, manifest: Manifest) -> list[str]:
    """Filters that are not as they were written: they may hide a message from a question. OSError."""
    found = []
    for file in manifest.files():
        digest, path = manifest.blooms.get(file.name), path_of(folder / file.name)
        if digest is None:
            continue
        if not path.is_file():
            found.append(f"{path} is not there")
        elif digest_of(path) != digest:
            found.append(f"{path} is not as it was written")
    return found
