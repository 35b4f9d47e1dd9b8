package speke

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"regexp"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

// service is what requests are signed for: key servers stand behind API Gateway (SPEKE, "Authentication for AWS cloud implementations").
const service = "execute-api"

// gatewayHost is the host of an API Gateway, which says its Region.
var gatewayHost = regexp.MustCompile(`^[a-z0-9-]+\.execute-api\.([a-z0-9-]+)\.amazonaws\.com(\.cn)?$`)

// sign signs a request. The Region is that of the host where it says one.
func (e *exchange) sign(ctx context.Context, r *http.Request, source func(context.Context) (Credentials, error), region string) error {
	c, err := source(ctx)
	if err != nil {
		return fmt.Errorf("credentials to sign with: %w", err)
	}
	if m := gatewayHost.FindStringSubmatch(r.URL.Hostname()); m != nil {
		region = m[1]
	}
	if region == "" {
		region = e.client.o.Region
	}
	sum := sha256.Sum256(e.body)
	credentials := aws.Credentials{AccessKeyID: c.AccessKeyID, SecretAccessKey: string(c.SecretAccessKey.Reveal()), SessionToken: string(c.SessionToken.Reveal())}
	return v4.NewSigner().SignHTTP(ctx, credentials, r, hex.EncodeToString(sum[:]), service, region, e.client.o.Clock.Now())
}
