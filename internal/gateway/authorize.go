package gateway

import (
	"net/http"
	"strconv"

	"darkroom/internal/iam"
)

// authorize asks every check of op, in order. An operation without checks is denied: nobody said what it
// needs, unless it says itself that it needs nothing.
func (g *Gateway) authorize(r *http.Request, x *exchange, op *Operation) error {
	if op.AnyCaller && len(op.Checks) == 0 && op.Serve != nil && x.principal.Type != 0 {
		return nil
	}
	if len(op.Checks) == 0 || op.AnyCaller || op.Serve == nil {
		return &iam.Denied{Principal: x.principal, Check: iam.Check{Action: x.service.Name() + ":" + op.Name, Resource: "*"}}
	}
	ask := iam.Request{Principal: x.principal, Now: g.now(), Context: g.conditionContext(r, x)}
	for _, c := range op.Checks {
		ask.Check = c
		if d := iam.Authorize(&ask); !d.Allowed() {
			x.explained = g.explain(&ask, d)
			return &iam.Denied{Principal: x.principal, Check: c, Decision: d}
		}
	}
	return nil
}

// conditionContext collects the condition keys that are known of every request; those of the principal and of the resource are found by iam.
func (g *Gateway) conditionContext(r *http.Request, x *exchange) iam.Context {
	var c iam.Context
	c.Set("aws:RequestedRegion", g.region)
	c.Set("aws:SecureTransport", strconv.FormatBool(x.secure))
	c.Set("aws:ViaAWSService", strconv.FormatBool(x.internal))
	if agent := r.UserAgent(); agent != "" {
		c.Set("aws:UserAgent", agent)
	}
	if x.sourceIP != "" {
		c.Set("aws:SourceIp", x.sourceIP)
	}
	return c
}
