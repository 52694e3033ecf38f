"""Every rule of the mapping, on a real node: what it refuses, and that it takes what we mend."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from enricher.cloudtrail import codec
from enricher.cloudtrail.indexable import indexable
from enricher.cloudtrail.reading import InputLimits
from enricher.cloudtrail.record import Record, read_event_time
from enricher.errors import RecordError, SchemaMismatchError
from enricher.pipeline.documents import Period
from enricher.stores import templates

if TYPE_CHECKING:
    from collections.abc import Iterator

    from opensearchpy import OpenSearch


Json = dict[str, Any]

LIMITS = InputLimits()
DEEPEST = 150  # what the settings allow at most; far deeper would end the node
EVENT_TIME = "2026-03-02T08:00:00Z"
RESHAPED = ("reshaped_value",)
OVERSIZE = ("oversize_value",)


@dataclass(frozen=True)
class Node:
    """An index of its own under our template, on the real node."""

    client: OpenSearch
    index: str

    def put(self, document: Json) -> str | None:
        """Index a document; give the kind of error where it is refused."""
        return self.put_body(codec.dumps(document))

    def put_body(self, body: bytes) -> str | None:
        """Index a document that is spelled already."""
        lines = codec.dumps({"index": {"_index": self.index}}) + b"\n" + body + b"\n"
        (item,) = self.client.bulk(body=lines, params={"refresh": "true"})["items"]
        error = item["index"].get("error")
        return None if error is None else str(error["type"])

    def found(self, query: Json) -> list[Json]:
        """Give the documents that a query matches."""
        hits = self.client.search(index=self.index, body={"query": query})["hits"]["hits"]
        return [hit["_source"] for hit in hits]

    def event_ids(self, query: Json) -> list[str]:
        """Give the event ids that a query matches."""
        return [source["eventID"] for source in self.found(query)]


@pytest.fixture(scope="module")
def node(client: OpenSearch) -> Iterator[Node]:
    """An empty index under our template."""
    templates.install(client, Period.MONTH)
    index = f"cloudtrail-events-{uuid.uuid4().hex}"
    client.indices.create(index=index)
    yield Node(client, index)
    client.indices.delete(index=index)


def record(**fields: object) -> Json:
    """Give a record with these fields and an id of its own."""
    return {"eventID": uuid.uuid4().hex, "eventTime": EVENT_TIME, **fields}


def nested(depth: int) -> Json:
    """Give an object that is nested so deep, itself counted."""
    value: Json = {"leaf": "x"}
    for _ in range(depth - 1):
        value = {"a": value}
    return value


# --- shapes that are refused, and are mended ------------------------------------------------------


@dataclass(frozen=True)
class Shape:
    """A record's fields that the mapping refuses; after mending, the query finds the record.

    Attributes:
        query: None where nothing of the odd value is searchable.
    """

    fields: Json
    query: Json | None = None
    notes: tuple[str, ...] = field(default=RESHAPED)


def term(name: str, value: object) -> Json:
    """Give a query for an exact value."""
    return {"term": {name: value}}


FLAT_OBJECTS = (
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
_LONG = "x" * 33_000
_KEPT = {"other": "kept"}

REFUSED: dict[str, Shape] = {
    **{
        f"{name} is text": Shape({name: "words"}, term(f"{name}.value", "words"))
        for name in FLAT_OBJECTS
    },
    "flat object is a number": Shape(
        {"requestParameters": 7}, term("requestParameters.value", "7")
    ),
    "flat object is a boolean": Shape(
        {"requestParameters": True}, term("requestParameters.value", "true")
    ),
    "flat object is a list of text": Shape(
        {"requestParameters": ["one", "two"]}, term("requestParameters.value", "two")
    ),
    "flat object with a leaf of 33,000 bytes": Shape(
        {"requestParameters": {"policy": _LONG, **_KEPT}},
        {"prefix": {"requestParameters.policy": "xxx"}},
        OVERSIZE,
    ),
    "flat object with such a leaf in a list": Shape(
        {"responseElements": {"a": [{"b": _LONG}], **_KEPT}},
        term("responseElements.other", "kept"),
        OVERSIZE,
    ),
    "flat object with a leaf that is long in bytes only": Shape(
        {"requestParameters": {"policy": "é" * 17_000, **_KEPT}},
        term("requestParameters.other", "kept"),
        OVERSIZE,
    ),
    "flat object with a long key": Shape(
        {"requestParameters": {"k" * 33_000: "x", **_KEPT}},
        term("requestParameters.other", "kept"),
        OVERSIZE,
    ),
    "flat object with a long path": Shape(
        {"requestParameters": {"k" * 17_000: {"l" * 17_000: "x"}, **_KEPT}},
        term("requestParameters.other", "kept"),
        OVERSIZE,
    ),
    **{f"{name} is an object": Shape({name: {"a": 1}}, term(name, '{"a":1}')) for name in KEYWORDS},
    "keyword is a list with an object": Shape(
        {"eventName": ["x", {"a": 1}]}, term("eventName", '["x",{"a":1}]')
    ),
    "userIdentity is text": Shape({"userIdentity": "alice"}),
    "userIdentity is a list of text": Shape({"userIdentity": ["alice"]}),
    "sessionContext is text": Shape(
        {"userIdentity": {"type": "Root", "sessionContext": "x"}}, term("userIdentity.type", "Root")
    ),
    "sessionIssuer is text": Shape({"userIdentity": {"sessionContext": {"sessionIssuer": "x"}}}),
    "attributes is a number": Shape({"userIdentity": {"sessionContext": {"attributes": 7}}}),
    "webIdFederationData is text": Shape(
        {"userIdentity": {"sessionContext": {"webIdFederationData": "x"}}}
    ),
    "onBehalfOf is text": Shape({"userIdentity": {"onBehalfOf": "x"}}),
    "inScopeOf is text": Shape({"userIdentity": {"inScopeOf": "x"}}),
    "invokedByDelegate is text": Shape({"userIdentity": {"invokedByDelegate": "x"}}),
    "userIdentity.type is an object": Shape(
        {"userIdentity": {"type": {"a": 1}}}, term("userIdentity.type", '{"a":1}')
    ),
    "userIdentity with an empty name": Shape(
        {"userIdentity": {"": 1, "type": "Root"}}, term("userIdentity.type", "Root")
    ),
    "userIdentity with the name .": Shape({"userIdentity": {".": 1}}),
    "userIdentity with the name a..b": Shape({"userIdentity": {"a..b": 1}}),
    "tlsDetails is text": Shape({"tlsDetails": "TLSv1.3"}),
    "readOnly is another word": Shape({"readOnly": "maybe"}),
    "readOnly is in capitals": Shape({"readOnly": "TRUE"}),
    "readOnly is a number": Shape({"readOnly": 1}),
    "managementEvent is an object": Shape({"managementEvent": {}}),
    "resources is text": Shape({"resources": "arn"}),
    "resources holds text": Shape({"resources": ["arn"]}),
    "a resource's ARN is an object": Shape(
        {"resources": [{"ARN": {"a": 1}}]}, term("resources.ARN", '{"a":1}')
    ),
    "a resource with an empty name": Shape({"resources": [{"": 1, "type": "T"}]}),
    "an empty name": Shape({"": 1}),
    "the name .": Shape({".": 1}),
    "the name a..b": Shape({"a..b": 1}),
    "the name .a": Shape({".a": 1}),
    "the name @timestamp": Shape({"@timestamp": "2020-01-01T00:00:00Z"}),
    "the name enriched": Shape({"enriched": "forged"}),
    **{
        f"the name {name}": Shape({name: "x"})
        for name in ("_id", "_index", "_source", "_routing", "_seq_no", "_version", "_doc_count")
    },
}
# Taken by the mapping as they are, and mended all the same, so that they mean one thing.
TAKEN: dict[str, Shape] = {
    "flat object is a list of objects": Shape(
        {"requestParameters": [{"a": "one"}]}, term("requestParameters.value.a", "one")
    ),
    "flat object is an empty list": Shape({"requestParameters": []}),
    "keyword is a list of text": Shape({"eventName": ["a", "b"]}, term("eventName", '["a","b"]')),
    "the name raw": Shape({"raw": {"forged": True}}),
    "the name a.b": Shape({"a.b": "x"}),
    "a blank name": Shape({" ": 1}),
    "the name enriched with an object": Shape({"enriched": {"state": "final"}}),
    "a single resource": Shape(
        {"resources": {"ARN": "arn:aws:s3:::one"}}, term("resources.ARN", "arn:aws:s3:::one")
    ),
}


@pytest.mark.parametrize("shape", REFUSED.values(), ids=REFUSED)
def test_the_mapping_refuses_the_shape_as_delivered(node: Node, shape: Shape) -> None:
    assert node.put(record(**shape.fields)) in {
        "mapper_parsing_exception",
        "illegal_argument_exception",
    }


@pytest.mark.parametrize("shape", TAKEN.values(), ids=TAKEN)
def test_the_mapping_takes_some_shapes_as_delivered(node: Node, shape: Shape) -> None:
    assert node.put(record(**shape.fields)) is None


@pytest.mark.parametrize("shape", [*REFUSED.values(), *TAKEN.values()], ids=[*REFUSED, *TAKEN])
def test_a_mended_record_is_taken_and_found(node: Node, shape: Shape) -> None:
    one = record(**shape.fields)
    mended = indexable(one, LIMITS)
    assert mended.notes == shape.notes
    assert node.put_body(mended.body) is None
    (document,) = node.found(term("eventID", one["eventID"]))
    assert document["raw"] == one
    if shape.query is not None:
        assert one["eventID"] in node.event_ids(
            {"bool": {"filter": [shape.query, term("eventID", one["eventID"])]}}
        )


def test_what_is_forged_under_enriched_is_not_found(node: Node) -> None:
    one = record(enriched={"origin": {"name": "the queen"}})
    assert node.put_body(indexable(one, LIMITS).body) is None
    assert node.found(term("enriched.origin.name", "the queen")) == []


@pytest.mark.parametrize("name", FLAT_OBJECTS)
@pytest.mark.parametrize("path", [("policy",), ("a", "b", "policy")], ids=["flat", "nested"])
def test_a_leaf_is_shortened_exactly_where_the_index_would_refuse_it(
    node: Node, name: str, path: tuple[str, ...]
) -> None:
    """Whatever stays whole is taken; just below Lucene's limit every byte counts."""
    *outer, last = path
    for length in range(32_690, 32_767, 2):
        value: Json = {last: "x" * length}
        for part in reversed(outer):
            value = {part: value}
        mended = indexable(record(**{name: value}), LIMITS)
        if mended.notes:
            return
        assert node.put_body(mended.body) is None, length
    pytest.fail("no leaf was too long")


# --- nesting --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["requestParameters", "somethingNew", "raw"])
def test_the_deepest_record_that_we_allow_is_taken(node: Node, name: str) -> None:
    one = record(**{name: nested(DEEPEST - 1)})
    assert node.put(one) is None
    assert node.put_body(indexable(one, InputLimits(depth=DEEPEST)).body) is None


def test_a_record_nested_deeper_never_reaches_the_node() -> None:
    with pytest.raises(RecordError, match="record-too-deep"):
        indexable(record(requestParameters=nested(DEEPEST)), InputLimits(depth=DEEPEST))


# --- times ----------------------------------------------------------------------------------------

READABLE = (
    "2026-03-02T08:00:00Z",
    "2026-03-02T08:00Z",
    "2026-03-02T08:00",
    "2026-03-02T08:00:00",
    "2026-03-02T08:00:00.1Z",
    "2026-03-02T08:00:00.123Z",
    "2026-03-02T08:00:00.123456Z",
    "2026-03-02T08:00:00.123456789Z",
    "2026-03-02T09:00:00+01:00",
    "2026-03-02T09:00:00+0100",
    "2026-03-01T23:30:00.5-08:30",
    "2026-03-03T02:00:00+18:00",
    "2026-03-02 08:00:00",
    "2026-03-02 08:00:00.000",
    "20260302T080000Z",
)
UNREADABLE: tuple[object, ...] = (
    "",
    "yesterday",
    "Mar 2, 2026, 8:00:00 AM",
    "2026-W10-1",
    "2026-3-2T8:00:00Z",
    "2026-02-30T08:00:00Z",
    "2026-03-02T24:00:00Z",
    "2026-03-02T23:59:60Z",
    "2026-03-02T08:00:00z",
    "2026-03-02T08:00:00.Z",
    "2026-03-02T08:00:00 Z",
    " 2026-03-02T08:00:00Z",
    "2026-03-02 08:00:00.5",
    "2026-03-02T08:00:00+24:00",
    "12026-03-02T08:00:00Z",
    True,
    {},
)
# The mapping would read them, some as another instant; we do not.
READ_BY_THE_MAPPING_ALONE: tuple[object, ...] = (
    1772438400,
    1772438400000,
    "1772438400000",
    "2026",
    "2026-03-02",
    "20260302",
    "2026-03-02T08",
    "2026-03-02T08:00:00,123Z",
    "2026-03-02T08:00:00+01",
    "2026-03-02T08:00:00UTC",
    "0000-01-01T00:00:00Z",
    None,
    [],
)


@pytest.mark.parametrize("written", READABLE)
def test_a_time_that_we_read_is_read_by_the_mapping_as_the_same_second(
    node: Node, written: str
) -> None:
    one = record(eventTime=written)
    at = Record(one).at
    assert node.put(one) is None
    day = {"gte": at.isoformat()[:19] + ".000Z", "lte": at.isoformat()[:19] + ".999Z"}
    assert one["eventID"] in node.event_ids(
        {"bool": {"filter": [{"range": {"eventTime": day}}, term("eventID", one["eventID"])]}}
    )


@pytest.mark.parametrize("written", UNREADABLE)
def test_a_time_that_we_refuse_is_refused_by_the_mapping(node: Node, written: object) -> None:
    assert read_event_time(written) is None
    assert node.put(record(eventTime=written)) == "mapper_parsing_exception"


@pytest.mark.parametrize("written", READ_BY_THE_MAPPING_ALONE)
def test_we_refuse_some_times_that_the_mapping_would_take(node: Node, written: object) -> None:
    assert node.put(record(eventTime=written)) is None
    assert read_event_time(written) is None


@pytest.mark.parametrize("offset", ["+18:01", "+2359", "-18:01", "-23:59"])
def test_an_offset_beyond_18_hours_is_refused_by_both(node: Node, offset: str) -> None:
    written = f"2026-03-02T08:00:00{offset}"
    assert node.put(record(eventTime=written)) == "mapper_parsing_exception"
    assert read_event_time(written) is None


@pytest.mark.parametrize("created", ["never", {"a": 1}, ["x"], True, "Sep 17, 2020 8:04:10 PM", ""])
def test_a_creation_date_that_cannot_be_read_costs_nothing(node: Node, created: object) -> None:
    context = {"attributes": {"creationDate": created}}
    one = record(userIdentity={"type": "Root", "sessionContext": context})
    assert node.put_body(indexable(one, LIMITS).body) is None
    by_type = term("userIdentity.type", "Root")
    ours = {"bool": {"filter": [by_type, term("eventID", one["eventID"])]}}
    assert node.event_ids(ours) == [one["eventID"]]


# --- searching ------------------------------------------------------------------------------------


def test_the_timestamp_is_an_alias_of_the_event_time(node: Node) -> None:
    one = record(eventTime="2019-05-06T07:08:09Z")
    node.put(one)
    within = {"range": {"@timestamp": {"gte": "2019-05-06", "lt": "2019-05-07"}}}
    assert node.event_ids(within) == [one["eventID"]]
    answer = node.client.search(
        index=node.index,
        body={
            "query": within,
            "sort": [{"@timestamp": "desc"}],
            "docvalue_fields": ["@timestamp"],
            "aggs": {"days": {"date_histogram": {"field": "@timestamp", "fixed_interval": "1d"}}},
        },
    )
    (hit,) = answer["hits"]["hits"]
    assert hit["fields"]["@timestamp"][0].startswith("2019-05-06T07:08:09")
    assert answer["aggregations"]["days"]["buckets"][0]["doc_count"] == 1


@pytest.mark.parametrize(
    "query",
    [
        term("requestParameters.userName", "älice"),
        term("requestParameters.filters.items.name", "one"),
        term("requestParameters.filters.items.name", "two"),
        term("requestParameters.number", "7"),
        term("requestParameters.flag", "true"),
        term("requestParameters", "älice"),
        {"prefix": {"requestParameters.userName": "äl"}},
        {"exists": {"field": "requestParameters.userName"}},
        {"wildcard": {"requestParameters.roleArn": "*:role/Admin"}},
        {"query_string": {"query": "requestParameters.userName:älice"}},
        {"query_string": {"query": r"requestParameters.roleArn:arn\:aws\:iam*"}},
        {"query_string": {"query": r"requestParameters.roleArn:/.*:role\/Admin/"}},
        {"terms": {"requestParameters.userName": ["nobody", "älice"]}},
    ],
    ids=lambda query: codec.dumps(query).decode(),
)
def test_a_flat_object_is_searched_by_dotted_names(node: Node, query: Json) -> None:
    one = record(
        requestParameters={
            "userName": "älice",
            "roleArn": "arn:aws:iam::111122223333:role/Admin",
            "filters": {"items": [{"name": "one"}, {"name": "two"}]},
            "number": 7,
            "flag": True,
        }
    )
    node.put(one)
    ours = {"bool": {"filter": [query, term("eventID", one["eventID"])]}}
    assert node.event_ids(ours) == [one["eventID"]]


@pytest.mark.parametrize("pattern", [r"*\:role\/Admin", "*Admin", "arn*Admin", "arn?aws*"])
def test_a_pattern_in_a_query_string_finds_nothing_in_a_flat_object(
    node: Node, pattern: str
) -> None:
    """Only a prefix or a regular expression does; whoever writes such queries has to know."""
    role = "arn:aws:iam::111122223333:role/Admin"
    one = record(requestParameters={"roleArn": role}, eventName=role)
    node.put(one)
    ours = term("eventID", one["eventID"])
    for name, found in (("eventName", [one["eventID"]]), ("requestParameters.roleArn", [])):
        query = {"query_string": {"query": f"{name}:{pattern}"}}
        assert node.event_ids({"bool": {"filter": [query, ours]}}) == found


@pytest.mark.parametrize(
    "source", ["athena.amazonaws.com", "AWS Internal", "192.0.2.1", "2001:db8::1", "x" * 1_000]
)
def test_a_source_address_may_be_a_name(node: Node, source: str) -> None:
    one = record(sourceIPAddress=source)
    assert node.put(one) is None
    ours = {"bool": {"filter": [term("sourceIPAddress", source), term("eventID", one["eventID"])]}}
    assert node.event_ids(ours) == [one["eventID"]]


@pytest.mark.parametrize("written", [True, "true"])
def test_a_boolean_may_be_written_as_text(node: Node, written: object) -> None:
    one = record(readOnly=written)
    assert node.put(one) is None
    ours = {"bool": {"filter": [term("readOnly", True), term("eventID", one["eventID"])]}}
    assert node.event_ids(ours) == [one["eventID"]]


@pytest.mark.parametrize("character", ["x", "é", "\U0001f600"])
@pytest.mark.parametrize("name", [*KEYWORDS, "somethingNew"])
def test_a_long_keyword_is_kept_though_it_is_not_searchable(
    node: Node, name: str, character: str
) -> None:
    one = record(**{name: character * 40_000})
    assert node.put_body(indexable(one, LIMITS).body) is None
    (document,) = node.found(term("eventID", one["eventID"]))
    assert document == one


def test_what_we_do_not_know_is_kept_and_does_not_grow_the_mapping(node: Node) -> None:
    before = node.client.indices.get_mapping(index=node.index)
    one = record(somethingNew={"a": [1, {"b": "c"}], "": {"x..y": 1}}, another=7)
    assert node.put_body(indexable(one, LIMITS).body) is None
    (document,) = node.found(term("eventID", one["eventID"]))
    assert document == one
    assert node.client.indices.get_mapping(index=node.index) == before
    assert node.found(term("somethingNew.a.b", "c")) == []


@pytest.mark.parametrize("value", [{"": 1}, {".": 1}, {"a..b": {"": [1]}}, {"a": None}, {" ": {}}])
def test_odd_names_within_a_flat_object_are_taken(node: Node, value: Json) -> None:
    one = record(requestParameters={**value, "other": "kept"})
    assert indexable(one, LIMITS).notes == ()
    assert node.put(one) is None
    ours = term("requestParameters.other", "kept")
    assert one["eventID"] in node.event_ids(
        {"bool": {"filter": [ours, term("eventID", one["eventID"])]}}
    )


def test_session_tokens_are_not_in_the_index(node: Node) -> None:
    secret = {"credentials": {"accessKeyId": "ASIAEXAMPLE000000001", "sessionToken": "hush"}}
    one = record(responseElements=secret, requestParameters="odd")
    assert node.put_body(indexable(one, LIMITS).body) is None
    (document,) = node.found(term("eventID", one["eventID"]))
    assert "hush" not in codec.dumps(document).decode()
    assert node.found(term("responseElements.credentials.sessionToken", "hush")) == []
    key = term("responseElements.credentials.accessKeyId", "ASIAEXAMPLE000000001")
    assert one["eventID"] in node.event_ids(key)


# --- templates ------------------------------------------------------------------------------------


def test_to_install_again_changes_nothing(client: OpenSearch, node: Node) -> None:
    before = client.indices.get_index_template(name="cloudtrail-*")
    templates.install(client, Period.MONTH)
    assert client.indices.get_index_template(name="cloudtrail-*") == before
    assert client.indices.exists(index=node.index)


def test_another_period_than_the_installed_is_refused(client: OpenSearch, node: Node) -> None:
    assert client.indices.exists(index=node.index)
    with pytest.raises(SchemaMismatchError, match="kept by month"):
        templates.install(client, Period.DAY)


def test_what_people_set_for_new_indices_stays(client: OpenSearch) -> None:
    templates.install(client, Period.MONTH)
    index = f"cloudtrail-events-{uuid.uuid4().hex}"
    try:
        settings = {"index": {"number_of_shards": 3}}
        client.cluster.put_component_template(
            name=templates.CUSTOM, body={"template": {"settings": settings}}
        )
        templates.install(client, Period.MONTH)
        assert templates.is_installed(client, Period.MONTH)
        client.indices.create(index=index)
        found = client.indices.get(index=index)[index]
        assert found["settings"]["index"]["number_of_shards"] == "3"
        assert found["mappings"]["properties"]["enriched"]["properties"]["origin"]
    finally:
        client.indices.delete(index=index, params={"ignore_unavailable": "true"})
        client.cluster.put_component_template(name=templates.CUSTOM, body={"template": {}})


def test_every_template_says_its_version(client: OpenSearch, node: Node) -> None:
    assert client.indices.exists(index=node.index)
    for found in client.indices.get_index_template(name="cloudtrail-*")["index_templates"]:
        assert found["index_template"]["_meta"]["version"] >= 1
