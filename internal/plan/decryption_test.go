package plan

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const (
	encryptedKey = `"encryptedDecryptionKey":"AQICAHhMYmFzZTY0IG9mIGEgY2lwaGVydGV4dA=="`
	vector12     = `"initializationVector":"AAECAwQFBgcICQoL"`
)

func decrypted(members string) string {
	return strings.Replace(inInput, "HOLE", `,"decryptionSettings":{`+members+`}`, 1)
}

func TestDecryptionSettings(t *testing.T) {
	t.Parallel()
	s := settings(t, decrypted(`"decryptionMode":"AES_GCM",`+encryptedKey+`,`+vector12+`,"kmsKeyRegion":"us-east-1"`))
	if bad, lack := Check(s, everything); len(bad)+len(lack) > 0 {
		t.Fatalf("refused: %v %v", bad, lack)
	}
	a, err := NewAccess(s, time.Unix(0, 0))
	if err != nil {
		t.Fatal(err)
	}
	want := &Decryption{
		Mode: "AES_GCM", EncryptedKey: []byte("\x01\x02\x02\x00xLbase64 of a ciphertext"),
		IV: []byte{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11},
	}
	if diff := cmp.Diff(want, a.Inputs[0].Decryption); diff != "" || !a.Encrypted() {
		t.Errorf("encrypted %v\n%s", a.Encrypted(), diff)
	}
	if a, err = NewAccess(settings(t, strings.Replace(inInput, "HOLE", "", 1)), time.Unix(0, 0)); err != nil || a.Encrypted() || a.Inputs[0].Decryption != nil {
		t.Errorf("a clear input: %v, %v", a.Inputs[0].Decryption, err)
	}
}

func TestDecryptionRefused(t *testing.T) {
	t.Parallel()
	const gcm = `"decryptionMode":"AES_GCM",` + encryptedKey + `,` + vector12
	without := everything
	without.KeyRegion = ""
	approved := everything
	approved.ApprovedOnly = true
	for _, c := range []struct {
		name, job string
		caps      Capabilities
		path      string
		invalid   bool
	}{
		{"another region", decrypted(gcm + `,"kmsKeyRegion":"eu-west-1"`), everything, "/inputs/0/decryptionSettings/kmsKeyRegion", false},
		{"no key service", decrypted(gcm), without, "/inputs/0/decryptionSettings", false},
		{"not approved", decrypted(gcm), approved, "/inputs/0/decryptionSettings/decryptionMode", false},
		{"a playlist", strings.Replace(decrypted(gcm), "film.mov", "film.M3U8", 1), everything, "/inputs/0/decryptionSettings", false},
		{"a playlist on a web server", strings.Replace(decrypted(gcm), "s3://in/film.mov", "https://in/film.m3u8?a=b", 1), everything, "/inputs/0/decryptionSettings", false},
		{"no mode", decrypted(encryptedKey + `,` + vector12), everything, "/inputs/0/decryptionSettings", true},
		{"a short vector for CBC", decrypted(`"decryptionMode":"AES_CBC",` + encryptedKey + `,` + vector12), everything, "/inputs/0/decryptionSettings/initializationVector", true},
		{"no base64", decrypted(strings.Replace(gcm, "dA==", "dA=", 1)), everything, "/inputs/0/decryptionSettings/encryptedDecryptionKey", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			bad, lack := Check(settings(t, c.job), c.caps)
			got := lack
			if c.invalid {
				got = bad
			}
			if len(got) != 1 || got[0].Path != c.path {
				t.Errorf("invalid %v, not offered %v; want %s, invalid %v", bad, lack, c.path, c.invalid)
			}
		})
	}
}
