package test

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/mediaconvert"
	"github.com/aws/aws-sdk-go-v2/service/mediaconvert/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"darkroom/internal/egress/egresstest"
)

// TestHLSEgressTable names every shape in playlists, as a segment, an initialization section, a variant and a rendition of sound, in a network where each
// address of the world would answer. No connection is made.
func TestHLSEgressTable(t *testing.T) {
	if !egresstest.Alone(t) {
		return
	}
	trap := egresstest.Listen(t, 80, 443, 22, 25, 6379)
	egresstest.SystemNameServers(t)
	s := serve(t)
	store, api := s.s3(), s.mediaconvert()
	put := func(key, text string) {
		if _, err := store.PutObject(t.Context(), &s3.PutObjectInput{Bucket: aws.String("films"), Key: &key, Body: strings.NewReader(text)}); err != nil {
			t.Error(err)
		}
	}
	s.upload("films", "in/clip.ts", film(t, "clip2.ts", "-i", clip(t, 2), "-an", "-c", "copy", "-f", "mpegts"))
	const media = "#EXTM3U\n#EXT-X-TARGETDURATION:2\n"
	put("in/video.m3u8", media+"#EXTINF:2,\nclip.ts\n#EXT-X-ENDLIST\n")
	const later = "second"
	places := map[string]string{
		"segment":   media + "#EXTINF:2,\nURL\n#EXT-X-ENDLIST\n",
		later:       media + "#EXTINF:2,\nclip.ts\n#EXTINF:2,\nURL\n#EXT-X-ENDLIST\n",
		"map":       media + "#EXT-X-MAP:URI=\"URL\"\n#EXTINF:2,\nclip.ts\n#EXT-X-ENDLIST\n",
		"variant":   "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nURL\n",
		"rendition": "#EXTM3U\n#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\",NAME=\"b\",URI=\"URL\"\n#EXT-X-STREAM-INF:BANDWIDTH=1,AUDIO=\"a\"\nvideo.m3u8\n",
	}
	probe := func(key string) error {
		_, err := api.Probe(t.Context(), &mediaconvert.ProbeInput{InputFiles: []types.ProbeInputFile{{FileUrl: aws.String("s3://films/" + key)}}})
		return err
	}
	codes := []int32{3400, 3451, 3457, 1010, 1404}
	shapes := egresstest.Shapes(trap.Port)
	none := func(what string) {
		t.Helper()
		if reached := trap.Reached(t); len(reached) > 0 {
			t.Errorf("%s: %v was reached", what, reached)
		}
	}
	// A probe reads the playlists and what is first in them: the variant has no sound of its own, so that the rendition is looked into. What is second
	// is for jobs to read.
	for place, text := range places {
		if place == later {
			continue
		}
		for i, shape := range shapes {
			key := fmt.Sprintf("in/%s%d.m3u8", place, i)
			put(key, strings.ReplaceAll(text, "URL", shape.URL))
			err := probe(key)
			if err == nil || !slices.ContainsFunc(codes, func(code int32) bool { return strings.Contains(err.Error(), fmt.Sprintf("%d: ", code)) }) {
				t.Errorf("%s, %s: got %v", place, shape.Name, err)
			}
			if err != nil && (strings.Contains(err.Error(), "meta-data/") || strings.Contains(err.Error(), "127.0.0.1:"+strconv.Itoa(trap.Port))) {
				t.Errorf("%s, %s: the message shows where it leads: %v", place, shape.Name, err)
			}
			none(place + ", " + shape.Name)
		}
	}
	ids := map[string]string{}
	for i, shape := range shapes {
		key := fmt.Sprintf("in/%s%d.m3u8", later, i)
		put(key, strings.ReplaceAll(places[later], "URL", shape.URL))
		ids[s.submit(job(short("s3://films/"+key, "s3://films/out/")))] = shape.Name
	}
	for id, name := range ids {
		j := s.until(id, final)
		if code := aws.ToInt32(j.ErrorCode); j.Status != types.JobStatusError || !slices.Contains(codes, code) {
			t.Errorf("job, %s: got %s %d %q", name, j.Status, code, aws.ToString(j.ErrorMessage))
		}
	}
	none("a job")
	// The trap would see a leak: a public address is reached.
	put("in/public.m3u8", strings.ReplaceAll(places["segment"], "URL", fmt.Sprintf("http://public.%s:%d/a.ts", egresstest.Zone, trap.Port)))
	s.until(s.submit(job(short("s3://films/in/public.m3u8", "s3://films/out/"))), final)
	if reached := trap.Reached(t); len(reached) == 0 || reached[0].Addr() != egresstest.Public {
		t.Errorf("a public address: %v was reached", reached)
	}
}
