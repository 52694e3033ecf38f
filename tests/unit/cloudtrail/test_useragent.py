"""What a user agent claims."""

from __future__ import annotations

import pytest

from enricher.cloudtrail.useragent import LONGEST_CLAIM, Hint, hint_of, tool_of


@pytest.mark.parametrize(
    ("user_agent", "hint", "tool"),
    [
        ("console.ec2.amazonaws.com", Hint.CONSOLE, "console"),
        ("console.amazonaws.com", Hint.CONSOLE, "console"),
        ("signin.amazonaws.com", Hint.CONSOLE, "console"),
        ("EC2ConsoleFrontend, aws-internal/3 aws-sdk-java/1.11", Hint.CONSOLE, "console"),
        ("[S3Console/0.4, aws-internal/3 aws-sdk-java/1.11.666]", Hint.CONSOLE, "console"),
        ("S3Console/0.4, aws-internal/3", Hint.CONSOLE, "console"),
        ("AWS CloudWatch Console", Hint.CONSOLE, "console"),
        ("[AWSCloudTrail, aws-internal/3]", Hint.CONSOLE, "console"),
        ("Mozilla/5.0 (X11; Linux x86_64) Firefox/130.0", Hint.CONSOLE, "browser"),
        ("[Mozilla/5.0 (X11; Linux x86_64) Firefox/130.0]", Hint.CONSOLE, "browser"),
        ("aws-cli/2.15.0 Python/3.11 exec-env/CloudShell", Hint.TOOL, "cloudshell"),
        ("aws-cli/2.15.0 Python/3.11.6 Linux/6.1 prompt/off", Hint.TOOL, "cli"),
        ("[aws-cli/1.16.312 Python/3.6]", Hint.TOOL, "cli"),
        ("APN/1.0 HashiCorp/1.0 Terraform/1.5.7 aws-sdk-go/1.44", Hint.TOOL, "terraform"),
        ("Pulumi/3.0 aws-sdk-go-v2/1.2", Hint.TOOL, "pulumi"),
        ("kubectl/v1.29.0 (linux/amd64)", Hint.TOOL, "kubectl"),
        ("eksctl/0.150.0", Hint.TOOL, "kubectl"),
        ("Boto3/1.26.0 md/Botocore#1.29 ua/2.0", Hint.TOOL, "sdk"),
        ("[Boto3/1.9.4 Python/2.7 Botocore/1.12]", Hint.TOOL, "sdk"),
        ("aws-sdk-java/2.46.14 md/internal", Hint.TOOL, "sdk"),
        ("python-requests/2.31", Hint.TOOL, "sdk"),
        ("[S3 Browser/9.5.5 https://s3browser.com]", Hint.NONE, None),
        ("S3 Browser/9.5.5 https://s3browser.com", Hint.TOOL, "client"),
        ("AWS Internal", Hint.INTERNAL, None),
        ("cloudformation.amazonaws.com", Hint.INTERNAL, None),
        ("lambda.amazonaws.com.cn", Hint.INTERNAL, None),
        ("", Hint.NONE, None),
        ("curl/8.0", Hint.NONE, None),
    ],
)
def test_a_user_agent_claims_a_tool(user_agent: str, hint: Hint, tool: str | None) -> None:
    assert hint_of(user_agent) is hint
    assert tool_of(user_agent) == tool


def test_a_service_is_no_tool_only_because_its_host_begins_like_one() -> None:
    assert hint_of("cloudformation.amazonaws.com.example.org") is Hint.NONE


def test_what_stands_behind_the_bound_is_not_read() -> None:
    assert tool_of("x" * LONGEST_CLAIM + " Terraform/1") is None
    assert tool_of("x" * (LONGEST_CLAIM - 20) + " Terraform/1") == "terraform"
    assert hint_of("x" * LONGEST_CLAIM + " Terraform/1") is Hint.NONE
