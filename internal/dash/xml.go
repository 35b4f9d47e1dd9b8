package dash

// The elements of ISO/IEC 23009-1 that are written, in the order of its schema.

const (
	namespace     = "urn:mpeg:dash:schema:mpd:2011"
	namespaceCENC = "urn:mpeg:cenc:2013"
	namespaceMSPR = "urn:microsoft:playready"
)

type xmlMPD struct {
	XMLName                   struct{}    `xml:"MPD"`
	NS                        string      `xml:"xmlns,attr"`
	NSCENC                    string      `xml:"xmlns:cenc,attr,omitempty"`
	NSMSPR                    string      `xml:"xmlns:mspr,attr,omitempty"`
	Type                      string      `xml:"type,attr"`
	Profiles                  string      `xml:"profiles,attr"`
	MediaPresentationDuration xmlDuration `xml:"mediaPresentationDuration,attr"`
	MinBufferTime             xmlDuration `xml:"minBufferTime,attr"`
	MaxSegmentDuration        xmlDuration `xml:"maxSegmentDuration,attr,omitempty"`
	MaxSubsegmentDuration     xmlDuration `xml:"maxSubsegmentDuration,attr,omitempty"`
	BaseURL                   string      `xml:"BaseURL,omitempty"`
	Period                    xmlPeriod   `xml:"Period"`
}

type xmlPeriod struct {
	ID       string              `xml:"id,attr"`
	Start    string              `xml:"start,attr"`
	Duration xmlDuration         `xml:"duration,attr"`
	Sets     []*xmlAdaptationSet `xml:"AdaptationSet"`
}

type xmlAdaptationSet struct {
	ID                      int                    `xml:"id,attr"`
	ContentType             string                 `xml:"contentType,attr,omitempty"`
	MIMEType                string                 `xml:"mimeType,attr"`
	Lang                    string                 `xml:"lang,attr,omitempty"`
	SegmentAlignment        bool                   `xml:"segmentAlignment,attr,omitempty"`
	SubsegmentAlignment     bool                   `xml:"subsegmentAlignment,attr,omitempty"`
	StartWithSAP            int                    `xml:"startWithSAP,attr,omitempty"`
	SubsegmentStartsWithSAP int                    `xml:"subsegmentStartsWithSAP,attr,omitempty"`
	Par                     string                 `xml:"par,attr,omitempty"`
	MaxWidth                int                    `xml:"maxWidth,attr,omitempty"`
	MaxHeight               int                    `xml:"maxHeight,attr,omitempty"`
	MaxFrameRate            string                 `xml:"maxFrameRate,attr,omitempty"`
	ContentProtection       []xmlContentProtection `xml:"ContentProtection"`
	EssentialProperty       []xmlDescriptor        `xml:"EssentialProperty"`
	SupplementalProperty    []xmlDescriptor        `xml:"SupplementalProperty"`
	InbandEventStream       []xmlDescriptor        `xml:"InbandEventStream"`
	Label                   string                 `xml:"Label,omitempty"`
	Accessibility           []xmlDescriptor        `xml:"Accessibility"`
	Role                    []xmlDescriptor        `xml:"Role"`
	SegmentTemplate         *xmlSegmentTemplate    `xml:"SegmentTemplate"`
	Representations         []*xmlRepresentation   `xml:"Representation"`
}

type xmlRepresentation struct {
	ID                        string              `xml:"id,attr"`
	Bandwidth                 int64               `xml:"bandwidth,attr"`
	Codecs                    string              `xml:"codecs,attr,omitempty"`
	Width                     int                 `xml:"width,attr,omitempty"`
	Height                    int                 `xml:"height,attr,omitempty"`
	FrameRate                 string              `xml:"frameRate,attr,omitempty"`
	Sar                       string              `xml:"sar,attr,omitempty"`
	ScanType                  string              `xml:"scanType,attr,omitempty"`
	CodingDependency          string              `xml:"codingDependency,attr,omitempty"`
	AudioSamplingRate         int                 `xml:"audioSamplingRate,attr,omitempty"`
	AudioChannelConfiguration []xmlDescriptor     `xml:"AudioChannelConfiguration"`
	EssentialProperty         []xmlDescriptor     `xml:"EssentialProperty"`
	BaseURL                   string              `xml:"BaseURL,omitempty"`
	SegmentBase               *xmlSegmentBase     `xml:"SegmentBase"`
	SegmentTemplate           *xmlSegmentTemplate `xml:"SegmentTemplate"`
}

type xmlDescriptor struct {
	Scheme string `xml:"schemeIdUri,attr"`
	Value  string `xml:"value,attr,omitempty"`
}

type xmlContentProtection struct {
	Scheme     string `xml:"schemeIdUri,attr"`
	Value      string `xml:"value,attr,omitempty"`
	DefaultKID string `xml:"cenc:default_KID,attr,omitempty"`
	PSSH       string `xml:"cenc:pssh,omitempty"`
	Inner      string `xml:",innerxml"`
}

type xmlSegmentBase struct {
	Timescale              uint32   `xml:"timescale,attr"`
	PresentationTimeOffset int64    `xml:"presentationTimeOffset,attr,omitempty"`
	IndexRange             string   `xml:"indexRange,attr"`
	Initialization         xmlRange `xml:"Initialization"`
}

type xmlRange struct {
	Range string `xml:"range,attr"`
}

type xmlSegmentTemplate struct {
	Timescale              uint32       `xml:"timescale,attr,omitempty"`
	PresentationTimeOffset *int64       `xml:"presentationTimeOffset,attr"`
	Duration               int64        `xml:"duration,attr,omitempty"`
	StartNumber            *int         `xml:"startNumber,attr"`
	Initialization         string       `xml:"initialization,attr,omitempty"`
	Media                  string       `xml:"media,attr,omitempty"`
	Timeline               *xmlTimeline `xml:"SegmentTimeline"`
}

type xmlTimeline struct {
	S []xmlS `xml:"S"`
}

type xmlS struct {
	T *int64 `xml:"t,attr"`
	D int64  `xml:"d,attr"`
	R int    `xml:"r,attr,omitempty"`
}
