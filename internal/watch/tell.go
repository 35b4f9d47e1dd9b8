package watch

import (
	"context"
	"encoding/json"
	"strings"
	"time"

	"darkroom/internal/audit"
	"darkroom/internal/event"
	"darkroom/internal/siem"
)

// The names of alerts in the trail.
const (
	alertName    = siem.AlertName
	alertService = "darkroom"
	alertSource  = alertService + ".amazonaws.com"
)

// The source and the detail type of the events of alerts.
const (
	EventSource = "darkroom.audit"
	DetailType  = "Darkroom Audit Alert"
)

// detail is what an alert says, in its event and, member by member, in the additionalEventData of its record.
type detail struct {
	Rule       Rule   `json:"rule"`
	Subject    string `json:"subject"`
	Message    string `json:"message"`
	Count      int64  `json:"count"`
	Bytes      int64  `json:"bytes,omitempty"`
	Window     int64  `json:"windowSeconds,omitempty"`
	Cause      string `json:"cause"`                // eventID of the record that made it, where there is one
	Suppressed int64  `json:"suppressed,omitempty"` // how often the same was found since it was told of last
}

// tell gives an alert, unless the same was given not long ago or lasts.
func (w *Watch) tell(ctx context.Context, a Alert, lasts bool) error {
	if w.settings[a.Rule].Off {
		return nil
	}
	now := w.o.Now()
	a, suppressed, again := w.due(a, now, lasts)
	if !again {
		return nil
	}
	d := detail{Rule: a.Rule, Subject: a.Subject, Message: a.Message, Count: a.Count, Bytes: a.Bytes, Cause: a.Cause, Suppressed: suppressed}
	if a.Rule.Takes() {
		d.Window = int64(w.settings[a.Rule].Window / time.Second)
	}
	e := audit.ServiceEvent{Time: now, Service: alertService, Action: alertName, Outcome: audit.Granted}
	if strings.HasPrefix(a.Subject, "arn:") {
		e.Resources = []string{a.Subject}
	}
	r := e.Record(w.o.Region, a.Account)
	r.RecipientAccountID = a.Account
	r.EventID, r.EventCategory, r.ManagementEvent = eventID(a), audit.Management, true
	text, err := json.Marshal(d)
	if err != nil {
		return err // strings and numbers always are JSON
	}
	if err := json.Unmarshal(text, &r.AdditionalEventData); err != nil {
		return err
	}
	w.o.Log.Warn("alert", "rule", string(a.Rule), "account", a.Account, "subject", a.Subject, "count", a.Count, "bytes", a.Bytes, "message", a.Message, "eventId", r.EventID)
	if err := w.persist(ctx, func() error { return w.record(ctx, r) }); err != nil {
		return err
	}
	return w.persist(ctx, func() error {
		resources := []string{}
		for _, on := range r.Resources {
			resources = append(resources, on.ARN)
		}
		return w.o.Emit(ctx, event.Event{
			Version: "0", ID: r.EventID, DetailType: DetailType, Source: EventSource, Account: a.Account, Time: r.EventTime, Region: w.o.Region, Resources: resources, Detail: text,
		})
	})
}

// record writes the record of an alert, once.
func (w *Watch) record(ctx context.Context, r audit.Record) error {
	there, err := w.o.Trail.Find(ctx, audit.Query{Account: r.RecipientAccountID, EventID: r.EventID, Limit: 1})
	if err != nil || len(there) > 0 {
		return err
	}
	return w.o.Trail.Audit(ctx, r)
}

// due decides whether an alert is given, and notes that it was. A rule that has told of many subjects tells of the others together.
func (w *Watch) due(a Alert, now time.Time, lasts bool) (out Alert, suppressed int64, again bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	k := key{a.Rule, a.Account, a.Subject}
	t := w.told[k]
	if t == nil && !lasts {
		n := 0
		for other, t := range w.told {
			if other.rule == a.Rule && w.quiet(a.Rule, t, now) {
				n++
			}
		}
		if n >= MaxAlerts {
			a.Subject, a.Message = Others, "Many together: "+words[a.Rule]
			k.subject = Others
			t = w.told[k]
		}
	}
	if t != nil && (lasts && t.lasts || w.quiet(a.Rule, t, now)) {
		t.suppressed++
		t.lasts = t.lasts || lasts
		return a, 0, false
	}
	if t != nil {
		suppressed = t.suppressed
	}
	if len(w.told) > MaxAlerts*len(Rules) { // what is not quiet any more
		for other, t := range w.told {
			if !t.lasts && !w.quiet(other.rule, t, now) {
				delete(w.told, other)
			}
		}
	}
	w.told[k] = &told{at: now, lasts: lasts}
	return a, suppressed, true
}

// remember notes an alert that was given before.
func (w *Watch) remember(r *audit.Record) {
	var d detail
	text, err := json.Marshal(r.AdditionalEventData)
	if err != nil || json.Unmarshal(text, &d) != nil || words[d.Rule] == "" {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	k := key{d.Rule, r.RecipientAccountID, d.Subject}
	if t := w.told[k]; t == nil || r.EventTime.After(t.at) && !t.lasts {
		w.told[k] = &told{at: r.EventTime}
	}
}
