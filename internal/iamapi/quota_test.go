package iamapi_test

import (
	"fmt"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/iam"

	"darkroom/internal/identity"
)

// TestQuotas fills an account: one more of each kind is refused, by IAM's name of the quota.
func TestQuotas(t *testing.T) {
	t.Parallel()
	b, ctx := newBench(t), t.Context()
	err := b.people.Change(ctx, account, func(v *identity.View) error {
		for kind, most := range map[identity.Kind]int{identity.User: 5000, identity.Group: 300, identity.Role: 1000, identity.Policy: 1500, identity.Device: 5000} {
			for i := range most {
				v.Put(&identity.Entity{Kind: kind, ID: identity.NewID(kind), Name: fmt.Sprint("n", i), Path: "/", Trust: document(trustAll)})
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	name, trust := aws.String("more"), aws.String(document(trustAll))
	for quota, err := range map[string]error{
		"UsersPerAccount: 5000":             is(b.root.CreateUser(ctx, &sdk.CreateUserInput{UserName: name})),
		"GroupsPerAccount: 300":             is(b.root.CreateGroup(ctx, &sdk.CreateGroupInput{GroupName: name})),
		"RolesPerAccount: 1000":             is(b.root.CreateRole(ctx, &sdk.CreateRoleInput{RoleName: name, AssumeRolePolicyDocument: trust})),
		"PoliciesPerAccount: 1500":          is(b.root.CreatePolicy(ctx, &sdk.CreatePolicyInput{PolicyName: name, PolicyDocument: aws.String(document(allowAll))})),
		"VirtualMFADevicesPerAccount: 5000": is(b.root.CreateVirtualMFADevice(ctx, &sdk.CreateVirtualMFADeviceInput{VirtualMFADeviceName: name})),
	} {
		refused(t, quota, err, "LimitExceeded", "Cannot exceed quota for "+quota)
	}
	// Another account has its own.
	must(b.as("AKIAOTHER", "secret of AKIAOTHER").CreateUser(ctx, &sdk.CreateUserInput{UserName: name}))(t)
}
