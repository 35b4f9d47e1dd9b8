package cenc

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// PSSH is a protection system specific header box, ISO/IEC 23001-7 8.1.
type PSSH struct {
	System UUID
	// KeyIDs are listed by version 1; a box without any is of version 0.
	KeyIDs []UUID
	Data   []byte
}

const (
	psshHead = 8 + 4 + 16
	// MaxPSSH is the greatest size of a box that ParsePSSH takes: what a key server sends stands in every init segment and manifest.
	MaxPSSH = 64 << 10
)

// ErrPSSH is returned for bytes that are not one well-formed pssh box.
var ErrPSSH = errors.New("not a pssh box")

// Append appends the box.
func (p PSSH) Append(dst []byte) []byte {
	version := uint8(0)
	if len(p.KeyIDs) > 0 {
		version = 1
	}
	dst, at := openFull(dst, "pssh", version, 0)
	dst = append(dst, p.System[:]...)
	if version == 1 {
		dst = binary.BigEndian.AppendUint32(dst, uint32(len(p.KeyIDs)))
		for _, id := range p.KeyIDs {
			dst = append(dst, id[:]...)
		}
	}
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(p.Data)))
	return closeBox(append(dst, p.Data...), at)
}

// AppendPIFF appends the box as PIFF 1.1 has it, which lists no key identifiers.
func (p PSSH) AppendPIFF(dst []byte) []byte {
	dst, at := openUUID(dst, piffSystemHeader, 0, 0)
	dst = append(dst, p.System[:]...)
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(p.Data)))
	return closeBox(append(dst, p.Data...), at)
}

// ParsePSSH reads box, which must be one box and nothing else, of version 0 or 1, without flags, and at most MaxPSSH long. The answer shares no
// memory with it. The error is ErrPSSH with its reason.
func ParsePSSH(box []byte) (PSSH, error) {
	fail := func(why string) (PSSH, error) { return PSSH{}, fmt.Errorf("%w: %s", ErrPSSH, why) }
	switch {
	case len(box) < psshHead:
		return fail("it is too short")
	case len(box) > MaxPSSH:
		return fail("it is too long")
	case uint64(binary.BigEndian.Uint32(box)) != uint64(len(box)):
		return fail("its size is not that of the bytes given")
	case string(box[4:8]) != "pssh":
		return fail("it has another type")
	case box[8] > 1:
		return fail(fmt.Sprintf("version %d is not known", box[8]))
	case box[9] != 0 || box[10] != 0 || box[11] != 0:
		return fail("it has flags, of which none is defined")
	}
	p := PSSH{System: UUID(box[12:psshHead])}
	rest := box[psshHead:]
	count := func() (uint64, bool) {
		if len(rest) < 4 {
			return 0, false
		}
		n := uint64(binary.BigEndian.Uint32(rest))
		rest = rest[4:]
		return n, true
	}
	if box[8] == 1 {
		n, ok := count()
		if !ok || n > uint64(len(rest)/len(UUID{})) {
			return fail("it is shorter than its key identifiers")
		}
		for range n {
			p.KeyIDs = append(p.KeyIDs, UUID(rest[:16]))
			rest = rest[16:]
		}
	}
	if n, ok := count(); !ok || n != uint64(len(rest)) {
		return fail("its data is not as long as it says")
	}
	p.Data = append([]byte(nil), rest...)
	return p, nil
}
