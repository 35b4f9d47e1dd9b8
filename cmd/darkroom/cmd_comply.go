package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"darkroom/internal/comply"
	"darkroom/internal/inspect"
)

// complyFormats write a report.
var complyFormats = []struct {
	name  string
	write func(comply.Report) ([]byte, error)
}{
	{"md", func(r comply.Report) ([]byte, error) { return comply.Markdown(r), nil }},
	{"html", comply.HTML},
	{"json", comply.JSON},
	{"pdf", comply.PDF},
}

func complyMain(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	if len(args) > 0 {
		switch args[0] {
		case "verify":
			return complyVerify(ctx, args[1:], stdout, stderr)
		case "key":
			return complyKey(ctx, args[1:], stdout, stderr)
		}
	}
	fs := flags("comply", "[verify|key] [--data DIR] [--config FILE] [--framework "+strings.Join(comply.Order, "|")+"] [--format md|html|json|pdf] [--out FILE] [--evidence DIR|FILE.tar.gz]", stderr)
	data := fs.String("data", "", "`DIR` of the server; empty is that of the configuration")
	file := fs.String("config", "", "YAML `FILE` of the server; empty: the settings of its last start")
	framework := fs.String("framework", comply.Order[0], "one of "+strings.Join(comply.Order, ", "))
	format := fs.String("format", "md", "md, html, json or pdf")
	out := fs.String("out", "", "`FILE` that the report is written to; empty is standard output")
	evidence := fs.String("evidence", "", "`DIR` that is not there yet, or FILE.tar.gz, for the report in all formats with its evidence, signed")
	strict := fs.Bool("fail-on-gap", false, "exit with 1 where a control has a gap")
	rest, err := parse(fs, args)
	if err != nil {
		return err
	}
	write := complyFormats[0].write
	known := false
	for _, f := range complyFormats {
		if f.name == *format {
			write, known = f.write, true
		}
	}
	switch {
	case len(rest) > 0:
		return usagef("unexpected argument %q", rest[0])
	case !known:
		return usagef("--format %q is none of md, html, json, pdf", *format)
	case *format == "pdf" && *out == "" && *evidence == "":
		return usagef("a PDF document goes into a file: name it with --out")
	}
	f, err := comply.Load(*framework)
	if err != nil {
		return usagef("--framework: %v", err)
	}
	cfg, from, err := inspectedConfig(*file, *data)
	if err != nil {
		return err
	}
	i, err := openInspection(ctx, cfg, from, true)
	if err != nil {
		return err
	}
	defer i.close()
	if *evidence != "" && i.noKey != nil {
		return fmt.Errorf("evidence is signed with a key under the installation key: %w", i.noKey)
	}
	report, results, err := i.report(ctx, f)
	if err != nil {
		return err
	}
	if *evidence != "" {
		files, err := i.evidence(ctx, report, results)
		if err != nil {
			return err
		}
		if err := writeEvidence(*evidence, files, report.Time); err != nil {
			return err
		}
		fmt.Fprintf(stderr, "wrote %d files of evidence to %s\n", len(files), *evidence)
	}
	if *out != "" || *evidence == "" {
		text, err := write(report)
		if err != nil {
			return err
		}
		if *out == "" {
			if _, err := stdout.Write(text); err != nil {
				return err
			}
		} else if err := writeFile(*out, text); err != nil {
			return err
		}
	}
	if *strict && report.Summary[comply.Gap.String()] > 0 {
		return errFailed
	}
	return nil
}

// report runs every check, and holds them against a framework.
func (i *inspection) report(ctx context.Context, f comply.Framework) (comply.Report, []inspect.Result, error) {
	in, err := i.installation()
	if err != nil {
		return comply.Report{}, nil, err
	}
	results := inspect.Run(ctx, in, inspect.All())
	if err := ctx.Err(); err != nil {
		return comply.Report{}, nil, err
	}
	subject := comply.Subject{Installation: i.status.Installation, Release: release, Region: i.cfg.Region, Accounts: accountIDs(i.cfg), Settings: i.from}
	if e, _, err := readEndpoint(i.cfg.Data); err == nil {
		subject.URL = e.URL
	}
	report, err := comply.Judge(f, subject, results, time.Now())
	return report, results, err
}

// writeFile writes a file whole, or not at all.
func writeFile(path string, text []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*")
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	defer func() { _ = os.Remove(f.Name()) }() // it has its name by then, or is not wanted
	_, err = f.Write(text)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return os.Rename(f.Name(), path)
}

// writeEvidence writes a bundle as an archive, or into a directory that is not there yet.
func writeEvidence(path string, files []comply.File, at time.Time) error {
	if strings.HasSuffix(path, ".tar.gz") || strings.HasSuffix(path, ".tgz") {
		var b bytes.Buffer
		if err := comply.Write(&b, files, at); err != nil {
			return err
		}
		return writeFile(path, b.Bytes())
	}
	if err := os.Mkdir(path, 0o700); err != nil {
		return fmt.Errorf("evidence goes into FILE.tar.gz, or into a directory that is not there yet: %w", err)
	}
	for _, f := range files {
		name := filepath.Join(path, filepath.FromSlash(f.Name))
		if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			return err
		}
		if err := os.WriteFile(name, f.Data, 0o600); err != nil {
			return err
		}
	}
	return nil
}

// complyVerify verifies a bundle.
func complyVerify(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	fs := flags("comply verify", "BUNDLE [--key FILE | --fingerprint HEX | --data DIR [--config FILE]]", stderr)
	keyFile := fs.String("key", "", "PEM `FILE` with the public key of the installation, as darkroom comply key prints it")
	fingerprint := fs.String("fingerprint", "", "SHA-256 of that key, in hexadecimal")
	data := fs.String("data", "", "`DIR` of the server that must have made the bundle")
	file := fs.String("config", "", "YAML `FILE` of that server")
	rest, err := parse(fs, args)
	if err != nil {
		return err
	}
	if len(rest) != 1 {
		return usagef("name one bundle: FILE.tar.gz or DIR")
	}
	given := 0
	for _, s := range []string{*keyFile, *fingerprint, *data + *file} {
		if s != "" {
			given++
		}
	}
	if given > 1 {
		return usagef("--key, --fingerprint and --data say the same: give one")
	}
	trusted := strings.ToLower(strings.ReplaceAll(*fingerprint, ":", ""))
	switch {
	case *fingerprint != "" && len(trusted) != 64:
		return usagef("--fingerprint has 64 hexadecimal digits")
	case *keyFile != "":
		text, err := os.ReadFile(*keyFile)
		if err != nil {
			return err
		}
		key, err := comply.DecodeKey(text)
		if err != nil {
			return fmt.Errorf("%s: %w", *keyFile, err)
		}
		if trusted, err = comply.Fingerprint(key); err != nil {
			return err
		}
	case *data != "" || *file != "":
		key, err := evidenceKey(ctx, *data, *file)
		if err != nil {
			return err
		}
		trusted, err = comply.Fingerprint(key.Public())
		key.Wipe()
		if err != nil {
			return err
		}
	}
	st, err := os.Stat(rest[0])
	if err != nil {
		return err
	}
	var v comply.Verified
	if st.IsDir() {
		v, err = comply.VerifyDir(os.DirFS(rest[0]), trusted)
	} else {
		f, openErr := os.Open(rest[0])
		if openErr != nil {
			return openErr
		}
		v, err = comply.VerifyArchive(f, trusted)
		_ = f.Close() // it was only read
	}
	if err != nil {
		return fmt.Errorf("%s is refused: %w", rest[0], err)
	}
	fmt.Fprintf(stdout, "%s: %d files fit the manifest, and the manifest its signature\n", rest[0], len(v.Files))
	fmt.Fprintf(stdout, "  %-14s %s\n  %-14s %s\n  %-14s %s\n  %-14s %s\n", "framework", v.Framework, "made", v.Time.Format(time.RFC3339), "installation", v.Installation, "key", v.Key)
	if !v.Trusted {
		fmt.Fprintf(stdout, "WARNING: whose key that is was not checked: compare it with what `darkroom comply key` prints on the installation, or give it with --key, --fingerprint or --data\n")
	}
	return nil
}

// complyKey prints the public key that evidence is signed with.
func complyKey(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	fs := flags("comply key", "[--data DIR] [--config FILE]", stderr)
	data := fs.String("data", "", "`DIR` of the server; empty is that of the configuration")
	file := fs.String("config", "", "YAML `FILE` of the server; empty: the settings of its last start")
	rest, err := parse(fs, args)
	if err != nil {
		return err
	}
	if len(rest) > 0 {
		return usagef("unexpected argument %q", rest[0])
	}
	key, err := evidenceKey(ctx, *data, *file)
	if err != nil {
		return err
	}
	defer key.Wipe()
	text, err := comply.EncodeKey(key.Public())
	if err != nil {
		return err
	}
	print, err := comply.Fingerprint(key.Public())
	if err != nil {
		return err
	}
	fmt.Fprintf(stdout, "%s", text)
	fmt.Fprintf(stderr, "fingerprint %s\n", print)
	return nil
}

func evidenceKey(ctx context.Context, data, file string) (*comply.Key, error) {
	cfg, from, err := inspectedConfig(file, data)
	if err != nil {
		return nil, err
	}
	i := &inspection{cfg: cfg, from: from}
	master, err := i.openKey(ctx, true)
	if err != nil {
		return nil, fmt.Errorf("open the installation key: %w", err)
	}
	defer master.Wipe()
	return comply.NewKey(master)
}
