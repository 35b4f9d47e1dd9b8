package siem

import (
	"strings"
	"time"

	"darkroom/internal/arn"
	"darkroom/internal/audit"
)

// ecsVersion is the version of ECS whose fields are written.
const ecsVersion = "8.17.0"

type object = map[string]any

// put sets a field that has something to say. Names have dots where fields are nested.
func put(o object, name string, value any) {
	switch v := value.(type) {
	case string:
		if v == "" {
			return
		}
	case []string:
		if len(v) == 0 {
			return
		}
	case nil:
		return
	}
	for {
		head, rest, nested := strings.Cut(name, ".")
		if !nested {
			o[name] = value
			return
		}
		inner, ok := o[head].(object)
		if !ok {
			inner = object{}
			o[head] = inner
		}
		o, name = inner, rest
	}
}

// ecs writes a record as an event of ECS ("ECS Field Reference"). What ECS has no field for stands in event.original, which is the whole record.
func ecs(e audit.Entry, r audit.Record, unreadable error) object {
	o := object{}
	put(o, "ecs.version", ecsVersion)
	put(o, "event.module", "darkroom")
	put(o, "event.dataset", "darkroom.audit")
	put(o, "event.sequence", e.Position)
	put(o, "event.original", string(e.Text))
	put(o, "service.name", "darkroom")
	put(o, "service.type", "darkroom")
	put(o, "cloud.provider", "darkroom")
	put(o, "cloud.account.id", e.Account)
	if unreadable != nil {
		put(o, "@timestamp", time.Unix(0, 0).UTC().Format(time.RFC3339))
		put(o, "event.kind", "pipeline_error")
		put(o, "message", "a record of the audit trail cannot be read")
		return o
	}
	put(o, "@timestamp", r.EventTime.UTC().Format(time.RFC3339))
	put(o, "message", sentence(&r))
	put(o, "event.kind", "event")
	put(o, "event.id", r.EventID)
	put(o, "event.action", r.EventName)
	put(o, "event.provider", r.EventSource)
	ecsKind(o, &r)
	put(o, "event.outcome", ecsOutcome(r.Outcome()))
	put(o, "event.code", r.ErrorCode)
	put(o, "event.reason", r.ErrorMessage)
	put(o, "error.code", r.ErrorCode)
	put(o, "error.message", r.ErrorMessage)
	put(o, "cloud.region", r.AWSRegion)
	put(o, "cloud.service.name", service(&r))
	put(o, "http.request.id", r.RequestID)
	if n, ok := number(r.AdditionalEventData["bytesTransferredIn"]); ok {
		put(o, "http.request.body.bytes", n)
	}
	if n, ok := number(r.AdditionalEventData["bytesTransferredOut"]); ok {
		put(o, "http.response.body.bytes", n)
	}
	put(o, "user_agent.original", r.UserAgent)
	ecsUser(o, &r)
	put(o, "source.address", r.SourceIPAddress)
	if ip, ok := address(r.SourceIPAddress); ok {
		put(o, "source.ip", ip)
		put(o, "related.ip", []string{ip})
	}
	if t := r.TLSDetails; t != nil {
		put(o, "tls.version", strings.TrimPrefix(t.TLSVersion, "TLSv"))
		put(o, "tls.version_protocol", "tls")
		put(o, "tls.cipher", t.CipherSuite)
		put(o, "tls.client.server_name", t.ClientProvidedHostHeader)
	}
	var resources []string
	for _, on := range r.Resources {
		resources = append(resources, on.ARN)
		if a, err := arn.Parse(on.ARN); err == nil && a.Service == "s3" && o["file"] == nil {
			if _, key, ok := strings.Cut(a.Resource, "/"); ok {
				put(o, "file.path", key)
			}
		}
	}
	put(o, "darkroom.resources", resources) // a field of our own
	return o
}

// ecsKind sets the categories and types, and what a kind of record has of its own.
func ecsKind(o object, r *audit.Record) {
	var categories, types []string
	verdict := func(yes, no string) {
		switch r.Outcome() {
		case audit.Denied:
			types = append(types, no)
		case audit.Granted, audit.Connected:
			types = append(types, yes)
		}
	}
	switch kindOf(r) {
	case alert:
		put(o, "event.kind", "alert")
		put(o, "rule.name", text(r.AdditionalEventData["rule"]))
		put(o, "rule.ruleset", "darkroom.audit")
		categories, types = []string{"intrusion_detection"}, []string{"info"}
	case signIn:
		categories, types = []string{"authentication"}, []string{"start"}
	case connection:
		categories, types = []string{"network"}, []string{"connection"}
		verdict("allowed", "denied")
		d := r.ServiceEventDetails.Dial
		put(o, "network.direction", "egress")
		put(o, "network.transport", "tcp")
		put(o, "destination.address", d.Host)
		put(o, "destination.port", d.Port)
		if ip, ok := address(d.Host); ok {
			put(o, "destination.ip", ip)
		} else {
			put(o, "destination.domain", d.Host)
		}
		if ip, ok := address(host(d.Address)); ok {
			put(o, "destination.ip", ip)
		}
		put(o, "event.reason", r.ServiceEventDetails.Reason)
	default:
		categories = []string{"api"}
		switch {
		case service(r) == "iam":
			categories = append(categories, "iam")
		case service(r) == "s3" && r.EventCategory == audit.Data:
			categories = append(categories, "file")
		case !r.ReadOnly:
			categories = append(categories, "configuration")
		}
		types = []string{map[deed]string{reads: "access", creates: "creation", changes: "change", deletes: "deletion"}[deedOf(r)]}
		verdict("allowed", "denied")
	}
	put(o, "event.category", categories)
	put(o, "event.type", types)
}

func ecsOutcome(o audit.Outcome) string {
	switch o {
	case audit.Granted, audit.Connected:
		return "success"
	case audit.Denied, audit.Failed:
		return "failure"
	}
	return "unknown"
}

func ecsUser(o object, r *audit.Record) {
	i := r.UserIdentity
	name := i.User()
	id := i.PrincipalID
	if id == "" {
		id = i.ARN
	}
	put(o, "user.id", id)
	put(o, "user.name", name)
	put(o, "user.domain", i.AccountID)
	if s := i.SessionContext; s != nil && s.SessionIssuer != nil {
		put(o, "user.roles", []string{s.SessionIssuer.ARN})
	}
	var related []string
	for _, n := range []string{name, i.ARN} {
		if n != "" {
			related = append(related, n)
		}
	}
	put(o, "related.user", related)
}

// host is the address before the port of an "address:port", or the whole.
func host(s string) string {
	if i := strings.LastIndexByte(s, ':'); i > 0 {
		if _, ok := address(s); !ok {
			return strings.Trim(s[:i], "[]")
		}
	}
	return s
}
