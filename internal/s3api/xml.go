package s3api

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// maxDocument bounds a document that a caller sends: the largest lists blob.MaxParts parts with their checksums.
const maxDocument = 4 << 20

// maxDepth bounds how deep the elements of a document nest.
const maxDepth = 8

// readDocument reads and decodes an XML document to its end, which verifies it. raw is what it was. An empty body is errNoDocument.
func readDocument(body io.Reader, root string, into any) (raw []byte, err error) {
	raw, err = io.ReadAll(io.LimitReader(body, maxDocument+1))
	if err != nil {
		return nil, bodyError(err)
	}
	if len(raw) > maxDocument {
		return nil, refuse(MalformedXML, "The XML you provided is larger than %d bytes.", maxDocument)
	}
	if len(bytes.TrimSpace(raw)) == 0 {
		return raw, errNoDocument
	}
	if err := inspect(raw, root); err == nil {
		err = xml.Unmarshal(raw, into)
		if err == nil {
			return raw, nil
		}
	}
	return raw, refuse(MalformedXML, "The XML you provided was not well-formed or did not validate against our published schema")
}

var errNoDocument error = refuse(MalformedXML, "The XML you provided was not well-formed or did not validate against our published schema: the body is empty")

// inspect refuses what the decoder would take: document types, other processing instructions than the declaration, another root, a second
// root, deep nesting.
func inspect(raw []byte, root string) error {
	d := xml.NewDecoder(bytes.NewReader(raw))
	depth, roots := 0, 0
	for {
		token, err := d.Token()
		if err == io.EOF {
			if roots != 1 {
				return errors.New("no root element")
			}
			return nil
		}
		if err != nil {
			return err
		}
		switch t := token.(type) {
		case xml.StartElement:
			if depth++; depth > maxDepth {
				return errors.New("too deep")
			}
			if depth == 1 {
				if roots++; roots > 1 || t.Name.Local != root || t.Name.Space != "" && t.Name.Space != namespace {
					return errors.New("wrong root element")
				}
			}
		case xml.EndElement:
			depth--
		case xml.Directive:
			return errors.New("a document type")
		case xml.ProcInst:
			if t.Target != "xml" {
				return errors.New("a processing instruction")
			}
		case xml.CharData:
			if depth == 0 && len(bytes.TrimSpace(t)) > 0 {
				return errors.New("text outside the root element")
			}
		}
	}
}

// unknown collects the elements that a document has beyond those that are understood.
type unknown struct {
	XMLName xml.Name
}

// refuseUnknown refuses a document with elements that would be ignored.
func refuseUnknown(elements []unknown) error {
	if len(elements) == 0 {
		return nil
	}
	return refuse(NotImplemented, "Not offered by this installation: the element %s.", clean(elements[0].XMLName.Local))
}

// text is an element's text, which may be a key with characters that XML 1.0 has no form for; S3 writes them as references all the same.
type text struct {
	Escaped string `xml:",innerxml"`
}

func plain(s string) text { return text{escape(s)} }

// escape writes s as character data.
func escape(s string) string {
	var b strings.Builder
	for i, r := range s {
		switch {
		case r == utf8.RuneError && !strings.HasPrefix(s[i:], "\ufffd"):
			b.WriteString("\ufffd")
		case r == '&':
			b.WriteString("&amp;")
		case r == '<':
			b.WriteString("&lt;")
		case r == '>':
			b.WriteString("&gt;")
		case r == '"':
			b.WriteString("&quot;")
		case r < 0x20 || r == 0x7f || r == 0xfffe || r == 0xffff:
			fmt.Fprintf(&b, "&#x%X;", r)
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// encodeURL writes s in the form of encoding-type=url: unreserved characters and slashes stay.
func encodeURL(s string) string {
	const hex = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(s) {
		c := s[i]
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("-._~/", c) >= 0 {
			b.WriteByte(c)
			continue
		}
		b.WriteByte('%')
		b.WriteByte(hex[c>>4])
		b.WriteByte(hex[c&15])
	}
	return b.String()
}

// writeDocument answers with an XML document.
func writeDocument(w http.ResponseWriter, document any) error {
	out, err := xml.Marshal(document)
	if err != nil {
		return fmt.Errorf("encode answer: %w", err)
	}
	w.Header().Set("Content-Type", "application/xml")
	w.Header().Set("Content-Length", strconv.Itoa(len(xml.Header)+len(out)))
	w.WriteHeader(http.StatusOK)
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return fmt.Errorf("write answer: %w", err)
	}
	if _, err := w.Write(out); err != nil {
		return fmt.Errorf("write answer: %w", err)
	}
	return nil
}

// stamp is a time in a document.
func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

func quote(etag string) string { return `"` + etag + `"` }

func unquote(etag string) string {
	return strings.Trim(strings.TrimSpace(etag), `"`)
}

// bodyError says that a body could not be read, unless the error says more itself.
func bodyError(err error) error {
	if e := explain(err); e.Code != InternalError {
		return e
	}
	return refuse(IncompleteBody, "The request body terminated unexpectedly.")
}
