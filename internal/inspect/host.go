package inspect

import (
	"context"
	"fmt"
	"time"

	"darkroom/internal/audit"
)

// metadata are where clouds answer whoever asks with credentials; nothing may connect there.
var metadata = []string{"169.254.169.254:80", "[fd00:ec2::254]:80", "100.100.100.200:80"}

// maxSkew is how far the newest record may be ahead of the clock.
const maxSkew = 5 * time.Second

var hostChecks = []Check{
	{
		ID: "host.sandbox", Title: "Every layer of the sandbox holds", Kind: Probe, Standing: true,
		Mend: "See `darkroom doctor` for what each layer needs of the machine: user namespaces allowed, a kernel with Landlock and seccomp, no container that takes them away.",
		look: func(ctx context.Context, in *Installation) Result {
			if in.Layers == nil {
				return unseen(missing("the sandbox"))
			}
			layers, err := in.Layers(ctx)
			if err != nil {
				return unseen(err)
			}
			r := passed("all %d layers of the sandbox hold", len(layers))
			if len(layers) == 0 {
				r = failed("the sandbox has no layers")
			}
			missing := 0
			for _, l := range layers {
				f := Fact{l.Name, "holds"}
				if !l.Present {
					f.Value = "missing: " + l.Detail
					missing++
				}
				r = r.with(f)
			}
			if missing > 0 {
				r.State, r.Found = Failed, fmt.Sprintf("%d of %d layers of the sandbox are missing on this machine", missing, len(layers))
			}
			return r
		},
	},
	{
		ID: "host.egress-metadata", Title: "Connections to the metadata services of clouds are refused", Kind: Probe,
		Mend: "Take what opens these addresses out of `egress: {allow: …}`.",
		look: func(ctx context.Context, in *Installation) Result {
			if in.Dial == nil {
				return unseen(missing("the way out"))
			}
			r := passed("connections to %d addresses of metadata services were refused", len(metadata))
			for _, address := range metadata {
				refused, err := in.Dial(ctx, address)
				switch {
				case refused:
					r = r.with(Fact{address, "refused"})
				case err != nil:
					// It was let through, and ended elsewhere: that nobody answered is luck.
					return failed("the way out let a connection to %s through", address).with(Fact{address, "let through; " + err.Error()})
				default:
					return failed("the way out connected to %s", address).with(Fact{address, "connected"})
				}
			}
			return r
		},
	},
	{
		ID: "host.fips", Title: "Cryptography comes from a validated module", Kind: Configuration,
		Mend: "Build with `make build FIPS=1` and set `fips: require`, where the framework asks for validated cryptography.",
		look: func(_ context.Context, in *Installation) Result {
			if in.FIPS == nil {
				return unseen(missing("the cryptographic module"))
			}
			f := in.FIPS()
			if !f.Enabled {
				return failed("the program is in no FIPS 140-3 mode: its cryptography is Go's own, not that of the certified module")
			}
			return passed("FIPS 140-3 mode is on, with the Go Cryptographic Module %s", f.Version)
		},
	},
	{
		ID: "host.clock", Title: "The clock is not behind the audit trail", Kind: Query, Standing: true,
		Mend: "Keep the machine's time by NTP or PTP; records that were written while the clock was wrong keep the time that they were given.",
		look: func(ctx context.Context, in *Installation) Result {
			newest, ok, r := in.newest(ctx)
			if !ok {
				return r
			}
			now := in.Now().UTC()
			facts := []Fact{{"clock", now.Format(time.RFC3339)}, {"newest record", newest.Format(time.RFC3339)}}
			if ahead := newest.Sub(now); ahead > maxSkew {
				return failed("the newest record is %s ahead of the clock: it was set back, or it was ahead before", ahead.Round(time.Second)).with(facts...)
			}
			return passed("no record is ahead of the clock").with(facts...)
		},
	},
}

// newest is the time of the newest record of all accounts.
func (in *Installation) newest(ctx context.Context) (at time.Time, ok bool, r Result) {
	if in.Trail == nil {
		return at, false, unseen(missing("the audit trail"))
	}
	for _, account := range in.Accounts {
		found, err := in.Trail.Find(ctx, audit.Query{Account: account, Limit: 1})
		if err != nil {
			return at, false, unseen(err)
		}
		if len(found) == 0 {
			continue
		}
		record, err := found[0].Decode()
		if err != nil {
			return at, false, unseen(err)
		}
		if record.EventTime.After(at) {
			at = record.EventTime
		}
	}
	if at.IsZero() {
		return at, false, notApplicable("there are no records yet")
	}
	return at, true, Result{}
}
