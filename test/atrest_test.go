package test

import (
	"bytes"
	endian "encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// markedFilm makes a film whose lines of pixels and samples of sound are patterns that stand in it byte by byte: uncompressed, as a decoder gives
// them too. It returns the patterns.
func markedFilm(t *testing.T) (path string, marks map[string][]byte) {
	t.Helper()
	const width, height, frames, rate = 64, 48, 100, 25
	random := rand.NewChaCha8([32]byte{1})
	line, sound := make([]byte, width), make([]byte, 64)
	_, _ = random.Read(line)
	_, _ = random.Read(sound)
	for i := range line {
		line[i] = 16 + line[i]%220 // what video allows, so that nothing on the way changes it
	}
	frame := append(bytes.Repeat(line, height), bytes.Repeat([]byte{128}, width*height/2)...)
	dir := t.TempDir()
	write := func(name string, content []byte) string {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
		return filepath.Join(dir, name)
	}
	video := write("video.yuv", bytes.Repeat(frame, frames))
	audio := write("audio.pcm", bytes.Repeat(sound, 48000*2*frames/rate/len(sound)))
	path = filepath.Join(dir, "marked.avi")
	run(t, nil, "ffmpeg", "-v", "error", "-f", "rawvideo", "-s", fmt.Sprintf("%dx%d", width, height), "-pix_fmt", "yuv420p", "-r", fmt.Sprint(rate), "-i", video,
		"-f", "s16le", "-ar", "48000", "-ac", "1", "-i", audio, "-c", "copy", path)
	return path, map[string][]byte{"a line of pixels": line, "samples of sound": sound}
}

// windows are pieces of a file that nothing else has, by which it is told.
func windows(t *testing.T, path string) [][]byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	const size, step = 32, 1 << 10
	var out [][]byte
	for i := step / 2; i+size <= len(b); i += step {
		w := b[i : i+size]
		if distinct := slices.Compact(slices.Sorted(slices.Values(w))); len(distinct) > 20 {
			out = append(out, w)
		}
	}
	return out
}

// needles find any of many pieces in one pass, by their first eight bytes.
type needles map[uint64][]needle

type needle struct {
	name string
	text []byte
}

func (n needles) add(name string, text []byte) {
	k := endian.LittleEndian.Uint64(text)
	n[k] = append(n[k], needle{name, text})
}

func (n needles) find(content []byte) string {
	for i := 0; i+8 <= len(content); i++ {
		for _, c := range n[endian.LittleEndian.Uint64(content[i:])] {
			if bytes.HasPrefix(content[i:], c.text) {
				return c.name
			}
		}
	}
	return ""
}

// watcher opens every file that appears below some directories, and keeps it open, so that what was written can be read when the file is gone.
type watcher struct {
	t  *testing.T
	fd int

	mu     sync.Mutex          // guards what follows
	dirs   map[int32]string    // by watch
	files  map[string]*os.File // by device and inode
	missed []string            // gone before they could be opened
	ended  chan struct{}
}

func watch(t *testing.T, dir string) *watcher {
	t.Helper()
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		t.Fatal(err)
	}
	w := &watcher{t: t, fd: fd, dirs: map[int32]string{}, files: map[string]*os.File{}, ended: make(chan struct{})}
	w.add(dir)
	queue := os.NewFile(uintptr(fd), "inotify")
	go w.listen(queue)
	t.Cleanup(func() {
		_ = queue.Close()
		<-w.ended
		for _, f := range w.files {
			_ = f.Close()
		}
	})
	return w
}

// add watches a directory and what is below it.
func (w *watcher) add(dir string) {
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil
		case err != nil:
			return err
		case d.IsDir():
			id, err := unix.InotifyAddWatch(w.fd, path, unix.IN_CREATE|unix.IN_MOVED_TO)
			if err != nil {
				return err
			}
			w.mu.Lock()
			w.dirs[int32(id)] = path
			w.mu.Unlock()
		default:
			w.keep(path)
		}
		return nil
	})
	if err != nil {
		w.t.Error(err)
	}
}

// keep opens a file that is not open yet.
func (w *watcher) keep(path string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			w.missed = append(w.missed, path)
		}
		return
	}
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil || st.Mode&unix.S_IFMT != unix.S_IFREG {
		_ = f.Close()
		return
	}
	id := fmt.Sprint(st.Dev, " ", st.Ino)
	if w.files[id] != nil {
		_ = f.Close()
		return
	}
	w.files[id] = f
}

func (w *watcher) listen(queue *os.File) {
	defer close(w.ended)
	buf := make([]byte, 1<<20)
	for {
		n, err := queue.Read(buf)
		if err != nil {
			return
		}
		for at := 0; at+unix.SizeofInotifyEvent <= n; {
			id, mask := int32(endian.NativeEndian.Uint32(buf[at:])), endian.NativeEndian.Uint32(buf[at+4:])
			size := int(endian.NativeEndian.Uint32(buf[at+12:]))
			name := string(bytes.TrimRight(buf[at+unix.SizeofInotifyEvent:at+unix.SizeofInotifyEvent+size], "\x00"))
			at += unix.SizeofInotifyEvent + size
			if mask&unix.IN_Q_OVERFLOW != 0 {
				w.t.Error("files came faster than they could be watched")
			}
			w.mu.Lock()
			dir, ok := w.dirs[id]
			w.mu.Unlock()
			switch {
			case !ok || name == "":
			case mask&unix.IN_ISDIR != 0 && mask&(unix.IN_CREATE|unix.IN_MOVED_TO) != 0:
				w.add(filepath.Join(dir, name))
			case mask&unix.IN_ISDIR == 0:
				w.keep(filepath.Join(dir, name))
			}
		}
	}
}

// search looks for needles in all that was seen, and returns what it found where.
func (w *watcher) search(n needles) (found []string, bytes int64) {
	w.mu.Lock()
	files := make(map[string]*os.File, len(w.files))
	for id, f := range w.files {
		files[id] = f
	}
	w.mu.Unlock()
	for _, f := range files {
		var st unix.Stat_t
		if unix.Fstat(int(f.Fd()), &st) != nil || st.Size == 0 {
			continue
		}
		content := make([]byte, st.Size)
		read, _ := f.ReadAt(content, 0) // it may have been cut meanwhile
		bytes += int64(read)
		if name := n.find(content[:read]); name != "" {
			found = append(found, f.Name()+": "+name)
		}
	}
	slices.Sort(found)
	return found, bytes
}

// openFiles adds the files that the server's processes hold open under no name: deleted ones and those in memory.
func (w *watcher) openFiles(pids []int) {
	for _, pid := range pids {
		links, _ := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
		for _, link := range links {
			if to, err := os.Readlink(link); err == nil && (strings.HasSuffix(to, " (deleted)") || strings.HasPrefix(to, "/memfd:")) {
				w.keepOpen(link)
			}
		}
	}
}

func (w *watcher) keepOpen(link string) {
	f, err := os.OpenFile(link, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return // closed meanwhile
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil || st.Mode&unix.S_IFMT != unix.S_IFREG {
		_ = f.Close()
		return
	}
	id := fmt.Sprint(st.Dev, " ", st.Ino)
	if w.files[id] != nil {
		_ = f.Close()
		return
	}
	w.files[id] = f
}

// TestNoClearMedia transcodes a film with known patterns on a machine on which nothing can be written but the data directory, and searches every
// file that is written there, while it is there and when it is gone again, for the film, its pixels and its sound, and what came of it.
func TestNoClearMedia(t *testing.T) {
	t.Parallel()
	s := &server{t: t, bin: binary, data: filepath.Join(t.TempDir(), "data"), secrets: new(secrets)}
	if err := os.MkdirAll(s.data, 0o700); err != nil {
		t.Fatal(err)
	}
	// A mount namespace of its own in which all but the data directory is read-only; /proc, /sys and /dev stay, where nothing is stored, and so do
	// what others have mounted that cannot be made read-only from here, which are checked to be unreachable for writing below.
	s.wrap = []string{"unshare", "--mount", "--propagation", "private", "bash", "-c", `
		set -e
		mount --bind "$0" "$0"
		while read -r _ at type _; do
			case $at in "$0" | /proc* | /sys* | /dev*) ;; *) mount -o remount,bind,ro "$at" ;; esac
		done < <(tac /proc/self/mounts)
		export TMPDIR="$0/none"
		exec "$@"`, s.data}
	if os.Geteuid() != 0 {
		s.wrap = slices.Insert(s.wrap, 1, "--map-root-user", "--user")
	}
	need(t, "ffmpeg")
	s.start()
	t.Cleanup(func() {
		if s.cmd != nil {
			s.stop()
		}
		if t.Failed() {
			t.Logf("the server's log:\n%s", s.log.String())
		}
	})
	if _, err := os.Stat(fmt.Sprintf("/proc/%d/root%s", s.cmd.Process.Pid, s.data)); err != nil {
		t.Fatal(err)
	}
	elsewhere := fmt.Sprintf("/proc/%d/root%s", s.cmd.Process.Pid, filepath.Join(filepath.Dir(s.data), "elsewhere"))
	if err := os.WriteFile(elsewhere, nil, 0o600); !errors.Is(err, unix.EROFS) {
		t.Fatalf("the server can write beside its data directory: %v", err)
	}
	w := watch(t, s.data)
	clear := needles{}
	path, marks := markedFilm(t)
	for name, mark := range marks {
		clear.add(name, mark)
	}
	if clear.find(read(t, path)) == "" {
		t.Fatal("the film is not marked")
	}
	for _, piece := range windows(t, path) {
		clear.add("a piece of the film", piece)
	}
	s.upload("films", "in/marked.avi", path)
	id := s.submit(job(settings("s3://films/in/marked.avi", "s3://films/out")))
	stop, searched := make(chan struct{}), make(chan struct{})
	var rounds atomic.Int32
	go func() {
		defer close(searched)
		for pause := time.NewTicker(20 * time.Millisecond); ; rounds.Add(1) {
			pids := []int{s.cmd.Process.Pid}
			for pid := range children(t, s.cmd.Process.Pid) {
				pids = append(pids, pid)
			}
			w.openFiles(pids)
			if found, _ := w.search(clear); len(found) > 0 {
				t.Errorf("in the clear while the job runs: %v", found)
				<-stop
				return
			}
			select {
			case <-stop:
				pause.Stop()
				return
			case <-pause.C:
			}
		}
	}()
	s.finish(id)
	for again := 0; rounds.Load() < 2 && !t.Failed(); again++ { // a search takes longer than a job where the machine is slow
		if again == 20 {
			t.Fatal("jobs end before a search does")
		}
		s.finish(s.submit(job(settings("s3://films/in/marked.avi", "s3://films/again"))))
	}
	close(stop)
	<-searched
	// What came of it is known now: neither does that stand anywhere.
	dir := s.download("films", "out/")
	outputs := 0
	for name := range files(t, dir) {
		pieces := windows(t, filepath.Join(dir, name))
		if strings.HasSuffix(name, ".m3u8") {
			pieces = [][]byte{read(t, filepath.Join(dir, name))}
		}
		for _, piece := range pieces {
			outputs++
			clear.add("a piece of the output "+name, piece)
		}
	}
	if outputs < 20 {
		t.Errorf("only %d pieces of outputs are looked for", outputs)
	}
	s.stop()
	w.add(s.data) // what has come since
	found, size := w.search(clear)
	if len(found) > 0 {
		t.Errorf("in the clear: %v", found)
	}
	if input := int64(len(read(t, path))); size < input {
		t.Errorf("%d bytes were searched, which is less than the film of %d: something was overlooked", size, input)
	}
	w.mu.Lock()
	missed := slices.DeleteFunc(slices.Clone(w.missed), func(p string) bool {
		return strings.HasPrefix(filepath.Base(p), "record-") || strings.HasPrefix(filepath.Base(p), "data-") || strings.HasSuffix(p, ".tmp")
	})
	w.mu.Unlock()
	if len(missed) > 0 { // those above got another name, under which they were opened
		t.Errorf("gone before they could be opened: %v", missed)
	}
	t.Logf("%d files with %d bytes were searched for %d pieces", len(w.files), size, len(clear))
	// The search finds what is planted: the film, in a file that is gone at once, and a piece of an output inside others.
	planted := filepath.Join(s.data, "planted")
	for name, content := range map[string][]byte{
		"pixels":  slices.Concat(make([]byte, 1<<16+3), marks["a line of pixels"], make([]byte, 100)),
		"outputs": slices.Concat([]byte("x"), windows(t, filepath.Join(dir, "mp4", "marked.mp4"))[0]),
	} {
		if err := os.WriteFile(planted, content, 0o600); err != nil {
			t.Fatal(err)
		}
		s.eventually("the watcher has seen the planted file", func() bool {
			found, _ := w.search(clear)
			return len(found) > 0
		})
		_ = os.Remove(planted)
		w.mu.Lock()
		for id, f := range w.files {
			if f.Name() == planted {
				delete(w.files, id)
				_ = f.Close()
			}
		}
		w.mu.Unlock()
		if found, _ := w.search(clear); len(found) > 0 {
			t.Errorf("%s: still found when the file is forgotten: %v", name, found)
		}
	}
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
