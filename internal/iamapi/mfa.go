package iamapi

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"rsc.io/qr"

	"darkroom/internal/iam"
	"darkroom/internal/identity"
	"darkroom/internal/queryapi"
	"darkroom/internal/totp"
)

// issuer is who a device says that its codes are for.
const issuer = "Darkroom"

// maxSerial is the longest serial number that a request can name (IAM API Reference, serialNumberType).
const maxSerial = 256

// devices are the operations on virtual MFA devices; there are no others here. AWS has root's device enabled in its console alone: here the root
// does it by these operations, and names itself by the number of the account.
func (s *server) devices() map[string]queryapi.Operation {
	return map[string]queryapi.Operation{
		"CreateVirtualMFADevice": queryapi.Op(func(_ context.Context, caller iam.Principal, in *sdk.CreateVirtualMFADeviceInput) ([]iam.Check, error) {
			e := identity.Entity{Kind: identity.Device, Name: value(in.VirtualMFADeviceName), Path: pathOf(in.Path)}
			return created("CreateVirtualMFADevice", "TagMFADevice", e.ARN(caller.Account), in.Tags), nil
		}, s.createDevice),
		"EnableMFADevice": queryapi.Op(func(ctx context.Context, caller iam.Principal, in *sdk.EnableMFADeviceInput) ([]iam.Check, error) {
			return s.holderChecks(ctx, caller, "EnableMFADevice", in.UserName)
		}, s.enableDevice),
		"ResyncMFADevice": queryapi.Op(func(ctx context.Context, caller iam.Principal, in *sdk.ResyncMFADeviceInput) ([]iam.Check, error) {
			return s.holderChecks(ctx, caller, "ResyncMFADevice", in.UserName)
		}, s.resyncDevice),
		"DeactivateMFADevice": queryapi.Op(func(ctx context.Context, caller iam.Principal, in *sdk.DeactivateMFADeviceInput) ([]iam.Check, error) {
			return s.holderChecks(ctx, caller, "DeactivateMFADevice", in.UserName)
		}, s.deactivateDevice),
		"DeleteVirtualMFADevice": queryapi.Op(func(ctx context.Context, caller iam.Principal, in *sdk.DeleteVirtualMFADeviceInput) ([]iam.Check, error) {
			v, err := s.people.View(ctx, caller.Account)
			if err != nil {
				return nil, err
			}
			return onARN(v, "DeleteVirtualMFADevice", value(in.SerialNumber)), nil
		}, s.deleteDevice),
		"GetMFADevice": queryapi.Op(func(ctx context.Context, caller iam.Principal, in *sdk.GetMFADeviceInput) ([]iam.Check, error) {
			return s.holderChecks(ctx, caller, "GetMFADevice", in.UserName)
		}, s.getDevice),
		"ListMFADevices": queryapi.Op(func(ctx context.Context, caller iam.Principal, in *sdk.ListMFADevicesInput) ([]iam.Check, error) {
			return s.holderChecks(ctx, caller, "ListMFADevices", in.UserName)
		}, s.listDevices),
		"ListVirtualMFADevices": queryapi.Op(all[sdk.ListVirtualMFADevicesInput]("ListVirtualMFADevices"), s.listVirtualDevices),
	}
}

// namesRoot says whether a request of the account root is about itself.
func namesRoot(caller iam.Principal, name *string) bool {
	return caller.Type == iam.Root && (name == nil || *name == caller.Account)
}

// holderChecks asks for an action on who has a device or is to have it.
func (s *server) holderChecks(ctx context.Context, caller iam.Principal, action string, name *string) ([]iam.Check, error) {
	if namesRoot(caller, name) {
		return []iam.Check{check(action, caller.ARN, nil)}, nil
	}
	return s.checks(ctx, caller, action, identity.User, orSelf(caller, name))
}

// holder finds who has a device or is to have it: the id of a user with its name, or the account for its root, twice.
func holder(v *identity.View, caller iam.Principal, name *string) (id, shown string, err error) {
	switch {
	case namesRoot(caller, name):
		return caller.Account, caller.Account, nil
	case name == nil && caller.Type != iam.User:
		return "", "", invalid("Must specify userName when calling with non-User credentials")
	}
	u, err := find(v, identity.User, orSelf(caller, name))
	if err != nil {
		return "", "", err
	}
	return u.ID, u.Name, nil
}

func noSuchDevice(serial string) error {
	return queryapi.Errorf(http.StatusNotFound, "NoSuchEntity", "VirtualMFADevice with serial number %s doesn't exist.", serial)
}

// device finds a device by its serial number, which is its ARN.
func device(v *identity.View, serial string) (*identity.Entity, error) {
	if d := v.ByARN(serial); d != nil && d.Kind == identity.Device {
		return d, nil
	}
	return nil, noSuchDevice(serial)
}

// deviceOf finds a device that somebody has. Whether another one has it is not told.
func deviceOf(v *identity.View, id, serial string) (*identity.Entity, error) {
	d, err := device(v, serial)
	if err != nil {
		return nil, err
	}
	if d.Owner != id {
		return nil, noSuchDevice(serial)
	}
	return d, nil
}

// devicesOf are the devices that somebody has, by name.
func devicesOf(v *identity.View, id string) []*identity.Entity {
	return slices.DeleteFunc(v.All(identity.Device, ""), func(d *identity.Entity) bool { return d.Owner != id })
}

func wrongCode(err error) error {
	if errors.Is(err, identity.ErrWrongCode) {
		return queryapi.Errorf(http.StatusForbidden, "InvalidAuthenticationCode", "Authentication code for device is not valid.")
	}
	return err
}

// createDevice answers with the seed, which is shown here and never again.
func (s *server) createDevice(ctx context.Context, caller iam.Principal, in *sdk.CreateVirtualMFADeviceInput) (any, error) {
	e := &identity.Entity{
		Kind: identity.Device, ID: identity.NewID(identity.Device), Name: *in.VirtualMFADeviceName, Path: pathOf(in.Path), Created: s.now().UTC(),
	}
	if n := len(e.ARN(caller.Account)); n > maxSerial {
		return nil, invalid("The serial number of the device would have %d characters, more than %d: shorten its name or path.", n, maxSerial)
	}
	var err error
	if e.Tags, err = tagsOf(nil, in.Tags); err != nil {
		return nil, err
	}
	seed, err := totp.NewSeed(rand.Reader)
	if err != nil {
		return nil, err
	}
	if err := s.people.SealSeed(caller.Account, e, seed); err != nil {
		return nil, err
	}
	out := new(sdk.CreateVirtualMFADeviceOutput)
	return out, s.people.Change(ctx, caller.Account, func(v *identity.View) error {
		switch {
		case v.Taken(identity.Device, e.Name):
			return queryapi.Errorf(http.StatusConflict, "EntityAlreadyExists", "MFADevice entity at the same path and name already exists.")
		case v.Count(identity.Device) >= maxDevices:
			return exceeded("Cannot exceed quota for VirtualMFADevicesPerAccount: %d", maxDevices)
		}
		where := caller.Account
		if alias := v.Settings().Alias; alias != "" {
			where = alias
		}
		code, err := qr.Encode(string(totp.URI(issuer, e.Name+"@"+where, seed).Reveal()), qr.M)
		if err != nil {
			return fmt.Errorf("draw the code of a device: %w", err)
		}
		v.Put(e)
		out.VirtualMFADevice = &types.VirtualMFADevice{
			SerialNumber: ptr(e.ARN(caller.Account)), Base32StringSeed: totp.Text(seed).Reveal(), QRCodePNG: code.PNG(), Tags: shownTags(e.Tags),
		}
		return nil
	})
}

func (s *server) enableDevice(ctx context.Context, caller iam.Principal, in *sdk.EnableMFADeviceInput) (any, error) {
	return &sdk.EnableMFADeviceOutput{}, s.people.Change(ctx, caller.Account, func(v *identity.View) error {
		id, _, err := holder(v, caller, in.UserName)
		if err != nil {
			return err
		}
		d, err := device(v, *in.SerialNumber)
		switch {
		case err != nil:
			return err
		case d.Owner != "":
			return queryapi.Errorf(http.StatusConflict, "EntityAlreadyExists", "MFA device is already in use.")
		case len(devicesOf(v, id)) >= maxDevicesOfUser:
			return exceeded("Cannot exceed quota for MFADevicesPerUser: %d", maxDevicesOfUser)
		}
		return wrongCode(s.people.EnableMFA(v, d, id, *in.AuthenticationCode1, *in.AuthenticationCode2))
	})
}

func (s *server) resyncDevice(ctx context.Context, caller iam.Principal, in *sdk.ResyncMFADeviceInput) (any, error) {
	return &sdk.ResyncMFADeviceOutput{}, s.people.Change(ctx, caller.Account, func(v *identity.View) error {
		id, _, err := holder(v, caller, in.UserName)
		if err != nil {
			return err
		}
		d, err := deviceOf(v, id, *in.SerialNumber)
		if err != nil {
			return err
		}
		return wrongCode(s.people.ResyncMFA(v, d, *in.AuthenticationCode1, *in.AuthenticationCode2))
	})
}

// deactivateDevice leaves the device without an owner. Sessions that it has vouched for go on until they end, as AWS's do.
func (s *server) deactivateDevice(ctx context.Context, caller iam.Principal, in *sdk.DeactivateMFADeviceInput) (any, error) {
	return &sdk.DeactivateMFADeviceOutput{}, s.people.Change(ctx, caller.Account, func(v *identity.View) error {
		id, _, err := holder(v, caller, in.UserName)
		if err != nil {
			return err
		}
		d, err := deviceOf(v, id, *in.SerialNumber)
		if err != nil {
			return err
		}
		d = v.Edit(d)
		d.Owner, d.Enabled = "", time.Time{}
		return nil
	})
}

func (s *server) deleteDevice(ctx context.Context, caller iam.Principal, in *sdk.DeleteVirtualMFADeviceInput) (any, error) {
	return &sdk.DeleteVirtualMFADeviceOutput{}, s.people.Change(ctx, caller.Account, func(v *identity.View) error {
		d, err := device(v, *in.SerialNumber)
		if err != nil {
			return err
		}
		if d.Owner != "" {
			return conflict("MFA VirtualDevice in use. Must deactivate first.")
		}
		v.Drop(d)
		return nil
	})
}

func (s *server) getDevice(ctx context.Context, caller iam.Principal, in *sdk.GetMFADeviceInput) (any, error) {
	v, err := s.people.View(ctx, caller.Account)
	if err != nil {
		return nil, err
	}
	id, shown, err := holder(v, caller, in.UserName)
	if err != nil {
		return nil, err
	}
	d, err := deviceOf(v, id, *in.SerialNumber)
	if err != nil {
		return nil, err
	}
	return &sdk.GetMFADeviceOutput{SerialNumber: in.SerialNumber, EnableDate: at(d.Enabled), UserName: &shown}, nil
}

func (s *server) listDevices(ctx context.Context, caller iam.Principal, in *sdk.ListMFADevicesInput) (any, error) {
	v, err := s.people.View(ctx, caller.Account)
	if err != nil {
		return nil, err
	}
	id, shown, err := holder(v, caller, in.UserName)
	if err != nil {
		return nil, err
	}
	found, next, more := page(devicesOf(v, id), nameOf, in.Marker, in.MaxItems)
	out := &sdk.ListMFADevicesOutput{MFADevices: []types.MFADevice{}, IsTruncated: more, Marker: next}
	for _, d := range found {
		out.MFADevices = append(out.MFADevices, types.MFADevice{SerialNumber: ptr(d.ARN(caller.Account)), EnableDate: at(d.Enabled), UserName: &shown})
	}
	return out, nil
}

func (s *server) listVirtualDevices(ctx context.Context, caller iam.Principal, in *sdk.ListVirtualMFADevicesInput) (any, error) {
	v, err := s.people.View(ctx, caller.Account)
	if err != nil {
		return nil, err
	}
	all := slices.DeleteFunc(v.All(identity.Device, ""), func(d *identity.Entity) bool {
		return in.AssignmentStatus == types.AssignmentStatusTypeAssigned && d.Owner == "" ||
			in.AssignmentStatus == types.AssignmentStatusTypeUnassigned && d.Owner != ""
	})
	found, next, more := page(all, nameOf, in.Marker, in.MaxItems)
	out := &sdk.ListVirtualMFADevicesOutput{VirtualMFADevices: []types.VirtualMFADevice{}, IsTruncated: more, Marker: next}
	for _, d := range found {
		one := types.VirtualMFADevice{SerialNumber: ptr(d.ARN(caller.Account)), EnableDate: at(d.Enabled)}
		if d.Owner == caller.Account {
			one.User = &types.User{Arn: ptr("arn:aws:iam::" + caller.Account + ":root"), UserId: ptr(caller.Account), CreateDate: at(s.now())}
		} else if u := v.ByID(identity.User, d.Owner); u != nil {
			one.User = s.describeUser(v, u)
			one.User.PermissionsBoundary, one.User.Tags = nil, nil
		}
		out.VirtualMFADevices = append(out.VirtualMFADevices, one)
	}
	return out, nil
}
