package awsquery

// laterMembers and laterShapes say of the newest operations of IAM, which the models that the table is made from do not have, what the API
// reference says of them. What is in the table goes before; a test tells when all is there.
var (
	laterMembers = map[string][]memberRow{
		"AcquireRoleInput": {
			{"TemplateArn", "arnType", true}, {"ReplacementValues", "replacementValuesType", false}, {"TemplateMinorVersion", "minorVersionType", false},
		},
		"GetRoleTemplateVersionInput": {{"TemplateArn", "arnType", true}, {"MinorVersion", "minorVersionType", false}},
		"PutAccountPropertiesInput":   {{"Properties", "accountPropertiesType", true}},
		"ReplacementValueEntry":       {{"Values", "replacementValueListType", true}},
	}
	laterShapes = map[string]constraintRow{
		"accountPropertiesType":    {minimum: noMinimum, maximum: noMaximum, item: "accountPropertyValueType", key: "accountPropertyKeyType"},
		"accountPropertyKeyType":   {minimum: 1, maximum: 50, pattern: "^[A-Za-z][A-Za-z0-9/_-]*$"},
		"accountPropertyValueType": {minimum: 1, maximum: 1024},
		"minorVersionType":         {minimum: noMinimum, maximum: noMaximum},
		"replacementValueListType": {minimum: 1, maximum: 20, item: "replacementValueType"},
		"replacementValueType":     {minimum: noMinimum, maximum: noMaximum},
		"replacementValuesType":    {minimum: noMinimum, maximum: 30},
	}
)
