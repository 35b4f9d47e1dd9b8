package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"text/tabwriter"

	"darkroom/internal/iam"
)

const policyUsage = `Judges IAM policies with the engine of the service, offline.

usage: darkroom policy lint POLICY.json [flags]         the classic mistakes
       darkroom policy explain --policy FILE [flags]    why a request is allowed or denied, and what would allow it
       darkroom policy simulate --policy FILE [flags]   what is decided of several actions and resources

` + "`darkroom policy lint --help` and so on list the flags. A FILE is - for standard input.\n"

// policy judges policies.
func policy(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	return policyCommand(ctx, args, os.Stdin, stdout, stderr)
}

// policyCommand is policy with an input of its own.
func policyCommand(_ context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) error {
	if len(args) == 0 {
		return usagef("one of lint, explain and simulate is needed; `darkroom policy --help` tells them")
	}
	files := &policyFiles{stdin: stdin}
	switch args[0] {
	case "lint":
		return policyLint(args[1:], files, stdout, stderr)
	case "explain":
		return policyExplain(args[1:], files, stdout, stderr)
	case "simulate":
		return policySimulate(args[1:], files, stdout, stderr)
	case "help", "-h", "-help", "--help":
		fmt.Fprint(stderr, policyUsage)
		return flag.ErrHelp
	}
	return usagef("policy %q; allowed: lint, explain, simulate", args[0])
}

// policyKinds are the kinds of policies as --kind has them.
var policyKinds = map[string]iam.Kind{"identity": iam.IdentityPolicy, "trust": iam.TrustPolicy, "resource": iam.ResourcePolicy}

// policyFinding is a finding with where it is.
type policyFinding struct {
	File   string `json:"file"`
	Column int    `json:"column,omitempty"` // of what is no policy
	iam.Finding
}

// codeInvalid is the code of what is no policy at all.
const codeInvalid = "invalid"

// policyLint finds the classic mistakes in a policy.
func policyLint(args []string, files *policyFiles, stdout, stderr io.Writer) error {
	fs := flags("policy lint", "POLICY.json", stderr)
	kind := fs.String("kind", "identity", "what the policy is: identity (also a boundary, a session policy or a guard rail), trust (of a role) or resource")
	account := fs.String("account", "", "the account that the policy belongs to, to find what names others")
	asJSON := fs.Bool("json", false, "print the findings as JSON")
	rest, err := parse(fs, args)
	if err != nil {
		return err
	}
	if len(rest) != 1 {
		return usagef("one policy file is needed, - for standard input; got %d", len(rest))
	}
	k, ok := policyKinds[*kind]
	if !ok {
		return usagef("--kind %q; allowed: identity, trust, resource", *kind)
	}
	document, err := files.read(rest[0])
	if err != nil {
		return err
	}
	found := []policyFinding{}
	p, err := iam.Parse(k, rest[0], document)
	for _, f := range faultsOf(err) {
		found = append(found, policyFinding{rest[0], f.Column, iam.Finding{Severity: iam.SeverityError, Path: f.Path, Line: f.Line, Code: codeInvalid, Message: f.Message}})
	}
	for _, f := range iam.Lint(p, *account) {
		found = append(found, policyFinding{rest[0], 0, f})
	}
	if *asJSON {
		if err := writeJSON(stdout, found); err != nil {
			return err
		}
	} else {
		for _, f := range found {
			fmt.Fprintln(stdout, f)
		}
	}
	if slices.ContainsFunc(found, func(f policyFinding) bool { return f.Severity == iam.SeverityError }) {
		return errFailed
	}
	return nil
}

// String is one line, and a second one with what to do.
func (f policyFinding) String() string {
	place := fmt.Sprintf("%s:%d", f.File, f.Line)
	if f.Column > 0 {
		place += fmt.Sprintf(":%d", f.Column)
	}
	text := fmt.Sprintf("%s: %s: ", place, f.Severity)
	if f.Path != "" {
		text += f.Path + ": "
	}
	text += fmt.Sprintf("%s [%s]", f.Message, f.Code)
	if f.Fix != "" {
		text += "\n    " + f.Fix
	}
	return text
}

// policyExplain says in words why one request is allowed or denied.
func policyExplain(args []string, files *policyFiles, stdout, stderr io.Writer) error {
	fs := flags("policy explain", "--policy FILE --action ACTION --resource ARN", stderr)
	q := newPolicyQuestion(fs)
	if err := q.parse(fs, args); err != nil {
		return err
	}
	if len(q.actions) != 1 || len(q.resources) > 1 {
		return usagef("one --action and one --resource are explained at a time; got %d and %d", len(q.actions), len(q.resources))
	}
	s, err := q.simulation(files)
	if err != nil {
		return err
	}
	requests, err := s.Requests()
	if err != nil {
		return usagef("%v", err)
	}
	_, err = io.WriteString(stdout, iam.Explain(requests[0]).String())
	return err
}

// policySimulate decides several actions on several resources.
func policySimulate(args []string, files *policyFiles, stdout, stderr io.Writer) error {
	fs := flags("policy simulate", "--policy FILE --action ACTION [--action ACTION …] [--resource ARN …]", stderr)
	q := newPolicyQuestion(fs)
	asJSON := fs.Bool("json", false, "print the results as the IAM API does")
	if err := q.parse(fs, args); err != nil {
		return err
	}
	s, err := q.simulation(files)
	if err != nil {
		return err
	}
	results, err := iam.Simulate(s)
	if err != nil {
		return usagef("%v", err)
	}
	if *asJSON {
		return writeJSON(stdout, evaluationResults{evaluationsOf(results)})
	}
	return tabulate(stdout, results)
}

// tabulate prints results as a table.
func tabulate(stdout io.Writer, results []iam.Simulated) error {
	w := tabwriter.NewWriter(stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "ACTION\tRESOURCE\tDECISION\tBECAUSE OF")
	for _, r := range results {
		var because []string
		for _, m := range r.Matched {
			because = append(because, fmt.Sprintf("%s statement %s (line %d)", m.Origin.ID, m.Statement, m.Start.Line))
		}
		if len(because) == 0 {
			because = append(because, "no "+string(r.Decision.Source)+" allows it")
			switch r.Decision.Source {
			case iam.RootAccount, iam.Foreign, iam.Unread:
				because[0] = string(r.Decision.Source)
			}
		}
		if len(r.Missing) > 0 {
			because = append(because, "no value of "+strings.Join(r.Missing, ", "))
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", r.Action, r.Resource, r.Verdict, strings.Join(because, "; "))
	}
	return w.Flush()
}

// evaluationResults and what is in it have the names of the IAM API's SimulatePolicyResponse.
type evaluationResults struct{ EvaluationResults []evaluationResult }

type evaluationResult struct {
	EvalActionName                    string
	EvalResourceName                  string
	EvalDecision                      iam.Verdict
	MatchedStatements                 []evaluationStatement
	MissingContextValues              []string
	OrganizationsDecisionDetail       *organizationsDetail `json:",omitempty"`
	PermissionsBoundaryDecisionDetail *boundaryDetail      `json:",omitempty"`
}

type evaluationStatement struct {
	SourcePolicyId, SourcePolicyType string
	StartPosition, EndPosition       iam.Position
}

type organizationsDetail struct{ AllowedByOrganizations bool }

type boundaryDetail struct{ AllowedByPermissionsBoundary bool }

func evaluationsOf(results []iam.Simulated) []evaluationResult {
	out := make([]evaluationResult, len(results))
	for i, r := range results {
		e := evaluationResult{
			EvalActionName: r.Action, EvalResourceName: r.Resource, EvalDecision: r.Verdict,
			MatchedStatements: []evaluationStatement{}, MissingContextValues: append([]string{}, r.Missing...),
		}
		for _, m := range r.Matched {
			e.MatchedStatements = append(e.MatchedStatements, evaluationStatement{m.Origin.ID, string(m.Origin.Type), m.Start, m.End})
		}
		if r.AllowedByGuardRails != nil {
			e.OrganizationsDecisionDetail = &organizationsDetail{*r.AllowedByGuardRails}
		}
		if r.AllowedByBoundary != nil {
			e.PermissionsBoundaryDecisionDetail = &boundaryDetail{*r.AllowedByBoundary}
		}
		out[i] = e
	}
	return out
}

func writeJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

// faultsOf are the mistakes of a document that is no policy.
func faultsOf(err error) []iam.Fault {
	if d := (*iam.DocumentError)(nil); errors.As(err, &d) {
		return d.Faults
	}
	return nil
}
