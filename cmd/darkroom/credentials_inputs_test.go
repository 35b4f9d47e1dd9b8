package main

import (
	"strings"
	"testing"

	"darkroom/internal/iam"
	"darkroom/internal/identity"
	"darkroom/internal/plan"
)

// TestDataKeysInSession: a job with an encrypted input may have data keys decrypted that are bound to the service, one without may not, and neither may do
// anything else with keys.
func TestDataKeysInSession(t *testing.T) {
	t.Parallel()
	clearInput := plan.Input{Object: plan.Location{Bucket: "in", Key: "film.mp4"}}
	sealed := clearInput
	sealed.Decryption = &plan.Decryption{Mode: "AES_GCM"}
	onWeb := plan.Input{URL: "https://host/film.mp4", Decryption: sealed.Decryption}
	outputs := []plan.Location{{Bucket: "out", Key: "x/film"}}
	const key = "arn:aws:kms:us-east-1:000000000000:key/1234abcd-12ab-34cd-56ef-1234567890ab"
	right := map[string][]string{"kms:EncryptionContext:service": {identity.MediaConvert}}
	for _, c := range []struct {
		name    string
		input   plan.Input
		action  string
		context map[string][]string
		allowed bool
	}{
		{"an encrypted object", sealed, "kms:Decrypt", right, true},
		{"an encrypted file on a web server", onWeb, "kms:Decrypt", right, true},
		{"a clear input", clearInput, "kms:Decrypt", right, false},
		{"another context", sealed, "kms:Decrypt", map[string][]string{"kms:EncryptionContext:service": {"s3.amazonaws.com"}}, false},
		{"the context in capitals", sealed, "kms:Decrypt", map[string][]string{"kms:EncryptionContext:service": {"MediaConvert.amazonaws.com"}}, false},
		{"another member of a context", sealed, "kms:Decrypt", map[string][]string{"kms:EncryptionContext:Service2": {identity.MediaConvert}}, false},
		{"no context", sealed, "kms:Decrypt", nil, false},
		{"encrypt", sealed, "kms:Encrypt", right, false},
		{"a data key of its own", sealed, "kms:GenerateDataKey", right, false},
		{"re-encrypt", sealed, "kms:ReEncryptFrom", right, false},
		{"describe", sealed, "kms:DescribeKey", right, false},
		{"a grant", sealed, "kms:CreateGrant", right, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			text, err := sessionPolicy(plan.Access{Inputs: []plan.Input{c.input}, Outputs: outputs}, "us-east-1")
			if err != nil {
				t.Fatal(err)
			}
			session, err := iam.Parse(iam.IdentityPolicy, "session", text)
			if err != nil {
				t.Fatal(err)
			}
			who := iam.Principal{Type: iam.AssumedRole, Account: "000000000000", ARN: "arn:aws:sts::000000000000:assumed-role/r/s", Policies: []*iam.Policy{session}}
			check := iam.Check{Action: c.action, Resource: key, Owner: "000000000000"}
			for name, values := range c.context {
				check.Context.Set(name, values...)
			}
			d := iam.Authorize(&iam.Request{Principal: who, Check: check})
			if d.Allowed() != c.allowed {
				t.Errorf("allowed %v, want %v", d.Allowed(), c.allowed)
			}
		})
	}
}

// TestPolicyForObjects: what is handed to another store is less by the data keys of inputs, which are our own key service's, and by nothing else.
func TestPolicyForObjects(t *testing.T) {
	t.Parallel()
	sealed := plan.Input{Object: plan.Location{Bucket: "in", Key: "film.mp4"}, Decryption: &plan.Decryption{Mode: "AES_GCM"}}
	outputs := []plan.Location{{Bucket: "out", Key: "x/film"}}
	text, err := sessionPolicy(plan.Access{Inputs: []plan.Input{sealed}, Outputs: outputs}, "us-east-1")
	if err != nil {
		t.Fatal(err)
	}
	got := forObjects(text)
	if strings.Contains(got, dataKeys) || strings.Contains(got, identity.MediaConvert) || !strings.Contains(text, dataKeys) || !strings.Contains(got, "s3:GetObject") || !strings.Contains(got, "s3:PutObject") || !strings.Contains(got, "2012-10-17") {
		t.Errorf("got %s", got)
	}
	if _, err := iam.Parse(iam.IdentityPolicy, "session", got); err != nil {
		t.Error(err)
	}
	for _, same := range []string{
		`{"Version":"2012-10-17","Statement":[{"Sid":"DarkroomDataKeys","Effect":"Deny","Action":"*","Resource":"*"}]}`,
		`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"kms:Decrypt","Resource":"*"}}`,
		`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"*"}]}`,
		`not a policy`,
	} {
		if got := forObjects(same); got != same {
			t.Errorf("%s became %s", same, got)
		}
	}
}
