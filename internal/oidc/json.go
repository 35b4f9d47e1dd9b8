package oidc

import (
	"bytes"
	"encoding/json"
	"errors"
	"unicode/utf8"
)

// maxDepth is how deeply values may nest: claims of providers nest two or three levels.
const maxDepth = 16

var errNotJSON = errors.New("it is not JSON")

// object reads a JSON object strictly: in UTF-8, every name once at every level (RFC 7515 section 4, RFC 7519 section 4), nothing after it. Names
// are compared exactly, which structs of encoding/json do not do.
func object(text []byte) (map[string]json.RawMessage, error) {
	if !utf8.Valid(text) || !json.Valid(text) {
		return nil, errNotJSON
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	if err := walk(d, 0); err != nil {
		return nil, err
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(text, &members); err != nil || members == nil { // null is no error
		return nil, errors.New("it is not a JSON object")
	}
	return members, nil
}

// walk passes one value and refuses names that come twice.
func walk(d *json.Decoder, depth int) error {
	t, err := d.Token()
	if err != nil {
		return errNotJSON // the decoder's error quotes
	}
	open, ok := t.(json.Delim)
	if !ok {
		return nil
	}
	if depth == maxDepth {
		return errors.New("it nests too deeply")
	}
	seen := map[string]bool{}
	for d.More() {
		if open == '{' {
			name, err := d.Token()
			if err != nil {
				return errNotJSON
			}
			if seen[name.(string)] {
				return errors.New("it has a member twice")
			}
			seen[name.(string)] = true
		}
		if err := walk(d, depth+1); err != nil {
			return err
		}
	}
	if _, err := d.Token(); err != nil { // the closing bracket
		return errNotJSON
	}
	return nil
}

// text reads a JSON string of 1 to most bytes.
func text(raw json.RawMessage, most int) (string, bool) {
	var s string
	if len(raw) == 0 || raw[0] != '"' || json.Unmarshal(raw, &s) != nil || s == "" || len(s) > most {
		return "", false
	}
	return s, true
}

// texts reads a JSON list of at most MaxList strings of 1 to most bytes.
func texts(raw json.RawMessage, most int) ([]string, bool) {
	var list []json.RawMessage
	if len(raw) == 0 || raw[0] != '[' || json.Unmarshal(raw, &list) != nil || len(list) > MaxList {
		return nil, false
	}
	out := make([]string, len(list))
	for i, r := range list {
		var ok bool
		if out[i], ok = text(r, most); !ok {
			return nil, false
		}
	}
	return out, true
}
