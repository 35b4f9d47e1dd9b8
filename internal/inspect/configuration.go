package inspect

import (
	"context"
	"fmt"
	"strings"
)

// minAuditDays is how long records must be kept: twelve months, as PCI DSS 10.5.1 asks and others follow.
const minAuditDays = 365

// setting returns a value of the settings by the keys that lead to it. known says that this version has the setting.
func (in *Installation) setting(path ...string) (value any, known bool) {
	value = in.Settings
	for _, key := range path {
		m, ok := value.(map[string]any)
		if !ok {
			return nil, false
		}
		if value, ok = m[key]; !ok {
			return nil, false
		}
	}
	return value, true
}

// text is a setting as it is written; "" where it is empty or not known.
func (in *Installation) text(path ...string) string {
	v, _ := in.setting(path...)
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		return v
	}
	return fmt.Sprint(v)
}

func (in *Installation) on(path ...string) bool { return in.text(path...) == "true" }

// number is a setting that is a whole number.
func (in *Installation) number(path ...string) (n int, known bool) {
	v, known := in.setting(path...)
	switch v := v.(type) {
	case uint64:
		n = int(v)
	case int64:
		n = int(v)
	case int:
		n = v
	case float64:
		n = int(v)
	default:
		return 0, false
	}
	return n, known
}

// count is how many entries a setting has.
func (in *Installation) count(path ...string) int {
	v, _ := in.setting(path...)
	list, _ := v.([]any)
	return len(list)
}

// from is the fact that says where a setting was read.
func (in *Installation) from(path ...string) Fact {
	value := in.text(path...)
	if value == "" {
		value = "(empty)"
	}
	return Fact{strings.Join(path, ".") + ", of " + in.SettingsFrom, value}
}

var noSettings = &Unknown{"the settings of the server cannot be read from here"}

var configurationChecks = []Check{
	{
		ID: "config.sandbox-required", Title: "No start without the whole sandbox", Kind: Configuration, Standing: true,
		Mend: "Set `require_sandbox: true`, so that the server does not start where a layer of the sandbox is missing.",
		look: func(_ context.Context, in *Installation) Result {
			if in.Settings == nil {
				return unseen(noSettings)
			}
			f := in.from("require_sandbox")
			if !in.on("require_sandbox") {
				return failed("the server would also start where a layer of the sandbox is missing").with(f)
			}
			return passed("the server does not start where a layer of the sandbox is missing").with(f)
		},
	},
	{
		ID: "config.encrypted-listener", Title: "The API is served over TLS", Kind: Configuration, Standing: true,
		Mend: "Take `insecure_http` out of the configuration (and --insecure-http off the command line), and start again.",
		look: func(_ context.Context, in *Installation) Result {
			if in.Settings == nil {
				return unseen(noSettings)
			}
			facts := []Fact{in.from("insecure_http"), in.from("listen")}
			if in.on("insecure_http") {
				return failed("the API is served over plain HTTP").with(facts...)
			}
			return passed("the API is served over TLS alone").with(facts...)
		},
	},
	{
		ID: "config.egress-narrowed", Title: "Outgoing connections are narrowed by purpose", Kind: Configuration,
		Mend: "Name the hosts that jobs may read from and ask for keys with `egress: {restrict: [{for: [input], hosts: [media.example.com]}, …]}`.",
		look: func(_ context.Context, in *Installation) Result {
			if in.Settings == nil {
				return unseen(noSettings)
			}
			facts := []Fact{
				{"egress.restrict, of " + in.SettingsFrom, fmt.Sprint(in.count("egress", "restrict"), " entries")},
				{"egress.allow, of " + in.SettingsFrom, fmt.Sprint(in.count("egress", "allow"), " entries")},
			}
			if in.count("egress", "restrict") == 0 {
				return failed("every public address may be connected to: nothing narrows where inputs, keys and others come from").with(facts...)
			}
			return passed("connections to the outside are narrowed by %d rules", in.count("egress", "restrict")).with(facts...)
		},
	},
	{
		ID: "config.audit-retention", Title: "Records are kept for twelve months or longer", Kind: Configuration,
		Mend: "Set `audit: {retention_days: 400}`, or another number from 365 on; 0 keeps records for ever.",
		look: func(_ context.Context, in *Installation) Result {
			if in.Settings == nil {
				return unseen(noSettings)
			}
			days, known := in.number("audit", "retention_days")
			switch {
			case !known:
				return passed("records of the audit trail are never deleted: this version has no setting that would")
			case days != 0 && days < minAuditDays:
				return failed("records are deleted after %d days; asked for: %d", days, minAuditDays).with(in.from("audit", "retention_days"))
			case days == 0:
				return passed("records are kept for ever").with(in.from("audit", "retention_days"))
			}
			return passed("records are kept for %d days", days).with(in.from("audit", "retention_days"))
		},
	},
	{
		ID: "config.job-retention", Title: "Finished jobs are deleted after a time", Kind: Configuration,
		Mend: "Set `retention_days` to how long the records of finished jobs are needed.",
		look: func(_ context.Context, in *Installation) Result {
			if in.Settings == nil {
				return unseen(noSettings)
			}
			days, known := in.number("retention_days")
			switch {
			case !known:
				return unseen(&Unknown{"the settings do not say how long finished jobs are kept"})
			case days == 0:
				return failed("the records of finished jobs, with their settings, are kept for ever").with(in.from("retention_days"))
			}
			return passed("finished jobs are deleted after %d days", days).with(in.from("retention_days"))
		},
	},
	{
		ID: "config.throttle", Title: "Requests of an account are throttled", Kind: Configuration,
		Mend: "Set `throttle: {rate: 10, burst: 100}`, or what your clients need.",
		look: func(_ context.Context, in *Installation) Result {
			if in.Settings == nil {
				return unseen(noSettings)
			}
			if t := in.text("throttle", "rate"); t == "" || t == "0" {
				return failed("no account's requests to the API are limited; requests at once are").with(in.from("throttle", "rate"))
			}
			return passed("each account may make %s requests a second", in.text("throttle", "rate")).with(in.from("throttle", "rate"), in.from("throttle", "burst"))
		},
	},
}
