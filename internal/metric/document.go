package metric

import (
	"bytes"
	"fmt"
	"strings"
)

// Document is docs/metrics.md: the table, for its readers.
func Document() []byte {
	var b bytes.Buffer
	b.WriteString(`# Metrics and traces

This page is made from the table in ` + "`internal/metric/table.go`" + `.

## Turning them on

` + "```yaml" + `
metrics:
  listen: 127.0.0.1:9464            # off by default; off loopback it needs tls and token_file
  tls: false                        # show the certificate of the server
  token_file: /etc/darkroom/scraper # what a scraper shows as "Authorization: Bearer …"
traces:
  endpoint: https://collector.example:4318 # OTLP over HTTP; off by default; http:// on loopback only
  sample: 1                         # the share of traces that is kept
  token_file: /etc/darkroom/collector
  accept_parents: false             # take traceparent headers from callers
  object_names: false               # buckets and keys in spans of uploads
egress:
  allow: [{net: 10.0.0.5/32, ports: [4318], for: [telemetry]}] # a collector at a private address
` + "```" + `

Every key is a flag too (` + "`--metrics-listen`" + `). A collector with an authority of its own is trusted by ` + "`egress.ca_file`" + `. ` + "`docs/examples/prometheus`" + ` has a configuration of
Prometheus and rules for alerts, ` + "`docs/examples/grafana`" + ` a board.

Counters start from 0 with the process. Depths and ages are read from the records at each scrape. `)
	fmt.Fprintf(&b, "At most %d queues, %d operations, %d reasons and %d types of targets have\nvalues of labels of their own; the rest counts as `other`, and `darkroom_label_overflow_total` says so. A label of a queue is its ARN. No label comes from a request.\n", MaxQueues, MaxOperations, MaxReasons, MaxTargets)
	b.WriteString("\n## MediaConvert's\n\n| CloudWatch | dimension | here | type | labels | unit | what differs |\n|---|---|---|---|---|---|---|\n")
	for _, d := range Table {
		if d.CloudWatch != "" {
			fmt.Fprintf(&b, "| %s | %s | `%s` | %s | %s | %s | %s |\n", d.CloudWatch, d.Dimension, d.Name, d.Type, labels(d), d.Unit, d.Differs)
		}
	}
	b.WriteString("\nMediaConvert sends its metrics when a job ends, and so do these, but for what is said above. The dimension Job has no counterpart: a label for each job would have no bound; traces have it.\n\nNot offered:\n\n| CloudWatch | why |\n|---|---|\n")
	for _, n := range NotOffered {
		fmt.Fprintf(&b, "| %s | %s |\n", n.CloudWatch, n.Why)
	}
	b.WriteString("\n## The server's own\n\n| metric | type | labels | unit | what it says |\n|---|---|---|---|---|\n")
	for _, d := range Table {
		if d.CloudWatch == "" {
			fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s |\n", d.Name, d.Type, labels(d), d.Unit, d.Help)
		}
	}
	b.WriteString(`
Beside them stand those of the Go runtime and of the process (` + "`go_*`, `process_*`" + `), of Prometheus's own client library.

## Traces

All that becomes of a job is one trace, that of the call that created it. Its id is kept with the job, so that the trace goes on in the worker, and after a crash.

| span | below | from, to |
|---|---|---|
| ` + "`mediaconvert/CreateJob`" + `, and each other call | the caller's, where ` + "`accept_parents`" + ` is set | the headers of the request, the end of the answer |
| ` + "`submit`" + ` | the call | the writing down of the job |
| ` + "`wait`" + ` | ` + "`submit`" + ` | submitted or handed back, claimed; one for each attempt |
| ` + "`lease`" + ` | ` + "`submit`" + ` | claimed, ended (` + "`darkroom.lease.end`" + `: finished, handed_back, canceled, lost); one for each attempt |
| ` + "`probe`, `plan`, `captions`, `keys`, `transcode`, `package`, `upload`" + ` | ` + "`lease`" + ` | the steps of the worker, one ` + "`upload`" + ` for each object |
| ` + "`finish`" + ` | ` + "`lease`" + ` | the writing down of the end |
| ` + "`job`" + ` | ` + "`submit`" + ` | submitted, final |

Attributes: ` + "`darkroom.job.id`, `darkroom.queue`, `darkroom.attempt`, `aws.request_id`, `rpc.*`, `http.*` and `error.type`" + ` of the semantic conventions; ` + "`aws.s3.bucket`" + ` and
` + "`aws.s3.key`" + ` only with ` + "`object_names`" + `. The worker dials nobody for it: it tells of its steps in its reports, as durations and counts, and the control plane makes the
spans. Steps that were not yet reported when a worker dies are not seen; its lease is. At most `)
	fmt.Fprintf(&b, "8192 spans wait for a collector that is slow or away; nothing waits for it, and\n`darkroom_spans_total{outcome=\"dropped\"}` counts what was lost.\n")
	return b.Bytes()
}

func labels(d Definition) string {
	if len(d.Labels) == 0 {
		return ""
	}
	return "`" + strings.Join(d.Labels, "`, `") + "`"
}
