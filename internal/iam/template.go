package iam

import (
	"fmt"
	"strings"
)

// template is the text of a policy in which there can be wildcards and policy variables. What a variable stands for is never a wildcard.
type template struct {
	parts []templatePart
	fixed glob   // the glob where there are no variables
	plain string // the text where there are neither variables nor wildcards
	isVar bool
}

type templatePart struct {
	part
	key        string // of a variable, in lower case
	original   string // the variable as it was written
	hasDefault bool   // then part.text is the default
}

// newTemplate reads text. wild says that * and ? are wildcards, variables that ${…} is a variable or a literal.
func newTemplate(text string, wild, variables bool) (template, error) {
	var t template
	literal := func(s string) {
		if n := len(t.parts); n > 0 && t.parts[n-1].kind == literalPart && t.parts[n-1].key == "" {
			t.parts[n-1].text += s
			return
		}
		t.parts = append(t.parts, templatePart{part: part{literalPart, s}})
	}
	for text != "" {
		switch {
		case wild && text[0] == '*':
			t.parts = append(t.parts, templatePart{part: part{kind: starPart}})
			text = text[1:]
		case wild && text[0] == '?':
			t.parts = append(t.parts, templatePart{part: part{kind: markPart}})
			text = text[1:]
		case variables && strings.HasPrefix(text, "${"):
			inside, rest, ok := strings.Cut(text[2:], "}")
			if !ok {
				return t, fmt.Errorf("the policy variable %s is not closed by a brace", shown(text))
			}
			p, err := newVariable(inside)
			if err != nil {
				return t, err
			}
			if p.key == "" {
				literal(p.text)
			} else {
				t.isVar = true
				t.parts = append(t.parts, p)
			}
			text = rest
		default:
			n := strings.IndexAny(text[1:], "*?$") + 1
			if n == 0 {
				n = len(text)
			}
			literal(text[:n])
			text = text[n:]
		}
	}
	if !t.isVar {
		t.fixed, _ = t.resolve(scope{})
		if len(t.fixed) == 1 && t.fixed[0].runes == nil {
			t.plain = t.fixed[0].text
		}
	}
	return t, nil
}

// newVariable reads what is between ${ and }: a condition key, perhaps with a default in single quotes, or one of the literals *, ? and $.
func newVariable(inside string) (templatePart, error) {
	p := templatePart{original: "${" + inside + "}"}
	if inside == "*" || inside == "?" || inside == "$" {
		p.text = inside
		return p, nil
	}
	key, def, ok := strings.Cut(inside, ",")
	if ok {
		def = strings.TrimSpace(def)
		if len(def) < 2 || def[0] != '\'' || def[len(def)-1] != '\'' {
			return p, fmt.Errorf("the default value of the policy variable %s must stand in single quotes", shown(p.original))
		}
		p.text, p.hasDefault = def[1:len(def)-1], true
	}
	p.key = lower(strings.TrimSpace(key))
	if vendor, name, ok := strings.Cut(p.key, ":"); !ok || vendor == "" || name == "" {
		return p, fmt.Errorf("the policy variable %s names no condition key such as aws:username", shown(p.original))
	}
	return p, nil
}

// resolve puts the values of a request into the template. It reports false where a variable has no value and no default, or several values.
func (t template) resolve(s scope) (glob, bool) {
	if t.fixed != nil {
		return t.fixed, true
	}
	parts := make([]part, 0, len(t.parts))
	for _, p := range t.parts {
		if p.key != "" {
			values := s.values(p.key)
			switch {
			case len(values) == 1:
				p.text = values[0]
			case len(values) > 1 || !p.hasDefault:
				return nil, false
			}
		}
		parts = append(parts, p.part)
	}
	return newGlob(parts), true
}

// variables adds the keys that the template takes values from.
func (t template) variables(add func(key string)) {
	for _, p := range t.parts {
		if p.key != "" {
			add(p.key)
		}
	}
}

// Literal returns the pattern that matches s and nothing else, in a policy of version 2012-10-17.
func Literal(s string) string {
	return strings.NewReplacer("*", "${*}", "?", "${?}", "$", "${$}").Replace(s)
}

// maxShown bounds what a message repeats of a document.
const maxShown = 100

// shown quotes text of a document for a message.
func shown(s string) string {
	if len(s) > maxShown {
		s = strings.ToValidUTF8(s[:maxShown], "") + "…"
	}
	return fmt.Sprintf("%q", s)
}
