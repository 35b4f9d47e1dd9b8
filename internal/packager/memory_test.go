package packager

import (
	"bytes"
	"encoding/binary"
	"io"
	"testing"
	"time"

	"darkroom/internal/cmaf"
	"darkroom/internal/media"
	"darkroom/internal/plan"
)

// endless makes a fragmented MP4 of any length out of a short one: its samples over and over, a fragment each second, with times that go on.
// Nothing of it is held.
type endless struct {
	init     []byte
	samples  []media.Sample
	scale    int64
	duration int64 // ticks of a sample
	seconds  int64 // of the whole
	done     int64 // samples
	second   int64
	left     []byte
}

func newEndless(t testing.TB, made []byte, seconds int) *endless {
	t.Helper()
	r := cmaf.NewReader(bytes.NewReader(made))
	track, err := r.Track()
	if err != nil {
		t.Fatal(err)
	}
	e := &endless{init: made[:bytes.Index(made, []byte("moof"))-4], scale: int64(track.Timescale), seconds: int64(seconds)}
	for {
		s, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		e.samples = append(e.samples, s...)
	}
	e.duration = int64(e.samples[0].Duration)
	if track.Kind == media.Video {
		e.samples = e.samples[:len(e.samples)/25*25] // whole groups of pictures
	}
	e.left = e.init
	return e
}

func (e *endless) Read(p []byte) (int, error) {
	if len(e.left) == 0 {
		if e.second == e.seconds {
			return 0, io.EOF
		}
		e.second++
		e.left = e.fragment((e.second*e.scale + e.duration - 1) / e.duration)
	}
	n := copy(p, e.left)
	e.left = e.left[n:]
	return n, nil
}

// fragment holds the samples up to a number.
func (e *endless) fragment(until int64) []byte {
	u32 := binary.BigEndian.AppendUint32
	var run, data []byte
	count := until - e.done
	for n := e.done; n < until; n++ {
		s := &e.samples[n%int64(len(e.samples))]
		flags := uint32(0x10000)
		if s.Sync {
			flags = 0
		}
		for _, v := range []uint32{uint32(e.duration), uint32(len(s.Data)), flags, uint32(s.CompositionOffset)} {
			run = u32(run, v)
		}
		data = append(data, s.Data...)
	}
	box := func(kind string, content []byte) []byte {
		return append(append(u32(nil, uint32(8+len(content))), kind...), content...)
	}
	tfdt := binary.BigEndian.AppendUint64(u32(nil, 1<<24), uint64(e.done*e.duration))
	traf := append(box("tfhd", u32(u32(nil, 0x020000), 1)), box("tfdt", tfdt)...)
	traf = append(traf, box("trun", append(u32(u32(nil, 0xf00), uint32(count)), run...))...)
	e.done = until
	return append(box("moof", append(box("mfhd", u32(u32(nil, 0), 1)), box("traf", traf)...)), box("mdat", data)...)
}

// noise is two seconds of a picture that is hard to encode, and a tone: something to make longer.
func noise(t testing.TB) map[string][]byte {
	return encodeOnce(t, "-f lavfi -i testsrc2=s=320x180:r=25:d=2,noise=alls=40:allf=t -f lavfi -i sine=d=2:r=48000",
		stream{"v0", "-map 0:v -qp 20 " + videoArgs + keyEvery("1")}, stream{"a0", "-map 1:a " + audioArgs})
}

// everything writes a film as a file and as segments.
func everything() *plan.Plan {
	p := hlsOnly("v0", "a0")
	p.Files = fileOnly("v0", "a0").Files
	return p
}

// What is held does not grow with the length of the film: bounded by named limits, whatever the length, but for the tables of the file.
func TestMemoryIsConstant(t *testing.T) {
	t.Parallel()
	made := noise(t)
	// Two queues, the parts of the file being filled and held, a segment, and what is being uploaded.
	const limit = 2*(queueLimit+1<<20) + 2*(minPartSize+1<<20) + 4<<20 + inflightLimit
	for _, size := range []int{limit / 4, limit * 5 / 4} {
		seconds := size / (len(made["v0"]) / 2) / 2 * 2
		in := map[string]io.Reader{"v0": newEndless(t, made["v0"], seconds), "a0": newEndless(t, made["a0"], seconds)}
		rep, err := Run(t.Context(), everything(), in, null{}, Options{PartSize: minPartSize})
		if err != nil {
			t.Fatal(err)
		}
		if got := rep.Outputs[0].Duration; got < time.Duration(seconds)*time.Second || got > time.Duration(seconds+1)*time.Second {
			t.Errorf("a film of %d s lasts %v", seconds, got)
		}
		if got := rep.Outputs[1].Segments; got != seconds/2 {
			t.Errorf("a film of %d s has %d segments", seconds, got)
		}
		t.Logf("%d s, %d bytes: held %d", seconds, rep.Outputs[0].Bytes, rep.PeakBytes)
		if rep.PeakBytes > limit {
			t.Errorf("held %d bytes of %d, more than %d", rep.PeakBytes, rep.Outputs[0].Bytes, limit)
		}
	}
}

// BenchmarkRun packages a picture and its sound as a file and as segments; bytes are those of the renditions.
func BenchmarkRun(b *testing.B) {
	made := encodeOnce(b, "-f lavfi -i testsrc2=s=1280x720:r=25:d=4,noise=alls=20:allf=t -f lavfi -i sine=d=4:r=48000",
		stream{"v0", "-map 0:v -qp 24 " + videoArgs + keyEvery("1")}, stream{"a0", "-map 1:a " + audioArgs})
	long := map[string][]byte{}
	size := 0
	for id := range made {
		body, err := io.ReadAll(newEndless(b, made[id], 30))
		if err != nil {
			b.Fatal(err)
		}
		long[id] = body
		size += len(body)
	}
	file, segments := everything(), everything()
	file.Streams, segments.Files = nil, nil
	for _, bb := range []struct {
		name string
		p    *plan.Plan
	}{{"file", file}, {"segments", segments}, {"both", everything()}} {
		b.Run(bb.name, func(b *testing.B) {
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Run(b.Context(), bb.p, readers(long), null{}, Options{}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
