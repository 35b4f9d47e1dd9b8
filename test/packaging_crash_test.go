package test

import (
	"bytes"
	"encoding/json"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// TestPackagingKilled cuts packaging off at random moments, as a power cut would: whatever manifest is there by then names nothing that is not there whole.
func TestPackagingKilled(t *testing.T) {
	t.Parallel()
	hls, mp4 := members{"segmentLength": 2, "minSegmentLength": 0}, members{"segmentLength": 2, "fragmentLength": 2}
	key := members{"encryption": members{"type": "STATIC_KEY", "encryptionMethod": "SAMPLE_AES", "staticKeyProvider": members{
		"staticKeyValue": packagedKey, "url": packagedKeyURL, "keyFormat": "identity", "keyFormatVersions": "1",
	}}}
	groups := []any{
		group("HLS_GROUP_SETTINGS", "M3U8", "hls", hls, nil),
		group("HLS_GROUP_SETTINGS", "M3U8", "hls-file", with(hls, members{"segmentControl": "SINGLE_FILE"}), nil),
		group("CMAF_GROUP_SETTINGS", "CMFC", "cmaf", with(mp4, key), nil),
		group("CMAF_GROUP_SETTINGS", "CMFC", "cmaf-file", with(mp4, members{"segmentControl": "SINGLE_FILE", "mpdProfile": "ON_DEMAND_PROFILE"}), nil),
		group("DASH_ISO_GROUP_SETTINGS", "MPD", "dash", mp4, nil),
		group("MS_SMOOTH_GROUP_SETTINGS", "ISMV", "smooth", members{"fragmentLength": 2}, nil),
	}
	dir := t.TempDir()
	body := must(json.Marshal(members{"settings": members{
		"inputs": []any{members{"fileInput": "s3://in/clip8.mp4", "audioSelectors": members{"Audio Selector 1": members{"defaultSelection": "DEFAULT"}}}}, "outputGroups": groups,
	}}))(t)
	file, keyFile := filepath.Join(dir, "job.json"), filepath.Join(dir, "key")
	for name, b := range map[string][]byte{file: body, keyFile: []byte(packagedKey)} {
		if err := os.WriteFile(name, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	source := clip(t, 8)
	// made lists what is in a bucket by a name of its own; what is being written has one that begins with a dot.
	made := func(bucket string) (all, manifests []string) {
		_ = filepath.WalkDir(bucket, func(path string, d fs.DirEntry, err error) error {
			if err == nil && d.Type().IsRegular() && !strings.HasPrefix(d.Name(), ".") {
				all = append(all, path)
				switch filepath.Ext(path) {
				case ".m3u8", ".mpd", ".ism":
					manifests = append(manifests, path)
				}
			}
			return nil // a file that was renamed meanwhile is seen at the next look
		})
		return all, manifests
	}
	// start runs the job until so many objects are there, and kills it; 0 lets it end.
	start := func(name string, objects int) string {
		t.Helper()
		bucket := filepath.Join(dir, name)
		if err := os.Mkdir(bucket, 0o700); err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command(binary, "run", file, "--bucket", "b="+bucket, "--bucket", "in="+filepath.Dir(source))
		var said bytes.Buffer
		cmd.Stderr = &said
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		done := make(chan error, 1)
		go func() { done <- cmd.Wait() }()
		tick := time.NewTicker(time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case err := <-done:
				if err != nil && objects == 0 {
					t.Fatalf("%v\n%s", err, said.String())
				}
				return bucket
			case <-tick.C:
				if all, _ := made(bucket); objects > 0 && len(all) >= objects {
					_ = cmd.Process.Kill()
					<-done
					return bucket
				}
			}
		}
	}
	all, manifests := made(start("whole", 0))
	const cuts = 12
	random := rand.New(rand.NewPCG(6, 1))
	seen := 0
	for i := range cuts {
		// Every other time while there are segments, and while there are manifests, which come last.
		objects := 1 + random.IntN(len(all))
		if i%2 == 1 {
			objects = len(all) - random.IntN(len(manifests))
		}
		bucket := start("cut-"+string(rune('a'+i)), objects)
		_, left := made(bucket)
		if n := len(left); n > 0 && n < len(manifests) {
			seen++
		}
		for _, m := range left {
			if filepath.Ext(m) == ".ism" {
				for _, name := range regexp.MustCompile(`(?:src|content)="([^"]+)"`).FindAllStringSubmatch(string(must(os.ReadFile(m))(t)), -1) {
					if _, err := os.Stat(filepath.Join(filepath.Dir(m), name[1])); err != nil {
						t.Errorf("cut at %d of %d objects: %s: %v", objects, len(all), filepath.Base(m), err)
					}
				}
				m += "c" // the client's, which a server shows by the name of its own
			}
			if out, said, err := try(t, nil, binary, "validate", m, "--key", packagedKeyURL+":"+keyFile); err != nil {
				name, _ := filepath.Rel(bucket, m)
				t.Errorf("cut at %d of %d objects: %s: %v\n%s%s", objects, len(all), name, err, out, said)
			}
		}
	}
	if seen == 0 {
		t.Errorf("no cut left some of the manifests: it shows nothing")
	}
	t.Logf("%d of %d cuts left some of the %d manifests", seen, cuts, len(manifests))
}
