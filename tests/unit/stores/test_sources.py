"""Sources of log files, as far as they need no server."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from botocore.exceptions import (
    ClientError,
    EndpointConnectionError,
    NoCredentialsError,
    ReadTimeoutError,
)

from enricher.errors import LogFileError, UnavailableError
from enricher.stores.aws import AwsAccess, configuration, translated
from enricher.stores.directory import DirectoryLogFiles
from enricher.stores.memory import MemoryLogFiles
from enricher.stores.routed import RoutedLogFiles
from enricher.stores.spool import spool
from enricher.stores.sqs import region_of

if TYPE_CHECKING:
    from enricher.errors import EnricherError
    from enricher.pipeline.ports import LogFileSource


def test_a_location_is_read_by_the_source_of_its_scheme(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(b"path")
    made = []

    def make() -> LogFileSource:
        made.append(1)
        return MemoryLogFiles({"s3://b/k": b"s3"})

    source = RoutedLogFiles(DirectoryLogFiles(), {"s3": make})
    assert b"".join(source.read(str(path))) == b"path"
    assert made == []
    for _ in range(2):
        assert b"".join(source.read("s3://b/k")) == b"s3"
    assert made == [1]
    with pytest.raises(LogFileError, match="scheme-unknown"):
        source.read("gs://b/k")


def test_without_s3_nobody_imports_its_client() -> None:
    code = "import sys, enricher.cli.main; sys.exit('boto3' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0  # noqa: S603


def client_error(code: str, status: int = 400) -> ClientError:
    return ClientError(
        {
            "Error": {"Code": code, "Message": "<b>secret</b>"},
            "ResponseMetadata": {
                "HTTPStatusCode": status,
                "RequestId": "",
                "HostId": "",
                "HTTPHeaders": {},
                "RetryAttempts": 0,
            },
        },
        "GetObject",
    )


@pytest.mark.parametrize(
    ("raised", "expected"),
    [
        (client_error("NoSuchKey", 404), LogFileError("file-missing")),
        (client_error("NoSuchBucket", 404), LogFileError("file-missing")),
        (client_error("AccessDenied", 403), LogFileError("permission-denied")),
        (client_error("KMS.DisabledException"), LogFileError("permission-denied")),
        (client_error("InvalidObjectState", 403), LogFileError("file-archived")),
        (client_error("Odd"), LogFileError("file-unreadable")),
        (client_error("SlowDown", 503), UnavailableError("AWS asks to try again: SlowDown")),
        (
            client_error("ThrottlingException"),
            UnavailableError("AWS asks to try again: ThrottlingException"),
        ),
        (client_error("\x1b[2J" * 9, 500), UnavailableError("AWS asks to try again: unknown")),
        (
            client_error("ExpiredToken"),
            UnavailableError("AWS refuses these credentials: ExpiredToken"),
        ),
        (
            NoCredentialsError(),
            UnavailableError(
                "no AWS credentials: set AWS_PROFILE or AWS_ACCESS_KEY_ID and "
                "AWS_SECRET_ACCESS_KEY, or give this machine a role"
            ),
        ),
        (
            ReadTimeoutError(endpoint_url="http://secret"),
            UnavailableError("AWS cannot be reached: ReadTimeoutError"),
        ),
        (
            EndpointConnectionError(endpoint_url="http://secret"),
            UnavailableError("AWS cannot be reached: EndpointConnectionError"),
        ),
    ],
)
def test_errors_of_aws_become_ours_and_quote_nothing(
    raised: Exception, expected: EnricherError
) -> None:
    with pytest.raises(type(expected)) as caught, translated():
        raise raised
    assert str(caught.value) == str(expected)


def test_requests_are_repeated_by_the_client() -> None:
    chosen = configuration(AwsAccess(max_attempts=7))
    assert chosen.retries == {"mode": "standard", "total_max_attempts": 7}  # type: ignore[attr-defined] # made at run time


@pytest.mark.parametrize(
    ("url", "region"),
    [
        ("https://sqs.eu-west-1.amazonaws.com/111122223333/trail", "eu-west-1"),
        ("https://sqs.us-gov-west-1.amazonaws.com/1/q", "us-gov-west-1"),
        ("https://sqs.cn-north-1.amazonaws.com.cn/1/q", "cn-north-1"),
        ("https://eu-west-1.queue.amazonaws.com/1/q", "eu-west-1"),
        ("http://127.0.0.1:5000/1/q", None),
    ],
)
def test_a_queue_tells_its_region(url: str, region: str | None) -> None:
    assert region_of(url) == region


# --- standard input -----------------------------------------------------------------------------


def test_a_stream_is_kept_once_for_its_content(tmp_path: Path) -> None:
    directory = tmp_path / "data" / "spool"
    first = spool(io.BytesIO(b"content"), directory, limit=7)
    assert Path(first).read_bytes() == b"content"
    assert spool(io.BytesIO(b"content"), directory, limit=7) == first
    assert [path.name for path in directory.iterdir()] == [Path(first).name]
    assert Path(first).stat().st_mode & 0o077 == 0
    assert directory.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    ("content", "reason"), [(b"", "file-empty"), (b"12345678", "inflated-size-exceeded")]
)
def test_a_stream_that_is_no_log_file_leaves_nothing(
    tmp_path: Path, content: bytes, reason: str
) -> None:
    with pytest.raises(LogFileError, match=reason):
        spool(io.BytesIO(content), tmp_path, limit=7)
    assert list(tmp_path.iterdir()) == []
