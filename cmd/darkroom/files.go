package main

import (
	"errors"
	"fmt"
	"io"
	"os"

	"darkroom/internal/root"
	"darkroom/internal/secret"
)

// secretFile reads a secret that others must not read, each time anew. An empty one is none.
func secretFile(name string) func() (secret.Bytes, error) {
	return func() (secret.Bytes, error) {
		s, err := root.ReadPrivate(name, maxSecretFile)
		if err == nil && s.Len() == 0 {
			err = fmt.Errorf("%s is empty", name)
		}
		return s, err
	}
}

// readAtMost reads a file of at most limit bytes.
func readAtMost(path string, limit int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	text, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err = errors.Join(err, f.Close()); err == nil && int64(len(text)) > limit {
		err = fmt.Errorf("%s is longer than %d bytes", path, limit)
	}
	return text, err
}
