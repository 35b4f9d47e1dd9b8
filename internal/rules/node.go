package rules

import (
	"slices"
	"strconv"

	"darkroom/internal/mediaconvert"
)

// node is a structure of the settings as on the wire, and where it stands. One that is absent has no members; nil is absent too, and nowhere.
// Every rule comes by the same nodes, so each is made once and kept by the one it is in, and its path is written only when it is told.
type node struct {
	in    *node // what it stands in; nil for the whole
	token string
	view  mediaconvert.View

	made  *node   // the member that was asked for last
	next  *node   // the one of the same structure that was asked for before it
	items []*node // of a list or map that was asked for
}

// path is the JSON pointer of the node.
func (n *node) path() string {
	if n == nil || n.in == nil {
		return ""
	}
	return n.in.path() + "/" + mediaconvert.Token(n.token)
}

// there says whether the structure is given, be it empty.
func (n *node) there() bool { return n != nil && n.view.Structure() }

// empty says whether the structure has no members.
func (n *node) empty() bool { return n == nil || n.view.Empty() }

// member is a member as it stands on the wire.
func (n *node) member(name string) mediaconvert.View {
	if n == nil {
		return mediaconvert.View{}
	}
	return n.view.Member(name)
}

func (n *node) has(member string) bool { return n.member(member).Present() }

// str is a string or word, "" where it is absent.
func (n *node) str(member string) string { return n.member(member).Text() }

// num is a number, 0 where it is absent.
func (n *node) num(member string) float64 { return n.member(member).Number() }

// is says whether a word is one of some.
func (n *node) is(member string, words ...string) bool { return slices.Contains(words, n.str(member)) }

// length is how many items a list has.
func (n *node) length(member string) int { return n.member(member).Len() }

// sub is a structure in a structure; further names lead further in.
func (n *node) sub(members ...string) *node {
	for _, m := range members {
		n = n.inner(m)
	}
	return n
}

func (n *node) inner(member string) *node {
	if n == nil {
		return nil
	}
	for m := n.made; m != nil; m = m.next {
		if m.token == member {
			return m
		}
	}
	n.made = &node{in: n, token: member, view: n.view.Member(member), next: n.made}
	return n.made
}

// list are the structures of a list.
func (n *node) list(member string) []*node {
	if n.length(member) == 0 {
		return nil
	}
	l := n.inner(member)
	for i := len(l.items); i < l.view.Len(); i++ {
		l.items = append(l.items, &node{in: l, token: strconv.Itoa(i), view: l.view.Item(i)})
	}
	return l.items
}

// entries are the structures of a map, in the order of their keys.
func (n *node) entries(member string) []*node {
	keys := n.member(member).Keys()
	if len(keys) == 0 {
		return nil
	}
	m := n.inner(member)
	if m.items == nil {
		slices.Sort(keys)
		for _, k := range keys {
			m.items = append(m.items, &node{in: m, token: k, view: m.view.Entry(k)})
		}
	}
	return m.items
}
