"""Files that travel with the package are found in a checkout and in an installation."""

from __future__ import annotations

from pathlib import Path

import pytest

from proxy import shipped


def test_in_a_checkout_they_stand_beside_the_package() -> None:
    assert shipped.shipped("rules") == Path(shipped.__file__).parent.parent / "rules"


def test_in_an_installation_they_lie_inside_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "proxy" / "_shipped" / "rules").mkdir(parents=True)
    monkeypatch.setattr(shipped, "_PACKAGE", tmp_path / "proxy")
    assert shipped.shipped("rules") == tmp_path / "proxy" / "_shipped" / "rules"
