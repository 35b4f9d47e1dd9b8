package oidc

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

// The claims by which a provider passes session tags and a source identity to STS (IAM User Guide, "Pass session tags in AWS STS", "Monitor and
// control actions taken with assumed roles"). Tags come nested, or flattened to one claim for each, for providers that cannot nest.
const (
	claimTags           = "https://aws.amazon.com/tags"
	claimPrincipalTag   = claimTags + "/principal_tags/" // and the tag's key
	claimTransitiveTags = claimTags + "/transitive_tag_keys"
	claimSourceIdentity = "https://aws.amazon.com/source_identity"
)

// Limits of session tags, in characters.
const (
	MaxTags     = 50
	maxTagKey   = 128
	maxTagValue = 256
)

var (
	tagPattern            = regexp.MustCompile(`^[\p{L}\p{Z}\p{N}_.:/=+\-@]*$`)
	sourceIdentityPattern = regexp.MustCompile(`^[A-Za-z0-9_+=,.@-]{2,64}$`)
)

// parseTags reads the session tags and the source identity.
func (c *Claims) parseTags(m map[string]json.RawMessage) error {
	if raw, ok := m[claimSourceIdentity]; ok {
		if c.SourceIdentity, ok = text(raw, MaxSubject); !ok || !sourceIdentityPattern.MatchString(c.SourceIdentity) {
			return invalid("its source identity is malformed")
		}
	}
	tags, transitive := map[string]json.RawMessage{}, m[claimTransitiveTags]
	for name, raw := range m {
		if k, ok := strings.CutPrefix(name, claimPrincipalTag); ok {
			tags[k] = raw
		}
	}
	if raw, ok := m[claimTags]; ok {
		if len(tags) > 0 || transitive != nil {
			return invalid("it has session tags in two forms")
		}
		nested, err := object(raw)
		if err != nil {
			return invalid("its session tags are malformed")
		}
		if raw, ok := nested["principal_tags"]; ok {
			if tags, err = object(raw); err != nil {
				return invalid("its session tags are malformed")
			}
		}
		transitive = nested["transitive_tag_keys"]
	}
	if len(tags) > MaxTags {
		return invalid("it has more than 50 session tags")
	}
	folded := map[string]bool{}
	for k, raw := range tags {
		v, ok := tagValue(raw)
		if !ok || k == "" || !tagText(k, maxTagKey) || strings.HasPrefix(strings.ToLower(k), "aws:") || !tagText(v, maxTagValue) {
			return invalid("a session tag of it is malformed")
		}
		if folded[strings.ToLower(k)] { // keys are told apart by more than case
			return invalid("it has a session tag twice")
		}
		folded[strings.ToLower(k)] = true
		if c.PrincipalTags == nil {
			c.PrincipalTags = map[string]string{}
		}
		c.PrincipalTags[k] = v
	}
	if transitive == nil {
		return nil
	}
	var ok bool
	if c.TransitiveTagKeys, ok = texts(transitive, 4*maxTagKey); !ok || len(c.TransitiveTagKeys) > MaxTags {
		return invalid("its transitive tag keys are malformed")
	}
	for i, k := range c.TransitiveTagKeys {
		if _, ok := c.PrincipalTags[k]; !ok || slices.Contains(c.TransitiveTagKeys[:i], k) {
			return invalid("its transitive tag keys are not those of its session tags")
		}
	}
	return nil
}

// tagValue reads a list of one string, or a string; it may be empty.
func tagValue(raw json.RawMessage) (string, bool) {
	if raw[0] == '"' {
		raw = slices.Concat(json.RawMessage("["), raw, json.RawMessage("]"))
	}
	var list []*string // null is no string
	if json.Unmarshal(raw, &list) != nil || len(list) != 1 || list[0] == nil {
		return "", false
	}
	return *list[0], true
}

// tagText says whether s can be a tag's key or value.
func tagText(s string, most int) bool {
	return utf8.RuneCountInString(s) <= most && tagPattern.MatchString(s)
}
