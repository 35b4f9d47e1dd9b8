package sandbox

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// memory is a Source over bytes that are their own position, and that notes what is read of it.
type memory struct {
	size int64
	// short ends every range early, and fail refuses to open one.
	short bool
	fail  error
	log   *readLog
}

type readLog struct {
	mu sync.Mutex
	// ranges are what was opened; read is how many bytes were read. Guarded by mu.
	ranges [][2]int64
	read   int64
}

func at(offset int64) byte { return byte(offset*31 + offset>>8) }

func content(from, to int64) []byte {
	data := make([]byte, to-from)
	for i := range data {
		data[i] = at(from + int64(i))
	}
	return data
}

func (m memory) Size() int64 { return m.size }

func (m memory) ReadRange(_ context.Context, offset, length int64) (io.ReadCloser, error) {
	if m.fail != nil {
		return nil, m.fail
	}
	if m.log != nil {
		m.log.mu.Lock()
		m.log.ranges = append(m.log.ranges, [2]int64{offset, length})
		m.log.mu.Unlock()
	}
	if length < 0 {
		length = m.size - offset
	}
	if m.short {
		length /= 2
	}
	return io.NopCloser(&memoryReader{memory: m, offset: offset, end: offset + length}), nil
}

type memoryReader struct {
	memory
	offset, end int64
}

func (r *memoryReader) Read(buffer []byte) (int, error) {
	if r.offset == r.end {
		return 0, io.EOF
	}
	n := min(int64(len(buffer)), r.end-r.offset)
	copy(buffer, content(r.offset, r.offset+n))
	r.offset += n
	if r.log != nil {
		r.log.mu.Lock()
		r.log.read += n
		r.log.mu.Unlock()
	}
	return int(n), nil
}

// TestRanges: RFC 9110 section 14.
func TestRanges(t *testing.T) {
	t.Parallel()
	const size = 6<<20 + 12345
	tests := []struct {
		name   string
		size   int64
		method string
		header string
		status int
		length int64
		// from and to bound the body; none if equal.
		from, to int64
		extent   string
	}{
		{name: "whole", size: size, status: 200, length: size, to: size},
		{name: "head", size: size, method: "HEAD", status: 200, length: size},
		{name: "head of a range", size: size, method: "HEAD", header: "bytes=5-", status: 206, length: size - 5, extent: "bytes 5-6303800/6303801"},
		{name: "open", size: size, header: "bytes=0-", status: 206, length: size, to: size, extent: "bytes 0-6303800/6303801"},
		{name: "middle", size: size, header: "bytes=1500000-1500009", status: 206, length: 10, from: 1500000, to: 1500010, extent: "bytes 1500000-1500009/6303801"},
		{name: "across blocks", size: size, header: "bytes=65530-131080", status: 206, length: 65551, from: 65530, to: 131081, extent: "bytes 65530-131080/6303801"},
		{name: "out of the head", size: size, header: "bytes=1048570-1048600", status: 206, length: 31, from: 1048570, to: 1048601, extent: "bytes 1048570-1048600/6303801"},
		{name: "last", size: size, header: "bytes=6303800-", status: 206, length: 1, from: size - 1, to: size, extent: "bytes 6303800-6303800/6303801"},
		{name: "suffix", size: size, header: "bytes=-7", status: 206, length: 7, from: size - 7, to: size, extent: "bytes 6303794-6303800/6303801"},
		{name: "long suffix", size: 10, header: "bytes=-700", status: 206, length: 10, to: 10, extent: "bytes 0-9/10"},
		{name: "beyond the end", size: 10, header: "bytes=5-700", status: 206, length: 5, from: 5, to: 10, extent: "bytes 5-9/10"},
		{name: "at the end", size: 10, header: "bytes=10-", status: 416, extent: "bytes */10"},
		{name: "empty suffix", size: 10, header: "bytes=-0", status: 416, extent: "bytes */10"},
		{name: "empty source", size: 0, status: 200},
		{name: "range of an empty source", size: 0, header: "bytes=0-", status: 416, extent: "bytes */0"},
		{name: "several", size: 10, header: "bytes=0-1,4-5", status: 200, length: 10, to: 10},
		{name: "backwards", size: 10, header: "bytes=5-4", status: 200, length: 10, to: 10},
		{name: "other unit", size: 10, header: "lines=1-2", status: 200, length: 10, to: 10},
		{name: "negative", size: 10, header: "bytes=--5", status: 200, length: 10, to: 10},
		{name: "overflow", size: 10, header: "bytes=99999999999999999999-", status: 200, length: 10, to: 10},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s, err := newServer(t.Context(), []Source{memory{size: 1}, memory{size: tt.size}})
			if err != nil {
				t.Fatal(err)
			}
			defer s.close()
			// The second answer comes from the cache, as far as that goes.
			for range 2 {
				r := httptest.NewRequest("GET", "/"+s.token+"/1", nil)
				if tt.method != "" {
					r.Method = tt.method
				}
				if tt.header != "" {
					r.Header.Set("Range", tt.header)
				}
				w := httptest.NewRecorder()
				s.read(w, r)
				if w.Code != tt.status || w.Header().Get("Content-Range") != tt.extent {
					t.Errorf("status %d, Content-Range %q, want %d, %q", w.Code, w.Header().Get("Content-Range"), tt.status, tt.extent)
				}
				if tt.status >= 400 {
					continue
				}
				if got := w.Header().Get("Content-Length"); got != fmt.Sprint(tt.length) {
					t.Errorf("Content-Length %s, want %d", got, tt.length)
				}
				if !bytes.Equal(w.Body.Bytes(), content(tt.from, tt.to)) {
					t.Errorf("wrong body of %d bytes", w.Body.Len())
				}
			}
			if err := s.fault(); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestServerRefuses(t *testing.T) {
	t.Parallel()
	s, err := newServer(t.Context(), []Source{memory{size: 10}})
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	for _, tt := range []struct {
		method, path string
		want         int
	}{
		{"GET", "/", 404},
		{"GET", "/0", 404},
		{"GET", "/wrong/0", 404},
		{"GET", "/" + s.token + "/1", 404},
		{"GET", "/" + s.token + "/-0", 404},
		{"GET", "/" + s.token + "/00", 404},
		{"GET", "/" + s.token + "/0/", 404},
		{"GET", "/" + strings.ToLower(s.token) + "/0", 404},
		{"POST", "/" + s.token + "/0", 405},
		{"PUT", "/" + s.token + "/0", 405},
		{"GET", "/" + s.token + "/0", 200},
	} {
		w := httptest.NewRecorder()
		s.read(w, httptest.NewRequest(tt.method, tt.path, nil))
		if w.Code != tt.want {
			t.Errorf("%s %s: %d, want %d", tt.method, tt.path, w.Code, tt.want)
		}
	}
}

// TestRepeatedReads: a demuxer's tour of an index at the end reads the source once.
func TestRepeatedReads(t *testing.T) {
	t.Parallel()
	const size = 64 << 20
	log := &readLog{}
	in := newInput(memory{size: size, log: log}, size)
	read := func(from, to int64) {
		t.Helper()
		var got bytes.Buffer
		if err := in.copyRange(t.Context(), &got, from, to-from); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got.Bytes(), content(from, to)) {
			t.Fatalf("wrong bytes from %d to %d", from, to)
		}
	}
	read(0, 100)
	read(size-1000, size)
	read(size-900, size-100)
	read(0, 100)
	read(50, 1000)
	if diff := cmp.Diff([][2]int64{{0, blockBytes}, {size - blockBytes, -1}}, log.ranges); diff != "" {
		t.Errorf("ranges (-want +got):\n%s", diff)
	}
	// The middle is not kept.
	read(32<<20, 32<<20+10)
	read(32<<20, 32<<20+10)
	if got := len(log.ranges); got != 4 {
		t.Errorf("%d ranges, want 4", got)
	}
	read(0, size)
	in.mu.Lock()
	defer in.mu.Unlock()
	kept := 0
	for _, block := range in.blocks {
		kept += len(block)
	}
	if kept != headBytes+tailBytes {
		t.Errorf("%d bytes kept of all, want %d", kept, headBytes+tailBytes)
	}
}

// TestAnyRange reads ranges at random, through a cache that grows.
func TestAnyRange(t *testing.T) {
	t.Parallel()
	for _, size := range []int64{1, blockBytes - 1, blockBytes, blockBytes + 1, headBytes + tailBytes, headBytes + tailBytes + 3*blockBytes + 17} {
		in := newInput(memory{size: size}, size)
		random := rand.New(rand.NewPCG(1, uint64(size)))
		for range 200 {
			from := random.Int64N(size)
			to := from + 1 + random.Int64N(min(size-from, 5*blockBytes))
			var got bytes.Buffer
			if err := in.copyRange(t.Context(), &got, from, to-from); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got.Bytes(), content(from, to)) {
				t.Fatalf("size %d: wrong bytes from %d to %d", size, from, to)
			}
		}
	}
}

func TestSourceFailures(t *testing.T) {
	t.Parallel()
	broken := errors.New("access denied")
	for _, tt := range []struct {
		name   string
		source Source
		want   string
	}{
		{"cannot open", memory{size: 100, fail: broken}, "access denied"},
		{"too short", memory{size: 100, short: true}, "ended at byte 50 of 100"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s, err := newServer(t.Context(), []Source{tt.source})
			if err != nil {
				t.Fatal(err)
			}
			defer s.close()
			listener, err := net.Listen("tcp4", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			s.serve(listener)
			response, err := http.Get(s.urls()[0])
			if err == nil {
				// It must not look like a whole file.
				_, err = io.ReadAll(response.Body)
				_ = response.Body.Close()
			}
			if err == nil {
				t.Error("the reader saw no failure")
			}
			if err := s.fault(); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("fault %v, want %q", err, tt.want)
			}
		})
	}
}

// stream is a Source whose size nobody knows.
type stream struct{ memory }

func (stream) Size() int64 { return -1 }

// TestStream: what has no size is read from its beginning, whatever range is asked for, and one that breaks off does not look whole.
func TestStream(t *testing.T) {
	t.Parallel()
	const size = 300_001
	broken := errors.New("segment 7 is gone")
	for _, tt := range []struct {
		name, method, header string
		source               memory
		want                 int64 // bytes
		fault                error
	}{
		{"whole", "GET", "", memory{size: size}, size, nil},
		{"as ffmpeg asks", "GET", "bytes=0-", memory{size: size}, size, nil},
		{"a range", "GET", "bytes=5-7", memory{size: size}, size, nil},
		{"head", "HEAD", "", memory{size: size, fail: broken}, 0, nil},
		{"broken", "GET", "", memory{size: size, fail: broken}, -1, broken},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			log := &readLog{}
			tt.source.log = log
			s, err := newServer(t.Context(), []Source{stream{tt.source}})
			if err != nil {
				t.Fatal(err)
			}
			defer s.close()
			listener, err := net.Listen("tcp4", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			s.serve(listener)
			r, err := http.NewRequestWithContext(t.Context(), tt.method, s.urls()[0], nil)
			if err != nil {
				t.Fatal(err)
			}
			if tt.header != "" {
				r.Header.Set("Range", tt.header)
			}
			var body []byte
			response, err := http.DefaultClient.Do(r)
			if err == nil {
				body, err = io.ReadAll(response.Body)
				_ = response.Body.Close()
			}
			if tt.want < 0 {
				if err == nil {
					t.Error("the reader saw no failure")
				}
			} else if err != nil || response.StatusCode != http.StatusOK || response.Header.Get("Accept-Ranges") != "" || !bytes.Equal(body, content(0, tt.want)) {
				t.Errorf("got %d bytes, %v, %v; want %d", len(body), err, response, tt.want)
			}
			for _, opened := range log.ranges {
				if opened != [2]int64{0, -1} {
					t.Errorf("range %v was opened", opened)
				}
			}
			s.close()
			if err := s.fault(); !errors.Is(err, tt.fault) {
				t.Errorf("fault %v, want %v", err, tt.fault)
			}
		})
	}
}

// TestAbandonedRead: when the reader goes away, so does the read of the source, though that never ends by itself.
func TestAbandonedRead(t *testing.T) {
	t.Parallel()
	closed := make(chan struct{})
	s, err := newServer(t.Context(), []Source{endless{closed: closed}})
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.serve(listener)
	ctx, cancel := context.WithCancel(t.Context())
	r, err := http.NewRequestWithContext(ctx, "GET", s.urls()[0], nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(response.Body, make([]byte, 10)); err != nil {
		t.Fatal(err)
	}
	cancel()
	_ = response.Body.Close()
	<-closed
	s.close()
	if err := s.fault(); err != nil {
		t.Errorf("a reader that goes away is the source's fault: %v", err)
	}
}

// endless gives one block and then blocks until it is closed.
type endless struct{ closed chan struct{} }

func (endless) Size() int64 { return 1 << 40 }

func (e endless) ReadRange(context.Context, int64, int64) (io.ReadCloser, error) {
	return &endlessReader{left: blockBytes, close: sync.OnceFunc(func() { close(e.closed) }), closed: e.closed}, nil
}

type endlessReader struct {
	left   int
	closed chan struct{}
	close  func()
}

func (r *endlessReader) Read(buffer []byte) (int, error) {
	if r.left == 0 {
		<-r.closed
		return 0, io.ErrClosedPipe
	}
	n := min(r.left, len(buffer))
	r.left -= n
	return n, nil
}

func (r *endlessReader) Close() error {
	r.close()
	return nil
}

func TestPeer(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	ours, err := net.Dial("tcp4", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer ours.Close()
	if !isPeer(ours.LocalAddr().String(), listener.Addr(), os.Getuid()) {
		t.Error("a connection of this process is not known as its user's")
	}
	if isPeer(ours.LocalAddr().String(), listener.Addr(), os.Getuid()+1) {
		t.Error("a connection of this process is known as another user's")
	}
	if isPeer("127.0.0.1:1", listener.Addr(), os.Getuid()) {
		t.Error("a connection that is not there is known as our own")
	}
}

func FuzzParseRange(f *testing.F) {
	for _, header := range []string{"", "bytes=0-", "bytes=-5", "bytes=5-9", "bytes=9-5", "bytes=-", "bytes=a-b", "bytes= 1-2"} {
		f.Add(header, int64(10))
	}
	f.Fuzz(func(t *testing.T, header string, size int64) {
		if size < 0 {
			return
		}
		first, length, status := parseRange(header, size)
		switch status {
		case 200:
			if first != 0 || length != size {
				t.Errorf("whole: %d, %d", first, length)
			}
		case 206:
			if first < 0 || length < 1 || first > size-length {
				t.Errorf("part: %d, %d of %d", first, length, size)
			}
		case 416:
		default:
			t.Errorf("status %d", status)
		}
	})
}
