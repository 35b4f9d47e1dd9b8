package event_test

import (
	"bytes"
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"darkroom/internal/event"
)

// TestStates holds the text of each state against the members that the page of the user guide about it shows, with values of our own.
func TestStates(t *testing.T) {
	t.Parallel()
	detail := func(status event.Status) event.Detail {
		return event.Detail{
			Timestamp: 1893553445123, AccountID: "111122223333", Queue: "arn:aws:mediaconvert:eu-west-1:111122223333:queues/Default", JobID: "1893553440000-abc123", Status: status,
			UserMetadata: map[string]string{"ticket": "a<b"},
		}
	}
	const common = `"timestamp":1893553445123,"accountId":"111122223333","queue":"arn:aws:mediaconvert:eu-west-1:111122223333:queues/Default","jobId":"1893553440000-abc123","status":"`
	const user = `","userMetadata":{"ticket":"a<b"}`
	inputs := []event.Input{{
		ID: 1, URI: "s3://films/in.mov",
		Audio: []event.Audio{{Channels: 6, Codec: "AC3", Language: "GER", SampleRate: 48000, StreamID: 2}},
		Video: []event.Video{{
			BitDepth: 10, Codec: "H_265", ColorFormat: "YUV_422", FourCC: "hvc1", FrameRate: 29.97, Height: 2160, InterlaceMode: "PROGRESSIVE", SAR: "1:1", Standard: "UNSPECIFIED", StreamID: 1, Width: 3840,
		}},
	}}
	groups := []event.OutputGroup{
		{Type: "HLS_GROUP", PlaylistFilePaths: []string{"s3://films/out/main.m3u8"}, OutputDetails: []event.Output{{
			OutputFilePaths: []string{"s3://films/out/main_720.m3u8"}, DurationInMs: 30041, VideoDetails: &event.OutputVideo{WidthInPx: 1280, HeightInPx: 720, AverageBitrate: 2900000},
		}}},
		{Type: "DASH_ISO_GROUP", PlaylistFilePaths: []string{"s3://films/out/main.mpd"}, OutputDetails: []event.Output{{DurationInMs: 30000}}},
	}
	for _, c := range []struct {
		name string
		of   any
		want string
	}{
		{"PROGRESSING", detail(event.Progressing), `{` + common + `PROGRESSING` + user + `}`},
		{"CANCELED", detail(event.Canceled), `{` + common + `CANCELED` + user + `}`},
		{
			"INPUT_INFORMATION",
			event.InputDetail{Detail: detail(event.InputInformation), InputDetails: inputs},
			`{` + common + `INPUT_INFORMATION` + user + `,"inputDetails":[{"id":1,"uri":"s3://films/in.mov","audio":[{"channels":6,"codec":"AC3","language":"GER","sampleRate":48000,"streamId":2}],` +
				`"video":[{"bitDepth":10,"codec":"H_265","colorFormat":"YUV_422","fourCC":"hvc1","frameRate":29.97,"height":2160,"interlaceMode":"PROGRESSIVE","sar":"1:1","standard":"UNSPECIFIED","streamId":1,"width":3840}]}]}`,
		},
		{
			"STATUS_UPDATE",
			event.StatusDetail{Detail: detail(event.StatusUpdate), FramesDecoded: 353, JobProgress: event.ProgressOf(event.Transcoding, 2, 7, 1)},
			`{` + common + `STATUS_UPDATE` + user + `,"framesDecoded":353,"jobProgress":{"phaseProgress":{"PROBING":{"status":"COMPLETE","percentComplete":100},"TRANSCODING":{"status":"PROGRESSING","percentComplete":2},` +
				`"UPLOADING":{"status":"PENDING","percentComplete":0}},"jobPercentComplete":7,"currentPhase":"TRANSCODING","retryCount":1}}`,
		},
		{
			"COMPLETE",
			event.CompleteDetail{Detail: detail(event.Complete), Warnings: []event.Warning{{Code: 100000, Count: 1}}, OutputGroupDetails: groups},
			`{` + common + `COMPLETE` + user + `,"warnings":[{"code":100000,"count":1}],"outputGroupDetails":[{"outputDetails":[{"outputFilePaths":["s3://films/out/main_720.m3u8"],"durationInMs":30041,` +
				`"videoDetails":{"widthInPx":1280,"heightInPx":720,"averageBitrate":2900000}}],"playlistFilePaths":["s3://films/out/main.m3u8"],"type":"HLS_GROUP"},` +
				`{"outputDetails":[{"durationInMs":30000}],"playlistFilePaths":["s3://films/out/main.mpd"],"type":"DASH_ISO_GROUP"}]}`,
		},
		{"ERROR", event.ErrorDetail{Detail: detail(event.Errored), ErrorCode: 1040, ErrorMessage: "why"}, `{` + common + `ERROR` + user + `,"errorCode":1040,"errorMessage":"why"}`},
		{
			"NEW_WARNING",
			event.WarningDetail{Detail: detail(event.NewWarning), WarningCode: "230004", WarningMessage: "text"},
			`{` + common + `NEW_WARNING` + user + `,"warningCode":"230004","warningMessage":"text"}`,
		},
		{
			"QUEUE_HOP",
			event.HopDetail{Detail: detail(event.QueueHop), PreviousQueue: "arn:aws:mediaconvert:eu-west-1:111122223333:queues/slow", Priority: 5, PreviousPriority: 0},
			`{` + common + `QUEUE_HOP` + user + `,"previousQueue":"arn:aws:mediaconvert:eu-west-1:111122223333:queues/slow","priority":5,"previousPriority":0}`,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got, err := event.Encode(c.of)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(c.want, string(got)); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
			whole, err := event.Encode(event.Event{
				Version: "0", ID: "x", DetailType: event.JobStateChange, Source: event.Source, Account: "111122223333", Time: time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC), Region: "eu-west-1",
				Resources: []string{"arn:aws:mediaconvert:eu-west-1:111122223333:jobs/1893553440000-abc123"}, Detail: got,
			})
			if err != nil || !json.Valid(whole) || !bytes.HasPrefix(whole, []byte(`{"version":"0","id":"x","detail-type":"MediaConvert Job State Change","source":"aws.mediaconvert","account":"111122223333","time":"2030-01-02T03:04:05Z",`)) {
				t.Errorf("envelope: %s, %v", whole, err)
			}
		})
	}
}

func TestProgressOf(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		phase                        string
		current                      string
		probing, coding, uploading   string
		percentProbing, percentOther int
	}{
		{"", event.Probing, "PROGRESSING", "PENDING", "PENDING", 40, 0},
		{event.Probing, event.Probing, "PROGRESSING", "PENDING", "PENDING", 40, 0},
		{event.Transcoding, event.Transcoding, "COMPLETE", "PROGRESSING", "PENDING", 100, 40},
		{event.Uploading, event.Uploading, "COMPLETE", "COMPLETE", "PROGRESSING", 100, 100},
	} {
		p := event.ProgressOf(c.phase, 40, 50, 0)
		got := p.PhaseProgress
		if p.CurrentPhase != c.current || got[event.Probing].Status != c.probing || got[event.Transcoding].Status != c.coding || got[event.Uploading].Status != c.uploading ||
			got[event.Probing].PercentComplete != c.percentProbing || got[event.Transcoding].PercentComplete != c.percentOther {
			t.Errorf("%q: %+v", c.phase, p)
		}
	}
	if code, text := event.WarningOf(7); code != "000007" || text == "" {
		t.Errorf("a warning that is not known: %s %s", code, text)
	}
}
