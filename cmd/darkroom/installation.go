package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"darkroom/internal/config"
	"darkroom/internal/egress"
	"darkroom/internal/identity"
	"darkroom/internal/kms"
	"darkroom/internal/root"
)

// sealedData are the names in the data directory of what is sealed under the installation key.
var sealedData = []string{databaseFile, objectsDir, accountsDir, tlsDir, identity.CredentialsFile}

// openInstallation opens the installation key for serve, and says what it did.
func openInstallation(ctx context.Context, cfg config.Config, door *egress.Door, log *slog.Logger) (*root.Opened, error) {
	r, err := openRoot(cfg, door, "passphrase of the installation key")
	if err != nil {
		return nil, err
	}
	defer r.Close()
	key, err := root.Open(ctx, rootOptions(cfg.Data, r))
	if err != nil {
		return nil, err
	}
	switch {
	case key.Made:
		log.Info("made a new installation key; back up its file and its root: without both nothing that is stored here can be read",
			"file", root.Name, "root", key.Kind, "key", key.Key)
	case key.Adopted:
		log.Warn("wrapped the installation key, which an older version kept in the clear, and removed that file; destroy the copies of it in backups",
			"removed", root.OldName, "file", root.Name, "root", key.Kind, "key", key.Key)
	}
	if warning := rootWarning(cfg.Data); warning != "" {
		log.Warn(warning)
	}
	return key, nil
}

func rootOptions(data string, r root.Root) root.Options {
	return root.Options{Dir: data, Root: r, Random: rand.Reader, Now: time.Now, Data: sealedData}
}

// ownDoor is the way out of a command without a server, which has no audit trail to write its connections to.
func ownDoor(cfg config.Config) (*egress.Door, error) {
	o, err := egressOptions(cfg.Egress)
	if err != nil {
		return nil, err
	}
	return egress.New(o)
}

// openRoot makes the root of trust of a configuration, behind a door. Nothing is asked for or sent yet. prompt is what a terminal is asked for.
func openRoot(cfg config.Config, door *egress.Door, prompt string) (root.Root, error) {
	c := cfg.Root
	switch c.Kind {
	case "", config.RootFile:
		return root.NewFile(rootFile(cfg), rand.Reader), nil
	case config.RootPassphrase:
		switch {
		case c.PassphraseFile != "":
			return root.NewPassphrase(root.PassphraseFile(c.PassphraseFile), rand.Reader), nil
		case c.PassphraseCredential != "":
			return root.NewPassphrase(root.PassphraseCredential(os.Getenv("CREDENTIALS_DIRECTORY"), c.PassphraseCredential), rand.Reader), nil
		}
		return root.NewPassphrase(root.PassphraseTerminal(os.Stdin, os.Stderr, prompt), rand.Reader), nil
	}
	client := door.Client(egress.KMS)
	switch c.Kind {
	case config.RootTransit:
		t := c.Transit
		return root.NewTransit(root.TransitOptions{
			Address: t.Address, Namespace: t.Namespace, Mount: t.Mount, Key: t.Key, TokenFile: t.TokenFile,
			RoleIDFile: t.RoleIDFile, SecretIDFile: t.SecretIDFile, AppRoleMount: t.AppRoleMount, Client: client,
		}), nil
	case config.RootKMS:
		k := c.KMS
		who, err := identity.ReadCredentials(k.CredentialsFile)
		if err != nil {
			return nil, fmt.Errorf("read root.kms.credentials_file: %w", err)
		}
		region := k.Region
		if region == "" {
			region = cfg.Region
		}
		endpoint := k.Endpoint
		if endpoint == "" {
			endpoint = "https://kms." + region + ".amazonaws.com"
		}
		service, err := kms.New(kms.Options{
			Endpoint: endpoint, Region: region, Transport: client.Transport,
			Credentials: func(context.Context) (kms.Credentials, error) {
				return kms.Credentials{AccessKeyID: who.AccessKeyID, SecretAccessKey: who.SecretAccessKey}, nil
			},
		})
		if err != nil {
			return nil, err
		}
		return root.NewKMS(service, k.Key), nil
	}
	return nil, fmt.Errorf("root.kind %q is not known", c.Kind) // the configuration was validated
}

// rootFile is where the root of kind file is.
func rootFile(cfg config.Config) string {
	if cfg.Root.File != "" {
		return cfg.Root.File
	}
	return filepath.Join(cfg.Data, root.KeyName)
}

// rootWarning says what is unwise about the root of a data directory; empty if nothing is.
func rootWarning(data string) string {
	for _, name := range []string{root.OldName, root.KeyName} {
		if _, err := os.Lstat(filepath.Join(data, name)); err == nil {
			return name + " is in the data directory: who copies the directory has the key to all of it; move the root of trust elsewhere by `darkroom keys rewrap`"
		}
	}
	return ""
}

// reportRoot is what doctor says about the root of trust.
func reportRoot(w io.Writer, data string) error {
	fmt.Fprintln(w, "root of trust")
	st, err := root.Read(data)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		fmt.Fprintf(w, "  %-20s none yet in %s\n", "installation key", data)
	case err != nil:
		fmt.Fprintf(w, "  MISSING: %v\n", err)
	default:
		fmt.Fprintf(w, "  %-20s %s\n  %-20s %s\n  %-20s %s\n", "kind", st.Kind, "key", st.Key, "wrapped", st.Wrapped.Format(time.RFC3339))
	}
	if warning := rootWarning(data); warning != "" {
		fmt.Fprintf(w, "  WARNING: %s\n", warning)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
