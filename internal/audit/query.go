package audit

import (
	"encoding/json"
	"time"
)

// Entry is a record in its place in the trail.
type Entry struct {
	// Position is the place in the order in which records were concluded: it only grows, and what is behind a position never changes.
	Position int64
	Account  string
	Text     json.RawMessage // of the record
}

// Decode reads the record of an entry.
func (e Entry) Decode() (Record, error) {
	var r Record
	err := json.Unmarshal(e.Text, &r)
	return r, err
}

// Query selects concluded records, newest first. Empty members select everything.
type Query struct {
	Account     string
	From, To    time.Time // of eventTime; both inclusive
	Principal   string    // ARN of who asked
	User        string    // see Identity.User
	AccessKeyID string
	Source      string // eventSource
	Name        string // eventName
	EventID     string
	RequestID   string
	Resource    string // ARN, or the name behind its last slash or colon
	// ResourceType selects records with a resource of a type, as of CloudFormation.
	ResourceType string
	Outcome      Outcome
	ReadOnly     *bool
	Category     string

	Ascending bool // oldest first
	// After is the entry that the page before ended with; the zero value begins.
	After Cursor
	Limit int // at least 1
}

// Cursor is a place in the order of a query: time, then place in the table.
type Cursor struct {
	Time     time.Time
	Sequence int64
}

// Found is an entry that a query found, and where the next page begins behind it.
type Found struct {
	Entry
	Cursor Cursor
}
