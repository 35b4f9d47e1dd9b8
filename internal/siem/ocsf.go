package siem

import (
	"encoding/json"
	"time"

	"darkroom/internal/audit"
)

// ocsfVersion is the version of OCSF whose classes are written.
const ocsfVersion = "1.7.0"

// class is a class of OCSF, and the category that it is of.
type class struct {
	uid, category      int
	name, categoryName string
}

var (
	apiActivity     = class{6003, 6, "API Activity", "Application Activity"}
	authentication  = class{3002, 3, "Authentication", "Identity & Access Management"}
	networkActivity = class{4001, 4, "Network Activity", "Network Activity"}
)

// ocsf writes a record as an event of OCSF: Authentication for those who get a session, Network Activity for connections, API Activity for everything else.
func ocsf(e audit.Entry, r audit.Record, unreadable error) object {
	o := object{}
	if unreadable != nil {
		r = audit.Record{EventName: "UnreadableRecord", RecipientAccountID: e.Account, EventTime: time.Unix(0, 0), ErrorCode: "UnreadableRecord"}
		put(o, "raw_data", string(e.Text))
	}
	k := kindOf(&r)
	c, activity, activityName := classify(&r, k)
	put(o, "category_uid", c.category)
	put(o, "category_name", c.categoryName)
	put(o, "class_uid", c.uid)
	put(o, "class_name", c.name)
	put(o, "activity_id", activity)
	put(o, "activity_name", activityName)
	put(o, "type_uid", c.uid*100+activity)
	put(o, "type_name", c.name+": "+activityName)
	put(o, "time", r.EventTime.UnixMilli())
	put(o, "message", sentence(&r))
	severity(o, &r, k)
	status(o, &r)
	put(o, "metadata.version", ocsfVersion)
	put(o, "metadata.product.name", product)
	put(o, "metadata.product.vendor_name", product)
	put(o, "metadata.profiles", []string{"cloud"})
	put(o, "metadata.log_name", "audit")
	put(o, "metadata.log_provider", product)
	put(o, "metadata.log_version", r.EventVersion)
	put(o, "metadata.uid", r.EventID)
	put(o, "metadata.correlation_uid", r.RequestID)
	put(o, "metadata.event_code", r.EventName)
	put(o, "metadata.sequence", e.Position)
	put(o, "metadata.tenant_uid", e.Account)
	put(o, "metadata.original_time", r.EventTime.UTC().Format(time.RFC3339))
	put(o, "cloud.provider", product)
	put(o, "cloud.region", r.AWSRegion)
	if e.Account != "" {
		put(o, "cloud.account.uid", e.Account)
		put(o, "cloud.account.type_id", 10)
		put(o, "cloud.account.type", "AWS Account")
	}
	unmapped := object{}
	put(unmapped, "eventCategory", r.EventCategory)
	put(unmapped, "readOnly", r.ReadOnly)
	if len(r.AdditionalEventData) > 0 {
		put(unmapped, "additionalEventData", r.AdditionalEventData)
	}
	if t := r.TLSDetails; t != nil {
		put(unmapped, "tlsDetails", t)
	}
	switch k {
	case connection:
		network(o, unmapped, &r)
	case signIn:
		logon(o, unmapped, &r)
	default:
		invocation(o, &r)
	}
	put(o, "unmapped", unmapped)
	return o
}

func classify(r *audit.Record, k kind) (c class, activity int, name string) {
	switch k {
	case signIn:
		return authentication, 1, "Logon"
	case connection:
		switch r.Outcome() {
		case audit.Connected:
			return networkActivity, 1, "Open"
		case audit.Failed:
			return networkActivity, 4, "Fail"
		case audit.Denied:
			return networkActivity, 5, "Refuse"
		}
		return networkActivity, 99, "Intend"
	case alert:
		return apiActivity, 99, "Alert"
	}
	switch deedOf(r) {
	case creates:
		return apiActivity, 1, "Create"
	case changes:
		return apiActivity, 3, "Update"
	case deletes:
		return apiActivity, 4, "Delete"
	}
	return apiActivity, 2, "Read"
}

func severity(o object, r *audit.Record, k kind) {
	id, name := 1, "Informational"
	switch {
	case k == alert:
		id, name = 4, "High"
	case r.Outcome() == audit.Denied:
		id, name = 3, "Medium"
	case r.Outcome() == audit.Failed, r.Outcome() == audit.Interrupted:
		id, name = 2, "Low"
	}
	put(o, "severity_id", id)
	put(o, "severity", name)
}

func status(o object, r *audit.Record) {
	id, name := 0, "Unknown"
	switch r.Outcome() {
	case audit.Granted, audit.Connected:
		id, name = 1, "Success"
	case audit.Denied, audit.Failed:
		id, name = 2, "Failure"
	}
	put(o, "status_id", id)
	put(o, "status", name)
	put(o, "status_code", r.ErrorCode)
	put(o, "status_detail", r.ErrorMessage)
	if e := r.ServiceEventDetails; e != nil && r.ErrorMessage == "" {
		put(o, "status_detail", e.Reason)
	}
}

// user is the object User of an identity.
func user(i audit.Identity) object {
	u := object{}
	id, name := 1, "User"
	switch i.Type {
	case "Root":
		id, name = 2, "Admin"
	case "AWSService":
		id, name = 4, "Service"
	case "Unknown", "":
		id, name = 0, "Unknown"
	}
	put(u, "type_id", id)
	put(u, "type", name)
	put(u, "name", i.User())
	put(u, "uid", i.PrincipalID)
	put(u, "uid_alt", i.ARN)
	if u["name"] == nil && u["uid"] == nil {
		put(u, "name", "unknown")
		put(u, "uid", i.ARN)
	}
	if i.AccountID != "" {
		put(u, "account.uid", i.AccountID)
		put(u, "account.type_id", 10)
		put(u, "account.type", "AWS Account")
	}
	return u
}

// session is the object Session of an identity with temporary credentials, or nil.
func session(r *audit.Record) object {
	i := r.UserIdentity
	s := object{}
	put(s, "credential_uid", i.AccessKeyID)
	if c := i.SessionContext; c != nil {
		if t, err := time.Parse(time.RFC3339, c.Attributes.CreationDate); err == nil {
			put(s, "created_time", t.UnixMilli())
		}
		put(s, "is_mfa", c.Attributes.MFAAuthenticated == "true")
		if c.SessionIssuer != nil {
			put(s, "issuer", c.SessionIssuer.ARN)
		}
	}
	if len(s) == 0 {
		return nil
	}
	return s
}

func actor(r *audit.Record) object {
	a := object{"user": user(r.UserIdentity)}
	if s := session(r); s != nil {
		put(a, "session", s)
	}
	if p := r.UserIdentity.IdentityProvider; p != "" {
		put(a, "idp.name", p)
	}
	put(a, "app_name", r.UserIdentity.InvokedBy)
	return a
}

// source is the object Network Endpoint of who asked.
func source(r *audit.Record) object {
	s := object{}
	if ip, ok := address(r.SourceIPAddress); ok {
		put(s, "ip", ip)
	} else {
		put(s, "svc_name", r.SourceIPAddress)
	}
	if len(s) == 0 {
		put(s, "svc_name", "unknown")
	}
	return s
}

// invocation fills in API Activity.
func invocation(o object, r *audit.Record) {
	put(o, "actor", actor(r))
	put(o, "src_endpoint", source(r))
	put(o, "api.operation", r.EventName)
	put(o, "api.service.name", r.EventSource)
	if r.EventSource == "" {
		put(o, "api.service.name", "unknown")
	}
	put(o, "api.version", r.APIVersion)
	if r.RequestID != "" {
		put(o, "api.request.uid", r.RequestID)
		if given(r.RequestParameters) {
			put(o, "api.request.data", r.RequestParameters)
		}
	}
	put(o, "api.response.error", r.ErrorCode)
	put(o, "api.response.error_message", r.ErrorMessage)
	if given(r.ResponseElements) {
		put(o, "api.response.data", r.ResponseElements)
	}
	put(o, "http_request.user_agent", r.UserAgent)
	if resources := resourcesOf(r); len(resources) > 0 {
		put(o, "resources", resources)
	}
}

func given(raw json.RawMessage) bool { return len(raw) > 0 && string(raw) != "null" }

func resourcesOf(r *audit.Record) []object {
	var out []object
	for _, on := range r.Resources {
		res := object{"uid": on.ARN, "role_id": 1, "role": "Target"}
		put(res, "type", on.Type)
		if on.AccountID != "" {
			put(res, "owner.account.uid", on.AccountID)
		}
		out = append(out, res)
	}
	return out
}

// logon fills in Authentication.
func logon(o, unmapped object, r *audit.Record) {
	put(o, "user", user(r.UserIdentity))
	put(o, "actor", actor(r))
	put(o, "src_endpoint", source(r))
	put(o, "service.name", r.EventSource)
	if r.EventSource == "" {
		put(o, "service.name", "unknown")
	}
	put(o, "is_mfa", WithMFA(r))
	put(o, "is_remote", true)
	put(o, "logon_type_id", 3)
	put(o, "logon_type", "Network")
	protocol, name := 99, "Signature Version 4"
	if r.UserIdentity.Type == "WebIdentityUser" {
		protocol, name = 4, "OpenID"
	}
	put(o, "auth_protocol_id", protocol)
	put(o, "auth_protocol", name)
	put(o, "http_request.user_agent", r.UserAgent)
	if s := session(r); s != nil {
		put(o, "session", s)
	}
	put(unmapped, "eventName", r.EventName)
	if given(r.RequestParameters) {
		put(unmapped, "requestParameters", r.RequestParameters)
	}
	if resources := resourcesOf(r); len(resources) > 0 {
		put(unmapped, "resources", resources)
	}
}

// network fills in Network Activity.
func network(o, unmapped object, r *audit.Record) {
	d := r.ServiceEventDetails.Dial
	put(o, "src_endpoint.svc_name", product)
	put(o, "connection_info.direction_id", 2)
	put(o, "connection_info.direction", "Outbound")
	put(o, "connection_info.protocol_name", "tcp")
	put(o, "connection_info.protocol_num", 6)
	if ip, ok := address(d.Host); ok {
		put(o, "dst_endpoint.ip", ip)
	} else {
		put(o, "dst_endpoint.hostname", d.Host)
		if d.Host == "" {
			put(o, "dst_endpoint.name", "unknown")
		}
	}
	if ip, ok := address(host(d.Address)); ok {
		put(o, "dst_endpoint.ip", ip)
	}
	put(o, "dst_endpoint.port", d.Port)
	put(unmapped, "purpose", d.Purpose)
	put(unmapped, "actor", actor(r))
	if resources := resourcesOf(r); len(resources) > 0 {
		put(unmapped, "resources", resources)
	}
}
