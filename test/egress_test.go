package test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/mediaconvert"
	"github.com/aws/aws-sdk-go-v2/service/mediaconvert/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/google/go-cmp/cmp"

	"darkroom/internal/audit"
	"darkroom/internal/egress/egresstest"
	"darkroom/internal/store/sqlite"
)

// trail stops the server and returns what its audit trail says of connections, the oldest first.
func (s *server) trail() []audit.ServiceEvent {
	s.t.Helper()
	return slices.DeleteFunc(s.serviceEvents(), func(e audit.ServiceEvent) bool { return e.Dial == nil })
}

// serviceEvents stops the server and returns what its audit trail says that Darkroom did, the oldest first.
func (s *server) serviceEvents() []audit.ServiceEvent {
	s.t.Helper()
	s.stop()
	records, err := sqlite.Open(filepath.Join(s.data, "darkroom.db"))
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = records.Close() }()
	all, err := records.Concluded(s.t.Context(), "", 0, 1_000_000)
	if err != nil {
		s.t.Fatal(err)
	}
	var out []audit.ServiceEvent
	for _, entry := range all {
		r, err := entry.Decode()
		if err != nil {
			s.t.Fatal(err)
		}
		if e, ok := r.Event(); ok {
			out = append(out, e)
		}
	}
	return out
}

// TestEgress reads an input by a redirect, changes the policy while others wait, and finds every connection in the audit trail.
func TestEgress(t *testing.T) {
	t.Parallel()
	path := clip(t, 2)
	var plain string
	mux := http.NewServeMux()
	mux.HandleFunc("/moved/", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "/films/"+filepath.Base(r.URL.Path), http.StatusMovedPermanently)
	})
	mux.HandleFunc("/down/", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, plain+r.URL.Path, http.StatusFound) })
	mux.HandleFunc("/inside/", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "https://169.254.169.254/latest/meta-data/", http.StatusFound)
	})
	mux.HandleFunc("/file/", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "file:///etc/passwd", http.StatusFound)
	})
	mux.Handle("/films/", http.StripPrefix("/films", http.FileServer(http.Dir(films))))
	site, flags := web(t, mux, true)
	plain = "http" + strings.TrimPrefix(site.URL, "https")
	s := serve(t, flags...)
	s.upload("films", "in/unused", path)
	c := s.mediaconvert()
	at := func(dir string) string { return site.URL + dir + filepath.Base(path) }
	submit := func(url, queue string) string {
		t.Helper()
		in := request(t, job(short(url, "s3://films/out/")))
		if queue != "" {
			in.Queue = aws.String(queue)
		}
		out, err := c.CreateJob(t.Context(), in)
		if err != nil {
			t.Fatal(err)
		}
		return *out.Job.Id
	}
	fails := func(id string, code int32, says string) {
		t.Helper()
		j := s.until(id, final)
		if j.Status != types.JobStatusError || aws.ToInt32(j.ErrorCode) != code || !strings.Contains(aws.ToString(j.ErrorMessage), says) {
			t.Errorf("got %s %d %q, want %d %q", j.Status, aws.ToInt32(j.ErrorCode), aws.ToString(j.ErrorMessage), code, says)
		}
	}
	const disallowed = "You specified an input location that your policy disallows. Specify an allowed input location and resubmit your job."
	moved := submit(at("/moved/"), "")
	s.finish(moved)
	fails(submit(at("/down/"), ""), 3408, "redirects from https to http")
	inside := submit(at("/inside/"), "")
	fails(inside, 3451, "not public")
	fails(submit(at("/file/"), ""), 3457, disallowed)

	// A job that was allowed when it was submitted, and a redirect to what is allowed no more.
	if _, err := c.CreateQueue(t.Context(), &mediaconvert.CreateQueueInput{Name: aws.String("night"), Status: types.QueueStatusPaused}); err != nil {
		t.Fatal(err)
	}
	waits := submit(at("/films/"), "night")
	policy := func(p types.Policy) {
		t.Helper()
		if _, err := c.PutPolicy(t.Context(), &mediaconvert.PutPolicyInput{Policy: &p}); err != nil {
			t.Fatal(err)
		}
	}
	policy(types.Policy{HttpInputs: types.InputPolicyDisallowed})
	fails(submit(at("/down/"), ""), 3457, disallowed)
	policy(types.Policy{HttpsInputs: types.InputPolicyDisallowed})
	if _, err := c.UpdateQueue(t.Context(), &mediaconvert.UpdateQueueInput{Name: aws.String("night"), Status: types.QueueStatusActive}); err != nil {
		t.Fatal(err)
	}
	fails(waits, 3457, disallowed)

	found := map[string][]audit.ServiceEvent{} // by job
	for _, r := range s.trail() {
		if r.Service != "egress" || r.Principal != role || r.Dial.Purpose != "input" || len(r.Resources) != 1 {
			t.Fatalf("a connection of nobody: %+v %+v", r, r.Dial)
		}
		id := r.Resources[0][strings.LastIndexByte(r.Resources[0], '/')+1:]
		found[id] = append(found[id], r)
	}
	host, port, _ := strings.Cut(strings.TrimPrefix(site.URL, "https://"), ":")
	if d := found[moved]; len(d) < 2 || d[0].Outcome != audit.Intended || d[1].Outcome != audit.Connected || d[0].Dial.Host != host || d[0].Dial.Address != host+":"+port || strconv.Itoa(d[0].Dial.Port) != port {
		t.Errorf("of the job that was led on: %s", asJSON(t, d))
	}
	last := found[inside][len(found[inside])-1]
	if last.Outcome != audit.Denied || last.Dial.Host != "169.254.169.254" || last.Dial.Address != "169.254.169.254:443" || !strings.Contains(last.Reason, "not public") {
		t.Errorf("of the job that was led inside: %s", asJSON(t, last))
	}
	if d := found[waits]; len(d) > 0 {
		t.Errorf("of the job that was not allowed any more: %s", asJSON(t, d))
	}
}

// urlMembers are members of a job that hold URLs, beside its input: each with what is put around the URL.
var urlMembers = map[string]string{
	"captionSelectors":    `{"inputs":[{"captionSelectors":{"c":{"sourceSettings":{"sourceType":"SRT","fileSourceSettings":{"sourceFile":URL}}}}}]}`,
	"imageInserter":       `{"inputs":[{"imageInserter":{"insertableImages":[{"imageInserterInput":URL,"layer":1,"imageX":0,"imageY":0,"opacity":50}]}}]}`,
	"videoOverlays":       `{"inputs":[{"videoOverlays":[{"input":{"fileInput":URL}}]}]}`,
	"externalAudio":       `{"inputs":[{"audioSelectors":{"Audio Selector 1":{"externalAudioFileInput":URL}}}]}`,
	"supplementalImps":    `{"inputs":[{"supplementalImps":[URL]}]}`,
	"dolbyVisionMetadata": `{"inputs":[{"dolbyVisionMetadataXml":URL}]}`,
	"motionImage":         `{"motionImageInserter":{"input":URL,"insertionMode":"MOV"}}`,
	"lut":                 `{"colorConversion3DLUTSettings":[{"fileInput":URL,"inputColorSpace":"REC_709","outputColorSpace":"REC_709"}]}`,
	"kantarServer":        `{"kantarWatermark":{"kantarServerUrl":URL}}`,
	"ticServer":           `{"nielsenNonLinearWatermark":{"ticServerUrl":URL}}`,
	"font":                `{"outputGroups":[{"outputs":[{"captionDescriptions":[{"captionSelectorName":"c","destinationSettings":{"destinationType":"BURN_IN","burninDestinationSettings":{"fontFileRegular":URL}}}]}]}]}`,
	"speke":               `{"outputGroups":[{"outputGroupSettings":{"type":"HLS_GROUP_SETTINGS","hlsGroupSettings":{"encryption":{"type":"SPEKE","spekeKeyProvider":{"url":URL,"resourceId":"r","systemIds":["94ce86fb-07ff-4f43-adb8-93d2fa968ca2"]}}}}}]}`,
	"staticKey":           `{"outputGroups":[{"outputGroupSettings":{"type":"HLS_GROUP_SETTINGS","hlsGroupSettings":{"encryption":{"type":"STATIC_KEY","staticKeyProvider":{"url":URL,"staticKeyValue":"00000000000000000000000000000000"}}}}}]}`,
	"destination":         `{"outputGroups":[{"outputGroupSettings":{"type":"FILE_GROUP_SETTINGS","fileGroupSettings":{"destination":URL}}}]}`,
}

// TestEgressTable tries every shape on a whole server, in a network where each address of the world would answer: as input of a job and of a probe, as
// issuer of tokens, and in every other member that holds a URL. No connection is made.
func TestEgressTable(t *testing.T) {
	if !egresstest.Alone(t) {
		return
	}
	trap := egresstest.Listen(t, 80, 443, 22, 25, 6379)
	egresstest.SystemNameServers(t)
	s := serve(t)
	c := s.mediaconvert()
	s.upload("films", "in/clip.mp4", clip(t, 2))
	ctx := t.Context()
	none := func(what string) {
		t.Helper()
		if reached := trap.Reached(t); len(reached) > 0 {
			t.Errorf("%s: %v was reached", what, reached)
		}
	}
	shapes := egresstest.Shapes(trap.Port)

	jobs := map[string]string{}
	ids := map[string]egresstest.Shape{}
	for _, shape := range shapes {
		in := request(t, job(short("s3://films/in/clip.mp4", "s3://films/out/")))
		in.Settings.Inputs[0].FileInput = aws.String(shape.URL)
		out, err := c.CreateJob(ctx, in)
		var bad *types.BadRequestException
		switch {
		case err == nil:
			ids[*out.Job.Id] = shape
		case !errors.As(err, &bad) || !strings.Contains(err.Error(), "/inputs/0"):
			t.Errorf("job, %s: got %v, want the input refused", shape.Name, err)
		}
		jobs[shape.Name] = shape.URL
	}
	for id, shape := range ids {
		j := s.until(id, final)
		if code := aws.ToInt32(j.ErrorCode); j.Status != types.JobStatusError || !slices.Contains([]int32{3451, 1404, 1401}, code) {
			t.Errorf("job, %s: got %s %d %q", shape.Name, j.Status, code, aws.ToString(j.ErrorMessage))
		}
		none("job, " + shape.Name)
	}
	if len(ids) < 40 {
		t.Errorf("%d of %d shapes are submitted", len(ids), len(shapes))
	}
	for _, shape := range shapes {
		if _, err := c.Probe(ctx, &mediaconvert.ProbeInput{InputFiles: []types.ProbeInputFile{{FileUrl: aws.String(shape.URL)}}}); err == nil {
			t.Errorf("probe, %s: no error", shape.Name)
		}
		none("probe, " + shape.Name)
	}

	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	people, tokens := iam.NewFromConfig(s.config()), sts.NewFromConfig(s.config(), func(o *sts.Options) { o.RetryMaxAttempts = 1 })
	providers := 0
	for _, shape := range shapes {
		url := shape.URL
		if rest, ok := strings.CutPrefix(url, "http:"); ok {
			url = "https:" + rest
		}
		made, err := people.CreateOpenIDConnectProvider(ctx, &iam.CreateOpenIDConnectProviderInput{Url: &url, ClientIDList: []string{"darkroom"}})
		name := strings.TrimPrefix(url, "https://")
		if err == nil {
			providers++
			name = (*made.OpenIDConnectProviderArn)[strings.Index(*made.OpenIDConnectProviderArn, "/")+1:]
			if _, err := people.CreateRole(ctx, &iam.CreateRoleInput{RoleName: aws.String(fmt.Sprintf("R%d", providers)), AssumeRolePolicyDocument: aws.String(fmt.Sprintf(
				`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Federated":%q},"Action":"sts:AssumeRoleWithWebIdentity"}]}`, *made.OpenIDConnectProviderArn))}); err != nil {
				t.Errorf("issuer, %s: a role: %v", shape.Name, err)
			}
		}
		token := (&issuer{t: t, url: "https://" + name, key: key}).token(nil)
		if _, err := tokens.AssumeRoleWithWebIdentity(ctx, &sts.AssumeRoleWithWebIdentityInput{
			RoleArn: aws.String(roleNamed(fmt.Sprintf("R%d", providers))), RoleSessionName: aws.String("session"), WebIdentityToken: &token,
		}); err == nil || made != nil && !strings.Contains(err.Error(), "IDPCommunicationError") {
			t.Errorf("issuer, %s: got %v, want one that does not answer", shape.Name, err)
		}
		none("issuer, " + shape.Name)
		if made != nil {
			if _, err := people.DeleteOpenIDConnectProvider(ctx, &iam.DeleteOpenIDConnectProviderInput{OpenIDConnectProviderArn: made.OpenIDConnectProviderArn}); err != nil {
				t.Error(err)
			}
		}
	}
	if providers < 10 {
		t.Errorf("%d issuers could be named", providers)
	}

	for member, around := range urlMembers {
		for _, shape := range shapes {
			quoted, err := json.Marshal(shape.URL)
			if err != nil {
				t.Fatal(err)
			}
			in := request(t, job(short("s3://films/in/clip.mp4", "s3://films/out/")))
			var with types.JobSettings
			if err := json.Unmarshal([]byte(strings.ReplaceAll(around, "URL", string(quoted))), &with); err != nil {
				t.Fatal(err)
			}
			merge(in.Settings, with)
			out, err := c.CreateJob(ctx, in)
			var bad *types.BadRequestException
			switch {
			case err == nil && member == "destination" && strings.HasPrefix(shape.URL, "s3://"): // the name of a bucket that there is none of
				if j := s.until(*out.Job.Id, final); j.Status != types.JobStatusError {
					t.Errorf("%s, %s: %s", member, shape.Name, j.Status)
				}
			case err == nil || !errors.As(err, &bad):
				t.Errorf("%s, %s: got %v, want it refused", member, shape.Name, err)
			}
		}
		none(member)
	}

	// The trap would see a leak: a public address is reached.
	out, err := c.CreateJob(ctx, request(t, job(short(fmt.Sprintf("http://public.%s:%d/film.mp4", egresstest.Zone, trap.Port), "s3://films/out/"))))
	if err != nil {
		t.Fatal(err)
	}
	s.until(*out.Job.Id, final)
	if reached := trap.Reached(t); len(reached) == 0 || reached[0].Addr() != egresstest.Public {
		t.Errorf("a public address: %v was reached", reached)
	}
	issuing := fmt.Sprintf("https://public.%s:%d", egresstest.Zone, trap.Port)
	if _, err := people.CreateOpenIDConnectProvider(ctx, &iam.CreateOpenIDConnectProviderInput{Url: &issuing, ClientIDList: []string{"darkroom"}}); err != nil {
		t.Fatal(err)
	}
	if _, err := people.CreateRole(ctx, &iam.CreateRoleInput{RoleName: aws.String("Public"), AssumeRolePolicyDocument: aws.String(fmt.Sprintf(
		`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Federated":"arn:aws:iam::%s:oidc-provider/%s"},"Action":"sts:AssumeRoleWithWebIdentity"}]}`, account, strings.TrimPrefix(issuing, "https://")))}); err != nil {
		t.Fatal(err)
	}
	vouched := (&issuer{t: t, url: issuing, key: key}).token(nil)
	if _, err := tokens.AssumeRoleWithWebIdentity(ctx, &sts.AssumeRoleWithWebIdentityInput{
		RoleArn: aws.String(roleNamed("Public")), RoleSessionName: aws.String("session"), WebIdentityToken: &vouched,
	}); err == nil || !strings.Contains(err.Error(), "IDPCommunicationError") {
		t.Errorf("an issuer at a public address that hangs up: %v", err)
	}
	if reached := trap.Reached(t); len(reached) == 0 || reached[0].Addr() != egresstest.Public {
		t.Errorf("the issuer at a public address: %v was reached", reached)
	}
	purposes := map[string]int{}
	for _, r := range s.trail() {
		if r.Outcome == audit.Connected {
			purposes[r.Dial.Purpose]++
		}
		if (r.Dial.Purpose == "oidc") != (r.RequestID != "") {
			t.Errorf("in the audit trail, without its request: %s", asJSON(t, r))
		}
		if r.Outcome != audit.Denied && !strings.HasPrefix(r.Dial.Address, egresstest.Public.String()) {
			t.Errorf("in the audit trail: %s", asJSON(t, r))
		}
	}
	if purposes["input"] == 0 || purposes["oidc"] == 0 || len(purposes) != 2 {
		t.Errorf("connections by purpose: %v", purposes)
	}
}

// TestOddDestinations writes to keys that lead elsewhere where they are taken for paths: each output is at exactly the key that was asked for, in the
// bucket that was asked for, or the job is refused.
func TestOddDestinations(t *testing.T) {
	t.Parallel()
	s := serve(t)
	s.upload("films", "in/clip.mp4", clip(t, 1))
	s.upload("other", "untouched", clip(t, 1))
	written := map[string]string{} // by the job
	for _, key := range []string{
		"../other/x", "a/../../other/x", "..", "./x", "a//x", "/x", "..\\x", "%2e%2e%2fother%2fx", "x y+z", "x?versionId=1", "x#y", "..／x", "é", "e\u0301", "$$dt$$", "*", "x&y=z;", "~/x", strings.Repeat("../", 300) + "x",
		"$dt", "$x$", "$../$", "x\u0000y", "x\ny", strings.Repeat("a", 1100),
	} {
		in := request(t, job(short("s3://films/in/clip.mp4", "s3://films/out/")))
		in.Settings.OutputGroups[0].OutputGroupSettings.FileGroupSettings.Destination = aws.String("s3://films/" + key)
		out, err := s.mediaconvert().CreateJob(t.Context(), in)
		var bad *types.BadRequestException
		switch {
		case err == nil:
			written[*out.Job.Id] = key
		case !errors.As(err, &bad) || !strings.Contains(err.Error(), "/outputGroups/0"):
			t.Errorf("%q: got %v, want the destination refused", key, err)
		}
	}
	want := []string{"in/clip.mp4"}
	for id, key := range written {
		j := s.until(id, final)
		if len(key) > 1000 {
			if aws.ToInt32(j.ErrorCode) != 1040 {
				t.Errorf("a long key: %s %d %s", j.Status, aws.ToInt32(j.ErrorCode), aws.ToString(j.ErrorMessage))
			}
			continue
		}
		if j.Status != types.JobStatusComplete {
			t.Errorf("%q: %s %s", key, j.Status, aws.ToString(j.ErrorMessage))
		}
		want = append(want, strings.ReplaceAll(key, "$$", "$")+".mp4")
	}
	if len(want) < 15 {
		t.Errorf("%d jobs were taken", len(want))
	}
	for bucket, keys := range map[string][]string{"films": want, "other": {"untouched"}} {
		page, err := s.s3().ListObjectsV2(t.Context(), &s3.ListObjectsV2Input{Bucket: &bucket})
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, o := range page.Contents {
			got = append(got, *o.Key)
		}
		slices.Sort(keys)
		slices.Sort(got)
		if diff := cmp.Diff(keys, got); diff != "" {
			t.Errorf("bucket %s: -want +got\n%s", bucket, diff)
		}
	}
}

// merge puts the members of with that are there into settings that have one input, one output group and one output.
func merge(settings *types.JobSettings, with types.JobSettings) {
	if len(with.Inputs) > 0 {
		file := settings.Inputs[0].FileInput
		selectors := settings.Inputs[0].AudioSelectors
		settings.Inputs[0] = with.Inputs[0]
		settings.Inputs[0].FileInput = file
		if settings.Inputs[0].AudioSelectors == nil {
			settings.Inputs[0].AudioSelectors = selectors
		}
	}
	if len(with.OutputGroups) > 0 {
		if g := with.OutputGroups[0].OutputGroupSettings; g != nil {
			settings.OutputGroups[0].OutputGroupSettings = g
		}
		if o := with.OutputGroups[0].Outputs; len(o) > 0 {
			settings.OutputGroups[0].Outputs[0].CaptionDescriptions = o[0].CaptionDescriptions
		}
	}
	if with.MotionImageInserter != nil {
		settings.MotionImageInserter = with.MotionImageInserter
	}
	if with.ColorConversion3DLUTSettings != nil {
		settings.ColorConversion3DLUTSettings = with.ColorConversion3DLUTSettings
	}
	if with.KantarWatermark != nil {
		settings.KantarWatermark = with.KantarWatermark
	}
	if with.NielsenNonLinearWatermark != nil {
		settings.NielsenNonLinearWatermark = with.NielsenNonLinearWatermark
	}
}
