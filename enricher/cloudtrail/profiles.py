"""CloudTrail records inside documents that another pipeline wrote: where each field went.

A profile is data: the fields that may hold the record verbatim, and else where its parts lie. A
record is *whole* where it is as CloudTrail wrote it; one put together again from renamed or
rewritten fields is not, for the pipeline did not keep everything (``Profile.lost``).

References:
    - identity.md §9 (shapes after ingestion).
    - SIEM on Amazon OpenSearch Service, ``es_loader``: CloudTrail's names at the top level, the
      record as JSON text in ``@message``.
    - Elastic integrations, ``packages/aws/data_stream/cloudtrail``: ECS and ``aws.cloudtrail.*``;
      ``event.original`` stays only where the pipeline is told to preserve it.
    - OpenSearch Security Analytics, "AWS CloudTrail" log type: its ECS names.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from enricher.cloudtrail import codec
from enricher.cloudtrail.record import mapping, read_event_time, text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from enricher.cloudtrail.codec import JsonObject

ENRICHED = "enriched"
# Objects that pipelines write as JSON text, so that their thousands of names need no mapping.
_OBJECTS = frozenset(
    {
        "additionalEventData",
        "insightDetails",
        "requestParameters",
        "resources",
        "responseElements",
        "serviceEventDetails",
        "tlsDetails",
        "userIdentity",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """How one pipeline writes CloudTrail documents.

    Attributes:
        name: What it is called on the command line.
        times: Date fields that hold the event's time, the best first.
        event_name: Where the event's name is, to search for it.
        copies: Fields that may hold the record verbatim, as text or as an object.
        fields: A field of CloudTrail → where it may be, the likeliest first; empty where the
            document has CloudTrail's own names at its top level.
        faithful: The fields hold what CloudTrail wrote, unchanged.
        lost: Fields that identity rests on and that no field of this shape holds.
    """

    name: str
    times: tuple[str, ...]
    event_name: str = "eventName"
    copies: tuple[str, ...]
    fields: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    faithful: bool
    lost: tuple[str, ...] = ()


class Rebuilt(NamedTuple):
    """A record taken out of a document.

    Attributes:
        raw: The record.
        whole: It is as CloudTrail wrote it, nothing renamed, rewritten or left out.
    """

    raw: JsonObject
    whole: bool


def rebuild(profile: Profile, source: Mapping[str, Any]) -> Rebuilt | None:
    """Take the record out of a document; None where there is none of this shape.

    A verbatim copy comes first, if it can be read and is of the same event: a copy that was cut
    short, or holds a whole log file, is passed over.
    """
    fields = _renamed(profile, source) if profile.fields else _own_names(source)
    for path in profile.copies:
        copy = _object(find(source, path))
        if copy is not None and _is_record(copy) and _event_id(fields) in (None, _event_id(copy)):
            return Rebuilt(copy, whole=True)
    return Rebuilt(fields, whole=profile.faithful) if _is_record(fields) else None


def find(node: object, path: str) -> Any:  # noqa: ANN401 - any JSON value
    """Find a value by its dotted path, however much of it the document nests or writes out."""
    if not isinstance(node, dict):
        return None
    if path in node:
        return node[path]
    head, dot, tail = path.partition(".")
    while dot:
        if (found := find(node.get(head), tail)) is not None:
            return found
        more, dot, tail = tail.partition(".")
        head = f"{head}.{more}"
    return None


def _is_record(raw: Mapping[str, Any]) -> bool:
    named = text(raw.get("eventName")) or text(raw.get("eventSource"))
    return named is not None and read_event_time(raw.get("eventTime")) is not None


def _event_id(raw: Mapping[str, Any]) -> str | None:
    return text(raw.get("eventID")) or text(raw.get("eventId"))


def _object(value: object) -> JsonObject | None:
    """Read an object, or the JSON text of one."""
    if isinstance(value, dict):
        return value
    read = _read(value)
    return read if isinstance(read, dict) else None


def _read(value: object) -> Any:  # noqa: ANN401 - any JSON value
    """Read JSON text; what is none, or no text, is given back as it is."""
    if not isinstance(value, str) or not value.startswith(("{", "[")):
        return value
    try:
        return codec.loads(value)
    except codec.JSONDecodeError:
        return value


def _own_names(source: Mapping[str, Any]) -> JsonObject:
    return {
        name: _read(value) if name in _OBJECTS else value
        for name, value in source.items()
        if name != ENRICHED and not name.startswith("@")
    }


def _renamed(profile: Profile, source: Mapping[str, Any]) -> JsonObject:
    record: JsonObject = {}
    for name, paths in profile.fields.items():
        values = (find(source, path) for path in paths)
        value = next((value for value in values if value is not None), None)
        if value is not None:
            _place(record, name, _read(value) if name in _OBJECTS else value)
    _correct_identity(record, source)
    _restore_resources(record)
    return record


def _place(record: JsonObject, path: str, value: object) -> None:
    *parents, name = path.split(".")
    node = record
    for parent in parents:
        node = node.setdefault(parent, {})
    node[name] = value


def _correct_identity(record: JsonObject, source: Mapping[str, Any]) -> None:
    """Leave out of ECS's shared fields what may be another thing's: absent is better than wrong."""
    identity = record.get("userIdentity")
    if not isinstance(identity, dict):
        return
    if mapping(mapping(identity.get("sessionContext")).get("sessionIssuer")):
        identity.pop("userName", None)  # the name is the issuer's, or the session's
    if identity.get("type") == "IdentityCenterUser":
        identity.pop("principalId", None)  # newer versions write onBehalfOf.userId there
    # A Filebeat with add_cloud_metadata writes its own account, and that stays.
    of_the_collector = find(source, "cloud.instance.id") or find(source, "cloud.availability_zone")
    if "arn" in identity or identity.get("type") == "AWSService" or of_the_collector:
        identity.pop("accountId", None)  # the ARN says it


def _restore_resources(record: JsonObject) -> None:
    resources = record.get("resources")
    if isinstance(resources, list):
        names = {"arn": "ARN", "account_id": "accountId"}
        record["resources"] = [
            {names.get(name, name): value for name, value in item.items()}
            for item in resources
            if isinstance(item, dict)
        ]


# --- the profiles ---------------------------------------------------------------------------------

NATIVE = Profile(
    name="native",
    times=("eventTime", "@timestamp"),
    copies=("event.original", "message"),
    faithful=True,
)

SIEM_ON_OPENSEARCH = Profile(
    name="siem-on-opensearch",
    times=("@timestamp", "eventTime"),
    copies=("@message",),
    faithful=False,  # empty values are dropped, clashing ones rewritten
)

_TRAIL = "aws.cloudtrail."
_IDENTITY = f"{_TRAIL}user_identity."
_SESSION = f"{_IDENTITY}session_context."
_ISSUER = f"{_SESSION}session_issuer."

ECS = Profile(
    name="ecs",
    times=("@timestamp",),
    event_name="event.action",
    copies=("event.original", "message"),
    faithful=False,
    fields={
        "eventVersion": (f"{_TRAIL}event_version",),
        "userIdentity.type": (f"{_IDENTITY}type",),
        "userIdentity.principalId": (f"{_IDENTITY}principal_id", "user.id"),
        "userIdentity.arn": (f"{_IDENTITY}arn",),
        "userIdentity.accountId": (f"{_IDENTITY}account_id", "cloud.account.id"),
        "userIdentity.accessKeyId": (f"{_IDENTITY}access_key_id",),
        "userIdentity.userName": (f"{_IDENTITY}user_name", "user.name"),
        "userIdentity.invokedBy": (f"{_IDENTITY}invoked_by",),
        "userIdentity.sessionContext.attributes.mfaAuthenticated": (
            f"{_SESSION}mfa_authenticated",
            f"{_SESSION}attributes.mfa_authenticated",
        ),
        "userIdentity.sessionContext.attributes.creationDate": (
            f"{_SESSION}creation_date",
            f"{_SESSION}attributes.creation_date",
        ),
        "userIdentity.sessionContext.sessionIssuer.type": (f"{_ISSUER}type",),
        "userIdentity.sessionContext.sessionIssuer.principalId": (f"{_ISSUER}principal_id",),
        "userIdentity.sessionContext.sessionIssuer.arn": (f"{_ISSUER}arn",),
        "userIdentity.sessionContext.sessionIssuer.accountId": (f"{_ISSUER}account_id",),
        "eventTime": ("@timestamp",),
        "eventSource": ("event.provider", f"{_TRAIL}event_source"),
        "eventName": ("event.action", f"{_TRAIL}event_name"),
        "eventCategory": (f"{_TRAIL}event_category",),
        "awsRegion": ("cloud.region",),
        "sourceIPAddress": ("source.address", "source.ip"),
        "userAgent": ("user_agent.original",),
        "errorCode": (f"{_TRAIL}error_code",),
        "errorMessage": (f"{_TRAIL}error_message",),
        "requestParameters": (
            f"{_TRAIL}flattened.request_parameters",
            f"{_TRAIL}request_parameters",
        ),
        "responseElements": (
            f"{_TRAIL}flattened.response_elements",
            f"{_TRAIL}response_elements",
        ),
        "additionalEventData": (
            f"{_TRAIL}flattened.additional_eventdata",
            f"{_TRAIL}additional_eventdata",
        ),
        "serviceEventDetails": (
            f"{_TRAIL}flattened.service_event_details",
            f"{_TRAIL}service_event_details",
        ),
        "insightDetails": (f"{_TRAIL}flattened.insight_details",),
        "requestID": (f"{_TRAIL}request_id",),
        "eventID": ("event.id", f"{_TRAIL}event_id"),
        "eventType": (f"{_TRAIL}event_type",),
        "apiVersion": (f"{_TRAIL}api_version",),
        "managementEvent": (f"{_TRAIL}management_event",),
        "readOnly": (f"{_TRAIL}read_only",),
        "resources": (f"{_TRAIL}resources",),
        "recipientAccountId": (f"{_TRAIL}recipient_account_id",),
        "sharedEventID": (f"{_TRAIL}shared_event_id",),
        "vpcEndpointId": (f"{_TRAIL}vpc_endpoint_id",),
        "sessionCredentialFromConsole": (f"{_TRAIL}session_credential_from_console",),
    },
    lost=(
        # Elastic's pipeline looks for it as sharedEventId, which no record has.
        "sharedEventID",
        "userIdentity.sessionContext.sourceIdentity",
        "userIdentity.sessionContext.signInSessionArn",
        "userIdentity.sessionContext.webIdFederationData",
        "userIdentity.sessionContext.ec2RoleDelivery",
        "userIdentity.onBehalfOf",
        "userIdentity.inScopeOf",
        "userIdentity.identityProvider",
        "userIdentity.invokedByDelegate",
        "vpcEndpointAccountId",
    ),
)

PROFILES: Mapping[str, Profile] = {
    profile.name: profile for profile in (NATIVE, SIEM_ON_OPENSEARCH, ECS)
}
