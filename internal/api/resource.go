package api

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/service/mediaconvert/types"

	"darkroom/internal/arn"
	"darkroom/internal/mediaconvert"
	"darkroom/internal/store"
)

// Resources is where queues, presets, templates and the rest are kept, with the errors of store.Resources.
type Resources = store.Resources

// Quotas of an account, and limits of what a name and a description may be.
const (
	maxOnDemandQueues = 10
	maxQueues         = 40 // with the reserved ones
	maxPresets        = 5000
	maxTemplates      = 5000
	maxName           = 80 // characters
	maxDescription    = 2048
)

// resourcesPerPage is the size of a page where none is asked for.
const resourcesPerPage = 20

// sort is how a kind of resource is called.
type sort struct {
	kind       store.Kind
	collection string // in paths and ARNs
	word       string // in messages
	most       int
}

var (
	queueSort    = sort{store.Queue, "queues", "queue", maxQueues}
	presetSort   = sort{store.Preset, "presets", "preset", maxPresets}
	templateSort = sort{store.JobTemplate, "jobTemplates", "job template", maxTemplates}
)

func (k sort) notFound(name string) error {
	return mediaconvert.NotFound("The " + k.word + " " + shown(name) + " does not exist.")
}

// fault turns what the records say of a resource into an exception.
func (k sort) fault(name string, err error) error {
	switch {
	case errors.Is(err, store.ErrNoResource):
		return k.notFound(name)
	case errors.Is(err, store.ErrExists):
		return mediaconvert.Conflict("A " + k.word + " with the name " + shown(name) + " exists. Choose another name, or update that one.")
	case errors.Is(err, store.ErrQuota):
		return mediaconvert.QuotaExceeded(fmt.Sprintf("The account has %d %ss, which is as many as it may have. Delete one that is not needed.", k.most, k.word))
	case errors.Is(err, store.ErrInUse):
		return mediaconvert.Conflict("The queue " + shown(name) + " holds jobs that are not finished. Cancel them, or wait for their end.")
	}
	return err
}

// own returns the name of a resource that is called by its name or its ARN; false where the ARN is none of this account's resources of the kind.
func (s *Service) own(account string, k sort, name string) (string, bool) {
	if !strings.HasPrefix(name, "arn:") {
		return name, true
	}
	return strings.CutPrefix(name, arn.MediaConvert(s.region, account, k.collection+"/"))
}

// nameFaults says what is wrong with the name of a new resource, and with its description.
func nameFaults(name, description *string) []mediaconvert.Fault {
	var faults []mediaconvert.Fault
	if n := value(name); utf8.RuneCountInString(n) < 1 || utf8.RuneCountInString(n) > maxName || strings.ContainsAny(n, "/\x00") || strings.HasPrefix(n, "arn:") || strings.TrimSpace(n) != n {
		faults = append(faults, ruleFault("/name", "Should have 1 to "+strconv.Itoa(maxName)+" characters, no slash, no space at its ends, and not begin with arn:"))
	}
	if utf8.RuneCountInString(value(description)) > maxDescription {
		faults = append(faults, ruleFault("/description", "Should have at most "+strconv.Itoa(maxDescription)+" characters"))
	}
	return faults
}

// create records a new resource; document is a structure of the model.
func (s *Service) create(ctx context.Context, account string, k sort, name string, category *string, tags map[string]string, document any, rules store.QueueRules) (*store.Resource, error) {
	doc, err := mediaconvert.Encode(document)
	if err != nil {
		return nil, err
	}
	now := s.now().UTC()
	r := &store.Resource{
		Account: account, Kind: k.kind, Name: name, Category: value(category), Document: doc, Tags: tags, Created: now, Updated: now, Queue: rules,
	}
	if err := s.queue.CreateResource(ctx, r, k.most); err != nil {
		return nil, k.fault(name, err)
	}
	return r, nil
}

// change reads the document of a resource into a structure of the model, has it changed, and records it.
func change[T any](ctx context.Context, s *Service, account string, k sort, name string, apply func(*T, *store.Resource) error) (*store.Resource, error) {
	r, err := s.queue.ChangeResource(ctx, account, k.kind, name, func(r *store.Resource) error {
		doc := new(T)
		if err := recall(r.Document, doc); err != nil {
			return fmt.Errorf("record of %s %q: %w", k.word, name, err)
		}
		if err := apply(doc, r); err != nil {
			return err
		}
		text, err := mediaconvert.Encode(doc)
		if err != nil {
			return err
		}
		r.Document, r.Updated = text, s.now().UTC()
		return nil
	})
	if err != nil {
		return nil, k.fault(name, err)
	}
	return r, nil
}

// find returns a resource of the account by its name or ARN.
func (s *Service) find(ctx context.Context, account string, k sort, name string) (*store.Resource, error) {
	own, ok := s.own(account, k, name)
	if !ok {
		return nil, k.notFound(name)
	}
	r, err := s.queue.GetResource(ctx, account, k.kind, own)
	if err != nil {
		return nil, k.fault(name, err)
	}
	return r, nil
}

func (s *Service) remove(ctx context.Context, account string, k sort, name string) error {
	if err := s.queue.DeleteResource(ctx, account, k.kind, name); err != nil {
		return k.fault(name, err)
	}
	return nil
}

// page reads a page of resources and gives the token of the next.
func (s *Service) page(ctx context.Context, operation string, q store.ResourceQuery, most *int32, token *string) ([]*store.Resource, *string, error) {
	list := listName(q.Account, operation, q.Category, string(q.Order), strconv.FormatBool(q.Descending))
	if token != nil {
		var ok bool
		if q.After, ok = s.tokens.open(*token, list); !ok {
			return nil, nil, badToken()
		}
	}
	size := resourcesPerPage
	if most != nil {
		size = int(*most)
	}
	q.Limit = size + 1 // one more tells whether there is a next page
	found, err := s.queue.ListResources(ctx, q)
	if err != nil || len(found) <= size {
		return found, nil, err
	}
	return found[:size], ptr(s.tokens.seal(found[size-1].Name, list)), nil
}

// builtinPage is a page of what every account has, in the order of names.
func builtinPage[T any](s *Service, account, operation, category string, all []T, name func(T) string, descending bool, most *int32, token *string) ([]T, *string, error) {
	list := listName(account, operation, "SYSTEM", category, strconv.FormatBool(descending))
	after := ""
	if token != nil {
		var ok bool
		if after, ok = s.tokens.open(*token, list); !ok {
			return nil, nil, badToken()
		}
	}
	size := resourcesPerPage
	if most != nil {
		size = int(*most)
	}
	var out []T
	for i := range all {
		x := all[i]
		if descending {
			x = all[len(all)-1-i]
		}
		if n := name(x); after != "" && (descending && n >= after || !descending && n <= after) {
			continue
		}
		if len(out) == size {
			return out, ptr(s.tokens.seal(name(out[size-1]), list)), nil
		}
		out = append(out, x)
	}
	return out, nil, nil
}

// times are those of a resource.
func times(r *store.Resource) (created, updated *time.Time) {
	return timeOf(r.Created), timeOf(r.Updated)
}

// descending reads the order of a list: what is ordered by name begins with the first letter, what is ordered by time with the newest.
func descending(order types.Order, by store.ResourceOrder) bool {
	if order == "" {
		return by == store.ByCreated
	}
	return order == types.OrderDescending
}

// sortBy orders resources by what position says.
func sortBy(all []*store.Resource, position func(*store.Resource) string) {
	slices.SortFunc(all, func(a, b *store.Resource) int { return strings.Compare(position(a), position(b)) })
}
