package dash

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
)

// maxInner is the most that a key server may say of a key in an MPD, in bytes.
const maxInner = 64 << 10

// wellFormed says what keeps text from standing inside an element: it must be elements that end, whose prefixes are declared here or in the
// MPD, and nothing that a reader would act on outside of it: no document type, no processing instruction.
func wellFormed(text []byte) error {
	if len(text) > maxInner {
		return fmt.Errorf("it is longer than %d bytes", maxInner)
	}
	d := xml.NewDecoder(io.MultiReader(
		bytes.NewReader([]byte(`<x xmlns="`+namespace+`" xmlns:cenc="`+namespaceCENC+`" xmlns:mspr="`+namespaceMSPR+`">`)),
		bytes.NewReader(text), bytes.NewReader([]byte("</x>"))))
	depth, roots := 0, 0
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			if roots != 1 || depth != 0 {
				return errors.New("it ends an element that it did not begin")
			}
			return nil
		}
		if err != nil {
			return fmt.Errorf("it is not well-formed: %w", err)
		}
		switch e := token.(type) {
		case xml.StartElement:
			if depth == 0 {
				roots++
			}
			depth++
			if err := declared(e); err != nil {
				return err
			}
		case xml.EndElement:
			depth--
		case xml.Directive:
			return errors.New("it holds a document type")
		case xml.ProcInst:
			return errors.New("it holds a processing instruction")
		}
	}
}

// declared refuses prefixes without a namespace: encoding/xml leaves the prefix in the place of the namespace, which has a colon or a slash
// otherwise.
func declared(e xml.StartElement) error {
	names := []xml.Name{e.Name}
	for _, a := range e.Attr {
		if a.Name.Space != "" && a.Name.Space != "xmlns" && a.Name.Space != "xml" {
			names = append(names, a.Name)
		}
	}
	for _, n := range names {
		if !bytes.ContainsAny([]byte(n.Space), ":/") {
			return fmt.Errorf("the prefix %q is not declared", n.Space)
		}
	}
	return nil
}
