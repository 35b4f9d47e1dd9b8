package test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/mediaconvert"
	"github.com/aws/aws-sdk-go-v2/service/mediaconvert/types"
)

// packages is a directory of HLS packages, made by ffmpeg of one film of ten seconds with two sounds:
//
//	ts      MPEG-TS; whole.ts is its segments in one file
//	range   the same in one file, by byte ranges
//	fmp4    fragmented MP4; whole.mp4 is its initialization section and segments in one file
//	one     the same in one file, by byte ranges
//	ladder  two sizes, the larger one last
//	alt     pictures alone, with English and German sound of their own; english.ts and german.ts have both in one file. In packed.m3u8 the
//	        German sound is AAC without a container
//	cut     the segments of ts in three parts with other clocks, a discontinuity between them
//	parts   ts, and behind a discontinuity a film of another size (size), sample rate (rate) or with other PIDs (pids)
func packages(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	ffmpeg := func(args ...string) {
		t.Helper()
		run(t, nil, "ffmpeg", append([]string{"-v", "error", "-nostdin", "-y"}, args...)...)
	}
	in := func(name string) string { return filepath.Join(dir, name) }
	for _, d := range []string{"ts", "range", "fmp4", "one", "ladder", "alt", "cut", "parts"} {
		if err := os.Mkdir(in(d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	source := func(size, rate string, seconds int) []string {
		d := strconv.Itoa(seconds)
		return []string{
			"-f", "lavfi", "-i", "testsrc2=s=" + size + ":r=25:d=" + d, "-f", "lavfi", "-i", "sine=f=440:r=" + rate + ":d=" + d, "-f", "lavfi", "-i", "sine=f=880:r=" + rate + ":d=" + d,
		}
	}
	encode := []string{"-c:v", "libx264", "-preset", "ultrafast", "-g", "50", "-flags", "+cgop", "-c:a", "aac"}
	vod := []string{"-f", "hls", "-hls_time", "2", "-hls_playlist_type", "vod"}
	film := in("film.ts")
	ffmpeg(append(append(append(source("320x180", "48000", 10), "-map", "0", "-map", "1", "-map", "2"), encode...), "-f", "mpegts", film)...)
	both := []string{"-i", film, "-map", "0:0", "-map", "0:1", "-c", "copy"}
	ffmpeg(append(append(both, vod...), "-hls_segment_filename", in("ts/%d.ts"), in("ts/main.m3u8"))...)
	ffmpeg(append(append(both, vod...), "-hls_flags", "single_file", "-hls_segment_filename", in("range/all.ts"), in("range/main.m3u8"))...)
	mp4 := append(both, "-bsf:a", "aac_adtstoasc")
	ffmpeg(append(append(mp4, vod...), "-hls_segment_type", "fmp4", "-hls_segment_filename", in("fmp4/%d.m4s"), in("fmp4/main.m3u8"))...)
	ffmpeg(append(append(mp4, vod...), "-hls_segment_type", "fmp4", "-hls_flags", "single_file", "-hls_segment_filename", in("one/all.mp4"), in("one/main.m3u8"))...)
	join := func(name string, parts ...string) {
		t.Helper()
		var all []byte
		for _, p := range parts {
			b, err := os.ReadFile(in(p))
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, b...)
		}
		if err := os.WriteFile(in(name), all, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	join("ts/whole.ts", "ts/0.ts", "ts/1.ts", "ts/2.ts", "ts/3.ts", "ts/4.ts")
	join("fmp4/whole.mp4", "fmp4/init.mp4", "fmp4/0.m4s", "fmp4/1.m4s", "fmp4/2.m4s", "fmp4/3.m4s", "fmp4/4.m4s")

	write := func(name string, lines ...string) {
		t.Helper()
		if err := os.WriteFile(in(name), []byte("#EXTM3U\n"+strings.Join(lines, "\n")+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	ffmpeg(append(append([]string{"-i", film, "-map", "0:0", "-map", "0:1", "-s", "160x90"}, encode...), append(vod, in("ladder/low.m3u8"))...)...)
	ffmpeg(append(append(both, vod...), in("ladder/high.m3u8"))...)
	write("ladder/main.m3u8", "#EXT-X-STREAM-INF:BANDWIDTH=100000,RESOLUTION=160x90", "low.m3u8", "#EXT-X-STREAM-INF:BANDWIDTH=300000,RESOLUTION=320x180", "high.m3u8")

	for i, name := range []string{"english", "german"} {
		ffmpeg("-i", film, "-map", "0:0", "-map", fmt.Sprintf("0:%d", i+1), "-c", "copy", "-copyts", "-muxdelay", "0", "-f", "mpegts", in("alt/"+name+".ts"))
		ffmpeg(append(append([]string{"-copyts", "-i", film, "-map", fmt.Sprintf("0:%d", i+1), "-c", "copy", "-copyts", "-muxdelay", "0"}, vod...), in("alt/"+name+".m3u8"))...)
	}
	ffmpeg(append(append([]string{"-copyts", "-i", film, "-map", "0:0", "-c", "copy", "-copyts", "-muxdelay", "0"}, vod...), in("alt/video.m3u8"))...)
	write("alt/main.m3u8", `#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="aud",NAME="Deutsch",LANGUAGE="de",URI="german.m3u8"`,
		`#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="aud",NAME="English",LANGUAGE="en",DEFAULT=YES,AUTOSELECT=YES,URI="english.m3u8"`,
		`#EXT-X-STREAM-INF:BANDWIDTH=300000,AUDIO="aud"`, "video.m3u8")

	// Sound without a container says when it begins in an ID3 tag.
	ffmpeg("-i", in("alt/german.ts"), "-map", "0:1", "-c", "copy", in("alt/german.aac"))
	begin, err := strconv.ParseFloat(strings.Fields(run(t, nil, "ffprobe", "-v", "error", "-show_entries", "stream=start_time", "-select_streams", "a", "-of", "csv=p=0", in("alt/german.ts")))[0], 64)
	if err != nil {
		t.Fatal(err)
	}
	tag := []byte("ID3\x04\x00\x00\x00\x00\x00\x3fPRIV\x00\x00\x00\x35\x00\x00com.apple.streaming.transportStreamTimestamp\x00")
	ticks := uint64(math.Round(begin * 90_000))
	for shift := 56; shift >= 0; shift -= 8 {
		tag = append(tag, byte(ticks>>shift))
	}
	if err := os.WriteFile(in("alt/tag"), tag, 0o644); err != nil {
		t.Fatal(err)
	}
	join("alt/packed.aac", "alt/tag", "alt/german.aac")
	write("alt/packed_audio.m3u8", "#EXT-X-TARGETDURATION:10", "#EXTINF:10.0,", "packed.aac", "#EXT-X-ENDLIST")
	write("alt/packed.m3u8", `#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="aud",NAME="Deutsch",LANGUAGE="de",URI="packed_audio.m3u8"`, `#EXT-X-STREAM-INF:BANDWIDTH=300000,AUDIO="aud"`, "video.m3u8")

	// Another clock for a part is what a remux with an offset gives; the coded pictures stay.
	for i, part := range []struct{ first, offset string }{{"0", "0"}, {"2", "7000"}, {"4", "-3"}} {
		join("cut/in.ts", map[string][]string{"0": {"ts/0.ts", "ts/1.ts"}, "2": {"ts/2.ts", "ts/3.ts"}, "4": {"ts/4.ts"}}[part.first]...)
		ffmpeg("-copyts", "-i", in("cut/in.ts"), "-c", "copy", "-copyts", "-muxdelay", "0", "-output_ts_offset", part.offset, "-f", "mpegts", in(fmt.Sprintf("cut/%d.ts", i)))
	}
	write("cut/main.m3u8", "#EXT-X-TARGETDURATION:4", "#EXTINF:4.0,", "0.ts", "#EXT-X-DISCONTINUITY", "#EXTINF:4.0,", "1.ts", "#EXT-X-DISCONTINUITY", "#EXTINF:2.0,", "2.ts", "#EXT-X-ENDLIST")

	for name, other := range map[string][]string{
		"size": append(append(source("640x360", "48000", 4), encode...), "-map", "0", "-map", "1"),
		"rate": append(append(source("320x180", "44100", 4), encode...), "-map", "0", "-map", "1"),
		"pids": append(append(source("320x180", "48000", 4), encode...), "-map", "0", "-map", "1", "-mpegts_start_pid", "300"),
	} {
		ffmpeg(append(other, "-f", "mpegts", in("parts/"+name+".ts"))...)
		join("parts/whole.ts", "ts/whole.ts")
		write("parts/"+name+".m3u8", "#EXT-X-TARGETDURATION:10", "#EXTINF:10.0,", "whole.ts", "#EXT-X-DISCONTINUITY", "#EXTINF:4.0,", name+".ts", "#EXT-X-ENDLIST")
	}
	return dir
}

// carried is what became of a job of `darkroom run`.
type carried struct {
	Status string
	Error  *struct {
		Code    int
		Message string
	}
}

// carry carries out the short job with audio selectors, over directories, and returns its MP4.
func carry(t *testing.T, in, input, selectors string) (carried, string) {
	t.Helper()
	out := t.TempDir()
	body := short("s3://films/"+input, "s3://out/film")
	if selectors != "" {
		body = strings.Replace(body, `{"Audio Selector 1": {"DefaultSelection": "DEFAULT"}}`, selectors, 1)
	}
	file := filepath.Join(out, "job.json")
	if err := os.WriteFile(file, []byte(job(body)), 0o644); err != nil {
		t.Fatal(err)
	}
	text, stderr, _ := try(t, nil, binary, "run", file, "--bucket", "films="+in, "--bucket", "out="+out, "--json", "--verbose")
	var c carried
	if err := json.Unmarshal([]byte(text), &c); err != nil {
		t.Fatalf("%v\n%s%s", err, text, stderr)
	}
	if c.Error != nil {
		t.Logf("%d %s\n%s", c.Error.Code, c.Error.Message, stderr)
	}
	return c, filepath.Join(out, "film.mp4")
}

// frames are the hashes of the decoded pictures or sound of a film, each with its time.
func frames(t *testing.T, path, kind string) []string {
	t.Helper()
	var out []string
	for line := range strings.Lines(run(t, nil, "ffmpeg", "-v", "error", "-i", path, "-map", "0:"+kind, "-f", "framemd5", "-")) {
		if !strings.HasPrefix(line, "#") {
			out = append(out, strings.TrimSpace(line))
		}
	}
	return out
}

// TestHLSInputs: a job over an HLS package gives the pictures and the sound that the same job gives over the same coded bytes in one file.
func TestHLSInputs(t *testing.T) {
	t.Parallel()
	dir := packages(t)
	rendition := func(members string) string {
		return `{"a": {"SelectorType": "HLS_RENDITION_GROUP", "HlsRenditionGroupSettings": {` + members + `}}}`
	}
	for _, tt := range []struct{ name, input, selectors, same string }{
		{"MPEG-TS", "ts/main.m3u8", "", "ts/whole.ts"},
		{"MPEG-TS by byte ranges", "range/main.m3u8", "", "ts/whole.ts"},
		{"fragmented MP4", "fmp4/main.m3u8", "", "fmp4/whole.mp4"},
		{"fragmented MP4 by byte ranges", "one/main.m3u8", "", "fmp4/whole.mp4"},
		{"the variant with the highest bandwidth", "ladder/main.m3u8", "", "ts/whole.ts"},
		{"parts with other clocks", "cut/main.m3u8", "", "ts/whole.ts"},
		{"the default rendition", "alt/main.m3u8", "", "alt/english.ts"},
		{"packed audio", "alt/packed.m3u8", "", "alt/german.ts"},
		{"a rendition by language", "alt/main.m3u8", rendition(`"RenditionLanguageCode": "DEU"`), "alt/german.ts"},
		{"a rendition by name and group", "alt/main.m3u8", rendition(`"RenditionName": "English", "RenditionGroupId": "aud"`), "alt/english.ts"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, film := carry(t, dir, tt.input, tt.selectors)
			want, whole := carry(t, dir, tt.same, "")
			if got.Error != nil || want.Error != nil {
				t.Fatalf("got %+v, in one file %+v", got.Error, want.Error)
			}
			for _, kind := range []string{"v", "a"} {
				g, w := frames(t, film, kind), frames(t, whole, kind)
				if len(w) < 200 {
					t.Fatalf("%d frames of %s", len(w), kind)
				}
				if len(g) != len(w) {
					t.Errorf("%s: %d frames, in one file %d", kind, len(g), len(w))
				}
				for i := range min(len(g), len(w)) {
					if g[i] != w[i] {
						t.Errorf("%s: frame %d is %s, in one file %s", kind, i, g[i], w[i])
						break
					}
				}
			}
		})
	}
	t.Run("a part of another size", func(t *testing.T) {
		t.Parallel()
		got, film := carry(t, dir, "parts/size.m3u8", "")
		if got.Error != nil {
			t.Fatalf("%+v", got.Error)
		}
		if n := len(frames(t, film, "v")); n < 350 || n > 352 {
			t.Errorf("%d pictures, want those of 14 seconds", n)
		}
		// The pictures of the second part are what scaling gives.
		text := run(t, nil, "bash", "-c", `ffmpeg -nostdin -i "$0" -i "$1" -lavfi "[0:v]trim=start_frame=252:end_frame=340,setpts=N/25/TB[a];[1:v]scale=160:90:flags=bicubic,setsar=1,trim=start_frame=1:end_frame=89,setpts=N/25/TB[b];[a][b]ssim" -f null - 2>&1`,
			film, filepath.Join(dir, "parts/size.ts"))
		m := regexp.MustCompile(`All:([0-9.]+)`).FindStringSubmatch(text)
		if m == nil {
			t.Fatal(text)
		}
		if alike, _ := strconv.ParseFloat(m[1], 64); alike < 0.9 {
			t.Errorf("the second part is alike by %v", alike)
		}
	})
	for _, tt := range []struct {
		name, input, selectors string
		code                   int
		says                   string
	}{
		{"a part of another sample rate", "parts/rate.m3u8", "", 3400, "sample rate"},
		{"a part with other PIDs", "parts/pids.m3u8", "", 3400, "PIDs"},
		{"a rendition that is not there", "alt/main.m3u8", rendition(`"RenditionName": "Suomi"`), 1021, "describes no audio rendition"},
		{"two renditions", "alt/main.m3u8", rendition(`"RenditionGroupId": "aud"`), 3400, "more than one"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, _ := carry(t, dir, tt.input, tt.selectors)
			if got.Error == nil || got.Error.Code != tt.code || !strings.Contains(got.Error.Message, tt.says) {
				t.Errorf("got %s %+v, want %d %q", got.Status, got.Error, tt.code, tt.says)
			}
		})
	}
	t.Run("probe", func(t *testing.T) {
		t.Parallel()
		out := run(t, nil, binary, "probe", filepath.Join(dir, "alt/main.m3u8"))
		for _, want := range []string{"HLS, ", "10.000 s", "stream 0  video  h264  320x180", "stream 1  audio  aac  48000 Hz", "eng"} {
			if !strings.Contains(out, want) {
				t.Errorf("%q is not in %s", want, out)
			}
		}
	})
}

// TestHLSInputOfServer: packages in the store and on a web server, and what neither may lead to.
func TestHLSInputOfServer(t *testing.T) {
	t.Parallel()
	dir := packages(t)
	site, flags := web(t, http.FileServer(http.Dir(dir)), false)
	s := serve(t, flags...)
	put := func(key, text string) {
		t.Helper()
		path := filepath.Join(t.TempDir(), "playlist")
		if err := os.WriteFile(path, []byte("#EXTM3U\n"+text), 0o644); err != nil {
			t.Fatal(err)
		}
		s.upload("films", key, path)
	}
	for _, name := range []string{"main.m3u8", "video.m3u8", "english.m3u8", "german.m3u8"} {
		s.upload("films", "in/alt/"+name, filepath.Join(dir, "alt", name))
	}
	segments, err := filepath.Glob(filepath.Join(dir, "alt/*.ts"))
	if err != nil || len(segments) < 15 {
		t.Fatal(segments, err)
	}
	for _, path := range segments {
		s.upload("films", "in/alt/"+filepath.Base(path), path)
	}
	s.upload("films", "in/secret.ts", filepath.Join(dir, "alt/english.ts"))
	segment := func(uri string) string {
		return "#EXT-X-TARGETDURATION:10\n#EXTINF:10,\n" + uri + "\n#EXT-X-ENDLIST\n"
	}
	put("in/far/main.m3u8", segment(site.URL+"/ts/whole.ts"))
	put("in/out/main.m3u8", segment("../secret.ts"))

	german := strings.Replace(short("s3://films/in/alt/main.m3u8", "s3://films/out/german"), `{"Audio Selector 1": {"DefaultSelection": "DEFAULT"}}`,
		`{"a": {"SelectorType": "HLS_RENDITION_GROUP", "HlsRenditionGroupSettings": {"RenditionLanguageCode": "DEU"}}}`, 1)
	ids := []string{
		s.submit(job(german)),
		s.submit(job(short(site.URL+"/ladder/main.m3u8", "s3://films/out/ladder"))),
		s.submit(job(short("s3://films/in/far/main.m3u8", "s3://films/out/far"))),
	}
	for _, id := range ids {
		s.finish(id)
	}
	out := s.download("films", "out/")
	_, want := carry(t, dir, "alt/german.ts", "")
	for _, kind := range []string{"v", "a"} {
		if g, w := frames(t, filepath.Join(out, "german.mp4"), kind), frames(t, want, kind); strings.Join(g, "\n") != strings.Join(w, "\n") {
			t.Errorf("%s: %d frames differ from the %d of one file", kind, len(g), len(w))
		}
	}

	p, err := s.mediaconvert().Probe(t.Context(), &mediaconvert.ProbeInput{InputFiles: []types.ProbeInputFile{{FileUrl: aws.String("s3://films/in/alt/main.m3u8")}}})
	if err != nil {
		t.Fatal(err)
	}
	if c := p.ProbeResults[0].Container; len(c.Tracks) != 2 || aws.ToFloat64(c.Duration) != 10 || c.Format != "" {
		t.Errorf("probe: %s", asJSON(t, c))
	}

	fails := func(input string, code int32, says string) {
		t.Helper()
		j := s.until(s.submit(job(short(input, "s3://films/none/x"))), final)
		if j.Status != types.JobStatusError || aws.ToInt32(j.ErrorCode) != code || !strings.Contains(aws.ToString(j.ErrorMessage), says) {
			t.Errorf("%s: got %s %d %s, want %d %q", input, j.Status, aws.ToInt32(j.ErrorCode), aws.ToString(j.ErrorMessage), code, says)
		}
	}
	fails("s3://films/in/out/main.m3u8", 3400, "outside s3://films/in/out/")
	if _, err := s.mediaconvert().PutPolicy(t.Context(), &mediaconvert.PutPolicyInput{Policy: &types.Policy{HttpInputs: types.InputPolicyDisallowed}}); err != nil {
		t.Fatal(err)
	}
	const disallowed = "You specified an input location that your policy disallows. Specify an allowed input location and resubmit your job."
	fails("s3://films/in/far/main.m3u8", 3457, disallowed)
	_, err = s.mediaconvert().Probe(t.Context(), &mediaconvert.ProbeInput{InputFiles: []types.ProbeInputFile{{FileUrl: aws.String("s3://films/in/far/main.m3u8")}}})
	if _, ok := errors.AsType[*types.BadRequestException](err); !ok || !strings.Contains(err.Error(), disallowed) {
		t.Errorf("probe of what leads to a disallowed location: %v", err)
	}
}
