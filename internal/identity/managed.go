package identity

import (
	"strings"
	"sync"
	"time"
)

// managedSince is the time that the policies of AWS's own carry here; theirs differ from one to the next and mean nothing.
var managedSince = time.Date(2017, 11, 27, 0, 0, 0, 0, time.UTC)

// managedPrefix begins the ARNs of policies that belong to every account and cannot be changed.
const managedPrefix = "arn:aws:iam::aws:policy/"

// awsPolicies are the managed policies that MediaConvert's documentation names, and those that administration begins with. Actions of services
// that an installation does not have are left out.
var awsPolicies = sync.OnceValue(func() map[string]*Entity {
	out := make(map[string]*Entity)
	for _, p := range [...]struct{ name, description, statements string }{
		{
			"AdministratorAccess", "Provides full access to services and resources.",
			`{"Effect":"Allow","Action":"*","Resource":"*"}`,
		},
		{
			"AWSElementalMediaConvertFullAccess", "Provides full access to AWS Elemental MediaConvert via the API and SDK.",
			`{"Effect":"Allow","Action":["mediaconvert:*","s3:ListAllMyBuckets","s3:ListBucket"],"Resource":"*"},` +
				`{"Effect":"Allow","Action":["iam:PassRole"],"Resource":"*","Condition":{"StringLike":{"iam:PassedToService":["mediaconvert.amazonaws.com"]}}}`,
		},
		{
			"AWSElementalMediaConvertReadOnly", "Provides read only access to AWS Elemental MediaConvert via the API and SDK.",
			`{"Effect":"Allow","Action":["mediaconvert:Get*","mediaconvert:List*","mediaconvert:DescribeEndpoints","s3:ListAllMyBuckets","s3:ListBucket"],"Resource":"*"}`,
		},
		{
			"AWSElementalMediaConvertConsoleAccess", "Provides what the console of AWS Elemental MediaConvert needs to list and view resources and to submit jobs.",
			`{"Effect":"Allow","Action":["mediaconvert:*","iam:ListRoles","s3:ListAllMyBuckets","s3:ListBucket","s3:GetBucketLocation"],"Resource":"*"},` +
				`{"Effect":"Allow","Action":["iam:PassRole"],"Resource":"*","Condition":{"StringLike":{"iam:PassedToService":["mediaconvert.amazonaws.com"]}}}`,
		},
		{
			"AmazonS3FullAccess", "Provides full access to all buckets.",
			`{"Effect":"Allow","Action":["s3:*"],"Resource":"*"}`,
		},
		{
			"AmazonS3ReadOnlyAccess", "Provides read only access to all buckets.",
			`{"Effect":"Allow","Action":["s3:Get*","s3:List*"],"Resource":"*"}`,
		},
		{
			"AmazonAPIGatewayInvokeFullAccess", "Provides full access to invoke APIs in Amazon API Gateway.",
			`{"Effect":"Allow","Action":["execute-api:Invoke"],"Resource":"*"}`,
		},
		{
			"AWSCertificateManagerFullAccess", "Provides full access to AWS Certificate Manager (ACM).",
			`{"Effect":"Allow","Action":["acm:*"],"Resource":"*"}`,
		},
		{
			"AWSCertificateManagerReadOnly", "Provides read only access to AWS Certificate Manager (ACM).",
			`{"Effect":"Allow","Action":["acm:DescribeCertificate","acm:ListCertificates","acm:GetCertificate","acm:ListTagsForCertificate","acm:GetAccountConfiguration"],"Resource":"*"}`,
		},
		{
			"IAMFullAccess", "Provides full access to IAM.",
			`{"Effect":"Allow","Action":["iam:*"],"Resource":"*"}`,
		},
		{
			"IAMReadOnlyAccess", "Provides read only access to IAM.",
			`{"Effect":"Allow","Action":["iam:GenerateCredentialReport","iam:Get*","iam:List*","iam:SimulateCustomPolicy","iam:SimulatePrincipalPolicy"],"Resource":"*"}`,
		},
	} {
		e := &Entity{
			Kind: Policy, ID: "ANPA" + strings.ToUpper(padded(p.name, 17)), Name: p.name, Path: "/", Description: p.description, Created: managedSince, Updated: managedSince,
			Versions: []Version{{ID: "v1", Document: `{"Version":"2012-10-17","Statement":[` + p.statements + `]}`, Created: managedSince}}, Default: "v1", LastVersion: 1,
		}
		e.compile("aws")
		out[managedPrefix+p.name] = e
	}
	return out
})

// padded makes n letters of a name, the same each time.
func padded(name string, n int) string {
	return (name + strings.Repeat("X", n))[len(name)-min(len(name), n):][:n]
}

// awsManaged returns a policy of AWS's own by its ARN; nil if there is none.
func awsManaged(name string) *Entity { return awsPolicies()[name] }

// AWSManaged returns the managed policies of AWS's own, in no order.
func AWSManaged() []*Entity {
	var out []*Entity
	for _, e := range awsPolicies() {
		out = append(out, e)
	}
	return out
}

// IsAWSManaged says whether an ARN is that of a policy of AWS's own, there or not.
func IsAWSManaged(name string) bool { return strings.HasPrefix(name, managedPrefix) }
