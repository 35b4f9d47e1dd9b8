package comply

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"darkroom/internal/inspect"
)

var update = flag.Bool("update", false, "write golden files and docs/compliance.md anew")

var noon = time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)

// sample are results of every kind, with texts that no format must take for markup.
func sample() []inspect.Result {
	var out []inspect.Result
	for i, c := range inspect.All() {
		r := inspect.Result{Check: c.ID, Title: c.Title, Kind: c.Kind, Time: noon, State: inspect.Passed, Found: "it was looked at"}
		switch i % 5 {
		case 1:
			r.State, r.Found, r.Mend = inspect.Failed, "it is open", "Close it: `chmod -R go= DIR`."
		case 2:
			r.State, r.Found = inspect.NotChecked, "the server does not run"
		case 3:
			r.State, r.Found = inspect.NotApplicable, "there is nothing of it"
		}
		if c.ID == "people.mfa" {
			r.Facts = []inspect.Fact{
				{Name: "arn:aws:iam::000000000000:user/<script>alert(1)</script>|x", Value: "Ünïcode: Ελλάδα, Україна; no glyph: 映画 🎬; line\nbreak, bidi \u202e, [link](http://x) & **bold**"},
				{Name: "long", Value: strings.Repeat("0123456789abcdef", 40)},
			}
		}
		out = append(out, r)
	}
	return out
}

func report(t *testing.T, framework string, results []inspect.Result) Report {
	t.Helper()
	f, err := Load(framework)
	if err != nil {
		t.Fatal(err)
	}
	r, err := Judge(f, Subject{
		Installation: "0123abcd", Release: "1.2.3", Region: "us-east-1", Accounts: []string{"000000000000"}, Settings: "the last start", URL: "https://127.0.0.1:9443",
	}, results, noon)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s (-want +got):\n%s", name, diff)
	}
}

// TestGolden: reports in text, as they are written.
func TestGolden(t *testing.T) {
	t.Parallel()
	r := report(t, "mpa", sample())
	golden(t, "mpa.md", Markdown(r))
	text, err := JSON(r)
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "mpa.json", text)
	var back Report
	if err := json.Unmarshal(text, &back); err != nil {
		t.Fatal(err)
	}
	if len(back.Verdicts) != len(r.Verdicts) || back.Verdicts[3].Status != r.Verdicts[3].Status || len(back.Results) != len(r.Results) {
		t.Error("a report that was read is not the one that was written")
	}
}

// TestDoc: docs/compliance.md is what the tables say.
func TestDoc(t *testing.T) {
	t.Parallel()
	got, err := Doc()
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "../../../docs/compliance.md", got)
}

// TestHTML: the page has every control, and nothing in it is taken for markup.
func TestHTML(t *testing.T) {
	t.Parallel()
	for _, id := range Order {
		r := report(t, id, sample())
		text, err := HTML(r)
		if err != nil {
			t.Fatal(err)
		}
		for i, v := range r.Verdicts {
			if !bytes.Contains(text, []byte(`id="control-`+strings.TrimSpace(string(mustJSON(t, i)))+`"`)) {
				t.Errorf("%s: %s is not there", id, v.ID)
			}
		}
		if bytes.Contains(text, []byte("<script")) || bytes.Contains(text, []byte("http://x\"")) || bytes.Contains(text, []byte("\u202e")) || bytes.Contains(text, []byte("ZgotmplZ")) {
			t.Errorf("%s: a text was taken for markup", id)
		}
		if bytes.Contains(text, []byte(" src=")) || bytes.Contains(text, []byte("<link")) || bytes.Contains(text, []byte("url(")) {
			t.Errorf("%s: the page needs something else", id)
		}
	}
}

func mustJSON(t *testing.T, v any) []byte {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// tool skips at the desk, and fails in CI, where a tool is missing.
func tool(t *testing.T, name string) {
	t.Helper()
	if _, err := exec.LookPath(name); err == nil {
		return
	}
	if os.Getenv("CI") != "" {
		t.Fatal(name + " is not installed")
	}
	t.Skip(name + " is not installed")
}

// TestPDF: a PDF document with pages, whose text can be taken out again: title, every control, page numbers, letters of other alphabets, and by number those
// that the font does not have.
func TestPDF(t *testing.T) {
	t.Parallel()
	tool(t, "pdftotext")
	tool(t, "pdfinfo")
	for _, id := range Order {
		r := report(t, id, sample())
		text, err := PDF(r)
		if err != nil {
			t.Fatal(err)
		}
		again, err := PDF(r)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(text, again) {
			t.Errorf("%s: the same report made two different documents", id)
		}
		name := filepath.Join(t.TempDir(), id+".pdf")
		if err := os.WriteFile(name, text, 0o600); err != nil {
			t.Fatal(err)
		}
		info, err := exec.Command("pdfinfo", name).CombinedOutput()
		if err != nil || !bytes.Contains(info, []byte("A4")) || !bytes.Contains(info, []byte(r.Title())) {
			t.Errorf("%s: pdfinfo: %v\n%s", id, err, info)
		}
		out, err := exec.Command("pdftotext", "-layout", name, "-").CombinedOutput()
		if err != nil {
			t.Fatalf("%s: pdftotext: %v\n%s", id, err, out)
		}
		pages := strings.Count(string(out), "\f")
		flat := strings.Join(strings.Fields(string(out)), "")
		for _, v := range r.Verdicts {
			if want := strings.Join(strings.Fields(v.ID+": "+v.Control.Title), ""); !strings.Contains(flat, want) && len(want) < 60 {
				t.Errorf("%s: the text lacks %s", id, want)
			}
		}
		for _, want := range []string{"Compliancereport", "Whatwaschecked", string(mustJSON(t, pages)) + "/" + string(mustJSON(t, pages)), "Ελλάδα", "Україна", `\u6620`, `\u1F3AC`, `\u202E`} {
			if !strings.Contains(flat, want) {
				t.Errorf("%s: the text lacks %s", id, want)
			}
		}
		if pages < 5 {
			t.Errorf("%s: %d pages", id, pages)
		}
	}
}
