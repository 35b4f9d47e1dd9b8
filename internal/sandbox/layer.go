package sandbox

import (
	"slices"

	"golang.org/x/sys/unix"
)

// A Layer is one of the walls around the program, named as an operator would say it.
type Layer string

// The layers, outermost first. Resource limits, the empty environment, no_new_privs and the empty capability sets need nothing from the
// machine; they are always there and not listed.
const (
	// UserNamespace makes the other namespaces without privilege, and leaves the program capabilities over nothing else.
	UserNamespace Layer = "user namespace"
	// NetworkNamespace holds a loopback interface and nothing else.
	NetworkNamespace Layer = "network namespace"
	// MountNamespace shows the program, its libraries and nothing else, all of it read-only.
	MountNamespace Layer = "mount namespace"
	// PIDNamespace hides every other process, and ends the whole tree with its first process.
	PIDNamespace Layer = "pid namespace"
	// IPCNamespace hides System V and POSIX message queues and shared memory.
	IPCNamespace Layer = "ipc namespace"
	// UTSNamespace keeps the host name.
	UTSNamespace Layer = "uts namespace"
	// CgroupNamespace hides the names of control groups.
	CgroupNamespace Layer = "cgroup namespace"
	// UnprivilegedUser: the program's user id is not root's outside.
	UnprivilegedUser Layer = "unprivileged user"
	// Landlock limits files by path (Landlock ABI 1 and up).
	Landlock Layer = "landlock"
	// LandlockNetwork limits TCP to the one port of the program's input (Landlock ABI 4).
	LandlockNetwork Layer = "landlock network"
	// LandlockScope keeps signals and abstract Unix sockets inside (Landlock ABI 6).
	LandlockScope Layer = "landlock scope"
	// Seccomp allows the system calls that a transcoder makes, and no others.
	Seccomp Layer = "seccomp"
)

// layers is every layer, in the order of the report.
var layers = []Layer{
	UserNamespace, NetworkNamespace, MountNamespace, PIDNamespace, IPCNamespace, UTSNamespace, CgroupNamespace,
	UnprivilegedUser, Landlock, LandlockNetwork, LandlockScope, Seccomp,
}

// namespaces are the layers that are a flag of clone(2).
var namespaces = []struct {
	layer Layer
	flag  uintptr
}{
	{UserNamespace, unix.CLONE_NEWUSER},
	{NetworkNamespace, unix.CLONE_NEWNET},
	{MountNamespace, unix.CLONE_NEWNS},
	{PIDNamespace, unix.CLONE_NEWPID},
	{IPCNamespace, unix.CLONE_NEWIPC},
	{UTSNamespace, unix.CLONE_NEWUTS},
	{CgroupNamespace, unix.CLONE_NEWCGROUP},
}

// Report says what the machine offers.
type Report struct {
	// Layers holds every layer, in a fixed order.
	Layers []LayerReport
	// LandlockABI is the version of Landlock's interface, 0 where there is none.
	LandlockABI int
	// UID is the user id outside the sandbox that programs run under.
	UID int
}

// LayerReport says whether one layer holds, and if not, why.
type LayerReport struct {
	Layer   Layer
	Present bool
	// Detail is why the layer is missing; empty when it is present.
	Detail string
}

// Missing returns the layers that the machine does not offer.
func (r Report) Missing() []Layer {
	var missing []Layer
	for _, l := range r.Layers {
		if !l.Present {
			missing = append(missing, l.Layer)
		}
	}
	return missing
}

// Has reports whether a layer is present.
func (r Report) Has(layer Layer) bool {
	return slices.ContainsFunc(r.Layers, func(l LayerReport) bool { return l.Layer == layer && l.Present })
}

// Probe tries out what the machine offers to a program started by this process, without keeping a Sandbox. An error means that not
// even an unconfined copy of this program could be started.
func Probe() (Report, error) {
	s, err := New(Options{})
	if err != nil {
		return Report{}, err
	}
	return s.Report(), nil
}
