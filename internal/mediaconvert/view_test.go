package mediaconvert_test

import (
	"slices"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/mediaconvert/types"

	"darkroom/internal/mediaconvert"
)

// TestView: what is read of a structure is what its JSON says.
func TestView(t *testing.T) {
	t.Parallel()
	const text = `{"inputs":[{"fileInput":"s3://b/k","inputClippings":[{"endTimecode":"00:00:01:00"}],"supplementalImps":[],"programNumber":7,"psiControl":"USE_PSI","crop":{},` +
		`"audioSelectors":{"a/b":{"offset":-3},"c":{}}}],"outputGroups":[{"outputs":[{"videoDescription":{"codecSettings":{"h264Settings":{"gopSize":1.5,"hrdBufferSize":0}}}}]}]}`
	s := new(types.JobSettings)
	if faults := mediaconvert.Decode([]byte(text), s); len(faults) > 0 {
		t.Fatal(mediaconvert.Message(faults))
	}
	whole, err := mediaconvert.Encode(s)
	if err != nil {
		t.Fatal(err)
	}
	root := mediaconvert.ViewOf(s)
	in := root.Member("inputs").Item(0)
	h264 := root.Member("outputGroups").Item(0).Member("outputs").Item(0).Member("videoDescription").Member("codecSettings").Member("h264Settings")
	selectors := in.Member("audioSelectors")
	keys := selectors.Keys()
	slices.Sort(keys)
	if want := []string{"a/b", "c"}; !slices.Equal(keys, want) {
		t.Errorf("keys %q, want %q", keys, want)
	}
	for _, tt := range []struct {
		name                      string
		view                      mediaconvert.View
		present, structure, empty bool
		text                      string
		number                    float64
		length                    int
		json                      string
	}{
		{"the whole", root, true, true, false, "", 0, 0, string(whole)},
		{"a string", in.Member("fileInput"), true, false, true, "s3://b/k", 0, 0, `"s3://b/k"`},
		{"a word", in.Member("psiControl"), true, false, true, "USE_PSI", 0, 0, `"USE_PSI"`},
		{"a word left out", in.Member("filterEnable"), false, false, true, "", 0, 0, ""},
		{"an integer", in.Member("programNumber"), true, false, true, "", 7, 0, `7`},
		{"a number", h264.Member("gopSize"), true, false, true, "", 1.5, 0, `1.5`},
		{"zero", h264.Member("hrdBufferSize"), true, false, true, "", 0, 0, `0`},
		{"a list", in.Member("inputClippings"), true, false, true, "", 0, 1, `[{"endTimecode":"00:00:01:00"}]`},
		{"a list without items", in.Member("supplementalImps"), true, false, true, "", 0, 0, `[]`},
		{"a list left out", root.Member("colorConversion3DLUTSettings"), false, false, true, "", 0, 0, ""},
		{"a structure without members", in.Member("crop"), true, true, true, "", 0, 0, `{}`},
		{"a structure left out", in.Member("position"), false, false, true, "", 0, 0, ""},
		{"a member of that", in.Member("position").Member("width"), false, false, true, "", 0, 0, ""},
		{"no member of the model", in.Member("nothing"), false, false, true, "", 0, 0, ""},
		{"a map", selectors, true, false, true, "", 0, 0, `{"a/b":{"offset":-3},"c":{}}`},
		{"an entry", selectors.Entry("a/b"), true, true, false, "", 0, 0, `{"offset":-3}`},
		{"no entry", selectors.Entry("d"), false, false, true, "", 0, 0, ""},
		{"an entry of no map", in.Entry("a"), false, false, true, "", 0, 0, ""},
		{"nil", mediaconvert.ViewOf((*types.JobSettings)(nil)), false, false, true, "", 0, 0, ""},
	} {
		v := tt.view
		if v.Present() != tt.present || v.Structure() != tt.structure || v.Empty() != tt.empty || v.Text() != tt.text || v.Number() != tt.number || v.Len() != tt.length {
			t.Errorf("%s: got %t %t %t %q %v %d, want %t %t %t %q %v %d", tt.name, v.Present(), v.Structure(), v.Empty(), v.Text(), v.Number(), v.Len(),
				tt.present, tt.structure, tt.empty, tt.text, tt.number, tt.length)
		}
		if got := v.JSON(); got != tt.json {
			t.Errorf("%s: got %s, want %s", tt.name, got, tt.json)
		}
	}
}
