package cenc

import (
	"bytes"
	"errors"
	"math/bits"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/Eyevinn/mp4ff/avc"
	"github.com/Eyevinn/mp4ff/hevc"

	"darkroom/internal/media"
)

// bitWriter writes what bitReader reads.
type bitWriter struct {
	rand *rand.Rand
	b    []byte
	n    int // bits
}

func (w *bitWriter) u(n int, v uint32) {
	for n--; n >= 0; n-- {
		if w.n%8 == 0 {
			w.b = append(w.b, 0)
		}
		w.b[w.n/8] |= byte(v>>n&1) << (7 - w.n%8)
		w.n++
	}
}

func (w *bitWriter) ue(v int) {
	n := bits.Len32(uint32(v) + 1)
	w.u(n-1, 0)
	w.u(n, uint32(v)+1)
}

func (w *bitWriter) se(v int) {
	if v > 0 {
		w.ue(2*v - 1)
	} else {
		w.ue(-2 * v)
	}
}

func (w *bitWriter) flag(v bool) bool {
	if v {
		w.u(1, 1)
	} else {
		w.u(1, 0)
	}
	return v
}

// What follows writes something that is allowed, and returns it.
func (w *bitWriter) coin() bool { return w.flag(w.rand.IntN(2) == 0) }

func (w *bitWriter) anyUE(limit int) int {
	v := w.rand.IntN(limit + 1)
	if w.rand.IntN(3) == 0 {
		v = 0
	}
	w.ue(v)
	return v
}

func (w *bitWriter) anySE(limit int) { w.se(w.rand.IntN(2*limit+1) - limit) }

func (w *bitWriter) anyU(n int) uint32 {
	v := w.rand.Uint32() & (1<<n - 1)
	w.u(n, v)
	return v
}

func (w *bitWriter) anyFlags(n int) {
	for range n {
		w.coin()
	}
}

// nal returns the unit with emulation prevention, and how many of its bytes hold the first bits bits.
func (w *bitWriter) nal(bits int) ([]byte, int) {
	var out []byte
	zeros, head := 0, 0
	for i, c := range w.b {
		if zeros >= 2 && c <= 3 {
			out = append(out, 3)
			zeros = 0
		}
		out = append(out, c)
		if c == 0 {
			zeros++
		} else {
			zeros = 0
		}
		if i == (bits+7)/8-1 {
			head = len(out)
		}
	}
	return out, head
}

// trail ends a parameter set.
func (w *bitWriter) trail() []byte {
	w.u(1, 1)
	for w.n%8 != 0 {
		w.u(1, 0)
	}
	nal, _ := w.nal(w.n)
	return nal
}

// slice fills a slice with data behind its header.
func (w *bitWriter) slice() ([]byte, int) {
	bits := w.n
	for w.n%8 != 0 {
		w.coin()
	}
	for range 40 {
		w.b = append(w.b, byte(w.rand.IntN(256)>>w.rand.IntN(9))) // many of 0
	}
	return w.nal(bits)
}

type avcSyntax struct {
	format               int // chroma_format_idc
	separate             bool
	frameNumBits         int
	pocType, pocBits     int
	alwaysZero           bool
	width, height        int
	frameOnly            bool
	cabac, bottom        bool
	groups, groupType    int
	rate                 int
	refs                 [2]int
	weighted             bool
	bipred               uint32
	deblocking, redudant bool
}

func writeAVCParameters(r *rand.Rand) (s avcSyntax, sps, pps []byte) {
	w := &bitWriter{rand: r}
	w.u(8, 0x67)
	profile := []uint32{66, 77, 88, 100, 110, 122, 244}[r.IntN(7)]
	w.u(8, profile)
	w.u(8, 0)
	w.u(8, 30)
	w.ue(0)
	s.format = 1
	if profile >= 100 {
		s.format = w.anyUE(3)
		if s.format == 3 {
			s.separate = w.coin()
		}
		w.anyUE(6)
		w.anyUE(6)
		w.coin()
		if w.coin() {
			lists := 8
			if s.format == 3 {
				lists = 12
			}
			for i := range lists {
				if !w.coin() {
					continue
				}
				size := 16
				if i >= 6 {
					size = 64
				}
				if r.IntN(2) == 0 {
					w.se(-8) // next scale is 0: the default
				} else {
					for range size {
						w.se(r.IntN(2)) // a scale of 0 would end the list
					}
				}
			}
		}
	}
	s.frameNumBits = 4 + w.anyUE(12)
	s.pocType = w.anyUE(2)
	switch s.pocType {
	case 0:
		s.pocBits = 4 + w.anyUE(12)
	case 1:
		s.alwaysZero = w.coin()
		w.anySE(9)
		w.anySE(9)
		for range w.anyUE(5) {
			w.anySE(9)
		}
	}
	w.anyUE(8)
	w.coin()
	s.width = 1 + w.anyUE(20)
	s.height = 1 + w.anyUE(20)
	if s.frameOnly = w.coin(); !s.frameOnly {
		w.coin()
	}
	w.coin()
	w.flag(false)
	w.flag(false)
	sps = w.trail()

	w = &bitWriter{rand: r}
	w.u(8, 0x68)
	w.ue(3)
	w.ue(0)
	s.cabac = w.coin()
	s.bottom = w.coin()
	if r.IntN(3) == 0 {
		s.groups = 1 + r.IntN(7)
	}
	w.ue(s.groups)
	if s.groups > 0 {
		s.groupType = r.IntN(7)
		w.ue(s.groupType)
		switch s.groupType {
		case 0:
			for range s.groups + 1 {
				w.anyUE(9)
			}
		case 2:
			for range s.groups {
				w.anyUE(9)
				w.anyUE(9)
			}
		case 3, 4, 5:
			w.coin()
			s.rate = 1 + w.anyUE(30)
		case 6:
			size := s.width * s.height
			w.ue(size - 1)
			for range size {
				w.u(bits.Len(uint(s.groups)), uint32(r.IntN(s.groups+1)))
			}
		}
	}
	s.refs = [2]int{w.anyUE(31), w.anyUE(31)}
	s.weighted = w.coin()
	s.bipred = uint32(r.IntN(3))
	w.u(2, s.bipred)
	w.anySE(20)
	w.anySE(20)
	w.anySE(12)
	s.deblocking = w.coin()
	w.coin()
	s.redudant = w.coin()
	return s, sps, w.trail()
}

func (s avcSyntax) writeSlice(r *rand.Rand) ([]byte, int) {
	w := &bitWriter{rand: r}
	idr, reference := r.IntN(3) == 0, uint32(r.IntN(4))
	unit := uint32(1)
	if idr {
		unit, reference = 5, reference|1
	}
	w.u(8, reference<<5|unit)
	w.anyUE(300)
	kind := r.IntN(10)
	w.ue(kind)
	kind %= 5
	w.ue(3)
	if s.separate {
		w.anyU(2)
	}
	w.anyU(s.frameNumBits)
	field := false
	if !s.frameOnly {
		if field = w.coin(); field {
			w.coin()
		}
	}
	if idr {
		w.anyUE(65535)
	}
	if s.pocType == 0 {
		w.anyU(s.pocBits)
		if s.bottom && !field {
			w.anySE(9)
		}
	}
	if s.pocType == 1 && !s.alwaysZero {
		w.anySE(99)
		if s.bottom && !field {
			w.anySE(9)
		}
	}
	if s.redudant {
		w.anyUE(127)
	}
	if kind == avcB {
		w.coin()
	}
	refs := s.refs
	inter := kind == avcP || kind == avcSP || kind == avcB
	if inter && w.coin() {
		refs[0] = w.anyUE(31)
		if kind == avcB {
			refs[1] = w.anyUE(31)
		}
	}
	lists := refs[:0]
	if inter {
		lists = refs[:1]
	}
	if kind == avcB {
		lists = refs[:]
	}
	for range lists {
		if w.coin() {
			for range r.IntN(4) {
				w.ue(r.IntN(3))
				w.anyUE(40)
			}
			w.ue(3)
		}
	}
	chroma := s.format != 0 && !s.separate
	if s.weighted && (kind == avcP || kind == avcSP) || s.bipred == 1 && kind == avcB {
		w.anyUE(7)
		if chroma {
			w.anyUE(7)
		}
		for _, n := range lists {
			for range n + 1 {
				if w.coin() {
					w.anySE(127)
					w.anySE(127)
				}
				if chroma && w.coin() {
					for range 4 {
						w.anySE(127)
					}
				}
			}
		}
	}
	if reference != 0 {
		if idr {
			w.anyFlags(2)
		} else if w.coin() {
			for range r.IntN(5) {
				op := 1 + r.IntN(6)
				w.ue(op)
				for range []int{0, 1, 1, 2, 1, 0, 1}[op] {
					w.anyUE(20)
				}
			}
			w.ue(0)
		}
	}
	if s.cabac && inter {
		w.anyUE(2)
	}
	w.anySE(20)
	if kind == avcSP {
		w.coin()
	}
	if kind == avcSP || kind == avcSI {
		w.anySE(20)
	}
	if s.deblocking && w.anyUE(2) != 1 {
		w.anySE(6)
		w.anySE(6)
	}
	if s.groups > 0 && s.groupType >= 3 && s.groupType <= 5 {
		size := s.width * s.height
		n := bits.Len(uint((size+s.rate-1)/s.rate+1) - 1) // Ceil(Log2(Ceil(size / rate) + 1))
		w.anyU(n)
	}
	if s.cabac {
		for w.n%8 != 0 {
			w.u(1, 1)
		}
	}
	return w.slice()
}

// TestAVCSyntax writes parameter sets and slice headers with all that the syntax has, and finds where the headers end.
func TestAVCSyntax(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 2))
	compared := 0
	for range 3000 {
		syntax, sps, pps := writeAVCParameters(r)
		var p avcParser
		if err := p.parameterSet(sps); err != nil {
			t.Fatalf("%+v: %x: %v", syntax, sps, err)
		}
		if err := p.parameterSet(pps); err != nil {
			t.Fatalf("%+v: %x: %v", syntax, pps, err)
		}
		other := peer{avcSPS: map[uint32]*avc.SPS{}, avcPPS: map[uint32]*avc.PPS{}}
		otherSPS, err := avc.ParseSPSNALUnit(sps, true)
		if err == nil {
			other.avcSPS[0] = otherSPS
			if otherPPS, err := avc.ParsePPSNALUnit(pps, other.avcSPS); err == nil {
				other.avcPPS[3] = otherPPS
			}
		}
		for range 5 {
			nal, want := syntax.writeSlice(r)
			got, err := p.sliceHeader(nal)
			if err != nil || got != want {
				t.Fatalf("%+v:\nsps %x\npps %x\nnal %x\nhead of %d bytes, %v; want %d", syntax, sps, pps, nal, got, err, want)
			}
			// Headers cut short are errors, never more than there is.
			if _, err := p.sliceHeader(nal[:r.IntN(want)]); err == nil {
				t.Fatalf("%x was read when cut", nal)
			}
			if syntax.groups == 0 { // mp4ff rounds what 7.4.3 does not
				if h, err := avc.ParseSliceHeader(nal, other.avcSPS, other.avcPPS); err == nil && int(h.Size) == want {
					compared++
				}
			}
		}
	}
	if compared < 5000 {
		t.Errorf("mp4ff agrees on %d headers only", compared)
	}
}

type hevcSyntax struct {
	format                         int
	separate                       bool
	ctbs                           int
	pocBits                        int
	sao, longTerm, mvp             bool
	sets                           [][]int // distances
	used                           []int   // how many of each set are used
	longUsed                       []bool
	dependent, output              bool
	extra                          int
	cabacInit                      bool
	refs                           [2]int
	chromaQP, chromaList           bool
	weighted, bipred               bool
	tiles, wavefront               bool
	across, override, disabled     bool
	listsModification, headExtends bool
}

// writeRPS writes st_ref_pic_set(i) and returns the distances of the set, by a rule other than that of 7.4.8: all candidates, sorted.
func (s *hevcSyntax) writeRPS(w *bitWriter, i int) (set []int, used int) {
	if i > 0 {
		from := 1
		if predicted := w.rand.IntN(2) == 0; w.flag(predicted) {
			if i == len(s.sets) {
				from += w.anyUE(i - 1)
			}
			ref := s.sets[i-from]
			delta := 1 + w.rand.IntN(4)
			negative := w.coin()
			w.ue(delta - 1)
			if negative {
				delta = -delta
			}
			for _, d := range append(slices.Clone(ref), 0) { // the flags stand in the order of ref, and then of ref itself
				isUsed := w.coin()
				use := isUsed || w.coin()
				if use && d+delta != 0 {
					set = append(set, d+delta)
					if isUsed {
						used++
					}
				}
			}
			return sortSet(set), used
		}
	}
	negatives, positives := w.anyUE(3), w.anyUE(3)
	for side, n := range []int{negatives, positives} {
		d := 0
		for range n {
			step := 1 + w.anyUE(5)
			if side == 0 {
				step = -step
			}
			d += step
			set = append(set, d)
			if w.coin() {
				used++
			}
		}
	}
	return set, used
}

// sortSet puts pictures before the current one first, and the nearest first on each side.
func sortSet(set []int) []int {
	slices.SortFunc(set, func(a, b int) int {
		if a < 0 && b < 0 {
			return b - a
		}
		return a - b
	})
	return set
}

func (w *bitWriter) scalingLists() {
	for size := range 4 {
		step := 1
		if size == 3 {
			step = 3
		}
		for matrix := 0; matrix < 6; matrix += step {
			if !w.coin() {
				w.anyUE(matrix / step)
				continue
			}
			if size > 1 {
				w.anySE(7)
			}
			for range []int{16, 64, 64, 64}[size] {
				w.anySE(3)
			}
		}
	}
}

func writeHEVCParameters(r *rand.Rand) (s hevcSyntax, sps, pps []byte) {
	w := &bitWriter{rand: r}
	w.u(16, 0x4201)
	w.u(4, 0)
	subLayers := r.IntN(3)
	w.u(3, uint32(subLayers))
	w.u(1, 1)
	w.u(8, 4)           // RExt
	w.u(32, 0x08000000) // and compatible with it
	w.u(32, 0x9e000000)
	w.u(16, 0)
	w.u(8, 93)
	var profile, level [8]bool
	for i := range subLayers {
		profile[i], level[i] = w.coin(), w.coin()
	}
	if subLayers > 0 {
		for range 8 - subLayers {
			w.u(2, 0)
		}
	}
	for i := range subLayers {
		if profile[i] {
			w.u(32, 0x04080000)
			w.u(32, 0)
			w.u(24, 0)
		}
		if level[i] {
			w.u(8, 93)
		}
	}
	w.ue(1)
	s.format = w.anyUE(3)
	if s.format == 3 {
		s.separate = w.coin()
	}
	width, height := 8*(1+r.IntN(200)), 8*(1+r.IntN(100))
	w.ue(width)
	w.ue(height)
	if w.coin() {
		for range 4 {
			w.anyUE(3)
		}
	}
	w.anyUE(4)
	w.anyUE(4)
	s.pocBits = 4 + w.anyUE(12)
	times := 1
	if w.coin() {
		times = subLayers + 1
	}
	for range 3 * times {
		w.anyUE(5)
	}
	log := 3 + w.anyUE(1)
	log += w.anyUE(2)
	ctb := 1 << log
	s.ctbs = ((width + ctb - 1) / ctb) * ((height + ctb - 1) / ctb)
	for range 4 {
		w.anyUE(2)
	}
	if enabled := w.coin(); enabled && w.coin() {
		w.scalingLists()
	}
	w.coin()
	s.sao = w.coin()
	if w.coin() {
		w.anyU(8)
		w.anyUE(1)
		w.anyUE(1)
		w.coin()
	}
	n := r.IntN(6)
	w.ue(n)
	s.sets, s.used = make([][]int, n), make([]int, n)
	for i := range n {
		s.sets[i], s.used[i] = s.writeRPS(w, i)
	}
	if s.longTerm = w.coin(); s.longTerm {
		s.longUsed = make([]bool, r.IntN(5))
		w.ue(len(s.longUsed))
		for i := range s.longUsed {
			w.anyU(s.pocBits)
			s.longUsed[i] = w.coin()
		}
	}
	s.mvp = w.coin()
	w.coin()
	w.flag(false)
	w.flag(false)
	sps = w.trail()

	w = &bitWriter{rand: r}
	w.u(16, 0x4401)
	w.ue(2)
	w.ue(1)
	s.dependent = w.coin()
	s.output = w.coin()
	s.extra = r.IntN(3)
	w.u(3, uint32(s.extra))
	w.coin()
	s.cabacInit = w.coin()
	s.refs = [2]int{w.anyUE(14), w.anyUE(14)}
	w.anySE(20)
	w.coin()
	skip := w.coin()
	if w.coin() {
		w.anyUE(3)
	}
	w.anySE(12)
	w.anySE(12)
	s.chromaQP = w.coin()
	s.weighted = w.coin()
	s.bipred = w.coin()
	w.coin()
	s.tiles = w.coin()
	s.wavefront = w.coin()
	if s.tiles {
		columns, rows := w.anyUE(4), w.anyUE(4)
		if !w.coin() {
			for range columns + rows {
				w.anyUE(9)
			}
		}
		w.coin()
	}
	s.across = w.coin()
	if w.coin() {
		s.override = w.coin()
		if s.disabled = w.coin(); !s.disabled {
			w.anySE(6)
			w.anySE(6)
		}
	}
	if w.coin() {
		w.scalingLists()
	}
	s.listsModification = w.coin()
	w.anyUE(3)
	s.headExtends = w.coin()
	if w.coin() {
		ranged := w.coin()
		w.u(7, 0)
		if ranged {
			if skip {
				w.anyUE(3)
			}
			w.coin()
			if s.chromaList = w.coin(); s.chromaList {
				w.anyUE(3)
				n := w.anyUE(5)
				for range n + 1 {
					w.anySE(12)
					w.anySE(12)
				}
			}
			w.anyUE(2)
			w.anyUE(2)
		}
	}
	return s, sps, w.trail()
}

func (s *hevcSyntax) writeSlice(r *rand.Rand) ([]byte, int) {
	w := &bitWriter{rand: r}
	unit := []int{0, 1, 8, 9, 16, 19, 20, 21}[r.IntN(8)]
	w.u(16, uint32(unit<<9|1))
	first := w.coin()
	if unit >= 16 {
		w.coin()
	}
	w.ue(2)
	dependent := false
	if !first {
		if s.dependent {
			dependent = w.coin()
		}
		w.anyU(bits.Len(uint(s.ctbs - 1)))
	}
	if !dependent {
		s.writeIndependent(w, unit)
	}
	if s.tiles || s.wavefront {
		if n := w.anyUE(20); n > 0 {
			length := 1 + w.anyUE(31)
			for range n {
				w.anyU(length)
			}
		}
	}
	if s.headExtends {
		n := w.anyUE(20)
		for range n {
			w.anyU(8)
		}
	}
	w.u(1, 1)
	for w.n%8 != 0 {
		w.u(1, 0)
	}
	return w.slice()
}

func (s *hevcSyntax) writeIndependent(w *bitWriter, unit int) {
	r := w.rand
	w.anyFlags(s.extra)
	kind := w.anyUE(2)
	if s.output {
		w.coin()
	}
	if s.separate {
		w.anyU(2)
	}
	pictures, mvp := 0, false
	if unit != 19 && unit != 20 {
		w.anyU(s.pocBits)
		if known := len(s.sets) > 0 && r.IntN(2) == 0; w.flag(known) {
			i := r.IntN(len(s.sets))
			w.u(bits.Len(uint(len(s.sets)-1)), uint32(i))
			pictures = s.used[i]
		} else {
			_, pictures = s.writeRPS(w, len(s.sets))
		}
		if s.longTerm {
			known := 0
			if len(s.longUsed) > 0 {
				known = w.anyUE(len(s.longUsed))
			}
			others := w.anyUE(3)
			for i := range known + others {
				used := false
				if i < known {
					n := r.IntN(len(s.longUsed))
					w.u(bits.Len(uint(len(s.longUsed)-1)), uint32(n))
					used = s.longUsed[n]
				} else {
					w.anyU(s.pocBits)
					used = w.coin()
				}
				if used {
					pictures++
				}
				if w.coin() {
					w.anyUE(9)
				}
			}
		}
		if s.mvp {
			mvp = w.coin()
		}
	}
	chroma := s.format != 0 && !s.separate
	luma, chromaSAO := false, false
	if s.sao {
		luma = w.coin()
		if chroma {
			chromaSAO = w.coin()
		}
	}
	if kind != 2 {
		refs := s.refs
		lists := refs[:1]
		if kind == 0 {
			lists = refs[:]
		}
		if w.coin() {
			for i := range lists {
				lists[i] = w.anyUE(14)
			}
		}
		if s.listsModification && pictures > 1 {
			for _, n := range lists {
				if w.coin() {
					for range n + 1 {
						w.anyU(bits.Len(uint(pictures - 1)))
					}
				}
			}
		}
		if kind == 0 {
			w.coin()
		}
		if s.cabacInit {
			w.coin()
		}
		if mvp {
			n := refs[0]
			if kind == 0 && !w.coin() {
				n = refs[1]
			}
			if n > 0 {
				w.anyUE(n)
			}
		}
		if s.weighted && kind == 1 || s.bipred && kind == 0 {
			w.anyUE(7)
			if chroma {
				w.anySE(7)
			}
			for _, n := range lists {
				lumas, chromas := make([]bool, n+1), make([]bool, n+1)
				for i := range lumas {
					lumas[i] = w.coin()
				}
				if chroma {
					for i := range chromas {
						chromas[i] = w.coin()
					}
				}
				for i := range lumas {
					if lumas[i] {
						w.anySE(127)
						w.anySE(127)
					}
					if chromas[i] {
						for range 4 {
							w.anySE(127)
						}
					}
				}
			}
		}
		w.anyUE(4)
	}
	w.anySE(20)
	if s.chromaQP {
		w.anySE(12)
		w.anySE(12)
	}
	if s.chromaList {
		w.coin()
	}
	disabled := s.disabled
	if s.override && w.coin() {
		if disabled = w.coin(); !disabled {
			w.anySE(6)
			w.anySE(6)
		}
	}
	if s.across && (luma || chromaSAO || !disabled) {
		w.coin()
	}
}

// TestHEVCSyntax is TestAVCSyntax for HEVC.
func TestHEVCSyntax(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(3, 4))
	compared, total := 0, 0
	for range 3000 {
		syntax, sps, pps := writeHEVCParameters(r)
		var p hevcParser
		if err := p.parameterSet(sps); err != nil {
			t.Fatalf("%+v: %x: %v", syntax, sps, err)
		}
		if err := p.parameterSet(pps); err != nil {
			t.Fatalf("%+v: %x: %v", syntax, pps, err)
		}
		for i, set := range p.sps[1].shortTerm {
			var got []int
			for _, d := range set.delta[:set.count] {
				got = append(got, int(d))
			}
			if !slices.Equal(got, syntax.sets[i]) || set.used != syntax.used[i] {
				t.Fatalf("set %d: %v, %d used; want %v, %d used", i, got, set.used, syntax.sets[i], syntax.used[i])
			}
		}
		other := peer{hevcSPS: map[uint32]*hevc.SPS{}, hevcPPS: map[uint32]*hevc.PPS{}}
		if otherSPS, err := hevc.ParseSPSNALUnit(sps); err == nil {
			other.hevcSPS[1] = otherSPS
			if otherPPS, err := hevc.ParsePPSNALUnit(pps, other.hevcSPS); err == nil {
				other.hevcPPS[2] = otherPPS
			}
		}
		for range 5 {
			nal, want := syntax.writeSlice(r)
			got, err := p.sliceHeader(nal)
			if err != nil || got != want {
				t.Fatalf("%+v:\nsps %x\npps %x\nnal %x\nhead of %d bytes, %v; want %d", syntax, sps, pps, nal, got, err, want)
			}
			if _, err := p.sliceHeader(nal[:r.IntN(want)]); err == nil {
				t.Fatalf("%x was read when cut", nal)
			}
			total++
			if h, err := hevc.ParseSliceHeader(nal, other.hevcSPS, other.hevcPPS); err == nil && int(h.Size) == want {
				compared++
			}
		}
	}
	t.Logf("mp4ff agrees on %d of %d headers", compared, total)
	if compared < 5000 {
		t.Errorf("mp4ff agrees on %d headers only", compared)
	}
}

// TestOutOfRange states values that specifications do not allow.
func TestOutOfRange(t *testing.T) {
	t.Parallel()
	sets := make([]hevcRPS, 5)
	sets[0].count = maxDeltaPOCs
	for i := range sets[0].delta {
		sets[0].delta[i] = int32(i + 2)
	}
	for _, tt := range []struct {
		name  string
		read  func(*bitReader)
		write func(*bitWriter)
	}{
		{"a value above its limit", func(r *bitReader) { r.upTo(4) }, func(w *bitWriter) { w.ue(5) }},
		{"a code of more than 32 bits", func(r *bitReader) { r.ue() }, func(w *bitWriter) { w.u(32, 0) }},
		{"a set that is not there", func(r *bitReader) { readReferences(r, &hevcSPS{shortTerm: sets}) }, func(w *bitWriter) { w.u(4, 0b1101) }},
		{
			"a long-term picture that is not there", func(r *bitReader) {
				readReferences(r, &hevcSPS{shortTerm: sets[:1], longTerm: true, longTermUsed: make([]bool, 3)})
			},
			func(w *bitWriter) {
				w.u(1, 1)
				w.ue(1)
				w.ue(0)
				w.u(2, 3)
			},
		},
		{
			"a predicted set of 17", func(r *bitReader) { readRPS(r, sets, 1) },
			func(w *bitWriter) {
				w.u(2, 0b10) // predicted, delta_rps_sign
				w.ue(0)
				w.u(17, 1<<17-1)
			},
		},
	} {
		w := &bitWriter{}
		tt.write(w)
		r := bitReader{data: append(w.b, make([]byte, 8)...)}
		tt.read(&r)
		if r.err() == nil {
			t.Errorf("%s was read", tt.name)
		}
	}
	// A picture parameter set with all flags 0 but pps_extension_present_flag and pps_scc_extension_flag.
	w := &bitWriter{}
	w.u(16, 0x4401)
	for range 2 {
		w.ue(0)
	}
	w.u(7, 0)
	for range 3 {
		w.ue(0)
	}
	w.u(3, 0)
	for range 2 {
		w.ue(0)
	}
	w.u(10, 0)
	w.ue(0)
	w.u(6, 0b010001)
	w.u(4, 0)
	var p hevcParser
	if err := p.parameterSet(w.trail()); !errors.Is(err, errHEVCContent) {
		t.Errorf("screen content: %v", err)
	}
	if err := (&avcParser{}).parameterSet([]byte{9, 0xf0}); err != nil {
		t.Errorf("what is no parameter set: %v", err)
	}
}

func FuzzAppend(f *testing.F) {
	tracks := []media.Track{
		testAVC,
		{Kind: media.Video, Codec: media.HEVC},
		{Kind: media.Video, Codec: media.AV1},
		testSound,
	}
	f.Add(0, nals(testSPS, testPPS, testSlice))
	r := rand.New(rand.NewPCG(5, 6))
	for range 10 {
		hevc, sps, pps := writeHEVCParameters(r)
		slice, _ := hevc.writeSlice(r)
		f.Add(1, nals(sps, pps, slice))
		avc, sps, pps := writeAVCParameters(r)
		slice, _ = avc.writeSlice(r)
		f.Add(0, nals(sps, pps, slice))
	}
	f.Add(2, []byte{0x0a, 0x0b, 0, 0, 0, 0x24, 0xcf, 0x7f, 0x0d, 0xbf, 0xff, 0x30, 0x08, 0x32, 0x04, 0x10, 0, 0, 0})
	f.Fuzz(func(t *testing.T, codec int, sample []byte) {
		if codec < 0 || codec >= len(tracks) {
			return
		}
		for _, scheme := range []Scheme{CENC, CBCS} {
			e := newEncryptor(t, &tracks[codec], scheme)
			for n := range 2 { // the second finds what the first left behind
				out, err := e.Append([]byte("head"), sample)
				if err != nil {
					if string(out) != "head" {
						t.Fatalf("an error left %q", out)
					}
					return
				}
				check(t, e, n, sample, out[4:])
				if got := decrypt(t, e, n, out[4:]); !bytes.Equal(got, sample) {
					t.Fatalf("%x decrypts to %x", sample, got)
				}
			}
		}
	})
}
