"""The outcome enricher: did it succeed, was it denied, and by what (identity.md §6.3)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from enricher.cloudtrail.record import text
from enricher.enrichers.denials import (
    AUTHENTICATION,
    DENIED,
    SUCCESS,
    VALIDATION,
    read_denial,
    verdict,
)
from enricher.enrichers.fields import BOOLEAN, Field, keyword, word
from enricher.enrichers.interface import Contribution
from enricher.identity.model import present

if TYPE_CHECKING:
    from collections.abc import Mapping

    from enricher.cloudtrail.record import Record
    from enricher.enrichers.interface import Context

DRY_RUN = "dry_run"


FIELDS = (
    Field(
        "outcome.status",
        word(16),
        "`success`, `denied` (a policy refused it) or `failed` (any other error)",
        "denied",
    ),
    Field(
        "outcome.failure",
        word(32),
        "why it failed: `authentication`, `account` (its state), `throttling`, `validation`, "
        "`not-found`, `other`",
        "authentication",
    ),
    Field("outcome.denied_action", keyword(256), "the action that was refused", "sts:AssumeRole"),
    Field(
        "outcome.denied_resource",
        keyword(2048),
        "on what, as the message has it: an ARN, `*`, or what the caller typed",
        "arn:aws:iam::111122223333:role/Admin",
    ),
    Field(
        "outcome.denied_by",
        word(16),
        "kind of the policy that refused: `identity`, `resource`, `boundary`, `session`, `scp`, "
        "`rcp`, `vpce`, `trust`; `ambiguous`: the message lists several reasons",
        "scp",
    ),
    Field("outcome.explicit", BOOLEAN, "whether a policy denies it, or none allows it", True),
    Field(
        "outcome.policy_arn",
        keyword(2048),
        "the policy that denies it",
        "arn:aws:iam::111122223333:policy/Guardrail",
    ),
    Field(
        "outcome.authorization_id",
        keyword(64),
        "the refusal's id in AWS's troubleshooter",
        "0f0e0d0c-0b0a-4908-8706-050403020100",
    ),
    Field(
        "outcome.encoded",
        BOOLEAN,
        "the reason is in a blob that `sts:DecodeAuthorizationMessage` reads",
        True,
    ),
)

_SUCCEEDED = Contribution(fields={"outcome": {"status": SUCCESS}})
_DRY_RUN_SUCCEEDED = Contribution(
    fields={"outcome": {"status": SUCCESS}}, notes=frozenset({DRY_RUN})
)


class OutcomeEnricher:
    """Says whether the call succeeded, and if not what refused it."""

    name = "outcome"
    version = 1
    fields = FIELDS
    reads = (
        "errorCode",
        "errorMessage",
        "eventName",
        "eventSource",
        "eventType",
        "responseElements",
        "serviceEventDetails",
    )

    def enrich(self, context: Context) -> Contribution:
        """Say how the call ended. What it gives may be shared: copy before you change it."""
        record = context.record
        code, message = stated_error(record)
        if code is None and message is None:
            # An API call says so by an error code; other records may say it in their own words.
            if record.event_type == "awsapicall" or not _sign_in_failed(record):
                return _SUCCEEDED
            return _failed(AUTHENTICATION)
        if code is None and record.failed:
            return _failed(VALIDATION if "invalidparams" in (message or "") else AUTHENTICATION)
        group = verdict(code, message or "")
        if group == SUCCESS:
            return _DRY_RUN_SUCCEEDED
        if group != DENIED:
            return _failed(group)
        return Contribution(fields={"outcome": _denied(record, message or "")})


def stated_error(record: Record) -> tuple[str | None, str | None]:
    """Give code and message of the error; some services put them in the response."""
    code, message = record.error_code, record.raw.get("errorMessage")
    if message is not None:
        message = text(message)
    if code is None and message is None:
        response = record.raw.get("responseElements")
        if isinstance(response, dict) and "errorCode" in response:
            return text(response["errorCode"]), text(response.get("errorMessage"))
    return code, message


def _failed(failure: str) -> Contribution:
    return Contribution(fields={"outcome": {"status": "failed", "failure": failure}})


def _sign_in_failed(record: Record) -> bool:
    """Whether a sign-in failed: such records have no error code (identity.md §1.4)."""
    if record.failed:
        return True
    details: Mapping[str, Any] = record.service_details
    return bool(details) and details.get(record.event_name) == "Failure"


def _denied(record: Record, message: str) -> dict[str, Any]:
    denial = read_denial(message)
    action, denied_by = denial.action, denial.denied_by
    if action is None and record.service == "ec2" and record.event_name:
        # Its actions are called as its calls are; other services' are not always (s3:ListBucket).
        action = f"ec2:{record.event_name}"
    if denied_by is None and record.error_code == "VpceAccessDenied":
        denied_by = "vpce"
    return present(
        {
            "status": DENIED,
            "denied_action": action,
            "denied_resource": denial.resource,
            "denied_by": denied_by,
            "explicit": denial.explicit,
            "policy_arn": denial.policy_arn,
            "authorization_id": denial.authorization_id,
            "encoded": denial.encoded or None,
        }
    )
