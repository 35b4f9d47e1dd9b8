package m3u8

import (
	"math"
	"strings"
)

// attributes are those of one tag, RFC 8216 4.2: quoted strings without their quotes, and the values of all other types.
type attributes struct {
	quoted, bare map[string]string
}

// integer is the value of an attribute that is a decimal-integer.
func (a attributes) integer(name string) (int64, bool) { return decimal(a.bare[name], math.MaxInt64) }

// attributes reads an attribute list. A value is quoted or not as its type says; one of the wrong kind is where nobody looks for it.
func (p *parser) attributes(tag, list string) (attributes, error) {
	a := attributes{map[string]string{}, map[string]string{}}
	for n := 0; ; n++ {
		if n >= maxAttributes {
			return a, p.fail("%s has more than %d attributes", tag, maxAttributes)
		}
		list = strings.TrimLeft(list, " ") // some writers put a space behind the comma
		name, rest, ok := strings.Cut(list, "=")
		if !ok || name == "" || strings.Trim(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-") != "" {
			return a, p.fail("%s has an attribute list that is malformed", tag)
		}
		_, twice := a.quoted[name]
		if _, bare := a.bare[name]; twice || bare {
			return a, p.fail("%s has an attribute twice", tag)
		}
		if strings.HasPrefix(rest, `"`) {
			value, behind, closed := strings.Cut(rest[1:], `"`)
			if !closed {
				return a, p.fail("%s has a quoted string that does not end", tag)
			}
			a.quoted[name], rest = value, behind
		} else {
			end := strings.IndexByte(rest, ',')
			if end < 0 {
				end = len(rest)
			}
			if end == 0 || strings.ContainsAny(rest[:end], `" `) {
				return a, p.fail("%s has an attribute list that is malformed", tag)
			}
			a.bare[name], rest = rest[:end], rest[end:]
		}
		if rest = strings.TrimLeft(rest, " "); rest == "" {
			return a, nil
		}
		if rest[0] != ',' {
			return a, p.fail("%s has an attribute list that is malformed", tag)
		}
		if list = rest[1:]; list == "" {
			return a, nil // a comma at the end does no harm
		}
	}
}
