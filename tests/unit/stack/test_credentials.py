"""What opens a secure stack: made whole, for its owner only, different each time."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING

import bcrypt
import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from enricher.assets import asset
from enricher.cloudtrail import codec
from enricher.stack import security
from enricher.stack.credentials import COMMANDS, NODE, USERS, Credentials
from enricher.stack.issuing import issue, valkey_users

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def credentials(tmp_path: Path) -> Credentials:
    made = Credentials.of(tmp_path)
    issue(made)
    return made


def _certificate(path: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(path.read_bytes())


def test_everybody_gets_a_certificate_of_one_authority(credentials: Credentials) -> None:
    authority = _certificate(credentials.authority)
    for name in (NODE, *USERS):
        certificate = _certificate(credentials.certificate(name))
        certificate.verify_directly_issued_by(authority)
        assert certificate.subject.rfc4514_string() == f"CN={name}"
        key = load_pem_private_key(credentials.key(name).read_bytes(), password=None)
        assert key.public_key() == certificate.public_key()


def test_the_authority_cannot_sign_once_more(credentials: Credentials) -> None:
    authority = _certificate(credentials.authority).public_key()
    keys = [
        load_pem_private_key(file.read_bytes(), password=None).public_key()
        for file in credentials.directory.glob("*-key.pem")
    ]
    assert len(keys) == len(USERS) + 1
    assert authority not in keys


def test_the_node_is_known_by_the_names_of_this_machine(credentials: Credentials) -> None:
    certificate = _certificate(credentials.certificate(NODE))
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["localhost"]
    assert [str(ip) for ip in names.get_values_for_type(x509.IPAddress)] == ["127.0.0.1"]


def test_only_the_owner_can_read_them(credentials: Credentials) -> None:
    assert stat.S_IMODE(credentials.directory.stat().st_mode) == 0o700
    modes = {stat.S_IMODE(file.stat().st_mode) for file in credentials.directory.iterdir()}
    assert modes == {0o600}


def test_no_two_passwords_are_the_same(credentials: Credentials, tmp_path: Path) -> None:
    other = Credentials.of(tmp_path / "other")
    issue(other)
    files = [*credentials.directory.glob("*.password"), *other.directory.glob("*.password")]
    passwords = {file.read_text() for file in files}
    assert len(passwords) == len(files) == 2 * (len(USERS) + 1)
    assert min(map(len, passwords)) == 32


def test_what_a_killed_command_left_is_no_credentials(tmp_path: Path) -> None:
    credentials = Credentials.of(tmp_path)
    (tmp_path / "secrets.part").mkdir()
    (tmp_path / "secrets.part" / "ca.pem").write_text("half")
    assert not credentials.exist()
    issue(credentials)
    assert credentials.exist()
    assert not (tmp_path / "secrets.part").exists()


def test_valkey_gets_a_hash_and_closes_its_default_user() -> None:
    lines = valkey_users("a password").splitlines()
    assert lines[0] == "user default off"
    assert lines[1].startswith(f"user {COMMANDS} on #")
    assert "a password" not in lines[1]


def test_the_plugin_begins_with_our_users_and_roles(
    credentials: Credentials, tmp_path: Path
) -> None:
    security.prepare(tmp_path, credentials)
    folder = tmp_path / "opensearch-security"
    users = yaml.safe_load((folder / "internal_users.yml").read_text())
    for user in USERS:
        password = credentials.password_file(user).read_bytes()
        assert bcrypt.checkpw(password, users[user]["hash"].encode())
    roles = yaml.safe_load((folder / "roles.yml").read_text())
    ours = codec.loads((asset("mappings") / "security" / "roles.json").read_bytes())
    assert {name: roles[name] for name in ours} == ours
    mapped = yaml.safe_load((folder / "roles_mapping.yml").read_text())
    assert mapped["all_access"] == {"users": ["admin"]}
    before = (folder / "internal_users.yml").read_bytes()
    security.prepare(tmp_path, credentials)
    assert (folder / "internal_users.yml").read_bytes() == before
