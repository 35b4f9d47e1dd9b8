package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"darkroom/internal/config"
	"darkroom/internal/executeapi"
	"darkroom/internal/gateway"
	"darkroom/internal/keys"
	"darkroom/internal/keyserver"
	"darkroom/internal/playerapi"
	"darkroom/internal/secret"
)

// contentKeyring seals content keys with the key service, for the caller whose request the gateway has authenticated. It implements keyserver.Sealer.
type contentKeyring struct {
	region  string
	service *keys.Service
}

func (k contentKeyring) call(ctx context.Context) (*keys.Call, error) {
	caller := gateway.Caller(ctx)
	if caller.Type == 0 {
		return nil, errors.New("a content key is somebody's who was authenticated")
	}
	c := &keys.Call{Principal: caller, Via: "execute-api." + k.region + ".amazonaws.com", Now: time.Now()}
	c.Context.Set("aws:RequestedRegion", k.region)
	c.Context.Set("aws:SecureTransport", strconv.FormatBool(gateway.Secure(ctx)))
	c.Context.Set("aws:ViaAWSService", "true")
	if ip := gateway.SourceIP(ctx); ip != "" {
		c.Context.Set("aws:SourceIp", ip)
	}
	return c, nil
}

// Seal implements keyserver.Sealer, with the AWS managed key alias/aws/execute-api, which is made at its first use.
func (k contentKeyring) Seal(ctx context.Context, pairs map[string]string, plaintext secret.Bytes) ([]byte, error) {
	c, err := k.call(ctx)
	if err != nil {
		return nil, err
	}
	e, err := k.service.Encrypt(ctx, c, "", pairs, plaintext)
	return e.Ciphertext, err
}

// Open implements keyserver.Sealer.
func (k contentKeyring) Open(ctx context.Context, pairs map[string]string, sealed []byte) (secret.Bytes, error) {
	c, err := k.call(ctx)
	if err != nil {
		return secret.Bytes{}, err
	}
	o, err := k.service.Decrypt(ctx, c, sealed, pairs)
	return o.Plaintext, err
}

// maxOperatorsFile bounds the file of operators' credentials.
const maxOperatorsFile = 1 << 20

// readOperators reads the credentials of encryptors that cannot sign. Nobody else may read the file.
func readOperators(path string) (*executeapi.Operators, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read keyserver_credentials_file: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("read keyserver_credentials_file: %w", err)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("keyserver_credentials_file %s may be read by others: its mode must be 0600", path)
	}
	text, err := io.ReadAll(io.LimitReader(f, maxOperatorsFile))
	if err != nil {
		return nil, fmt.Errorf("read keyserver_credentials_file: %w", err)
	}
	defer clear(text)
	o, err := executeapi.ParseOperators(text)
	if err != nil {
		return nil, fmt.Errorf("keyserver_credentials_file %s: %w", path, err)
	}
	return o, nil
}

// openKeyServer opens the key server and the player over the objects of the S3 API. The gateway's part is what it returns.
func (s *server) openKeyServer(master secret.Bytes, objects gateway.Service) (services []gateway.Service, pages func(*http.Request) http.Handler, err error) {
	cfg := s.cfg
	mode := keyserver.Mode(cfg.KeyServerKeys)
	if mode == "" {
		mode = keyserver.Random
	}
	s.contentKeys, err = keyserver.New(keyserver.Options{
		Mode: mode, Accounts: accountIDs(cfg), Store: s.records, Sealer: contentKeyring{cfg.Region, s.keys},
	})
	if err != nil {
		return nil, nil, err
	}
	tokens, err := keyserver.NewTokens(master, rand.Reader, time.Now)
	if err != nil {
		return nil, nil, err
	}
	o := executeapi.Options{Keys: s.contentKeys, Tokens: tokens, People: s.people, Region: cfg.Region, Base: s.base}
	if cfg.KeyServerCredentialsFile != "" {
		operators, err := readOperators(cfg.KeyServerCredentialsFile)
		if err != nil {
			return nil, nil, err
		}
		o.Operators = operators.LetIn(s.people, cfg.Account)
	}
	speke, err := executeapi.New(o)
	if err != nil {
		return nil, nil, err
	}
	player, err := playerapi.New(playerapi.Options{Tokens: tokens, Keys: s.contentKeys, People: s.people, Objects: objects, Region: cfg.Region})
	if err != nil {
		return nil, nil, err
	}
	dir, missing, err := playerAssets(cfg)
	if err != nil {
		return nil, nil, err
	}
	page, err := playerapi.NewPage(os.DirFS(dir))
	if err != nil {
		return nil, nil, fmt.Errorf("player_assets %s: %w", dir, err)
	}
	if lacks := page.Lacks(); len(lacks) > 0 {
		if !missing {
			return nil, nil, fmt.Errorf("player_assets %s lacks %s", dir, lacks[0])
		}
		s.log.Warn("the page of the player plays nothing: make player installs what it needs", "directory", dir, "lacks", lacks)
	}
	return []gateway.Service{speke, player}, page.Handler, nil
}

// playersDir is where the builds of players are looked for, beside the program.
const playersDir = "player"

// playerAssets is the directory of the players' builds. Where nobody has configured one they may be missing.
func playerAssets(cfg config.Config) (dir string, mayLack bool, err error) {
	if cfg.PlayerAssets != "" {
		return cfg.PlayerAssets, false, nil
	}
	program, err := os.Executable()
	if err != nil {
		return "", false, fmt.Errorf("find the program's directory: %w", err)
	}
	return filepath.Join(filepath.Dir(program), playersDir), true, nil
}

// base is the address of the server as players reach it.
func (s *server) base() string {
	if s.cfg.KeyServerURL != "" {
		return s.cfg.KeyServerURL
	}
	if at := s.listening.Load(); at != nil {
		return *at
	}
	return ""
}
