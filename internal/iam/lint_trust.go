package iam

import (
	"slices"
	"strings"
)

// Whom a policy with principals lets in. Source: IAM User Guide, "The confused deputy problem"; "Create a role for OpenID Connect federation".

// trusts says whether a statement of a trust policy lets in principals that a test accepts.
func (l *linter) trusts(s *Statement, test func(x PrincipalPattern) bool) bool {
	return l.p.Kind == TrustPolicy && s.Effect == Allow && slices.ContainsFunc(s.Principals, test)
}

func lintTrustAnyone(l *linter, s *Statement) {
	if l.trusts(s, func(x PrincipalPattern) bool { return x.Value == "*" }) && !s.narrows("aws:principalarn") {
		l.add(s.Path+"/Principal", `Principal "*" lets everybody whom the account knows assume the role`,
			"name the users, the roles or the service that are to assume it")
	}
}

func isService(x PrincipalPattern) bool { return x.Type == "Service" }

func isMediaConvert(x PrincipalPattern) bool {
	return x.Type == "Service" && x.Value == mediaConvert
}

// mediaConvert is the name of the service in a trust policy.
const mediaConvert = "mediaconvert.amazonaws.com"

func lintTrustWithoutSource(l *linter, s *Statement) {
	if l.trusts(s, isService) && !s.narrows("aws:sourcearn") && !s.narrows("aws:sourceaccount") {
		l.add(s.Path+"/Principal", "a service may use the role on behalf of anybody who names it: the confused deputy",
			"add conditions on aws:SourceAccount (StringEquals) and on aws:SourceArn (ArnLike; for MediaConvert the ARN of the queue)")
	}
}

func lintSourceARNNotQueue(l *linter, s *Statement) {
	if !l.trusts(s, isMediaConvert) {
		return
	}
	for i := range s.Conditions {
		c := &s.Conditions[i]
		if c.key != "aws:sourcearn" || c.null() || c.negated {
			continue
		}
		for _, v := range c.Values {
			if !reaches(v, "mediaconvert", "queues/") && !openService(v) {
				l.add(l.condition(s, c), "for MediaConvert aws:SourceArn is the ARN of a queue, which "+shown(v)+" never is",
					"name the queue: arn:aws:mediaconvert:REGION:ACCOUNT:queues/NAME")
			}
		}
	}
}

// openService says whether a pattern leaves open of which service an ARN is.
func openService(text string) bool {
	if parts := splitARN(text, true); len(parts) == arnParts {
		return strings.ContainsAny(parts[2], "*?$")
	}
	return strings.ContainsAny(text, "*?$")
}

func lintSourceARNOperator(l *linter, s *Statement) {
	for i := range s.Conditions {
		if c := &s.Conditions[i]; c.key == "aws:sourcearn" && strings.HasPrefix(c.base(), "String") {
			l.add(l.condition(s, c), c.Operator+" compares ARNs as mere text, in which a wildcard reaches over colons",
				"use "+map[bool]string{false: "ArnLike", true: "ArnNotLike"}[c.negated])
		}
	}
}

// providers are the issuers whose web identities a statement lets in.
func (l *linter) providers(s *Statement) []string {
	var out []string
	l.trusts(s, func(x PrincipalPattern) bool {
		if _, issuer, ok := strings.Cut(x.Value, ":oidc-provider/"); ok && x.Type == "Federated" {
			out = append(out, issuer)
		}
		return false
	})
	return out
}

func lintOIDCWithoutAudience(l *linter, s *Statement) {
	for _, issuer := range l.providers(s) {
		if key := issuer + ":aud"; !s.narrows(lower(key)) {
			l.add(s.Path+"/Principal", "without a condition on "+key+" tokens that the provider issued for other applications open the role",
				`add "StringEquals": {"`+key+`": "AUDIENCE"}`)
		}
	}
}

func lintOIDCWithoutSubject(l *linter, s *Statement) {
	for _, issuer := range l.providers(s) {
		if key := issuer + ":sub"; !s.narrows(lower(key)) {
			l.add(s.Path+"/Principal", "without a condition on "+key+" everybody whom the provider vouches for can open the role",
				`add "StringEquals": {"`+key+`": "SUBJECT"}`)
		}
	}
}

// lintOtherAccount finds names of other accounts. Where it is not known which account the policy belongs to, the first that it names is taken
// for it.
func lintOtherAccount(l *linter, s *Statement) {
	judge := func(path, account, what string) {
		if l.account == "" {
			l.account = account
		}
		if account != l.account {
			l.add(path, what+" of account "+account+" never matches what account "+l.account+" has: accounts are wholly apart",
				"name account "+l.account+", or remove it")
		}
	}
	for _, x := range slices.Concat(s.Principals, s.NotPrincipals) {
		element := "Principal"
		if s.NotPrincipals != nil {
			element = "NotPrincipal"
		}
		if x.Type == "Service" || x.Value == "*" || isUniqueID(x.Value) {
			continue
		}
		account := x.Value
		if !isAccount(account) {
			account = arnOf(x.Value)[4]
		}
		judge(s.Path+"/"+element, account, "the principal "+x.Value)
	}
	for i, text := range s.resourceTexts() {
		if account := arnOf(text)[4]; isAccount(account) {
			judge(l.resource(s, i), account, "the resource "+text)
		}
	}
}
