"""Where a secure stack keeps what opens it: one folder, for its owner only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

ADMIN = "admin"
COMMANDS = "enricher"  # whom the commands on this machine ask as, in OpenSearch and in Valkey
WORKER, API, READER, INSTALLER = (
    f"enricher_{name}" for name in ("worker", "api", "reader", "installer")
)
# Each user of OpenSearch with its roles: `all_access` is the plugin's own, the others are ours.
USERS: dict[str, tuple[str, ...]] = {
    ADMIN: ("all_access",),
    COMMANDS: (INSTALLER, WORKER, API),
    WORKER: (WORKER,),
    API: (API,),
    READER: (READER,),
    INSTALLER: (INSTALLER,),
}
NODE = "node"
_VALKEY = "valkey"


@dataclass(frozen=True, slots=True)
class Credentials:
    """The files of one stack; a path says nothing, and none of them is ever shown.

    Attributes:
        directory: Holds them all, mode 0700; each file has mode 0600.
    """

    directory: Path

    @classmethod
    def of(cls, data_dir: Path) -> Credentials:
        """Say where the credentials of a stack are, or would be."""
        return cls(data_dir / "secrets")

    def exist(self) -> bool:
        """Say whether they were made: then the stack is a secure one."""
        return self.directory.is_dir()

    @property
    def authority(self) -> Path:
        """Certificate of the authority that signed all others, PEM."""
        return self.directory / "ca.pem"

    def certificate(self, name: str) -> Path:
        """Certificate of a user, or of the node, PEM."""
        return self.directory / f"{name}.pem"

    def key(self, name: str) -> Path:
        """Private key of that certificate, PEM, not encrypted."""
        return self.directory / f"{name}-key.pem"

    def password_file(self, user: str) -> Path:
        """Password of a user of OpenSearch."""
        return self.directory / f"{user}.password"

    @property
    def valkey_password_file(self) -> Path:
        """Password of the one user of Valkey."""
        return self.password_file(_VALKEY)

    @property
    def valkey_users(self) -> Path:
        """Valkey's access list, with the password's hash."""
        return self.directory / f"{_VALKEY}.acl"
