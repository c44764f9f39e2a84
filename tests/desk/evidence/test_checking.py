"""Every alteration of a pack is found, with the pack alone."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from copy import copy
from functools import cache
from hashlib import blake2b
from pathlib import Path
from random import randrange
from typing import Any

import pytest

from proxy.archive import signed_heads
from proxy.archive.secret_keys import ArchiveKeys
from proxy.desk.evidence import checking, evidence_pdf
from proxy.desk.evidence.checking import CHAIN, EVIDENCE, MANIFEST, PROOF, SIGNATURE, NotAPack, PackCheck, check
from proxy.desk.evidence.ed25519 import is_signed
from proxy.desk.evidence.pack_contents import as_bytes, packed, prove
from proxy.journal.erasure import erase
from proxy.journal.records import messages
from proxy.journal.sealing import KeyRing
from proxy.journal.segment import HEADER_BYTES, SegmentFault, groups, pack_header, unpack_header
from tests.archive.journals import Shelf, busy, nights, synced
from tests.harness import SHANGHAI, Harness
from tests.journal.earlier import forms, written_earlier


class Desk:
    """A journal of two days of which the first is rolled and signed, and the pack of one of its messages."""

    def __init__(self, tmp_path: Path, *, chain: bool | None = True, sealed: bool = False, upgraded: bool = False) -> None:
        """``upgraded``: the first hour of the day is of a gate whose digests were others."""
        self.harness, self.shelf = Harness(tmp_path, ring=KeyRing([b"k" * 32]) if sealed else None), Shelf(tmp_path)
        self.path = tmp_path / "pack.zip"
        if upgraded:
            busy(self.harness, 1, 4, start=10)
        nights(self.harness)
        if upgraded:
            synced(self.harness)
            self.harness.disk = written_earlier(self.harness.disk, 1)
        self.heads: list[signed_heads.Head] = []
        self.shelf.roll(self.harness.disk, self.harness.now)
        (self.head,) = (signed_heads._read(path) for path in (self.shelf.folder / "node-0" / "heads").glob("*.json"))
        self.record = next(one.sequence for one in self.harness.written() if one.kind == messages.VERDICT)
        self.prove(chain=chain)

    def prove(self, *, chain: bool | None) -> None:
        """A pack of the record as it stands there now."""
        self.proof = prove(self.shelf.folder, self.harness.disk, 0, self.record, chain=chain)
        self.files = {EVIDENCE: as_bytes({"message": {"message": f"0:{self.record}"}}), PROOF: as_bytes(self.proof.said)}
        if self.proof.chain:
            self.files[CHAIN] = self.proof.chain
        self.write(packed(self.files, {"masked": False}, self.shelf.keys))

    def write(self, data: bytes) -> None:
        """In place: a file that is emptied before it is written goes to the disk at once."""
        self.path.touch()
        with self.path.open("r+b") as file:
            file.write(data)
            file.truncate()

    def parts(self) -> dict[str, bytes]:
        with zipfile.ZipFile(self.path) as made:
            return {name: made.read(name) for name in made.namelist()}

    def rewrite(self, parts: dict[str, bytes]) -> None:
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w") as made:
            for name, data in parts.items():
                made.writestr(name, data)
        self.write(out.getvalue())

    def check(self, public: bytes | None = None, head: str = "") -> PackCheck:
        return check(self.path, public or self.shelf.keys.public, head)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    return Desk(tmp_path_factory.mktemp("whole"))


@pytest.fixture
def desk(whole: Desk, tmp_path: Path) -> Desk:
    """Its journal is made once and only read; each test has a pack of its own."""
    found = copy(whole)
    found.path = tmp_path / "pack.zip"
    found.write(whole.path.read_bytes())
    return found


@pytest.fixture
def quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    """A signature that was looked at is not looked at again: so every byte can have its turn, whatever keys were drawn, and not only some."""
    monkeypatch.setattr(checking, "is_signed", cache(is_signed))


@pytest.fixture
def unsigned(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever altered it has the gate's key, and signed it anew each time."""
    monkeypatch.setattr(checking, "is_signed", lambda *_: True)


def test_a_pack_is_as_it_was_made_and_its_record_leads_to_the_head_that_was_published(desk: Desk) -> None:
    found = desk.check(head=desk.head.digest)
    assert found.faults == ()
    assert found.said["message"]["message"] == f"0:{desk.record}"
    chain, signed, published = (
        next(note for note in found.notes if part in note) for part in ("chain holds", "key that was given", "published")
    )
    assert chain.endswith(f"from record {desk.record} to {desk.head.last}")
    assert desk.shelf.keys.public.hex()[:16] in signed
    assert published.startswith(f"the head of {desk.head.day}")


def test_without_the_key_and_the_head_it_says_what_is_to_be_compared(desk: Desk) -> None:
    found = check(desk.path, None)
    assert found.faults == ()
    assert any(desk.shelf.keys.public.hex() in note and "compare" in note for note in found.notes)
    assert any(desk.head.digest in note for note in found.notes)


def test_the_same_evidence_is_the_same_bytes(desk: Desk) -> None:
    assert packed(desk.files, {"masked": False}, desk.shelf.keys) == desk.path.read_bytes()


def changed(name: str, change: Callable[[bytes], bytes]) -> Callable[[dict[str, bytes]], None]:
    def do(parts: dict[str, bytes]) -> None:
        parts[name] = change(parts[name])

    return do


def flipped(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


def said_otherwise(**more: Any) -> Callable[[bytes], bytes]:
    return lambda data: as_bytes(json.loads(data) | more)


@pytest.mark.parametrize(
    ("how", "says"),
    [
        (changed(EVIDENCE, lambda data: data.replace(b"0:", b"1:")), "evidence.json: was altered"),
        (changed(PROOF, said_otherwise(record=7)), "proof.json: was altered"),
        (changed(CHAIN, lambda data: flipped(data, len(data) // 2)), "chain.bin: was altered"),
        (lambda parts: parts.pop(PROOF), "proof.json: was taken out"),
        (lambda parts: parts.update({"note.txt": b"x"}), "note.txt: was put in"),
        (changed(MANIFEST, said_otherwise(masked=True)), "manifest.json: was altered: the signature is not good"),
        (changed(SIGNATURE, lambda data: data.replace(b'"signature": "', b'"signature": "00')), "manifest.json: was altered: the signature is not good"),
        (lambda parts: parts.pop(SIGNATURE), "signature.json: was taken out"),
        (changed(SIGNATURE, lambda data: b"[]"), "signature.json: was altered (it says nothing)"),
        (changed(MANIFEST, lambda data: b"{"), "manifest.json: was altered (it cannot be read)"),
    ],
    ids=range(10),
)  # fmt: skip
def test_what_was_altered_taken_out_or_put_in_is_named(desk: Desk, how: Callable[[dict[str, bytes]], None], says: str) -> None:
    parts = desk.parts()
    how(parts)
    desk.rewrite(parts)
    assert says in desk.check().faults


def test_a_pack_that_somebody_else_signed_anew_is_found_by_the_key(desk: Desk, tmp_path: Path) -> None:
    other = ArchiveKeys(tmp_path / "other", make=True)
    forged = desk.files | {EVIDENCE: as_bytes({"message": {"message": "0:1"}})}
    desk.write(packed(forged, {}, other))
    assert [fault.split(":")[0] for fault in desk.check().faults] == [
        "signature.json",
    ]
    assert any("is not signed by that key" in fault for fault in check(desk.path, None).faults), "the head is ours"


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"record": 100_000}, "record 100000 is not of"),
        ({"record_digest": "00" * 32}, "is not in it as proof.json says"),
        ({"group": {"last": 10**9, "before": "00" * 32, "digest": "00" * 32}}, "does not lie before the head of"),
        ({"table": [1, 2, 3, 4, "", "", 0, "", True, []]}, "speaks of another table"),
        ({"head": "{}"}, "was altered (it cannot be read"),
        ({"head": ""}, "holds no head, so not the one that was published"),
    ],
    ids=range(6),
)
def test_a_proof_that_does_not_hang_together_is_no_proof_though_it_is_signed(
    desk: Desk, more: dict[str, Any], says: str
) -> None:
    """The gate itself, or whoever has its key, cannot make one up against a head that was published."""
    desk.write(packed(desk.files | {PROOF: as_bytes(desk.proof.said | more)}, {}, desk.shelf.keys))
    assert any(says in fault for fault in desk.check(head=desk.head.digest).faults)


def test_another_head_than_the_published_one_is_found(desk: Desk) -> None:
    (fault,) = desk.check(head="ab" * 32).faults
    assert fault == f"proof.json: the head of {desk.head.day} is not the one that was published"


@pytest.mark.usefixtures("unsigned")
def test_every_byte_of_the_chain_counts(desk: Desk) -> None:
    for at in range(len(desk.proof.chain)):
        desk.write(packed(desk.files | {CHAIN: flipped(desk.proof.chain, at)}, {}, desk.shelf.keys))
        assert desk.check().faults, at


def test_a_chain_over_groups_of_which_somebody_was_erased_proves_nothing_before_them(desk: Desk) -> None:
    """Else who makes a pack could call what they altered an erasure, and the chain would lead on from there."""
    found = next(
        one
        for one in (erase(desk.proof.chain, KeyRing(), SHANGHAI + person) for person in range(4))
        if one is not None and one.changes
    )
    desk.write(packed(desk.files | {CHAIN: found.data}, {}, desk.shelf.keys))
    (fault,) = desk.check().faults
    assert "of which somebody was erased, and proves nothing of what lies before them" in fault


@pytest.mark.parametrize("chain", [None, False])
def test_without_the_groups_the_signature_vouches_and_the_pack_says_so(tmp_path: Path, chain: bool | None) -> None:
    desk = Desk(tmp_path, chain=chain)
    assert CHAIN not in desk.parts()
    said = json.loads(desk.parts()[PROOF])["proves"]
    assert "rests on the gate's signature alone" in said["en"]
    assert "what other people were sent, and are not in this pack" in said["en"]
    assert "只凭网关签名" in said["zh"]
    found = desk.check(head=desk.head.digest)
    assert found.faults == ()
    assert any(
        "leads to that head rests on the signature alone: there is no chain.bin to follow" in note for note in found.notes
    )


def test_a_sealed_journal_s_groups_come_unasked_lead_to_the_head_and_give_nothing_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = Desk(tmp_path, chain=None, sealed=True)
    said = json.loads(desk.parts()[PROOF])["proves"]
    assert "anybody can follow the digests from the record's group to the head" in said["en"]
    assert "The groups are sealed" in said["en"]
    found = desk.check(head=desk.head.digest)
    assert found.faults == ()
    assert any(note.startswith("the chain holds over ") and "they are sealed" in note for note in found.notes)
    assert not any(str(SHANGHAI + person).encode() in desk.proof.chain for person in range(4))
    assert "甲店".encode("utf-16-be") not in desk.proof.chain
    assert "甲店".encode() not in desk.proof.chain
    monkeypatch.setattr(checking, "is_signed", lambda *_: True)  # whoever alters it has the key
    for at in range(randrange(7), len(desk.proof.chain), 7):  # test_every_byte_of_the_chain_counts has them all
        desk.write(packed(desk.files | {CHAIN: flipped(desk.proof.chain, at)}, {}, desk.shelf.keys))
        assert desk.check(head=desk.head.digest).faults, at


@pytest.mark.parametrize("sealed", [False, True])
def test_a_chain_leads_to_the_head_of_the_day_on_which_the_gate_was_upgraded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sealed: bool
) -> None:
    desk = Desk(tmp_path, sealed=sealed, upgraded=True)
    assert len(set(forms(desk.harness.disk))) == 2
    assert desk.proof.chain.count(b"GATE106\n") == 2
    found = desk.check(head=desk.head.digest)
    assert found.faults == ()
    assert any(note.startswith("the chain holds over ") for note in found.notes)
    monkeypatch.setattr(checking, "is_signed", lambda *_: True)
    second = desk.proof.chain.rindex(b"GATE106\n")
    for at in range(second - 200, second + 300):
        desk.write(packed(desk.files | {CHAIN: flipped(desk.proof.chain, at)}, {}, desk.shelf.keys))
        assert desk.check(head=desk.head.digest).faults, at
    put_in = desk.proof.chain[:second] + desk.proof.chain[second - 40 : second] + desk.proof.chain[second:]
    desk.write(packed(desk.files | {CHAIN: put_in}, {}, desk.shelf.keys))
    assert desk.check(head=desk.head.digest).faults


def test_a_chain_of_a_later_format_is_no_alteration(desk: Desk) -> None:
    header = unpack_header(desk.proof.chain)
    later = pack_header(header._replace(form=99)) + desk.proof.chain[HEADER_BYTES:]
    desk.write(packed(desk.files | {CHAIN: later}, {}, desk.shelf.keys))
    with pytest.raises(
        NotAPack, match=r"format 99 is newer than this gate knows .* a verifier made by the gate that made the pack"
    ):
        desk.check()
    desk.rewrite(desk.parts() | {EVIDENCE: b"{}"})
    assert any("chain.bin: was altered" in fault for fault in desk.check().faults), "whoever alters it has no such excuse"


def test_a_chain_that_leads_elsewhere_than_to_the_head_is_found_also_where_it_is_sealed(tmp_path: Path) -> None:
    desk = Desk(tmp_path, chain=None, sealed=True)
    header = desk.proof.chain[: len(desk.proof.chain) // 2]
    cut = max(at for at in range(len(header)) if _ends(header[:at]))
    desk.write(packed(desk.files | {CHAIN: header[:cut]}, {}, desk.shelf.keys))
    assert desk.check().faults == ("chain.bin: does not lead to the end of the day's table",)


def _ends(data: bytes) -> bool:
    """Whether whole groups stand there."""
    try:
        return bool(list(groups(data, unpack_header(data))))
    except SegmentFault:
        return False


def test_groups_that_would_prove_nothing_do_not_come_along_and_it_is_said_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = Desk(tmp_path, chain=None, sealed=True)
    monkeypatch.setattr("proxy.desk.evidence.pack_contents.UNASKED_BYTES_MAX", 1000)
    desk.prove(chain=None)
    assert "the groups up to the head are more than 0 MB" in desk.proof.said["proves"]["en"]
    monkeypatch.undo()
    disk, last = desk.harness.disk, desk.proof.said["table"][1]
    name = max(name for name in disk.list() if int(name.partition(".")[0]) <= last)
    found = erase(disk.read(name), disk.ring, SHANGHAI + 3)
    assert found is not None
    assert found.changes
    disk._files[name] = bytearray(found.data)
    desk.prove(chain=None)
    assert (desk.proof.chain, CHAIN in desk.parts()) == (b"", False)
    assert "somebody was erased from the groups up to the head since" in desk.proof.said["proves"]["en"]
    assert desk.check(head=desk.head.digest).faults == ()
    with pytest.raises(ValueError, match=r"--chain: somebody was erased .* so they prove nothing: leave it out"):
        desk.prove(chain=True)


def test_before_the_day_is_over_it_says_that_nothing_was_published(desk: Desk) -> None:
    desk.record = [one.sequence for one in desk.harness.written() if one.kind == messages.VERDICT][-1]
    for chain in (None, True):
        desk.prove(chain=chain)
        assert "nothing about it was published" in desk.proof.said["proves"]["en"]
        assert desk.check().faults == ()


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04", b"no zip at all"])
def test_what_is_no_pack_is_said_to_be_none(desk: Desk, data: bytes) -> None:
    desk.write(data)
    with pytest.raises(NotAPack):
        desk.check()


@pytest.mark.usefixtures("quickly")
def test_every_altered_byte_of_the_file_is_found_or_makes_it_no_pack(desk: Desk) -> None:
    whole, before = desk.path.read_bytes(), desk.parts()
    for at in range(len(whole)):
        desk.write(flipped(whole, at))
        try:
            found = desk.check(head=desk.head.digest)
        except NotAPack:
            continue
        assert found.faults or desk.parts() == before, at


def test_a_bomb_and_a_name_that_stands_twice_are_no_packs(desk: Desk) -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as made:
        for number in range(501):
            made.writestr(f"{number}", b"")
    desk.write(out.getvalue())
    with pytest.raises(NotAPack, match="more than 500 files"):
        desk.check()
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as made:
        made.writestr("a", b"1")
        with pytest.warns(UserWarning, match="Duplicate name"):
            made.writestr("a", b"2")
    desk.write(out.getvalue())
    with pytest.raises(NotAPack, match="stands in it twice"):
        desk.check()


def test_a_page_draws_what_strangers_wrote_and_obeys_nothing_of_it() -> None:
    hostile = "<b>x</b><img src='http://a/'/><a href='file:///etc/passwd'>&amp;\x1b[31m\u202e"
    penalty = {
        "id": 1, "name": "penalty-1", "provider": hostile, "step": "throttle", "share": 0.5, "for_s": 86400, "state": "in-force", "figure": hostile, "say": hostile,
        "figure_zh": hostile, "trigger": hostile, "revision": "r", "basis": hostile, "since": 1.0, "until": 2.0, "appeal": hostile, "events": [{"why": hostile}],
        "by": "signature", "value": hostile,
    }  # fmt: skip
    case = {
        "id": 1,
        "reference": hostile,
        "at": 1.0,
        "to": "138****0500",
        "port": hostile,
        "signature": hostile,
        "message": "0:1",
    }
    made = evidence_pdf.letter(penalty, [case] * 3, 1e9)
    assert made.startswith(b"%PDF")
    assert b"/URI" not in made
    assert b"/Subtype /Image" not in made
    assert made == evidence_pdf.letter(penalty, [case] * 3, 1e9), "the same for the same"
    assert blake2b(made).digest() != blake2b(evidence_pdf.letter(penalty, [case], 1e9)).digest()
