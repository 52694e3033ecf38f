"""What a user agent claims. It is free text from the client: a hint, never proof.

References:
    - identity.md §5.2 (patterns, measured over 26,880 real events).
"""

from __future__ import annotations

import re
from enum import StrEnum
from functools import lru_cache

LONGEST_CLAIM = 2_048  # characters that are read; CloudTrail itself cuts at 1 KiB (§8.3)


class Hint(StrEnum):
    """The family of clients that a user agent claims to belong to."""

    CONSOLE = "console"  # a console page's backend, or a browser
    TOOL = "tool"  # a command line, a library, an automation tool
    INTERNAL = "internal"  # inside AWS
    NONE = "none"


_CONSOLE = re.compile(
    r"""
    ^console\.(?:[a-z0-9-]+\.)*amazonaws\.com   # e.g. console.ec2.amazonaws.com
    | ^signin\.amazonaws\.com
    | ConsoleFrontend                            # e.g. EC2ConsoleFrontend, aws-internal/3 …
    | ^\[?[A-Za-z0-9 ]*\bConsole[/,]             # e.g. [S3Console/0.4, aws-internal/3 …]
    | \bCloudWatch\ Console\b
    | ^\[AWSCloudTrail,
    | ^\[?S3Console/
    """,
    re.VERBOSE,
)
_BROWSER = re.compile(r"^\[?Mozilla/5\.0 ")
_INTERNAL = re.compile(r"^(?:AWS Internal|[a-z0-9.-]+\.amazonaws\.com(?:\.cn)?$)")

# The first that matches names the tool; order matters where an agent names several.
_TOOLS: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("cloudshell", re.compile(r"exec-env/CloudShell", re.IGNORECASE)),
    ("terraform", re.compile(r"Terraform", re.IGNORECASE)),
    ("pulumi", re.compile(r"Pulumi", re.IGNORECASE)),
    ("kubectl", re.compile(r"kubectl|eksctl", re.IGNORECASE)),
    ("cli", re.compile(r"\[?aws-cli/")),
    (
        "sdk",
        re.compile(
            r"(?:\[?|\s)(?:Boto3?|Botocore|aws-sdk(?:-[a-z0-9-]{1,64})?|APN)/", re.IGNORECASE
        ),
    ),
    ("sdk", re.compile(r"python-requests|HashiCorp|aws-vault|pacu", re.IGNORECASE)),
    ("client", re.compile(r"^(?:S3 Browser|CyberDuck|Cyberduck|ElasticWolf)", re.IGNORECASE)),
)


@lru_cache(maxsize=16_384)
def tool_of(user_agent: str) -> str | None:
    """Give the tool that a user agent claims: cli, sdk, terraform, cloudshell, console."""
    claim = user_agent[:LONGEST_CLAIM]
    if _CONSOLE.search(claim):
        return "console"
    for name, pattern in _TOOLS:
        if pattern.search(claim):
            return name
    return "browser" if _BROWSER.match(claim) else None


@lru_cache(maxsize=16_384)
def hint_of(user_agent: str) -> Hint:
    """Give the family of clients that a user agent claims to belong to."""
    claim = user_agent[:LONGEST_CLAIM]
    if _CONSOLE.search(claim) or _BROWSER.match(claim):
        return Hint.CONSOLE
    if _INTERNAL.match(claim):
        return Hint.INTERNAL
    return Hint.TOOL if tool_of(user_agent) else Hint.NONE
