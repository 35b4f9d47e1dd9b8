package acmapi

import (
	"cmp"
	"context"
	"encoding/base64"
	"slices"
	"strconv"
	"strings"

	sdk "github.com/aws/aws-sdk-go-v2/service/acm"
	"github.com/aws/aws-sdk-go-v2/service/acm/types"

	"darkroom/internal/certificate"
	"darkroom/internal/iam"
)

const (
	// defaultPage is how many certificates a page has where the request does not say it.
	defaultPage = 100
	// maxShownNames is how many alternative names a list shows of a certificate (ListCertificates).
	maxShownNames = 100
)

// list answers with a page of certificates, in the order in which they were imported first.
//
// Without a filter of key types, ACM lists certificates of RSA with up to 2048 bits that have a domain name, and leaves out others.
func (s *server) list(ctx context.Context, caller iam.Principal, in *sdk.ListCertificatesInput) (any, error) {
	if (in.SortBy == "") != (in.SortOrder == "") {
		return nil, invalid("SortBy and SortOrder must be specified together.")
	}
	all, err := s.certificates.All(ctx, caller.Account)
	if err != nil {
		return nil, err
	}
	after, err := openPlace(in.NextToken)
	if err != nil {
		return nil, err
	}
	descending := in.SortOrder == types.SortOrderDescending
	if descending {
		slices.Reverse(all)
	}
	if after != nil {
		begin := slices.IndexFunc(all, func(c *certificate.Certificate) bool {
			order := after.compare(c)
			return order < 0 && !descending || order > 0 && descending
		})
		if begin < 0 {
			begin = len(all)
		}
		all = all[begin:]
	}
	limit := defaultPage
	if in.MaxItems != nil {
		limit = int(*in.MaxItems)
	}
	out := &sdk.ListCertificatesOutput{CertificateSummaryList: []types.CertificateSummary{}}
	var last place
	for _, c := range all {
		if !s.matches(c, in) {
			continue
		}
		if len(out.CertificateSummaryList) == limit {
			out.NextToken = ptr(last.token())
			break
		}
		out.CertificateSummaryList = append(out.CertificateSummaryList, s.summary(c))
		last = place{c.Created.UnixNano(), c.ARN}
	}
	return out, nil
}

// place is where a page ends: at a certificate, which need not be there any more when the next page is asked for. A token says nothing that its reader
// may not know, and leads nowhere but into the caller's own list.
type place struct {
	created int64
	arn     string
}

func (p place) token() string {
	return base64.RawURLEncoding.EncodeToString([]byte(strconv.FormatInt(p.created, 10) + " " + p.arn))
}

// compare is below 0 where the place is before a certificate, in the order of the list.
func (p place) compare(c *certificate.Certificate) int {
	return cmp.Or(cmp.Compare(p.created, c.Created.UnixNano()), strings.Compare(p.arn, c.ARN))
}

// openPlace reads a token; nil for none.
func openPlace(token *string) (*place, error) {
	if token == nil {
		return nil, nil
	}
	text, err := base64.RawURLEncoding.DecodeString(*token)
	created, name, ok := strings.Cut(string(text), " ")
	n, bad := strconv.ParseInt(created, 10, 64)
	if err != nil || !ok || bad != nil {
		return nil, invalid("The NextToken is not one that ListCertificates has returned.")
	}
	return &place{n, name}, nil
}

// matches says whether a certificate is what a list asks for.
func (s *server) matches(c *certificate.Certificate, in *sdk.ListCertificatesInput) bool {
	f := in.Includes
	if f == nil {
		f = &types.Filters{}
	}
	anyOf := func(wanted, have []string) bool {
		return len(wanted) == 0 || slices.ContainsFunc(wanted, func(w string) bool { return slices.Contains(have, w) })
	}
	types := words(f.KeyTypes)
	if types == nil {
		if len(certificate.Names(c.Leaf)) == 0 {
			return false
		}
		types = []string{string(certificate.RSA2048)}
	}
	usages := words(keyUsages(c.Leaf))
	extended := make([]string, 0, 4)
	for _, u := range extendedKeyUsages(c.Leaf) {
		extended = append(extended, string(u.Name))
	}
	return anyOf(words(in.CertificateStatuses), []string{string(s.status(c))}) &&
		anyOf(words(in.CertificateKeyPairOrigins), []string{string(customerProvided)}) &&
		anyOf(types, []string{string(c.Algorithm)}) &&
		anyOf(words(f.KeyUsage), or(usages, "ANY")) && anyOf(words(f.ExtendedKeyUsage), or(extended, "NONE")) &&
		(f.ExportOption == "" || f.ExportOption == notExported) && f.ManagedBy == ""
}

func or(have []string, none string) []string {
	if len(have) == 0 {
		return []string{none}
	}
	return have
}

func words[T ~string](all []T) []string {
	var out []string
	for _, w := range all {
		out = append(out, string(w))
	}
	return out
}

func (s *server) summary(c *certificate.Certificate) types.CertificateSummary {
	names := certificate.Names(c.Leaf)
	out := types.CertificateSummary{
		CertificateArn: &c.ARN, SubjectAlternativeNameSummaries: names[:min(len(names), maxShownNames)], HasAdditionalSubjectAlternativeNames: ptr(len(names) > maxShownNames),
		Status: s.status(c), Type: types.CertificateTypeImported, KeyAlgorithm: types.KeyAlgorithm(c.Algorithm), KeyUsages: keyUsages(c.Leaf),
		CertificateKeyPairOrigin: customerProvided, ExportOption: notExported, InUse: ptr(len(s.certificates.Users(c)) > 0),
		RenewalEligibility: types.RenewalEligibilityIneligible, NotBefore: &c.Leaf.NotBefore, NotAfter: &c.Leaf.NotAfter, CreatedAt: &c.Created, ImportedAt: &c.Imported,
	}
	if len(names) > 0 {
		out.DomainName = &names[0]
	}
	for _, u := range extendedKeyUsages(c.Leaf) {
		out.ExtendedKeyUsages = append(out.ExtendedKeyUsages, u.Name)
	}
	return out
}

// shownTags are tags as answers have them: in the order of their keys.
func shownTags(tags map[string]string) []types.Tag {
	out := make([]types.Tag, 0, len(tags))
	for k, v := range tags {
		out = append(out, types.Tag{Key: &k, Value: &v})
	}
	slices.SortFunc(out, func(a, b types.Tag) int { return cmp.Compare(*a.Key, *b.Key) })
	return out
}
