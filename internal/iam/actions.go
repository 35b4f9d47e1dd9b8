package iam

import (
	"slices"
	"strings"
)

// serviceActions is what is known of the actions of a service.
type serviceActions struct {
	complete bool // every action is known
	actions  []knownAction
}

// knownAction is what is known of one action.
type knownAction struct {
	name string
	// on are the resources that it is asked on: what the last part of their ARNs begins with, * for none, bucket and object for those of S3.
	// Nil where nothing is known.
	on   []string
	keys []string // of those in dependent, which it has
}

// dependent are the keys of aws: and of a service itself that some actions have and others have not.
var dependent = map[string][]string{
	"mediaconvert": {
		"aws:requesttag/", "aws:tagkeys", "aws:resourcetag/",
		"mediaconvert:httpinputsallowed", "mediaconvert:httpsinputsallowed", "mediaconvert:s3inputsallowed",
	},
}

// inputKeys say what the input policy of an account allows.
var inputKeys = []string{"mediaconvert:httpinputsallowed", "mediaconvert:httpsinputsallowed", "mediaconvert:s3inputsallowed"}

var (
	requestTags = []string{"aws:requesttag/", "aws:tagkeys"}
	tagKeys     = []string{"aws:tagkeys"}
	onTags      = []string{"aws:resourcetag/"}

	onNothing  = []string{"*"}
	onTaggable = []string{"jobs/", "jobTemplates/", "presets/", "queues/"}
)

// services are those whose actions are known. Source: Service Authorization Reference; the operations of the SDKs.
var services = map[string]serviceActions{
	"mediaconvert": {true, []knownAction{
		{"AssociateCertificate", onNothing, nil},
		{"CancelJob", []string{"jobs/"}, onTags},
		{"CreateJob", []string{"queues/", "jobTemplates/", "presets/"}, slices.Concat(requestTags, onTags, inputKeys)},
		{"CreateJobTemplate", []string{"*", "presets/", "queues/"}, slices.Concat(requestTags, onTags)},
		{"CreatePreset", onNothing, slices.Concat(requestTags, onTags)},
		{"CreateQueue", onNothing, slices.Concat(requestTags, onTags)},
		{"CreateResourceShare", []string{"jobs/"}, onTags},
		{"DeleteJobTemplate", []string{"jobTemplates/"}, onTags},
		{"DeletePolicy", onNothing, nil},
		{"DeletePreset", []string{"presets/"}, onTags},
		{"DeleteQueue", []string{"queues/"}, onTags},
		{"DescribeEndpoints", onNothing, nil},
		{"DisassociateCertificate", onNothing, nil},
		{"GetJob", []string{"jobs/"}, onTags},
		{"GetJobTemplate", []string{"jobTemplates/"}, onTags},
		{"GetJobsQueryResults", onNothing, nil},
		{"GetPolicy", onNothing, nil},
		{"GetPreset", []string{"presets/"}, onTags},
		{"GetQueue", []string{"queues/"}, onTags},
		{"ListJobTemplates", onNothing, nil},
		{"ListJobs", []string{"*", "queues/"}, onTags},
		{"ListPresets", onNothing, nil},
		{"ListQueues", onNothing, nil},
		{"ListTagsForResource", onTaggable, onTags},
		{"ListVersions", onNothing, nil},
		{"Probe", onNothing, nil},
		{"PutPolicy", onNothing, nil},
		{"SearchJobs", []string{"*", "queues/"}, onTags},
		{"StartJobsQuery", onNothing, nil},
		{"TagResource", onTaggable, slices.Concat(requestTags, onTags)},
		{"UntagResource", onTaggable, slices.Concat(tagKeys, onTags)},
		{"UpdateJobTemplate", []string{"jobTemplates/", "presets/", "queues/"}, onTags},
		{"UpdatePreset", []string{"presets/"}, onTags},
		{"UpdateQueue", []string{"queues/"}, onTags},
	}},
	"sts": {true, actionsNamed(nil, `AssumeRole AssumeRoleWithSAML AssumeRoleWithWebIdentity AssumeRoot DecodeAuthorizationMessage GetAccessKeyInfo
		GetCallerIdentity GetDelegatedAccessToken GetFederationToken GetServiceBearerToken GetSessionToken GetWebIdentityToken SetContext
		SetSourceIdentity TagGetWebIdentityToken TagSession`)},
	"s3": {false, slices.Concat(
		actionsNamed([]string{"object"}, `AbortMultipartUpload BypassGovernanceRetention DeleteObject DeleteObjectTagging DeleteObjectVersion
			DeleteObjectVersionTagging GetObject GetObjectAcl GetObjectAttributes GetObjectLegalHold GetObjectRetention GetObjectTagging
			GetObjectTorrent GetObjectVersion GetObjectVersionAcl GetObjectVersionAttributes GetObjectVersionForReplication
			GetObjectVersionTagging GetObjectVersionTorrent InitiateReplication ListMultipartUploadParts ObjectOwnerOverrideToBucketOwner
			PutObject PutObjectAcl PutObjectLegalHold PutObjectRetention PutObjectTagging PutObjectVersionAcl PutObjectVersionTagging
			ReplicateDelete ReplicateObject ReplicateTags RestoreObject UpdateObjectEncryption`),
		actionsNamed([]string{"bucket"}, `CreateBucket CreateBucketMetadataTableConfiguration DeleteBucket DeleteBucketMetadataTableConfiguration
			DeleteBucketPolicy DeleteBucketWebsite GetAccelerateConfiguration GetAnalyticsConfiguration GetBucketAbac GetBucketAcl
			GetBucketCORS GetBucketLocation GetBucketLogging GetBucketMetadataTableConfiguration GetBucketNotification
			GetBucketObjectLockConfiguration GetBucketOwnershipControls GetBucketPolicy GetBucketPolicyStatus GetBucketPublicAccessBlock
			GetBucketRequestPayment GetBucketTagging GetBucketVersioning GetBucketWebsite GetEncryptionConfiguration
			GetIntelligentTieringConfiguration GetInventoryConfiguration GetLifecycleConfiguration GetMetricsConfiguration
			GetReplicationConfiguration ListBucket ListBucketMultipartUploads ListBucketVersions PutAccelerateConfiguration
			PutAnalyticsConfiguration PutBucketAbac PutBucketAcl PutBucketCORS PutBucketLogging PutBucketNotification
			PutBucketObjectLockConfiguration PutBucketOwnershipControls PutBucketPolicy PutBucketPublicAccessBlock PutBucketRequestPayment
			PutBucketTagging PutBucketVersioning PutBucketWebsite PutEncryptionConfiguration PutIntelligentTieringConfiguration
			PutInventoryConfiguration PutLifecycleConfiguration PutMetricsConfiguration PutReplicationConfiguration`),
		actionsNamed(onNothing, `GetAccountPublicAccessBlock ListAllMyBuckets PutAccountPublicAccessBlock`),
		actionsNamed(nil, `CreateAccessPoint CreateJob CreateSession DeleteAccessPoint DeleteAccessPointPolicy DescribeJob GetAccessPoint
			GetAccessPointPolicy GetAccessPointPolicyStatus ListAccessPoints ListJobs ListTagsForResource PutAccessPointPolicy TagResource
			UntagResource UpdateJobPriority UpdateJobStatus`),
	)},
	"execute-api": {true, actionsNamed(nil, `Invoke InvalidateCache ManageConnections`)},
	"acm": {false, slices.Concat(
		actionsNamed([]string{"certificate/"}, `AddTagsToCertificate DeleteCertificate DescribeCertificate ExportCertificate GetCertificate ImportCertificate
			ListTagsForCertificate RemoveTagsFromCertificate RenewCertificate ResendValidationEmail RevokeCertificate UpdateCertificateOptions`),
		actionsNamed([]string{"*", "certificate/"}, `RequestCertificate`),
		actionsNamed(onNothing, `GetAccountConfiguration ListCertificates PutAccountConfiguration`),
		actionsNamed(nil, `ListTagsForResource SearchCertificates TagResource UntagResource`),
	)},
	"kms": {false, actionsNamed(nil, `CancelKeyDeletion ConnectCustomKeyStore CreateAlias CreateCustomKeyStore CreateGrant CreateKey Decapsulate Decrypt DeleteAlias
		DeleteCustomKeyStore DeleteImportedKeyMaterial DeriveSharedSecret DescribeCustomKeyStores DescribeKey DisableKey DisableKeyRotation
		DisconnectCustomKeyStore EnableKey EnableKeyRotation Encapsulate Encrypt GenerateDataKey GenerateDataKeyPair GenerateDataKeyPairWithoutPlaintext
		GenerateDataKeyWithoutPlaintext GenerateMac GenerateRandom GetKeyLastUsage GetKeyPolicy GetKeyRotationStatus GetParametersForImport GetPublicKey
		ImportKeyMaterial ListAliases ListGrants ListKeyPolicies ListKeyRotations ListKeys ListResourceTags ListRetirableGrants PutKeyPolicy
		ReEncryptFrom ReEncryptTo ReplicateKey RetireGrant RevokeGrant RotateKeyOnDemand ScheduleKeyDeletion Sign SynchronizeMultiRegionKey
		TagResource UntagResource UpdateAlias UpdateCustomKeyStore UpdateKeyDescription UpdatePrimaryRegion Verify VerifyMac`)},
	"iam": {false, actionsNamed(nil, `AddClientIDToOpenIDConnectProvider AddRoleToInstanceProfile AddUserToGroup AttachGroupPolicy AttachRolePolicy
		AttachUserPolicy ChangePassword CreateAccessKey CreateAccountAlias CreateGroup CreateInstanceProfile CreateLoginProfile
		CreateOpenIDConnectProvider CreatePolicy CreatePolicyVersion CreateRole CreateSAMLProvider CreateServiceLinkedRole
		CreateServiceSpecificCredential CreateUser CreateVirtualMFADevice DeactivateMFADevice DeleteAccessKey DeleteAccountAlias
		DeleteAccountPasswordPolicy DeleteGroup DeleteGroupPolicy DeleteInstanceProfile DeleteLoginProfile DeleteOpenIDConnectProvider
		DeletePolicy DeletePolicyVersion DeleteRole DeleteRolePermissionsBoundary DeleteRolePolicy DeleteSAMLProvider DeleteSSHPublicKey
		DeleteServerCertificate DeleteServiceLinkedRole DeleteServiceSpecificCredential DeleteSigningCertificate DeleteUser
		DeleteUserPermissionsBoundary DeleteUserPolicy DeleteVirtualMFADevice DetachGroupPolicy DetachRolePolicy DetachUserPolicy
		EnableMFADevice GenerateCredentialReport GenerateOrganizationsAccessReport GenerateServiceLastAccessedDetails GetAccessKeyLastUsed
		GetAccountAuthorizationDetails GetAccountEmailAddress GetAccountName GetAccountPasswordPolicy GetAccountSummary
		GetContextKeysForCustomPolicy GetContextKeysForPrincipalPolicy GetCredentialReport GetGroup GetGroupPolicy GetInstanceProfile
		GetLoginProfile GetMFADevice GetOpenIDConnectProvider GetOrganizationsAccessReport GetPolicy GetPolicyVersion GetRole GetRolePolicy
		GetSAMLProvider GetSSHPublicKey GetServerCertificate GetServiceLastAccessedDetails GetServiceLastAccessedDetailsWithEntities
		GetServiceLinkedRoleDeletionStatus GetUser GetUserPolicy ListAccessKeys ListAccountAliases ListAttachedGroupPolicies
		ListAttachedRolePolicies ListAttachedUserPolicies ListEntitiesForPolicy ListGroupPolicies ListGroups ListGroupsForUser
		ListInstanceProfileTags ListInstanceProfiles ListInstanceProfilesForRole ListMFADeviceTags ListMFADevices
		ListOpenIDConnectProviderTags ListOpenIDConnectProviders ListPolicies ListPoliciesGrantingServiceAccess ListPolicyTags
		ListPolicyVersions ListRolePolicies ListRoleTags ListRoles ListSAMLProviderTags ListSAMLProviders ListSSHPublicKeys
		ListSTSRegionalEndpointsStatus ListServerCertificateTags ListServerCertificates ListServiceSpecificCredentials
		ListSigningCertificates ListUserPolicies ListUserTags ListUsers ListVirtualMFADevices PassRole PutGroupPolicy
		PutRolePermissionsBoundary PutRolePolicy PutUserPermissionsBoundary PutUserPolicy RemoveClientIDFromOpenIDConnectProvider
		RemoveRoleFromInstanceProfile RemoveUserFromGroup ResetServiceSpecificCredential ResyncMFADevice SetDefaultPolicyVersion
		SetSTSRegionalEndpointStatus SetSecurityTokenServicePreferences SimulateCustomPolicy SimulatePrincipalPolicy TagInstanceProfile
		TagMFADevice TagOpenIDConnectProvider TagPolicy TagRole TagSAMLProvider TagServerCertificate TagUser UntagInstanceProfile
		UntagMFADevice UntagOpenIDConnectProvider UntagPolicy UntagRole UntagSAMLProvider UntagServerCertificate UntagUser UpdateAccessKey
		UpdateAccountPasswordPolicy UpdateAssumeRolePolicy UpdateGroup UpdateLoginProfile UpdateOpenIDConnectProviderThumbprint UpdateRole
		UpdateRoleDescription UpdateSAMLProvider UpdateSSHPublicKey UpdateServerCertificate UpdateServiceSpecificCredential
		UpdateSigningCertificate UpdateUser UploadSSHPublicKey UploadServerCertificate UploadSigningCertificate`)},
}

// actionsNamed makes actions of their names.
func actionsNamed(on []string, names string) []knownAction {
	var out []knownAction
	for _, n := range strings.Fields(names) {
		out = append(out, knownAction{n, on, nil})
	}
	return out
}

// known returns the known actions that a pattern matches. ok is false where nothing is known of its service.
func (p actionPattern) known() (matched []knownAction, s serviceActions, ok bool) {
	s, ok = services[p.vendor]
	for _, a := range s.actions {
		if p.match(p.vendor, lower(a.name)) {
			matched = append(matched, a)
		}
	}
	return matched, s, ok
}

// nearest returns the candidate that differs least from a name, without regard to case; empty if none is near.
func nearest(name string, candidates []string) string {
	best, least := "", max(2, len(name)/4)+1
	for _, c := range candidates {
		if d := distance(lower(name), lower(c)); d < least {
			best, least = c, d
		}
	}
	return best
}

// maxCompared bounds the names that are compared; those of the language are shorter.
const maxCompared = 128

// distance is the edit distance of Levenshtein.
func distance(a, b string) int {
	if len(a) > maxCompared {
		return len(a)
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			diagonal, row[j+1] = row[j+1], min(row[j]+1, row[j+1]+1, diagonal+cost)
		}
	}
	return row[len(b)]
}
