package main

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"darkroom/internal/audit"
	"darkroom/internal/config"
	"darkroom/internal/egress"
	"darkroom/internal/job"
	"darkroom/internal/lease"
)

// TestPurposes: the configuration knows the purposes that there are, and no other.
func TestPurposes(t *testing.T) {
	t.Parallel()
	var known []string
	for _, p := range egress.Purposes {
		known = append(known, string(p))
	}
	if diff := cmp.Diff(known, config.Purposes); diff != "" {
		t.Errorf("-egress +config\n%s", diff)
	}
}

func TestEgressOptions(t *testing.T) {
	t.Parallel()
	got, err := egressOptions(config.Egress{
		Allow:    []config.Allow{{Net: "10.0.0.0/8", Ports: []int{443}, For: []string{"input", "speke"}}},
		Restrict: []config.Restrict{{For: []string{"webhook"}, Hosts: []string{"*.example.com"}, Nets: []string{"192.0.2.0/24"}, Ports: []int{443}}},
		Rate:     1 << 20,
	})
	want := egress.Options{
		Rules:        []egress.Rule{{Net: netip.MustParsePrefix("10.0.0.0/8"), Ports: []int{443}, For: []egress.Purpose{egress.Input, egress.SPEKE}}},
		Restrictions: []egress.Restriction{{For: []egress.Purpose{egress.Webhook}, Hosts: []string{"*.example.com"}, Nets: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}, Ports: []int{443}}},
		Rate:         1 << 20,
	}
	if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })); err != nil || diff != "" {
		t.Errorf("%v, -want +got\n%s", err, diff)
	}
	if _, err := egressOptions(config.Egress{CAFile: "/nonexistent"}); err == nil {
		t.Error("authorities that cannot be read are none")
	}
}

// connections are what the trail of a server says of connections, the oldest first.
func (i *installation) connections() []audit.ServiceEvent {
	i.t.Helper()
	all, err := i.records.Concluded(i.t.Context(), "", 0, 1000)
	if err != nil {
		i.t.Fatal(err)
	}
	var out []audit.ServiceEvent
	for _, entry := range all {
		r, err := entry.Decode()
		if err != nil {
			i.t.Fatal(err)
		}
		if e, ok := r.Event(); ok && e.Dial != nil {
			out = append(out, e)
		}
	}
	return out
}

// TestDialled: what a worker tells of a connection is written down under the job or the caller that the records know, and one that holds neither may
// not connect.
func TestDialled(t *testing.T) {
	t.Parallel()
	i := install(t)
	role := "arn:aws:iam::" + house + ":role/MediaConvert_Default_Role"
	j := &job.Job{
		ID: "1795700000000-abcdef", Account: house, Queue: "arn:aws:mediaconvert:us-east-1:" + house + ":queues/Default", Role: role, Status: job.Submitted, Request: []byte("{}"),
		Settings:  []byte(`{"inputs":[{"fileInput":"https://media.example/film.mp4"}],"outputGroups":[{"outputGroupSettings":{"type":"FILE_GROUP_SETTINGS","fileGroupSettings":{"destination":"s3://out/x"}}}]}`),
		Submitted: time.Now(), LastStatusTime: time.Now(),
	}
	if _, err := i.queue.Submit(t.Context(), j); err != nil {
		t.Fatal(err)
	}
	l, err := i.queue.Claim(t.Context(), "w")
	if err != nil {
		t.Fatal(err)
	}
	probing, stop := context.WithCancel(t.Context())
	asked := make(chan struct{})
	go func() {
		defer close(asked)
		_, _ = i.probes.Do(probing, lease.Probe{URI: "https://media.example/x", Caller: "arn:aws:iam::" + house + ":user/ann"})
	}()
	p, err := i.probes.NextProbe(t.Context(), "w")
	if err != nil {
		t.Fatal(err)
	}
	good := lease.Dial{TaskID: l.TaskID, Epoch: l.Epoch, Purpose: "input", Host: "media.example", Address: "192.0.2.1:443", Port: 443, Outcome: "intended"}
	with := func(edit func(*lease.Dial)) lease.Dial {
		d := good
		edit(&d)
		return d
	}
	for _, tt := range []struct {
		name string
		dial lease.Dial
		want error // errAny for any
	}{
		{"of the job", good, nil},
		{"of the job, refused", with(func(d *lease.Dial) { d.Outcome, d.Address, d.Why = "denied", "", "no" }), nil},
		{"of the probe", with(func(d *lease.Dial) { d.TaskID, d.Epoch, d.ProbeID = "", 0, p.ID }), nil},
		{"of nobody", with(func(d *lease.Dial) { d.TaskID, d.Epoch = "", 0 }), lease.ErrLost},
		{"of another task", with(func(d *lease.Dial) { d.TaskID = "x" }), lease.ErrLost},
		{"of another epoch", with(func(d *lease.Dial) { d.Epoch++ }), lease.ErrLost},
		{"of another probe", with(func(d *lease.Dial) { d.ProbeID = "x" }), lease.ErrLost},
		{"without an outcome", with(func(d *lease.Dial) { d.Outcome = "" }), errAny},
		{"of an outcome that is none", with(func(d *lease.Dial) { d.Outcome = "granted" }), errAny},
		{"a long host", with(func(d *lease.Dial) { d.Host = strings.Repeat("a", 10_000) }), errAny},
		{"a long reason", with(func(d *lease.Dial) { d.Why = strings.Repeat("a", 10_000) }), errAny},
	} {
		err := i.dials.Dialled(t.Context(), tt.dial)
		if tt.want == nil && err != nil || tt.want != nil && err == nil || tt.want == lease.ErrLost && !errors.Is(err, lease.ErrLost) {
			t.Errorf("%s: got %v, want %v", tt.name, err, tt.want)
		}
	}
	stop()
	<-asked
	if err := i.dials.Dialled(t.Context(), with(func(d *lease.Dial) { d.TaskID, d.ProbeID = "", p.ID })); !errors.Is(err, lease.ErrLost) {
		t.Errorf("of a probe that nobody waits for any more: %v", err)
	}
	if err := i.queue.Finish(t.Context(), l, lease.Result{Error: &lease.Failure{Code: 1010, Message: "m"}}); err != nil {
		t.Fatal(err)
	}
	if err := i.dials.Dialled(t.Context(), good); !errors.Is(err, lease.ErrLost) {
		t.Errorf("of a job that has ended: %v", err)
	}
	got := i.connections()
	if len(got) != 3 {
		t.Fatalf("%d records: %+v", len(got), got)
	}
	of := "arn:aws:mediaconvert:us-east-1:" + house + ":jobs/" + j.ID
	if r := got[0]; r.Principal != role || !slices.Equal(r.Resources, []string{of}) || r.Outcome != audit.Intended || r.Service != "egress" ||
		*r.Dial != (audit.Dial{Purpose: "input", Host: "media.example", Address: "192.0.2.1:443", Port: 443}) {
		t.Errorf("of the job: %+v %+v", r, r.Dial)
	}
	if r := got[1]; r.Outcome != audit.Denied || r.Reason != "no" {
		t.Errorf("refused: %+v", r)
	}
	if r := got[2]; r.Principal != "arn:aws:iam::"+house+":user/ann" || len(r.Resources) > 0 {
		t.Errorf("of the probe: %+v", r)
	}
}

// errAny stands for any error.
var errAny = errors.New("any")

// TestDialsBeforeTheTrail: connections that are made before there is a trail are written down when there is one; without end they are not made.
func TestDialsBeforeTheTrail(t *testing.T) {
	t.Parallel()
	d := &dials{}
	to := egress.Dial{Purpose: egress.KMS, Host: "keys.example", Port: 443, Outcome: egress.Intended}
	for range maxWaiting {
		if err := d.record(t.Context(), to); err != nil {
			t.Fatal(err)
		}
	}
	if d.record(t.Context(), to) == nil {
		t.Error("there is no end to what waits")
	}
	broken := errors.New("the disk is full")
	if err := d.open(t.Context(), func(context.Context, audit.ServiceEvent) error { return broken }); !errors.Is(err, broken) {
		t.Errorf("a trail that takes nothing: %v", err)
	}
	var written []audit.ServiceEvent
	keep := func(_ context.Context, r audit.ServiceEvent) error {
		if len(written) > maxWaiting {
			return broken
		}
		written = append(written, r)
		return nil
	}
	if err := d.open(t.Context(), keep); err != nil || len(written) != maxWaiting || written[0].Dial.Purpose != "kms" {
		t.Errorf("%d were written down, %v", len(written), err)
	}
	if err := d.record(t.Context(), to); err != nil || len(written) != maxWaiting+1 {
		t.Errorf("%d were written down, %v", len(written), err)
	}
	if err := d.record(t.Context(), to); !errors.Is(err, broken) {
		t.Errorf("one that cannot be written down: %v", err)
	}
}
