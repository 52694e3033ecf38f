"""``enricher bench``: how fast this cluster takes events, and what enriching them costs."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from enricher.benchmark.figures import Series
from enricher.benchmark.floors import FINAL, PREFIX, RAW, Floors, Loading
from enricher.benchmark.material import prepare, read_material
from enricher.benchmark.meter import Meter, processor_of_nodes
from enricher.benchmark.stages import measure_stages, ours
from enricher.bootstrap import Container, container
from enricher.cli.shown import err, out, text


def bench(
    paths: Annotated[
        list[Path], typer.Argument(help="Log files or folders of them to measure with.")
    ],
    events: Annotated[
        int, typer.Option(min=100, help="Repeat them up to so many events.")
    ] = 20_000,
    repeat: Annotated[int, typer.Option(min=1, help="How often each measure is made.")] = 5,
    yes: Annotated[  # noqa: FBT002 - Typer's flags
        bool, typer.Option("--yes", help="Do not ask before a cluster of yours is put under load.")
    ] = False,
) -> None:
    """Measure how fast the cluster takes raw and finished events, and what enriching costs.

    It writes to an index of its own, enricher-bench-floor, and removes it afterwards. Nothing else
    of the cluster is touched, but it is busy meanwhile.
    """
    services = container()
    if services.settings.opensearch.url and not yes:
        address = services.endpoints.opensearch_url
        err.print(text(f"This loads {address} with {2 * repeat * events:,} documents"))
        err.print(text(f"in indices {PREFIX}*, which are removed afterwards."))
        typer.confirm("Go on?", abort=True, err=True)
    material = read_material(paths, events)
    floors = _floors(services)
    costs: list[float] = []
    floors.find_best(prepare(material.fresh("try"), services.enrichers, datetime.now(tz=UTC)))
    for repetition in range(repeat):
        fresh = material.fresh(str(repetition))
        now = datetime.now(tz=UTC)
        floors.measure(prepare(fresh, services.enrichers, now), weigh=repetition == 0)
        costs.append(ours(measure_stages(fresh, services.enrichers, now)))
    _show(floors, costs, material.count)


def _floors(services: Container) -> Floors:
    client = services.opensearch
    meter = Meter({"node": processor_of_nodes(client), "ours": time.process_time})
    return Floors(client, services.enrichers, meter, Loading(), Series(), {})


def _show(floors: Floors, costs: list[float], count: int) -> None:
    series, table = floors.series, Table(title=f"{count:,} events, {len(costs)} times: medians")
    for column in ("", "events/s", "CPU of all nodes, µs/event", "index bytes/event"):
        table.add_column(column, justify="left" if not column else "right")
    for measure in (RAW, FINAL):
        table.add_row(
            measure,
            series.rate(measure).shown(0),
            series.cpu_of(measure, "node").shown(1),
            f"{floors.bytes_each[measure]:,.0f}",
        )
    out.print(table)
    cost = sorted(costs)[len(costs) // 2]
    out.print(f"sent as: {floors.loading.shown()}")
    out.print(f"(a2)/(a1): {series.rates_compared(FINAL, RAW).shown()}")
    out.print(
        f"(d) enriching, pure CPU of one core: {cost:.1f} µs/event, {1e6 / cost:,.0f} events/s"
    )
