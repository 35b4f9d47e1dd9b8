package main

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"darkroom/internal/blob"
	"darkroom/internal/blob/s3"
	"darkroom/internal/config"
	"darkroom/internal/egress"
	"darkroom/internal/identity"
	"darkroom/internal/keyserver"
	"darkroom/internal/pki"
	"darkroom/internal/secret"
)

// Limits of play.
const (
	maxManifest    = 4 << 20 // bytes of each
	maxPlaylists   = 64
	maxTokenAnswer = 256 << 10
)

// visitor reaches a server over the network with somebody's credentials.
type visitor struct {
	url, region string
	keys        aws.Credentials
	client      *http.Client
}

// play asks for a token and prints the address that plays with it.
func play(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	fs := flags("play", "s3://BUCKET/PREFIX/MANIFEST [--data DIR]", stderr)
	data := fs.String("data", "", "`DIR` of a server of this machine; empty is the server and the credentials of the environment (AWS_ENDPOINT_URL, AWS_CA_BUNDLE, AWS_ACCESS_KEY_ID, …)")
	profile := fs.String("profile", cmp.Or(os.Getenv("AWS_PROFILE"), identity.AdminUser), "`PROFILE` of the credentials file")
	life := fs.Duration("for", keyserver.DefaultTokenLife, "how long the token holds, up to "+keyserver.MaxTokenLife.String()+"; never longer than the credentials that ask for it")
	prefix := fs.String("prefix", "", "`PREFIX` below which everything may be read; empty is the directory of the manifest")
	var contents []string
	fs.Func("content", "content `ID` whose keys go out; repeatable; without any, those of the keys that the manifest names", func(s string) error {
		contents = append(contents, s)
		return nil
	})
	asJSON := fs.Bool("json", false, "print the whole answer as JSON")
	rest, err := parse(fs, args)
	if err != nil {
		return err
	}
	if len(rest) != 1 {
		return usagef("one manifest is needed, s3://BUCKET/PREFIX/MANIFEST; got %d", len(rest))
	}
	bucket, key, ok := strings.Cut(strings.TrimPrefix(rest[0], "s3://"), "/")
	if !ok || !strings.HasPrefix(rest[0], "s3://") || bucket == "" || key == "" {
		return usagef("%q is not s3://BUCKET/PREFIX/MANIFEST", rest[0])
	}
	if *life < time.Second || *life > keyserver.MaxTokenLife {
		return usagef("--for is from 1s to %s", keyserver.MaxTokenLife)
	}
	v, err := newVisitor(*data, *profile)
	if err != nil {
		return err
	}
	ask := map[string]any{"source": rest[0], "lifetimeSeconds": int(*life / time.Second)}
	if *prefix != "" {
		ask["prefix"] = *prefix
	}
	if len(contents) > 0 {
		ask["contentIds"] = contents
	} else {
		ids, err := v.keyIDs(ctx, bucket, key)
		if err != nil {
			return err
		}
		ask["keyIds"] = ids
	}
	answer, err := v.token(ctx, ask)
	if err != nil {
		return err
	}
	if *asJSON {
		fmt.Fprintf(stdout, "%s\n", answer)
		return nil
	}
	var made struct {
		URL, Notice string
		Expires     time.Time // which may be before the time that was asked for
	}
	if err := json.Unmarshal(answer, &made); err != nil {
		return fmt.Errorf("read the answer of the server: %w", err)
	}
	fmt.Fprintln(stdout, made.URL)
	fmt.Fprintf(stderr, "Whoever has this address can play the film until the token ends, at %s. %s\n", made.Expires.UTC().Format(time.RFC3339), made.Notice)
	return nil
}

// newVisitor reaches the server of a data directory, or that of the environment.
func newVisitor(data, profile string) (*visitor, error) {
	v := &visitor{url: os.Getenv("AWS_ENDPOINT_URL"), region: cmp.Or(os.Getenv("AWS_REGION"), os.Getenv("AWS_DEFAULT_REGION"), config.Default().Region)}
	authorities, credentials := os.Getenv("AWS_CA_BUNDLE"), os.Getenv("AWS_SHARED_CREDENTIALS_FILE")
	if data != "" {
		e, dir, err := readEndpoint(data)
		if err != nil {
			return nil, err
		}
		v.url, v.region, credentials = e.URL, e.Region, filepath.Join(dir, identity.CredentialsFile)
		if authorities = filepath.Join(dir, cmp.Or(e.Authorities, filepath.Join(tlsDir, pki.CertificateFile))); e.Authorities == systemAuthorities || strings.HasPrefix(e.URL, "http://") {
			authorities = ""
		}
	}
	if v.url == "" {
		return nil, usagef("say which server: --data DIR, or eval \"$(darkroom env --data DIR)\" before")
	}
	id, key := os.Getenv("AWS_ACCESS_KEY_ID"), os.Getenv("AWS_SECRET_ACCESS_KEY")
	switch {
	case data == "" && id != "" && key != "":
		v.keys = aws.Credentials{AccessKeyID: id, SecretAccessKey: key, SessionToken: os.Getenv("AWS_SESSION_TOKEN")}
	case credentials != "":
		pair, err := identity.ReadProfile(credentials, profile)
		if err != nil {
			return nil, err
		}
		v.keys = aws.Credentials{AccessKeyID: pair.AccessKeyID, SecretAccessKey: string(pair.SecretAccessKey.Reveal())}
	default:
		return nil, usagef("there are no credentials: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, AWS_SHARED_CREDENTIALS_FILE, or --data DIR")
	}
	door, err := clientDoor(v.url, authorities)
	if err != nil {
		return nil, err
	}
	v.client = door.Client(egress.Storage)
	return v, nil
}

// clientDoor leads to the port of a server, wherever that is: who runs the command has named it.
func clientDoor(address, authorities string) (*egress.Door, error) {
	u, err := url.Parse(address)
	if err != nil || u.Hostname() == "" {
		return nil, usagef("the address of the server is not a URL")
	}
	port, err := strconv.Atoi(cmp.Or(u.Port(), map[string]string{"https": "443", "http": "80"}[u.Scheme]))
	if err != nil {
		return nil, usagef("the address of the server has no port")
	}
	o := egress.Options{}
	for _, all := range []string{"0.0.0.0/0", "::/0"} {
		o.Rules = append(o.Rules, egress.Rule{Net: netip.MustParsePrefix(all), Ports: []int{port}, For: []egress.Purpose{egress.Storage}})
	}
	if authorities != "" {
		if o.Authorities, err = egress.ReadAuthorities(authorities); err != nil {
			return nil, err
		}
	}
	return egress.New(o)
}

// token asks for a token.
func (v *visitor) token(ctx context.Context, ask any) ([]byte, error) {
	body, err := json.Marshal(ask)
	if err != nil {
		return nil, err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, strings.TrimSuffix(v.url, "/")+"/player/tokens", bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", "application/json")
	sum := sha256.Sum256(body)
	if err := v4.NewSigner().SignHTTP(ctx, v.keys, r, hex.EncodeToString(sum[:]), "execute-api", v.region, time.Now()); err != nil {
		return nil, err
	}
	resp, err := v.client.Do(r)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, maxTokenAnswer))
	if err != nil {
		return nil, fmt.Errorf("read the answer of the server: %w", err)
	}
	if resp.StatusCode == http.StatusCreated {
		return answer, nil
	}
	var refused struct{ Message string }
	if err := json.Unmarshal(answer, &refused); err != nil || refused.Message == "" {
		return nil, fmt.Errorf("the server answers %s: is it started with --keyserver?", resp.Status)
	}
	return nil, fmt.Errorf("the server refuses: %s", refused.Message)
}

// namedKeys are the ways in which manifests name the KID of a key of ours: default_KID of an MPD, the address of a key, FairPlay's, and KEYID.
var (
	namedKeys = regexp.MustCompile(`(?i)(?:default_KID="|` + regexp.QuoteMeta(keyserver.KeyPath) + `|skd://)([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\b`)
	namedHex  = regexp.MustCompile(`(?i)KEYID=0x([0-9a-f]{32})\b`)
	playlist  = regexp.MustCompile(`(?m)^([^#\s][^\r\n]*\.m3u8)\r?$|URI="([^"]+\.m3u8)"`)
)

// keyIDs returns the KIDs that a manifest and the playlists below it name.
func (v *visitor) keyIDs(ctx context.Context, bucket, key string) ([]string, error) {
	store, err := s3.New(s3.Options{Endpoint: v.url, Region: v.region, PathStyle: true, Client: v.client, Credentials: func(context.Context) (s3.Credentials, error) {
		return s3.Credentials{AccessKeyID: v.keys.AccessKeyID, SecretAccessKey: secret.New([]byte(v.keys.SecretAccessKey)), SessionToken: secret.New([]byte(v.keys.SessionToken))}, nil
	}})
	if err != nil {
		return nil, err
	}
	found := []string{}
	add := func(id string) {
		if id = strings.ToLower(id); !slices.Contains(found, id) {
			found = append(found, id)
		}
	}
	todo := []string{key}
	for i := 0; i < len(todo) && i < maxPlaylists; i++ {
		text, err := readObject(ctx, store, bucket, todo[i])
		if err != nil {
			return nil, fmt.Errorf("read s3://%s/%s: %w", bucket, todo[i], err)
		}
		for _, m := range namedKeys.FindAllSubmatch(text, -1) {
			add(string(m[1]))
		}
		for _, m := range namedHex.FindAllSubmatch(text, -1) {
			h := string(m[1])
			add(h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:])
		}
		for _, m := range playlist.FindAllSubmatch(text, -1) {
			name, err := url.PathUnescape(string(slices.Concat(m[1], m[2])))
			if err != nil || strings.Contains(name, "://") {
				continue
			}
			if at := path.Join(path.Dir(todo[i]), name); strings.HasSuffix(strings.ToLower(todo[i]), ".m3u8") && !slices.Contains(todo, at) {
				todo = append(todo, at)
			}
		}
	}
	return found, nil
}

func readObject(ctx context.Context, store blob.Store, bucket, key string) ([]byte, error) {
	o, err := store.Get(ctx, bucket, key, nil, blob.Conditions{})
	if err != nil {
		return nil, err
	}
	defer o.Body.Close()
	return io.ReadAll(io.LimitReader(o.Body, maxManifest))
}
