package awsjson

import (
	"strconv"
	"strings"
)

// Kind is what is wrong with a member.
type Kind int

// The kinds of fault.
const (
	// Malformed: the body is not JSON, or passes a limit that holds for every body. It is the last fault: nothing is read after it.
	Malformed Kind = iota + 1
	// UnknownMember: the model has no member of that name.
	UnknownMember
	// Repeated: the member, or the entry of a map, is given twice.
	Repeated
	// WrongType: the value has another type.
	WrongType
	// NotInEnum: the word is none of an enumeration.
	NotInEnum
	// Missing: a member that is required is absent.
	Missing
	// BelowMinimum and AboveMaximum: a number is outside its range.
	BelowMinimum
	AboveMaximum
	// TooShort and TooLong: a string has too few or too many characters, a blob bytes, a list or map items.
	TooShort
	TooLong
	// PatternMismatch: a string is not of the form that the model asks for.
	PatternMismatch
	// BadQuery: the query of a request cannot be parsed; Want says it whole.
	BadQuery
)

// class is 0 for a body that cannot be read, 1 for faults of shape, 2 for faults of value.
func (k Kind) class() int {
	switch k {
	case Malformed:
		return 0
	case UnknownMember, Repeated, WrongType, NotInEnum:
		return 1
	}
	return 2
}

// Bounds of what is said about one request.
const (
	// MaxFaults is how many faults of a body are kept.
	MaxFaults = 100
	// maxNamed is how many allowed members a message names.
	maxNamed = 40
	// maxGot is how many bytes of a wrong number or word a fault repeats, maxValue of a text.
	maxGot   = 64
	maxValue = 512
)

// Fault is one thing that is wrong with a request.
type Fault struct {
	Kind Kind
	// Path is a JSON pointer (RFC 6901) from the root of the request, in the spelling of the wire; empty for the whole.
	Path string
	// Offset is the byte of the body where the value begins: for Missing that of the structure, for UnknownMember and Repeated that of the
	// name. It is -1 for a member that is not in the body.
	Offset int
	// Name is the name of the member that is missing or unknown.
	Name string
	// Got is the value where it is no secret whatever it is: words of enumerations, in quotes, and numbers; for TooShort and TooLong the length.
	Got string
	// Value is the value itself, cut; Shown says that there is one and that it may be repeated. Only texts whose model does not call them a secret,
	// words and numbers have one.
	Value string
	Shown bool
	// Want is what is allowed: a type, bound or pattern. For Malformed it is the whole text.
	Want string
	// Allowed are the words or members that are allowed, where there is such a list.
	Allowed []string
}

// Readable says whether the request could be read, so that its faults are of values: the services call others SerializationException, and these
// ValidationException.
func Readable(faults []Fault) bool {
	for _, f := range faults {
		if f.Kind.class() < 2 && f.Kind != NotInEnum {
			return false
		}
	}
	return true
}

// Message joins faults into the message of a SerializationException, if the request is not Readable, or of a ValidationException.
func Message(faults []Fault) string {
	var b strings.Builder
	if !Readable(faults) {
		for i, f := range faults {
			if i > 0 {
				b.WriteString("; ")
			}
			b.WriteString(f.String())
		}
		return b.String()
	}
	b.WriteString(strconv.Itoa(len(faults)))
	b.WriteString(" validation error")
	if len(faults) != 1 {
		b.WriteByte('s')
	}
	b.WriteString(" detected: ")
	for i, f := range faults {
		if i > 0 {
			b.WriteString("; ")
		}
		b.WriteString(f.String())
	}
	return b.String()
}

// String says the fault as the services of the AWS JSON 1.1 protocol do.
func (f Fault) String() string {
	switch f.Kind {
	case Malformed:
		return "The body is not valid JSON: " + f.Want + " (byte " + strconv.Itoa(f.Offset) + ")"
	case UnknownMember:
		s := quote(f.Name) + " is not a member" + f.of()
		if len(f.Allowed) > 0 {
			s += "; allowed: " + list(f.Allowed)
		}
		return s
	case Repeated:
		return "'" + f.member() + "' is given more than once"
	case WrongType:
		if f.Path == "" {
			return "The body must be a JSON object"
		}
		return f.Got + " can not be converted to " + article(f.Want) + " at '" + f.member() + "'"
	}
	value := "Value"
	switch {
	case f.Kind == Missing:
		value = "Value null"
	case f.Shown:
		value = "Value '" + f.Value + "'"
	}
	return value + " at '" + f.member() + "' failed to satisfy constraint: " + f.constraint()
}

func (f Fault) of() string {
	if f.Path == "" {
		return " of the request"
	}
	return " of '" + f.member() + "'"
}

func article(noun string) string {
	if strings.ContainsRune("aeiouAEIOU", rune(noun[0])) {
		return "an " + noun
	}
	return "a " + noun
}

func (f Fault) constraint() string {
	switch f.Kind {
	case NotInEnum:
		return "Member must satisfy enum value set: [" + strings.Join(f.Allowed, ", ") + "]"
	case Missing:
		return "Member must not be null"
	case BelowMinimum:
		return "Member must have value greater than or equal to " + f.Want
	case AboveMaximum:
		return "Member must have value less than or equal to " + f.Want
	case TooShort:
		return "Member must have length greater than or equal to " + f.Want
	case TooLong:
		return "Member must have length less than or equal to " + f.Want
	}
	return "Member must satisfy regular expression pattern: " + f.Want
}

// member names the member of a fault as the services do: tags.1.member.key, with names that begin in lower case and items that count from 1.
func (f Fault) member() string {
	path := f.Path
	if f.Kind == Missing {
		path += "/" + Token(f.Name)
	}
	var b strings.Builder
	for i, t := range strings.Split(path, "/") {
		if i == 0 {
			continue
		}
		if b.Len() > 0 {
			b.WriteByte('.')
		}
		if n, err := strconv.ParseUint(t, 10, 31); err == nil {
			b.WriteString(strconv.FormatUint(n+1, 10) + ".member")
			continue
		}
		name := untoken.Replace(t)
		if name != "" {
			name = strings.ToLower(name[:1]) + name[1:]
		}
		b.WriteString(cut(name, maxGot))
	}
	return b.String()
}

func list(words []string) string {
	if more := len(words) - maxNamed; more > 0 {
		return strings.Join(words[:maxNamed], ", ") + ", and " + strconv.Itoa(more) + " more"
	}
	return strings.Join(words, ", ")
}

// quote shows what came from outside: in quotes, escaped, and cut.
func quote(s string) string {
	if len(s) > maxGot {
		return strconv.QuoteToASCII(s[:maxGot]) + "…"
	}
	return strconv.Quote(s)
}

// cut keeps what came from outside short.
func cut(s string, most int) string {
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}

var (
	token   = strings.NewReplacer("~", "~0", "/", "~1")
	untoken = strings.NewReplacer("~1", "/", "~0", "~")
)

// Token escapes a name for a JSON pointer (RFC 6901 section 3).
func Token(name string) string {
	if !strings.ContainsAny(name, "~/") {
		return name
	}
	return token.Replace(name)
}
