"""Which request parameters name the target, service by service (identity.md §6.2).

Names are CloudTrail's: lowerCamelCase, with the first letter only lowered
(``dBInstanceIdentifier``). A path descends through objects; lists on the way are gone through item
by item. ``CREATED`` says the same of responses: the ids of what a call created.

References:
    - The API models of the services, as botocore has them; names checked on public trails.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping

# The first member of a path → the rest of each path that begins with it.
Paths: TypeAlias = "Mapping[str, tuple[tuple[str, ...], ...]]"

_SERVICES: dict[str, str] = {
    "account": "accountId regionName",
    "athena": "workGroup queryExecutionId namedQueryId name catalogName databaseName",
    "autoscaling": "autoScalingGroupName autoScalingGroupNames launchConfigurationName "
    "launchConfigurationNames instanceId instanceIds",
    "bedrock": "modelId modelIdentifier guardrailIdentifier agentId",
    "bedrock-runtime": "modelId",
    "cloudformation": "stackName stackSetName changeSetName stackId",
    "cloudtrail": "name trailName trailNameList resourceIdList resourceArn eventDataStore",
    "codebuild": "names projectName name ids",
    "cognito-identity": "identityPoolId identityId",
    "config": "configurationRecorderName configurationRecorderNames deliveryChannelName "
    "deliveryChannelNames configRuleName configRuleNames resourceId resourceKeys.resourceId "
    "configurationRecorder.name deliveryChannel.name",
    "dynamodb": "tableName globalTableName backupArn resourceArn",
    "ec2": "instancesSet.items.instanceId instanceId instanceIds groupId groupIds "
    "groupSet.items.groupId groupName securityGroupIdSet.items.groupId "
    "securityGroupSet.items.groupName snapshotId snapshotSet.items.snapshotId imageId "
    "imagesSet.items.imageId volumeId "
    "volumeSet.items.volumeId vpcId vpcSet.items.vpcId subnetId subnetSet.items.subnetId "
    "subnetIdSet.items.subnetId allocationId allocationIdsSet.items.allocationId publicIp "
    "associationId routeTableId routeTableIdSet.items.routeTableId keyName keySet.items.keyName "
    "keyPairId networkAclId networkInterfaceId networkInterfaceIdSet.items.networkInterfaceId "
    "internetGatewayId internetGatewayIdSet.items.internetGatewayId natGatewayId vpnGatewayId "
    "customerGatewayId vpnConnectionId dhcpOptionsId launchTemplateId launchTemplateName "
    "reservedInstancesId spotInstanceRequestId fleetId vpcPeeringConnectionId transitGatewayId "
    "securityGroupRuleIds resourcesSet.items.resourceId attachmentId "
    "createVolumePermission.add.items.userId createVolumePermission.remove.items.userId "
    "launchPermission.add.items.userId launchPermission.remove.items.userId "
    "iamInstanceProfile.name iamInstanceProfile.arn",
    "ec2-instance-connect": "instanceId",
    "ec2messages": "destination endpoint",
    "ecr": "repositoryName repositoryNames registryId",
    "ecs": "cluster clusters service services task tasks taskDefinition",
    "eks": "name clusterName nodegroupName addonName",
    "eks-auth": "clusterName",
    "elasticloadbalancing": "loadBalancerName loadBalancerNames loadBalancerArn targetGroupArn "
    "listenerArn names",
    "es": "domainName domainNames",
    "events": "name rule eventBusName ruleName",
    "glue": "databaseName tableName name jobName crawlerName endpointName connectionName",
    "guardduty": "detectorId filterName ipSetId",
    "health": "eventArn eventArns",
    "iam": "userName roleName groupName policyArn policyName instanceProfileName accessKeyId "
    "serialNumber sAMLProviderArn openIDConnectProviderArn serverCertificateName "
    "serviceSpecificCredentialId sSHPublicKeyId certificateId accountAlias aWSServiceName "
    "permissionsBoundary policySourceArn name",
    "identitystore": "identityStoreId userId groupId memberId.userId membershipId",
    "kinesis": "streamName streamARN",
    "kms": "keyId aliasName targetKeyId grantId sourceKeyId destinationKeyId customKeyStoreId",
    "lambda": "functionName role layers layerName functionUrl eventSourceArn resource",
    "logs": "logGroupName logGroupIdentifier logGroupNamePrefix logGroupNames logStreamName "
    "destinationArn destinationName filterName queryId",
    "notifications": "notificationConfigurationArn arn",
    "organizations": "accountId policyId targetId rootId parentId childId handshakeId "
    "organizationalUnitId",
    "rds": "dBInstanceIdentifier dBClusterIdentifier dBSnapshotIdentifier "
    "dBClusterSnapshotIdentifier resourceName valuesToAdd valuesToRemove dBParameterGroupName "
    "dBSubnetGroupName dBSecurityGroupName globalClusterIdentifier exportTaskIdentifier "
    "sourceDBSnapshotIdentifier targetDBSnapshotIdentifier sourceDBClusterSnapshotIdentifier "
    "targetDBClusterSnapshotIdentifier dbiResourceId dbClusterResourceId s3BucketName",
    "redshift": "clusterIdentifier snapshotIdentifier dbUser",
    "rolesanywhere": "trustAnchorId profileId crlId trustAnchorArn profileArn roleArn name",
    "route53": "hostedZoneId id domainName",
    "route53resolver": "resolverQueryLogConfigId resourceId resolverEndpointId",
    "s3": "bucketName key bucket",
    "sagemaker": "notebookInstanceName endpointName modelName trainingJobName domainId "
    "userProfileName",
    "secretsmanager": "secretId name secretIdList",
    "securityhub": "standardsArn productArn findingIdentifiers.id",
    "sns": "topicArn subscriptionArn endpoint name targetArn",
    "sqs": "queueUrl queueName",
    "ssm": "name names path instanceId instanceIds target targets.values documentName resourceId "
    "commandId associationId automationExecutionId sessionId",
    "ssmmessages": "sessionId",
    "sso": "instanceArn permissionSetArn principalId targetId accountId account_id role_name "
    "roleName",
    "sts": "roleArn targetPrincipal name",
}

_CREATED: dict[str, str] = {
    "cloudtrail": "trailARN eventDataStoreArn",
    "ec2": "instancesSet.items.instanceId snapshotId volumeId imageId groupId vpc.vpcId "
    "subnet.subnetId keyPairId allocationId routeTable.routeTableId "
    "internetGateway.internetGatewayId networkInterface.networkInterfaceId networkAcl.networkAclId "
    "CreateNatGatewayResponse.natGateway.natGatewayId "
    "CreateLaunchTemplateResponse.launchTemplate.launchTemplateId",
    "iam": "user.arn role.arn group.arn policy.arn instanceProfile.arn accessKey.userName "
    "accessKey.accessKeyId sAMLProviderArn openIDConnectProviderArn virtualMFADevice.serialNumber",
    "kms": "keyMetadata.arn",
    "lambda": "functionArn",
    "organizations": "createAccountStatus.accountId organization.arn policy.policySummary.arn",
    "rds": "dBInstanceArn dBClusterArn dBSnapshotArn",
    "secretsmanager": "aRN arn",
    "sns": "topicArn",
    "sqs": "queueUrl",
}


def _compiled(paths: str) -> Paths:
    found: dict[str, list[tuple[str, ...]]] = {}
    for path in paths.split():
        first, *rest = path.split(".")
        found.setdefault(first, []).append(tuple(rest))
    return MappingProxyType({first: tuple(rest) for first, rest in found.items()})


REQUESTED: Mapping[str, Paths] = {name: _compiled(paths) for name, paths in _SERVICES.items()}
CREATED: Mapping[str, Paths] = {name: _compiled(paths) for name, paths in _CREATED.items()}
NO_PATHS: Paths = MappingProxyType({})

# IAM takes the user whose key signed the request, where none is named (IAM API Reference).
CALLERS_OWN: Mapping[str, frozenset[str]] = {
    "iam": frozenset(
        {
            "ChangePassword",
            "CreateAccessKey",
            "CreateLoginProfile",
            "DeleteAccessKey",
            "DeleteLoginProfile",
            "GetLoginProfile",
            "GetUser",
            "ListAccessKeys",
            "ListMFADevices",
            "ListSSHPublicKeys",
            "ListServiceSpecificCredentials",
            "ListSigningCertificates",
            "UploadSigningCertificate",
        }
    ),
}

# What names a target where a service has no conventions here, or none of them applies.
GENERIC_ENDS = (
    "Arn",
    "Id",
    "Name",
    "Identifier",
    "Arns",
    "Ids",
    "Names",
    "ARN",
    "ARNs",
    "Identifiers",
)
# Where one searched, not what one touched.
SCOPES = frozenset({"Filter", "Filters", "filter", "filterSet", "filters", "parameterFilters"})

# What ends so and names no target.
NOT_TARGETS = frozenset(
    {
        "attributeName",
        "clientRequestToken",
        "clientToken",
        "deviceName",
        "encryptionAlgorithm",
        "engine",
        "engineName",
        "maxResults",
        "nextToken",
        "ownerId",
        "regionName",
        "requestId",
        "roleSessionName",
        "runtime",
        "statementId",
        "tokenId",
        "versionId",
    }
)
