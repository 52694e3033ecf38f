"""From a record to what OpenSearch takes."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from enricher.cloudtrail import codec
from enricher.cloudtrail.indexable import LONGEST_TERM_BYTES, REDACTED, indexable
from enricher.cloudtrail.reading import InputLimits
from enricher.errors import RecordError

LIMITS = InputLimits()
BASE: dict[str, Any] = {"eventTime": "2026-03-02T08:00:00Z", "eventID": "1"}
FLAT = (
    "additionalEventData",
    "addendum",
    "edgeDeviceDetails",
    "eventContext",
    "insightDetails",
    "requestParameters",
    "responseElements",
    "serviceEventDetails",
)
KEYWORDS = (
    "apiVersion",
    "awsRegion",
    "errorCode",
    "errorMessage",
    "eventCategory",
    "eventID",
    "eventName",
    "eventSource",
    "eventType",
    "eventVersion",
    "recipientAccountId",
    "requestID",
    "sessionCredentialFromConsole",
    "sharedEventID",
    "sourceIPAddress",
    "userAgent",
    "vpcEndpointAccountId",
    "vpcEndpointId",
)
RESHAPED = ("reshaped_value",)
INNER_OBJECTS = (
    ("sessionContext",),
    ("sessionContext", "attributes"),
    ("sessionContext", "sessionIssuer"),
    ("sessionContext", "webIdFederationData"),
    ("onBehalfOf",),
    ("inScopeOf",),
    ("invokedByDelegate",),
)
OVERSIZE = ("oversize_value",)


def shape(**fields: object) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Give the document of a record with these fields, and the notes; the record stays as it is."""
    record = {**BASE, **fields}
    before = copy.deepcopy(record)
    answer = indexable(record, LIMITS)
    assert record == before
    return codec.loads(answer.body), answer.notes


def mended(record: dict[str, Any], **fields: object) -> dict[str, Any]:
    """Give what a record becomes: changed in these fields, and itself under ``raw``."""
    return {**record, **fields, "raw": record}


def nested(depth: int) -> dict[str, Any]:
    """Give a record that is nested so deep, itself counted."""
    value: dict[str, Any] = {"leaf": 1}
    for _ in range(depth - 2):
        value = {"a": value}
    return {**BASE, "requestParameters": value}


# --- what fits ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"requestParameters": None, "responseElements": None, "userIdentity": None},
        {"requestParameters": {}, "responseElements": {"a": {"b": [1, "x", None, {"c": True}]}}},
        {"readOnly": True, "managementEvent": "false"},
        {"readOnly": "", "managementEvent": None},
        {"resources": [{"ARN": "arn:aws:s3:::b", "accountId": "1", "type": "AWS::S3::Bucket"}]},
        {"resources": [], "tlsDetails": {"tlsVersion": "TLSv1.3"}},
        {"eventVersion": 1.08, "recipientAccountId": 111122223333},
        {"somethingNew": {"a.b": 1, "list": [1, 2]}, "another": [1, {"x": "y"}]},
        {
            "userIdentity": {
                "type": "AssumedRole",
                "sessionContext": {
                    "attributes": {"creationDate": "2026-03-02T08:00:00Z"},
                    "sessionIssuer": {},
                    "webIdFederationData": {"attributes": {"a.b:sub": ["x"], "": 1}},
                },
                "onBehalfOf": {"userId": "u"},
                "inScopeOf": None,
            }
        },
    ],
)
def test_a_record_that_fits_keeps_its_json_byte_for_byte(fields: dict[str, Any]) -> None:
    record = {**BASE, **fields}
    assert indexable(record, LIMITS) == (codec.dumps(record), ())


def test_a_large_record_whose_leaves_are_short_keeps_its_json() -> None:
    record = {**BASE, "requestParameters": {"items": [{"x": "y" * 20_000}, "z" * 20_000]}}
    assert indexable(record, LIMITS) == (codec.dumps(record), ())


# --- session tokens -----------------------------------------------------------------------------


def test_session_tokens_are_redacted_wherever_they_are() -> None:
    document, notes = shape(
        sessionToken="s1",
        responseElements={
            "credentials": {"accessKeyId": "ASIA", "sessionToken": "s2", "expiration": "x"},
            "credentialSet": [{"credentials": {"SessionToken": "s3"}}, [[{"sessionToken": "s4"}]]],
        },
        somethingNew=[{"sessionToken": "s5"}],
    )
    assert document == {
        **BASE,
        "sessionToken": REDACTED,
        "responseElements": {
            "credentials": {"accessKeyId": "ASIA", "sessionToken": REDACTED, "expiration": "x"},
            "credentialSet": [
                {"credentials": {"SessionToken": REDACTED}},
                [[{"sessionToken": REDACTED}]],
            ],
        },
        "somethingNew": [{"sessionToken": REDACTED}],
    }
    assert notes == ()


@pytest.mark.parametrize("name", ["sessionToken", "SessionToken", "sessiontoken", "SESSIONTOKEN"])
def test_a_session_token_is_redacted_however_it_is_spelled(name: str) -> None:
    document, _ = shape(responseElements={"credentials": {name: "secret"}})
    assert document["responseElements"] == {"credentials": {name: REDACTED}}


@pytest.mark.parametrize("value", [["secret"], {"value": "secret"}, {"nested": [{"x": "secret"}]}])
def test_a_session_token_of_another_shape_is_redacted_too(value: object) -> None:
    document, _ = shape(responseElements={"credentials": {"sessionToken": value}})
    assert b"secret" not in codec.dumps(document)


@pytest.mark.parametrize("value", ["", None])
def test_an_absent_session_token_stays_absent(value: object) -> None:
    record = {**BASE, "responseElements": {"credentials": {"sessionToken": value}}}
    assert indexable(record, LIMITS) == (codec.dumps(record), ())


def test_a_value_that_only_mentions_session_tokens_stays() -> None:
    record = {**BASE, "errorMessage": "The sessionToken is invalid"}
    assert indexable(record, LIMITS) == (codec.dumps(record), ())


def test_the_verbatim_copy_of_a_mended_record_is_redacted_too() -> None:
    secret = {"credentials": {"sessionToken": "secret"}}
    document, notes = shape(responseElements=secret, requestParameters="text")
    redacted = {**BASE, "responseElements": {"credentials": {"sessionToken": REDACTED}}}
    assert document["raw"] == {**redacted, "requestParameters": "text"}
    assert document["responseElements"] == redacted["responseElements"]
    assert notes == RESHAPED


# --- limits -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("depth", "limit"), [(100, 100), (20, 20)])
def test_a_record_may_be_nested_as_deep_as_the_limit(depth: int, limit: int) -> None:
    record = nested(depth)
    assert indexable(record, InputLimits(depth=limit)).body == codec.dumps(record)


@pytest.mark.parametrize(("depth", "limit"), [(101, 100), (200, 100), (21, 20)])
def test_a_record_nested_deeper_is_refused(depth: int, limit: int) -> None:
    with pytest.raises(RecordError, match="record-too-deep"):
        indexable(nested(depth), InputLimits(depth=limit))


def test_lists_count_as_nesting_too() -> None:
    value: list[Any] = []
    for _ in range(200):
        value = [value]
    with pytest.raises(RecordError, match="record-too-deep"):
        indexable({**BASE, "requestParameters": {"a": value}}, LIMITS)


def test_a_wide_record_is_not_deep() -> None:
    record = {**BASE, "requestParameters": {"items": [{"n": n} for n in range(500)]}}
    assert indexable(record, LIMITS).body == codec.dumps(record)


def test_brackets_within_text_are_no_nesting() -> None:
    record = {**BASE, "requestParameters": {"document": "{[" * 500}}
    assert indexable(record, LIMITS).body == codec.dumps(record)


def test_a_record_beyond_the_size_limit_is_refused() -> None:
    record = {**BASE, "errorMessage": "x" * 1_000}
    size = len(codec.dumps(record))
    assert indexable(record, InputLimits(record_bytes=size)).body == codec.dumps(record)
    with pytest.raises(RecordError, match="record-too-large"):
        indexable(record, InputLimits(record_bytes=size - 1))


def test_a_record_that_the_codec_cannot_write_is_refused() -> None:
    with pytest.raises(RecordError, match="not-serializable"):
        indexable({**BASE, "errorMessage": "\ud800"}, LIMITS)
    with pytest.raises(RecordError, match="not-serializable"):
        indexable(nested(2_000), LIMITS)


# --- long leaves --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", FLAT)
def test_a_leaf_of_33_000_bytes_is_shortened_and_kept_under_raw(name: str) -> None:
    document, notes = shape(**{name: {"policy": "x" * 33_000, "other": "kept"}})
    record = {**BASE, name: {"policy": "x" * 33_000, "other": "kept"}}
    assert document == mended(record, **{name: {"policy": "x" * 1_000, "other": "kept"}})
    assert notes == OVERSIZE


def test_long_leaves_are_found_in_nested_lists_and_objects() -> None:
    long = "x" * 33_000
    document, notes = shape(requestParameters={"a": [{"b": long}, [long, 1, None], "short"]})
    assert document["requestParameters"] == {
        "a": [{"b": "x" * 1_000}, ["x" * 1_000, 1, None], "short"]
    }
    assert notes == OVERSIZE


def test_a_leaf_counts_in_bytes_not_characters() -> None:
    document, notes = shape(requestParameters={"policy": "é" * 17_000})
    assert document["requestParameters"] == {"policy": "é" * 1_000}
    assert notes == OVERSIZE


def test_a_leaf_counts_together_with_its_path() -> None:
    path = len("requestParameters.requestParameters.policy=")  # the field's name comes twice
    longest = "x" * (LONGEST_TERM_BYTES - path)
    document, notes = shape(requestParameters={"policy": longest})
    assert (document["requestParameters"], notes) == ({"policy": longest}, ())
    document, notes = shape(requestParameters={"policy": longest + "x"})
    assert (document["requestParameters"], notes) == ({"policy": "x" * 1_000}, OVERSIZE)


def test_a_long_name_is_shortened() -> None:
    document, notes = shape(requestParameters={"n" * 33_000: "value", "other": 1})
    assert document["requestParameters"] == {"n" * 1_000: "value", "other": 1}
    assert document["raw"]["requestParameters"] == {"n" * 33_000: "value", "other": 1}
    assert notes == OVERSIZE


def test_a_path_that_is_too_long_loses_its_leaf() -> None:
    value: dict[str, Any] = {"leaf": "value"}
    for _ in range(40):
        value = {"n" * 900: value}
    document, notes = shape(requestParameters=value)
    inner = document["requestParameters"]
    while "leaf" not in inner:
        (inner,) = inner.values()
    assert inner == {"leaf": None}
    assert document["raw"]["requestParameters"] == value
    assert notes == OVERSIZE


def test_a_long_error_message_is_left_to_the_mapping() -> None:
    record = {**BASE, "errorMessage": "x" * 40_000, "userAgent": "y" * 40_000}
    assert indexable(record, LIMITS) == (codec.dumps(record), ())


# --- shapes -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", FLAT)
@pytest.mark.parametrize("value", ["text", 7, 1.5, True, False, "", [], ["a", "b"], [{"a": 1}]])
def test_a_flat_object_that_is_none_is_wrapped(name: str, value: object) -> None:
    document, notes = shape(**{name: value})
    assert document == mended({**BASE, name: value}, **{name: {"value": value}})
    assert notes == RESHAPED


@pytest.mark.parametrize("name", KEYWORDS)
@pytest.mark.parametrize(
    ("value", "text"), [({"a": 1}, '{"a":1}'), (["x", 1], '["x",1]'), ([], "[]"), ({}, "{}")]
)
def test_a_keyword_that_is_an_object_or_list_becomes_text(
    name: str, value: object, text: str
) -> None:
    document, notes = shape(**{name: value})
    assert document == mended({**BASE, name: value}, **{name: text})
    assert notes == RESHAPED


@pytest.mark.parametrize("name", ["tlsDetails", "userIdentity"])
@pytest.mark.parametrize(
    ("value", "text"), [("x", '"x"'), (7, "7"), (True, "true"), (["x"], '["x"]')]
)
def test_an_object_that_is_none_is_wrapped(name: str, value: object, text: str) -> None:
    document, notes = shape(**{name: value})
    assert document == mended({**BASE, name: value}, **{name: {"value": text}})
    assert notes == RESHAPED


@pytest.mark.parametrize("name", ["sessionContext", "onBehalfOf", "inScopeOf", "invokedByDelegate"])
def test_an_inner_object_that_is_none_is_wrapped(name: str) -> None:
    document, notes = shape(userIdentity={"type": "Root", name: "text"})
    assert document["userIdentity"] == {"type": "Root", name: {"value": '"text"'}}
    assert document["raw"]["userIdentity"] == {"type": "Root", name: "text"}
    assert notes == RESHAPED


@pytest.mark.parametrize("name", ["attributes", "sessionIssuer", "webIdFederationData"])
def test_an_object_of_the_session_that_is_none_is_wrapped(name: str) -> None:
    document, notes = shape(userIdentity={"sessionContext": {name: ["x"], "sourceIdentity": "s"}})
    wrapped = {name: {"value": '["x"]'}, "sourceIdentity": "s"}
    assert document["userIdentity"] == {"sessionContext": wrapped}
    assert notes == RESHAPED


def test_an_object_among_the_leaves_of_an_identity_becomes_text() -> None:
    document, notes = shape(
        userIdentity={
            "userName": {"a": 1},
            "sessionContext": {"attributes": {"mfaAuthenticated": ["true"]}},
        }
    )
    assert document["userIdentity"] == {
        "userName": '{"a":1}',
        "sessionContext": {"attributes": {"mfaAuthenticated": '["true"]'}},
    }
    assert notes == RESHAPED


@pytest.mark.parametrize("name", ["readOnly", "managementEvent"])
@pytest.mark.parametrize("value", ["yes", "TRUE", 1, 0, [], ["true"], {"a": True}, 0.5])
def test_a_boolean_that_is_none_is_left_out(name: str, value: object) -> None:
    document, notes = shape(**{name: value})
    assert document == mended({**BASE, name: value}, **{name: None})
    assert notes == RESHAPED


@pytest.mark.parametrize(
    ("value", "fitting"),
    [
        ("text", [{"value": '"text"'}]),
        ({"ARN": "a"}, [{"ARN": "a"}]),
        ([{"ARN": "a"}, "text"], [{"ARN": "a"}, {"value": '"text"'}]),
        ([{"ARN": {"x": 1}}], [{"ARN": '{"x":1}'}]),
        (7, [{"value": "7"}]),
    ],
)
def test_resources_become_a_list_of_objects(value: object, fitting: object) -> None:
    document, notes = shape(resources=value)
    assert document == mended({**BASE, "resources": value}, resources=fitting)
    assert notes == RESHAPED


# --- names --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        *("@timestamp", "enriched", "raw", "", " ", "\t", ".", "a.b", "a..b", ".a", "a."),
        *("_id", "_index", "_source", "_routing", "_seq_no", "_version", "_doc_count"),
    ],
)
def test_a_name_that_the_index_cannot_hold_is_kept_under_raw_only(name: str) -> None:
    document, notes = shape(**{name: {"origin": "forged"}})
    assert document == {**BASE, "raw": {**BASE, name: {"origin": "forged"}}}
    assert notes == RESHAPED


@pytest.mark.parametrize("name", ["", " ", ".", "a.b"])
def test_such_a_name_within_an_identity_is_kept_under_raw_only(name: str) -> None:
    identity = {"type": "Root", "sessionContext": {name: 1, "attributes": {name: 2}}, name: 3}
    document, notes = shape(userIdentity=identity)
    assert document["userIdentity"] == {"type": "Root", "sessionContext": {"attributes": {}}}
    assert document["raw"]["userIdentity"] == identity
    assert notes == RESHAPED


@pytest.mark.parametrize("value", [7, 0, True, False, 1.5, "", "x", [], [{}]], ids=repr)
@pytest.mark.parametrize("path", INNER_OBJECTS, ids=".".join)
def test_whatever_stands_for_an_object_within_an_identity_is_wrapped(
    path: tuple[str, ...], value: object
) -> None:
    identity: Any = value
    wrapped: Any = {"value": codec.dumps(value).decode()}
    for name in reversed(path):
        identity, wrapped = {name: identity}, {name: wrapped}
    document, notes = shape(userIdentity=identity)
    assert document["userIdentity"] == wrapped
    assert document["raw"]["userIdentity"] == identity
    assert notes == RESHAPED


def test_everything_at_once_is_mended_at_once() -> None:
    record = {
        **BASE,
        "enriched": {"state": "final"},
        "eventName": ["x"],
        "requestParameters": "x" * 33_000,
        "userIdentity": "alice",
    }
    answer = indexable(record, LIMITS)
    assert codec.loads(answer.body) == {
        **BASE,
        "eventName": '["x"]',
        "requestParameters": {"value": "x" * 1_000},
        "userIdentity": {"value": '"alice"'},
        "raw": record,
    }
    assert answer.notes == ("oversize_value", "reshaped_value")
