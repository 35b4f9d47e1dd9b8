package mediaconvert_test

import (
	"encoding/json"
	"math"
	"testing"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/service/mediaconvert"
	"github.com/aws/aws-sdk-go-v2/service/mediaconvert/types"

	"darkroom/internal/mediaconvert"
)

func TestEncode(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		v    any
		want string
	}{
		{"nothing", types.Input{}, `{}`},
		{"pointer to a structure", &sdk.CancelJobOutput{}, `{}`},
		{"empty list and map", types.Input{InputClippings: []types.InputClipping{}, AudioSelectors: map[string]types.AudioSelector{}}, `{"audioSelectors":{},"inputClippings":[]}`},
		{
			"empty string, zero",
			types.Output{NameModifier: ptr(""), AudioDescriptions: []types.AudioDescription{{AudioType: ptr(int32(0))}}},
			`{"audioDescriptions":[{"audioType":0}],"nameModifier":""}`,
		},
		{"map in order", sdk.CreateJobInput{Tags: map[string]string{"b": "1", "a": "2", "C": "3"}}, `{"tags":{"C":"3","a":"2","b":"1"}}`},
		{"order of the SDK", types.Queue{Name: ptr("n"), Arn: ptr("a"), Description: ptr("d")}, `{"name":"n","arn":"a","description":"d"}`},
		{"enumeration", types.Queue{Status: types.QueueStatusActive}, `{"status":"ACTIVE"}`},
		{"whole seconds", types.Timing{StartTime: ptr(time.Unix(1515368087, 0))}, `{"startTime":1515368087}`},
		{"milliseconds", types.Timing{StartTime: ptr(time.UnixMilli(1515368087457))}, `{"startTime":1515368087.457}`},
		{"nanoseconds are cut", types.Timing{StartTime: ptr(time.Unix(1515368087, 999999999))}, `{"startTime":1515368087.999}`},
		{"floats", types.OutputChannelMapping{InputChannelsFineTune: []float64{0, -1.5, 1e21, 1e-7, 0.1}}, `{"inputChannelsFineTune":[0,-1.5,1e+21,1e-07,0.1]}`},
		{"escapes", types.OutputGroup{Name: ptr("\"\\/\b\n\r\t\x7f<é🎬\u2028")}, "{\"name\":\"\\\"\\\\/\\u0008\\n\\r\\t\x7f<é🎬\u2028\"}"},
		{"not UTF-8", types.OutputGroup{Name: ptr("a\xffb\xc3")}, "{\"name\":\"a\ufffdb\ufffd\"}"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := mediaconvert.Encode(tt.v)
			if err != nil {
				t.Fatal(err)
			}
			if string(got) != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
			if !json.Valid(got) {
				t.Error("encoding/json does not take it")
			}
		})
	}
}

func TestEncodeRefuses(t *testing.T) {
	t.Parallel()
	for _, v := range []any{
		types.H264Settings{GopSize: ptr(math.NaN())}, types.H264Settings{GopSize: ptr(math.Inf(-1))}, nil, 3, (*types.Input)(nil), []types.Input{},
	} {
		if got, err := mediaconvert.Encode(v); err == nil {
			t.Errorf("%#v: got %s, want an error", v, got)
		}
	}
}

func TestCanonical(t *testing.T) {
	t.Parallel()
	same := []string{
		`{"role":"r","priority":5,"settings":{"inputs":[],"adAvailOffset":0},"tags":{"a":"1","b":"2"}}`,
		`{"Tags":{"b":"2","\u0061":"1"},"Settings":{"AdAvailOffset":0e3,"Inputs":[],"OutputGroups":null},"Priority":5.0,"Role":"\u0072"}`,
	}
	const want = `{"priority":5,"role":"r","settings":{"adAvailOffset":0,"inputs":[]},"tags":{"a":"1","b":"2"}}`
	canonical := func(body string) string {
		var in sdk.CreateJobInput
		if faults := mediaconvert.Decode([]byte(body), &in); faults != nil {
			t.Fatal(mediaconvert.Message(faults))
		}
		b, err := mediaconvert.Canonical(&in)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	for _, body := range same {
		if got := canonical(body); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
	for _, other := range []string{
		`{"role":"r","priority":5,"settings":{"adAvailOffset":0},"tags":{"a":"1","b":"2"}}`,
		`{"role":"r","priority":5,"settings":{"inputs":[]},"tags":{"a":"1","b":"2"}}`,
		`{"role":"r","settings":{"inputs":[],"adAvailOffset":0},"tags":{"a":"1","b":"2"}}`,
	} {
		if canonical(other) == want {
			t.Errorf("%s is taken for the same", other)
		}
	}
}
