package worker

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"darkroom/internal/cenc"
	"darkroom/internal/cpix"
	"darkroom/internal/job"
	"darkroom/internal/lease"
	"darkroom/internal/plan"
	"darkroom/internal/secret"
)

// keyed is a control plane that has content keys.
type keyed struct {
	oneLease
	give func(group int) ([]cenc.Protection, error)
}

func (k *keyed) ContentKeys(_ context.Context, _ *lease.Lease, group int) ([]cenc.Protection, error) {
	return k.give(group)
}

const staticSettings = `{"outputGroups":[{},{"outputGroupSettings":{"type":"HLS_GROUP_SETTINGS","hlsGroupSettings":{"destination":"s3://b/","encryption":{"type":"STATIC_KEY","encryptionMethod":"AES128",
	"staticKeyProvider":{"url":"https://keys.example/a","staticKeyValue":"VALUE"}}}}}]}`

// TestContentKeys: each encrypted group gets its keys from where the plan says; a group without all of its keys gets none, and no other keeps them.
func TestContentKeys(t *testing.T) {
	t.Parallel()
	const value = "000102030405060708090a0b0c0d0e0f"
	var given []secret.Bytes
	fresh := func(n int) []cenc.Protection {
		keys := make([]cenc.Protection, n)
		for i := range keys {
			v := secret.New([]byte("sixteen bytes ok"))
			given = append(given, v)
			keys[i] = cenc.Protection{Key: cenc.Key{ID: cenc.UUID{byte(i + 1)}, Value: v}}
		}
		return keys
	}
	static := &plan.ContentEncryption{Static: &plan.StaticSignal{URL: "https://keys.example/a"}, Keys: []plan.KeyUse{{Track: cpix.All}}, ConstantIV: []byte("0123456789abcdef")}
	asked := &plan.ContentEncryption{SPEKE: &plan.KeyRequest{}, Keys: []plan.KeyUse{{Track: "VIDEO"}, {Track: "AUDIO"}}}
	p := &plan.Plan{Streams: []plan.StreamGroup{{Group: 0}, {Group: 1, Encryption: static}, {Group: 4, Encryption: asked}}}
	newRun := func(settings string, give func(int) ([]cenc.Protection, error)) *run {
		return &run{worker: New(Options{Control: &keyed{give: give}}), lease: &lease.Lease{Settings: json.RawMessage(settings)}}
	}
	settings := strings.Replace(staticSettings, "VALUE", value, 1)
	keys, err := newRun(settings, func(group int) ([]cenc.Protection, error) {
		if group != 4 {
			t.Errorf("keys of group %d are asked for", group)
		}
		return fresh(2), nil
	}).contentKeys(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	if len(keys) != 2 || len(keys[1]) != 1 || len(keys[4]) != 2 {
		t.Fatalf("keys of %d groups", len(keys))
	}
	if k := keys[1][0]; string(k.Value.Reveal()) != "\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f" || k.ID != cpix.KeyID("https://keys.example/a", staticTrack) || string(k.IV) != "0123456789abcdef" || k.Signals != nil {
		t.Errorf("the static key is %+v", k)
	}
	wipeKeys(keys)
	for name, c := range map[string]struct {
		settings string
		p        *plan.Plan
		give     func(int) ([]cenc.Protection, error)
		code     int
	}{
		"a key less":            {settings, p, func(int) ([]cenc.Protection, error) { return fresh(1), nil }, 0},
		"a key more":            {settings, p, func(int) ([]cenc.Protection, error) { return fresh(3), nil }, 0},
		"no keys":               {settings, p, func(int) ([]cenc.Protection, error) { return nil, nil }, 0},
		"a key without a value": {settings, p, func(int) ([]cenc.Protection, error) { k := fresh(2); k[1].Value = secret.Bytes{}; return k, nil }, 0},
		"a key without a name":  {settings, p, func(int) ([]cenc.Protection, error) { k := fresh(2); k[0].ID = cenc.UUID{}; return k, nil }, 0},
		"a refusal":             {settings, p, func(int) ([]cenc.Protection, error) { return nil, job.Errorf(1091, "no") }, 1091},
		"a static key that is no hexadecimal": {
			strings.Replace(staticSettings, "VALUE", strings.Repeat("z", 32), 1), p, func(int) ([]cenc.Protection, error) { return fresh(2), nil }, 1091,
		},
		"no source":             {settings, &plan.Plan{Streams: []plan.StreamGroup{{Encryption: &plan.ContentEncryption{Keys: asked.Keys}}}}, nil, 0},
		"a plan without uses":   {settings, &plan.Plan{Streams: []plan.StreamGroup{{Group: 4, Encryption: &plan.ContentEncryption{SPEKE: asked.SPEKE}}}}, func(int) ([]cenc.Protection, error) { return nil, nil }, 0},
		"a lease that was lost": {settings, p, func(int) ([]cenc.Protection, error) { return nil, lease.ErrLost }, 0},
	} {
		t.Run(name, func(t *testing.T) { // one after the other: they share what was given
			given = nil
			keys, err := newRun(c.settings, c.give).contentKeys(t.Context(), c.p)
			e, ok := errors.AsType[*job.Error](err)
			if keys != nil || err == nil || ok != (c.code != 0) || ok && e.Code != c.code {
				t.Errorf("keys of %d groups, error %v, want code %d", len(keys), err, c.code)
			}
			if err != nil && strings.Contains(err.Error(), value[2:]) {
				t.Errorf("the error shows a key: %v", err)
			}
			for _, v := range given {
				if name != "a key without a value" && string(v.Reveal()) != string(make([]byte, 16)) {
					t.Error("a key that is not used is still there")
				}
			}
		})
	}
}
