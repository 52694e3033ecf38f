"""Steps that the responder role takes through IAM: exact calls, each with its undo.

References:
    - IAM User Guide, "Revoke IAM role temporary security credentials".
    - IAM User Guide, "Disabling permissions for temporary security credentials".
    - IAM API Reference: PutUserPolicy, PutRolePolicy, PutGroupPolicy, UpdateAccessKey,
      DeleteLoginProfile, DetachUserPolicy, DetachRolePolicy, DetachGroupPolicy.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from enricher.response import policies
from enricher.response.plans import Action, AlsoHits, AwsCall, Step, Undo, Verification

if TYPE_CHECKING:
    from datetime import datetime

    from enricher.response.exposure import AttachedPolicy, IamPrincipal, KeySeen

REVOKE = "IAM User Guide, Revoke IAM role temporary security credentials"
DISABLE = "IAM User Guide, Disabling permissions for temporary security credentials"
_PROPAGATION = "IAM may take some minutes until a change holds everywhere."
_LIMIT = (
    "Inline policies of a {kind} hold {limit:,} characters in all. Where that is exceeded the call "
    "is refused (LimitExceeded): attach the managed policy AWSDenyAll instead."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tie:
    """How a target is tied to the subject, and when the plan is made.

    Attributes:
        tag: Eight letters of the subject and the time: names of policies end in it, so that a plan
            never overwrites or removes another's.
    """

    tag: str
    made_at: datetime
    why: str
    confidence: str
    evidence: tuple[str, ...] = ()
    also_hits: AlsoHits = field(default_factory=lambda: AlsoHits(what="nobody else", origins=0))


def deny_all(principal: IamPrincipal, tie: Tie, *, optional: bool = False) -> Step:
    """Deny everything to a user, role or group, also to sessions issued from it."""
    caveats = [_PROPAGATION, _limit(principal)]
    if principal.kind == "user":
        caveats.append(
            "Tokens of GetSessionToken and GetFederationToken outlive the deactivation of the key "
            "that asked for them (up to 36 hours); this policy reaches them, the user's console "
            "sessions too."
        )
    return _inline(
        Action.DENY_ALL,
        principal,
        policies.deny_all(),
        tie,
        optional=optional,
        caveats=caveats,
    )


def revoke_sessions(principal: IamPrincipal, tie: Tie, caveats: tuple[str, ...] = ()) -> Step:
    """Deny everything to the sessions of a role, or of a user, that were issued before now."""
    told = [
        _PROPAGATION,
        (
            "When it is applied, aws:TokenIssueTime is set to that moment, so that sessions issued "
            "since the plan was made end too."
        ),
        "Sessions issued later are not denied: first cut off what issues them, the steps before.",
        _limit(principal),
    ]
    if principal.kind == "user":
        told.append(
            "Requests signed with a long-term key have no aws:TokenIssueTime and are not denied."
        )
    return _inline(
        Action.REVOKE_SESSIONS,
        principal,
        policies.deny_older_sessions(tie.made_at),
        tie,
        caveats=[*told, *caveats],
    )


def _inline(  # noqa: PLR0913 - what differs between two steps
    action: Action,
    principal: IamPrincipal,
    policy: dict[str, Any],
    tie: Tie,
    *,
    caveats: list[str],
    optional: bool = False,
) -> Step:
    noun = principal.kind.capitalize()
    of = {f"{noun}Name": principal.name, "PolicyName": f"{policy['Statement'][0]['Sid']}-{tie.tag}"}
    put = {**of, "PolicyDocument": policies.document(policy)}
    deny = "every request" if action is Action.DENY_ALL else "requests of older sessions"
    return Step(
        id=f"{action.value}/{principal.account_id}/{principal.kind}/{principal.name}",
        action=action,
        target=principal.arn,
        account_id=principal.account_id,
        optional=optional,
        calls=(AwsCall(service="iam", operation=f"Put{noun}Policy", parameters=put),),
        policy=policy,
        why=tie.why,
        evidence=tie.evidence,
        confidence=tie.confidence,
        also_hits=tie.also_hits,
        caveats=tuple(caveats),
        verification=Verification(
            expect=f"the policy is there as written; {deny} of it ends in AccessDenied, with an "
            "explicit deny in an identity-based policy",
            calls=(AwsCall(service="iam", operation=f"Get{noun}Policy", parameters=of),),
        ),
        undo=Undo(
            what="delete this inline policy; nothing else was changed",
            calls=(AwsCall(service="iam", operation=f"Delete{noun}Policy", parameters=of),),
        ),
        references=(REVOKE, DISABLE) if action is Action.REVOKE_SESSIONS else (DISABLE,),
    )


def deactivate_key(user: IamPrincipal, key: KeySeen, tie: Tie) -> Step:
    """Deactivate a long-term key; it can be activated again."""
    of = {"UserName": user.name, "AccessKeyId": key.id}

    def status(word: str) -> AwsCall:
        return AwsCall(
            service="iam", operation="UpdateAccessKey", parameters={**of, "Status": word}
        )

    return Step(
        id=f"{Action.DEACTIVATE_KEY.value}/{user.account_id}/{key.id}",
        action=Action.DEACTIVATE_KEY,
        target=user.arn,
        account_id=user.account_id,
        calls=(status("Inactive"),),
        why=tie.why,
        evidence=tie.evidence,
        confidence=tie.confidence,
        also_hits=AlsoHits(what="whatever else signs with this key"),
        caveats=(
            (
                "Sessions that the key asked for (GetSessionToken, GetFederationToken) go on after "
                "this until they expire, up to 36 hours: only a policy on the user ends them."
            ),
            "A user may have a second key: this is one that the events name.",
        ),
        verification=Verification(
            expect="the key is Inactive; requests signed with it end in InvalidClientTokenId",
            calls=(
                AwsCall(
                    service="iam",
                    operation="ListAccessKeys",
                    parameters={"UserName": user.name},
                ),
            ),
        ),
        undo=Undo(what="activate the key, if it was active before", calls=(status("Active"),)),
        references=(DISABLE, "IAM User Guide, Manage access keys for IAM users"),
    )


def delete_login_profile(user: IamPrincipal, tie: Tie) -> Step:
    """Take the console password away."""
    of = {"UserName": user.name}
    again = {**of, "Password": "<new password>", "PasswordResetRequired": True}
    return Step(
        id=f"{Action.DELETE_LOGIN_PROFILE.value}/{user.account_id}/{user.name}",
        action=Action.DELETE_LOGIN_PROFILE,
        target=user.arn,
        account_id=user.account_id,
        calls=(AwsCall(service="iam", operation="DeleteLoginProfile", parameters=of),),
        why=tie.why,
        evidence=tie.evidence,
        confidence=tie.confidence,
        also_hits=tie.also_hits,
        caveats=(
            "The old password cannot be restored, only replaced by a new one.",
            "Console sessions that are open go on, up to 12 hours: only a policy ends them.",
        ),
        verification=Verification(
            expect="NoSuchEntity",
            calls=(AwsCall(service="iam", operation="GetLoginProfile", parameters=of),),
        ),
        undo=Undo(
            what="people give the user a new password; the old one is lost",
            calls=(AwsCall(service="iam", operation="CreateLoginProfile", parameters=again),),
            exact=False,
        ),
        references=("IAM User Guide, Manage passwords for IAM users",),
    )


def detach_policy(principal: IamPrincipal, attached: AttachedPolicy, tie: Tie) -> Step:
    """Detach a managed policy that the subject attached."""
    noun = principal.kind.capitalize()
    of = {f"{noun}Name": principal.name}
    both = {**of, "PolicyArn": attached.policy_arn}
    return Step(
        id=f"{Action.DETACH_POLICY.value}/{principal.account_id}/{principal.kind}/"
        f"{principal.name}/{attached.policy_arn}",
        action=Action.DETACH_POLICY,
        target=principal.arn,
        account_id=principal.account_id,
        optional=True,
        calls=(AwsCall(service="iam", operation=f"Detach{noun}Policy", parameters=both),),
        why=tie.why,
        evidence=tie.evidence,
        confidence=tie.confidence,
        also_hits=AlsoHits(what=f"everybody who acts with the rights of this {principal.kind}"),
        caveats=("It may have been attached before, by somebody else, for a reason.",),
        verification=Verification(
            expect="the policy is not listed",
            calls=(AwsCall(service="iam", operation=f"ListAttached{noun}Policies", parameters=of),),
        ),
        undo=Undo(
            what="attach the policy again",
            calls=(AwsCall(service="iam", operation=f"Attach{noun}Policy", parameters=both),),
        ),
        references=("IAM User Guide, Adding and removing IAM identity permissions",),
    )


def _limit(principal: IamPrincipal) -> str:
    return _LIMIT.format(kind=principal.kind, limit=policies.INLINE_LIMITS[principal.kind])
