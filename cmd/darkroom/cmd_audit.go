package main

import (
	"context"
	"fmt"
	"io"
)

// audits are the commands below audit.
var audits = []command{
	{"verify", "verify the log files and digests of a trail: in a server's bucket, or offline in a copy of it", auditVerify, false},
	{"query", "search the audit trail of a server, running or not: who did what, to what, when, and what became of it", auditQuery, false},
	{"follow", "print the records of the audit trail as they come, for log collectors", auditFollow, false},
	{"stamps", "verify the time stamps of digests in a copy of a bucket", auditStamps, false},
}

// auditMain is darkroom audit.
func auditMain(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	if len(args) == 0 || args[0] == "-h" || args[0] == "--help" || args[0] == "help" {
		fmt.Fprint(stdout, "usage: darkroom audit COMMAND [flags]\n\n")
		for _, c := range audits {
			fmt.Fprintf(stdout, "  %-7s %s\n", c.name, c.summary)
		}
		if len(args) == 0 {
			return usagef("say which command")
		}
		return nil
	}
	for _, c := range audits {
		if c.name == args[0] {
			return c.run(ctx, args[1:], stdout, stderr)
		}
	}
	return usagef("unknown command %q; `darkroom audit help` lists the commands", args[0])
}
