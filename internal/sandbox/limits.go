package sandbox

import (
	"time"
)

// Defaults for members of Limits that are zero.
const (
	// DefaultMemory is for a program without outputs. Each output adds MemoryPerOutput, and MemoryPerThread for each processor, since
	// encoders keep pictures for each of their threads. A ladder of four H.264 renditions of 1080p was seen to use 1.3 GiB on 2
	// processors, and less than half of its allowance with 64 threads to each encoder.
	DefaultMemory   = 2 << 30
	MemoryPerOutput = 512 << 20
	MemoryPerThread = 64 << 20
	// DefaultCPUTime is the sum over all threads.
	DefaultCPUTime = 48 * time.Hour
	// DefaultDeadline is how long a program may run by the clock.
	DefaultDeadline = 24 * time.Hour
	// DefaultOpenFiles counts the pipes, the libraries while they are loaded, and the connections to the inputs.
	DefaultOpenFiles = 128
	// DefaultThreads is for a program without outputs. Each output adds ThreadsPerOutput for each processor: encoders, filters and
	// decoders each start their own.
	DefaultThreads   = 512
	ThreadsPerOutput = 8
	// DefaultStderrBytes is how much of the end of standard error is kept.
	DefaultStderrBytes = 64 << 10
	// DefaultStdoutBytes is how much a program may write to standard output when it is captured.
	DefaultStdoutBytes = 16 << 20
)

// addressSpaceSlack is what a program may reserve beyond the memory that it may use: allocators reserve 64 MiB for each arena and use
// little of it, and libraries are mapped but shared.
const addressSpaceSlack = 16 << 30

// Limits bound one program. A member that is zero means its default.
type Limits struct {
	// Memory is the private writable memory in bytes (RLIMIT_DATA). The address space is bounded too, further out.
	Memory int64
	// CPUTime is the processor time of all threads together, in whole seconds, rounded up.
	CPUTime time.Duration
	// Deadline is the time by the clock from the start.
	Deadline time.Duration
	// OpenFiles bounds the descriptors.
	OpenFiles int
	// Threads bounds the threads. A program cannot start processes at all where seccomp is present.
	Threads int
	// StderrBytes is how much of the end of standard error is kept.
	StderrBytes int
	// StdoutBytes bounds standard output where it is captured; a program that writes more is killed.
	StdoutBytes int
}

// withDefaults fills in what is zero, for a program with that many outputs on a machine with that many processors.
func (l Limits) withDefaults(outputs, processors int) Limits {
	return Limits{
		Memory:      positive(l.Memory, DefaultMemory+int64(outputs)*(MemoryPerOutput+int64(processors)*MemoryPerThread)),
		CPUTime:     positive(l.CPUTime, DefaultCPUTime),
		Deadline:    positive(l.Deadline, DefaultDeadline),
		OpenFiles:   positive(l.OpenFiles, DefaultOpenFiles),
		Threads:     positive(l.Threads, DefaultThreads+outputs*processors*ThreadsPerOutput),
		StderrBytes: positive(l.StderrBytes, DefaultStderrBytes),
		StdoutBytes: positive(l.StdoutBytes, DefaultStdoutBytes),
	}
}

func positive[T int | int64 | time.Duration](value, otherwise T) T {
	if value > 0 {
		return value
	}
	return otherwise
}

// A Limit is what ended a program before its own end.
type Limit string

// The limits that Exit.LimitHit names.
const (
	// LimitNone: none.
	LimitNone Limit = ""
	// LimitMemory: an allocation failed or the kernel ran out of memory. It is judged from the end of standard error and the signal,
	// since the kernel does not say it.
	LimitMemory Limit = "memory"
	// LimitCPU: Limits.CPUTime was used up.
	LimitCPU Limit = "cpu"
	// LimitDeadline: Limits.Deadline passed.
	LimitDeadline Limit = "deadline"
	// LimitOutput: more than Limits.StdoutBytes were written to standard output.
	LimitOutput Limit = "output"
)
