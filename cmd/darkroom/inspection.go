package main

import (
	"context"
	"crypto/fips140"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"time"

	"darkroom/internal/config"
	"darkroom/internal/egress"
	"darkroom/internal/identity"
	"darkroom/internal/inspect"
	"darkroom/internal/keys"
	"darkroom/internal/pki"
	"darkroom/internal/root"
	"darkroom/internal/sandbox"
	"darkroom/internal/sbom"
	"darkroom/internal/secret"
	"darkroom/internal/store/sqlite"
	"darkroom/internal/worker"
)

const (
	// maxWalked bounds the files that are looked at in a data directory.
	maxWalked = 200_000
	// maxSamples bounds the data files of objects whose beginning is looked at, and sampleBytes what of each.
	maxSamples  = 64
	sampleBytes = 1024
	// dialTimeout bounds a connection that should be refused at once.
	dialTimeout = 3 * time.Second
)

// inspection is an installation that is looked at from outside of its server, which may run or not. What cannot be opened is told by the checks that need it.
type inspection struct {
	cfg    config.Config
	from   string // where cfg was read
	status root.Status

	records *sqlite.Reader
	people  *identity.Directory
	keys    *keys.Service
	master  secret.Bytes // the installation key; empty where it does not open

	noRecords, noKey error // why
}

// openInspection opens what there is to look at. ask says that a passphrase may be asked for.
func openInspection(ctx context.Context, cfg config.Config, from string, ask bool) (*inspection, error) {
	i := &inspection{cfg: cfg, from: from}
	if st, err := os.Stat(cfg.Data); err != nil {
		return nil, fmt.Errorf("look at the data directory: %w", err)
	} else if !st.IsDir() {
		return nil, fmt.Errorf("look at the data directory: %s is no directory", cfg.Data)
	}
	path := filepath.Join(cfg.Data, databaseFile)
	switch records, err := sqlite.OpenReader(ctx, path); {
	case errors.Is(err, fs.ErrNotExist):
		i.noRecords = &inspect.Unknown{Reason: "there are no records yet: no server has started on " + cfg.Data}
	case err != nil:
		i.noRecords = err
	default:
		i.records = records
	}
	if i.master, i.noKey = i.openKey(ctx, ask); i.noKey != nil {
		i.noKey = &inspect.Unknown{Reason: "the installation key does not open: " + i.noKey.Error()}
		return i, nil
	}
	if i.records == nil {
		return i, nil
	}
	if err := i.openServices(); err != nil {
		i.close()
		return nil, err
	}
	return i, nil
}

// openKey opens the installation key, and makes none.
func (i *inspection) openKey(ctx context.Context, ask bool) (secret.Bytes, error) {
	var err error
	if i.status, err = root.Read(i.cfg.Data); errors.Is(err, fs.ErrNotExist) {
		return secret.Bytes{}, errors.New("there is none yet")
	} else if err != nil {
		return secret.Bytes{}, err
	}
	if c := i.cfg.Root; c.Kind == config.RootPassphrase && c.PassphraseFile == "" && c.PassphraseCredential == "" && !ask {
		return secret.Bytes{}, errors.New("its passphrase is asked for at the terminal, which this command does not do")
	}
	door, err := ownDoor(i.cfg)
	if err != nil {
		return secret.Bytes{}, err
	}
	r, err := openRoot(i.cfg, door, "passphrase of the installation key")
	if err != nil {
		return secret.Bytes{}, err
	}
	defer r.Close()
	key, err := root.Open(ctx, rootOptions(i.cfg.Data, r))
	if err != nil {
		return secret.Bytes{}, err
	}
	return key.Secret, nil
}

// openServices opens who there is and which keys there are, to be read.
func (i *inspection) openServices() error {
	log := slog.New(slog.DiscardHandler)
	o := identity.Options{Store: i.records, Master: i.master, Log: log, Now: time.Now}
	for _, id := range accountIDs(i.cfg) {
		o.Accounts = append(o.Accounts, identity.Account{ID: id})
	}
	var err error
	if i.people, err = identity.New(o); err != nil {
		return err
	}
	i.keys, err = keys.New(keys.Options{Region: i.cfg.Region, Accounts: accountIDs(i.cfg), Store: i.records, People: i.people, Master: i.master, Log: log})
	return err
}

func (i *inspection) close() {
	i.master.Wipe()
	if i.records != nil {
		_ = i.records.Close() // it was only read
	}
}

// installation is what checks look at.
func (i *inspection) installation() (*inspect.Installation, error) {
	settings, err := settingsOf(i.cfg)
	if err != nil {
		return nil, err
	}
	in := &inspect.Installation{
		Now: time.Now, Settings: settings, SettingsFrom: i.from, Accounts: accountIDs(i.cfg),
		Files: func(_ context.Context, see func(inspect.File)) (bool, error) { return walkData(i.cfg, false, see) },
		Root:  func(context.Context) (inspect.Root, error) { return lookAtRoot(i.cfg) },
		Listener: memo(func(ctx context.Context) (inspect.Listener, error) {
			p, err := newListenerProbe(i.cfg.Data)
			if err != nil {
				return inspect.Listener{}, err
			}
			return p.probe(ctx)
		}),
		Layers:  lookAtLayers,
		Dial:    dialer(i.cfg),
		FIPS:    lookAtFIPS,
		People:  i.lookAtPeople,
		Keys:    i.lookAtKeys,
		Objects: func(context.Context) (inspect.Objects, error) { return lookAtObjects(i.cfg) },
		Digests: i.lookAtTrails,
		Build:   lookAtBuild,
		FFmpeg:  memo(func(ctx context.Context) (sbom.Program, error) { return lookAtFFmpeg(ctx, i.cfg.FFmpeg) }),
	}
	if i.records != nil {
		in.Trail = i.records
	}
	return in, nil
}

// memo asks once, and gives the same answer from then on. It is for one goroutine.
func memo[T any](ask func(context.Context) (T, error)) func(context.Context) (T, error) {
	var done bool
	var v T
	var err error
	return func(ctx context.Context) (T, error) {
		if !done {
			v, err = ask(ctx)
			done = true
		}
		return v, err
	}
}

// publicFiles are the files of the data directory that others may read.
var publicFiles = []string{filepath.Join(tlsDir, pki.CertificateFile), filepath.Join(tlsDir, trustFile)}

// walkData shows the files of the data directory and those of secrets that the configuration names. shallow leaves out what is below the directories of objects.
func walkData(cfg config.Config, shallow bool, see func(inspect.File)) (cut bool, err error) {
	n := 0
	show := func(path, name string, info fs.FileInfo) {
		n++
		see(inspect.File{Path: name, Mode: info.Mode(), Owned: ownedByUs(info), Public: slices.Contains(publicFiles, name)})
	}
	err = filepath.WalkDir(cfg.Data, func(path string, d fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrNotExist) && path != cfg.Data: // it was deleted meanwhile
			return nil
		case err != nil:
			return err
		case n >= maxWalked:
			cut = true
			return fs.SkipAll
		}
		info, err := d.Info()
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		} else if err != nil {
			return err
		}
		name, err := filepath.Rel(cfg.Data, path)
		if err != nil {
			return err
		}
		if d.Type()&fs.ModeSymlink == 0 { // the rights of a link are those of what it leads to
			show(path, name, info)
		}
		if shallow && d.IsDir() && filepath.Base(filepath.Dir(path)) == objectsDir {
			return fs.SkipDir
		}
		return nil
	})
	if err != nil {
		return cut, err
	}
	for _, path := range []string{
		cfg.Root.File, cfg.Root.PassphraseFile, cfg.Root.Transit.TokenFile, cfg.Root.Transit.SecretIDFile, cfg.Root.KMS.CredentialsFile, cfg.TLS.KeyFile,
		cfg.S3.CredentialsFile, cfg.KeyServerCredentialsFile,
	} {
		if path == "" {
			continue
		}
		info, err := os.Stat(path)
		if err != nil {
			return cut, err
		}
		show(path, path, info)
	}
	return cut, nil
}

func lookAtRoot(cfg config.Config) (inspect.Root, error) {
	st, err := root.Read(cfg.Data)
	if errors.Is(err, fs.ErrNotExist) {
		return inspect.Root{}, &inspect.Unknown{Reason: "there is no installation key yet"}
	}
	if err != nil {
		return inspect.Root{}, err
	}
	return inspect.Root{
		Kind: string(st.Kind), Inside: rootWarning(cfg.Data) != "",
		Facts: []inspect.Fact{{Name: "installation", Value: st.Installation}, {Name: "key", Value: st.Key}, {Name: "wrapped", Value: st.Wrapped.UTC().Format(time.RFC3339)}},
	}, nil
}

func lookAtLayers(context.Context) ([]inspect.Layer, error) {
	report, err := sandbox.Probe()
	if err != nil {
		return nil, err
	}
	var out []inspect.Layer
	for _, l := range report.Layers {
		out = append(out, inspect.Layer{Name: string(l.Layer), Present: l.Present, Detail: l.Detail})
	}
	return out, nil
}

func lookAtFIPS() inspect.FIPS {
	f := inspect.FIPS{Enabled: fips140.Enabled(), Enforced: fips140.Enforced()}
	if f.Enabled {
		f.Version = fips140.Version()
	}
	return f
}

// dialer tries a connection for every purpose; it is refused where every purpose is.
func dialer(cfg config.Config) func(context.Context, string) (bool, error) {
	return func(ctx context.Context, address string) (bool, error) {
		door, err := ownDoor(cfg)
		if err != nil {
			return false, err
		}
		for _, p := range egress.Purposes {
			ctx, cancel := context.WithTimeout(ctx, dialTimeout)
			c, err := door.DialContext(p)(ctx, "tcp", address)
			cancel()
			if err == nil {
				_ = c.Close()
				return false, nil
			}
			if _, ok := errors.AsType[*egress.Refused](err); !ok {
				return false, err
			}
		}
		return true, nil
	}
}

func (i *inspection) lookAtPeople(ctx context.Context, account string) (inspect.People, error) {
	if i.people == nil {
		return inspect.People{}, i.why()
	}
	return peopleOf(ctx, i.people, account)
}

// why says why something that needs records and key was not opened.
func (i *inspection) why() error {
	if i.noRecords != nil {
		return i.noRecords
	}
	return i.noKey
}

func peopleOf(ctx context.Context, d *identity.Directory, account string) (inspect.People, error) {
	v, err := d.View(ctx, account)
	if err != nil {
		return inspect.People{}, err
	}
	devices := map[string]bool{}
	for _, e := range v.All(identity.Device, "") {
		if e.Owner != "" {
			devices[e.Owner] = true
		}
	}
	var out inspect.People
	for _, e := range v.All(identity.User, "") {
		u := inspect.User{Name: e.Name, ARN: e.ARN(account), Granted: len(v.Policies(e)) > 0, MFA: devices[e.ID]}
		for _, k := range e.Keys {
			key := inspect.AccessKey{ID: k.ID, Created: k.Created, Active: k.Active}
			if use, ok := d.LastUse(k.ID); ok {
				key.LastUsed = use.Time
			}
			u.Keys = append(u.Keys, key)
		}
		out.Users = append(out.Users, u)
	}
	return out, nil
}

func (i *inspection) lookAtKeys(ctx context.Context, account string) ([]inspect.Key, error) {
	if i.keys == nil {
		return nil, i.why()
	}
	v, err := i.keys.View(ctx, account)
	if err != nil {
		return nil, err
	}
	var out []inspect.Key
	for _, k := range v.Keys() {
		if k.Managed == "" {
			out = append(out, inspect.Key{ARN: v.ARN(k), State: string(k.State()), RotationDays: k.RotationDays, Newest: k.Versions[len(k.Versions)-1].Created})
		}
	}
	return out, nil
}

// lookAtObjects reads the beginnings of some data files of the embedded stores.
func lookAtObjects(cfg config.Config) (inspect.Objects, error) {
	if cfg.S3.Endpoint != "" {
		return inspect.Objects{External: cfg.S3.Endpoint}, nil
	}
	var out inspect.Objects
	dirs := []string{filepath.Join(cfg.Data, objectsDir)}
	for _, a := range cfg.Accounts {
		dirs = append(dirs, filepath.Join(cfg.Data, accountsDir, a.ID, objectsDir))
	}
	for _, dir := range dirs {
		err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			switch {
			case errors.Is(err, fs.ErrNotExist):
				return nil
			case err != nil:
				return err
			case len(out.Files) >= maxSamples:
				return fs.SkipAll
			case !d.Type().IsRegular() || d.Name() == "lock":
				return nil
			}
			f, err := os.Open(path)
			if errors.Is(err, fs.ErrNotExist) {
				return nil
			} else if err != nil {
				return err
			}
			defer func() { _ = f.Close() }()
			head, err := io.ReadAll(io.LimitReader(f, sampleBytes))
			if err != nil {
				return err
			}
			name, err := filepath.Rel(cfg.Data, path)
			if err != nil {
				return err
			}
			out.Files = append(out.Files, inspect.Sample{Name: name, Head: head})
			return nil
		})
		if err != nil {
			return out, err
		}
	}
	return out, nil
}

func lookAtBuild() (*debug.BuildInfo, error) {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return nil, errors.New("the program has no build information")
	}
	return info, nil
}

// lookAtFFmpeg asks ffmpeg, in the sandbox, what it is, and looks at its file and at what that is linked to.
func lookAtFFmpeg(ctx context.Context, name string) (sbom.Program, error) {
	path, err := program(name)
	if err != nil {
		return sbom.Program{}, &inspect.Unknown{Reason: err.Error()}
	}
	sb, err := sandbox.New(sandbox.Options{})
	if err != nil {
		return sbom.Program{}, err
	}
	text, err := worker.Version(ctx, sb, path)
	if err != nil {
		return sbom.Program{}, err
	}
	p, err := sbom.ParseVersion(text)
	if err != nil {
		return p, err
	}
	p.Path = path
	if p.SHA256, err = fileHash(path); err != nil {
		return p, err
	}
	return p, p.Look(os.DirFS("/"))
}

func fileHash(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer func() { _ = f.Close() }()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", fmt.Errorf("read %s: %w", path, err)
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}
