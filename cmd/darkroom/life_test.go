package main

import (
	"encoding/json"
	"math"
	"testing"

	"darkroom/internal/job"
	"darkroom/internal/trail"
)

// TestTrailsDelivered: retention waits for a trail that was stopped, or deleted, and has not delivered what it was to get until then.
func TestTrailsDelivered(t *testing.T) {
	t.Parallel()
	i := install(t)
	store, err := i.objects.(*objects).store(strange)
	if err != nil {
		t.Fatal(err)
	}
	if err := store.CreateBucket(t.Context(), "trails"); err != nil {
		t.Fatal(err)
	}
	if _, err := i.trails.Create(t.Context(), strange, "main", trail.Definition{Bucket: "trails"}, nil); err != nil {
		t.Fatal(err)
	}
	delivered := func(what string, waits bool) {
		t.Helper()
		at, err := i.trailsDelivered(t.Context())
		if err != nil || (at != math.MaxInt64) != waits {
			t.Errorf("%s: delivered up to %d, %v; want that retention waits: %t", what, at, err, waits)
		}
	}
	delivered("never started", false)
	for _, c := range []struct {
		name string
		do   func() error
	}{
		{"started", func() error { return i.trails.Start(t.Context(), strange, "main") }},
		{"stopped", func() error { return i.trails.Stop(t.Context(), strange, "main") }},
		{"deleted", func() error { return i.trails.Delete(t.Context(), strange, "main") }},
	} {
		if err := c.do(); err != nil {
			t.Fatal(err)
		}
		delivered(c.name, true)
	}
}

// TestReadsOf: of buckets a job may read the objects of its inputs, and the packages that they are playlists of; of web servers anything, if it has an input there.
func TestReadsOf(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		inputs    []string
		may, mayn []string
	}{
		{[]string{"s3://films/in/a.mp4"}, []string{"s3://films/in/a.mp4"}, []string{"s3://films/in/a.mp4x", "s3://films/in/b.mp4", "s3://other/in/a.mp4", "https://example.com/in/a.mp4", ""}},
		{[]string{"s3://films/in/a.mp4", "s3://films/hls/a.m3u8"}, []string{"s3://films/in/a.mp4", "s3://films/hls/a.m3u8", "s3://films/hls/v/1.ts"}, []string{"s3://films/hls.ts", "s3://filmsx/hls/1.ts", "https://example.com/1.ts"}},
		{[]string{"s3://films/a.m3u8"}, []string{"s3://films/v/1.ts"}, []string{"s3://films-of-others/v/1.ts"}},
		{[]string{"https://example.com/a.m3u8?token=t"}, []string{"https://example.com/a.m3u8", "https://cdn.example.com/1.ts", "http://example.com/1.ts"}, []string{"s3://films/in/a.mp4", "file:///etc/passwd"}},
	} {
		var inputs []map[string]string
		for _, in := range c.inputs {
			inputs = append(inputs, map[string]string{"fileInput": in})
		}
		settings, err := json.Marshal(map[string]any{"inputs": inputs})
		if err != nil {
			t.Fatal(err)
		}
		reads, err := readsOf(&job.Job{Settings: settings})
		if err != nil {
			t.Fatal(err)
		}
		for want, uris := range map[bool][]string{true: c.may, false: c.mayn} {
			for _, uri := range uris {
				if reads(uri) != want {
					t.Errorf("%v: %s can be read: %t, want %t", c.inputs, uri, !want, want)
				}
			}
		}
	}
}
