package iam

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// Limits of documents.
const (
	// MaxDocument is the longest document that is read, in bytes (IAM API, policyDocumentType).
	MaxDocument = 131072
	// maxDepth is how deep a document may be nested; the language needs five.
	maxDepth = 8
	// maxName is the longest name of a member, in bytes: those of condition keys that end in the key of a tag have 128 characters more than a prefix.
	maxName = 1024
	// maxFaults is how many faults of a document are told.
	maxFaults = 20
)

const notJSON = "Syntax errors in policy: the document is no JSON here"

// Fault is one mistake in a document.
type Fault struct {
	Path         string // JSON pointer (RFC 6901); empty for the whole document
	Line, Column int    // from 1; columns count characters
	Message      string
}

func (f Fault) String() string {
	place := f.Path
	if place == "" {
		place = "the document"
	}
	return fmt.Sprintf("line %d, column %d, %s: %s", f.Line, f.Column, place, f.Message)
}

// DocumentError is why a document is no policy: every mistake that was found, in the order of the document.
type DocumentError struct{ Faults []Fault }

func (e *DocumentError) Error() string {
	text := make([]string, len(e.Faults))
	for i, f := range e.Faults {
		text[i] = f.String()
	}
	return strings.Join(text, "; ")
}

// node is a value of a document with its place.
type node struct {
	parent  *node
	step    string // from the parent to here: the name of a member, the index of an item
	offset  int
	end     int // of an array and an object: just behind it
	kind    nodeKind
	text    string // of a string; of a number and a boolean as it is written
	members []member
	items   []*node
}

type member struct {
	name  string
	key   *node // where the name stands
	value *node
}

type nodeKind int

const (
	nullNode nodeKind = iota
	stringNode
	numberNode
	boolNode
	arrayNode
	objectNode
)

// path is the JSON pointer of the node. It is made when it is wanted: all paths together can be far longer than the document.
func (n *node) path() string {
	if n.parent == nil {
		return ""
	}
	return n.parent.path() + "/" + pointerEscapes.Replace(n.step)
}

func (n *node) get(name string) *node {
	for _, m := range n.members {
		if m.name == name {
			return m.value
		}
	}
	return nil
}

// pointerEscapes are those of RFC 6901.
var pointerEscapes = strings.NewReplacer("~", "~0", "/", "~1")

// reader collects the mistakes of a document, as they are found.
type reader struct {
	document string
	mistakes []mistake
}

type mistake struct {
	path    string
	offset  int
	message string
}

// fail notes a mistake at n.
func (r *reader) fail(n *node, format string, args ...any) {
	r.failAt(n.path(), n.offset, format, args...)
}

func (r *reader) failAt(path string, offset int, format string, args ...any) {
	r.mistakes = append(r.mistakes, mistake{path, offset, fmt.Sprintf(format, args...)})
}

// err tells the first mistakes in the order of the document; nil if there are none.
func (r *reader) err() error {
	if len(r.mistakes) == 0 {
		return nil
	}
	slices.SortStableFunc(r.mistakes, func(a, b mistake) int { return a.offset - b.offset })
	e := new(DocumentError)
	for _, m := range r.mistakes[:min(len(r.mistakes), maxFaults)] {
		before := r.document[:m.offset]
		line := strings.Count(before, "\n") + 1
		column := utf8.RuneCountInString(before[strings.LastIndexByte(before, '\n')+1:]) + 1
		e.Faults = append(e.Faults, Fault{m.path, line, column, m.message})
	}
	return e
}

// read parses the JSON of the document strictly: UTF-8, no member twice, nothing behind the value, bounded. It returns nil after a fault.
func (r *reader) read() *node {
	if len(r.document) > MaxDocument {
		r.failAt("", 0, "the document has %d bytes, more than %d", len(r.document), MaxDocument)
		return nil
	}
	if !utf8.ValidString(r.document) {
		r.failAt("", 0, "the document is not UTF-8")
		return nil
	}
	d := json.NewDecoder(strings.NewReader(r.document))
	d.UseNumber()
	n := r.value(d, nil, "", 0)
	if len(r.mistakes) > 0 {
		return nil
	}
	if at := r.begin(d); at < len(r.document) {
		r.failAt("", at, "something stands behind the policy")
		return nil
	}
	return n
}

// value reads the next value; nil after a fault of syntax, which ends the reading.
func (r *reader) value(d *json.Decoder, parent *node, step string, depth int) *node {
	n := &node{parent: parent, step: step, offset: r.begin(d)}
	if depth > maxDepth {
		r.fail(n, "the document is nested more than %d deep", maxDepth)
		return nil
	}
	token, err := d.Token()
	if err != nil {
		r.failAt("", n.offset, notJSON)
		return nil
	}
	switch t := token.(type) {
	case string:
		n.kind, n.text = stringNode, t
		if loneSurrogate(r.document[n.offset:d.InputOffset()]) {
			r.fail(n, "Syntax errors in policy: half of a surrogate pair is no character")
			return nil
		}
	case json.Number:
		n.kind, n.text = numberNode, t.String()
	case bool:
		n.kind, n.text = boolNode, strconv.FormatBool(t)
	case json.Delim:
		if t == '[' {
			return r.array(d, n, depth)
		}
		return r.object(d, n, depth)
	}
	return n
}

func (r *reader) array(d *json.Decoder, n *node, depth int) *node {
	n.kind = arrayNode
	for d.More() {
		item := r.value(d, n, strconv.Itoa(len(n.items)), depth+1)
		if item == nil {
			return nil
		}
		n.items = append(n.items, item)
	}
	return r.end(d, n)
}

func (r *reader) object(d *json.Decoder, n *node, depth int) *node {
	n.kind = objectNode
	seen := make(map[string]bool)
	for d.More() {
		key := r.value(d, n.parent, n.step, depth+1)
		if key == nil {
			return nil
		}
		if len(key.text) > maxName {
			r.fail(key, "Syntax errors in policy: the name %s has more than %d bytes", shown(key.text), maxName)
			return nil
		}
		key.parent, key.step = n, key.text
		if seen[key.text] {
			r.fail(key, "Syntax errors in policy: %s is given twice", shown(key.text))
			return nil
		}
		seen[key.text] = true
		value := r.value(d, n, key.text, depth+1)
		if value == nil {
			return nil
		}
		n.members = append(n.members, member{key.text, key, value})
	}
	return r.end(d, n)
}

// end reads the bracket that closes n.
func (r *reader) end(d *json.Decoder, n *node) *node {
	at := r.begin(d)
	if _, err := d.Token(); err != nil {
		r.failAt("", at, notJSON)
		return nil
	}
	n.end = int(d.InputOffset())
	return n
}

// begin is where the next token begins.
func (r *reader) begin(d *json.Decoder) int {
	at := int(d.InputOffset())
	rest := r.document[at:]
	return at + len(rest) - len(strings.TrimLeft(rest, " \t\r\n,:"))
}

// loneSurrogate says whether a JSON string has an escaped half of a surrogate pair without the other, which decoders replace by U+FFFD: the string
// would be another than the one that was written.
func loneSurrogate(raw string) bool {
	for {
		i := strings.IndexByte(raw, '\\')
		if i < 0 {
			return false
		}
		first := escaped(raw[i:])
		if first == 0 {
			raw = raw[i+2:]
			continue
		}
		raw = raw[i+6:]
		if utf16.IsSurrogate(first) {
			if utf16.DecodeRune(first, escaped(raw)) == utf8.RuneError {
				return true
			}
			raw = raw[6:]
		}
	}
}

// escaped reads the escape \uXXXX that s begins with; 0 if it begins with none.
func escaped(s string) rune {
	if len(s) < 6 || s[:2] != `\u` {
		return 0
	}
	n, _ := strconv.ParseUint(s[2:6], 16, 16) // the decoder has seen that these are digits
	return rune(n)
}

// compact returns a document without the white space between its tokens, which is what IAM's quotas count.
func compact(document string) string {
	var out bytes.Buffer
	if json.Compact(&out, []byte(document)) != nil {
		return document
	}
	return out.String()
}

// Size is the length of a document in characters, white space between its parts not counted, as IAM's quotas count it.
func Size(document string) int { return utf8.RuneCountInString(compact(document)) }
