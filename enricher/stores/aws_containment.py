"""Containment in AWS: a responder role in each account, assumed for the steps that are there.

References:
    - IAM User Guide, "Access to AWS accounts owned by third parties": the external id.
    - IAM API Reference, "Common errors"; UnmodifiableEntity of roles that only AWS may change.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import boto3
from botocore import xform_name
from botocore.exceptions import BotoCoreError, ClientError, ParamValidationError

from enricher.cloudtrail import codec
from enricher.cloudtrail.arn import parse_arn, role_name
from enricher.response.containmentports import Found, FoundState, NoAnswerError, RefusedError
from enricher.response.plans import Action
from enricher.stores.aws import configuration, error_code, is_passing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from datetime import datetime

    from enricher.response.plans import AwsCall, Step
    from enricher.stores.aws import AwsAccess

_SESSION_NAME = "enricher-containment"
_SESSION = timedelta(minutes=15)  # the least that STS offers
_USED_FOR = timedelta(minutes=10)
_REGIONS = {
    "aws": "us-east-1",
    "aws-cn": "cn-north-1",
    "aws-us-gov": "us-gov-west-1",
    "aws-iso": "us-iso-east-1",
    "aws-iso-b": "us-isob-east-1",
    "aws-eusc": "eusc-de-east-1",
}
# A plan comes out of an index that others may write to: no call is made but these.
_ALLOWED = {
    Action.DENY_ALL: "Put{}Policy",
    Action.REVOKE_SESSIONS: "Put{}Policy",
    Action.DEACTIVATE_KEY: "UpdateAccessKey",
    Action.DELETE_LOGIN_PROFILE: "DeleteLoginProfile",
    Action.DETACH_POLICY: "Detach{}Policy",
}
_TAKES_BACK = {
    Action.DENY_ALL: "Delete{}Policy",
    Action.REVOKE_SESSIONS: "Delete{}Policy",
    Action.DEACTIVATE_KEY: "UpdateAccessKey",
    Action.DETACH_POLICY: "Attach{}Policy",
}
_NOUNS = ("User", "Role", "Group")
_MISSING = "NoSuchEntity"
_TARGET_MISSING = "target-missing"


@dataclass(frozen=True, slots=True, kw_only=True)
class ResponderRole:
    """Which role acts in which account.

    Attributes:
        name: Its name, the same in every account; None where only some have one.
        arns: Account id → ARN of its role, for those where it is another.
        external_id: What its trust policy asks for, if it asks.
    """

    name: str | None = None
    arns: Mapping[str, str] = field(default_factory=dict)
    external_id: str | None = None

    def arn_in(self, account_id: str, partition: str) -> str:
        """Give the ARN of the role in an account.

        Raises:
            RefusedError: If the settings name none for it.
        """
        if account_id in self.arns:
            return self.arns[account_id]
        if self.name is None:
            raise RefusedError("no-responder-role")
        return f"arn:{partition}:iam::{account_id}:role/{self.name}"


class AwsResponder:
    """Looks, applies and takes back through IAM, in any account that lets the responder role in."""

    def __init__(self, access: AwsAccess, role: ResponderRole, now: Callable[[], datetime]) -> None:
        self._access = access
        self._role = role
        self._now = now
        self._clients: dict[str, tuple[datetime, Any]] = {}

    def look(self, step: Step) -> Found:
        """Say whether a step holds; nothing is changed."""
        self._check(step)
        if step.action is Action.DEACTIVATE_KEY:
            return self._key(step)
        if step.action is Action.DETACH_POLICY:
            return self._attachment(step)
        answer = self._answer(step, step.verification.calls[0])
        if step.action is Action.DELETE_LOGIN_PROFILE:
            if answer is None:
                self._check_target(step)
            return _found(FoundState.HOLDS if answer is None else FoundState.OPEN)
        if answer is None:
            self._check_target(step)
            return _found(FoundState.OPEN)
        same = answer["PolicyDocument"] == step.policy
        return _found(FoundState.HOLDS if same else FoundState.CHANGED)

    def apply(self, step: Step) -> None:
        """Make the calls of a step."""
        self._check(step)
        for call in step.calls:
            self._do(step, call, _ALLOWED)

    def undo(self, step: Step) -> None:
        """Make the calls that take a step back."""
        self._check(step)
        for call in step.undo.calls:
            self._do(step, call, _TAKES_BACK)

    # --- what is there ----------------------------------------------------------------------------

    def _key(self, step: Step) -> Found:
        call = step.verification.calls[0]
        wanted = step.calls[0].parameters["AccessKeyId"]
        for page in self._pages(step, call):
            for key in page["AccessKeyMetadata"]:
                if key["AccessKeyId"] == wanted:
                    inactive = key["Status"] != "Active"
                    state = FoundState.HOLDS if inactive else FoundState.OPEN
                    return _found(state, status=key["Status"])
        return _found(FoundState.HOLDS, status="Deleted")  # it signs nothing any more

    def _attachment(self, step: Step) -> Found:
        wanted = step.calls[0].parameters["PolicyArn"]
        for page in self._pages(step, step.verification.calls[0]):
            if any(one["PolicyArn"] == wanted for one in page["AttachedPolicies"]):
                return _found(FoundState.OPEN, attached=True)
        return _found(FoundState.HOLDS)

    def _pages(self, step: Step, call: AwsCall) -> Iterator[dict[str, Any]]:
        paginator = self._client(step).get_paginator(xform_name(call.operation))
        try:
            with _refusals(call.service, call.operation):
                yield from paginator.paginate(**call.parameters)
        except RefusedError as err:
            raise (RefusedError(_TARGET_MISSING) if err.reason.endswith(_MISSING) else err) from err

    def _answer(self, step: Step, call: AwsCall) -> dict[str, Any] | None:
        """Ask for something that may not be there."""
        client = self._client(step)
        try:
            with _refusals(call.service, call.operation):
                answer: dict[str, Any] = getattr(client, xform_name(call.operation))(
                    **call.parameters
                )
        except RefusedError as err:
            if err.reason.endswith(_MISSING):
                return None
            raise
        return answer

    def _check_target(self, step: Step) -> None:
        """Tell a policy that is not there from a user, role or group that is not.

        Raises:
            RefusedError: If there is nothing to contain any more.
        """
        client, noun = self._client(step), _noun(step)
        name = step.calls[0].parameters[f"{noun}Name"]
        try:
            with _refusals("iam", f"Get{noun}"):
                getattr(client, f"get_{noun.lower()}")(**{f"{noun}Name": name})
        except RefusedError as err:
            if err.reason.endswith(_MISSING):
                raise RefusedError(_TARGET_MISSING) from err
            raise

    # --- calls ------------------------------------------------------------------------------------

    def _do(self, step: Step, call: AwsCall, allowed: Mapping[Action, str]) -> None:
        pattern = allowed.get(step.action, "")
        if call.service != "iam" or call.operation != pattern.format(_noun(step)):
            raise RefusedError("call-not-allowed")
        client = self._client(step)
        with _refusals(call.service, call.operation):
            getattr(client, xform_name(call.operation))(**call.parameters)

    def _check(self, step: Step) -> None:
        """Refuse what would harm: allowing something, or cutting the responder itself off."""
        parsed = parse_arn(step.target)
        if step.action not in _ALLOWED or parsed is None or parsed.account_id != step.account_id:
            raise RefusedError("call-not-allowed")
        named = {
            value
            for call in (*step.calls, *step.undo.calls, *step.verification.calls)
            for name, value in call.parameters.items()
            if name in ("UserName", "RoleName", "GroupName")
        }
        if named != {parsed.name}:
            raise RefusedError("call-not-allowed")
        for call in step.calls:
            text = call.parameters.get("PolicyDocument")
            if text is not None and not _only_denies(text, step.policy):
                raise RefusedError("call-not-allowed")
        own = self._role.arn_in(parsed.account_id, parsed.partition)
        if parsed.resource_type == "role" and parsed.name == role_name(own):
            raise RefusedError("responder-itself")

    def _client(self, step: Step) -> Any:  # noqa: ANN401 - an IAM client; only its wrapped calls are used
        parsed = parse_arn(step.target)
        if parsed is None:
            raise RefusedError("call-not-allowed")
        made = self._clients.get(parsed.account_id)
        if made is not None and self._now() - made[0] < _USED_FOR:
            return made[1]
        client = self._assumed(parsed.account_id, parsed.partition)
        self._clients[parsed.account_id] = (self._now(), client)
        return client

    def _assumed(self, account_id: str, partition: str) -> Any:  # noqa: ANN401 - an IAM client
        region = _REGIONS.get(partition, self._access.region)
        given = {"endpoint_url": self._access.endpoint_url, "config": configuration(self._access)}
        asked: dict[str, Any] = {
            "RoleArn": self._role.arn_in(account_id, partition),
            "RoleSessionName": _SESSION_NAME,
            "DurationSeconds": int(_SESSION.total_seconds()),
        }
        if self._role.external_id:
            asked["ExternalId"] = self._role.external_id
        with _refusals("sts", "AssumeRole"):
            session = boto3.session.Session()
            sts: Any = session.client("sts", region_name=self._access.region or region, **given)  # type: ignore[call-overload] # literal names
            got = sts.assume_role(**asked)["Credentials"]
            sts.close()
            return session.client(  # type: ignore[call-overload] # literal names
                "iam",
                region_name=region,
                aws_access_key_id=got["AccessKeyId"],
                aws_secret_access_key=got["SecretAccessKey"],
                aws_session_token=got["SessionToken"],
                **given,
            )


@contextmanager
def _refusals(service: str, operation: str) -> Iterator[None]:
    """Turn what the client raises into a refusal, or no answer; no value is passed on."""
    call = f"{service}:{operation}"
    try:
        yield
    except ClientError as err:
        reason = f"{call} {error_code(err)}"
        raise (NoAnswerError if is_passing(err) else RefusedError)(reason) from err
    except ParamValidationError as err:
        raise RefusedError(f"{call} parameters-invalid") from err
    except BotoCoreError as err:
        raise NoAnswerError(f"{call} {type(err).__name__}") from err


def _only_denies(text: str, policy: dict[str, Any] | None) -> bool:
    try:
        written = codec.loads(text)
    except codec.JSONDecodeError:
        return False
    if written != policy or not isinstance(written, dict):
        return False
    return all(one.get("Effect") == "Deny" for one in written.get("Statement", ()))


def _noun(step: Step) -> str:
    parameters = step.calls[0].parameters
    return next((noun for noun in _NOUNS if f"{noun}Name" in parameters), "")


def _found(state: FoundState, **before: Any) -> Found:  # noqa: ANN401 - goes to the records as JSON
    return Found(state=state, before=before)
