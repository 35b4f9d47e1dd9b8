package mediaconvert_test

import (
	"encoding/json"
	"io"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/service/mediaconvert"
	"github.com/aws/aws-sdk-go-v2/service/mediaconvert/types"
	"github.com/google/go-cmp/cmp"

	"darkroom/internal/mediaconvert"
)

func copyBody(w io.Writer, r *http.Request) (int64, error) { return io.Copy(w, r.Body) }

// filler fills structures with values that are within every limit, a different one each time where there is more than one.
type filler struct {
	words map[reflect.Type]int
	next  int64
}

func newFiller() *filler { return &filler{words: make(map[reflect.Type]int)} }

// samples are texts of which every pattern of the model takes at least one.
var samples = []string{
	"plain text", "en-US", "eng", "0a1B2c", "0123456789abcdef0123456789ABCDEF", "s3://bucket/key", "s3://bucket/dir/ASSETMAP.xml", "https://host/path",
	"s3://bucket/a.png", "s3://bucket/a.ttf", "s3://bucket/a.cube", "s3://bucket/a.scc", "s3://bucket/a.xml", "s3://bucket/a.mov",
	"arn:aws:secretsmanager:us-east-1:111122223333:secret:name", "name_of-a/secret", "arn:aws:kms:us-east-1:111122223333:key/01234567-89ab-cdef-0123-456789abcdef",
	"<a>ManifestConfirmConditionNotification</a>", "<a>SignalProcessingNotification</a>", "QUJDREVGR0hJSktMTU5PUFFSU1RVVg==", "QUJDREVGR0hJSktM", "QUJDREVGR0hJSktMTU5PUA==",
	"01:02:03:04", "01:02:03:04@29.97:30", "us-east-1", "arn:aws:events:us-east-1:111122223333:connection/name/01234567-89ab-cdef-0123-456789abcdef", "[0:0_10:0)",
	"https://license.kantarmedia.com", "0x12", "arn:aws:acm:us-east-1:111122223333:certificate/a", "identity", "1/2/3", "0123456789abcdef0123456789abcdef",
	"801", "2026-11-23", "01234567-89ab-cdef-0123-456789abcdef", "x",
}

func (f *filler) fill(t *testing.T, v reflect.Value, member string) {
	t.Helper()
	switch {
	case v.Type() == reflect.TypeFor[time.Time]():
		f.next++
		v.Set(reflect.ValueOf(time.UnixMilli(1515368087000 + f.next*37).UTC()))
		return
	case v.Type().Implements(reflect.TypeFor[interface{ HandlerCount() int }]()):
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		f.fill(t, v.Elem(), member)
	case reflect.Struct:
		for i := range v.NumField() {
			if s := v.Type().Field(i); s.IsExported() && s.Name != "ResultMetadata" {
				f.fill(t, v.Field(i), mediaconvert.LimitKey(v.Type(), s.Name))
			}
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		for i := range 2 {
			f.fill(t, v.Index(i), member)
		}
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		for _, k := range []string{"Selector 1", "a/~\"é\n"} {
			e := reflect.New(v.Type().Elem()).Elem()
			f.fill(t, e, member)
			v.SetMapIndex(reflect.ValueOf(k), e)
		}
	case reflect.String:
		if v.Type().PkgPath() == "" {
			v.SetString(f.text(t, member))
			return
		}
		words := reflect.Zero(v.Type()).MethodByName("Values").Call(nil)[0]
		v.Set(words.Index(f.words[v.Type()] % words.Len()))
		f.words[v.Type()]++
	case reflect.Int32, reflect.Int64:
		low, high, _ := mediaconvert.LimitOf(member)
		f.next++
		low, high = max(low, -100000), min(high, 1<<30)
		v.SetInt(low + f.next%(high-low+1))
	case reflect.Float64:
		f.next++
		v.SetFloat(float64(f.next) / 8)
	default:
		t.Fatalf("%s: %v cannot be filled", member, v.Type())
	}
}

// text returns the first sample that a member takes; TestPatternsTakeSamples fails where there is none.
func (f *filler) text(t *testing.T, member string) string {
	t.Helper()
	low, high, pattern := mediaconvert.LimitOf(member)
	for _, s := range samples {
		if n := int64(len(s)); n >= low && n <= high && (pattern == nil || pattern.MatchString(s)) {
			return s
		}
	}
	t.Fatalf("%s: no sample is like %v, of %d to %d characters", member, pattern, low, high)
	return ""
}

// TestRoundTrip writes structures with every member set, and reads back the same.
func TestRoundTrip(t *testing.T) {
	t.Parallel()
	f := newFiller()
	for _, v := range []any{
		&sdk.CreateJobInput{}, &types.JobSettings{}, &sdk.GetJobOutput{}, &sdk.GetJobTemplateOutput{}, &sdk.GetPresetOutput{}, &sdk.GetQueueOutput{},
		&sdk.ListJobsOutput{}, &sdk.DescribeEndpointsOutput{}, &sdk.ProbeOutput{}, &sdk.GetPolicyOutput{}, &sdk.ListVersionsOutput{},
	} {
		root := reflect.ValueOf(v).Elem()
		t.Run(root.Type().Name(), func(t *testing.T) {
			f.fill(t, root, "")
			first, err := mediaconvert.Encode(v)
			if err != nil {
				t.Fatal(err)
			}
			if !json.Valid(first) {
				t.Fatal("encoding/json does not take it")
			}
			got := reflect.New(root.Type()).Interface()
			if faults := mediaconvert.Decode(first, got); faults != nil {
				t.Fatal(mediaconvert.Message(faults))
			}
			if diff := cmp.Diff(v, got, ignoreSDK); diff != "" {
				t.Error(diff)
			}
			// The console's spelling says the same.
			var plain any
			if err := json.Unmarshal(first, &plain); err != nil {
				t.Fatal(err)
			}
			pascal, err := json.Marshal(capitalise(plain, root.Type()))
			if err != nil {
				t.Fatal(err)
			}
			got = reflect.New(root.Type()).Interface()
			if faults := mediaconvert.Decode(pascal, got); faults != nil {
				t.Fatal(mediaconvert.Message(faults))
			}
			if diff := cmp.Diff(v, got, ignoreSDK); diff != "" {
				t.Errorf("PascalCase: %s", diff)
			}
		})
	}
}

// capitalise spells the members of plain JSON as in Go, and leaves the keys of maps alone.
func capitalise(v any, t reflect.Type) any {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch v := v.(type) {
	case map[string]any:
		out := make(map[string]any)
		for k, e := range v {
			if t.Kind() == reflect.Map {
				out[k] = capitalise(e, t.Elem())
				continue
			}
			name := strings.ToUpper(k[:1]) + k[1:]
			f, _ := t.FieldByName(name)
			out[name] = capitalise(e, f.Type)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			out[i] = capitalise(e, t.Elem())
		}
		return out
	}
	return v
}

// output is an output as job exports write it, with the members that they always have.
const output = `{"containerSettings":{"container":"M3U8","m3u8Settings":{"audioFramesPerPes":4,"pcrControl":"PCR_EVERY_PES_PACKET","pmtPid":480,` +
	`"privateMetadataPid":503,"programNumber":1,"patInterval":0,"pmtInterval":0,"scte35Source":"NONE","nielsenId3":"NONE","timedMetadata":"NONE",` +
	`"videoPid":481,"audioPids":[482,483,484,485,486,487,488,489,490,491,492]}},"videoDescription":{"width":1280,"height":720,"scalingBehavior":"DEFAULT",` +
	`"timecodeInsertion":"DISABLED","antiAlias":"ENABLED","sharpness":50,"afdSignaling":"NONE","dropFrameTimecode":"ENABLED","respondToAfd":"NONE",` +
	`"colorMetadata":"INSERT","codecSettings":{"codec":"H_264","h264Settings":{"interlaceMode":"PROGRESSIVE","parNumerator":1,"numberReferenceFrames":3,` +
	`"syntax":"DEFAULT","softness":0,"framerateDenominator":1,"gopClosedCadence":1,"gopSize":90,"slices":1,"gopBReference":"DISABLED","slowPal":"DISABLED",` +
	`"parDenominator":1,"spatialAdaptiveQuantization":"ENABLED","temporalAdaptiveQuantization":"ENABLED","flickerAdaptiveQuantization":"DISABLED",` +
	`"entropyEncoding":"CABAC","bitrate":5000000,"framerateControl":"SPECIFIED","rateControlMode":"CBR","codecProfile":"MAIN","telecine":"NONE",` +
	`"framerateNumerator":30,"minIInterval":0,"adaptiveQuantization":"HIGH","codecLevel":"AUTO","fieldEncoding":"PAFF","sceneChangeDetect":"ENABLED",` +
	`"qualityTuningLevel":"SINGLE_PASS","framerateConversionAlgorithm":"DUPLICATE_DROP","unregisteredSeiTimecode":"DISABLED"}}},` +
	`"audioDescriptions":[{"audioTypeControl":"FOLLOW_INPUT","audioSourceName":"Audio Selector 1","codecSettings":{"codec":"AAC","aacSettings":{` +
	`"audioDescriptionBroadcasterMix":"NORMAL","bitrate":96000,"rateControlMode":"CBR","codecProfile":"LC","codingMode":"CODING_MODE_2_0",` +
	`"rawFormat":"NONE","sampleRate":48000,"specification":"MPEG4"}},"languageCodeControl":"FOLLOW_INPUT"}],"nameModifier":"_720p"}`

// largeJob is a body of CreateJob with 30 outputs, of about 60 kB.
func largeJob(tb testing.TB) []byte {
	tb.Helper()
	body := []byte(`{"role":"arn:aws:iam::111122223333:role/R","settings":{"inputs":[{"fileInput":"s3://bucket/film.mp4"}],"outputGroups":[{"outputs":[` +
		strings.Repeat(output+",", 29) + output + `]}]}}`)
	if len(body) < 50_000 || len(body) > 70_000 {
		tb.Fatalf("%d bytes", len(body))
	}
	return body
}

func BenchmarkDecode(b *testing.B) {
	body := largeJob(b)
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		var in sdk.CreateJobInput
		if faults := mediaconvert.Decode(body, &in); faults != nil {
			b.Fatal(mediaconvert.Message(faults))
		}
	}
}

func BenchmarkEncode(b *testing.B) {
	var in sdk.CreateJobInput
	if faults := mediaconvert.Decode(largeJob(b), &in); faults != nil {
		b.Fatal(mediaconvert.Message(faults))
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := mediaconvert.Encode(&in); err != nil {
			b.Fatal(err)
		}
	}
}
