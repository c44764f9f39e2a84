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
from proxy.i18n.text import Bilingual
from proxy.journal.segment import NewerFormat, SegmentFault, groups_of_proof, unpack_header

MANIFEST, SIGNATURE, EVIDENCE, PROOF, CHAIN = "manifest.json", "signature.json", "evidence.json", "proof.json", "chain.bin"
FORMAT = 1
FILE_BYTES_MAX = 300 << 20
FILES_MAX = 500
KEY_BYTES = 32
_CHAIN_PLACE = 5
"""Where a table's own chain stands in its row."""


def digest(data: bytes) -> str:
    return blake2b(data, digest_size=32).hexdigest()


class NotAPack(Exception):
    """The file cannot be read as a pack, or as a key."""

    def __init__(self, english: str, chinese: str) -> None:
        super().__init__(english)
        self.why = Bilingual(english, chinese)


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
            f"{path}: is no public key (head.pub of the gate's keys: {2 * KEY_BYTES} hex digits)",
            f"{path}：不是公钥（网关密钥中的 head.pub：{2 * KEY_BYTES} 位十六进制数）",
        )
    return key


def check(path: Path, public: bytes | None, head: str = "") -> PackCheck:
    """``public``: whose signature it must bear; ``head``: the digest of the day's head as it was published. NotAPack, OSError."""
    return _Checking(_files(path), public, head).run()


def _files(path: Path) -> dict[str, bytes]:
    size = FILE_BYTES_MAX >> 20
    with path.open("rb") as file:
        data = file.read(FILE_BYTES_MAX + 1)
    if len(data) > FILE_BYTES_MAX:
        raise NotAPack(f"{path}: more than {size} MB: no pack of this gate", f"{path}：超过 {size} MB：不是本网关的证据包")
    try:
        # From memory: a place that was altered to lie before the file is then no trouble of the disk.
        with zipfile.ZipFile(io.BytesIO(data)) as packed:
            parts = packed.infolist()
            if len(parts) > FILES_MAX or sum(part.file_size for part in parts) > FILE_BYTES_MAX:
                raise NotAPack(
                    f"{path}: more than {FILES_MAX} files or {size} MB: no pack of this gate",
                    f"{path}：超过 {FILES_MAX} 个文件或 {size} MB：不是本网关的证据包",
                )
            if len({part.filename for part in parts}) != len(parts):
                raise NotAPack(
                    f"{path}: a file stands in it twice: readers may see different ones",
                    f"{path}：有文件重复：不同的人可能读到不同内容",
                )
            return {part.filename: packed.read(part) for part in parts}
    except NotAPack:
        raise
    except Exception as error:  # noqa: BLE001 # of many kinds, zlib's own among them: whatever was altered, it is no pack
        raise NotAPack(f"{path}: is no ZIP that can be read ({error})", f"{path}：不是可读的 ZIP（{error}）") from None


class _Checking:
    """Checks the files of one pack, and collects what it finds."""

    def __init__(self, files: dict[str, bytes], public: bytes | None, head: str) -> None:
        self._files, self._public, self._head = files, public, head
        self._faults, self._notes = list[Bilingual](), list[Bilingual]()

    def _fault(self, english: str, chinese: str) -> None:
        self._faults.append(Bilingual(english, chinese))

    def _note(self, english: str, chinese: str) -> None:
        self._notes.append(Bilingual(english, chinese))

    def run(self) -> PackCheck:
        files, manifest = self._files, self._json(MANIFEST)
        self._signature()
        named = manifest.get("files", {}) if isinstance(manifest.get("files"), dict) else {}
        if manifest.get("format") != FORMAT:
            known = f"{manifest.get('format')!r:.20}"
            self._fault(f"{MANIFEST}: of format {known}, which is not known here", f"{MANIFEST}：格式 {known}，这里不认识")
        for name, wanted in sorted(named.items()):
            if name not in files:
                self._fault(f"{name}: was taken out", f"{name}：被取走")
            elif digest(files[name]) != wanted:
                self._fault(f"{name}: was altered", f"{name}：被改动")
        for name in sorted(files.keys() - named.keys() - {MANIFEST, SIGNATURE}):
            self._fault(f"{name}: was put in", f"{name}：是后加的")
        evidence = self._json(EVIDENCE) if EVIDENCE in files else {}
        if PROOF in files:
            self._proof(self._json(PROOF))
        return PackCheck(tuple(self._faults), tuple(self._notes), evidence)

    def _json(self, name: str) -> dict[str, Any]:
        try:
            found = json.loads(self._files[name])
            if isinstance(found, dict):
                return found
            self._fault(f"{name}: was altered (it says nothing)", f"{name}：被改动（没有内容）")
        except KeyError:
            self._fault(f"{name}: was taken out", f"{name}：被取走")
        except (ValueError, RecursionError):
            self._fault(f"{name}: was altered (it cannot be read)", f"{name}：被改动（读不出）")
        return {}

    def _signature(self) -> None:
        """Checks the signature; a head of the pack is then compared with the key of the pack, where none was given."""
        fields, public = self._json(SIGNATURE), self._public
        try:
            own = bytes.fromhex(fields["public"])
            self._public = public or own
            signature = bytes.fromhex(fields["signature"])
        except (KeyError, ValueError, TypeError):
            self._fault(f"{SIGNATURE}: was altered (it holds no signature)", f"{SIGNATURE}：被改动（没有签名）")
            return
        short, whole = f"{own.hex()[:16]}…", own.hex()
        if public is not None and own != public:
            self._fault(
                f"{SIGNATURE}: signed by another key ({short}) than was given",
                f"{SIGNATURE}：签名的密钥（{short}）不是给出的那一把",
            )
        elif not is_signed(own, signature, self._files.get(MANIFEST, b"")):
            self._fault(f"{MANIFEST}: was altered: the signature is not good", f"{MANIFEST}：被改动：签名不符")
        elif public is None:
            self._note(
                f"signed by key {whole}: compare it with the one that was published, or give it (--key)",
                f"签名的密钥是 {whole}：请与公布的公钥比对，或用 --key 给出",
            )
        else:
            self._note(f"signed by the key that was given ({short})", f"由给出的密钥签名（{short}）")

    def _proof(self, proof: dict[str, Any]) -> None:
        """The record → its group → the day's table → the head."""
        chain = self._files.get(CHAIN, b"")
        try:
            record, group, table, line = int(proof["record"]), proof["group"], proof["table"], str(proof["head"])
            if chain:
                self._chain(proof, chain, table)
            if not line:
                self._note(
                    "the day of the record has no signed head yet: it is in no table of a whole day",
                    "记录当日还没有签名的摘要：尚未归入整日的表",
                )
                if self._head:
                    self._fault(
                        f"{PROOF}: holds no head, so not the one that was published",
                        f"{PROOF}：没有当日摘要，无从与公布的比对",
                    )
                return
            if not chain:
                self._note(
                    f"that record {record} leads to that head rests on the signature alone: there is no {CHAIN} to follow",
                    f"记录 {record} 归于该摘要只凭签名作证：包内没有 {CHAIN} 可供追溯",
                )
            head = self._signed_head(line)
            day, first, last = head["day"], head["first"], head["last"]
            if digest(json.dumps(table, separators=(",", ":")).encode()) != head["table"]:
                self._fault(f"{PROOF}: the head of {day} speaks of another table", f"{PROOF}：{day} 的摘要说的是另一张表")
            if not first <= record <= last:
                self._fault(
                    f"{PROOF}: record {record} is not of {day} (records {first} to {last})",
                    f"{PROOF}：记录 {record} 不属于 {day}（记录 {first} 至 {last}）",
                )
            if int(group["last"]) > last or head["chain"] != table[_CHAIN_PLACE]:
                self._fault(
                    f"{PROOF}: the group of record {record} does not lie before the head of {day}",
                    f"{PROOF}：记录 {record} 所在的提交组不在 {day} 的摘要之前",
                )
        except (KeyError, ValueError, TypeError, IndexError) as error:
            why = f"{error!r:.100}"
            self._fault(f"{PROOF}: was altered (it cannot be read: {why})", f"{PROOF}：被改动（读不出：{why}）")

    def _signed_head(self, line: str) -> dict[str, Any]:
        """The day's head, whose signature and digest are compared."""
        wrapped = json.loads(line)
        head: dict[str, Any] = json.loads(wrapped["said"])
        day, public, published = head["day"], self._public, self._head.strip().lower()
        if public is None or not is_signed(public, bytes.fromhex(wrapped["signature"]), wrapped["said"].encode()):
            self._fault(f"{PROOF}: the head of {day} is not signed by that key", f"{PROOF}：{day} 的摘要不是该密钥签名的")
        found = digest(line.encode())
        if not self._head:
            self._note(
                f"the head of {day} is {found}: compare it with the one that was published, or give it (--head)",
                f"{day} 的摘要是 {found}：请与公布的比对，或用 --head 给出",
            )
        elif found == published:
            self._note(f"the head of {day} is the one that was published", f"{day} 的摘要就是公布的那一个")
        else:
            self._fault(
                f"{PROOF}: the head of {day} is not the one that was published", f"{PROOF}：{day} 的摘要不是公布的那一个"
            )
        return head

    def _chain(self, proof: dict[str, Any], chain: bytes, table: list[Any] | None) -> None:
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
                        seen = digest(one.body)
                last, erased = found.last, erased + bool(found.redaction)
                digests.append(found.digest.hex())
        except SegmentFault as fault:
            if isinstance(fault, NewerFormat) and not self._faults:  # as it was signed
                raise NotAPack(
                    f"{CHAIN}: {fault.why}: check it with a verifier made by the gate that made the pack",
                    f"{CHAIN}：格式比此验证程序新：请用制作该证据包的网关生成的验证程序",
                ) from None
            self._fault(
                f"{CHAIN}: was altered behind record {last} ({fault.why})", f"{CHAIN}：记录 {last} 之后被改动（{fault.why}）"
            )
            return
        if erased:  # only the journal can say of these that they may be so
            self._fault(
                f"{CHAIN}: passes over {erased} groups of which somebody was erased, and proves nothing of what lies before them",
                f"{CHAIN}：经过 {erased} 个已删除个人信息的提交组，对其之前的内容不能作证",
            )
        elif not digests or digests[0] != group["digest"] or (not header.sealed and seen != proof["record_digest"]):
            self._fault(
                f"{CHAIN}: record {record} is not in it as {PROOF} says", f"{CHAIN}：其中的记录 {record} 与 {PROOF} 所述不符"
            )
        elif table is not None and digests[-1] != table[_CHAIN_PLACE]:
            self._fault(f"{CHAIN}: does not lead to the end of the day's table", f"{CHAIN}：没有通到当日表的末尾")
        else:
            sealed = header.sealed
            self._note(
                f"the chain holds over {len(digests)} groups, from record {record} to {last}"
                + ("; they are sealed, so the signature vouches for what is in them" if sealed else ""),
                f"日志链完整：{len(digests)} 个提交组，从记录 {record} 到 {last}"
                + ("；各组已加密，内容由签名作证" if sealed else ""),
            )
