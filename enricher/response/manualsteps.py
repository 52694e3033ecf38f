"""Steps that people take: what no policy on a user or role can do, with the exact calls.

Values in angle brackets are not in CloudTrail's events and have to be looked up.

References:
    - IAM Identity Center User Guide, "Revoke active IAM role sessions created by permission sets",
      "Use a Deny policy to revoke active user permissions".
    - IAM User Guide, "Perform a privileged task on an AWS Organizations member account".
    - Organizations User Guide, "Service control policies (SCPs)": they reach root users of member
      accounts, never the management account.
    - Each step names its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from enricher.response import policies
from enricher.response.plans import Action, AlsoHits, AwsCall, Step, Undo, Verification

if TYPE_CHECKING:
    from enricher.response.exposure import IamPrincipal, OriginSeen
    from enricher.response.iamsteps import Tie

ORGANIZATIONS = "Organizations User Guide, Service control policies (SCPs)"
CENTER = (
    "IAM Identity Center User Guide, Revoke active IAM role sessions created by permission sets"
)
CENTER_POLICY = (
    "IAM Identity Center User Guide, Use a Deny policy to revoke active user permissions"
)
ROOT = "IAM User Guide, AWS account root user"
ROOT_TASK = "IAM User Guide, Perform a privileged task on an AWS Organizations member account"
_SCP_NAME = "EnricherContainment-"


def manual(
    action: Action,
    target: str,
    account_id: str | None,
    tie: Tie,
    **parts: Any,  # noqa: ANN401 - Step checks them
) -> Step:
    """Make a step of people's; parts are those of ``Step``, words in place of bare values."""
    expect, undo = parts.pop("expect"), parts.pop("undo")
    return Step(
        id=f"{action.value}/{target}",
        action=action,
        target=target,
        account_id=account_id,
        manual=True,
        why=parts.pop("why", tie.why),
        evidence=tie.evidence,
        confidence=tie.confidence,
        also_hits=AlsoHits(what=parts.pop("hits")),
        verification=Verification(expect=expect, calls=parts.pop("look", ())),
        undo=Undo(what=undo, calls=parts.pop("back", ()), exact=parts.pop("exact", True)),
        **parts,
    )


def service_control_policy(policy: dict[str, Any], name: str, target: str) -> tuple[AwsCall, ...]:
    """Give the calls that put an SCP on an account or organizational unit."""
    content = {
        "Name": name,
        "Description": "Containment",
        "Type": "SERVICE_CONTROL_POLICY",
        "Content": policies.document(policy),
    }
    attach = {"PolicyId": "<PolicyId that CreatePolicy answered>", "TargetId": target}
    return (
        AwsCall(service="organizations", operation="CreatePolicy", parameters=content),
        AwsCall(service="organizations", operation="AttachPolicy", parameters=attach),
    )


def without_service_control_policy(target: str) -> tuple[AwsCall, ...]:
    """Give the calls that take it away."""
    made = {"PolicyId": "<PolicyId that CreatePolicy answered>"}
    return (
        AwsCall(
            service="organizations",
            operation="DetachPolicy",
            parameters={**made, "TargetId": target},
        ),
        AwsCall(service="organizations", operation="DeletePolicy", parameters=made),
    )


# --- Identity Center ------------------------------------------------------------------------------


def identity_center_user(origin: OriginSeen, tie: Tie) -> list[Step]:
    """Cut a user of Identity Center off: sessions first, then what would issue new ones."""
    user_id = origin.id or "<user id: identitystore list-users>"
    return [_deny_center_user(origin, user_id, tie), _end_portal_sessions(user_id, tie)]


def _deny_center_user(origin: OriginSeen, user_id: str, tie: Tie) -> Step:
    deny = policies.deny_identity_center_user(user_id)
    name = f"{_SCP_NAME}{tie.tag}"
    find = AwsCall(
        service="identitystore",
        operation="ListUsers",
        parameters={
            "IdentityStoreId": "<identity store id>",
            "Filters": [{"AttributePath": "UserName", "AttributeValue": origin.name or "<name>"}],
        },
    )
    root = "<root or organizational unit with the accounts>"
    return manual(
        Action.DENY_IDENTITY_CENTER_USER,
        user_id,
        None,
        tie,
        hits="all sessions of this user through Identity Center, in every account below",
        calls=(*(() if origin.id else (find,)), *service_control_policy(deny, name, root)),
        policy=deny,
        caveats=(
            (
                "Role sessions that the user holds go on, up to 12 hours, after assignment or "
                "portal session end: this policy ends them."
            ),
            (
                "It does not reach the management account: there, end sessions by a deny in "
                "the permission set's own inline policy, which hits all who use that set."
            ),
            "Made with an account that may write service control policies.",
        ),
        expect="requests of the user end in AccessDenied, explicit deny in a service control "
        "policy",
        undo="detach and delete the policy",
        back=without_service_control_policy(root),
        references=(CENTER_POLICY, ORGANIZATIONS),
    )


def _end_portal_sessions(user_id: str, tie: Tie) -> Step:
    return manual(
        Action.END_PORTAL_SESSIONS,
        user_id,
        None,
        tie,
        hits="this user only",
        caveats=(
            "In the console of Identity Center: Users, the user, Active sessions, Delete.",
            (
                "Where users come from another directory, disable the user there first: "
                "otherwise they sign in again."
            ),
        ),
        expect="no active session is listed; no new Authenticate or Federate event of the user",
        undo="none is needed: the user signs in again",
        references=(CENTER,),
    )


def permission_set(role: IamPrincipal, tie: Tie, user_id: str | None) -> Step:
    """Take the assignment of a permission set away; its roles cannot be edited."""
    of = {
        "InstanceArn": "<instance ARN: sso-admin list-instances>",
        "TargetId": role.account_id,
        "TargetType": "AWS_ACCOUNT",
        "PermissionSetArn": "<permission set ARN: sso-admin list-permission-sets>",
        "PrincipalType": "USER",
        "PrincipalId": user_id or "<user id>",
    }
    listed = {name: of[name] for name in ("InstanceArn", "PermissionSetArn")}

    def call(operation: str, parameters: dict[str, str] = of) -> AwsCall:
        return AwsCall(service="sso-admin", operation=operation, parameters=dict(parameters))

    return manual(
        Action.REMOVE_ASSIGNMENT,
        role.arn,
        role.account_id,
        tie,
        hits="this user's access to this account; with an assignment to a group, every member",
        calls=(call("DeleteAccountAssignment"),),
        caveats=(
            (
                "Roles AWSReservedSSO_* can be changed by Identity Center alone: IAM refuses "
                "(UnmodifiableEntity), so their sessions are not revoked on the role."
            ),
            "Sessions that are held go on: the service control policy ends them.",
            "Where the assignment is a group's, take the user out of the group instead.",
        ),
        look=(call("ListAccountAssignments", {**listed, "AccountId": role.account_id}),),
        expect="the user is not listed; a new sign-in does not offer the account",
        undo="assign the permission set again",
        back=(call("CreateAccountAssignment"),),
        references=(CENTER,),
    )


def close_trust(role: IamPrincipal, tie: Tie) -> Step:
    """Let nobody new into the role that the origin entered by."""
    of = {"RoleName": role.name}

    def update(document: str) -> AwsCall:
        parameters = {**of, "PolicyDocument": document}
        return AwsCall(service="iam", operation="UpdateAssumeRolePolicy", parameters=parameters)

    return manual(
        Action.CLOSE_TRUST,
        role.arn,
        role.account_id,
        tie,
        optional=True,
        why="It is the role by which the origin came in.",
        hits="whoever else enters by the statement that is taken out",
        calls=(
            AwsCall(service="iam", operation="GetRole", parameters=of),
            update("<AssumeRolePolicyDocument without the origin's provider or account>"),
        ),
        caveats=(
            "Keep what GetRole answered: it is the undo.",
            "Sessions that are held go on: revoke the role's sessions after it.",
        ),
        look=(AwsCall(service="iam", operation="GetRole", parameters=of),),
        expect="the trust policy does not name the provider or account; AssumeRole is denied",
        undo="put the trust policy back that GetRole answered",
        back=(update("<AssumeRolePolicyDocument as it was>"),),
        references=("IAM User Guide, Update a role trust policy",),
    )


# --- root -----------------------------------------------------------------------------------------


def root(account_id: str, tie: Tie, *, management: bool, partition: str = "aws") -> list[Step]:
    """Contain a root user: IAM policies do not apply to it."""
    target = f"arn:{partition}:iam::{account_id}:root"
    secure = manual(
        Action.SECURE_ROOT,
        target,
        account_id,
        tie,
        hits="whoever else knows this root user's password or keys",
        caveats=(
            (
                "Sign in as root: change password and email password, replace MFA devices, delete "
                "access keys; end all sessions by that."
            ),
            (
                "No IAM policy applies to root, nor to tokens that root asked for with "
                "GetSessionToken or GetFederationToken."
            ),
            "Where the email address is lost too, AWS Support has to help.",
        ),
        expect="GetAccountSummary answers AccountAccessKeysPresent 0 and AccountMFAEnabled 1",
        look=(AwsCall(service="iam", operation="GetAccountSummary"),),
        undo="none: old password and keys are lost",
        exact=False,
        references=(
            ROOT,
            "IAM User Guide, Disabling permissions for temporary security credentials",
        ),
    )
    if management:
        return [secure]
    return [
        _delete_root_credentials(target, account_id, tie, partition),
        _deny_root(target, account_id, tie),
        secure,
    ]


def _deny_root(target: str, account_id: str, tie: Tie) -> Step:
    deny = policies.deny_root()
    return manual(
        Action.DENY_ROOT,
        target,
        account_id,
        tie,
        hits="everything that is done as root in this account, AssumeRoot included",
        calls=service_control_policy(deny, f"{_SCP_NAME}{tie.tag}", account_id),
        policy=deny,
        caveats=(
            (
                "Service control policies reach root users of member accounts, not that of the "
                "management account."
            ),
            "It also stops root tasks that you do yourself: take it away for those.",
        ),
        expect="requests of root end in AccessDenied, explicit deny in a service control policy",
        undo="detach and delete the policy",
        back=without_service_control_policy(account_id),
        references=(ORGANIZATIONS,),
    )


def _delete_root_credentials(target: str, account_id: str, tie: Tie, partition: str) -> Step:
    task = f"arn:{partition}:iam::aws:policy/root-task/IAMDeleteRootUserCredentials"
    delete = {"TargetPrincipal": account_id, "TaskPolicyArn": {"arn": task}}
    return manual(
        Action.DELETE_ROOT_CREDENTIALS,
        target,
        account_id,
        tie,
        hits="whoever else knows this root user's password or keys",
        calls=(
            AwsCall(service="sts", operation="AssumeRoot", parameters=delete),
            AwsCall(service="iam", operation="DeleteLoginProfile"),
            AwsCall(
                service="iam",
                operation="DeleteAccessKey",
                parameters={"AccessKeyId": "<each of ListAccessKeys>"},
            ),
        ),
        caveats=(
            (
                "Made with credentials of the management account or its delegated administrator, "
                "with central root access switched on; the calls of IAM use what AssumeRoot gave, "
                "before the service control policy below is in place."
            ),
        ),
        expect="GetLoginProfile answers NoSuchEntity and ListAccessKeys nothing",
        undo="AssumeRoot with IAMCreateRootUserPassword allows root to recover its password; "
        "keys are lost",
        exact=False,
        references=(ROOT_TASK,),
    )


def assumed_root(account_id: str, tie: Tie, partition: str = "aws") -> Step:
    """Contain a session of AssumeRoot: it ends by itself, its caller is what is cut off."""
    return manual(
        Action.WAIT_FOR_ROOT_SESSION,
        f"arn:{partition}:iam::{account_id}:root",
        account_id,
        tie,
        hits="nobody else; switched off, nobody in the organization can use AssumeRoot",
        calls=(AwsCall(service="iam", operation="DisableOrganizationsRootSessions"),),
        caveats=(
            (
                "A session of AssumeRoot lasts 15 minutes at most and cannot be revoked: the steps "
                "on its caller stop the next one."
            ),
            (
                "The call is for the case that the caller cannot be cut off; it is made in the "
                "management account."
            ),
        ),
        expect="no event of root in this account 15 minutes after the last AssumeRoot",
        undo="switch AssumeRoot on again",
        back=(AwsCall(service="iam", operation="EnableOrganizationsRootSessions"),),
        references=(ROOT_TASK, "AWS STS API Reference, AssumeRoot"),
    )
