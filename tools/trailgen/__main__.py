"""Write invented trails: the samples of this project, or a load."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tools.trailgen.generate import generate
from tools.trailgen.plan import load_plan
from tools.trailgen.samples import SEED, write_samples
from tools.trailgen.trail import write

if TYPE_CHECKING:
    from collections.abc import Sequence


def main(arguments: Sequence[str]) -> None:
    """Read the command line and write the trail that it asks for."""
    chosen = _parser().parse_args(arguments)
    if chosen.command == "samples":
        write_samples(chosen.out, chosen.seed)
        return
    trail = generate(chosen.seed, load_plan(chosen.events, chosen.accounts))
    write(trail, chosen.out, with_truth=chosen.truth)
    print(f"{len(trail.records)} records in {len(trail.files())} log files")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tools.trailgen", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    samples = commands.add_parser("samples", help="one working day of a small organization")
    load = commands.add_parser("load", help="busy hours of a large organization")
    for command in (samples, load):
        command.add_argument("out", type=Path, help="directory to write to")
        command.add_argument("--seed", type=int, default=SEED, help="same seed, same files")
    load.add_argument("--events", type=int, default=200_000, help="at least so many records")
    load.add_argument("--accounts", type=int, default=20, help="accounts of the organization")
    load.add_argument("--truth", action="store_true", help="write truth.json too; it is large")
    return parser


if __name__ == "__main__":
    main(sys.argv[1:])
