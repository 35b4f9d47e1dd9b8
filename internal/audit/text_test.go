package audit_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"darkroom/internal/audit"
)

// hostile are texts that would do harm where they are shown as they are.
var hostile = []string{
	"two\nlines", "carriage\rreturn", "a\x1b[2J\x1b[31mterminal", "c1 \u009b31m", "\u202eright to left", "\u2066isolate\u2069", "nul\x00", "not \xff\xfe UTF-8", "\u2028line\u2029", "\ufeffmark", "\u200bzero", `quote " and \ slash`,
	"</script><b>", "del\x7f", "\U000e0041tag", "half \xed\xa0\x80", strings.Repeat("64 KiB of text, ", 4096), "é🎬 plain",
}

// safe reports whether a text can be looked at.
func safe(text []byte) bool {
	if !utf8.Valid(text) {
		return false
	}
	for _, r := range string(text) {
		if !unicode.IsPrint(r) {
			return false
		}
	}
	return true
}

// TestRecordsAreSafe: whatever stands in a record, it is one line that can be looked at, with the same values.
func TestRecordsAreSafe(t *testing.T) {
	t.Parallel()
	for _, text := range hostile {
		want := strings.ToValidUTF8(text, "\ufffd")
		quoted := audit.AppendText(nil, text)
		var back string
		if err := json.Unmarshal(quoted, &back); err != nil || !safe(quoted) || len([]rune(back)) < len([]rune(want)) || utf8.ValidString(text) && back != text {
			t.Errorf("%.40q: %.80s, %v", text, quoted, err)
		}
		r := audit.Record{
			UserAgent: text, ErrorMessage: text, EventName: text, RequestParameters: append(append([]byte(`{"a":`), quoted...), '}'),
			AdditionalEventData: map[string]json.RawMessage{"b": quoted}, Resources: []audit.Resource{{ARN: text}}, UserIdentity: audit.Identity{ARN: text, UserName: text},
		}
		line, err := r.Encode()
		if err != nil || !safe(line) || len(line) > audit.MaxRecord {
			t.Errorf("%.40q: %.200s, %v", text, line, err)
			continue
		}
		var again audit.Record
		if err := json.Unmarshal(line, &again); err != nil || utf8.ValidString(text) && len(text) < 1000 && (again.UserAgent != text || again.Resources != nil && again.Resources[0].ARN != text) {
			t.Errorf("%.40q came back as %.40q: %v", text, again.UserAgent, err)
		}
		var log bytes.Buffer
		slog.New(slog.NewJSONHandler(audit.Log(&log), nil)).Info("m", "error", text)
		if line := bytes.TrimSuffix(log.Bytes(), []byte("\n")); !safe(line) || !json.Valid(line) {
			t.Errorf("%.40q is logged as %.200q", text, line)
		}
	}
}

func FuzzText(f *testing.F) {
	for _, text := range hostile {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		quoted := audit.AppendText(nil, text)
		var back string
		if err := json.Unmarshal(quoted, &back); err != nil || !safe(quoted) || utf8.ValidString(text) && back != text {
			t.Fatalf("%q: %s, %v", text, quoted, err)
		}
		line, err := (&audit.Record{UserAgent: text}).Encode()
		if err != nil || !safe(line) {
			t.Fatalf("%q: %s, %v", text, line, err)
		}
	})
}

// TestCut: the largest members go first, each for its size and hash, and what does not fit then goes as a whole.
func TestCut(t *testing.T) {
	t.Parallel()
	big, bigger := `"`+strings.Repeat("b", 500)+`"`, `"`+strings.Repeat("c", 700)+`"`
	hash := func(text string) string {
		sum := sha256.Sum256([]byte(text))
		return hex.EncodeToString(sum[:])
	}
	note := func(text string, limit int) string {
		return fmt.Sprintf(`{"omitted":true,"originalSize":%d,"sha256":"%s","reason":"larger than the %d bytes that a record has for it"}`, len(text), hash(text), limit)
	}
	many := "{"
	for i := range 100 {
		many += fmt.Sprintf(`"m%03d":%d,`, i, i)
	}
	many = strings.TrimSuffix(many, ",") + "}"
	for _, tt := range []struct {
		name, in string
		limit    int
		want     string
	}{
		{"null", "", 10, ""},
		{"small", `{"z":1,"a":2}`, 13, `{"z":1,"a":2}`},
		{"the largest alone", `{"queue":"q","small":` + big + `,"large":` + bigger + `}`, 1000, `{"large":` + note(bigger, 1000) + `,"queue":"q","small":` + big + `}`},
		{"two", `{"queue":"q","small":` + big + `,"large":` + bigger + `}`, 500, `{"large":` + note(bigger, 500) + `,"queue":"q","small":` + note(big, 500) + `}`},
		{"many small", many, 200, note(many, 200)},
		{"no object", "[" + big + "]", 200, note("["+big+"]", 200)},
	} {
		if got := string(audit.Cut(json.RawMessage(tt.in), tt.limit)); got != tt.want {
			t.Errorf("%s: got %s, want %s", tt.name, got, tt.want)
		}
	}
}

// TestLargeRecords: no record is larger than those of CloudTrail, and what it is of stays in it.
func TestLargeRecords(t *testing.T) {
	t.Parallel()
	mega := strings.Repeat("m", 1<<20)
	for name, r := range map[string]audit.Record{
		"parameters": {RequestParameters: json.RawMessage(`{"a":"` + mega + `","role":"r"}`)},
		"answer":     {ResponseElements: json.RawMessage(`{"a":"` + mega + `"}`)},
		"both":       {RequestParameters: json.RawMessage(`{"a":"` + mega[:99_000] + `"}`), ResponseElements: json.RawMessage(`{"a":"` + mega[:99_000] + `"}`), AdditionalEventData: map[string]json.RawMessage{"x": json.RawMessage(`"` + mega[:99_000] + `"`)}},
		"resources":  {Resources: []audit.Resource{{ARN: mega}}},
	} {
		r.EventID, r.EventName = "id", "CreateJob"
		text, err := r.Encode()
		if err != nil || len(text) > audit.MaxRecord {
			t.Errorf("%s: %d bytes, %v", name, len(text), err)
			continue
		}
		var back audit.Record
		if err := json.Unmarshal(text, &back); err != nil || back.EventID != "id" || back.EventName != "CreateJob" {
			t.Errorf("%s: %v, %+v", name, err, back)
		}
	}
}

// TestLargeAdditional: additional data has its bound, and what is cut of it has its size and SHA-256.
func TestLargeAdditional(t *testing.T) {
	t.Parallel()
	object := func(names string, n, size int) json.RawMessage {
		var members []string
		for i := range n {
			members = append(members, fmt.Sprintf(`"%s%05d":"%s"`, names, i, strings.Repeat("v", size)))
		}
		return json.RawMessage("{" + strings.Join(members, ",") + "}")
	}
	many := map[string]json.RawMessage{}
	for i := range 10_000 {
		many[strconv.Itoa(i)] = json.RawMessage("1")
	}
	for _, c := range []struct {
		name    string
		data    map[string]json.RawMessage
		omitted int // how many parts are
		kept    string
	}{
		{"fits", map[string]json.RawMessage{"unreadable": object("key", 20, 1000)}, 0, `"key00019"`},
		{"members of a member", map[string]json.RawMessage{"unreadable": object("key", 100, 3000), "cause": json.RawMessage(`"c"`)}, 99, `"key00099":"v`},
		{"two members", map[string]json.RawMessage{"a": object("key", 20, 1000), "b": object("key", 10, 1000), "cause": json.RawMessage(`"c"`)}, 1, `"cause":"c"`},
		{"a member of too many", map[string]json.RawMessage{"a": object("key", 5000, 10), "cause": json.RawMessage(`"c"`)}, 1, `"cause":"c"`},
		{"too many", many, 1, ""},
	} {
		r := audit.Record{EventID: "id", AdditionalEventData: c.data, RequestParameters: object("p", 90, 1000)}
		text, err := r.Encode()
		if err != nil {
			t.Fatal(err)
		}
		var back audit.Record
		if err := json.Unmarshal(text, &back); err != nil {
			t.Fatal(err)
		}
		got, err := json.Marshal(back.AdditionalEventData)
		if err != nil || len(got) > audit.MaxAdditional || !strings.Contains(string(got), c.kept) {
			t.Errorf("%s: %d bytes, %v; want %s in %.200s", c.name, len(got), err, c.kept, got)
		}
		if n := strings.Count(string(got), `"omitted":true,"originalSize":`); (n == 0) != (c.omitted == 0) || n > c.omitted || strings.Count(string(got), `"sha256":"`) != n {
			t.Errorf("%s: %d parts are omitted, want %d at most: %.200s", c.name, n, c.omitted, got)
		}
		if len(back.RequestParameters) < 90_000 {
			t.Errorf("%s: the parameters have %d bytes", c.name, len(back.RequestParameters))
		}
	}
}

// TestCutEvent: what is too large of an event is left out of its record, and the rest is read again.
func TestCutEvent(t *testing.T) {
	t.Parallel()
	var changes []audit.Change
	for i := range 200 {
		changes = append(changes, audit.Change{Key: strconv.Itoa(i), Old: strings.Repeat("o", 500), New: strings.Repeat("n", 500)})
	}
	for name, e := range map[string]audit.ServiceEvent{
		"changes": {Action: "ConfigurationChanged", Outcome: audit.Granted, Version: "1", Changes: changes},
		"a text":  {Action: "Dial", Outcome: audit.Denied, Version: "1", Reason: strings.Repeat("r", 200_000)},
	} {
		r := e.Record("us-east-1", "111122223333")
		text, err := r.Encode()
		if err != nil || !strings.Contains(string(text), `"omitted":true`) {
			t.Fatalf("%s: %v", name, err)
		}
		again, err := audit.Entry{Text: text}.Decode()
		if err != nil || again.Outcome() != e.Outcome || again.ServiceEventDetails.Version != "1" || len(again.ServiceEventDetails.Changes) != 0 || again.ServiceEventDetails.Reason != "" {
			t.Errorf("%s: %+v, %v", name, again.ServiceEventDetails, err)
		}
	}
	for _, bad := range []string{`{"serviceEventDetails":{"changes":{"key":"a"}}}`, `{"serviceEventDetails":7}`, `{"serviceEventDetails":{"version":{"omitted":false}}}`} {
		if _, err := (audit.Entry{Text: []byte(bad)}).Decode(); err == nil {
			t.Errorf("%s is read", bad)
		}
	}
}
