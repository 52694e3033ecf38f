"""A Sigma detection as an OpenSearch query.

Sigma compares text without regard to case, and OpenSearch's own query string cannot on keyword
fields. So a detection becomes a query of the query DSL, whose clauses can, by the type that each
field has in the mapping (ADR 0010).

References:
    - Sigma specification, "Detection" and "Value modifiers".
    - OpenSearch documentation, "Term-level queries": ``case_insensitive``.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sigma.conditions import (
    ConditionAND,
    ConditionFieldEqualsValueExpression,
    ConditionNOT,
    ConditionOR,
    ConditionValueExpression,
)
from sigma.types import (
    SigmaBool,
    SigmaCasedString,
    SigmaCIDRExpression,
    SigmaCompareExpression,
    SigmaExists,
    SigmaExpansion,
    SigmaFieldReference,
    SigmaNull,
    SigmaNumber,
    SigmaRegularExpression,
    SigmaRegularExpressionFlag,
    SigmaString,
    SigmaTimestampPart,
    SpecialChars,
)

from enricher.alerts.clauses import any_of, exists
from enricher.alerts.errors import RuleError
from enricher.alerts.fields import FLAT_OBJECT, NUMBERS

if TYPE_CHECKING:
    from enricher.alerts.clauses import Query
    from enricher.alerts.fields import Fields

_TEXTUAL = frozenset({"keyword", FLAT_OBJECT})
_COMPARED = NUMBERS | {"date"}
_OPERATORS = SigmaCompareExpression.CompareOperators
_RANGES = {
    _OPERATORS.LT: "lt",
    _OPERATORS.LTE: "lte",
    _OPERATORS.GT: "gt",
    _OPERATORS.GTE: "gte",
}
# What other dialects have and Lucene has not, or reads as something else.
_FOREIGN = re.compile(r"\(\?|\\[bBAZzGkKpP]|[*+?}][?+]|(?<!\\)(?<!\[)\^|(?<!\\)\$")


def query_of(condition: object, fields: Fields) -> Query:
    """Give the query of a parsed Sigma condition.

    Raises:
        RuleError: If it cannot be expressed over these fields; says why.
    """
    match condition:
        case ConditionAND():
            return {"bool": {"filter": [query_of(one, fields) for one in condition.args]}}
        case ConditionOR():
            return any_of(query_of(one, fields) for one in condition.args)
        case ConditionNOT():
            return {"bool": {"must_not": [query_of(one, fields) for one in condition.args]}}
        case ConditionFieldEqualsValueExpression():
            kind = fields.type_of(condition.field)
            if kind is None:
                raise RuleError(f"events have no field {condition.field}")
            are_words = condition.field in fields.words
            value = _lowered(condition.value) if are_words else condition.value
            return _clause(condition.field, kind, value)
        case ConditionValueExpression():
            raise RuleError("a value without a field: say in which field it is to be found")
        case _:
            kind = type(condition).__name__
            raise RuleError(f"the condition is of a kind that cannot be asked: {kind}")


def _lowered(value: object) -> object:
    """Give a word in lower case, to be compared as it is: a node finds that much sooner."""
    if not isinstance(value, SigmaString) or isinstance(value, SigmaCasedString):
        return value
    if value.contains_special() or ":" in _plain(value):
        return value
    return SigmaCasedString.from_sigma_string(value.lower())


def _clause(  # noqa: C901 - one case for each kind of value
    field: str, kind: str, value: object
) -> Query:
    match value:
        case SigmaNull():
            return {"bool": {"must_not": [exists(field)]}}
        case SigmaExists():
            return exists(field) if value else {"bool": {"must_not": [exists(field)]}}
        case SigmaExpansion():
            return any_of(_clause(field, kind, one) for one in value.values)
        case SigmaFieldReference():
            raise RuleError(f"{field}: two fields of one event cannot be compared")
        case SigmaTimestampPart():
            raise RuleError(f"{field}: parts of a time cannot be compared")
        case SigmaCIDRExpression():
            return _network(field, kind, value)
        case SigmaCompareExpression():
            return _comparison(field, kind, value)
        case SigmaRegularExpression():
            return _expression(field, kind, value)
        case SigmaString():
            if value.contains_placeholder():
                raise RuleError(f"{field}: a placeholder is to be replaced by values first")
            return _text(field, kind, value)
        case SigmaBool() | SigmaNumber():
            spelled = str(value).lower()
            return _term(field, spelled) if kind in _TEXTUAL else {"term": {field: spelled}}
        case _:
            raise RuleError(f"{field}: a value that cannot be asked: {type(value).__name__}")


def _term(field: str, value: str, *, cased: bool = False) -> Query:
    if cased or value.lower() == value.upper():
        return {"term": {field: value}}
    return {"term": {field: {"value": value, "case_insensitive": True}}}


def _text(field: str, kind: str, value: SigmaString) -> Query:
    """Compare with text, in which wildcards may be."""
    if all(part is SpecialChars.WILDCARD_MULTI for part in value.iter_parts()) and len(value):
        return exists(field)
    cased = isinstance(value, SigmaCasedString)
    if kind in _TEXTUAL:
        if not value.contains_special():
            return _term(field, _plain(value), cased=cased)
        pattern = value.convert(add_escaped="\\")
        return {"wildcard": {field: {"value": pattern, "case_insensitive": not cased}}}
    if value.contains_special():
        raise RuleError(f"{field} is of type {kind}: it takes no wildcards")
    plain = _plain(value)
    if kind == "text":
        if cased:
            raise RuleError(f"{field} is of type text: it has no case")
        return {"match_phrase": {field: plain}}
    if kind == "boolean" and plain.lower() not in ("true", "false"):
        raise RuleError(f"{field} is of type boolean: it is true or false")
    if kind in NUMBERS and not re.fullmatch(r"-?\d+(\.\d+)?", plain):
        raise RuleError(f"{field} is of type {kind}: it is a number")
    return {"term": {field: plain.lower()}}


def _plain(value: SigmaString) -> str:
    return "".join(part for part in value.iter_parts() if isinstance(part, str))


def _network(field: str, kind: str, value: SigmaCIDRExpression) -> Query:
    if kind == "ip":
        return {"term": {field: value.cidr}}
    if kind in _TEXTUAL:
        patterns = [SigmaString(one) for one in value.expand()]
        return any_of(_text(field, kind, pattern) for pattern in patterns)
    raise RuleError(f"{field} is of type {kind}: it holds no addresses")


def _comparison(field: str, kind: str, value: SigmaCompareExpression) -> Query:
    if kind not in _COMPARED:
        raise RuleError(f"{field} is of type {kind}: it has no order")
    if value.op not in _RANGES:
        raise RuleError(f"{field}: {value.op.name.lower()} cannot be asked; use not")
    return {"range": {field: {_RANGES[value.op]: value.number.number}}}


def _expression(field: str, kind: str, value: SigmaRegularExpression) -> Query:
    """Search a field for a regular expression, which Lucene would compare with the whole of it."""
    if kind not in _TEXTUAL:
        raise RuleError(f"{field} is of type {kind}: it takes no regular expressions")
    if value.contains_placeholder():
        raise RuleError(f"{field}: a placeholder is to be replaced by values first")
    text = str(value.regexp)
    begins, ends = text.startswith("^"), bool(re.search(r"(?<!\\)(\\\\)*\$$", text))
    inner = text[1 if begins else 0 : len(text) - 1 if ends else None]
    if _FOREIGN.search(inner):
        raise RuleError(
            f"{field}: the regular expression has look-around, lazy or possessive quantifiers, "
            "inner anchors or boundaries, which OpenSearch has not"
        )
    body = inner.replace('"', '\\"')
    whole = f"{'' if begins else '.*'}({body}){'' if ends else '.*'}"
    cased = SigmaRegularExpressionFlag.IGNORECASE not in value.flags
    # Without flags, ~ & < > @ # mean themselves, as everywhere else.
    found = {"value": whole, "flags": "NONE", "case_insensitive": not cased}
    return {"regexp": {field: found}}
