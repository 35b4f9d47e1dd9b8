package main

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"time"

	"darkroom/internal/iam"
	"darkroom/internal/secret"
)

// explainer seals why a request was denied, so that who was denied can hand it to somebody who may read it: sts:DecodeAuthorizationMessage.
// Source: STS API Reference, DecodeAuthorizationMessage.
type explainer struct{ sealer *secret.Sealer }

// maxMessage bounds an encoded message, so that it fits a header.
const maxMessage = 6 << 10

func newExplainer(master secret.Bytes) (*explainer, error) {
	s, err := secret.NewSealer(master, "authorization messages", rand.Reader)
	return &explainer{s}, err
}

// denial is the document in a message.
type denial struct {
	Allowed           bool          `json:"allowed"`
	ExplicitDeny      bool          `json:"explicitDeny"`
	MatchedStatements items         `json:"matchedStatements"`
	Failures          items         `json:"failures"`
	Context           denialContext `json:"context"`
	// Explanation says the same in words.
	Explanation string `json:"explanation"`
}

type items struct {
	Items []map[string]string `json:"items"`
}

type denialContext struct {
	Principal struct {
		ID  string `json:"id"`
		ARN string `json:"arn"`
	} `json:"principal"`
	Action     string `json:"action"`
	Resource   string `json:"resource"`
	Conditions items  `json:"conditions"`
	Time       string `json:"time"`
}

// seal implements gateway.Options.Explain. A message of its account opens there alone.
func (m *explainer) seal(ask *iam.Request, d iam.Decision) string {
	out := denial{ExplicitDeny: d.Effect == iam.Deny, MatchedStatements: items{[]map[string]string{}}, Failures: items{[]map[string]string{}}, Explanation: iam.Explain(ask).String()}
	if d.Sid != "" {
		out.MatchedStatements.Items = append(out.MatchedStatements.Items, map[string]string{"statementId": d.Sid, "effect": d.Effect.String(), "policy": d.Policy, "policyType": string(d.Source)})
	}
	out.Context.Principal.ID, out.Context.Principal.ARN = ask.Principal.UserID, ask.Principal.ARN
	out.Context.Action, out.Context.Resource = ask.Check.Action, ask.Check.Resource
	out.Context.Conditions.Items = []map[string]string{}
	out.Context.Time = ask.Now.UTC().Format(time.RFC3339)
	text, err := json.Marshal(out)
	if err == nil && len(text) > maxMessage/2 {
		out.Explanation = d.String()
		text, err = json.Marshal(out)
	}
	if err != nil {
		return ""
	}
	sealed, err := m.sealer.Seal([]byte(ask.Principal.Account), text)
	if err != nil || base64.URLEncoding.EncodedLen(len(sealed)) > maxMessage {
		return ""
	}
	return base64.URLEncoding.EncodeToString(sealed)
}

// open implements stsapi.Options.Explain.
func (m *explainer) open(account, encoded string) (string, bool) {
	if len(encoded) > maxMessage {
		return "", false
	}
	sealed, err := base64.URLEncoding.Strict().DecodeString(encoded)
	if err != nil {
		return "", false
	}
	text, err := m.sealer.Open([]byte(account), sealed)
	return string(text), err == nil
}
