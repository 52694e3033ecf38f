"""Three accounts on a server that speaks as AWS does and enforces policies: who acts there."""

from __future__ import annotations

import logging
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import boto3
from botocore.exceptions import ClientError
from moto.server import ThreadedMotoServer

from enricher.cloudtrail import codec
from enricher.identity.model import Confidence
from enricher.response import contain
from enricher.response.contain import ContainServices
from enricher.response.containment import plan
from enricher.response.exposure import (
    Exposure,
    HopSeen,
    KeySeen,
    OriginSeen,
    RoleSeen,
    Subject,
    SubjectKind,
)
from enricher.stores.aws import AwsAccess
from enricher.stores.aws_containment import AwsResponder, ResponderRole
from enricher.stores.memory_containment import MemoryContainment

if TYPE_CHECKING:
    from collections.abc import Iterator

    from enricher.response.containmentports import Report
    from enricher.response.plans import Plan

# Such as any test server takes; whatever this machine has is hidden behind them.
CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_CONFIG_FILE": "/nonexistent",
    "AWS_SHARED_CREDENTIALS_FILE": "/nonexistent",
}

HOME, DATA, TOOLS = "111122223333", "444455556666", "999988887777"
RESPONDER, EXTERNAL_ID = "Responder", "x-1"
MADE_AT = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
APPLIED_AT = MADE_AT + timedelta(minutes=20)
REGION = "us-east-1"

Keys = dict[str, str]


@contextmanager
def aws_served() -> Iterator[str]:
    """Serve what speaks as AWS does, on this machine; give its address."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    try:
        yield f"http://{host}:{port}"
    finally:
        server.stop()


@dataclass
class Clock:
    """A clock that stands."""

    at: datetime = APPLIED_AT

    def now(self) -> datetime:
        return self.at


@dataclass
class Aws:
    """Three accounts of a test server."""

    endpoint: str
    made_by: Any = field(default_factory=boto3.session.Session)  # knows the services' models once

    def client(self, service: str, keys: Keys | None = None) -> Any:  # noqa: ANN401 - any service
        return self.made_by.client(
            service, endpoint_url=self.endpoint, region_name=REGION, **(keys or {})
        )

    def enforce(self, *, on: bool) -> None:
        """Let the server check signatures and policies, or not."""
        self._post("reset-auth", b"0" if on else b"inf")

    def reset(self) -> None:
        self._post("reset", b"")

    def _post(self, what: str, body: bytes) -> None:
        request = urllib.request.Request(  # noqa: S310 - our own server
            f"{self.endpoint}/moto-api/{what}",
            data=body,
            method="POST",
            headers={"Content-Type": "text/plain"},
        )
        urllib.request.urlopen(request, timeout=10).close()  # noqa: S310

    def session(self, role_arn: str, keys: Keys | None = None) -> Keys:
        """Assume a role."""
        got = self.client("sts", keys).assume_role(RoleArn=role_arn, RoleSessionName="work")
        return keys_of(got["Credentials"])

    def admin(self, account_id: str) -> Any:  # noqa: ANN401 - an IAM client
        """Set things up in an account, while nothing is enforced."""
        return self.client("iam", self.session(f"arn:aws:iam::{account_id}:role/setup"))


def keys_of(given: dict[str, Any]) -> Keys:
    """Give credentials as a client takes them."""
    names = {
        "AccessKeyId": "aws_access_key_id",
        "SecretAccessKey": "aws_secret_access_key",
        "SessionToken": "aws_session_token",
    }
    return {name: given[key] for key, name in names.items() if key in given}


ALLOW_ALL = codec.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}],
    }
).decode()


@dataclass
class Scene:
    """Alice, her key, the role Admin at home, the role Deploy in another account."""

    aws: Aws
    alice: Keys
    admin: Keys
    deploy: Keys
    responder: AwsResponder
    records: MemoryContainment
    clock: Clock

    @property
    def services(self) -> ContainServices:
        return ContainServices(responder=self.responder, records=self.records, now=self.clock.now)

    @property
    def key_id(self) -> str:
        return self.alice["aws_access_key_id"]

    def exposure(self) -> Exposure:
        origin = {
            "status": "resolved",
            "kind": "iam_user",
            "id": "AIDAALICE",
            "arn": f"arn:aws:iam::{HOME}:user/alice",
            "account_id": HOME,
            "confidence": "exact",
            "evidence": ["e-0"],
        }
        admin, deploy = (
            f"arn:aws:sts::{HOME}:assumed-role/Admin/work",
            f"arn:aws:sts::{DATA}:assumed-role/Deploy/work",
        )
        return Exposure(
            origin=OriginSeen.of(origin),
            chain=(
                HopSeen(via="AssumeRole", arn=admin, event_id="e-1", confidence=Confidence.EXACT),
                HopSeen(via="AssumeRole", arn=deploy, event_id="e-2", confidence=Confidence.EXACT),
            ),
            roles=(RoleSeen(arn=f"arn:aws:iam::{DATA}:role/Deploy", other_origins=2),),
            keys=(KeySeen(id=self.key_id, user_arn=f"arn:aws:iam::{HOME}:user/alice"),),
        )

    def plan(self, exposure: Exposure | None = None) -> Plan:
        subject = Subject(SubjectKind.ORIGIN, "AIDAALICE")
        made = plan(subject, exposure or self.exposure(), MADE_AT)
        contain.keep(made, self.records, actor="tests", at=MADE_AT)
        return made

    def apply(self, made: Plan, *, dry_run: bool = False, **more: Any) -> Report:  # noqa: ANN401
        return contain.apply(made.id, self.services, actor="tests", dry_run=dry_run, **more)

    def undo(self, made: Plan, **more: Any) -> Report:  # noqa: ANN401 - the use case's
        return contain.undo(made.id, self.services, actor="tests", **more)

    def may_act(self, keys: Keys) -> bool:
        """Whether these credentials get anything done."""
        try:
            self.aws.client("iam", keys).list_roles()
        except ClientError as err:
            if err.response["Error"]["Code"] != "AccessDenied":
                raise
            return False
        return True

    def inline(self, account_id: str, kind: str, name: str) -> dict[str, Any]:
        """Give the inline policies of a user or role, as AWS has them."""
        self.aws.enforce(on=False)
        client = self.aws.admin(account_id)
        of = {f"{kind}Name": name}
        listed = getattr(client, f"list_{kind.lower()}_policies")(**of)["PolicyNames"]
        get = getattr(client, f"get_{kind.lower()}_policy")
        found = {one: get(**of, PolicyName=one)["PolicyDocument"] for one in listed}
        self.aws.enforce(on=True)
        return found

    def everything(self) -> dict[str, Any]:
        """Give all that containment may change."""
        policies = {
            "alice": self.inline(HOME, "User", "alice"),
            "Admin": self.inline(HOME, "Role", "Admin"),
            "Deploy": self.inline(DATA, "Role", "Deploy"),
        }
        self.aws.enforce(on=False)
        keys = self.aws.admin(HOME).list_access_keys(UserName="alice")["AccessKeyMetadata"]
        self.aws.enforce(on=True)
        return {**policies, "keys": {key["AccessKeyId"]: key["Status"] for key in keys}}


def set_scene(aws: Aws) -> tuple[Scene, Keys]:
    """Make everybody anew; give them, and the keys of the enricher's own user."""
    aws.enforce(on=False)
    aws.reset()
    trust = codec.dumps({"Version": "2012-10-17", "Statement": []}).decode()
    for account_id, roles in ((HOME, ("Admin", RESPONDER)), (DATA, ("Deploy", RESPONDER))):
        iam = aws.admin(account_id)
        for role in roles:
            iam.create_role(RoleName=role, AssumeRolePolicyDocument=trust)
            iam.put_role_policy(RoleName=role, PolicyName="own", PolicyDocument=ALLOW_ALL)
    made = {}
    for account_id, user in ((HOME, "alice"), (TOOLS, "enricher")):
        iam = aws.admin(account_id)
        iam.create_user(UserName=user)
        iam.put_user_policy(UserName=user, PolicyName="own", PolicyDocument=ALLOW_ALL)
        made[user] = keys_of(iam.create_access_key(UserName=user)["AccessKey"])
    aws.admin(HOME).create_login_profile(UserName="alice", Password="Correct-horse-7")  # noqa: S106
    admin = aws.session(f"arn:aws:iam::{HOME}:role/Admin", made["alice"])
    deploy = aws.session(f"arn:aws:iam::{DATA}:role/Deploy", admin)
    clock = Clock()
    access = AwsAccess(endpoint_url=aws.endpoint, region=REGION, max_attempts=1)
    acting = ResponderRole(name=RESPONDER, external_id=EXTERNAL_ID)
    responder = AwsResponder(access, acting, clock.now)
    aws.enforce(on=True)
    scene = Scene(aws, made["alice"], admin, deploy, responder, MemoryContainment(), clock)
    return scene, made["enricher"]
