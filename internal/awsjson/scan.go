package awsjson

import (
	"unicode/utf16"
	"unicode/utf8"
)

// Limits of a request body, whatever its members are. MaxValues bounds what a small body can make of memory: {} is three bytes on the
// wire and hundreds as a structure.
const (
	// MaxDepth is how deep lists and objects may be nested.
	MaxDepth = 64
	// MaxValues is how many JSON values, of every kind and depth, a body may hold.
	MaxValues = 100_000
)

// scanner reads JSON (RFC 8259) token by token. The first breach of the grammar is kept in broken, and nothing is read after it.
type scanner struct {
	data   []byte
	pos    int
	depth  int
	values int
	broken *Fault
}

// fail keeps the first breach of the grammar. It returns false for the convenience of its callers.
func (s *scanner) fail(offset int, what string) bool {
	if s.broken == nil {
		s.broken = &Fault{Kind: Malformed, Offset: offset, Want: what}
	}
	return false
}

// peek skips white space and returns the byte that follows, 0 at the end. A NUL in the data is no token either.
func (s *scanner) peek() byte {
	for s.pos < len(s.data) {
		switch c := s.data[s.pos]; c {
		case ' ', '\t', '\n', '\r':
			s.pos++
		default:
			return c
		}
	}
	return 0
}

// expect takes the byte c after white space.
func (s *scanner) expect(c byte) bool {
	if s.peek() != c || s.pos == len(s.data) {
		return s.unexpected("'" + string(rune(c)) + "' is expected")
	}
	s.pos++
	return true
}

func (s *scanner) unexpected(expected string) bool {
	if s.pos >= len(s.data) {
		return s.fail(len(s.data), "it ends too early: "+expected)
	}
	return s.fail(s.pos, expected)
}

// literal takes one of true, false, null.
func (s *scanner) literal(word string) bool {
	if len(s.data)-s.pos < len(word) || string(s.data[s.pos:s.pos+len(word)]) != word {
		return s.unexpected("a value is expected")
	}
	s.pos += len(word)
	return true
}

// number takes a number and returns its text (RFC 8259 section 6).
func (s *scanner) number() ([]byte, bool) {
	start := s.pos
	if s.at('-') {
		s.pos++
	}
	switch {
	case s.at('0'):
		s.pos++
	case !s.digits():
		return nil, s.unexpected("a digit is expected")
	}
	if s.at('.') {
		s.pos++
		if !s.digits() {
			return nil, s.unexpected("a digit is expected")
		}
	}
	if s.at('e') || s.at('E') {
		s.pos++
		if s.at('+') || s.at('-') {
			s.pos++
		}
		if !s.digits() {
			return nil, s.unexpected("a digit is expected")
		}
	}
	return s.data[start:s.pos], true
}

func (s *scanner) at(c byte) bool { return s.pos < len(s.data) && s.data[s.pos] == c }

func (s *scanner) digits() bool {
	start := s.pos
	for s.pos < len(s.data) && '0' <= s.data[s.pos] && s.data[s.pos] <= '9' {
		s.pos++
	}
	return s.pos > start
}

// text takes a string and returns what it stands for: a piece of the data itself where nothing is escaped. The pointer is at its quote.
func (s *scanner) text() ([]byte, bool) {
	s.pos++
	start, ascii := s.pos, true
	for ; s.pos < len(s.data); s.pos++ {
		switch c := s.data[s.pos]; {
		case c == '"':
			b := s.data[start:s.pos]
			if !ascii && !s.valid(start, b) {
				return nil, false
			}
			s.pos++
			return b, true
		case c == '\\':
			if !ascii && !s.valid(start, s.data[start:s.pos]) {
				return nil, false
			}
			return s.escapedText(append([]byte(nil), s.data[start:s.pos]...))
		case c < ' ':
			return nil, s.fail(s.pos, "a control character in a string must be escaped")
		case c >= utf8.RuneSelf:
			ascii = false
		}
	}
	return nil, s.fail(len(s.data), "it ends too early: a string is not closed")
}

// escapedText goes on with a string at its first backslash; b is what came before.
func (s *scanner) escapedText(b []byte) ([]byte, bool) {
	for s.pos < len(s.data) {
		c := s.data[s.pos]
		switch {
		case c == '"':
			s.pos++
			return b, true
		case c == '\\':
			r, ok := s.escape()
			if !ok {
				return nil, false
			}
			b = utf8.AppendRune(b, r)
		case c < ' ':
			return nil, s.fail(s.pos, "a control character in a string must be escaped")
		case c < utf8.RuneSelf:
			b = append(b, c)
			s.pos++
		default:
			r, n := utf8.DecodeRune(s.data[s.pos:])
			if r == utf8.RuneError && n <= 1 {
				return nil, s.fail(s.pos, "a string is not valid UTF-8")
			}
			b = append(b, s.data[s.pos:s.pos+n]...)
			s.pos += n
		}
	}
	return nil, s.fail(len(s.data), "it ends too early: a string is not closed")
}

// escape takes one escape sequence, or the two of a surrogate pair.
func (s *scanner) escape() (rune, bool) {
	start := s.pos
	s.pos++
	if s.pos == len(s.data) {
		return 0, s.fail(start, "it ends too early: a string is not closed")
	}
	c := s.data[s.pos]
	s.pos++
	switch c {
	case '"', '\\', '/':
		return rune(c), true
	case 'b':
		return '\b', true
	case 'f':
		return '\f', true
	case 'n':
		return '\n', true
	case 'r':
		return '\r', true
	case 't':
		return '\t', true
	case 'u':
		r, ok := s.hex4()
		if !ok {
			return 0, s.fail(start, "four hexadecimal digits are expected after \\u")
		}
		if !utf16.IsSurrogate(r) {
			return r, true
		}
		if s.at('\\') {
			s.pos++
			if s.at('u') {
				s.pos++
				if low, ok := s.hex4(); ok {
					if r = utf16.DecodeRune(r, low); r != utf8.RuneError {
						return r, true
					}
				}
			}
		}
		return 0, s.fail(start, "a surrogate is not one of a pair")
	}
	return 0, s.fail(start, "an unknown escape sequence in a string")
}

func (s *scanner) hex4() (rune, bool) {
	if len(s.data)-s.pos < 4 {
		return 0, false
	}
	var r rune
	for _, c := range s.data[s.pos : s.pos+4] {
		switch {
		case '0' <= c && c <= '9':
			c -= '0'
		case 'a' <= c && c <= 'f':
			c -= 'a' - 10
		case 'A' <= c && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	s.pos += 4
	return r, true
}

// valid checks the UTF-8 of b, which begins at offset.
func (s *scanner) valid(offset int, b []byte) bool {
	for i := 0; i < len(b); {
		r, n := utf8.DecodeRune(b[i:])
		if r == utf8.RuneError && n <= 1 {
			return s.fail(offset+i, "a string is not valid UTF-8")
		}
		i += n
	}
	return true
}

// enter begins a list or an object, count begins a value; both hold the limits of a body.
func (s *scanner) enter() bool {
	if s.depth++; s.depth > MaxDepth {
		return s.fail(s.pos, "lists and objects are nested too deeply")
	}
	return true
}

func (s *scanner) count() bool {
	if s.values++; s.values > MaxValues {
		return s.fail(s.pos, "it holds too many values")
	}
	return true
}

// skip reads a value that nobody wants, as strictly as any other.
func (s *scanner) skip() bool {
	if !s.count() {
		return false
	}
	switch c := s.peek(); {
	case c == '{':
		return s.object(func([]byte, int) bool { return s.skip() })
	case c == '[':
		return s.list(func(int) bool { return s.skip() })
	case c == '"':
		_, ok := s.text()
		return ok
	case c == 't':
		return s.literal("true")
	case c == 'f':
		return s.literal("false")
	case c == 'n':
		return s.literal("null")
	case c == '-' || '0' <= c && c <= '9':
		_, ok := s.number()
		return ok
	}
	return s.unexpected("a value is expected")
}

// object reads an object. member is called at each value with the name and the offset where that stands; it must read the value.
func (s *scanner) object(member func(name []byte, offset int) bool) bool {
	if !s.enter() || !s.expect('{') {
		return false
	}
	defer func() { s.depth-- }()
	if s.peek() == '}' {
		s.pos++
		return true
	}
	for {
		if s.peek() != '"' {
			return s.unexpected("the name of a member is expected")
		}
		offset := s.pos
		name, ok := s.text()
		if !ok || !s.expect(':') || !member(name, offset) {
			return false
		}
		switch s.peek() {
		case ',':
			s.pos++
		case '}':
			s.pos++
			return true
		default:
			return s.unexpected("',' or '}' is expected")
		}
	}
}

// list reads a list. item is called at each value with its index; it must read the value.
func (s *scanner) list(item func(i int) bool) bool {
	if !s.enter() || !s.expect('[') {
		return false
	}
	defer func() { s.depth-- }()
	if s.peek() == ']' {
		s.pos++
		return true
	}
	for i := 0; ; i++ {
		if !item(i) {
			return false
		}
		switch s.peek() {
		case ',':
			s.pos++
		case ']':
			s.pos++
			return true
		default:
			return s.unexpected("',' or ']' is expected")
		}
	}
}
