"""AWS clients and their errors, the same for every service.

Credentials come from AWS's ordinary chain: environment, shared files, web identity, the instance.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    NoCredentialsError,
    ParamValidationError,
)
from opensearchpy import Urllib3AWSV4SignerAuth

from enricher.errors import ConfigurationError, LogFileError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import timedelta

_CONNECT_SECONDS = 10
_READ_SECONDS = 60  # more than a long poll takes
_SERVER_ERROR, _TOO_MANY, _REQUEST_TIMEOUT = 500, 429, 408
_MISSING = frozenset(
    {
        "404",
        "MethodNotAllowed",  # said of a version that is a delete marker
        "NoSuchBucket",
        "NoSuchKey",
        "NoSuchVersion",
        "NotFound",
    }
)
_DENIED = frozenset({"AccessDenied", "AccessDeniedException", "403", "Forbidden"})
_ARCHIVED = frozenset({"InvalidObjectState"})
_THROTTLED = frozenset(
    {
        "RequestThrottled",
        "RequestThrottledException",
        "RequestLimitExceeded",
        "RequestTimeout",
        "RequestTimeoutException",
        "SlowDown",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
    }
)
# Somebody repairs these, and then the same call succeeds: no log file is at fault.
_CREDENTIALS = frozenset(
    {
        "ExpiredToken",
        "ExpiredTokenException",
        "InvalidAccessKeyId",
        "InvalidClientTokenId",
        "InvalidToken",
        "RequestTimeTooSkewed",
        "SignatureDoesNotMatch",
        "TokenRefreshRequired",
        "UnrecognizedClientException",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class AwsAccess:
    """How AWS is reached.

    Attributes:
        endpoint_url: Another address than AWS's own; None for AWS.
        region: None for the one of the ordinary configuration.
        max_attempts: Tries of one request, the first included.
        timeout: How long connecting, and waiting for an answer, may take; None for what suits
            long polls and large objects.
    """

    endpoint_url: str | None = None
    region: str | None = None
    max_attempts: int = 5
    timeout: timedelta | None = None


def configuration(access: AwsAccess) -> Config:
    """Give the client's configuration."""
    own_server = access.endpoint_url is not None
    seconds = access.timeout.total_seconds() if access.timeout else None
    return Config(
        connect_timeout=seconds or _CONNECT_SECONDS,
        read_timeout=seconds or _READ_SECONDS,
        retries={"mode": "standard", "total_max_attempts": access.max_attempts},
        # Servers other than AWS's rarely have a name for each bucket.
        s3={"addressing_style": "path" if own_server else "auto"},
    )


def make_client(service: str, access: AwsAccess) -> Any:  # noqa: ANN401 - each adapter names its type
    """Make a client.

    Raises:
        UnavailableError: If region or credentials are not to be had.
    """
    with translated():
        return boto3.session.Session().client(
            service,  # type: ignore[call-overload] # one of the literal names
            region_name=access.region,
            endpoint_url=access.endpoint_url,
            config=configuration(access),
        )


def request_signer(service: str, access: AwsAccess) -> Urllib3AWSV4SignerAuth:
    """Make what signs each request to OpenSearch; credentials that expire are renewed.

    Args:
        service: ``es`` for Amazon OpenSearch Service, ``aoss`` for Serverless.
        access: Its region; the ordinary configuration's where it names none.

    Raises:
        ConfigurationError: If region or credentials are not to be had.
        UnavailableError: If AWS does not hand out credentials now.
    """
    session = boto3.session.Session(region_name=access.region)
    with translated():
        credentials = session.get_credentials()
    if credentials is None:
        raise ConfigurationError(
            "no AWS credentials to sign requests to OpenSearch with: give this process a role, a "
            "profile or the AWS_… variables"
        )
    if session.region_name is None:
        raise ConfigurationError(
            "no region to sign requests to OpenSearch for: set ENRICHER_AWS__REGION"
        )
    return Urllib3AWSV4SignerAuth(credentials, session.region_name, service)


@contextmanager
def translated() -> Iterator[None]:
    """Turn what the client raises into our own errors.

    Neither AWS's text nor any value is passed on: a code from a closed set, or a class name.

    Raises:
        LogFileError: If this object or bucket cannot be read, today or tomorrow.
        UnavailableError: If the same call may succeed later.
    """
    try:
        yield
    except ClientError as err:
        raise _translation(err) from err
    except ParamValidationError as err:
        raise LogFileError("location-invalid") from err
    except NoCredentialsError as err:
        raise UnavailableError(
            "no AWS credentials: set AWS_PROFILE or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, "
            "or give this machine a role"
        ) from err
    except BotoCoreError as err:  # connections, time-outs, the region
        raise UnavailableError(f"AWS cannot be reached: {type(err).__name__}") from err


def error_code(err: ClientError) -> str:
    """Give the error's code, if it is one: a few letters, digits and dots."""
    code = str(err.response.get("Error", {}).get("Code", ""))
    return code if code.replace(".", "").isalnum() and len(code) <= 64 else "unknown"  # noqa: PLR2004


def is_passing(err: ClientError) -> bool:
    """Say whether AWS is overloaded or away, so that the same call may succeed later."""
    status = err.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    if status in (_TOO_MANY, _REQUEST_TIMEOUT) or status >= _SERVER_ERROR:
        return True
    return error_code(err) in _THROTTLED


def _translation(err: ClientError) -> LogFileError | UnavailableError:
    code = error_code(err)
    if is_passing(err):
        return UnavailableError(f"AWS asks to try again: {code}")
    if code in _CREDENTIALS:
        return UnavailableError(f"AWS refuses these credentials: {code}")
    if code in _MISSING:
        return LogFileError("file-missing")
    if code in _DENIED:
        return LogFileError("permission-denied")
    if code in _ARCHIVED:
        return LogFileError("file-archived")
    return LogFileError("permission-denied" if code.startswith("KMS.") else "file-unreadable")
