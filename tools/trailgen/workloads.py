"""Machines and services: credentials that AWS itself hands out.

References:
    - identity.md §1.12 (credentials delivered to workloads) and §1.15 (forward access sessions).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tools.trailgen import clients
from tools.trailgen.identities import PLAIN, Stamps, aws_service, iam_user, role_session, with_key
from tools.trailgen.issuance import assumed, credentials, role_resource
from tools.trailgen.organization import PARTITION, Role
from tools.trailgen.records import Call, Client, record, service_client
from tools.trailgen.session import Session, session_key
from tools.trailgen.times import HOUR, MINUTE
from tools.trailgen.truth import Hop, Origin, Truth

if TYPE_CHECKING:
    from tools.trailgen.organization import Account, User
    from tools.trailgen.records import Json
    from tools.trailgen.stage import Stage

_INSTANCE_LASTS = 6 * HOUR + 35 * MINUTE


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """A service that gives a role's credentials to a machine, or takes them for itself.

    Attributes:
        service: Its principal, e.g. ``lambda.amazonaws.com``.
        role: The role.
        name: ``roleSessionName``, which tells the machine.
        origin: Who acts with the credentials.
        lasts: Seconds.
        client: How the calls reach AWS.
        stamps: What AWS writes on the calls.
        tags: Session tags, all of them transitive.
        proves_itself: Whether those stamps name the machine without the issuance.
        access: Access mode of the calls.
        copies: How often the credentials are issued.
        recorded: Whether the issuance lies in the time that we see.
    """

    service: str
    role: Role
    name: str
    origin: Origin
    lasts: int
    client: Client
    stamps: Stamps = PLAIN
    tags: tuple[tuple[str, str], ...] = ()
    proves_itself: bool = False
    access: str = "programmatic"
    copies: int = 1
    recorded: bool = True


def deliver(stage: Stage, delivery: Delivery, region: str, at: int) -> Session:
    """Hand a role's credentials out."""
    role, name = delivery.role, delivery.name
    at = stage.begin(f"{role.id}:{name}", at)
    identity = role_session(role, name, at, delivery.stamps)
    chain: tuple[Hop, ...] = ()
    depends_on: tuple[tuple[str, ...], ...] = ()
    key = stage.key("ASIA", role.account.tag)
    for copy in range(delivery.copies if delivery.recorded else 0):
        if copy:
            key = stage.key("ASIA", role.account.tag)
        event_id = _issue(stage, delivery, (region, key), at)
        chain = (Hop(event_id, identity["arn"]),)
        depends_on = () if delivery.proves_itself else ((event_id,),)
    return Session(
        account=role.account,
        region=region,
        identity=identity,
        origin=delivery.origin,
        client=delivery.client,
        key=key,
        created_at=at,
        ends_at=at + delivery.lasts,
        chain=chain,
        depends_on=depends_on,
        access=delivery.access,
    )


def _issue(stage: Stage, delivery: Delivery, where: tuple[str, str], at: int) -> str:
    region, key = where
    role, name = delivery.role, delivery.name
    request: Json = {
        "roleArn": role.arn,
        "roleSessionName": name,
        "durationSeconds": delivery.lasts,
    }
    if delivery.tags:
        request["tags"] = [{"key": tag, "value": value} for tag, value in delivery.tags]
        request["transitiveTagKeys"] = [tag for tag, _ in delivery.tags]
    response: Json = {
        "credentials": credentials(stage, key, at + delivery.lasts),
        "assumedRoleUser": assumed(role, name),
    }
    if delivery.stamps.source_identity is not None:
        request["sourceIdentity"] = response["sourceIdentity"] = delivery.stamps.source_identity
    call = Call("sts", "AssumeRole", request, response, (role_resource(role),))
    place = stage.place(at, region, role.account.id, shared_id=stage.ids.uuid())
    written = record(call, service_client(delivery.service), aws_service(delivery.service), place)
    return stage.put(at, written, service_truth(delivery.service))


def service_truth(principal: str) -> Truth:
    """Give the truth of a service's own call."""
    return Truth(Origin("aws_service", principal, name=principal), access_mode="service")


def instance(
    stage: Stage, role: Role, instance_id: str, region: str, *, stamped: bool = True
) -> Delivery:
    """Describe an EC2 instance; AWS stamps how it got its credentials, lately also to what."""
    arn = f"arn:{PARTITION}:ec2:{region}:{role.account.id}:instance/{instance_id}"
    scope = ("AWS::EC2::Instance", arn) if stamped else None
    return Delivery(
        service="ec2.amazonaws.com",
        role=role,
        name=instance_id,
        origin=Origin(
            "ec2_instance", instance_id, role.account.id, instance_id, arn if stamped else None
        ),
        lasts=_INSTANCE_LASTS,
        client=Client(f"198.51.100.{stage.rng.randrange(120, 200)}", clients.KITS[1]),
        stamps=Stamps(delivery="2.0", in_scope_of=scope),
        proves_itself=True,
        copies=2,
    )


def function(role: Role, name: str, region: str, *, stamped: bool = True) -> Delivery:
    """Describe a Lambda function."""
    account_id = role.account.id
    arn = f"arn:{PARTITION}:lambda:{region}:{account_id}:function:{name}"
    agent = f"{clients.KITS[1]} exec-env/AWS_Lambda_python3.13"
    return Delivery(
        service="lambda.amazonaws.com",
        role=role,
        name=name,
        origin=Origin(
            "lambda_function", f"{account_id}:{name}", account_id, name, arn if stamped else None
        ),
        lasts=12 * HOUR,
        client=Client("203.0.113.40", agent),
        stamps=Stamps(in_scope_of=("AWS::Lambda::Function", arn) if stamped else None),
        proves_itself=stamped,
    )


def task(stage: Stage, role: Role) -> Delivery:
    """Describe an ECS task."""
    task_id = stage.ids.hexadecimal(32)
    agent = f"{clients.KITS[2]} exec-env/AWS_ECS_FARGATE"
    return Delivery(
        service="ecs-tasks.amazonaws.com",
        role=role,
        name=task_id,
        origin=Origin("workload", task_id, role.account.id, task_id),
        lasts=6 * HOUR,
        client=Client("203.0.113.41", agent),
    )


@dataclass(frozen=True, slots=True)
class Pod:
    """A pod in an EKS cluster."""

    cluster: str
    namespace: str
    service_account: str
    name: str


def pod(stage: Stage, role: Role, where: Pod, node: Session, at: int) -> Session:
    """Give a pod its credentials by EKS Pod Identity: the node asks, the service assumes."""
    account_id, region = role.account.id, node.region
    cluster_arn = f"arn:{PARTITION}:eks:{region}:{account_id}:cluster/{where.cluster}"
    session_name = f"eks-{where.cluster[:10]}-{where.name[:10]}-{stage.ids.uuid()}"
    origin_id = f"{where.cluster}/{where.namespace}/{where.service_account}/{where.name}"
    delivery = Delivery(
        service="pods.eks.amazonaws.com",
        role=role,
        name=session_name,
        origin=Origin("workload", origin_id, account_id, where.name),
        lasts=6 * HOUR,
        client=Client(node.client.ip, clients.KITS[2]),
        tags=(
            ("eks-cluster-arn", cluster_arn),
            ("eks-cluster-name", where.cluster),
            ("kubernetes-namespace", where.namespace),
            ("kubernetes-service-account", where.service_account),
            ("kubernetes-pod-name", where.name),
            ("kubernetes-pod-uid", stage.ids.uuid()),
        ),
    )
    session = deliver(stage, delivery, region, at)
    resource = {"accountId": account_id, "type": "AWS::EKS::Cluster", "ARN": cluster_arn}
    ask = Call(
        "eks-auth",
        "AssumeRoleForPodIdentity",
        {"clusterName": where.cluster, "token": "HIDDEN_DUE_TO_SECURITY_REASONS"},
        resources=(resource,),
    )
    stage.call(node, ask, session.created_at or at)
    return session


def linked_role(account: Account, service: str, role_name: str, stage: Stage) -> Role:
    """Describe the role that is linked to a service."""
    path = f"/aws-service-role/{service}/"
    return Role(account, role_name, stage.ids.principal("AROA"), path)


def config_recorder(stage: Stage, role: Role, region: str, at: int) -> Session:
    """Let AWS Config look around with its linked role; its calls name it in ``invokedBy``."""
    service = "config.amazonaws.com"
    session = deliver(
        stage,
        Delivery(
            service=service,
            role=role,
            name="AWSConfig-Describe",
            origin=Origin("aws_service", service, name=service),
            lasts=HOUR,
            client=service_client(service),
            access="service",
        ),
        region,
        at,
    )
    return replace(session, identity={**session.identity, "invokedBy": service})


def service_call(stage: Stage, principal: str, call: Call, where: tuple[Account, str, int]) -> str:
    """Let a service act as itself; S3 and KMS see it come through an endpoint of AWS."""
    account, region, at = where
    endpoint = clients.CONSOLE_ENDPOINT if call.service in {"s3", "kms"} else None
    client = replace(service_client(principal), endpoint=endpoint)
    shared_id = stage.ids.uuid()
    place = stage.place(at, region, account.id, shared_id=shared_id)
    written = record(call, client, aws_service(principal), place)
    return stage.put(at, written, service_truth(principal))


def service_event(stage: Stage, principal: str, call: Call, where: tuple[Account, str, int]) -> str:
    """Write something that happened within a service: its identity has no type."""
    account, region, at = where
    identity = {"accountId": account.id, "invokedBy": principal}
    event = replace(call, event_type="AwsServiceEvent")
    place = replace(stage.place(at, region, account.id), request_id=None)
    written = record(event, service_client(principal), identity, place)
    return stage.put(at, written, service_truth(principal))


def forward(stage: Stage, session: Session, call: Call, principal: str, at: int) -> str:
    """Let a service act for a session, with a key that no record issues.

    The session's creation time stays.
    """
    key = stage.key("ASIA", session.account.tag)
    identity = {**with_key(session.identity, key), "invokedBy": principal}
    place = stage.place(at, call.region(session.region), session.account.id)
    written = record(call, service_client(principal), identity, place)
    return stage.put(at, written, session.truth(at, "service"))


def forward_for_user(stage: Stage, user: User, call: Call, principal: str, at: int) -> str:
    """Let a service act for a user who called with a long-term key: the time is the service's."""
    at = stage.begin(user.id, at)
    identity = with_key(iam_user(user, at), stage.key("ASIA", user.account.tag))
    place = stage.place(at, call.region(user.account.regions[0]), user.account.id)
    written = record(call, service_client(principal), {**identity, "invokedBy": principal}, place)
    truth = Truth(
        Origin("iam_user", user.id, user.account.id, user.name, user.arn),
        session=session_key(identity, at),
        access_mode="service",
    )
    return stage.put(at, written, truth)
