"""Console, programmatic or service: how AWS was reached, by which evidence (identity.md §5).

The evidence codes are those of identity.md §5.1; user agents are hints and never decide against
stronger evidence.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from enricher.cloudtrail.record import mapping, text
from enricher.cloudtrail.useragent import Hint, hint_of, tool_of
from enricher.identity import keys
from enricher.identity.evidence import issuances, sightings
from enricher.identity.model import Access, Confidence, Mode
from enricher.identity.signer import switches_console

if TYPE_CHECKING:
    from enricher.cloudtrail.record import Record
    from enricher.identity.evidence import Evidence
    from enricher.identity.model import Lineage

_IDC_SERVICES = frozenset({"sso", "sso-oauth", "signin", "identitystore", "sso-directory"})
_CONSOLE_HOST = re.compile(r"(?:^|\.)console\.aws\.amazon\.com$|(?:^|\.)signin\.aws\.amazon\.com$")
_EXACT, _STRONG, _MODERATE, _WEAK = (
    Confidence.EXACT,
    Confidence.STRONG,
    Confidence.MODERATE,
    Confidence.WEAK,
)


class EventAccess(NamedTuple):
    """How this call reached AWS, how its session began, and what looks wrong.

    Attributes:
        by_traces: Only traces of this very request speak, neither its caller nor its session.
    """

    event: Access
    session: Access
    tool: str | None
    notes: frozenset[str]
    by_traces: bool


def access_of(record: Record, lineage: Lineage, evidence: Evidence) -> EventAccess:
    """Classify one call and its session."""
    session = _session_access(record, lineage)
    event = (
        _by_caller(record, lineage, evidence)
        or _by_channel(record)
        or _by_credential(record, session, evidence)
    )
    return EventAccess(
        event=event or _by_traces(record, evidence),
        session=session,
        tool=tool_of(record.user_agent),
        notes=_spoof(record, lineage),
        by_traces=event is None,
    )


def _access(mode: Mode, subtype: str | None, confidence: Confidence, *codes: str) -> Access:
    return Access(mode=mode, subtype=subtype, confidence=confidence, codes=codes)


def _session_access(record: Record, lineage: Lineage) -> Access:
    """Say how the session began; the console's stamp on this very record decides (P4)."""
    caller = record.caller
    bare = not caller.type and not caller.arn and not caller.principal_id
    if caller.type == "AWSService" or caller.delegate_account_id or (bare and caller.invoked_by):
        return _access(Mode.SERVICE, "service_principal", _EXACT, "P1")
    if record.from_console:
        return _access(Mode.CONSOLE, "direct", _EXACT, "P4")
    if record.event_type == "awsconsoleaction":
        return _access(Mode.CONSOLE, "direct", _EXACT, "P3")
    if caller.type in ("SAMLUser", "WebIdentityUser"):
        return _access(Mode.UNKNOWN, None, Confidence.NONE)
    return lineage.access


def _by_caller(record: Record, lineage: Lineage, evidence: Evidence) -> Access | None:
    """P1, P3b, P2: a service made the call, for itself or for somebody (authoritative)."""
    caller = record.caller
    if caller.delegate_account_id:
        return _access(Mode.SERVICE, "delegated", _EXACT, "P1")
    if caller.type == "AWSService" or (caller.invoked_by and not caller.type and not caller.arn):
        return _access(Mode.SERVICE, "service_principal", _EXACT, "P1")
    if record.event_type == "awsserviceevent" and record.service not in _IDC_SERVICES:
        return _access(Mode.SERVICE, "service_principal", _EXACT, "P1")
    if record.event_type == "awsmcpevent":
        return _access(Mode.PROGRAMMATIC, "agent", _EXACT, "P3b")
    if caller.invoked_by == "aws-mcp.amazonaws.com":
        return _access(Mode.SERVICE, "agent", _EXACT, "P3b", "P2")
    if _is_console_switch(record, evidence):
        return _access(Mode.CONSOLE, "backend", _STRONG, "P2", "P3")
    if caller.invoked_by:
        role = lineage.access.subtype == "service_role"
        return _access(Mode.SERVICE, "service_role" if role else "fas", _EXACT, "P2")
    return None


def _is_console_switch(record: Record, evidence: Evidence) -> bool:
    """Whether an AssumeRole is the console's own, made for a switch (rulings 19)."""
    if switches_console(record):
        return True
    caller = record.caller
    if record.service != "sts" or record.event_name != "AssumeRole" or not record.internal:
        return False
    if caller.type != "AWSAccount" or record.failed:
        return False
    copies = evidence.facts(keys.shared(record.shared_event_id)) if record.shared_event_id else ()
    if any(copy.caller.invoked_by == "AWS Internal" for copy in sightings(copies)):
        return True
    holder = mapping(record.response.get("assumedRoleUser"))
    principal_id, account_id = text(holder.get("assumedRoleId")), record.recipient
    if principal_id is None or account_id is None:
        return False
    began = issuances(evidence.facts(keys.session(account_id, principal_id, record.at)))
    return any(fact.event_name in ("SwitchRole", "RenewRole") for fact in began)


def _by_channel(record: Record) -> Access | None:
    """P3, P5, and the calls of Identity Center: the record's own type decides."""
    if record.event_type.startswith("awsconsolesignin"):
        if record.event_name == "GetSigninToken":
            return _access(Mode.PROGRAMMATIC, "federation_bridge", _EXACT, "P3")
        return _access(Mode.CONSOLE, "signin", _EXACT, "P3")
    if record.event_type == "awsconsoleaction":
        return _access(Mode.CONSOLE, "direct", _EXACT, "P3")
    if record.service in _IDC_SERVICES and (
        record.event_type == "awsserviceevent" or record.caller.type == "IdentityCenterUser"
    ):
        return _identity_center_call(record)
    if record.service == "signin" and record.event_name == "CreateOAuth2Token":
        return _access(Mode.PROGRAMMATIC, "cli_login", _MODERATE, "P11")
    if record.service == "signin" and record.event_name == "AuthorizeOAuth2Access":
        return _access(Mode.CONSOLE, "signin", _STRONG, "P3")
    if record.caller.has_long_term_key:
        return _access(Mode.PROGRAMMATIC, "long_term_key", _EXACT, "P5")
    return None


def _identity_center_call(record: Record) -> Access:
    """Portal and sign-in calls; only what leads to the console is known to be console (§5)."""
    if record.event_name == "GetRoleCredentials":
        if hint_of(record.user_agent) is Hint.CONSOLE:
            return _access(Mode.UNKNOWN, "signin", _WEAK, "P11")
        return _access(Mode.PROGRAMMATIC, "idc_cli", _STRONG, "P9")
    if record.event_name == "Federate":
        return _access(Mode.CONSOLE, "signin", _STRONG, "P9")
    return _access(Mode.UNKNOWN, "signin", Confidence.NONE)


def _by_credential(record: Record, session: Access, evidence: Evidence) -> Access | None:
    """P4, P6 to P9: what the credential says, save where a tool used the console's credential."""
    if session.mode is Mode.UNKNOWN:
        return None
    if session.mode is not Mode.CONSOLE:
        return session
    if hint_of(record.user_agent) is not Hint.TOOL:
        return session
    tool = tool_of(record.user_agent)
    if "P4" in session.codes:
        if not record.raw.get("tlsDetails"):
            return session  # proxied by the console's backend, whatever the agent says
        subtype = "cloudshell" if tool == "cloudshell" else "console_credential"
        return _access(Mode.PROGRAMMATIC, subtype, _STRONG, "P4", "P11")
    if _granted_to_tool(record, evidence):
        return _access(Mode.PROGRAMMATIC, "cli_login", _STRONG, "P6", "P11")
    subtype = "cloudshell" if tool == "cloudshell" else "console_credential"
    return _access(Mode.PROGRAMMATIC, subtype, _MODERATE, "P6", "P11")


def _granted_to_tool(record: Record, evidence: Evidence) -> bool:
    """Whether the console session granted a token to a command line (``aws login``, §1.9)."""
    caller = record.caller
    if not (caller.account_id and caller.principal_id and caller.created_at):
        return False
    key = keys.oauth(caller.account_id, caller.principal_id, caller.created_at)
    grants = sightings(evidence.facts(key))
    return any(grant.event_name == "CreateOAuth2Token" for grant in grants)


def _by_traces(record: Record, evidence: Evidence) -> Access:
    """P14, P10, P12, P11: what remains where nothing stronger speaks."""
    hint = hint_of(record.user_agent)
    if hint is Hint.CONSOLE and record.vpc_endpoint and is_aws_endpoint(record, evidence):
        return _access(Mode.CONSOLE, "backend", _STRONG, "P14")
    host = text(mapping(record.raw.get("tlsDetails")).get("clientProvidedHostHeader")) or ""
    if text(record.extra.get("LoginTo")) or _CONSOLE_HOST.search(host):
        return _access(Mode.CONSOLE, "direct", _MODERATE, "P10")
    if record.source_ip == "AWS Internal" and record.caller.arn:
        return _access(Mode.CONSOLE, "backend", _MODERATE, "P12")
    if hint is Hint.TOOL:
        return _access(Mode.PROGRAMMATIC, "sts", _WEAK, "P11")
    if hint is Hint.CONSOLE:
        return _access(Mode.UNKNOWN, "direct", _WEAK, "P11")
    return Access()


def is_aws_endpoint(record: Record, evidence: Evidence) -> bool:
    """Whether the call came through a VPC endpoint of AWS's own (identity.md §5.2, §8.1)."""
    if record.vpc_endpoint_account == "AWS Internal":
        return True
    return bool(record.vpc_endpoint and evidence.facts(keys.endpoint(record.vpc_endpoint)))


def _spoof(record: Record, lineage: Lineage) -> frozenset[str]:
    """Call out a user agent that contradicts the credential (identity.md §5.2, "spoof")."""
    caller = record.caller
    if caller.invoked_by or record.event_type.startswith("awsconsole") or not record.user_agent:
        return frozenset()
    hint = hint_of(record.user_agent)
    internal = record.user_agent == "AWS Internal"
    tls = bool(record.raw.get("tlsDetails"))
    suspect = internal and tls
    if hint is Hint.CONSOLE or internal:
        suspect = suspect or caller.has_long_term_key
        issued = lineage.access.codes in (("P7",), ("P8",))
        suspect = suspect or (issued and not record.from_console)
    if tool_of(record.user_agent) == "cloudshell" and caller.has_long_term_key:
        suspect = True
    return frozenset({"ua_spoof_suspect"} if suspect else ())
