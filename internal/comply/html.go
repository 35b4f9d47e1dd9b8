package comply

import (
	"bytes"
	_ "embed" // the page
	"fmt"
	"html/template"
	"strings"
	"sync"
)

//go:embed report.html
var pageText string

var page = sync.OnceValue(func() *template.Template {
	return template.Must(template.New("report").Funcs(template.FuncMap{
		"clean": clean, "anchor": anchor, "sentence": sentence, "join": strings.Join,
		"class": func(s fmt.Stringer) string { return strings.NewReplacer(" ", "-", "'", "").Replace(s.String()) },
	}).Parse(pageText))
})

// HTML writes a report as one page that needs nothing else, prints well, and runs no script. Everything in it is escaped.
func HTML(r Report) ([]byte, error) {
	type count struct {
		Status  Status
		N       int
		Meaning string
	}
	data := struct {
		Report
		Counts []count
		Caveat string
	}{Report: r, Caveat: Caveat}
	for i, s := range Statuses {
		data.Counts = append(data.Counts, count{s, r.Summary[s.String()], Legend[i].Value})
	}
	var b bytes.Buffer
	if err := page().Execute(&b, data); err != nil {
		return nil, fmt.Errorf("write the report: %w", err)
	}
	return b.Bytes(), nil
}
