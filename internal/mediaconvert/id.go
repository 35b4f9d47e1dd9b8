package mediaconvert

import (
	"encoding/binary"
	"fmt"
	"strings"
	"time"
)

// The form of a job's id: milliseconds since the epoch in thirteen digits, a dash, six of a-z0-9. Between the years 2001 and 2286 ids in the
// order of their bytes are in the order of their times.
const (
	idDigits  = 13
	idLetters = 6
	idAlpha   = "abcdefghijklmnopqrstuvwxyz0123456789"
)

// JobID makes the id of a job that is submitted at t, from random bytes. There are 36⁶ ids in a millisecond.
func JobID(t time.Time, random [8]byte) string {
	n := binary.BigEndian.Uint64(random[:])
	var b [idLetters]byte
	for i := range b {
		b[i] = idAlpha[n%uint64(len(idAlpha))]
		n /= uint64(len(idAlpha))
	}
	return fmt.Sprintf("%0*d-%s", idDigits, t.UnixMilli(), b[:])
}

// ValidJobID reports whether id has the form of a job's id.
func ValidJobID(id string) bool {
	if len(id) != idDigits+1+idLetters || id[idDigits] != '-' {
		return false
	}
	for i := range id {
		c := id[i]
		switch digit := '0' <= c && c <= '9'; {
		case i < idDigits && !digit:
			return false
		case i > idDigits && !strings.Contains(idAlpha, string(rune(c))):
			return false
		}
	}
	return true
}
