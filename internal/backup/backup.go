// Package backup writes and reads the backup of an installation: an archive of every file that its data directory is made of, as of one moment, with the SHA-256 of each.
//
// The archive is a tar (POSIX.1-2001, pax) of these entries, in this order:
//
//	darkroom-backup.json    the Header
//	files/PATH              every file, under its path in the data directory
//	manifest                a line for each of them, in the same order: SHA-256 in hex, size, path
//	end.json                the End, with the SHA-256 of the manifest
//
// It is encrypted as a whole in the format of age (age-encryption.org/v1), which tells an archive that was cut off or altered from one that is whole; what is
// in it is written and read as a stream, in memory that does not grow with it.
package backup

import (
	"archive/tar"
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"strings"
	"time"
)

// Format is the version of the archive that is written here. Others are refused.
const Format = 1

// The names of the entries.
const (
	headerName   = "darkroom-backup.json"
	filePrefix   = "files/"
	manifestName = "manifest"
	endName      = "end.json"
)

// Bounds.
const (
	maxDocument = 1 << 20 // of Header and End, in bytes
	maxPath     = 4096
	maxFiles    = 1 << 32
)

// The errors of reading.
var (
	// ErrDamaged says that an archive is not what was written: it was cut off, altered, or is none.
	ErrDamaged = errors.New("the backup is not whole")
	// ErrFormat says that an archive was written in a form that is not known here.
	ErrFormat = errors.New("the backup is of a format that this version does not read")
)

// Header is what an archive says of itself before anything else.
type Header struct {
	Format  int       `json:"format"`
	ID      string    `json:"id"`
	Moment  time.Time `json:"moment"` // that everything is as of
	Version string    `json:"version"`
	Region  string    `json:"region,omitempty"`
	Account string    `json:"account,omitempty"`
	Running bool      `json:"running"`        // the server was running
	Root    string    `json:"root,omitempty"` // kind of the root of trust
	FIPS    string    `json:"fips,omitempty"` // what the configuration asks for
	// Elsewhere says in sentences what the installation needs and the archive does not have.
	Elsewhere []string `json:"elsewhere,omitempty"`
}

// End is what an archive says of itself after everything else.
type End struct {
	Files    int64  `json:"files"`
	Bytes    int64  `json:"bytes"`
	Manifest string `json:"manifestSHA256"`
	// Lost is how many files of the installation could not be read, or did not open where they were; LostFiles names the first of them.
	Lost      int      `json:"lost"`
	LostFiles []string `json:"lostFiles,omitempty"`
}

// list is a manifest that is being made: in a file without a name, and in a digest.
type list struct {
	file  *os.File
	out   *bufio.Writer
	sum   hash.Hash
	files int64
	bytes int64
	size  int64
}

func newList() (*list, error) {
	f, err := os.CreateTemp("", "darkroom-manifest-*")
	if err != nil {
		return nil, err
	}
	if err := os.Remove(f.Name()); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return &list{file: f, out: bufio.NewWriter(f), sum: sha256.New()}, nil
}

func (l *list) add(path string, size int64, sum []byte) error {
	line := fmt.Sprintf("%x %d %s\n", sum, size, path)
	l.files, l.bytes, l.size = l.files+1, l.bytes+size, l.size+int64(len(line))
	l.sum.Write([]byte(line))
	_, err := l.out.WriteString(line)
	return err
}

func (l *list) digest() string { return hex.EncodeToString(l.sum.Sum(nil)) }

// rewind returns what was listed, from its beginning.
func (l *list) rewind() (io.Reader, error) {
	if err := l.out.Flush(); err != nil {
		return nil, err
	}
	_, err := l.file.Seek(0, io.SeekStart)
	return l.file, err
}

// checkPath refuses paths that could lead anywhere but below a directory, or that a line of the manifest cannot hold.
func checkPath(path string) error {
	if !fs.ValidPath(path) || path == "." || len(path) > maxPath || strings.ContainsAny(path, "\\\x00\r\n") {
		return fmt.Errorf("%w: %.100q is no path of a file", ErrDamaged, path)
	}
	return nil
}

// Writer writes an archive.
type Writer struct {
	tar  *tar.Writer
	list *list
	when time.Time
}

// NewWriter begins an archive.
func NewWriter(w io.Writer, h Header) (*Writer, error) {
	h.Format = Format
	l, err := newList()
	if err != nil {
		return nil, err
	}
	out := &Writer{tar.NewWriter(w), l, h.Moment.UTC().Truncate(time.Second)}
	if err := out.document(headerName, h); err != nil {
		return nil, errors.Join(err, l.file.Close())
	}
	return out, nil
}

func (w *Writer) entry(name string, size int64) error {
	return w.tar.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Size: size, Mode: 0o600, ModTime: w.when, Format: tar.FormatPAX})
}

func (w *Writer) document(name string, v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	if err := w.entry(name, int64(len(text))); err != nil {
		return err
	}
	_, err = w.tar.Write(text)
	return err
}

// Add writes a file of exactly size bytes.
func (w *Writer) Add(path string, size int64, body io.Reader) error {
	if err := checkPath(path); err != nil {
		return err
	}
	if err := w.entry(filePrefix+path, size); err != nil {
		return err
	}
	sum := sha256.New()
	n, err := io.Copy(io.MultiWriter(w.tar, sum), io.LimitReader(body, size))
	if err == nil && n < size {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return fmt.Errorf("back up %s: %w", path, err)
	}
	return w.list.add(path, size, sum.Sum(nil))
}

// Abandon lets go of an archive that is not brought to its end.
func (w *Writer) Abandon() error { return w.list.file.Close() }

// Close ends the archive: without it, it is no backup. lost and names are those of End.
func (w *Writer) Close(lost int, names []string) (End, error) {
	e := End{Files: w.list.files, Bytes: w.list.bytes, Manifest: w.list.digest(), Lost: lost, LostFiles: names}
	err := func() error {
		text, err := w.list.rewind()
		if err != nil {
			return err
		}
		if err := w.entry(manifestName, w.list.size); err != nil {
			return err
		}
		if _, err := io.Copy(w.tar, text); err != nil {
			return err
		}
		if err := w.document(endName, e); err != nil {
			return err
		}
		return w.tar.Close()
	}()
	return e, errors.Join(err, w.list.file.Close())
}

// Visitor is who reads an archive. Nil functions are passed over.
type Visitor struct {
	// Header hears what the archive says of itself.
	Header func(Header) error
	// File gets each file. What it does not read is read past; that the file is what was written is known when Read has returned, and not before.
	File func(path string, size int64, body io.Reader) error
}

// Read reads an archive to its end, verifies every digest, and returns what it says of itself. ErrDamaged and ErrFormat say what is wrong with it; other errors are
// those of the visitor, of ctx, and of the reader.
func Read(ctx context.Context, in io.Reader, v Visitor) (h Header, e End, err error) {
	l, err := newList()
	if err != nil {
		return h, e, err
	}
	defer func() { err = errors.Join(err, l.file.Close()) }()
	r := &reading{ctx: ctx, tar: tar.NewReader(in), list: l, visitor: v}
	if h, err = r.header(); err != nil {
		return h, e, err
	}
	if err := r.files(); err != nil {
		return h, e, err
	}
	if e, err = r.end(h); err != nil {
		return h, e, err
	}
	// Behind the end there is nothing but the zeros of the tar. To see that is also what makes sure that nothing was cut off of the encryption around it.
	return h, e, rest(in)
}

func rest(in io.Reader) error {
	buf := make([]byte, 32<<10)
	for {
		n, err := in.Read(buf)
		if len(bytes.Trim(buf[:n], "\x00")) > 0 {
			return fmt.Errorf("%w: there is something behind its end", ErrDamaged)
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return damaged(err)
		}
	}
}

// damaged is an error of reading the archive.
func damaged(err error) error {
	if errors.Is(err, ErrDamaged) || errors.Is(err, ErrFormat) {
		return err
	}
	return fmt.Errorf("%w: %w", ErrDamaged, err)
}

type reading struct {
	ctx     context.Context //nolint:containedctx // of one call
	tar     *tar.Reader
	list    *list
	visitor Visitor
	at      *tar.Header // the entry that comes next
}

// next goes to the next entry.
func (r *reading) next() error {
	if err := r.ctx.Err(); err != nil {
		return err
	}
	at, err := r.tar.Next()
	if errors.Is(err, io.EOF) {
		return fmt.Errorf("%w: it ends too early", ErrDamaged)
	}
	if err != nil {
		return damaged(err)
	}
	if at.Typeflag != tar.TypeReg || at.Size < 0 {
		return fmt.Errorf("%w: entry %.100q is no file", ErrDamaged, at.Name)
	}
	r.at = at
	return nil
}

func (r *reading) document(name string, v any) error {
	if r.at.Name != name || r.at.Size > maxDocument {
		return fmt.Errorf("%w: entry %.100q stands where %s belongs", ErrDamaged, r.at.Name, name)
	}
	text, err := io.ReadAll(io.LimitReader(r.tar, maxDocument))
	if err != nil {
		return damaged(err)
	}
	if err := json.Unmarshal(text, v); err != nil {
		return fmt.Errorf("%w: %s: %w", ErrDamaged, name, err)
	}
	return nil
}

func (r *reading) header() (h Header, err error) {
	if err := r.next(); err != nil {
		return h, err
	}
	if err := r.document(headerName, &h); err != nil {
		return h, err
	}
	if h.Format != Format {
		return h, fmt.Errorf("%w: %d, known: %d", ErrFormat, h.Format, Format)
	}
	if r.visitor.Header != nil {
		err = r.visitor.Header(h)
	}
	return h, err
}

func (r *reading) files() error {
	for {
		if err := r.next(); err != nil {
			return err
		}
		path, ok := strings.CutPrefix(r.at.Name, filePrefix)
		if !ok {
			return nil
		}
		if err := checkPath(path); err != nil {
			return err
		}
		if r.list.files >= maxFiles {
			return fmt.Errorf("%w: more than %d files", ErrDamaged, int64(maxFiles))
		}
		sum := sha256.New()
		body := &source{r: io.TeeReader(r.tar, sum)}
		if r.visitor.File != nil {
			if err := r.visitor.File(path, r.at.Size, body); err != nil {
				if body.err != nil {
					return damaged(body.err)
				}
				return err
			}
		}
		if _, err := io.Copy(io.Discard, body); err != nil {
			return damaged(err)
		}
		if err := r.list.add(path, r.at.Size, sum.Sum(nil)); err != nil {
			return err
		}
	}
}

// source remembers that the archive could not be read, so that it is told from what its reader does.
type source struct {
	r   io.Reader
	err error
}

func (s *source) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		s.err = err
	}
	return n, err
}

// end compares the manifest with what was read, and then says what the archive says of its end.
func (r *reading) end(h Header) (e End, err error) {
	if r.at.Name != manifestName {
		return e, fmt.Errorf("%w: entry %.100q stands where the manifest belongs", ErrDamaged, r.at.Name)
	}
	own, err := r.list.rewind()
	if err != nil {
		return e, err
	}
	said, have := bufio.NewReaderSize(r.tar, 2*maxPath), bufio.NewReaderSize(own, 2*maxPath)
	for {
		a, errA := said.ReadSlice('\n')
		b, errB := have.ReadSlice('\n')
		if errA != nil && !errors.Is(errA, io.EOF) {
			return e, damaged(errA)
		}
		if errB != nil && !errors.Is(errB, io.EOF) {
			return e, errB
		}
		if !bytes.Equal(a, b) {
			return e, fmt.Errorf("%w: the manifest says %.200q, and there is %.200q", ErrDamaged, strings.TrimSpace(string(a)), strings.TrimSpace(string(b)))
		}
		if errA != nil && errB != nil {
			break
		}
	}
	if err := r.next(); err != nil {
		return e, err
	}
	if err := r.document(endName, &e); err != nil {
		return e, err
	}
	if e.Files != r.list.files || e.Bytes != r.list.bytes || e.Manifest != r.list.digest() {
		return e, fmt.Errorf("%w: it says that it has %d files of %d bytes, and has %d of %d", ErrDamaged, e.Files, e.Bytes, r.list.files, r.list.bytes)
	}
	if _, err := r.tar.Next(); !errors.Is(err, io.EOF) {
		return e, fmt.Errorf("%w: there is something behind its end", ErrDamaged)
	}
	return e, nil
}
