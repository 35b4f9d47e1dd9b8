package api_test

import (
	"strings"
	"testing"
	"time"

	"darkroom/internal/api"
)

// TestThrottle: an account that asks too often is told when to come back, and costs another nothing.
func TestThrottle(t *testing.T) {
	t.Parallel()
	now := start
	b := newBench(t, func(o *api.Options) {
		o.Throttle = api.Throttle{Rate: 0.25, Burst: 3}
		o.Now = func() time.Time { return now }
	})
	get := func() (int, string, string) {
		resp, body := b.send("ROOT", "GET", "/2017-08-29/policy", "")
		return resp.StatusCode, resp.Header.Get("Retry-After"), resp.Header.Get("X-Amzn-ErrorType") + body
	}
	for range 3 {
		if status, _, body := get(); status != 200 {
			t.Fatalf("within the burst: %d %s", status, body)
		}
	}
	for range 2 { // what is refused costs no token
		if status, after, body := get(); status != 429 || after != "4" || !strings.HasPrefix(body, "TooManyRequestsException") {
			t.Errorf("beyond it: %d, Retry-After %q, %s", status, after, body)
		}
	}
	now = now.Add(3 * time.Second)
	if status, after, _ := get(); status != 429 || after != "1" {
		t.Errorf("a second early: %d, Retry-After %q", status, after)
	}
	now = now.Add(time.Second)
	if status, _, body := get(); status != 200 {
		t.Errorf("in time: %d %s", status, body)
	}
	now = now.Add(time.Hour)
	for i := range 4 {
		if status, _, _ := get(); (status == 200) != (i < 3) {
			t.Errorf("request %d after a rest: %d", i+1, status)
		}
	}
	// Who may not ask at all does not use up what others may.
	b.people.users["nobody"] = ""
	now = now.Add(time.Hour)
	for range 5 {
		if resp, _ := b.send("nobody", "GET", "/2017-08-29/policy", ""); resp.StatusCode != 403 {
			t.Errorf("a stranger: %d", resp.StatusCode)
		}
	}
	if status, _, body := get(); status != 200 {
		t.Errorf("after strangers: %d %s", status, body)
	}
}
