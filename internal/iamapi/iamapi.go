// Package iamapi speaks the API of AWS Identity and Access Management (version 2010-05-08) over an identity.Directory: it says what must be allowed
// for each operation, keeps IAM's rules about names, quotas and conflicts, and turns entities into answers.
//
// Source of rules and texts: IAM API Reference; of quotas: IAM User Guide, "IAM and AWS STS quotas".
package iamapi

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"darkroom/internal/iam"
	"darkroom/internal/identity"
	"darkroom/internal/queryapi"
)

// Quotas of an account and of what is in it, as AWS's are by default.
const (
	maxUsers            = 5000
	maxGroups           = 300
	maxRoles            = 1000
	maxPolicies         = 1500
	maxProviders        = 100
	maxDevices          = 5000
	maxVersions         = 5    // of a managed policy
	maxAttached         = 10   // managed policies on a user, group or role
	maxGroupsOfUser     = 10   // groups that a user is in
	maxKeysOfUser       = 2    // access keys
	maxDevicesOfUser    = 8    // MFA devices
	maxTags             = 50   // on one entity
	maxManagedDocument  = 6144 // characters of a document, without white space
	maxInlineOfUser     = 2048 // of all inline documents together
	maxInlineOfGroup    = 5120
	maxInlineOfRole     = 10240
	maxTrustDocument    = 2048
	defaultPage         = 100
	maxPage             = 1000
	maxAudiences        = 100 // of an identity provider
	maxThumbprints      = 5
	minRoleDuration     = time.Hour
	maxRoleDuration     = 12 * time.Hour
	reservedPathService = "/aws-service-role/"
)

// Options are what the API works with. Directory is needed.
type Options struct {
	Directory *identity.Directory
	Now       func() time.Time // nil means time.Now
}

// server carries the operations out.
type server struct {
	people *identity.Directory
	now    func() time.Time
}

// New returns the API.
func New(o Options) (*queryapi.Service, error) {
	if o.Directory == nil {
		return nil, errors.New("the IAM API needs a Directory")
	}
	s := &server{o.Directory, o.Now}
	if s.now == nil {
		s.now = time.Now
	}
	operations := make(map[string]queryapi.Operation)
	for _, part := range []map[string]queryapi.Operation{
		s.users(), s.groups(), s.roles(), s.policies(), s.attachments(), s.inlines(), s.tags(),
		s.accessKeys(), s.devices(), s.providers(), s.account(), s.simulations(),
	} {
		maps.Copy(operations, part)
	}
	return queryapi.New(queryapi.API{
		Name: "iam", Version: "2010-05-08", Namespace: "https://iam.amazonaws.com/doc/2010-05-08/", NotOffered: notOffered, Admits: admits,
	}, operations), nil
}

// admits refuses the session of a user or of the root that was begun without a second factor. Source: IAM User Guide, "Compare AWS STS credentials".
func admits(caller iam.Principal, operation string) error {
	if caller.Type != iam.AssumedRole && !caller.Issued.IsZero() && caller.MFA.IsZero() {
		return queryapi.Errorf(http.StatusForbidden, "AccessDenied", "Cannot call %s with session credentials that were given without multi-factor authentication.", operation)
	}
	return nil
}

// Refusals in IAM's terms.

func noSuch(kind identity.Kind, name string) error {
	return queryapi.Errorf(http.StatusNotFound, "NoSuchEntity", "The %s with name %s cannot be found.", kind, name)
}

func exists(kind identity.Kind, name string) error {
	return queryapi.Errorf(http.StatusConflict, "EntityAlreadyExists", "%s with name %s already exists.", title(kind), name)
}

func conflict(format string, args ...any) error {
	return queryapi.Errorf(http.StatusConflict, "DeleteConflict", format, args...)
}

func exceeded(format string, args ...any) error {
	return queryapi.Errorf(http.StatusConflict, "LimitExceeded", format, args...)
}

func invalid(format string, args ...any) error {
	return queryapi.Errorf(http.StatusBadRequest, "ValidationError", format, args...)
}

// checks asks for one action on one entity that is named in a request. An entity that is not there is asked for by the ARN that it would have at the
// path "/", so that a refusal tells nothing about it.
func (s *server) checks(ctx context.Context, caller iam.Principal, action string, kind identity.Kind, name string, keys ...func(*iam.Context)) ([]iam.Check, error) {
	v, err := s.people.View(ctx, caller.Account)
	if err != nil {
		return nil, err
	}
	e := v.Get(kind, name)
	if e == nil {
		e = &identity.Entity{Kind: kind, Name: name, Path: "/"}
	}
	return []iam.Check{check(action, e.ARN(caller.Account), e.Tags, keys...)}, nil
}

// check asks for an action on a resource. keys add condition keys.
func check(action, resource string, tags map[string]string, keys ...func(*iam.Context)) iam.Check {
	c := iam.Check{Action: "iam:" + action, Resource: resource, Tags: tags}
	for _, k := range keys {
		k(&c.Context)
	}
	return c
}

// onAll asks for an action that names no resource.
func onAll(action string) []iam.Check { return []iam.Check{check(action, "*", nil)} }

// requestTags are the condition keys of tags that a request gives.
func requestTags(tags []types.Tag) func(*iam.Context) {
	return func(c *iam.Context) {
		for _, t := range tags {
			c.Set("aws:RequestTag/"+value(t.Key), value(t.Value))
			c.Set("aws:TagKeys", value(t.Key))
		}
	}
}

// tagKeys is the condition key of the names of tags that a request takes away.
func tagKeys(names []string) func(*iam.Context) {
	return func(c *iam.Context) { c.Set("aws:TagKeys", names...) }
}

// policyARN is the condition key of a managed policy that a request attaches or detaches.
func policyARN(name *string) func(*iam.Context) {
	return func(c *iam.Context) {
		if name != nil {
			c.Set("iam:PolicyARN", *name)
		}
	}
}

// boundaryOf is the condition key of the permissions boundary that a request sets, or that the entity which it changes has.
func boundaryOf(name string) func(*iam.Context) {
	return func(c *iam.Context) {
		if name != "" {
			c.Set("iam:PermissionsBoundary", name)
		}
	}
}

// tagsOf reads the tags of a request: each key once whatever its case, none that is reserved.
func tagsOf(old map[string]string, tags []types.Tag) (map[string]string, error) {
	out := make(map[string]string, len(old)+len(tags))
	maps.Copy(out, old)
	seen := make(map[string]bool)
	for _, t := range tags {
		key := value(t.Key)
		folded := strings.ToLower(key)
		switch {
		case strings.HasPrefix(folded, "aws:"):
			return nil, queryapi.Errorf(http.StatusBadRequest, "InvalidInput", "The tag key %s begins with aws:, which is reserved.", key)
		case seen[folded]:
			return nil, queryapi.Errorf(http.StatusBadRequest, "InvalidInput", "Duplicate tag keys found. Please note that Tag keys are case insensitive.")
		}
		seen[folded] = true
		maps.DeleteFunc(out, func(k, _ string) bool { return strings.ToLower(k) == folded })
		out[key] = value(t.Value)
	}
	if len(out) > maxTags {
		return nil, exceeded("The number of tags has reached the maximum limit of %d.", maxTags)
	}
	return out, nil
}

// shownTags are tags as answers have them: in the order of their keys, none as none.
func shownTags(tags map[string]string) []types.Tag {
	if len(tags) == 0 {
		return nil
	}
	out := make([]types.Tag, 0, len(tags))
	for _, k := range slices.SortedFunc(maps.Keys(tags), order) {
		out = append(out, types.Tag{Key: ptr(k), Value: ptr(tags[k])})
	}
	return out
}

// order compares names as lists have them: without regard to the case of letters and, among those that differ in nothing else, with it.
func order(a, b string) int {
	return cmp.Or(strings.Compare(strings.ToLower(a), strings.ToLower(b)), strings.Compare(a, b))
}

// page cuts one page out of a list whose items are in the order of their names. The marker is the name of the last item of the page before, so that a
// page goes on at the right place whatever has come and gone meanwhile. Names must be short: a marker has at most 320 characters.
func page[T any](all []T, name func(T) string, marker *string, maxItems *int32) (items []T, next *string, truncated bool) {
	limit := defaultPage
	if maxItems != nil {
		limit = min(int(*maxItems), maxPage)
	}
	if marker != nil {
		begin := slices.IndexFunc(all, func(one T) bool { return order(name(one), *marker) > 0 })
		if begin < 0 {
			begin = len(all)
		}
		all = all[begin:]
	}
	if len(all) <= limit {
		return all, nil, false
	}
	return all[:limit], ptr(name(all[limit-1])), true
}

func value[T any](p *T) T {
	if p == nil {
		var zero T
		return zero
	}
	return *p
}

func ptr[T any](v T) *T { return &v }

// at is a time in an answer: whole seconds, none as none.
func at(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return ptr(t.UTC().Truncate(time.Second))
}
