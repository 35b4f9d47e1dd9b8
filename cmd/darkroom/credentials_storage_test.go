package main

import (
	"strings"
	"testing"

	"darkroom/internal/iam"
	"darkroom/internal/plan"
)

// TestSessionPolicyKeys: the credentials of a lease use the keys of the job's objects through the object store, and no other key, no other way.
func TestSessionPolicyKeys(t *testing.T) {
	t.Parallel()
	const (
		key   = "arn:aws:kms:us-east-1:000000000000:key/1234abcd-12ab-34cd-56ef-1234567890ab"
		other = "arn:aws:kms:us-east-1:000000000000:key/2234abcd-12ab-34cd-56ef-1234567890ab"
		s3    = "s3.us-east-1.amazonaws.com"
		in    = "arn:aws:s3:::in/film.mov"
		out   = "arn:aws:s3:::out/x/film.mp4"
	)
	object := plan.Input{Object: plan.Location{Bucket: "in", Key: "film.mov"}}
	web := plan.Input{URL: "https://host/film.mp4"}
	at := func(s *plan.Storage) plan.Location {
		return plan.Location{Bucket: "out", Key: "x/film", Storage: s}
	}
	named, usual := &plan.Storage{Encryption: plan.ServiceKey, KeyARN: key}, &plan.Storage{Encryption: plan.ServiceKey}
	own, listed := &plan.Storage{Encryption: plan.StoreKeys}, &plan.Storage{ACL: "bucket-owner-read"}
	type ask struct {
		action, key, via, object string
		aliases                  []string
		allowed                  bool
	}
	for _, tt := range []struct {
		name   string
		access plan.Access
		asks   []ask
	}{
		{"a named key", plan.Access{Inputs: []plan.Input{object}, Outputs: []plan.Location{at(named)}}, []ask{
			{"kms:GenerateDataKey", key, s3, out, nil, true},
			{"kms:Decrypt", key, s3, out, nil, true},
			{"kms:Decrypt", other, s3, in, nil, true},                    // whichever the input has
			{"kms:Decrypt", other, s3, "arn:aws:s3:::in", nil, true},     // with a bucket key
			{"kms:GenerateDataKey", other, s3, out, nil, false},          // not named
			{"kms:GenerateDataKey", other, s3, in, nil, false},           // inputs are read
			{"kms:Decrypt", other, s3, out, nil, false},                  // not of an input
			{"kms:Decrypt", other, s3, "arn:aws:s3:::in2/a", nil, false}, // of another bucket
			{"kms:Decrypt", other, s3, "", nil, false},                   // of nothing
			{"kms:GenerateDataKey", key, "", out, nil, false},            // directly
			{"kms:Decrypt", key, "", out, nil, false},
			{"kms:Decrypt", other, "", in, nil, false},
			{"kms:GenerateDataKey", key, "s3.eu-west-1.amazonaws.com", out, nil, false},
			{"kms:GenerateDataKey", key, "sqs.us-east-1.amazonaws.com", out, nil, false},
			{"kms:Encrypt", key, s3, out, nil, false},
			{"kms:ReEncryptFrom", key, s3, out, nil, false},
			{"kms:CreateGrant", key, s3, out, nil, false},
			{"kms:ScheduleKeyDeletion", key, s3, out, nil, false},
			{"kms:PutKeyPolicy", key, s3, out, nil, false},
			{"kms:DescribeKey", key, s3, out, nil, false},
			{"s3:PutObjectAcl", out, "", "", nil, false},
		}},
		{"the key of S3", plan.Access{Inputs: []plan.Input{web}, Outputs: []plan.Location{at(usual)}}, []ask{
			{"kms:GenerateDataKey", key, s3, out, []string{"alias/aws/s3"}, true},
			{"kms:Decrypt", key, s3, out, []string{"alias/x", "alias/aws/s3"}, true},
			{"kms:GenerateDataKey", key, s3, out, []string{"alias/x"}, false},
			{"kms:GenerateDataKey", key, s3, out, nil, false},
			{"kms:GenerateDataKey", key, "", out, []string{"alias/aws/s3"}, false},
			{"kms:Decrypt", other, s3, in, nil, false}, // there is no such input
		}},
		{"the default of the bucket", plan.Access{Inputs: []plan.Input{web}, Outputs: []plan.Location{at(nil), at(listed)}}, []ask{
			{"kms:GenerateDataKey", key, s3, out, nil, true},
			{"kms:Decrypt", key, s3, "arn:aws:s3:::out", nil, true},
			{"kms:GenerateDataKey", key, s3, in, nil, false},
			{"kms:GenerateDataKey", key, s3, "arn:aws:s3:::out2/x/film.mp4", nil, false},
			{"kms:GenerateDataKey", key, "", out, nil, false},
			{"s3:PutObjectAcl", out, "", "", nil, true},
			{"s3:PutObjectAcl", in, "", "", nil, false},
		}},
		{"the store's own keys", plan.Access{Inputs: []plan.Input{web}, Outputs: []plan.Location{at(own)}}, []ask{
			{"kms:GenerateDataKey", key, s3, out, []string{"alias/aws/s3"}, false},
			{"kms:Decrypt", key, s3, out, nil, false},
			{"s3:PutObject", out, "", "", nil, true},
		}},
	} {
		text, err := sessionPolicy(tt.access, "us-east-1")
		if err != nil {
			t.Fatal(err)
		}
		session, err := iam.Parse(iam.IdentityPolicy, "session", text)
		if err != nil {
			t.Fatalf("%s: %v in %s", tt.name, err, text)
		}
		who := iam.Principal{Type: iam.AssumedRole, Account: "000000000000", ARN: "arn:aws:sts::000000000000:assumed-role/r/s", Policies: []*iam.Policy{session}}
		for _, a := range tt.asks {
			check := iam.Check{Action: a.action, Resource: a.key, Owner: "000000000000"}
			if a.via != "" {
				check.Context.Set("kms:ViaService", a.via)
			}
			if a.object != "" {
				check.Context.Set("kms:EncryptionContext:aws:s3:arn", a.object)
			}
			if a.aliases != nil {
				check.Context.Set("kms:ResourceAliases", a.aliases...)
			}
			if d := iam.Authorize(&iam.Request{Principal: who, Check: check}); d.Allowed() != a.allowed {
				t.Errorf("%s: %+v: allowed %t", tt.name, a, d.Allowed())
			}
		}
		if len(text) > 1800 {
			t.Errorf("%s: %d characters leave no room for names: %s", tt.name, len(text), text)
		}
		if strings.Contains(text, "null") {
			t.Errorf("%s: %s", tt.name, text)
		}
	}
}
