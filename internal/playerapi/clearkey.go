package playerapi

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"

	"darkroom/internal/cenc"
	"darkroom/internal/gateway"
	"darkroom/internal/keyserver"
)

// maxLicence bounds a licence request, in bytes.
const maxLicence = 16 << 10

// temporary is the one kind of session that there are licences for.
const temporary = "temporary"

// licenceRequest is what a Clear Key session asks for (Encrypted Media Extensions, section 9.1.3).
type licenceRequest struct {
	KIDs []string `json:"kids"`
	Type string   `json:"type"`
}

// licenceAnswer is a set of keys (section 9.1.4; RFC 7517 section 5).
type licenceAnswer struct {
	Keys []webKey `json:"keys"`
	Type string   `json:"type"`
}

type webKey struct {
	Type string `json:"kty"`
	ID   string `json:"kid"`
	Key  string `json:"k"`
}

// parseLicence reads a licence request.
func parseLicence(body []byte) ([]cenc.UUID, error) {
	bad := func(format string, args ...any) error {
		return &refusal{http.StatusBadRequest, "The licence request cannot be carried out: " + fmt.Sprintf(format, args...)}
	}
	if len(body) > maxLicence {
		return nil, bad("it has more than %d bytes.", maxLicence)
	}
	var in licenceRequest
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(&in); err != nil {
		return nil, bad("it is no JSON object with kids and type.")
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, bad("there is more behind the JSON object.")
	}
	switch {
	case in.Type != temporary:
		return nil, bad("its type is not %s.", temporary)
	case len(in.KIDs) == 0 || len(in.KIDs) > keyserver.MaxTokenKeys:
		return nil, bad("it is not for 1 to %d keys.", keyserver.MaxTokenKeys)
	}
	var out []cenc.UUID
	for _, text := range in.KIDs {
		raw, err := base64.RawURLEncoding.Strict().DecodeString(text)
		if err != nil || len(raw) != len(cenc.UUID{}) || base64.RawURLEncoding.EncodeToString(raw) != text {
			return nil, bad("a kid is not the base64url of 16 bytes.")
		}
		if id := cenc.UUID(raw); !slices.Contains(out, id) {
			out = append(out, id)
		}
	}
	return out, nil
}

// licence answers a licence request of W3C Clear Key: all of the keys, or none.
func (s *Service) licence(r *http.Request, g keyserver.Grant) (*gateway.Operation, error) {
	body, err := io.ReadAll(io.LimitReader(r.Body, maxLicence+1))
	if err != nil {
		return nil, err
	}
	ids, err := parseLicence(body)
	if err != nil {
		return nil, err
	}
	var given []keyserver.Given
	var contents []string
	for _, id := range ids {
		one, ok := g.Allow(keyserver.Ask{Key: id})
		if !ok {
			return nil, errNotHere
		}
		if given = append(given, one); !slices.Contains(contents, one.Content) {
			contents = append(contents, one.Content)
		}
	}
	account := gateway.Caller(r.Context()).Account
	return &gateway.Operation{Name: "GetLicence", Checks: Use(s.o.Region, account, contents...), Parameters: asked(given...), Serve: func(w http.ResponseWriter, served *http.Request) error {
		answer := licenceAnswer{Type: temporary}
		for _, one := range given {
			k, err := s.o.Keys.Key(served.Context(), account, one.Content, one.Key)
			if err != nil {
				return err
			}
			answer.Keys = append(answer.Keys, webKey{"oct", base64.RawURLEncoding.EncodeToString(one.Key[:]), base64.RawURLEncoding.EncodeToString(k.Value.Reveal())})
			k.Value.Wipe()
		}
		text, err := json.Marshal(answer)
		if err != nil {
			return err
		}
		defer clear(text)
		return write(w, http.StatusOK, "application/json", text)
	}}, nil
}
