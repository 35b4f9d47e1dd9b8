package inspect

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
)

// certificateNotice is how long before its end a certificate is a failure.
const certificateNotice = 14 * 24 * time.Hour

// oldTLS are the versions that must not be spoken (RFC 8996).
var oldTLS = []string{"TLS 1.0", "TLS 1.1"}

// listening asks the source for the listener; ok is false where result says why there is nothing to judge.
func (in *Installation) listening(ctx context.Context) (l Listener, result Result, ok bool) {
	if in.Listener == nil {
		return l, unseen(missing("the listener")), false
	}
	l, err := in.Listener(ctx)
	if err != nil {
		return l, unseen(err), false
	}
	return l, Result{}, true
}

func offered(list []Offered) (yes, no []string) {
	for _, o := range list {
		if o.Yes {
			yes = append(yes, o.Name)
		} else {
			no = append(no, o.Name)
		}
	}
	return yes, no
}

func joined(list []string) string {
	if len(list) == 0 {
		return "none"
	}
	return strings.Join(list, ", ")
}

const plainMend = "Serve the API over TLS: take `insecure_http` out of the configuration (and --insecure-http off the command line), and start again."

var listenerChecks = []Check{
	{
		ID: "listener.tls-version", Title: "The listener speaks TLS 1.2 and 1.3 alone", Kind: Probe, Mend: plainMend,
		look: func(ctx context.Context, in *Installation) Result {
			l, r, ok := in.listening(ctx)
			if !ok {
				return r
			}
			yes, no := offered(l.Versions)
			facts := []Fact{{"listener", l.URL}, {"spoken", joined(yes)}, {"refused", joined(no)}}
			switch {
			case !l.TLS:
				return failed("the listener at %s speaks plain HTTP: requests and what they carry can be read on the way", l.URL).with(facts...)
			case slices.ContainsFunc(yes, func(v string) bool { return slices.Contains(oldTLS, v) }):
				return failed("the listener speaks %s; TLS before 1.2 is broken", joined(yes)).with(facts...).mend("Look for what stands before the server and ends TLS: the server itself speaks nothing below TLS 1.2.")
			case !slices.Contains(yes, "TLS 1.2") && !slices.Contains(yes, "TLS 1.3"):
				return failed("no handshake came about at %s", l.URL).with(facts...).mend("See whether the server answers: `darkroom doctor`, its log, and the certificate that it shows.")
			}
			return passed("the listener speaks %s, and refuses %s", joined(yes), joined(no)).with(facts...)
		},
	},
	{
		ID: "listener.tls-suites", Title: "Every cipher suite gives forward secrecy and authenticated encryption", Kind: Probe, Mend: plainMend,
		look: func(ctx context.Context, in *Installation) Result {
			l, r, ok := in.listening(ctx)
			if !ok {
				return r
			}
			yes, _ := offered(l.Suites)
			facts := []Fact{{"listener", l.URL}, {"suites of TLS 1.2 that were accepted", joined(yes)}, {"suites that were tried", fmt.Sprint(len(l.Suites))}}
			switch {
			case !l.TLS:
				return failed("the listener at %s speaks plain HTTP: nothing is encrypted", l.URL).with(facts...)
			case len(l.Weak) > 0:
				return failed("weak suites are accepted: %s", joined(l.Weak)).with(facts...).mend("Look for what stands before the server and ends TLS, or for a GODEBUG setting that brings old suites back.")
			case len(l.Suites) == 0:
				return failed("no suite was tried")
			}
			return passed("%d suites of TLS 1.2 are accepted, all with ECDHE and AEAD; those of TLS 1.3 are all of that kind", len(yes)).with(facts...)
		},
	},
	{
		ID: "listener.certificate", Title: "The certificate of the listener holds for two weeks or longer", Kind: Probe,
		Mend: "Import the certificate again or replace its files; `darkroom doctor` says when it ends.",
		look: func(ctx context.Context, in *Installation) Result {
			l, r, ok := in.listening(ctx)
			if !ok {
				return r
			}
			if !l.TLS {
				return notApplicable("the listener speaks plain HTTP and shows no certificate")
			}
			facts := []Fact{{"subject", l.Subject}, {"ends", l.NotAfter.UTC().Format(time.RFC3339)}}
			switch left := l.NotAfter.Sub(in.Now()); {
			case l.NotAfter.IsZero():
				return failed("no certificate was shown").with(facts...)
			case left < 0:
				return failed("the certificate has ended").with(facts...)
			case left < certificateNotice:
				return failed("the certificate ends in %d hours", left/time.Hour).with(facts...)
			}
			return passed("the certificate ends at %s", l.NotAfter.UTC().Format(time.RFC3339)).with(facts...)
		},
	},
	{
		ID: "listener.plain-http", Title: "Plain HTTP gets nothing", Kind: Probe, Mend: plainMend,
		look: func(ctx context.Context, in *Installation) Result {
			l, r, ok := in.listening(ctx)
			if !ok {
				return r
			}
			f := Fact{"answer to plain HTTP", "the connection was cut off"}
			if l.PlainHTTP != 0 {
				f.Value = fmt.Sprint("status ", l.PlainHTTP)
			}
			switch {
			case !l.TLS:
				return failed("the listener at %s serves plain HTTP", l.URL).with(f)
			case l.PlainHTTP != 0 && l.PlainHTTP != 400:
				return failed("a request in plain HTTP was answered").with(f)
			}
			return passed("a request in plain HTTP was refused").with(f)
		},
	},
	{
		ID: "listener.anonymous", Title: "A call without a signature is refused", Kind: Probe,
		Mend: "Take the server off the network and look into this: no call may be carried out that nobody has signed.",
		look: func(ctx context.Context, in *Installation) Result {
			l, r, ok := in.listening(ctx)
			if !ok {
				return r
			}
			return refusal("without a signature", l.Anonymous, "MissingAuthenticationTokenException")
		},
	},
	{
		ID: "listener.forged", Title: "A call with a wrong signature is refused", Kind: Probe,
		Mend: "Take the server off the network and look into this: no call may be carried out whose signature does not fit.",
		look: func(ctx context.Context, in *Installation) Result {
			l, r, ok := in.listening(ctx)
			if !ok {
				return r
			}
			return refusal("that a wrong secret signed", l.Forged, "InvalidSignatureException", "UnrecognizedClientException")
		},
	},
}

func refusal(what string, a Answer, codes ...string) Result {
	f := Fact{"answer to a call " + what, fmt.Sprintf("%d %s", a.Status, a.Code)}
	if a.Status != 403 && a.Status != 400 || !slices.Contains(codes, a.Code) {
		return failed("a call %s was answered with %d %s", what, a.Status, a.Code).with(f)
	}
	return passed("a call %s was refused with %s", what, a.Code).with(f)
}
