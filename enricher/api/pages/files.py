"""The files that pages load: our style and script, and the charting library that is installed.

Each is known by the digest of its content, so that a browser keeps it until it is another one.
"""

from __future__ import annotations

import gzip
import hashlib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

PATH = "/static"
# Plotly ships its script with its Python package: nothing of it is kept here, or fetched elsewhere.
_PLACES = {
    "page.css": ("enricher.api.pages", "static/page.css", "text/css"),
    "page.js": ("enricher.api.pages", "static/page.js", "text/javascript"),
    "timeline.js": ("enricher.api.pages", "static/timeline.js", "text/javascript"),
    "plotly-policy.js": ("enricher.api.pages", "static/plotly-policy.js", "text/javascript"),
    "plotly.js": ("plotly", "package_data/plotly.min.js", "text/javascript"),
}


@dataclass(frozen=True, slots=True)
class StaticFile:
    """A file to serve.

    Attributes:
        gzipped: Its content as it is sent.
        version: Begins the digest of its content.
    """

    gzipped: bytes
    media_type: str
    version: str


@cache
def static_file(name: str) -> StaticFile | None:
    """Give a file by its name; None where there is none."""
    if name not in _PLACES:
        return None
    package, path, media_type = _PLACES[name]
    content = (files(package) / path).read_bytes()
    version = hashlib.sha256(content).hexdigest()[:16]
    return StaticFile(gzip.compress(content, 6, mtime=0), media_type, version)


def address_of(name: str) -> str:
    """Give the address of a file: another one for another content."""
    found = static_file(name)
    if found is None:
        raise ValueError(name)
    return f"{PATH}/{name}?v={found.version}"
