package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"darkroom/internal/comply"
	"darkroom/internal/identity"
	"darkroom/internal/inspect"
	"darkroom/internal/pki"
	"darkroom/internal/sbom"
	"darkroom/internal/signer"
)

// evidenceReadme is the page of a bundle that says what is in it.
const evidenceReadme = `Evidence of a Darkroom installation.

manifest.json       every file of the bundle with its SHA-256
manifest.jws        its signature: JSON Web Signature, detached content, Ed25519 (RFC 7515, RFC 8037)
public-keys/        evidence.pem, which the signature is by; statements.pem, for darkroom verify-job --key; trail-keys.json, which
                    digests are verified with; the authority of the listener's certificate
report.*            the report in all formats
checks.json         the result of every check, also of those that the framework does not ask for
configuration.yaml  the settings; they have no secrets
policies/           by account: policies of users, groups, roles and keys, and who has them
sbom/               bills of materials (CycloneDX 1.6)
digests/            digests of the trails

Verify with: darkroom comply verify BUNDLE --fingerprint HEX
The fingerprint comes from the installation by another way: darkroom comply key --data DIR
`

// evidence collects the files of a bundle, and signs them.
func (i *inspection) evidence(ctx context.Context, r comply.Report, results []inspect.Result) ([]comply.File, error) {
	var files []comply.File
	add := func(name string, data []byte) { files = append(files, comply.File{Name: name, Data: data}) }
	add("README.txt", []byte(evidenceReadme))
	for _, f := range complyFormats {
		text, err := f.write(r)
		if err != nil {
			return nil, err
		}
		add("report."+f.name, text)
	}
	text, err := indented(results)
	if err != nil {
		return nil, err
	}
	add("checks.json", text)
	settings, err := settingsText(i.cfg)
	if err != nil {
		return nil, err
	}
	add("configuration.yaml", settings)
	bills, err := i.bills(ctx, r)
	if err != nil {
		return nil, err
	}
	files = append(files, bills...)
	policies, err := i.policies(ctx)
	if err != nil {
		return nil, err
	}
	files = append(files, policies...)
	for _, name := range []string{pki.CertificateFile, trustFile} {
		text, err := os.ReadFile(filepath.Join(i.cfg.Data, tlsDir, name))
		switch {
		case err == nil:
			add("public-keys/listener-"+name, text)
		case !errors.Is(err, fs.ErrNotExist):
			return nil, err
		}
	}
	if i.records != nil {
		keys, err := signer.PublicPEM(ctx, i.records, i.cfg.Account)
		if err != nil {
			return nil, err
		}
		add("public-keys/statements.pem", []byte(keys))
	}
	digests, err := i.digests(ctx)
	if err != nil {
		return nil, err
	}
	files = append(files, digests...)
	key, err := comply.NewKey(i.master)
	if err != nil {
		return nil, err
	}
	defer key.Wipe()
	return comply.Seal(files, r, key)
}

func indented(v any) ([]byte, error) {
	text, err := json.MarshalIndent(v, "", "  ")
	return append(text, '\n'), err
}

// bills are the bills of materials of the program and of ffmpeg. Without an ffmpeg there is none of it, and a file says so.
func (i *inspection) bills(ctx context.Context, r comply.Report) ([]comply.File, error) {
	own, err := ownBill(sbom.Options{Time: r.Time, Release: release})
	if err != nil {
		return nil, err
	}
	files := []comply.File{{Name: "sbom/darkroom.cdx.json", Data: own}}
	p, err := lookAtFFmpeg(ctx, i.cfg.FFmpeg)
	if err != nil {
		return append(files, comply.File{Name: "sbom/ffmpeg-missing.txt", Data: []byte(err.Error() + "\n")}), nil
	}
	b, err := sbom.FFmpeg(p, sbom.Options{Time: r.Time, Release: release})
	if err != nil {
		return nil, err
	}
	text, err := sbom.Encode(b)
	if err != nil {
		return nil, err
	}
	return append(files, comply.File{Name: "sbom/ffmpeg.cdx.json", Data: text}), nil
}

// holder is a user, group or role with what grants, for an auditor to read.
type holder struct {
	ARN      string                     `json:"arn"`
	Created  string                     `json:"created"`
	Attached []string                   `json:"attached,omitempty"`
	Boundary string                     `json:"boundary,omitempty"`
	Groups   []string                   `json:"groups,omitempty"`
	Inline   map[string]json.RawMessage `json:"inline,omitempty"`
	Trust    json.RawMessage            `json:"trust,omitempty"`
}

// policies are the policy documents of every account.
func (i *inspection) policies(ctx context.Context) ([]comply.File, error) {
	var files []comply.File
	if i.people == nil {
		return files, nil
	}
	for _, account := range accountIDs(i.cfg) {
		v, err := i.people.View(ctx, account)
		if err != nil {
			return nil, err
		}
		for _, kind := range []identity.Kind{identity.User, identity.Group, identity.Role} {
			all := []holder{}
			for _, e := range v.All(kind, "") {
				h := holder{ARN: e.ARN(account), Created: e.Created.UTC().Format("2006-01-02T15:04:05Z"), Attached: e.Attached, Boundary: e.Boundary, Inline: map[string]json.RawMessage{}}
				for _, id := range e.Groups {
					if g := v.ByID(identity.Group, id); g != nil {
						h.Groups = append(h.Groups, g.Name)
					}
				}
				for name, document := range e.Inline {
					h.Inline[name] = json.RawMessage(document)
				}
				if e.Trust != "" {
					h.Trust = json.RawMessage(v.TrustDocument(e))
				}
				all = append(all, h)
			}
			text, err := indented(all)
			if err != nil {
				return nil, fmt.Errorf("write the policies of account %s: %w", account, err)
			}
			files = append(files, comply.File{Name: path.Join("policies", account, string(kind)+"s.json"), Data: text})
		}
		managed := map[string]json.RawMessage{}
		for _, e := range v.All(identity.Policy, "") {
			if d, ok := e.Document(e.Default); ok {
				managed[e.ARN(account)] = json.RawMessage(d.Document)
			}
		}
		text, err := indented(managed)
		if err != nil {
			return nil, err
		}
		files = append(files, comply.File{Name: path.Join("policies", account, "managed.json"), Data: text})
		k, err := i.keys.View(ctx, account)
		if err != nil {
			return nil, err
		}
		ofKeys := map[string]json.RawMessage{}
		for _, key := range k.Keys() {
			ofKeys[k.ARN(key)] = json.RawMessage(key.Policy)
		}
		if text, err = indented(ofKeys); err != nil {
			return nil, err
		}
		files = append(files, comply.File{Name: path.Join("policies", account, "keys.json"), Data: text})
	}
	for n, a := range i.cfg.Accounts {
		for m, name := range a.GuardRails {
			text, err := os.ReadFile(name)
			if err != nil {
				return nil, fmt.Errorf("read a guard rail: %w", err)
			}
			files = append(files, comply.File{Name: fmt.Sprintf("policies/%s/guard-rail-%d-%d.json", strings.ToLower(a.ID), n, m), Data: text})
		}
	}
	return files, nil
}
