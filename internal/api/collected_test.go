package api_test

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	mc "github.com/aws/aws-sdk-go-v2/service/mediaconvert"
	"github.com/aws/aws-sdk-go-v2/service/mediaconvert/types"

	"darkroom/internal/api"
	"darkroom/internal/mediaconvert"
	"darkroom/internal/preset"
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
	valid, honoured := 0, 0
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
		if s := settingsOf(target); s != nil && len(faults) == 0 {
			if whole, err := preset.Expand(s, systemPreset); err == nil {
				if invalid, lacks := planned(whole); len(invalid) == 0 {
					valid++
					if len(lacks) == 0 {
						honoured++
					}
				}
			}
		}
	}
	t.Logf("%d of %d valid jobs and job templates are carried out whole", honoured, valid)
}

// settingsOf are the settings of a job, or of a job template with an input; nil for others.
func settingsOf(target any) *types.JobSettings {
	template := func(t *types.JobTemplateSettings) *types.JobSettings {
		if t == nil {
			return nil
		}
		return preset.MergeTemplate(&types.JobSettings{Inputs: []types.Input{{FileInput: aws.String("s3://media/film.mp4")}}}, t)
	}
	switch in := target.(type) {
	case *mc.CreateJobInput:
		return in.Settings
	case *types.JobSettings:
		return in
	case *mc.CreateJobTemplateInput:
		return template(in.Settings)
	case *types.JobTemplateSettings:
		return template(in)
	}
	return nil
}

func systemPreset(name string) (*types.PresetSettings, error) {
	p, ok := preset.FindSystem(name)
	if !ok {
		return nil, fmt.Errorf("no system preset %s", name)
	}
	return p.Settings, nil
}
