package cenc

import (
	"errors"
	"fmt"
)

// The types of NAL units of ISO/IEC 23008-2 table 7-1 that are told apart here.
const (
	hevcLastTrailing = 9 // RASL_R; slices are 0 to 9 and 16 to 21
	hevcFirstIRAP    = 16
	hevcIDRWithRADL  = 19
	hevcIDRNoLeading = 20
	hevcCRA          = 21
	hevcLastIRAP     = 23
	hevcFirstNonVCL  = 32
	hevcSPSUnit      = 33
	hevcPPSUnit      = 34
	hevcLastNonVCL   = 47
	hevcDolbyRPU     = 62 // metadata of Dolby Vision, an unspecified type
)

const (
	maxHEVCSPS      = 16
	maxHEVCPPS      = 64
	maxHEVCRefIdx   = 14
	maxShortTerm    = 64 // num_short_term_ref_pic_sets
	maxLongTerm     = 32 // num_long_term_ref_pics_sps, and pictures in a header
	maxDeltaPOCs    = 16
	maxHEVCSide     = 1 << 16
	maxEntryPoints  = 22 * 440 // tiles times rows, level 6.2
	maxSliceExtends = 256
)

// hevcRPS is a short-term reference picture set, 7.3.7: the distances of its pictures, those before the current one first.
type hevcRPS struct {
	negative, count int
	delta           [maxDeltaPOCs]int32
	used            int
}

// hevcSPS is what the length of slice segment headers depends on of a sequence parameter set, 7.3.2.2.
type hevcSPS struct {
	separatePlanes bool
	chroma         bool // ChromaArrayType is not 0
	ctbs           uint32
	pocBits        int
	sao            bool
	shortTerm      []hevcRPS
	longTerm       bool
	longTermUsed   []bool
	temporalMVP    bool
}

// hevcPPS is the same of a picture parameter set, 7.3.2.3.
type hevcPPS struct {
	sps                int
	dependentSlices    bool
	outputFlag         bool
	extraBits          int
	cabacInit          bool
	refIdx             [2]int
	chromaOffsets      bool
	chromaOffsetList   bool
	weighted           bool
	weightedBi         bool
	entryPoints        bool
	loopFilterAcross   bool
	deblockingOverride bool
	deblockingDisabled bool
	listsModification  bool
	headerExtension    bool
}

// hevcParser finds slice segment headers. It holds the parameter sets by their identifiers.
type hevcParser struct {
	sps [maxHEVCSPS]*hevcSPS
	pps [maxHEVCPPS]*hevcPPS
}

var (
	errHEVCLayers  = errors.New("layers beside the base layer are not offered")
	errHEVCContent = errors.New("extensions for screen content are not offered")
)

func (p *hevcParser) parameterSet(nal []byte) error {
	if len(nal) < 2 {
		return errSyntax
	}
	if nal[0]&1 != 0 || nal[1]>>3 != 0 { // of a layer whose slices are refused
		return nil
	}
	switch nal[0] >> 1 & 63 {
	case hevcSPSUnit:
		if err := p.parseSPS(nal); err != nil {
			return fmt.Errorf("sequence parameter set: %w", err)
		}
	case hevcPPSUnit:
		if err := p.parsePPS(nal); err != nil {
			return fmt.Errorf("picture parameter set: %w", err)
		}
	}
	return nil
}

func (p *hevcParser) parseSPS(nal []byte) error {
	r := bitReader{data: nal, emulation: true}
	r.skip(16 + 4)
	subLayers := int(r.u(3))
	r.skip(1)
	if screenContent := skipProfileTierLevel(&r, subLayers); screenContent {
		return errHEVCContent
	}
	id := r.upTo(maxHEVCSPS - 1)
	s := &hevcSPS{}
	format := r.upTo(3)
	if format == 3 {
		s.separatePlanes = r.flag()
	}
	s.chroma = format != 0 && !s.separatePlanes
	width, height := r.upTo(maxHEVCSide), r.upTo(maxHEVCSide)
	if r.flag() { // conformance_window_flag
		for range 4 {
			r.ue()
		}
	}
	r.upTo(8)
	r.upTo(8)
	s.pocBits = r.upTo(12) + 4
	orderings := 1
	if r.flag() { // sps_sub_layer_ordering_info_present_flag
		orderings = subLayers + 1
	}
	for range 3 * orderings {
		r.ue()
	}
	ctb := 3 + r.upTo(3)
	ctb += r.upTo(3)
	across, down := (width+1<<ctb-1)>>ctb, (height+1<<ctb-1)>>ctb
	s.ctbs = uint32(across) * uint32(down)
	for range 4 { // transform blocks
		r.ue()
	}
	if enabled := r.flag(); enabled && r.flag() { // scaling_list_enabled_flag, sps_scaling_list_data_present_flag
		skipHEVCScalingLists(&r)
	}
	r.skip(1)
	s.sao = r.flag()
	if r.flag() { // pcm_enabled_flag
		r.skip(8)
		r.ue()
		r.ue()
		r.skip(1)
	}
	sets := r.upTo(maxShortTerm)
	s.shortTerm = make([]hevcRPS, sets)
	for i := range s.shortTerm {
		s.shortTerm[i] = readRPS(&r, s.shortTerm, i)
	}
	if s.longTerm = r.flag(); s.longTerm {
		s.longTermUsed = make([]bool, r.upTo(maxLongTerm))
		for i := range s.longTermUsed {
			r.skip(s.pocBits)
			s.longTermUsed[i] = r.flag()
		}
	}
	s.temporalMVP = r.flag()
	if err := r.err(); err != nil {
		return err
	}
	p.sps[id] = s
	return nil
}

// skipProfileTierLevel reads profile_tier_level, 7.3.3, and reports whether the profile is one for screen content: its parameter sets end in
// extensions, behind all that is read here, that add fields to slice headers.
func skipProfileTierLevel(r *bitReader, subLayers int) bool {
	r.skip(3)
	idc := r.u(5)
	compatible := r.u(32)
	r.skip(4 + 43 + 1)
	r.skip(8)
	const profile9, profile11 = 1 << (31 - 9), 1 << (31 - 11)
	screenContent := idc == 9 || idc == 11 || compatible&(profile9|profile11) != 0
	var profile, level [8]bool
	for i := range subLayers {
		profile[i], level[i] = r.flag(), r.flag()
	}
	if subLayers > 0 {
		r.skip(2 * (8 - subLayers))
	}
	for i := range subLayers {
		if profile[i] {
			r.skip(88)
		}
		if level[i] {
			r.skip(8)
		}
	}
	return screenContent
}

// skipHEVCScalingLists reads scaling_list_data, 7.3.4.
func skipHEVCScalingLists(r *bitReader) {
	for size := range 4 {
		step := 1
		if size == 3 {
			step = 3
		}
		for matrix := 0; matrix < 6; matrix += step {
			if !r.flag() {
				r.ue()
				continue
			}
			if size > 1 {
				r.se()
			}
			for range min(64, 1<<(4+size<<1)) {
				r.se()
			}
		}
	}
}

// readRPS reads st_ref_pic_set(i), 7.3.7, where sets are those of the sequence parameter set; i is their number for a set in a slice header. It
// derives the set by 7.4.8.
func readRPS(r *bitReader, sets []hevcRPS, i int) hevcRPS {
	var s hevcRPS
	if i > 0 && r.flag() { // inter_ref_pic_set_prediction_flag
		from := 1
		if i == len(sets) {
			from += r.upTo(uint32(i - 1)) // delta_idx_minus1
		}
		ref := &sets[i-from]
		negative := r.flag()
		delta := int32(r.upTo(1<<15-1)) + 1
		if negative {
			delta = -delta
		}
		// The flags of each picture of ref, and behind them of ref itself.
		var use, used [maxDeltaPOCs + 1]bool
		for j := range ref.count + 1 {
			used[j] = r.flag()
			use[j] = used[j] || r.flag()
		}
		add := func(j int, d int32, before bool) {
			if !use[j] || d == 0 || d < 0 != before {
				return
			}
			if s.count == maxDeltaPOCs {
				r.failed = true
				return
			}
			s.delta[s.count] = d
			s.count++
			if used[j] {
				s.used++
			}
		}
		for j := ref.count - 1; j >= ref.negative; j-- {
			add(j, ref.delta[j]+delta, true)
		}
		add(ref.count, delta, true)
		for j := range ref.negative {
			add(j, ref.delta[j]+delta, true)
		}
		s.negative = s.count
		for j := ref.negative - 1; j >= 0; j-- {
			add(j, ref.delta[j]+delta, false)
		}
		add(ref.count, delta, false)
		for j := ref.negative; j < ref.count; j++ {
			add(j, ref.delta[j]+delta, false)
		}
		return s
	}
	s.negative = r.upTo(maxDeltaPOCs)
	s.count = s.negative + r.upTo(uint32(maxDeltaPOCs-s.negative))
	d := int32(0)
	for j := range s.count {
		if j == s.negative {
			d = 0
		}
		step := int32(r.upTo(1<<15-1)) + 1
		if j < s.negative {
			step = -step
		}
		d += step
		s.delta[j] = d
		if r.flag() {
			s.used++
		}
	}
	return s
}

func (p *hevcParser) parsePPS(nal []byte) error {
	r := bitReader{data: nal, emulation: true}
	r.skip(16)
	id := r.upTo(maxHEVCPPS - 1)
	s := &hevcPPS{sps: r.upTo(maxHEVCSPS - 1)}
	s.dependentSlices = r.flag()
	s.outputFlag = r.flag()
	s.extraBits = int(r.u(3))
	r.skip(1)
	s.cabacInit = r.flag()
	s.refIdx = [2]int{r.upTo(maxHEVCRefIdx), r.upTo(maxHEVCRefIdx)}
	r.se()
	r.skip(1)
	transformSkip := r.flag()
	if r.flag() { // cu_qp_delta_enabled_flag
		r.ue()
	}
	r.se()
	r.se()
	s.chromaOffsets = r.flag()
	s.weighted = r.flag()
	s.weightedBi = r.flag()
	r.skip(1)
	tiles := r.flag()
	s.entryPoints = r.flag() || tiles
	if tiles {
		columns, rows := r.upTo(maxEntryPoints), r.upTo(maxEntryPoints)
		if !r.flag() { // uniform_spacing_flag
			for range columns + rows {
				r.ue()
			}
		}
		r.skip(1)
	}
	s.loopFilterAcross = r.flag()
	if r.flag() { // deblocking_filter_control_present_flag
		s.deblockingOverride = r.flag()
		if s.deblockingDisabled = r.flag(); !s.deblockingDisabled {
			r.se()
			r.se()
		}
	}
	if r.flag() { // pps_scaling_list_data_present_flag
		skipHEVCScalingLists(&r)
	}
	s.listsModification = r.flag()
	r.ue()
	s.headerExtension = r.flag()
	if r.flag() { // pps_extension_present_flag
		rangeExtension := r.flag()
		r.skip(2) // multilayer and 3D extensions: what they add stands in slice_segment_header_extension
		if screenContent := r.flag(); screenContent {
			return errHEVCContent
		}
		r.skip(4)
		if rangeExtension {
			if transformSkip {
				r.ue()
			}
			r.skip(1)
			s.chromaOffsetList = r.flag()
		}
	}
	if err := r.err(); err != nil {
		return err
	}
	p.pps[id] = s
	return nil
}

// The kinds of slices, ISO/IEC 23008-2 table 7-7.
const (
	hevcB = 0
	hevcP = 1
)

// sliceHeader returns how many bytes of nal, a slice segment, the NAL unit's header and the slice segment's header (7.3.6) take.
func (p *hevcParser) sliceHeader(nal []byte) (int, error) {
	r := bitReader{data: nal, emulation: true}
	if err := p.readSliceHeader(&r); err != nil {
		return 0, fmt.Errorf("slice segment header: %w", err)
	}
	return r.next, nil
}

func (p *hevcParser) readSliceHeader(r *bitReader) error {
	unit := r.u(16) >> 9 & 63
	first := r.flag()
	if unit >= hevcFirstIRAP && unit <= hevcLastIRAP {
		r.skip(1)
	}
	pps := p.pps[r.upTo(maxHEVCPPS-1)]
	if r.failed {
		return errSyntax
	}
	if pps == nil || p.sps[pps.sps] == nil {
		return errors.New("its parameter sets are not known")
	}
	sps := p.sps[pps.sps]
	dependent := false
	if !first {
		if pps.dependentSlices {
			dependent = r.flag()
		}
		r.skip(log2(sps.ctbs))
	}
	if !dependent {
		p.readIndependent(r, unit, sps, pps)
	}
	if pps.entryPoints {
		if n := r.upTo(maxEntryPoints); n > 0 {
			length := r.upTo(31) + 1
			r.skip(n * length)
		}
	}
	if pps.headerExtension {
		r.skip(8 * r.upTo(maxSliceExtends))
	}
	// byte_alignment, which tells that the header was read as it was written.
	r.require(r.flag())
	for r.left > 0 {
		r.require(!r.flag())
	}
	return r.err()
}

func (p *hevcParser) readIndependent(r *bitReader, unit uint32, sps *hevcSPS, pps *hevcPPS) {
	r.skip(pps.extraBits)
	kind := r.upTo(2)
	if pps.outputFlag {
		r.skip(1)
	}
	if sps.separatePlanes {
		r.skip(2)
	}
	pictures := 0 // NumPicTotalCurr
	temporalMVP := false
	if unit != hevcIDRWithRADL && unit != hevcIDRNoLeading {
		pictures = readReferences(r, sps)
		if sps.temporalMVP {
			temporalMVP = r.flag()
		}
	}
	sao := false
	if sps.sao {
		sao = r.flag()
		if sps.chroma {
			sao = r.flag() || sao
		}
	}
	if kind == hevcP || kind == hevcB {
		readPrediction(r, kind, pictures, temporalMVP, sps, pps)
	}
	r.se() // slice_qp_delta
	if pps.chromaOffsets {
		r.se()
		r.se()
	}
	if pps.chromaOffsetList {
		r.skip(1)
	}
	override := pps.deblockingOverride && r.flag()
	disabled := pps.deblockingDisabled
	if override {
		if disabled = r.flag(); !disabled {
			r.se()
			r.se()
		}
	}
	if pps.loopFilterAcross && (sao || !disabled) {
		r.skip(1)
	}
}

// readReferences reads the reference picture sets of a slice and returns how many pictures of them it may refer to.
func readReferences(r *bitReader, sps *hevcSPS) int {
	r.skip(sps.pocBits)
	pictures := 0
	if !r.flag() { // short_term_ref_pic_set_sps_flag
		set := readRPS(r, sps.shortTerm, len(sps.shortTerm))
		pictures = set.used
	} else {
		i := int(r.u(log2(uint32(len(sps.shortTerm)))))
		if i >= len(sps.shortTerm) {
			r.failed = true
			return 0
		}
		pictures = sps.shortTerm[i].used
	}
	if !sps.longTerm {
		return pictures
	}
	known := 0
	if len(sps.longTermUsed) > 0 {
		known = r.upTo(uint32(len(sps.longTermUsed)))
	}
	for i := range known + r.upTo(maxLongTerm) {
		used := false
		if i < known {
			n := int(r.u(log2(uint32(len(sps.longTermUsed)))))
			if n >= len(sps.longTermUsed) {
				r.failed = true
				return 0
			}
			used = sps.longTermUsed[n]
		} else {
			r.skip(sps.pocBits)
			used = r.flag()
		}
		if used {
			pictures++
		}
		if r.flag() { // delta_poc_msb_present_flag
			r.ue()
		}
	}
	return pictures
}

// readPrediction reads what headers of P and B slices alone have.
func readPrediction(r *bitReader, kind, pictures int, temporalMVP bool, sps *hevcSPS, pps *hevcPPS) {
	refIdx := pps.refIdx
	lists := 1
	if kind == hevcB {
		lists = 2
	}
	if r.flag() { // num_ref_idx_active_override_flag
		for i := range lists {
			refIdx[i] = r.upTo(maxHEVCRefIdx)
		}
	}
	if pps.listsModification && pictures > 1 {
		for i := range lists {
			if r.flag() {
				r.skip((refIdx[i] + 1) * log2(uint32(pictures)))
			}
		}
	}
	if kind == hevcB {
		r.skip(1) // mvd_l1_zero_flag
	}
	if pps.cabacInit {
		r.skip(1)
	}
	if temporalMVP {
		from := 0
		if kind == hevcB && !r.flag() { // collocated_from_l0_flag
			from = 1
		}
		if refIdx[from] > 0 {
			r.ue()
		}
	}
	if pps.weighted && kind == hevcP || pps.weightedBi && kind == hevcB {
		skipHEVCWeights(r, sps.chroma, refIdx[:lists])
	}
	r.upTo(4) // five_minus_max_num_merge_cand
}

// skipHEVCWeights reads pred_weight_table, 7.3.6.3.
func skipHEVCWeights(r *bitReader, chroma bool, refIdx []int) {
	r.ue()
	if chroma {
		r.se()
	}
	for _, n := range refIdx {
		var lumas, chromas uint32
		lumas = r.u(n + 1)
		if chroma {
			chromas = r.u(n + 1)
		}
		for i := n; i >= 0; i-- {
			if lumas>>i&1 == 1 {
				r.se()
				r.se()
			}
			if chromas>>i&1 == 1 {
				for range 4 {
					r.se()
				}
			}
		}
	}
}
