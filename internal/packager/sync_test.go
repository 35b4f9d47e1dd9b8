package packager

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"darkroom/internal/plan"
)

// flashAndBeep is a black picture that is white, and a silence that is a tone, for a fifth of a second from second 3 on.
const flashAndBeep = "-f lavfi -i color=black:s=160x90:r=%s:d=6,drawbox=c=white:t=fill:enable=between(t\\,2.999\\,3.2) -f lavfi -i aevalsrc=if(between(t\\,3\\,3.2)\\,0.8*sin(2*PI*1000*t)\\,0):s=%d:d=6"

var (
	frameTime  = regexp.MustCompile(`pts_time:(\S+)`)
	luma       = regexp.MustCompile(`YAVG=(\S+)`)
	silenceEnd = regexp.MustCompile(`silence_end: (\S+)`)
)

// flash returns when the picture becomes white, by the clock of the container.
func flash(t testing.TB, path string) float64 {
	t.Helper()
	out := output(t, "ffmpeg", "-v", "error", "-copyts", "-i", path, "-map", "0:v:0", "-vf", "signalstats,metadata=print:key=lavfi.signalstats.YAVG:file=-", "-f", "null", "-")
	at := ""
	for line := range strings.Lines(out) {
		if m := frameTime.FindStringSubmatch(line); m != nil {
			at = m[1]
		}
		if m := luma.FindStringSubmatch(line); m != nil {
			if v, _ := strconv.ParseFloat(m[1], 64); v > 128 {
				s, err := strconv.ParseFloat(at, 64)
				if err != nil {
					t.Fatal(err)
				}
				return s
			}
		}
	}
	t.Fatalf("no flash in %s", path)
	return 0
}

// beep returns when the sound begins, to the sample.
func beep(t testing.TB, path string, index int) float64 {
	t.Helper()
	cmd := exec.Command("ffmpeg", "-v", "info", "-copyts", "-i", path, "-map", fmt.Sprintf("0:a:%d", index), "-af", "silencedetect=n=0.1:d=0.5", "-f", "null", "-")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v: %s", err, stderr.String())
	}
	m := silenceEnd.FindStringSubmatch(stderr.String())
	if m == nil {
		t.Fatalf("no beep in %s:\n%s", path, stderr.String())
	}
	s, err := strconv.ParseFloat(m[1], 64)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// A flash and a beep at 3 s stay together, in files and in transport streams, with B-frames and without, at odd rates, with sound alone in
// its own rendition.
func TestSync(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		rate       string
		sampleRate int
		args       string
	}{
		{"25", 48000, ""},
		{"30000/1001", 44100, ""},
		{"24000/1001", 32000, " -bf 0"},
		{"10", 8000, " -bf 4"},
	} {
		t.Run(fmt.Sprintf("%s, %d Hz%s", strings.ReplaceAll(tt.rate, "/", "-"), tt.sampleRate, tt.args), func(t *testing.T) {
			t.Parallel()
			p := hlsOnly("v0", "a0")
			p.Files = fileOnly("v0", "a0").Files
			p.Files = append(p.Files, plan.File{Location: loc("last.mp4"), Video: "v0", Audio: []string{"a0"}, MoovLast: true})
			p.Streams[0] = hlsGroup("film", 1, variant("film_v", 0, "", "v0", "a0"), sound("film_s", 1, "g", "a0"))
			e := startEncoder(t, t.Context(), fmt.Sprintf(flashAndBeep, tt.rate, tt.sampleRate),
				stream{"v0", "-map 0:v " + videoArgs + keyEvery("2") + tt.args}, stream{"a0", "-map 1:a " + audioArgs})
			m := newMemory()
			if _, err := Run(t.Context(), p, e.readers, m, Options{Ended: e.wait}); err != nil {
				t.Fatal(err)
			}
			dir := save(t, m)
			// One frame of AAC, the unit in which sound is coded.
			frame := 1024 / float64(tt.sampleRate)
			var num, den float64 = 0, 1
			if _, err := fmt.Sscanf(tt.rate, "%f/%f", &num, &den); err != nil && num == 0 {
				t.Fatal(err)
			}
			for path, offset := range map[string]float64{"film.mp4": 0, "last.mp4": 0, "film_v.m3u8": 10} {
				path = filepath.Join(dir, path)
				v, a := flash(t, path)-offset, beep(t, path, 0)-offset
				// The first white picture is the first at or after 2.999 s.
				if v < 2.998 || v >= 2.999+den/num+0.001 {
					t.Errorf("%s: the flash is at %.4f s", path, v)
				}
				if a < 3-frame || a > 3+frame {
					t.Errorf("%s: the beep is at %.4f s; one frame is %.4f s", path, a, frame)
				}
			}
			path := filepath.Join(dir, "film_s.m3u8")
			if a := beep(t, path, 0) - 10; a < 3-frame || a > 3+frame {
				t.Errorf("%s: the beep is at %.4f s", path, a)
			}
		})
	}
}

// shape is what a film is like.
type shape struct {
	name  string
	input string
	video string // arguments of the picture, "" for none
	audio string // arguments of the sound, "" for none
	// What comes of it.
	frames, units int
	segments      []float64 // seconds
}

// Films of every shape are packaged whole: all frames are there, play without a complaint, and last as long as they should.
func TestShapes(t *testing.T) {
	t.Parallel()
	const small = "testsrc2=s=160x90"
	for _, tt := range []shape{
		{"sound alone", "-f lavfi -i sine=d=5:r=48000", "", "-map 0:a", 0, 236, []float64{2.005333, 2.005334, 0.989333}},
		{"picture alone", "-f lavfi -i " + small + ":r=25:d=5", "-map 0:v" + keyEvery("2"), "", 125, 0, []float64{2, 2, 1}},
		{"a group of pictures longer than a segment", "-f lavfi -i " + small + ":r=25:d=9", "-map 0:v -g 75", "", 225, 0, []float64{3, 3, 3}},
		{"one group of pictures", "-f lavfi -i " + small + ":r=25:d=5 -f lavfi -i sine=d=5:r=48000", "-map 0:v -g 9999", "-map 1:a", 125, 236, []float64{5.013}},
		{"odd duration", "-f lavfi -i " + small + ":r=24000/1001:d=3.456 -f lavfi -i sine=d=3.456:r=44100", "-map 0:v" + keyEvery("2"), "-map 1:a", 83, 150, []float64{2.002, 1.4597}},
		{"one picture", "-f lavfi -i " + small + ":r=25:d=0.04", "-map 0:v", "", 1, 0, []float64{0.04}},
		{"sound longer than the picture", "-f lavfi -i " + small + ":r=25:d=3 -f lavfi -i sine=d=9:r=48000", "-map 0:v" + keyEvery("2"), "-map 1:a", 75, 423, []float64{2, 2.005333, 2.005334, 1.994666, 1}},
		{"sound a little longer than the picture", "-f lavfi -i " + small + ":r=25:d=3.96 -f lavfi -i sine=d=4.5:r=48000", "-map 0:v" + keyEvery("2"), "-map 1:a", 99, 212, []float64{2, 2.5}},
		{"picture longer than the sound", "-f lavfi -i " + small + ":r=25:d=7 -f lavfi -i sine=d=1:r=48000", "-map 0:v" + keyEvery("2"), "-map 1:a", 175, 48, []float64{2, 2, 2, 1}},
		{"variable frame rate", "-f lavfi -i " + small + ":r=25:d=6,select=not(eq(mod(n\\,7)\\,3)),select=not(between(t\\,1.9\\,2.3)) -f lavfi -i sine=d=6:r=48000", "-map 0:v -vsync vfr" + keyEvery("2"), "-map 1:a", 120, 283, []float64{2.32, 1.68, 2}},
		{"one picture in two seconds", "-f lavfi -i " + small + ":r=0.5:d=10 -f lavfi -i sine=d=10:r=48000", "-map 0:v -bf 0" + keyEvery("2"), "-map 1:a", 5, 470, []float64{2, 2, 2, 2, 2}},
		{"sound that begins late", "-f lavfi -i " + small + ":r=25:d=6 -itsoffset 1.5 -f lavfi -i sine=d=4:r=48000", "-map 0:v" + keyEvery("2"), "-map 1:a", 150, 189, []float64{2, 2, 2}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var streams []stream
			var videoID string
			var audioIDs []string
			if tt.video != "" {
				videoID = "v0"
				streams = append(streams, stream{"v0", tt.video + " " + videoArgs})
			}
			if tt.audio != "" {
				audioIDs = []string{"a0"}
				streams = append(streams, stream{"a0", tt.audio + " " + audioArgs})
			}
			p := hlsOnly(videoID, audioIDs...)
			if videoID == "" {
				r := sound("film_v", 0, "g", "a0")
				r.Variant = true
				p.Streams[0].Representations[0] = r
			}
			p.Files = fileOnly(videoID, audioIDs...).Files
			e := startEncoder(t, t.Context(), tt.input, streams...)
			m := newMemory()
			rep, err := Run(t.Context(), p, e.readers, m, Options{Ended: e.wait})
			if err != nil {
				t.Fatal(err)
			}
			dir := save(t, m)
			want := [3]int{tt.frames, tt.units}
			if videoID == "" {
				want = [3]int{tt.units}
			}
			for _, path := range []string{"film.mp4", "film_v.m3u8"} {
				path = filepath.Join(dir, path)
				decode(t, path)
				if got := packets(t, path); got != want {
					t.Errorf("%s has %v packets, want %v", path, got, want)
				}
			}
			if got := shownFrames(t, filepath.Join(dir, "film.mp4")); got != tt.frames {
				t.Errorf("%d pictures are shown, want %d", got, tt.frames)
			}
			checkStreams(t, m, rep, "film_v", len(rep.Outputs[1].SegmentDurations))
			var got []float64
			sum := time.Duration(0)
			for _, d := range rep.Outputs[1].SegmentDurations {
				got = append(got, d.Seconds())
				sum += d
			}
			if !slices.EqualFunc(got, tt.segments, func(a, b float64) bool { return a-b < 0.02 && b-a < 0.02 }) {
				t.Errorf("segments of %v s, want %v", got, tt.segments)
			}
			if sum != rep.Outputs[1].Duration || rep.Outputs[0].Duration != rep.Outputs[1].Duration {
				t.Errorf("segments sum to %v; report of %v and %v", sum, rep.Outputs[1].Duration, rep.Outputs[0].Duration)
			}
		})
	}
}

// shownFrames counts the pictures that a player shows: those that the edit list leaves.
func shownFrames(t testing.TB, path string) int {
	t.Helper()
	var probe struct {
		Streams []struct {
			Frames string `json:"nb_read_frames"`
		} `json:"streams"`
	}
	if err := json.Unmarshal([]byte(output(t, "ffprobe", "-v", "error", "-select_streams", "v", "-count_frames", "-show_entries", "stream=nb_read_frames", "-of", "json", path)), &probe); err != nil {
		t.Fatal(err)
	}
	if len(probe.Streams) == 0 {
		return 0
	}
	n, err := strconv.Atoi(probe.Streams[0].Frames)
	if err != nil {
		t.Fatal(err)
	}
	return n
}
