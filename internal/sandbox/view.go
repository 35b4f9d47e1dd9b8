package sandbox

import (
	"errors"
	"fmt"
	"os"
	"path"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// libraryPaths are what the dynamic linker reads, ld.so(8). Debian's /etc/alternatives chooses among libraries (BLAS, LAPACK) by symbolic
// links and holds nothing else. A path that is a symbolic link (/lib on a merged /usr) is shown as the same link.
var libraryPaths = []string{
	"/lib", "/lib32", "/lib64", "/libx32", "/usr/lib", "/usr/lib32", "/usr/lib64", "/usr/libx32", "/usr/local/lib",
	"/etc/ld.so.cache", "/etc/alternatives",
}

// devicePaths are the devices that libraries read.
var devicePaths = []string{"/dev/null", "/dev/urandom"}

// A viewEntry is one path of the program's view: a copy of a mount, or a symbolic link.
type viewEntry struct {
	path  string
	tree  int
	dir   bool
	link  string
	flags uint64
}

// buildView replaces the whole file system by a read-only one with the program, its libraries and nothing else: no /proc, no /sys, no
// writable place. It needs the mount interface of Linux 5.12 (open_tree(2), mount_setattr(2)).
func buildView(config initConfig) error {
	// Nothing of what follows may be seen outside.
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make the mounts private: %w", err)
	}
	entries, err := collect(config)
	if err != nil {
		return err
	}
	// The program's user finds its way through directories that are made here, whatever a server's files are to others.
	defer unix.Umask(unix.Umask(0o022))
	root, err := newRoot()
	if err != nil {
		return err
	}
	defer unix.Close(root)
	for _, entry := range entries {
		if err := entry.place(root); err != nil {
			return fmt.Errorf("show %s: %w", entry.path, err)
		}
	}
	return enter(root)
}

// collect copies the mounts to be shown before the view of them changes. Parents come before what is inside them.
func collect(config initConfig) ([]viewEntry, error) {
	const library = unix.MOUNT_ATTR_RDONLY | unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NODEV
	var entries []viewEntry
	add := func(name string, flags uint64, needed bool) error {
		name = path.Clean(name)
		if slices.ContainsFunc(entries, func(e viewEntry) bool {
			return e.path == name || e.dir && strings.HasPrefix(name, e.path+"/")
		}) {
			return nil
		}
		entry := viewEntry{path: name, tree: -1, flags: flags}
		var stat unix.Stat_t
		err := unix.Lstat(name, &stat)
		if errors.Is(err, unix.ENOENT) && !needed {
			return nil
		}
		if err != nil {
			return fmt.Errorf("find %s: %w", name, err)
		}
		switch stat.Mode & unix.S_IFMT {
		case unix.S_IFLNK:
			if entry.link, err = os.Readlink(name); err != nil {
				return err
			}
			entries = append(entries, entry)
			return nil
		case unix.S_IFDIR:
			entry.dir = true
		}
		entry.tree, err = unix.OpenTree(unix.AT_FDCWD, name, unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC|unix.AT_RECURSIVE)
		if err != nil {
			return fmt.Errorf("copy the mount of %s: %w", name, err)
		}
		entries = append(entries, entry)
		return nil
	}
	for _, name := range libraryPaths {
		if err := add(name, library, false); err != nil {
			return nil, err
		}
	}
	for _, name := range devicePaths {
		if err := add(name, unix.MOUNT_ATTR_RDONLY|unix.MOUNT_ATTR_NOSUID|unix.MOUNT_ATTR_NOEXEC, false); err != nil {
			return nil, err
		}
	}
	for _, name := range config.ReadOnly {
		if err := add(name, library, true); err != nil {
			return nil, err
		}
	}
	for _, name := range []string{config.Program, config.Interpreter} {
		if name == "" {
			continue
		}
		if err := add(name, library, true); err != nil {
			return nil, err
		}
	}
	return entries, nil
}

// newRoot mounts an empty file system over some directory; which one does not matter, since it is left at once.
func newRoot() (int, error) {
	context, err := unix.Fsopen("tmpfs", unix.FSOPEN_CLOEXEC)
	if err != nil {
		return -1, fmt.Errorf("make a tmpfs: %w", err)
	}
	defer unix.Close(context)
	for _, option := range [][2]string{{"mode", "0755"}, {"size", "1m"}, {"nr_inodes", "4k"}} {
		if err := unix.FsconfigSetString(context, option[0], option[1]); err != nil {
			return -1, fmt.Errorf("set up a tmpfs: %w", err)
		}
	}
	if err := unix.FsconfigCreate(context); err != nil {
		return -1, fmt.Errorf("make a tmpfs: %w", err)
	}
	root, err := unix.Fsmount(context, unix.FSMOUNT_CLOEXEC, unix.MOUNT_ATTR_NOSUID|unix.MOUNT_ATTR_NODEV|unix.MOUNT_ATTR_NOEXEC)
	if err != nil {
		return -1, fmt.Errorf("make a tmpfs: %w", err)
	}
	for _, place := range []string{"/tmp", "/usr", "/lib", "/dev", "/etc"} {
		if err = unix.MoveMount(root, "", unix.AT_FDCWD, place, unix.MOVE_MOUNT_F_EMPTY_PATH); err == nil {
			return root, nil
		}
	}
	_ = unix.Close(root)
	return -1, fmt.Errorf("mount a tmpfs: %w", err)
}

// place shows one entry below root.
func (e viewEntry) place(root int) error {
	name := strings.TrimPrefix(e.path, "/")
	for i := range len(name) {
		if name[i] != '/' {
			continue
		}
		if err := unix.Mkdirat(root, name[:i], 0o755); err != nil && !errors.Is(err, unix.EEXIST) {
			return err
		}
	}
	if e.link != "" {
		return unix.Symlinkat(e.link, root, name)
	}
	defer unix.Close(e.tree)
	if e.dir {
		if err := unix.Mkdirat(root, name, 0o755); err != nil {
			return err
		}
	} else {
		fd, err := unix.Openat(root, name, unix.O_CREAT|unix.O_EXCL|unix.O_RDONLY|unix.O_CLOEXEC, 0o444)
		if err != nil {
			return err
		}
		_ = unix.Close(fd)
	}
	attr := unix.MountAttr{Attr_set: e.flags}
	if err := unix.MountSetattr(e.tree, "", unix.AT_EMPTY_PATH|unix.AT_RECURSIVE, &attr); err != nil {
		return err
	}
	return unix.MoveMount(e.tree, "", root, name, unix.MOVE_MOUNT_F_EMPTY_PATH)
}

// enter makes root the whole world, read-only.
func enter(root int) error {
	if err := unix.Fchdir(root); err != nil {
		return fmt.Errorf("enter the view: %w", err)
	}
	if err := unix.PivotRoot(".", "."); err != nil {
		return fmt.Errorf("pivot into the view: %w", err)
	}
	// The old root now lies over the new one (pivot_root(2), "pivot_root(".", ".")").
	if err := unix.Unmount(".", unix.MNT_DETACH); err != nil {
		return fmt.Errorf("leave the old root: %w", err)
	}
	if err := unix.Chdir("/"); err != nil {
		return fmt.Errorf("enter the view: %w", err)
	}
	attr := unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY}
	if err := unix.MountSetattr(unix.AT_FDCWD, "/", 0, &attr); err != nil {
		return fmt.Errorf("make the view read-only: %w", err)
	}
	return nil
}
