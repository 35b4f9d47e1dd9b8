package cloudtrailapi

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"strconv"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/service/cloudtrail"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail/types"

	"darkroom/internal/audit"
	"darkroom/internal/jsonapi"
)

// maxEvents is how many events a page has at most, and by itself.
const maxEvents = 50

// searches are the operations that find records, and the keys that they are verified with.
func (s *server) searches() map[string]jsonapi.Operation {
	return map[string]jsonapi.Operation{
		"LookupEvents":   onAll("LookupEvents", s.lookup),
		"ListPublicKeys": onAll("ListPublicKeys", s.keys),
	}
}

// keys are the installation's: those of a Region are the same for all accounts.
func (s *server) keys(ctx context.Context, _ string, in *sdk.ListPublicKeysInput) (any, error) {
	if value(in.NextToken) != "" {
		return nil, refusal("InvalidTokenException", "NextToken is none that was given: all keys stand on one page.")
	}
	from, until := s.now(), s.now()
	if in.EndTime != nil {
		until = *in.EndTime
	}
	if in.StartTime != nil {
		from = *in.StartTime
	} else if until.Before(from) {
		from = until
	}
	if from.After(until) {
		return nil, refusal("InvalidTimeRangeException", "StartTime %s is after EndTime %s.", written(from), written(until))
	}
	all, err := s.trails.Keys(ctx, from, until)
	if err != nil {
		return nil, err
	}
	out := &sdk.ListPublicKeysOutput{PublicKeyList: []types.PublicKey{}}
	for _, k := range all {
		out.PublicKeyList = append(out.PublicKeyList, types.PublicKey{Fingerprint: ptr(k.Fingerprint), Value: k.Value, ValidityStartTime: at(k.From), ValidityEndTime: at(k.Until)})
	}
	return out, nil
}

// query is what a request looks for, without its page.
func (s *server) query(account string, in *sdk.LookupEventsInput) (audit.Query, error) {
	q := audit.Query{Account: account, Category: audit.Management, Limit: maxEvents}
	set(&q.From, in.StartTime)
	set(&q.To, in.EndTime)
	if !q.From.IsZero() && !q.To.IsZero() && q.From.After(q.To) {
		return q, refusal("InvalidTimeRangeException", "StartTime %s is after EndTime %s.", written(q.From), written(q.To))
	}
	if in.MaxResults != nil {
		if q.Limit = int(*in.MaxResults); q.Limit < 1 || q.Limit > maxEvents {
			return q, refusal("InvalidMaxResultsException", "MaxResults is %d; it is from 1 to %d.", q.Limit, maxEvents)
		}
	}
	if n := len(in.LookupAttributes); n > 1 {
		return q, refusal("InvalidLookupAttributesException", "LookupAttributes has %d attributes; it can have one.", n)
	}
	for _, a := range in.LookupAttributes {
		v := value(a.AttributeValue)
		switch a.AttributeKey {
		case types.LookupAttributeKeyEventId:
			q.EventID = v
		case types.LookupAttributeKeyEventName:
			q.Name = v
		case types.LookupAttributeKeyEventSource:
			q.Source = v
		case types.LookupAttributeKeyUsername:
			q.User = v
		case types.LookupAttributeKeyAccessKeyId:
			q.AccessKeyID = v
		case types.LookupAttributeKeyResourceName:
			q.Resource = v
		case types.LookupAttributeKeyResourceType:
			q.ResourceType = v
		case types.LookupAttributeKeyReadOnly:
			b, err := strconv.ParseBool(v)
			if err != nil || v != "true" && v != "false" {
				return q, refusal("InvalidLookupAttributesException", "The value of ReadOnly is %.40q; it is true or false.", v)
			}
			q.ReadOnly = &b
		default:
			return q, refusal("InvalidLookupAttributesException", "AttributeKey %.40q is not one of those that can be looked up.", string(a.AttributeKey))
		}
		if v == "" {
			return q, refusal("InvalidLookupAttributesException", "The value of %s is empty.", a.AttributeKey)
		}
	}
	return q, nil
}

func (s *server) lookup(ctx context.Context, account string, in *sdk.LookupEventsInput) (any, error) {
	q, err := s.query(account, in)
	if err != nil {
		return nil, err
	}
	mark := markOf(q)
	if in.NextToken != nil {
		if q.After, err = after(*in.NextToken, mark); err != nil {
			return nil, err
		}
	}
	out := &sdk.LookupEventsOutput{Events: []types.Event{}}
	if in.EventCategory != "" { // insight is the only one that the API knows, and there are no such events
		return out, nil
	}
	limit := q.Limit
	q.Limit++ // one more tells whether there is another page
	found, err := s.records.Find(ctx, q)
	if err != nil {
		return nil, err
	}
	if len(found) > limit {
		found = found[:limit]
		out.NextToken = ptr(token(found[limit-1].Cursor, mark))
	}
	for _, f := range found {
		e, err := shownEvent(f)
		if err != nil {
			return nil, err
		}
		out.Events = append(out.Events, e)
	}
	return out, nil
}

// shownEvent is a record as LookupEvents has it.
func shownEvent(f audit.Found) (types.Event, error) {
	r, err := f.Decode()
	if err != nil {
		return types.Event{}, fmt.Errorf("read record %d: %w", f.Position, err)
	}
	e := types.Event{
		EventId: &r.EventID, EventName: &r.EventName, ReadOnly: ptr(strconv.FormatBool(r.ReadOnly)), EventTime: at(r.EventTime), EventSource: &r.EventSource,
		Resources: []types.Resource{}, CloudTrailEvent: ptr(string(f.Text)),
	}
	if id := r.UserIdentity.AccessKeyID; id != "" {
		e.AccessKeyId = &id
	}
	if user := r.UserIdentity.User(); user != "" {
		e.Username = &user
	}
	for _, x := range r.Resources {
		e.Resources = append(e.Resources, types.Resource{ResourceName: ptr(x.ARN), ResourceType: ptr(x.Type)})
	}
	return e, nil
}

// markSize is how many bytes of a token tell what was looked for.
const markSize = 8

// markOf tells queries apart, whatever their page.
func markOf(q audit.Query) []byte {
	q.Limit, q.After = 0, audit.Cursor{}
	only := "-"
	if q.ReadOnly != nil {
		only = strconv.FormatBool(*q.ReadOnly)
	}
	q.ReadOnly = nil
	sum := sha256.Sum256(fmt.Appendf(nil, "%q %s %s %s", fmt.Sprintf("%+v", q), only, q.From.UTC(), q.To.UTC()))
	return sum[:markSize]
}

// token is where the next page begins.
func token(c audit.Cursor, mark []byte) string {
	b := binary.BigEndian.AppendUint64(nil, uint64(c.Time.UnixMicro()))
	b = binary.BigEndian.AppendUint64(b, uint64(c.Sequence))
	return base64.RawURLEncoding.EncodeToString(append(b, mark...))
}

// after reads a token. Who makes one up sees their own account's records from another place on.
func after(text string, mark []byte) (audit.Cursor, error) {
	b, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil || len(b) != 16+markSize {
		return audit.Cursor{}, refusal("InvalidNextTokenException", "NextToken is none that was given.")
	}
	if string(b[16:]) != string(mark) {
		return audit.Cursor{}, refusal("InvalidNextTokenException", "NextToken was given for another request: the other members must be the same.")
	}
	return audit.Cursor{Time: time.UnixMicro(int64(binary.BigEndian.Uint64(b))).UTC(), Sequence: int64(binary.BigEndian.Uint64(b[8:16]))}, nil
}
