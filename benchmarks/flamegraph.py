"""Draw where processor time goes, from collapsed stacks: ``python -m benchmarks.flamegraph``.

A sampling profiler writes them, one line for each stack with how often it was seen, frames from
the outermost to the innermost with semicolons between. With py-spy:

    py-spy record --pid PID --subprocesses --format raw --output stacks.txt
    python -m benchmarks.flamegraph stacks.txt docs/images/profile.svg --below ingest_log_files
"""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path  # noqa: TC003 - Typer reads the annotations
from typing import TYPE_CHECKING, Annotated
from xml.sax.saxutils import escape

import typer

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_WIDTH, _ROW, _MARGIN = 1200, 18, 8
_LEAST = 0.0015  # of the whole: narrower boxes are left out
_CHARACTER = 6.4  # width of one at the size below
_FONT = 'font-family="ui-monospace, Menlo, Consolas, monospace" font-size="11"'
_COLOURS = (  # by the first pattern that a frame's place matches
    (re.compile(r"enricher/(cloudtrail|pipeline/ingest)"), "#f4c361", "reading"),
    (re.compile(r"enricher/(identity|enrichers|pipeline/batch)"), "#ef8a62", "resolving"),
    (re.compile(r"enricher/"), "#8fc3a3", "the rest of ours"),
    (re.compile(r"opensearchpy|urllib3|http/|ssl|socket"), "#8fb3d9", "OpenSearch's client"),
    (re.compile(r"redis/|kombu|celery|billiard"), "#c3a6d8", "queue and evidence"),
    (re.compile(r""), "#cfcfcf", "Python itself"),
)
_LINE_NUMBER = re.compile(r":\d+\)$")


@dataclass(slots=True)
class Frame:
    """A function with all that was called from it.

    Attributes:
        samples: How often it was on the stack here.
    """

    name: str
    samples: int = 0
    below: dict[str, Frame] = field(default_factory=dict)

    def add(self, names: Iterable[str], samples: int) -> None:
        """Count a stack that goes through here."""
        self.samples += samples
        here = self
        for name in names:
            here = here.below.setdefault(name, Frame(name))
            here.samples += samples

    @property
    def depth(self) -> int:
        """How many frames lie on top of each other, this one included."""
        return 1 + max((frame.depth for frame in self.below.values()), default=0)


@dataclass(frozen=True, slots=True)
class Box:
    """A frame as it is drawn; ``left`` and ``width`` are parts of the whole."""

    frame: Frame
    left: float
    width: float
    row: int


def read_stacks(lines: Iterable[str], below: str | None) -> Frame:
    """Add stacks up, from the outermost frame or from the first whose name begins so.

    Raises:
        typer.BadParameter: If a line is no stack, or none goes through that frame.
    """
    whole = Frame(below or "all")
    for line in lines:
        stack, _, samples = line.rstrip("\n").rpartition(" ")
        if not stack or not samples.isdigit():
            raise typer.BadParameter(f"this is no collapsed stack: {line[:80]!r}")
        names = [_LINE_NUMBER.sub(")", name) for name in stack.split(";")]
        if below is not None:
            places = [place for place, name in enumerate(names) if name.startswith(below)]
            if not places:
                continue
            names = names[places[0] + 1 :]
        whole.add(names, int(samples))
    if not whole.samples:
        raise typer.BadParameter(f"no stack goes through {below or 'anything'}")
    return whole


def boxes(whole: Frame) -> Iterator[Box]:
    """Lay frames out: callers below what they call, the widest first."""
    open_ones = [Box(whole, 0.0, 1.0, 0)]
    while open_ones:
        box = open_ones.pop()
        yield box
        left = box.left
        for frame in sorted(box.frame.below.values(), key=lambda one: (-one.samples, one.name)):
            width = frame.samples / whole.samples
            if width >= _LEAST:
                open_ones.append(Box(frame, left, width, box.row + 1))
            left += width


def draw(whole: Frame, title: str) -> str:
    """Give the drawing as SVG; the names in it are text and nothing else."""
    placed = list(boxes(whole))
    rows = max(box.row for box in placed) + 1
    height = (rows + 3) * _ROW + 2 * _MARGIN
    base = height - _MARGIN - _ROW
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" {_FONT}>',
        f'<rect width="{_WIDTH}" height="{height}" fill="#ffffff"/>',
        f'<text x="{_MARGIN}" y="{_MARGIN + 12}" font-weight="bold">{escape(title)}</text>',
        *_legend(whole),
        *(_drawn(box, base, whole.samples) for box in placed),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _legend(whole: Frame) -> Iterator[str]:
    """Say what the colours mean, with the time spent in such functions themselves."""
    own: dict[str, int] = defaultdict(int)
    stack = [whole]
    while stack:
        frame = stack.pop()
        stack += frame.below.values()
        own[_kind(frame.name)[1]] += frame.samples - sum(f.samples for f in frame.below.values())
    left = _MARGIN
    for _, colour, meaning in _COLOURS:
        text = f"{meaning} {own[meaning] / whole.samples:.0%}"
        yield f'<rect x="{left}" y="{_MARGIN + _ROW + 2}" width="12" height="12" fill="{colour}"/>'
        yield f'<text x="{left + 16}" y="{_MARGIN + _ROW + 12}">{escape(text)}</text>'
        left += int(len(text) * _CHARACTER) + 36


def _drawn(box: Box, base: int, samples: int) -> str:
    inner = _WIDTH - 2 * _MARGIN
    left, width = _MARGIN + box.left * inner, box.width * inner
    top = base - box.row * _ROW
    share = box.frame.samples / samples
    room = int((width - 6) / _CHARACTER)
    name = box.frame.name
    label = name if len(name) <= room else name[: room - 1] + "…" if room > 3 else ""  # noqa: PLR2004 - letters that say something
    text = f'<text x="{left + 3:.1f}" y="{top + 12}">{escape(label)}</text>' if label else ""
    return (
        f'<g><title>{escape(name)} {share:.1%}</title><rect x="{left:.1f}" y="{top}" '
        f'width="{max(width - 0.5, 0.5):.1f}" height="{_ROW - 1}" rx="1" '
        f'fill="{_kind(name)[0]}"/>{text}</g>'
    )


def _kind(name: str) -> tuple[str, str]:
    """Give colour and meaning of a frame by its place."""
    return next((colour, meaning) for place, colour, meaning in _COLOURS if place.search(name))


def main(
    stacks: Annotated[Path, typer.Argument(help="Collapsed stacks of a profiler.")],
    drawing: Annotated[Path, typer.Argument(help="The SVG file to write.")],
    below: Annotated[str | None, typer.Option(help="Only what this function calls.")] = None,
    title: Annotated[str, typer.Option(help="What stands above it.")] = "Processor time",
) -> None:
    """Draw where processor time goes, from collapsed stacks."""
    whole = read_stacks(stacks.read_text().splitlines(), below)
    drawing.write_text(draw(whole, title))


if __name__ == "__main__":
    typer.run(main)
