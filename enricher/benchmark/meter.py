"""How long something takes: by the clock, and by the processor time of everybody who takes part."""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import psutil

from enricher.benchmark.figures import Sample

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from opensearchpy import OpenSearch


_NODE_TELLS_SECONDS = 1.1  # a node looks at its own processor time once a second


@dataclass(frozen=True, slots=True)
class Meter:
    """Reads clocks before and after.

    Attributes:
        clocks: Processor time so far, in seconds, by whose it is.
    """

    clocks: Mapping[str, Callable[[], float]]

    @contextmanager
    def taking(self, events: int) -> Iterator[Taken]:
        """Measure what happens in the block; what was measured is there after it."""
        taken = Taken()
        before = {name: clock() for name, clock in self.clocks.items()}
        began = time.perf_counter()
        yield taken
        seconds = time.perf_counter() - began
        cpu = {name: clock() - before[name] for name, clock in self.clocks.items()}
        taken.sample = Sample(events=events, seconds=seconds, cpu_seconds=cpu)


@dataclass(slots=True)
class Taken:
    """What a block took; empty until it is over."""

    sample: Sample = field(default_factory=lambda: Sample(events=0, seconds=0.0))


def processor_of_nodes(client: OpenSearch) -> Callable[[], float]:
    """Make a clock of the processor time of all nodes of a cluster, as they tell it."""

    def read() -> float:
        time.sleep(_NODE_TELLS_SECONDS)
        answer: dict[str, Any] = client.nodes.stats(metric="process")
        nodes = answer["nodes"].values()
        milliseconds: int = sum(node["process"]["cpu"]["total_in_millis"] for node in nodes)
        return milliseconds / 1000

    return read


def processor_of_processes(*pids: int) -> Callable[[], float]:
    """Make a clock of the processor time of processes and their children.

    A child that ended is counted by its parent; one that is made meanwhile counts from there.
    """

    def read() -> float:
        total = 0.0
        for pid in pids:
            parent = psutil.Process(pid)
            spent = parent.cpu_times()
            total += spent.user + spent.system + spent.children_user + spent.children_system
            for child in parent.children(recursive=True):
                used = child.cpu_times()
                total += used.user + used.system
        return total

    return read
