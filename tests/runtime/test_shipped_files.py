"""Shipped files are found in a checkout and in an installation."""

from __future__ import annotations

from pathlib import Path

import pytest

from proxy.runtime import shipped_files


def test_in_a_checkout_they_stand_beside_the_package() -> None:
    assert shipped_files.shipped("rules") == Path(shipped_files.__file__).parents[2] / "rules"


def test_in_an_installation_they_lie_inside_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "proxy" / "_shipped" / "rules").mkdir(parents=True)
    monkeypatch.setattr(shipped_files, "_PACKAGE", tmp_path / "proxy")
    assert shipped_files.shipped("rules") == tmp_path / "proxy" / "_shipped" / "rules"
