package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/cedar-policy/cedar-go"

	"darkroom/internal/iam"
	"darkroom/internal/identity"
	"darkroom/internal/secret"
	"darkroom/internal/sigv4"
	"darkroom/internal/store/sqlite"
)

const (
	benchAccount = "111122223333"
	benchQueue   = "arn:aws:mediaconvert:us-east-1:" + benchAccount + ":queues/Default"
)

// statement is one of the statements that a busy user has, in both languages.
type statement struct {
	effect  string
	actions []string
	like    string // of the resource
	when    bool   // the request must have come over TLS
}

// busyUser is a user with 10 policies of 20 statements about five services, a fourth of them with a condition, of which only the last allows the
// request.
func busyUser() [][]statement {
	kinds := []struct {
		actions  []string
		resource string
	}{
		{[]string{"s3:GetObject", "s3:GetObjectVersion", "s3:ListBucket"}, "arn:aws:s3:::studio-%d-*/masters/*"},
		{[]string{"mediaconvert:CreateJob", "mediaconvert:GetJob", "mediaconvert:ListJobs", "mediaconvert:CancelJob"}, "arn:aws:mediaconvert:us-east-1:" + benchAccount + ":queues/team-%d-*"},
		{[]string{"iam:GetRole", "iam:PassRole", "iam:ListRoles"}, "arn:aws:iam::" + benchAccount + ":role/team-%d/*"},
		{[]string{"kms:Decrypt", "kms:GenerateDataKey", "kms:DescribeKey"}, "arn:aws:kms:us-east-1:" + benchAccount + ":key/%d*"},
		{[]string{"sts:AssumeRole", "sts:TagSession"}, "arn:aws:iam::" + benchAccount + ":role/edit-%d-*"},
	}
	var out [][]statement
	for i := range 10 {
		var policy []statement
		for j := range 20 {
			n := 20*i + j
			k := kinds[n%len(kinds)]
			s := statement{"permit", k.actions, fmt.Sprintf(k.resource, n), n%4 == 3}
			if n%10 == 9 {
				s.effect = "forbid"
			}
			if n == 199 {
				s = statement{"permit", []string{"mediaconvert:CreateJob", "iam:PassRole"}, "arn:aws:*", true}
			}
			policy = append(policy, s)
		}
		out = append(out, policy)
	}
	return out
}

// asIAM writes a policy in AWS's language.
func asIAM(policy []statement) string {
	var out []string
	for _, s := range policy {
		effect, condition := "Allow", ""
		if s.effect == "forbid" {
			effect = "Deny"
		}
		if s.when {
			condition = `,"Condition":{"Bool":{"aws:SecureTransport":"true"}}`
		}
		out = append(out, fmt.Sprintf(`{"Effect":%q,"Action":["%s"],"Resource":%q%s}`, effect, strings.Join(s.actions, `","`), strings.Replace(s.like, "arn:aws:*", "*", 1), condition))
	}
	return `{"Version":"2012-10-17","Statement":[` + strings.Join(out, ",") + `]}`
}

// asCedar writes it in Cedar's.
func asCedar(policy []statement) string {
	var b strings.Builder
	for _, s := range policy {
		secure := ""
		if s.when {
			secure = " && context.secure"
		}
		fmt.Fprintf(&b, "%s(principal == User::\"ann\", action in [Action::\"%s\"], resource) when { resource.arn like %q%s };\n", s.effect, strings.Join(s.actions, `", Action::"`), s.like, secure)
	}
	return b.String()
}

// per measures how long one of many calls takes.
func per(times int, f func() error) (time.Duration, error) {
	start := time.Now()
	for range times {
		if err := f(); err != nil {
			return 0, err
		}
	}
	return time.Since(start) / time.Duration(times), nil
}

// decisions measures how many requests are decided in a second on one core, for a user with 200 statements.
func (b *bench) decisions() error {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	times := 200_000
	if b.quick {
		times = 2000
	}
	who := iam.Principal{Type: iam.User, Account: benchAccount, ARN: "arn:aws:iam::" + benchAccount + ":user/ann", Name: "ann"}
	set := cedar.NewPolicySet()
	for i, p := range busyUser() {
		policy, err := iam.Parse(iam.IdentityPolicy, fmt.Sprint("p", i), asIAM(p))
		if err != nil {
			return err
		}
		who.Policies = append(who.Policies, policy)
		list, err := cedar.NewPolicyListFromBytes("p", []byte(asCedar(p)))
		if err != nil {
			return err
		}
		for j, c := range list {
			set.Add(cedar.PolicyID(fmt.Sprint(i, "-", j)), c)
		}
	}
	ask := iam.Request{Principal: who, Check: iam.Check{Action: "mediaconvert:CreateJob", Resource: benchQueue}, Now: time.Now()}
	ask.Context.Set("aws:SecureTransport", "true")
	queue := cedar.NewEntityUID("Queue", "Default")
	entities := cedar.EntityMap{queue: {UID: queue, Attributes: cedar.NewRecord(cedar.RecordMap{"arn": cedar.String(benchQueue)})}}
	request := cedar.Request{
		Principal: cedar.NewEntityUID("User", "ann"), Action: cedar.NewEntityUID("Action", "mediaconvert:CreateJob"), Resource: queue,
		Context: cedar.NewRecord(cedar.RecordMap{"secure": cedar.True}),
	}
	var ours, theirs []time.Duration
	for range b.rounds {
		d, err := per(times, func() error {
			if d := iam.Authorize(&ask); !d.Allowed() {
				return fmt.Errorf("not allowed: %v", d)
			}
			return nil
		})
		if err != nil {
			return err
		}
		ours = append(ours, d)
		if d, err = per(times/20, func() error {
			if d, _ := cedar.Authorize(set, entities, request); d != cedar.Allow {
				return fmt.Errorf("cedar does not allow")
			}
			return nil
		}); err != nil {
			return err
		}
		theirs = append(theirs, d)
	}
	rate := func(d time.Duration) string { return fmt.Sprintf("%.0f/s", float64(time.Second)/float64(d)) }
	row("decisions for a user with 10 policies of 20 statements, one core", rate(median(ours)), rate(median(theirs))+": cedar-go, the same 200 statements", fmt.Sprintf("%.2f", float64(median(theirs))/float64(median(ours))))
	return nil
}

// entry measures what it takes to know and allow who asks: signature of a CreateJob verified, its owner found, CreateJob and PassRole decided.
func (b *bench) entry() error {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	times := 5000
	if b.quick {
		times = 100
	}
	records, err := sqlite.Open(filepath.Join(b.dir, "identities.db"))
	if err != nil {
		return err
	}
	defer records.Close()
	people, err := identity.New(identity.Options{
		Accounts: []identity.Account{{ID: benchAccount}}, Store: records, Master: secret.New(make([]byte, secret.KeySize)), Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		return err
	}
	ann := &identity.Entity{Kind: identity.User, ID: identity.NewID(identity.User), Name: "ann", Path: "/", Inline: map[string]string{}}
	for i, p := range busyUser() {
		ann.Inline[fmt.Sprint("p", i)] = asIAM(p)
	}
	k, plain, err := people.NewAccessKey(benchAccount, ann)
	if err != nil {
		return err
	}
	ann.Keys = []identity.AccessKey{k}
	if err := people.Change(b.ctx, benchAccount, func(v *identity.View) error { v.Put(ann); return nil }); err != nil {
		return err
	}

	body := []byte(`{"role":"arn:aws:iam::` + benchAccount + `:role/R","settings":` + export(4) + `}`)
	keys := aws.Credentials{AccessKeyID: k.ID, SecretAccessKey: string(plain.Reveal())}
	signer := v4.NewSigner()
	sign := func() (*http.Request, error) {
		r, err := http.NewRequestWithContext(b.ctx, http.MethodPost, "https://127.0.0.1:9443/2017-08-29/jobs", io.NopCloser(bytes.NewReader(body)))
		if err != nil {
			return nil, err
		}
		r.Header.Set("Content-Type", "application/json")
		sum := sha256.Sum256(body)
		return r, signer.SignHTTP(context.Background(), keys, r, hex.EncodeToString(sum[:]), "mediaconvert", "us-east-1", time.Now())
	}
	r, err := sign()
	if err != nil {
		return err
	}
	enter := func() error {
		c, err := sigv4.Parse(sigv4.Request{Method: r.Method, RawPath: r.URL.EscapedPath(), RawQuery: r.URL.RawQuery, Host: r.URL.Host, Header: r.Header})
		if err != nil {
			return err
		}
		key, who, err := people.Find(b.ctx, c.AccessKeyID, c.Token())
		if err != nil {
			return err
		}
		sum := sha256.Sum256(body)
		if _, err := c.Verify(key, sigv4.Expectation{Region: "us-east-1", BodyHash: hex.EncodeToString(sum[:]), Now: time.Now()}); err != nil {
			return err
		}
		ask := iam.Request{Principal: who, Now: time.Now()}
		ask.Context.Set("aws:SecureTransport", "true")
		for _, check := range []iam.Check{{Action: "mediaconvert:CreateJob", Resource: benchQueue}, {Action: "iam:PassRole", Resource: "arn:aws:iam::" + benchAccount + ":role/R"}} {
			ask.Check = check
			if d := iam.Authorize(&ask); !d.Allowed() {
				return fmt.Errorf("not allowed: %v", d)
			}
		}
		return nil
	}
	var ours, theirs []time.Duration
	for range b.rounds {
		d, err := per(times, enter)
		if err != nil {
			return err
		}
		ours = append(ours, d)
		if d, err = per(times, func() error { _, err := sign(); return err }); err != nil {
			return err
		}
		theirs = append(theirs, d)
	}
	row(fmt.Sprintf("a signed CreateJob of %d kB authenticated and authorized, one core", len(body)/1000),
		fmt.Sprintf("%.0f µs", float64(median(ours))/1e3), fmt.Sprintf("%.0f µs: the AWS SDK signing it", float64(median(theirs))/1e3), fmt.Sprintf("%.2f", float64(median(ours))/float64(median(theirs))))
	return nil
}
