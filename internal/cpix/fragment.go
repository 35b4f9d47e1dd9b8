package cpix

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// maxFragment bounds what is put into an MPD for a system and a key.
const maxFragment = 128 << 10

// fragment is well-formed XML that can stand inside an element.
type fragment struct {
	text []byte   // written anew
	pssh [][]byte // the boxes of cenc:pssh
	pro  [][]byte // the objects of mspr:pro
}

// parseFragment reads elements that stand beside each other. Each declares its own namespaces, so that it means the same wherever it is put; nothing but elements, their
// attributes and text is taken. What is returned is written anew from what was understood, so that another parser cannot read something else.
func parseFragment(text []byte) (*fragment, error) {
	switch {
	case len(text) > maxFragment:
		return nil, fmt.Errorf("is longer than %d bytes", maxFragment)
	case !utf8.Valid(text):
		return nil, errors.New("is not UTF-8")
	}
	f := &fragment{}
	var out bytes.Buffer
	type level struct {
		name  xml.Name
		space map[string]string // prefixes declared here
		value strings.Builder
	}
	var path []*level
	resolve := func(prefix string) (string, bool) {
		for i := len(path) - 1; i >= 0; i-- {
			if uri, ok := path[i].space[prefix]; ok {
				return uri, uri != "" || prefix == ""
			}
		}
		return "", prefix == ""
	}
	d := xml.NewDecoder(bytes.NewReader(text))
	elements := 0
	for {
		token, err := d.RawToken()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, errors.New("is not well-formed XML")
		}
		switch token := token.(type) {
		case xml.StartElement:
			if elements++; len(path) >= maxDepth {
				return nil, fmt.Errorf("is deeper than %d elements", maxDepth)
			}
			if !ncName(token.Name) {
				return nil, errors.New("is not well-formed XML")
			}
			l := &level{name: token.Name, space: map[string]string{}}
			path = append(path, l)
			out.WriteString("<" + qualified(token.Name))
			seen := map[xml.Name]bool{}
			for _, a := range token.Attr {
				if seen[a.Name] || !ncName(a.Name) {
					return nil, errors.New("is not well-formed XML")
				}
				seen[a.Name] = true
				switch {
				case a.Name.Space == "" && a.Name.Local == "xmlns":
					l.space[""] = a.Value
				case a.Name.Space == "xmlns":
					l.space[a.Name.Local] = a.Value
				}
				out.WriteString(" " + qualified(a.Name) + `="`)
				_ = xml.EscapeText(&out, []byte(a.Value)) // a buffer takes all
				out.WriteByte('"')
			}
			out.WriteByte('>')
			for name := range seen {
				if _, ok := resolve(name.Space); !ok && name.Space != "xmlns" && name.Space != "xml" {
					return nil, fmt.Errorf("has the prefix %.40q, which nothing declares", name.Space)
				}
			}
			if _, ok := resolve(token.Name.Space); !ok {
				return nil, fmt.Errorf("has the prefix %.40q, which nothing declares", token.Name.Space)
			}
		case xml.EndElement:
			if len(path) == 0 || path[len(path)-1].name != token.Name {
				return nil, errors.New("is not well-formed XML")
			}
			last := path[len(path)-1]
			space, _ := resolve(last.name.Space)
			if err := f.keep(xml.Name{Space: space, Local: last.name.Local}, last.value.String()); err != nil {
				return nil, err
			}
			path = path[:len(path)-1]
			out.WriteString("</" + qualified(token.Name) + ">")
		case xml.CharData:
			if len(path) == 0 {
				if len(bytes.TrimSpace(token)) > 0 {
					return nil, errors.New("has text outside its elements")
				}
				continue
			}
			path[len(path)-1].value.Write(token)
			_ = xml.EscapeText(&out, token)
		default:
			return nil, errors.New("has a comment, a declaration or an instruction")
		}
	}
	if len(path) > 0 || elements == 0 {
		return nil, errors.New("is not well-formed XML")
	}
	f.text = out.Bytes()
	return f, nil
}

// keep keeps what is compared with the rest of an answer.
func (f *fragment) keep(name xml.Name, text string) error {
	to := &f.pssh
	switch name {
	case xml.Name{Space: nsCENC, Local: "pssh"}:
	case xml.Name{Space: nsMSPR, Local: "pro"}:
		to = &f.pro
	default:
		return nil
	}
	b, err := decode(text)
	if err != nil {
		return fmt.Errorf("has a %s that %w", name.Local, err)
	}
	*to = append(*to, b)
	return nil
}

func qualified(n xml.Name) string {
	if n.Space == "" {
		return n.Local
	}
	return n.Space + ":" + n.Local
}

// ncName says whether a raw name is one with at most one prefix.
func ncName(n xml.Name) bool {
	return n.Local != "" && !strings.Contains(n.Local, ":") && !strings.Contains(n.Space, ":")
}
