package dir

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"darkroom/internal/blob"
)

// restore writes a snapshot to a directory and opens it.
func restore(t *testing.T, n *Snapshot, before func()) *Store {
	t.Helper()
	to := filepath.Join(t.TempDir(), "restored")
	first := true
	if err := n.Walk(t.Context(), func(f File) error {
		if first {
			before()
			first = false
		}
		path := filepath.Join(to, filepath.FromSlash(f.Path))
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return err
		}
		r, err := f.Open()
		if err != nil {
			return err
		}
		b, err := io.ReadAll(r)
		if err != nil {
			return err
		}
		if int64(len(b)) != f.Size {
			t.Errorf("%s: %d bytes of %d", f.Path, len(b), f.Size)
		}
		return errors.Join(r.Close(), os.WriteFile(path, b, 0o600))
	}); err != nil {
		t.Fatal(err)
	}
	return openStore(t, to)
}

func text(t *testing.T, s *Store, bucket, key string) string {
	t.Helper()
	o, err := s.Get(t.Context(), bucket, key, nil, blob.Conditions{})
	if err != nil {
		return err.Error()
	}
	defer func() { _ = o.Body.Close() }()
	b, err := io.ReadAll(o.Body)
	if err != nil {
		return err.Error()
	}
	return string(b)
}

func write(t *testing.T, s *Store, bucket, key, content string) {
	t.Helper()
	if _, err := s.Put(t.Context(), bucket, key, strings.NewReader(content), blob.PutOptions{Size: int64(len(content))}); err != nil {
		t.Fatal(err)
	}
}

// TestSnapshot: whatever is done to a store while a snapshot is read, the snapshot is what was there when it was made.
func TestSnapshot(t *testing.T) {
	t.Parallel()
	at := t.TempDir()
	s := openStore(t, at)
	for _, b := range []string{"films", "gone", "changed"} {
		if err := s.CreateBucket(t.Context(), b); err != nil {
			t.Fatal(err)
		}
	}
	for _, k := range []string{"kept", "replaced", "deleted", "twice", "copied"} {
		write(t, s, "films", k, "old "+k)
	}
	write(t, s, "films", "empty", "")
	if _, err := s.Copy(t.Context(), "films", "copied", "films", "copy", blob.CopyOptions{}); err != nil {
		t.Fatal(err)
	}
	up, err := s.CreateUpload(t.Context(), "films", "upload", blob.UploadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	part, err := s.UploadPart(t.Context(), up, 1, strings.NewReader("part"), blob.PutOptions{Size: 4})
	if err != nil {
		t.Fatal(err)
	}
	called := false
	all, err := Freeze([]*Store{s}, func() error { called = true; return nil })
	if err != nil || !called {
		t.Fatal(err)
	}
	n := all[0]
	if _, err := Freeze([]*Store{s}, func() error { t.Error("called"); return nil }); !errors.Is(err, ErrSnapshot) {
		t.Errorf("a second snapshot: %v", err)
	}
	if _, err := s.Destroy(t.Context(), "films", "kept"); !errors.Is(err, ErrSnapshot) {
		t.Errorf("destroy under a snapshot: %v", err)
	}
	change := func() {
		write(t, s, "films", "replaced", "new")
		write(t, s, "films", "new", "new")
		write(t, s, "films", "twice", "new")
		write(t, s, "films", "twice", "newer")
		if _, err := s.CompleteUpload(t.Context(), up, []blob.Part{part}, blob.Conditions{}); err != nil {
			t.Error(err)
		}
		for _, k := range []string{"deleted", "copied", "new", "copy"} {
			if err := s.Delete(t.Context(), "films", k); err != nil {
				t.Error(err)
			}
		}
		write(t, s, "films", "deleted", "again")
		if err := s.DeleteBucket(t.Context(), "gone"); err != nil {
			t.Error(err)
		}
		if err := s.CreateBucket(t.Context(), "later"); err != nil {
			t.Error(err)
		}
	}
	r := restore(t, n, change)
	for _, k := range []string{"kept", "replaced", "deleted", "twice", "copied"} {
		if got := text(t, r, "films", k); got != "old "+k {
			t.Errorf("%s: %q", k, got)
		}
	}
	if text(t, r, "films", "copy") != "old copied" || text(t, r, "films", "empty") != "" {
		t.Error("a copy or an empty object is not as it was")
	}
	page, err := r.List(t.Context(), "films", blob.ListOptions{})
	if err != nil || len(page.Objects) != 7 {
		t.Errorf("%d objects, %v", len(page.Objects), err)
	}
	buckets, err := r.ListBuckets(t.Context())
	if err != nil || fmt.Sprint(buckets[0].Name, buckets[1].Name, buckets[2].Name, len(buckets)) != "changedfilmsgone3" {
		t.Errorf("buckets %v %v", buckets, err)
	}
	if lost, names := n.Lost(); lost != 0 {
		t.Errorf("lost %v", names)
	}
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
	if left, err := filepath.Glob(filepath.Join(at, tempDir, "*")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v %v", left, err)
	}
	if got := text(t, s, "films", "twice"); got != "newer" {
		t.Errorf("the store itself: %q", got)
	}
	if _, err := Freeze([]*Store{s}, func() error { return io.ErrClosedPipe }); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("a moment that fails: %v", err)
	}
	if again, err := Freeze([]*Store{s}, func() error { return nil }); err != nil {
		t.Errorf("after one that failed: %v", err)
	} else if err := again[0].Close(); err != nil {
		t.Error(err)
	}
}

// TestSnapshotUnderLoad: with writers at work, every object of the snapshot opens and is one that was there at its moment.
func TestSnapshotUnderLoad(t *testing.T) {
	t.Parallel()
	s := openStore(t, t.TempDir())
	if err := s.CreateBucket(t.Context(), "films"); err != nil {
		t.Fatal(err)
	}
	const writers, keys = 4, 8
	ctx, stop := context.WithCancel(t.Context())
	// Each round of a writer puts the same number into all of its keys, one after the other: at no moment do two neighbours differ by more than one round.
	var work sync.WaitGroup
	begun := make(chan struct{}, writers)
	for w := range writers {
		work.Go(func() {
			for round := 0; ctx.Err() == nil; round++ {
				for k := range keys {
					content := fmt.Sprintf("%08d%s", round, bytes.Repeat([]byte{'x'}, 5000))
					if _, err := s.Put(context.WithoutCancel(ctx), "films", fmt.Sprintf("%d/%d", w, k), strings.NewReader(content), blob.PutOptions{Size: int64(len(content))}); err != nil {
						t.Error(err)
						return
					}
				}
				if round == 2 {
					begun <- struct{}{}
				}
			}
		})
	}
	for range writers {
		<-begun
	}
	for range 3 {
		all, err := Freeze([]*Store{s}, func() error { return nil })
		if err != nil {
			t.Fatal(err)
		}
		r := restore(t, all[0], func() {})
		for w := range writers {
			last := -1
			for k := range keys {
				var round int
				got := text(t, r, "films", fmt.Sprintf("%d/%d", w, k))
				if _, err := fmt.Sscanf(got, "%08d", &round); err != nil || len(got) < 5000 {
					t.Fatalf("%d/%d: %.60q", w, k, got)
				}
				if last >= 0 && round != last && round != last-1 {
					t.Errorf("writer %d: round %d stands behind %d: not of one moment", w, round, last)
				}
				last = round
			}
		}
		if err := all[0].Close(); err != nil {
			t.Fatal(err)
		}
	}
	stop()
	work.Wait()
}

// TestSnapshotOfDamage: what does not open is named, and is in the snapshot as it is.
func TestSnapshotOfDamage(t *testing.T) {
	t.Parallel()
	at := t.TempDir()
	s := openStore(t, at)
	if err := s.CreateBucket(t.Context(), "films"); err != nil {
		t.Fatal(err)
	}
	for _, k := range []string{"a", "b", "c"} {
		write(t, s, "films", k, "old "+k)
	}
	files, err := filepath.Glob(filepath.Join(at, objectDir, "*", "*"))
	if err != nil || len(files) != 3 {
		t.Fatal(files, err)
	}
	if err := errors.Join(os.WriteFile(files[0], []byte("damaged"), 0o600), os.Remove(files[1])); err != nil {
		t.Fatal(err)
	}
	all, err := Freeze([]*Store{s}, func() error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = all[0].Close() }()
	r := restore(t, all[0], func() {})
	if lost, names := all[0].Lost(); lost != 2 || len(names) != 2 || !strings.HasPrefix(names[0], "objects/") {
		t.Errorf("lost %d: %v", lost, names)
	}
	if damaged := r.Damaged(); len(damaged) != 1 {
		t.Errorf("damaged in the restored store: %v", damaged)
	}
}

// holdOn is a hold on one object.
type holdOn string

func (h holdOn) Object(bucket, key string) error {
	if bucket+"/"+key == string(h) {
		return &blob.HeldError{Message: "held"}
	}
	return nil
}

func (h holdOn) Bucket(bucket string) error {
	if strings.HasPrefix(string(h), bucket+"/") {
		return &blob.HeldError{Message: "held"}
	}
	return nil
}

// TestHeld: what is held is neither deleted, nor overwritten in any way, nor destroyed.
func TestHeld(t *testing.T) {
	t.Parallel()
	s := openStore(t, t.TempDir())
	for _, b := range []string{"films", "empty"} {
		if err := s.CreateBucket(t.Context(), b); err != nil {
			t.Fatal(err)
		}
	}
	write(t, s, "films", "held", "old")
	write(t, s, "films", "free", "old")
	up, err := s.CreateUpload(t.Context(), "films", "held", blob.UploadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	part, err := s.UploadPart(t.Context(), up, 1, strings.NewReader("part"), blob.PutOptions{Size: 4})
	if err != nil {
		t.Fatal(err)
	}
	s.holds = holdOn("films/held")
	s.Settle()
	refused := func(what string, err error) {
		t.Helper()
		if _, ok := errors.AsType[*blob.HeldError](err); !ok || !errors.Is(err, blob.ErrAccessDenied) {
			t.Errorf("%s: %v", what, err)
		}
	}
	refused("delete", s.Delete(t.Context(), "films", "held"))
	_, err = s.Put(t.Context(), "films", "held", strings.NewReader("new"), blob.PutOptions{Size: 3})
	refused("put", err)
	_, err = s.Copy(t.Context(), "films", "free", "films", "held", blob.CopyOptions{})
	refused("copy over", err)
	_, err = s.CompleteUpload(t.Context(), up, []blob.Part{part}, blob.Conditions{})
	refused("complete an upload over", err)
	_, err = s.Destroy(t.Context(), "films", "held")
	refused("destroy", err)
	if got := text(t, s, "films", "held"); got != "old" {
		t.Errorf("it is %q now", got)
	}
	s.holds = holdOn("empty/anything")
	refused("delete a bucket", s.DeleteBucket(t.Context(), "empty"))
	write(t, s, "films", "free", "new")
	if err := s.Delete(t.Context(), "films", "free"); err != nil {
		t.Error(err)
	}
	if _, err := s.CompleteUpload(t.Context(), up, []blob.Part{part}, blob.Conditions{}); err != nil {
		t.Errorf("when it was released: %v", err)
	}
}

// TestDestroy: when an object was destroyed, nothing that is left on disk opens its bytes, with the master key at hand.
func TestDestroy(t *testing.T) {
	t.Parallel()
	at := t.TempDir()
	s := openStore(t, at)
	if err := s.CreateBucket(t.Context(), "films"); err != nil {
		t.Fatal(err)
	}
	write(t, s, "films", "secret", "the bytes of the film")
	write(t, s, "films", "copied", "other bytes")
	if _, err := s.Copy(t.Context(), "films", "copied", "films", "copy", blob.CopyOptions{}); err != nil {
		t.Fatal(err)
	}
	records, err := filepath.Glob(filepath.Join(at, objectDir, "*", "*"))
	if err != nil {
		t.Fatal(err)
	}
	// What an attacker keeps: the data files as they are now, and file descriptors of the records, so that what is under a deleted name can be read.
	data, err := filepath.Glob(filepath.Join(at, dataDir, "*", "*"))
	if err != nil || len(data) != 2 {
		t.Fatal(data, err)
	}
	kept := map[string][]byte{}
	for _, path := range data {
		if kept[path], err = os.ReadFile(path); err != nil {
			t.Fatal(err)
		}
	}
	var open []*os.File
	for _, path := range records {
		f, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = f.Close() }()
		open = append(open, f)
	}
	gone, err := s.Destroy(t.Context(), "films", "secret")
	if err != nil || gone.Shared || gone.Info.Key != "secret" || gone.Info.Size != int64(len("the bytes of the film")) {
		t.Fatalf("%+v %v", gone, err)
	}
	if shared, err := s.Destroy(t.Context(), "films", "copied"); err != nil || !shared.Shared {
		t.Errorf("one whose bytes a copy has: %+v %v", shared, err)
	}
	if _, err := s.Destroy(t.Context(), "films", "secret"); !errors.Is(err, blob.ErrNoSuchKey) {
		t.Errorf("twice: %v", err)
	}
	blank := 0
	for _, f := range open {
		b, err := io.ReadAll(f)
		if err != nil {
			t.Fatal(err)
		}
		if len(bytes.Trim(b, "\x00")) == 0 {
			blank++
		}
	}
	if blank != 2 {
		t.Errorf("%d records are blank under their deleted names, want 2", blank)
	}
	// The data file is put back. Nothing names it: no key opens it, and the store tidies it away.
	for path, b := range kept {
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	again := openStore(t, at)
	if got := text(t, again, "films", "secret"); got != blob.ErrNoSuchKey.Error() {
		t.Errorf("destroyed: %q", got)
	}
	if got := text(t, again, "films", "copy"); got != "other bytes" {
		t.Errorf("the copy: %q", got)
	}
	left, err := filepath.Glob(filepath.Join(at, dataDir, "*", "*"))
	if err != nil || len(left) != 1 || len(again.Damaged()) > 0 {
		t.Errorf("left %v, damaged %v, %v", left, again.Damaged(), err)
	}
}
