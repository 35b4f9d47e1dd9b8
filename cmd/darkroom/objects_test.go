package main

import (
	"strings"
	"testing"

	"darkroom/internal/config"
	"darkroom/internal/media"
	"darkroom/internal/plan"
)

// TestStorage asks stores for everything that a job can: what a store does not do is refused by its path when the job is submitted.
func TestStorage(t *testing.T) {
	t.Parallel()
	asks := map[string]string{
		"encryption/encryptionType":    `"encryption":{"encryptionType":"SERVER_SIDE_ENCRYPTION_S3"}`,
		"encryption/encryptionType ":   `"encryption":{"encryptionType":"SERVER_SIDE_ENCRYPTION_KMS"}`,
		"storageClass":                 `"storageClass":"GLACIER"`,
		"accessControl/cannedAcl":      `"accessControl":{"cannedAcl":"PUBLIC_READ"}`,
		"accessControl/cannedAcl ":     `"accessControl":{"cannedAcl":"BUCKET_OWNER_FULL_CONTROL"}`,
		"storageClass, the usual one ": `"storageClass":"STANDARD"`,
	}
	external := func(honours ...string) config.S3 {
		return config.S3{Endpoint: "https://h", CredentialsFile: "c", Honours: honours}
	}
	for _, tt := range []struct {
		name string
		s3   config.S3
		done string // what of asks, in this order: encryption by the store, by a key service, class, public list, owner's list
	}{
		{"embedded", config.S3{}, "yynny"},
		{"external, of which nothing is known", external(), "yyyyy"},
		{"external that encrypts by itself", external("sse-s3"), "ynnnn"},
		{"external that encrypts by keys", external("sse-kms"), "nynnn"},
		{"external with classes", external("storage-class"), "nnynn"},
		{"external with lists", external("acl"), "nnnyy"},
		{"external with nothing", config.S3{Endpoint: "https://h", CredentialsFile: "c", Honours: []string{}}, "nnnnn"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			caps := plan.Capabilities{Encoders: []media.Codec{media.AVC, media.AAC}, StillPictures: true, Storage: storage(config.Config{Region: "us-east-1", S3: tt.s3})}
			for i, path := range []string{"encryption/encryptionType", "encryption/encryptionType ", "storageClass", "accessControl/cannedAcl", "accessControl/cannedAcl ", "storageClass, the usual one "} {
				want := i == len(tt.done) || tt.done[i] == 'y'
				s, err := plan.ReadSettings([]byte(strings.Replace(`{"inputs":[{"fileInput":"s3://in/a.mp4"}],"outputGroups":[{"outputGroupSettings":{"type":"FILE_GROUP_SETTINGS","fileGroupSettings":{"destination":"s3://out/","destinationSettings":{"s3Settings":{ASK}}}},
					"outputs":[{"containerSettings":{"container":"MP4"},"videoDescription":{"width":160,"height":90,"codecSettings":{"codec":"H_264","h264Settings":{"rateControlMode":"QVBR","maxBitrate":200000}}}}]}]}`, "ASK", asks[path], 1)))
				if err != nil {
					t.Fatal(err)
				}
				bad, lack := plan.Check(s, caps)
				at := "/outputGroups/0/outputGroupSettings/fileGroupSettings/destinationSettings/s3Settings/" + strings.TrimSpace(path)
				if len(bad) > 0 || (len(lack) == 0) != want || !want && lack[0].Path != at {
					t.Errorf("%s: invalid %v, not offered %v; want it carried out: %t", asks[path], bad, lack, want)
				}
			}
		})
	}
}
