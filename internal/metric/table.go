package metric

// Type is a metric's type, as Prometheus has it.
type Type string

// The types.
const (
	Counter   Type = "counter"
	Gauge     Type = "gauge"
	Histogram Type = "histogram"
)

// Definition is a row of the table of metrics, which docs/metrics.md is made from.
type Definition struct {
	Name   string
	Type   Type
	Labels []string
	Unit   string
	Help   string
	// CloudWatch is the name of MediaConvert's metric that it is, Dimension its dimension, and Differs what is not the same.
	CloudWatch, Dimension, Differs string

	buckets []float64
}

// The buckets of histograms, in seconds where nothing else is said.
var (
	requestBuckets = []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 10, 60}
	commitBuckets  = []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, 1, 5}
	workBuckets    = []float64{.01, .05, .1, .5, 1, 5, 15, 60, 300, 900, 3600, 4 * 3600, 16 * 3600}
	keyBuckets     = []float64{.01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30}
	changeBuckets  = []float64{1, 2, 4, 8, 16, 32, 64, 128}                                      // changes
	factorBuckets  = []float64{.1, .25, .5, 1, 2, 4, 8, 16, 32, 64}                              // seconds of media a second
	rateBuckets    = []float64{8e3, 25e3, 62.5e3, 125e3, 250e3, 500e3, 1e6, 2e6, 4e6, 8e6, 32e6} // bytes a second
)

// The units.
const (
	seconds = "seconds"
	inBytes = "bytes"
	count   = "1"
)

const (
	perQueue     = "Queue"
	perOperation = "Operation"
	milliseconds = "in seconds, where MediaConvert has milliseconds"
	spread       = "a histogram, where MediaConvert sends one value for each job"
)

// Table is every metric that is Darkroom's own. Those of the Go runtime and of the process (go_*, process_*) are client_golang's.
var Table = []Definition{
	// MediaConvert's own ("List of MediaConvert CloudWatch metrics", AWS Elemental MediaConvert User Guide).
	{Name: "mediaconvert_errors_total", Type: Counter, Labels: []string{"operation"}, Unit: count, Help: "Calls of the MediaConvert API that were answered with an error.", CloudWatch: "Errors", Dimension: perOperation, Differs: "counts every operation"},
	{Name: "mediaconvert_audio_output_duration_seconds_total", Type: Counter, Labels: []string{"queue"}, Unit: seconds, Help: "Duration of outputs without a picture, of complete jobs.", CloudWatch: "AudioOutputDuration", Dimension: perQueue, Differs: milliseconds + "; an output of captions alone counts as audio"},
	{Name: "mediaconvert_sd_output_duration_seconds_total", Type: Counter, Labels: []string{"queue"}, Unit: seconds, Help: "Duration of outputs of fewer than 1280x720 pixels, of complete jobs.", CloudWatch: "SDOutputDuration", Dimension: perQueue, Differs: milliseconds},
	{Name: "mediaconvert_hd_output_duration_seconds_total", Type: Counter, Labels: []string{"queue"}, Unit: seconds, Help: "Duration of outputs of 1280x720 to 1920x1080 pixels, of complete jobs.", CloudWatch: "HDOutputDuration", Dimension: perQueue, Differs: milliseconds},
	{Name: "mediaconvert_uhd_output_duration_seconds_total", Type: Counter, Labels: []string{"queue"}, Unit: seconds, Help: "Duration of outputs of more pixels, up to 4096x2160, of complete jobs.", CloudWatch: "UHDOutputDuration", Dimension: perQueue, Differs: milliseconds},
	{Name: "mediaconvert_8k_output_duration_seconds_total", Type: Counter, Labels: []string{"queue"}, Unit: seconds, Help: "Duration of outputs of more than 4096x2160 pixels, of complete jobs.", CloudWatch: "8KOutputDuration", Dimension: perQueue, Differs: milliseconds},
	{Name: "mediaconvert_jobs_completed_total", Type: Counter, Labels: []string{"queue"}, Unit: count, Help: "Jobs that are complete.", CloudWatch: "JobsCompletedCount", Dimension: perQueue},
	{Name: "mediaconvert_jobs_canceled_total", Type: Counter, Labels: []string{"queue"}, Unit: count, Help: "Jobs that were canceled.", CloudWatch: "JobsCanceled", Dimension: perQueue},
	{Name: "mediaconvert_jobs_errored_total", Type: Counter, Labels: []string{"queue"}, Unit: count, Help: "Jobs that failed.", CloudWatch: "JobsErroredCount", Dimension: perQueue, Differs: "counts every failed job, whoever is at fault"},
	{Name: "mediaconvert_standby_time_seconds", Type: Histogram, Labels: []string{"queue"}, Unit: seconds, Help: "Time from the submission of a job to its start.", CloudWatch: "StandbyTime", Dimension: perQueue, Differs: milliseconds + "; " + spread + "; sent when the job starts, not when it ends", buckets: workBuckets},
	{Name: "mediaconvert_transcoding_time_seconds", Type: Histogram, Labels: []string{"queue"}, Unit: seconds, Help: "Time from the start of a job to its completion.", CloudWatch: "TranscodingTime", Dimension: perQueue, Differs: milliseconds + "; " + spread, buckets: workBuckets},
	{Name: "mediaconvert_avg_bitrate_top_bytes_per_second", Type: Histogram, Labels: []string{"queue"}, Unit: "bytes a second", Help: "Average rate of the output with the highest rate, of each output group with pictures of complete jobs.", CloudWatch: "AvgBitrateTop", Dimension: perQueue, Differs: "in bytes a second, where MediaConvert has bits: multiply by 8; " + spread, buckets: rateBuckets},
	{Name: "mediaconvert_avg_bitrate_bottom_bytes_per_second", Type: Histogram, Labels: []string{"queue"}, Unit: "bytes a second", Help: "Average rate of the output with the lowest rate, of each output group with pictures of complete jobs.", CloudWatch: "AvgBitrateBottom", Dimension: perQueue, Differs: "in bytes a second, where MediaConvert has bits: multiply by 8; " + spread, buckets: rateBuckets},

	// The way in.
	{Name: "darkroom_requests_total", Type: Counter, Labels: []string{"service", "operation", "class"}, Unit: count, Help: "Requests by service, operation and class of status (2xx to 5xx)."},
	{Name: "darkroom_request_duration_seconds", Type: Histogram, Labels: []string{"service", "operation"}, Unit: seconds, Help: "Time from the headers of a request to the end of its answer.", buckets: requestBuckets},
	{Name: "darkroom_request_bytes_total", Type: Counter, Labels: []string{"service", "direction"}, Unit: inBytes, Help: "Bytes of bodies, in and out."},
	{Name: "darkroom_refusals_total", Type: Counter, Labels: []string{"service", "reason"}, Unit: count, Help: "Requests that were refused or failed, by the kind of reason."},

	// Jobs and their queues.
	{Name: "darkroom_jobs_submitted_total", Type: Counter, Labels: []string{"queue"}, Unit: count, Help: "Jobs that were submitted; a repeated request submits none."},
	{Name: "darkroom_queue_depth", Type: Gauge, Labels: []string{"queue"}, Unit: count, Help: "Jobs that wait for a worker, read from the records at each scrape. No more than 100000 are counted of a queue."},
	{Name: "darkroom_queue_running", Type: Gauge, Labels: []string{"queue"}, Unit: count, Help: "Jobs that a worker has, read from the records at each scrape."},
	{Name: "darkroom_queue_oldest_age_seconds", Type: Gauge, Labels: []string{"queue"}, Unit: seconds, Help: "Age of the oldest job that waits, read from the records at each scrape; 0 when none does."},
	{Name: "darkroom_lease_ends_total", Type: Counter, Labels: []string{"end"}, Unit: count, Help: "Leases that ended: finished, handed_back, canceled, lost."},
	{Name: "darkroom_job_real_time_factor", Type: Histogram, Unit: "1", Help: "Seconds of input that were transcoded in a second, of complete jobs.", buckets: factorBuckets},

	// Workers.
	{Name: "darkroom_worker_up", Type: Gauge, Unit: count, Help: "Whether the local worker answers; 0 where there is none."},
	{Name: "darkroom_worker_restarts_total", Type: Counter, Unit: count, Help: "Times that the local worker died and was started again."},
	{Name: "darkroom_step_duration_seconds", Type: Histogram, Labels: []string{"step"}, Unit: seconds, Help: "Time of the steps of jobs: probe, plan, captions, keys, transcode, package, upload.", buckets: workBuckets},
	{Name: "darkroom_step_failures_total", Type: Counter, Labels: []string{"step"}, Unit: count, Help: "Steps that failed."},
	{Name: "darkroom_steps_dropped_total", Type: Counter, Unit: count, Help: "Steps that a worker did not tell of, because too many waited."},
	{Name: "darkroom_media_bytes_total", Type: Counter, Labels: []string{"direction"}, Unit: inBytes, Help: "Bytes of inputs read and of outputs written by jobs."},
	{Name: "darkroom_sandbox_failures_total", Type: Counter, Labels: []string{"cause"}, Unit: count, Help: "Programs of jobs that ended badly in the sandbox, by cause."},

	// Doors.
	{Name: "darkroom_egress_dials_total", Type: Counter, Labels: []string{"purpose", "outcome"}, Unit: count, Help: "Outgoing connections by purpose: connected, failed, denied."},
	{Name: "darkroom_key_request_duration_seconds", Type: Histogram, Unit: seconds, Help: "Time that a key server took to answer with content keys, or to fail.", buckets: keyBuckets},
	{Name: "darkroom_key_request_failures_total", Type: Counter, Unit: count, Help: "Requests to key servers that gave no content keys."},

	// Records, audit, events.
	{Name: "darkroom_store_commit_duration_seconds", Type: Histogram, Unit: seconds, Help: "Time of a transaction of the records, until it is durable.", buckets: commitBuckets},
	{Name: "darkroom_store_commit_changes", Type: Histogram, Unit: count, Help: "Changes that shared a transaction.", buckets: changeBuckets},
	{Name: "darkroom_store_commit_failures_total", Type: Counter, Unit: count, Help: "Transactions that failed."},
	{Name: "darkroom_audit_index_failures_total", Type: Counter, Unit: count, Help: "Times that the audit trail could not be indexed. Its records are found one by one until it can."},
	{Name: "darkroom_audit_records_total", Type: Counter, Unit: count, Help: "Records of the audit trail that were written or concluded."},
	{Name: "darkroom_audit_write_duration_seconds", Type: Histogram, Unit: seconds, Help: "Time of the transactions that had records of the audit trail in them.", buckets: commitBuckets},
	{Name: "darkroom_trail_lag_seconds", Type: Gauge, Unit: seconds, Help: "Age of the oldest audit record that a trail has still to deliver, of the trail that is furthest behind; 0 when all is delivered. Up to the period of delivery is usual."},
	{Name: "darkroom_trails_failing", Type: Gauge, Unit: count, Help: "Trails that cannot deliver log files or digests now."},
	{Name: "darkroom_outbox_events", Type: Gauge, Unit: count, Help: "Events of jobs that rules have not yet been asked about, read from the records at each scrape. No more than 100000 are counted."},
	{Name: "darkroom_outbox_oldest_age_seconds", Type: Gauge, Unit: seconds, Help: "Age of the oldest of them; 0 when there is none."},
	{Name: "darkroom_event_deliveries_total", Type: Counter, Labels: []string{"target", "outcome"}, Unit: count, Help: "Attempts to deliver events by type of target: delivered, failed, refused, dead_letter."},
	{Name: "darkroom_event_delivery_oldest_age_seconds", Type: Gauge, Labels: []string{"target"}, Unit: seconds, Help: "Age of the oldest event that is still to be delivered, by type of target."},

	// This package and traces.
	{Name: "darkroom_build_info", Type: Gauge, Labels: []string{"version"}, Unit: count, Help: "1; the label says which version runs."},
	{Name: "darkroom_spans_total", Type: Counter, Labels: []string{"outcome"}, Unit: count, Help: "Spans of traces: exported, failed (the collector did not take them), dropped (the queue was full)."},
	{Name: "darkroom_label_overflow_total", Type: Counter, Labels: []string{"label"}, Unit: count, Help: "Times that a value of a label was counted under other, because there are too many."},
	{Name: "darkroom_scrape_failures_total", Type: Counter, Labels: []string{"source"}, Unit: count, Help: "Times that what is read at a scrape could not be read: its metrics are missing from that scrape."},
}

// NotOffered are the metrics of MediaConvert that have no counterpart, and why.
var NotOffered = []struct{ CloudWatch, Why string }{
	{"BlackVideoDetected", "black frames are not looked for"},
	{"BlackVideoDetectedRatio", "black frames are not looked for"},
	{"LongestBlackSegmentDetected", "black frames are not looked for"},
	{"VideoPaddingInserted", "no frames are inserted to pad a picture"},
	{"VideoPaddingInsertedRatio", "no frames are inserted to pad a picture"},
	{"QVBRAvgQualityHighBitrate", "the encoders do not report a quality on MediaConvert's scale"},
	{"QVBRAvgQualityLowBitrate", "the encoders do not report a quality on MediaConvert's scale"},
	{"QVBRMinQualityHighBitrate", "the encoders do not report a quality on MediaConvert's scale"},
	{"QVBRMinQualityLowBitrate", "the encoders do not report a quality on MediaConvert's scale"},
}
