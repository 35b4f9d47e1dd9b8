package config

import (
	"errors"
	"strings"
	"testing"
)

func TestLifecycle(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, file, key string }{
		{"the defaults", "", ""},
		{"for ever", "retention: {audit_days: 0, event_days: 0, upload_days: 0}", ""},
		{"a few", "retention: {audit_days: 1, event_days: 1, upload_days: 3}", ""},
		{"negative", "retention: {audit_days: -1}", "retention.audit_days"},
		{"more than a hundred years", "retention: {event_days: 36526}", "retention.event_days"},
		{"uploads that jobs may still need", "retention: {upload_days: 2}", "retention.upload_days"},
		{"all queues", "provenance: {for: [all]}", ""},
		{"some queues", "provenance: {for: [a, b]}", ""},
		{"all and some", "provenance: {for: [a, all]}", "provenance.for[1]"},
		{"no name", "provenance: {for: ['']}", "provenance.for[0]"},
		{"a long name", "provenance: {for: [" + strings.Repeat("x", 257) + "]}", "provenance.for[0]"},
	} {
		_, err := Read(strings.NewReader(tt.file))
		var wrong *Error
		if tt.key == "" && err != nil || tt.key != "" && (!errors.As(err, &wrong) || wrong.Key != tt.key) {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.key)
		}
	}
	if _, err := Read(strings.NewReader("retention: {jobs: 1}")); err == nil {
		t.Error("an unknown key was taken")
	}
	if c := Default(); c.Retention != (Retention{AuditDays: 400, EventDays: 30, UploadDays: 7}) || c.Provenance.Wants("Default") {
		t.Errorf("defaults %+v %+v", c.Retention, c.Provenance)
	}
	p := Provenance{For: []string{"a"}}
	if !p.Wants("a") || p.Wants("b") || !(Provenance{For: []string{All}}).Wants("b") {
		t.Error("the wrong queues are asked for")
	}
}
