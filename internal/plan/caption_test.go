package plan

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"darkroom/internal/caption"
)

// selectors of captions, which a job with captions has in its input.
const (
	fromSRT  = `"c":{"sourceSettings":{"sourceType":"SRT","fileSourceSettings":{"sourceFile":"s3://in/en.srt"}}}`
	fromTTML = `"d":{"languageCode":"DEU","sourceSettings":{"sourceType":"SMPTE_TT","fileSourceSettings":{"sourceFile":"https://captions.example/de.dfxp?token=secret","timeDelta":-1500,"timeDeltaUnits":"MILLISECONDS"}}}`
)

// toCaptions is a destination of captions.
func toCaptions(kind, members string) string {
	return `{"captionSelectorName":"c","destinationSettings":{"destinationType":"` + kind + `"` + members + `}}`
}

// captionOutput is an output of captions.
func captionOutput(modifier, container, description string) string {
	return `{"nameModifier":"` + modifier + `","containerSettings":` + container + `,"captionDescriptions":[` + description + `]}`
}

const (
	m3u8 = `{"container":"M3U8"}`
	cmfc = `{"container":"CMFC"}`
	mpd  = `{"container":"MPD"}`
	frag = `{"container":"MPD","mpdSettings":{"captionContainerType":"FRAGMENTED_MP4"}}`
	ismv = `{"container":"ISMV"}`
	raw  = `{"container":"RAW"}`
)

// withCaptions is a job with a picture, and outputs of captions, in one group.
func withCaptions(kind GroupKind, group, selectors string, outputs ...string) string {
	container := map[GroupKind]string{AppleHLS: m3u8, CMAF: cmfc, DASH: mpd, Smooth: ismv, 0: mp4}[kind]
	typ := map[GroupKind]string{AppleHLS: "HLS_GROUP_SETTINGS", CMAF: "CMAF_GROUP_SETTINGS", DASH: "DASH_ISO_GROUP_SETTINGS", Smooth: "MS_SMOOTH_GROUP_SETTINGS", 0: "FILE_GROUP_SETTINGS"}[kind]
	member := memberOf(kind)
	if kind == 0 {
		member = "fileGroupSettings"
	}
	outputs = append([]string{`{"nameModifier":"_v","containerSettings":` + container + `,"videoDescription":` + video + `}`}, outputs...)
	return `{"inputs":[{"fileInput":"s3://in/film.mov","captionSelectors":{` + selectors + `}}],"outputGroups":[{"outputGroupSettings":{"type":"` + typ + `","` + member + `":{` + group + `}},"outputs":[` +
		strings.Join(outputs, ",") + `]}]}`
}

// captionEffects are the effects of the members of captions.
var captionEffects = func() map[string]effect {
	inSelector := withCaptions(CMAF, to, `"c":{HOLE}`, captionOutput("_c", cmfc, toCaptions("WEBVTT", "")))
	inSource := strings.Replace(inSelector, "HOLE", `"sourceSettings":{HOLE}`, 1)
	inFile := strings.Replace(inSource, "HOLE", `"sourceType":"SRT","fileSourceSettings":{HOLE}`, 1)
	inDescription := withCaptions(CMAF, to, fromSRT+","+strings.Replace(fromSRT, `"c"`, `"d"`, 1), captionOutput("_c", cmfc, `{HOLE,"destinationSettings":{"destinationType":"WEBVTT"}}`))
	inDescription = strings.Replace(inDescription, `"d":{"sourceSettings"`, `"d":{"languageCode":"FRA","sourceSettings"`, 1)
	inDestination := func(kind GroupKind, container, typ, member string) string {
		return withCaptions(kind, to, fromSRT, captionOutput("_c", container, toCaptions(typ, `,"`+member+`":{HOLE}`)))
	}
	inFileGroup := withCaptions(0, to, fromSRT, captionOutput("_c", raw, toCaptions("SRT", `,"srtDestinationSettings":{HOLE}`)))
	const file, srt = `"fileSourceSettings":{"sourceFile":"s3://in/c"}`, `"sourceSettings":{"sourceType":"SRT","fileSourceSettings":{"sourceFile":"s3://in/c"}}`
	return map[string]effect{
		"CaptionSelector.CustomLanguageCode":           {inSelector, srt + `,"customLanguageCode":"eng"`, srt + `,"customLanguageCode":"deu"`},
		"CaptionSelector.LanguageCode":                 {inSelector, srt + `,"languageCode":"ENG"`, srt + `,"languageCode":"DEU"`},
		"CaptionSourceSettings.SourceType":             {inSource, file + `,"sourceType":"SRT"`, file + `,"sourceType":"WEBVTT"`},
		"FileSourceSettings.SourceFile":                {inFile, `"sourceFile":"s3://in/a"`, `"sourceFile":"s3://in/b"`},
		"FileSourceSettings.TimeDelta":                 {inFile, `"sourceFile":"s3://in/a","timeDelta":1`, `"sourceFile":"s3://in/a","timeDelta":2`},
		"FileSourceSettings.TimeDeltaUnits":            {inFile, `"sourceFile":"s3://in/a","timeDelta":1,"timeDeltaUnits":"SECONDS"`, `"sourceFile":"s3://in/a","timeDelta":1,"timeDeltaUnits":"MILLISECONDS"`},
		"HlsGroupSettings.CaptionSegmentLengthControl": {withCaptions(AppleHLS, toHLS+",HOLE", fromSRT, captionOutput("_c", m3u8, toCaptions("WEBVTT", ""))), `"captionSegmentLengthControl":"LARGE_SEGMENTS"`, `"captionSegmentLengthControl":"MATCH_VIDEO"`},
		"CaptionDescription.CaptionSelectorName":       {inDescription, `"captionSelectorName":"c"`, `"captionSelectorName":"d"`},
		"CaptionDescription.CustomLanguageCode":        {inDescription, `"captionSelectorName":"c","customLanguageCode":"en-GB"`, `"captionSelectorName":"c","customLanguageCode":"en-US"`},
		"CaptionDescription.LanguageCode":              {inDescription, `"captionSelectorName":"c","languageCode":"ENG"`, `"captionSelectorName":"c","languageCode":"DEU"`},
		"CaptionDescription.LanguageDescription":       {inDescription, `"captionSelectorName":"c","languageDescription":"English"`, `"captionSelectorName":"c","languageDescription":"Englisch"`},
		"CaptionDestinationSettings.DestinationType":   {withCaptions(CMAF, to, fromSRT, captionOutput("_c", cmfc, `{"captionSelectorName":"c","destinationSettings":{"destinationType":HOLE}}`)), `"WEBVTT"`, `"IMSC"`},
		"ImscDestinationSettings.Accessibility":        {inDestination(CMAF, cmfc, "IMSC", "imscDestinationSettings"), `"accessibility":"ENABLED"`, `"accessibility":"DISABLED"`},
		"ImscDestinationSettings.StylePassthrough":     {inDestination(CMAF, cmfc, "IMSC", "imscDestinationSettings"), `"stylePassthrough":"ENABLED"`, `"stylePassthrough":"DISABLED"`},
		"SrtDestinationSettings.StylePassthrough":      {inFileGroup, `"stylePassthrough":"ENABLED"`, `"stylePassthrough":"DISABLED"`},
		"TtmlDestinationSettings.StylePassthrough":     {inDestination(Smooth, ismv, "TTML", "ttmlDestinationSettings"), `"stylePassthrough":"ENABLED"`, `"stylePassthrough":"DISABLED"`},
		"WebvttDestinationSettings.Accessibility":      {inDestination(CMAF, cmfc, "WEBVTT", "webvttDestinationSettings"), `"accessibility":"ENABLED"`, `"accessibility":"DISABLED"`},
		"WebvttDestinationSettings.StylePassthrough":   {inDestination(CMAF, cmfc, "WEBVTT", "webvttDestinationSettings"), `"stylePassthrough":"ENABLED"`, `"stylePassthrough":"MERGE"`},
		"MpdSettings.CaptionContainerType":             {withCaptions(DASH, to, fromSRT, captionOutput("_c", `{"container":"MPD","mpdSettings":{"captionContainerType":HOLE}}`, toCaptions("TTML", ""))), `"RAW"`, `"FRAGMENTED_MP4"`},
	}
}()

// texts says of the captions of a plan where they are written and how, a line each.
func texts(p *Plan) []string {
	var out []string
	formats := map[SegmentFormat]string{VTTSegments: "text", FragmentedMP4: "fMP4", PIFF: "PIFF", TextFile: "file"}
	for _, g := range p.Streams {
		for i := range g.Representations {
			r := &g.Representations[i]
			if r.Text == "" {
				continue
			}
			key := r.SmoothFile.Key
			switch {
			case r.Format == TextFile, r.Captions.Whole, g.SingleFile:
				key = r.Segments.Key + r.Extension
			case r.Format != PIFF:
				key = fmt.Sprintf("%s%0*d%s", r.Segments.Key, r.Digits, r.First, r.Extension)
			}
			line := fmt.Sprintf("%s %v %s %s", r.Text, r.Captions.Format, formats[r.Format], key)
			for _, l := range []string{r.Init.Key, r.Playlist.Key} {
				if l != "" {
					line += " " + l
				}
			}
			if len(g.HLS) > 0 && slices.Contains(g.HLS[0].Representations, i) {
				line += " HLS"
			}
			if len(g.DASH) > 0 && slices.Contains(g.DASH[0].Representations, i) {
				line += " DASH"
			}
			if len(g.Smooth) > 0 && slices.Contains(g.Smooth[0].Representations, i) {
				line += " MSS"
			}
			if r.Key != -1 {
				line += " encrypted"
			}
			out = append(out, line)
		}
	}
	for _, s := range p.Sidecars {
		out = append(out, fmt.Sprintf("%s %v %s", s.Text, s.Captions.Format, s.Key))
	}
	return out
}

func TestCaptions(t *testing.T) {
	t.Parallel()
	static := `,"encryption":{"type":"STATIC_KEY","encryptionMethod":"SAMPLE_AES",` + oneStatic + `}`
	for _, tc := range []struct {
		name, text string
		want       []string
	}{
		{"HLS", withCaptions(AppleHLS, toHLS, fromSRT, captionOutput("_c", m3u8, toCaptions("WEBVTT", ""))), []string{"c0 WebVTT text x/film_c_00001.vtt x/film_c.m3u8 HLS"}},
		{"HLS in a single file", withCaptions(AppleHLS, toHLS+`,"segmentControl":"SINGLE_FILE"`, fromSRT, captionOutput("_c", m3u8, toCaptions("WEBVTT", ""))), []string{"c0 WebVTT text x/film_c.vtt x/film_c.m3u8 HLS"}},
		{"HLS without manifests", withCaptions(AppleHLS, toHLS+`,"outputSelection":"SEGMENTS_ONLY"`, fromSRT, captionOutput("_c", m3u8, toCaptions("WEBVTT", ""))), []string{"c0 WebVTT text x/film_c_00001.vtt x/film_c.m3u8"}},
		{"CMAF", withCaptions(CMAF, to, fromSRT, captionOutput("_c", cmfc, toCaptions("WEBVTT", "")), captionOutput("_i", cmfc, toCaptions("IMSC", ""))), []string{
			"c0 WebVTT text x/film_c_000000001.vtt x/film_c.m3u8 HLS",
			"c0 WebVTT fMP4 x/film_c_000000001.cmft x/film_cinit.cmft DASH",
			"c0 IMSC fMP4 x/film_i_000000001.cmft x/film_iinit.cmft x/film_i.m3u8 HLS DASH",
		}},
		{"CMAF for HLS alone, encrypted", withCaptions(CMAF, to+`,"writeDashManifest":"DISABLED"`+static, fromSRT, captionOutput("_c", cmfc, toCaptions("WEBVTT", ""))), []string{"c0 WebVTT text x/film_c_000000001.vtt x/film_c.m3u8 HLS"}},
		{"CMAF for DASH alone, in a single file", withCaptions(CMAF, to+`,"writeHlsManifest":"DISABLED","segmentControl":"SINGLE_FILE"`, fromSRT, captionOutput("_c", cmfc, toCaptions("WEBVTT", ""))), []string{"c0 WebVTT fMP4 x/film_c.cmft DASH"}},
		{"DASH", withCaptions(DASH, to, fromSRT+","+fromTTML, captionOutput("_t", frag, toCaptions("TTML", "")), captionOutput("_i", frag, toCaptions("IMSC", "")), captionOutput("_w", frag, toCaptions("WEBVTT", "")),
			captionOutput("_r", mpd, toCaptions("TTML", "")), captionOutput("_s", mpd, strings.Replace(toCaptions("IMSC", ""), `"c"`, `"d"`, 1)), captionOutput("_x", mpd, toCaptions("WEBVTT", ""))), []string{
			"c0 TTML fMP4 x/film_t_000000001.mp4 x/film_tinit.mp4 DASH", "c0 IMSC fMP4 x/film_i_000000001.mp4 x/film_iinit.mp4 DASH", "c0 WebVTT fMP4 x/film_w_000000001.mp4 x/film_winit.mp4 DASH",
			"c0 TTML file x/film_r.ttml DASH", "c1 IMSC file x/film_s.xml DASH", "c0 WebVTT file x/film_x.vtt DASH",
		}},
		{"Smooth Streaming", withCaptions(Smooth, to, fromSRT, captionOutput("_c", ismv, toCaptions("TTML", ""))), []string{"c0 TTML PIFF x/film_c.ismt MSS"}},
		{"files", withCaptions(0, to, fromSRT, captionOutput("_a", raw, toCaptions("SRT", "")), captionOutput("_b", raw, toCaptions("WEBVTT", "")), captionOutput("_c", raw, toCaptions("TTML", "")), captionOutput("_d", raw, toCaptions("IMSC", "")),
			strings.Replace(captionOutput("_e", raw, toCaptions("TTML", "")), "{", `{"extension":"dfxp",`, 1)), []string{
			"c0 SubRip x/film_a.srt", "c0 WebVTT x/film_b.vtt", "c0 TTML x/film_c.ttml", "c0 IMSC x/film_d.xml", "c0 TTML x/film_e.dfxp",
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			if invalid, lacks := Check(settings(t, tc.text), everything); len(invalid)+len(lacks) > 0 {
				t.Fatalf("refused: %v %v", invalid, lacks)
			}
			got := texts(mustPlan(t, tc.text, film()))
			if d := cmp.Diff(tc.want, got); d != "" {
				t.Errorf("-want +got\n%s", d)
			}
		})
	}
}

// TestCaptionSources: what is read, once for all that use it, and that credentials and policies cover it.
func TestCaptionSources(t *testing.T) {
	t.Parallel()
	text := withCaptions(CMAF, to, fromSRT+","+fromTTML+`,"unused":{"sourceSettings":{"sourceType":"SRT","fileSourceSettings":{"sourceFile":"s3://in/unused.srt"}}}`,
		captionOutput("_c", cmfc, toCaptions("WEBVTT", "")), captionOutput("_i", cmfc, toCaptions("IMSC", "")), captionOutput("_d", cmfc, strings.Replace(toCaptions("IMSC", ""), `"c"`, `"d"`, 1)))
	en, de := Input{Object: Location{Bucket: "in", Key: "en.srt"}}, Input{URL: "https://captions.example/de.dfxp?token=secret"}
	p := mustPlan(t, text, film())
	want := []Captions{
		{ID: "c0", Input: en, Format: caption.SubRip, Selector: "c"},
		{ID: "c1", Input: de, Format: caption.TTML, Shift: -1500 * time.Millisecond, Selector: "d"},
	}
	if d := cmp.Diff(want, p.Captions); d != "" {
		t.Errorf("captions (-want +got):\n%s", d)
	}
	a, err := NewAccess(settings(t, text), start)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]Input{{Object: Location{Bucket: "in", Key: "film.mov"}}, en, de}, a.Inputs); d != "" {
		t.Errorf("access (-want +got):\n%s", d)
	}
}

// TestCaptionAttributes: what manifests say of captions.
func TestCaptionAttributes(t *testing.T) {
	t.Parallel()
	description := func(members, destination string) string {
		return `{"captionSelectorName":"c",` + members + `"destinationSettings":{"destinationType":` + destination + `}}`
	}
	const accessible = `"WEBVTT","webvttDestinationSettings":{"accessibility":"ENABLED","stylePassthrough":"MERGE"}`
	g := mustPlan(t, withCaptions(CMAF, to+`,"writeDashManifest":"DISABLED"`, fromSRT,
		captionOutput("_1", cmfc, description(`"languageCode":"ENG","languageDescription":"English",`, `"WEBVTT"`)),
		captionOutput("_2", cmfc, description(`"languageCode":"ENG",`, accessible)),
		captionOutput("_3", cmfc, description(`"customLanguageCode":"en","languageDescription":"English",`, `"WEBVTT"`)),
		captionOutput("_4", cmfc, description(`"languageCode":"ENG",`, `"WEBVTT"`)),
		captionOutput("_5", cmfc, description(``, `"IMSC"`))), film()).Streams[0]
	want := []Attributes{
		{GroupID: "subs", Name: "English", Language: "eng", Default: true, AutoSelect: true},
		{GroupID: "subs", Name: "eng", Language: "eng", AutoSelect: true, Accessible: true},
		{GroupID: "subs", Name: "English Captions 3", Language: "en", AutoSelect: true},
		{GroupID: "subs", Name: "eng Captions 4", Language: "eng"},
		{GroupID: "imsc", Name: "Captions 5", Default: true, AutoSelect: true},
	}
	var got []Attributes
	for _, r := range g.Representations[1:] {
		got = append(got, r.Attributes)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("-want +got\n%s", d)
	}
	if c := g.Representations[2].Captions; !c.Styled || !c.Merged || !g.Representations[5].Captions.Styled || g.Representations[1].Captions.Styled {
		t.Errorf("styles: %+v", g.Representations)
	}
	if c := mustPlan(t, withCaptions(AppleHLS, toHLS, fromSRT, captionOutput("_c", m3u8, toCaptions("WEBVTT", ""))), film()).Streams[0].Representations[1].Captions; c.Length != 300*time.Second {
		t.Errorf("large segments are %v long", c.Length)
	}
}

func TestCaptionsAreRefused(t *testing.T) {
	t.Parallel()
	const (
		output = "/outputGroups/0/outputs/1"
		first  = output + "/captionDescriptions/0"
		source = "/inputs/0/captionSelectors/c/sourceSettings"
	)
	vtt := captionOutput("_c", m3u8, toCaptions("WEBVTT", ""))
	hls := func(selectors string, outputs ...string) string {
		return withCaptions(AppleHLS, toHLS, selectors, outputs...)
	}
	sel := func(members string) string { return `"c":{"sourceSettings":{` + members + `}}` }
	for _, tc := range []struct {
		name, text, path string
		lacks            bool
	}{
		{"another source", hls(sel(`"sourceType":"SCC","fileSourceSettings":{"sourceFile":"s3://in/c.scc"}`), vtt), source + "/sourceType", true},
		{"captions in the pictures", hls(sel(`"sourceType":"EMBEDDED","embeddedSourceSettings":{}`), vtt), source + "/embeddedSourceSettings", true},
		{"a rendition of an HLS input", hls(sel(`"sourceType":"WEBVTT","webvttHlsSourceSettings":{"renditionGroupId":"a"}`), vtt), source + "/webvttHlsSourceSettings", true},
		{"captions of an IMF package", hls(sel(`"sourceType":"IMSC"`), vtt), source + "/sourceType", true},
		{"no file", hls(sel(`"sourceType":"IMSC","fileSourceSettings":{}`), vtt), source + "/fileSourceSettings", false},
		{"a file that is none", hls(sel(`"sourceType":"SRT","fileSourceSettings":{"sourceFile":"s3://in/"}`), vtt), source + "/fileSourceSettings/sourceFile", false},
		{"608 in 708", hls(sel(`"sourceType":"SRT","fileSourceSettings":{"sourceFile":"s3://in/c.srt","convert608To708":"UPCONVERT"}`), vtt), source + "/fileSourceSettings/convert608To708", true},
		{"no selector of that name", hls(`"d"`+strings.TrimPrefix(fromSRT, `"c"`), vtt), first + "/captionSelectorName", false},
		{"with pictures", hls(fromSRT, `{"nameModifier":"_c","containerSettings":`+m3u8+`,"videoDescription":`+video+`,"captionDescriptions":[`+toCaptions("WEBVTT", "")+`]}`), first, false},
		{"two in one output", hls(fromSRT, captionOutput("_c", m3u8, toCaptions("WEBVTT", "")+","+toCaptions("WEBVTT", ""))), output + "/captionDescriptions/1", false},
		{"burnt in", hls(fromSRT, captionOutput("_c", m3u8, toCaptions("BURN_IN", ""))), first + "/destinationSettings/destinationType", true},
		{"IMSC in HLS", hls(fromSRT, captionOutput("_c", m3u8, toCaptions("IMSC", ""))), first + "/destinationSettings/destinationType", false},
		{"copied from the input", hls(fromSRT, captionOutput("_c", m3u8, toCaptions("WEBVTT", `,"webvttDestinationSettings":{"stylePassthrough":"STRICT"}`))), first + "/destinationSettings/webvttDestinationSettings/stylePassthrough", true},
		{"settings of another type", hls(fromSRT, captionOutput("_c", m3u8, toCaptions("WEBVTT", `,"imscDestinationSettings":{"stylePassthrough":"ENABLED"}`))), first + "/destinationSettings/imscDestinationSettings", false},
		{"a quotation mark in the name", hls(fromSRT, captionOutput("_c", m3u8, `{"languageDescription":"a\"b",`+strings.TrimPrefix(toCaptions("WEBVTT", ""), "{"))), first + "/languageDescription", false},
		{"languages of captions in the pictures", withCaptions(AppleHLS, toHLS+`,"captionLanguageSetting":"INSERT","captionLanguageMappings":[{"captionChannel":1,"languageCode":"ENG"}]`, fromSRT, vtt), "/outputGroups/0/outputGroupSettings/hlsGroupSettings/captionLanguageMappings", true},
		{"without pictures", strings.Replace(hls(fromSRT, vtt), `"videoDescription":`+video, `"audioDescriptions":[`+aac+`]`, 1), output, true},
		{"in an MP4", withCaptions(0, to, strings.Replace(fromTTML, `"d"`, `"c"`, 1), captionOutput("_c", mp4, toCaptions("TTML", ""))), first + "/destinationSettings/destinationType", true},
		{"HbbTV", withCaptions(DASH, to+`,"segmentLength":6,"hbbtvCompliance":"HBBTV_1_5"`, fromSRT, captionOutput("_c", frag, toCaptions("TTML", ""))), first + "/destinationSettings/destinationType", true},
		{"two of one name", withCaptions(DASH, to, fromSRT, captionOutput("_c", mpd, toCaptions("TTML", "")), captionOutput("_c", mpd, toCaptions("TTML", ""))), "/outputGroups/0/outputs/2/nameModifier", false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			invalid, lacks := Check(settings(t, tc.text), everything)
			in, other := invalid, lacks
			if tc.lacks {
				in, other = lacks, invalid
			}
			if !slices.ContainsFunc(in, func(r Refusal) bool { return r.Path == tc.path }) {
				t.Errorf("got %v and %v, want %s refused", in, other, tc.path)
			}
		})
	}
}
