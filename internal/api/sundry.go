package api

import (
	"context"
	"errors"
	"regexp"

	mc "github.com/aws/aws-sdk-go-v2/service/mediaconvert"
	"github.com/aws/aws-sdk-go-v2/service/mediaconvert/types"

	"darkroom/internal/mediaconvert"
	"darkroom/internal/store"
)

// maxCertificates and maxShares bound what an account can make be recorded.
const (
	maxCertificates = 100
	maxShares       = 100 // user guide, "Sharing a job": active shares for each account
)

var (
	certificateARN = regexp.MustCompile(`^arn:aws[a-z-]*:acm:[\w-]+:\d{12}:certificate/[\w-]{1,64}$`)
	supportCase    = regexp.MustCompile(`^[\w:./ -]{1,256}$`)

	certificateSort = sort{store.Certificate, "certificates", "certificate", maxCertificates}
	shareSort       = sort{store.Share, "resourceShares", "resource share", maxShares}
)

// associateCertificate records the ARN of a certificate, which SPEKE requests may name; again is as once.
func (s *Service) associateCertificate(ctx context.Context, account string, in *mc.AssociateCertificateInput) (*mc.AssociateCertificateOutput, error) {
	if !certificateARN.MatchString(*in.Arn) {
		return nil, mediaconvert.BadRequest("/arn: Should match the pattern: /" + certificateARN.String() + "/")
	}
	_, err := s.create(ctx, account, certificateSort, *in.Arn, nil, nil, &mc.AssociateCertificateInput{Arn: in.Arn}, store.QueueRules{})
	if isConflict(err) {
		err = nil
	}
	return &mc.AssociateCertificateOutput{}, err
}

func isConflict(err error) bool {
	e, ok := errors.AsType[*mediaconvert.APIError](err)
	return ok && e.Status == 409
}

func (s *Service) disassociateCertificate(ctx context.Context, account string, in *mc.DisassociateCertificateInput) (*mc.DisassociateCertificateOutput, error) {
	return &mc.DisassociateCertificateOutput{}, s.remove(ctx, account, certificateSort, *in.Arn)
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
