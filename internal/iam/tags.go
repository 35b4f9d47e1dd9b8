package iam

import (
	"slices"
	"strings"
)

// usesResourceTags says whether a condition or a variable asks for a tag of the resource.
func (s *Statement) usesResourceTags() bool {
	found := false
	note := func(key string) {
		found = found || strings.HasPrefix(key, resourceTag) || strings.HasPrefix(key, iamResourceTag)
	}
	variable := func(v templatePart) { note(v.key) }
	for i := range s.resources {
		for _, t := range s.resources[i].parts {
			t.variables(variable)
		}
	}
	for i := range s.Conditions {
		note(s.Conditions[i].key)
		for _, o := range s.Conditions[i].operands {
			o.text.variables(variable)
			for _, t := range o.arn {
				t.variables(variable)
			}
		}
	}
	return found
}

// UsesResourceTags says whether a decision about p can depend on the tags of the resource. Where it cannot, a Check need not have them.
func (p *Principal) UsesResourceTags() bool {
	uses := func(q *Policy) bool { return q == nil || !q.readable || q.tags }
	return slices.ContainsFunc(p.Policies, uses) || slices.ContainsFunc(p.Session, uses) || slices.ContainsFunc(p.GuardRails, uses) || p.Boundary != nil && uses(p.Boundary)
}
