package s3

import (
	"errors"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"

	"darkroom/internal/blob"
)

// checksumOf is the checksum that an answer has.
func checksumOf(kind types.ChecksumType, crc32, crc32c, crc64, sha1, sha256 *string) blob.Checksum {
	for algorithm, value := range map[string]*string{
		blob.CRC32: crc32, blob.CRC32C: crc32c, blob.CRC64NVME: crc64, blob.SHA1: sha1, blob.SHA256: sha256,
	} {
		if v := aws.ToString(value); v != "" {
			return blob.Checksum{Algorithm: algorithm, Value: v, Type: string(kind)}
		}
	}
	return blob.Checksum{}
}

// sums are the fields that requests have for checksums.
type sums struct{ crc32, crc32c, crc64, sha1, sha256 *string }

func sumsOf(c blob.Checksum) (out sums) {
	switch v := optional(c.Value); c.Algorithm {
	case blob.CRC32:
		out.crc32 = v
	case blob.CRC32C:
		out.crc32c = v
	case blob.CRC64NVME:
		out.crc64 = v
	case blob.SHA1:
		out.sha1 = v
	case blob.SHA256:
		out.sha256 = v
	}
	return out
}

func codeOf(err error) string {
	var api smithy.APIError
	if errors.As(err, &api) {
		return api.ErrorCode()
	}
	return ""
}
