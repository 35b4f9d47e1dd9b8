package mediaconvert_test

import (
	"strings"
	"testing"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/service/mediaconvert"
	"github.com/aws/aws-sdk-go-v2/service/mediaconvert/types"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"darkroom/internal/mediaconvert"
)

// ignoreSDK leaves out what the SDK adds to the structures of the model.
var ignoreSDK = cmp.FilterPath(func(p cmp.Path) bool {
	name := p.Last().String()
	return name == ".noSmithyDocumentSerde" || name == ".ResultMetadata"
}, cmp.Ignore())

func ptr[T any](v T) *T { return &v }

func TestDecodeReads(t *testing.T) {
	t.Parallel()
	at := time.UnixMilli(1515368087250).UTC()
	tests := []struct {
		name string
		body string
		into any
		want any
	}{
		{"camelCase", `{"fileInput":"s3://b/k","programNumber":2}`, &types.Input{}, &types.Input{FileInput: ptr("s3://b/k"), ProgramNumber: ptr(int32(2))}},
		{"PascalCase", `{"FileInput":"s3://b/k","ProgramNumber":2}`, &types.Input{}, &types.Input{FileInput: ptr("s3://b/k"), ProgramNumber: ptr(int32(2))}},
		{"nothing", ` {} `, &types.Input{}, &types.Input{}},
		{"null is absent", `{"fileInput":null,"audioSelectors":null,"inputClippings":null,"crop":null,"psiControl":null}`, &types.Input{}, &types.Input{}},
		{"an empty list is a list", `{"inputClippings":[]}`, &types.Input{}, &types.Input{InputClippings: []types.InputClipping{}}},
		{"an empty map is a map", `{"audioSelectors":{}}`, &types.Input{}, &types.Input{AudioSelectors: map[string]types.AudioSelector{}}},
		{
			"map keys stay as they are", `{"audioSelectors":{"Audio Selector 1":{},"tracks/~":{"tracks":[1,2]}}}`, &types.Input{},
			&types.Input{AudioSelectors: map[string]types.AudioSelector{"Audio Selector 1": {}, "tracks/~": {Tracks: []int32{1, 2}}}},
		},
		{"words of an enumeration", `{"psiControl":"USE_PSI"}`, &types.Input{}, &types.Input{PsiControl: types.InputPsiControlUsePsi}},
		{
			"list of words", `{"adMarkers":["ELEMENTAL","ELEMENTAL_SCTE35"]}`, &types.HlsGroupSettings{},
			&types.HlsGroupSettings{AdMarkers: []types.HlsAdMarkers{types.HlsAdMarkersElemental, types.HlsAdMarkersElementalScte35}},
		},
		{
			"integers however they are written", `{"width":48.0,"height":5e2,"x":1230e-1,"y":0.0}`, &types.Rectangle{},
			&types.Rectangle{Width: ptr(int32(48)), Height: ptr(int32(500)), X: ptr(int32(123)), Y: ptr(int32(0))},
		},
		{"zero with any exponent", `{"x":0e999999999999999999999,"y":-0}`, &types.Rectangle{}, &types.Rectangle{X: ptr(int32(0)), Y: ptr(int32(0))}},
		{"floats", `{"gopSize":90,"hrdBufferSize":1}`, &types.H264Settings{}, &types.H264Settings{GopSize: ptr(90.0), HrdBufferSize: ptr(int32(1))}},
		{
			"times", `{"startTime":1515368087.25,"submitTime":1515368087}`, &types.Timing{},
			&types.Timing{StartTime: &at, SubmitTime: ptr(at.Truncate(time.Second))},
		},
		{"escapes", `{"name":"\"\\\/\b\f\n\r\t\u00e9\ud83c\udfac é"}`, &types.OutputGroup{}, &types.OutputGroup{Name: ptr("\"\\/\b\f\n\r\té🎬 é")}},
		{"an escaped name", `{"n\u0061me":"x"}`, &types.OutputGroup{}, &types.OutputGroup{Name: ptr("x")}},
		{"white space", "\t{\r\n\"name\" : \"x\" , \"customName\":\"y\" }\n", &types.OutputGroup{}, &types.OutputGroup{Name: ptr("x"), CustomName: ptr("y")}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if faults := mediaconvert.Decode([]byte(tt.body), tt.into); faults != nil {
				t.Fatalf("faults: %v", mediaconvert.Message(faults))
			}
			if diff := cmp.Diff(tt.want, tt.into, ignoreSDK); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// at is a fault without its texts.
func at(kind mediaconvert.Kind, path string, offset int) mediaconvert.Fault {
	return mediaconvert.Fault{Kind: kind, Path: path, Offset: offset}
}

func TestDecodeRefuses(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		body string
		into any
		want []mediaconvert.Fault
	}{
		{"another case", `{"Fileinput":"s3://b/k"}`, &types.Input{}, []mediaconvert.Fault{at(mediaconvert.UnknownMember, "", 1)}},
		{"snake case", `{"file_input":"s3://b/k"}`, &types.Input{}, []mediaconvert.Fault{at(mediaconvert.UnknownMember, "", 1)}},
		{
			"unknown member with a large value", `{"x":[{"y":[1,true,null,"z"]}],"fileInput":1}`, &types.Input{},
			[]mediaconvert.Fault{at(mediaconvert.UnknownMember, "", 1), at(mediaconvert.WrongType, "/fileInput", 43)},
		},
		{"member of the SDK alone", `{"resultMetadata":{}}`, &sdk.CreateJobOutput{}, []mediaconvert.Fault{at(mediaconvert.UnknownMember, "", 1)}},
		{"twice", `{"x":1,"x":1}`, &types.Rectangle{}, []mediaconvert.Fault{at(mediaconvert.Repeated, "/x", 7)}},
		{"twice in two spellings", `{"x":1,"X":1}`, &types.Rectangle{}, []mediaconvert.Fault{at(mediaconvert.Repeated, "/x", 7)}},
		{"twice, once null", `{"x":null,"x":1}`, &types.Rectangle{}, []mediaconvert.Fault{at(mediaconvert.Repeated, "/x", 10)}},
		{"key of a map twice", `{"audioSelectors":{"a":{},"\u0061":{}}}`, &types.Input{}, []mediaconvert.Fault{at(mediaconvert.Repeated, "/audioSelectors/a", 26)}},
		{"null in a list", `{"inputClippings":[null]}`, &types.Input{}, []mediaconvert.Fault{at(mediaconvert.WrongType, "/inputClippings/0", 19)}},
		{"null in a map", `{"audioSelectors":{"a":null}}`, &types.Input{}, []mediaconvert.Fault{at(mediaconvert.WrongType, "/audioSelectors/a", 23)}},
		{
			"path is escaped", `{"audioSelectors":{"a/b~c":{"tracks":["1"]}}}`, &types.Input{},
			[]mediaconvert.Fault{at(mediaconvert.WrongType, "/audioSelectors/a~1b~0c/tracks/0", 38)},
		},
		{
			"path through an empty key", `{"audioSelectors":{"":{"tracks":[true]}}}`, &types.Input{},
			[]mediaconvert.Fault{at(mediaconvert.WrongType, "/audioSelectors//tracks/0", 33)},
		},
		{"list for a structure", `{"crop":[]}`, &types.Input{}, []mediaconvert.Fault{at(mediaconvert.WrongType, "/crop", 8)}},
		{"structure for a list", `{"inputClippings":{}}`, &types.Input{}, []mediaconvert.Fault{at(mediaconvert.WrongType, "/inputClippings", 18)}},
		{"number for a string", `{"fileInput":1}`, &types.Input{}, []mediaconvert.Fault{at(mediaconvert.WrongType, "/fileInput", 13)}},
		{"string for a number", `{"x":"1"}`, &types.Rectangle{}, []mediaconvert.Fault{at(mediaconvert.WrongType, "/x", 5)}},
		{
			"fraction for an integer", `{"x":1.5,"y":15e-1}`, &types.Rectangle{},
			[]mediaconvert.Fault{at(mediaconvert.WrongType, "/x", 5), at(mediaconvert.WrongType, "/y", 13)},
		},
		{"tiny fraction for an integer", `{"x":1e-99999999999999999999}`, &types.Rectangle{}, []mediaconvert.Fault{at(mediaconvert.WrongType, "/x", 5)}},
		{"beyond 32 bits", `{"x":2147483648}`, &types.Rectangle{}, []mediaconvert.Fault{at(mediaconvert.AboveMaximum, "/x", 5)}},
		{
			"beyond 64 bits", `{"x":1e30,"y":-99999999999999999999}`, &types.Rectangle{},
			[]mediaconvert.Fault{at(mediaconvert.AboveMaximum, "/x", 5), at(mediaconvert.BelowMinimum, "/y", 14)},
		},
		{"beyond every exponent", `{"x":1e999999999999999999999}`, &types.Rectangle{}, []mediaconvert.Fault{at(mediaconvert.AboveMaximum, "/x", 5)}},
		{"float out of range", `{"gopSize":1e999}`, &types.H264Settings{}, []mediaconvert.Fault{at(mediaconvert.WrongType, "/gopSize", 11)}},
		{"time out of range", `{"startTime":1e12}`, &types.Timing{}, []mediaconvert.Fault{at(mediaconvert.WrongType, "/startTime", 13)}},
		{"no word of the enumeration", `{"psiControl":"use_psi"}`, &types.Input{}, []mediaconvert.Fault{at(mediaconvert.WrongType, "/psiControl", 14)}},
		{"empty word", `{"psiControl":""}`, &types.Input{}, []mediaconvert.Fault{at(mediaconvert.WrongType, "/psiControl", 14)}},
		{
			"below and above", `{"width":1,"x":-1,"height":2}`, &types.Rectangle{},
			[]mediaconvert.Fault{at(mediaconvert.BelowMinimum, "/width", 9), at(mediaconvert.BelowMinimum, "/x", 15)},
		},
		{"above a maximum", `{"bitrate":1024001}`, &types.AacSettings{}, []mediaconvert.Fault{at(mediaconvert.AboveMaximum, "/bitrate", 11)}},
		{
			"item of a list", `{"audioPids":[482,31,8183]}`, &types.M3u8Settings{},
			[]mediaconvert.Fault{at(mediaconvert.BelowMinimum, "/audioPids/1", 18), at(mediaconvert.AboveMaximum, "/audioPids/2", 21)},
		},
		{"pattern", `{"fileInput":"ftp://b/k"}`, &types.Input{}, []mediaconvert.Fault{at(mediaconvert.PatternMismatch, "/fileInput", 13)}},
		{"too long, in characters", `{"extension":"` + strings.Repeat("é", 257) + `"}`, &types.Output{}, []mediaconvert.Fault{at(mediaconvert.TooLong, "/extension", 13)}},
		{
			"too short and another form", `{"timecodeStart":"1:00"}`, &types.Input{},
			[]mediaconvert.Fault{at(mediaconvert.TooShort, "/timecodeStart", 17), at(mediaconvert.PatternMismatch, "/timecodeStart", 17)},
		},
		{"required", `{"priority":3}`, &sdk.CreateJobInput{}, []mediaconvert.Fault{at(mediaconvert.Missing, "", 0), at(mediaconvert.Missing, "", 0)}},
		{"required but null", `{"role":"r","settings":null}`, &sdk.CreateJobInput{}, []mediaconvert.Fault{at(mediaconvert.Missing, "", 0)}},
		{
			"required further in", `{"role":"r","settings":{},"accelerationSettings":{}}`, &sdk.CreateJobInput{},
			[]mediaconvert.Fault{at(mediaconvert.Missing, "/accelerationSettings", 49)},
		},
		{"member of the path in the body", `{"id":"1"}`, &sdk.GetJobInput{}, []mediaconvert.Fault{at(mediaconvert.UnknownMember, "", 1)}},
		{
			"faults of shape come first", `{"width":1,"q":1,"height":"2"}`, &types.Rectangle{},
			[]mediaconvert.Fault{at(mediaconvert.UnknownMember, "", 11), at(mediaconvert.WrongType, "/height", 26), at(mediaconvert.BelowMinimum, "/width", 9)},
		},
		{
			"broken after a fault", `{"width":1,"q":`, &types.Rectangle{},
			[]mediaconvert.Fault{at(mediaconvert.Malformed, "", 15), at(mediaconvert.UnknownMember, "", 11), at(mediaconvert.BelowMinimum, "/width", 9)},
		},
		{"root is a list", `[]`, &types.Input{}, []mediaconvert.Fault{at(mediaconvert.WrongType, "", 0)}},
		{"root is null", `null`, &types.Input{}, []mediaconvert.Fault{at(mediaconvert.WrongType, "", 0)}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := mediaconvert.Decode([]byte(tt.body), tt.into)
			if diff := cmp.Diff(tt.want, got, cmpopts.IgnoreFields(mediaconvert.Fault{}, "Name", "Got", "Want", "Allowed")); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestDecodeRefusesMalformed(t *testing.T) {
	t.Parallel()
	deep := strings.Repeat(`{"x":[`, mediaconvert.MaxDepth/2)
	tests := []struct {
		name   string
		body   string
		offset int
	}{
		{"empty", ``, 0},
		{"white space alone", " \n", 2},
		{"byte order mark", "\ufeff{}", 0},
		{"two values", `{}{}`, 2},
		{"trailing data", `{} x`, 3},
		{"trailing NUL", "{}\x00", 2},
		{"NUL in between", "{\x00}", 1},
		{"form feed as white space", "{\f}", 1},
		{"comment", `{/**/}`, 1},
		{"not closed", `{"x":1`, 6},
		{"not opened", `}`, 0},
		{"wrong close", `{"x":[1}`, 7},
		{"trailing comma", `{"x":1,}`, 7},
		{"trailing comma in a list", `{"x":[1,]}`, 8},
		{"comma first", `{,"x":1}`, 1},
		{"no colon", `{"x" 1}`, 5},
		{"no value", `{"x":}`, 5},
		{"name without quotes", `{x:1}`, 1},
		{"name in single quotes", `{'x':1}`, 1},
		{"leading zero", `{"x":01}`, 6},
		{"leading plus", `{"x":+1}`, 5},
		{"minus alone", `{"x":-}`, 6},
		{"no digit before the point", `{"x":.5}`, 5},
		{"no digit after the point", `{"x":1.}`, 7},
		{"no digit in the exponent", `{"x":1e}`, 7},
		{"hexadecimal", `{"x":0x1}`, 6},
		{"NaN", `{"x":NaN}`, 5},
		{"Infinity", `{"x":-Infinity}`, 6},
		{"word in capitals", `{"x":True}`, 5},
		{"half a word", `{"x":tru}`, 5},
		{"half null", `{"x":nul}`, 5},
		{"a longer word", `{"x":nulls}`, 9},
		{"string not closed", `{"x":"abc`, 9},
		{"string not closed after a backslash", `{"x":"\`, 6},
		{"string not closed after an escape", `{"x":"\n`, 8},
		{"newline in a string", "{\"x\":\"a\nb\"}", 7},
		{"control character after an escape", "{\"x\":\"\\n\x01\"}", 8},
		{"unknown escape", `{"x":"\x"}`, 6},
		{"short escape", `{"x":"\u12"}`, 6},
		{"escape of no digits", `{"x":"\u12g4"}`, 6},
		{"first surrogate alone", `{"x":"\ud83c"}`, 6},
		{"first surrogate before a character", `{"x":"\ud83cx"}`, 6},
		{"first surrogate before another escape", `{"x":"\ud83c\n"}`, 6},
		{"first surrogate twice", `{"x":"\ud83c\ud83c"}`, 6},
		{"second surrogate alone", `{"x":"\udfac"}`, 6},
		{"not UTF-8", "{\"x\":\"a\xff\"}", 7},
		{"not UTF-8 before an escape", "{\"x\":\"\xc3\\n\"}", 6},
		{"not UTF-8 after an escape", "{\"x\":\"\\n\xc3\"}", 8},
		{"a surrogate as UTF-8", "{\"x\":\"\xed\xa0\x80\"}", 6},
		{"a name that is not UTF-8", "{\"\xff\":1}", 2},
		{"overlong UTF-8", "{\"x\":\"\xc0\xaf\"}", 6},
		{"too deep", deep + "[]", len(deep)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			// The member is unknown, so that its value is passed over, and in a second structure it is read.
			for _, into := range []any{&types.Input{}, &types.Rectangle{}} {
				got := mediaconvert.Decode([]byte(tt.body), into)
				if len(got) == 0 || got[0].Kind != mediaconvert.Malformed {
					t.Fatalf("into %T: got %v, want Malformed", into, got)
				}
				if got[0].Offset != tt.offset {
					t.Errorf("into %T: offset %d, want %d (%s)", into, got[0].Offset, tt.offset, got[0])
				}
			}
		})
	}
}

func TestDecodeLimits(t *testing.T) {
	t.Parallel()
	t.Run("depth", func(t *testing.T) {
		t.Parallel()
		nested := strings.Repeat("[", mediaconvert.MaxDepth-1) + strings.Repeat("]", mediaconvert.MaxDepth-1)
		got := mediaconvert.Decode([]byte(`{"q":`+nested+`}`), &types.Input{})
		if len(got) != 1 || got[0].Kind != mediaconvert.UnknownMember {
			t.Errorf("at the limit: %v", got)
		}
		got = mediaconvert.Decode([]byte(`{"q":[`+nested+`]}`), &types.Input{})
		if len(got) != 2 || got[0].Kind != mediaconvert.Malformed {
			t.Errorf("over the limit: %v", got)
		}
	})
	t.Run("values", func(t *testing.T) {
		t.Parallel()
		var in types.JobSettings
		body := func(n int) []byte { return []byte(`{"inputs":[{}` + strings.Repeat(",{}", n-1) + `]}`) }
		if got := mediaconvert.Decode(body(mediaconvert.MaxValues-2), &in); got != nil || len(in.Inputs) != mediaconvert.MaxValues-2 {
			t.Errorf("at the limit: %d inputs, %v", len(in.Inputs), got)
		}
		if got := mediaconvert.Decode(body(mediaconvert.MaxValues-1), &in); len(got) != 1 || got[0].Kind != mediaconvert.Malformed {
			t.Errorf("over the limit: %v", got)
		}
	})
	t.Run("faults", func(t *testing.T) {
		t.Parallel()
		body := `{"inputs":[` + strings.Repeat("1,", 10*mediaconvert.MaxFaults) + `1]}`
		if got := mediaconvert.Decode([]byte(body), &types.JobSettings{}); len(got) != mediaconvert.MaxFaults {
			t.Errorf("%d faults, want %d", len(got), mediaconvert.MaxFaults)
		}
	})
}

// TestDecodeKeepsTheRest: what is right beside what is wrong is read, because what must be allowed for a request is taken from it.
func TestDecodeKeepsTheRest(t *testing.T) {
	t.Parallel()
	var in sdk.CreateJobInput
	faults := mediaconvert.Decode([]byte(`{"role":"r","queue":7,"settings":{"inputs":[{"crop":1,"programNumber":3}]},"tags":{"a":"b","c":1}}`), &in)
	if len(faults) != 3 {
		t.Errorf("%d faults, want 3: %v", len(faults), faults)
	}
	want := sdk.CreateJobInput{
		Role: ptr("r"), Tags: map[string]string{"a": "b", "c": ""},
		Settings: &types.JobSettings{Inputs: []types.Input{{ProgramNumber: ptr(int32(3))}}},
	}
	if diff := cmp.Diff(want, in, ignoreSDK); diff != "" {
		t.Error(diff)
	}
}
