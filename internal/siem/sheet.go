package siem

import (
	"encoding/csv"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"darkroom/internal/audit"
)

// maxCell bounds a cell of a table, in characters.
const maxCell = 80

// sheetColumns are the columns of CSV.
var sheetColumns = []string{
	"position", "eventTime", "outcome", "account", "principal", "user", "accessKeyId", "service", "action", "sourceIPAddress", "userAgent", "errorCode", "errorMessage",
	"readOnly", "requestID", "eventID", "resources",
}

// Sheet writes entries as CSV (RFC 4180) for spreadsheets: a cell that would begin a formula begins with an apostrophe, and what would not be seen is written out.
type Sheet struct{ w *csv.Writer }

// NewSheet begins a sheet with its header.
func NewSheet(w io.Writer) (*Sheet, error) {
	s := &Sheet{csv.NewWriter(w)}
	return s, s.w.Write(sheetColumns)
}

// Write adds a row.
func (s *Sheet) Write(e audit.Entry) error {
	r, err := e.Decode()
	if err != nil {
		r = audit.Record{ErrorCode: "UnreadableRecord"}
	}
	var on []string
	for _, res := range r.Resources {
		on = append(on, res.ARN)
	}
	row := []string{
		strconv.FormatInt(e.Position, 10), r.EventTime.UTC().Format(time.RFC3339), string(r.Outcome()), e.Account, r.UserIdentity.ARN, r.UserIdentity.User(), r.UserIdentity.AccessKeyID,
		service(&r), r.EventName, r.SourceIPAddress, r.UserAgent, r.ErrorCode, r.ErrorMessage, strconv.FormatBool(r.ReadOnly), r.RequestID, r.EventID, strings.Join(on, " "),
	}
	for i := range row {
		row[i] = cell(row[i])
	}
	return s.w.Write(row)
}

// Flush writes what is buffered.
func (s *Sheet) Flush() error {
	s.w.Flush()
	return s.w.Error()
}

// cell is a text that a spreadsheet takes for one: neither a formula nor a way to write over what is before it.
func cell(s string) string {
	if s != "" && strings.ContainsRune("=+-@\t\r\n＝＋－＠", firstRune(s)) {
		return "'" + Visible(s)
	}
	return Visible(s)
}

func firstRune(s string) rune {
	r, _ := utf8.DecodeRuneInString(s)
	return r
}

// Visible writes out what a terminal or a page would obey or hide: control characters, marks of direction, bytes that are no UTF-8.
func Visible(s string) string {
	fine := func(r rune) bool {
		return r != utf8.RuneError && (r == ' ' || unicode.IsGraphic(r) && !unicode.Is(unicode.Cf, r))
	}
	if strings.IndexFunc(s, func(r rune) bool { return !fine(r) }) < 0 {
		return s
	}
	var b strings.Builder
	for i, r := range s {
		switch {
		case fine(r):
			b.WriteRune(r)
		case r == utf8.RuneError && s[i] != "\ufffd"[0]:
			fmt.Fprintf(&b, `\x%02x`, s[i])
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return b.String()
}

// TableHeader is the first line of a table.
const TableHeader = "TIME                  OUTCOME      WHO                   ACTION                          ON\n"

// TableRow is an entry as a line of a table.
func TableRow(e audit.Entry) string {
	r, err := e.Decode()
	if err != nil {
		return fmt.Sprintf("%-21s %-12s %-21s %s\n", "-", "unreadable", "-", "position "+strconv.FormatInt(e.Position, 10))
	}
	who, on := r.UserIdentity.User(), ""
	if who == "" {
		who = "-"
	}
	if len(r.Resources) > 0 {
		on = r.Resources[0].ARN
	}
	if d := r.ServiceEventDetails; d != nil && d.Dial != nil {
		on = d.Dial.Host + ":" + strconv.Itoa(d.Dial.Port)
	}
	if r.ErrorCode != "" {
		on = strings.TrimSpace(r.ErrorCode + " " + on)
	}
	if r.EventName == AlertName {
		on = text(r.AdditionalEventData["message"])
	}
	return strings.TrimRight(fmt.Sprintf("%-21s %-12s %-21s %-31s %s", r.EventTime.UTC().Format(time.RFC3339), Visible(string(r.Outcome())), short(who), short(service(&r)+":"+r.EventName), short(on)), " ") + "\n"
}

// short is a text as a cell of a table.
func short(s string) string {
	s = Visible(s)
	if utf8.RuneCountInString(s) > maxCell {
		s = string([]rune(s)[:maxCell-1]) + "…"
	}
	return s
}
