package constraint

// later has what is newer than the models that the tables were made from, as the API references say; it goes before the tables. A test tells what is
// missing in both.
var later = map[string]model{
	"acm": {
		members: map[string][]memberRow{"CertificateOptions": {{"ValidationMethod", "ValidationMethod", false}}},
	},
	"cloudtrail": {
		members: map[string][]memberRow{"LookupEventsInput": {{"MaxResults", "", false}}}, // the API has an exception of its own for what is out of range
	},
	"iam": {
		members: map[string][]memberRow{
			"AcquireRoleInput": {
				{"TemplateArn", "arnType", true}, {"ReplacementValues", "replacementValuesType", false}, {"TemplateMinorVersion", "minorVersionType", false},
			},
			"GetRoleTemplateVersionInput": {{"TemplateArn", "arnType", true}, {"MinorVersion", "minorVersionType", false}},
			"PutAccountPropertiesInput":   {{"Properties", "accountPropertiesType", true}},
			"ReplacementValueEntry":       {{"Values", "replacementValueListType", true}},
		},
		shapes: map[string]shapeRow{
			"accountPropertiesType":    {minimum: NoMinimum, maximum: NoMaximum, item: "accountPropertyValueType", key: "accountPropertyKeyType"},
			"accountPropertyKeyType":   {minimum: 1, maximum: 50, pattern: "^[A-Za-z][A-Za-z0-9/_-]*$"},
			"accountPropertyValueType": {minimum: 1, maximum: 1024},
			"minorVersionType":         {minimum: NoMinimum, maximum: NoMaximum},
			"replacementValueListType": {minimum: 1, maximum: 20, item: "replacementValueType"},
			"replacementValueType":     {minimum: NoMinimum, maximum: NoMaximum},
			"replacementValuesType":    {minimum: NoMinimum, maximum: 30},
		},
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
	"sts": {
		members: map[string][]memberRow{
			"AssumeRoleInput":                {{"MinimumSessionTokenSize", "minimumSessionTokenSizeType", false}},
			"AssumeRoleWithSAMLInput":        {{"MinimumSessionTokenSize", "minimumSessionTokenSizeType", false}},
			"AssumeRoleWithWebIdentityInput": {{"MinimumSessionTokenSize", "minimumSessionTokenSizeType", false}},
			"AssumeRootInput":                {{"MinimumSessionTokenSize", "minimumSessionTokenSizeType", false}},
			"GetFederationTokenInput":        {{"MinimumSessionTokenSize", "minimumSessionTokenSizeType", false}},
			"GetSessionTokenInput":           {{"MinimumSessionTokenSize", "minimumSessionTokenSizeType", false}},
		},
		shapes: map[string]shapeRow{
			"minimumSessionTokenSizeType": {minimum: 0, maximum: 4096},
		},
	},
}
