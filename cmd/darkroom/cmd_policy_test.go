package main

import (
	"bytes"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const (
	policyQueue = "arn:aws:mediaconvert:eu-west-1:000000000000:queues/fast"
	policyRole  = "arn:aws:iam::000000000000:role/jobs"
	policyAnn   = "arn:aws:iam::000000000000:user/ann"
)

// policyDocuments are the files of the tests.
var policyDocuments = map[string]string{
	"dev.json": `{
  "Version": "2012-10-17",
  "Statement": [
    {"Sid": "Jobs", "Effect": "Allow", "Action": "mediaconvert:CreateJob", "Resource": "*",
     "Condition": {"StringEquals": {"aws:RequestTag/project": "a"}}},
    {"Sid": "Own", "Effect": "Allow", "Action": "mediaconvert:GetQueue", "Resource": "arn:aws:mediaconvert:*:*:queues/${aws:username}"},
    {"Sid": "Team", "Effect": "Allow", "Action": "mediaconvert:UpdateQueue", "Resource": "*",
     "Condition": {"StringEquals": {"aws:ResourceTag/team": "${aws:PrincipalTag/team}"}}},
    {"Sid": "Late", "Effect": "Deny", "Action": "mediaconvert:CancelJob", "Resource": "*",
     "Condition": {"DateGreaterThan": {"aws:CurrentTime": "2026-01-01"}}}
  ]
}`,
	"all.json":   `{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "mediaconvert:*", "Resource": "*"}}`,
	"s3.json":    `{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}}`,
	"trust.json": `{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Principal": {"Service": "mediaconvert.amazonaws.com"}, "Action": "sts:AssumeRole"}}`,
	"bad.json":   "{\n  \"Statement\": {\"Effect\": \"Alow\", \"Action\": \"s3:*\",\n   \"Resource\": \"films\"}\n}",
	"no.json":    "{",
	"pass.json":  "{\n \"Version\": \"2012-10-17\",\n \"Statement\": {\n  \"Effect\": \"Allow\",\n  \"Action\": \"iam:PassRole\",\n  \"Resource\": \"*\"}}",
}

// inPolicies writes the files of the tests into a directory and returns it.
func inPolicies(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range policyDocuments {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// policyRun runs the command; names that end in .json are those of files in dir, which the output is freed of.
func policyRun(t *testing.T, dir, stdin string, args ...string) (stdout string, err error) {
	t.Helper()
	for i, a := range args {
		if strings.HasSuffix(a, ".json") {
			args[i] = filepath.Join(dir, a)
		}
	}
	var out, diagnostics bytes.Buffer
	err = policyCommand(t.Context(), args, strings.NewReader(stdin), &out, &diagnostics)
	return strings.ReplaceAll(out.String(), dir+string(filepath.Separator), "") + diagnostics.String(), err
}

func TestPolicyLint(t *testing.T) {
	t.Parallel()
	dir := inPolicies(t)
	for _, c := range []struct {
		name, stdin string
		args        []string
		failed      bool
		want        string
	}{
		{"nothing to say", "", []string{"all.json"}, false, ""},
		{
			"findings", "",
			[]string{"pass.json"},
			true,
			`pass.json:5: warning: /Statement/Action: iam:PassRole without a condition on iam:PassedToService lets the role be passed to any service that it trusts [pass-role-any-service]
    add "Condition": {"StringEquals": {"iam:PassedToService": "mediaconvert.amazonaws.com"}}
pass.json:6: error: /Statement/Resource: iam:PassRole on "*" hands over every role of the account, the most powerful one too [pass-role-any-role]
    name the ARNs of the roles that are to be passed
`,
		},
		{
			"a warning is no failure", "",
			[]string{"trust.json", "--kind", "trust"},
			false,
			`trust.json:1: warning: /Statement/Principal: a service may use the role on behalf of anybody who names it: the confused deputy [trust-without-source]
    add conditions on aws:SourceAccount (StringEquals) and on aws:SourceArn (ArnLike; for MediaConvert the ARN of the queue)
`,
		},
		{
			"no policy", "",
			[]string{"bad.json"},
			true,
			`bad.json:2:27: error: /Statement/Effect: Syntax errors in policy: Effect is Allow or Deny (was "Alow") [invalid]
bad.json:3:16: error: /Statement/Resource: Resource "films" must be in ARN format or "*". [invalid]
`,
		},
		{"no JSON", "{", []string{"-"}, true, "-:1:2: error: Syntax errors in policy: the document is no JSON here [invalid]\n"},
		{
			"JSON", policyDocuments["all.json"], []string{"--json", "-"}, false, "[]\n",
		},
		{
			"JSON of findings", `{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "mediaconvert:GetQueue", "Resource": "` + policyQueue + `"}}`,
			[]string{"--json", "--account", "111122223333", "-"},
			false,
			`[
  {
    "file": "-",
    "severity": "warning",
    "path": "/Statement/Resource",
    "line": 1,
    "code": "other-account",
    "message": "the resource ` + policyQueue + ` of account 000000000000 never matches what account 111122223333 has: accounts are wholly apart",
    "fix": "name account 111122223333, or remove it"
  }
]
`,
		},
	} {
		got, err := policyRun(t, dir, c.stdin, append([]string{"lint"}, c.args...)...)
		if c.failed != errors.Is(err, errFailed) || !c.failed && err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s (-want +got): %s", c.name, diff)
		}
	}
}

func TestPolicyExplain(t *testing.T) {
	t.Parallel()
	dir := inPolicies(t)
	for _, c := range []struct {
		name, stdin string
		args        []string
		want        string
	}{
		{
			"a condition", "",
			[]string{"--policy", "dev.json", "--action", "mediaconvert:CreateJob", "--resource", policyQueue, "--principal", policyAnn, "--context", "aws:RequestTag/project=b"},
			`Denied: nothing allows mediaconvert:CreateJob on ` + policyQueue + `.

The identity-based policy dev.json, statement Jobs (line 4), would allow it, but its condition StringEquals aws:RequestTag/project wants "a"; the request had "b".

What would allow it: add to an identity-based policy of the principal
{
  "Effect": "Allow",
  "Action": "mediaconvert:CreateJob",
  "Resource": "` + policyQueue + `"
}
`,
		},
		{
			"anybody has no name", "",
			[]string{"--policy", "dev.json", "--action", "mediaconvert:GetQueue", "--resource", "arn:aws:mediaconvert:eu-west-1:000000000000:queues/ann"},
			`Denied: nothing allows mediaconvert:GetQueue on arn:aws:mediaconvert:eu-west-1:000000000000:queues/ann.

The identity-based policy dev.json, statement Own (line 6), is about the action, but other resources: arn:aws:mediaconvert:*:*:queues/${aws:username}.

The request has no value of aws:username.

What would allow it: add to an identity-based policy of the principal
{
  "Effect": "Allow",
  "Action": "mediaconvert:GetQueue",
  "Resource": "arn:aws:mediaconvert:eu-west-1:000000000000:queues/ann"
}
`,
		},
		{
			"a user has", "",
			[]string{"--policy", "dev.json", "--action", "mediaconvert:GetQueue", "--resource", "arn:aws:mediaconvert:eu-west-1:000000000000:queues/ann", "--principal", "arn:aws:iam::000000000000:user/desk/ann"},
			"Allowed: mediaconvert:GetQueue on arn:aws:mediaconvert:eu-west-1:000000000000:queues/ann.\n\nThe identity-based policy dev.json, statement Own (line 6), allows it.\n",
		},
		{
			"tags", "",
			[]string{"--policy", "dev.json", "--action", "mediaconvert:UpdateQueue", "--resource", policyQueue, "--principal-tag", "team=news", "--resource-tag", "team=news"},
			"Allowed: mediaconvert:UpdateQueue on " + policyQueue + ".\n\nThe identity-based policy dev.json, statement Team (line 7), allows it.\n",
		},
		{
			"the time", "",
			[]string{"--policy", "dev.json", "--action", "mediaconvert:CancelJob", "--resource", "arn:aws:mediaconvert:eu-west-1:000000000000:jobs/1", "--at", "2026-02-01T00:00:00Z"},
			`Denied: a Deny is about mediaconvert:CancelJob on arn:aws:mediaconvert:eu-west-1:000000000000:jobs/1, and it wins over every Allow.

The identity-based policy dev.json, statement Late (line 9), denies it, as its condition DateGreaterThan aws:CurrentTime wants "2026-01-01"; the request had "2026-02-01T00:00:00Z".

No further Allow helps: the identity-based policy has to change, or the request.
`,
		},
		{
			"every kind of policy", policyDocuments["all.json"],
			[]string{"--policy", "-", "--boundary", "s3.json", "--session", "all.json", "--guard-rail", "all.json", "--action", "mediaconvert:ListPresets", "--principal", policyRole},
			`Denied: no permissions boundary allows mediaconvert:ListPresets, and nothing is allowed beyond that.

The service control policy all.json, statement #0 (line 1), allows it.

The identity-based policy -, statement #0 (line 1), allows it.

The session policy all.json, statement #0 (line 1), allows it.

What would allow it: add to the permissions boundary s3.json
{
  "Effect": "Allow",
  "Action": "mediaconvert:ListPresets",
  "Resource": "*"
}
`,
		},
		{
			"a service and a role's trust", "",
			[]string{"--trust", "trust.json", "--action", "sts:AssumeRole", "--resource", policyRole, "--principal", "mediaconvert.amazonaws.com"},
			"Allowed: sts:AssumeRole on " + policyRole + ".\n\nThe resource-based policy trust.json, statement #0 (line 1), allows it.\n",
		},
	} {
		got, err := policyRun(t, dir, c.stdin, append([]string{"explain"}, c.args...)...)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		got = strings.ReplaceAll(got, dir+"/", "")
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s (-want +got): %s", c.name, diff)
		}
	}
}

func TestPolicySimulate(t *testing.T) {
	t.Parallel()
	dir := inPolicies(t)
	for _, c := range []struct {
		name string
		args []string
		want string
	}{
		{
			"a table",
			[]string{"--policy", "dev.json", "--action", "mediaconvert:CreateJob", "--action", "mediaconvert:CancelJob", "--action", "mediaconvert:ListJobs", "--resource", policyQueue, "--resource", "arn:aws:mediaconvert:eu-west-1:111122223333:queues/q", "--principal", policyAnn},
			`ACTION                  RESOURCE                                                 DECISION      BECAUSE OF
mediaconvert:CreateJob  arn:aws:mediaconvert:eu-west-1:000000000000:queues/fast  implicitDeny  no identity-based policy allows it; no value of aws:RequestTag/project
mediaconvert:CreateJob  arn:aws:mediaconvert:eu-west-1:111122223333:queues/q     implicitDeny  other account
mediaconvert:CancelJob  arn:aws:mediaconvert:eu-west-1:000000000000:queues/fast  explicitDeny  dev.json statement Late (line 8)
mediaconvert:CancelJob  arn:aws:mediaconvert:eu-west-1:111122223333:queues/q     implicitDeny  other account
mediaconvert:ListJobs   arn:aws:mediaconvert:eu-west-1:000000000000:queues/fast  implicitDeny  no identity-based policy allows it
mediaconvert:ListJobs   arn:aws:mediaconvert:eu-west-1:111122223333:queues/q     implicitDeny  other account
`,
		},
		{
			"JSON as the API's",
			[]string{"--json", "--policy", "all.json", "--boundary", "s3.json", "--guard-rail", "all.json", "--action", "mediaconvert:ListPresets"},
			`{
  "EvaluationResults": [
    {
      "EvalActionName": "mediaconvert:ListPresets",
      "EvalResourceName": "*",
      "EvalDecision": "implicitDeny",
      "MatchedStatements": [],
      "MissingContextValues": [],
      "OrganizationsDecisionDetail": {
        "AllowedByOrganizations": true
      },
      "PermissionsBoundaryDecisionDetail": {
        "AllowedByPermissionsBoundary": false
      }
    }
  ]
}
`,
		},
		{
			"JSON of a statement",
			[]string{"--json", "--policy", "all.json", "--action", "mediaconvert:ListPresets", "--principal", "arn:aws:sts::000000000000:assumed-role/jobs/s"},
			`{
  "EvaluationResults": [
    {
      "EvalActionName": "mediaconvert:ListPresets",
      "EvalResourceName": "*",
      "EvalDecision": "allowed",
      "MatchedStatements": [
        {
          "SourcePolicyId": "all.json",
          "SourcePolicyType": "none",
          "StartPosition": {
            "Line": 1,
            "Column": 41
          },
          "EndPosition": {
            "Line": 1,
            "Column": 104
          }
        }
      ],
      "MissingContextValues": []
    }
  ]
}
`,
		},
		{
			"several values",
			[]string{"--policy", "all.json", "--action", "mediaconvert:CreateJob", "--context", "aws:TagKeys=a", "--context", "aws:tagkeys=b", "--resource", policyQueue, "--principal", "arn:aws:iam::000000000000:root"},
			"ACTION                  RESOURCE                                                 DECISION  BECAUSE OF\n" +
				"mediaconvert:CreateJob  arn:aws:mediaconvert:eu-west-1:000000000000:queues/fast  allowed   all.json statement #0 (line 1)\n",
		},
		{
			"the root needs no policy",
			[]string{"--policy", "s3.json", "--action", "mediaconvert:ListPresets", "--principal", "arn:aws:iam::000000000000:root"},
			"ACTION                    RESOURCE  DECISION  BECAUSE OF\nmediaconvert:ListPresets  *         allowed   root\n",
		},
		{
			"a web identity",
			[]string{"--trust", "trust.json", "--action", "sts:AssumeRoleWithWebIdentity", "--resource", policyRole, "--principal", "arn:aws:iam::000000000000:oidc-provider/id.example.org"},
			"ACTION                         RESOURCE                             DECISION      BECAUSE OF\nsts:AssumeRoleWithWebIdentity  arn:aws:iam::000000000000:role/jobs  implicitDeny  no resource-based policy allows it\n",
		},
	} {
		got, err := policyRun(t, dir, "", append([]string{"simulate"}, c.args...)...)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		if diff := cmp.Diff(c.want, strings.ReplaceAll(got, dir+"/", "")); diff != "" {
			t.Errorf("%s (-want +got): %s", c.name, diff)
		}
	}
}

func TestPolicyUsage(t *testing.T) {
	t.Parallel()
	dir := inPolicies(t)
	asked := func(more ...string) []string {
		return append([]string{"explain", "--policy", "all.json", "--action", "mediaconvert:ListPresets"}, more...)
	}
	for _, c := range []struct {
		name string
		args []string
		want string
	}{
		{"nothing", nil, "one of lint, explain and simulate is needed"},
		{"another verb", []string{"judge"}, `policy "judge"; allowed: lint, explain, simulate`},
		{"lint of nothing", []string{"lint"}, "one policy file is needed"},
		{"lint of another kind", []string{"lint", "all.json", "--kind", "bucket"}, `--kind "bucket"; allowed: identity, trust, resource`},
		{"lint of no file", []string{"lint", "none.json"}, "none.json"},
		{"lint with another flag", []string{"lint", "--explode"}, "explode"},
		{"no policy", []string{"explain", "--action", "s3:GetObject"}, "at least one --policy is needed"},
		{"no action", []string{"simulate", "--policy", "all.json"}, "--action is needed"},
		{"an argument", asked("x"), `unexpected argument "x"`},
		{"another flag of explain", asked("--explode"), "explode"},
		{"another flag of simulate", []string{"simulate", "--explode"}, "explode"},
		{"two actions explained", asked("--action", "mediaconvert:ListJobs"), "one --action and one --resource are explained at a time; got 2 and 0"},
		{"no time", asked("--at", "noon"), `--at "noon"; wanted is a time such as`},
		{"no principal", asked("--principal", "ann"), `--principal "ann"; wanted is the ARN`},
		{"a group", asked("--principal", "arn:aws:iam::000000000000:group/g"), "wanted is the ARN"},
		{"no tag of a principal", asked("--principal-tag", "team"), `--principal-tag "team"; wanted is KEY=VALUE`},
		{"no tag of a resource", asked("--resource-tag", "=x"), `--resource-tag "=x"; wanted is KEY=VALUE`},
		{"no context", asked("--context", "x"), `--context "x"; wanted is KEY=VALUE`},
		{"a value that does not fit", asked("--context", "aws:SourceIp=here"), `the value "here": want an address`},
		{"the same of simulate", []string{"simulate", "--policy", "all.json", "--action", "ListJobs"}, `"ListJobs" is no action`},
		{"a file that is no policy", asked("--policy", "bad.json"), "bad.json:2:27: /Statement/Effect: Syntax errors in policy: Effect is Allow or Deny (was \"Alow\")\n"},
		{"a file that is no JSON", asked("--session", "no.json"), "no.json:1:2: Syntax errors in policy"},
		{"no guard rail", asked("--guard-rail", "none.json"), "none.json"},
		{"no boundary", asked("--boundary", "none.json"), "none.json"},
		{"an identity policy for a trust policy", asked("--trust", "all.json"), "Policy statement must contain principals."},
		{"standard input twice", asked("--policy", "-", "--policy", "-"), "only one policy can be on standard input"},
		{"questions of simulate", []string{"simulate", "--policy", "none.json", "--action", "s3:GetObject"}, "none.json"},
	} {
		_, err := policyRun(t, dir, policyDocuments["all.json"], c.args...)
		var wrong *usageError
		if !errors.As(err, &wrong) || !strings.Contains(strings.ReplaceAll(err.Error(), dir+"/", ""), c.want) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
	for _, args := range [][]string{{"--help"}, {"lint", "--help"}, {"explain", "--help"}, {"simulate", "-h"}} {
		got, err := policyRun(t, dir, "", args...)
		if !errors.Is(err, flag.ErrHelp) || !strings.Contains(got, "usage: darkroom policy") {
			t.Errorf("%v: %v, %s", args, err, got)
		}
	}
}
