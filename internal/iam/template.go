package iam

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// template is the text of a policy in which there can be wildcards and policy variables. What a variable stands for is never a wildcard.
type template struct {
	parts  []templatePart
	isVar  bool   // there are variables
	isWild bool   // there are wildcards
	isAny  bool   // there is a star and nothing else
	plain  string // the text where there are neither variables nor wildcards
	fixed  glob   // the glob where there are no variables
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
	whole := len(text)
	var literal strings.Builder
	add := func(p ...templatePart) {
		if literal.Len() > 0 {
			t.parts = append(t.parts, templatePart{part: part{literalPart, literal.String()}})
			literal.Reset()
		}
		t.parts = append(t.parts, p...)
	}
	for text != "" {
		switch {
		case wild && text[0] == '*':
			add(templatePart{part: part{kind: starPart}})
			t.isWild = true
			text = text[1:]
		case wild && text[0] == '?':
			add(templatePart{part: part{kind: markPart}})
			t.isWild = true
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
				literal.WriteString(p.text)
			} else {
				t.isVar = true
				add(p)
			}
			text = rest
		default:
			n := strings.IndexAny(text[1:], "*?$") + 1
			if n == 0 {
				n = len(text)
			}
			literal.WriteString(text[:n])
			text = text[n:]
		}
	}
	add()
	if !t.isVar {
		t.fixed, _ = t.resolve(scope{}, whole)
		t.isAny = whole == 1 && t.isWild && t.parts[0].kind == starPart
		if !t.isWild {
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
	p.key = lower(key)
	if vendor, name, ok := strings.Cut(p.key, ":"); !ok || vendor == "" || name == "" || strings.ContainsAny(key, " \t\r\n") {
		return p, fmt.Errorf("the policy variable %s names no condition key such as aws:username", shown(p.original))
	}
	return p, nil
}

// match compares text with the template. A variable without a value matches nothing.
func (t *template) match(text string, s scope) truth {
	switch {
	case !t.isVar:
		return truthOf(t.fits(text))
	case !t.isWild:
		return t.spells(text, s, false)
	}
	g, resolved := t.resolve(s, len(text))
	if resolved != yes {
		return resolved
	}
	return truthOf(g.match(text))
}

// fits compares text with a template without variables.
func (t *template) fits(text string) bool {
	switch {
	case t.isAny:
		return true
	case !t.isWild:
		return t.plain == text
	}
	return t.fixed.match(text)
}

// spells compares text with a template that has no wildcards, with or without regard to the case of ASCII letters.
func (t *template) spells(text string, s scope, fold bool) truth {
	resolved, same := yes, true
	for i := range t.parts {
		word, known := t.parts[i].resolve(s)
		switch {
		case known == no:
			return no
		case known == unreadable:
			resolved = unreadable
		case !same:
		case len(word) > len(text):
			same = false
		default:
			head := text[:len(word)]
			text = text[len(word):]
			same = head == word || fold && equalFold(head, word)
		}
	}
	if resolved != yes {
		return resolved
	}
	return truthOf(same && text == "")
}

// resolve puts the values of a request into the template. It says no where a variable has no value and no default, and unreadable where one has
// several values or what is no text. A template that is longer than limit without its wildcards resolves to nil, which matches nothing: long values
// of many variables are never put together.
func (t *template) resolve(s scope, limit int) (glob, truth) {
	resolved, size := yes, 0
	parts := make([]part, 0, len(t.parts))
	for i := range t.parts {
		word, known := t.parts[i].resolve(s)
		switch known {
		case no:
			return nil, no
		case unreadable:
			resolved = unreadable
		}
		if size += len(word); size <= limit {
			parts = append(parts, part{t.parts[i].kind, word})
		}
	}
	if resolved != yes || size > limit {
		return nil, resolved
	}
	return newGlob(parts), yes
}

// resolve is the text of a part: of a variable its value or its default.
func (p *templatePart) resolve(s scope) (text string, known truth) {
	if p.key == "" {
		return p.text, yes
	}
	switch values := s.values(p.key); {
	case len(values) > 1 || len(values) == 1 && !utf8.ValidString(values[0]):
		return "", unreadable
	case len(values) == 1 && values[0] != "":
		return values[0], yes
	case p.hasDefault:
		return p.text, yes
	}
	return "", no
}

// variables yields the policy variables of the template.
func (t template) variables(yield func(v templatePart)) {
	for _, p := range t.parts {
		if p.key != "" {
			yield(p)
		}
	}
}

// name is the key of a policy variable as it was written.
func (p templatePart) name() string {
	key, _, _ := strings.Cut(strings.Trim(p.original, "${}"), ",")
	return strings.TrimSpace(key)
}

// Literal returns the pattern that matches s and nothing else, in a policy of version 2012-10-17.
func Literal(s string) string { return literals.Replace(s) }

var literals = strings.NewReplacer("*", "${*}", "?", "${?}", "$", "${$}")

// maxShown bounds what a message repeats of a document.
const maxShown = 100

// shown quotes text of a document for a message.
func shown(s string) string {
	if len(s) > maxShown {
		s = strings.ToValidUTF8(s[:maxShown], "") + "…"
	}
	return fmt.Sprintf("%q", s)
}
