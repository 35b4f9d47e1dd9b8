package sandbox

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// Guard keeps what this process holds in memory out of core dumps: neither it nor a program that it starts writes one. With opaque it also keeps
// others of its user from reading its memory, tracing it, and looking at its open files (PR_SET_DUMPABLE, prctl(2)); a program that it executes
// begins without that. A process that starts programs in the sandbox must not be opaque: the kernel would not let it map users for them unless it
// is root (user_namespaces(7)).
func Guard(opaque bool) error {
	if err := unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{}); err != nil {
		return fmt.Errorf("switch core dumps off: %w", err)
	}
	if !opaque {
		return nil
	}
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return fmt.Errorf("keep the memory of the process from others: %w", err)
	}
	return nil
}
