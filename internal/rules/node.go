package rules

import (
	"maps"
	"slices"
	"strconv"

	"darkroom/internal/mediaconvert"
)

// node is a structure of the settings as on the wire, and where it stands. The zero node is one that is absent: it has no members.
type node struct {
	path string
	m    map[string]any
}

// there says whether the structure is given, be it empty.
func (n node) there() bool { return n.m != nil }

func (n node) has(member string) bool {
	_, ok := n.m[member]
	return ok
}

// str is a string or word, "" where it is absent.
func (n node) str(member string) string {
	s, _ := n.m[member].(string)
	return s
}

// num is a number, 0 where it is absent.
func (n node) num(member string) float64 {
	f, _ := n.m[member].(float64)
	return f
}

// is says whether a word is one of some.
func (n node) is(member string, words ...string) bool { return slices.Contains(words, n.str(member)) }

// sub is a structure in a structure; further names lead further in.
func (n node) sub(members ...string) node {
	for _, m := range members {
		inner, _ := n.m[m].(map[string]any)
		n = node{n.path + "/" + mediaconvert.Token(m), inner}
	}
	return n
}

// list are the structures of a list.
func (n node) list(member string) []node {
	items, _ := n.m[member].([]any)
	var out []node
	for i, item := range items {
		m, _ := item.(map[string]any)
		out = append(out, node{n.path + "/" + member + "/" + strconv.Itoa(i), m})
	}
	return out
}

// entries are the structures of a map, in the order of their keys.
func (n node) entries(member string) []node {
	all, _ := n.m[member].(map[string]any)
	var out []node
	for _, k := range slices.Sorted(maps.Keys(all)) {
		out = append(out, n.sub(member, k))
	}
	return out
}

// length is how many items a list has.
func (n node) length(member string) int {
	items, _ := n.m[member].([]any)
	return len(items)
}
