package config

import (
	"regexp"
	"slices"
	"strings"
)

// The kinds of Root.
const (
	RootFile       = "file"
	RootPassphrase = "passphrase"
	RootTransit    = "transit"
	RootKMS        = "kms"
)

// RootKinds are what Root.Kind can be. Empty is the first.
var RootKinds = []string{RootFile, RootPassphrase, RootTransit, RootKMS}

// Root is what the installation key is wrapped by. The zero value is a key file in Data.
type Root struct {
	Kind                 string  `yaml:"kind"`                  // one of RootKinds; empty: file
	File                 string  `yaml:"file"`                  // of kind file: the file of the root key; empty: root.key in Data
	PassphraseFile       string  `yaml:"passphrase_file"`       // of kind passphrase: a file, a pipe or /dev/fd/N that it is read from
	PassphraseCredential string  `yaml:"passphrase_credential"` // of kind passphrase: the name of a systemd credential; neither: the terminal is asked
	Transit              Transit `yaml:"transit"`
	KMS                  KMS     `yaml:"kms"`
}

// Transit is a key of a transit engine (HashiCorp Vault, OpenBao).
type Transit struct {
	Address      string `yaml:"address"`        // URL; http:// on loopback only
	Namespace    string `yaml:"namespace"`      // empty: none
	Mount        string `yaml:"mount"`          // where the engine is mounted; empty: transit
	Key          string `yaml:"key"`            // the name of the key
	TokenFile    string `yaml:"token_file"`     // the token; others must not read it
	RoleIDFile   string `yaml:"role_id_file"`   // AppRole in place of a token
	SecretIDFile string `yaml:"secret_id_file"` // with role_id_file
	AppRoleMount string `yaml:"approle_mount"`  // where AppRole is mounted; empty: approle
}

// KMS is a key of a key service that speaks AWS's protocol.
type KMS struct {
	Key             string `yaml:"key"`              // its id, ARN or alias
	Endpoint        string `yaml:"endpoint"`         // URL, http:// on loopback only; empty: that of AWS in the Region
	Region          string `yaml:"region"`           // empty: that of the server
	CredentialsFile string `yaml:"credentials_file"` // AWS shared-credentials format, profile default; others must not read it
}

var (
	credentialPattern = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._-]{0,254}$`)
	mountPattern      = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}(/[A-Za-z0-9_][A-Za-z0-9._-]{0,127}){0,7}$`)
	// transitPattern is a name of a key in a transit engine.
	transitPattern = regexp.MustCompile(`^[A-Za-z0-9_]([A-Za-z0-9._-]{0,126}[A-Za-z0-9_])?$`)
	kmsKeyPattern  = regexp.MustCompile(`^(arn:[a-z-]+:kms:[a-z0-9-]+:[0-9]{12}:)?((key/|alias/)?[A-Za-z0-9/_-]{1,256})$`)
)

// validate says what is wrong with r. What belongs to another kind is refused: who wrote it believes in a root that is not used.
func (r Root) validate() error {
	kind := r.Kind
	if kind == "" {
		kind = RootFile
	}
	if !slices.Contains(RootKinds, kind) {
		return &Error{"root.kind", r.Kind, strings.Join(RootKinds, ", ")}
	}
	for _, m := range []struct{ kind, key, value string }{
		{RootFile, "root.file", r.File},
		{RootPassphrase, "root.passphrase_file", r.PassphraseFile},
		{RootPassphrase, "root.passphrase_credential", r.PassphraseCredential},
		{RootTransit, "root.transit.address", r.Transit.Address},
		{RootTransit, "root.transit.namespace", r.Transit.Namespace},
		{RootTransit, "root.transit.mount", r.Transit.Mount},
		{RootTransit, "root.transit.key", r.Transit.Key},
		{RootTransit, "root.transit.token_file", r.Transit.TokenFile},
		{RootTransit, "root.transit.role_id_file", r.Transit.RoleIDFile},
		{RootTransit, "root.transit.secret_id_file", r.Transit.SecretIDFile},
		{RootTransit, "root.transit.approle_mount", r.Transit.AppRoleMount},
		{RootKMS, "root.kms.key", r.KMS.Key},
		{RootKMS, "root.kms.endpoint", r.KMS.Endpoint},
		{RootKMS, "root.kms.region", r.KMS.Region},
		{RootKMS, "root.kms.credentials_file", r.KMS.CredentialsFile},
	} {
		switch {
		case m.value == "":
		case m.kind != kind:
			return &Error{m.key, m.value, "nothing while root.kind is not " + m.kind}
		case strings.HasSuffix(m.key, "file") && strings.Contains(m.value, "\x00"):
			return &Error{m.key, m.value, "a file"}
		}
	}
	switch kind {
	case RootPassphrase:
		switch {
		case r.PassphraseCredential == "":
		case r.PassphraseFile != "":
			return &Error{"root.passphrase_credential", r.PassphraseCredential, "nothing beside root.passphrase_file"}
		case !credentialPattern.MatchString(r.PassphraseCredential):
			return &Error{"root.passphrase_credential", r.PassphraseCredential, "the name of a systemd credential"}
		}
	case RootTransit:
		return r.Transit.validate()
	case RootKMS:
		return r.KMS.validate()
	}
	return nil
}

func (t Transit) validate() error {
	if err := validateEndpoint("root.transit.address", t.Address, "root.transit.token_file"); err != nil {
		return err
	}
	for _, m := range []struct{ key, value string }{
		{"root.transit.namespace", strings.Trim(t.Namespace, "/")}, {"root.transit.mount", t.Mount}, {"root.transit.approle_mount", t.AppRoleMount},
	} {
		if m.value != "" && !mountPattern.MatchString(m.value) {
			return &Error{m.key, m.value, "a path such as team/transit"}
		}
	}
	switch {
	case !transitPattern.MatchString(t.Key):
		return &Error{"root.transit.key", t.Key, "the name of a key of the transit engine"}
	case t.TokenFile != "" && t.RoleIDFile != "":
		return &Error{"root.transit.role_id_file", t.RoleIDFile, "nothing beside root.transit.token_file"}
	case t.TokenFile == "" && t.RoleIDFile == "":
		return &Error{"root.transit.token_file", "", "a file with a token, or root.transit.role_id_file and root.transit.secret_id_file"}
	case t.RoleIDFile != "" && t.SecretIDFile == "":
		return &Error{"root.transit.secret_id_file", "", "a file, with root.transit.role_id_file"}
	case t.RoleIDFile == "" && t.SecretIDFile != "":
		return &Error{"root.transit.secret_id_file", t.SecretIDFile, "nothing without root.transit.role_id_file"}
	case t.RoleIDFile == "" && t.AppRoleMount != "":
		return &Error{"root.transit.approle_mount", t.AppRoleMount, "nothing without root.transit.role_id_file"}
	}
	return nil
}

func (k KMS) validate() error {
	if k.Endpoint != "" {
		if err := validateEndpoint("root.kms.endpoint", k.Endpoint, "root.kms.credentials_file"); err != nil {
			return err
		}
	}
	switch {
	case !kmsKeyPattern.MatchString(k.Key):
		return &Error{"root.kms.key", k.Key, "the id or ARN of a key, or an alias such as alias/darkroom"}
	case k.Region != "" && !validRegion(k.Region):
		return &Error{"root.kms.region", k.Region, "an AWS Region such as us-east-1"}
	case k.CredentialsFile == "":
		return &Error{"root.kms.credentials_file", "", "a file in the AWS shared-credentials format"}
	}
	return nil
}
