package stsapi_test

import (
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/aws-sdk-go-v2/service/sts/types"

	"darkroom/internal/identity"
	"darkroom/internal/oidc"
	"darkroom/internal/secret"
	"darkroom/internal/stsapi"
	"darkroom/internal/totp"
)

func TestNewNeeds(t *testing.T) {
	t.Parallel()
	if _, err := stsapi.New(stsapi.Options{}); err == nil {
		t.Error("an API without a directory")
	}
}

func TestCallerIdentity(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	// Nobody can be kept from asking who they are.
	_, ann := b.user("ann", `{"Effect":"Deny","Action":"*","Resource":"*"}`)
	for want, k := range map[string]key{"arn:aws:iam::" + account + ":root": rootKey, "arn:aws:iam::" + account + ":user/ann": ann} {
		if got, err := b.identity(k); got != want || err != nil {
			t.Errorf("got %q %v, want %q", got, err, want)
		}
	}
	_, err := b.identity(key{id: "AKIAUNKNOWN", secret: "x"})
	refused(t, "nobody", err, "InvalidClientTokenId", "")
	_, err = b.identity(key{id: ann.id, secret: "wrong"})
	refused(t, "a wrong secret", err, "SignatureDoesNotMatch", "")
}

// TestAssumeRole is who may have a session of a role, and what it can be.
func TestAssumeRole(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	_, ann := b.user("ann", "")
	_, bob := b.user("bob", `{"Effect":"Allow","Action":["sts:AssumeRole","sts:TagSession","sts:SetSourceIdentity"],"Resource":"arn:aws:iam::`+account+`:role/*"}`)
	_, eve := b.user("eve", `{"Effect":"Allow","Action":"sts:*","Resource":"*"},{"Effect":"Deny","Action":"sts:AssumeRole","Resource":"*"}`)
	const all = `"Action":["sts:AssumeRole","sts:TagSession","sts:SetSourceIdentity"]`
	byName := b.role("ByName", `{"Effect":"Allow","Principal":{"AWS":["arn:aws:iam::`+account+`:user/ann","arn:aws:iam::`+account+`:user/eve"]},`+all+`}`, nil)
	byAccount := b.role("ByAccount", `{"Effect":"Allow","Principal":{"AWS":"`+account+`"},`+all+`}`, func(e *identity.Entity) { e.MaxDuration = 4 * time.Hour })
	external := b.role("External", `{"Effect":"Allow","Principal":{"AWS":"`+account+`"},"Action":"sts:AssumeRole","Condition":{"StringEquals":{"sts:ExternalId":"42","sts:RoleSessionName":"s1"}}}`, nil)
	stranger := b.role("Stranger", `{"Effect":"Allow","Principal":{"AWS":"`+other+`"},`+all+`}`, nil)
	denied := b.role("Denied", `{"Effect":"Allow","Principal":"*",`+all+`},{"Effect":"Deny","Principal":"*","Action":"sts:AssumeRole"}`, nil)
	tests := []struct {
		name       string
		who        key
		in         sts.AssumeRoleInput
		code, says string // empty: it is given
	}{
		{"named", ann, sts.AssumeRoleInput{RoleArn: &byName}, "", ""},
		{"the account, and the user may", bob, sts.AssumeRoleInput{RoleArn: &byAccount}, "", ""},
		{"external id", bob, sts.AssumeRoleInput{RoleArn: &external, ExternalId: aws.String("42")}, "", ""},
		{"longest", bob, sts.AssumeRoleInput{RoleArn: &byAccount, DurationSeconds: aws.Int32(4 * 3600)}, "", ""},
		{"shortest", bob, sts.AssumeRoleInput{RoleArn: &byAccount, DurationSeconds: aws.Int32(900)}, "", ""},
		{"tags", bob, sts.AssumeRoleInput{RoleArn: &byAccount, Tags: []types.Tag{{Key: aws.String("a"), Value: aws.String("b")}}, TransitiveTagKeys: []string{"a"}}, "", ""},
		{"source identity", bob, sts.AssumeRoleInput{RoleArn: &byAccount, SourceIdentity: aws.String("bob")}, "", ""},
		{"policies", bob, sts.AssumeRoleInput{RoleArn: &byAccount, Policy: aws.String(document(`{"Effect":"Allow","Action":"*","Resource":"*"}`)), PolicyArns: []types.PolicyDescriptorType{{Arn: aws.String("arn:aws:iam::aws:policy/IAMReadOnlyAccess")}}}, "", ""},

		{"not named", bob, sts.AssumeRoleInput{RoleArn: &byName}, "AccessDenied", "is not authorized to perform: sts:AssumeRole on resource: " + byName},
		{"the account, and the user may not", ann, sts.AssumeRoleInput{RoleArn: &byAccount}, "AccessDenied", "because no identity-based policy allows the sts:AssumeRole action"},
		{"named, and denied by their own policy", eve, sts.AssumeRoleInput{RoleArn: &byName}, "AccessDenied", "with an explicit deny in an identity-based policy"},
		{"denied by the trust policy", bob, sts.AssumeRoleInput{RoleArn: &denied}, "AccessDenied", "with an explicit deny in a resource-based policy"},
		{"no external id", bob, sts.AssumeRoleInput{RoleArn: &external}, "AccessDenied", ""},
		{"another external id", bob, sts.AssumeRoleInput{RoleArn: &external, ExternalId: aws.String("43")}, "AccessDenied", ""},
		{"another session name", bob, sts.AssumeRoleInput{RoleArn: &external, ExternalId: aws.String("42"), RoleSessionName: aws.String("s2")}, "AccessDenied", ""},
		{"another account is trusted", bob, sts.AssumeRoleInput{RoleArn: &stranger}, "AccessDenied", ""},
		{"from another account", key{id: "AKIAOTHER", secret: "secret of AKIAOTHER"}, sts.AssumeRoleInput{RoleArn: &stranger}, "AccessDenied", ""},
		{"a root", rootKey, sts.AssumeRoleInput{RoleArn: &byAccount}, "AccessDenied", ""},
		{"no such role", bob, sts.AssumeRoleInput{RoleArn: aws.String("arn:aws:iam::" + account + ":role/Gone")}, "AccessDenied", "sts:AssumeRole on resource: arn:aws:iam::" + account + ":role/Gone"},
		{"a user for a role", bob, sts.AssumeRoleInput{RoleArn: aws.String("arn:aws:iam::" + account + ":user/ann")}, "AccessDenied", ""},
		{"tags that the trust policy does not speak of", bob, sts.AssumeRoleInput{RoleArn: &external, ExternalId: aws.String("42"), Tags: []types.Tag{{Key: aws.String("a"), Value: aws.String("b")}}}, "AccessDenied", "sts:TagSession"},
		{"a source identity that it does not speak of", bob, sts.AssumeRoleInput{RoleArn: &external, ExternalId: aws.String("42"), SourceIdentity: aws.String("bob")}, "AccessDenied", "sts:SetSourceIdentity"},

		{"too long for the role", bob, sts.AssumeRoleInput{RoleArn: &byAccount, DurationSeconds: aws.Int32(4*3600 + 1)}, "ValidationError", "exceeds the MaxSessionDuration"},
		{"too long for a role that says nothing", ann, sts.AssumeRoleInput{RoleArn: &byName, DurationSeconds: aws.Int32(3601)}, "ValidationError", "exceeds the MaxSessionDuration"},
		{"too short", bob, sts.AssumeRoleInput{RoleArn: &byAccount, DurationSeconds: aws.Int32(899)}, "ValidationError", ""},
		{"a broken policy", bob, sts.AssumeRoleInput{RoleArn: &byAccount, Policy: aws.String(`{"Version":"2012-10-17","Statement":[{"Effect":"allow"}]}`)}, "MalformedPolicyDocument", "line 1"},
		{"a long policy", bob, sts.AssumeRoleInput{RoleArn: &byAccount, Policy: aws.String(document(`{"Effect":"Allow","Action":"*","Resource":"arn:aws:s3:::` + strings.Repeat("x", 2040) + `"}`))}, "PackedPolicyTooLarge", "2048"},
		{"a managed policy that is not there", bob, sts.AssumeRoleInput{RoleArn: &byAccount, PolicyArns: []types.PolicyDescriptorType{{Arn: aws.String("arn:aws:iam::" + account + ":policy/gone")}}}, "ValidationError", "does not exist"},
		{"a tag twice", bob, sts.AssumeRoleInput{RoleArn: &byAccount, Tags: []types.Tag{{Key: aws.String("a"), Value: aws.String("b")}, {Key: aws.String("A"), Value: aws.String("c")}}}, "ValidationError", "Duplicate tag keys"},
		{"a reserved tag", bob, sts.AssumeRoleInput{RoleArn: &byAccount, Tags: []types.Tag{{Key: aws.String("AWS:a"), Value: aws.String("b")}}}, "ValidationError", "reserved"},
		{"a transitive key without a tag", bob, sts.AssumeRoleInput{RoleArn: &byAccount, TransitiveTagKeys: []string{"a"}}, "ValidationError", "not among the tags"},
		{"half a factor", bob, sts.AssumeRoleInput{RoleArn: &byAccount, SerialNumber: aws.String("arn:aws:iam::" + account + ":mfa/x")}, "ValidationError", "TokenCode"},
		{"a factor that nobody has", bob, sts.AssumeRoleInput{RoleArn: &byAccount, SerialNumber: aws.String("arn:aws:iam::" + account + ":mfa/x"), TokenCode: aws.String("123456")}, "AccessDenied", "MFA"},
		{"contexts of others", bob, sts.AssumeRoleInput{RoleArn: &byAccount, ProvidedContexts: []types.ProvidedContext{{ProviderArn: aws.String("arn:aws:iam::aws:contextProvider/IdentityCenter"), ContextAssertion: aws.String("xxxx")}}}, "ValidationError", "Not offered by this installation: ProvidedContexts"},
		{"a name with a slash", bob, sts.AssumeRoleInput{RoleArn: &byAccount, RoleSessionName: aws.String("a/b")}, "ValidationError", "roleSessionName"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if tt.in.RoleSessionName == nil {
				tt.in.RoleSessionName = aws.String("s1")
			}
			out, err := b.as(tt.who).AssumeRole(t.Context(), &tt.in)
			if tt.code != "" {
				refused(t, tt.name, err, tt.code, tt.says)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			_, name, _ := strings.Cut(*tt.in.RoleArn, "role/")
			want := "arn:aws:sts::" + account + ":assumed-role/" + name + "/s1"
			got, err := b.identity(session(out.Credentials))
			if err != nil || got != want || *out.AssumedRoleUser.Arn != want || !strings.HasSuffix(*out.AssumedRoleUser.AssumedRoleId, ":s1") {
				t.Errorf("got %q %v, want %q", got, err, want)
			}
			asked := int32(3600)
			if tt.in.DurationSeconds != nil {
				asked = *tt.in.DurationSeconds
			}
			if left := time.Until(*out.Credentials.Expiration); left > time.Duration(asked)*time.Second || left < time.Duration(asked)*time.Second-time.Minute {
				t.Errorf("lasts %v, want %d s", left, asked)
			}
			if size := aws.ToInt32(out.SessionTokenSize); int(size) != len(*out.Credentials.SessionToken) || aws.ToInt32(out.SessionTokenUtilization) < 1 {
				t.Errorf("token of %d bytes, %d percent", size, aws.ToInt32(out.SessionTokenUtilization))
			}
		})
	}
}

func session(c *types.Credentials) key {
	return key{*c.AccessKeyId, *c.SecretAccessKey, *c.SessionToken}
}

// TestChain: a session that assumes a role again lasts an hour, and what is to pass on passes on.
func TestChain(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	const all = `"Action":["sts:AssumeRole","sts:TagSession","sts:SetSourceIdentity"]`
	_, ann := b.user("ann", "")
	first := b.role("First", `{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::`+account+`:user/ann"},`+all+`}`, nil)
	second := b.role("Second", `{"Effect":"Allow","Principal":{"AWS":"`+first+`"},`+all+`,"Condition":{"StringEquals":{"aws:RequestTag/team":"films","sts:SourceIdentity":"ann","aws:SourceIdentity":"ann"}}}`,
		func(e *identity.Entity) { e.MaxDuration = 12 * time.Hour })
	open := func(in sts.AssumeRoleInput) key {
		t.Helper()
		in.RoleArn, in.RoleSessionName = &first, aws.String("s1")
		out, err := b.as(ann).AssumeRole(t.Context(), &in)
		if err != nil {
			t.Fatal(err)
		}
		return session(out.Credentials)
	}
	tags := []types.Tag{{Key: aws.String("team"), Value: aws.String("films")}, {Key: aws.String("floor"), Value: aws.String("3")}}
	k := open(sts.AssumeRoleInput{Tags: tags, TransitiveTagKeys: []string{"team"}, SourceIdentity: aws.String("ann")})
	out, err := b.as(k).AssumeRole(t.Context(), &sts.AssumeRoleInput{RoleArn: &second, RoleSessionName: aws.String("s2")})
	if err != nil {
		t.Fatal(err)
	}
	if aws.ToString(out.SourceIdentity) != "ann" {
		t.Errorf("source identity %q", aws.ToString(out.SourceIdentity))
	}
	_, who, err := b.people.Find(t.Context(), *out.Credentials.AccessKeyId, *out.Credentials.SessionToken)
	if err != nil || who.Tags["team"] != "films" || who.Tags["floor"] != "" || who.SourceIdentity != "ann" || len(who.TransitiveTags) != 1 {
		t.Errorf("got %+v %v", who, err)
	}
	for name, in := range map[string]sts.AssumeRoleInput{
		"more than an hour":            {DurationSeconds: aws.Int32(3601)},
		"a tag that passes on":         {Tags: []types.Tag{{Key: aws.String("Team"), Value: aws.String("films")}}},
		"another source identity":      {SourceIdentity: aws.String("bob")},
		"a second factor of a session": {SerialNumber: aws.String("arn:aws:iam::" + account + ":mfa/x"), TokenCode: aws.String("123456")},
	} {
		in.RoleArn, in.RoleSessionName = &second, aws.String("s2")
		if _, err := b.as(k).AssumeRole(t.Context(), &in); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
	for name, in := range map[string]sts.AssumeRoleInput{
		"a tag that does not pass on": {Tags: tags, SourceIdentity: aws.String("ann")},
		"no source identity":          {Tags: tags, TransitiveTagKeys: []string{"team"}},
	} {
		_, err := b.as(open(in)).AssumeRole(t.Context(), &sts.AssumeRoleInput{RoleArn: &second, RoleSessionName: aws.String("s2")})
		refused(t, name, err, "AccessDenied", "")
	}
}

// TestSessionToken: long-term credentials alone get a session, and a second factor makes it another.
func TestSessionToken(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	u, ann := b.user("ann", "")
	seed := secret.New([]byte(strings.Repeat("s", totp.SeedSize)))
	device := &identity.Entity{Kind: identity.Device, ID: identity.NewID(identity.Device), Name: "phone", Path: "/", Owner: u.ID}
	if err := b.people.SealSeed(account, device, seed); err != nil {
		t.Fatal(err)
	}
	b.change(func(v *identity.View) { v.Put(device) })
	serial := device.ARN(account)

	plain, err := b.as(ann).GetSessionToken(t.Context(), &sts.GetSessionTokenInput{})
	if err != nil {
		t.Fatal(err)
	}
	if left := time.Until(*plain.Credentials.Expiration); left < 12*time.Hour-time.Minute || left > 12*time.Hour {
		t.Errorf("lasts %v", left)
	}
	_, who, err := b.people.Find(t.Context(), *plain.Credentials.AccessKeyId, *plain.Credentials.SessionToken)
	if err != nil || !who.MFA.IsZero() || who.Issued.IsZero() {
		t.Errorf("got %+v %v", who, err)
	}
	_, err = b.as(session(plain.Credentials)).GetSessionToken(t.Context(), &sts.GetSessionTokenInput{})
	refused(t, "a session of a session", err, "AccessDenied", "Cannot call GetSessionToken with session credentials")

	_, err = b.as(session(plain.Credentials)).DecodeAuthorizationMessage(t.Context(), &sts.DecodeAuthorizationMessageInput{EncodedMessage: aws.String("good")})
	refused(t, "what a user's session may not call", err, "AccessDenied", "Cannot call DecodeAuthorizationMessage with session credentials")
	if got, err := b.identity(session(plain.Credentials)); got != "arn:aws:iam::"+account+":user/ann" || err != nil {
		t.Errorf("who a session is: %q, %v", got, err)
	}

	code := totpCode(seed)
	for name, in := range map[string]*sts.GetSessionTokenInput{
		"a wrong code":     {SerialNumber: &serial, TokenCode: aws.String(wrong(code))},
		"another's device": {SerialNumber: aws.String("arn:aws:iam::" + account + ":mfa/other"), TokenCode: &code},
	} {
		_, err := b.as(ann).GetSessionToken(t.Context(), in)
		refused(t, name, err, "AccessDenied", "invalid MFA one time pass code")
	}
	_, err = b.as(ann).GetSessionToken(t.Context(), &sts.GetSessionTokenInput{TokenCode: &code})
	refused(t, "a code without a device", err, "ValidationError", "SerialNumber")
	_, err = b.as(rootKey).GetSessionToken(t.Context(), &sts.GetSessionTokenInput{SerialNumber: &serial, TokenCode: &code})
	refused(t, "the root with a user's device", err, "AccessDenied", "")

	code = totpCode(seed)
	out, err := b.as(ann).GetSessionToken(t.Context(), &sts.GetSessionTokenInput{SerialNumber: &serial, TokenCode: &code, DurationSeconds: aws.Int32(900)})
	if err != nil {
		t.Fatal(err)
	}
	_, who, err = b.people.Find(t.Context(), *out.Credentials.AccessKeyId, *out.Credentials.SessionToken)
	if err != nil || who.MFA.IsZero() {
		t.Errorf("got %+v %v", who, err)
	}
	_, err = b.as(ann).GetSessionToken(t.Context(), &sts.GetSessionTokenInput{SerialNumber: &serial, TokenCode: &code})
	refused(t, "a code again", err, "AccessDenied", "invalid MFA one time pass code")

	root, err := b.as(rootKey).GetSessionToken(t.Context(), &sts.GetSessionTokenInput{DurationSeconds: aws.Int32(36000)})
	if err != nil || time.Until(*root.Credentials.Expiration) > time.Hour {
		t.Errorf("the root: %v", err)
	}
	if got, err := b.identity(session(root.Credentials)); got != "arn:aws:iam::"+account+":root" || err != nil {
		t.Errorf("the root's session is %q, %v", got, err)
	}
}

// totpCode is the code of the moment (RFC 6238 with SHA-1, 30 s and six digits), which the package under test only verifies.
func totpCode(seed secret.Bytes) string {
	mac := hmac.New(sha1.New, seed.Reveal())
	mac.Write(binary.BigEndian.AppendUint64(nil, uint64(time.Now().Unix()/30)))
	sum := mac.Sum(nil)
	return fmt.Sprintf("%06d", binary.BigEndian.Uint32(sum[sum[len(sum)-1]&15:])&0x7fffffff%1_000_000)
}

func wrong(code string) string {
	if code[0] == '9' {
		return "0" + code[1:]
	}
	return string(code[0]+1) + code[1:]
}

// token is a JWT of an issuer in form alone; its end says what the bench's verification is to find.
func token(issuer, end string) string {
	part := func(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }
	return part(`{"alg":"RS256","kid":"k"}`) + "." + part(`{"iss":"`+issuer+`"}`) + "." + part(end)
}

func TestWebIdentity(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	const issuer = "https://id.example.org/realm"
	p := &identity.Entity{Kind: identity.Provider, ID: identity.NewID(identity.Provider), Name: "id.example.org/realm", Path: "/", Audiences: []string{"client"}}
	b.change(func(v *identity.View) { v.Put(p) })
	trust := func(action string) string {
		return `{"Effect":"Allow","Principal":{"Federated":"` + p.ARN(account) + `"},"Action":` + action +
			`,"Condition":{"StringEquals":{"id.example.org/realm:aud":"client","id.example.org/realm:sub":"ann"}}}`
	}
	role := b.role("Web", trust(`"sts:AssumeRoleWithWebIdentity"`), nil)
	tagged := b.role("Tagged", trust(`["sts:AssumeRoleWithWebIdentity","sts:TagSession","sts:SetSourceIdentity"]`), nil)
	claims := oidc.Claims{Issuer: issuer, Subject: "ann", Audience: []string{"client"}}
	good, bob, tags, flat := token(issuer, "good"), token(issuer, "bob"), token(issuer, "tags"), token("https://id.example.org/other", "good")
	b.claims[good], b.claims[flat] = claims, claims
	c := claims
	c.Subject = "bob"
	b.claims[bob] = c
	c = claims
	c.PrincipalTags, c.TransitiveTagKeys, c.SourceIdentity, c.AuthorizedParty = map[string]string{"team": "films"}, []string{"team"}, "ann@example.org", "client"
	b.claims[tags] = c

	// The request is not signed: what is shown is the token.
	assume := func(role, text string) (*sts.AssumeRoleWithWebIdentityOutput, error) {
		return b.as(key{}).AssumeRoleWithWebIdentity(t.Context(), &sts.AssumeRoleWithWebIdentityInput{RoleArn: &role, RoleSessionName: aws.String("s1"), WebIdentityToken: &text})
	}
	out, err := assume(role, good)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := b.identity(session(out.Credentials)); got != "arn:aws:sts::"+account+":assumed-role/Web/s1" || err != nil || *out.SubjectFromWebIdentityToken != "ann" || *out.Audience != "client" || *out.Provider != p.ARN(account) {
		t.Errorf("got %q %v %+v", got, err, out)
	}
	_, who, err := b.people.Find(t.Context(), *out.Credentials.AccessKeyId, *out.Credentials.SessionToken)
	if err != nil || who.Provider != p.ARN(account) {
		t.Errorf("got %+v %v", who, err)
	}
	if out, err = assume(tagged, tags); err != nil {
		t.Fatal(err)
	}
	_, who, err = b.people.Find(t.Context(), *out.Credentials.AccessKeyId, *out.Credentials.SessionToken)
	if err != nil || who.Tags["team"] != "films" || who.SourceIdentity != "ann@example.org" || *out.SourceIdentity != "ann@example.org" {
		t.Errorf("got %+v %v", who, err)
	}
	ends := func(err error) string { return token(issuer, err.Error()) }
	for _, tt := range []struct{ name, role, text, code, says string }{
		{"somebody else", role, bob, "AccessDenied", ""},
		{"tags that the trust policy does not speak of", role, tags, "AccessDenied", "sts:TagSession"},
		{"no such role", role + "2", good, "AccessDenied", ""},
		{"a role of another account", strings.Replace(role, account, other, 1), good, "InvalidIdentityToken", "No OpenIDConnect provider"},
		{"a role of an account that is not here", strings.Replace(role, account, "123456789012", 1), good, "AccessDenied", ""},
		{"a provider that nobody configured", role, flat, "InvalidIdentityToken", "No OpenIDConnect provider"},
		{"plain http", role, token("http://id.example.org/realm", "good"), "InvalidIdentityToken", "No OpenIDConnect provider"},
		{"no token at all", role, "xxxx", "InvalidIdentityToken", "not a valid JWT"},
		{"expired", role, ends(oidc.ErrExpired), "ExpiredTokenException", "Token expired"},
		{"for another client", role, ends(oidc.ErrAudience), "InvalidIdentityToken", "Incorrect token audience"},
		{"the provider does not answer", role, ends(oidc.ErrUnreachable), "IDPCommunicationError", "Couldn't retrieve verification key"},
		{"altered", role, token(issuer, "altered"), "InvalidIdentityToken", ""},
	} {
		_, err := assume(tt.role, tt.text)
		refused(t, tt.name, err, tt.code, tt.says)
	}
	_, err = b.as(key{}).AssumeRoleWithWebIdentity(t.Context(), &sts.AssumeRoleWithWebIdentityInput{RoleArn: &role, RoleSessionName: aws.String("s1"), WebIdentityToken: &good, ProviderId: aws.String("www.example.com")})
	refused(t, "OAuth 2.0", err, "ValidationError", "Not offered by this installation: ProviderId")
}

// TestUnsigned: nothing but a web identity is let in without a signature, whatever the form says.
func TestUnsigned(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	for name, form := range map[string]url.Values{
		"who am I":        {"Action": {"GetCallerIdentity"}, "Version": {"2011-06-15"}},
		"a session":       {"Action": {"GetSessionToken"}, "Version": {"2011-06-15"}},
		"a role":          {"Action": {"AssumeRole"}, "Version": {"2011-06-15"}, "RoleArn": {"arn:aws:iam::" + account + ":role/R"}, "RoleSessionName": {"s1"}},
		"two actions":     {"Action": {"AssumeRoleWithWebIdentity", "GetCallerIdentity"}, "Version": {"2011-06-15"}},
		"another version": {"Action": {"AssumeRoleWithWebIdentity"}, "Version": {"2010-05-08"}},
		"no action":       {},
	} {
		resp, err := b.server.Client().PostForm(b.server.URL+"/", form)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusForbidden {
			t.Errorf("%s: got %d", name, resp.StatusCode)
		}
	}
	resp, err := b.server.Client().PostForm(b.server.URL+"/", url.Values{"Action": {"AssumeRoleWithWebIdentity"}, "Version": {"2011-06-15"}})
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusBadRequest {
		t.Errorf("without its members: got %d", resp.StatusCode)
	}
}

func TestSundry(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	_, ann := b.user("ann", `{"Effect":"Allow","Action":["sts:GetAccessKeyInfo","sts:DecodeAuthorizationMessage"],"Resource":"*"}`)
	_, bob := b.user("bob", "")
	if out, err := b.as(ann).GetAccessKeyInfo(t.Context(), &sts.GetAccessKeyInfoInput{AccessKeyId: &bob.id}); err != nil || *out.Account != account {
		t.Error(err)
	}
	_, err := b.as(ann).GetAccessKeyInfo(t.Context(), &sts.GetAccessKeyInfoInput{AccessKeyId: aws.String("AKIAOTHERAAAAAAA")})
	refused(t, "a key of nobody here", err, "ValidationError", "does not belong to the account")
	_, err = b.as(bob).GetAccessKeyInfo(t.Context(), &sts.GetAccessKeyInfoInput{AccessKeyId: &ann.id})
	refused(t, "not allowed", err, "AccessDenied", "sts:GetAccessKeyInfo")
	if out, err := b.as(ann).DecodeAuthorizationMessage(t.Context(), &sts.DecodeAuthorizationMessageInput{EncodedMessage: aws.String("good")}); err != nil || *out.DecodedMessage != "why "+account {
		t.Error(err)
	}
	_, err = b.as(ann).DecodeAuthorizationMessage(t.Context(), &sts.DecodeAuthorizationMessageInput{EncodedMessage: aws.String("bad")})
	refused(t, "no message", err, "InvalidAuthorizationMessageException", "")
	_, err = b.as(bob).DecodeAuthorizationMessage(t.Context(), &sts.DecodeAuthorizationMessageInput{EncodedMessage: aws.String("good")})
	refused(t, "not allowed", err, "AccessDenied", "sts:DecodeAuthorizationMessage")
	_, err = b.as(ann).GetFederationToken(t.Context(), &sts.GetFederationTokenInput{Name: aws.String("xx")})
	refused(t, "federation", err, "NotImplemented", "Not offered by this installation: GetFederationToken")
}
