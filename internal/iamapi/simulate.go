package iamapi

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"

	sdk "github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"darkroom/internal/iam"
	"darkroom/internal/identity"
	"darkroom/internal/queryapi"
)

// maxLooked is how often a statement is looked at for one page of a simulation: for each action, on each resource, in each policy. A page with
// more to look at is shorter than was asked for.
const maxLooked = 1 << 18

// fromGuardRail marks the service control policies of the account, whose statements are not told.
const fromGuardRail iam.SourceType = "service-control-policy"

// simulations are the operations that say what policies would decide. They carry nothing out, and they see the time only where it is given to them.
//
// Not offered are ResourceHandlingOption, which is about EC2, and the choice of other policies of the organization and of fewer of the principal's.
func (s *server) simulations() map[string]queryapi.Operation {
	return map[string]queryapi.Operation{
		"SimulateCustomPolicy": queryapi.Op(all[sdk.SimulateCustomPolicyInput]("SimulateCustomPolicy"), s.simulateCustom),
		"SimulatePrincipalPolicy": queryapi.Op(func(ctx context.Context, caller iam.Principal, in *sdk.SimulatePrincipalPolicyInput) ([]iam.Check, error) {
			v, err := s.people.View(ctx, caller.Account)
			if err != nil {
				return nil, err
			}
			return onARN(v, "SimulatePrincipalPolicy", value(in.PolicySourceArn)), nil
		}, s.simulatePrincipal),
		"GetContextKeysForCustomPolicy": queryapi.Op(all[sdk.GetContextKeysForCustomPolicyInput]("GetContextKeysForCustomPolicy"), s.contextKeysCustom),
		"GetContextKeysForPrincipalPolicy": queryapi.Op(func(ctx context.Context, caller iam.Principal, in *sdk.GetContextKeysForPrincipalPolicyInput) ([]iam.Check, error) {
			v, err := s.people.View(ctx, caller.Account)
			if err != nil {
				return nil, err
			}
			return onARN(v, "GetContextKeysForPrincipalPolicy", value(in.PolicySourceArn)), nil
		}, s.contextKeysPrincipal),
	}
}

// without refuses a parameter that is given and not offered.
func without(name string, given bool) error {
	if given {
		return queryapi.Errorf(http.StatusNotImplemented, "NotImplemented", "Not offered by this installation: %s.", name)
	}
	return nil
}

// inputs reads the policies of a request, which are called by the parameter and their number.
func inputs(kind iam.Kind, parameter string, documents []string) ([]*iam.Policy, error) {
	out := []*iam.Policy{}
	for i, document := range documents {
		name := fmt.Sprintf("%s.%d", parameter, i+1)
		p, err := iam.Parse(kind, name, document)
		if err != nil {
			return nil, invalidInput("%s: %v", name, err)
		}
		out = append(out, p)
	}
	return out, nil
}

// parameters are what both simulations are given.
type parameters struct {
	boundary  []string
	actions   []string
	resources []string
	policy    *string
	owner     *string
	entries   []types.ContextEntry
	marker    *string
	maxItems  *int32
}

// simulateCustom simulates policies that nobody has. Who asks is what the ARN of CallerArn says of them and no more: what is there is not looked up.
func (s *server) simulateCustom(_ context.Context, _ iam.Principal, in *sdk.SimulateCustomPolicyInput) (any, error) {
	if err := without("ResourceHandlingOption", in.ResourceHandlingOption != nil); err != nil {
		return nil, err
	}
	if err := without("OrderedOrganizationPolicyInputList", len(in.OrderedOrganizationPolicyInputList) > 0); err != nil {
		return nil, err
	}
	var who iam.Principal
	var err error
	if in.CallerArn != nil {
		who, err = called(*in.CallerArn)
	} else if in.ResourcePolicy != nil {
		err = invalidInput("CallerArn is needed with a ResourcePolicy: its Principal element is compared with it.")
	}
	if err != nil {
		return nil, err
	}
	if who.Policies, err = inputs(iam.IdentityPolicy, "PolicyInputList", in.PolicyInputList); err != nil {
		return nil, err
	}
	found, next, err := simulate(&iam.Simulation{Principal: who, Origins: make(map[*iam.Policy]iam.Origin)}, parameters{
		in.PermissionsBoundaryPolicyInputList, in.ActionNames, in.ResourceArns, in.ResourcePolicy, in.ResourceOwner, in.ContextEntries, in.Marker, in.MaxItems,
	})
	if err != nil {
		return nil, err
	}
	return &sdk.SimulateCustomPolicyOutput{EvaluationResults: found, Marker: next, IsTruncated: next != nil}, nil
}

// simulatePrincipal simulates what somebody has: the permissions boundary and the guard rails of the account bound it. Another CallerArn makes
// the policies those of whom it names, and nothing else of them is looked up.
func (s *server) simulatePrincipal(ctx context.Context, caller iam.Principal, in *sdk.SimulatePrincipalPolicyInput) (any, error) {
	if err := without("ResourceHandlingOption", in.ResourceHandlingOption != nil); err != nil {
		return nil, err
	}
	if err := without("PolicyExclusionList", len(in.PolicyExclusionList) > 0); err != nil {
		return nil, err
	}
	v, err := s.people.View(ctx, caller.Account)
	if err != nil {
		return nil, err
	}
	e, err := source(v, *in.PolicySourceArn)
	if err != nil {
		return nil, err
	}
	who, origins := granted(v, e)
	who.GuardRails = caller.GuardRails // of the account, which is the same
	for _, p := range who.GuardRails {
		origins[p] = iam.Origin{Type: fromGuardRail}
	}
	if in.CallerArn != nil && *in.CallerArn != *in.PolicySourceArn {
		other, err := called(*in.CallerArn)
		if err != nil {
			return nil, err
		}
		other.Policies, other.Boundary, other.GuardRails = who.Policies, who.Boundary, who.GuardRails
		who = other
	} else if in.ResourcePolicy != nil && who.Type == 0 {
		return nil, invalidInput("CallerArn is needed with a ResourcePolicy and a group: a group is no principal.")
	}
	more, err := inputs(iam.IdentityPolicy, "PolicyInputList", in.PolicyInputList)
	if err != nil {
		return nil, err
	}
	who.Policies = slices.Concat(who.Policies, more)
	found, next, err := simulate(&iam.Simulation{Principal: who, Origins: origins}, parameters{
		in.PermissionsBoundaryPolicyInputList, in.ActionNames, in.ResourceArns, in.ResourcePolicy, in.ResourceOwner, in.ContextEntries, in.Marker, in.MaxItems,
	})
	if err != nil {
		return nil, err
	}
	return &sdk.SimulatePrincipalPolicyOutput{EvaluationResults: found, Marker: next, IsTruncated: next != nil}, nil
}

// source finds the user, group or role whose policies a request is about.
func source(v *identity.View, name string) (*identity.Entity, error) {
	rest, ok := strings.CutPrefix(name, "arn:aws:iam::"+v.Account()+":")
	kind, path, found := strings.Cut(rest, "/")
	k := identity.Kind(kind)
	if !ok || !found || path == "" || k != identity.User && k != identity.Group && k != identity.Role {
		return nil, invalidInput("Invalid Entity Arn: %s does not clearly define entity type and name.", name)
	}
	e := v.ByARN(name)
	if e == nil {
		return nil, noSuch(k, path[strings.LastIndexByte(path, '/')+1:])
	}
	return e, nil
}

// granted is an entity as a decision sees it, and where its policies come from. A group is nobody who has its policies.
func granted(v *identity.View, e *identity.Entity) (iam.Principal, map[*iam.Policy]iam.Origin) {
	origins := make(map[*iam.Policy]iam.Origin)
	managed := func(p *iam.Policy, arn string) {
		origins[p] = iam.Origin{ID: arn[strings.LastIndexByte(arn, '/')+1:], Type: iam.FromUserManaged}
		if identity.IsAWSManaged(arn) {
			origins[p] = iam.Origin{ID: origins[p].ID, Type: iam.FromAWSManaged}
		}
	}
	from := func(e *identity.Entity) {
		names := slices.Sorted(maps.Keys(e.Inline))
		for i, p := range v.Policies(e) { // inline by name, then attached
			if i < len(names) {
				origins[p] = iam.Origin{ID: string(e.Kind) + "_" + e.Name + "_" + names[i], Type: iam.SourceType(e.Kind)}
			} else {
				managed(p, e.Attached[i-len(names)])
			}
		}
	}
	from(e)
	for _, id := range e.Groups {
		if g := v.ByID(identity.Group, id); g != nil {
			from(g)
		}
	}
	if e.Kind == identity.Group {
		return iam.Principal{Account: v.Account(), Policies: v.Policies(e)}, origins
	}
	who := v.Principal(e)
	if who.Boundary != nil {
		managed(who.Boundary, e.Boundary)
	}
	return who, origins
}

// called is a principal of whom nothing is known but the ARN. A group is nobody.
func called(name string) (iam.Principal, error) {
	parts := strings.SplitN(name, ":", 6)
	if len(parts) == 6 && strings.HasPrefix(name, "arn:aws:iam::") && isAccount(parts[4]) {
		kind, path, _ := strings.Cut(parts[5], "/")
		p := iam.Principal{Account: parts[4], ARN: name}
		switch last := path[strings.LastIndexByte(path, '/')+1:]; {
		case last == "":
		case kind == "user":
			p.Type, p.Name = iam.User, last
			return p, nil
		case kind == "role":
			p.Type, p.RoleARN = iam.AssumedRole, name
			return p, nil
		case kind == "group":
			return iam.Principal{Account: parts[4]}, nil
		}
	}
	return iam.Principal{}, invalidInput("Invalid Entity Arn: %s does not clearly define entity type and name.", name)
}

func isAccount(id string) bool { return len(id) == 12 && strings.Trim(id, "0123456789") == "" }

// simulate decides one page of actions, each on all resources.
func simulate(run *iam.Simulation, in parameters) (found []types.EvaluationResult, next *string, err error) {
	if len(in.boundary) > 1 {
		return nil, nil, invalidInput("PermissionsBoundaryPolicyInputList has %d policies; allowed: 1", len(in.boundary))
	}
	boundaries, err := inputs(iam.IdentityPolicy, "PermissionsBoundaryPolicyInputList", in.boundary)
	if err != nil {
		return nil, nil, err
	}
	if len(boundaries) == 1 {
		run.Principal.Boundary = boundaries[0]
	}
	if in.policy != nil {
		if run.Policy, err = iam.Parse(iam.ResourcePolicy, "ResourcePolicy", *in.policy); err != nil {
			return nil, nil, invalidInput("ResourcePolicy: %v", err)
		}
	}
	if in.owner != nil {
		account, ok := strings.CutPrefix(*in.owner, "arn:aws:iam::")
		account, root := strings.CutSuffix(account, ":root")
		if !ok || !root || !isAccount(account) {
			return nil, nil, invalidInput("Invalid ResourceOwner: %s is not the ARN of an account.", *in.owner)
		}
		run.Owner = account
	}
	for _, e := range in.entries {
		run.Context = append(run.Context, iam.ContextEntry{Key: value(e.ContextKeyName), Type: string(e.ContextKeyType), Values: e.ContextKeyValues})
	}
	if run.Resources = in.resources; len(run.Resources) == 0 {
		run.Resources = []string{"*"}
	}
	if len(in.actions) == 0 {
		return nil, nil, invalidInput("ActionNames has no action.")
	}

	begin := 0
	if in.marker != nil {
		if begin, err = strconv.Atoi(*in.marker); err != nil || begin < 0 || begin > len(in.actions) {
			return nil, nil, invalid("Invalid Marker.")
		}
	}
	statements := 1
	for _, p := range slices.Concat(run.Principal.Policies, run.Principal.GuardRails, []*iam.Policy{run.Principal.Boundary, run.Policy}) {
		if p != nil {
			statements += len(p.Statements)
		}
	}
	limit := defaultPage
	if in.maxItems != nil {
		limit = min(int(*in.maxItems), maxPage)
	}
	if limit = min(limit, iam.MaxSimulated/len(run.Resources), maxLooked/statements/len(run.Resources)); limit == 0 {
		return nil, nil, invalidInput("%d statements on %d resources are too many to simulate at once.", statements, len(run.Resources))
	}
	end := min(begin+limit, len(in.actions))
	found = []types.EvaluationResult{}
	if begin == end {
		return found, nil, nil
	}
	run.Actions = in.actions[begin:end]
	decided, err := iam.Simulate(run)
	if err != nil {
		return nil, nil, invalidInput("%v", err)
	}
	for one := range slices.Chunk(decided, len(run.Resources)) {
		found = append(found, evaluated(one))
	}
	if end < len(in.actions) {
		next = ptr(strconv.Itoa(end))
	}
	return found, next, nil
}

// evaluated unites what was decided of one action on each resource: the most restrictive decision, and what led to it. The resource of the whole
// would be the form of the ARN of the action's resources, which is not known here: it is "*".
func evaluated(all []iam.Simulated) types.EvaluationResult {
	out := types.EvaluationResult{EvalActionName: &all[0].Action, EvalResourceName: ptr("*"), MatchedStatements: []types.Statement{}, MissingContextValues: []string{}}
	verdict := iam.VerdictAllowed
	for _, one := range all {
		if one.Verdict == iam.VerdictExplicitDeny || verdict == iam.VerdictAllowed {
			verdict = one.Verdict
		}
	}
	out.EvalDecision = types.PolicyEvaluationDecisionType(verdict)
	for _, one := range all {
		statements := matched(one)
		if one.Verdict == verdict {
			for _, st := range statements {
				if !slices.ContainsFunc(out.MatchedStatements, func(have types.Statement) bool { return same(have, st) }) {
					out.MatchedStatements = append(out.MatchedStatements, st)
				}
			}
		}
		for _, key := range one.Missing {
			if !slices.Contains(out.MissingContextValues, key) {
				out.MissingContextValues = append(out.MissingContextValues, key)
			}
		}
		specific := types.ResourceSpecificResult{
			EvalResourceDecision: types.PolicyEvaluationDecisionType(one.Verdict), EvalResourceName: &one.Resource, MatchedStatements: statements, MissingContextValues: one.Missing,
		}
		if allowed := one.AllowedByBoundary; allowed != nil {
			specific.PermissionsBoundaryDecisionDetail = &types.PermissionsBoundaryDecisionDetail{AllowedByPermissionsBoundary: *allowed}
			if out.PermissionsBoundaryDecisionDetail == nil {
				out.PermissionsBoundaryDecisionDetail = &types.PermissionsBoundaryDecisionDetail{AllowedByPermissionsBoundary: true}
			}
			out.PermissionsBoundaryDecisionDetail.AllowedByPermissionsBoundary = out.PermissionsBoundaryDecisionDetail.AllowedByPermissionsBoundary && *allowed
		}
		if allowed := one.AllowedByGuardRails; allowed != nil {
			if out.OrganizationsDecisionDetail == nil {
				out.OrganizationsDecisionDetail = &types.OrganizationsDecisionDetail{AllowedByOrganizations: true}
			}
			out.OrganizationsDecisionDetail.AllowedByOrganizations = out.OrganizationsDecisionDetail.AllowedByOrganizations && *allowed
		}
		if len(all) > 1 || one.Resource != "*" {
			out.ResourceSpecificResults = append(out.ResourceSpecificResults, specific)
		}
	}
	return out
}

// matched are the statements that led to a decision, without those of guard rails.
func matched(one iam.Simulated) []types.Statement {
	out := []types.Statement{}
	for _, m := range one.Matched {
		if m.Origin.Type == fromGuardRail {
			continue
		}
		out = append(out, types.Statement{
			SourcePolicyId: ptr(m.Origin.ID), SourcePolicyType: types.PolicySourceType(m.Origin.Type),
			StartPosition: &types.Position{Line: int32(m.Start.Line), Column: int32(m.Start.Column)},
			EndPosition:   &types.Position{Line: int32(m.End.Line), Column: int32(m.End.Column)},
		})
	}
	return out
}

// same says whether two statements are one.
func same(a, b types.Statement) bool {
	return *a.SourcePolicyId == *b.SourcePolicyId && a.SourcePolicyType == b.SourcePolicyType && *a.StartPosition == *b.StartPosition && *a.EndPosition == *b.EndPosition
}

func (s *server) contextKeysCustom(_ context.Context, _ iam.Principal, in *sdk.GetContextKeysForCustomPolicyInput) (any, error) {
	all, err := inputs(iam.IdentityPolicy, "PolicyInputList", in.PolicyInputList)
	if err != nil {
		return nil, err
	}
	return &sdk.GetContextKeysForCustomPolicyOutput{ContextKeyNames: contextKeys(all)}, nil
}

func (s *server) contextKeysPrincipal(ctx context.Context, caller iam.Principal, in *sdk.GetContextKeysForPrincipalPolicyInput) (any, error) {
	v, err := s.people.View(ctx, caller.Account)
	if err != nil {
		return nil, err
	}
	e, err := source(v, *in.PolicySourceArn)
	if err != nil {
		return nil, err
	}
	more, err := inputs(iam.IdentityPolicy, "PolicyInputList", in.PolicyInputList)
	if err != nil {
		return nil, err
	}
	who, _ := granted(v, e)
	return &sdk.GetContextKeysForPrincipalPolicyOutput{ContextKeyNames: contextKeys(slices.Concat(who.Policies, more))}, nil
}

// contextKeys are the condition keys of policies, each once, in order.
func contextKeys(all []*iam.Policy) []string {
	out := []string{}
	for _, p := range all {
		for _, key := range iam.ContextKeys(p) {
			if !slices.ContainsFunc(out, func(have string) bool { return strings.EqualFold(have, key) }) {
				out = append(out, key)
			}
		}
	}
	slices.SortFunc(out, func(a, b string) int { return strings.Compare(strings.ToLower(a), strings.ToLower(b)) })
	return out
}
