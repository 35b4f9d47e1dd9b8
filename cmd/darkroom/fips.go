package main

import (
	"crypto/fips140"
	"errors"
	"fmt"

	"darkroom/internal/config"
)

// fipsMode says which cryptography the program runs on, in the words of doctor and of the log.
func fipsMode() string {
	switch {
	case !fips140.Enabled():
		return "off: Go's cryptography as it comes (make build FIPS=1 builds with the certified module)"
	case fips140.Enforced():
		return fmt.Sprintf("only: Go Cryptographic Module %s; what is not approved fails", fips140.Version())
	}
	return fmt.Sprintf("on: Go Cryptographic Module %s", fips140.Version())
}

// checkFIPS holds the configuration to what the program was built with.
func checkFIPS(cfg config.Config) error {
	switch {
	case cfg.FIPS != "" && !fips140.Enabled():
		return fmt.Errorf("fips: %s needs a program that was built with make build FIPS=1, or GODEBUG=fips140=on; this one is in no FIPS mode", cfg.FIPS)
	case fips140.Enforced():
		// ETags of S3 are MD5, and a chunk's nonce is its number.
		return errors.New("GODEBUG=fips140=only cannot be used: the S3 protocol needs MD5 for its tags; use fips140=on, and fips: approved to refuse what is asked for and not approved")
	}
	return nil
}
