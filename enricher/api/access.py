"""What each route asks of its caller, and how that stands in the OpenAPI document."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Request, Security
from fastapi.security import APIKeyHeader, HTTPBearer

from enricher.api.gate import KEY_HEADER, Caller
from enricher.api.problems import ProblemError
from enricher.stores.api_keys import Scope

_KEY = APIKeyHeader(
    name=KEY_HEADER, scheme_name="ApiKey", auto_error=False, description="An API key."
)
_BEARER = HTTPBearer(
    scheme_name="Bearer",
    auto_error=False,
    description="An API key, or a token of the identity provider that the settings name.",
)


class Needs:
    """Lets a caller through who has a scope; who that is, the gate has found out before."""

    def __init__(self, scope: Scope) -> None:
        self.scope = scope

    def __call__(
        self,
        request: Request,
        _key: Annotated[Any, Security(_KEY)] = None,  # noqa: ANN401 - for the document alone
        _bearer: Annotated[Any, Security(_BEARER)] = None,  # noqa: ANN401 - likewise
    ) -> Caller:
        """Give the caller.

        Raises:
            ProblemError: 403 if they lack the scope.
        """
        caller: Caller = request.state.caller
        if self.scope not in caller.scopes:
            raise ProblemError(
                403,
                "scope-missing",
                f"this call needs the scope {self.scope.value}: use a key that has it",
            )
        return caller


needs_read = Needs(Scope.READ)
needs_respond = Needs(Scope.RESPOND)
needs_admin = Needs(Scope.ADMIN)
