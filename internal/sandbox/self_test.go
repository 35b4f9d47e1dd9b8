package sandbox

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestGuard looks at processes that were guarded: what it does cannot be taken back in the process of the tests.
func TestGuard(t *testing.T) {
	if how := os.Getenv("GUARD"); how != "" {
		if err := Guard(how == "opaque"); err != nil {
			t.Fatal(err)
		}
		var core unix.Rlimit
		if err := unix.Getrlimit(unix.RLIMIT_CORE, &core); err != nil || core.Cur != 0 || core.Max != 0 {
			t.Errorf("core dumps up to %d of %d, %v", core.Cur, core.Max, err)
		}
		dumpable, err := unix.PrctlRetInt(unix.PR_GET_DUMPABLE, 0, 0, 0, 0)
		if err != nil || (dumpable != 1) != (how == "opaque") {
			t.Errorf("%s: dumpable is %d, %v", how, dumpable, err)
		}
		return
	}
	t.Parallel()
	for _, how := range []string{"opaque", "plain"} {
		cmd := exec.Command(os.Args[0], "-test.run=^TestGuard$")
		cmd.Env = append(os.Environ(), "GUARD="+how)
		if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "PASS") {
			t.Errorf("%s: %v\n%s", how, err, out)
		}
	}
}
