package plan

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// The separators around a time in a segment's key that is known only when the segment is complete; no key from a job can hold them,
// because control characters are refused in names.
const (
	stampOpen  = "\x01"
	stampClose = "\x02"
)

const (
	layoutDateTime = "20060102T150405"
	layoutDate     = "20060102"
	layoutTime     = "150405"
)

// maxPadding is the most digits that %0N asks for; a name longer than a key may be is refused anyway.
const maxPadding = 99

// StampSegment puts the completion time of a segment into its key, where the job's segment modifier asks for it.
func StampSegment(key string, completed time.Time) string {
	if !strings.Contains(key, stampOpen) {
		return key
	}
	utc := completed.UTC()
	return strings.NewReplacer(
		stampOpen+"dt"+stampClose, utc.Format(layoutDateTime),
		stampOpen+"d"+stampClose, utc.Format(layoutDate),
		stampOpen+"t"+stampClose, utc.Format(layoutTime),
	).Replace(key)
}

// ParseLocation splits s3://BUCKET/KEY. The key may be empty and is taken as it stands, slashes and all.
func ParseLocation(uri string) (Location, error) {
	rest, ok := strings.CutPrefix(uri, "s3://")
	if !ok {
		return Location{}, fmt.Errorf("%q does not begin with s3://", uri)
	}
	bucket, key, _ := strings.Cut(rest, "/")
	if bucket == "" {
		return Location{}, fmt.Errorf("%q names no bucket", uri)
	}
	for _, r := range rest {
		if r < 0x20 || r == 0x7f {
			return Location{}, fmt.Errorf("%q holds a control character", uri)
		}
	}
	return Location{Bucket: bucket, Key: key}, nil
}

// fileStem is the name of the input without its directory and extension: what $fn$ stands for.
func fileStem(key string) string {
	name := key[strings.LastIndexByte(key, '/')+1:]
	if i := strings.LastIndexByte(name, '.'); i > 0 {
		name = name[:i]
	}
	return name
}

// destination is where a group writes: the key up to its last slash, and the base name behind it.
type destination struct {
	bucket, dir, base string
	storage           *Storage
}

// resolveDestination reads a group's destination. One that ends in a slash, or none at all, takes the base name of the input; none at
// all writes beside the input, which must be an object then.
func resolveDestination(dest string, input Input, v variables) (destination, error) {
	loc := Location{Bucket: input.Object.Bucket, Key: input.Object.Key[:strings.LastIndexByte(input.Object.Key, '/')+1]}
	switch {
	case dest == "" && input.URL != "":
		return destination{}, errors.New("no destination, and the input is not an object that outputs could be written beside")
	case dest != "":
		var err error
		if loc, err = ParseLocation(dest); err != nil {
			return destination{}, err
		}
		if loc.Key, err = v.expand(loc.Key, destinationNames); err != nil {
			return destination{}, err
		}
	}
	cut := strings.LastIndexByte(loc.Key, '/') + 1
	d := destination{bucket: loc.Bucket, dir: loc.Key[:cut], base: loc.Key[cut:]}
	if d.base == "" {
		d.base = v.inputStem
	}
	return d, nil
}

func (d destination) key(name string) string { return d.dir + name }

// location is an object of the group.
func (d destination) location(name string) Location {
	return Location{Bucket: d.bucket, Key: d.key(name), Storage: d.storage}
}

// variables are the values of the format identifiers. The zero value of a number expands to 0.
type variables struct {
	start        time.Time
	inputStem    string
	extension    string
	videoBitrate int // bit/s
	audioBitrate int // bit/s
	width        int
	height       int
	frameRate    float64
	// segment leaves $dt$, $d$ and $t$ open: in the segment modifier they are the completion time of each segment.
	segment bool
}

// The format identifiers that each setting may hold.
const (
	destinationNames = " dt d t fn "
	modifierNames    = " dt d t fn rv ra rc w h f ex "
	// In a DASH ISO group, the number and the start time of a segment too, each once.
	dashModifierNames = modifierNames + "Number Bandwidth Time "
)

// expand replaces the format identifiers of s: $dt$, $h%04$, and $$ for a dollar. One that the setting does not know, or a dollar without
// its pair, is an error.
func (v variables) expand(s, allowed string) (string, error) {
	if !strings.Contains(s, "$") {
		return s, nil
	}
	var b strings.Builder
	for {
		before, rest, found := strings.Cut(s, "$")
		b.WriteString(before)
		if !found {
			return b.String(), nil
		}
		name, after, closed := strings.Cut(rest, "$")
		if !closed {
			return "", fmt.Errorf("a dollar sign stands alone; write $$ for a dollar sign")
		}
		s = after
		if name == "" {
			b.WriteByte('$')
			continue
		}
		if strings.HasPrefix(name, "Number") || name == "Time" {
			if strings.ContainsAny(b.String(), numberOpen+timeMark) {
				return "", fmt.Errorf("$Number$ or $Time$ stands there a second time")
			}
		}
		value, err := v.value(name, allowed)
		if err != nil {
			return "", err
		}
		b.WriteString(value)
	}
}

func (v variables) value(identifier, allowed string) (string, error) {
	name, padding, padded := strings.Cut(identifier, "%0")
	unknown := fmt.Errorf("unknown format identifier $%s$; allowed:%s", identifier, strings.TrimRight(allowed, " "))
	if strings.ContainsRune(name, ' ') || !strings.Contains(allowed, " "+name+" ") {
		return "", unknown
	}
	number := func(n int) (string, error) {
		width := 0
		if padded {
			w, err := strconv.Atoi(padding)
			if err != nil || w < 1 || w > maxPadding {
				return "", fmt.Errorf("format identifier $%s$ pads to %q digits; allowed: 1 to %d", identifier, padding, maxPadding)
			}
			width = w
		}
		return fmt.Sprintf("%0*d", width, n), nil
	}
	switch name {
	case "rv":
		return number(v.videoBitrate / 1000)
	case "ra":
		return number(v.audioBitrate / 1000)
	case "rc":
		return number((v.videoBitrate + v.audioBitrate) / 1000)
	case "w":
		return number(v.width)
	case "h":
		return number(v.height)
	case "f":
		return number(int(v.frameRate))
	case "Bandwidth":
		return number(v.videoBitrate + v.audioBitrate)
	case "Number":
		width := 1
		if padded {
			w, err := strconv.Atoi(padding)
			if err != nil || w < 1 || w > maxPadding {
				return number(0) // says what is wrong
			}
			width = w
		}
		return numberOpen + strconv.Itoa(width) + numberClose, nil
	}
	if padded {
		return "", unknown
	}
	switch name {
	case "Time":
		return timeMark, nil
	case "fn":
		return v.inputStem, nil
	case "ex":
		return v.extension, nil
	}
	if v.segment {
		return stampOpen + name + stampClose, nil
	}
	utc := v.start.UTC()
	switch name {
	case "dt":
		return utc.Format(layoutDateTime), nil
	case "d":
		return utc.Format(layoutDate), nil
	}
	return utc.Format(layoutTime), nil
}
