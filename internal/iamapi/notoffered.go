package iamapi

// notOffered are the operations of the API that are not carried out: consoles and their passwords, instance profiles and other things of EC2, keys and
// certificates for services that are not here, SAML, reports, and the organization's side of IAM.
var notOffered = []string{
	"AcceptDelegationRequest", "AcquireRole", "AddRoleToInstanceProfile", "AssociateDelegationRequest", "ChangePassword",
	"CreateDelegationRequest", "CreateInstanceProfile", "CreateLoginProfile", "CreateSAMLProvider", "CreateServiceLinkedRole",
	"CreateServiceSpecificCredential", "DeleteAccountPasswordPolicy", "DeleteInstanceProfile", "DeleteLoginProfile", "DeleteSAMLProvider",
	"DeleteSSHPublicKey", "DeleteServerCertificate", "DeleteServiceLinkedRole", "DeleteServiceSpecificCredential", "DeleteSigningCertificate",
	"DisableOrganizationsRootCredentialsManagement", "DisableOrganizationsRootSessions", "DisableOutboundWebIdentityFederation",
	"EnableOrganizationsRootCredentialsManagement", "EnableOrganizationsRootSessions", "EnableOutboundWebIdentityFederation",
	"GenerateCredentialReport", "GenerateOrganizationsAccessReport", "GenerateServiceLastAccessedDetails", "GetAccountPasswordPolicy",
	"GetAccountProperties", "GetCredentialReport", "GetDelegationRequest", "GetHumanReadableSummary", "GetInstanceProfile", "GetLoginProfile",
	"GetOrganizationsAccessReport", "GetOutboundWebIdentityFederationInfo", "GetRoleTemplateVersion", "GetSAMLProvider", "GetSSHPublicKey",
	"GetServerCertificate", "GetServiceLastAccessedDetails", "GetServiceLastAccessedDetailsWithEntities", "GetServiceLinkedRoleDeletionStatus",
	"ListDelegationRequests", "ListInstanceProfileTags", "ListInstanceProfiles", "ListOrganizationsFeatures",
	"ListPoliciesGrantingServiceAccess", "ListSAMLProviderTags", "ListSAMLProviders", "ListSSHPublicKeys", "ListServerCertificateTags",
	"ListServerCertificates", "ListServiceSpecificCredentials", "ListSigningCertificates", "PutAccountProperties", "RejectDelegationRequest",
	"RemoveRoleFromInstanceProfile", "ResetServiceSpecificCredential", "SendDelegationToken", "SetSecurityTokenServicePreferences",
	"TagInstanceProfile", "TagSAMLProvider", "TagServerCertificate", "UntagInstanceProfile", "UntagSAMLProvider", "UntagServerCertificate",
	"UpdateAccountPasswordPolicy", "UpdateDelegationRequest", "UpdateLoginProfile", "UpdateSAMLProvider", "UpdateSSHPublicKey",
	"UpdateServerCertificate", "UpdateServiceSpecificCredential", "UpdateSigningCertificate", "UploadSSHPublicKey", "UploadServerCertificate",
	"UploadSigningCertificate",
}
