"""What people and machines do with their credentials once they have them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tools.trailgen.catalog import catalog
from tools.trailgen.denials import REASONS, denied
from tools.trailgen.organization import PARTITION
from tools.trailgen.records import Call
from tools.trailgen.times import display_stamp

if TYPE_CHECKING:
    from tools.trailgen.organization import User
    from tools.trailgen.session import Session
    from tools.trailgen.stage import Stage

_CHANGES = 0.2
"""Share of calls that change something."""


def work(stage: Stage, session: Session, at: int, count: int, within: int) -> int:
    """Make calls within so many seconds; give the time of the last one."""
    rng = stage.rng
    calls = catalog(session.account, session.region)
    until = min(at + within, session.ends_at)
    step = max(1, (until - at) // max(1, count))
    for _ in range(count):
        chosen = calls.changes if rng.random() < _CHANGES else calls.reads
        at = min(until, at + 1 + int(rng.random() * step))
        stage.call(session, chosen[int(rng.random() * len(chosen))], at)
    return at


def be_denied(stage: Stage, session: Session, at: int, call: Call | None = None) -> str:
    """Try something that is not allowed."""
    rng = stage.rng
    calls = catalog(session.account, session.region)
    wanted = call or rng.choice((*calls.reads, *calls.changes))
    return stage.call(session, denied(wanted, session, rng.choice(REASONS)), at)


def create_user(stage: Stage, session: Session, name: str, at: int) -> str:
    """Create an IAM user in the session's account."""
    arn = f"arn:{PARTITION}:iam::{session.account.id}:user/{name}"
    user = {
        "path": "/",
        "userName": name,
        "userId": stage.ids.principal("AIDA"),
        "arn": arn,
        "createDate": display_stamp(at),
    }
    call = Call("iam", "CreateUser", {"userName": name}, {"user": user}, read_only=False)
    return stage.call(session, call, at)


def create_role(stage: Stage, session: Session, name: str, at: int) -> str:
    """Create a role in the session's account."""
    policy = '{"Version":"2012-10-17","Statement":[]}'
    role = {
        "path": "/",
        "roleName": name,
        "roleId": stage.ids.principal("AROA"),
        "arn": f"arn:{PARTITION}:iam::{session.account.id}:role/{name}",
        "createDate": display_stamp(at),
        "assumeRolePolicyDocument": policy,
    }
    request = {"roleName": name, "assumeRolePolicyDocument": policy}
    call = Call("iam", "CreateRole", request, {"role": role}, read_only=False)
    return stage.call(session, call, at)


def create_access_key(stage: Stage, session: Session, user: User, at: int) -> str:
    """Create the long-term key of a user of the session's account."""
    access_key = {
        "userName": user.name,
        "accessKeyId": user.key,
        "status": "Active",
        "createDate": display_stamp(at),
    }
    request = {"userName": user.name}
    call = Call("iam", "CreateAccessKey", request, {"accessKey": access_key}, read_only=False)
    return stage.call(session, call, at)
