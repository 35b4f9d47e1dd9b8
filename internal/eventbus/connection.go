package eventbus

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"darkroom/internal/audit"
	"darkroom/internal/secret"
)

// The ways in which a connection says who asks.
const (
	APIKey = "API_KEY"
	Basic  = "BASIC"
)

// Connection is how the requests of API destinations say who asks. It is not changed: a change makes another.
type Connection struct {
	ID          string            `json:"id"`
	Name        string            `json:"name"`
	Description string            `json:"description,omitempty"`
	Type        string            `json:"type"`             // APIKey or Basic
	Key         string            `json:"key"`              // the name of the header of APIKey; the user of Basic
	Header      map[string]string `json:"header,omitempty"` // what each request has too
	Query       map[string]string `json:"query,omitempty"`
	Sealed      []byte            `json:"sealed"` // the API key, or the password
	Created     time.Time         `json:"created"`
	Modified    time.Time         `json:"modified"`
}

// Destination is an API destination: a web server that takes events. It is not changed: a change makes another.
type Destination struct {
	ID          string    `json:"id"`
	Name        string    `json:"name"`
	Description string    `json:"description,omitempty"`
	Connection  string    `json:"connection"` // its name
	URL         string    `json:"url"`        // https; asterisks stand for what a target says
	Method      string    `json:"method"`
	Rate        int       `json:"rate,omitempty"` // requests a second; 0: no limit
	Created     time.Time `json:"created"`
	Modified    time.Time `json:"modified"`
}

func connections(v *view) map[string]*Connection   { return v.connections }
func destinations(v *view) map[string]*Destination { return v.destinations }

// ConnectionARN names a connection.
func (s *Service) ConnectionARN(account string, c *Connection) string {
	return s.ARN(account, "connection/"+c.Name+"/"+c.ID)
}

// DestinationARN names an API destination.
func (s *Service) DestinationARN(account string, d *Destination) string {
	return s.ARN(account, "api-destination/"+d.Name+"/"+d.ID)
}

// destinationOf finds an API destination by its ARN, of which the account was looked at.
func (v *view) destinationOf(name string) *Destination {
	for _, d := range v.destinations {
		if strings.HasSuffix(name, ":api-destination/"+d.Name+"/"+d.ID) {
			return d
		}
	}
	return nil
}

// bound is the additional data of the secret of a connection: where it stands.
func bound(account string, c *Connection) []byte {
	return fmt.Appendf(nil, "%s\x00%s\x00%s\x00%s", account, registryName, kindConnection, c.ID)
}

func (s *Service) seal(account string, c *Connection, value secret.Bytes) (err error) {
	c.Sealed, err = s.o.Sealer.Seal(bound(account, c), value.Reveal())
	return err
}

func (s *Service) secret(account string, c *Connection) (secret.Bytes, error) {
	b, err := s.o.Sealer.Open(bound(account, c), c.Sealed)
	if err != nil {
		return secret.Bytes{}, errors.New("the secret of the connection cannot be opened")
	}
	return secret.New(b), nil
}

// Connection returns a connection of an account by its name.
func (s *Service) Connection(ctx context.Context, account, name string) (*Connection, error) {
	v, err := s.views.View(ctx, account)
	if err != nil {
		return nil, err
	}
	return v.connection(name)
}

func (v *view) connection(name string) (*Connection, error) {
	if c := v.connections[name]; c != nil {
		return c, nil
	}
	return nil, fault(NotFound, "Failed to describe the connection(s). Connection '%s' does not exist.", name)
}

// Connections returns the connections of an account in the order of their names.
func (s *Service) Connections(ctx context.Context, account string) ([]*Connection, error) {
	v, err := s.views.View(ctx, account)
	if err != nil {
		return nil, err
	}
	return byName(v.connections), nil
}

// CreateConnection keeps a new connection. Of c, what is made here is not read.
func (s *Service) CreateConnection(ctx context.Context, account string, c Connection, value secret.Bytes) (*Connection, error) {
	c.ID, c.Created = audit.NewID(), s.now().UTC()
	c.Modified = c.Created
	if err := s.seal(account, &c, value); err != nil {
		return nil, err
	}
	return &c, s.views.Change(ctx, account, func(v *view) (change, error) {
		if v.connections[c.Name] != nil {
			return change{}, fault(Exists, "Connection %s already exists.", c.Name)
		}
		if len(v.connections) >= MaxConnections {
			return change{}, fault(Exceeded, "The requested resource exceeds the maximum number allowed: %d connections.", MaxConnections)
		}
		return put(v, kindConnection, c.Name, &c, connections)
	})
}

// ChangeConnection changes a connection. do is given a copy of it with its secret.
func (s *Service) ChangeConnection(ctx context.Context, account, name string, do func(*Connection, *secret.Bytes) error) (*Connection, error) {
	var changed *Connection
	err := s.views.Change(ctx, account, func(v *view) (change, error) {
		old, err := v.connection(name)
		if err != nil {
			return change{}, err
		}
		value, err := s.secret(account, old)
		if err != nil {
			return change{}, err
		}
		next := *old
		if err := do(&next, &value); err != nil {
			return change{}, err
		}
		next.Modified = s.now().UTC()
		if err := s.seal(account, &next, value); err != nil {
			return change{}, err
		}
		changed = &next
		return put(v, kindConnection, name, &next, connections)
	})
	return changed, err
}

// DeleteConnection forgets a connection and its secret. One that an API destination uses stays.
func (s *Service) DeleteConnection(ctx context.Context, account, name string) (*Connection, error) {
	var gone *Connection
	err := s.views.Change(ctx, account, func(v *view) (change, error) {
		var err error
		if gone, err = v.connection(name); err != nil {
			return change{}, err
		}
		for _, d := range byName(v.destinations) {
			if d.Connection == name {
				return change{}, invalid("Connection %s is used by API destination %s, and cannot be deleted.", name, d.Name)
			}
		}
		return drop(v, kindConnection, name, connections), nil
	})
	return gone, err
}

// Destination returns an API destination of an account by its name.
func (s *Service) Destination(ctx context.Context, account, name string) (*Destination, error) {
	v, err := s.views.View(ctx, account)
	if err != nil {
		return nil, err
	}
	return v.destination(name)
}

func (v *view) destination(name string) (*Destination, error) {
	if d := v.destinations[name]; d != nil {
		return d, nil
	}
	return nil, fault(NotFound, "Failed to describe the api-destination(s). An api-destination '%s' does not exist.", name)
}

// Destinations returns the API destinations of an account in the order of their names.
func (s *Service) Destinations(ctx context.Context, account string) ([]*Destination, error) {
	v, err := s.views.View(ctx, account)
	if err != nil {
		return nil, err
	}
	return byName(v.destinations), nil
}

// PutDestination keeps an API destination: a new one where fresh says so, else the one of its name, changed by do.
func (s *Service) PutDestination(ctx context.Context, account, name string, fresh bool, do func(*Destination) error) (*Destination, error) {
	var changed *Destination
	err := s.views.Change(ctx, account, func(v *view) (change, error) {
		now := s.now().UTC()
		next := Destination{Name: name, ID: audit.NewID(), Created: now}
		switch old := v.destinations[name]; {
		case fresh && old != nil:
			return change{}, fault(Exists, "An api-destination '%s' already exists.", name)
		case fresh && len(v.destinations) >= MaxDestinations:
			return change{}, fault(Exceeded, "The requested resource exceeds the maximum number allowed: %d API destinations.", MaxDestinations)
		case !fresh && old == nil:
			_, err := v.destination(name)
			return change{}, err
		case old != nil:
			next = *old
		}
		if err := do(&next); err != nil {
			return change{}, err
		}
		if v.connections[next.Connection] == nil {
			return change{}, fault(NotFound, "Connection '%s' does not exist.", next.Connection)
		}
		if _, err := checkURL(next.URL); err != nil {
			return change{}, err
		}
		next.Modified, changed = now, &next
		return put(v, kindDestination, name, &next, destinations)
	})
	return changed, err
}

// DeleteDestination forgets an API destination. What targets of it still have waiting goes to their dead letters.
func (s *Service) DeleteDestination(ctx context.Context, account, name string) error {
	var gone string
	err := s.views.Change(ctx, account, func(v *view) (change, error) {
		d, err := v.destination(name)
		if err != nil {
			return change{}, err
		}
		gone = s.DestinationARN(account, d)
		return drop(v, kindDestination, name, destinations), nil
	})
	if err != nil {
		return err
	}
	s.limiter(gone, 0) // no other destination has its ARN
	return nil
}

// checkURL refuses what is no URL that events can go to.
func checkURL(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "https" || u.Hostname() == "" || u.User != nil || u.Fragment != "" || strings.Contains(u.Host, "*") {
		return nil, invalid("Parameter InvocationEndpoint is not valid. Reason: it must be a URL https://HOST[:PORT][/PATH][?QUERY] without user and fragment.")
	}
	return u, nil
}

// url is the URL for a target, with what the target says in the place of the asterisks, in their order.
func (d *Destination) url(h *HTTP) (string, error) {
	u, err := checkURL(d.URL)
	if err != nil {
		return "", err
	}
	if h == nil {
		h = &HTTP{}
	}
	parts := strings.Split(u.EscapedPath(), "*")
	if len(parts)-1 != len(h.Path) {
		return "", invalid("Parameter HttpParameters.PathParameterValues is not valid. Reason: API destination %s has %d asterisks in its path, the target gives %d values.", d.Name, len(parts)-1, len(h.Path))
	}
	var b strings.Builder
	for i, p := range parts {
		b.WriteString(p)
		if i < len(h.Path) {
			b.WriteString(url.PathEscape(h.Path[i]))
		}
	}
	if u.Path, err = url.PathUnescape(b.String()); err != nil {
		return "", invalid("Parameter InvocationEndpoint is not valid. Reason: its path is not readable.")
	}
	u.RawPath = b.String()
	q := u.Query()
	for k, v := range h.Query {
		q.Set(k, v)
	}
	u.RawQuery = q.Encode()
	return u.String(), nil
}
