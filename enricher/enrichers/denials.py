"""What an error says: its group by its code, and the grammar of refusals (identity.md §6.3).

The messages are written by AWS around text of the caller's choosing, so they are hostile. Every
pattern here looks for fixed words, and what may repeat behind them is bounded; each is applied
from the left once, never inside another. So the time taken grows with the length of the message
and no faster.

References:
    - IAM User Guide, "Troubleshoot access denied error messages".
    - Amazon EC2 Developer Guide, "Error codes"; AWS STS, "DecodeAuthorizationMessage".
    - botocore, ``retries/standard.py``: the codes that mean throttling.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

LONGEST_MESSAGE = 8_192  # characters; CloudTrail itself cuts at 1 KiB (identity.md §8.3)
LONGEST_RESOURCE = 2_048  # characters
_LONGEST_CODE = 256
_LONGEST_KIND = 48  # characters between "no" and "policy"


class Denial(NamedTuple):
    """What a refusal says of itself.

    Attributes:
        action: What was refused, e.g. ``sts:AssumeRole``.
        resource: On what, as the message has it: an ARN, ``*``, or what the caller typed.
        denied_by: Kind of the policy: identity, resource, boundary, session, scp, rcp, vpce, trust;
            ``ambiguous`` where the message lists several.
        explicit: A policy denies it; False where none allows it; None where it is not said.
        policy_arn: The policy that denies it.
        authorization_id: What the console's troubleshooter finds it by.
        encoded: The rest is in a blob that ``sts:DecodeAuthorizationMessage`` reads.
    """

    action: str | None = None
    resource: str | None = None
    denied_by: str | None = None
    explicit: bool | None = None
    policy_arn: str | None = None
    authorization_id: str | None = None
    encoded: bool = False


# --- groups of codes ----------------------------------------------------------------------------

SUCCESS, DENIED = "success", "denied"
AUTHENTICATION, ACCOUNT, THROTTLING, VALIDATION, NOT_FOUND, OTHER = (
    "authentication",
    "account",
    "throttling",
    "validation",
    "not-found",
    "other",
)

_DRY_RUN = frozenset({"DryRunOperation"})

# Without ``Client.``, ``Server.`` and without Exception, Fault, Error at the end.
_GROUPS: dict[str, frozenset[str]] = {
    DENIED: frozenset(
        {
            "AccessDenied",
            "AccessDeniedForDependency",
            "AccessForbidden",
            "AccessToClusterDenied",
            "Authorization",
            "DependencyAccessDenied",
            "EC2AccessDenied",
            "EncryptionKeyAccessDenied",
            "Forbidden",
            "InsufficientPermissions",
            "InsufficientPrivileges",
            "InvalidAccess",
            "KMSAccessDenied",
            "KMSKeyNotAccessible",
            "NotAuthorized",
            "OperationNotPermitted",
            "OpsItemAccessDenied",
            "OrganizationAccessDenied",
            "S3AccessDenied",
            "Unauthorized",
            "UnauthorizedAccess",
            "UnauthorizedClient",
            "UnauthorizedOperation",
            "VpceAccessDenied",
        }
    ),
    AUTHENTICATION: frozenset(
        {
            "AuthFailure",
            "CloudTrailInvalidClientTokenId",
            "ExpiredToken",
            "IncompleteSignature",
            "InvalidAccessKeyId",
            "InvalidClientTokenId",
            "InvalidSignature",
            "InvalidToken",
            "MissingAuthenticationToken",
            "RequestExpired",
            "SignatureDoesNotMatch",
            "TokenRefreshRequired",
            "UnrecognizedClient",
        }
    ),
    ACCOUNT: frozenset({"OptInRequired", "SubscriptionRequired"}),
    THROTTLING: frozenset(
        {
            "BandwidthLimitExceeded",
            "EC2Throttled",
            "PriorRequestNotComplete",
            "ProvisionedThroughputExceeded",
            "RequestLimitExceeded",
            "RequestThrottled",
            "SlowDown",
            "Throttled",
            "Throttling",
            "TooManyRequests",
            "TransactionInProgress",
        }
    ),
}
_GROUP_OF = {code: group for group, codes in _GROUPS.items() for code in codes}
_NOT_FOUND_WORDS = ("NotFound", "NoSuch", "NotExist", "NonExistent", "Nonexistent")
_VALIDATION_BEGINNINGS = (
    "BadRequest",
    "IllegalArgument",
    "Invalid",
    "Malformed",
    "Missing",
    "ParamValidation",
    "Serialization",
    "UnknownParameter",
    "Validation",
)
_ENDS = ("Exception", "Fault", "Error")
# The code says that access was denied, the text that the account is not set up for it.
_ACCOUNT_WORDS = ("IAM user access not activated", "is not subscribed to")


@lru_cache(maxsize=4_096)
def group_of(code: str) -> str:
    """Give the group of an error code: ``success`` for a dry run, ``denied``, or the failure.

    Codes of denials are listed, not guessed: ``InvalidPermission.NotFound`` and
    ``NoSuchPublicAccessBlockConfiguration`` are none.
    """
    bare = code[:_LONGEST_CODE].removeprefix("Client.").removeprefix("Server.")
    for end in _ENDS:  # in the order in which they are stacked: AuthorizationErrorException
        bare = bare.removesuffix(end) or bare
    if bare in _DRY_RUN:
        return SUCCESS
    known = _GROUP_OF.get(bare)
    if known is not None:
        return known
    if bare.startswith("UnauthorizedAccess"):
        return DENIED
    if any(word in bare for word in _NOT_FOUND_WORDS):
        return NOT_FOUND
    return VALIDATION if bare.startswith(_VALIDATION_BEGINNINGS) else OTHER


def denied_codes() -> list[str]:
    """List the codes that mean a denial, spelled as services send them, for queries.

    What only a message tells is not among them, nor what begins with ``UnauthorizedAccess``.
    """
    bare = sorted(_GROUPS[DENIED])
    ended = [f"{code}Exception" for code in bare]
    return [*bare, *ended, "Client.UnauthorizedOperation"]


def verdict(code: str | None, message: str) -> str:
    """Give the group of an error by its code and its message.

    Args:
        code: ``errorCode``; None where only a message tells of the error.
        message: ``errorMessage``, "" where there is none.
    """
    group = group_of(code) if code else OTHER
    if group == DENIED:
        return ACCOUNT if any(words in message for words in _ACCOUNT_WORDS) else DENIED
    if group in (VALIDATION, OTHER) and refuses(message):
        return DENIED
    return group


def refuses(message: str) -> bool:
    """Whether a message is of the grammar of refusals, whatever code came with it."""
    cut = message[:LONGEST_MESSAGE]
    return _ACTION.search(cut) is not None or _BARE in cut


# --- the grammar --------------------------------------------------------------------------------

_BARE = "You are not authorized to perform this operation"
_ACTION = re.compile(
    r"(?:Not|not) authori[sz]ed to perform:?\s{1,8}([A-Za-z0-9-]{1,64}:[A-Za-z0-9*]{1,128})"
)
_ON = re.compile(r" on (?:the )?resources?: ?")
_RESOURCE_END = re.compile(
    r" because | with an explicit deny|[.;]? Encoded authorization |[.;]? Go to https?://"
    r"| \(Service:|[.;]?$"
)
_NONE_ALLOWS = re.compile(r" ?(?:polic(?:y|ies)|boundar(?:y|ies)) allows? ", re.IGNORECASE)
_EXPLICIT = re.compile(
    r"explicit deny in (?:an?|the) ([A-Za-z -]{3,40}?) (?:policy|boundary)"
    r"(?:(?: enforced by|:) ?(arn:\S{1,2048}))?",
    re.IGNORECASE,
)
_AUTHORIZATION_ID = re.compile(
    r"authorization ?id: ?([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})",
    re.IGNORECASE,
)
_ENCODED = "Encoded authorization failure message"
# KMS lists what it may have been, without saying what it was.
_SEVERAL_REASONS = (
    "associated with this ciphertext",
    "does not exist in this Region, no resource-based policies allow access, or",
)
_KINDS = {
    "identity-based": "identity",
    "identity": "identity",
    "resource-based": "resource",
    "resource": "resource",
    "session": "session",
    "permissions": "boundary",
    "service control": "scp",
    "resource control": "rcp",
    "vpc endpoint": "vpce",
    "role trust": "trust",
}
_WITHOUT_POLICY = "The request was denied due to a VPC endpoint policy"
# Their callers have no policy of their own: with no other reason it is the role's trust policy.
_FEDERATED = frozenset({"sts:AssumeRoleWithSAML", "sts:AssumeRoleWithWebIdentity"})


@lru_cache(maxsize=1_024)
def read_denial(message: str) -> Denial:
    """Take a refusal's message apart; what it does not say stays None."""
    words = " ".join(message[:LONGEST_MESSAGE].split())
    found = _ACTION.search(words)
    action = found[1] if found else None
    resource = _resource(words, found.end()) if found else None
    denied_by, explicit, policy_arn = _policy(words)
    if denied_by is None and explicit is None and action in _FEDERATED:
        denied_by = "trust"
    authorization = _AUTHORIZATION_ID.search(words)
    return Denial(
        action=action,
        resource=resource,
        denied_by=denied_by,
        explicit=explicit,
        policy_arn=policy_arn,
        authorization_id=authorization[1].lower() if authorization else None,
        encoded=_ENCODED in words,
    )


def _resource(words: str, start: int) -> str | None:
    """Read what follows ``on resource:``; it may hold spaces, and need not be an ARN."""
    begun = _ON.match(words, start)
    if begun is None:
        return None
    end = _RESOURCE_END.search(words, begun.end())
    resource = words[begun.end() : end.start() if end else None].strip(' "')
    return resource[:LONGEST_RESOURCE] or None


def _policy(words: str) -> tuple[str | None, bool | None, str | None]:
    """Say which kind of policy refused, whether explicitly, and its ARN."""
    if any(reason in words for reason in _SEVERAL_REASONS):
        return "ambiguous", None, None
    denied = _EXPLICIT.search(words)
    if denied:
        arn = denied[2].rstrip(".,;") if denied[2] else None
        return _KINDS.get(denied[1].lower()), True, arn
    if "with an explicit deny" in words:
        return None, True, None
    missing = _NONE_ALLOWS.search(words)
    if missing:
        before = words[max(0, missing.start() - _LONGEST_KIND) : missing.start()]
        return _KINDS.get(before.rpartition("no ")[2].strip().lower()), False, None
    return ("vpce" if _WITHOUT_POLICY in words else None), None, None
