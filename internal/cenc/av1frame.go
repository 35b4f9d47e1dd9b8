package cenc

import (
	"errors"
	"fmt"
)

// frameHeader reads frame_header_obu, 5.9, and returns how many bytes it takes with byte_alignment.
func (p *av1Parser) frameHeader(payload []byte, temporal, spatial uint32) (int, error) {
	s := p.sequence
	if s == nil {
		return 0, errors.New("a frame without a sequence header")
	}
	r := bitReader{data: payload}
	if !s.reduced && r.flag() { // show_existing_frame
		shown := p.refs[r.u(3)]
		if s.decoderModel && !s.equalInterval {
			r.skip(s.presentationBits)
		}
		r.skip(s.frameIDBits)
		if r.failed || !shown.valid {
			return 0, fmt.Errorf("frame header: %w", errSyntax)
		}
		if shown.kind == av1Key {
			p.update(1<<av1Refs-1, shown)
		}
		return r.next, nil
	}
	p.frame = av1Frame{}
	p.readFrame(&r, temporal, spatial)
	if err := r.err(); err != nil {
		return 0, fmt.Errorf("frame header: %w", err)
	}
	p.seen, p.tile = true, 0
	return r.next, nil
}

// readFrame reads uncompressed_header, 5.9.2, behind show_existing_frame.
func (p *av1Parser) readFrame(r *bitReader, temporal, spatial uint32) {
	s, f := p.sequence, &p.frame
	f.kind, f.show = av1Key, true
	if s.reduced {
		f.resilient = true
	} else {
		f.kind = r.u(2)
		f.show = r.flag()
		if f.show && s.decoderModel && !s.equalInterval {
			r.skip(s.presentationBits)
		}
		f.showable = f.show && f.kind != av1Key || !f.show && r.flag()
		f.resilient = f.kind == av1Switch || f.kind == av1Key && f.show || r.flag()
	}
	f.intra = f.kind == av1Key || f.kind == av1IntraOnly
	if f.kind == av1Key && f.show {
		for i := range p.refs {
			p.refs[i].valid, p.refs[i].orderHint = false, 0
		}
	}
	noCDFUpdate := r.flag()
	f.screenContent = s.forceScreenContent == 1
	if s.forceScreenContent == av1Select {
		f.screenContent = r.flag()
	}
	integerMV := false
	if f.screenContent {
		integerMV = s.forceIntegerMV == 1
		if s.forceIntegerMV == av1Select {
			integerMV = r.flag()
		}
	}
	r.skip(s.frameIDBits)
	sizeOverride := f.kind == av1Switch
	if !sizeOverride && !s.reduced {
		sizeOverride = r.flag()
	}
	f.orderHint = r.u(s.orderHintBits)
	f.primary = av1NoPrimary
	if !f.intra && !f.resilient {
		f.primary = int(r.u(3))
	}
	if s.decoderModel && r.flag() { // buffer_removal_time_present_flag
		for i := range s.operations {
			idc := s.operationIDC[i]
			if s.operationModel[i] && (idc == 0 || idc>>temporal&1 == 1 && idc>>(spatial+8)&1 == 1) {
				r.skip(s.removalTimeBits)
			}
		}
	}
	f.refresh = 1<<av1Refs - 1
	if f.kind != av1Switch && (f.kind != av1Key || !f.show) {
		f.refresh = r.u(av1Refs)
	}
	if (!f.intra || f.refresh != 1<<av1Refs-1) && f.resilient && s.orderHint {
		for i := range p.refs {
			if hint := r.u(s.orderHintBits); hint != p.refs[i].orderHint || !p.refs[i].valid {
				p.refs[i] = av1Reference{orderHint: hint}
			}
		}
	}
	highPrecisionMV := false
	if f.intra {
		p.readSize(r, sizeOverride)
		skipRenderSize(r)
		if f.screenContent && f.upscaledWidth == f.width {
			f.intraBC = r.flag()
		}
	} else {
		highPrecisionMV = p.readInter(r, sizeOverride, integerMV)
	}
	if !s.reduced && !noCDFUpdate {
		r.skip(1) // disable_frame_end_update_cdf
	}
	if f.primary != av1NoPrimary { // load_previous
		f.segmentation = p.refs[f.refs[f.primary]].segmentation
	}
	p.readTileInfo(r)
	p.readQuantization(r)
	p.readSegmentation(r)
	deltaQPresent := f.baseQ > 0 && r.flag()
	if deltaQPresent {
		r.skip(2)
		if !f.intraBC && r.flag() { // delta_lf_present
			r.skip(3)
		}
	}
	f.lossless = f.isLossless()
	p.skipFilters(r)
	if !f.lossless {
		r.skip(1) // tx_mode_select
	}
	if !f.intra && r.flag() && p.skipModeAllowed() { // reference_select
		r.skip(1)
	}
	if !f.intra && !f.resilient && s.warpedMotion {
		r.skip(1)
	}
	r.skip(1) // reduced_tx_set
	if !f.intra {
		skipGlobalMotion(r, highPrecisionMV)
	}
	p.skipFilmGrain(r)
}

// readSize reads frame_size and superres_params, 5.9.5 and 5.9.8.
func (p *av1Parser) readSize(r *bitReader, override bool) {
	s, f := p.sequence, &p.frame
	f.upscaledWidth, f.height = s.width, s.height
	if override {
		f.upscaledWidth = int(r.u(s.widthBits)) + 1
		f.height = int(r.u(s.heightBits)) + 1
	}
	p.readSuperres(r)
}

func (p *av1Parser) readSuperres(r *bitReader) {
	f := &p.frame
	f.width = f.upscaledWidth
	if p.sequence.superres && r.flag() {
		denominator := int(r.u(3)) + 9
		f.width = (f.upscaledWidth*8 + denominator/2) / denominator
	}
}

func skipRenderSize(r *bitReader) {
	if r.flag() {
		r.skip(32)
	}
}

// readInter reads what frames that refer to others have, and returns allow_high_precision_mv.
func (p *av1Parser) readInter(r *bitReader, sizeOverride, integerMV bool) bool {
	s, f := p.sequence, &p.frame
	short := s.orderHint && r.flag() // frame_refs_short_signaling
	if short {
		last, gold := int(r.u(3)), int(r.u(3))
		p.setFrameRefs(last, gold)
	}
	for i := range f.refs {
		if !short {
			f.refs[i] = int(r.u(3))
		}
		r.skip(s.deltaFrameIDBits)
		r.require(p.refs[f.refs[i]].valid)
	}
	if sizeOverride && !f.resilient {
		found := false
		for _, i := range f.refs {
			if found = r.flag(); found {
				f.upscaledWidth, f.height = p.refs[i].upscaledWidth, p.refs[i].height
				p.readSuperres(r)
				break
			}
		}
		if !found {
			p.readSize(r, true)
			skipRenderSize(r)
		}
	} else {
		p.readSize(r, sizeOverride)
		skipRenderSize(r)
	}
	highPrecisionMV := !integerMV && r.flag()
	if !r.flag() { // is_filter_switchable
		r.skip(2)
	}
	r.skip(1) // is_motion_mode_switchable
	if !f.resilient && s.refFrameMVs {
		r.skip(1)
	}
	return highPrecisionMV
}

// relative is get_relative_dist, 5.9.3.
func (s *av1Sequence) relative(a, b uint32) int {
	if !s.orderHint {
		return 0
	}
	diff := int(a) - int(b)
	m := 1 << (s.orderHintBits - 1)
	return diff&(m-1) - diff&m
}

// setFrameRefs is the set frame refs process, 7.8. Distances to the current frame stand for the shifted order hints.
func (p *av1Parser) setFrameRefs(last, gold int) {
	const lastRef, last2, last3, goldRef, backward, alternate2, alternate = 0, 1, 2, 3, 4, 5, 6
	f := &p.frame
	var hints [av1Refs]int
	var used [av1Refs]bool
	for i := range hints {
		hints[i] = p.sequence.relative(p.refs[i].orderHint, f.orderHint)
	}
	for i := range f.refs {
		f.refs[i] = -1
	}
	f.refs[lastRef], f.refs[goldRef] = last, gold
	used[last], used[gold] = true, true
	// find returns the unused frame on one side of the current one that better prefers to all others.
	find := func(behind bool, better func(hint, best int) bool) int {
		best := -1
		for i, hint := range hints {
			if !used[i] && (hint >= 0) == behind && (best < 0 || better(hint, hints[best])) {
				best = i
			}
		}
		return best
	}
	latest := func(hint, best int) bool { return hint >= best }
	earliest := func(hint, best int) bool { return hint < best }
	set := func(ref, frame int) {
		if frame >= 0 {
			f.refs[ref] = frame
			used[frame] = true
		}
	}
	set(alternate, find(true, latest))
	set(backward, find(true, earliest))
	set(alternate2, find(true, earliest))
	for _, ref := range [...]int{last2, last3, backward, alternate2, alternate} {
		if f.refs[ref] < 0 {
			set(ref, find(false, latest))
		}
	}
	first := 0
	for i, hint := range hints {
		if hint < hints[first] {
			first = i
		}
	}
	for i := range f.refs {
		if f.refs[i] < 0 {
			f.refs[i] = first
		}
	}
}

// tileLog2 returns the smallest k with size<<k >= target, 5.9.16.
func tileLog2(size, target int) int {
	k := 0
	for size<<k < target {
		k++
	}
	return k
}

// ns reads a value of n possible ones, 4.10.7.
func (r *bitReader) ns(n int) int {
	w := log2(uint32(n) + 1) // FloorLog2(n) + 1
	m := 1<<w - n
	v := int(r.u(w - 1))
	if v < m {
		return v
	}
	return v<<1 - m + int(r.bit())
}

// readTileInfo reads tile_info, 5.9.15.
func (p *av1Parser) readTileInfo(r *bitReader) {
	s, f := p.sequence, &p.frame
	shift := 4
	if s.superblock128 {
		shift = 5
	}
	superblocks := func(side int) int { return (2*((side+7)>>3) + 1<<shift - 1) >> shift }
	columns, rows := superblocks(f.width), superblocks(f.height)
	size := shift + 2
	maxWidth := av1MaxTileWidth >> size
	minColumnsLog2 := tileLog2(maxWidth, columns)
	minLog2 := max(minColumnsLog2, tileLog2(av1MaxTileArea>>(2*size), rows*columns))
	var columnsLog2, rowsLog2 int
	if r.flag() { // uniform_tile_spacing_flag
		uniform := func(least, of int) (int, int) {
			n := least
			for n < tileLog2(1, min(of, av1MaxTiles)) && r.flag() {
				n++
			}
			each := (of + 1<<n - 1) >> n
			return n, (of + each - 1) / each
		}
		columnsLog2, f.columns = uniform(minColumnsLog2, columns)
		rowsLog2, f.rows = uniform(max(minLog2-columnsLog2, 0), rows)
	} else {
		widest := 0
		explicit := func(of, limit int) int {
			n := 0
			for start := 0; start < of && !r.failed; n++ {
				each := r.ns(min(of-start, limit)) + 1
				widest = max(widest, each)
				start += each
			}
			return n
		}
		f.columns = explicit(columns, maxWidth)
		area := rows * columns
		if minLog2 > 0 {
			area >>= minLog2 + 1
		}
		f.rows = explicit(rows, max(area/max(widest, 1), 1))
		columnsLog2, rowsLog2 = tileLog2(1, f.columns), tileLog2(1, f.rows)
	}
	r.require(f.columns <= av1MaxTiles && f.rows <= av1MaxTiles)
	f.tileBits = columnsLog2 + rowsLog2
	if f.tileBits > 0 {
		r.skip(f.tileBits)
		f.tileSizeBytes = int(r.u(2)) + 1
	}
}

// readQuantization reads quantization_params, 5.9.12.
func (p *av1Parser) readQuantization(r *bitReader) {
	s, f := p.sequence, &p.frame
	f.baseQ = int32(r.u(8))
	delta := func() {
		if r.flag() && r.u(7) != 0 {
			f.deltaQ = true
		}
	}
	delta()
	if !s.mono {
		different := s.separateUV && r.flag()
		delta()
		delta()
		if different {
			delta()
			delta()
		}
	}
	if r.flag() { // using_qmatrix
		r.skip(8)
		if s.separateUV {
			r.skip(4)
		}
	}
}

// readSegmentation reads segmentation_params, 5.9.14.
func (p *av1Parser) readSegmentation(r *bitReader) {
	f := &p.frame
	if f.segmented = r.flag(); !f.segmented {
		f.segmentation = av1Segmentation{}
		return
	}
	if f.primary != av1NoPrimary {
		if r.flag() { // segmentation_update_map
			r.skip(1)
		}
		if !r.flag() { // segmentation_update_data
			return
		}
	}
	bits := [av1SegFeatures]int{9, 7, 7, 7, 7, 3, 0, 0} // the sign counted
	for i := range av1Segments {
		for j, n := range bits {
			enabled := r.flag()
			value := int32(0)
			if enabled {
				value = int32(r.u(n))
			}
			if j == 0 {
				f.segmentation.enabled[i], f.segmentation.data[i] = enabled, value<<23>>23
			}
		}
	}
}

// isLossless computes CodedLossless of 5.9.2.
func (f *av1Frame) isLossless() bool {
	if f.deltaQ {
		return false
	}
	for i := range av1Segments {
		q := f.baseQ
		if f.segmented && f.segmentation.enabled[i] {
			q += f.segmentation.data[i]
		}
		if q > 0 {
			return false
		}
	}
	return true
}

// skipFilters reads loop_filter_params, cdef_params and lr_params, 5.9.11, 5.9.19 and 5.9.20.
func (p *av1Parser) skipFilters(r *bitReader) {
	s, f := p.sequence, &p.frame
	if f.intraBC || f.lossless && f.width == f.upscaledWidth {
		return
	}
	planes := 3
	if s.mono {
		planes = 1
	}
	if !f.lossless {
		first, second := r.u(6), r.u(6)
		if planes > 1 && (first != 0 || second != 0) {
			r.skip(12)
		}
		r.skip(3)
		if enabled := r.flag(); enabled && r.flag() { // loop_filter_delta_enabled, loop_filter_delta_update
			for range av1Refs + 2 {
				if r.flag() {
					r.skip(7)
				}
			}
		}
		if s.cdef {
			r.skip(2)
			strength := 6
			if planes > 1 {
				strength = 12
			}
			r.skip(strength << r.u(2))
		}
	}
	if !s.restoration {
		return
	}
	uses, usesChroma := false, false
	for plane := range planes {
		if r.u(2) != 0 {
			uses = true
			usesChroma = usesChroma || plane > 0
		}
	}
	if !uses {
		return
	}
	if r.flag() && !s.superblock128 { // lr_unit_shift
		r.skip(1)
	}
	if s.subX && s.subY && usesChroma {
		r.skip(1)
	}
}

// skipModeAllowed computes skipModeAllowed of 5.9.22 for a frame with reference_select.
func (p *av1Parser) skipModeAllowed() bool {
	s, f := p.sequence, &p.frame
	if !s.orderHint {
		return false
	}
	forward, backward := -1, -1
	var forwardHint, backwardHint uint32
	for i, ref := range f.refs {
		hint := p.refs[ref].orderHint
		switch d := s.relative(hint, f.orderHint); {
		case d < 0 && (forward < 0 || s.relative(hint, forwardHint) > 0):
			forward, forwardHint = i, hint
		case d > 0 && (backward < 0 || s.relative(hint, backwardHint) < 0):
			backward, backwardHint = i, hint
		}
	}
	if forward < 0 {
		return false
	}
	if backward >= 0 {
		return true
	}
	for _, ref := range f.refs {
		if s.relative(p.refs[ref].orderHint, forwardHint) < 0 {
			return true
		}
	}
	return false
}

// skipGlobalMotion reads global_motion_params, 5.9.24. How long a parameter is does not depend on the one of the frame before.
func skipGlobalMotion(r *bitReader, highPrecisionMV bool) {
	for range av1RefsPerFrame {
		if !r.flag() { // is_global
			continue
		}
		const alphaBits, translationBits = 12, 9
		switch {
		case r.flag(): // is_rot_zoom
			for range 4 {
				skipSubexp(r, alphaBits)
			}
		case r.flag(): // is_translation
			bits := translationBits
			if !highPrecisionMV {
				bits--
			}
			skipSubexp(r, bits)
			skipSubexp(r, bits)
		default: // affine
			for range 6 {
				skipSubexp(r, alphaBits)
			}
		}
	}
}

// skipSubexp reads decode_signed_subexp_with_ref of values of so many bits, 5.9.26 to 5.9.28.
func skipSubexp(r *bitReader, bits int) {
	const k = 3
	symbols := 2<<bits + 1
	start := 0
	for i := 0; !r.failed; i++ {
		n := k
		if i > 0 {
			n = k + i - 1
		}
		if symbols <= start+3<<n {
			r.ns(symbols - start)
			return
		}
		if !r.flag() { // subexp_more_bits
			r.skip(n)
			return
		}
		start += 1 << n
	}
}

// skipFilmGrain reads film_grain_params, 5.9.30.
func (p *av1Parser) skipFilmGrain(r *bitReader) {
	s, f := p.sequence, &p.frame
	if !s.filmGrain || !f.show && !f.showable || !r.flag() { // apply_grain
		return
	}
	r.skip(16)
	if f.kind == av1Inter && !r.flag() { // update_grain
		r.skip(3)
		return
	}
	lumaPoints := int(r.u(4))
	r.skip(16 * lumaPoints)
	fromLuma := !s.mono && r.flag()
	cbPoints, crPoints := 0, 0
	if !s.mono && !fromLuma && (!s.subX || !s.subY || lumaPoints > 0) {
		cbPoints = int(r.u(4))
		r.skip(16 * cbPoints)
		crPoints = int(r.u(4))
		r.skip(16 * crPoints)
	}
	r.skip(2)
	lag := int(r.u(2))
	luma := 2 * lag * (lag + 1)
	chroma := luma
	if lumaPoints > 0 {
		chroma++
		r.skip(8 * luma)
	}
	if fromLuma || cbPoints > 0 {
		r.skip(8 * chroma)
	}
	if fromLuma || crPoints > 0 {
		r.skip(8 * chroma)
	}
	r.skip(2 + 2)
	if cbPoints > 0 {
		r.skip(8 + 8 + 9)
	}
	if crPoints > 0 {
		r.skip(8 + 8 + 9)
	}
	r.skip(2)
}
