package main

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"darkroom/internal/anchor"
	"darkroom/internal/siem"
	"darkroom/internal/timestamp"
)

// Bounds of what audit stamps reads.
const (
	maxDigestFile = 8 << 20
	maxDigestText = 64 << 20
	// stampEarly is how far a time stamp may lie before the end of what its digest speaks of: clocks differ.
	stampEarly = anchor.Tolerance
	// stampLate is how long after its end a digest is stamped at the latest, without a note.
	stampLate = 24 * time.Hour
)

const auditStampsText = `Verifies the time stamps of the digests in a copy of a trail's bucket, or of the second bucket, offline: each digest has one, of this very content, by an
authority that FILE trusts, not before what it speaks of had ended. What the digests say is for audit verify.

Exit code 0: every digest is stamped. 1: one is not, or its time stamp does not hold. 2: the command is wrong.
`

// stampCheck is what audit stamps has found.
type stampCheck struct {
	roots           *x509.CertPool
	out             io.Writer
	digests, faults int
	first, last     time.Time
}

// auditStamps is darkroom audit stamps.
func auditStamps(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	fs := flags("audit stamps", "--dir COPY --ca FILE", stderr)
	usage := fs.Usage
	fs.Usage = func() {
		usage()
		fmt.Fprint(stderr, "\n"+auditStampsText)
	}
	dir := fs.String("dir", "", "`COPY` of the bucket")
	ca := fs.String("ca", "", "`FILE` with the authorities that are trusted for time stamps, PEM")
	rest, err := parse(fs, args)
	if err != nil {
		return err
	}
	switch {
	case len(rest) > 0:
		return usagef("unexpected argument %q", rest[0])
	case *dir == "" || *ca == "":
		return usagef("give --dir and --ca")
	}
	c := &stampCheck{out: stdout}
	if c.roots, err = stampRoots(*ca); err != nil {
		return usagef("--ca: %v", err)
	}
	if info, err := os.Stat(*dir); err != nil || !info.IsDir() {
		return usagef("--dir: %s is no directory", *dir)
	}
	// Names end in the time of their digest, and days in their folders: this is the order of time within a trail.
	if err := filepath.WalkDir(*dir, func(path string, e os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if !e.Type().IsRegular() || !strings.Contains(filepath.ToSlash(path), "/CloudTrail-Digest/") || !strings.HasSuffix(path, ".json.gz") {
			return nil
		}
		c.digest(path)
		return nil
	}); err != nil {
		return err
	}
	if c.digests == 0 {
		return fmt.Errorf("%s has no digests", *dir)
	}
	span := ""
	if !c.first.IsZero() {
		span = fmt.Sprintf(", from %s to %s", c.first.Format(time.RFC3339), c.last.Format(time.RFC3339))
	}
	fmt.Fprintf(stdout, "%d of %d digests are stamped%s\n", c.digests-c.faults, c.digests, span)
	if c.faults > 0 {
		return errFailed
	}
	return nil
}

func (c *stampCheck) fault(path, format string, args ...any) {
	c.faults++
	fmt.Fprintf(c.out, "FAULT %s\n      %s\n", siem.Visible(path), siem.Visible(fmt.Sprintf(format, args...)))
}

// digest verifies the time stamps of one digest.
func (c *stampCheck) digest(path string) {
	c.digests++
	zipped, err := readAtMost(path, maxDigestFile)
	if err != nil {
		c.fault(path, "it cannot be read: %v", err)
		return
	}
	text, err := anchor.Expand(zipped, maxDigestText)
	if err != nil {
		c.fault(path, "it cannot be read: %v", err)
		return
	}
	var said struct {
		End time.Time `json:"digestEndTime"`
	}
	if err := json.Unmarshal(text, &said); err != nil || said.End.IsZero() {
		c.fault(path, "it is no digest")
		return
	}
	stamp, err := c.best(path, text)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		c.fault(path, "it has no time stamp")
		return
	case err != nil:
		c.fault(path, "%v", err)
		return
	case stamp.Time.Before(said.End.Add(-stampEarly)):
		c.fault(path, "its time stamp is of %s, before it can have been made", stamp.Time.Format(time.RFC3339))
		return
	case stamp.Time.After(said.End.Add(stampLate)):
		fmt.Fprintf(c.out, "note  %s\n      it was stamped %s after its end\n", siem.Visible(path), stamp.Time.Sub(said.End).Round(time.Minute))
	}
	if c.first.IsZero() || stamp.Time.Before(c.first) {
		c.first = stamp.Time
	}
	if stamp.Time.After(c.last) {
		c.last = stamp.Time
	}
}

// best is the earliest time stamp of a digest that holds, or why there is none: fs.ErrNotExist where there is not even one that does not hold.
func (c *stampCheck) best(path string, text []byte) (*timestamp.Stamp, error) {
	key := anchor.StampKey(filepath.ToSlash(path))
	names := []string{key}
	// A second bucket can have several, of several attempts.
	if more, err := os.ReadDir(filepath.Dir(key)); err == nil {
		begin := strings.TrimSuffix(filepath.Base(key), ".tsr") + "-"
		for _, e := range more {
			if strings.HasPrefix(e.Name(), begin) && strings.HasSuffix(e.Name(), ".tsr") {
				names = append(names, filepath.Join(filepath.Dir(key), e.Name()))
			}
		}
	}
	var best *timestamp.Stamp
	why := error(fs.ErrNotExist)
	for _, name := range names {
		response, err := readAtMost(name, timestamp.MaxResponse)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		var s *timestamp.Stamp
		if err == nil {
			s, err = anchor.Check(response, text, c.roots)
		}
		switch {
		case err != nil:
			why = fmt.Errorf("its time stamp does not hold: %w", err)
		case best == nil || s.Time.Before(best.Time):
			best = s
		}
	}
	if best == nil {
		return nil, why
	}
	return best, nil
}
