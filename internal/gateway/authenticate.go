package gateway

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"

	"darkroom/internal/iam"
	"darkroom/internal/sigv4"
)

const (
	serviceS3    = "s3"
	headerTarget = "X-Amz-Target"
)

// authenticate finds who signed r and for which service, or refuses. It is the only place where that is decided, and everything goes through
// it. It returns the request with its body replaced: bytes that were hashed or, for s3, a stream that verifies itself. release gives back
// what the body holds.
func (g *Gateway) authenticate(r *http.Request, x *exchange) (signed *http.Request, release func(), err error) {
	credential, err := sigv4.Parse(describe(r))
	if err != nil {
		if a := g.admitter(r, x, err); a != nil {
			return g.admit(r, x, a)
		}
		if missing, ok := errors.AsType[*sigv4.Error](err); ok && missing.Kind == sigv4.MissingToken {
			return g.vouch(r, x, err)
		}
		return r, nil, err
	}
	service, ok := g.services[credential.Scope.Service]
	if !ok {
		return r, nil, &sigv4.Error{
			Kind: sigv4.WrongService, Presigned: credential.Presigned,
			Message: "Credential should be scoped to correct service.",
		}
	}
	x.service = service
	want := sigv4.Expectation{Region: g.region, Now: g.now()}
	release = func() {}
	var body []byte
	if service.Name() != serviceS3 {
		if body, release, err = g.readBody(r); err != nil {
			return r, nil, err
		}
		sum := sha256.Sum256(body)
		want.BodyHash = hex.EncodeToString(sum[:])
	}
	key, principal, err := g.identities.Find(r.Context(), credential.AccessKeyID, credential.Token())
	if err != nil {
		release()
		return r, nil, fmt.Errorf("find the owner of an access key: %w", err)
	}
	proof, err := credential.Verify(key, want)
	if err != nil {
		release()
		return r, nil, err
	}
	x.principal = principal
	g.identities.Used(credential.AccessKeyID, principal, service.Name())
	out := r.WithContext(context.WithValue(r.Context(), keyUntil, key.Expiry))
	if service.Name() == serviceS3 {
		if err := openStream(out, proof); err != nil {
			return r, nil, err
		}
		return out, release, nil
	}
	withBody(out, body)
	return out, release, nil
}

// withBody gives a request the body that was read.
func withBody(r *http.Request, body []byte) {
	r.Body, r.ContentLength, r.TransferEncoding = io.NopCloser(bytes.NewReader(body)), int64(len(body)), nil
}

// vouch finds who sent a request without a signature, from the proof in it, or refuses it as unsigned. Only small forms can be such requests.
func (g *Gateway) vouch(r *http.Request, x *exchange, unsigned error) (vouched *http.Request, release func(), err error) {
	if r.Method != http.MethodPost || r.URL.EscapedPath() != "/" || r.Header.Get(headerTarget) != "" || x.internal || r.ContentLength < 0 || r.ContentLength > SmallBody {
		return r, nil, unsigned
	}
	body, release, err := g.readBody(r)
	if err != nil {
		return r, nil, err
	}
	for _, s := range g.services {
		v, ok := s.(Voucher)
		if !ok || !v.Speaks(r, body) {
			continue
		}
		x.service = s
		if !v.Vouches(r, body) {
			break
		}
		p, proof, err := v.Vouch(r, body)
		if err == nil && p.Type != iam.WebIdentity {
			err = errors.New("a voucher named somebody who signs")
		}
		if err != nil {
			release()
			return r, nil, err
		}
		x.principal = p
		out := r.WithContext(context.WithValue(r.Context(), keyProof, proof))
		withBody(out, body)
		return out, release, nil
	}
	release()
	return r, nil, unsigned
}

// admitter returns the service that a request without a signature is for, or nil. unsigned is why it has none: either it has no credentials at all,
// or some in its Authorization header that are not AWS's.
func (g *Gateway) admitter(r *http.Request, x *exchange, unsigned error) Admitter {
	why, ok := errors.AsType[*sigv4.Error](unsigned)
	if !ok || why.Presigned || x.internal || why.Kind != sigv4.MissingToken && why.Kind != sigv4.Unsupported {
		return nil
	}
	for _, s := range g.services {
		if a, ok := s.(Admitter); ok && a.Admits(r) {
			return a
		}
	}
	return nil
}

// admit finds who sent a request by the credential that a service knows, or refuses.
func (g *Gateway) admit(r *http.Request, x *exchange, s Admitter) (admitted *http.Request, release func(), err error) {
	x.service = s
	p, proof, err := s.Admit(r)
	if err == nil && p.Type != iam.Root && p.Type != iam.User && p.Type != iam.AssumedRole {
		err = errors.New("a service admitted nobody")
	}
	if err != nil {
		return r, nil, err
	}
	body, release, err := g.readBody(r)
	if err != nil {
		return r, nil, err
	}
	x.principal = p
	out := r.WithContext(context.WithValue(r.Context(), keyProof, proof))
	withBody(out, body)
	return out, release, nil
}

// describe gives sigv4 the request as it was on the wire. The server takes Transfer-Encoding out of the headers, and older clients sign it.
func describe(r *http.Request) sigv4.Request {
	header := r.Header
	if len(r.TransferEncoding) > 0 {
		header = header.Clone()
		header["Transfer-Encoding"] = r.TransferEncoding
	}
	return sigv4.Request{Method: r.Method, RawPath: r.URL.EscapedPath(), RawQuery: r.URL.RawQuery, Host: r.Host, Header: header}
}

// readBody reads the whole body, bounded in size and time. Large bodies need a slot, which release gives back.
func (g *Gateway) readBody(r *http.Request) (body []byte, release func(), err error) {
	tooLarge := &LimitError{Kind: BodyTooLarge, Message: "The request body is larger than 8388608 bytes."}
	if r.ContentLength > MaxBody {
		return nil, nil, tooLarge
	}
	if p, ok := r.Body.(*progressBody); ok {
		p.limitTotal(BodyTimeout)
	}
	release = func() {}
	body, err = io.ReadAll(io.LimitReader(r.Body, SmallBody+1))
	if err == nil && len(body) > SmallBody {
		if !g.large.take() {
			return nil, nil, &LimitError{Kind: TooBusy, Message: "Reduce your request rate: too many large requests are being served."}
		}
		release = g.large.give
		var rest []byte
		rest, err = io.ReadAll(io.LimitReader(r.Body, MaxBody-SmallBody))
		body = append(body, rest...)
	}
	switch {
	case err == nil && len(body) > MaxBody:
		err = tooLarge
	case err == nil:
		return body, release, nil
	case errors.Is(err, os.ErrDeadlineExceeded):
		err = &LimitError{Kind: BodyTimedOut, Message: "Your socket connection to the server was not read from or written to within the timeout period."}
	default:
		err = &LimitError{Kind: BodyBroken, Message: "The request body terminated unexpectedly."}
	}
	release()
	return nil, nil, err
}

// openStream replaces the body of an s3 request by the stream that verifies itself. Its length is that of the object; the trailers of an
// aws-chunked body stand in Trailer once it has been read to its end; aws-chunked is taken out of Content-Encoding.
func openStream(r *http.Request, proof *sigv4.Signed) error {
	body, err := proof.NewBody(r.Body, r.ContentLength)
	if err != nil {
		return err
	}
	stream := &verifiedBody{body: body, close: r.Body.Close}
	if names := body.Announced(); len(names) > 0 {
		r.Trailer = make(http.Header, len(names))
		for _, n := range names {
			r.Trailer[http.CanonicalHeaderKey(n)] = nil
		}
		stream.trailer = r.Trailer
	}
	r.Body, r.ContentLength = stream, body.Length()
	r.Header = r.Header.Clone()
	if v := r.Header.Values("Content-Encoding"); len(v) > 0 {
		var kept []string
		for e := range strings.SplitSeq(strings.Join(v, ","), ",") {
			if e = strings.TrimSpace(e); e != "" && !strings.EqualFold(e, "aws-chunked") {
				kept = append(kept, e)
			}
		}
		r.Header.Del("Content-Encoding")
		if len(kept) > 0 {
			r.Header.Set("Content-Encoding", strings.Join(kept, ", "))
		}
	}
	return nil
}

// verifiedBody is the body that an s3 service reads.
type verifiedBody struct {
	body    *sigv4.Body
	close   func() error
	trailer http.Header // shared with the request, filled at the end
}

func (b *verifiedBody) Read(p []byte) (int, error) {
	n, err := b.body.Read(p)
	if b.trailer != nil {
		for name, value := range b.body.Trailers() {
			b.trailer.Set(name, value)
		}
	}
	return n, err
}

func (b *verifiedBody) Close() error { return b.close() }

// guessService says whose dialect a request is refused in while its credentials are not known, or nil.
func (g *Gateway) guessService(r *http.Request) Service {
	auth := r.Header.Get("Authorization")
	credential := r.URL.Query().Get("X-Amz-Credential")
	if _, rest, ok := strings.Cut(auth, "Credential="); ok {
		credential, _, _ = strings.Cut(rest, ",")
	}
	if parts := strings.Split(strings.TrimSpace(credential), "/"); len(parts) >= 5 {
		if s, ok := g.services[parts[len(parts)-2]]; ok {
			return s
		}
	}
	if s := g.targeted(r); s != nil {
		return s
	}
	path := r.URL.EscapedPath()
	switch {
	case credential != "":
		return nil
	case r.Header.Get("X-Amz-Content-Sha256") != "", strings.HasPrefix(auth, "AWS "), r.URL.Query().Has("AWSAccessKeyId"):
		return g.services[serviceS3]
	case path == "/" || path == "" || path == "*" || strings.HasPrefix(path, "/2017-08-29"):
		return nil
	}
	return g.services[serviceS3]
}

// targeted returns the service whose operation a request names in X-Amz-Target, or nil.
func (g *Gateway) targeted(r *http.Request) Service {
	target := r.Header.Get(headerTarget)
	dot := strings.LastIndexByte(target, '.')
	if dot < 0 {
		return nil
	}
	for _, s := range g.services {
		if t, ok := s.(Targeted); ok && slices.Contains(t.Targets(), target[:dot]) {
			return s
		}
	}
	return nil
}

// remoteIP is the address of the peer of the connection; no header can change it.
func remoteIP(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return ""
	}
	host, _, _ = strings.Cut(host, "%")
	return host
}
