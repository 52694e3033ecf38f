"""Steps at an origin that is neither a user of IAM, of Identity Center, nor root: people's work."""

from __future__ import annotations

from typing import TYPE_CHECKING

from enricher.identity.model import Kind
from enricher.response.manualsteps import manual
from enricher.response.plans import Action, AwsCall

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from enricher.response.exposure import OriginSeen
    from enricher.response.iamsteps import Tie
    from enricher.response.plans import Step

    Maker = Callable[[OriginSeen, Tie], list[Step]]

_NO_UNDO = "as the system that was changed offers it"
_TIMES = "{} keeps issuing credentials: revoking the role's sessions alone does not last."


def instance(origin: OriginSeen, tie: Tie) -> list[Step]:
    """Take an EC2 instance off the network and away from its role."""
    of = origin.id or "<instance id>"
    return [_quarantine(of, origin, tie), _detach_profile(of, origin, tie)]


def _ec2(operation: str, parameters: Mapping[str, object]) -> AwsCall:
    return AwsCall(service="ec2", operation=operation, parameters=dict(parameters))


def _quarantine(of: str, origin: OriginSeen, tie: Tie) -> Step:
    groups = {"InstanceId": of, "Groups": ["<security group without rules>"]}
    return manual(
        Action.QUARANTINE_INSTANCE,
        of,
        origin.account_id,
        tie,
        hits="what the instance serves",
        calls=(
            _ec2("DescribeInstances", {"InstanceIds": [of]}),
            _ec2("ModifyInstanceAttribute", groups),
        ),
        caveats=(
            _TIMES.format("The instance metadata service"),
            "Note its security groups, and take snapshots and memory, before anything else.",
            (
                "Connections that are tracked go on after a change of security groups: a "
                "network ACL ends them."
            ),
            (
                "An Auto Scaling group replaces what looks unhealthy: suspend it, or detach "
                "the instance."
            ),
        ),
        expect="the instance has that security group alone, and no flow of its addresses is "
        "accepted",
        undo="give it its security groups again",
        back=(_ec2("ModifyInstanceAttribute", {**groups, "Groups": ["<those it had>"]}),),
        references=("Amazon EC2 User Guide, Security group connection tracking",),
    )


def _detach_profile(of: str, origin: OriginSeen, tie: Tie) -> Step:
    association = {"AssociationId": "<of DescribeIamInstanceProfileAssociations>"}
    filters = {"Filters": [{"Name": "instance-id", "Values": [of]}]}
    profile = {"InstanceId": of, "IamInstanceProfile": {"Name": "<the one it had>"}}
    return manual(
        Action.DETACH_INSTANCE_PROFILE,
        of,
        origin.account_id,
        tie,
        hits="what the instance does in AWS",
        optional=True,
        calls=(
            _ec2("DescribeIamInstanceProfileAssociations", filters),
            _ec2("DisassociateIamInstanceProfile", association),
        ),
        caveats=(
            (
                "Credentials that were read before go on until they expire: revoke the role's "
                "sessions too."
            ),
        ),
        look=(_ec2("DescribeIamInstanceProfileAssociations", filters),),
        expect="no association is listed",
        undo="associate the profile again",
        back=(_ec2("AssociateIamInstanceProfile", profile),),
        references=("Amazon EC2 User Guide, IAM roles for Amazon EC2",),
    )


def function(origin: OriginSeen, tie: Tie) -> list[Step]:
    """Stop a Lambda function."""
    name = (origin.id or "").rpartition(":")[2] or "<function name>"
    of = {"FunctionName": name}

    def call(operation: str, **more: int) -> AwsCall:
        return AwsCall(service="lambda", operation=operation, parameters={**of, **more})

    return [
        manual(
            Action.STOP_FUNCTION,
            origin.id or name,
            origin.account_id,
            tie,
            hits="everybody who invokes the function",
            calls=(
                call("GetFunctionConcurrency"),
                call("PutFunctionConcurrency", ReservedConcurrentExecutions=0),
            ),
            caveats=(
                _TIMES.format("Lambda"),
                (
                    "Invocations that run are not ended; credentials in their environment "
                    "variables can be copied out and are ended by revoking the role's sessions."
                ),
                "Look at its code, layers and resource policy before it runs again.",
            ),
            look=(call("GetFunctionConcurrency"),),
            expect="ReservedConcurrentExecutions is 0; invocations are throttled",
            undo="set the concurrency that GetFunctionConcurrency answered; delete the setting "
            "where it answered none",
            back=(call("DeleteFunctionConcurrency"),),
            references=("AWS Lambda Developer Guide, Configuring reserved concurrency",),
        )
    ]


def workload(origin: OriginSeen, tie: Tie) -> list[Step]:
    """Stop a task or pod."""
    of = origin.id or "<task or pod>"
    stop = {"cluster": "<cluster>", "task": of, "reason": "containment"}
    return [
        manual(
            Action.STOP_WORKLOAD,
            of,
            origin.account_id,
            tie,
            hits="what the task or pod serves",
            calls=(AwsCall(service="ecs", operation="StopTask", parameters=stop),),
            caveats=(
                _TIMES.format("Amazon ECS, or EKS for a pod,"),
                (
                    "The call is for a task of ECS. A pod of EKS: cordon its node, deny its "
                    "network by a NetworkPolicy, then delete it; scale what owns it to zero."
                ),
                "A service or deployment starts another: set its desired count to 0 first.",
            ),
            expect="it is not running, and nothing of the same definition started after it",
            undo="set the desired count again",
            references=("Amazon ECS API Reference, StopTask",),
        )
    ]


def identity_provider(origin: OriginSeen, tie: Tie) -> list[Step]:
    """Disable somebody who signs in through an identity provider of SAML or OpenID Connect."""
    subject = origin.id or origin.name or "<subject>"
    return [
        manual(
            Action.DISABLE_AT_IDENTITY_PROVIDER,
            subject,
            origin.account_id,
            tie,
            hits="all that this subject does with this identity provider, outside AWS too",
            caveats=(
                (
                    "Disable the subject and end its sessions at the identity provider: until then "
                    "it gets new sessions of the roles."
                ),
                (
                    "An OIDC subject of a pipeline is a repository or project: anybody who may "
                    "change that is the same subject."
                ),
                "Where the provider itself is in doubt, close the trust of each role.",
            ),
            expect="no AssumeRoleWithSAML or AssumeRoleWithWebIdentity of the subject after it",
            undo=_NO_UNDO,
            references=("IAM User Guide, Identity providers and federation",),
        )
    ]


def certificate(origin: OriginSeen, tie: Tie) -> list[Step]:
    """Revoke a certificate of Roles Anywhere."""
    anchor = {"trustAnchorId": "<trust anchor id>"}
    crl = {"name": "containment", "crlData": "<revocation list>", "trustAnchorArn": "<its ARN>"}

    def call(operation: str, parameters: Mapping[str, object]) -> AwsCall:
        return AwsCall(service="rolesanywhere", operation=operation, parameters=dict(parameters))

    return [
        manual(
            Action.REVOKE_CERTIFICATE,
            origin.id or "<serial number>",
            origin.account_id,
            tie,
            hits="with the revocation list, this certificate only; with the trust anchor, every "
            "certificate of that authority",
            calls=(call("ImportCrl", crl), call("DisableTrustAnchor", anchor)),
            caveats=(
                (
                    "Revoke it at its authority and import the list. Disable the trust anchor only "
                    "where the authority is in doubt, or there is no time."
                ),
                "Sessions that were issued go on: revoke the sessions of the role.",
            ),
            expect="CreateSession with this certificate fails",
            undo="enable the trust anchor; a certificate that was revoked is replaced",
            back=(call("EnableTrustAnchor", anchor),),
            exact=False,
            references=("IAM Roles Anywhere User Guide, Revocation",),
        )
    ]


def cognito(origin: OriginSeen, tie: Tie) -> list[Step]:
    """Disable a user behind an identity of Cognito."""
    of = {"UserPoolId": "<user pool>", "Username": "<user>"}

    def call(operation: str) -> AwsCall:
        return AwsCall(service="cognito-idp", operation=operation, parameters=of)

    return [
        manual(
            Action.DISABLE_COGNITO_USER,
            origin.id or "<identity id>",
            origin.account_id,
            tie,
            hits="this user's sign-in to the application",
            calls=(call("AdminDisableUser"), call("AdminUserGlobalSignOut")),
            caveats=(
                (
                    "CloudTrail names the identity, not the user: cognito-identity "
                    "DescribeIdentity names its logins. A guest has none: switch guests off in "
                    "the identity pool."
                ),
            ),
            expect="no GetCredentialsForIdentity of the identity after it",
            undo="enable the user",
            back=(call("AdminEnableUser"),),
            references=("Amazon Cognito Developer Guide, Identity pools",),
        )
    ]


def _said(action: Action, target: str, hits: str, expect: str, *caveats: str) -> Maker:
    def steps(origin: OriginSeen, tie: Tie) -> list[Step]:
        of = origin.id or origin.arn or target
        told = {"hits": hits, "expect": expect, "caveats": caveats, "undo": _NO_UNDO}
        return [manual(action, of, origin.account_id, tie, **told)]

    return steps


BY_KIND: Mapping[Kind, Maker] = {
    Kind.EC2_INSTANCE: instance,
    Kind.LAMBDA_FUNCTION: function,
    Kind.WORKLOAD: workload,
    Kind.SAML_SUBJECT: identity_provider,
    Kind.OIDC_SUBJECT: identity_provider,
    Kind.X509_SUBJECT: certificate,
    Kind.COGNITO_IDENTITY: cognito,
    Kind.AWS_SERVICE: _said(
        Action.FIND_SERVICE_CALLER,
        "<service>",
        "whoever uses the service for the same",
        "no event of the service on this resource after it",
        "A service is nobody to cut off: find who made it act (a stack, a rule, a pipeline, a "
        "function) and contain that; stop what it runs.",
    ),
    Kind.DELEGATED_PROVIDER: _said(
        Action.END_DELEGATION,
        "<provider>",
        "all that the provider does for you",
        "no event invoked by the delegate after it",
        "End the delegation in the account that gave it, and tell the provider.",
    ),
    Kind.EXTERNAL_IAM_USER: _said(
        Action.ASK_OTHER_ACCOUNT,
        "<account>",
        "nobody here",
        "the account's owner confirms it",
        "The user is another account's: its owner has to deactivate keys and deny the user. Until "
        "then new sessions of your roles can be issued to it: close the trust.",
    ),
    Kind.EXTERNAL_ROLE_SESSION: _said(
        Action.ASK_OTHER_ACCOUNT,
        "<account>",
        "nobody here",
        "the account's owner confirms it",
        "The chain goes on in another account: its owner has to find who it was and revoke the "
        "sessions there. Until then new sessions of your roles can be issued to it: close the "
        "trust.",
    ),
    Kind.ASSERTED: _said(
        Action.FIND_ORIGIN,
        "<source identity>",
        "nobody",
        "the sign-in behind the source identity is known",
        "A source identity is what somebody said at AssumeRole: find the sign-in behind it before "
        "a person is cut off.",
    ),
}
