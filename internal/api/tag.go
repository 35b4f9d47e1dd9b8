package api

import (
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	mc "github.com/aws/aws-sdk-go-v2/service/mediaconvert"

	"darkroom/internal/mediaconvert"
)

// Limits of tags, from the user guide: in characters, where they are not counts.
const (
	maxTags     = 50
	maxTagKey   = 128
	maxTagValue = 256
)

// tagText is what keys and values of tags are made of: letters and digits of every script, space, and a few signs.
var tagText = regexp.MustCompile(`^[\p{L}\p{Nd} _.:/=+@-]*$`)

// tagsOf returns the tags that a request asks for.
func tagsOf(input any) map[string]string {
	switch in := input.(type) {
	case *mc.CreateJobInput:
		return in.Tags
	case *mc.CreateJobTemplateInput:
		return in.Tags
	case *mc.CreatePresetInput:
		return in.Tags
	case *mc.CreateQueueInput:
		return in.Tags
	case *mc.TagResourceInput:
		return in.Tags
	}
	return nil
}

// tagFaults says what is wrong with the tags of a request.
func tagFaults(input any) []mediaconvert.Fault {
	tags := tagsOf(input)
	var faults []mediaconvert.Fault
	if len(tags) > maxTags {
		faults = append(faults, tooMany("/tags", maxTags, len(tags)))
	}
	for _, k := range slices.Sorted(maps.Keys(tags)) {
		path := "/tags/" + mediaconvert.Token(k)
		fail := func(rule string) { faults = append(faults, ruleFault(path, rule)) }
		v := tags[k]
		switch n := utf8.RuneCountInString(k); {
		case n == 0 || n > maxTagKey:
			fail("The key of a tag must have 1 to " + strconv.Itoa(maxTagKey) + " characters (was " + strconv.Itoa(n) + ")")
		case strings.HasPrefix(strings.ToLower(k), "aws:"):
			fail("The key of a tag must not begin with aws:, which is reserved")
		case !tagText.MatchString(k):
			fail("The key of a tag may have letters, digits, spaces, and _.:/=+-@")
		}
		switch n := utf8.RuneCountInString(v); {
		case n > maxTagValue:
			fail("The value of a tag must have at most " + strconv.Itoa(maxTagValue) + " characters (was " + strconv.Itoa(n) + ")")
		case !tagText.MatchString(v):
			fail("The value of a tag may have letters, digits, spaces, and _.:/=+-@")
		}
		if len(faults) >= mediaconvert.MaxFaults {
			break
		}
	}
	return faults
}

// tooMany is the fault of a map or list with more entries than allowed.
func tooMany(path string, most, got int) mediaconvert.Fault {
	return ruleFault(path, "Should have at most "+strconv.Itoa(most)+" properties (was "+strconv.Itoa(got)+")")
}

func ruleFault(path, rule string) mediaconvert.Fault {
	return mediaconvert.Fault{Kind: mediaconvert.Rule, Path: path, Offset: -1, Want: rule}
}
