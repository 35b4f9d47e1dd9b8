package test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/iam"
)

// account is the main account of an installation, other is the one that serveAccounts adds.
const (
	account = "000000000000"
	other   = "222222222222"
)

// person works with the AWS CLI 2 and credentials of their own, in an environment that has nothing else.
type person struct {
	t   *testing.T
	s   *server
	arn string
	env []string
}

// cli2 is the AWS CLI 2 that people use: the one of Debian 12 where it is, which knows no AWS_ENDPOINT_URL.
func cli2(t *testing.T) string {
	t.Helper()
	if _, err := os.Stat(debianCLI); err == nil {
		return debianCLI
	}
	return need(t, "aws")
}

// person is somebody with these credentials; token is empty for those that last.
func (s *server) person(arn, key, secret, token string) *person {
	p := s.stranger()
	p.arn = arn
	s.secret("the key of "+arn, []byte(secret))
	s.secret("the token of "+arn, []byte(token))
	p.env = append(p.env, "AWS_ACCESS_KEY_ID="+key, "AWS_SECRET_ACCESS_KEY="+secret)
	if token != "" {
		p.env = append(p.env, "AWS_SESSION_TOKEN="+token)
	}
	return p
}

// stranger is somebody without credentials.
func (s *server) stranger() *person {
	return &person{t: s.t, s: s, env: []string{
		"PATH=" + os.Getenv("PATH"), "HOME=/nonexistent", "AWS_CA_BUNDLE=" + filepath.Join(s.data, "tls", "ca.pem"), "AWS_CONFIG_FILE=" + os.DevNull,
		"AWS_REGION=us-east-1", "AWS_DEFAULT_REGION=us-east-1", "AWS_DEFAULT_OUTPUT=text", "AWS_EC2_METADATA_DISABLED=true", "AWS_PAGER=",
		"AWS_SHARED_CREDENTIALS_FILE=" + os.DevNull,
	}}
}

// profile is somebody whose credentials stand in the server's credentials file: the root of an account, or its first user.
func (s *server) profile(name, arn string) *person {
	p := s.stranger()
	p.arn = arn
	p.env = append(p.env, "AWS_SHARED_CREDENTIALS_FILE="+filepath.Join(s.data, "credentials"), "AWS_PROFILE="+name)
	return p
}

// root and admin are who the main account has from its first day.
func (s *server) root() *person { return s.profile("default", "arn:aws:iam::"+account+":root") }

func (s *server) admin() *person { return s.profile("admin", "arn:aws:iam::"+account+":user/admin") }

// in is the same person in a subtest.
func (p *person) in(t *testing.T) *person {
	q := *p
	q.t = t
	return &q
}

// aws runs an AWS CLI command that must succeed, and returns what it printed.
func (p *person) aws(args ...string) string {
	p.t.Helper()
	out, f := p.try(args...)
	if f != nil {
		p.t.Fatalf("%s: aws %s: %s", p.arn, strings.Join(args, " "), f.whole)
	}
	return out
}

// failure is what the AWS CLI says of a call that an API refused.
type failure struct{ code, text, whole string }

var failurePattern = regexp.MustCompile(`(?s)An error occurred \(([\w.]+)\) when calling the \w+ operation(?: \(reached max retries: \d+\))?: (.*)$`)

func (p *person) try(args ...string) (string, *failure) {
	p.t.Helper()
	out, stderr, err := try(p.t, p.env, cli2(p.t), append([]string{"--endpoint-url", p.s.url}, args...)...)
	if err == nil {
		return strings.TrimSpace(out), nil
	}
	f := &failure{whole: fmt.Sprintf("%v\n%s%s", err, out, stderr)}
	if m := failurePattern.FindStringSubmatch(stderr); m != nil {
		f.code, f.text = m[1], strings.TrimSpace(m[2])
	}
	return out, f
}

// refused runs a command that must be refused with a code, and with a text that has all of these parts.
func (p *person) refused(code string, says []string, args ...string) {
	p.t.Helper()
	out, f := p.try(args...)
	if f == nil {
		p.t.Errorf("%s: aws %s was carried out, want %s:\n%s", p.arn, strings.Join(args, " "), code, out)
		return
	}
	if f.code != code {
		p.t.Errorf("%s: aws %s: got %q %q, want %s\n%s", p.arn, strings.Join(args, " "), f.code, f.text, code, f.whole)
		return
	}
	for _, s := range says {
		if !strings.Contains(f.text, s) {
			p.t.Errorf("%s: aws %s: got %q, want it to say %q", p.arn, strings.Join(args, " "), f.text, s)
		}
	}
}

// says is the text of a refusal, in parts.
func says(parts ...string) []string { return parts }

// Why something is denied, as AWS ends its texts.
const (
	byNobody   = "because no identity-based policy allows the ACTION action"
	byIdentity = "with an explicit deny in an identity-based policy"
	byBoundary = "because no permissions boundary allows the ACTION action"
	bySession  = "because no session policy allows the ACTION action"
	byRail     = "because no service control policy allows the ACTION action"
	byRailDeny = "with an explicit deny in a service control policy"
	bySilence  = "" // nothing more is said
)

// denied runs a command that must be denied, in exactly the words of AWS.
func (p *person) denied(action, resource, why string, args ...string) {
	p.t.Helper()
	out, f := p.try(args...)
	code, text := denial(p.arn, action, resource, why)
	if len(args) > 0 && (args[0] == "mediaconvert" || args[0] == "kms") {
		code = "AccessDeniedException"
	}
	switch {
	case f == nil:
		p.t.Errorf("%s: aws %s was carried out, want %s:\n%s", p.arn, strings.Join(args, " "), text, out)
	case f.code != code || f.text != text:
		p.t.Errorf("%s: aws %s:\n got %s %q\nwant %s %q\n%s", p.arn, strings.Join(args, " "), f.code, f.text, code, text, map[bool]string{true: f.whole}[f.code == ""])
	}
}

func denial(who, action, resource, why string) (code, text string) {
	text = "User: " + who + " is not authorized to perform: " + action
	if resource != "*" {
		text += " on resource: " + resource
	}
	if why != bySilence {
		text += " " + strings.ReplaceAll(why, "ACTION", action)
	}
	return "AccessDenied", text
}

// mc is the ARN of something of MediaConvert's in the main account.
func mc(name string) string { return "arn:aws:mediaconvert:us-east-1:" + account + ":" + name }

// roleNamed and userNamed are ARNs in the main account.
func roleNamed(name string) string { return "arn:aws:iam::" + account + ":role/" + name }
func userNamed(name string) string { return "arn:aws:iam::" + account + ":user/" + name }

// policy is a document of these statements.
func policy(statements ...string) string {
	return `{"Version":"2012-10-17","Statement":[` + strings.Join(statements, ",") + `]}`
}

// allow and deny are statements; conditions are what follows the resources.
func allow(actions, resources string, conditions ...string) string {
	return statementOf("Allow", actions, resources, conditions)
}

func deny(actions, resources string, conditions ...string) string {
	return statementOf("Deny", actions, resources, conditions)
}

func statementOf(effect, actions, resources string, conditions []string) string {
	list := func(s string) string {
		b, _ := json.Marshal(strings.Fields(s)) // strings have a form
		return string(b)
	}
	out := `{"Effect":"` + effect + `","Action":` + list(actions) + `,"Resource":` + list(resources)
	if len(conditions) > 0 {
		out += `,"Condition":{` + strings.Join(conditions, ",") + `}`
	}
	return out + "}"
}

// trust is a trust policy for one principal, such as "Service":"…", and trustFor one for more actions than sts:AssumeRole.
func trust(principal string, conditions ...string) string {
	return trustFor("sts:AssumeRole", principal, conditions...)
}

func trustFor(actions, principal string, conditions ...string) string {
	out := `{"Effect":"Allow","Principal":{` + principal + `},"Action":["` + strings.Join(strings.Fields(actions), `","`) + `"]`
	if len(conditions) > 0 {
		out += `,"Condition":{` + strings.Join(conditions, ",") + `}`
	}
	return policy(out + "}")
}

const toMediaConvert = `"Service":"mediaconvert.amazonaws.com"`

// passing is the statement that lets somebody hand a role to MediaConvert.
func passing(role string) string {
	return allow("iam:PassRole", role, `"StringEquals":{"iam:PassedToService":"mediaconvert.amazonaws.com"}`)
}

// iam is the IAM API for the person of a profile: what a test is not about is set up by it, for it is faster than the AWS CLI.
func (s *server) iam(profile string) *iam.Client {
	s.t.Helper()
	return iam.NewFromConfig(s.configOf(profile))
}

// configOf is what an AWS SDK makes of a profile of the server's credentials file.
func (s *server) configOf(profile string) aws.Config {
	s.t.Helper()
	cfg := s.config()
	named, err := config.LoadDefaultConfig(s.t.Context(),
		config.WithSharedCredentialsFiles([]string{filepath.Join(s.data, "credentials")}), config.WithSharedConfigFiles([]string{os.DevNull}),
		config.WithRegion("us-east-1"), config.WithSharedConfigProfile(profile))
	if err != nil {
		s.t.Fatal(err)
	}
	cfg.Credentials = named.Credentials
	return cfg
}

// user makes a user of the main account with an access key and, unless it is empty, one policy.
func (s *server) user(name, document string) *person { return s.userOf("admin", name, document) }

func (s *server) userOf(profile, name, document string) *person {
	s.t.Helper()
	c, ctx := s.iam(profile), s.t.Context()
	made, err := c.CreateUser(ctx, &iam.CreateUserInput{UserName: &name})
	if err != nil {
		s.t.Fatal(err)
	}
	if document != "" {
		s.grantOf(profile, name, document)
	}
	key, err := c.CreateAccessKey(ctx, &iam.CreateAccessKeyInput{UserName: &name})
	if err != nil {
		s.t.Fatal(err)
	}
	return s.person(*made.User.Arn, *key.AccessKey.AccessKeyId, *key.AccessKey.SecretAccessKey, "")
}

// grant sets the one policy of a user.
func (s *server) grant(user, document string) { s.t.Helper(); s.grantOf("admin", user, document) }

func (s *server) grantOf(profile, user, document string) {
	s.t.Helper()
	if _, err := s.iam(profile).PutUserPolicy(s.t.Context(), &iam.PutUserPolicyInput{UserName: &user, PolicyName: aws.String("own"), PolicyDocument: &document}); err != nil {
		s.t.Fatal(err)
	}
}

// role makes a role of the main account with one policy, and returns its ARN.
func (s *server) role(name, trust, document string) string {
	s.t.Helper()
	c, ctx := s.iam("admin"), s.t.Context()
	made, err := c.CreateRole(ctx, &iam.CreateRoleInput{RoleName: &name, AssumeRolePolicyDocument: &trust})
	if err != nil {
		s.t.Fatal(err)
	}
	if document != "" {
		s.allowRole(name, document)
	}
	return *made.Role.Arn
}

// allowRole sets the one policy of a role.
func (s *server) allowRole(name, document string) {
	s.t.Helper()
	if _, err := s.iam("admin").PutRolePolicy(s.t.Context(), &iam.PutRolePolicyInput{RoleName: &name, PolicyName: aws.String("own"), PolicyDocument: &document}); err != nil {
		s.t.Fatal(err)
	}
}

// session is a person with the credentials of an answer of STS, which the AWS CLI has printed as JSON.
func (s *server) session(text string) *person {
	s.t.Helper()
	var out struct {
		Credentials     struct{ AccessKeyId, SecretAccessKey, SessionToken string }
		AssumedRoleUser struct{ Arn string }
	}
	if err := json.Unmarshal([]byte(text), &out); err != nil || out.Credentials.SessionToken == "" {
		s.t.Fatalf("no credentials: %v %s", err, text)
	}
	c := out.Credentials
	return s.person(out.AssumedRoleUser.Arn, c.AccessKeyId, c.SecretAccessKey, c.SessionToken)
}

// assume assumes a role and returns the person that it makes.
func (p *person) assume(role, name string, args ...string) *person {
	p.t.Helper()
	out := p.s.session(p.aws(append([]string{"--output", "json", "sts", "assume-role", "--role-arn", role, "--role-session-name", name}, args...)...))
	return out.in(p.t)
}
