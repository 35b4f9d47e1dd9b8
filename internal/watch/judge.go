package watch

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"darkroom/internal/audit"
	"darkroom/internal/siem"
)

// Alert is something that was found.
type Alert struct {
	Rule             Rule
	Account, Subject string
	Message          string
	Count, Bytes     int64  // within the window
	Cause            string // the eventID of the record that made it, or what else tells this alert from others
}

// judge asks every rule about a record.
func (w *Watch) judge(r *audit.Record, found func(Alert)) {
	if r.EventName == alertName && r.EventSource == alertSource {
		w.remember(r)
		return
	}
	at := w.time(r.EventTime)
	outcome := r.Outcome()
	who := cmp.Or(r.UserIdentity.ARN, r.UserIdentity.User())
	hit := func(rule Rule, subject string, bytes int64, message string) {
		w.hit(rule, r, at, subject, bytes, message, found)
	}
	if r.UserIdentity.Type == "Root" && r.EventType == audit.APICall {
		hit(RootUsed, who, 0, "The account root has called "+r.EventName+".")
		if k := r.UserIdentity.AccessKeyID; len(k) > 4 && k[:4] == "AKIA" {
			hit(RootKeyUsed, k, 0, "The access key "+k+" of the account root has called "+r.EventName+".")
		}
	}
	if r.ServiceEventDetails != nil && r.ServiceEventDetails.Dial != nil {
		if d := r.ServiceEventDetails.Dial; outcome == audit.Denied {
			hit(EgressRefused, d.Purpose+" "+d.Host, 0, "A connection to "+d.Host+" for "+d.Purpose+" was refused.")
		}
		return
	}
	if outcome == audit.Denied {
		w.denied(r, at, who, found)
	}
	if outcome == audit.Granted && r.EventSource == "s3.amazonaws.com" && r.EventName == "GetObject" && r.UserIdentity.InvokedBy == "" { // what jobs read is asked of jobs
		var bytes int64
		_ = json.Unmarshal(r.AdditionalEventData["bytesTransferredOut"], &bytes) // what is not told is 0
		hit(MassDownload, who, max(0, bytes), who+" reads unusually much.")
	}
	if outcome == audit.Granted && slices.Contains(controls[r.EventSource], r.EventName) {
		subject := who
		if len(r.Resources) > 0 {
			subject = r.Resources[0].ARN
		}
		hit(ControlDisabled, subject, 0, who+" has called "+r.EventName+" on "+subject+".")
	}
	if outcome == audit.Granted && siem.IsSignIn(r) && (r.UserIdentity.Type == "IAMUser" || r.UserIdentity.Type == "Root") && !siem.WithMFA(r) {
		hit(SignInWithoutMFA, who, 0, who+" has called "+r.EventName+" without a second factor.")
	}
}

// denied counts a denial for who was denied, and for where they are.
func (w *Watch) denied(r *audit.Record, at time.Time, who string, found func(Alert)) {
	if who != "" {
		w.hit(PrincipalDenied, r, at, who, 0, who+" was denied again and again, at last "+r.EventName+".", found)
	}
	if a, err := netip.ParseAddr(r.SourceIPAddress); err == nil {
		w.hit(SourceDenied, r, at, a.String(), 0, a.String()+" was denied again and again.", found)
	}
}

// hit counts for a rule, and alerts where its bounds are reached.
func (w *Watch) hit(rule Rule, r *audit.Record, at time.Time, subject string, bytes int64, message string, found func(Alert)) {
	s := w.settings[rule]
	if s.Off {
		return
	}
	account := cmp.Or(r.RecipientAccountID, w.o.Accounts[0])
	count, sum, counted := w.counters[rule].add(account+" "+subject, at, 1, bytes)
	if count < s.Count && (s.Bytes == 0 || sum < s.Bytes) {
		return
	}
	if counted == Others {
		subject, message = Others, "Many together: "+words[rule]
	}
	found(Alert{Rule: rule, Account: account, Subject: subject, Message: message, Count: count, Bytes: sum, Cause: r.EventID})
}

// time is when a record counts: a call that took long counts when it is told, which is when the trail has come to.
func (w *Watch) time(t time.Time) time.Time {
	if t.After(w.trailTime) || t.Before(w.trailTime.Add(-longest)) {
		w.trailTime = t
	}
	return w.trailTime
}

// stranger judges a refusal that is in no trail.
func (w *Watch) stranger(ctx context.Context, r *audit.Record) error {
	var alerts []Alert
	found := func(a Alert) { alerts = append(alerts, a) }
	at := w.o.Now()
	if a, err := netip.ParseAddr(r.SourceIPAddress); err == nil {
		w.hit(SourceDenied, r, at, a.String(), 0, a.String()+" was denied again and again.", found)
	}
	if n := w.lost.Swap(0); n > 0 && !w.settings[SourceDenied].Off {
		w.counters[SourceDenied].addOthers(at, n)
		found(Alert{Rule: SourceDenied, Account: w.o.Accounts[0], Subject: Others, Message: "More requests of unknown principals were refused than could be counted one by one.", Count: n, Cause: r.EventID})
	}
	for _, a := range alerts {
		if err := w.tell(ctx, a, false); err != nil {
			return err
		}
	}
	return nil
}

// check looks at the clock, the end of the trail, and the conditions.
func (w *Watch) check(ctx context.Context) error {
	now, running := w.o.Now().Round(0), w.o.Running()
	if back := (running - w.running) - now.Sub(w.wall); back > ClockTolerance {
		w.trailTime = now
		if err := w.tell(ctx, Alert{
			Rule: ClockBack, Account: w.o.Accounts[0], Subject: "clock", Count: 1, Cause: fmt.Sprint("clock-", w.wall.UnixNano(), "-", running),
			Message: fmt.Sprintf("The clock was put back by %s.", back.Round(time.Second)),
		}, false); err != nil {
			return err
		}
	}
	w.wall, w.running = now, running
	last, err := w.o.Trail.Position(ctx)
	if err != nil {
		w.o.Log.Warn("the watch cannot ask for the end of the audit trail", "err", err)
	} else if last < w.position {
		if err := w.tell(ctx, Alert{
			Rule: AuditGap, Account: w.o.Accounts[0], Subject: "end", Count: w.position - last, Cause: fmt.Sprint("end-", last),
			Message: fmt.Sprintf("The audit trail ends at position %d, and was seen to reach %d.", last, w.position),
		}, false); err != nil {
			return err
		}
	}
	return w.conditions(ctx, now)
}

// conditions tells of what has begun, and forgets what has ended.
func (w *Watch) conditions(ctx context.Context, now time.Time) error {
	lasts := map[key]bool{}
	for _, c := range w.o.Conditions(ctx, now) {
		if w.settings[c.Rule].Off {
			continue
		}
		account := cmp.Or(c.Account, w.o.Accounts[0])
		lasts[key{c.Rule, account, c.Subject}] = true
		if err := w.tell(ctx, Alert{Rule: c.Rule, Account: account, Subject: c.Subject, Message: c.Message, Count: 1, Cause: fmt.Sprint("since-", now.UnixNano())}, true); err != nil {
			return err
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for k, t := range w.told {
		if t.lasts && !lasts[k] {
			t.lasts = false
			if k.rule == DigestLate || k.rule == DeliveryStuck {
				delete(w.told, k) // when it comes back, it is told again
			}
		}
		// One that was suppressed is kept for a while, so that the next says how often.
		if age := now.Sub(t.at); !t.lasts && !w.quiet(k.rule, t, now) && (t.suppressed == 0 || age < 0 || age > 2*w.settings[k.rule].Quiet) {
			delete(w.told, k)
		}
	}
	return nil
}
