package test

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/mediaconvert/types"

	"darkroom/internal/audit"
	"darkroom/internal/cpix"
)

// drm are the settings of a CMAF group whose keys a key server gives.
func drm(input, destination, provider string) string {
	return strings.NewReplacer("INPUT", input, "DESTINATION", destination, "PROVIDER", provider).Replace(`{
  "Inputs": [{"FileInput": "INPUT", "AudioSelectors": {"one": {"DefaultSelection": "DEFAULT"}}, "VideoSelector": {}}],
  "OutputGroups": [{"OutputGroupSettings": {"Type": "CMAF_GROUP_SETTINGS", "CmafGroupSettings": {"Destination": "DESTINATION/film", "SegmentLength": 2, "FragmentLength": 2,
      "Encryption": {"Type": "SPEKE", "EncryptionMethod": "SAMPLE_AES", "SpekeKeyProvider": {PROVIDER}}}},
    "Outputs": [
      {"NameModifier": "_video", "ContainerSettings": {"Container": "CMFC"},
       "VideoDescription": {"Width": 320, "Height": 180, "CodecSettings": {"Codec": "H_264", "H264Settings": {"RateControlMode": "QVBR", "MaxBitrate": 400000}}}},
      {"NameModifier": "_audio", "ContainerSettings": {"Container": "CMFC"},
       "AudioDescriptions": [{"AudioSourceName": "one", "CodecSettings": {"Codec": "AAC", "AacSettings": {"Bitrate": 96000, "CodingMode": "CODING_MODE_2_0", "SampleRate": 48000}}}]}]}]}`)
}

func provider(url, resource, more string) string {
	return `"Url": "` + url + `", "ResourceId": "` + resource + `", "DashSignaledSystemIds": ["edef8ba9-79d6-4ace-a3c8-27dcd51d21ed", "9a04f079-9840-4286-ab92-e65be0885f95"],
		"HlsSignaledSystemIds": ["94ce86fb-07ff-4f43-adb8-93d2fa968ca2"]` + more
}

const contract = `, "EncryptionContractConfiguration": {"SpekeVideoPreset": "PRESET_VIDEO_1", "SpekeAudioPreset": "PRESET_AUDIO_1"}`

// TestContentKeys has a job's content keys fetched from the key server in the box, over both versions of SPEKE, encrypted for a certificate too; a role that may not ask
// gets none, and neither does a worker learn who asked how.
func TestContentKeys(t *testing.T) {
	t.Parallel()
	need(t, "openssl")
	s := serve(t, "--keyserver")
	s.upload("films", "in/clip.mp4", clip(t, 4))
	asker := func(action string) {
		s.aws("iam", "put-role-policy", "--role-name", "MediaConvert_Default_Role", "--policy-name", "speke", "--policy-document",
			`{"Version":"2012-10-17","Statement":[{"Effect":"`+action+`","Action":"execute-api:Invoke","Resource":"arn:aws:execute-api:us-east-1:000000000000:darkroom/speke/POST/*"}]}`)
	}
	asker("Deny")
	refused := s.until(s.submit(job(drm("s3://films/in/clip.mp4", "s3://films/refused", provider(s.url+"/speke/v2.0/copyProtection", "film", contract)))), final)
	if refused.Status != types.JobStatusError || *refused.ErrorCode != 1091 || !strings.Contains(*refused.ErrorMessage, "Output group 1 has no content keys: the key server 127.0.0.1:") ||
		!strings.Contains(*refused.ErrorMessage, "denies access with status 403") {
		t.Errorf("a role that may not ask: %s, error %d %q", refused.Status, *refused.ErrorCode, *refused.ErrorMessage)
	}
	asker("Allow")
	dir := t.TempDir()
	run(t, nil, "openssl", "req", "-x509", "-newkey", "rsa:2048", "-sha512", "-nodes", "-keyout", filepath.Join(dir, "k"), "-out", filepath.Join(dir, "c"), "-subj", "/CN=packager", "-days", "30")
	certificate := strings.TrimSpace(s.aws("acm", "import-certificate", "--certificate", "fileb://"+filepath.Join(dir, "c"), "--private-key", "fileb://"+filepath.Join(dir, "k"), "--query", "CertificateArn", "--output", "text"))
	s.aws("mediaconvert", "associate-certificate", "--arn", certificate)
	for _, c := range []struct {
		name, version, more string
		tracks              []string
	}{
		{"v2", "2.0", contract, []string{"VIDEO", "AUDIO"}},
		{"v2sealed", "2.0", contract + `, "CertificateArn": "` + certificate + `"`, []string{"VIDEO", "AUDIO"}},
		{"v1", "1.0", "", []string{cpix.All}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s.finish(s.submit(job(drm("s3://films/in/clip.mp4", "s3://films/"+c.name, provider(s.url+"/speke/v"+c.version+"/copyProtection", c.name, c.more)))))
			keys := s.licences("s3://films/"+c.name+"/film.mpd", c.name)
			if len(keys) != len(c.tracks) {
				t.Errorf("%d content keys, want %d", len(keys), len(c.tracks))
			}
			for kid, value := range keys {
				s.secret("content key "+kid+" of "+c.name, value) // searched for when the server ends
			}
			out := s.download("films", c.name+"/")
			mpd, err := os.ReadFile(filepath.Join(out, "film.mpd"))
			if err != nil {
				t.Fatal(err)
			}
			for _, track := range c.tracks {
				kid := cpix.KeyID(c.name, track).String()
				if !strings.Contains(strings.ToLower(string(mpd)), `default_kid="`+kid) {
					t.Errorf("the MPD does not name the key %s of %s:\n%s", kid, track, mpd)
				}
			}
			var playlists string
			for _, f := range []string{"film_video.m3u8", "film_audio.m3u8"} {
				b, err := os.ReadFile(filepath.Join(out, f))
				if err != nil {
					t.Fatal(err)
				}
				playlists += string(b)
			}
			if n := strings.Count(playlists, `METHOD=SAMPLE-AES,URI="skd://`); n != 2 {
				t.Errorf("%d of 2 playlists name a FairPlay key:\n%s", n, playlists)
			}
		})
	}
	outcomes := map[audit.Outcome]int{}
	for _, r := range s.serviceEvents() {
		if r.Service == "speke" {
			outcomes[r.Outcome]++
			if !slices.Contains(r.Resources, "https://"+strings.TrimPrefix(s.url, "https://")) || r.Principal != role {
				t.Errorf("the audit trail says: %+v", r)
			}
		}
	}
	if outcomes[audit.Intended] != 4 || outcomes[audit.Granted] != 3 || outcomes[audit.Denied] != 1 {
		t.Errorf("outcomes in the audit trail: %v", outcomes)
	}
	// Whether a request was made for the certificate of the settings stands in the records of the key server.
	asked := map[string]bool{}
	for _, r := range s.auditRecords() {
		if !strings.HasPrefix(r.EventName, "CopyProtectionV") || r.ErrorCode != "" {
			continue
		}
		var p struct {
			ContentID string
			Encrypted *bool
		}
		if err := json.Unmarshal(r.RequestParameters, &p); err != nil || p.Encrypted == nil {
			t.Errorf("%v: %s", err, r.RequestParameters)
			continue
		}
		asked[fmt.Sprintf("%s %s %t", r.EventName, p.ContentID, *p.Encrypted)] = true
	}
	want := map[string]bool{"CopyProtectionV2 v2 false": true, "CopyProtectionV2 v2sealed true": true, "CopyProtectionV1 v1 false": true}
	if !maps.Equal(asked, want) {
		t.Errorf("the key server was asked %v, want %v", asked, want)
	}
}
