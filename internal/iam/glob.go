package iam

import (
	"strings"
	"unicode/utf8"
)

// glob is a pattern of literal pieces between stars. Each piece but the last matches at its leftmost place, which is never wrong, so there
// is no going back: the time is linear in the text, for a piece with question marks times its length over 64.
type glob []piece

// piece is text between two stars, in which question marks stand for one character each.
type piece struct {
	text  string         // when there are no question marks
	runes []rune         // otherwise; anyRune is a question mark
	masks map[rune]words // for a search: at which places of runes a character may stand
	wild  words          // the same for a character that is in no mask
}

// words is a set of places in a piece, as bits.
type words []uint64

const anyRune rune = -1

// The parts that a glob is made from.
type part struct {
	kind partKind
	text string
}

type partKind int

const (
	literalPart partKind = iota
	starPart
	markPart
)

// newGlob makes a glob of parts.
func newGlob(parts []part) glob {
	var g glob
	var text []part
	end := func() {
		g = append(g, newPiece(text))
		text = nil
	}
	for _, p := range parts {
		if p.kind == starPart {
			end()
		} else {
			text = append(text, p)
		}
	}
	end()
	return g
}

func newPiece(parts []part) piece {
	var p piece
	marks := false
	var text strings.Builder
	for _, x := range parts {
		if x.kind == markPart {
			marks = true
			p.runes = append(p.runes, anyRune)
			continue
		}
		text.WriteString(x.text)
		p.runes = append(p.runes, []rune(x.text)...)
	}
	if !marks {
		return piece{text: text.String()}
	}
	size := (len(p.runes) + 63) / 64
	p.wild, p.masks = make(words, size), make(map[rune]words)
	for i, r := range p.runes {
		if r == anyRune {
			p.wild[i/64] |= 1 << (i % 64)
		}
	}
	for i, r := range p.runes {
		if r == anyRune {
			continue
		}
		if p.masks[r] == nil {
			p.masks[r] = append(words(nil), p.wild...)
		}
		p.masks[r][i/64] |= 1 << (i % 64)
	}
	return p
}

// match matches the whole of s.
func (g glob) match(s string) bool {
	first, last := g[0], g[len(g)-1]
	n := first.prefix(s)
	if n < 0 {
		return false
	}
	if len(g) == 1 {
		return n == len(s)
	}
	s = s[n:]
	if n = last.suffix(s); n < 0 {
		return false
	}
	s = s[:len(s)-n]
	for _, p := range g[1 : len(g)-1] {
		if n = p.find(s); n < 0 {
			return false
		}
		s = s[n:]
	}
	return true
}

// prefix returns how many bytes of s the piece matches at its beginning, -1 if it does not.
func (p piece) prefix(s string) int {
	if p.runes == nil {
		if strings.HasPrefix(s, p.text) {
			return len(p.text)
		}
		return -1
	}
	n := 0
	for _, want := range p.runes {
		r, size := utf8.DecodeRuneInString(s[n:])
		if size == 0 || want != anyRune && want != r {
			return -1
		}
		n += size
	}
	return n
}

// suffix returns how many bytes of s the piece matches at its end, -1 if it does not.
func (p piece) suffix(s string) int {
	if p.runes == nil {
		if strings.HasSuffix(s, p.text) {
			return len(p.text)
		}
		return -1
	}
	n := 0
	for i := len(p.runes) - 1; i >= 0; i-- {
		r, size := utf8.DecodeLastRuneInString(s[:len(s)-n])
		if size == 0 || p.runes[i] != anyRune && p.runes[i] != r {
			return -1
		}
		n += size
	}
	return n
}

// find returns where the leftmost match of the piece in s ends, -1 if there is none. With question marks it is the Shift-And algorithm (Baeza-Yates
// and Gonnet 1992): bit i of state says that the characters up to here match the first i+1 of the piece.
func (p piece) find(s string) int {
	if p.runes == nil {
		if i := strings.Index(s, p.text); i >= 0 {
			return i + len(p.text)
		}
		return -1
	}
	last := len(p.runes) - 1
	state := make(words, len(p.wild))
	for i, n := 0, 0; i < len(s); i += n {
		var r rune
		r, n = utf8.DecodeRuneInString(s[i:])
		mask, ok := p.masks[r]
		if !ok {
			mask = p.wild
		}
		carry := uint64(1)
		for w := range state {
			next := state[w] >> 63
			state[w] = (state[w]<<1 | carry) & mask[w]
			carry = next
		}
		if state[last/64]&(1<<(last%64)) != 0 {
			return i + n
		}
	}
	return -1
}
