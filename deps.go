//go:build deps

package main

import (
	_ "github.com/Eyevinn/hls-m3u8/m3u8"
	_ "github.com/Eyevinn/mp4ff/mp4"
	_ "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	_ "github.com/aws/aws-sdk-go-v2/config"
	_ "github.com/aws/aws-sdk-go-v2/credentials"
	_ "github.com/aws/aws-sdk-go-v2/service/mediaconvert"
	_ "github.com/aws/aws-sdk-go-v2/service/s3"
	_ "github.com/aws/aws-sdk-go-v2/feature/s3/manager"
	_ "github.com/elastic/go-seccomp-bpf"
	_ "github.com/goccy/go-yaml"
	_ "github.com/google/btree"
	_ "github.com/google/go-cmp/cmp"
	_ "golang.org/x/net/bpf"
	_ "golang.org/x/sys/unix"
	_ "golang.org/x/term"
	_ "modernc.org/sqlite"
)
