"""How long messages and user agents take that are made to hurt: twice the length, twice the time.

python -m benchmarks.hostile [--rounds N]
"""

from __future__ import annotations

import argparse
import statistics
import time
from typing import TYPE_CHECKING

from enricher.cloudtrail.useragent import hint_of, tool_of
from enricher.enrichers.denials import read_denial, refuses

if TYPE_CHECKING:
    from collections.abc import Callable

_SIZES = (4_096, 8_192)
_HOSTILE = (
    "User: a is not authorized to perform: ",
    "is not authorized to perform: a:b on resource: ",
    "is not authorized to perform: a:b on resource: x because no no no identity ",
    "explicit deny in a aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa ",
    "no identity-based policy allows",
    "authorization id: 00000000-0000-0000-0000-00000000000 ",
    "a.",
    " ",
)
_AGENTS = ("aws-sdk-", "console.a.", "Console ", "a.amazonaws.com", "exec-env/CloudShel", "a b ")


def main() -> None:
    """Time them and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    _time_hostile(parser.parse_args().rounds)


def _time_hostile(rounds: int) -> None:
    sizes = " and ".join(f"{size:,}" for size in _SIZES)
    print(f"\nhostile messages and user agents of {sizes} characters")
    for kind, pieces, work in (
        ("message", _HOSTILE, _read_message),
        ("agent", _AGENTS, _read_agent),
    ):
        for piece in pieces:
            shown = [f"{_median(work, piece, size, rounds) * 1e3:8.3f} ms" for size in _SIZES]
            print(f"{kind:<8} {' '.join(shown)}  {piece!r} …")


def _median(work: Callable[[str], None], piece: str, size: int, rounds: int) -> float:
    text = (piece * (size // len(piece) + 1))[:size]
    seconds = []
    for _ in range(rounds):
        started = time.process_time()
        work(text)
        seconds.append(time.process_time() - started)
    return statistics.median(seconds)


def _read_message(text: str) -> None:
    read_denial.cache_clear()
    refuses(text)
    read_denial(text)


def _read_agent(text: str) -> None:
    tool_of.cache_clear()
    hint_of.cache_clear()
    tool_of(text)
    hint_of(text)


if __name__ == "__main__":
    main()
