package audit

import (
	"encoding/json"
	"strings"
	"time"

	"darkroom/internal/arn"
)

// ServiceEvent is something that Darkroom did: a connection to the outside, the use of a key for a job, a question to a key server. It holds no secret.
type ServiceEvent struct {
	Time        time.Time `json:"-"`
	RequestID   string    `json:"-"`
	Principal   string    `json:"-"` // ARN of who it was done for; empty for Darkroom itself
	AccessKeyID string    `json:"-"`
	SourceIP    string    `json:"-"`
	UserAgent   string    `json:"-"`
	Service     string    `json:"-"` // egress, speke, kms, …
	Action      string    `json:"-"`
	Resources   []string  `json:"-"`

	Outcome Outcome `json:"outcome"`
	Reason  string  `json:"reason,omitempty"` // why it was refused: a kind of error, never its text
	Dial    *Dial   `json:"dial,omitempty"`   // of a connection to the outside

	Version string   `json:"version,omitempty"` // of the program, of a start
	Changes []Change `json:"changes,omitempty"` // of the configuration
}

// UnmarshalJSON reads what Encode wrote. A member that was too large for a record, and stands there as an omission, is read as none.
func (e *ServiceEvent) UnmarshalJSON(text []byte) error {
	type plain ServiceEvent
	var out plain
	err := json.Unmarshal(text, &out)
	if err != nil {
		var members map[string]json.RawMessage
		if json.Unmarshal(text, &members) != nil {
			return err
		}
		for name, value := range members {
			var o omission
			if json.Unmarshal(value, &o) == nil && o.Omitted {
				delete(members, name)
			}
		}
		rest, err := json.Marshal(members)
		if err != nil {
			return err
		}
		out = plain{}
		if err := json.Unmarshal(rest, &out); err != nil {
			return err
		}
	}
	*e = ServiceEvent(out)
	return nil
}

// Change is a key of the configuration whose value is another than it was. Values are texts as they stand in the file; empty is none.
type Change struct {
	Key string `json:"key"`
	Old string `json:"old"`
	New string `json:"new"`
}

// Dial is a connection to the outside: what for, to whom as it was asked for, and the address behind that name.
type Dial struct {
	Purpose string `json:"purpose"`
	Host    string `json:"host"`
	Address string `json:"address,omitempty"` // empty when the host was refused before it was resolved
	Port    int    `json:"port"`
}

// invoker is how records call Darkroom where it acts by itself.
const invoker = "mediaconvert.amazonaws.com"

// Source is the eventSource of a service.
func Source(service string) string { return service + ".amazonaws.com" }

// Record writes the event as a record of a Region. account is whose it is where neither the principal nor a resource says.
func (e ServiceEvent) Record(region, account string) Record {
	kept := e
	r := Record{
		EventVersion: Version, EventTime: e.Time.UTC().Truncate(time.Second), EventSource: Source(e.Service), EventName: e.Action, AWSRegion: region,
		SourceIPAddress: e.SourceIP, UserAgent: e.UserAgent, RequestID: e.RequestID, EventID: NewID(), EventType: ByService,
		RecipientAccountID: account, EventCategory: Data, ServiceEventDetails: &kept, ReadOnly: true,
	}
	if r.SourceIPAddress == "" {
		r.SourceIPAddress = invoker
	}
	if r.UserAgent == "" {
		r.UserAgent = invoker
	}
	r.UserIdentity = identityOfARN(e.Principal, e.AccessKeyID)
	for _, name := range e.Resources {
		res := Resource{ARN: name, Type: typeOf(name)}
		if a, err := arn.Parse(name); err == nil && a.Account != "" {
			res.AccountID, r.RecipientAccountID = a.Account, a.Account
		}
		r.Resources = append(r.Resources, res)
	}
	if r.UserIdentity.AccountID != "" {
		r.RecipientAccountID = r.UserIdentity.AccountID
	}
	return r
}

// Event reads what Record wrote; ok is false for the records of calls.
func (r *Record) Event() (e ServiceEvent, ok bool) {
	if r.ServiceEventDetails == nil {
		return ServiceEvent{}, false
	}
	e = *r.ServiceEventDetails
	e.Time, e.RequestID, e.AccessKeyID, e.Action = r.EventTime, r.RequestID, r.UserIdentity.AccessKeyID, r.EventName
	e.Service = strings.TrimSuffix(r.EventSource, ".amazonaws.com")
	e.Principal = r.UserIdentity.ARN
	if r.SourceIPAddress != invoker {
		e.SourceIP = r.SourceIPAddress
	}
	if r.UserAgent != invoker {
		e.UserAgent = r.UserAgent
	}
	for _, res := range r.Resources {
		e.Resources = append(e.Resources, res.ARN)
	}
	return e, true
}

// identityOfARN is who an ARN names, as far as it says.
func identityOfARN(name, accessKeyID string) Identity {
	a, err := arn.Parse(name)
	if err != nil {
		return Identity{Type: "AWSService", InvokedBy: invoker}
	}
	i := Identity{ARN: name, AccountID: a.Account, AccessKeyID: accessKeyID, InvokedBy: invoker}
	switch {
	case a.Resource == "root":
		i.Type = "Root"
	case strings.HasPrefix(a.Resource, "user/"):
		i.Type, i.UserName = "IAMUser", afterLast(a.Resource, '/')
	case strings.HasPrefix(a.Resource, "assumed-role/"), strings.HasPrefix(a.Resource, "role/"):
		i.Type = "AssumedRole"
	default:
		i.Type = "Unknown"
	}
	return i
}

// types are the resource types by how ARNs begin behind their partition.
var types = []struct{ service, resource, typ string }{
	{"s3", "", "AWS::S3::Object"},
	{"kms", "key/", "AWS::KMS::Key"},
	{"kms", "alias/", "AWS::KMS::Alias"},
	{"iam", "role/", "AWS::IAM::Role"},
	{"iam", "user/", "AWS::IAM::User"},
	{"iam", "group/", "AWS::IAM::Group"},
	{"iam", "policy/", "AWS::IAM::ManagedPolicy"},
	{"mediaconvert", "queues/", "AWS::MediaConvert::Queue"},
	{"mediaconvert", "presets/", "AWS::MediaConvert::Preset"},
	{"mediaconvert", "jobTemplates/", "AWS::MediaConvert::JobTemplate"},
	{"mediaconvert", "jobs/", "AWS::MediaConvert::Job"},
	{"acm", "certificate/", "AWS::CertificateManager::Certificate"},
	{"cloudtrail", "trail/", "AWS::CloudTrail::Trail"},
	{"events", "rule/", "AWS::Events::Rule"},
}

// typeOf is the type of the resource that an ARN names, or empty.
func typeOf(name string) string {
	a, err := arn.Parse(name)
	if err != nil {
		return ""
	}
	if a.Service == "s3" && !strings.Contains(a.Resource, "/") {
		return "AWS::S3::Bucket"
	}
	for _, t := range types {
		if a.Service == t.service && strings.HasPrefix(a.Resource, t.resource) {
			return t.typ
		}
	}
	return ""
}

// ResourceOf is a resource by its ARN.
func ResourceOf(name, account string) Resource {
	r := Resource{ARN: name, Type: typeOf(name), AccountID: account}
	if a, err := arn.Parse(name); err == nil && a.Account != "" {
		r.AccountID = a.Account
	}
	return r
}
