package api_test

import (
	"encoding/json"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/mediaconvert/types"

	"darkroom/internal/api"
	"darkroom/internal/job"
	"darkroom/internal/media"
	"darkroom/internal/plan"
	"darkroom/internal/secret"
)

// wholeJob is a request that the real plan takes: a file and an HLS group.
const wholeJob = `{"role":"` + roleARN + `","clientRequestToken":"t","settings":{"timecodeConfig":{"source":"ZEROBASED"},"inputs":[{"fileInput":"s3://b/film.mp4",` +
	`"audioSelectors":{"Audio Selector 1":{"defaultSelection":"DEFAULT"}},"videoSelector":{}}],"outputGroups":[{"outputGroupSettings":{"type":"FILE_GROUP_SETTINGS",` +
	`"fileGroupSettings":{"destination":"s3://b/out/"}},"outputs":[{"nameModifier":"_$w$","containerSettings":{"container":"MP4"},"videoDescription":{"width":1280,"height":720,` +
	`"codecSettings":{"codec":"H_264","h264Settings":{"rateControlMode":"QVBR","maxBitrate":5000000,"gopSize":2,"gopSizeUnits":"SECONDS"}}},"audioDescriptions":[{` +
	`"codecSettings":{"codec":"AAC","aacSettings":{"bitrate":96000,"codingMode":"CODING_MODE_2_0","sampleRate":48000}}}]}]},{"outputGroupSettings":{` +
	`"type":"HLS_GROUP_SETTINGS","hlsGroupSettings":{"destination":"s3://b/hls/","segmentLength":6,"minSegmentLength":0}},"outputs":[{"nameModifier":"_a",` +
	`"containerSettings":{"container":"M3U8"},"audioDescriptions":[{"codecSettings":{"codec":"AAC","aacSettings":{"bitrate":96000,` +
	`"codingMode":"CODING_MODE_2_0","sampleRate":48000}}}]}]}]}}`

// planned checks settings with the real plan, for an encoder that has everything.
func planned(settings *types.JobSettings) (invalid, notOffered []plan.Refusal) {
	return plan.Check(settings, plan.Capabilities{
		Encoders: []media.Codec{media.AVC, media.HEVC, media.AV1, media.AAC, media.AC3, media.EAC3}, StillPictures: true, Deinterlace: true,
	})
}

func TestTakenByThePlan(t *testing.T) {
	t.Parallel()
	b := newBench(t, func(o *api.Options) { o.Check = planned })
	if resp, body := b.send("ROOT", "POST", "/2017-08-29/jobs", wholeJob); resp.StatusCode != 201 {
		t.Errorf("got %d %s", resp.StatusCode, body)
	}
	if resp, body := b.send("ROOT", "POST", "/2017-08-29/jobs", strings.NewReplacer("H_264", "H_265", `"clientRequestToken":"t"`, `"clientRequestToken":"u"`).Replace(wholeJob)); resp.StatusCode != 400 {
		t.Errorf("got %d %s", resp.StatusCode, body)
	}
}

// FuzzRequest carries out whatever request there is, with the real plan behind it: each ends in one answer that is JSON, and a job is made only
// where it is said.
func FuzzRequest(f *testing.F) {
	f.Add("POST", "/2017-08-29/jobs", "", []byte(wholeJob))
	f.Add("POST", "/2017-08-29/jobs", "", []byte(`{"Role":"`+roleARN+`","Settings":{},"HopDestinations":[{}],"Tags":{"aws:":""},"Queue":"arn:"}`))
	f.Add("GET", "/2017-08-29/jobs", "maxResults=1&nextToken=AAAA&order=ASCENDING", []byte(``))
	f.Add("DELETE", "/2017-08-29/jobs/1515368087458-qnoxtd", "", []byte(`{}`))
	f.Add("PUT", "/2017-08-29/tags/arn%3Aaws%2F", "X-Amz-Date=1", []byte(`{"tagKeys":["a"]}`))
	kept := records(f)
	f.Fuzz(func(t *testing.T, method, path, query string, body []byte) {
		queue := &fakeQueue{Resources: kept, jobs: make(map[string]*job.Job)}
		s, err := api.New(api.Options{
			Queue: queue, Roles: people{}, Certificates: shelf{}, Region: region, TokenKey: secret.New(make([]byte, api.TokenKeySize)), Random: zeros{},
			Check: planned, Probe: noProbe,
		})
		if err != nil {
			t.Fatal(err)
		}
		u := &url.URL{Path: path, RawQuery: query}
		if plain, err := url.PathUnescape(path); err == nil {
			u.Path, u.RawPath = plain, path
		}
		r := httptest.NewRequestWithContext(t.Context(), "GET", "/", strings.NewReader(string(body)))
		r.Method, r.URL = method, u
		w := httptest.NewRecorder()
		op, err := s.Resolve(r)
		if err == nil {
			if op.Name == "" || len(op.Checks) == 0 {
				t.Fatalf("an operation that asks for nothing: %+v", op)
			}
			err = op.Serve(w, r)
		}
		if err != nil {
			s.Refuse(w, r, err)
			if w.Header().Get("X-Amzn-ErrorType") == "" || w.Code < 400 {
				t.Fatalf("%v: %d %v", err, w.Code, w.Header())
			}
			if w.Code >= 500 {
				t.Fatalf("%v is an error of ours", err)
			}
		}
		if !json.Valid(w.Body.Bytes()) {
			t.Fatalf("not JSON: %s", w.Body)
		}
		if made := queue.len() > 0; made != (err == nil && op.Name == "CreateJob") {
			t.Fatalf("a job was made: %t, but %d %s", made, w.Code, w.Body)
		}
	})
}
