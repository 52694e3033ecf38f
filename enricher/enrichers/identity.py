"""The identity enricher: origin, chain, session, credential, access and the state of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from enricher.enrichers.identity_fields import FIELDS
from enricher.enrichers.interface import Contribution
from enricher.identity.event import resolve_record

if TYPE_CHECKING:
    from collections.abc import Mapping

    from enricher.enrichers.interface import Context


class IdentityEnricher:
    """Says who was behind the record; the heart of the project as a plug-in."""

    name = "identity"
    version = 1
    fields = FIELDS
    reads = (
        "additionalEventData",
        "awsRegion",
        "errorCode",
        "errorMessage",
        "eventCategory",
        "eventID",
        "eventId",
        "eventName",
        "eventSource",
        "eventTime",
        "eventType",
        "recipientAccountId",
        "requestID",
        "requestParameters",
        "responseElements",
        "serviceEventDetails",
        "sessionCredentialFromConsole",
        "sharedEventID",
        "sourceIPAddress",
        "tlsDetails",
        "userAgent",
        "userIdentity",
        "vpcEndpointAccountId",
        "vpcEndpointId",
    )

    def __init__(self, account_names: Mapping[str, str]) -> None:
        """Take the names of accounts: account id → name."""
        self._account_names = account_names

    def enrich(self, context: Context) -> Contribution:
        """Resolve the record's caller."""
        answer = resolve_record(
            context.record,
            context.facts,
            context.resolver,
            window_closed=context.window_closed,
            account_names=self._account_names,
        )
        return Contribution(fields=answer.fields, notes=answer.notes)
