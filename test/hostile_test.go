package test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"darkroom/internal/audit"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/mediaconvert"
	"github.com/aws/aws-sdk-go-v2/service/mediaconvert/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// listener counts the connections that reach it.
func listener(t *testing.T) (address string, count *atomic.Int64) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	count = new(atomic.Int64)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			count.Add(1)
			_ = c.Close()
		}
	}()
	return l.Addr().String(), count
}

// picture is a PNG that says of itself that it is as large as a PNG can say, and has no more than its header.
func picture(width, height uint32) []byte {
	b := []byte("\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR")
	for _, n := range []uint32{width, height} {
		b = append(b, byte(n>>24), byte(n>>16), byte(n>>8), byte(n))
	}
	return append(b, 8, 2, 0, 0, 0, 0, 0, 0, 0)
}

// TestHostileFilms feeds the hostile set through the front door: each ends in a job error with its code, reaches nothing, and says nothing of
// the inside; the server works on.
func TestHostileFilms(t *testing.T) {
	t.Parallel()
	s := serve(t)
	address, fetched := listener(t)
	good, err := os.ReadFile(clip(t, 4))
	if err != nil {
		t.Fatal(err)
	}
	mkv, err := os.ReadFile(film(t, "clip4.mkv", "-i", clip(t, 4), "-c", "copy"))
	if err != nil {
		t.Fatal(err)
	}
	secret := filepath.Join(t.TempDir(), "secret.txt")
	if err := os.WriteFile(secret, []byte("PASSPHRASE"), 0o644); err != nil {
		t.Fatal(err)
	}
	flip := func(b []byte) []byte {
		b = slices.Clone(b)
		for i := len(b) / 3; i < len(b)/2; i += 997 {
			b[i] ^= 0x55
		}
		return b
	}
	damaged := []int32{1010, 1030, 1040, 1075, 1076, 1092}
	refused := []int32{1010, 1030, 1040}
	for _, tt := range []struct {
		key  string
		body []byte
		want []int32
	}{
		{"fetch.m3u8", []byte("#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXTINF:4,\nhttp://" + address + "/a.ts\n#EXT-X-ENDLIST\n"), []int32{3451}},
		{"fetch.mp4", []byte("#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXTINF:4,\nhttp://" + address + "/a.ts\n#EXT-X-ENDLIST\n"), []int32{3400}},
		{"file.m3u8", []byte("#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXT-X-MAP:URI=\"file://" + secret + "\"\n#EXTINF:4,\nfile://" + secret + "\n#EXT-X-ENDLIST\n"), []int32{3400}},
		{"concat.m3u8", []byte("#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXTINF:4,\nconcat:" + secret + "|http://" + address + "/\n#EXT-X-ENDLIST\n"), []int32{3400}},
		{"key.m3u8", []byte("#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXT-X-KEY:METHOD=AES-128,URI=\"http://" + address + "/\"\n#EXTINF:4,\na.ts\n#EXT-X-ENDLIST\n"), []int32{3400}},
		{"itself.m3u8", []byte("#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nitself.m3u8\n"), []int32{3400}},
		{"other.m3u8", []byte("#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXTINF:4,\nother.ffconcat\n#EXT-X-ENDLIST\n"), []int32{1404, 3400}},
		{"other.ffconcat", []byte("ffconcat version 1.0\nfile '" + secret + "'\n"), refused},
		{"other.txt", []byte("ffconcat version 1.0\nfile 'concat:" + secret + "|http://" + address + "/'\n"), refused},
		{"dash.mpd", []byte(`<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static"><Period><AdaptationSet><Representation id="1" bandwidth="1"><BaseURL>http://` + address + `/a.mp4</BaseURL></Representation></AdaptationSet></Period></MPD>`), refused},
		{"session.sdp", []byte("v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5004 RTP/AVP 96\na=rtpmap:96 H264/90000\n"), refused},
		{"subtitles.srt", []byte("1\n00:00:00,000 --> 00:00:02,000\n{\\fs999999}" + secret + "\n"), append(slices.Clone(refused), 1021, 1404)},
		{"vector.svg", []byte(`<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"><image xlink:href="file://` + secret + `" width="100" height="100"/></svg>`), refused},
		{"huge.png", picture(65535, 65535), damaged},
		{"empty.mp4", nil, damaged},
		{"noise.mp4", bytes.Repeat([]byte("\x00\x01\x02hostile\xff"), 10000), damaged},
		{"cut.mp4", good[:len(good)/2], damaged},
		{"cut.mkv", mkv[:len(mkv)/2], damaged},
		{"flipped.mkv", flip(mkv), damaged},
		{"flipped.mp4", flip(good), damaged},
	} {
		t.Run(tt.key, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "film")
			if err := os.WriteFile(path, tt.body, 0o600); err != nil {
				t.Fatal(err)
			}
			s.upload("films", "in/"+tt.key, path)
			j := s.until(s.submit(job(short("s3://films/in/"+tt.key, "s3://films/out/"+tt.key+"/"))), final)
			code, message := aws.ToInt32(j.ErrorCode), aws.ToString(j.ErrorMessage)
			if j.Status != types.JobStatusError || !slices.Contains(tt.want, code) {
				t.Errorf("%s %d %s, want ERROR with one of %v", j.Status, code, message, tt.want)
			}
			for _, inside := range []string{"127.0.0.1", "localhost", "/proc", "/tmp", "ffmpeg", "ffprobe", "0x", "PASSPHRASE", s.data} {
				if strings.Contains(message, inside) {
					t.Errorf("the message shows %q: %s", inside, message)
				}
			}
		})
	}
	if n := fetched.Load(); n != 0 {
		t.Errorf("%d connections reached a server outside the sandbox", n)
	}
	if left := files(t, s.download("films", "out/")); len(left) != 0 {
		t.Errorf("failed jobs left %v", left)
	}
	if n := s.uploads("films"); n != 0 {
		t.Errorf("%d uploads are open", n)
	}
	s.upload("films", "in/clip.mp4", clip(t, 1))
	s.finish(s.submit(job(short("s3://films/in/clip.mp4", "s3://films/good/"))))
}

// over is a file that repeats its bytes for ever.
type over []byte

func (o over) ReadAt(p []byte, at int64) (n int, err error) {
	for n < len(p) {
		n += copy(p[n:], o[(at+int64(n))%int64(len(o)):])
	}
	return n, nil
}

// TestNeverEnds feeds files that never end: one without a film in it is found out, and one that goes on and on is ended by who wants it ended.
func TestNeverEnds(t *testing.T) {
	t.Parallel()
	const size = 1 << 50
	loop, err := os.ReadFile(film(t, "clip4.ts", "-i", clip(t, 4), "-c", "copy", "-f", "mpegts"))
	if err != nil {
		t.Fatal(err)
	}
	nothing := append([]byte{0x47, 0x1f, 0xff, 0x10}, bytes.Repeat([]byte{0xff}, 184)...)
	mux := http.NewServeMux()
	var served atomic.Int64
	for name, content := range map[string]over{"/nothing.ts": nothing, "/loop.ts": loop} {
		mux.HandleFunc(name, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("ETag", `"1"`)
			http.ServeContent(&counted{w, &served}, r, name, time.Time{}, io.NewSectionReader(content, 0, size))
		})
	}
	site, flags := web(t, mux, false)
	s := serve(t, flags...)
	s.upload("films", "unused", clip(t, 4))

	j := s.until(s.submit(job(short(site.URL+"/nothing.ts", "s3://films/nothing/"))), final)
	if code := aws.ToInt32(j.ErrorCode); j.Status != types.JobStatusError || code != 1010 {
		t.Errorf("nothing: %s %d %s", j.Status, code, aws.ToString(j.ErrorMessage))
	}
	if n := served.Load(); n > 1<<30+64<<20 {
		t.Errorf("%d bytes were read to find that there is nothing", n)
	}
	id := s.submit(job(short(site.URL+"/loop.ts", "s3://films/loop/")))
	s.eventually("the loop is encoded", func() bool { return len(s.encoders()) > 0 })
	if _, err := s.mediaconvert().CancelJob(t.Context(), &mediaconvert.CancelJobInput{Id: &id}); err != nil {
		t.Fatal(err)
	}
	if j := s.until(id, final); j.Status != types.JobStatusCanceled {
		t.Errorf("loop: %s %d %s", j.Status, aws.ToInt32(j.ErrorCode), aws.ToString(j.ErrorMessage))
	}
	s.eventually("nothing of it runs or is open", func() bool { return len(s.encoders()) == 0 && s.uploads("films") == 0 })
	if left := files(t, s.download("films", "loop/")); len(left) != 0 {
		t.Errorf("left: %v", left)
	}
}

// counted is an answer whose bytes are counted.
type counted struct {
	http.ResponseWriter
	n *atomic.Int64
}

func (c *counted) Write(p []byte) (int, error) {
	n, err := c.ResponseWriter.Write(p)
	c.n.Add(int64(n))
	return n, err
}

// TestHostileSettings asks for what no job may have: each is refused by the member that asks, before anything runs.
func TestHostileSettings(t *testing.T) {
	t.Parallel()
	s := serve(t)
	address, fetched := listener(t)
	c := s.mediaconvert()
	plain := short("s3://films/in/clip.mp4", "s3://films/out/")
	for name, tt := range map[string]struct{ old, text, says string }{
		"a file of the house": {"s3://films/in/clip.mp4", "file:///etc/passwd", "fileInput"},
		"a path":              {"s3://films/in/clip.mp4", "/etc/passwd", "fileInput"},
		"a protocol":          {"s3://films/in/clip.mp4", "concat:/etc/passwd|/etc/hosts", "fileInput"},
		"credentials":         {"s3://films/in/clip.mp4", "http://me:pw@" + address + "/film.mp4", "fileInput"},
		"a way out":           {"s3://films/out/", "file:///tmp/out/", "destination"},
		"a server to write":   {"s3://films/out/", "http://" + address + "/out/", "destination"},
		"a filter":            {`"Codec": "H_264"`, `"Codec": "H_264,drawtext=textfile=/etc/passwd"`, "codec"},
		"an option":           {`"Width": 160`, `"Width": "160 -f mpegts tcp://` + address + `"`, "width"},
		"a member of no one":  {`"Width": 160`, `"Width": 160, "FilterGraph": "movie=/etc/passwd"`, "filterGraph"},
		"two of one":          {`"Width": 160`, `"Width": 160, "width": 320`, "width"},
	} {
		t.Run(name, func(t *testing.T) {
			body := job(strings.Replace(plain, tt.old, tt.text, 1))
			status, answer := s.raw(t, "POST", "/2017-08-29/jobs", body)
			if status != http.StatusBadRequest || !strings.Contains(strings.ToLower(answer), strings.ToLower(tt.says)) {
				t.Errorf("got %d %s, want 400 and a message on %s", status, answer, tt.says)
			}
		})
	}
	out, err := c.ListJobs(t.Context(), &mediaconvert.ListJobsInput{})
	if err != nil || len(out.Jobs) != 0 {
		t.Errorf("jobs: %v %v", out, err)
	}
	// A way into the operator's network is found when it is dialled; in a spelling that some would read as an address, when it is submitted.
	_, port, _ := strings.Cut(address, ":")
	at := func(host string) string {
		return job(strings.Replace(plain, "s3://films/in/clip.mp4", "http://"+host+":"+port+"/film.mp4", 1))
	}
	for _, host := range []string{"127.0.0.1", "localhost", "0.0.0.0", "[::1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::]", "[64:ff9b::7f00:1]"} {
		j := s.until(s.submit(at(host)), final)
		if j.Status != types.JobStatusError || aws.ToInt32(j.ErrorCode) != 3451 {
			t.Errorf("%s: %s %d %s", host, j.Status, aws.ToInt32(j.ErrorCode), aws.ToString(j.ErrorMessage))
		}
	}
	for _, host := range []string{"127.1", "2130706433", "0x7f000001", "0177.0.0.1", "127.0.0.1%00", "１２７.0.0.1"} {
		if status, answer := s.raw(t, "POST", "/2017-08-29/jobs", at(host)); status != http.StatusBadRequest || !strings.Contains(answer, "/inputs/0/fileInput") {
			t.Errorf("%s: %d %s", host, status, answer)
		}
	}
	if n := fetched.Load(); n != 0 {
		t.Errorf("%d connections", n)
	}
}

// TestStrangers: who signs nothing, or with another's key, learns nothing and changes nothing.
func TestStrangers(t *testing.T) {
	t.Parallel()
	s := serve(t)
	s.upload("films", "in/clip.mp4", clip(t, 1))
	client := s.s3().Options().HTTPClient
	for _, path := range []string{"/", "/films", "/films/in/clip.mp4", "/nothing", "/2017-08-29/jobs", "/2017-08-29/queues/Default", "/2017-08-29/endpoints"} {
		for _, method := range []string{http.MethodGet, http.MethodPut, http.MethodPost, http.MethodDelete} {
			for name, header := range map[string]string{
				"nothing": "",
				"rubbish": "AWS4-HMAC-SHA256 rubbish",
				"unknown": "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20261123/us-east-1/s3/aws4_request, SignedHeaders=host;x-amz-date, Signature=" + strings.Repeat("0", 64),
			} {
				r, err := http.NewRequestWithContext(t.Context(), method, s.url+path, nil)
				if err != nil {
					t.Fatal(err)
				}
				if header != "" {
					r.Header.Set("Authorization", header)
				}
				resp, err := client.Do(r)
				if err != nil {
					t.Fatal(err)
				}
				b, err := io.ReadAll(resp.Body)
				_ = resp.Body.Close()
				if err != nil {
					t.Fatal(err)
				}
				if resp.StatusCode != http.StatusForbidden && resp.StatusCode != http.StatusBadRequest {
					t.Errorf("%s %s with %s: %d %s", method, path, name, resp.StatusCode, b)
				}
				if resp.Header.Get("x-amzn-RequestId") == "" {
					t.Errorf("%s %s: no request id", method, path)
				}
			}
		}
	}
	if _, err := s.s3().HeadObject(t.Context(), &s3.HeadObjectInput{Bucket: aws.String("films"), Key: aws.String("in/clip.mp4")}); err != nil {
		t.Error(err)
	}
	for _, path := range []string{"/healthz", "/readyz"} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.url+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			t.Errorf("%s: %d", path, resp.StatusCode)
		}
	}
	// Each is recorded: the first by itself, the others together.
	s.stop()
	own, together := 0, 0
	for _, r := range s.auditRecords() {
		switch {
		case r.EventType == audit.APICall && r.UserIdentity.ARN == "" && r.ErrorCode != "":
			own++
			if r.RecipientAccountID != account || r.SourceIPAddress != "127.0.0.1" || r.RequestID == "" || r.ErrorCode == "InternalFailure" || strings.HasPrefix(r.EventSource, ".") {
				t.Errorf("%+v", r)
			}
		case r.EventName == "StrangersRefused":
			var sum audit.Refusals
			if err := json.Unmarshal(r.AdditionalEventData["refused"], &sum); err != nil || sum.BySource["127.0.0.1"] != sum.Count {
				t.Errorf("%s: %v", r.AdditionalEventData["refused"], err)
			}
			together += sum.Count
		}
	}
	if all := 7 * 4 * 3; own < audit.StrangersEachMinute || own+together != all {
		t.Errorf("%d refusals have their own records and %d are summed up, of %d", own, together, all)
	}
}

// TestNothingShown: no secret stands in the server's log, its processes' arguments or their environments.
func TestNothingShown(t *testing.T) {
	t.Parallel()
	s := serve(t)
	b, err := os.ReadFile(filepath.Join(s.data, "credentials"))
	if err != nil {
		t.Fatal(err)
	}
	_, secret, ok := strings.Cut(string(b), "aws_secret_access_key")
	secret, _, _ = strings.Cut(strings.TrimLeft(secret, " ="), "\n")
	if !ok || len(secret) < 40 {
		t.Fatal("no secret in the credentials file")
	}
	s.upload("films", "in/clip.mp4", clip(t, 12))
	id := s.submit(job(settings("s3://films/in/clip.mp4", "s3://films/out")))
	s.until(id, phase(types.JobPhaseTranscoding))
	// Between the programs that a job starts one after another the worker is alone.
	var pids map[int]string
	s.until(id, func(j *types.Job) bool {
		pids = children(t, s.cmd.Process.Pid)
		return len(pids) >= 2 || final(j)
	})
	if len(pids) < 2 {
		t.Errorf("only %d processes", len(pids))
	}
	for pid, line := range pids {
		env, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
		if err != nil {
			continue // it ended
		}
		if _, sandboxed, _ := strings.Cut(line, " "); len(env) != 0 && (!strings.HasPrefix(sandboxed, "worker") || bytes.Count(env, []byte{0}) != 1 || !bytes.HasPrefix(env, []byte("PATH="))) {
			t.Errorf("process %d %q has an environment: %q", pid, line, env)
		}
		if strings.Contains(line, secret) || strings.Contains(line, "clip.mp4") {
			t.Errorf("process %d shows %q", pid, line)
		}
	}
	s.finish(id)
	if strings.Contains(s.log.String(), secret) {
		t.Error("the secret stands in the log")
	}
	for line := range strings.Lines(s.log.String()) {
		if !json.Valid([]byte(line)) {
			t.Errorf("the log has a line that is not JSON: %s", line)
		}
	}
}
