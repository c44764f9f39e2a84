"""Connections are bounded by the settings and by file descriptors."""

from __future__ import annotations

import resource

import pytest

from proxy.net.listeners import OWN_DESCRIPTORS, allowed_connections


@pytest.mark.parametrize(
    ("soft", "hard", "wanted", "room", "taken"),
    [
        (1024, 1_048_576, 10_000, 10_000, 1_048_576),
        (1024, 4096, 10_000, 4096 - OWN_DESCRIPTORS, 4096),
        (4096, 4096, 100, 100, 4096),
        (resource.RLIM_INFINITY, resource.RLIM_INFINITY, 10_000, 10_000, resource.RLIM_INFINITY),
        (64, 64, 10_000, 1, 64),
    ],
    ids=["a soft limit is raised", "a hard one holds", "the settings want less", "there is none", "there are next to none"],
)
def test_the_settings_or_the_descriptors_say(
    monkeypatch: pytest.MonkeyPatch, soft: int, hard: int, wanted: int, room: int, taken: int
) -> None:
    limits = [(soft, hard)]
    monkeypatch.setattr(resource, "getrlimit", lambda kind: limits[-1])
    monkeypatch.setattr(resource, "setrlimit", lambda kind, both: limits.append(both))
    assert allowed_connections(wanted) == room
    assert limits[-1][0] == taken


def test_where_the_limit_may_not_be_raised_what_there_is_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuses(kind: int, both: tuple[int, int]) -> None:
        raise ValueError("not allowed to raise maximum limit")

    monkeypatch.setattr(resource, "getrlimit", lambda kind: (1024, resource.RLIM_INFINITY))
    monkeypatch.setattr(resource, "setrlimit", refuses)
    assert allowed_connections(10_000) == 1024 - OWN_DESCRIPTORS
