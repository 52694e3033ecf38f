"""Who is told of an alert, how often, and what is left when a process dies in between."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING

import msgspec
import pytest

from enricher.alerts import triage
from enricher.alerts.alert import Status, found_again
from enricher.alerts.deliver import (
    DeliverServices,
    Format,
    Kind,
    Message,
    Result,
    Target,
    backoff,
    deliver,
    dispatch,
    tell_again,
)
from enricher.alerts.errors import DeliveryError, UnknownAlertError
from enricher.alerts.ports import Wanted
from enricher.alerts.telling import Outcome, Telling
from enricher.alerts.triage import TriageServices
from enricher.errors import ConfigurationError
from enricher.stores.memory_alerts import MemoryAlerts, MemoryRules
from tests.unit.alerts.test_alert import NOW, RULE, alert, content

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from enricher.alerts.alert import Alert
    from enricher.alerts.deliver import Sender

LEASE = timedelta(seconds=25)


@dataclass
class Ear:
    """A target that hears, or does not."""

    heard: list[Message] = field(default_factory=list)
    fault: BaseException | None = None

    def send(self, message: Message) -> None:
        if self.fault is not None:
            raise self.fault
        self.heard.append(message)

    @property
    def keys(self) -> list[str]:
        return [one.key for one in self.heard]


@dataclass
class House:
    """Alerts, targets, a queue and a clock."""

    alerts: MemoryAlerts = field(default_factory=MemoryAlerts)
    ears: dict[str, Ear] = field(default_factory=lambda: {"soc": Ear()})
    level: str = "low"
    queued: list[tuple[Kind, str, str]] = field(default_factory=list)
    at: datetime = NOW

    def deliver(self, kind: Kind, alert_id: str, target: str) -> None:
        self.queued.append((kind, alert_id, target))

    @property
    def services(self) -> DeliverServices:
        return DeliverServices(
            alerts=self.alerts,
            targets={name: self.target(name) for name in self.ears},
            queue=self,
            now=lambda: self.at,
            attempts=3,
            backoff=timedelta(seconds=30),
            longest_backoff=timedelta(seconds=60),
            lease=LEASE,
        )

    def target(self, name: str) -> Target:
        sender: Callable[[], Sender] = lambda: self.ears[name]  # noqa: E731
        return Target(
            name=name, kind=Kind.WEBHOOK, level=self.level, format=Format.ENRICHER, sender=sender
        )

    def write(self, one: Alert) -> None:
        assert self.alerts.write([(one, self.alerts.get(one.id))]) == [True]

    def alert(self) -> Alert:
        stored = self.alerts.get("a")
        assert stored is not None
        return stored.alert

    def run(self, seconds: float = 0) -> list[Result]:
        """Let time pass, and do what is due then."""
        self.at += timedelta(seconds=seconds)
        self.queued.clear()
        dispatch(self.services)
        return [deliver(one, name, self.services).result for _, one, name in self.queued]


@pytest.fixture
def house() -> House:
    found = House()
    found.write(alert("1"))
    return found


def test_a_new_alert_is_told_once(house: House) -> None:
    assert house.run() == [Result.DELIVERED]
    assert house.run(60) == []
    assert house.ears["soc"].keys == ["a:1"]
    assert house.alert().telling is Telling.DONE
    assert (house.alert().revision, len(house.alert().history)) == (1, 1)


def test_counting_up_is_not_told_but_news_are(house: House) -> None:
    house.run()
    house.write(found_again(house.alert(), RULE, content("2", "1"), house.at))
    assert house.run(60) == []
    house.write(found_again(house.alert(), RULE, content("2", "1", name="alice"), house.at))
    assert house.run(60) == [Result.DELIVERED]
    assert house.ears["soc"].keys == ["a:1", "a:3"]


def test_a_rule_that_is_more_severe_now_is_news(house: House) -> None:
    house.run()
    severe = replace(RULE, level="critical", version="2")
    house.write(found_again(house.alert(), severe, content("1"), house.at))
    assert house.run(60) == [Result.DELIVERED]
    mild = replace(RULE, level="low", version="3")
    house.write(found_again(house.alert(), mild, content("1"), house.at))
    assert house.run(60) == []


def test_what_fails_is_tried_again_ever_later_until_it_is_given_up(house: House) -> None:
    house.ears["soc"].fault = DeliveryError("answered-500")
    assert house.run() == [Result.FAILED]
    assert house.run(29) == []
    assert house.run(1) == [Result.FAILED]
    assert house.run(59) == []
    assert house.run(1) == [Result.GIVEN_UP]
    told = house.alert().told["soc"]
    assert (told.outcome, told.attempts, told.reason) == (Outcome.GIVEN_UP, 3, "answered-500")
    assert house.alert().telling is Telling.GIVEN_UP
    assert house.run(10_000) == []
    house.ears["soc"].fault = None
    tell_again("a", house.services)
    assert house.run() == [Result.DELIVERED]
    assert house.alert().telling is Telling.DONE
    with pytest.raises(UnknownAlertError):
        tell_again("nobody", house.services)


def test_backoff_doubles_up_to_the_longest(house: House) -> None:
    found = [backoff(number, house.services).total_seconds() for number in (1, 2, 3, 100)]
    assert found == [30, 60, 60, 60]


def test_a_target_that_fails_keeps_no_other_waiting(house: House) -> None:
    house.ears = {"deaf": Ear(fault=DeliveryError("timeout")), "soc": Ear()}
    assert sorted(house.run()) == [Result.DELIVERED, Result.FAILED]
    assert house.alert().telling is Telling.DUE
    assert house.run(30) == [Result.FAILED]
    assert house.run(60) == [Result.GIVEN_UP]
    assert house.ears["soc"].keys == ["a:1"]


@pytest.mark.parametrize("heard", [False, True])
def test_who_dies_while_telling_is_followed_by_another(house: House, heard: bool) -> None:  # noqa: FBT001
    """Whether the target heard it, nobody knows: it hears it again, with the same key."""
    ear = house.ears["soc"]
    ear.fault = SystemExit()
    with pytest.raises(SystemExit):
        house.run()
    if heard:
        ear.heard.append(Message(key="a:1", alert_id="a", severity="", rule_id="", body=b""))
    ear.fault = None
    assert house.run(LEASE.total_seconds() - 1) == []  # it could still be at it
    assert house.run(1) == [Result.DELIVERED]
    assert ear.keys == ["a:1"] * (1 + heard)
    assert house.alert().told["soc"].attempts == 2


def test_what_kills_whoever_tells_it_is_given_up(house: House) -> None:
    house.ears["soc"].fault = SystemExit()
    for _ in range(3):
        with pytest.raises(SystemExit):
            house.run(LEASE.total_seconds())
    assert house.run(LEASE.total_seconds()) == [Result.NOTHING]
    told = house.alert().told["soc"]
    assert (told.outcome, told.reason) == (Outcome.GIVEN_UP, "attempts-lost")


def test_a_task_that_comes_twice_tells_once(house: House) -> None:
    dispatch(house.services)
    dispatch(house.services)
    results = [deliver(one, name, house.services).result for _, one, name in house.queued]
    assert results == [Result.DELIVERED, Result.NOTHING]
    assert deliver("nobody", "soc", house.services).result is Result.NOTHING


def test_news_while_it_is_told_are_told_after_it(house: House) -> None:
    dispatch(house.services)
    ear, services = house.ears["soc"], house.services

    class Interrupted(Ear):
        def send(self, message: Message) -> None:
            ear.send(message)
            after = found_again(house.alert(), RULE, content("1", name="alice"), house.at)
            house.write(after)

    house.ears["soc"] = Interrupted()
    assert deliver("a", "soc", services).result is Result.DELIVERED
    house.ears["soc"] = ear
    assert house.alert().telling is Telling.DUE
    assert house.run() == [Result.DELIVERED]
    assert ear.keys == ["a:1", "a:2"]


def test_who_wants_only_worse_is_not_told(house: House) -> None:
    house.level = "critical"
    assert house.run() == []
    assert house.alert().telling is Telling.DONE


def test_closed_and_suppressed_alerts_are_not_told_until_they_are_open_again(
    house: House,
) -> None:
    services = TriageServices(alerts=house.alerts, rules=MemoryRules(), now=lambda: house.at)
    triage.close("a", "me", services)
    assert house.run() == []
    assert house.alert().telling is Telling.DONE
    house.write(found_again(house.alert(), RULE, content("2", "1"), house.at))
    assert house.alert().status is Status.OPEN
    suppression = triage.new_suppression(
        Wanted(rule_id="r"),
        reason="known",
        until=house.at + timedelta(days=1),
        by="me",
        now=house.at,
    )
    triage.suppress(suppression, services)
    assert house.run() == []
    triage.unsuppress(suppression.id, "me", services)
    assert house.run() == [Result.DELIVERED]


def test_without_targets_nothing_stays_due(house: House) -> None:
    house.ears = {}
    assert house.run() == []
    assert house.alert().telling is Telling.DONE


def test_a_target_that_is_not_in_the_settings_any_more_is_forgotten(house: House) -> None:
    dispatch(house.services)
    house.ears = {}
    assert deliver("a", "soc", house.services).result is Result.NOTHING
    house.run()
    assert house.alert().telling is Telling.DONE


def test_a_target_whose_secret_cannot_be_read_says_so(house: House) -> None:
    services = house.services

    def unreadable() -> Sender:
        raise ConfigurationError("no secret can be read")

    targets = {"soc": replace(services.targets["soc"], sender=unreadable)}
    report = deliver("a", "soc", replace(services, targets=targets))
    assert (report.result, report.reason) == (Result.FAILED, "misconfigured")


def test_the_longest_due_come_first(house: House) -> None:
    other = {"id": "b", "tell_at": "2026-03-01T00:00:00Z"}
    house.write(msgspec.structs.replace(house.alert(), **other))
    dispatch(house.services)
    assert [one for _, one, _ in house.queued] == ["b", "a"]
