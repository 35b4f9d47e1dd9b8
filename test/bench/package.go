package main

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"darkroom/internal/media"
	"darkroom/internal/mp4"
)

// The film of the packaging: 1080p of about 12 Mbit/s with a key frame every second, as often as it takes to have the size. It is encoded once and joined to itself.
const (
	packageSeconds = 24
	packageSize    = 470_000_000
	packageLength  = "4" // of a segment, seconds
	packageKeyID   = "00112233445566778899aabbccddeeff"
)

// packaging: finished files to packages on one core, against shaka-packager. Both read from memory and write to memory where there is room: a disk would be measured otherwise.
// Rates are of processor time, which other programs on the machine change less than the clock.
func (b *bench) packaging() error {
	const room = 4 * packageSize
	var fs unix.Statfs_t
	disk := b.dir
	if err := unix.Statfs("/dev/shm", &fs); err == nil && int64(fs.Bavail)*fs.Bsize > room {
		if b.dir, err = os.MkdirTemp("/dev/shm", "darkroom-bench-"); err != nil {
			return err
		}
		defer func() {
			_ = os.RemoveAll(b.dir)
			b.dir = disk
		}()
	}
	film, size, err := b.packageFilm()
	if err != nil {
		return err
	}
	key := filepath.Join(b.dir, "film.key")
	value := []byte("0123456789abcdef")
	if err := os.WriteFile(key, value, 0o600); err != nil {
		return err
	}
	ours := func(args ...string) func(out string) []string {
		return func(out string) []string {
			return append([]string{b.binary, "package", film, "--out", out, "--replace", "--segment-length", packageLength}, args...)
		}
	}
	encrypted := func(method string) []string {
		return []string{"--encrypt", method, "--key", packageKeyID + ":" + key, "--key-url", "https://keys.example.com/film"}
	}
	peer := func(single bool, args ...string) func(out string) []string {
		return func(out string) []string {
			stream := func(kind string) string {
				if single {
					return fmt.Sprintf("in=%s,stream=%s,output=%s/%s.mp4", film, kind, out, kind)
				}
				return fmt.Sprintf("in=%s,stream=%s,init_segment=%s/%s/init.mp4,segment_template=%s/%s/$Number%%05d$.m4s", film, kind, out, kind, out, kind)
			}
			all := []string{
				b.shaka, stream("video"), stream("audio"), "--segment_duration", packageLength,
				"--mpd_output", out + "/film.mpd", "--hls_master_playlist_output", out + "/film.m3u8", "--quiet",
			}
			if !single { // neither writes an index into a segment that has one fragment
				all = append(all, "--generate_sidx_in_media_segments=false", "--generate_static_live_mpd")
			}
			return append(all, args...)
		}
	}
	raw := func(scheme string) []string {
		return []string{"--enable_raw_key_encryption", "--keys", fmt.Sprintf("key_id=%s:key=%x", packageKeyID, value), "--protection_scheme", scheme, "--clear_lead", "0"}
	}
	runs := []*packageRun{
		{name: "clear", ours: ours("--cmaf"), peer: peer(false)},
		{name: "cbcs", ours: ours(append([]string{"--cmaf"}, encrypted("cbcs")...)...), peer: peer(false, raw("cbcs")...)},
		{name: "cenc", ours: ours(append([]string{"--cmaf"}, encrypted("cenc")...)...), peer: peer(false, raw("cenc")...)},
		{name: "clear, one file for each track, with an index", ours: ours("--cmaf", "--single-file"), peer: peer(true)},
		{name: "TS, clear", ours: ours("--hls")},
		{name: "TS, AES-128", ours: ours(append([]string{"--hls"}, encrypted("aes-128")...)...)},
		{name: "TS, SAMPLE-AES", ours: ours(append([]string{"--hls"}, encrypted("sample-aes")...)...)},
	}
	for round := range 2*b.rounds + 1 {
		for i := range runs {
			r := runs[(i+round)%len(runs)]
			if err := b.packageOnce(&r.us, r.ours); err != nil {
				return err
			}
			if r.peer == nil {
				continue
			}
			if err := b.packageOnce(&r.them, r.peer); err != nil {
				return err
			}
		}
	}
	for _, r := range runs[:4] {
		row(fmt.Sprintf("%d MB of MP4 to CMAF, both manifests, one core: %s", size/1_000_000, r.name), r.us.String(size), r.them.String(size)+": shaka-packager",
			fmt.Sprintf("%.2f", median(r.them.busy).Seconds()/median(r.us.busy).Seconds()))
	}
	for _, r := range runs[1:3] {
		row("processor time of "+r.name, fmt.Sprintf("%.2f s", median(r.us.busy).Seconds()), fmt.Sprintf("%.2f s: clear", median(runs[0].us.busy).Seconds()),
			fmt.Sprintf("%.2f", median(r.us.busy).Seconds()/median(runs[0].us.busy).Seconds()))
	}
	limit := aesLimit()
	for _, r := range runs[4:] {
		row(fmt.Sprintf("%d MB of MP4 to HLS on one core: %s", size/1_000_000, r.name), r.us.String(size), fmt.Sprintf("%.0f MB/s: AES-128-CBC alone, of all bytes", limit), fmt.Sprintf("%.2f", rate(size, median(r.us.busy))/limit))
	}
	if err := b.packageMemory(disk, film, runs[0].us.peak); err != nil {
		return err
	}
	return b.oneMoreGroup()
}

// packageRun is a package that is made again and again, by us and by the peer.
type packageRun struct {
	name       string
	ours, peer func(out string) []string
	us, them   packageTimes
}

type packageTimes struct {
	took, busy []time.Duration
	peak       int64 // bytes
}

func rate(size int64, d time.Duration) float64 { return float64(size) / 1e6 / d.Seconds() }

func (t *packageTimes) String(size int64) string {
	return fmt.Sprintf("%.0f MB/s (%.0f by the clock), %s", rate(size, median(t.busy)), rate(size, median(t.took)), mib(t.peak))
}

// packageOnce makes a package on one core.
func (b *bench) packageOnce(t *packageTimes, command func(out string) []string) error {
	out := filepath.Join(b.dir, "package")
	if err := os.RemoveAll(out); err != nil {
		return err
	}
	if err := os.Mkdir(out, 0o755); err != nil {
		return err
	}
	cmd := exec.CommandContext(b.ctx, "taskset", append([]string{"-c", "0"}, command(out)...)...)
	start := time.Now()
	peak, err := watched(cmd)
	if err != nil {
		return err
	}
	t.took = append(t.took, time.Since(start))
	t.busy = append(t.busy, cmd.ProcessState.UserTime()+cmd.ProcessState.SystemTime())
	t.peak = max(t.peak, peak)
	return os.RemoveAll(out)
}

// watched runs a program and looks at its memory all the time: what the kernel says afterwards counts what it was forked from, too.
func watched(cmd *exec.Cmd) (peak int64, err error) {
	var said strings.Builder
	cmd.Stderr = &said
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case err := <-ended:
			if err != nil {
				err = fmt.Errorf("%v: %w: %s", cmd.Args, err, said.String())
			}
			return peak, err
		case <-tick.C:
			if high := highWater(cmd.Process.Pid); high > 0 {
				peak = high // it grows alone, but for the moment when the program takes the place of this one
			}
		}
	}
}

var highWaterLine = regexp.MustCompile(`VmHWM:\s+(\d+) kB`)

// highWater is the most memory that a process has had, 0 where it is not there any more.
func highWater(pid int) int64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	m := highWaterLine.FindSubmatch(text)
	if m == nil {
		return 0
	}
	kib, _ := strconv.ParseInt(string(m[1]), 10, 64)
	return kib << 10
}

func (b *bench) packageFilm() (string, int64, error) {
	one, film := filepath.Join(b.dir, "one.mp4"), filepath.Join(b.dir, "package.mp4")
	size, seconds := int64(packageSize), packageSeconds
	if b.quick {
		size, seconds = size/20, 4
	}
	err := b.command("ffmpeg", "-v", "error", "-y", "-f", "lavfi", "-i", fmt.Sprintf("testsrc2=s=1920x1080:r=30:d=%d,noise=alls=8:allf=t", seconds),
		"-f", "lavfi", "-i", fmt.Sprintf("sine=f=440:r=48000:d=%d", seconds), "-c:v", "libx264", "-preset", "veryfast", "-b:v", "12M", "-maxrate", "12M", "-bufsize", "12M", "-g", "30", "-sc_threshold", "0",
		"-bf", "2", "-pix_fmt", "yuv420p", "-c:a", "aac", "-ac", "2", "-b:a", "128k", one)
	if err != nil {
		return "", 0, err
	}
	st, err := os.Stat(one)
	if err != nil {
		return "", 0, err
	}
	if err := b.command("ffmpeg", "-v", "error", "-y", "-stream_loop", fmt.Sprint(max(0, size/st.Size()-1)), "-i", one, "-c", "copy", "-movflags", "+faststart", film); err != nil {
		return "", 0, err
	}
	if st, err = os.Stat(film); err != nil {
		return "", 0, err
	}
	return film, st.Size(), os.Remove(one)
}

// aesLimit is how many megabytes a second AES-128 in CBC encrypts on one core, which is all that whole segments can be encrypted at: each block waits for the one before.
func aesLimit() float64 {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	block, err := aes.NewCipher(make([]byte, 16))
	if err != nil {
		panic(err) // the key has 16 bytes
	}
	data := make([]byte, 4<<20)
	var each []time.Duration
	for range 50 {
		start := time.Now()
		cipher.NewCBCEncrypter(block, make([]byte, aes.BlockSize)).CryptBlocks(data, data)
		each = append(each, time.Since(start))
	}
	return rate(int64(len(data)), slices.Min(each))
}

// packageMemory: what a long film takes. Its pictures are holes in a sparse file, as the packager does not look into clear ones; its tables, and every byte that is
// written, are there.
func (b *bench) packageMemory(disk, like string, short int64) error {
	const hours = 2
	size := int64(20 << 30)
	if b.quick {
		size /= 100
	}
	film := filepath.Join(disk, "long.mp4")
	if err := longFilm(film, like, size, hours*time.Hour); err != nil {
		return err
	}
	defer func(memory string) { b.dir = memory }(b.dir)
	b.dir = disk
	var t packageTimes
	if err := b.packageOnce(&t, func(out string) []string {
		return []string{b.binary, "package", film, "--out", out, "--dash", "--segment-length", packageLength}
	}); err != nil {
		return err
	}
	row(fmt.Sprintf("the most memory of packaging a film of %.1f GiB", float64(size)/(1<<30)), mib(t.peak), fmt.Sprintf("%s: of one of %d MB", mib(short), packageSize/1_000_000), fmt.Sprintf("%.2f", float64(t.peak)/float64(short)))
	return nil
}

// longFilm writes the tables of a film with the tracks of another, and leaves its media out.
func longFilm(path, like string, size int64, length time.Duration) error {
	source, err := os.Open(like)
	if err != nil {
		return err
	}
	defer func() { _ = source.Close() }()
	st, err := source.Stat()
	if err != nil {
		return err
	}
	f, err := mp4.Open(source, st.Size())
	if err != nil {
		return err
	}
	const perSecond = 30
	random := rand.New(rand.NewPCG(1, 2))
	var tables []*mp4.Table
	at := int64(0)
	pictures := int(length.Seconds()) * perSecond
	const keyFrames = 4 // times as large as others
	mean := size / int64(pictures) * perSecond / (perSecond + keyFrames - 1)
	blank := make([]byte, 2*keyFrames*(mean+1))
	add := func(t *media.Track, table *mp4.Table, n int, bytes int64, duration uint32, sync bool) error {
		s := media.Sample{DecodeTime: int64(n) * int64(duration), Duration: duration, Sync: sync, Data: blank[:bytes]}
		if err := table.Sample(&s); err != nil {
			return err
		}
		table.Chunk(at)
		at += bytes
		return nil
	}
	tracks := f.Tracks()
	for _, t := range tracks {
		tables = append(tables, mp4.NewTable(t))
	}
	for n := range pictures {
		for i, t := range tracks {
			switch t.Kind {
			case media.Video:
				bytes := mean/2 + random.Int64N(mean)
				if n%perSecond == 0 {
					bytes *= keyFrames
				}
				err = add(t, tables[i], n, bytes, t.Timescale/perSecond, n%perSecond == 0)
			case media.Audio:
				for k := n * 48000 / perSecond / 1024; k < (n+1)*48000/perSecond/1024 && err == nil; k++ {
					err = add(t, tables[i], k, 340, 1024, true)
				}
			}
			if err != nil {
				return err
			}
		}
	}
	head, tail, err := mp4.Encode(tables, at, mp4.Options{})
	if err != nil {
		return err
	}
	out, err := os.Create(path)
	if err != nil {
		return err
	}
	_, err = out.Write(head)
	if err == nil {
		_, err = out.WriteAt(tail, int64(len(head))+at)
	}
	return errors.Join(err, out.Truncate(int64(len(head))+at+int64(len(tail))), out.Close())
}

// oneMoreGroup: a job whose renditions go into one group, and into another one too.
func (b *bench) oneMoreGroup() error {
	seconds := 20
	if b.quick {
		seconds = 2
	}
	film, err := b.film("group.mp4", 1280, 720, seconds)
	if err != nil {
		return err
	}
	fmp4 := func(container string) string {
		outputs := make([]string, 0, 3)
		for _, r := range rungs[1:3] {
			outputs = append(outputs, strings.Replace(output(r, fmt.Sprintf("_%d", r.height), container), ", "+sound, "", 1))
		}
		return strings.Join(append(outputs, fmt.Sprintf(`{"NameModifier": "_s", "ContainerSettings": {"Container": "%s"}, %s}`, container, sound)), ", ")
	}
	groups := []string{
		fmt.Sprintf(`{"OutputGroupSettings": {"Type": "CMAF_GROUP_SETTINGS", "CmafGroupSettings": {"Destination": "s3://films/cmaf/", "SegmentLength": 4, "FragmentLength": 2}}, "Outputs": [%s]}`, fmp4("CMFC")),
		fmt.Sprintf(`{"OutputGroupSettings": {"Type": "DASH_ISO_GROUP_SETTINGS", "DashIsoGroupSettings": {"Destination": "s3://films/dash/", "SegmentLength": 4, "FragmentLength": 2}}, "Outputs": [%s]}`, fmp4("MPD")),
	}
	var took, busy [2][]time.Duration
	for range b.rounds {
		for n := range took {
			text := fmt.Sprintf(`{"Inputs": [{"FileInput": "s3://films/%s", "AudioSelectors": {"Audio Selector 1": {"DefaultSelection": "DEFAULT"}}}], "OutputGroups": [%s]}`,
				filepath.Base(film), strings.Join(groups[:n+1], ", "))
			if !json.Valid([]byte(text)) {
				return fmt.Errorf("not JSON: %s", text)
			}
			job := filepath.Join(b.dir, "group.json")
			if err := os.WriteFile(job, []byte(text), 0o600); err != nil {
				return err
			}
			cmd := exec.CommandContext(b.ctx, b.binary, "run", job, "--bucket", "films="+b.dir)
			start := time.Now()
			if out, err := cmd.CombinedOutput(); err != nil {
				return fmt.Errorf("%w: %s", err, out)
			}
			took[n] = append(took[n], time.Since(start))
			busy[n] = append(busy[n], cmd.ProcessState.UserTime()+cmd.ProcessState.SystemTime())
		}
	}
	for _, m := range []struct {
		what string
		of   [2][]time.Duration
	}{{"", took}, {", processor time", busy}} {
		row(fmt.Sprintf("a job of %d s of 720p in two rungs to CMAF and DASH%s", seconds, m.what), fmt.Sprintf("%.2f s", median(m.of[1]).Seconds()),
			fmt.Sprintf("%.2f s: to CMAF alone", median(m.of[0]).Seconds()), fmt.Sprintf("%.3f", median(m.of[1]).Seconds()/median(m.of[0]).Seconds()))
	}
	return nil
}
