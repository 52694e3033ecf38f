"""The embedded stack: OpenSearch and Valkey as ordinary processes of the user, loopback only."""

from enricher.stack.errors import ChecksumError, DownloadError, ServerStartError, StackError
from enricher.stack.settings import Endpoints, ServerStatus, StackSettings, StackStatus
from enricher.stack.stack import Stack

__all__ = [
    "ChecksumError",
    "DownloadError",
    "Endpoints",
    "ServerStartError",
    "ServerStatus",
    "Stack",
    "StackError",
    "StackSettings",
    "StackStatus",
]
