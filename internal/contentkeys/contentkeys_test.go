package contentkeys

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"darkroom/internal/audit"
	"darkroom/internal/cenc"
	"darkroom/internal/certificate"
	"darkroom/internal/cpix"
	"darkroom/internal/egress"
	"darkroom/internal/job"
	"darkroom/internal/plan"
	"darkroom/internal/secret"
	"darkroom/internal/speke"
)

const (
	widevine  = "edef8ba9-79d6-4ace-a3c8-27dcd51d21ed"
	playReady = "9a04f079-9840-4286-ab92-e65be0885f95"
	fairPlay  = "94ce86fb-07ff-4f43-adb8-93d2fa968ca2"
	account   = "000000000000"
	roleARN   = "arn:aws:iam::000000000000:role/cutter"
	at        = "https://keys.example/speke?customer=secret"
)

// asker is a key server that answers as the test says.
type asker func(ctx context.Context, q speke.Query) ([]cenc.Protection, error)

func (a asker) Keys(ctx context.Context, q speke.Query) ([]cenc.Protection, error) { return a(ctx, q) }

// give answers with a key for each that was asked for.
func give(_ context.Context, q speke.Query) ([]cenc.Protection, error) {
	var keys []cenc.Protection
	for _, k := range q.Request.Keys {
		keys = append(keys, cenc.Protection{Key: cenc.Key{ID: k.ID, Value: secret.New([]byte("sixteen bytes ok"))}})
	}
	return keys, nil
}

// trail is an audit trail.
type trail struct {
	mu      sync.Mutex
	records []audit.ServiceEvent
	failing map[audit.Outcome]error
}

func (l *trail) write(_ context.Context, r audit.ServiceEvent) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.records = append(l.records, r)
	return l.failing[r.Outcome]
}

func (l *trail) outcomes() []audit.Outcome {
	l.mu.Lock()
	defer l.mu.Unlock()
	var all []audit.Outcome
	for _, r := range l.records {
		all = append(all, r.Outcome)
	}
	return all
}

func service(t *testing.T, o Options) *Service {
	t.Helper()
	if o.Asker == nil {
		o.Asker = asker(give)
	}
	o.Region = "us-east-1"
	o.Now = func() time.Time { return time.Unix(100, 0) }
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// of is a job with output groups.
func of(id string, groups ...string) *job.Job {
	return &job.Job{ID: id, Account: account, Role: roleARN, Settings: json.RawMessage(`{"outputGroups":[` + strings.Join(groups, ",") + `]}`)}
}

const files = `{"outputGroupSettings":{"type":"FILE_GROUP_SETTINGS","fileGroupSettings":{"destination":"s3://b/"}}}`

// cmaf is a CMAF group; more are members of its key provider.
func cmaf(resource, method, more string) string {
	return `{"outputGroupSettings":{"type":"CMAF_GROUP_SETTINGS","cmafGroupSettings":{"destination":"s3://b/","segmentLength":4,"fragmentLength":2,"encryption":{"type":"SPEKE","encryptionMethod":"` + method +
		`","constantInitializationVector":"000102030405060708090a0b0c0d0e0f","spekeKeyProvider":{"url":"` + at + `","resourceId":"` + resource + `","dashSignaledSystemIds":["` + widevine + `","` + playReady + `"],"hlsSignaledSystemIds":["` + widevine + `"]` + more + `}}}}}`
}

func hls(resource, method string) string {
	return `{"outputGroupSettings":{"type":"HLS_GROUP_SETTINGS","hlsGroupSettings":{"destination":"s3://b/","encryption":{"type":"SPEKE","encryptionMethod":"` + method +
		`","spekeKeyProvider":{"url":"` + at + `","resourceId":"` + resource + `","systemIds":["` + fairPlay + `"]}}}}}`
}

func dash(resource string) string {
	return `{"outputGroupSettings":{"type":"DASH_ISO_GROUP_SETTINGS","dashIsoGroupSettings":{"destination":"s3://b/","encryption":{"spekeKeyProvider":{"url":"` + at +
		`","resourceId":"` + resource + `","systemIds":["` + widevine + `"]}}}}}`
}

func smooth(resource string) string {
	return `{"outputGroupSettings":{"type":"MS_SMOOTH_GROUP_SETTINGS","msSmoothGroupSettings":{"destination":"s3://b/","encryption":{"spekeKeyProvider":{"url":"` + at +
		`","resourceId":"` + resource + `","systemIds":["` + playReady + `"]}}}}}`
}

const contract = `,"encryptionContractConfiguration":{"spekeVideoPreset":"PRESET_VIDEO_1","spekeAudioPreset":"PRESET_AUDIO_1"}`

// TestRequests: what is asked of a key server follows from the settings of each kind of group.
func TestRequests(t *testing.T) {
	t.Parallel()
	iv := []byte{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}
	w, p, f := cenc.Widevine, cenc.PlayReady, cenc.FairPlay
	shared := cpix.KeyID("film", cpix.All)
	for _, c := range []struct {
		name, group string
		want        *cpix.Request
	}{
		{"CMAF, v2", cmaf("film", "SAMPLE_AES", contract), &cpix.Request{
			ContentID: "film", Version: 2, Scheme: cenc.CBCS, Encrypted: cenc.CBCS, Method: "SAMPLE-AES",
			Keys: []cpix.Key{{ID: cpix.KeyID("film", "VIDEO"), IV: iv}, {ID: cpix.KeyID("film", "AUDIO"), IV: iv}},
			Systems: []cpix.System{
				{ID: w, KeyID: cpix.KeyID("film", "VIDEO"), PSSH: true, ContentProtection: true, HLS: true},
				{ID: w, KeyID: cpix.KeyID("film", "AUDIO"), PSSH: true, ContentProtection: true, HLS: true},
				{ID: p, KeyID: cpix.KeyID("film", "VIDEO"), PSSH: true, ContentProtection: true},
				{ID: p, KeyID: cpix.KeyID("film", "AUDIO"), PSSH: true, ContentProtection: true},
			},
		}},
		{"CMAF, v1, AES-CTR", cmaf("film", "AES_CTR", ""), &cpix.Request{
			ContentID: "film", Version: 1, Encrypted: cenc.CENC, Method: "SAMPLE-AES-CTR", Keys: []cpix.Key{{ID: shared, IV: iv}},
			Systems: []cpix.System{{ID: w, KeyID: shared, PSSH: true, ContentProtection: true, HLS: true}, {ID: p, KeyID: shared, PSSH: true, ContentProtection: true}},
		}},
		{"HLS, SAMPLE-AES", hls("film", "SAMPLE_AES"), &cpix.Request{
			ContentID: "film", Version: 1, Encrypted: cenc.CBCS, Method: "SAMPLE-AES", Keys: []cpix.Key{{ID: shared}}, Systems: []cpix.System{{ID: f, KeyID: shared, HLS: true}},
		}},
		{"HLS, AES-128", hls("film", "AES128"), &cpix.Request{
			ContentID: "film", Version: 1, Encrypted: cenc.CBCS, Method: "AES-128", Keys: []cpix.Key{{ID: shared}}, Systems: []cpix.System{{ID: f, KeyID: shared, HLS: true}},
		}},
		{"DASH", dash("film"), &cpix.Request{
			ContentID: "film", Version: 1, Encrypted: cenc.CENC, Method: "SAMPLE-AES-CTR", Keys: []cpix.Key{{ID: shared}}, Systems: []cpix.System{{ID: w, KeyID: shared, PSSH: true, ContentProtection: true}},
		}},
		{"Smooth", smooth("film"), &cpix.Request{
			ContentID: "film", Version: 1, Encrypted: cenc.CENC, Keys: []cpix.Key{{ID: shared}}, Systems: []cpix.System{{ID: p, KeyID: shared, Smooth: true}},
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var got speke.Query
			var on egress.Subject
			s := service(t, Options{Asker: asker(func(ctx context.Context, q speke.Query) ([]cenc.Protection, error) {
				got, on = q, egress.SubjectOf(ctx)
				return give(ctx, q)
			})})
			keys, err := s.Fetch(t.Context(), of("j", files, c.group), "task", 7, 1)
			if err != nil {
				t.Fatal(err)
			}
			for i := range got.Request.Keys { // the contract is the plan's and cpix's
				if c.want.Version == 1 != (got.Request.Keys[i].Use.Track == "") {
					t.Errorf("key %d is for %q", i, got.Request.Keys[i].Use.Track)
				}
				got.Request.Keys[i].Use = cpix.Use{}
			}
			if d := cmp.Diff(c.want, got.Request); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
			if got.URL != at || got.Key != nil || got.Credentials != nil || len(keys) != len(c.want.Keys) {
				t.Errorf("asked %s, %d keys", got.URL, len(keys))
			}
			if on != (egress.Subject{Account: account, Job: "j", Task: "task", Epoch: 7}) {
				t.Errorf("the connection is for %+v", on)
			}
		})
	}
}

// TestRefused: what is not on record is not asked for.
func TestRefused(t *testing.T) {
	t.Parallel()
	s := service(t, Options{Asker: asker(func(context.Context, speke.Query) ([]cenc.Protection, error) {
		t.Error("a key server was asked")
		return nil, nil
	})})
	arn := `,"certificateArn":"arn:aws:acm:us-east-1:000000000000:certificate/00000000-0000-4000-8000-000000000000"`
	for _, c := range []struct {
		name string
		job  *job.Job
		n    int
		code int // 0: not the job's fault
	}{
		{"a group without encryption", of("j", files, dash("film")), 0, 0},
		{"a group that is not there", of("j", dash("film")), 1, 0},
		{"a group before the first", of("j", dash("film")), -1, 0},
		{"settings that cannot be read", &job.Job{ID: "j", Settings: json.RawMessage(`{"outputGroups":5}`)}, 0, 1040},
		{"a contract that is none", of("j", cmaf("film", "SAMPLE_AES", strings.Replace(contract, "PRESET_AUDIO_1", "SHARED", 1))), 0, 1040},
		{"FairPlay in DASH", of("j", strings.Replace(dash("film"), widevine, fairPlay, 1)), 0, 1040},
		{"a certificate where there are none", of("j", cmaf("film", "SAMPLE_AES", arn)), 0, 1091},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			keys, err := s.Fetch(t.Context(), c.job, "task", 1, c.n)
			e, ok := errors.AsType[*job.Error](err)
			if keys != nil || err == nil || ok != (c.code != 0) || ok && e.Code != c.code {
				t.Errorf("got %d keys, error %v, want code %d", len(keys), err, c.code)
			}
		})
	}
}

// TestRecipient: content keys are encrypted for the certificate that the settings name, of the job's account, if it may be used for that.
func TestRecipient(t *testing.T) {
	t.Parallel()
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	of1 := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, of1, of1, k.Public(), k)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	const name = "arn:aws:acm:us-east-1:000000000000:certificate/00000000-0000-4000-8000-000000000000"
	group := cmaf("film", "SAMPLE_AES", `,"certificateArn":"`+name+`"`)
	for _, c := range []struct {
		name     string
		err      error
		approved bool
		code     int
		want     string
	}{
		{name: "good"},
		{name: "not associated", err: &certificate.Error{Fault: certificate.Unsuitable, Message: "The certificate is not associated."}, code: 1091, want: "The certificate is not associated."},
		{name: "only approved cryptography", approved: true, code: 1040, want: "Not offered by this installation: output group 1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var asked *speke.Query
			s := service(t, Options{
				ApprovedOnly: c.approved,
				Asker: asker(func(ctx context.Context, q speke.Query) ([]cenc.Protection, error) {
					asked = &q
					return give(ctx, q)
				}),
				Recipient: func(_ context.Context, a, n string) (*certificate.Recipient, error) {
					if a != account || n != name {
						t.Errorf("the certificate %s of %s", n, a)
					}
					return &certificate.Recipient{Certificate: leaf, Key: k}, c.err
				},
			})
			_, err := s.Fetch(t.Context(), of("j", group), "task", 1, 0)
			if c.code == 0 {
				if err != nil || string(asked.Request.Certificate) != string(der) || asked.Key != k {
					t.Errorf("error %v, asked %+v", err, asked)
				}
				return
			}
			e, ok := errors.AsType[*job.Error](err)
			if !ok || e.Code != c.code || !strings.Contains(e.Message, c.want) || asked != nil {
				t.Errorf("got %v, want %d %q", err, c.code, c.want)
			}
		})
	}
}

// TestOneUse: a resource ID is used by one running job at a time; by another when that has ended, and by others of other accounts.
func TestOneUse(t *testing.T) {
	t.Parallel()
	running := map[string]bool{"first": true}
	s := service(t, Options{Running: func(_ context.Context, _, id string) (bool, error) { return running[id], nil }})
	fetch := func(j *job.Job) error {
		for i := range strings.Count(string(j.Settings), "resourceId") {
			if _, err := s.Fetch(t.Context(), j, "task", 1, i); err != nil {
				return err
			}
		}
		return nil
	}
	first, second := of("first", dash("film"), hls("film", "SAMPLE_AES")), of("second", hls("film", "SAMPLE_AES"))
	if err := fetch(first); err != nil {
		t.Fatalf("two groups of one job: %v", err)
	}
	if err := fetch(first); err != nil {
		t.Fatalf("the same job after a rescue: %v", err)
	}
	e, ok := errors.AsType[*job.Error](fetch(second))
	if !ok || e.Code != 1091 || !strings.Contains(e.Message, "the resource ID film is in use by the job first") {
		t.Errorf("a second job: %v", e)
	}
	if err := fetch(of("third", dash("another film"))); err != nil {
		t.Errorf("another resource ID: %v", err)
	}
	elsewhere := of("fourth", dash("film"))
	elsewhere.Account = "111122223333"
	if err := fetch(elsewhere); err != nil {
		t.Errorf("another account: %v", err)
	}
	running["first"], running["second"] = false, true
	if err := fetch(second); err != nil {
		t.Errorf("the second job when the first has ended: %v", err)
	}
	if e, ok := errors.AsType[*job.Error](fetch(first)); !ok || e.Code != 1091 {
		t.Errorf("the first job again while the second runs: %v", e)
	}
	for i := range 3 * maxUses {
		if err := fetch(of(fmt.Sprint("past ", i), dash(fmt.Sprint("film ", i)))); err != nil {
			t.Fatal(err)
		}
	}
	if len(s.uses) > maxUses+1 {
		t.Errorf("%d resource IDs are remembered", len(s.uses))
	}
	if e, ok := errors.AsType[*job.Error](fetch(first)); !ok || e.Code != 1091 {
		t.Errorf("the use of a running job was forgotten: %v", e)
	}
	broken := service(t, Options{Running: func(context.Context, string, string) (bool, error) { return false, errors.New("the records are away") }})
	if _, err := broken.Fetch(t.Context(), first, "task", 1, 0); err != nil {
		t.Fatal(err)
	}
	if _, err := broken.Fetch(t.Context(), second, "task", 1, 0); err == nil {
		t.Error("a resource ID of a job that may be running was given to another")
	}
}

// TestAtOnce: of many jobs that ask for one resource ID at the same time, one gets it.
func TestAtOnce(t *testing.T) {
	t.Parallel()
	s := service(t, Options{Running: func(context.Context, string, string) (bool, error) { return true, nil }})
	var got sync.Map
	var all sync.WaitGroup
	for i := range 20 {
		all.Go(func() {
			if _, err := s.Fetch(context.Background(), of(fmt.Sprint("job ", i), dash("film")), "task", 1, 0); err == nil {
				got.Store(i, true)
			}
		})
	}
	all.Wait()
	n := 0
	got.Range(func(any, any) bool { n++; return true })
	if n != 1 {
		t.Errorf("%d jobs use one resource ID", n)
	}
}

// TestAudit: a question is written down before it is asked, and what became of it before its keys are given.
func TestAudit(t *testing.T) {
	t.Parallel()
	log := &trail{}
	asked := false
	s := service(t, Options{Audit: log.write, Asker: asker(func(ctx context.Context, q speke.Query) ([]cenc.Protection, error) {
		asked = true
		if got := log.outcomes(); !slices.Equal(got, []audit.Outcome{audit.Intended}) {
			t.Errorf("the trail says %v when the question is asked", got)
		}
		return give(ctx, q)
	})})
	if _, err := s.Fetch(t.Context(), of("j", cmaf("film", "SAMPLE_AES", contract)), "task", 1, 0); err != nil || !asked {
		t.Fatal(err)
	}
	want := audit.ServiceEvent{
		Time: time.Unix(100, 0).UTC(), Principal: roleARN, Service: "speke", Action: "CopyProtection", Outcome: audit.Intended,
		Resources: []string{
			"arn:aws:mediaconvert:us-east-1:000000000000:jobs/j", "https://keys.example",
			"urn:uuid:" + cpix.KeyID("film", "VIDEO").String(), "urn:uuid:" + cpix.KeyID("film", "AUDIO").String(),
		},
	}
	granted := want
	granted.Outcome = audit.Granted
	if d := cmp.Diff([]audit.ServiceEvent{want, granted}, log.records); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	t.Run("no trail, no question", func(t *testing.T) {
		t.Parallel()
		s := service(t, Options{Audit: (&trail{failing: map[audit.Outcome]error{audit.Intended: errors.New("full")}}).write, Asker: asker(func(context.Context, speke.Query) ([]cenc.Protection, error) {
			t.Error("a question that is not written down was asked")
			return nil, nil
		})})
		if keys, err := s.Fetch(t.Context(), of("j", dash("film")), "task", 1, 0); err == nil || keys != nil {
			t.Errorf("got %d keys, error %v", len(keys), err)
		}
	})
	t.Run("no outcome, no keys", func(t *testing.T) {
		t.Parallel()
		var kept []cenc.Protection
		s := service(t, Options{Audit: (&trail{failing: map[audit.Outcome]error{audit.Granted: errors.New("full")}}).write, Asker: asker(func(ctx context.Context, q speke.Query) ([]cenc.Protection, error) {
			keys, err := give(ctx, q)
			kept = keys
			return keys, err
		})})
		if keys, err := s.Fetch(t.Context(), of("j", dash("film")), "task", 1, 0); err == nil || keys != nil {
			t.Errorf("got %d keys, error %v", len(keys), err)
		}
		if string(kept[0].Value.Reveal()) != string(make([]byte, 16)) {
			t.Error("the keys that nobody gets are still there")
		}
	})
	t.Run("whoever gives up, the outcome stands", func(t *testing.T) {
		t.Parallel()
		log := &trail{}
		ctx, cancel := context.WithCancel(t.Context())
		s := service(t, Options{Audit: func(ctx context.Context, r audit.ServiceEvent) error {
			if err := ctx.Err(); err != nil {
				return err
			}
			return log.write(ctx, r)
		}, Asker: asker(func(ctx context.Context, _ speke.Query) ([]cenc.Protection, error) {
			cancel()
			return nil, ctx.Err()
		})})
		if _, err := s.Fetch(ctx, of("j", dash("film")), "task", 1, 0); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
		if got := log.outcomes(); !slices.Equal(got, []audit.Outcome{audit.Intended, audit.Failed}) {
			t.Errorf("the trail says %v", got)
		}
	})
}

// TestFailures: how a job fails of each error, and what the audit trail says of it.
func TestFailures(t *testing.T) {
	t.Parallel()
	for kind := speke.BadURL; kind <= speke.BadAnswer; kind++ {
		t.Run(fmt.Sprint("kind ", int(kind)), func(t *testing.T) {
			t.Parallel()
			log := &trail{}
			s := service(t, Options{Audit: log.write, Asker: asker(func(context.Context, speke.Query) ([]cenc.Protection, error) {
				return nil, &speke.Error{Kind: kind, Host: "keys.example", Status: 418, Said: "I am a teapot", Err: errors.New("read /etc/token: denied")}
			})})
			_, err := s.Fetch(t.Context(), of("j", files, dash("film")), "task", 1, 1)
			e, ok := errors.AsType[*job.Error](err)
			if !ok || e.Code != 1091 {
				t.Fatalf("got %v, want 1091", err)
			}
			for _, part := range []string{"Output group 2 has no content keys: ", advice[kind]} {
				if part == "" || !strings.Contains(e.Message, part) {
					t.Errorf("%q lacks %q", e.Message, part)
				}
			}
			if kind != speke.BadURL && !strings.Contains(e.Message, "keys.example") {
				t.Errorf("%q does not name the host", e.Message)
			}
			if strings.Contains(e.Message, "/etc") || strings.Contains(e.Message, "customer") {
				t.Errorf("%q shows the inside", e.Message)
			}
			got := log.records[len(log.records)-1]
			if got.Outcome != audit.Failed && got.Outcome != audit.Denied || got.Reason == "" || strings.Contains(got.Reason, "teapot") {
				t.Errorf("the trail says %s: %q", got.Outcome, got.Reason)
			}
		})
	}
}

// TestResume: after a restart the resource ID is still that of the job which had it, whichever asks first.
func TestResume(t *testing.T) {
	t.Parallel()
	began := time.Unix(50, 0)
	in := func(id string, phase job.Phase, after time.Duration, groups ...string) *job.Job {
		j := of(id, groups...)
		j.Status, j.Phase, j.Started = job.Progressing, phase, began.Add(after)
		return j
	}
	for _, c := range []struct {
		name string
		jobs []*job.Job
		want string // whose the resource ID is
	}{
		{"the one that has its keys", []*job.Job{in("a", job.Probing, 0, dash("film")), in("b", job.Transcoding, 2, dash("film"))}, "b"},
		{"the earlier of two that have none", []*job.Job{in("a", job.Probing, 2, dash("film")), in("b", job.Probing, 0, dash("film"))}, "b"},
		{"in another group", []*job.Job{in("a", job.Transcoding, 2, dash("film")), in("b", job.Uploading, 0, files, dash("other"), hls("film", "SAMPLE_AES"))}, "b"},
		{"beside one that cannot be read", []*job.Job{{ID: "broken", Account: account, Settings: json.RawMessage(`{"outputGroups":5}`)}, in("a", job.Probing, 3, dash("film")), in("b", job.Probing, 0, dash("film"))}, "b"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := service(t, Options{Running: func(context.Context, string, string) (bool, error) { return true, nil }})
			s.Resume(c.jobs)
			fetch := func(j *job.Job) error {
				for i := range 3 {
					if _, err := find(j, i); err != nil {
						continue
					}
					if _, err := s.Fetch(t.Context(), j, "task", 1, i); err != nil {
						return err
					}
				}
				return nil
			}
			for _, j := range c.jobs {
				if e, ok := errors.AsType[*job.Error](fetch(j)); j.ID == "a" && (!ok || !strings.Contains(e.Message, "in use by the job "+c.want)) {
					t.Errorf("the job %s: %v", j.ID, e)
				} else if j.ID == c.want && ok {
					t.Errorf("the job %s: %v", j.ID, e)
				}
			}
			elsewhere := of("c", dash("film"))
			elsewhere.Account = "111122223333"
			if err := fetch(elsewhere); err != nil {
				t.Errorf("another account: %v", err)
			}
		})
	}
}

// TestCredentials: a role signs within one session for all attempts, which ends with the exchange; where nothing is signed there is none.
func TestCredentials(t *testing.T) {
	t.Parallel()
	opened, closed := 0, 0
	signs := true
	var trouble error
	s := service(t, Options{
		Asker: asker(func(ctx context.Context, q speke.Query) ([]cenc.Protection, error) {
			if !signs {
				return give(ctx, q)
			}
			for range 3 {
				c, err := q.Credentials(ctx)
				if err != nil {
					return nil, &speke.Error{Kind: speke.NoCredentials, Err: err}
				}
				if c.AccessKeyID != "ASIA" || closed != 0 {
					t.Errorf("credentials %q, %d sessions ended", c.AccessKeyID, closed)
				}
			}
			return give(ctx, q)
		}),
		Credentials: func(_ context.Context, j *job.Job, epoch int64, asked *plan.GroupKeys) (speke.Credentials, func(), error) {
			if j.ID != "j" || epoch != 5 || asked.ResourceID != "film" || asked.URL != at {
				t.Errorf("credentials for %s, %d, %+v", j.ID, epoch, asked)
			}
			opened++
			return speke.Credentials{AccessKeyID: "ASIA"}, func() { closed++ }, trouble
		},
	})
	if _, err := s.Fetch(t.Context(), of("j", dash("film")), "task", 5, 0); err != nil || opened != 1 || closed != 1 {
		t.Errorf("%d sessions opened, %d ended, error %v", opened, closed, err)
	}
	signs = false
	if _, err := s.Fetch(t.Context(), of("j", dash("film")), "task", 5, 0); err != nil || opened != 1 || closed != 1 {
		t.Errorf("without a signature: %d sessions opened, %d ended, error %v", opened, closed, err)
	}
	signs, trouble = true, job.Errorf(1433, "The role does not exist.")
	_, err := s.Fetch(t.Context(), of("j", dash("film")), "task", 5, 0)
	if e, ok := errors.AsType[*job.Error](err); !ok || e.Code != 1433 {
		t.Errorf("a role that is gone: %v", err)
	}
}
