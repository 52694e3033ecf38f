"""The investigation page: from whatever somebody has to the whole answer, for people."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, TypeVar
from urllib.parse import parse_qs

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse
from fastapi.routing import APIRoute
from pydantic import BaseModel, ConfigDict, Field

from enricher.api import problems, signin
from enricher.api.access import needs_read
from enricher.api.gate import PAGE, Caller, Guard
from enricher.api.pages.answer import investigate
from enricher.api.pages.files import PATH, static_file
from enricher.api.pages.rendering import link, render
from enricher.api.pages.timeline import MOST, points
from enricher.api.parameters import Reading, Services
from enricher.api.problems import Problem, ProblemError
from enricher.api.signin import SignIns
from enricher.cloudtrail.times import format_time, parse_time
from enricher.response.asking import Asked, by_address, is_address, principals, recognized
from enricher.response.errors import NotIndexedError, QuestionError
from enricher.response.triage import Question, involved

_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'",
    # A form says where it comes from; nobody else is told what was asked for.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Frame-Options": "DENY",
}
_UNCHANGING = "public, max-age=31536000, immutable"
_LONGEST_FORM = 65_536
_SPANS = (("day", 1), ("7 days", 7), ("30 days", 30), ("year", 365))
_TITLES = {
    403: "Your key does not allow that",
    404: "Nothing of that is indexed",
    413: "That is too much",
    422: "That cannot be asked",
    429: "Too many questions at once",
    503: "The servers behind this page do not answer in time",
}
_TO_ENTER = (
    "Enter an event id, an access key, a principal, an address with a time range, a session, or a "
    "whole GuardDuty finding."
)
_DELIVERED = (
    "Have the log files of that account, region and time been ingested? CloudTrail delivers them "
    "about five minutes after the call."
)
_NEXT = {
    403: ["Sign out, and sign in with a key that has the scope read."],
    404: [
        "Is it written as the record has it? Names are compared exactly.",
        _DELIVERED,
        "Widen the time range, or leave it out.",
    ],
    422: [_TO_ENTER],
    429: ["Wait a moment and ask again."],
    503: ["Ask again; narrow the time range where there is very much."],
}


class SignInNeededError(Exception):
    """Nobody has signed in here, or the sign-in has ended."""


class PageQuery(BaseModel):
    """What somebody asks: in words of its own, or as one text that is recognized."""

    model_config = ConfigDict(extra="forbid")

    q: str = Field("", max_length=16_000)
    event: str = Field("", max_length=1_024)
    credential: str = Field("", max_length=128)
    principal: str = Field("", max_length=2_048)
    ip: str = Field("", max_length=64)
    session: str = Field("", pattern="^([0-9a-f]{32})?$")
    start: str = Field("", max_length=40)
    end: str = Field("", max_length=40)

    @property
    def text(self) -> str:
        """What stands in the field where one asks."""
        named = (self.q, self.event, self.credential, self.principal, self.ip, self.session)
        return next((one for one in named if one), "")

    def asked(self) -> tuple[Asked, ...]:
        """Give what may be meant, the most likely first; nothing where nothing is asked.

        Raises:
            QuestionError: If nothing can be asked for with it; says what can.
        """
        start, end = _instant(self.start), _instant(self.end)
        if self.q.strip():
            return recognized(self.q, start, end)
        if not self.text.strip():
            return ()
        address = by_address(self.ip.strip(), start, end) if self.ip.strip() else None
        named = principals(self.principal.strip()) if self.principal.strip() else (None,)
        return tuple(
            Question(
                event_id=self.event.strip() or None,
                access_key_id=self.credential.strip() or None,
                principal=one,
                session_id=self.session or None,
                ip=address.ip if address else None,
                start=start,
                end=end,
            )
            for one in named
        )

    def address(self, path: str = "") -> str:
        """Give the address that asks the same."""
        asked = {name: value for name, value in self if value}
        return link(**asked).replace(PAGE, PAGE + path, 1)


def _instant(entered: str) -> datetime | None:
    """Read a time as people enter it; without a zone it is UTC.

    Raises:
        QuestionError: If it is none.
    """
    text = entered.strip()
    if not text:
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        found = parse_time(text)
        if found is None:
            raise QuestionError("a time is written like 2026-03-02 08:00, in UTC") from None
        return found
    return at if at.tzinfo else at.replace(tzinfo=UTC)


class _PageRoute(APIRoute):
    """Answers with pages also what goes wrong."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def shown(request: Request) -> Response:
            try:
                answer = await handle(request)
            except SignInNeededError:
                answer = _sign_in(request)
            except problems.ANSWERED as err:
                answer = _fault(request, err)
            answer.headers.update(_HEADERS)
            return answer

        return shown


router = APIRouter(route_class=_PageRoute, include_in_schema=False)


def visitor(request: Request) -> Caller:
    """Say who has signed in and may read; count the call.

    Raises:
        SignInNeededError: If nobody has.
        ProblemError: 403 or 429.
    """
    guard: Guard = request.app.state.guard
    caller = _sign_ins(request).caller(signin.token_of(request))
    if caller is None:
        guard.slow_down_stranger(request.client.host if request.client else None)
        raise SignInNeededError
    request.state.caller = caller
    guard.slow_down(caller)
    return needs_read(request)


def _sign_ins(request: Request) -> SignIns:
    found: SignIns = request.app.state.sign_ins
    return found


async def form(request: Request) -> dict[str, str]:
    """Read a form that a page of ours has sent.

    Raises:
        ProblemError: 403 where it came from elsewhere, 413 where it is too long.
    """
    if not signin.is_own_form(request.headers):
        raise ProblemError(
            403, "form-from-elsewhere", "that form was not sent from this page: open it and sign in"
        )
    body = await request.body()
    if len(body) > _LONGEST_FORM:
        raise ProblemError(413, "too-large", f"a form may have {_LONGEST_FORM:,} bytes at most")
    fields = parse_qs(body.decode("utf-8", "replace"), keep_blank_values=True)
    return {name: values[0] for name, values in fields.items()}


Visitor = Annotated[Caller, Depends(visitor)]
Form = Annotated[dict[str, str], Depends(form)]


@router.get(PAGE)
def get_page(query: Annotated[PageQuery, Query()], _: Visitor, services: Services) -> Response:
    """Show the answer, or where one asks."""
    asked = query.asked()
    if not asked:
        return HTMLResponse(render("start.html", asked=_shown(query)))
    answer = _first(asked, lambda one: investigate(one, services.planning, services.related_alerts))
    content = render(
        "answer.html",
        asked=_shown(query),
        one=answer,
        timeline=query.address("/timeline"),
        most=MOST,
    )
    return HTMLResponse(content)


@router.get(f"{PAGE}/timeline")
def get_timeline(query: Annotated[PageQuery, Query()], _: Visitor, reading: Reading) -> Response:
    """Give the events of the same sessions, for the script that draws them."""
    return _first(query.asked(), lambda one: JSONResponse(points(involved(one, reading), reading)))


_Answer = TypeVar("_Answer")


def _first(asked: tuple[Asked, ...], answered: Callable[[Asked], _Answer]) -> _Answer:
    """Answer the first of what may be meant that is indexed.

    Raises:
        NotIndexedError: If none is.
    """
    for one in asked:
        with suppress(NotIndexedError):
            return answered(one)
    raise NotIndexedError("nothing is indexed under that: neither an event, nor a key, nor a name")


@router.post(f"{PAGE}/sign-in")
def post_sign_in(request: Request, sent: Form) -> Response:
    """Sign in, and go on to what was asked for."""
    guard: Guard = request.app.state.guard
    guard.slow_down_stranger(request.client.host if request.client else None)
    sign_ins = _sign_ins(request)
    begun = sign_ins.begin(sent.get("key", "").strip())
    then = _own(sent.get("then", ""))
    if begun is None:
        wrong = "That key opens nothing here: it is mistyped, revoked, or has ended."
        return HTMLResponse(render("signin.html", then=then, wrong=wrong), 401)
    request.state.caller, token = begun
    sign_ins.end(signin.token_of(request))
    answer = RedirectResponse(then, 303)
    signin.keep(answer, token, secure=signin.is_secure(request))
    return answer


@router.post(f"{PAGE}/sign-out")
def post_sign_out(request: Request, _: Form) -> Response:
    """Sign out."""
    sign_ins, token = _sign_ins(request), signin.token_of(request)
    caller = sign_ins.caller(token)
    if caller:
        request.state.caller = caller
    sign_ins.end(token)
    answer = RedirectResponse(PAGE, 303)
    signin.forget(answer)
    return answer


@router.get(PATH + "/{name}")
def get_file(name: str) -> Response:
    """Give a file that pages load."""
    found = static_file(name)
    if found is None:
        raise ProblemError(404, "no-such-file", "there is no such file")
    headers = {"Content-Encoding": "gzip", "Cache-Control": _UNCHANGING}
    return Response(found.gzipped, media_type=found.media_type, headers=headers)


def _own(address: str) -> str:
    """Give an address only where it is this page's own."""
    return address if address == PAGE or address.startswith(f"{PAGE}?") else PAGE


def _here(request: Request) -> str:
    query = request.url.query
    return f"{PAGE}?{query}" if query and request.url.path == PAGE else PAGE


def _sign_in(request: Request) -> Response:
    """Ask for a key; a browser that holds its cookie back shows it when it asks by itself."""
    if signin.comes_from_elsewhere(request.headers):
        return HTMLResponse(render("bounce.html", here=_here(request)))
    return HTMLResponse(render("signin.html", then=_here(request), wrong=""), 401)


def _fault(request: Request, error: Exception) -> Response:
    """Show a problem with what to do next."""
    told = problems.answered(request, error)
    problem = Problem.model_validate_json(bytes(told.body))
    known = getattr(request.state, "caller", None) is not None
    query = _query(request)
    content = render(
        "fault.html",
        title=_TITLES.get(problem.status, "Something went wrong"),
        problem=problem,
        next=_NEXT.get(problem.status, []),
        spans=list(_spans(query)),
        asked=_shown(query) if known else None,
    )
    kept = {name: told.headers[name] for name in ("retry-after",) if name in told.headers}
    return HTMLResponse(content, told.status_code, kept)


def _query(request: Request) -> PageQuery:
    """Read what was asked as far as it fits, to show it again."""
    given = {
        name: value
        for name, value in request.query_params.items()
        if name in PageQuery.model_fields
    }
    try:
        return PageQuery.model_validate(given)
    except ValueError:
        return PageQuery(q=given.get("q", "")[:1_000])


def _spans(query: PageQuery) -> Iterator[tuple[str, str]]:
    """Offer spans of time to whoever asks for an address without one."""
    if query.start or query.end or not is_address(query.text.strip()):
        return
    now = datetime.now(tz=UTC)
    for words, days in _SPANS:
        span = {"start": format_time(now - timedelta(days=days)), "end": format_time(now)}
        yield words, query.model_copy(update=span).address()


def _shown(query: PageQuery) -> dict[str, str]:
    return {"q": query.text, "start": query.start, "end": query.end}
