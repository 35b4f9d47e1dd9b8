package main

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	sdk "github.com/aws/aws-sdk-go-v2/service/kms"

	"darkroom/internal/iam"
	"darkroom/internal/identity"
	"darkroom/internal/keys"
	"darkroom/internal/secret"
	"darkroom/internal/store/sqlite"
)

// dataKeyClients are as many as fill a group of records that one fsync makes durable.
const dataKeyClients = 64

// dataKeyRequest is a GenerateDataKey with the encryption context that S3 gives.
func dataKeyRequest(ctx context.Context, url, keyID string, keys aws.Credentials) (body string, sign func() (*http.Request, error)) {
	body = `{"KeyId":"` + keyID + `","KeySpec":"AES_256","EncryptionContext":{"aws:s3:arn":"arn:aws:s3:::films/reel"}}`
	sum := sha256.Sum256([]byte(body))
	signer := v4.NewSigner()
	return body, func() (*http.Request, error) {
		r, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader(body))
		if err != nil {
			return nil, err
		}
		r.Header.Set("Content-Type", "application/x-amz-json-1.1")
		r.Header.Set("X-Amz-Target", "TrentService.GenerateDataKey")
		return r, signer.SignHTTP(ctx, keys, r, hex.EncodeToString(sum[:]), "kms", "us-east-1", time.Now())
	}
}

// dataKeys measures how many data keys the key service makes: by itself on one core, as S3 asks it, and behind HTTPS, each authenticated, authorized and
// recorded on disk before it is handed out.
func (b *bench) dataKeys() error {
	if err := b.dataKeysInside(); err != nil {
		return err
	}
	return b.dataKeysOutside()
}

func (b *bench) dataKeysInside() error {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	times := 20_000
	if b.quick {
		times = 200
	}
	records, err := sqlite.Open(filepath.Join(b.dir, "keys.db"))
	if err != nil {
		return err
	}
	defer records.Close()
	master := secret.New(make([]byte, secret.KeySize))
	quiet := slog.New(slog.DiscardHandler)
	people, err := identity.New(identity.Options{Accounts: []identity.Account{{ID: benchAccount}}, Store: records, Master: master, Log: quiet})
	if err != nil {
		return err
	}
	service, err := keys.New(keys.Options{Region: "us-east-1", Accounts: []string{benchAccount}, Store: records, People: people, Master: master, Log: quiet})
	if err != nil {
		return err
	}
	call := keys.Call{Via: "s3.us-east-1.amazonaws.com", Now: time.Now()}
	call.Principal = iam.Principal{Type: iam.User, Account: benchAccount, ARN: "arn:aws:iam::" + benchAccount + ":user/ann", Name: "ann"}
	for i, p := range append(busyUser(), []statement{{"permit", []string{"kms:GenerateDataKey"}, "arn:aws:*", false}}) {
		policy, err := iam.Parse(iam.IdentityPolicy, fmt.Sprint("p", i), asIAM(p))
		if err != nil {
			return err
		}
		call.Principal.Policies = append(call.Principal.Policies, policy)
	}
	k, _, err := service.Account(benchAccount).Create(b.ctx, &keys.NewKey{By: &keys.Author{Bypass: true}})
	if err != nil {
		return err
	}
	_, sign := dataKeyRequest(b.ctx, "https://127.0.0.1:9443/", k.ID, aws.Credentials{AccessKeyID: "AKIAIOSFODNN7EXAMPLE", SecretAccessKey: strings.Repeat("x", 40)})
	pairs := map[string]string{"aws:s3:arn": "arn:aws:s3:::films/reel"}
	var ours, theirs []time.Duration
	for range b.rounds {
		d, err := per(times, func() error { _, _, err := service.GenerateDataKey(b.ctx, &call, k.ID, pairs); return err })
		if err != nil {
			return err
		}
		ours = append(ours, d)
		if d, err = per(times, func() error { _, err := sign(); return err }); err != nil {
			return err
		}
		theirs = append(theirs, d)
	}
	rate := func(d time.Duration) string { return fmt.Sprintf("%.0f/s", float64(time.Second)/float64(d)) }
	row("GenerateDataKey for S3, for a user with 10 policies of 20 statements, one core", rate(median(ours)), rate(median(theirs))+": the AWS SDK signing the request", fmt.Sprintf("%.2f", float64(median(theirs))/float64(median(ours))))
	return nil
}

func (b *bench) dataKeysOutside() error {
	s, err := b.serve()
	if err != nil {
		return err
	}
	defer s.stop()
	made, err := sdk.NewFromConfig(s.cfg).CreateKey(b.ctx, &sdk.CreateKeyInput{})
	if err != nil {
		return err
	}
	keys, err := s.cfg.Credentials.Retrieve(b.ctx)
	if err != nil {
		return err
	}
	body, sign := dataKeyRequest(b.ctx, *s.cfg.BaseEndpoint+"/", *made.KeyMetadata.KeyId, keys)
	signed, err := sign()
	if err != nil {
		return err
	}
	pem, err := os.ReadFile(filepath.Join(s.data, "tls", "ca.pem"))
	if err != nil {
		return err
	}
	empty := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = io.WriteString(w, strings.Repeat("x", 500))
	}))
	defer empty.Close()
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	roots.AddCert(empty.Certificate())
	client := http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: dataKeyClients, TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}}}
	span := 5 * time.Second
	if b.quick {
		span = 200 * time.Millisecond
	}
	// One signature serves for all: it holds for some minutes, and what it takes to make one is no part of what is measured.
	ask := func(url string) func(ctx context.Context, _ int) error {
		return func(ctx context.Context, _ int) error {
			r, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader(body))
			if err != nil {
				return err
			}
			r.Header = signed.Header
			resp, err := client.Do(r)
			if err != nil {
				return err
			}
			defer resp.Body.Close()
			answer, err := io.ReadAll(resp.Body)
			if err == nil && resp.StatusCode != http.StatusOK {
				err = fmt.Errorf("status %d: %s", resp.StatusCode, answer)
			}
			return err
		}
	}
	var ours, theirs []float64
	for range b.rounds {
		rate, _, err := togetherOf(b.ctx, dataKeyClients, span, ask(*s.cfg.BaseEndpoint+"/"))
		if err != nil {
			return err
		}
		ours = append(ours, rate)
		if rate, _, err = togetherOf(b.ctx, dataKeyClients, span, ask(empty.URL)); err != nil {
			return err
		}
		theirs = append(theirs, rate)
	}
	middle := func(rates []float64) float64 { return slices.Sorted(slices.Values(rates))[len(rates)/2] }
	row(fmt.Sprintf("GenerateDataKey over HTTPS, %d clients on the same machine, each signed, authorized and recorded on disk", dataKeyClients), fmt.Sprintf("%.0f/s", middle(ours)),
		fmt.Sprintf("%.0f/s: a Go server that answers the same clients and does nothing", middle(theirs)), fmt.Sprintf("%.2f", middle(ours)/middle(theirs)))
	return nil
}
