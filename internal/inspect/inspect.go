// Package inspect finds out how an installation stands: each check is one function that looks at one thing as it is now, and says what it saw.
//
// A check never passes by default: the zero value of a Result has failed, what could not be looked at is NotChecked with the reason, and a source that
// answers with an error has failed. doctor, the start of the server, /readyz and the compliance report run the same checks.
package inspect

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// State is what a check came to. The zero value is Failed.
type State uint8

// The states.
const (
	Failed State = iota
	Passed
	// NotChecked: it could not be looked at from here; Found says why.
	NotChecked
	// NotApplicable: there is nothing here that it is about; Found says why.
	NotApplicable
)

var stateNames = [...]string{Failed: "failed", Passed: "passed", NotChecked: "not checked", NotApplicable: "not applicable"}

func (s State) String() string {
	if int(s) < len(stateNames) {
		return stateNames[s]
	}
	return stateNames[Failed]
}

// MarshalText implements encoding.TextMarshaler.
func (s State) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler; what is not known is an error.
func (s *State) UnmarshalText(text []byte) error {
	i := slices.Index(stateNames[:], string(text))
	if i < 0 {
		return fmt.Errorf("%q is not the state of a check", text)
	}
	*s = State(i)
	return nil
}

// Kind is how a check finds out.
type Kind string

// The kinds.
const (
	Configuration Kind = "configuration read" // the settings that are in force, and files
	Probe         Kind = "live probe"         // something is tried out
	Query         Kind = "audit query"        // the trail and the records are asked
	Version       Kind = "versions"           // what the parts are, and what is known of them
)

// Fact is one thing that was seen.
type Fact struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// MaxFacts bounds the facts of a result; what is beyond is counted in the last one.
const MaxFacts = 40

// Result is what a check came to. It holds no secret.
type Result struct {
	Check string    `json:"check"`
	Title string    `json:"title"`
	Kind  Kind      `json:"kind"`
	Time  time.Time `json:"time"`
	State State     `json:"state"`
	Found string    `json:"found"`          // a sentence: what was seen, or why it was not looked at
	Mend  string    `json:"mend,omitempty"` // of a failure: what to do
	Facts []Fact    `json:"facts,omitempty"`
}

// Check is one thing that is looked at.
type Check struct {
	ID, Title string
	Kind      Kind
	Mend      string // what to do about a failure, where the check itself says nothing closer
	// Standing checks cost next to nothing: they are also run at the start of the server and for /readyz, whose readers are shown their titles alone.
	Standing bool
	look     func(ctx context.Context, in *Installation) Result
}

// maxLook is how long one check may take.
const maxLook = time.Minute

// Unknown is the error of a source that cannot be asked from here.
type Unknown struct{ Reason string }

func (u *Unknown) Error() string { return u.Reason }

// Run carries out the check now.
func (c Check) Run(ctx context.Context, in *Installation) Result {
	ctx, cancel := context.WithTimeout(ctx, maxLook)
	defer cancel()
	r := c.look(ctx, in)
	r.Check, r.Title, r.Kind, r.Time = c.ID, c.Title, c.Kind, in.Now().UTC().Truncate(time.Second)
	if r.Found == "" {
		r.State, r.Found = Failed, "the check saw nothing"
	}
	if r.State == Failed && r.Mend == "" {
		r.Mend = c.Mend
	}
	if r.State != Failed {
		r.Mend = ""
	}
	if n := len(r.Facts); n > MaxFacts {
		r.Facts = append(slices.Clone(r.Facts[:MaxFacts-1]), Fact{"and more", fmt.Sprint(n - MaxFacts + 1)})
	}
	return r
}

// Run carries out checks one after the other.
func Run(ctx context.Context, in *Installation, checks []Check) []Result {
	out := make([]Result, 0, len(checks))
	for _, c := range checks {
		out = append(out, c.Run(ctx, in))
	}
	return out
}

// All returns every check, in the order of reports.
func All() []Check {
	return slices.Concat(configurationChecks, listenerChecks, hostChecks, fileChecks, peopleChecks, trailChecks, encryptionChecks, versionChecks)
}

// Standing returns the checks that are also run at the start and for /readyz.
func Standing() []Check {
	return slices.DeleteFunc(All(), func(c Check) bool { return !c.Standing })
}

func passed(format string, args ...any) Result {
	return Result{State: Passed, Found: fmt.Sprintf(format, args...)}
}

func failed(format string, args ...any) Result { return Result{Found: fmt.Sprintf(format, args...)} }

func notApplicable(format string, args ...any) Result {
	return Result{State: NotApplicable, Found: fmt.Sprintf(format, args...)}
}

// unseen is the result where a source gave an error.
func unseen(err error) Result {
	if u, ok := errors.AsType[*Unknown](err); ok {
		return Result{State: NotChecked, Found: u.Reason}
	}
	return failed("it could not be found out: %v", err)
}

// missing is the error of a source that nobody handed in.
func missing(what string) error {
	return &Unknown{what + " cannot be looked at from here"}
}

// with adds facts to a result.
func (r Result) with(facts ...Fact) Result {
	r.Facts = append(r.Facts, facts...)
	return r
}

// mend says what to do about a failure.
func (r Result) mend(format string, args ...any) Result {
	r.Mend = fmt.Sprintf(format, args...)
	return r
}
