"""One working day of a small organization: the samples.

Three accounts (identity, production, data), three regions, 2026-03-02.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from tools.trailgen import clients, signin, workloads
from tools.trailgen import federation as federated
from tools.trailgen.catalog import bucket_call, decrypt, secret_call
from tools.trailgen.ids import Ids
from tools.trailgen.issuance import (
    Assume,
    assume_role,
    assume_root,
    get_session_token,
    refused_assume,
    session_of_key,
)
from tools.trailgen.organization import GITHUB, Shape, found
from tools.trailgen.records import Call, Client
from tools.trailgen.signin import Browser
from tools.trailgen.stage import Stage
from tools.trailgen.times import HOUR, MINUTE, instant
from tools.trailgen.trail import Delivering, finish
from tools.trailgen.work import be_denied, create_access_key, create_user, new_user, work

if TYPE_CHECKING:
    from tools.trailgen.organization import Account, User
    from tools.trailgen.trail import Trail

_DAY = instant("2026-03-02T00:00:00Z")

_SHAPE = Shape(
    accounts=("identity", "production", "data"),
    account_ids=("111122223333", "444455556666", "777788889999"),  # AWS's own for examples
    people=("alice", "bob", "carol", "dave"),
    machines=("ci-runner", "report-bot"),
    roles=("Admin", "Deploy", "DataReader", "AppServer", "Orders"),
    regions=("eu-west-1", "eu-central-1", "us-east-1"),
)


@dataclass(slots=True)
class Cast:
    """The stage, who is on it, and the scenes worth asking about."""

    stage: Stage
    highlights: dict[str, str] = field(default_factory=dict)

    @property
    def identity(self) -> Account:
        """The management account: IAM users of people live there."""
        return self.stage.organization.accounts[0]

    @property
    def production(self) -> Account:
        """The account that serves customers."""
        return self.stage.organization.accounts[1]

    @property
    def data(self) -> Account:
        """The account with the data."""
        return self.stage.organization.accounts[2]

    def person(self, name: str) -> User:
        """Find a user by name."""
        everybody = (*self.stage.organization.people, *self.stage.organization.machines)
        return next(user for user in everybody if user.name == name)


def tell(seed: int) -> tuple[Trail, dict[str, str]]:
    """Act the whole day; give the trail, and the event ids worth asking about by title."""
    rng = random.Random(seed)
    ids = Ids(rng)
    organization = found(_SHAPE, ids)
    cast = Cast(Stage(rng, organization, ids))
    for scene in (
        _background,
        _alice,
        _pipeline,
        _machines,
        _bob,
        _others,
        _workforce,
        _thief,
        _late,
    ):
        scene(cast)
    delivering = Delivering(organization.id, every=15 * MINUTE)
    return finish(cast.stage, delivering), cast.highlights


def clock(hour: int, minute: int, second: int = 0) -> int:
    """Give a time of that day."""
    return _DAY + hour * HOUR + minute * MINUTE + second


def _background(cast: Cast) -> None:
    """AWS looks after its own: Config, CloudTrail, key rotation."""
    stage = cast.stage
    for account in stage.organization.accounts:
        role = workloads.linked_role(
            account, "config.amazonaws.com", "AWSServiceRoleForConfig", stage
        )
        session = workloads.config_recorder(stage, role, "eu-west-1", clock(8, 16))
        work(stage, session, clock(8, 16, 2), 5, 2 * MINUTE)
        where = (account, "eu-west-1", clock(8, 19))
        bucket = bucket_call(account, "eu-west-1", "GetBucketAcl")
        workloads.service_call(stage, "cloudtrail.amazonaws.com", bucket, where)
    rotation = Call("kms", "RotateKey", details={"keyId": f"key/{stage.ids.uuid()}"})
    where = (cast.data, "eu-west-1", clock(8, 20))
    workloads.service_event(stage, "kms.amazonaws.com", replace(rotation, read_only=False), where)


def _alice(cast: Cast) -> None:
    """Alice goes from the console to production, and on to data, where she is stopped."""
    stage, alice = cast.stage, cast.person("alice")
    browser = Browser(alice.ip)
    home = signin.console_login(stage, alice, browser, clock(8, 15))
    at = work(stage, home, clock(8, 16), 8, 5 * MINUTE)
    admin = stage.organization.role(cast.production, "Admin")
    production = signin.switch_role(stage, home, admin, at + MINUTE)
    at = work(stage, production, at + 2 * MINUTE, 14, 14 * MINUTE)
    work(stage, production.moved("eu-central-1"), at, 4, 3 * MINUTE)
    shell = signin.cloudshell(stage, production, "203.0.113.30", at + 4 * MINUTE)
    reader = stage.organization.role(cast.data, "DataReader")
    stage.call(shell, Call("sts", "GetCallerIdentity"), at + 5 * MINUTE)
    wish = Assume(role=reader, name="alice-data")
    data = assume_role(stage, shell, wish, at + 5 * MINUTE + 20)
    at = work(stage, data, at + 6 * MINUTE, 6, 4 * MINUTE)
    secret = secret_call(cast.data, data.region)
    cast.highlights["alice is denied a secret in the third account"] = be_denied(
        stage, data, at + 20, secret
    )
    be_denied(stage, data, at + 45, decrypt(cast.data, data.region))
    bot = new_user(stage, cast.production, "report-bot-2")
    created = create_access_key(stage, production, bot, at + 3 * MINUTE)
    cast.highlights["alice creates an access key for a machine"] = created
    again = signin.renew_role(stage, home, admin, (production.created_at or 0) + HOUR)
    work(stage, again, (again.created_at or 0) + 30, 8, 5 * MINUTE)
    new_key = session_of_key(bot, Client(bot.ip, clients.KITS[1]))
    work(stage, new_key, clock(10, 17), 7, 10 * MINUTE)


def _pipeline(cast: Cast) -> None:
    """A pipeline comes in with a token of its own and deploys."""
    stage = cast.stage
    token = federated.Token(
        role=stage.organization.role(cast.production, "Deploy"),
        issuer=GITHUB,
        subject="repo:example-org/orders:ref:refs/heads/main",
        session_name="GitHubActions",
        client=Client("203.0.113.10", clients.GITHUB_ACTION),
        region="eu-west-1",
    )
    for start in (clock(10, 0), clock(15, 0)):
        session = federated.web_identity(stage, token, start)
        at = start + 20
        registry = Call("ecr", "GetAuthorizationToken", {}, host="api.ecr.eu-west-1.amazonaws.com")
        stage.call(session, registry, at)
        stage.call(session, bucket_call(cast.production, "eu-west-1", "PutObject", "a.zip"), at + 9)
        stack = {"stackName": "orders"}
        update = Call("cloudformation", "UpdateStack", stack, stack, read_only=False)
        stage.call(session, update, at + 30)
        function = Call(
            "lambda",
            "UpdateFunctionCode20150331v2",
            {"functionName": "orders", "publish": True},
            {"functionName": "orders", "version": "43"},
            read_only=False,
        )
        workloads.forward(stage, session, function, "cloudformation.amazonaws.com", at + 33)
        service = Call(
            "ecs", "UpdateService", {"cluster": "main", "service": "api"}, {"service": {}}
        )
        deployed = stage.call(session, replace(service, read_only=False), at + 41)
        cast.highlights.setdefault("a pipeline deploys to production", deployed)
        wish = Assume(role=stage.organization.role(cast.data, "Deploy"), name="schema-migration")
        migration = assume_role(stage, session, wish, at + 60)
        work(stage, migration, at + 65, 5, 2 * MINUTE)


def _machines(cast: Cast) -> None:
    """An instance, a function, a task and a pod at work."""
    stage, organization = cast.stage, cast.stage.organization
    server = workloads.instance(
        stage, organization.role(cast.production, "AppServer"), "i-0a1b2c3d4e5f60718", "eu-west-1"
    )
    objects = bucket_call(cast.production, "eu-west-1", "GetObject", "config/app.json")
    session = workloads.deliver(stage, server, "eu-west-1", clock(8, 18))
    read = stage.call(session, objects, clock(8, 18, 40))
    cast.highlights["an instance reads from S3"] = read
    work(stage, session, clock(8, 20), 9, 18 * MINUTE)
    session = workloads.deliver(stage, server, "eu-west-1", clock(14, 16))
    work(stage, session, clock(14, 17), 9, 12 * MINUTE)
    wish = Assume(role=organization.role(cast.data, "DataReader"), name="nightly-export")
    exported = assume_role(stage, session, wish, clock(14, 24))
    work(stage, exported, clock(14, 24, 40), 5, 5 * MINUTE)
    orders = organization.role(cast.production, "Orders")
    start = clock(10, 2)
    for delivery in (
        workloads.function(orders, "orders", "eu-west-1"),
        workloads.task(stage, orders),
    ):
        machine = workloads.deliver(stage, delivery, "eu-west-1", start)
        work(stage, machine, start + 10, 6, 8 * MINUTE)
    place = workloads.Pod("main", "shop", "checkout", "checkout-7d4f9")
    pod = workloads.pod(stage, orders, place, session, clock(14, 21))
    work(stage, pod, clock(14, 21, 30), 5, 5 * MINUTE)


def _bob(cast: Cast) -> None:
    """Bob, signed in since the morning, switches role in the console and creates a user."""
    stage, bob = cast.stage, cast.person("bob")
    home = signin.console_login(stage, bob, Browser(bob.ip, clients.BROWSERS[2]), clock(10, 0))
    work(stage, home, clock(10, 1), 8, 10 * MINUTE)
    admin = stage.organization.role(cast.production, "Admin")
    switched = signin.switch_role(stage, home, admin, clock(15, 4, 10))
    created = create_user(
        stage,
        switched,
        new_user(stage, cast.production, "test-without-permission"),
        clock(15, 5, 8),
    )
    cast.highlights["bob, through a switched role, creates a user"] = created


def _others(cast: Cast) -> None:
    """Carol and Dave do their work from the command line."""
    stage, carol, dave = cast.stage, cast.person("carol"), cast.person("dave")
    start = clock(10, 16)
    browser = Browser(carol.ip, clients.BROWSERS[1])
    signin.failed_login(stage, carol, browser, start, known=True)
    signin.failed_login(stage, carol, browser, start + 14, known=False)
    session = signin.console_login(stage, carol, browser, start + 40)
    work(stage, session, start + 80, 10, 9 * MINUTE)
    laptop = session_of_key(carol, Client(carol.ip, clients.CLI))
    temporary = get_session_token(stage, carol, laptop, start + 6 * MINUTE)
    work(stage, temporary, start + 7 * MINUTE, 6, 6 * MINUTE)
    terraform = session_of_key(dave, Client(dave.ip, clients.KITS[3]))
    start = clock(10, 15, 30)
    wish = Assume(
        role=stage.organization.role(cast.production, "Deploy"),
        name="terraform",
        source_identity="dave",
    )
    planned = assume_role(stage, terraform, wish, start)
    work(stage, planned, start + 5, 22, 12 * MINUTE)
    decryption = decrypt(cast.identity, "eu-west-1")
    stage.call(terraform, secret_call(cast.identity, "eu-west-1"), start + 13 * MINUTE)
    workloads.forward_for_user(
        stage, dave, decryption, "secretsmanager.amazonaws.com", start + 13 * MINUTE + 1
    )


def _workforce(cast: Cast) -> None:
    """Identity Center: Grace from the command line, Heidi in the console."""
    stage, organization = cast.stage, cast.stage.organization
    grace, heidi = organization.workforce[:2]
    administrator, read_only = organization.permission_sets[cast.data.id]
    start = clock(10, 16)
    session = federated.identity_center(stage, grace, read_only, start)
    work(stage, session, start + 2, 14, 13 * MINUTE)
    start = clock(14, 15, 20)
    console = federated.identity_center(
        stage, heidi, administrator, start, Browser(heidi.ip, clients.BROWSERS[1])
    )
    work(stage, console, start + 30, 12, 9 * MINUTE)
    terminal = signin.aws_login(stage, console, start + 10 * MINUTE)
    work(stage, terminal, start + 11 * MINUTE, 6, 3 * MINUTE)


def _thief(cast: Cast) -> None:
    """The key of a machine, used from a strange address."""
    stage, runner = cast.stage, cast.person("ci-runner")
    usual = session_of_key(runner, Client(runner.ip, clients.KITS[2]))
    work(stage, usual, clock(10, 2), 8, 12 * MINUTE)
    stolen = usual.held_by(Client("203.0.113.66", clients.KITS[1]), runner.key)
    start = clock(15, 15, 12)
    first = stage.call(stolen, Call("sts", "GetCallerIdentity"), start)
    cast.highlights["a stolen key asks who it is"] = first
    for step, (service, name) in enumerate(
        (
            ("iam", "ListUsers"),
            ("iam", "ListRoles"),
            ("iam", "ListAttachedUserPolicies"),
            ("s3", "ListBuckets"),
            ("ec2", "DescribeInstances"),
            ("secretsmanager", "ListSecrets"),
        )
    ):
        stage.call(stolen, Call(service, name, {}), start + 8 * (step + 1))
    for step, (service, name) in enumerate(
        (("iam", "CreateUser"), ("iam", "AttachUserPolicy"), ("ec2", "RunInstances"))
    ):
        be_denied(stage, stolen, start + 70 + 6 * step, Call(service, name, {}, read_only=False))
    refused_assume(stage, stolen, stage.organization.role(cast.production, "Admin"), start + 100)
    wish = Assume(
        role=stage.organization.role(cast.production, "Deploy"), name="botocore-session-1772464913"
    )
    deploy = assume_role(stage, stolen, wish, start + 113)
    work(stage, deploy, start + 120, 10, 6 * MINUTE)
    be_denied(stage, deploy, start + 10 * MINUTE, secret_call(cast.production, "eu-west-1"))


def _late(cast: Cast) -> None:
    """Root signs in; and the management account clears a bucket policy as root of a member."""
    stage = cast.stage
    start = clock(15, 16)
    root = signin.root_login(
        stage, cast.identity, Browser("192.0.2.10", clients.BROWSERS[1]), start
    )
    work(stage, root, start + 20, 4, 3 * MINUTE)
    dave = session_of_key(cast.person("dave"), Client(cast.person("dave").ip, clients.CLI))
    wish = Assume(role=stage.organization.role(cast.identity, "Admin"), name="dave")
    admin = assume_role(stage, dave, wish, start + 5 * MINUTE)
    as_root = assume_root(stage, admin, cast.data, start + 6 * MINUTE)
    unlock = bucket_call(cast.data, as_root.region, "DeleteBucketPolicy")
    cleared = stage.call(as_root, unlock, start + 7 * MINUTE)
    cast.highlights["dave, as root of the data account, clears a bucket policy"] = cleared
