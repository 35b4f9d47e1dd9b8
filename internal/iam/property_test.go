package iam

import (
	"encoding/json"
	"slices"
	"testing"
)

// rewrite parses a policy again with other statements. What cannot be read stays as it is.
func (g *generator) rewrite(p *Policy, change func(statements []any) []any) *Policy {
	text, ok := g.documents[p]
	if !ok {
		return p
	}
	var document map[string]any
	if err := json.Unmarshal([]byte(text), &document); err != nil {
		g.t.Fatal(err)
	}
	document["Statement"] = change(document["Statement"].([]any))
	return g.parseDocument(p.Kind, document)
}

// places are all policies of a request, each to be replaced.
func places(r *Request) []**Policy {
	var out []**Policy
	for _, list := range []*[]*Policy{&r.Principal.Policies, &r.Principal.Session, &r.Principal.GuardRails} {
		*list = slices.Clone(*list)
		for i := range *list {
			out = append(out, &(*list)[i])
		}
	}
	if r.Principal.Boundary != nil {
		out = append(out, &r.Principal.Boundary)
	}
	if r.Check.Policy != nil {
		out = append(out, &r.Check.Policy)
	}
	return out
}

// aside is an Allow that no request meets.
func aside(kind Kind) map[string]any {
	if kind == TrustPolicy {
		return map[string]any{"Effect": "Allow", "Action": "sts:SetContext", "Principal": map[string]any{"AWS": "000000000000"}}
	}
	s := map[string]any{"Effect": "Allow", "Action": "nobody:Asks", "Resource": "*"}
	if kind == ResourcePolicy {
		s["Principal"] = map[string]any{"AWS": "000000000000"}
	}
	return s
}

// TestProperties: what must hold of every change to any policies.
func TestProperties(t *testing.T) {
	t.Parallel()
	// Each change is made to a copy of a request, and says whether it could be made.
	narrowing := []struct {
		name   string
		change func(g *generator, r *Request) bool
	}{
		{"a Deny in a policy of its own", func(g *generator, r *Request) bool {
			s := g.statement(IdentityPolicy)
			s["Effect"] = "Deny"
			r.Principal.Policies = append(slices.Clone(r.Principal.Policies), g.parse(IdentityPolicy, s))
			return true
		}},
		{"a Deny in any policy", func(g *generator, r *Request) bool {
			all := places(r)
			if len(all) == 0 {
				return false
			}
			p := all[g.IntN(len(all))]
			s := g.statement((*p).Kind)
			s["Effect"] = "Deny"
			*p = g.rewrite(*p, func(statements []any) []any { return slices.Insert(statements, g.IntN(len(statements)+1), any(s)) })
			return true
		}},
		{"an Allow removed from any policy", func(g *generator, r *Request) bool {
			all := places(r)
			if len(all) == 0 {
				return false
			}
			p := all[g.IntN(len(all))]
			*p = g.rewrite(*p, func(statements []any) []any {
				i := g.IntN(len(statements))
				if statements[i].(map[string]any)["Effect"] == "Allow" {
					statements[i] = aside((*p).Kind)
				}
				return statements
			})
			return true
		}},
		{"a policy detached", func(g *generator, r *Request) bool {
			p := &r.Principal
			if len(p.Policies) == 0 || g.holdsDeny(p.Policies[0]) {
				return false
			}
			p.Policies = p.Policies[1:]
			return true
		}},
		{"a permissions boundary", func(g *generator, r *Request) bool {
			had := r.Principal.Boundary != nil
			r.Principal.Boundary = g.policy(IdentityPolicy)
			return !had
		}},
		{"a session policy", func(g *generator, r *Request) bool {
			had := r.Principal.Session != nil
			r.Principal.Session = g.policies(2)
			return !had
		}},
		{"a guard rail", func(g *generator, r *Request) bool {
			had := r.Principal.GuardRails != nil
			r.Principal.GuardRails = g.policies(2)
			return !had
		}},
	}
	for i, tt := range narrowing {
		t.Run(tt.name+" never allows more", func(t *testing.T) {
			t.Parallel()
			g := newGenerator(t, uint64(100+i))
			took := 0
			for range 2000 {
				before := g.request()
				after := *before
				if !tt.change(g, &after) {
					continue
				}
				had, has := Authorize(before), Authorize(&after)
				if has.Allowed() && !had.Allowed() {
					t.Fatalf("%v, then %v\n%s\nthen\n%s", had, has, g.show(before), g.show(&after))
				}
				if had.Allowed() && !has.Allowed() {
					took++
				}
			}
			if took < 5 {
				t.Errorf("only %d of the changes took something away", took)
			}
		})
	}

	denying := []struct {
		name   string
		change func(g *generator, r *Request) bool
	}{
		{"any policy unreadable", func(g *generator, r *Request) bool {
			all := places(r)
			if len(all) == 0 {
				return false
			}
			*all[g.IntN(len(all))] = []*Policy{Unreadable("x"), nil, {}, {Kind: IdentityPolicy, Statements: []Statement{{Effect: Allow}}}}[g.IntN(4)]
			// No boundary and no policy of a resource are no policies at all.
			return r.Principal.Boundary != nil && r.Check.Policy != nil && (r.Principal.Type != Service || r.Principal.GuardRails == nil)
		}},
		{"a policy of another kind", func(g *generator, r *Request) bool {
			if g.IntN(2) == 0 {
				r.Principal.Policies = append(slices.Clone(r.Principal.Policies), g.parse(ResourcePolicy, map[string]any{"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"}))
			} else {
				r.Check.Policy = g.parse(IdentityPolicy, map[string]any{"Effect": "Allow", "Action": "*", "Resource": "*"})
			}
			return true
		}},
		{"a resource of another account", func(g *generator, r *Request) bool {
			r.Check.Resource = "arn:aws:mediaconvert:us-east-1:" + g.one("999999999999", "11112222333", "1111222233334") + ":queues/Default"
			return r.Principal.Type != Service
		}},
		{"a bucket of another account", func(g *generator, r *Request) bool {
			r.Check.Resource, r.Check.Owner = "arn:aws:s3:::films/x", g.one("999999999999", "")
			return r.Principal.Type != Service
		}},
		{"what denies everything", func(g *generator, r *Request) bool {
			p := g.parse(IdentityPolicy, map[string]any{"Effect": "Deny", "Action": "*", "Resource": "*"})
			r.Principal.Policies = append([]*Policy{p}, r.Principal.Policies...)
			return true
		}},
	}
	for i, tt := range denying {
		t.Run(tt.name+" always denies", func(t *testing.T) {
			t.Parallel()
			g := newGenerator(t, uint64(200+i))
			took := 0
			for range 2000 {
				before := g.request()
				after := *before
				if !tt.change(g, &after) {
					continue
				}
				if d := Authorize(&after); d.Allowed() {
					t.Fatalf("%v\n%s", d, g.show(&after))
				}
				if Authorize(before).Allowed() {
					took++
				}
			}
			if took < 5 {
				t.Errorf("only %d of the requests were allowed before", took)
			}
		})
	}

	t.Run("order never matters to the effect", func(t *testing.T) {
		t.Parallel()
		g := newGenerator(t, 300)
		decided := 0
		for range 2000 {
			r := g.request()
			want := Authorize(r).Effect
			shuffled := *r
			for _, p := range places(&shuffled) {
				*p = g.rewrite(*p, func(statements []any) []any {
					g.Shuffle(len(statements), func(i, j int) { statements[i], statements[j] = statements[j], statements[i] })
					return statements
				})
			}
			p := &shuffled.Principal
			for _, list := range [][]*Policy{p.Policies, p.Session, p.GuardRails} {
				g.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
			}
			if got := Authorize(&shuffled); got.Effect != want {
				t.Fatalf("got %v, want %v\n%s", got, want, g.show(r))
			}
			if want != 0 {
				decided++
			}
		}
		if decided < 300 {
			t.Errorf("only %d of the requests were decided explicitly", decided)
		}
	})
}

// holdsDeny says whether a policy can deny something; what cannot be read can.
func (g *generator) holdsDeny(p *Policy) bool {
	return g.documents[p] == "" || slices.ContainsFunc(p.Statements, func(s Statement) bool { return s.Effect == Deny })
}
