package iam

import (
	"slices"
	"strings"
)

// What conditions do not do. Source: IAM User Guide, "IAM JSON policy elements: Condition operators", "Multivalued context keys", "AWS global
// condition context keys".

// each calls check with every condition of a statement and its path.
func (l *linter) each(s *Statement, check func(c *Condition, path string)) {
	for i := range s.Conditions {
		check(&s.Conditions[i], l.condition(s, &s.Conditions[i]))
	}
}

func lintForAllValuesAllow(l *linter, s *Statement) {
	l.each(s, func(c *Condition, path string) {
		present := slices.ContainsFunc(s.Conditions, func(n Condition) bool {
			return n.null() && n.key == c.key && !slices.ContainsFunc(n.operands, func(o operand) bool { return o.truth })
		})
		if s.Effect == Allow && c.set == forAllValues && !present {
			l.add(path, "ForAllValues holds where the request does not have "+c.Key+" at all, so the Allow applies without it",
				`add "Null": {"`+c.Key+`": "false"}`)
		}
	})
}

func lintIfExistsAllow(l *linter, s *Statement) {
	l.each(s, func(c *Condition, path string) {
		if k, _ := LookupKey(c.Key); s.Effect == Allow && c.ifExists && k.Chosen {
			l.add(path, "whoever asks can leave "+c.Key+" out, and IfExists then holds",
				"use "+strings.TrimSuffix(c.Operator, "IfExists")+" without IfExists")
		}
	})
}

func lintMFADenyMissesKeys(l *linter, s *Statement) {
	l.each(s, func(c *Condition, path string) {
		if s.Effect == Deny && c.key == "aws:multifactorauthpresent" && c.Operator == "Bool" && !c.operands[0].truth {
			l.add(path, "requests with long-term access keys do not have aws:MultiFactorAuthPresent, so this does not deny them",
				"use BoolIfExists")
		}
	})
}

func lintLikeWithoutWildcard(l *linter, s *Statement) {
	l.each(s, func(c *Condition, path string) {
		if base := c.base(); base != "StringLike" && base != "StringNotLike" {
			return
		}
		if slices.ContainsFunc(c.operands, func(o operand) bool {
			return slices.ContainsFunc(o.text.parts, func(p templatePart) bool { return p.kind != literalPart })
		}) {
			return
		}
		l.add(path, c.Operator+" without a wildcard is the same as the exact comparison", "use "+strings.Replace(strings.Replace(c.Operator, "NotLike", "NotEquals", 1), "Like", "Equals", 1))
	})
}

func lintEqualsWithWildcard(l *linter, s *Statement) {
	l.each(s, func(c *Condition, path string) {
		base := c.base()
		if !strings.HasPrefix(base, "String") || strings.HasSuffix(base, "Like") {
			return
		}
		for _, v := range c.Values {
			if hasWildcard(v) {
				fix := "use StringLike, or write ${*} and ${?} for the characters themselves"
				if c.negated {
					fix = "use StringNotLike, or write ${*} and ${?} for the characters themselves"
				}
				l.add(path, "in "+c.Operator+" the wildcards of "+shown(v)+" are mere characters", fix)
			}
		}
	})
}

// hasWildcard says whether text has * or ? outside of ${…}.
func hasWildcard(text string) bool {
	for {
		before, rest, found := strings.Cut(text, "${")
		if strings.ContainsAny(before, "*?") {
			return true
		}
		if !found {
			return false
		}
		_, text, _ = strings.Cut(rest, "}")
	}
}

// vendors are the prefixes of the condition keys that are known.
var vendors = []string{"aws", "iam", "kms", "mediaconvert", "s3", "sts"}

func lintUnknownConditionKey(l *linter, s *Statement) {
	judge := func(name, path string) {
		vendor, _, _ := strings.Cut(name, ":")
		if _, known := LookupKey(name); known || !slices.Contains(vendors, lower(vendor)) {
			return
		}
		fix := "look it up in the Service Authorization Reference"
		candidates := make([]string, len(keys))
		for i, k := range keys {
			candidates[i] = k.Name
		}
		if near := nearest(name, candidates); near != "" {
			fix = "use " + near
		}
		l.add(path, "no request has the condition key "+name, fix)
	}
	l.each(s, func(c *Condition, path string) {
		judge(c.Key, path)
		c.variables(func(v templatePart) { judge(v.name(), path) })
	})
	for i := range s.resources {
		s.resources[i].parts[arnParts-1].variables(func(v templatePart) { judge(v.name(), l.resource(s, i)) })
	}
}

// lintKeyNotOfAction finds keys that actions of a statement never have.
func lintKeyNotOfAction(l *linter, s *Statement) {
	if s.negatedActions() {
		return
	}
	l.each(s, func(c *Condition, path string) {
		if _, known := LookupKey(c.Key); !known || c.null() {
			return
		}
		var without []string
		for i, a := range s.actions {
			if !a.has(c.key) {
				without = append(without, s.Actions[i])
			}
		}
		// Where the key is wanted, an Allow never applies to an action without it. Otherwise others of the actions give the condition its sense.
		wanted := s.Effect == Allow && !c.negated && !c.ifExists && c.set != forAllValues
		if n := len(without); n == len(s.Actions) || n > 0 && wanted {
			l.add(path, "no request for "+list(without, "or")+" has the condition key "+c.Key,
				"put the actions that have it into a statement of their own, or remove the condition")
		}
	})
}

// has says whether requests for some action of a pattern can have a condition key, whose name is in lower case.
func (p actionPattern) has(key string) bool {
	if p.vendor == "" {
		return true
	}
	vendor, _, _ := strings.Cut(key, ":")
	matches := func(name string) bool {
		return key == name || strings.HasSuffix(name, "/") && strings.HasPrefix(key, name)
	}
	if slices.ContainsFunc(dependent[p.vendor], matches) {
		matched, _, _ := p.known()
		return len(matched) == 0 || slices.ContainsFunc(matched, func(a knownAction) bool { return slices.ContainsFunc(a.keys, matches) })
	}
	return vendor == "aws" || vendor == p.vendor || strings.HasPrefix(key, iamResourceTag) && p.vendor == "sts"
}

// families are the types of values that operators compare.
var families = []struct {
	prefix string
	types  []KeyType
}{
	{"Numeric", []KeyType{NumberKey}},
	{"Date", []KeyType{DateKey}},
	{"Bool", []KeyType{BoolKey}},
	{"IpAddress", []KeyType{IPKey}},
	{"NotIpAddress", []KeyType{IPKey}},
	{"Arn", []KeyType{ARNKey}},
	{"Binary", []KeyType{BinaryKey}},
	{"String", []KeyType{StringKey, BoolKey, ARNKey}},
}

// operatorOf names the operators of a type.
var operatorOf = [...]string{"StringEquals or StringLike", "Bool", "ArnLike", "DateLessThan or DateGreaterThan", "NumericEquals, NumericLessThan and so on", "IpAddress", "BinaryEquals"}

func lintOperatorOfOtherType(l *linter, s *Statement) {
	l.each(s, func(c *Condition, path string) {
		k, known := LookupKey(c.Key)
		if !known || k.open() { // a tag may hold anything
			return
		}
		for _, f := range families {
			if strings.HasPrefix(c.base(), f.prefix) && !slices.Contains(f.types, k.Type) && (k.Name != "aws:EpochTime" || f.prefix != "Numeric") {
				l.add(path, c.Operator+" does not compare what "+k.Name+" has: a value of type "+k.Type.String(), "use "+operatorOf[k.Type])
			}
		}
	})
}

func lintSetOperatorOnSingleValue(l *linter, s *Statement) {
	l.each(s, func(c *Condition, path string) {
		if k, known := LookupKey(c.Key); known && !k.Multivalued && c.set != noSet {
			_, single, _ := strings.Cut(c.Operator, ":")
			l.add(path, "a request has one value of "+k.Name+" at most, and "+c.Operator+" is meant for several", "use "+single)
		}
	})
}

func lintSeveralValuesWithoutSetOperator(l *linter, s *Statement) {
	l.each(s, func(c *Condition, path string) {
		if k, _ := LookupKey(c.Key); k.Multivalued && c.set == noSet && !c.null() {
			l.add(path, "a request can have several values of "+k.Name+", and then "+c.Operator+" cannot be read: an Allow does not apply, a Deny does",
				"use ForAnyValue:"+c.Operator+", or ForAllValues:"+c.Operator+" with Null")
		}
	})
}

func lintSourceIPOfService(l *linter, s *Statement) {
	l.each(s, func(c *Condition, path string) {
		switch {
		case c.key != "aws:sourceip":
		case l.trusts(s, isService):
			l.add(path, "a service that assumes the role has no aws:SourceIp", "use aws:SourceAccount and aws:SourceArn")
		case s.Effect == Deny && !s.mentions("aws:viaawsservice") && !s.mentions("aws:principalisawsservice"):
			l.add(path, "this also denies what a service such as MediaConvert does with these rights, from an address of its own",
				`add "Bool": {"aws:ViaAWSService": "false"}, and leave it out of the policies of roles that jobs have`)
		}
	})
}

func lintVariableIn2008(l *linter, s *Statement) {
	if l.p.Version != version2008 {
		return
	}
	const message, fix = " is mere text: policy variables came with version " + version2012, `add "Version": "` + version2012 + `"`
	for i, text := range s.resourceTexts() {
		if strings.Contains(text, "${") {
			l.add(l.resource(s, i), shown(text)+message, fix)
		}
	}
	l.each(s, func(c *Condition, path string) {
		for _, v := range c.Values {
			if strings.Contains(v, "${") {
				l.add(path, shown(v)+message, fix)
			}
		}
	})
}
