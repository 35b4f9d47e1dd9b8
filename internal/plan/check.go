package plan

import (
	"fmt"
	"reflect"
	"slices"
	"sort"
	"strconv"
	"strings"
	"sync"

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

// MaxEngineBuild bounds Capabilities.EngineBuild.
const MaxEngineBuild = 8 << 10

// Capabilities is what the installed encoder and the store can do, in neutral words. The zero value can do nothing.
type Capabilities struct {
	// Engine names the encoder's version, recorded with each job.
	Engine string `json:"engine"`
	// EngineBuild says how the encoder was built and what it is linked to, recorded with each job: at most MaxEngineBuild bytes of text.
	EngineBuild string `json:"engineBuild,omitempty"`
	// Encoders are the codecs that can be written.
	Encoders []media.Codec `json:"encoders"`
	// StillPictures says that JPEG can be written.
	StillPictures bool `json:"stillPictures"`
	// Deinterlace says that interlaced video can be made progressive.
	Deinterlace bool `json:"deinterlace"`
	// KeyRegion is the region of the key service that data keys of client-side encrypted inputs are decrypted by; empty where there is none. The
	// control plane says it, never a worker.
	KeyRegion string `json:"-"`
	// ApprovedOnly says that what is no approved service of a FIPS 140-3 module is refused. It is the control plane that says so too.
	ApprovedOnly bool `json:"-"`
	// Missing names the parts that the encoder lacks, for the reason of a refusal.
	Missing []string `json:"missing,omitempty"`
	// Storage is what the store of the outputs can do. It is not the worker who says that.
	Storage StorageCapabilities `json:"-"`
}

func (c Capabilities) encodes(codec media.Codec) bool { return slices.Contains(c.Encoders, codec) }

// Check says of valid-shaped settings what makes them invalid (as MediaConvert itself refuses them) and what this installation does not
// offer. Every fault is reported, in the order of the settings.
func Check(s *types.JobSettings, c Capabilities) (invalid, notOffered []Refusal) {
	var w walker
	if s == nil {
		return []Refusal{{"", "settings is a required property"}}, nil
	}
	w.walkStruct(reflect.ValueOf(s).Elem())
	v := &checker{settings: s, caps: c, notOffered: w.refusals}
	for _, f := range rules.Job(s) {
		v.bad(f.Path, "%s", f.Text)
	}
	v.job()
	return v.invalid, v.notOffered
}

// walker compares every member that is set with the table of answers.
type walker struct {
	path     []string // the tokens that lead to where it is
	refusals []Refusal
}

func (w *walker) refuse(reason string) {
	w.refusals = append(w.refusals, Refusal{"/" + strings.Join(w.path, "/"), reason})
}

// wireName is the member's name on the wire: the Go name with its first letter lower-cased.
func wireName(goName string) string { return strings.ToLower(goName[:1]) + goName[1:] }

// answered is a member of one Go type, with what the table of answers says of it.
type answered struct {
	field    int // its index in the Go structure
	wireName string
	answer   answer
	known    bool
}

// answers are the answered members of the types that were met: reflect.Type → []answered.
var answers sync.Map

func answersOf(t reflect.Type) []answered {
	if all, ok := answers.Load(t); ok {
		return all.([]answered)
	}
	var all []answered
	for i := range t.NumField() {
		if f := t.Field(i); f.IsExported() {
			a, known := answerOf(t.Name(), f.Name)
			all = append(all, answered{i, wireName(f.Name), a, known})
		}
	}
	answers.Store(t, all)
	return all
}

func (w *walker) walkStruct(v reflect.Value) {
	all := answersOf(v.Type())
	for i := range all {
		m := &all[i]
		fv := v.Field(m.field)
		if asksNothing(fv) {
			continue
		}
		w.path = append(w.path, m.wireName)
		switch {
		case !m.known:
			w.refuse("is not carried out")
		case m.answer.refuseAll:
			w.refuse(m.answer.reason)
		default:
			w.walkValue(fv, &m.answer)
		}
		w.path = w.path[:len(w.path)-1]
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

func (w *walker) walkValue(v reflect.Value, a *answer) {
	switch v.Kind() {
	case reflect.Pointer:
		w.walkValue(v.Elem(), a)
	case reflect.Struct:
		w.walkStruct(v)
	case reflect.Slice:
		for i := range v.Len() {
			w.walkEntry(strconv.Itoa(i), v.Index(i), a)
		}
	case reflect.Map:
		keys := v.MapKeys()
		sort.Slice(keys, func(i, j int) bool { return keys[i].String() < keys[j].String() })
		for _, k := range keys {
			w.walkEntry(mediaconvert.Token(k.String()), v.MapIndex(k), a)
		}
	default:
		if len(a.values) == 0 {
			return
		}
		if got := scalar(v); !slices.Contains(a.values, got) {
			w.refuse(fmt.Sprintf("%s is not carried out: %s; offered: %s", got, a.reason, strings.Join(a.values, ", ")))
		}
	}
}

// walkEntry walks into an item of a list, or an entry of a map.
func (w *walker) walkEntry(token string, v reflect.Value, a *answer) {
	w.path = append(w.path, token)
	w.walkValue(v, a)
	w.path = w.path[:len(w.path)-1]
}

// scalar is a value as the table of answers writes it.
func scalar(v reflect.Value) string {
	switch v.Kind() {
	case reflect.String:
		return v.String()
	case reflect.Int32, reflect.Int64:
		return strconv.FormatInt(v.Int(), 10)
	}
	return fmt.Sprint(v.Interface())
}
