"""Where the API listens, and where it refuses to."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from pydantic import ValidationError

from enricher.api.serve import check_address, is_loopback
from enricher.errors import ConfigurationError
from enricher.settings import ApiSettings

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("address", ["127.0.0.1", "127.9.9.9", "::1"])
def test_this_machine_alone_needs_no_tls(address: str) -> None:
    assert is_loopback(address)
    check_address(ApiSettings(address=address))


@pytest.mark.parametrize("address", ["0.0.0.0", "::", "192.0.2.1", "2001:db8::1"])  # noqa: S104 - refused
def test_others_are_not_spoken_to_in_the_clear(address: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="--without-tls"):
        check_address(ApiSettings(address=address))
    check_address(ApiSettings(address=address, without_tls=True))
    file = tmp_path / "x.pem"
    file.write_text("")
    check_address(ApiSettings(address=address, tls_certificate=file, tls_key=file))


def test_half_a_setting_is_none(tmp_path: Path) -> None:
    file = tmp_path / "x.pem"
    file.write_text("")
    with pytest.raises(ValidationError, match="go together"):
        ApiSettings(tls_certificate=file)
    with pytest.raises(ValidationError, match="go together"):
        ApiSettings(oidc_issuer="https://issuer.example")
