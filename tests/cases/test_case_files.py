"""The case files keep their own format, whatever the engine makes of them."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.cases.case_files import (
    CaseError,
    case_names,
    contains,
    document_id,
    load_case,
    mismatches,
    orphans,
)

HERE = Path(__file__).parent
NAMES = case_names(HERE)


@pytest.mark.parametrize("name", NAMES)
def test_case_is_well_formed(name: str) -> None:
    case = load_case(HERE, name)
    assert case.what.strip()
    assert case.events


def test_no_file_is_without_its_other_half() -> None:
    assert orphans(HERE) == []


def test_event_ids_are_unique_over_all_cases() -> None:
    seen: dict[str, str] = {}
    for name in NAMES:
        ids = {record["eventID"] for record in load_case(HERE, name).records if "eventID" in record}
        assert not ids & seen.keys()
        seen |= dict.fromkeys(ids, name)


def test_orphans_are_named(tmp_path: Path) -> None:
    (tmp_path / "alone.json.gz").write_bytes(b"")
    (tmp_path / "empty.yml").write_text("what: no records\n")
    shutil.copy(HERE / "G04.yml", tmp_path)
    assert orphans(tmp_path) == ["alone.json.gz", "empty.yml"]


def test_a_case_about_an_event_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    text = (HERE / "G04.yml").read_text("utf-8")
    (tmp_path / "wrong.yml").write_text(f"{text}evidence_of:\n  {'0' * 8}: []\n")
    with pytest.raises(CaseError, match="no single record for 0"):
        load_case(tmp_path, "wrong")


def test_an_unknown_key_is_refused(tmp_path: Path) -> None:
    text = (HERE / "G04.yml").read_text("utf-8")
    (tmp_path / "wrong.yml").write_text(f"{text}same_sesion: []\n")
    with pytest.raises(CaseError, match="same_sesion"):
        load_case(tmp_path, "wrong")


def test_document_id_needs_no_recipient_and_no_event_id() -> None:
    assert document_id({"eventID": "e", "recipientAccountId": "111111111111"}) == "e:111111111111"
    assert document_id({"eventId": "e"}) == "e"
    assert document_id({"b": "é", "a": 1}) == document_id({"a": 1, "b": "é"})


def test_null_means_absent_and_parts_are_found() -> None:
    enriched = {"origin": {"id": "x"}, "notes": ["after_expiry"], "missing": [{"account_id": "1"}]}
    expected = {
        "enriched.origin.name": None,
        "enriched.origin.id_one_of": ["x", "y"],
        "enriched.notes_contains": "after_expiry",
    }
    assert list(mismatches(enriched, expected)) == []
    assert list(mismatches(enriched, {"enriched.origin.id": "y"})) == [
        "enriched.origin.id: expected 'y', got 'x'"
    ]
    assert contains(enriched["missing"], '"account_id":"1"')
    assert not contains(enriched["notes"], "after")
    assert not contains(None, "after")
