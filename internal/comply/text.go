package comply

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"darkroom/internal/inspect"
)

// JSON writes a report as one indented JSON document.
func JSON(r Report) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(r); err != nil {
		return nil, fmt.Errorf("write the report: %w", err)
	}
	return b.Bytes(), nil
}

// Title is the heading of a report.
func (r Report) Title() string { return "Compliance report: " + r.Framework.Name }

// About are the lines that say what a report is of.
func (r Report) About() []inspect.Fact {
	f := []inspect.Fact{
		{Name: "Framework", Value: r.Framework.Name + ", version " + r.Framework.Version},
		{Name: "Made", Value: r.Time.Format(time.RFC3339)},
		{Name: "Installation", Value: orNone(r.Subject.Installation)},
		{Name: "Release", Value: "darkroom " + r.Subject.Release},
		{Name: "Region and accounts", Value: r.Subject.Region + "; " + strings.Join(r.Subject.Accounts, ", ")},
		{Name: "Settings", Value: r.Subject.Settings},
	}
	if r.Subject.URL != "" {
		f = append(f, inspect.Fact{Name: "Listener", Value: r.Subject.URL})
	}
	return f
}

func orNone(s string) string {
	if s == "" {
		return "(none)"
	}
	return s
}

// Legend says what each status means.
var Legend = []inspect.Fact{
	{Name: "met", Value: "every check of what Darkroom does has passed just now; what stays with the customer is not judged"},
	{Name: "gap", Value: "a check has failed; how to mend it is said"},
	{Name: "not checked", Value: "not all could be shown on this installation; why is said"},
	{Name: "customer's duty", Value: "there is nothing that Darkroom could do about it"},
	{Name: "not applicable", Value: "it is about something that is not here"},
}

// Caveat is what every report says of itself.
const Caveat = "Controls are described in our own words; what counts is the text of the framework. A report shows how one installation stood at one moment, as the machine itself says: it replaces no audit."

// Markdown writes a report as CommonMark with tables.
func Markdown(r Report) []byte {
	var b strings.Builder
	fmt.Fprintf(&b, "# %s\n\n", mdText(r.Title()))
	b.WriteString("| | |\n|---|---|\n")
	for _, f := range r.About() {
		fmt.Fprintf(&b, "| %s | %s |\n", mdText(f.Name), mdText(f.Value))
	}
	fmt.Fprintf(&b, "\nSource: %s\n\n%s\n\n%s\n\n## Summary\n\n| status | controls | meaning |\n|---|---:|---|\n", mdText(r.Framework.Source), mdText(r.Framework.Note), Caveat)
	for i, s := range Statuses {
		fmt.Fprintf(&b, "| %s | %d | %s |\n", s, r.Summary[s.String()], mdText(Legend[i].Value))
	}
	group := ""
	for _, v := range r.Verdicts {
		if v.Group != group {
			group = v.Group
			fmt.Fprintf(&b, "\n## %s: %s\n", mdText(v.Group), mdText(v.GroupTitle))
		}
		fmt.Fprintf(&b, "\n### %s: %s\n\n**%s**%s. %s\n\n- Asks: %s\n", mdText(v.ID), mdText(v.Control.Title), v.Status, own(v.Control), mdText(v.Why), mdText(v.Asks))
		for _, d := range v.Does {
			fmt.Fprintf(&b, "- Darkroom: %s\n", mdText(d))
		}
		if len(v.Checks) > 0 {
			var ids []string
			for _, id := range v.Checks {
				ids = append(ids, "["+mdText(id)+"](#"+anchor(id)+")")
			}
			fmt.Fprintf(&b, "- Checked: %s\n", strings.Join(ids, ", "))
		}
		for _, m := range v.Mend {
			fmt.Fprintf(&b, "- Mend: %s\n", mdText(m))
		}
		if len(v.Evidence) > 0 {
			fmt.Fprintf(&b, "- Evidence: %s\n", mdText(strings.Join(v.Evidence, ", ")))
		}
		if v.Customer != "" {
			fmt.Fprintf(&b, "- Customer's duty: %s\n", mdText(v.Customer))
		}
	}
	b.WriteString("\n## What was checked\n")
	for _, c := range r.Results {
		fmt.Fprintf(&b, "\n### <a id=\"%s\"></a>%s\n\n%s (%s, %s): **%s**. %s\n", anchor(c.Check), mdText(c.Check), mdText(c.Title), c.Kind, c.Time.Format(time.RFC3339), c.State, mdText(sentence(c.Found)))
		if c.Mend != "" {
			fmt.Fprintf(&b, "\nMend: %s\n", mdText(c.Mend))
		}
		if len(c.Facts) > 0 {
			b.WriteString("\n| seen | |\n|---|---|\n")
			for _, f := range c.Facts {
				fmt.Fprintf(&b, "| %s | %s |\n", mdText(f.Name), mdText(f.Value))
			}
		}
	}
	return []byte(b.String())
}

func own(c Control) string {
	if c.Unnumbered {
		return " (own number)"
	}
	return ""
}

// anchor is a name that links lead to.
func anchor(id string) string {
	return "check-" + strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '-' {
			return r
		}
		return '-'
	}, id)
}

// mdText is a text that Markdown shows as it is, on one line: what could be markup, HTML or the end of a table's cell is escaped.
func mdText(s string) string {
	var b strings.Builder
	for _, r := range clean(s) {
		switch r {
		case '\\', '`', '*', '_', '[', ']', '<', '>', '|', '&', '#', '~', '$':
			b.WriteByte('\\')
		}
		b.WriteRune(r)
	}
	return b.String()
}

// clean makes one line of a text that may come from outside: control characters, those that change the direction of writing, and what is no UTF-8 are shown by
// their numbers.
func clean(s string) string {
	var b strings.Builder
	for _, r := range s {
		switch {
		case r == '\n' || r == '\t' || r == '\r':
			b.WriteByte(' ')
		case r < 0x20, r >= 0x7f && r < 0xa0, r == 0x200e, r == 0x200f, r == 0x2028, r == 0x2029, r >= 0x202a && r <= 0x202e, r >= 0x2066 && r <= 0x2069, r == 0xfeff, r == 0xfffd:
			fmt.Fprintf(&b, "\\u%04X", r)
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// Doc writes the page that says how the controls of all frameworks are met and who does what, from the tables alone.
func Doc() ([]byte, error) {
	all, err := load()
	if err != nil {
		return nil, err
	}
	checks := map[string]inspect.Check{}
	for _, c := range inspect.All() {
		checks[c.ID] = c
	}
	var b strings.Builder
	b.WriteString(docHead)
	b.WriteString("\n## What is checked\n\n| check | how | what |\n|---|---|---|\n")
	for _, c := range inspect.All() {
		fmt.Fprintf(&b, "| %s | %s | %s |\n", mdText(c.ID), c.Kind, mdText(c.Title))
	}
	for _, id := range Order {
		f := all.frameworks[id]
		fmt.Fprintf(&b, "\n## %s\n\n`--framework %s`, version %s. Source: %s %s\n", mdText(f.Name), f.ID, mdText(f.Version), mdText(f.Source), mdText(f.Note))
		for _, g := range f.Groups {
			fmt.Fprintf(&b, "\n### %s %s\n\n| control | asks | Darkroom, shown by | customer's duty |\n|---|---|---|---|\n", mdText(g.ID), mdText(g.Title))
			for _, c := range g.Controls {
				var does []string
				for _, name := range c.Practices {
					shown := "by how it is made"
					if p := all.practices[name]; len(p.Checks) > 0 {
						shown = strings.Join(p.Checks, ", ")
					}
					does = append(does, name+" ("+shown+")")
				}
				what := strings.Join(does, "; ")
				if c.Not != "" {
					what = "not applicable: " + c.Not
				}
				fmt.Fprintf(&b, "| %s %s%s | %s | %s | %s |\n", mdText(c.ID), mdText(c.Title), own(c), mdText(c.Asks), mdText(what), mdText(c.Customer))
			}
		}
	}
	b.WriteString("\n## What Darkroom does\n\n| practice | |\n|---|---|\n")
	for _, name := range practiceNames(all.practices) {
		fmt.Fprintf(&b, "| %s | %s |\n", mdText(name), mdText(all.practices[name].Does))
	}
	return []byte(b.String()), nil
}
