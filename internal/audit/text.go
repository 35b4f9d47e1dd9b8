package audit

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Bounds of a record, in bytes. CloudTrail's are 256 KiB for the whole, 100 KB for each of requestParameters, responseElements and serviceEventDetails, and 28 KB for additionalEventData.
const (
	MaxRecord     = 256 << 10
	MaxMember     = 100_000
	MaxAdditional = 28_000
	MaxResources  = 16_000
)

const hexDigits = "0123456789abcdef"

// AppendText appends a text as a JSON string that is safe to look at: what is not printed, such as line ends, escapes of terminals and marks that turn the direction of
// writing, stands there as \u followed by four digits. The value is the same. What is not UTF-8 becomes U+FFFD.
func AppendText(out []byte, s string) []byte {
	out = append(out, '"')
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c < utf8.RuneSelf {
			if c >= 0x20 && c != '"' && c != '\\' && c != 0x7f {
				i++
				continue
			}
			out = append(out, s[start:i]...)
			switch c {
			case '"', '\\':
				out = append(out, '\\', c)
			default:
				out = append(out, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
			}
			i++
			start = i
			continue
		}
		r, size := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && size == 1 || !unicode.IsPrint(r) {
			out = append(out, s[start:i]...)
			out = appendEscaped(out, r)
			start = i + size
		}
		i += size
	}
	return append(append(out, s[start:]...), '"')
}

func appendEscaped(out []byte, r rune) []byte {
	unit := func(u uint16) {
		out = append(out, '\\', 'u', hexDigits[u>>12], hexDigits[u>>8&15], hexDigits[u>>4&15], hexDigits[u&15])
	}
	if r > 0xffff {
		r -= 0x10000
		unit(uint16(0xd800 + r>>10))
		unit(uint16(0xdc00 + r&0x3ff))
		return out
	}
	unit(uint16(r))
	return out
}

// printable escapes, in a text that is JSON, what is not printed: beyond ASCII such characters stand in strings alone.
func printable(text []byte) []byte {
	plain := true
	for i := 0; plain && i < len(text); i++ {
		plain = text[i] < utf8.RuneSelf && text[i] != 0x7f
	}
	if plain {
		return text
	}
	out := make([]byte, 0, len(text)+64)
	for i := 0; i < len(text); {
		r, size := utf8.DecodeRune(text[i:])
		if r == 0x7f || r >= utf8.RuneSelf && (!unicode.IsPrint(r) || r == utf8.RuneError && size == 1) {
			out = appendEscaped(out, r)
		} else {
			out = append(out, text[i:i+size]...)
		}
		i += size
	}
	return out
}

// Log returns a writer for lines of JSON that passes them on safe to look at, as AppendText writes texts. Each Write is one line.
func Log(w io.Writer) io.Writer { return logWriter{w} }

type logWriter struct{ w io.Writer }

func (l logWriter) Write(line []byte) (int, error) {
	if _, err := l.w.Write(printable(line)); err != nil {
		return 0, err
	}
	return len(line), nil
}

// omission stands where something was too large.
type omission struct {
	Omitted      bool   `json:"omitted"`
	OriginalSize int    `json:"originalSize"` // bytes of JSON
	SHA256       string `json:"sha256"`       // of these bytes, in hex
	Reason       string `json:"reason"`
}

func omit(text []byte, limit int) json.RawMessage {
	sum := sha256.Sum256(text)
	out, err := json.Marshal(omission{true, len(text), hex.EncodeToString(sum[:]), "larger than the " + strconv.Itoa(limit) + " bytes that a record has for it"})
	if err != nil { // never: texts and a number
		return json.RawMessage(`{"omitted":true}`)
	}
	return out
}

// Cut returns an object of at most limit bytes: as it is, or with its largest members replaced by their size and SHA-256 until it fits, the largest first, or replaced as a
// whole where that does not help. The hash is of the text without secrets.
func Cut(object json.RawMessage, limit int) json.RawMessage {
	if len(object) <= limit {
		return object
	}
	var members map[string]json.RawMessage
	if json.Unmarshal(object, &members) != nil {
		return omit(object, limit)
	}
	names := make([]string, 0, len(members))
	for name := range members {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b string) int {
		if d := len(members[b]) - len(members[a]); d != 0 {
			return d
		}
		return strings.Compare(a, b)
	})
	size := len(object)
	for _, name := range names {
		if size <= limit {
			break
		}
		note := omit(members[name], limit)
		if len(note) >= len(members[name]) {
			break
		}
		size -= len(members[name]) - len(note)
		members[name] = note
	}
	if size > limit {
		return omit(object, limit)
	}
	slices.Sort(names)
	out := make([]byte, 0, size+2)
	for _, name := range names {
		out = append(out, ',')
		out = append(append(AppendText(out, name), ':'), members[name]...)
	}
	out[0] = '{' // an object that is too large has a member
	return append(out, '}')
}

// Encode writes a record as it is kept and delivered: JSON, safe to look at, of at most MaxRecord bytes. Each member is cut to its bound; what is too large then is cut as a whole: additionalEventData first, then the response, then the
// parameters; texts and resources have bounds of their own.
func (r *Record) Encode() ([]byte, error) {
	kept := *r
	for _, text := range []*string{
		&kept.EventName, &kept.EventSource, &kept.UserAgent, &kept.ErrorCode, &kept.ErrorMessage, &kept.SourceIPAddress, &kept.RequestID, &kept.UserIdentity.ARN, &kept.UserIdentity.UserName,
		&kept.UserIdentity.PrincipalID, &kept.UserIdentity.IdentityProvider,
	} {
		*text = short(*text)
	}
	kept.Resources = fitting(kept.Resources)
	kept.AdditionalEventData = cutAdditional(kept.AdditionalEventData)
	kept.RequestParameters, kept.ResponseElements = Cut(kept.RequestParameters, MaxMember), Cut(kept.ResponseElements, MaxMember)
	text, err := kept.append(make([]byte, 0, 1024+len(kept.RequestParameters)+len(kept.ResponseElements)))
	if err != nil {
		return nil, err
	}
	text = printable(text)
	for _, cut := range []func(){
		func() {
			if kept.AdditionalEventData != nil {
				kept.AdditionalEventData = membersOf(omit(objectOf(kept.AdditionalEventData), MaxRecord))
			}
		},
		func() { kept.ResponseElements = whole(kept.ResponseElements) },
		func() { kept.RequestParameters = whole(kept.RequestParameters) },
	} {
		if len(text) <= MaxRecord {
			break
		}
		cut()
		if text, err = kept.append(nil); err != nil {
			return nil, err
		}
		text = printable(text)
	}
	return text, nil
}

// cutAdditional cuts additional data to its bound: each member by its own members, then the largest members, then the whole.
func cutAdditional(data map[string]json.RawMessage) map[string]json.RawMessage {
	if len(objectOf(data)) <= MaxAdditional {
		return data
	}
	cut := maps.Clone(data)
	for name, value := range cut {
		cut[name] = Cut(value, MaxAdditional)
	}
	return membersOf(Cut(objectOf(cut), MaxAdditional))
}

func objectOf(members map[string]json.RawMessage) json.RawMessage {
	o := &object{out: []byte{'{'}, first: true}
	for _, name := range slices.Sorted(maps.Keys(members)) {
		o.raw(name, members[name])
	}
	return append(o.out, '}')
}

func membersOf(object json.RawMessage) (members map[string]json.RawMessage) {
	_ = json.Unmarshal(object, &members) // it is one of ours
	return members
}

// maxText bounds each text that is a member of a record itself, in bytes: as much as the longest ARN has.
const maxText = 2048

func short(text string) string {
	if len(text) <= maxText {
		return text
	}
	return strings.ToValidUTF8(text[:maxText], "") + "…"
}

// fitting are the first resources that have room in a record. By all of them the record is found.
func fitting(all []Resource) []Resource {
	room := MaxResources
	for i, r := range all {
		if room -= len(AppendText(nil, r.ARN)) + len(r.Type) + len(r.AccountID) + 50; room < 0 {
			return all[:i]
		}
	}
	return all
}

// whole replaces an object as a whole; none stays none.
func whole(object json.RawMessage) json.RawMessage {
	if len(object) == 0 {
		return nil
	}
	return omit(object, MaxRecord)
}
