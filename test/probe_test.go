package test

import (
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/mediaconvert"
	"github.com/aws/aws-sdk-go-v2/service/mediaconvert/types"
	"github.com/google/go-cmp/cmp"
)

// web is a web server with the films of the tests, opened for inputs in the configuration of a server that is started with the flags.
func web(t *testing.T, handler http.Handler, tls bool) (s *httptest.Server, flags []string) {
	t.Helper()
	s = httptest.NewUnstartedServer(handler)
	dir := t.TempDir()
	ca := ""
	if tls {
		s.StartTLS()
		file := filepath.Join(dir, "ca.pem")
		if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}), 0o644); err != nil {
			t.Fatal(err)
		}
		ca = ", ca_file: " + file
	} else {
		s.Start()
	}
	t.Cleanup(s.Close)
	_, port, _ := strings.Cut(s.Listener.Addr().String(), ":")
	config := filepath.Join(dir, "darkroom.yaml")
	text := fmt.Sprintf("egress: {allow: [{net: 127.0.0.1/32, ports: [%s], for: [input]}]%s}\n", port, ca)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return s, []string{"--config", config}
}

// TestProbe looks into files of several containers, in the store and on a web server.
func TestProbe(t *testing.T) {
	t.Parallel()
	picture := []string{"-f", "lavfi", "-i", "testsrc2=s=640x360:r=30000/1001:d=2", "-f", "lavfi", "-i", "sine=r=48000:d=2"}
	mov := film(t, "probe.mov", append(picture, "-c:v", "libx264", "-pix_fmt", "yuv422p10le", "-c:a", "pcm_s24le", "-timecode", "01:00:00;02", "-metadata:s:a:0", "language=eng",
		"-color_primaries", "bt709", "-color_trc", "bt709", "-colorspace", "bt709")...)
	mkv := film(t, "probe.webm", append(picture, "-c:v", "libvpx", "-deadline", "realtime", "-c:a", "libopus")...)
	site, flags := web(t, http.FileServer(http.Dir(films)), true)
	s := serve(t, flags...)
	s.upload("films", "in/probe.mov", mov)
	s.upload("films", "in/probe.webm", mkv)
	s.upload("films", "in/text.mp4", func() string {
		name := filepath.Join(t.TempDir(), "text")
		if err := os.WriteFile(name, []byte("#EXTM3U\nfile:///etc/passwd\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		return name
	}())
	c := s.mediaconvert()
	probe := func(urls ...string) ([]types.ProbeResult, error) {
		in := &mediaconvert.ProbeInput{}
		for _, u := range urls {
			in.InputFiles = append(in.InputFiles, types.ProbeInputFile{FileUrl: aws.String(u)})
		}
		out, err := c.Probe(t.Context(), in)
		if err != nil {
			return nil, err
		}
		return out.ProbeResults, nil
	}
	got, err := probe("s3://films/in/probe.mov", "s3://films/in/probe.webm", site.URL+"/probe.mov?token=x")
	if err != nil {
		t.Fatal(err)
	}
	size := func(path string) int64 {
		st, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		return st.Size()
	}
	first := got[0].Container
	v, a := first.Tracks[0].VideoProperties, first.Tracks[1].AudioProperties
	if first.Format != types.FormatQuicktime || aws.ToString(first.StartTimecode) != "01:00:00;02" || aws.ToFloat64(first.Duration) < 1.9 || len(first.Tracks) != 3 ||
		*got[0].Metadata.FileSize != size(mov) || aws.ToString(got[0].Metadata.ETag) == "" || got[0].Metadata.LastModified == nil {
		t.Errorf("container: %+v", asJSON(t, got[0]))
	}
	if *v.BitDepth != 10 || v.ColorPrimaries != types.ColorPrimariesItu709 || *v.FrameRate.Numerator != 30000 || *v.Width != 640 ||
		aws.ToString(v.CodecMetadata.ChromaSubsampling) != "4:2:2" || aws.ToString(v.CodecMetadata.Profile) != "High 4:2:2" || first.Tracks[0].Codec != types.CodecAvc {
		t.Errorf("video: %s", asJSON(t, v))
	}
	if *a.BitDepth != 24 || *a.SampleRate != 48000 || *a.Channels != 1 || aws.ToString(a.LanguageCode) != "eng" || first.Tracks[1].Codec != types.CodecPcm {
		t.Errorf("audio: %s", asJSON(t, a))
	}
	if w := got[1].Container; w.Format != types.FormatWebm || w.Tracks[0].Codec != types.CodecVp8 || w.Tracks[1].Codec != types.CodecOpus {
		t.Errorf("webm: %s", asJSON(t, w))
	}
	if diff := cmp.Diff(asJSON(t, got[0].Container), asJSON(t, got[2].Container)); diff != "" || *got[2].Metadata.FileSize != size(mov) {
		t.Errorf("the same film on a web server (-store +server): %s", diff)
	}

	for _, tt := range []struct {
		name, url string
		want      any
		says      string
	}{
		{"no object", "s3://films/in/none.mp4", new(*types.NotFoundException), "1404"},
		{"no bucket", "s3://none/in/none.mp4", new(*types.NotFoundException), "1404"},
		{"a playlist under another name", "s3://films/in/text.mp4", new(*types.BadRequestException), "3400"},
		{"no file on the server", site.URL + "/none.mp4", new(*types.NotFoundException), "3404"},
		{"another port of the same host", "https://127.0.0.1:9/x", new(*types.BadRequestException), "3451"},
		{"the service itself", s.url + "/healthz", new(*types.BadRequestException), "3451"},
		{"a name of loopback", "http://localhost:9/x", new(*types.BadRequestException), "3451"},
		{"metadata", "http://169.254.169.254/latest/meta-data/", new(*types.BadRequestException), "3451"},
	} {
		_, err := probe(tt.url)
		if !errors.As(err, tt.want) || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s: got %v, want %T with %q", tt.name, err, tt.want, tt.says)
		}
	}
}

func asJSON(t *testing.T, v any) string {
	t.Helper()
	b, err := json.MarshalIndent(v, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestWebInput transcodes a film from a web server whose connections break, and refuses one that changes meanwhile or leads where the policy
// does not allow.
func TestWebInput(t *testing.T) {
	t.Parallel()
	path := clip(t, 12)
	var requests, breaks, version atomic.Int32
	files := http.FileServer(http.Dir(films))
	mux := http.NewServeMux()
	mux.HandleFunc("/steady/", func(w http.ResponseWriter, r *http.Request) { http.StripPrefix("/steady", files).ServeHTTP(w, r) })
	mux.HandleFunc("/broken/", func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		http.StripPrefix("/broken", files).ServeHTTP(&breaking{ResponseWriter: w, left: 200 << 10, breaks: &breaks}, r)
	})
	mux.HandleFunc("/changing/", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("ETag", fmt.Sprintf(`"%d"`, version.Add(1)))
		http.StripPrefix("/changing", files).ServeHTTP(w, r)
	})
	mux.HandleFunc("/away/", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "/steady/"+strings.TrimPrefix(r.URL.Path, "/away/"), http.StatusFound)
	})
	site, flags := web(t, mux, false)
	s := serve(t, flags...)
	s.upload("films", "in/unused", path)
	film := func(dir string) string { return site.URL + dir + filepath.Base(path) }

	for _, dir := range []string{"/broken/", "/away/"} {
		id := s.submit(job(settings(film(dir), "s3://films"+strings.TrimSuffix(dir, "/"))))
		s.finish(id)
		checkOutputs(t, s.download("films", dir[1:]), "clip12", "300")
	}
	if breaks.Load() == 0 {
		t.Errorf("no connection broke in %d requests", requests.Load())
	}
	fails := func(body string, code int32, says string) {
		t.Helper()
		j := s.until(s.submit(body), final)
		if j.Status != types.JobStatusError || aws.ToInt32(j.ErrorCode) != code || !strings.Contains(aws.ToString(j.ErrorMessage), says) {
			t.Errorf("got %s %d %s, want %d %q", j.Status, aws.ToInt32(j.ErrorCode), aws.ToString(j.ErrorMessage), code, says)
		}
	}
	fails(job(short(film("/changing/"), "s3://films/x/")), 1076, "replaced")
	fails(job(short(site.URL+"/steady/none.mp4?token=secret", "s3://films/x/")), 3404, "/steady/none.mp4)")
	fails(job(short("http://127.0.0.1:9/x.mp4", "s3://films/x/")), 3451, "not public")
	if _, err := s.mediaconvert().PutPolicy(t.Context(), &mediaconvert.PutPolicyInput{Policy: &types.Policy{HttpInputs: types.InputPolicyDisallowed}}); err != nil {
		t.Fatal(err)
	}
	_, err := s.mediaconvert().CreateJob(t.Context(), request(t, job(short(film("/steady/"), "s3://films/x/"))))
	if _, ok := errors.AsType[*types.BadRequestException](err); !ok || !strings.Contains(err.Error(), "your policy disallows") {
		t.Errorf("a disallowed input: %v", err)
	}
}

// breaking is an answer whose connection breaks after so many bytes.
type breaking struct {
	http.ResponseWriter
	left   int
	breaks *atomic.Int32
}

func (b *breaking) Write(p []byte) (int, error) {
	if len(p) > b.left {
		b.breaks.Add(1)
		panic(http.ErrAbortHandler)
	}
	b.left -= len(p)
	return b.ResponseWriter.Write(p)
}
