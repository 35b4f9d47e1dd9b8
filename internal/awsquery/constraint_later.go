package awsquery

// laterMembers has what is newer than the models that the table was made from, by service; laterShapes its shapes. They are what the API
// references say. A test tells what is missing in both, and when a newer table makes a row here superfluous.
var (
	laterMembers = map[string]map[string][]memberRow{
		"iam": {
			"AcquireRoleInput": {
				{"TemplateArn", "arnType", true}, {"ReplacementValues", "replacementValuesType", false}, {"TemplateMinorVersion", "minorVersionType", false},
			},
			"GetRoleTemplateVersionInput": {{"TemplateArn", "arnType", true}, {"MinorVersion", "minorVersionType", false}},
			"PutAccountPropertiesInput":   {{"Properties", "accountPropertiesType", true}},
			"ReplacementValueEntry":       {{"Values", "replacementValueListType", true}},
		},
		"sts": {
			"AssumeRoleInput":                {{"MinimumSessionTokenSize", "minimumSessionTokenSizeType", false}},
			"AssumeRoleWithSAMLInput":        {{"MinimumSessionTokenSize", "minimumSessionTokenSizeType", false}},
			"AssumeRoleWithWebIdentityInput": {{"MinimumSessionTokenSize", "minimumSessionTokenSizeType", false}},
			"AssumeRootInput":                {{"MinimumSessionTokenSize", "minimumSessionTokenSizeType", false}},
			"GetFederationTokenInput":        {{"MinimumSessionTokenSize", "minimumSessionTokenSizeType", false}},
			"GetSessionTokenInput":           {{"MinimumSessionTokenSize", "minimumSessionTokenSizeType", false}},
		},
	}
	laterShapes = map[string]constraintRow{
		"accountPropertiesType":       {minimum: noMinimum, maximum: noMaximum, item: "accountPropertyValueType", key: "accountPropertyKeyType"},
		"accountPropertyKeyType":      {minimum: 1, maximum: 50, pattern: "^[A-Za-z][A-Za-z0-9/_-]*$"},
		"accountPropertyValueType":    {minimum: 1, maximum: 1024},
		"minimumSessionTokenSizeType": {minimum: 0, maximum: 4096},
		"minorVersionType":            {minimum: noMinimum, maximum: noMaximum},
		"replacementValueListType":    {minimum: 1, maximum: 20, item: "replacementValueType"},
		"replacementValueType":        {minimum: noMinimum, maximum: noMaximum},
		"replacementValuesType":       {minimum: noMinimum, maximum: 30},
	}
)
