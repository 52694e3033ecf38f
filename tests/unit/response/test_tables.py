"""A summary for people: nothing that is quoted from a record acts, whoever opens the table."""

from __future__ import annotations

import csv
import io
import re
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from enricher.response.summary import Call, Summary
from enricher.response.tables import COLUMNS, as_csv, as_markdown, cell, code

AT = datetime(2026, 3, 2, 8, 15, tzinfo=UTC)
FORMULA = re.compile(r"\s*[=+\-@\uff1d\uff0b\uff0d\uff20\t\r\n]")
RENDER = MarkdownIt("gfm-like", {"linkify": False})


def call(**changes: object) -> Call:
    fields: dict[str, object] = {
        "service": "iam.amazonaws.com",
        "name": "CreateUser",
        "action": "change",
        "sensitive": False,
        "calls": 3,
        "success": 2,
        "failed": 1,
        "denied": 1,
        "sample_resources": None,
        "denied_target": "arn:aws:iam::111122223333:user/x",
        "sample_parameters": '{"userName":"x"}',
        "sample_filter": None,
        "sample_error": "AccessDenied: no",
        "first": AT,
        "last": AT,
        "regions": ("us-east-1", "eu-west-1"),
        "account_ids": ("111122223333",),
    }
    return Call.model_validate({**fields, **changes})


def summary(*calls: Call, read_only: tuple[Call, ...] = ()) -> Summary:
    return Summary(
        events=len(calls),
        not_read_only=calls,
        read_only=read_only,
        events_omitted=0,
        complete=True,
    )


def rows(written: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(written, newline="")))


def test_csv_has_both_tables_and_a_column_that_says_which() -> None:
    found = rows(as_csv(summary(call(), read_only=(call(name="ListUsers", action="read"),))))
    assert found[0] == ["read_only", *COLUMNS]
    assert [(row[0], row[2], row[5]) for row in found[1:]] == [
        ("false", "CreateUser", "3"),
        ("true", "ListUsers", "3"),
    ]
    assert found[1][-4:] == [
        *("2026-03-02T08:15:00Z", "2026-03-02T08:15:00Z"),
        *("us-east-1 eu-west-1", "111122223333"),
    ]


@pytest.mark.parametrize(
    ("value", "spelt"),
    [
        ("=cmd|'/c calc'!A1", "'=cmd|'/c calc'!A1"),
        ("+1", "'+1"),
        ("-1", "'-1"),
        ("@SUM(A1)", "'@SUM(A1)"),
        (" =1", " '=1"),
        ("\t=1", "\\t=1"),  # what is written is a backslash: no formula any more
        ("a;=1", "a;'=1"),
        ('{"a":"=1"}', '{"a":"\'=1"}'),
        ("\uff1d1", "'\uff1d1"),
        ("a\u202eb", "a\\u202eb"),
        ("line\r\nline", "line\\r\\nline"),
        ("arn:aws:iam::1:user/a-b", "arn:aws:iam::1:user/a-b"),
    ],
)
def test_no_cell_is_a_formula(value: str, spelt: str) -> None:
    assert cell(value) == spelt


@given(st.text())
def test_whatever_is_quoted_stays_in_its_cell_and_calculates_nothing(value: str) -> None:
    content = as_csv(summary(call(name=value, sample_error=value, denied_target=value)))
    (_, row) = rows(content)
    assert len(row) == len(COLUMNS) + 1
    assert [one for one in row if FORMULA.match(one)] == []
    for separator in ",;\t|":  # a spreadsheet that takes another for the separator
        parts = [part.strip("\"' ") for part in row[2].split(separator)]
        assert all(not FORMULA.match(part) or f"'{part}" in row[2] for part in parts if part), row[
            2
        ]


@given(st.text())
def test_whatever_is_quoted_is_code_in_its_cell(value: str) -> None:
    rendered = RENDER.render(as_markdown(summary(call(name=value, sample_error=value))))
    tags = set(
        re.findall(r"</?([a-z0-9]+)[ />]", rendered.replace("<h1>", "").replace("</h1>", ""))
    )
    assert tags <= {"h2", "table", "thead", "tbody", "tr", "th", "td", "code"} | {"h1"}
    (body,) = re.findall(r"<tbody>(.*?)</tbody>", rendered, re.DOTALL)
    assert body.count("<td>") == len(COLUMNS)


@pytest.mark.parametrize(
    "value",
    [
        "<script>alert(1)</script>",
        "[click](javascript:alert(1))",
        "![x](https://example.org/x.png)",
        "`</code><img src=x>",
        "a|b|c",
        "a\\|b",
        "``` ` ``",
        "https://example.org",
        "*bold* _it_ ~~no~~",
        "\u202etxt",
    ],
)
def test_hostile_values_are_shown_as_they_are(value: str) -> None:
    rendered = RENDER.render(f"| a |\n| --- |\n| {code(value)} |\n")
    assert re.search(r"<(?!/?(table|thead|tbody|tr|th|td|code)\b)", rendered) is None
    assert rendered.count("<td>") == 1


def test_a_summary_that_is_not_whole_says_so() -> None:
    whole = summary(call())
    assert "Not all events" not in as_markdown(whole)
    assert "Not all events" in as_markdown(whole.model_copy(update={"complete": False}))
    assert "Not all events" in as_markdown(whole.model_copy(update={"events_omitted": 1}))
