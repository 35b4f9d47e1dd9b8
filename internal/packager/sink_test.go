package packager

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"darkroom/internal/plan"
)

// memory is a store in memory that says what happened to it.
type memory struct {
	mu      sync.Mutex
	objects map[string][]byte
	types   map[string]string
	order   []string // URIs in the order in which they appeared
	open    map[*memoryUpload]bool
	created int
	aborted int

	// before, when not nil, is called before every request with its kind ("put", "create", "part", "complete", "abort") and URI.
	before func(ctx context.Context, kind, uri string) error
}

func newMemory() *memory {
	return &memory{objects: map[string][]byte{}, types: map[string]string{}, open: map[*memoryUpload]bool{}}
}

func (m *memory) request(ctx context.Context, kind, uri string) error {
	if m.before != nil {
		if err := m.before(ctx, kind, uri); err != nil {
			return err
		}
	}
	return ctx.Err()
}

func (m *memory) store(uri, contentType string, body []byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, twice := m.objects[uri]; twice {
		panic("written twice: " + uri)
	}
	m.objects[uri] = body
	m.types[uri] = contentType
	m.order = append(m.order, uri)
}

func (m *memory) Put(ctx context.Context, loc plan.Location, contentType string, body []byte) error {
	if err := m.request(ctx, "put", loc.URI()); err != nil {
		return err
	}
	m.store(loc.URI(), contentType, bytes.Clone(body))
	return nil
}

func (m *memory) Create(ctx context.Context, loc plan.Location, contentType string) (Upload, error) {
	if err := m.request(ctx, "create", loc.URI()); err != nil {
		return nil, err
	}
	u := &memoryUpload{m: m, uri: loc.URI(), contentType: contentType, parts: map[int][]byte{}}
	m.mu.Lock()
	m.open[u] = true
	m.created++
	m.mu.Unlock()
	return u, nil
}

type memoryUpload struct {
	m                *memory
	uri, contentType string
	mu               sync.Mutex
	parts            map[int][]byte
	active           int
}

// minPartSize is the least that S3 allows.
const minPartSize = 5 << 20

var errMisuse = errors.New("the upload was used wrongly")

func (u *memoryUpload) Part(ctx context.Context, number int, body []byte) error {
	u.mu.Lock()
	u.active++
	u.mu.Unlock()
	defer func() {
		u.mu.Lock()
		u.active--
		u.mu.Unlock()
	}()
	if err := u.m.request(ctx, "part", u.uri); err != nil {
		return err
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if _, twice := u.parts[number]; twice || number < 1 || number > maxParts || len(body) == 0 {
		return fmt.Errorf("%w: part %d", errMisuse, number)
	}
	u.parts[number] = bytes.Clone(body)
	return nil
}

func (u *memoryUpload) Complete(ctx context.Context) error {
	if err := u.m.request(ctx, "complete", u.uri); err != nil {
		return err
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.active > 0 {
		return fmt.Errorf("%w: completed with a part under way", errMisuse)
	}
	var numbers []int
	for n := range u.parts {
		numbers = append(numbers, n)
	}
	slices.Sort(numbers)
	var body []byte
	for i, n := range numbers {
		if i+1 < len(numbers) && len(u.parts[n]) < minPartSize {
			return fmt.Errorf("%w: part %d has %d bytes", errMisuse, n, len(u.parts[n]))
		}
		body = append(body, u.parts[n]...)
	}
	u.m.mu.Lock()
	delete(u.m.open, u)
	u.m.mu.Unlock()
	u.m.store(u.uri, u.contentType, body)
	return nil
}

func (u *memoryUpload) Abort(ctx context.Context) error {
	if err := u.m.request(ctx, "abort", u.uri); err != nil {
		return err
	}
	u.mu.Lock()
	active := u.active
	u.mu.Unlock()
	if active > 0 {
		return fmt.Errorf("%w: aborted with a part under way", errMisuse)
	}
	u.m.mu.Lock()
	defer u.m.mu.Unlock()
	delete(u.m.open, u)
	u.m.aborted++
	return nil
}

// null is a store that takes everything and keeps nothing.
type null struct{}

func (null) Put(context.Context, plan.Location, string, []byte) error { return nil }

func (null) Create(context.Context, plan.Location, string) (Upload, error) { return null{}, nil }

func (null) Part(context.Context, int, []byte) error { return nil }

func (null) Complete(context.Context) error { return nil }

func (null) Abort(context.Context) error { return nil }
