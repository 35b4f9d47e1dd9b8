package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"darkroom/internal/iam"
)

// policyFiles reads the documents that a command names. Standard input is read once.
type policyFiles struct {
	stdin io.Reader
	used  bool
}

func (f *policyFiles) read(name string) (string, error) {
	from := f.stdin
	if name == "-" {
		if f.used {
			return "", usagef("only one policy can be on standard input")
		}
		f.used = true
	} else {
		file, err := os.Open(name)
		if err != nil {
			return "", &usageError{err.Error()}
		}
		defer func() { _ = file.Close() }()
		from = file
	}
	body, err := io.ReadAll(io.LimitReader(from, iam.MaxDocument+1)) // Parse refuses what is longer
	if err != nil {
		return "", fmt.Errorf("read policy %s: %w", name, err)
	}
	return string(body), nil
}

// policy reads and parses a file; the error names the file, the line and the column of every mistake.
func (f *policyFiles) policy(kind iam.Kind, name string) (*iam.Policy, error) {
	document, err := f.read(name)
	if err != nil {
		return nil, err
	}
	p, err := iam.Parse(kind, name, document)
	if err == nil {
		return p, nil
	}
	var lines []string
	for _, m := range faultsOf(err) {
		line := fmt.Sprintf("%s:%d:%d: ", name, m.Line, m.Column)
		if m.Path != "" {
			line += m.Path + ": "
		}
		lines = append(lines, line+m.Message)
	}
	return nil, &usageError{strings.Join(lines, "\n")}
}

// policies reads several files; nil if there are none.
func (f *policyFiles) policies(files []string) ([]*iam.Policy, error) {
	var out []*iam.Policy
	for _, name := range files {
		p, err := f.policy(iam.IdentityPolicy, name)
		if err != nil {
			return nil, err
		}
		out = append(out, p)
	}
	return out, nil
}

// repeated is a flag that may be given more than once.
type repeated []string

func (r *repeated) String() string { return strings.Join(*r, " ") }

func (r *repeated) Set(s string) error {
	*r = append(*r, s)
	return nil
}

// policyQuestion is what explain and simulate are asked.
type policyQuestion struct {
	policies, sessions, guardRails          repeated
	boundary, trust, principal, at          string
	actions, resources                      repeated
	principalTags, resourceTags, conditions repeated
}

// newPolicyQuestion makes the flags of a question.
func newPolicyQuestion(fs *flag.FlagSet) *policyQuestion {
	q := new(policyQuestion)
	fs.Var(&q.policies, "policy", "`FILE` of a policy of the principal, - for standard input; may be repeated")
	fs.StringVar(&q.boundary, "boundary", "", "`FILE` of the permissions boundary")
	fs.Var(&q.sessions, "session", "`FILE` of a session policy; may be repeated")
	fs.Var(&q.guardRails, "guard-rail", "`FILE` of a service control policy of the account; may be repeated")
	fs.StringVar(&q.trust, "trust", "", "`FILE` of the trust policy of the role that --resource names")
	fs.Var(&q.actions, "action", "`ACTION` such as mediaconvert:CreateJob")
	fs.Var(&q.resources, "resource", "`ARN` of the resource; * where the action names none, which is the default")
	fs.StringVar(&q.principal, "principal", "", "`ARN` of the user, the role, the session of a role or the account root who asks, or the name of a service; by default anybody with the policies")
	fs.Var(&q.principalTags, "principal-tag", "`KEY=VALUE`, a tag of the principal; may be repeated")
	fs.Var(&q.resourceTags, "resource-tag", "`KEY=VALUE`, a tag of the resource; may be repeated")
	fs.Var(&q.conditions, "context", "`KEY=VALUE`, a condition key such as aws:SourceIp=203.0.113.7; repeated with the same key for several values")
	fs.StringVar(&q.at, "at", "", "`TIME` of the request, such as 2026-01-31T12:00:00Z; by default now")
	return q
}

func (q *policyQuestion) parse(fs *flag.FlagSet, args []string) error {
	rest, err := parse(fs, args)
	switch {
	case err != nil:
		return err
	case len(rest) > 0:
		return usagef("unexpected argument %q", rest[0])
	case len(q.policies) == 0 && q.trust == "":
		return usagef("at least one --policy is needed, or --trust")
	case len(q.actions) == 0:
		return usagef("--action is needed")
	}
	return nil
}

// simulation reads the files and puts the question.
func (q *policyQuestion) simulation(files *policyFiles) (*iam.Simulation, error) {
	s := &iam.Simulation{Actions: q.actions, Resources: q.resources, Now: time.Now()}
	var err error
	if q.at != "" {
		if s.Now, err = time.Parse(time.RFC3339, q.at); err != nil {
			return nil, usagef("--at %q; wanted is a time such as 2026-01-31T12:00:00Z", q.at)
		}
	}
	p := &s.Principal
	if *p, err = principalOf(q.principal); err != nil {
		return nil, err
	}
	if p.Policies, err = files.policies(q.policies); err != nil {
		return nil, err
	}
	if p.Session, err = files.policies(q.sessions); err != nil {
		return nil, err
	}
	if p.GuardRails, err = files.policies(q.guardRails); err != nil {
		return nil, err
	}
	if q.boundary != "" {
		if p.Boundary, err = files.policy(iam.IdentityPolicy, q.boundary); err != nil {
			return nil, err
		}
	}
	if q.trust != "" {
		if s.Policy, err = files.policy(iam.TrustPolicy, q.trust); err != nil {
			return nil, err
		}
	}
	p.Tags = make(map[string]string)
	for _, tag := range q.principalTags {
		key, value, err := pair("--principal-tag", tag)
		if err != nil {
			return nil, err
		}
		p.Tags[key] = value
	}
	for _, tag := range q.resourceTags {
		key, value, err := pair("--resource-tag", tag)
		if err != nil {
			return nil, err
		}
		addContext(s, "aws:ResourceTag/"+key, value)
	}
	for _, entry := range q.conditions {
		key, value, err := pair("--context", entry)
		if err != nil {
			return nil, err
		}
		addContext(s, key, value)
	}
	return s, nil
}

// pair splits KEY=VALUE.
func pair(flag, text string) (key, value string, err error) {
	key, value, ok := strings.Cut(text, "=")
	if !ok || key == "" {
		return "", "", usagef("%s %q; wanted is KEY=VALUE", flag, text)
	}
	return key, value, nil
}

// addContext gives a condition key one more value.
func addContext(s *iam.Simulation, key, value string) {
	for i := range s.Context {
		if strings.EqualFold(s.Context[i].Key, key) {
			s.Context[i].Values = append(s.Context[i].Values, value)
			return
		}
	}
	s.Context = append(s.Context, iam.ContextEntry{Key: key, Values: []string{value}})
}

// sessionName is that of a session of a role of which only the role is known.
const sessionName = "session"

// principalOf is who an ARN or the name of a service stands for; the zero value for the empty text.
func principalOf(text string) (iam.Principal, error) {
	if text == "" {
		return iam.Principal{}, nil
	}
	if !strings.HasPrefix(text, "arn:") && strings.HasSuffix(text, ".amazonaws.com") {
		return iam.Principal{Type: iam.Service, Name: text}, nil
	}
	wrong := usagef("--principal %q; wanted is the ARN of a user, of a role, of a session of a role, of an identity provider or of an account root, or the name of a service", text)
	parts := strings.Split(text, ":")
	if len(parts) != 6 || parts[0] != "arn" || len(parts[4]) != 12 {
		return iam.Principal{}, wrong
	}
	account := parts[4]
	p := iam.Principal{Account: account, ARN: text}
	kind, name, _ := strings.Cut(parts[5], "/")
	last := name[strings.LastIndexByte(name, '/')+1:]
	switch {
	case parts[2] == "iam" && parts[5] == "root":
		p.Type = iam.Root
	case parts[2] == "iam" && kind == "user" && last != "":
		p.Type, p.Name = iam.User, last
	case parts[2] == "iam" && kind == "role" && last != "":
		p.Type, p.RoleARN, p.ARN = iam.AssumedRole, text, "arn:"+parts[1]+":sts::"+account+":assumed-role/"+last+"/"+sessionName
	case parts[2] == "sts" && kind == "assumed-role" && strings.Count(name, "/") == 1 && last != "":
		p.Type, p.RoleARN = iam.AssumedRole, "arn:"+parts[1]+":iam::"+account+":role/"+strings.TrimSuffix(name, "/"+last)
	case parts[2] == "iam" && kind == "oidc-provider" && last != "":
		p.Type, p.Name = iam.WebIdentity, text
	default:
		return iam.Principal{}, wrong
	}
	return p, nil
}
