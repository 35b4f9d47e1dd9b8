package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/mediaconvert"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

type rung struct {
	width, height, rate int
	constant            bool // the rate is held, with filler if need be
}

func (r rung) control() string {
	if r.constant {
		return fmt.Sprintf(`{"RateControlMode": "CBR", "Bitrate": %d}`, r.rate)
	}
	return fmt.Sprintf(`{"RateControlMode": "QVBR", "MaxBitrate": %d}`, r.rate)
}

var rungs = []rung{{1920, 1080, 5_000_000, false}, {1280, 720, 3_000_000, false}, {960, 540, 1_800_000, false}, {640, 360, 900_000, false}}

const sound = `"AudioDescriptions": [{"CodecSettings": {"Codec": "AAC", "AacSettings": {"Bitrate": 128000, "CodingMode": "CODING_MODE_2_0", "SampleRate": 48000}}}]`

func output(r rung, name, container string) string {
	return fmt.Sprintf(`{"NameModifier": "%s", "ContainerSettings": {"Container": "%s"}, "VideoDescription": {"Width": %d, "Height": %d, "CodecSettings": {"Codec": "H_264", "H264Settings": %s}}, %s}`,
		name, container, r.width, r.height, r.control(), sound)
}

// job are the settings of an HLS ladder of the rungs, and an MP4 of the first.
func job(rungs []rung, input, destination string) string {
	var hls []string
	for _, r := range rungs {
		hls = append(hls, output(r, fmt.Sprintf("_%d", r.height), "M3U8"))
	}
	return fmt.Sprintf(`{"Inputs": [{"FileInput": "%s", "AudioSelectors": {"Audio Selector 1": {"DefaultSelection": "DEFAULT"}}}], "OutputGroups": [
		{"OutputGroupSettings": {"Type": "HLS_GROUP_SETTINGS", "HlsGroupSettings": {"Destination": "%[2]s/hls/", "SegmentLength": 4, "MinSegmentLength": 0}}, "Outputs": [%[3]s]},
		{"OutputGroupSettings": {"Type": "FILE_GROUP_SETTINGS", "FileGroupSettings": {"Destination": "%[2]s/mp4/"}}, "Outputs": [%[4]s]}]}`,
		input, destination, strings.Join(hls, ", "), output(rungs[0], "_mp4", "MP4"))
}

// byHand is the best single command that we know of for the same renditions: decoded once, each encoded once with the same settings of the
// encoder, the highest muxed twice.
func byHand(input, dir string) []string {
	args := []string{
		"-v", "error", "-y", "-i", input, "-filter_complex",
		"[0:v]fps=30,split=4[a][b][c][d];[a]format=yuv420p[v0];[b]scale=1280:720:flags=bicubic,format=yuv420p[v1];[c]scale=960:540:flags=bicubic,format=yuv420p[v2];[d]scale=640:360:flags=bicubic,format=yuv420p[v3]",
	}
	encode := func(i int) []string {
		rate := rungs[i].rate
		crf := "22.5"
		if i == 0 {
			crf = "21"
		}
		return []string{
			"-map", fmt.Sprintf("[v%d]", i), "-map", "0:a", "-c:v", "libx264", "-preset", "medium", "-profile:v", "main", "-crf", crf,
			"-maxrate", fmt.Sprint(rate), "-bufsize", fmt.Sprint(2 * rate), "-force_key_frames", "expr:eq(mod(n,60),0)",
			"-x264-params", "keyint=infinite:scenecut=40:min-keyint=6:bframes=3:b-adapt=1:ref=3", "-c:a", "aac", "-b:a", "128k", "-flags", "+global_header",
		}
	}
	for i, r := range rungs {
		args = append(args, encode(i)...)
		hls := filepath.Join(dir, fmt.Sprintf("hls_%d.m3u8", r.height))
		if i == 0 {
			args = append(args, "-f", "tee", "[f=hls:hls_time=4:hls_playlist_type=vod]"+hls+"|[f=mp4:movflags=+faststart]"+filepath.Join(dir, "film.mp4"))
			continue
		}
		args = append(args, "-f", "hls", "-hls_time", "4", "-hls_playlist_type", "vod", hls)
	}
	return args
}

// ladder: one 1080p source to a ladder of four rungs in HLS and an MP4.
func (b *bench) ladder() error {
	seconds := 20
	if b.quick {
		seconds = 2
	}
	film, err := b.film("film.mp4", 1920, 1080, seconds)
	if err != nil {
		return err
	}
	s, err := b.serve()
	if err != nil {
		return err
	}
	defer s.stop()
	if err := s.upload(b.ctx, "films", "film.mp4", film); err != nil {
		return err
	}
	var ours, peer []time.Duration
	for i := range b.rounds {
		start := time.Now()
		id, err := s.submit(b.ctx, job(rungs, "s3://films/film.mp4", fmt.Sprintf("s3://films/out%d", i)))
		if err != nil {
			return err
		}
		if err := s.finish(b.ctx, id, nil); err != nil {
			return err
		}
		ours = append(ours, time.Since(start))
		dir, err := os.MkdirTemp(b.dir, "hand-")
		if err != nil {
			return err
		}
		start = time.Now()
		if err := b.command("ffmpeg", byHand(film, dir)...); err != nil {
			return err
		}
		peer = append(peer, time.Since(start))
	}
	row(fmt.Sprintf("a %d s 1080p source to four rungs in HLS and an MP4, from CreateJob to COMPLETE", seconds),
		fmt.Sprintf("%.1f s", median(ours).Seconds()), fmt.Sprintf("%.1f s: one ffmpeg command by hand, files on disk", median(peer).Seconds()),
		fmt.Sprintf("%.3f", median(ours).Seconds()/median(peer).Seconds()))
	return nil
}

// start: from the request of a CreateJob to its encoder's start.
func (b *bench) start() error {
	film, err := b.film("short.mp4", 320, 180, 2)
	if err != nil {
		return err
	}
	s, err := b.serve()
	if err != nil {
		return err
	}
	defer s.stop()
	if err := s.upload(b.ctx, "films", "short.mp4", film); err != nil {
		return err
	}
	var ours, peer []time.Duration
	for i := range 7 * b.rounds {
		start := time.Now()
		id, err := s.submit(b.ctx, job([]rung{{320, 180, 300_000, false}}, "s3://films/short.mp4", fmt.Sprintf("s3://films/out%d", i)))
		if err != nil {
			return err
		}
		at, err := s.started(b.ctx, id)
		if err != nil {
			return err
		}
		ours = append(ours, at.Sub(start))
		if err := s.finish(b.ctx, id, nil); err != nil {
			return err
		}
		start = time.Now()
		if err := b.command("ffprobe", "-v", "error", "-show_streams", "-show_format", film); err != nil {
			return err
		}
		peer = append(peer, time.Since(start))
	}
	row("CreateJob to encoder started, median (stored, claimed, probed, planned)", fmt.Sprintf("%d ms, p99 %d ms", median(ours).Milliseconds(), percentile(ours, 99).Milliseconds()),
		fmt.Sprintf("%d ms: ffprobe alone, without a sandbox", median(peer).Milliseconds()), fmt.Sprintf("%.2f", median(ours).Seconds()/median(peer).Seconds()))
	return nil
}

// together has 8 clients call f until the time is over.
func together(ctx context.Context, d time.Duration, f func(ctx context.Context, n int) error) (rate float64, each []time.Duration, err error) {
	return togetherOf(ctx, 8, d, f)
}

// togetherOf has some clients call f until the time is over.
func togetherOf(ctx context.Context, clients int, d time.Duration, f func(ctx context.Context, n int) error) (rate float64, each []time.Duration, err error) {
	var mu sync.Mutex // guards each and errs
	var errs []error
	var all sync.WaitGroup
	start := time.Now()
	for client := range clients {
		all.Go(func() {
			for n := 0; time.Since(start) < d && ctx.Err() == nil; n++ {
				began := time.Now()
				err := f(ctx, client*1_000_000+n)
				mu.Lock()
				each = append(each, time.Since(began))
				if err != nil {
					errs = append(errs, err)
				}
				mu.Unlock()
				if err != nil {
					return
				}
			}
		})
	}
	all.Wait()
	return float64(len(each)) / time.Since(start).Seconds(), each, errors.Join(errs...)
}

// createJob: signed, checked and on disk, at 8 clients. The worker stands still meanwhile.
func (b *bench) createJob() error {
	d := 5 * time.Second
	if b.quick {
		d = time.Second
	}
	s, err := b.serve()
	if err != nil {
		return err
	}
	defer s.stop()
	worker, err := s.worker()
	if err != nil {
		return err
	}
	if err := syscall.Kill(worker, syscall.SIGSTOP); err != nil {
		return err
	}
	settings := job(rungs, "s3://films/film.mp4", "s3://films/out")
	id, err := s.submit(b.ctx, settings)
	if err != nil {
		return err
	}
	gets, got, err := together(b.ctx, d, func(ctx context.Context, _ int) error {
		_, err := s.jobs.GetJob(ctx, &mediaconvert.GetJobInput{Id: &id})
		return err
	})
	if err != nil {
		return err
	}
	ours, each, err := together(b.ctx, d, func(ctx context.Context, _ int) error {
		_, err := s.submit(ctx, settings)
		return err
	})
	if err != nil {
		return err
	}
	g, err := b.gateway()
	if err != nil {
		return err
	}
	defer g.stop()
	if _, err := g.objects.CreateBucket(b.ctx, &s3.CreateBucketInput{Bucket: aws.String("jobs")}); err != nil {
		return err
	}
	peer, theirs, err := together(b.ctx, d, func(ctx context.Context, n int) error {
		_, err := g.objects.PutObject(ctx, &s3.PutObjectInput{Bucket: aws.String("jobs"), Key: aws.String(fmt.Sprint(n)), Body: strings.NewReader(settings)})
		return err
	})
	if err != nil {
		return err
	}
	peerGets, peerGot, err := together(b.ctx, d, func(ctx context.Context, _ int) error {
		o, err := g.objects.GetObject(ctx, &s3.GetObjectInput{Bucket: aws.String("jobs"), Key: aws.String("0")})
		if err != nil {
			return err
		}
		_, err = io.Copy(io.Discard, o.Body)
		return errors.Join(err, o.Body.Close())
	})
	if err != nil {
		return err
	}
	row("GetJob at 8 clients (TLS, signed)", fmt.Sprintf("%.0f/s, p99 %.1f ms", gets, percentile(got, 99).Seconds()*1000),
		fmt.Sprintf("%.0f/s, p99 %.1f ms: GetObject of the same text from versitygw (no TLS)", peerGets, percentile(peerGot, 99).Seconds()*1000), fmt.Sprintf("%.2f", gets/peerGets))
	row("CreateJob at 8 clients (TLS, signed, checked, fsynced)", fmt.Sprintf("%.0f/s, p99 %.1f ms", ours, percentile(each, 99).Seconds()*1000),
		fmt.Sprintf("%.0f/s, p99 %.1f ms: PutObject of the same text to versitygw (no TLS, no fsync)", peer, percentile(theirs, 99).Seconds()*1000), fmt.Sprintf("%.2f", ours/peer))
	return nil
}

// memory: of the server and its worker, at rest and while a film runs that is sixty times as long.
func (b *bench) memory() error {
	lengths := []int{10, 600}
	if b.quick {
		lengths = []int{2, 10}
	}
	s, err := b.serve()
	if err != nil {
		return err
	}
	defer s.stop()
	rest, err := s.resident()
	if err != nil {
		return err
	}
	var peaks, seen []int64
	for _, seconds := range lengths {
		film, err := b.film(fmt.Sprintf("long%d.mp4", seconds), 320, 180, seconds)
		if err != nil {
			return err
		}
		// The outputs are large enough to fill every buffer in the short run as well. A server of its own for each, so that neither pays for the other.
		one, err := b.serve()
		if err != nil {
			return err
		}
		if err := one.upload(b.ctx, "films", "film.mp4", film); err != nil {
			one.stop()
			return err
		}
		seen = nil
		id, err := one.submit(b.ctx, job([]rung{{320, 180, 8_000_000, true}, {160, 90, 300_000, false}}, "s3://films/film.mp4", "s3://films/out"))
		if err == nil {
			err = one.finish(b.ctx, id, func() {
				if r, err := one.resident(); err == nil {
					seen = append(seen, r)
				}
			})
		}
		one.stop()
		if err != nil {
			return err
		}
		peaks = append(peaks, slices.Max(append(seen, 0)))
	}
	row("resident memory of server and worker, at rest", mib(rest), "", "")
	if len(seen) < 2 {
		return errors.New("the job was too short to look at")
	}
	early, late := slices.Max(seen[:len(seen)/2]), slices.Max(seen[len(seen)/2:])
	row(fmt.Sprintf("the most of it in the second half of a job, source of %d s", lengths[1]), mib(late), fmt.Sprintf("%s: in the first half", mib(early)), fmt.Sprintf("%.2f", float64(late)/float64(early)))
	row(fmt.Sprintf("the most of it during a job, source of %d s", lengths[1]), mib(peaks[1]), fmt.Sprintf("%s: the same with a source of %d s", mib(peaks[0]), lengths[0]), fmt.Sprintf("%.2f", float64(peaks[1])/float64(peaks[0])))
	return nil
}

func mib(n int64) string { return fmt.Sprintf("%.0f MiB", float64(n)/(1<<20)) }

// objects: 1 GiB up and down, in parts of 16 MiB, four at a time, as the AWS CLI does it.
func (b *bench) objects() error {
	size := int64(1 << 30)
	if b.quick {
		size = 64 << 20
	}
	path := filepath.Join(b.dir, "gigabyte")
	if err := random(path, size); err != nil {
		return err
	}
	defer func() { _ = os.Remove(path) }()
	s, err := b.serve()
	if err != nil {
		return err
	}
	defer s.stop()
	g, err := b.gateway()
	if err != nil {
		return err
	}
	defer g.stop()
	clients := []*s3.Client{s.objects, g.objects}
	for _, c := range clients {
		if _, err := c.CreateBucket(b.ctx, &s3.CreateBucketInput{Bucket: aws.String("bytes")}); err != nil {
			return err
		}
	}
	var put, get [2][]time.Duration
	var cp []time.Duration
	down := filepath.Join(b.dir, "down")
	for range b.rounds {
		start := time.Now()
		if err := b.command("cp", path, down); err != nil {
			return err
		}
		if err := b.command("sync", down); err != nil {
			return err
		}
		cp = append(cp, time.Since(start))
		for i, c := range clients {
			start = time.Now()
			if err := putParts(b.ctx, c, path, size); err != nil {
				return err
			}
			put[i] = append(put[i], time.Since(start))
			start = time.Now()
			if err := getParts(b.ctx, c, down, size); err != nil {
				return err
			}
			get[i] = append(get[i], time.Since(start))
			if err := b.command("cmp", path, down); err != nil {
				return err
			}
		}
	}
	ratio := func(a, b []time.Duration) string { return fmt.Sprintf("%.2f", median(a).Seconds()/median(b).Seconds()) }
	for _, r := range []struct {
		what string
		took [2][]time.Duration
	}{{"put", put}, {"get", get}} {
		row(fmt.Sprintf("S3 %s of %d MiB (TLS, encrypted at rest, synced)", r.what, size>>20), fmt.Sprintf("%.2f s", median(r.took[0]).Seconds()), fmt.Sprintf("%.2f s: cp and sync", median(cp).Seconds()), ratio(r.took[0], cp))
		row("the same, as a share of the peer's speed", fmt.Sprintf("%.2f s", median(r.took[0]).Seconds()),
			fmt.Sprintf("%.2f s: versitygw (no TLS, in the clear, not synced)", median(r.took[1]).Seconds()), ratio(r.took[1], r.took[0]))
	}
	return nil
}

func random(path string, size int64) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	if _, err := io.CopyN(f, rand.Reader, size); err != nil {
		return errors.Join(err, f.Close())
	}
	return f.Close()
}

const partSize = 16 << 20

// parts runs f for each part of size, four at a time.
func parts(size int64, f func(number int32, offset, length int64) error) error {
	var all sync.WaitGroup
	slots := make(chan struct{}, 4)
	errs := make(chan error, size/partSize+1)
	for offset := int64(0); offset < size; offset += partSize {
		slots <- struct{}{}
		all.Go(func() {
			errs <- f(int32(offset/partSize)+1, offset, min(partSize, size-offset))
			<-slots
		})
	}
	all.Wait()
	close(errs)
	var first error
	for err := range errs {
		first = errors.Join(first, err)
	}
	return first
}

func putParts(ctx context.Context, c *s3.Client, path string, size int64) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	bucket, key := aws.String("bytes"), aws.String("gigabyte")
	up, err := c.CreateMultipartUpload(ctx, &s3.CreateMultipartUploadInput{Bucket: bucket, Key: key})
	if err != nil {
		return err
	}
	var mu sync.Mutex // guards done
	var done []types.CompletedPart
	err = parts(size, func(number int32, offset, length int64) error {
		o, err := c.UploadPart(ctx, &s3.UploadPartInput{Bucket: bucket, Key: key, UploadId: up.UploadId, PartNumber: &number, Body: io.NewSectionReader(f, offset, length), ContentLength: &length})
		if err != nil {
			return err
		}
		mu.Lock()
		defer mu.Unlock()
		done = append(done, types.CompletedPart{PartNumber: &number, ETag: o.ETag})
		return nil
	})
	if err != nil {
		return err
	}
	slices.SortFunc(done, func(a, b types.CompletedPart) int { return int(*a.PartNumber - *b.PartNumber) })
	_, err = c.CompleteMultipartUpload(ctx, &s3.CompleteMultipartUploadInput{Bucket: bucket, Key: key, UploadId: up.UploadId, MultipartUpload: &types.CompletedMultipartUpload{Parts: done}})
	return err
}

func getParts(ctx context.Context, c *s3.Client, path string, size int64) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	err = parts(size, func(_ int32, offset, length int64) error {
		o, err := c.GetObject(ctx, &s3.GetObjectInput{Bucket: aws.String("bytes"), Key: aws.String("gigabyte"), Range: aws.String(fmt.Sprintf("bytes=%d-%d", offset, offset+length-1))})
		if err != nil {
			return err
		}
		_, err = io.Copy(io.NewOffsetWriter(f, offset), o.Body)
		return errors.Join(err, o.Body.Close())
	})
	return errors.Join(err, f.Sync(), f.Close())
}
