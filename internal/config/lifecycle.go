package config

import (
	"flag"
	"fmt"
	"slices"
	"strconv"
	"unicode/utf8"
)

// Retention is how long is kept what no job needs, in days; 0 is for ever. Finished jobs are RetentionDays'.
type Retention struct {
	AuditDays  int `yaml:"audit_days"`  // audit records, from when everybody who is to get them has them
	EventDays  int `yaml:"event_days"`  // what became of events, and those that no target took
	UploadDays int `yaml:"upload_days"` // multipart uploads that nobody completes
}

// MinUploadDays is the shortest time that uploads are kept: longer than any job progresses.
const MinUploadDays = 3

func (r *Retention) addFlags(fs *flag.FlagSet) {
	fs.IntVar(&r.AuditDays, "retention-audit-days", r.AuditDays, "days that audit records are kept, once everybody who is to get them has them; 0 is for ever")
	fs.IntVar(&r.EventDays, "retention-event-days", r.EventDays, "days that it is kept what became of events, and those that no target took; 0 is for ever")
	fs.IntVar(&r.UploadDays, "retention-upload-days", r.UploadDays, "days that multipart uploads are kept that nobody completes; 0 is for ever")
}

func (r Retention) validate() error {
	for _, k := range []struct {
		key      string
		days     int
		atLeast  int
		sentence string
	}{
		{"retention.audit_days", r.AuditDays, 1, "0, or a number from 1 to"},
		{"retention.event_days", r.EventDays, 1, "0, or a number from 1 to"},
		{"retention.upload_days", r.UploadDays, MinUploadDays, fmt.Sprintf("0, or a number from %d to", MinUploadDays)},
	} {
		if k.days != 0 && (k.days < k.atLeast || k.days > MaxRetentionDays) {
			return &Error{k.key, strconv.Itoa(k.days), fmt.Sprintf("%s %d", k.sentence, MaxRetentionDays)}
		}
	}
	return nil
}

// Provenance is which jobs write a signed statement of how they came about. A job can ask for its own whatever stands here.
type Provenance struct {
	// For are names of queues, or All alone; none: the jobs that ask.
	For []string `yaml:"for"`
}

// All stands for every queue.
const All = "all"

// maxQueueName is the longest name of a queue, in characters.
const maxQueueName = 256

func (p Provenance) validate() error {
	for i, q := range p.For {
		if q == "" || utf8.RuneCountInString(q) > maxQueueName || q == All && len(p.For) > 1 {
			return &Error{fmt.Sprintf("provenance.for[%d]", i), q, "the name of a queue, or all alone"}
		}
	}
	return nil
}

// Wants says whether the jobs of a queue, by its name, write a statement.
func (p Provenance) Wants(queue string) bool {
	return slices.Contains(p.For, queue) || slices.Contains(p.For, All)
}
