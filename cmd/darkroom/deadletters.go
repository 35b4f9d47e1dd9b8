package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"darkroom/internal/blob"
	"darkroom/internal/eventbus"
	"darkroom/internal/iam"
	"darkroom/internal/target"
)

// deadLetterTime is how long it may take to write a dead letter.
const deadLetterTime = time.Minute

// invokerOfEvents acts when a dead letter is written.
const invokerOfEvents = "events.amazonaws.com"

// deadLetters writes the events that no attempt delivered into a bucket, an object each: DeadLetters/YYYY/MM/DD/ID-WHERE.json, where WHERE tells apart the rules and
// targets that one event did not reach. Why stands in the metadata of the object. Again it is the same object.
type deadLetters struct {
	store           blob.Store
	account, bucket string
}

// openDeadLetters opens the bucket of an account: there is one of the main account alone.
func (s *server) openDeadLetters(objects *objects, account string) (eventbus.Sender, error) {
	if account != s.cfg.Account {
		return eventbus.Sender{}, &target.Refused{Reason: "the account has no bucket of dead letters"}
	}
	store, err := objects.store(account)
	if err != nil {
		return eventbus.Sender{}, err
	}
	return eventbus.Sender{Sender: &deadLetters{store, account, s.cfg.Events.DeadLetterBucket}, Message: target.EventBridge.Message}, nil
}

// Send implements target.Sender.
func (d *deadLetters) Send(ctx context.Context, m target.Message) error {
	sum := sha256.Sum256([]byte(m.Header["RULE_ARN"] + "\n" + m.Header["TARGET_ARN"]))
	key := "DeadLetters/" + m.Time.UTC().Format("2006/01/02") + "/" + m.ID + "-" + hex.EncodeToString(sum[:4]) + ".json"
	about := map[string]string{}
	for name, value := range m.Header {
		about[strings.ReplaceAll(strings.ToLower(name), "_", "-")] = value
	}
	ctx, cancel := context.WithTimeout(ctx, deadLetterTime)
	defer cancel()
	ctx = context.WithValue(ctx, serviceKey{}, iam.Principal{Type: iam.Service, Name: invokerOfEvents, Account: d.account})
	_, err := d.store.Put(ctx, d.bucket, key, bytes.NewReader(m.Body), blob.PutOptions{
		Metadata: blob.Metadata{ContentType: m.ContentType, User: about}, Size: int64(len(m.Body)),
	})
	if err != nil {
		return &target.Later{After: time.Minute, Err: fmt.Errorf("put a dead letter into bucket %s: %w", d.bucket, err)}
	}
	return nil
}

// Close implements target.Sender.
func (d *deadLetters) Close() error { return nil }
