package executeapi

import (
	"strings"
	"testing"

	"darkroom/internal/audit"
	"darkroom/internal/cenc"
	"darkroom/internal/cpix"
)

// TestParameters: a record has what a key request asks for, and nothing of its document.
func TestParameters(t *testing.T) {
	t.Parallel()
	asked := &cpix.Request{
		ContentID: "film\n1", Keys: []cpix.Key{{ID: cenc.UUID{1}, IV: []byte("hush")}}, Systems: []cpix.System{{ID: cenc.UUID{2}}, {ID: cenc.UUID{2}}, {ID: cenc.UUID{3}}}, Certificate: []byte("hush"),
	}
	parameters := map[string]any{"version": "v2.0"}
	describe(asked, parameters)
	want := `{"contentId":"film\n1","encrypted":true,"keyIds":["01000000-0000-0000-0000-000000000000"],"systemIds":["02000000-0000-0000-0000-000000000000","03000000-0000-0000-0000-000000000000"],"version":"v2.0"}`
	if got := string(shown(parameters)()); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got := shown(map[string]any{})(); got != nil {
		t.Errorf("nothing was asked for: %s", got)
	}
	if got := shown(map[string]any{"contentIds": strings.Repeat("x", 2*audit.MaxMember)})(); len(got) > audit.MaxMember {
		t.Errorf("%d bytes", len(got))
	}
}
