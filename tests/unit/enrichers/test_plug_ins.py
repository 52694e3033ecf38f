"""A plug-in sees what it declared, and whatever it does costs no event."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from enricher.cloudtrail.record import Record
from enricher.enrichers.fields import BOOLEAN, INTEGER, IP, STORED, Field, keyword
from enricher.enrichers.interface import Context, Contribution, View
from enricher.enrichers.plugin import Guarded
from enricher.enrichers.registry import assemble, built_in, chosen, enrich
from enricher.errors import ConfigurationError
from enricher.identity.evidence import EvidenceInMemory
from enricher.identity.resolve import Resolver

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from enricher.enrichers.interface import PlugIn

SECRET = "FwoGZXIvYXdzEXAMPLE"  # noqa: S105 - an example
RAW: dict[str, Any] = {
    "eventTime": "2026-03-02T08:00:00Z",
    "eventID": "1",
    "requestParameters": {"names": ["a", "b"]},
    "responseElements": {"credentials": {"sessionToken": SECRET}},
    "userIdentity": {"type": "Root", "accountId": "111122223333"},
}


@dataclass
class Acme:
    """A plug-in that does what a test wants."""

    act: Callable[[View], Any] = lambda _: Contribution(fields={})
    name: str = "acme"
    version: int = 7
    reads: Sequence[str] = ()
    fields: Sequence[Field] = (
        Field("acme.owner", keyword(64), "who owns it", "alice"),
        Field("acme.addresses", IP, "where it is", ["192.0.2.7"]),
        Field("acme.count", INTEGER, "how many", 3),
    )

    def enrich(self, view: View) -> Any:  # noqa: ANN401 - anything at all
        """Do it."""
        return self.act(view)


def context(raw: dict[str, Any] = RAW) -> Context:
    record = Record(raw)
    resolver = Resolver(EvidenceInMemory())
    return Context(record=record, facts=(), resolver=resolver, window_closed=True)


def beside_identity(*plug_ins: PlugIn, enabled: Sequence[str] = ()) -> dict[str, Any]:
    own = built_in()[:1]
    available = [*(one.name for one in own), *(one.name for one in plug_ins)]
    names = chosen(available, enabled, ())
    return enrich(context(), assemble(names, own, plug_ins))


def says(**fields: Any) -> Callable[[View], Contribution]:  # noqa: ANN401 - anything at all
    return lambda _: Contribution(fields={"acme": fields})


ALONE = beside_identity()


def test_what_it_says_stands_beside_the_others() -> None:
    found = beside_identity(Acme(says(owner="alice", addresses=["192.0.2.7", "2001:db8::1"])))
    assert found.pop("acme") == {"owner": "alice", "addresses": ["192.0.2.7", "2001:db8::1"]}
    assert found == {**ALONE, "enrichers": {"identity": 1, "acme": 7}}


def test_it_is_given_what_it_declares_and_nothing_else() -> None:
    seen: list[View] = []

    def look(view: View) -> Contribution:
        seen.append(view)
        return Contribution(fields={})

    beside_identity(Acme(look, reads=("eventTime", "readOnly", "enriched.origin")))
    assert seen == [
        View(
            record={"eventTime": "2026-03-02T08:00:00Z"},
            enriched={"origin": ALONE["origin"]},
        )
    ]


def test_session_tokens_are_redacted_for_it() -> None:
    seen: list[View] = []
    beside_identity(Acme(seen.append, reads=("responseElements",)))
    assert seen[0].record == {"responseElements": {"credentials": {"sessionToken": "REDACTED"}}}


def test_what_it_changes_changes_nothing() -> None:
    def change(view: View) -> Contribution:
        view.record["requestParameters"]["names"].clear()
        view.enriched["origin"].clear()
        return Contribution(fields={})

    before = str(RAW)
    found = beside_identity(Acme(change, reads=("requestParameters", "enriched.origin")))
    assert str(RAW) == before
    assert found["origin"] == ALONE["origin"]
    assert "notes" not in found


def test_what_it_keeps_a_hold_of_is_not_what_is_written() -> None:
    kept = {"owner": "alice"}
    found = beside_identity(Acme(lambda _: Contribution(fields={"acme": kept})))
    kept["owner"] = "mallory"
    assert found["acme"] == {"owner": "alice"}


class Surprise(BaseException):
    """No ordinary error."""


def raises(error: BaseException) -> Callable[[View], None]:
    def act(_: View) -> None:
        raise error

    return act


def recurse(view: View) -> None:
    recurse(view)


@pytest.mark.parametrize(
    ("act", "note"),
    [
        (raises(ValueError(SECRET)), "ValueError"),
        (raises(Surprise(SECRET)), "Surprise"),
        (lambda _: sys.exit(3), "SystemExit"),
        (recurse, "RecursionError"),
        (lambda _: None, "no-contribution"),
        (lambda _: {"acme": {}}, "no-contribution"),
        (lambda _: Contribution(fields=["acme"]), "no-contribution"),  # type: ignore[arg-type] # on purpose
        (says(owner=object()), "no-json"),
        (says(owner={1: 2}), "no-json"),
        (says(owner="\ud800"), "no-json"),
        (says(count=1 << 70), "no-json"),
        (says(owner="x" * 70_000), "too-large"),
        (says(other="alice"), "undeclared-field"),
        (lambda _: Contribution(fields={"acme.owner": "alice"}), "undeclared-field"),
        (lambda _: Contribution(fields={"origin": {"name": "mallory"}}), "undeclared-field"),
        (lambda _: Contribution(fields={"notes": "x"}), "undeclared-field"),
        (lambda _: Contribution(fields={"acme": "alice"}), "undeclared-field"),
        (lambda _: Contribution(fields={"origin": {}}), "undeclared-field"),
        (lambda _: Contribution(fields={"": []}), "undeclared-field"),
        (says(owner=[["alice"]]), "value-of-another-type"),
        (says(owner={"name": "alice"}), "value-of-another-type"),
        (says(owner={}), "value-of-another-type"),
        (says(owner=7), "value-of-another-type"),
        (says(count=1 << 31), "value-of-another-type"),
        (says(count=True), "value-of-another-type"),
        (says(addresses="fe80::1%eth0"), "value-of-another-type"),
        (lambda _: Contribution(fields={}, notes=frozenset({"a b"})), "note-is-no-slug"),
        (lambda _: Contribution(fields={}, notes=frozenset({7})), "note-is-no-slug"),  # type: ignore[arg-type] # on purpose
    ],
)
def test_what_cannot_be_used_leaves_a_note_and_nothing_else(
    act: Callable[[View], Any], note: str
) -> None:
    assert beside_identity(Acme(act)) == {
        **ALONE,
        "notes": [f"acme: {note}"],
        "enrichers": {"identity": 1, "acme": 7},
    }


def test_who_interrupts_the_command_ends_it() -> None:
    with pytest.raises(KeyboardInterrupt):
        beside_identity(Acme(raises(KeyboardInterrupt())))


def test_it_may_say_nothing_and_many_things() -> None:
    assert beside_identity(Acme(says()))["acme"] == {}
    many = [{"owner": "alice"}, {"count": 3}]
    assert beside_identity(Acme(lambda _: Contribution(fields={"acme": many})))["acme"] == many


def test_its_notes_bear_its_name() -> None:
    note = frozenset({"oversize_value"})
    found = beside_identity(Acme(lambda _: Contribution(fields={}, notes=note)))
    assert found["notes"] == ["acme: oversize_value"]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(answer=st.dictionaries(st.sampled_from(["acme", "acme.owner", "origin", ""]), json_values))
def test_nothing_but_what_fits_gets_through(answer: dict[str, Any]) -> None:
    guarded = Guarded(Acme(lambda _: Contribution(fields=answer)))
    given_fields = guarded.enrich(context()).fields
    owners = given_fields.get("acme") or {}
    assert given_fields.keys() <= {"acme"}
    for part in owners if isinstance(owners, list) else [owners]:
        assert part.keys() <= {"owner", "addresses", "count"}


# --- what is put together -------------------------------------------------------------------------


def refusal(*plug_ins: Any, enabled: Sequence[str] = ()) -> str:  # noqa: ANN401 - anything at all
    with pytest.raises(ConfigurationError) as refused:
        beside_identity(*plug_ins, enabled=enabled)
    return str(refused.value)


def test_a_field_has_one_owner() -> None:
    mine = (Field("origin.owner", keyword(64), "who", "alice"),)
    assert "enriched.origin belongs to identity" in refusal(Acme(fields=mine))
    assert "enriched.acme belongs to acme" in refusal(Acme(), Acme(name="acme-too"))
    reserved = (Field("notes.mine", keyword(64), "what", "x"),)
    assert "enriched.notes belongs to the pipeline" in refusal(Acme(fields=reserved))


@pytest.mark.parametrize(
    "names", [("acme.a", "acme.a"), ("acme.a", "acme.a.b"), ("acme.a.b", "acme.a")]
)
def test_a_field_is_declared_once_and_holds_no_other(names: Sequence[str]) -> None:
    fields = [Field(name, BOOLEAN, "what", True) for name in names]
    assert "declares enriched.acme.a" in refusal(Acme(fields=fields))


@pytest.mark.parametrize(
    "mapping",
    [
        {"type": "keyword"},
        {"type": "keyword", "ignore_above": 9_000},
        {"type": "keyword", "ignore_above": "64"},
        {"type": "keyword", "ignore_above": 64, "meta": {"spelling": "other"}},
        {"type": "boolean", "meta": {"spelling": "lower"}},
        {"type": "geo_shape"},
        {"type": "date", "format": "epoch_millis"},
        {},
        STORED,
    ],
)
def test_a_mapping_that_may_refuse_an_event_is_refused(mapping: dict[str, Any]) -> None:
    fields = [Field("acme.a", mapping, "what", 1)]
    assert "maps acme.a in a way that plug-ins may not" in refusal(Acme(fields=fields))


@pytest.mark.parametrize("name", ["", "Acme", "a b", "a.b", "../a", None])
def test_a_name_is_a_slug(name: str) -> None:
    assert "needs a name" in refusal(Acme(name=name))


@pytest.mark.parametrize("name", ["", "acme.", "acme.A", "acme..b", "acme b"])
def test_a_field_has_a_path(name: str) -> None:
    fields = [Field(name, BOOLEAN, "what", True)]
    assert "declares a field that is none" in refusal(Acme(fields=fields))


def test_what_declares_too_little_is_refused() -> None:
    class Bare:
        name = "bare"

    assert "declares too little" in refusal(Bare())
    assert "declares too little" in refusal(Acme(version="1"))  # type: ignore[arg-type] # on purpose


def test_what_is_read_must_have_been_written_before() -> None:
    late = Acme(name="late", reads=("enriched.acme",), fields=())
    assert "reads enriched.acme, which no enricher before it writes" in refusal(late, Acme())
    assert beside_identity(Acme(), late)["enrichers"] == {"identity": 1, "acme": 7, "late": 7}
    found = beside_identity(late, Acme(), enabled=("acme", "late"))
    assert found["enrichers"] == {"identity": 1, "acme": 7, "late": 7}


def test_identity_always_runs_and_first() -> None:
    assert chosen(["identity", "a", "b"], ["b", "a"], []) == ["identity", "b", "a"]
    assert chosen(["identity", "a", "b"], ["b", "identity"], []) == ["identity", "b"]
    assert chosen(["identity", "a", "b"], [], ["a"]) == ["identity", "b"]
    with pytest.raises(ConfigurationError, match="cannot be disabled"):
        chosen(["identity", "a"], [], ["identity"])


def test_names_in_settings_exist_and_stand_once() -> None:
    with pytest.raises(ConfigurationError, match="no enricher x; there are identity, a"):
        chosen(["identity", "a"], ["x"], [])
    with pytest.raises(ConfigurationError, match="twice in the settings: a"):
        chosen(["identity", "a"], ["a", "a"], [])
    with pytest.raises(ConfigurationError, match="twice among those installed: a"):
        chosen(["identity", "a", "a"], [], [])


@pytest.mark.parametrize("enricher", built_in(), ids=lambda one: one.name)
def test_built_in_enrichers_need_what_they_declare_to_read(enricher: Any) -> None:  # noqa: ANN401
    assert enricher.reads
    assert all(name[0].islower() for name in enricher.reads)
