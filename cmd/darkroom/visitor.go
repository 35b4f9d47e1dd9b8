package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"darkroom/internal/blob"
	"darkroom/internal/blob/s3"
	"darkroom/internal/lifecycleapi"
	"darkroom/internal/secret"
)

// maxVisitorAnswer bounds an answer of the server: the certificate of the largest destruction.
const maxVisitorAnswer = 64 << 20

// store reaches the objects of a server.
func (v *visitor) store() (blob.Store, error) {
	return s3.New(s3.Options{Endpoint: v.url, Region: v.region, PathStyle: true, Client: v.client, Credentials: func(context.Context) (s3.Credentials, error) {
		return s3.Credentials{AccessKeyID: v.keys.AccessKeyID, SecretAccessKey: secret.New([]byte(v.keys.SecretAccessKey)), SessionToken: secret.New([]byte(v.keys.SessionToken))}, nil
	}})
}

// apiName names an API of AWS JSON 1.1: for signatures, and in X-Amz-Target.
type apiName struct{ name, target string }

var (
	lifecycleAPI  = apiName{lifecycleapi.Name, lifecycleapi.Target}
	cloudtrailAPI = apiName{"cloudtrail", "CloudTrail_20131101"}
)

// ask asks the server for an operation of an API. The caller closes the body of the answer, which is one of success.
func (v *visitor) ask(ctx context.Context, api apiName, operation string, in any) (*http.Response, error) {
	body, err := json.Marshal(in)
	if err != nil {
		return nil, err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, strings.TrimSuffix(v.url, "/")+"/", bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", "application/x-amz-json-1.1")
	r.Header.Set("X-Amz-Target", api.target+"."+operation)
	sum := sha256.Sum256(body)
	if err := v4.NewSigner().SignHTTP(ctx, v.keys, r, hex.EncodeToString(sum[:]), api.name, v.region, time.Now()); err != nil {
		return nil, err
	}
	resp, err := v.client.Do(r)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode == http.StatusOK {
		return resp, nil
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxTokenAnswer))
	if err != nil {
		return nil, fmt.Errorf("read the answer of the server: %w", err)
	}
	var refused struct {
		Type    string `json:"__type"`
		Message string `json:"message"`
	}
	if err := json.Unmarshal(text, &refused); err != nil || refused.Type == "" {
		return nil, fmt.Errorf("the server answers %s", resp.Status)
	}
	return nil, fmt.Errorf("the server refuses: %s: %s", refused.Type, refused.Message)
}

// call is ask for an answer of JSON.
func (v *visitor) call(ctx context.Context, api apiName, operation string, in, out any) error {
	resp, err := v.ask(ctx, api, operation, in)
	if err != nil {
		return err
	}
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxVisitorAnswer+1))
	if err = errors.Join(err, resp.Body.Close()); err != nil {
		return fmt.Errorf("read the answer of the server: %w", err)
	}
	if len(text) > maxVisitorAnswer {
		return fmt.Errorf("the answer of the server is longer than %d bytes", maxVisitorAnswer)
	}
	if out == nil {
		return nil
	}
	if err := json.Unmarshal(text, out); err != nil {
		return fmt.Errorf("read the answer of the server: %w", err)
	}
	return nil
}
