package eventsapi

import (
	"context"
	"net/http"
	"slices"
	"strings"

	sdk "github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge/types"

	"darkroom/internal/eventbus"
	"darkroom/internal/iam"
	"darkroom/internal/jsonapi"
	"darkroom/internal/secret"
)

const (
	kindConnection  = "connection/"
	kindDestination = "api-destination/"
)

// webhooks adds the operations of connections and API destinations.
func (s *server) webhooks(operations map[string]jsonapi.Operation) {
	connection := func(p iam.Principal, action string, name *string) ([]iam.Check, error) {
		return s.on(p, action, kindConnection, name), nil
	}
	destination := func(p iam.Principal, action string, name, connection *string) ([]iam.Check, error) {
		checks := s.on(p, action, kindDestination, name)
		if connection != nil {
			c := s.on(p, action, kindConnection, nil)
			if named, ok := s.nameOf(p, *connection, kindConnection); ok {
				named, _, _ = strings.Cut(named, "/")
				c = s.on(p, action, kindConnection, &named)
			}
			checks = append(checks, c...)
		}
		return checks, nil
	}
	operations["CreateConnection"] = jsonapi.Op(func(_ context.Context, p iam.Principal, in *sdk.CreateConnectionInput) ([]iam.Check, error) {
		return connection(p, "CreateConnection", in.Name)
	}, s.createConnection)
	operations["DescribeConnection"] = jsonapi.Op(func(_ context.Context, p iam.Principal, in *sdk.DescribeConnectionInput) ([]iam.Check, error) {
		return connection(p, "DescribeConnection", in.Name)
	}, s.describeConnection)
	operations["UpdateConnection"] = jsonapi.Op(func(_ context.Context, p iam.Principal, in *sdk.UpdateConnectionInput) ([]iam.Check, error) {
		return connection(p, "UpdateConnection", in.Name)
	}, s.updateConnection)
	operations["DeleteConnection"] = jsonapi.Op(func(_ context.Context, p iam.Principal, in *sdk.DeleteConnectionInput) ([]iam.Check, error) {
		return connection(p, "DeleteConnection", in.Name)
	}, s.deleteConnection)
	operations["ListConnections"] = jsonapi.Op(onAny[sdk.ListConnectionsInput]("ListConnections"), s.listConnections)
	operations["CreateApiDestination"] = jsonapi.Op(func(_ context.Context, p iam.Principal, in *sdk.CreateApiDestinationInput) ([]iam.Check, error) {
		return destination(p, "CreateApiDestination", in.Name, in.ConnectionArn)
	}, s.createDestination)
	operations["DescribeApiDestination"] = jsonapi.Op(func(_ context.Context, p iam.Principal, in *sdk.DescribeApiDestinationInput) ([]iam.Check, error) {
		return destination(p, "DescribeApiDestination", in.Name, nil)
	}, s.describeDestination)
	operations["UpdateApiDestination"] = jsonapi.Op(func(_ context.Context, p iam.Principal, in *sdk.UpdateApiDestinationInput) ([]iam.Check, error) {
		return destination(p, "UpdateApiDestination", in.Name, in.ConnectionArn)
	}, s.updateDestination)
	operations["DeleteApiDestination"] = jsonapi.Op(func(_ context.Context, p iam.Principal, in *sdk.DeleteApiDestinationInput) ([]iam.Check, error) {
		return destination(p, "DeleteApiDestination", in.Name, nil)
	}, s.deleteDestination)
	operations["ListApiDestinations"] = jsonapi.Op(onAny[sdk.ListApiDestinationsInput]("ListApiDestinations"), s.listDestinations)
}

// authorization is what a request says of how a connection says who asks, whichever operation it is.
type authorization struct {
	key, value *string // of an API key
	user, pass *string // of basic authentication
	more       *types.ConnectionHttpParameters
}

// refuseMembers refuses what is not carried out of a connection.
func refuseMembers(oauth, private, ownKey bool) error {
	switch {
	case oauth:
		return invalid("Parameter AuthParameters.OAuthParameters is not valid. Reason: this installation does not carry it out; allowed: ApiKeyAuthParameters, BasicAuthParameters.")
	case private:
		return unoffered("InvocationConnectivityParameters")
	case ownKey:
		return invalid("Parameter KmsKeyIdentifier is not valid. Reason: secrets of connections are sealed with the key of the installation alone.")
	}
	return nil
}

// reserved are header fields that requests have from elsewhere.
var reserved = []string{"host", "content-length", "transfer-encoding", "connection", "authorization", "proxy-authorization", "te", "trailer", "upgrade", "expect"}

// into changes a connection and its secret as a request says.
func (a authorization) into(typ types.ConnectionAuthorizationType, c *eventbus.Connection, kept *secret.Bytes) error {
	switch typ {
	case types.ConnectionAuthorizationTypeApiKey:
		if a.user != nil || a.pass != nil {
			return invalid("Parameter AuthParameters.BasicAuthParameters is not valid. Reason: AuthorizationType is API_KEY.")
		}
		if a.key != nil {
			if slices.Contains(reserved, strings.ToLower(*a.key)) && !strings.EqualFold(*a.key, "authorization") {
				return invalid("Parameter ApiKeyName is not valid. Reason: %s is not a header field that can be set.", *a.key)
			}
			c.Key = *a.key
		}
		if a.value != nil {
			*kept = secret.New([]byte(*a.value))
		}
	case types.ConnectionAuthorizationTypeBasic:
		if a.key != nil || a.value != nil {
			return invalid("Parameter AuthParameters.ApiKeyAuthParameters is not valid. Reason: AuthorizationType is BASIC.")
		}
		if a.user != nil {
			if strings.Contains(*a.user, ":") {
				return invalid("Parameter Username is not valid. Reason: it has a colon (RFC 7617 section 2).")
			}
			c.Key = *a.user
		}
		if a.pass != nil {
			*kept = secret.New([]byte(*a.pass))
		}
	default:
		return invalid("Parameter AuthorizationType is not valid. Reason: %s is not carried out by this installation; allowed: API_KEY, BASIC.", typ)
	}
	if c.Key == "" || kept.Len() == 0 {
		return invalid("Parameter AuthParameters is not valid. Reason: it lacks what AuthorizationType %s needs.", typ)
	}
	c.Type = string(typ)
	if a.more == nil {
		return nil
	}
	if len(a.more.BodyParameters) > 0 {
		return unoffered("InvocationHttpParameters.BodyParameters")
	}
	c.Header, c.Query = map[string]string{}, map[string]string{}
	for _, h := range a.more.HeaderParameters {
		name := http.CanonicalHeaderKey(value(h.Key))
		if name == "" || slices.Contains(reserved, strings.ToLower(name)) {
			return invalid("Parameter InvocationHttpParameters.HeaderParameters is not valid. Reason: %q is not a header field that can be set.", name)
		}
		if h.IsValueSecret {
			return invalid("Parameter InvocationHttpParameters.HeaderParameters is not valid. Reason: a connection has one secret, its API key or password; %s cannot be another.", name)
		}
		c.Header[name] = value(h.Value)
	}
	for _, q := range a.more.QueryStringParameters {
		if q.IsValueSecret {
			return invalid("Parameter InvocationHttpParameters.QueryStringParameters is not valid. Reason: a secret is not sent in a URL.")
		}
		c.Query[value(q.Key)] = value(q.Value)
	}
	return nil
}

func (s *server) createConnection(ctx context.Context, p iam.Principal, in *sdk.CreateConnectionInput) (any, error) {
	auth := in.AuthParameters
	if err := refuseMembers(auth.OAuthParameters != nil, in.InvocationConnectivityParameters != nil || auth.ConnectivityParameters != nil, in.KmsKeyIdentifier != nil); err != nil {
		return nil, err
	}
	a := authorization{more: auth.InvocationHttpParameters}
	if k := auth.ApiKeyAuthParameters; k != nil {
		a.key, a.value = k.ApiKeyName, k.ApiKeyValue
	}
	if b := auth.BasicAuthParameters; b != nil {
		a.user, a.pass = b.Username, b.Password
	}
	c, kept := eventbus.Connection{Name: *in.Name, Description: value(in.Description)}, secret.Bytes{}
	if err := a.into(in.AuthorizationType, &c, &kept); err != nil {
		return nil, err
	}
	made, err := s.bus.CreateConnection(ctx, p.Account, c, kept)
	if err != nil {
		return nil, refusal(err)
	}
	return &sdk.CreateConnectionOutput{
		ConnectionArn: ptr(s.bus.ConnectionARN(p.Account, made)), ConnectionState: types.ConnectionStateAuthorized, CreationTime: &made.Created, LastModifiedTime: &made.Modified,
	}, nil
}

func (s *server) updateConnection(ctx context.Context, p iam.Principal, in *sdk.UpdateConnectionInput) (any, error) {
	a := authorization{}
	if auth := in.AuthParameters; auth != nil {
		if err := refuseMembers(auth.OAuthParameters != nil, auth.ConnectivityParameters != nil, false); err != nil {
			return nil, err
		}
		a.more = auth.InvocationHttpParameters
		if k := auth.ApiKeyAuthParameters; k != nil {
			a.key, a.value = k.ApiKeyName, k.ApiKeyValue
		}
		if b := auth.BasicAuthParameters; b != nil {
			a.user, a.pass = b.Username, b.Password
		}
	}
	if err := refuseMembers(false, in.InvocationConnectivityParameters != nil, in.KmsKeyIdentifier != nil); err != nil {
		return nil, err
	}
	c, err := s.bus.ChangeConnection(ctx, p.Account, *in.Name, func(c *eventbus.Connection, kept *secret.Bytes) error {
		if in.Description != nil {
			c.Description = *in.Description
		}
		typ := types.ConnectionAuthorizationType(c.Type)
		if in.AuthorizationType != "" && in.AuthorizationType != typ {
			// Of another way, nothing of the old one is kept.
			typ, c.Key, *kept = in.AuthorizationType, "", secret.Bytes{}
		}
		return a.into(typ, c, kept)
	})
	if err != nil {
		return nil, refusal(err)
	}
	return &sdk.UpdateConnectionOutput{
		ConnectionArn: ptr(s.bus.ConnectionARN(p.Account, c)), ConnectionState: types.ConnectionStateAuthorized, CreationTime: &c.Created, LastModifiedTime: &c.Modified, LastAuthorizedTime: &c.Modified,
	}, nil
}

// describeConnection shows everything but secrets.
func (s *server) describeConnection(ctx context.Context, p iam.Principal, in *sdk.DescribeConnectionInput) (any, error) {
	c, err := s.bus.Connection(ctx, p.Account, *in.Name)
	if err != nil {
		return nil, refusal(err)
	}
	auth := &types.ConnectionAuthResponseParameters{}
	switch c.Type {
	case eventbus.APIKey:
		auth.ApiKeyAuthParameters = &types.ConnectionApiKeyAuthResponseParameters{ApiKeyName: &c.Key}
	case eventbus.Basic:
		auth.BasicAuthParameters = &types.ConnectionBasicAuthResponseParameters{Username: &c.Key}
	}
	if len(c.Header)+len(c.Query) > 0 {
		more := &types.ConnectionHttpParameters{}
		for _, k := range sorted(c.Header) {
			more.HeaderParameters = append(more.HeaderParameters, types.ConnectionHeaderParameter{Key: &k, Value: ptr(c.Header[k])})
		}
		for _, k := range sorted(c.Query) {
			more.QueryStringParameters = append(more.QueryStringParameters, types.ConnectionQueryStringParameter{Key: &k, Value: ptr(c.Query[k])})
		}
		auth.InvocationHttpParameters = more
	}
	return &sdk.DescribeConnectionOutput{
		Name: &c.Name, ConnectionArn: ptr(s.bus.ConnectionARN(p.Account, c)), Description: filled(c.Description), AuthorizationType: types.ConnectionAuthorizationType(c.Type), AuthParameters: auth,
		ConnectionState: types.ConnectionStateAuthorized, CreationTime: &c.Created, LastModifiedTime: &c.Modified, LastAuthorizedTime: &c.Modified,
	}, nil
}

func (s *server) deleteConnection(ctx context.Context, p iam.Principal, in *sdk.DeleteConnectionInput) (any, error) {
	c, err := s.bus.DeleteConnection(ctx, p.Account, *in.Name)
	if err != nil {
		return nil, refusal(err)
	}
	return &sdk.DeleteConnectionOutput{
		ConnectionArn: ptr(s.bus.ConnectionARN(p.Account, c)), ConnectionState: types.ConnectionStateDeleting, CreationTime: &c.Created, LastModifiedTime: &c.Modified, LastAuthorizedTime: &c.Modified,
	}, nil
}

func (s *server) listConnections(ctx context.Context, p iam.Principal, in *sdk.ListConnectionsInput) (any, error) {
	all, err := s.bus.Connections(ctx, p.Account)
	if err != nil {
		return nil, err
	}
	all = slices.DeleteFunc(all, func(c *eventbus.Connection) bool {
		return !strings.HasPrefix(c.Name, value(in.NamePrefix)) || in.ConnectionState != "" && in.ConnectionState != types.ConnectionStateAuthorized
	})
	found, next, err := page(all, func(c *eventbus.Connection) string { return c.Name }, in.Limit, in.NextToken)
	if err != nil {
		return nil, err
	}
	out := &sdk.ListConnectionsOutput{Connections: []types.Connection{}, NextToken: next}
	for _, c := range found {
		out.Connections = append(out.Connections, types.Connection{
			Name: &c.Name, ConnectionArn: ptr(s.bus.ConnectionARN(p.Account, c)), AuthorizationType: types.ConnectionAuthorizationType(c.Type), ConnectionState: types.ConnectionStateAuthorized,
			CreationTime: &c.Created, LastModifiedTime: &c.Modified, LastAuthorizedTime: &c.Modified,
		})
	}
	return out, nil
}

// connectionOf is the name of the connection of the caller that an ARN names.
func (s *server) connectionOf(ctx context.Context, p iam.Principal, name string) (string, error) {
	if rest, ok := s.nameOf(p, name, kindConnection); ok {
		short, _, _ := strings.Cut(rest, "/")
		c, err := s.bus.Connection(ctx, p.Account, short)
		if err == nil && s.bus.ConnectionARN(p.Account, c) == name {
			return short, nil
		}
	}
	return "", refusal(&eventbus.Error{Fault: eventbus.NotFound, Message: "Connection '" + name + "' does not exist."})
}

func (s *server) createDestination(ctx context.Context, p iam.Principal, in *sdk.CreateApiDestinationInput) (any, error) {
	connection, err := s.connectionOf(ctx, p, *in.ConnectionArn)
	if err != nil {
		return nil, err
	}
	d, err := s.bus.PutDestination(ctx, p.Account, *in.Name, true, func(d *eventbus.Destination) error {
		d.Connection, d.Description, d.URL, d.Method, d.Rate = connection, value(in.Description), *in.InvocationEndpoint, string(in.HttpMethod), int(value(in.InvocationRateLimitPerSecond))
		return checkMethod(in.HttpMethod)
	})
	if err != nil {
		return nil, refusal(err)
	}
	return &sdk.CreateApiDestinationOutput{
		ApiDestinationArn: ptr(s.bus.DestinationARN(p.Account, d)), ApiDestinationState: types.ApiDestinationStateActive, CreationTime: &d.Created, LastModifiedTime: &d.Modified,
	}, nil
}

// checkMethod refuses methods of requests that would carry no event.
func checkMethod(m types.ApiDestinationHttpMethod) error {
	if slices.Contains([]types.ApiDestinationHttpMethod{types.ApiDestinationHttpMethodPost, types.ApiDestinationHttpMethodPut, types.ApiDestinationHttpMethodPatch}, m) {
		return nil
	}
	return invalid("Parameter HttpMethod is not valid. Reason: %q does not carry an event; allowed: POST, PUT, PATCH.", m)
}

func (s *server) updateDestination(ctx context.Context, p iam.Principal, in *sdk.UpdateApiDestinationInput) (any, error) {
	connection := ""
	if in.ConnectionArn != nil {
		var err error
		if connection, err = s.connectionOf(ctx, p, *in.ConnectionArn); err != nil {
			return nil, err
		}
	}
	d, err := s.bus.PutDestination(ctx, p.Account, *in.Name, false, func(d *eventbus.Destination) error {
		if connection != "" {
			d.Connection = connection
		}
		if in.Description != nil {
			d.Description = *in.Description
		}
		if in.InvocationEndpoint != nil {
			d.URL = *in.InvocationEndpoint
		}
		if in.InvocationRateLimitPerSecond != nil {
			d.Rate = int(*in.InvocationRateLimitPerSecond)
		}
		if in.HttpMethod != "" {
			d.Method = string(in.HttpMethod)
			return checkMethod(in.HttpMethod)
		}
		return nil
	})
	if err != nil {
		return nil, refusal(err)
	}
	return &sdk.UpdateApiDestinationOutput{
		ApiDestinationArn: ptr(s.bus.DestinationARN(p.Account, d)), ApiDestinationState: types.ApiDestinationStateActive, CreationTime: &d.Created, LastModifiedTime: &d.Modified,
	}, nil
}

// connectionARN names the connection of a destination, which is there as long as the destination is.
func (s *server) connectionARN(ctx context.Context, p iam.Principal, d *eventbus.Destination) (*string, error) {
	c, err := s.bus.Connection(ctx, p.Account, d.Connection)
	if err != nil {
		return nil, err
	}
	return ptr(s.bus.ConnectionARN(p.Account, c)), nil
}

func (s *server) describeDestination(ctx context.Context, p iam.Principal, in *sdk.DescribeApiDestinationInput) (any, error) {
	d, err := s.bus.Destination(ctx, p.Account, *in.Name)
	if err != nil {
		return nil, refusal(err)
	}
	connection, err := s.connectionARN(ctx, p, d)
	if err != nil {
		return nil, refusal(err)
	}
	return &sdk.DescribeApiDestinationOutput{
		Name: &d.Name, ApiDestinationArn: ptr(s.bus.DestinationARN(p.Account, d)), ApiDestinationState: types.ApiDestinationStateActive, ConnectionArn: connection, Description: filled(d.Description),
		HttpMethod: types.ApiDestinationHttpMethod(d.Method), InvocationEndpoint: &d.URL, InvocationRateLimitPerSecond: rate(d), CreationTime: &d.Created, LastModifiedTime: &d.Modified,
	}, nil
}

func rate(d *eventbus.Destination) *int32 {
	if d.Rate == 0 {
		return nil
	}
	return ptr(int32(d.Rate))
}

func (s *server) deleteDestination(ctx context.Context, p iam.Principal, in *sdk.DeleteApiDestinationInput) (any, error) {
	return &sdk.DeleteApiDestinationOutput{}, refusal(s.bus.DeleteDestination(ctx, p.Account, *in.Name))
}

func (s *server) listDestinations(ctx context.Context, p iam.Principal, in *sdk.ListApiDestinationsInput) (any, error) {
	all, err := s.bus.Destinations(ctx, p.Account)
	if err != nil {
		return nil, err
	}
	only := ""
	if in.ConnectionArn != nil {
		if only, err = s.connectionOf(ctx, p, *in.ConnectionArn); err != nil {
			return nil, err
		}
	}
	all = slices.DeleteFunc(all, func(d *eventbus.Destination) bool {
		return !strings.HasPrefix(d.Name, value(in.NamePrefix)) || only != "" && d.Connection != only
	})
	found, next, err := page(all, func(d *eventbus.Destination) string { return d.Name }, in.Limit, in.NextToken)
	if err != nil {
		return nil, err
	}
	out := &sdk.ListApiDestinationsOutput{ApiDestinations: []types.ApiDestination{}, NextToken: next}
	for _, d := range found {
		connection, err := s.connectionARN(ctx, p, d)
		if err != nil {
			return nil, refusal(err)
		}
		out.ApiDestinations = append(out.ApiDestinations, types.ApiDestination{
			Name: &d.Name, ApiDestinationArn: ptr(s.bus.DestinationARN(p.Account, d)), ApiDestinationState: types.ApiDestinationStateActive, ConnectionArn: connection,
			HttpMethod: types.ApiDestinationHttpMethod(d.Method), InvocationEndpoint: &d.URL, InvocationRateLimitPerSecond: rate(d), CreationTime: &d.Created, LastModifiedTime: &d.Modified,
		})
	}
	return out, nil
}

func sorted(m map[string]string) []string {
	names := make([]string, 0, len(m))
	for k := range m {
		names = append(names, k)
	}
	slices.Sort(names)
	return names
}
