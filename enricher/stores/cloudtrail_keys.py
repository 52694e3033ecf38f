"""CloudTrail's public keys, asked of CloudTrail."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from enricher.cloudtrail.digest import PublicKey
from enricher.errors import ConfigurationError, LogFileError
from enricher.stores.aws import AwsAccess, make_client, translated
from enricher.stores.digest_keys import months

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from enricher.cloudtrail.digest import Span


class CloudTrailPublicKeys:
    """Keys of CloudTrail's API (``ListPublicKeys``), each region asked once for each month."""

    def __init__(self, access: AwsAccess | None = None) -> None:
        """Note how AWS is reached; nothing is asked yet.

        Args:
            access: Its region is not used: each region has its own keys.
        """
        self._access = access or AwsAccess()
        self._clients: dict[str, Any] = {}
        self._keys: dict[tuple[str, datetime], list[PublicKey]] = {}

    def in_use(self, region: str, signed: Span) -> Sequence[PublicKey]:
        """Give the keys of a region that were in use in the months of a span."""
        found: list[PublicKey] = []
        for start, end in months(signed):
            if (region, start) not in self._keys:
                self._keys[region, start] = self._listed(region, start, end)
            found += self._keys[region, start]
        return found

    def _listed(self, region: str, start: datetime, end: datetime) -> list[PublicKey]:
        request: dict[str, Any] = {"StartTime": start, "EndTime": end}
        keys: list[PublicKey] = []
        while True:
            try:
                with translated():
                    answer = self._client(region).list_public_keys(**request)
                keys += [PublicKey.parse(entry) for entry in answer["PublicKeyList"]]
            except (LogFileError, KeyError, ValueError) as err:
                raise ConfigurationError(
                    f"CloudTrail in {region} gives no public keys: allow "
                    "cloudtrail:ListPublicKeys, or pass --public-keys FILE"
                ) from err
            if not answer.get("NextToken"):
                return keys
            request["NextToken"] = answer["NextToken"]

    def _client(self, region: str) -> Any:  # noqa: ANN401 - its types are not installed
        if region not in self._clients:
            self._clients[region] = make_client("cloudtrail", replace(self._access, region=region))
        return self._clients[region]
