package iamapi_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/google/go-cmp/cmp"
)

const providerARN = "arn:aws:iam::" + account + ":oidc-provider/"

var thumb = strings.Repeat("0123456789abcdefABCD", 2)

func TestOpenIDConnectProviders(t *testing.T) {
	t.Parallel()
	d, ctx := newDesk(t), t.Context()
	made := must(d.root.CreateOpenIDConnectProvider(ctx, &sdk.CreateOpenIDConnectProviderInput{
		Url: aws.String("https://id.example.org/realms/films"), ClientIDList: []string{"b", "a", "b"}, ThumbprintList: []string{thumb},
		Tags: []types.Tag{{Key: aws.String("team"), Value: aws.String("films")}},
	}))(t)
	arn := *made.OpenIDConnectProviderArn
	if arn != providerARN+"id.example.org/realms/films" || len(made.Tags) != 1 {
		t.Errorf("got %s %v", arn, made.Tags)
	}
	show := func() *sdk.GetOpenIDConnectProviderOutput {
		t.Helper()
		return must(d.root.GetOpenIDConnectProvider(ctx, &sdk.GetOpenIDConnectProviderInput{OpenIDConnectProviderArn: &arn}))(t)
	}
	got := show()
	if *got.Url != "id.example.org/realms/films" || !got.CreateDate.Equal(d.clock()) || len(got.Tags) != 1 || !cmp.Equal(got.ClientIDList, []string{"b", "a"}) || !cmp.Equal(got.ThumbprintList, []string{thumb}) {
		t.Errorf("got %+v", got)
	}
	list := must(d.root.ListOpenIDConnectProviders(ctx, &sdk.ListOpenIDConnectProvidersInput{}))(t)
	if len(list.OpenIDConnectProviderList) != 1 || *list.OpenIDConnectProviderList[0].Arn != arn {
		t.Errorf("got %+v", list)
	}
	for range 2 { // the second time changes nothing
		must(d.root.AddClientIDToOpenIDConnectProvider(ctx, &sdk.AddClientIDToOpenIDConnectProviderInput{OpenIDConnectProviderArn: &arn, ClientID: aws.String("c")}))(t)
		must(d.root.RemoveClientIDFromOpenIDConnectProvider(ctx, &sdk.RemoveClientIDFromOpenIDConnectProviderInput{OpenIDConnectProviderArn: &arn, ClientID: aws.String("a")}))(t)
	}
	other := strings.Repeat("f", 40)
	must(d.root.UpdateOpenIDConnectProviderThumbprint(ctx, &sdk.UpdateOpenIDConnectProviderThumbprintInput{OpenIDConnectProviderArn: &arn, ThumbprintList: []string{other}}))(t)
	if got := show(); !cmp.Equal(got.ClientIDList, []string{"b", "c"}) || !cmp.Equal(got.ThumbprintList, []string{other}) {
		t.Errorf("got %+v", got)
	}
	for range 2 { // deleting is idempotent
		must(d.root.DeleteOpenIDConnectProvider(ctx, &sdk.DeleteOpenIDConnectProviderInput{OpenIDConnectProviderArn: &arn}))(t)
	}
	refused(t, "deleted", is(d.root.GetOpenIDConnectProvider(ctx, &sdk.GetOpenIDConnectProviderInput{OpenIDConnectProviderArn: &arn})), "NoSuchEntity", arn)
	// Neither thumbprint nor client is needed, and a port may be there.
	must(d.root.CreateOpenIDConnectProvider(ctx, &sdk.CreateOpenIDConnectProviderInput{Url: aws.String("https://id.example.org:8443/a")}))(t)
	must(d.root.CreateOpenIDConnectProvider(ctx, &sdk.CreateOpenIDConnectProviderInput{Url: aws.String("https://id.example.org/")}))(t)
}

func TestOpenIDConnectProviderRefuses(t *testing.T) {
	t.Parallel()
	d, ctx := newDesk(t), t.Context()
	create := func(c *sdk.Client, url string, edit func(*sdk.CreateOpenIDConnectProviderInput)) error {
		in := &sdk.CreateOpenIDConnectProviderInput{Url: &url}
		if edit != nil {
			edit(in)
		}
		return is(c.CreateOpenIDConnectProvider(ctx, in))
	}
	generation := d.generation()
	for _, url := range []string{
		"https://", "http://id.example.org", "id.example.org", "HTTPS://id.example.org", "https://id.example.org:", "https://id.example.org:0", "https://id.example.org:65536",
		"https://id.example.org:08443", "https://id.example.org:8443:1", "https://:8443", "https://ann@id.example.org", "https://ann:x@id.example.org",
		"https://id.example.org?x=y", "https://id.example.org/?x", "https://id.example.org/#x", "https://id.example.org#x", "https:///realm", "https://id..example.org", "https://.example.org",
		"https://example.org.", "https://id.example.org/a b", "https://id.example.org/*", "https://*.example.org", "https://id.example.org/${aws:username}", "https://id.exämple.org",
		"https://id.example.org/a/../b", "https://id.example.org/./a", `https://id.example.org/a\b`, "https://[::1]/", "https://id.example.org/\x00", " https://id.example.org",
	} {
		if err := create(d.root, url, nil); err == nil {
			t.Errorf("%q was taken", url)
		} else if !strings.Contains(url, "\x00") {
			refused(t, url, err, "ValidationError", "Invalid Open ID Connect Provider URL")
		}
	}
	many := func(n int) (out []string) {
		for i := range n {
			out = append(out, fmt.Sprint("client", i))
		}
		return out
	}
	const url = "https://id.example.org"
	for name, tt := range map[string]struct {
		edit func(*sdk.CreateOpenIDConnectProviderInput)
		code string
	}{
		"six thumbprints":         {func(in *sdk.CreateOpenIDConnectProviderInput) { in.ThumbprintList = slices.Repeat([]string{thumb}, 6) }, "InvalidInput"},
		"a thumbprint of letters": {func(in *sdk.CreateOpenIDConnectProviderInput) { in.ThumbprintList = []string{strings.Repeat("g", 40)} }, "InvalidInput"},
		"a short thumbprint":      {func(in *sdk.CreateOpenIDConnectProviderInput) { in.ThumbprintList = []string{"ab"} }, "ValidationError"},
		"101 clients":             {func(in *sdk.CreateOpenIDConnectProviderInput) { in.ClientIDList = many(101) }, "LimitExceeded"},
		"a long client":           {func(in *sdk.CreateOpenIDConnectProviderInput) { in.ClientIDList = []string{strings.Repeat("x", 256)} }, "ValidationError"},
		"a reserved tag": {func(in *sdk.CreateOpenIDConnectProviderInput) {
			in.Tags = []types.Tag{{Key: aws.String("aws:a"), Value: aws.String("")}}
		}, "InvalidInput"},
		"two tags of the same key": {func(in *sdk.CreateOpenIDConnectProviderInput) {
			in.Tags = []types.Tag{{Key: aws.String("a"), Value: aws.String("")}, {Key: aws.String("A"), Value: aws.String("")}}
		}, "InvalidInput"},
	} {
		refused(t, name, create(d.root, url, tt.edit), tt.code, "")
	}
	if n := d.generation(); n != generation {
		t.Errorf("refusals have changed the records: %d, want %d", n, generation)
	}
	if err := create(d.root, url, func(in *sdk.CreateOpenIDConnectProviderInput) {
		in.ClientIDList, in.ThumbprintList = many(100), slices.Repeat([]string{thumb}, 5)
	}); err != nil {
		t.Fatal(err)
	}
	refused(t, "the same again", create(d.root, url, nil), "EntityAlreadyExists", url)
	refused(t, "the same in another case", create(d.root, "https://ID.example.org", nil), "EntityAlreadyExists", "")
	arn := providerARN + "id.example.org"
	refused(t, "one client more", is(d.root.AddClientIDToOpenIDConnectProvider(ctx, &sdk.AddClientIDToOpenIDConnectProviderInput{OpenIDConnectProviderArn: &arn, ClientID: aws.String("x")})), "LimitExceeded", "100")
	refused(t, "six thumbprints", is(d.root.UpdateOpenIDConnectProviderThumbprint(ctx, &sdk.UpdateOpenIDConnectProviderThumbprintInput{OpenIDConnectProviderArn: &arn, ThumbprintList: slices.Repeat([]string{thumb}, 6)})), "InvalidInput", "")
	if err := create(d.stranger, url, nil); err != nil {
		t.Errorf("another account has the same provider: %v", err)
	}
	for name, who := range map[string]struct {
		client    *sdk.Client
		arn, code string
	}{
		"not there":            {d.root, providerARN + "eve.example.org", "NoSuchEntity"},
		"a user":               {d.root, "arn:aws:iam::" + account + ":user/ann", "NoSuchEntity"},
		"no ARN":               {d.root, "https://id.example.org/realm", "NoSuchEntity"},
		"of another account":   {d.stranger, arn, "AccessDenied"},
		"of somebody at AWS":   {d.root, "arn:aws:iam::aws:oidc-provider/id.example.org", "NoSuchEntity"},
		"of another service":   {d.root, "arn:aws:sts::" + account + ":oidc-provider/id.example.org", "NoSuchEntity"},
		"of another partition": {d.root, "arn:aws-cn:iam::" + account + ":oidc-provider/id.example.org", "NoSuchEntity"},
	} {
		c, a := who.client, &who.arn
		refused(t, name+": get", is(c.GetOpenIDConnectProvider(ctx, &sdk.GetOpenIDConnectProviderInput{OpenIDConnectProviderArn: a})), who.code, "")
		refused(t, name+": add", is(c.AddClientIDToOpenIDConnectProvider(ctx, &sdk.AddClientIDToOpenIDConnectProviderInput{OpenIDConnectProviderArn: a, ClientID: aws.String("x")})), who.code, "")
		refused(t, name+": remove", is(c.RemoveClientIDFromOpenIDConnectProvider(ctx, &sdk.RemoveClientIDFromOpenIDConnectProviderInput{OpenIDConnectProviderArn: a, ClientID: aws.String("x")})), who.code, "")
		refused(t, name+": update", is(c.UpdateOpenIDConnectProviderThumbprint(ctx, &sdk.UpdateOpenIDConnectProviderThumbprintInput{OpenIDConnectProviderArn: a, ThumbprintList: []string{thumb}})), who.code, "")
		if who.code == "AccessDenied" {
			refused(t, name+": delete", is(c.DeleteOpenIDConnectProvider(ctx, &sdk.DeleteOpenIDConnectProviderInput{OpenIDConnectProviderArn: a})), who.code, "")
		}
	}
	if got := must(d.stranger.ListOpenIDConnectProviders(ctx, &sdk.ListOpenIDConnectProvidersInput{}))(t).OpenIDConnectProviderList; len(got) != 1 || *got[0].Arn != "arn:aws:iam::"+other+":oidc-provider/id.example.org" {
		t.Errorf("another account sees %+v", got)
	}
	for i := 1; i < 100; i++ {
		if err := create(d.root, fmt.Sprintf("https://id%d.example.org", i), nil); err != nil {
			t.Fatal(err)
		}
	}
	refused(t, "provider 101", create(d.root, "https://last.example.org", nil), "LimitExceeded", "100")
}
