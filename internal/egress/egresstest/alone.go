package egresstest

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

// inside names the test that runs in the network of its own.
const inside = "DARKROOM_TEST_ALONE"

// Alone has a test run in a network of its own, in which every address of the world, of IPv4 and IPv6, is one of this machine: whatever is dialled comes
// to whoever listens, and the name servers of the machine are who listens on port 53. It returns true there. Outside it runs the test there, tells how
// it ended, and returns false: the test is over. Where such a network cannot be had, the test is skipped, or fails in CI.
func Alone(t *testing.T) bool {
	t.Helper()
	if os.Getenv(inside) == t.Name() {
		if err := everywhere(); err != nil {
			t.Fatal(err)
		}
		return true
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self, "-test.run", "^"+t.Name()+"$", "-test.v", "-test.count=1")
	cmd.Env = append(os.Environ(), inside+"="+t.Name())
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
	if os.Getuid() != 0 {
		cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}}
	}
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	switch {
	case err != nil && !errors.As(err, &exit):
		what := fmt.Sprintf("a network of its own cannot be had: %v", err)
		if os.Getenv("CI") != "" {
			t.Fatal(what)
		}
		t.Skip(what)
	case err != nil:
		t.Errorf("in a network of its own:\n%s", out)
	case !strings.Contains(string(out), "--- PASS: "+t.Name()):
		t.Errorf("in a network of its own, the test did not run:\n%s", out)
	}
	return false
}

// everywhere sets the loopback interface up and makes all addresses local to it (rtnetlink(7)).
func everywhere() error {
	fd, err := syscall.Socket(syscall.AF_NETLINK, syscall.SOCK_RAW|syscall.SOCK_CLOEXEC, syscall.NETLINK_ROUTE)
	if err != nil {
		return fmt.Errorf("open a netlink socket: %w", err)
	}
	defer func() { _ = syscall.Close(fd) }()
	const loopback = 1 // the index of lo in a new namespace
	link := syscall.IfInfomsg{Index: loopback, Flags: syscall.IFF_UP, Change: syscall.IFF_UP}
	if err := ask(fd, syscall.RTM_NEWLINK, 0, link); err != nil {
		return fmt.Errorf("set the loopback up: %w", err)
	}
	for _, family := range []uint8{syscall.AF_INET, syscall.AF_INET6} {
		route := struct {
			syscall.RtMsg
			syscall.RtAttr
			Value uint32
		}{
			syscall.RtMsg{Family: family, Table: syscall.RT_TABLE_LOCAL, Protocol: syscall.RTPROT_BOOT, Scope: syscall.RT_SCOPE_HOST, Type: syscall.RTN_LOCAL},
			syscall.RtAttr{Len: 8, Type: syscall.RTA_OIF},
			loopback,
		}
		if err := ask(fd, syscall.RTM_NEWROUTE, syscall.NLM_F_CREATE, route); err != nil {
			return fmt.Errorf("make the addresses of family %d local: %w", family, err)
		}
	}
	return nil
}

// ask sends one request to the kernel and waits for its answer.
func ask(fd int, kind, flags uint16, body any) error {
	var b bytes.Buffer
	h := syscall.NlMsghdr{Len: uint32(syscall.NLMSG_HDRLEN + binary.Size(body)), Type: kind, Flags: syscall.NLM_F_REQUEST | syscall.NLM_F_ACK | flags}
	for _, part := range []any{h, body} {
		if err := binary.Write(&b, binary.NativeEndian, part); err != nil {
			return err
		}
	}
	if err := syscall.Sendto(fd, b.Bytes(), 0, &syscall.SockaddrNetlink{Family: syscall.AF_NETLINK}); err != nil {
		return err
	}
	answer := make([]byte, syscall.Getpagesize())
	n, _, err := syscall.Recvfrom(fd, answer, 0)
	if err != nil {
		return err
	}
	messages, err := syscall.ParseNetlinkMessage(answer[:n])
	if err != nil {
		return err
	}
	for _, m := range messages {
		if m.Header.Type == syscall.NLMSG_ERROR && len(m.Data) >= 4 {
			if code := int32(binary.NativeEndian.Uint32(m.Data)); code != 0 {
				return syscall.Errno(-code)
			}
			return nil
		}
	}
	return errors.New("the kernel gave no answer")
}
