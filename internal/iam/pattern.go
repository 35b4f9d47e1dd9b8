package iam

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// actionPattern matches service:Operation without regard to case.
type actionPattern struct {
	vendor string // in lower case; empty for the pattern * alone
	name   template
}

func newActionPattern(text string) (actionPattern, error) {
	if text == "*" {
		return actionPattern{}, nil
	}
	vendor, name, ok := strings.Cut(lower(text), ":")
	if !ok || vendor == "" || !only(vendor, letters+"-") {
		return actionPattern{}, fmt.Errorf("Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.: %s is not", shown(text))
	}
	if name == "" || !only(name, letters+"-_*?") {
		return actionPattern{}, fmt.Errorf("an action is a service, a colon and the name of an operation, in which * and ? are wildcards: %s is not", shown(text))
	}
	t, err := newTemplate(name, true, false)
	return actionPattern{vendor, t}, err
}

// match matches an action in lower case.
func (p *actionPattern) match(vendor, name string) bool {
	if p.vendor == "" {
		return true
	}
	return p.vendor == vendor && p.name.fits(name)
}

// exact is the name of the one operation that the pattern matches, in lower case; empty if it can match several.
func (p *actionPattern) exact() string {
	if p.vendor == "" || p.name.isWild {
		return ""
	}
	return p.name.plain
}

func (p *actionPattern) matchesAny(actions []string) bool {
	return slices.ContainsFunc(actions, func(a string) bool {
		vendor, name, _ := strings.Cut(a, ":")
		return p.match(vendor, name)
	})
}

// resourcePattern matches ARNs. The first five parts are matched one by one, so that a wildcard does not reach over a colon there; the last
// part may have colons and slashes.
type resourcePattern struct {
	all   bool // the pattern * alone, which also matches requests that name no resource
	parts [arnParts]template
}

func newResourcePattern(text string, variables bool) (resourcePattern, error) {
	if text == "*" {
		return resourcePattern{all: true}, nil
	}
	var p resourcePattern
	parts := splitARN(text, variables)
	if len(parts) < 2 || parts[0] != "arn" {
		return p, fmt.Errorf(`Resource %s must be in ARN format or "*".`, shown(text))
	}
	for len(parts) < arnParts {
		parts = append(parts, "*") // "IAM JSON policy elements: Resource": what is missing of an ARN is completed by wildcards
	}
	if strings.ContainsAny(parts[2], "*?$") || parts[2] == "" {
		return p, fmt.Errorf("Resource vendor must be fully qualified and cannot contain regexes: %s", shown(text))
	}
	if parts[1] == "" || parts[5] == "" {
		return p, fmt.Errorf(`Resource %s must be in ARN format or "*".`, shown(text))
	}
	for i, s := range parts {
		t, err := newTemplate(s, true, variables)
		if err != nil {
			return p, err
		}
		if t.isVar && i < arnParts-1 {
			return p, errors.New("a policy variable in an ARN stands behind its fifth colon: " + shown(text))
		}
		p.parts[i] = t
	}
	return p, nil
}

// match matches an ARN that was split into its parts; nil is a request that names no resource. resolved is false where the pattern does not match
// because a variable of it has no value.
func (p *resourcePattern) match(parts []string, s scope) (matched truth, resolved bool) {
	if p.all || parts == nil {
		return truthOf(p.all), true
	}
	// The last part tells ARNs apart best, where it takes no variables to match it.
	last := &p.parts[arnParts-1]
	if !last.isVar && !last.fits(parts[arnParts-1]) {
		return no, true
	}
	for i := arnParts - 2; i > 0; i-- {
		if !p.parts[i].fits(parts[i]) {
			return no, true
		}
	}
	if !last.isVar {
		return yes, true
	}
	g, found := last.resolve(s, len(parts[arnParts-1]))
	if found != yes {
		return found, false
	}
	return truthOf(g.match(parts[arnParts-1])), true
}
