"""Compiles the hot modules where there is a C compiler; where there is none, what is installed runs as Python, and says so.

In: hatchling's call, for a wheel or an editable install. Out: extension modules in proxy/native/built, and their place in the wheel.
Never: a failed install.

Compiled are the modules of proxy/ that ``import cython`` (Cython's pure-Python mode) and the ``.pyx`` files of proxy/native. A module's C
declarations, which other modules compile against, follow from its annotations (declarations.py). What was compiled from the very texts
that lie here stays; run by itself, this compiles what has changed.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import chdir
from functools import partial
from hashlib import blake2b
from pathlib import Path
from typing import Any, NamedTuple

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

sys.path.insert(0, str(Path(__file__).parent))
from declarations import declarations, is_compiled, simplified  # beside this file

BUILT = "proxy/native/built"
SUFFIX = sysconfig.get_config_var("EXT_SUFFIX")
DIRECTIVES = {"language_level": 3, "binding": True, "nonecheck": True, "auto_pickle": False}
FLAGS = os.environ.get("GATE106_CFLAGS", "-O3 -g0").split()


_DECLARING_MODULES = re.compile(rb"^from (proxy\S*) cimport", re.MULTILINE).findall


class CompileHook(BuildHookInterface):  # type: ignore[type-arg,misc] # hatchling has no stubs for it
    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if os.environ.get("GATE106_PURE"):
            return
        # in a process of its own: hatchling loads this file under a name by which no other process can import it
        done = subprocess.run([sys.executable, __file__], check=False, capture_output=True, text=True)  # noqa: S603
        if done.returncode:  # whatever it is: the Python texts do the same
            why = done.stderr[-2000:]
            self.app.display_warning(f"gate106: nothing was compiled, it will run at a fraction of its speed: {why}")
            return
        build_data["pure_python"], build_data["infer_tag"] = False, True
        build_data["artifacts"].append(f"/{BUILT}/*")


class Unit(NamedTuple):
    """A module to compile."""

    name: str  # dotted
    source: Path  # relative to the root
    digest: str
    """Of everything that the compiler reads for it."""


def build(root: Path) -> Path:
    """Compiles what changed since the last call into proxy/native/built; returns its manifest."""
    built = root / BUILT
    manifest = built / "manifest.json"
    try:
        before = json.loads(manifest.read_bytes())["modules"]
    except (OSError, ValueError, KeyError):
        before = {}
    with tempfile.TemporaryDirectory(prefix="gate106-build-") as folder:
        stage = Path(folder)
        units = _staged(root, stage)
        fresh = [one for one in units if before.get(one.name) != one.digest or not (built / f"{one.name}{SUFFIX}").exists()]
        built.mkdir(exist_ok=True)
        if fresh:
            manifest.unlink(missing_ok=True)  # half of a build is none
            with ProcessPoolExecutor(min(len(fresh), os.cpu_count() or 1)) as pool:
                for name, made in pool.map(partial(_compiled, stage), fresh):
                    target = built / f"{name}{SUFFIX}"
                    target.with_suffix(".new").write_bytes(made)
                    target.with_suffix(".new").replace(target)  # a process that runs by the old one keeps it
    wanted = {f"{one.name}{SUFFIX}" for one in units} | {manifest.name}
    for path in built.iterdir():
        if path.name not in wanted:
            path.unlink()
    texts = sorted({text for one in units for text in _texts(root, one)})
    whole = blake2b(b"".join(text.read_bytes() for text in texts), digest_size=16).hexdigest()
    manifest.write_text(
        json.dumps(
            {
                "texts": [str(text.relative_to(root)) for text in texts],
                "digest": whole,
                "commit": _commit(root),
                "modules": {one.name: one.digest for one in units},
            },
            indent=1,
        ),
        encoding="utf-8",
    )
    return manifest


def _commit(root: Path) -> str:
    """The commit that is built: GATE106_COMMIT in the environment, else the checkout's; empty if not known."""
    if said := os.environ.get("GATE106_COMMIT"):
        return said[:12]
    ask = ["git", "-C", str(root), "rev-parse", "--short=12", "HEAD"]
    try:
        return subprocess.run(ask, capture_output=True, text=True, check=True).stdout.strip()  # noqa: S603
    except (OSError, subprocess.CalledProcessError):
        return ""


def _texts(root: Path, unit: Unit) -> Iterator[Path]:
    """The texts that a unit was made of."""
    yield root / unit.source
    if unit.source.suffix == ".pyx":
        yield from (root / unit.source).parent.rglob("*.px[id]")


def _staged(root: Path, stage: Path) -> list[Unit]:
    """Copies all texts, with their declarations, into ``stage``; returns the units."""
    sources = [path for path in sorted((root / "proxy").rglob("*.py")) if is_compiled(path)]
    natives = sorted((root / "proxy/native").glob("*.pyx"))
    inline = [
        f"proxy.native.{path.stem}" for path in (root / "proxy/native").glob("*.pxd") if path.with_suffix(".pyx") not in natives
    ]
    for path in (*sources, *natives, *sorted((root / "proxy/native").rglob("*.px[id]"))):
        target = stage / path.relative_to(root)
        target.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".py":
            target.write_text(simplified(path.read_text(encoding="utf-8"), inline), encoding="utf-8")
        else:
            shutil.copyfile(path, target)
    for folder in {parent for path in stage.rglob("*") for parent in path.relative_to(stage).parents if str(parent) != "."}:
        (stage / folder / "__init__.py").touch()
    for path, text in declarations(root, sources).items():
        (stage / path).with_suffix(".pxd").write_text(text, encoding="utf-8")
    tools = b"".join(Path(__file__).with_name(name).read_bytes() for name in ("native.py", "declarations.py"))
    units = []
    for path in (*sources, *natives):
        source = path.relative_to(root)
        declared = (stage / source).with_suffix(".pxd")
        read = path.read_bytes() + (declared.read_bytes() if declared.exists() else b"")
        read += _declarations_of(stage, read) + tools
        name = ".".join(source.with_suffix("").parts)
        units.append(Unit(name, source, blake2b(read, digest_size=16).hexdigest()))
    return units


def _declarations_of(stage: Path, text: bytes) -> bytes:
    """The declarations that a text compiles against, and those that they use in turn."""
    found: dict[str, bytes] = {}
    wanted = _DECLARING_MODULES(text)
    while wanted:
        name = wanted.pop().decode()
        path = stage / f"{name.replace('.', '/')}.pxd"
        if name not in found and path.exists():
            found[name] = path.read_bytes()
            wanted += _DECLARING_MODULES(found[name])
    return b"".join(found[name] for name in sorted(found))


def _compiled(stage: Path, unit: Unit) -> tuple[str, bytes]:
    """A unit's name and its extension module."""
    from Cython.Build import cythonize  # noqa: PLC0415 # may be missing
    from setuptools import Distribution, Extension  # noqa: PLC0415 # likewise
    from setuptools.command.build_ext import build_ext  # noqa: PLC0415 # likewise

    with chdir(stage):
        module = Extension(unit.name, [str(unit.source)], extra_compile_args=FLAGS)
        made = cythonize([module], compiler_directives=DIRECTIVES, quiet=True, include_path=["."])
        command = build_ext(Distribution({"name": "gate106", "ext_modules": made}))
        folder = stage / f"lib-{unit.name}"
        command.build_temp, command.build_lib, command.force = str(folder / "temp"), str(folder), True
        command.ensure_finalized()
        command.run()
        return unit.name, Path(command.get_ext_fullpath(unit.name)).read_bytes()


if __name__ == "__main__":
    sys.stdout.write(f"{build(Path(__file__).resolve().parents[1])}\n")
