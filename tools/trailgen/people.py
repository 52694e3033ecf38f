"""Scenes with people: keys, consoles, switched roles, identity providers."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from tools.trailgen import federation, signin, workloads
from tools.trailgen.catalog import decrypt, secret_call
from tools.trailgen.issuance import (
    Assume,
    assume_role,
    get_federation_token,
    get_session_token,
)
from tools.trailgen.records import Call
from tools.trailgen.times import HOUR, MINUTE

if TYPE_CHECKING:
    from tools.trailgen.director import Director
    from tools.trailgen.session import Session


def long_term_key(director: Director, at: int) -> None:
    """Calls with a long-term key; a service may act for its user."""
    user = director.machine() if director.chance(0.6) else director.person()
    session = director.key(user)
    last = director.work(session, at)
    if director.chance(0.3):
        stage = director.stage
        stage.call(session, secret_call(user.account, session.region), last + 1)
        workloads.forward_for_user(
            stage,
            user,
            decrypt(user.account, session.region),
            "secretsmanager.amazonaws.com",
            last + 2,
        )


def session_token(director: Director, at: int) -> None:
    """Temporary credentials of the same user, mostly for a second factor."""
    user = director.person()
    session = get_session_token(director.stage, user, director.key(user), at)
    director.work(session, _began(session))


def federation_token(director: Director, at: int) -> None:
    """Temporary credentials under another name."""
    user = director.machine()
    session = get_federation_token(director.stage, user, director.key(user), at, "visitor")
    director.work(session, _began(session))


def console(director: Director, at: int) -> None:
    """An IAM user signs in and works; the health page polls on their behalf."""
    session = _home(director, at)
    last = director.work(session, _began(session))
    last = director.work(session.moved(director.region(session.account)), last)
    poll = Call("health", "DescribeEventAggregates", {"aggregateField": "eventTypeCategory"})
    workloads.forward(director.stage, session, poll, "health.amazonaws.com", last + 5)


def console_root(director: Director, at: int) -> None:
    """The root user signs in."""
    account = director.account()
    browser = director.browser("192.0.2.5")
    session = signin.root_login(director.stage, account, browser, at)
    director.work(session, _began(session))


def console_failed(director: Director, at: int) -> None:
    """Somebody fails to sign in, and may succeed then."""
    user = director.person()
    browser = director.browser(user.ip)
    signin.failed_login(director.stage, user, browser, at, known=director.chance(0.7))
    if director.chance(0.5):
        session = signin.console_login(director.stage, user, browser, at + 20)
        director.work(session, _began(session))


def console_switch(director: Director, at: int) -> None:
    """An IAM user switches role in the console; after an hour the console renews it."""
    home = _home(director, at)
    last = director.work(home, _began(home))
    role = director.role()
    session = signin.switch_role(director.stage, home, role, last + 5)
    director.work(session, _began(session))
    if director.chance(0.4):
        renewed = signin.renew_role(director.stage, home, role, _began(session) + HOUR)
        director.work(renewed, _began(renewed))


def console_switch_twice(director: Director, at: int) -> None:
    """A user works in two roles in turn, from the same sign-in."""
    home = _home(director, at)
    at = _began(home)
    for _ in range(2):
        session = signin.switch_role(director.stage, home, director.role(), at + 30)
        at = director.work(session, _began(session))
    director.work(home, at)


def cloudshell(director: Director, at: int) -> None:
    """From the console to a CloudShell, and from there into another role."""
    home = _home(director, at)
    last = director.work(home, _began(home))
    shell = signin.cloudshell(director.stage, home, "203.0.113.30", last + 5)
    last = director.work(shell, last + 10)
    wish = Assume(role=director.role(), name=director.session_name(at, home.name))
    assumed = assume_role(director.stage, shell, wish, last + 5)
    director.work(assumed, _began(assumed))


def aws_login(director: Director, at: int) -> None:
    """A console session goes on in a command line."""
    home = _home(director, at) if director.chance(0.5) else _center_console(director, at)
    last = director.work(home, _began(home))
    terminal = signin.aws_login(director.stage, home, last + 5)
    director.work(terminal, last + 15)
    director.work(home, last + 2 * MINUTE)


def saml(director: Director, at: int) -> None:
    """A SAML sign-in for a program, and a role behind it."""
    assertion = federation.Assertion(
        role=director.role(), subject=director.outsider(), transient=director.chance(0.5)
    )
    session = federation.saml(director.stage, assertion, at)
    last = director.work(session, _began(session))
    if director.chance(0.5):
        wish = Assume(role=director.role(), name=director.session_name(at))
        assumed = assume_role(director.stage, session, wish, last + 1)
        director.work(assumed, _began(assumed))


def saml_console(director: Director, at: int) -> None:
    """A SAML sign-in to the console, and a switched role behind it."""
    subject = director.outsider()
    assertion = federation.Assertion(
        role=director.role(), subject=subject, browser=director.browser(subject.ip)
    )
    session = federation.saml(director.stage, assertion, at)
    last = director.work(session, _began(session))
    if director.chance(0.5):
        switched = signin.switch_role(director.stage, session, director.role(), last + 5)
        director.work(switched, _began(switched))


def identity_center(director: Director, at: int) -> None:
    """Identity Center for the command line, and a role behind it."""
    session = federation.identity_center(
        director.stage, director.colleague(), director.permission_set(), at
    )
    last = director.work(session, _began(session))
    if director.chance(0.4):
        wish = Assume(role=director.role(), name=director.session_name(at, session.name))
        assumed = assume_role(director.stage, session, wish, last + 1)
        director.work(assumed, _began(assumed))


def identity_center_console(director: Director, at: int) -> None:
    """Identity Center to the console."""
    session = _center_console(director, at)
    director.work(session, _began(session))


def forward(director: Director, at: int) -> None:
    """A role session asks a service that asks another one, for the same session."""
    wish = Assume(role=director.role(), name=director.session_name(at))
    session = assume_role(director.stage, director.key(director.machine()), wish, at)
    last = director.work(session, _began(session))
    stack = Call("cloudformation", "UpdateStack", {"stackName": "network"}, read_only=False)
    director.stage.call(session, stack, last + 1)
    for step, name in enumerate(("CreateTags", "DescribeVpcs", "DescribeSubnets")):
        call = replace(Call("ec2", name, {}), read_only=name.startswith("Describe"))
        service = "cloudformation.amazonaws.com"
        workloads.forward(director.stage, session, call, service, last + 2 + step)


def _home(director: Director, at: int) -> Session:
    user = director.person()
    return signin.console_login(director.stage, user, director.browser(user.ip), at)


def _center_console(director: Director, at: int) -> Session:
    subject = director.colleague()
    return federation.identity_center(
        director.stage, subject, director.permission_set(), at, director.browser(subject.ip)
    )


def _began(session: Session) -> int:
    return session.created_at or 0
