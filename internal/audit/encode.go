package audit

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"time"
)

// object appends the members of a JSON object.
type object struct {
	out   []byte
	first bool
}

func (o *object) name(name string) {
	if !o.first {
		o.out = append(o.out, ',')
	}
	o.first = false
	o.out = append(append(append(o.out, '"'), name...), '"', ':')
}

func (o *object) text(name, value string) {
	o.name(name)
	o.out = AppendText(o.out, value)
}

// some is text, left out where it is empty.
func (o *object) some(name, value string) {
	if value != "" {
		o.text(name, value)
	}
}

func (o *object) flag(name string, value bool) {
	o.name(name)
	o.out = strconv.AppendBool(o.out, value)
}

// raw is JSON; what is none is null: one member that cannot be written does not keep the record from being written.
func (o *object) raw(name string, value json.RawMessage) {
	o.name(name)
	if len(value) == 0 || !json.Valid(value) {
		value = json.RawMessage("null")
	}
	o.out = append(o.out, value...)
}

func (o *object) open(name string) (close func()) {
	o.name(name)
	o.out, o.first = append(o.out, '{'), true
	return func() { o.out, o.first = append(o.out, '}'), false }
}

// append writes a record, member for member as encoding/json would by the tags of its structures; the tests hold the two together.
func (r *Record) append(out []byte) ([]byte, error) {
	o := &object{out: append(out, '{'), first: true}
	o.text("eventVersion", r.EventVersion)
	r.UserIdentity.append(o)
	o.text("eventTime", r.EventTime.Format(time.RFC3339Nano))
	o.text("eventSource", r.EventSource)
	o.text("eventName", r.EventName)
	o.text("awsRegion", r.AWSRegion)
	o.text("sourceIPAddress", r.SourceIPAddress)
	o.text("userAgent", r.UserAgent)
	o.some("errorCode", r.ErrorCode)
	o.some("errorMessage", r.ErrorMessage)
	o.raw("requestParameters", r.RequestParameters)
	o.raw("responseElements", r.ResponseElements)
	if len(r.AdditionalEventData) > 0 {
		done := o.open("additionalEventData")
		for _, name := range slices.Sorted(maps.Keys(r.AdditionalEventData)) {
			o.raw(name, r.AdditionalEventData[name])
		}
		done()
	}
	o.text("requestID", r.RequestID)
	o.text("eventID", r.EventID)
	o.flag("readOnly", r.ReadOnly)
	if len(r.Resources) > 0 {
		o.name("resources")
		for i, res := range r.Resources {
			o.out = append(o.out, "[,"[min(i, 1)], '{')
			o.first = true
			o.some("accountId", res.AccountID)
			o.some("type", res.Type)
			o.text("ARN", res.ARN)
			o.out = append(o.out, '}')
		}
		o.out, o.first = append(o.out, ']'), false
	}
	o.text("eventType", r.EventType)
	o.some("apiVersion", r.APIVersion)
	o.flag("managementEvent", r.ManagementEvent)
	o.text("recipientAccountId", r.RecipientAccountID)
	o.some("sharedEventID", r.SharedEventID)
	if r.ServiceEventDetails != nil {
		text, err := json.Marshal(r.ServiceEventDetails)
		if err != nil {
			return nil, err
		}
		o.raw("serviceEventDetails", Cut(printable(text), MaxMember))
	}
	o.text("eventCategory", r.EventCategory)
	if t := r.TLSDetails; t != nil {
		done := o.open("tlsDetails")
		o.text("tlsVersion", t.TLSVersion)
		o.text("cipherSuite", t.CipherSuite)
		o.some("clientProvidedHostHeader", t.ClientProvidedHostHeader)
		done()
	}
	return append(o.out, '}'), nil
}

func (i *Identity) append(o *object) {
	done := o.open("userIdentity")
	o.text("type", i.Type)
	o.some("principalId", i.PrincipalID)
	o.some("arn", i.ARN)
	o.some("accountId", i.AccountID)
	o.some("accessKeyId", i.AccessKeyID)
	o.some("userName", i.UserName)
	if c := i.SessionContext; c != nil {
		session := o.open("sessionContext")
		if s := c.SessionIssuer; s != nil {
			issuer := o.open("sessionIssuer")
			o.text("type", s.Type)
			o.text("principalId", s.PrincipalID)
			o.text("arn", s.ARN)
			o.text("accountId", s.AccountID)
			o.text("userName", s.UserName)
			issuer()
		}
		attributes := o.open("attributes")
		o.text("creationDate", c.Attributes.CreationDate)
		o.text("mfaAuthenticated", c.Attributes.MFAAuthenticated)
		attributes()
		o.some("sourceIdentity", c.SourceIdentity)
		session()
	}
	o.some("invokedBy", i.InvokedBy)
	o.some("identityProvider", i.IdentityProvider)
	done()
}
