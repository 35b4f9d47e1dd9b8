package cenc

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
)

// av1Stream writes sequence headers and frames with all that the syntax has.
type av1Stream struct {
	rand     *rand.Rand
	sequence av1Sequence
	refs     [av1Refs]av1Reference
	last     av1Frame // that was written
}

// writeSequence writes a sequence header and keeps what it said.
func (g *av1Stream) writeSequence() []byte {
	w := &bitWriter{rand: g.rand}
	s := av1Sequence{operations: 1}
	profile := uint32(g.rand.IntN(3))
	w.u(3, profile)
	w.u(1, 0)
	w.u(1, 0)
	delay := 0
	if w.coin() {
		w.u(32, 1)
		w.u(32, 25)
		if s.equalInterval = w.coin(); s.equalInterval {
			w.anyUE(3)
		}
		if s.decoderModel = w.coin(); s.decoderModel {
			delay = 1 + int(w.anyU(5))
			w.u(32, 1)
			s.removalTimeBits = 1 + int(w.anyU(5))
			s.presentationBits = 1 + int(w.anyU(5))
		}
	}
	initial := w.coin()
	s.operations = 1 + g.rand.IntN(3)
	w.u(5, uint32(s.operations-1))
	for i := range s.operations {
		if i > 0 { // ffmpeg leaves out what the first does not have
			s.operationIDC[i] = []uint32{0, 0x101, 0x102, 0x202}[g.rand.IntN(4)]
		}
		w.u(12, s.operationIDC[i])
		if w.anyU(4)<<1 > 7 { // a level whose last bit is 0
			w.u(1, 0)
			w.coin()
		} else {
			w.u(1, 0)
		}
		if s.decoderModel {
			if s.operationModel[i] = w.coin(); s.operationModel[i] {
				for range 2 {
					w.anyU(delay)
				}
				w.coin()
			}
		}
		if initial && w.coin() {
			w.anyU(4)
		}
	}
	s.widthBits, s.heightBits = 13, 12
	w.u(4, 12)
	w.u(4, 11)
	s.width, s.height = 16+g.rand.IntN(1<<(6+g.rand.IntN(7))), 16+g.rand.IntN(1<<(6+g.rand.IntN(6)))
	w.u(13, uint32(s.width-1))
	w.u(12, uint32(s.height-1))
	if s.frameIDs = w.coin(); s.frameIDs {
		s.deltaFrameIDBits = 2 + int(w.anyU(3))
		w.b, w.n = rewind(w, 3) // delta_frame_id_length_minus_2 has four bits
		w.u(4, uint32(s.deltaFrameIDBits-2))
		s.frameIDBits = s.deltaFrameIDBits + 1 + int(w.anyU(2))
		w.b, w.n = rewind(w, 2)
		w.u(3, uint32(s.frameIDBits-s.deltaFrameIDBits-1))
	}
	s.superblock128 = w.coin()
	w.anyFlags(4)
	s.warpedMotion = w.coin()
	w.coin()
	if s.orderHint = w.coin(); s.orderHint {
		w.coin()
		s.refFrameMVs = w.coin()
	}
	s.forceScreenContent, s.forceIntegerMV = av1Select, av1Select
	if !w.coin() {
		s.forceScreenContent = uint32(g.rand.IntN(2))
		w.u(1, s.forceScreenContent)
	}
	if s.forceScreenContent > 0 && !w.coin() {
		s.forceIntegerMV = uint32(g.rand.IntN(2))
		w.u(1, s.forceIntegerMV)
	}
	if s.orderHint {
		s.orderHintBits = 6 + g.rand.IntN(3)
		w.u(3, uint32(s.orderHintBits-1))
	}
	s.superres = w.coin()
	s.cdef = w.coin()
	s.restoration = w.coin()
	high := w.coin()
	twelve := profile == 2 && high && w.coin()
	if profile != 1 {
		s.mono = w.coin()
	}
	srgb := false
	if w.coin() {
		if srgb = !s.mono && profile == 1 && g.rand.IntN(2) == 0; srgb {
			w.u(24, 0x010d00)
		} else {
			w.u(24, 0x091009)
		}
	}
	switch {
	case s.mono:
		w.coin()
		s.subX, s.subY = true, true
	default:
		if !srgb {
			w.coin()
			switch {
			case profile == 0:
				s.subX, s.subY = true, true
			case profile == 2 && twelve:
				if s.subX = w.coin(); s.subX {
					s.subY = w.coin()
				}
			case profile == 2:
				s.subX = true
			}
			if s.subX && s.subY {
				w.u(2, uint32(g.rand.IntN(3)))
			}
		}
		s.separateUV = w.coin()
	}
	s.filmGrain = w.coin()
	g.sequence = s
	w.u(1, 1)
	return obu(obuSequenceHeader, 0, 0, w.b)
}

// rewind takes back the last n bits.
func rewind(w *bitWriter, n int) ([]byte, int) {
	at := w.n - n
	b := w.b[:(at+7)/8]
	if at%8 != 0 {
		b[at/8] &= 0xff << (8 - at%8)
	}
	return b, at
}

func obu(kind, temporal, spatial byte, payload []byte) []byte {
	b := []byte{kind<<3 | 6, temporal<<5 | spatial<<3}
	return append(binary.AppendUvarint(b, uint64(len(payload))), payload...)
}

// writeFrame writes a frame OBU and returns it with its tiles, as places in it.
func (g *av1Stream) writeFrame(first bool) ([]byte, []span) {
	r, s := g.rand, &g.sequence
	w := &bitWriter{rand: r}
	temporal, spatial := byte(r.IntN(2)), byte(r.IntN(2))
	var f av1Frame
	w.u(1, 0)
	f.kind = uint32(r.IntN(4))
	if first {
		f.kind = av1Key
	}
	w.u(2, f.kind)
	f.show = w.flag(first || r.IntN(2) == 0)
	if f.show && s.decoderModel && !s.equalInterval {
		w.anyU(s.presentationBits)
	}
	f.showable = f.show && f.kind != av1Key
	if !f.show {
		f.showable = w.coin()
	}
	f.resilient = f.kind == av1Switch || f.kind == av1Key && f.show
	if !f.resilient {
		f.resilient = w.coin()
	}
	f.intra = f.kind == av1Key || f.kind == av1IntraOnly
	noCDFUpdate := w.coin()
	f.screenContent = s.forceScreenContent == 1
	if s.forceScreenContent == av1Select {
		f.screenContent = w.coin()
	}
	integer := false
	if f.screenContent {
		integer = s.forceIntegerMV == 1
		if s.forceIntegerMV == av1Select {
			integer = w.coin()
		}
	}
	w.anyU(s.frameIDBits)
	override := f.kind == av1Switch
	if !override {
		override = w.coin()
	}
	if f.orderHint = uint32(r.IntN(16)); !s.orderHint {
		f.orderHint = 0
	}
	w.u(s.orderHintBits, f.orderHint)
	primary := av1NoPrimary
	if !f.intra && !f.resilient {
		primary = r.IntN(8)
		w.u(3, uint32(primary))
	}
	if s.decoderModel && w.coin() {
		for i := range s.operations {
			idc := s.operationIDC[i]
			if s.operationModel[i] && (idc == 0 || idc>>temporal&1 == 1 && idc>>(spatial+8)&1 == 1) {
				w.anyU(s.removalTimeBits)
			}
		}
	}
	refresh := uint32(255)
	if f.kind != av1Switch && (f.kind != av1Key || !f.show) {
		refresh = uint32(r.IntN(255)) // an intra-only frame must not refresh all
		w.u(8, refresh)
	}
	if (!f.intra || refresh != 255) && f.resilient && s.orderHint {
		for i := range g.refs {
			w.u(s.orderHintBits, g.refs[i].orderHint)
		}
	}
	size := func() {
		f.upscaledWidth, f.height = s.width, s.height
		if override {
			f.upscaledWidth, f.height = 1+r.IntN(s.width), 1+r.IntN(s.height)
			w.u(s.widthBits, uint32(f.upscaledWidth-1))
			w.u(s.heightBits, uint32(f.height-1))
		}
	}
	superres := func() {
		f.width = f.upscaledWidth
		if s.superres && w.coin() {
			d := 9 + int(w.anyU(3))
			f.width = (f.upscaledWidth*8 + d/2) / d
		}
	}
	render := func() {
		if w.coin() {
			w.anyU(16)
			w.anyU(16)
		}
	}
	if f.intra {
		size()
		superres()
		render()
		if f.screenContent && f.width == f.upscaledWidth {
			f.intraBC = w.coin()
		}
	}
	high := false
	if !f.intra {
		short := s.orderHint && w.coin()
		if short {
			last, gold := w.anyU(3), w.anyU(3)
			p := av1Parser{sequence: s, refs: g.refs, frame: f} // ffmpeg judges this
			p.setFrameRefs(int(last), int(gold))
			f.refs = p.frame.refs
		}
		for i := range f.refs {
			if !short {
				f.refs[i] = int(w.anyU(3))
			}
			w.anyU(s.deltaFrameIDBits)
		}
		found := false
		if override && !f.resilient {
			for _, i := range f.refs {
				if found = w.coin(); found {
					f.upscaledWidth, f.height = g.refs[i].upscaledWidth, g.refs[i].height
					break
				}
			}
		}
		if !found {
			size()
		}
		superres()
		if !found {
			render()
		}
		if !integer {
			high = w.coin()
		}
		if !w.coin() {
			w.anyU(2)
		}
		w.coin()
		if !f.resilient && s.refFrameMVs {
			w.coin()
		}
	}
	if !noCDFUpdate {
		w.coin()
	}
	if primary != av1NoPrimary {
		f.segmentation = g.refs[f.refs[primary]].segmentation
	}
	columns, rows := g.writeTiles(w, &f)
	g.writeQuantizers(w, &f, primary)
	g.writeFilters(w, &f)
	if !f.lossless {
		w.coin()
	}
	if !f.intra && w.coin() && s.orderHint {
		before, behind := map[uint32]bool{}, false
		for _, i := range f.refs {
			if hint := g.refs[i].orderHint; hint < f.orderHint {
				before[hint] = true
			} else if hint > f.orderHint {
				behind = true
			}
		}
		if len(before) > 1 || len(before) == 1 && behind {
			w.coin()
		}
	}
	if !f.intra && !f.resilient && s.warpedMotion {
		w.coin()
	}
	w.coin()
	if !f.intra {
		for range av1RefsPerFrame {
			if !w.flag(r.IntN(4) == 0) {
				continue
			}
			n, size := 4, 12
			if !w.coin() {
				if n = 6; w.coin() {
					n, size = 2, 8
					if high {
						size = 9
					}
				}
			}
			for range n {
				writeParameter(w, size)
			}
		}
	}
	g.writeGrain(w, &f)
	for w.n%8 != 0 {
		w.u(1, 0)
	}
	if columns*rows > 1 {
		w.u(8, 0) // tile_start_and_end_present_flag
	}
	payload := w.b
	var tiles []span
	for i := range columns * rows {
		size := 1 + r.IntN(40)
		if i < columns*rows-1 {
			for b := range f.tileSizeBytes {
				payload = append(payload, byte((size-1)>>(8*b)))
			}
		}
		tiles = append(tiles, span{len(payload), len(payload) + size})
		for range size {
			payload = append(payload, byte(r.Uint32()))
		}
	}
	f.valid = true
	g.last = f
	for i := range g.refs {
		if refresh>>i&1 == 1 {
			g.refs[i] = f.av1Reference
		}
	}
	b := obu(obuFrame, temporal, spatial, payload)
	for i := range tiles {
		tiles[i].start += len(b) - len(payload)
		tiles[i].end += len(b) - len(payload)
	}
	return b, tiles
}

// writeShow writes a frame header that shows a frame from before.
func (g *av1Stream) writeShow() []byte {
	w := &bitWriter{rand: g.rand}
	w.u(1, 1)
	shown := g.refs[w.anyU(3)]
	if g.sequence.decoderModel && !g.sequence.equalInterval {
		w.anyU(g.sequence.presentationBits)
	}
	w.anyU(g.sequence.frameIDBits)
	w.u(1, 1)
	if shown.kind == av1Key {
		for i := range g.refs {
			g.refs[i] = shown
		}
	}
	return obu(obuFrameHeader, 0, 0, w.b)
}

func (g *av1Stream) writeTiles(w *bitWriter, f *av1Frame) (columns, rows int) {
	side := 64
	if g.sequence.superblock128 {
		side = 128
	}
	across, down := ((f.width+7)/8*8+side-1)/side, ((f.height+7)/8*8+side-1)/side
	most := 4096 / side
	log := func(n int) int { // Ceil(Log2(n))
		k := 0
		for 1<<k < n {
			k++
		}
		return k
	}
	leastColumns := 0
	for most<<leastColumns < across {
		leastColumns++
	}
	least := leastColumns
	for (4096*2304/side/side)<<least < across*down {
		least++
	}
	var columnsLog, rowsLog int
	if w.coin() {
		for columnsLog = leastColumns; columnsLog < log(min(across, 64)) && w.flag(w.rand.IntN(3) > 0); columnsLog++ {
		}
		for rowsLog = max(least-columnsLog, 0); rowsLog < log(min(down, 64)) && w.flag(w.rand.IntN(3) == 0); rowsLog++ {
		}
		width, height := (across+1<<columnsLog-1)>>columnsLog, (down+1<<rowsLog-1)>>rowsLog
		columns, rows = (across+width-1)/width, (down+height-1)/height
	} else {
		widest := 0
		for at := 0; at < across; columns++ {
			n := 1 + writeNS(w, min(across-at, most))
			widest = max(widest, n)
			at += n
		}
		area := across * down
		if least > 0 {
			area >>= least + 1
		}
		for at := 0; at < down; rows++ {
			at += 1 + writeNS(w, min(down-at, max(area/widest, 1)))
		}
		columnsLog, rowsLog = log(columns), log(rows)
	}
	if columnsLog+rowsLog > 0 {
		w.u(columnsLog+rowsLog, 0)
		f.tileSizeBytes = 1 + w.rand.IntN(4)
		w.u(2, uint32(f.tileSizeBytes-1))
	}
	return columns, rows
}

// writeNS writes one of n values, 4.10.7, and returns it.
func writeNS(w *bitWriter, n int) int {
	v := w.rand.IntN(n)
	k := 0
	for 1<<(k+1) <= n {
		k++
	}
	if m := 1<<(k+1) - n; v < m {
		w.u(k, uint32(v))
	} else {
		w.u(k+1, uint32(v+m))
	}
	return v
}

func (g *av1Stream) writeQuantizers(w *bitWriter, f *av1Frame, primary int) {
	s, r := &g.sequence, g.rand
	base := 0
	if r.IntN(3) > 0 {
		base = r.IntN(256)
	}
	w.u(8, uint32(base))
	all := true
	delta := func() {
		if w.flag(r.IntN(4) == 0) && w.anyU(7) != 0 {
			all = false
		}
	}
	delta()
	if !s.mono {
		different := s.separateUV && w.coin()
		delta()
		delta()
		if different {
			delta()
			delta()
		}
	}
	if w.coin() {
		w.anyU(8)
		if s.separateUV {
			w.anyU(4)
		}
	}
	quantizers := [av1Segments]int{}
	for i := range quantizers {
		quantizers[i] = base
	}
	if w.coin() {
		update := true
		if primary != av1NoPrimary {
			if w.coin() {
				w.coin()
			}
			update = w.coin()
		}
		if update {
			f.segmentation = av1Segmentation{}
			for i := range av1Segments {
				for j, n := range []int{9, 7, 7, 7, 7, 3, 0, 0} {
					if !w.flag(r.IntN(3) == 0) {
						continue
					}
					if j > 0 {
						w.anyU(n)
						continue
					}
					v := r.IntN(511) - 255
					w.u(n, uint32(v)&0x1ff)
					f.segmentation.enabled[i], f.segmentation.data[i] = true, int32(v)
				}
			}
		}
		for i := range quantizers {
			if f.segmentation.enabled[i] {
				quantizers[i] = max(0, min(255, base+int(f.segmentation.data[i])))
			}
		}
	} else {
		f.segmentation = av1Segmentation{}
	}
	if base > 0 && w.coin() {
		w.anyU(2)
		if !f.intraBC && w.coin() {
			w.anyU(3)
		}
	}
	f.lossless = all && quantizers == [av1Segments]int{}
}

func (g *av1Stream) writeFilters(w *bitWriter, f *av1Frame) {
	s, r := &g.sequence, g.rand
	if !f.lossless && !f.intraBC {
		first, second := 0, 0
		if r.IntN(2) == 0 {
			first, second = r.IntN(64), r.IntN(64)
		}
		w.u(6, uint32(first))
		w.u(6, uint32(second))
		if !s.mono && first+second > 0 {
			w.anyU(12)
		}
		w.anyU(3)
		if enabled := w.coin(); enabled && w.coin() {
			for range 10 {
				if w.coin() {
					w.anyU(7)
				}
			}
		}
		if s.cdef {
			w.anyU(2)
			for range 1 << w.anyU(2) {
				w.anyU(6)
				if !s.mono {
					w.anyU(6)
				}
			}
		}
	}
	if f.intraBC || !s.restoration || f.lossless && f.width == f.upscaledWidth {
		return
	}
	luma, chroma := w.anyU(2) != 0, false
	if !s.mono {
		chroma = w.anyU(2) != 0
		chroma = w.anyU(2) != 0 || chroma
	}
	if luma || chroma {
		if shift := w.coin(); !s.superblock128 && shift {
			w.coin()
		}
		if s.subX && s.subY && chroma {
			w.coin()
		}
	}
}

// writeParameter writes a global motion parameter of so many bits, 5.9.28.
func writeParameter(w *bitWriter, size int) {
	symbols := 2*(1<<size) + 1
	start, k := 0, 3
	for i := 0; ; i++ {
		if i > 1 {
			k++
		}
		if symbols <= start+3*(1<<k) {
			writeNS(w, symbols-start)
			return
		}
		if !w.flag(w.rand.IntN(5) > 0) {
			w.anyU(k)
			return
		}
		start += 1 << k
	}
}

func (g *av1Stream) writeGrain(w *bitWriter, f *av1Frame) {
	s, r := &g.sequence, g.rand
	if !s.filmGrain || !f.show && !f.showable || !w.coin() {
		return
	}
	w.anyU(16)
	if f.kind == av1Inter && !w.coin() {
		w.u(3, uint32(f.refs[r.IntN(7)]))
		return
	}
	points := func(n int) int {
		n = r.IntN(n + 1)
		w.u(4, uint32(n))
		for i := range n {
			w.u(8, uint32(10*i+r.IntN(9))) // values rise
			w.anyU(8)
		}
		return n
	}
	luma := points(14)
	fromLuma := !s.mono && w.coin()
	cb, cr := 0, 0
	if !s.mono && !fromLuma && !(s.subX && s.subY && luma == 0) {
		cb = points(10)
		cr = points(10)
		if s.subX && s.subY { // both or none
			for (cb == 0) != (cr == 0) {
				w.b, w.n = rewind(w, 4+16*cr)
				cr = points(10)
			}
		}
	}
	w.anyU(2)
	lag := int(w.anyU(2))
	n := 2 * lag * (lag + 1)
	m := n
	if luma > 0 {
		m++
		for range n {
			w.anyU(8)
		}
	}
	for _, has := range []bool{fromLuma || cb > 0, fromLuma || cr > 0} {
		if has {
			for range m {
				w.anyU(8)
			}
		}
	}
	w.anyU(4)
	for _, has := range []bool{cb > 0, cr > 0} {
		if has {
			w.anyU(8)
			w.anyU(8)
			w.anyU(9)
		}
	}
	w.anyU(2)
}

// TestAV1Syntax is TestAVCSyntax for AV1; ffmpeg, which has its own reading of the specification, judges a part of the frames.
func TestAV1Syntax(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(7, 8))
	judged := 0
	for stream := range 400 {
		g := &av1Stream{rand: r}
		sequence := g.writeSequence()
		var p av1Parser
		var units [][]byte
		var found [][]span
		for n := range 12 {
			frame, want := g.writeFrame(n == 0)
			unit := frame
			if stream%20 != 0 && r.IntN(4) == 0 { // ffmpeg shows only what may be shown
				unit = append(unit, g.writeShow()...)
			}
			if n == 0 {
				unit = append(sequence, unit...)
				for i := range want {
					want[i].start += len(sequence)
					want[i].end += len(sequence)
				}
			}
			got, err := p.tiles(nil, unit)
			if n == 0 && err == nil && *p.sequence != g.sequence {
				t.Fatalf("stream %d: sequence header %x\nread %+v\nwant %+v", stream, sequence, *p.sequence, g.sequence)
			}
			if err != nil || fmt.Sprint(got) != fmt.Sprint(want) {
				t.Fatalf("stream %d, frame %d: %x\ntiles %v, %v\n want %v\n%+v", stream, n, unit, got, err, want, g.sequence)
			}
			units, found = append(units, unit), append(found, got)
		}
		if stream%20 == 0 {
			judged += judgeAV1(t, stream, &g.sequence, units, found)
		}
	}
	if judged < 150 {
		t.Errorf("ffmpeg judged %d frames only", judged)
	}
}

// judgeAV1 lets ffmpeg read a stream and returns how many frames it judged.
func judgeAV1(t *testing.T, stream int, s *av1Sequence, units [][]byte, found [][]span) int {
	t.Helper()
	needFFmpeg(t)
	ivf := binary.LittleEndian.AppendUint16([]byte("DKIF\x00\x00 \x00AV01"), uint16(s.width))
	ivf = binary.LittleEndian.AppendUint16(ivf, uint16(s.height))
	ivf = append(ivf, 25, 0, 0, 0, 1, 0, 0, 0, byte(len(units)), 0, 0, 0, 0, 0, 0, 0)
	for n, u := range units {
		u = append([]byte{0x12, 0}, u...) // a temporal delimiter
		ivf = binary.LittleEndian.AppendUint32(ivf, uint32(len(u)))
		ivf = binary.LittleEndian.AppendUint64(ivf, uint64(n))
		ivf = append(ivf, u...)
	}
	path := filepath.Join(t.TempDir(), "stream.ivf")
	if err := os.WriteFile(path, ivf, 0o600); err != nil {
		t.Fatal(err)
	}
	judged := 0
	for _, u := range trace(t, path) {
		if u.sample >= len(found) {
			t.Fatalf("stream %d: ffmpeg finds %d samples", stream, u.sample)
		}
		tiles := found[u.sample]
		want := u.offset - 2 + u.head
		if len(tiles) > 1 {
			want += u.sizeBytes
		}
		if tiles[0].start != want {
			t.Fatalf("stream %d, frame %d: the first tile is at %d, ffmpeg finds it at %d\n%x", stream, u.sample, tiles[0].start, want, units[u.sample])
		}
		judged++
	}
	return judged
}
