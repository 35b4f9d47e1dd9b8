package siem

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"darkroom/internal/audit"
)

const region, account = "us-east-1", "111122223333"

func entry(t *testing.T, r audit.Record) audit.Entry {
	t.Helper()
	text, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	return audit.Entry{Position: 42, Account: account, Text: text}
}

func base() audit.Record {
	return audit.Record{
		EventVersion: audit.Version, EventTime: time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC), EventSource: "mediaconvert.amazonaws.com", EventName: "CreateJob", AWSRegion: region,
		SourceIPAddress: "192.0.2.7", UserAgent: "aws-cli/2.15", RequestID: "11111111-2222-4333-8444-555555555555", EventID: "66666666-2222-4333-8444-555555555555",
		EventType: audit.APICall, APIVersion: "2017-08-29", ManagementEvent: true, RecipientAccountID: account, EventCategory: audit.Management,
		UserIdentity: audit.Identity{
			Type: "IAMUser", PrincipalID: "AIDAEXAMPLE", ARN: "arn:aws:iam::" + account + ":user/ann", AccountID: account, AccessKeyID: "AKIAEXAMPLE", UserName: "ann",
		},
		Resources:  []audit.Resource{audit.ResourceOf("arn:aws:mediaconvert:us-east-1:"+account+":queues/Default", account)},
		TLSDetails: &audit.TLSDetails{TLSVersion: "TLSv1.3", CipherSuite: "TLS_AES_128_GCM_SHA256", ClientProvidedHostHeader: "localhost"},
	}
}

// records are one of each kind that there is.
func records() map[string]audit.Record {
	with := func(change func(*audit.Record)) audit.Record { r := base(); change(&r); return r }
	dial := func(o audit.Outcome, to audit.Dial) audit.Record {
		return audit.ServiceEvent{
			Time: base().EventTime, Service: "egress", Action: "Dial", Outcome: o, Reason: "why", Dial: &to, Principal: "arn:aws:iam::" + account + ":role/R",
			Resources: []string{"arn:aws:mediaconvert:us-east-1:" + account + ":jobs/1"},
		}.Record(region, account)
	}
	return map[string]audit.Record{
		"granted": base(),
		"with parameters": with(func(r *audit.Record) {
			r.RequestParameters = json.RawMessage(`{"queue":"Default","n":[1,2]}`)
			r.ResponseElements = json.RawMessage(`{"job":{"id":"1"}}`)
		}),
		"denied": with(func(r *audit.Record) {
			r.ErrorCode, r.ErrorMessage = "AccessDeniedException", "no\nfake: \"line\" \u202e"
		}),
		"failed":      with(func(r *audit.Record) { r.ErrorCode = "BadRequestException" }),
		"interrupted": with(func(r *audit.Record) { r.ErrorCode = audit.CodeInterrupted }),
		"deleted":     with(func(r *audit.Record) { r.EventName = "DeleteQueue" }),
		"read":        with(func(r *audit.Record) { r.EventName, r.ReadOnly = "ListJobs", true }),
		"an object": with(func(r *audit.Record) {
			r.EventSource, r.EventName, r.EventCategory, r.ReadOnly = "s3.amazonaws.com", "GetObject", audit.Data, true
			r.Resources = []audit.Resource{audit.ResourceOf("arn:aws:s3:::films/a/b.mp4", account)}
			r.AdditionalEventData = map[string]json.RawMessage{"bytesTransferredIn": json.RawMessage("0"), "bytesTransferredOut": json.RawMessage("1234")}
		}),
		"put object": with(func(r *audit.Record) {
			r.EventSource, r.EventName, r.EventCategory = "s3.amazonaws.com", "PutObject", audit.Data
		}),
		"iam": with(func(r *audit.Record) { r.EventSource, r.EventName = "iam.amazonaws.com", "AttachUserPolicy" }),
		"root": with(func(r *audit.Record) {
			r.UserIdentity = audit.Identity{Type: "Root", ARN: "arn:aws:iam::" + account + ":root", AccountID: account}
		}),
		"role session": with(func(r *audit.Record) {
			r.UserIdentity = audit.Identity{
				Type: "AssumedRole", PrincipalID: "AROAEXAMPLE:s", ARN: "arn:aws:sts::" + account + ":assumed-role/R/s", AccountID: account, AccessKeyID: "ASIAEXAMPLE",
				SessionContext: &audit.SessionContext{
					SessionIssuer: &audit.SessionIssuer{Type: "Role", ARN: "arn:aws:iam::" + account + ":role/R"},
					Attributes:    audit.SessionAttributes{CreationDate: "2030-01-02T03:00:00Z", MFAAuthenticated: "true"},
				},
			}
			r.SourceIPAddress, r.UserIdentity.InvokedBy = "mediaconvert.amazonaws.com", "mediaconvert.amazonaws.com"
		}),
		"sign-in": with(func(r *audit.Record) {
			r.EventSource, r.EventName, r.ReadOnly = "sts.amazonaws.com", "AssumeRole", true
			r.RequestParameters = json.RawMessage(`{"roleArn":"arn:aws:iam::1:role/R","serialNumber":"arn:aws:iam::1:mfa/ann"}`)
		}),
		"web identity": with(func(r *audit.Record) {
			r.EventSource, r.EventName = "sts.amazonaws.com", "AssumeRoleWithWebIdentity"
			r.UserIdentity = audit.Identity{Type: "WebIdentityUser", PrincipalID: "x", UserName: "x", IdentityProvider: "login.example.com"}
		}),
		"nobody": with(func(r *audit.Record) {
			r.UserIdentity, r.SourceIPAddress, r.RequestID, r.EventSource, r.Resources, r.TLSDetails = audit.Identity{Type: "Unknown"}, "", "", "", nil, nil
		}),
		"connected":  dial(audit.Connected, audit.Dial{Purpose: "input", Host: "media.example.com", Address: "192.0.2.9:443", Port: 443}),
		"intended":   dial(audit.Intended, audit.Dial{Purpose: "input", Host: "192.0.2.9", Port: 443}),
		"refused":    dial(audit.Denied, audit.Dial{Purpose: "webhook", Host: "10.0.0.1", Port: 22}),
		"dial fails": dial(audit.Failed, audit.Dial{Purpose: "webhook", Host: "2001:db8::1", Address: "[2001:db8::1]:443", Port: 443}),
		"no host":    dial(audit.Denied, audit.Dial{Purpose: "webhook", Port: 443}),
		"a key":      audit.ServiceEvent{Time: base().EventTime, Service: "kms", Action: "Decrypt", Outcome: audit.Granted}.Record(region, account),
		"alert": func() audit.Record {
			r := audit.ServiceEvent{Time: base().EventTime, Service: "darkroom", Action: AlertName}.Record(region, account)
			r.AdditionalEventData = map[string]json.RawMessage{"rule": json.RawMessage(`"root-used"`), "message": json.RawMessage(`"The account root was used."`)}
			return r
		}(),
	}
}

func decode(t *testing.T, line []byte) map[string]any {
	t.Helper()
	if bytes.ContainsAny(line, "\n\r") {
		t.Errorf("a line break in %s", line)
	}
	var doc map[string]any
	if err := json.Unmarshal(line, &doc); err != nil {
		t.Fatalf("%v: %s", err, line)
	}
	return doc
}

func read(t *testing.T, file string, into any) {
	t.Helper()
	text, err := os.ReadFile("testdata/" + file)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, into); err != nil {
		t.Fatal(err)
	}
}

type ecsSchema struct {
	Version         string
	Fields          map[string][2]string
	Values          map[string][]string
	TypesOfCategory map[string][]string `json:"types_of_category"`
}

// TestECS: every field of every kind of record is one of ECS, of its type, with a value that it may have.
func TestECS(t *testing.T) {
	t.Parallel()
	var schema ecsSchema
	read(t, "ecs.json", &schema)
	if schema.Version != ecsVersion {
		t.Errorf("records say ECS %s, and are compared with %s", ecsVersion, schema.Version)
	}
	for name, r := range records() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			doc := decode(t, Line(ECS, entry(t, r)))
			ecsFields(t, &schema, "", doc)
			event := doc["event"].(map[string]any)
			var allowed []string
			for _, c := range event["category"].([]any) {
				allowed = append(allowed, schema.TypesOfCategory[c.(string)]...)
			}
			for _, typ := range event["type"].([]any) {
				if !slices.Contains(allowed, typ.(string)) {
					t.Errorf("event.type %v is not expected of %v", typ, event["category"])
				}
			}
			for _, needed := range []string{"@timestamp", "ecs.version", "event.kind", "event.outcome", "event.action", "event.dataset", "message"} {
				if lookup(doc, needed) == nil {
					t.Errorf("%s is missing", needed)
				}
			}
		})
	}
}

func lookup(doc map[string]any, name string) any {
	if v, ok := doc[name]; ok {
		return v
	}
	head, rest, _ := strings.Cut(name, ".")
	inner, _ := doc[head].(map[string]any)
	if inner == nil {
		return nil
	}
	return lookup(inner, rest)
}

func ecsFields(t *testing.T, schema *ecsSchema, prefix string, doc map[string]any) {
	t.Helper()
	for key, value := range doc {
		name := prefix + key
		if name == "darkroom" {
			continue // our own
		}
		if inner, ok := value.(map[string]any); ok {
			ecsFields(t, schema, name+".", inner)
			continue
		}
		field, ok := schema.Fields[name]
		if !ok {
			t.Errorf("%s is no field of ECS", name)
			continue
		}
		values := []any{value}
		if list, isList := value.([]any); isList {
			if field[1] != "array" {
				t.Errorf("%s is no array", name)
			}
			values = list
		} else if field[1] == "array" {
			t.Errorf("%s is to be an array", name)
		}
		for _, v := range values {
			if !ecsType(field[0], v) {
				t.Errorf("%s: %v is no %s", name, v, field[0])
			}
			if may := schema.Values[name]; may != nil && !slices.Contains(may, fmt.Sprint(v)) {
				t.Errorf("%s: %v is none of %v", name, v, may)
			}
		}
	}
}

func ecsType(typ string, v any) bool {
	s, isText := v.(string)
	n, isNumber := v.(float64)
	switch typ {
	case "keyword", "wildcard", "match_only_text", "text", "constant_keyword":
		return isText && s != ""
	case "ip":
		_, err := netip.ParseAddr(s)
		return err == nil
	case "date":
		_, err := time.Parse(time.RFC3339, s)
		return err == nil
	case "long":
		return isNumber && n == math.Trunc(n)
	}
	return false
}

type ocsfAttribute struct {
	Type, Object, Requirement, Sibling string
	Array                              bool
	Enum                               map[string]string
}

type ocsfClass struct {
	CategoryUID int `json:"category_uid"`
	ClassUID    int `json:"class_uid"`
	Attributes  map[string]ocsfAttribute
	Constraints map[string][]string
}

type ocsfSchema struct {
	Version string
	Classes map[string]ocsfClass
	Objects map[string]ocsfClass
}

// TestOCSF: every kind of record is valid by the published schema: known attributes alone, of their types, with their values, and all that are required.
func TestOCSF(t *testing.T) {
	t.Parallel()
	var schema ocsfSchema
	read(t, "ocsf.json", &schema)
	if schema.Version != ocsfVersion {
		t.Errorf("records say OCSF %s, and are compared with %s", ocsfVersion, schema.Version)
	}
	seen := map[int]bool{}
	for name, r := range records() {
		doc := decode(t, Line(OCSF, entry(t, r)))
		found := false
		for _, c := range schema.Classes {
			if float64(c.ClassUID) != doc["class_uid"] {
				continue
			}
			found, seen[c.ClassUID] = true, true
			if float64(c.CategoryUID) != doc["category_uid"] || doc["type_uid"] != doc["class_uid"].(float64)*100+doc["activity_id"].(float64) {
				t.Errorf("%s: class %v of category %v, type %v", name, doc["class_uid"], doc["category_uid"], doc["type_uid"])
			}
			for _, fault := range schema.judge(c, "", doc) {
				t.Errorf("%s: %s", name, fault)
			}
		}
		if !found {
			t.Errorf("%s: class %v is not known", name, doc["class_uid"])
		}
	}
	if len(seen) != 3 {
		t.Errorf("classes %v, want 3", seen)
	}
}

func (s *ocsfSchema) judge(c ocsfClass, at string, doc map[string]any) (faults []string) {
	fault := func(format string, args ...any) { faults = append(faults, at+fmt.Sprintf(format, args...)) }
	for name, a := range c.Attributes {
		if a.Requirement == "required" && doc[name] == nil {
			fault("%s is missing", name)
		}
	}
	if one := c.Constraints["at_least_one"]; one != nil && !slices.ContainsFunc(one, func(n string) bool { return doc[n] != nil }) {
		fault("none of %v", one)
	}
	for name, value := range doc {
		a, ok := c.Attributes[name]
		if !ok {
			fault("%s is no attribute", name)
			continue
		}
		values, isList := value.([]any)
		if isList != a.Array && a.Type != "json_t" {
			fault("%s: a list: %t, want %t", name, isList, a.Array)
		}
		if !isList {
			values = []any{value}
		}
		for _, v := range values {
			switch {
			case a.Type == "json_t":
			case a.Type == "object_t" && name == "unmapped":
			case a.Type == "object_t":
				inner, isObject := v.(map[string]any)
				kind, known := s.Objects[a.Object]
				if !isObject || !known {
					fault("%s: %v is no %s", name, v, a.Object)
					continue
				}
				faults = append(faults, s.judge(kind, at+name+".", inner)...)
			case !ocsfType(a.Type, v):
				fault("%s: %v is no %s", name, v, a.Type)
			}
			if a.Enum == nil {
				continue
			}
			caption, may := a.Enum[fmt.Sprint(v)]
			if a.Type != "string_t" && !may {
				fault("%s: %v is none of %v", name, v, a.Enum)
			}
			if label := doc[a.Sibling]; a.Sibling != "" && label != nil && v != 99.0 && label != caption && a.Sibling != "type_name" && a.Sibling != "class_name" {
				fault("%s: %v is called %v, want %q", name, v, label, caption)
			}
		}
	}
	return faults
}

func ocsfType(typ string, v any) bool {
	s, isText := v.(string)
	n, isNumber := v.(float64)
	switch typ {
	case "boolean_t":
		_, ok := v.(bool)
		return ok
	case "integer_t", "long_t", "timestamp_t":
		return isNumber && n == math.Trunc(n)
	case "port_t":
		return isNumber && n == math.Trunc(n) && n >= 0 && n <= 65535
	case "ip_t":
		_, err := netip.ParseAddr(s)
		return err == nil
	}
	return isText && s != ""
}

// TestPlanted: the judges above see what is wrong.
func TestPlanted(t *testing.T) {
	t.Parallel()
	var schema ocsfSchema
	read(t, "ocsf.json", &schema)
	for name, spoil := range map[string]func(doc map[string]any){
		"an attribute that is none": func(doc map[string]any) { doc["nonsense"] = 1.0 },
		"one that is missing":       func(doc map[string]any) { delete(doc, "severity_id") },
		"a value that is none":      func(doc map[string]any) { doc["activity_id"] = 77.0 },
		"another type":              func(doc map[string]any) { doc["time"] = "now" },
		"another caption":           func(doc map[string]any) { doc["severity"] = "Fatal" },
		"an inner one":              func(doc map[string]any) { doc["cloud"].(map[string]any)["provider"] = nil },
	} {
		doc := decode(t, Line(OCSF, entry(t, base())))
		spoil(doc)
		if faults := schema.judge(schema.Classes["api_activity"], "", doc); len(faults) == 0 {
			t.Errorf("%s is not seen", name)
		}
	}
}

// TestFields holds the fields that searches are made by.
func TestFields(t *testing.T) {
	t.Parallel()
	all := records()
	for _, c := range []struct {
		format Format
		record string
		want   map[string]any
	}{
		{ECS, "granted", map[string]any{
			"user.name": "ann", "source.ip": "192.0.2.7", "event.outcome": "success", "event.action": "CreateJob", "cloud.account.id": account, "tls.version": "1.3",
			"event.sequence": 42.0, "@timestamp": "2030-01-02T03:04:05Z", "http.request.id": "11111111-2222-4333-8444-555555555555",
		}},
		{ECS, "denied", map[string]any{"event.outcome": "failure", "error.code": "AccessDeniedException", "error.message": "no\nfake: \"line\" \u202e"}},
		{ECS, "interrupted", map[string]any{"event.outcome": "failure"}},
		{ECS, "an object", map[string]any{"file.path": "a/b.mp4", "http.response.body.bytes": 1234.0}},
		{ECS, "refused", map[string]any{"destination.ip": "10.0.0.1", "destination.port": 22.0, "event.outcome": "failure"}},
		{ECS, "connected", map[string]any{"destination.domain": "media.example.com", "destination.ip": "192.0.2.9"}},
		{ECS, "alert", map[string]any{"event.kind": "alert", "rule.name": "root-used", "message": "The account root was used."}},
		{OCSF, "granted", map[string]any{"class_uid": 6003.0, "api.operation": "CreateJob", "actor.user.name": "ann", "src_endpoint.ip": "192.0.2.7", "time": 1893553445000.0, "status": "Success"}},
		{OCSF, "denied", map[string]any{"severity": "Medium", "status": "Failure", "status_code": "AccessDeniedException"}},
		{OCSF, "sign-in", map[string]any{"class_uid": 3002.0, "is_mfa": true, "user.name": "ann"}},
		{OCSF, "role session", map[string]any{"actor.session.is_mfa": true, "actor.app_name": "mediaconvert.amazonaws.com", "src_endpoint.svc_name": "mediaconvert.amazonaws.com"}},
		{OCSF, "dial fails", map[string]any{"class_uid": 4001.0, "activity_name": "Fail", "dst_endpoint.ip": "2001:db8::1"}},
		{OCSF, "alert", map[string]any{"severity": "High"}},
	} {
		doc := decode(t, Line(c.format, entry(t, all[c.record])))
		for name, want := range c.want {
			if name == "event.outcome" && c.record == "interrupted" {
				want = "unknown"
			}
			if got := lookup(doc, name); got != want {
				t.Errorf("%s of %s: %s is %v, want %v", c.format, c.record, name, got, want)
			}
		}
	}
}

// TestUnreadable: no entry is left out, whatever it holds.
func TestUnreadable(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "no record\nnext", "{", `{"eventTime":"yesterday"}`, "[]"} {
		for _, f := range Formats {
			line := Line(f, audit.Entry{Position: 7, Account: account, Text: json.RawMessage(text)})
			if json.Valid([]byte(text)) && f == CloudTrail {
				continue // as it is
			}
			if doc := decode(t, line); len(doc) == 0 {
				t.Errorf("%s of %q: %s", f, text, line)
			}
		}
	}
	same := audit.Entry{Text: json.RawMessage("{\n \"eventName\": \"<CreateJob>\"\n}")}
	if diff := cmp.Diff(`{"eventName":"<CreateJob>"}`, string(Line(CloudTrail, same))); diff != "" {
		t.Errorf("as it is kept (-want +got):\n%s", diff)
	}
}

func FuzzLine(f *testing.F) {
	for _, r := range records() {
		text, _ := json.Marshal(r)
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		for _, format := range Formats {
			line := Line(format, audit.Entry{Text: text})
			if !json.Valid(line) || bytes.ContainsAny(line, "\r\n") {
				t.Errorf("%s: %q", format, line)
			}
		}
	})
}
