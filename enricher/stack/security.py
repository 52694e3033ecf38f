"""The Security plugin of the embedded node: its settings, and how it begins.

The plugin reads these files once, when it makes its own index; afterwards its users and roles are
changed through its REST API. YAML includes JSON, so JSON is what is written.

References:
    OpenSearch documentation, "Modifying the YAML files" and "Security settings".
"""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

import bcrypt
import msgspec

from enricher.assets import asset
from enricher.stack.credentials import NODE, USERS

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from enricher.stack.credentials import Credentials

_FOLDER = "opensearch-security"  # where the plugin looks, under the node's configuration
_ROUNDS = 12  # what the plugin uses itself
_BASIC = {"type": "basic", "challenge": True}
_CERTIFICATE = {
    "type": "clientcert",
    "challenge": False,
    "config": {"username_attribute": "cn"},
}


def node_settings() -> Mapping[str, object]:
    """Give the settings of a node with TLS everywhere; files are relative to its configuration."""
    files = {
        "pemcert_filepath": f"{NODE}.pem",
        "pemkey_filepath": f"{NODE}-key.pem",
        "pemtrustedcas_filepath": "ca.pem",
    }
    return {
        **{f"plugins.security.ssl.transport.{name}": file for name, file in files.items()},
        **{f"plugins.security.ssl.http.{name}": file for name, file in files.items()},
        "plugins.security.ssl.http.enabled": True,
        "plugins.security.ssl.http.clientauth_mode": "OPTIONAL",
        "plugins.security.nodes_dn": [f"CN={NODE}"],
        "plugins.security.allow_default_init_securityindex": True,
        "plugins.security.restapi.roles_enabled": ["all_access"],
        # What was done is told by the node's log; an index of it would fill the owner's disk.
        "plugins.security.audit.type": "noop",
    }


def prepare(config: Path, credentials: Credentials) -> None:
    """Put certificates, users and roles into the node's configuration; safe to repeat."""
    certificates = (
        credentials.authority,
        credentials.certificate(NODE),
        credentials.key(NODE),
    )
    for file in certificates:  # it may read nothing outside its configuration
        shutil.copy(file, config / file.name)  # with its mode
    if (config / _FOLDER).is_dir():
        return
    part = config / f"{_FOLDER}.part"
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(mode=0o700)
    for kind, content in _initial(credentials).items():
        file = part / f"{kind}.yml"
        file.touch(mode=0o600)
        file.write_bytes(msgspec.json.encode(content))
    part.rename(config / _FOLDER)


def _initial(credentials: Credentials) -> Mapping[str, object]:
    mapped: dict[str, list[str]] = {}
    for user, names in USERS.items():
        for name in names:
            mapped.setdefault(name, []).append(user)
    ours = msgspec.json.decode((asset("mappings") / "security" / "roles.json").read_bytes())
    return {
        "config": _of("config", {"config": {"dynamic": {"authc": _authentication()}}}),
        "internal_users": _of(
            "internalusers",
            {user: _user(credentials.password_file(user).read_bytes()) for user in USERS},
        ),
        "roles": _of("roles", ours),
        "roles_mapping": _of(
            "rolesmapping", {name: {"users": users} for name, users in mapped.items()}
        ),
        "action_groups": _of("actiongroups", {}),
        "tenants": _of("tenants", {}),
        "nodes_dn": _of("nodesdn", {}),
        "allowlist": _of("allowlist", {"config": {"enabled": False}}),
        "audit": _of("audit", {"config": {"enabled": False}}),
    }


def _of(kind: str, content: Mapping[str, Any]) -> Mapping[str, Any]:
    return {"_meta": {"type": kind, "config_version": 2}, **content}


def _user(password: bytes) -> Mapping[str, object]:
    return {"hash": bcrypt.hashpw(password, bcrypt.gensalt(_ROUNDS)).decode(), "reserved": False}


def _authentication() -> Mapping[str, object]:
    ways = (("certificate", _CERTIFICATE, "noop"), ("password", _BASIC, "intern"))
    return {
        name: {
            "http_enabled": True,
            "transport_enabled": False,
            "order": order,
            "http_authenticator": authenticator,
            "authentication_backend": {"type": backend},
        }
        for order, (name, authenticator, backend) in enumerate(ways)
    }
