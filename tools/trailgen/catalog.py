"""Calls that the services of an account get every day: reads, changes, and sensitive ones."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from tools.trailgen.organization import PARTITION
from tools.trailgen.records import Call

if TYPE_CHECKING:
    from tools.trailgen.organization import Account
    from tools.trailgen.records import Json


@dataclass(frozen=True, slots=True)
class Catalog:
    """The calls of one account, written once and used often."""

    reads: tuple[Call, ...]
    changes: tuple[Call, ...]


@lru_cache(maxsize=256)
def catalog(account: Account, region: str) -> Catalog:
    """Write the calls that fit an account and a region."""
    return Catalog(
        reads=(*_compute_reads(account, region), *_data_reads(account, region), *_account_reads()),
        changes=_changes(account, region),
    )


def _resource(kind: str, arn: str, account: Account) -> Json:
    return {"accountId": account.id, "type": kind, "ARN": arn}


def bucket_call(account: Account, region: str, name: str, key: str | None = None) -> Call:
    """Write a call on the account's bucket, or on an object in it (then a data event)."""
    bucket = f"{account.name}-example-{account.id[:4]}"
    host = f"{bucket}.s3.{region}.amazonaws.com"
    request: Json = {"bucketName": bucket, "Host": host}
    resources = [_resource("AWS::S3::Bucket", f"arn:{PARTITION}:s3:::{bucket}", account)]
    if key is not None:
        request["key"] = key
        arn = f"arn:{PARTITION}:s3:::{bucket}/{key}"
        resources.insert(0, {"type": "AWS::S3::Object", "ARN": arn})
    return Call(
        "s3",
        name,
        request,
        resources=tuple(resources),
        host=host,
        additional={"SignatureVersion": "SigV4", "AuthenticationMethod": "AuthHeader"},
        read_only=not name.startswith(("Put", "Delete")),
        data=key is not None,
    )


def secret_call(account: Account, region: str, name: str = "GetSecretValue") -> Call:
    """Write a call on the account's database secret."""
    arn = f"arn:{PARTITION}:secretsmanager:{region}:{account.id}:secret:app/database-Ab1Cd2"
    request = {"secretId": "app/database"}
    resources = (_resource("AWS::SecretsManager::Secret", arn, account),)
    return Call("secretsmanager", name, request, resources=resources)


def decrypt(account: Account, region: str) -> Call:
    """Write a KMS Decrypt with the account's key."""
    key_id = f"0a1b2c3d-0000-4000-a000-{account.id}"
    arn = f"arn:{PARTITION}:kms:{region}:{account.id}:key/{key_id}"
    return Call(
        "kms",
        "Decrypt",
        {"encryptionAlgorithm": "SYMMETRIC_DEFAULT", "keyId": arn},
        resources=(_resource("AWS::KMS::Key", arn, account),),
    )


def _compute_reads(account: Account, region: str) -> tuple[Call, ...]:
    instance = {"instancesSet": {"items": [{"instanceId": f"i-0{account.id}aaaa"}]}}
    function = f"arn:{PARTITION}:lambda:{region}:{account.id}:function:orders"
    return (
        Call("ec2", "DescribeInstances", {"maxResults": 100, "filterSet": {}}),
        Call("ec2", "DescribeInstanceStatus", instance),
        Call("ec2", "DescribeSecurityGroups", {"filterSet": {}, "maxResults": 1000}),
        Call("ec2", "DescribeVpcs", {"vpcSet": {}, "filterSet": {}}),
        Call(
            "ec2",
            "DescribeInstanceAttribute",
            {"instanceId": f"i-0{account.id}aaaa", "attribute": "userData"},
        ),
        Call("rds", "DescribeDBInstances", {"maxRecords": 100}),
        Call("lambda", "ListFunctions20150331", None),
        Call("lambda", "GetFunction20150331v2", {"functionName": function}),
        Call("ecs", "DescribeServices", {"cluster": "main", "services": ["api"]}),
        Call("cloudformation", "DescribeStacks", {"stackName": "network"}),
        Call("elasticloadbalancing", "DescribeLoadBalancers", {}),
    )


def _data_reads(account: Account, region: str) -> tuple[Call, ...]:
    return (
        bucket_call(account, region, "GetBucketAcl"),
        bucket_call(account, region, "GetBucketPolicy"),
        bucket_call(account, region, "ListObjects"),
        bucket_call(account, region, "GetObject", "reports/2026/february.csv"),
        bucket_call(account, region, "HeadObject", "config/app.json"),
        secret_call(account, region),
        secret_call(account, region, "DescribeSecret"),
        decrypt(account, region),
        Call("ssm", "GetParameter", {"name": "/app/url", "withDecryption": True}),
        Call("dynamodb", "DescribeTable", {"tableName": "orders"}),
        Call("logs", "DescribeLogGroups", {"logGroupNamePrefix": "/aws/"}),
    )


def _account_reads() -> tuple[Call, ...]:
    return (
        Call("sts", "GetCallerIdentity"),
        Call("iam", "ListUsers", {"maxItems": 100}),
        Call("iam", "ListRoles", {"maxItems": 100}),
        Call("iam", "GetAccountSummary"),
        Call("cloudtrail", "DescribeTrails", {"includeShadowTrails": False}),
        Call("cloudtrail", "LookupEvents", {"maxResults": 50}),
        Call("monitoring", "DescribeAlarms", {"maxRecords": 100}),
        Call("health", "DescribeEventAggregates", {"aggregateField": "eventTypeCategory"}),
        Call("resource-explorer-2", "ListIndexes", {}),
    )


def _changes(account: Account, region: str) -> tuple[Call, ...]:
    security_group = {"groupId": f"sg-0{account.id}bbbb"}
    return (
        Call(
            "ec2",
            "AuthorizeSecurityGroupIngress",
            {**security_group, "ipPermissions": {"items": []}},
            {"_return": True},
            read_only=False,
        ),
        Call(
            "ec2",
            "CreateTags",
            {
                "resourcesSet": {"items": [{"resourceId": security_group["groupId"]}]},
                "tagSet": {"items": [{"key": "owner", "value": "platform"}]},
            },
            {"_return": True},
            read_only=False,
        ),
        bucket_call(account, region, "PutBucketTagging"),
        bucket_call(account, region, "PutObject", "releases/app.zip"),
        Call(
            "lambda",
            "UpdateFunctionCode20150331v2",
            {"functionName": "orders", "dryRun": False, "publish": True},
            {"functionName": "orders", "version": "42"},
            read_only=False,
        ),
        Call(
            "ecs",
            "UpdateService",
            {"cluster": "main", "service": "api", "desiredCount": 3},
            {"service": {"serviceName": "api", "desiredCount": 3}},
            read_only=False,
        ),
        Call("ssm", "PutParameter", {"name": "/app/url", "type": "String"}, read_only=False),
        Call("logs", "CreateLogGroup", {"logGroupName": "/app/orders"}, read_only=False),
    )
