"""The events, asked by alert rules what matches: many questions in one request."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from enricher.alerts.alert import MOST_EVENT_IDS
from enricher.alerts.clauses import all_of, any_of, asked_for, enriched_since
from enricher.alerts.ports import Changed, Fault, News
from enricher.cloudtrail import codec
from enricher.errors import UnavailableError
from enricher.stores.opensearch import EVENTS
from enricher.stores.opensearch_client import (
    AS_STORED,
    BLOCKED,
    SERVER_ERROR,
    patiently,
    translated,
    walk,
)
from enricher.stores.opensearch_matched import (
    NEWEST,
    OLDEST,
    TERMS,
    WINDOW,
    bucket_of,
    contents_of,
    instant_of,
    is_one_unnamed,
)
from enricher.stores.patience import OVERLOADED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from datetime import datetime, timedelta

    from opensearchpy import OpenSearch

    from enricher.alerts.alert import Content
    from enricher.alerts.clauses import Query
    from enricher.alerts.ports import Bucket, Grouping, Parts

    _Fields = Callable[..., dict[str, Any]]  # how to ask for fields of hits, by their names

_OF_NONE = {"ignore_unavailable": True, "allow_no_indices": True}
_NO_INDEX = {"ignore_unavailable": "true", "allow_no_indices": "true"}
_NEVER = -1  # what a shard that holds nothing says of itself
_SEARCHES = 100  # of one request
_FILTERS = 250  # of one search
_BUCKETS = 10_000  # of one page: for each, the node goes through all that matches
_SHOWN_BUCKETS = 1_000  # where each comes with an event
_VALUES = 50
_CALL = "eventName"
_CALLS = 10_000  # different ones; AWS has some more in all
_PAGE = 5_000
_IN_ORDER = ({"eventTime": "asc"}, AS_STORED)
# What a few events say is read from them; else a node first numbers all values that there are,
# anew after every refresh.
_OF_FEW = {"execution_hint": "map"}


class OpenSearchMatching:
    """The events of all indices, or of those that are named."""

    def __init__(self, client: OpenSearch, index: str = EVENTS) -> None:
        self._client = client
        self._index = index

    def groups(self, questions: Sequence[Grouping]) -> list[list[Bucket] | Fault]:
        """Answer each question in full, page by page."""
        found: list[list[Bucket]] = [[] for _ in questions]
        faults: dict[int, Fault] = {}
        after: dict[int, Any] = dict.fromkeys(self._worth_asking(questions))
        while after:
            asked = [
                partial(_grouping, questions[number], place) for number, place in after.items()
            ]
            answers = zip(list(after), self._ask_for_events(asked), strict=True)
            after = {}
            for number, answer in answers:
                if isinstance(answer, Fault):
                    faults[number] = answer
                    continue
                page = answer.get("aggregations", {}).get("groups", {})
                buckets = page.get("buckets", [])
                found[number] += [bucket_of(one, questions[number]) for one in buckets]
                if len(buckets) == _page_size(questions[number]):
                    after[number] = page["after_key"]
        return [faults.get(number, buckets) for number, buckets in enumerate(found)]

    def _worth_asking(self, questions: Sequence[Grouping]) -> list[int]:
        """Leave out the questions about what is new that nothing new matches: most of them.

        Most ask for calls by their names, and nobody made such a call. Of the others one search
        tells, at a tenth of what it takes to ask each. Who asks to be shown events was told before
        that there are some.
        """
        new = {
            number: one.new
            for number, one in enumerate(questions)
            if one.new is not None and not one.shown
        }
        if not new:
            return [*range(len(questions))]
        calls = self._calls(list(new.values()))
        none = {number for number in new if _asks_for_others(questions[number], calls)}
        left = [number for number in new if number not in none]
        for start in range(0, len(left), _FILTERS):
            part = left[start : start + _FILTERS]
            (answer,) = self._ask([_counting([questions[number] for number in part])])
            if isinstance(answer, Fault):  # of one of them; each is asked for itself
                continue
            buckets = answer.get("aggregations", {}).get("questions", {}).get("buckets")
            counts = [one["doc_count"] for one in buckets] if buckets else [0] * len(part)
            none |= {number for number, count in zip(part, counts, strict=True) if not count}
        return [number for number in range(len(questions)) if number not in none]

    def _calls(self, new: Sequence[Query]) -> frozenset[str] | None:
        """Give the names, case-folded, of what was called in new events; None if they are many."""
        (answer,) = self._ask([_naming(new)])
        if isinstance(answer, Fault):
            return None
        calls = answer.get("aggregations", {}).get("calls")
        if calls is None:  # there is no index yet
            return frozenset()
        if calls["sum_other_doc_count"]:
            return None
        return frozenset(one["key"].casefold() for one in calls["buckets"])

    def contents(self, questions: Sequence[Parts]) -> list[list[Content | None] | Fault]:
        """Say what is to be said of the events of each part."""
        answers = self._ask_for_events([partial(_summary, one) for one in questions])
        return [
            answer if isinstance(answer, Fault) else contents_of(answer, len(one.parts))
            for one, answer in zip(questions, answers, strict=True)
        ]

    def news(self, marks: Mapping[str, int], since: datetime) -> News:
        """Say what was written since, by the numbers that the cluster gives to writes.

        A shard numbers its writes, and its global checkpoint is the one up to which it has all of
        them, on every copy; a refresh after that lets searches find them. So nothing is missed,
        however long a write took and whatever clocks say. A shard that has not come as far as it
        was before has lost its history, and is as unknown as that of a new index.
        """
        indices = self._checkpoints()
        with translated():
            self._client.indices.refresh(index=self._index, params=_NO_INDEX)
        new: list[Query] = []
        for name, shards in indices.items():
            known = [marks.get(shard, _NEVER) for shard in shards]
            if known == list(shards.values()):
                continue
            of_index = {"term": {"_index": name}}
            if any(mark > at for mark, at in zip(known, shards.values(), strict=True)) or all(
                shard not in marks for shard in shards
            ):
                new.append(all_of(of_index, enriched_since(since)))
            else:
                new.append(all_of(of_index, {"range": {"_seq_no": {"gt": min(known)}}}))
        reached = {shard: at for shards in indices.values() for shard, at in shards.items()}
        return News(any_of(new) if new else {"match_none": {}}, reached)

    def _checkpoints(self) -> dict[str, dict[str, int]]:
        """Give how far each shard has all that was written, by index."""
        with translated():
            answer = self._client.indices.stats(
                index=self._index, metric="docs", params={"level": "shards"}
            )
        return {
            name: {
                f"{index['uuid']}/{number}": copy["seq_no"]["global_checkpoint"]
                for number, copies in index["shards"].items()
                for copy in copies
                if copy["routing"]["primary"]
            }
            for name, index in answer.get("indices", {}).items()
        }

    def changed(self, new: Query) -> Iterator[list[Changed]]:
        """Give those of the new events that were written again."""
        query = all_of(new, {"range": {"enriched.revision": {"gt": 1}}})
        wanted = ("eventID", "eventTime")
        for hits in walk(self._client, self._index, query, _IN_ORDER, size=_PAGE, _source=wanted):
            yield [Changed(_named(hit), instant_of(hit["sort"][0])) for hit in hits]

    def _ask_for_events(
        self, questions: Sequence[Callable[[_Fields], dict[str, Any]]]
    ) -> list[Mapping[str, Any] | Fault]:
        """Ask for events by their event ids, and where one has none, once more by its document."""
        answers = self._ask([ask(_without_document) for ask in questions])
        unnamed = [number for number, answer in enumerate(answers) if is_one_unnamed(answer)]
        named = self._ask([questions[number](_with_document) for number in unnamed])
        for number, answer in zip(unnamed, named, strict=True):
            answers[number] = answer
        return answers

    def _ask(self, bodies: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any] | Fault]:
        answers: list[Mapping[str, Any] | Fault] = []
        for start in range(0, len(bodies), _SEARCHES):
            part = bodies[start : start + _SEARCHES]
            answers += patiently(partial(self._ask_at_once, part))
        return answers

    def _ask_at_once(self, bodies: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any] | Fault]:
        header = codec.dumps({"index": self._index, **_OF_NONE})
        lines = b"".join(header + b"\n" + codec.dumps(body) + b"\n" for body in bodies)
        with translated():
            answer = self._client.msearch(body=lines)
        return [_checked(one) for one in answer["responses"]]


def _checked(answer: Mapping[str, Any]) -> Mapping[str, Any] | Fault:
    """Tell a rule's fault from the cluster's.

    Raises:
        UnavailableError: If the cluster could not answer in full now.
    """
    error = answer.get("error")
    if error is None and not answer["_shards"]["failed"]:
        return answer
    if error is None:
        failure = answer["_shards"]["failures"][0]
        error, status = failure["reason"], failure.get("status", SERVER_ERROR)
    else:
        status = answer["status"]
    causes = error.get("root_cause") or [error]
    kind = causes[0].get("type", "")
    if status in OVERLOADED or kind in BLOCKED or "circuit_breaking" in kind:
        raise UnavailableError(f"OpenSearch cannot search now: {kind}")
    return Fault(f"OpenSearch refuses the query: {kind}: {causes[0].get('reason', '')}")


def _named(hit: Mapping[str, Any]) -> str:
    """Give the id of an event that came with its source."""
    return str(hit.get("_source", {}).get("eventID") or hit["_id"])


# --- questions ------------------------------------------------------------------------------------


def _naming(new: Sequence[Query]) -> dict[str, Any]:
    """Ask for the names of all calls among events."""
    calls = {"terms": {"field": _CALL, "size": _CALLS}}
    return {**_of_any(new), "aggs": {"calls": calls}}


def _counting(questions: Sequence[Grouping]) -> dict[str, Any]:
    """Ask how many events each question is about, all of them about what is new."""
    new = _distinct([one.new for one in questions if one.new is not None])
    # What is the same for all of them is asked once.
    filters = [one.query if len(new) == 1 else _of(one) for one in questions]
    return {**_of_any(new), "aggs": {"questions": {"filters": {"filters": filters}}}}


def _of_any(queries: Sequence[Query]) -> dict[str, Any]:
    """Ask about the events that any of these matches, most of which are the same."""
    return {"size": 0, "track_total_hits": False, "query": any_of(_distinct(queries))}


def _distinct(queries: Sequence[Query]) -> list[Query]:
    distinct: list[Query] = []
    for one in queries:
        if one not in distinct:
            distinct.append(one)
    return distinct


def _asks_for_others(question: Grouping, calls: frozenset[str] | None) -> bool:
    """Say whether a question is about calls that are none of these."""
    if calls is None:
        return False
    names = asked_for(question.query, _CALL)
    return names is not None and names.isdisjoint(calls)


def _of(question: Grouping) -> Query:
    """Give the query of the events that a question is about."""
    return question.query if question.new is None else all_of(question.query, question.new)


def _grouping(
    question: Grouping, after: Mapping[str, Any] | None, fields: _Fields
) -> dict[str, Any]:
    sources: list[dict[str, Any]] = []
    if question.window is not None:
        sources.append({WINDOW: {"date_histogram": _aligned(question.window)}})
    for number, name in enumerate(question.by):
        sources.append({str(number): {"terms": {"field": name, "missing_bucket": True}}})
    composite: dict[str, Any] = {"size": _page_size(question), "sources": sources}
    if after is not None:
        composite["after"] = after
    groups: dict[str, Any] = {"composite": composite}
    if question.shown:
        first = {"size": 1, "sort": OLDEST, **fields(*question.shown)}
        groups["aggs"] = {"first": {"top_hits": first}}
    elif question.dated:
        groups["aggs"] = {"first_at": {"min": {"field": "eventTime"}}}
    return {
        "size": 0,
        "track_total_hits": False,
        "query": _of(question),
        "aggs": {"groups": groups},
    }


def _page_size(question: Grouping) -> int:
    return _SHOWN_BUCKETS if question.shown else _BUCKETS


def _aligned(window: timedelta) -> dict[str, Any]:
    return {"field": "eventTime", "fixed_interval": f"{int(window.total_seconds())}s"}


def _without_document(*names: str) -> dict[str, Any]:
    """Ask for fields of hits, and not for what is stored with their source, their ids too.

    To find and decompress that took two thirds of what it cost to ask for all of an alert.
    """
    return {"stored_fields": "_none_", "docvalue_fields": [*names]}


def _with_document(*names: str) -> dict[str, Any]:
    """Ask for fields of hits, and for the ids of their documents."""
    return {"_source": False, "docvalue_fields": [*names]}


def _summary(question: Parts, fields: _Fields) -> dict[str, Any]:
    shown = ["enriched.origin", "enriched.session.root_id"]
    first = {"size": 1, "sort": OLDEST, "_source": shown}
    newest = {"size": MOST_EVENT_IDS, "sort": NEWEST, **fields()}
    return {
        "size": 0,
        "track_total_hits": False,
        # Once more before they are told apart, so that each part is looked for in these few only.
        "query": all_of(question.query, any_of(question.parts)),
        "aggs": {
            "parts": {
                "filters": {"filters": list(question.parts)},
                "aggs": {
                    "first": {"top_hits": first},
                    "newest": {"top_hits": newest},
                    **{
                        name: {"terms": {"field": field, "size": _VALUES, **_OF_FEW}}
                        for name, field in TERMS.items()
                    },
                },
            }
        },
    }
