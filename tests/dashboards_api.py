"""A server that stands for the import API of OpenSearch Dashboards 3.5.

It refuses what the real one was seen to refuse, in its words: a request without its header, another
form, objects that repeat or refer to nothing, and versions that it does not know. Like the real
one it looks at references to index patterns and searches alone.
"""

from __future__ import annotations

import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.parser import BytesParser
from email.policy import HTTP
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

from enricher.cloudtrail import codec

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterator

Json = dict[str, Any]

LAST_KNOWN = {
    "index-pattern": (7, 6, 0),
    "visualization": (7, 10, 0),
    "search": (7, 9, 3),
    "dashboard": (7, 9, 3),
}
_PATH = "/api/saved_objects/_import"
_CHECKED = ("index-pattern", "search")


@dataclass
class Seen:
    """What the server has and was asked.

    Attributes:
        status: To answer with in place of its own, as something in between would.
        body: With that status.
    """

    url: str = ""
    headers: list[Json] = field(default_factory=list)
    objects: dict[tuple[str, str], Json] = field(default_factory=dict)
    status: int | None = None
    body: bytes = b""


@contextmanager
def import_api(context: ssl.SSLContext | None = None) -> Iterator[Seen]:
    """Serve on loopback until the context is left."""
    seen = Seen()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            seen.headers.append({name.lower(): value for name, value in self.headers.items()})
            if seen.status is not None:
                status, answer = seen.status, seen.body
            else:
                status, found = _answer(seen, self.path, self.headers, body)
                answer = codec.dumps(found)
            self.send_response(status)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    scheme = "http"
    if context is not None:
        scheme = "https"
        server.socket = context.wrap_socket(server.socket, server_side=True)
    seen.url = f"{scheme}://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield seen
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _answer(seen: Seen, path: str, headers: Any, body: bytes) -> tuple[int, Json]:  # noqa: ANN401 - the server's
    url = urlsplit(path)
    if url.path != _PATH:
        return 404, {"message": "Not Found"}
    if "osd-xsrf" not in headers:
        return 400, {"message": "Request must contain the osd-xsrf header."}
    if not headers.get("Content-Type", "").startswith("multipart/form-data"):
        return 415, {"message": "Unsupported Media Type"}
    raw = b"Content-Type: " + headers["Content-Type"].encode() + b"\r\n\r\n" + body
    parts = list(BytesParser(policy=HTTP).parsebytes(raw).iter_parts())
    files = [
        part for part in parts if part.get_param("name", header="content-disposition") == "file"
    ]
    if len(files) != 1:
        return 400, {"message": "[request body.file]: expected value of type [Stream]"}
    name = files[0].get_filename() or ""
    if not name.endswith(".ndjson"):
        return 400, {"message": f"Invalid file extension .{name.rpartition('.')[2]}"}
    content: Any = files[0].get_payload(decode=True)
    overwrite = parse_qs(url.query).get("overwrite") == ["true"]
    return _import(seen, content, overwrite=overwrite)


def _import(seen: Seen, content: bytes, *, overwrite: bool) -> tuple[int, Json]:
    objects: list[Json] = [codec.loads(line) for line in content.splitlines()]
    if any("id" not in one or "attributes" not in one for one in objects):
        return 500, {"message": "An internal server error occurred."}
    keys = [(one["type"], one["id"]) for one in objects]
    if len(set(keys)) != len(keys):
        return 400, {"message": "Non-unique import objects detected: Bad Request"}
    for one in objects:
        version = one.get("migrationVersion", {}).get(one["type"], "0.0.0")
        if tuple(map(int, version.split("."))) > LAST_KNOWN.get(one["type"], (0,)):
            message = f'Document "{one["id"]}" belongs to a more recent version'
            return 422, {"message": message}
    errors = [
        *(
            _error(one, {"type": "unsupported_type"})
            for one in objects
            if one["type"] not in LAST_KNOWN
        ),
        *_missing(objects, {*keys, *seen.objects}),
    ]
    if not errors and not overwrite:
        known = [one for one, key in zip(objects, keys, strict=True) if key in seen.objects]
        errors = [_error(one, {"type": "conflict"}) for one in known]
    if errors:
        return 200, {"success": False, "successCount": len(objects), "errors": errors}
    seen.objects.update(zip(keys, objects, strict=True))
    return 200, {"success": True, "successCount": len(objects), "successResults": []}


def _missing(objects: list[Json], known: set[tuple[str, str]]) -> Iterator[Json]:
    for one in objects:
        lacking = [
            {"type": to["type"], "id": to["id"]}
            for to in one["references"]
            if to["type"] in _CHECKED and (to["type"], to["id"]) not in known
        ]
        if lacking:
            yield _error(one, {"type": "missing_references", "references": lacking})


def _error(saved: Json, error: Json) -> Json:
    return {"type": saved["type"], "id": saved["id"], "error": error}
