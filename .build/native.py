"""Builds proxy/native/accelerated.pyx where there is a C compiler; where there is none, what is installed is pure Python, and says so.

In: hatchling's call, for a wheel or an editable install. Out: the module in proxy/, and its place in the wheel. Never: a failed install.

A module that was compiled from the very texts that lie here stays; run by itself, this compiles all the same.
"""

from __future__ import annotations

import os
import sys
import sysconfig
import tempfile
from hashlib import blake2b
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

SOURCE, PARTS = Path("proxy/native/accelerated.pyx"), "proxy/native/*/*.pxi"


class CompileHook(BuildHookInterface):  # type: ignore[type-arg,misc] # hatchling has no stubs for it
    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if os.environ.get("GATE106_PURE"):
            return
        root = Path(self.root)
        try:
            built = _fresh(root) or _build(root)
        except (Exception, SystemExit) as error:  # noqa: BLE001 # whatever it is: the pure functions do the same
            self.app.display_warning(f"gate106: {SOURCE} was not compiled, the pure functions stay in its place: {error}")
            return
        build_data["pure_python"], build_data["infer_tag"] = False, True
        build_data["artifacts"].append(f"/{built.relative_to(self.root)}")


def _fresh(root: Path) -> Path | None:
    """The module, where it was made of these texts, by this file as it is; None where it must be built."""
    built = root / "proxy" / "native" / f"accelerated{sysconfig.get_config_var('EXT_SUFFIX')}"
    if not built.exists() or built.stat().st_mtime < Path(__file__).stat().st_mtime:
        return None
    return built if _digest(root).encode() in built.read_bytes() else None


def _digest(root: Path) -> str:
    """As native/loader.py asks for it."""
    texts = [root / SOURCE, *sorted(root.glob(PARTS))]
    return blake2b(b"".join(one.read_bytes() for one in texts), digest_size=8).hexdigest()


def _build(root: Path) -> Path:
    """Compiles into proxy/; returns the module."""
    from Cython.Build import cythonize  # noqa: PLC0415 # may be missing
    from setuptools import Distribution, Extension  # noqa: PLC0415 # likewise
    from setuptools.command.build_ext import build_ext  # noqa: PLC0415 # likewise

    module = Extension(
        "proxy.native.accelerated",
        [str(root / SOURCE)],
        define_macros=[("GATE106_SOURCE", f'"{_digest(root)}"')],
        extra_compile_args=["-O3", "-g0"],
    )
    with tempfile.TemporaryDirectory(prefix="gate106-build-") as folder:
        distribution = Distribution(
            {"name": "gate106", "ext_modules": cythonize([module], build_dir=folder, language_level=3, quiet=True)}
        )
        command = build_ext(distribution)
        command.build_temp, command.build_lib, command.force = folder, str(Path(folder) / "lib"), True
        command.ensure_finalized()
        command.run()
        built = Path(command.get_ext_fullpath("proxy.native.accelerated"))
        target = root / "proxy" / "native" / built.name
        # a process that runs by the old one keeps it
        fresh = target.with_suffix(".new")
        fresh.write_bytes(built.read_bytes())
        fresh.replace(target)
    return target


if __name__ == "__main__":
    sys.stdout.write(f"{_build(Path(__file__).resolve().parents[1])}\n")
