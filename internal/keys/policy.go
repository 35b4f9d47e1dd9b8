package keys

import (
	"context"
	"strings"
	"sync"

	"darkroom/internal/iam"
)

// PolicyName is the name of the one policy that a key has.
const PolicyName = "default"

// DefaultPolicy is the key policy of a key that was made without one: it leaves everything to the IAM policies of the account.
// Source: Developer Guide, "Default key policy".
func DefaultPolicy(account string) string {
	return `{
  "Version" : "2012-10-17",
  "Id" : "key-default-1",
  "Statement" : [ {
    "Sid" : "Enable IAM User Permissions",
    "Effect" : "Allow",
    "Principal" : {
      "AWS" : "arn:aws:iam::` + account + `:root"
    },
    "Action" : "kms:*",
    "Resource" : "*"
  } ]
}`
}

// managedPolicy is the key policy of the key that a service encrypts with where nobody named one: all of the account may use it through the service, and
// nobody may change it. Source: Developer Guide, "AWS managed keys"; the policy of alias/aws/s3.
func managedPolicy(account, region, service string) string {
	words := strings.ReplaceAll(service, "-", " ") // no dash stands in a Sid
	return `{
  "Version" : "2012-10-17",
  "Id" : "auto-` + service + `-2",
  "Statement" : [ {
    "Sid" : "Allow access through ` + words + ` for all principals in the account that are authorized to use it",
    "Effect" : "Allow",
    "Principal" : {
      "AWS" : "*"
    },
    "Action" : [ "kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:DescribeKey" ],
    "Resource" : "*",
    "Condition" : {
      "StringEquals" : {
        "kms:CallerAccount" : "` + account + `",
        "kms:ViaService" : "` + service + `.` + region + `.amazonaws.com"
      }
    }
  }, {
    "Sid" : "Allow direct access to key metadata to the account",
    "Effect" : "Allow",
    "Principal" : {
      "AWS" : "arn:aws:iam::` + account + `:root"
    },
    "Action" : [ "kms:Describe*", "kms:Get*", "kms:List*" ],
    "Resource" : "*"
  } ]
}`
}

// defaultPolicies are default key policies, compiled, by account.
var defaultPolicies policies

type policies struct{ byAccount sync.Map }

func (p *policies) of(account string) *iam.Policy {
	if known, ok := p.byAccount.Load(account); ok {
		return known.(*iam.Policy)
	}
	made, err := iam.Parse(iam.ResourcePolicy, "the default key policy", DefaultPolicy(account))
	if err != nil {
		return iam.Unreadable("the default key policy")
	}
	p.byAccount.Store(account, made)
	return made
}

// Author is who writes a key policy, as far as the safety check needs to know.
type Author struct {
	Principal iam.Principal
	Context   iam.Context // of the request
	// Bypass says that the policy may lock its author out.
	Bypass bool
}

// policyIDs reads a key policy and finds the unique ids of who is named in it. It refuses one that is no policy, that names nobody who is there, or
// that would not let its author change it again.
func (s *Service) policyIDs(ctx context.Context, account, document string, keyARN string, by *Author) (map[string]string, error) {
	if len(document) > MaxPolicy {
		return nil, exceeded("The key policy has %d bytes; allowed are %d.", len(document), MaxPolicy)
	}
	p, err := iam.Parse(iam.ResourcePolicy, "the new key policy", document)
	if err != nil {
		return nil, malformedPolicy("%s", err)
	}
	people, err := s.people.View(ctx, account)
	if err != nil {
		return nil, err
	}
	ids, missing := people.TrustedIDs(p)
	if len(missing) > 0 {
		return nil, malformedPolicy("Policy contains a statement with one or more invalid principals: %s", shown(missing[0]))
	}
	if by.Bypass || document == DefaultPolicy(account) { // which leaves it to the IAM policies of the account
		return ids, nil
	}
	ask := iam.Request{
		Principal: by.Principal, Now: s.now(), Context: by.Context,
		Check: iam.Check{Action: "kms:PutKeyPolicy", Resource: keyARN, Policy: p.Bind(ids)},
	}
	ask.Check.Context.Set("kms:CallerAccount", by.Principal.Account)
	if !iam.Authorize(&ask).Allowed() {
		return nil, malformedPolicy("The new key policy will not allow you to update the key policy in the future.")
	}
	return ids, nil
}

// PutPolicy gives a key another policy.
func (a *Account) PutPolicy(ctx context.Context, key, document string, by *Author) error {
	return a.s.change(ctx, a.id, func(v *View) error {
		k, err := v.find(key, KeysOnly)
		if err != nil {
			return err
		}
		ids, err := a.s.policyIDs(ctx, a.id, document, v.ARN(k), by)
		if err != nil {
			return err
		}
		k = v.edit(k)
		k.Policy, k.PolicyIDs = document, ids
		return nil
	})
}

// Policy returns the policy of a key as it is shown: users and roles stand there by the ARNs that they have now, those that are gone by their ids.
func (a *Account) Policy(ctx context.Context, key string) (string, error) {
	k, _, err := a.Describe(ctx, key, KeysOnly)
	if err != nil {
		return "", err
	}
	people, err := a.s.people.View(ctx, a.id)
	if err != nil {
		return "", err
	}
	return people.Shown(k.Policy, k.PolicyIDs), nil
}
