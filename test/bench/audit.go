package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/service/mediaconvert/types"

	"darkroom/internal/api"
	"darkroom/internal/audit"
	entry "darkroom/internal/gateway"
	"darkroom/internal/iam"
	jobs "darkroom/internal/job"
	"darkroom/internal/plan"
	"darkroom/internal/queue"
	"darkroom/internal/secret"
	"darkroom/internal/sigv4"
	"darkroom/internal/store"
	"darkroom/internal/store/sqlite"
)

// unaudited is a store whose changes carry no record, so that none is written.
type unaudited struct{ store.Store }

func (u unaudited) Submit(ctx context.Context, j *jobs.Job, now time.Time) (*jobs.Job, error) {
	return u.Store.Submit(audit.With(ctx, nil), j, now)
}

// forgetful is a trail that forgets.
type forgetful struct{ n atomic.Int64 }

func (*forgetful) Audit(context.Context, ...audit.Record) error { return nil }
func (f *forgetful) Intend(ctx context.Context) error {
	if p := audit.From(ctx); p != nil && p.Sequence() == 0 {
		p.Written(f.n.Add(1))
	}
	return nil
}
func (*forgetful) Conclude(p *audit.Pending) { p.Conclude() }

// benchPeople are one root, whose role is as it should be.
type benchPeople struct{ key string }

func (p benchPeople) Find(context.Context, string, string) (*sigv4.Key, iam.Principal, error) {
	return &sigv4.Key{Secret: secret.New([]byte(p.key))}, iam.Principal{Type: iam.Root, Account: benchAccount, ARN: "arn:aws:iam::" + benchAccount + ":root", AccessKeyID: "AKIAROOT"}, nil
}
func (benchPeople) Used(string, iam.Principal, string)                         {}
func (benchPeople) CheckJobRole(context.Context, string, string, string) error { return nil }
func (benchPeople) RoleTags(context.Context, string, string) (map[string]string, error) {
	return nil, nil
}

// benchCertificates has none.
type benchCertificates struct{ api.Certificates }

// door is an API of jobs behind a gateway in this process.
type door struct {
	site    *httptest.Server
	records *sqlite.Store
	stop    func()
}

func (b *bench) openDoor(audited bool) (*door, error) {
	dir, err := os.MkdirTemp(b.dir, "audit-")
	if err != nil {
		return nil, err
	}
	records, err := sqlite.Open(filepath.Join(dir, "records.db"))
	if err != nil {
		return nil, err
	}
	var kept store.Store = unaudited{records}
	var trail entry.Trail = &forgetful{}
	if audited {
		kept, trail = records, records
	}
	q := queue.New(kept, queue.Options{Region: "us-east-1", Log: slog.New(slog.DiscardHandler)})
	people := benchPeople{benchKey}
	service, err := api.New(api.Options{
		Queue: q, Roles: people, Certificates: benchCertificates{}, Region: "us-east-1", TokenKey: secret.New(make([]byte, 32)), QueueCreated: time.Now(),
		Check: func(*types.JobSettings) (invalid, notOffered []plan.Refusal) { return nil, nil },
		Probe: func(context.Context, iam.Principal, plan.Input, []string) (*plan.Found, error) { return nil, io.EOF },
	})
	if err != nil {
		return nil, err
	}
	g, err := entry.New(entry.Options{Services: []entry.Service{service}, Default: service.Name(), Region: "us-east-1", Identities: people, Trail: trail, Log: slog.New(slog.NewJSONHandler(io.Discard, nil))})
	if err != nil {
		return nil, err
	}
	site := httptest.NewTLSServer(g.Handler())
	return &door{site, records, func() {
		site.Close()
		_ = records.Close() // the directory goes with the bench
	}}, nil
}

const benchKey = "a secret of forty characters, or so 1234"

// create submits a job.
func (d *door) create(ctx context.Context, body []byte) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, d.site.URL+"/2017-08-29/jobs", bytes.NewReader(body))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/json")
	sum := sha256.Sum256(body)
	if err := v4.NewSigner().SignHTTP(ctx, aws.Credentials{AccessKeyID: "AKIAROOT", SecretAccessKey: benchKey}, r, hex.EncodeToString(sum[:]), "mediaconvert", "us-east-1", time.Now()); err != nil {
		return err
	}
	resp, err := d.site.Client().Do(r)
	if err != nil {
		return err
	}
	text, err := io.ReadAll(resp.Body)
	_ = resp.Body.Close() // read whole
	if err == nil && resp.StatusCode != http.StatusCreated {
		err = fmt.Errorf("%s: %s", resp.Status, text)
	}
	return err
}

// audit: what the audit trail costs CreateJob, against a trail that forgets, in the same process. Both take turns in short spans, in changing order, and each ratio is that of two spans
// beside each other: what else the machine does meets both. CreateJob makes no event: a job's first is PROGRESSING.
func (b *bench) audit() error {
	const span = time.Second
	pairs := 10 * b.rounds
	if b.quick {
		pairs = 2
	}
	settings := job(rungs, "s3://films/film.mp4", "s3://films/out")
	var doors [2]*door
	for i := range doors {
		var err error
		if doors[i], err = b.openDoor(i == 1); err != nil {
			return err
		}
		defer doors[i].stop()
		doors[i].site.Client().Transport.(*http.Transport).MaxIdleConnsPerHost = 16
	}
	var rates, costs [2][]float64 // calls a second; microseconds of processor time a call
	var slower, dearer []float64  // with the trail against without
	for n := range pairs {
		for turn := range doors {
			i := (n + turn) % 2
			before := processor()
			rate, each, err := together(b.ctx, span, func(ctx context.Context, n int) error {
				body := fmt.Sprintf(`{"role":"%s","clientRequestToken":"%d-%d-%d","settings":%s}`, strings.Replace(role, "000000000000", benchAccount, 1), i, time.Now().UnixNano(), n, settings)
				return doors[i].create(ctx, []byte(body))
			})
			if err != nil {
				return err
			}
			rates[i] = append(rates[i], rate)
			costs[i] = append(costs[i], float64((processor()-before).Microseconds())/float64(len(each)))
		}
		slower, dearer = append(slower, rates[1][n]/rates[0][n]), append(dearer, costs[1][n]/costs[0][n])
	}
	middle := func(all []float64) float64 { return slices.Sorted(slices.Values(all))[len(all)/2] }
	row(fmt.Sprintf("CreateJob at 8 clients with its audit record (in process, TLS, signed, fsynced), median of %d seconds", pairs),
		fmt.Sprintf("%.0f/s", middle(rates[1])), fmt.Sprintf("%.0f/s: the same without a trail", middle(rates[0])), fmt.Sprintf("%.2f", middle(slower)))
	row("the same, processor time of client and server for a call", fmt.Sprintf("%.0f µs", middle(costs[1])), fmt.Sprintf("%.0f µs: without a trail", middle(costs[0])), fmt.Sprintf("%.2f", middle(dearer)))
	return nil
}

// processor is how long this process has been carried out, by its programs and by the kernel for it.
func processor() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
