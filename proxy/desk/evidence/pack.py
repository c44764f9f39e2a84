"""Packs evidence files into a ZIP with digests and one signature.

In: files by name, the key that signs the journal's heads. Out: bytes of a ZIP; equal evidence gives equal bytes. Never: a clock (the time of
making is in a file); a name that leads out of the folder it is unpacked into.

    manifest.json    {"format": 1, "files": {name: BLAKE2b-256 …}, …}
    signature.json   Ed25519 over the bytes of manifest.json, and the public half of the key
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from proxy.archive.secret_keys import ArchiveKeys

MANIFEST, SIGNATURE, EVIDENCE, PROOF, CHAIN = "manifest.json", "signature.json", "evidence.json", "proof.json", "chain.bin"
FORMAT = 1
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the oldest a ZIP can say: when it was made stands inside


def as_bytes(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, indent=2, sort_keys=True).encode("utf-8", "backslashreplace") + b"\n"


def digest(data: bytes) -> str:
    return blake2b(data, digest_size=32).hexdigest()


def packed(files: Mapping[str, bytes], about: Mapping[str, Any], keys: ArchiveKeys) -> bytes:
    """``about``: what else the manifest says."""
    manifest = as_bytes({**about, "format": FORMAT, "files": {name: digest(data) for name, data in files.items()}})
    signature = as_bytes({"signature": keys.sign(manifest).hex(), "public": keys.public.hex()})
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as made:
        for name, data in ((MANIFEST, manifest), (SIGNATURE, signature), *sorted(files.items())):
            info = zipfile.ZipInfo(name, _EPOCH)
            info.compress_type = zipfile.ZIP_DEFLATED
            info.external_attr = 0o600 << 16
            made.writestr(info, data)
    return out.getvalue()
