package iam

import (
	"slices"
	"strings"
	"unicode/utf8"
)

// glob is a pattern of literal pieces between stars. Each piece but the last matches at its leftmost place, which is never wrong, so there
// is no going back: the time is linear in the text, for a piece with question marks times its length over 64. A nil glob matches nothing.
type glob []piece

// piece is text between two stars, in which question marks stand for one character each.
type piece struct {
	text   string // when there are no question marks
	runes  []rune // otherwise; anyRune is a question mark
	search *search
}

// search is what it takes to find a piece with question marks: where in it a character may stand. A character that stands in many places has a set
// of them, others a list: all together are no larger than the piece.
type search struct {
	wild  words // the places of question marks
	masks map[rune]words
	lists map[rune][]int
}

// words is a set of places in a piece, as bits.
type words []uint64

func (w words) has(i int) bool { return w[i/64]&(1<<(i%64)) != 0 }

func (w words) add(i int) { w[i/64] |= 1 << (i % 64) }

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
		if len(g) == 0 || len(text) > 0 { // several stars are one
			g = append(g, newPiece(text))
		}
		text = nil
	}
	for _, p := range parts {
		if p.kind == starPart {
			end()
		} else {
			text = append(text, p)
		}
	}
	g = append(g, newPiece(text))
	for i := 1; i < len(g)-1; i++ { // the others have their places
		if g[i].runes != nil {
			g[i].search = newSearch(g[i].runes)
		}
	}
	return g
}

func newPiece(parts []part) piece {
	var p piece
	if !slices.ContainsFunc(parts, func(x part) bool { return x.kind == markPart }) {
		for _, x := range parts {
			p.text += x.text
		}
		return p
	}
	for _, x := range parts {
		if x.kind == markPart {
			p.runes = append(p.runes, anyRune)
		} else {
			p.runes = append(p.runes, []rune(x.text)...)
		}
	}
	return p
}

func newSearch(runes []rune) *search {
	size := (len(runes) + 63) / 64
	f := &search{make(words, size), make(map[rune]words), make(map[rune][]int)}
	for i, r := range runes {
		if r == anyRune {
			f.wild.add(i)
		} else {
			f.lists[r] = append(f.lists[r], i)
		}
	}
	for r, list := range f.lists {
		if len(list) < size {
			continue
		}
		mask := slices.Clone(f.wild)
		for _, i := range list {
			mask.add(i)
		}
		f.masks[r] = mask
		delete(f.lists, r)
	}
	return f
}

// match matches the whole of s.
func (g glob) match(s string) bool {
	if g == nil {
		return false
	}
	n := len(g[0].text)
	if g[0].runes != nil {
		n = g[0].prefix(s)
	} else if !strings.HasPrefix(s, g[0].text) { // which is what most patterns fail at
		return false
	}
	if n < 0 {
		return false
	}
	if len(g) == 1 {
		return n == len(s)
	}
	s = s[n:]
	if n = g[len(g)-1].suffix(s); n < 0 {
		return false
	}
	s = s[:len(s)-n]
	for i := 1; i < len(g)-1; i++ {
		if n = g[i].find(s); n < 0 {
			return false
		}
		s = s[n:]
	}
	return true
}

// prefix returns how many bytes of s a piece with question marks matches at its beginning, -1 if it does not.
func (p *piece) prefix(s string) int {
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
func (p *piece) suffix(s string) int {
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
func (p *piece) find(s string) int {
	if p.runes == nil {
		if i := strings.Index(s, p.text); i >= 0 {
			return i + len(p.text)
		}
		return -1
	}
	last := len(p.runes) - 1
	state, shifted := make(words, len(p.search.wild)), make(words, len(p.search.wild))
	for i, n := 0, 0; i < len(s); i += n {
		var r rune
		r, n = utf8.DecodeRuneInString(s[i:])
		mask, ok := p.search.masks[r]
		if !ok {
			mask = p.search.wild
		}
		carry := uint64(1)
		for w := range state {
			shifted[w] = state[w]<<1 | carry
			carry = state[w] >> 63
			state[w] = shifted[w] & mask[w]
		}
		for _, place := range p.search.lists[r] {
			if shifted.has(place) {
				state.add(place)
			}
		}
		if state.has(last) {
			return i + n
		}
	}
	return -1
}
