"""Scenes with machines and services, and chains of roles."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from tools.trailgen import clients, federation, workloads
from tools.trailgen.catalog import bucket_call, decrypt
from tools.trailgen.issuance import Assume, assume_role
from tools.trailgen.organization import GITHUB
from tools.trailgen.records import Call, Client
from tools.trailgen.times import HOUR

if TYPE_CHECKING:
    from tools.trailgen.director import Director
    from tools.trailgen.session import Session


def role_chain(director: Director, at: int) -> None:
    """Role after role, over accounts; now and then with a source identity."""
    machine = director.chance(0.5)
    user = director.machine() if machine else director.person()
    session = director.key(user)
    carries = director.chance(0.3)
    for hop in range(director.rng.randint(1, director.plan.chain_depth)):
        wish = Assume(
            role=director.role(),
            name=director.session_name(at, user.name),
            source_identity=user.name if carries and hop == 0 else None,
        )
        session = assume_role(director.stage, session, wish, at)
        at = director.work(session, session.created_at or at) + 1


def self_assume(director: Director, at: int) -> None:
    """A role assumes itself: its ARN recurs in the chain, the keys do not."""
    role = director.role()
    session = director.key(director.person())
    for hop in range(3):
        wish = Assume(role=role, name=f"again-{hop % 2}")
        session = assume_role(director.stage, session, wish, at)
        at = director.work(session, session.created_at or at, elsewhere=False) + 1


def github(director: Director, at: int) -> None:
    """A pipeline with a token of its repository, and a role behind it."""
    repository = director.rng.choice(("orders", "website", "infrastructure"))
    claim = director.rng.choice(("ref:refs/heads/main", "environment:prod", "pull_request"))
    role = director.role()
    token = federation.Token(
        role=role,
        issuer=GITHUB,
        subject=f"repo:example-org/{repository}:{claim}",
        session_name="GitHubActions",
        client=Client("203.0.113.10", clients.GITHUB_ACTION),
        region=director.region(role.account),
    )
    session = federation.web_identity(director.stage, token, at)
    last = director.work(session, session.created_at or at)
    if director.chance(0.4):
        _behind(director, session, last)


def service_account(director: Director, at: int) -> None:
    """A pod in EKS with a token of its service account."""
    role = director.role()
    region = director.region(role.account)
    token = federation.Token(
        role=role,
        issuer=f"oidc.eks.{region}.amazonaws.com/id/{role.account.tag}0123456789ABCDEF01234567",
        subject=f"system:serviceaccount:shop:{director.rng.choice(('cart', 'search'))}",
        session_name=director.session_name(at),
        client=Client("203.0.113.50", clients.KITS[2]),
        region=region,
    )
    session = federation.web_identity(director.stage, token, at)
    director.work(session, session.created_at or at, elsewhere=False)


def instance(director: Director, at: int) -> None:
    """An EC2 instance; it may have started before the trail does."""
    role = director.role()
    region = director.region(role.account)
    server = workloads.instance(
        director.stage,
        role,
        f"i-0{director.stage.ids.hexadecimal(16)}",
        region,
        stamped=director.chance(0.7),
    )
    server = replace(server, recorded=director.chance(0.8))
    session = workloads.deliver(director.stage, server, region, at)
    last = director.work(session, session.created_at or at, elsewhere=False)
    if director.chance(0.3):
        _behind(director, session, last)
    if director.chance(0.3):
        server = replace(server, recorded=True)
        rotated = workloads.deliver(director.stage, server, region, at + 6 * HOUR)
        director.work(rotated, rotated.created_at or at, elsewhere=False)


def function(director: Director, at: int) -> None:
    """A Lambda function."""
    role = director.role()
    region = director.region(role.account)
    name = f"handler-{director.rng.randrange(20)}"
    delivery = workloads.function(role, name, region, stamped=director.chance(0.6))
    session = workloads.deliver(director.stage, delivery, region, at)
    last = director.work(session, session.created_at or at, elsewhere=False)
    if director.chance(0.2):
        _behind(director, session, last)


def task(director: Director, at: int) -> None:
    """An ECS task."""
    role = director.role()
    region = director.region(role.account)
    session = workloads.deliver(director.stage, workloads.task(director.stage, role), region, at)
    director.work(session, session.created_at or at, elsewhere=False)


def pod(director: Director, at: int) -> None:
    """A pod with EKS Pod Identity, on a node of its own."""
    account = director.account()
    region = director.region(account)
    server = workloads.instance(
        director.stage, director.role(account), f"i-0{director.stage.ids.hexadecimal(16)}", region
    )
    node = workloads.deliver(director.stage, server, region, at)
    name = f"checkout-{director.stage.ids.hexadecimal(5)}"
    where = workloads.Pod("main", "shop", "checkout", name)
    session = workloads.pod(
        director.stage, director.role(account), where, node, (node.created_at or at) + 60
    )
    director.work(session, session.created_at or at, elsewhere=False)


def config_recorder(director: Director, at: int) -> None:
    """AWS Config with its linked role."""
    account = director.account()
    role = workloads.linked_role(
        account, "config.amazonaws.com", "AWSServiceRoleForConfig", director.stage
    )
    session = workloads.config_recorder(director.stage, role, director.region(account), at)
    director.work(session, session.created_at or at, elsewhere=False)


def service(director: Director, at: int) -> None:
    """Services act as themselves, and things happen within them."""
    account = director.account()
    region = director.region(account)
    stage = director.stage
    fewest, most = director.plan.calls
    calls = (
        ("cloudtrail.amazonaws.com", bucket_call(account, region, "GetBucketAcl")),
        ("delivery.logs.amazonaws.com", decrypt(account, region)),
        ("ec2.amazonaws.com", decrypt(account, region)),
    )
    for step in range(director.rng.randint(fewest, most)):
        principal, call = calls[step % len(calls)]
        workloads.service_call(stage, principal, call, (account, region, at + 3 * step))
    rotation = Call("kms", "RotateKey", details={"keyId": stage.ids.uuid()}, read_only=False)
    workloads.service_event(stage, "kms.amazonaws.com", rotation, (account, region, at + 1))


def _behind(director: Director, session: Session, at: int) -> None:
    """Assume a role with a machine's session, and work."""
    wish = Assume(role=director.role(), name=director.session_name(at))
    assumed = assume_role(director.stage, session, wish, at + 1)
    director.work(assumed, assumed.created_at or at)
