package validate

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"unicode/utf16"
)

// newXML reads a document strictly. Documents of Smooth Streaming may be UTF-16, with a byte order mark.
func newXML(text []byte) *xml.Decoder {
	if len(text) >= 2 && (text[0] == 0xfe && text[1] == 0xff || text[0] == 0xff && text[1] == 0xfe) {
		var order binary.ByteOrder = binary.LittleEndian
		if text[0] == 0xfe {
			order = binary.BigEndian
		}
		units := make([]uint16, 0, len(text)/2)
		for i := 2; i+1 < len(text); i += 2 {
			units = append(units, order.Uint16(text[i:]))
		}
		text = []byte(string(utf16.Decode(units)))
	}
	d := xml.NewDecoder(bytes.NewReader(bytes.TrimPrefix(text, []byte("\ufeff"))))
	d.CharsetReader = func(_ string, r io.Reader) (io.Reader, error) { return r, nil } // it is UTF-8 by now, or an error
	return d
}

// maxDepth of the elements of a document.
const maxDepth = 64

// node is an element with its attributes and children, in order.
type node struct {
	name     xml.Name
	attr     []xml.Attr
	children []*node
	text     string
	line     int
}

// parseXML reads a document. Document types, and with them entities, are refused.
func parseXML(text []byte) (*node, error) {
	d := newXML(text)
	root := &node{}
	stack := []*node{root}
	for {
		t, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		top := stack[len(stack)-1]
		switch t := t.(type) {
		case xml.StartElement:
			if len(stack) > maxDepth {
				return nil, fmt.Errorf("elements more than %d deep", maxDepth)
			}
			line, _ := d.InputPos()
			n := &node{name: t.Name, attr: t.Attr, line: line}
			top.children = append(top.children, n)
			stack = append(stack, n)
		case xml.EndElement:
			stack = stack[:len(stack)-1]
		case xml.CharData:
			top.text += string(t)
		case xml.Directive:
			return nil, errors.New("a document type is declared")
		}
	}
	if len(root.children) != 1 {
		return nil, errors.New("it has no root element")
	}
	return root.children[0], nil
}

// get returns an attribute without a name space.
func (n *node) get(name string) (string, bool) {
	for _, a := range n.attr {
		if a.Name.Local == name && a.Name.Space == "" {
			return a.Value, true
		}
	}
	return "", false
}

// or returns an attribute, or what stands for it.
func (n *node) or(name, absent string) string {
	if v, ok := n.get(name); ok {
		return v
	}
	return absent
}

// all returns the children of a name.
func (n *node) all(name string) (out []*node) {
	for _, c := range n.children {
		if c.name.Local == name {
			out = append(out, c)
		}
	}
	return out
}

// first returns the first child of a name, or nil.
func (n *node) first(name string) *node {
	for _, c := range n.children {
		if c.name.Local == name {
			return c
		}
	}
	return nil
}

// inflate opens what manifestCompression packed.
func inflate(text []byte) ([]byte, error) {
	if len(text) < 2 || text[0] != 0x1f || text[1] != 0x8b {
		return text, nil
	}
	z, err := gzip.NewReader(bytes.NewReader(text))
	if err != nil {
		return nil, err
	}
	out, err := io.ReadAll(io.LimitReader(z, maxManifest+1))
	if err == nil && len(out) > maxManifest {
		err = fmt.Errorf("it is longer than %d bytes", maxManifest)
	}
	return out, err
}
