"""AWS Organizations: which accounts there are, and what they are called."""

from __future__ import annotations

from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from enricher.errors import ConfigurationError
from enricher.stores.aws import error_code, make_client, translated

if TYPE_CHECKING:
    from types_boto3_organizations.client import OrganizationsClient

    from enricher.stores.aws import AwsAccess

_WHAT_IT_NEEDS = (
    "call it with credentials of the organization's management account, or of a delegated "
    "administrator, that allow organizations:ListAccounts"
)


def organization_accounts(access: AwsAccess) -> dict[str, str]:
    """Give account id → name of every account of the organization, suspended ones too.

    Raises:
        ConfigurationError: If these credentials may not list them; says what they need.
        UnavailableError: If AWS does not answer.

    References:
        AWS Organizations API Reference, "ListAccounts".
    """
    client: OrganizationsClient = make_client("organizations", access)
    found: dict[str, str] = {}
    with translated():
        try:
            for page in client.get_paginator("list_accounts").paginate():
                found |= {
                    account["Id"]: account["Name"]
                    for account in page["Accounts"]
                    if account.get("Id") and account.get("Name")
                }
        except ClientError as err:
            code = error_code(err)
            if code in ("AccessDeniedException", "AWSOrganizationsNotInUseException"):
                raise ConfigurationError(
                    f"AWS does not list the accounts ({code}): {_WHAT_IT_NEEDS}"
                ) from err
            raise
        finally:
            client.close()
    return found
