package digest

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Place is where the files of a trail are.
type Place struct {
	Bucket  string
	Prefix  string // without a slash at its end; may be empty
	Account string
	Region  string
	Trail   string // its name
}

func (p Place) below(kind string) string {
	key := "AWSLogs/" + p.Account + "/" + kind + "/" + p.Region + "/"
	if p.Prefix != "" {
		key = p.Prefix + "/" + key
	}
	return key
}

// Logs is the prefix of the keys of log files; other trails with the same bucket and prefix have theirs there too.
func (p Place) Logs() string { return p.below("CloudTrail") }

// Digests is the prefix of the keys of digests.
func (p Place) Digests() string { return p.below("CloudTrail-Digest") }

// Range is the positions of records that a log file stands for, both inclusive: those between the log file before and itself, whether the trail selects them
// or not. The log files of one delivery, one for each hour, have the same range.
type Range struct{ First, Last int64 }

// The parts of the unique string in the name of a log file: the first position, how many, and the tag of the trail, all in base 36. Together they have the 16
// characters of AWS's.
const (
	firstDigits = 7
	countDigits = 6
	TagDigits   = 3
)

// MaxRange is how many positions a range has at most.
const MaxRange = 36*36*36*36*36*36 - 1

// LogKey is the key of a log file. tag tells trails with the same place from each other and has TagDigits characters; newest is the time of its last event.
func (p Place) LogKey(newest time.Time, r Range, tag string) string {
	newest = newest.UTC()
	unique := fmt.Sprintf("%0*s%0*s%s", firstDigits, strconv.FormatInt(r.First, 36), countDigits, strconv.FormatInt(r.Last-r.First+1, 36), tag)
	return p.Logs() + newest.Format("2006/01/02/") + p.Account + "_CloudTrail_" + p.Region + "_" + newest.Format("20060102T1504Z") + "_" + unique + ".json.gz"
}

// ParseLogKey reads the range and the tag of a log file's name. It reports false for a name that is no log file's, or one that was not made here.
func ParseLogKey(key string) (r Range, tag string, ok bool) {
	name, ok := strings.CutSuffix(key[strings.LastIndexByte(key, '/')+1:], ".json.gz")
	if !ok || !strings.Contains(name, "_CloudTrail_") {
		return Range{}, "", false
	}
	unique := name[strings.LastIndexByte(name, '_')+1:]
	if len(unique) < firstDigits+countDigits+TagDigits {
		return Range{}, "", false
	}
	at := len(unique) - TagDigits
	tag = unique[at:]
	count, err := strconv.ParseInt(unique[at-countDigits:at], 36, 64)
	if err != nil || count < 1 {
		return Range{}, "", false
	}
	first, err := strconv.ParseInt(unique[:at-countDigits], 36, 64)
	if err != nil || first < 1 || first > 1<<62 {
		return Range{}, "", false
	}
	return Range{first, first + count - 1}, tag, true
}

// DigestKey is the key of the digest that ends at a time.
func (p Place) DigestKey(end time.Time) string {
	end = end.UTC()
	return p.Digests() + end.Format("2006/01/02/") + p.digestName() + end.Format("20060102T150405Z") + ".json.gz"
}

// digestName is how the names of the trail's digests begin, behind the last slash. The home Region is the one Region that there is.
func (p Place) digestName() string {
	return p.Account + "_CloudTrail-Digest_" + p.Region + "_" + p.Trail + "_" + p.Region + "_"
}

// IsDigest says whether a key is that of a digest of the trail, and when that ends.
func (p Place) IsDigest(key string) (end time.Time, ok bool) {
	rest, ok := strings.CutPrefix(key, p.Digests())
	if !ok {
		return time.Time{}, false
	}
	name, ok := strings.CutPrefix(rest[strings.LastIndexByte(rest, '/')+1:], p.digestName())
	if !ok {
		return time.Time{}, false
	}
	end, err := time.Parse("20060102T150405Z.json.gz", name)
	return end, err == nil && p.DigestKey(end) == key
}
