package iam

import (
	"encoding/base64"
	"encoding/json"
	"math/big"
	"net"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// This is a second evaluator of the policy language, for the tests alone: slow, and written from the rules of the user guide and nothing else. It
// shares no code with the package, works on documents as encoding/json decodes them, and says only what the effect is. Where the guide is silent, it
// states what the package promises: what cannot be read keeps an Allow from applying, and a Deny in force.

// literalPolicies are the documents of a request's policies. A policy without one is unreadable.
type literalPolicies map[*Policy]string

// literalAuthorize decides a request.
func literalAuthorize(r *Request, documents literalPolicies) Effect {
	l := &literal{Request: r}
	if !l.sound() {
		return 0
	}
	p := r.Principal
	trust := literalFold(r.Check.Action, "sts:AssumeRole") || literalFold(r.Check.Action, "sts:AssumeRoleWithWebIdentity") ||
		literalFold(r.Check.Action, "sts:AssumeRoleWithSAML") || literalFold(r.Check.Action, "sts:TagSession") || literalFold(r.Check.Action, "sts:SetSourceIdentity")
	key := strings.HasPrefix(strings.ToLower(r.Check.Action), "kms:") && r.Check.Policy != nil

	rails := l.read(documents, false, p.GuardRails...)
	if p.Type == Service {
		rails = nil
	}
	identity := l.read(documents, false, p.Policies...)
	session := l.read(documents, false, p.Session...)
	var boundary, resource []literalFinding
	if p.Boundary != nil {
		boundary = l.read(documents, false, p.Boundary)
	}
	if r.Check.Policy != nil {
		resource = l.read(documents, true, r.Check.Policy)
	}
	unread := false
	for _, findings := range [][]literalFinding{rails, identity, session, boundary, resource} {
		for _, f := range findings {
			if f.denied {
				return Deny
			}
			unread = unread || f.unread
		}
	}
	if unread {
		return 0
	}
	allows := func(findings []literalFinding) (how string) {
		for _, f := range findings {
			for _, h := range []string{"account", "role", "name"} {
				if f.allowed[h] {
					how = strongest(how, h)
				}
			}
		}
		return how
	}
	fromResource := allows(resource)
	switch {
	case p.GuardRails != nil && p.Type != Service && allows(rails) == "":
		return 0
	case p.Type == Root && strings.HasPrefix(strings.ToLower(r.Check.Action), "sts:assumerole"):
		return 0
	case (trust || key) && fromResource == "":
		return 0
	case fromResource == "name":
		return Allow
	case p.Type == Service || p.Type == WebIdentity:
		return 0
	case fromResource != "role" && p.Type != Root && allows(identity) == "":
		return 0
	case p.Boundary != nil && allows(boundary) == "":
		return 0
	case p.Session != nil && allows(session) == "":
		return 0
	}
	return Allow
}

func strongest(a, b string) string {
	rank := map[string]int{"": 0, "account": 1, "role": 2, "name": 3}
	if rank[b] > rank[a] {
		return b
	}
	return a
}

type literalFinding struct {
	unread, denied bool
	allowed        map[string]bool // how the principal was named
}

type literal struct {
	*Request
	version string
}

// sound says whether the request is one at all, about something in the principal's own account.
func (l *literal) sound() bool {
	p, c := l.Principal, l.Check
	switch p.Type {
	case Root, User, AssumedRole:
		if p.Account == "" || p.ARN == "" {
			return false
		}
	case Service, WebIdentity:
		if p.Name == "" {
			return false
		}
	default:
		return false
	}
	if !literalActionForm.MatchString(c.Action) {
		return false
	}
	if c.Resource == "*" {
		return true
	}
	parts := strings.SplitN(c.Resource, ":", 6)
	if !utf8.ValidString(c.Resource) || len(parts) < 6 || parts[0] != "arn" || parts[1] == "" || parts[2] == "" || parts[5] == "" {
		return false
	}
	return p.Type == Service || parts[4] == "aws" || l.owner() == p.Account
}

func (l *literal) owner() string {
	if parts := strings.SplitN(l.Check.Resource, ":", 6); len(parts) == 6 && parts[4] != "" {
		return parts[4]
	}
	return l.Check.Owner
}

func (l *literal) read(documents literalPolicies, ofResource bool, policies ...*Policy) []literalFinding {
	var out []literalFinding
	for _, p := range policies {
		f := literalFinding{allowed: make(map[string]bool)}
		text, ok := documents[p]
		if !ok || (p.Kind == IdentityPolicy) == ofResource {
			f.unread = true
			out = append(out, f)
			continue
		}
		d := json.NewDecoder(strings.NewReader(text))
		d.UseNumber()
		var document map[string]any
		if d.Decode(&document) != nil {
			panic("the document parsed before")
		}
		l.version, _ = document["Version"].(string)
		for _, s := range literalList(document["Statement"]) {
			named, applies := l.statement(s.(map[string]any))
			if applies && s.(map[string]any)["Effect"] == "Deny" {
				f.denied = true
			} else if applies {
				f.allowed[named] = true
			}
		}
		out = append(out, f)
	}
	return out
}

func literalList(v any) []any {
	if list, ok := v.([]any); ok {
		return list
	}
	return []any{v}
}

func literalText(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case json.Number:
		return v.String()
	case bool:
		return strconv.FormatBool(v)
	}
	panic("no scalar")
}

// literalFold compares names of the language, whose case does not matter; only that of ASCII.
func literalFold(a, b string) bool {
	return literalLower(a) == literalLower(b)
}

// statement says whether a statement applies, and how it names the principal.
func (l *literal) statement(s map[string]any) (named string, applies bool) {
	deny := s["Effect"] == "Deny"
	named = "name"
	if v, ok := s["Principal"]; ok {
		named = l.named(v)
	}
	if v, ok := s["NotPrincipal"]; ok && l.excepted(v) {
		named = ""
	}
	if named == "" {
		return "", false
	}

	action := func(v any) bool {
		for _, a := range literalList(v) {
			if literalGlob(literalTokens(strings.ToLower(a.(string)), "", true), strings.ToLower(l.Check.Action), nil) == "yes" {
				return true
			}
		}
		return false
	}
	if v, ok := s["Action"]; ok && !action(v) {
		return "", false
	}
	if v, ok := s["NotAction"]; ok && action(v) {
		return "", false
	}

	resource := func(v any) string {
		found := "no"
		for _, x := range literalList(v) {
			switch m := l.resource(x.(string)); {
			case m == "yes":
				return "yes"
			case found == "no" || m == "doubt":
				found = m
			}
		}
		return found
	}
	if v, ok := s["Resource"]; ok {
		if m := resource(v); m != "yes" && (m != "doubt" || !deny) {
			return "", false
		}
	}
	if v, ok := s["NotResource"]; ok {
		if m := resource(v); m == "yes" || m != "no" && !deny {
			return "", false
		}
	}

	doubt := false
	conditions, _ := s["Condition"].(map[string]any)
	for operator, keys := range conditions {
		for key, values := range keys.(map[string]any) {
			switch l.condition(operator, key, literalList(values)) {
			case "no":
				return "", false
			case "doubt":
				doubt = true
			}
		}
	}
	return named, deny || !doubt
}

// resource says whether a pattern matches the resource: yes, no, absent for a variable without value, doubt.
func (l *literal) resource(pattern string) string {
	if pattern == "*" {
		return "yes"
	}
	if l.Check.Resource == "*" {
		return "no"
	}
	return l.arn(pattern, l.Check.Resource)
}

// arn compares an ARN with a pattern part by part; what the pattern lacks is completed by wildcards.
func (l *literal) arn(pattern, value string) string {
	patterns := [][]literalToken{nil}
	for _, t := range literalTokens(pattern, l.version, true) {
		if t.kind == 0 && t.text == ":" && len(patterns) < 6 {
			patterns = append(patterns, nil)
			continue
		}
		patterns[len(patterns)-1] = append(patterns[len(patterns)-1], t)
	}
	for len(patterns) < 6 {
		patterns = append(patterns, []literalToken{{kind: '*'}})
	}
	found := "yes"
	for i, part := range strings.SplitN(value, ":", 6) {
		switch m := literalGlob(patterns[i], part, l.values); m {
		case "no":
			return "no"
		case "absent", "doubt":
			found = m
		}
	}
	return found
}

// named says how a Principal element names the principal: name, role, account or not at all.
func (l *literal) named(element any) (best string) {
	if element == "*" {
		return "name"
	}
	p := l.Principal
	for kind, values := range element.(map[string]any) {
		for _, v := range literalList(values) {
			value, how := v.(string), ""
			person := kind == "AWS" && (p.Type == Root || p.Type == User || p.Type == AssumedRole)
			switch {
			case value == "*":
				how = "name"
			case kind == "Service" && p.Type == Service && value == p.Name, kind == "Federated" && p.Type == WebIdentity && value == p.Name:
				how = "name"
			case !person:
			case value == p.Account, literalRootForm.ReplaceAllString(value, "$1") == p.Account:
				how = "account"
			case p.Type == AssumedRole && (value == p.RoleARN || value == p.RoleID && strings.HasPrefix(value, "AROA")):
				how = "role"
			case value == p.ARN, p.Type == User && value == p.UserID && strings.HasPrefix(value, "AIDA"):
				how = "name"
			}
			best = strongest(best, how)
		}
	}
	return best
}

// excepted says whether NotPrincipal names the principal wholly: its account, and the user or the role.
func (l *literal) excepted(element any) bool {
	if element == "*" {
		return true
	}
	account, self := false, false
	for kind, values := range element.(map[string]any) {
		for _, v := range literalList(values) {
			how := l.named(map[string]any{kind: v})
			switch {
			case v == "*":
				return true
			case how == "account":
				account = true
				self = self || l.Principal.Type == Root
			case how == "role", how == "name" && l.Principal.Type != AssumedRole:
				self = true
			}
		}
	}
	return self && (account || l.Principal.Type == Service || l.Principal.Type == WebIdentity)
}

// values are those of a condition key.
func (l *literal) values(key string) []string {
	p := l.Principal
	if v := l.Assumed.Get(key); v != nil {
		return v
	}
	when := func(ok bool, v string) []string {
		if ok && v != "" {
			return []string{v}
		}
		return nil
	}
	clock := func(t time.Time) []string {
		if t.IsZero() {
			return []string{"\xff"}
		}
		return []string{t.UTC().Format("2006-01-02T15:04:05Z")}
	}
	tags := func(tags map[string]string, name string) (out []string) {
		for k, v := range tags {
			if literalFold(k, name) {
				out = append(out, v)
			}
		}
		return out
	}
	name := func(want string) bool { return literalFold(key, want) }
	under := func(prefix string) bool { return len(key) >= len(prefix) && literalFold(key[:len(prefix)], prefix) }
	arn := p.ARN
	if p.Type == AssumedRole {
		arn = p.RoleARN
	}
	switch {
	case name("aws:CurrentTime"):
		return clock(l.Now)
	case name("aws:EpochTime"):
		if l.Now.IsZero() {
			return []string{"\xff"}
		}
		return []string{strconv.FormatInt(l.Now.Unix(), 10)}
	case name("aws:PrincipalArn"):
		return when(true, arn)
	case name("aws:PrincipalAccount"):
		return when(true, p.Account)
	case name("aws:PrincipalType"):
		return []string{map[PrincipalType]string{Root: "Account", User: "User", AssumedRole: "AssumedRole", Service: "Service", WebIdentity: "WebIdentityUser"}[p.Type]}
	case name("aws:PrincipalIsAWSService"):
		return []string{strconv.FormatBool(p.Type == Service)}
	case name("aws:PrincipalServiceName"):
		return when(p.Type == Service, p.Name)
	case name("aws:userid"):
		return when(true, p.UserID)
	case name("aws:username"):
		return when(p.Type == User, p.Name)
	case name("aws:SourceIdentity"):
		return when(true, p.SourceIdentity)
	case name("aws:FederatedProvider"):
		return when(true, p.Provider)
	case name("aws:TokenIssueTime"):
		if p.Issued.IsZero() {
			return nil
		}
		return clock(p.Issued)
	case name("aws:MultiFactorAuthPresent"):
		return when(!p.Issued.IsZero(), strconv.FormatBool(!p.MFA.IsZero()))
	case name("aws:MultiFactorAuthAge"):
		if p.MFA.IsZero() {
			return nil
		}
		if l.Now.IsZero() {
			return []string{"\xff"}
		}
		return []string{strconv.FormatInt(int64(l.Now.Sub(p.MFA).Seconds()), 10)}
	case name("aws:ResourceAccount"):
		return when(true, l.owner())
	case under("aws:PrincipalTag/"):
		return tags(p.Tags, key[len("aws:PrincipalTag/"):])
	case under("aws:ResourceTag/"):
		return tags(l.Check.Tags, key[len("aws:ResourceTag/"):])
	case under("iam:ResourceTag/"):
		return tags(l.Check.Tags, key[len("iam:ResourceTag/"):])
	}
	if v := l.Context.Get(key); v != nil {
		return v
	}
	return l.Check.Context.Get(key)
}

// condition says whether one line of a Condition holds: yes, no or doubt.
func (l *literal) condition(operator, key string, wanted []any) string {
	had := l.values(key)
	truth := func(ok bool) string {
		if ok {
			return "yes"
		}
		return "no"
	}
	set, base, found := strings.Cut(operator, ":")
	if !found {
		set, base = "", operator
	}
	base, ifExists := strings.CutSuffix(base, "IfExists")
	if base == "Null" {
		for _, w := range wanted {
			if literalFold(literalText(w), "true") == (len(had) == 0) {
				return "yes"
			}
		}
		return "no"
	}
	negated := strings.Contains(base, "Not")
	base = strings.Replace(base, "Not", "", 1)
	if len(had) == 0 {
		switch {
		case ifExists:
			return "yes"
		case set == "ForAllValues":
			return "yes"
		case set == "ForAnyValue":
			return "no"
		}
		return truth(negated)
	}
	if set != "" && strings.Join(had, "") == "" {
		return truth(set == "ForAllValues")
	}
	if set == "" && len(had) > 1 {
		return "doubt"
	}
	counts := make(map[string]int)
	for _, h := range had {
		// One value of the request against all of the condition: any for what is asked, none for what is excluded.
		one := "no"
		for _, w := range wanted {
			switch m := l.compare(base, h, literalText(w)); {
			case m == "yes":
				one = "yes"
			case m == "doubt" && one == "no":
				one = "doubt"
			}
		}
		if negated && one != "doubt" {
			one = truth(one == "no")
		}
		counts[one]++
	}
	switch {
	case set == "ForAnyValue" && counts["yes"] > 0:
		return "yes"
	case set != "ForAnyValue" && counts["no"] > 0:
		return "no"
	case counts["doubt"] > 0:
		return "doubt"
	}
	return truth(set != "ForAnyValue")
}

// compare compares one value with one value: yes, no or doubt.
func (l *literal) compare(operator, had, want string) string {
	truth := func(ok bool) string {
		if ok {
			return "yes"
		}
		return "no"
	}
	if !utf8.ValidString(had) {
		return "doubt"
	}
	known := func(m string) string { // a variable without a value is equal to nothing and like nothing
		if m == "absent" {
			return "no"
		}
		return m
	}
	order := func(c int) string {
		return truth(map[string]bool{
			"Equals": c == 0, "LessThan": c < 0, "LessThanEquals": c <= 0, "GreaterThan": c > 0, "GreaterThanEquals": c >= 0,
		}[strings.TrimPrefix(strings.TrimPrefix(operator, "Numeric"), "Date")])
	}
	switch {
	case operator == "StringEquals":
		return known(literalGlob(literalTokens(want, l.version, false), had, l.values))
	case operator == "StringEqualsIgnoreCase":
		values := func(key string) (out []string) {
			for _, v := range l.values(key) {
				out = append(out, literalLower(v))
			}
			return out
		}
		tokens := literalTokens(want, l.version, false)
		for i := range tokens {
			if tokens[i].kind == 0 {
				tokens[i].text = literalLower(tokens[i].text)
			}
			tokens[i].def = literalLower(tokens[i].def)
		}
		return known(literalGlob(tokens, literalLower(had), values))
	case operator == "StringLike":
		return known(literalGlob(literalTokens(want, l.version, true), had, l.values))
	case strings.HasPrefix(operator, "Numeric"):
		a, okA := literalNumber(had)
		b, _ := literalNumber(want)
		if !okA {
			return "doubt"
		}
		return order(a.Cmp(b))
	case strings.HasPrefix(operator, "Date"):
		a, okA := literalDate(had)
		b, _ := literalDate(want)
		if !okA {
			return "doubt"
		}
		return order(a.Compare(b))
	case operator == "Bool":
		if !literalFold(had, "true") && !literalFold(had, "false") {
			return "doubt"
		}
		return truth(literalFold(had, want))
	case operator == "BinaryEquals":
		a, err := base64.StdEncoding.Strict().DecodeString(had)
		b, _ := base64.StdEncoding.Strict().DecodeString(want)
		if err != nil {
			return "doubt"
		}
		return truth(string(a) == string(b))
	case operator == "IpAddress":
		a := net.ParseIP(had)
		if address, zone, ok := strings.Cut(had, "%"); ok && zone != "" && strings.Contains(address, ":") {
			a = net.ParseIP(address)
		}
		if a == nil {
			return "doubt"
		}
		if b := net.ParseIP(want); b != nil {
			return truth(a.Equal(b))
		}
		_, network, _ := net.ParseCIDR(want)
		return truth(network.Contains(a))
	case operator == "ArnEquals" || operator == "ArnLike":
		if parts := strings.SplitN(had, ":", 6); len(parts) < 6 || parts[0] != "arn" {
			return "doubt"
		}
		return known(l.arn(want, had))
	}
	panic("unknown operator " + operator)
}

func literalLower(s string) string {
	b := []byte(s)
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			b[i] = c + 32
		}
	}
	return string(b)
}

func literalNumber(s string) (*big.Rat, bool) {
	if len(s) > 64 || !literalNumberForm.MatchString(s) {
		return nil, false
	}
	return new(big.Rat).SetString(s)
}

var (
	literalActionForm = regexp.MustCompile(`^[A-Za-z0-9-]+:[A-Za-z0-9_-]+$`)
	literalRootForm   = regexp.MustCompile(`^arn:[^:]+:iam::(\d{12}):root$`)
	literalNumberForm = regexp.MustCompile(`^[+-]?[0-9]+(\.[0-9]+)?$`)
	literalEpochForm  = regexp.MustCompile(`^[0-9]{1,18}$`)
	literalDateForm   = regexp.MustCompile(`^(\d{4})(?:-(\d\d)(?:-(\d\d)(?:T(\d\d):(\d\d)(?::(\d\d)(?:\.(\d+))?)?(Z|[+-]\d\d:\d\d))?)?)?$`)
)

func literalDate(s string) (time.Time, bool) {
	if len(s) != 4 && literalEpochForm.MatchString(s) {
		n, _ := strconv.ParseInt(s, 10, 64)
		return time.Unix(n, 0), n <= 253402300799
	}
	m := literalDateForm.FindStringSubmatch(s)
	if m == nil || len(s) > 35 {
		return time.Time{}, false
	}
	n := func(i, absent int) int {
		if m[i] == "" {
			return absent
		}
		v, _ := strconv.Atoi(m[i])
		return v
	}
	nano, _ := strconv.Atoi((m[7] + "000000000")[:9])
	t := time.Date(n(1, 0), time.Month(n(2, 1)), n(3, 1), n(4, 0), n(5, 0), n(6, 0), nano, time.UTC)
	if int(t.Month()) != n(2, 1) || t.Day() != n(3, 1) || t.Hour() != n(4, 0) || t.Minute() != n(5, 0) || t.Second() != n(6, 0) {
		return time.Time{}, false
	}
	if len(m[8]) > 1 {
		hours, _ := strconv.Atoi(m[8][1:3])
		minutes, _ := strconv.Atoi(m[8][4:6])
		if hours > 24 || minutes > 60 {
			return time.Time{}, false
		}
		shift := time.Duration(hours)*time.Hour + time.Duration(minutes)*time.Minute
		if m[8][0] == '+' {
			shift = -shift
		}
		t = t.Add(shift)
	}
	return t, true
}

// literalToken is a character (kind 0), a wildcard (* or ?), or a policy variable (v).
type literalToken struct {
	kind      byte
	text, def string
	defaulted bool
}

// literalTokens takes a pattern apart. There are variables in version 2012-10-17 alone.
func literalTokens(pattern, version string, wild bool) []literalToken {
	var out []literalToken
	runes := []rune(pattern)
	for i := 0; i < len(runes); i++ {
		rest := string(runes[i:])
		switch {
		case version == "2012-10-17" && strings.HasPrefix(rest, "${"):
			inside, _, _ := strings.Cut(rest[2:], "}")
			i += len([]rune(inside)) + 2
			if inside == "*" || inside == "?" || inside == "$" {
				out = append(out, literalToken{text: inside})
				continue
			}
			key, def, defaulted := strings.Cut(inside, ",")
			if defaulted {
				def = strings.TrimSpace(def)
				def = def[1 : len(def)-1]
			}
			out = append(out, literalToken{kind: 'v', text: key, def: def, defaulted: defaulted})
		case wild && runes[i] == '*', wild && runes[i] == '?':
			out = append(out, literalToken{kind: byte(runes[i])})
		default:
			out = append(out, literalToken{text: string(runes[i])})
		}
	}
	return out
}

// literalGlob matches by trying everything: yes, no, absent for a variable without value, doubt for one that cannot be read.
func literalGlob(tokens []literalToken, text string, values func(key string) []string) string {
	doubt := false
	var filled []literalToken
	for _, t := range tokens {
		if t.kind != 'v' {
			filled = append(filled, t)
			continue
		}
		value := ""
		switch v := values(t.text); {
		case len(v) > 1 || len(v) == 1 && !utf8.ValidString(v[0]):
			doubt = true
		case len(v) == 1 && v[0] != "":
			value = v[0]
		case t.defaulted:
			value = t.def
		default:
			return "absent"
		}
		for _, r := range value {
			filled = append(filled, literalToken{text: string(r)})
		}
	}
	if doubt {
		return "doubt"
	}
	runes := []rune(text)
	known := make(map[[2]int]bool)
	var match func(i, j int) bool
	match = func(i, j int) (ok bool) {
		at := [2]int{i, j}
		if ok, seen := known[at]; seen {
			return ok
		}
		defer func() { known[at] = ok }()
		switch {
		case i == len(filled):
			return j == len(runes)
		case filled[i].kind == '*':
			return match(i+1, j) || j < len(runes) && match(i, j+1)
		case j == len(runes):
			return false
		}
		return (filled[i].kind == '?' || filled[i].text == string(runes[j])) && match(i+1, j+1)
	}
	if match(0, 0) {
		return "yes"
	}
	return "no"
}
