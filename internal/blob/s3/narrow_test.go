package s3

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"darkroom/internal/arn"
	"darkroom/internal/iam"
)

// location is an object, or with open every object whose key begins so.
type location struct {
	bucket, key string
	open        bool
}

type leaseStatement struct {
	Sid      string
	Effect   string
	Action   []string
	Resource []string
}

// leaseDocument is the policy of a lease's session: what a job reads, and what it writes.
func leaseDocument(t testing.TB, reads, writes []location) string {
	t.Helper()
	all := []leaseStatement{
		{Sid: "Inputs", Effect: "Allow", Action: []string{"s3:GetObject"}},
		{Sid: "Outputs", Effect: "Allow", Action: []string{"s3:PutObject", "s3:AbortMultipartUpload"}},
	}
	for i, list := range [][]location{reads, writes} {
		for _, l := range list {
			r := iam.Literal(arn.Object(l.bucket, l.key))
			if l.open {
				r += "*"
			}
			all[i].Resource = append(all[i].Resource, r)
		}
	}
	all = slices.DeleteFunc(all, func(s leaseStatement) bool { return len(s.Resource) == 0 })
	text, err := json.Marshal(map[string]any{"Version": "2012-10-17", "Statement": all})
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func parsePolicy(t testing.TB, text string) *iam.Policy {
	t.Helper()
	p, err := iam.Parse(iam.IdentityPolicy, "", text)
	if err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	return p
}

// allows says whether a session with a policy may do something, of a role that may do as much.
func allows(session *iam.Policy, action, bucket, key string) bool {
	const account = "000000000000"
	return iam.Authorize(&iam.Request{
		Now: time.Unix(1e9, 0),
		Principal: iam.Principal{
			Type: iam.AssumedRole, Account: account, ARN: "arn:aws:sts::" + account + ":assumed-role/r/s", UserID: "AROAR:s", AccessKeyID: "ASIA",
			RoleARN: "arn:aws:iam::" + account + ":role/r", RoleID: "AROAR", Issued: time.Unix(1e9, 0),
			Policies: []*iam.Policy{session}, Session: []*iam.Policy{session},
		},
		Check: iam.Check{Action: action, Resource: arn.Object(bucket, key), Owner: account},
	}).Allowed()
}

func many(bucket, format string, n int) []location {
	out := make([]location, n)
	for i := range out {
		out[i] = location{bucket: bucket, key: fmt.Sprintf(format, i)}
	}
	return out
}

func TestSessionPolicy(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("a", 900)
	tests := []struct {
		name          string
		reads, writes []location
		allowed       []string // bucket/key that may be read beyond what is needed
		denied        []string
	}{
		{
			name: "short stays as it is", reads: []location{{bucket: "films", key: "in/a.mp4"}}, writes: []location{{bucket: "films", key: "out/", open: true}},
			denied: []string{"films/in/a.mp", "films/in/a.mp4x", "films/out/x", "film/in/a.mp4"},
		},
		{
			name: "one directory", reads: many("films", "in/the-first-season/episode-%03d.mp4", 150), writes: []location{{bucket: "out", key: "x", open: true}},
			allowed: []string{"films/in/the-first-season/episode-000.mp4"},
			denied:  []string{"films/in/the-first-season/trailer.mp4", "films/in/", "out/in/the-first-season/episode-000.mp4", "films2/in/the-first-season/episode-000.mp4"},
		},
		{
			name: "directories apart", reads: slices.Concat(many("films", "one/directory/%03d", 80), many("films", "other/directory/%03d", 80)),
			denied: []string{"films/three", "films/one/file", "films/other/file"},
		},
		{
			name: "few long keys", reads: []location{{bucket: "films", key: "1" + long}, {bucket: "films", key: "2" + long}, {bucket: "films", key: "3" + long}},
			denied: []string{"films/4", "films/1", "films/1aaa"},
		},
		{
			name: "nothing in common", reads: slices.Concat(many("films", "%d"+long, 10), many("films", "x%d"+long, 90)),
			allowed: []string{"films/x100"}, denied: []string{"films2/x1" + long},
		},
		{
			name: "characters of the language", reads: many("films", "a*?${aws:userid}$/%d"+strings.Repeat("${*}", 20), 40),
			denied: []string{"films/aXY", "films/a*?$", "films/a"},
		},
		{
			name: "characters beyond Latin 1", reads: many("films", "фильм/𝄞/%d", 100),
			denied: []string{"films/фильма", "films/"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := sessionPolicy(leaseDocument(t, tt.reads, tt.writes))
			if err != nil {
				t.Fatal(err)
			}
			policy := parsePolicy(t, got)
			if n := utf8.RuneCountInString(got); n > 2048 {
				t.Errorf("got %d characters, want at most 2048", n)
			}
			for _, l := range tt.reads {
				if !allows(policy, "s3:GetObject", l.bucket, l.key) {
					t.Errorf("s3:GetObject of %s/%s is not allowed by %s", l.bucket, l.key, got)
				}
			}
			for i, list := range [][]string{tt.allowed, tt.denied} {
				for _, name := range list {
					bucket, key, _ := strings.Cut(name, "/")
					if allows(policy, "s3:GetObject", bucket, key) != (i == 0) {
						t.Errorf("s3:GetObject of %s: got %t in %s", name, i != 0, got)
					}
				}
			}
		})
	}
}

// TestSessionPolicyCannot has the documents that are too long and say what no shorter one says.
func TestSessionPolicyCannot(t *testing.T) {
	t.Parallel()
	var buckets []location
	for i := range 100 {
		buckets = append(buckets, location{bucket: fmt.Sprintf("bucket-number-%d", i), key: "k"})
	}
	pad := strings.Repeat("x", 2048)
	statement := func(s string) string { return `{"Version":"2012-10-17","Statement":[` + s + `]}` }
	tests := map[string]string{
		"many buckets":        leaseDocument(t, buckets, nil),
		"long bucket":         leaseDocument(t, []location{{bucket: pad, key: "k"}}, nil),
		"deny":                statement(`{"Effect":"Deny","Action":"s3:GetObject","Resource":"arn:aws:s3:::b/` + pad + `"}`),
		"condition":           statement(`{"Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::b/` + pad + `","Condition":{"Bool":{"aws:SecureTransport":"true"}}}`),
		"not action":          statement(`{"Effect":"Allow","NotAction":"s3:GetObject","Resource":"arn:aws:s3:::b/` + pad + `"}`),
		"not resource":        statement(`{"Effect":"Allow","Action":"s3:GetObject","NotResource":"arn:aws:s3:::b/` + pad + `"}`),
		"wild bucket":         statement(`{"Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::b*/` + pad + `"}`),
		"variable bucket":     statement(`{"Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::${aws:userid}/` + pad + `"}`),
		"every object":        statement(`{"Effect":"Allow","Action":"s3:GetObject","Resource":["*","arn:aws:s3:::b/` + pad + `"]}`),
		"bucket alone":        statement(`{"Effect":"Allow","Action":"s3:ListBucket","Resource":["arn:aws:s3:::b","arn:aws:s3:::b/` + pad + `"]}`),
		"another service":     statement(`{"Effect":"Allow","Action":"sqs:SendMessage","Resource":"arn:aws:sqs:us-east-1:000000000000:` + pad + `"}`),
		"the first version":   `{"Statement":[{"Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::b/` + pad + `"}]}`,
		"no policy":           pad + "x",
		"longer than is read": leaseDocument(t, many("b", "%d"+pad, 100), nil),
	}
	for name, document := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got, err := sessionPolicy(document); !errors.Is(err, errTooLong) {
				t.Errorf("got %q, %v, want errTooLong", got, err)
			}
		})
	}
}

// TestSessionPolicyKeeps: what cannot be shortened is kept beside what can, to the letter.
func TestSessionPolicyKeeps(t *testing.T) {
	t.Parallel()
	const (
		key  = `{"Sid":"OutputKeys","Effect":"Allow","Action":["kms:GenerateDataKey","kms:Decrypt"],"Resource":["arn:aws:kms:us-east-1:000000000000:key/k"],"Condition":{"StringEquals":{"kms:ViaService":["s3.us-east-1.amazonaws.com"]}}}`
		deny = `{"Effect":"Deny","Action":"s3:PutObject","Resource":"arn:aws:s3:::out/never/*"}`
	)
	long := leaseDocument(t, many("films", "in/the-first-season/episode-%03d.mp4", 150), []location{{bucket: "out", key: "x", open: true}})
	document := strings.TrimSuffix(long, `],"Version":"2012-10-17"}`) + "," + key + ", " + deny + `],"Version":"2012-10-17"}`
	got, err := sessionPolicy(document)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(got, key) || !strings.Contains(got, deny) || utf8.RuneCountInString(got) > maxSessionPolicy {
		t.Errorf("got %s", got)
	}
	if p := parsePolicy(t, got); len(p.Statements) != 4 || !allows(p, "s3:GetObject", "films", "in/the-first-season/episode-001.mp4") || allows(p, "s3:GetObject", "films", "in/other.mp4") {
		t.Errorf("got %s", got)
	}
	pad := strings.Replace(key, "key/k", "key/"+strings.Repeat("k", maxSessionPolicy), 1)
	if got, err := sessionPolicy(strings.TrimSuffix(long, `],"Version":"2012-10-17"}`) + "," + pad + `],"Version":"2012-10-17"}`); !errors.Is(err, errTooLong) {
		t.Errorf("got %s, %v", got, err)
	}
}

// TestSessionPolicyAllowsEnough draws jobs: what they need is allowed, and no bucket, no action beside.
func TestSessionPolicyAllowsEnough(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(4, 1432)) //nolint:gosec // reproducible
	letters := []string{"a", "b", "/", "-", "film", "out/", "*", "?", "$", "${*}", "${aws:userid}", "{", "}", "\"", "\\", "&", "<", "é", "Ж", "𝄞", "\u2028", " "}
	text := func(most int) string {
		var b strings.Builder
		for range 1 + random.IntN(most) {
			b.WriteString(letters[random.IntN(len(letters))])
		}
		return b.String()
	}
	names := []string{"films", "films2", "film", "archive"}
	shortened := 0
	for range 150 {
		used := names[:1+random.IntN(3)]
		draw := func(most int, open bool) (out []location) {
			heads := []string{text(8), text(60), ""}
			for range random.IntN(most) {
				out = append(out, location{used[random.IntN(len(used))], heads[random.IntN(len(heads))] + text(40), open})
			}
			return out
		}
		reads, writes := draw(150, false), draw(30, true)
		if len(reads)+len(writes) == 0 {
			continue
		}
		document := leaseDocument(t, reads, writes)
		got, err := sessionPolicy(document)
		if err != nil {
			t.Fatalf("%v for %s", err, document)
		}
		if n := utf8.RuneCountInString(got); n > maxSessionPolicy {
			t.Fatalf("got %d characters: %s", n, got)
		}
		if i := strings.IndexFunc(got, func(r rune) bool { return r > 0xff }); i >= 0 {
			t.Fatalf("STS does not take %q", got[i:])
		}
		if len(document) > 2*maxSessionPolicy {
			shortened++
			random.Shuffle(len(reads), func(i, j int) { reads[i], reads[j] = reads[j], reads[i] })
			if again, _ := sessionPolicy(leaseDocument(t, reads, writes)); again != got {
				t.Fatalf("got another policy for another order:\n%s\n%s", got, again)
			}
		}
		policy := parsePolicy(t, got)
		check := func(action string, l location, want bool) {
			if have := allows(policy, action, l.bucket, l.key); have != want {
				t.Fatalf("%s of %s/%q: got %t, want %t in %s", action, l.bucket, l.key, have, want, got)
			}
		}
		written := map[string]bool{}
		for _, l := range writes {
			written[l.bucket] = true
			l.key += text(10)
			check("s3:PutObject", l, true)
			check("s3:AbortMultipartUpload", l, true)
			check("s3:DeleteObject", l, false)
			l.bucket = "archive"
			check("s3:PutObject", l, false)
		}
		for _, l := range reads {
			check("s3:GetObject", l, true)
			if !written[l.bucket] {
				check("s3:PutObject", l, false)
			}
			l.bucket = "archive"
			check("s3:GetObject", l, false)
		}
	}
	if shortened < 50 {
		t.Errorf("only %d documents were shortened", shortened)
	}
}

func FuzzSessionPolicy(f *testing.F) {
	f.Add(leaseDocument(f, many("films", "in/%d*?${$}", 60), []location{{bucket: "out", key: "x", open: true}}))
	f.Add(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:*","Resource":"*"}}`)
	f.Fuzz(func(t *testing.T, document string) {
		got, err := sessionPolicy(document)
		if err != nil {
			return
		}
		if n := utf8.RuneCountInString(got); n > maxSessionPolicy {
			t.Errorf("got %d characters", n)
		}
		if _, err := iam.Parse(iam.IdentityPolicy, "", document); err != nil {
			return
		}
		if _, err := iam.Parse(iam.IdentityPolicy, "", got); err != nil {
			t.Errorf("%v in %s", err, got)
		}
	})
}

func BenchmarkSessionPolicy(b *testing.B) {
	document := leaseDocument(b, many("films", "%d/a directory/of the season/of the series/in a language"+strings.Repeat("/and more", 20), 150), nil)
	for b.Loop() {
		if _, err := sessionPolicy(document); err != nil {
			b.Fatal(err)
		}
	}
}
