package mediaconvert_test

import (
	"encoding/json"
	"reflect"
	"testing"

	sdk "github.com/aws/aws-sdk-go-v2/service/mediaconvert"
	"github.com/aws/aws-sdk-go-v2/service/mediaconvert/types"
	"github.com/google/go-cmp/cmp"

	"darkroom/internal/mediaconvert"
)

// FuzzDecode: whatever comes in, what is taken is JSON for encoding/json too, and comes out the same; what is not JSON is refused.
func FuzzDecode(f *testing.F) {
	for _, seed := range []string{
		``, `{}`, `null`, `{"role":"r","settings":{}}`, `{"Role":"r","Settings":{"Inputs":[{"FileInput":"s3://b/k","AudioSelectors":{"a/~":{"Tracks":[1]}}}]}}`,
		`{"role":"\ud83c\udfac","settings":{"timecodeConfig":{"source":"ZEROBASED"},"adAvailOffset":-1.5e1}}`, `{"role":1,"role":[null],"x":{"y":tru}}`,
		`{"role":"r","settings":{"outputGroups":[{"outputs":[{"videoDescription":{"codecSettings":{"h264Settings":{"gopSize":9e1}}}}]}]},"tags":{"":"","b":null}}`,
	} {
		f.Add([]byte(seed))
	}
	f.Add([]byte(`{"role":"r","settings":{"outputGroups":[{"outputs":[` + output + `]}]}}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		var in sdk.CreateJobInput
		faults := mediaconvert.Decode(body, &in)
		malformed := len(faults) > 0 && faults[0].Kind == mediaconvert.Malformed
		if !json.Valid(body) && !malformed {
			t.Fatalf("not JSON, but: %s", mediaconvert.Message(faults))
		}
		for _, fault := range faults {
			if fault.Offset < 0 || fault.Offset > len(body) {
				t.Fatalf("offset %d of %d", fault.Offset, len(body))
			}
			if fault.String() == "" {
				t.Fatal("a fault without words")
			}
		}
		if len(faults) > 0 {
			return
		}
		out, err := mediaconvert.Encode(&in)
		if err != nil {
			t.Fatal(err)
		}
		var again sdk.CreateJobInput
		if faults := mediaconvert.Decode(out, &again); faults != nil {
			t.Fatalf("%s: %s", out, mediaconvert.Message(faults))
		}
		if diff := cmp.Diff(in, again, ignoreSDK); diff != "" {
			t.Fatal(diff)
		}
	})
}

// FuzzDecodeJob reads what a worker may have reported: times, warnings, details.
func FuzzDecodeJob(f *testing.F) {
	f.Add([]byte(`{"warnings":[{"code":1,"count":2}],"timing":{"startTime":1515368087.457},"messages":{"info":[],"warning":["a"]}}`))
	f.Add([]byte(`{"outputGroupDetails":[{"outputDetails":[{"durationInMs":1,"videoDetails":{"widthInPx":2,"heightInPx":3}}]}],"createdAt":-1e-3}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		var in, again types.Job
		for _, fault := range mediaconvert.Decode(body, &in) {
			if fault.Kind != mediaconvert.Missing {
				return
			}
		}
		out, err := mediaconvert.Canonical(&in)
		if err != nil {
			t.Fatal(err)
		}
		mediaconvert.Decode(out, &again)
		if diff := cmp.Diff(in, again, ignoreSDK); diff != "" {
			t.Fatal(diff)
		}
	})
}

// FuzzMatch: a path never leads to an operation whose path it is not.
func FuzzMatch(f *testing.F) {
	f.Add("GET", "/2017-08-29/jobs/a%2Fb", "maxResults=1")
	f.Add("POST", "/2017-08-29/tags", "")
	f.Add("PUT", "/2017-08-29/tags/arn%3Aaws", "a=%zz&a;b")
	f.Fuzz(func(t *testing.T, method, path, query string) {
		route, err := mediaconvert.Match(method, path)
		if err != nil {
			return
		}
		if route.Method != method {
			t.Fatalf("%s is for %s", route.Name, route.Method)
		}
		in, _ := route.DecodeRequest(query, nil)
		if got, want := reflect.TypeOf(in).Elem().Name(), route.Name+"Input"; got != want {
			t.Fatalf("got %s, want %s", got, want)
		}
	})
}
