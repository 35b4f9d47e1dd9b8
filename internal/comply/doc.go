package comply

import (
	"maps"
	"slices"
)

func practiceNames(p map[string]Practice) []string { return slices.Sorted(maps.Keys(p)) }

// docHead begins docs/compliance.md.
const docHead = `# Compliance

This page is made from the tables in internal/comply by ` + "`go test ./internal/comply -run TestDoc -update`" + `; a test holds it to them.

Darkroom runs on your machine, under your policies. What it can do about a control, it does and shows; the rest is yours. ` + "`darkroom comply`" + ` says for each
control what it asks, what Darkroom does, what was checked on this installation just now, what evidence there is, and what stays your duty.

    darkroom comply --data DIR --framework mpa                          # Markdown on standard output
    darkroom comply --data DIR --framework soc2 --format pdf --out soc2.pdf
    darkroom comply --data DIR --framework mpa --evidence mpa.tar.gz    # the bundle, signed
    darkroom comply verify mpa.tar.gz --data DIR                        # was it changed, and is it of this installation?
    darkroom comply key --data DIR                                      # the public key that bundles are signed with, for who verifies elsewhere
    darkroom doctor --data DIR --config FILE                            # the same checks, without a framework
    darkroom sbom                                                       # bills of materials: of the program, and with --ffmpeg of ffmpeg

A control is **met** where every check of what Darkroom does has passed; a **gap** where one has failed, and then how to mend it is said; **not checked** where
something could not be shown on this installation, with the reason; the **customer's duty** where Darkroom can do nothing about it; **not applicable** where it is
about something that is not here. There is no pass without a check. The exit code is 0 when the report was made, gaps or not; ` + "`--fail-on-gap`" + ` makes it 1 where there are
gaps, for use in a pipeline.

The server may run or not. Live probes (TLS, refusals) need it to run; without it they are not checked. Queries of identities and keys need the root of trust to
open without a question; with a passphrase from the terminal they are asked for.

Settings are read from --config; without it, from what the server wrote down at its last start (DIR/effective.yaml), flags included.
`
