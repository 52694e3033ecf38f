"""Who was behind an event, a credential, a principal, a session."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query

from enricher.api.access import needs_read
from enricher.api.parameters import AccessKeyId, EventId, OnePrincipalQuery, Reading, SessionId
from enricher.api.problems import documented
from enricher.errors import ConfigurationError
from enricher.response import lineage, sessions
from enricher.response.lineage import CredentialLineage, EventLineage, Principals
from enricher.response.sessions import Session, SessionTree

router = APIRouter(
    prefix="/v1",
    tags=["lineage"],
    dependencies=[Depends(needs_read)],
    responses=documented(401, 403, 404, 422, 429, 503),
)


@router.get("/events/{event_id}", operation_id="getEvent", summary="Who was behind an event")
def get_event(event_id: EventId, reading: Reading) -> EventLineage:
    """Give an event with its origin, the chain of credentials to it, and the proving events."""
    return lineage.event_lineage(event_id, reading)


@router.get(
    "/credentials/{access_key_id}",
    operation_id="getCredential",
    summary="What is behind an access key",
)
def get_credential(access_key_id: AccessKeyId, reading: Reading) -> CredentialLineage:
    """Give every credential behind a key id: ids of temporary keys recur.

    Each with who issued it, what it issued, and when and from where it was used.
    """
    return lineage.credential_lineage(access_key_id, reading)


@router.get(
    "/principals", operation_id="findPrincipals", summary="What a principal did, and who it was"
)
def find_principals(query: Annotated[OnePrincipalQuery, Query()], reading: Reading) -> Principals:
    """Give everything done by origins of that name, and under that name by whatever origin."""
    principal = query.principal()
    if principal is None:
        raise ConfigurationError("a query without a principal was let through")
    return lineage.principals(principal, reading)


@router.get("/sessions/{session_id}", operation_id="getSession", summary="One session")
def get_session(session_id: SessionId, reading: Reading) -> Session:
    """Give a session with its origin, its keys, and when and from where it was used."""
    return sessions.session(session_id, reading)


@router.get(
    "/sessions/{session_id}/tree",
    operation_id="getSessionTree",
    summary="All that a session's origin led to",
)
def get_session_tree(session_id: SessionId, reading: Reading) -> SessionTree:
    """Give the root of a session and every session that it led to, in whatever account."""
    return sessions.tree(session_id, reading)
