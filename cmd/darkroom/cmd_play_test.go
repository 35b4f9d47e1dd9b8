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
)

// TestPlaySaysWhenTheTokenEnds: the server may give less time than was asked for, and it is the server's word that is printed.
func TestPlaySaysWhenTheTokenEnds(t *testing.T) {
	t.Parallel()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var asked struct{ LifetimeSeconds int }
		if err := json.NewDecoder(r.Body).Decode(&asked); err != nil || asked.LifetimeSeconds != 12*60*60 || r.URL.Path != "/player/tokens" {
			t.Errorf("%s asks for %d seconds: %v", r.URL.Path, asked.LifetimeSeconds, err)
		}
		w.WriteHeader(http.StatusCreated)
		_, _ = w.Write([]byte(`{"token":"T","url":"https://keys.example/player/#t=T&m=film.mpd","expires":"2031-02-03T04:05:06Z","keyIds":[],"notice":"A notice."}`))
	}))
	t.Cleanup(s.Close)
	data := t.TempDir()
	for name, text := range map[string]string{
		endpointFile:  `{"url":"` + s.URL + `","region":"us-east-1","account":"000000000000"}`,
		"credentials": "[admin]\naws_access_key_id = AKIAADMIN\naws_secret_access_key = hush\n",
	} {
		if err := os.WriteFile(filepath.Join(data, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var out, said bytes.Buffer
	if code := start([]string{"play", "s3://films/out/film.mpd", "--data", data, "--profile", "admin", "--content", "film", "--for", "12h"}, &out, &said); code != exitOK {
		t.Fatalf("code %d: %s", code, said.String())
	}
	if out.String() != "https://keys.example/player/#t=T&m=film.mpd\n" || !strings.Contains(said.String(), "until the token ends, at 2031-02-03T04:05:06Z. A notice.") || strings.Contains(said.String(), "12h") {
		t.Errorf("printed %q and %q", out.String(), said.String())
	}
}
