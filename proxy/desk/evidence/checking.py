"""Checks that an evidence pack is unaltered and consistent, without a gate.

In: a ZIP from anybody, the public key or the head that were published. Out: a PackCheck: faults by file, and what was compared with what.
Never: settings, a store, a journal; a file unpacked to disk; more memory than its bounds; a package outside Python's library (verifier.py).
"""

from __future__ import annotations

import io
import json
import zipfile
from hashlib import blake2b
from pathlib import Path
from typing import Any, NamedTuple

from proxy.desk.evidence.ed25519 import is_signed
from proxy.desk.evidence.pack import CHAIN, EVIDENCE, FORMAT, MANIFEST, PROOF, SIGNATURE, digest
from proxy.i18n.text import Bilingual
from proxy.journal.segment import NewerFormat, SegmentFault, groups_of_proof, unpack_header

FILE_BYTES_MAX = 300 << 20
FILES_MAX = 500
KEY_BYTES = 32


class NotAPack(Exception):
    """The file cannot be read as a pack, or as a key."""

    def __init__(self, why: Bilingual) -> None:
        super().__init__(why)
        self.why = why


class PackCheck(NamedTuple):
    faults: tuple[Bilingual, ...]
    """What was altered, each with the file; empty when all is as it was made."""
    notes: tuple[Bilingual, ...]
    """What was compared, and what could not be."""
    said: dict[str, Any]
    """The evidence, if it can be read."""

    @property
    def message(self) -> str:
        """The message, as node:record; empty if that cannot be read."""
        message = self.said.get("message")
        return str(message.get("message", "")) if isinstance(message, dict) else ""

    def as_dict(self) -> dict[str, Any]:
        """For programs."""
        return {"altered": list(self.faults), "notes": list(self.notes), "message": self.message}


def key_of(path: Path) -> bytes:
    """The public key that was handed over: 64 hex digits. NotAPack, OSError."""
    try:
        key = bytes.fromhex(path.read_text("ascii").strip())
    except ValueError:
        key = b""
    if len(key) != KEY_BYTES:
        raise NotAPack(
            Bilingual(
                f"{path}: is no public key (head.pub of the gate's keys: {2 * KEY_BYTES} hex digits)",
                f"{path}：不是公钥（网关密钥中的 head.pub：{2 * KEY_BYTES} 位十六进制数）",
            )
        )
    return key


def check(path: Path, public: bytes | None, head: str = "") -> PackCheck:
    """``public``: whose signature it must bear; ``head``: the digest of the day's head as it was published. NotAPack, OSError."""
    files = _files(path)
    faults, notes = list[Bilingual](), list[Bilingual]()
    manifest = _json(files, MANIFEST, faults)
    _signature(files, public, faults, notes)
    named = manifest.get("files", {}) if isinstance(manifest.get("files"), dict) else {}
    if manifest.get("format") != FORMAT:
        known = f"{manifest.get('format')!r:.20}"
        faults.append(
            Bilingual(f"{MANIFEST}: of format {known}, which is not known here", f"{MANIFEST}：格式 {known}，这里不认识")
        )
    for name, wanted in sorted(named.items()):
        if name not in files:
            faults.append(Bilingual(f"{name}: was taken out", f"{name}：被取走"))
        elif digest(files[name]) != wanted:
            faults.append(Bilingual(f"{name}: was altered", f"{name}：被改动"))
    for name in sorted(files.keys() - named.keys() - {MANIFEST, SIGNATURE}):
        faults.append(Bilingual(f"{name}: was put in", f"{name}：是后加的"))
    evidence = _json(files, EVIDENCE, faults) if EVIDENCE in files else {}
    if PROOF in files:
        _proof(_json(files, PROOF, faults), files.get(CHAIN, b""), public or _public(files), head, faults, notes)
    return PackCheck(tuple(faults), tuple(notes), evidence)


def _files(path: Path) -> dict[str, bytes]:
    with path.open("rb") as file:
        data = file.read(FILE_BYTES_MAX + 1)
    if len(data) > FILE_BYTES_MAX:
        raise NotAPack(
            Bilingual(
                f"{path}: more than {FILE_BYTES_MAX >> 20} MB: no pack of this gate",
                f"{path}：超过 {FILE_BYTES_MAX >> 20} MB：不是本网关的证据包",
            )
        )
    try:
        # From memory: a place that was altered to lie before the file is then no trouble of the disk.
        with zipfile.ZipFile(io.BytesIO(data)) as packed:
            parts = packed.infolist()
            if len(parts) > FILES_MAX or sum(part.file_size for part in parts) > FILE_BYTES_MAX:
                raise NotAPack(
                    Bilingual(
                        f"{path}: more than {FILES_MAX} files or {FILE_BYTES_MAX >> 20} MB: no pack of this gate",
                        f"{path}：超过 {FILES_MAX} 个文件或 {FILE_BYTES_MAX >> 20} MB：不是本网关的证据包",
                    )
                )
            names = [part.filename for part in parts]
            if len(set(names)) != len(names):
                raise NotAPack(
                    Bilingual(
                        f"{path}: a file stands in it twice: readers may see different ones",
                        f"{path}：有文件重复：不同的人可能读到不同内容",
                    )
                )
            return {part.filename: packed.read(part) for part in parts}
    except NotAPack:
        raise
    except Exception as error:  # noqa: BLE001 # of many kinds, zlib's own among them: whatever was altered, it is no pack
        raise NotAPack(
            Bilingual(f"{path}: is no ZIP that can be read ({error})", f"{path}：不是可读的 ZIP（{error}）")
        ) from None


def _json(files: dict[str, bytes], name: str, faults: list[Bilingual]) -> dict[str, Any]:
    try:
        found = json.loads(files[name])
        if isinstance(found, dict):
            return found
        faults.append(Bilingual(f"{name}: was altered (it says nothing)", f"{name}：被改动（没有内容）"))
    except KeyError:
        faults.append(Bilingual(f"{name}: was taken out", f"{name}：被取走"))
    except (ValueError, RecursionError):
        faults.append(Bilingual(f"{name}: was altered (it cannot be read)", f"{name}：被改动（读不出）"))
    return {}


def _public(files: dict[str, bytes]) -> bytes | None:
    try:
        return bytes.fromhex(json.loads(files[SIGNATURE])["public"])
    except (KeyError, ValueError, TypeError):
        return None


def _signature(files: dict[str, bytes], public: bytes | None, faults: list[Bilingual], notes: list[Bilingual]) -> None:
    fields = _json(files, SIGNATURE, faults)
    try:
        signature, own = bytes.fromhex(fields["signature"]), bytes.fromhex(fields["public"])
    except (KeyError, ValueError, TypeError):
        faults.append(Bilingual(f"{SIGNATURE}: was altered (it holds no signature)", f"{SIGNATURE}：被改动（没有签名）"))
        return
    if public is not None and own != public:
        faults.append(
            Bilingual(
                f"{SIGNATURE}: signed by another key ({own.hex()[:16]}…) than was given",
                f"{SIGNATURE}：签名的密钥（{own.hex()[:16]}…）不是给出的那一把",
            )
        )
        return
    if not is_signed(own, signature, files.get(MANIFEST, b"")):
        faults.append(Bilingual(f"{MANIFEST}: was altered: the signature is not good", f"{MANIFEST}：被改动：签名不符"))
    elif public is None:
        notes.append(
            Bilingual(
                f"signed by key {own.hex()}: compare it with the one that was published, or give it (--key)",
                f"签名的密钥是 {own.hex()}：请与公布的公钥比对，或用 --key 给出",
            )
        )
    else:
        notes.append(
            Bilingual(f"signed by the key that was given ({own.hex()[:16]}…)", f"由给出的密钥签名（{own.hex()[:16]}…）")
        )


def _proof(
    proof: dict[str, Any], chain: bytes, public: bytes | None, head: str, faults: list[Bilingual], notes: list[Bilingual]
) -> None:
    """The record → its group → the day's table → the head."""
    try:
        record, group, table, line = int(proof["record"]), proof["group"], proof["table"], str(proof["head"])
        if chain:
            _chain(proof, chain, table, faults, notes)
        if not line:
            notes.append(
                Bilingual(
                    "the day of the record has no signed head yet: it is in no table of a whole day",
                    "记录当日还没有签名的摘要：尚未归入整日的表",
                )
            )
            if head:
                faults.append(
                    Bilingual(
                        f"{PROOF}: holds no head, so not the one that was published", f"{PROOF}：没有当日摘要，无从与公布的比对"
                    )
                )
            return
        if not chain:
            notes.append(
                Bilingual(
                    f"that record {record} leads to that head rests on the signature alone: there is no {CHAIN} to follow",
                    f"记录 {record} 归于该摘要只凭签名作证：包内没有 {CHAIN} 可供追溯",
                )
            )
        wrapped = json.loads(line)
        head_text = json.loads(wrapped["said"])
        day = head_text["day"]
        if public is None or not is_signed(public, bytes.fromhex(wrapped["signature"]), wrapped["said"].encode()):
            faults.append(
                Bilingual(f"{PROOF}: the head of {day} is not signed by that key", f"{PROOF}：{day} 的摘要不是该密钥签名的")
            )
        found = blake2b(line.encode(), digest_size=32).hexdigest()
        if head and found != head.strip().lower():
            faults.append(
                Bilingual(
                    f"{PROOF}: the head of {day} is not the one that was published", f"{PROOF}：{day} 的摘要不是公布的那一个"
                )
            )
        elif head:
            notes.append(Bilingual(f"the head of {day} is the one that was published", f"{day} 的摘要就是公布的那一个"))
        else:
            notes.append(
                Bilingual(
                    f"the head of {day} is {found}: compare it with the one that was published, or give it (--head)",
                    f"{day} 的摘要是 {found}：请与公布的比对，或用 --head 给出",
                )
            )
        if _table_digest(table) != head_text["table"]:
            faults.append(
                Bilingual(f"{PROOF}: the head of {day} speaks of another table", f"{PROOF}：{day} 的摘要说的是另一张表")
            )
        if not head_text["first"] <= record <= head_text["last"]:
            faults.append(
                Bilingual(
                    f"{PROOF}: record {record} is not of {day} (records {head_text['first']} to {head_text['last']})",
                    f"{PROOF}：记录 {record} 不属于 {day}（记录 {head_text['first']} 至 {head_text['last']}）",
                )
            )
        if int(group["last"]) > head_text["last"] or head_text["chain"] != table[_CHAIN_PLACE]:
            faults.append(
                Bilingual(
                    f"{PROOF}: the group of record {record} does not lie before the head of {day}",
                    f"{PROOF}：记录 {record} 所在的提交组不在 {day} 的摘要之前",
                )
            )
    except (KeyError, ValueError, TypeError, IndexError) as error:
        faults.append(
            Bilingual(f"{PROOF}: was altered (it cannot be read: {error!r:.100})", f"{PROOF}：被改动（读不出：{error!r:.100}）")
        )


def _table_digest(table: list[Any]) -> str:
    """As archive.heads makes it."""
    return blake2b(json.dumps(table, separators=(",", ":")).encode(), digest_size=32).hexdigest()


def _chain(
    proof: dict[str, Any], chain: bytes, table: list[Any] | None, faults: list[Bilingual], notes: list[Bilingual]
) -> None:
    """The groups' own bytes: each digest is made again, from the one before the record to the end of its table."""
    group, record = proof["group"], int(proof["record"])
    last, digests, seen, erased = 0, list[str](), None, 0
    try:
        header = unpack_header(chain)
        if header.previous.hex() != group["before"] or header.identity.hex() != proof["identity"]:
            raise SegmentFault(0, "it begins elsewhere")
        for found in groups_of_proof(chain):
            for one in found.records:
                if one.sequence == record:
                    seen = blake2b(one.body, digest_size=32).hexdigest()
            last, erased = found.last, erased + bool(found.redaction)
            digests.append(found.digest.hex())
    except SegmentFault as fault:
        if isinstance(fault, NewerFormat) and not faults:  # as it was signed
            raise NotAPack(
                Bilingual(
                    f"{CHAIN}: {fault.why}: check it with a verifier made by the gate that made the pack",
                    f"{CHAIN}：格式比此验证程序新：请用制作该证据包的网关生成的验证程序",
                )
            ) from None
        faults.append(
            Bilingual(
                f"{CHAIN}: was altered behind record {last} ({fault.why})", f"{CHAIN}：记录 {last} 之后被改动（{fault.why}）"
            )
        )
        return
    if erased:  # only the journal can say of these that they may be so
        faults.append(
            Bilingual(
                f"{CHAIN}: passes over {erased} groups of which somebody was erased, and proves nothing of what lies before them",
                f"{CHAIN}：经过 {erased} 个已删除个人信息的提交组，对其之前的内容不能作证",
            )
        )
    elif not digests or digests[0] != group["digest"] or (not header.sealed and seen != proof["record_digest"]):
        faults.append(
            Bilingual(
                f"{CHAIN}: record {record} is not in it as {PROOF} says", f"{CHAIN}：其中的记录 {record} 与 {PROOF} 所述不符"
            )
        )
    elif table is not None and digests[-1] != table[_CHAIN_PLACE]:
        faults.append(Bilingual(f"{CHAIN}: does not lead to the end of the day's table", f"{CHAIN}：没有通到当日表的末尾"))
    else:
        sealed = Bilingual("; they are sealed, so the signature vouches for what is in them", "；各组已加密，内容由签名作证")
        more = sealed if header.sealed else Bilingual("", "")
        notes.append(
            Bilingual(
                f"the chain holds over {len(digests)} groups, from record {record} to {last}{more}",
                f"日志链完整：{len(digests)} 个提交组，从记录 {record} 到 {last}{more.zh}",
            )
        )


_CHAIN_PLACE = 5
"""Where a table's own chain stands in its row."""
