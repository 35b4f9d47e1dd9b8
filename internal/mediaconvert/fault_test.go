package mediaconvert_test

import (
	"strings"
	"testing"

	sdk "github.com/aws/aws-sdk-go-v2/service/mediaconvert"
	"github.com/google/go-cmp/cmp"

	"darkroom/internal/mediaconvert"
)

const reference = " For more information, see the MediaConvert API reference: " +
	"https://docs.aws.amazon.com/mediaconvert/latest/apireference/resources.html"

func TestMessage(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, body, want string
	}{
		{"missing", `{"role":"r"}`, "The 'settings' field is required."},
		{"missing further in", `{"role":"r","settings":{},"accelerationSettings":{}}`, "/accelerationSettings: mode is a required property"},
		{"above", `{"role":"r","settings":{},"priority":51}`, "/priority: Should be less than or equal to 50 (was 51)"},
		{"path from the settings", `{"role":"r","settings":{"adAvailOffset":-1001}}`, "/adAvailOffset: Should be greater than or equal to -1000 (was -1001)"},
		{
			"enumeration", `{"role":"r","settings":{},"simulateReservedQueue":"YES"}`,
			"You specified an invalid type for 'simulateReservedQueue'. Replace the value with a SimulateReservedQueue (Valid values: 'DISABLED', 'ENABLED'), " +
				"or remove 'simulateReservedQueue' (if optional), then resubmit your request." + reference + ` (was "YES")`,
		},
		{
			"type, inside lists and maps", `{"role":"r","settings":{"inputs":[{},{"audioSelectors":{"A/1":{"tracks":[{}]}}}]}}`,
			"You specified an invalid type for 'settings.inputs[1].audioSelectors.A/1.tracks[0]'. Replace the value with a integer, " +
				"or remove 'settings.inputs[1].audioSelectors.A/1.tracks[0]' (if optional), then resubmit your request." + reference + " (was an object)",
		},
		{
			"pattern, without the value", `{"role":"r","settings":{"inputs":[{"fileInput":"http:/user:password@host/"}]}}`,
			`/inputs/0/fileInput: Should match the pattern: /^s3://([^\/]+\/+)+((([^\/]*)))|^https?://[^\/].*[^&]$/`,
		},
		{
			"characters", `{"role":"r","settings":{"inputs":[{"audioSelectors":{"a":{"customLanguageCode":"en"}}}]}}`,
			"/inputs/0/audioSelectors/a/customLanguageCode: Should have at least 3 characters (was 2) | " +
				"/inputs/0/audioSelectors/a/customLanguageCode: Should match the pattern: /^[A-Za-z]{3}$/",
		},
		{"case of a name", `{"role":"r","settings":{"Inputs":[],"oUTPUTGroups":[]}}`, `: unknown member "oUTPUTGroups"; allowed: outputGroups`},
		{
			"unknown name", `{"role":"r","settings":{},"accelerationSettings":{"mode":"DISABLED","speed":1}}`,
			`/accelerationSettings: unknown member "speed"; allowed: mode`,
		},
		{"twice", `{"role":"r","settings":{},"role":"s"}`, "/role: is given more than once"},
		{"broken", `{"role":"r"`, "Could not parse request body into json: it ends too early: ',' or '}' is expected (byte 11)"},
		{"no object", `3`, "The request body must be a JSON object (was 3)"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := mediaconvert.Message(mediaconvert.Decode([]byte(tt.body), new(sdk.CreateJobInput)))
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestMessageIsBounded: what comes from outside is repeated in part, and long lists are cut.
func TestMessageIsBounded(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 1<<20)
	for _, body := range []string{
		`{"role":"r","settings":{},"` + long + `":1}`,
		`{"role":"r","settings":{},"billingTagsSource":"` + long + `"}`,
		`{"role":"r","settings":{},"priority":` + strings.Repeat("9", 1<<20) + `}`,
		`{"role":"r","settings":{"inputs":[{"audioSelectors":{"a":{"languageCode":"en"}}}]}}`,
	} {
		got := mediaconvert.Message(mediaconvert.Decode([]byte(body), new(sdk.CreateJobInput)))
		if got == "" || len(got) > 2000 {
			t.Errorf("%d bytes are said of %.60s", len(got), body)
		}
	}
}

func TestMessageCountsTheRest(t *testing.T) {
	t.Parallel()
	faults := make([]mediaconvert.Fault, mediaconvert.MaxFaults+3)
	for i := range faults {
		faults[i] = mediaconvert.Fault{Kind: mediaconvert.Rule, Path: "/a", Want: "b"}
	}
	got := mediaconvert.Message(faults)
	if strings.Count(got, "/a: b") != mediaconvert.MaxFaults || !strings.HasSuffix(got, " | and 3 more") {
		t.Errorf("got %s", got)
	}
	if got := mediaconvert.Message(nil); got != "" {
		t.Errorf("got %q for nothing", got)
	}
}

func TestRuleAndToken(t *testing.T) {
	t.Parallel()
	faults := []mediaconvert.Fault{
		{Kind: mediaconvert.Rule, Path: "/settings", Want: "first"},
		{Kind: mediaconvert.Rule, Path: "/tags/" + mediaconvert.Token("a/~b"), Want: "second"},
	}
	if got, want := mediaconvert.Message(faults), ": first | /tags/a~1~0b: second"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestIndependent: what a rule says is left out where it may be for a fault of shape alone.
func TestIndependent(t *testing.T) {
	t.Parallel()
	const codec = "/settings/outputGroups/0/outputs/0/videoDescription/codecSettings"
	for _, tt := range []struct {
		name  string
		kind  mediaconvert.Kind
		shape string
		rules []string
		want  []string
	}{
		{
			"a value out of bounds is there", mediaconvert.BelowMinimum, codec + "/h264Settings/bitrate",
			[]string{"", codec, codec + "/h264Settings", codec + "/h264Settings/bitrate", codec + "/h264Settings/slices"},
			[]string{"", codec, codec + "/h264Settings", codec + "/h264Settings/slices"},
		},
		{
			"a word that is none is not there", mediaconvert.WrongType, codec + "/codec",
			[]string{"", "/settings/outputGroups/0", codec, codec + "/h264Settings", codec + "/codec", codec + "/h264Settings/slices", "/settings/outputGroups/0/outputs/1", "/settings/outputGroups/0/outputs/0/audioDescriptions"},
			[]string{codec + "/h264Settings/slices", "/settings/outputGroups/0/outputs/1", "/settings/outputGroups/0/outputs/0/audioDescriptions"},
		},
		{
			"a name that is none", mediaconvert.UnknownMember, codec,
			[]string{codec, codec + "/h264Settings", "/settings/outputGroups/0/outputs/0", codec + "/h264Settings/slices", codec + "2"},
			[]string{codec + "/h264Settings/slices", codec + "2"},
		},
		{"a member that is missing", mediaconvert.Missing, "", []string{"", "/role", "/settings"}, []string{"/role", "/settings"}},
		{"a body that cannot be read", mediaconvert.Malformed, "", []string{"/settings/inputs"}, nil},
	} {
		var rules []mediaconvert.Fault
		for _, p := range tt.rules {
			rules = append(rules, mediaconvert.Fault{Kind: mediaconvert.Rule, Path: p})
		}
		var got []string
		for _, f := range mediaconvert.Independent([]mediaconvert.Fault{{Kind: tt.kind, Path: tt.shape}}, rules) {
			got = append(got, f.Path)
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s: %s", tt.name, diff)
		}
	}
}
