"""Write invented trails: ``python -m tools.trailgen samples OUT --seed N`` and the like."""

from __future__ import annotations

import argparse
from pathlib import Path

from tools.trailgen.samples import SEED, write_samples


def main() -> None:
    """Read the command line and write the trail that it asks for."""
    parser = argparse.ArgumentParser(prog="python -m tools.trailgen", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    samples = commands.add_parser("samples", help="one working day of a small organization")
    samples.add_argument("out", type=Path)
    samples.add_argument("--seed", type=int, default=SEED)
    chosen = parser.parse_args()
    write_samples(chosen.out, chosen.seed)


if __name__ == "__main__":
    main()
