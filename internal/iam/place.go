package iam

import (
	"sort"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Position is a place in a document. Lines and columns count from 1; columns count characters.
type Position struct{ Line, Column int }

// layout finds what stands where in the document of a policy.
type layout struct {
	document string
	root     *node // nil in a policy that has no document
	lines    []int // where each line begins
}

// layout reads the document of the policy again: places are wanted by people alone, not by decisions.
func (p *Policy) layout() layout {
	out := layout{document: p.document, lines: []int{0}, root: (&reader{document: p.document}).read()}
	for i := range len(p.document) {
		if p.document[i] == '\n' {
			out.lines = append(out.lines, i+1)
		}
	}
	return out
}

// find returns the value of a JSON pointer or, of what is not there, what should have it.
func (l layout) find(path string) *node {
	n := l.root
	for _, step := range strings.Split(path, "/")[1:] {
		next := n.get(strings.NewReplacer("~1", "/", "~0", "~").Replace(step))
		if i, err := strconv.Atoi(step); err == nil && i >= 0 && i < len(n.items) {
			next = n.items[i]
		}
		if next == nil {
			break
		}
		n = next
	}
	return n
}

// position is that of an offset.
func (l layout) position(offset int) Position {
	line := sort.SearchInts(l.lines, offset+1)
	return Position{line, utf8.RuneCountInString(l.document[l.lines[line-1]:offset]) + 1}
}

// line is where the value of a JSON pointer begins.
func (l layout) line(path string) int { return l.position(l.find(path).offset).Line }

// statement is where a statement begins and ends, as the IAM policy simulator counts: it begins just behind what stands before it in a list, or
// behind its own brace where it is the only one and in no list, and ends behind its brace.
func (l layout) statement(path string) (start, end Position) {
	n := l.find(path)
	begin := n.offset + 1
	if n.parent.kind == arrayNode {
		begin = len(strings.TrimRight(l.document[:n.offset], " \t\r\n"))
	}
	return l.position(begin), l.position(n.end)
}
