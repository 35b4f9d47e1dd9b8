package cpix

import (
	"encoding/base64"
	"fmt"
	"io"

	"darkroom/internal/cenc"
)

// Answer is what a key server gives: a request with its keys.
type Answer struct {
	Request *Request
	// Keys are those of the request, in any order, each with the signals of its systems. Of a signal is given what was asked for and is there; an IV stands in the
	// document when the key has one or the request gave one.
	Keys []cenc.Protection
}

// Encode writes the document. random makes the keys that content keys are encrypted by when the request has a certificate.
func (a *Answer) Encode(random io.Reader) ([]byte, error) {
	r := a.Request
	var s *sealer
	if r.Certificate != nil {
		var err error
		if s, err = newSealer(r.Certificate, random); err != nil {
			return nil, err
		}
		defer s.wipe()
	}
	var w writer
	w.root(r)
	if s != nil {
		r.delivery(&w, s.keys)
	}
	w.open("cpix:ContentKeyList")
	for _, k := range r.Keys {
		p := a.key(k.ID)
		if p == nil || p.Value.Len() != cenc.KeySize {
			return nil, fmt.Errorf("there is no key for KID %s", k.ID)
		}
		if p.IV != nil {
			k.IV = p.IV
		}
		w.open("cpix:ContentKey", r.keyAttributes(k)...)
		w.open("cpix:Data")
		w.open("pskc:Secret")
		if s == nil {
			w.text("pskc:PlainValue", base64.StdEncoding.EncodeToString(p.Value.Reveal()))
		} else {
			sealed, err := s.seal(p.Value.Reveal())
			if err != nil {
				return nil, err
			}
			s.write(&w, algorithmAES, sealed)
		}
		w.close()
		w.close()
		w.close()
	}
	w.close()
	w.open("cpix:DRMSystemList")
	for _, asked := range r.Systems {
		signal := &cenc.Signal{}
		if p := a.key(asked.KeyID); p != nil {
			for i := range p.Signals {
				if p.Signals[i].System == asked.ID {
					signal = &p.Signals[i]
				}
			}
		}
		r.system(&w, asked, signal)
	}
	w.close()
	r.rules(&w)
	w.close()
	return w.bytes(), nil
}

func (a *Answer) key(id cenc.UUID) *cenc.Protection {
	for i := range a.Keys {
		if a.Keys[i].ID == id {
			return &a.Keys[i]
		}
	}
	return nil
}
