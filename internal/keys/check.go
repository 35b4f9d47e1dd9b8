package keys

import (
	"context"
	"maps"
	"slices"
	"unicode/utf8"

	"darkroom/internal/iam"
)

// Question is what a caller wants to do with a key.
type Question struct {
	Action  string // such as Decrypt; of ReEncrypt there are two, ReEncryptFrom and ReEncryptTo
	Key     string // as the request names it
	Forms   Forms  // in which forms it may be named
	Context map[string]string
	// Tokens are grant tokens. Grants work at once here, so that no token is needed; one that is not a token of this installation is refused.
	Tokens []string
	// Grant is what CreateGrant is to make.
	Grant *GrantRequest
	// Via is the service that acts for the caller, as in kms:ViaService; empty for one who calls the key service itself.
	Via string
	// Keys are condition keys of the operation's own.
	Keys func(*iam.Context)
}

// Check makes the question that iam.Authorize decides: the key policy, with the grant that concerns the caller, the action and the encryption context,
// stands in it as the policy of the resource. A key that is not there is asked for as one with the default policy, so that who may not use the keys of
// the account is not told which there are; who may is told by the operation itself.
//
// key is the ARN of the key, by which the operation must name it: an alias can name another key by then, of which nobody was asked.
func (s *Service) Check(ctx context.Context, caller *iam.Principal, q *Question) (key string, c iam.Check, err error) {
	ref, err := s.parse(caller.Account, q.Key, q.Forms)
	if err != nil {
		return "", c, err
	}
	if err := s.validTokens(caller.Account, q.Tokens); err != nil {
		return "", c, err
	}
	c = iam.Check{Action: "kms:" + q.Action, Policy: defaultPolicies.of(caller.Account)}
	c.Context.Set("kms:CallerAccount", caller.Account)
	if q.Via != "" {
		c.Context.Set("kms:ViaService", q.Via)
	}
	if ref.alias != "" {
		c.Context.Set("kms:RequestAlias", ref.alias)
	}
	setContext(&c.Context, q.Context)
	if slices.Contains(withAlgorithm, q.Action) {
		c.Context.Set("kms:EncryptionAlgorithm", "SYMMETRIC_DEFAULT")
	}
	if q.Keys != nil {
		q.Keys(&c.Context)
	}
	if ref.account != caller.Account { // which iam refuses, whatever is there
		c.Resource = s.foreign(ref)
		return c.Resource, c, nil
	}
	v, err := s.View(ctx, caller.Account)
	if err != nil {
		return "", iam.Check{}, err
	}
	k := v.resolve(ref)
	if k == nil {
		c.Resource = s.foreign(ref)
		return c.Resource, c, nil
	}
	var child *Grant
	if q.Grant != nil {
		if child, err = s.grantOf(ctx, caller.Account, q.Grant); err != nil {
			child = nil // the operation says what is wrong, to who may make grants at all
		}
	}
	v.about(&c, k)
	c.Policy = v.policyFor(k, caller, q.Action, q.Context, child)
	return c.Resource, c, nil
}

// withAlgorithm are the actions that have kms:EncryptionAlgorithm.
var withAlgorithm = []string{"Encrypt", "Decrypt", "ReEncryptFrom", "ReEncryptTo"}

// foreign names what is not in the account, or not there.
func (s *Service) foreign(ref reference) string {
	if ref.alias != "" {
		return s.aliasARN(ref.account, ref.alias)
	}
	return s.keyARN(ref.account, ref.keyID)
}

// about sets what is known of a key.
func (v *View) about(c *iam.Check, k *Key) {
	c.Resource, c.Tags = v.ARN(k), k.Tags
	c.Context.Set("kms:KeySpec", "SYMMETRIC_DEFAULT")
	c.Context.Set("kms:KeyUsage", "ENCRYPT_DECRYPT")
	c.Context.Set("kms:KeyOrigin", "AWS_KMS")
	c.Context.Set("kms:MultiRegion", "false")
	c.Context.Set("kms:ResourceAliases", v.aliasesOf[k.ID]...)
}

// setContext sets the condition keys of an encryption context.
func setContext(c *iam.Context, pairs map[string]string) {
	for k, value := range pairs {
		c.Set("kms:EncryptionContext:"+k, value)
	}
	c.Set("kms:EncryptionContextKeys", slices.Sorted(maps.Keys(pairs))...)
}

// policyFor is the key policy with the grant that lets the caller do something, if there is one. A grant that names the caller wins over one that names
// the account.
func (v *View) policyFor(k *Key, caller *iam.Principal, action string, pairs map[string]string, child *Grant) *iam.Policy {
	var best *Grant
	for _, g := range v.grants[k.ID] {
		named, directly := g.isFor(caller)
		if !named || g.statement == nil || !g.admits(action, pairs, child) {
			continue
		}
		if best == nil || directly {
			best = g
		}
		if directly {
			break
		}
	}
	if best == nil {
		return k.policy
	}
	if p, ok := k.joined.Load(best.ID); ok {
		return p.(*iam.Policy)
	}
	p := k.policy.Extend(best.statement)
	k.joined.Store(best.ID, p)
	return p
}

// RetireCheck asks whether a caller may retire a grant: the grant itself says who may, and the account can. A key policy says nothing of it.
// Source: Developer Guide, "Retiring and revoking grants".
func (s *Service) RetireCheck(ctx context.Context, caller *iam.Principal, r *RetireRequest) (iam.Check, error) {
	if err := r.valid(); err != nil {
		return iam.Check{}, err
	}
	name, id, forms := r.Key, r.GrantID, ARNOnly
	if r.Token != "" {
		t, err := s.openToken(caller.Account, r.Token)
		if err != nil {
			return iam.Check{}, err
		}
		name, id, forms = t.keyID, t.grantID, KeysOnly
	}
	_, c, err := s.Check(ctx, caller, &Question{Action: "RetireGrant", Key: name, Forms: forms})
	if err != nil {
		return c, err
	}
	v, err := s.View(ctx, caller.Account)
	if err != nil {
		return c, err
	}
	c.Policy = statementFor("the grant", "arn:aws:iam::"+caller.Account+":root", "", "kms:RetireGrant")
	ref, err := s.parse(caller.Account, name, forms)
	if err != nil || ref.account != caller.Account {
		return c, err
	}
	g := v.Grant(ref.keyID, id)
	if g == nil {
		return c, nil
	}
	if g.Retiring != "" {
		c.Policy = c.Policy.Extend(statementFor("the grant", g.Retiring, g.RetiringID, "kms:RetireGrant"))
	}
	if slices.Contains(g.Operations, "RetireGrant") {
		c.Policy = c.Policy.Extend(statementFor("the grant", g.Grantee, g.GranteeID, "kms:RetireGrant"))
	}
	return c, nil
}

// resolve finds the key of a reference in the account of the view; nil if there is none.
func (v *View) resolve(ref reference) *Key {
	if ref.account != v.account {
		return nil
	}
	if ref.alias == "" {
		return v.Key(ref.keyID)
	}
	if a := v.aliases[ref.alias]; a != nil {
		return v.Key(a.KeyID)
	}
	return nil
}

// find returns the key with an id or ARN, or says that it is not there. An alias names none here: Check has found the ARN of the key that it named.
func (v *View) find(name string, forms Forms) (*Key, error) {
	ref, err := v.service.parse(v.account, name, forms)
	switch {
	case err != nil:
		return nil, err
	case ref.alias != "":
		return nil, notFound("Alias %s is not found.", v.service.aliasARN(ref.account, ref.alias))
	}
	if k := v.resolve(ref); k != nil {
		return k, nil
	}
	return nil, notFound("Key '%s' does not exist", v.service.keyARN(ref.account, ref.keyID))
}

// usable says whether a key is in a state in which it encrypts, decrypts, and is granted.
func (v *View) usable(k *Key) error {
	switch k.State() {
	case Disabled:
		return errorf("DisabledException", "%s is disabled.", v.ARN(k))
	case PendingDeletion:
		return v.pending(k)
	}
	return nil
}

// pending is the refusal for a key that is pending deletion.
func (v *View) pending(k *Key) error {
	return errorf("KMSInvalidStateException", "%s is pending deletion.", v.ARN(k))
}

// kept refuses a key that is pending deletion.
func (v *View) kept(k *Key) error {
	if k.State() == PendingDeletion {
		return v.pending(k)
	}
	return nil
}

// validContext says what is wrong with an encryption context.
func validContext(pairs map[string]string) error {
	size := 0
	for k, value := range pairs {
		if k == "" || !utf8.ValidString(k) || !utf8.ValidString(value) {
			return Invalidf("An encryption context has keys that are not empty, and UTF-8 alone")
		}
		size += len(k) + len(value)
	}
	if size > MaxContext {
		return Invalidf("The encryption context has %d bytes; allowed are %d", size, MaxContext)
	}
	return nil
}
