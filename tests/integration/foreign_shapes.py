"""CloudTrail records as other pipelines write them, with the mappings that they write them to."""

from __future__ import annotations

import re
from typing import Any

from enricher.cloudtrail import codec

Json = dict[str, Any]

NATIVE_MAPPING: Json = {
    "mappings": {
        "dynamic": False,
        "properties": {
            "eventTime": {"type": "date"},
            "@timestamp": {"type": "date"},
            "eventName": {"type": "text", "fields": {"keyword": {"type": "keyword"}}},
            "requestParameters": {"type": "text"},
            "responseElements": {"type": "text"},
        },
    }
}

# After the index template of SIEM on Amazon OpenSearch Service for log-aws-cloudtrail-*.
SIEM_MAPPING: Json = {
    "settings": {
        "index.mapping.total_fields.limit": 5000,
        "index.mapping.ignore_malformed": True,
        "number_of_shards": 3,
        "number_of_replicas": 0,
    },
    "mappings": {
        "dynamic_templates": [
            {"strings": {"match_mapping_type": "string", "mapping": {"type": "keyword"}}}
        ],
        "properties": {
            "@timestamp": {"type": "date"},
            "@message": {"type": "text"},
            "eventID": {"type": "keyword"},
            "requestParameters": {"type": "flat_object"},
            "responseElements": {"type": "flat_object"},
            "additionalEventData": {"type": "flat_object"},
        },
    },
}

_LEAF = {"type": "keyword", "ignore_above": 8191}
_ANY = {"type": "object", "dynamic": True}
ECS_MAPPING: Json = {
    "mappings": {
        "dynamic": "strict",
        "properties": {
            "@timestamp": {"type": "date"},
            "event": {
                "properties": {
                    "action": {"type": "keyword"},
                    "id": {"type": "keyword"},
                    "provider": {"type": "keyword"},
                    "original": {"type": "keyword", "index": False, "doc_values": False},
                }
            },
            "aws": {
                "properties": {
                    "cloudtrail": {
                        "dynamic": False,
                        "properties": {
                            "flattened": {
                                "properties": {
                                    "request_parameters": {"type": "flat_object"},
                                    "response_elements": {"type": "flat_object"},
                                }
                            },
                            "request_parameters": _LEAF,
                            "response_elements": _LEAF,
                        },
                    }
                }
            },
            **dict.fromkeys(("cloud", "source", "user", "user_agent", "tls", "related"), _ANY),
            "tags": {"type": "keyword"},
        },
    }
}


def native(record: Json) -> Json:
    """As Logstash or Data Prepper write it, with the open-ended objects as JSON text."""
    texts = {
        name: codec.dumps(record[name]).decode()
        for name in ("requestParameters", "responseElements", "additionalEventData")
        if record.get(name) is not None
    }
    return {
        **record,
        **texts,
        "@timestamp": record["eventTime"],
        "@version": "1",
        "s3": {"bucket": "trail", "key": "AWSLogs/…"},
        "ratio": 1.5,
    }


def siem(record: Json) -> Json:
    """As es_loader writes it: empty values dropped, ECS beside it, the record in @message."""
    kept = {name: value for name, value in record.items() if value not in (None, {}, [], "")}
    if isinstance(kept.get("responseElements"), dict):
        kept["responseElements"] = dict(kept["responseElements"])
        if "status" in kept["responseElements"]:
            kept["responseElements"]["status"] = {"status": "rewritten"}
    return {
        **kept,
        "@message": codec.dumps(record).decode(),
        "@timestamp": record["eventTime"],
        "@log_type": "cloudtrail",
        "@id": record["eventID"],
        "cloud": {"provider": "aws", "account": {"id": record["recipientAccountId"]}},
        "event": {"module": record["eventSource"], "action": record["eventName"]},
        "user": {"id": record.get("userIdentity", {}).get("accessKeyId")},
    }


def ecs(record: Json) -> Json:
    """As Elastic's pipeline writes it without event.original."""
    identity = record.get("userIdentity") or {}
    session = identity.get("sessionContext") or {}
    attributes = session.get("attributes") or {}
    issuer = session.get("sessionIssuer") or {}
    created = attributes.get("creationDate")
    trail = {
        "event_version": record.get("eventVersion"),
        "event_type": record.get("eventType"),
        "event_category": record.get("eventCategory"),
        "error_code": record.get("errorCode"),
        "error_message": record.get("errorMessage"),
        "request_id": record.get("requestID"),
        "recipient_account_id": record.get("recipientAccountId"),
        "read_only": record.get("readOnly"),
        "management_event": record.get("managementEvent"),
        "vpc_endpoint_id": record.get("vpcEndpointId"),
        "request_parameters": _java(record.get("requestParameters")),
        "response_elements": _java(record.get("responseElements")),
        "flattened": {
            "request_parameters": record.get("requestParameters"),
            "response_elements": record.get("responseElements"),
            "additional_eventdata": record.get("additionalEventData"),
            "service_event_details": record.get("serviceEventDetails"),
        },
        "resources": [
            {"arn": r.get("ARN"), "account_id": r.get("accountId"), "type": r.get("type")}
            for r in record.get("resources") or ()
        ],
        "user_identity": {
            "type": identity.get("type"),
            "arn": identity.get("arn"),
            "access_key_id": identity.get("accessKeyId"),
            "invoked_by": identity.get("invokedBy"),
            "session_context": {
                "creation_date": re.sub("Z$", ".000Z", created) if created else None,
                "mfa_authenticated": attributes.get("mfaAuthenticated"),
                "session_issuer": {
                    "type": issuer.get("type"),
                    "principal_id": issuer.get("principalId"),
                    "arn": issuer.get("arn"),
                    "account_id": issuer.get("accountId"),
                },
            },
        },
    }
    document: Json = _full(
        {
            "@timestamp": re.sub("Z$", ".000Z", record["eventTime"]),
            "aws": {"cloudtrail": trail},
            "cloud": {
                "account": {"id": identity.get("accountId")},
                "region": record.get("awsRegion"),
            },
            "event": {
                "action": record["eventName"],
                "provider": record["eventSource"],
                "id": record["eventID"],
            },
            "source": {"address": record.get("sourceIPAddress")},
            "user": {
                "id": identity.get("principalId"),
                "name": identity.get("userName") or issuer.get("userName"),
            },
            "user_agent": {"original": record.get("userAgent")},
        }
    )
    return document


def ecs_with_original(record: Json) -> Json:
    """As Elastic's pipeline writes it where it is told to preserve the original event."""
    document = ecs(record)
    document["event"]["original"] = codec.dumps(record).decode()
    document["tags"] = ["preserve_original_event"]
    return document


def _java(value: object) -> str | None:
    """Spell an object as Java's Map.toString does: no JSON, and no way back."""
    if value is None:
        return None
    spelled = codec.dumps(value).decode().replace('":', '"=').replace('"', "")
    return spelled.replace(",", ", ")


def _full(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    """Drop what is empty, as that pipeline does."""
    if isinstance(value, dict):
        members = {name: _full(member) for name, member in value.items()}
        return {n: v for n, v in members.items() if v not in (None, "", {}, [])}
    if isinstance(value, list):
        return [_full(item) for item in value]
    return value
