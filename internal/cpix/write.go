package cpix

import (
	"bytes"
	"encoding/xml"
)

// writer writes a document with the prefixes that the specification uses, which some key servers look for in place of namespaces.
type writer struct {
	buf  bytes.Buffer
	path []string // elements that are open
}

// root opens the element of the document. Its prefixes are those of the version, and those of encryption only where it is used.
func (w *writer) root(r *Request) {
	w.buf.WriteString(xml.Header)
	a := []string{"id", r.ContentID}
	if r.Version == V2 {
		a = []string{"contentId", r.ContentID, "version", cpixVersion}
	}
	a = append(a, "xmlns:cpix", nsCPIX, "xmlns:pskc", nsPSKC)
	if r.Version == V1 {
		a = append(a, "xmlns:speke", nsSPEKE)
	}
	if r.Certificate != nil {
		a = append(a, "xmlns:ds", nsDS, "xmlns:enc", nsENC)
	}
	w.open("cpix:CPIX", a...)
}

func (w *writer) start(name string, attributes []string) {
	w.buf.WriteByte('<')
	w.buf.WriteString(name)
	for i := 0; i+1 < len(attributes); i += 2 {
		w.buf.WriteByte(' ')
		w.buf.WriteString(attributes[i])
		w.buf.WriteString(`="`)
		_ = xml.EscapeText(&w.buf, []byte(attributes[i+1])) // a buffer takes all
		w.buf.WriteByte('"')
	}
}

// open begins an element with attributes, name and value in turn.
func (w *writer) open(name string, attributes ...string) {
	w.start(name, attributes)
	w.buf.WriteByte('>')
	w.path = append(w.path, name)
}

func (w *writer) close() {
	last := len(w.path) - 1
	w.buf.WriteString("</" + w.path[last] + ">")
	w.path = w.path[:last]
}

func (w *writer) empty(name string, attributes ...string) {
	w.start(name, attributes)
	w.buf.WriteString("/>")
}

func (w *writer) text(name, value string, attributes ...string) {
	w.open(name, attributes...)
	_ = xml.EscapeText(&w.buf, []byte(value))
	w.close()
}

func (w *writer) bytes() []byte { return w.buf.Bytes() }
