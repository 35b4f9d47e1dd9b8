package main

import (
	"bytes"
	"cmp"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"darkroom/internal/anchor"
	"darkroom/internal/audit"
	"darkroom/internal/blob"
	"darkroom/internal/blob/s3"
	"darkroom/internal/config"
	"darkroom/internal/egress"
	"darkroom/internal/event"
	"darkroom/internal/feed"
	"darkroom/internal/gateway"
	"darkroom/internal/identity"
	"darkroom/internal/secret"
	"darkroom/internal/siem"
	"darkroom/internal/timestamp"
	"darkroom/internal/watch"
)

// feedReader is what the names of feeds begin with among the readers of the trail.
const feedReader = "feed:"

// watching is what reads the audit trail as it grows: the watch, and the feeds.
type watching struct {
	watch *watch.Watch
	feeds []*feed.Feed
	// emit puts the events of alerts on the bus, and conditions are what others have found; both are set before anything runs.
	emit       func(ctx context.Context, e event.Event) error
	conditions []func(ctx context.Context, now time.Time) []watch.Condition
}

// openWatching opens what reads the audit trail.
func (s *server) openWatching(door *egress.Door) error {
	w := &watching{emit: func(context.Context, event.Event) error { return nil }}
	for i, f := range s.cfg.Audit.Feeds {
		made, err := s.openFeed(f, door)
		if err != nil {
			return fmt.Errorf("audit.feeds[%d]: %w", i, err)
		}
		w.feeds = append(w.feeds, made)
	}
	// A feed that is not configured any more keeps nothing from being forgotten.
	readers, err := s.records.AllReached(context.Background())
	if err != nil {
		return err
	}
	for name := range readers {
		gone := func(f config.Feed) bool { return feedReader+f.Name == name }
		if strings.HasPrefix(name, feedReader) && !slices.ContainsFunc(s.cfg.Audit.Feeds, gone) {
			if err := s.records.ForgetReader(context.Background(), name); err != nil {
				return err
			}
		}
	}
	for _, f := range s.cfg.Audit.Feeds { // from now on, what a new one needs is kept
		if err := s.records.Reach(context.Background(), feedReader+f.Name, 0); err != nil {
			return err
		}
	}
	w.conditions = append(w.conditions, w.stuckFeeds, s.lateTrails)
	w.watch, err = watch.New(watch.Options{
		Region: s.cfg.Region, Accounts: accountIDs(s.cfg), Settings: alertSettings(s.cfg.Audit.Alerts), Trail: s.records, Log: s.log,
		Emit: func(ctx context.Context, e event.Event) error { return w.emit(ctx, e) },
		Conditions: func(ctx context.Context, now time.Time) (all []watch.Condition) {
			for _, c := range w.conditions {
				all = append(all, c(ctx, now)...)
			}
			return all
		},
	})
	s.watching = w
	return err
}

func (s *server) openFeed(f config.Feed, door *egress.Door) (*feed.Feed, error) {
	var sink feed.Sink
	if f.File != "" {
		sink = feed.NewFile(f.File, cmp.Or(f.MaxBytes, config.DefaultFeedBytes), cmp.Or(f.Keep, config.DefaultFeedFiles))
	} else {
		var token func() (secret.Bytes, error)
		if f.TokenFile != "" {
			token = secretFile(f.TokenFile)
			first, err := token() // what is wrong with it is said at the start
			if err != nil {
				return nil, err
			}
			first.Wipe()
		}
		sink = feed.NewWeb(door.Client(egress.Webhook), f.URL, token)
	}
	format := siem.Format(f.Format)
	return feed.New(feed.Options{
		Name: feedReader + f.Name, Trail: s.records, Positions: s.records, Sink: sink, Log: s.log,
		Line: func(e audit.Entry) []byte { return siem.Line(format, e) },
	})
}

// alertSettings are the settings of the configuration over the defaults.
func alertSettings(alerts []config.Alert) map[watch.Rule]watch.Setting {
	out := map[watch.Rule]watch.Setting{}
	for _, a := range alerts {
		s := watch.Default(watch.Rule(a.Rule))
		s.Off = a.Off || s.Off && !a.On
		s.Count, s.Bytes = cmp.Or(a.Count, s.Count), cmp.Or(a.Bytes, s.Bytes)
		s.Window, s.Quiet = cmp.Or(time.Duration(a.Window), s.Window), cmp.Or(time.Duration(a.Quiet), s.Quiet)
		out[watch.Rule(a.Rule)] = s
	}
	return out
}

// run reads the trail until ctx ends, and returns nil when all have ended.
func (w *watching) run(ctx context.Context) error {
	var all sync.WaitGroup
	for _, f := range w.feeds {
		all.Go(func() { _ = f.Run(ctx) }) // it ends with ctx alone
	}
	all.Go(func() { _ = w.watch.Run(ctx) })
	all.Wait()
	return nil
}

// stuckFeeds are the feeds whose target takes nothing.
func (w *watching) stuckFeeds(_ context.Context, now time.Time) (out []watch.Condition) {
	for _, f := range w.feeds {
		if st := f.Status(); st.Stuck(now) {
			name := strings.TrimPrefix(st.Name, feedReader)
			out = append(out, watch.Condition{
				Rule: watch.DeliveryStuck, Subject: "feed " + name,
				Message: fmt.Sprintf("The feed %s of the audit trail takes nothing since %s.", name, st.Failing.UTC().Format(time.RFC3339)),
			})
		}
	}
	return out
}

// problems are the alerts that last, as warnings: they name nobody.
func (w *watching) problems() (out []gateway.Problem) {
	for _, p := range w.watch.Problems() {
		out = append(out, gateway.Problem{Name: "alert " + string(p.Rule), Message: p.Message, Warning: true})
	}
	return out
}

// stranger hears of a refused request whose principal is not known. It has a record like any other, in the main account, unless there are too many of them, or no room but that which is reserved:
// nobody whom the installation does not know spends that.
func (s *server) stranger(r audit.Record) {
	if !s.strangers.Own(&r, time.Now()) {
		s.watching.watch.Stranger(r)
		return
	}
	r.RecipientAccountID = cmp.Or(r.RecipientAccountID, s.cfg.Account)
	p := audit.NewPending(r)
	p.Final(nil)
	if err := s.records.Intend(audit.With(context.Background(), p)); err != nil {
		s.log.Error("audit", "requestId", r.RequestID, "err", err)
		s.strangers.Add(&r, time.Now())
		s.watching.watch.Stranger(r)
	}
}

// tellOfStrangers records each minute, and at the end of ctx, how many requests of unknown principals were refused that have no records of their own.
func (s *server) tellOfStrangers(ctx context.Context) error {
	every := time.NewTicker(time.Minute)
	defer every.Stop()
	for {
		over := false
		select {
		case <-every.C:
		case <-ctx.Done():
			over = true
		}
		err := s.strangers.Tell(time.Now(), s.cfg.Region, s.cfg.Account, func(r audit.Record) error { return s.records.Audit(context.WithoutCancel(ctx), managed(r)) })
		if err != nil {
			s.log.Error("requests of unknown principals could not be recorded; they are told with the next", "err", err)
		}
		if over {
			return nil
		}
	}
}

// stampTimeout bounds a question to an authority of time stamps.
const stampTimeout = 30 * time.Second

// openAnchor opens what keeps witnesses of digests elsewhere; nil where nothing is configured. stores are those of the accounts.
func openAnchor(cfg config.Config, door *egress.Door, stores func(account string) (blob.Store, error)) (*anchor.Anchor, error) {
	o := anchor.Options{Prefix: cfg.Audit.Copies.Prefix}
	if t := cfg.Audit.TimeStamp; t.URL != "" {
		roots, err := stampRoots(t.CAFile)
		if err != nil {
			return nil, fmt.Errorf("audit.timestamp.ca_file: %w", err)
		}
		if o.Stamper, err = anchor.NewStamper(t.URL, roots, poster(door.Client(egress.Anchor)), nil); err != nil {
			return nil, err
		}
		o.Keep = func(ctx context.Context, account, bucket, key string, body []byte) error {
			store, err := stores(account)
			if err != nil {
				return err
			}
			_, err = store.Put(ctx, bucket, key, bytes.NewReader(body), blob.PutOptions{Size: int64(len(body)), Metadata: blob.Metadata{ContentType: timestamp.ReplyType}})
			return err
		}
	}
	if c := cfg.Audit.Copies; c.Endpoint != "" {
		who, err := identity.ReadCredentials(c.CredentialsFile)
		if err != nil {
			return nil, fmt.Errorf("audit.copies.credentials_file: %w", err)
		}
		store, err := s3.New(s3.Options{
			Endpoint: c.Endpoint, Region: cmp.Or(c.Region, cfg.Region), PathStyle: c.PathStyle, Credentials: staticCredentials(who), Client: door.Client(egress.Anchor),
		})
		if err != nil {
			return nil, fmt.Errorf("audit.copies: %w", err)
		}
		o.Copy = func(ctx context.Context, key string, body []byte, metadata map[string]string) error {
			l := s3.Lock{Mode: c.LockMode}
			if l.Mode != "" {
				l.Until = time.Now().AddDate(0, 0, c.LockDays)
			}
			return store.PutOnce(ctx, c.Bucket, key, body, metadata, l)
		}
	}
	if o.Stamper == nil && o.Copy == nil {
		return nil, nil
	}
	return anchor.New(o)
}

// stampRoots reads the authorities that are trusted for time stamps.
func stampRoots(file string) (*x509.CertPool, error) {
	text, err := egress.ReadAuthorities(file)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(text) {
		return nil, errors.New("it has no certificate in PEM")
	}
	return roots, nil
}

// poster posts small documents.
func poster(client *http.Client) anchor.Post {
	return func(ctx context.Context, address, contentType string, body []byte, limit int64) ([]byte, error) {
		ctx, cancel := context.WithTimeout(ctx, stampTimeout)
		defer cancel()
		r, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(body))
		if err != nil {
			return nil, errors.New("the address cannot be used")
		}
		r.Header.Set("Content-Type", contentType)
		r.Header.Set("User-Agent", "Darkroom")
		to := "post to " + r.URL.Host // the rest of the address may be what lets somebody in
		resp, err := client.Do(r)
		if err != nil {
			return nil, egress.NewFault(to, err)
		}
		defer func() { _ = resp.Body.Close() }()
		if resp.StatusCode != http.StatusOK {
			return nil, fmt.Errorf("the answer has status %d, want 200", resp.StatusCode)
		}
		text, err := io.ReadAll(io.LimitReader(resp.Body, limit+1))
		if err == nil && int64(len(text)) > limit {
			return nil, fmt.Errorf("the answer is larger than %d bytes", limit)
		}
		return text, egress.NewFault(to, err)
	}
}
