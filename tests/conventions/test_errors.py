"""Errors cross from one process to another: they come out of the pickle as they went in."""

from __future__ import annotations

import importlib
import inspect
import pickle
import typing
from typing import Any

import pytest

from enricher.errors import EnricherError
from tests.conventions.source import PACKAGE, REPOSITORY, source_files

# Importing these does what they are for: they run a command, or ask for servers.
NOT_IMPORTED = {"enricher.cli.__main__", "enricher.workers.tasks"}
SAMPLES: dict[object, Any] = {str: "reason", int: 7, tuple[str, ...]: ("a line",)}


def _error_classes() -> list[type[EnricherError]]:
    for path in source_files(PACKAGE.name):
        parts = path.relative_to(REPOSITORY).with_suffix("").parts
        name = ".".join(part for part in parts if part != "__init__")
        if name not in NOT_IMPORTED:
            importlib.import_module(name)
    found: list[type[EnricherError]] = []
    queue: list[type[EnricherError]] = [EnricherError]
    while queue:
        cls = queue.pop()
        found.append(cls)
        queue += cls.__subclasses__()
    ours = {cls for cls in found if cls.__module__.startswith("enricher.")}
    return sorted(ours, key=lambda cls: cls.__qualname__)


def _make(cls: type[EnricherError]) -> EnricherError:
    if not inspect.isfunction(cls.__init__):
        return cls("a message")
    hints = typing.get_type_hints(cls.__init__)
    hints.pop("return", None)
    return cls(**{name: _sample(hint) for name, hint in hints.items()})


def _sample(hint: object) -> Any:  # noqa: ANN401 - any argument of any error
    if hint in SAMPLES:
        return SAMPLES[hint]
    return next(SAMPLES[part] for part in typing.get_args(hint) if part in SAMPLES)


@pytest.mark.parametrize("cls", _error_classes(), ids=lambda cls: cls.__name__)
def test_error_survives_pickling(cls: type[EnricherError]) -> None:
    before = _make(cls)
    after = pickle.loads(pickle.dumps(before))  # noqa: S301 - our own bytes
    assert type(after) is cls
    assert after.args == before.args
    assert vars(after) == vars(before)
    assert str(after) == str(before)
