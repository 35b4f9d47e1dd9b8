package s3

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"darkroom/internal/iam"
)

// maxSessionPolicy is how many characters an inline session policy may have (AssumeRole, Policy).
const maxSessionPolicy = 2048

// errTooLong is returned by sessionPolicy for a document that cannot be shortened.
var errTooLong = errors.New("the session policy cannot be shortened to what STS takes")

// sessionPolicy returns a document as STS takes it: in its characters (U+0000 to U+00FF), and where it is too long, a shorter one that allows all
// that it allows and nothing outside its buckets. What it allows beyond is refused before a request is signed: only the gateway's
// decision is exact.
//
// Only statements that allow actions on objects are shortened; what denies, has conditions or names no bucket is kept as it is: shorter, it would say
// something else.
func sessionPolicy(document string) (string, error) {
	if latin := escapeLatin(document); utf8.RuneCountInString(latin) <= maxSessionPolicy {
		return latin, nil
	}
	p, err := iam.Parse(iam.IdentityPolicy, "session policy", document)
	if err != nil {
		return "", fmt.Errorf("%w: %w", errTooLong, err)
	}
	texts, err := statementTexts(document)
	if err != nil || len(texts) != len(p.Statements) || p.Version != "2012-10-17" {
		return "", errTooLong
	}
	var all []grants
	var kept []json.RawMessage
	most := 0
	for i := range p.Statements {
		g, ok := newGrants(&p.Statements[i])
		if !ok {
			kept = append(kept, texts[i])
			continue
		}
		for _, o := range g.objects {
			most = max(most, len(o.key))
		}
		all = append(all, g)
	}
	// The longer the beginnings are that keys are told apart by, the less is allowed beyond the document.
	for length := most; length >= 0; length-- {
		for _, whole := range [...]bool{true, false} {
			if short, ok := shorten(all, kept, length, whole); ok {
				return short, nil
			}
		}
	}
	return "", errTooLong
}

// statementTexts are the statements of a document as they are written.
func statementTexts(document string) ([]json.RawMessage, error) {
	var d struct{ Statement json.RawMessage }
	if err := json.Unmarshal([]byte(document), &d); err != nil {
		return nil, err
	}
	if !bytes.HasPrefix(bytes.TrimSpace(d.Statement), []byte("[")) {
		return []json.RawMessage{d.Statement}, nil
	}
	var all []json.RawMessage
	err := json.Unmarshal(d.Statement, &all)
	return all, err
}

// shorten writes a document in which keys with the same beginning of so many tokens are one resource: with whole, all that they have in common,
// else that beginning. What is kept goes with it. It is false where the document is too long.
func shorten(all []grants, kept []json.RawMessage, length int, whole bool) (string, bool) {
	type statement struct {
		Effect           string
		Action, Resource []string
	}
	out := struct {
		Version   string
		Statement []any
	}{Version: "2012-10-17"}
	joined := make([][]objects, len(all))
	least := 0 // characters
	for i := range all {
		joined[i] = all[i].join(length, whole)
		for _, o := range joined[i] {
			least += len(bucketARN) + len(o.bucket) + o.width[len(o.key)]
		}
		if least > maxSessionPolicy {
			return "", false
		}
	}
	for i, g := range all {
		s := statement{Effect: "Allow", Action: g.actions}
		for _, o := range joined[i] {
			s.Resource = append(s.Resource, o.pattern())
		}
		out.Statement = append(out.Statement, s)
	}
	for _, k := range kept {
		out.Statement = append(out.Statement, k)
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false) // six characters for one
	if err := e.Encode(out); err != nil {
		return "", false
	}
	text := escapeLatin(strings.TrimSuffix(b.String(), "\n"))
	return text, utf8.RuneCountInString(text) <= maxSessionPolicy
}

// grants are a statement that allows actions on objects.
type grants struct {
	actions []string
	objects []objects // in order
	shared  []int     // how many tokens of the key each shares with the one before it; -1 for another bucket
}

// objects are those of a bucket whose keys are, or begin with, a text.
type objects struct {
	bucket string
	key    []string // in tokens: characters, and escapes of the policy language
	open   bool     // the beginning of keys
	width  []int    // of so many tokens, in characters of a document at least
}

const bucketARN = "arn:aws:s3:::"

// newGrants reads a statement that allows actions on objects; false for any other.
func newGrants(s *iam.Statement) (grants, bool) {
	if s.Effect != iam.Allow || s.NotActions != nil || s.NotResources != nil || len(s.Conditions) > 0 {
		return grants{}, false
	}
	g := grants{actions: s.Actions}
	for _, r := range s.Resources {
		name, found := strings.CutPrefix(r, bucketARN)
		bucket, key, slash := strings.Cut(name, "/")
		if !found || !slash || bucket == "" || strings.ContainsAny(bucket, "*?$") {
			return grants{}, false
		}
		o := objects{bucket: bucket}
		o.key, o.open = tokens(key)
		o.width = make([]int, 1+len(o.key))
		for i, token := range o.key {
			o.width[i+1] = o.width[i] + utf8.RuneCountInString(escapeLatin(token))
		}
		g.objects = append(g.objects, o)
	}
	slices.SortFunc(g.objects, func(a, b objects) int {
		if c := strings.Compare(a.bucket, b.bucket); c != 0 {
			return c
		}
		return slices.Compare(a.key, b.key)
	})
	g.shared = make([]int, len(g.objects))
	for i := range g.objects {
		g.shared[i] = -1
		if i > 0 && g.objects[i-1].bucket == g.objects[i].bucket {
			g.shared[i] = common(g.objects[i-1].key, g.objects[i].key)
		}
	}
	return g, true
}

// tokens splits the pattern of a key so that its beginnings are patterns too. What follows the first wildcard or variable is open.
func tokens(key string) (out []string, open bool) {
	for key != "" {
		n := 0
		switch {
		case strings.HasPrefix(key, "${*}"), strings.HasPrefix(key, "${?}"), strings.HasPrefix(key, "${$}"):
			n = len("${*}")
		case key[0] == '*', key[0] == '?', strings.HasPrefix(key, "${"):
			return out, true
		default:
			_, n = utf8.DecodeRuneInString(key)
		}
		out, key = append(out, key[:n]), key[n:]
	}
	return out, false
}

// common is how many tokens two keys begin with alike.
func common(a, b []string) int {
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	return n
}

// join makes one of the objects whose keys have the same beginning.
func (g *grants) join(length int, whole bool) []objects {
	var out []objects
	for i := 0; i < len(g.objects); {
		first, end := g.objects[i], i+1
		alike, open := len(first.key), first.open
		for end < len(g.objects) && (g.shared[end] >= length || g.shared[end] == len(first.key) && g.shared[end] == len(g.objects[end].key)) {
			alike, open = min(alike, g.shared[end]), open || g.objects[end].open
			end++
		}
		if !whole {
			alike = min(alike, length)
		}
		for _, o := range g.objects[i:end] {
			open = open || len(o.key) > alike
		}
		joined := objects{first.bucket, first.key[:alike], open, first.width}
		if n := len(out); n == 0 || !out[n-1].covers(joined) {
			out = append(out, joined)
		}
		i = end
	}
	return out
}

// covers says whether o has all that other has.
func (o objects) covers(other objects) bool {
	return o.open && o.bucket == other.bucket && len(o.key) <= len(other.key) && slices.Equal(o.key, other.key[:len(o.key)])
}

func (o objects) pattern() string {
	text := bucketARN + o.bucket + "/" + strings.Join(o.key, "")
	if o.open {
		text += "*"
	}
	return text
}

// escapeLatin writes the characters that STS does not take as JSON escapes. In a document they stand in strings alone.
func escapeLatin(document string) string {
	var b strings.Builder
	for _, r := range document {
		switch {
		case r <= 0xff:
			b.WriteRune(r)
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			fmt.Fprintf(&b, `\u%04x\u%04x`, high, low)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return b.String()
}
