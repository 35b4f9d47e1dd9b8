package awsquery

import (
	"net/url"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Bounds of every request, whatever its operation.
const (
	// MaxBody is how many bytes a form has at most: three for each byte of the longest value.
	MaxBody = 3*MaxValue + 1<<20
	// MaxValue is how many bytes a value has, once unescaped. The longest that the model allows, a SAML metadata document, has as many characters;
	// one that long must be ASCII.
	MaxValue = 10_000_000
	// MaxParameters is how many parameters a form has.
	MaxParameters = 5000
	// MaxName is how many bytes the name of a parameter has.
	MaxName = 256
	// MaxDepth is how many words a name has, between its dots. The deepest that the model has are seven.
	MaxDepth = 16
	// MaxList is how many items a list has, or entries a map.
	MaxList = 1000
)

// ParseError says why a body is no request of the protocol.
type ParseError struct {
	Code    string // of the answer, from the errors that are common to all actions
	Message string // shown to the caller
}

func (e *ParseError) Error() string { return e.Code + ": " + e.Message }

// Form is a request that has not been read into a structure yet.
type Form struct {
	Action  string // name of the operation; not empty
	Version string // of the API; empty if it was not given

	parameters []parameter
}

type parameter struct{ name, value string }

// Parse takes apart a body of type application/x-www-form-urlencoded. Its error is a *ParseError. An action that does not exist and a
// version that is not spoken are for the caller to refuse. Parameters of a signature in the query string (X-Amz-...) are no part of the form.
func Parse(body string) (*Form, error) {
	if len(body) > MaxBody {
		return nil, malformed("the form has more than " + strconv.Itoa(MaxBody) + " bytes")
	}
	var f Form
	var actions, versions int
	for n := 0; body != ""; n++ {
		if n == MaxParameters {
			return nil, malformed("the form has more than " + strconv.Itoa(MaxParameters) + " parameters")
		}
		var pair string
		if pair, body, _ = strings.Cut(body, "&"); pair == "" {
			continue
		}
		p, err := parseParameter(pair)
		if err != nil {
			return nil, err
		}
		switch p.name {
		case "Action":
			f.Action = p.value
			actions++
		case "Version":
			f.Version = p.value
			versions++
		default:
			f.parameters = append(f.parameters, p)
		}
	}
	switch {
	case actions > 1:
		return nil, malformed("Action is given more than once")
	case versions > 1:
		return nil, malformed("Version is given more than once")
	case f.Action == "":
		return nil, &ParseError{Code: "MissingAction", Message: "The request is missing an action or a required parameter: Action"}
	}
	return &f, nil
}

func parseParameter(pair string) (parameter, error) {
	name, value, _ := strings.Cut(pair, "=")
	if len(name) > 3*MaxName {
		return parameter{}, longName()
	}
	name, err := unescape(name)
	if err != nil {
		return parameter{}, malformed("the name of a parameter is not the percent-encoding of UTF-8")
	}
	switch {
	case len(name) > MaxName:
		return parameter{}, longName()
	case strings.Count(name, ".") >= MaxDepth:
		return parameter{}, malformed("the name of a parameter has more than " + strconv.Itoa(MaxDepth) + " words")
	}
	if value, err = unescape(value); err != nil {
		return parameter{}, malformed("the value of " + strconv.Quote(name) + " is not the percent-encoding of UTF-8")
	}
	if len(value) > MaxValue {
		return parameter{}, malformed("the value of " + strconv.Quote(name) + " has more than " + strconv.Itoa(MaxValue) + " bytes")
	}
	return parameter{name, value}, nil
}

// unescape refuses a bare semicolon too, which some readers of forms take for a separator.
func unescape(s string) (string, error) {
	if strings.Contains(s, ";") {
		return "", url.EscapeError(";")
	}
	s, err := url.QueryUnescape(s)
	if err == nil && !utf8.ValidString(s) {
		err = url.EscapeError("not UTF-8")
	}
	return s, err
}

func longName() error {
	return malformed("the name of a parameter has more than " + strconv.Itoa(MaxName) + " bytes")
}

func malformed(why string) error {
	return &ParseError{Code: "MalformedQueryString", Message: "The query string is malformed: " + why}
}

// node is a parameter, or what parameters have in common: Tags.member.1 for Tags.member.1.Key and Tags.member.1.Value.
type node struct {
	word  string // the last of its name
	name  string // the whole, as it was written
	value string
	given bool // with a value

	children []*node // in the order of the request
	byWord   map[string]*node
}

// tree orders parameters by the words of their names. It returns also the names that are given more than once, each once; their first value counts.
func tree(parameters []parameter) (root *node, repeated []string) {
	root = &node{}
	told := make(map[*node]bool)
	for _, p := range parameters {
		at := root
		for start := 0; start <= len(p.name); {
			end := len(p.name)
			if i := strings.IndexByte(p.name[start:], '.'); i >= 0 {
				end = start + i
			}
			at = at.child(p.name[start:end], p.name[:end])
			start = end + 1
		}
		if !at.given {
			at.value, at.given = p.value, true
		} else if !told[at] {
			told[at] = true
			repeated = append(repeated, p.name)
		}
	}
	return root, repeated
}

func (n *node) child(word, name string) *node {
	if c, ok := n.byWord[word]; ok {
		return c
	}
	if n.byWord == nil {
		n.byWord = make(map[string]*node)
	}
	c := &node{word: word, name: name}
	n.byWord[word] = c
	n.children = append(n.children, c)
	return c
}
