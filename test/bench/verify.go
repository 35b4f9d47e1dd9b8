package main

import (
	"bytes"
	"compress/gzip"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"darkroom/internal/audit"
	"darkroom/internal/digest"
)

// verifyFile is the size of a log file of the measurement, uncompressed, and as large as they get.
const verifyFile = 8 << 20

// verify measures how fast `darkroom audit verify` verifies a trail offline, against zcat and sha256sum, which do nothing but unpack and hash the same files.
func (b *bench) verify() error {
	files := 40
	if b.quick {
		files = 3
	}
	dir := filepath.Join(b.dir, "trail")
	size, err := writeTrail(dir, files)
	if err != nil {
		return err
	}
	var ours, peer []time.Duration
	for range b.rounds {
		start := time.Now()
		if err := b.command(b.binary, "audit", "verify", "--dir", dir, "--until", "2026-03-03T00:00:00Z"); err != nil {
			return err
		}
		ours = append(ours, time.Since(start))
		start = time.Now()
		if err := b.command("sh", "-c", `find "$0" -path '*/CloudTrail/*' -name '*.gz' | sort | while read -r f; do zcat "$f" | sha256sum; done`, dir); err != nil {
			return err
		}
		peer = append(peer, time.Since(start))
	}
	rate := func(d time.Duration) float64 { return float64(size) / 1e6 / d.Seconds() }
	row(fmt.Sprintf("audit verify of %d MB of logs, against zcat and sha256sum", size/1e6), fmt.Sprintf("%.0f MB/s", rate(median(ours))), fmt.Sprintf("%.0f MB/s", rate(median(peer))),
		fmt.Sprintf("%.2f×", rate(median(ours))/rate(median(peer))))
	return nil
}

// writeTrail writes a copy of a trail's bucket: a digest for each log file, and the public key.
func writeTrail(dir string, files int) (size int64, err error) {
	private, err := rsa.GenerateKey(rand.Reader, digest.KeyBits)
	if err != nil {
		return 0, err
	}
	key := digest.NewKey(&private.PublicKey)
	place := digest.Place{Bucket: "logs", Account: "111122223333", Region: "us-east-1", Trail: "films"}
	put := func(name string, text []byte) error {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return err
		}
		return os.WriteFile(path, text, 0o600)
	}
	pack := func(text []byte) []byte {
		var out bytes.Buffer
		z := gzip.NewWriter(&out)
		_, _ = z.Write(text) // into memory
		_ = z.Close()
		return out.Bytes()
	}
	start := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	position := int64(0)
	var before *digest.Signed
	for range files {
		var records []json.RawMessage
		for n := 0; n < verifyFile; {
			text, err := json.Marshal(aRecord(start, position))
			if err != nil {
				return 0, err
			}
			position++
			records, n = append(records, text), n+len(text)
		}
		text := digest.EncodeLog(records)
		size += int64(len(text))
		end := start.Add(time.Hour)
		name := place.LogKey(start, digest.Range{First: position - int64(len(records)) + 1, Last: position}, "abc")
		if err := put(name, pack(text)); err != nil {
			return 0, err
		}
		f := digest.File{
			Account: place.Account, Start: digest.At(start), End: digest.At(end), Bucket: place.Bucket, Object: place.DigestKey(end), Fingerprint: key.Fingerprint, SignatureAlgorithm: digest.SignatureAlgorithm,
			Logs: []digest.Log{{Bucket: place.Bucket, Object: name, HashValue: digest.Hash(text), HashAlgorithm: digest.HashAlgorithm, Newest: digest.At(start), Oldest: digest.At(start)}},
		}
		f.Follow(before)
		if text, err = f.Encode(); err != nil {
			return 0, err
		}
		signed, err := f.Sign(rand.Reader, private, text)
		if err != nil {
			return 0, err
		}
		if err := put(f.Object, pack(text)); err != nil {
			return 0, err
		}
		if err := put(f.Object+".signature", []byte(signed.Signature)); err != nil {
			return 0, err
		}
		before, start = &signed, end
	}
	keys, err := json.Marshal(map[string]any{"PublicKeyList": []digest.Key{key}})
	if err != nil {
		return 0, err
	}
	return size, put("public-keys.json", keys)
}

// aRecord is a record as a transcoding service has them, with ids that no two have.
func aRecord(at time.Time, n int64) audit.Record {
	return audit.Record{
		EventVersion: audit.Version, EventTime: at, EventSource: "mediaconvert.amazonaws.com", EventName: "CreateJob", AWSRegion: "us-east-1", SourceIPAddress: "192.0.2.7",
		UserAgent:         "aws-cli/2.9.19 Python/3.11.2 Linux/6.1.0 source/x86_64.debian.12 prompt/off command/mediaconvert.create-job",
		UserIdentity:      audit.Identity{Type: "IAMUser", PrincipalID: "AIDAEXAMPLEEXAMPLE", ARN: "arn:aws:iam::111122223333:user/ann", AccountID: "111122223333", AccessKeyID: "AKIAEXAMPLEEXAMPLE", UserName: "ann"},
		RequestParameters: json.RawMessage(fmt.Sprintf(`{"role":"arn:aws:iam::111122223333:role/FilmRole","settings":{"inputs":[{"fileInput":"s3://films/in/reel-%d.mov"}]},"clientRequestToken":%q}`, n, audit.NewID())),
		RequestID:         audit.NewID(), EventID: audit.NewID(), EventType: audit.APICall, ManagementEvent: true, EventCategory: audit.Management, RecipientAccountID: "111122223333",
		Resources:  []audit.Resource{audit.ResourceOf("arn:aws:mediaconvert:us-east-1:111122223333:queues/Default", "111122223333")},
		TLSDetails: &audit.TLSDetails{TLSVersion: "TLSv1.3", CipherSuite: "TLS_AES_128_GCM_SHA256", ClientProvidedHostHeader: "127.0.0.1:9443"},
	}
}
