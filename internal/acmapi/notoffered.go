package acmapi

// notOffered are the operations of the API that are not carried out: certificates that ACM issues and renews itself, the ACME server for that, the search
// over them, and the account's settings of their events.
var notOffered = []string{
	"CreateAcmeDomainValidation", "CreateAcmeEndpoint", "CreateAcmeExternalAccountBinding", "DeleteAcmeDomainValidation", "DeleteAcmeEndpoint",
	"DeleteAcmeExternalAccountBinding", "DescribeAcmeAccount", "DescribeAcmeDomainValidation", "DescribeAcmeEndpoint",
	"DescribeAcmeExternalAccountBinding", "GetAccountConfiguration", "GetAcmeExternalAccountBindingCredentials", "ListAcmeAccounts",
	"ListAcmeDomainValidations", "ListAcmeEndpoints", "ListAcmeExternalAccountBindings", "ListCertificateDomainValidations", "ListTagsForResource",
	"PutAccountConfiguration", "RenewCertificate", "RequestCertificate", "ResendValidationEmail", "RevokeAcmeAccount",
	"RevokeAcmeExternalAccountBinding", "RevokeCertificate", "SearchCertificates", "TagResource", "UntagResource", "UpdateAcmeDomainValidation",
	"UpdateAcmeEndpoint", "UpdateCertificateOptions",
}
