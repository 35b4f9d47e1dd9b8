package api

import (
	"context"
	"errors"
	"regexp"

	mc "github.com/aws/aws-sdk-go-v2/service/mediaconvert"
	"github.com/aws/aws-sdk-go-v2/service/mediaconvert/types"

	"darkroom/internal/certificate"
	"darkroom/internal/mediaconvert"
	"darkroom/internal/store"
)

// maxShares bounds what an account can make be recorded.
const maxShares = 100 // user guide, "Sharing a job": active shares for each account

var (
	supportCase = regexp.MustCompile(`^[\w:./ -]{1,256}$`)

	shareSort = sort{store.Share, "resourceShares", "resource share", maxShares}
)

// Certificates are those that an account has imported, of which it associates some with MediaConvert so that SPEKE requests may name them.
type Certificates interface {
	// Associate associates a certificate of the account; again is as once. It returns a *certificate.Error for what is wrong with it.
	Associate(ctx context.Context, account, arn string) error
	// Disassociate takes that back. It returns a *certificate.Error where the certificate is not associated.
	Disassociate(ctx context.Context, account, arn string) error
}

func (s *Service) associateCertificate(ctx context.Context, account string, in *mc.AssociateCertificateInput) (*mc.AssociateCertificateOutput, error) {
	return &mc.AssociateCertificateOutput{}, certificateFault("/arn", s.certificates.Associate(ctx, account, *in.Arn))
}

func (s *Service) disassociateCertificate(ctx context.Context, account string, in *mc.DisassociateCertificateInput) (*mc.DisassociateCertificateOutput, error) {
	return &mc.DisassociateCertificateOutput{}, certificateFault("/arn", s.certificates.Disassociate(ctx, account, *in.Arn))
}

// certificateFault words what the certificates of an account say of one. What is not known stays as it is.
func certificateFault(at string, err error) error {
	e, ok := errors.AsType[*certificate.Error](err)
	switch {
	case !ok:
		return err
	case e.Fault == certificate.NotFound:
		return mediaconvert.NotFound(e.Message)
	}
	return mediaconvert.BadRequest(at + ": " + e.Message)
}

func isConflict(err error) bool {
	e, ok := errors.AsType[*mediaconvert.APIError](err)
	return ok && e.Status == 409
}

// createResourceShare records that who supports the installation may look at a job. Nothing leaves the house by it: the record and its audit
// are what the operator acts on.
func (s *Service) createResourceShare(ctx context.Context, account string, in *mc.CreateResourceShareInput) (*mc.CreateResourceShareOutput, error) {
	if !supportCase.MatchString(*in.SupportCaseId) {
		return nil, mediaconvert.BadRequest("/supportCaseId: Should match the pattern: /" + supportCase.String() + "/")
	}
	if _, err := s.getJob(ctx, account, &mc.GetJobInput{Id: in.JobId}); err != nil {
		return nil, err
	}
	_, err := s.create(ctx, account, shareSort, *in.JobId+" "+*in.SupportCaseId, nil, nil, in, store.QueueRules{})
	if isConflict(err) {
		err = nil
	}
	return &mc.CreateResourceShareOutput{}, err
}

// listVersions has one entry: the engine that is installed.
func (s *Service) listVersions(in *mc.ListVersionsInput) (*mc.ListVersionsOutput, error) {
	if in.NextToken != nil {
		return nil, badToken()
	}
	out := &mc.ListVersionsOutput{Versions: []types.JobEngineVersion{}}
	if v := s.engine(); v != "" {
		out.Versions = append(out.Versions, types.JobEngineVersion{Version: &v})
	}
	return out, nil
}
