"""What every evidence store promises: facts are sets, the least rank stays, nobody sleeps on."""

from __future__ import annotations

import uuid
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, ClassVar

import pytest
import redis
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test
from redis.backoff import NoBackoff
from redis.retry import Retry

from enricher.cloudtrail.caller import Caller
from enricher.errors import UnavailableError
from enricher.identity.evidence import Loaded
from enricher.identity.facts import (
    Issuance,
    KeyCreation,
    Keyed,
    Mark,
    Naming,
    Sighting,
    Stamp,
    decode_fact,
    encode_fact,
)
from enricher.stores.memory import MemoryEvidenceStore
from enricher.stores.redis_evidence import RedisEvidenceStore

if TYPE_CHECKING:
    from collections.abc import Iterator

    from enricher.identity.facts import Fact
    from enricher.pipeline.ports import EvidenceStore
    from enricher.stack import Endpoints

AT = datetime(2026, 3, 2, 8, tzinfo=UTC)
LATER = AT + timedelta(hours=1)
RETENTION = timedelta(days=2)
CALLER = Caller(
    type="AssumedRole",
    partition="aws-cn",
    account_id="111122223333",
    principal_id="AROAEXAMPLE000000001:älice",
    arn="arn:aws-cn:sts::111122223333:assumed-role/Deploy/älice",
    access_key_id="ASIAEXAMPLE000000001",
    created_at=AT,
    mfa=False,
    issuer_type="Role",
    ec2_delivery=True,
)
# One fact of each type with every field that it can have.
WHOLE: tuple[Fact, ...] = (
    Issuance(
        event_name="AssumeRole",
        event_id="e-1",
        at=AT,
        caller=CALLER,
        account_id="111122223333",
        principal_id="AROAEXAMPLE000000002:bob",
        arn="arn:aws:sts::111122223333:assumed-role/Next/bob",
        role_arn="arn:aws:iam::111122223333:role/path/Next",
        session_name="bob",
        access_key_id="ASIAEXAMPLE000000002",
        expires_at=LATER,
        internal=True,
        service="lambda.amazonaws.com",
        workload_kind="lambda_function",
        workload_id="111122223333:f",
        workload_name="f",
        workload_provider="provider",
        switched_from="arn:aws:iam::111122223333:user/alice",
        sign_in_session="arn:aws:signin:us-east-1:111122223333:session/1",
        source_identity="älice@example.com",
        mfa=True,
        shared_event_id="s-1",
        request_id="r-1",
    ),
    Issuance(event_name="ConsoleLogin", event_id="e-2", at=AT, caller=Caller()),
    Sighting(event_name="GetRoleCredentials", event_id="e-3", at=AT, caller=CALLER),
    Stamp(event_id="e-4", at=AT, user_id="u-1", identity_store="store"),
    Stamp(event_id="e-5", at=AT, user_id="u-2"),
    KeyCreation(event_id="e-6", at=AT, creator_arn="arn:aws:iam::111122223333:user/alice"),
    KeyCreation(event_id="e-7", at=AT),
    Naming(arn="arn:aws:iam::111122223333:role/path/Next", at=AT),
    Mark(value="aws"),
)


@pytest.fixture(scope="module")
def client(stack_endpoints: Endpoints) -> Iterator[redis.Redis]:
    """A client of the real server."""
    with closing(redis.Redis.from_url(stack_endpoints.redis_url)) as client:
        yield client


def redis_store(client: redis.Redis) -> RedisEvidenceStore:
    """Give a store of its own on the real server."""
    return RedisEvidenceStore(client, retention=RETENTION, prefix=f"test:{uuid.uuid4().hex}:")


@pytest.fixture(params=["memory", "redis"])
def store(request: pytest.FixtureRequest) -> EvidenceStore:
    """Each store in turn, empty."""
    if request.param == "memory":
        return MemoryEvidenceStore()
    return redis_store(request.getfixturevalue("client"))


def sighting(event_id: str) -> Sighting:
    """Give a fact that proves nothing but itself."""
    return Sighting(event_name="Federate", event_id=event_id, at=AT, caller=CALLER)


def facts(store: EvidenceStore, key: str) -> list[Fact]:
    """Give what is known under a key, in the order of ids."""
    (loaded,) = store.read([key])
    assert loaded.key == key
    return sorted(loaded.facts, key=lambda fact: fact.fact_id)


# --- publish and read ---------------------------------------------------------------------------


@pytest.mark.parametrize("fact", WHOLE, ids=lambda fact: f"{type(fact).__name__}-{fact.fact_id}")
def test_every_type_of_fact_comes_back_as_it_was(store: EvidenceStore, fact: Fact) -> None:
    assert decode_fact(encode_fact(fact)) == fact
    store.publish([Keyed("issued/k", fact)])
    assert facts(store, "issued/k") == [fact]


def test_nothing_is_known_at_first(store: EvidenceStore) -> None:
    assert store.read(["issued/k", "shared/s"]) == [
        Loaded("issued/k", 0, ()),
        Loaded("shared/s", 0, ()),
    ]
    assert store.versions(["issued/k", "shared/s"]) == [0, 0]


def test_no_keys_are_no_work(store: EvidenceStore) -> None:
    assert store.publish([]) == set()
    assert store.read([]) == []
    assert store.versions([]) == []
    assert store.rest_on([]) == []


def test_a_key_holds_many_facts(store: EvidenceStore) -> None:
    store.publish([Keyed("issued/k", fact) for fact in WHOLE])
    assert facts(store, "issued/k") == sorted(WHOLE, key=lambda fact: fact.fact_id)


def test_keys_are_kept_apart_and_answered_in_the_order_of_asking(store: EvidenceStore) -> None:
    store.publish([Keyed("issued/a", sighting("1")), Keyed("issued/b", sighting("2"))])
    assert store.read(["issued/b", "issued/none", "issued/a"]) == [
        Loaded("issued/b", 1, (sighting("2"),)),
        Loaded("issued/none", 0, ()),
        Loaded("issued/a", 1, (sighting("1"),)),
    ]
    assert store.versions(["issued/b", "issued/none", "issued/a"]) == [1, 0, 1]


@pytest.mark.parametrize(
    "key", ["issued/", "session/1/AROA:a/b c/2026", "name/ümläut", "shared/a\nb", "shared/*?[x]"]
)
def test_a_key_may_hold_anything(store: EvidenceStore, key: str) -> None:
    assert store.rest_on([key]) == [0]
    assert store.publish([Keyed(key, sighting("1"))]) == {key}
    assert facts(store, key) == [sighting("1")]


@pytest.mark.parametrize("event_id", ["#", "", "=", "a\nb", "\n", "ümläut", "x" * 5_000])
def test_an_event_id_may_be_anything(store: EvidenceStore, event_id: str) -> None:
    stamp = Stamp(event_id=event_id, at=AT, user_id=event_id)
    published: list[Fact] = [sighting(event_id), stamp, Mark(value=event_id)]
    for number, fact in enumerate(published):
        store.publish([Keyed(f"shared/{number}", fact)])
        store.publish([Keyed(f"shared/{number}", fact)])
        assert facts(store, f"shared/{number}") == [fact]
        assert store.versions([f"shared/{number}"]) == [1]


# --- idempotence --------------------------------------------------------------------------------


def test_to_publish_twice_changes_nothing(store: EvidenceStore) -> None:
    published = [Keyed("issued/k", fact) for fact in WHOLE]
    store.publish(published)
    before = store.read(["issued/k"])
    assert store.publish(published) == set()
    assert store.read(["issued/k"]) == before


def test_the_same_fact_twice_in_one_call_is_one(store: EvidenceStore) -> None:
    assert store.publish([Keyed("issued/k", sighting("1"))] * 3) == set()
    assert store.read(["issued/k"]) == [Loaded("issued/k", 1, (sighting("1"),))]


@pytest.mark.parametrize("together", [True, False])
def test_of_two_facts_with_one_id_and_no_rank_the_first_stays(
    store: EvidenceStore, *, together: bool
) -> None:
    first = Keyed("issued/k", KeyCreation(event_id="1", at=AT))
    second = Keyed("issued/k", KeyCreation(event_id="1", at=LATER))
    store.publish([first])
    store.rest_on(["issued/k"])
    for published in [[first, second]] if together else [[first], [second]]:
        assert store.publish(published) == set()
    assert store.read(["issued/k"]) == [Loaded("issued/k", 1, (first.fact,))]


# --- versions -----------------------------------------------------------------------------------


def test_a_version_grows_with_each_change(store: EvidenceStore) -> None:
    for number in range(1, 5):
        store.publish([Keyed("issued/k", sighting(str(number)))])
        assert store.versions(["issued/k"]) == [number]
        assert store.read(["issued/k"])[0].version == number


def test_to_rest_on_a_key_is_no_change(store: EvidenceStore) -> None:
    store.publish([Keyed("issued/k", sighting("1"))])
    for _ in range(2):
        assert store.rest_on(["issued/k", "issued/w"]) == [1, 0]
    assert store.versions(["issued/k", "issued/w"]) == [1, 0]
    assert store.read(["issued/k"]) == [Loaded("issued/k", 1, (sighting("1"),))]
    assert store.read(["issued/w"]) == [Loaded("issued/w", 0, ())]


def test_the_version_is_that_of_the_step_that_declares(store: EvidenceStore) -> None:
    for number in range(1, 4):
        store.publish([Keyed("issued/k", sighting(str(number)))])
        assert store.rest_on(["issued/k"]) == [number]


def test_many_keys_are_rested_on_at_once_and_in_order(store: EvidenceStore) -> None:
    store.publish(Keyed(f"issued/{number}", sighting("1")) for number in range(0, 1_200, 2))
    names = [f"issued/{number}" for number in range(1_200)]
    assert store.rest_on(names) == [1, 0] * 600
    woken = store.publish([Keyed(name, sighting("2")) for name in names])
    assert woken == {*names}


# --- superseding --------------------------------------------------------------------------------


def test_the_earliest_stamp_of_a_user_stays(store: EvidenceStore) -> None:
    late = Stamp(event_id="1", at=LATER, user_id="u")
    early = Stamp(event_id="2", at=AT, user_id="u")
    store.publish([Keyed("onbehalf/k", late)])
    store.rest_on(["onbehalf/k"])
    assert store.publish([Keyed("onbehalf/k", early)]) == {"onbehalf/k"}
    assert facts(store, "onbehalf/k") == [early]
    assert store.versions(["onbehalf/k"]) == [2]
    assert store.publish([Keyed("onbehalf/k", late)]) == set()
    assert facts(store, "onbehalf/k") == [early]
    assert store.versions(["onbehalf/k"]) == [2]


def test_of_two_stamps_in_one_second_the_lesser_event_id_stays(store: EvidenceStore) -> None:
    stamps = [Stamp(event_id=name, at=AT, user_id="u") for name in ("b", "a", "c", "B")]
    store.publish(Keyed("onbehalf/k", stamp) for stamp in stamps)
    assert facts(store, "onbehalf/k") == [stamps[3]]


def test_the_stamps_of_two_users_stay_both(store: EvidenceStore) -> None:
    one, two = Stamp(event_id="1", at=AT, user_id="u"), Stamp(event_id="1", at=AT, user_id="v")
    store.publish([Keyed("onbehalf/k", one)])
    store.publish([Keyed("onbehalf/k", two)])
    assert facts(store, "onbehalf/k") == [one, two]


def test_an_arn_keeps_the_time_when_it_first_appeared(store: EvidenceStore) -> None:
    late, early = Naming(arn="arn", at=LATER), Naming(arn="arn", at=AT)
    store.publish([Keyed("name/k", late)])
    store.rest_on(["name/k"])
    assert store.publish([Keyed("name/k", early)]) == set()
    assert facts(store, "name/k") == [early]
    assert store.versions(["name/k"]) == [2]


# --- waking -------------------------------------------------------------------------------------


def test_facts_wake_nobody_where_nobody_rests_on_their_key(store: EvidenceStore) -> None:
    assert store.publish([Keyed("issued/k", sighting("1"))]) == set()
    assert store.publish([Keyed("issued/k", sighting("2"))]) == set()
    assert store.unsent() == {}


def test_a_fact_wakes_who_waits_for_its_key_only(store: EvidenceStore) -> None:
    store.rest_on(["issued/a", "issued/b"])
    published = [Keyed("issued/a", sighting("1")), Keyed("issued/c", sighting("1"))]
    assert store.publish(published) == {"issued/a"}


def test_a_wake_up_is_unsent_until_it_is_said_to_be_sent(store: EvidenceStore) -> None:
    store.rest_on(["issued/k", "issued/w"])
    assert store.unsent() == {}
    store.publish([Keyed("issued/k", sighting("1")), Keyed("issued/alone", sighting("1"))])
    first = store.unsent()
    assert set(first) == {"issued/k"}
    store.publish([Keyed("issued/k", sighting("1"))])  # nothing new
    assert store.unsent() == first
    store.publish([Keyed("issued/k", sighting("2")), Keyed("issued/w", sighting("1"))])
    store.sent(first)  # too old for the key that was woken anew
    assert set(store.unsent()) == {"issued/k", "issued/w"}
    store.sent(store.unsent())
    assert store.unsent() == {}
    store.sent({"issued/never": 1})


def test_who_waits_is_woken_each_time(store: EvidenceStore) -> None:
    store.rest_on(["issued/k"])
    store.rest_on(["issued/k"])
    assert store.publish([Keyed("issued/k", sighting("1"))]) == {"issued/k"}
    assert store.publish([Keyed("issued/k", sighting("2"))]) == {"issued/k"}


def test_a_fact_that_is_known_wakes_nobody(store: EvidenceStore) -> None:
    store.publish([Keyed("issued/k", sighting("1"))])
    store.rest_on(["issued/k"])
    assert store.publish([Keyed("issued/k", sighting("1"))]) == set()


def test_a_second_fact_wakes_those_who_rest_on_the_first(store: EvidenceStore) -> None:
    store.publish([Keyed("issued/k", sighting("1"))])
    store.rest_on(["issued/k"])
    for name in ("2", "3"):
        assert store.publish([Keyed("issued/k", sighting(name))]) == {"issued/k"}


def test_two_facts_in_one_call_wake_like_two_calls(store: EvidenceStore) -> None:
    store.rest_on(["issued/k"])
    published = [Keyed("issued/k", sighting("1")), Keyed("issued/k", sighting("2"))]
    assert store.publish(published) == {"issued/k"}


def test_an_earlier_time_of_one_arn_wakes_once_there_is_another_arn(store: EvidenceStore) -> None:
    store.publish([Keyed("name/k", Naming(arn="one", at=LATER))])
    store.rest_on(["name/k"])
    assert store.publish([Keyed("name/k", Naming(arn="two", at=LATER))]) == {"name/k"}
    assert store.publish([Keyed("name/k", Naming(arn="one", at=AT))]) == {"name/k"}


def test_many_facts_at_once_are_all_taken(store: EvidenceStore) -> None:
    published = [
        Keyed(f"issued/{number % 3_000}", sighting(str(number))) for number in range(6_000)
    ]
    names = [f"issued/{number}" for number in range(3_000)]
    store.rest_on(names)
    assert store.publish(published) == {*names}
    assert store.versions(names) == [2] * 3_000
    assert [len(loaded.facts) for loaded in store.read(names)] == [2] * 3_000


# --- what only the real server does --------------------------------------------------------------


def test_everything_in_redis_ends_some_day(client: redis.Redis) -> None:
    prefix = f"test:{uuid.uuid4().hex}:"
    store = RedisEvidenceStore(client, retention=RETENTION, prefix=prefix)
    store.rest_on(["issued/a"])
    store.publish([Keyed("issued/b", sighting("1"))])
    names = list(client.scan_iter(f"{prefix}*"))
    assert len(names) == 2
    store.rest_on(["issued/b"])
    for name in names:
        assert 0 < client.ttl(name) <= RETENTION.total_seconds()


def test_to_publish_again_keeps_a_fact_longer(client: redis.Redis) -> None:
    prefix = f"test:{uuid.uuid4().hex}:"
    store = RedisEvidenceStore(client, retention=RETENTION, prefix=prefix)
    store.publish([Keyed("issued/b", sighting("1"))])
    (name,) = client.scan_iter(f"{prefix}*")
    client.expire(name, 5)
    store.publish([Keyed("issued/b", sighting("1"))])
    assert client.ttl(name) > 5


def test_two_prefixes_are_two_stores(client: redis.Redis) -> None:
    one, two = redis_store(client), redis_store(client)
    one.publish([Keyed("issued/k", sighting("1"))])
    one.rest_on(["issued/k", "issued/w"])
    assert two.versions(["issued/k"]) == [0]
    published = [Keyed("issued/k", sighting("2")), Keyed("issued/w", sighting("1"))]
    assert two.publish(published) == set()


def test_a_server_that_does_not_answer_is_unavailable() -> None:
    with closing(redis.Redis(port=1, retry=Retry(NoBackoff(), 0))) as nobody:
        store = RedisEvidenceStore(nobody, retention=RETENTION)
        calls = (
            lambda: store.publish([Keyed("issued/k", sighting("1"))]),
            lambda: store.read(["issued/k"]),
            lambda: store.versions(["issued/k"]),
            lambda: store.rest_on(["issued/k"]),
        )
        for call in calls:
            with pytest.raises(UnavailableError):
                call()


# --- both, side by side ---------------------------------------------------------------------------

_KEYS = ("issued/a", "name/b", "onbehalf/c")
_IDS = st.sampled_from(["1", "2", "#", "a\nb", "é"])
_TIMES = st.sampled_from([AT, LATER, AT + timedelta(seconds=1)])


def _facts() -> st.SearchStrategy[Fact]:
    """Draw a fact; two of one id and one rank are the same, as those of one event are."""
    return st.one_of(
        _IDS.map(sighting),
        _IDS.map(lambda name: Mark(value=f"mark {name}")),
        st.builds(Naming, arn=_IDS.map(lambda name: f"arn {name}"), at=_TIMES),
        st.builds(Stamp, event_id=_IDS, at=_TIMES, user_id=_IDS),
        _IDS.map(lambda name: KeyCreation(event_id=f"key {name}", at=AT)),
        _IDS.map(
            lambda name: Issuance(
                event_name="AssumeRole", event_id=f"call {name}", at=AT, caller=CALLER
            )
        ),
    )


_KEYED = st.builds(Keyed, st.sampled_from(_KEYS), _facts())


class SideBySide(RuleBasedStateMachine):
    """The real store and its twin are told the same, and answer the same."""

    server: ClassVar[redis.Redis]

    def __init__(self) -> None:
        super().__init__()
        self.real = redis_store(self.server)
        self.twin = MemoryEvidenceStore()

    @rule(keyed=st.lists(_KEYED, max_size=8))
    def publish(self, keyed: list[Keyed]) -> None:
        """Publish to both: both wake the same keys."""
        assert self.real.publish(keyed) == self.twin.publish(keyed)

    @rule(names=st.lists(st.sampled_from(_KEYS)))
    def rest_on(self, names: list[str]) -> None:
        """Rest on the same keys in both."""
        assert self.real.rest_on(names) == self.twin.rest_on(names)

    @rule(names=st.lists(st.sampled_from(_KEYS)))
    def look(self, names: list[str]) -> None:
        """Read both: both know the same, at the same versions."""
        assert self.real.versions(names) == self.twin.versions(names)
        assert [_in_order(loaded) for loaded in self.real.read(names)] == [
            _in_order(loaded) for loaded in self.twin.read(names)
        ]


def _in_order(loaded: Loaded) -> Loaded:
    ordered = sorted(loaded.facts, key=lambda fact: (type(fact).__name__, fact.fact_id))
    return loaded._replace(facts=ordered)


def test_the_real_store_and_its_twin_answer_alike(client: redis.Redis) -> None:
    class OnThisServer(SideBySide):
        """Side by side on the server of this run."""

        server = client

    run_state_machine_as_test(
        OnThisServer, settings=settings(max_examples=60, stateful_step_count=30, deadline=None)
    )
