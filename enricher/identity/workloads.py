"""Which workload AWS issued credentials to: an instance, a function, a task, a pod, a certificate.

References:
    - identity.md §1.12 (session names per service), §4.3 (``inScopeOf``); rulings 12 and the
      table of ids; IAM User Guide, "Service-linked roles".
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from enricher.cloudtrail.arn import parse_arn
from enricher.cloudtrail.record import mapping, text
from enricher.identity.model import Kind, Principal

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from enricher.cloudtrail.caller import Caller

INSTANCE_ID = re.compile(r"i-[0-9A-Za-z]+")
_LAMBDA_PROBE = re.compile(r"awslambda_\d+_\d+")  # made when a function is created (§1.12)

ROLES_ANYWHERE = "rolesanywhere.amazonaws.com"

# Services that hand a role's credentials to code of the customer; every other one acts itself.
_RUNS_CUSTOMER_CODE = frozenset(
    {
        "batch",
        "bedrock-agentcore",
        "build.apprunner",
        "codebuild",
        "credentials.iot",
        "ecs-tasks",
        "glue",
        "kinesisanalytics",
        "pods.eks",
        "sagemaker",
        "ssm",
        "states",
        "tasks.apprunner",
        "airflow-env",
        "emr-serverless",
    }
)


class Workload(NamedTuple):
    """Who got the credentials that a service asked for."""

    kind: Kind
    id: str
    name: str | None = None
    provider: str | None = None


def service_label(service: str) -> str:
    """Give the part of a service principal that is the same in every partition and region.

    e.g. ``ec2`` for ``ec2.amazonaws.com`` and ``ec2.amazonaws.com.cn``.
    """
    return service.partition(".amazonaws.com")[0]


def is_service_linked(role_arn: str | None) -> bool:
    """Whether the role can be assumed by one AWS service only, as its path says."""
    return linked_service(role_arn) is not None


def linked_service(role_arn: str | None) -> str | None:
    """Give the service principal in a service-linked role's path, else None."""
    parsed = parse_arn(role_arn)
    parts = parsed.resource.split("/") if parsed else []
    if len(parts) > 3 and parts[0] == "role" and parts[1] == "aws-service-role":  # noqa: PLR2004
        return parts[2]
    return None


def issued_to(
    service: str,
    role_arn: str | None,
    session: str,
    account_id: str | None,
    tags: Mapping[str, str],
) -> Workload:
    """Say who holds the credentials that a service principal obtained.

    Args:
        service: The service principal that called AssumeRole.
        role_arn: The role.
        session: ``roleSessionName``: set by the service, so it can be believed.
        account_id: The role's account.
        tags: Session tags; EKS Pod Identity names the pod there.
    """
    label = service_label(service)
    if not is_service_linked(role_arn):
        if label == "ec2" and INSTANCE_ID.fullmatch(session):
            return Workload(Kind.EC2_INSTANCE, session, session)
        if label == "lambda" and not _LAMBDA_PROBE.fullmatch(session):
            return Workload(Kind.LAMBDA_FUNCTION, f"{account_id}:{session}", session)
        if label == "rolesanywhere":
            return Workload(Kind.X509_SUBJECT, session.lower(), session.lower())
        if label == "pods.eks":
            pod = pod_id(tags)
            return Workload(Kind.WORKLOAD, pod or session, pod or session)
        if label in _RUNS_CUSTOMER_CODE:
            return Workload(Kind.WORKLOAD, session, session)
    return Workload(Kind.AWS_SERVICE, service, service)


def session_tags(request: Mapping[str, Any]) -> dict[str, str]:
    """Read session tags, written as a list of pairs or as one object."""
    found: dict[str, str] = {}
    for name in ("principalTags", "tags", "transitiveTags"):
        value = request.get(name)
        if isinstance(value, dict):
            found.update({k: v for k, v in value.items() if isinstance(v, str)})
        elif isinstance(value, list):
            for pair in value:
                key, content = text(mapping(pair).get("key")), text(mapping(pair).get("value"))
                if key and content:
                    found[key] = content
    return found


def pod_id(tags: Mapping[str, str]) -> str | None:
    """Give ``<cluster>/<namespace>/<service account>/<pod>`` from EKS's session tags."""
    cluster = tags.get("eks-cluster-name") or _name(tags.get("eks-cluster-arn"))
    parts = (
        cluster,
        tags.get("kubernetes-namespace"),
        tags.get("kubernetes-service-account"),
        tags.get("kubernetes-pod-name"),
    )
    return "/".join(part or "" for part in parts) if any(parts) else None


def stamped_workload(caller: Caller) -> Principal | None:
    """Name the workload that AWS stamped on the caller (rule L6), None where there is no stamp.

    The stamp says to whom the credentials were issued, not who used them (identity.md §4.3).
    """
    if caller.scope_type and caller.scope_arn:
        return _scoped(caller, caller.scope_type, caller.scope_arn)
    session = caller.session_name
    if caller.ec2_delivery and session and INSTANCE_ID.fullmatch(session):
        return Principal(
            kind=Kind.EC2_INSTANCE,
            id=session,
            name=session,
            account_id=caller.account_id,
            human=False,
        )
    return None


def _scoped(caller: Caller, scope_type: str, scope_arn: str) -> Principal:
    parsed = parse_arn(scope_arn)
    account_id = caller.account_id or (parsed.account_id if parsed else None)
    name = _name(scope_arn) or scope_arn
    if scope_type == "AWS::EC2::Instance":
        kind, identifier = Kind.EC2_INSTANCE, name
    elif scope_type == "AWS::Lambda::Function":
        name = scope_arn.partition(":function:")[2].partition(":")[0] or name
        kind, identifier = Kind.LAMBDA_FUNCTION, f"{account_id}:{name}"
    else:
        kind, identifier = Kind.WORKLOAD, name
    return Principal(
        kind=kind, id=identifier, arn=scope_arn, name=name, account_id=account_id, human=False
    )


def impersonates_instance(caller: Caller) -> bool:
    """Whether a role session bears an instance's name (identity.md §1.12: no proof of EC2)."""
    session = caller.session_name
    return session is not None and INSTANCE_ID.fullmatch(session) is not None


def permission_set(caller: Caller) -> str | None:
    """Give the Identity Center permission set behind a role ``AWSReservedSSO_<set>_<hash>``."""
    return permission_set_of(caller.role_name)


def permission_set_of(role: str | None) -> str | None:
    """Give the permission set in the name of a role that Identity Center made, else None."""
    if role is None or not role.startswith("AWSReservedSSO_"):
        return None
    name, underscore, _ = role.removeprefix("AWSReservedSSO_").rpartition("_")
    return name if underscore else role.removeprefix("AWSReservedSSO_")


def _name(arn: str | None) -> str | None:
    parsed = parse_arn(arn)
    return parsed.name if parsed else None
