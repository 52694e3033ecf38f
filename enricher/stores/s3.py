"""Log files in S3: read them, list them."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from enricher.cloudtrail.logfile import FileKind, kind_of
from enricher.pipeline.discover import ListedPage, Place, classify, day_folder
from enricher.pipeline.locations import S3Location
from enricher.pipeline.ports import LogFileStat
from enricher.stores.aws import AwsAccess, make_client, translated

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from types_boto3_s3 import S3Client
    from types_boto3_s3.type_defs import (
        GetObjectRequestTypeDef,
        ListObjectsV2OutputTypeDef,
        ListObjectsV2RequestTypeDef,
        ObjectTypeDef,
    )

    from enricher.pipeline.discover import Folder, Selection

_CHUNK_BYTES = 1 << 20
_PAGE_KEYS = 1_000


class S3LogFiles:
    """Reads and lists log files in S3; a location is ``s3://bucket/key``, also with a version.

    Objects that are encrypted with KMS are decrypted by S3; the key's policy must allow it.
    """

    def __init__(
        self,
        access: AwsAccess | None = None,
        *,
        requester_pays: bool = False,
        page_keys: int = _PAGE_KEYS,
    ) -> None:
        """Make the client; nothing is asked of S3 yet.

        Args:
            access: How S3 is reached.
            requester_pays: Whether to agree to pay for requests of buckets that ask for it.
            page_keys: Keys of one page of a listing at most.
        """
        self._client: S3Client = make_client("s3", access or AwsAccess())
        self._requester_pays = requester_pays
        self._page_keys = page_keys

    def read(self, location: str) -> Iterator[bytes]:
        """Give the object's bytes in pieces of 1 MiB."""
        where = S3Location.parse(location)
        request: GetObjectRequestTypeDef = {"Bucket": where.bucket, "Key": where.key}
        if where.version_id:
            request["VersionId"] = where.version_id
        if self._requester_pays:
            request["RequestPayer"] = "requester"
        with translated():
            body = self._client.get_object(**request)["Body"]
        with closing(body):
            while True:
                with translated():
                    chunk = body.read(_CHUNK_BYTES)
                if not chunk:
                    return
                yield chunk

    # --- listing ------------------------------------------------------------------------------

    def list_log_files(
        self, location: str, selection: Selection, after: Callable[[str, str], str | None]
    ) -> Iterator[ListedPage]:
        """Give the log files below a prefix page by page.

        A prefix that is a folder's name or an object's is taken as that; else as the beginning of
        names. In a trail's layout each region is listed by itself, from where ``after`` and the
        selection say; folders outside it are walked through.
        """
        where = S3Location.parse(location)
        if where.version_id or self._exists(where.bucket, where.key):
            yield ListedPage(logs=[LogFileStat(location=str(where))])
            return
        prefix = where.key
        if prefix and not prefix.endswith("/") and self._begins(where.bucket, f"{prefix}/"):
            prefix += "/"
        folder = classify(prefix[: prefix.rfind("/") + 1], selection)
        if folder.refusal:
            yield ListedPage(logs=[], skipped={prefix: folder.refusal})
            return
        yield from self._walk(where.bucket, prefix, folder, selection, after)

    def _walk(
        self,
        bucket: str,
        prefix: str,
        folder: Folder,
        selection: Selection,
        after: Callable[[str, str], str | None],
    ) -> Iterator[ListedPage]:
        if folder.place is Place.IN_REGION and folder.region_folder:
            yield from self._region(bucket, prefix, folder.region_folder, selection, after)
            return
        for answer in self._pages(bucket, prefix, delimiter="/"):
            if answer.get("Contents"):
                yield _page(bucket, answer["Contents"], selection)
            for item in answer.get("CommonPrefixes", ()):
                below = item["Prefix"]
                found = classify(below, selection)
                if found.refusal:
                    yield ListedPage(logs=[], skipped={below: found.refusal})
                else:
                    yield from self._walk(bucket, below, found, selection, after)

    def _region(
        self,
        bucket: str,
        prefix: str,
        region_folder: str,
        selection: Selection,
        after: Callable[[str, str], str | None],
    ) -> Iterator[ListedPage]:
        """List one region of one account, or a part of it, from where it is to begin."""
        scope = str(S3Location(bucket, prefix))
        starts = [after(scope, region_folder)]
        if selection.since:
            starts.append(day_folder(region_folder, selection.since))
        start_after = max((start for start in starts if start), default="")
        for answer in self._pages(bucket, prefix, start_after=start_after):
            if answer.get("Contents"):
                yield _page(bucket, answer["Contents"], selection, scope)

    def _pages(
        self, bucket: str, prefix: str, *, delimiter: str = "", start_after: str = ""
    ) -> Iterator[ListObjectsV2OutputTypeDef]:
        request = self._listing(bucket, prefix)
        request["MaxKeys"] = self._page_keys
        if delimiter:
            request["Delimiter"] = delimiter
        if start_after:
            request["StartAfter"] = start_after
        while True:
            with translated():
                answer = self._client.list_objects_v2(**request)
            yield answer
            if not answer.get("IsTruncated"):
                return
            request["ContinuationToken"] = answer["NextContinuationToken"]

    def _listing(self, bucket: str, prefix: str) -> ListObjectsV2RequestTypeDef:
        request: ListObjectsV2RequestTypeDef = {"Bucket": bucket, "Prefix": prefix}
        if self._requester_pays:
            request["RequestPayer"] = "requester"
        return request

    def _exists(self, bucket: str, key: str) -> bool:
        return bool(key) and not key.endswith("/") and self._first(bucket, key) == key

    def _begins(self, bucket: str, prefix: str) -> bool:
        return self._first(bucket, prefix) is not None

    def _first(self, bucket: str, prefix: str) -> str | None:
        """Give the first key that begins so; a key sorts before all that it begins."""
        request = self._listing(bucket, prefix)
        request["MaxKeys"] = 1
        with translated():
            answer = self._client.list_objects_v2(**request)
        return next((item["Key"] for item in answer.get("Contents", ())), None)


def _page(
    bucket: str, objects: Sequence[ObjectTypeDef], selection: Selection, scope: str | None = None
) -> ListedPage:
    logs: list[LogFileStat] = []
    skipped: dict[str, str] = {}
    for item in objects:
        reason = _refusal(item["Key"], selection)
        if reason is None:
            location = str(S3Location(bucket, item["Key"]))
            logs.append(
                LogFileStat(location=location, size_bytes=item["Size"], etag=item.get("ETag"))
            )
        else:
            skipped[item["Key"]] = reason
    return ListedPage(logs=logs, skipped=skipped, scope=scope, last_key=objects[-1]["Key"])


def _refusal(key: str, selection: Selection) -> str | None:
    """Say why a key is left out; None if it is a log file that is wanted."""
    match kind_of(key):
        case FileKind.LOG:
            return selection.refusal(key)
        case FileKind.OTHER:
            return "empty-folder" if key.endswith("/") else "not-json"
        case FileKind.DIGEST | FileKind.INSIGHT as kind:
            return f"{kind.value}-file"
