package api_test

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	mc "github.com/aws/aws-sdk-go-v2/service/mediaconvert"
	"github.com/aws/aws-sdk-go-v2/service/mediaconvert/types"

	"darkroom/internal/api"
	"darkroom/internal/mediaconvert"
)

// collected is where requests that others wrote, and pairs of broken and mended ones, are kept beside the project. Where it is not, the
// tests of rules, preset and mediaconvert say the same in cases of our own.
const collected = "../../../shared"

// TestPairs: what breaks one rule is refused as invalid, and its mended twin is not.
func TestPairs(t *testing.T) {
	t.Parallel()
	paths := map[string]string{"CreateJob": "/jobs", "CreatePreset": "/presets", "CreateJobTemplate": "/jobTemplates", "CreateQueue": "/queues"}
	for _, kind := range []string{"negatives", "positives"} {
		files, err := filepath.Glob(filepath.Join(collected, "pairs", kind, "*.json"))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			t.Run(kind+" "+strings.TrimSuffix(filepath.Base(file), ".json"), func(t *testing.T) {
				text, err := os.ReadFile(file)
				if err != nil {
					t.Fatal(err)
				}
				var p struct {
					Op, Expect string
					Request    json.RawMessage
				}
				if err := json.Unmarshal(text, &p); err != nil || paths[p.Op] == "" {
					t.Fatalf("%s: %v", p.Op, err)
				}
				var request bytes.Buffer
				if err := json.Compact(&request, p.Request); err != nil {
					t.Fatal(err)
				}
				b := newBench(t, func(o *api.Options) { o.Check = planned })
				resp, body := b.send("ROOT", "POST", "/2017-08-29"+paths[p.Op], request.String())
				name := resp.Header.Get("X-Amzn-ErrorType")
				invalid := name == "BadRequestException" && !strings.Contains(body, "Not offered by this installation: ")
				switch {
				case kind == "negatives" && (!invalid || p.Expect != name):
					t.Errorf("want %s, got %d %s", p.Expect, resp.StatusCode, body)
				case kind == "positives" && (invalid || resp.StatusCode >= 500):
					t.Errorf("%d %s", resp.StatusCode, body)
				}
			})
		}
	}
}

// TestCollected: what users wrote has the shape of the model, or not, as its index says.
func TestCollected(t *testing.T) {
	t.Parallel()
	f, err := os.Open(filepath.Join(collected, "corpus", "INDEX.tsv"))
	if err != nil {
		return // see collected
	}
	defer func() { _ = f.Close() }()
	r := csv.NewReader(f)
	r.Comma, r.LazyQuotes = '\t', true
	rows, err := r.ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range rows[1:] {
		file, kind, expect := row[0], row[1], row[6]
		text, err := os.ReadFile(filepath.Join(collected, "corpus", file))
		if err != nil {
			t.Fatal(err)
		}
		var outer map[string]json.RawMessage
		if err := json.Unmarshal(text, &outer); err != nil {
			t.Fatal(err)
		}
		whole := outer["Settings"] != nil || outer["settings"] != nil
		var target any
		switch {
		case kind == "job" && whole:
			target = new(mc.CreateJobInput)
		case kind == "job":
			target = new(types.JobSettings)
		case kind == "template" && whole:
			target = new(mc.CreateJobTemplateInput)
		case kind == "template":
			target = new(types.JobTemplateSettings)
		case whole:
			target = new(mc.CreatePresetInput)
		default:
			target = new(types.PresetSettings)
		}
		faults := mediaconvert.Decode(text, target)
		if (len(faults) == 0) != (expect == "accept") {
			t.Errorf("%s: want %s, got %s", file, expect, mediaconvert.Message(faults))
		}
	}
}
