package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"darkroom/internal/audit"
	"darkroom/internal/config"
	"darkroom/internal/root"
)

func keysMain(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	const verbs = "status, rewrap"
	if len(args) == 0 {
		return usagef("say what: %s", verbs)
	}
	switch args[0] {
	case "status":
		return keysStatus(ctx, args[1:], stdout, stderr)
	case "rewrap":
		return keysRewrap(ctx, args[1:], stdout, stderr)
	case "-h", "--help":
		fmt.Fprintf(stderr, "usage: darkroom keys status|rewrap [flags]\n")
		return flag.ErrHelp
	}
	return usagef("%q is none of %s", args[0], verbs)
}

// keysStatus says what the installation key is wrapped by, and with a configuration whether that opens it.
func keysStatus(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	fs := flags("keys status", "--data DIR [--config FILE]", stderr)
	data := fs.String("data", "", "`DIR` of the server; empty is that of the configuration")
	file := fs.String("config", "", "YAML `FILE` of the server: say whether its root opens the installation key")
	rest, err := parse(fs, args)
	if err != nil {
		return err
	}
	if len(rest) > 0 {
		return usagef("unexpected argument %q", rest[0])
	}
	cfg, err := keysConfig(*file, *data)
	if err != nil {
		return err
	}
	st, err := readStatus(cfg.Data)
	if err != nil {
		return err
	}
	show(stdout, st)
	if warning := rootWarning(cfg.Data); warning != "" {
		fmt.Fprintf(stdout, "WARNING: %s\n", warning)
	}
	if *file == "" {
		return nil
	}
	door, err := ownDoor(cfg)
	if err != nil {
		return err
	}
	r, err := openRoot(cfg, door, "passphrase of the installation key")
	if err != nil {
		return err
	}
	defer r.Close()
	key, err := root.Open(ctx, rootOptions(cfg.Data, r))
	if err != nil {
		return fmt.Errorf("the configuration does not open the installation key: %w", err)
	}
	key.Secret.Wipe()
	fmt.Fprintf(stdout, "%-14s yes, with %s\n", "opens", *file)
	return nil
}

// keysRewrap moves the installation key to another root, or to a new key of the same.
func keysRewrap(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	fs := flags("keys rewrap", "--data DIR --config NEW.yaml [--from OLD.yaml] [--rotate]", stderr)
	data := fs.String("data", "", "`DIR` of the server; empty is that of NEW.yaml")
	file := fs.String("config", "", "YAML `FILE` whose root is to wrap the installation key from now on; empty is the default configuration")
	old := fs.String("from", "", "YAML `FILE` whose root wraps it now; empty where that is root.key in DIR, the root of --config, or a passphrase asked for at the terminal")
	rotate := fs.Bool("rotate", false, "stay with the same root, and give it a new key (file) or take the newest version of its key (transit, kms)")
	rest, err := parse(fs, args)
	if err != nil {
		return err
	}
	switch {
	case len(rest) > 0:
		return usagef("unexpected argument %q", rest[0])
	case *file == "" && !*rotate && *old == "":
		return usagef("say what the installation key is to be wrapped by: --config NEW.yaml, or --rotate for a new key of the same root")
	case *rotate && *old != "":
		return usagef("--rotate stays with the root of --config; --from is for a move from another root")
	}
	cfg, err := keysConfig(*file, *data)
	if err != nil {
		return err
	}
	st, err := readStatus(cfg.Data)
	if err != nil {
		return err
	}
	from, err := formerConfig(st, cfg, *old, *rotate)
	if err != nil {
		return err
	}
	oldDoor, err := ownDoor(from)
	if err != nil {
		return err
	}
	before, err := openRoot(from, oldDoor, "passphrase of the installation key, as it is now")
	if err != nil {
		return err
	}
	defer before.Close()
	newDoor, err := ownDoor(cfg)
	if err != nil {
		return err
	}
	after, err := openRoot(cfg, newDoor, "new passphrase of the installation key")
	if err != nil {
		return err
	}
	defer after.Close()
	if f, ok := after.(*root.File); ok && *rotate {
		after = f.Renew()
	}
	moved, err := rewrapRecorded(ctx, cfg, st, after, before)
	switch {
	case errors.Is(err, root.ErrSame):
		return usagef("%v", err)
	case err != nil:
		return err
	}
	show(stdout, moved.After)
	fmt.Fprintf(stdout, "\nServers that run are not disturbed. ")
	if *rotate {
		fmt.Fprintf(stdout, "They start with the same configuration as before.\n")
	} else {
		fmt.Fprintf(stdout, "From their next start on they need the root of %s.\n", named(*file))
	}
	fmt.Fprintf(stdout, "\nThe installation key itself is the same as before: a copy of %s from before, such as in a backup, still opens with the former root. Destroy:\n  - copies of %s from before %s\n  - %s\n",
		root.Name, root.Name, moved.After.Wrapped.Format(time.RFC3339), leftBehind(moved, from, *rotate))
	return nil
}

// rewrapRecorded moves the installation key with a record before, and one of how it ended.
func rewrapRecorded(ctx context.Context, cfg config.Config, st root.Status, after, before root.Root) (moved root.Moved, err error) {
	const action = "RewrapInstallationKey"
	trail, err := openOffline(ctx, cfg, "keys rewrap")
	if err != nil {
		return moved, err
	}
	defer func() { err = errors.Join(err, trail.Close()) }()
	old := string(st.Kind) + " " + st.Key
	if err := trail.tell(ctx, action, audit.Intended, audit.Change{Key: "(installation).root", Old: old}); err != nil {
		return moved, err
	}
	if moved, err = root.Rewrap(ctx, rootOptions(cfg.Data, after), before); err != nil {
		return moved, errors.Join(err, trail.tell(ctx, action, audit.Failed, audit.Change{Key: "(installation).root", Old: old}))
	}
	return moved, trail.tell(ctx, action, audit.Granted, audit.Change{Key: "(installation).root", Old: old, New: string(moved.After.Kind) + " " + moved.After.Key})
}

// keysConfig reads the configuration that a command of keys works with; both may be empty.
func keysConfig(file, data string) (config.Config, error) {
	cfg := config.Default()
	if file != "" {
		var err error
		if cfg, err = config.ReadFile(file); err != nil {
			return config.Config{}, &usageError{err.Error()}
		}
	}
	if data != "" {
		cfg.Data = data
	}
	return cfg, nil
}

func readStatus(data string) (root.Status, error) {
	st, err := root.Read(data)
	if errors.Is(err, fs.ErrNotExist) {
		return root.Status{}, fmt.Errorf("%s has no wrapped installation key: no server of this version has started on it", data)
	}
	return st, err
}

// formerConfig is the configuration whose root wraps the installation key now.
func formerConfig(st root.Status, to config.Config, old string, rotate bool) (config.Config, error) {
	if old != "" {
		from, err := config.ReadFile(old)
		if err != nil {
			return config.Config{}, &usageError{err.Error()}
		}
		from.Data = to.Data
		return from, nil
	}
	kind := to.Root.Kind
	if kind == "" {
		kind = config.RootFile
	}
	if rotate {
		switch {
		case kind != string(st.Kind):
			return config.Config{}, usagef("--rotate stays with the root of --config, which is of kind %s, and the installation key is wrapped by one of kind %s", kind, st.Kind)
		case kind == config.RootPassphrase && (to.Root.PassphraseFile != "" || to.Root.PassphraseCredential != ""):
			return config.Config{}, usagef("a configured passphrase cannot be both the old one and the new one: name the configuration of the old one with --from, without --rotate")
		}
		return to, nil
	}
	from := config.Default()
	from.Data = to.Data
	switch st.Kind {
	case root.KindFile:
		if _, err := os.Lstat(rootFile(from)); errors.Is(err, fs.ErrNotExist) {
			return config.Config{}, usagef("the installation key is wrapped by a root key in a file, %s, which is not %s: name the configuration that has it with --from", st.Key, rootFile(from))
		}
		return from, nil // whether it is the one is told by its fingerprint
	case root.KindPassphrase:
		from.Root.Kind = config.RootPassphrase
		return from, nil
	}
	if kind == string(st.Kind) {
		return to, nil
	}
	return config.Config{}, usagef("the installation key is wrapped by a root of kind %s, %s: name the configuration that reaches it with --from", st.Kind, st.Key)
}

func show(w io.Writer, st root.Status) {
	for _, l := range [][2]string{
		{"installation", st.Installation},
		{"root", string(st.Kind)},
		{"key", st.Key},
		{"made", st.Created.Format(time.RFC3339)},
		{"wrapped", st.Wrapped.Format(time.RFC3339)},
	} {
		fmt.Fprintf(w, "%-14s %s\n", l[0], l[1])
	}
}

func named(file string) string {
	if file == "" {
		return "the default configuration"
	}
	return file
}

// leftBehind says what of the former root its owner has to see to.
func leftBehind(m root.Moved, from config.Config, rotated bool) string {
	switch m.Before.Kind {
	case root.KindFile:
		path := rootFile(from)
		if rotated || m.Retired {
			return "copies of the former root key; its file " + path + " is gone from here"
		}
		if abs, err := filepath.Abs(path); err == nil {
			path = abs
		}
		return "the former root key, " + path + ", and its copies"
	case root.KindPassphrase:
		return "what the former passphrase is kept in"
	case root.KindTransit:
		return "access to " + m.Before.Key + " of the transit engine: trim its former versions (min_decryption_version, trim) or delete the key, unless others use it"
	case root.KindKMS:
		return "access to the key " + m.Before.Key + ": take the grants of Darkroom's credentials away, or schedule the key's deletion, unless others use it"
	}
	return "the former root"
}
