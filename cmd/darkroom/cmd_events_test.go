package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"darkroom/internal/audit"
	"darkroom/internal/store"
)

// TestEventsDeliveries: what was given up is listed with its event, beside the server that has it, and that it was read is on record.
func TestEventsDeliveries(t *testing.T) {
	t.Parallel()
	i := install(t)
	if err := i.announce("https://127.0.0.1:1"); err != nil {
		t.Fatal(err)
	}
	const n = 2*deliveryPage + 1 // more than one page
	var add []store.Delivery
	for k := range n {
		add = append(add, store.Delivery{Account: house, Target: "rule/" + house + "/r/a", Lane: fmt.Sprint(k), Event: fmt.Appendf(nil, `{"id":"%d"}`, k), State: store.Failed, Reason: "TARGET_REFUSED: HTTP status 400"})
	}
	add = append(
		add, store.Delivery{Account: house, Target: "rule/" + house + "/r/b", Lane: "l", Event: []byte(`{"id":"dropped"}`), Input: []byte("text"), Subject: "job", State: store.Dropped},
		store.Delivery{Account: strange, Target: "rule/" + strange + "/r/a", Lane: "l", Event: []byte(`{"id":"strange"}`), State: store.Failed},
		store.Delivery{Account: house, Target: "rule/" + house + "/r/c", Lane: "waits", Event: []byte(`{"id":"waits"}`)},
	)
	if err := i.records.Dispatch(t.Context(), 0, time.Now(), add); err != nil {
		t.Fatal(err)
	}
	ids := func(args ...string) (out []string) {
		t.Helper()
		var stdout, stderr bytes.Buffer
		if err := eventsMain(t.Context(), append([]string{"deliveries", "--data", i.cfg.Data}, args...), &stdout, &stderr); err != nil || stderr.Len() > 0 {
			t.Fatalf("%v: %v, %s", args, err, stderr.String())
		}
		for line := range strings.Lines(stdout.String()) {
			var d struct {
				State, Reason string
				Event         struct{ ID string }
			}
			if err := json.Unmarshal([]byte(line), &d); err != nil || d.State == string(store.Failed) && d.Reason == "" && !strings.Contains(line, strange) {
				t.Errorf("%s: %v", line, err)
			}
			out = append(out, d.Event.ID)
		}
		return out
	}
	var all []string
	for k := range n {
		all = append(all, fmt.Sprint(n-1-k))
	}
	for _, c := range []struct {
		args []string
		want []string
	}{
		{nil, append([]string{"dropped"}, all...)},
		{[]string{"--state", "failed"}, all},
		{[]string{"--state", "failed", "--limit", "3"}, all[:3]},
		{[]string{"--limit", fmt.Sprint(deliveryPage + 2), "--state", "failed"}, all[:deliveryPage+2]},
		{[]string{"--state", "delivered"}, nil},
		{[]string{"--account", strange}, []string{"strange"}},
	} {
		if d := cmp.Diff(c.want, ids(c.args...)); d != "" {
			t.Errorf("%v (-want +got):\n%s", c.args, d)
		}
	}
	for _, args := range [][]string{{"--state", "waiting"}, {"--limit", "-1"}, {"x"}} {
		if err := eventsMain(t.Context(), append([]string{"deliveries", "--data", i.cfg.Data}, args...), new(bytes.Buffer), new(bytes.Buffer)); err == nil {
			t.Errorf("%v is taken", args)
		}
	}
	found, err := i.records.Find(t.Context(), audit.Query{Account: house, Name: "DeliveriesQueried", Limit: 10})
	if err != nil || len(found) != 5 {
		t.Errorf("%d records that it was read, %v; want 5", len(found), err)
	}
}
