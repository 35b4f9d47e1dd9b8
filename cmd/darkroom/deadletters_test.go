package main

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"darkroom/internal/blob"
	"darkroom/internal/target"
)

// TestDeadLetters: what no attempt delivered becomes an object for each rule and target that it did not reach, once, and only where there is a bucket for it.
func TestDeadLetters(t *testing.T) {
	t.Parallel()
	i := install(t)
	i.cfg.Events.DeadLetterBucket = "letters"
	objects := i.objects.(*objects)
	sender, err := i.openDeadLetters(objects, house)
	if err != nil {
		t.Fatal(err)
	}
	m := target.Message{
		ID: "5b0b4ae5-13a1-4a0c-9a11-1d3f6a1b2c3d", Time: time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC), ContentType: target.JSON, Body: []byte(`{"id":"1"}`),
		Header: map[string]string{"RULE_ARN": "arn:aws:events:us-east-1:" + house + ":rule/r", "TARGET_ARN": "a", "ERROR_CODE": "TARGET_FAILED"},
	}
	if _, ok := errors.AsType[*target.Later](sender.Send(t.Context(), m)); !ok {
		t.Error("without a bucket it is not tried again")
	}
	store, err := objects.store(house)
	if err != nil {
		t.Fatal(err)
	}
	if err := store.CreateBucket(t.Context(), "letters"); err != nil {
		t.Fatal(err)
	}
	other := m
	other.Header = map[string]string{"RULE_ARN": m.Header["RULE_ARN"], "TARGET_ARN": "b"}
	for _, m := range []target.Message{m, m, other} {
		if err := sender.Send(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
	page, err := store.List(t.Context(), "letters", blob.ListOptions{Prefix: "DeadLetters/2030/01/02/" + m.ID, Max: 10})
	if err != nil || len(page.Objects) != 2 {
		t.Fatalf("%+v, %v; want an object for each target", page, err)
	}
	found := false
	for _, info := range page.Objects {
		o, err := store.Get(t.Context(), "letters", info.Key, nil, blob.Conditions{})
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(o.Body)
		if err = errors.Join(err, o.Body.Close()); err != nil || string(body) != string(m.Body) {
			t.Errorf("%s: %q, %v", info.Key, body, err)
		}
		found = found || o.Info.Metadata.User["error-code"] == "TARGET_FAILED" && strings.HasSuffix(o.Info.Metadata.User["rule-arn"], ":rule/r")
	}
	if !found {
		t.Error("no object says why")
	}
	if _, err := i.openDeadLetters(objects, strange); err == nil {
		t.Error("an account without a bucket has one")
	}
}

// hanging is a store that does not answer.
type hanging struct{ blob.Store }

func (hanging) Put(ctx context.Context, _, _ string, _ io.Reader, _ blob.PutOptions) (blob.Info, error) {
	if _, bounded := ctx.Deadline(); !bounded {
		return blob.Info{}, errors.New("it is waited for without end")
	}
	return blob.Info{}, context.DeadlineExceeded
}

// TestDeadLettersBounded: a bucket that does not answer is not waited for without end.
func TestDeadLettersBounded(t *testing.T) {
	t.Parallel()
	if err := (&deadLetters{hanging{}, house, "letters"}).Send(t.Context(), target.Message{}); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
}
