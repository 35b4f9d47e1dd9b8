package plan

import (
	"fmt"
	"reflect"
	"slices"
	"sort"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/mediaconvert/types"

	"darkroom/internal/media"
	"darkroom/internal/mediaconvert"
	"darkroom/internal/rules"
)

// Refusal says which member of the settings is refused and why. Path is a JSON pointer into the settings, in camelCase.
type Refusal struct {
	Path   string
	Reason string
}

func (r Refusal) String() string { return r.Path + ": " + r.Reason }

// Capabilities is what the installed encoder and the store can do, in neutral words. The zero value can do nothing.
type Capabilities struct {
	// Engine names the encoder's version, recorded with each job.
	Engine string `json:"engine"`
	// Encoders are the codecs that can be written.
	Encoders []media.Codec `json:"encoders"`
	// StillPictures says that JPEG can be written.
	StillPictures bool `json:"stillPictures"`
	// Deinterlace says that interlaced video can be made progressive.
	Deinterlace bool `json:"deinterlace"`
	// Missing names the parts that the encoder lacks, for the reason of a refusal.
	Missing []string `json:"missing,omitempty"`
}

func (c Capabilities) encodes(codec media.Codec) bool { return slices.Contains(c.Encoders, codec) }

// Check says of valid-shaped settings what makes them invalid (as MediaConvert itself refuses them) and what this installation does not
// offer. Every fault is reported, in the order of the settings.
func Check(s *types.JobSettings, c Capabilities) (invalid, notOffered []Refusal) {
	var w walker
	if s == nil {
		return []Refusal{{"", "settings is a required property"}}, nil
	}
	w.walkStruct(reflect.ValueOf(*s), "")
	v := &checker{settings: s, caps: c, notOffered: w.refusals}
	for _, f := range rules.Job(s) {
		v.bad(f.Path, "%s", f.Text)
	}
	v.job()
	return v.invalid, v.notOffered
}

// walker compares every member that is set with the table of answers.
type walker struct {
	refusals []Refusal
}

func (w *walker) refuse(path, reason string) {
	w.refusals = append(w.refusals, Refusal{path, reason})
}

// wireName is the member's name on the wire: the Go name with its first letter lower-cased.
func wireName(goName string) string { return strings.ToLower(goName[:1]) + goName[1:] }

func (w *walker) walkStruct(v reflect.Value, path string) {
	t := v.Type()
	for i := range t.NumField() {
		f := t.Field(i)
		if !f.IsExported() {
			continue
		}
		fv := v.Field(i)
		if asksNothing(fv) {
			continue
		}
		p := path + "/" + wireName(f.Name)
		a, known := answerOf(t.Name(), f.Name)
		switch {
		case !known:
			w.refuse(p, "is not carried out")
		case a.refuseAll:
			w.refuse(p, a.reason)
		default:
			w.walkValue(fv, p, a)
		}
	}
}

// asksNothing reports whether a member is absent or empty: a list or map without entries asks for nothing.
func asksNothing(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.Pointer:
		return v.IsNil()
	case reflect.Slice, reflect.Map:
		return v.Len() == 0
	case reflect.String:
		return v.Len() == 0
	}
	return false
}

func (w *walker) walkValue(v reflect.Value, path string, a answer) {
	switch v.Kind() {
	case reflect.Pointer:
		w.walkValue(v.Elem(), path, a)
	case reflect.Struct:
		w.walkStruct(v, path)
	case reflect.Slice:
		for i := range v.Len() {
			w.walkValue(v.Index(i), path+"/"+strconv.Itoa(i), a)
		}
	case reflect.Map:
		keys := v.MapKeys()
		sort.Slice(keys, func(i, j int) bool { return keys[i].String() < keys[j].String() })
		for _, k := range keys {
			w.walkValue(v.MapIndex(k), path+"/"+mediaconvert.Token(k.String()), a)
		}
	default:
		if len(a.values) == 0 {
			return
		}
		if got := fmt.Sprint(v.Interface()); !slices.Contains(a.values, got) {
			w.refuse(path, fmt.Sprintf("%s is not carried out: %s; offered: %s", got, a.reason, strings.Join(a.values, ", ")))
		}
	}
}
