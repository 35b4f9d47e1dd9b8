package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"darkroom/internal/audit"
	"darkroom/internal/backup"
	"darkroom/internal/config"
	"darkroom/internal/lifecycleapi"
	"darkroom/internal/root"
	"darkroom/internal/store/sqlite"
)

// maxSmallFile bounds the files of recipients, identities and passphrases.
const maxSmallFile = 1 << 20

// restoredConfig is where a restore puts the configuration file that was backed up.
const restoredConfig = "restored-configuration.yaml"

func backupMain(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	if len(args) > 0 && args[0] == "verify" {
		return backupVerify(ctx, args[1:], stdout, stderr)
	}
	fs := flags("backup", "--data DIR --out FILE|DIR --recipient age1…|--recipients-file FILE|--passphrase-file FILE\n       darkroom backup verify FILE --identity FILE|--passphrase-file FILE", stderr)
	data := fs.String("data", "", "`DIR` of the server, running or not")
	out := fs.String("out", "", "new `FILE`, or directory for one")
	configuration := fs.String("config", "", "YAML `FILE` of the server, to be backed up too")
	profile := fs.String("profile", "admin", "`PROFILE` of the credentials file, of a principal of the main account that may darkroom:CreateBackup")
	unapproved := fs.Bool("unapproved-encryption", false, "encrypt in the format of age though the installation allows only what is approved under FIPS 140-3")
	recipients := recipientFlags(fs)
	rest, err := parse(fs, args)
	if err != nil {
		return err
	}
	switch {
	case len(rest) > 0:
		return usagef("unexpected argument %q", rest[0])
	case *data == "" || *out == "":
		return usagef("--data and --out are needed")
	}
	to, who, err := recipients()
	if err != nil {
		return err
	}
	path, err := backupPath(*data, *out)
	if err != nil {
		return err
	}
	b := &backingUp{data: *data, configuration: *configuration, profile: *profile, who: who, unapproved: *unapproved}
	file, err := backup.Private(path)
	if err != nil {
		return err
	}
	end, err := b.write(ctx, to, file)
	if err == nil {
		err = backup.Publish(file, path)
	}
	if err != nil {
		return errors.Join(err, file.Close(), gone(os.Remove(file.Name())))
	}
	if err := file.Close(); err != nil {
		return err
	}
	if err := b.complete(ctx, end); err != nil {
		return fmt.Errorf("the backup %s is whole, but could not be recorded: %w", path, err)
	}
	fmt.Fprintf(stdout, "%s\n%d files, %d bytes; manifest %s\n", path, end.Files, end.Bytes, end.Manifest)
	for _, text := range b.header.Elsewhere {
		fmt.Fprintf(stdout, "NOT IN IT: %s\n", text)
	}
	for _, name := range end.LostFiles {
		fmt.Fprintf(stdout, "DAMAGED: %s\n", name)
	}
	if end.Lost > 0 {
		fmt.Fprintf(stderr, "darkroom backup: %d files of the installation could not be read, or do not open where they are\n", end.Lost)
		return errFailed
	}
	return nil
}

// gone passes over that a file is not there.
func gone(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// recipientFlags are who can open a backup. who says it in words for the audit trail.
func recipientFlags(fs *flag.FlagSet) func() (to backup.Recipients, who string, err error) {
	var keys []string
	fs.Func("recipient", "age public key `age1…` of who can open the backup; repeatable", func(s string) error { keys = append(keys, s); return nil })
	file := fs.String("recipients-file", "", "`FILE` with one age public key a line")
	passphrase := fs.String("passphrase-file", "", "`FILE` whose first line is the passphrase; others must not read it")
	return func() (backup.Recipients, string, error) {
		if (len(keys) > 0 || *file != "") == (*passphrase != "") {
			return backup.Recipients{}, "", usagef("either --recipient and --recipients-file, or --passphrase-file, say who can open the backup")
		}
		if *passphrase != "" {
			words, err := root.ReadPrivate(*passphrase, maxSmallFile)
			if err != nil {
				return backup.Recipients{}, "", err
			}
			defer words.Wipe()
			to, err := backup.ForPassphrase(words)
			return to, "a passphrase", err
		}
		text := strings.Join(keys, "\n")
		if *file != "" {
			more, err := readAtMost(*file, maxSmallFile)
			if err != nil {
				return backup.Recipients{}, "", err
			}
			text += "\n" + string(more)
		}
		to, err := backup.ForPublicKeys(strings.NewReader(text))
		who := strings.Join(strings.Fields(text), " ")
		return to, who[:min(len(who), 1000)], err
	}
}

// identityFlags are what opens a backup.
func identityFlags(fs *flag.FlagSet) func() (backup.Identities, error) {
	file := fs.String("identity", "", "`FILE` with the age private key; others must not read it")
	passphrase := fs.String("passphrase-file", "", "`FILE` whose first line is the passphrase; others must not read it")
	return func() (backup.Identities, error) {
		if (*file != "") == (*passphrase != "") {
			return backup.Identities{}, usagef("either --identity or --passphrase-file opens the backup")
		}
		name := *file + *passphrase
		text, err := root.ReadPrivate(name, maxSmallFile)
		if err != nil {
			return backup.Identities{}, err
		}
		defer text.Wipe()
		if *passphrase != "" {
			return backup.FromPassphrase(text)
		}
		return backup.FromKeys(strings.NewReader(string(text.Reveal())))
	}
}

// errUnapproved keeps backups of an installation that allows only approved cryptography from being made with another, unless somebody says so.
var errUnapproved = errors.New("the installation allows only cryptography that is approved under FIPS 140-3 (fips: approved), and backups are encrypted in the format of age (X25519 or scrypt, " +
	"ChaCha20-Poly1305), which is not: say --unapproved-encryption if your policy lets you, for example onto a volume that is encrypted with an approved module")

// backupPath is where a backup goes: a name in a directory, or the name that was given. It is not in the data directory.
func backupPath(data, out string) (string, error) {
	path, err := filepath.Abs(out)
	if err != nil {
		return "", err
	}
	if st, err := os.Stat(path); err == nil && st.IsDir() {
		path = filepath.Join(path, "darkroom-"+time.Now().UTC().Format("20060102T150405Z")+".age")
	}
	if _, err := os.Lstat(path); err == nil {
		return "", fmt.Errorf("%s is there already", path)
	}
	dir, err := filepath.EvalSymlinks(filepath.Dir(path))
	if err != nil {
		return "", err
	}
	inside, err := filepath.Abs(data)
	if err == nil {
		inside, err = filepath.EvalSymlinks(inside)
	}
	if err != nil {
		return "", err
	}
	if dir == inside || strings.HasPrefix(dir, inside+string(filepath.Separator)) {
		return "", fmt.Errorf("%s is in the data directory, which it is the backup of", path)
	}
	return path, nil
}

// backingUp is a backup on its way.
type backingUp struct {
	data, configuration, profile, who string
	unapproved                        bool

	server *visitor // nil where none runs
	header backup.Header
}

// write writes the backup, sealed, to a file.
func (b *backingUp) write(ctx context.Context, to backup.Recipients, w io.Writer) (end backup.End, err error) {
	sealed, err := to.Seal(w)
	if err != nil {
		return end, err
	}
	unlock, running, err := lockStopped(b.data)
	if err != nil {
		return end, err
	}
	if running {
		end, err = b.live(ctx, sealed)
	} else {
		end, err = b.stopped(ctx, sealed)
		err = errors.Join(err, unlock())
	}
	if err != nil {
		return end, err
	}
	return end, sealed.Close()
}

// lockStopped takes the lock of a data directory, unless a server has it.
func lockStopped(data string) (unlock func() error, running bool, err error) {
	f, err := os.OpenFile(filepath.Join(data, objectsDir, "lock"), os.O_RDWR, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, false, fmt.Errorf("%s is no data directory: nothing was ever stored in it", data)
	}
	if err != nil {
		return nil, false, err
	}
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return nil, true, f.Close()
	}
	if err != nil {
		return nil, false, errors.Join(err, f.Close())
	}
	return f.Close, false, nil
}

// begin completes the header, and begins the archive.
func (b *backingUp) begin(w io.Writer, h backup.Header) (*backup.Writer, error) {
	kind, elsewhere, err := rootKind(b.data)
	if err != nil {
		return nil, err
	}
	if b.configuration != "" {
		cfg, err := config.ReadFile(b.configuration)
		if err != nil {
			return nil, err
		}
		if h.FIPS != config.FIPSApproved {
			h.FIPS = cmp.Or(cfg.FIPS, h.FIPS)
		}
	}
	if h.FIPS == config.FIPSApproved && !b.unapproved {
		return nil, errUnapproved
	}
	h.Root, h.Elsewhere = kind, append(elsewhere, h.Elsewhere...)
	if b.configuration == "" {
		h.Elsewhere = append(h.Elsewhere, "The configuration file, if the server has one, and the files that it names: give it by --config, and keep those elsewhere.")
	} else {
		h.Elsewhere = append(h.Elsewhere, "The files that the configuration file names.")
	}
	b.header = h
	return backup.NewWriter(w, h)
}

// rest adds the files of the data directory that are neither records nor objects, and the configuration.
func (b *backingUp) rest(ctx context.Context, w *backup.Writer) error {
	err := backup.AddTree(ctx, w, b.data, func(path string) bool {
		return path == objectsDir || strings.HasPrefix(path, databaseFile) || strings.HasSuffix(path, ".tmp") || path == restoredConfig ||
			strings.HasPrefix(path, accountsDir+"/") && strings.HasSuffix(path, "/"+objectsDir)
	})
	if err != nil || b.configuration == "" {
		return err
	}
	text, err := readAtMost(b.configuration, maxSmallFile)
	if err != nil {
		return err
	}
	return w.Add(restoredConfig, int64(len(text)), strings.NewReader(string(text)))
}

// live asks the running server for what only it can read at one moment, and adds the files that the server does not give.
func (b *backingUp) live(ctx context.Context, to io.Writer) (end backup.End, err error) {
	if b.server, err = newVisitor(b.data, b.profile); err != nil {
		return end, err
	}
	resp, err := b.server.ask(ctx, lifecycleAPI, "CreateBackup", struct{}{})
	if err != nil {
		return end, err
	}
	defer func() { err = errors.Join(err, resp.Body.Close()) }()
	var out *backup.Writer
	_, given, err := backup.Read(ctx, resp.Body, backup.Visitor{
		Header: func(h backup.Header) (err error) {
			if h.ID != resp.Header.Get(lifecycleapi.BackupID) {
				return errors.New("the server answers with another backup than it says")
			}
			if out, err = b.begin(to, h); err != nil {
				return err
			}
			return b.rest(ctx, out)
		},
		File: func(path string, size int64, body io.Reader) error { return out.Add(path, size, body) },
	})
	if err != nil {
		if out != nil {
			err = errors.Join(err, out.Abandon())
		}
		return end, fmt.Errorf("read the backup that the server gives: %w", err)
	}
	return out.Close(given.Lost, given.LostFiles)
}

// stopped reads the directory of a server that does not run.
func (b *backingUp) stopped(ctx context.Context, to io.Writer) (end backup.End, err error) {
	h := backup.Header{ID: audit.NewID(), Moment: time.Now().UTC(), Version: release}
	if e, _, err := readEndpoint(b.data); err == nil {
		h.Region, h.Account = e.Region, e.Account
	}
	cfg, _, err := inspectedConfig("", b.data)
	if err != nil && b.configuration == "" { // else the configuration that is given says it
		return end, err
	}
	h.FIPS = cfg.FIPS
	out, err := b.begin(to, h)
	if err != nil {
		return end, err
	}
	err = func() error {
		if err := b.rest(ctx, out); err != nil {
			return err
		}
		if err := b.records(ctx, out); err != nil {
			return err
		}
		return backup.AddTree(ctx, out, b.data, func(path string) bool {
			store, inside, found := strings.Cut("/"+path, "/"+objectsDir)
			switch {
			case path == accountsDir, strings.HasPrefix(path, accountsDir+"/") && strings.Count(path, "/") == 1:
				return false // the way to the stores of other accounts
			case !found || store != "" && !strings.HasPrefix(store, "/"+accountsDir+"/"):
				return true
			}
			return backup.Passing(strings.TrimPrefix(inside, "/"))
		})
	}()
	if err != nil {
		return end, errors.Join(err, out.Abandon())
	}
	return out.Close(0, nil)
}

// records adds the records of a server that does not run.
func (b *backingUp) records(ctx context.Context, out *backup.Writer) (err error) {
	temp, err := os.MkdirTemp(filepath.Join(b.data, objectsDir, "tmp"), "backup-*")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(temp)) }()
	snapshot, closeRecords, err := sqlite.SnapshotOf(ctx, filepath.Join(b.data, databaseFile))
	if err != nil {
		return err
	}
	err = snapshot.WriteTo(ctx, filepath.Join(temp, databaseFile))
	if err = errors.Join(err, snapshot.Close(), closeRecords()); err != nil {
		return err
	}
	return backup.AddTree(ctx, out, temp, func(string) bool { return false })
}

// complete records that the backup is whole: with the server, or in the records of one that does not run.
func (b *backingUp) complete(ctx context.Context, end backup.End) error {
	if b.server != nil {
		return b.server.call(ctx, lifecycleAPI, "CompleteBackup", map[string]string{"BackupId": b.header.ID, "ManifestSHA256": end.Manifest, "Recipients": b.who}, nil)
	}
	return recordIn(ctx, b.data, "CompleteBackup", b.header, map[string]any{"id": b.header.ID, "manifestSHA256": end.Manifest, "recipients": b.who, "files": end.Files, "bytes": end.Bytes})
}

// recordIn writes into the audit trail of a data directory that no server has open.
func recordIn(ctx context.Context, data, action string, h backup.Header, details map[string]any) (err error) {
	records, err := sqlite.Open(filepath.Join(data, databaseFile))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, records.Close()) }()
	r := audit.ServiceEvent{Time: time.Now(), RequestID: audit.NewID(), Service: lifecycleapi.Name, Action: action}.Record(h.Region, h.Account)
	r.EventCategory, r.ManagementEvent, r.ReadOnly = audit.Management, true, false
	p := audit.NewPending(r)
	p.Annotate("backup", details)
	return records.Audit(ctx, p.Record())
}

// openBackup opens a backup for reading.
func openBackup(path string, with backup.Identities) (io.Reader, io.Closer, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, nil, err
	}
	r, err := with.Open(f)
	if err != nil {
		return nil, nil, errors.Join(fmt.Errorf("%s: %w", path, err), f.Close())
	}
	return r, f, nil
}

// backupVerify reads a backup to its end.
func backupVerify(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	fs := flags("backup verify", "FILE --identity FILE|--passphrase-file FILE", stderr)
	identities := identityFlags(fs)
	rest, err := parse(fs, args)
	if err != nil {
		return err
	}
	if len(rest) != 1 {
		return usagef("one backup is needed; got %d", len(rest))
	}
	with, err := identities()
	if err != nil {
		return err
	}
	r, file, err := openBackup(rest[0], with)
	if err != nil {
		return err
	}
	h, end, err := backup.Read(ctx, r, backup.Visitor{})
	if err = errors.Join(err, file.Close()); err != nil {
		return fmt.Errorf("%s: %w", rest[0], err)
	}
	describe(stdout, h, end)
	return nil
}

func describe(w io.Writer, h backup.Header, end backup.End) {
	fmt.Fprintf(w, "backup %s is whole: %d files, %d bytes, as of %s, by version %s; manifest %s\n", h.ID, end.Files, end.Bytes, h.Moment.Format(time.RFC3339), h.Version, end.Manifest)
	for _, text := range h.Elsewhere {
		fmt.Fprintf(w, "NOT IN IT: %s\n", text)
	}
	if end.Lost > 0 {
		fmt.Fprintf(w, "DAMAGED WHEN IT WAS MADE: %d files\n", end.Lost)
	}
	for _, name := range end.LostFiles {
		fmt.Fprintf(w, "DAMAGED: %s\n", name)
	}
}

// restore puts a backup into a new data directory.
func restore(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	fs := flags("restore", "--in FILE --data NEWDIR --identity FILE|--passphrase-file FILE", stderr)
	in := fs.String("in", "", "the backup")
	data := fs.String("data", "", "new or empty `DIR` for the installation")
	identities := identityFlags(fs)
	rest, err := parse(fs, args)
	if err != nil {
		return err
	}
	switch {
	case len(rest) > 0:
		return usagef("unexpected argument %q", rest[0])
	case *in == "" || *data == "":
		return usagef("--in and --data are needed")
	}
	with, err := identities()
	if err != nil {
		return err
	}
	syscall.Umask(0o077)
	r, file, err := openBackup(*in, with)
	if err != nil {
		return err
	}
	h, end, err := backup.Restore(ctx, r, *data, func(staging string, h backup.Header, e backup.End) error {
		records, err := sqlite.Open(filepath.Join(staging, databaseFile))
		if err != nil {
			return fmt.Errorf("open the restored records: %w", err)
		}
		if err := errors.Join(records.Verify(ctx), records.Close()); err != nil {
			return err
		}
		return recordIn(ctx, staging, "RestoreBackup", h, map[string]any{"id": h.ID, "moment": h.Moment, "manifestSHA256": e.Manifest, "files": e.Files, "bytes": e.Bytes})
	})
	if err = errors.Join(err, file.Close()); err != nil {
		return fmt.Errorf("restore %s: %w", *in, err)
	}
	describe(stdout, h, end)
	fmt.Fprintf(stdout, "restored to %s; start it with: darkroom serve --data %s\n", *data, *data)
	if _, err := os.Stat(filepath.Join(*data, restoredConfig)); err == nil {
		fmt.Fprintf(stdout, "its configuration file is %s\n", filepath.Join(*data, restoredConfig))
	}
	return nil
}
