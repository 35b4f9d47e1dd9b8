package inspect

import (
	"bytes"
	"context"
	"fmt"
)

// magics are how files of media and text begin that would lie in the clear.
var magics = []struct {
	at    int
	bytes string
	what  string
}{
	{4, "ftyp", "an MP4 file"},
	{4, "moov", "an MP4 file"},
	{4, "styp", "a CMAF segment"},
	{4, "moof", "a CMAF segment"},
	{4, "mdat", "an MP4 file"},
	{0, "#EXTM3U", "an HLS playlist"},
	{0, "<?xml", "an XML document"},
	{0, "<MPD", "a DASH manifest"},
	{0, "WEBVTT", "captions"},
	{0, "\x1a\x45\xdf\xa3", "a Matroska file"},
	{0, "RIFF", "a RIFF file"},
	{0, "ID3", "an MP3 or AAC file"},
	{0, "OggS", "an Ogg file"},
	{0, "\xff\xd8\xff", "a JPEG picture"},
	{0, "\x89PNG", "a PNG picture"},
	{0, "{\"", "a JSON document"},
	{0, "\x1f\x8b", "a gzip file"},
}

// packet is the length of a packet of an MPEG transport stream, which begins with its sync byte.
const (
	packet   = 188
	syncByte = 0x47
)

// clearText says what clear thing a file begins like; empty where it looks encrypted.
func clearText(head []byte) string {
	for _, m := range magics {
		if len(head) >= m.at+len(m.bytes) && bytes.Equal(head[m.at:m.at+len(m.bytes)], []byte(m.bytes)) {
			return m.what
		}
	}
	if len(head) > 2*packet && head[0] == syncByte && head[packet] == syncByte && head[2*packet] == syncByte {
		return "an MPEG transport stream"
	}
	return ""
}

var encryptionChecks = []Check{
	{
		ID: "encryption.objects", Title: "Objects are encrypted on disk", Kind: Probe,
		Mend: "Take the machine off the network and look into this: the embedded store writes nothing in the clear; see who put these files there.",
		look: func(ctx context.Context, in *Installation) Result {
			if in.Objects == nil {
				return unseen(missing("the store of objects"))
			}
			o, err := in.Objects(ctx)
			switch {
			case err != nil:
				return unseen(err)
			case o.External != "":
				return unseen(&Unknown{"objects are at " + o.External + ", whose encryption at rest is to be shown by who runs it"})
			case len(o.Files) == 0:
				return notApplicable("no object is stored yet")
			}
			for _, f := range o.Files {
				if what := clearText(f.Head); what != "" {
					return failed("the data file %s begins like %s", f.Name, what)
				}
			}
			return passed("%d data files were looked at; none begins like a film, a manifest or a text", len(o.Files))
		},
	},
	{
		ID: "encryption.key-rotation", Title: "Customer managed keys are rotated", Kind: Query,
		Mend: "Switch rotation on: `aws kms enable-key-rotation --key-id KEY`.",
		look: func(ctx context.Context, in *Installation) Result {
			if in.Keys == nil {
				return unseen(missing("the key service"))
			}
			all := 0
			var faults []Fact
			for _, account := range in.Accounts {
				keys, err := in.Keys(ctx, account)
				if err != nil {
					return unseen(err)
				}
				for _, k := range keys {
					if k.State != "Enabled" {
						continue
					}
					all++
					if k.RotationDays == 0 {
						faults = append(faults, Fact{k.ARN, fmt.Sprintf("has no automatic rotation; its newest key material is %d days old", in.Now().Sub(k.Newest)/day)})
					}
				}
			}
			switch {
			case len(faults) > 0:
				return failed("%d of %d customer managed keys have no automatic rotation", len(faults), all).with(faults...)
			case all == 0:
				return notApplicable("there are no customer managed keys; the keys that AWS services have are rotated each year")
			}
			return passed("all %d customer managed keys are rotated by themselves", all)
		},
	},
}
