package mediaconvert

import (
	"slices"
	"strconv"
	"strings"

	"darkroom/internal/awsjson"
)

// Kind is what is wrong with a member.
type Kind = awsjson.Kind

// The kinds of fault.
const (
	// Malformed: the body is not JSON, or passes a limit that holds for every body. It is the last fault: nothing is read after it.
	Malformed = awsjson.Malformed
	// UnknownMember: the model has no member of that name.
	UnknownMember = awsjson.UnknownMember
	// Repeated: the member, or the entry of a map, is given twice.
	Repeated = awsjson.Repeated
	// WrongType: the value has another type, or is none of an enumeration.
	WrongType = awsjson.WrongType
	// Missing: a member that is required is absent.
	Missing = awsjson.Missing
	// BelowMinimum and AboveMaximum: a number is outside its range.
	BelowMinimum = awsjson.BelowMinimum
	AboveMaximum = awsjson.AboveMaximum
	// TooShort and TooLong: a string has too few or too many characters.
	TooShort = awsjson.TooShort
	TooLong  = awsjson.TooLong
	// PatternMismatch: a string is not of the form that the model asks for.
	PatternMismatch = awsjson.PatternMismatch
	// Rule: the value breaks a rule that the model does not have; Want says it whole.
	Rule = awsjson.BadQuery + 1
)

// Bounds of what is said about one request.
const (
	// MaxFaults is how many faults of a body are kept, and how many a message tells.
	MaxFaults = awsjson.MaxFaults
	// maxNamed is how many allowed values or members a message names.
	maxNamed = 40
	// maxGot is how many bytes of a wrong value a message repeats.
	maxGot = 64
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
	// Got is what the value was, where it can be repeated: strings can hold keys, so only words of enumerations and numbers are.
	Got string
	// Want is what is allowed: a type, bound or pattern. For Malformed and Rule it is the whole text.
	Want string
	// Allowed are the words or members that are allowed, where there is such a list.
	Allowed []string
}

// told makes faults of those of the codec: words that are none of an enumeration are told like other types.
func told(faults []awsjson.Fault) []Fault {
	if faults == nil {
		return nil
	}
	out := make([]Fault, len(faults))
	for i, f := range faults {
		switch f.Kind {
		case awsjson.NotInEnum:
			f.Kind = WrongType
		case awsjson.BadQuery:
			f.Kind = Rule
		}
		out[i] = Fault{Kind: f.Kind, Path: f.Path, Offset: f.Offset, Name: f.Name, Got: f.Got, Want: f.Want, Allowed: f.Allowed}
	}
	return out
}

const (
	apiReference = "For more information, see the MediaConvert API reference: https://docs.aws.amazon.com/mediaconvert/latest/apireference/resources.html"
	settingsRoot = "/settings"
)

// String says the fault as the service does: with the pointer from the settings where it is inside them, from the request elsewhere.
func (f Fault) String() string {
	return f.text() + f.was()
}

func (f Fault) was() string {
	if f.Got == "" {
		return ""
	}
	return " (was " + f.Got + ")"
}

func (f Fault) text() string {
	at := strings.TrimPrefix(f.Path, settingsRoot)
	switch f.Kind {
	case Malformed:
		return "Could not parse request body into json: " + f.Want + " (byte " + strconv.Itoa(f.Offset) + ")"
	case UnknownMember:
		s := at + ": unknown member " + quote(f.Name)
		if len(f.Allowed) > 0 {
			s += "; allowed: " + list(f.Allowed, "")
		}
		return s
	case Repeated:
		return at + ": is given more than once"
	case WrongType:
		if f.Path == "" {
			return "The request body must be a JSON object"
		}
		path, values := dotted(f.Path), ""
		if len(f.Allowed) > 0 {
			values = " (Valid values: " + list(f.Allowed, "'") + ")"
		}
		return "You specified an invalid type for '" + path + "'. Replace the value with a " + f.Want + values + ", or remove '" + path +
			"' (if optional), then resubmit your request. " + apiReference
	case Missing:
		if f.Path == "" {
			return "The '" + f.Name + "' field is required."
		}
		return at + ": " + f.Name + " is a required property"
	case BelowMinimum:
		return at + ": Should be greater than or equal to " + f.Want
	case AboveMaximum:
		return at + ": Should be less than or equal to " + f.Want
	case TooShort:
		return at + ": Should have at least " + f.Want + " characters"
	case TooLong:
		return at + ": Should have at most " + f.Want + " characters"
	case PatternMismatch:
		return at + ": Should match the pattern: /" + f.Want + "/"
	}
	return at + ": " + f.Want
}

// Message joins faults into the message of a BadRequestException: at most MaxFaults of them, and how many more there are.
func Message(faults []Fault) string {
	shown := faults[:min(len(faults), MaxFaults)]
	parts := make([]string, len(shown), len(shown)+1)
	for i, f := range shown {
		parts[i] = f.String()
	}
	if more := len(faults) - len(shown); more > 0 {
		parts = append(parts, "and "+strconv.Itoa(more)+" more")
	}
	return strings.Join(parts, " | ")
}

// Independent returns those of rules, faults of what crosses members, that stand on their own beside the faults of shape of the same request. What
// is said of the same member, or follows from one that could not be read, is left out: mending the one may mend the other.
func Independent(shape, rules []Fault) []Fault {
	var out []Fault
	for _, r := range rules {
		if !slices.ContainsFunc(shape, func(f Fault) bool { return follows(r.Path, f) }) {
			out = append(out, r)
		}
	}
	return out
}

// follows reports whether what a rule says at path may be for the fault f alone. A value that could not be read is missing from its structure: of
// that structure, of the members in it and of what is around it, nothing is known; but the members of the request stand each for itself.
func follows(path string, f Fault) bool {
	if path == f.Path {
		return true
	}
	lacks := f.Path
	switch f.Kind {
	case Malformed:
		return true
	case UnknownMember:
	case WrongType:
		lacks = parent(lacks)
	default: // the value is there
		return false
	}
	return path == lacks || parent(path) == lacks && lacks != "" || strings.HasPrefix(lacks, path+"/")
}

func parent(pointer string) string { return pointer[:max(0, strings.LastIndexByte(pointer, '/'))] }

func list(words []string, mark string) string {
	var b strings.Builder
	for i, w := range words {
		if i == maxNamed {
			b.WriteString(", and " + strconv.Itoa(len(words)-i) + " more")
			break
		}
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(mark + w + mark)
	}
	return b.String()
}

// quote shows what came from outside: in quotes, escaped, and cut.
func quote(s string) string {
	if len(s) > maxGot {
		return strconv.QuoteToASCII(s[:maxGot]) + "…"
	}
	return strconv.Quote(s)
}

// Token escapes a name for a JSON pointer (RFC 6901 section 3).
func Token(name string) string { return awsjson.Token(name) }

// dotted turns a pointer into the path that faults of type name: settings.inputs[0].fileInput.
func dotted(pointer string) string {
	var b strings.Builder
	for i, t := range strings.Split(pointer, "/") {
		if i == 0 {
			continue
		}
		if _, err := strconv.ParseUint(t, 10, 31); err == nil {
			b.WriteString("[" + t + "]")
			continue
		}
		if b.Len() > 0 {
			b.WriteByte('.')
		}
		b.WriteString(strings.NewReplacer("~1", "/", "~0", "~").Replace(t))
	}
	return b.String()
}
