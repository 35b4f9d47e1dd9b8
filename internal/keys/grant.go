package keys

import (
	"cmp"
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"darkroom/internal/iam"
	"darkroom/internal/identity"
)

// GrantOperations are the operations that a grant on a symmetric encryption key can allow.
// Source: Developer Guide, "Grant operations". GenerateDataKeyPair… are not offered.
var GrantOperations = []string{
	"CreateGrant", "Decrypt", "DescribeKey", "Encrypt", "GenerateDataKey", "GenerateDataKeyWithoutPlaintext", "ReEncryptFrom", "ReEncryptTo", "RetireGrant",
}

// unconstrained are the operations to which the constraints of a grant do not apply.
var unconstrained = []string{"DescribeKey", "RetireGrant"}

// compile makes the statement that the grant adds to the key policy. It has no conditions: admits has compared the encryption context exactly, which
// condition keys, whose names ignore case, cannot.
func (g *Grant) compile() {
	var actions []string
	for _, op := range g.Operations {
		if op != "RetireGrant" { // the grant itself says who may retire it
			actions = append(actions, "kms:"+op)
		}
	}
	g.statement = nil
	if len(actions) > 0 {
		g.statement = statementFor("the grant "+g.ID, g.Grantee, g.GranteeID, actions...)
	}
}

// statementFor is a policy that lets one principal do something. id is the unique id of a user or a role.
func statementFor(name, principal, id string, actions ...string) *iam.Policy {
	document, err := json.Marshal(map[string]any{
		"Version":   "2012-10-17",
		"Statement": map[string]any{"Effect": "Allow", "Principal": map[string]string{"AWS": principal}, "Action": actions, "Resource": "*"},
	})
	if err != nil {
		return iam.Unreadable(name)
	}
	p, err := iam.Parse(iam.ResourcePolicy, name, string(document))
	if err != nil {
		return iam.Unreadable(name)
	}
	ids := make(map[string]string)
	if id != "" {
		ids[principal] = id
	}
	return p.Bind(ids)
}

// isFor says whether the grant names a principal as its grantee, and whether directly or by its account alone.
func (g *Grant) isFor(p *iam.Principal) (named, directly bool) {
	switch {
	case g.GranteeID != "":
		ok := p.Type == iam.User && p.UserID == g.GranteeID || p.Type == iam.AssumedRole && p.RoleID == g.GranteeID
		return ok, ok
	case g.Grantee == "arn:aws:iam::"+p.Account+":root" && p.Account != "":
		return true, p.Type == iam.Root
	}
	ok := p.Type == iam.AssumedRole && p.ARN == g.Grantee
	return ok, ok
}

// admits says whether the grant is about an operation with an encryption context. child is the grant that CreateGrant is to make.
func (g *Grant) admits(operation string, context map[string]string, child *Grant) bool {
	if !slices.Contains(g.Operations, operation) {
		return false
	}
	if operation == "CreateGrant" {
		return child != nil && g.bounds(child)
	}
	return slices.Contains(unconstrained, operation) || g.Constraints.admit(context)
}

// admit says whether an encryption context is within the constraints.
func (c Constraints) admit(context map[string]string) bool {
	if c.Equals != nil && !maps.Equal(c.Equals, context) {
		return false
	}
	return includes(context, c.Subset)
}

// includes says whether a context has all pairs of another.
func includes(context, pairs map[string]string) bool {
	for k, want := range pairs {
		if got, ok := context[k]; !ok || got != want {
			return false
		}
	}
	return true
}

// bounds says whether a grant that is made by the rights of this one allows nothing that this one does not: no further operation, and constraints that
// are as strict or stricter. Source: Developer Guide, "Granting CreateGrant permission".
func (g *Grant) bounds(child *Grant) bool {
	for _, op := range child.Operations {
		if !slices.Contains(g.Operations, op) {
			return false
		}
	}
	switch {
	case g.Constraints.Equals != nil:
		return child.Constraints.Equals != nil && maps.Equal(g.Constraints.Equals, child.Constraints.Equals)
	case g.Constraints.Subset != nil:
		return child.Constraints.Equals != nil && includes(child.Constraints.Equals, g.Constraints.Subset) || includes(child.Constraints.Subset, g.Constraints.Subset)
	}
	return true
}

// GrantRequest is what CreateGrant is asked for.
type GrantRequest struct {
	Key         string
	Name        string
	Operations  []string
	Grantee     string
	Retiring    string
	Constraints Constraints
	DryRun      bool
}

// maxGrantName bounds the name of a grant.
const maxGrantName = 256

// draft is the grant that a request asks for, without what finding its principals adds.
func (r *GrantRequest) draft() *Grant {
	ops := slices.Clone(r.Operations)
	slices.Sort(ops)
	return &Grant{Name: r.Name, Operations: slices.Compact(ops), Grantee: r.Grantee, Retiring: r.Retiring, Constraints: r.Constraints}
}

// valid says what is wrong with a grant.
func (g *Grant) valid() error {
	if len(g.Operations) == 0 {
		return Invalidf("Operations must name at least one operation")
	}
	for _, op := range g.Operations {
		if !slices.Contains(GrantOperations, op) {
			return Invalidf("Operations has %s, which a grant on a symmetric encryption key cannot have; allowed are %s", shown(op), strings.Join(GrantOperations, ", "))
		}
	}
	if len(g.Name) > maxGrantName || strings.Trim(g.Name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789:/_-") != "" {
		return Invalidf("Name must have at most %d of letters, digits, and :/_-", maxGrantName)
	}
	constrained := false
	for name, pairs := range map[string]map[string]string{"EncryptionContextEquals": g.Constraints.Equals, "EncryptionContextSubset": g.Constraints.Subset} {
		if pairs == nil {
			continue
		}
		if constrained {
			return Invalidf("Constraints has both EncryptionContextEquals and EncryptionContextSubset")
		}
		constrained = true
		if len(pairs) > MaxConstraintPairs {
			return Invalidf("%s has %d pairs; allowed are %d", name, len(pairs), MaxConstraintPairs)
		}
		if err := validContext(pairs); err != nil {
			return err
		}
	}
	return nil
}

// principalOf finds who a principal ARN in a grant is: the unique id of a user or a role, or none for an account or a session.
func principalOf(v *identity.View, member, name string) (id string, err error) {
	account := v.Account()
	root := "arn:aws:iam::" + account + ":root"
	session := "arn:aws:sts::" + account + ":assumed-role/"
	switch rest, isSession := strings.CutPrefix(name, session); {
	case name == account, name == root:
		return "", nil
	case isSession && strings.Count(rest, "/") == 1 && !strings.HasPrefix(rest, "/") && !strings.HasSuffix(rest, "/"):
		return "", nil
	}
	if e := v.ByARN(name); e != nil && (e.Kind == identity.User || e.Kind == identity.Role) {
		return e.ID, nil
	}
	return "", errorf("InvalidArnException", "%s names no principal of the account: %s", member, shown(name))
}

// grantOf makes the grant that a request asks for, with who its principals are.
func (s *Service) grantOf(ctx context.Context, account string, r *GrantRequest) (*Grant, error) {
	g := r.draft()
	if err := g.valid(); err != nil {
		return nil, err
	}
	people, err := s.people.View(ctx, account)
	if err != nil {
		return nil, err
	}
	if g.GranteeID, err = principalOf(people, "GranteePrincipal", g.Grantee); err != nil {
		return nil, err
	}
	if g.Retiring != "" {
		if g.RetiringID, err = principalOf(people, "RetiringPrincipal", g.Retiring); err != nil {
			return nil, err
		}
	}
	for _, name := range []*string{&g.Grantee, &g.Retiring} {
		if *name == account {
			*name = "arn:aws:iam::" + account + ":root"
		}
	}
	return g, nil
}

// CreateGrant makes a grant and returns its id and a token for it. A grant with a name that is there already, the same in everything, is not made again.
func (a *Account) CreateGrant(ctx context.Context, r *GrantRequest) (id, token string, err error) {
	draft, err := a.s.grantOf(ctx, a.id, r)
	if err != nil {
		return "", "", err
	}
	var made *Grant
	err = a.s.change(ctx, a.id, func(v *View) error {
		made = nil
		k, err := v.find(r.Key, KeysOnly)
		if err != nil {
			return err
		}
		if err := v.usable(k); err != nil {
			return err
		}
		g := *draft
		g.KeyID = k.ID
		if g.Name != "" {
			for _, other := range v.Grants(k.ID) {
				if other.same(&g) {
					made = other
					break
				}
			}
		}
		if r.DryRun {
			return errDryRun
		}
		if made != nil {
			return nil
		}
		if len(v.grants[k.ID]) >= MaxGrants {
			return exceeded("The key %s has %d grants, which is the most.", v.ARN(k), MaxGrants)
		}
		g.Created = a.s.now().UTC()
		if g.ID, err = newHexID(a.s.random); err != nil {
			return err
		}
		made = &g
		v.putGrant(made)
		return nil
	})
	if err != nil {
		return "", "", err
	}
	return made.ID, a.s.grantToken(a.id, made), nil
}

// RevokeGrant ends a grant.
func (a *Account) RevokeGrant(ctx context.Context, key, id string, dryRun bool) error {
	return a.endGrant(ctx, key, KeysOnly, id, dryRun)
}

// RetireGrant ends a grant that is named by a token or, where that is empty, by its key and its id.
func (a *Account) RetireGrant(ctx context.Context, r *RetireRequest) error {
	if err := r.valid(); err != nil {
		return err
	}
	if r.Token != "" {
		t, err := a.s.openToken(a.id, r.Token)
		if err != nil {
			return err
		}
		return a.endGrant(ctx, t.keyID, KeysOnly, t.grantID, r.DryRun)
	}
	return a.endGrant(ctx, r.Key, ARNOnly, r.GrantID, r.DryRun)
}

func (a *Account) endGrant(ctx context.Context, key string, forms Forms, id string, dryRun bool) error {
	return a.s.change(ctx, a.id, func(v *View) error {
		k, err := v.find(key, forms)
		if err != nil {
			return err
		}
		g := v.Grant(k.ID, id)
		switch {
		case g == nil:
			return notFound("Grant ID %s not found", shown(id))
		case dryRun:
			return errDryRun
		}
		v.dropGrant(g)
		return nil
	})
}

// RetireRequest is what RetireGrant is asked for.
type RetireRequest struct {
	Token, Key, GrantID string
	DryRun              bool
}

func (r *RetireRequest) valid() error {
	switch {
	case r.Token != "" && (r.Key != "" || r.GrantID != ""):
		return Invalidf("GrantToken goes alone: KeyId and GrantId name a grant too")
	case r.Token == "" && (r.Key == "" || r.GrantID == ""):
		return Invalidf("A grant is named by GrantToken, or by KeyId and GrantId")
	}
	return nil
}

// Names returns how the principals of grants are shown, by the ARN that was given and the unique id that it stood for: by the ARN that they have now, or
// by the id of who is gone.
func (s *Service) Names(ctx context.Context, account string) (func(arn, id string) string, error) {
	v, err := s.people.View(ctx, account)
	if err != nil {
		return nil, err
	}
	return func(arn, id string) string {
		if id == "" {
			return arn
		}
		if e := cmp.Or(v.ByID(identity.User, id), v.ByID(identity.Role, id)); e != nil {
			return e.ARN(account)
		}
		return id
	}, nil
}
