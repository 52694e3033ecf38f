"""Makes pages from templates; whatever comes from a record is text, shown in visible characters.

Every value that a template shows goes through `shown`, once, and is escaped for HTML after it, so
that no template can forget either.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from enricher.api.pages import wording
from enricher.api.pages.files import address_of
from enricher.cloudtrail.plain import plain
from enricher.cloudtrail.times import format_time

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from enricher.response.sessions import Session

PAGE = "/investigate"
_MOST_SHOWN = 3
_MFA = {True: "yes", False: "no", None: "not said"}


def shown(value: object) -> object:
    """Spell a value for a page: in printable characters alone, nothing where there is none.

    Controls, marks that change the direction of writing, and other invisible characters come out
    as the escapes of a Python string literal. Markup is what a template itself has made.
    """
    if value is None:
        return ""
    return value if isinstance(value, (Markup, int)) else plain(value)


def render(template: str, /, **context: Any) -> str:  # noqa: ANN401 - whatever a template shows
    """Make a page."""
    return _environment().get_template(template).render(**context)


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("enricher.api.pages"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=shown,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "at": at,
        "short": short,
        "count": count,
        "capitalized": capitalized,
        "used": used,
        "keys_of": keys_of,
        "first_of": first_of,
        "last_of": last_of,
        "mfa_of": mfa_of,
    }
    environment.globals |= {"link": link, "static": address_of, "words": wording, "page": PAGE}
    return environment


def at(value: datetime | None) -> str:
    """Write an instant as people read it, UTC."""
    return format_time(value).replace("T", " ").removesuffix("Z") if value else ""


def short(values: tuple[str, ...]) -> str:
    """Give the first of some values, and say how many more there are."""
    more = f" and {len(values) - _MOST_SHOWN} more" if len(values) > _MOST_SHOWN else ""
    return ", ".join(values[:_MOST_SHOWN]) + more


def count(number: int, one: str, several: str = "") -> str:
    """Say how many there are of something."""
    return f"{number:,} {one if number == 1 else several or one + 's'}"


def link(**asked: str | None) -> str:
    """Give the address of the page that answers something."""
    return f"{PAGE}?{urlencode({name: value for name, value in asked.items() if value})}"


def capitalized(sentence: str) -> str:
    """Begin a sentence with a capital, and end it."""
    begun = f"{sentence[:1].upper()}{sentence[1:]}"
    return begun if begun.endswith((".", "?", ":")) else f"{begun}."


# --- of several sessions --------------------------------------------------------------------------


def used(sessions: Sequence[Session], what: str) -> tuple[str, ...]:
    """Give where sessions were used: ``account_ids``, ``source_ips`` or ``regions``, once each."""
    return tuple(dict.fromkeys(one for session in sessions for one in getattr(session.use, what)))


def keys_of(sessions: Sequence[Session]) -> int:
    """Count the access keys of sessions."""
    return len({key for session in sessions for key in session.access_keys})


def first_of(sessions: Sequence[Session]) -> datetime | None:
    """Give the first time."""
    return min((one.use.first for one in sessions if one.use.first), default=None)


def last_of(sessions: Sequence[Session]) -> datetime | None:
    """Give the last time."""
    return max((one.use.last for one in sessions if one.use.last), default=None)


def mfa_of(sessions: Sequence[Session]) -> str:
    """Say whether the sessions began with a second factor."""
    said = {_MFA[one.mfa] for one in sessions}
    return said.pop() if len(said) == 1 else "some"
