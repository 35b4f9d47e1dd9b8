package sigv4_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"darkroom/internal/secret"
	"darkroom/internal/sigv4"
)

// signedFor returns the proof of a request with the given payload form and headers.
func signedFor(t testing.TB, payload string, headers map[string]string) (*sigv4.Signed, string) {
	t.Helper()
	r := goodRequest(func(d *draft) {
		d.method, d.path, d.canonicalPath, d.service, d.hash = "PUT", "/b/k", "/b/k", "s3", payload
		d.headers = map[string][]string{"X-Amz-Date": {d.amzDate}, "X-Amz-Content-Sha256": {payload}}
		d.signed = []string{"host", "x-amz-content-sha256", "x-amz-date"}
		for _, name := range []string{"x-amz-decoded-content-length", "x-amz-trailer"} {
			if v, ok := headers[name]; ok {
				d.headers[name] = []string{v}
				d.signed = append(d.signed, name)
			}
		}
		if v, ok := headers["content-encoding"]; ok {
			d.headers["Content-Encoding"] = []string{v}
		}
	})
	s, err := check(r, testKey(), goodWant())
	if err != nil {
		t.Fatal(err)
	}
	_, signature, _ := strings.Cut(r.Header["Authorization"][0], "Signature=")
	return s, signature
}

const testScope = "20150830T123600Z\n20150830/us-east-1/s3/aws4_request\n"

// framed writes chunks as a client does, by the letter of the specification. An empty seed leaves the signatures out.
func framed(seed string, chunks []string, trailer string) string {
	key := derive(testSecret, "20150830", "us-east-1", "s3")
	var b strings.Builder
	previous := seed
	for _, c := range append(append([]string{}, chunks...), "") {
		if seed == "" {
			fmt.Fprintf(&b, "%x\r\n", len(c))
		} else {
			previous = fmt.Sprintf("%x", mac(key, "AWS4-HMAC-SHA256-PAYLOAD\n"+testScope+previous+"\n"+emptyHash+"\n"+sha(c)))
			fmt.Fprintf(&b, "%x;chunk-signature=%s\r\n", len(c), previous)
		}
		if c != "" {
			b.WriteString(c + "\r\n")
		}
	}
	if trailer != "" {
		b.WriteString(strings.ReplaceAll(trailer, "\n", "\r\n"))
		if seed != "" {
			fmt.Fprintf(&b, "x-amz-trailer-signature:%x\r\n", mac(key, "AWS4-HMAC-SHA256-TRAILER\n"+testScope+previous+"\n"+sha(trailer)))
		}
	}
	return b.String() + "\r\n"
}

// TestPublishedChunks verifies the chunked upload that AWS's documentation prints: 65536 and 1024 letters.
func TestPublishedChunks(t *testing.T) {
	t.Parallel()
	const credential = "AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request"
	r := sigv4.Request{Method: "PUT", RawPath: "/examplebucket/chunkObject.txt", Host: "s3.amazonaws.com", Header: map[string][]string{
		"X-Amz-Date": {"20130524T000000Z"}, "X-Amz-Storage-Class": {"REDUCED_REDUNDANCY"}, "Content-Encoding": {"aws-chunked"},
		"X-Amz-Content-Sha256": {sigv4.StreamingSigned}, "X-Amz-Decoded-Content-Length": {"66560"}, "Content-Length": {"66824"},
		"Authorization": {"AWS4-HMAC-SHA256 Credential=" + credential + ",SignedHeaders=content-encoding;content-length;host;x-amz-content-sha256;" +
			"x-amz-date;x-amz-decoded-content-length;x-amz-storage-class,Signature=4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9"},
	}}
	s, err := check(r, &sigv4.Key{Secret: secret.New([]byte("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"))},
		sigv4.Expectation{Region: "us-east-1", Now: testTime.AddDate(-2, -3, -6).Add(-12*3600e9 - 36*60e9)})
	if err != nil {
		t.Fatal(err)
	}
	wire := "10000;chunk-signature=ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648\r\n" + strings.Repeat("a", 65536) + "\r\n" +
		"400;chunk-signature=0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497\r\n" + strings.Repeat("a", 1024) + "\r\n" +
		"0;chunk-signature=b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9\r\n\r\n"
	if len(wire) != 66824 {
		t.Fatalf("the example has %d bytes", len(wire))
	}
	b, err := s.NewBody(strings.NewReader(wire), int64(len(wire)))
	if err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(b)
	if err != nil || string(got) != strings.Repeat("a", 66560) {
		t.Errorf("got %d bytes, %v", len(got), err)
	}
}

// readers give the wire in pieces of several sizes.
var readers = map[string]func(io.Reader) io.Reader{
	"whole": func(r io.Reader) io.Reader { return r }, "bytes": iotest.OneByteReader, "halves": iotest.HalfReader, "end with data": iotest.DataErrReader,
}

func TestBodies(t *testing.T) {
	t.Parallel()
	const crc = "x-amz-checksum-crc32:AAAAAA==\n"
	big := strings.Repeat("0123456789abcdef", 5000)
	tests := []struct {
		name, payload string
		headers       map[string]string
		wire          func(seed string) string
		length        int64 // of the wire, 0 for as it is
		want          string
		trailers      map[string]string
	}{
		{"hash", sha("body"), nil, func(string) string { return "body" }, 0, "body", nil},
		{"hash of nothing", emptyHash, nil, func(string) string { return "" }, 0, "", nil},
		{"hash, unknown length", sha("body"), nil, func(string) string { return "body" }, sigv4.UnknownLength, "body", nil},
		{"unsigned", sigv4.UnsignedPayload, nil, func(string) string { return "body" }, 0, "body", nil},
		{"another encoding", sha("body"), map[string]string{"content-encoding": "gzip"}, func(string) string { return "body" }, 0, "body", nil},
		{
			"chunks", sigv4.StreamingSigned,
			map[string]string{"x-amz-decoded-content-length": "7"},
			func(seed string) string { return framed(seed, []string{"four", "two", ""}[:2], "") }, 0, "fourtwo", nil,
		},
		{
			"large chunk", sigv4.StreamingSigned,
			map[string]string{"x-amz-decoded-content-length": fmt.Sprint(len(big))},
			func(seed string) string { return framed(seed, []string{big}, "") }, 0, big, nil,
		},
		{
			"chunks of nothing", sigv4.StreamingSigned,
			map[string]string{"x-amz-decoded-content-length": "0"},
			func(seed string) string { return framed(seed, nil, "") }, 0, "", nil,
		},
		{
			"chunks, encoding named", sigv4.StreamingSigned,
			map[string]string{"x-amz-decoded-content-length": "4", "content-encoding": "gzip, aws-chunked"},
			func(seed string) string { return framed(seed, []string{"four"}, "") }, 0, "four", nil,
		},
		{
			"signed trailer", sigv4.StreamingSignedWithTrailer,
			map[string]string{"x-amz-decoded-content-length": "7", "x-amz-trailer": "x-amz-checksum-crc32"},
			func(seed string) string { return framed(seed, []string{"four", "two"}, crc) }, 0, "fourtwo",
			map[string]string{"x-amz-checksum-crc32": "AAAAAA=="},
		},
		{
			"signed trailer after an empty line", sigv4.StreamingSignedWithTrailer,
			map[string]string{"x-amz-decoded-content-length": "4", "x-amz-trailer": "x-amz-checksum-crc32"},
			func(seed string) string {
				return strings.Replace(framed(seed, []string{"four"}, crc), "==\r\n", "==\n\r\n", 1)
			}, 0, "four",
			map[string]string{"x-amz-checksum-crc32": "AAAAAA=="},
		},
		{
			"two signed trailers", sigv4.StreamingSignedWithTrailer,
			map[string]string{"x-amz-decoded-content-length": "4", "x-amz-trailer": "x-amz-checksum-sha1 , X-Amz-Checksum-Crc32"},
			func(seed string) string { return framed(seed, []string{"four"}, crc+"x-amz-checksum-sha1:BBBB\n") }, 0, "four",
			map[string]string{"x-amz-checksum-crc32": "AAAAAA==", "x-amz-checksum-sha1": "BBBB"},
		},
		{
			"unsigned trailer", sigv4.StreamingUnsignedTrailer,
			map[string]string{"x-amz-decoded-content-length": "7", "x-amz-trailer": "x-amz-checksum-crc32"},
			func(string) string { return framed("", []string{"four", "two"}, crc) }, 0, "fourtwo",
			map[string]string{"x-amz-checksum-crc32": "AAAAAA=="},
		},
		{
			"unsigned trailer of nothing", sigv4.StreamingUnsignedTrailer,
			map[string]string{"x-amz-decoded-content-length": "0", "x-amz-trailer": "x-amz-checksum-crc32"},
			func(string) string { return framed("", nil, crc) }, sigv4.UnknownLength, "",
			map[string]string{"x-amz-checksum-crc32": "AAAAAA=="},
		},
		{
			"unsigned chunks without trailers", sigv4.StreamingUnsignedTrailer,
			map[string]string{"x-amz-decoded-content-length": "4"},
			func(string) string { return framed("", []string{"four"}, "") }, 0, "four",
			map[string]string{},
		},
	}
	for _, tt := range tests {
		for how, pieces := range readers {
			t.Run(tt.name+"/"+how, func(t *testing.T) {
				t.Parallel()
				s, seed := signedFor(t, tt.payload, tt.headers)
				wire := tt.wire(seed)
				length := tt.length
				if length == 0 {
					length = int64(len(wire))
				}
				b, err := s.NewBody(pieces(strings.NewReader(wire)), length)
				if err != nil {
					t.Fatal(err)
				}
				if len(wire) > 0 && b.Trailers() != nil {
					t.Error("trailers before the end")
				}
				var got bytes.Buffer
				buf := make([]byte, 5)
				for err == nil {
					var n int
					if n, err = b.Read(nil); n != 0 || err != nil && err != io.EOF {
						t.Fatalf("empty read: %d, %v", n, err)
					}
					n, err = b.Read(buf)
					got.Write(buf[:n])
				}
				if err != io.EOF || got.String() != tt.want {
					t.Fatalf("got %q, %v, want %q", got.String(), err, tt.want)
				}
				if n, err := b.Read(buf); n != 0 || err != io.EOF {
					t.Errorf("after the end: %d, %v", n, err)
				}
				if diff := cmp.Diff(tt.trailers, b.Trailers()); diff != "" {
					t.Errorf("trailers: -want +got\n%s", diff)
				}
				if l := b.Length(); l != int64(len(tt.want)) && (l != sigv4.UnknownLength || tt.length != sigv4.UnknownLength) {
					t.Errorf("length: got %d, want %d", l, len(tt.want))
				}
				if len(b.Announced()) != len(tt.trailers) {
					t.Errorf("announced: got %v", b.Announced())
				}
			})
		}
	}
}

// TestLastBytesHeldBack reads exactly the announced number of bytes, as a reader does that does not wait for the end.
func TestLastBytesHeldBack(t *testing.T) {
	t.Parallel()
	crc := map[string]string{"x-amz-decoded-content-length": "4", "x-amz-trailer": "x-amz-checksum-crc32"}
	for name, tt := range map[string]struct {
		payload string
		headers map[string]string
		wire    func(string) string
	}{
		"hash":             {sha("other"), nil, func(string) string { return "four" }},
		"chunk":            {sigv4.StreamingSigned, crc, func(s string) string { return strings.Replace(framed(s, []string{"four"}, ""), "four", "five", 1) }},
		"final chunk":      {sigv4.StreamingSigned, crc, func(s string) string { return framed(s, []string{"four"}, "")[:103] }},
		"signed trailer":   {sigv4.StreamingSignedWithTrailer, crc, func(s string) string { return framed(s, []string{"four"}, "x-amz-checksum-crc32:A\n") + "x" }},
		"unsigned trailer": {sigv4.StreamingUnsignedTrailer, crc, func(string) string { return framed("", []string{"four"}, "x-amz-checksum-sha1:A\n") }},
	} {
		if tt.payload == sigv4.StreamingSigned {
			tt.headers = map[string]string{"x-amz-decoded-content-length": "4"}
		}
		s, seed := signedFor(t, tt.payload, tt.headers)
		wire := tt.wire(seed)
		b, err := s.NewBody(strings.NewReader(wire), int64(len(wire)))
		if err != nil {
			t.Fatal(err)
		}
		got := make([]byte, 4)
		if n, err := io.ReadFull(b, got); err == nil {
			t.Errorf("%s: all %d bytes came before they were verified", name, n)
		}
		if b.Trailers() != nil {
			t.Errorf("%s: trailers %v came unverified", name, b.Trailers())
		}
	}
}

func TestBodyRefusals(t *testing.T) {
	t.Parallel()
	four := map[string]string{"x-amz-decoded-content-length": "4"}
	crc := map[string]string{"x-amz-decoded-content-length": "4", "x-amz-trailer": "x-amz-checksum-crc32"}
	const trailer = "x-amz-checksum-crc32:AAAA\n"
	plain := func(s string) func(string) string { return func(string) string { return s } }
	swap := func(chunks []string, trailer, from, to string) func(string) string {
		return func(seed string) string { return strings.Replace(framed(seed, chunks, trailer), from, to, 1) }
	}
	long := strings.Repeat("x", 20000)
	tests := []struct {
		name, payload string
		headers       map[string]string
		wire          func(string) string
		length        int64 // added to that of the wire
		want          sigv4.Kind
	}{
		{"another body", sha("body"), nil, plain("bodY"), 0, sigv4.PayloadMismatch},
		{"no body", sha("body"), nil, plain(""), 0, sigv4.PayloadMismatch},
		{"shorter than announced", sha("body"), nil, plain("bod"), 1, sigv4.IncompleteBody},
		{"longer than announced", sha("body"), nil, plain("body"), -1, sigv4.IncompleteBody},
		{"framing without saying so", sha("body"), map[string]string{"content-encoding": "AWS-Chunked"}, plain("body"), 0, sigv4.BadChunk},
		{"trailer without a place", sigv4.UnsignedPayload, map[string]string{"x-amz-trailer": "x-amz-checksum-crc32"}, plain(""), 0, sigv4.BadTrailer},
		{"trailer in the form without", sigv4.StreamingSigned, crc, plain(""), 0, sigv4.BadTrailer},
		{"trailer that is no checksum", sigv4.StreamingUnsignedTrailer, map[string]string{"x-amz-trailer": "x-amz-meta-film"}, plain(""), 0, sigv4.BadTrailer},
		{"trailer named twice", sigv4.StreamingUnsignedTrailer, map[string]string{"x-amz-trailer": "x-amz-checksum-a,x-amz-checksum-A"}, plain(""), 0, sigv4.BadTrailer},
		{"too many trailers", sigv4.StreamingUnsignedTrailer, map[string]string{"x-amz-trailer": strings.Join(names(9), ",")}, plain(""), 0, sigv4.BadTrailer},
		{"no decoded length", sigv4.StreamingSigned, nil, plain(""), 0, sigv4.MissingLength},
		{"negative decoded length", sigv4.StreamingSigned, map[string]string{"x-amz-decoded-content-length": "-1"}, plain(""), 0, sigv4.MissingLength},
		{"decoded length too large", sigv4.StreamingSigned, map[string]string{"x-amz-decoded-content-length": "9223372036854775808"}, plain(""), 0, sigv4.MissingLength},
		{"nothing", sigv4.StreamingSigned, four, plain(""), 0, sigv4.IncompleteBody},
		{"size malformed", sigv4.StreamingSigned, four, plain("x\r\n"), 0, sigv4.BadChunk},
		{"size negative", sigv4.StreamingUnsignedTrailer, four, plain("-4\r\nfour\r\n0\r\n\r\n"), 0, sigv4.BadChunk},
		{"size with a prefix", sigv4.StreamingUnsignedTrailer, four, plain("0x4\r\nfour\r\n0\r\n\r\n"), 0, sigv4.BadChunk},
		{"size too large", sigv4.StreamingUnsignedTrailer, four, plain("8000000000000000\r\nfour\r\n0\r\n\r\n"), 0, sigv4.BadChunk},
		{"size empty", sigv4.StreamingUnsignedTrailer, four, plain("\r\n"), 0, sigv4.BadChunk},
		{"line without CR", sigv4.StreamingUnsignedTrailer, four, plain("4\nfour\r\n0\r\n\r\n"), 0, sigv4.BadChunk},
		{"line too long", sigv4.StreamingUnsignedTrailer, four, plain(strings.Repeat("0", 200) + "4\r\n"), 0, sigv4.BadChunk},
		{"line without end", sigv4.StreamingUnsignedTrailer, four, plain(long), 0, sigv4.BadChunk},
		{"line cut off", sigv4.StreamingUnsignedTrailer, four, plain("4"), 0, sigv4.IncompleteBody},
		{"signature missing", sigv4.StreamingSigned, four, plain("4\r\nfour\r\n"), 0, sigv4.BadChunk},
		{"signature where none belongs", sigv4.StreamingUnsignedTrailer, four, swap([]string{"four"}, "", "~", ""), 0, sigv4.BadChunk},
		{"signature short", sigv4.StreamingSigned, four, plain("4;chunk-signature=00\r\nfour\r\n"), 0, sigv4.BadChunk},
		{"another extension", sigv4.StreamingSigned, four, swap([]string{"four"}, "", "chunk-signature", "chunk-extension"), 0, sigv4.BadChunk},
		{"changed data", sigv4.StreamingSigned, four, swap([]string{"four"}, "", "four", "five"), 0, sigv4.BadSignature},
		{"changed first signature", sigv4.StreamingSigned, four, plain("4;chunk-signature=" + emptyHash + "\r\nfour\r\n"), 0, sigv4.BadSignature},
		{"chain from another request", sigv4.StreamingSigned, four, func(string) string { return framed(emptyHash, []string{"four"}, "") }, 0, sigv4.BadSignature},
		{"chunks swapped", sigv4.StreamingSigned, four, func(seed string) string {
			w := framed(seed, []string{"fo", "ur"}, "")
			size := len("2;chunk-signature=") + 64 + len("\r\nfo\r\n")
			return w[size:2*size] + w[:size] + w[2*size:]
		}, 0, sigv4.BadSignature},
		{"no CRLF after data", sigv4.StreamingSigned, four, swap([]string{"four"}, "", "four\r\n", "four\n\n"), 0, sigv4.BadChunk},
		{"cut in data", sigv4.StreamingUnsignedTrailer, four, plain("4\r\nfo"), 0, sigv4.IncompleteBody},
		{"cut after data", sigv4.StreamingUnsignedTrailer, four, plain("4\r\nfour\r"), 0, sigv4.IncompleteBody},
		{"final chunk missing", sigv4.StreamingUnsignedTrailer, four, plain("4\r\nfour\r\n"), 0, sigv4.IncompleteBody},
		{"longer than decoded length", sigv4.StreamingSigned, four, func(seed string) string { return framed(seed, []string{"fours"}, "") }, 0, sigv4.IncompleteBody},
		{"one chunk too many", sigv4.StreamingSigned, four, func(seed string) string { return framed(seed, []string{"four", "s"}, "") }, 0, sigv4.IncompleteBody},
		{"shorter than decoded length", sigv4.StreamingSigned, four, func(seed string) string { return framed(seed, []string{"fou"}, "") }, 0, sigv4.IncompleteBody},
		{"truncated and ended", sigv4.StreamingSigned, four, func(seed string) string { return framed(seed, []string{"fo"}, "") }, 0, sigv4.IncompleteBody},
		{
			"forged end", sigv4.StreamingSigned,
			map[string]string{"x-amz-decoded-content-length": "0"},
			plain("0;chunk-signature=" + emptyHash + "\r\n\r\n"), 0, sigv4.BadSignature,
		},
		{"no CRLF at the end", sigv4.StreamingSigned, four, func(seed string) string { return strings.TrimSuffix(framed(seed, []string{"four"}, ""), "\r\n") }, 0, sigv4.IncompleteBody},
		{"goes on after its end", sigv4.StreamingSigned, four, func(seed string) string { return framed(seed, []string{"four"}, "") + "GET" }, 0, sigv4.BadChunk},
		{"trailer missing", sigv4.StreamingUnsignedTrailer, crc, func(string) string { return framed("", []string{"four"}, "") }, 0, sigv4.BadTrailer},
		{"trailer not announced", sigv4.StreamingUnsignedTrailer, four, func(string) string { return framed("", []string{"four"}, trailer) }, 0, sigv4.BadTrailer},
		{"trailer doubled", sigv4.StreamingUnsignedTrailer, crc, func(string) string { return framed("", []string{"four"}, trailer+trailer) }, 0, sigv4.BadTrailer},
		{"trailer without value", sigv4.StreamingUnsignedTrailer, crc, func(string) string { return framed("", []string{"four"}, "x-amz-checksum-crc32:\n") }, 0, sigv4.BadTrailer},
		{"trailer without colon", sigv4.StreamingUnsignedTrailer, crc, func(string) string { return framed("", []string{"four"}, "x-amz-checksum-crc32\n") }, 0, sigv4.BadTrailer},
		{"trailer too long", sigv4.StreamingUnsignedTrailer, crc, func(string) string {
			return framed("", []string{"four"}, "x-amz-checksum-crc32:"+strings.Repeat("A", 1100)+"\n")
		}, 0, sigv4.BadChunk},
		{"trailer cut off", sigv4.StreamingUnsignedTrailer, crc, plain("4\r\nfour\r\n0\r\nx-amz-checksum-crc32:A"), 0, sigv4.IncompleteBody},
		{"trailer signature in the unsigned form", sigv4.StreamingUnsignedTrailer, crc, func(string) string { return framed("", []string{"four"}, trailer+"x-amz-trailer-signature:A\n") }, 0, sigv4.BadTrailer},
		{"changed trailer", sigv4.StreamingSignedWithTrailer, crc, swap([]string{"four"}, trailer, "AAAA", "AAAB"), 0, sigv4.BadSignature},
		{"trailer signature missing", sigv4.StreamingSignedWithTrailer, crc, swap([]string{"four"}, trailer, "x-amz-trailer-signature", "x-amz-checksum-sha1"), 0, sigv4.BadTrailer},
		{"trailer after its signature", sigv4.StreamingSignedWithTrailer, crc, func(seed string) string {
			return strings.TrimSuffix(framed(seed, []string{"four"}, trailer), "\r\n") + "x-amz-checksum-crc32:B\r\n\r\n"
		}, 0, sigv4.BadTrailer},
		{"trailers without end", sigv4.StreamingSignedWithTrailer, crc, func(seed string) string {
			w := framed(seed, []string{"four"}, trailer)
			return w[:strings.Index(w, "x-amz-checksum")] + strings.Repeat("\r\n", 50)
		}, 0, sigv4.BadTrailer},
	}
	tests[len(tests)-1].name = "empty lines without end"
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s, seed := signedFor(t, tt.payload, tt.headers)
			wire := tt.wire(seed)
			b, err := s.NewBody(strings.NewReader(wire), int64(len(wire))+tt.length)
			if err == nil {
				_, err = io.ReadAll(b)
				_, again := b.Read(make([]byte, 1))
				if again != err {
					t.Errorf("the error does not stay: %v, then %v", err, again)
				}
				if b.Trailers() != nil {
					t.Errorf("trailers %v came with an error", b.Trailers())
				}
			}
			if kindOf(t, err) != tt.want {
				t.Errorf("got %v, want %v", err, tt.want)
			}
		})
	}
}

func names(n int) []string {
	var out []string
	for i := range n {
		out = append(out, fmt.Sprintf("x-amz-checksum-%d", i))
	}
	return out
}

// TestSourceErrors passes on what is not the end of the body, from every place.
func TestSourceErrors(t *testing.T) {
	t.Parallel()
	broken := errors.New("connection lost")
	for _, payload := range []string{sha("fourtwo"), sigv4.UnsignedPayload, sigv4.StreamingSigned, sigv4.StreamingSignedWithTrailer, sigv4.StreamingUnsignedTrailer} {
		headers := map[string]string{"x-amz-decoded-content-length": "7"}
		trailer := ""
		if strings.HasSuffix(payload, "-TRAILER") {
			headers["x-amz-trailer"], trailer = "x-amz-checksum-crc32", "x-amz-checksum-crc32:AAAA\n"
		}
		s, seed := signedFor(t, payload, headers)
		wire := "fourtwo"
		if strings.HasPrefix(payload, "STREAMING") {
			if payload == sigv4.StreamingUnsignedTrailer {
				seed = ""
			}
			wire = framed(seed, []string{"four", "two"}, trailer)
		}
		for cut := range len(wire) {
			source := io.MultiReader(strings.NewReader(wire[:cut]), iotest.ErrReader(broken))
			b, err := s.NewBody(source, int64(len(wire)))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := io.ReadAll(b); err != broken {
				t.Fatalf("%s cut at %d: got %v, want the error of the source", payload, cut, err)
			}
		}
		if payload == sigv4.StreamingSigned {
			source := io.MultiReader(strings.NewReader(wire), iotest.ErrReader(broken))
			b, err := s.NewBody(source, int64(len(wire))+1)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := io.ReadAll(b); err != broken {
				t.Errorf("after the end: got %v", err)
			}
		}
	}
}

func FuzzChunks(f *testing.F) {
	s, seed := signedFor(f, sigv4.StreamingSignedWithTrailer, map[string]string{"x-amz-decoded-content-length": "7", "x-amz-trailer": "x-amz-checksum-crc32"})
	u, _ := signedFor(f, sigv4.StreamingUnsignedTrailer, map[string]string{"x-amz-decoded-content-length": "7", "x-amz-trailer": "x-amz-checksum-crc32"})
	f.Add(framed(seed, []string{"four", "two"}, "x-amz-checksum-crc32:AAAA\n"))
	f.Add(framed("", []string{"four", "two"}, "x-amz-checksum-crc32:AAAA\n"))
	f.Fuzz(func(t *testing.T, wire string) {
		b, err := s.NewBody(strings.NewReader(wire), int64(len(wire)))
		if err != nil {
			t.Fatal(err)
		}
		// Only the one content that was signed can come out whole.
		if got, err := io.ReadAll(b); err == nil && string(got) != "fourtwo" {
			t.Fatalf("accepted %q", got)
		}
		b, err = u.NewBody(strings.NewReader(wire), int64(len(wire)))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(b); err == nil && (len(got) != 7 || b.Trailers()["x-amz-checksum-crc32"] == "") {
			t.Fatalf("accepted %q, %v", got, b.Trailers())
		}
	})
}
