"""What was measured, how often, and how it compares: medians with their spread, and ratios."""

from __future__ import annotations

import statistics
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

MICROSECONDS = 1e6


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One repetition of one measure.

    Attributes:
        events: How many records it was about.
        seconds: By the clock on the wall; on a shared machine it says little by itself.
        cpu_seconds: Processor time by who took it, e.g. ``node``, ``ours``.
    """

    events: int
    seconds: float
    cpu_seconds: dict[str, float] = field(default_factory=dict)

    @property
    def rate(self) -> float:
        """Events a second."""
        return self.events / self.seconds

    @property
    def cpu_each(self) -> float:
        """Processor time of all together for each event, in microseconds."""
        return sum(self.cpu_seconds.values()) / self.events * MICROSECONDS

    def cpu_of(self, who: str) -> float:
        """Processor time of one of them for each event, in microseconds."""
        return self.cpu_seconds.get(who, 0.0) / self.events * MICROSECONDS


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """A median with the least and the greatest value beside it."""

    median: float
    least: float
    most: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """Sum values up.

        Raises:
            StatisticsError: If there are none.
        """
        return cls(median=statistics.median(values), least=min(values), most=max(values))

    def document(self) -> dict[str, float]:
        """Give it as JSON."""
        return {"median": self.median, "least": self.least, "most": self.most}

    def shown(self, digits: int = 2) -> str:
        """Give it as people read it."""
        median, least, most = (f"{x:,.{digits}f}" for x in (self.median, self.least, self.most))
        return f"{median} ({least} … {most})"


@dataclass(slots=True)
class Series:
    """The repetitions of each measure, in the order in which they were made."""

    samples: dict[str, list[Sample]] = field(default_factory=dict)

    def add(self, measure: str, sample: Sample) -> None:
        """Keep one more repetition."""
        self.samples.setdefault(measure, []).append(sample)

    def rate(self, measure: str) -> Spread:
        """Give the events a second of a measure."""
        return Spread.of([sample.rate for sample in self.samples[measure]])

    def cpu_each(self, measure: str) -> Spread:
        """Give the processor time of an event, in microseconds, of all who took part."""
        return Spread.of([sample.cpu_each for sample in self.samples[measure]])

    def cpu_of(self, measure: str, who: str) -> Spread:
        """Give the processor time of an event, in microseconds, of one who took part."""
        return Spread.of([sample.cpu_of(who) for sample in self.samples[measure]])

    def rates_compared(self, one: str, other: str) -> Spread:
        """Give how fast one measure is beside another, repetition by repetition: 1 is as fast."""
        pairs = zip(self.samples[one], self.samples[other], strict=True)
        return Spread.of([a.rate / b.rate for a, b in pairs])

    def cpu_compared(self, one: str, other: str) -> Spread:
        """Give the same by processor time: 1 where an event costs no more than in the other.

        Where all processors are busy, this is how fast one is beside the other, and what else the
        machine does meanwhile disturbs it less than the clock on the wall.
        """
        pairs = zip(self.samples[one], self.samples[other], strict=True)
        return Spread.of([b.cpu_each / a.cpu_each for a, b in pairs])

    def document(self) -> dict[str, Any]:
        """Give everything as JSON."""
        return {
            measure: [
                {
                    "events": one.events,
                    "seconds": one.seconds,
                    "cpu_seconds": one.cpu_seconds,
                }
                for one in samples
            ]
            for measure, samples in self.samples.items()
        }
