package main

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"darkroom/internal/validate"
)

func TestValidate(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	captions := "WEBVTT\n\n00:00:00.500 --> 00:00:01.500\none\n"
	playlist := "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:2\n#EXT-X-PLAYLIST-TYPE:VOD\n#EXTINF:2.0,\nc.vtt\n#EXT-X-ENDLIST\n"
	good := write("good/c.m3u8", playlist)
	write("good/c.vtt", captions)
	write("bad/c.m3u8", playlist)
	write("empty/readme", "nothing")
	write("addressed/c.m3u8", strings.Replace(playlist, "c.vtt", "https://cdn.example/film/c.vtt", 1))
	write("addressed/c.vtt", captions)
	key := write("key", "00112233445566778899aabbccddeeff\n")
	short := write("short", "0011")
	server := httptest.NewServer(http.FileServer(http.Dir(dir)))
	defer server.Close()
	host := strings.TrimPrefix(server.URL, "http://")
	for _, c := range []struct {
		name string
		args []string
		code int
		want string // in either output
	}{
		{"a directory", []string{filepath.Dir(good)}, exitOK, "no rule is broken: 1 manifests, 1 streams, 1 segments"},
		{"a file", []string{good}, exitOK, "no rule is broken"},
		{"an address", []string{server.URL + "/good/c.m3u8", "--allow", host}, exitOK, "no rule is broken"},
		{"a private address", []string{server.URL + "/good/c.m3u8"}, exitUsage, "not allowed"},
		{"named by an address", []string{filepath.Join(dir, "addressed"), "--base-url", "https://cdn.example/film/"}, exitOK, "no rule is broken"},
		{"named by an address that is not said", []string{filepath.Join(dir, "addressed")}, exitFailed, "leads out of the directory [reference]"},
		{"a segment that is missing", []string{filepath.Join(dir, "bad")}, exitFailed, "c.m3u8:6: error: c.vtt does not exist [reference]"},
		{"keys", []string{good, "--key", "00112233-4455-6677-8899-AABBCCDDEEFF:" + key, "--key", "https://keys.example/1:" + key}, exitOK, "no rule is broken"},
		{"a key that is none", []string{good, "--key", "https://keys.example/1:" + short}, exitUsage, "16 bytes"},
		{"a key without a name", []string{good, "--key", key}, exitUsage, "KID:FILE"},
		{"no manifest", []string{filepath.Join(dir, "empty")}, exitUsage, "no manifest"},
		{"what is none", []string{key}, exitUsage, "no manifest"},
		{"nothing there", []string{filepath.Join(dir, "none")}, exitUsage, "no such file"},
		{"no package", nil, exitUsage, "one package"},
		{"the rules", []string{"--rules"}, exitOK, "cenc-iv "},
	} {
		t.Run(c.name, func(t *testing.T) {
			var stdout, stderr bytes.Buffer
			if code := start(append([]string{"validate"}, c.args...), &stdout, &stderr); code != c.code || !strings.Contains(stdout.String()+stderr.String(), c.want) {
				t.Errorf("exit %d, want %d with %q:\n%s%s", code, c.code, c.want, stdout.String(), stderr.String())
			}
		})
	}
	t.Run("JSON", func(t *testing.T) {
		var stdout, stderr bytes.Buffer
		if code := start([]string{"validate", "--json", filepath.Join(dir, "bad")}, &stdout, &stderr); code != exitFailed {
			t.Errorf("exit %d: %s", code, stderr.String())
		}
		var r validate.Report
		if err := json.Unmarshal(stdout.Bytes(), &r); err != nil || len(r.Findings) != 1 || r.Findings[0].Rule != "reference" || r.Findings[0].Level != validate.Error || r.Manifests != 1 {
			t.Errorf("%v: %s", err, stdout.String())
		}
	})
}
