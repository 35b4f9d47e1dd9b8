package main

import (
	"context"
	"fmt"
	"io"

	"darkroom/internal/keyserver"
)

// keyServer serves the key server without jobs: SPEKE, the player, and what they stand on (S3, IAM, STS, KMS, ACM).
func keyServer(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	fs := flags("keyserver", "--data DIR", stderr)
	usage := fs.Usage
	fs.Usage = func() {
		fmt.Fprintf(stderr, "%s\n\nEncryptors sign for execute-api, or show a credential of --keyserver-credentials-file, at:\n  POST /speke/v1.0/copyProtection\n  POST /speke/v2.0/copyProtection\nPlayers show a token, which darkroom play prints.\n\n", keyserver.Notice)
		usage()
	}
	return serveFlags(ctx, fs, args, stdout, stderr, true)
}
