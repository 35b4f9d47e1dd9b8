package api_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"darkroom/internal/api"
	"darkroom/internal/iam"
	"darkroom/internal/job"
	"darkroom/internal/media"
	"darkroom/internal/plan"
)

func TestProbe(t *testing.T) {
	t.Parallel()
	found := &plan.Found{
		ETag: "abc", ContentType: "video/quicktime\r\nX: y", Size: 99, Modified: time.Unix(1000, 0),
		Probe: &plan.Probe{Container: "quicktime", Duration: 1500 * time.Millisecond, Timecode: "01:00:00;02", Streams: []plan.Stream{
			{
				Index: 0, Kind: media.Video, Codec: "hevc", Duration: time.Second, Bitrate: 5, Width: 1920, Height: 1080, CodedWidth: 1920, CodedHeight: 1088,
				FrameRate: media.Rational{Num: 30000, Den: 1001}, BitDepth: 10, PixelFormat: "yuv422p10le", Profile: "Rext", Level: 123, Interlaced: true,
				ColorSpace: "bt2020nc", ColorPrimaries: "bt2020", ColorTransfer: "smpte2084",
			},
			{Index: 1, Kind: media.Video, Codec: "mjpeg", Attached: true},
			{Index: 2, Kind: media.Audio, Codec: "aac", Channels: 2, SampleRate: 48000, Language: "deu"},
			{Index: 3, Kind: media.Audio, Codec: "pcm_s24le", BitDepth: 24, Language: "<b>"},
			{Index: 4, Codec: "eia_608", Language: "eng"},
			{Index: 5, Kind: media.Video, Codec: "h264", Level: 9, PixelFormat: "gray", ColorSpace: "<script>"},
		}},
	}
	var mu sync.Mutex
	asked := map[string][]string{}
	b := newBench(t, func(o *api.Options) {
		o.Probe = func(_ context.Context, who iam.Principal, in plan.Input, schemes []string) (*plan.Found, error) {
			mu.Lock()
			defer mu.Unlock()
			asked[in.URI()] = schemes
			if who.ARN == "" {
				return nil, errors.New("nobody asks")
			}
			return found, nil
		}
	})
	resp, body := b.send("ROOT", "POST", "/2017-08-29/probe", `{"inputFiles":[{"fileUrl":"s3://b/film.mov"}]}`)
	const want = `{"probeResults":[{"container":{"duration":1.5,"format":"quicktime","startTimecode":"01:00:00;02","tracks":[` +
		`{"codec":"HEVC","duration":1,"index":1,"trackType":"video","videoProperties":{"bitDepth":10,"bitRate":5,"codecMetadata":{"bitDepth":10,"chromaSubsampling":"4:2:2","codedFrameRate":{"denominator":1001,"numerator":30000},` +
		`"colorPrimaries":"ITU_2020","height":1088,"level":"4.1","matrixCoefficients":"ITU_2020_NCL","profile":"Rext","scanType":"INTERLACED","transferCharacteristics":"SMPTE_2084","width":1920},` +
		`"colorPrimaries":"ITU_2020","frameRate":{"denominator":1001,"numerator":30000},"height":1080,"matrixCoefficients":"ITU_2020_NCL","transferCharacteristics":"SMPTE_2084","width":1920}},` +
		`{"audioProperties":{"channels":2,"frameRate":{"denominator":1024,"numerator":48000},"languageCode":"deu","sampleRate":48000},"codec":"AAC","index":2,"trackType":"audio"},` +
		`{"audioProperties":{"bitDepth":24},"codec":"PCM","index":3,"trackType":"audio"},` +
		`{"codec":"C608","dataProperties":{"languageCode":"eng"},"index":4,"trackType":"data"},` +
		`{"codec":"AVC","index":5,"trackType":"video","videoProperties":{"codecMetadata":{"colorPrimaries":"UNSPECIFIED","level":"1b","matrixCoefficients":"UNSPECIFIED","scanType":"PROGRESSIVE","transferCharacteristics":"UNSPECIFIED"},` +
		`"colorPrimaries":"UNSPECIFIED","matrixCoefficients":"UNSPECIFIED","transferCharacteristics":"UNSPECIFIED"}}]},` +
		`"metadata":{"eTag":"abc","fileSize":99,"lastModified":1000,"mimeType":"video/quicktimeX: y"},` +
		`"trackMappings":[{"audioTrackIndexes":[2,3],"dataTrackIndexes":[4],"videoTrackIndexes":[1,5]}]}]}`
	if diff := cmp.Diff(want, strings.TrimSpace(body)); resp.StatusCode != 200 || diff != "" {
		t.Errorf("%d (-want +got): %s", resp.StatusCode, diff)
	}

	// The input policy holds, also for what a web server redirects to.
	if resp, body := b.send("ROOT", "PUT", "/2017-08-29/policy", `{"policy":{"httpInputs":"DISALLOWED"}}`); resp.StatusCode != 200 {
		t.Fatal(body)
	}
	for _, c := range []struct {
		files  string
		status int
		says   string
	}{
		{``, 400, "/inputFiles: Should have at least 1 items"},
		{strings.TrimSuffix(strings.Repeat(`{"fileUrl":"s3://b/k"},`, 11), ","), 400, "/inputFiles: Should have at most 10 items"},
		{`{}`, 400, "/inputFiles/0: fileUrl is a required property"},
		{`{"fileUrl":"s3://b/k"},{"fileUrl":"s3://b/"},{"fileUrl":"ftp://host/x"}`, 400, `/inputFiles/1/fileUrl: \"s3://b/\" names no object; allowed: s3://BUCKET/KEY, http://HOST/PATH, https://HOST/PATH | /inputFiles/2/fileUrl: `},
		{`{"fileUrl":"http://host/x"}`, 400, api.Disallowed},
		{`{"fileUrl":"https://host/x"}`, 200, "probeResults"},
		{`{"fileUrl":"s3://b/one"},{"fileUrl":"s3://b/two"}`, 200, "probeResults"},
	} {
		resp, body := b.send("ROOT", "POST", "/2017-08-29/probe", `{"inputFiles":[`+c.files+`]}`)
		if resp.StatusCode != c.status || !strings.Contains(body, c.says) {
			t.Errorf("%s: %d %s", c.files, resp.StatusCode, body)
		}
	}
	if diff := cmp.Diff([]string{"s3", "https"}, asked["https://host/x"]); diff != "" || asked["http://host/x"] != nil {
		t.Errorf("schemes: %s; asked %v", diff, asked)
	}
}

// TestProbeFails: what is wrong with a file has the API's names, and what is wrong with us shows nothing.
func TestProbeFails(t *testing.T) {
	t.Parallel()
	var err error
	b := newBench(t, func(o *api.Options) {
		o.Probe = func(context.Context, iam.Principal, plan.Input, []string) (*plan.Found, error) { return nil, err }
	})
	for _, c := range []struct {
		err    error
		status int
		name   string
		says   string
	}{
		{job.Errorf(1404, "not there"), 404, "NotFoundException", "1404: not there"},
		{job.Errorf(3404, "not there"), 404, "NotFoundException", "3404"},
		{job.Errorf(1401, "may not"), 403, "ForbiddenException", "1401"},
		{job.Errorf(3403, "may not"), 403, "ForbiddenException", "3403"},
		{job.Errorf(1030, "no container"), 400, "BadRequestException", "1030"},
		{fmt.Errorf("busy: %w", job.ErrBusy), 429, "TooManyRequestsException", "Try again"},
		{errors.New("disk /secret on fire"), 500, "InternalServerErrorException", "request id"},
	} {
		err = c.err
		resp, body := b.send("ROOT", "POST", "/2017-08-29/probe", `{"inputFiles":[{"fileUrl":"s3://b/k"},{"fileUrl":"s3://b/l"}]}`)
		if resp.StatusCode != c.status || resp.Header.Get("X-Amzn-ErrorType") != c.name || !strings.Contains(body, c.says) || strings.Contains(body, "fire") {
			t.Errorf("%v: %d %s %s", c.err, resp.StatusCode, resp.Header.Get("X-Amzn-ErrorType"), body)
		}
	}
}
