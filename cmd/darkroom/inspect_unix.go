package main

import (
	"io/fs"
	"os"
	"syscall"
)

// ownedByUs says whether a file belongs to the user of this process, or to root.
func ownedByUs(info fs.FileInfo) bool {
	st, ok := info.Sys().(*syscall.Stat_t)
	return ok && (int(st.Uid) == os.Geteuid() || st.Uid == 0)
}
