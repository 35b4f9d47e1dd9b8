package iam

import (
	"slices"
	"strings"
)

// KeyType is the type of the values of a condition key. The zero value is a string.
type KeyType int

// The types of values.
const (
	StringKey KeyType = iota
	BoolKey
	ARNKey
	DateKey
	NumberKey
	IPKey
	BinaryKey
)

var keyTypeNames = [...]string{"string", "boolean", "ARN", "date", "number", "IP address", "binary"}

func (t KeyType) String() string { return keyTypeNames[t] }

// Key is what is known of a condition key.
type Key struct {
	Name        string // as the documentation has it; one that ends in / or : takes a name behind it
	Type        KeyType
	Multivalued bool // a request can have several values of it
	Chosen      bool // whoever makes the request chooses the value, or leaves it out
}

// The order of the columns of the table, for its reader: type, multivalued, chosen by the caller.
var keys = []Key{
	{"aws:AssumedRoot", BoolKey, false, false},
	{"aws:CalledVia", StringKey, true, false},
	{"aws:CalledViaFirst", StringKey, false, false},
	{"aws:CalledViaLast", StringKey, false, false},
	{"aws:CurrentTime", DateKey, false, false},
	{"aws:EpochTime", DateKey, false, false},
	{"aws:FederatedProvider", StringKey, false, false},
	{"aws:MultiFactorAuthAge", NumberKey, false, true},
	{"aws:MultiFactorAuthPresent", BoolKey, false, true},
	{"aws:PrincipalAccount", StringKey, false, false},
	{"aws:PrincipalArn", ARNKey, false, false},
	{"aws:PrincipalIsAWSService", BoolKey, false, false},
	{"aws:PrincipalOrgID", StringKey, false, false},
	{"aws:PrincipalOrgPaths", StringKey, true, false},
	{"aws:PrincipalServiceName", StringKey, false, false},
	{"aws:PrincipalServiceNamesList", StringKey, true, false},
	{"aws:PrincipalTag/", StringKey, false, false},
	{"aws:PrincipalType", StringKey, false, false},
	{"aws:Referer", StringKey, false, true},
	{"aws:RequestedRegion", StringKey, false, false},
	{"aws:RequestTag/", StringKey, false, true},
	{"aws:ResourceAccount", StringKey, false, false},
	{"aws:ResourceOrgID", StringKey, false, false},
	{"aws:ResourceOrgPaths", StringKey, true, false},
	{"aws:ResourceTag/", StringKey, false, false},
	{"aws:SecureTransport", BoolKey, false, false},
	{"aws:SourceAccount", StringKey, false, false},
	{"aws:SourceArn", ARNKey, false, false},
	{"aws:SourceIdentity", StringKey, false, false},
	{"aws:SourceIp", IPKey, false, false},
	{"aws:SourceOrgID", StringKey, false, false},
	{"aws:SourceOrgPaths", StringKey, true, false},
	{"aws:SourceVpc", StringKey, false, false},
	{"aws:SourceVpcArn", ARNKey, false, false},
	{"aws:SourceVpce", StringKey, false, false},
	{"aws:TagKeys", StringKey, true, true},
	{"aws:TokenIssueTime", DateKey, false, false},
	{"aws:UserAgent", StringKey, false, true},
	{"aws:userid", StringKey, false, false},
	{"aws:username", StringKey, false, false},
	{"aws:ViaAWSService", BoolKey, false, false},
	{"aws:VpceAccount", StringKey, false, false},
	{"aws:VpceOrgID", StringKey, false, false},
	{"aws:VpceOrgPaths", StringKey, true, false},
	{"aws:VpcSourceIp", IPKey, false, false},

	{"iam:AssociatedResourceArn", ARNKey, false, false},
	{"iam:AWSServiceName", StringKey, false, true},
	{"iam:FIDO-certification", StringKey, false, true},
	{"iam:FIDO-FIPS-140-2-certification", StringKey, false, true},
	{"iam:FIDO-FIPS-140-3-certification", StringKey, false, true},
	{"iam:OrganizationsPolicyId", StringKey, false, false},
	{"iam:PassedToService", StringKey, false, false},
	{"iam:PermissionsBoundary", ARNKey, false, true},
	{"iam:PolicyARN", ARNKey, false, true},
	{"iam:RegisterSecurityKey", StringKey, false, true},
	{"iam:ResourceTag/", StringKey, false, false},
	{"iam:ServiceSpecificCredentialAgeDays", NumberKey, false, true},
	{"iam:ServiceSpecificCredentialServiceName", StringKey, false, true},

	{"kms:BypassPolicyLockoutSafetyCheck", BoolKey, false, true},
	{"kms:CallerAccount", StringKey, false, false},
	{"kms:CustomerMasterKeySpec", StringKey, false, true},
	{"kms:CustomerMasterKeyUsage", StringKey, false, true},
	{"kms:DataKeyPairSpec", StringKey, false, true},
	{"kms:EncryptionAlgorithm", StringKey, false, true},
	{"kms:EncryptionContext:", StringKey, false, true},
	{"kms:EncryptionContextKeys", StringKey, true, true},
	{"kms:ExpirationModel", StringKey, false, true},
	{"kms:GrantConstraintSourceArn", ARNKey, false, true},
	{"kms:GrantConstraintType", StringKey, false, true},
	{"kms:GranteePrincipal", ARNKey, false, true},
	{"kms:GranteeServicePrincipal", StringKey, false, true},
	{"kms:GrantIsForAWSResource", BoolKey, false, false},
	{"kms:GrantOperations", StringKey, true, true},
	{"kms:KeyAgreementAlgorithm", StringKey, false, true},
	{"kms:KeyOrigin", StringKey, false, false},
	{"kms:KeySpec", StringKey, false, false},
	{"kms:KeyUsage", StringKey, false, false},
	{"kms:MacAlgorithm", StringKey, false, true},
	{"kms:MessageType", StringKey, false, true},
	{"kms:MultiRegion", BoolKey, false, false},
	{"kms:MultiRegionKeyType", StringKey, false, false},
	{"kms:PrimaryRegion", StringKey, false, true},
	{"kms:ReEncryptOnSameKey", BoolKey, false, false},
	{"kms:ReplicaRegion", StringKey, false, true},
	{"kms:RequestAlias", StringKey, false, true},
	{"kms:ResourceAliases", StringKey, true, false},
	{"kms:RetiringPrincipal", ARNKey, false, true},
	{"kms:RetiringServicePrincipal", StringKey, false, true},
	{"kms:RotationPeriodInDays", NumberKey, false, true},
	{"kms:ScheduleKeyDeletionPendingWindowInDays", NumberKey, false, true},
	{"kms:SigningAlgorithm", StringKey, false, true},
	{"kms:ValidTo", DateKey, false, true},
	{"kms:ViaService", StringKey, false, false},
	{"kms:WrappingAlgorithm", StringKey, false, true},
	{"kms:WrappingKeySpec", StringKey, false, true},

	{"mediaconvert:HttpInputsAllowed", BoolKey, false, false},
	{"mediaconvert:HttpsInputsAllowed", BoolKey, false, false},
	{"mediaconvert:S3InputsAllowed", BoolKey, false, false},

	{"s3:AccessGrantsInstanceArn", ARNKey, false, false},
	{"s3:AccessPointNetworkOrigin", StringKey, false, false},
	{"s3:authType", StringKey, false, true},
	{"s3:BucketTag/", StringKey, false, false},
	{"s3:DataAccessPointAccount", StringKey, false, false},
	{"s3:DataAccessPointArn", ARNKey, false, false},
	{"s3:delimiter", StringKey, false, true},
	{"s3:ExistingObjectTag/", StringKey, false, false},
	{"s3:if-match", StringKey, false, true},
	{"s3:if-none-match", StringKey, false, true},
	{"s3:LocationConstraint", StringKey, false, true},
	{"s3:max-keys", NumberKey, false, true},
	{"s3:object-lock-legal-hold", StringKey, false, true},
	{"s3:object-lock-mode", StringKey, false, true},
	{"s3:object-lock-remaining-retention-days", NumberKey, false, true},
	{"s3:object-lock-retain-until-date", DateKey, false, true},
	{"s3:ObjectCreationOperation", BoolKey, false, false},
	{"s3:prefix", StringKey, false, true},
	{"s3:RequestObjectTag/", StringKey, false, true},
	{"s3:RequestObjectTagKeys", StringKey, true, true},
	{"s3:ResourceAccount", StringKey, false, false},
	{"s3:signatureAge", NumberKey, false, true},
	{"s3:signatureversion", StringKey, false, true},
	{"s3:TlsVersion", NumberKey, false, true},
	{"s3:versionid", StringKey, false, true},
	{"s3:x-amz-acl", StringKey, false, true},
	{"s3:x-amz-content-sha256", StringKey, false, true},
	{"s3:x-amz-copy-source", StringKey, false, true},
	{"s3:x-amz-grant-full-control", StringKey, false, true},
	{"s3:x-amz-grant-read", StringKey, false, true},
	{"s3:x-amz-grant-read-acp", StringKey, false, true},
	{"s3:x-amz-grant-write", StringKey, false, true},
	{"s3:x-amz-grant-write-acp", StringKey, false, true},
	{"s3:x-amz-metadata-directive", StringKey, false, true},
	{"s3:x-amz-object-ownership", StringKey, false, true},
	{"s3:x-amz-server-side-encryption", StringKey, false, true},
	{"s3:x-amz-server-side-encryption-aws-kms-key-id", ARNKey, false, true},
	{"s3:x-amz-server-side-encryption-customer-algorithm", StringKey, false, true},
	{"s3:x-amz-storage-class", StringKey, false, true},
	{"s3:x-amz-website-redirect-location", StringKey, false, true},

	{"sts:AWSServiceName", StringKey, false, true},
	{"sts:DurationSeconds", NumberKey, false, true},
	{"sts:ExternalId", StringKey, false, true},
	{"sts:RequestContext/", StringKey, false, true},
	{"sts:RequestContextProviders", ARNKey, true, true},
	{"sts:RoleSessionName", StringKey, false, true},
	{"sts:SourceIdentity", StringKey, false, true},
	{"sts:TaskPolicyArn", ARNKey, false, true},
	{"sts:TransitiveTagKeys", StringKey, true, true},
}

// LookupKey returns what is known of a condition key, whose name is matched without regard to case.
func LookupKey(name string) (Key, bool) {
	name = lower(name)
	for _, k := range keys {
		if k.matches(name) {
			return k, true
		}
	}
	return Key{}, false
}

// open says whether the key takes a name behind it.
func (k Key) open() bool { return strings.HasSuffix(k.Name, "/") || strings.HasSuffix(k.Name, ":") }

// matches says whether a name in lower case is that of the key.
func (k Key) matches(name string) bool {
	if k.open() {
		return strings.HasPrefix(name, lower(k.Name)) && len(name) > len(k.Name)
	}
	return name == lower(k.Name)
}

// canonical writes the name of a key as the documentation does.
func canonical(name string) string {
	k, ok := LookupKey(name)
	switch {
	case !ok:
		return name
	case k.open():
		return k.Name + name[len(k.Name):]
	}
	return k.Name
}

// names is a set of condition keys.
type names []string

func (n *names) add(name string) {
	if !slices.ContainsFunc(*n, func(have string) bool { return equalFold(have, name) }) {
		*n = append(*n, canonical(name))
	}
}

// sorted are the names in order, without regard to case.
func (n names) sorted() []string {
	slices.SortFunc(n, func(a, b string) int { return strings.Compare(lower(a), lower(b)) })
	return n
}

// ContextKeys returns the condition keys that a policy depends on, those of its policy variables too, each once and in order, written as the
// documentation does. Source: IAM API, GetContextKeysForCustomPolicy.
func ContextKeys(p *Policy) []string {
	var out names
	if p == nil {
		return nil
	}
	for i := range p.Statements {
		s := &p.Statements[i]
		for _, x := range s.resources {
			x.parts[arnParts-1].variables(func(v templatePart) { out.add(v.name()) })
		}
		for j := range s.Conditions {
			out.add(s.Conditions[j].Key)
			s.Conditions[j].variables(func(v templatePart) { out.add(v.name()) })
		}
	}
	return out.sorted()
}

// variables yields the policy variables in the values of a condition.
func (c *Condition) variables(yield func(v templatePart)) {
	for _, o := range c.operands {
		o.text.variables(yield)
		for _, t := range o.arn {
			t.variables(yield)
		}
	}
}

// lacking are the keys of a condition that a request has no value of and that could change whether it holds: its own and those of its policy
// variables. Null that is met asks for nothing.
func (c *Condition) lacking(s scope) []string {
	var out names
	if len(s.values(c.key)) == 0 && (c.compare.holds != nil || c.holds(s) == no) {
		out.add(c.Key)
	}
	c.variables(func(v templatePart) {
		if v.blank(s) {
			out.add(v.name())
		}
	})
	return out
}

// blank says whether a policy variable has neither a value nor a default. An empty value is none.
func (p templatePart) blank(s scope) bool {
	return !p.hasDefault && !slices.ContainsFunc(s.values(p.key), func(v string) bool { return v != "" })
}

// missing are the keys that a request has no value of and that a statement about its action and resource needs. why is what authorize said of
// the statement.
func (e *evaluation) missing(s *Statement, why miss) []string {
	var out names
	switch why.element {
	case "", "Condition":
		for i := range s.Conditions {
			for _, k := range s.Conditions[i].lacking(e.scope) {
				out.add(k)
			}
		}
	case "Resource":
		for i := range s.resources {
			if _, resolved := s.resources[i].match(e.resource, e.scope); resolved {
				continue
			}
			s.resources[i].parts[arnParts-1].variables(func(v templatePart) {
				if v.blank(e.scope) {
					out.add(v.name())
				}
			})
		}
	}
	return out
}
