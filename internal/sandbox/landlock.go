package sandbox

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Landlock by raw system calls, since it must be for the calling thread alone, just before execve(2). Constants and structures are those of
// landlock(7) and linux/landlock.h.
const (
	landlockNetworkABI = 4
	landlockScopeABI   = 6

	landlockRuleNetPort = 2

	landlockReadFile = unix.LANDLOCK_ACCESS_FS_READ_FILE
	landlockReadTree = unix.LANDLOCK_ACCESS_FS_READ_FILE | unix.LANDLOCK_ACCESS_FS_READ_DIR
	landlockExecute  = unix.LANDLOCK_ACCESS_FS_EXECUTE | unix.LANDLOCK_ACCESS_FS_READ_FILE
)

// landlockFiles are the rights over files that each version handles, all of which are refused where no rule gives them.
var landlockFiles = []struct {
	abi    int
	rights uint64
}{
	{1, unix.LANDLOCK_ACCESS_FS_EXECUTE | unix.LANDLOCK_ACCESS_FS_WRITE_FILE | unix.LANDLOCK_ACCESS_FS_READ_FILE |
		unix.LANDLOCK_ACCESS_FS_READ_DIR | unix.LANDLOCK_ACCESS_FS_REMOVE_DIR | unix.LANDLOCK_ACCESS_FS_REMOVE_FILE |
		unix.LANDLOCK_ACCESS_FS_MAKE_CHAR | unix.LANDLOCK_ACCESS_FS_MAKE_DIR | unix.LANDLOCK_ACCESS_FS_MAKE_REG |
		unix.LANDLOCK_ACCESS_FS_MAKE_SOCK | unix.LANDLOCK_ACCESS_FS_MAKE_FIFO | unix.LANDLOCK_ACCESS_FS_MAKE_BLOCK |
		unix.LANDLOCK_ACCESS_FS_MAKE_SYM},
	{2, unix.LANDLOCK_ACCESS_FS_REFER},
	{3, unix.LANDLOCK_ACCESS_FS_TRUNCATE},
	{5, unix.LANDLOCK_ACCESS_FS_IOCTL_DEV},
}

// landlockABI is the version that the kernel offers, 0 for none.
func landlockABI() int {
	version, _, errno := unix.RawSyscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, unix.LANDLOCK_CREATE_RULESET_VERSION)
	if errno != 0 {
		return 0
	}
	return int(version)
}

// rules are what the program may do.
type rules struct {
	// read and execute are paths; a missing one is left out, since what is not there needs no right.
	read, execute []string
	// port is the only TCP port that it may connect to; 0 for none.
	port           uint16
	network, scope bool
}

func landlockRules(config initConfig) rules {
	r := rules{
		network: slices.Contains(config.Layers, LandlockNetwork),
		scope:   slices.Contains(config.Layers, LandlockScope),
		read:    slices.Concat(libraryPaths, devicePaths, config.ReadOnly),
	}
	if config.Network {
		r.port = uint16(config.Port)
	}
	for _, name := range []string{config.Program, config.Interpreter} {
		if name != "" {
			r.execute = append(r.execute, path.Clean(name))
		}
	}
	return r
}

// restrictFiles puts the calling thread under the rules.
func restrictFiles(r rules, abi int) error {
	if abi < 1 {
		return errors.New("the kernel offers no Landlock")
	}
	attr := struct{ files, network, scope uint64 }{}
	for _, handled := range landlockFiles {
		if abi >= handled.abi {
			attr.files |= handled.rights
		}
	}
	size := unsafe.Sizeof(attr.files)
	if abi >= landlockNetworkABI {
		size += unsafe.Sizeof(attr.network)
		if r.network {
			attr.network = unix.LANDLOCK_ACCESS_NET_BIND_TCP | unix.LANDLOCK_ACCESS_NET_CONNECT_TCP
		}
	}
	if abi >= landlockScopeABI {
		size += unsafe.Sizeof(attr.scope)
		if r.scope {
			attr.scope = unix.LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET | unix.LANDLOCK_SCOPE_SIGNAL
		}
	}
	ruleset, _, errno := unix.RawSyscall(unix.SYS_LANDLOCK_CREATE_RULESET, uintptr(unsafe.Pointer(&attr)), size, 0)
	if errno != 0 {
		return fmt.Errorf("make a ruleset: %w", errno)
	}
	defer unix.Close(int(ruleset))
	for _, name := range r.read {
		if err := allowPath(int(ruleset), name, landlockReadTree); err != nil {
			return err
		}
	}
	for _, name := range r.execute {
		if err := allowPath(int(ruleset), name, landlockExecute); err != nil {
			return err
		}
	}
	if attr.network != 0 && r.port != 0 {
		rule := struct{ access, port uint64 }{unix.LANDLOCK_ACCESS_NET_CONNECT_TCP, uint64(r.port)}
		if _, _, errno := unix.RawSyscall6(unix.SYS_LANDLOCK_ADD_RULE, ruleset, landlockRuleNetPort,
			uintptr(unsafe.Pointer(&rule)), 0, 0, 0); errno != 0 {
			return fmt.Errorf("allow port %d: %w", r.port, errno)
		}
	}
	if _, _, errno := unix.RawSyscall(unix.SYS_LANDLOCK_RESTRICT_SELF, ruleset, 0, 0); errno != 0 {
		return fmt.Errorf("enforce the ruleset: %w", errno)
	}
	return nil
}

// allowPath gives rights over a file or over all below a directory.
func allowPath(ruleset int, name string, rights uint64) error {
	fd, err := unix.Open(name, unix.O_PATH|unix.O_CLOEXEC, 0)
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.EACCES) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("open %s: %w", name, err)
	}
	defer unix.Close(fd)
	var stat unix.Stat_t
	if err := unix.Fstat(fd, &stat); err != nil {
		return fmt.Errorf("look at %s: %w", name, err)
	}
	if stat.Mode&unix.S_IFMT != unix.S_IFDIR {
		// A right over directories in a rule for a file is an error (EINVAL).
		rights &^= unix.LANDLOCK_ACCESS_FS_READ_DIR
	}
	// struct landlock_path_beneath_attr is packed: 8 bytes of rights and 4 of descriptor.
	rule := struct {
		rights uint64
		parent int32
		_      int32
	}{rights: rights, parent: int32(fd)}
	if _, _, errno := unix.RawSyscall6(unix.SYS_LANDLOCK_ADD_RULE, uintptr(ruleset), unix.LANDLOCK_RULE_PATH_BENEATH,
		uintptr(unsafe.Pointer(&rule)), 0, 0, 0); errno != 0 {
		return fmt.Errorf("allow %s: %w", name, errno)
	}
	return nil
}
