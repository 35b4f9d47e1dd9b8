package iamapi_test

import (
	"bytes"
	"fmt"
	"image/png"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"darkroom/internal/identity"
)

const mfaARN = "arn:aws:iam::" + account + ":mfa/"

// newDevice makes a device and returns its serial number and seed.
func (d *desk) newDevice(in *sdk.CreateVirtualMFADeviceInput) (serial, seed string) {
	d.Helper()
	out, err := d.root.CreateVirtualMFADevice(d.Context(), in)
	if err != nil {
		d.Fatal(err)
	}
	return *out.VirtualMFADevice.SerialNumber, string(out.VirtualMFADevice.Base32StringSeed)
}

// enable gives a device to somebody, with the codes of the moment.
func (d *desk) enable(c *sdk.Client, user, serial, seed string) error {
	now := d.clock()
	return is(c.EnableMFADevice(d.Context(), &sdk.EnableMFADeviceInput{
		UserName: &user, SerialNumber: &serial, AuthenticationCode1: aws.String(code(d.T, seed, now.Add(-30*time.Second))), AuthenticationCode2: aws.String(code(d.T, seed, now)),
	}))
}

func TestVirtualMFADevices(t *testing.T) {
	t.Parallel()
	d, ctx := newDesk(t), t.Context()
	d.user("ann", "")
	made := must(d.root.CreateVirtualMFADevice(ctx, &sdk.CreateVirtualMFADeviceInput{
		VirtualMFADeviceName: aws.String("phone"), Path: aws.String("/studio/"), Tags: []types.Tag{{Key: aws.String("team"), Value: aws.String("films")}},
	}))(t).VirtualMFADevice
	serial, seed := *made.SerialNumber, string(made.Base32StringSeed)
	if serial != mfaARN+"studio/phone" || len(seed) != 64 || made.EnableDate != nil || made.User != nil || len(made.Tags) != 1 {
		t.Errorf("got %s, %d letters of seed, %v", serial, len(seed), made.Tags)
	}
	picture, err := png.Decode(bytes.NewReader(made.QRCodePNG))
	if err != nil || picture.Bounds().Dx() < 100 || picture.Bounds().Dx() != picture.Bounds().Dy() {
		t.Errorf("the picture: %v", err)
	}
	refused(t, "the name again, whatever its path and case", is(d.root.CreateVirtualMFADevice(ctx, &sdk.CreateVirtualMFADeviceInput{VirtualMFADeviceName: aws.String("Phone")})), "EntityAlreadyExists", "")
	refused(t, "a serial number that no request can name", is(d.root.CreateVirtualMFADevice(ctx, &sdk.CreateVirtualMFADeviceInput{VirtualMFADeviceName: aws.String(strings.Repeat("x", 227))})), "ValidationError", "257 characters")
	refused(t, "a reserved tag", is(d.root.CreateVirtualMFADevice(ctx, &sdk.CreateVirtualMFADeviceInput{
		VirtualMFADeviceName: aws.String("x"), Tags: []types.Tag{{Key: aws.String("aws:x"), Value: aws.String("")}},
	})), "InvalidInput", "")

	status := func(s types.AssignmentStatusType) []types.VirtualMFADevice {
		t.Helper()
		return must(d.root.ListVirtualMFADevices(ctx, &sdk.ListVirtualMFADevicesInput{AssignmentStatus: s}))(t).VirtualMFADevices
	}
	if got := status(types.AssignmentStatusTypeUnassigned); len(got) != 1 || *got[0].SerialNumber != serial || got[0].User != nil || len(got[0].Base32StringSeed) != 0 || len(got[0].QRCodePNG) != 0 || got[0].Tags != nil {
		t.Errorf("not assigned: got %+v", got)
	}
	if got := status(types.AssignmentStatusTypeAssigned); len(got) != 0 {
		t.Errorf("assigned: got %+v", got)
	}

	if err := d.enable(d.root, "ann", serial, seed); err != nil {
		t.Fatal(err)
	}
	if got := status(types.AssignmentStatusTypeUnassigned); len(got) != 0 {
		t.Errorf("not assigned: got %+v", got)
	}
	for _, s := range []types.AssignmentStatusType{types.AssignmentStatusTypeAssigned, types.AssignmentStatusTypeAny, ""} {
		if got := status(s); len(got) != 1 || *got[0].User.UserName != "ann" || !got[0].EnableDate.Equal(d.clock()) || len(got[0].Base32StringSeed) != 0 || len(got[0].QRCodePNG) != 0 {
			t.Errorf("%q: got %+v", s, got)
		}
	}
	list := must(d.root.ListMFADevices(ctx, &sdk.ListMFADevicesInput{UserName: aws.String("ann")}))(t)
	if len(list.MFADevices) != 1 || *list.MFADevices[0].SerialNumber != serial || *list.MFADevices[0].UserName != "ann" || !list.MFADevices[0].EnableDate.Equal(d.clock()) {
		t.Errorf("got %+v", list.MFADevices)
	}
	one := must(d.root.GetMFADevice(ctx, &sdk.GetMFADeviceInput{UserName: aws.String("ann"), SerialNumber: &serial}))(t)
	if *one.SerialNumber != serial || *one.UserName != "ann" || !one.EnableDate.Equal(d.clock()) {
		t.Errorf("got %+v", one)
	}
	refused(t, "delete an enabled one", is(d.root.DeleteVirtualMFADevice(ctx, &sdk.DeleteVirtualMFADeviceInput{SerialNumber: &serial})), "DeleteConflict", "deactivate")
	refused(t, "delete its user", is(d.root.DeleteUser(ctx, &sdk.DeleteUserInput{UserName: aws.String("ann")})), "DeleteConflict", "")

	if err := is(d.root.DeactivateMFADevice(ctx, &sdk.DeactivateMFADeviceInput{UserName: aws.String("ann"), SerialNumber: &serial})); err != nil {
		t.Fatal(err)
	}
	refused(t, "deactivate again", is(d.root.DeactivateMFADevice(ctx, &sdk.DeactivateMFADeviceInput{UserName: aws.String("ann"), SerialNumber: &serial})), "NoSuchEntity", serial)
	if got := status(types.AssignmentStatusTypeUnassigned); len(got) != 1 || got[0].EnableDate != nil {
		t.Errorf("not assigned any more: got %+v", got)
	}
	refused(t, "enable with the codes of before", d.enable(d.root, "ann", serial, seed), "InvalidAuthenticationCode", "")
	d.add(5 * time.Minute)
	if err := d.enable(d.root, "ann", serial, seed); err != nil {
		t.Errorf("enable anew: %v", err)
	}
	must(d.root.DeactivateMFADevice(ctx, &sdk.DeactivateMFADeviceInput{UserName: aws.String("ann"), SerialNumber: &serial}))(t)
	must(d.root.DeleteVirtualMFADevice(ctx, &sdk.DeleteVirtualMFADeviceInput{SerialNumber: &serial}))(t)
	refused(t, "delete again", is(d.root.DeleteVirtualMFADevice(ctx, &sdk.DeleteVirtualMFADeviceInput{SerialNumber: &serial})), "NoSuchEntity", serial)
	d.hidden(seed)
}

func TestEnableMFADevice(t *testing.T) {
	t.Parallel()
	d, ctx := newDesk(t), t.Context()
	d.user("ann", "")
	d.user("bob", "")
	serial, seed := d.newDevice(&sdk.CreateVirtualMFADeviceInput{VirtualMFADeviceName: aws.String("phone")})
	now := d.clock()
	at := func(steps int) string { return code(t, seed, now.Add(time.Duration(steps)*30*time.Second)) }
	generation := d.generation()
	for name, try := range map[string]struct{ user, serial, one, two, code string }{
		"no such user":        {"eve", serial, at(-1), at(0), "NoSuchEntity"},
		"no such device":      {"ann", mfaARN + "tablet", at(-1), at(0), "NoSuchEntity"},
		"another case":        {"ann", mfaARN + "Phone", at(-1), at(0), "NoSuchEntity"},
		"another account's":   {"ann", "arn:aws:iam::" + other + ":mfa/phone", at(-1), at(0), "NoSuchEntity"},
		"a user's ARN":        {"ann", "arn:aws:iam::" + account + ":user/ann", at(-1), at(0), "NoSuchEntity"},
		"one made of plastic": {"ann", "GAHT12345678", at(-1), at(0), "NoSuchEntity"},
		"backwards":           {"ann", serial, at(0), at(-1), "InvalidAuthenticationCode"},
		"the same twice":      {"ann", serial, at(0), at(0), "InvalidAuthenticationCode"},
		"a gap":               {"ann", serial, at(-2), at(0), "InvalidAuthenticationCode"},
		"old codes":           {"ann", serial, at(-5), at(-4), "InvalidAuthenticationCode"},
		"letters":             {"ann", serial, "abcdef", at(0), "ValidationError"},
		"five digits":         {"ann", serial, "12345", at(0), "ValidationError"},
		"the root, by its account, asked by a user":        {account, serial, at(-1), at(0), "NoSuchEntity"},
		"the root of another account, asked by this one's": {other, serial, at(-1), at(0), "NoSuchEntity"},
	} {
		client := d.root
		if strings.HasSuffix(name, "asked by a user") {
			client = d.session()
			generation++
		}
		refused(t, name, is(client.EnableMFADevice(ctx, &sdk.EnableMFADeviceInput{
			UserName: &try.user, SerialNumber: &try.serial, AuthenticationCode1: &try.one, AuthenticationCode2: &try.two,
		})), try.code, "")
	}
	if n := d.generation(); n != generation {
		t.Errorf("refusals have changed the records: %d, want %d", n, generation)
	}
	if err := d.enable(d.root, "ann", serial, seed); err != nil {
		t.Fatal(err)
	}
	d.add(time.Minute)
	refused(t, "a device of the same user", d.enable(d.root, "ann", serial, seed), "EntityAlreadyExists", "")
	refused(t, "a device of another user", d.enable(d.root, "bob", serial, seed), "EntityAlreadyExists", "")
	for i := 1; i < 8; i++ {
		serial, seed := d.newDevice(&sdk.CreateVirtualMFADeviceInput{VirtualMFADeviceName: aws.String(fmt.Sprint("key", i))})
		if err := d.enable(d.root, "ann", serial, seed); err != nil {
			t.Fatal(err)
		}
	}
	ninth, seed9 := d.newDevice(&sdk.CreateVirtualMFADeviceInput{VirtualMFADeviceName: aws.String("ninth")})
	refused(t, "a ninth device", d.enable(d.root, "ann", ninth, seed9), "LimitExceeded", "8")
	page := must(d.root.ListMFADevices(ctx, &sdk.ListMFADevicesInput{UserName: aws.String("ann"), MaxItems: aws.Int32(5)}))(t)
	rest := must(d.root.ListMFADevices(ctx, &sdk.ListMFADevicesInput{UserName: aws.String("ann"), MaxItems: aws.Int32(5), Marker: page.Marker}))(t)
	if len(page.MFADevices) != 5 || !page.IsTruncated || len(rest.MFADevices) != 3 || rest.IsTruncated || *rest.MFADevices[2].SerialNumber != serial {
		t.Errorf("got %+v and %+v", page, rest)
	}
	all := must(d.root.ListVirtualMFADevices(ctx, &sdk.ListVirtualMFADevicesInput{MaxItems: aws.Int32(8)}))(t)
	if len(all.VirtualMFADevices) != 8 || !all.IsTruncated {
		t.Errorf("got %d, %t", len(all.VirtualMFADevices), all.IsTruncated)
	}

	// What belongs to one user is not another's.
	for name, err := range map[string]error{
		"deactivate": is(d.root.DeactivateMFADevice(ctx, &sdk.DeactivateMFADeviceInput{UserName: aws.String("bob"), SerialNumber: &serial})),
		"get":        is(d.root.GetMFADevice(ctx, &sdk.GetMFADeviceInput{UserName: aws.String("bob"), SerialNumber: &serial})),
		"resync": is(d.root.ResyncMFADevice(ctx, &sdk.ResyncMFADeviceInput{
			UserName: aws.String("bob"), SerialNumber: &serial, AuthenticationCode1: aws.String("123456"), AuthenticationCode2: aws.String("123456"),
		})),
		"get of nobody": is(d.root.GetMFADevice(ctx, &sdk.GetMFADeviceInput{UserName: aws.String("eve"), SerialNumber: &serial})),
	} {
		refused(t, name+" of another user", err, "NoSuchEntity", "")
	}
}

func TestResyncMFADevice(t *testing.T) {
	t.Parallel()
	d, ctx := newDesk(t), t.Context()
	d.user("ann", "")
	serial, seed := d.newDevice(&sdk.CreateVirtualMFADeviceInput{VirtualMFADeviceName: aws.String("phone")})
	if err := d.enable(d.root, "ann", serial, seed); err != nil {
		t.Fatal(err)
	}
	v, err := d.people.View(ctx, account)
	if err != nil {
		t.Fatal(err)
	}
	ann := v.Get(identity.User, "ann").ID
	d.add(time.Hour)
	shown := func() time.Time { return d.clock().Add(4 * time.Minute) } // by the device
	verify := func() error { return d.people.VerifyMFA(ctx, account, ann, serial, code(t, seed, shown())) }
	if verify() == nil {
		t.Error("the device is in time before it is resynced")
	}
	resync := func(one, two time.Time) error {
		return is(d.root.ResyncMFADevice(ctx, &sdk.ResyncMFADeviceInput{
			UserName: aws.String("ann"), SerialNumber: &serial, AuthenticationCode1: aws.String(code(t, seed, one)), AuthenticationCode2: aws.String(code(t, seed, two)),
		}))
	}
	refused(t, "codes that do not follow one another", resync(shown().Add(-time.Minute), shown()), "InvalidAuthenticationCode", "")
	refused(t, "codes of yesterday", resync(shown().Add(-24*time.Hour), shown().Add(-24*time.Hour+30*time.Second)), "InvalidAuthenticationCode", "")
	if err := resync(shown().Add(-30*time.Second), shown()); err != nil {
		t.Fatal(err)
	}
	refused(t, "the same codes again", resync(shown().Add(-30*time.Second), shown()), "InvalidAuthenticationCode", "")
	d.add(time.Minute)
	if err := verify(); err != nil {
		t.Errorf("after: %v", err)
	}
}

// TestOwnMFADevices: who asks and names nobody means themself; the root is named by its account.
func TestOwnMFADevices(t *testing.T) {
	t.Parallel()
	d, ctx := newDesk(t), t.Context()
	own := `{"Effect":"Allow","Action":["iam:*MFADevice*"],"Resource":["arn:aws:iam::*:user/${aws:username}","arn:aws:iam::*:mfa/${aws:username}"]}`
	ann := d.user("ann", own)
	made := must(ann.CreateVirtualMFADevice(ctx, &sdk.CreateVirtualMFADeviceInput{VirtualMFADeviceName: aws.String("ann")}))(t).VirtualMFADevice
	if err := d.enable(ann, "ann", *made.SerialNumber, string(made.Base32StringSeed)); err != nil {
		t.Fatal(err)
	}
	if got := must(ann.ListMFADevices(ctx, &sdk.ListMFADevicesInput{}))(t).MFADevices; len(got) != 1 || *got[0].UserName != "ann" {
		t.Errorf("got %+v", got)
	}
	must(ann.GetMFADevice(ctx, &sdk.GetMFADeviceInput{SerialNumber: made.SerialNumber}))(t)
	must(ann.DeactivateMFADevice(ctx, &sdk.DeactivateMFADeviceInput{SerialNumber: made.SerialNumber}))(t)
	must(ann.DeleteVirtualMFADevice(ctx, &sdk.DeleteVirtualMFADeviceInput{SerialNumber: made.SerialNumber}))(t)
	refused(t, "a device of another name", is(ann.CreateVirtualMFADevice(ctx, &sdk.CreateVirtualMFADeviceInput{VirtualMFADeviceName: aws.String("bob")})), "AccessDenied", "mfa/bob")

	serial, seed := d.newDevice(&sdk.CreateVirtualMFADeviceInput{VirtualMFADeviceName: aws.String("safe")})
	if err := d.enable(d.root, account, serial, seed); err != nil {
		t.Fatal(err)
	}
	if got := must(d.root.ListMFADevices(ctx, &sdk.ListMFADevicesInput{}))(t).MFADevices; len(got) != 1 || *got[0].UserName != account || *got[0].SerialNumber != serial {
		t.Errorf("of the root: got %+v", got)
	}
	listed := must(d.root.ListVirtualMFADevices(ctx, &sdk.ListVirtualMFADevicesInput{}))(t).VirtualMFADevices
	if len(listed) != 1 || *listed[0].User.Arn != "arn:aws:iam::"+account+":root" || *listed[0].User.UserId != account || listed[0].User.UserName != nil {
		t.Errorf("of the root: got %+v", listed)
	}
	d.add(time.Minute)
	if err := d.people.VerifyMFA(ctx, account, account, serial, code(t, seed, d.clock())); err != nil {
		t.Errorf("of the root: %v", err)
	}
	// Nobody else is the root.
	admin := d.user("boss", allowAll)
	for name, c := range map[string]*sdk.Client{"an administrator": admin, "the root of another account": d.stranger} {
		refused(t, name, is(c.ListMFADevices(ctx, &sdk.ListMFADevicesInput{UserName: aws.String(account)})), "NoSuchEntity", "")
		refused(t, name, is(c.DeactivateMFADevice(ctx, &sdk.DeactivateMFADeviceInput{UserName: aws.String(account), SerialNumber: &serial})), "NoSuchEntity", "")
	}
	refused(t, "a session that names nobody", is(d.session().ListMFADevices(ctx, &sdk.ListMFADevicesInput{})), "ValidationError", "userName")
	refused(t, "delete a device of another account", is(d.stranger.DeleteVirtualMFADevice(ctx, &sdk.DeleteVirtualMFADeviceInput{SerialNumber: &serial})), "AccessDenied", "")
	if got := must(d.stranger.ListVirtualMFADevices(ctx, &sdk.ListVirtualMFADevicesInput{}))(t).VirtualMFADevices; len(got) != 0 {
		t.Errorf("another account sees %+v", got)
	}
	must(d.root.DeactivateMFADevice(ctx, &sdk.DeactivateMFADeviceInput{SerialNumber: &serial}))(t)
}
