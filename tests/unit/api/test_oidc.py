"""Tokens of an identity provider, with its keys served over HTTP."""

from __future__ import annotations

import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING, Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

from enricher.api.oidc import TokenVerifier
from enricher.cloudtrail import codec
from enricher.errors import UnavailableError
from enricher.stores.api_keys import Scope

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.enable_socket
ISSUER, AUDIENCE = "https://issuer.example", "enricher"
KEY = rsa.generate_private_key(public_exponent=65_537, key_size=2_048)
OTHER = rsa.generate_private_key(public_exponent=65_537, key_size=2_048)


class Provider:
    """Serves public keys, and counts how often it is asked."""

    def __init__(self) -> None:
        self.asked = 0
        self.keys = [{**RSAAlgorithm.to_jwk(KEY.public_key(), as_dict=True), "kid": "one"}]
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                provider.asked += 1
                self.send_response(200)
                self.end_headers()
                self.wfile.write(codec.dumps({"keys": provider.keys}))

            def log_message(self, *_: object) -> None:
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/jwks"

    def verifier(self) -> TokenVerifier:
        return TokenVerifier(ISSUER, AUDIENCE, self.url, "scope")


@pytest.fixture
def provider() -> Iterator[Provider]:
    found = Provider()
    thread = threading.Thread(target=found.server.serve_forever)
    thread.start()
    yield found
    found.server.shutdown()
    thread.join()
    found.server.server_close()


def token(*, key: Any = KEY, kid: str = "one", without: str = "", **claims: object) -> str:  # noqa: ANN401 - a key of any kind
    content: dict[str, Any] = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": "soar",
        "exp": time.time() + 60,
        "scope": "openid enricher:read enricher:respond",
        **claims,
    }
    content.pop(without, None)
    return jwt.encode(content, key, algorithm="RS256", headers={"kid": kid})


def test_a_valid_token_says_who_and_what_for(provider: Provider) -> None:
    assert provider.verifier().verify(token()) == ("soar", frozenset({Scope.READ, Scope.RESPOND}))


@pytest.mark.parametrize(
    "claim", [["enricher:admin", "x", 7], "enricher:admin", ("enricher:admin",)]
)
def test_scopes_are_listed_as_text_or_as_a_list(provider: Provider, claim: object) -> None:
    found = provider.verifier().verify(token(scope=claim))
    assert found == ("soar", frozenset({Scope.ADMIN}))


@pytest.mark.parametrize("claim", [None, 7, {"enricher:read": True}, "read", "ENRICHER:READ"])
def test_what_lists_none_of_ours_allows_nothing(provider: Provider, claim: object) -> None:
    assert provider.verifier().verify(token(scope=claim)) == ("soar", frozenset())


@pytest.mark.parametrize(
    "wrong",
    [
        {"iss": "https://other.example"},
        {"aud": "another"},
        {"exp": 1},
        {"nbf": 9_999_999_999},
        {"key": OTHER},
        {"kid": "two"},
        {"without": "exp"},
        {"without": "sub"},
        {"without": "aud"},
    ],
    ids=["iss", "aud", "exp", "nbf", "key", "kid", "without-exp", "without-sub", "without-aud"],
)
def test_any_other_token_is_refused(provider: Provider, wrong: dict[str, Any]) -> None:
    assert provider.verifier().verify(token(**wrong)) is None


def test_the_token_does_not_choose_how_it_is_verified(provider: Provider) -> None:
    claims = jwt.decode(token(), options={"verify_signature": False})
    verifier = provider.verifier()
    unsigned = jwt.encode(claims, "", algorithm="none", headers={"kid": "one"})
    assert verifier.verify(unsigned) is None
    public = "x" * 32  # a secret that the verifier must not take for the key's
    symmetric = jwt.encode(claims, public, algorithm="HS256", headers={"kid": "one"})
    assert verifier.verify(symmetric) is None


@pytest.mark.parametrize("text", ["", "x", "a.b.c", "enr_x_y", "é.é.é"])
def test_what_is_no_token_is_refused(provider: Provider, text: str) -> None:
    assert provider.verifier().verify(text) is None


def test_made_up_keys_do_not_make_us_ask_the_provider_each_time(provider: Provider) -> None:
    verifier = provider.verifier()
    for number in range(5):
        assert verifier.verify(token(kid=f"made-up-{number}")) is None
    assert provider.asked == 2  # at first, and once more for a key that may be new


def test_a_key_that_comes_later_is_found(provider: Provider) -> None:
    verifier = provider.verifier()
    assert verifier.verify(token()) is not None
    provider.keys.append({**RSAAlgorithm.to_jwk(OTHER.public_key(), as_dict=True), "kid": "two"})
    assert verifier.verify(token(key=OTHER, kid="two")) is not None


def test_a_provider_that_is_away_is_no_refusal() -> None:
    verifier = TokenVerifier(ISSUER, AUDIENCE, "http://127.0.0.1:9/jwks", "scope")
    with pytest.raises(UnavailableError):
        verifier.verify(token())
