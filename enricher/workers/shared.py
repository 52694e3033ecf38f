"""The directory in which a worker's processes count together."""

from __future__ import annotations

import os
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

# Where prometheus_client looks for it, and only once: as it is imported.
_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"


@contextmanager
def counting_directory() -> Iterator[Path]:
    """Make a directory for this worker's counters, and remove it after the block.

    It is new each time, so that no number of an earlier run is in it. Nothing of Prometheus may
    have been imported before.
    """
    with tempfile.TemporaryDirectory(prefix="enricher-metrics-") as directory:
        os.environ[_VARIABLE] = directory  # noqa: TID251 - read by the library, no setting of ours
        yield Path(directory)
