package awsquery

import (
	"strconv"
	"strings"
)

// Kind is what is wrong with a parameter.
type Kind int

// The kinds of fault. The first three are about the names of parameters, the others about values.
const (
	// UnknownParameter: the operation has no parameter of that name.
	UnknownParameter Kind = iota + 1
	// Repeated: the parameter is given more than once, or a list both as a whole and by its items.
	Repeated
	// Misnumbered: the items of a list are not numbered 1, 2, 3 and so on.
	Misnumbered
	// WrongType: the value has another type.
	WrongType
	// NotInEnum: the value is none of an enumeration.
	NotInEnum
	// Missing: a member that is required is absent.
	Missing
	// BelowMinimum and AboveMaximum: a number is outside its range.
	BelowMinimum
	AboveMaximum
	// TooShort and TooLong: a string has too few or too many characters, or a list too few or too many items.
	TooShort
	TooLong
	// PatternMismatch: a string is not of the form that the model asks for.
	PatternMismatch
	// WrongItem: an item of a list of strings is not as all of them must be.
	WrongItem
)

// Bounds of what is said about one request.
const (
	// MaxFaults is how many faults of a request are kept.
	MaxFaults = 100
	// maxNamed is how many parameters a message names.
	maxNamed = 40
	// maxGot is how many bytes of a value or name a message repeats.
	maxGot = 512
)

// Fault is one thing that is wrong with a request.
type Fault struct {
	Kind Kind
	// Path is where it is. Faults of value name the member as the services do: its name on the wire with the first letter in lower case, and
	// tags.1.member.key for what is inside a list. Faults of name have the name of the parameter as it was written.
	Path string
	// Got is the value, cut; empty where there is none or it is not to be repeated, which Hidden tells from an empty value.
	Got    string
	Hidden bool
	// Want is what is asked for: a type, bound, pattern or number.
	Want string
	// Allowed are the words or parameters that are allowed, where there is such a list.
	Allowed []string
}

// String says the fault as the services do.
func (f Fault) String() string {
	value := "Value '" + f.Got + "'"
	switch {
	case f.Kind == Missing:
		value = "Value null"
	case f.Hidden:
		value = "Value"
	}
	return value + " at '" + f.Path + "' failed to satisfy constraint: " + f.constraint()
}

// constraint says what is asked for.
func (f Fault) constraint() string {
	switch f.Kind {
	case UnknownParameter:
		if len(f.Allowed) == 0 {
			return "Member must be a parameter of the operation"
		}
		return "Member must be a parameter of the operation: [" + list(f.Allowed) + "]"
	case Repeated:
		return "Member must be given only once"
	case Misnumbered:
		return "Member must be numbered from 1 without a gap: expected " + f.Want
	case WrongType:
		return "Member must be " + f.Want
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
	case PatternMismatch:
		return "Member must satisfy regular expression pattern: " + f.Want
	}
	return "Member must satisfy constraint: [" + f.Want + "]"
}

// Message joins faults into the message of a ValidationError.
func Message(faults []Fault) string {
	var b strings.Builder
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

func list(words []string) string {
	if more := len(words) - maxNamed; more > 0 {
		return strings.Join(words[:maxNamed], ", ") + ", and " + strconv.Itoa(more) + " more"
	}
	return strings.Join(words, ", ")
}

// cut keeps what comes from outside short.
func cut(s string) string {
	if len(s) <= maxGot {
		return s
	}
	return strings.ToValidUTF8(s[:maxGot], "") + "…"
}
