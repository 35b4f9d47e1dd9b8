package test

import (
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base32"
	bits "encoding/binary"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// phone is a virtual MFA device, as the app on a telephone has it.
type phone struct {
	t      *testing.T
	serial string
	seed   []byte
	last   int64 // the step of the last code that was given out
}

// newPhone makes a device for a user and enables it, with the AWS CLI.
func newPhone(admin *person, user string) *phone {
	admin.t.Helper()
	file := filepath.Join(admin.t.TempDir(), "seed")
	serial := admin.aws("iam", "create-virtual-mfa-device", "--virtual-mfa-device-name", user, "--bootstrap-method", "Base32StringSeed", "--outfile", file, "--query", "VirtualMFADevice.SerialNumber")
	text, err := os.ReadFile(file)
	if err != nil {
		admin.t.Fatal(err)
	}
	seed, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(strings.TrimSpace(string(text)))
	if err != nil {
		admin.t.Fatal(err)
	}
	p := &phone{t: admin.t, serial: serial, seed: seed, last: halfMinute()}
	admin.aws("iam", "enable-mfa-device", "--user-name", user, "--serial-number", serial, "--authentication-code1", p.at(p.last-1), "--authentication-code2", p.at(p.last))
	return p
}

// halfMinute is the number of the half minute since the epoch of Unix.
func halfMinute() int64 { return time.Now().Unix() / 30 }

// code is the next code that was not given out: that of now or, if that was, of the next half minute, for the device's clock may be ahead.
func (p *phone) code() string {
	p.last = max(p.last+1, halfMinute())
	return p.at(p.last)
}

// at is the code of a step (RFC 6238, RFC 4226 section 5.3).
func (p *phone) at(step int64) string {
	mac := hmac.New(sha1.New, p.seed)
	_ = bits.Write(mac, bits.BigEndian, step) // a hash takes everything
	sum := mac.Sum(nil)
	at := sum[len(sum)-1] & 15
	return fmt.Sprintf("%06d", bits.BigEndian.Uint32(sum[at:])&0x7fffffff%1_000_000)
}

// wrong is a code that is not the device's at any time near.
func (p *phone) wrong() string {
	for n := 0; ; n++ {
		code, near := fmt.Sprintf("%06d", n), false
		for s := p.last - 10; s < p.last+20; s++ {
			near = near || p.at(s) == code
		}
		if !near {
			return code
		}
	}
}

// resume is a person in a session of their own, which has no name.
func (p *person) resume(session *person) *person {
	session.t, session.arn = p.t, p.arn
	return session
}

// TestMFA asks for a second factor in policies, and takes each code once.
func TestMFA(t *testing.T) {
	t.Parallel()
	s := serve(t)
	const present = `"Bool":{"aws:MultiFactorAuthPresent":"true"}`
	get := []string{"mediaconvert", "get-queue", "--name", "Default"}
	const failed = "MultiFactorAuthentication failed with invalid MFA one time pass code."

	t.Run("session token", func(t *testing.T) {
		t.Parallel()
		p := s.user("mara", policy(allow("mediaconvert:*", "*", present), allow("mediaconvert:ListQueues", "*", `"NumericLessThan":{"aws:MultiFactorAuthAge":"3600"}`))).in(t)
		device := newPhone(s.admin().in(t), "mara")
		token := []string{"--output", "json", "sts", "get-session-token"}
		shown := func(code string) []string {
			return append(token, "--serial-number", device.serial, "--token-code", code)
		}
		p.denied("mediaconvert:GetQueue", mc("queues/Default"), byNobody, get...)
		bare := p.resume(s.session(p.aws(token...)))
		bare.denied("mediaconvert:GetQueue", mc("queues/Default"), byNobody, get...)
		bare.denied("mediaconvert:ListQueues", "*", byNobody, "mediaconvert", "list-queues")
		p.refused("AccessDenied", says(failed), shown(device.wrong())...)
		p.refused("AccessDenied", says(failed), shown(device.at(device.last))...) // it was taken when the device was enabled
		p.refused("ValidationError", nil, append(token, "--token-code", "123456")...)
		used := device.code()
		q := p.resume(s.session(p.aws(shown(used)...)))
		q.aws(get...)
		q.aws("mediaconvert", "list-queues")
		if got := q.aws("sts", "get-caller-identity", "--query", "Arn"); got != p.arn {
			t.Errorf("the session is %s", got)
		}
		p.refused("AccessDenied", says(failed), shown(used)...)
		q.refused("AccessDenied", says("Cannot call GetSessionToken with session credentials"), token...)
		// The factor of one is nobody else's.
		thief := s.user("theo", policy(allow("mediaconvert:*", "*", present))).in(t)
		thief.refused("AccessDenied", says(failed), shown(device.code())...)
		// What the user loses, the session loses.
		s.grant("mara", policy(allow("mediaconvert:ListQueues", "*")))
		q.denied("mediaconvert:GetQueue", mc("queues/Default"), byNobody, get...)
	})

	t.Run("deny without", func(t *testing.T) {
		t.Parallel()
		p := s.user("dora", policy(allow("mediaconvert:*", "*"), deny("mediaconvert:*", "*", `"BoolIfExists":{"aws:MultiFactorAuthPresent":"false"}`))).in(t)
		device := newPhone(s.admin().in(t), "dora")
		p.denied("mediaconvert:GetQueue", mc("queues/Default"), byIdentity, get...)
		bare := p.resume(s.session(p.aws("--output", "json", "sts", "get-session-token")))
		bare.denied("mediaconvert:GetQueue", mc("queues/Default"), byIdentity, get...)
		s.session(p.aws("--output", "json", "sts", "get-session-token", "--serial-number", device.serial, "--token-code", device.code())).in(t).aws(get...)
	})

	t.Run("role", func(t *testing.T) {
		t.Parallel()
		p := s.user("rolf", policy(allow("sts:AssumeRole", "*"))).in(t)
		device := newPhone(s.admin().in(t), "rolf")
		r := s.role("Guarded", trust(`"AWS":"`+account+`"`, present), policy(allow("mediaconvert:*", "*", present)))
		shown := func(code string) []string { return []string{"--serial-number", device.serial, "--token-code", code} }
		p.denied("sts:AssumeRole", r, bySilence, assumeRole(r, "cut")...)
		p.denied("sts:AssumeRole", r, bySilence, assumeRole(r, "cut", shown(device.wrong())...)...)
		p.denied("sts:AssumeRole", r, bySilence, assumeRole(r, "cut", shown(device.at(device.last))...)...)
		used := device.code()
		p.assume(r, "cut", shown(used)...).aws(get...)
		p.denied("sts:AssumeRole", r, bySilence, assumeRole(r, "cut", shown(used)...)...)
		open := s.role("Unguarded", trust(`"AWS":"`+account+`"`), policy(allow("mediaconvert:*", "*", present)))
		p.assume(open, "cut").denied("mediaconvert:GetQueue", mc("queues/Default"), byNobody, get...)
		p.refused("AccessDenied", says(failed), assumeRole(open, "cut", shown(used)...)...)
	})

	t.Run("deactivated", func(t *testing.T) {
		t.Parallel()
		a := s.admin().in(t)
		p := s.user("dino", policy(allow("mediaconvert:*", "*", present))).in(t)
		device := newPhone(a, "dino")
		a.refused("DeleteConflict", nil, "iam", "delete-virtual-mfa-device", "--serial-number", device.serial)
		a.aws("iam", "deactivate-mfa-device", "--user-name", "dino", "--serial-number", device.serial)
		p.refused("AccessDenied", says(failed), "sts", "get-session-token", "--serial-number", device.serial, "--token-code", device.code())
		a.refused("InvalidAuthenticationCode", nil, "iam", "enable-mfa-device", "--user-name", "dino", "--serial-number", device.serial, "--authentication-code1", device.wrong(), "--authentication-code2", device.wrong())
		a.aws("iam", "delete-virtual-mfa-device", "--serial-number", device.serial)
	})
}

// keyPair makes an access key for a user with the AWS CLI.
func keyPair(admin *person, user string) (id string, p *person) {
	admin.t.Helper()
	key := strings.Fields(admin.aws("iam", "create-access-key", "--user-name", user, "--query", "AccessKey.[AccessKeyId,SecretAccessKey]"))
	if len(key) != 2 {
		admin.t.Fatalf("create-access-key: %d words", len(key))
	}
	return key[0], admin.s.person(userNamed(user), key[0], key[1], "").in(admin.t)
}

// TestKeys rotates an access key: what is switched off or deleted is nobody's from the next call on.
func TestKeys(t *testing.T) {
	t.Parallel()
	s := serve(t)
	a := s.admin()
	a.aws("iam", "create-user", "--user-name", "mara")
	a.aws("iam", "put-user-policy", "--user-name", "mara", "--policy-name", "own", "--policy-document", policy(allow("mediaconvert:ListQueues iam:GetUser s3:ListAllMyBuckets", "*")))
	first, p := keyPair(a, "mara")
	second, q := keyPair(a, "mara")
	a.refused("LimitExceeded", says("Cannot exceed quota for AccessKeysPerUser: 2"), "iam", "create-access-key", "--user-name", "mara")
	list := []string{"mediaconvert", "list-queues"}
	works := func(p *person) {
		t.Helper()
		p.aws(list...)
		p.aws("iam", "get-user")
		p.aws("s3api", "list-buckets")
		p.aws("sts", "get-caller-identity")
	}
	dead := func(p *person) {
		t.Helper()
		p.refused("UnrecognizedClientException", says("The security token included in the request is invalid"), list...)
		p.refused("InvalidClientTokenId", says("The security token included in the request is invalid"), "iam", "get-user")
		p.refused("InvalidClientTokenId", says("The security token included in the request is invalid"), "sts", "get-caller-identity")
		p.refused("InvalidAccessKeyId", nil, "s3api", "list-buckets")
	}
	works(p)
	works(q)
	session := s.session(q.aws("--output", "json", "sts", "get-session-token"))
	// A session without a second factor is not for IAM, nor for more of STS than to assume a role and to ask who it is.
	half := func() {
		t.Helper()
		session.aws(list...)
		session.aws("s3api", "list-buckets")
		session.aws("sts", "get-caller-identity")
		session.refused("AccessDenied", says("Cannot call GetUser with session credentials"), "iam", "get-user")
		session.refused("AccessDenied", says("Cannot call GetSessionToken with session credentials"), "sts", "get-session-token")
	}
	half()
	a.aws("iam", "update-access-key", "--user-name", "mara", "--access-key-id", first, "--status", "Inactive")
	dead(p)
	works(q)
	a.aws("iam", "update-access-key", "--user-name", "mara", "--access-key-id", first, "--status", "Active")
	works(p)
	a.aws("iam", "delete-access-key", "--user-name", "mara", "--access-key-id", first)
	dead(p)
	works(q)
	if got := a.aws("iam", "list-access-keys", "--user-name", "mara", "--query", "AccessKeyMetadata[].AccessKeyId"); got != second {
		t.Errorf("keys: %q, want %q", got, second)
	}
	if got := a.aws("iam", "get-access-key-last-used", "--access-key-id", second, "--query", "[UserName,AccessKeyLastUsed.Region]"); got != "mara\tus-east-1" {
		t.Errorf("last used: %q", got)
	}
	// A wrong secret for a key that is good.
	wrong := s.person(p.arn, second, strings.Repeat("x", 40), "")
	wrong.refused("InvalidSignatureException", nil, list...)
	wrong.refused("SignatureDoesNotMatch", nil, "sts", "get-caller-identity")
	// With the user everything goes.
	a.refused("DeleteConflict", says("must delete access keys first"), "iam", "delete-user", "--user-name", "mara")
	a.aws("iam", "delete-access-key", "--user-name", "mara", "--access-key-id", second)
	dead(q)
	half() // it is the user's, not the key's
	a.aws("iam", "delete-user-policy", "--user-name", "mara", "--policy-name", "own")
	a.aws("iam", "delete-user", "--user-name", "mara")
	session.refused("UnrecognizedClientException", nil, list...)
	session.refused("InvalidClientTokenId", nil, "sts", "get-caller-identity")
	a.aws("iam", "create-user", "--user-name", "mara") // somebody else
	session.refused("InvalidClientTokenId", nil, "sts", "get-caller-identity")
	// The secrets are shown once, and stand nowhere.
	for _, secret := range []string{secretOf(p), secretOf(q)} {
		if strings.Contains(s.log.String(), secret) {
			t.Error("a secret stands in the log")
		}
	}
}

// secretOf is the secret access key of a person.
func secretOf(p *person) string {
	for _, v := range p.env {
		if s, ok := strings.CutPrefix(v, "AWS_SECRET_ACCESS_KEY="); ok {
			return s
		}
	}
	return ""
}

// TestPolicies gives and takes permissions in every way that there is; each takes effect on the next call.
func TestPolicies(t *testing.T) {
	t.Parallel()
	s := serve(t)
	a := s.admin()
	list, get := []string{"mediaconvert", "list-queues"}, []string{"mediaconvert", "get-queue", "--name", "Default"}
	noList := func(p *person, why string) { t.Helper(); p.denied("mediaconvert:ListQueues", "*", why, list...) }
	p := s.user("mara", "")
	noList(p, byNobody)
	a.aws("iam", "put-user-policy", "--user-name", "mara", "--policy-name", "own", "--policy-document", policy(allow("mediaconvert:ListQueues", "*")))
	p.aws(list...)
	a.aws("iam", "delete-user-policy", "--user-name", "mara", "--policy-name", "own")
	noList(p, byNobody)

	arn := a.aws("iam", "create-policy", "--policy-name", "Lists", "--policy-document", policy(allow("mediaconvert:ListQueues", "*")), "--query", "Policy.Arn")
	a.aws("iam", "create-group", "--group-name", "cutters")
	a.aws("iam", "attach-group-policy", "--group-name", "cutters", "--policy-arn", arn)
	noList(p, byNobody)
	a.aws("iam", "add-user-to-group", "--group-name", "cutters", "--user-name", "mara")
	p.aws(list...)
	p.denied("mediaconvert:GetQueue", mc("queues/Default"), byNobody, get...)
	a.aws("iam", "create-policy-version", "--policy-arn", arn, "--policy-document", policy(allow("mediaconvert:GetQueue", "*")), "--set-as-default")
	p.aws(get...)
	noList(p, byNobody)
	a.aws("iam", "set-default-policy-version", "--policy-arn", arn, "--version-id", "v1")
	p.aws(list...)
	a.refused("DeleteConflict", nil, "iam", "delete-policy-version", "--policy-arn", arn, "--version-id", "v1")
	a.refused("DeleteConflict", nil, "iam", "delete-policy", "--policy-arn", arn)
	// One Deny outweighs every Allow.
	a.aws("iam", "put-group-policy", "--group-name", "cutters", "--policy-name", "no", "--policy-document", policy(deny("mediaconvert:List*", "*")))
	a.aws("iam", "attach-user-policy", "--user-name", "mara", "--policy-arn", "arn:aws:iam::aws:policy/AdministratorAccess")
	noList(p, byIdentity)
	p.aws(get...)
	a.aws("iam", "delete-group-policy", "--group-name", "cutters", "--policy-name", "no")
	p.aws(list...)
	// A boundary bounds whatever is allowed, and allows nothing itself.
	bound := a.aws("iam", "create-policy", "--policy-name", "Bound", "--policy-document", policy(allow("mediaconvert:GetQueue s3:*", "*")), "--query", "Policy.Arn")
	a.aws("iam", "put-user-permissions-boundary", "--user-name", "mara", "--permissions-boundary", bound)
	p.aws(get...)
	noList(p, byBoundary)
	p.denied("iam:CreateUser", userNamed("friend"), byBoundary, "iam", "create-user", "--user-name", "friend")
	p.denied("iam:DeleteUserPermissionsBoundary", p.arn, byBoundary, "iam", "delete-user-permissions-boundary", "--user-name", "mara")
	a.aws("iam", "detach-user-policy", "--user-name", "mara", "--policy-arn", "arn:aws:iam::aws:policy/AdministratorAccess")
	p.denied("mediaconvert:GetQueue", mc("queues/Default"), byNobody, get...)
	p.denied("s3:ListAllMyBuckets", "*", byNobody, "s3api", "list-buckets")
	a.aws("iam", "delete-user-permissions-boundary", "--user-name", "mara")
	p.aws(list...)
	a.aws("iam", "remove-user-from-group", "--group-name", "cutters", "--user-name", "mara")
	noList(p, byNobody)
	// Who administers within a boundary cannot make anybody who is not bounded.
	b := s.user("boss", policy(
		allow("iam:CreateUser iam:PutUserPermissionsBoundary iam:AttachUserPolicy", "*", `"StringEquals":{"iam:PermissionsBoundary":"`+bound+`"}`), allow("iam:ListUsers", "*")))
	b.denied("iam:CreateUser", userNamed("free"), byNobody, "iam", "create-user", "--user-name", "free")
	b.denied("iam:CreateUser", userNamed("free"), byNobody, "iam", "create-user", "--user-name", "free", "--permissions-boundary", "arn:aws:iam::aws:policy/AdministratorAccess")
	b.aws("iam", "create-user", "--user-name", "bounded", "--permissions-boundary", bound)
	b.aws("iam", "attach-user-policy", "--user-name", "bounded", "--policy-arn", "arn:aws:iam::aws:policy/AdministratorAccess")
	b.denied("iam:AttachUserPolicy", b.arn, byNobody, "iam", "attach-user-policy", "--user-name", "boss", "--policy-arn", "arn:aws:iam::aws:policy/AdministratorAccess")
	b.denied("iam:AttachUserPolicy", p.arn, byNobody, "iam", "attach-user-policy", "--user-name", "mara", "--policy-arn", "arn:aws:iam::aws:policy/AdministratorAccess")
	b.denied("iam:DeleteUserPermissionsBoundary", userNamed("bounded"), byNobody, "iam", "delete-user-permissions-boundary", "--user-name", "bounded")
	b.denied("iam:PutUserPermissionsBoundary", userNamed("bounded"), byNobody, "iam", "put-user-permissions-boundary", "--user-name", "bounded", "--permissions-boundary", "arn:aws:iam::aws:policy/AdministratorAccess")
	// What is no policy is none.
	a.refused("MalformedPolicyDocument", nil, "iam", "put-user-policy", "--user-name", "mara", "--policy-name", "own", "--policy-document", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*"}]}`)
	a.refused("MalformedPolicyDocument", nil, "iam", "create-policy", "--policy-name", "Odd", "--policy-document", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*","Principal":"*"}]}`)
	a.refused("MalformedPolicyDocument", nil, "iam", "create-role", "--role-name", "Odd", "--assume-role-policy-document", policy(allow("sts:AssumeRole", "*")))
	a.refused("NoSuchEntity", nil, "iam", "attach-user-policy", "--user-name", "mara", "--policy-arn", "arn:aws:iam::aws:policy/NoSuch")
}

var explanation = regexp.MustCompile(`(?i)'x-amzn-encoded-authorization-message': '([^']+)'`)

// TestExplained hands the encoded message of a denial to somebody who may read it.
func TestExplained(t *testing.T) {
	t.Parallel()
	s := serve(t)
	p := s.user("mara", policy(allow("mediaconvert:ListQueues", "*"), `{"Sid":"NotThisOne","Effect":"Deny","Action":"mediaconvert:GetQueue","Resource":"*"}`))
	a := s.admin()
	for _, tt := range []struct {
		action, resource string
		explicit         bool
		sid              string
		command          []string
	}{
		{"mediaconvert:GetQueue", mc("queues/Default"), true, "NotThisOne", []string{"mediaconvert", "get-queue", "--name", "Default"}},
		{"mediaconvert:GetPreset", mc("presets/p"), false, "", []string{"mediaconvert", "get-preset", "--name", "p"}},
		{"iam:GetUser", userNamed("admin"), false, "", []string{"iam", "get-user", "--user-name", "admin"}},
		{"s3:GetObject", "arn:aws:s3:::films/clip.mp4", false, "", []string{"s3api", "get-object", "--bucket", "films", "--key", "clip.mp4", os.DevNull}},
	} {
		_, f := p.try(append(tt.command, "--debug")...)
		if f == nil {
			t.Fatalf("%s was allowed", tt.action)
		}
		found := explanation.FindStringSubmatch(f.whole)
		if found == nil {
			t.Errorf("%s: no message in the header", tt.action)
			continue
		}
		p.denied("sts:DecodeAuthorizationMessage", "*", byNobody, "sts", "decode-authorization-message", "--encoded-message", found[1])
		var message struct {
			Allowed, ExplicitDeny bool
			MatchedStatements     struct{ Items []map[string]string }
			Context               struct {
				Principal        struct{ ARN string }
				Action, Resource string
			}
		}
		if err := json.Unmarshal([]byte(a.aws("sts", "decode-authorization-message", "--encoded-message", found[1], "--query", "DecodedMessage")), &message); err != nil {
			t.Fatal(err)
		}
		sid := ""
		if len(message.MatchedStatements.Items) > 0 {
			sid = message.MatchedStatements.Items[0]["statementId"]
		}
		c := message.Context
		if message.Allowed || message.ExplicitDeny != tt.explicit || c.Principal.ARN != p.arn || c.Action != tt.action || c.Resource != tt.resource || sid != tt.sid {
			t.Errorf("%s: got %+v", tt.action, message)
		}
		altered := []byte(found[1])
		altered[len(altered)/2] ^= 1
		a.refused("InvalidAuthorizationMessageException", nil, "sts", "decode-authorization-message", "--encoded-message", string(altered))
	}
	if got := p.aws("sts", "get-caller-identity", "--query", "Arn"); got != p.arn {
		t.Errorf("identity: %s", got)
	}
	// The simulator says the same, without trying.
	if got := a.aws("iam", "simulate-principal-policy", "--policy-source-arn", p.arn, "--action-names", "mediaconvert:GetQueue", "mediaconvert:GetPreset", "mediaconvert:ListQueues", "--query", "EvaluationResults[].EvalDecision"); got != "explicitDeny\timplicitDeny\tallowed" {
		t.Errorf("simulated: %q", got)
	}
	p.denied("iam:SimulatePrincipalPolicy", p.arn, byNobody, "iam", "simulate-principal-policy", "--policy-source-arn", p.arn, "--action-names", "s3:GetObject")
}
