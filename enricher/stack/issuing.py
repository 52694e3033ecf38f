"""Making the credentials of a secure stack: an authority, certificates, passwords.

The authority's key is never written: once everything is signed, nobody can sign more.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from enricher.stack.credentials import COMMANDS, NODE, USERS, Credentials
from enricher.stack.ports import LOOPBACK

if TYPE_CHECKING:
    from pathlib import Path

PASSWORD_BYTES = 24
_VALID = timedelta(days=3650)  # as long as anybody keeps a data directory
_CLOCK_SKEW = timedelta(days=1)


def issue(credentials: Credentials) -> None:
    """Make all credentials of a stack; they are there whole, or not at all."""
    part = credentials.directory.with_name(f"{credentials.directory.name}.part")
    shutil.rmtree(part, ignore_errors=True)  # it was killed there
    part.mkdir(mode=0o700, parents=True)
    unfinished = Credentials(part)
    authority = _Authority()
    _write_private(unfinished.authority, authority.pem)
    for name in (NODE, *USERS):
        certificate, key = authority.sign(name, server=name == NODE)
        _write_private(unfinished.certificate(name), certificate)
        _write_private(unfinished.key(name), key)
    for user in USERS:
        _write_private(unfinished.password_file(user), _password().encode())
    password = _password()
    _write_private(unfinished.valkey_password_file, password.encode())
    _write_private(unfinished.valkey_users, valkey_users(password).encode())
    part.rename(credentials.directory)


def valkey_users(password: str) -> str:
    """Write Valkey's access list: one user, who may do what the work needs."""
    digest = hashlib.sha256(password.encode()).hexdigest()
    # Dangerous is what reaches beyond keys: CONFIG, FLUSHALL, DEBUG, REPLICAOF. INFO tells the
    # server's version, which is how it is known to be up.
    return f"user default off\nuser {COMMANDS} on #{digest} ~* &* +@all -@dangerous +info\n"


def _password() -> str:
    return secrets.token_urlsafe(PASSWORD_BYTES)


def _write_private(path: Path, content: bytes) -> None:
    # The mode is there from the start: never a moment in which others could read it.
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)


class _Authority:
    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _name("enricher stack")
        self._certificate = (
            _unsigned(self._name, self._name, self._key.public_key())
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_key_usage(authority=True), critical=True)
            .add_extension(
                x509.SubjectKeyIdentifier.from_public_key(self._key.public_key()), critical=False
            )
            .sign(self._key, hashes.SHA256())
        )

    @property
    def pem(self) -> bytes:
        return self._certificate.public_bytes(serialization.Encoding.PEM)

    def sign(self, name: str, *, server: bool) -> tuple[bytes, bytes]:
        """Make a key and its certificate, both PEM; a user's name is the common name."""
        key = ec.generate_private_key(ec.SECP256R1())
        # A node is a client too: of other nodes, on the transport layer.
        uses = [ExtendedKeyUsageOID.SERVER_AUTH] if server else []
        builder = (
            _unsigned(_name(name), self._name, key.public_key())
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_key_usage(authority=False), critical=True)
            .add_extension(
                x509.ExtendedKeyUsage([*uses, ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False
            )
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()),
                critical=False,
            )
        )
        if server:
            names = [x509.DNSName("localhost"), x509.IPAddress(ip_address(LOOPBACK))]
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        certificate = builder.sign(self._key, hashes.SHA256())
        return (
            certificate.public_bytes(serialization.Encoding.PEM),
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            ),
        )


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _unsigned(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey
) -> x509.CertificateBuilder:
    now = datetime.now(tz=UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _CLOCK_SKEW)
        .not_valid_after(now + _VALID)
    )


def _key_usage(*, authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not authority,
        key_cert_sign=authority,
        crl_sign=authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
