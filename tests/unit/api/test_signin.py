"""Who has signed in on the page, and until when."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from enricher.api import signin
from enricher.api.signin import SignIns
from enricher.stores.api_keys import FileApiKeys, Scope

if TYPE_CHECKING:
    from pathlib import Path

HOUR = timedelta(hours=1)


class Clock:
    """Seconds that go on when they are told to."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def keys(tmp_path: Path) -> FileApiKeys:
    return FileApiKeys(tmp_path / "keys.json")


def test_a_sign_in_stands_for_its_key_and_says_nothing_of_it(keys: FileApiKeys) -> None:
    kept, key = keys.create("soc", [Scope.READ])
    sign_ins = SignIns(keys, HOUR)
    begun = sign_ins.begin(key)
    assert begun is not None
    caller, token = begun
    assert (caller.id, caller.scopes) == (kept.id, kept.scopes)
    assert sign_ins.caller(token) == caller
    assert len(token) >= 43  # 256 bits
    assert kept.id not in token
    again = sign_ins.begin(key)
    assert again is not None
    assert again[1] != token


@pytest.mark.parametrize("token", [None, "", "guessed", "\ud800"])
def test_nothing_else_opens_anything(keys: FileApiKeys, token: str | None) -> None:
    assert SignIns(keys, HOUR).caller(token) is None
    assert SignIns(keys, HOUR).begin(token or "") is None


def test_it_ends_by_itself(keys: FileApiKeys) -> None:
    clock = Clock()
    sign_ins = SignIns(keys, HOUR, clock)
    begun = sign_ins.begin(keys.create("soc", [Scope.READ])[1])
    assert begun is not None
    clock.seconds = 3_599
    assert sign_ins.caller(begun[1])
    clock.seconds = 3_600
    assert sign_ins.caller(begun[1]) is None
    clock.seconds = 0
    assert sign_ins.caller(begun[1]) is None


def test_it_ends_with_its_key_or_when_somebody_signs_out(keys: FileApiKeys) -> None:
    sign_ins = SignIns(keys, HOUR)
    kept, key = keys.create("soc", [Scope.READ])
    first, second = sign_ins.begin(key), sign_ins.begin(key)
    assert first is not None
    assert second is not None
    sign_ins.end(first[1])
    assert sign_ins.caller(first[1]) is None
    assert sign_ins.caller(second[1])
    keys.revoke(kept.id)
    assert sign_ins.caller(second[1]) is None


@pytest.mark.parametrize(
    ("headers", "own"),
    [
        ({"sec-fetch-site": "same-origin", "origin": "null"}, True),
        ({"sec-fetch-site": "cross-site", "origin": "http://soc:1"}, False),
        ({"sec-fetch-site": "none"}, False),
        ({"origin": "http://soc:1"}, True),
        ({"origin": "http://evil:1"}, False),
        ({"origin": "null"}, False),
        ({}, False),
    ],
)
def test_a_form_is_taken_from_our_own_page_alone(headers: dict[str, str], *, own: bool) -> None:
    from starlette.datastructures import Headers  # noqa: PLC0415

    assert signin.is_own_form(Headers({"host": "soc:1", **headers})) is own
