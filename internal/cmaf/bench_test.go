package cmaf_test

import (
	"bytes"
	"io"
	"testing"

	"darkroom/internal/cenc"
	"darkroom/internal/cmaf"
	"darkroom/internal/media"
)

// film is a minute of pictures of 25,000 bytes (6 Mbit/s), a fragment a second. Each is one IDR or slice whose header the encryptor can read.
func film() []byte {
	samples := make([][4]uint32, 30)
	for i := range samples {
		samples[i] = [4]uint32{1000, 25_000, nonSync, 0}
	}
	samples[0][2] = 0
	stream := initSegment(true, nil)
	for i := range 60 {
		stream = append(stream, fragment(uint64(i)*30000, samples...)...)
		data := stream[len(stream)-30*25_000:]
		for n := range samples {
			copy(data[n*25_000:], u32(25_000-4))
			// first_mb_in_slice 0, slice_type 7 (I), pic_parameter_set_id 0, frame_num, and so on.
			copy(data[n*25_000+4:], []byte{0x65, 0x88, 0x84, 0x00, 0x33, 0xff})
		}
	}
	return stream
}

// pass reads a film and writes it in segments of six seconds.
func pass(b *testing.B, stream []byte, o cmaf.WriterOptions, scheme cenc.Scheme, read func(*cmaf.Reader, *media.Batch) error) {
	b.SetBytes(int64(len(stream)))
	b.ReportAllocs()
	var out []byte
	var batch media.Batch
	for b.Loop() {
		r := cmaf.NewReader(bytes.NewReader(stream))
		track, err := r.Track()
		if err != nil {
			b.Fatal(err)
		}
		if scheme != 0 {
			o.Encryptor = encryptor(b, track, scheme)
		}
		w := newWriter(b, track, o)
		out = append(out[:0], w.Init()...)
		for {
			err := read(r, &batch)
			if err == io.EOF {
				break
			}
			if err != nil {
				b.Fatal(err)
			}
			for i := range batch.Samples {
				if err := w.Add(&batch.Samples[i]); err != nil {
					b.Fatal(err)
				}
			}
			// A batch is written before it is read into again: a fragment of a third of a second.
			if out, err = w.AppendFragment(out[:0], cmaf.FragmentOptions{}); err != nil {
				b.Fatal(err)
			}
		}
	}
}

func BenchmarkPass(b *testing.B) {
	stream := film()
	again := func(r *cmaf.Reader, batch *media.Batch) error { return r.Read(batch) }
	fresh := func(r *cmaf.Reader, batch *media.Batch) (err error) {
		batch.Samples, err = r.Next()
		return err
	}
	o := cmaf.WriterOptions{Flavour: cmaf.CMAF}
	b.Run("clear, fresh batches", func(b *testing.B) { pass(b, stream, o, 0, fresh) })
	b.Run("clear", func(b *testing.B) { pass(b, stream, o, 0, again) })
	b.Run("cbcs", func(b *testing.B) { pass(b, stream, o, cenc.CBCS, again) })
	b.Run("cenc", func(b *testing.B) { pass(b, stream, o, cenc.CENC, again) })
	b.Run("reading alone", func(b *testing.B) {
		b.SetBytes(int64(len(stream)))
		var batch media.Batch
		for b.Loop() {
			r := cmaf.NewReader(bytes.NewReader(stream))
			for r.Read(&batch) == nil {
			}
		}
	})
}
