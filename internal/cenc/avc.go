package cenc

import "fmt"

// The types of NAL units of ISO/IEC 14496-10 table 7-1 that are told apart here.
const (
	avcSlice       = 1
	avcIDRSlice    = 5
	avcSEI         = 6
	avcSPSUnit     = 7
	avcPPSUnit     = 8
	avcAUD         = 9
	avcEndSequence = 10
	avcEndStream   = 11
	avcFiller      = 12
	avcSPSExt      = 13
	avcPrefix      = 14
	avcSubsetSPS   = 15
	avcAuxSlice    = 19
)

const (
	maxAVCSPS      = 32
	maxAVCPPS      = 256
	maxRefIdx      = 31 // num_ref_idx_active_minus1
	maxSliceGroups = 8  //
	maxPicSize     = 1 << 22
)

// avcSPS is what the length of slice headers depends on of a sequence parameter set, ISO/IEC 14496-10 7.3.2.1.1.
type avcSPS struct {
	separatePlanes    bool
	chroma            bool // ChromaArrayType is not 0
	frameNumBits      int
	pocType           int
	pocBits           int
	deltaAlwaysZero   bool
	frameMBsOnly      bool
	picSizeInMapUnits uint64
}

// avcPPS is the same of a picture parameter set, 7.3.2.2.
type avcPPS struct {
	sps                int
	cabac              bool
	bottomFieldPOC     bool
	changingGroups     bool // slice_group_map_type 3 to 5
	changeRate         uint64
	refIdx             [2]int // num_ref_idx_l0_default_active_minus1 and l1
	weighted           bool
	weightedBi         uint32
	deblockingControl  bool
	redundantPicCounts bool
}

// avcParser finds slice headers. It holds the parameter sets by their identifiers.
type avcParser struct {
	sps [maxAVCSPS]*avcSPS
	pps [maxAVCPPS]*avcPPS
}

func (p *avcParser) parameterSet(nal []byte) error {
	switch nal[0] & 31 {
	case avcSPSUnit:
		return p.parseSPS(nal)
	case avcPPSUnit:
		return p.parsePPS(nal)
	}
	return nil
}

func (p *avcParser) parseSPS(nal []byte) error {
	r := bitReader{data: nal, emulation: true}
	r.skip(8)
	profile := r.u(8)
	r.skip(16)
	id := r.upTo(maxAVCSPS - 1)
	s := &avcSPS{chroma: true}
	switch profile {
	case 100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135:
		format := r.upTo(3)
		if format == 3 {
			s.separatePlanes = r.flag()
		}
		s.chroma = format != 0 && !s.separatePlanes
		r.upTo(6) // bit_depth_luma_minus8
		r.upTo(6)
		r.skip(1)     // qpprime_y_zero_transform_bypass_flag
		if r.flag() { // seq_scaling_matrix_present_flag
			lists := 8
			if format == 3 {
				lists = 12
			}
			for i := range lists {
				if r.flag() {
					skipAVCScalingList(&r, i)
				}
			}
		}
	}
	s.frameNumBits = r.upTo(12) + 4
	s.pocType = r.upTo(2)
	switch s.pocType {
	case 0:
		s.pocBits = r.upTo(12) + 4
	case 1:
		s.deltaAlwaysZero = r.flag()
		r.se()
		r.se()
		for n := r.upTo(255); n > 0; n-- {
			r.se()
		}
	}
	r.ue()    // max_num_ref_frames
	r.skip(1) // gaps_in_frame_num_value_allowed_flag
	width := uint64(r.ue()) + 1
	s.picSizeInMapUnits = width * (uint64(r.ue()) + 1)
	s.frameMBsOnly = r.flag()
	r.require(s.picSizeInMapUnits <= maxPicSize)
	if err := r.err(); err != nil {
		return fmt.Errorf("sequence parameter set: %w", err)
	}
	p.sps[id] = s
	return nil
}

func skipAVCScalingList(r *bitReader, i int) {
	size := 16
	if i >= 6 {
		size = 64
	}
	last, next := int32(8), int32(8)
	for range size {
		if next != 0 {
			next = (last + r.se() + 256) & 255
		}
		if next != 0 {
			last = next
		}
	}
}

func (p *avcParser) parsePPS(nal []byte) error {
	r := bitReader{data: nal, emulation: true}
	r.skip(8)
	id := r.upTo(maxAVCPPS - 1)
	s := &avcPPS{sps: r.upTo(maxAVCSPS - 1)}
	s.cabac = r.flag()
	s.bottomFieldPOC = r.flag()
	if groups := r.upTo(maxSliceGroups - 1); groups > 0 {
		switch mapType := r.upTo(6); mapType {
		case 0:
			for range groups + 1 {
				r.ue()
			}
		case 2:
			for range groups {
				r.ue()
				r.ue()
			}
		case 3, 4, 5:
			s.changingGroups = true
			r.skip(1)
			s.changeRate = uint64(r.ue()) + 1
		case 6:
			size := r.upTo(maxPicSize - 1)
			r.skip((size + 1) * log2(uint32(groups)+1))
		}
	}
	s.refIdx = [2]int{r.upTo(maxRefIdx), r.upTo(maxRefIdx)}
	s.weighted = r.flag()
	s.weightedBi = r.u(2)
	r.se()
	r.se()
	r.se()
	s.deblockingControl = r.flag()
	r.skip(1) // constrained_intra_pred_flag
	s.redundantPicCounts = r.flag()
	if err := r.err(); err != nil {
		return fmt.Errorf("picture parameter set: %w", err)
	}
	p.pps[id] = s
	return nil
}

// The kinds of slices, modulo 5: ISO/IEC 14496-10 table 7-6.
const (
	avcP  = 0
	avcB  = 1
	avcI  = 2
	avcSP = 3
	avcSI = 4
)

// sliceHeader returns how many bytes of nal, a slice, the NAL unit's header and the slice's header (7.3.3) take, the byte that the header ends in
// counted whole.
func (p *avcParser) sliceHeader(nal []byte) (int, error) {
	r := bitReader{data: nal, emulation: true}
	head := r.u(8)
	unit, reference := head&31, head>>5&3 != 0
	r.ue() // first_mb_in_slice
	kind := r.upTo(9) % 5
	pps := p.pps[r.upTo(maxAVCPPS-1)]
	if err := r.err(); err != nil {
		return 0, fmt.Errorf("slice header: %w", err)
	}
	if pps == nil || p.sps[pps.sps] == nil {
		return 0, fmt.Errorf("slice header: its parameter sets are not known")
	}
	sps := p.sps[pps.sps]
	if sps.separatePlanes {
		r.skip(2)
	}
	r.skip(sps.frameNumBits)
	field := false
	if !sps.frameMBsOnly {
		if field = r.flag(); field {
			r.skip(1)
		}
	}
	if unit == avcIDRSlice {
		r.ue() // idr_pic_id
	}
	both := pps.bottomFieldPOC && !field
	switch {
	case sps.pocType == 0:
		r.skip(sps.pocBits)
		if both {
			r.se()
		}
	case sps.pocType == 1 && !sps.deltaAlwaysZero:
		r.se()
		if both {
			r.se()
		}
	}
	if pps.redundantPicCounts {
		r.ue()
	}
	lists := 0
	refIdx := pps.refIdx
	switch kind {
	case avcP, avcSP:
		lists = 1
	case avcB:
		lists = 2
		r.skip(1) // direct_spatial_mv_pred_flag
	}
	if lists > 0 && r.flag() { // num_ref_idx_active_override_flag
		for i := range lists {
			refIdx[i] = r.upTo(maxRefIdx)
		}
	}
	for range lists {
		skipAVCListModification(&r)
	}
	if pps.weighted && lists == 1 || pps.weightedBi == 1 && lists == 2 {
		skipAVCWeights(&r, sps.chroma, refIdx[:lists])
	}
	if reference {
		skipAVCMarking(&r, unit == avcIDRSlice)
	}
	if pps.cabac && lists > 0 {
		r.upTo(2) // cabac_init_idc
	}
	r.se() // slice_qp_delta
	if kind == avcSP || kind == avcSI {
		if kind == avcSP {
			r.skip(1)
		}
		r.se()
	}
	if pps.deblockingControl && r.upTo(2) != 1 {
		r.se()
		r.se()
	}
	if pps.changingGroups {
		// Ceil(Log2(PicSizeInMapUnits ÷ SliceGroupChangeRate + 1)), the division not rounded.
		n := 0
		for (uint64(1)<<n-1)*pps.changeRate < sps.picSizeInMapUnits {
			n++
		}
		r.skip(n)
	}
	if pps.cabac { // cabac_alignment_one_bit, which tells that the header was read as it was written
		for r.left > 0 {
			r.require(r.flag())
		}
	}
	if err := r.err(); err != nil {
		return 0, fmt.Errorf("slice header: %w", err)
	}
	return r.next, nil
}

// skipAVCListModification reads ref_pic_list_modification of one list, 7.3.3.1.
func skipAVCListModification(r *bitReader) {
	if !r.flag() {
		return
	}
	for !r.failed && r.upTo(3) != 3 {
		r.ue()
	}
}

// skipAVCWeights reads pred_weight_table, 7.3.3.2.
func skipAVCWeights(r *bitReader, chroma bool, refIdx []int) {
	r.ue()
	if chroma {
		r.ue()
	}
	for _, n := range refIdx {
		for range n + 1 {
			if r.flag() {
				r.se()
				r.se()
			}
			if chroma && r.flag() {
				for range 4 {
					r.se()
				}
			}
		}
	}
}

// skipAVCMarking reads dec_ref_pic_marking, 7.3.3.3.
func skipAVCMarking(r *bitReader, idr bool) {
	if idr {
		r.skip(2)
		return
	}
	if !r.flag() {
		return
	}
	for !r.failed {
		switch r.upTo(6) {
		case 0:
			return
		case 1, 2, 4, 6:
			r.ue()
		case 3:
			r.ue()
			r.ue()
		}
	}
}
