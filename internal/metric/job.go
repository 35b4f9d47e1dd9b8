package metric

import (
	"slices"

	"darkroom/internal/job"
	"darkroom/internal/lease"
)

// begin makes what has labels of this program's own, so that it is there before the first of its kind.
func (s *Set) begin() {
	for _, e := range lease.Ends {
		s.counter("darkroom_lease_ends_total", string(e))
	}
	for _, k := range lease.StepKinds {
		s.histograms["darkroom_step_duration_seconds"].WithLabelValues(string(k))
		s.counter("darkroom_step_failures_total", string(k))
	}
	for _, c := range lease.Causes {
		s.counter("darkroom_sandbox_failures_total", string(c))
	}
	for _, d := range []string{"read", "written"} {
		s.counter("darkroom_media_bytes_total", d)
	}
	for _, o := range []string{SpansExported, SpansFailed, SpansDropped} {
		s.counter("darkroom_spans_total", o)
	}
}

// ofQueue are the metrics that a queue has from its first job on.
var ofQueue = []string{
	"darkroom_jobs_submitted_total", "mediaconvert_jobs_completed_total", "mediaconvert_jobs_canceled_total", "mediaconvert_jobs_errored_total",
	"mediaconvert_audio_output_duration_seconds_total", "mediaconvert_sd_output_duration_seconds_total", "mediaconvert_hd_output_duration_seconds_total",
	"mediaconvert_uhd_output_duration_seconds_total", "mediaconvert_8k_output_duration_seconds_total",
}

// queue is the label of a queue.
func (s *Set) queue(arn string) string { return s.queues.of(arn) }

// Submitted counts a job that was recorded.
func (s *Set) Submitted(j *job.Job) {
	q := s.queue(j.Queue)
	for _, name := range ofQueue {
		s.counter(name, q)
	}
	s.counter("darkroom_jobs_submitted_total", q).Inc()
}

// Claimed counts a lease that was given: the first of a job ends its time in standby.
func (s *Set) Claimed(a lease.Attempt) {
	if a.Job.Started.Equal(a.Claimed) {
		s.observe("mediaconvert_standby_time_seconds", since(a.Job.Submitted, a.Job.Started), s.queue(a.Job.Queue))
	}
}

// Measured counts what is new of what a worker has measured.
func (s *Set) Measured(m lease.Measured) {
	s.counter("darkroom_media_bytes_total", "read").Add(float64(max(0, m.Read)))
	s.counter("darkroom_media_bytes_total", "written").Add(float64(max(0, m.Written)))
	s.counter("darkroom_steps_dropped_total").Add(float64(max(0, m.Dropped)))
	for _, step := range m.Steps {
		if !slices.Contains(lease.StepKinds, step.Kind) {
			continue // a worker makes no labels
		}
		s.observe("darkroom_step_duration_seconds", since(step.Began, step.Ended), string(step.Kind))
		if step.Failed {
			s.counter("darkroom_step_failures_total", string(step.Kind)).Inc()
		}
		if slices.Contains(lease.Causes, step.Cause) {
			s.counter("darkroom_sandbox_failures_total", string(step.Cause)).Inc()
		}
	}
}

// Released counts a lease that has ended.
func (s *Set) Released(how lease.End) { s.counter("darkroom_lease_ends_total", string(how)).Inc() }

// Ended counts a job that has come to a final status. r is what its worker said of it.
func (s *Set) Ended(j *job.Job, r lease.Result) {
	q := s.queue(j.Queue)
	switch j.Status {
	case job.Canceled:
		s.counter("mediaconvert_jobs_canceled_total", q).Inc()
	case job.Errored:
		s.counter("mediaconvert_jobs_errored_total", q).Inc()
	case job.Complete:
		s.counter("mediaconvert_jobs_completed_total", q).Inc()
		s.observe("mediaconvert_transcoding_time_seconds", since(j.Started, j.Finished), q)
		if m := r.Measured; m.Transcoding > 0 && m.Media > 0 {
			s.observe("darkroom_job_real_time_factor", m.Media.Seconds()/m.Transcoding.Seconds())
		}
		s.outputs(q, r)
	}
}

// The most pixels of a picture of each size.
const (
	belowHD = 1280 * 720
	mostHD  = 1920 * 1080
	mostUHD = 4096 * 2160
)

func (s *Set) outputs(q string, r lease.Result) {
	for _, g := range r.EventDetails {
		var top, bottom int64
		for _, o := range g.OutputDetails {
			size := "audio"
			if v := o.VideoDetails; v != nil {
				switch pixels := int64(v.WidthInPx) * int64(v.HeightInPx); {
				case pixels < belowHD:
					size = "sd"
				case pixels <= mostHD:
					size = "hd"
				case pixels <= mostUHD:
					size = "uhd"
				default:
					size = "8k"
				}
				if b := v.AverageBitrate; b > 0 {
					top = max(top, b)
					if bottom == 0 || b < bottom {
						bottom = b
					}
				}
			}
			s.counter("mediaconvert_"+size+"_output_duration_seconds_total", q).Add(max(0, float64(o.DurationInMs)/1000))
		}
		if top > 0 {
			s.observe("mediaconvert_avg_bitrate_top_bytes_per_second", float64(top)/8, q)
			s.observe("mediaconvert_avg_bitrate_bottom_bytes_per_second", float64(bottom)/8, q)
		}
	}
}
