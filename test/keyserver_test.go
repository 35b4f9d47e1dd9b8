package test

import (
	"bytes"
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
)

// keyServer starts a server with the key server and the players of its page.
func keyServer(t *testing.T, args ...string) *server {
	t.Helper()
	dir := t.TempDir()
	for name, from := range map[string]string{"hls.min.js": "hls.js", "shaka-player.compiled.js": "shaka-player"} {
		b, err := os.ReadFile(filepath.Join("browser", "node_modules", from, "dist", name))
		if err != nil {
			absent(t, name+" is not installed: make deps-test")
		}
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return serve(t, append([]string{"--keyserver", "--player-assets", dir}, args...)...)
}

// contentKey is a key as an encryptor gets it.
type contentKey struct {
	kid       string
	value, iv []byte
}

func (k contentKey) hex() string { return strings.ReplaceAll(k.kid, "-", "") }

// keyRequest is a SPEKE 2.0 request for the keys of a content: one for pictures, one for sound.
func keyRequest(content, scheme, system string) string {
	kid := func(n int) string {
		return fmt.Sprintf("%08x-0000-4000-8000-%012x", n, len(content)*1000+int(content[len(content)-1]))
	}
	drm := func(n int) string {
		return `<cpix:DRMSystem kid="` + kid(n) + `" systemId="` + system + `"><cpix:HLSSignalingData playlist="media"/><cpix:HLSSignalingData playlist="master"/></cpix:DRMSystem>`
	}
	return `<?xml version="1.0" encoding="UTF-8"?>
<cpix:CPIX contentId="` + content + `" version="2.3" xmlns:cpix="urn:dashif:org:cpix" xmlns:pskc="urn:ietf:params:xml:ns:keyprov:pskc">
<cpix:ContentKeyList><cpix:ContentKey kid="` + kid(1) + `" commonEncryptionScheme="` + scheme + `"/><cpix:ContentKey kid="` + kid(2) + `" commonEncryptionScheme="` + scheme + `"/></cpix:ContentKeyList>
<cpix:DRMSystemList>` + drm(1) + drm(2) + `</cpix:DRMSystemList>
<cpix:ContentKeyUsageRuleList><cpix:ContentKeyUsageRule kid="` + kid(1) + `" intendedTrackType="VIDEO"><cpix:VideoFilter/></cpix:ContentKeyUsageRule>
<cpix:ContentKeyUsageRule kid="` + kid(2) + `" intendedTrackType="AUDIO"><cpix:AudioFilter/></cpix:ContentKeyUsageRule></cpix:ContentKeyUsageRuleList></cpix:CPIX>`
}

// The DRM systems that the tests ask for.
const (
	clearKeySystem = "e2719d58-a985-b3c9-781a-b030af78d30e"
	aes128System   = "3ea8778f-7742-4bf9-b18b-e834b2acbd47"
)

var answered = regexp.MustCompile(`<cpix:ContentKey kid="([^"]+)"(?: explicitIV="([^"]+)")?[^>]*><cpix:Data><pskc:Secret><pskc:PlainValue>([^<]+)<`)

// keysIn are the keys in an answer, which are secrets from now on.
func (s *server) keysIn(answer string) []contentKey {
	s.t.Helper()
	var out []contentKey
	for _, m := range answered.FindAllStringSubmatch(answer, -1) {
		k := contentKey{kid: m[1]}
		var err error
		if k.value, err = base64.StdEncoding.DecodeString(m[3]); err == nil && m[2] != "" {
			k.iv, err = base64.StdEncoding.DecodeString(m[2])
		}
		if err != nil || len(k.value) != 16 {
			s.t.Fatalf("a key of %d bytes, %v", len(k.value), err)
		}
		s.secret("content key "+k.kid, k.value)
		out = append(out, k)
	}
	if len(out) != 2 {
		s.t.Fatalf("%d keys in the answer: %s", len(out), answer)
	}
	return out
}

// curl sends a key request as the AWS documentation shows it, signed by curl.
func (s *server) curl(profile, body string) (status, answer string) {
	s.t.Helper()
	need(s.t, "curl")
	script := `eval "$("$0" env --data "$1")"
curl -sS --cacert "$AWS_CA_BUNDLE" --aws-sigv4 "aws:amz:$AWS_REGION:execute-api" -K - -H 'Content-Type: application/xml' -H 'X-Speke-Version: 2.0' --data-binary @"$3" -w '\n%{http_code}' "$AWS_ENDPOINT_URL/speke/v2.0/copyProtection" \
 < <(awk -v p="[$2]" '$0==p{f=1;next} /^\[/{f=0} f&&/access_key_id/{i=$3} f&&/secret_access/{k=$3} END{printf "user = \"%s:%s\"\n", i, k}' "$AWS_SHARED_CREDENTIALS_FILE")`
	file := filepath.Join(s.t.TempDir(), "request.xml")
	if err := os.WriteFile(file, []byte(body), 0o600); err != nil {
		s.t.Fatal(err)
	}
	out := run(s.t, nil, "bash", "-c", script, binary, s.data, profile, file)
	at := strings.LastIndexByte(out, '\n')
	return out[at+1:], out[:at]
}

// playURL asks for a token by the command, and returns the address that it prints.
func (s *server) playURL(args ...string) string {
	s.t.Helper()
	out := strings.TrimSpace(run(s.t, nil, s.bin, append([]string{"play", "--data", s.data}, args...)...))
	token := regexp.MustCompile(`#t=([^&]+)&m=`).FindStringSubmatch(out)
	if token == nil {
		s.t.Fatalf("no address: %s", out)
	}
	s.secret("player token", []byte(token[1]))
	return out
}

// client trusts the server's own authority.
func (s *server) client() *http.Client {
	s.t.Helper()
	pem, err := os.ReadFile(filepath.Join(s.data, "tls", "ca.pem"))
	if err != nil {
		s.t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(pem)
	return &http.Client{Timeout: time.Minute, Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}}}
}

// TestKeyServer: an encryptor that signs gets keys over SPEKE, the same at any time; who may play gets what the token is for; a user who is deleted has nothing of
// either any more, and no key stands anywhere in clear.
func TestKeyServer(t *testing.T) {
	t.Parallel()
	s := keyServer(t)
	body := keyRequest("film 1", "cbcs", clearKeySystem)
	status, answer := s.curl("admin", body)
	if status != "200" {
		t.Fatalf("got %s %s", status, answer)
	}
	keys := s.keysIn(answer)

	// botocore signs as the AWS SDKs do.
	script := `
import sys, os, urllib.request, ssl
import botocore.session
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
body = open(sys.argv[1], 'rb').read()
session = botocore.session.Session(profile='admin')
r = AWSRequest('POST', os.environ['AWS_ENDPOINT_URL'] + '/speke/v2.0/copyProtection', data=body, headers={'Content-Type': 'application/xml', 'X-Speke-Version': '2.0'})
SigV4Auth(session.get_credentials(), 'execute-api', os.environ['AWS_REGION']).add_auth(r)
context = ssl.create_default_context(cafile=os.environ['AWS_CA_BUNDLE'])
answer = urllib.request.urlopen(urllib.request.Request(r.url, data=body, headers=dict(r.headers)), context=context)
print(answer.read().decode())
`
	file := filepath.Join(t.TempDir(), "request.xml")
	if err := os.WriteFile(file, []byte(body), 0o600); err != nil {
		t.Fatal(err)
	}
	same := func(name string, other []contentKey) {
		t.Helper()
		for i := range keys {
			if !bytes.Equal(keys[i].value, other[i].value) || !bytes.Equal(keys[i].iv, other[i].iv) {
				t.Errorf("%s: another key", name)
			}
		}
	}
	same("botocore", s.keysIn(run(t, s.env(), "/usr/bin/python3", "-c", script, file)))
	s.kill()
	_, answer = s.curl("admin", body)
	same("after a power cut", s.keysIn(answer))
	if status, answer := s.curl("admin", strings.Replace(body, `version="2.3"`, `version="4.0"`, 1)); status != "422" || answer != "Unsupported CPIX@version" {
		t.Errorf("another version: %s %s", status, answer)
	}

	s.upload("films", "out/film.m3u8", file)
	url := s.playURL("s3://films/out/film.m3u8", "--content", "film 1")
	token := regexp.MustCompile(`#t=([^&]+)&`).FindStringSubmatch(url)[1]
	get := func(rest string) (int, []byte) {
		t.Helper()
		resp, err := s.client().Get(s.url + "/player/" + rest)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = resp.Body.Close() }()
		b, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, b
	}
	if status, got := get("t/" + token + "/media/film.m3u8"); status != 200 || string(got) != body {
		t.Errorf("the manifest: %d", status)
	}
	if status, got := get("t/" + token + "/keys/" + keys[0].kid); status != 200 || !bytes.Equal(got, keys[0].value) {
		t.Errorf("a key: %d", status)
	}
	if status, got := get("keys/" + keys[0].kid); status != 403 || bytes.Contains(got, keys[0].value) {
		t.Errorf("a key without a token: %d", status)
	}

	// A user who may play that film and nothing else, and is deleted then.
	s.aws("--profile", "admin", "iam", "create-user", "--user-name", "viewer")
	s.aws("--profile", "admin", "iam", "put-user-policy", "--user-name", "viewer", "--policy-name", "play", "--policy-document", `{"Version":"2012-10-17","Statement":[
		{"Effect":"Allow","Action":"execute-api:Invoke","Resource":["arn:aws:execute-api:*:*:darkroom/player/POST/tokens","arn:aws:execute-api:*:*:darkroom/player/GET/keys/film 1"]},
		{"Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::films/out/*"}]}`)
	var made struct {
		AccessKey struct{ AccessKeyID, SecretAccessKey string }
	}
	if err := json.Unmarshal([]byte(s.aws("--profile", "admin", "iam", "create-access-key", "--user-name", "viewer", "--output", "json")), &made); err != nil {
		t.Fatal(err)
	}
	env := append(s.env(), "AWS_ACCESS_KEY_ID="+made.AccessKey.AccessKeyID, "AWS_SECRET_ACCESS_KEY="+made.AccessKey.SecretAccessKey)
	url = strings.TrimSpace(run(t, env, s.bin, "play", "s3://films/out/film.m3u8", "--content", "film 1"))
	token = regexp.MustCompile(`#t=([^&]+)&`).FindStringSubmatch(url)[1]
	s.secret("player token", []byte(token))
	if status, _ := get("t/" + token + "/media/film.m3u8"); status != 200 {
		t.Errorf("the viewer's token: %d", status)
	}
	if _, stderr, err := try(t, env, s.bin, "play", "s3://films/secret/film.m3u8", "--content", "film 1"); err == nil || !strings.Contains(stderr, "s3:GetObject") {
		t.Errorf("another prefix: %v %s", err, stderr)
	}
	s.aws("--profile", "admin", "iam", "delete-access-key", "--user-name", "viewer", "--access-key-id", made.AccessKey.AccessKeyID)
	s.aws("--profile", "admin", "iam", "delete-user-policy", "--user-name", "viewer", "--policy-name", "play")
	s.aws("--profile", "admin", "iam", "delete-user", "--user-name", "viewer")
	for _, rest := range []string{"/media/film.m3u8", "/keys/" + keys[0].kid} {
		if status, got := get("t/" + token + rest); status != 403 || bytes.Contains(got, keys[0].value) {
			t.Errorf("a deleted user's token: %s: %d", rest, status)
		}
	}
}

// TestKeyServerAlone: the key server runs without jobs, says what it is not, and lets in an encryptor that cannot sign.
func TestKeyServerAlone(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "encryptors")
	const token = "correct-horse-battery-staple"
	if err := os.WriteFile(file, []byte("admin bearer "+token+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := &server{t: t, bin: binary, verb: "keyserver", data: filepath.Join(t.TempDir(), "data"), args: []string{"--keyserver-credentials-file", file, "--keyserver-keys", "deterministic"}, secrets: new(secrets)}
	s.secret("operator's token", []byte(token))
	s.start()
	t.Cleanup(func() {
		texts := map[string]string{}
		s.processes(texts)
		s.stop()
		s.noSecrets(texts)
	})
	send := func(authorization string) (int, http.Header, string) {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), "POST", s.url+"/speke/v2.0/copyProtection", strings.NewReader(keyRequest("film 1", "cenc", clearKeySystem)))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/xml")
		r.Header.Set("X-Speke-Version", "2.0")
		r.Header.Set("Authorization", authorization)
		resp, err := s.client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = resp.Body.Close() }()
		b, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, resp.Header, string(b)
	}
	status, header, answer := send("Bearer " + token)
	if status != 200 || !strings.Contains(header.Get("X-Darkroom-Notice"), "no licence server of Widevine, PlayReady or FairPlay") {
		t.Fatalf("got %d %v %s", status, header, answer)
	}
	keys := s.keysIn(answer)
	s.kill()
	_, _, answer = send("Bearer " + token)
	for i, k := range s.keysIn(answer) {
		if !bytes.Equal(k.value, keys[i].value) {
			t.Error("another key after a power cut")
		}
	}
	if status, _, answer := send("Bearer " + token + "x"); status != 403 || strings.Contains(answer, "PlainValue") {
		t.Errorf("another token: %d %s", status, answer)
	}
	if _, stderr, err := s.tryAWS("mediaconvert", "list-jobs"); err == nil {
		t.Errorf("it has jobs: %s", stderr)
	}
	help, _, _ := try(t, nil, binary, "keyserver", "--help")
	_, stderr, _ := try(t, nil, binary, "keyserver", "--help")
	if !strings.Contains(help+stderr, "no licence server of Widevine, PlayReady or FairPlay") {
		t.Errorf("--help does not say what it is not: %s", stderr)
	}
	if err := os.Chmod(file, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, stderr, err := try(t, nil, binary, "keyserver", "--data", filepath.Join(t.TempDir(), "d"), "--listen", "127.0.0.1:0", "--keyserver-credentials-file", file); err == nil || !strings.Contains(stderr, "0600") {
		t.Errorf("credentials that others may read: %v %s", err, stderr)
	}
}

// visited is what the page of the player saw.
type visited struct {
	played
	Player              string
	Late                bool
	Sounds, Captions    []string
	Outside, Violations []string
	Address             string
}

// visit opens the page in Chromium and waits for the film to end.
func visit(t *testing.T, url string, limit time.Duration) visited {
	t.Helper()
	chromium, node := need(t, "chromium"), need(t, "node")
	out := run(t, nil, node, filepath.Join("browser", "visit.mjs"), chromium, url, fmt.Sprint(limit.Milliseconds()))
	var seen visited
	if err := json.Unmarshal([]byte(out), &seen); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if strings.Contains(seen.Address, "t=") || len(seen.Outside) > 0 || len(seen.Violations) > 0 {
		t.Errorf("the page keeps the token in its address, asks for something outside, or breaks its own policy: %s %v %v", seen.Address, seen.Outside, seen.Violations)
	}
	return seen
}

// packager runs shaka-packager.
func packager(t *testing.T, args ...string) {
	t.Helper()
	arch := map[string]string{"amd64": "linux-x64", "arm64": "linux-arm64"}[runtime.GOARCH]
	program := filepath.Join("packager", "node_modules", "shaka-packager", "bin", "packager-"+arch)
	if _, err := os.Stat(program); err != nil {
		absent(t, "shaka-packager is not installed: make deps-test")
	}
	run(t, nil, program, args...)
}

// cmafPackage makes a package of fMP4 with both manifests; without keys it is clear. The playlists say of keys what the key server signals for Clear Key.
func (s *server) cmafPackage(scheme string, keys []contentKey) string {
	s.t.Helper()
	dir, in := s.t.TempDir(), clip(s.t, 6)
	stream := func(kind, extra string) string {
		return "in=" + in + ",stream=" + kind + ",init_segment=" + dir + "/" + kind + "/init.mp4,segment_template=" + dir + "/" + kind + "/$Number$.m4s,playlist_name=" + kind + "/index.m3u8,drm_label=" + kind + extra
	}
	args := []string{stream("video", ""), stream("audio", ",hls_group_id=sound,hls_name=English"), "--segment_duration", "2", "--generate_static_live_mpd", "--mpd_output", dir + "/film.mpd", "--hls_master_playlist_output", dir + "/film.m3u8"}
	if keys != nil {
		list := []string{}
		for i, kind := range []string{"video", "audio"} {
			k := "label=" + kind + ":key_id=" + keys[i].hex() + ":key=" + hex.EncodeToString(keys[i].value)
			if keys[i].iv != nil {
				k += ":iv=" + hex.EncodeToString(keys[i].iv)
			}
			list = append(list, k)
		}
		args = append(args, "--enable_raw_key_encryption", "--protection_scheme", scheme, "--clear_lead", "0", "--keys", strings.Join(list, ","))
	}
	packager(s.t, args...)
	for i, kind := range []string{"video", "audio"} {
		if keys == nil {
			break
		}
		name := filepath.Join(dir, kind, "index.m3u8")
		text, err := os.ReadFile(name)
		if err != nil {
			s.t.Fatal(err)
		}
		line := `#EXT-X-KEY:METHOD=` + map[string]string{"cbcs": "SAMPLE-AES", "cenc": "SAMPLE-AES-CTR"}[scheme] + `,URI="` + s.url + `/player/keys/` + keys[i].kid + `",KEYFORMAT="identity",KEYFORMATVERSIONS="1"`
		changed := regexp.MustCompile(`(?m)^#EXT-X-KEY:.*$`).ReplaceAll(text, []byte(line))
		if bytes.Equal(changed, text) {
			s.t.Fatalf("no key in %s", text)
		}
		if err := os.WriteFile(name, changed, 0o600); err != nil {
			s.t.Fatal(err)
		}
	}
	return dir
}

// tsPackage makes a package of transport streams whose segments are encrypted whole.
func (s *server) tsPackage(key contentKey) string {
	s.t.Helper()
	dir := s.t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "key"), key.value, 0o600); err != nil {
		s.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "info"), []byte(s.url+"/player/keys/"+key.kid+"\n"+filepath.Join(dir, "key")+"\n"), 0o600); err != nil {
		s.t.Fatal(err)
	}
	run(s.t, nil, "ffmpeg", "-v", "error", "-i", clip(s.t, 6), "-c", "copy", "-f", "hls", "-hls_time", "2", "-hls_playlist_type", "vod", "-hls_key_info_file", filepath.Join(dir, "info"), filepath.Join(dir, "film.m3u8"))
	for _, name := range []string{"key", "info"} {
		if err := os.Remove(filepath.Join(dir, name)); err != nil {
			s.t.Fatal(err)
		}
	}
	return dir
}

// firstHole is what hls.js says of the delay of B-frames before the first picture of a transport stream, which it steps over.
var firstHole = regexp.MustCompile(`^bufferSeekOverHole .* seeking from 0 to 0\.\d+ film0\.ts$`)

// TestPlayer plays packages in Chromium through the page of the key server, with keys that it has given to another packager over SPEKE.
func TestPlayer(t *testing.T) {
	t.Parallel()
	s := keyServer(t)
	put := func(prefix, dir string) {
		t.Helper()
		s.aws("--profile", "admin", "s3", "cp", "--quiet", "--recursive", dir, "s3://films/"+prefix+"/")
	}
	s.aws("--profile", "admin", "s3", "mb", "s3://films")
	keys := map[string][]contentKey{}
	for scheme, system := range map[string]string{"cbcs": clearKeySystem, "cenc": clearKeySystem, "aes": aes128System} {
		status, answer := s.curl("admin", keyRequest("film "+scheme, map[bool]string{true: "cenc", false: "cbcs"}[scheme == "cenc"], system))
		if status != "200" {
			t.Fatalf("%s: %s %s", scheme, status, answer)
		}
		keys[scheme] = s.keysIn(answer)
	}
	put("clear", s.cmafPackage("", nil))
	put("cbcs", s.cmafPackage("cbcs", keys["cbcs"]))
	put("cenc", s.cmafPackage("cenc", keys["cenc"]))
	put("aes", s.tsPackage(keys["aes"][0]))
	wrong := []contentKey{{keys["cbcs"][0].kid, []byte("not the true key"), keys["cbcs"][0].iv}, keys["cbcs"][1]}
	put("wrong", s.cmafPackage("cbcs", wrong))
	for _, tt := range []struct {
		name, source, player, content string
		plays                         bool
	}{
		{"clear DASH", "clear/film.mpd", "", "", true},
		{"clear HLS with hls.js", "clear/film.m3u8", "", "", true},
		{"clear HLS with Shaka", "clear/film.m3u8", "shaka", "", true},
		{"cbcs DASH", "cbcs/film.mpd", "", "", true},
		{"cbcs HLS with hls.js", "cbcs/film.m3u8", "", "", true},
		{"cbcs HLS with Shaka", "cbcs/film.m3u8", "shaka", "", true},
		{"cenc DASH", "cenc/film.mpd", "", "", true},
		{"cenc HLS with hls.js", "cenc/film.m3u8", "", "", true},
		{"cenc HLS with Shaka", "cenc/film.m3u8", "shaka", "", true},
		{"AES-128 with hls.js", "aes/film.m3u8", "", "", true},
		{"AES-128 with Shaka", "aes/film.m3u8", "shaka", "", true},
		{"the keys of another film", "cbcs/film.mpd", "", "film cenc", false},
		{"a wrong key", "wrong/film.mpd", "", "", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			args := []string{"s3://films/" + tt.source}
			if tt.content != "" {
				args = append(args, "--content", tt.content)
			}
			url, limit := s.playURL(args...), time.Minute
			if tt.player != "" {
				url += "&p=" + tt.player
			}
			if !tt.plays {
				limit = 8 * time.Second
			}
			seen := visit(t, url, limit)
			seen.Errors = slices.DeleteFunc(seen.Errors, firstHole.MatchString)
			wantPlayer := cmp.Or(map[bool]string{true: "Shaka Player"}[tt.player == "shaka" || strings.HasSuffix(tt.source, ".mpd")], "hls.js")
			if !strings.HasPrefix(seen.Player, wantPlayer) {
				t.Errorf("played by %q", seen.Player)
			}
			switch {
			case tt.plays && (len(seen.Errors) > 0 || seen.Frames < 148 || seen.Frames > 155 || seen.Time < 5.9 || seen.Width != 640 || seen.Late):
				t.Errorf("seen: %+v, want 150 frames of 6 s and no error", seen)
			case !tt.plays && seen.Frames > 0:
				t.Errorf("it plays: %+v", seen)
			}
		})
	}
}
