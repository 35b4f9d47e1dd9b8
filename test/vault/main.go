// Command vault is HashiCorp Vault's own core, HTTP interface, transit engine and AppRole method, unchanged, in memory: the real server that Darkroom's root
// of trust in a transit engine is tested against. Of Vault's own program it leaves out the storage, plugins and clouds that make it take a quarter of an
// hour to build.
//
// It makes an authority for 127.0.0.1, writes it to the file that its one argument names, and prints a line of JSON with its address and root token once it
// listens over TLS. It ends with its standard input. Its version is the last under the Mozilla Public License whose modules are published together.
package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/big"
	"net"
	"net/http"
	"os"
	"slices"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/vault/builtin/credential/approle"
	"github.com/hashicorp/vault/builtin/logical/transit"
	vaulthttp "github.com/hashicorp/vault/http"
	"github.com/hashicorp/vault/internalshared/configutil"
	"github.com/hashicorp/vault/sdk/helper/consts"
	"github.com/hashicorp/vault/sdk/logical"
	"github.com/hashicorp/vault/sdk/physical/inmem"
	"github.com/hashicorp/vault/vault"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "vault:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) != 1 {
		return errors.New("usage: vault CA.pem")
	}
	log := hclog.New(&hclog.LoggerOptions{Output: os.Stderr, Level: hclog.Warn})
	store, err := inmem.NewInmem(nil, log)
	if err != nil {
		return err
	}
	core, err := vault.NewCore(&vault.CoreConfig{
		Physical: store, DisableMlock: true, Logger: log,
		LogicalBackends:    map[string]logical.Factory{"transit": transit.Factory},
		CredentialBackends: map[string]logical.Factory{"approle": approle.Factory},
		BuiltinRegistry:    plugins{},
	})
	if err != nil {
		return err
	}
	made, err := core.Initialize(context.Background(), &vault.InitParams{BarrierConfig: &vault.SealConfig{SecretShares: 1, SecretThreshold: 1}})
	if err != nil {
		return err
	}
	if open, err := core.Unseal(made.SecretShares[0]); err != nil || !open {
		return fmt.Errorf("unseal: %t, %w", open, err)
	}
	cert, err := certificate(args[0])
	if err != nil {
		return err
	}
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12})
	if err != nil {
		return err
	}
	address := l.Addr().String()
	server := &http.Server{
		Handler:           vaulthttp.Handler.Handler(&vault.HandlerProperties{Core: core, ListenerConfig: &configutil.Listener{Address: address}}),
		ReadHeaderTimeout: time.Minute,
	}
	if err := json.NewEncoder(os.Stdout).Encode(map[string]string{"address": "https://" + address, "token": made.RootToken}); err != nil {
		return err
	}
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		_ = server.Close()
	}()
	if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// plugins are those that are built in.
type plugins struct{}

var builtIn = map[consts.PluginType]map[string]logical.Factory{
	consts.PluginTypeSecrets: {"transit": transit.Factory}, consts.PluginTypeCredential: {"approle": approle.Factory},
}

// Contains implements vault.BuiltinRegistry.
func (plugins) Contains(name string, kind consts.PluginType) bool { return builtIn[kind][name] != nil }

// Get implements vault.BuiltinRegistry.
func (plugins) Get(name string, kind consts.PluginType) (func() (any, error), bool) {
	f := builtIn[kind][name]
	return func() (any, error) { return f, nil }, f != nil
}

// Keys implements vault.BuiltinRegistry.
func (plugins) Keys(kind consts.PluginType) []string { return slices.Collect(maps.Keys(builtIn[kind])) }

// DeprecationStatus implements vault.BuiltinRegistry.
func (plugins) DeprecationStatus(name string, kind consts.PluginType) (consts.DeprecationStatus, bool) {
	return consts.Supported, builtIn[kind][name] != nil
}

// certificate makes one for 127.0.0.1 that is its own authority, and writes it to a file.
func certificate(file string) (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: "vault of a test"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Minute), NotAfter: time.Now().Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return tls.Certificate{}, err
	}
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		return tls.Certificate{}, err
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, nil
}
