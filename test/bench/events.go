package main

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	events "github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	"github.com/aws/aws-sdk-go-v2/service/mediaconvert"
	"github.com/aws/aws-sdk-go-v2/service/mediaconvert/types"
)

// arrivals are when events came to a web server, by job, and how long after the state changed.
type arrivals struct {
	mu    sync.Mutex // guards what follows
	after map[string]time.Duration
	came  chan struct{} // told at each
}

func (a *arrivals) ServeHTTP(_ http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	now := time.Now()
	var e struct {
		Detail struct {
			JobID     string
			Status    string
			Timestamp int64
		}
	}
	if err != nil || json.Unmarshal(body, &e) != nil || e.Detail.Status != "CANCELED" {
		return
	}
	a.mu.Lock()
	a.after[e.Detail.JobID] = now.Sub(time.UnixMilli(e.Detail.Timestamp))
	a.mu.Unlock()
	a.came <- struct{}{}
}

// events measures the time from the change of a job's state, as its event says it, to the event's arrival at a web server; and one POST of the same size by hand.
func (b *bench) events() error {
	times := 500
	if b.quick {
		times = 10
	}
	a := &arrivals{after: map[string]time.Duration{}, came: make(chan struct{}, times)}
	receiver := httptest.NewTLSServer(a)
	defer receiver.Close()
	u, err := url.Parse(receiver.URL)
	if err != nil {
		return err
	}
	ca, config := filepath.Join(b.dir, "receiver.pem"), filepath.Join(b.dir, "events.yaml")
	text := fmt.Sprintf("egress: {allow: [{net: 127.0.0.0/8, ports: [%s], for: [webhook]}], ca_file: %s}\n", u.Port(), ca)
	if err := errors.Join(os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: receiver.Certificate().Raw}), 0o600), os.WriteFile(config, []byte(text), 0o600)); err != nil {
		return err
	}
	s, err := b.serve("--config", config)
	if err != nil {
		return err
	}
	defer s.stop()
	if err := listen(b.ctx, eventbridge.NewFromConfig(s.cfg), receiver.URL); err != nil {
		return err
	}
	queue := "paused"
	if _, err := s.jobs.CreateQueue(b.ctx, &mediaconvert.CreateQueueInput{Name: &queue, Status: types.QueueStatusPaused}); err != nil {
		return err
	}
	var ours, byHand []time.Duration
	body := bytes.Repeat([]byte("x"), 600)
	for n := range times + 1 { // the first opens connections
		job, err := s.jobs.CreateJob(b.ctx, &mediaconvert.CreateJobInput{Role: aws.String(role), Queue: &queue, Settings: &types.JobSettings{
			Inputs: []types.Input{{FileInput: aws.String("s3://films/in.mp4"), AudioSelectors: map[string]types.AudioSelector{"Audio Selector 1": {DefaultSelection: types.AudioDefaultSelectionDefault}}}},
			OutputGroups: []types.OutputGroup{{
				OutputGroupSettings: &types.OutputGroupSettings{Type: types.OutputGroupTypeFileGroupSettings, FileGroupSettings: &types.FileGroupSettings{Destination: aws.String("s3://films/out")}},
				Outputs: []types.Output{{
					ContainerSettings: &types.ContainerSettings{Container: types.ContainerTypeMp4},
					AudioDescriptions: []types.AudioDescription{{CodecSettings: &types.AudioCodecSettings{Codec: types.AudioCodecAac, AacSettings: &types.AacSettings{Bitrate: aws.Int32(96000), CodingMode: types.AacCodingModeCodingMode20, SampleRate: aws.Int32(48000)}}}},
				}},
			}},
		}})
		if err != nil {
			return err
		}
		if _, err := s.jobs.CancelJob(b.ctx, &mediaconvert.CancelJobInput{Id: job.Job.Id}); err != nil {
			return err
		}
		select {
		case <-a.came:
		case <-b.ctx.Done():
			return b.ctx.Err()
		case <-time.After(time.Minute):
			return errors.New("an event did not come")
		}
		begin := time.Now()
		resp, err := receiver.Client().Post(receiver.URL, "application/json", bytes.NewReader(body))
		if err != nil {
			return err
		}
		took := time.Since(begin)
		if _, err := io.Copy(io.Discard, resp.Body); err != nil {
			return err
		}
		if err := resp.Body.Close(); err != nil {
			return err
		}
		if n > 0 {
			a.mu.Lock()
			ours, byHand = append(ours, a.after[*job.Job.Id]), append(byHand, took)
			a.mu.Unlock()
		}
	}
	row(fmt.Sprintf("event from the change of a job's state to a web server over HTTPS, median and 99th percentile of %d", times),
		fmt.Sprintf("%.1f ms, %.1f ms", milliseconds(median(ours)), milliseconds(percentile(ours, 99))), fmt.Sprintf("%.1f ms: one POST by hand, over a connection that is open", milliseconds(median(byHand))),
		fmt.Sprintf("%.1f", float64(median(ours))/float64(median(byHand))))
	return nil
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// listen sets up what sends the events of jobs to a web server.
func listen(ctx context.Context, c *eventbridge.Client, url string) error {
	name := aws.String("bench")
	connection, err := c.CreateConnection(ctx, &eventbridge.CreateConnectionInput{
		Name: name, AuthorizationType: events.ConnectionAuthorizationTypeApiKey,
		AuthParameters: &events.CreateConnectionAuthRequestParameters{ApiKeyAuthParameters: &events.CreateConnectionApiKeyAuthRequestParameters{ApiKeyName: aws.String("X-Key"), ApiKeyValue: aws.String("bench")}},
	})
	if err != nil {
		return err
	}
	destination, err := c.CreateApiDestination(ctx, &eventbridge.CreateApiDestinationInput{Name: name, ConnectionArn: connection.ConnectionArn, HttpMethod: events.ApiDestinationHttpMethodPost, InvocationEndpoint: &url})
	if err != nil {
		return err
	}
	if _, err := c.PutRule(ctx, &eventbridge.PutRuleInput{Name: name, EventPattern: aws.String(`{"source":["aws.mediaconvert"]}`)}); err != nil {
		return err
	}
	out, err := c.PutTargets(ctx, &eventbridge.PutTargetsInput{Rule: name, Targets: []events.Target{{Id: name, Arn: destination.ApiDestinationArn}}})
	if err == nil && out.FailedEntryCount > 0 {
		err = fmt.Errorf("put targets: %+v", out.FailedEntries)
	}
	return err
}
