package sandbox

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// All of this is for the calling thread alone, which then becomes the program by execve(2).

// securebits of capabilities(7): user id 0 is nobody special, neither at execve(2) nor at a change of ids, and no ambient capabilities;
// each locked.
const securebits = 1<<0 | 1<<1 | 1<<2 | 1<<3 | 1<<6 | 1<<7

// maxCapability is beyond the last capability that any kernel has.
const maxCapability = 63

// dropBounding empties the bounding and ambient sets, locks the secure bits and sets no_new_privs.
func dropBounding() error {
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("set no_new_privs: %w", err)
	}
	if err := unix.Prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0); err != nil {
		return fmt.Errorf("clear the ambient capabilities: %w", err)
	}
	for capability := uintptr(0); capability <= maxCapability; capability++ {
		err := unix.Prctl(unix.PR_CAPBSET_DROP, capability, 0, 0, 0)
		switch {
		case errors.Is(err, unix.EINVAL):
			// Beyond the last one of this kernel.
			return setSecurebits()
		case errors.Is(err, unix.EPERM):
			// It takes a capability. Without, no_new_privs alone sees to it that execve(2) adds nothing to the empty set of dropAll.
			return nil
		case err != nil:
			return fmt.Errorf("drop capability %d: %w", capability, err)
		}
	}
	return setSecurebits()
}

func setSecurebits() error {
	if err := unix.Prctl(unix.PR_SET_SECUREBITS, securebits, 0, 0, 0); err != nil {
		return fmt.Errorf("set the secure bits: %w", err)
	}
	return nil
}

// hasCapabilities reports whether the thread has any capability, permitted or effective; it says yes if it cannot tell.
func hasCapabilities() bool {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&header, &data[0]); err != nil {
		return true
	}
	return data[0].Permitted|data[1].Permitted|data[0].Effective|data[1].Effective != 0
}

// takeIdentity changes every user and group id and leaves all supplementary groups. Negative ids leave things as they are.
func takeIdentity(uid, gid int) error {
	if uid < 0 {
		return nil
	}
	if _, _, errno := unix.RawSyscall(unix.SYS_SETGROUPS, 0, 0, 0); errno != 0 {
		return fmt.Errorf("leave the groups: %w", errno)
	}
	id := uintptr(gid)
	if _, _, errno := unix.RawSyscall(unix.SYS_SETRESGID, id, id, id); errno != 0 {
		return fmt.Errorf("change the group id: %w", errno)
	}
	id = uintptr(uid)
	if _, _, errno := unix.RawSyscall(unix.SYS_SETRESUID, id, id, id); errno != 0 {
		return fmt.Errorf("change the user id: %w", errno)
	}
	return nil
}

// dropAll empties the permitted, effective and inheritable sets.
func dropAll() error {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capset(&header, &data[0]); err != nil {
		return fmt.Errorf("set capabilities: %w", err)
	}
	if hasCapabilities() {
		return errors.New("capabilities are left")
	}
	return nil
}
