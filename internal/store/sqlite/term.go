package sqlite

import (
	"crypto/sha256"
	"encoding/binary"
	"slices"
	"strings"

	"darkroom/internal/audit"
)

// term is something that a record can be asked for: that a field of it has a value, in an account. It is the first 64 bits of a SHA-256. Whoever tries 2^64 values has one that is found by a
// value of another, in his own account; of which account a record is, is asked of the record itself.
type term uint64

// field is what a term is about. The numbers are part of what is stored.
type field byte

const (
	ofAccount field = iota
	ofPrincipal
	ofUser
	ofAccessKey
	ofSource
	ofName
	ofEvent
	ofRequest
	ofCategory
	ofOutcome
	ofReadOnly
	ofResource
	ofType
)

// termer collects the terms of one account.
type termer struct {
	account string
	terms   []term
	text    []byte
}

// add adds a term, if there is a value.
func (t *termer) add(f field, value string) {
	if value != "" {
		t.always(f, value)
	}
}

func (t *termer) always(f field, value string) {
	t.text = append(t.text[:0], byte(f))
	t.text = append(t.text, t.account...)
	t.text = append(t.text, 0)
	t.text = append(t.text, value...)
	sum := sha256.Sum256(t.text)
	t.terms = append(t.terms, term(binary.BigEndian.Uint64(sum[:])))
}

func yesOrNo(is bool) string {
	if is {
		return "yes"
	}
	return "no"
}

// termsOf are all terms of a record, as they are kept with it: ascending, none twice, each in 8 bytes, the highest first.
func termsOf(r *audit.Record) []byte {
	t := termer{account: r.RecipientAccountID, terms: make([]term, 0, 32), text: make([]byte, 0, 256)}
	t.always(ofAccount, "")
	t.add(ofPrincipal, r.UserIdentity.ARN)
	t.add(ofUser, r.UserIdentity.User())
	t.add(ofAccessKey, r.UserIdentity.AccessKeyID)
	t.add(ofSource, r.EventSource)
	t.add(ofName, r.EventName)
	t.add(ofEvent, r.EventID)
	t.add(ofRequest, r.RequestID)
	t.add(ofCategory, r.EventCategory)
	t.add(ofOutcome, string(r.Outcome()))
	t.add(ofReadOnly, yesOrNo(r.ReadOnly))
	for _, on := range r.Resources {
		// Resources are looked for by ARN and by name.
		t.add(ofResource, on.ARN)
		t.add(ofResource, on.ARN[strings.LastIndexAny(on.ARN, "/:")+1:])
		t.add(ofType, on.Type)
	}
	return t.encode()
}

// encode is the terms as they are kept.
func (t *termer) encode() []byte {
	slices.Sort(t.terms)
	t.terms = slices.Compact(t.terms)
	out := make([]byte, 0, 8*len(t.terms))
	for _, one := range t.terms {
		out = binary.BigEndian.AppendUint64(out, uint64(one))
	}
	return out
}

// concludedTerms are those of a record that is concluded by what was kept of it. What of its resources had no room in its text is in its terms alone, and stays.
func concludedTerms(kept []byte, before, after *audit.Record) []byte {
	t := termer{account: before.RecipientAccountID}
	t.add(ofOutcome, string(before.Outcome()))
	was := t.terms[0]
	t = termer{account: after.RecipientAccountID}
	for _, part := range [][]byte{kept, termsOf(after)} {
		for ; len(part) >= 8; part = part[8:] {
			t.terms = append(t.terms, term(binary.BigEndian.Uint64(part)))
		}
	}
	now := termer{account: after.RecipientAccountID}
	now.add(ofOutcome, string(after.Outcome()))
	t.terms = slices.DeleteFunc(t.terms, func(one term) bool { return one == was && one != now.terms[0] })
	return t.encode()
}

// termsFor are the terms that a record must have to be what is asked for. What the fewest records have comes first, mostly.
func termsFor(q *audit.Query) []term {
	t := termer{account: q.Account}
	t.add(ofEvent, q.EventID)
	t.add(ofRequest, q.RequestID)
	t.add(ofResource, q.Resource)
	t.add(ofAccessKey, q.AccessKeyID)
	t.add(ofPrincipal, q.Principal)
	t.add(ofUser, q.User)
	t.add(ofName, q.Name)
	t.add(ofOutcome, string(q.Outcome))
	t.add(ofSource, q.Source)
	t.add(ofType, q.ResourceType)
	if q.ReadOnly != nil {
		t.add(ofReadOnly, yesOrNo(*q.ReadOnly))
	}
	t.add(ofCategory, q.Category)
	if len(t.terms) == 0 {
		t.always(ofAccount, "")
	}
	return t.terms
}

// have says whether terms as they are kept have all of those.
func have(kept []byte, all []term) bool {
	for _, one := range all {
		lo, hi := 0, len(kept)/8
		for lo < hi {
			mid := (lo + hi) / 2
			if term(binary.BigEndian.Uint64(kept[8*mid:])) < one {
				lo = mid + 1
			} else {
				hi = mid
			}
		}
		if 8*lo >= len(kept) || term(binary.BigEndian.Uint64(kept[8*lo:])) != one {
			return false
		}
	}
	return true
}
