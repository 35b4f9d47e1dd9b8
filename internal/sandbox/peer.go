package sandbox

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
)

// maxSocketTable bounds how much of the kernel's table of sockets is read.
const maxSocketTable = 1 << 20

// isPeer reports whether the process at the other end of a loopback connection has a user id. The token of the address stands in the
// program's argument list, which every user of the machine can read.
func isPeer(remote string, local net.Addr, user int) bool {
	peer, err := netip.ParseAddrPort(remote)
	if err != nil {
		return false
	}
	own, err := netip.ParseAddrPort(local.String())
	if err != nil {
		return false
	}
	table, err := os.Open("/proc/self/net/tcp")
	if err != nil {
		return false
	}
	defer table.Close()
	wantLocal, wantRemote := socketAddress(peer), socketAddress(own)
	scanner := bufio.NewScanner(table)
	for lines := 0; scanner.Scan() && lines < maxSocketTable; lines++ {
		// sl local_address rem_address st queues tr:when retransmits uid ... (proc_pid_net(5))
		fields := strings.Fields(scanner.Text())
		if len(fields) > 7 && fields[1] == wantLocal && fields[2] == wantRemote {
			uid, err := strconv.Atoi(fields[7])
			return err == nil && uid == user
		}
	}
	return false
}

// socketAddress writes an IPv4 address as the table does: a 32-bit word in the machine's byte order.
func socketAddress(address netip.AddrPort) string {
	ip := address.Addr().Unmap().As4()
	return fmt.Sprintf("%08X:%04X", binary.NativeEndian.Uint32(ip[:]), address.Port())
}
