package trail

import (
	"slices"
	"strings"

	"darkroom/internal/audit"
)

// Selectors say which records a trail delivers: basic ones or advanced ones, not both. The zero value is what a trail has by itself: all management events.
type Selectors struct {
	Basic    []Basic    `json:"basic,omitempty"`
	Advanced []Advanced `json:"advanced,omitempty"`
}

// Basic is an event selector.
type Basic struct {
	ReadWrite  string   `json:"readWrite"` // ReadOnly, WriteOnly, All
	Management bool     `json:"management"`
	Exclude    []string `json:"exclude,omitempty"` // event sources whose management events are left out
	Objects    []string `json:"objects,omitempty"` // ARNs that the objects of data events begin with; arn:aws:s3 is all
	// HasObjects says that data resources were given, though they name nothing.
	HasObjects bool `json:"hasObjects,omitempty"`
}

// Advanced is an advanced event selector: all of its fields must match.
type Advanced struct {
	Name   string  `json:"name,omitempty"`
	Fields []Field `json:"fields"`
}

// Field is what is asked of a field of a record. Of each operator that is given, one of the values must match, or with the negated ones, none.
type Field struct {
	Field                                                               string
	Equals, StartsWith, EndsWith, NotEquals, NotStartsWith, NotEndsWith []string `json:",omitempty"`
}

// The values of Basic.ReadWrite.
const (
	ReadOnly  = "ReadOnly"
	WriteOnly = "WriteOnly"
	All       = "All"
)

// The bounds of selectors ("PutEventSelectors", "Quotas in AWS CloudTrail").
const (
	MaxSelectors       = 5
	MaxDataResources   = 250 // of all basic selectors
	MaxConditionValues = 500 // of all advanced selectors
)

// allObjects is the ARN that stands for the objects of all buckets.
const allObjects = "arn:aws:s3"

// excludable are the sources whose management events can be left out.
var excludable = []string{"kms.amazonaws.com", "rdsdata.amazonaws.com"}

// fields are those that advanced selectors can ask about, with how each is read of a record.
var fields = map[string]func(*audit.Record) []string{
	"eventCategory":    func(r *audit.Record) []string { return []string{r.EventCategory} },
	"readOnly":         func(r *audit.Record) []string { return []string{boolean(r.ReadOnly)} },
	"eventName":        func(r *audit.Record) []string { return []string{r.EventName} },
	"eventSource":      func(r *audit.Record) []string { return []string{r.EventSource} },
	"eventType":        func(r *audit.Record) []string { return []string{r.EventType} },
	"userIdentity.arn": func(r *audit.Record) []string { return []string{r.UserIdentity.ARN} },
	"resources.type": func(r *audit.Record) []string {
		return resources(r, func(x audit.Resource) string { return x.Type })
	},
	"resources.ARN": func(r *audit.Record) []string {
		return resources(r, func(x audit.Resource) string { return x.ARN })
	},
}

func boolean(b bool) string {
	if b {
		return "true"
	}
	return "false"
}

func resources(r *audit.Record, of func(audit.Resource) string) []string {
	var out []string
	for _, x := range r.Resources {
		out = append(out, of(x))
	}
	return out
}

// Custom says whether somebody has set selectors.
func (s Selectors) Custom() bool { return len(s.Basic)+len(s.Advanced) > 0 }

// Check says whether selectors can be set: an *Error of InvalidSelectors or NotOffered that names what is wrong.
func (s Selectors) Check() error {
	switch {
	case len(s.Basic) > 0 && len(s.Advanced) > 0:
		return refuse(InvalidSelectors, "A trail has EventSelectors or AdvancedEventSelectors, not both.")
	case len(s.Basic)+len(s.Advanced) == 0:
		return refuse(InvalidSelectors, "Give EventSelectors or AdvancedEventSelectors with at least one selector.")
	case len(s.Basic) > MaxSelectors:
		return refuse(InvalidSelectors, "EventSelectors has %d selectors; a trail has at most %d.", len(s.Basic), MaxSelectors)
	}
	objects := 0
	for _, b := range s.Basic {
		objects += len(b.Objects)
		if err := b.check(); err != nil {
			return err
		}
	}
	if objects > MaxDataResources {
		return refuse(InvalidSelectors, "The selectors have %d data resources; a trail has at most %d.", objects, MaxDataResources)
	}
	values := 0
	for _, a := range s.Advanced {
		n, err := a.check()
		if err != nil {
			return err
		}
		values += n
	}
	if values > MaxConditionValues {
		return refuse(InvalidSelectors, "The selectors have %d values; a trail has at most %d.", values, MaxConditionValues)
	}
	return nil
}

func (b Basic) check() error {
	if !slices.Contains([]string{ReadOnly, WriteOnly, All}, b.ReadWrite) {
		return refuse(InvalidSelectors, "ReadWriteType is %.40q; it is one of ReadOnly, WriteOnly, All.", b.ReadWrite)
	}
	if !b.Management && !b.HasObjects {
		return refuse(InvalidSelectors, "A selector without management events and without DataResources selects nothing.")
	}
	for _, source := range b.Exclude {
		if !slices.Contains(excludable, source) {
			return refuse(InvalidSelectors, "ExcludeManagementEventSources has %.100q; it can have %s.", source, strings.Join(excludable, ", "))
		}
	}
	for _, name := range b.Objects {
		if name != allObjects && name != allObjects+":::" && (!strings.HasPrefix(name, allObjects+":::") || !strings.Contains(name, "/")) {
			return refuse(InvalidSelectors, "The value %.200q of a data resource is neither arn:aws:s3 nor arn:aws:s3:::BUCKET/PREFIX.", name)
		}
	}
	return nil
}

func (a Advanced) check() (values int, err error) {
	if len(a.Fields) == 0 {
		return 0, refuse(InvalidSelectors, "FieldSelectors is empty; it has at least eventCategory.")
	}
	category, seen := "", map[string]bool{}
	for _, f := range a.Fields {
		if fields[f.Field] == nil {
			return 0, refuse(NotOffered, "The field %.100q of an advanced event selector is not offered by this installation; it can be %s.", f.Field, strings.Join(fieldNames(), ", "))
		}
		if seen[f.Field] {
			return 0, refuse(InvalidSelectors, "The field %s stands twice in an advanced event selector.", f.Field)
		}
		seen[f.Field] = true
		n := 0
		for _, o := range f.operators() {
			n += len(o.values)
		}
		if n == 0 {
			return 0, refuse(InvalidSelectors, "The field %s of an advanced event selector has no operator.", f.Field)
		}
		values += n
		only := n == len(f.Equals)
		switch f.Field {
		case "eventCategory":
			if !only || n != 1 {
				return 0, refuse(InvalidSelectors, "eventCategory has one Equals with one value.")
			}
			category = f.Equals[0]
		case "readOnly":
			if !only || n != 1 || f.Equals[0] != "true" && f.Equals[0] != "false" {
				return 0, refuse(InvalidSelectors, "readOnly has one Equals with the value true or false.")
			}
		}
	}
	switch category {
	case audit.Management, audit.Data:
		return values, nil
	case "":
		return 0, refuse(InvalidSelectors, "An advanced event selector has the field eventCategory.")
	}
	return 0, refuse(NotOffered, "The eventCategory %.40q is not offered by this installation; it can be Management or Data.", category)
}

func fieldNames() []string {
	var out []string
	for name := range fields {
		out = append(out, name)
	}
	slices.Sort(out)
	return out
}

// operator is one operator of a field.
type operator struct {
	values  []string
	matches func(s, value string) bool
	negated bool
}

func equal(s, value string) bool { return s == value }

func (f *Field) operators() []operator {
	return []operator{
		{f.Equals, equal, false},
		{f.StartsWith, strings.HasPrefix, false},
		{f.EndsWith, strings.HasSuffix, false},
		{f.NotEquals, equal, true},
		{f.NotStartsWith, strings.HasPrefix, true},
		{f.NotEndsWith, strings.HasSuffix, true},
	}
}

// matches says whether a field with some values is as asked for. Positive operators are alternatives; every negated one must hold.
func (f *Field) matches(have []string) bool {
	asked, found := false, false
	for _, o := range f.operators() {
		if len(o.values) == 0 {
			continue
		}
		hit := slices.ContainsFunc(have, func(s string) bool {
			return slices.ContainsFunc(o.values, func(v string) bool { return o.matches(s, v) })
		})
		if o.negated && hit {
			return false
		}
		if !o.negated {
			asked, found = true, found || hit
		}
	}
	return found || !asked
}

// Selects says whether a record is one of those that are asked for.
func (s Selectors) Selects(r *audit.Record) bool {
	if !s.Custom() {
		return r.EventCategory == audit.Management
	}
	return slices.ContainsFunc(s.Basic, func(b Basic) bool { return b.selects(r) }) || slices.ContainsFunc(s.Advanced, func(a Advanced) bool {
		return !slices.ContainsFunc(a.Fields, func(f Field) bool { return !f.matches(fields[f.Field](r)) })
	})
}

func (b Basic) selects(r *audit.Record) bool {
	if b.ReadWrite == ReadOnly && !r.ReadOnly || b.ReadWrite == WriteOnly && r.ReadOnly {
		return false
	}
	if r.EventCategory == audit.Management {
		return b.Management && !slices.Contains(b.Exclude, r.EventSource)
	}
	return slices.ContainsFunc(r.Resources, func(x audit.Resource) bool {
		return x.Type == "AWS::S3::Object" && slices.ContainsFunc(b.Objects, func(o string) bool { return strings.HasPrefix(x.ARN, o) })
	})
}

// globalSources are the services whose events CloudTrail calls global.
var globalSources = []string{"iam.amazonaws.com", "sts.amazonaws.com"}

// selects says whether a trail delivers a record.
func (d *Definition) selects(r *audit.Record) bool {
	return (d.Global || !slices.Contains(globalSources, r.EventSource)) && d.Selectors.Selects(r)
}
