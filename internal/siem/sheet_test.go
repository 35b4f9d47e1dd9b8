package siem

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"darkroom/internal/audit"
)

// TestSheet: whatever text is in a record, no cell is a formula, and every row has its columns.
func TestSheet(t *testing.T) {
	t.Parallel()
	nasty := []string{
		"=HYPERLINK(\"http://evil\")", "+1", "-2+3", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "＝1", "plain", "", "a,b;\"c\"\nnext", "\x1b[2J", "\u202egpj.exe", "\xff\xfe", "\ufffd", "a=b",
	}
	var out bytes.Buffer
	s, err := NewSheet(&out)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range nasty {
		r := base()
		r.UserAgent, r.ErrorMessage, r.SourceIPAddress, r.RequestID, r.UserIdentity.UserName, r.EventName = text, text, text, text, text, text
		r.Resources[0].ARN = text
		if err := s.Write(audit.Entry{Position: 1, Account: account, Text: raw(t, r)}); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Write(audit.Entry{Position: 2, Text: json.RawMessage("{")}); err != nil {
		t.Fatal(err)
	}
	if err := s.Flush(); err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(&out).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	if len(rows) != len(nasty)+2 {
		t.Errorf("%d rows", len(rows))
	}
	for _, row := range rows {
		for _, c := range row {
			if c != "" && strings.ContainsAny(c[:1], "=+-@\t\r\n") || strings.ContainsAny(c, "\x1b\n\r\t\x00") || strings.ContainsRune(c, '\u202e') {
				t.Errorf("the cell %q", c)
			}
		}
	}
	if got := rows[1][10]; got != "'=HYPERLINK(\"http://evil\")" {
		t.Errorf("a formula: %q", got)
	}
	if got := rows[len(rows)-1][11]; got != "UnreadableRecord" {
		t.Errorf("a record that is none: %q", got)
	}
}

// raw is a record as JSON; what is no UTF-8 is written as such.
func raw(t *testing.T, r audit.Record) json.RawMessage {
	t.Helper()
	text, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestVisible(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"plain ü 映画": "plain ü 映画", "a\nb": `a\u000ab`, "\x1b[31m": `\u001b[31m`, "\u202e": `\u202e`, "\xff": `\xff`, "\ufffd": `\ufffd`, "\u0085": `\u0085`, "\u200b": `\u200b`, "": "",
	} {
		if got := Visible(in); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}

func TestTable(t *testing.T) {
	t.Parallel()
	r := base()
	got := TableRow(audit.Entry{Text: raw(t, r)})
	want := "2030-01-02T03:04:05Z  granted      ann                   mediaconvert:CreateJob          arn:aws:mediaconvert:us-east-1:111122223333:queues/Default\n"
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	r.ErrorCode, r.Resources[0].ARN = "AccessDenied", strings.Repeat("ü\n", 500)
	got = TableRow(audit.Entry{Text: raw(t, r)})
	if strings.Count(got, "\n") != 1 || len(got) > 400 || !strings.Contains(got, "denied") {
		t.Errorf("got %q", got)
	}
	for name, r := range records() {
		if got := TableRow(audit.Entry{Text: raw(t, r)}); strings.Count(got, "\n") != 1 {
			t.Errorf("%s: %q", name, got)
		}
	}
	if got := TableRow(audit.Entry{Position: 9, Text: json.RawMessage("{")}); !strings.Contains(got, "unreadable") || !strings.Contains(got, "9") {
		t.Errorf("a record that is none: %q", got)
	}
}
