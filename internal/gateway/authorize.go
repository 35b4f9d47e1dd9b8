package gateway

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"darkroom/internal/iam"
)

// authorize asks every check of op, in order. An operation without checks is denied: nobody said what it needs.
func (g *Gateway) authorize(r *http.Request, x *exchange, op *Operation) error {
	if len(op.Checks) == 0 || op.Serve == nil {
		return &iam.Denied{Principal: x.principal, Check: iam.Check{Action: x.service.Name() + ":" + op.Name, Resource: "*"}}
	}
	ctx := g.conditionContext(r, x, op)
	for _, c := range op.Checks {
		if d := iam.Authorize(x.principal, c, ctx); !d.Allowed() {
			return &iam.Denied{Principal: x.principal, Check: c, Decision: d}
		}
	}
	return nil
}

// conditionContext collects the condition keys of a request. A key of the operation that is spelled like one of ours is left out.
func (g *Gateway) conditionContext(r *http.Request, x *exchange, op *Operation) iam.Context {
	now := g.now().UTC()
	types := map[iam.PrincipalType]string{iam.Root: "Account", iam.User: "User", iam.AssumedRole: "AssumedRole"}
	ctx := iam.Context{
		"aws:CurrentTime":      {now.Format(time.RFC3339)},
		"aws:EpochTime":        {strconv.FormatInt(now.Unix(), 10)},
		"aws:PrincipalAccount": {x.principal.Account},
		"aws:PrincipalArn":     {x.principal.ARN},
		"aws:PrincipalType":    {types[x.principal.Type]},
		"aws:RequestedRegion":  {g.region},
		"aws:SecureTransport":  {strconv.FormatBool(x.secure)},
		"aws:UserAgent":        {r.UserAgent()},
		"aws:ViaAWSService":    {strconv.FormatBool(x.internal)},
		"aws:userid":           {x.principal.UserID},
	}
	ours := []string{"aws:SourceIp"}
	for k := range ctx {
		ours = append(ours, k)
	}
	if x.sourceIP != "" {
		ctx["aws:SourceIp"] = []string{x.sourceIP}
	}
	for k, v := range op.Context {
		if !slices.ContainsFunc(ours, func(o string) bool { return strings.EqualFold(o, k) }) {
			ctx[k] = v
		}
	}
	return ctx
}
