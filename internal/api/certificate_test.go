package api_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"

	"darkroom/internal/api"
)

// TestCertificates: a certificate is associated where the account has it and it is fit for that.
func TestCertificates(t *testing.T) {
	t.Parallel()
	own, curve := "arn:aws:acm:us-east-1:111122223333:certificate/own", "arn:aws:acm:us-east-1:111122223333:certificate/curve"
	b := newBench(t, func(o *api.Options) { o.Certificates = shelf{own: false, curve: false} })
	associate := func(arn string) (int, string) {
		resp, body := b.send("ROOT", "POST", "/2017-08-29/certificates", `{"arn":"`+arn+`"}`)
		return resp.StatusCode, resp.Header.Get("X-Amzn-ErrorType") + body
	}
	disassociate := func(arn string) (int, string) {
		resp, body := b.send("ROOT", "DELETE", "/2017-08-29/certificates/"+strings.NewReplacer(":", "%3A", "/", "%2F").Replace(arn), "")
		return resp.StatusCode, resp.Header.Get("X-Amzn-ErrorType") + body
	}
	for _, tt := range []struct {
		name   string
		do     func(string) (int, string)
		arn    string
		status int
		says   string
	}{
		{"not yet associated", disassociate, own, http.StatusNotFound, "NotFoundException"},
		{"associate", associate, own, http.StatusCreated, ""},
		{"again", associate, own, http.StatusCreated, ""},
		{"disassociate", disassociate, own, http.StatusAccepted, ""},
		{"disassociate again", disassociate, own, http.StatusNotFound, "NotFoundException"},
		{"not there", associate, own + "x", http.StatusNotFound, "Could not find certificate"},
		{"not fit", associate, curve, http.StatusBadRequest, "/arn: not of RSA"},
	} {
		if status, body := tt.do(tt.arn); status != tt.status || !strings.Contains(body, tt.says) {
			t.Errorf("%s: got %d %s, want %d %s", tt.name, status, body, tt.status, tt.says)
		}
	}
	b = newBench(t, func(o *api.Options) { o.Certificates = broken{} })
	if status, body := associate(own); status != http.StatusInternalServerError || strings.Contains(body, "inside") {
		t.Errorf("where it cannot be known: got %d %s", status, body)
	}
}

// broken are certificates of which nothing can be known.
type broken struct{}

func (broken) Associate(context.Context, string, string) error    { return errors.New("inside") }
func (broken) Disassociate(context.Context, string, string) error { return errors.New("inside") }
