package plan

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
	"time"

	"darkroom/internal/media"

	"github.com/aws/aws-sdk-go-v2/service/mediaconvert/types"
	"github.com/google/go-cmp/cmp"
)

// embedded is a store like the one that is built in.
var embedded = StorageCapabilities{
	Encryptions: []Encryption{StoreKeys, ServiceKey}, Region: "us-east-1",
	ACLs: []types.S3ObjectCannedAcl{types.S3ObjectCannedAclBucketOwnerRead, types.S3ObjectCannedAclBucketOwnerFullControl},
}

// TestStorageCheck: what a store does not do is refused at submit with its path, and what nobody does is invalid.
func TestStorageCheck(t *testing.T) {
	t.Parallel()
	hls := strings.Replace(inHLS, "HOLE", `"minSegmentLength":0,"destination":"s3://out/x/","destinationSettings":{"s3Settings":{HOLE}}`, 1)
	at := func(group string) string {
		return "/outputGroups/0/outputGroupSettings/" + group + "/destinationSettings/s3Settings"
	}
	const none = "store of the outputs"
	for _, tt := range []struct {
		name, settings string
		caps           StorageCapabilities
		invalid        bool
		path, reason   string // without them nothing is refused
	}{
		{"nothing", ``, StorageCapabilities{}, false, "", ""},
		{"the usual class", `"storageClass":"STANDARD"`, StorageCapabilities{}, false, "", ""},
		{"a class", `"storageClass":"GLACIER"`, embedded, false, "/storageClass", "GLACIER is not carried out by the " + none + "; offered: STANDARD"},
		{"a class that is offered", `"storageClass":"GLACIER"`, everything.Storage, false, "", ""},
		{"owner reads", `"accessControl":{"cannedAcl":"BUCKET_OWNER_READ"}`, embedded, false, "", ""},
		{"owner controls", `"accessControl":{"cannedAcl":"BUCKET_OWNER_FULL_CONTROL"}`, embedded, false, "", ""},
		{"public", `"accessControl":{"cannedAcl":"PUBLIC_READ"}`, embedded, false, "/accessControl/cannedAcl", "PUBLIC_READ is not carried out by the " + none + "; offered: BUCKET_OWNER_READ, BUCKET_OWNER_FULL_CONTROL"},
		{"authenticated", `"accessControl":{"cannedAcl":"AUTHENTICATED_READ"}`, embedded, false, "/accessControl/cannedAcl", "AUTHENTICATED_READ"},
		{"list of plain files", `"accessControl":{"cannedAcl":"BUCKET_OWNER_READ"}`, StorageCapabilities{}, false, "/accessControl/cannedAcl", "offered: none"},
		{"SSE-S3", `"encryption":{"encryptionType":"SERVER_SIDE_ENCRYPTION_S3"}`, embedded, false, "", ""},
		{"SSE-S3 of plain files", `"encryption":{"encryptionType":"SERVER_SIDE_ENCRYPTION_S3"}`, StorageCapabilities{}, false, "/encryption/encryptionType", none},
		{"SSE-KMS", inKMS(`"kmsKeyArn":"` + keyOne + `","kmsEncryptionContext":"eyJhIjoiYiJ9"`), embedded, false, "", ""},
		{"SSE-KMS of plain files", inKMS(`"kmsKeyArn":"` + keyOne + `"`), StorageCapabilities{}, false, "/encryption/encryptionType", none},
		{"key without type", `"encryption":{"kmsKeyArn":"` + keyOne + `"}`, embedded, true, "/encryption/kmsKeyArn", "Should match all dependencies"},
		{"key for SSE-S3", `"encryption":{"encryptionType":"SERVER_SIDE_ENCRYPTION_S3","kmsKeyArn":"` + keyOne + `"}`, embedded, true, "/encryption/kmsKeyArn", "Should match all dependencies"},
		{"context for SSE-S3", `"encryption":{"encryptionType":"SERVER_SIDE_ENCRYPTION_S3","kmsEncryptionContext":"eyJhIjoiYiJ9"}`, embedded, true, "/encryption/kmsEncryptionContext", "Should match all dependencies"},
		{"context that is no map", inKMS(`"kmsEncryptionContext":"WyJhIl0="`), embedded, true, "/encryption/kmsEncryptionContext", "JSON object whose values are strings"},
		{"context that is no base64", inKMS(`"kmsEncryptionContext":"eyJ"`), embedded, true, "/encryption/kmsEncryptionContext", "base64"},
		{"key of another region", inKMS(`"kmsKeyArn":"` + strings.Replace(keyOne, "us-east-1", "eu-west-1", 1) + `"`), embedded, true, "/encryption/kmsKeyArn", "is in the region eu-west-1; the key of an output is in that of its bucket, us-east-1"},
	} {
		for group, text := range map[string]string{"fileGroupSettings": inStore, "hlsGroupSettings": hls} {
			caps := everything
			caps.Storage = tt.caps
			invalid, lack := Check(settings(t, strings.Replace(text, "HOLE", tt.settings, 1)), caps)
			got, other := lack, invalid
			if tt.invalid {
				got, other = invalid, lack
			}
			switch {
			case len(other) > 0 || (len(got) == 0) != (tt.path == ""):
				t.Errorf("%s, %s: invalid %v, not offered %v", tt.name, group, invalid, lack)
			case tt.path != "" && (got[0].Path != at(group)+tt.path || !strings.Contains(got[0].Reason, tt.reason)):
				t.Errorf("%s, %s: got %v", tt.name, group, got[0])
			}
		}
	}
}

// TestStorageReachesEveryObject: each object of a group, and what its credentials are narrowed to, says how it is kept.
func TestStorageReachesEveryObject(t *testing.T) {
	t.Parallel()
	const in = `"destinationSettings":{"s3Settings":{"storageClass":"STANDARD_IA","accessControl":{"cannedAcl":"BUCKET_OWNER_FULL_CONTROL"},"encryption":{"encryptionType":"SERVER_SIDE_ENCRYPTION_KMS","kmsKeyArn":"` + keyOne + `","kmsEncryptionContext":"eyJhIjoiYiJ9"}}}`
	want := &Storage{Encryption: ServiceKey, KeyARN: keyOne, Context: map[string]string{"a": "b"}, ACL: "bucket-owner-full-control", Class: "STANDARD_IA"}
	file := strings.Replace(fileJob(`{"nameModifier":"_a","containerSettings":`+mp4+`,"videoDescription":`+video+`}`,
		`{"nameModifier":"_t","containerSettings":{"container":"RAW"},"videoDescription":{"codecSettings":{"codec":"FRAME_CAPTURE","frameCaptureSettings":{}}}}`),
		`"s3://out/x/"`, `"s3://out/x/",`+in, 1)
	hls := hlsJob(`,`+in, `{"nameModifier":"_v","containerSettings":{"container":"M3U8"},"videoDescription":`+video+`}`,
		`{"nameModifier":"_s","containerSettings":{"container":"M3U8"},"audioDescriptions":[`+aac+`]}`)
	p := mustPlan(t, file, film())
	places := map[string]*Storage{"file": p.Files[0].Storage, "capture": p.Captures[0].Storage}
	groups := map[string]string{"access to files": file, "access to HLS": hls}
	for prefix, kind := range map[string]GroupKind{"CMAF": CMAF, "DASH": DASH, "Smooth": Smooth} {
		groups["access to "+prefix] = streamOf(kind, to+`,`+in, h264, audioSettings[media.AAC])
	}
	for name, text := range groups {
		for i, g := range mustPlan(t, text, film()).Streams {
			for where, l := range locations(&g) {
				places[fmt.Sprintf("%s: group %d: %s", name, i, where)] = l.Storage
			}
		}
	}
	for name, text := range groups {
		a, err := NewAccess(settings(t, text), time.Unix(0, 0))
		if err != nil {
			t.Fatal(err)
		}
		places[name] = a.Outputs[0].Storage
		if a.Inputs[0].Object.Storage != nil {
			t.Error("the input says how it is kept")
		}
	}
	for name, got := range places {
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got): %s", name, diff)
		}
	}
}

// FuzzParseContext: whatever the member holds is a map of strings or an error.
func FuzzParseContext(f *testing.F) {
	for _, s := range []string{`{}`, `{"a":"b"}`, `{"a":"b","a":"c"}`, `{"a":1}`, `[]`, `{"":"x"}`, `{} {}`, `{"a"`} {
		f.Add(base64.StdEncoding.EncodeToString([]byte(s)))
	}
	f.Fuzz(func(t *testing.T, text string) {
		c, err := parseContext(text)
		if err != nil && c != nil {
			t.Errorf("%v with %v", c, err)
		}
		if _, bad := c[""]; bad {
			t.Error("an empty name")
		}
	})
}
