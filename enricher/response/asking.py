"""Recognizes what a responder enters: an id, a key, a name, an address, a whole finding.

References:
    - IAM User Guide, "IAM identifiers", "Understanding unique ID prefixes".
"""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING

from enricher.cloudtrail import codec
from enricher.response.errors import QuestionError
from enricher.response.guardduty import Finding, parse_finding
from enricher.response.selecting import PrincipalName
from enricher.response.triage import Question

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

Asked = Question | Finding

_SESSION = re.compile(r"[0-9a-f]{32}")
_EVENT = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}(:[^:]+)?")
_KEY = re.compile(r"(AKIA|ASIA)[A-Z0-9]{12,124}")
_UNIQUE_ID = re.compile(r"A(GPA|IDA|IPA|NPA|NVA|PKA|ROA|SCA|BIA|CCA)[A-Z0-9]{12,124}(:.+)?")
_ACCOUNT = re.compile(r"\d{12}")
_LONGEST_KEY, _LONGEST = 128, 1024
_WHAT = (
    "an event id, an access key, a principal, an address, a session, or a whole GuardDuty finding"
)


def recognized(
    entered: str, start: datetime | None = None, end: datetime | None = None
) -> tuple[Asked, ...]:
    """Give what an entry may ask for, the most likely first.

    What has the form of one thing is that; a bare word may be a name, a key or an id.

    Raises:
        QuestionError: If nothing can be asked for with it; says what can.
    """
    text = entered.strip()
    if not text:
        raise QuestionError(f"there is nothing to look for: enter {_WHAT}")
    if text[0] in "{[":
        return (_finding(text),)
    if is_address(text):
        return (by_address(text, start, end),)
    if len(text) > _LONGEST:
        raise QuestionError(f"that is longer than any id or name: enter {_WHAT}")
    return tuple(
        Question.model_validate({**one, "start": start, "end": end}) for one in _forms(text)
    )


def _forms(text: str) -> Iterator[dict[str, object]]:
    if _SESSION.fullmatch(text):
        yield {"session_id": text}
    elif _KEY.fullmatch(text):
        yield {"access_key_id": text}
    elif _EVENT.fullmatch(text):
        yield {"event_id": text}
        yield {"principal": PrincipalName(id=text)}  # Identity Center's users have such ids too
    else:
        for one in principals(text):
            yield {"principal": one}
        if not text.startswith("arn:"):
            yield {"event_id": text}
            if len(text) <= _LONGEST_KEY:
                yield {"access_key_id": text}


def principals(text: str) -> tuple[PrincipalName, ...]:
    """Tell by its form how a principal is named: by ARN, by unique id, or by name or id."""
    if text.startswith("arn:"):
        return (PrincipalName(arn=text),)
    if _UNIQUE_ID.fullmatch(text) or _ACCOUNT.fullmatch(text):
        return (PrincipalName(id=text),)
    return PrincipalName(name=text), PrincipalName(id=text)


def by_address(text: str, start: datetime | None, end: datetime | None) -> Question:
    """Ask for an address.

    Raises:
        QuestionError: If it is none, or there is no span of time.
    """
    if not is_address(text):
        raise QuestionError("that is no address: write it as 203.0.113.7 or 2001:db8::7")
    if not (start and end):
        raise QuestionError("an address is shared and passed on: say from when to when")
    return Question(ip=ipaddress.ip_address(text), start=start, end=end)


def is_address(text: str) -> bool:
    """Say whether it is an IP address."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _finding(text: str) -> Finding:
    try:
        body = codec.loads(text)
    except codec.JSONDecodeError as err:
        raise QuestionError(
            "this looks like a finding, but is no whole JSON: paste all of it"
        ) from err
    return parse_finding(body)
