package blobtest

import (
	"errors"
	"io"
	"strconv"
	"strings"
	"testing"

	"darkroom/internal/blob"
)

// OddKeys are keys that lead elsewhere where they are taken for paths, patterns or something to be brought into another form.
func OddKeys() []string {
	return []string{
		"..", ".", "../x", "../../x", "../../../../../../../../tmp/darkroom-odd-key", "a/../x", "a/../../x", "a/..", "a/.", "a/./x", "./x", "a/b/../../../x", "....//x", ".../x", "..x", "x..",
		"/", "/x", "//x", "///tmp/darkroom-odd-key", "/tmp/darkroom-odd-key", "a//x", "a/x/", "a/", "x/",
		"..\\x", "..\\..\\x", "a\\x", "\\x", "C:\\x", "C:x", "a/..\\x", "nul", "CON", "x.", "x ", " x", "x::$DATA",
		"%2e%2e/x", "..%2fx", "%2e%2e%2fx", "%2fx", "a%2fx", "..%5cx", "%00", "x%00y", "%252e%252e%252fx", "a+x", "a%20x", "a x", "%", "%zz",
		"x\x00", "\x00", "x\x00/../y", "x\ny", "x\ry", "x\r\nX-Odd: y", "x\ty", "\x01dt\x02", "x\x7fy", "\x1b[31mx",
		"x?y", "x#y", "x;y", "x&y=z", "?x", "#x", "x?versionId=1", "~x", "~/x", "$HOME/x", "${x}", "$dt$", "$$", "$fn$/x", "`x`", "$(x)", "x|y", "x>y", "<x>", "\"x\"", "'x'", "*", "x*", "[x]", "{x}", "-x", "--x",
		"é", "e\u0301", "Å", "Å", "ﬁlm", "film", "FILM", "ｘ", "。。/x", "․․/x", "..／x", "\u202ex", "\ufeffx", "x\u200b", "\u2028", "😀/x", "日本/映画",
		"\xff", "x\xc0\xafy", "\xc0\xae\xc0\xae/x", "\xed\xa0\x80", "..\xc0\xafx",
		".darkroom-x", "a/.darkroom-x", ".hidden", "a/.hidden/x", "lost+found/x", ".git/config", "bucket.json",
		strings.Repeat("a", 255), strings.Repeat("a", 256), strings.Repeat("a", blob.MaxKey), strings.Repeat("a", blob.MaxKey+1), strings.Repeat("a/", blob.MaxKey/2-1) + "x", strings.Repeat("é", blob.MaxKey/2), strings.Repeat("../", 300) + "x", "",
	}
}

// TryOddKeys puts something under each of the odd keys, and requires that it is there under exactly that key and no other, or that it was refused by name:
// ErrInvalidArgument, ErrKeyTooLong or ErrAccessDenied. It returns those that were taken.
func TryOddKeys(t *testing.T, s blob.Store, bucket string) []string {
	t.Helper()
	ctx := t.Context()
	named := func(err error) bool {
		return errors.Is(err, blob.ErrInvalidArgument) || errors.Is(err, blob.ErrKeyTooLong) || errors.Is(err, blob.ErrAccessDenied)
	}
	content := func(key string) string { return "this is " + strconv.Quote(key) }
	var taken []string
	seen := map[string]bool{}
	for _, key := range OddKeys() {
		if seen[key] {
			continue
		}
		seen[key] = true
		i, err := s.Put(ctx, bucket, key, strings.NewReader(content(key)), blob.PutOptions{Size: int64(len(content(key)))})
		switch {
		case err == nil && i.Key == key:
			taken = append(taken, key)
			continue
		case err == nil:
			t.Errorf("put %q: it became %q", key, i.Key)
		case !named(err):
			t.Errorf("put %q: got %v, want it refused by name", key, err)
		}
		for what, err := range map[string]error{
			"head":          second(s.Head(ctx, bucket, key, blob.Conditions{})),
			"get":           second(s.Get(ctx, bucket, key, nil, blob.Conditions{})),
			"create upload": second(s.CreateUpload(ctx, bucket, key, blob.UploadOptions{})),
		} {
			if !named(err) && !errors.Is(err, blob.ErrNoSuchKey) {
				t.Errorf("%s of %q, which cannot be put: got %v", what, key, err)
			}
		}
	}
	for _, key := range taken {
		o, err := s.Get(ctx, bucket, key, nil, blob.Conditions{})
		if err != nil {
			t.Errorf("get %q: %v", key, err)
			continue
		}
		got, err := io.ReadAll(o.Body)
		_ = o.Body.Close()
		if err != nil || string(got) != content(key) || o.Key != key {
			t.Errorf("get %q: got %q of %q, %v", key, got, o.Key, err)
		}
	}
	return taken
}

func second[T any](_ T, err error) error { return err }
