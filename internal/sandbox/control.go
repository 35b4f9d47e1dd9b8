package sandbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// The control socket is descriptor 0 of the first process until the program starts. Down it go initConfig and then, unless it is a
// trial, initArgs, as JSON; up come messages of one tag byte, the last two followed by JSON to the end of the stream. When the program
// starts, the socket closes by itself: an end after tagExec is success.
const (
	// tagListener carries the listening socket as an SCM_RIGHTS message.
	tagListener = 'L'
	// tagExec says that everything is in place and that execve(2) comes next.
	tagExec = 'X'
	// tagError carries an initError.
	tagError = 'E'
	// tagTrial carries a trialResult.
	tagTrial = 'T'
)

const (
	// setupTimeout bounds the time from the start of the first process to that of the program.
	setupTimeout = 30 * time.Second
	// maxReplyBytes bounds what the first process says.
	maxReplyBytes = 64 << 10
)

// initConfig tells the first process what to do.
type initConfig struct {
	Layers      []Layer
	UID, GID    int
	Trial       bool     `json:",omitempty"`
	Program     string   `json:",omitempty"`
	Interpreter string   `json:",omitempty"`
	ReadOnly    []string `json:",omitempty"`
	Outputs     int      `json:",omitempty"`
	Stdin       bool     `json:",omitempty"` // there is a descriptor for standard input behind those of the outputs
	// Listen asks for a listener inside.
	Listen bool
	// Network is whether the program has inputs; without, it gets no sockets at all.
	Network bool
	// Port is the port of a listener outside.
	Port   int `json:",omitempty"`
	Limits Limits
}

// initArgs follow when the addresses of the inputs are known.
type initArgs struct {
	Args []string
}

// initError is the failure of a step of the first process.
type initError struct {
	Step, Error string
}

// trialResult says what the first process could not do.
type trialResult struct {
	Missing     map[Layer]string
	LandlockABI int
}

// controlConn is this side of the control socket.
type controlConn struct {
	*net.UnixConn
}

// newControl makes a control socket and the other side's end.
func newControl() (controlConn, *os.File, error) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return controlConn{}, nil, fmt.Errorf("make a socket pair: %w", err)
	}
	ours, theirs := os.NewFile(uintptr(pair[0]), "control"), os.NewFile(uintptr(pair[1]), "control")
	conn, err := net.FileConn(ours)
	_ = ours.Close()
	if err != nil {
		_ = theirs.Close()
		return controlConn{}, nil, fmt.Errorf("make a socket pair: %w", err)
	}
	return controlConn{conn.(*net.UnixConn)}, theirs, nil
}

// within bounds all further reads and writes by ctx and setupTimeout. The returned function ends the bond to ctx.
func (c controlConn) within(ctx context.Context) (stop func() bool) {
	_ = c.SetDeadline(time.Now().Add(setupTimeout))
	return context.AfterFunc(ctx, func() { _ = c.SetDeadline(time.Unix(1, 0)) })
}

// send writes a message with nothing behind it: a byte that is left unread when the other side ends would reset the connection.
func (c controlConn) send(message any) error {
	data, err := json.Marshal(message)
	if err != nil {
		return err
	}
	_, err = c.Write(data)
	return err
}

// listener receives the listening socket.
func (c controlConn) listener() (net.Listener, error) {
	tag, oob := make([]byte, 1), make([]byte, unix.CmsgSpace(4))
	n, oobn, _, _, err := c.ReadMsgUnix(tag, oob)
	if err != nil {
		return nil, err
	}
	if n == 1 && tag[0] != tagListener {
		return nil, c.fault(tag[0])
	}
	messages, err := unix.ParseSocketControlMessage(oob[:oobn])
	if err != nil || len(messages) != 1 {
		return nil, errors.New("the first process ended early")
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	if err != nil || len(fds) != 1 {
		return nil, errors.New("the first process sent no listener")
	}
	unix.CloseOnExec(fds[0])
	file := os.NewFile(uintptr(fds[0]), "listener")
	defer file.Close()
	return net.FileListener(file)
}

// started waits until the program runs.
func (c controlConn) started() error {
	tag := make([]byte, 1)
	if _, err := io.ReadFull(c, tag); err != nil {
		return ended(err)
	}
	if tag[0] != tagExec {
		return c.fault(tag[0])
	}
	if _, err := io.ReadFull(c, tag); errors.Is(err, io.EOF) {
		return nil
	} else if err != nil {
		return err
	}
	return c.fault(tag[0])
}

// result waits for what a trial found.
func (c controlConn) result() (trialResult, error) {
	tag := make([]byte, 1)
	if _, err := io.ReadFull(c, tag); err != nil {
		return trialResult{}, ended(err)
	}
	if tag[0] != tagTrial {
		return trialResult{}, c.fault(tag[0])
	}
	var result trialResult
	if err := json.NewDecoder(io.LimitReader(c, maxReplyBytes)).Decode(&result); err != nil {
		return trialResult{}, ended(err)
	}
	return result, nil
}

// fault reads the message after a tag that was not hoped for.
func (c controlConn) fault(tag byte) error {
	if tag != tagError {
		return fmt.Errorf("the first process sent an unknown message %q", tag)
	}
	var fault initError
	if err := json.NewDecoder(io.LimitReader(c, maxReplyBytes)).Decode(&fault); err != nil {
		return ended(err)
	}
	return fmt.Errorf("%s: %s", fault.Step, fault.Error)
}

func ended(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, unix.ECONNRESET) {
		return errors.New("the first process ended early")
	}
	return err
}
