package totp

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"net/url"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"darkroom/internal/secret"
)

// rfcSeed is the seed of the vectors of RFC 4226 and, for SHA-1, RFC 6238.
const rfcSeed = "12345678901234567890"

// TestVectors6238 is RFC 6238 appendix B, which has codes of 8 digits.
func TestVectors6238(t *testing.T) {
	t.Parallel()
	tests := []struct {
		seconds int64
		want    string
	}{
		{59, "94287082"},
		{1111111109, "07081804"},
		{1111111111, "14050471"},
		{1234567890, "89005924"},
		{2000000000, "69279037"},
		{20000000000, "65353130"},
	}
	for _, tt := range tests {
		now := time.Unix(tt.seconds, 0)
		if got := fmt.Sprintf("%08d", truncated([]byte(rfcSeed), uint64(stepAt(now)))%100_000_000); got != tt.want {
			t.Errorf("at %d: got %s, want %s", tt.seconds, got, tt.want)
		}
		step, ok := Verify(secret.New([]byte(rfcSeed)), tt.want[2:], now, 0)
		if !ok || step != tt.seconds/30 {
			t.Errorf("at %d: Verify gave step %d, %t", tt.seconds, step, ok)
		}
	}
}

// TestVectors4226 is RFC 4226 appendix D.
func TestVectors4226(t *testing.T) {
	t.Parallel()
	for i, want := range []string{"755224", "287082", "359152", "969429", "338314", "254676", "287922", "162583", "399871", "520489"} {
		if got := codeAt(int64(i)); got != want {
			t.Errorf("counter %d: got %s, want %s", i, got, want)
		}
	}
}

func codeAt(step int64) string {
	return fmt.Sprintf("%06d", truncated([]byte(rfcSeed), uint64(step))%modulus)
}

func TestVerify(t *testing.T) {
	t.Parallel()
	const at = 37037036
	now := time.Unix(at*30+12, 0)
	seed := secret.New([]byte(rfcSeed))
	tests := []struct {
		name string
		seed secret.Bytes
		code string
		now  time.Time
		last int64
		step int64 // 0 is a refusal
	}{
		{"current", seed, codeAt(at), now, 0, at},
		{"first second of the step", seed, codeAt(at), time.Unix(at*30, 0), 0, at},
		{"last second of the step", seed, codeAt(at), time.Unix(at*30+29, 999), 0, at},
		{"one before", seed, codeAt(at - 1), now, 0, at - 1},
		{"one after", seed, codeAt(at + 1), now, 0, at + 1},
		{"the step after the last", seed, codeAt(at), now, at - 1, at},
		{"never used", seed, codeAt(at), now, -1, at},
		{"two before", seed, codeAt(at - 2), now, 0, 0},
		{"two after", seed, codeAt(at + 2), now, 0, 0},
		{"replay", seed, codeAt(at), now, at, 0},
		{"older than the last", seed, codeAt(at - 1), now, at, 0},
		{"last in the future", seed, codeAt(at), now, math.MaxInt64, 0},
		{"another code", seed, "000000", now, 0, 0},
		{"empty", seed, "", now, 0, 0},
		{"five digits", seed, codeAt(at)[1:], now, 0, 0},
		{"seven digits", seed, codeAt(at) + "0", now, 0, 0},
		{"space", seed, " " + codeAt(at)[1:], now, 0, 0},
		{"sign", seed, "+" + codeAt(at)[1:], now, 0, 0},
		{"other digits", seed, "٤٢", now, 0, 0}, // Arabic-Indic, four bytes
		{"no seed", secret.Bytes{}, codeAt(at), now, 0, 0},
		{"short seed", secret.New([]byte(rfcSeed)[:MinSeed-1]), codeAt(at), now, 0, 0},
		{"another seed", secret.New(bytes.Repeat([]byte{1}, SeedSize)), codeAt(at), now, 0, 0},
		{"the epoch", seed, codeAt(0), time.Unix(0, 0), -1, 0},
		{"before the epoch", seed, codeAt(0), time.Unix(-1, 0), -1, 0},
		{"long before the epoch", seed, codeAt(0), time.Time{}, math.MinInt64, 0},
	}
	for _, tt := range tests {
		step, ok := Verify(tt.seed, tt.code, tt.now, tt.last)
		if want := tt.step != 0 || tt.name == "the epoch"; step != tt.step || ok != want {
			t.Errorf("%s: got step %d, %t; want %d, %t", tt.name, step, ok, tt.step, want)
		}
	}
}

// TestVerifyEqualCodes uses up the later of two steps that happen to have one code.
func TestVerifyEqualCodes(t *testing.T) {
	t.Parallel()
	const first = 910737 // found by search
	if codeAt(first) != codeAt(first+1) {
		t.Fatal("the steps have two codes")
	}
	step, ok := Verify(secret.New([]byte(rfcSeed)), codeAt(first), time.Unix(first*30, 0), 0)
	if !ok || step != first+1 {
		t.Errorf("got step %d, %t; want %d", step, ok, first+1)
	}
}

func TestVerifyPair(t *testing.T) {
	t.Parallel()
	const at = 41152263
	now := time.Unix(at*30+5, 0)
	seed := secret.New([]byte(rfcSeed))
	tests := []struct {
		name         string
		seed         secret.Bytes
		code1, code2 string
		now          time.Time
		step         int64
	}{
		{"the one before and the current", seed, codeAt(at - 1), codeAt(at), now, at},
		{"clock ahead", seed, codeAt(at), codeAt(at + 1), now, at + 1},
		{"clock behind", seed, codeAt(at - 2), codeAt(at - 1), now, at - 1},
		{"too far ahead", seed, codeAt(at + 1), codeAt(at + 2), now, 0},
		{"too far behind", seed, codeAt(at - 3), codeAt(at - 2), now, 0},
		{"the same twice", seed, codeAt(at), codeAt(at), now, 0},
		{"backwards", seed, codeAt(at), codeAt(at - 1), now, 0},
		{"a gap", seed, codeAt(at - 1), codeAt(at + 1), now, 0},
		{"first wrong", seed, "000000", codeAt(at), now, 0},
		{"second wrong", seed, codeAt(at), "000000", now, 0},
		{"first short", seed, codeAt(at - 1)[1:], codeAt(at), now, 0},
		{"second short", seed, codeAt(at - 1), codeAt(at)[1:], now, 0},
		{"no seed", secret.Bytes{}, codeAt(at - 1), codeAt(at), now, 0},
		{"first step of all", seed, codeAt(0), codeAt(1), time.Unix(0, 0), 1},
		{"before the epoch", seed, codeAt(0), codeAt(1), time.Unix(-1, 0), 0},
	}
	for _, tt := range tests {
		step, ok := VerifyPair(tt.seed, tt.code1, tt.code2, tt.now)
		if step != tt.step || ok != (tt.step != 0) {
			t.Errorf("%s: got step %d, %t; want %d", tt.name, step, ok, tt.step)
		}
	}
}

func TestNewSeed(t *testing.T) {
	t.Parallel()
	seed, err := NewSeed(strings.NewReader(strings.Repeat("darkroom", 8)))
	if err != nil || string(seed.Reveal()) != strings.Repeat("darkroom", 5) {
		t.Errorf("got %q, %v", seed.Reveal(), err)
	}
	if n := Text(seed).Len(); n != 64 {
		t.Errorf("the seed has %d characters, want 64", n)
	}
	if _, err := NewSeed(strings.NewReader("short")); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("short: got %v", err)
	}
	broken := errors.New("broken")
	if _, err := NewSeed(iotest.ErrReader(broken)); !errors.Is(err, broken) {
		t.Errorf("broken: got %v", err)
	}
}

func TestURI(t *testing.T) {
	t.Parallel()
	uri := URI("Dark: room & Söhne+", "alice/b&c?d#e:f@000000000000", secret.New([]byte(rfcSeed)))
	u, err := url.Parse(string(uri.Reveal()))
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	for _, tt := range []struct{ name, got, want string }{
		{"scheme", u.Scheme, "otpauth"},
		{"type", u.Host, "totp"},
		{"label", u.Path, "/Dark: room & Söhne+:alice/b&c?d#e:f@000000000000"},
		{"secret", q.Get("secret"), "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"},
		{"issuer", q.Get("issuer"), "Dark: room & Söhne+"},
		{"algorithm", q.Get("algorithm"), "SHA1"},
		{"digits", q.Get("digits"), "6"},
		{"period", q.Get("period"), "30"},
	} {
		if tt.got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.name, tt.got, tt.want)
		}
	}
	if got := fmt.Sprint(uri); strings.Contains(got, "GEZD") {
		t.Errorf("the address prints: %s", got)
	}
	if raw := string(uri.Reveal()); strings.Count(raw, ":") != 2 || strings.Contains(raw, "+") {
		t.Errorf("%s: the label's colon, or a space, is written so that devices misread it", raw)
	}
}
