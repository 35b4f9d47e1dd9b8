package constraint

// later has what is newer than the models that the tables were made from, as the API references say; it goes before the tables. A test tells what is
// missing in both.
var later = map[string]model{
	"acm": {
		members: map[string][]memberRow{"CertificateOptions": {{"ValidationMethod", "ValidationMethod", false}}},
	},
	"kms": {
		members: map[string][]memberRow{
			"CreateGrantInput": { // one of two principals, which the service says
				{"GranteePrincipal", "PrincipalIdType", false}, {"GranteeServicePrincipal", "ServicePrincipalType", false}, {"RetiringServicePrincipal", "ServicePrincipalType", false},
			},
			"GrantConstraints":         {{"SourceArn", "SourceArnType", false}},
			"ListGrantsInput":          {{"GranteeServicePrincipal", "ServicePrincipalType", false}},
			"ListRetirableGrantsInput": {{"RetiringPrincipal", "PrincipalIdType", false}, {"RetiringServicePrincipal", "ServicePrincipalType", false}},
		},
		shapes: map[string]shapeRow{
			"ServicePrincipalType": {minimum: 1, maximum: 256},
			"SourceArnType":        {minimum: 20, maximum: 2048},
		},
	},
}
