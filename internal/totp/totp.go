// Package totp is time-based one-time passwords (RFC 6238), as virtual MFA devices of AWS use them: HMAC-SHA-1, steps of 30 seconds from the
// epoch of Unix, 6 digits.
//
// It keeps nothing. That a code is good once is up to the caller, who keeps the step that was accepted and gives it back next time; and so is
// the number of guesses that are allowed (RFC 4226 section 7.3).
package totp

import (
	"crypto/hmac"
	"crypto/sha1"
	"crypto/subtle"
	"encoding/base32"
	"encoding/binary"
	"fmt"
	"io"
	"net/url"
	"strings"
	"time"

	"darkroom/internal/secret"
)

// What a virtual MFA device is made for.
const (
	Period = 30 * time.Second // the time step, X in RFC 6238 section 4.1
	Digits = 6
	// SeedSize is how many bytes NewSeed makes: 64 characters in base32, as AWS gives them.
	SeedSize = 40
	// MinSeed is the shortest seed that verifies anything: 128 bits (RFC 4226 section 4, R6).
	MinSeed = 16
	// Window is how many steps a device's clock may be off, each way (RFC 6238 section 5.2).
	Window = 1

	modulus = 1_000_000 // ten to the power of Digits
)

// NewSeed reads a new seed from random.
func NewSeed(random io.Reader) (secret.Bytes, error) {
	seed := make([]byte, SeedSize)
	if _, err := io.ReadFull(random, seed); err != nil {
		return secret.Bytes{}, fmt.Errorf("make a seed: %w", err)
	}
	return secret.New(seed), nil
}

// Text is a seed as it is typed into a device: base32 (RFC 4648 section 6) without padding.
func Text(seed secret.Bytes) secret.Bytes {
	return secret.New(base32.StdEncoding.WithPadding(base32.NoPadding).AppendEncode(nil, seed.Reveal()))
}

// URI is the otpauth address of a seed, which is shown as a QR code. It holds the seed, and so is a secret itself.
func URI(issuer, account string, seed secret.Bytes) secret.Bytes {
	return secret.New(fmt.Appendf(nil, "otpauth://totp/%s:%s?secret=%s&issuer=%s&algorithm=SHA1&digits=%d&period=%d",
		escape(issuer), escape(account), Text(seed).Reveal(), escape(issuer), Digits, int(Period/time.Second)))
}

// escape writes a value so that it holds neither the colon of the label nor a plus, which some devices read as a space and some do not.
func escape(s string) string { return strings.ReplaceAll(url.QueryEscape(s), "+", "%20") }

// Verify says whether code is the seed's at a step that is at most Window from now, and after last, the step that was accepted before (RFC 6238
// section 5.2: never twice). The step is what to keep as the next last. All steps are compared, in constant time. A seed shorter than MinSeed
// and a code that is not Digits ASCII digits verify nothing.
func Verify(seed secret.Bytes, code string, now time.Time, last int64) (step int64, ok bool) {
	if seed.Len() < MinSeed || len(code) != Digits {
		return 0, false
	}
	current := stepAt(now)
	for s := current - Window; s <= current+Window; s++ {
		if s > last && same(seed, code, s) { // the latest of equal codes, so that the code is used up
			step, ok = s, true
		}
	}
	return step, ok
}

// VerifyPair says whether the codes are the seed's of two steps that follow one another, the second at most Window from now: EnableMFADevice
// and ResyncMFADevice prove a device so. The step is that of the second code, to be kept as the first last of Verify.
func VerifyPair(seed secret.Bytes, code1, code2 string, now time.Time) (step int64, ok bool) {
	if seed.Len() < MinSeed || len(code1) != Digits || len(code2) != Digits {
		return 0, false
	}
	current := stepAt(now)
	for s := current - Window; s <= current+Window; s++ {
		first, second := same(seed, code1, s-1), same(seed, code2, s) // both, always
		if first && second {
			step, ok = s, true
		}
	}
	return step, ok
}

// stepAt is the number of a moment's time step, T in RFC 6238 section 4.2.
func stepAt(t time.Time) int64 {
	seconds := t.Unix()
	step := seconds / int64(Period/time.Second)
	if seconds < 0 {
		return step - 1 - Window // no step of the window is one: those before the epoch have no code
	}
	return step
}

// same compares a code with that of a step. Steps before the epoch have none.
func same(seed secret.Bytes, code string, step int64) bool {
	if step < 0 {
		return false
	}
	want := fmt.Sprintf("%0*d", Digits, truncated(seed.Reveal(), uint64(step))%modulus)
	return subtle.ConstantTimeCompare([]byte(code), []byte(want)) == 1
}

// truncated is the 31 bits that a code is made of: HMAC-SHA-1, dynamically truncated (RFC 4226 section 5.3).
func truncated(seed []byte, counter uint64) uint32 {
	mac := hmac.New(sha1.New, seed)
	mac.Write(binary.BigEndian.AppendUint64(nil, counter))
	sum := mac.Sum(nil)
	at := sum[len(sum)-1] & 0xf
	return binary.BigEndian.Uint32(sum[at:]) & 0x7fffffff
}
