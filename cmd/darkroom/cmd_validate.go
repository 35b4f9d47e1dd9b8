package main

import (
	"cmp"
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"strings"

	"darkroom/internal/egress"
	"darkroom/internal/secret"
	"darkroom/internal/validate"
)

// contentKeys are the keys that packages are opened with.
type contentKeys []validate.Key

func (k *contentKeys) String() string { return "" }

// maxKeyFile bounds a key file: 16 bytes, or their 32 hexadecimal digits and the end of a line.
const maxKeyFile = 64

// Set reads NAME:FILE. The file holds the key, so that no command line does.
func (k *contentKeys) Set(text string) error {
	i := strings.LastIndexByte(text, ':')
	if i < 1 {
		return fmt.Errorf("%q; wanted KID:FILE or URI:FILE", text)
	}
	name, file := text[:i], text[i+1:]
	if id := strings.ReplaceAll(name, "-", ""); len(id) == 32 {
		if _, err := hex.DecodeString(id); err == nil {
			name = strings.ToLower(id)
		}
	}
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	b, err := io.ReadAll(io.LimitReader(f, maxKeyFile+1))
	if err != nil {
		return err
	}
	if len(b) != validate.KeySize {
		d, err := hex.DecodeString(strings.TrimSpace(string(b)))
		if err != nil || len(d) != validate.KeySize {
			return fmt.Errorf("%s holds no key: %d bytes, or their hexadecimal digits", file, validate.KeySize)
		}
		b = d
	}
	*k = append(*k, validate.Key{ID: name, Value: secret.New(b)})
	return nil
}

// validateMain checks packages: exit status 0 for none of the findings an error, 1 for one, 2 for what cannot be checked.
func validateMain(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	fs := flags("validate", "URL|DIR|FILE", stderr)
	var keys contentKeys
	fs.Var(&keys, "key", "`NAME:FILE`, once for each: a content key, by its key identifier or by the URI of EXT-X-KEY")
	base := fs.String("base-url", "", "`URL` by which manifests name DIR")
	asJSON := fs.Bool("json", false, "print JSON")
	rules := fs.Bool("rules", false, "list the rules with their sources, and check nothing")
	var allow []egress.Rule
	fs.Func("allow", "`ADDRESS:PORT` of a server that is not public and may be read from, such as 127.0.0.1:8080; once for each", func(text string) error {
		to, err := netip.ParseAddrPort(text)
		if err != nil {
			return err
		}
		net := netip.PrefixFrom(to.Addr(), to.Addr().BitLen())
		allow = append(allow, egress.Rule{Net: net, Ports: []int{int(to.Port())}, For: []egress.Purpose{egress.Input}})
		return nil
	})
	rest, err := parse(fs, args)
	if err != nil {
		return err
	}
	if *rules {
		for _, r := range validate.Rules() {
			fmt.Fprintf(stdout, "%-22s %s (%s)\n", r.ID, r.Text, r.Source)
		}
		return nil
	}
	if len(rest) != 1 {
		return usagef("one package is needed; got %d", len(rest))
	}
	src, manifests, err := packageAt(ctx, rest[0], *base, allow)
	if err != nil {
		return &usageError{err.Error()}
	}
	report, err := validate.Check(ctx, src, manifests, validate.Options{Keys: keys})
	if err != nil {
		return &usageError{err.Error()}
	}
	if *asJSON {
		out, err := json.MarshalIndent(report, "", "  ")
		if err != nil {
			return err
		}
		fmt.Fprintln(stdout, string(out))
	} else {
		for _, f := range report.Findings {
			fmt.Fprintln(stdout, f)
		}
		verdict := "no rule is broken"
		if report.Failed() {
			verdict = "rules are broken"
		}
		fmt.Fprintf(stdout, "%s: %d manifests, %d streams, %d segments, %d samples, %d bytes of media\n", verdict, report.Manifests, report.Streams, report.Segments, report.Samples, report.Bytes)
	}
	if report.Failed() {
		return errFailed
	}
	return nil
}

// packageAt finds the manifests of a package: of a URL or a file that one, of a directory all that are in it.
func packageAt(ctx context.Context, name, base string, allow []egress.Rule) (validate.Source, []string, error) {
	if strings.HasPrefix(name, "http://") || strings.HasPrefix(name, "https://") {
		door, err := egress.New(egress.Options{Rules: allow})
		if err != nil {
			return nil, nil, err
		}
		web := &validate.Web{Transport: door.Client(egress.Input).Transport}
		abs, err := web.Resolve("", name)
		return web, []string{abs}, err
	}
	st, err := os.Stat(name)
	if err != nil {
		return nil, nil, err
	}
	dir, file := name, ""
	if !st.IsDir() {
		dir, file = filepath.Split(name)
	}
	src, err := validate.OpenDir(filepath.Clean(cmp.Or(dir, ".")), base)
	if err != nil {
		return nil, nil, err
	}
	if file != "" {
		abs, err := src.Resolve("", file)
		return src, []string{abs}, err
	}
	manifests, err := src.Manifests(ctx)
	return src, manifests, err
}
