package keyserver

import (
	"encoding/hex"
	"testing"

	"darkroom/internal/cenc"
	"darkroom/internal/secret"
)

// TestDerive holds the derivation to a value of another implementation (Python's hmac, by RFC 5869), so that keys are the same with later versions.
func TestDerive(t *testing.T) {
	t.Parallel()
	from := make([]byte, secret.KeySize)
	for i := range from {
		from[i] = byte(i)
	}
	kid, err := cenc.ParseUUID("0f083e4e-b831-4a3d-917e-ce78076e54aa")
	if err != nil {
		t.Fatal(err)
	}
	key, err := derive(secret.New(from), "111122223333", "Film é/1", kid)
	if err != nil {
		t.Fatal(err)
	}
	const want = "c4851b0d1ba1dd226c6fc1d904e4f157e8ec336805f058c63ebe225878100242"
	if got := hex.EncodeToString(key.Reveal()); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	seen := map[string]string{}
	for _, in := range []struct{ account, content string }{{"1", "2"}, {"12", ""}, {"", "12"}, {"1", "2\x00"}, {"111122223333", "Film é/1"}} {
		k, err := derive(secret.New(from), in.account, in.content, kid)
		if err != nil {
			t.Fatal(err)
		}
		if before, ok := seen[string(k.Reveal())]; ok {
			t.Errorf("%q has the key of %s", in, before)
		}
		seen[string(k.Reveal())] = in.account + "/" + in.content
	}
	if _, err := derive(secret.New(from[1:]), "1", "2", kid); err == nil {
		t.Error("derived from a secret of another size")
	}
}
