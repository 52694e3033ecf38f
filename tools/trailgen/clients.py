"""Clients: browsers, console back ends, command lines, kits. Addresses are documentation ranges.

References:
    - identity.md §5: what tells the console's own calls from those of programs.
"""

from __future__ import annotations

from functools import lru_cache

from tools.trailgen.records import Client

_CHROME = "AppleWebKit/537.36 (KHTML, like Gecko) Chrome/144.0.0.0 Safari/537.36"
BROWSERS = (
    f"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) {_CHROME}",
    "Mozilla/5.0 (X11; Linux x86_64; rv:147.0) Gecko/20100101 Firefox/147.0",
    f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {_CHROME} Edg/144.0.0.0",
)

KITS = (
    "aws-cli/2.33.8 md/awscrt#0.29.2 ua/2.1 os/linux#6.12.63 md/arch#x86_64 lang/python#3.13.11",
    "Boto3/1.42.30 md/Botocore#1.42.30 ua/2.1 os/linux#6.1.158 md/arch#x86_64 lang/python#3.12.12",
    "aws-sdk-go-v2/1.41.1 ua/2.1 os/linux lang/go#1.25.6 md/GOOS#linux md/GOARCH#amd64",
    "APN/1.0 HashiCorp/1.0 Terraform/1.14.3 terraform-provider-aws/6.28.0 aws-sdk-go-v2/1.41.1",
)
CLI = KITS[0]
GITHUB_ACTION = (
    "aws-sdk-js/3.972.0 ua/2.1 os/linux#6.11.0 lang/js md/nodejs#20.20.0 api/sts#3.972.0 "
    "configure-aws-credentials-for-github-actions"
)
CLOUDSHELL = (
    "aws-cli/2.33.8 md/awscrt#0.29.2 ua/2.1 os/linux#6.1.158 md/arch#x86_64 lang/python#3.13.11 "
    "exec-env/CloudShell"
)

CONSOLE_ENDPOINT = ("vpce-0c0ffee5", "AWS Internal")
"""An endpoint that AWS owns: the S3 console and services come through it."""

_INTERNAL = "aws-internal/3 aws-sdk-java/1.12.797 Linux/5.10.247 OpenJDK_64-Bit_Server_VM"

_BACKENDS = {  # service: user agent, whether the console flag is written
    "ec2": (f"EC2ConsoleFrontend, {_INTERNAL}", True),
    "rds": (f"RDS Console, {_INTERNAL}", False),
    "cloudtrail": (f"[AWSCloudTrail, {_INTERNAL}]", True),
    "monitoring": ("AWS CloudWatch Console", True),
}
_FROM_BROWSER = frozenset({"iam", "resource-explorer-2", "notifications", "ce", "signin"})


@lru_cache(maxsize=2_048)
def console(ip: str, browser: str, service: str) -> Client:
    """Give the client of a console page: the browser itself, or a back end for it."""
    if service == "s3":
        agent = f"[S3Console/0.4, {_INTERNAL}]"
        return Client(ip, agent, endpoint=CONSOLE_ENDPOINT)
    if service in _FROM_BROWSER:
        return Client(ip, browser, from_console=service != "signin")
    agent, flag = _BACKENDS.get(service, ("AWS Internal", True))
    return Client(ip, agent, tls=False, from_console=flag)


def cloudshell(ip: str) -> Client:
    """Give the client of a CloudShell: a command line inside AWS, with the console's session."""
    return Client(ip, CLOUDSHELL, from_console=True)
