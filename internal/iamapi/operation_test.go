package iamapi_test

import (
	"reflect"
	"slices"
	"testing"

	sdk "github.com/aws/aws-sdk-go-v2/service/iam"

	"darkroom/internal/iamapi"
)

// TestEveryOperation: each operation that the SDK's client knows is carried out, or told not to be, and nothing else is told.
func TestEveryOperation(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	api, err := iamapi.New(iamapi.Options{Directory: b.people})
	if err != nil {
		t.Fatal(err)
	}
	done := api.Operations()
	var known []string
	for method := range reflect.TypeFor[*sdk.Client]().Methods() {
		if method.Name == "Options" {
			continue
		}
		known = append(known, method.Name)
		n := 0
		for _, list := range [][]string{done, iamapi.NotOffered} {
			if slices.Contains(list, method.Name) {
				n++
			}
		}
		if n != 1 {
			t.Errorf("%s is in %d of the lists of what is carried out and of what is not offered", method.Name, n)
		}
	}
	for _, name := range slices.Concat(done, iamapi.NotOffered) {
		if !slices.Contains(known, name) {
			t.Errorf("the SDK knows no operation %s", name)
		}
	}
	refused(t, "not offered", is(b.root.ListInstanceProfiles(t.Context(), &sdk.ListInstanceProfilesInput{})), "NotImplemented", "Not offered by this installation: ListInstanceProfiles.")
}
