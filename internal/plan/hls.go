package plan

import (
	"time"

	"github.com/aws/aws-sdk-go-v2/service/mediaconvert/types"
)

// The defaults of the model and of the service's console for sound and transport streams.
const (
	defaultAudioGroup   = "program_audio"
	defaultPMTPID       = 480
	defaultVideoPID     = 481
	defaultAudioPID     = 482
	defaultProgram      = 1
	defaultFramesPerPES = 4
)

// transportStream is how the segments of an output are laid out.
func transportStream(m *types.M3u8Settings, video bool, audio int) TransportStream {
	if m == nil {
		m = &types.M3u8Settings{}
	}
	or := func(p *int32, usual int) int {
		if p == nil {
			return usual
		}
		return int(*p)
	}
	ts := TransportStream{
		ProgramNumber:     or(m.ProgramNumber, defaultProgram),
		TransportStreamID: or(m.TransportStreamId, 1),
		PMTPID:            or(m.PmtPid, defaultPMTPID),
		VideoPID:          or(m.VideoPid, defaultVideoPID),
		PATInterval:       time.Duration(or(m.PatInterval, 0)) * time.Millisecond,
		PMTInterval:       time.Duration(or(m.PmtInterval, 0)) * time.Millisecond,
		AudioFramesPerPES: or(m.AudioFramesPerPes, defaultFramesPerPES),
	}
	if ts.AudioFramesPerPES == 0 {
		ts.AudioFramesPerPES = defaultFramesPerPES
	}
	for i := range audio {
		pid := defaultAudioPID + i
		if i < len(m.AudioPids) {
			pid = int(m.AudioPids[i])
		}
		ts.AudioPIDs = append(ts.AudioPIDs, pid)
	}
	switch {
	case m.PcrPid != nil:
		ts.PCRPID = int(*m.PcrPid)
	case video:
		ts.PCRPID = ts.VideoPID
	case audio > 0:
		ts.PCRPID = ts.AudioPIDs[0]
	}
	return ts
}
